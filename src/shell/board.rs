//! What the process says about itself: one board that workers and carriers write to and HTTP reads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use crate::model::outcome::{Counts, Outcome};

/// Milliseconds since 1970, shown as a time (RFC 3339, UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => serializer.collect_str(&format_args!("{time:.3}")),
            Err(_) => serializer.serialize_none(),
        }
    }
}

/// What a shard is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ShardState {
    /// Not all of its partitions are assigned to this copy yet.
    #[default]
    Waiting,
    /// Its state is being read back.
    Restoring,
    /// It consumes.
    Running,
    /// It has stopped; see the reason.
    Stopped,
}

/// One source partition of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceStatus {
    /// The source's name in the definition.
    pub source: String,
    /// Its topic.
    pub topic: String,
    /// Next offset to read.
    pub position: i64,
    /// End of the partition, when last heard of.
    pub end: Option<i64>,
    /// Records between the two.
    pub lag: Option<i64>,
    /// Whether it was read to its end.
    pub at_end: bool,
    /// Outcomes since this copy took the shard over.
    #[serde(serialize_with = "outcomes")]
    pub outcomes: Counts,
}

fn outcomes<S: Serializer>(counts: &Counts, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Outcome::ALL.map(|outcome| (outcome.name(), counts.of(outcome))))
}

/// One shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ShardStatus {
    /// What it is doing.
    pub state: ShardState,
    /// How much of the state has been read back, 0 to 1, while restoring.
    pub restore_progress: Option<f64>,
    /// Last committed cycle.
    pub cycle: u64,
    /// Number of owners so far.
    pub tenure: u64,
    /// How far time has certainly passed.
    pub watermark: Option<Moment>,
    /// Up to when the tables are complete.
    pub complete_to: Option<Moment>,
    /// Its source partitions, in the definition's order.
    pub sources: Vec<SourceStatus>,
    /// The source whose next records the merge waits for, and why it has to.
    pub waiting_for: Option<String>,
    /// Customers held.
    pub customers: u64,
    /// Dues that wait for their time.
    pub dues_pending: u64,
    /// Why it has stopped.
    pub stop_reason: Option<String>,
}

/// The carrier of rows to ClickHouse.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SinkStatus {
    /// Whether this process carries rows.
    pub enabled: bool,
    /// Whether the last attempt reached ClickHouse.
    pub reachable: bool,
    /// What the last failed attempt said.
    pub detail: Option<String>,
    /// Tables that have stopped, with the reason.
    pub stopped_tables: BTreeMap<String, String>,
    /// Outbox records not carried yet, by partition.
    pub outbox_lag: BTreeMap<u16, i64>,
}

/// Everything `/status` shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// The definition's name.
    pub pipeline: String,
    /// Generation of topics and tables.
    pub generation: u32,
    /// The name of this copy.
    pub owner: String,
    /// Version of the program.
    pub version: &'static str,
    /// Whether this process consumes at all (`retain sink` does not).
    pub consumes: bool,
    /// Whether the group has answered with an assignment, be it an empty one.
    pub assigned: bool,
    /// Shards of this copy.
    pub shards: BTreeMap<u16, ShardStatus>,
    /// The carrier.
    pub sink: SinkStatus,
    /// Why the process is about to stop, or cannot go on.
    pub stop_reasons: Vec<String>,
}

impl Status {
    /// Why the process is not ready: empty when it is assigned, restored and reaches its sink.
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = self.stop_reasons.clone();
        if self.consumes && !self.assigned {
            reasons.push("the group has not assigned partitions yet".to_owned());
        }
        for (shard, status) in &self.shards {
            match status.state {
                ShardState::Running => {}
                ShardState::Waiting => {
                    reasons.push(format!("shard {shard} waits for the rest of its partitions"));
                }
                ShardState::Restoring => {
                    let percent = status.restore_progress.unwrap_or(0.0) * 100.0;
                    reasons
                        .push(format!("shard {shard} is restoring its state, {percent:.0} % read"));
                }
                ShardState::Stopped => {
                    let reason = status.stop_reason.as_deref().unwrap_or("no reason given");
                    reasons.push(format!("shard {shard} has stopped: {reason}"));
                }
            }
        }
        if self.sink.enabled && !self.sink.reachable {
            let detail = self.sink.detail.as_deref().unwrap_or("not tried yet");
            reasons.push(format!("ClickHouse cannot be reached: {detail}"));
        }
        for (table, reason) in &self.sink.stopped_tables {
            reasons.push(format!("table {table} has stopped: {reason}"));
        }
        reasons
    }
}

/// A loop's sign of life. A loop that dies without [`Heartbeat::end`] is noticed.
#[derive(Debug)]
pub struct Heartbeat {
    board: Arc<StatusBoard>,
    name: String,
    last_ms: Arc<AtomicU64>,
}

impl Heartbeat {
    /// The loop has made a step. Cheap: one store, no lock.
    pub fn beat(&self) {
        self.last_ms.store(self.board.elapsed_ms(), Ordering::Relaxed);
    }

    /// The loop has ended on purpose: it is not watched any more.
    pub fn end(self) {
        lock(&self.board.loops).remove(&self.name);
    }
}

/// The shared status.
#[derive(Debug)]
pub struct StatusBoard {
    born: Instant,
    status: Mutex<Status>,
    loops: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

impl StatusBoard {
    /// A board that begins with `status`; its version is filled in.
    pub fn new(status: Status) -> Arc<Self> {
        let status = Status { version: env!("CARGO_PKG_VERSION"), ..status };
        Arc::new(Self {
            born: Instant::now(),
            status: Mutex::new(status),
            loops: Mutex::new(BTreeMap::new()),
        })
    }

    /// Changes the status. Keep `change` short: HTTP and the other workers wait meanwhile.
    pub fn update<T>(&self, change: impl FnOnce(&mut Status) -> T) -> T {
        change(&mut lock(&self.status))
    }

    /// Changes one shard, which appears if it was not there.
    pub fn update_shard<T>(&self, shard: u16, change: impl FnOnce(&mut ShardStatus) -> T) -> T {
        self.update(|status| change(status.shards.entry(shard).or_default()))
    }

    /// A copy of the status.
    pub fn snapshot(&self) -> Status {
        lock(&self.status).clone()
    }

    /// Watches a loop from now on; a loop of the same name is replaced.
    pub fn watch(self: &Arc<Self>, name: impl Into<String>) -> Heartbeat {
        let name = name.into();
        let last_ms = Arc::new(AtomicU64::new(self.elapsed_ms()));
        lock(&self.loops).insert(name.clone(), Arc::clone(&last_ms));
        Heartbeat { board: Arc::clone(self), name, last_ms }
    }

    /// The watched loops that have made no step for longer than `limit`, one sentence each.
    pub fn stuck(&self, limit: Duration) -> Vec<String> {
        let now_ms = self.elapsed_ms();
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let loops = lock(&self.loops);
        let silent = loops.iter().filter_map(|(name, last_ms)| {
            let silent_ms = now_ms.saturating_sub(last_ms.load(Ordering::Relaxed));
            (silent_ms > limit_ms).then(|| format!("{name} has made no step for {silent_ms} ms"))
        });
        silent.collect()
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The status is plain values, each written as a whole: what a panicked writer left is still fit to be shown.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
