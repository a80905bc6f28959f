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
use pipeline::{Feed, Running, definition, options, plan};

const PARTITIONS: i32 = 4;
const LONG: Duration = Duration::from_secs(60);

fn topics(broker: &Broker, name: &str) {
    let names: Vec<String> =
        ["purchases", "support", "web"].iter().map(|t| format!("{name}.{t}")).collect();
    broker.create(&names.iter().map(String::as_str).collect::<Vec<_>>(), PARTITIONS);
}

#[test]
#[ignore = "the body of child processes"]
fn child() {
    pipeline::child();
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
    let status = running.status.get();
    running.stop().unwrap();
    feed.verify(broker);
    assert_eq!((status.aborts, status.unknown), (0, 0), "{status:?}");
}
