//! Whether somebody reads more customers' records than is usual for them: how probable a day's count is by their own habit.
//!
//! Counts by day are kept whole for a window, so every number here is a function of integers, whatever order they came in.

use super::gamma;

/// A day counts half as much for the habit as one that lies this much later (prior).
pub const HALF_LIFE_D: f64 = 30.0;
/// Days before today that make the habit; older ones are forgotten (three half-lives; prior).
pub const WINDOW_D: u16 = 90;
/// Days on which something was read that it takes until there is a habit (a week's work; prior).
pub const HABIT_DAYS: usize = 5;

/// Days (since 1970-01-01) and records read in them, ascending, none of them 0.
pub type Days = [(u16, u64)];

/// Chance of `seen` or more events where `mean` are usual, if they come independently: the upper tail of the Poisson
/// distribution, `P(X >= n) = P(n, mean)` with the regularised lower gamma function. 60 seen, 20 usual: 4.2e-13. Below the mean it is 1
/// less the other tail, so no digit of a small one is lost. NaN for a mean that is negative or no number.
#[must_use]
pub fn poisson_tail(seen: u64, mean: f64) -> f64 {
    if mean.is_nan() || mean < 0.0 {
        return f64::NAN;
    }
    if seen == 0 { 1.0 } else { gamma::lower(seen as f64, mean) }
}

/// Records read on a day.
#[must_use]
pub fn read_on(days: &Days, today: u16) -> u64 {
    days.binary_search_by_key(&today, |(day, _)| *day).map_or(0, |at| days[at].1)
}

/// The days that make the habit of a day: those before it, within the window.
fn habit(days: &Days, today: u16) -> &Days {
    let from = days.partition_point(|(day, _)| *day < today.saturating_sub(WINDOW_D));
    let to = days.partition_point(|(day, _)| *day < today);
    &days[from..to.max(from)]
}

/// How many records are read on a usual day: the mean of the days of the window on which something was read, each halved
/// for every [`HALF_LIFE_D`] it lies back. Days without access (weekends, holidays) say nothing. `None` without [`HABIT_DAYS`] of them.
#[must_use]
pub fn usual(days: &Days, today: u16) -> Option<f64> {
    let habit = habit(days, today);
    if habit.len() < HABIT_DAYS {
        return None;
    }
    let (mut sum, mut weights) = (0.0, 0.0);
    for (day, records) in habit {
        let weight = libm::exp2(-f64::from(today - day) / HALF_LIFE_D);
        sum += weight * *records as f64;
        weights += weight;
    }
    Some(sum / weights)
}

/// How probable it is to read at least as much as on that day, by one's own habit; `None` without a habit.
#[must_use]
pub fn access_p(days: &Days, today: u16) -> Option<f64> {
    match read_on(days, today) {
        // whatever the mean is
        0 => (habit(days, today).len() >= HABIT_DAYS).then_some(1.0),
        seen => usual(days, today).map(|mean| poisson_tail(seen, mean)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::excessive_precision)] // references are given as they were computed
mod tests {
    use super::*;

    /// Upper tails of the Poisson distribution, from 60 digits (mpmath: `gammainc(n, 0, mean, regularized=True)`).
    const TAILS: &[(u64, f64, f64)] = &[
        (60, 20.0, 4.233284694712903e-13),
        (30, 0.1, 3.4222643183804371e-63),
        (30, 7.0, 9.9829937744599351e-11),
        (29, 3.7, 9.5788851184463556e-17),
        (1, 2.0, 0.86466471676338731),
        (1, 1e-09, 9.9999999950000006e-10),
        (2, 0.5, 0.090204010431049865),
        (5, 5.0, 0.55950671493478759),
        (10, 12.5, 0.79856889505446423),
        (34, 9.25, 3.1133865947440895e-10),
        (45, 17.5, 2.9066756128033386e-8),
        (100, 50.0, 3.2000653245851253e-10),
        (100, 99.0, 0.47330433039946099),
        (100, 150.0, 0.99999407545966452),
        (250, 170.25, 6.4409542128001698e-9),
        (1_000, 850.0, 2.9708126007116911e-7),
        (1_000, 400.0, 9.0975127484351385e-140),
        (5_000, 4600.0, 3.1159269652276987e-9),
        (20_000, 19000.0, 3.2368746436185902e-13),
        (100_000, 98500.0, 9.3825549940779958e-7),
        (1_000_000, 995000.0, 2.7495803592700708e-7),
    ];

    #[test]
    fn tails_are_those_of_many_digits() {
        for (seen, mean, expected) in TAILS {
            let found = poisson_tail(*seen, *mean);
            assert!((found / expected - 1.0).abs() < 1e-9, "{seen} {mean}: {found:e} {expected:e}");
        }
        assert_eq!(poisson_tail(0, 2.0), 1.0);
        assert_eq!(poisson_tail(3, 0.0), 0.0);
        assert!(poisson_tail(3, -1.0).is_nan() && poisson_tail(3, f64::NAN).is_nan());
        // below what a double can hold
        assert_eq!(poisson_tail(1_000_000, 20.0), 0.0);
    }

    #[test]
    fn a_tail_is_its_sum() {
        for (seen, mean) in [(1_u64, 0.3_f64), (7, 2.5), (30, 11.0), (41, 40.0), (90, 33.3)] {
            let mut term = libm::exp(-mean);
            for n in 1..=seen {
                term *= mean / n as f64;
            }
            let mut sum = 0.0;
            for n in seen + 1..seen + 400 {
                sum += term;
                term *= mean / n as f64;
            }
            assert!((poisson_tail(seen, mean) / sum - 1.0).abs() < 1e-12, "{seen} {mean}");
        }
    }

    #[test]
    fn a_habit_is_the_days_with_access_of_the_window() {
        let days = [(100, 9), (110, 20), (111, 20), (112, 20), (115, 20), (116, 20), (117, 60)];
        assert_eq!(read_on(&days, 117), 60);
        assert_eq!(read_on(&days, 114), 0);
        // the first of them is out of the window of day 191 and later
        let at = |today| usual(&days, today);
        assert_eq!(at(115), None, "four days");
        assert!(at(117).unwrap() < 20.0);
        let only = &days[1..];
        assert_eq!(usual(only, 117), Some(20.0));
        assert!((access_p(only, 117).unwrap() / 4.2e-13 - 1.0).abs() < 0.02);
        assert_eq!(access_p(only, 118), Some(1.0));
        assert_eq!(access_p(only, 116), None);
        // day 110 + 90 is the last whose habit it makes
        assert_eq!(access_p(only, 201), Some(1.0));
        assert_eq!(habit(only, 200).len(), 6);
        assert_eq!(habit(only, 201).len(), 5);
        assert_eq!(access_p(only, 202), None);
        assert_eq!(usual(only, 300), None);
    }

    #[test]
    fn a_day_counts_half_after_a_half_life() {
        let days = [(10, 90), (40, 30), (70, 30), (71, 30), (72, 30)];
        let weight = |back: f64| (-back / 30.0_f64).exp2();
        let all = [(90.0, 63.0), (30.0, 33.0), (30.0, 3.0), (30.0, 2.0), (30.0, 1.0)];
        let sum: f64 = all.iter().map(|(n, back)| n * weight(*back)).sum();
        let weights: f64 = all.iter().map(|(_, back)| weight(*back)).sum();
        assert!((usual(&days, 73).unwrap() / (sum / weights) - 1.0).abs() < 1e-15);
    }
}
