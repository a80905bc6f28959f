//! Crossings that have no inverse: of rules over loyalty, value, purchases to come, spending of 90 days, silence of regular customers and the
//! quadrant, every change that a scan by minutes finds comes at its millisecond, and no other; rises and falls go unnoticed at no minute.
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
#[path = "support/watched.rs"]
mod watched;

use std::collections::BTreeMap;
use std::sync::Arc;

use retain::model::registry::{Signal, Subject};
use retain::plan::{Model, ModelKind, Plan, RuleFile, WeightSet, rules};
use retain::rule::condition::{Condition, Test};
use retain::rule::definition::RuleSet;
use retain::rule::evaluate::holds;
use stream::families::{Family, histories};
use stream::{DAY_MS, Made};
use watched::{Watched, plan};

const MINUTE_MS: i64 = 60_000;
/// How far beyond the last event is looked.
const TAIL_MS: i64 = 130 * DAY_MS;

/// Signals, and edges that invented histories cross.
const TESTS: [(&str, &[&str]); 8] = [
    ("loyalty", &[">= 20", ">= 25", ">= 32", "> 40", ">= 55", "<= 28", "< 60"]),
    ("clv", &[">= 20", ">= 60", ">= 150", "< 300", "> 1000", "<= 0", ">= -10"]),
    ("exp_purchases_90", &[">= 0.2", ">= 0.4", ">= 0.8", "> 1.5", "< 3"]),
    ("spend_90d_minor", &[">= 500", ">= 3000", "> 9000", "<= 0", "< -100", ">= 30000"]),
    ("quadrant", &["== apostle", "== defector", "in (hostage, mercenary)", "!= apostle"]),
    ("p_silent_30", &[">= 0.3", ">= 0.6", "< 0.8", ">= 0.9"]),
    ("p_silent_90", &[">= 0.1", ">= 0.3", "< 0.5", ">= 0.8"]),
    ("p_silent_180", &[">= 0.1", ">= 0.3", "< 0.6"]),
];

/// Rises and falls of all that time moves, whose paths they follow.
const RISES: [&str; 19] = [
    "fall(loyalty, 7d) >= 2",
    "rise(loyalty, 3d) >= 0.5",
    "fall(clv, 7d) >= 5",
    "rise(clv, 7d) >= 1",
    "fall(exp_purchases_90, 14d) >= 0.1",
    "fall(spend_90d_minor, 7d) >= 2000",
    "rise(spend_90d_minor, 7d) >= 100",
    "rise(p_silent_90, 14d) >= 0.08",
    "fall(p_silent_30, 5d) >= 0.05",
    "rise(dbt_days, 7d) >= 3d",
    "fall(dbt_days, 7d) >= 6h",
    "fall(csat, 14d) >= 0.01",
    "fall(volume_trend, 7d) >= 0.2",
    "fall(engage_trend, 5d) >= 0.4",
    "rise(sla_breach_share, 7d) >= 0.02",
    "fall(sla_breach_share, 20d) >= 0.01",
    "rise(overdue_minor, 7d) >= 500",
    "rise(gap_surprise, 7d) >= 0.1",
    "fall(ticket_rate_90, 7d) >= 0.01",
];

fn set<'a>(raises: impl Iterator<Item = String> + 'a) -> Arc<RuleSet> {
    let rule = |(n, raise): (usize, String)| {
        format!(
            "[[alert]]\nname = \"r{n}\"\nabout = \"x\"\nraise = \"{raise}\"\nband = 0\n\
             next_step = \"y\"\nevents = [\"purchase\"]\n"
        )
    };
    let text: String = raises.enumerate().map(rule).collect();
    let (found, problems) = rules(&[RuleFile { name: "rules.toml", text: &text }]);
    Arc::new(found.unwrap_or_else(|| panic!("{problems:?}")).set)
}

/// An unknown signal answers no.
fn guarded(signal: &str, test: String) -> String {
    let known = Subject::Customer.find(signal).unwrap().is_always_known();
    if known { test } else { format!("{test} else no") }
}

/// The plans: plain and regular customers, consumers and companies, with costs.
fn plan_of(rules: Arc<RuleSet>, number: usize) -> Arc<Plan> {
    let mut plan = plan(rules);
    let cnbd = |k: u8| Model { kind: ModelKind::BgCnbdK { k }, ..plans::regular() };
    plan.model = [plan.model, plans::regular(), cnbd(2), cnbd(8)][number % 4];
    let set = [WeightSet::B2c, WeightSet::B2b][number / 2 % 2];
    plan.parameters.risk.weights.set = set;
    plan.parameters.loyalty.set = set;
    plan.parameters.service.minute_cost = [0.0, 0.4][number % 2];
    plan.parameters.service.return_cost = 6.0;
    Arc::new(plan)
}

