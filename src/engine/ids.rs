//! Which event ids a customer's profile remembers, by source: the memory that makes a repeat a duplicate.
//!
//! Invariant: an id that was applied is remembered, or its time is not above the floor. Hence a record that is neither
//! remembered nor at or below the floor is new, and nothing is ever counted twice.
//!
//! Ids are xxh3-64 hashes: with `n` ids held, a new one is taken for a repeat with probability `n / 2^64`
//! (docs/decisions/0003). Times are whole seconds, rounded down. An id takes 12 bytes, in the state about nine; those of all
//! sources lie in one allocation, which is what nearly every customer has. Only a source with very many ids gets a queue and an index.

mod index;
mod many;
mod packed;
mod run;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fetch::{fetch, fetch_one};
use crate::model::record::SourceIndex;
use crate::model::time::{BEFORE_ALL_MS, NEVER_MS};
use many::Many;
use packed::Head;
use run::{FLOOR_BYTES, ID_BYTES, Run, SHORT_HEAD, bytes_of, put_head, put_run};

/// Ids are never forgotten below this number: customers of little traffic have no floor.
pub const IDS_KEPT_MIN: usize = 8;

/// From this many ids of a source on, they are found by an index instead of a scan; below half of it again by a scan.
pub const MANY_FROM: usize = 64;

/// What is known of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Never applied; now remembered.
    New,
    /// Applied before.
    Before,
    /// Not above the floor: cannot be told from a repeat.
    Unknowable,
}

/// What [`Ids::admit`] found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// What was known.
    pub seen: Seen,
    /// Whether older ids were forgotten on this occasion.
    pub forgot: bool,
}

/// How long and how many ids of a source are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Ids of events before this moment may go.
    pub horizon_ms: i64,
    /// The oldest go beyond this number.
    pub ids_max: usize,
}

/// Second and hash of an event id.
pub type Id = (u32, u64);

/// The remembered ids of a customer.
#[derive(Clone, Debug)]
pub enum Ids {
    /// Runs of sources in ascending order: head, then ids in ascending order. Where an id stands does not depend on
    /// when it arrived.
    Few(Vec<u8>),
    /// Some sources have outgrown that, which few customers have: the others pay nothing for it.
    Large(Box<Large>),
}

const _: () = assert!(size_of::<Ids>() == 24, "everybody who is awake has this");

/// The ids of a customer with very many of them.
#[derive(Clone, Debug, Default)]
pub struct Large {
    /// As [`Ids::Few`].
    few: Vec<u8>,
    /// The sources that have outgrown that, in ascending order.
    many: Vec<Many>,
}

impl Default for Ids {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// Whole seconds, rounded down; those after 2106 are all the last one that 32 bits hold.
pub fn seconds(ms: i64) -> u32 {
    ms.div_euclid(1_000).clamp(0, i64::from(u32::MAX)) as u32
}

/// The floor that a forgotten id leaves: the end of its second, since its milliseconds were not kept; the last second
/// stands for all after it.
pub fn floor_ms(floor_s: Option<u32>) -> i64 {
    match floor_s {
        None => BEFORE_ALL_MS,
        Some(u32::MAX) => NEVER_MS,
        Some(second) => i64::from(second) * 1_000 + 999,
    }
}

impl Ids {
    /// Nothing remembered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of ids held.
    pub fn len(&self) -> usize {
        self.runs().map(|run| run.count).sum::<usize>()
            + self.many().iter().map(|many| many.len()).sum::<usize>()
    }

    /// Whether no id is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks for the ids, or for what says where they are.
    pub fn fetch(&self) {
        match self {
            Self::Few(few) => fetch(few),
            Self::Large(large) => fetch_one(&**large),
        }
    }

    /// Asks for what lies behind it and an event with this id will read, in a pass of its own.
    pub fn fetch_far(&self, source: SourceIndex, hash: u64) {
        if let Some(many) = self.many().iter().find(|many| many.source == source) {
            many.fetch(hash);
        }
    }

    /// The latest event time that an id of a source was forgotten of; [`BEFORE_ALL_MS`] when none was.
    pub fn floor_ms(&self, source: SourceIndex) -> i64 {
        floor_ms(match self.many().iter().find(|many| many.source == source) {
            Some(many) => many.floor_s,
            None => self.run_of(source).floor_s,
        })
    }

    /// Second and hash of each id held of a source, in the order in which they are kept.
    pub fn entries(&self, source: SourceIndex) -> impl Iterator<Item = Id> + '_ {
        let many = self.many().iter().filter(move |many| many.source == source);
        self.run_of(source).ids(self.few()).chain(many.flat_map(Many::entries))
    }

