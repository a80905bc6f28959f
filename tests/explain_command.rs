//! `retain explain` on the real engine: rows of a whole pipeline are carried, asked for, and told; what is asked wrong is
//! refused in words.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/stories.rs"]
mod stories;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use engine::Engine;
use retain::flow::carry::Block;
use retain::machine::{ClockReading, Identity, Machine, Restored};
use retain::model::record::Record;
use retain::plan::Plan;
use retain::shell::migrate::{Retention, migrate};
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use serde_json::Value;
use stories::{BEGIN_MS, DAY_MS, Story, churner, loyal, time};

const DEFINITION: &str = "pipelines/customers.toml";

fn plan() -> Arc<Plan> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFINITION));
    let (plan, problems) = retain::plan::parse(&text.unwrap());
    Arc::new(plan.unwrap_or_else(|| panic!("{problems:?}")))
}

/// A machine reads the stories, by customer, until some day, and its rows are carried.
async fn carry(engine: &Engine, plan: &Arc<Plan>, stories: &[(&str, Story)], day: i64) {
    let identity = Identity { shard: 0, shards: 1, generation: 1, owner: "test".to_owned() };
    let mut machine = Machine::new(plan.clone(), identity);
    assert_eq!(machine.restored().unwrap(), Restored::New);
    machine.start_at(&[0, 0, 0], 0);
    for source in 0..3 {
        let mut lines: Vec<(i64, &str, String)> = Vec::new();
        for (id, story) in stories {
            for line in story.lines.iter().filter(|line| line.source == source) {
                let json: Value = serde_json::from_str(&line.json).unwrap();
                let mut json = json.as_object().unwrap().clone();
                json["customer_id"] = (*id).into();
                json["event_id"] = format!("{id}-{}", json["event_id"].as_str().unwrap()).into();
                lines.push((line.ts_ms, id, Value::Object(json).to_string()));
            }
        }
        lines.sort();
        let mut records = (0..).zip(&lines).map(|(offset, (ts_ms, id, json))| Record {
            offset,
            kafka_ms: *ts_ms,
            key: Some(id.as_bytes()),
            payload: Some(json.as_bytes()),
        });
        machine.offer(source as u8, &mut records);
        machine.end_of(source as u8, lines.len() as i64);
    }
    machine.advance(usize::MAX);
    let now_ms = BEGIN_MS + day * DAY_MS;
    let mut blocks = Vec::new();
    for _ in 0..3 {
        let clock = ClockReading { now_ms, ends_confirmed_ms: Some(now_ms) };
        blocks.extend(machine.end_cycle(clock).rows);
    }
    assert_eq!(machine.stop_reason(), None);
    let databases = Databases::new("retain", 1).unwrap();
    let kept = Retention { events_days: 0, history_days: 0, ledger_days: 0 };
    migrate(&engine.client(), plan, &databases, kept).await.unwrap();
    let blocks: Vec<Block> = blocks
        .into_iter()
        .map(|b| Block { table: b.table, count: b.count, bytes: b.bytes, partition: 0, offset: 0 })
        .collect();
    Sink::new(engine.client(), SinkOptions::new("retain_g1")).carry(&blocks).await.unwrap();
}

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
    let odd = "o'neill\\ ä\t{x:String} ?";
    carry(&engine, &plan, &[("c1", churner()), (odd, loyal())], 460).await;
    for id in ["c1", odd] {
        let json = said(&run(&engine.url, &[id, "--json"]));
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["customer_id"], id);
        assert_eq!(json["row"]["agrees"], true, "{}", json["row"]);
        assert_eq!(json["told_from"], "events");
        // what the view shows is what the command explains: the same moment and the same risk when it was judged
        let shown = engine
            .rows(&format!(
                "SELECT toUnixTimestamp64Milli(at) AS at_ms, risk, judged_at, \
                 (SELECT count() FROM retain.events AS e WHERE e.customer_id = c.customer_id) AS events \
                 FROM retain.customers_now AS c WHERE startsWith(customer_id, '{}')",
                &id[..1]
            ))
            .await;
        let at: jiff::Timestamp = json["at"].as_str().unwrap().parse().unwrap();
        let at_ms: i64 = shown[0]["at_ms"].to_string().trim_matches('"').parse().unwrap();
        assert_eq!(at.as_millisecond(), at_ms);
        assert_eq!(json["row"]["risk"], shown[0]["risk"]);
        let events: u64 = shown[0]["events"].to_string().trim_matches('"').parse().unwrap();
        assert_eq!(json["events"]["held"], events);
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
