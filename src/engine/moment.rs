//! A moment in six bytes, and the search for the first moment at which something is so.

use serde::{Deserialize, Serialize};

use crate::model::time::NEVER_MS;

/// The first millisecond that does not fit: 48 bits reach to the year 10889.
const END_MS: i64 = (1 << 48) - 1;

/// Milliseconds since the epoch in 48 bits, or none. Sections hold many moments; with eight bytes each they would not
/// fit their budget. Ordered by time, none last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Moment([u16; 3]);

impl Moment {
    /// No moment.
    pub const NONE: Self = Self([u16::MAX; 3]);

    /// A moment; before the epoch it is the epoch, and what 48 bits cannot hold is the last moment.
    pub fn at(ms: i64) -> Self {
        Self::from(ms.clamp(0, END_MS - 1) as u64)
    }

    /// Milliseconds; `None` when there is no moment.
    pub fn ms(self) -> Option<i64> {
        (self != Self::NONE).then_some(u64::from(self) as i64)
    }

    /// Whether there is none.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// The earlier of two; none counts as later than any.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        self.min(other)
    }

    /// The later of two; none counts as earlier than any.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        match (self.is_none(), other.is_none()) {
            (true, _) => other,
            (_, true) => self,
            _ => self.max(other),
        }
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self::NONE
    }
}

impl std::fmt::Debug for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.ms().fmt(f)
    }
}

impl From<u64> for Moment {
    fn from(bits: u64) -> Self {
        Self([(bits >> 32) as u16, (bits >> 16) as u16, bits as u16])
    }
}

impl From<Moment> for u64 {
    fn from(Moment([high, middle, low]): Moment) -> Self {
        Self::from(high) << 32 | Self::from(middle) << 16 | Self::from(low)
    }
}

/// The first millisecond in `(after_ms, end_ms]` at which `holds`, which must not hold first and then cease within
/// that stretch. `None` when it does not hold at `end_ms` either.
pub fn first_ms(after_ms: i64, end_ms: i64, holds: impl Fn(i64) -> bool) -> Option<i64> {
    let (mut before, mut at) = (after_ms, end_ms);
    if at <= before || !holds(at) {
        return None;
    }
    while at - before > 1 {
        let middle = before + (at - before) / 2;
        if holds(middle) { at = middle } else { before = middle }
    }
    Some(at)
}

/// The earliest of the moments that lie after `after_ms`; [`NEVER_MS`] when none does.
pub fn earliest_after(after_ms: i64, moments: impl Iterator<Item = i64>) -> i64 {
    moments.filter(|ms| *ms > after_ms).min().unwrap_or(NEVER_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_keep_their_milliseconds_and_their_order() {
        let times = [0, 1, 65_535, 65_536, 1 << 32, 1_763_820_000_123, END_MS - 1];
        for ms in times {
            assert_eq!(Moment::at(ms).ms(), Some(ms));
            assert!(Moment::at(ms) < Moment::NONE);
            assert_eq!(Moment::at(ms).later(Moment::NONE), Moment::at(ms));
            assert_eq!(Moment::NONE.earlier(Moment::at(ms)), Moment::at(ms));
        }
        assert!(times.windows(2).all(|w| Moment::at(w[0]) < Moment::at(w[1])));
        assert_eq!(Moment::at(-5).ms(), Some(0));
        assert_eq!(Moment::at(i64::MAX).ms(), Some(END_MS - 1));
        assert_eq!(Moment::NONE.ms(), None);
        assert_eq!(size_of::<Moment>(), 6);
    }

    #[test]
    fn search_finds_the_first_moment() {
        for first in [11, 12, 57, 99, 100] {
            assert_eq!(first_ms(10, 100, |ms| ms >= first), Some(first));
        }
        assert_eq!(first_ms(10, 100, |ms| ms > 100), None);
        assert_eq!(first_ms(100, 100, |_| true), None);
        assert_eq!(earliest_after(5, [5, 9, 7].into_iter()), 7);
        assert_eq!(earliest_after(9, [5, 9, 7].into_iter()), NEVER_MS);
    }
}