    /// The sources of which something is known, in ascending order.
    pub fn sources(&self) -> impl Iterator<Item = SourceIndex> {
        let mut sources: Vec<SourceIndex> = self.runs().map(|run| run.source).collect();
        sources.extend(self.many().iter().map(|many| many.source));
        sources.sort_unstable();
        sources.into_iter()
    }

    /// Forgets what is older than the horizon (but never the latest [`IDS_KEPT_MIN`]), then looks the id up and
    /// remembers it if it is new.
    pub fn admit(
        &mut self,
        source: SourceIndex,
        hash: u64,
        ts_ms: i64,
        memory: Memory,
    ) -> Admitted {
        if let Self::Large(large) = self
            && let Some(at) = large.many.iter().position(|many| many.source == source)
        {
            let admitted = large.many[at].admit(hash, ts_ms, memory);
            if large.many[at].len() < MANY_FROM / 2 {
                self.move_to_few(at);
            }
            return admitted;
        }
        let mut run = self.run_of(source);
        let bytes = self.few_mut();
        let horizon_s = seconds(memory.horizon_ms);
        let spare = run.count.saturating_sub(IDS_KEPT_MIN);
        let old = run.ids(bytes).take(spare).take_while(|id| id.0 < horizon_s).count();
        run.forget(bytes, old);
        let seen = if run.ids(bytes).any(|id| id.1 == hash) {
            Seen::Before
        } else if ts_ms <= floor_ms(run.floor_s) {
            Seen::Unknowable
        } else {
            Seen::New
        };
        let mut beyond = 0;
        if seen == Seen::New {
            run.remember(bytes, (seconds(ts_ms), hash));
            beyond = run.count.saturating_sub(memory.ids_max.max(IDS_KEPT_MIN));
            run.forget(bytes, beyond);
        }
        if run.count >= MANY_FROM {
            self.move_to_many(run);
        }
        Admitted { seen, forgot: old + beyond > 0 }
    }

    fn few(&self) -> &[u8] {
        match self {
            Self::Few(few) => few,
            Self::Large(large) => &large.few,
        }
    }

    fn few_mut(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Few(few) => few,
            Self::Large(large) => &mut large.few,
        }
    }

    fn many(&self) -> &[Many] {
        match self {
            Self::Few(_) => &[],
            Self::Large(large) => &large.many,
        }
    }

    fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            let run = Run::read(self.few(), at)?;
            at = run.end();
            Some(run)
        })
    }

    /// The run of a source; one without a head, at the place where it would stand, if there is none.
    fn run_of(&self, source: SourceIndex) -> Run {
        let mut at = 0;
        for run in self.runs() {
            if run.source == source {
                return run;
            }
            if run.source > source {
                break;
            }
            at = run.end();
        }
        Run::absent(source, at)
    }

    fn move_to_many(&mut self, run: Run) {
        let ids = run.ids(self.few());
        let many = Many::new(run.source, run.floor_s, ids);
        self.few_mut().drain(run.at..run.end());
        self.insert_many(many);
    }

    fn insert_many(&mut self, many: Many) {
        if let Self::Few(few) = self {
            let few = std::mem::take(few);
            *self = Self::Large(Box::new(Large { few, many: Vec::new() }));
        }
        if let Self::Large(large) = self {
            let at = large.many.partition_point(|other| other.source < many.source);
            large.many.insert(at, many);
        }
    }

    fn move_to_few(&mut self, at: usize) {
        let Self::Large(large) = self else {
            return;
        };
        let many = large.many.remove(at);
        if large.many.is_empty() {
            *self = Self::Few(std::mem::take(&mut large.few));
        }
        let place = self.run_of(many.source).at;
        let mut run = Vec::with_capacity(SHORT_HEAD + FLOOR_BYTES + many.len() * ID_BYTES);
        put_run(&mut run, many.source, many.floor_s, many.entries());
        drop(self.few_mut().splice(place..place, run));
    }

    /// The ids of all sources as bytes: what the state holds.
    fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len() * ID_BYTES + 16);
        if let Self::Few(few) = self {
            self.runs()
                .for_each(|run| packed::put(&mut bytes, run.source, run.floor_s, run.ids(few)));
            return bytes;
        }
        for source in self.sources() {
            match self.many().iter().find(|many| many.source == source) {
                Some(many) => packed::put(&mut bytes, source, many.floor_s, many.entries()),
                None => {
                    let run = self.run_of(source);
                    packed::put(&mut bytes, source, run.floor_s, run.ids(self.few()));
                }
            }
        }
        bytes
    }

    /// Back from [`Self::encoded`]; nothing when the bytes are no such ids.
    fn decoded(mut bytes: &[u8]) -> Option<Self> {
        let mut ids = Self::default();
        // an id takes at least nine bytes there, twelve here
        // and who wakes is about to remember another
        let mut few = Vec::with_capacity(bytes.len() / 3 * 4 + ID_BYTES);
        let mut least = 0;
        while !bytes.is_empty() {
            let Head { source, floor_s, count } = packed::take_head(&mut bytes)?;
            if source < least {
                return None;
            }
            if count < MANY_FROM {
                put_head(&mut few, source, floor_s, count);
                packed::take_ids(&mut bytes, count, |id| few.extend_from_slice(&bytes_of(id)))?;
            } else {
                let mut held = Vec::with_capacity(count);
                packed::take_ids(&mut bytes, count, |id| held.push(id))?;
                ids.insert_many(Many::new(source, floor_s, held.into_iter()));
            }
            least = source + 1;
        }
        *ids.few_mut() = few;
        Some(ids)
    }
}

