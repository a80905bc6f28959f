//! The views of what is worth a contact on the real engine, held against plain counting.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/rows.rs"]
mod rows;

use engine::Engine;
use retain::model::table::Table;
use retain::shell::migrate::{Retention, migrate};
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use rows::{Values, block};
use serde_json::Value;

const DAY_MS: i64 = 86_400_000;
/// 2026-03-01T00:00:00Z, up to which everything is known.
const NOW_MS: i64 = 1_772_323_200_000;

/// What is proposed in this test: customer, goal, days ago, days it stands, score, held out.
type Proposed = (String, &'static str, i64, i64, f64, i64);

fn proposal((customer, goal, ago, stands, score, held): &Proposed, version: i64) -> Values {
    let at = NOW_MS - ago * DAY_MS;
    vec![
        ("customer_id", (&**customer).into()),
        ("goal", (*goal).into()),
        ("proposed_at", at.into()),
        ("version", version.into()),
        ("reason", "at_risk".into()),
        ("score", (*score).into()),
        ("held_out", (*held).into()),
        ("expires_at", (at + stands * DAY_MS).into()),
        ("lifecycle", "slipping".into()),
    ]
}

fn customer(id: &str, more: Values) -> Values {
    let base: Values = vec![
        ("customer_id", id.into()),
        ("version", 1.into()),
        ("as_of", (NOW_MS - 90 * DAY_MS).into()),
        ("name", (&*format!("Name of {id}")).into()),
    ];
    base.into_iter().chain(more).collect()
}

fn purchase(customer: &str, ago_ms: i64, offset: i64) -> Values {
    vec![
        ("customer_id", customer.into()),
        ("ts", (NOW_MS - ago_ms).into()),
        ("offset", offset.into()),
        ("version", 1.into()),
        ("type", "purchase".into()),
    ]
}

async fn engine_with(proposals: &[Proposed], customers: &[Values], purchases: &[Values]) -> Engine {
    let engine = Engine::start();
    let kept = Retention { events_days: 0, ledger_days: 0, history_days: 0 };
    let databases = Databases::new("retain", 1).unwrap();
    migrate(&engine.client(), &plans::plan(), &databases, kept).await.unwrap();
    let proposals: Vec<Values> = proposals.iter().map(|p| proposal(p, 1)).collect();
    let ledger: Values = vec![
        ("source", "web".into()),
        ("version", 1.into()),
        ("clock", NOW_MS.into()),
        ("watermark", NOW_MS.into()),
        ("complete_to", NOW_MS.into()),
    ];
    let blocks = [
        block(Table::Customers, customers),
        block(Table::Events, purchases),
        block(Table::Opportunities, &proposals),
        block(Table::Ledger, &[ledger]),
    ];
    let sink = Sink::new(engine.client(), SinkOptions::new("retain_g1"));
    sink.carry(&blocks).await.unwrap();
    // a carrier may write again what it wrote before
    sink.carry(&blocks).await.unwrap();
    engine
}

fn texts(rows: &[Value], name: &str) -> Vec<String> {
    rows.iter().map(|row| row[name].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn what_stands_is_ranked_within_its_goal_and_who_refuses_is_not_shown() {
    let of =
        |id: &str, goal, ago, stands, score, held| (id.to_owned(), goal, ago, stands, score, held);
    let proposals = [
        of("a", "retention", 5, 30, 10.0, 0),
        of("b", "retention", 6, 30, 30.0, 0),
        of("c", "retention", 7, 30, 20.0, 0),
        of("h", "retention", 7, 30, 99.0, 1),
        of("a", "up_sell", 3, 30, 1.0, 0),
        // expired at this very moment; refuses messages since; complains
        of("d", "retention", 30, 30, 50.0, 0),
        of("e", "retention", 1, 30, 50.0, 0),
        of("f", "retention", 1, 30, 50.0, 0),
    ];
    let plain = |id: &str| customer(id, vec![]);
    let customers = [
        plain("a"),
        customer("b", vec![("t_last", (NOW_MS - 6 * DAY_MS + 1).into())]),
        customer("c", vec![("t_last", (NOW_MS - 7 * DAY_MS).into()), ("owner_id", "o".into())]),
        plain("h"),
        plain("d"),
        customer("e", vec![("opted_out", 1.into())]),
        customer("f", vec![("open_complaints", 2.into())]),
    ];
    let engine = engine_with(&proposals, &customers, &[purchase("a", 0, 0)]).await;
    let sql =
        "SELECT * FROM retain.opportunities_now WHERE goal = 'retention' ORDER BY held_out, rank";
    let shown = engine.rows(sql).await;
    assert_eq!(texts(&shown, "customer_id"), ["b", "c", "a", "h"]);
    assert_eq!(texts(&shown, "name")[0], "Name of b");
    assert_eq!(texts(&shown, "owner_id")[1], "o");
    let ranks = "SELECT count() FROM retain.opportunities_now WHERE rank = 1";
    assert_eq!(engine.number(ranks).await, 3, "two goals, and those held out");
    let bought = "SELECT count() FROM retain.opportunities_now WHERE bought_since = 1";
    assert_eq!(engine.number(bought).await, 1, "only b, and only after the proposal");
}

#[tokio::test]
async fn the_effect_counts_purchases_of_thirty_days_by_who_was_held_out() {
    let mut proposals: Vec<Proposed> = Vec::new();
    let (mut customers, mut purchases) = (Vec::new(), Vec::new());
    let mut want = [[0_i64; 2]; 2];
    for n in 0..120_i64 {
        let (id, held) = (format!("c{n}"), i64::from(n % 4 == 0));
        customers.push(customer(&id, vec![]));
        // of some the 30 days have not passed
        let ago = 20 + n % 30;
        proposals.push((id.clone(), "retention", ago, 30, 1.0, held));
        // at the moment itself, within, at the end, after
        let after_ms = [0, 5 * DAY_MS, 30 * DAY_MS, 30 * DAY_MS + 1, -DAY_MS][(n / 3 % 5) as usize];
        if ago * DAY_MS >= after_ms {
            purchases.push(purchase(&id, ago * DAY_MS - after_ms, n));
            purchases.push(purchase(&id, ago * DAY_MS - after_ms, 1_000 + n));
        }
        if ago >= 30 {
            let counts = after_ms > 0 && after_ms <= 30 * DAY_MS;
            want[held as usize][0] += 1;
            want[held as usize][1] += i64::from(counts);
        }
    }
    let engine = engine_with(&proposals, &customers, &purchases).await;
    let shown = engine.rows("SELECT * FROM retain.opportunity_effect").await;
    assert_eq!(texts(&shown, "goal"), ["retention"]);
    let number = |name: &str| {
        let value = &shown[0][name];
        value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
    };
    let [[n, bought], [held_n, held_bought]] = want.map(|w| w.map(|n| n as f64));
    assert!(bought > 5.0 && held_bought > 2.0);
    let names = ["contacted_n", "contacted_bought", "held_out_n", "held_out_bought"];
    assert_eq!(names.map(number), [n, bought, held_n, held_bought]);
    let (p, q) = (bought / n, held_bought / held_n);
    let error = (p * (1.0 - p) / n + q * (1.0 - q) / held_n).sqrt();
    assert!((number("difference") - (p - q)).abs() < 1e-12);
    assert!((number("standard_error") - error).abs() < 1e-12);
}
