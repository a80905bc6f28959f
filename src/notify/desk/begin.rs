//! How a receiver begins: with what is on, not with history.

use std::collections::BTreeSet;

use super::{Desk, Key, Manner, Open, Standing, pin};
use crate::notify::route::addressees;
use crate::notify::{Letter, is_on};
use crate::wire::alert::AlertWord;

impl Desk {
    /// Begins with the last transition of each alert. What the desk already knows (from the generation before this one) is not
    /// told again; what it knows and is not on any more is told as resolved. The rest falls due: machines are told with the next
    /// [`Desk::tick`], people find the rest in the next digest: to be
    /// called for everything at once helps nobody.
    pub fn begin(&mut self, mut last: Vec<AlertWord>, now_ms: i64) -> Vec<Letter> {
        // what is put off is not over: who was told of it is not told that it is
        last.retain(|word| is_on(word) || word.phase == "snoozed");
        last.sort_by(|a, b| (a.raised_ms, &a.alert_id).cmp(&(b.raised_ms, &b.alert_id)));
        let there: BTreeSet<&str> = last.iter().map(|word| word.alert_id.as_str()).collect();
        let known = self.opens.iter().filter(|((id, _), _)| !there.contains(id.as_str()));
        let gone: Vec<AlertWord> = known.map(|(_, open)| over(&open.word, now_ms)).collect();
        let mut letters: Vec<Letter> = Vec::new();
        for word in gone {
            letters.extend(self.hear(&word, now_ms));
        }
        for word in last {
            letters.extend(self.meet(word, now_ms));
        }
        letters
    }

    fn meet(&mut self, word: AlertWord, now_ms: i64) -> Vec<Letter> {
        let known = self.of(&word.alert_id);
        if !known.is_empty() {
            let again = |key| self.meet_again(key, &word, now_ms);
            return known.into_iter().filter_map(again).collect();
        }
        if !is_on(&word) {
            return Vec::new();
        }
        if self.manner() != Manner::People {
            // to be told at once, but written down before: a receiver that is away now begins only once
            if let Some(key) = self.new_key(&word) {
                let quiet_ms = word.due_ms.filter(|_| word.call && self.manner() == Manner::State);
                let due_ms = quiet_ms.unwrap_or(now_ms).max(now_ms);
                return self.put_off(key, Standing::Held { due_ms }, word).into_iter().collect();
            }
            return Vec::new();
        }
        if word.call && word.due_ms.is_some_and(|due_ms| due_ms > now_ms) {
            return self.hear(&word, now_ms);
        }
        let due_ms = self.digest_after(now_ms);
        let standing = Standing::Listing { due_ms };
        let all = addressees(&word, &self.receivers, self.receiver()).into_iter();
        let put_off = |to| self.put_off((word.alert_id.clone(), to), standing, word.clone());
        all.filter_map(put_off).collect()
    }

    /// An alert that the desk knows: its last transition takes the place of the one that was told.
    fn meet_again(&mut self, key: Key, word: &AlertWord, now_ms: i64) -> Option<Letter> {
        let before = self.opens.get(&key)?.clone();
        let mut word = word.clone();
        let manner = self.manner();
        if manner == Manner::State {
            pin(&mut word, &before.word);
        }
        let on = is_on(&word);
        let ends = manner == Manner::State && !on && before.standing == Standing::Told;
        let letter = ends.then(|| Letter::about(&word, &key.1));
        let standing = match (manner, before.standing) {
            (Manner::State, _) if !on => Standing::Silent,
            // it was put off or taken, and is on again
            (Manner::State, Standing::Silent) => Standing::Held { due_ms: now_ms },
            (Manner::People, Standing::Silent) if word.phase == "firing" => {
                Standing::Listing { due_ms: self.digest_after(now_ms) }
            }
            (Manner::State | Manner::Stream, standing) => standing,
            (Manner::People, standing) => self.standing_after(standing, &word, now_ms)?,
        };
        self.put(key, Open { standing, word });
        letter
    }
}

/// The end of an alert that nobody wrote: its generation is not the current one any more.
fn over(word: &AlertWord, now_ms: i64) -> AlertWord {
    AlertWord {
        n: word.n + 1,
        what: "resolved".to_owned(),
        phase: "resolved".to_owned(),
        by_kind: "signals".to_owned(),
        by: String::new(),
        note: String::new(),
        call: false,
        at_ms: now_ms,
        detected_ms: now_ms,
        due_ms: None,
        ..word.clone()
    }
}
