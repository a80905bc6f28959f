//! Sends the story as the simulated clock passes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::model::partition::murmur2_partition;
use crate::shell::clock::PipelineClock;

use super::story::Record;

/// How often the clock is looked at.
const STEP: Duration = Duration::from_millis(20);
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// A replay on a thread of its own.
pub struct Replay {
    sent: Arc<AtomicU64>,
    quit: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), KafkaError>>>,
}

impl Replay {
    /// Begins: each record is sent when `clock` has reached its time, with that time as its Kafka timestamp, into the
    /// partition where Java's partitioner would put its key.
    ///
    /// # Errors
    /// When the producer or the thread cannot be made.
    pub fn start(
        brokers: &str,
        topics: Vec<String>,
        partitions: u16,
        records: Vec<Record>,
        clock: PipelineClock,
    ) -> Result<Self, KafkaError> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("client.id", "retain-demo-replay")
            .set("compression.type", "lz4")
            .set("linger.ms", "5")
            .create()?;
        let (sent, quit) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, asked) = (Arc::clone(&sent), Arc::clone(&quit));
        let work = move || {
            let mut records = records.iter().peekable();
            while records.peek().is_some() && !asked.load(Ordering::SeqCst) {
                let now_ms = clock.now_ms();
                while let Some(record) = records.next_if(|r| r.at_ms <= now_ms) {
                    let topic = topics.get(record.source).map_or("", String::as_str);
                    send(&producer, topic, partitions, record)?;
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                producer.poll(STEP);
            }
            producer.flush(FLUSH_TIMEOUT)
        };
        let thread = std::thread::Builder::new()
            .name("retain-replay".to_owned())
            .spawn(work)
            .map_err(|e| KafkaError::ClientCreation(format!("starting the replay's thread: {e}")))?;
        Ok(Self { sent, quit, thread: Some(thread) })
    }

    /// Records sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether everything was sent, or sending has failed.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends it where it is; again: nothing.
    ///
    /// # Errors
    /// What sending failed with.
    pub fn stop(&mut self) -> Result<(), KafkaError> {
        self.quit.store(true, Ordering::SeqCst);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(KafkaError::Canceled),
            None => Ok(()),
        }
    }
}

fn send(
    producer: &BaseProducer,
    topic: &str,
    partitions: u16,
    record: &Record,
) -> Result<(), KafkaError> {
    let partition = murmur2_partition(record.key.as_bytes(), partitions);
    let mut message = BaseRecord::to(topic)
        .partition(i32::from(partition))
        .key(record.key.as_str())
        .payload(record.value.as_str())
        .timestamp(record.at_ms);
    loop {
        match producer.send(message) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(STEP);
                message = back;
            }
            Err((error, _)) => return Err(error),
        }
    }
}
