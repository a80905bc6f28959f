//! Reading the control topic: to its end, and on as news come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::flow::generation::Control;
use crate::shell::batch::{PartitionQueue, Segment};
use crate::shell::client::REQUEST_TIMEOUT;
use crate::shell::consumer::Queue;
use crate::shell::quiet::Quiet;

use super::{ControlTopic, GenerationError, KEY, READ_TIMEOUT};

impl ControlTopic {
    /// Reads on from the beginning, and whatever comes.
    ///
    /// # Errors
    /// When librdkafka refuses the settings.
    pub fn watch(&self) -> Result<Watcher, GenerationError> {
        let kafka = self.kafka("reading");
        let topic = self.names.control();
        let reader = self.link.restorer(&self.names);
        let consumer: BaseConsumer<Quiet> =
            reader.create_with_context(Quiet::default()).map_err(&kafka)?;
        let (low, end) = consumer.fetch_watermarks(&topic, 0, REQUEST_TIMEOUT).map_err(&kafka)?;
        let consumer = Arc::new(consumer);
        let queue = PartitionQueue::new(Arc::clone(&consumer), &topic, 0)
            .ok_or_else(|| GenerationError::Refused(format!("no queue for {topic}")))?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(low))
            .and_then(|()| consumer.assign(&list))
            .map_err(&kafka)?;
        Ok(Watcher { queue, consumer, topic, end, latest: None })
    }
}

/// Follows the control topic.
pub struct Watcher {
    // Before the consumer: the queue goes first.
    queue: Queue,
    consumer: Arc<BaseConsumer<Quiet>>,
    topic: String,
    end: i64,
    latest: Option<Control>,
}

impl Watcher {
    /// Waits at most `timeout` for news; what stands there now. Something is returned also without news.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn poll(&mut self, timeout: Duration) -> Result<Option<&Control>, GenerationError> {
        self.step(timeout)?;
        Ok(self.latest.as_ref())
    }

    /// Reads on; whether the end that was there at the beginning is reached.
    fn step(&mut self, timeout: Duration) -> Result<bool, GenerationError> {
        while let Some(event) = self.consumer.poll(Duration::ZERO) {
            if let Err(error) = event {
                tracing::debug!(topic = self.topic, %error, "reading the control topic");
            }
        }
        let mut reached = false;
        let batch = self.queue.poll(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
        for segment in batch.segments() {
            match segment {
                Segment::Records(records) => {
                    let ours = records.filter(|r| r.key == Some(KEY.as_bytes()));
                    for value in ours.filter_map(|r| r.payload) {
                        let words =
                            |why| GenerationError::Refused(format!("{}: {why}", self.topic));
                        self.latest = Some(Control::parse(value).map_err(words)?);
                    }
                }
                Segment::Eof { offset } => reached |= offset >= self.end,
                Segment::Error { code, text } => {
                    tracing::warn!(topic = self.topic, %code, %text, "reading the control topic");
                }
            }
        }
        Ok(reached)
    }

    /// What stands there once the end of the beginning is reached.
    pub(super) fn read_to_end(mut self) -> Result<Option<Control>, GenerationError> {
        let deadline = Instant::now() + READ_TIMEOUT;
        while !self.step(Duration::from_millis(100))? {
            if Instant::now() >= deadline {
                return Err(GenerationError::Refused(format!(
                    "{} was not read to its end within {} s: check the broker, or name the generation with \
                     --generation",
                    self.topic,
                    READ_TIMEOUT.as_secs()
                )));
            }
        }
        Ok(self.latest)
    }
}
