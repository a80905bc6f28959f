//! The store of one customer's decayed sums: a set of bits, the values present, and one landmark for all.
//!
//! Forward decay (Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009) against a landmark that events do not move: what
//! happened at `t` with amount `y` is kept as `y * 2^((t - L) / h)`. Adding touches one value, order does not matter,
//! and what was added is taken back by adding its negative at the same moment.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fetch::fetch;
use super::sum::SUMS;
pub use super::sum::Sum;
use crate::model::time::DAY_MS;
use crate::signal::decay::Decay;
use crate::signal::moment::first_ms;

/// Distance of landmarks. The grid is the same for all customers, so that equal histories have equal states. Within
/// one step the shortest half-life (7 days) fits 293 times, and 2^293 times any amount is a float.
const GRID_MS: i64 = 2_048 * DAY_MS;

/// After so many half-lives nothing that a float can hold is left.
const FORGOTTEN_HALF_LIVES: f64 = 2_200.0;

const _: () = assert!(SUMS <= STEP_BIT as usize, "the head must grow before a sum can be added");

/// The decayed sums of one customer; those never added to take no room.
#[derive(Clone, Default, PartialEq)]
pub struct Sums {
    /// Nothing; or a head, then the values at the landmark, by number, as the bits of floats. The head has a bit for each sum
    /// that is present, by [`Sum::place`], and from [`STEP_BIT`] on the landmark, in steps of the grid.
    words: Box<[u64]>,
}

const STEP_BIT: u32 = 56;

impl fmt::Debug for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms ", self.landmark_ms())?;
        f.debug_map().entries(self.iter().map(|(sum, value)| (sum.name(), value))).finish()
    }
}

/// Half-lives that lie between the landmark and a moment.
fn half_lives(half_life_d: f64, from_ms: i64, to_ms: i64) -> f64 {
    (to_ms - from_ms) as f64 / (half_life_d * DAY_MS as f64)
}

impl Sums {
    /// The moment at which the values hold: `value(tau) = value * 2^(-(tau - landmark) / half-life)`. The newest
    /// moment added at, rounded down to a multiple of 2,048 days.
    pub fn landmark_ms(&self) -> i64 {
        i64::from(self.step()) * GRID_MS
    }

    fn step(&self) -> u8 {
        (self.head() >> STEP_BIT) as u8
    }

    fn head(&self) -> u64 {
        self.words.first().copied().unwrap_or(0)
    }

    fn values(&self) -> &[u64] {
        self.words.get(1..).unwrap_or(&[])
    }

    fn value(&self, at: usize) -> f64 {
        f64::from_bits(self.values()[at])
    }

    /// Number of sums present.
    pub fn len(&self) -> usize {
        self.values().len()
    }

    /// Asks for the values.
    pub fn fetch(&self) {
        fetch(&self.words);
    }

    /// Whether nothing was ever added.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Adds `y`, which happened at `t_ms` (from the epoch on).
    pub fn add(&mut self, sum: Sum, t_ms: i64, y: f64) {
        self.add_all(t_ms, &[(sum, y)]);
    }

    /// Adds to several sums at one moment; neighbours with equal half-lives share the work.
    pub fn add_all(&mut self, t_ms: i64, what: &[(Sum, f64)]) {
        self.make_room(what.iter().fold(0, |bits, (sum, _)| bits | bit(*sum)));
        self.move_landmark(t_ms);
        let landmark_ms = self.landmark_ms();
        let (mut known_d, mut weight) = (0.0, 1.0);
        for (sum, y) in what {
            let half_life_d = sum.half_life_d();
            if half_life_d != known_d {
                known_d = half_life_d;
                weight = libm::exp2(half_lives(half_life_d, landmark_ms, t_ms));
            }
            if let Some(at) = self.index(*sum) {
                let value = self.value(at) + y * weight;
                self.words[at + 1] = value.to_bits();
            }
        }
    }

    /// Empties sums, for a section that holds all that was added to them and adds it anew. Taking back a large part leaves
    /// rounding of its size, which may be more than what remains; after this nothing is left of it.
    pub fn empty(&mut self, sums: &[Sum]) {
        for sum in sums {
            if let Some(at) = self.index(*sum) {
                self.words[at + 1] = 0.0_f64.to_bits();
            }
        }
    }

    /// The sum as seen at `tau_ms`, which must not lie before what was added; 0 when nothing was.
    pub fn at(&self, sum: Sum, tau_ms: i64) -> f64 {
        self.index(sum).map_or(0.0, |at| {
            let age = half_lives(sum.half_life_d(), self.landmark_ms(), tau_ms);
            self.value(at) * libm::exp2(-age)
        })
    }

    /// The sum as of the landmark; 0 when nothing was added.
    pub fn held(&self, sum: Sum) -> f64 {
        self.index(sum).map_or(0.0, |at| self.value(at))
    }

