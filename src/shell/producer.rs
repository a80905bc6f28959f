//! The transactional producer: everything the cycles of several shards want, in one transaction, with their offsets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders, ToBytes};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::flow::commit::{Failure, Verdict, classify};
use crate::flow::names::Names;
use crate::model::effects::{DeadLetter, Effects};
use crate::model::partition::murmur2_partition;

use super::client::Link;
use super::quiet::Quiet;
use super::topics::Topics;

/// What a transaction came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is in Kafka.
    Committed,
    /// Nothing of it is, and the same effects may be sent again.
    Aborted {
        /// Why.
        why: String,
        /// The group or the brokers refused, not the records: it passes by itself.
        passing: bool,
    },
    /// Nobody knows: a new producer, and a take-over of every shard in it.
    Unknown(String),
    /// Another copy uses our transactional id.
    Fenced(String),
}

/// What the producer must know of the pipeline.
#[derive(Clone, Debug)]
pub struct Place {
    /// Names of topics and group.
    pub names: Names,
    /// Source topics, in the definition's order.
    pub sources: Vec<String>,
    /// Shards, and what the dead-letter topics take.
    pub topics: Topics,
    /// The definition's version, for the headers of dead letters.
    pub definition: String,
}

/// The producer of one process and pipeline.
pub struct Transactions {
    link: Link,
    place: Place,
    transactional_id: String,
    producer: BaseProducer<Quiet>,
    timeout: Duration,
    /// When the producer was last replaced.
    reopened: Option<Instant>,
}

/// How long is waited for the brokers between two looks. The crate's own flush waits in slices of 100 ms, eleven times as
/// long as a whole transaction takes otherwise; its `poll` asks in circles for the last millisecond of its time, which
/// was more work than sending.
const PAUSE: Duration = Duration::from_millis(1);

/// A step that failed, and when its transaction began.
struct Failed {
    error: KafkaError,
    step: &'static str,
}

impl Transactions {
    /// Opens a producer and ends whatever an earlier owner of the id has left open.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses (rights on the transactional id).
    pub fn open(link: &Link, place: Place, instance: &str) -> KafkaResult<Self> {
        let transactional_id = place.names.transactional_id(instance);
        let timeout = Duration::from_millis(link.transaction_timeout_ms);
        let producer = connect(link, &transactional_id, timeout)?;
        let link = link.clone();
        Ok(Self { link, place, transactional_id, producer, timeout, reopened: None })
    }

    /// How long one call may wait for the brokers.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Replaces the producer after an unknown outcome.
    ///
    /// # Errors
    /// As [`Transactions::open`].
    pub fn reopen(&mut self) -> KafkaResult<()> {
        self.producer = connect(&self.link, &self.transactional_id, self.timeout)?;
        self.reopened = Some(Instant::now());
        Ok(())
    }

    /// Commits the cycles, or nothing of them.
    pub fn commit(&self, cycles: &[Effects], group: &ConsumerGroupMetadata) -> Outcome {
        let began = Instant::now();
        match self.attempt(cycles, group, began) {
            Ok(()) => Outcome::Committed,
            Err(failed) => self.judge(&failed, began),
        }
    }