/// The only test of a rule, and its signal.
fn test_of(set: &RuleSet, number: usize) -> (&'static Signal, Test) {
    let Condition::Test(test) = &set.rules[number].raise else { panic!("no test of r{number}") };
    let name = test.term.signal().unwrap().name;
    (Subject::Customer.find(name).unwrap(), test.clone())
}

/// A change of an answer: of which rule, when, to what.
type Change = (usize, i64, bool);

/// One customer, scanned.
struct Scan<'a> {
    watched: Watched,
    customer: &'a [u8],
    tests: &'a [(&'static Signal, Test)],
    answers: Vec<bool>,
    changes: Vec<Change>,
}

impl Scan<'_> {
    fn answer(&self, n: usize, at_ms: i64) -> bool {
        let (signal, test) = &self.tests[n];
        let value = self.watched.engine.signal(self.customer, signal, at_ms).unwrap();
        value.map_or(test.unknown.unwrap_or(false), |value| holds(&test.asks, value))
    }

    /// After an event.
    fn step(&mut self, at_ms: i64) {
        for n in 0..self.tests.len() {
            let answer = self.answer(n, at_ms);
            if answer != self.answers[n] {
                self.changes.push((n, at_ms, answer));
                self.answers[n] = answer;
            }
        }
    }

    /// While nothing happens: by minutes, or wider steps.
    fn walk(&mut self, from_ms: i64, to_ms: i64, step_ms: i64) {
        let mut at_ms = from_ms;
        while at_ms < to_ms {
            let near = at_ms < from_ms + 3 * 60 * MINUTE_MS;
            let next_ms =
                (at_ms + if near { MINUTE_MS } else { step_ms }).min(to_ms - 1).max(at_ms + 1);
            for n in 0..self.tests.len() {
                let (mut before_ms, mut after_ms) = (at_ms, next_ms);
                if next_ms >= to_ms || self.answer(n, next_ms) == self.answers[n] {
                    continue;
                }
                while after_ms - before_ms > 1 {
                    let middle_ms = before_ms + (after_ms - before_ms) / 2;
                    let same = self.answer(n, middle_ms) == self.answers[n];
                    if same { before_ms = middle_ms } else { after_ms = middle_ms }
                }
                self.answers[n] = !self.answers[n];
                self.changes.push((n, after_ms, self.answers[n]));
            }
            at_ms = next_ms;
        }
    }
}

/// What alerts told of it.
fn told(watched: &Watched) -> Vec<Change> {
    let words = watched.engine.alerted.iter();
    let number = |rule: &str| rule[1..].parse().unwrap();
    let mut all: Vec<Change> =
        words.map(|word| (number(&word.rule), word.at_ms, word.what == "raised")).collect();
    all.sort_unstable();
    all
}

