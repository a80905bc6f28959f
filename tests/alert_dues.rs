//! Dues of what time moves: of rules over loyalty, value, purchases to come, spending of 90 days, silence of regular customers and the
//! quadrant, and of edges put between whatever values any other signal has, every change that a scan finds comes at its millisecond, and
//! no other; rises and falls go unnoticed at no minute; what time does not move stands still; and dues are few.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/scanned.rs"]
mod scanned;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/stream.rs"]
mod stream;
#[path = "support/watched.rs"]
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retain::model::registry::{Change as Moved, Kind, Signal, Subject};
use retain::plan::{Model, ModelKind, Plan, RuleFile, WeightSet, rules};
use retain::rule::condition::Condition;
use retain::rule::definition::RuleSet;
use retain::rule::evaluate::Value;
use scanned::{Asked, ByTime, TAIL_MS, by_customer, follow, is_soak, live, told, value};
use stream::families::{Family, histories};
use stream::{DAY_MS, Made};
use watched::plan;

const FAMILIES: [Family; 8] = [
    Family::Scores,
    Family::Purchases,
    Family::Satisfaction,
    Family::Credit,
    Family::Support,
    Family::Engagement,
    Family::Relations,
    Family::Rhythm,
];

/// Regular customers: their expectations are sums that take their time, so fewer of them are followed, in wider steps.
const REGULAR: [usize; 3] = [1, 3, 6];

/// Signals, and edges that invented histories cross.
const TESTS: [(&str, &[&str]); 8] = [
    ("loyalty", &[">= 26", "< 40"]),
    ("clv", &[">= 20", "< 150", "<= 0", ">= -10"]),
    ("exp_purchases_90", &[">= 0.2", ">= 0.8", "< 1.5"]),
    ("spend_90d_minor", &[">= 500", "> 9000", "<= 0", "< -100"]),
    ("quadrant", &["== defector", "in (apostle, mercenary)"]),
    ("p_silent_30", &[">= 0.3", "< 0.8"]),
    ("p_silent_90", &[">= 0.3"]),
    ("p_silent_180", &["< 0.6"]),
];

/// Rises and falls of all that time moves, whose paths they follow.
const RISES: [&str; 17] = [
    "fall(loyalty, 7d) >= 2",
    "rise(loyalty, 3d) >= 0.5",
    "fall(clv, 7d) >= 5",
    "rise(clv, 7d) >= 1",
    "fall(exp_purchases_90, 14d) >= 0.1",
    "fall(spend_90d_minor, 7d) >= 2000",
    "rise(spend_90d_minor, 7d) >= 100",
    "rise(p_silent_90, 14d) >= 0.08",
    "fall(p_silent_30, 5d) >= 0.05",
    "fall(csat, 14d) >= 0.01",
    "fall(volume_trend, 14d) >= 0.1",
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
    plan.model = match REGULAR.iter().position(|regular| *regular == number) {
        Some(0) => plans::regular(),
        Some(1) => cnbd(2),
        Some(_) => cnbd(8),
        None => plan.model,
    };
    let set = [WeightSet::B2c, WeightSet::B2b][number / 2 % 2];
    plan.parameters.risk.weights.set = set;
    plan.parameters.loyalty.set = set;
    plan.parameters.service.minute_cost = [0.0, 0.4][number % 2];
    plan.parameters.service.return_cost = 6.0;
    Arc::new(plan)
}

/// The only test of a rule, and its signal.
fn test_of(set: &RuleSet, number: usize) -> Asked {
    let Condition::Test(test) = &set.rules[number].raise else { panic!("no test of r{number}") };
    let name = test.term.signal().unwrap().name;
    (Subject::Customer.find(name).unwrap(), test.clone())
}

fn tests_of(set: &RuleSet) -> Vec<Asked> {
    (0..set.rules.len()).map(|n| test_of(set, n)).collect()
}

/// 104 histories, 10,080 in the long run: of each, everything that moves is computed anew at every minute near to an event or a due.
#[test]
fn what_a_scan_finds_is_told_at_its_millisecond() {
    let mut by_time = ByTime::new();
    let (mut customers, mut exact) = (0, 0);
    // a due is looked at with all rules: so each signal has an engine of its own
    for (signal, tests) in TESTS {
        let set = set(tests.iter().map(|test| guarded(signal, format!("{signal} {test}"))));
        let tests = tests_of(&set);
        for number in 0..8 {
            let plan = plan_of(Arc::clone(&set), number);
            let (few, many) = if REGULAR.contains(&number) { (1, 20) } else { (2, 240) };
            for family in FAMILIES {
                let count = if is_soak() { many } else { few };
                let all = histories(family, 31 + number as u64, count, 90);
                for made in by_customer(&all).values() {
                    customers += 1;
                    exact += follow(&plan, &tests, made, &mut by_time);
                }
            }
        }
    }
    println!("{} customers, {exact} exact, {by_time:?}", customers / TESTS.len());
    assert!(by_time.values().sum::<usize>() > 400, "{by_time:?}");
    for (signal, _) in TESTS {
        let moved = [true, false].map(|to| by_time.get(&(signal, to)).copied().unwrap_or(0));
        assert!(moved.iter().sum::<usize>() >= 5, "{signal}: {by_time:?}");
    }
}

