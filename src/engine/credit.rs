//! Invoices and payments of one customer: what is open and overdue, by legal entity, and how late it is usually paid.
//!
//! An overpaid invoice never pays for another one, and no legal entity for another (docs/signals.md, credit). A payment
//! weighs on the decayed sums at its own moment, with the days it came after the invoice's due; as long as the
//! invoice is unknown it waits. Whatever arrives later and changes that weight takes it back first.

use serde::{Deserialize, Serialize};

use super::compact::Moment;
use super::sums::{Sum, Sums};
use crate::model::time::DAY_MS;
use crate::signal::days;
use crate::signal::moment::{earliest_after, first_ms};

/// Invoices held, whatever their state; then the oldest are forgotten: paid ones first, then such as only payments
/// spoke of, then open ones.
pub const INVOICES_MAX: usize = 64;
/// Paid invoices held for payments and corrections that come late.
pub const PAID_MAX: usize = 16;
/// Payments held one by one for an invoice; the earliest beyond are held as a sum whose weights no longer change.
pub const PAYMENTS_MAX: usize = 8;
/// Legal entities told apart; invoices of others count as of none.
pub const ENTITIES_MAX: usize = 32;
/// Steps after an invoice's due at which something may have to be done, days.
pub const OVERDUE_STEPS_D: [i64; 3] = [0, 15, 30];

/// How far ahead a change of [`Credit::dbt_days`] is looked for, days: a century.
const AHEAD_D: i64 = 36_525;

/// An invoice, or what waits for one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Invoice {
    /// xxh3-64 of its number.
    id: u64,
    /// What is owed.
    amount_minor: i64,
    /// Paid by payments that are no longer held one by one.
    earlier_minor: i64,
    /// When it was said; none while it is unknown.
    said: Moment,
    due: Moment,
    /// Place in the list of entities, from 1; 0 is none.
    entity: u8,
    extensions: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Payment {
    invoice: u64,
    at: Moment,
    minor: i64,
}

/// Everything about credit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Credit {
    /// By id.
    invoices: Vec<Invoice>,
    /// By invoice, then by time.
    payments: Vec<Payment>,
    /// Texts of the legal entities in use, sorted.
    entities: Vec<Box<str>>,
    /// Invoices forgotten because there were too many.
    forgotten: u32,
}

/// What is owed at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Unpaid parts of all invoices, minor units.
    pub open_minor: i64,
    /// Unpaid parts of invoices whose due has come.
    pub overdue_minor: i64,
    /// The same, each times the milliseconds since its due.
    pub overdue_minor_ms: i128,
}

/// What one legal entity owes, and how it has paid: of what is held, nothing netted.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement<'a> {
    /// The legal entity's id, empty for none.
    pub entity: &'a str,
    /// Due and unpaid part of every invoice that is not paid in full, by due.
    pub open: Vec<(i64, i64)>,
    /// Payments held, each decayed to the statement's moment (half-life 180 days), minor units.
    pub paid: f64,
    /// The same, each times the days it came after the due.
    pub late_days: f64,
    /// Requests for more time on invoices that are open.
    pub ext_requests_open: u32,
    /// The latest payment.
    pub last_payment_ms: Option<i64>,
}

const _: () = assert!(size_of::<Credit>() <= 80);
const _: () = assert!(size_of::<Invoice>() <= 40 && size_of::<Payment>() <= 24);

impl<'a> Statement<'a> {
    /// Of an entity that neither owes nor has paid.
    pub fn of_nothing(entity: &'a str) -> Self {
        Self {
            entity,
            open: Vec::new(),
            paid: 0.0,
            late_days: 0.0,
            ext_requests_open: 0,
            last_payment_ms: None,
        }
    }
}

impl Exposure {
    /// Overdue part of what is open, in [0, 1]; `None` when nothing is open.
    pub fn overdue_ratio(&self) -> Option<f64> {
        (self.open_minor > 0).then(|| self.overdue_minor as f64 / self.open_minor as f64)
    }

    /// Overdue minor units, each times the days since its due.
    pub fn overdue_minor_d(&self) -> f64 {
        self.overdue_minor_ms as f64 / DAY_MS as f64
    }
}

