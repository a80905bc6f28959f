//! Where the running parts write what they do: the board for people, the metrics for Prometheus, always both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::board::{Moment, ShardState, ShardStatus, SourceStatus, Status, StatusBoard};
use super::clock::wall_ms;
use super::metrics::{CommitResult, Metrics, RestoreResult, ShardGauges};
use crate::engine::alerts::Refused;
use crate::model::effects::{Effects, HeardCommand};
use crate::plan::{Plan, Source};
use crate::rule::lifecycle::Ignored;

/// The board and the metrics of a process. Cheap to clone: all clones write to the same ones.
#[derive(Clone, Debug)]
pub struct Observer {
    /// For people and probes.
    pub board: Arc<StatusBoard>,
    /// For Prometheus.
    pub metrics: Arc<Metrics>,
}

/// What a worker says of a shard between commits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Number of owners so far.
    pub tenure: u64,
    /// How far time has certainly passed, milliseconds.
    pub watermark_ms: Option<i64>,
    /// Next offset to fetch, by source.
    pub fetched_to: Vec<i64>,
    /// What the merge waits for, and why.
    pub waiting_for: Option<String>,
    /// Customers held.
    pub customers: u64,
    /// Dues pending.
    pub dues_pending: u64,
    /// Bytes offered and not merged, over all sources.
    pub waiting_bytes: u64,
    /// Bytes of rows that are not in ClickHouse yet; `None` while that is not known.
    pub outbox_bytes: Option<u64>,
    /// Why it reads nothing for now.
    pub held_up: Option<String>,
}

/// How far reading a state back has come, in offsets of the state partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restoring {
    /// Where it began.
    pub from: u64,
    /// Next offset.
    pub at: u64,
    /// The end to reach.
    pub end: u64,
    /// How long it has taken so far.
    pub took: Duration,
}

impl Restoring {
    /// The share that was read, 0 to 1; 1 when there is nothing to read.
    pub fn progress(self) -> f64 {
        let (done, all) = (self.at.saturating_sub(self.from), self.end.saturating_sub(self.from));
        if all == 0 { 1.0 } else { (done as f64 / all as f64).min(1.0) }
    }

    /// How long the rest takes at the speed so far, seconds; `None` before the first record.
    pub fn eta_s(self) -> Option<f64> {
        let progress = self.progress();
        (progress > 0.0).then(|| self.took.as_secs_f64() * (1.0 - progress) / progress)
    }
}

impl Observer {
    /// A board that begins with `status`, and fresh metrics.
    ///
    /// # Errors
    /// See [`Metrics::new`].
    pub fn new(status: Status) -> prometheus::Result<Self> {
        let metrics = match status.pipeline.as_str() {
            "" => Metrics::new()?,
            pipeline => Metrics::of(pipeline)?,
        };
        Ok(Self { board: StatusBoard::new(status), metrics: Arc::new(metrics) })
    }

    /// Shows another pipeline of the process together with this one.
    pub fn show_beside(&self, other: &Self) {
        self.board.show_beside(Arc::clone(&other.board));
        self.metrics.show_beside(Arc::clone(&other.metrics));
    }

    /// The clients are open, and the pipeline's clock has begun.
    pub fn begun(&self, owner: &str) {
        self.board.update(|status| {
            owner.clone_into(&mut status.owner);
            status.begun = Some(Moment(wall_ms()));
        });
    }

    /// The group has answered.
    pub fn assigned(&self, incomplete: &[u16]) {
        self.board.update(|status| {
            status.assigned = true;
            status.shards.retain(|shard, entry| {
                entry.state != ShardState::Waiting || incomplete.contains(shard)
            });
            for shard in incomplete {
                status.shards.entry(*shard).or_default();
            }
        });
    }

    /// The shard is ours: its take-over is queued.
    pub fn held(&self, plan: &Plan, shard: u16) {
        let source = |source: &Source| SourceStatus {
            source: source.name.clone(),
            topic: source.topic.clone(),
            ..SourceStatus::default()
        };
        let entry = ShardStatus {
            state: ShardState::Restoring,
            held_since: Some(Moment(wall_ms())),
            restore_progress: Some(0.0),
            sources: plan.sources.iter().map(source).collect(),
            ..ShardStatus::default()
        };
        self.board.update_shard(shard, |old| *old = entry);
    }

    /// The state of a shard is being read back.
    pub fn restoring(&self, shard: u16, restoring: Restoring) {
        let progress = restoring.progress();
        self.metrics.set_restore_progress(shard, progress);
        self.board.change_shard(shard, |entry| {
            entry.restore_progress = Some(progress);
            entry.restore_eta_s = restoring.eta_s();
        });
    }

