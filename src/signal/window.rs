//! Sums over the last 90 days in sparse buckets of 3 days, the oldest bucket taken by fraction.
//!
//! Made for money shown to people: integers in, an integer out, no floats. The error against an exact window is
//! that the events of the oldest bucket are taken as spread evenly (2.2 % at worst on the CDNOW purchases).

use super::DAY_MS;
use super::moment::first_ms;

/// Width of one bucket.
pub const BUCKET_MS: i64 = 3 * DAY_MS;
/// Whole buckets in a window; one more is counted in part.
pub const BUCKETS: i64 = 30;

/// The bucket of a moment: `floor(ms / 3 days)`. `None` before 1970 and after the year 2508, where the index ends.
#[must_use]
pub fn bucket_index(t_ms: i64) -> Option<u16> {
    u16::try_from(t_ms.div_euclid(BUCKET_MS)).ok()
}

/// The oldest bucket that a window ending at `tau_ms` or later can still see; older ones may be forgotten.
#[must_use]
pub fn oldest_seen(tau_ms: i64) -> u16 {
    let index = (tau_ms.div_euclid(BUCKET_MS) - BUCKETS).max(0);
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// Sum over the window that ends at `tau_ms`, in minor units, rounded once, half to even.
///
/// With `k = floor(tau / 3 days)` the buckets `k-29..=k` count whole, and bucket `k-30` counts by the fraction that
/// is still inside: one less the elapsed fraction of bucket `k`. Buckets after `k` lie in the future of `tau_ms` and
/// do not count. Order does not matter; an index that occurs twice counts twice. A result outside `i64` is limited.
pub fn window_sum(buckets: impl Iterator<Item = (u16, i64)>, tau_ms: i64) -> i64 {
    let newest = tau_ms.div_euclid(BUCKET_MS);
    let oldest = newest - BUCKETS;
    let remaining_ms = i128::from(BUCKET_MS - tau_ms.rem_euclid(BUCKET_MS));
    let mut scaled: i128 = 0;
    for (index, cents) in buckets {
        let index = i64::from(index);
        let weight = match index {
            _ if index > newest || index < oldest => 0,
            _ if index == oldest => remaining_ms,
            _ => i128::from(BUCKET_MS),
        };
        scaled = scaled.saturating_add(i128::from(cents) * weight);
    }
    let rounded = div_half_even(scaled, i128::from(BUCKET_MS));
    i64::try_from(rounded).unwrap_or(if rounded > 0 { i64::MAX } else { i64::MIN })
}

/// The first moment after `tau_ms` at which the sum of the window is not `inside`, if nothing is added and nothing lies in the future;
/// `inside` is a stretch of numbers. `None` where it stays. Exact: the sum moves only while one of the buckets counts by fraction, and
/// goes one way then.
pub fn window_leaves_ms(
    buckets: impl Iterator<Item = (u16, i64)> + Clone,
    tau_ms: i64,
    inside: impl Fn(i64) -> bool,
) -> Option<i64> {
    let is_out = |ms: i64| !inside(window_sum(buckets.clone(), ms));
    let mut fading: Vec<u16> = buckets.clone().map(|(index, _)| index).collect();
    fading.sort_unstable();
    fading.into_iter().find_map(|index| {
        let from_ms = (i64::from(index) + BUCKETS) * BUCKET_MS;
        first_ms(from_ms.max(tau_ms), from_ms + BUCKET_MS, is_out)
    })
}

/// `value / unit` rounded to the nearest integer, ties to the even one. `unit` is positive.
fn div_half_even(value: i128, unit: i128) -> i128 {
    let floor = value.div_euclid(unit);
    let twice = value.rem_euclid(unit) * 2;
    let up = twice > unit || (twice == unit && floor.rem_euclid(2) == 1);
    floor + i128::from(up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_bucket_counts_by_fraction() {
        let k = 100;
        let start = k * BUCKET_MS;
        let buckets = [(70_u16, 1000_i64), (71, 10), (100, 1), (101, 7), (69, 5)];
        assert_eq!(window_sum(buckets.into_iter(), start), 1011);
        assert_eq!(window_sum(buckets.into_iter(), start + BUCKET_MS / 4), 761);
        assert_eq!(window_sum(buckets.into_iter(), start + BUCKET_MS - 1), 11);
        assert_eq!(window_sum(buckets.into_iter(), start + BUCKET_MS), 18);
    }

    #[test]
    fn ties_go_to_the_even_cent_also_below_zero() {
        let halves: Vec<i128> =
            [-5, -3, -1, 1, 3, 5].iter().map(|n| div_half_even(*n, 2)).collect();
        assert_eq!(halves, [-2, -2, 0, 0, 2, 2]);
        let half = 100 * BUCKET_MS + BUCKET_MS / 2;
        assert_eq!(window_sum([(70, 3), (71, 1)].into_iter(), half), 2);
        assert_eq!(window_sum([(70, 1), (71, 1)].into_iter(), half), 2);
    }

    /// Money comes in, is paid back, and fades bucket by bucket.
    #[test]
    fn the_sum_leaves_at_the_first_millisecond() {
        let buckets = [(100_u16, 5_000_i64), (101, -9_000), (104, 40), (110, 6_001)];
        let sum = |ms: i64| window_sum(buckets.into_iter(), ms);
        let mut found = 0;
        for from_ms in [110 * BUCKET_MS, 130 * BUCKET_MS + 7, 131 * BUCKET_MS + BUCKET_MS / 3] {
            for edge in [-3_000, -2_959, -1_000, 1_000, 2_041, 6_000, 6_041, 6_042, 9_000] {
                let above = sum(from_ms) >= edge;
                let leaves =
                    window_leaves_ms(buckets.into_iter(), from_ms, |sum| (sum >= edge) == above);
                // by minutes, then to the millisecond
                let mut minutes = (from_ms..145 * BUCKET_MS).step_by(60_000);
                let minute_ms = minutes.find(|ms| (sum(*ms) >= edge) != above);
                assert_eq!(leaves.is_some(), minute_ms.is_some(), "{edge} from {from_ms}");
                let (Some(leaves), Some(minute_ms)) = (leaves, minute_ms) else { continue };
                assert!(leaves <= minute_ms && leaves > minute_ms - 60_000);
                assert_ne!(sum(leaves) >= edge, above);
                assert_eq!(sum(leaves - 1) >= edge, above);
                found += 1;
            }
        }
        assert!(found >= 12, "{found}");
    }

    #[test]
    fn indices_have_limits() {
        assert_eq!(bucket_index(-1), None);
        assert_eq!(bucket_index(0), Some(0));
        assert_eq!(bucket_index(BUCKET_MS * 65_536 - 1), Some(u16::MAX));
        assert_eq!(bucket_index(BUCKET_MS * 65_536), None);
        assert_eq!(oldest_seen(100 * BUCKET_MS), 70);
        assert_eq!(oldest_seen(0), 0);
        assert_eq!(oldest_seen(i64::MAX), u16::MAX);
        assert_eq!(window_sum([(0, i64::MAX), (0, i64::MAX)].into_iter(), 0), i64::MAX);
        assert_eq!(window_sum([(0, 1)].into_iter(), i64::MIN), 0);
    }
}
