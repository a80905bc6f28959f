//! Delivery on a real Kafka when something is wrong: bad records, removed offsets, a broker or ClickHouse that is away.
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
use std::time::{Duration, Instant};

use broker::{Broker, flush, send, until};
use pipeline::{Feed, Load, Process, Running, definition, options, plan};
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::mocking::MockCluster;
use retain::flow::carry::Backoff;
use retain::flow::names::Names;
use retain::model::table::Table;
use retain::shell::board::{ShardState, ShardStatus, Status};
use retain::shell::carrier;
use retain::shell::migrate::{Retention, migrate};
use retain::shell::observe::Observer;
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;

const PARTITIONS: i32 = 4;
const LONG: Duration = Duration::from_secs(60);

fn topics(broker: &Broker, name: &str) {
    let names: Vec<String> =
        ["purchases", "support", "web"].iter().map(|t| format!("{name}.{t}")).collect();
    broker.create(&names.iter().map(String::as_str).collect::<Vec<_>>(), PARTITIONS);
}

fn header<'a>(message: &'a OwnedMessage, name: &str) -> &'a str {
    let headers = message.headers().unwrap();
    let found =
        headers.iter().find(|h| h.key == name).unwrap_or_else(|| panic!("no header {name}"));
    std::str::from_utf8(found.value.unwrap()).unwrap()
}

#[test]
fn what_breaks_the_contract_is_put_aside_with_its_reason_and_bytes() {
    let broker = Broker::shared();
    let name = "letters";
    topics(broker, name);
    let topic = format!("{name}.purchases");
    let small = 1_100_000 - 65_536;
    // The dead-letter topic exists already, and takes less than the source does.
    let dlq = format!("{topic}.dlq");
    broker.create_with(&dlq, PARTITIONS, &[("max.message.bytes", "100000")]);
    let mut feed = Feed::new(broker, name);
    feed.send(500);
    let producer = broker.producer();
    let junk = "{\"event_id\": \"x1\", \"customer_id\": oops";
    send(&producer, &topic, "c0001", junk);
    let large = format!("{{\"event_id\":\"x2\",\"filler\":\"{}\"", "y".repeat(small.min(600_000)));
    send(&producer, &topic, "c0002", &large);
    flush(&producer);

    let running = Running::start(&plan(&definition(name)), options(&broker.bootstrap, None, false));
    until("two dead letters", || running.board.snapshot().dead_letters == 2);
    running.stop().unwrap();

    let letters = broker.read(&dlq);
    assert_eq!(letters.len(), 2);
    let letter = letters.iter().find(|l| l.payload().is_some()).unwrap();
    assert_eq!(letter.payload(), Some(junk.as_bytes()));
    assert_eq!(letter.key(), Some(b"c0001".as_slice()));
    assert_eq!(header(letter, "retain_outcome"), "rejected");
    assert_eq!(header(letter, "retain_reason"), "bad_json");
    assert_eq!(header(letter, "retain_topic"), topic);
    assert_eq!(header(letter, "retain_partition"), letter.partition().to_string());
    assert!(!header(letter, "retain_detail").is_empty());

    let oversize = letters.iter().find(|l| l.payload().is_none()).unwrap();
    assert_eq!(header(oversize, "retain_payload_bytes"), large.len().to_string());
    let hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(large.as_bytes()));
    assert_eq!(header(oversize, "retain_payload_xxh3_128"), hash);
}

#[test]
fn offsets_that_retention_removed_are_a_gap_and_reading_goes_on() {
    let broker = Broker::shared();
    let name = "gaps";
    topics(broker, name);
    let plan = plan(&definition(name));
    let mut feed = Feed::new(broker, name);
    feed.send(1_000);
    let running = Running::start(&plan, options(&broker.bootstrap, Some("a"), false));
    feed.await_consumed(broker, PARTITIONS, LONG);
    running.stop().unwrap();

    // Everything of this load goes before it is read.
    feed.send(1_000);
    let topic = format!("{name}.purchases");
    let ends = broker.delete_all(&topic, PARTITIONS);
    let running = Running::start(&plan, options(&broker.bootstrap, Some("a"), false));
    feed.await_consumed(broker, PARTITIONS, LONG);
    running.stop().unwrap();

    let outbox = broker.read(&format!("{name}.g1.rows"));
    let gaps = outbox::rows(&outbox, Table::Gaps);
    assert_eq!(gaps.len(), PARTITIONS as usize);
    for gap in gaps {
        assert_eq!(gap["source"].text(), "purchases");
        assert_eq!(gap["offset_to"].int(), i128::from(ends[gap["shard"].int() as usize]));
        assert!(gap["offset_from"].int() > 0 && gap["offset_from"].int() < gap["offset_to"].int());
    }
}

