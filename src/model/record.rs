//! Records as they come from Kafka: bytes and their position.

/// The index of a source topic in the definition, from 0 in the order of the file.
pub type SourceIndex = u8;

/// Where a record stands within one shard (the partition is the shard's own number).
///
/// The order is the tie-breaker of everything that must not depend on arrival: source order, then offset.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Position {
    /// The source topic.
    pub source: SourceIndex,
    /// The Kafka offset in that topic's partition.
    pub offset: i64,
}

/// A moment with its tie-breaker: the stamp of last-writer fields.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Stamp {
    /// Event time, milliseconds.
    pub ts_ms: i64,
    /// The record.
    pub position: Position,
}

/// One record of a source partition, borrowed from the consumer.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Kafka offset.
    pub offset: i64,
    /// Kafka timestamp (broker's or producer's, as the topic says), milliseconds.
    pub kafka_ms: i64,
    /// The key's bytes; `None` for a null key.
    pub key: Option<&'a [u8]>,
    /// The value's bytes; `None` for a tombstone.
    pub payload: Option<&'a [u8]>,
}
