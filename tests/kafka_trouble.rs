//! Delivery on a real Kafka when something is wrong: bad records, removed offsets, a broker or ClickHouse that is away.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/live.rs"]
mod live;

use std::time::{Duration, Instant};

use engine::Engine;
use live::*;
use proxy::{Fault, Gate};
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::mocking::MockCluster;
use retain::flow::names::Names;
use retain::model::outcome::Outcome;
use retain::shell::board::{ShardState, ShardStatus};

const PAUSE: Duration = Duration::from_millis(20);

fn header<'a>(message: &'a OwnedMessage, name: &str) -> &'a str {
    let headers = message.headers().unwrap();
    let found = headers.iter().find(|h| h.key == name);
    found.map_or("", |found| std::str::from_utf8(found.value.unwrap()).unwrap())
}

#[test]
fn what_breaks_the_contract_is_put_aside_with_its_reason_and_bytes() {
    let name = "letters";
    let mut stage = Stage::new(name);
    let broker = stage.broker;
    let topic = format!("{name}.purchases");
    // The dead-letter topic exists already, and takes less than the source does.
    let dlq = format!("{topic}.dlq");
    broker.create_with(&dlq, PARTITIONS, &[("max.message.bytes", "100000")]);
    let producer = broker.producer();
    let junk = "{\"event_id\": \"x1\", \"customer_id\": oops";
    send(&producer, &topic, "c0001", junk);
    let large = format!("{{\"event_id\":\"x2\",\"filler\":\"{}\"", "y".repeat(600_000));
    send(&producer, &topic, "c0002", &large);
    flush(&producer);
    stage.feed().send(500);

    let running = stage.start("", false);
    let _carrying = stage.carry(&running);
    stage.verify();
    let put_aside = running.board.snapshot().dead_letters;
    running.stop().unwrap();

    let whole = stage.expected();
    assert_eq!(put_aside, whole.outcome(Outcome::Rejected) + whole.outcome(Outcome::Late));
    let letters = broker.read(&dlq);
    let letter = letters.iter().find(|l| l.payload() == Some(junk.as_bytes())).unwrap();
    assert_eq!(letter.key(), Some(b"c0001".as_slice()));
    assert_eq!(header(letter, "retain_outcome"), "rejected");
    assert_eq!(header(letter, "retain_reason"), "bad_json");
    assert_eq!(header(letter, "retain_topic"), topic);
    assert_eq!(header(letter, "retain_partition"), letter.partition().to_string());
    assert!(!header(letter, "retain_detail").is_empty());

    // Neither the value nor the key is kept of what is too large.
    let bytes = large.len().to_string();
    let names = |l: &&OwnedMessage| header(l, "retain_payload_bytes") == bytes;
    let oversize = letters.iter().filter(|l| l.payload().is_none()).find(names).unwrap();
    let hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(large.as_bytes()));
    assert_eq!(header(oversize, "retain_payload_xxh3_128"), hash);
}

#[test]
fn offsets_that_retention_removed_are_a_gap_and_reading_goes_on() {
    let mut stage = Stage::new("gaps");
    let mut feed = stage.feed();
    feed.send(2_000);
    let running = stage.start("a", false);
    let _carrying = stage.carry(&running);
    stage.await_consumed();
    running.stop().unwrap();

    // Everything of this load goes before it is read.
    feed.send(1_000);
    stage.remember();
    let ends = stage.broker.delete_all("gaps.purchases", PARTITIONS);
    let running = stage.start("a", false);
    stage.verify();
    running.stop().unwrap();
    let gaps = stage.gaps(1);
    assert_eq!(gaps.len(), PARTITIONS as usize);
    for gap in gaps {
        assert_eq!((gap.source.as_str(), gap.to), ("purchases", ends[gap.shard as usize]));
        assert!(gap.from > 0);
    }
}

