//! The sink on the real engine: rows once however often written, refusals, faults.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/rows.rs"]
mod rows;

use std::time::Duration;

use engine::Engine;
use proxy::Fault;
use retain::flow::carry::{Backoff, Block, ErrorKind};
use retain::model::table::Table;
use retain::model::table::version;
use retain::shell::migrate::{Retention, migrate};
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use rows::{Values, block};

const KEPT: Retention = Retention { events_days: 400, ledger_days: 30, history_days: 400 };

fn databases() -> Databases {
    Databases::new("retain", 1).unwrap()
}

async fn migrated(engine: &Engine) -> Sink {
    migrate(&engine.client(), &plans::plan(), &databases(), KEPT).await.unwrap();
    sink(engine)
}

fn sink(engine: &Engine) -> Sink {
    let backoff = Backoff { first_ms: 5, max_ms: 50 };
    Sink::new(engine.client(), SinkOptions { backoff, ..SinkOptions::new("retain_g1") })
}

fn customer(id: &str, cycle: u64, orders: i64) -> Values {
    vec![
        ("customer_id", id.into()),
        ("version", (version(1, cycle) as i64).into()),
        ("orders", orders.into()),
        ("region", "north".into()),
    ]
}

fn ledger(cycle: u64) -> Values {
    vec![
        ("shard", 3.into()),
        ("source", "web".into()),
        ("version", (version(1, cycle) as i64).into()),
        ("clock", now_ms().into()),
        ("complete_to", now_ms().into()),
    ]
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_millis() as i64
}

fn at_offset(block: Block, offset: i64) -> Block {
    Block { offset, ..block }
}

#[tokio::test]
async fn rows_of_every_table_arrive_once_however_often_they_are_written() {
    let engine = Engine::start();
    let sink = migrated(&engine).await;
    let one_of = |key, n: i64, time, at: i64| -> Values {
        vec![(key, (&*format!("c{n}")).into()), (time, at.into())]
    };
    let customer_of = |n: i64, time, at: i64| one_of("customer_id", n, time, at);
    let today = now_ms() / 86_400_000;
    let mut batch: Vec<Block> = Table::ALL
        .into_iter()
        .map(|table| {
            let time = match table {
                Table::Events => "ts",
                Table::Ledger => "clock",
                _ => "version",
            };
            let row = |shard: i64| vec![("shard", shard.into()), (time, now_ms().into())];
            let rows: Vec<Values> = match table {
                Table::Customers => (0..5).map(|n| customer(&format!("c{n}"), 1, n)).collect(),
                Table::Events => (0..5)
                    .map(|n| {
                        vec![
                            ("customer_id", "c".into()),
                            (time, now_ms().into()),
                            ("offset", n.into()),
                        ]
                    })
                    .collect(),
                Table::CustomerHistory => (0..5).map(|n| customer_of(n, "day", today)).collect(),
                Table::Accounts => {
                    (0..5).map(|n| one_of("account_id", n, "as_of", now_ms())).collect()
                }
                Table::AccountHistory => {
                    (0..5).map(|n| one_of("account_id", n, "day", today)).collect()
                }
                Table::Alerts => (0..5).map(|n| one_of("alert_id", n, "at", now_ms())).collect(),
                Table::AlertHistory => {
                    (0..5).map(|n| one_of("subject_id", n, "at", now_ms())).collect()
                }
                Table::Credit => (0..5).map(|n| customer_of(n, "as_of", now_ms())).collect(),
                Table::Opportunities => {
                    (0..5).map(|n| customer_of(n, "proposed_at", now_ms())).collect()
                }
                _ => (0..5).map(row).collect(),
            };
            block(table, &rows)
        })
        .collect();
    // Several blocks of a table are joined into one insert.
    batch.push(block(Table::Customers, &[customer("c5", 1, 5), customer("c6", 1, 6)]));
    sink.carry(&batch).await.unwrap();
    assert_eq!((sink.status().rows, sink.status().inserts), (72, 14));
    let counts = async || {
        let mut counts = Vec::new();
        for table in Table::ALL {
            counts.push(
                engine
                    .number(&format!("SELECT count() FROM retain_g1.{} FINAL", table.name()))
                    .await,
            );
        }
        counts
    };
    let whole = [7, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5];
    assert_eq!(counts().await, whole);
    sink.carry(&batch).await.unwrap();
    assert_eq!(counts().await, whole);

    // A newer row replaces, an older one written after it does not, a deleted one is gone.
    let mut gone = customer("c1", 2, 0);
    gone.push(("is_deleted", 1.into()));
    let newer = block(Table::Customers, &[customer("c0", 2, 40), gone]);
    let older = block(Table::Customers, &[customer("c0", 1, 3), customer("c1", 1, 3)]);
    sink.carry(&[newer]).await.unwrap();
    sink.carry(&[older]).await.unwrap();
    assert_eq!(
        engine.number("SELECT orders FROM retain.customers_now WHERE customer_id = 'c0'").await,
        40
    );
    assert_eq!(
        engine.number("SELECT count() FROM retain.customers_now WHERE customer_id = 'c1'").await,
        0
    );
    assert_eq!(engine.number("SELECT count() FROM retain_g1.ledger_latest FINAL").await, 5);
}

