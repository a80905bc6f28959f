//! One shard: records and the clock in, effects out. No clock, no IO, no async; everything it knows is in the state topic.

use std::sync::Arc;

use crate::model::effects::Effects;
use crate::model::record::{Record, SourceIndex};
use crate::plan::Plan;

/// Who a machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Partition of every topic.
    pub shard: u16,
    /// How many shards the pipeline has.
    pub shards: u16,
    /// Generation of topics and tables.
    pub generation: u32,
    /// The name of this copy, for the ledger and messages.
    pub owner: String,
}

/// The clock as an input: one value per cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// Now, milliseconds (wall or simulated).
    pub now_ms: i64,
    /// When the broker last confirmed the ends of *all* source partitions of this shard, on the same clock;
    /// `None` while that has not happened.
    pub ends_confirmed_ms: Option<i64>,
}

/// The shard's own record of where it is: the truth after a take-over.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Meta {
    /// Format of the state records ([`crate::snapshot::FORMAT`]).
    pub format: u32,
    /// Last committed cycle.
    pub cycle: u64,
    /// Number of owners so far.
    pub tenure: u64,
    /// The last owner's name.
    pub owner: String,
    /// Topic name and next offset, by source.
    pub positions: Vec<(String, i64)>,
    /// Next mail offset.
    pub mail_to: i64,
}

/// What restoring found.
#[derive(Clone, Debug, PartialEq)]
pub enum Restored {
    /// The state topic is empty: a new shard; the shell resolves the start position and calls [`Machine::start_at`].
    New,
    /// The shard goes on from here.
    At(Meta),
}

/// Why a state record or a definition cannot be used; the message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A record that this binary cannot read.
    #[error("{0}")]
    Unreadable(String),
    /// The definition changed in a way that needs a rebuild.
    #[error("{0}")]
    NeedsRebuild(String),
}

/// How far an [`Machine::advance`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left to merge: this source's next records are needed first.
    Needs(SourceIndex),
    /// Everything offered is merged and every source is at its end.
    Idle,
    /// The budget of the call is used up; there is more.
    More,
    /// The cycle has reached a limit and must be ended.
    Full,
}

/// One shard of the pipeline.
pub struct Machine {
    _p: (),
}

#[allow(unused_variables, missing_docs)]
impl Machine {
    /// An empty machine, to be restored.
    pub fn new(plan: Arc<Plan>, identity: Identity) -> Self {
        todo!()
    }
    /// Takes one record of the state topic (`None` = tombstone), in offset order.
    pub fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), RestoreError> {
        todo!()
    }
    /// Ends restoring: rebuilds indexes, re-times dues, checks the definition's fingerprint.
    pub fn restored(&mut self) -> Result<Restored, RestoreError> {
        todo!()
    }
    /// New shard only: the first offset of each source and of the mail partition.
    pub fn start_at(&mut self, offsets: &[i64], mail_offset: i64) {
        todo!()
    }
    /// Retention removed `[next offset, to)` of a source: a `gaps` row, then reading goes on at `to`.
    pub fn skip_to(&mut self, source: SourceIndex, to: i64, now_ms: i64, reason: &str) {
        todo!()
    }
    /// Takes records of one source partition, in offset order (offsets below the read position are ignored).
    pub fn offer(&mut self, source: SourceIndex, records: &mut dyn Iterator<Item = Record<'_>>) {
        todo!()
    }
    /// The partition was read to its end: every record below `offset` was offered (end-of-partition event).
    pub fn end_of(&mut self, source: SourceIndex, offset: i64) {
        todo!()
    }
    /// Next offset to fetch of a source.
    pub fn read_position(&self, source: SourceIndex) -> i64 {
        todo!()
    }
    /// Bytes of offered, not yet merged records of a source.
    pub fn waiting_bytes(&self, source: SourceIndex) -> usize {
        todo!()
    }
    /// Merges and applies at most `records` records.
    pub fn advance(&mut self, records: usize) -> Progress {
        todo!()
    }
    /// Whether the open cycle would change anything (records, or time that has passed a due).
    pub fn has_work(&self, clock: ClockReading) -> bool {
        todo!()
    }
    /// Ends the cycle: takes the clock in, fires what is due, and returns everything that changed.
    pub fn end_cycle(&mut self, clock: ClockReading) -> Effects {
        todo!()
    }
    /// Customers held.
    pub fn customers(&self) -> usize {
        todo!()
    }
    /// Dues pending.
    pub fn dues_pending(&self) -> usize {
        todo!()
    }
    /// How far time has certainly passed, milliseconds.
    pub fn watermark_ms(&self) -> Option<i64> {
        todo!()
    }
    /// Set when a limit on rejects is exceeded: the reason to stop with.
    pub fn stop_reason(&self) -> Option<&str> {
        todo!()
    }
}