    /// Rate per day at `tau_ms` of a customer known since `since_ms`: [`Decay::rate_per_day`], hence with an age of
    /// at least a day.
    pub fn rate(&self, sum: Sum, tau_ms: i64, since_ms: i64) -> f64 {
        let decay = Decay::from_half_life_d(sum.half_life_d());
        let held = self.at(sum, tau_ms);
        if held == 0.0 { held } else { decay.rate_per_day(held, tau_ms.saturating_sub(since_ms)) }
    }

    /// The sum and its value at the landmark, by number: what a row holds.
    pub fn iter(&self) -> impl Iterator<Item = (Sum, f64)> + '_ {
        let values = self.values().iter().map(|bits| f64::from_bits(*bits));
        let head = self.head();
        Sum::all().filter(move |sum| head & bit(*sum) != 0).zip(values)
    }

    /// The first millisecond after `after_ms` at which a sum is below `theta`, if nothing is added. `None` when it is
    /// below at `after_ms` already, or never (`theta` not above 0).
    pub fn below_ms(&self, sum: Sum, theta: f64, after_ms: i64) -> Option<i64> {
        self.falls_ms(sum, after_ms, |ms| self.at(sum, ms) < theta)
    }

    /// The first millisecond after `after_ms` at which the rate of a sum is below `theta` a day; as [`Self::below_ms`].
    pub fn rate_below_ms(&self, sum: Sum, theta: f64, after_ms: i64, since_ms: i64) -> Option<i64> {
        self.falls_ms(sum, after_ms, |ms| self.rate(sum, ms, since_ms) < theta)
    }

    fn falls_ms(&self, sum: Sum, after_ms: i64, below: impl Fn(i64) -> bool) -> Option<i64> {
        let forgotten_d = (FORGOTTEN_HALF_LIVES * sum.half_life_d()) as i64;
        let end_ms = after_ms.saturating_add(forgotten_d * DAY_MS);
        if below(after_ms) { None } else { first_ms(after_ms, end_ms, below) }
    }

    fn index(&self, sum: Sum) -> Option<usize> {
        let (bit, head) = (bit(sum), self.head());
        (head & bit != 0).then(|| (head & (bit - 1)).count_ones() as usize)
    }

    /// Makes the sums of a set of bits present.
    fn make_room(&mut self, bits: u64) {
        let held = self.head();
        let missing = bits & !held;
        if missing == 0 {
            return;
        }
        let mut words = Vec::with_capacity(self.words.len().max(1) + missing.count_ones() as usize);
        words.push(held | missing);
        let mut values = self.values().iter();
        for place in 0..SUMS {
            if missing & (1 << place) != 0 {
                words.push(0.0_f64.to_bits());
            } else if held & (1 << place) != 0 {
                words.extend(values.next());
            }
        }
        self.words = words.into_boxed_slice();
    }

    /// Moves the landmark to the step of `t_ms`, unless it is there or beyond: once in 5.6 years.
    fn move_landmark(&mut self, t_ms: i64) {
        let step = t_ms.div_euclid(GRID_MS).clamp(0, i64::from(u8::MAX)) as u8;
        let Some((head, values)) = self.words.split_first_mut() else { return };
        let before = (*head >> STEP_BIT) as u8;
        if step <= before {
            return;
        }
        let moved_ms = i64::from(step - before) * GRID_MS;
        let present = *head;
        let sums = Sum::all().filter(|sum| present & bit(*sum) != 0);
        for (bits, sum) in values.iter_mut().zip(sums) {
            let left = libm::exp2(-half_lives(sum.half_life_d(), 0, moved_ms));
            *bits = (f64::from_bits(*bits) * left).to_bits();
        }
        *head += u64::from(step - before) << STEP_BIT;
    }
}

fn bit(sum: Sum) -> u64 {
    1 << sum.place()
}

/// Step, then pairs of number and value: a state outlives the order of the catalogue.
impl Serialize for Sums {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.step(), Pairs(self)).serialize(serializer)
    }
}

struct Pairs<'a>(&'a Sums);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        for (sum, value) in self.0.iter() {
            seq.serialize_element(&(sum.number(), value))?;
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for Sums {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (step, Read(mut sums)) = <(u8, Read)>::deserialize(deserializer)?;
        if let Some(head) = sums.words.first_mut() {
            *head |= u64::from(step) << STEP_BIT;
        }
        Ok(sums)
    }
}

struct Read(Sums);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ReadPairs).map(Self)
    }
}

struct ReadPairs;

impl<'de> Visitor<'de> for ReadPairs {
    type Value = Sums;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pairs of a sum's number and its value, by number")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Sums, A::Error> {
        let mut words = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(SUMS) + 1);
        words.push(0);
        while let Some((number, value)) = seq.next_element::<(u8, f64)>()? {
            let bit = Sum::from_number(number).map_or(0, bit);
            if bit <= words[0] {
                let what = "is unknown or out of order; rebuild the state with this version";
                return Err(A::Error::custom(format!("sum number {number} {what}")));
            }
            words[0] |= bit;
            words.push(value.to_bits());
        }
        if words.len() == 1 {
            words.clear();
        }
        Ok(Sums { words: words.into_boxed_slice() })
    }
}