#[tokio::test]
async fn history_of_two_centuries_fits_one_insert() {
    let engine = Engine::start();
    let sink = migrated(&engine).await;
    let events: Vec<Values> = (0..179)
        .map(|year| vec![("ts", (year * 365 * 86_400_000).into()), ("offset", year.into())])
        .collect();
    engine.run("ALTER TABLE retain_g1.events REMOVE TTL").await;
    sink.carry(&[block(Table::Events, &events)]).await.unwrap();
    assert_eq!(engine.number("SELECT count() FROM retain.events").await, 179);
}

#[tokio::test]
async fn a_mismatch_is_refused_and_nothing_is_inserted() {
    let engine = Engine::start();
    let sink = migrated(&engine).await;
    let good = at_offset(block(Table::Customers, &[customer("good", 1, 1)]), 4);
    let patched = |from: &[u8], to: &[u8]| {
        let mut bad = at_offset(block(Table::Customers, &[customer("bad", 1, 1)]), 5);
        let at = bad.bytes.windows(from.len()).position(|w| w == from).unwrap();
        bad.bytes.splice(at..at + from.len(), to.iter().copied());
        bad
    };
    // Another type of the same width, and a name that the table does not have: for the server to find.
    for bad in [patched(b"\x07Float64", b"\x06UInt64"), patched(b"spend_sum_30", b"spend_sum_31")] {
        let error = sink.insert(Table::Customers, &[&bad]).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Exception(_)), "{error}");
        let batch = [good.clone(), bad, block(Table::Ledger, &[ledger(1)])];
        let stopped = sink.carry(&batch).await.unwrap_err();
        assert_eq!((stopped.len(), stopped[0].table, stopped[0].offset), (1, Table::Customers, 5));
    }
    // Types we cannot read are found here, before anything is sent.
    for bad in [patched(b"\x06UInt16", b"\x06UInt32"), patched(b"\x06UInt16", b"\x06UInt17")] {
        let error = sink.insert(Table::Customers, &[&bad]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::BrokenBlock, "{error}");
    }
    let count = |table: &str| format!("SELECT count() FROM retain_g1.{table} FINAL");
    assert_eq!(engine.number(&count("customers")).await, 1, "only the good block");
    assert_eq!(engine.number(&count("ledger")).await, 0, "the ledger vouches for nothing refused");

    // A block cut short never reaches the server.
    let mut cut = block(Table::Customers, &[customer("cut", 1, 1), customer("cut2", 1, 1)]);
    cut.bytes.truncate(cut.bytes.len() - 3);
    let error = sink.insert(Table::Customers, &[&cut, &good]).await.unwrap_err();
    assert!(error.to_string().contains("within row 1 of 2"), "{error}");

    engine.run("DROP TABLE retain_g1.gaps").await;
    let gap = block(Table::Gaps, &[vec![("shard", 1.into())]]);
    let stopped = sink
        .carry(&[gap, block(Table::Events, &[vec![("ts", now_ms().into())]])])
        .await
        .unwrap_err();
    assert!(stopped[0].reason.contains("Code: 60"), "{stopped:?}");
    assert_eq!(engine.number(&count("events")).await, 1, "other tables go on");
}

