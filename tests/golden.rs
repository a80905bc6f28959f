//! Straight, after deaths, and in other batches: the same rows, the same lifecycles at the same moments, the same outcome
//! of each record.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/stream.rs"]
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;

use retain::plan::Plan;
use rowbinary::Value;
use sim::{Log, Runner, Schedule, Transition};
use stream::{BEGIN_MS, DAY_MS, Shape, deliver, disturbed, history};

const SHAPE: Shape = Shape { customers: 80, days: 400, events: 1_200, faults_permille: 10 };
const END_MS: i64 = BEGIN_MS + 1_200 * DAY_MS;

fn seeds() -> std::ops::Range<u64> {
    if std::env::var_os("RETAIN_SOAK").is_some() { 0..40 } else { 0..5 }
}

/// `cycle_records_max` records and dues in a cycle: with one, each due shows its own row.
fn plan(cycle_records_max: usize) -> Arc<Plan> {
    let mut plan = plans::plan();
    let rate = plan.rates[0].1;
    plan.rates = ["EUR", "JPY", "USD"]
        .map(|code| (retain::model::money::Currency::parse(code).unwrap(), rate))
        .into();
    plan.limits.cycle_records_max = cycle_records_max;
    plan.limits.rejects_percent_max = 100;
    plan.limits.rejects_run_max = u32::MAX;
    Arc::new(plan)
}

fn logs(seed: u64) -> Vec<Log> {
    let made = disturbed(seed, &history(seed, SHAPE), 60_000, 5, |r, _| r.between(0, 40 * DAY_MS));
    deliver(seed, &made, |_| 0)
}

fn run(plan: &Arc<Plan>, logs: &[Log], schedule: Schedule) -> Runner {
    let mut runner = Runner::new(plan, 0, 1, logs.to_vec(), schedule);
    runner.drain();
    runner.pass_to(END_MS);
    assert_eq!(runner.order_breaks, 0, "{}", runner.seed());
    runner
}

type Rows = Vec<Vec<(String, Value)>>;

fn rows(runner: &Runner, table: &str, left_out: &[&str]) -> Rows {
    runner.tables.rows(table).map(|row| row.without(left_out)).collect()
}

/// Outcome of each record, from a run with a cycle for each: an index of the counters by (source, offset).
fn outcomes(runner: &Runner) -> BTreeMap<(usize, i64), usize> {
    let mut outcomes = BTreeMap::new();
    for cycle in &runner.cycles {
        let total: u64 = cycle.iter().map(|(_, _, counts)| counts.consumed()).sum();
        assert!(total <= 1, "{}", runner.seed());
        for (source, (from, to, counts)) in cycle.iter().enumerate() {
            if let Some(outcome) = counts.by_outcome.iter().position(|n| *n == 1) {
                let entry = &runner.logs[source].range(*from, *to)[0];
                outcomes.insert((source, entry.offset), outcome);
            }
        }
    }
    outcomes
}

/// What the next stage was told, without the number of the cycle: a new owner may add cycles in which nothing happens.
fn words(runner: &Runner) -> Vec<(Vec<u8>, serde_json::Value)> {
    let word = |w: &retain::model::effects::SignalWord| {
        let value = w.value.as_deref().unwrap_or(b"null");
        let mut json: serde_json::Value = serde_json::from_slice(value).unwrap();
        if !json.is_null() {
            assert!(json["cycle"].take().is_u64(), "{json}");
        }
        (w.key.clone(), json)
    };
    runner.words.iter().map(word).collect()
}

/// Each cycle of a run counted what those records came to one by one.
fn check_outcomes(runner: &Runner, outcomes: &BTreeMap<(usize, i64), usize>) {
    for cycle in &runner.cycles {
        for (source, (from, to, counts)) in cycle.iter().enumerate() {
            let mut sums = [0; 5];
            for entry in runner.logs[source].range(*from, *to) {
                sums[outcomes[&(source, entry.offset)]] += 1;
            }
            assert_eq!(
                counts.by_outcome,
                sums,
                "source {source} {from} to {to}, {}",
                runner.seed()
            );
        }
    }
}

fn by_customer(transitions: &[Transition]) -> BTreeMap<&str, Vec<(&str, i128)>> {
    let mut map: BTreeMap<&str, Vec<(&str, i128)>> = BTreeMap::new();
    for (customer, state, since) in transitions {
        map.entry(customer).or_default().push((state, *since));
    }
    map
}

/// What coarse cycles showed of each customer is part of what fine ones showed, in the same order, with the same end.
fn check_within(coarse: &Runner, fine: &Runner) {
    let (seen, all) = (by_customer(&coarse.transitions), by_customer(&fine.transitions));
    assert_eq!(
        seen.keys().collect::<Vec<_>>(),
        all.keys().collect::<Vec<_>>(),
        "{}",
        coarse.seed()
    );
    for (customer, seen) in seen {
        let mut rest = all[customer].iter();
        for step in &seen {
            assert!(
                rest.any(|other| other == step),
                "{customer} {step:?} is not in {:?}, {}",
                all[customer],
                coarse.seed()
            );
        }
        assert_eq!(seen.last(), all[customer].last(), "{customer}, {}", coarse.seed());
    }
}

