//! How well the customer is cared for: first response, resolution, effort, satisfaction given and expected.
//!
//! A ticket weighs on the decayed sums with what its events say together - opened and answered, opened and solved -,
//! at the moment of the later one. When an event changes one of these moments, the old weight is taken back.

use serde::{Deserialize, Serialize};

use super::compact::{Moment, insert};
use super::fetch::fetch;
use super::sums::{Sum, Sums};
use crate::model::event::TicketAction;
use crate::signal::moment::earliest_after;
use crate::signal::satisfaction::score_share;
use crate::signal::service::{ln_hours, ln_wait_ratio};

const _: () = assert!(size_of::<Care>() <= 32 && size_of::<Ticket>() <= 46);

/// The sums that tickets as wholes weigh on; the others are of single events.
const OF_TICKETS: [Sum; 10] = [
    Sum::ReplyLn90,
    Sum::Replies90,
    Sum::ResolveLn90,
    Sum::Resolves90,
    Sum::SlaDue180,
    Sum::SlaMissed180,
    Sum::EffortLn90,
    Sum::Efforts90,
    Sum::Complaints365,
    Sum::Suggestions365,
];

/// One ticket: moments of its life, each the first or the last of its kind, so that order of arrival does not matter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Ticket {
    /// xxh3-64 of its id: as bytes, which need no padding.
    id: [u8; 8],
    /// First event of any kind: a complaint or a suggestion weighs from there.
    first: Moment,
    /// First opening.
    opened: Moment,
    /// Last opening or reopening.
    last_open: Moment,
    /// First reply of an agent.
    replied: Moment,
    /// First reply of an agent or resolution.
    responded: Moment,
    /// Last resolution.
    solved: Moment,
    complaint: bool,
    suggestion: bool,
}

/// Everything about care. What is counted stands in [`Sums`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Care {
    /// By id.
    tickets: Box<[Ticket]>,
    /// Tickets forgotten because there were too many.
    forgotten: u32,
    /// How long a first response may take, seconds: what the held tickets have been weighed by.
    promise_s: u32,
    /// Complaints among the tickets that are open: asked for after every event of a customer.
    open_complaints: u32,
}

/// A support event, as this section needs it.
#[derive(Clone, Copy, Debug)]
pub struct CareEvent {
    /// xxh3-64 of the ticket id.
    pub ticket: u64,
    /// When.
    pub ts_ms: i64,
    /// What happened.
    pub action: TicketAction,
    /// Whether an agent did it.
    pub by_agent: bool,
    /// Whether it is called a complaint.
    pub complaint: bool,
    /// Whether it is called a suggestion.
    pub suggestion: bool,
    /// Satisfaction 1-5.
    pub csat: Option<u8>,
    /// What the customer had expected, 1-5.
    pub expected: Option<u8>,
    /// Seconds the customer waited.
    pub wait_s: Option<f32>,
    /// Minutes the work took.
    pub handling_min: Option<f32>,
}

/// One ticket, as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketView {
    /// xxh3-64 of its id.
    pub id: u64,
    /// Since when it waits, or waited: its first opening, or the last if that is all that is known.
    pub opened_ms: i64,
    /// Whether it is open.
    pub open: bool,
    /// Whether it is a complaint.
    pub complaint: bool,
    /// Whether an agent has replied.
    pub answered: bool,
}

/// What is open at present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenTickets {
    /// Tickets.
    pub tickets: u32,
    /// Complaints among them.
    pub complaints: u32,
    /// First opening of the oldest.
    pub oldest_ms: Option<i64>,
    /// First opening of the oldest complaint.
    pub oldest_complaint_ms: Option<i64>,
}

impl Ticket {
    fn new(id: [u8; 8]) -> Self {
        let none = Moment::NEVER;
        Self {
            id,
            first: none,
            opened: none,
            last_open: none,
            replied: none,
            responded: none,
            solved: none,
            complaint: false,
            suggestion: false,
        }
    }

    /// Opened or reopened after it was last solved. At one moment it counts as solved.
    fn is_open(&self) -> bool {
        !self.last_open.is_none() && (self.solved.is_none() || self.solved < self.last_open)
    }

    fn is_open_complaint(&self) -> bool {
        self.complaint && self.open_since_ms().is_some()
    }

