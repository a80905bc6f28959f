//! Whether somebody reads more customers' records than is usual for them: when an unusual count is no accident.

use super::gamma;

/// Accesses below this number are never an anomaly.
pub const ACCESS_MIN: u32 = 30;
/// A count this improbable, or less probable, is an anomaly.
pub const ACCESS_P_MAX: f64 = 1e-6;

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
mod tests {
    use super::*;

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
