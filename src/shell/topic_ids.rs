//! Which topic a name stands for now: the id that the broker gave it when it was made.
//!
//! A topic that was deleted and made again has its old name and another id; its offsets count other records. The safe crate does
//! not give ids, so a few calls of librdkafka's C interface are kept here with what makes them sound:
//!
//! - Every handle that is made here (options, topics, queue, event) is owned by an [`Owned`], which destroys it once, in the
//!   reverse order of making: the event before the queue it came from.
//! - What is read from the event (topics, ids, their texts) is owned by the event and copied before it goes.
//! - The client lives as long as the call, by the borrow.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka_sys as sys;

/// A handle of librdkafka's, destroyed when it is dropped.
struct Owned<T> {
    handle: *mut T,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// `None` when librdkafka had nothing to give.
    ///
    /// # Safety
    /// `handle` is null, or a valid handle that nobody else destroys, and `destroy` is the function for it.
    unsafe fn new(handle: *mut T, destroy: unsafe extern "C" fn(*mut T)) -> Option<Self> {
        (!handle.is_null()).then_some(Self { handle, destroy })
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: by the contract of `new`.
        unsafe { (self.destroy)(self.handle) };
    }
}

/// Asks for the id of a topic, in Kafka's own spelling (base64, 22 characters). `None` where the broker has no ids, or cannot
/// say: that is no error, an old broker's topics are told apart by their offsets only.
///
/// # Errors
/// When no broker answers within the time-out.
pub fn topic_id<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    timeout: Duration,
) -> KafkaResult<Option<String>> {
    let Ok(name) = CString::new(topic) else {
        return Ok(None);
    };
    // any broker knows; without a name librdkafka would wait for the controller, which not every cluster has to show
    let broker = client.fetch_metadata(Some(topic), timeout)?.orig_broker_id();
    let native = client.client().native_ptr();
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: each function makes a handle of its own, destroyed by the function that belongs to it; the array of names is
    // only read during the call.
    let (options, topics, queue) = unsafe {
        let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = sys::rd_kafka_AdminOptions_new(native, operation);
        let topics = sys::rd_kafka_TopicCollection_of_topic_names([name.as_ptr()].as_mut_ptr(), 1);
        (
            Owned::new(options, sys::rd_kafka_AdminOptions_destroy),
            Owned::new(topics, sys::rd_kafka_TopicCollection_destroy),
            Owned::new(sys::rd_kafka_queue_new(native), sys::rd_kafka_queue_destroy),
        )
    };
    let (Some(options), Some(topics), Some(queue)) = (options, topics, queue) else {
        return Ok(None);
    };
    // SAFETY: all handles are valid; where one of the two settings is refused, its default holds.
    let event = unsafe {
        let (no_text, no_room) = (std::ptr::null_mut(), 0);
        sys::rd_kafka_AdminOptions_set_request_timeout(
            options.handle,
            timeout_ms,
            no_text,
            no_room,
        );
        sys::rd_kafka_AdminOptions_set_broker(options.handle, broker, no_text, no_room);
        sys::rd_kafka_DescribeTopics(native, topics.handle, options.handle, queue.handle);
        // the request answers by its time-out; a second more, so that its words are heard
        let event = sys::rd_kafka_queue_poll(queue.handle, timeout_ms.saturating_add(1_000));
        Owned::new(event, sys::rd_kafka_event_destroy)
    };
    let Some(event) = event else {
        let code = rdkafka::types::RDKafkaErrorCode::OperationTimedOut;
        return Err(KafkaError::MetadataFetch(code));
    };
    // SAFETY: the event is valid.
    let code = unsafe { sys::rd_kafka_event_error(event.handle) };
    if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(KafkaError::MetadataFetch(code.into()));
    }
    // SAFETY: the event is valid and outlives what is read from it.
    Ok(unsafe { read_id(event.handle) })
}

/// The id of the first topic of an answer.
///
/// # Safety
/// `event` is a valid event.
unsafe fn read_id(event: *mut sys::rd_kafka_event_t) -> Option<String> {
    // SAFETY: null where the event is another one; then there is nothing to read. The array has `count` topics.
    let described = unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return None;
        }
        let mut count = 0;
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        if topics.is_null() || count == 0 {
            return None;
        }
        *topics
    };
    // SAFETY: the topic, its id and the id's text belong to the event. A topic that cannot be described (no right to, not
    // there) has no id, or that of nothing: all zero.
    unsafe {
        let id = sys::rd_kafka_TopicDescription_topic_id(described);
        if id.is_null() {
            return None;
        }
        let high = sys::rd_kafka_Uuid_most_significant_bits(id);
        let low = sys::rd_kafka_Uuid_least_significant_bits(id);
        let text = sys::rd_kafka_Uuid_base64str(id);
        if (high, low) == (0, 0) || text.is_null() {
            return None;
        }
        Some(CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}
