//! Tickets and satisfaction of one customer. A ticket's state is that of its latest action by (time, source, offset).

use serde::{Deserialize, Serialize};

use super::context::Context;
use crate::model::event::TicketAction;
use crate::model::record::Stamp;
use crate::model::time::NEVER_MS;
use crate::signal::decay::{Decay, add_shared};
use crate::signal::satisfaction::score_share;

/// One ticket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// xxh3-64 of the ticket id.
    pub id: u64,
    /// First opening (or reopening) seen; [`NEVER_MS`] when only other actions were.
    pub opened_ms: i64,
    /// Whether any of its events called it a complaint.
    pub complaint: bool,
    /// The latest action that opened or closed it, and whether it opened.
    pub state: Option<(Stamp, bool)>,
}

impl Ticket {
    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.state.is_some_and(|(_, open)| open)
    }
}

/// Everything about support.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Support {
    /// Tickets remembered, open and closed, sorted by id.
    pub tickets: Vec<Ticket>,
    /// Tickets forgotten because there were too many (closed ones with the oldest action first).
    pub forgotten: u32,
    /// Openings.
    pub opened: u32,
    /// Landmark of the decayed count of openings.
    pub sums_at_ms: i64,
    /// Openings decayed with a half-life of 90 days.
    pub sums: [f64; 1],
    /// Landmark of the satisfaction sums.
    pub csat_at_ms: i64,
    /// Sum of scores in [0, 1] and of weights, half-life 180 days.
    pub csat: [f64; 2],
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
            self.sums_at_ms =
                add_shared(&cx.tickets, &mut self.sums, self.sums_at_ms, ts_ms, &[1.0]);
        }
        if let Some(score) = event.csat.and_then(score_share) {
            let decays: &[Decay; 2] = &cx.csat;
            self.csat_at_ms =
                add_shared(decays, &mut self.csat, self.csat_at_ms, ts_ms, &[score, 1.0]);
        }
        self.ticket(event, cx.plan.limits.tickets_max);
    }

    fn ticket(&mut self, event: TicketEvent, tickets_max: usize) {
        let at = match self.tickets.binary_search_by_key(&event.ticket, |t| t.id) {
            Ok(at) => at,
            Err(at) => {
                let ticket =
                    Ticket { id: event.ticket, opened_ms: NEVER_MS, complaint: false, state: None };
                if self.tickets.is_empty() {
                    self.tickets.reserve_exact(1);
                }
                self.tickets.insert(at, ticket);
                at
            }
        };
        let ticket = &mut self.tickets[at];
        ticket.complaint |= event.complaint;
        let open = match event.action {
            TicketAction::Opened | TicketAction::Reopened => Some(true),
            TicketAction::Resolved => Some(false),
            TicketAction::Replied | TicketAction::Rated => None,
        };
        if let Some(open) = open {
            if open {
                ticket.opened_ms = ticket.opened_ms.min(event.stamp.ts_ms);
            }
            if ticket.state.is_none_or(|(stamp, _)| stamp < event.stamp) {
                ticket.state = Some((event.stamp, open));
            }
        }
        if self.tickets.len() > tickets_max.max(1) {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        let oldest = (0..self.tickets.len())
            .min_by_key(|&i| (self.tickets[i].is_open(), self.tickets[i].state.map(|s| s.0)));
        if let Some(at) = oldest {
            self.tickets.remove(at);
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }

    /// Open tickets, open complaints, and since when the oldest open one waits.
    pub fn open(&self) -> (u16, u16, Option<i64>) {
        let open = || self.tickets.iter().filter(|t| t.is_open());
        let count = |n: usize| n.min(usize::from(u16::MAX)) as u16;
        let oldest = open().map(|t| t.opened_ms).filter(|t| *t != NEVER_MS).min();
        (count(open().count()), count(open().filter(|t| t.complaint).count()), oldest)
    }
}
