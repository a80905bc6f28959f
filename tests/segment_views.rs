//! The views of segments on the real engine, held against sums over the rows made plainly here.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/rows.rs"]
mod rows;

use std::collections::BTreeMap;

use engine::Engine;
use retain::model::table::Table;
use retain::shell::migrate::{Retention, migrate};
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use rows::{Values, block};
use serde_json::Value;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 2026-03-01T00:00:00Z.
const BEGIN_MS: i64 = 1_772_323_200_000;
const DAYS: i64 = 90;

const STATES: [&str; 7] = ["prospect", "new", "active", "slipping", "dormant", "lost", "won_back"];
const NETS: [&str; 7] = [
    "net_prospect",
    "net_new",
    "net_active",
    "net_slipping",
    "net_dormant",
    "net_lost",
    "net_won_back",
];
const COUNTED: [&str; 12] = [
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

/// A row of the table: where, and the numbers in the order of `NETS` and `COUNTED`.
#[derive(Clone)]
struct Cell {
    group: (&'static str, &'static str),
    hour_ms: i64,
    shard: i64,
    late: i64,
    version: i64,
    numbers: [i64; 19],
}

impl Cell {
    fn values(&self) -> Values {
        let mut values: Values = vec![
            ("shard", self.shard.into()),
            ("dimension", self.group.0.into()),
            ("value", self.group.1.into()),
            ("hour", self.hour_ms.into()),
            ("late_version", self.late.into()),
            ("version", self.version.into()),
        ];
        let names = NETS.into_iter().chain(COUNTED);
        values.extend(names.zip(self.numbers.map(Into::into)));
        values
    }
}

/// Two shards, three groups, an hour now and then for 90 days, some late; numbers of any kind, stocks not below zero.
fn cells() -> Vec<Cell> {
    let groups = [("all", ""), ("region", "north"), ("owner", "u1")];
    let mut cells = Vec::new();
    for (at, group) in groups.into_iter().enumerate() {
        for n in 0..60_i64 {
            for shard in 0..2 {
                let mut numbers = [0; 19];
                for (place, number) in numbers.iter_mut().enumerate() {
                    *number = (n * 7 + place as i64 * 5 + shard * 3 + at as i64) % 11;
                }
                // customers come early and leave later
                (0..7).filter(|_| n > 20).for_each(|place| numbers[place] = -(n % 2));
                numbers[12] = numbers[12] * 1_000 - 2_000;
                // nobody rates in the first group after the first month; ratings are between 1 and 5
                numbers[14] = if at == 0 && n > 20 { 0 } else { numbers[14] };
                numbers[15] = numbers[14] * (1 + n % 5);
                numbers[16] = numbers[17] + numbers[18] + n % 3;
                let hour_ms = BEGIN_MS + n * (DAYS / 60) * DAY_MS + n % 24 * HOUR_MS;
                let late = if n % 9 == 4 { 500 + n } else { 0 };
                cells.push(Cell { group, hour_ms, shard, late, version: 900 + n, numbers });
            }
        }
    }
    cells
}

async fn engine_with(cells: &[Cell]) -> Engine {
    let engine = Engine::start();
    let kept = Retention { events_days: 0, ledger_days: 0, history_days: 0 };
    let databases = Databases::new("retain", 1).unwrap();
    migrate(&engine.client(), &plans::plan(), &databases, kept).await.unwrap();
    let sink = Sink::new(engine.client(), SinkOptions::new("retain_g1"));
    let older = cells.iter().map(|cell| {
        let mut cell = cell.clone();
        cell.version -= 800;
        cell.numbers.iter_mut().for_each(|n| *n += 1);
        cell.values()
    });
    // what an hour was before it was whole, and the newest twice
    sink.carry(&[block(Table::Segments, &older.collect::<Vec<_>>())]).await.unwrap();
    let newest: Vec<Values> = cells.iter().map(Cell::values).collect();
    for _ in 0..2 {
        sink.carry(&[block(Table::Segments, &newest)]).await.unwrap();
    }
    engine
}

fn float(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        number => number.as_f64().unwrap_or_else(|| panic!("{number} is not a number")),
    }
}

/// Sums of the cells of a group in `[from_ms, to_ms)`.
fn sum(
    cells: &[Cell],
    group: (&str, &str),
    from_ms: i64,
    to_ms: i64,
) -> BTreeMap<&'static str, f64> {
    let mut sums = BTreeMap::new();
    let within = |cell: &&Cell| cell.group == group && (from_ms..to_ms).contains(&cell.hour_ms);
    for name in NETS.into_iter().chain(COUNTED) {
        sums.insert(name, 0.0);
    }
    for cell in cells.iter().filter(within) {
        for (name, n) in NETS.into_iter().chain(COUNTED).zip(cell.numbers) {
            *sums.get_mut(name).unwrap() += n as f64;
        }
    }
    sums
}

fn share(whole: f64, value: f64) -> Option<f64> {
    (whole > 0.0).then_some(value / whole)
}

