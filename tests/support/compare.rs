//! Holds what a machine committed against the slow recomputation: integers exactly, decayed sums to 1e-9 of their
//! absolute parts.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

#[path = "compare_catalogue.rs"]
pub mod catalogue;
#[path = "compare_history.rs"]
pub mod history;
#[path = "segments.rs"]
pub mod segments;

use std::collections::{BTreeMap, BTreeSet};

use retain::model::outcome::Outcome;
use retain::plan::Plan;

use crate::oracle::owed;
use crate::oracle::{Customer, Expected, Minute, Tally};
use crate::rowbinary::{Row, Tables};
use crate::sim::Runner;

/// Everything a shard committed.
pub fn check_shard(plan: &Plan, runner: &Runner, expected: &Expected) {
    let seed = runner.seed();
    for (s, counts) in runner.counts.iter().enumerate() {
        assert_eq!(counts.by_outcome, expected.counts[s], "outcomes of source {s}, {seed}");
        assert_eq!(
            runner.consumed_to[s], runner.logs[s].end,
            "source {s} is read to its end, {seed}"
        );
    }
    assert_eq!(runner.id_hashes, expected.id_hashes, "applied ids, {seed}");
    check_letters(runner, expected);
    check_tables(plan, &runner.tables, expected, runner.order_breaks == 0, &seed);
    if runner.order_breaks == 0 {
        history::check_days(plan, &runner.tables, expected, &seed);
    }
    check_events(plan, runner, expected);
    check_ledger(plan, runner);
}

/// Customers, activity and segments. `in_order`: nothing came later than its time allows.
pub fn check_tables(plan: &Plan, tables: &Tables, expected: &Expected, in_order: bool, seed: &str) {
    catalogue::check_columns();
    let rows: BTreeMap<&str, &Row> =
        tables.rows("customers").map(|r| (r.text("customer_id"), r)).collect();
    let ids = |m: &mut dyn Iterator<Item = &str>| m.map(str::to_owned).collect::<BTreeSet<_>>();
    let (have, want) =
        (ids(&mut rows.keys().copied()), ids(&mut expected.customers.keys().map(String::as_str)));
    assert_eq!(have, want, "customers, {seed}");
    for (id, row) in rows {
        let (want, place) = (&expected.customers[id], format!("customer {id}, {seed}"));
        check_customer(row, want, &place);
        catalogue::check(plan, row, want, in_order, &place);
    }
    owed::check(tables, expected, seed);
    history::check_last(plan, tables, seed);
    assert_eq!(activity(tables), expected.activity, "activity, {seed}");
    segments::check(tables, expected, seed);
}

fn check_customer(row: &Row, expected: &Customer, place: &str) {
    for (name, value) in &expected.ints {
        assert_eq!(row.maybe_int(name), *value, "{name} of {place}");
    }
    for (name, value) in &expected.texts {
        assert_eq!(row.text(name), value, "{name} of {place}");
    }
    let buckets: Vec<(i128, i128)> = row
        .ints("spend_bucket_ids")
        .iter()
        .copied()
        .zip(row.ints("spend_bucket_minor").iter().copied())
        .collect();
    let want: Vec<(i128, i128)> = expected.buckets.iter().map(|(k, v)| (*k, *v)).collect();
    assert_eq!(buckets, want, "buckets of {place}");
    for (name, time, sum) in &expected.sums {
        let tau_ms = row.int(time) as i64;
        if let Some(latest) = sum.parts.iter().map(|p| p.0).max() {
            // a visit whose first event came late leaves the landmark where the later one put it
            assert!(tau_ms >= latest, "{time} of {place} is {tau_ms}, an event has {latest}");
        }
        let (value, absolute) = sum.at(tau_ms);
        let got = row.float(name);
        assert!(
            (got - value).abs() <= 1e-9 * absolute,
            "{name} of {place} is {got}, expected {value} (absolute {absolute})"
        );
    }
}

