//! The loop's dealings with the group: shards gained, taken over, taken away, and left.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::machine::Identity;
use crate::shell::clock::wall_ms;
use crate::shell::consumer::{Membership, Partitions};
use crate::shell::shards::{Doing, Held};
use crate::shell::status::{ShardState, ShardStatus};
use crate::shell::takeover::{TakeOverError, Taken, Watch};
use crate::shell::worker::{Command, Gauges, NewShard};

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
                self.shards.give(&partitions.places);
                self.status.lock().joined = true;
                self.share();
            }
            Membership::Taken { partitions, lost } => self.give_back(&partitions, lost),
            Membership::Trouble(words) => self.trouble(words),
            Membership::Fatal(words) => {
                return Err(RunError::Left(format!(
                    "the consumer group put this copy out: {words}; a second copy with the same \
                     kafka.group_instance does that, and a broker without the new group protocol (then set \
                     kafka.properties group.protocol = \"classic\")"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn trouble(&self, words: String) {
        tracing::warn!("{words}");
        self.status.lock().trouble = Some(words);
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
        let Some(Held { tenure, doing }) = self.shards.forget(shard, again) else {
            return;
        };
        self.commits.forget(shard);
        match doing {
            Doing::Restoring(watch) => watch.cancel.store(true, Ordering::SeqCst),
            Doing::Running { .. } | Doing::Finished | Doing::Stopped => {
                tracing::info!(shard, tenure, "the shard is let go");
                self.drop_shard(shard, tenure);
                if let Err(error) = self.fetcher.end(shard) {
                    tracing::debug!(shard, %error, "the fetcher had nothing of the shard");
                }
            }
            Doing::Waiting(_) => {}
        }
        if again.is_none() {
            self.status.lock().shards.remove(&shard);
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
        tracing::error!(shard, %reason, "the shard stops");
        self.set_state(shard, ShardState::Stopped { reason });
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
        self.share_bytes
            .store(share.max(SHARE_BYTES_MIN), Ordering::Relaxed);
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
                held.doing = Doing::Restoring(watch.clone());
            }
            self.set_state(shard, ShardState::Restoring { at: 0, end: 0 });
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
        for (shard, watch) in self.shards.watches() {
            let at = watch.at.load(Ordering::Relaxed);
            let end = watch.end.load(Ordering::Relaxed);
            if let Some(status) = self.status.lock().shards.get_mut(&shard) {
                status.state = ShardState::Restoring { at, end };
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
    ) {
        let Some(held) = self.shards.of(shard, tenure) else {
            return;
        };
        match result {
            Ok(taken) => match self.fetcher.begin(shard, &taken.offsets, taken.mail) {
                Ok(queues) => {
                    held.doing = Doing::Running { finishing: false };
                    tracing::info!(shard, tenure, offsets = ?taken.offsets, "the shard runs");
                    let machine = taken.machine;
                    let new = NewShard {
                        shard,
                        tenure,
                        machine,
                        queues,
                    };
                    self.tell(shard, Command::Take(Box::new(new)));
                    self.set_state(shard, ShardState::Running);
                    self.status.lock().clock_wall_origin_ms = self.clock.wall_origin_ms();
                }
                Err(error) => {
                    held.doing = Doing::Waiting(Instant::now() + RETRY);
                    self.trouble(format!("reading shard {shard}: {error}"));
                }
            },
            Err(TakeOverError::Cancelled) => {}
            Err(error @ TakeOverError::Kafka { .. }) => {
                held.doing = Doing::Waiting(Instant::now() + RETRY);
                self.trouble(error.to_string());
            }
            Err(TakeOverError::Refused(reason)) => self.stop(shard, tenure, reason),
        }
    }

    fn set_state(&self, shard: u16, state: ShardState) {
        let mut status = self.status.lock();
        let entry = status.shards.entry(shard).or_insert_with(|| ShardStatus {
            state: ShardState::Running,
            cycle: 0,
            offsets: Vec::new(),
            watermark_ms: None,
            gauges: Gauges::default(),
            since_ms: wall_ms(),
        });
        entry.state = state;
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
        // Workers drop the queues before the fetcher, the commit thread ends with its jobs.
        self.workers.clear();
        let (jobs, ends_quit) = (self.jobs, self.ends_quit);
        drop((jobs, ends_quit));
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the pipeline panicked");
            }
        }
        self.member.leave();
    }
}