fn check_rows(a: &Runner, b: &Runner, table: &str, left_out: &[&str]) {
    let (rows_a, rows_b) = (rows(a, table, left_out), rows(b, table, left_out));
    let pairs = rows_a.iter().zip(&rows_b);
    pairs.for_each(|(x, y)| assert_eq!(x, y, "{table}, {}", a.seed()));
    assert_eq!(rows_a.len(), rows_b.len(), "{table}, {}", a.seed());
    assert!(!rows_a.is_empty(), "{table}, {}", a.seed());
}

#[test]
fn deaths_leave_no_trace() {
    let plan = plan(100_000);
    for seed in seeds() {
        let logs = logs(seed);
        let straight = run(&plan, &logs, Schedule::by_record(seed));
        let schedule = Schedule::by_record(seed + 1_000).crashing(25);
        let resumed = run(&plan, &logs, schedule);
        let seed = resumed.seed();
        assert!(resumed.crashes > 10, "{seed}");
        assert_eq!(outcomes(&resumed), outcomes(&straight), "{seed}");
        assert_eq!(resumed.transitions, straight.transitions, "{seed}");
        assert_eq!(resumed.letters, straight.letters, "{seed}");
        let (a, b) = (words(&resumed), words(&straight));
        a.iter().zip(&b).for_each(|(a, b)| assert_eq!(a, b, "{seed}"));
        assert_eq!(a.len(), b.len(), "{seed}");
        assert!(a.iter().any(|(_, word)| word.is_null()), "no word was deleted, {seed}");
        for table in ["customers", "events", "activity", "segments"] {
            check_rows(&resumed, &straight, table, &["version"]);
        }
    }
}

#[test]
fn batches_leave_no_trace() {
    let mut hidden = 0;
    for seed in seeds() {
        let logs = logs(seed);
        let fine = run(&plan(1), &logs, Schedule::by_record(seed));
        let outcomes = outcomes(&fine);
        let duplicates = outcomes.values().filter(|o| **o == 1).count();
        assert!(fine.transitions.len() > 200 && duplicates > 20, "{}", fine.seed());
        let schedules = [
            Schedule::straight(seed),
            Schedule::wild(seed + 1),
            Schedule::wild(seed + 2).crashing(15),
            Schedule::wild(seed + 3).crashing(60),
        ];
        for (schedule, records_max) in schedules.into_iter().zip([100_000, 50, 3, 100_000]) {
            let other = run(&plan(records_max), &logs, schedule);
            check_outcomes(&other, &outcomes);
            check_within(&other, &fine);
            hidden += fine.transitions.len() - other.transitions.len();
            check_rows(&other, &fine, "customers", &["version"]);
            check_rows(&other, &fine, "events", &["version"]);
            check_rows(&other, &fine, "segments", &["version"]);
            assert_eq!(other.letters.len(), fine.letters.len(), "{}", other.seed());
            assert!(fine.letters.iter().all(|l| other.letters.contains(l)), "{}", other.seed());
        }
    }
    assert!(hidden > 0, "coarse cycles hid nothing: they were not coarse");
}

/// As events come, one by one, all topics at their ends in between and time following the clock: every due shows, in a
/// cycle of its own.
fn live(plan: &Arc<Plan>, logs: Vec<Log>, schedule: Schedule) -> Runner {
    let mut live = Runner::new(plan, 0, 1, logs, schedule);
    let logs = live.logs.clone();
    let all = logs.iter().enumerate().flat_map(|(s, log)| log.entries.iter().map(move |e| (s, e)));
    let mut all: Vec<_> = all.map(|(s, e)| (e.kafka_ms, s, e.offset)).collect();
    all.sort_unstable();
    live.visible = live.consumed_to.clone();
    live.drain();
    for (kafka_ms, source, offset) in all {
        live.pass_to(kafka_ms - 1);
        live.visible[source] = offset + 1;
        live.drain();
    }
    live.visible = logs.iter().map(|log| log.end).collect();
    live.drain();
    live.pass_to(END_MS);
    assert_eq!(live.order_breaks, 0, "{}", live.seed());
    live
}

#[test]
fn live_is_as_replayed() {
    for seed in seeds() {
        let logs = deliver(seed, &history(seed, SHAPE), |_| 0);
        let live = live(&plan(1), logs.clone(), Schedule::by_record(seed).crashing(3));
        let outcomes = outcomes(&live);
        for (schedule, records_max) in [
            (Schedule::by_record(seed), 1),
            (Schedule::wild(seed + 5).crashing(20), 2),
            (Schedule::straight(seed), 100_000),
        ] {
            let replayed = run(&plan(records_max), &logs, schedule);
            check_outcomes(&replayed, &outcomes);
            check_within(&replayed, &live);
            check_rows(&replayed, &live, "customers", &["version"]);
            check_rows(&replayed, &live, "events", &["version"]);
            check_rows(&replayed, &live, "segments", &["version"]);
        }
    }
}
