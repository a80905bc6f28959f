//! The views of accounts on the embedded engine: words through the machine, the sink and the views, read at moments between.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/engine.rs"]
mod engine;

use std::sync::Arc;

use engine::Engine;
use retain::flow::carry::Block;
use retain::machine::{ClockReading, Identity, Machine, Progress, Restored};
use retain::model::effects::{RowBlock, SignalWord};
use retain::model::record::Record;
use retain::plan::{Plan, parse};
use retain::shell::migrate::{Retention, migrate};
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::{Databases, views_sql};
use retain::wire::signals::{AccountPart, OpenInvoice, Word, joined, left};
use serde_json::{Value, json};

const DAY_MS: i64 = 86_400_000;
const BEGIN_MS: i64 = 20_000 * DAY_MS;

fn plan() -> Plan {
    let (plan, problems) = parse(include_str!("../pipelines/accounts.toml"));
    plan.unwrap_or_else(|| panic!("{problems:?}"))
}

fn part(day: i64, revenue: i64, risk_ppm: u32) -> AccountPart {
    let at_ms = BEGIN_MS + day * DAY_MS;
    let invoice = |entity: &str, due: i64, open_minor| OpenInvoice {
        entity: entity.to_owned(),
        due_ms: BEGIN_MS + due * DAY_MS,
        open_minor,
    };
    AccountPart {
        currency: "USD".to_owned(),
        name: "Acme".to_owned(),
        owner_id: "o1".to_owned(),
        said_key: true,
        value_minor: Some(700),
        revenue_365_minor: Some(revenue),
        risk_ppm: Some(risk_ppm),
        invoices: vec![invoice("south", 50, 10), invoice("north", 70, 5), invoice("north", 90, 1)],
        renewal_ms: Some(BEGIN_MS + 75 * DAY_MS),
        last_visit_ms: Some(at_ms),
        last_seen_ms: Some(at_ms),
        ..AccountPart::default()
    }
}

fn says(customer: &str, account: &str, day: i64, cycle: u64, part: &AccountPart) -> SignalWord {
    let word = Word {
        customer: customer.as_bytes(),
        account,
        lifecycle: "active",
        risk_band: Some(1),
        as_of_ms: BEGIN_MS + day * DAY_MS,
        revenue_minor: 0,
        part: Some(part),
        opportunities: &[],
    };
    joined(&word, (1, cycle))
}

/// A shard that has heard everything, and may go on through the days.
struct Shard(Machine);

impl Shard {
    fn new(plan: &Arc<Plan>) -> Self {
        let identity = Identity { shard: 0, shards: 1, generation: 1, owner: "test".to_owned() };
        let mut machine = Machine::new(plan.clone(), identity);
        assert_eq!(machine.restored().unwrap(), Restored::New);
        machine.start_at(&[0], 0);
        Self(machine)
    }

    fn hear(&mut self, words: &[SignalWord]) {
        let from = self.0.read_position(0);
        let records = (from..).zip(words).map(|(offset, word)| Record {
            offset,
            kafka_ms: BEGIN_MS + 500 * DAY_MS,
            key: Some(&word.key),
            payload: word.value.as_deref(),
        });
        self.0.offer(0, &mut records.into_iter());
        self.0.end_of(0, from + words.len() as i64);
        while self.0.advance(1_000) != Progress::Idle {}
    }

    /// The rows of a cycle after which the shard is complete to a day.
    fn until(&mut self, plan: &Plan, day: i64) -> Vec<Block> {
        let confirmed = BEGIN_MS + day * DAY_MS + plan.idle_timeout_ms + plan.disorder_ms;
        let clock = ClockReading { now_ms: confirmed, ends_confirmed_ms: Some(confirmed) };
        let rows = self.0.end_cycle(clock).rows.into_iter();
        let block = |RowBlock { table, count, bytes }| Block {
            table,
            count,
            bytes,
            partition: 0,
            offset: 0,
        };
        rows.map(block).collect()
    }
}

async fn row(engine: &Engine, account: &str) -> Value {
    let sql = format!("SELECT * FROM retain.accounts_now WHERE account_id = '{account}'");
    engine.rows(&sql).await.pop().unwrap_or(Value::Null)
}

fn near(value: &Value, wanted: f64) {
    let is = value.as_f64().unwrap_or_else(|| panic!("{value}, not {wanted}"));
    assert!((is - wanted).abs() < 1e-9, "{is}, not {wanted}");
}