impl Credit {
    /// Takes an invoice in. Said twice, the later saying counts (at the same moment the larger amount, then the later
    /// due). `entity` is the legal entity's id, empty for none.
    pub fn invoice(
        &mut self,
        sums: &mut Sums,
        id: u64,
        ts_ms: i64,
        amount_minor: i64,
        due_ms: i64,
        entity: &str,
    ) {
        let at = self.find_or_insert(id);
        let old = &self.invoices[at];
        let (said, due) = (Moment::new(ts_ms), Moment::new(due_ms));
        if !old.said.is_none()
            && (old.said, old.amount_minor, old.due, self.entity_text(old.entity))
                >= (said, amount_minor, due, entity)
        {
            return;
        }
        let whole = self.is_whole();
        let weighed = !old.said.is_none();
        if weighed && !whole {
            self.weigh(sums, at, 0, -1.0);
        }
        let old_entity = std::mem::take(&mut self.invoices[at].entity);
        if old_entity != 0 && self.entity_text(old_entity) != entity {
            self.drop_entities();
        }
        let entity = self.intern(entity);
        let invoice = &mut self.invoices[at];
        (invoice.said, invoice.amount_minor, invoice.due) = (said, amount_minor, due);
        invoice.entity = entity;
        if weighed && whole {
            self.weigh_all(sums);
        } else {
            self.weigh(sums, at, 0, 1.0);
        }
        self.limit();
    }

    /// Takes a payment in.
    pub fn payment(&mut self, sums: &mut Sums, id: u64, ts_ms: i64, minor: i64) {
        let at = self.find_or_insert(id);
        let payment = Payment { invoice: id, at: Moment::new(ts_ms), minor };
        let (from, to) = self.payments_of(id);
        let place = self.payments.partition_point(|held| *held < payment);
        let (between, whole) = (place < to, self.is_whole());
        // what a payment leaves open depends on those before it only
        if between && !whole {
            self.weigh(sums, at, place - from, -1.0);
        }
        if self.payments.is_empty() {
            self.payments.reserve_exact(1);
        }
        self.payments.insert(place, payment);
        if between && whole {
            self.weigh_all(sums);
        } else {
            self.weigh(sums, at, place - from, 1.0);
        }
        let (from, to) = self.payments_of(id);
        if to - from > PAYMENTS_MAX {
            let earliest = self.payments.remove(from);
            let invoice = &mut self.invoices[at];
            invoice.earlier_minor = invoice.earlier_minor.saturating_add(earliest.minor);
        }
        self.limit();
    }

    /// Takes a request for more time to pay in.
    pub fn extension(&mut self, sums: &mut Sums, id: u64, ts_ms: i64) {
        let at = self.find_or_insert(id);
        self.invoices[at].extensions = self.invoices[at].extensions.saturating_add(1);
        sums.add(Sum::Extensions180, ts_ms, 1.0);
        self.limit();
    }

    /// What is owed at `tau_ms`. An invoice is overdue from its due on.
    pub fn exposure(&self, tau_ms: i64) -> Exposure {
        let mut all = Exposure::default();
        for held in &self.invoices {
            let minor = self.unpaid(held);
            all.open_minor = all.open_minor.saturating_add(minor);
            if let Some(due_ms) = held.due.known_ms().filter(|due_ms| *due_ms <= tau_ms) {
                all.overdue_minor = all.overdue_minor.saturating_add(minor);
                all.overdue_minor_ms += i128::from(minor) * i128::from(tau_ms - due_ms);
            }
        }
        all
    }

    /// The legal entities (empty: none said) that known invoices name, in order of their ids.
    pub fn entities(&self) -> impl Iterator<Item = &str> {
        let named = |n: &usize| self.of_entity(*n).next().is_some();
        (0..=self.entities.len()).filter(named).map(|n| self.entity_text(n as u8))
    }

