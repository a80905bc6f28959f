//! Reading a state topic into a machine, and what it means when that cannot be done.

use std::sync::atomic::Ordering;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::machine::{Machine, RestoreError};
use crate::shell::batch::Segment;
use crate::shell::consumer::Queue;
use crate::snapshot::StateKey;

use super::{TakeOverError, Watch};

/// How long the reader of the state waits for the next batch before it looks whether to give up.
const POLL_MS: i32 = 50;

/// What reading the state has found.
#[derive(Default)]
pub(super) struct Read {
    /// The broker's timestamp of the last `meta`.
    pub last_commit_ms: Option<i64>,
    /// Why a record could not be taken: the first reason, or that the state is of another format.
    pub unreadable: Option<RestoreError>,
}

/// Reads one batch of the state: whether its end has been reached.
pub(super) fn read_batch(
    queue: &mut Queue,
    machine: &mut Machine,
    watch: &Watch,
    shard: u16,
    end: i64,
    read: &mut Read,
) -> Result<bool, TakeOverError> {
    let batch = queue.poll(POLL_MS);
    let mut reached = false;
    for segment in batch.segments() {
        match segment {
            Segment::Records(records) => {
                for record in records {
                    watch.at.store(record.offset.max(0) as u64 + 1, Ordering::Relaxed);
                    let Some(key) = record.key else { continue };
                    let is_meta = StateKey::decode(key) == Ok(StateKey::Meta);
                    if is_meta && record.kafka_ms >= 0 {
                        read.last_commit_ms = Some(record.kafka_ms);
                    }
                    // After one that cannot be read only meta is of interest: it may say why.
                    if read.unreadable.is_some() && !is_meta {
                        continue;
                    }
                    if let Err(error) = machine.restore(key, record.payload) {
                        match &error {
                            RestoreError::OtherFormat { .. } => read.unreadable = Some(error),
                            _ => read.unreadable = read.unreadable.take().or(Some(error)),
                        }
                    }
                }
            }
            // The stable end. Below the target an open transaction holds it: it ends at its time-out, and the event
            // comes again whenever the stable end moves.
            Segment::Eof { offset } => reached |= offset >= end,
            // librdkafka stops reading here; the take-over begins anew.
            Segment::Error { code: RDKafkaErrorCode::AutoOffsetReset, text } => {
                tracing::warn!(shard, %text, "the state cannot be read from where it began");
                let source = KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset);
                return Err(TakeOverError::Kafka { shard, what: "reading its state", source });
            }
            Segment::Error { code, text } => {
                tracing::warn!(shard, %code, %text, "reading the state");
            }
        }
    }
    Ok(reached)
}

/// Another definition or binary may be able to go on with what this one cannot.
pub(super) fn cannot_restore(error: &RestoreError) -> TakeOverError {
    match error {
        RestoreError::OtherFormat { .. } | RestoreError::NeedsRebuild(_) => {
            TakeOverError::Unfit(error.to_string())
        }
        RestoreError::Unreadable(why) => TakeOverError::Refused(why.clone()),
    }
}
