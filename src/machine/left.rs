//! `left` words of the signals topic, and when they are deleted: nobody needs to hear of an account that was left long
//! ago, and a compacted topic keeps what is not deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::compact::Moment;
use crate::model::effects::{SignalWord, StateChanges};
use crate::model::time::DAY_MS;
use crate::snapshot::{StateKey, write};

/// How long a `left` stands in the topic, in event time.
pub const LEFT_KEPT_MS: i64 = 30 * DAY_MS;

/// How many are remembered; beyond it the ones that stand longest are deleted before their time.
const LEFT_MAX: usize = 100_000;

/// How many a cycle deletes at most.
pub(super) const DELETED_MAX: usize = 10_000;

/// When a word is deleted: there are many of them, so in eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leaving {
    /// Event time.
    due: Moment,
    /// Length of the account's id, with which the word's key begins; what its partition is the hash of. With 0 that is the rest
    /// of the key, behind one byte.
    account_len: u16,
}

const _: () = assert!(size_of::<Leaving>() == 8);

impl Leaving {
    fn of(word: &SignalWord, due_ms: i64) -> Self {
        let own = word.key.get(1..) == Some(&word.partition_key);
        // no id of the contract is longer than a few hundred bytes
        let account_len = if own { 0 } else { word.partition_key.len() as u16 };
        Self { due: Moment::new(due_ms), account_len }
    }

    fn partition_key(self, key: &[u8]) -> Vec<u8> {
        let held = match usize::from(self.account_len) {
            0 => key.get(1..),
            len => key.get(..len),
        };
        held.unwrap_or(key).to_vec()
    }
}

/// The `left` words that stand in the topic, by key and by the time they are deleted.
#[derive(Debug, Default)]
pub(super) struct Left {
    words: BTreeMap<Arc<[u8]>, Leaving>,
    dues: BTreeSet<(Moment, Arc<[u8]>)>,
    /// Keys whose state record is to be written.
    changed: BTreeSet<Arc<[u8]>>,
}

impl Left {
    /// How many.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// A record of the state topic; `None` where it was deleted.
    pub fn restore(&mut self, key: &[u8], leaving: Option<Leaving>) {
        self.forget(key);
        if let Some(leaving) = leaving {
            let key = Arc::<[u8]>::from(key);
            self.dues.insert((leaving.due, key.clone()));
            self.words.insert(key, leaving);
        }
    }

    /// An account was left by this word at `now_ms`: it is deleted in 30 days.
    pub fn keep(&mut self, word: &SignalWord, now_ms: i64) {
        let due_ms = now_ms.saturating_add(LEFT_KEPT_MS);
        self.restore(&word.key, Some(Leaving::of(word, due_ms)));
        self.changed.insert(word.key.as_slice().into());
    }

    /// The customer belongs to the account of this word (again): what stands there now is no `left` any more.
    pub fn cancel(&mut self, word: &SignalWord) {
        if let Some((key, _)) = self.forget(&word.key) {
            self.changed.insert(key);
        }
    }

    /// The tombstone of the next word whose time has come, or of one too many.
    pub fn delete_next(&mut self, watermark_ms: i64) -> Option<SignalWord> {
        let (due, key) = self.dues.first()?;
        if due.ms() > watermark_ms && self.words.len() <= LEFT_MAX {
            return None;
        }
        let key = key.clone();
        let (_, leaving) = self.forget(&key)?;
        let partition_key = leaving.partition_key(&key);
        let word = SignalWord { key: key.to_vec(), partition_key, value: None };
        self.changed.insert(key);
        Some(word)
    }

    /// Writes the state records of what changed in the cycle.
    pub fn save(&mut self, state: &mut StateChanges) {
        for key in std::mem::take(&mut self.changed) {
            let record = StateKey::Left(&key);
            match self.words.get(&key) {
                Some(leaving) => state.put(|out| record.write(out), |out| write(leaving, out)),
                None => state.delete(|out| record.write(out)),
            }
        }
    }

    fn forget(&mut self, key: &[u8]) -> Option<(Arc<[u8]>, Leaving)> {
        let (key, leaving) = self.words.remove_entry(key)?;
        let due = (leaving.due, key);
        self.dues.remove(&due);
        Some((due.1, leaving))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn word(key: &str) -> SignalWord {
        SignalWord { key: key.into(), partition_key: b"a".to_vec(), value: Some(vec![1]) }
    }

    #[test]
    fn words_go_when_their_time_has_come_and_not_before() {
        let mut left = Left::default();
        left.keep(&word("a\0c1"), 5);
        left.keep(&word("a\0c2"), 3);
        left.keep(&word("a\0c3"), 4);
        // left again, and returned
        left.keep(&word("a\0c2"), 9);
        left.cancel(&word("a\0c3"));
        assert_eq!(left.delete_next(5 + LEFT_KEPT_MS - 1), None);
        let gone = left.delete_next(5 + LEFT_KEPT_MS).unwrap();
        assert_eq!((gone.key.as_slice(), gone.value), (&b"a\0c1"[..], None));
        assert_eq!(gone.partition_key, b"a");
        assert_eq!(left.delete_next(5 + LEFT_KEPT_MS), None);
        let mut state = StateChanges::default();
        left.save(&mut state);
        let records: Vec<_> = state.iter().map(|(key, value)| (key, value.is_some())).collect();
        assert_eq!(records, [(&b"la\0c1"[..], false), (b"la\0c2", true), (b"la\0c3", false)]);
        assert_eq!((left.len(), left.dues.len()), (1, 1));
    }

    #[test]
    fn the_partition_is_that_of_the_account_or_without_one_of_the_customer() {
        for (key, partition) in [(&b"a\0c"[..], &b"a"[..]), (b"\0c", b"c"), (b"c\0c", b"c")] {
            let word = SignalWord { key: key.into(), partition_key: partition.into(), value: None };
            let mut left = Left::default();
            left.keep(&word, 0);
            assert_eq!(left.delete_next(LEFT_KEPT_MS), Some(word));
        }
    }

    #[test]
    fn too_many_are_deleted_before_their_time() {
        let mut left = Left::default();
        for n in 0..LEFT_MAX as i64 + 2 {
            left.keep(&word(&format!("a\0{n}")), n);
        }
        let gone: Vec<_> = std::iter::from_fn(|| left.delete_next(0)).map(|w| w.key).collect();
        assert_eq!(gone, [b"a\x000", b"a\x001"]);
        assert_eq!(left.len(), LEFT_MAX);
    }
}
