//! Alerts about employees: what shards tell by hours and shard 0 makes of it is what a scan of all accesses finds, transition for
//! transition; other batches, repeated records and deaths change nothing; what is silent is forgotten; people's commands reach them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/sim.rs"]
mod sim;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use random::Random;
use retain::model::partition::murmur2_partition;
use retain::plan::{Plan, RuleFile, rules};
use retain::rule::definition::RuleSet;
use retain::wire::mail::{Act, Mail, OUTSIDE, Said};
use rowbinary::{Row, Value};
use sim::{Log, PostOffice, Runner, Schedule};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A Monday in March, so that clocks in Europe go forward on the way.
const BEGIN_MS: i64 = 1_772_409_600_000;

/// Somebody reads the data of a customer.
#[derive(Clone, Debug)]
struct Access {
    /// When the record comes, and when it happened.
    arrival_ms: i64,
    ts_ms: i64,
    id: String,
    customer: String,
    employee: String,
    records: u64,
}

impl Access {
    fn shard(&self, shards: u16) -> u16 {
        murmur2_partition(self.customer.as_bytes(), shards)
    }

    fn payload(&self) -> Vec<u8> {
        let ts = Timestamp::from_millisecond(self.ts_ms).unwrap();
        format!(
            r#"{{"event_id":"{}","type":"access","customer_id":"{}","ts":"{ts}","employee":"{}","records":{}}}"#,
            self.id, self.customer, self.employee, self.records
        )
        .into_bytes()
    }
}

/// What a few employees do in some days: most work by habit, read far more now and then, and are away for a while.
fn accesses(seed: u64, days: i64) -> Vec<Access> {
    let mut r = Random::new(seed);
    let mut all = Vec::new();
    for n in 0..3 + seed % 2 {
        let usual = *r.pick(&[4, 12, 25, 60]);
        let weekends = r.percent(30);
        let away = if r.percent(50) { r.between(0, days) } else { days };
        let away = away..away + r.between(5, 120);
        for day in 0..days {
            if away.contains(&day) || (!weekends && day % 7 > 4) || r.percent(10) {
                continue;
            }
            let spike = if r.percent(8) { r.between(2, 8) as u64 } else { 1 };
            let mut left = r.between(usual - usual / 3, usual + usual / 3 + 1) as u64 * spike;
            for _ in 0..1 + r.below(3) {
                let records = if r.percent(40) { left } else { r.below(left + 1) };
                left -= records;
                let ts_ms = BEGIN_MS + day * DAY_MS + r.between(0, DAY_MS);
                let late = r.percent(5);
                let arrival_ms = if late { ts_ms + r.between(1, 3 * DAY_MS) } else { ts_ms };
                let customer = format!("c{:02}", r.below(30));
                let (employee, id) = (format!("u-{n}"), format!("{seed}-{}", all.len()));
                all.push(Access { arrival_ms, ts_ms, id, customer, employee, records });
            }
        }
    }
    // what comes after everything else comes when time alone has moved the shard on, which the scan does not know
    all.retain(|access| access.arrival_ms < BEGIN_MS + days * DAY_MS);
    all.sort_by_key(|access| access.arrival_ms);
    all
}

fn rule_set() -> Arc<RuleSet> {
    let text = include_str!("../pipelines/alerts/others.toml").split("# Cases").next().unwrap();
    let (found, problems) = rules(&[RuleFile { name: "others.toml", text }]);
    Arc::new(found.unwrap_or_else(|| panic!("{problems:?}")).set)
}

fn plan(zone: &str) -> Plan {
    let mut plan = plans::plan();
    plan.disorder_ms = 0;
    plan.day_zone = TimeZone::get(zone).unwrap();
    plan.day_zone_name = zone.to_owned();
    plan.alerts = rule_set();
    plan
}

const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York"];

fn log_of(all: &[Access], shard: u16, shards: u16) -> Log {
    let mut log = Log::default();
    for access in all.iter().filter(|access| access.shard(shards) == shard) {
        let key = access.customer.clone().into_bytes();
        log.push(0, access.arrival_ms, Some(key), Some(access.payload()));
    }
    log
}