impl PartialEq for Ids {
    fn eq(&self, other: &Self) -> bool {
        self.encoded() == other.encoded()
    }
}

impl Serialize for Ids {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.encoded())
    }
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Ids;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("remembered ids, as bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Ids, E> {
                Ids::decoded(bytes).ok_or_else(|| E::custom("broken list of ids"))
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The same, kept plainly: a sorted list and a floor for each source.
    #[derive(Default)]
    struct Plain {
        by_source: BTreeMap<SourceIndex, (Option<u32>, Vec<Id>)>,
    }

    impl Plain {
        fn admit(&mut self, source: u8, hash: u64, ts_ms: i64, memory: Memory) -> Admitted {
            let (floor, ids) = self.by_source.entry(source).or_default();
            let mut forgot = false;
            let mut forget = |ids: &mut Vec<Id>| {
                *floor = (*floor).max(Some(ids.remove(0).0));
                forgot = true;
            };
            while ids.len() > IDS_KEPT_MIN && ids[0].0 < seconds(memory.horizon_ms) {
                forget(ids);
            }
            if ids.iter().any(|id| id.1 == hash) {
                return Admitted { seen: Seen::Before, forgot };
            }
            if ts_ms <= floor_ms(*floor) {
                return Admitted { seen: Seen::Unknowable, forgot };
            }
            ids.push((seconds(ts_ms), hash));
            ids.sort_unstable();
            let mut forget = |ids: &mut Vec<Id>| {
                *floor = (*floor).max(Some(ids.remove(0).0));
                forgot = true;
            };
            while ids.len() > memory.ids_max.max(IDS_KEPT_MIN) {
                forget(ids);
            }
            Admitted { seen: Seen::New, forgot }
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
        #[test]
        fn bytes_queues_and_indexes_remember_what_plain_lists_do(
            events in proptest::collection::vec(
                (0_u8..3, 0_u64..300, 0_i64..400, 0_i64..100), 0..600),
            ids_max in 0_usize..200,
            late in 0_i64..100,
        ) {
            let (mut ids, mut plain) = (Ids::new(), Plain::default());
            for (nth, (source, hash, jitter, window)) in (0..).zip(events) {
                let ts_ms = (nth + jitter) * 700;
                let memory = Memory { horizon_ms: (nth - window * late) * 700, ids_max };
                let (source, hash) = (source / 2 * 2, hash.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                let expected = plain.admit(source, hash, ts_ms, memory);
                proptest::prop_assert_eq!(ids.admit(source, hash, ts_ms, memory), expected);
            }
            for (source, (floor, held)) in &plain.by_source {
                proptest::prop_assert_eq!(&ids.entries(*source).collect::<Vec<Id>>(), held);
                proptest::prop_assert_eq!(ids.floor_ms(*source), floor_ms(*floor));
            }
            let bytes = postcard::to_stdvec(&ids).unwrap();
            let back: Ids = postcard::from_bytes(&bytes).unwrap();
            proptest::prop_assert_eq!(&back, &ids);
            proptest::prop_assert_eq!(back.len(), ids.len());
            proptest::prop_assert_eq!(postcard::to_stdvec(&back).unwrap(), bytes);
        }
    }

    #[test]
    fn broken_bytes_are_refused() {
        let mut ids = Ids::new();
        let memory = Memory { horizon_ms: 0, ids_max: 100 };
        for n in 1..4 {
            assert_eq!(ids.admit(1, n, 5_000, memory).seen, Seen::New);
        }
        let good = ids.encoded();
        assert!(Ids::decoded(&good).is_some());
        assert!((1..good.len()).all(|cut| Ids::decoded(&good[..cut]).is_none()));
        assert!(Ids::decoded(&[&good[..], &good[..]].concat()).is_none());
        // a source, a number, and nine bytes for each: the hashes of the first two change places
        assert_eq!(good.len(), 2 + 3 * 9);
        let mut unsorted = good;
        let (first, second) = unsorted.split_at_mut(11);
        first[3..].swap_with_slice(&mut second[1..9]);
        assert!(Ids::decoded(&unsorted).is_none());
    }
}
