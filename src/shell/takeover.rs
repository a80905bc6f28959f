//! Taking a shard over: the order of questions that leaves no hole (docs/operations.md).

mod acts;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::flow::generation::Beginning;
use crate::flow::names::Names;
use crate::flow::takeover::{Decision, Facts, Gap, Known, Place, decide};
use crate::machine::{Identity, Machine, Restored};
use crate::plan::Plan;

use super::batch::PartitionQueue;
use super::client::{Link, REQUEST_TIMEOUT};
use super::clock::PipelineClock;
use super::quiet::{Calm, Quiet};
use super::settings::Start;
use super::topic_ids::topic_id;
use state::{Read, cannot_restore, read_batch};

/// What all take-overs of a pipeline share.
pub struct TakeOver {
    link: Link,
    names: Names,
    plan: Arc<Plan>,
    begins: Begins,
    restore_timeout: Duration,
}

/// The clients of one take-over, opened for it: an old client may know leaders of before a broker's restart, and
/// librdkafka asks with what it knows until the time-out, topic after topic (docs/decisions/0008).
struct Clients {
    /// Told the last stable offset; it also reads the state.
    committed: Arc<BaseConsumer<Quiet>>,
    /// Told the end whatever transactions are open.
    uncommitted: BaseConsumer<Quiet>,
}

/// How new shards begin.
#[derive(Clone, Debug)]
pub struct Begins {
    /// Where a new pipeline begins.
    pub start: Start,
    /// Where this generation begins, if that is known: instead of `start`.
    pub beginning: Option<Beginning>,
    /// Of a rebuild: the generation that it is to replace.
    pub replaces: Option<u32>,
    /// The pipeline's clock, which goes on from what the states say.
    pub clock: PipelineClock,
}

/// How a take-over can be watched and stopped.
#[derive(Clone, Default)]
pub struct Watch {
    /// Set to give up.
    pub cancel: Arc<AtomicBool>,
    /// First offset of the state partition.
    pub from: Arc<AtomicU64>,
    /// Next offset of the state partition.
    pub at: Arc<AtomicU64>,
    /// The end that must be reached; 0 while not known.
    pub end: Arc<AtomicU64>,
}

/// A shard, ready to run.
pub struct Taken {
    /// The machine.
    pub machine: Machine,
    /// Where to fetch from, by source.
    pub offsets: Vec<i64>,
    /// Where to fetch mail from.
    pub mail: i64,
}

/// Why there is no shard.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// The shard was taken away meanwhile.
    #[error("the take-over was cancelled")]
    Cancelled,
    /// No copy can go on with it; the sentence says what to do.
    #[error("{0}")]
    Refused(String),
    /// This copy cannot run it (its binary, definition or clock); another may.
    #[error("{0}")]
    Unfit(String),
    /// The broker did not answer; it can be tried again.
    #[error("taking over shard {shard}: {what}: {source}")]
    Kafka {
        /// The shard.
        shard: u16,
        /// What was asked.
        what: &'static str,
        /// The answer.
        source: KafkaError,
    },
}

/// How long one question for the group's offsets waits.
const COMMITTED_SLICE: Duration = Duration::from_secs(2);

impl TakeOver {
    /// What take-overs of this pipeline need.
    pub fn new(
        link: &Link,
        names: &Names,
        plan: &Arc<Plan>,
        begins: Begins,
        restore_timeout: Duration,
    ) -> Self {
        let (link, names, plan) = (link.clone(), names.clone(), Arc::clone(plan));
        Self { link, names, plan, begins, restore_timeout }
    }

    fn connect(&self) -> KafkaResult<Clients> {
        let committed = self.link.restorer(&self.names).create_with_context(Quiet::default())?;
        let uncommitted =
            self.link.query(&self.names, false).create_with_context(Quiet::default())?;
        Ok(Clients { committed: Arc::new(committed), uncommitted })
    }

