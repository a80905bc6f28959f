//! The table of segments: held against a walk through the events in order of time, the same whatever the batches, deaths,
//! repeats and shards; owners beyond the limit; hours that are sealed.
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

use std::sync::Arc;

use compare::segments::{COLUMNS, assert_same, check, flows};
use oracle::{Expected, Flows, applied, recompute, trajectory};
use retain::model::money::{Currency, Rate};
use retain::model::partition::murmur2_partition;
use retain::plan::{DropField, DropRule, DropTest, Plan};
use rowbinary::Tables;
use sim::{Log, Runner, Schedule};
use stream::families::{Family, histories};
use stream::{
    BEGIN_MS, DAY_MS, Made, PURCHASES, SUPPORT, Shape, WEB, deliver, disturbed, history, repeated,
    spell_time,
};

const HOUR_MS: i64 = 3_600_000;
const SHAPE: Shape = Shape { customers: 60, days: 200, events: 2_000, faults_permille: 10 };
const END_MS: i64 = BEGIN_MS + 700 * DAY_MS;

fn plan() -> Plan {
    let mut plan = plans::plan();
    let rate = |code: &str, digits, scale| (Currency::parse(code).unwrap(), Rate { digits, scale });
    plan.rates = vec![rate("EUR", 108, 2), rate("JPY", 67, 4), rate("USD", 1, 0)];
    plan.drops = vec![DropRule {
        name: "tests".to_owned(),
        source: None,
        field: DropField::CustomerId,
        test: DropTest::StartsWith(vec!["test-".to_owned()]),
    }];
    plan.limits.rejects_percent_max = 100;
    plan.limits.rejects_run_max = u32::MAX;
    plan
}

fn seeds() -> std::ops::Range<u64> {
    if std::env::var_os("RETAIN_SOAK").is_some() { 0..25 } else { 0..4 }
}

fn run(plan: &Arc<Plan>, logs: &[Log], schedule: Schedule) -> Runner {
    let mut runner = Runner::new(plan, 0, 1, logs.to_vec(), schedule);
    runner.drain();
    runner.pass_to(END_MS);
    check(&runner.tables, &recompute(plan, (0, 1), logs), &runner.seed());
    runner
}

/// What a walk through the events comes to.
fn walked(plan: &Plan, shard: (u16, u16), logs: &[Log]) -> Flows {
    let n = logs.len();
    let mut expected =
        Expected { counts: vec![[0; 5]; n], id_hashes: vec![0; n], ..Expected::default() };
    trajectory::flows(plan, &applied(plan, shard, logs, &mut expected), END_MS)
}

fn total(flows: &Flows, column: &str) -> i128 {
    let at = COLUMNS.iter().position(|name| *name == column).unwrap();
    let all = flows.iter().filter(|((dimension, ..), _)| dimension == "all");
    all.map(|(_, cell)| cell[at].abs()).sum()
}

#[test]
fn straight_in_batches_and_after_deaths_as_walked() {
    let plan = Arc::new(plan());
    for seed in seeds() {
        let logs = deliver(seed, &history(seed, SHAPE), |_| 0);
        let want = walked(&plan, (0, 1), &logs);
        for column in COLUMNS {
            assert!(total(&want, column) > 0, "no {column} to be found wrong, seed {seed}");
        }
        let schedules = [
            Schedule::straight(seed),
            Schedule::by_record(seed),
            Schedule::wild(seed + 1),
            Schedule::wild(seed + 2).crashing(30),
        ];
        for schedule in schedules {
            let runner = run(&plan, &logs, schedule);
            assert_same(&flows(&runner.tables), &want, &runner.seed());
            let late = runner.tables.rows("segments").filter(|row| row.int("late_version") != 0);
            assert_eq!(late.count(), 0, "{}", runner.seed());
        }
    }
}

#[test]
fn regular_buyers_as_walked() {
    let mut plan = plan();
    plan.model = plans::regular();
    let plan = Arc::new(plan);
    for seed in seeds() {
        let logs = deliver(seed, &history(seed, SHAPE), |_| 0);
        let runner = run(&plan, &logs, Schedule::wild(seed));
        assert_same(&flows(&runner.tables), &walked(&plan, (0, 1), &logs), &runner.seed());
    }
}

/// Small histories, a customer each: 540, in the long version 10,080; too few at once to have tiers.
#[test]
fn many_customers_as_walked() {
    let plan = Arc::new(plan());
    for seed in if std::env::var_os("RETAIN_SOAK").is_some() { 1..113 } else { 1..7 } {
        let logs = deliver(seed, &histories(Family::Scores, seed, 90, 150), |_| 0);
        let runner = run(&plan, &logs, Schedule::wild(seed));
        eprintln!("{}", runner.seed());
        assert_same(&flows(&runner.tables), &walked(&plan, (0, 1), &logs), &runner.seed());
    }
}

