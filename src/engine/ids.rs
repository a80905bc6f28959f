//! Which event ids of a source a customer's profile remembers: the memory that makes a repeat a duplicate.
//!
//! Invariant: an id that was applied is remembered, or its time is not above the floor. Hence a record that is neither
//! remembered nor at or below the floor is new, and nothing is ever counted twice.

use serde::{Deserialize, Serialize};

use crate::model::record::SourceIndex;
use crate::model::time::BEFORE_ALL_MS;

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

/// The remembered ids of one source. Ids are xxh3-64 hashes: with `n` ids held, a new one is taken for a repeat with
/// probability `n / 2^64` (docs/decisions/0003). Times are whole seconds, rounded down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceIds {
    /// The source.
    pub source: SourceIndex,
    /// The latest event time that an id was forgotten of; [`BEFORE_ALL_MS`] when none was.
    pub floor_ms: i64,
    hashes: Vec<u64>,
    seconds: Vec<u32>,
}

impl SourceIds {
    /// Nothing remembered.
    pub fn new(source: SourceIndex) -> Self {
        Self {
            source,
            floor_ms: BEFORE_ALL_MS,
            hashes: Vec::new(),
            seconds: Vec::new(),
        }
    }

    /// Number of ids held.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether no id is held.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Forgets what is older than `horizon_ms` (but never the latest [`IDS_KEPT_MIN`]), then looks the id up.
    pub fn look(&mut self, hash: u64, ts_ms: i64, horizon_ms: i64) -> Seen {
        if self.hashes.len() > IDS_KEPT_MIN {
            self.forget_before(horizon_ms);
        }
        if self.hashes.contains(&hash) {
            Seen::Before
        } else if ts_ms <= self.floor_ms {
            Seen::Unknowable
        } else {
            Seen::New
        }
    }

    /// Remembers an id that was found [`Seen::New`]; at most `ids_max` are held, the oldest is forgotten first.
    pub fn remember(&mut self, hash: u64, ts_ms: i64, ids_max: usize) {
        if self.hashes.len() >= ids_max.max(IDS_KEPT_MIN)
            && let Some(oldest) = self.oldest()
        {
            self.forget(oldest);
        }
        if self.hashes.is_empty() {
            // most customers are seen once or twice: no spare capacity for them
            self.hashes.reserve_exact(2);
            self.seconds.reserve_exact(2);
        }
        self.hashes.push(hash);
        self.seconds
            .push(ts_ms.div_euclid(1_000).clamp(0, i64::from(u32::MAX)) as u32);
    }

    fn forget_before(&mut self, horizon_ms: i64) {
        let horizon_s = horizon_ms.div_euclid(1_000).clamp(0, i64::from(u32::MAX)) as u32;
        let old = self.seconds.iter().filter(|s| **s < horizon_s).count();
        for _ in 0..old.min(self.hashes.len() - IDS_KEPT_MIN) {
            if let Some(oldest) = self.oldest() {
                self.forget(oldest);
            }
        }
    }

    /// The oldest id; among equals the one with the smallest hash, so that arrival does not matter.
    fn oldest(&self) -> Option<usize> {
        (0..self.hashes.len()).min_by_key(|&i| (self.seconds[i], self.hashes[i]))
    }

    fn forget(&mut self, at: usize) {
        let seconds = self.seconds.swap_remove(at);
        self.hashes.swap_remove(at);
        // the whole second is below the floor: its milliseconds were not kept
        self.floor_ms = self.floor_ms.max(i64::from(seconds) * 1_000 + 999);
    }
}