/// All shards live through everything up to `end_ms`; shard 0 hears of it.
fn live(
    plan: &Arc<Plan>,
    shards: u16,
    all: &[Access],
    end_ms: i64,
    schedule: impl Fn(u16) -> Schedule,
) -> (Vec<Runner>, PostOffice) {
    let office = PostOffice::new(shards);
    let runner = |shard: u16| {
        let logs = vec![log_of(all, shard, shards), Log::default(), Log::default()];
        Runner::new(plan, shard, shards, logs, schedule(shard)).within(&office)
    };
    let mut runners: Vec<Runner> = (0..shards).map(runner).collect();
    // no shard is further ahead of another than what may wait
    for day in (5..).step_by(5).take_while(|day| BEGIN_MS + day * DAY_MS < end_ms) {
        for runner in &mut runners {
            let log = &runner.logs[0];
            let later = log.entries.iter().find(|e| e.kafka_ms >= BEGIN_MS + day * DAY_MS);
            runner.visible[0] = later.map_or(log.end, |e| e.offset);
            runner.drain();
        }
    }
    for hour in 0..3 {
        runners.iter_mut().for_each(|runner| runner.pass_to(end_ms + hour * HOUR_MS));
    }
    (runners, office)
}

fn of_staff(runner: &Runner) -> Vec<&Row> {
    let mut rows: Vec<&Row> = runner
        .tables
        .rows("alert_history")
        .filter(|row| row.text("subject_kind") == "employee")
        .collect();
    let key = |row: &Row| (row.text("subject_id").to_owned(), row.int("episode"), row.int("n"));
    rows.sort_by_key(|row| key(row));
    rows
}

/// Every transition, without when it was noticed and in which cycle.
fn transitions(runner: &Runner) -> Vec<Vec<(String, Value)>> {
    let rows = of_staff(runner).into_iter();
    rows.map(|row| row.without(&["version", "detected_at", "catch_up", "due_at"])).collect()
}

/// The upper tail of the Poisson distribution, term by term.
fn tail(seen: u64, mean: f64) -> f64 {
    let ln_first = (1..=seen).fold(-mean, |ln, n| ln + (mean / n as f64).ln());
    let (mut term, mut sum) = (1.0, 0.0);
    for n in seen + 1..seen + 2_000 {
        sum += term;
        term *= mean / n as f64;
    }
    (ln_first + f64::ln(sum)).exp()
}

/// A transition: who, in which episode, raised or over, and when.
type Found = (String, u64, bool, i64);

/// When each employee's alert was raised and over, found by looking every quarter of an hour at all accesses that were read before
/// the full hour.
fn scanned(all: &[Access], zone: &str, shards: u16, end_ms: i64) -> Vec<Found> {
    let zone = TimeZone::get(zone).unwrap();
    let day_of = |ms: i64| {
        let date = Timestamp::from_millisecond(ms).unwrap().to_zoned(zone.clone()).date();
        date.since(jiff::civil::date(1970, 1, 1)).unwrap().get_days()
    };
    // an access counts from the first full hour on after what the shard has seen until then
    let mut frontiers = vec![i64::MIN; usize::from(shards)];
    let mut by_employee: BTreeMap<&str, Vec<(i64, i32, u64)>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for access in all {
        let frontier = &mut frontiers[usize::from(access.shard(shards))];
        *frontier = access.ts_ms.max(*frontier);
        let hour_ms = (*frontier / HOUR_MS + 1) * HOUR_MS;
        if seen.insert(&access.id) {
            let reads = by_employee.entry(&access.employee).or_default();
            reads.push((hour_ms, day_of(access.ts_ms), access.records));
        }
    }
    let mut found = Vec::new();
    for (employee, mut reads) in by_employee {
        reads.sort_unstable();
        let (mut next, mut days) = (0, BTreeMap::<i32, u64>::new());
        let (mut firing, mut quiet_to, mut episode) = (false, 0, 0);
        let mut now_ms = BEGIN_MS;
        while now_ms < end_ms {
            while let Some((_, day, records)) = reads.get(next).filter(|r| r.0 <= now_ms) {
                *days.entry(*day).or_default() += records;
                next += 1;
            }
            let today = day_of(now_ms);
            let records = days.get(&today).copied().unwrap_or(0);
            let mut raise = false;
            if records >= 30 {
                let habit = days.range(today - 90..today).filter(|(_, n)| **n > 0);
                let habit: Vec<(f64, f64)> = habit
                    .map(|(day, n)| (0.5_f64.powf(f64::from(today - day) / 30.0), *n as f64))
                    .collect();
                let mean = habit.iter().map(|(w, n)| w * n).sum::<f64>()
                    / habit.iter().map(|(w, _)| w).sum::<f64>();
                raise = habit.len() >= 5 && tail(records, mean) < 1e-6;
            }
            if !firing && raise && now_ms >= quiet_to {
                (firing, episode) = (true, episode + 1);
                found.push((employee.to_owned(), episode, true, now_ms));
            } else if firing && !raise {
                (firing, quiet_to) = (false, now_ms + DAY_MS);
                found.push((employee.to_owned(), episode, false, now_ms));
            }
            now_ms += 15 * MINUTE_MS;
        }
    }
    found
}

