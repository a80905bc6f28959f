//! Alerts through engine and machine: looking at dues and events only finds what looking all the time would; other batches, repeated
//! records and deaths make the same transitions with the same ids; records say what rows say.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/hamlet.rs"]
mod hamlet;
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
#[path = "support/watched.rs"]
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hamlet::told_once;
use retain::engine::apply::Engine;
use retain::model::registry::Subject;
use retain::plan::{Plan, RuleFile, rules};
use retain::rule::definition::{Rule, RuleSet};
use retain::wire::alert::AlertWord;
use rowbinary::{Row, Value};
use sim::{Log, Runner, Schedule};
use stream::families::{Family, histories};
use stream::{BEGIN_MS, DAY_MS, Made, Shape, deliver, disturbed, history, repeated};
use watched::{Watched, cut_offs, plan};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

const SHIPPED: [(&str, &str); 4] = [
    ("accounts.toml", include_str!("../pipelines/alerts/accounts.toml")),
    ("customers.toml", include_str!("../pipelines/alerts/customers.toml")),
    ("others.toml", include_str!("../pipelines/alerts/others.toml")),
    ("service.toml", include_str!("../pipelines/alerts/service.toml")),
];

fn ruled(change: impl Fn(&str) -> String) -> Arc<RuleSet> {
    let texts = SHIPPED.map(|(name, text)| (name, change(text)));
    let files: Vec<RuleFile<'_>> =
        texts.iter().map(|(name, text)| RuleFile { name, text }).collect();
    let (found, problems) = rules(&files);
    Arc::new(found.unwrap_or_else(|| panic!("{problems:?}")).set)
}

/// The shipped rules with edges that made-up histories cross.
fn lively() -> Arc<RuleSet> {
    // a case is of the shipped edges: none is run here
    ruled(|text| {
        let mut rules = text.split("# Cases").next().unwrap().to_owned();
        if rules.contains("satisfaction_drop") {
            rules.push_str(include_str!("data/lively_rules.toml"));
        }
        rules
            .replace("risk >= 0.60", "risk >= 0.45")
            .replace("risk <= 0.45", "risk <= 0.35")
            .replace(
                "rise(risk, 7d) >= 0.20 else no and risk >= 0.40",
                "rise(risk, 7d) >= 0.05 else no and risk >= 0.20",
            )
            .replace("rise(risk, 7d) < 0.10", "rise(risk, 7d) < 0.03")
            .replace(
                "gap_surprise >= 0.95 else no and x >= 4 and gap_k >= 1.5",
                "gap_surprise >= 0.8 else no and x >= 2 and gap_k >= 0.9",
            )
            .replace("dwell = \"14d\"", "dwell = \"5d\"")
            .replace("sessions >= 8", "sessions >= 4")
            .replace("csat_n >= 1.5", "csat_n >= 1")
            .replace("within(firing(volume_shrink), 60d)", "within(orders >= 1, 5d)")
    })
}

/// Every minute within an hour of what happens, hourly elsewhere.
fn grid(from_ms: i64, to_ms: i64, near: &[i64]) -> Vec<i64> {
    let mut all: BTreeSet<i64> = BTreeSet::new();
    let mut at_ms = from_ms;
    while at_ms < to_ms {
        all.insert(at_ms);
        at_ms += HOUR_MS;
    }
    for moment in near {
        let around = (-60..=60).map(|minute| moment + minute * MINUTE_MS);
        all.extend(around.filter(|ms| (from_ms..to_ms).contains(ms)));
    }
    all.into_iter().collect()
}

const FAMILIES: [Family; 8] = [
    Family::Purchases,
    Family::Support,
    Family::Satisfaction,
    Family::Engagement,
    Family::Credit,
    Family::Relations,
    Family::Scores,
    Family::Rhythm,
];

/// Follows so many histories of each family under the rules, and requires that each rule about customers and tickets is raised.
fn dues_find_what_looking_finds(set: Arc<RuleSet>, seed: u64, of_family: u64) {
    let plan = Arc::new(plan(set));
    let mut raised: BTreeMap<String, usize> = BTreeMap::new();
    let (mut customers, mut looks) = (0, 0);
    for family in FAMILIES {
        let all = histories(family, seed, of_family, 100);
        let mut by: BTreeMap<&str, Vec<&Made>> = BTreeMap::new();
        all.iter().for_each(|made| by.entry(&made.customer).or_default().push(made));
        for (_, made) in by {
            customers += 1;
            let mut watched = Watched::new(&plan);
            follow(&mut watched, &plan, &made);
            looks += watched.looks;
            for word in watched.engine.alerted.iter().filter(|word| word.what == "raised") {
                *raised.entry(word.rule.clone()).or_default() += 1;
            }
        }
    }
    println!("{customers} histories, {looks} looks, {raised:?}");
    assert_eq!(customers, of_family * FAMILIES.len() as u64);
    let told_here = |rule: &&Rule| matches!(rule.subject, Subject::Customer | Subject::Ticket);
    for rule in plan.alerts.rules.iter().filter(told_here) {
        assert!(raised.contains_key(&rule.name), "{}: {raised:?}", rule.name);
    }
}

