//! What the customer looks at and never bought, and how many categories were bought.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use super::fetch::fetch;
use crate::model::time::{DAY_MS, NEVER_MS};
use crate::signal::moment::first_ms;

/// Categories watched. With more of them the least watched gives way, and its count goes to the newcomer (Metwally,
/// Agrawal, El Abbadi, "space saving", ICDT 2005): counts are then too high, never too low.
pub const WATCHED_MAX: usize = 16;
/// Categories bought that are held one by one; beyond, their number is estimated.
pub const BOUGHT_MAX: usize = 32;

/// Half-life of a view, days.
pub const VIEW_HALF_LIFE_D: f64 = 14.0;
/// Landmarks as in [`super::sums`]: one step holds 146 half-lives.
const GRID_MS: i64 = 2_048 * DAY_MS;
/// Days after which no float holds anything of a view.
const FORGOTTEN_D: i64 = 31_000;

/// The key of a category: the low half of its text's xxh3-64. Two of a customer's categories (at most 48 are held) are
/// taken for one with a probability of 3e-7.
pub fn category_key(text: &str) -> u32 {
    xxh3_64(text.as_bytes()) as u32
}

/// Bytes of a watched category: its key, then its views at the landmark as a float, both little endian.
const WATCHED: usize = 12;
/// Bytes of the key of a bought category.
const BOUGHT: usize = 4;
/// Bytes before them: the landmark in steps of the grid, the number watched, the number bought.
const HEAD: usize = 3;
/// A number bought that says: instead of keys there is a bit for each of 128 classes of categories.
const MANY: u8 = u8::MAX;
/// Bytes of those bits.
const CLASSES: usize = 16;

/// Everything about categories, in one allocation: the head, what is watched and what was bought, each by category.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Intents {
    bytes: Box<[u8]>,
}

/// What a view is worth at a moment, from a landmark.
fn weight(from_ms: i64, to_ms: i64) -> f64 {
    libm::exp2((to_ms - from_ms) as f64 / (VIEW_HALF_LIFE_D * DAY_MS as f64))
}

/// Byte and bit of a category's class.
fn class(category: u32) -> (usize, u8) {
    (category as usize >> 3 & 15, 1 << (category & 7))
}

fn key_of(held: &[u8]) -> u32 {
    held.first_chunk().map_or(0, |key| u32::from_le_bytes(*key))
}

fn value_of(held: &[u8; WATCHED]) -> f64 {
    held.last_chunk().map_or(0.0, |value| f64::from_le_bytes(*value))
}

fn watched_of(category: u32, value: f64) -> [u8; WATCHED] {
    let mut held = [0; WATCHED];
    held[..BOUGHT].copy_from_slice(&category.to_le_bytes());
    held[BOUGHT..].copy_from_slice(&value.to_le_bytes());
    held
}

impl Intents {
    /// Whether nothing was looked at or bought.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Asks for the bytes.
    pub fn fetch(&self) {
        fetch(&self.bytes);
    }

    /// Takes a look at a category in ([`category_key`]); nothing if it was ever bought, be it later.
    pub fn view(&mut self, ts_ms: i64, category: u32) {
        self.move_landmark(ts_ms);
        if self.has_bought(category) {
            return;
        }
        let y = weight(self.landmark_ms(), ts_ms);
        let watched = self.watched_mut();
        let at = match watched.binary_search_by_key(&category, |held| key_of(held)) {
            Ok(at) => {
                watched[at] = watched_of(category, value_of(&watched[at]) + y);
                return;
            }
            Err(at) => at,
        };
        if watched.len() < WATCHED_MAX {
            self.bytes[1] += 1;
            self.replace(HEAD + at * WATCHED, 0, &watched_of(category, y));
            return;
        }
        let least = (0..watched.len())
            .min_by(|&a, &b| value_of(&watched[a]).total_cmp(&value_of(&watched[b])));
        if let Some(least) = least {
            let value = value_of(&watched[least]) + y;
            // those between the place that becomes free and the newcomer's move by one
            let to = at - usize::from(least < at);
            if least < to {
                watched[least..=to].rotate_left(1);
            } else {
                watched[to..=least].rotate_right(1);
            }
            watched[to] = watched_of(category, value);
        }
    }