#[test]
fn offsets_that_go_while_the_process_sleeps_are_a_gap_too() {
    let mut stage = Stage::new("sleeps");
    let mut feed = stage.feed();
    feed.send(1_000);
    let mut process = stage.process("a", false);
    stage.await_consumed();
    process.until(LONG, "all shards to run", |news| news.shards == 4);

    // Shorter than the session: it wakes up as the owner, and fetches where nothing is any more.
    process.signal("STOP");
    feed.send(500);
    stage.remember();
    stage.broker.delete_all("sleeps.purchases", PARTITIONS);
    process.signal("CONT");
    stage.await_consumed();
    // The position behind the gap was reached, and what comes after it is read.
    feed.send(500);
    stage.verify();
    assert!(!stage.gaps(1).is_empty());
    assert!(!process.has_ended());
}

#[test]
fn a_twin_with_the_same_instance_puts_the_first_out_with_its_name() {
    let mut stage = Stage::simulated("twins");
    let load = Load::start(stage.feed(), 0, PAUSE);
    let first = stage.start("same", false);
    until("commits", || first.board.snapshot().commits.committed > 3);
    let second = stage.start("same", false);
    until("the first to leave", || first.has_ended());
    let why = first.stop().unwrap_err().to_string();
    assert!(why.contains("twins/g1/same") && why.contains("kafka.instance"), "{why}");
    load.stop();
    let _carrying = stage.carry(&second);
    stage.verify();
    second.stop().unwrap();
}

