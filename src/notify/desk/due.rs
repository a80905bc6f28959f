//! What falls due at the desk: calls that waited for the end of quiet hours, and digests.

use std::collections::BTreeMap;

use super::{Desk, Key, Manner, Open, Standing};
use crate::notify::{Content, Digest, Letter, when};
use crate::wire::alert::AlertWord;

/// Alerts that a digest names; of the rest it says how many there are.
const DIGEST_MAX: usize = 50;

impl Desk {
    /// When something falls due next, milliseconds.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<i64> {
        self.dues.first().map(|(due_ms, _)| *due_ms)
    }

    /// What is to be sent because its time has come: calls first, the largest revenue at risk before all others, then a digest
    /// for each owner.
    pub fn tick(&mut self, now_ms: i64) -> Vec<Letter> {
        let mut due: Vec<(Key, Open)> = Vec::new();
        while let Some((due_ms, key)) = self.dues.first().filter(|(due_ms, _)| *due_ms <= now_ms) {
            let place = (*due_ms, key.clone());
            self.dues.remove(&place);
            if let Some(open) = self.opens.get(&place.1) {
                due.push((place.1, open.clone()));
            }
        }
        let (mut held, listed): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(_, open)| matches!(open.standing, Standing::Held { .. }));
        held.sort_by_key(|(key, open)| (-at_risk(&open.word), key.clone()));
        let mut letters = Vec::new();
        for (key, open) in held {
            if self.manner() == Manner::People {
                letters.extend(self.call_now(key, &open.word, now_ms));
            } else {
                letters.push(Letter::about(&open.word, &key.1));
                self.put(key, Open { standing: Standing::Told, word: open.word });
            }
        }
        letters.extend(self.digests(listed));
        letters
    }

    fn digests(&mut self, due: Vec<(Key, Open)>) -> Vec<Letter> {
        let mut by_owner: BTreeMap<String, (i64, Digest)> = BTreeMap::new();
        for (key, Open { standing, word }) in due {
            let (at_ms, digest) = by_owner.entry(key.1.clone()).or_default();
            match standing {
                Standing::Ending { due_ms } => {
                    *at_ms = due_ms.max(*at_ms);
                    self.remove(&key);
                    digest.over.push(word);
                }
                Standing::Listing { due_ms } => {
                    *at_ms = due_ms.max(*at_ms);
                    digest.on.push(word.clone());
                    self.put(key, Open { standing: Standing::Listed, word });
                }
                // nothing else falls due
                Standing::Told | Standing::Held { .. } | Standing::Listed | Standing::Silent => {}
            }
        }
        let (pipeline, name) = (self.pipeline.clone(), self.receiver().name.clone());
        let zone = self.receivers.zone.clone();
        let letter = |(to, (at_ms, mut digest)): (String, (i64, Digest))| {
            digest.cut();
            // two digests of an owner on a day have two times
            let id = format!("digest-{pipeline}-{name}-{to}-{}-{at_ms}", when::day(&zone, at_ms));
            Letter { id, to, address: None, content: Content::Digest(digest) }
        };
        by_owner.into_iter().map(letter).collect()
    }
}

impl Digest {
    fn cut(&mut self) {
        for list in [&mut self.on, &mut self.over] {
            list.sort_by(|a, b| {
                at_risk(b).cmp(&at_risk(a)).then_with(|| a.alert_id.cmp(&b.alert_id))
            });
        }
        let on = self.on.len().min(DIGEST_MAX);
        let over = self.over.len().min(DIGEST_MAX - on);
        self.left_out = self.on.len() - on + self.over.len() - over;
        self.on.truncate(on);
        self.over.truncate(over);
    }
}

fn at_risk(word: &AlertWord) -> i64 {
    word.at_risk_minor.unwrap_or(0)
}
