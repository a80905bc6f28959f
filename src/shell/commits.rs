//! The commit thread and what waits for it: one transaction in flight, never two.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use rdkafka::consumer::ConsumerGroupMetadata;

use crate::flow::commit::{Aborts, Repeat, after_abort};
use crate::model::effects::Effects;

use super::board::Heartbeat;
use super::producer::{Outcome, Transactions};
use super::runtime::Report;

/// A transaction to be made.
pub struct Job {
    /// The cycles, one of each shard.
    pub cycles: Vec<Effects>,
    /// Fresh metadata of the group.
    pub group: ConsumerGroupMetadata,
}

/// How often the idle commit thread gives a sign of life.
const BEAT_INTERVAL: Duration = Duration::from_millis(500);
/// How long the commit thread waits before it tries again to open a producer.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);
/// How long a repeat waits for each attempt before it: what made the abort (a rebalance, a broker away) takes a moment.
const REPEAT_INTERVAL: Duration = Duration::from_millis(100);
/// A transaction of several shards carries about so many bytes at most, so that it ends within its time-out.
const TRANSACTION_BYTES_MAX: usize = 64 << 20;

/// Runs the commit thread until the jobs end.
pub fn run(
    mut transactions: Transactions,
    jobs: &Receiver<Job>,
    reports: &Sender<Report>,
    quit: &Arc<AtomicBool>,
    heartbeat: Heartbeat,
) {
    // An attempt, its abort and the opening of a new producer may each wait this long for a broker.
    let longest = transactions.timeout() * 4;
    loop {
        heartbeat.beat();
        let job = match jobs.recv_timeout(BEAT_INTERVAL) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        heartbeat.beat_after(longest);
        let began = Instant::now();
        let outcome = transactions.commit(&job.cycles, &job.group);
        if matches!(outcome, Outcome::Unknown(_)) {
            while let Err(error) = transactions.reopen() {
                tracing::error!(%error, "opening a new producer");
                if quit.load(Ordering::SeqCst) {
                    heartbeat.end();
                    return;
                }
                heartbeat.beat_after(longest);
                std::thread::sleep(REOPEN_INTERVAL);
            }
        }
        let done = Report::Done { outcome, cycles: job.cycles, took: began.elapsed() };
        if reports.send(done).is_err() {
            break;
        }
    }
    heartbeat.end();
}

/// A shard's computed cycle and the tenure it was computed in.
pub struct Cycle {
    /// The tenure.
    pub tenure: u64,
    /// What it wants done.
    pub effects: Effects,
}

/// Cycles that were, or are to be, sent together.
struct Group {
    cycles: BTreeMap<u16, Cycle>,
    aborts: Aborts,
    not_before: Instant,
}

/// Cycles on their way: computed, in flight, or to be repeated. Each shard has at most one here.
#[derive(Default)]
pub struct Commits {
    waiting: BTreeMap<u16, Cycle>,
    /// The shard at which the next transaction begins to take from what waits: whoever had no room comes first.
    turn: u16,
    repeats: VecDeque<Group>,
    flight: Option<(BTreeMap<u16, u64>, Aborts)>,
}

/// What a finished transaction means for the shards in it.
#[derive(Debug, Default)]
pub struct Settled {
    /// Committed: shard, tenure and what was committed.
    pub committed: Vec<(u16, u64, Effects)>,
    /// Nobody knows: through take-over.
    pub unknown: Vec<(u16, u64, String)>,
    /// Its effects cannot be committed: it stops, with the reason.
    pub stopped: Vec<(u16, u64, String)>,
    /// Another copy has our transactional id.
    pub fenced: Option<String>,
    /// The transaction was aborted, for this reason.
    pub aborted: Option<String>,
}

impl Commits {
    /// A cycle was computed.
    pub fn add(&mut self, tenure: u64, effects: Effects) {
        self.waiting.insert(effects.shard, Cycle { tenure, effects });
    }

    /// Whether a transaction is in flight.
    pub fn in_flight(&self) -> bool {
        self.flight.is_some()
    }

    /// Whether a cycle of this shard is anywhere here.
    pub fn holds(&self, shard: u16) -> bool {
        self.waiting.contains_key(&shard)
            || self.repeats.iter().any(|group| group.cycles.contains_key(&shard))
            || self.flight.as_ref().is_some_and(|(shards, _)| shards.contains_key(&shard))
    }

    /// The shard's memory is gone: what it has computed goes with it.
    pub fn forget(&mut self, shard: u16) {
        self.waiting.remove(&shard);
        for group in &mut self.repeats {
            group.cycles.remove(&shard);
        }
        self.repeats.retain(|group| !group.cycles.is_empty());
    }

    /// The next transaction: a repeat first, else what waits, up to a bound of bytes. Only cycles whose tenure `held`
    /// confirms are in it, and `metadata` is read after that. The caller is the thread that polls the group.
    pub fn next(
        &mut self,
        held: impl Fn(u16, u64) -> bool,
        metadata: impl Fn() -> Option<ConsumerGroupMetadata>,
    ) -> Option<Job> {
        if self.flight.is_some() {
            return None;
        }
        let now = Instant::now();
        // A shard that is repeated alone, maybe for long, keeps nobody else waiting.
        let alone = self.repeats.iter().all(|group| group.cycles.len() == 1);
        let mut group = match self.repeats.front() {
            Some(group) if group.not_before <= now => self.repeats.pop_front()?,
            _ if alone && !self.waiting.is_empty() => {
                let cycles = self.take_waiting();
                Group { cycles, aborts: Aborts::default(), not_before: now }
            }
            _ => return None,
        };
        group.cycles.retain(|shard, cycle| held(*shard, cycle.tenure));
        if group.cycles.is_empty() {
            return None;
        }
        let Some(metadata) = metadata() else {
            // Not a member at this moment: the group will give the shards back or take them.
            self.repeats.push_front(group);
            return None;
        };
        let tenures = group.cycles.iter().map(|(shard, cycle)| (*shard, cycle.tenure)).collect();
        self.flight = Some((tenures, group.aborts));
        let cycles = group.cycles.into_values().map(|cycle| cycle.effects).collect();
        Some(Job { cycles, group: metadata })
    }

