//! What a running pipeline says of itself, on a real Kafka: numbers that are true, and reasons that help.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/live.rs"]
mod live;

use std::time::Duration;

use engine::Engine;
use live::*;
use retain::model::outcome::Outcome;
use retain::shell::board::{Moment, ShardState, ShardStatus, Status};
use retain::shell::clock::wall_ms;
use retain::shell::metrics;

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
    let mut stage = Stage::new("numbers");
    let began_ms = wall_ms();
    stage.feed().send(3_000);
    // All of the past has had its dues; these customers have theirs before them.
    let (producer, now) = (stage.broker.producer(), jiff::Timestamp::now());
    for n in 0..50 {
        let value = format!(
            "{{\"event_id\":\"new{n}\",\"customer_id\":\"new{n}\",\"ts\":\"{now}\",\"amount\":1,\"currency\":\"USD\"}}"
        );
        send(&producer, "numbers.purchases", &format!("new{n}"), &value);
    }
    flush(&producer);
    let running = stage.start("a", false);
    stage.await_consumed();
    let whole = stage.expected();
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
    let customers = &whole.tables.customers;
    assert_eq!(sum(&|s| s.customers), customers.len() as u64);
    assert!(sum(&|s| s.dues_pending) >= 50, "each of the last buyers has a due");
    let outcome = |o| sum(&|s: &ShardStatus| s.sources.iter().map(|s| s.outcomes.of(o)).sum());
    for kind in Outcome::ALL {
        assert_eq!(outcome(kind), whole.outcome(kind), "{}", kind.name());
    }
    let (records, rejects) = (whole.records(), whole.outcome(Outcome::Rejected));
    assert!(rejects > 0 && whole.outcome(Outcome::Duplicate) > 0);
    let letters = rejects + whole.outcome(Outcome::Late);
    assert_eq!(status.dead_letters, letters);
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
    assert_eq!(value(metrics::STATE_KEYS), customers.len() as f64);
    assert_eq!((value(metrics::DLQ), value(metrics::REJECTS)), (letters as f64, rejects as f64));
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
    let mut stage = Stage::new("owners");
    stage.feed().send(1_000);
    let first = stage.start("a", false);
    stage.await_consumed();
    first.stop().unwrap();
    let second = stage.start("b", false);
    until("the second owner to be caught up", || {
        let shards = second.board.snapshot().shards;
        let restored = |s: &ShardStatus| is_caught_up(s) && s.tenure == 2;
        shards.len() == PARTITIONS as usize && shards.values().all(restored)
    });
    let status = second.board.snapshot();
    let customers: u64 = status.shards.values().map(|s| s.customers).sum();
    assert_eq!(customers, stage.expected().tables.customers.len() as u64);
    let consumed = status.shards.values().flat_map(|s| &s.sources);
    assert_eq!(consumed.map(|s| s.outcomes.consumed()).sum::<u64>(), 0);
    second.stop().unwrap();
}

#[test]
fn a_shard_stopped_by_rejects_says_why_while_the_others_go_on() {
    let stage = Stage::new("deploy");
    let running = stage.start("a", false);
    until("all shards", || {
        let shards = running.board.snapshot().shards;
        shards.len() == 4 && shards.values().all(|s| s.state == ShardState::Running)
    });
    let producer = stage.broker.producer();
    for _ in 0..700 {
        send(&producer, "deploy.web", "c0001", "{\"oops\": 1}");
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
    let mut stage = Stage::new("carrier");
    let engine = Engine::start();
    stage.url.clone_from(&engine.url);
    let running = stage.start("a", false);
    let carrying = stage.carry(&running);
    let observer = &carrying.observer;
    let mut feed = stage.feed();
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
    stage.verify();
    running.stop().unwrap();
}
