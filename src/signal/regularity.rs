//! The customer's own rhythm: how regular their gaps are, and how surprising the present gap is.
//!
//! Gaps are taken as gamma distributed with shape `k` (1: random, larger: regular) and the customer's mean. Source of
//! the view: Wheat and Morrison, "Estimating purchase regularity with two interpurchase times", Journal of Marketing
//! Research 27, 1990. The shape comes from the count, the sum and the sum of logarithms of the gaps alone (Minka,
//! "Estimating a Gamma distribution", 2002, start of the likelihood's maximum, within 1.5 % of it):
//! ```text
//! q = ln(mean) - mean(ln);   k = (3 - q + sqrt((q-3)^2 + 24 q))/(12 q)
//! k_hat = (n k + 5)/(n + 5);   g_bar = (2 g_pop + sum g)/(2 + n)
//! gap_surprise = P(k_hat, k_hat elapsed/g_bar);   due(theta) = g_bar/k_hat P^-1(k_hat, theta)
//! ```
//! `k` is biased upwards for few gaps (k = 4 gives 4.67 on average with 10); shrinking towards 1 outweighs that. The
//! weights of the priors are judgements. The rest is exact arithmetic.

use super::{DAY_MS, days, gamma, root};

/// Longest wait that a due is looked for, days; see `crossing::AGE_MAX_D`.
const WAIT_MAX_D: f64 = 365_250.0;

/// The constants of the definition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Regularity {
    /// Mean gap of the population, days, above 0.
    pub g_pop_d: f64,
    /// Gaps the population's mean counts for, above 0.
    pub g_pop_n: f64,
    /// Shape of a customer about whom nothing is known: 1, no rhythm.
    pub k_prior: f64,
    /// Gaps that prior counts for, above 0.
    pub k_prior_n: f64,
    /// The largest shape a customer's own gaps may show before shrinking. Equal gaps would give infinity, which two of
    /// them do not prove. At 100 the standard deviation of a gap is a tenth of it.
    pub k_max: f64,
}

impl Default for Regularity {
    /// Mean gap 71 days: the 4,339 gaps between purchase days in the CDNOW sample (70.86). Weights 2 and 5.
    fn default() -> Self {
        Self { g_pop_d: 71.0, g_pop_n: 2.0, k_prior: 1.0, k_prior_n: 5.0, k_max: 100.0 }
    }
}

/// What is kept of a customer's gaps between purchase days (or sessions).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Gaps {
    /// How many.
    pub n: u32,
    /// Their sum, days.
    pub sum_d: f64,
    /// The sum of their natural logarithms, in days; gaps are above 0.
    pub sum_ln_d: f64,
}

impl Gaps {
    /// The gaps between ascending, distinct days.
    #[must_use]
    pub fn between(days: impl IntoIterator<Item = u16>) -> Self {
        let mut days = days.into_iter();
        let mut gaps = Self::default();
        let Some(mut before) = days.next() else { return gaps };
        for day in days {
            let gap_d = f64::from(day - before);
            gaps.n += 1;
            gaps.sum_d += gap_d;
            gaps.sum_ln_d += libm::log(gap_d);
            before = day;
        }
        gaps
    }

    /// Mean gap in days; `None` without gaps.
    #[must_use]
    pub fn mean_d(&self) -> Option<f64> {
        (self.n > 0 && self.sum_d > 0.0).then(|| self.sum_d / f64::from(self.n))
    }

    /// The customer's own shape, biased, at most `k_max`; `None` below two gaps, which show no spread.
    ///
    /// `q` is never negative (the mean of logarithms is below the logarithm of the mean); where rounding makes it so,
    /// or 0, the gaps are equal and the shape is `k_max`.
    #[must_use]
    pub fn shape(&self, k_max: f64) -> Option<f64> {
        let mean_d = self.mean_d().filter(|_| self.n >= 2)?;
        let q = libm::log(mean_d) - self.sum_ln_d / f64::from(self.n);
        if q.is_nan() {
            return None;
        }
        if q <= 0.0 {
            return Some(k_max);
        }
        let k = (3.0 - q + libm::sqrt((q - 3.0) * (q - 3.0) + 24.0 * q)) / (12.0 * q);
        Some(k.min(k_max))
    }
}

impl Regularity {
    /// The rhythm of a customer with these gaps. Without any it is the population's; a single one moves the mean and
    /// leaves the shape at its prior.
    #[must_use]
    pub fn rhythm(&self, gaps: Gaps) -> Rhythm {
        let n = f64::from(gaps.n);
        let k_hat = gaps.shape(self.k_max).map_or(self.k_prior, |k| {
            (n * k + self.k_prior_n * self.k_prior) / (n + self.k_prior_n)
        });
        let g_bar_d = (self.g_pop_n * self.g_pop_d + gaps.sum_d) / (self.g_pop_n + n);
        Rhythm { k_hat, g_bar_d }
    }
}

/// The rhythm of a customer: constant until the next purchase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rhythm {
    /// `gap_k`: shape of the gaps, shrunk.
    pub k_hat: f64,
    /// `gap_mean`: mean gap in days, shrunk.
    pub g_bar_d: f64,
}

