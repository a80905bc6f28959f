//! Whatever the order, the batches and the deaths: the tables equal a slow recomputation from the source topics.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/band_path.rs"]
mod band_path;
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

use compare::{check_shard, check_tables};
use oracle::recompute;
use retain::model::money::{Currency, Rate};
use retain::model::partition::murmur2_partition;
use retain::plan::{DropField, DropRule, DropTest, ModelKind, Plan, WeightSet};
use rowbinary::Tables;
use sim::{Log, Runner, Schedule};
use stream::{
    BEGIN_MS, DAY_MS, Made, PURCHASES, SUPPORT, Shape, WEB, deliver, disturbed, history, repeated,
    shuffled,
};

const DISORDER_MS: i64 = 600_000;
const SHAPE: Shape = Shape { customers: 60, days: 120, events: 2_500, faults_permille: 15 };

/// Three currencies, a filter, web ids for an hour.
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
    plan.disorder_ms = DISORDER_MS;
    plan.sources[WEB].dedup_window_ms = 3_600_000;
    plan.limits.rejects_percent_max = 100;
    plan.limits.rejects_run_max = u32::MAX;
    plan
}

/// How many seeds a test takes.
fn seeds() -> std::ops::Range<u64> {
    if std::env::var_os("RETAIN_SOAK").is_some() { 0..25 } else { 0..4 }
}

fn end_ms() -> i64 {
    BEGIN_MS + (SHAPE.days + 400) * DAY_MS
}

/// Runs one shard to the end of all logs and far beyond in time, and compares.
fn run(plan: &Arc<Plan>, logs: &[Log], schedule: Schedule) -> Runner {
    let mut runner = Runner::new(plan, 0, 1, logs.to_vec(), schedule);
    runner.drain();
    runner.pass_to(end_ms());
    check_shard(plan, &runner, &recompute(plan, (0, 1), logs));
    runner
}

fn no_lag(_: &Made) -> i64 {
    0
}

#[test]
fn straight() {
    let plan = Arc::new(plan());
    for seed in seeds() {
        let logs = deliver(seed, &history(seed, SHAPE), no_lag);
        let runner = run(&plan, &logs, Schedule::straight(seed));
        let counted = runner.counts.iter().fold([0; 5], |mut sum, c| {
            sum.iter_mut().zip(c.by_outcome).for_each(|(s, n)| *s += n);
            sum
        });
        // applied, filtered and rejected ones are there to be told apart; nothing repeats, nothing is late
        assert!(
            counted[0] > 1_000 && counted[3] > 10 && counted[4] > 10,
            "{counted:?} {}",
            runner.seed()
        );
        assert_eq!((counted[1], counted[2], runner.order_breaks), (0, 0, 0), "{}", runner.seed());
        assert!(runner.transitions.len() > 50, "{}", runner.seed());
    }
}

/// The weights for companies, edges that are crossed both ways.
fn company_plan() -> Plan {
    let mut plan = plan();
    plan.parameters.risk.weights.set = WeightSet::B2b;
    plan.parameters.loyalty.set = WeightSet::B2b;
    plan.parameters.risk.horizon_d = 180.0;
    plan.model.kind = ModelKind::BgNbd;
    plan.model.b = 2.426;
    plan
}

/// Customers who buy in a rhythm of three stages.
fn regular_plan() -> Plan {
    Plan { model: plans::regular(), ..plan() }
}

#[test]
fn regular_customers() {
    let plan = Arc::new(regular_plan());
    for seed in seeds() {
        let logs = deliver(seed, &history(seed, SHAPE), no_lag);
        run(&plan, &logs, Schedule::wild(seed).crashing(10));
    }
}

#[test]
fn companies() {
    let plan = Arc::new(company_plan());
    for seed in seeds() {
        let logs = deliver(seed, &history(seed, SHAPE), no_lag);
        run(&plan, &logs, Schedule::straight(seed));
    }
}

#[test]
fn no_crossing_is_missed() {
    let mut moves = [0; 2];
    for seed in 1..=9 {
        let mut plan = [plan, company_plan, regular_plan][seed as usize % 3]();
        plan.parameters.risk.bands = vec![0.2, 0.35, 0.5, 0.65, 0.8, 0.9];
        plan.parameters.risk.hysteresis = 0.02;
        let plan = Arc::new(plan);
        let shape = Shape { customers: 6, days: 200, events: 150, faults_permille: 0 };
        let logs = deliver(seed, &history(seed, shape), no_lag);
        let mut runner = Runner::new(&plan, 0, 1, logs.clone(), Schedule::by_record(seed));
        runner.drain();
        let until_ms = BEGIN_MS + 500 * DAY_MS;
        for day in 190..=500 {
            runner.pass_to(BEGIN_MS + day * DAY_MS);
        }
        let seen = band_path::check(&plan, &runner, &logs, until_ms);
        moves.iter_mut().zip(seen).for_each(|(sum, seen)| *sum += seen);
    }
    assert!(moves[0] > 200 && moves[1] > 50, "{moves:?}");
}

