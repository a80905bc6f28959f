//! What the customer is served: how much of each plan is used, and deliveries promised and made.

use serde::{Deserialize, Serialize};

use super::compact::Moment;
use super::sums::{Sum, Sums};
use crate::model::time::{DAY_MS, HOUR_MS};
use crate::signal::moment::earliest_after;

/// Metrics of usage watched; then the one said longest ago is forgotten.
pub const METRICS_MAX: usize = 8;
/// Statements of high usage held for a metric since it was last low. With more the first ones and the latest stay.
pub const HIGHS_MAX: usize = 16;
/// Deliveries held; then the oldest are forgotten, made ones first.
pub const ORDERS_MAX: usize = 32;
/// Deliveries made that are held for what is said of them late.
pub const DELIVERED_MAX: usize = 8;

/// Part of the plan from which on usage is high.
pub const HIGH_SHARE: f64 = 0.8;
/// How long usage must be high to mean that the plan is too small, days.
pub const HIGH_FOR_D: i64 = 14;
/// How long after a delivery the customer is asked how it was, days.
pub const ASK_AFTER_D: i64 = 7;

/// How much of one plan is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Metric {
    /// xxh3-64 of its name.
    id: u64,
    last: Moment,
    /// Used part of the plan, as last said.
    share: f32,
    /// When it was last said to be low.
    low: Moment,
    /// When it was said to be high after that.
    highs: Vec<Moment>,
}

/// One order on its way or delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    /// xxh3-64 of its number.
    id: u64,
    /// The earliest moment promised.
    promised: Moment,
    /// The last moment at which some of it arrived.
    delivered: Moment,
}

/// Everything about usage and deliveries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// By id.
    metrics: Vec<Metric>,
    /// By id.
    orders: Vec<Order>,
    last_delivered: Moment,
    forgotten: u32,
}

const _: () = assert!(size_of::<Service>() <= 64);
const _: () = assert!(size_of::<Metric>() <= 48 && size_of::<Order>() <= 24);

impl Metric {
    /// Since when it has been high without a low between; `None` while it is not.
    fn high_since_ms(&self) -> Option<i64> {
        self.highs.first().and_then(|at| at.known_ms())
    }

    fn take(&mut self, at: Moment, share: f64) {
        if self.last.is_none() || (self.last, self.share) < (at, share as f32) {
            (self.last, self.share) = (at, share as f32);
        }
        let new_since_low = self.low.is_none() || at > self.low;
        if share < HIGH_SHARE {
            self.low = self.low.later(at);
            let low = self.low;
            self.highs.retain(|high| *high > low);
        } else if new_since_low && let Err(place) = self.highs.binary_search(&at) {
            if self.highs.is_empty() {
                self.highs.reserve_exact(1);
            }
            self.highs.insert(place, at);
            if self.highs.len() > HIGHS_MAX {
                self.highs.remove(HIGHS_MAX - 1);
            }
        }
    }
}

impl Service {
    /// Takes a statement of usage in. `plan_limit`, if said and above 0, is what `quantity` is a part of.
    pub fn usage(
        &mut self,
        sums: &mut Sums,
        metric: u64,
        ts_ms: i64,
        quantity: f64,
        plan_limit: Option<f64>,
    ) {
        sums.add_all(ts_ms, &[(Sum::Usage30, quantity), (Sum::Usage180, quantity)]);
        let Some(limit) = plan_limit.filter(|limit| *limit > 0.0) else {
            return;
        };
        let at = match self.metrics.binary_search_by_key(&metric, |held| held.id) {
            Ok(at) => at,
            Err(at) => {
                self.metrics.reserve_exact(1);
                let none = Moment::NEVER;
                let new = Metric { id: metric, last: none, share: 0.0, low: none, highs: vec![] };
                self.metrics.insert(at, new);
                at
            }
        };
        self.metrics[at].take(Moment::new(ts_ms), quantity / limit);
        if self.metrics.len() > METRICS_MAX
            && let Some(oldest) =
                (0..self.metrics.len()).min_by_key(|&at| (self.metrics[at].last, at))
        {
            self.metrics.remove(oldest);
        }
    }

