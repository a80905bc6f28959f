//! The real CDNOW purchases through the machine, the sink and the engine: the views against the purchases themselves.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/cdnow.rs"]
mod cdnow;
#[path = "support/engine.rs"]
mod engine;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/rows.rs"]
mod rows;
#[path = "support/signals.rs"]
mod signals;

use std::collections::{BTreeMap, BTreeSet};

use cdnow::{Purchase, purchases, through_the_machine};
use engine::Engine;
use retain::plan::{Clock, Plan};
use retain::shell::migrate::{Retention, migrate};
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use serde_json::Value;
use signals::{BUCKET, DAY, Row, expected};

/// What the purchases of one customer say, from themselves.
fn rows_of(purchases: &[Purchase], end_ms: i64) -> BTreeMap<String, Row> {
    let mut by_customer: BTreeMap<&str, Vec<&Purchase>> = BTreeMap::new();
    for purchase in purchases {
        by_customer.entry(&purchase.customer).or_default().push(purchase);
    }
    let row = |(customer, list): (&str, Vec<&Purchase>)| {
        let decayed = |half_life: f64| {
            list.iter()
                .map(|p| {
                    p.minor as f64 * 0.5_f64.powf((end_ms - p.ts) as f64 / DAY as f64 / half_life)
                })
                .sum()
        };
        let days: BTreeSet<i64> = list.iter().map(|p| p.ts / DAY).collect();
        let first = list.iter().map(|p| p.ts).min();
        let row = Row {
            id: customer.to_owned(),
            as_of: 0,
            streamed_from: first.unwrap(),
            t_first: first,
            t_last: list.iter().map(|p| p.ts).max(),
            n_days: days.len() as i64,
            spend: (decayed(30.0), decayed(180.0), end_ms),
            buckets: list.iter().map(|p| ((p.ts / BUCKET) as u16, p.minor)).collect(),
            ..Row::default()
        };
        (customer.to_owned(), row)
    };
    by_customer.into_iter().map(row).collect()
}

async fn compare(engine: &Engine, plan: &Plan, rows: &BTreeMap<String, Row>, at: i64) {
    let sql = format!(
        "SELECT * FROM retain.customers_at(at = fromUnixTimestamp64Milli({at}, 'UTC')) ORDER BY customer_id"
    );
    let shown = engine.rows(&sql).await;
    assert_eq!(shown.len(), rows.len());
    for (seen, (customer, row)) in shown.iter().zip(rows) {
        assert_eq!(seen["customer_id"], customer.as_str());
        for (name, want) in expected(plan, row, at) {
            let got = match &seen[name] {
                Value::String(text) => text.parse().ok(),
                number => number.as_f64(),
            };
            let near = match (want, got) {
                (Some(want), Some(got)) => (want - got).abs() <= 1e-9 * want.abs().max(1e-3),
                (want, got) => want == got,
            };
            assert!(near, "{name} of {customer} at {at}: view {got:?}, purchases {want:?}");
        }
        let whole = |name: &str| match &seen[name] {
            Value::String(text) => text.parse::<i64>().unwrap(),
            number => number.as_i64().unwrap(),
        };
        let revenue: i64 = row.buckets.iter().map(|b| b.1).sum();
        assert_eq!(
            (whole("revenue_minor"), whole("orders"), whole("n_days")),
            (revenue, row.buckets.len() as i64, row.n_days),
            "{customer}"
        );
    }
}

#[tokio::test]
async fn the_views_show_what_the_purchases_say() {
    let purchases = purchases();
    let end_ms = purchases.iter().map(|p| p.ts).max().unwrap() + 3 * DAY;
    let clock = Clock::Simulated { origin_ms: purchases[0].ts, speed: 1.0, fast_until_ms: None };
    let plan = Plan { clock, disorder_ms: DAY, skew_max_ms: DAY, ..plans::plan() };
    let blocks = through_the_machine(&plan, &purchases, end_ms);
    let engine = Engine::start();
    let kept = Retention { events_days: 30, ledger_days: 30, history_days: 30 };
    migrate(&engine.client(), &plan, &Databases::new("retain", 1).unwrap(), kept).await.unwrap();
    let sink = Sink::new(engine.client(), SinkOptions::new("retain_g1"));
    sink.carry(&blocks).await.unwrap();
    // A carrier that begins again from an older offset: the same rows once more, in other joins.
    for part in blocks.chunks(7) {
        sink.carry(part).await.unwrap();
    }

    let rows = rows_of(&purchases, end_ms);
    for at in [end_ms, end_ms + 45 * DAY + 1, end_ms + 400 * DAY] {
        compare(&engine, &plan, &rows, at).await;
    }
    let total: i64 = purchases.iter().map(|p| p.minor).sum();
    let count = purchases.len() as i64;
    let twice = (count + 6) / 10;
    for (sql, want) in [
        ("SELECT sum(revenue_minor) FROM retain.activity_by_minute", total),
        ("SELECT sum(events) FROM retain.activity_by_minute", count),
        ("SELECT count() FROM retain.events WHERE type = 'purchase'", count),
        ("SELECT sum(amount_minor) FROM retain.events", total),
        ("SELECT sum(consumed) FROM retain.completeness", count + twice),
        ("SELECT sum(duplicate) FROM retain.completeness", twice),
        ("SELECT sum(duplicate) FROM retain.ledger_by_day", twice),
        ("SELECT sum(missing + twice + offsets_without_record) FROM retain.completeness", 0),
        (
            "SELECT toUnixTimestamp64Milli(max(at)) FROM retain.customers_now",
            end_ms - DAY - plan.idle_timeout_ms,
        ),
    ] {
        assert_eq!(engine.number(sql).await, want, "{sql}");
    }
}