#[test]
fn offsets_that_go_while_the_process_sleeps_are_a_gap_too() {
    let broker = Broker::shared();
    let name = "sleeps";
    topics(broker, name);
    let mut feed = Feed::new(broker, name);
    feed.send(1_000);
    let mut process = Process::start(&broker.bootstrap, name, "a", false);
    feed.await_consumed(broker, PARTITIONS, LONG);
    process.until(LONG, "all shards to run", |news| news.shards == 4);

    // Shorter than the session: it wakes up as the owner, and fetches where nothing is any more.
    process.signal("STOP");
    feed.send(500);
    broker.delete_all(&format!("{name}.purchases"), PARTITIONS);
    process.signal("CONT");
    feed.await_consumed(broker, PARTITIONS, LONG);
    // The position behind the gap was reached, and what comes after it is read.
    let read = outbox::rows(&broker.read(&format!("{name}.g1.rows")), Table::Events).len();
    feed.send(500);
    feed.await_consumed(broker, PARTITIONS, LONG);
    let outbox = broker.read(&format!("{name}.g1.rows"));
    assert!(outbox::rows(&outbox, Table::Events).len() > read);
    assert!(!outbox::rows(&outbox, Table::Gaps).is_empty());
    assert!(!process.has_ended());
}

#[test]
fn a_twin_with_the_same_instance_puts_the_first_out_with_its_name() {
    let broker = Broker::shared();
    let name = "twins";
    topics(broker, name);
    let plan = plan(&definition(name));
    let load = Load::start(Feed::new(broker, name), 100, Duration::from_millis(20));
    let first = Running::start(&plan, options(&broker.bootstrap, Some("same"), false));
    until("commits", || first.board.snapshot().commits.committed > 3);
    let second = Running::start(&plan, options(&broker.bootstrap, Some("same"), false));
    until("the first to leave", || first.has_ended());
    let why = first.stop().unwrap_err().to_string();
    assert!(why.contains("twins/g1/same") && why.contains("kafka.instance"), "{why}");
    let feed = load.stop();
    feed.await_consumed(broker, PARTITIONS, LONG);
    second.stop().unwrap();
    feed.verify(broker);
}

#[test]
fn group_offsets_that_somebody_set_are_refused_with_both_numbers() {
    let broker = Broker::shared();
    let name = "reset";
    topics(broker, name);
    let plan = plan(&definition(name));
    let mut feed = Feed::new(broker, name);
    feed.send(1_000);
    let running = Running::start(&plan, options(&broker.bootstrap, Some("a"), false));
    feed.await_consumed(broker, PARTITIONS, LONG);
    running.stop().unwrap();

    broker.set_offset(&format!("{name}.g1"), &format!("{name}.web"), 2, 1);
    let running = Running::start(&plan, options(&broker.bootstrap, Some("a"), false));
    until("shard 2 to be refused and the others to run", || {
        let shards = running.board.snapshot().shards;
        let state = |shard| shards.get(&shard).map(|s: &ShardStatus| s.state);
        let refused = match shards.get(&2).and_then(|s| s.stop_reason.as_ref()) {
            Some(reason) => {
                reason.contains("web") && reason.contains("says 1;") && reason.contains("--rebuild")
            }
            _ => false,
        };
        refused && [0, 1, 3].iter().all(|s| state(*s) == Some(ShardState::Running))
    });
    running.stop().unwrap();
}

