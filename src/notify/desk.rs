//! What one receiver has been told, and what it is to be told next.
//!
//! A function of the transitions, the clock and what it decided before: the decisions are records ([`super::record`]), written
//! together with how far the transitions were read, so that a restart goes on as if nothing had happened.

mod begin;
mod due;
mod parked;
mod room;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::budget::Spent;
use super::record::Entry;
use super::route::addressees;
use super::{Letter, is_on, is_over, when};
use crate::plan::{Receiver, Receivers, Way};
use crate::wire::alert::AlertWord;

/// An alert and whom it was for.
pub type Key = (String, String);

/// How an addressee stands to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Told of it.
    Told,
    /// To be called, but not before this time (quiet hours).
    Held {
        /// When, milliseconds.
        due_ms: i64,
    },
    /// To stand in the digest of this time.
    Listing {
        /// When, milliseconds.
        due_ms: i64,
    },
    /// Was in a digest.
    Listed,
    /// Was in a digest and is over: to stand in the digest of this time as over.
    Ending {
        /// When, milliseconds.
        due_ms: i64,
    },
    /// Not told, and no call is due: somebody took it, or put it off, before.
    Silent,
}

/// An alert that an addressee has to do with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// How the addressee stands to it.
    pub standing: Standing,
    /// Its last transition.
    pub word: AlertWord,
}

/// How a receiver wants alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// As they stand (Alertmanager): told of what is on, told again until it is not.
    State,
    /// Every transition (a machine's webhook).
    Stream,
    /// As people do: calls within a budget, in quiet hours none, the rest in a digest.
    People,
}

/// The desk of one receiver.
#[derive(Clone, Debug)]
pub struct Desk {
    receivers: Arc<Receivers>,
    at: usize,
    pipeline: String,
    opens: BTreeMap<Key, Open>,
    spent: BTreeMap<String, Spent>,
    /// Every time in `opens`, earliest first.
    dues: BTreeSet<(i64, Key)>,
    /// What changed since it was last taken.
    changed: BTreeSet<Entry>,
    suppressed: u64,
    full: Full,
    /// Letters that were decided and written down before they are sent, by number.
    parked: BTreeMap<u64, Letter>,
}

/// What became of alerts for which there was no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Full {
    /// Told, and forgotten: their ends are not told.
    pub forgotten: u64,
    /// Told at once, though it would have waited for the end of quiet hours or the digest.
    pub hurried: u64,
}

impl Desk {
    /// The desk of receiver number `at`, which knows nothing yet. `None` where there is no such receiver.
    #[must_use]
    pub fn new(receivers: Arc<Receivers>, at: usize) -> Option<Self> {
        receivers.receivers.get(at)?;
        Some(Self {
            receivers,
            at,
            pipeline: String::new(),
            opens: BTreeMap::new(),
            spent: BTreeMap::new(),
            dues: BTreeSet::new(),
            changed: BTreeSet::new(),
            suppressed: 0,
            full: Full::default(),
            parked: BTreeMap::new(),
        })
    }

    /// The desk for alerts of this pipeline: the ids of its digests say so, for another pipeline's desk may have one for the same
    /// owner and time.
    #[must_use]
    pub fn of_pipeline(mut self, pipeline: &str) -> Self {
        pipeline.clone_into(&mut self.pipeline);
        self
    }

    /// The receiver.
    #[must_use]
    pub fn receiver(&self) -> &Receiver {
        &self.receivers.receivers[self.at]
    }

    fn manner(&self) -> Manner {
        match (&self.receiver().way, self.receiver().budget) {
            (Way::Alertmanager { .. }, _) => Manner::State,
            (Way::Webhook { .. }, None) => Manner::Stream,
            _ => Manner::People,
        }
    }

    /// Takes a transition; what is to be sent for it now, in this order. A transition that was taken before gives nothing.
    pub fn hear(&mut self, word: &AlertWord, now_ms: i64) -> Vec<Letter> {
        if matches!(word.what.as_str(), "pending" | "withdrawn") {
            return Vec::new();
        }
        match self.manner() {
            Manner::State => self.state(word, now_ms),
            Manner::Stream => self.stream(word),
            Manner::People if word.call => self.call(word, now_ms),
            Manner::People => self.follow(word, now_ms),
        }
    }

    /// For a receiver that mirrors what is on.
    fn state(&mut self, word: &AlertWord, now_ms: i64) -> Vec<Letter> {
        let open = self.of(&word.alert_id).into_iter().next();
        let Some(key) = open.or_else(|| self.new_key(word)) else { return Vec::new() };
        let before = self.opens.get(&key).cloned();
        if before.as_ref().is_some_and(|open| open.word.n >= word.n) {
            return Vec::new();
        }
        let mut word = word.clone();
        if let Some(open) = &before {
            pin(&mut word, &open.word);
        }
        let told = before.as_ref().is_some_and(|open| open.standing == Standing::Told);
        let letter = Letter::about(&word, &key.1);
        if is_on(&word) {
            // quiet hours hold for what happens in them too: to Alertmanager it would be a new alert
            let held_ms = before.and_then(|open| due_of(open.standing));
            let due_ms = if word.call && !told { word.due_ms } else { held_ms };
            let due_ms = due_ms.filter(|due_ms| *due_ms > now_ms);
            if let Some(due_ms) = due_ms {
                return self.put_off(key, Standing::Held { due_ms }, word).into_iter().collect();
            }
            self.put(key, Open { standing: Standing::Told, word });
            return vec![letter];
        }
        if is_over(&word) {
            self.remove(&key);
        } else {
            self.put(key, Open { standing: Standing::Silent, word });
        }
        if told { vec![letter] } else { Vec::new() }
    }

