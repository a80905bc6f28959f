//! Migrations and the check of columns on the real engine.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/plans.rs"]
mod plans;

use engine::Engine;
use retain::shell::columns::check_columns;
use retain::shell::migrate::{MIGRATIONS, Migration, Retention, apply, migrate};
use retain::shell::views::Databases;

const KEPT: Retention = Retention { events_days: 400, ledger_days: 30, history_days: 400 };

fn databases() -> Databases {
    Databases::new("retain", 1).unwrap()
}

#[tokio::test]
async fn migrations_are_applied_once_and_never_edited() {
    let engine = Engine::start();
    let (client, plan, databases) = (engine.client(), plans::plan(), databases());

    let first = migrate(&client, &plan, &databases, KEPT).await.unwrap();
    let applied = MIGRATIONS.iter().map(|m| format!("applied {:03}_{}", m.number, m.name));
    let kept = [
        ("events", 400),
        ("opportunities", 400),
        ("ledger", 30),
        ("customer_history", 400),
        ("account_history", 400),
        ("alert_history", 400),
    ];
    let kept = kept.map(|(table, days)| format!("retain_g1.{table} is kept for {days} days"));
    assert_eq!(first, applied.chain(kept).collect::<Vec<_>>());
    assert!(migrate(&client, &plan, &databases, KEPT).await.unwrap().is_empty());
    let longer = Retention { events_days: 0, ledger_days: 60, history_days: 0 };
    assert_eq!(
        migrate(&client, &plan, &databases, longer).await.unwrap(),
        [
            "retain_g1.events is kept for ever",
            "retain_g1.opportunities is kept for ever",
            "retain_g1.ledger is kept for 60 days",
            "retain_g1.customer_history is kept for ever",
            "retain_g1.account_history is kept for ever",
            "retain_g1.alert_history is kept for ever"
        ]
    );
    assert!(migrate(&client, &plan, &databases, longer).await.unwrap().is_empty());

    let edited = Migration {
        text: "CREATE TABLE IF NOT EXISTS {database}.other (a UInt8) ENGINE = Memory;\n",
        ..MIGRATIONS[0]
    };
    let refused = apply(&client, &databases, &[edited]).await.unwrap_err().to_string();
    assert!(
        refused.contains("migration 001_tables was applied to retain_g1 with checksum"),
        "{refused}"
    );
    assert!(refused.contains("an applied migration is never edited"), "{refused}");
    assert_eq!(engine.number("SELECT count() FROM system.tables WHERE name = 'other'").await, 0);

    // A new one is added after it, and another generation starts from nothing.
    let added = Migration { number: 900, name: "more", ..edited };
    assert_eq!(
        apply(&client, &databases, &[MIGRATIONS, &[added]].concat()).await.unwrap(),
        ["applied 900_more"]
    );
    assert_eq!(engine.number("SELECT count() FROM retain_g1.other").await, 0);
    let next = Databases::new("retain", 2).unwrap();
    assert_eq!(migrate(&client, &plan, &next, KEPT).await.unwrap().len(), first.len());
    // The views now point at the next generation.
    let shown = engine.rows("SHOW CREATE VIEW retain.customers_now").await;
    assert!(shown[0].to_string().contains("retain_g2.customers"));
}

#[tokio::test]
async fn a_difference_of_columns_is_readable() {
    let engine = Engine::start();
    let client = engine.client();
    let missing = check_columns(&client, "retain_g1").await.unwrap_err();
    assert!(
        missing.contains("retain_g1.customers does not exist: run `retain migrate`"),
        "{missing}"
    );
    migrate(&client, &plans::plan(), &databases(), KEPT).await.unwrap();
    assert_eq!(check_columns(&client, "retain_g1").await, Ok(()));

    engine.run("ALTER TABLE retain_g1.customers DROP COLUMN visits, MODIFY COLUMN orders UInt64, ADD COLUMN odd UInt8").await;
    engine.run("ALTER TABLE retain_g1.activity ADD COLUMN harmless UInt8 DEFAULT 7").await;
    engine.run("DROP TABLE retain_g1.gaps").await;
    engine
        .run("CREATE TABLE retain_g1.gaps AS retain_g1.ledger ENGINE = MergeTree ORDER BY shard")
        .await;
    let text = check_columns(&client, "retain_g1").await.unwrap_err();
    for line in [
        "retain_g1.customers has no column `visits` (UInt32): run `retain migrate`",
        "retain_g1.customers.orders is UInt64, rows carry UInt32: ALTER TABLE retain_g1.customers MODIFY COLUMN `orders` UInt32",
        "retain_g1.customers.odd (UInt8) is not written by this version and has no default",
        "retain_g1.gaps has the engine \"MergeTree",
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
    assert!(!text.contains("harmless"), "{text}");
}

/// Several copies start at the same moment, on an empty server and again later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_that_start_together_do_not_disturb_each_other() {
    let engine = Engine::start();
    for round in 0..3 {
        let copies: Vec<_> = (0..4)
            .map(|_| {
                let client = engine.client();
                tokio::spawn(
                    async move { migrate(&client, &plans::plan(), &databases(), KEPT).await },
                )
            })
            .collect();
        for copy in copies {
            let done = copy.await.unwrap().unwrap_or_else(|e| panic!("round {round}: {e}"));
            assert!(round == 0 || done.is_empty(), "{done:?}");
        }
    }
    assert_eq!(check_columns(&engine.client(), "retain_g1").await, Ok(()));
    assert_eq!(engine.number("SELECT count() FROM retain.customers_now").await, 0);
}
