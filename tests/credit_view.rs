//! What is owed by legal entity, shown by the views on the real engine: held against plain formulas at many moments.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/rows.rs"]
mod rows;

use engine::Engine;
use retain::model::table::{Table, version};
use retain::shell::migrate::{Retention, migrate};
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use rows::{V, Values, block};
use serde_json::Value;

const DAY: i64 = 86_400_000;
/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000;

/// One legal entity of a customer: as of, due and open, paid, late days.
struct Entity {
    customer: &'static str,
    entity: &'static str,
    as_of: i64,
    open: Vec<(i64, i64)>,
    sums: (f64, f64),
}

fn entities() -> Vec<Entity> {
    let of = |customer, entity, as_of, open: &[(i64, i64)], sums| {
        let open = open.iter().map(|(day, minor)| (START + day * DAY, *minor)).collect();
        Entity { customer, entity, as_of: START + as_of * DAY, open, sums }
    };
    vec![
        of("alone", "", 0, &[], (0.0, 0.0)),
        of("alone", "le-1", 0, &[(10, 5_000), (40, 700)], (0.0, 0.0)),
        // two customers of one account
        of("north", "le-1", 5, &[(1, 900), (8, 100)], (12_000.0, 60_000.0)),
        of("north", "le-2", 5, &[], (300.0, 9_000.0)),
        of("south", "le-3", 20, &[(19, 1)], (0.0, 0.0)),
        // taken back more than was paid
        of("refunded", "", 3, &[(30, 1_000_000_000_000)], (-5.0, -40.0)),
    ]
}

fn customer(id: &str, account: &str) -> Values {
    vec![
        ("customer_id", id.into()),
        ("account_id", account.into()),
        ("shard", 1.into()),
        ("version", (version(1, 1) as i64).into()),
        ("as_of", START.into()),
        ("t_born", START.into()),
        ("sums_at", START.into()),
        ("spend_sums_at", START.into()),
        ("visit_sums_at", START.into()),
    ]
}

fn values(e: &Entity) -> Values {
    let (due, open) = e.open.iter().copied().unzip::<i64, i64, Vec<_>, Vec<_>>();
    vec![
        ("customer_id", e.customer.into()),
        ("legal_entity_id", e.entity.into()),
        ("shard", 1.into()),
        ("version", (version(1, 1) as i64).into()),
        ("as_of", e.as_of.into()),
        ("open_minor", open.iter().sum::<i64>().into()),
        ("invoice_due", V::I64s(due)),
        ("invoice_open", V::I64s(open)),
        ("paid_sum_180", e.sums.0.into()),
        ("late_days_sum_180", e.sums.1.into()),
        ("ext_requests_open", 2.into()),
        ("last_payment", START.into()),
    ]
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.parse().unwrap()),
        number => Some(number.as_f64().unwrap()),
    }
}

fn days(ms: i64) -> f64 {
    ms as f64 / DAY as f64
}

impl Entity {
    fn overdue(&self, at: i64) -> i64 {
        let due = self.open.iter().filter(|(due, _)| at >= self.as_of && *due <= at);
        due.map(|(_, minor)| minor).sum()
    }

    /// Everything that moves, by the plainest formulas.
    fn expected(&self, at: i64) -> Vec<(&'static str, Option<f64>)> {
        let open: i64 = self.open.iter().map(|(_, minor)| minor).sum();
        let (known, overdue) = (at >= self.as_of, self.overdue(at) as f64);
        let late: Vec<_> = self.open.iter().filter(|(due, _)| *due <= at).collect();
        let half_lives = days(at - self.as_of) / 180.0;
        let decayed = |sum: f64| (sum * 0.5_f64.powf(half_lives)).max(0.0);
        let waiting: f64 = late.iter().map(|(due, minor)| *minor as f64 * days(at - due)).sum();
        let weight = decayed(self.sums.0) + overdue;
        let oldest = late.iter().map(|(due, _)| days(at - due)).reduce(f64::max);
        let when = |known: bool, value: f64| known.then_some(value);
        vec![
            ("open_minor", Some(open as f64)),
            ("open_invoices", Some(self.open.len() as f64)),
            ("ext_requests_open", Some(2.0)),
            ("overdue_minor", when(known, overdue)),
            ("overdue_ratio", when(known && open > 0, overdue / open as f64)),
            ("overdue_days", oldest.filter(|_| known)),
            ("dbt_days", when(known && weight > 0.0, (decayed(self.sums.1) + waiting) / weight)),
        ]
    }
}

