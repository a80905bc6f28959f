//! One segment as its rules see it.

use super::crossings::trend_leaves_ms;
use super::told::Told;
use crate::alert::view::{Stands, View};
use crate::engine::context::Context;
use crate::model::registry::{Signal, Subject};
use crate::model::time::NEVER_MS;
use crate::plan::DemandBy;
use crate::rule::condition::Test;
use crate::rule::evaluate::Value;
use crate::signal::exit::{FAR_MS, Window};
use crate::signal::moment::first_ms;
use crate::signal::trend::{TrendRule, TrendSums};
use crate::wire::alert::AlertWord;
use crate::wire::mail::Bought;

/// Whether it is known how to find the dues of a signal of a segment.
pub(super) fn is_followed(signal: &Signal) -> bool {
    matches!(signal.name, "demand_trend" | "demand_n")
}

/// What separates a category from a region in a segment's name.
pub const BETWEEN: &str = " / ";

/// What was bought of a segment in all shards.
#[derive(Debug)]
pub struct Facts<'a> {
    cx: &'a Context,
    name: &'a str,
    rule: TrendRule,
    sums: TrendSums,
    /// At the landmark of the sums.
    orders: f64,
}

impl<'a> Facts<'a> {
    /// The sums of all shards, carried to the latest purchase among them.
    fn of(cx: &'a Context, name: &'a str, all: &[&Bought]) -> Self {
        let rule = TrendRule::demand();
        let landmark_ms = all.iter().map(|bought| bought.at_ms).max().unwrap_or(0);
        let first_ms = all.iter().map(|bought| bought.first_ms).min().unwrap_or(0);
        let events = u32::from(!all.is_empty());
        let mut sums = TrendSums { short: 0.0, long: 0.0, landmark_ms, first_ms, events };
        let mut orders = 0.0;
        for bought in all {
            sums.short += rule.short.value_at(bought.short, bought.at_ms, landmark_ms);
            sums.long += rule.long.value_at(bought.long, bought.at_ms, landmark_ms);
            orders += rule.long.value_at(bought.orders, bought.at_ms, landmark_ms);
        }
        Self { cx, name, rule, sums, orders }
    }

    fn number(&self, name: &str, at_ms: i64) -> Option<f64> {
        match name {
            "demand_trend" => self.rule.value(&self.sums, at_ms),
            "demand_n" => Some(self.rule.long.value_at(self.orders, self.sums.landmark_ms, at_ms)),
            _ => None,
        }
    }
}

impl crate::alert::Facts for Facts<'_> {
    fn as_of_ms(&self) -> i64 {
        self.sums.landmark_ms
    }

    fn value(&self, signal: &Signal, at_ms: i64) -> Option<Value> {
        self.number(signal.name, at_ms).map(Value::Number)
    }

    /// Both numbers fall until the next letter.
    fn crossing_ms(&self, view: &View<'_>, signal: &Signal, test: &Test) -> i64 {
        match signal.name {
            "demand_trend" => {
                trend_leaves_ms(&self.rule, &self.sums, test.asks.edge(), view.tau_ms)
            }
            "demand_n" => view.monotone_ms(test, NEVER_MS),
            _ => NEVER_MS,
        }
    }

    fn leaves_ms(&self, signal: &Signal, at_ms: i64, window: &dyn Fn(f64) -> Window) -> i64 {
        let number = |ms: i64| self.number(signal.name, ms);
        let Some(window) = number(at_ms).map(window) else { return NEVER_MS };
        if signal.name == "demand_trend" {
            return trend_leaves_ms(&self.rule, &self.sums, Some(window.low), at_ms);
        }
        let is_out = |ms: i64| !number(ms).is_some_and(|now| window.holds(now));
        first_ms(at_ms, at_ms.saturating_add(FAR_MS), is_out).unwrap_or(NEVER_MS)
    }

    fn stands(&self, _part_id: &str, _at_ms: i64) -> Stands {
        let region = match self.cx.plan.parameters.demand_by {
            DemandBy::Category => "",
            DemandBy::CategoryRegion => self.name.rsplit_once(BETWEEN).map_or("", |(_, r)| r),
        };
        let word = AlertWord {
            subject_kind: Subject::Segment.name().to_owned(),
            subject_id: self.name.to_owned(),
            currency: self.cx.plan.currency.to_string(),
            region: region.to_owned(),
            ..AlertWord::default()
        };
        Stands { hashed: self.name.to_owned(), word }
    }

    fn cut_off_minor(&self, _top: u32) -> Option<i64> {
        None
    }

    fn behind(&self, _signal: &Signal, _at_ms: i64) -> Vec<String> {
        Vec::new()
    }

    fn reason(&self, test: &Test, at_ms: i64) -> Option<String> {
        let signal = test.term.signal()?.name;
        match (signal, self.number(signal, at_ms)?) {
            ("demand_trend", trend) => {
                let percent = 100.0 * libm::expm1(trend);
                let how = if trend < 0.0 { "less" } else { "more" };
                Some(format!("{:.0} % {how} bought than in the last quarter", percent.abs()))
            }
            ("demand_n", orders) => Some(format!("on about {orders:.0} orders")),
            _ => None,
        }
    }
}

impl Told for Bought {
    const SUBJECT: Subject = Subject::Segment;
    type Facts<'a> = Facts<'a>;

    fn follow(&mut self, later: Self) {
        *self = later;
    }

    fn facts<'a>(cx: &'a Context, name: &'a str, all: &[&Self]) -> Facts<'a> {
        Facts::of(cx, name, all)
    }

    /// Decayed sums never come to nothing.
    fn over_ms(&self, _cx: &Context) -> i64 {
        NEVER_MS
    }
}
