//! Value tiers of a whole population from counts in logarithmic buckets, which customers can also leave again.
//!
//! Source: the mapping of DDSketch (Masson, Rim, Lee, VLDB 2019): `gamma = (1+eps)/(1-eps)`, a value `v > 0` lies in
//! the bucket `i = ceil(ln v / ln gamma)`, which stands for `2 gamma^i / (gamma+1)`; the relative error is at most
//! `eps = 1 %`. A customer remembers its bucket, so a changed value is one count less and one more, and histograms of
//! shards add up. A sketch by clusters (t-digest) has no such removal.
//!
//! Everything works on the **logarithm** of the value. Spend that is forgotten exponentially is kept as
//! `s = ln v + lambda (t - L)` with one landmark `L` for all customers: `s` changes only when its customer buys, and
//! the order of customers never changes by time alone. The value at a moment is `exp(s - lambda (t - L))`; cut-offs
//! move with it. Values of zero and less have `s = -infinity` and the bucket [`Bucket::NOTHING`].
//!
//! The shares (20, 80, 95 %; 85/95 % of sales) come from the customer-management literature and are defaults.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Largest relative error of a value told by its bucket alone.
pub const EPS: f64 = 0.01;
/// `ln((1+eps)/(1-eps))`: the width of a bucket in logarithms.
pub const LN_GAMMA: f64 = 0.020_000_666_706_669_525;
/// Populations below this get no cut-offs: a share of a handful says nothing.
pub const POPULATION_MIN: u64 = 100;
/// How far a value must fall below a cut-off, as a share of it, before its customer goes down. An expert prior.
pub const BAND: f64 = 0.05;

/// A bucket of values, ordered as the values are. The index is limited to 16 bits, so a histogram has at most 65,536
/// buckets whatever it is fed: `s` beyond +-655 counts in the outermost one. A half-life of 180 days uses a tenth of
/// that range within 45 years of the landmark, so the landmark should not lie more than a few hundred half-lives away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bucket(i16);

impl Bucket {
    /// Where values of zero and less are counted.
    pub const NOTHING: Self = Self(i16::MIN);

    /// The bucket of a value by its natural logarithm `s`; minus infinity and NaN belong to [`Bucket::NOTHING`].
    #[must_use]
    pub fn of_ln(s: f64) -> Self {
        if s.is_nan() || s == f64::NEG_INFINITY {
            return Self::NOTHING;
        }
        let index = libm::ceil(s / LN_GAMMA);
        let limit = f64::from(i16::MAX);
        // In range by the limits; `as` cannot cut anything off.
        Self(index.min(limit).max(-limit) as i16)
    }

    /// Logarithm of the value the bucket stands for, `ln(2 gamma^i / (gamma+1))`; minus infinity for nothing.
    #[must_use]
    pub fn ln_value(self) -> f64 {
        // 2 / (gamma + 1) is 1 - eps.
        if self == Self::NOTHING {
            f64::NEG_INFINITY
        } else {
            f64::from(self.0) * LN_GAMMA + libm::log1p(-EPS)
        }
    }

    /// The stored number, rising with the value.
    #[must_use]
    pub fn number(self) -> i16 {
        self.0
    }

    /// The bucket of a stored number.
    #[must_use]
    pub fn from_number(number: i16) -> Self {
        Self(number)
    }
}

/// Natural logarithm of a value; minus infinity for zero, for less and for what is no number.
#[must_use]
pub fn ln_of(value: f64) -> f64 {
    if value > 0.0 { libm::log(value) } else { f64::NEG_INFINITY }
}

/// How many customers are in which bucket. Two histograms are equal iff the same customers' buckets are in them,
/// whatever order they came in and whoever was removed in between.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    counts: BTreeMap<Bucket, u64>,
}

impl Histogram {
    /// Counts one customer more in `bucket`.
    pub fn add(&mut self, bucket: Bucket) {
        self.add_many(bucket, 1);
    }

