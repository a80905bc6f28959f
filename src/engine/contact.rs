//! Who spoke to whom: last contact, last visit, and changes of who looks after the customer.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::compact::Moment;
use super::sums::{Sum, Sums};
use crate::signal::days;
use crate::signal::moment::earliest_after;

/// Statements of the owner held one by one; what is said of times before the oldest of them no longer counts.
pub const OWNERS_MAX: usize = 8;

/// Who looks after the customer, as said at a moment: the low half of the owner's xxh3-64. Two owners of one customer
/// are taken for one with probability 2^-32, and then a change goes unseen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Owner {
    at: Moment,
    hash: u32,
}

/// Everything about contacts. What is counted stands in [`Sums`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contacts {
    last: Moment,
    last_visit: Moment,
    /// The latest statement forgotten.
    before: Owner,
    /// By time.
    owners: Vec<Owner>,
}

const _: () = assert!(size_of::<Contacts>() <= 48 && size_of::<Owner>() <= 12);

impl Contacts {
    /// Takes a contact in; `visit` is one in person.
    pub fn contact(&mut self, sums: &mut Sums, ts_ms: i64, outbound: bool, visit: bool) {
        self.last = self.last.later(Moment::new(ts_ms));
        if visit {
            self.last_visit = self.last_visit.later(Moment::new(ts_ms));
        }
        if outbound {
            sums.add_all(ts_ms, &[(Sum::Outbound7, 1.0), (Sum::Outbound90, 1.0)]);
        } else {
            sums.add(Sum::Inbound90, ts_ms, 1.0);
        }
    }

    /// Takes a statement of who looks after the customer in. It is a change when the statement before it in time names
    /// somebody else; two of one moment stand in the order of their hashes.
    pub fn owner(&mut self, sums: &mut Sums, ts_ms: i64, owner: &str) {
        let said = Owner { at: Moment::new(ts_ms), hash: xxh3_64(owner.as_bytes()) as u32 };
        if !self.before.at.is_none() && said <= self.before {
            return;
        }
        let Err(place) = self.owners.binary_search(&said) else {
            return;
        };
        let whole = self.before.at.is_none();
        let between = place < self.owners.len();
        if between && !whole {
            self.weigh(sums, place, -1.0);
        }
        if self.owners.is_empty() {
            self.owners.reserve_exact(1);
        }
        self.owners.insert(place, said);
        if between && whole {
            sums.empty(&[Sum::OwnerChanges90]);
            (0..self.owners.len()).for_each(|at| self.weigh(sums, at, 1.0));
        } else {
            self.weigh(sums, place, 1.0);
            self.weigh(sums, place + 1, 1.0);
        }
        if self.owners.len() > OWNERS_MAX {
            self.before = self.owners.remove(0);
        }
    }

    /// Counts the statement at a place, if it is a change, or takes it back.
    fn weigh(&self, sums: &mut Sums, place: usize, sign: f64) {
        let Some(said) = self.owners.get(place) else {
            return;
        };
        let previous = match place.checked_sub(1) {
            Some(at) => self.owners[at],
            None => self.before,
        };
        if let Some(at_ms) = said.at.known_ms()
            && !previous.at.is_none()
            && previous.hash != said.hash
        {
            sums.add(Sum::OwnerChanges90, at_ms, sign);
        }
    }

    /// The last contact in any direction.
    pub fn last_ms(&self) -> Option<i64> {
        self.last.known_ms()
    }

    /// The last visit in person.
    pub fn last_visit_ms(&self) -> Option<i64> {
        self.last_visit.known_ms()
    }

    /// Days since the last visit; `None` when there was none.
    pub fn visit_gap_days(&self, tau_ms: i64) -> Option<f64> {
        self.last_visit.known_ms().map(|at_ms| days(tau_ms.saturating_sub(at_ms).max(0)))
    }

    /// Contacts that we began, a week, of a customer known since `since_ms` (rate with half-life 7 days).
    pub fn contact_pressure(&self, tau_ms: i64, sums: &Sums, since_ms: i64) -> f64 {
        sums.rate(Sum::Outbound7, tau_ms, since_ms) * 7.0
    }

    /// Changes of owner, half-life 90 days.
    pub fn owner_changes(&self, tau_ms: i64, sums: &Sums) -> f64 {
        sums.at(Sum::OwnerChanges90, tau_ms)
    }

    /// The moment after `after_ms` at which the last visit is `cadence_ms` ago; `NEVER_MS` when it is already, or there
    /// was none.
    pub fn next_due_ms(&self, after_ms: i64, cadence_ms: i64) -> i64 {
        let visit = self.last_visit.known_ms();
        earliest_after(after_ms, visit.map(|at_ms| at_ms.saturating_add(cadence_ms)).into_iter())
    }

    /// The first millisecond after `after_ms` at which the contact pressure is below `per_week`; `None` when it is
    /// already.
    pub fn pressure_below_ms(
        &self,
        after_ms: i64,
        per_week: f64,
        sums: &Sums,
        since_ms: i64,
    ) -> Option<i64> {
        sums.rate_below_ms(Sum::Outbound7, per_week / 7.0, after_ms, since_ms)
    }
}