    /// Takes the purchase of a category in: it is no longer watched. Returns whether it is the first of the category,
    /// as far as is known.
    pub fn buy(&mut self, category: u32) -> bool {
        self.make_head();
        if let Ok(at) = self.watched_held().binary_search_by_key(&category, |held| key_of(held)) {
            self.bytes[1] -= 1;
            self.replace(HEAD + at * WATCHED, WATCHED, &[]);
        }
        let from = self.bought_from();
        if self.bytes[2] == MANY {
            let (byte, bit) = class(category);
            let held = &mut self.bytes[from + byte];
            let new = *held & bit == 0;
            *held |= bit;
            return new;
        }
        let few = self.bought_held();
        let Err(at) = few.binary_search_by_key(&category, |key| key_of(key)) else {
            return false;
        };
        if few.len() < BOUGHT_MAX {
            self.bytes[2] += 1;
            self.replace(from + at * BOUGHT, 0, &category.to_le_bytes());
            return true;
        }
        let mut classes = [0; CLASSES];
        for category in few.iter().map(|key| key_of(key)).chain([category]) {
            let (byte, bit) = class(category);
            classes[byte] |= bit;
        }
        self.bytes[2] = MANY;
        self.replace(from, self.bytes.len() - from, &classes);
        true
    }

    /// Whether a category was bought. With more than [`BOUGHT_MAX`] of them one that shares its class with a bought one
    /// counts as bought too.
    pub fn has_bought(&self, category: u32) -> bool {
        match self.classes() {
            Some(classes) => {
                let (byte, bit) = class(category);
                classes[byte] & bit != 0
            }
            None => self.bought_held().binary_search_by_key(&category, |key| key_of(key)).is_ok(),
        }
    }

    /// Distinct categories bought: exact up to [`BOUGHT_MAX`], then by linear counting over 128 classes (Whang,
    /// Vander-Zanden, Taylor, ACM TODS 15(2) 1990), at most 621.
    pub fn breadth(&self) -> u32 {
        match self.classes() {
            Some(classes) => {
                let free = classes.iter().map(|byte| byte.count_zeros()).sum::<u32>().max(1);
                let estimate = 128.0 * libm::log(128.0 / f64::from(free));
                (libm::round(estimate) as u32).max(BOUGHT_MAX as u32 + 1)
            }
            None => self.bought_held().len() as u32,
        }
    }

    /// Categories watched and their decayed views at `tau_ms`, most watched first.
    pub fn watched(&self, tau_ms: i64) -> Vec<(u32, f64)> {
        let mut all: Vec<_> = self.watched_at(tau_ms).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all
    }

    /// The most watched category and its decayed views at `tau_ms`; of equals that of the smaller key.
    pub fn top(&self, tau_ms: i64) -> Option<(u32, f64)> {
        self.watched_at(tau_ms).reduce(|top, held| if held.1 > top.1 { held } else { top })
    }

    /// Decayed views of all categories watched at `tau_ms`.
    pub fn total(&self, tau_ms: i64) -> f64 {
        let sum: f64 = self.watched_held().iter().map(value_of).sum();
        sum * weight(tau_ms, self.landmark_ms())
    }

    /// Decayed views of a category at `tau_ms`.
    pub fn views(&self, category: u32, tau_ms: i64) -> f64 {
        self.watched_at(tau_ms).find(|held| held.0 == category).map_or(0.0, |held| held.1)
    }

    /// Decayed views of the most watched category at `tau_ms`; 0 when none is.
    pub fn most_watched(&self, tau_ms: i64) -> f64 {
        self.watched_at(tau_ms).map(|(_, views)| views).fold(0.0, f64::max)
    }

    /// The first moment after `after_ms` at which a category that is at `theta` views or more falls below; `NEVER_MS` when
    /// there is none.
    pub fn next_due_ms(&self, after_ms: i64, theta: f64) -> i64 {
        let end_ms = after_ms.saturating_add(FORGOTTEN_D * DAY_MS);
        let at = |value: f64, tau_ms: i64| value * weight(tau_ms, self.landmark_ms());
        let values = self.watched_held().iter().map(value_of);
        let over = values.filter(|value| at(*value, after_ms) >= theta);
        let dues = over.filter_map(|value| first_ms(after_ms, end_ms, |ms| at(value, ms) < theta));
        dues.min().unwrap_or(NEVER_MS)
    }

