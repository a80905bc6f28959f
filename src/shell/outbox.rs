//! Asks how far the carrier of rows is, in bytes, for all shards of the pipeline: wherever it runs, its group's offsets say so.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::flow::outbox::carried;

use super::client::REQUEST_TIMEOUT;
use super::quiet::{Calm, Quiet};

/// How often is asked. A shard writes on meanwhile, so this is by how much it may exceed its limit.
const INTERVAL: Duration = Duration::from_secs(1);

/// What the carrier has brought to ClickHouse, and how much may wait for it.
#[derive(Debug)]
pub struct Outboxes {
    /// The topic of rows.
    pub topic: String,
    /// So many bytes of a shard's rows may wait; more stop the shard.
    pub bytes_max: u64,
    carried: Mutex<BTreeMap<u16, u64>>,
}

impl Outboxes {
    /// Nothing is known yet.
    pub fn new(topic: String, bytes_max: u64) -> Self {
        Self { topic, bytes_max, carried: Mutex::default() }
    }

    /// How many of the bytes that a shard has ever written are in ClickHouse; `None` while that is not known.
    pub fn carried(&self, shard: u16) -> Option<u64> {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner).get(&shard).copied()
    }
}

/// Asks until `quit` is closed. `client` must have the carrier's group.
pub fn run(client: &ClientConfig, shards: u16, outboxes: &Arc<Outboxes>, quit: &Receiver<()>) {
    let calm = Calm::default();
    let mut asker = None;
    loop {
        if let Err(error) = ask(&mut asker, client, shards, outboxes) {
            // As for the ends of the sources: a fresh client. What was known stays, so the outbox seems to fill up
            // until there is an answer again: that errs to the safe side.
            asker = None;
            if let Some(left_out) = calm.say(&error.to_string()) {
                tracing::warn!(%error, left_out, "how far the carrier of rows is, is not known");
            }
        }
        if quit.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

fn ask(
    asker: &mut Option<BaseConsumer<Quiet>>,
    client: &ClientConfig,
    shards: u16,
    outboxes: &Outboxes,
) -> KafkaResult<()> {
    let consumer = match asker {
        Some(consumer) => consumer,
        None => asker.insert(client.create_with_context(Quiet::default())?),
    };
    // Nobody else takes this client's events.
    while consumer.poll(Duration::ZERO).is_some() {}
    let mut list = TopicPartitionList::new();
    list.add_partition_range(&outboxes.topic, 0, i32::from(shards) - 1);
    let answer = consumer.committed_offsets(list, REQUEST_TIMEOUT)?;
    let mut known = outboxes.carried.lock().unwrap_or_else(PoisonError::into_inner);
    for element in answer.elements() {
        let (Ok(shard), Ok(())) = (u16::try_from(element.partition()), element.error()) else {
            continue;
        };
        let committed = matches!(element.offset(), Offset::Offset(_)).then(|| element.metadata());
        if let Some(bytes) = carried(committed).after(known.get(&shard).copied()) {
            known.insert(shard, bytes);
        }
    }
    Ok(())
}