#[test]
fn transitions_are_those_of_a_scan() {
    let histories = if std::env::var_os("RETAIN_SOAK").is_some() { 10_000 } else { 500 };
    let (mut raised, mut resolved, mut quiet) = (0, 0, 0);
    for seed in 0..histories {
        let days = if seed % 20 == 7 { 230 } else { 35 };
        let end_ms = BEGIN_MS + (days + 5) * DAY_MS;
        let all = accesses(seed, days);
        let zone = ZONES[seed as usize % 4];
        let shards = 1 + seed as u16 % 3;
        let wild = |_| Schedule { cut_percent: 5, ..Schedule::wild(seed) };
        let (runners, _) = live(&Arc::new(plan(zone)), shards, &all, end_ms, wild);
        let rows = of_staff(&runners[0]);
        let found: Vec<Found> = rows
            .iter()
            .map(|row| {
                let what = row.text("what");
                assert!(["raised", "resolved"].contains(&what), "{row:?}");
                let (who, at_ms) = (row.text("subject_id").to_owned(), row.int("at") as i64);
                (who, row.int("episode") as u64, what == "raised", at_ms)
            })
            .collect();
        let expected = scanned(&all, zone, shards, end_ms);
        assert_eq!(found, expected, "seed {seed}, {shards} shards, {zone}");
        assert!(runners[1..].iter().all(|runner| of_staff(runner).is_empty()));
        raised += found.iter().filter(|(_, _, raised, _)| *raised).count();
        resolved += found.iter().filter(|(_, _, raised, _)| !*raised).count();
        quiet += usize::from(found.is_empty());
    }
    let n = histories as usize;
    assert!(raised > n && resolved > n && quiet > 0, "{raised} raised, {resolved} over, {quiet}");
}

#[test]
fn other_batches_repeated_records_and_deaths_make_the_same_transitions() {
    let plan = Arc::new(plan("Europe/Berlin"));
    let all = accesses(11, 120);
    let end_ms = BEGIN_MS + 125 * DAY_MS;
    let mut r = Random::new(5);
    let mut again = all.clone();
    for access in &all {
        if r.percent(20) {
            // within the window in which ids are remembered
            let arrival_ms = access.arrival_ms + r.between(0, 20 * DAY_MS);
            again.push(Access { arrival_ms, ..access.clone() });
        }
    }
    again.sort_by_key(|access| access.arrival_ms);
    let (straight, _) = live(&plan, 2, &all, end_ms, |shard| Schedule::straight(shard.into()));
    let expected = transitions(&straight[0]);
    assert!(expected.len() > 6, "{expected:?}");
    let mut crashes = 0;
    for (made, seed) in [(&all, 1), (&again, 2), (&again, 3)] {
        for crashing in [0, 20] {
            let schedule = |shard: u16| {
                let seed = seed * 10 + u64::from(shard);
                let wild =
                    if seed % 2 == 0 { Schedule::by_record(seed) } else { Schedule::wild(seed) };
                wild.crashing(crashing)
            };
            let (runners, _) = live(&plan, 2, made, end_ms, schedule);
            crashes += runners.iter().map(|runner| runner.crashes).sum::<usize>();
            assert_eq!(transitions(&runners[0]), expected, "{}", runners[0].seed());
        }
    }
    assert!(crashes > 4, "{crashes}");
}

/// One employee with a habit of twenty a day, who reads `spike` on the tenth day.
fn one(spike: u64) -> Vec<Access> {
    let reads = |day: i64, records: u64, n: i64| Access {
        arrival_ms: BEGIN_MS + day * DAY_MS + 10 * HOUR_MS + n,
        ts_ms: BEGIN_MS + day * DAY_MS + 10 * HOUR_MS + n,
        id: format!("e{day}-{n}"),
        customer: format!("c{n}"),
        employee: "u-1".to_owned(),
        records,
    };
    let mut all: Vec<Access> = (0..10).map(|day| reads(day, 20, day % 3)).collect();
    all.push(reads(10, spike, 1));
    all
}

/// Names in the state of what was counted and told, and of alerts.
fn kept(runner: &Runner) -> BTreeSet<String> {
    let mut last = BTreeMap::new();
    for (key, value) in &runner.state {
        last.insert(key.clone(), value.is_some());
    }
    let held = last.into_iter().filter(|(key, there)| *there && b"uxi".contains(&key[0]));
    held.map(|(key, _)| String::from_utf8_lossy(&key).replace('\0', "")).collect()
}

