//! The loop's dealings with the group: shards gained, taken over, taken away, and left.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::machine::Identity;
use crate::shell::consumer::{Membership, Partitions};
use crate::shell::observe::Restoring;
use crate::shell::shards::{Doing, Held};
use crate::shell::takeover::{TakeOverError, Taken, Watch};
use crate::shell::worker::{Command, NewShard};

use super::{Report, RunError, Runtime, SHARE_BYTES_MIN};

/// How many states are read at once.
const RESTORES_MAX: usize = 4;
/// How long a failed take-over waits before it is tried again.
const RETRY: Duration = Duration::from_millis(500);

impl Runtime {
    /// What the group says.
    pub(super) fn hear(&mut self, membership: Membership) -> Result<(), RunError> {
        match membership {
            Membership::Given(mut partitions) => {
                tracing::info!(partitions = ?partitions.places, "the group gives partitions");
                if let Err(error) = self.member.accept(&mut partitions) {
                    self.trouble(format!("accepting partitions: {error}"));
                }
                for shard in self.shards.give(&partitions.places) {
                    self.observer.held(&self.plan, shard);
                }
                self.observer.assigned(&self.shards.incomplete());
                self.share();
            }
            Membership::Taken { partitions, lost } => self.give_back(&partitions, lost),
            Membership::Trouble(words) => self.trouble(words),
            Membership::Fatal(words) => {
                return Err(RunError::Left(format!(
                    "the consumer group put this copy out: {words}; a second copy with the same \
                     kafka.group_instance does that, and a broker without the new group protocol (then set \
                     kafka.protocol = \"classic\")"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn trouble(&self, words: String) {
        if let Some(left_out) = self.calm.say(&words) {
            tracing::warn!(left_out, "{words}");
        }
        self.observer.trouble(words);
    }

    /// Commits what the shards of these partitions have computed, within a limit, then lets them go.
    fn give_back(&mut self, partitions: &Partitions, lost: bool) {
        let shards = self.shards.touched(&partitions.places);
        tracing::info!(?shards, lost, "the group takes partitions back");
        if !lost {
            self.finish(&shards);
        }
        for shard in shards {
            self.forget(shard, None);
        }
        self.shards.take(&partitions.places);
        self.observer.assigned(&self.shards.incomplete());
        if let Err(error) = self.member.release(partitions) {
            self.trouble(format!("giving partitions back: {error}"));
        }
        self.share();
    }

    /// Asks the shards for their last cycles and commits them, within the limit. The group waits meanwhile.
    fn finish(&mut self, shards: &[u16]) {
        let deadline = Instant::now() + Duration::from_millis(self.options.revoke_limit_ms);
        for shard in shards {
            let Some(held) = self.shards.get(*shard) else {
                continue;
            };
            if let Doing::Running { finishing: false } = held.doing {
                let tenure = held.tenure;
                self.tell(*shard, Command::Finish(*shard, tenure));
                if let Some(held) = self.shards.of(*shard, tenure) {
                    held.doing = Doing::Running { finishing: true };
                }
            }
        }
        let busy = |runtime: &Self| {
            shards.iter().any(|shard| {
                let doing = runtime.shards.get(*shard).map(|held| &held.doing);
                matches!(doing, Some(Doing::Running { .. })) || runtime.commits.holds(*shard)
            })
        };
        while busy(self) && Instant::now() < deadline {
            if let Err(error) = self.take_reports() {
                self.trouble(error.to_string());
                // The loop ends with it as soon as the group is answered.
                self.fatal = Some(error);
                return;
            }
            self.urgent = true;
            self.send();
        }
        if busy(self) {
            let limit_ms = self.options.revoke_limit_ms;
            self.trouble(format!("shards {shards:?} were not committed within {limit_ms} ms; their next owner goes on from the last commit"));
        }
    }

    /// The shard's memory goes, and with it what it has computed and not committed.
    pub(super) fn forget(&mut self, shard: u16, again: Option<Instant>) {
        let Some(Held { tenure, doing, .. }) = self.shards.forget(shard, again) else {
            return;
        };
        self.commits.forget(shard);
        match doing {
            Doing::Restoring(watch, _) => watch.cancel.store(true, Ordering::SeqCst),
            Doing::Running { .. } | Doing::Finished | Doing::Stopped => {
                tracing::info!(shard, tenure, "the shard is let go");
                self.drop_shard(shard, tenure);
                if let Err(error) = self.fetcher.end(shard) {
                    tracing::debug!(shard, %error, "the fetcher had nothing of the shard");
                }
            }
            Doing::Waiting(_) => {}
        }
        match again {
            Some(_) => self.observer.held(&self.plan, shard),
            None => self.observer.gone(&self.plan, shard),
        }
    }

    /// The shard stops by itself; the others go on.
    pub(super) fn stop(&mut self, shard: u16, tenure: u64, reason: String) {
        let Some(held) = self.shards.of(shard, tenure) else {
            return;
        };
        let fetched = matches!(held.doing, Doing::Running { .. } | Doing::Finished);
        held.doing = Doing::Stopped;
        self.commits.forget(shard);
        self.drop_shard(shard, tenure);
        if fetched && let Err(error) = self.fetcher.end(shard) {
            self.trouble(format!("ending shard {shard}: {error}"));
        }
        tracing::error!(shard, %reason, "the shard stops; the others go on");
        self.observer.stopped(shard, reason);
    }

    /// Has the worker forget the shard. Until it says that it has, the shard is not taken over again: the old queues
    /// are the new ones, and a record that the old machine took would be missing in the new.
    fn drop_shard(&mut self, shard: u16, tenure: u64) {
        self.shards.dropping(shard);
        self.tell(shard, Command::Drop(shard, tenure));
    }

    pub(super) fn tell(&self, shard: u16, command: Command) {
        let worker = usize::from(shard) % self.workers.len();
        // A worker ends only with the loop.
        let _ = self.workers[worker].send(command);
    }

    /// Each source partition's share of the memory that may wait for the merge.
    fn share(&self) {
        let shards = self.shards.all();
        let partitions = (shards.len() * self.plan.sources.len()).max(1);
        let share = self.options.link.memory_budget_bytes / 2 / partitions;
        self.share_bytes.store(share.max(SHARE_BYTES_MIN), Ordering::Relaxed);
        self.ends.hold(shards);
    }

    /// Starts the take-overs that are due, a few at a time.
    pub(super) fn begin_take_overs(&mut self) -> Result<(), RunError> {
        while self.shards.restoring() < RESTORES_MAX {
            let Some((shard, tenure)) = self.shards.waiting(Instant::now()) else {
                break;
            };
            let watch = Watch::default();
            if let Some(held) = self.shards.of(shard, tenure) {
                held.doing = Doing::Restoring(watch.clone(), Instant::now());
            }
            tracing::info!(shard, tenure, "taking the shard over");
            let identity = Identity {
                shard,
                shards: self.shard_count,
                generation: self.options.generation,
                owner: self.owner.clone(),
            };
            let (take_over, reports) = (Arc::clone(&self.take_over), self.reports.clone());
            super::thread(format!("retain-take-{shard}"), move || {
                let result = take_over.run(identity, &watch);
                let _ = reports.send(Report::TakenOver(shard, tenure, Box::new(result)));
            })?;
        }
        for (shard, watch, since) in self.shards.watches() {
            let end = watch.end.load(Ordering::Relaxed);
            if end > 0 {
                let restoring = Restoring {
                    from: watch.from.load(Ordering::Relaxed),
                    at: watch.at.load(Ordering::Relaxed),
                    end,
                    took: since.elapsed(),
                };
                self.observer.restoring(shard, restoring);
            }
        }
        Ok(())
    }

    /// A take-over has ended; its shard may be gone meanwhile.
    pub(super) fn taken_over(
        &mut self,
        shard: u16,
        tenure: u64,
        result: Result<Taken, TakeOverError>,
    ) -> Result<(), RunError> {
        let Some(held) = self.shards.of(shard, tenure) else {
            return Ok(());
        };
        let took = match held.doing {
            Doing::Restoring(_, since) => since.elapsed(),
            _ => Duration::ZERO,
        };
        match result {
            Ok(taken) => match self.fetcher.begin(shard, &taken.offsets, taken.mail) {
                Ok(queues) => {
                    held.doing = Doing::Running { finishing: false };
                    let took_ms = took.as_millis();
                    tracing::info!(shard, tenure, took_ms, customers = taken.machine.customers(), offsets = ?taken.offsets, "restored; the shard runs");
                    self.observer.running(shard, &taken.offsets, took);
                    let machine = taken.machine;
                    let new = NewShard { shard, tenure, machine, queues };
                    self.tell(shard, Command::Take(Box::new(new)));
                }
                Err(error) => {
                    held.doing = Doing::Waiting(Instant::now() + RETRY);
                    let why = format!("reading shard {shard}: {error}");
                    self.observer.take_over_failed(shard, took, &why);
                    self.trouble(why);
                }
            },
            Err(TakeOverError::Cancelled) => {}
            Err(error @ TakeOverError::Kafka { .. }) => {
                held.doing = Doing::Waiting(Instant::now() + RETRY);
                let why = error.to_string();
                self.observer.take_over_failed(shard, took, &why);
                self.trouble(why);
            }
            Err(TakeOverError::Refused(reason)) => self.stop(shard, tenure, reason),
            Err(TakeOverError::Unfit(reason)) => {
                // Shown for as long as the pages are there; then the group gives the shard to a copy that can.
                self.stop(shard, tenure, reason.clone());
                return Err(RunError::Unfit(format!(
                    "shard {shard} cannot be taken over: {reason}"
                )));
            }
        }
        Ok(())
    }

    /// Commits what is computed (if it still can), gives everything back and leaves the group.
    pub(super) fn leave(mut self, commit: bool) {
        let shards = self.shards.all();
        if commit {
            self.finish(&shards);
        }
        for shard in shards {
            self.forget(shard, None);
        }
        // What is left is not this loop's: it only waits for the other threads.
        self.heartbeat.end();
        // Workers drop the queues before the fetcher, the commit thread ends with its jobs.
        self.workers.clear();
        drop((self.jobs, self.askers));
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the pipeline panicked");
            }
        }
        self.member.leave();
    }
}
