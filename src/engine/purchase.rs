//! Purchases of one customer: days, sums, decayed spending, the 90-day window. A commutative function of the events.

use serde::{Deserialize, Serialize};

use super::compact::Moment;
use super::context::Context;
use crate::model::time::{BEFORE_ALL_MS, NEVER_MS};
use crate::signal::days;
use crate::signal::decay::add_shared;
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
pub struct Bucket {
    /// [`bucket_index`].
    pub index: u16,
    minor: [u8; 8],
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
    /// When the expected purchases were last computed for a row; [`Moment::BEFORE_ALL`] when never.
    pub expected_as_of: Moment,
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
            expected_as_of: Moment::BEFORE_ALL,
        }
    }
}

/// Puts a value into a short list that is mostly read: no spare capacity.
fn insert<T>(list: &mut Box<[T]>, at: usize, value: T) {
    let mut values = std::mem::take(list).into_vec();
    values.reserve_exact(1);
    values.insert(at, value);
    *list = values.into_boxed_slice();
}

impl Purchases {
    /// Applies a purchase. Returns whether it opened a purchase day after all others ("bought").
    pub fn buy(&mut self, cx: &Context, ts_ms: i64, minor: i64) -> bool {
        let day = cx.day(ts_ms);
        let later = self.days.last().is_none_or(|last| *last < day)
            && self.opening.as_ref().is_none_or(|o| o.last_day < day);
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

    /// What the repurchase models need: the first purchase, and the history. While `x` is 0 the last purchase *day* is
    /// the first, so `t_x` is 0 even if something was bought again that day.
    pub fn history(&self) -> Option<(i64, History)> {
        let (first, last, x) = (self.t_first_ms()?, self.t_last_ms()?, self.x()?);
        let t_x_d = if x == 0 { 0.0 } else { days(last - first) };
        Some((first, History { x, t_x_d }))
    }
}
