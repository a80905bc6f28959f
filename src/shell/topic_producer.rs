//! A plain (not transactional) producer for generated records: the partition is set by our own hash, as named.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use super::settings::Kafka;
use crate::generate::Generated;

const METADATA_TIMEOUT: Duration = Duration::from_secs(10);
const CREATE_TIMEOUT: Duration = Duration::from_secs(30);
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a full queue is given to drain before that counts as an error.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(60);

/// Why records did not reach Kafka.
#[derive(Debug, thiserror::Error)]
pub enum ProduceError {
    /// Kafka, and what we were about to do.
    #[error("{doing}: {error}")]
    Kafka {
        /// What we were about to do.
        doing: String,
        /// What it said.
        error: KafkaError,
    },
    /// Topics that do not fit, one sentence each.
    #[error("the topics cannot be used:\n  {}", .0.join("\n  "))]
    Topics(Vec<String>),
    /// Records that were not acknowledged.
    #[error("{count} records were not taken, the first because: {first}")]
    Refused {
        /// How many.
        count: u64,
        /// Why the first of them.
        first: String,
    },
}

fn doing(what: impl Into<String>) -> impl FnOnce(KafkaError) -> ProduceError {
    let doing = what.into();
    move |error| ProduceError::Kafka { doing, error }
}

/// Counts what the broker refused; it is asked for at the end.
#[derive(Default)]
struct Acks {
    refused: AtomicU64,
    first: Mutex<Option<String>>,
}

impl ClientContext for Acks {
    /// librdkafka repeats "all brokers are down" twenty times a second; the call that fails says it once.
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl ProducerContext for Acks {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| error.to_string());
        }
    }
}

/// The producer.
pub struct TopicProducer {
    kafka: Kafka,
    client: ThreadedProducer<Acks>,
}

fn client_config(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in kafka.client_properties() {
        config.set(name, value);
    }
    config
}

impl TopicProducer {
    /// A producer with the settings' brokers and security. It connects with the first request.
    ///
    /// # Errors
    /// Properties that librdkafka refuses.
    pub fn connect(kafka: &Kafka) -> Result<Self, ProduceError> {
        let mut config = client_config(kafka);
        for (name, value) in [
            ("enable.idempotence", "true"),
            ("compression.type", "lz4"),
            ("linger.ms", "20"),
            ("queue.buffering.max.messages", "500000"),
        ] {
            // What the settings say wins.
            if config.get(name).is_none() {
                config.set(name, value);
            }
        }
        let client =
            config.create_with_context(Acks::default()).map_err(doing("kafka settings"))?;
        Ok(Self { kafka: kafka.clone(), client })
    }

    /// Checks the topics, or makes missing ones with `create` partitions, and returns their number of partitions.
    ///
    /// # Errors
    /// A missing topic, topics of different partition counts, or another count than `expected`.
    pub fn prepare_topics(
        &self,
        topics: &[String],
        expected: Option<u16>,
        create: Option<u16>,
    ) -> Result<u16, ProduceError> {
        let mut found = self.partitions_of(topics)?;
        let missing: Vec<&String> = topics.iter().filter(|t| !found.contains_key(*t)).collect();
        if let Some(partitions) = create.filter(|_| !missing.is_empty()) {
            // New topics take the count of those that exist: co-partitioned or not at all.
            let partitions = found.values().next().copied().unwrap_or(usize::from(partitions));
            self.create(&missing, partitions)?;
            found.extend(missing.into_iter().map(|topic| (topic.clone(), partitions)));
        }
        let mut problems = Vec::new();
        for topic in topics {
            match (found.get(topic), expected) {
                (None, _) => {
                    problems
                        .push(format!("{topic} does not exist: make it, or add --create-topics"));
                }
                (Some(count), Some(expected)) if *count != usize::from(expected) => problems
                    .push(format!("{topic} has {count} partitions, --partitions says {expected}")),
                _ => {}
            }
        }
        let mut counts: Vec<usize> = found.into_values().collect();
        counts.dedup();
        if counts.len() > 1 {
            problems.push(format!("they have different numbers of partitions ({counts:?})"));
        }
        let count = counts.first().and_then(|count| u16::try_from(*count).ok());
        match count {
            Some(count) if problems.is_empty() => Ok(count),
            Some(_) => Err(ProduceError::Topics(problems)),
            None => {
                if problems.is_empty() {
                    problems.push("more than 65535 partitions are not supported".to_owned());
                }
                Err(ProduceError::Topics(problems))
            }
        }
    }

    fn partitions_of(&self, topics: &[String]) -> Result<BTreeMap<String, usize>, ProduceError> {
        // All topics are asked for: asking for one that is missing may make it.
        let what = format!("topics of {}", self.kafka.brokers);
        let all =
            self.client.client().fetch_metadata(None, METADATA_TIMEOUT).map_err(doing(what))?;
        let wanted = all.topics().iter().filter(|topic| topics.iter().any(|t| t == topic.name()));
        let present = wanted.filter(|topic| !topic.partitions().is_empty());
        Ok(present.map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect())
    }

    fn create(&self, topics: &[&String], partitions: usize) -> Result<(), ProduceError> {
        let what = || doing("making topics");
        let admin: AdminClient<DefaultClientContext> =
            client_config(&self.kafka).create().map_err(what())?;
        // librdkafka writes -1 for "the broker's default".
        let copies = match self.kafka.replication_factor {
            0 => -1,
            copies => i32::from(copies),
        };
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        let new: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(copies)))
            .collect();
        let options = AdminOptions::new().operation_timeout(Some(CREATE_TIMEOUT));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| {
                ProduceError::Topics(vec![format!("no runtime to make topics in: {e}")])
            })?;
        let results = runtime.block_on(admin.create_topics(&new, &options)).map_err(what())?;
        let refused = results.into_iter().filter_map(|result| match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => None,
            Err((topic, code)) => Some(format!("{topic} cannot be made: {code}")),
        });
        let problems: Vec<String> = refused.collect();
        if problems.is_empty() { Ok(()) } else { Err(ProduceError::Topics(problems)) }
    }

    /// Queues a record; waits while the queue is full.
    ///
    /// # Errors
    /// What librdkafka refuses at once, and a queue that stays full. Refusals of the broker come with [`Self::finish`].
    pub fn send(&self, topic: &str, record: &Generated) -> Result<(), ProduceError> {
        let mut message = BaseRecord::to(topic)
            .partition(i32::from(record.partition))
            .key(record.key.as_str())
            .payload(record.value.as_str())
            .timestamp(record.kafka_ms);
        let begun = Instant::now();
        loop {
            match self.client.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if begun.elapsed() < QUEUE_TIMEOUT =>
                {
                    // The thread of the producer empties the queue; there is no event to wait for.
                    std::thread::sleep(Duration::from_millis(5));
                    message = back;
                }
                Err((error, _)) => return Err(doing(format!("sending to {topic}"))(error)),
            }
        }
    }

    /// Waits until everything is acknowledged.
    ///
    /// # Errors
    /// Records that were refused, or not acknowledged in time.
    pub fn finish(self) -> Result<(), ProduceError> {
        self.client.flush(FLUSH_TIMEOUT).map_err(doing("waiting for acknowledgements"))?;
        let acks = self.client.context();
        match acks.refused.load(Ordering::Relaxed) {
            0 => Ok(()),
            count => {
                let first = acks.first.lock().unwrap_or_else(PoisonError::into_inner);
                Err(ProduceError::Refused { count, first: first.clone().unwrap_or_default() })
            }
        }
    }
}
