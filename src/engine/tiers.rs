//! Tiers of a shard's customers: who stands where, who waits for the end of a dwell time, who must be looked at again
//! because the cut-offs moved; `sweep` is when that happens.
//!
//! A customer's value is what was spent net of refunds, forgotten with a half-life of 180 days, as a logarithm at one
//! landmark (`signal::tiers`): it changes only when the customer buys. So a customer is judged at an event of money, on
//! new cut-offs that lie between the old ones and its bucket, and when its dwell time ends, and at no other moment.
//! Buckets and their histogram are derived from the profiles and are not kept.

mod sweep;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::compact::Moment;
use super::context::Context;
use super::fetch::fetch_one;
use super::profile::Profile;
use super::shard::population::tell;
use super::situation::Valued;
use crate::plan::{AbcShare, Plan};
use crate::signal::days;
use crate::signal::tier_moves::{Abc, Decision, Place, Tier, Waiting, decide, wanted};
use crate::signal::tiers::{AbcBy, Bucket, Cuts, Histogram, Shares, ln_of};
use crate::wire::mail::{self, CutOffs};

/// 2000-01-01: the moment to which all values are carried. It is part of what buckets mean: never to be changed within
/// a generation.
pub const LANDMARK_MS: i64 = 946_684_800_000;

/// Customers in a page of standings: growing never copies much.
const PAGE: usize = 4_096;

/// Where a customer stands, in twelve bytes.
#[derive(Clone, Copy, Debug)]
struct Standing {
    bucket: i16,
    /// Tier, class and key as [`pack`] packs them, 0 for none; and the flags.
    place: u8,
    /// [`Tier::number`] of the best tier ever, 0 for none.
    best: u8,
    since: Moment,
    /// The day on which it last moved, for the history.
    day: u16,
}

const _: () =
    assert!(size_of::<Standing>() <= 12, "tiers cost every customer of a shard this much");

/// Counted in the histogram.
const COUNTED: u8 = 1 << 5;
/// A move waits for its dwell time.
const WAITS: u8 = 1 << 6;
/// Its record is to be written.
const CHANGED: u8 = 1 << 7;
/// The bits of the place.
const PLACE: u8 = COUNTED - 1;

const NOWHERE: Standing =
    Standing { bucket: i16::MIN, place: 0, best: 0, since: Moment::BEFORE_ALL, day: 0 };

fn pack(place: Place) -> u8 {
    place.tier.number() | place.abc.number() << 2 | u8::from(place.key) << 4
}

fn unpack(bits: u8) -> Option<Place> {
    let tier = Tier::from_number(bits & 3)?;
    let abc = Abc::from_number(bits >> 2 & 3)?;
    Some(Place { tier, abc, key: bits & 1 << 4 != 0 })
}

/// The record of a customer's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stands {
    /// Where; `None` when it was never judged.
    pub place: Option<Place>,
    /// Since when, milliseconds.
    pub since_ms: i64,
    /// The move that waits.
    pub waiting: Option<Waiting>,
    /// The day (since 1970-01-01, in the day zone) on which the history counts its last move.
    pub day: u16,
    /// The best tier ever; `None` when it was never judged.
    pub best: Option<Tier>,
}

/// The record of the cut-offs in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// The cut-offs; `None` before the first.
    pub cut_offs: Option<CutOffs>,
    /// Buckets (first and last) whose customers are still to be judged by them, ascending and apart.
    pub due: Vec<(i16, i16)>,
}

/// What a customer's row says of tiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierColumns {
    /// Where the customer stands; `None` without cut-offs, and before the first purchase.
    pub place: Option<Place>,
    /// Since when, milliseconds.
    pub since_ms: Option<i64>,
    /// By which version of the cut-offs; 0 without a place.
    pub version: u64,
}

/// Tiers of all customers of a shard.
#[derive(Debug)]
pub struct Tiers {
    shares: Shares,
    dwell_ms: i64,
    pages: Vec<Vec<Standing>>,
    histogram: Histogram,
    histogram_changed: bool,
    /// As it was last told; `None` before.
    told: Option<Histogram>,
    in_force: InForce,
    in_force_changed: bool,
    cuts: Option<Cuts>,
    /// The next slot of the sweep.
    cursor: u32,
    waiting: BTreeMap<u32, Waiting>,
    dues: BTreeSet<(i64, u32)>,
    changed: Vec<u32>,
}