    /// A take-over has failed and is tried again.
    pub fn take_over_failed(&self, shard: u16, took: Duration, why: &str) {
        self.metrics.observe_restore(RestoreResult::Retried, took.as_secs_f64());
        self.board.change_shard(shard, |entry| {
            entry.restore_progress = Some(0.0);
            entry.restore_eta_s = None;
            entry.trouble = Some(why.to_owned());
        });
    }

    /// The shard runs from these offsets on.
    pub fn running(&self, shard: u16, offsets: &[i64], took: Duration) {
        self.metrics.observe_restore(RestoreResult::Restored, took.as_secs_f64());
        self.metrics.set_restore_progress(shard, 1.0);
        self.board.change_shard(shard, |entry| {
            entry.state = ShardState::Running;
            entry.restore_progress = None;
            entry.restore_eta_s = None;
            entry.trouble = None;
            for (source, offset) in entry.sources.iter_mut().zip(offsets) {
                (source.position, source.fetched_to) = (*offset, *offset);
            }
        });
    }

    /// The shard has stopped; the others go on.
    pub fn stopped(&self, shard: u16, reason: String) {
        self.board.change_shard(shard, |entry| {
            if entry.state == ShardState::Restoring {
                self.metrics.observe_restore(RestoreResult::Refused, 0.0);
            }
            entry.state = ShardState::Stopped;
            entry.restore_progress = None;
            entry.restore_eta_s = None;
            entry.waiting_for = None;
            entry.held_up = None;
            entry.stop_reason = Some(reason);
        });
    }

    /// The shard is not ours any more.
    pub fn gone(&self, plan: &Plan, shard: u16) {
        self.metrics.forget_shard(&plan.sources, shard);
        self.board.update(|status| status.shards.remove(&shard));
    }

    /// What a worker says of a shard. A worker that has not yet heard that the shard is gone says nothing.
    pub fn view(&self, shard: u16, view: View) {
        let gauges = ShardGauges {
            keys: view.customers,
            timers: view.dues_pending,
            waiting_bytes: view.waiting_bytes,
            outbox_bytes: view.outbox_bytes,
        };
        let shown = self.board.change_shard(shard, |entry| {
            if entry.state != ShardState::Running {
                return false;
            }
            entry.tenure = view.tenure;
            entry.watermark = view.watermark_ms.map(Moment);
            entry.waiting_for = view.waiting_for;
            entry.customers = view.customers;
            entry.dues_pending = view.dues_pending;
            entry.waiting_bytes = view.waiting_bytes;
            entry.outbox_bytes = view.outbox_bytes;
            entry.held_up = view.held_up;
            for (source, offset) in entry.sources.iter_mut().zip(view.fetched_to) {
                source.fetched_to = offset;
            }
            true
        });
        if shown == Some(true) {
            self.metrics.set_shard(shard, gauges);
        }
    }

    /// Where the source partitions of a shard end.
    pub fn ends(&self, shard: u16, ends: &[i64]) {
        self.board.change_shard(shard, |entry| {
            for (source, end) in entry.sources.iter_mut().zip(ends) {
                source.end = Some(*end);
            }
            // Before the take-over has said where the shard stands there is nothing to compare with.
            if matches!(entry.state, ShardState::Running | ShardState::Stopped) {
                self.lag(shard, entry);
            }
        });
    }

    fn lag(&self, shard: u16, entry: &mut ShardStatus) {
        for source in &mut entry.sources {
            let Some(end) = source.end else { continue };
            // An end that was asked for before the last commit may lie below the position.
            let lag = (end - source.position).max(0);
            source.lag = Some(lag);
            self.metrics.set_consumer_lag(&source.topic, shard, lag.unsigned_abs());
        }
    }

    /// What grows with time alone: how far each watermark is behind the pipeline's clock; and how many shards do what.
    pub fn time_is(&self, now_ms: i64) {
        self.board.update(|status| {
            for (shard, entry) in &status.shards {
                if let Some(Moment(watermark_ms)) = entry.watermark {
                    let lag_s = (now_ms - watermark_ms) as f64 / 1_000.0;
                    self.metrics.set_watermark_lag(*shard, lag_s);
                }
            }
            for state in ShardState::ALL {
                let count = status.shards.values().filter(|s| s.state == state).count();
                self.metrics.set_shards(state.name(), count as u64);
            }
        });
    }

    /// A transaction has ended without a commit.
    pub fn not_committed(&self, result: CommitResult, took: Duration) {
        self.metrics.observe_commit(result, took.as_secs_f64());
        self.board.update(|status| match result {
            CommitResult::Committed => {}
            CommitResult::Aborted => status.commits.aborted += 1,
            CommitResult::Fenced => status.commits.fenced += 1,
            CommitResult::Unknown => status.commits.unknown += 1,
        });
    }

