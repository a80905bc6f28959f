//! Delivery on a real Kafka into a real ClickHouse: nothing lost and nothing twice, through restarts, kills and
//! rebalances. Each test ends with the whole of the tables against a slow recomputation from the source topics.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/live.rs"]
mod live;

use std::time::Duration;

use live::*;

const PAUSE: Duration = Duration::from_millis(20);

#[test]
fn records_in_transactions_out_and_a_restart_goes_on() {
    let mut stage = Stage::new("happy");
    let mut feed = stage.feed();
    feed.send(5_000);
    let running = stage.start("a", false);
    let carrying = stage.carry(&running);
    stage.verify();
    running.stop().unwrap();

    feed.send(3_000);
    let running = stage.start("a", false);
    stage.verify();
    let status = running.board.snapshot();
    running.stop().unwrap();
    drop(carrying);
    assert_eq!((status.commits.aborted, status.commits.unknown), (0, 0), "{status:?}");
}

#[test]
fn group_offsets_that_expired_are_taken_from_the_state() {
    let mut stage = Stage::new("expired");
    let mut feed = stage.feed();
    feed.send(1_000);
    let running = stage.start("a", false);
    let _carrying = stage.carry(&running);
    stage.await_consumed();
    running.stop().unwrap();

    stage.broker.delete_group("expired.g1");
    feed.send(1_000);
    let running = stage.start("a", false);
    stage.verify();
    running.stop().unwrap();
}

#[test]
fn carried_offsets_that_expired_are_carried_again_and_change_nothing() {
    let mut stage = Stage::new("again");
    let mut feed = stage.feed();
    feed.send(2_000);
    let running = stage.start("a", false);
    let carrying = stage.carry(&running);
    stage.verify();
    drop(carrying);

    stage.broker.delete_group("again.g1.sink");
    feed.send(500);
    let carrying = stage.carry(&running);
    stage.verify();
    assert!(carrying.sink.status().blocks > 0);
    running.stop().unwrap();
}

#[test]
fn a_topic_that_stays_empty_holds_nobody_back() {
    for (source, classic) in [(0, false), (1, true)] {
        let mut stage = Stage::simulated(&format!("empty{source}"));
        let mut feed = stage.feed();
        feed.silent.push(source);
        let load = Load::start(feed, 0, PAUSE);
        let running = stage.start("", classic);
        let _carrying = stage.carry(&running);
        until("commits", || running.board.snapshot().commits.committed > 20);
        load.stop();
        stage.verify();
        running.stop().unwrap();
    }
}

/// Copies join and leave while events come and partitions are polled in batches.
fn copies_join_and_leave(name: &str, classic: bool, rounds: u64) {
    let mut stage = Stage::simulated(name);
    let load = Load::start(stage.feed(), 0, PAUSE);
    let first = stage.start("a", classic);
    let _carrying = stage.carry(&first);
    let runs = |running: &Running| running.board.snapshot().shards.len();
    until("the first copy to hold everything", || runs(&first) == 4);
    for round in 0..rounds {
        let second = stage.start("b", classic);
        let commits = |running: &Running| running.board.snapshot().commits.committed;
        until("both copies to commit", || {
            runs(&first) == 2 && runs(&second) == 2 && commits(&second) > 3
        });
        second.stop().unwrap();
        until("the first copy to hold everything again", || runs(&first) == 4);
        assert!(!first.has_ended(), "round {round}");
    }
    load.stop();
    stage.verify();
    first.stop().unwrap();
}

#[test]
fn two_copies_join_and_leave_under_load() {
    copies_join_and_leave("joins", false, soak_or(3, 20));
}

#[test]
fn two_copies_join_and_leave_under_load_with_the_classic_protocol() {
    copies_join_and_leave("classic", true, soak_or(3, 20));
}

/// Kills the process at random moments of its work, then lets one run to the end.
fn killed_at_random_moments(name: &str, classic: bool, kills: u64) {
    let mut stage = Stage::simulated(name);
    let mut moments = stage.feed();
    let load = Load::start(stage.feed(), 0, PAUSE);
    for kill in 0..kills {
        let mut process = stage.process("a", classic);
        let commits = moments.below(6);
        process.until(LONG, &format!("kill {kill}"), |news| news.commits > commits);
        let delay_ms = moments.below(150);
        std::thread::sleep(Duration::from_millis(delay_ms));
        process.signal("KILL");
    }
    load.stop();
    let _last = stage.process("a", classic);
    stage.verify();
}

#[test]
fn killed_at_fourteen_random_moments() {
    killed_at_random_moments("kills-classic", true, soak_or(14, 42));
}

#[test]
fn killed_at_six_random_moments_with_the_new_protocol() {
    killed_at_random_moments("kills-new", false, soak_or(6, 18));
}

/// A copy sleeps until another owns everything, then wakes up and must not commit anything twice.
fn stopped_beyond_the_session(name: &str, classic: bool, rounds: u64) {
    let mut stage = Stage::simulated(name);
    let load = Load::start(stage.feed(), 0, PAUSE);
    let mut first = stage.process("a", classic);
    let mut second = stage.process("b", classic);
    first.until(LONG, "the first copy to commit", |news| news.shards == 2 && news.commits > 3);
    second.until(LONG, "the second copy to commit", |news| news.shards == 2 && news.commits > 3);
    for _ in 0..rounds {
        first.signal("STOP");
        second.until(LONG, "the second copy to own everything", |news| news.shards == 4);
        let commits = second.last.commits;
        second.until(LONG, "the second copy to go on", |news| news.commits > commits + 20);
        first.signal("CONT");
        second.until(LONG, "the first copy to come back", |news| news.shards == 2);
    }
    load.stop();
    stage.verify();
    assert!(!first.has_ended() && !second.has_ended());
}

#[test]
fn a_copy_stopped_beyond_the_session_time_out_commits_nothing_twice() {
    stopped_beyond_the_session("stop-new", false, soak_or(1, 5));
}

#[test]
fn a_copy_stopped_beyond_the_session_time_out_with_the_classic_protocol() {
    stopped_beyond_the_session("stop-classic", true, soak_or(1, 5));
}
