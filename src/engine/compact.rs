//! Times and stamps in fewer bytes: a profile holds many of them, and nothing about them is lost.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::record::{Position, SourceIndex, Stamp};
use crate::model::time::{BEFORE_ALL_MS, NEVER_MS};

/// A time in six bytes: milliseconds since 1970 as a 48-bit number, good for 4,400 years either way (event times end
/// in 2149). [`NEVER_MS`] and [`BEFORE_ALL_MS`] stay what they are. Ordered by time; what has not happened is never.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Moment([u8; 6]);

impl Moment {
    const MAX_MS: i64 = (1 << 47) - 1;
    const MIN_MS: i64 = -(1 << 47);

    /// [`NEVER_MS`].
    pub const NEVER: Self = Self::new(NEVER_MS);
    /// [`BEFORE_ALL_MS`].
    pub const BEFORE_ALL: Self = Self::new(BEFORE_ALL_MS);

    /// Takes milliseconds in; beyond 48 bits they are "never" or "before all".
    pub const fn new(ms: i64) -> Self {
        let held = if ms > Self::MAX_MS {
            Self::MAX_MS
        } else if ms < Self::MIN_MS {
            Self::MIN_MS
        } else {
            ms
        };
        let [a, b, c, d, e, f, _, _] = held.to_le_bytes();
        Self([a, b, c, d, e, f])
    }

    /// Milliseconds since 1970.
    pub const fn ms(self) -> i64 {
        let [a, b, c, d, e, f] = self.0;
        // into the upper bytes, then down with the sign
        match i64::from_le_bytes([0, 0, a, b, c, d, e, f]) >> 16 {
            Self::MAX_MS => NEVER_MS,
            Self::MIN_MS => BEFORE_ALL_MS,
            ms => ms,
        }
    }

    /// The time, unless it is [`NEVER_MS`] or [`BEFORE_ALL_MS`].
    pub fn known_ms(self) -> Option<i64> {
        Some(self.ms()).filter(|ms| *ms != NEVER_MS && *ms != BEFORE_ALL_MS)
    }

    /// Whether it is never: what it is the moment of has not happened.
    pub fn is_none(self) -> bool {
        self == Self::NEVER
    }

    /// The earlier of two; never is later than any.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        self.min(other)
    }

    /// The later of two that have happened; never counts as earlier than any.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        match (self.is_none(), other.is_none()) {
            (true, _) => other,
            (_, true) => self,
            _ => self.max(other),
        }
    }

    /// A number for the state, small where the moment is near `base_ms`: 0 for never, 1 for before all.
    pub fn near(self, base_ms: i64) -> u64 {
        match self.ms() {
            NEVER_MS => 0,
            BEFORE_ALL_MS => 1,
            ms => {
                let apart_ms = ms.wrapping_sub(base_ms);
                ((apart_ms << 1 ^ apart_ms >> 63) as u64).wrapping_add(2)
            }
        }
    }

    /// Back from [`Self::near`].
    pub fn from_near(number: u64, base_ms: i64) -> Self {
        match number {
            0 => Self::NEVER,
            1 => Self::BEFORE_ALL,
            _ => {
                let turned = number - 2;
                let apart_ms = (turned >> 1) as i64 ^ -((turned & 1) as i64);
                Self::new(base_ms.wrapping_add(apart_ms))
            }
        }
    }

    /// Moves back to an earlier time.
    pub fn lower_to(&mut self, ms: i64) {
        *self = Self::new(self.ms().min(ms));
    }

    /// Moves on to a later time.
    pub fn raise_to(&mut self, ms: i64) {
        *self = Self::new(self.ms().max(ms));
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self::NEVER
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ms().cmp(&other.ms())
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.ms())
    }
}

/// Puts a value into a short list that is mostly read: no spare room.
pub(super) fn insert<T>(list: &mut Box<[T]>, at: usize, value: T) {
    let mut values = std::mem::take(list).into_vec();
    values.reserve_exact(1);
    values.insert(at, value);
    *list = values.into_boxed_slice();
}

/// Two sums as the state holds them: those of a single event are whole numbers, of whose eight bytes most are zero.
pub(super) mod pair {
    use serde::de::{Error, SeqAccess, Visitor};
    use serde::ser::SerializeTuple;
    use serde::{Deserializer, Serializer};

    /// Bytes of a float that are not zero at its end.
    fn kept(value: f64) -> usize {
        8 - value.to_bits().trailing_zeros() as usize / 8
    }

    /// How many bytes of each, then these bytes.
    pub fn serialize<S: Serializer>(values: &[f64; 2], to: S) -> Result<S::Ok, S::Error> {
        let lens = values.map(kept);
        let mut tuple = to.serialize_tuple(1 + lens[0] + lens[1])?;
        tuple.serialize_element(&((lens[0] << 4 | lens[1]) as u8))?;
        for (value, len) in values.iter().zip(lens) {
            value.to_be_bytes()[..len].iter().try_for_each(|byte| tuple.serialize_element(byte))?;
        }
        tuple.end()
    }

