//! Purchases of one customer: days, sums, decayed spending, the 90-day window. A commutative function of the events.

use serde::{Deserialize, Serialize};

use super::compact::{Moment, insert, pair};
use super::context::Context;
use crate::model::time::{BEFORE_ALL_MS, NEVER_MS};
use crate::signal::days;
use crate::signal::decay::add_shared;
use crate::signal::regularity::Gaps;
use crate::signal::silence::History;
use crate::signal::window::{BUCKETS, bucket_index};

/// What was before the stream began; the event with the latest stamp counts, it replaces earlier ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// Which event said it.
    pub stamp: crate::model::record::Stamp,
    /// First purchase ever.
    pub t_first_ms: i64,
    /// Last purchase before the stream.
    pub t_last_ms: i64,
    /// Day number of `t_last_ms` in the day zone: streamed purchase days up to it are held to be among `n_days`.
    pub last_day: u16,
    /// Distinct purchase days.
    pub n_days: u32,
    /// Orders.
    pub orders: u32,
    /// Revenue, minor units of the reporting currency.
    pub revenue_minor: i64,
}

/// Net spending of a 3-day bucket, in ten bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(u16, i64)", into = "(u16, i64)")]
pub struct Bucket {
    /// [`bucket_index`].
    pub index: u16,
    minor: [u8; 8],
}

impl From<Bucket> for (u16, i64) {
    fn from(bucket: Bucket) -> Self {
        (bucket.index, bucket.minor())
    }
}

impl From<(u16, i64)> for Bucket {
    fn from((index, minor): (u16, i64)) -> Self {
        Self::new(index, minor)
    }
}

impl Bucket {
    fn new(index: u16, minor: i64) -> Self {
        Self { index, minor: minor.to_le_bytes() }
    }

    /// Minor units.
    pub fn minor(&self) -> i64 {
        i64::from_le_bytes(self.minor)
    }
}

/// Everything about purchases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Purchases {
    /// Distinct purchase days of the stream (day zone), sorted. Two bytes a day: a daily buyer of ten years takes 7 KB.
    pub days: Box<[u16]>,
    /// Net spending by 3-day bucket, sorted, only buckets that a 90-day window can still reach.
    pub buckets: Box<[Bucket]>,
    /// The opening.
    pub opening: Option<Box<Opening>>,
    /// Spending decayed with half-lives of 30 and 180 days, minor units at the landmark.
    #[serde(with = "pair")]
    pub sums: [f64; 2],
    revenue_minor: i64,
    orders: u32,
    /// Refunds.
    pub refunds: u32,
    /// Landmark of the decayed sums.
    pub sums_at: Moment,
    /// First streamed purchase; [`Moment::NEVER`] when none.
    first: Moment,
    /// Last streamed purchase; [`Moment::BEFORE_ALL`] when none.
    last: Moment,
    /// Amounts of the first streamed purchase day, minor units.
    first_day_minor: i64,
    /// What was given back, minor units.
    refunded_minor: i64,
    /// When the lifecycle changes by itself. Follows from the rest, so it is no part of the state.
    #[serde(skip, default = "never")]
    pub lifecycle_due: Moment,
    /// What has no closed form in SQL, as it was when the row was last judged.
    pub valued: Valued,
}

fn never() -> Moment {
    Moment::NEVER
}

/// Numbers that age between events, and as of when they stand.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Valued {
    /// As of when; [`Moment::BEFORE_ALL`] before the first purchase.
    pub at: Moment,
    /// Purchases expected in 90 days.
    pub expected: f64,
    /// Lifetime value, minor units; `None` when it cannot be told.
    pub clv_minor: Option<f64>,
    /// How unusually long the present gap is, 0 to 1.
    pub gap_surprise: f64,
}

impl Default for Valued {
    fn default() -> Self {
        Self { at: Moment::BEFORE_ALL, expected: 0.0, clv_minor: None, gap_surprise: 0.0 }
    }
}

impl Default for Purchases {
    fn default() -> Self {
        Self {
            days: Box::default(),
            buckets: Box::default(),
            opening: None,
            sums: [0.0; 2],
            revenue_minor: 0,
            orders: 0,
            refunds: 0,
            sums_at: Moment::new(0),
            first: Moment::NEVER,
            last: Moment::BEFORE_ALL,
            first_day_minor: 0,
            refunded_minor: 0,
            lifecycle_due: Moment::NEVER,
            valued: Valued::default(),
        }
    }
}

impl Purchases {
    /// Applies a purchase. Returns whether it opened a purchase day after all others ("bought").
    pub fn buy(&mut self, cx: &Context, ts_ms: i64, minor: i64) -> bool {
        let day = cx.day(ts_ms);
        let later = self.days.last().is_none_or(|last| *last < day)
            && self.opening.as_ref().is_none_or(|o| o.last_day < day);
        match self.days.first() {
            Some(first) if *first < day => {}
            Some(first) if *first == day => {
                self.first_day_minor = self.first_day_minor.saturating_add(minor);
            }
            _ => self.first_day_minor = minor,
        }
        if let Err(at) = self.days.binary_search(&day) {
            insert(&mut self.days, at, day);
        }
        self.first.lower_to(ts_ms);
        self.last.raise_to(ts_ms);
        self.orders = self.orders.saturating_add(1);
        self.spend(cx, ts_ms, minor);
        later
    }

    /// Applies a refund.
    pub fn refund(&mut self, cx: &Context, ts_ms: i64, minor: i64) {
        self.refunds = self.refunds.saturating_add(1);
        self.refunded_minor = self.refunded_minor.saturating_add(minor);
        self.spend(cx, ts_ms, -minor);
    }

