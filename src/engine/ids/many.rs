//! Very many remembered event ids of one source: a queue, and an index to find them in. See `ids` and `index`.

use std::collections::VecDeque;

use super::index::Index;
use super::run::{ID_BYTES, bytes_of, id_of};
use super::{Admitted, IDS_KEPT_MIN, Id, Memory, Seen, floor_ms, seconds};
use crate::engine::fetch::fetch_one;
use crate::model::record::SourceIndex;

/// So far from the end the place of an id is looked for one by one.
const NEAR: usize = 32;

/// The ids of one source.
#[derive(Clone, Debug)]
pub struct Many {
    /// The source.
    pub source: SourceIndex,
    /// The latest second that an id was forgotten of.
    pub floor_s: Option<u32>,
    /// In ascending order.
    ids: VecDeque<[u8; ID_BYTES]>,
    /// Their hashes.
    index: Index,
}

impl Many {
    /// Takes ids over, in ascending order.
    pub fn new(
        source: SourceIndex,
        floor_s: Option<u32>,
        ids: impl ExactSizeIterator<Item = Id>,
    ) -> Self {
        let mut many = Self {
            source,
            floor_s,
            ids: VecDeque::with_capacity(ids.len()),
            index: Index::with_capacity(ids.len()),
        };
        for id in ids {
            many.ids.push_back(bytes_of(id));
            many.index.insert(id.1);
        }
        many
    }

    /// Number of ids held.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Asks for what [`Self::admit`] reads of an id that is about to come, and of the one it may push out.
    pub fn fetch(&self, hash: u64) {
        self.index.fetch(hash);
        if let Some(newest) = self.ids.back() {
            fetch_one(newest);
        }
        if let Some(oldest) = self.ids.front() {
            self.index.fetch(id_of(*oldest).1);
        }
    }

    /// Second and hash of each id, in ascending order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Id> + '_ {
        self.ids.iter().map(|bytes| id_of(*bytes))
    }

    /// As `Ids::admit`.
    pub fn admit(&mut self, hash: u64, ts_ms: i64, memory: Memory) -> Admitted {
        let horizon_s = seconds(memory.horizon_ms);
        let before = self.len();
        while self.len() > IDS_KEPT_MIN
            && self.ids.front().is_some_and(|id| id_of(*id).0 < horizon_s)
        {
            self.forget_oldest();
        }
        let mut forgot = self.len() < before;
        if self.index.holds(hash) {
            return Admitted { seen: Seen::Before, forgot };
        }
        if ts_ms <= floor_ms(self.floor_s) {
            return Admitted { seen: Seen::Unknowable, forgot };
        }
        self.remember((seconds(ts_ms), hash));
        while self.len() > memory.ids_max.max(IDS_KEPT_MIN) {
            self.forget_oldest();
            forgot = true;
        }
        Admitted { seen: Seen::New, forgot }
    }

    fn remember(&mut self, id: Id) {
        if self.ids.len() == self.ids.capacity() {
            // by an eighth: doubling would leave a quarter of all such memory empty
            self.ids.reserve_exact(self.ids.len() / 8 + 1);
        }
        match self.ids.back() {
            Some(last) if id_of(*last) > id => {
                // mostly by a second or two: near the end, where the cache has just been
                let later = self.ids.iter().rev().take(NEAR).take_while(|held| id_of(**held) > id);
                let at = match later.count() {
                    NEAR => self.ids.partition_point(|held| id_of(*held) < id),
                    later => self.ids.len() - later,
                };
                self.ids.insert(at, bytes_of(id));
            }
            _ => self.ids.push_back(bytes_of(id)),
        }
        self.index.insert(id.1);
    }

    fn forget_oldest(&mut self) {
        let Some((second, hash)) = self.ids.pop_front().map(id_of) else {
            return;
        };
        self.index.remove(hash);
        self.floor_s = self.floor_s.max(Some(second));
    }
}
