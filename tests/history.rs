//! The history of customers: a row for each customer and day on which something changed, the same however cycles are cut
//! and whoever dies, and in a run that shows every step the last step of each day.
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

use compare::history::{by_customer, check_days, check_last, shared};
use oracle::catalogue::day_of;
use oracle::recompute;
use retain::machine::{ClockReading, Identity, Machine};
use retain::model::partition::murmur2_partition;
use retain::model::record::Record;
use retain::model::table::Table;
use retain::plan::Plan;
use rowbinary::{Row, Tables, Value};
use sim::{Log, PostOffice, Runner, Schedule};
use stream::{BEGIN_MS, DAY_MS, Made, Shape, deliver, disturbed, history, spell_time};

const SHAPE: Shape = Shape { customers: 60, days: 300, events: 1_200, faults_permille: 0 };
const END_MS: i64 = BEGIN_MS + 900 * DAY_MS;

fn seeds() -> std::ops::Range<u64> {
    if std::env::var_os("RETAIN_SOAK").is_some() { 0..40 } else { 0..5 }
}

/// A plan for the seed: another day zone for every second one.
fn plan(seed: u64, cycle_records_max: usize) -> Arc<Plan> {
    let mut plan = plans::plan();
    let rate = plan.rates[0].1;
    plan.rates = ["EUR", "JPY", "USD"]
        .map(|code| (retain::model::money::Currency::parse(code).unwrap(), rate))
        .into();
    plan.limits.cycle_records_max = cycle_records_max;
    let zone = ["UTC", "America/New_York", "Asia/Tokyo"][seed as usize % 3];
    plan.day_zone = jiff::tz::TimeZone::get(zone).unwrap();
    plan.day_zone_name = zone.to_owned();
    Arc::new(plan)
}

fn logs(seed: u64) -> Vec<Log> {
    let made = disturbed(seed, &history(seed, SHAPE), 60_000, 5, |r, _| r.between(0, 20 * DAY_MS));
    deliver(seed, &made, |_| 0)
}

fn run(plan: &Arc<Plan>, logs: &[Log], schedule: Schedule) -> Runner {
    let mut runner = Runner::new(plan, 0, 1, logs.to_vec(), schedule);
    runner.shown = Some(Vec::new());
    runner.drain();
    runner.pass_to(END_MS);
    assert_eq!(runner.order_breaks, 0, "{}", runner.seed());
    runner
}

fn rows(tables: &Tables) -> Vec<Vec<(String, Value)>> {
    tables.rows("customer_history").map(|row| row.without(&["version"])).collect()
}

/// Holds each row against the last row of the customer that was committed as of that day. How many there are.
fn check_shown(plan: &Plan, runner: &Runner) -> usize {
    let mut last: BTreeMap<(&str, i64), &Row> = BTreeMap::new();
    for row in runner.shown.as_ref().unwrap() {
        last.insert((row.text("customer_id"), day_of(plan, row.int("as_of") as i64)), row);
    }
    let history = by_customer(&runner.tables);
    assert_eq!(history.values().map(BTreeMap::len).sum::<usize>(), last.len(), "{}", runner.seed());
    for ((id, day), customer) in &last {
        let row = history[id].get(day).unwrap_or_else(|| panic!("{id} on day {day}"));
        let names = shared(row, customer);
        assert!(names.len() > 25, "{names:?}");
        for name in names {
            let place = format!("{name} of {id} on day {day}, {}", runner.seed());
            assert_eq!(row.get(name), customer.get(name), "{place}");
        }
    }
    last.len()
}

#[test]
fn every_step_of_a_day_but_the_last_is_replaced() {
    for seed in seeds() {
        let (plan, logs) = (plan(seed, 1), logs(seed));
        let runner = run(&plan, &logs, Schedule::by_record(seed));
        let count = check_shown(&plan, &runner);
        assert!(count > 800, "{count} rows, {}", runner.seed());
        check_last(&plan, &runner.tables, &runner.seed());
        check_days(&plan, &runner.tables, &recompute(&plan, (0, 1), &logs), &runner.seed());
    }
}