    fn attempt(
        &self,
        cycles: &[Effects],
        group: &ConsumerGroupMetadata,
        began: Instant,
    ) -> Result<(), Failed> {
        let step = |step| move |error| Failed { error, step };
        self.producer.begin_transaction().map_err(step("beginning the transaction"))?;
        for effects in cycles {
            self.send_effects(effects, began).map_err(step("sending records"))?;
        }
        // Here, because the commit would wait for the brokers to take the records in slices of 100 ms.
        let mut waiting = self.producer.in_flight_count();
        while waiting > 0 {
            if began.elapsed() >= self.timeout {
                let error = KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut);
                return Err(Failed { error, step: "waiting for the brokers to take the records" });
            }
            waiting = self.serve(waiting);
        }
        let offsets = self.offsets(cycles).map_err(step("listing the offsets"))?;
        self.again(began, || {
            self.producer.send_offsets_to_transaction(&offsets, group, self.timeout)
        })
        .map_err(step("sending the offsets"))?;
        self.again(began, || self.producer.commit_transaction(self.timeout))
            .map_err(step("committing"))
    }

    /// Takes what the client reports; when it reports nothing, waits a moment. Returns how many records are still on
    /// their way, given how many there were before.
    fn serve(&self, before: i32) -> i32 {
        self.producer.poll(Duration::ZERO);
        let waiting = self.producer.in_flight_count();
        if waiting >= before {
            std::thread::sleep(PAUSE);
        }
        waiting
    }

    /// Repeats a call for as long as librdkafka says that the same call may be made again.
    fn again(&self, began: Instant, call: impl Fn() -> KafkaResult<()>) -> KafkaResult<()> {
        loop {
            match call() {
                Err(error) if classify(self.failure(&error, began)) == Verdict::Again => {
                    tracing::debug!(%error, "a step of the transaction is repeated");
                }
                other => return other,
            }
        }
    }

    fn failure(&self, error: &KafkaError, began: Instant) -> Failure {
        use RDKafkaErrorCode as Code;
        let (code, fatal, abortable, retriable) = match error {
            KafkaError::Transaction(e) => {
                (Some(e.code()), e.is_fatal(), e.txn_requires_abort(), e.is_retriable())
            }
            other => (other.rdkafka_error_code(), false, false, false),
        };
        let died = self.producer.client().fatal_error().map(|(code, _)| code);
        let fences = [Code::Fenced, Code::ProducerFenced, Code::InvalidProducerEpoch];
        let fenced = [code, died].iter().flatten().any(|code| fences.contains(code));
        // A request of our own last attempt to open a producer may have reached the broker late.
        let ourselves = self.reopened.is_some_and(|at| at.elapsed() < self.timeout);
        Failure {
            fatal: fatal || died.is_some() || (fenced && ourselves),
            // A record that was refused before it left, or was not taken in time: nothing is committed yet.
            abortable: abortable
                || matches!(error, KafkaError::MessageProduction(_) | KafkaError::Flush(_)),
            retriable,
            fenced: fenced && !ourselves,
            age_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            timeout_ms: self.link.transaction_timeout_ms,
        }
    }

    fn judge(&self, failed: &Failed, began: Instant) -> Outcome {
        let why = format!("{}: {}", failed.step, failed.error);
        match classify(self.failure(&failed.error, began)) {
            Verdict::Fenced => Outcome::Fenced(format!(
                "{why}: another process uses the transactional id {}: give each copy its own kafka.instance, or leave \
                 it unset",
                self.transactional_id
            )),
            Verdict::Abort => match self.abort() {
                Ok(()) => Outcome::Aborted { why, passing: passes(&failed.error) },
                Err(error) => Outcome::Unknown(format!("{why}; aborting: {error}")),
            },
            Verdict::Again | Verdict::StartOver => Outcome::Unknown(why),
        }
    }

    /// Ends the transaction with nothing. librdkafka's abort throws away what no broker has taken and waits until that
    /// was reported, but the crate's producer takes reports by `poll` alone: without a thread that polls meanwhile, each
    /// abort would wait for its whole time-out and then fail (docs/decisions/0008).
    fn abort(&self) -> KafkaResult<()> {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let poll = || {
                let mut waiting = self.producer.in_flight_count();
                while !done.load(Ordering::SeqCst) {
                    waiting = self.serve(waiting);
                }
            };
            let reports = std::thread::Builder::new().name("retain-abort".to_owned());
            let polling = reports.spawn_scoped(scope, poll);
            if let Err(error) = &polling {
                tracing::warn!(%error, "an abort without a thread for its reports may take long");
            }
            let aborted = self.producer.abort_transaction(self.timeout);
            done.store(true, Ordering::SeqCst);
            aborted
        })
    }

    fn send_effects(&self, effects: &Effects, began: Instant) -> KafkaResult<()> {
        let names = &self.place.names;
        let partition = i32::from(effects.shard);
        let state = names.state();
        for (key, value) in effects.state.iter() {
            let record = BaseRecord::to(&state).partition(partition).key(key);
            self.send(with_payload(record, value), began)?;
        }
        let rows = names.rows();
        let mut bytes_total = effects.rows_bytes_total - effects.rows_bytes() as u64;
        for block in &effects.rows {
            bytes_total += block.bytes.len() as u64;
            let (count, total) = (block.count.to_string(), bytes_total.to_string());
            let headers = OwnedHeaders::new()
                .insert(Header { key: "table", value: Some(block.table.name()) })
                .insert(Header { key: "count", value: Some(&count) })
                .insert(Header { key: "bytes_total", value: Some(&total) });
            let record = BaseRecord::<[u8], [u8]>::to(&rows).partition(partition);
            self.send(record.payload(&block.bytes).headers(headers), began)?;
        }
        let signals = names.signals();
        for word in &effects.signals {
            let at = murmur2_partition(&word.partition_key, self.place.topics.shards);
            let record = BaseRecord::to(&signals).partition(i32::from(at)).key(word.key.as_slice());
            self.send(with_payload(record, word.value.as_deref()), began)?;
        }
        let alerts = names.alerts();
        for alert in &effects.alerts {
            let record = BaseRecord::to(&alerts).partition(partition).key(alert.key.as_slice());
            self.send(record.payload(alert.value.as_slice()), began)?;
        }
        let mail = names.mail();
        for letter in &effects.mail {
            let record = BaseRecord::<[u8], [u8]>::to(&mail).partition(i32::from(letter.to_shard));
            self.send(record.payload(&letter.bytes), began)?;
        }
        effects
            .dead_letters
            .iter()
            .try_for_each(|letter| self.send_dead_letter(effects.shard, letter, began))
    }

    fn send_dead_letter(&self, shard: u16, letter: &DeadLetter, began: Instant) -> KafkaResult<()> {
        let source = usize::from(letter.source);
        let (Some(topic), Some(source_topic)) =
            (self.place.topics.dead_letters.get(source), self.place.sources.get(source))
        else {
            return Err(KafkaError::MessageProduction(RDKafkaErrorCode::UnknownTopic));
        };
        let partition = i32::from(shard % topic.partitions);
        let mut headers = self.letter_headers(shard, source_topic, letter);
        let key_bytes = letter.key.as_ref().map_or(0, Vec::len);
        let payload_bytes = letter.payload.as_ref().map_or(0, Vec::len);
        // Room for the headers and the record's own framing.
        let fits = key_bytes + payload_bytes + letter.detail.len() + 2_048 <= topic.bytes_max;
        if !fits {
            let payload = letter.payload.as_deref().unwrap_or(&[]);
            let hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(payload));
            headers = headers
                .insert(Header { key: "retain_payload_xxh3_128", value: Some(&hash) })
                .insert(Header {
                    key: "retain_payload_bytes",
                    value: Some(&payload_bytes.to_string()),
                });
        }
        let mut record =
            BaseRecord::<[u8], [u8]>::to(&topic.name).partition(partition).headers(headers);
        if let Some(key) = letter.key.as_deref().filter(|_| fits) {
            record = record.key(key);
        }
        self.send(with_payload(record, letter.payload.as_deref().filter(|_| fits)), began)
    }

    fn letter_headers(&self, shard: u16, source_topic: &str, letter: &DeadLetter) -> OwnedHeaders {
        let fields = [
            ("retain_topic", source_topic.to_owned()),
            ("retain_partition", shard.to_string()),
            ("retain_offset", letter.offset.to_string()),
            ("retain_timestamp_ms", letter.kafka_ms.to_string()),
            ("retain_outcome", letter.outcome.name().to_owned()),
            ("retain_reason", letter.reason.name().to_owned()),
            ("retain_detail", letter.detail.clone()),
            ("retain_pipeline", self.place.names.pipeline.clone()),
            ("retain_definition", self.place.definition.clone()),
        ];
        fields
            .iter()
            .fold(OwnedHeaders::new_with_capacity(fields.len() + 2), |headers, (key, value)| {
                headers.insert(Header { key, value: Some(value) })
            })
    }

    /// Queues a record, waiting for the brokers while the queue is full.
    fn send<K: ToBytes + ?Sized>(
        &self,
        mut record: BaseRecord<'_, K, [u8]>,
        began: Instant,
    ) -> KafkaResult<()> {
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if began.elapsed() < self.timeout =>
                {
                    self.serve(self.producer.in_flight_count());
                    record = back;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// The source and mail offsets of every shard in the transaction, also of those that read nothing: that fences a
    /// stale owner.
    fn offsets(&self, cycles: &[Effects]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        let mail = self.place.names.mail();
        for effects in cycles {
            let partition = i32::from(effects.shard);
            for (topic, progress) in self.place.sources.iter().zip(&effects.sources) {
                let next = Offset::Offset(progress.offset_to);
                list.add_partition_offset(topic, partition, next)?;
            }
            list.add_partition_offset(&mail, partition, Offset::Offset(effects.mail_to))?;
        }
        Ok(list)
    }
}

/// Whether an abort says nothing about the records: a rebalance, a broker that is away or moving.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::RebalanceInProgress
                | Code::FencedMemberEpoch
                | Code::StaleMemberEpoch
                | Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::NotCoordinator
                | Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::MessageTimedOut
                | Code::RequestTimedOut
                | Code::NotLeaderForPartition
                | Code::NotEnoughReplicas
                | Code::NotEnoughReplicasAfterAppend
                | Code::QueueFull
        )
    )
}

fn with_payload<'a, K: ToBytes + ?Sized>(
    record: BaseRecord<'a, K, [u8]>,
    payload: Option<&'a [u8]>,
) -> BaseRecord<'a, K, [u8]> {
    match payload {
        Some(bytes) => record.payload(bytes),
        None => record,
    }
}

fn connect(
    link: &Link,
    transactional_id: &str,
    timeout: Duration,
) -> KafkaResult<BaseProducer<Quiet>> {
    let producer: BaseProducer<Quiet> =
        link.producer(transactional_id).create_with_context(Quiet::default())?;
    producer.init_transactions(timeout)?;
    Ok(producer)
}
