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
    /// Its take-over is queued or its state is being read back.
    Restoring,
    /// It consumes.
    Running,
    /// It has stopped; see the reason. The other shards go on.
    Stopped,
}

impl ShardState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Restoring, Self::Running, Self::Stopped];

    /// The name used in `/status` and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Restoring => "restoring",
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }
}

/// One source partition of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceStatus {
    /// The source's name in the definition.
    pub source: String,
    /// Its topic.
    pub topic: String,
    /// Next offset to consume, as committed.
    pub position: i64,
    /// Next offset to fetch: what lies between waits for the merge or for the commit.
    pub fetched_to: i64,
    /// End of the partition (last stable offset), when last heard of.
    pub end: Option<i64>,
    /// Records between position and end.
    pub lag: Option<i64>,
    /// Whether it was read to its end in the last committed cycle.
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
    /// Since when this copy holds it.
    pub held_since: Option<Moment>,
    /// How much of the state has been read back, 0 to 1, while restoring.
    pub restore_progress: Option<f64>,
    /// How long the rest of the state will take at the speed so far, seconds.
    pub restore_eta_s: Option<f64>,
    /// Last committed cycle.
    pub cycle: u64,
    /// Number of owners so far, this one included.
    pub tenure: u64,
    /// How far time has certainly passed.
    pub watermark: Option<Moment>,
    /// Up to when the committed rows are complete.
    pub complete_to: Option<Moment>,
    /// Its source partitions, in the definition's order.
    pub sources: Vec<SourceStatus>,
    /// The topic whose next records the merge waits for, and why it has to.
    pub waiting_for: Option<String>,
    /// Customers held.
    pub customers: u64,
    /// Dues that wait for their time.
    pub dues_pending: u64,
    /// Bytes that were fetched and not merged yet.
    pub waiting_bytes: u64,
    /// Bytes of its committed rows that are not in ClickHouse yet; not shown while unknown.
    pub outbox_bytes: Option<u64>,
    /// Why it reads nothing for now, though it runs: its outbox is full.
    pub held_up: Option<String>,
    /// The last thing that went wrong with it and is tried again.
    pub trouble: Option<String>,
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
    /// Set while an insert is being repeated: the last error, with the attempt.
    pub retrying: Option<String>,
    /// Set while only a person can help (credentials, disk).
    pub needs_person: bool,
    /// What the last failed attempt said; it stays after a success.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Moment>,
    /// Why the carrier has stopped for good, and what to do.
    pub stopped: Option<String>,
    /// Tables that have stopped, with the reason.
    pub stopped_tables: BTreeMap<String, String>,
    /// Next record of the outbox that is not yet in ClickHouse, by partition.
    pub acknowledged: BTreeMap<u16, i64>,
    /// Outbox records not carried yet, by partition.
    pub outbox_lag: BTreeMap<u16, i64>,
    /// Blocks carried since the start, repeats included.
    pub blocks: u64,
    /// Rows inserted since the start, repeats included.
    pub rows: u64,
    /// Inserts that succeeded.
    pub inserts: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// When the last batch was in.
    pub carried_at: Option<Moment>,
}

/// A receiver of alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReceiverStatus {
    /// How it is reached.
    pub kind: String,
    /// Whether this copy tells it; else another one does.
    pub active: bool,
    /// Messages it took from this copy.
    pub sent: u64,
    /// Messages it refused for good.
    pub dead: u64,
    /// Alerts that are remembered for it.
    pub open: u64,
    /// Why nothing can be told to it now.
    pub trouble: Option<String>,
}

/// Transactions of this process, by how they ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CommitStatus {
    /// Committed.
    pub committed: u64,
    /// Aborted, and repeated.
    pub aborted: u64,
    /// Ended by another copy with the same transactional id.
    pub fenced: u64,
    /// Nobody could say: their shards went through take-over.
    pub unknown: u64,
    /// How long the last committed one took, milliseconds.
    pub last_ms: u64,
    /// When it was committed.
    pub last_at: Option<Moment>,
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
    /// When it had opened its clients, and the pipeline's clock began.
    pub begun: Option<Moment>,
    /// Whether the group has answered with an assignment, be it an empty one.
    pub assigned: bool,
    /// Transactions.
    pub commits: CommitStatus,
    /// Records put aside since the start.
    pub dead_letters: u64,
    /// Why the ends of the sources are not known, while they are not: nobody answers.
    pub ends_unknown: Option<String>,
    /// Shards of this copy.
    pub shards: BTreeMap<u16, ShardStatus>,
    /// The carrier.
    pub sink: SinkStatus,
    /// Receivers of alerts, by name, where this process tells them.
    pub receivers: BTreeMap<String, ReceiverStatus>,
    /// The last thing that went wrong and passed by itself.
    pub trouble: Option<String>,
    /// When that was.
    pub trouble_at: Option<Moment>,
    /// Why the process is about to stop, or cannot go on.
    pub stop_reasons: Vec<String>,
}

/// Why a process is not ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotReady {
    /// What only a person changes.
    pub lasting: Vec<String>,
    /// What usually passes by itself: a rebalance, a broker or ClickHouse away for a moment.
    pub passing: Vec<String>,
}

impl NotReady {
    /// All reasons, the lasting ones first.
    pub fn all(self) -> Vec<String> {
        self.lasting.into_iter().chain(self.passing).collect()
    }
}

