//! When a second purchase is due: a new customer counts only after a repeat in a new cycle.

use super::DAY_MS;

/// Quantiles of the time from the first to the second purchase day over the customers who made one: constants of the
/// definition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstGaps {
    /// A quarter of them came back within this many days.
    pub p25_d: f64,
    /// Three quarters of them came back within this many days.
    pub p75_d: f64,
}

impl Default for FirstGaps {
    /// 16 and 161 days: the 1,139 customers of the CDNOW sample with a second purchase day.
    fn default() -> Self {
        Self { p25_d: 16.0, p75_d: 161.0 }
    }
}

impl FirstGaps {
    /// The window in which a first-time buyer is likely to come back, `[P25, P75]` after the first purchase, as
    /// moments rounded up to milliseconds. `None` where the moments leave `i64` or a quantile is NaN or negative.
    #[must_use]
    pub fn window_ms(&self, t_first_ms: i64) -> Option<(i64, i64)> {
        let moment = |d: f64| {
            let wait_ms = libm::ceil(d * DAY_MS as f64);
            (wait_ms >= 0.0 && wait_ms < i64::MAX as f64)
                .then(|| t_first_ms.checked_add(wait_ms as i64))
                .flatten()
        };
        Some((moment(self.p25_d)?, moment(self.p75_d)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_as_moments() {
        let gaps = FirstGaps::default();
        assert_eq!(gaps.window_ms(5), Some((5 + 16 * DAY_MS, 5 + 161 * DAY_MS)));
        assert_eq!(gaps.window_ms(i64::MAX), None);
        assert_eq!(FirstGaps { p25_d: f64::NAN, p75_d: 1.0 }.window_ms(0), None);
        assert_eq!(FirstGaps { p25_d: 1.0, p75_d: f64::INFINITY }.window_ms(0), None);
    }
}