    /// Takes a shard over. Blocks for as long as the state takes to read.
    ///
    /// # Errors
    /// See [`TakeOverError`].
    pub fn run(&self, identity: Identity, watch: &Watch) -> Result<Taken, TakeOverError> {
        let (shard, shards) = (identity.shard, identity.shards);
        let kafka = |what| move |source| TakeOverError::Kafka { shard, what, source };
        let clients = self.connect().map_err(kafka("opening its clients"))?;
        // 1. The group's offsets, once no transaction is pending on them.
        let group =
            self.group_offsets(&clients, shard).map_err(kafka("asking for the group's offsets"))?;
        // 2. Only then the end of the state, open transactions included, and everything up to it.
        let mut machine = Machine::new(Arc::clone(&self.plan), identity);
        let last_commit_ms = self.restore(&clients, &mut machine, shard, watch)?;
        let restored = machine.restored().map_err(|error| cannot_restore(&error))?;
        let jump_max_ms = self.plan.clock_jump_max_ms;
        if let Some(why) = self.begins.clock.refuses(last_commit_ms, jump_max_ms) {
            return Err(TakeOverError::Unfit(why));
        }
        self.begins.clock.goes_on_from(machine.clock_wall_origin_ms());
        machine.keep_clock_wall_origin(self.begins.clock.wall_origin_ms());
        // 3. Meta is the truth.
        let meta = match restored {
            Restored::New => None,
            Restored::At { meta, retimed } => {
                if !retimed.is_empty() {
                    tracing::info!(
                        shard,
                        ?retimed,
                        "the definition has changed; dues are timed anew"
                    );
                }
                let (positions, topic_ids) = (meta.positions, meta.topic_ids);
                Some(Known { positions, topic_ids, mail_to: meta.mail_to })
            }
        };
        let (sources, mail) = self
            .places(&clients, shard, &group)
            .map_err(kafka("asking for the ends of the topics"))?;
        let facts = Facts { group: self.names.group(), shard, meta, sources, mail };
        let mut taken = self.apply(machine, facts)?;
        // 4. A rebuild also goes by what people have done about the alerts of the generation before.
        if let Some(generation) = self.begins.replaces {
            for acted in self.acts(generation, (shard, shards), watch)? {
                taken.machine.expect(acted);
            }
            let unheard = taken.machine.acts_unheard();
            if unheard > 0 {
                tracing::warn!(
                    shard,
                    unheard,
                    "what people did about alerts of customers to come is more than is kept; the rest is not heard"
                );
            }
        }
        Ok(taken)
    }

    fn apply(&self, mut machine: Machine, facts: Facts) -> Result<Taken, TakeOverError> {
        let mail = match decide(&facts) {
            Decision::Refuse(why) => return Err(TakeOverError::Refused(why)),
            Decision::Begin { offsets, mail, gaps } => {
                machine.start_at(&offsets, mail);
                self.skip(&mut machine, facts.shard, &gaps);
                mail
            }
            Decision::GoOn { gaps } => {
                self.skip(&mut machine, facts.shard, &gaps);
                facts.meta.as_ref().map_or(0, |meta| meta.mail_to).max(facts.mail.low)
            }
        };
        machine.keep_topic_ids(facts.sources.into_iter().map(|place| place.id));
        let sources = 0..self.plan.sources.len();
        let offsets = sources.map(|source| machine.read_position(source as u8)).collect();
        Ok(Taken { machine, offsets, mail })
    }

    fn skip(&self, machine: &mut Machine, shard: u16, gaps: &[Gap]) {
        for gap in gaps {
            let topic = self.plan.sources.get(usize::from(gap.source));
            let topic = topic.map_or("", |s| s.topic.as_str());
            let (from, to) = (gap.from, gap.to);
            tracing::error!(shard, topic, from, to, "retention removed unread records");
            let reason = "retention removed records before they were read";
            machine.skip_to(gap.source, gap.to, self.begins.clock.now_ms(), reason);
        }
    }

    /// What the group has committed: by source, then the mail.
    fn group_offsets(&self, clients: &Clients, shard: u16) -> KafkaResult<Vec<Option<i64>>> {
        let mut list = TopicPartitionList::new();
        let mail = self.names.mail();
        let topics: Vec<&str> =
            self.plan.sources.iter().map(|s| s.topic.as_str()).chain([mail.as_str()]).collect();
        for topic in &topics {
            list.add_partition(topic, i32::from(shard));
        }
        let answer = committed_offsets(&clients.committed, &list)?;
        let mut offsets = Vec::with_capacity(topics.len());
        for topic in topics {
            let found = answer.find_partition(topic, i32::from(shard));
            if let Some(element) = &found {
                element.error()?;
            }
            offsets.push(match found.map(|element| element.offset()) {
                Some(Offset::Offset(offset)) => Some(offset),
                _ => None,
            });
        }
        Ok(offsets)
    }

