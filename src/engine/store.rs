//! All profiles of a shard: slots in pages, found by key. Slots never move and are never reused. Profiles that nobody has
//! looked at for a while sleep.

use std::collections::VecDeque;

use xxhash_rust::xxh3::xxh3_64;

use super::compact::Moment;
use super::fetch::fetch_one;
use super::held::Held;
use super::index::Index;
use super::key::Key;
use super::profile::Profile;
use crate::model::record::SourceIndex;

/// Slots in a page: large enough to be cheap, small enough that growing never copies much. One less than a power of two:
/// with its alignment a whole one takes the allocator's next larger size, a fifth more.
const PAGE: usize = 4_095;

/// Of so many profiles one may be awake at a cycle's end. Most events come from few customers, and those of one visit follow
/// one another: for the others to wake costs less than to keep them awake.
const ASLEEP_OF: usize = 12;

/// Of those that may be awake, one in so many may be one that woke after a long sleep: who comes once more soon is kept
/// longer than who comes once (Johnson and Shasha, "2Q", VLDB 1994).
const SELDOM_OF: usize = 4;

/// Who wakes while no more have fallen asleep since than this many of such parts comes often.
const SOON: u8 = 4;

/// So many may be awake in any case.
const AWAKE_MIN: usize = 4_096;

/// Where there is no slot.
const NO_SLOT: u32 = u32::MAX;

/// The slots of a source's next events, in their order.
#[derive(Debug, Default)]
struct Ahead {
    slots: Vec<u32>,
    /// Which of them is next.
    at: usize,
}

/// Look-ups that overlap in [`Store::warm`]; no more events are looked at in one call.
pub const WARM: usize = 32;

/// One profile with its bookkeeping: a line of memory.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Slot {
    /// The subject's id.
    pub key: Key,
    /// The state.
    pub profile: Held,
    /// When it must be looked at again.
    pub due: Moment,
    /// Time of the entry in the queue that counts; others are stale.
    pub queued: Moment,
    /// The day whose history the open cycle is still to write, see `history.rs`, plus one; 0 for none.
    changed_on: u16,
    /// Changed in this cycle.
    pub dirty: bool,
    /// Listed for the daily refresh.
    pub refreshed: bool,
    /// Among whom it is awake.
    listed: Listed,
    /// Used since that list was last gone through.
    used: bool,
    /// Falls asleep at the end of this cycle, see [`Store::choose`].
    pub rests: bool,
    /// The part of time in which it fell asleep last, see `Store::part`.
    slept: u8,
}

/// Among whom a profile is awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    /// It sleeps, or was only looked at.
    Nowhere,
    /// Those that woke after a long sleep.
    Seldom,
    /// Those that come often.
    Often,
}

const _: () = assert!(size_of::<Slot>() == 64, "a slot is a line; think before it becomes two");

impl Slot {
    /// A profile that nothing is due of.
    pub fn new(key: &[u8], profile: Held) -> Self {
        let (due, queued) = (Moment::NEVER, Moment::NEVER);
        Self {
            key: key.into(),
            profile,
            due,
            queued,
            changed_on: 0,
            dirty: false,
            refreshed: false,
            listed: Listed::Nowhere,
            used: false,
            rests: false,
            slept: 0,
        }
    }

    /// When it must be looked at again, milliseconds.
    pub fn due_ms(&self) -> i64 {
        self.due.ms()
    }

    /// The day whose history the open cycle is still to write.
    pub fn changed_on(&self) -> Option<u16> {
        self.changed_on.checked_sub(1)
    }

    /// Opens a day of the history; the last day of all (in 2149) counts for the one before it.
    pub fn change_on(&mut self, day: u16) {
        self.changed_on = day.saturating_add(1);
    }

    /// The open day, which is written now.
    pub fn take_changed_on(&mut self) -> Option<u16> {
        std::mem::take(&mut self.changed_on).checked_sub(1)
    }
}

