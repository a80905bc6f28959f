//! Batches of records from one partition's own queue: unsafe code, with `topic_ids.rs` all of the product's.
//!
//! The safe crate can neither poll a batch nor say whether a member has joined its group. Both are a few
//! calls of librdkafka's C interface, kept here with what makes them sound:
//!
//! - A [`PartitionQueue`] keeps its consumer alive (`Arc`), and its `Drop` runs before that `Arc` is released: the
//!   queue is destroyed before the consumer, else the consumer's close would hang for ever.
//! - Forwarding is switched off at creation, so the records of the partition come by this queue only. Nothing but
//!   fetched records, ends of partition and errors lives in a partition's queue: rebalances and other events, which
//!   a batch poll would swallow, go to the consumer's main queue and are served by `BaseConsumer::poll`.
//! - librdkafka owns the bytes of a message until `rd_kafka_message_destroy`. A [`Batch`] owns its messages, every
//!   view borrows from the batch, and the batch destroys each message once, when it is dropped.
//! - Queues are used by one thread at a time (`Send`, not `Sync`); librdkafka's own functions are thread safe.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::sync::Arc;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys as sys;

use crate::model::record::Record;

/// How many messages one poll takes at most.
pub const BATCH_MAX: usize = 1_000;

/// The queue of one partition of a consumer, polled in batches.
pub struct PartitionQueue<C: ConsumerContext + 'static> {
    queue: *mut sys::rd_kafka_queue_t,
    /// Messages of the last poll; capacity `BATCH_MAX`.
    messages: Vec<*mut sys::rd_kafka_message_t>,
    /// Dropped after `Drop::drop` has destroyed the queue.
    _consumer: Arc<BaseConsumer<C>>,
}

// SAFETY: the queue handle may be used from any thread, and `&mut self` keeps it to one at a time. The message
// pointers never outlive a `Batch`, which borrows `self` mutably.
unsafe impl<C: ConsumerContext + 'static> Send for PartitionQueue<C> {}

impl<C: ConsumerContext + 'static> PartitionQueue<C> {
    /// Takes the queue of a partition out of the consumer's main queue. To be called before the partition is
    /// assigned, so that no record goes to the main queue. `None` when librdkafka has no such queue.
    pub fn new(consumer: Arc<BaseConsumer<C>>, topic: &str, partition: i32) -> Option<Self> {
        let topic = CString::new(topic).ok()?;
        // SAFETY: the client lives as long as `consumer`; the topic is a C string for the length of the call.
        let queue = unsafe {
            sys::rd_kafka_queue_get_partition(
                consumer.client().native_ptr(),
                topic.as_ptr(),
                partition,
            )
        };
        if queue.is_null() {
            return None;
        }
        // SAFETY: `queue` is the valid handle just received; a null destination switches forwarding off.
        unsafe { sys::rd_kafka_queue_forward(queue, std::ptr::null_mut()) };
        Some(Self { queue, messages: Vec::with_capacity(BATCH_MAX), _consumer: consumer })
    }

    /// Takes what is there, waiting at most `timeout_ms` for the first message.
    pub fn poll(&mut self, timeout_ms: i32) -> Batch<'_> {
        self.messages.clear();
        // SAFETY: the buffer has room for `BATCH_MAX` pointers, and librdkafka writes at most that many.
        let count = unsafe {
            sys::rd_kafka_consume_batch_queue(
                self.queue,
                timeout_ms,
                self.messages.as_mut_ptr(),
                BATCH_MAX,
            )
        };
        let count = usize::try_from(count).unwrap_or(0).min(BATCH_MAX);
        // SAFETY: the first `count` pointers were just written.
        unsafe { self.messages.set_len(count) };
        Batch { messages: &mut self.messages }
    }
}

impl<C: ConsumerContext + 'static> Drop for PartitionQueue<C> {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is destroyed once; the consumer is still alive.
        unsafe { sys::rd_kafka_queue_destroy(self.queue) };
    }
}