    /// What each of [`Self::entities`] owes at `tau_ms`, and how it has paid.
    pub fn by_entity(&self, tau_ms: i64) -> impl Iterator<Item = Statement<'_>> {
        let named = |n: &usize| self.of_entity(*n).next().is_some();
        (0..=self.entities.len()).filter(named).map(move |n| self.statement(n, tau_ms))
    }

    fn of_entity(&self, entity: usize) -> impl Iterator<Item = &Invoice> {
        let of = move |held: &&Invoice| usize::from(held.entity) == entity && !held.said.is_none();
        self.invoices.iter().filter(of)
    }

    fn statement(&self, entity: usize, tau_ms: i64) -> Statement<'_> {
        let mut all = Statement::of_nothing(self.entity_text(entity as u8));
        for held in self.of_entity(entity) {
            let (minor, due_ms) = (self.unpaid(held), held.due.known_ms().unwrap_or(0));
            if minor > 0 {
                all.open.push((due_ms, minor));
                all.ext_requests_open += u32::from(held.extensions);
            }
            let (from, to) = self.payments_of(held.id);
            for payment in &self.payments[from..to] {
                let at_ms = payment.at.known_ms().unwrap_or(0);
                let half_lives = days(tau_ms - at_ms) / Sum::Paid180.half_life_d();
                let paid = payment.minor as f64 * libm::exp2(-half_lives);
                all.paid += paid;
                all.late_days += paid * days((at_ms - due_ms).max(0));
                all.last_payment_ms = all.last_payment_ms.max(Some(at_ms));
            }
        }
        all.open.sort_unstable();
        all
    }

    /// Days beyond terms, weighted by amount: payments of the past (half-life 180 days), and what is overdue at
    /// `tau_ms` with the days so far. `None` when there was neither.
    pub fn dbt_days(&self, tau_ms: i64, sums: &Sums) -> Option<f64> {
        let exposure = self.exposure(tau_ms);
        // both sums forget alike: without anything overdue their ratio stands still, to the last bit
        let at_ms = if exposure.overdue_minor > 0 { tau_ms } else { sums.landmark_ms() };
        let late = sums.at(Sum::LateDays180, at_ms).max(0.0) + exposure.overdue_minor_d();
        let all = sums.at(Sum::Paid180, at_ms).max(0.0) + exposure.overdue_minor as f64;
        (all > 0.0).then(|| late / all)
    }

    /// Requests for more time to pay, half-life 180 days.
    pub fn ext_requests(&self, tau_ms: i64, sums: &Sums) -> f64 {
        sums.at(Sum::Extensions180, tau_ms)
    }

    /// Payments that left a part open, half-life 180 days.
    pub fn partial_payments(&self, tau_ms: i64, sums: &Sums) -> f64 {
        sums.at(Sum::Partials180, tau_ms)
    }

    /// Due and unpaid part of every invoice that is not paid in full.
    pub fn open_parts(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.invoices
            .iter()
            .filter_map(|held| Some((held.due.known_ms()?, self.unpaid(held))))
            .filter(|p| p.1 > 0)
    }

    /// Invoices held, and forgotten because there were too many.
    pub fn held(&self) -> (usize, u32) {
        (self.invoices.len(), self.forgotten)
    }

    /// The next moment after `after_ms` at which an open invoice falls due, or has been so for a step of
    /// [`OVERDUE_STEPS_D`]; `NEVER_MS` when none.
    pub fn next_due_ms(&self, after_ms: i64) -> i64 {
        let steps = |due_ms| OVERDUE_STEPS_D.map(|step_d| due_ms + step_d * DAY_MS);
        earliest_after(after_ms, self.open_parts().flat_map(|(due_ms, _)| steps(due_ms)))
    }

    /// The first millisecond after `after_ms`, and before [`Self::next_due_ms`], at which [`Self::dbt_days`] changes
    /// sides of `theta` days (being `theta` is the upper side). `None` when it does not.
    ///
    /// With `A` overdue, late sum `l` and paid sum `p`, `dbt >= theta` reads `c 2^(-u/180) + A u >= const` with
    /// `c = l - theta p`: convex in the days `u`, so it falls at most once and then rises at most once.
    pub fn dbt_flip_ms(&self, after_ms: i64, theta: f64, sums: &Sums) -> Option<i64> {
        let overdue = self.exposure(after_ms).overdue_minor as f64;
        if overdue <= 0.0 {
            return None;
        }
        let horizon_ms = after_ms.saturating_add(AHEAD_D * DAY_MS);
        let end_ms = self.next_due_ms(after_ms).saturating_sub(1).min(horizon_ms);
        let late = |ms| self.dbt_days(ms, sums).is_some_and(|dbt| dbt >= theta);
        let [late_sum, paid_sum] =
            [Sum::LateDays180, Sum::Paid180].map(|sum| sums.at(sum, after_ms).max(0.0));
        let lambda = std::f64::consts::LN_2 / Sum::Paid180.half_life_d();
        let lowest_d = libm::log((late_sum - theta * paid_sum) * lambda / overdue) / lambda;
        // NaN (c is not positive: it only rises) and what lies behind are no lowest point
        let lowest_ms = if lowest_d > 0.0 {
            after_ms.saturating_add((lowest_d * DAY_MS as f64) as i64).min(end_ms)
        } else {
            after_ms
        };
        if late(after_ms) {
            first_ms(after_ms, lowest_ms, |ms| !late(ms))
        } else {
            first_ms(lowest_ms, end_ms, late)
        }
    }

    /// The unpaid part of an invoice; 0 while it is unknown.
    fn unpaid(&self, held: &Invoice) -> i64 {
        if held.said.is_none() {
            return 0;
        }
        let (from, to) = self.payments_of(held.id);
        let paid = self.payments[from..to].iter().map(|p| p.minor);
        let paid = paid.fold(held.earlier_minor, i64::saturating_add);
        held.amount_minor.saturating_sub(paid).max(0)
    }

    /// Whether everything that weighs on the sums is still held, so that they can be added up anew.
    fn is_whole(&self) -> bool {
        self.forgotten == 0 && self.invoices.iter().all(|held| held.earlier_minor == 0)
    }

    fn weigh_all(&self, sums: &mut Sums) {
        sums.empty(&[Sum::LateDays180, Sum::Paid180, Sum::Partials180]);
        (0..self.invoices.len()).for_each(|at| self.weigh(sums, at, 0, 1.0));
    }

    /// Adds the weights of an invoice's payments from the `first` on, or takes them back (`sign` -1).
    fn weigh(&self, sums: &mut Sums, at: usize, first: usize, sign: f64) {
        let held = &self.invoices[at];
        let (false, Some(due_ms)) = (held.said.is_none(), held.due.known_ms()) else {
            return;
        };
        let (from, to) = self.payments_of(held.id);
        let mut paid = held.earlier_minor;
        for (n, payment) in self.payments[from..to].iter().enumerate() {
            paid = paid.saturating_add(payment.minor);
            let Some(at_ms) = payment.at.known_ms().filter(|_| n >= first) else {
                continue;
            };
            let minor = payment.minor as f64 * sign;
            sums.add(Sum::Paid180, at_ms, minor);
            if at_ms > due_ms {
                sums.add(Sum::LateDays180, at_ms, minor * days(at_ms - due_ms));
            }
            if paid < held.amount_minor && payment.minor > 0 {
                sums.add(Sum::Partials180, at_ms, sign);
            }
        }
    }

    /// Where the payments of an invoice stand.
    fn payments_of(&self, id: u64) -> (usize, usize) {
        let from = self.payments.partition_point(|held| held.invoice < id);
        let of = self.payments[from..].iter().take_while(|held| held.invoice == id);
        (from, from + of.count())
    }

    fn find_or_insert(&mut self, id: u64) -> usize {
        match self.invoices.binary_search_by_key(&id, |held| held.id) {
            Ok(at) => at,
            Err(at) => {
                if self.invoices.is_empty() {
                    self.invoices.reserve_exact(1);
                }
                let none = Moment::NEVER;
                self.invoices.insert(
                    at,
                    Invoice {
                        id,
                        amount_minor: 0,
                        earlier_minor: 0,
                        said: none,
                        due: none,
                        entity: 0,
                        extensions: 0,
                    },
                );
                at
            }
        }
    }

    /// Forgets what is over the limits. Weights on the sums stay.
    fn limit(&mut self) {
        if self.invoices.len() <= PAID_MAX {
            return;
        }
        let paid = self.invoices.iter().filter(|held| self.class(held) == 0).count();
        if paid <= PAID_MAX && self.invoices.len() <= INVOICES_MAX {
            return;
        }
        let oldest = (0..self.invoices.len()).min_by_key(|&at| {
            let held = &self.invoices[at];
            let (from, to) = self.payments_of(held.id);
            let last = self.payments[from..to].last().map_or(Moment::NEVER, |p| p.at);
            (self.class(held), last.later(held.said), held.id)
        });
        let Some(at) = oldest else {
            return;
        };
        let gone = self.invoices.remove(at);
        let (from, to) = self.payments_of(gone.id);
        self.payments.drain(from..to);
        self.forgotten = self.forgotten.saturating_add(1);
        if gone.entity != 0 {
            self.drop_entities();
        }
    }

    /// 0 paid, 1 unknown, 2 open.
    fn class(&self, held: &Invoice) -> u8 {
        match held.said.is_none() {
            true => 1,
            false if self.unpaid(held) > 0 => 2,
            false => 0,
        }
    }

    fn entity_text(&self, entity: u8) -> &str {
        let at = usize::from(entity).checked_sub(1);
        at.and_then(|at| self.entities.get(at)).map_or("", |text| text)
    }

    /// The number of an entity, entered in its place.
    fn intern(&mut self, entity: &str) -> u8 {
        if entity.is_empty() {
            return 0;
        }
        let at = match self.entities.binary_search_by(|held| (**held).cmp(entity)) {
            Ok(at) => return at as u8 + 1,
            Err(_) if self.entities.len() >= ENTITIES_MAX => return 0,
            Err(at) => at,
        };
        self.entities.reserve_exact(1);
        self.entities.insert(at, entity.into());
        for held in &mut self.invoices {
            held.entity += u8::from(usize::from(held.entity) > at);
        }
        at as u8 + 1
    }

    /// Drops entities that no invoice names any more.
    fn drop_entities(&mut self) {
        for n in (1..=self.entities.len()).rev() {
            if self.invoices.iter().all(|held| usize::from(held.entity) != n) {
                self.entities.remove(n - 1);
                for held in &mut self.invoices {
                    held.entity -= u8::from(usize::from(held.entity) > n);
                }
            }
        }
    }
}