#[tokio::test]
async fn a_refused_join_is_split_down_to_the_bad_block() {
    let engine = Engine::start();
    let sink = migrated(&engine).await;
    engine
        .run("ALTER TABLE retain_g1.customers ADD CONSTRAINT known CHECK region != 'atlantis'")
        .await;
    let mut batch: Vec<Block> = (0..9)
        .map(|n| at_offset(block(Table::Customers, &[customer(&format!("c{n}"), 1, n)]), n))
        .collect();
    let mut bad = customer("c6", 1, 6);
    bad.retain(|(name, _)| *name != "region");
    bad.push(("region", "atlantis".into()));
    batch[6] = at_offset(block(Table::Customers, &[bad]), 6);
    batch.push(block(Table::Ledger, &[ledger(1)]));

    let stopped = sink.carry(&batch).await.unwrap_err();
    assert_eq!((stopped.len(), stopped[0].offset), (1, 6), "{stopped:?}");
    assert!(
        stopped[0].to_string().contains("table customers is stopped at partition 0, offset 6"),
        "{stopped:?}"
    );
    assert!(stopped[0].reason.contains("Code: 469"), "{stopped:?}");
    assert_eq!(
        engine.number("SELECT count() FROM retain_g1.customers WHERE customer_id < 'c6'").await,
        6
    );
    assert_eq!(engine.number("SELECT count() FROM retain_g1.ledger").await, 0);

    // Repaired, the same batch goes through, and what was in before is in once.
    engine.run("ALTER TABLE retain_g1.customers DROP CONSTRAINT known").await;
    sink.carry(&batch).await.unwrap();
    assert_eq!(engine.number("SELECT count() FROM retain_g1.customers FINAL").await, 9);
    assert_eq!(engine.number("SELECT count() FROM retain_g1.ledger").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_engine_is_waited_for() {
    let engine = Engine::start();
    migrated(&engine).await;
    // One block an insert, so that the kill falls between inserts or within one.
    let options = SinkOptions {
        insert_bytes_max: 1,
        backoff: Backoff { first_ms: 5, max_ms: 50 },
        ..SinkOptions::new("retain_g1")
    };
    let sink = std::sync::Arc::new(Sink::new(engine.client(), options));
    let mut batch: Vec<Block> = (0..60)
        .map(|n| {
            let rows: Vec<Values> =
                (0..200).map(|m| customer(&format!("c{n}-{m}"), 1, m)).collect();
            block(Table::Customers, &rows)
        })
        .collect();
    batch.push(block(Table::Ledger, &[ledger(1)]));

    let carrying = tokio::spawn({
        let sink = sink.clone();
        async move { sink.carry(&batch).await }
    });
    until(|| sink.status().inserts >= 5).await;
    let killed = engine.kill();
    until(|| sink.status().retrying.is_some()).await;
    assert!(!carrying.is_finished());
    let engine = killed.restart();
    carrying.await.unwrap().unwrap();
    assert_eq!(engine.number("SELECT count() FROM retain_g1.customers FINAL").await, 12_000);
    assert_eq!(engine.number("SELECT count() FROM retain_g1.ledger FINAL").await, 1);
    assert!(sink.status().retrying.is_none() && sink.status().failures > 0);
}

/// Polls a condition; the test fails when it does not come within a minute.
async fn until(condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), poll).await.expect("condition within a minute");
}

#[tokio::test]
async fn lost_answers_silence_and_overload_end_in_rows_written_once() {
    let engine = Engine::start();
    migrated(&engine).await;
    let overloaded = Fault::Answers("503 Service Unavailable", "busy");
    let faults = vec![Fault::AnswerLost, overloaded, Fault::Silent, Fault::AnswerLost];
    let url = proxy::start(&engine.url, faults);
    let options = SinkOptions {
        timeout_ms: 500,
        backoff: Backoff { first_ms: 1, max_ms: 5 },
        ..SinkOptions::new("retain_g1")
    };
    let sink = Sink::new(engine.client().with_url(url), options);
    let batch = [
        block(Table::Customers, &[customer("c1", 1, 1), customer("c2", 1, 2)]),
        block(Table::Ledger, &[ledger(1)]),
    ];
    sink.carry(&batch).await.unwrap();
    assert_eq!((sink.status().failures, sink.status().inserts), (4, 2));
    let written = engine.number("SELECT count() FROM retain_g1.customers").await;
    assert!(written >= 4, "the lost answers' rows were in: {written}");
    assert_eq!(engine.number("SELECT count() FROM retain.customers_now").await, 2);
    assert_eq!(engine.number("SELECT sum(orders) FROM retain.customers_now").await, 3);
}

#[tokio::test]
async fn wrong_credentials_are_repeated_and_said() {
    // An answer as ClickHouse gives it: the embedded engine has no users.
    let denied =
        "Code: 516. DB::Exception: default: Authentication failed. (AUTHENTICATION_FAILED)";
    let url = proxy::start("unused", vec![Fault::Answers("403 Forbidden", denied); 1_000]);
    let options = SinkOptions {
        backoff: Backoff { first_ms: 1, max_ms: 1 },
        ..SinkOptions::new("retain_g1")
    };
    let sink = Sink::new(clickhouse::Client::default().with_url(url), options);
    let batch = [block(Table::Customers, &[customer("c1", 1, 1)])];
    let carrying = sink.carry(&batch);
    tokio::select! {
        done = carrying => panic!("{done:?}"),
        () = until(|| sink.status().failures > 20) => {}
    }
    let status = sink.status();
    assert!(status.needs_person, "{status:?}");
    assert!(status.retrying.unwrap().contains("Code: 516"));
}