    /// A transaction is committed: what was in it is true from now on.
    pub fn committed<'a>(
        &self,
        plan: &Plan,
        cycles: impl Iterator<Item = &'a Effects>,
        took: Duration,
    ) {
        let now_ms = wall_ms();
        self.metrics.observe_commit(CommitResult::Committed, took.as_secs_f64());
        self.board.update(|status| {
            status.commits.committed += 1;
            status.commits.last_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            status.commits.last_at = Some(Moment(now_ms));
            for effects in cycles {
                status.dead_letters += effects.dead_letters.len() as u64;
                self.metrics.observe_cycle(&plan.sources, effects, now_ms);
                effects.commands.iter().for_each(heard);
                if let Some(entry) = status.shards.get_mut(&effects.shard) {
                    entry.commit(effects);
                    self.lag(effects.shard, entry);
                }
            }
        });
    }

    /// A batch of the outbox is in ClickHouse.
    pub fn carried(&self, acknowledged: &BTreeMap<i32, i64>, blocks: u64) {
        self.board.update(|status| {
            status.sink.acknowledged = by_partition(acknowledged);
            status.sink.blocks += blocks;
            status.sink.carried_at = Some(Moment(wall_ms()));
        });
    }

    /// What is left of the outbox, in the partitions that this carrier has.
    pub fn outbox(&self, acknowledged: &BTreeMap<i32, i64>, lag: &BTreeMap<i32, i64>) {
        let lag = by_partition(lag);
        for (partition, records) in &lag {
            self.metrics.set_outbox_lag(*partition, records.unsigned_abs());
        }
        self.board.update(|status| {
            for gone in status.sink.outbox_lag.keys().filter(|p| !lag.contains_key(p)) {
                self.metrics.forget_outbox(*gone);
            }
            status.sink.acknowledged = by_partition(acknowledged);
            status.sink.outbox_lag = lag;
        });
    }

    /// ClickHouse answered, or why it did not, outside of an insert.
    pub fn clickhouse(&self, answer: Result<(), String>) {
        self.board.update(|status| {
            status.sink.enabled = true;
            status.sink.reachable = answer.is_ok();
            if let Err(error) = answer {
                status.sink.last_error = Some(error);
                status.sink.last_error_at = Some(Moment(wall_ms()));
            }
        });
    }

    /// Something went wrong that passes, or is tried again.
    pub fn trouble(&self, words: String) {
        self.board.update(|status| {
            status.trouble = Some(words);
            status.trouble_at = Some(Moment(wall_ms()));
        });
    }
}

/// Says what came of what a person said about an alert. A repeat is how a sender makes sure: nothing is wrong.
fn heard(command: &HeardCommand) {
    let HeardCommand { id, by, rule, episode, outcome, why } = command;
    match why {
        None => {
            tracing::info!(command = id, by, rule, episode, "a person's command has taken effect")
        }
        Some(why) if *outcome == Refused::Ignored(Ignored::Repeated).name() => {
            tracing::info!(command = id, by, rule, episode, why, "a command came again");
        }
        Some(why) => {
            tracing::warn!(
                command = id,
                by,
                rule,
                episode,
                outcome,
                why,
                "a person's command had no effect"
            );
        }
    }
}

fn by_partition(offsets: &BTreeMap<i32, i64>) -> BTreeMap<u16, i64> {
    let partition = |(p, offset): (&i32, &i64)| Some((u16::try_from(*p).ok()?, *offset));
    offsets.iter().filter_map(partition).collect()
}

impl ShardStatus {
    fn commit(&mut self, effects: &Effects) {
        self.cycle = effects.cycle;
        self.complete_to = effects.watermark_ms.map(Moment);
        for (source, progress) in self.sources.iter_mut().zip(&effects.sources) {
            source.position = progress.offset_to;
            source.fetched_to = source.fetched_to.max(progress.offset_to);
            source.at_end = progress.at_end;
            source.outcomes.add(&progress.counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_counted_from_where_the_partition_begins() {
        let took = Duration::from_secs(3);
        let restoring = Restoring { from: 100, at: 175, end: 200, took };
        assert_eq!(restoring.progress(), 0.75);
        assert_eq!(restoring.eta_s(), Some(1.0));
        assert_eq!(Restoring { at: 100, ..restoring }.eta_s(), None);
        assert_eq!(Restoring { end: 100, ..restoring }.progress(), 1.0);
    }
}