/// The activity view: rows added by source, minute, type and channel.
pub fn activity(tables: &Tables) -> BTreeMap<Minute, Tally> {
    let mut sums: BTreeMap<Minute, Tally> = BTreeMap::new();
    for row in tables.rows("activity") {
        let texts = ["source", "type", "channel"].map(|name| row.text(name).to_owned());
        let [source, kind, channel] = texts;
        let sum = sums.entry((source, row.int("minute") as i64, kind, channel)).or_default();
        sum.0 += row.int("events");
        sum.1 += row.int("revenue_minor");
        sum.2 += row.int("tickets");
    }
    sums
}

/// Late and rejected records, each once, their bytes untouched.
pub fn check_letters(runner: &Runner, expected: &Expected) {
    let seed = runner.seed();
    let mut seen = BTreeMap::new();
    for letter in &runner.letters {
        let (source, offset) = (usize::from(letter.source), letter.offset);
        let entry = &runner.logs[source].range(offset, offset + 1)[0];
        assert_eq!(letter.payload, entry.payload, "value at {source}/{offset}, {seed}");
        assert_eq!(letter.key, entry.key, "key at {source}/{offset}, {seed}");
        assert_eq!(letter.kafka_ms, entry.kafka_ms, "time at {source}/{offset}, {seed}");
        let before = seen.insert((source, offset), letter.outcome as usize);
        assert_eq!(before, None, "{source}/{offset} was put aside twice, {seed}");
    }
    let aside = [Outcome::Late as usize, Outcome::Rejected as usize];
    let want: BTreeMap<(usize, i64), usize> = expected
        .outcomes
        .iter()
        .filter(|(_, o)| aside.contains(o))
        .map(|(k, o)| (*k, *o))
        .collect();
    assert_eq!(seen, want, "put aside, {seed}");
}

/// The events table holds each applied event that it keeps, with the record's bytes.
fn check_events(plan: &Plan, runner: &Runner, expected: &Expected) {
    let mut kept = BTreeSet::new();
    for row in runner.tables.rows("events") {
        let source = plan.sources.iter().position(|s| s.name == row.text("source")).unwrap();
        let offset = row.int("offset") as i64;
        if row.text("type") == "session" {
            assert_eq!(
                expected.outcomes[&(source, offset)],
                0,
                "session at {offset}, {}",
                runner.seed()
            );
            continue;
        }
        let entry = &runner.logs[source].range(offset, offset + 1)[0];
        assert_eq!(Some(row.bytes("payload")), entry.payload.as_deref(), "{}", runner.seed());
        kept.insert((source, offset));
    }
    assert_eq!(kept, expected.kept, "events, {}", runner.seed());
}

/// The ledger rows chain from the first offset to the last, and add up.
fn check_ledger(plan: &Plan, runner: &Runner) {
    let names: Vec<&str> = plan.sources.iter().map(|s| s.name.as_str()).collect();
    let outcomes = Outcome::ALL.map(Outcome::name);
    let mut to: Vec<Option<i128>> = vec![None; names.len()];
    let mut counts = vec![[0_u64; 5]; names.len()];
    let mut rows: Vec<&Row> = runner.tables.rows("ledger").collect();
    rows.sort_by_key(|row| row.int("version"));
    for row in rows {
        let source = names.iter().position(|n| *n == row.text("source")).unwrap();
        let from = row.int("offset_from");
        assert_eq!(
            from,
            to[source].unwrap_or(from),
            "ledger of source {source}, {}",
            runner.seed()
        );
        to[source] = Some(row.int("offset_to"));
        for (count, name) in counts[source].iter_mut().zip(outcomes) {
            *count += row.int(name) as u64;
        }
    }
    for (source, count) in counts.iter().enumerate() {
        assert_eq!(*count, runner.counts[source].by_outcome, "{}", runner.seed());
    }
}
