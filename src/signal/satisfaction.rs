//! Satisfaction from ratings: decayed, and pulled towards the population while there are few of them.

/// Ratings the population's mean counts for. A customer's own voice outweighs it from the fourth rating on.
pub const PRIOR_WEIGHT: f64 = 3.0;

/// A rating of 1 to 5 as a share of the possible, `(score - 1) / 4`; `None` for any other score.
#[must_use]
pub fn score_share(score: u8) -> Option<f64> {
    (1..=5).contains(&score).then(|| f64::from(score - 1) / 4.0)
}

/// Shrunk mean satisfaction in [0, 1]: `(sum w s + 3 mu) / (sum w + 3)`.
///
/// `sum_ws` and `sum_w` are decayed sums (half-life 180 days by default) of shares and of ones at the same moment,
/// `mu` is the population's mean share. Without any rating the answer is `mu`; whether to show it then is the
/// caller's question, `sum_w` is the effective number of ratings.
#[must_use]
pub fn shrunk_mean(sum_ws: f64, sum_w: f64, mu: f64) -> f64 {
    (sum_ws + PRIOR_WEIGHT * mu) / (sum_w + PRIOR_WEIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_outside_the_scale_are_refused() {
        let shares: Vec<_> = (0..=6).map(score_share).collect();
        assert_eq!(shares, [None, Some(0.0), Some(0.25), Some(0.5), Some(0.75), Some(1.0), None]);
    }

    #[test]
    fn few_ratings_stay_near_the_population() {
        assert_eq!(shrunk_mean(0.0, 0.0, 0.75), 0.75);
        assert_eq!(shrunk_mean(0.0, 1.0, 1.0), 0.75);
        assert!((shrunk_mean(3000.0, 3000.0, 0.0) - 0.999).abs() < 1e-3);
    }
}