#[test]
fn any_batches() {
    let plan = Arc::new(plan());
    for seed in seeds() {
        let logs = deliver(seed, &history(seed, SHAPE), no_lag);
        let straight = run(&plan, &logs, Schedule::straight(seed));
        for schedule in
            [Schedule::wild(seed), Schedule::wild(seed + 1_000), Schedule::by_record(seed)]
        {
            let other = run(&plan, &logs, schedule);
            assert_eq!(other.counts, straight.counts, "{}", other.seed());
        }
    }
}

#[test]
fn shuffled_within_the_disorder() {
    let plan = Arc::new(plan());
    for seed in seeds() {
        let made = shuffled(seed, &history(seed, SHAPE), DISORDER_MS);
        let logs = deliver(seed, &made, |m| m.ts_ms % 1_000);
        let runner = run(&plan, &logs, Schedule::wild(seed));
        let late: u64 = runner.counts.iter().map(|c| c.by_outcome[2]).sum();
        assert_eq!((late, runner.order_breaks), (0, 0), "{}", runner.seed());
    }
}

#[test]
fn local_days() {
    for (seed, zone) in [(1, "Asia/Tokyo"), (2, "America/New_York"), (3, "Europe/Berlin")] {
        let mut plan = plan();
        plan.day_zone = jiff::tz::TimeZone::get(zone).unwrap();
        plan.day_zone_name = zone.to_owned();
        let logs = deliver(seed, &history(seed, SHAPE), no_lag);
        run(&Arc::new(plan), &logs, Schedule::wild(seed));
    }
}

#[test]
fn repeats_inside_the_window() {
    let plan = Arc::new(plan());
    for seed in seeds() {
        let made = repeated(seed, &history(seed, SHAPE), 10, |r, m| match m.source {
            WEB => r.between(0, 3_500_000),
            _ => r.between(0, 29 * DAY_MS),
        });
        let logs = deliver(seed, &made, no_lag);
        let runner = run(&plan, &logs, Schedule::wild(seed));
        let sums = |o: usize| runner.counts.iter().map(|c| c.by_outcome[o]).sum::<u64>();
        assert!(sums(1) > 200, "{}", runner.seed());
        assert_eq!(sums(2), 0, "none is late, {}", runner.seed());
    }
}

#[test]
fn repeats_beyond_the_window() {
    let plan = Arc::new(plan());
    for seed in seeds() {
        let once = history(seed, SHAPE);
        let straight = run(&plan, &deliver(seed, &once, no_lag), Schedule::straight(seed));
        let made = repeated(seed, &once, 10, |r, m| match m.source {
            WEB => r.between(3_700_000, 20 * DAY_MS),
            _ => r.between(31 * DAY_MS, 100 * DAY_MS),
        });
        let runner = run(&plan, &deliver(seed, &made, no_lag), Schedule::wild(seed));
        let sums = |o: usize, r: &Runner| r.counts.iter().map(|c| c.by_outcome[o]).sum::<u64>();
        assert!(sums(2, &runner) > 50, "{}", runner.seed());
        assert_eq!(sums(0, &runner), sums(0, &straight), "nothing counts twice, {}", runner.seed());
    }
}

#[test]
fn history_by_customer_and_by_topic() {
    let plan = Arc::new(plan());
    for seed in seeds() {
        let mut made = history(seed, SHAPE);
        made.sort_by_key(|m| (m.customer.clone(), m.ts_ms));
        let logs = deliver(seed, &made, |m| end_ms() - m.ts_ms);
        let expected = recompute(&plan, (0, 1), &logs);
        for order in [[PURCHASES, SUPPORT, WEB], [WEB, PURCHASES, SUPPORT]] {
            let mut runner = Runner::new(&plan, 0, 1, logs.clone(), Schedule::wild(seed));
            runner.visible = runner.consumed_to.clone();
            for source in order {
                runner.visible[source] = runner.logs[source].end;
                runner.drain();
            }
            runner.pass_to(end_ms());
            check_shard(&plan, &runner, &expected);
            let late: u64 = runner.counts.iter().map(|c| c.by_outcome[2]).sum();
            assert_eq!(late, 0, "{}", runner.seed());
            assert!(runner.order_breaks > 0, "{}", runner.seed());
        }
    }
}

#[test]
fn a_topic_a_year_ahead() {
    let plan = Arc::new(plan());
    for seed in seeds() {
        for ahead in [PURCHASES, WEB] {
            let mut made = history(seed, SHAPE);
            made.retain(|m| m.source != ahead);
            let shape = Shape { faults_permille: 0, ..SHAPE };
            let later = history(seed + 77, shape).into_iter().filter(|m| m.source == ahead);
            made.extend(later.filter_map(|mut m| {
                let text = m.payload.as_ref()?.replace("\"ts\":\"2026", "\"ts\":\"2027");
                m.payload = Some(text);
                m.ts_ms += 365 * DAY_MS;
                Some(m)
            }));
            let logs = deliver(seed, &made, no_lag);
            let schedule = Schedule {
                budget_bytes: 4_000,
                offer_max: 10,
                ahead_percent: 90,
                ..Schedule::wild(seed)
            };
            let runner = run(&plan, &logs, schedule);
            assert_eq!(runner.order_breaks, 0, "{}", runner.seed());
            // a budget, and one more offer of ten records of less than a kilobyte
            let bound = 4_000 + 10 * 1_000;
            assert!(
                runner.waiting_max.iter().all(|w| *w < bound),
                "{:?} {}",
                runner.waiting_max,
                runner.seed()
            );
        }
    }
}

