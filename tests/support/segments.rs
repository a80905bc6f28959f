//! What must hold of the table of segments whatever came in which order: sums over a dimension, customers as they stand in
//! the end, and what was bought, rated and asked in each hour.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use crate::oracle::{Cell, Expected, Flows};
use crate::rowbinary::Tables;

/// The columns of a cell: customers by lifecycle, their moves, what happened.
pub const COLUMNS: [&str; 19] = [
    "net_prospect",
    "net_new",
    "net_active",
    "net_slipping",
    "net_dormant",
    "net_lost",
    "net_won_back",
    "new_customers",
    "activated",
    "lost",
    "won_back",
    "orders",
    "revenue_minor",
    "tickets",
    "ratings",
    "rating_sum",
    "nps_answers",
    "promoters",
    "detractors",
];
/// Of them the ones that are about customers.
const CUSTOMERS: usize = 11;
/// Of them the ones that are changes of a state.
const STATES: usize = 7;
const HOUR_MS: i64 = 3_600_000;

/// The rows added over shards and what came late; what comes to nothing is left out.
pub fn flows(tables: &Tables) -> Flows {
    let mut sums = Flows::new();
    for row in tables.rows("segments") {
        let (dimension, value) = (row.text("dimension").to_owned(), row.text("value").to_owned());
        let hour_ms = row.int("hour") as i64;
        assert_eq!(hour_ms % HOUR_MS, 0);
        let cell = sums.entry((dimension, value, hour_ms)).or_default();
        cell.iter_mut().zip(COLUMNS).for_each(|(sum, name)| *sum += row.int(name));
    }
    sums.retain(|_, cell| *cell != Cell::default());
    sums
}

/// Two such tables, cell by cell.
pub fn assert_same(have: &Flows, want: &Flows, seed: &str) {
    for place in want.keys().chain(have.keys()) {
        let (have, want) = (have.get(place), want.get(place));
        assert_eq!(have, want, "{place:?} of {COLUMNS:?}, {seed}");
    }
}

/// Everything about the table that follows from the events without their order, and from the rows of the customers.
pub fn check(tables: &Tables, expected: &Expected, seed: &str) {
    let flows = flows(tables);
    check_sums(&flows, seed);
    check_events(&flows, expected, seed);
    check_stock(&flows, tables, seed);
}

/// Of each hour: the values of a dimension come to what is counted of all.
fn check_sums(flows: &Flows, seed: &str) {
    let mut sums: BTreeMap<&str, BTreeMap<i64, Cell>> = BTreeMap::new();
    for ((dimension, _, hour), cell) in flows {
        let sum = sums.entry(dimension).or_default().entry(*hour).or_default();
        sum.iter_mut().zip(cell).for_each(|(sum, n)| *sum += n);
    }
    sums.values_mut().for_each(|hours| hours.retain(|_, cell| *cell != Cell::default()));
    let all = sums.remove("all").unwrap_or_default();
    let mut of_events = all.clone();
    of_events.values_mut().for_each(|cell| cell[..CUSTOMERS].fill(0));
    of_events.retain(|_, cell| *cell != Cell::default());
    // a change from one value to another is nothing to all: those cells cancel
    let dimensions = [
        ("channel", &of_events),
        ("region", &all),
        ("industry", &all),
        ("owner", &all),
        ("tier", &all),
    ];
    for (dimension, want) in dimensions {
        let have = sums.remove(dimension).unwrap_or_default();
        for hour in have.keys().chain(want.keys()) {
            let (have, want) = (have.get(hour), want.get(hour));
            assert_eq!(have, want, "{dimension} of {hour}: {COLUMNS:?}, {seed}");
        }
    }
    assert!(sums.is_empty(), "{:?}, {seed}", sums.keys());
}

/// What happened in each hour, of all and by channel.
fn check_events(flows: &Flows, expected: &Expected, seed: &str) {
    let mut have = Flows::new();
    for ((dimension, value, hour), cell) in flows {
        let mut cell = *cell;
        cell[..CUSTOMERS].fill(0);
        if ["all", "channel"].contains(&dimension.as_str()) && cell != Cell::default() {
            have.insert((dimension.clone(), value.clone(), *hour), cell);
        }
    }
    assert_same(&have, &expected.flows, seed);
}

/// Summed up to any hour no group has fewer than no customers, and in the end it has those whose rows say so.
fn check_stock(flows: &Flows, tables: &Tables, seed: &str) {
    let mut stock: BTreeMap<(&str, &str), [i128; STATES]> = BTreeMap::new();
    for ((dimension, value, hour), cell) in flows {
        let sum = stock.entry((dimension, value)).or_default();
        sum.iter_mut().zip(cell).for_each(|(sum, n)| *sum += n);
        // cut-offs may hold from a moment that a shard has not come to
        if dimension != "tier" {
            assert!(sum.iter().all(|n| *n >= 0), "{dimension} {value:?} {hour}: {sum:?}, {seed}");
        }
    }
    let mut want: BTreeMap<(&str, &str), [i128; STATES]> = BTreeMap::new();
    for row in tables.rows("customers") {
        let state = format!("net_{}", row.text("lifecycle"));
        let state = COLUMNS.iter().position(|name| *name == state).unwrap();
        let values = [
            ("all", ""),
            ("region", row.text("region")),
            ("industry", row.text("industry")),
            ("owner", row.text("owner_id")),
            ("tier", row.text("tier")),
        ];
        for place in values {
            want.entry(place).or_default()[state] += 1;
        }
    }
    stock.retain(|_, states| *states != [0; STATES]);
    assert_eq!(stock, want, "customers of segments, {seed}");
}
