//! Sends the story as the simulated clock passes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::model::partition::murmur2_partition;
use crate::plan::Clock;
use crate::shell::board::StatusBoard;
use crate::shell::clock::PipelineClock;

use super::story::Record;

/// How far the replay is ahead of the pipeline's clock: what is replayed is there when that passes it. Less than the
/// disorder of `pipelines/demo.toml`, so that time is never certain before the clock shows it.
const AHEAD: Duration = Duration::from_millis(150);
/// How often is looked whether the pipeline's clock has begun.
const LOOK_INTERVAL: Duration = Duration::from_millis(2);
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
    /// Begins with the pipeline's clock: each record is sent when that has reached its time, with that time as its
    /// Kafka timestamp, into the partition where Java's partitioner would put its key.
    ///
    /// # Errors
    /// When the producer or the thread cannot be made.
    pub fn start(
        brokers: &str,
        topics: Vec<String>,
        partitions: u16,
        records: Vec<Record>,
        clock: Clock,
        pipeline: Arc<StatusBoard>,
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
            // The pipeline's clock begins when it has opened its clients.
            while pipeline.update(|status| status.begun.is_none()) && !asked.load(Ordering::SeqCst)
            {
                std::thread::sleep(LOOK_INTERVAL);
            }
            let clock = PipelineClock::new(ahead(clock));
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
        let thread =
            std::thread::Builder::new().name("retain-replay".to_owned()).spawn(work).map_err(
                |e| KafkaError::ClientCreation(format!("starting the replay's thread: {e}")),
            )?;
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

fn ahead(clock: Clock) -> Clock {
    match clock {
        Clock::Wall => Clock::Wall,
        Clock::Simulated { origin_ms, speed, fast_until_ms } => {
            let ahead_ms = AHEAD.as_secs_f64() * 1_000.0 * speed;
            Clock::Simulated { origin_ms: origin_ms + ahead_ms as i64, speed, fast_until_ms }
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
