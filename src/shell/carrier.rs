//! The carrier of rows: brings committed blocks from Kafka to ClickHouse. It may repeat itself; it can never invent.
//!
//! A thread of its own with a plain consumer of the rows topic. While an insert is under way the group is still
//! polled, so that ClickHouse may be away for days; offsets are committed only after the rows are in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::flow::carry::Block;
use crate::flow::names::Names;
use crate::flow::outbox::mark;
use crate::model::table::Table;

use super::board::Heartbeat;
use super::clean::{Cleaner, KEEP_MS};
use super::client::{Link, REQUEST_TIMEOUT};
use super::observe::Observer;
use super::quiet::Calm;
use super::sink::{Sink, Stopped};

/// A batch is carried when it has so many bytes, or when nothing more comes for a moment.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// How long is waited for more blocks.
const LINGER: Duration = Duration::from_millis(50);
/// An insert that takes longer is a ClickHouse that is away: the partitions are paused meanwhile. Pausing throws away
/// what was fetched, so it is not done for less.
const PAUSE_AFTER: Duration = Duration::from_secs(2);
/// How often is asked where the outbox ends, and how long is waited for the answer: no row is carried meanwhile.
const MEASURE_INTERVAL: Duration = Duration::from_secs(2);
const MEASURE_TIMEOUT: Duration = Duration::from_secs(2);
/// Committing offsets may wait so long for a coordinator that is away.
const ACKNOWLEDGE_LONGEST: Duration = Duration::from_secs(120);
/// How often old records that were read are deleted.
const CLEAN_INTERVAL: Duration = Duration::from_secs(3_600);

/// Starts the carrier on a thread of its own. It ends when `quit` is set, or when a table refuses a block.
///
/// # Errors
/// When a client cannot be opened or the thread not be started.
pub fn start(
    link: &Link,
    names: &Names,
    sink: Arc<Sink>,
    observer: Observer,
    quit: Arc<AtomicBool>,
    tokio: Handle,
) -> KafkaResult<std::thread::JoinHandle<()>> {
    let consumer: BaseConsumer = link.carrier(names).create()?;
    let cleaner = Cleaner::new(link, names, tokio.clone())?;
    let topic = names.rows();
    consumer.subscribe(&[&topic])?;
    let carrier = Carrier {
        consumer,
        cleaner,
        topic,
        sink,
        tokio,
        heartbeat: observer.board.watch("carrier"),
        observer,
        calm: Calm::default(),
        acknowledged: BTreeMap::new(),
        batch: Vec::new(),
        read_to: BTreeMap::new(),
        bytes: 0,
        under_way: None,
        paused: None,
        cleaned: Instant::now(),
        measured: None,
    };
    carrier.observer.board.update(|status| status.sink.enabled = true);
    std::thread::Builder::new()
        .name("retain-carrier".to_owned())
        .spawn(move || carrier.run(&quit))
        .map_err(|e| KafkaError::ClientCreation(format!("starting the carrier's thread: {e}")))
}

/// A batch whose rows are being written.
struct UnderWay {
    task: JoinHandle<Result<(), Vec<Stopped>>>,
    /// How far each partition is carried, once it is in.
    read_to: BTreeMap<i32, ReadTo>,
    blocks: u64,
    began: Instant,
}

/// How far a partition was read.
#[derive(Clone, Copy)]
struct ReadTo {
    /// Next offset.
    offset: i64,
    /// Bytes of all its blocks so far, as the last one says; one that was not written by a machine does not.
    bytes_total: Option<u64>,
}

struct Carrier {
    consumer: BaseConsumer,
    cleaner: Cleaner,
    topic: String,
    sink: Arc<Sink>,
    tokio: Handle,
    observer: Observer,
    heartbeat: Heartbeat,
    calm: Calm,
    /// Next offset that is not yet in ClickHouse, by partition that is ours.
    acknowledged: BTreeMap<i32, i64>,
    batch: Vec<Block>,
    /// How far each partition in the batch was read.
    read_to: BTreeMap<i32, ReadTo>,
    bytes: usize,
    under_way: Option<UnderWay>,
    paused: Option<TopicPartitionList>,
    cleaned: Instant,
    measured: Option<Instant>,
}

