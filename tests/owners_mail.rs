//! Cut-offs of owners' revenue at risk: what shards tell each other gives those of all customers sorted, whatever dies; an alert
//! is as bad as the cut-off says that its shard knows when it is raised, and stays so.
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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retain::engine::apply::{Engine, Origin};
use retain::engine::judge::risk_inputs;
use retain::engine::said::Field;
use retain::engine::sums::Sum;
use retain::flow::intake::{Place, Taken, take};
use retain::model::batch::EventBatch;
use retain::model::partition::murmur2_partition;
use retain::model::record::{Position, Record};
use retain::plan::{Plan, RuleFile, rules};
use retain::wire::mail::{Mail, OwnerCutOffs};
use rowbinary::Row;
use sim::{PostOffice, Runner, Schedule};
use stream::{BEGIN_MS, DAY_MS, Made, Shape, deliver, history};

const RULES: &str = r#"
[[alert]]
name = "uncertain"
about = "The risk is middling."
raise = "risk >= 0.3 else no"
clear = "risk <= 0.2 else yes"
severity = "medium"
critical_in_top = 2
next_step = "Look."
events = ["purchase"]

[[alert]]
name = "going"
about = "The risk is high, and has been for a day."
raise = "risk >= 0.6 else no"
clear = "risk <= 0.5 else yes"
dwell = "1d"
severity = "high"
critical_in_top = 5
next_step = "Look."
events = ["purchase"]
"#;

const SHAPE: Shape = Shape { customers: 60, days: 120, events: 900, faults_permille: 0 };
/// Far behind the last event, where nothing more happens to a customer.
const END_MS: i64 = BEGIN_MS + 900 * DAY_MS;
const HOUR_MS: i64 = DAY_MS / 24;

fn plan(text: &str) -> Plan {
    let mut plan = plans::plan();
    let rate = plan.rates[0].1;
    plan.rates = ["EUR", "JPY", "USD"]
        .map(|code| (retain::model::money::Currency::parse(code).unwrap(), rate))
        .into();
    plan.disorder_ms = 0;
    let (found, problems) = rules(&[RuleFile { name: "rules.toml", text }]);
    plan.alerts = Arc::new(found.unwrap_or_else(|| panic!("{problems:?}")).set);
    plan
}

fn town(
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
        let mut runner = Runner::new(plan, shard, shards, logs, schedule(shard)).within(&office);
        runner.drain();
        runner
    };
    ((0..shards).map(runner).collect(), office)
}

/// Everything is read, days pass, and what is on its way comes to rest.
fn live_to_the_end(runners: &mut [Runner]) {
    for to_ms in (0..4).map(|day| END_MS + (day - 3) * DAY_MS) {
        runners.iter_mut().for_each(|runner| runner.pass_to(to_ms));
    }
    // shard 0 hears, makes, and is heard
    for hour in 1..4 {
        runners.iter_mut().for_each(|runner| runner.pass_to(END_MS + hour * HOUR_MS));
    }
}

/// The cut-offs of all customers sorted, by an engine that has seen everything.
fn sorted(plan: &Arc<Plan>, made: &[Made], tops: [usize; 2]) -> Vec<(String, Vec<(u32, i64)>)> {
    let mut engine = Engine::new(Arc::clone(plan), 0);
    engine.version = 1;
    let mut batch = EventBatch::default();
    for (offset, m) in (0..).zip(made) {
        let record = Record {
            offset,
            kafka_ms: m.ts_ms,
            key: m.key.as_deref().map(str::as_bytes),
            payload: m.payload.as_deref().map(str::as_bytes),
        };
        let place = Place { shard: 0, shards: 1 };
        let source = &plan.sources[m.source];
        let Taken::Event(event) = take(plan, source, place, &record, &mut batch) else { continue };
        let position = Position { source: m.source as u8, offset };
        let origin = Origin { position, frontier_ms: m.ts_ms };
        engine.apply(m.customer.as_bytes(), &batch, &event, origin);
        batch.clear();
    }
    engine.fire_all_until(END_MS, usize::MAX);
    let mut by_owner: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for slot in engine.store.slots() {
        let profile = &engine.store.get(slot).profile;
        let (Some(inputs), Some(since_ms)) =
            (risk_inputs(&engine.cx, profile), profile.spend_from_ms())
        else {
            continue;
        };
        let risk = engine.cx.risk.weights.risk(&inputs.facts_at(END_MS));
        let a_day = profile.more().map_or(0.0, |m| m.sums.rate(Sum::Spend365, END_MS, since_ms));
        let minor = (risk * (a_day * 365.0).max(0.0) * (90.0 / 365.0)).round() as i64;
        let owner = profile.said(Field::OwnerId);
        if minor > 0 && !owner.is_empty() {
            by_owner.entry(owner.to_owned()).or_default().push(minor);
        }
    }
    let cut = |list: &[i64], top: usize| (top as u32, list.get(top - 1).copied().unwrap_or(1));
    by_owner
        .into_iter()
        .map(|(owner, mut list)| {
            list.sort_unstable_by(|a, b| b.cmp(a));
            (owner, tops.map(|top| cut(&list, top)).to_vec())
        })
        .collect()
}

