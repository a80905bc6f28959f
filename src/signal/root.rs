//! Where a monotone function crosses zero, and which whole millisecond is the first beyond a threshold.

/// Rounds of root finding at most. Every third one halves, so that 2^-40 of the bracket is reached whatever the shape.
const ROUNDS_MAX: u32 = 120;

/// Root of `f` between `low`, where `f` is not positive, and `high`, where it is not negative; stops when the bracket
/// is narrower than `tolerance` (same unit as the argument).
///
/// False position in the Illinois form (Dowell and Jarratt, BIT 11, 1971), with every third step a halving: fast
/// where `f` is smooth, never slower than a third of bisection. Infinite or NaN values at an end only cost halvings.
pub(super) fn between(mut low: f64, mut high: f64, tolerance: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (mut f_low, mut f_high) = (f(low), f(high));
    let mut last_was_low = None;
    for round in 0..ROUNDS_MAX {
        if high - low <= tolerance {
            break;
        }
        let secant = low - f_low * (high - low) / (f_high - f_low);
        let halving = round % 3 == 2 || !(secant > low && secant < high);
        let middle = if halving { low + 0.5 * (high - low) } else { secant };
        if !(middle > low && middle < high) {
            break;
        }
        let value = f(middle);
        if value == 0.0 {
            return middle;
        }
        if value < 0.0 {
            (low, f_low) = (middle, value);
            if last_was_low == Some(true) && !halving {
                f_high *= 0.5;
            }
            last_was_low = Some(true);
        } else {
            (high, f_high) = (middle, value);
            if last_was_low == Some(false) && !halving {
                f_low *= 0.5;
            }
            last_was_low = Some(false);
        }
    }
    low + 0.5 * (high - low)
}

/// The first whole number from `earliest` on at which the monotone `reached` holds, looked for around `guess` with
/// steps that double, then halve: from a good guess two evaluations. `None` if it does not hold up to about `latest`.
pub(super) fn first_ms(
    earliest: i64,
    guess: i64,
    latest: i64,
    reached: impl Fn(i64) -> bool,
) -> Option<i64> {
    let guess = guess.max(earliest);
    // Invariant: `high` is reached; `low` is not, or lies one before the earliest moment allowed.
    let (mut low, mut high);
    let mut stride = 1_i64;
    if reached(guess) {
        high = guess;
        low = guess.saturating_sub(1);
        while low >= earliest && low < high && reached(low) {
            high = low;
            low = low.saturating_sub(stride).max(earliest.saturating_sub(1));
            stride = stride.saturating_mul(2);
        }
    } else {
        low = guess;
        high = guess.saturating_add(1);
        while !reached(high) {
            if high > latest || high == i64::MAX {
                return None;
            }
            low = high;
            high = high.saturating_add(stride);
            stride = stride.saturating_mul(2);
        }
    }
    while high.saturating_sub(low) > 1 {
        let middle = low + (high - low) / 2;
        if reached(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_of_bent_functions() {
        assert!((between(0.0, 10.0, 1e-14, |x| x * x * x - 2.0) - libm::cbrt(2.0)).abs() < 1e-13);
        assert!((between(0.0, 1e6, 1e-9, |x| 1.0 - libm::exp(3.0 - x)) - 3.0).abs() < 1e-8);
        let jump = between(0.0, 1.0, 0.0, |x| if x < 0.25 { f64::NEG_INFINITY } else { 1.0 });
        assert!((jump - 0.25).abs() < 1e-9);
    }

    #[test]
    fn the_first_number_is_found_from_any_guess() {
        for first in [5_i64, 6, 100, 999_983] {
            for guess in [0, 5, 6, 99, 101, 1_000_000, 50_000_000] {
                assert_eq!(first_ms(5, guess, 1 << 40, |ms| ms >= first), Some(first));
            }
        }
        assert_eq!(first_ms(0, 7, 1000, |_| false), None);
        assert_eq!(first_ms(i64::MAX - 1, 0, i64::MAX, |_| false), None);
        assert_eq!(first_ms(i64::MIN, i64::MIN, i64::MAX, |_| true), Some(i64::MIN));
    }
}
