//! What the customer looks at and never bought, and how many categories were bought.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::moment::first_ms;
use crate::model::time::{DAY_MS, NEVER_MS};

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

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Watched {
    category: u32,
    /// Views at the landmark.
    value: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Bought {
    /// Sorted.
    Few(Vec<u32>),
    /// A bit for each of 128 classes of categories.
    Many([u64; 2]),
}

/// Everything about categories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intents {
    /// By category.
    watched: Vec<Watched>,
    bought: Bought,
    /// The landmark, in steps of the grid.
    step: u8,
}

const _: () = assert!(size_of::<Intents>() <= 56 && size_of::<Watched>() <= 16);

impl Default for Intents {
    fn default() -> Self {
        Self { watched: Vec::new(), bought: Bought::Few(Vec::new()), step: 0 }
    }
}

/// What a view is worth at a moment, from a landmark.
fn weight(from_ms: i64, to_ms: i64) -> f64 {
    libm::exp2((to_ms - from_ms) as f64 / (VIEW_HALF_LIFE_D * DAY_MS as f64))
}

fn class(category: u32) -> (usize, u64) {
    (category as usize >> 6 & 1, 1 << (category & 63))
}

impl Intents {
    /// Takes a look at a category in ([`category_key`]); nothing if it was ever bought, be it later.
    pub fn view(&mut self, ts_ms: i64, category: u32) {
        self.move_landmark(ts_ms);
        if self.has_bought(category) {
            return;
        }
        let y = weight(self.landmark_ms(), ts_ms);
        let at = match self.watched.binary_search_by_key(&category, |held| held.category) {
            Ok(at) => {
                self.watched[at].value += y;
                return;
            }
            Err(at) => at,
        };
        if self.watched.len() < WATCHED_MAX {
            if self.watched.is_empty() {
                self.watched.reserve_exact(1);
            }
            self.watched.insert(at, Watched { category, value: y });
            return;
        }
        let least = (0..self.watched.len())
            .min_by(|&a, &b| self.watched[a].value.total_cmp(&self.watched[b].value));
        if let Some(least) = least {
            let value = self.watched.remove(least).value + y;
            self.watched.insert(at - usize::from(least < at), Watched { category, value });
        }
    }

    /// Takes the purchase of a category in: it is no longer watched. Returns whether it is the first of the category,
    /// as far as is known.
    pub fn buy(&mut self, category: u32) -> bool {
        if let Ok(at) = self.watched.binary_search_by_key(&category, |held| held.category) {
            self.watched.remove(at);
        }
        let few = match &mut self.bought {
            Bought::Many(classes) => {
                let (word, bit) = class(category);
                let new = classes[word] & bit == 0;
                classes[word] |= bit;
                return new;
            }
            Bought::Few(few) => few,
        };
        let Err(at) = few.binary_search(&category) else {
            return false;
        };
        if few.is_empty() {
            few.reserve_exact(1);
        }
        few.insert(at, category);
        if few.len() > BOUGHT_MAX {
            let mut classes = [0; 2];
            for category in few {
                let (word, bit) = class(*category);
                classes[word] |= bit;
            }
            self.bought = Bought::Many(classes);
        }
        true
    }

    /// Whether a category was bought. With more than [`BOUGHT_MAX`] of them one that shares its class with a bought one
    /// counts as bought too.
    pub fn has_bought(&self, category: u32) -> bool {
        match &self.bought {
            Bought::Few(few) => few.binary_search(&category).is_ok(),
            Bought::Many(classes) => {
                let (word, bit) = class(category);
                classes[word] & bit != 0
            }
        }
    }

    /// Distinct categories bought: exact up to [`BOUGHT_MAX`], then by linear counting over 128 classes (Whang,
    /// Vander-Zanden, Taylor, ACM TODS 15(2) 1990), at most 621.
    pub fn breadth(&self) -> u32 {
        match &self.bought {
            Bought::Few(few) => few.len() as u32,
            Bought::Many(classes) => {
                let free = classes.iter().map(|word| word.count_zeros()).sum::<u32>().max(1);
                let estimate = 128.0 * libm::log(128.0 / f64::from(free));
                (libm::round(estimate) as u32).max(BOUGHT_MAX as u32 + 1)
            }
        }
    }

    /// Categories watched and their decayed views at `tau_ms`, most watched first.
    pub fn watched(&self, tau_ms: i64) -> Vec<(u32, f64)> {
        let mut all: Vec<_> =
            self.watched.iter().map(|w| (w.category, self.at(w, tau_ms))).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all
    }

    /// The most watched category and its decayed views at `tau_ms`; of equals that of the smaller key.
    pub fn top(&self, tau_ms: i64) -> Option<(u32, f64)> {
        let top = self.watched.iter().reduce(|top, w| if w.value > top.value { w } else { top })?;
        Some((top.category, self.at(top, tau_ms)))
    }

    /// Decayed views of all categories watched at `tau_ms`.
    pub fn total(&self, tau_ms: i64) -> f64 {
        let sum: f64 = self.watched.iter().map(|held| held.value).sum();
        sum * weight(tau_ms, self.landmark_ms())
    }

    /// Decayed views of a category at `tau_ms`.
    pub fn views(&self, category: u32, tau_ms: i64) -> f64 {
        let at = self.watched.binary_search_by_key(&category, |held| held.category);
        at.map_or(0.0, |at| self.at(&self.watched[at], tau_ms))
    }

    /// Decayed views of the most watched category at `tau_ms`; 0 when none is.
    pub fn most_watched(&self, tau_ms: i64) -> f64 {
        self.watched.iter().map(|w| self.at(w, tau_ms)).fold(0.0, f64::max)
    }

    /// The first moment after `after_ms` at which a category that is at `theta` views or more falls below; `NEVER_MS` when
    /// there is none.
    pub fn next_due_ms(&self, after_ms: i64, theta: f64) -> i64 {
        let end_ms = after_ms.saturating_add(FORGOTTEN_D * DAY_MS);
        let over = self.watched.iter().filter(|w| self.at(w, after_ms) >= theta);
        let dues = over.filter_map(|w| first_ms(after_ms, end_ms, |ms| self.at(w, ms) < theta));
        dues.min().unwrap_or(NEVER_MS)
    }

    fn at(&self, watched: &Watched, tau_ms: i64) -> f64 {
        watched.value * weight(tau_ms, self.landmark_ms())
    }

    fn landmark_ms(&self) -> i64 {
        i64::from(self.step) * GRID_MS
    }

    fn move_landmark(&mut self, t_ms: i64) {
        let step = t_ms.div_euclid(GRID_MS).clamp(0, i64::from(u8::MAX)) as u8;
        if step > self.step {
            let left = weight(i64::from(step) * GRID_MS, self.landmark_ms());
            self.watched.iter_mut().for_each(|held| held.value *= left);
            self.step = step;
        }
    }
}
