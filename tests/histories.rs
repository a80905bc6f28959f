//! Thousands of small random histories, a customer each, run through one machine and compared with the slow recomputation:
//! shuffled within the disorder and with repeats, at random moments; and in any order at all, by what does not depend on it.
//!
//! `make test` takes 500 of each family, `make soak` 10,000. Failures name the seed and the customer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/compare.rs"]
mod compare;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/spelling.rs"]
mod spelling;
#[path = "support/stream.rs"]
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;

use compare::{check_shard, check_tables};
use oracle::recompute;
use random::Random;
use retain::machine::ClockReading;
use retain::model::money::{Currency, Rate};
use retain::model::table::Table;
use retain::plan::{Plan, WeightSet};
use sim::{Log, Runner, Schedule};
use stream::families::{Family, histories};
use stream::{BEGIN_MS, DAY_MS, Made, deliver, disturbed};

const DISORDER_MS: i64 = 600_000;
const CUSTOMERS: u64 = 500;
const DAYS: i64 = 150;

/// Consumers; companies; customers who buy in a rhythm.
fn plan(seed: u64) -> Plan {
    let mut plan = plans::plan();
    let rate = |code: &str, digits, scale| (Currency::parse(code).unwrap(), Rate { digits, scale });
    plan.rates = vec![rate("EUR", 108, 2), rate("JPY", 67, 4), rate("USD", 1, 0)];
    plan.disorder_ms = DISORDER_MS;
    plan.limits.rejects_percent_max = 100;
    plan.limits.rejects_run_max = u32::MAX;
    match seed % 3 {
        0 => {}
        1 => {
            plan.parameters.risk.weights.set = WeightSet::B2b;
            plan.parameters.loyalty.set = WeightSet::B2b;
            plan.parameters.risk.horizon_d = 180.0;
        }
        _ => plan.model = plans::regular(),
    }
    plan
}

/// Seeds of a family: 500 histories each.
fn seeds(family: Family) -> std::ops::Range<u64> {
    let first = 1_000 * family as u64 + family as u64;
    let count = if std::env::var_os("RETAIN_SOAK").is_some() { 20 } else { 1 };
    first..first + count
}

/// The logs as far as they can be read.
fn visible(runner: &Runner) -> Vec<Log> {
    let cut = |(log, end): (&Log, &i64)| {
        let mut log = log.clone();
        log.entries.retain(|entry| entry.offset < *end);
        log.end = *end;
        log
    };
    runner.logs.iter().zip(&runner.visible).map(cut).collect()
}

/// Compares at two moments on the way, and long after the end.
fn run(family: Family, seed: u64) {
    let plan = Arc::new(plan(seed));
    let made = histories(family, seed, CUSTOMERS, DAYS);
    let again_ms = |r: &mut Random, _: &Made| r.between(0, 25 * DAY_MS);
    let logs = deliver(seed, &disturbed(seed, &made, DISORDER_MS, 10, again_ms), |_| 0);
    let schedule = Schedule::wild(seed).crashing(1);
    let mut runner = Runner::new(&plan, 0, 1, logs.clone(), schedule);
    let mut random = Random::new(seed);
    let whole = runner.visible.clone();
    runner.visible = runner.consumed_to.clone();
    for _ in 0..2 {
        for (source, end) in whole.iter().enumerate() {
            runner.visible[source] = random.between(runner.visible[source], *end);
        }
        runner.drain();
        let expected = recompute(&plan, (0, 1), &visible(&runner));
        let in_order = runner.order_breaks == 0;
        let place = format!("{family:?} on the way, {}", runner.seed());
        check_tables(&plan, &runner.tables, &expected, in_order, &place);
    }
    runner.visible = whole;
    runner.drain();
    runner.pass_to(BEGIN_MS + (DAYS + random.between(26, 400)) * DAY_MS);
    eprintln!("{family:?}: {}", runner.seed());
    let expected = recompute(&plan, (0, 1), &logs);
    // a ticket may have no event at all
    assert!(expected.customers.len() as u64 >= CUSTOMERS * 9 / 10, "{}", expected.customers.len());
    check_shard(&plan, &runner, &expected);
}