    /// Takes a promise or a delivery in. Said several times, the earliest promise and the last arrival count. What is said
    /// to have arrived after `ts_ms` arrived then.
    pub fn delivery(
        &mut self,
        sums: &mut Sums,
        order: u64,
        ts_ms: i64,
        promised_ms: i64,
        delivered_ms: Option<i64>,
    ) {
        let at = match self.orders.binary_search_by_key(&order, |held| held.id) {
            Ok(at) => at,
            Err(at) => {
                if self.orders.is_empty() {
                    self.orders.reserve_exact(1);
                }
                let none = Moment::NEVER;
                self.orders.insert(at, Order { id: order, promised: none, delivered: none });
                at
            }
        };
        let delivered = delivered_ms.map_or(Moment::NEVER, |ms| Moment::new(ms.min(ts_ms)));
        self.last_delivered = self.last_delivered.later(delivered);
        let held = &mut self.orders[at];
        let promised = held.promised.earlier(Moment::new(promised_ms));
        let delivered = held.delivered.later(delivered);
        if (promised, delivered) != (held.promised, held.delivered) {
            let weighed = !held.delivered.is_none();
            if weighed && self.forgotten == 0 {
                (held.promised, held.delivered) = (promised, delivered);
                sums.empty(&[Sum::DeliveryLateLn90, Sum::Deliveries90]);
                self.orders.iter().for_each(|held| weigh(sums, held, 1.0));
            } else {
                weigh(sums, held, -1.0);
                (held.promised, held.delivered) = (promised, delivered);
                weigh(sums, held, 1.0);
            }
        }
        self.limit_orders();
    }

    fn limit_orders(&mut self) {
        if self.orders.len() <= DELIVERED_MAX {
            return;
        }
        let delivered = self.orders.iter().filter(|held| !held.delivered.is_none()).count();
        if delivered <= DELIVERED_MAX && self.orders.len() <= ORDERS_MAX {
            return;
        }
        // a moment of arrival is there for the delivered only, and none is the last of all moments
        let oldest = (0..self.orders.len()).min_by_key(|&at| {
            let held = &self.orders[at];
            (held.delivered, held.promised, held.id)
        });
        if let Some(at) = oldest {
            self.orders.remove(at);
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }

    /// Since when a metric's usage is high without a low between, the earliest of all metrics; `None` when none is.
    pub fn high_since_ms(&self) -> Option<i64> {
        self.metrics.iter().filter_map(Metric::high_since_ms).min()
    }

    /// Whether some metric's usage has been high for [`HIGH_FOR_D`].
    pub fn plan_too_small(&self, tau_ms: i64) -> bool {
        self.high_since_ms().is_some_and(|since_ms| tau_ms >= since_ms + HIGH_FOR_D * DAY_MS)
    }

    /// The largest used part of a plan, as last said; `None` when nothing was.
    pub fn usage_share(&self) -> Option<f64> {
        self.metrics.iter().map(|held| f64::from(held.share)).reduce(f64::max)
    }

    /// Orders not delivered yet, those of them whose promise has come, and the earliest such promise.
    pub fn undelivered(&self, tau_ms: i64) -> (u32, u32, Option<i64>) {
        let open = || self.orders.iter().filter(|held| held.delivered.is_none());
        let late = || open().filter_map(|held| held.promised.known_ms()).filter(|ms| *ms <= tau_ms);
        (open().count() as u32, late().count() as u32, late().min())
    }

    /// When something was last delivered.
    pub fn last_delivered_ms(&self) -> Option<i64> {
        self.last_delivered.known_ms()
    }

    /// When the delivered orders held arrived; the last ones are.
    pub fn delivered_ms(&self) -> impl Iterator<Item = i64> + '_ {
        self.orders.iter().filter_map(|held| held.delivered.known_ms())
    }

    /// When the orders not delivered yet were promised for.
    pub fn promised_ms(&self) -> impl Iterator<Item = i64> + '_ {
        let open = self.orders.iter().filter(|held| held.delivered.is_none());
        open.filter_map(|held| held.promised.known_ms())
    }

    /// Orders held, and forgotten because there were too many.
    pub fn held(&self) -> (usize, u32) {
        (self.orders.len(), self.forgotten)
    }

    /// The next moment after `after_ms` at which a promise comes, the last delivery is [`ASK_AFTER_D`] ago, or usage has
    /// been high for [`HIGH_FOR_D`]; `NEVER_MS` when none.
    pub fn next_due_ms(&self, after_ms: i64) -> i64 {
        let open = self.orders.iter().filter(|held| held.delivered.is_none());
        let promised = open.filter_map(|held| held.promised.known_ms());
        let asked = self.last_delivered.known_ms().map(|ms| ms + ASK_AFTER_D * DAY_MS);
        let high = self.metrics.iter().filter_map(Metric::high_since_ms);
        let too_small = high.map(|ms| ms + HIGH_FOR_D * DAY_MS);
        earliest_after(after_ms, promised.chain(asked).chain(too_small))
    }
}

/// Adds what a delivery weighs, at its arrival, or takes it back (`sign` -1).
fn weigh(sums: &mut Sums, order: &Order, sign: f64) {
    let (Some(promised_ms), Some(at_ms)) = (order.promised.known_ms(), order.delivered.known_ms())
    else {
        return;
    };
    let late_h = (at_ms - promised_ms).max(0) as f64 / HOUR_MS as f64;
    let ln = libm::log1p(late_h) * sign;
    sums.add_all(at_ms, &[(Sum::DeliveryLateLn90, ln), (Sum::Deliveries90, sign)]);
}
