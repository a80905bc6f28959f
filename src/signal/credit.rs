//! Credit in numbers: days beyond terms, what is overdue, and when an unusual count of accesses is no accident.
//!
//! Payment is told per legal entity, never netted with a parent. The formula of the days is common credit practice; that
//! late payers pay late again is known (61 % against 18 % in a public set of card holders), its effect on leaving is a
//! judgement. How the days move between events: `risk_inputs::Debt`.

use super::gamma;
use super::risk_inputs::{Debt, OpenInvoice};

/// Accesses below this number are never an anomaly.
pub const ACCESS_MIN: u32 = 30;
/// A count this improbable, or less probable, is an anomaly.
pub const ACCESS_P_MAX: f64 = 1e-6;

/// Days one payment was late, 0 or more.
#[must_use]
pub fn late_d(paid_ms: i64, due_ms: i64) -> f64 {
    super::days(paid_ms.saturating_sub(due_ms).max(0))
}

/// `dbt_days` at a moment: amount-weighted days beyond terms, of what was paid (decayed, half-life 180 days) and of what is
/// open and overdue; 0 or more. `None` if nothing was paid yet and nothing is overdue.
#[must_use]
pub fn dbt_days(debt: &Debt, tau_ms: i64) -> Option<f64> {
    debt.parts_at(tau_ms).days()
}

/// `overdue_ratio` at a moment: what is open and overdue by what is open, in [0, 1]. `None` if nothing is open. Between
/// events it rises, in steps, at the due moments.
#[must_use]
pub fn overdue_ratio(open: &[OpenInvoice], tau_ms: i64) -> Option<f64> {
    let sum = |overdue_only: bool| -> f64 {
        let counted = open.iter().filter(|i| !overdue_only || i.due_ms <= tau_ms);
        counted.map(|i| i.amount).sum()
    };
    let all = sum(false);
    (all > 0.0).then(|| (sum(true) / all).min(1.0))
}

/// Moments after `from_ms` at which an open invoice makes a difference to people: when it falls due and 15 and 30 days
/// later. The earliest; `None` if there is none.
#[must_use]
pub fn next_credit_due_ms(open: &[OpenInvoice], from_ms: i64) -> Option<i64> {
    let steps = [0, 15, 30].map(|d| d * super::DAY_MS);
    let moments = open.iter().flat_map(|i| steps.map(|step| i.due_ms.saturating_add(step)));
    moments.filter(|moment| *moment > from_ms).min()
}

/// Chance of `seen` or more events where `mean` are usual, if they come independently: the upper tail of the Poisson
/// distribution, `P(X >= n) = P(n, mean)` with the regularised lower gamma function. 60 seen, 20 usual: 4.2e-13.
/// NaN for a mean that is negative or no number.
#[must_use]
pub fn poisson_tail(seen: u32, mean: f64) -> f64 {
    if mean.is_nan() || mean < 0.0 {
        return f64::NAN;
    }
    if seen == 0 { 1.0 } else { gamma::lower(f64::from(seen), mean) }
}

/// `access_anomaly`: whether an employee who usually reads `mean` customers' records a day (own decayed mean) and has read
/// `seen` today does something else than usual: 30 at least, and a chance below 1e-6. Both limits are expert priors.
#[must_use]
pub fn access_anomaly(seen: u32, mean: f64) -> bool {
    seen >= ACCESS_MIN && poisson_tail(seen, mean) < ACCESS_P_MAX
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::DAY_MS;
    use super::super::decay::Decay;
    use super::super::risk_inputs::DecayedSum;
    use super::*;

    fn debt(late: f64, paid: f64, open: &[(i64, f64)]) -> Debt {
        let open =
            open.iter().map(|(d, amount)| OpenInvoice { due_ms: d * DAY_MS, amount: *amount });
        Debt {
            late: DecayedSum { value: late, at_ms: 0, decay: Decay::from_half_life_d(180.0) },
            paid,
            open: open.collect(),
        }
    }

    #[test]
    fn days_beyond_terms_by_hand() {
        let at = |debt: &Debt, day: i64| dbt_days(debt, day * DAY_MS);
        let nothing = debt(0.0, 0.0, &[(10, 500.0)]);
        assert_eq!(at(&nothing, 9), None);
        assert_eq!(at(&nothing, 10), Some(0.0));
        assert_eq!(at(&nothing, 17), Some(7.0));
        // Paid 300, of which 100 were 30 days late: 10 days. It fades, the mean stands.
        let paid = debt(100.0 * late_d(40 * DAY_MS, 10 * DAY_MS), 300.0, &[]);
        assert_eq!(at(&paid, 0), Some(10.0));
        assert!((at(&paid, 400).unwrap() - 10.0).abs() < 1e-12);
        // After a half-life 150 of weight remain; 150 open are 20 days overdue.
        let both = debt(3000.0, 300.0, &[(160, 150.0), (900, 1e6)]);
        assert!((at(&both, 180).unwrap() - 15.0).abs() < 1e-12);
        assert_eq!(late_d(5, 10), 0.0);
    }

    #[test]
    fn bounds_hold_between_two_moments() {
        let cases = [
            debt(0.0, 0.0, &[(10, 500.0), (40, 9000.0)]),
            debt(30_000.0, 1000.0, &[(10, 500.0), (40, 9000.0)]),
            debt(500.0, 1000.0, &[(10, 500.0), (11, 1.0)]),
            debt(0.0, 1000.0, &[]),
        ];
        for debt in &cases {
            for (left, right) in [(0, 5), (0, 30), (9, 11), (30, 50), (0, 2000), (39, 40)] {
                let parts = |day: i64| debt.parts_at(day * DAY_MS);
                let (low, high) = parts(left).bounds_to(&parts(right));
                for day in left..=right {
                    let days = parts(day).days().unwrap_or(0.0);
                    assert!(
                        low <= days + 1e-9 && days <= high + 1e-9,
                        "{debt:?} {left} {right} {day}"
                    );
                }
            }
        }
    }

    #[test]
    fn overdue_is_a_share_of_the_open() {
        let open = debt(0.0, 0.0, &[(10, 300.0), (20, 100.0)]).open;
        let at = |day: i64| overdue_ratio(&open, day * DAY_MS);
        assert_eq!((at(9), at(10), at(20)), (Some(0.0), Some(0.75), Some(1.0)));
        assert_eq!(overdue_ratio(&[], 5), None);
        let due = |day: i64| next_credit_due_ms(&open, day * DAY_MS).map(|ms| ms / DAY_MS);
        assert_eq!((due(0), due(10), due(20), due(50)), (Some(10), Some(20), Some(25), None));
    }

    #[test]
    fn improbable_counts() {
        let p = poisson_tail(60, 20.0);
        assert!((p / 4.2e-13 - 1.0).abs() < 0.02, "{p}");
        assert!((poisson_tail(1, 2.0) - (1.0 - (-2.0_f64).exp())).abs() < 1e-15);
        assert_eq!(poisson_tail(0, 2.0), 1.0);
        assert_eq!(poisson_tail(3, 0.0), 0.0);
        assert!(poisson_tail(3, -1.0).is_nan());
        assert!(access_anomaly(60, 20.0));
        assert!(!access_anomaly(29, 0.1));
        assert!(!access_anomaly(40, 20.0));
        assert!(!access_anomaly(60, f64::NAN));
        assert!(access_anomaly(30, 0.0));
    }
}
