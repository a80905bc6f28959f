//! Alerts about segments: what shards tell by hours and shard 0 makes of it is what a scan of all purchases minute by minute finds;
//! other batches, repeated records and deaths change nothing; people's commands reach them.
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

use random::Random;
use retain::model::partition::murmur2_partition;
use retain::plan::{DemandBy, Plan, RuleFile, rules};
use retain::rule::definition::RuleSet;
use retain::wire::mail::{Act, Mail, OUTSIDE, Said};
use rowbinary::{Row, Value};
use sim::{PostOffice, Runner, Schedule};
use stream::{BEGIN_MS, DAY_MS, Made, deliver, repeated, spell_time};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAYS: i64 = 300;
const END_MS: i64 = BEGIN_MS + (DAYS + 40) * DAY_MS;

/// How many orders a day a category has.
#[derive(Clone, Copy)]
struct Course {
    /// At first, and at last.
    paces: [f64; 2],
    /// From which day on it is the other; with a period to and fro.
    turns: i64,
    comes_and_goes: bool,
}

impl Course {
    fn pace(&self, day: i64) -> f64 {
        let other = match self.comes_and_goes {
            true => day / self.turns % 2 == 1,
            false => day > self.turns,
        };
        self.paces[usize::from(other)]
    }
}

/// One is steady, one rises, one falls, one comes and goes, one is rare; whatever is beyond them is drawn.
fn courses(seed: u64, categories: usize) -> Vec<Course> {
    let mut r = Random::new(seed ^ 0xde_3a_4d);
    let to = |paces: [f64; 2], turns: i64| Course { paces, turns, comes_and_goes: false };
    let seasonal = Course { comes_and_goes: true, ..to([0.8, 3.5], 60) };
    let mut all = vec![
        to([2.0, 2.0], 150),
        to([1.0, 4.0], 150),
        to([3.0, 0.2], 120),
        seasonal,
        to([0.1, 0.1], 150),
    ];
    while all.len() < categories {
        let mut pace = || (1 + r.below(30)) as f64 / 10.0;
        let paces = [pace(), pace()];
        let comes_and_goes = r.percent(30);
        let turns = if comes_and_goes { r.between(15, 90) } else { r.between(40, 250) };
        all.push(Course { paces, turns, comes_and_goes });
    }
    all
}

/// Categories of the small histories.
const FEW: usize = 5;
const CATEGORIES: [&str; 20] = [
    "steady", "rising", "falling", "seasonal", "rare", "c05", "c06", "c07", "c08", "c09", "c10",
    "c11", "c12", "c13", "c14", "c15", "c16", "c17", "c18", "c19",
];

