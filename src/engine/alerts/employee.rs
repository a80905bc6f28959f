//! One employee as rules see them: what was read of customers' data today, and how that compares with their own habit.

use std::collections::BTreeMap;

use super::told::Told;
use crate::alert::view::{Stands, View};
use crate::engine::apply::Engine;
use crate::engine::context::Context;
use crate::model::batch::EventBatch;
use crate::model::event::{Body, Event};
use crate::model::registry::{Signal, Subject};
use crate::model::time::{BEFORE_ALL_MS, NEVER_MS};
use crate::rule::condition::Test;
use crate::rule::evaluate::Value;
use crate::signal::access::{WINDOW_D, access_p, read_on, usual};
use crate::signal::exit::Window;
use crate::wire::alert::AlertWord;
use crate::wire::mail::Read;

/// What an employee has read in all shards.
#[derive(Debug)]
pub struct Facts<'a> {
    cx: &'a Context,
    name: &'a str,
    /// Ascending.
    days: Vec<(u16, u64)>,
}

impl Facts<'_> {
    fn number(&self, name: &str, at_ms: i64) -> Option<f64> {
        let today = self.cx.day(at_ms);
        match name {
            "records_read" => Some(read_on(&self.days, today) as f64),
            "access_p" => access_p(&self.days, today),
            _ => None,
        }
    }
}

impl Facts<'_> {
    /// The first midnight after a moment of which something is so.
    fn midnight_ms(&self, after_ms: i64, is_so: impl Fn(i64) -> bool) -> i64 {
        let Some((last, _)) = self.days.last() else { return NEVER_MS };
        let midnights = self.cx.day(after_ms).saturating_add(1)..=last.saturating_add(WINDOW_D + 1);
        let mut moments = midnights.map(|day| self.cx.day_start_ms(day));
        moments.find(|ms| is_so(*ms)).unwrap_or(NEVER_MS)
    }
}

/// Whether it is known how to find the dues of a signal of an employee.
pub(super) fn is_followed(signal: &Signal) -> bool {
    matches!(signal.name, "access_p" | "records_read")
}

impl crate::alert::Facts for Facts<'_> {
    /// The hour in which it was told is all that is known.
    fn as_of_ms(&self) -> i64 {
        BEFORE_ALL_MS
    }

    fn value(&self, signal: &Signal, at_ms: i64) -> Option<Value> {
        self.number(signal.name, at_ms).map(Value::Number)
    }

    /// Between events only a midnight moves them, and none after the last day has left the window.
    fn crossing_ms(&self, view: &View<'_>, _signal: &Signal, test: &Test) -> i64 {
        let now = view.holds(test, view.tau_ms);
        self.midnight_ms(view.tau_ms, |ms| view.holds(test, ms) != now)
    }

    fn leaves_ms(&self, signal: &Signal, at_ms: i64, window: &dyn Fn(f64) -> Window) -> i64 {
        let number = |ms: i64| self.number(signal.name, ms);
        let Some(window) = number(at_ms).map(window) else { return NEVER_MS };
        self.midnight_ms(at_ms, |ms| !number(ms).is_some_and(|now| window.holds(now)))
    }

    fn stands(&self, _part_id: &str, _at_ms: i64) -> Stands {
        let word = AlertWord {
            subject_kind: Subject::Employee.name().to_owned(),
            subject_id: self.name.to_owned(),
            currency: self.cx.plan.currency.to_string(),
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
        let today = self.cx.day(at_ms);
        match test.term.signal()?.name {
            "access_p" => {
                let years = 1.0 / access_p(&self.days, today)? / 365.25;
                Some(match years {
                    y if y < 1.0 => "by their habit, such a day comes by chance".to_owned(),
                    y if y < 1_000.0 => {
                        format!("by their habit, such a day comes once in {y:.0} years")
                    }
                    _ => {
                        "by their habit, such a day comes less than once in 1,000 years".to_owned()
                    }
                })
            }
            "records_read" => {
                let records = read_on(&self.days, today);
                Some(match usual(&self.days, today) {
                    Some(mean) => {
                        format!("{records} customer records read today, {mean:.0} on a usual day")
                    }
                    None => format!("{records} customer records read today, no habit yet"),
                })
            }
            _ => None,
        }
    }
}

impl Told for Read {
    const SUBJECT: Subject = Subject::Employee;
    type Facts<'a> = Facts<'a>;

    /// What a letter does not name is as it was; what has left the window of the latest day is in nobody's any more.
    fn follow(&mut self, later: Self) {
        for (day, records) in later.days {
            self.set(day, records);
        }
        let last = self.days.last().map_or(0, |(day, _)| *day);
        // a producer's clock may be past midnight already
        self.forget_before(last.saturating_sub(WINDOW_D + 1));
    }

    fn facts<'a>(cx: &'a Context, name: &'a str, all: &[&Self]) -> Facts<'a> {
        let mut days = BTreeMap::new();
        for (day, records) in all.iter().flat_map(|read| &read.days) {
            let sum: &mut u64 = days.entry(*day).or_default();
            *sum = sum.saturating_add(*records);
        }
        Facts { cx, name, days: days.into_iter().collect() }
    }

    fn over_ms(&self, cx: &Context) -> i64 {
        let last = self.days.last().map_or(0, |(day, _)| *day);
        cx.day_start_ms(last.saturating_add(WINDOW_D + 1))
    }
}

impl Engine {
    /// What an applied event adds to what an employee has read, for rules about employees.
    pub(in crate::engine) fn count_reads(&mut self, batch: &EventBatch, event: &Event) {
        if let Body::Access { employee, records } = event.body {
            let day = self.cx.day(event.ts_ms);
            self.reads.count(batch.str(employee), day, records);
        }
    }
}