/// Messages of one poll, destroyed together.
pub struct Batch<'q> {
    messages: &'q mut Vec<*mut sys::rd_kafka_message_t>,
}

/// A stretch of a batch, in the order of the partition.
pub enum Segment<'b> {
    /// Records.
    Records(Records<'b>),
    /// The partition was read to its (stable) end.
    Eof {
        /// The end: the offset the next record will have at least.
        offset: i64,
    },
    /// Something went wrong with this partition.
    Error {
        /// librdkafka's code.
        code: RDKafkaErrorCode,
        /// Its words.
        text: String,
    },
}

impl Batch<'_> {
    /// Whether nothing came.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The stretches of the batch.
    pub fn segments(&self) -> Segments<'_> {
        Segments { rest: self.messages }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for message in self.messages.drain(..) {
            // SAFETY: each pointer came from the poll of this batch, is owned by it and is destroyed once.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
    }
}

/// Iterates over the stretches of a batch.
pub struct Segments<'b> {
    rest: &'b [*mut sys::rd_kafka_message_t],
}

impl<'b> Iterator for Segments<'b> {
    type Item = Segment<'b>;

    fn next(&mut self) -> Option<Segment<'b>> {
        let first = message(self.rest.first()?);
        if first.err == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            let is_record = |m: &&*mut _| {
                message(m).err == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
            };
            let count = self.rest.iter().take_while(is_record).count();
            let (records, rest) = self.rest.split_at(count);
            self.rest = rest;
            return Some(Segment::Records(Records { rest: records }));
        }
        self.rest = &self.rest[1..];
        if first.err == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF {
            return Some(Segment::Eof { offset: first.offset });
        }
        // SAFETY: for an error message librdkafka returns a C string that lives as long as the message.
        let text = unsafe {
            let text = sys::rd_kafka_message_errstr(first);
            if text.is_null() {
                String::new()
            } else {
                CStr::from_ptr(text).to_string_lossy().into_owned()
            }
        };
        Some(Segment::Error { code: first.err.into(), text })
    }
}

/// The message behind a pointer of a live batch.
fn message(pointer: &*mut sys::rd_kafka_message_t) -> &sys::rd_kafka_message_t {
    // SAFETY: pointers in a batch are valid until the batch is dropped, and `pointer` is borrowed from the batch.
    // Nobody writes to the message meanwhile.
    unsafe { &**pointer }
}

/// Iterates over records, borrowing their bytes from the batch.
pub struct Records<'b> {
    rest: &'b [*mut sys::rd_kafka_message_t],
}

impl<'b> Iterator for Records<'b> {
    type Item = Record<'b>;

    fn next(&mut self) -> Option<Record<'b>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        let message = message(first);
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is valid, `kind` is ours.
        let kafka_ms = unsafe { sys::rd_kafka_message_timestamp(message, &mut kind) };
        Some(Record {
            offset: message.offset,
            kafka_ms,
            key: bytes(message.key as *const u8, message.key_len),
            payload: bytes(message.payload as *const u8, message.len),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.rest.len(), Some(self.rest.len()))
    }
}

/// The bytes of a live message; `None` for Kafka's null.
fn bytes<'b>(pointer: *const u8, len: usize) -> Option<&'b [u8]> {
    // SAFETY: librdkafka gives a pointer to `len` bytes that live as long as the message; callers bind `'b` to it.
    (!pointer.is_null()).then(|| unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// The generation (member epoch) with which the consumer is in its group; `None` while it has not joined. Offsets
/// sent with the metadata of a member that has not joined are accepted by the broker whoever owns the partitions.
pub fn joined_generation<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<i32> {
    // SAFETY: the client is alive; the metadata is ours until destroyed, its member id a C string inside it.
    unsafe {
        let metadata = sys::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return None;
        }
        let generation = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        let member = sys::rd_kafka_consumer_group_metadata_member_id(metadata);
        let named = !member.is_null() && !CStr::from_ptr(member).is_empty();
        sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        (generation >= 0 && named).then_some(generation)
    }
}
