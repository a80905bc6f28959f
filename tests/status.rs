//! What a running pipeline says of itself, on a real Kafka: numbers that are true, and reasons that help.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/engine.rs"]
mod engine;
#[path = "support/outbox.rs"]
mod outbox;
#[path = "support/pipeline.rs"]
mod pipeline;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use broker::{Broker, flush, send, until};
use pipeline::{Feed, Running, definition, options, plan};
use retain::flow::names::Names;
use retain::model::outcome::Outcome;
use retain::shell::board::{Moment, ShardState, ShardStatus, Status};
use retain::shell::carrier;
use retain::shell::clock::wall_ms;
use retain::shell::metrics;
use retain::shell::migrate::{Retention, migrate};
use retain::shell::observe::Observer;
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;

const PARTITIONS: i32 = 4;
const LONG: Duration = Duration::from_secs(60);

fn topics(broker: &Broker, name: &str) {
    let names = ["purchases", "support", "web"].map(|t| format!("{name}.{t}"));
    broker.create(&names.each_ref().map(String::as_str), PARTITIONS);
}

/// The value of a metric, all its label sets added up; `None` when it has none.
fn metric(text: &str, name: &str) -> Option<f64> {
    let samples = text.lines().filter(|line| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        rest.starts_with(' ') || rest.starts_with('{')
    });
    let values: Vec<f64> =
        samples.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

fn is_caught_up(shard: &ShardStatus) -> bool {
    let read = |s: &retain::shell::board::SourceStatus| s.lag == Some(0) && s.at_end;
    shard.state == ShardState::Running && shard.sources.iter().all(read)
}

#[test]
fn every_number_of_a_running_pipeline_is_true() {
    let broker = Broker::shared();
    let name = "numbers";
    topics(broker, name);
    let began_ms = wall_ms();
    let plan = plan(&definition(name));
    let mut feed = Feed::new(broker, name);
    feed.send(3_000);
    let junk = broker.producer();
    send(&junk, &format!("{name}.web"), "c0001", "no json");
    flush(&junk);
    feed.records[2] += 1;
    let running = Running::start(&plan, options(&broker.bootstrap, Some("a"), false));
    feed.await_consumed(broker, PARTITIONS, LONG);
    until("the status to know that everything is read", || {
        let shards = running.board.snapshot().shards;
        shards.len() == PARTITIONS as usize && shards.values().all(is_caught_up)
    });
    let watermarks = |status: &Status| {
        status.shards.values().all(|s| s.watermark >= Some(Moment(began_ms - 3_600_000)))
    };
    until("the watermarks", || watermarks(&running.board.snapshot()));

    let status = running.board.snapshot();
    let sum = |of: &dyn Fn(&ShardStatus) -> u64| status.shards.values().map(of).sum::<u64>();
    assert_eq!(sum(&|s| s.customers), feed.truth.len() as u64);
    let buyers = feed.truth.values().filter(|t| t.0 > 0).count() as u64;
    assert!(sum(&|s| s.dues_pending) >= buyers, "each buyer has a due");
    let outcome = |o| sum(&|s: &ShardStatus| s.sources.iter().map(|s| s.outcomes.of(o)).sum());
    let records: u64 = feed.records.iter().sum();
    let repeats: u64 = feed.repeats.iter().sum();
    assert_eq!(outcome(Outcome::Rejected), 1);
    assert_eq!(outcome(Outcome::Duplicate), repeats);
    assert_eq!(outcome(Outcome::Applied), records - repeats - 1);
    assert_eq!(status.dead_letters, 1);
    for shard in status.shards.values() {
        assert_eq!((shard.tenure, &shard.waiting_for, &shard.stop_reason), (1, &None, &None));
        assert!(shard.cycle > 0 && shard.complete_to <= shard.watermark);
        for source in &shard.sources {
            assert!(source.position > 0 && source.end.unwrap() <= source.position, "{source:?}");
            assert_eq!(source.fetched_to, source.position);
        }
    }
    let (ready, why) = running.board.ready();
    assert!(ready, "{why:?}");
    assert!(running.board.stuck(Duration::from_secs(10)).is_empty());

    let text = running.observer.metrics.text().unwrap();
    let value = |name: &str| metric(&text, name).unwrap_or_else(|| panic!("{name}: {text}"));
    assert_eq!(value(metrics::EVENTS), records as f64);
    assert_eq!(value(metrics::EVENTS_CONSUMED), records as f64);
    assert_eq!(value(metrics::CONSUMER_LAG), 0.0);
    assert_eq!(value(metrics::STATE_KEYS), feed.truth.len() as f64);
    assert_eq!((value(metrics::DLQ), value(metrics::REJECTS)), (1.0, 1.0));
    assert_eq!(value(metrics::SHARDS), f64::from(PARTITIONS));
    assert_eq!(value(metrics::RESTORE_PROGRESS), f64::from(PARTITIONS));
    assert!(value(metrics::STATE_WRITTEN) > 0.0 && value(metrics::TIMERS_PENDING) > 0.0);
    let count = |name: &str| value(&format!("{name}_count"));
    assert_eq!(count(metrics::RESTORE_DURATION), f64::from(PARTITIONS));
    assert!(count(metrics::END_TO_END_LATENCY) >= f64::from(PARTITIONS));
    let latency_s = value(&format!("{}_sum", metrics::END_TO_END_LATENCY));
    assert!(latency_s > 0.0 && latency_s / count(metrics::END_TO_END_LATENCY) < 60.0);
    assert_eq!(count(metrics::COMMIT_DURATION), value(metrics::COMMITS));
    running.stop().unwrap();
}

