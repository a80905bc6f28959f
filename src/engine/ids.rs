//! Which event ids of a source a customer's profile remembers: the memory that makes a repeat a duplicate.
//!
//! Invariant: an id that was applied is remembered, or its time is not above the floor. Hence a record that is neither
//! remembered nor at or below the floor is new, and nothing is ever counted twice.

use std::collections::VecDeque;

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use crate::model::record::SourceIndex;
use crate::model::time::{BEFORE_ALL_MS, NEVER_MS};

/// Ids are never forgotten below this number: customers of little traffic have no floor.
pub const IDS_KEPT_MIN: usize = 8;

/// What is known of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Never applied.
    New,
    /// Applied before.
    Before,
    /// Not above the floor: cannot be told from a repeat.
    Unknowable,
}

/// From this many ids on they are found by an index instead of a scan.
const INDEX_FROM: usize = 48;

/// The remembered ids of one source, oldest first. Ids are xxh3-64 hashes: with `n` ids held, a new one is taken for a
/// repeat with probability `n / 2^64` (docs/decisions/0003). Times are whole seconds, rounded down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceIds {
    /// The source.
    pub source: SourceIndex,
    /// The latest event time that an id was forgotten of; [`BEFORE_ALL_MS`] when none was.
    pub floor_ms: i64,
    /// Seconds and hash, ascending: where an id stands does not depend on when it arrived.
    ids: VecDeque<(u32, u64)>,
    /// The hashes again, where there are many.
    #[serde(skip)]
    index: Option<Box<HashTable<u64>>>,
}

impl PartialEq for SourceIds {
    fn eq(&self, other: &Self) -> bool {
        (self.source, self.floor_ms, &self.ids) == (other.source, other.floor_ms, &other.ids)
    }
}

impl SourceIds {
    /// Nothing remembered.
    pub fn new(source: SourceIndex) -> Self {
        Self { source, floor_ms: BEFORE_ALL_MS, ids: VecDeque::new(), index: None }
    }

    /// The latest id's hash, or 0: see `Profile::first_bytes`.
    pub fn first_bytes(&self) -> u64 {
        self.ids.back().map_or(0, |id| id.1)
    }

    /// Number of ids held.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether no id is held.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The second and the hash of each id held, in the order in which they are kept.
    pub fn entries(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.ids.iter().copied()
    }

    /// Forgets what is older than `horizon_ms` (but never the latest [`IDS_KEPT_MIN`]), then looks the id up.
    pub fn look(&mut self, hash: u64, ts_ms: i64, horizon_ms: i64) -> Seen {
        let horizon_s = seconds(horizon_ms);
        while self.ids.len() > IDS_KEPT_MIN
            && self.ids.front().is_some_and(|(second, _)| *second < horizon_s)
        {
            self.forget_oldest();
        }
        if self.holds(hash) {
            Seen::Before
        } else if ts_ms <= self.floor_ms {
            Seen::Unknowable
        } else {
            Seen::New
        }
    }

    fn holds(&mut self, hash: u64) -> bool {
        if self.ids.len() < INDEX_FROM {
            return self.ids.iter().any(|(_, held)| *held == hash);
        }
        let index = self.index.get_or_insert_with(|| {
            let mut index = HashTable::with_capacity(self.ids.len() * 2);
            for (_, held) in &self.ids {
                index.insert_unique(*held, *held, |h| *h);
            }
            Box::new(index)
        });
        index.find(hash, |held| *held == hash).is_some()
    }

    /// Remembers an id that was found [`Seen::New`]; at most `ids_max` are held, the oldest is forgotten first.
    pub fn remember(&mut self, hash: u64, ts_ms: i64, ids_max: usize) {
        if self.ids.is_empty() {
            // most customers are seen once or twice: no spare capacity for them
            self.ids.reserve_exact(2);
        }
        let id = (seconds(ts_ms), hash);
        match self.ids.back() {
            Some(last) if *last > id => {
                let at = self.ids.partition_point(|held| *held < id);
                self.ids.insert(at, id);
            }
            _ => self.ids.push_back(id),
        }
        if let Some(index) = &mut self.index {
            index.insert_unique(hash, hash, |h| *h);
        }
        while self.ids.len() > ids_max.max(IDS_KEPT_MIN) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((second, hash)) = self.ids.pop_front() else {
            return;
        };
        if let Some(index) = &mut self.index
            && let Ok(entry) = index.find_entry(hash, |held| *held == hash)
        {
            entry.remove();
        }
        // the whole second is below the floor: its milliseconds were not kept; the last one stands for all after it
        let floor_ms = match second {
            u32::MAX => NEVER_MS,
            _ => i64::from(second) * 1_000 + 999,
        };
        self.floor_ms = self.floor_ms.max(floor_ms);
    }
}

/// Whole seconds, rounded down; those after 2106 are all the last one that 32 bits hold.
fn seconds(ms: i64) -> u32 {
    ms.div_euclid(1_000).clamp(0, i64::from(u32::MAX)) as u32
}
