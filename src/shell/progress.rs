//! How far a generation has come: its group in the sources, its carrier in the rows.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::flow::generation::Reading;
use crate::flow::names::Names;
use crate::plan::Plan;

use super::client::{Link, REQUEST_TIMEOUT};
use super::generation::ask;

/// Asks how far a generation is: its group in the sources, its carrier in the rows. Over all partitions, whoever
/// holds them.
pub struct Progress {
    group: BaseConsumer,
    carrier: BaseConsumer,
    sources: Vec<(String, i32)>,
    rows: Vec<(String, i32)>,
}

impl Progress {
    /// Of a generation of a plan's pipeline with so many shards.
    ///
    /// # Errors
    /// When librdkafka refuses the settings.
    pub fn new(link: &Link, plan: &Plan, names: &Names) -> KafkaResult<Self> {
        let group: BaseConsumer = link.query(names, true).create()?;
        let first = plan.sources.first().map_or("", |s| s.topic.as_str());
        let metadata = group.fetch_metadata(Some(first), REQUEST_TIMEOUT)?;
        let count = metadata.topics().first().map_or(0, |t| t.partitions().len());
        let shards = i32::try_from(count).unwrap_or(i32::MAX);
        let of = |topic: &str| (0..shards).map(|p| (topic.to_owned(), p)).collect::<Vec<_>>();
        Ok(Self {
            carrier: link.query(names, true).set("group.id", names.sink_group()).create()?,
            group,
            sources: plan.sources.iter().flat_map(|s| of(&s.topic)).collect(),
            rows: of(&names.rows()),
        })
    }

    /// Asks.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn ask(&self) -> KafkaResult<Vec<Reading>> {
        for consumer in [&self.group, &self.carrier] {
            // Nobody else takes their events, and nothing is read with them.
            while consumer.poll(Duration::ZERO).is_some() {}
        }
        let mut readings = readings(&self.group, &self.sources)?;
        readings.extend(self::readings(&self.carrier, &self.rows)?);
        Ok(readings)
    }
}

fn readings(consumer: &BaseConsumer, places: &[(String, i32)]) -> KafkaResult<Vec<Reading>> {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in places {
        list.add_partition(topic, *partition);
    }
    let committed = consumer.committed_offsets(list, REQUEST_TIMEOUT)?;
    let borrowed: Vec<(&str, i32)> = places.iter().map(|(t, p)| (t.as_str(), *p)).collect();
    let ends = ask(consumer, &borrowed, Offset::End)?;
    let reading = |(place, end): (&(String, i32), i64)| {
        let element = committed.find_partition(&place.0, place.1);
        let position = match element.map(|e| e.offset()) {
            Some(Offset::Offset(offset)) => offset,
            _ => 0,
        };
        Reading { place: place.clone(), position, end }
    };
    Ok(places.iter().zip(ends).map(reading).collect())
}
