//! Which shards this process holds, in which tenure, and what each is doing.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::flow::guard;

use super::takeover::Watch;

/// What a shard is doing.
pub enum Doing {
    /// Its take-over begins at this moment (a failed one is tried again later).
    Waiting(Instant),
    /// Its state is being read, since this moment.
    Restoring(Watch, Instant),
    /// A worker runs it.
    Running {
        /// It was asked for its last cycle.
        finishing: bool,
    },
    /// It was taken away and has handed over everything.
    Finished,
    /// It stopped by itself; the reason is in the status.
    Stopped,
}

/// A shard that we hold whole.
pub struct Held {
    /// New each time the shard is gained, or taken over again.
    pub tenure: u64,
    /// What it is doing.
    pub doing: Doing,
    /// A cycle of this tenure is committed.
    pub committed: bool,
}

/// The shards of this process.
pub struct Shards {
    sources: usize,
    /// What the group has given us: (source, partition).
    places: Vec<(usize, u16)>,
    held: BTreeMap<u16, Held>,
    /// Shards that a worker was told to forget, and how often it has not yet said that it has.
    dropping: BTreeMap<u16, usize>,
    tenures: u64,
}

impl Shards {
    /// Nothing yet, of a pipeline with so many sources.
    pub fn new(sources: usize) -> Self {
        Self {
            sources,
            places: Vec::new(),
            held: BTreeMap::new(),
            dropping: BTreeMap::new(),
            tenures: 0,
        }
    }

    /// Partitions have arrived. A shard begins when its partition of every source is there.
    /// Returns those that begin.
    pub fn give(&mut self, places: &[(usize, u16)]) -> Vec<u16> {
        let mut begun = Vec::new();
        self.places.extend_from_slice(places);
        self.places.sort_unstable();
        self.places.dedup();
        for shard in guard::whole_shards(self.sources, &self.places) {
            if !self.held.contains_key(&shard) {
                let tenure = self.tenure();
                self.held.insert(
                    shard,
                    Held { tenure, doing: Doing::Waiting(Instant::now()), committed: false },
                );
                begun.push(shard);
            }
        }
        begun
    }

    /// Shards of which some partitions are ours and some are not.
    pub fn incomplete(&self) -> Vec<u16> {
        let mut shards: Vec<u16> = self.places.iter().map(|(_, shard)| *shard).collect();
        shards.sort_unstable();
        shards.dedup();
        shards.retain(|shard| !self.held.contains_key(shard));
        shards
    }

    /// The shards that end when these partitions go: those of which any partition does.
    pub fn touched(&self, places: &[(usize, u16)]) -> Vec<u16> {
        let mut shards: Vec<u16> = places.iter().map(|(_, shard)| *shard).collect();
        shards.sort_unstable();
        shards.dedup();
        shards.retain(|shard| self.held.contains_key(shard));
        shards
    }

    /// Partitions have gone.
    pub fn take(&mut self, places: &[(usize, u16)]) {
        self.places.retain(|place| !places.contains(place));
    }

    /// The shard's memory is gone. If the group still leaves it to us, `again` says when it is taken over anew.
    pub fn forget(&mut self, shard: u16, again: Option<Instant>) -> Option<Held> {
        let old = self.held.remove(&shard);
        if let Some(at) = again {
            let tenure = self.tenure();
            self.held.insert(shard, Held { tenure, doing: Doing::Waiting(at), committed: false });
        }
        old
    }

    /// A worker is told to forget the shard.
    pub fn dropping(&mut self, shard: u16) {
        *self.dropping.entry(shard).or_default() += 1;
    }

    /// A worker has forgotten the shard.
    pub fn dropped(&mut self, shard: u16) {
        if let Some(count) = self.dropping.get_mut(&shard) {
            *count -= 1;
            if *count == 0 {
                self.dropping.remove(&shard);
            }
        }
    }

    fn tenure(&mut self) -> u64 {
        self.tenures += 1;
        self.tenures
    }

    /// Whether the shard is ours in this very tenure, and runs.
    pub fn runs(&self, shard: u16, tenure: u64) -> bool {
        self.held.get(&shard).is_some_and(|h| {
            h.tenure == tenure && matches!(h.doing, Doing::Running { .. } | Doing::Finished)
        })
    }

    /// The shard, if it is ours in this very tenure.
    pub fn of(&mut self, shard: u16, tenure: u64) -> Option<&mut Held> {
        self.held.get_mut(&shard).filter(|held| held.tenure == tenure)
    }

    /// The shard, if it is ours.
    pub fn get(&self, shard: u16) -> Option<&Held> {
        self.held.get(&shard)
    }

    /// All shards we hold.
    pub fn all(&self) -> Vec<u16> {
        self.held.keys().copied().collect()
    }

    /// How many are being restored.
    pub fn restoring(&self) -> usize {
        self.held.values().filter(|h| matches!(h.doing, Doing::Restoring(..))).count()
    }

    /// A shard whose take-over is to begin now; none whose old machine may still read.
    pub fn waiting(&self, now: Instant) -> Option<(u16, u64)> {
        let due = |held: &Held| matches!(held.doing, Doing::Waiting(at) if at <= now);
        let free = |shard: &u16| !self.dropping.contains_key(shard);
        let mut held = self.held.iter();
        held.find(|(shard, held)| free(shard) && due(held))
            .map(|(shard, held)| (*shard, held.tenure))
    }

    /// How far the shards that are being restored have come.
    pub fn watches(&self) -> impl Iterator<Item = (u16, &Watch, Instant)> {
        self.held.iter().filter_map(|(shard, held)| match &held.doing {
            Doing::Restoring(watch, since) => Some((*shard, watch, *since)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_begins_when_whole_and_each_gain_is_a_new_tenure() {
        let mut shards = Shards::new(2);
        shards.give(&[(0, 3), (1, 4)]);
        assert!(shards.all().is_empty());
        assert_eq!(shards.incomplete(), vec![3, 4]);
        shards.give(&[(1, 3)]);
        assert_eq!(shards.all(), vec![3]);
        let first = shards.get(3).unwrap().tenure;

        assert_eq!(shards.touched(&[(1, 3), (1, 4)]), vec![3]);
        shards.forget(3, None);
        shards.take(&[(1, 3)]);
        shards.give(&[(0, 4)]);
        assert_eq!(shards.all(), vec![4]);
        shards.give(&[(1, 3)]);
        assert_eq!(shards.all(), vec![3, 4]);
        assert!(shards.get(3).unwrap().tenure > first);
        assert!(shards.of(3, first).is_none());
    }

    #[test]
    fn a_shard_that_is_taken_over_again_waits_with_a_new_tenure() {
        let mut shards = Shards::new(1);
        shards.give(&[(0, 0)]);
        let now = Instant::now();
        let (shard, tenure) = shards.waiting(now).unwrap();
        shards.forget(shard, Some(now));
        shards.dropping(shard);
        assert_eq!(shards.waiting(now), None, "the old machine may still read");
        shards.dropped(shard);
        let (_, again) = shards.waiting(now).unwrap();
        assert!(again > tenure);
        assert!(!shards.runs(0, again));
        shards.of(0, again).unwrap().doing = Doing::Running { finishing: false };
        assert!(shards.runs(0, again) && !shards.runs(0, tenure));
    }
}
