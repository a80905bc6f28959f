//! The demo's stand-in for Kafka: librdkafka's in-process broker, its topics, and how the pipeline reaches it.

use std::collections::BTreeSet;
use std::sync::Arc;

use rdkafka::error::KafkaResult;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::flow::names::Names;
use crate::plan::Plan;
use crate::shell::client::Link;
use crate::shell::runtime::Options;
use crate::shell::settings::Start;

/// Partitions of each topic. The broker keeps 5 MB of each.
pub const PARTITIONS: u16 = 4;

/// The broker; it ends when this is dropped, which must be after its clients.
pub type Cluster = MockCluster<'static, DefaultProducerContext>;

/// A broker with all topics of the demo. It serves no request for creating topics, so all are made here.
///
/// # Errors
/// librdkafka's.
pub fn start(plans: &[Arc<Plan>]) -> KafkaResult<Cluster> {
    let broker = MockCluster::new(1)?;
    for topic in plans.iter().flat_map(|plan| topics(plan)).collect::<BTreeSet<_>>() {
        broker.create_topic(&topic, i32::from(PARTITIONS), 1)?;
    }
    Ok(broker)
}

/// All topics of a pipeline; what one says is what another hears.
fn topics(plan: &Plan) -> Vec<String> {
    let mut topics = Names::new(&plan.name, 1).all().to_vec();
    for source in &plan.sources {
        topics.push(source.topic.clone());
        topics.push(Names::dead_letters(&source.topic));
    }
    topics
}

/// How to reach it.
pub fn link(brokers: String) -> Link {
    Link {
        properties: vec![("bootstrap.servers".to_owned(), brokers.clone())],
        brokers,
        classic: false,
        instance: Some("demo".to_owned()),
        group_instance: None,
        replication_factor: 1,
        transaction_timeout_ms: 20_000,
        memory_budget_bytes: 64 << 20,
    }
}

/// How the pipeline is run on it.
pub fn options(link: Link) -> Options {
    Options {
        link,
        generation: 1,
        replaces: None,
        definition: "demo".to_owned(),
        start: Start::Earliest,
        commit_interval_ms: 250,
        restore_timeout_ms: 30_000,
        revoke_limit_ms: 5_000,
        outbox_bytes_max: 1 << 40,
        workers: 1,
    }
}