impl Status {
    /// Why the process is not ready: nothing when it is assigned, restored and reaches its sink.
    pub fn not_ready(&self) -> NotReady {
        let mut why = NotReady { lasting: self.stop_reasons.clone(), passing: Vec::new() };
        if self.consumes && !self.assigned {
            why.passing.push("the group has not assigned partitions yet".to_owned());
        }
        for (shard, status) in &self.shards {
            status.not_ready(*shard, &mut why);
        }
        self.sink.not_ready(&mut why);
        why
    }
}

impl ShardStatus {
    fn not_ready(&self, shard: u16, why: &mut NotReady) {
        let trouble = self.trouble.as_ref().map(|t| format!(" ({t})")).unwrap_or_default();
        match self.state {
            // It goes on by itself, but not soon, and nothing is lost to know of it at once.
            ShardState::Running => {
                let why_not = self.held_up.iter();
                why.lasting
                    .extend(why_not.map(|held_up| format!("shard {shard} waits: {held_up}")));
            }
            ShardState::Waiting => {
                why.passing.push(format!("shard {shard} waits for the rest of its partitions"));
            }
            ShardState::Restoring => {
                let percent = self.restore_progress.unwrap_or(0.0) * 100.0;
                why.passing.push(format!(
                    "shard {shard} is restoring its state, {percent:.0} % read{trouble}"
                ));
            }
            ShardState::Stopped => {
                let reason = self.stop_reason.as_deref().unwrap_or("no reason given");
                why.lasting.push(format!("shard {shard} has stopped: {reason}"));
            }
        }
    }
}

impl SinkStatus {
    fn not_ready(&self, why: &mut NotReady) {
        for (table, reason) in &self.stopped_tables {
            why.lasting.push(format!("table {table} has stopped: {reason}"));
        }
        if let Some(reason) = &self.stopped {
            why.lasting.push(format!("the carrier of rows has stopped: {reason}"));
        } else if self.enabled && !self.reachable {
            let detail = self.last_error.as_deref().unwrap_or("not tried yet");
            why.passing.push(format!("ClickHouse cannot be reached: {detail}"));
        }
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

    /// The loop goes into a call that may take so long by itself, because somebody else does not answer: that is no
    /// sign of death. The next beat ends it.
    pub fn beat_after(&self, longest: Duration) {
        let longest_ms = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let until_ms = self.board.elapsed_ms().saturating_add(longest_ms);
        self.last_ms.store(until_ms, Ordering::Relaxed);
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
    /// When the process was last found ready, milliseconds since its birth.
    ready_ms: Mutex<Option<u64>>,
    /// Of other pipelines of the process, shown with this one.
    beside: Mutex<Vec<Arc<StatusBoard>>>,
}

/// For how long a process that was ready may have a reason that passes: readiness must not flap when a broker restarts.
const READY_GRACE: Duration = Duration::from_secs(30);

impl StatusBoard {
    /// A board that begins with `status`; its version is filled in.
    pub fn new(status: Status) -> Arc<Self> {
        let status = Status { version: env!("CARGO_PKG_VERSION"), ..status };
        Arc::new(Self {
            born: Instant::now(),
            status: Mutex::new(status),
            loops: Mutex::new(BTreeMap::new()),
            ready_ms: Mutex::new(None),
            beside: Mutex::default(),
        })
    }

    /// Changes the status. Keep `change` short: HTTP and the other workers wait meanwhile.
    pub fn update<T>(&self, change: impl FnOnce(&mut Status) -> T) -> T {
        change(&mut lock(&self.status))
    }

    /// Whether the process is ready, and why not. One that was ready stays so for half a minute while there are only
    /// reasons that pass by themselves.
    pub fn ready(&self) -> (bool, NotReady) {
        let (mut ready, mut why) = self.ready_alone();
        for board in self.beside() {
            let (other, more) = board.ready();
            let pipeline = board.update(|status| status.pipeline.clone());
            let named = |reason: String| format!("pipeline {pipeline}: {reason}");
            ready &= other;
            why.lasting.extend(more.lasting.into_iter().map(named));
            why.passing.extend(more.passing.into_iter().map(named));
        }
        (ready, why)
    }

    fn ready_alone(&self) -> (bool, NotReady) {
        let why = self.update(|status| status.not_ready());
        let now_ms = self.elapsed_ms();
        let mut ready_ms = lock(&self.ready_ms);
        if why.lasting.is_empty() && why.passing.is_empty() {
            *ready_ms = Some(now_ms);
        }
        let grace_ms = u64::try_from(READY_GRACE.as_millis()).unwrap_or(u64::MAX);
        let recent = ready_ms.is_some_and(|ms| now_ms.saturating_sub(ms) <= grace_ms);
        (why.lasting.is_empty() && recent, why)
    }

    /// Changes one shard, if it is there.
    pub fn change_shard<T>(
        &self,
        shard: u16,
        change: impl FnOnce(&mut ShardStatus) -> T,
    ) -> Option<T> {
        self.update(|status| status.shards.get_mut(&shard).map(change))
    }

    /// Changes one shard, which appears if it was not there.
    pub fn update_shard<T>(&self, shard: u16, change: impl FnOnce(&mut ShardStatus) -> T) -> T {
        self.update(|status| change(status.shards.entry(shard).or_default()))
    }

    /// Shows another pipeline of the process together with this one.
    pub fn show_beside(&self, other: Arc<Self>) {
        lock(&self.beside).push(other);
    }

    /// The other pipelines of the process.
    pub fn beside(&self) -> Vec<Arc<Self>> {
        lock(&self.beside).clone()
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
        silent.chain(self.beside().iter().flat_map(|board| board.stuck(limit))).collect()
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The status is plain values, each written as a whole: what a panicked writer left is still fit to be shown.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
