//! Exponentially decayed sums, rates and their trend: forward decay, order independent, O(1) an event.
//!
//! Source: Cormode, Shkapenyuk, Srivastava, Xu, "Forward decay", ICDE 2009. A sum is a pair `(v, ts)`: the value
//! `v` as seen at the landmark `ts`, which is the largest event time so far. Late events are added with the weight
//! they would have had, so the order of arrival does not matter beyond the last bits (tested to 1e-12).

use super::DAY_MS;

/// How fast the past is forgotten: weight `exp(-lambda * age)`, half of it after one half-life.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decay {
    lambda_per_ms: f64,
}

impl Decay {
    /// Decay with the given half-life in days, which must be positive and finite; definitions are checked for that
    /// before they come here. Anything else yields `NaN` results, never a panic.
    #[must_use]
    pub fn from_half_life_d(half_life_d: f64) -> Self {
        let half_life_ms = if half_life_d > 0.0 { half_life_d * DAY_MS as f64 } else { f64::NAN };
        Self { lambda_per_ms: std::f64::consts::LN_2 / half_life_ms }
    }

    /// The decay constant, per millisecond.
    #[must_use]
    pub fn lambda_per_ms(&self) -> f64 {
        self.lambda_per_ms
    }

    /// The decay constant, per day.
    #[must_use]
    pub fn lambda_per_day(&self) -> f64 {
        self.lambda_per_ms * DAY_MS as f64
    }

    /// Weight of something `dt_ms` old, in (0, 1]. Negative ages count as 0: nothing weighs more than the present.
    #[must_use]
    pub fn factor(&self, dt_ms: i64) -> f64 {
        if dt_ms <= 0 { 1.0 } else { libm::exp(-self.lambda_per_ms * dt_ms as f64) }
    }

    /// Adds `y`, which happened at `t_ms`, to the sum `v` as of `ts_ms`; returns the new sum and its landmark
    /// `max(ts_ms, t_ms)`. The empty sum is `(0.0, i64::MIN)`, or zero at any other landmark. `y` may be negative.
    #[must_use]
    pub fn add(&self, v: f64, ts_ms: i64, t_ms: i64, y: f64) -> (f64, i64) {
        if t_ms >= ts_ms {
            (v * self.factor(t_ms.saturating_sub(ts_ms)) + y, t_ms)
        } else {
            (v + y * self.factor(ts_ms.saturating_sub(t_ms)), ts_ms)
        }
    }

    /// The sum `v` as of `ts_ms`, seen at `tau_ms`. Before its own landmark a sum is not known: it is returned as is.
    #[must_use]
    pub fn value_at(&self, v: f64, ts_ms: i64, tau_ms: i64) -> f64 {
        if v == 0.0 { v } else { v * self.factor(tau_ms.saturating_sub(ts_ms)) }
    }

    /// Rate per day behind a decayed sum: `value * lambda / (1 - exp(-lambda * age))`.
    ///
    /// `sum_at_tau` is the sum at the moment of evaluation, `age_ms` the time from the customer's first event to
    /// that moment. The denominator removes the start-up bias: after 5 days a 30-day sum of a steady stream holds
    /// only a ninth of what it will hold. The age is taken as one day at least, because the formula has a pole at
    /// age 0: a first purchase would otherwise be an infinite rate, and "once in the first day" is all it says.
    #[must_use]
    pub fn rate_per_day(&self, sum_at_tau: f64, age_ms: i64) -> f64 {
        let age_ms = age_ms.max(DAY_MS) as f64;
        sum_at_tau * self.lambda_per_day() / -libm::expm1(-self.lambda_per_ms * age_ms)
    }
}

/// Adds to several sums that share one landmark: `sums[i]` decays by `decays[i]` and receives `ys[i]`.
/// Returns the new landmark. Equal, bit for bit, to [`Decay::add`] on each sum with its own landmark
/// as long as all of them receive something (zero included) at every event.
#[must_use]
pub fn add_shared<const N: usize>(
    decays: &[Decay; N],
    sums: &mut [f64; N],
    ts_ms: i64,
    t_ms: i64,
    ys: &[f64; N],
) -> i64 {
    let mut landmark_ms = ts_ms;
    for ((decay, sum), y) in decays.iter().zip(sums.iter_mut()).zip(ys) {
        (*sum, landmark_ms) = decay.add(*sum, ts_ms, t_ms, *y);
    }
    landmark_ms
}

/// Trend of two rates of the same thing, `ln(rate_short / rate_long)`, limited to `[-clip, clip]`.
///
/// `None` if either rate is not positive: no small constant is added to save the ratio, because that makes the
/// trend of a silent customer return to 0 by itself. Without it the trend falls strictly between events, so that one
/// moment of crossing exists.
#[must_use]
pub fn trend(rate_short: f64, rate_long: f64, clip: f64) -> Option<f64> {
    let known =
        rate_short > 0.0 && rate_long > 0.0 && rate_short.is_finite() && rate_long.is_finite();
    // Clipped by comparison: f64::clamp panics on a negative or NaN limit.
    known.then(|| libm::log(rate_short / rate_long).min(clip).max(-clip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_left_after_one_half_life() {
        let decay = Decay::from_half_life_d(30.0);
        assert!((decay.factor(30 * DAY_MS) - 0.5).abs() < 1e-15);
        assert_eq!(decay.factor(0), 1.0);
        assert_eq!(decay.factor(-5), 1.0);
    }

    #[test]
    fn empty_sum_may_have_any_landmark() {
        let decay = Decay::from_half_life_d(30.0);
        assert_eq!(decay.add(0.0, i64::MIN, 7, 3.0), (3.0, 7));
        assert_eq!(decay.add(0.0, 0, i64::MAX, 3.0), (3.0, i64::MAX));
    }

    /// The published check of the bias: half an event a day, five days old, half-life 30 days.
    #[test]
    fn young_rates_are_not_too_small() {
        let decay = Decay::from_half_life_d(30.0);
        let tau = 5 * DAY_MS;
        let (v, ts) = [1, 3, 5]
            .iter()
            .fold((0.0, i64::MIN), |(v, ts), day| decay.add(v, ts, day * DAY_MS - DAY_MS, 1.0));
        let sum = decay.value_at(v, ts, tau);
        let rate = decay.rate_per_day(sum, tau);
        let raw = sum * decay.lambda_per_day();
        assert!(raw < 0.07, "{raw}");
        assert!((rate - 0.6).abs() < 0.02, "{rate}");
    }

    #[test]
    fn age_is_one_day_at_least() {
        let decay = Decay::from_half_life_d(30.0);
        assert_eq!(decay.rate_per_day(1.0, 0), decay.rate_per_day(1.0, DAY_MS));
        assert!((decay.rate_per_day(1.0, 0) - 1.0).abs() < 0.02);
    }

    #[test]
    fn trend_needs_both_rates_and_is_clipped() {
        assert_eq!(trend(0.0, 1.0, 3.0), None);
        assert_eq!(trend(1.0, -1.0, 3.0), None);
        assert_eq!(trend(f64::NAN, 1.0, 3.0), None);
        assert_eq!(trend(1e-9, 1.0, 3.0), Some(-3.0));
        assert_eq!(trend(2.0, 2.0, 3.0), Some(0.0));
    }

    #[test]
    fn bad_half_life_is_nan_and_not_a_panic() {
        assert!(Decay::from_half_life_d(-1.0).factor(5).is_nan());
    }
}