#[test]
fn group_offsets_that_somebody_set_are_refused_with_both_numbers() {
    let stage = Stage::new("reset");
    stage.feed().send(1_000);
    let running = stage.start("a", false);
    stage.await_consumed();
    running.stop().unwrap();

    stage.broker.set_offset("reset.g1", "reset.web", 2, 1);
    let running = stage.start("a", false);
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

#[test]
fn a_source_that_was_made_again_is_refused_though_it_has_grown_beyond_what_was_read() {
    let stage = Stage::new("remade");
    stage.feed().send(1_000);
    let running = stage.start("a", false);
    stage.await_consumed();
    running.stop().unwrap();
    // The same topics as before: it goes on.
    let running = stage.start("a", false);
    until("all shards to run", || {
        let shards = running.board.snapshot().shards;
        shards.values().filter(|s| s.state == ShardState::Running).count() == 4
    });
    running.stop().unwrap();

    stage.broker.make_again("remade.web", PARTITIONS);
    stage.feed().send(3_000);
    let running = stage.start("a", false);
    until("every shard to be refused", || {
        let shards = running.board.snapshot().shards;
        let reasons = shards.values().filter_map(|s| s.stop_reason.as_ref());
        reasons.filter(|r| r.contains("remade.web was deleted and made again")).count() == 4
    });
    let shards = running.board.snapshot().shards;
    let why = shards[&0].stop_reason.clone().unwrap();
    assert!(why.contains("its id is") && why.contains("--rebuild"), "{why}");
    running.stop().unwrap();
}

/// Part of `make soak` only: what is counted is always right, but in one of 32 runs the broker itself did not answer for a
/// minute after its restart (docs/decisions/0008).
#[test]
fn a_broker_that_restarts_under_load_costs_nothing() {
    if !is_soak() {
        return;
    }
    let broker: &'static Broker = Box::leak(Box::new(Broker::start(&[])));
    let mut stage = Stage::on(broker, "restart");
    let load = Load::start(stage.feed(), 100, PAUSE);
    let running = stage.start("a", false);
    let _carrying = stage.carry(&running);
    until("commits", || running.board.snapshot().commits.committed > 5);
    broker.restart();
    let (commits, back) = (running.board.snapshot().commits.committed, Instant::now());
    until("commits after the restart", || running.board.snapshot().commits.committed > commits + 5);
    println!("commits {:?} after the broker was back", back.elapsed());
    load.stop();
    stage.verify();
    assert!(!running.has_ended());
    running.stop().unwrap();
}

#[test]
fn clickhouse_may_be_away_and_gets_everything_later() {
    let mut stage = Stage::simulated("carried");
    let engine = Engine::start();
    stage.url.clone_from(&engine.url);
    let load = Load::start(stage.feed(), 0, PAUSE);
    let running = stage.start("a", false);
    let carrying = stage.carry(&running);
    let status = || carrying.observer.board.snapshot().sink;
    until("the first rows to be carried", || status().blocks > 0);

    let away = engine.kill();
    until("inserts to fail", || carrying.sink.status().failures > 2);
    let commits = running.board.snapshot().commits.committed;
    // The machine does not notice.
    until("more commits", || running.board.snapshot().commits.committed > commits + 10);
    let _engine = away.restart();
    load.stop();
    stage.verify();
    assert_eq!(status().stopped, None);
    running.stop().unwrap();
}

#[test]
fn clickhouse_refusing_slow_and_deaf_gets_everything_once() {
    let mut stage = Stage::simulated("moody");
    let load = Load::start(stage.feed(), 0, PAUSE);
    let running = stage.start("a", false);
    let gate = Gate::start(&stage.url);
    let carrying = stage.carry_to(&running, &gate.url, 700);
    let inserts = || carrying.sink.status().inserts;
    let memory = "Code: 241. DB::Exception: (total) memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)";
    let faults = [
        Fault::Closed,
        Fault::Answers("500 Internal Server Error", memory),
        Fault::Answers("503 Service Unavailable", "upstream is away"),
        // Slower than the limit: the rows are in, and are written again.
        Fault::Slow(Duration::from_millis(900)),
        Fault::Slow(Duration::from_millis(100)),
        Fault::AnswerLost,
        Fault::Silent,
    ];
    for fault in faults.iter().cycle().take(faults.len() * soak_or(1, 6) as usize) {
        let before = inserts();
        until("inserts that succeed", || inserts() > before + 3);
        gate.set(Some(fault.clone()));
        until(&format!("{fault:?} to be met"), || gate.met() >= 3);
        gate.set(None);
    }
    let status = carrying.sink.status();
    assert!(status.failures > 10 && status.stopped.is_none(), "{status:?}");
    load.stop();
    stage.verify();
    running.stop().unwrap();
}

#[test]
fn transactions_of_the_producers_are_read_when_they_are_committed() {
    let mut stage = Stage::new("sources");
    let mut feed = stage.transactional_feed();
    let running = stage.start("a", false);
    let carrying = stage.carry(&running);
    feed.send(2_000);
    stage.verify();
    let load = Load::start(feed, 300, PAUSE);
    let commits = |running: &Running| running.board.snapshot().commits.committed;
    until("commits", || commits(&running) > 10);
    running.stop().unwrap();
    let running = stage.start("a", false);
    until("commits of another owner", || commits(&running) > 10);
    let feed = load.stop();
    stage.verify();
    running.stop().unwrap();
    drop(carrying);

    let told = feed.transactions;
    assert!(told.committed > 20 && told.aborted > 10 && told.records_aborted > 500, "{told:?}");
    // What has no outcome is what was aborted and the markers, one at least for each transaction.
    let holes = stage.truth.holes() as u64;
    assert!(holes > told.records_aborted + told.committed + told.aborted, "{holes} {told:?}");
    assert_eq!(stage.expected().records(), feed.sent - told.records_aborted);
}

#[test]
fn librdkafkas_own_broker_carries_a_first_run() {
    let cluster = MockCluster::new(1).unwrap();
    let name = "mock";
    let names = Names::new(name, 1);
    let mut all: Vec<String> =
        ["purchases", "support", "web"].iter().map(|t| format!("{name}.{t}")).collect();
    all.extend(all.clone().iter().map(|t| Names::dead_letters(t)));
    all.extend(names.all());
    all.iter().for_each(|topic| cluster.create_topic(topic, PARTITIONS, 1).unwrap());
    let broker = cluster.bootstrap_servers();
    let mut feed = Feed::to(&broker, name);
    feed.send(500);
    let plan = plan(&pipeline::definition(name));
    let running = Running::start(&plan, options(&broker, None, false));
    until("all events to be committed", || {
        let shards = running.board.snapshot().shards;
        let sources = shards.values().flat_map(|shard| &shard.sources);
        sources.map(|s| s.outcomes.consumed()).sum::<u64>() == feed.sent
    });
    let status = running.board.snapshot();
    assert_eq!((status.commits.aborted, status.commits.unknown), (0, 0), "{status:?}");
    running.stop().unwrap();
}