/// Histories that show every signal moving: some belong to few customers, and account managers change, too.
fn of_family(family: Family) -> Vec<Made> {
    let few = if family == Family::Relations { 16 } else { 4 };
    let mut all = histories(family, 5, few * if is_soak() { 16 } else { 1 }, 90);
    let owner = |first: &Made, number: i64| {
        let ts_ms = first.ts_ms + (1 + number) * DAY_MS;
        let (customer, ts) = (&first.customer, stream::spell_time(ts_ms, 0));
        let payload = format!(
            r#"{{"event_id":"o{number}","customer_id":"{customer}","ts":"{ts}","type":"profile","owner_id":"u{number}"}}"#
        );
        Made { source: stream::SUPPORT, ts_ms, payload: Some(payload), ..first.clone() }
    };
    let firsts: Vec<Made> = by_customer(&all).values().map(|made| made[0].clone()).collect();
    all.extend(firsts.iter().flat_map(|first| [0, 1].map(|number| owner(first, number))));
    all.sort_by_key(|made| made.ts_ms);
    all
}

/// Every signal that time moves and that is a number, with edges between the values that it has in invented histories.
fn between_values() -> Vec<String> {
    let plan = plan_of(Arc::default(), 0);
    let is_number = |signal: &&Signal| {
        matches!(signal.kind(), Kind::Number | Kind::Count | Kind::Duration { .. })
    };
    let signals: Vec<&Signal> =
        Subject::Customer.signals().filter(|s| s.moves_with_time()).filter(is_number).collect();
    let mut seen: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for family in FAMILIES {
        for made in by_customer(&of_family(family)).values() {
            live(&plan, made, |watched, from_ms, to_ms| {
                for at_ms in (from_ms..to_ms).step_by(9 * DAY_MS as usize) {
                    for signal in &signals {
                        if let Some(Value::Number(n)) = value(watched, made, signal, at_ms)
                            && n != 0.0
                        {
                            seen.entry(signal.name).or_default().insert(n.abs().to_bits());
                        }
                    }
                }
            });
        }
    }
    let mut raises = Vec::new();
    for signal in signals {
        let values: Vec<u64> = seen.remove(signal.name).into_iter().flatten().collect();
        let unit = if matches!(signal.kind(), Kind::Duration { .. }) { "ms" } else { "" };
        for part in [1, 3, 5] {
            // of those that are below 0 the size
            let at = values.len() * part / 6;
            let edge = values.get(at).map_or(1.0, |bits| f64::from_bits(*bits));
            let edge = if unit.is_empty() { edge } else { edge.round() };
            let sign = if signal.name.ends_with("_trend") { "-" } else { "" };
            raises.push(guarded(signal.name, format!("{} >= {sign}{edge}{unit}", signal.name)));
        }
    }
    raises
}

#[test]
fn every_signal_that_time_moves_is_followed() {
    for subject in Subject::ALL {
        for signal in subject.signals().filter(|signal| signal.kind() != Kind::Many) {
            let (name, kind) = (signal.name, subject.name());
            let followed = match subject {
                Subject::Account => retain::account::is_followed(signal),
                _ => retain::engine::alerts::is_followed(subject, signal),
            };
            assert_eq!(signal.moves_with_time(), followed, "{name} of a {kind}");
        }
    }
    let raises = between_values();
    // those of a signal stand together
    for raises in raises.chunks(3) {
        let set = set(raises.iter().cloned());
        let tests = tests_of(&set);
        let mut by_time = ByTime::new();
        for (number, family) in FAMILIES.into_iter().enumerate() {
            let plan = plan_of(Arc::clone(&set), number);
            let all = of_family(family);
            for made in by_customer(&all).values() {
                follow(&plan, &tests, made, &mut by_time);
            }
        }
        println!("{by_time:?}");
        for (signal, _) in &tests {
            let name = signal.name;
            let moved = [false, true].iter().any(|to| by_time.contains_key(&(name, *to)));
            assert!(moved, "time never moved {name}: {by_time:?}");
        }
    }
}

/// What is said to move with events alone has no dues: so it must stand still between them.
#[test]
fn what_time_does_not_move_stands_still() {
    let plan = plan_of(Arc::default(), 0);
    let still = |signal: &&Signal| signal.change == Moved::Event && signal.kind() != Kind::Many;
    let signals: Vec<&Signal> = Subject::Customer.signals().filter(still).collect();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for family in FAMILIES {
        for made in
            by_customer(&histories(family, 9, if is_soak() { 100 } else { 20 }, 90)).values()
        {
            live(&plan, made, |watched, from_ms, to_ms| {
                for signal in &signals {
                    let of = |at_ms| value(watched, made, signal, at_ms);
                    let first = of(from_ms);
                    for at_ms in
                        [from_ms + 1, (from_ms + to_ms) / 2, to_ms - 1, to_ms + 9 * TAIL_MS]
                    {
                        assert_eq!(of(at_ms), first, "{} at {at_ms}", signal.name);
                    }
                    known.extend(first.map(|_| signal.name));
                }
            });
        }
    }
    for signal in signals {
        assert!(known.contains(signal.name), "{} is never known: {known:?}", signal.name);
    }
}

