//! The notifier's side of Kafka: which copy tells a receiver, where it stands in the topic of alerts, and the transaction in
//! which its decisions and that place are written together.
//!
//! The group of a receiver hands out the partitions of the alerts; whoever has the first of them reads them all, for a budget
//! and the order of an owner's calls need one place to be decided. What a copy has sent and not yet written is sent again by
//! the next, under the same id.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::flow::names::Names;
use crate::notify::desk::Desk;
use crate::notify::record::Entry;
use crate::shell::client::{Link, REQUEST_TIMEOUT};
use crate::shell::quiet::Quiet;
use crate::wire::alert::AlertWord;

/// Reading a topic to its end may take so long.
const READ_LONGEST: Duration = Duration::from_secs(300);
/// How often is looked whether records were taken.
const FLUSH_LOOK: Duration = Duration::from_millis(1);
/// A read that gets nothing for so long asks whether it is at the end.
const READ_PAUSE: Duration = Duration::from_millis(100);

/// Whose records they are.
#[derive(Clone, Debug)]
pub struct Place {
    /// How to reach Kafka.
    pub link: Link,
    /// The names of the generation.
    pub names: Names,
    /// The receiver.
    pub receiver: String,
}

/// A record to be written beside the desk's own.
#[derive(Clone, Debug)]
pub struct Undelivered {
    /// The letter's id.
    pub id: String,
    /// What it was, and why nobody took it.
    pub value: Vec<u8>,
}

/// What this copy does for a receiver while it is the one that tells it.
pub struct Session {
    place: Place,
    producer: BaseProducer<Quiet>,
    reader: BaseConsumer<Quiet>,
    partitions: u16,
    notified: u16,
    /// Next offset, by partition of the alerts; those that moved since the last commit are in `moved`.
    positions: BTreeMap<i32, i64>,
    moved: BTreeMap<i32, i64>,
}

/// A transition, or what stood in its place, and when it was written.
#[derive(Debug)]
pub struct Heard {
    /// The transition; `Err`: the record cannot be read.
    pub word: Result<Box<AlertWord>, String>,
    /// Kafka's time, milliseconds.
    pub written_ms: Option<i64>,
}

/// Where a receiver begins.
pub enum Begins {
    /// Where it was.
    Where,
    /// With the last transition of each alert.
    With(Vec<AlertWord>),
}

impl Session {
    /// Takes over: ends what another copy left open, reads the desk back, and finds out where to go on.
    ///
    /// # Errors
    /// What Kafka cannot do now; it is tried again.
    pub fn open(place: Place, desk: &mut Desk) -> Result<(Self, Begins), String> {
        let told = |what: &'static str| move |error: KafkaError| format!("{what}: {error}");
        let id = place.names.transactional_id(&format!("notify/{}", place.receiver));
        let producer: BaseProducer<Quiet> = place
            .link
            .producer(&id)
            .create_with_context(Quiet::default())
            .map_err(told("the producer"))?;
        producer.init_transactions(REQUEST_TIMEOUT).map_err(told("taking over"))?;
        let config = place.link.notifier(&place.names, &place.receiver);
        let reader: BaseConsumer<Quiet> =
            config.create_with_context(Quiet::default()).map_err(told("the reader"))?;
        let (alerts, decided) = (place.names.alerts(), place.names.notified());
        let partitions = count(&reader, &alerts)?;
        let notified = count(&reader, &decided)?;
        let committed = committed(&reader, &alerts, partitions)?;
        let found = restore(&reader, &decided, &place.receiver, desk)?;
        let mut session = Self {
            place,
            producer,
            reader,
            partitions,
            notified,
            positions: BTreeMap::new(),
            moved: BTreeMap::new(),
        };
        let begins = match committed {
            Some(positions) => {
                session.positions = positions;
                Begins::Where
            }
            None => {
                if found == 0 {
                    session.inherit(desk)?;
                }
                Begins::With(session.last_words()?)
            }
        };
        session.assign().map_err(told("reading the alerts"))?;
        Ok((session, begins))
    }

