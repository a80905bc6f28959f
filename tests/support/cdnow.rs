//! The real CDNOW purchases, and their way through the machine into blocks of rows.
#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;

use retain::flow::carry::Block;
use retain::machine::{ClockReading, Identity, Machine, Progress};
use retain::model::record::Record;
use retain::plan::Plan;
use serde_json::Value;

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
const CYCLE_RECORDS: usize = 700;

/// A purchase of the sample.
pub struct Purchase {
    /// Who bought.
    pub customer: String,
    /// When, milliseconds.
    pub ts: i64,
    /// For how much, cents.
    pub minor: i64,
    /// The record.
    pub payload: String,
}

/// All of them, in the order of the file.
pub fn purchases() -> Vec<Purchase> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cdnow/purchases_sample.ndjson");
    std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .enumerate()
        .map(|(n, line)| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            let day: jiff::Timestamp = event["ts"].as_str().unwrap().parse().unwrap();
            // The sample knows days only: the hours are spread so that sums and windows have something to do.
            let ts = day.as_millisecond() + (n as i64 * 7_919) % (20 * HOUR);
            event["ts"] = jiff::Timestamp::from_millisecond(ts).unwrap().to_string().into();
            Purchase {
                customer: event["customer_id"].as_str().unwrap().to_owned(),
                ts,
                minor: (event["amount"].as_f64().unwrap() * 100.0).round() as i64,
                payload: event.to_string(),
            }
        })
        .collect()
}

/// Feeds the purchases, every tenth of them twice, in cycles; returns the rows of all cycles.
pub fn through_the_machine(plan: &Plan, purchases: &[Purchase], end_ms: i64) -> Vec<Block> {
    let identity = Identity { shard: 0, shards: 1, generation: 1, owner: "test".to_owned() };
    let mut machine = Machine::new(Arc::new(plan.clone()), identity);
    machine.restored().unwrap();
    machine.start_at(&[0, 0, 0], 0);
    let records: Vec<&Purchase> = purchases
        .iter()
        .enumerate()
        .flat_map(|(n, p)| std::iter::repeat_n(p, if n % 10 == 3 { 2 } else { 1 }))
        .collect();
    let mut blocks = Vec::new();
    let mut offset = 0;
    let chunks = records.chunks(CYCLE_RECORDS).count();
    for (cycle, chunk) in records.chunks(CYCLE_RECORDS).enumerate() {
        let mut borrowed = chunk.iter().zip(offset..).map(|(p, offset)| Record {
            offset,
            kafka_ms: p.ts + DAY,
            key: Some(p.customer.as_bytes()),
            payload: Some(p.payload.as_bytes()),
        });
        machine.offer(0, &mut borrowed);
        offset += chunk.len() as i64;
        let ends = [offset, 0, 0];
        (0..).zip(ends).for_each(|(source, end)| machine.end_of(source, end));
        while machine.advance(CYCLE_RECORDS) == Progress::More {}
        let last = cycle + 1 == chunks;
        let now_ms = if last { end_ms } else { chunk.last().unwrap().ts + DAY };
        let clock = ClockReading { now_ms, ends_confirmed_ms: last.then_some(end_ms) };
        let effects = machine.end_cycle(clock);
        blocks.extend(effects.rows.into_iter().map(|row| Block {
            table: row.table,
            count: row.count,
            bytes: row.bytes,
            partition: 0,
            offset: cycle as i64,
        }));
    }
    blocks
}