    /// Takes an opening in; the latest stamp wins.
    pub fn open(&mut self, opening: Opening) {
        if self.opening.as_ref().is_none_or(|o| o.stamp < opening.stamp) {
            self.opening = Some(Box::new(opening));
        }
    }

    fn spend(&mut self, cx: &Context, ts_ms: i64, minor: i64) {
        self.revenue_minor = self.revenue_minor.saturating_add(minor);
        let y = minor as f64;
        let at_ms = add_shared(&cx.spend, &mut self.sums, self.sums_at.ms(), ts_ms, &[y, y]);
        self.sums_at = Moment::new(at_ms);
        let Some(bucket) = bucket_index(ts_ms) else {
            return;
        };
        match self.buckets.binary_search_by_key(&bucket, |b| b.index) {
            Ok(at) => {
                let sum = self.buckets[at].minor().saturating_add(minor);
                self.buckets[at] = Bucket::new(bucket, sum);
            }
            Err(at) => insert(&mut self.buckets, at, Bucket::new(bucket, minor)),
        }
        // a row is never read before its last event, so older buckets are out of every window
        let newest = self.buckets.last().map_or(0, |b| i64::from(b.index));
        let gone = self.buckets.partition_point(|b| i64::from(b.index) < newest - BUCKETS);
        if gone > 0 {
            self.buckets = self.buckets[gone..].into();
        }
    }

    /// First purchase; `None` before the first.
    pub fn t_first_ms(&self) -> Option<i64> {
        let opened = self.opening.as_ref().map_or(NEVER_MS, |o| o.t_first_ms);
        Some(self.first.ms().min(opened)).filter(|t| *t != NEVER_MS)
    }

    /// Last purchase; `None` before the first.
    pub fn t_last_ms(&self) -> Option<i64> {
        let opened = self.opening.as_ref().map_or(BEFORE_ALL_MS, |o| o.t_last_ms);
        Some(self.last.ms().max(opened)).filter(|t| *t != BEFORE_ALL_MS)
    }

    /// Distinct purchase days: the opening's, and those of the stream after its last day.
    pub fn n_days(&self) -> u32 {
        match &self.opening {
            None => self.days.len() as u32,
            Some(o) => {
                let known = self.days.partition_point(|day| *day <= o.last_day);
                o.n_days.saturating_add((self.days.len() - known) as u32)
            }
        }
    }

    /// Repeat purchase days; `None` before the first purchase.
    pub fn x(&self) -> Option<u32> {
        self.n_days().checked_sub(1)
    }

    /// Orders, the opening's included.
    pub fn orders(&self) -> u32 {
        self.orders.saturating_add(self.opening.as_ref().map_or(0, |o| o.orders))
    }

    /// Revenue net of refunds, minor units, the opening's included.
    pub fn revenue_minor(&self) -> i64 {
        self.revenue_minor.saturating_add(self.opening.as_ref().map_or(0, |o| o.revenue_minor))
    }

    /// Amounts of the purchases after the first purchase day, refunds not taken off, minor units: what Gamma-Gamma's mean
    /// is made of. The opening tells no first day, so all it knew counts by its mean.
    pub fn repeat_minor(&self) -> i64 {
        let bought = self.revenue_minor.saturating_add(self.refunded_minor);
        match &self.opening {
            None => bought.saturating_sub(self.first_day_minor),
            Some(o) => {
                let mean = o.revenue_minor / i64::from(o.n_days.max(1));
                bought.saturating_add(o.revenue_minor).saturating_sub(mean)
            }
        }
    }

    /// The gaps between purchase days of the stream; after an opening the first begins on its last day.
    pub fn gaps(&self) -> Gaps {
        let opened = self.opening.as_ref().map(|o| o.last_day);
        let known = self.days.partition_point(|day| opened.is_some_and(|last| *day <= last));
        Gaps::between(opened.into_iter().chain(self.days[known..].iter().copied()))
    }

    /// As [`Self::gaps`] without the logarithms: how many, and their sum.
    pub fn gap_span(&self) -> Gaps {
        let opened = self.opening.as_ref().map(|o| o.last_day);
        let known = self.days.partition_point(|day| opened.is_some_and(|last| *day <= last));
        let later = &self.days[known..];
        let (Some(first), Some(last)) = (opened.or(later.first().copied()), later.last()) else {
            return Gaps::default();
        };
        let n = later.len() as u32 - u32::from(opened.is_none());
        Gaps { n, sum_d: f64::from(last - first), sum_ln_d: 0.0 }
    }

    /// The first purchase day at least `cycle_d` days after the first, as its number; `None` before there is one.
    pub fn activated_day(&self, cycle_d: f64) -> Option<u16> {
        if self.opening.is_some() {
            return None;
        }
        let first = *self.days.first()?;
        self.days.iter().copied().find(|day| f64::from(day - first) >= cycle_d)
    }

    /// Whether there is such a day ([`Self::activated_day`]).
    pub fn is_activated(&self, cycle_d: f64) -> bool {
        let (first, last) = (self.days.first(), self.days.last());
        let apart = first.zip(last).map(|(first, last)| f64::from(last - first));
        self.opening.is_none() && apart.is_some_and(|apart_d| apart_d >= cycle_d)
    }

    /// What the repurchase models need: the first purchase, and the history. While `x` is 0 the last purchase *day* is
    /// the first, so `t_x` is 0 even if something was bought again that day.
    pub fn history(&self) -> Option<(i64, History)> {
        let (first, last, x) = (self.t_first_ms()?, self.t_last_ms()?, self.x()?);
        let t_x_d = if x == 0 { 0.0 } else { days(last - first) };
        Some((first, History { x, t_x_d }))
    }
}