#[test]
fn where_cycles_end_and_who_dies_leaves_no_trace() {
    for seed in seeds() {
        let logs = logs(seed);
        let fine = run(&plan(seed, 1), &logs, Schedule::by_record(seed));
        let want = rows(&fine.tables);
        let one_cycle = Schedule { cut_percent: 0, ..Schedule::straight(seed) };
        let schedules = [
            (one_cycle, 100_000),
            (Schedule::straight(seed), 100_000),
            (Schedule::wild(seed + 1), 50),
            (Schedule::by_record(seed + 2).crashing(25), 3),
            (Schedule::wild(seed + 3).crashing(40), 100_000),
        ];
        for (at, (schedule, records_max)) in schedules.into_iter().enumerate() {
            let other = run(&plan(seed, records_max), &logs, schedule);
            if at == 0 {
                assert!(other.cycles.len() < 10, "{} cycles", other.cycles.len());
            }
            let got = rows(&other.tables);
            got.iter().zip(&want).for_each(|(a, b)| assert_eq!(a, b, "{}", other.seed()));
            assert_eq!(got.len(), want.len(), "{}", other.seed());
        }
    }
}

/// One customer's purchases: (milliseconds since the beginning, amount), in the order of the log.
fn purchases(events: &[(i64, i64)]) -> Log {
    let mut log = Log::default();
    for (n, (after_ms, amount)) in events.iter().enumerate() {
        let ts_ms = BEGIN_MS + after_ms;
        let ts = spell_time(ts_ms, 0);
        let value = format!(
            r#"{{"event_id":"e{n}","customer_id":"c","ts":"{ts}","amount":{amount},"currency":"USD"}}"#
        );
        log.push(0, ts_ms, Some(b"c".to_vec()), Some(value.into_bytes()));
    }
    log
}

/// Days since the beginning, orders, money.
fn told(runner: &Runner) -> Vec<(i64, i128, i128)> {
    let begin = BEGIN_MS / DAY_MS;
    let rows = runner.tables.rows("customer_history");
    rows.map(|r| (r.int("day") as i64 - begin, r.int("orders"), r.int("revenue_minor"))).collect()
}

#[test]
fn a_cycle_of_many_days_writes_each() {
    let bought = [(1, 10), (DAY_MS - 1, 20), (DAY_MS, 1), (4 * DAY_MS, 2), (4 * DAY_MS + 5, 3)];
    let logs = vec![purchases(&bought), Log::default(), Log::default()];
    let schedule = Schedule { cut_percent: 0, ..Schedule::straight(1) };
    let mut runner = Runner::new(&plan(0, 100_000), 0, 1, logs, schedule);
    runner.drain();
    assert_eq!(runner.cycles.len(), 1);
    assert_eq!(told(&runner), [(0, 2, 3_000), (1, 3, 3_100), (4, 5, 3_600)]);
}

#[test]
fn what_comes_late_counts_where_the_customer_stands() {
    let mut bought = vec![(3 * DAY_MS, 10), (DAY_MS, 20)];
    let run = |bought: &[(i64, i64)], cut_percent| {
        let logs = vec![purchases(bought), Log::default(), Log::default()];
        let schedule = Schedule { cut_percent, advance_max: 1, ..Schedule::straight(1) };
        let mut runner = Runner::new(&plan(0, 100_000), 0, 1, logs, schedule);
        runner.drain();
        told(&runner)
    };
    for cut_percent in [0, 100] {
        assert_eq!(run(&bought, cut_percent), [(3, 2, 3_000)]);
    }
    bought.push((5 * DAY_MS, 1));
    for cut_percent in [0, 100] {
        assert_eq!(run(&bought, cut_percent), [(3, 2, 3_000), (5, 3, 3_100)]);
    }
}

