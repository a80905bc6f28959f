//! The official `clickhouse` crate against the server: validation, its default compression, parameters, exceptions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;
use clickhouse::error::Error;
use clickhouse::{Client, Compression, Row};
use serde::{Deserialize, Serialize};
use support::Server;

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Customer {
    customer_id: String,
    revenue: i64,
    p_alive: Option<f64>,
    tags: Vec<String>,
    version: u64,
    is_deleted: u8,
}

/// The same columns, one of another type.
#[derive(Row, Serialize)]
struct WrongCustomer {
    customer_id: u64,
    revenue: i64,
    p_alive: Option<f64>,
    tags: Vec<String>,
    version: u64,
    is_deleted: u8,
}

fn customer(number: u64) -> Customer {
    Customer {
        customer_id: format!("c\n\n{number}"),
        revenue: 0x0a0a_0a0a,
        p_alive: number.is_multiple_of(2).then_some(number as f64 / 7.0),
        tags: vec!["a\n\nb".into(), String::new()],
        version: number,
        is_deleted: 0,
    }
}

async fn client(server: &Server) -> Client {
    let client = Client::default().with_url(format!("http://{}", server.address));
    let table =
        "CREATE TABLE customers (customer_id String, revenue Int64, p_alive Nullable(Float64),
        tags Array(String), version UInt64, is_deleted UInt8)
        ENGINE = ReplacingMergeTree(version, is_deleted) ORDER BY customer_id";
    client.query(table).execute().await.unwrap();
    client
}

async fn count(client: &Client) -> u64 {
    client.query("SELECT count() FROM customers FINAL").fetch_one().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_back_with_every_compression_and_validation() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let base = client(&server).await;
    let settings = [
        (Compression::Lz4, true),
        (Compression::Lz4, false),
        (Compression::None, true),
        (Compression::None, false),
    ];
    for (round, (compression, validation)) in (0..).zip(settings) {
        let client = base.clone().with_compression(compression).with_validation(validation);
        let mut insert = client.insert::<Customer>("customers").await.unwrap();
        for number in 0..5_000 {
            insert.write(&customer(round * 5_000 + number)).await.unwrap();
        }
        insert.end().await.unwrap();
        let read =
            client.query("SELECT ?fields FROM customers FINAL WHERE version >= ? ORDER BY version");
        let rows = read.bind(round * 5_000).fetch_all::<Customer>().await.unwrap();
        assert!(
            rows.iter().cloned().eq((round * 5_000..(round + 1) * 5_000).map(customer)),
            "round {round}"
        );
    }
    assert_eq!(count(&base).await, 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_does_not_fit_is_refused_and_a_dropped_insert_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let client = client(&server).await;
    let wrong = WrongCustomer {
        customer_id: 1,
        revenue: 1,
        p_alive: None,
        tags: vec![],
        version: 1,
        is_deleted: 0,
    };
    let refused = async {
        let mut insert = client.insert::<WrongCustomer>("customers").await?;
        insert.write(&wrong).await?;
        insert.end().await
    };
    assert!(refused.await.is_err());
    let mut insert = client.insert::<Customer>("customers").await.unwrap();
    for number in 0..50_000 {
        insert.write(&customer(number)).await.unwrap();
    }
    drop(insert);
    server.until("SELECT count() FROM system.processes WHERE query LIKE 'INSERT%'", "0");
    assert_eq!(count(&client).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_and_exceptions() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let client = client(&server).await;
    let hard = "it's\t\\ a\n\n{b}";
    let back = client.query("SELECT {text:String}").param("text", hard).fetch_one::<String>().await;
    assert_eq!(back.unwrap(), hard);

    let unknown = client.query("SELECT * FROM nowhere").execute().await;
    assert!(
        matches!(&unknown, Err(Error::BadResponse(text)) if text.contains("Code: 60")),
        "{unknown:?}"
    );

    let sql = "SELECT throwIf(number = 3000000) FROM numbers(4000000)";
    let late = client.query(sql).fetch_all::<u8>().await;
    // where a read from the socket ends inside the exception, this client knows only that there is one
    assert!(
        match &late {
            Err(Error::BadResponse(text)) => text.contains("Code: 395"),
            Err(Error::Other(cut)) => cut.to_string().contains("exception tag"),
            _ => false,
        },
        "{late:?}"
    );
}