    /// Counts one customer less in `bucket`. Returns false, and changes nothing, if none is there: the caller's books
    /// are wrong then.
    #[must_use]
    pub fn remove(&mut self, bucket: Bucket) -> bool {
        let Some(count) = self.counts.get_mut(&bucket) else {
            return false;
        };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.counts.remove(&bucket);
        }
        true
    }

    /// Moves one customer: out of `from` if it was counted before, into `to` if it is to be counted on. Returns false,
    /// and changes nothing, if none is in `from`.
    #[must_use]
    pub fn replace(&mut self, from: Option<Bucket>, to: Option<Bucket>) -> bool {
        if from == to {
            return from.is_none_or(|bucket| self.counts.contains_key(&bucket));
        }
        if from.is_some_and(|bucket| !self.remove(bucket)) {
            return false;
        }
        if let Some(bucket) = to {
            self.add(bucket);
        }
        true
    }

    /// Adds everything another histogram counts, as of another shard.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            self.add_many(*bucket, *count);
        }
    }

    /// Counts `count` customers more in `bucket`; none at all changes nothing.
    pub fn add_many(&mut self, bucket: Bucket, count: u64) {
        if count > 0 {
            let entry = self.counts.entry(bucket).or_insert(0);
            *entry = entry.saturating_add(count);
        }
    }

    /// Customers counted.
    #[must_use]
    pub fn population(&self) -> u64 {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Buckets in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether nobody is counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Buckets in use with their counts, from the smallest values up.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Bucket, u64)> + '_ {
        self.counts.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// The bucket of the customer at rank `q (n - 1)`, counted from the smallest value and from 0, as DDSketch does:
    /// `q = 0.8` gives the cut-off P80. `q` is limited to [0, 1]; `None` if nobody is counted.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Bucket> {
        let rank = q.clamp(0.0, 1.0) * self.population().saturating_sub(1) as f64;
        let mut below = 0_u64;
        for (bucket, count) in self.iter() {
            below = below.saturating_add(count);
            if below as f64 > rank {
                return Some(bucket);
            }
        }
        self.counts.last_key_value().map(|(bucket, _)| *bucket)
    }

    /// The cut-off of the smallest set of best customers who together hold at least `share` of the sales: the bucket in
    /// which that is reached and the customers of the set, taking only as many from that bucket as are needed.
    /// `None` if nobody has sales. Sales are told by the buckets, so the set is right to one bucket.
    #[must_use]
    pub fn best_by_sales(&self, share: f64) -> Option<Best> {
        let (largest, _) = self.counts.last_key_value()?;
        let scale = largest.ln_value();
        if scale == f64::NEG_INFINITY {
            return None;
        }
        // Relative to the largest: `s` itself may be far beyond what `exp` can hold.
        let sales = |bucket: Bucket| libm::exp(bucket.ln_value() - scale);
        let total: f64 = self.iter().map(|(bucket, count)| sales(bucket) * count as f64).sum();
        let wanted = share.clamp(0.0, 1.0) * total;
        let mut best = Best { from: *largest, customers: 0 };
        let mut held = 0.0;
        for (bucket, count) in self.iter().rev().filter(|(bucket, _)| *bucket != Bucket::NOTHING) {
            let needed = libm::ceil((wanted - held) / sales(bucket)).max(0.0);
            if needed <= 0.0 {
                break;
            }
            best.from = bucket;
            if needed <= count as f64 {
                best.customers = best.customers.saturating_add(needed as u64);
                break;
            }
            best.customers = best.customers.saturating_add(count);
            held += sales(bucket) * count as f64;
        }
        Some(best)
    }

    /// The cut-off of the best `share` of the customers, at least one: the other reading of "A, B, C".
    /// `None` if nobody is counted.
    #[must_use]
    pub fn best_by_customers(&self, share: f64) -> Option<Best> {
        let population = self.population();
        let wanted = libm::ceil(share.clamp(0.0, 1.0) * population as f64).max(1.0) as u64;
        let mut seen = 0_u64;
        for (from, count) in self.iter().rev() {
            seen = seen.saturating_add(count);
            if seen >= wanted {
                return Some(Best { from, customers: wanted });
            }
        }
        None
    }
}

