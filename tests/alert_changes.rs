//! Other rules over a take-over: what they change is not forgotten when the shard is taken over again, the last rule ends what it had
//! raised, no id is given twice, and a rise is measured for those of whom nothing is heard.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/accounts.rs"]
mod accounts;
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

use std::collections::BTreeSet;
use std::sync::Arc;

use accounts::{Told, account_plan};
use hamlet::{buys, day, in_phase, of, plan, rule_set, take_over, ticket, told_once, transitions};
use retain::plan::Plan;
use retain::wire::signals::{AccountPart, Word, joined};
use sim::{Log, Runner, Schedule};
use stream::DAY_MS;

const HOUR_MS: i64 = 3_600_000;

/// So many customers, each with two purchases and an open ticket.
fn town(customers: usize) -> Vec<Log> {
    let mut logs = vec![Log::default(); 3];
    for at in 0..customers {
        let (id, at_ms) = (format!("c{at:02}"), day(0) + at as i64);
        buys(&mut logs, at_ms, &id);
        ticket(&mut logs, at_ms, &id, &format!("T-{at:02}"), "opened");
    }
    for at in 0..customers {
        buys(&mut logs, day(3) + at as i64, &format!("c{at:02}"));
    }
    logs
}

/// Words of so many accounts: a risk for each.
fn words(risks: &[(i64, u32)]) -> Vec<Log> {
    let mut log = Log::default();
    for (cycle, (at_ms, risk_ppm)) in (1..).zip(risks) {
        for account in 0..20 {
            let (customer, account) = (format!("c{account:02}"), format!("a{account:02}"));
            let part = AccountPart {
                currency: "USD".to_owned(),
                risk_ppm: Some(*risk_ppm),
                revenue_365_minor: Some(100_000),
                ..AccountPart::default()
            };
            let word = Word {
                customer: customer.as_bytes(),
                account: &account,
                lifecycle: "active",
                risk_band: None,
                as_of_ms: *at_ms,
                revenue_minor: 0,
                part: Some(&part),
                opportunities: &[],
            };
            let Told { key, value } = Told::of(joined(&word, (1, cycle)));
            log.push(0, *at_ms, Some(key), value);
        }
    }
    vec![log]
}

fn runner(plan: &Plan, logs: &[Log], to_ms: i64) -> Runner {
    let mut runner =
        Runner::new(&Arc::new(plan.clone()), 0, 1, logs.to_vec(), Schedule::straight(1));
    runner.drain();
    runner.pass_to(to_ms);
    runner
}

fn ended_by_change(runner: &Runner) -> usize {
    let rows = runner.tables.rows("alert_history");
    rows.filter(|row| row.text("note") == "the rule has changed").count()
}

/// Takes over with other rules, once straight and once with a second take-over after a cycle that had no room for everybody.
fn taken_over_twice(before: &Plan, after: &Plan, logs: &[Log]) -> Runner {
    let [mut before, mut after] = [before.clone(), after.clone()];
    before.limits.cycle_records_max = 3;
    after.limits.cycle_records_max = 3;
    let mut straight = runner(&before, logs, day(5));
    assert_eq!(take_over(&mut straight, &after), ["the alert rules"]);
    straight.pass_to(day(7));
    let mut twice = runner(&before, logs, day(5));
    assert_eq!(take_over(&mut twice, &after), ["the alert rules"]);
    let told = twice.alerts.len();
    twice.cycle(day(5) + HOUR_MS);
    assert!(twice.alerts.len() > told && twice.alerts.len() < straight.alerts.len());
    assert_eq!(
        take_over(&mut twice, &after),
        Vec::<String>::new(),
        "the state knows the rules already"
    );
    twice.pass_to(day(7));
    assert_eq!(transitions(&twice), transitions(&straight));
    told_once(&twice);
    twice
}

#[test]
fn a_change_of_rules_outlives_a_second_take_over() {
    let before = plan(&[("bought", "customer", "orders >= 1")]);
    let after = plan(&[
        ("bought", "customer", "orders >= 1 or orders >= 9"),
        ("loyal", "customer", "orders >= 2"),
        ("waiting", "ticket", "ticket_open"),
    ]);
    let twice = taken_over_twice(&before, &after, &town(30));
    assert_eq!(ended_by_change(&twice), 30);
    let firing = in_phase(&twice, "firing");
    for rule in ["bought", "loyal", "waiting"] {
        assert_eq!(firing.iter().filter(|row| row.text("rule") == rule).count(), 30, "{rule}");
    }
}

#[test]
fn a_change_of_rules_about_accounts_outlives_a_second_take_over() {
    let of_accounts =
        |list: &[(&str, &str, &str)]| Plan { alerts: rule_set(list), ..account_plan("USD") };
    let before = of_accounts(&[("open", "account", "members >= 1")]);
    let after = of_accounts(&[
        ("open", "account", "members >= 1 or members >= 9"),
        ("risky", "account", "risk >= 0.5 else no"),
    ]);
    let twice = taken_over_twice(&before, &after, &words(&[(day(0), 900_000)]));
    assert_eq!(ended_by_change(&twice), 20);
    assert_eq!(in_phase(&twice, "firing").len(), 40);
}