/// 504 histories, 10,000 in the long run.
#[test]
fn dues_of_the_shipped_rules_find_what_looking_all_the_time_finds() {
    let soak = std::env::var_os("RETAIN_SOAK").is_some();
    dues_find_what_looking_finds(ruled(str::to_owned), 8, if soak { 1_250 } else { 63 });
}

#[test]
fn dues_of_livelier_rules_find_what_looking_all_the_time_finds() {
    let soak = std::env::var_os("RETAIN_SOAK").is_some();
    dues_find_what_looking_finds(lively(), 7, if soak { 1_250 } else { 32 });
}

fn follow(watched: &mut Watched, plan: &Plan, made: &[&Made]) {
    let (Some(first), Some(last)) = (made.first(), made.last()) else { return };
    let end_ms = last.ts_ms + 40 * DAY_MS;
    let near: Vec<i64> = made.iter().map(|made| made.ts_ms).collect();
    let mut next = made.iter().peekable();
    for at_ms in grid(first.ts_ms, end_ms, &near) {
        while let Some(made) = next.next_if(|made| made.ts_ms <= at_ms) {
            watched.apply(plan, made);
        }
        let before = watched.engine.alerted.len();
        watched.pass(at_ms);
        // everybody falls: the customers' own dwell times, then the rule's
        if at_ms >= last.ts_ms + DAY_MS && watched.engine.tiers.cut_offs().unwrap().version == 1 {
            watched.engine.passed_ms = at_ms;
            watched.engine.take_cut_offs(&cut_offs(2, at_ms));
            watched.engine.sweep_tiers(usize::MAX);
        }
        // what time has raised: the minutes after it, too
        if watched.engine.alerted.len() > before {
            let until = next.peek().map_or(end_ms, |made| made.ts_ms);
            (1..60)
                .map(|minute| at_ms + minute * MINUTE_MS)
                .filter(|ms| *ms < until)
                .for_each(|ms| watched.pass(ms));
        }
    }
}

const SHAPE: Shape = Shape { customers: 30, days: 200, events: 500, faults_permille: 10 };
const END_MS: i64 = BEGIN_MS + 320 * DAY_MS;

fn logs(seed: u64) -> Vec<Log> {
    let made = disturbed(seed, &history(seed, SHAPE), 60_000, 5, |r, _| r.between(0, 40 * DAY_MS));
    deliver(seed, &made, |_| 0)
}

/// Every transition, without when it was noticed and in which cycle, and without what hangs on mail.
fn transitions(runner: &Runner) -> Vec<Vec<(String, Value)>> {
    let rows = runner.tables.rows("alert_history");
    rows.map(|row| row.without(&["version", "detected_at", "catch_up", "due_at", "severity"]))
        .collect()
}

#[test]
fn other_batches_and_deaths_make_the_same_transitions() {
    let mut crashes = 0;
    let seeds = if std::env::var_os("RETAIN_SOAK").is_some() { 1..20 } else { 1..3 };
    for seed in seeds {
        let plan = Arc::new(plan(lively()));
        let logs = logs(seed);
        let run = |schedule: Schedule| {
            let mut runner = Runner::new(&plan, 0, 1, logs.clone(), schedule);
            runner.drain();
            runner.pass_to(END_MS);
            runner
        };
        let straight = run(Schedule::straight(seed));
        let all = transitions(&straight);
        assert!(all.len() > 30, "{}", all.len());
        for schedule in [
            Schedule::by_record(seed),
            Schedule::wild(seed),
            Schedule::wild(seed + 50).crashing(30),
        ] {
            let other = run(schedule);
            crashes += other.crashes;
            let seen = transitions(&other);
            for (one, two) in all.iter().zip(&seen) {
                assert_eq!(one, two, "{}", other.seed());
            }
            assert_eq!(all.len(), seen.len(), "{}", other.seed());
        }
        told_once(&straight);
    }
    assert!(crashes > 2, "{crashes}");
}

