//! What the running pipeline knows about itself: one value, written by the runtime, read by HTTP and metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::outcome::Counts;

use super::worker::Gauges;

/// What a shard is doing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ShardState {
    /// Its state is being read: offset reached, and the end to reach.
    Restoring {
        /// Next offset of the state partition.
        at: u64,
        /// Its end; 0 while not known.
        end: u64,
    },
    /// It runs.
    Running,
    /// It stopped, for this reason; the others go on.
    Stopped {
        /// Why, and what to do.
        reason: String,
    },
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStatus {
    /// What it does.
    pub state: ShardState,
    /// Last committed cycle.
    pub cycle: u64,
    /// Next offset to read, by source, as committed.
    pub offsets: Vec<i64>,
    /// How far time has certainly passed, milliseconds.
    pub watermark_ms: Option<i64>,
    /// Numbers of the machine at its last cycle.
    pub gauges: Gauges,
    /// Since when this process holds the shard, wall clock, milliseconds.
    pub since_ms: i64,
}

/// The whole pipeline, as far as this process runs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The shards that this process holds.
    pub shards: BTreeMap<u16, ShardStatus>,
    /// Whether the group has given us anything yet, or said that there is nothing for us.
    pub joined: bool,
    /// Committed transactions.
    pub commits: u64,
    /// Aborted transactions.
    pub aborts: u64,
    /// Transactions with an unknown outcome.
    pub unknown: u64,
    /// Records put aside.
    pub dead_letters: u64,
    /// Outcomes of committed records, by source.
    pub counts: Vec<Counts>,
    /// When the simulated clock stood at its origin, wall clock, milliseconds; 0 with a wall clock.
    pub clock_wall_origin_ms: i64,
    /// How long the last commit took, milliseconds.
    pub commit_ms: u64,
    /// When the last commit was done, wall clock, milliseconds.
    pub committed_at_ms: Option<i64>,
    /// The last thing that went wrong, in words.
    pub trouble: Option<String>,
}

/// The status, shared.
#[derive(Clone, Debug, Default)]
pub struct SharedStatus(Arc<Mutex<Status>>);

impl SharedStatus {
    /// A copy of it.
    pub fn get(&self) -> Status {
        self.lock().clone()
    }

    /// For the runtime, which writes it.
    pub fn lock(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
