//! Purchases of one customer: days, sums, decayed spending, the 90-day window. A commutative function of the events.

use serde::{Deserialize, Serialize};

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

/// Everything about purchases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Purchases {
    /// Distinct purchase days of the stream (day zone), sorted. Two bytes a day: a daily buyer of ten years takes 7 KB.
    pub days: Vec<u16>,
    /// First streamed purchase; [`NEVER_MS`] when none.
    first_ms: i64,
    /// Last streamed purchase; [`BEFORE_ALL_MS`] when none.
    last_ms: i64,
    orders: u32,
    /// Refunds.
    pub refunds: u32,
    revenue_minor: i64,
    /// Landmark of the decayed sums.
    pub sums_at_ms: i64,
    /// Spending decayed with half-lives of 30 and 180 days, minor units at the landmark.
    pub sums: [f64; 2],
    /// Net spending by 3-day bucket (number, minor units), sorted, only buckets that a 90-day window can still reach.
    pub buckets: Vec<(u16, i64)>,
    /// The opening.
    pub opening: Option<Box<Opening>>,
    /// When the expected purchases were last computed for a row.
    pub expected_as_of_ms: i64,
}

impl Default for Purchases {
    fn default() -> Self {
        Self {
            days: Vec::new(),
            first_ms: NEVER_MS,
            last_ms: BEFORE_ALL_MS,
            orders: 0,
            refunds: 0,
            revenue_minor: 0,
            sums_at_ms: 0,
            sums: [0.0; 2],
            buckets: Vec::new(),
            opening: None,
            expected_as_of_ms: BEFORE_ALL_MS,
        }
    }
}

impl Purchases {
    /// Applies a purchase. Returns whether it opened a purchase day after all others ("bought").
    pub fn buy(&mut self, cx: &Context, ts_ms: i64, minor: i64) -> bool {
        let day = cx.day(ts_ms);
        let later = self.days.last().is_none_or(|last| *last < day)
            && self.opening.as_ref().is_none_or(|o| o.last_day < day);
        if let Err(at) = self.days.binary_search(&day) {
            if self.days.is_empty() {
                self.days.reserve_exact(2);
            }
            self.days.insert(at, day);
        }
        self.first_ms = self.first_ms.min(ts_ms);
        self.last_ms = self.last_ms.max(ts_ms);
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
        self.sums_at_ms = add_shared(&cx.spend, &mut self.sums, self.sums_at_ms, ts_ms, &[y, y]);
        let Some(bucket) = bucket_index(ts_ms) else {
            return;
        };
        match self.buckets.binary_search_by_key(&bucket, |b| b.0) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(minor),
            Err(at) => {
                if self.buckets.is_empty() {
                    self.buckets.reserve_exact(1);
                }
                self.buckets.insert(at, (bucket, minor));
            }
        }
        // a row is never read before its last event, so older buckets are out of every window
        let newest = self.buckets.last().map_or(0, |b| i64::from(b.0));
        self.buckets.retain(|b| i64::from(b.0) >= newest - BUCKETS);
    }

    /// First purchase; `None` before the first.
    pub fn t_first_ms(&self) -> Option<i64> {
        let opened = self.opening.as_ref().map_or(NEVER_MS, |o| o.t_first_ms);
        Some(self.first_ms.min(opened)).filter(|t| *t != NEVER_MS)
    }

    /// Last purchase; `None` before the first.
    pub fn t_last_ms(&self) -> Option<i64> {
        let opened = self.opening.as_ref().map_or(BEFORE_ALL_MS, |o| o.t_last_ms);
        Some(self.last_ms.max(opened)).filter(|t| *t != BEFORE_ALL_MS)
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