/// Shard 0 tells every version once to every shard, a minute apart at least, and none without a move.
fn check_versions(office: &PostOffice, shards: u16) {
    let told = |shard: u16| -> Vec<OwnerCutOffs> {
        let letters = office.letters(shard).into_iter();
        let letters = letters.map(|e| Mail::decode(&e.payload.unwrap()).unwrap().1);
        letters.filter_map(|m| if let Mail::OwnerCutOffs(c) = m { Some(c) } else { None }).collect()
    };
    let first = told(0);
    assert!(first.len() >= 2, "{}", first.len());
    assert!(first.iter().zip(1..).all(|(c, version)| c.version == version));
    let apart = |pair: &[OwnerCutOffs]| pair[1].valid_from_ms - pair[0].valid_from_ms >= 60_000;
    assert!(first.windows(2).all(apart));
    assert!(first.windows(2).all(|pair| pair[0].owners != pair[1].owners), "no move");
    (1..shards).for_each(|shard| assert_eq!(told(shard), first, "shard {shard}"));
}

#[test]
fn cut_offs_are_those_of_all_customers_sorted_whatever_dies() {
    for (text, tops) in
        [(RULES.to_owned(), [2, 5]), (RULES.replace("= 5\n", "= 1000\n"), [2, 1000])]
    {
        let plan = Arc::new(plan(&text));
        let made = history(3, SHAPE);
        let expected = sorted(&plan, &made, tops);
        assert_eq!(expected.len(), 3, "three owners: {expected:?}");
        for (shards, crashes) in [(1, 0), (3, 0), (2, 150)] {
            let schedule = |shard: u16| Schedule::straight(u64::from(shard) + 7).crashing(crashes);
            let (mut runners, office) = town(&plan, shards, &made, schedule);
            live_to_the_end(&mut runners);
            assert_eq!(runners.iter().all(|runner| runner.crashes > 1), crashes > 0);
            for runner in &runners {
                let held = &runner.machine.owner_cut_offs().owners;
                assert_eq!(held, &expected, "{shards} shards, {}", runner.seed());
            }
            check_versions(&office, shards);
        }
    }
}

#[test]
fn an_alert_is_critical_by_the_cut_off_in_force_and_stays_so() {
    let plan = Arc::new(plan(RULES));
    let made = history(5, SHAPE);
    for crashes in [0, 30] {
        let schedule = |_| Schedule::straight(9).crashing(crashes);
        let (mut runners, _) = town(&plan, 1, &made, schedule);
        let runner = &mut runners[0];
        let mut seen: BTreeSet<(String, i128)> = BTreeSet::new();
        let mut found: BTreeMap<(String, String), usize> = BTreeMap::new();
        for day in 121..400 {
            let cut_offs = runner.machine.owner_cut_offs().clone();
            runner.pass_to(BEGIN_MS + day * DAY_MS);
            for row in runner.tables.rows("alert_history") {
                let number = (row.text("alert_id").to_owned(), row.int("n"));
                let begins = ["pending", "raised"].contains(&row.text("what"));
                if seen.insert(number) && begins && !cut_offs.owners.is_empty() {
                    let severity = severity(&cut_offs, row);
                    assert_eq!(row.text("severity"), severity, "day {day}: {row:?}");
                    let kind = (row.text("rule").to_owned(), severity.to_owned());
                    *found.entry(kind).or_default() += 1;
                }
            }
        }
        for (rule, severity) in [
            ("uncertain", "medium"),
            ("uncertain", "critical"),
            ("going", "high"),
            ("going", "critical"),
        ] {
            let kind = (rule.to_owned(), severity.to_owned());
            assert!(found.contains_key(&kind), "{rule} {severity}: {found:?}");
        }
        stays(runner);
    }
}

/// What an alert must be called by these cut-offs.
fn severity(cut_offs: &OwnerCutOffs, row: &Row) -> &'static str {
    let (top, usual) = if row.text("rule") == "going" { (5, "high") } else { (2, "medium") };
    let owner = cut_offs.owners.iter().find(|(name, _)| name == row.text("owner_id"));
    let cut_off = owner.and_then(|(_, cuts)| cuts.iter().find(|(held, _)| *held == top));
    match (row.maybe_int("at_risk_minor"), cut_off) {
        (Some(at_risk), Some((_, cut_off))) if at_risk >= i128::from(*cut_off) => "critical",
        _ => usual,
    }
}

/// What follows the raising of an alert is called what the raising was.
fn stays(runner: &Runner) {
    let mut of: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in runner.tables.rows("alert_history") {
        of.entry(row.text("alert_id")).or_default().push(row);
    }
    let mut followed = 0;
    for rows in of.values_mut() {
        rows.sort_by_key(|row| row.int("n"));
        let from = rows.iter().position(|row| row.text("what") == "raised").unwrap_or(rows.len());
        for row in rows.get(from + 1..).unwrap_or_default() {
            assert_eq!(row.text("severity"), rows[from].text("severity"), "{row:?}");
            followed += 1;
        }
    }
    assert!(followed > 10, "{followed}");
}

#[test]
fn without_a_rule_that_asks_nobody_is_swept() {
    let text: String =
        RULES.lines().filter(|l| !l.starts_with("critical")).map(|l| format!("{l}\n")).collect();
    let plan = Arc::new(plan(&text));
    let (mut runners, office) = town(&plan, 2, &history(3, SHAPE), |_| Schedule::straight(1));
    live_to_the_end(&mut runners);
    let letters =
        office.letters(0).into_iter().map(|e| Mail::decode(&e.payload.unwrap()).unwrap().1);
    assert_eq!(letters.filter(|m| matches!(m, Mail::AtRisk(_))).count(), 0);
    assert_eq!(runners[1].machine.owner_cut_offs().version, 0);
}