    /// Back from [`serialize`].
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[f64; 2], D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = [f64; 2];

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("two floats without the zeros at their ends")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<[f64; 2], A::Error> {
                let mut byte = || seq.next_element()?.ok_or_else(|| A::Error::custom("cut short"));
                let lens: u8 = byte()?;
                let mut values = [0.0; 2];
                for (value, len) in values.iter_mut().zip([lens >> 4, lens & 15]) {
                    let mut bytes = [0; 8];
                    let held = bytes.get_mut(..len.into());
                    let held = held.ok_or_else(|| A::Error::custom("a float of too many bytes"))?;
                    for place in held {
                        *place = byte()?;
                    }
                    *value = f64::from_be_bytes(bytes);
                }
                Ok(values)
            }
        }
        // a length, and at most all bytes of both
        from.deserialize_tuple(17, Bytes)
    }
}

/// A [`Stamp`] in 15 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactStamp {
    ts: Moment,
    source: SourceIndex,
    offset: [u8; 8],
}

impl CompactStamp {
    /// Bytes of [`Self::to_bytes`].
    pub const BYTES: usize = 15;

    /// The stamp.
    pub fn stamp(self) -> Stamp {
        let offset = i64::from_le_bytes(self.offset);
        Stamp { ts_ms: self.ts.ms(), position: Position { source: self.source, offset } }
    }

    /// For lists that are kept as bytes.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..6].copy_from_slice(&self.ts.0);
        bytes[6] = self.source;
        bytes[7..].copy_from_slice(&self.offset);
        bytes
    }

    /// Back from [`Self::to_bytes`].
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let [a, b, c, d, e, f, source, offset @ ..] = bytes;
        Self { ts: Moment([a, b, c, d, e, f]), source, offset }
    }
}

impl From<Stamp> for CompactStamp {
    fn from(stamp: Stamp) -> Self {
        let Position { source, offset } = stamp.position;
        Self { ts: Moment::new(stamp.ts_ms), source, offset: offset.to_le_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::EVENT_TIME_END_MS;

    #[test]
    fn every_time_comes_back() {
        let times = [0, 1, -1, 255, 256, 1_790_000_000_123, EVENT_TIME_END_MS - 1];
        for ms in times.into_iter().chain([NEVER_MS, BEFORE_ALL_MS, (1 << 46) + 7, -(1 << 46)]) {
            assert_eq!(Moment::new(ms).ms(), ms);
        }
        assert_eq!(Moment::new(1 << 50).ms(), NEVER_MS);
        assert_eq!([Moment::NEVER, Moment::BEFORE_ALL].map(Moment::known_ms), [None, None]);
    }

    #[test]
    fn near_moments_are_small_numbers_and_all_come_back() {
        let base_ms = 1_790_000_000_123;
        let moments = [0, -7, base_ms - 64, base_ms, base_ms + 62, 1 << 46, -(1 << 46)];
        for at in moments.map(Moment::new).into_iter().chain([Moment::NEVER, Moment::BEFORE_ALL]) {
            assert_eq!(Moment::from_near(at.near(base_ms), base_ms), at);
            assert_eq!(Moment::from_near(at.near(0), 0), at);
        }
        assert_eq!([2, 4, 5].map(|n| Moment::from_near(n, 9).ms()), [9, 10, 7]);
        assert_eq!([Moment::NEVER, Moment::BEFORE_ALL].map(|at| at.near(base_ms)), [0, 1]);
    }

    #[test]
    fn whole_sums_take_few_bytes_and_all_come_back() {
        #[derive(Serialize, Deserialize)]
        struct Pair(#[serde(with = "pair")] [f64; 2]);
        let least = f64::from_bits(1);
        for (values, len) in [
            ([0.0, 0.0], 1),
            ([1.0, 1.0], 5),
            ([4_999.0, -0.0], 5),
            ([0.1, f64::INFINITY], 11),
            ([least, -1e-300], 17),
        ] {
            let bytes = postcard::to_stdvec(&Pair(values)).unwrap_or_default();
            let back = postcard::from_bytes(&bytes).map(|Pair(back)| back.map(f64::to_bits));
            assert_eq!((bytes.len(), back), (len, Ok(values.map(f64::to_bits))));
            assert!(postcard::from_bytes::<Pair>(&bytes[..len - 1]).is_err());
        }
        assert!(postcard::from_bytes::<Pair>(&[0x90; 20]).is_err());
    }

    #[test]
    fn moments_are_ordered_by_time() {
        let times = [BEFORE_ALL_MS, -5, 0, 255, 256, 65_536, 1 << 32, 1_763_820_000_123, NEVER_MS];
        assert!(times.windows(2).all(|w| Moment::new(w[0]) < Moment::new(w[1])));
        for at in [-5, 0, 1 << 32].map(Moment::new) {
            assert_eq!([at.later(Moment::NEVER), Moment::NEVER.later(at)], [at, at]);
            assert_eq!([at.earlier(Moment::NEVER), Moment::NEVER.earlier(at)], [at, at]);
            assert!(!at.is_none() && Moment::default().is_none());
        }
        assert_eq!(Moment::new(7).later(Moment::new(9)).ms(), 9);
    }

    #[test]
    fn every_stamp_comes_back() {
        for offset in [0, 1, -1, i64::MAX, 1 << 50] {
            let stamp = Stamp { ts_ms: 5_000_000_123, position: Position { source: 7, offset } };
            let compact = CompactStamp::from(stamp);
            assert_eq!(compact.stamp(), stamp);
            assert_eq!(CompactStamp::from_bytes(compact.to_bytes()), compact);
        }
    }
}