    /// Since when it waits: its first opening, or the last reopening if that is all that is known.
    fn open_since_ms(&self) -> Option<i64> {
        self.opened.known_ms().or(self.last_open.known_ms()).filter(|_| self.is_open())
    }

    /// When the promised response is missed, if it has not come.
    fn response_due_ms(&self, promise_ms: i64) -> Option<i64> {
        let opened_ms = self.opened.known_ms().filter(|_| self.responded.is_none());
        opened_ms.map(|opened_ms| opened_ms.saturating_add(promise_ms))
    }

    fn view(&self) -> Option<TicketView> {
        let opened_ms = self.opened.known_ms().or(self.last_open.known_ms())?;
        let (open, complaint, answered) =
            (self.is_open(), self.complaint, self.replied.known_ms().is_some());
        Some(TicketView { id: u64::from_be_bytes(self.id), opened_ms, open, complaint, answered })
    }

    fn take(&mut self, event: &CareEvent) {
        let at = Moment::new(event.ts_ms);
        self.first = self.first.earlier(at);
        self.complaint |= event.complaint;
        self.suggestion |= event.suggestion;
        match event.action {
            TicketAction::Opened => {
                self.opened = self.opened.earlier(at);
                self.last_open = self.last_open.later(at);
            }
            TicketAction::Reopened => self.last_open = self.last_open.later(at),
            TicketAction::Replied if event.by_agent => {
                self.replied = self.replied.earlier(at);
                self.responded = self.responded.earlier(at);
            }
            TicketAction::Resolved => {
                self.solved = self.solved.later(at);
                self.responded = self.responded.earlier(at);
            }
            TicketAction::Replied | TicketAction::Rated => {}
        }
    }

    /// Tells `add` what the ticket weighs where it differs from `other`.
    fn weigh(&self, other: &Self, promise_ms: i64, add: &mut impl FnMut(i64, &[(Sum, f64)])) {
        if (self.opened, self.replied) != (other.opened, other.replied)
            && let (Some(from_ms), Some(at_ms)) = (self.opened.known_ms(), self.replied.known_ms())
        {
            add(at_ms, &[(Sum::ReplyLn90, ln_hours(at_ms - from_ms)), (Sum::Replies90, 1.0)]);
        }
        if (self.opened, self.solved) != (other.opened, other.solved)
            && let (Some(from_ms), Some(at_ms)) = (self.opened.known_ms(), self.solved.known_ms())
        {
            add(at_ms, &[(Sum::ResolveLn90, ln_hours(at_ms - from_ms)), (Sum::Resolves90, 1.0)]);
        }
        if (self.opened, self.responded) != (other.opened, other.responded) {
            self.weigh_response(promise_ms, add);
        }
        let Some(first_ms) = self.first.known_ms() else {
            return;
        };
        let moved = self.first != other.first;
        if self.complaint && (moved || !other.complaint) {
            add(first_ms, &[(Sum::Complaints365, 1.0)]);
        }
        if self.suggestion && (moved || !other.suggestion) {
            add(first_ms, &[(Sum::Suggestions365, 1.0)]);
        }
    }

    fn weigh_response(&self, promise_ms: i64, add: &mut impl FnMut(i64, &[(Sum, f64)])) {
        let (Some(from_ms), Some(at_ms)) = (self.opened.known_ms(), self.responded.known_ms())
        else {
            return;
        };
        add(at_ms, &[(Sum::SlaDue180, 1.0)]);
        if let Some(effort) = ln_wait_ratio(at_ms - from_ms, promise_ms) {
            add(at_ms, &[(Sum::EffortLn90, effort), (Sum::Efforts90, 1.0)]);
        }
        if at_ms - from_ms > promise_ms {
            add(at_ms, &[(Sum::SlaMissed180, 1.0)]);
        }
    }
}

impl Care {
    /// Asks for the tickets.
    pub fn fetch(&self) {
        fetch(&self.tickets);
    }

