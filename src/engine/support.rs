//! Tickets and satisfaction of one customer. A ticket's state is that of its latest action by (time, source, offset).

use serde::{Deserialize, Serialize};

use super::compact::{CompactStamp, Moment};
use super::context::Context;
use crate::model::event::TicketAction;
use crate::model::record::Stamp;
use crate::signal::decay::add_shared;
use crate::signal::satisfaction::score_share;

/// One ticket.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// xxh3-64 of the ticket id.
    id: u64,
    /// First opening (or reopening) seen; [`Moment::NEVER`] when only other actions were.
    opened: Moment,
    /// Whether any of its events called it a complaint.
    complaint: bool,
    state: State,
    /// The latest action that opened or closed it.
    stamp: CompactStamp,
}

/// How a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum State {
    /// Nothing has opened or closed it yet.
    Unknown,
    Open,
    Closed,
}

impl Ticket {
    fn new(id: u64) -> Self {
        let (opened, stamp) = (Moment::NEVER, CompactStamp::from(Stamp::default()));
        Self { id, opened, complaint: false, state: State::Unknown, stamp }
    }

    fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// When it was last opened or closed.
    fn settled(&self) -> Option<Stamp> {
        (self.state != State::Unknown).then(|| self.stamp.stamp())
    }
}

/// Everything about support.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Support {
    /// Tickets remembered, open and closed, sorted by id.
    pub tickets: Box<[Ticket]>,
    /// Openings decayed with a half-life of 90 days.
    pub sums: [f64; 1],
    /// Sum of scores in [0, 1] and of weights, half-life 180 days.
    pub csat: [f64; 2],
    /// Openings.
    pub opened: u32,
    /// Tickets forgotten because there were too many (closed ones with the oldest action first).
    forgotten: u32,
    /// Landmark of the decayed count of openings.
    pub sums_at: Moment,
    /// Landmark of the satisfaction sums.
    pub csat_at: Moment,
}

impl Default for Support {
    fn default() -> Self {
        let at = Moment::new(0);
        Self {
            tickets: Box::default(),
            sums: [0.0],
            csat: [0.0; 2],
            opened: 0,
            forgotten: 0,
            sums_at: at,
            csat_at: at,
        }
    }
}

/// One support event, as the profile needs it.
#[derive(Clone, Copy, Debug)]
pub struct TicketEvent {
    /// xxh3-64 of the ticket id.
    pub ticket: u64,
    /// When and where.
    pub stamp: Stamp,
    /// What happened.
    pub action: TicketAction,
    /// Whether it is a complaint.
    pub complaint: bool,
    /// Satisfaction 1-5.
    pub csat: Option<u8>,
}

impl Support {
    /// Applies an event.
    pub fn apply(&mut self, cx: &Context, event: TicketEvent) {
        let ts_ms = event.stamp.ts_ms;
        if event.action == TicketAction::Opened {
            self.opened = self.opened.saturating_add(1);
            let at_ms = add_shared(&cx.tickets, &mut self.sums, self.sums_at.ms(), ts_ms, &[1.0]);
            self.sums_at = Moment::new(at_ms);
        }
        if let Some(score) = event.csat.and_then(score_share) {
            let at_ms = self.csat_at.ms();
            let at_ms = add_shared(&cx.csat, &mut self.csat, at_ms, ts_ms, &[score, 1.0]);
            self.csat_at = Moment::new(at_ms);
        }
        self.ticket(event, cx.plan.limits.tickets_max);
    }

    fn ticket(&mut self, event: TicketEvent, tickets_max: usize) {
        let at = match self.tickets.binary_search_by_key(&event.ticket, |t| t.id) {
            Ok(at) => at,
            Err(at) => {
                let mut tickets = std::mem::take(&mut self.tickets).into_vec();
                tickets.reserve_exact(1);
                tickets.insert(at, Ticket::new(event.ticket));
                self.tickets = tickets.into_boxed_slice();
                at
            }
        };
        let ticket = &mut self.tickets[at];
        ticket.complaint |= event.complaint;
        let state = match event.action {
            TicketAction::Opened | TicketAction::Reopened => State::Open,
            TicketAction::Resolved => State::Closed,
            TicketAction::Replied | TicketAction::Rated => State::Unknown,
        };
        if state != State::Unknown {
            if state == State::Open {
                ticket.opened.lower_to(event.stamp.ts_ms);
            }
            if ticket.settled().is_none_or(|stamp| stamp < event.stamp) {
                (ticket.state, ticket.stamp) = (state, event.stamp.into());
            }
        }
        if self.tickets.len() > tickets_max.max(1) {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        let oldest = (0..self.tickets.len())
            .min_by_key(|&i| (self.tickets[i].is_open(), self.tickets[i].settled()));
        if let Some(at) = oldest {
            let mut tickets = std::mem::take(&mut self.tickets).into_vec();
            tickets.remove(at);
            self.tickets = tickets.into_boxed_slice();
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }

    /// Open tickets, open complaints, and since when the oldest open one waits.
    pub fn open(&self) -> (u16, u16, Option<i64>) {
        let open = || self.tickets.iter().filter(|t| t.is_open());
        let count = |n: usize| n.min(usize::from(u16::MAX)) as u16;
        let oldest = open().filter_map(|t| t.opened.known_ms()).min();
        (count(open().count()), count(open().filter(|t| t.complaint).count()), oldest)
    }
}
