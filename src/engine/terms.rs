//! What stands between us and the customer: contract, recommendation, usage and deliveries, and how fresh its data are.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::compact::Moment;
use super::service::Service;
use super::sums::{Sum, Sums};
use crate::model::record::Stamp;
use crate::model::time::DAY_MS;
use crate::signal::days;
use crate::signal::moment::earliest_after;

/// How long the answer whether the customer recommends us holds, days.
pub const NPS_HOLDS_D: i64 = 365;
/// After how many days master data count as old.
pub const PROFILE_OLD_D: i64 = 365;
/// How many days before its renewal a contract must be signed.
pub const RENEWAL_NEAR_D: i64 = 60;
/// Origins of master data told apart.
pub const ORIGINS_MAX: usize = 16;

/// A value and by which event it was said; the latest stamp counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Last<T> {
    stamp: Stamp,
    value: T,
}

/// Takes a value in, if no later event said one.
fn say<T>(held: &mut Option<Last<T>>, stamp: Stamp, value: T) {
    if held.as_ref().is_none_or(|held| held.stamp < stamp) {
        *held = Some(Last { stamp, value });
    }
}

/// Each part by its own last event, because events leave out what they do not change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Contract {
    start_ms: Option<Last<i64>>,
    renewal_ms: Option<Last<i64>>,
    /// Whether it is signed, and for which renewal, where that was said.
    signed: Option<Last<(bool, Option<i64>)>>,
}

/// The contract as events have said so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Since when it runs.
    pub start_ms: i64,
    /// When it must be renewed.
    pub renewal_ms: Option<i64>,
    /// Whether the next term is signed: said of this renewal, or said after the contract's start without a renewal.
    pub signed: bool,
}

/// Everything about terms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    contract: Option<Box<Contract>>,
    service: Option<Box<Service>>,
    /// Low halves of the xxh3-64 of where master data came from, sorted.
    origins: Vec<u32>,
    /// The last event with master data.
    profile: Moment,
    /// The last answer whether the customer recommends us.
    rated: Moment,
    nps: u8,
    referrals: u16,
}

const _: () = assert!(size_of::<Terms>() <= 56 && size_of::<Contract>() <= 128);

impl Terms {
    /// Takes a statement about the contract in; what is `None` is left as it was.
    pub fn contract(
        &mut self,
        stamp: Stamp,
        start_ms: i64,
        renewal_ms: Option<i64>,
        signed: Option<bool>,
    ) {
        let held = self.contract.get_or_insert_default();
        say(&mut held.start_ms, stamp, start_ms);
        if let Some(renewal_ms) = renewal_ms {
            say(&mut held.renewal_ms, stamp, renewal_ms);
        }
        if let Some(signed) = signed {
            say(&mut held.signed, stamp, (signed, renewal_ms));
        }
    }

    /// Takes an answer in, 0 to 10; the latest counts (of one moment the highest).
    pub fn rating(&mut self, ts_ms: i64, nps: u8) {
        let at = Moment::new(ts_ms);
        if self.rated.is_none() || (self.rated, self.nps) < (at, nps) {
            (self.rated, self.nps) = (at, nps);
        }
    }

    /// Takes a recommendation in.
    pub fn referral(&mut self, sums: &mut Sums, ts_ms: i64) {
        self.referrals = self.referrals.saturating_add(1);
        sums.add(Sum::Referrals180, ts_ms, 1.0);
    }

    /// Takes in that master data came, and from where (empty: not said).
    pub fn profile(&mut self, ts_ms: i64, origin: &str) {
        self.profile = self.profile.later(Moment::new(ts_ms));
        let hash = xxh3_64(origin.as_bytes()) as u32;
        if !origin.is_empty()
            && self.origins.len() < ORIGINS_MAX
            && let Err(at) = self.origins.binary_search(&hash)
        {
            self.origins.reserve_exact(1);
            self.origins.insert(at, hash);
        }
    }

    /// Usage and deliveries, to apply their events to.
    pub fn service_mut(&mut self) -> &mut Service {
        self.service.get_or_insert_default()
    }

    /// Usage and deliveries; `None` before their first event.
    pub fn service(&self) -> Option<&Service> {
        self.service.as_deref()
    }

    /// The contract; `None` when there is none.
    pub fn running(&self) -> Option<Running> {
        let held = self.contract.as_deref()?;
        let start_ms = held.start_ms?.value;
        let renewal_ms = held.renewal_ms.map(|last| last.value);
        let signed = held.signed.is_some_and(|last| match last.value {
            (signed, Some(of_ms)) => signed && renewal_ms == Some(of_ms),
            (signed, None) => signed && last.stamp.ts_ms >= start_ms,
        });
        Some(Running { start_ms, renewal_ms, signed })
    }

    /// Days until the contract must be renewed, below 0 when that is past; `None` without a renewal.
    pub fn renewal_in_days(&self, tau_ms: i64) -> Option<f64> {
        Some(days(self.running()?.renewal_ms?.saturating_sub(tau_ms)))
    }

    /// The last answer, 0 to 10, as long as it holds ([`NPS_HOLDS_D`]).
    pub fn nps_last(&self, tau_ms: i64) -> Option<u8> {
        let rated_ms = self.rated.known_ms()?;
        (tau_ms < rated_ms + NPS_HOLDS_D * DAY_MS).then_some(self.nps)
    }

    /// The last answer, 0 to 10, and when it was given.
    pub fn rated(&self) -> Option<(u8, i64)> {
        self.rated.known_ms().map(|at_ms| (self.nps, at_ms))
    }

    /// When master data last came.
    pub fn profile_ms(&self) -> Option<i64> {
        self.profile.known_ms()
    }

    /// Recommendations ever; their decayed number is [`Sum::Referrals180`].
    pub fn referrals(&self) -> u16 {
        self.referrals
    }

    /// Days since master data last came; `None` when they never did.
    pub fn profile_age_days(&self, tau_ms: i64) -> Option<f64> {
        self.profile.known_ms().map(|at_ms| days(tau_ms.saturating_sub(at_ms).max(0)))
    }

    /// From how many origins master data came.
    pub fn origins(&self) -> u32 {
        self.origins.len() as u32
    }

    /// The next moment after `after_ms` at which an answer expires, master data become old, the renewal is near or there,
    /// or something of [`Service::next_due_ms`] happens; `NEVER_MS` when none.
    pub fn next_due_ms(&self, after_ms: i64) -> i64 {
        let expiry = self.rated.known_ms().map(|ms| ms + NPS_HOLDS_D * DAY_MS);
        let old = self.profile.known_ms().map(|ms| ms + PROFILE_OLD_D * DAY_MS);
        let renewal = self.running().and_then(|running| running.renewal_ms);
        let near = renewal.map(|ms| ms.saturating_sub(RENEWAL_NEAR_D * DAY_MS));
        let own = [expiry, old, near, renewal].into_iter().flatten();
        let service = self.service.iter().map(|service| service.next_due_ms(after_ms));
        earliest_after(after_ms, own.chain(service))
    }
}
