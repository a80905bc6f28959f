//! All profiles of a shard: slots in pages, found by key. Slots never move and are never reused.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::profile::Profile;
use crate::model::time::NEVER_MS;

/// Slots in a page: large enough to be cheap, small enough that growing never copies much.
const PAGE: usize = 4096;

/// Look-ups that overlap in [`Store::warm`].
const WARM: usize = 32;

/// One profile with its bookkeeping.
#[derive(Debug)]
pub struct Slot {
    /// The subject's id.
    pub key: Box<[u8]>,
    /// The state.
    pub profile: Profile,
    /// When it must be looked at again.
    pub due_ms: i64,
    /// Time of the entry in the queue that counts; others are stale.
    pub queued_ms: i64,
    /// Changed in this cycle.
    pub dirty: bool,
    /// Listed for the daily refresh.
    pub refreshed: bool,
}

/// The profiles.
#[derive(Debug, Default)]
pub struct Store {
    index: HashTable<u32>,
    pages: Vec<Vec<Slot>>,
    len: usize,
}

impl Store {
    /// Number of profiles.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slot of a key.
    pub fn find(&self, key: &[u8]) -> Option<u32> {
        self.index.find(xxh3_64(key), |slot| *self.get(*slot).key == *key).copied()
    }

    /// The slot of a key, new with `profile()` if there is none.
    pub fn find_or_insert(&mut self, key: &[u8], profile: impl FnOnce() -> Profile) -> u32 {
        match self.find(key) {
            Some(slot) => slot,
            None => self.insert(key, profile()),
        }
    }

    /// Adds a profile under a key that is not there yet.
    pub fn insert(&mut self, key: &[u8], profile: Profile) -> u32 {
        let slot = self.len as u32;
        if self.len.is_multiple_of(PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let new = Slot {
            key: key.into(),
            profile,
            due_ms: NEVER_MS,
            queued_ms: NEVER_MS,
            dirty: false,
            refreshed: false,
        };
        if let Some(page) = self.pages.last_mut() {
            page.push(new);
        }
        self.len += 1;
        let pages = &self.pages;
        let hash_of =
            |slot: &u32| xxh3_64(&pages[*slot as usize / PAGE][*slot as usize % PAGE].key);
        self.index.insert_unique(xxh3_64(key), slot, hash_of);
        slot
    }

    /// A slot by number. The number must be one that this store gave.
    pub fn get(&self, slot: u32) -> &Slot {
        &self.pages[slot as usize / PAGE][slot as usize % PAGE]
    }

    /// A slot by number, to change.
    pub fn get_mut(&mut self, slot: u32) -> &mut Slot {
        &mut self.pages[slot as usize / PAGE][slot as usize % PAGE]
    }

    /// Brings what the next events will touch into the cache. The look-ups do not depend on each other, so their waits
    /// for memory overlap; one after the other, as events are applied, they would add up. Changes nothing.
    pub fn warm<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        let mut found = [0_u32; WARM];
        let mut count = 0;
        for key in keys {
            if let Some(slot) = self.find(key) {
                found[count] = slot;
                count += 1;
            }
            if count == WARM {
                self.touch(&found);
                count = 0;
            }
        }
        self.touch(&found[..count]);
    }

    fn touch(&self, slots: &[u32]) {
        let mut sum = 0_u64;
        for slot in slots {
            sum = sum.wrapping_add(self.get(*slot).profile.first_bytes());
        }
        std::hint::black_box(sum);
    }

    /// Every slot number.
    pub fn slots(&self) -> std::ops::Range<u32> {
        0..self.len as u32
    }
}
