//! The group's member, which is given shards, and the fetcher, which reads their partitions.
//!
//! Two clients on purpose. The member subscribes, answers rebalances and supplies the group's metadata for
//! transactions; its partitions stay paused. The fetcher has no membership: the partitions of a shard are assigned to
//! it one shard at a time, at the machine's own read position, beside the mail, which no group distributes. So no
//! rebalance can ever move, reset or purge what a machine is reading, and no batch poll can meet a rebalance event.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{
    BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata, RebalanceProtocol,
};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use crate::flow::names::Names;
use crate::model::record::SourceIndex;
use crate::plan::Plan;

use super::batch::{self, PartitionQueue};
use super::client::Link;
use super::quiet::Quiet;

/// What the group says.
#[derive(Debug)]
pub enum Membership {
    /// Partitions were given; to be acknowledged with [`Member::accept`].
    Given(Partitions),
    /// Partitions are to be given back; to be acknowledged with [`Member::release`].
    Taken {
        /// Which.
        partitions: Partitions,
        /// The group has already given them to others: nothing can be committed for them any more.
        lost: bool,
    },
    /// Something went wrong; librdkafka goes on by itself.
    Trouble(String),
    /// The member cannot go on.
    Fatal(String),
}

/// Partitions of the sources, as the group names them.
#[derive(Debug)]
pub struct Partitions {
    list: TopicPartitionList,
    /// (source, partition).
    pub places: Vec<(usize, u16)>,
}

enum Stashed {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList, bool),
}

/// Turns rebalances into events that the loop takes when it is ready for them.
struct MemberContext {
    stash: Mutex<VecDeque<Stashed>>,
    /// Nobody takes events any more: acknowledge at once, else the close would wait for ever.
    closing: AtomicBool,
}

impl ClientContext for MemberContext {}

impl ConsumerContext for MemberContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        err: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let assign = err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::SeqCst) {
            if let Err(error) = give_back(consumer, list) {
                tracing::warn!(%error, "giving partitions back while leaving the group failed");
            }
            return;
        }
        let event = if assign {
            Stashed::Assign(list.clone())
        } else {
            Stashed::Revoke(list.clone(), consumer.assignment_lost())
        };
        self.stash.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }
}

fn give_back<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    list: &TopicPartitionList,
) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        _ => consumer.unassign(),
    }
}

/// The member of the group `PIPELINE.gN`.
pub struct Member {
    consumer: BaseConsumer<MemberContext>,
    topics: Vec<String>,
}

impl Member {
    /// Joins the group.
    ///
    /// # Errors
    /// When librdkafka refuses the settings.
    pub fn join(link: &Link, names: &Names, plan: &Plan) -> KafkaResult<Self> {
        Self::subscribed(
            &link.member(names),
            plan.sources.iter().map(|s| s.topic.clone()).collect(),
        )
    }

    /// Joins the group of these settings for these topics.
    ///
    /// # Errors
    /// When librdkafka refuses the settings.
    pub fn subscribed(config: &ClientConfig, topics: Vec<String>) -> KafkaResult<Self> {
        let context = MemberContext { stash: Mutex::default(), closing: AtomicBool::new(false) };
        let consumer: BaseConsumer<MemberContext> = config.create_with_context(context)?;
        consumer.subscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(Self { consumer, topics })
    }

    /// Waits at most `timeout` for the group to say something.
    pub fn poll(&self, timeout: Duration) -> Option<Membership> {
        let polled = self.consumer.poll(timeout).map(|result| result.map(drop));
        let stashed = {
            let mut stash =
                self.consumer.context().stash.lock().unwrap_or_else(PoisonError::into_inner);
            stash.pop_front()
        };
        match (stashed, polled) {
            (Some(Stashed::Assign(list)), _) => Some(Membership::Given(self.places(list))),
            (Some(Stashed::Revoke(list, lost)), _) => {
                Some(Membership::Taken { partitions: self.places(list), lost })
            }
            (None, Some(Err(error))) => Some(self.trouble(&error)),
            // Paused partitions may still have delivered what was under way: not ours to read.
            (None, Some(Ok(())) | None) => None,
        }
    }

    fn trouble(&self, error: &KafkaError) -> Membership {
        if let Some((code, words)) = self.consumer.client().fatal_error() {
            return Membership::Fatal(format!("{code}: {words}"));
        }
        Membership::Trouble(error.to_string())
    }

    fn places(&self, list: TopicPartitionList) -> Partitions {
        let place = |topic: &str, partition: i32| {
            let source = self.topics.iter().position(|t| t == topic)?;
            Some((source, u16::try_from(partition).ok()?))
        };
        let places =
            list.elements().iter().filter_map(|e| place(e.topic(), e.partition())).collect();
        Partitions { list, places }
    }