/// The profiles.
#[derive(Debug, Default)]
pub struct Store {
    index: Index,
    pages: Vec<Vec<Slot>>,
    len: usize,
    /// Slots of profiles that are awake and come often, those that were used last at the end.
    often: VecDeque<u32>,
    /// Slots of those that woke after a long sleep, in the order in which they did.
    seldom: VecDeque<u32>,
    /// How many have fallen asleep in this part of time: a part is as many as may be seldom and awake.
    slept: usize,
    /// The number of the part.
    part: u8,
    /// By source: what [`Store::warm`] found.
    ahead: Vec<Ahead>,
    /// Memory to write in.
    bytes: Vec<u8>,
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
        self.find_hashed(key, xxh3_64(key))
    }

    fn find_hashed(&self, key: &[u8], hash: u64) -> Option<u32> {
        self.index.candidates(hash).find(|slot| self.get(*slot).key.bytes() == key)
    }

    /// The slot of a key, new with `profile()` if there is none: it counts as used.
    pub fn find_or_insert(&mut self, key: &[u8], profile: impl FnOnce() -> Profile) -> u32 {
        let hash = xxh3_64(key);
        match self.find_hashed(key, hash) {
            Some(slot) => {
                self.used(slot);
                slot
            }
            None => self.insert_hashed(key, hash, profile()),
        }
    }

    /// The same for the next event of a source: where [`Self::warm`] was told its key, nothing is looked for.
    pub fn next_or_insert(
        &mut self,
        source: SourceIndex,
        key: &[u8],
        profile: impl FnOnce() -> Profile,
    ) -> u32 {
        let Some(slot) = self.expected(source, key) else {
            return self.find_or_insert(key, profile);
        };
        self.used(slot);
        slot
    }

    /// The profile of a key becomes `profile`. Returns its slot.
    pub fn put(&mut self, key: &[u8], profile: Profile) -> u32 {
        let hash = xxh3_64(key);
        let Some(slot) = self.find_hashed(key, hash) else {
            return self.insert_hashed(key, hash, profile);
        };
        self.get_mut(slot).profile = Held::new(profile);
        self.used(slot);
        slot
    }

    /// The profile of a key becomes one that sleeps as its state record, `record`.
    pub fn put_asleep(&mut self, key: &[u8], profile: Profile, record: &[u8]) {
        let hash = xxh3_64(key);
        let held = Held::asleep(profile, record);
        match self.find_hashed(key, hash) {
            Some(slot) => self.get_mut(slot).profile = held,
            None => {
                self.add(key, hash, held);
            }
        }
    }

    /// Adds a profile under a key that is not there yet.
    pub fn insert(&mut self, key: &[u8], profile: Profile) -> u32 {
        self.insert_hashed(key, xxh3_64(key), profile)
    }

    fn insert_hashed(&mut self, key: &[u8], hash: u64, profile: Profile) -> u32 {
        let slot = self.add(key, hash, Held::new(profile));
        self.used(slot);
        slot
    }

    fn add(&mut self, key: &[u8], hash: u64, profile: Held) -> u32 {
        let slot = self.len as u32;
        if self.len.is_multiple_of(PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        if let Some(page) = self.pages.last_mut() {
            // nobody knows yet that it would come again
            let slept = self.part.wrapping_sub(SOON + 1);
            page.push(Slot { slept, ..Slot::new(key, profile) });
        }
        self.len += 1;
        self.index.insert(hash, slot);
        slot
    }

    /// Notes that a profile is looked at, and so awake. To be called by whoever comes upon one by its slot or its key.
    pub fn used(&mut self, slot: u32) -> &mut Slot {
        let part = self.part;
        let entry = self.get_mut(slot);
        entry.used = true;
        if entry.listed == Listed::Nowhere {
            let soon = part.wrapping_sub(entry.slept) <= SOON;
            entry.listed = if soon { Listed::Often } else { Listed::Seldom };
            if soon { &mut self.often } else { &mut self.seldom }.push_back(slot);
        }
        self.get_mut(slot)
    }

    /// How many may be awake at a cycle's end, and of them such as woke after a long sleep.
    fn awake_max(&self) -> (usize, usize) {
        // debug builds send everybody to sleep, so that each test wakes them
        let most = if cfg!(debug_assertions) { 0 } else { AWAKE_MIN.max(self.len / ASLEEP_OF) };
        (most, most / SELDOM_OF)
    }

    /// Chooses who will fall asleep at the end of the cycle, see [`Slot::rests`]: of those that come seldom the ones that woke
    /// first. To be called before their state records are written, which they can sleep as.
    pub fn choose(&mut self) {
        let (_, seldom_max) = self.awake_max();
        for at in 0..self.seldom.len().saturating_sub(seldom_max) {
            let slot = self.seldom[at];
            self.get_mut(slot).rests = true;
        }
    }

    /// Sends profiles to sleep until no more than a part of them is awake: of those that come seldom the ones that woke first, of
    /// the others first those that were not used since this was last called, then those that were used first. Changes nothing
    /// that can be seen.
    pub fn rest(&mut self) {
        let (most, seldom_max) = self.awake_max();
        self.rest_to(most, seldom_max);
    }

    fn rest_to(&mut self, most: usize, seldom_max: usize) {
        let mut bytes = std::mem::take(&mut self.bytes);
        while self.seldom.len() > seldom_max
            && let Some(slot) = self.seldom.pop_front()
        {
            self.sleep(slot, seldom_max, &mut bytes);
        }
        while self.often.len() > most - seldom_max
            && let Some(slot) = self.often.pop_front()
        {
            if std::mem::take(&mut self.get_mut(slot).used) {
                self.often.push_back(slot);
            } else {
                self.sleep(slot, seldom_max, &mut bytes);
            }
        }
        self.bytes = bytes;
    }

    fn sleep(&mut self, slot: u32, part_len: usize, bytes: &mut Vec<u8>) {
        self.slept += 1;
        if self.slept > part_len {
            (self.slept, self.part) = (0, self.part.wrapping_add(1));
        }
        let slept = self.part;
        let entry = self.get_mut(slot);
        (entry.listed, entry.used, entry.rests) = (Listed::Nowhere, false, false);
        entry.slept = slept;
        entry.profile.sleep(bytes);
    }

    /// A slot by number. The number must be one that this store gave.
    pub fn get(&self, slot: u32) -> &Slot {
        &self.pages[slot as usize / PAGE][slot as usize % PAGE]
    }

    /// A slot by number, to change.
    pub fn get_mut(&mut self, slot: u32) -> &mut Slot {
        &mut self.pages[slot as usize / PAGE][slot as usize % PAGE]
    }

    /// Brings what the next events of a source will touch into the cache, by their keys and the hashes of their ids, and what
    /// `beside` reads of a slot by its number. The look-ups
    /// do not depend on each other, so their waits for memory overlap; one after the other, as events are applied, they
    /// would add up. Changes nothing.
    pub fn warm<'k>(
        &mut self,
        source: SourceIndex,
        events: impl Iterator<Item = (&'k [u8], u64)>,
        beside: impl Fn(u32),
    ) {
        let mut hashes = [(0_u64, 0_u64); WARM];
        let mut count = 0;
        for ((key, id_hash), place) in events.zip(&mut hashes) {
            *place = (xxh3_64(key), id_hash);
            count += 1;
        }
        if count > 0 {
            self.warm_hashes(source, &hashes[..count], &beside);
        }
    }

    /// The slot of the next event of a source, if its key is the one that [`Self::warm`] was told.
    fn expected(&mut self, source: SourceIndex, key: &[u8]) -> Option<u32> {
        let ahead = self.ahead.get_mut(usize::from(source))?;
        let slot = *ahead.slots.get(ahead.at)?;
        ahead.at += 1;
        (slot != NO_SLOT && self.get(slot).key.bytes() == key).then_some(slot)
    }

    /// `hashes`: of keys and of event ids.
    fn warm_hashes(&mut self, source: SourceIndex, hashes: &[(u64, u64)], beside: impl Fn(u32)) {
        if self.ahead.len() <= usize::from(source) {
            self.ahead.resize_with(usize::from(source) + 1, Ahead::default);
        }
        let mut ahead = std::mem::take(&mut self.ahead[usize::from(source)]);
        ahead.slots.clear();
        ahead.at = 0;
        // in passes, none of which decides anything by what it waits for
        hashes.iter().for_each(|(hash, _)| self.index.fetch(*hash));
        let (mut slots, mut ids) = ([0_u32; WARM], [0_u64; WARM]);
        let mut count = 0;
        // not compared with the key, which would wait for the slot: warming another one now and then does no harm
        for (hash, id_hash) in hashes {
            let slot = self.index.candidates(*hash).next();
            ahead.slots.push(slot.unwrap_or(NO_SLOT));
            if let Some(slot) = slot {
                (slots[count], ids[count]) = (slot, *id_hash);
                count += 1;
            }
        }
        self.ahead[usize::from(source)] = ahead;
        let slots = &slots[..count];
        slots.iter().for_each(|slot| beside(*slot));
        self.warm_slots(slots);
        for (slot, id_hash) in slots.iter().zip(ids) {
            self.get(*slot).profile.fetch_more(source, id_hash);
        }
    }

    fn warm_slots(&self, slots: &[u32]) {
        slots.iter().for_each(|slot| fetch_one(self.get(*slot)));
        slots.iter().for_each(|slot| self.get(*slot).profile.fetch());
        slots.iter().for_each(|slot| self.get(*slot).profile.fetch_sections());
    }

    /// Brings whole profiles into the cache, see [`Self::warm`]: their rows and state records read everything.
    pub fn warm_all(&self, slots: &[u32]) {
        self.warm_slots(slots);
        slots.iter().for_each(|slot| self.get(*slot).profile.fetch_rest());
    }

    /// Every slot number.
    pub fn slots(&self) -> std::ops::Range<u32> {
        0..self.len as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asleep(store: &Store) -> Vec<u32> {
        store.slots().filter(|slot| store.get(*slot).profile.asleep_bytes().is_some()).collect()
    }

    #[test]
    fn who_comes_seldom_sleeps_first_and_wakes_as_it_was() {
        let mut store = Store::default();
        for n in 0..6_u8 {
            store.insert(&[n], Profile::new(n.into()));
        }
        // nobody is known to come often: those that came first
        store.rest_to(4, 2);
        assert_eq!(asleep(&store), [0, 1, 2, 3]);
        // soon again: they come often, and are kept while as many as they are may be
        store.get_mut(0).profile.set_risk_due_ms(77);
        for slot in [0, 1] {
            assert_eq!(store.used(slot).profile.as_of_ms, i64::from(slot));
        }
        store.rest_to(4, 2);
        assert_eq!(asleep(&store), [2, 3]);
        store.rest_to(2, 1);
        assert_eq!(asleep(&store), [0, 2, 3, 4], "of those the one that was used first");
        store.used(1);
        for n in 6..9_u8 {
            store.insert(&[n], Profile::new(n.into()));
        }
        store.rest_to(3, 2);
        assert_eq!(asleep(&store), [0, 2, 3, 4, 5, 6]);
        store.rest_to(0, 0);
        assert_eq!(asleep(&store), (0..9).collect::<Vec<u32>>());
        assert!(store.often.is_empty() && store.seldom.is_empty());
        let profile = |slot: u32| &store.get(slot).profile;
        assert!(store.slots().all(|slot| profile(slot).as_of_ms == i64::from(slot)));
        assert_eq!([0, 1].map(|slot| profile(slot).risk_due_ms()), [77, i64::MAX]);
    }

    #[test]
    fn who_sleeps_as_the_record_that_was_written_wakes_as_it_was() {
        let mut store = Store::default();
        let slots = [b"a", b"b"].map(|key| store.insert(key, Profile::new(5)));
        store.choose();
        for slot in slots {
            let entry = store.get_mut(slot);
            entry.profile.set_risk_due_ms(77);
            let record = postcard::to_stdvec(&*entry.profile).unwrap_or_default();
            entry.profile.keep(&record);
        }
        // changed again: that record is not how it stands
        store.get_mut(slots[1]).profile.set_risk_due_ms(99);
        store.rest_to(0, 0);
        assert_eq!(asleep(&store), slots);
        assert_eq!(slots.map(|slot| store.get(slot).profile.risk_due_ms()), [77, 99]);
    }

    #[test]
    fn keys_of_all_lengths_are_found() {
        let mut store = Store::default();
        let ids: Vec<Vec<u8>> = (0..=128_u8).map(|len| vec![b'a' + len % 7; len.into()]).collect();
        for (slot, id) in (0..).zip(&ids) {
            assert_eq!(store.find_or_insert(id, || Profile::new(0)), slot);
        }
        for (slot, id) in (0..).zip(&ids) {
            assert_eq!(store.find(id), Some(slot));
            assert_eq!(store.get(slot).key.bytes(), id);
        }
        assert_eq!(store.find(b"stranger"), None);
    }
}