    /// For a receiver that takes every transition.
    fn stream(&mut self, word: &AlertWord) -> Vec<Letter> {
        let open = self.of(&word.alert_id).into_iter().next();
        let known = open.is_some();
        let Some(key) = open.or_else(|| self.new_key(word)) else { return Vec::new() };
        let again = self.opens.get(&key).is_some_and(|open| open.word.n >= word.n);
        // an end of what was never told is no news
        if again || (is_over(word) && !known) {
            return Vec::new();
        }
        let letter = Letter::about(word, &key.1);
        if is_over(word) {
            self.remove(&key);
        } else {
            self.put(key, Open { standing: Standing::Told, word: word.clone() });
        }
        vec![letter]
    }

    /// People are to be called.
    fn call(&mut self, word: &AlertWord, now_ms: i64) -> Vec<Letter> {
        let mut letters = Vec::new();
        for to in addressees(word, &self.receivers, self.receiver()) {
            let key = (word.alert_id.clone(), to);
            if self.opens.get(&key).is_some_and(|open| open.word.n >= word.n) {
                continue;
            }
            if word.catch_up {
                let due_ms = self.digest_after(now_ms);
                letters.extend(self.put_off(key, Standing::Listing { due_ms }, word.clone()));
            } else if let Some(due_ms) = word.due_ms.filter(|due_ms| *due_ms > now_ms) {
                letters.extend(self.put_off(key, Standing::Held { due_ms }, word.clone()));
            } else {
                letters.extend(self.call_now(key, word, now_ms));
            }
        }
        letters
    }

    /// Calls, if the budget allows; else it goes into the digest.
    fn call_now(&mut self, key: Key, word: &AlertWord, now_ms: i64) -> Option<Letter> {
        let may = match self.receiver().budget {
            None => true,
            Some(budget) => {
                let day = when::day(&self.receivers.zone, now_ms);
                self.changed.insert(Entry::Spent(key.1.clone()));
                let spent = self.spent.entry(key.1.clone()).or_default();
                spent.ask(&day, word.at_risk_minor, budget)
            }
        };
        if may {
            let letter = Letter::about(word, &key.1);
            self.put(key, Open { standing: Standing::Told, word: word.clone() });
            return Some(letter);
        }
        self.suppressed += 1;
        let due_ms = self.digest_after(now_ms);
        self.put_off(key, Standing::Listing { due_ms }, word.clone())
    }

    /// What happened to an alert, for those who have to do with it.
    fn follow(&mut self, word: &AlertWord, now_ms: i64) -> Vec<Letter> {
        let mut letters = Vec::new();
        for key in self.of(&word.alert_id) {
            let Some(open) = self.opens.get(&key).filter(|open| open.word.n < word.n) else {
                continue;
            };
            if open.standing == Standing::Told && self.follows(word) {
                letters.push(Letter::about(word, &key.1));
            }
            match self.standing_after(open.standing, word, now_ms) {
                Some(standing) => self.put(key, Open { standing, word: word.clone() }),
                None => self.remove(&key),
            }
        }
        letters
    }

    /// `None`: there is nothing more to tell.
    fn standing_after(&self, before: Standing, word: &AlertWord, now_ms: i64) -> Option<Standing> {
        match (before, is_over(word)) {
            (Standing::Listed, true) => {
                Some(Standing::Ending { due_ms: self.digest_after(now_ms) })
            }
            (Standing::Ending { .. }, true) => Some(before),
            (_, true) => None,
            (Standing::Ending { .. }, false) => Some(Standing::Listed),
            // whoever took it or put it off needs no call for it
            (Standing::Held { .. }, false) if word.phase != "firing" => Some(Standing::Silent),
            (_, false) => Some(before),
        }
    }

    /// Whether this kind of receiver wants to know what happened afterwards.
    fn follows(&self, word: &AlertWord) -> bool {
        match &self.receiver().way {
            // a mail for each move would be a flood; what matters is that it is over
            Way::Email(_) => is_over(word),
            _ => true,
        }
    }

    fn new_key(&self, word: &AlertWord) -> Option<Key> {
        let to = addressees(word, &self.receivers, self.receiver()).into_iter().next()?;
        Some((word.alert_id.clone(), to))
    }

