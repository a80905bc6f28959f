//! The pages of a running server in Chromium, on the real engine: every view with data, without, without ClickHouse, and with 100,000
//! accounts; and on a real Kafka what somebody takes in the browser is taken for good.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/bulk.rs"]
mod bulk;
#[path = "support/carried.rs"]
mod carried;
#[allow(dead_code)]
#[path = "api/desk.rs"]
mod desk;
#[path = "browser_live/driver.rs"]
mod driver;
#[path = "support/engine.rs"]
mod engine;
#[path = "support/browse.rs"]
mod reader;
#[path = "support/stories.rs"]
mod stories;
#[path = "browser_live/taking.rs"]
mod taking;

use bulk::{HOSTILE, Size};
use desk::{Desk, NOWHERE, OPERATOR, VIEWER};
use driver::{Live, browse};
use serde_json::{Value, json};

/// Every view that there is without knowing a name.
const VIEWS: [&str; 6] = ["/", "/accounts", "/customers", "/alerts", "/marketing", "/pipeline"];

fn look(name: &str, live: &Live, path: &str, status: u16, says: &[&str]) -> Value {
    json!({ "name": name, "url": live.url, "token": OPERATOR, "path": path, "status": status, "says": says })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_with_data_without_and_without_clickhouse() {
    let full = Live::of(Desk::full().await).await;
    let empty = Live::of(Desk::empty().await).await;
    let away = Live::of(Desk::at(NOWHERE, &[])).await;
    let mut looks = Vec::new();
    for (path, says) in [
        ("/", "Zeta"),
        ("/accounts", "Öl & Gas"),
        ("/accounts/A0", "Zeta"),
        ("/accounts/A6", "<b>Eve</b>"),
        ("/customers", "c1"),
        ("/customers/c1", "How sure this is"),
        ("/alerts", "Key customer at risk"),
        ("/alerts/a1", "Bought nothing for 94 days"),
        ("/marketing", "Lifecycle"),
        ("/pipeline", "0 missing, 0 twice"),
    ] {
        looks.push(look("full", &full, path, 200, &[says]));
    }
    for path in VIEWS {
        looks.push(look("empty", &empty, path, 200, &[]));
        looks.push(look("away", &away, path, 503, &["Try again"]));
    }
    looks.push(look("missing", &full, "/customers/nobody", 404, &["Back to Today"]));
    looks.push(look("missing", &full, "/accounts?cursor=x", 400, &[]));
    browse("look", &json!({ "looks": looks }));
    let refused = json!({ "url": full.url, "token": VIEWER, "path": "/alerts/a1/acknowledge" });
    browse("refused", &refused);
    assert!(full.desk.sent.lock().unwrap().is_empty());
}

/// Customers that the test is about, unless more of them are measured.
const CUSTOMERS: u64 = 50_000;

fn time(size: Size) -> &'static [&'static str] {
    if size.customers > CUSTOMERS { &["http.request_timeout_ms=60000"] } else { &[] }
}

/// Desks with made-up rows, and the paths of every view.
async fn crowd(size: Size) -> (Live, Vec<String>) {
    // within the time that a request has by default; what is measured takes as long as it takes
    let desk = Desk::empty().await.reconnected(time(size));
    bulk::fill(desk.engine.as_ref().unwrap(), size).await;
    let named = ["/accounts/A000000", "/customers/C0000000"];
    let sorted = ["/customers?sort=name", "/accounts?owner=o7&risk_from=0.6", "/alerts?phase=all"];
    let paths = VIEWS.iter().chain(&named).chain(&sorted).map(|path| (*path).to_owned()).collect();
    (Live::of(desk).await, paths)
}

/// Also gives the figures of docs/performance.md (`make measure-pages`), with more customers.
#[tokio::test(flavor = "multi_thread")]
async fn every_view_with_a_hundred_thousand_accounts() {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |n| n.parse().unwrap());
    let size = Size {
        customers: number("RETAIN_CUSTOMERS", CUSTOMERS),
        accounts: 100_000,
        alerts: number("RETAIN_CUSTOMERS", CUSTOMERS) / 10,
    };
    let (live, paths) = crowd(size).await;
    let mut looks: Vec<Value> =
        paths.iter().map(|path| look("crowd", &live, path, 200, &[])).collect();
    looks.push(look("crowd", &live, "/accounts", 200, &["100,000 accounts"]));
    looks.push(look("hostile", &live, "/customers/C0000000", 200, &[HOSTILE]));
    looks.push(look("hostile", &live, "/accounts/A000000", 200, &[HOSTILE]));
    looks.push(look("hostile", &live, "/accounts?text=script", 200, &[HOSTILE]));
    browse("look", &json!({ "looks": looks }));
    let times = number("RETAIN_TIMES", 1);
    // nothing has been asked of this one, so nothing is kept
    let cold = Live::of(Desk::at(&live.desk.engine.as_ref().unwrap().url, time(size))).await;
    let asked = json!({ "url": cold.url, "token": OPERATOR, "paths": paths, "times": times });
    let figures: Value = serde_json::from_str(&browse("measure", &asked)).unwrap();
    print(&format!("{size:?}, medians of {times}"), &paths, &figures);
}

/// A table of the figures.
fn print(title: &str, paths: &[String], figures: &Value) {
    println!("{title}\n");
    println!(
        "| page | first byte, ms | of the first load | interactive, ms | ready, ms | page, KB |"
    );
    println!("|---|---|---|---|---|---|");
    for path in paths {
        let of = |name: &str| figures[path][name].as_u64().unwrap();
        let (first, interactive, ready) = (of("first"), of("interactive"), of("ready"));
        let (cold, bytes) = (of("cold"), of("bytes") / 1024);
        println!("| `{path}` | {first} | {cold} | {interactive} | {ready} | {bytes} |");
    }
}
