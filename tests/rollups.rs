//! The views over all customers on the real engine, held against sums over the customers one by one.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/rows.rs"]
mod rows;
#[path = "support/signals.rs"]
mod signals;

use std::collections::BTreeMap;

use engine::Engine;
use retain::model::table::Table;
use retain::shell::migrate::{Retention, migrate};
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use rows::{Values, block};
use serde_json::Value;
use signals::{DAY, Row, customers};

/// A customer with what the machine would have judged.
struct Judged {
    row: Row,
    risk: Option<f64>,
    tier: &'static str,
    key: bool,
    complaints: i64,
}

impl Judged {
    fn values(&self) -> Values {
        let mut values = self.row.values();
        values.extend([
            ("risk", self.risk.map_or(rows::V::None, Into::into)),
            ("tier", self.tier.into()),
            ("key_customer", i64::from(self.key).into()),
            ("open_complaints", self.complaints.into()),
        ]);
        values
    }

    fn region(&self) -> &'static str {
        self.row.master[2]
    }

    fn industry(&self) -> &'static str {
        self.row.master[3]
    }

    fn owner(&self) -> &'static str {
        self.row.master[5]
    }

    /// Revenue of 90 days at the pace of a year, seen at `as_of`: without a ledger that is now.
    fn ahead(&self) -> f64 {
        let Some(first) = self.row.t_first else { return 0.0 };
        let minor = self.row.more.iter().find(|s| s.0 == 3).map_or(0.0, |s| s.1);
        let age = ((self.row.as_of - first) as f64 / DAY as f64).max(1.0);
        let rate = minor / 100.0 * (2_f64.ln() / 365.0) / (1.0 - 0.5_f64.powf(age / 365.0));
        rate.max(0.0) * 90.0
    }

    /// Ratings, faded until `as_of`, and the satisfaction they come to.
    fn rated(&self, prior: f64) -> (f64, f64) {
        let (sum, n, since) = self.row.csat;
        let left = 0.5_f64.powf((self.row.as_of - since) as f64 / DAY as f64 / 180.0);
        (n * left, (sum * left + 3.0 * prior) / (n * left + 3.0))
    }
}

fn judged() -> Vec<Judged> {
    let judge = |(n, row): (usize, Row)| Judged {
        // Neither bought nor a contract: no risk. A contract alone has one.
        risk: (row.n_days > 0 || n % 5 == 0).then_some(n as f64 % 97.0 / 97.0),
        tier: ["gold", "iron", "lead", ""][n % 4],
        key: n % 7 == 0,
        complaints: [0, 0, 1, 3][n / 2 % 4],
        row,
    };
    customers().into_iter().enumerate().map(judge).collect()
}

async fn engine_with(customers: &[Judged]) -> Engine {
    let engine = Engine::start();
    let kept = Retention { events_days: 0, ledger_days: 0, history_days: 0 };
    let databases = Databases::new("retain", 1).unwrap();
    migrate(&engine.client(), &plans::plan(), &databases, kept).await.unwrap();
    let values: Vec<Values> = customers.iter().map(Judged::values).collect();
    let rows = [block(Table::Customers, &values)];
    Sink::new(engine.client(), SinkOptions::new("retain_g1")).carry(&rows).await.unwrap();
    engine
}

fn float(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        number => number.as_f64().unwrap_or_else(|| panic!("{number} is not a number")),
    }
}

fn near(got: &Value, want: f64, what: &str) {
    let got = float(got);
    assert!((got - want).abs() <= 1e-9 * want.abs().max(1e-6), "{what}: {got}, not {want}");
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

#[tokio::test]
async fn revenue_at_risk_is_that_of_the_customers() {
    let customers = judged();
    let engine = engine_with(&customers).await;
    // Customers, revenue of 90 days, the part of it that is at risk.
    let mut want: BTreeMap<[String; 4], (f64, f64, f64)> = BTreeMap::new();
    for c in &customers {
        let Some(risk) = c.risk else { continue };
        let place = [c.region(), c.industry(), c.tier, c.owner()].map(str::to_owned);
        let sum = want.entry(place).or_default();
        *sum = (sum.0 + 1.0, sum.1 + c.ahead(), sum.2 + risk * c.ahead());
    }
    let shown = engine.rows("SELECT * FROM retain.revenue_at_risk").await;
    assert_eq!(shown.len(), want.len());
    assert!(want.len() > 50 && want.values().any(|sum| sum.2 > 0.0));
    for row in &shown {
        let place = ["region", "industry", "tier", "owner_id"].map(|name| text(&row[name]));
        let (n, ahead, lost) = want[&place];
        near(&row["customers"], n, &format!("customers of {place:?}"));
        near(&row["revenue_90"], ahead, &format!("revenue of {place:?}"));
        near(&row["revenue_at_risk"], lost, &format!("risk of {place:?}"));
    }
    let with_risk = customers.iter().filter(|c| c.risk.is_some()).count() as i64;
    assert!(with_risk < customers.len() as i64);
    assert_eq!(engine.number("SELECT sum(customers) FROM retain.revenue_at_risk").await, with_risk);
    // A tier that is not known is NULL, as in customers_now.
    let sql = "SELECT countIf(tier IS NULL) - countIf(tier = '') FROM retain.revenue_at_risk";
    assert!(engine.number(sql).await > 0);
}

#[tokio::test]
async fn kpis_of_an_owner_are_those_of_the_owners_customers() {
    let mut customers = judged();
    // An owner nobody of whose customers ever rated.
    for c in customers.iter_mut().filter(|c| c.row.master[5] == "a") {
        c.row.csat = (0.0, 0.0, 0);
    }
    let engine = engine_with(&customers).await;
    let shown = engine.rows("SELECT * FROM retain.kpi_by_owner ORDER BY owner_id").await;
    let owners: Vec<String> = shown.iter().map(|row| text(&row["owner_id"])).collect();
    assert_eq!(owners, ["", "a", "b c"]);
    let prior = plans::plan().csat_prior;
    for (row, owner) in shown.iter().zip(&owners) {
        let own: Vec<&Judged> = customers.iter().filter(|c| c.owner() == owner).collect();
        let count = |test: &dyn Fn(&Judged) -> bool| own.iter().filter(|c| test(c)).count() as f64;
        let keys = count(&|c| c.key);
        let lost: f64 = own.iter().filter_map(|c| Some(c.risk? * c.ahead())).sum();
        let complaints: i64 = own.iter().map(|c| c.complaints).sum();
        near(&row["customers"], own.len() as f64, owner);
        near(&row["key_customers"], keys, owner);
        let alone = if owner.is_empty() { keys } else { 0.0 };
        near(&row["key_customers_without_owner"], alone, owner);
        near(&row["revenue_at_risk"], lost, owner);
        near(&row["open_complaints"], complaints as f64, owner);
        let n: f64 = own.iter().map(|c| c.rated(prior).0).sum();
        near(&row["csat_n"], n, owner);
        if owner == "a" {
            assert!(row["csat"].is_null(), "{row}");
        } else {
            let sum: f64 = own.iter().map(|c| c.rated(prior)).map(|(n, csat)| n * csat).sum();
            near(&row["csat"], sum / n, owner);
        }
        let oldest = own.iter().map(|c| c.row.as_of).min().unwrap();
        let sql = format!(
            "SELECT toUnixTimestamp64Milli(at) FROM retain.kpi_by_owner WHERE owner_id = '{owner}'"
        );
        assert_eq!(engine.number(&sql).await, oldest, "{owner}");
    }
}
