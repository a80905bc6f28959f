//! `retain explain` on the real engine: rows of a whole pipeline are carried, asked for, and told; what is asked wrong is
//! refused in words.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/carried.rs"]
mod carried;
#[path = "support/engine.rs"]
mod engine;
#[path = "support/stories.rs"]
mod stories;

use std::process::{Command, Output};

use carried::{carry, plan};
use engine::Engine;
use serde_json::Value;
use stories::{churner, loyal, time};

/// The command, as an operator calls it.
fn run(url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_retain"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .args(["--set", &format!("clickhouse.url={url}"), "explain"])
        .args(arguments)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn scores_are_told_from_the_tables() {
    let (engine, plan) = (Engine::start(), plan());
    let odd = "o'neill\\ ä\\t{x:String} ?";
    carry(&engine, &plan, &[("c1", churner()), (odd, loyal())], 460).await;
    for id in ["c1", odd] {
        let json = said(&run(&engine.url, &[id, "--json"]));
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["customer_id"], id);
        assert_eq!(json["row"]["agrees"], true, "{}", json["row"]);
        assert_eq!(json["told_from"], "events");
        // what the view shows is what the command explains: the same moment and the same risk when it was judged
        let first = &id[..1];
        let shown = engine
            .rows(&format!(
                "SELECT toString(toUnixTimestamp64Milli(at)) AS at_ms, risk FROM retain.customers_now \
                 WHERE startsWith(customer_id, '{first}')"
            ))
            .await;
        let at: jiff::Timestamp = json["at"].as_str().unwrap().parse().unwrap();
        assert_eq!(at.as_millisecond().to_string(), shown[0]["at_ms"].as_str().unwrap());
        let [told, seen] = [&json["row"]["risk"], &shown[0]["risk"]].map(|v| v.as_f64().unwrap());
        assert!((told - seen).abs() < 1e-12, "{told} {seen}");
        let sql =
            format!("SELECT count() FROM retain.events WHERE startsWith(customer_id, '{first}')");
        assert_eq!(json["events"]["held"], engine.number(&sql).await);
        let points = json["risk"]["contributions"].as_array().unwrap().iter();
        let points: f64 = points.map(|c| c["points"].as_f64().unwrap()).sum();
        assert!((points - json["risk"]["points"].as_f64().unwrap()).abs() < 1e-9);
    }
    let text = said(&run(&engine.url, &["c1", "--since", &time(400, 0)]));
    for word in
        ["CHURN RISK", "LOYALTY", "SINCE 2027-02-05", "TO KNOW", "complaint opened, ticket t2"]
    {
        assert!(text.contains(word), "{word} in {text}");
    }
    // an event can be found again where it came from
    let text = said(&run(&engine.url, &["c1", "--at", &time(440, 0)]));
    assert!(text.starts_with("c1 at 2027-03-17 00:00 UTC"), "{text}");
    assert!(!text.contains("looked at how to leave"), "that came later: {text}");
    let sql = "SELECT offset FROM retain.events WHERE customer_id = 'c1' AND reference = 't2' AND action = 'opened'";
    let offset = engine.number(sql).await;
    assert!(text.contains(&format!("complaint opened, ticket t2 (support/0@{offset})")), "{text}");
    // nothing of it is logged
    let quiet = run(&engine.url, &["c1"]);
    assert!(!String::from_utf8_lossy(&quiet.stderr).contains("c1"));
}

#[tokio::test]
async fn what_is_asked_wrong_is_refused_in_words() {
    let (engine, plan) = (Engine::start(), plan());
    let before = refused(&run(&engine.url, &["c1"]));
    assert!(before.contains("check clickhouse.url and that `retain migrate` has run"), "{before}");
    carry(&engine, &plan, &[("c1", churner())], 460).await;
    let unknown = refused(&run(&engine.url, &["nobody"]));
    assert_eq!(
        unknown.trim_end(),
        "error: explain: retain.customers_now has no customer \"nobody\": check the id, and that rows have arrived \
         (retain run, retain sink)"
    );
    let turned =
        refused(&run(&engine.url, &["c1", "--at", &time(300, 0), "--since", &time(301, 0)]));
    assert_eq!(
        turned.trim_end(),
        "error: explain: --since 2026-10-29 00:00 is not before 2026-10-28 00:00, the moment that is explained; name an \
         earlier one"
    );
    let time = refused(&run(&engine.url, &["c1", "--at", "yesterday"]));
    assert!(time.contains("invalid value 'yesterday' for '--at <TIME>'"), "{time}");
    let file = refused(&run(&engine.url, &["c1", "--definition", "none.toml"]));
    assert!(file.contains("none.toml: No such file"), "{file}");
    let away = refused(&run("http://127.0.0.1:9", &["c1"]));
    assert!(away.contains("reading from ClickHouse at http://127.0.0.1:9"), "{away}");
    assert!(away.contains("refused"), "{away}");
}