fn account(customer: &str) -> &str {
    if ["north", "south"].contains(&customer) { "group" } else { customer }
}

async fn engine() -> Engine {
    let engine = Engine::start();
    let kept = Retention { events_days: 0, ledger_days: 0, history_days: 0 };
    let databases = Databases::new("retain", 1).unwrap();
    migrate(&engine.client(), &plans::plan(), &databases, kept).await.unwrap();
    let customers = ["alone", "refunded", "north", "south"]
        .map(|id| customer(id, if account(id) == id { "" } else { "group" }));
    let credit: Vec<Values> = entities().iter().map(values).collect();
    let blocks = [block(Table::Customers, &customers), block(Table::Credit, &credit)];
    Sink::new(engine.client(), SinkOptions::new("retain_g1")).carry(&blocks).await.unwrap();
    engine
}

#[tokio::test]
async fn what_is_owed_is_right_at_every_moment_and_never_netted() {
    let (engine, entities) = (engine().await, entities());
    let mut related_seen = 0;
    for day in [-1, 0, 1, 5, 8, 10, 19, 20, 30, 39, 40, 41, 400] {
        for at in [START + day * DAY, START + day * DAY - 1] {
            let view = format!("retain.credit_at(at = fromUnixTimestamp64Milli({at}, 'UTC'))");
            let shown = engine.rows(&format!("SELECT * FROM {view}")).await;
            assert_eq!(shown.len(), entities.len());
            for e in &entities {
                let seen = shown
                    .iter()
                    .find(|r| r["customer_id"] == e.customer && r["legal_entity_id"] == e.entity)
                    .unwrap();
                let siblings: Vec<i64> = entities
                    .iter()
                    .filter(|o| account(o.customer) == account(e.customer))
                    .filter(|o| (o.customer, o.entity) != (e.customer, e.entity))
                    .map(|o| o.overdue(at))
                    .filter(|minor| *minor > 0)
                    .collect();
                related_seen += siblings.len();
                let mut all = e.expected(at);
                all.push(("related_overdue", Some(siblings.len() as f64)));
                all.push(("related_overdue_minor", Some(siblings.iter().sum::<i64>() as f64)));
                for (name, want) in all {
                    let got = float(&seen[name]);
                    let near = match (want, got) {
                        (Some(want), Some(got)) => (want - got).abs() <= 1e-9 * want.abs(),
                        (want, got) => want == got,
                    };
                    let place = format!("{name} of {} {} at {at}", e.customer, e.entity);
                    assert!(near, "{place}: view {got:?}, expected {want:?}");
                }
            }
        }
    }
    assert!(related_seen > 20, "{related_seen}");
}

#[tokio::test]
async fn now_is_never_before_the_row_and_a_deleted_entity_is_gone() {
    let engine = engine().await;
    let count = |what: &str| format!("SELECT toInt64(count()) FROM retain.credit_now WHERE {what}");
    assert_eq!(engine.number(&count("at = as_of")).await, 6);
    assert_eq!(engine.number(&count("overdue_minor IS NULL")).await, 0);
    let mut gone = values(&entities()[1]);
    gone.extend([("is_deleted", 1.into())]);
    gone.iter_mut().filter(|v| v.0 == "version").for_each(|v| v.1 = (version(1, 2) as i64).into());
    let blocks = [block(Table::Credit, &[gone])];
    Sink::new(engine.client(), SinkOptions::new("retain_g1")).carry(&blocks).await.unwrap();
    assert_eq!(engine.number(&count("customer_id = 'alone'")).await, 1);
}