impl Tiers {
    /// Nobody yet.
    pub fn new(plan: &Plan) -> Self {
        let t = plan.tiers;
        let share = |percent: f64| percent / 100.0;
        let abc_by = match t.abc_by {
            AbcShare::Sales => AbcBy::Sales,
            AbcShare::Customers => AbcBy::Customers,
        };
        let shares = Shares {
            lead: share(t.lead),
            gold: share(t.gold),
            key: share(t.key),
            a: share(t.a),
            b: share(t.a + t.b),
            abc_by,
        };
        Self {
            shares,
            dwell_ms: t.dwell_ms,
            pages: Vec::new(),
            histogram: Histogram::default(),
            histogram_changed: true,
            told: None,
            in_force: InForce::default(),
            in_force_changed: false,
            cuts: None,
            cursor: 0,
            waiting: BTreeMap::new(),
            dues: BTreeSet::new(),
            changed: Vec::new(),
        }
    }

    /// Where the tiers are cut.
    pub fn shares(&self) -> &Shares {
        &self.shares
    }

    /// What shard 0 must hear of the histogram: all of it at first, then what has changed since this was last asked;
    /// `None` when nothing has.
    pub fn tell(&mut self) -> Option<mail::Histogram> {
        if !std::mem::take(&mut self.histogram_changed) {
            return None;
        }
        let told = tell(&self.histogram, self.told.as_ref());
        self.told = Some(self.histogram.clone());
        Some(told).filter(|told| told.whole || !told.cells.is_empty())
    }

    /// The cut-offs in force.
    pub fn cut_offs(&self) -> Option<&CutOffs> {
        self.in_force.cut_offs.as_ref()
    }

    /// The record of the cut-offs, if it changed.
    pub fn take_in_force(&mut self) -> Option<&InForce> {
        std::mem::take(&mut self.in_force_changed).then_some(&self.in_force)
    }

    /// The slots whose standing changed.
    pub fn take_changed(&mut self) -> Vec<u32> {
        let changed = std::mem::take(&mut self.changed);
        for slot in &changed {
            self.at(*slot).place &= !CHANGED;
        }
        changed
    }

    /// Whether customers are still to be judged by the cut-offs in force.
    pub fn is_sweeping(&self) -> bool {
        !self.in_force.due.is_empty()
    }

    /// The first end of a dwell time at or before `until_ms`.
    pub fn peek(&self, until_ms: i64) -> Option<i64> {
        self.dues.first().map(|(due_ms, _)| *due_ms).filter(|due_ms| *due_ms <= until_ms)
    }

    /// Moves that wait.
    pub fn waiting(&self) -> usize {
        self.dues.len()
    }

    /// Asks for how a customer stands.
    pub fn fetch(&self, slot: u32) {
        let page = self.pages.get(slot as usize / PAGE);
        if let Some(standing) = page.and_then(|page| page.get(slot as usize % PAGE)) {
            fetch_one(standing);
        }
    }

    /// The record of a customer's standing.
    pub fn stands(&self, slot: u32) -> Stands {
        let standing = self.look(slot);
        Stands {
            place: unpack(standing.place & PLACE),
            since_ms: standing.since.ms(),
            waiting: (standing.place & WAITS != 0)
                .then(|| self.waiting.get(&slot).copied())
                .flatten(),
            day: standing.day,
            best: Tier::from_number(standing.best),
        }
    }

    /// The tier, and the best one ever.
    pub fn valued(&self, slot: u32) -> Valued {
        let standing = self.look(slot);
        let tier = unpack(standing.place & PLACE).map(|place| place.tier);
        Valued { tier, best: Tier::from_number(standing.best) }
    }

    /// What a row says.
    pub fn columns(&self, slot: u32) -> TierColumns {
        let standing = self.look(slot);
        let Some(place) = unpack(standing.place & PLACE) else {
            return TierColumns::default();
        };
        let version = self.cut_offs().map_or(0, |c| c.version);
        TierColumns { place: Some(place), since_ms: standing.since.known_ms(), version }
    }

    /// The day on which the history counts a customer's last move; 0 for none.
    pub fn day(&self, slot: u32) -> u16 {
        self.look(slot).day
    }

    /// Counts a customer's move on a day.
    pub fn set_day(&mut self, slot: u32, day: u16) {
        self.at(slot).day = day;
    }

    /// A record of the state topic.
    pub fn restore(&mut self, slot: u32, stands: &Stands) {
        let standing = self.at(slot);
        standing.place = stands.place.map_or(0, pack);
        standing.since = Moment::new(stands.since_ms);
        standing.day = stands.day;
        standing.best = stands.best.map_or(0, Tier::number);
        self.wait(slot, stands.waiting);
    }