/// Part of `make soak` only: what is counted is always right, but in one of 32 runs the broker itself did not answer for a
/// minute after its restart (docs/decisions/0008).
#[test]
fn a_broker_that_restarts_under_load_costs_nothing() {
    if std::env::var_os("RETAIN_SOAK").is_none() {
        return;
    }
    let mut broker = Broker::start(&[]);
    let name = "restart";
    topics(&broker, name);
    let load = Load::start(Feed::new(&broker, name), 200, Duration::from_millis(20));
    let running =
        Running::start(&plan(&definition(name)), options(&broker.bootstrap, Some("a"), false));
    until("commits", || running.board.snapshot().commits.committed > 5);
    broker.restart();
    let (commits, back) = (running.board.snapshot().commits.committed, Instant::now());
    until("commits after the restart", || running.board.snapshot().commits.committed > commits + 5);
    println!("commits {:?} after the broker was back", back.elapsed());
    let feed = load.stop();
    feed.await_consumed(&broker, PARTITIONS, LONG);
    assert!(!running.has_ended());
    running.stop().unwrap();
    feed.verify(&broker);
}

#[test]
fn clickhouse_may_be_away_and_gets_everything_later() {
    let broker = Broker::shared();
    let name = "carried";
    topics(broker, name);
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let plan = plan(&definition(name));
    let engine = engine::Engine::start();
    let databases = Databases::new("retain", 1).unwrap();
    let kept = Retention { events_days: 400, ledger_days: 90 };
    tokio.block_on(migrate(&engine.client(), &plan, &databases, kept)).unwrap();

    let backoff = Backoff { first_ms: 20, max_ms: 200 };
    let sink_options = SinkOptions { backoff, ..SinkOptions::new("retain_g1") };
    let sink = Sink::new(engine.client(), sink_options);
    let observer = Observer::new(Status::default()).unwrap();
    let sink = Arc::new(sink.observed_by(&observer));
    let (status, quit) = (Arc::clone(&observer.board), Arc::new(AtomicBool::new(false)));
    let link = options(&broker.bootstrap, None, false).link;
    let names = Names::new(name, 1);
    let running = Running::start(&plan, options(&broker.bootstrap, Some("a"), false));
    until("the rows topic", || running.board.snapshot().assigned);
    let carrying = carrier::start(
        &link,
        &names,
        Arc::clone(&sink),
        observer,
        Arc::clone(&quit),
        tokio.handle().clone(),
    );
    let mut feed = Feed::new(broker, name);
    feed.send(2_000);
    until("the first rows to be carried", || status.snapshot().sink.blocks > 0);

    let away = engine.kill();
    feed.send(2_000);
    // The machine does not notice.
    feed.await_consumed(broker, PARTITIONS, LONG);
    until("inserts to fail", || sink.status().failures > 2);
    let engine = away.restart();
    let orders: i128 = feed.truth.values().map(|t| t.0).sum();
    let customers = feed.truth.len();
    let query = "SELECT sum(orders) FROM retain_g1.customers FINAL";
    until("all orders", || i128::from(tokio.block_on(engine.number(query))) == orders);
    let query = "SELECT count() FROM retain_g1.customers FINAL";
    until("all customers", || tokio.block_on(engine.number(query)) as usize == customers);
    assert_eq!(status.snapshot().sink.stopped, None);
    running.stop().unwrap();
    quit.store(true, Ordering::SeqCst);
    carrying.unwrap().join().unwrap();
    feed.verify(broker);
}

#[test]
fn librdkafkas_own_broker_carries_a_first_run() {
    let cluster = MockCluster::new(1).unwrap();
    let name = "mock";
    let names = Names::new(name, 1);
    let mut all: Vec<String> =
        ["purchases", "support", "web"].iter().map(|t| format!("{name}.{t}")).collect();
    all.extend(all.clone().iter().map(|t| Names::dead_letters(t)));
    all.extend([names.state(), names.mail(), names.rows(), names.signals()]);
    all.extend([names.alerts(), names.notified()]);
    all.iter().for_each(|topic| cluster.create_topic(topic, PARTITIONS, 1).unwrap());
    let broker = cluster.bootstrap_servers();
    let mut feed = Feed::to(&broker, name);
    feed.send(500);
    let running = Running::start(&plan(&definition(name)), options(&broker, None, false));
    let sent: u64 = feed.records.iter().sum();
    until("all events to be committed", || {
        let shards = running.board.snapshot().shards;
        let sources = shards.values().flat_map(|shard| &shard.sources);
        sources.map(|s| s.outcomes.consumed()).sum::<u64>() == sent
    });
    let status = running.board.snapshot();
    assert_eq!((status.commits.aborted, status.commits.unknown), (0, 0), "{status:?}");
    running.stop().unwrap();
}
