//! Which of very many ids are held: an open table of their hashes, so that to look for one, to add it or to take it out is
//! one line of memory, and a look ahead brings just that line. See `many`.

use crate::engine::fetch::fetch_one;

/// Places of the smallest table: a power of two.
const PLACES_MIN: usize = 64;

/// What a vacant place holds. That hash itself stands beside the table.
const VACANT: u64 = 0;

/// A set of hashes.
#[derive(Clone, Debug, Default)]
pub struct Index {
    places: Vec<u64>,
    len: usize,
    /// Whether the hash that marks vacant places is held.
    vacant_held: bool,
}

impl Index {
    /// An empty set with room for about so many.
    pub fn with_capacity(hashes: usize) -> Self {
        let places = (hashes + hashes / 2).next_power_of_two().max(PLACES_MIN);
        Self { places: vec![VACANT; places], len: 0, vacant_held: false }
    }

    /// Whether a hash is held.
    pub fn holds(&self, hash: u64) -> bool {
        if hash == VACANT {
            return self.vacant_held;
        }
        self.places.get(self.find(hash)).is_some_and(|held| *held == hash)
    }

    /// Asks for the place where the search for a hash begins.
    pub fn fetch(&self, hash: u64) {
        if let Some(place) = self.places.get(self.place_of(hash)) {
            fetch_one(place);
        }
    }

    /// Adds a hash that is not held.
    pub fn insert(&mut self, hash: u64) {
        if hash == VACANT {
            self.vacant_held = true;
            return;
        }
        // at most three quarters full: a search then reads two or three neighbours
        if (self.len + 1) * 4 > self.places.len() * 3 {
            self.resize((self.places.len() * 2).max(PLACES_MIN));
        }
        self.len += 1;
        let at = self.find(hash);
        self.places[at] = hash;
    }

    /// Takes a hash out, if it is held.
    pub fn remove(&mut self, hash: u64) {
        if hash == VACANT {
            self.vacant_held = false;
            return;
        }
        let mut hole = self.find(hash);
        if self.places.get(hole).is_none_or(|held| *held != hash) {
            return;
        }
        self.len -= 1;
        // who stands behind moves up, so that no search ends too early
        let mask = self.places.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let held = self.places[at];
            if held == VACANT {
                break;
            }
            let wants = self.place_of(held);
            if (at.wrapping_sub(wants) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.places[hole] = held;
                hole = at;
            }
        }
        self.places[hole] = VACANT;
        if self.len * 8 < self.places.len() && self.places.len() > PLACES_MIN {
            self.resize(self.places.len() / 2);
        }
    }

    /// Where a hash stands, or the vacant place where it would.
    fn find(&self, hash: u64) -> usize {
        let mask = self.places.len().wrapping_sub(1);
        let mut at = self.place_of(hash);
        while let Some(held) = self.places.get(at)
            && *held != hash
            && *held != VACANT
        {
            at = (at + 1) & mask;
        }
        at
    }

    /// Where the search for a hash begins: by its upper bits, those below may be all one source's.
    fn place_of(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.places.len() as u128) >> u64::BITS) as usize
    }

    fn resize(&mut self, places: usize) {
        let before = std::mem::replace(&mut self.places, vec![VACANT; places]);
        for hash in before.into_iter().filter(|hash| *hash != VACANT) {
            let at = self.find(hash);
            self.places[at] = hash;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_was_added_and_not_taken_out_is_held() {
        let mut index = Index::default();
        let mut plain = BTreeSet::new();
        let mut state = 1_u64;
        for n in 0..40_000_u64 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // few upper bits: many want the same place; grows, then shrinks
            let hash = (state >> 33) % 3_000 * 0x0003_fff1_0000_0000;
            let grows = n < 20_000;
            assert_eq!(index.holds(hash), plain.contains(&hash));
            if !plain.contains(&hash) && (grows || n % 5 == 0) {
                index.insert(hash);
                plain.insert(hash);
            } else if !grows || n % 3 == 0 {
                index.remove(hash);
                plain.remove(&hash);
            }
        }
        assert!((0..3_000).all(|n| {
            let hash = n * 0x0003_fff1_0000_0000;
            index.holds(hash) == plain.contains(&hash)
        }));
    }
}