#[test]
fn the_daily_refresh_is_no_change() {
    let plan = plan(0, 100_000);
    let identity = Identity { shard: 0, shards: 1, generation: 1, owner: "test".to_owned() };
    let mut machine = Machine::new(plan.clone(), identity);
    machine.restored().unwrap();
    machine.start_at(&[0, 0, 0], 0);
    let log = purchases(&[(0, 10)]);
    let mut records = log.entries.iter().map(|e| Record {
        offset: e.offset,
        kafka_ms: e.kafka_ms,
        key: e.key.as_deref(),
        payload: e.payload.as_deref(),
    });
    machine.offer(0, &mut records);
    (0..3).for_each(|source| machine.end_of(source, i64::from(source == 0)));
    machine.advance(10);
    let (mut refreshed, mut days) = (0, 0);
    for hour in 0..=3 * 24 {
        let now_ms = BEGIN_MS + hour * 3_600_000;
        let clock = ClockReading { now_ms, ends_confirmed_ms: Some(now_ms) };
        let effects = machine.end_cycle(clock);
        let count = |table| effects.rows.iter().filter(|b| b.table == table).map(|b| b.count).sum();
        let (rows, changes): (u32, u32) = (count(Table::Customers), count(Table::CustomerHistory));
        assert!(changes <= rows, "hour {hour}: {changes} changes, {rows} rows");
        refreshed += rows - changes;
        days += changes;
    }
    // one purchase; no due comes within three days
    assert_eq!((refreshed, days), (3, 1));
}

/// Everything until a day comes and is applied, time passes to it.
fn pass_to(runner: &mut Runner, day: i64) {
    let to_ms = BEGIN_MS + day * DAY_MS;
    for (visible, log) in runner.visible.iter_mut().zip(&runner.logs) {
        let known = log.entries.partition_point(|e| e.kafka_ms <= to_ms);
        *visible = log.entries.get(known).map_or(log.end, |e| e.offset);
    }
    runner.drain();
    runner.pass_to(to_ms);
}

/// Many enough for tiers, on two shards, one of which has come to the end when the other is in the middle: cut-offs that
/// hold from the end on must not draw the days of the other to it.
#[test]
fn moves_of_tiers_leave_the_days_of_events_as_they_are() {
    let shape = Shape { customers: 260, days: 200, events: 2_500, faults_permille: 0 };
    for seed in seeds() {
        let (plan, office) = (plan(seed, 400), PostOffice::new(2));
        let made = history(seed, shape);
        let runner = |shard: u16| {
            let mine = |m: &&Made| murmur2_partition(m.customer.as_bytes(), 2) == shard;
            let mine: Vec<Made> = made.iter().filter(mine).cloned().collect();
            let schedule = Schedule::wild(seed).crashing(5);
            Runner::new(&plan, shard, 2, deliver(seed, &mine, |_| 0), schedule).within(&office)
        };
        let mut runners = [runner(0), runner(1)];
        for day in (20..=100).step_by(10) {
            runners.iter_mut().for_each(|runner| pass_to(runner, day));
        }
        (110..=240).step_by(10).for_each(|day| pass_to(&mut runners[0], day));
        let ahead = runners[0].machine.cut_offs().unwrap().valid_from_ms;
        (101..=230).step_by(3).for_each(|day| pass_to(&mut runners[1], day));
        let seed = runners[1].seed();
        assert!(ahead > BEGIN_MS + 150 * DAY_MS, "{ahead}, {seed}");
        let mut alone = 0;
        for (shard, runner) in (0..).zip(&runners) {
            let expected = recompute(&plan, (shard, 2), &runner.logs);
            assert_eq!(runner.order_breaks, 0, "{seed}");
            check_last(&plan, &runner.tables, &seed);
            check_days(&plan, &runner.tables, &expected, &seed);
            alone += runner.tables.rows("customer_history").filter(|r| alone_on(&plan, r)).count();
        }
        assert!(alone > 20, "{alone} days of tiers alone, {seed}");
    }
}

/// Whether nothing else happened on the row's day.
fn alone_on(plan: &Plan, row: &Row) -> bool {
    day_of(plan, row.int("as_of") as i64) != row.int("day") as i64
}