    /// Everybody who has to do with an alert.
    fn of(&self, alert_id: &str) -> Vec<Key> {
        let from = (alert_id.to_owned(), String::new());
        let keys = self.opens.range(from..).map(|(key, _)| key);
        keys.take_while(|key| key.0 == alert_id).cloned().collect()
    }

    fn digest_after(&self, now_ms: i64) -> i64 {
        when::next(&self.receivers.zone, self.receiver().digest_min, now_ms)
    }

    fn put(&mut self, key: Key, open: Open) {
        if !self.has_room(&key) {
            self.full.forgotten += 1;
            return;
        }
        self.enter(key, open);
    }

    fn enter(&mut self, key: Key, open: Open) {
        self.remove(&key);
        if let Some(due_ms) = due_of(open.standing) {
            self.dues.insert((due_ms, key.clone()));
        }
        self.opens.insert(key, open);
    }

    fn remove(&mut self, key: &Key) {
        self.changed.insert(Entry::Open(key.clone()));
        if let Some(open) = self.opens.remove(key)
            && let Some(due_ms) = due_of(open.standing)
        {
            self.dues.remove(&(due_ms, key.clone()));
        }
    }

    /// What a receiver of state is to hear again before it forgets it, in the order of the ids.
    pub fn on(&self) -> impl Iterator<Item = &AlertWord> {
        let told = self.opens.values().filter(|open| open.standing == Standing::Told);
        told.map(|open| &open.word).filter(|word| is_on(word))
    }

    /// Alerts remembered.
    #[must_use]
    pub fn opens(&self) -> usize {
        self.opens.len()
    }

    /// How an addressee stands to an alert.
    #[must_use]
    pub fn standing(&self, alert_id: &str, to: &str) -> Option<Standing> {
        let open = self.opens.get(&(alert_id.to_owned(), to.to_owned()));
        open.map(|open| open.standing)
    }

    /// Calls that the budget held back, and what there was no room for, since this was last asked.
    pub fn take_counts(&mut self) -> (u64, Full) {
        (std::mem::take(&mut self.suppressed), std::mem::take(&mut self.full))
    }

    /// Whether something changed since that was last taken.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// What changed since this was last asked: each entry as it stands now, `None` where it is gone.
    pub fn take_changes(&mut self) -> Vec<(Entry, Option<Vec<u8>>)> {
        let changed = std::mem::take(&mut self.changed);
        let value = |entry: &Entry| match entry {
            Entry::Open(key) => {
                self.opens.get(key).map(|open| serde_json::to_vec(open).unwrap_or_default())
            }
            Entry::Spent(to) => {
                self.spent.get(to).map(|spent| serde_json::to_vec(spent).unwrap_or_default())
            }
            Entry::Parked(number) => {
                self.parked.get(number).map(|letter| serde_json::to_vec(letter).unwrap_or_default())
            }
        };
        changed.into_iter().map(|entry| (value(&entry), entry)).map(|(v, e)| (e, v)).collect()
    }

    /// What was read is another generation's: all of it is to be written again, in this one.
    pub fn adopt(&mut self) {
        self.changed.extend(self.opens.keys().cloned().map(Entry::Open));
        self.changed.extend(self.spent.keys().cloned().map(Entry::Spent));
        self.changed.extend(self.parked.keys().copied().map(Entry::Parked));
    }

    /// Takes an entry back, as it was written; `None`: it is gone.
    ///
    /// # Errors
    /// When this version cannot read it.
    pub fn restore(&mut self, entry: Entry, value: Option<&[u8]>) -> Result<(), String> {
        let told = |error: serde_json::Error| error.to_string();
        match entry {
            Entry::Open(key) => {
                self.remove(&key);
                if let Some(value) = value {
                    // without a look at the room: partitions come back in any order
                    self.enter(key, serde_json::from_slice(value).map_err(told)?);
                }
            }
            Entry::Spent(to) => match value {
                Some(value) => {
                    self.spent.insert(to, serde_json::from_slice(value).map_err(told)?);
                }
                None => drop(self.spent.remove(&to)),
            },
            Entry::Parked(number) => match value {
                Some(value) => {
                    self.parked.insert(number, serde_json::from_slice(value).map_err(told)?);
                }
                None => drop(self.parked.remove(&number)),
            },
        }
        self.changed.clear();
        Ok(())
    }
}

fn due_of(standing: Standing) -> Option<i64> {
    match standing {
        Standing::Held { due_ms } | Standing::Listing { due_ms } | Standing::Ending { due_ms } => {
            Some(due_ms)
        }
        Standing::Told | Standing::Listed | Standing::Silent => None,
    }
}

/// What Alertmanager knows an alert by must stay as it was when it was first told: else it would be another alert.
fn pin(word: &mut AlertWord, first: &AlertWord) {
    word.severity.clone_from(&first.severity);
    word.owner_id.clone_from(&first.owner_id);
    word.account_id.clone_from(&first.account_id);
    word.region.clone_from(&first.region);
    word.tier.clone_from(&first.tier);
    word.catch_up = first.catch_up;
}