#[test]
fn an_empty_topic() {
    let plan = Arc::new(plan());
    for seed in seeds() {
        let mut made = history(seed, SHAPE);
        made.retain(|m| m.source != (seed % 3) as usize);
        run(&plan, &deliver(seed, &made, no_lag), Schedule::wild(seed).crashing(20));
    }
}

#[test]
fn a_topic_silent_for_long() {
    let plan = Arc::new(plan());
    let mut breaks = 0;
    for seed in seeds() {
        let logs = deliver(seed, &history(seed, SHAPE), no_lag);
        let mut runner = Runner::new(&plan, 0, 1, logs.clone(), Schedule::wild(seed));
        let silent = (seed % 3) as usize;
        let log = &runner.logs[silent];
        runner.visible[silent] = log.entries[log.entries.len() / 4].offset;
        runner.drain();
        // the clock passes it by, the machine dies, then it speaks about minutes that are sealed
        runner.pass_to(BEGIN_MS + SHAPE.days * DAY_MS);
        runner.crash();
        runner.visible[silent] = runner.logs[silent].end;
        runner.drain();
        runner.pass_to(end_ms());
        check_shard(&plan, &runner, &recompute(&plan, (0, 1), &logs));
        breaks += runner.order_breaks;
    }
    assert!(breaks > 100, "{breaks}");
}

#[test]
fn death_at_any_moment() {
    let plan = Arc::new(plan());
    let mut crashes = 0;
    for seed in seeds().chain(50..54) {
        let distance_ms = |r: &mut random::Random, _: &Made| r.between(0, 20 * DAY_MS);
        let made = disturbed(seed, &history(seed, SHAPE), DISORDER_MS, 5, distance_ms);
        let logs = deliver(seed, &made, no_lag);
        let runner = run(&plan, &logs, Schedule::wild(seed).crashing(30));
        crashes += runner.crashes;
    }
    assert!(crashes > 50, "{crashes}");
}

#[test]
fn several_shards() {
    let plan = Arc::new(plan());
    for seed in seeds() {
        let shape = Shape { faults_permille: 0, ..SHAPE };
        let made = history(seed, shape);
        let shards = 5;
        let mut tables = Tables::default();
        for shard in 0..shards {
            let mine = |m: &&Made| murmur2_partition(m.customer.as_bytes(), shards) == shard;
            let mut mine: Vec<Made> = made.iter().filter(mine).cloned().collect();
            // one that another shard must own
            let strange =
                made.iter().find(|m| murmur2_partition(m.customer.as_bytes(), shards) != shard);
            mine.extend(strange.cloned());
            let logs = deliver(seed, &mine, no_lag);
            let mut runner =
                Runner::new(&plan, shard, shards, logs.clone(), Schedule::wild(seed).crashing(10));
            runner.drain();
            runner.pass_to(end_ms());
            check_shard(&plan, &runner, &recompute(&plan, (shard, shards), &logs));
            assert_eq!(runner.letters.len(), 1, "{}", runner.seed());
            tables.absorb(&runner.tables);
        }
        let whole = recompute(&plan, (0, 1), &deliver(seed, &made, no_lag));
        check_tables(&plan, &tables, &whole, true, &format!("seed {seed}"));
    }
}

#[test]
fn a_sealed_minute_stays_sealed_after_a_death() {
    let plan = Arc::new(plan());
    let mut log = Log::default();
    for n in 0..2 {
        let ts_ms = BEGIN_MS + n * 1_000;
        let ts = stream::spell_time(ts_ms, 0);
        let value = format!(
            r#"{{"event_id":"e{n}","customer_id":"c","ts":"{ts}","amount":5,"currency":"USD"}}"#
        );
        log.push(0, ts_ms, Some(b"c".to_vec()), Some(value.into_bytes()));
    }
    let logs = vec![log, Log::default(), Log::default()];
    let mut runner = Runner::new(&plan, 0, 1, logs.clone(), Schedule::straight(1));
    runner.visible[PURCHASES] = 1;
    runner.drain();
    runner.pass_to(BEGIN_MS + DAY_MS);
    runner.crash();
    runner.visible[PURCHASES] = 2;
    runner.drain();
    check_shard(&plan, &runner, &recompute(&plan, (0, 1), &logs));
    assert_eq!(runner.tables.rows("activity").count(), 2);
}