#[test]
fn a_second_owner_counts_its_own_outcomes_and_knows_how_many_were_before() {
    let broker = Broker::shared();
    let name = "owners";
    topics(broker, name);
    let plan = plan(&definition(name));
    let mut feed = Feed::new(broker, name);
    feed.send(1_000);
    let first = Running::start(&plan, options(&broker.bootstrap, Some("a"), false));
    feed.await_consumed(broker, PARTITIONS, LONG);
    first.stop().unwrap();
    let second = Running::start(&plan, options(&broker.bootstrap, Some("b"), false));
    until("the second owner to be caught up", || {
        let shards = second.board.snapshot().shards;
        let restored = |s: &ShardStatus| is_caught_up(s) && s.tenure == 2;
        shards.len() == PARTITIONS as usize && shards.values().all(restored)
    });
    let status = second.board.snapshot();
    let customers: u64 = status.shards.values().map(|s| s.customers).sum();
    assert_eq!(customers, feed.truth.len() as u64);
    let consumed = status.shards.values().flat_map(|s| &s.sources);
    assert_eq!(consumed.map(|s| s.outcomes.consumed()).sum::<u64>(), 0);
    second.stop().unwrap();
}

#[test]
fn a_shard_stopped_by_rejects_says_why_while_the_others_go_on() {
    let broker = Broker::shared();
    let name = "deploy";
    topics(broker, name);
    let plan = plan(&definition(name));
    let running = Running::start(&plan, options(&broker.bootstrap, Some("a"), false));
    until("all shards", || {
        let shards = running.board.snapshot().shards;
        shards.len() == 4 && shards.values().all(|s| s.state == ShardState::Running)
    });
    let producer = broker.producer();
    for _ in 0..700 {
        send(&producer, &format!("{name}.web"), "c0001", "{\"oops\": 1}");
    }
    flush(&producer);
    let stopped = || {
        let shards = running.board.snapshot().shards;
        shards.into_values().find(|s| s.state == ShardState::Stopped)
    };
    until("one shard to stop", || stopped().is_some());
    let shard = stopped().unwrap();
    let reason = shard.stop_reason.unwrap();
    assert!(reason.contains("deploy.web") && reason.contains("rejects_run_max"), "{reason}");
    let (ready, why) = running.board.ready();
    assert!(!ready);
    assert_eq!(why.lasting.len(), 1);
    assert!(why.lasting[0].contains("has stopped") && why.lasting[0].contains(&reason), "{why:?}");
    let shards = running.board.snapshot().shards;
    assert_eq!(shards.values().filter(|s| s.state == ShardState::Running).count(), 3);
    // What it leaves is still measured.
    until("the lag of the stopped shard", || {
        stopped().unwrap().sources.iter().any(|s| s.lag >= Some(100))
    });
    assert!(!running.has_ended());
    running.stop().unwrap();
}

