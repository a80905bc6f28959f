//! Limits and refusals on a real Kafka: who cannot run a shard leaves it to others, a trickle is carried, own topics
//! take large records.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/live.rs"]
mod live;
#[path = "support/rows.rs"]
mod rows;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use live::pipeline::definition;
use live::*;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use retain::flow::names::Names;
use retain::model::table::Table;
use retain::shell::board::{ShardState, Status};
use retain::shell::carrier;
use retain::shell::migrate::{Retention, migrate};
use retain::shell::observe::Observer;
use retain::shell::runtime::RunError;
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::topics;
use retain::shell::views::Databases;
use retain::snapshot::{FORMAT, StateKey};

/// The definition with a change that the state cannot follow.
fn in_another_zone(name: &str) -> String {
    let text = definition(name);
    let changed = text.replacen("day_zone = \"UTC\"", "day_zone = \"Europe/Berlin\"", 1);
    assert_ne!(changed, text);
    changed
}

fn running_shards(running: &Running) -> usize {
    let shards = running.board.snapshot().shards;
    shards.values().filter(|shard| shard.state == ShardState::Running).count()
}

#[test]
fn a_copy_with_another_definition_leaves_the_group_and_the_others_run_its_shards() {
    let (broker, name) = (Broker::shared(), "unfit");
    let mut stage = Stage::on(broker, name);
    let load = Load::start(stage.feed(), 50, Duration::from_millis(20));
    let fit = stage.start("a", false);
    let _carrying = stage.carry(&fit);
    until("the first copy to commit", || {
        running_shards(&fit) == 4 && fit.board.snapshot().commits.committed > 3
    });

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), in_another_zone(name)).unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_retain"))
        .arg("run")
        .arg(file.path())
        .arg("--no-sink")
        .args(["--set", &format!("kafka.brokers={}", broker.bootstrap)])
        .args(["--set", "kafka.instance=b", "--set", "http.listen=127.0.0.1:0"])
        .output()
        .unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(3), "{said}");
    assert!(said.contains("day_zone: UTC -> Europe/Berlin"), "{said}");
    assert!(said.contains("retain run --rebuild FILE"), "{said}");
    assert!(said.contains("this copy has left the group"), "{said}");

    until("the first copy to run everything again", || running_shards(&fit) == 4);
    load.stop();
    stage.verify();
    assert!(!fit.has_ended());
    fit.stop().unwrap();
}

#[test]
fn a_state_of_another_format_is_left_to_copies_that_can_read_it() {
    let (broker, name) = (Broker::shared(), "format");
    let stage = Stage::on(broker, name);
    stage.feed().send(500);
    let running = stage.start("a", false);
    stage.await_consumed();
    running.stop().unwrap();

    // A newer binary has written a profile that this one cannot read, and then its meta, whose first word is the format.
    let state = format!("{name}.g1.state");
    let producer = broker.producer();
    let send = |key: &[u8], value: &[u8]| {
        let record = BaseRecord::to(&state).partition(2).key(key).payload(value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    };
    let profile = broker.read(&state).into_iter().find(|m| m.key().is_some_and(|k| k[0] == b'p'));
    send(profile.unwrap().key().unwrap(), &[0xff; 3]);
    let newer = u8::try_from(FORMAT + 1).unwrap();
    send(&StateKey::Meta.encode(), &[newer, 1, 2, 3]);
    flush(&producer);

    let running = stage.start("a", false);
    until("the copy to leave", || running.has_ended());
    let shard = running.board.snapshot().shards.get(&2).cloned();
    let why = running.stop().unwrap_err();
    assert!(matches!(why, RunError::Unfit(_)), "{why:?}");
    let why = why.to_string();
    let wanted = format!("format {newer}, this binary reads {FORMAT}");
    assert!(why.contains("shard 2") && why.contains(&wanted), "{why}");
    // Gone from the page, too, or shown with the reason: never as running.
    assert!(shard.is_none_or(|shard| shard.state != ShardState::Running));
}

#[test]
fn rows_that_trickle_in_without_a_pause_are_carried() {
    let broker = Broker::shared();
    let names = Names::new("trickle", 1);
    broker.create(&[&names.rows()], 1);
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let engine = live::engine::Engine::start();
    let databases = Databases::new("retain", 1).unwrap();
    let kept = Retention { events_days: 400, ledger_days: 90, history_days: 400 };
    let plan = plan(&definition("trickle"));
    tokio.block_on(migrate(&engine.client(), &plan, &databases, kept)).unwrap();

    // One block each few milliseconds, so that no read ever finds a quiet moment.
    let stop = Arc::new(AtomicBool::new(false));
    let (asked, topic, bootstrap) = (Arc::clone(&stop), names.rows(), broker.bootstrap.clone());
    let trickle = std::thread::spawn(move || {
        let producer = live::broker::producer(&bootstrap);
        let block = rows::block(Table::Gaps, &[vec![("shard", 1.into())]]);
        let count = block.count.to_string();
        while !asked.load(Ordering::SeqCst) {
            let headers = OwnedHeaders::new()
                .insert(Header { key: "table", value: Some(Table::Gaps.name()) })
                .insert(Header { key: "count", value: Some(&count) });
            let record = BaseRecord::<[u8], [u8]>::to(&topic).partition(0);
            producer.send(record.payload(&block.bytes).headers(headers)).map_err(|e| e.0).unwrap();
            producer.poll(Duration::from_millis(5));
        }
        flush(&producer);
    });

    let sink = Sink::new(engine.client(), SinkOptions::new("retain_g1"));
    let observer = Observer::new(Status::default()).unwrap();
    let sink = Arc::new(sink.observed_by(&observer));
    let (status, quit) = (Arc::clone(&observer.board), Arc::new(AtomicBool::new(false)));
    let link = options(&broker.bootstrap, None, false).link;
    let handle = tokio.handle().clone();
    let carrying = carrier::start(&link, &names, sink, observer, Arc::clone(&quit), handle);
    until("rows to be carried while they trickle", || status.snapshot().sink.blocks > 20);
    assert!(!trickle.is_finished());
    stop.store(true, Ordering::SeqCst);
    trickle.join().unwrap();
    quit.store(true, Ordering::SeqCst);
    carrying.unwrap().join().unwrap();
    assert_eq!(status.snapshot().sink.stopped, None);
}

#[test]
fn own_topics_take_sixteen_mebibytes_and_smaller_ones_are_refused() {
    let (broker, name) = (Broker::shared(), "large");
    let sources = ["purchases", "support", "web"].map(|t| format!("{name}.{t}"));
    broker.create(&sources.each_ref().map(String::as_str), PARTITIONS);
    let (plan, names) = (plan(&definition(name)), Names::new(name, 1));
    let link = options(&broker.bootstrap, None, false).link;
    let tokio = tokio::runtime::Runtime::new().unwrap();
    tokio.block_on(topics::prepare(&link, &plan, &names)).unwrap();
    for topic in [names.state(), names.rows()] {
        assert_eq!(broker.setting(&topic, "max.message.bytes"), "16777216", "{topic}");
    }

    let names = Names::new(name, 2);
    broker.create_with(
        &names.rows(),
        PARTITIONS,
        &[
            ("max.message.bytes", "1048588"),
            ("message.timestamp.type", "LogAppendTime"),
            ("retention.ms", "-1"),
        ],
    );
    let refused = tokio.block_on(topics::prepare(&link, &plan, &names)).unwrap_err().to_string();
    assert!(refused.contains("large.g2.rows has max.message.bytes=1048588"), "{refused}");
    assert!(refused.contains("at least 16777216") && refused.contains("--add-config"), "{refused}");
}
