//! Delivery on a real Kafka: nothing lost and nothing twice, through restarts, kills and rebalances.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/outbox.rs"]
mod outbox;
#[path = "support/pipeline.rs"]
mod pipeline;

use std::time::Duration;

use broker::Broker;
use pipeline::{Feed, Load, Process, Running, definition, options, plan};

const PARTITIONS: i32 = 4;
const LONG: Duration = Duration::from_secs(60);

fn topics(broker: &Broker, name: &str) {
    let names: Vec<String> =
        ["purchases", "support", "web"].iter().map(|t| format!("{name}.{t}")).collect();
    broker.create(&names.iter().map(String::as_str).collect::<Vec<_>>(), PARTITIONS);
}

#[test]
fn records_in_transactions_out_and_a_restart_goes_on() {
    let broker = Broker::shared();
    let name = "happy";
    topics(broker, name);
    let plan = plan(&definition(name));
    let mut feed = Feed::new(broker, name);
    feed.send(5_000);

    let running = Running::start(&plan, options(&broker.bootstrap, Some("a"), false));
    feed.await_consumed(broker, PARTITIONS, LONG);
    feed.verify(broker);
    running.stop().unwrap();

    feed.send(3_000);
    let running = Running::start(&plan, options(&broker.bootstrap, Some("a"), false));
    feed.await_consumed(broker, PARTITIONS, LONG);
    let status = running.board.snapshot();
    running.stop().unwrap();
    feed.verify(broker);
    assert_eq!((status.commits.aborted, status.commits.unknown), (0, 0), "{status:?}");
}

#[test]
fn group_offsets_that_expired_are_taken_from_the_state() {
    let broker = Broker::shared();
    let name = "expired";
    topics(broker, name);
    let plan = plan(&definition(name));
    let mut feed = Feed::new(broker, name);
    feed.send(1_000);
    let running = Running::start(&plan, options(&broker.bootstrap, Some("a"), false));
    feed.await_consumed(broker, PARTITIONS, LONG);
    running.stop().unwrap();

    broker.delete_group(&format!("{name}.g1"));
    feed.send(1_000);
    let running = Running::start(&plan, options(&broker.bootstrap, Some("a"), false));
    feed.await_consumed(broker, PARTITIONS, LONG);
    running.stop().unwrap();
    feed.verify(broker);
}

#[test]
fn a_topic_that_stays_empty_holds_nobody_back() {
    let broker = Broker::shared();
    let name = "empty";
    topics(broker, name);
    let plan = plan(&definition(name));
    let mut feed = Feed::new(broker, name);
    feed.without_support = true;
    feed.send(2_000);
    let running = Running::start(&plan, options(&broker.bootstrap, None, true));
    feed.await_consumed(broker, PARTITIONS, LONG);
    running.stop().unwrap();
    feed.verify(broker);
}

/// Copies join and leave while events come and partitions are polled in batches.
fn copies_join_and_leave(name: &str, classic: bool) {
    let broker = Broker::shared();
    topics(broker, name);
    let plan = plan(&definition(name));
    let load = Load::start(Feed::new(broker, name), 200, Duration::from_millis(20));
    let first = Running::start(&plan, options(&broker.bootstrap, Some("a"), classic));
    let runs = |running: &Running| running.board.snapshot().shards.len();
    broker::until("the first copy to hold everything", || runs(&first) == 4);
    for round in 0..3 {
        let second = Running::start(&plan, options(&broker.bootstrap, Some("b"), classic));
        let commits = |running: &Running| running.board.snapshot().commits.committed;
        broker::until("both copies to commit", || {
            runs(&first) == 2 && runs(&second) == 2 && commits(&second) > 3
        });
        second.stop().unwrap();
        broker::until("the first copy to hold everything again", || runs(&first) == 4);
        assert!(!first.has_ended(), "round {round}");
    }
    let feed = load.stop();
    feed.await_consumed(broker, PARTITIONS, LONG);
    first.stop().unwrap();
    feed.verify(broker);
}

#[test]
fn two_copies_join_and_leave_under_load() {
    copies_join_and_leave("joins", false);
}

#[test]
fn two_copies_join_and_leave_under_load_with_the_classic_protocol() {
    copies_join_and_leave("classic", true);
}

/// Kills the process at random moments of its work, then lets one run to the end.
fn killed_at_random_moments(name: &str, classic: bool, kills: u32) {
    let broker = Broker::shared();
    topics(broker, name);
    let mut moments = Feed::new(broker, name);
    let load = Load::start(Feed::new(broker, name), 300, Duration::from_millis(10));
    for kill in 0..kills {
        let mut process = Process::start(&broker.bootstrap, name, "a", classic);
        let commits = moments.below(6);
        process.until(LONG, &format!("kill {kill}"), |news| news.commits > commits);
        let delay_ms = moments.below(150);
        std::thread::sleep(Duration::from_millis(delay_ms));
        process.signal("KILL");
    }
    let feed = load.stop();
    let _last = Process::start(&broker.bootstrap, name, "a", classic);
    feed.await_consumed(broker, PARTITIONS, LONG);
    feed.verify(broker);
}

#[test]
fn killed_at_fourteen_random_moments() {
    killed_at_random_moments("kills-classic", true, 14);
}

#[test]
fn killed_at_six_random_moments_with_the_new_protocol() {
    killed_at_random_moments("kills-new", false, 6);
}

/// A copy sleeps until another owns everything, then wakes up and must not commit anything twice.
fn stopped_beyond_the_session(name: &str, classic: bool) {
    let broker = Broker::shared();
    topics(broker, name);
    let load = Load::start(Feed::new(broker, name), 200, Duration::from_millis(20));
    let mut first = Process::start(&broker.bootstrap, name, "a", classic);
    let mut second = Process::start(&broker.bootstrap, name, "b", classic);
    first.until(LONG, "the first copy to commit", |news| news.shards == 2 && news.commits > 3);
    second.until(LONG, "the second copy to commit", |news| news.shards == 2 && news.commits > 3);
    first.signal("STOP");
    second.until(LONG, "the second copy to own everything", |news| news.shards == 4);
    let commits = second.last.commits;
    second.until(LONG, "the second copy to go on", |news| news.commits > commits + 20);
    first.signal("CONT");
    second.until(LONG, "the first copy to come back", |news| news.shards == 2);
    let feed = load.stop();
    feed.await_consumed(broker, PARTITIONS, LONG);
    feed.verify(broker);
    assert!(!first.has_ended() && !second.has_ended());
}

#[test]
fn a_copy_stopped_beyond_the_session_time_out_commits_nothing_twice() {
    stopped_beyond_the_session("stop-new", false);
}

#[test]
fn a_copy_stopped_beyond_the_session_time_out_with_the_classic_protocol() {
    stopped_beyond_the_session("stop-classic", true);
}