    /// A rebuild begins with what was told in the generation before it.
    fn inherit(&self, desk: &mut Desk) -> Result<(), String> {
        let names = &self.place.names;
        for generation in (1..names.generation).rev() {
            let before = Names::new(&names.pipeline, generation).notified();
            let Ok(1..) = count(&self.reader, &before) else { continue };
            if restore(&self.reader, &before, &self.place.receiver, desk)? > 0 {
                desk.adopt();
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads all alerts that are there; the last transition of each.
    fn last_words(&mut self) -> Result<Vec<AlertWord>, String> {
        let topic = self.place.names.alerts();
        let mut last: BTreeMap<String, AlertWord> = BTreeMap::new();
        self.positions =
            read_all(&self.reader, &topic, self.partitions, |message| match word_of(message) {
                Ok(word) => drop(last.insert(word.alert_id.clone(), *word)),
                Err(why) => tracing::warn!(%why, "an alert cannot be read"),
            })?;
        self.moved.clone_from(&self.positions);
        Ok(last.into_values().collect())
    }

    fn assign(&self) -> Result<(), KafkaError> {
        let topic = self.place.names.alerts();
        let mut list = TopicPartitionList::new();
        for (partition, offset) in &self.positions {
            list.add_partition_offset(&topic, *partition, Offset::Offset(*offset))?;
        }
        self.reader.assign(&list)
    }

    /// The next transition, if one comes in time.
    ///
    /// # Errors
    /// When reading cannot go on from here.
    pub fn poll(&mut self, timeout: Duration) -> Result<Option<Heard>, String> {
        match self.reader.poll(timeout) {
            None | Some(Err(KafkaError::PartitionEOF(_))) => Ok(None),
            Some(Err(error)) => Err(format!("reading the alerts: {error}")),
            Some(Ok(message)) => {
                let next = message.offset() + 1;
                self.positions.insert(message.partition(), next);
                self.moved.insert(message.partition(), next);
                let written_ms = message.timestamp().to_millis();
                Ok(Some(Heard { word: word_of(&message), written_ms }))
            }
        }
    }

    /// Whether there is anything to commit.
    pub fn has_moved(&self) -> bool {
        !self.moved.is_empty()
    }

    /// Writes what the desk decided, what nobody took, and how far the alerts were read: all of it or nothing.
    ///
    /// # Errors
    /// Kafka's. The session is at its end then: the next one goes on from what is committed.
    pub fn commit(
        &mut self,
        desk: &mut Desk,
        undelivered: &mut Vec<Undelivered>,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), String> {
        let told = |what: &'static str| move |error: KafkaError| format!("{what}: {error}");
        let timeout = Duration::from_millis(self.place.link.transaction_timeout_ms);
        self.producer.begin_transaction().map_err(told("beginning the transaction"))?;
        let topic = self.place.names.notified();
        for (entry, value) in desk.take_changes() {
            let key = entry.key(&self.place.receiver);
            let partition = i32::from(entry.partition(self.notified));
            self.send(&topic, partition, &key, value.as_deref())?;
        }
        let topic = self.place.names.undelivered();
        for letter in undelivered.drain(..) {
            let key = format!("{}\t{}", self.place.receiver, letter.id);
            self.send(&topic, 0, &key, Some(&letter.value))?;
        }
        self.flush(timeout)?;
        let mut offsets = TopicPartitionList::new();
        let alerts = self.place.names.alerts();
        for (partition, offset) in &self.moved {
            offsets
                .add_partition_offset(&alerts, *partition, Offset::Offset(*offset))
                .map_err(told("listing the offsets"))?;
        }
        if offsets.count() > 0 {
            self.producer
                .send_offsets_to_transaction(&offsets, group, timeout)
                .map_err(told("sending the offsets"))?;
        }
        self.producer.commit_transaction(timeout).map_err(told("committing"))?;
        self.moved.clear();
        Ok(())
    }

    /// Waits until the brokers have the records: the commit would wait for it in slices of 100 ms.
    fn flush(&self, timeout: Duration) -> Result<(), String> {
        let began = Instant::now();
        while self.producer.in_flight_count() > 0 {
            if began.elapsed() >= timeout {
                return Err("the brokers do not take the notifier's records".to_owned());
            }
            self.producer.poll(Duration::ZERO);
            std::thread::sleep(FLUSH_LOOK);
        }
        Ok(())
    }

    fn send(
        &self,
        topic: &str,
        partition: i32,
        key: &str,
        value: Option<&[u8]>,
    ) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let mut record: BaseRecord<'_, str, [u8]> =
                BaseRecord::to(topic).partition(partition).key(key);
            if let Some(value) = value {
                record = record.payload(value);
            }
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(code), _))
                    if code == rdkafka::error::RDKafkaErrorCode::QueueFull
                        && began.elapsed() < REQUEST_TIMEOUT =>
                {
                    self.producer.poll(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(format!("writing to {topic}: {error}")),
            }
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    /// Transitions that were written and not yet taken.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn lag(&self) -> Result<u64, String> {
        let topic = self.place.names.alerts();
        let mut lag = 0;
        for (partition, next) in &self.positions {
            let (low, end) = self
                .reader
                .fetch_watermarks(&topic, *partition, REQUEST_TIMEOUT)
                .map_err(|error| format!("asking where the alerts end: {error}"))?;
            // behind the last record stands the marker of its transaction
            lag += (end - (*next).max(low) - 1).max(0).unsigned_abs();
        }
        Ok(lag)
    }
}

fn word_of(message: &BorrowedMessage<'_>) -> Result<Box<AlertWord>, String> {
    let place = || {
        format!("{} partition {} offset {}", message.topic(), message.partition(), message.offset())
    };
    let payload = message.payload().unwrap_or_default();
    serde_json::from_slice(payload)
        .map(Box::new)
        .map_err(|error| format!("{} is no transition that this version knows: {error}", place()))
}

fn count(consumer: &BaseConsumer<Quiet>, topic: &str) -> Result<u16, String> {
    // all topics are asked for: asking for one that is missing may make it
    let metadata = consumer
        .fetch_metadata(None, REQUEST_TIMEOUT)
        .map_err(|error| format!("asking for the topics: {error}"))?;
    let found = metadata.topics().iter().find(|known| known.name() == topic);
    match found.map_or(0, |known| known.partitions().len()) {
        0 => Err(format!("topic {topic} is not there yet: the machines make it when they start")),
        count => Ok(u16::try_from(count).unwrap_or(u16::MAX)),
    }
}

/// Where the group is; `None` where it is nowhere yet, or where there is nothing any more.
fn committed(
    consumer: &BaseConsumer<Quiet>,
    topic: &str,
    partitions: u16,
) -> Result<Option<BTreeMap<i32, i64>>, String> {
    let told = |error: KafkaError| format!("asking where the receiver is: {error}");
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, i32::from(partitions) - 1);
    let answer = consumer.committed_offsets(list, REQUEST_TIMEOUT).map_err(told)?;
    let mut positions = BTreeMap::new();
    for element in answer.elements() {
        element.error().map_err(told)?;
        let Offset::Offset(offset) = element.offset() else { return Ok(None) };
        let ends = consumer.fetch_watermarks(topic, element.partition(), REQUEST_TIMEOUT);
        let (low, end) = ends.map_err(told)?;
        if offset < low || offset > end {
            return Ok(None);
        }
        positions.insert(element.partition(), offset);
    }
    Ok(Some(positions))
}