#[test]
fn sixty_where_twenty_are_usual_is_told_and_nothing_is_kept_of_the_silent() {
    let plan = Arc::new(plan("UTC"));
    let end_ms = BEGIN_MS + 60 * DAY_MS;
    let (runners, _) = live(&plan, 1, &one(60), end_ms, |_| Schedule::straight(1));
    let rows = of_staff(&runners[0]);
    let at = |row: &Row| (row.text("what").to_owned(), row.int("at") as i64);
    let day_ms = BEGIN_MS + 10 * DAY_MS;
    let told: Vec<(String, i64)> = rows.iter().map(|row| at(row)).collect();
    let (raised, resolved) = ("raised".to_owned(), "resolved".to_owned());
    assert_eq!(told, [(raised, day_ms + 11 * HOUR_MS), (resolved, day_ms + DAY_MS)]);
    let row = rows[0];
    assert_eq!((row.text("subject_id"), row.text("customer_id")), ("u-1", ""));
    assert_eq!((row.text("severity"), row.text("owner_id")), ("critical", ""));
    assert_eq!(row.texts("receivers"), ["security"]);
    assert_eq!(
        row.texts("reasons"),
        [
            "by their habit, such a day comes less than once in 1,000 years",
            "60 customer records read today, 20 on a usual day"
        ]
    );
    let of_u1 =
        |runner: &Runner| kept(runner).into_iter().filter(|key| key.contains("u-1")).count();
    assert_eq!(of_u1(&runners[0]), 3);
    // 59 is enough, 40 is not
    for (spike, count) in [(49, 2), (40, 0), (29, 0)] {
        let (runners, _) = live(&plan, 1, &one(spike), end_ms, |_| Schedule::straight(1));
        assert_eq!(of_staff(&runners[0]).len(), count, "{spike}");
    }
    // the number of the last episode alone is kept, for the next one's id
    let end_ms = BEGIN_MS + 103 * DAY_MS;
    let (runners, _) = live(&plan, 1, &one(60), end_ms, |_| Schedule::straight(1));
    let left: Vec<String> =
        kept(&runners[0]).into_iter().filter(|key| key.contains("u-1")).collect();
    assert_eq!(left, ["iu-1"]);
    let (runners, _) = live(&plan, 1, &one(40), end_ms, |_| Schedule::straight(1));
    assert_eq!(of_u1(&runners[0]), 0);
}

#[test]
fn what_people_say_reaches_employees_and_without_a_rule_nothing_is_kept() {
    let before = Arc::new(plan("UTC"));
    let office = PostOffice::new(1);
    let logs = vec![log_of(&one(60), 0, 1), Log::default(), Log::default()];
    let mut runner = Runner::new(&before, 0, 1, logs, Schedule::straight(1)).within(&office);
    let noon_ms = BEGIN_MS + 10 * DAY_MS + 12 * HOUR_MS;
    runner.drain();
    runner.pass_to(noon_ms);
    runner.pass_to(noon_ms + HOUR_MS);
    assert_eq!(of_staff(&runner).len(), 1);
    let said = Said {
        id: [1; 16],
        by: "sue".to_owned(),
        rule: "access_anomaly".to_owned(),
        subject: "u-1".to_owned(),
        customer: String::new(),
        episode: 1,
        act: Act::Acknowledge,
        until_ms: None,
        note: "an audit".to_owned(),
    };
    office.send(0, Mail::Command(said).encode(OUTSIDE));
    runner.pass_to(noon_ms + 2 * HOUR_MS);
    runner.crash();
    runner.drain();
    runner.pass_to(noon_ms + 3 * HOUR_MS);
    let rows = of_staff(&runner);
    let told: Vec<(&str, &str)> =
        rows.iter().map(|row| (row.text("what"), row.text("by"))).collect();
    assert_eq!(told, [("raised", ""), ("acknowledged", "sue")]);
    let mut without = (*before).clone();
    let text = include_str!("../pipelines/alerts/customers.toml").split("# Cases").next().unwrap();
    let (found, _) = rules(&[RuleFile { name: "customers.toml", text }]);
    without.alerts = Arc::new(found.unwrap().set);
    runner.take_over(&Arc::new(without));
    runner.drain();
    let rows = of_staff(&runner);
    assert_eq!(rows.last().unwrap().text("note"), "the rule has changed");
    let left: Vec<String> =
        kept(&runner).into_iter().filter(|key| key.starts_with(['u', 'x'])).collect();
    assert_eq!(left, Vec::<String>::new());
    // the next copy reads the same
    runner.crash();
    runner.drain();
    assert_eq!(of_staff(&runner).len(), 3);
}