/// A purchase of one category or two.
#[derive(Clone, Debug)]
struct Bought {
    ts_ms: i64,
    items: Vec<(&'static str, u32)>,
    made: Made,
}

fn purchases(seed: u64, categories: usize) -> Vec<Bought> {
    let mut r = Random::new(seed);
    let mut all = Vec::new();
    let courses = courses(seed, categories);
    let names = &CATEGORIES[..categories];
    for day in 0..DAYS {
        for (category, course) in names.iter().zip(&courses) {
            let pace = course.pace(day);
            let orders = pace as u64 + u64::from(r.percent((pace.fract() * 100.0) as u64));
            for _ in 0..orders {
                let ts_ms = BEGIN_MS + day * DAY_MS + r.between(0, DAY_MS);
                let mut items = vec![(*category, 1 + r.below(5) as u32)];
                if r.percent(10) {
                    items.push((*r.pick(names), 1));
                }
                all.push((ts_ms, items));
            }
        }
    }
    all.sort_by_key(|(ts_ms, _)| *ts_ms);
    let bought = |(n, (ts_ms, items)): (usize, (i64, Vec<_>))| {
        let customer = format!("c{:03}", n * 7 % 61);
        let listed: Vec<String> =
            items.iter().map(|(c, qty)| format!(r#"{{"category":"{c}","qty":{qty}}}"#)).collect();
        let payload = format!(
            r#"{{"event_id":"e{n}","customer_id":"{customer}","ts":"{}","amount":5,"currency":"USD","items":[{}]}}"#,
            spell_time(ts_ms, 0),
            listed.join(",")
        );
        let (key, payload) = (Some(customer.clone()), Some(payload));
        Bought { ts_ms, items, made: Made { source: 0, ts_ms, customer, key, payload } }
    };
    all.into_iter().enumerate().map(bought).collect()
}

fn rule_set() -> Arc<RuleSet> {
    let text = include_str!("../pipelines/alerts/others.toml").split("# Cases").next().unwrap();
    let (found, problems) = rules(&[RuleFile { name: "others.toml", text }]);
    Arc::new(found.unwrap_or_else(|| panic!("{problems:?}")).set)
}

fn plan() -> Plan {
    let mut plan = plans::plan();
    plan.disorder_ms = 0;
    plan.alerts = rule_set();
    plan
}

/// All shards live through everything; shard 0 hears of it.
fn live(
    plan: &Arc<Plan>,
    shards: u16,
    made: &[Made],
    schedule: impl Fn(u16) -> Schedule,
) -> (Vec<Runner>, PostOffice) {
    let office = PostOffice::new(shards);
    let runner = |shard: u16| {
        let own: Vec<Made> = made
            .iter()
            .filter(|m| murmur2_partition(m.customer.as_bytes(), shards) == shard)
            .cloned()
            .collect();
        let logs = deliver(shard.into(), &own, |_| 0);
        Runner::new(plan, shard, shards, logs, schedule(shard)).within(&office)
    };
    let mut runners: Vec<Runner> = (0..shards).map(runner).collect();
    // no shard is further ahead of another than what may wait
    for day in (5..=DAYS).step_by(5) {
        for runner in &mut runners {
            let log = &runner.logs[0];
            let later = log.entries.iter().find(|e| e.kafka_ms >= BEGIN_MS + day * DAY_MS);
            runner.visible[0] = later.map_or(log.end, |e| e.offset);
            runner.drain();
        }
    }
    for hour in 0..3 {
        runners.iter_mut().for_each(|runner| runner.pass_to(END_MS + hour * HOUR_MS));
    }
    (runners, office)
}

fn of_segments(runner: &Runner) -> Vec<&Row> {
    let mut rows: Vec<&Row> = runner
        .tables
        .rows("alert_history")
        .filter(|row| row.text("subject_kind") == "segment")
        .collect();
    let key = |row: &Row| (row.text("subject_id").to_owned(), row.int("episode"), row.int("n"));
    rows.sort_by_key(|row| key(row));
    rows
}

/// Every transition, without when it was noticed and in which cycle.
fn transitions(runner: &Runner) -> Vec<Vec<(String, Value)>> {
    let rows = of_segments(runner).into_iter();
    rows.map(|row| row.without(&["version", "detected_at", "catch_up", "due_at"])).collect()
}

/// What was sold of a category up to a moment.
#[derive(Clone, Copy)]
struct Sold {
    first_ms: i64,
    at_ms: i64,
    short: f64,
    long: f64,
    orders: f64,
}

fn half(half_life_d: f64, ms: i64) -> f64 {
    (-(ms as f64) / (half_life_d * DAY_MS as f64)).exp2()
}

impl Sold {
    fn add(&mut self, ts_ms: i64, pieces: f64) {
        let past = ts_ms - self.at_ms;
        self.short = self.short * half(14.0, past) + pieces;
        self.long = self.long * half(90.0, past) + pieces;
        self.orders = self.orders * half(90.0, past) + 1.0;
        self.at_ms = ts_ms;
    }

    /// Whether the rule's raising condition holds, and whether its clearing one does.
    fn levels(&self, now_ms: i64) -> (bool, bool) {
        let (past, age) = (now_ms - self.at_ms, (now_ms - self.first_ms).max(DAY_MS));
        let rate = |sum: f64, days: f64| sum * half(days, past) / days / (1.0 - half(days, age));
        let trend = (rate(self.short, 14.0) / rate(self.long, 90.0)).ln();
        let raise = trend.abs() >= 0.4 && self.orders * half(90.0, past) >= 50.0;
        (raise, !raise && trend.abs() <= 0.2)
    }
}

/// The rule's alert of one segment.
#[derive(Default)]
struct Life {
    since: Option<i64>,
    firing: bool,
    quiet_to: i64,
    told: Vec<(bool, i64)>,
}

impl Life {
    fn look(&mut self, (raise, clear): (bool, bool), now_ms: i64) {
        self.since = if raise { self.since.or(Some(now_ms)) } else { None };
        let held = self.since.is_some_and(|since| now_ms - since >= 2 * DAY_MS);
        if !self.firing && held && now_ms >= self.quiet_to {
            self.firing = true;
            self.told.push((true, now_ms));
        } else if self.firing && clear {
            (self.firing, self.quiet_to) = (false, now_ms + 14 * DAY_MS);
            self.told.push((false, now_ms));
        }
    }

    /// Whether a dwell or a cooldown ends in the hour that begins now.
    fn is_due(&self, hour_ms: i64) -> bool {
        let dwelt = self.since.map(|since| since + 2 * DAY_MS);
        let ends = dwelt.into_iter().chain([self.quiet_to]);
        ends.into_iter().any(|ms| (hour_ms..hour_ms + HOUR_MS).contains(&ms))
    }
}

/// When each segment was raised (`true`) and resolved, found by looking at all purchases before the full hour: each hour, and each minute
/// of those hours in which a level changes, a dwell ends or a cooldown.
fn scanned(all: &[Bought]) -> BTreeMap<&'static str, Vec<(bool, i64)>> {
    let mut found = BTreeMap::new();
    for category in CATEGORIES {
        let of = |b: &Bought| b.items.iter().filter(|i| i.0 == category).map(|i| i.1).sum::<u32>();
        let pieces: Vec<(i64, f64)> =
            all.iter().map(|b| (b.ts_ms, f64::from(of(b)))).filter(|s| s.1 > 0.0).collect();
        let Some(first_ms) = pieces.first().map(|s| s.0) else { continue };
        let mut sold = Sold { first_ms, at_ms: first_ms, short: 0.0, long: 0.0, orders: 0.0 };
        let (mut next, mut life) = (0, Life::default());
        let mut hour_ms = (first_ms / HOUR_MS + 1) * HOUR_MS;
        while hour_ms < END_MS {
            while let Some((ts_ms, pieces)) = pieces.get(next).filter(|s| s.0 < hour_ms) {
                sold.add(*ts_ms, *pieces);
                next += 1;
            }
            let last_ms = hour_ms + HOUR_MS - MINUTE_MS;
            let still = sold.levels(hour_ms) == sold.levels(last_ms) && !life.is_due(hour_ms);
            let minutes = if still { 1 } else { 60 };
            for now_ms in (0..minutes).map(|minute| hour_ms + minute * MINUTE_MS) {
                life.look(sold.levels(now_ms), now_ms);
            }
            hour_ms += HOUR_MS;
        }
        found.insert(category, life.told);
    }
    found
}

/// 500 histories of a segment, 10,000 in the long run.
#[test]
fn transitions_are_those_of_a_scan() {
    let (mut histories, mut raised, mut resolved) = (0, 0, 0);
    let seeds = if std::env::var_os("RETAIN_SOAK").is_some() { 500 } else { 25 };
    for seed in 0..seeds {
        let all = purchases(seed, CATEGORIES.len());
        let made: Vec<Made> = all.iter().map(|b| b.made.clone()).collect();
        let expected = scanned(&all);
        histories += expected.len();
        let shards = [1, 3][seed as usize % 2];
        let (runners, _) = live(&Arc::new(plan()), shards, &made, |_| Schedule::wild(seed));
        let rows = of_segments(&runners[0]);
        for (category, expected) in &expected {
            let of = rows.iter().filter(|row| row.text("subject_id") == *category);
            let found: Vec<(bool, i64)> = of
                .filter(|row| ["raised", "resolved"].contains(&row.text("what")))
                .map(|row| (row.text("what") == "raised", row.int("at") as i64))
                .collect();
            let what = |list: &[(bool, i64)]| list.iter().map(|t| t.0).collect::<Vec<_>>();
            let told = format!("{category}, seed {seed}, {shards} shards: {expected:?}");
            assert_eq!(what(&found), what(expected), "{told} {found:?}");
            for (found, expected) in found.iter().zip(expected) {
                // a scan finds at the next minute what a due finds at the millisecond; an end follows its beginning
                let late_ms = expected.1 - found.1;
                assert!((0..2 * MINUTE_MS).contains(&late_ms), "{told} {found:?}");
            }
            raised += found.iter().filter(|(raised, _)| *raised).count();
            resolved += found.iter().filter(|(raised, _)| !*raised).count();
        }
        assert!(runners[1..].iter().all(|runner| of_segments(runner).is_empty()));
    }
    println!("{histories} histories, {raised} raised, {resolved} resolved");
    assert!(histories >= 500, "{histories}");
    assert!(raised > 300 && resolved > 150, "{raised} raised, {resolved} resolved");
}

#[test]
fn other_batches_repeated_records_and_deaths_make_the_same_transitions() {
    let plan = Arc::new(plan());
    let all = purchases(11, FEW);
    let made: Vec<Made> = all.iter().map(|b| b.made.clone()).collect();
    let again = repeated(5, &made, 10, |r, _| r.between(0, 20 * DAY_MS));
    let (straight, _) = live(&plan, 2, &made, |shard| Schedule::straight(shard.into()));
    let expected = transitions(&straight[0]);
    assert!(expected.len() > 6, "{expected:?}");
    let mut crashes = 0;
    for (made, seed) in [(&made, 1), (&again, 2), (&again, 3)] {
        for crashing in [0, 5] {
            let schedule = |shard: u16| {
                let seed = seed * 10 + u64::from(shard);
                let wild =
                    if seed % 2 == 0 { Schedule::by_record(seed) } else { Schedule::wild(seed) };
                wild.crashing(crashing)
            };
            let (runners, _) = live(&plan, 2, made, schedule);
            crashes += runners.iter().map(|runner| runner.crashes).sum::<usize>();
            assert_eq!(transitions(&runners[0]), expected, "{}", runners[0].seed());
        }
    }
    assert!(crashes > 4, "{crashes}");
}

#[test]
fn a_segment_may_be_a_category_in_a_region() {
    let mut plan = plan();
    plan.parameters.demand_by = DemandBy::CategoryRegion;
    let all = purchases(4, FEW);
    let mut made: Vec<Made> = all.iter().map(|b| b.made.clone()).collect();
    let customers: std::collections::BTreeSet<String> =
        made.iter().map(|m| m.customer.clone()).collect();
    for (n, customer) in customers.into_iter().enumerate() {
        let payload = format!(
            r#"{{"event_id":"p{n}","type":"profile","customer_id":"{customer}","ts":"{}","region":"north"}}"#,
            spell_time(BEGIN_MS - 1, 0)
        );
        let (key, payload) = (Some(customer.clone()), Some(payload));
        made.insert(0, Made { source: 0, ts_ms: BEGIN_MS - 1, customer, key, payload });
    }
    let (runners, _) = live(&Arc::new(plan), 1, &made, |_| Schedule::straight(4));
    let rows = of_segments(&runners[0]);
    assert!(rows.iter().any(|row| row.text("subject_id") == "falling / north"));
    for row in rows {
        assert_eq!(row.text("region"), "north");
        assert_eq!((row.text("customer_id"), row.text("severity")), ("", "info"));
        let reasons = row.texts("reasons");
        assert!(reasons[0].contains(" % "), "{reasons:?}");
        assert!(reasons.iter().any(|reason| reason.starts_with("on about ")), "{reasons:?}");
    }
}

#[test]
fn what_people_say_and_changed_rules_reach_segments() {
    let before = Arc::new(plan());
    let made: Vec<Made> = purchases(4, FEW).into_iter().map(|b| b.made).collect();
    let office = PostOffice::new(1);
    let logs = deliver(0, &made, |_| 0);
    let mut runner = Runner::new(&before, 0, 1, logs, Schedule::straight(1)).within(&office);
    let open = |runner: &Runner| -> Vec<Row> {
        let rows = runner.tables.rows("alerts").filter(|row| row.text("phase") == "firing");
        rows.filter(|row| row.text("subject_kind") == "segment").cloned().collect()
    };
    // up to the middle of the history
    let known = runner.logs[0].entries.partition_point(|e| e.kafka_ms <= BEGIN_MS + 175 * DAY_MS);
    runner.visible[0] = runner.logs[0].entries[known].offset;
    runner.drain();
    runner.pass_to(BEGIN_MS + 175 * DAY_MS);
    runner.pass_to(BEGIN_MS + 175 * DAY_MS + HOUR_MS);
    let firing = open(&runner);
    assert!(firing.len() >= 2, "{firing:?}");
    let say = |id: u8, word: &Row, act: Act| {
        let said = Said {
            id: [id; 16],
            by: "sue".to_owned(),
            rule: word.text("rule").to_owned(),
            subject: word.text("subject_id").to_owned(),
            customer: String::new(),
            episode: word.int("episode") as u32,
            act,
            until_ms: None,
            note: "ordered more".to_owned(),
        };
        office.send(0, Mail::Command(said).encode(OUTSIDE));
    };
    say(1, &firing[0], Act::Acknowledge);
    say(1, &firing[0], Act::Resolve);
    runner.pass_to(BEGIN_MS + 175 * DAY_MS + 2 * HOUR_MS);
    runner.crash();
    runner.drain();
    runner.pass_to(BEGIN_MS + 175 * DAY_MS + 3 * HOUR_MS);
    let rows = of_segments(&runner);
    let by_person: Vec<&&Row> = rows.iter().filter(|row| row.text("by_kind") == "person").collect();
    assert_eq!(by_person.len(), 1);
    let row = by_person[0];
    assert_eq!(row.text("alert_id"), firing[0].text("alert_id"));
    assert_eq!((row.text("what"), row.text("by")), ("acknowledged", "sue"));
    assert_eq!((row.text("note"), row.int("call")), ("ordered more", 0));
    let mut after = (*before).clone();
    let mut set = (*after.alerts).clone();
    set.rules.iter_mut().for_each(|rule| rule.dwell_ms += HOUR_MS);
    after.alerts = Arc::new(set);
    assert_eq!(runner.take_over(&Arc::new(after)), ["the alert rules"]);
    runner.drain();
    runner.pass_to(BEGIN_MS + 175 * DAY_MS + 5 * HOUR_MS);
    runner.pass_to(BEGIN_MS + 175 * DAY_MS + 7 * HOUR_MS);
    let ended: Vec<String> = of_segments(&runner)
        .iter()
        .filter(|row| row.text("note") == "the rule has changed" && row.text("what") == "resolved")
        .map(|row| row.text("alert_id").to_owned())
        .collect();
    for row in &firing {
        assert!(ended.contains(&row.text("alert_id").to_owned()), "{row:?}");
    }
    // no rule is left: what was raised since ends at once, by a copy that never looks at them again
    runner.pass_to(BEGIN_MS + 180 * DAY_MS);
    runner.pass_to(BEGIN_MS + 180 * DAY_MS + HOUR_MS);
    let live = |runner: &Runner| {
        let rows = runner.tables.rows("alerts").filter(|row| row.text("subject_kind") == "segment");
        rows.filter(|row| ["pending", "firing"].contains(&row.text("phase"))).count()
    };
    assert!(live(&runner) > 0);
    let mut without = (*before).clone();
    without.alerts = Arc::default();
    runner.take_over(&Arc::new(without));
    runner.drain();
    assert_eq!(live(&runner), 0);
}