/// Reads the desk of a receiver back; how many records there were.
fn restore(
    consumer: &BaseConsumer<Quiet>,
    topic: &str,
    receiver: &str,
    desk: &mut Desk,
) -> Result<u64, String> {
    let partitions = count(consumer, topic)?;
    let (mut found, mut wrong) = (0, None);
    read_all(consumer, topic, partitions, |message| {
        let Some(entry) = Entry::parse(message.key().unwrap_or_default(), receiver) else {
            return;
        };
        found += 1;
        if let Err(error) = desk.restore(entry, message.payload()) {
            wrong.get_or_insert(format!("{topic}: a record of {receiver}: {error}"));
        }
    })?;
    // what was told would be told again: that is for a person to decide
    wrong.map_or(Ok(found), Err)
}

/// Reads a topic from its beginning to the end that it has now; where the partitions end then.
fn read_all(
    consumer: &BaseConsumer<Quiet>,
    topic: &str,
    partitions: u16,
    mut take: impl FnMut(&BorrowedMessage<'_>),
) -> Result<BTreeMap<i32, i64>, String> {
    let told = |error: KafkaError| format!("reading {topic}: {error}");
    let mut list = TopicPartitionList::new();
    let mut positions = BTreeMap::new();
    for partition in 0..i32::from(partitions) {
        let (low, _) =
            consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT).map_err(told)?;
        positions.insert(partition, low);
        list.add_partition_offset(topic, partition, Offset::Offset(low)).map_err(told)?;
    }
    consumer.assign(&list).map_err(told)?;
    let deadline = Instant::now() + READ_LONGEST;
    let mut at_end: BTreeMap<i32, bool> = positions.keys().map(|p| (*p, false)).collect();
    while at_end.values().any(|end| !end) {
        if Instant::now() >= deadline {
            return Err(format!("reading {topic} took longer than {} s", READ_LONGEST.as_secs()));
        }
        match consumer.poll(READ_PAUSE) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                at_end.insert(partition, true);
            }
            Some(Err(error)) => return Err(told(error)),
            Some(Ok(message)) => {
                take(&message);
                positions.insert(message.partition(), message.offset() + 1);
                at_end.insert(message.partition(), false);
            }
        }
    }
    consumer.unassign().map_err(told)?;
    Ok(positions)
}