#[test]
fn rises_and_falls_go_unnoticed_at_no_minute() {
    let set = set(RISES.iter().map(|test| format!("{test} else no")));
    let mut raised: BTreeMap<String, usize> = BTreeMap::new();
    for number in [0, 1, 3] {
        let plan = plan_of(Arc::clone(&set), number);
        for family in FAMILIES {
            let count = if REGULAR.contains(&number) { 1 } else { 4 };
            let count = count * if is_soak() { 20 } else { 1 };
            let all = histories(family, 77 + number as u64, count, 60);
            for made in by_customer(&all).values() {
                for (n, _, _) in told(&plan, made).iter().filter(|(_, _, on)| *on) {
                    *raised.entry(RISES[*n].to_owned()).or_default() += 1;
                }
            }
        }
    }
    println!("{raised:#?}");
    for rise in RISES {
        assert!(raised.contains_key(rise), "{rise}: {raised:?}");
    }
}

/// A due that finds nothing is armed again once: beyond the moments at which something happens a rule wakes a customer once after each
/// event, and where it compares with past midnights once a day at most.
#[test]
fn rules_over_what_drifts_wake_seldom() {
    const YEARS: i64 = 3;
    let levels = TESTS.iter().flat_map(|(signal, tests)| {
        tests.iter().map(move |test| guarded(signal, format!("{signal} {test}")))
    });
    let levels = levels.map(|raise| (raise, 0));
    let rises = RISES.iter().map(|raise| (format!("{raise} else no"), 366 * YEARS));
    let mut most = [0_i64; 2];
    for (raise, allowed) in levels.chain(rises) {
        for number in [0, 1] {
            let plan = plan_of(set(std::iter::once(raise.clone())), number);
            let none = plan_of(Arc::default(), number);
            for family in [Family::Scores, Family::Credit] {
                for made in by_customer(&histories(family, 3, 2, 60)).values() {
                    let fired = |plan: &Arc<Plan>| {
                        let mut watched = live(plan, made, |_, _, _| ());
                        let before = watched.engine.alerted.len();
                        let end_ms = made.last().unwrap().ts_ms + YEARS * 365 * DAY_MS;
                        let (fired, _) = watched.engine.fire_all_until(end_ms, 1_000_000);
                        (fired as i64, (watched.engine.alerted.len() - before) as i64)
                    };
                    let ((all, happened), (own, _)) = (fired(&plan), fired(&none));
                    let idle = all - own - happened;
                    assert!(
                        idle <= allowed + 3,
                        "{raise} woke {idle} times for nothing in {YEARS} years"
                    );
                    let of = usize::from(allowed > 0);
                    most[of] = most[of].max(idle);
                }
            }
        }
    }
    println!("for nothing, at most, in {YEARS} years: levels {}, rises {}", most[0], most[1]);
}

/// A rise begins its midnights with the first event, also where that touches nothing that decides: so it is the same after a restart.
#[test]
fn midnights_begin_with_the_first_event() {
    let set = set(std::iter::once("orders >= 1 and fall(csat_n, 30d) >= 0.5 else no".to_owned()));
    let plan = plan_of(set, 0);
    let mut raised = 0;
    for family in [Family::Satisfaction, Family::Scores] {
        for made in by_customer(&histories(family, 4, 30, 40)).values() {
            let first = made[0];
            let seen = format!(
                r#"{{"event_id":"v","customer_id":"{}","ts":"{}","session_id":"s","action":"page_view"}}"#,
                first.customer,
                stream::spell_time(first.ts_ms - 3 * DAY_MS, 0)
            );
            let ts_ms = first.ts_ms - 3 * DAY_MS;
            let view = Made { source: stream::WEB, ts_ms, payload: Some(seen), ..first.clone() };
            let made: Vec<&Made> = std::iter::once(&view).chain(made.iter().copied()).collect();
            let straight = told(&plan, &made);
            let mut again = live(&plan, &made, |watched, from_ms, to_ms| {
                // as after a restart: when to look is found anew
                let slot = watched.engine.store.slots().next().unwrap();
                watched.pass(from_ms);
                watched.engine.arm_alerts(slot, from_ms);
                watched.pass((to_ms - 1).min(from_ms + DAY_MS / 2));
            });
            again.engine.fire_all_until(made.last().unwrap().ts_ms + TAIL_MS - 1, usize::MAX);
            let words = again.engine.alerted.iter();
            let same: Vec<i64> = words.map(|word| word.at_ms).collect();
            let mut moments: Vec<i64> = straight.iter().map(|(_, at_ms, _)| *at_ms).collect();
            moments.sort_unstable();
            assert_eq!(same, moments);
            raised += straight.iter().filter(|(_, _, on)| *on).count();
        }
    }
    assert!(raised > 5, "{raised}");
}
