//! Deletes what was read long ago from the topics that are kept for ever, rows and mail. Nothing is deleted unread.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::runtime::Handle;

use crate::flow::names::Names;
use crate::model::time::DAY_MS;

use super::client::{Link, REQUEST_TIMEOUT};
use super::clock::wall_ms;
use super::quiet::Quiet;

/// How long records are kept after they were written and read, milliseconds.
pub const KEEP_MS: i64 = 7 * DAY_MS;

/// What deletes old records of a generation.
pub struct Cleaner {
    admin: AdminClient<Quiet>,
    /// Asks as the group of the machines, who read the mail.
    asker: ClientConfig,
    rows: String,
    mail: String,
    tokio: Handle,
}

impl Cleaner {
    /// A cleaner for the topics of a generation.
    ///
    /// # Errors
    /// When librdkafka refuses the settings.
    pub fn new(link: &Link, names: &Names, tokio: Handle) -> KafkaResult<Self> {
        let admin = link.admin().create_with_context(Quiet::default())?;
        let asker = link.query(names, true);
        Ok(Self { admin, asker, rows: names.rows(), mail: names.mail(), tokio })
    }

    /// Deletes, in these partitions, rows below the offsets up to which they were carried and mail that the machines have
    /// read, if it was written more than `keep_ms` ago. Blocks for as long as the brokers take.
    ///
    /// # Errors
    /// The brokers'; it can be tried again.
    pub fn clean(&self, carried: &BTreeMap<i32, i64>, keep_ms: i64) -> KafkaResult<()> {
        if carried.is_empty() {
            return Ok(());
        }
        let asker: BaseConsumer<Quiet> = self.asker.create_with_context(Quiet::default())?;
        self.delete(&asker, &self.rows, carried, keep_ms)?;
        let mut list = TopicPartitionList::new();
        for partition in carried.keys() {
            list.add_partition(&self.mail, *partition);
        }
        let answer = asker.committed_offsets(list, REQUEST_TIMEOUT)?;
        let read = answer.elements().into_iter().filter_map(|e| match (e.error(), e.offset()) {
            (Ok(()), Offset::Offset(offset)) => Some((e.partition(), offset)),
            // Not known, or nobody has read: nothing is deleted.
            _ => None,
        });
        self.delete(&asker, &self.mail, &read.collect(), keep_ms)
    }

    fn delete(
        &self,
        asker: &BaseConsumer<Quiet>,
        topic: &str,
        read_to: &BTreeMap<i32, i64>,
        keep_ms: i64,
    ) -> KafkaResult<()> {
        let mut times = TopicPartitionList::new();
        for partition in read_to.keys() {
            let before = Offset::Offset(wall_ms() - keep_ms);
            times.add_partition_offset(topic, *partition, before)?;
        }
        if times.count() == 0 {
            return Ok(());
        }
        let found = asker.offsets_for_times(times, REQUEST_TIMEOUT)?;
        let mut list = TopicPartitionList::new();
        for element in found.elements() {
            let read = read_to.get(&element.partition()).copied().unwrap_or(0);
            let before = match (element.error(), element.offset()) {
                (Ok(()), Offset::Offset(offset)) => offset.min(read),
                // Nothing was written since: everything that was read is old.
                (Ok(()), Offset::End) => read,
                // Not known: nothing is deleted.
                _ => continue,
            };
            list.add_partition_offset(topic, element.partition(), Offset::Offset(before))?;
        }
        if list.count() == 0 {
            return Ok(());
        }
        let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
        self.tokio.block_on(self.admin.delete_records(&list, &options)).map(drop)
    }
}