impl Rhythm {
    /// Share of this customer's own gaps that are shorter than the one that has lasted `elapsed_d` days, in [0, 1].
    /// Rises strictly with it (as far as floats tell: near 1 they are spaced 1e-16).
    #[must_use]
    pub fn gap_surprise(&self, elapsed_d: f64) -> f64 {
        gamma::lower(self.k_hat, self.k_hat * elapsed_d / self.g_bar_d)
    }

    /// Days after the last purchase at which gap_surprise is `theta`. `None` for `theta` outside (0, 1).
    #[must_use]
    pub fn due_d(&self, theta: f64) -> Option<f64> {
        let due_d = self.g_bar_d / self.k_hat * gamma::inverse_lower(self.k_hat, theta)?;
        due_d.is_finite().then_some(due_d)
    }

    /// Days after the last purchase before which gap_surprise is certainly below a half: the median of a gamma distribution is
    /// not below `1 - 1/(3 k)` of its mean (Chen and Rubin, Statistics & Probability Letters 4(6), 1986).
    #[must_use]
    pub fn half_not_before_d(&self) -> f64 {
        (self.g_bar_d * (1.0 - 1.0 / (3.0 * self.k_hat))).max(0.0)
    }

    /// The first whole millisecond, not before `from_ms`, at which gap_surprise since `t_last_ms` is `theta` or more:
    /// exact with respect to [`Rhythm::gap_surprise`] at `days(ms - t_last_ms)`. `None` for `theta` outside (0, 1) and
    /// beyond 1,000 years.
    #[must_use]
    pub fn gap_surprise_due_ms(&self, t_last_ms: i64, from_ms: i64, theta: f64) -> Option<i64> {
        let due_d = self.due_d(theta).filter(|due_d| *due_d <= WAIT_MAX_D)?;
        let earliest_ms = from_ms.saturating_sub(t_last_ms).max(0);
        let guess_ms = libm::ceil(due_d * DAY_MS as f64) as i64;
        let latest_ms = WAIT_MAX_D as i64 * DAY_MS;
        let reached = |wait_ms: i64| self.gap_surprise(days(wait_ms)) >= theta;
        t_last_ms.checked_add(root::first_ms(earliest_ms, guess_ms, latest_ms, reached)?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn gaps(list: &[f64]) -> Gaps {
        Gaps {
            n: list.len() as u32,
            sum_d: list.iter().sum(),
            sum_ln_d: list.iter().map(|g| libm::log(*g)).sum(),
        }
    }

    #[test]
    fn worked_example() {
        let seen = gaps(&[20.0, 40.0]);
        // q = ln 30 - (ln 20 + ln 40)/2 = .0588915; the shape by hand.
        assert!((seen.shape(100.0).unwrap() - 8.650_670).abs() < 1e-6, "{:?}", seen.shape(100.0));
        let rhythm = Regularity { g_pop_d: 60.0, ..Regularity::default() }.rhythm(seen);
        assert_eq!(rhythm.g_bar_d, 45.0);
        assert!((rhythm.k_hat - (2.0 * 8.650_670 + 5.0) / 7.0).abs() < 1e-6);
    }

    #[test]
    fn no_rhythm_is_the_exponential() {
        let rhythm = Regularity::default().rhythm(Gaps::default());
        assert_eq!(rhythm, Rhythm { k_hat: 1.0, g_bar_d: 71.0 });
        assert!((rhythm.gap_surprise(71.0) - (1.0 - libm::exp(-1.0))).abs() < 1e-15);
        assert!((rhythm.due_d(0.95).unwrap() - 71.0 * libm::log(20.0)).abs() < 1e-11);
    }

    #[test]
    fn equal_gaps_have_the_largest_shape_and_one_gap_none() {
        assert_eq!(gaps(&[30.0; 4]).shape(100.0), Some(100.0));
        assert_eq!(gaps(&[7.0; 9]).shape(100.0), Some(100.0));
        assert_eq!(gaps(&[30.0]).shape(100.0), None);
        assert_eq!(Gaps::default().mean_d(), None);
        assert_eq!(
            Regularity::default().rhythm(gaps(&[29.0])),
            Rhythm { k_hat: 1.0, g_bar_d: 57.0 }
        );
    }

    #[test]
    fn half_of_the_gaps_are_not_shorter_than_the_bound() {
        for k_hat in [0.2, 0.34, 0.5, 1.0, 1.7, 4.0, 30.0, 100.0] {
            let rhythm = Rhythm { k_hat, g_bar_d: 12.0 };
            let bound_d = rhythm.half_not_before_d();
            assert!(rhythm.gap_surprise(bound_d) <= 0.5, "k {k_hat}: {bound_d}");
            assert!(k_hat < 1.0 || bound_d >= 8.0 - 1e-9, "k {k_hat}: {bound_d}");
        }
    }

    #[test]
    fn the_due_is_the_first_millisecond() {
        let rhythm = Rhythm { k_hat: 3.4, g_bar_d: 28.0 };
        let due = rhythm.gap_surprise_due_ms(1_000, 0, 0.95).unwrap();
        assert!(rhythm.gap_surprise(days(due - 1_000)) >= 0.95);
        assert!(rhythm.gap_surprise(days(due - 1_001)) < 0.95);
        assert_eq!(rhythm.gap_surprise_due_ms(1_000, due + 5, 0.95), Some(due + 5));
        assert_eq!(rhythm.gap_surprise_due_ms(1_000, 0, 1.0), None);
    }
}
