//! A part of a subject that rules may be raised about: a customer's open ticket. Its id is remembered as a text, since a rule
//! that time alone raises must name it, and when its rules must be looked at again.

use serde::{Deserialize, Serialize};

use super::Alerts;
use crate::model::time::BEFORE_ALL_MS;

/// One part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    /// The hash of its id, as bytes, which need no padding.
    hash: [u8; 8],
    id: Box<str>,
    /// When its rules must be looked at again, as far as that is known. Follows from the rest, so it is no part of the state.
    #[serde(skip, default = "before_all")]
    due_ms: i64,
}

fn before_all() -> i64 {
    BEFORE_ALL_MS
}

/// Of the state, without what follows from it.
impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        (self.hash, &self.id) == (other.hash, &other.id)
    }
}

impl Part {
    fn hash(&self) -> u64 {
        u64::from_be_bytes(self.hash)
    }

    /// About how many bytes its state has.
    pub(super) fn bytes_guess(&self) -> usize {
        10 + self.id.len()
    }
}

impl Alerts {
    fn place_of(&self, hash: u64) -> Result<usize, usize> {
        self.parts.binary_search_by_key(&hash, Part::hash)
    }

    fn part(&self, hash: u64) -> Option<&Part> {
        Some(&self.parts[self.place_of(hash).ok()?])
    }

    /// Remembers a part's id; there are no more of them than the caller knows parts.
    pub fn remember_part(&mut self, hash: u64, id: &str) {
        if let Err(at) = self.place_of(hash) {
            let part = Part { hash: hash.to_be_bytes(), id: id.into(), due_ms: BEFORE_ALL_MS };
            self.parts.insert(at, part);
        }
    }

    /// Forgets a part's id.
    pub fn forget_part(&mut self, hash: u64) {
        if let Ok(at) = self.place_of(hash) {
            self.parts.remove(at);
        }
    }

    /// Forgets the ids of all parts that are not `kept`.
    pub fn retain_parts(&mut self, mut kept: impl FnMut(u64) -> bool) {
        self.parts.retain(|part| kept(part.hash()));
    }

    /// How many parts are remembered by their ids.
    pub fn parts_len(&self) -> usize {
        self.parts.len()
    }

    /// A part's id, where it is remembered.
    pub fn part_id(&self, hash: u64) -> Option<&str> {
        self.part(hash).map(|part| &*part.id)
    }

    /// When a part's rules must be looked at again; [`BEFORE_ALL_MS`] where that is not known.
    pub fn part_due_ms(&self, hash: u64) -> i64 {
        self.part(hash).map_or(BEFORE_ALL_MS, |part| part.due_ms)
    }

    /// Notes when a part's rules must be looked at again, where its id is remembered.
    pub fn set_part_due_ms(&mut self, hash: u64, due_ms: i64) {
        if let Ok(at) = self.place_of(hash) {
            self.parts[at].due_ms = due_ms;
        }
    }
}