/// What comes twice, soon or weeks later, changes nothing: the transitions of customers and tickets are those of the log without it, id for id.
#[test]
fn repeated_records_make_the_same_transitions() {
    let seeds = if std::env::var_os("RETAIN_SOAK").is_some() { 31..61 } else { 31..33 };
    for seed in seeds {
        for rules in [lively(), ruled(str::to_owned)] {
            let plan = Arc::new(plan(rules));
            let once = history(seed, SHAPE);
            let twice = repeated(seed, &once, 20, |r, _| r.between(0, 40 * DAY_MS));
            assert!(twice.len() > once.len() + 50, "{} {}", once.len(), twice.len());
            let run = |made: &[Made], schedule: Schedule| {
                let mut runner = Runner::new(&plan, 0, 1, deliver(seed, made, |_| 0), schedule);
                runner.drain();
                runner.pass_to(END_MS);
                runner
            };
            let straight = run(&once, Schedule::straight(seed));
            let expected = transitions(&straight);
            for kind in ["customer", "ticket"] {
                let of_kind = |row: &&Row| row.text("subject_kind") == kind;
                let told = straight.tables.rows("alert_history").filter(of_kind).count();
                assert!(told > 5, "{told} transitions of a {kind}");
            }
            for schedule in [
                Schedule::straight(seed),
                Schedule::by_record(seed),
                Schedule::wild(seed).crashing(30),
            ] {
                let other = run(&twice, schedule);
                let put_aside: u64 = other.counts.iter().map(|c| c.by_outcome[1]).sum();
                assert!(put_aside > 50, "{put_aside} duplicates");
                assert_eq!(transitions(&other), expected, "{}", other.seed());
            }
        }
    }
}

#[test]
fn changed_rules_end_what_was_raised_and_need_no_rebuild() {
    let plan_before = Arc::new(plan(lively()));
    let mut runner = Runner::new(&plan_before, 0, 1, logs(3), Schedule::straight(3));
    runner.drain();
    runner.pass_to(BEGIN_MS + 210 * DAY_MS);
    let open = |runner: &Runner| {
        let rows = runner.tables.rows("alerts");
        rows.filter(|row| ["firing", "pending"].contains(&row.text("phase"))).count()
    };
    let changed = |runner: &Runner| {
        let rows = runner.tables.rows("alert_history");
        rows.filter(|row| row.text("note") == "the rule has changed").count()
    };
    let before = open(&runner);
    assert!(before > 3, "{before}");
    let after =
        Arc::new(plan(Arc::new(RuleSet { rules: Vec::new(), ..(*plan_before.alerts).clone() })));
    let retimed = runner.take_over(&after);
    assert_eq!(retimed, ["the alert rules"]);
    runner.drain();
    // without rules everything ends, and with the old ones again nothing is raised twice
    runner.pass_to(BEGIN_MS + 211 * DAY_MS);
    assert_eq!((open(&runner), changed(&runner)), (0, before));
    runner.take_over(&plan_before);
    runner.drain();
    runner.pass_to(BEGIN_MS + 212 * DAY_MS);
    assert!(open(&runner) > 3);
    told_once(&runner);
    let shipped = Arc::new(plan(ruled(str::to_owned)));
    runner.take_over(&shipped);
    runner.drain();
    runner.pass_to(BEGIN_MS + 213 * DAY_MS);
    told_once(&runner);
    assert!(changed(&runner) > before);
}

#[test]
fn records_of_the_topic_say_what_the_rows_say() {
    let plan = Arc::new(plan(lively()));
    let mut runner = Runner::new(&plan, 0, 1, logs(1), Schedule::straight(1));
    runner.drain();
    runner.pass_to(BEGIN_MS + 210 * DAY_MS);
    let words: Vec<AlertWord> =
        runner.alerts.iter().map(|record| AlertWord::decode(&record.value).unwrap()).collect();
    let rows: BTreeMap<(String, i128), &Row> = runner
        .tables
        .rows("alert_history")
        .map(|row| ((row.text("alert_id").to_owned(), row.int("n")), row))
        .collect();
    assert_eq!(words.len(), rows.len());
    for (word, record) in words.iter().zip(&runner.alerts) {
        assert_eq!(word.alert_id.as_bytes(), record.key);
        says_the_same(rows[&(word.alert_id.clone(), word.n.into())], &record.value);
        assert!(word.what != "raised" || !word.reasons.is_empty(), "{word:?}");
        assert_eq!(
            word.call,
            matches!(word.what.as_str(), "raised" | "woken")
                || word.what == "reopened" && word.by_kind != "person"
        );
        assert!(!word.next_step.is_empty() && word.alert_id.len() == 32);
    }
    assert!(words.iter().any(|word| word.subject_kind == "ticket"));
    // nothing is compared with nothing
    assert!(words.iter().any(|word| !word.changed.is_empty()));
    assert!(words.iter().any(|word| word.at_risk_minor.is_some() && word.raised_ms.is_some()));
}