    /// Acknowledges given partitions. They are held, not read.
    ///
    /// # Errors
    /// When librdkafka refuses; the group will give them to somebody else.
    pub fn accept(&self, partitions: &mut Partitions) -> KafkaResult<()> {
        partitions.list.set_all_offsets(Offset::End)?;
        match self.consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.consumer.incremental_assign(&partitions.list)?,
            _ => self.consumer.assign(&partitions.list)?,
        }
        if partitions.list.count() == 0 {
            return Ok(());
        }
        self.consumer.pause(&partitions.list)
    }

    /// Acknowledges partitions that were taken: from now on they are somebody else's.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn release(&self, partitions: &Partitions) -> KafkaResult<()> {
        give_back(&self.consumer, &partitions.list)
    }

    /// Fresh metadata for a transaction; `None` while the member has not joined. To be called by the thread that
    /// polls, right after it has checked which shards it holds.
    pub fn metadata(&self) -> Option<ConsumerGroupMetadata> {
        let before = batch::joined_generation(&self.consumer)?;
        let metadata = self.consumer.group_metadata()?;
        let after = batch::joined_generation(&self.consumer)?;
        (before == after).then_some(metadata)
    }

    /// Leaves the group. Everything that is to be committed has been.
    pub fn leave(self) {
        self.consumer.context().closing.store(true, Ordering::SeqCst);
        drop(self.consumer);
    }
}

/// The queue of a partition that a worker polls.
pub type Queue = PartitionQueue<Quiet>;

/// The queues of one shard.
pub struct ShardQueues {
    /// By source.
    pub sources: Vec<Queue>,
    /// The mail's.
    pub mail: Queue,
}

/// How long the broker may take to say where a partition begins: a worker with its other shards waits for it.
const FIRST_OFFSET_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads partitions that we assign ourselves.
#[derive(Clone)]
pub struct Fetcher {
    consumer: Arc<BaseConsumer<Quiet>>,
    topics: Vec<String>,
    mail: String,
}

impl Fetcher {
    /// A fetcher with nothing to read yet.
    ///
    /// # Errors
    /// When librdkafka refuses the settings.
    pub fn new(link: &Link, names: &Names, plan: &Plan, shards: u16) -> KafkaResult<Self> {
        let topics: Vec<String> = plan.sources.iter().map(|s| s.topic.clone()).collect();
        let partitions = (topics.len() + 1) * usize::from(shards);
        let consumer =
            Arc::new(link.fetcher(names, partitions).create_with_context(Quiet::default())?);
        Ok(Self { consumer, topics, mail: names.mail() })
    }

    /// Begins to read a shard at the given offsets (sources in order, and the mail).
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn begin(&self, shard: u16, offsets: &[i64], mail: i64) -> KafkaResult<ShardQueues> {
        // What an earlier tenure may have left assigned would be refused below; mostly there is nothing.
        self.end(shard)?;
        let queue = |topic: &str| {
            PartitionQueue::new(Arc::clone(&self.consumer), topic, i32::from(shard))
                .ok_or_else(|| KafkaError::Subscription(format!("no queue for {topic} {shard}")))
        };
        let sources = self.topics.iter().map(|t| queue(t)).collect::<KafkaResult<_>>()?;
        let queues = ShardQueues { sources, mail: queue(&self.mail)? };
        let mut list = TopicPartitionList::new();
        for (topic, offset) in self.topics.iter().zip(offsets) {
            list.add_partition_offset(topic, i32::from(shard), Offset::Offset(*offset))?;
        }
        list.add_partition_offset(&self.mail, i32::from(shard), Offset::Offset(mail))?;
        self.consumer.incremental_assign(&list)?;
        Ok(queues)
    }

    /// Reads one source partition again from `offset`: its position had been removed by retention.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn move_to(&self, shard: u16, source: SourceIndex, offset: i64) -> KafkaResult<()> {
        let Some(topic) = self.topics.get(usize::from(source)) else {
            return Ok(());
        };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, i32::from(shard), Offset::Offset(offset))?;
        self.consumer.incremental_unassign(&list)?;
        self.consumer.incremental_assign(&list)
    }

    /// The first offset that the broker still has of a source partition.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn first_offset(&self, shard: u16, source: SourceIndex) -> KafkaResult<i64> {
        let topic = self.topics.get(usize::from(source)).map_or("", String::as_str);
        let low = self.consumer.fetch_watermarks(topic, i32::from(shard), FIRST_OFFSET_TIMEOUT)?.0;
        Ok(low)
    }

    /// Stops reading a shard, whatever of it is read. Its queues should be dropped before.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn end(&self, shard: u16) -> KafkaResult<()> {
        // librdkafka warns of each partition that it does not read, and then leaves the others assigned
        let assigned = self.consumer.assignment()?;
        let mut list = TopicPartitionList::new();
        for topic in self.topics.iter().chain([&self.mail]) {
            if assigned.find_partition(topic, i32::from(shard)).is_some() {
                list.add_partition(topic, i32::from(shard));
            }
        }
        if list.count() == 0 { Ok(()) } else { self.consumer.incremental_unassign(&list) }
    }

    /// Serves what concerns no partition; returns an error worth telling.
    pub fn serve(&self) -> Option<String> {
        match self.consumer.poll(Duration::ZERO) {
            Some(Err(error)) => Some(error.to_string()),
            Some(Ok(_)) | None => None,
        }
    }
}