/// What a view that looks at `[since_ms, until_ms)` must say of a group.
fn summary(
    cells: &[Cell],
    group: (&str, &str),
    since_ms: i64,
    until_ms: i64,
) -> BTreeMap<String, Option<f64>> {
    let mut want = BTreeMap::new();
    let mut kept_at_start = 0.0;
    for (suffix, to_ms) in [("_at_start", since_ms), ("", until_ms)] {
        let stock = sum(cells, group, i64::MIN, to_ms);
        for (state, net) in STATES.into_iter().zip(NETS) {
            want.insert(format!("{state}{suffix}"), Some(stock[net]));
        }
        let kept: f64 = [1, 2, 3, 4, 6].iter().map(|at| stock[NETS[*at]]).sum();
        want.insert(format!("kept{suffix}"), Some(kept));
        if suffix == "_at_start" {
            kept_at_start = kept;
        }
    }
    let within = sum(cells, group, since_ms, until_ms);
    let before = sum(cells, group, 2 * since_ms - until_ms, since_ms);
    for name in ["new_customers", "activated", "orders", "tickets"] {
        want.insert(name.to_owned(), Some(within[name]));
    }
    for name in ["lost", "won_back"] {
        want.insert(format!("{name}_customers"), Some(within[name]));
    }
    want.insert("lost_share".to_owned(), share(kept_at_start, within["lost"]));
    for (suffix, sums) in [("", &within), ("_before", &before)] {
        let n = sums["ratings"];
        want.insert(format!("revenue_minor{suffix}"), Some(sums["revenue_minor"]));
        want.insert(format!("csat_n{suffix}"), Some(n));
        want.insert(format!("csat{suffix}"), share(n, (sums["rating_sum"] - n) / 4.0));
    }
    let change = share(before["revenue_minor"], within["revenue_minor"]).map(|ratio| ratio - 1.0);
    want.insert("revenue_change".to_owned(), change);
    let n = within["nps_answers"];
    want.insert("nps_n".to_owned(), Some(n));
    let nps = share(n, 100.0 * (within["promoters"] - within["detractors"]));
    want.insert("nps".to_owned(), nps);
    want
}

fn check(shown: &[Value], cells: &[Cell], since_ms: i64, until_ms: i64) -> usize {
    assert_eq!(shown.len(), 3);
    let mut nulls = 0;
    for row in shown {
        let group = (row["dimension"].as_str().unwrap(), row["value"].as_str().unwrap());
        let want = summary(cells, group, since_ms, until_ms);
        // besides what is held against it: dimension, value, since, until
        assert_eq!(row.as_object().unwrap().len(), want.len() + 4, "{row}");
        for (name, want) in want {
            match want {
                None => {
                    nulls += 1;
                    assert!(row[&name].is_null(), "{name} of {group:?} is {}", row[&name]);
                }
                Some(want) => {
                    let got = float(&row[&name]);
                    let near = (got - want).abs() <= 1e-9 * want.abs().max(1e-6);
                    assert!(near, "{name} of {group:?} is {got}, not {want}");
                }
            }
        }
    }
    nulls
}

#[tokio::test]
async fn hours_are_added_over_shards_and_what_came_late() {
    let cells = cells();
    let engine = engine_with(&cells).await;
    let shown = engine
        .rows("SELECT *, toUnixTimestamp64Milli(hour) AS hour_ms FROM retain.segments_hourly")
        .await;
    assert_eq!(shown.len(), 3 * 60);
    for row in &shown {
        let group = (row["dimension"].as_str().unwrap(), row["value"].as_str().unwrap());
        let hour_ms = float(&row["hour_ms"]) as i64;
        for (name, want) in sum(&cells, group, hour_ms, hour_ms + 1) {
            assert_eq!(float(&row[name]), want, "{name} of {group:?} at {hour_ms}");
        }
    }
}

#[tokio::test]
async fn what_became_of_a_group_between_two_moments() {
    let cells = cells();
    let engine = engine_with(&cells).await;
    let mut nulls = 0;
    for (from_d, to_d) in [(0, 30), (30, 60), (45, 90), (-30, -1), (89, 120)] {
        let (since_ms, until_ms) = (BEGIN_MS + from_d * DAY_MS, BEGIN_MS + to_d * DAY_MS);
        let moment = |ms: i64| format!("fromUnixTimestamp64Milli(toInt64({ms}), 'UTC')");
        let sql = format!(
            "SELECT * FROM retain.segments_between(since = {}, until = {})",
            moment(since_ms),
            moment(until_ms)
        );
        nulls += check(&engine.rows(&sql).await, &cells, since_ms, until_ms);
    }
    assert!(nulls > 10, "{nulls}");
}

#[tokio::test]
async fn groups_now_look_back_from_the_newest_hour() {
    let cells = cells();
    let engine = engine_with(&cells).await;
    let latest_ms = cells.iter().map(|cell| cell.hour_ms).max().unwrap();
    let shown = engine.rows("SELECT * FROM retain.segments_now").await;
    let until_ms = latest_ms + HOUR_MS;
    check(&shown, &cells, until_ms - 30 * DAY_MS, until_ms);
    // a shard that is far behind, or has stopped, makes the time no longer
    let sink = Sink::new(engine.client(), SinkOptions::new("retain_g1"));
    let complete_ms = latest_ms - 20 * DAY_MS;
    let ledger = |shard: i64, complete_ms: i64| -> Values {
        vec![
            ("shard", shard.into()),
            ("source", "purchases".into()),
            ("version", 1.into()),
            ("clock", complete_ms.into()),
            ("watermark", complete_ms.into()),
            ("complete_to", complete_ms.into()),
        ]
    };
    let rows = [ledger(0, complete_ms), ledger(1, complete_ms + DAY_MS)];
    sink.carry(&[block(Table::Ledger, &rows)]).await.unwrap();
    let shown = engine.rows("SELECT * FROM retain.segments_now").await;
    check(&shown, &cells, until_ms - 30 * DAY_MS, until_ms);
}
