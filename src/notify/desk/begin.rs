//! How a receiver begins: with what is on, not with history.

use std::collections::BTreeSet;

use super::{Desk, Manner, Open, Standing};
use crate::notify::route::addressees;
use crate::notify::{Letter, is_on};
use crate::wire::alert::AlertWord;

impl Desk {
    /// Begins with the last transition of each alert. What the desk already knows (from the generation before this one) is not
    /// told again; what it knows and is not on any more is told as resolved. The rest falls due: machines are told with the next
    /// [`Desk::tick`], people find the rest in the next digest: to be
    /// called for everything at once helps nobody.
    pub fn begin(&mut self, mut last: Vec<AlertWord>, now_ms: i64) -> Vec<Letter> {
        last.retain(is_on);
        last.sort_by(|a, b| (a.raised_ms, &a.alert_id).cmp(&(b.raised_ms, &b.alert_id)));
        let on: BTreeSet<&str> = last.iter().map(|word| word.alert_id.as_str()).collect();
        let known = self.opens.iter().filter(|((id, _), _)| !on.contains(id.as_str()));
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
            for key in known {
                if let Some(standing) = self.opens.get(&key).map(|open| open.standing) {
                    self.put(key, Open { standing, word: word.clone() });
                }
            }
            return Vec::new();
        }
        if self.manner() != Manner::People {
            // to be told at once, but written down before: a receiver that is away now begins only once
            if let Some(key) = self.new_key(&word) {
                let quiet_ms = word.due_ms.filter(|_| word.call && self.manner() == Manner::State);
                let due_ms = quiet_ms.unwrap_or(now_ms).max(now_ms);
                self.put(key, Open { standing: Standing::Held { due_ms }, word });
            }
            return Vec::new();
        }
        if word.call && word.due_ms.is_some_and(|due_ms| due_ms > now_ms) {
            return self.hear(&word, now_ms);
        }
        let due_ms = self.digest_after(now_ms);
        for to in addressees(&word, &self.receivers, self.receiver()) {
            let open = Open { standing: Standing::Listing { due_ms }, word: word.clone() };
            self.put((word.alert_id.clone(), to), open);
        }
        Vec::new()
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
