//! Holds the history of customers against the slow recomputation, and its last row against the customer's row.

use std::collections::{BTreeMap, BTreeSet};

use retain::model::table::{Column, Table};
use retain::plan::Plan;

use crate::oracle::catalogue::day_of;
use crate::oracle::{Event, Expected, days};
use crate::rowbinary::{Row, Tables};

/// Recomputations of one customer cost this many events at most.
const WORK_MAX: usize = 4_000;

/// The rows of each customer, by day.
pub fn by_customer(tables: &Tables) -> BTreeMap<&str, BTreeMap<i64, &Row>> {
    let mut rows: BTreeMap<&str, BTreeMap<i64, &Row>> = BTreeMap::new();
    for row in tables.rows("customer_history") {
        rows.entry(row.text("customer_id")).or_default().insert(row.int("day") as i64, row);
    }
    rows
}

/// Columns that a row of the history shares with the customer's row at that moment.
pub fn shared(history: &Row, customer: &Row) -> Vec<&'static str> {
    let now = Table::Customers.columns();
    let both = |c: &&Column| now.iter().any(|n| n.name == c.name) && c.name != "version";
    let columns = Table::CustomerHistory.columns().iter().filter(both);
    // a refreshed row is judged as of later
    let judged = customer.int("judged_at") == history.int("as_of");
    // and names the cut-offs of then, by which nothing has moved
    let same = customer.int("version") == history.int("version");
    columns
        .map(|c| c.name)
        .filter(|name| judged || !["risk", "loyalty", "quadrant"].contains(name))
        // what serving costs is as it was known when the customer was valued
        .filter(|name| *name != "clv")
        .filter(|name| same || *name != "tier_version")
        .collect()
}

/// The last row of each customer is how the customer stands; each row lies on its day; nothing that only grows falls.
pub fn check_last(plan: &Plan, tables: &Tables, seed: &str) {
    let history = by_customer(tables);
    let mut customers = 0;
    for row in tables.rows("customers") {
        customers += 1;
        let id = row.text("customer_id");
        let days = history.get(id).unwrap_or_else(|| panic!("no history of {id}, {seed}"));
        let last = days.last_key_value().unwrap().1;
        for name in shared(last, row) {
            assert_eq!(last.get(name), row.get(name), "{name} of the last day of {id}, {seed}");
        }
        let mut before: Option<&Row> = None;
        for (day, row) in days {
            let as_of = day_of(plan, row.int("as_of") as i64);
            let moved = row.maybe_int("tier_since").map(|at| day_of(plan, at as i64));
            assert!(*day == as_of || Some(*day) <= moved, "{id} on day {day}, {seed}");
            for name in ["as_of", "refunds", "tickets", "visits"] {
                let fell = before.is_some_and(|before| before.int(name) > row.int(name));
                assert!(!fell, "{name} of {id} on day {day}, {seed}");
            }
            before = Some(row);
        }
    }
    assert_eq!(history.len(), customers, "customers with a history, {seed}");
}

/// Every row, where events were applied in the order of the merge: the days are those of the events and of dues, and each
/// holds what the events by then come to.
pub fn check_days(plan: &Plan, tables: &Tables, expected: &Expected, seed: &str) {
    let history = by_customer(tables);
    let proposed = |row: &Row| {
        (row.text("customer_id").to_owned(), day_of(plan, row.int("proposed_at") as i64))
    };
    let proposed: BTreeSet<(String, i64)> = tables.rows("opportunities").map(proposed).collect();
    let (mut looked, mut returned) = (0, 0);
    for (id, events) in &expected.events {
        let (rows, changed) = (&history[id.as_str()], days::days(plan, events));
        let place = |day: &i64| format!("{id} on day {day}, {seed}");
        for (day, _) in &changed {
            assert!(rows.contains_key(day), "no row of {}", place(day));
        }
        let known = |day: &i64| {
            let by_then = changed.iter().take_while(|(changed, _)| changed <= day).last();
            by_then.unwrap_or_else(|| panic!("{} nothing had happened", place(day))).1
        };
        let step = (rows.len() * events.len()).div_ceil(WORK_MAX).max(1);
        for (day, row) in rows.iter().rev().step_by(step) {
            check_row(plan, row, &events[..known(day)], &place(day));
            let by_event = changed.iter().any(|(changed, _)| changed == day);
            if !by_event && !proposed.contains(&(id.clone(), *day)) {
                let before = rows.range(..day).next_back().unwrap().1;
                looked += 1;
                returned += usize::from(!has_moved(plan, before, row, *day));
            }
        }
    }
    // a day without an event and a proposal is there because something moved; hardly ever it came back on the same day
    assert!(
        returned * 50 <= looked,
        "{returned} of {looked} days on which nothing happened, {seed}"
    );
}

/// Whether the lifecycle, the band of the risk or the tier shows that it moved on a day.
fn has_moved(plan: &Plan, before: &Row, row: &Row, day: i64) -> bool {
    day_of(plan, row.int("lifecycle_since") as i64) == day
        || before.get("tier_since") != row.get("tier_since")
        || before.int("risk_band") != row.int("risk_band")
}

fn check_row(plan: &Plan, row: &Row, events: &[Event], place: &str) {
    let (c, opening) = days::known(plan, events);
    let as_of = row.int("as_of") as i64;
    assert!(as_of >= c.last_ms, "as_of of {place} is {as_of}, after {}", c.last_ms);
    for name in [
        "t_first",
        "t_last",
        "n_days",
        "orders",
        "refunds",
        "revenue_minor",
        "activated_at",
        "open_tickets",
        "open_complaints",
        "tickets",
        "visits",
    ] {
        assert_eq!(row.maybe_int(name), c.ints[name], "{name} of {place}");
    }
    assert_eq!(row.int("opening_minor"), opening, "opening_minor of {place}");
    for name in ["account_id", "region", "industry", "segment", "owner_id"] {
        assert_eq!(row.text(name), c.texts[name], "{name} of {place}");
    }
    for (name, sum) in [("csat_sum", "csat_180"), ("csat_n", "csat_n_180")] {
        near(Some(row.float(name)), Some(c.sum(sum, as_of)), &format!("{name} of {place}"));
    }
    let judged = c.judge(plan, as_of);
    let of = |name: &str| format!("{name} of {place}");
    near(row.maybe_float("risk"), judged.as_ref().map(|j| j.risk.score), &of("risk"));
    let loyalty = judged.as_ref().map(|j| 100.0 * j.loyalty.score);
    near(row.maybe_float("loyalty"), loyalty, &of("loyalty"));
    if judged.as_ref().is_none_or(|j| !j.on_edge) {
        let word = judged.as_ref().map_or("", |j| j.quadrant);
        assert_eq!(row.text("quadrant"), word, "{}", of("quadrant"));
    }
    if let Some(judged) = &judged {
        let band = row.int("risk_band") as usize;
        super::catalogue::check_band(plan, band, judged.risk.score, &of("risk_band"));
    }
    near(row.maybe_float("clv"), c.values(plan, as_of).and_then(|v| v.2), &of("clv"));
}

fn near(got: Option<f64>, want: Option<f64>, place: &str) {
    assert_eq!(got.is_some(), want.is_some(), "{place} is {got:?}, expected {want:?}");
    if let (Some(got), Some(want)) = (got, want) {
        let most = 1e-9 * want.abs().max(1.0);
        assert!((got - want).abs() <= most, "{place} is {got}, expected {want}");
    }
}