    /// Takes an event in; `promise_s` as in [`Self::promise`]. At most `tickets_max` tickets are held: closed ones, then
    /// the oldest, are forgotten first.
    pub fn apply(
        &mut self,
        sums: &mut Sums,
        event: &CareEvent,
        promise_s: u32,
        tickets_max: usize,
    ) {
        count(sums, event);
        self.promise(sums, promise_s);
        let id = event.ticket.to_be_bytes();
        let at = match self.tickets.binary_search_by_key(&id, |t| t.id) {
            Ok(at) => at,
            Err(at) => {
                insert(&mut self.tickets, at, Ticket::new(id));
                at
            }
        };
        let before = self.tickets[at].clone();
        let before_open = u32::from(before.is_open_complaint());
        self.tickets[at].take(event);
        if self.tickets[at] != before {
            self.weigh_anew(sums, &before, at);
        }
        let is_open = u32::from(self.tickets[at].is_open_complaint());
        let others = self.open_complaints.saturating_sub(before_open);
        self.open_complaints = others + is_open;
        if self.tickets.len() > tickets_max.max(1) {
            self.forget_one();
        }
    }

    /// Judges all first responses by this promise, seconds: those that came, and those that are still to come. What
    /// forgotten tickets weigh stays.
    pub fn promise(&mut self, sums: &mut Sums, promise_s: u32) {
        if promise_s == self.promise_s {
            return;
        }
        let before_ms = self.promise_ms();
        self.promise_s = promise_s;
        if self.forgotten == 0 {
            self.weigh_all(sums);
            return;
        }
        for ticket in &self.tickets {
            ticket.weigh_response(before_ms, &mut |at_ms, what| {
                what.iter().for_each(|(sum, y)| sums.add(*sum, at_ms, -y));
            });
            ticket.weigh_response(self.promise_ms(), &mut |at_ms, what| sums.add_all(at_ms, what));
        }
    }

    fn promise_ms(&self) -> i64 {
        i64::from(self.promise_s) * 1_000
    }

    fn weigh_all(&self, sums: &mut Sums) {
        sums.empty(&OF_TICKETS);
        for ticket in &self.tickets {
            let nothing = Ticket::new(ticket.id);
            let add = &mut |at_ms, what: &[(Sum, f64)]| sums.add_all(at_ms, what);
            ticket.weigh(&nothing, self.promise_ms(), add);
        }
    }

    /// Replaces what a ticket weighed before. Where all tickets are held, the sums are added up anew, so that nothing of
    /// what is taken back remains as rounding.
    fn weigh_anew(&self, sums: &mut Sums, before: &Ticket, at: usize) {
        let after = &self.tickets[at];
        let mut weighed = false;
        let promise_ms = self.promise_ms();
        before.weigh(after, promise_ms, &mut |_, _| weighed = true);
        if weighed && self.forgotten == 0 {
            self.weigh_all(sums);
            return;
        }
        if weighed {
            before.weigh(after, promise_ms, &mut |at_ms, what| {
                what.iter().for_each(|(sum, y)| sums.add(*sum, at_ms, -y));
            });
        }
        after.weigh(before, promise_ms, &mut |at_ms, what| sums.add_all(at_ms, what));
    }

    fn forget_one(&mut self) {
        let last = |t: &Ticket| t.last_open.later(t.solved).later(t.first);
        let oldest = (0..self.tickets.len()).min_by_key(|&at| {
            let ticket = &self.tickets[at];
            (ticket.is_open(), last(ticket), ticket.id)
        });
        if let Some(at) = oldest {
            let mut tickets = std::mem::take(&mut self.tickets).into_vec();
            let gone = tickets.remove(at);
            let one = u32::from(gone.is_open_complaint());
            self.open_complaints = self.open_complaints.saturating_sub(one);
            self.tickets = tickets.into_boxed_slice();
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }

    /// The tickets held that were ever opened, by id.
    pub fn tickets(&self) -> impl Iterator<Item = TicketView> + '_ {
        self.tickets.iter().filter_map(Ticket::view)
    }

    /// One ticket, if it is held and was ever opened.
    pub fn ticket(&self, id: u64) -> Option<TicketView> {
        let at = self.tickets.binary_search_by_key(&id.to_be_bytes(), |t| t.id).ok()?;
        self.tickets[at].view()
    }

    /// How many are open.
    pub fn open_len(&self) -> usize {
        self.tickets.iter().filter(|ticket| ticket.is_open()).count()
    }

    /// What is open.
    pub fn open(&self) -> OpenTickets {
        let mut open = OpenTickets::default();
        let older = |held: Option<i64>, ms| Some(held.map_or(ms, |held: i64| held.min(ms)));
        for (ticket, since_ms) in self.tickets.iter().filter_map(|t| Some((t, t.open_since_ms()?)))
        {
            open.tickets += 1;
            open.oldest_ms = older(open.oldest_ms, since_ms);
            if ticket.complaint {
                open.complaints += 1;
                open.oldest_complaint_ms = older(open.oldest_complaint_ms, since_ms);
            }
        }
        open
    }

