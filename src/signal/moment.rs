//! Searches for moments: the first at which something is so, and the earliest of many.

use crate::model::time::NEVER_MS;

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