impl Carrier {
    fn run(mut self, quit: &AtomicBool) {
        while !quit.load(Ordering::SeqCst) {
            if let Err(reason) = self.turn() {
                tracing::error!(%reason, "the carrier stops");
                self.observer.board.update(|status| status.sink.stopped = Some(reason));
                break;
            }
        }
        self.heartbeat.end();
        // What is under way is simply written again by the next carrier.
        if let Some(under_way) = self.under_way {
            under_way.task.abort();
        }
    }

    fn turn(&mut self) -> Result<(), String> {
        self.heartbeat.beat();
        let quiet = self.read()?;
        self.settle()?;
        if self.under_way.is_none() && !self.batch.is_empty() && (quiet || self.is_full()) {
            self.begin();
        }
        self.hold_back();
        if self.measured.is_none_or(|at| at.elapsed() >= MEASURE_INTERVAL) {
            self.heartbeat.beat_after(MEASURE_TIMEOUT * 2);
            if let Err(error) = self.measure()
                && let Some(left_out) = self.calm.say(&error.to_string())
            {
                tracing::warn!(%error, left_out, "the end of the outbox is not known");
            }
            self.measured = Some(Instant::now());
        }
        if self.cleaned.elapsed() >= CLEAN_INTERVAL {
            self.cleaned = Instant::now();
            self.heartbeat.beat_after(REQUEST_TIMEOUT * 8);
            if let Err(error) = self.cleaner.clean(&self.acknowledged, KEEP_MS) {
                tracing::warn!(%error, "deleting rows and mail that were read long ago");
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES_MAX
    }

    /// Reads blocks until the batch is full or nothing comes for a moment; whether nothing came.
    fn read(&mut self) -> Result<bool, String> {
        if self.is_full() && self.paused.is_none() && self.under_way.is_some() {
            // Full, and not yet worth a pause: the insert gets a moment.
            std::thread::sleep(Duration::from_millis(5));
            return Ok(false);
        }
        // Blocks that trickle in steadily are carried too: no batch is read for longer than this.
        let until = Instant::now() + LINGER;
        while !self.is_full() || self.paused.is_some() {
            if Instant::now() >= until {
                return Ok(true);
            }
            match self.consumer.poll(LINGER) {
                None => return Ok(true),
                Some(Err(error)) => {
                    if let Some(left_out) = self.calm.say(&error.to_string()) {
                        tracing::warn!(%error, left_out, "reading the rows");
                    }
                    return Ok(true);
                }
                // Also what still comes during a pause (from a partition given to us meanwhile) is kept: what is
                // acknowledged later must hold everything before it.
                Some(Ok(message)) => {
                    let block = block_of(&message)?;
                    let bytes_total = header(&message, "bytes_total").and_then(|b| b.parse().ok());
                    let read_to = ReadTo { offset: block.offset + 1, bytes_total };
                    self.read_to.insert(block.partition, read_to);
                    self.bytes += block.bytes.len();
                    self.batch.push(block);
                    if let Some(list) = self.paused.take() {
                        // Resumed, so that none stays paused for ever: `hold_back` pauses all again, if it must.
                        let _ = self.consumer.resume(&list);
                        return Ok(false);
                    }
                }
            }
        }
        Ok(false)
    }

    fn begin(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let read_to = std::mem::take(&mut self.read_to);
        self.bytes = 0;
        let blocks = batch.len() as u64;
        let sink = Arc::clone(&self.sink);
        let task = self.tokio.spawn(async move { sink.carry(&batch).await });
        self.under_way = Some(UnderWay { task, read_to, blocks, began: Instant::now() });
    }

    /// Commits the offsets of a batch that is in.
    fn settle(&mut self) -> Result<(), String> {
        let Some(under_way) = self.under_way.take_if(|u| u.task.is_finished()) else {
            return Ok(());
        };
        match self.tokio.block_on(under_way.task) {
            Ok(Ok(())) => {}
            Ok(Err(stopped)) => {
                let reasons: Vec<String> = stopped.iter().map(ToString::to_string).collect();
                return Err(reasons.join("; "));
            }
            Err(error) => return Err(format!("the insert ended abnormally: {error}")),
        }
        let mut list = TopicPartitionList::new();
        for (partition, read_to) in &under_way.read_to {
            let mut element = list.add_partition(&self.topic, *partition);
            element.set_offset(Offset::Offset(read_to.offset)).map_err(|e| e.to_string())?;
            if let Some(bytes) = read_to.bytes_total {
                // The machines see by it how much is still to be carried.
                element.set_metadata(mark(bytes));
            }
        }
        self.heartbeat.beat_after(ACKNOWLEDGE_LONGEST);
        if let Err(error) = self.consumer.commit(&list, CommitMode::Sync) {
            // The rows are in; the next carrier writes them again, which changes nothing.
            tracing::warn!(%error, "acknowledging rows");
        }
        self.acknowledged.extend(under_way.read_to.iter().map(|(p, to)| (*p, to.offset)));
        self.observer.carried(&self.acknowledged, under_way.blocks);
        Ok(())
    }

    /// Pauses while ClickHouse is away and the next batch is full, so that the group can still be polled.
    fn hold_back(&mut self) {
        let away = self.under_way.as_ref().is_some_and(|u| u.began.elapsed() >= PAUSE_AFTER);
        match (&self.paused, away && self.is_full()) {
            (None, true) => {
                let Ok(list) = self.consumer.assignment() else {
                    return;
                };
                if self.consumer.pause(&list).is_ok() {
                    self.paused = Some(list);
                }
            }
            (Some(list), false) => {
                // Partitions that were taken away meanwhile cannot be resumed; the others are.
                if let Err(error) = self.consumer.resume(list) {
                    tracing::debug!(%error, "resuming");
                }
                self.paused = None;
            }
            _ => {}
        }
    }

    /// Measures how much of the outbox is still to be carried, in the partitions that are ours.
    fn measure(&mut self) -> KafkaResult<()> {
        let assignment = self.consumer.assignment()?;
        let ours: Vec<i32> = assignment.elements().iter().map(|e| e.partition()).collect();
        let mut ends = TopicPartitionList::new();
        let mut unknown = TopicPartitionList::new();
        for partition in &ours {
            ends.add_partition_offset(&self.topic, *partition, Offset::End)?;
            if !self.acknowledged.contains_key(partition) {
                unknown.add_partition(&self.topic, *partition);
            }
        }
        if unknown.count() > 0 {
            let answer = self.consumer.committed_offsets(unknown, MEASURE_TIMEOUT)?;
            for element in answer.elements() {
                // Not known is not 0: it is asked again.
                element.error()?;
                let offset = match element.offset() {
                    Offset::Offset(offset) => offset,
                    _ => 0,
                };
                self.acknowledged.insert(element.partition(), offset);
            }
        }
        self.acknowledged.retain(|partition, _| ours.contains(partition));
        let mut lag = BTreeMap::new();
        if !ours.is_empty() {
            let answer = self.consumer.offsets_for_times(ends, MEASURE_TIMEOUT)?;
            for element in answer.elements() {
                let next = self.acknowledged.get(&element.partition()).copied().unwrap_or(0);
                if let (Ok(()), Offset::Offset(end)) = (element.error(), element.offset()) {
                    // Behind the last record stands the marker of its transaction, which nobody carries.
                    lag.insert(element.partition(), (end - next - 1).max(0));
                }
            }
        }
        self.observer.outbox(&self.acknowledged, &lag);
        Ok(())
    }
}

fn header<'m>(message: &'m BorrowedMessage<'_>, name: &str) -> Option<&'m str> {
    let headers = message.headers()?;
    let value = headers.iter().find(|h| h.key == name)?.value?;
    std::str::from_utf8(value).ok()
}

/// The block of a record of the rows topic.
fn block_of(message: &BorrowedMessage<'_>) -> Result<Block, String> {
    let place = || {
        format!("{} partition {} offset {}", message.topic(), message.partition(), message.offset())
    };
    let table = header(message, "table").and_then(Table::parse);
    let count = header(message, "count").and_then(|count| count.parse().ok());
    let (Some(table), Some(count), Some(bytes)) = (table, count, message.payload()) else {
        return Err(format!(
            "{} is no block of rows that this version knows: was the topic written by a newer version, or by hand",
            place()
        ));
    };
    Ok(Block {
        table,
        count,
        bytes: bytes.to_vec(),
        partition: message.partition(),
        offset: message.offset(),
    })
}
