//! What people have done about alerts in the generation that a rebuild is to replace, as its transitions tell: those of a shard lie in
//! the partition of its number.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::batch::{PartitionQueue, Segment};
use super::client::{Link, REQUEST_TIMEOUT};
use super::consumer::Queue;
use super::quiet::Quiet;
use crate::flow::names::Names;
use crate::wire::alert::AlertWord;
use crate::wire::mail::Acted;

/// Reads the transitions of a generation.
pub struct ActsReader {
    // Before the consumer: the queues go first.
    queues: Vec<(u16, Queue)>,
    consumer: Arc<BaseConsumer<Quiet>>,
    topic: String,
}

impl ActsReader {
    /// Of the generation of these names; nothing is read yet.
    ///
    /// # Errors
    /// When librdkafka refuses the settings.
    pub fn new(link: &Link, names: &Names) -> KafkaResult<Self> {
        let consumer = link.restorer(names).create_with_context(Quiet::default())?;
        Ok(Self { queues: Vec::new(), consumer: Arc::new(consumer), topic: names.alerts() })
    }

    /// Partitions of the topic; 0 where that generation has none.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn partitions(&self) -> KafkaResult<u16> {
        // all topics are asked for: asking for one that is missing may make it
        let metadata = self.consumer.fetch_metadata(None, REQUEST_TIMEOUT)?;
        let found = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        Ok(found.map_or(0, |topic| u16::try_from(topic.partitions().len()).unwrap_or(u16::MAX)))
    }

    /// Begins with a partition; the end that there is now.
    ///
    /// # Errors
    /// Kafka's.
    pub fn from_the_beginning(&mut self, shard: u16) -> KafkaResult<i64> {
        let (low, end) =
            self.consumer.fetch_watermarks(&self.topic, i32::from(shard), REQUEST_TIMEOUT)?;
        self.assign(&[(shard, low)])?;
        Ok(end)
    }

    /// Begins with what was written from a moment of the wall clock on, in all partitions.
    ///
    /// # Errors
    /// Kafka's.
    pub fn from_moment(&mut self, ms: i64) -> KafkaResult<()> {
        let mut places = Vec::new();
        for shard in 0..self.partitions()? {
            let partition = i32::from(shard);
            let (_, end) =
                self.consumer.fetch_watermarks(&self.topic, partition, REQUEST_TIMEOUT)?;
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&self.topic, partition, Offset::Offset(ms))?;
            let found = self.consumer.offsets_for_times(list, REQUEST_TIMEOUT)?;
            let found = found.find_partition(&self.topic, partition).map(|place| place.offset());
            places.push(match found {
                Some(Offset::Offset(offset)) => (shard, offset),
                _ => (shard, end),
            });
        }
        self.assign(&places)
    }

    fn assign(&mut self, places: &[(u16, i64)]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for (shard, offset) in places {
            let partition = i32::from(*shard);
            let queue = PartitionQueue::new(Arc::clone(&self.consumer), &self.topic, partition);
            let missing = KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownPartition);
            self.queues.push((*shard, queue.ok_or(missing)?));
            list.add_partition_offset(&self.topic, partition, Offset::Offset(*offset))?;
        }
        self.consumer.assign(&list)
    }

    /// Takes what is there, waiting at most so long for a first record of each partition; with the shard. The largest end of a
    /// partition that was met.
    pub fn poll(&mut self, wait: Duration, take: &mut impl FnMut(u16, Acted)) -> Option<i64> {
        if let Some(Err(error)) = self.consumer.poll(Duration::ZERO) {
            tracing::debug!(topic = self.topic, %error, "reading what people did");
        }
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let mut end = None;
        for (shard, queue) in &mut self.queues {
            let batch = queue.poll(wait_ms);
            for segment in batch.segments() {
                match segment {
                    Segment::Records(records) => {
                        let words = records.filter_map(|record| AlertWord::decode(record.payload?));
                        words.filter_map(|word| Acted::of(&word)).for_each(|a| take(*shard, a));
                    }
                    Segment::Eof { offset } => end = end.max(Some(offset)),
                    Segment::Error { code, text } => {
                        tracing::warn!(topic = self.topic, %code, %text, "reading what people did");
                    }
                }
            }
        }
        end
    }
}
