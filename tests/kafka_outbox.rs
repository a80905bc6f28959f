//! The size of own topics on a real Kafka: what was read is deleted; with ClickHouse away the shards stop reading and say
//! why, a restart changes nothing of that, and when ClickHouse is back they go on by themselves with nothing lost.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/live.rs"]
mod live;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use live::*;
use proxy::{Fault, Gate};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::BaseRecord;
use retain::flow::names::Names;
use retain::shell::board::{ShardState, Status};
use retain::shell::clean::{Cleaner, KEEP_MS};
use retain::shell::metrics::OUTBOX_BYTES;
use retain::shell::runtime::Options;

const BYTES_MAX: u64 = 100_000;

fn start(stage: &Stage) -> Running {
    let options = options(&stage.broker.bootstrap, Some("a"), false);
    Running::start(&stage.plan, Options { outbox_bytes_max: BYTES_MAX, ..options })
}

fn lag(status: &Status) -> i64 {
    status.shards.values().flat_map(|s| &s.sources).filter_map(|s| s.lag).sum()
}

fn cycles(status: &Status) -> Vec<u64> {
    status.shards.values().map(|s| s.cycle).collect()
}

/// Waits until all shards are held up, and then until records pile up while no cycle is committed.
fn await_standstill(running: &Running) {
    until("all shards to be held up", || {
        let shards = running.board.snapshot().shards;
        shards.len() == PARTITIONS as usize && shards.values().all(|s| s.held_up.is_some())
    });
    let since = RefCell::new(running.board.snapshot());
    until("records to pile up while nothing is committed", || {
        let now = running.board.snapshot();
        let moved = cycles(&now) != cycles(&since.borrow());
        if moved {
            since.replace(now);
            return false;
        }
        lag(&now) > lag(&since.borrow()) + 1_000
    });
}

/// Every block of the rows topic says how many bytes there were up to it; returns the last sum of each partition.
fn sums(stage: &Stage) -> BTreeMap<i32, u64> {
    let mut sums = BTreeMap::new();
    for block in stage.broker.read(&Names::new(&stage.name, 1).rows()) {
        let sum: &mut u64 = sums.entry(block.partition()).or_default();
        *sum += block.payload().unwrap().len() as u64;
        let headers = block.headers().unwrap();
        let said = headers.iter().find(|h| h.key == "bytes_total").unwrap().value.unwrap();
        assert_eq!(std::str::from_utf8(said).unwrap(), sum.to_string());
    }
    sums
}

#[test]
fn a_full_outbox_stops_the_shards_with_the_reason_until_clickhouse_is_back() {
    let mut stage = Stage::new("outbox");
    let gate = Gate::start(&stage.url);
    gate.set(Some(Fault::Closed));
    let load = Load::start(stage.feed(), 20, Duration::from_millis(20));
    let running = start(&stage);
    let carrying = stage.carry_to(&running, &gate.url, 5_000);
    await_standstill(&running);

    let (ready, why) = running.board.ready();
    assert!(!ready && why.lasting.len() == PARTITIONS as usize, "{why:?}");
    for (shard, status) in running.board.snapshot().shards {
        assert_eq!((status.state, status.stop_reason), (ShardState::Running, None));
        let reason = status.held_up.unwrap();
        let place = format!("outbox.g1.rows partition {shard}");
        assert!(reason.contains(&place) && reason.contains("kafka.outbox_bytes_max"), "{reason}");
        assert!(why.lasting.iter().any(|why| why.contains(&reason)), "{why:?}");
        assert!(status.outbox_bytes.unwrap() > BYTES_MAX);
        let gauge = format!("{OUTBOX_BYTES}{{shard=\"{shard}\"}} {}", status.outbox_bytes.unwrap());
        let text = running.observer.metrics.text().unwrap();
        assert!(text.lines().any(|line| line == gauge), "{gauge}: {text}");
    }

    // The next owner knows it from the state and the carrier's offsets.
    running.stop().unwrap();
    let running = start(&stage);
    await_standstill(&running);
    let written = sums(&stage);
    assert_eq!(written.len(), PARTITIONS as usize);
    for (shard, status) in running.board.snapshot().shards {
        assert_eq!(status.outbox_bytes, Some(written[&i32::from(shard)]), "nothing is carried yet");
    }

    load.stop();
    gate.set(None);
    // They go on by themselves.
    stage.verify();
    until("the outbox to be empty, to the byte", || {
        let shards = running.board.snapshot().shards;
        shards.values().all(|s| s.outbox_bytes == Some(0) && s.held_up.is_none())
    });
    assert!(running.board.ready().0);
    assert_eq!(carrying.sink.status().stopped, None);
    running.stop().unwrap();
    sums(&stage);
}

#[test]
fn old_rows_and_mail_are_deleted_as_far_as_they_were_read() {
    let (broker, names) = (Broker::shared(), Names::new("cleaned", 1));
    let topics = [names.rows(), names.mail()];
    broker.create(&topics.each_ref().map(String::as_str), 2);
    let producer = broker.producer();
    for topic in &topics {
        for n in 0..20 {
            let record = BaseRecord::<[u8], [u8]>::to(topic).partition(n % 2).payload(b"x");
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
    }
    flush(&producer);
    // Of partition 1 nobody has read the mail.
    broker.set_offset(&names.group(), &names.mail(), 0, 6);
    let begins = || {
        let ranges = broker.ranges(&topics.each_ref().map(String::as_str), 2);
        let begin = |topic: &String, partition| ranges[&(topic.clone(), partition)].0;
        topics.each_ref().map(|topic| [begin(topic, 0), begin(topic, 1)])
    };

    let link = options(&broker.bootstrap, None, false).link;
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let cleaner = Cleaner::new(&link, &names, tokio.handle().clone()).unwrap();
    let carried = BTreeMap::from([(0, 4), (1, 10)]);
    cleaner.clean(&carried, KEEP_MS).unwrap();
    assert_eq!(begins(), [[0, 0], [0, 0]], "nothing is seven days old");
    cleaner.clean(&carried, -60_000).unwrap();
    assert_eq!(begins(), [[4, 10], [6, 0]]);
}
