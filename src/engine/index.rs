//! Which slot a key's hash may be in: an open table of 8-byte entries, so that a look-up costs one line of memory, and
//! growing does not read the slots.

use super::fetch::fetch_one;

/// Lower half: part of the hash; upper half: slot number plus one. 0 is vacant.
type Entry = u64;

/// Entries of an empty table's first allocation: a power of two.
const CAPACITY_MIN: usize = 64;

/// From hashes to slots.
#[derive(Debug, Default)]
pub struct Index {
    entries: Vec<Entry>,
    len: usize,
}

impl Index {
    /// The slots whose key's hash looks like this one: the wanted slot, if there is one, and very rarely another.
    pub fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let mark = mark_of(hash);
        let mask = self.entries.len().wrapping_sub(1);
        let mut at = place_of(mark, self.entries.len());
        std::iter::from_fn(move || {
            loop {
                let entry = *self.entries.get(at)?;
                if entry == 0 {
                    return None;
                }
                at = (at + 1) & mask;
                if entry as u32 == mark {
                    return Some((entry >> 32) as u32 - 1);
                }
            }
        })
    }

    /// Asks for the entry at which the search for a hash begins.
    pub fn fetch(&self, hash: u64) {
        if let Some(entry) = self.entries.get(place_of(mark_of(hash), self.entries.len())) {
            fetch_one(entry);
        }
    }

    /// Adds a slot that is not there yet.
    pub fn insert(&mut self, hash: u64, slot: u32) {
        // at most four fifths full: a search then reads two or three neighbours
        if (self.len + 1) * 5 > self.entries.len() * 4 {
            self.grow();
        }
        self.len += 1;
        put(&mut self.entries, (u64::from(slot) + 1) << 32 | u64::from(mark_of(hash)));
    }

    fn grow(&mut self) {
        let mut larger = vec![0; (self.entries.len() * 2).max(CAPACITY_MIN)];
        for entry in self.entries.iter().filter(|entry| **entry != 0) {
            put(&mut larger, *entry);
        }
        self.entries = larger;
    }
}

/// The part of a hash that entries keep.
fn mark_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Where the search for a mark begins, in a table of a power of two of at most 2^32 entries: by its upper bits, so
/// that growing keeps the order.
fn place_of(mark: u32, capacity: usize) -> usize {
    ((u64::from(mark) * capacity as u64) >> 32) as usize
}

fn put(entries: &mut [Entry], entry: Entry) {
    let mask = entries.len() - 1;
    let mut at = place_of(entry as u32, entries.len());
    while entries[at] != 0 {
        at = (at + 1) & mask;
    }
    entries[at] = entry;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_found_however_the_table_has_grown() {
        let mut index = Index::default();
        assert_eq!(index.candidates(5).next(), None);
        // the same upper bits for many: they stand in one another's way
        let hash = |slot: u32| u64::from(slot / 3).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for slot in 0..10_000 {
            index.insert(hash(slot), slot);
            let first = slot - slot % 3;
            let expected: Vec<u32> = (first..=slot).collect();
            assert_eq!(index.candidates(hash(slot)).collect::<Vec<u32>>(), expected);
        }
        assert!((0..10_000).all(|slot| index.candidates(hash(slot)).any(|found| found == slot)));
        assert_eq!(index.candidates(hash(40_000)).next(), None);
    }
}