/// The best customers down to some share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Best {
    /// The bucket in which the share is reached.
    pub from: Bucket,
    /// How many customers that are.
    pub customers: u64,
}

/// What the classes A, B and C are shares of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AbcBy {
    /// Of sales: A is the smallest set of customers with that share of all sales. The default.
    Sales,
    /// Of customers: A is that share of all customers.
    Customers,
}

/// Where the tiers are cut, as shares in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Below this quantile of value lead.
    pub lead: f64,
    /// From this quantile on gold.
    pub gold: f64,
    /// From this quantile on a key customer.
    pub key: f64,
    /// Share of class A.
    pub a: f64,
    /// Share of classes A and B together.
    pub b: f64,
    /// What the classes are shares of.
    pub abc_by: AbcBy,
}

impl Default for Shares {
    fn default() -> Self {
        Self { lead: 0.2, gold: 0.8, key: 0.95, a: 0.85, b: 0.95, abc_by: AbcBy::Sales }
    }
}

/// The cut-offs of one version, as buckets: two versions are equal iff no cut-off moved by a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cuts {
    /// Gold is from here on.
    pub gold: Bucket,
    /// Iron is from here on, lead below.
    pub iron: Bucket,
    /// Key customers are from here on.
    pub key: Bucket,
    /// Class A is from here on.
    pub a: Bucket,
    /// Class B is from here on, C below.
    pub b: Bucket,
}

impl Cuts {
    /// The cut-offs of a population; `None` below [`POPULATION_MIN`] and where nobody has any value.
    #[must_use]
    pub fn of(histogram: &Histogram, shares: &Shares) -> Option<Self> {
        if histogram.population() < POPULATION_MIN {
            return None;
        }
        histogram.best_by_sales(1.0)?;
        let best = |share| match shares.abc_by {
            AbcBy::Sales => histogram.best_by_sales(share),
            AbcBy::Customers => histogram.best_by_customers(share),
        };
        Some(Self {
            gold: histogram.quantile(shares.gold)?,
            iron: histogram.quantile(shares.lead)?,
            key: histogram.quantile(shares.key)?,
            a: best(shares.a)?.from,
            b: best(shares.b)?.from,
        })
    }

    /// Buckets whose customers may stand differently under `self` than under `before`, ascending and apart: those
    /// between an old and a new cut-off, the band below included. All of them if there was no version before.
    #[must_use]
    pub fn affected(&self, before: Option<&Self>) -> Vec<RangeInclusive<Bucket>> {
        let Some(before) = before else {
            return vec![Bucket::NOTHING..=Bucket::from_number(i16::MAX)];
        };
        let pairs = [
            (before.gold, self.gold),
            (before.iron, self.iron),
            (before.key, self.key),
            (before.a, self.a),
            (before.b, self.b),
        ];
        let mut ranges: Vec<(Bucket, Bucket)> = pairs
            .iter()
            .filter(|(old, new)| old != new)
            .map(|(old, new)| {
                let low = Bucket::of_ln((*old).min(*new).ln_value() + libm::log1p(-BAND));
                (low, (*old).max(*new))
            })
            .collect();
        ranges.sort_unstable();
        let mut apart: Vec<(Bucket, Bucket)> = Vec::new();
        for (low, high) in ranges {
            match apart.last_mut() {
                Some((_, end)) if low <= *end => *end = (*end).max(high),
                _ => apart.push((low, high)),
            }
        }
        apart.into_iter().map(|(low, high)| low..=high).collect()
    }
}

/// Ranges of bucket numbers in order, those that touch as one.
#[must_use]
pub fn apart(mut ranges: Vec<(i16, i16)>) -> Vec<(i16, i16)> {
    ranges.sort_unstable();
    let mut joined: Vec<(i16, i16)> = Vec::new();
    for (low, high) in ranges {
        match joined.last_mut() {
            Some((_, end)) if low <= end.saturating_add(1) => *end = (*end).max(high),
            _ => joined.push((low, high)),
        }
    }
    joined
}