/// No rule is left: what they had raised ends; with the same rules again it is raised anew, under other ids.
fn gone_and_back(with: &Plan, without: &Plan, logs: &[Log], raised: usize) -> Runner {
    let mut runner = runner(with, logs, day(5));
    assert_eq!(in_phase(&runner, "firing").len(), raised);
    let ids = |runner: &Runner| -> BTreeSet<String> {
        in_phase(runner, "firing").iter().map(|row| row.text("alert_id").to_owned()).collect()
    };
    let before = ids(&runner);
    take_over(&mut runner, without);
    runner.pass_to(day(6));
    assert_eq!(in_phase(&runner, "firing").len(), 0);
    assert_eq!(in_phase(&runner, "resolved").len(), raised);
    assert_eq!(ended_by_change(&runner), raised);
    take_over(&mut runner, with);
    runner.pass_to(day(7));
    assert_eq!(in_phase(&runner, "firing").len(), raised);
    assert!(ids(&runner).is_disjoint(&before));
    assert!(in_phase(&runner, "firing").iter().all(|row| row.int("episode") == 2));
    told_once(&runner);
    runner
}

#[test]
fn the_last_rule_ends_what_it_had_raised_and_comes_back_under_other_ids() {
    let with = [("bought", "customer", "orders >= 1"), ("waiting", "ticket", "ticket_open")];
    gone_and_back(&plan(&with), &plan(&[]), &town(10), 20);
    // one of them goes
    let mut one = runner(&plan(&with), &town(4), day(5));
    take_over(&mut one, &plan(&with[..1]));
    one.pass_to(day(6));
    assert_eq!((in_phase(&one, "firing").len(), in_phase(&one, "resolved").len()), (4, 4));
    take_over(&mut one, &plan(&with));
    one.pass_to(day(7));
    assert_eq!(in_phase(&one, "firing").len(), 8);
    told_once(&one);
}

#[test]
fn the_last_rule_about_accounts_ends_what_it_had_raised() {
    let of_accounts =
        |list: &[(&str, &str, &str)]| Plan { alerts: rule_set(list), ..account_plan("USD") };
    let with = of_accounts(&[("open", "account", "members >= 1")]);
    gone_and_back(&with, &of_accounts(&[]), &words(&[(day(0), 900_000)]), 20);
}

/// Only one ticket of a customer is remembered. One that was forgotten counts as new when it is heard of again; its alert is not the
/// old one.
#[test]
fn a_forgotten_ticket_comes_back_under_other_ids() {
    let mut plan = plan(&[("waiting", "ticket", "ticket_open")]);
    plan.limits.tickets_max = 1;
    let mut logs = vec![Log::default(); 3];
    for (at, id, action) in [
        (0, "T1", "opened"),
        (1, "T1", "resolved"),
        (2, "T2", "opened"),
        (3, "T2", "resolved"),
        (4, "T1", "reopened"),
        (5, "T1", "resolved"),
    ] {
        ticket(&mut logs, day(at), "c1", id, action);
    }
    let runner = runner(&plan, &logs, day(6));
    let whats: Vec<(String, i64)> =
        of(&runner, "waiting", "T1").into_iter().map(|(what, _, at)| (what, at)).collect();
    let expected = [("raised", 0), ("resolved", 1), ("raised", 4), ("resolved", 5)];
    assert_eq!(whats, expected.map(|(what, at)| (what.to_owned(), at)));
    told_once(&runner);
}

/// Of who says nothing the risk rises: a rule that asks by how much must not wait for a word.
#[test]
fn a_new_rise_is_measured_for_those_of_whom_nothing_is_heard() {
    let rise = ("rising", "customer", "rise(risk, 7d) >= 0.02 else no");
    let mut logs = vec![Log::default(); 3];
    for at in 0..7 {
        buys(&mut logs, day(10 * at), "silent");
    }
    let mut known = runner(&plan(&[rise]), &logs, day(100));
    assert!(!of(&known, "rising", "silent").is_empty());
    let mut new = runner(&plan(&[]), &logs, day(64));
    assert_eq!(take_over(&mut new, &plan(&[rise])), ["the alert rules"]);
    new.pass_to(day(100));
    let found = of(&new, "rising", "silent");
    assert!(found.first().is_some_and(|(what, _, at)| what == "raised" && *at > 64), "{found:?}");
    // without the rule the midnights are forgotten: with it again nothing is measured over the gap
    take_over(&mut known, &plan(&[]));
    known.pass_to(day(200));
    take_over(&mut known, &plan(&[rise]));
    known.pass_to(day(201));
    assert_eq!(in_phase(&known, "firing").len(), 0);
    told_once(&known);
}

#[test]
fn a_new_rise_is_measured_for_accounts_of_which_nothing_is_heard() {
    let with = Plan {
        alerts: rule_set(&[("rising", "account", "rise(risk, 7d) >= 0.3 else no")]),
        ..account_plan("USD")
    };
    let without = Plan { alerts: rule_set(&[]), ..account_plan("USD") };
    let logs = words(&[(day(0), 100_000), (day(10), 900_000)]);
    let mut runner = Runner::new(&Arc::new(without), 0, 1, logs, Schedule::straight(1));
    let all = std::mem::replace(&mut runner.visible, vec![20]);
    runner.drain();
    runner.pass_to(day(4));
    take_over(&mut runner, &with);
    runner.pass_to(day(8));
    runner.visible = all;
    runner.drain();
    runner.pass_to(day(10) + DAY_MS / 2);
    let firing = in_phase(&runner, "firing");
    assert_eq!(firing.len(), 20);
    assert!(firing.iter().all(|row| row.int("at") as i64 == day(10)));
}