#[tokio::test]
async fn what_ages_is_seen_at_the_moment_of_reading() {
    let plan = Arc::new(plan());
    let engine = Engine::start();
    let databases = Databases::of(&plan, "retain", 1).unwrap();
    assert_eq!(databases.tables, "retain_accounts_g1");
    let kept = Retention { events_days: 0, ledger_days: 0, history_days: 0 };
    migrate(&engine.client(), &plan, &databases, kept).await.unwrap();
    let sink = Sink::new(engine.client(), SinkOptions::new(&*databases.tables));

    let mut shard = Shard::new(&plan);
    let gone = left(("leaving", false), b"c3", BEGIN_MS, (1, 4));
    let mut words = vec![
        says("c1", "acme", 0, 1, &part(0, 1_000, 200_000)),
        says("c2", "acme", 0, 2, &part(0, 500, 800_000)),
        says("c3", "leaving", 0, 3, &part(0, 5, 0)),
        gone,
    ];
    words.push(says("c1", "acme", 40, 5, &part(40, 2_500, 300_000)));
    shard.hear(&words);
    sink.carry(&shard.until(&plan, 60)).await.unwrap();

    let acme = row(&engine, "acme").await;
    assert_eq!(acme["at"], "2024-12-03 00:00:00.000", "{acme}");
    for (column, wanted) in [
        ("name", json!("Acme")),
        ("currency", json!("USD")),
        ("key_reason", json!("c1 is called a key customer")),
        ("members", json!(2)),
        ("active_contacts", json!(2)),
        ("single_threaded", json!(0)),
        ("legal_entity_ids", json!(["north", "south"])),
        ("next_renewal", json!("2024-12-18 00:00:00.000")),
    ] {
        assert_eq!(acme[column], wanted, "{column}");
    }
    let numbers = |column: &str| -> Vec<i64> {
        let all = acme[column].as_array().unwrap().iter();
        all.map(|n| n.as_i64().or_else(|| n.as_str()?.parse().ok()).unwrap()).collect()
    };
    assert_eq!((numbers("open_minor"), numbers("overdue_minor")), (vec![12, 20], vec![0, 20]));
    near(&acme["visit_gap_d"], 20.0);
    // as of day 40 3,000 a year, on day 0 1,500; the risk 0.4 on day 0
    near(&acme["trend_30"], (3_000.0_f64 / 1_500.0).ln());
    near(&acme["risk"], (2_500.0 * 0.3 + 500.0 * 0.8) / 3_000.0);
    near(&acme["risk_change_30"], 1_150.0 / 3_000.0 - 0.4);
    assert_eq!((&acme["trend_90"], &acme["risk_change_90"]), (&Value::Null, &Value::Null));
    assert_eq!(row(&engine, "leaving").await, Value::Null);

    // nothing is said any more, and time passes
    sink.carry(&shard.until(&plan, 100)).await.unwrap();
    let acme = row(&engine, "acme").await;
    assert_eq!(acme["active_contacts"], 1, "c2 was seen on day 0");
    assert_eq!((&acme["single_threaded"], &acme["next_renewal"]), (&json!(1), &Value::Null));
    near(&acme["trend_30"], 0.0);
    near(&acme["trend_90"], (3_000.0_f64 / 1_500.0).ln());
    near(&acme["visit_gap_d"], 60.0);

    let days = "SELECT count() FROM retain.account_history WHERE account_id = 'acme'";
    assert_eq!(engine.number(days).await, 2);
    let lost = "SELECT sum(missing + twice) FROM retain.account_completeness";
    assert_eq!(engine.number(lost).await, 0);
    assert_eq!(engine.number("SELECT sum(consumed) FROM retain.account_ledger").await, 5);
    described(&engine, &plan, &databases).await;
}

/// Every view, and every column of the accounts, is in the documentation.
async fn described(engine: &Engine, plan: &Plan, databases: &Databases) {
    let text = include_str!("../docs/tables.md");
    for statement in views_sql(plan, databases) {
        let title = statement.lines().next().unwrap();
        let name = title.split('.').nth(1).unwrap().split(' ').next().unwrap();
        assert!(text.contains(&format!("`{name}`")), "docs/tables.md lacks {name}");
    }
    let columns = engine.rows("DESCRIBE (SELECT * FROM retain.accounts_now)").await;
    for name in columns.iter().map(|c| c["name"].as_str().unwrap()) {
        assert!(text.contains(&format!("`{name}`")), "docs/tables.md lacks {name}");
    }
}