/// In any order: dedup remembers everything, and what follows a path in time is not compared. What stands in the row as it was
/// known at its moment is compared once the row was refreshed.
fn run_permuted(family: Family, seed: u64) {
    let mut plan = plan(seed);
    plan.sources.iter_mut().for_each(|source| source.dedup_window_ms = 3_650 * DAY_MS);
    let plan = Arc::new(plan);
    let mut made = histories(family, seed, CUSTOMERS, DAYS);
    let mut random = Random::new(!seed);
    made.extend(made.clone().into_iter().filter(|_| random.percent(10)));
    for at in (1..made.len()).rev() {
        made.swap(at, random.index(at + 1));
    }
    let end_ms = BEGIN_MS + (DAYS + 5) * DAY_MS;
    let logs = deliver(seed, &made, |m| end_ms - m.ts_ms);
    let mut runner = Runner::new(&plan, 0, 1, logs.clone(), Schedule::wild(seed));
    runner.drain();
    runner.pass_to(end_ms + random.between(26, 400) * DAY_MS);
    eprintln!("{family:?} permuted: {}", runner.seed());
    let expected = recompute(&plan, (0, 1), &logs);
    for (counts, want) in runner.counts.iter().zip(&expected.counts) {
        assert_eq!((counts.by_outcome, counts.by_outcome[2]), (*want, 0), "{}", runner.seed());
    }
    check_tables(&plan, &runner.tables, &expected, false, &runner.seed());
    refresh(&plan, &mut runner);
    check_tables(&plan, &runner.tables, &expected, true, &format!("refreshed, {}", runner.seed()));
}

/// Days later the clock is near: rows are written anew as of each customer's minute of the day, by all that is known.
fn refresh(plan: &Plan, runner: &mut Runner) {
    let before: BTreeMap<String, i128> = as_of(runner);
    let now_ms = runner.machine.watermark_ms().unwrap() + 3 * DAY_MS;
    for cycle in 0.. {
        let clock = ClockReading { now_ms, ends_confirmed_ms: Some(now_ms) };
        let effects = runner.machine.end_cycle(clock);
        // the first one lets time pass
        if cycle > 0 && effects.rows.iter().all(|block| block.table != Table::Customers) {
            break;
        }
        effects.rows.iter().for_each(|block| drop(runner.tables.insert(block)));
    }
    let day_before_ms = i128::from(now_ms - DAY_MS - plan.idle_timeout_ms);
    let after = as_of(runner);
    let left = after.iter().find(|(_, at)| **at <= day_before_ms);
    assert_eq!(left, None, "not refreshed by {now_ms}, {}", runner.seed());
    assert!(before.keys().eq(after.keys()), "{}", runner.seed());
}

/// As of when the rows of those are who have bought.
fn as_of(runner: &Runner) -> BTreeMap<String, i128> {
    let rows = runner.tables.rows("customers");
    rows.filter_map(|row| Some((row.text("customer_id").to_owned(), row.maybe_int("valued_at")?)))
        .collect()
}

fn family(family: Family) {
    for seed in seeds(family) {
        run(family, seed);
        run_permuted(family, seed);
    }
}

#[test]
fn purchases() {
    family(Family::Purchases);
}

#[test]
fn support() {
    family(Family::Support);
}

#[test]
fn satisfaction() {
    family(Family::Satisfaction);
}

#[test]
fn engagement() {
    family(Family::Engagement);
}

#[test]
fn credit() {
    family(Family::Credit);
}

#[test]
fn relations() {
    family(Family::Relations);
}

#[test]
fn scores() {
    family(Family::Scores);
}
