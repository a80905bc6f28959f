//! The loop's dealings with cycles: cut, gathered, committed, settled.

use std::time::{Duration, Instant};

use crate::model::effects::Effects;
use crate::shell::commits::Settled;
use crate::shell::metrics::CommitResult;
use crate::shell::producer::Outcome;
use crate::shell::shards::Doing;
use crate::shell::worker::Command;

use super::{Report, RunError, Runtime};

/// How long the loop waits for a report before it looks at the group again.
const TICK: Duration = Duration::from_millis(5);
/// How long a commit waits for the slower shards' cycles; they join the next one.
const GATHER: Duration = Duration::from_millis(30);

impl Runtime {
    /// Takes what the other threads report, waiting a moment for the first.
    pub(super) fn take_reports(&mut self) -> Result<(), RunError> {
        self.heartbeat.beat();
        let Ok(first) = self.inbox.recv_timeout(TICK) else {
            return Ok(());
        };
        self.take_report(first)?;
        while let Ok(report) = self.inbox.try_recv() {
            self.take_report(report)?;
        }
        Ok(())
    }

    fn take_report(&mut self, report: Report) -> Result<(), RunError> {
        match report {
            Report::TakenOver(shard, tenure, result) => self.taken_over(shard, tenure, *result)?,
            Report::Cycle { tenure, effects, urgent } => {
                // The memory of an older tenure is gone, and its cycle with it.
                if self.shards.runs(effects.shard, tenure) {
                    self.urgent |= urgent;
                    self.commits.add(tenure, *effects);
                }
            }
            Report::CutDone(_) => {
                if let Some((_, missing)) = &mut self.gathering {
                    *missing = missing.saturating_sub(1);
                }
            }
            Report::Finished(shard, tenure) => {
                if let Some(held) = self.shards.of(shard, tenure) {
                    held.doing = Doing::Finished;
                }
            }
            Report::Dropped(shard) => self.shards.dropped(shard),
            Report::Stopped(shard, tenure, reason) => self.stop(shard, tenure, reason),
            Report::Done { outcome, cycles, took } => self.settle(outcome, cycles, took)?,
        }
        Ok(())
    }

    /// Asks the workers for their cycles when the interval is over, or when a shard cannot wait.
    pub(super) fn cut(&mut self) {
        let now = Instant::now();
        if self.gathering.is_some() || (now < self.next_cut && !self.urgent) {
            return;
        }
        self.urgent = false;
        self.next_cut = now + Duration::from_millis(self.options.commit_interval_ms);
        self.gathering = Some((now, self.workers.len()));
        for worker in &self.workers {
            let _ = worker.send(Command::Cut);
        }
    }

    /// Commits what has been gathered. A slow shard is not waited for.
    pub(super) fn commit(&mut self) {
        match self.gathering {
            Some((began, missing)) if missing > 0 && began.elapsed() < GATHER => {}
            Some(_) if self.commits.in_flight() => {}
            _ => {
                self.gathering = None;
                self.send();
            }
        }
    }

    /// Starts the next transaction, if there is one and none is in flight. The tenures are checked and the metadata is
    /// read here, by the thread that polls the group.
    pub(super) fn send(&mut self) {
        let (shards, member) = (&self.shards, &self.member);
        let held = |shard, tenure| shards.runs(shard, tenure);
        if let Some(job) = self.commits.next(held, || member.metadata()) {
            // The commit thread ends only with the loop.
            let _ = self.jobs.send(job);
        }
    }

    fn settle(
        &mut self,
        outcome: Outcome,
        cycles: Vec<Effects>,
        took: Duration,
    ) -> Result<(), RunError> {
        let Settled { committed, unknown, stopped, fenced, aborted } =
            self.commits.settle(outcome, cycles);
        if let Some(why) = fenced {
            self.observer.not_committed(CommitResult::Fenced, took);
            return Err(RunError::Left(why));
        }
        if let Some(why) = aborted {
            self.observer.not_committed(CommitResult::Aborted, took);
            self.trouble(format!("a transaction was aborted and will be repeated: {why}"));
        }
        if !committed.is_empty() {
            tracing::debug!(shards = committed.len(), "committed");
            let cycles = committed.iter().map(|(_, _, effects)| effects);
            self.observer.committed(&self.plan, cycles, took);
        }
        for (shard, tenure, effects) in committed {
            if let Some(held) = self.shards.of(shard, tenure)
                && !std::mem::replace(&mut held.committed, true)
            {
                tracing::info!(
                    shard,
                    cycle = effects.cycle,
                    "first commit: an older owner is fenced"
                );
            }
            self.tell(shard, Command::Committed(shard, tenure, Box::new(effects)));
        }
        for (shard, tenure, why) in stopped {
            self.stop(shard, tenure, format!("its cycle cannot be committed: {why}"));
        }
        if let Some((_, _, why)) = unknown.first() {
            self.observer.not_committed(CommitResult::Unknown, took);
            self.trouble(format!(
                "the outcome of a transaction is unknown, its shards are taken over anew: {why}"
            ));
        }
        for (shard, tenure, _) in unknown {
            // Meta decides what happened.
            if self.shards.of(shard, tenure).is_some() {
                self.forget(shard, Some(Instant::now()));
            }
        }
        Ok(())
    }
}
