//! What becomes of alerts when a receiver has more of them than its desk remembers: what was told makes room for what is yet to be
//! told, for of the one only its end is lost, of the other everything would be.

use super::{Desk, Key, Letter, Open, Standing};
use crate::wire::alert::AlertWord;

/// Alerts remembered for one receiver.
const OPENS_MAX: usize = 100_000;
/// So many make room at a time: each time all are looked through.
const LEAVE: usize = OPENS_MAX / 100;

impl Desk {
    /// Remembers what is to be told later. With no room for it, it is to be told now.
    pub(super) fn put_off(
        &mut self,
        key: Key,
        standing: Standing,
        word: AlertWord,
    ) -> Option<Letter> {
        if self.has_room(&key) {
            self.enter(key, Open { standing, word });
            return None;
        }
        self.full.hurried += 1;
        Some(Letter::about(&word, &key.1))
    }

    /// Whether there is room, after what was told longest ago has made some.
    pub(super) fn has_room(&mut self, key: &Key) -> bool {
        if self.opens.len() < OPENS_MAX || self.opens.contains_key(key) {
            return true;
        }
        let waits = |open: &Open| super::due_of(open.standing).is_some();
        let known = self.opens.iter().filter(|(_, open)| !waits(open));
        let mut known: Vec<(Option<i64>, &Key)> =
            known.map(|(key, open)| (open.word.raised_ms, key)).collect();
        known.sort_unstable();
        let leaving: Vec<Key> = known.into_iter().take(LEAVE).map(|(_, key)| key.clone()).collect();
        for key in &leaving {
            self.remove(key);
        }
        self.full.forgotten += leaving.len() as u64;
        !leaving.is_empty()
    }
}