    /// When the last complaint was closed that is not open again; `None` when none was.
    pub fn complaint_closed_ms(&self) -> Option<i64> {
        let closed = self.tickets.iter().filter(|t| t.complaint && !t.is_open());
        closed.filter_map(|t| t.solved.known_ms()).max()
    }

    /// [`OpenTickets::complaints`], without a look at the tickets.
    pub fn open_complaints(&self) -> u32 {
        self.open_complaints
    }

    /// Tickets whose promised response is missed at `tau_ms` and has not come yet. At the promised moment itself it is
    /// not missed.
    pub fn unanswered(&self, tau_ms: i64) -> u32 {
        self.respond_by_ms().filter(|due_ms| *due_ms < tau_ms).count() as u32
    }

    /// Until when the first responses that have not come are promised.
    pub fn respond_by_ms(&self) -> impl Iterator<Item = i64> + '_ {
        let promise_ms = self.promise_ms();
        self.tickets.iter().filter_map(move |ticket| ticket.response_due_ms(promise_ms))
    }

    /// First responses missed, and first responses due (half-life 180 days); what is missed and has not come counts
    /// whole in both.
    pub fn sla(&self, tau_ms: i64, sums: &Sums) -> (f64, f64) {
        let unanswered = f64::from(self.unanswered(tau_ms));
        let [missed, due] = [Sum::SlaMissed180, Sum::SlaDue180].map(|sum| sums.at(sum, tau_ms));
        (missed + unanswered, due + unanswered)
    }

    /// Tickets held, and those forgotten.
    pub fn count(&self) -> u32 {
        (self.tickets.len() as u32).saturating_add(self.forgotten)
    }

    /// Tickets held, and forgotten because there were too many.
    pub fn held(&self) -> (usize, u32) {
        (self.tickets.len(), self.forgotten)
    }

    /// The next moment after `after_ms` at which a promised response is missed, or an open complaint has waited
    /// `complaint_ms` (and a millisecond: both limits may be used up); `NEVER_MS` when none.
    pub fn next_due_ms(&self, after_ms: i64, complaint_ms: i64) -> i64 {
        let responses = self.respond_by_ms();
        let complaints = self.tickets.iter().filter(|t| t.complaint);
        let complaints = complaints.filter_map(Ticket::open_since_ms);
        let aged = complaints.map(|since_ms| since_ms.saturating_add(complaint_ms));
        earliest_after(after_ms, responses.chain(aged).map(|ms| ms.saturating_add(1)))
    }
}

/// Counts what an event says by itself.
fn count(sums: &mut Sums, event: &CareEvent) {
    let ts_ms = event.ts_ms;
    match event.action {
        TicketAction::Opened => sums.add(Sum::Tickets90, ts_ms, 1.0),
        TicketAction::Reopened => sums.add(Sum::Reopened180, ts_ms, 1.0),
        TicketAction::Resolved => sums.add(Sum::Solved180, ts_ms, 1.0),
        TicketAction::Replied | TicketAction::Rated => {}
    }
    let message = !matches!(event.action, TicketAction::Resolved | TicketAction::Rated);
    if message && !event.by_agent {
        sums.add(Sum::Turns90, ts_ms, 1.0);
    }
    if let Some(wait_s) = event.wait_s {
        let ln = libm::log1p(f64::from(wait_s) / 3_600.0);
        sums.add_all(ts_ms, &[(Sum::WaitLn90, ln), (Sum::Waits90, 1.0)]);
    }
    if let Some(minutes) = event.handling_min {
        sums.add(Sum::HandlingMin180, ts_ms, f64::from(minutes));
    }
    if let Some(share) = event.csat.and_then(score_share) {
        let csat = [
            (Sum::Csat180, share),
            (Sum::CsatN180, 1.0),
            (Sum::Csat30, share),
            (Sum::CsatN30, 1.0),
            (Sum::Csat365, share),
            (Sum::CsatN365, 1.0),
        ];
        sums.add_all(ts_ms, &csat);
    }
    if let Some(share) = event.expected.and_then(score_share) {
        sums.add_all(ts_ms, &[(Sum::Expected30, share), (Sum::ExpectedN30, 1.0)]);
    }
}