#[test]
fn the_carrier_says_what_it_has_carried_and_what_went_wrong() {
    let broker = Broker::shared();
    let name = "carrier";
    topics(broker, name);
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let plan = plan(&definition(name));
    let engine = engine::Engine::start();
    let databases = Databases::new("retain", 1).unwrap();
    let kept = Retention { events_days: 400, ledger_days: 90 };
    tokio.block_on(migrate(&engine.client(), &plan, &databases, kept)).unwrap();
    let running = Running::start(&plan, options(&broker.bootstrap, Some("a"), false));
    until("the rows topic", || running.board.snapshot().assigned);

    let observer = Observer::new(Status::default()).unwrap();
    let mut sink_options = SinkOptions::new("retain_g1");
    (sink_options.backoff.first_ms, sink_options.backoff.max_ms) = (20, 200);
    let sink = Sink::new(engine.client(), sink_options).observed_by(&observer);
    let quit = Arc::new(AtomicBool::new(false));
    let carrying = carrier::start(
        &options(&broker.bootstrap, None, false).link,
        &Names::new(name, 1),
        Arc::new(sink),
        observer.clone(),
        Arc::clone(&quit),
        tokio.handle().clone(),
    );
    let mut feed = Feed::new(broker, name);
    feed.send(2_000);
    let status = || observer.board.snapshot().sink;
    until("rows to be carried from each partition", || {
        let sink = status();
        sink.blocks > 0 && sink.acknowledged.values().filter(|o| **o > 0).count() == 4
    });
    let sink = status();
    assert!(sink.enabled && sink.reachable && sink.carried_at.is_some());
    assert!(sink.rows > 0 && sink.inserts > 0);
    assert_eq!((sink.failures, sink.last_error), (0, None));
    until("the lag of each partition", || status().outbox_lag.len() == 4);

    let away = engine.kill();
    feed.send(1_000);
    until("an insert that is repeated", || status().retrying.is_some());
    let sink = status();
    assert!(!sink.reachable && sink.last_error.is_some() && sink.last_error_at.is_some());
    assert!(!observer.board.ready().0, "it never was ready, and is not now");
    assert_eq!(observer.board.stuck(Duration::from_secs(20)), Vec::<String>::new());
    until("the lag to grow", || status().outbox_lag.values().sum::<i64>() > 0);
    let _engine = away.restart();
    until("ClickHouse to be reached again", || {
        let sink = status();
        sink.reachable && sink.retrying.is_none()
    });
    assert!(status().last_error.is_some(), "the last error stays to be read");
    let text = observer.metrics.text().unwrap();
    let value = |name: &str| metric(&text, name).unwrap_or_else(|| panic!("{name}: {text}"));
    assert!(value(metrics::INSERT_ROWS) > 0.0 && value(metrics::INSERT_ERRORS) > 0.0);
    assert!(value(&format!("{}_count", metrics::INSERT_DURATION)) > 0.0);
    assert!(metric(&text, metrics::OUTBOX_LAG).is_some());
    running.stop().unwrap();
    quit.store(true, Ordering::SeqCst);
    carrying.unwrap().join().unwrap();
}
