//! A few customers, tickets and accounts by hand, rules in one line each, and what a shard told of their alerts. Needs `plans`,
//! `rowbinary`, `sim` and `stream` beside it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retain::plan::{Plan, RuleFile, rules};
use retain::rule::definition::RuleSet;
use retain::wire::mail::{Act, Said};

use crate::rowbinary::{Row, Value};
use crate::sim::{Log, Runner};
use crate::stream::{BEGIN_MS, DAY_MS, spell_time};

/// Rules: name, subject and what raises them.
pub fn rule_set(list: &[(&str, &str, &str)]) -> Arc<RuleSet> {
    let rule = |(name, subject, raise): &(&str, &str, &str)| {
        format!(
            "[[alert]]\nname = \"{name}\"\nabout = \"x\"\nsubject = \"{subject}\"\nraise = \"{raise}\"\ncooldown = \"30d\"\nnext_step = \"y\"\n\
             events = [\"purchase\"]\n"
        )
    };
    let text: String = list.iter().map(rule).collect();
    let (found, problems) = rules(&[RuleFile { name: "rules.toml", text: &text }]);
    Arc::new(found.unwrap_or_else(|| panic!("{problems:?}")).set)
}

/// The plan of [`crate::plans`] with rules.
pub fn plan(list: &[(&str, &str, &str)]) -> Plan {
    Plan { alerts: rule_set(list), ..crate::plans::plan() }
}

/// A day of the story, milliseconds.
pub fn day(day: i64) -> i64 {
    BEGIN_MS + day * DAY_MS
}

/// Appends an event of a customer to the log of its source.
fn push(log: &mut Log, at_ms: i64, customer: &str, fields: &str) {
    let (id, ts) = (log.end, spell_time(at_ms, 0));
    let payload =
        format!(r#"{{"event_id":"e{id}","customer_id":"{customer}","ts":"{ts}",{fields}}}"#);
    log.push(0, at_ms, Some(customer.into()), Some(payload.into_bytes()));
}

/// A purchase.
pub fn buys(logs: &mut [Log], at_ms: i64, customer: &str) {
    push(&mut logs[0], at_ms, customer, r#""amount":5,"currency":"USD""#);
}

/// Something happens to a ticket: opened, resolved, reopened.
pub fn ticket(logs: &mut [Log], at_ms: i64, customer: &str, id: &str, action: &str) {
    let fields = format!(r#""ticket_id":"{id}","action":"{action}","by":"agent""#);
    push(&mut logs[1], at_ms, customer, &fields);
}

/// Every transition, without when it was noticed and in which cycle.
pub fn transitions(runner: &Runner) -> Vec<Vec<(String, Value)>> {
    let rows = runner.tables.rows("alert_history");
    rows.map(|row| row.without(&["version", "detected_at", "catch_up", "due_at"])).collect()
}

/// The transitions of a subject: what, by whom, and the day.
pub fn of(runner: &Runner, rule: &str, subject: &str) -> Vec<(String, String, i64)> {
    let rows = runner.tables.rows("alert_history");
    let own = |row: &&Row| row.text("rule") == rule && row.text("subject_id") == subject;
    let mut found: Vec<&Row> = rows.filter(own).collect();
    found.sort_by_key(|row| (row.int("episode"), row.int("n")));
    let told = |row: &&Row| {
        let at = (row.int("at") as i64 - BEGIN_MS).div_euclid(DAY_MS);
        (row.text("what").to_owned(), row.text("by_kind").to_owned(), at)
    };
    found.iter().map(told).collect()
}

/// The last transition of each alert in a phase.
pub fn in_phase(runner: &Runner, phase: &str) -> Vec<Row> {
    runner.tables.rows("alerts").filter(|row| row.text("phase") == phase).cloned().collect()
}

/// Each id is of one subject and one episode, its transitions are numbered from 1, it is raised once, and `alerts` has the last.
pub fn told_once(runner: &Runner) {
    let mut of: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in runner.tables.rows("alert_history") {
        of.entry(row.text("alert_id").to_owned()).or_default().push(row);
    }
    let last: BTreeMap<String, &Row> =
        runner.tables.rows("alerts").map(|row| (row.text("alert_id").to_owned(), row)).collect();
    assert_eq!(of.len(), last.len());
    // rows of one key replace each other: only the records tell of an id that was given twice
    assert_eq!(of.values().map(Vec::len).sum::<usize>(), runner.alerts.len());
    for (id, mut rows) in of {
        rows.sort_by_key(|row| row.int("n"));
        let numbers: Vec<i128> = rows.iter().map(|row| row.int("n")).collect();
        assert_eq!(numbers, (1..=rows.len() as i128).collect::<Vec<_>>(), "{id}");
        let subjects: BTreeSet<(&str, &str)> =
            rows.iter().map(|row| (row.text("subject_id"), row.text("customer_id"))).collect();
        assert_eq!(subjects.len(), 1, "{id}");
        let (end, now) = (rows[rows.len() - 1], last[&id]);
        assert_eq!(end.text("what"), now.text("what"), "{id}");
        assert!(rows.iter().filter(|row| row.text("what") == "raised").count() <= 1, "{id}");
    }
}

/// What ann does about an alert.
pub fn said(id: u8, alert: &Row, act: Act) -> Said {
    Said {
        id: [id; 16],
        by: "ann".to_owned(),
        rule: alert.text("rule").to_owned(),
        subject: alert.text("subject_id").to_owned(),
        customer: alert.text("customer_id").to_owned(),
        episode: alert.int("episode") as u32,
        act,
        until_ms: None,
        note: "seen".to_owned(),
    }
}

/// Another owner takes over with this plan and finds the topics at their ends; what it re-times.
pub fn take_over(runner: &mut Runner, plan: &Plan) -> Vec<String> {
    let retimed = runner.take_over(&Arc::new(plan.clone()));
    runner.drain();
    retimed
}