/// Every column of a row, by the field of the record that it is called after.
fn says_the_same(row: &Row, record: &[u8]) {
    let word: serde_json::Value = serde_json::from_slice(record).unwrap();
    let fields = word.as_object().unwrap();
    let version = fields["generation"].as_i64().unwrap() << 40 | fields["cycle"].as_i64().unwrap();
    assert_eq!((row.int("version"), row.int("shard")), (version.into(), 0));
    let columns = row.without(&["version", "shard", "is_deleted"]);
    assert_eq!(columns.len(), fields.len() - 2, "fields beside generation and cycle");
    for (column, value) in columns {
        let stem = column.strip_suffix("_at").unwrap_or(&column);
        let moment = format!("{stem}_ms");
        let field = fields.get(&column).or_else(|| fields.get(&moment));
        let field = field.unwrap_or_else(|| panic!("no field for {column}: {word}"));
        let said = match field {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(flag) => Value::Int((*flag).into()),
            serde_json::Value::String(text) => Value::Text(text.clone().into_bytes()),
            serde_json::Value::Array(_) => {
                Value::Texts(serde_json::from_value(field.clone()).unwrap())
            }
            number => match number.as_i64() {
                Some(whole) if column != "risk" => Value::Int(whole.into()),
                _ => Value::Float(number.as_f64().unwrap()),
            },
        };
        assert_eq!(value, said, "{column} of {word}");
    }
}

/// A move to another tier is looked at when the sweep comes by; what was due before is not told as of then.
#[test]
fn a_sweep_of_tiers_comes_after_what_was_due() {
    let text = "[[alert]]\nname = \"away\"\nabout = \"x\"\nraise = \"recency_d > 10d else no\"\n\
                next_step = \"y\"\nevents = [\"purchase\"]\n";
    let (found, _) = rules(&[RuleFile { name: "rules.toml", text }]);
    let plan = Arc::new(plan(Arc::new(found.unwrap().set)));
    let day = |day: i64| BEGIN_MS + day * DAY_MS;
    let told = |fired_first: bool| -> Vec<(String, i64)> {
        let mut watched = Watched::new(&plan);
        watched.engine = Engine::new(Arc::clone(&plan), 0);
        watched.engine.version = 1;
        let payload = format!(
            r#"{{"event_id":"e","customer_id":"c","ts":"{}","amount":5,"currency":"USD"}}"#,
            stream::spell_time(day(0), 0)
        );
        let (customer, key) = ("c".to_owned(), Some("c".to_owned()));
        let made = Made { source: 0, ts_ms: day(0), customer, key, payload: Some(payload) };
        watched.apply(&plan, &made);
        watched.engine.passed_ms = day(30);
        if fired_first {
            watched.engine.fire_all_until(day(30), usize::MAX);
        }
        // the first cut-offs put everybody into a tier
        watched.engine.take_cut_offs(&cut_offs(1, day(30)));
        assert_eq!(watched.engine.sweep_tiers(usize::MAX), 1);
        watched.engine.fire_all_until(day(30), usize::MAX);
        watched.engine.alerted.iter().map(|word| (word.what.clone(), word.at_ms)).collect()
    };
    let swept_first = told(false);
    assert_eq!(swept_first, told(true));
    assert_eq!(swept_first.len(), 1);
    assert!((0..1_000).contains(&(swept_first[0].1 - day(10))), "{swept_first:?}");
}

/// Nearly all of them are raised by time alone, long after the event that named the ticket; also where the state was read meanwhile.
#[test]
fn alerts_about_tickets_carry_the_tickets_ids() {
    let plan = Arc::new(plan(lively()));
    for schedule in [Schedule::straight(1), Schedule::wild(51).crashing(30)] {
        let mut runner = Runner::new(&plan, 0, 1, logs(1), schedule);
        runner.drain();
        runner.pass_to(BEGIN_MS + 210 * DAY_MS);
        let words = runner.alerts.iter().map(|record| AlertWord::decode(&record.value).unwrap());
        let tickets: BTreeSet<String> = words
            .filter(|word| word.subject_kind == "ticket" && word.what == "raised")
            .map(|word| word.subject_id)
            .collect();
        assert!(tickets.len() > 5, "{tickets:?}");
        let is_id = |id: &&String| id.strip_prefix('t').is_some_and(|n| n.parse::<u64>().is_ok());
        assert_eq!(tickets.iter().find(|id| !is_id(id)), None);
    }
}