#[test]
fn repeats_and_shards_as_walked() {
    let plan = Arc::new(plan());
    for seed in seeds() {
        let shape = Shape { faults_permille: 0, ..SHAPE };
        let once = history(seed, shape);
        let whole = walked(&plan, (0, 1), &deliver(seed, &once, |_| 0));
        let made = repeated(seed, &once, 15, |r, _| r.between(0, 29 * DAY_MS));
        let mut tables = Tables::default();
        for shard in 0..3 {
            let mine = |m: &&Made| murmur2_partition(m.customer.as_bytes(), 3) == shard;
            let mine: Vec<Made> = made.iter().filter(mine).cloned().collect();
            let logs = deliver(seed, &mine, |_| 0);
            let schedule = Schedule::wild(seed).crashing(10);
            let mut runner = Runner::new(&plan, shard, 3, logs, schedule);
            runner.drain();
            runner.pass_to(END_MS);
            tables.absorb(&runner.tables);
        }
        assert_same(&flows(&tables), &whole, &format!("seed {seed}"));
    }
}

/// What came late and disturbed counts elsewhere than in the walk, but the same in all batches.
#[test]
fn disturbed_the_same_in_all_batches() {
    let plan = Arc::new(plan());
    for seed in seeds() {
        let far = |r: &mut random::Random, _: &Made| r.between(0, 20 * DAY_MS);
        let made = disturbed(seed, &history(seed, SHAPE), plan.disorder_ms, 10, far);
        let logs = deliver(seed, &made, |m| m.ts_ms % 1_000);
        let straight = run(&plan, &logs, Schedule::straight(seed));
        for schedule in [Schedule::by_record(seed), Schedule::wild(seed).crashing(20)] {
            let other = run(&plan, &logs, schedule);
            assert_same(&flows(&other.tables), &flows(&straight.tables), &other.seed());
        }
    }
}

#[test]
fn sealed_hours_get_rows_of_their_own() {
    let plan = Arc::new(plan());
    for seed in seeds() {
        let logs = deliver(seed, &history(seed, SHAPE), |_| 0);
        let mut runner = Runner::new(&plan, 0, 1, logs.clone(), Schedule::wild(seed).crashing(3));
        // one topic speaks when the hours of all its events are sealed, and the machine has died twice
        let silent = [PURCHASES, SUPPORT, WEB][seed as usize % 3];
        runner.visible[silent] = runner.consumed_to[silent];
        runner.drain();
        runner.pass_to(BEGIN_MS + SHAPE.days * DAY_MS);
        runner.crash();
        runner.visible[silent] = runner.logs[silent].end;
        runner.drain();
        runner.crash();
        runner.drain();
        runner.pass_to(END_MS);
        check(&runner.tables, &recompute(&plan, (0, 1), &logs), &runner.seed());
        let late = runner.tables.rows("segments").filter(|row| row.int("late_version") != 0);
        assert!(silent == WEB || late.count() > 100, "{}", runner.seed());
    }
}

fn said(log: &mut Log, n: i64, customer: &str, fields: &str) {
    let ts_ms = BEGIN_MS + n * HOUR_MS;
    let ts = spell_time(ts_ms, 0);
    let value = format!(r#"{{"event_id":"e{n}","customer_id":"{customer}","ts":"{ts}",{fields}}}"#);
    log.push(0, ts_ms, Some(customer.into()), Some(value.into_bytes()));
}

fn customers_by_owner(runner: &Runner) -> Vec<(String, i128)> {
    let mut sums = std::collections::BTreeMap::<String, i128>::new();
    for ((dimension, value, _), cell) in flows(&runner.tables) {
        if dimension == "owner" {
            *sums.entry(value).or_default() += cell[..7].iter().sum::<i128>();
        }
    }
    sums.into_iter().filter(|(_, n)| *n != 0).collect()
}

#[test]
fn owners_beyond_the_limit_are_other_and_leave_it_again() {
    let mut plan = plan();
    plan.limits.dimension_values_max = 2;
    let mut log = Log::default();
    let owned = |owner: &str| format!(r#""type":"profile","owner_id":"{owner}""#);
    for (n, owner) in ["u0", "u1", "u2", "u3"].iter().enumerate() {
        said(&mut log, n as i64, &format!("c{n}"), &owned(owner));
    }
    let first = log.end;
    // known again is known no better; another one is
    said(&mut log, 10, "c2", &owned("u2"));
    said(&mut log, 11, "c3", &owned("u0"));
    said(&mut log, 12, "c0", &owned("u9"));
    let logs = vec![Log::default(), log, Log::default()];
    let mut runner = Runner::new(&Arc::new(plan), 0, 1, logs, Schedule::straight(1));
    runner.visible[SUPPORT] = first;
    runner.drain();
    let other = |n| ("other".to_owned(), n);
    assert_eq!(customers_by_owner(&runner), [other(2), ("u0".into(), 1), ("u1".into(), 1)]);
    runner.crash();
    runner.visible[SUPPORT] = runner.logs[SUPPORT].end;
    runner.drain();
    assert_eq!(customers_by_owner(&runner), [other(2), ("u0".into(), 1), ("u1".into(), 1)]);
    let held = runner.tables.rows("customers").map(|row| row.text("owner_id").to_owned());
    assert_eq!(held.collect::<Vec<_>>(), ["u9", "u1", "u2", "u0"]);
}
