//! Stories of customers read by a machine, and its rows carried to the engine.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use retain::flow::carry::Block;
use retain::machine::{ClockReading, Identity, Machine, Restored};
use retain::model::record::Record;
use retain::plan::Plan;
use retain::shell::migrate::{Retention, migrate};
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use serde_json::Value;

use crate::engine::Engine;
use crate::stories::{BEGIN_MS, DAY_MS, Story};

/// The shipped definition.
pub const DEFINITION: &str = "pipelines/customers.toml";

/// The same, checked.
pub fn plan() -> Arc<Plan> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFINITION));
    let (plan, problems) = retain::plan::parse(&text.unwrap());
    Arc::new(plan.unwrap_or_else(|| panic!("{problems:?}")))
}

/// A machine reads the stories, by customer, until some day, and its rows are carried.
pub async fn carry(engine: &Engine, plan: &Arc<Plan>, stories: &[(&str, Story)], day: i64) {
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