    /// The record of the cut-offs in force.
    pub fn restore_in_force(&mut self, in_force: InForce) {
        self.cuts = in_force.cut_offs.as_ref().map(cuts_of);
        self.in_force = in_force;
        self.cursor = 0;
    }

    fn look(&self, slot: u32) -> Standing {
        let page = self.pages.get(slot as usize / PAGE);
        page.and_then(|page| page.get(slot as usize % PAGE)).copied().unwrap_or(NOWHERE)
    }

    fn at(&mut self, slot: u32) -> &mut Standing {
        let (page, at) = (slot as usize / PAGE, slot as usize % PAGE);
        while self.pages.len() <= page {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let page = &mut self.pages[page];
        if page.len() <= at {
            page.resize(at + 1, NOWHERE);
        }
        &mut page[at]
    }

    /// Counts a customer in the bucket of its value.
    fn count(&mut self, slot: u32, s: f64) {
        let bucket = Bucket::of_ln(s);
        let standing = self.at(slot);
        let before = (standing.place & COUNTED != 0).then(|| Bucket::from_number(standing.bucket));
        if before == Some(bucket) {
            return;
        }
        standing.bucket = bucket.number();
        standing.place |= COUNTED;
        let counted = self.histogram.replace(before, Some(bucket));
        debug_assert!(counted, "a customer left a bucket in which it was not");
        self.histogram_changed = true;
    }

    /// Judges a customer at `tau_ms`; whether it moved.
    fn judge(&mut self, slot: u32, s: f64, tau_ms: i64) -> bool {
        let Some(cuts) = self.cuts else {
            return false;
        };
        let Stands { place, since_ms, waiting, .. } = self.stands(slot);
        let tau_ms = tau_ms.max(since_ms);
        let wants = wanted(place, s, &cuts);
        let (moved, waits) = match decide(place, waiting, wants, tau_ms, self.dwell_ms) {
            Decision::Keep => (None, None),
            Decision::Wait { waiting, .. } => (None, Some(waiting)),
            Decision::Move { to } => (Some(to), None),
        };
        if moved.is_none() && waits == waiting {
            return false;
        }
        if let Some(to) = moved {
            let confirmed = waiting.filter(|w| w.to == to).map(|w| self.due_of(w));
            let standing = self.at(slot);
            standing.place = standing.place & !PLACE | pack(to);
            standing.best = standing.best.max(to.tier.number());
            standing.since = Moment::new(confirmed.unwrap_or(tau_ms));
        }
        self.wait(slot, waits);
        let standing = self.at(slot);
        if standing.place & CHANGED == 0 {
            standing.place |= CHANGED;
            self.changed.push(slot);
        }
        moved.is_some()
    }

    fn due_of(&self, waiting: Waiting) -> i64 {
        waiting.since_ms.saturating_add(self.dwell_ms)
    }

    fn wait(&mut self, slot: u32, waiting: Option<Waiting>) {
        let before = match waiting {
            Some(waiting) => self.waiting.insert(slot, waiting),
            None => self.waiting.remove(&slot),
        };
        if let Some(before) = before {
            self.dues.remove(&(self.due_of(before), slot));
        }
        if let Some(waiting) = waiting {
            self.dues.insert((self.due_of(waiting), slot));
        }
        let standing = self.at(slot);
        standing.place = standing.place & !WAITS | if waiting.is_some() { WAITS } else { 0 };
    }

    /// Whether a customer is still to be judged by the cut-offs in force.
    fn is_due(&self, standing: Standing) -> bool {
        let ranges = &self.in_force.due;
        let first = ranges.partition_point(|(_, last)| *last < standing.bucket);
        standing.place & COUNTED != 0
            && ranges.get(first).is_some_and(|(low, _)| *low <= standing.bucket)
    }
}

/// Logarithm of a customer's value at the landmark; `None` for who never bought.
pub fn value_ln(cx: &Context, profile: &Profile) -> Option<f64> {
    let purchases = profile.purchases.as_ref()?;
    purchases.t_first_ms()?;
    let carried = cx.spend[1].lambda_per_day() * days(purchases.sums_at.ms() - LANDMARK_MS);
    Some(ln_of(purchases.sums[1]) + carried)
}

fn cuts_of(c: &CutOffs) -> Cuts {
    let [iron, gold, key, a, b] = [c.iron, c.gold, c.key, c.a, c.b].map(Bucket::from_number);
    Cuts { gold, iron, key, a, b }
}