    /// As much of what waits as one transaction may carry, at least one cycle; in turns, so that no shard starves.
    fn take_waiting(&mut self) -> BTreeMap<u16, Cycle> {
        let mut taken = BTreeMap::new();
        let mut bytes = 0;
        let order: Vec<u16> = {
            let later = self.waiting.range(self.turn..);
            later.chain(self.waiting.range(..self.turn)).map(|(shard, _)| *shard).collect()
        };
        for shard in order {
            let more = self.waiting.get(&shard).map_or(0, |cycle| cycle.effects.len_bytes());
            if !taken.is_empty() && bytes + more > TRANSACTION_BYTES_MAX {
                self.turn = shard;
                break;
            }
            bytes += more;
            taken.extend(self.waiting.remove_entry(&shard));
        }
        taken
    }

    /// Takes the outcome of the transaction in flight.
    pub fn settle(&mut self, outcome: Outcome, cycles: Vec<Effects>) -> Settled {
        let mut settled = Settled::default();
        let Some((tenures, aborts)) = self.flight.take() else {
            return settled;
        };
        let each = cycles.into_iter().filter_map(|effects| {
            let tenure = *tenures.get(&effects.shard)?;
            Some((effects.shard, tenure, effects))
        });
        match outcome {
            Outcome::Committed => settled.committed = each.collect(),
            Outcome::Unknown(why) => {
                settled.unknown = each.map(|(s, t, _)| (s, t, why.clone())).collect();
            }
            Outcome::Fenced(why) => settled.fenced = Some(why),
            Outcome::Aborted { why, passing } => {
                let cycles: BTreeMap<u16, Cycle> =
                    each.map(|(s, tenure, effects)| (s, Cycle { tenure, effects })).collect();
                self.repeat(cycles, aborts.and(passing), &why, &mut settled);
                settled.aborted = Some(why);
            }
        }
        settled
    }

    fn repeat(
        &mut self,
        cycles: BTreeMap<u16, Cycle>,
        aborts: Aborts,
        why: &str,
        settled: &mut Settled,
    ) {
        let not_before = Instant::now() + REPEAT_INTERVAL * aborts.count().min(10);
        match after_abort(aborts, cycles.len()) {
            // A shard alone goes behind the others: it may take long.
            Repeat::Together if cycles.len() == 1 => {
                self.repeats.push_back(Group { cycles, aborts, not_before });
            }
            Repeat::Together => self.repeats.push_front(Group { cycles, aborts, not_before }),
            Repeat::Alone => self.repeats.extend(cycles.into_iter().map(|(shard, cycle)| Group {
                cycles: BTreeMap::from([(shard, cycle)]),
                aborts: Aborts::default(),
                not_before,
            })),
            Repeat::Stop => settled
                .stopped
                .extend(cycles.into_iter().map(|(s, cycle)| (s, cycle.tenure, why.to_owned()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::effects::RowBlock;
    use crate::model::table::Table;

    fn effects(shard: u16, bytes: usize) -> Effects {
        let block = RowBlock { table: Table::Events, count: 1, bytes: vec![0; bytes] };
        Effects { shard, rows: vec![block], ..Effects::default() }
    }

    fn shards(taken: &BTreeMap<u16, Cycle>) -> Vec<u16> {
        taken.keys().copied().collect()
    }

    #[test]
    fn a_transaction_carries_64_mebibytes_and_shards_take_turns() {
        let mut commits = Commits::default();
        let third = TRANSACTION_BYTES_MAX / 3;
        (0..5).for_each(|shard| commits.add(1, effects(shard, third)));
        assert_eq!(shards(&commits.take_waiting()), [0, 1, 2]);
        // Shard 0 has its next cycle ready, and must not come before those that had no room.
        commits.add(1, effects(0, third));
        assert_eq!(shards(&commits.take_waiting()), [0, 3, 4]);
        assert!(commits.take_waiting().is_empty());
    }

    #[test]
    fn a_cycle_larger_than_a_transaction_goes_alone() {
        let mut commits = Commits::default();
        commits.add(1, effects(0, TRANSACTION_BYTES_MAX + 1));
        commits.add(1, effects(1, 10));
        assert_eq!(shards(&commits.take_waiting()), [0]);
        assert_eq!(shards(&commits.take_waiting()), [1]);
    }

    #[test]
    fn what_passes_by_itself_is_repeated_until_it_is_committed() {
        let mut commits = Commits::default();
        let mut settled = Settled::default();
        let mut aborts = Aborts::default();
        for attempt in 1..=50 {
            aborts = aborts.and(true);
            let cycle = Cycle { tenure: 7, effects: effects(3, 1) };
            commits.repeats.clear();
            commits.repeat(BTreeMap::from([(3, cycle)]), aborts, "a rebalance", &mut settled);
            assert!(commits.holds(3) && settled.stopped.is_empty(), "attempt {attempt}");
        }
    }
}