    fn watched_at(&self, tau_ms: i64) -> impl Iterator<Item = (u32, f64)> + '_ {
        let left = weight(tau_ms, self.landmark_ms());
        self.watched_held().iter().map(move |held| (key_of(held), value_of(held) * left))
    }

    fn watched_held(&self) -> &[[u8; WATCHED]] {
        self.bytes.get(HEAD..self.bought_from()).unwrap_or(&[]).as_chunks().0
    }

    fn watched_mut(&mut self) -> &mut [[u8; WATCHED]] {
        let to = self.bought_from();
        self.bytes.get_mut(HEAD..to).unwrap_or(&mut []).as_chunks_mut().0
    }

    /// Keys of what was bought, unless there are too many.
    fn bought_held(&self) -> &[[u8; BOUGHT]] {
        self.bytes.get(self.bought_from()..).unwrap_or(&[]).as_chunks().0
    }

    fn bought_from(&self) -> usize {
        HEAD + self.bytes.get(1).map_or(0, |count| usize::from(*count)) * WATCHED
    }

    fn classes(&self) -> Option<&[u8; CLASSES]> {
        let many = self.bytes.get(2).is_some_and(|count| *count == MANY);
        if many { self.bytes.get(self.bought_from()..)?.first_chunk() } else { None }
    }

    fn make_head(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Box::new([0; HEAD]);
        }
    }

    /// Puts bytes in the place of others, with no room to spare.
    fn replace(&mut self, at: usize, removed: usize, with: &[u8]) {
        let mut bytes = Vec::with_capacity(self.bytes.len() - removed + with.len());
        bytes.extend_from_slice(&self.bytes[..at]);
        bytes.extend_from_slice(with);
        bytes.extend_from_slice(&self.bytes[at + removed..]);
        self.bytes = bytes.into_boxed_slice();
    }

    fn landmark_ms(&self) -> i64 {
        self.bytes.first().map_or(0, |step| i64::from(*step)) * GRID_MS
    }

    fn move_landmark(&mut self, t_ms: i64) {
        self.make_head();
        let step = t_ms.div_euclid(GRID_MS).clamp(0, i64::from(u8::MAX)) as u8;
        if step > self.bytes[0] {
            let left = weight(i64::from(step) * GRID_MS, self.landmark_ms());
            for held in self.watched_mut() {
                *held = watched_of(key_of(held), value_of(held) * left);
            }
            self.bytes[0] = step;
        }
    }

    /// Back from the bytes of a state; nothing when they are none of [`Intents`].
    fn decoded(bytes: &[u8]) -> Option<Self> {
        let intents = Self { bytes: bytes.into() };
        let Some([_, watched, bought]) = bytes.first_chunk() else {
            return bytes.is_empty().then_some(intents);
        };
        let held = if *bought == MANY { CLASSES } else { usize::from(*bought) * BOUGHT };
        let sorted = intents.watched_held().is_sorted_by(|a, b| key_of(a) < key_of(b))
            && (*bought == MANY
                || intents.bought_held().is_sorted_by(|a, b| key_of(a) < key_of(b)));
        let few = usize::from(*watched) <= WATCHED_MAX
            && (*bought == MANY || usize::from(*bought) <= BOUGHT_MAX);
        let long = bytes.len() == HEAD + usize::from(*watched) * WATCHED + held;
        (few && long && sorted).then_some(intents)
    }
}

impl Serialize for Intents {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.bytes)
    }
}

impl<'de> Deserialize<'de> for Intents {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Intents;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("categories, as bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Intents, E> {
                Intents::decoded(bytes).ok_or_else(|| E::custom("broken list of categories"))
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_bytes_are_refused() {
        let mut intents = Intents::default();
        for category in [7, 3, 900, 5] {
            intents.view(0, category);
        }
        assert!(intents.buy(5) && intents.buy(4));
        let good = intents.bytes.clone();
        assert_eq!(good.len(), HEAD + 3 * WATCHED + 2 * BOUGHT);
        assert_eq!(Intents::decoded(&good), Some(intents));
        assert!((1..good.len()).all(|cut| Intents::decoded(&good[..cut]).is_none()));
        for (at, byte) in [(1, 2), (2, 1), (2, MANY), (1, 200), (HEAD, 200)] {
            let mut broken = good.clone();
            broken[at] = byte;
            assert_eq!(Intents::decoded(&broken), None, "{at}");
        }
    }
}
