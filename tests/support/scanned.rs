//! One invented history under alert rules that are a test each: what a scan of the signals finds, and what alerts have told. Needs `watched`
//! and `stream` beside it.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retain::engine::alerts::Unsaid;
use retain::model::registry::Signal;
use retain::plan::{ModelKind, Plan};
use retain::rule::condition::Test;
use retain::rule::evaluate::{Value, holds};

use crate::stream::{DAY_MS, Made};
use crate::watched::Watched;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// How far beyond the last event is looked: what was last answered is too old then.
pub const TAIL_MS: i64 = 400 * DAY_MS;
/// How long after an event is looked every hour: all that was spent has left its window then. Later every day.
const HOURLY_MS: i64 = 100 * DAY_MS;

/// Whether the long run was asked for.
pub fn is_soak() -> bool {
    std::env::var_os("RETAIN_SOAK").is_some()
}

/// A signal, and what is asked of it.
pub type Asked = (&'static Signal, Test);

/// A change of an answer: of which rule, when, to what.
pub type Change = (usize, i64, bool);

pub fn by_customer(all: &[Made]) -> BTreeMap<&str, Vec<&Made>> {
    let mut by: BTreeMap<&str, Vec<&Made>> = BTreeMap::new();
    all.iter().for_each(|made| by.entry(&made.customer).or_default().push(made));
    by
}

/// Gives an engine one history, and calls after each event that is followed by a time without one: until when nothing happens.
pub fn live(
    plan: &Arc<Plan>,
    made: &[&Made],
    mut after: impl FnMut(&mut Watched, i64, i64),
) -> Watched {
    let mut watched = Watched::new(plan);
    for (n, event) in made.iter().enumerate() {
        watched.apply(plan, event);
        let to_ms = made.get(n + 1).map_or(event.ts_ms + TAIL_MS, |next| next.ts_ms);
        if to_ms > event.ts_ms && watched.engine.store.slots().next().is_some() {
            after(&mut watched, event.ts_ms, to_ms);
        }
    }
    watched
}

/// What alerts told of it, each rule's changes in order. Looks whether anything has gone unnoticed: right before and at some of the dues,
/// and every few days.
pub fn told(plan: &Arc<Plan>, made: &[&Made]) -> Vec<Change> {
    let (step_ms, one_in) = if is_soak() { (6 * HOUR_MS, 1) } else { (137 * HOUR_MS, 7) };
    let mut dues = 0;
    let watched = live(plan, made, |watched, from_ms, to_ms| {
        for look_ms in (from_ms..to_ms).step_by(step_ms as usize).chain([to_ms - 1]) {
            while let Some(due_ms) = watched.engine.next_due_ms(look_ms) {
                dues += 1;
                if dues % one_in == 0 && due_ms > from_ms {
                    watched.pass(due_ms - 1);
                    watched.pass(due_ms);
                } else {
                    watched.engine.fire_all_until(due_ms, usize::MAX);
                }
            }
            watched.pass(look_ms);
        }
    });
    let words = watched.engine.alerted.iter();
    let number = |rule: &str| rule[1..].parse().unwrap();
    let mut all: Vec<Change> =
        words.map(|word| (number(&word.rule), word.at_ms, word.what == "raised")).collect();
    all.sort_unstable();
    all
}

pub fn value(watched: &Watched, made: &[&Made], signal: &Signal, at_ms: i64) -> Option<Value> {
    let said = watched.engine.signal(made[0].customer.as_bytes(), signal, at_ms);
    said.unwrap_or_else(|unsaid: Unsaid| panic!("{}: {unsaid:?}", signal.name))
}

/// Every minute near to events and dues, every hour or two elsewhere, as long as much moves.
fn moments(plan: &Plan, from_ms: i64, to_ms: i64, near: &BTreeSet<i64>) -> BTreeSet<i64> {
    let regular = plan.model.kind != ModelKind::MbgNbd;
    let (minutes, hours) = match (is_soak(), regular) {
        (true, _) => (60, 1),
        (false, true) => (3, 12),
        (false, false) => (10, 2),
    };
    let hourly_ms = to_ms.min(from_ms + HOURLY_MS);
    let often = (from_ms..hourly_ms).step_by((hours * HOUR_MS) as usize);
    let mut all: BTreeSet<i64> = often.chain((hourly_ms..to_ms).step_by(DAY_MS as usize)).collect();
    let reach_ms = minutes * MINUTE_MS;
    for moment in near.range(from_ms - reach_ms..to_ms + reach_ms) {
        let around = (-minutes..=minutes).map(|minute| moment + minute * MINUTE_MS);
        all.extend(around.filter(|ms| (from_ms..to_ms).contains(ms)));
    }
    all.insert(to_ms - 1);
    all
}

/// What a scan of the signals finds, each rule's changes in order. No alerts are looked at meanwhile.
fn found(plan: &Arc<Plan>, tests: &[Asked], made: &[&Made], near: &BTreeSet<i64>) -> Vec<Change> {
    let (mut answers, mut changes) = (vec![false; tests.len()], Vec::new());
    let holds_now = |test: &Test, value: Option<Value>| {
        value.map_or(test.unknown.unwrap_or(false), |value| holds(&test.asks, value))
    };
    let bare = Arc::new(Plan { alerts: Arc::default(), ..(**plan).clone() });
    live(&bare, made, |watched, from_ms, to_ms| {
        let mut before_ms = from_ms;
        for at_ms in moments(plan, from_ms, to_ms, near) {
            // those of a signal stand together
            let mut asked: Option<(&str, Option<Value>)> = None;
            for (n, (signal, test)) in tests.iter().enumerate() {
                let now = match asked {
                    Some((name, value)) if name == signal.name => value,
                    _ => value(watched, made, signal, at_ms),
                };
                asked = Some((signal.name, now));
                let to = holds_now(test, now);
                if to == answers[n] {
                    continue;
                }
                let (mut low_ms, mut high_ms) = (before_ms, at_ms);
                while high_ms - low_ms > 1 {
                    let middle_ms = low_ms + (high_ms - low_ms) / 2;
                    let now = value(watched, made, signal, middle_ms);
                    if holds_now(test, now) == to {
                        high_ms = middle_ms
                    } else {
                        low_ms = middle_ms
                    }
                }
                answers[n] = to;
                changes.push((n, high_ms, to));
            }
            before_ms = at_ms;
        }
    });
    changes.sort_unstable();
    changes
}

/// What time moved, how often: by signal and direction.
pub type ByTime = BTreeMap<(&'static str, bool), usize>;

/// Follows one history, and counts what time has moved in it. Returns how many changes came at the very millisecond.
pub fn follow(plan: &Arc<Plan>, tests: &[Asked], made: &[&Made], by_time: &mut ByTime) -> usize {
    let told = told(plan, made);
    let mut near: BTreeSet<i64> = told.iter().map(|(_, at_ms, _)| *at_ms).collect();
    near.extend(made.iter().map(|made| made.ts_ms));
    let found = found(plan, tests, made, &near);
    let same = |(one, two): (&Change, &Change)| {
        one.0 == two.0 && one.2 == two.2 && (one.1 - two.1).abs() <= 1_000
    };
    assert!(
        found.len() == told.len() && found.iter().zip(&told).all(same),
        "{}: scan against alerts\n{:#?}",
        made[0].customer,
        differing(tests, &found, &told)
    );
    for (n, at_ms, to) in &found {
        if made.iter().all(|made| made.ts_ms != *at_ms) {
            *by_time.entry((tests[*n].0.name, *to)).or_default() += 1;
        }
    }
    found.iter().zip(&told).filter(|(one, two)| one == two).count()
}

/// What one has and the other has not.
fn differing(tests: &[Asked], found: &[Change], told: &[Change]) -> Vec<String> {
    let only = |one: &[Change], two: &[Change], of: &str| -> Vec<String> {
        let lone = one.iter().filter(|change| !two.contains(change));
        lone.map(|(n, at_ms, to)| format!("{of}: r{n} {:?} {at_ms} {to}", tests[*n])).collect()
    };
    [only(found, told, "scan"), only(told, found, "alerts")].concat()
}