/// Of one customer, what the scan found and what was told; each rule's changes in order.
fn scan(
    plan: &Arc<Plan>,
    tests: &[(&'static Signal, Test)],
    made: &[&Made],
    step_ms: i64,
) -> [Vec<Change>; 2] {
    let watched = Watched::new(plan);
    let customer = made[0].customer.as_bytes();
    let mut scan =
        Scan { watched, customer, tests, answers: vec![false; tests.len()], changes: Vec::new() };
    for (n, event) in made.iter().enumerate() {
        scan.watched.apply(plan, event);
        if scan.watched.engine.store.slots().next().is_none() {
            continue;
        }
        let to_ms = made.get(n + 1).map_or(event.ts_ms + TAIL_MS, |next| next.ts_ms);
        if to_ms > event.ts_ms {
            scan.step(event.ts_ms);
        }
        scan.walk(event.ts_ms, to_ms, step_ms);
    }
    let end_ms = made.last().unwrap().ts_ms + TAIL_MS - 1;
    scan.watched.engine.fire_all_until(end_ms, usize::MAX);
    scan.changes.sort_unstable();
    [scan.changes, told(&scan.watched)]
}

fn by_customer(all: &[Made]) -> BTreeMap<&str, Vec<&Made>> {
    let mut by: BTreeMap<&str, Vec<&Made>> = BTreeMap::new();
    all.iter().for_each(|made| by.entry(&made.customer).or_default().push(made));
    by
}

#[test]
fn what_a_scan_by_minutes_finds_is_told_at_its_millisecond() {
    let soak = std::env::var_os("RETAIN_SOAK").is_some();
    let raises = || {
        TESTS.iter().flat_map(|(signal, tests)| {
            tests.iter().map(move |test| guarded(signal, format!("{signal} {test}")))
        })
    };
    let set = set(raises());
    let tests: Vec<(&Signal, Test)> = (0..set.rules.len()).map(|n| test_of(&set, n)).collect();
    let mut by_time: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    let families = [Family::Scores, Family::Purchases, Family::Satisfaction, Family::Credit];
    let (mut customers, mut exact) = (0, 0);
    for (number, family) in (0..4).flat_map(|number| families.map(|family| (number, family))) {
        let plan = plan_of(Arc::clone(&set), number);
        let all = histories(family, 31 + number as u64, if soak { 60 } else { 3 }, 90);
        for (customer, made) in by_customer(&all) {
            customers += 1;
            // every minute of some, every quarter of an hour of others
            let step_ms = if soak || customers % 8 == 0 { MINUTE_MS } else { 15 * MINUTE_MS };
            let [found, told] = scan(&plan, &tests, &made, step_ms);
            let same = found.len() == told.len();
            let near = |(one, two): (&Change, &Change)| {
                one.0 == two.0 && one.2 == two.2 && (one.1 - two.1).abs() <= 1_000
            };
            assert!(
                same && found.iter().zip(&told).all(near),
                "{customer} of plan {number}, {family:?}: scan against alerts\n{:?}",
                differing(&tests, &found, &told)
            );
            exact += found.iter().zip(&told).filter(|(one, two)| one == two).count();
            for (n, at_ms, to) in found {
                if made.iter().all(|made| made.ts_ms != at_ms) {
                    *by_time.entry((tests[n].0.name, to)).or_default() += 1;
                }
            }
        }
    }
    println!("{customers} customers, {exact} exact, {by_time:?}");
    assert!(by_time.values().sum::<usize>() > 500, "{by_time:?}");
    for (signal, _) in TESTS {
        let moved = |to| by_time.get(&(signal, to)).is_some_and(|n| *n >= 3);
        assert!(moved(true) && moved(false), "{signal}: {by_time:?}");
    }
}

/// What one has and the other has not.
fn differing(tests: &[(&Signal, Test)], found: &[Change], told: &[Change]) -> Vec<String> {
    let only = |one: &[Change], two: &[Change], of: &str| -> Vec<String> {
        let lone = one.iter().filter(|change| !two.contains(change));
        lone.map(|(n, at_ms, to)| format!("{of}: {:?} {at_ms} {to}", tests[*n])).collect()
    };
    [only(found, told, "scan"), only(told, found, "alerts")].concat()
}

#[test]
fn rises_and_falls_go_unnoticed_at_no_minute() {
    let soak = std::env::var_os("RETAIN_SOAK").is_some();
    let set = set(RISES.iter().map(|test| format!("{test} else no")));
    let mut raised: BTreeMap<String, usize> = BTreeMap::new();
    let families = [Family::Scores, Family::Credit, Family::Support, Family::Purchases];
    for (number, family) in (0..2).flat_map(|number| families.map(|family| (number, family))) {
        let plan = plan_of(Arc::clone(&set), number);
        let all = histories(family, 77 + number as u64, if soak { 30 } else { 2 }, 60);
        for (_, made) in by_customer(&all) {
            // the moments of all transitions first, then again with looks just before each of them and at other minutes
            let mut watched = Watched::new(&plan);
            made.iter().for_each(|made| watched.apply(&plan, made));
            let end_ms = made.last().unwrap().ts_ms + 40 * DAY_MS;
            watched.engine.fire_all_until(end_ms, usize::MAX);
            let moments = watched.engine.alerted.iter().map(|word| word.at_ms);
            let mut looks: Vec<i64> = moments.flat_map(|ms| [ms - 1_000, ms - 1]).collect();
            let coarse =
                (made[0].ts_ms..end_ms).step_by(if soak { 37 } else { 331 } * MINUTE_MS as usize);
            looks.extend(coarse);
            looks.sort_unstable();
            let told: Vec<(String, i64)> =
                watched.engine.alerted.iter().map(|word| (word.rule.clone(), word.at_ms)).collect();
            let mut again = Watched::new(&plan);
            let mut next = made.iter().peekable();
            for at_ms in looks.into_iter().filter(|ms| *ms >= made[0].ts_ms) {
                while let Some(made) = next.next_if(|made| made.ts_ms <= at_ms) {
                    again.apply(&plan, made);
                }
                again.pass(at_ms);
            }
            again.pass(end_ms);
            let words = again.engine.alerted.iter();
            assert_eq!(words.map(|word| (word.rule.clone(), word.at_ms)).collect::<Vec<_>>(), told);
            for (rule, _) in told {
                *raised.entry(rule).or_default() += 1;
            }
        }
    }
    println!("{raised:?}");
    let moved = (0..RISES.len()).filter(|n| raised.contains_key(&format!("r{n}"))).count();
    assert!(moved >= RISES.len() - 3, "{raised:?}");
}