    /// Reads the state; returns the broker's timestamp of the last commit.
    fn restore(
        &self,
        clients: &Clients,
        machine: &mut Machine,
        shard: u16,
        watch: &Watch,
    ) -> Result<Option<i64>, TakeOverError> {
        let kafka = |what| move |source| TakeOverError::Kafka { shard, what, source };
        let topic = self.names.state();
        let partition = i32::from(shard);
        let (low, end) = clients
            .uncommitted
            .fetch_watermarks(&topic, partition, REQUEST_TIMEOUT)
            .map_err(kafka("asking for the end of the state"))?;
        watch.from.store(low.max(0) as u64, Ordering::Relaxed);
        watch.at.store(low.max(0) as u64, Ordering::Relaxed);
        watch.end.store(end.max(0) as u64, Ordering::Relaxed);
        let reader = &clients.committed;
        let mut queue = PartitionQueue::new(Arc::clone(reader), &topic, partition)
            .ok_or_else(|| TakeOverError::Refused(format!("no queue for {topic} {shard}")))?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, partition, Offset::Offset(low))
            .and_then(|()| reader.assign(&list))
            .map_err(kafka("assigning the state"))?;
        let deadline = Instant::now() + self.restore_timeout;
        let calm = Calm::default();
        let mut read = Read::default();
        let mut moved = Instant::now();
        loop {
            if watch.cancel.load(Ordering::SeqCst) {
                return Err(TakeOverError::Cancelled);
            }
            if Instant::now() >= deadline {
                return Err(self.not_in_time(shard, watch, moved));
            }
            // Errors that concern no partition; librdkafka goes on by itself, the deadline watches.
            if let Some(Err(error)) = reader.poll(Duration::ZERO)
                && let Some(left_out) = calm.say(&error.to_string())
            {
                tracing::warn!(shard, %error, left_out, "reading the state");
            }
            let before = watch.at.load(Ordering::Relaxed);
            let reached = read_batch(&mut queue, machine, watch, shard, end, &mut read)?;
            if watch.at.load(Ordering::Relaxed) != before {
                moved = Instant::now();
            }
            if reached {
                // Only now: meta, which says of which format the state is, is written last.
                return read
                    .unreadable
                    .map_or(Ok(read.last_commit_ms), |e| Err(cannot_restore(&e)));
            }
        }
    }

    /// The state was not read in time. A broker that has been silent for long is asked again: nothing is wrong with the
    /// shard. A state that is still being read is too large for the limit.
    fn not_in_time(&self, shard: u16, watch: &Watch, moved: Instant) -> TakeOverError {
        let (at, end) = (watch.at.load(Ordering::Relaxed), watch.end.load(Ordering::Relaxed));
        if moved.elapsed() >= REQUEST_TIMEOUT.min(self.restore_timeout / 2) {
            let source = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
            let what =
                "reading its state: no news from the broker, or an open transaction holds its end";
            return TakeOverError::Kafka { shard, what, source };
        }
        TakeOverError::Refused(format!(
            "the state of shard {shard} was read to offset {at} of {end} within {} s, and there is more to read; raise \
             kafka.restore_timeout_ms",
            self.restore_timeout.as_secs()
        ))
    }

    /// The partitions of the shard, and the mail's.
    fn places(
        &self,
        clients: &Clients,
        shard: u16,
        group: &[Option<i64>],
    ) -> KafkaResult<(Vec<Place>, Place)> {
        let mut places = Vec::new();
        for (index, source) in self.plan.sources.iter().enumerate() {
            let committed = group.get(index).copied().flatten();
            let place = self.place(clients, &source.topic, shard, committed)?;
            // nobody makes our own topics again under us: only those of the sources are told apart
            let id = topic_id(&clients.uncommitted, &source.topic, REQUEST_TIMEOUT)?;
            places.push(Place { id, ..place });
        }
        let committed = group.last().copied().flatten();
        let mail = self.place(clients, &self.names.mail(), shard, committed)?;
        Ok((places, mail))
    }

    fn place(
        &self,
        clients: &Clients,
        topic: &str,
        shard: u16,
        group: Option<i64>,
    ) -> KafkaResult<Place> {
        let partition = i32::from(shard);
        let (low, high) =
            clients.uncommitted.fetch_watermarks(topic, partition, REQUEST_TIMEOUT)?;
        let known = self.begins.beginning.as_ref().and_then(|b| b.get(topic));
        let known = known.and_then(|offsets| offsets.get(usize::from(shard)));
        let start = match (known, self.begins.start) {
            (Some(offset), _) => *offset,
            (None, Start::Earliest) => low,
            (None, Start::Latest) => high,
            (None, Start::At(ms)) => {
                offset_at(clients, topic, partition, ms)?.unwrap_or(high).max(low)
            }
        };
        Ok(Place { topic: topic.to_owned(), id: None, group, low, high, start })
    }
}

/// Asks in slices: a client that hears of its coordinator at the wrong moment waits for a change that does not come, until
/// the time-out (docs/decisions/0008).
fn committed_offsets(
    client: &BaseConsumer<Quiet>,
    list: &TopicPartitionList,
) -> KafkaResult<TopicPartitionList> {
    let began = Instant::now();
    loop {
        match client.committed_offsets(list.clone(), COMMITTED_SLICE) {
            Err(KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut))
                if began.elapsed() < REQUEST_TIMEOUT => {}
            other => return other,
        }
    }
}

fn offset_at(clients: &Clients, topic: &str, partition: i32, ms: i64) -> KafkaResult<Option<i64>> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(ms))?;
    let answer = clients.uncommitted.offsets_for_times(list, REQUEST_TIMEOUT)?;
    Ok(match answer.find_partition(topic, partition).map(|element| element.offset()) {
        Some(Offset::Offset(offset)) => Some(offset),
        _ => None,
    })
}
