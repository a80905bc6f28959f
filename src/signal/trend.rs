//! Trends of rates: shrinking volume, shrinking orders, and the exact moment a falling trend crosses a threshold.
//!
//! `trend = ln(rate_short/rate_long)` of two decayed sums of the same thing (`decay`), bias corrected, without an added
//! constant. Between events it falls strictly: with `lambda` the decay and `age` the time since the first event, a rate
//! is proportional to `lambda/(exp(lambda age) - 1)`, and
//! ```text
//! d trend/d tau = L/(1 - exp(-L age)) - S/(1 - exp(-S age)),    S > L the two decays
//! ```
//! is negative because `x/(1 - exp(-x age))` grows with `x`; it lies between `-(S - L)` and `-(S - L)/2`. Own
//! derivation; checked on random histories. So a crossing exists once, and its bracket is known beforehand.

use super::decay::{Decay, trend};
use super::{DAY_MS, root};

/// Crossings later than this after the first event are reported as none: 1,000 years.
const AGE_MAX_MS: i64 = 365_250 * DAY_MS;

/// What a trend is: constants of the definition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrendRule {
    /// Decay of the short view.
    pub short: Decay,
    /// Decay of the long view; slower than the short one.
    pub long: Decay,
    /// The trend is unknown while the long rate (per day) is below this: about 1 % of the population's median.
    pub floor_per_day: f64,
    /// The trend is unknown below this number of events.
    pub events_min: u32,
    /// Shown within `[-clip, clip]`.
    pub clip: f64,
}

impl TrendRule {
    /// `volume_trend`: spending over 30 against 180 days, from 4 orders on, clipped at 3. `floor_per_day` in minor
    /// units a day.
    #[must_use]
    pub fn volume(floor_per_day: f64) -> Self {
        let (short, long) = (Decay::from_half_life_d(30.0), Decay::from_half_life_d(180.0));
        Self { short, long, floor_per_day, events_min: 4, clip: 3.0 }
    }

    /// `engage_trend` and `usage_trend`: 7 against 60 days, clipped at 2.
    #[must_use]
    pub fn engagement(floor_per_day: f64) -> Self {
        let (short, long) = (Decay::from_half_life_d(7.0), Decay::from_half_life_d(60.0));
        Self { short, long, floor_per_day, events_min: 1, clip: 2.0 }
    }

    /// `demand_trend`: pieces over 14 against 90 days, clipped at 3.
    #[must_use]
    pub fn demand() -> Self {
        let (short, long) = (Decay::from_half_life_d(14.0), Decay::from_half_life_d(90.0));
        Self { short, long, floor_per_day: 0.0, events_min: 1, clip: 3.0 }
    }

    /// The two rates per day of `sums` at `tau_ms`, short and long.
    #[must_use]
    pub fn rates_per_day(&self, sums: &TrendSums, tau_ms: i64) -> (f64, f64) {
        let age_ms = tau_ms.saturating_sub(sums.first_ms);
        let rate = |decay: &Decay, v: f64| {
            decay.rate_per_day(decay.value_at(v, sums.landmark_ms, tau_ms), age_ms)
        };
        (rate(&self.short, sums.short), rate(&self.long, sums.long))
    }

    /// The trend at `tau_ms` (natural logarithm of a ratio). `None` below `events_min` events, below the floor, and if
    /// a rate is not positive (refunds can make it so): then the sums say nothing about a ratio.
    #[must_use]
    pub fn value(&self, sums: &TrendSums, tau_ms: i64) -> Option<f64> {
        // most customers have too few: the rates are dear
        if sums.events < self.events_min {
            return None;
        }
        let (short, long) = self.rates_per_day(sums, tau_ms);
        if long < self.floor_per_day {
            return None;
        }
        trend(short, long, self.clip)
    }

    /// Whether a trend that is known is so until `until_ms`, for certain: `false` says nothing. The long rate is at least its sum
    /// times the decay, and the sum falls by at most its decay times the time.
    #[must_use]
    pub fn stays_known(&self, sums: &TrendSums, until_ms: i64) -> bool {
        let passed_ms = until_ms.saturating_sub(sums.landmark_ms).max(0) as f64;
        let left = 1.0 - self.long.lambda_per_ms() * passed_ms;
        // a little less: the rate itself is rounded
        let least = sums.long * self.long.lambda_per_day() * left * (1.0 - 1e-9);
        self.floor_per_day.is_nan() || self.floor_per_day <= 0.0 || least >= self.floor_per_day
    }

    /// The first whole millisecond from `from_ms` on at which the trend is known no more, because the long rate has
    /// sunk below the floor. `from_ms` itself if it is unknown already; `None` if there is no floor, or in 1,000 years.
    #[must_use]
    pub fn unknown_from_ms(&self, sums: &TrendSums, from_ms: i64) -> Option<i64> {
        if self.value(sums, from_ms).is_none() {
            return Some(from_ms);
        }
        if self.floor_per_day.is_nan() || self.floor_per_day <= 0.0 {
            return None;
        }
        // rate = c E/(1 - E) with E = exp(-lambda age), c = v lambda exp(lambda (landmark - first)): closed.
        let lambda_ms = self.long.lambda_per_ms();
        let until_landmark_ms = sums.landmark_ms.saturating_sub(sums.first_ms) as f64;
        let ln_c =
            libm::log(sums.long * self.long.lambda_per_day()) + lambda_ms * until_landmark_ms;
        let age_ms = softplus(ln_c - libm::log(self.floor_per_day)) / lambda_ms;
        let guess_ms = sums.first_ms.saturating_add(libm::ceil(age_ms) as i64);
        let low = |tau_ms: i64| self.rates_per_day(sums, tau_ms).1 < self.floor_per_day;
        root::first_ms(from_ms, guess_ms, sums.first_ms.saturating_add(AGE_MAX_MS), low)
    }

    /// The first whole millisecond from `from_ms` on at which the trend is `threshold` or less: exact with respect to
    /// [`TrendRule::value`]. `None` if the trend is unknown at `from_ms` or becomes so first, if the clip hides the
    /// threshold, or in 1,000 years.
    #[must_use]
    pub fn falls_to_due_ms(&self, sums: &TrendSums, from_ms: i64, threshold: f64) -> Option<i64> {
        let now = self.value(sums, from_ms)?;
        if now <= threshold {
            return Some(from_ms);
        }
        if threshold.is_nan() || threshold < -self.clip {
            return None;
        }
        let latest_ms = sums.first_ms.saturating_add(AGE_MAX_MS);
        let plain = |tau_ms: i64| {
            let (short, long) = self.rates_per_day(sums, tau_ms);
            libm::log(short / long)
        };
        // The slope is at least half of its limit, so the crossing is not after `end_ms`.
        let distance = plain(from_ms) - threshold;
        let slope_per_ms = self.short.lambda_per_ms() - self.long.lambda_per_ms();
        let end_ms = from_ms.saturating_add(libm::ceil(2.0 * distance / slope_per_ms) as i64);
        let width_ms = end_ms.min(latest_ms).saturating_sub(from_ms) as f64;
        let above = |wait_ms: f64| threshold - plain(from_ms.saturating_add(wait_ms as i64));
        let wait_ms = root::between(0.0, width_ms, 1.0, above);
        let guess_ms = from_ms.saturating_add(libm::ceil(wait_ms) as i64);
        // Unknown counts as reached: the walk must not run on past the floor.
        let reached = |tau_ms: i64| self.value(sums, tau_ms).is_none_or(|trend| trend <= threshold);
        let due_ms = root::first_ms(from_ms, guess_ms, latest_ms, reached)?;
        self.value(sums, due_ms).map(|_| due_ms)
    }
}

/// The sums behind a trend of one customer; both share one landmark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrendSums {
    /// Sum decayed by the short half-life, at the landmark.
    pub short: f64,
    /// Sum decayed by the long half-life, at the landmark.
    pub long: f64,
    /// The moment both are known at.
    pub landmark_ms: i64,
    /// The first event.
    pub first_ms: i64,
    /// Number of events.
    pub events: u32,
}

/// `aov_trend`: `ln` of the mean order over 60 days by that over 365 days, limited to `[-clip, clip]`.
///
/// `amounts` and `counts` are the decayed sums of order amounts (minor units) and of ones, short and long, all four at
/// one landmark. A mean does not move between events, because its two sums decay alike: there is no due, and no moment
/// is asked for. `None` below `orders_min` (4) orders and if a sum is not positive.
#[must_use]
pub fn aov_trend(
    amounts: [f64; 2],
    counts: [f64; 2],
    (orders, orders_min): (u32, u32),
    clip: f64,
) -> Option<f64> {
    if orders < orders_min || !(counts[0] > 0.0 && counts[1] > 0.0) {
        return None;
    }
    trend(amounts[0] / counts[0], amounts[1] / counts[1], clip)
}

/// `ln(1 + e^t)` without overflow.
fn softplus(t: f64) -> f64 {
    t.max(0.0) + libm::log1p(libm::exp(-t.abs()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Steady spending of 100 a day for two years: no trend; then silence.
    fn steady() -> TrendSums {
        let rule = TrendRule::volume(0.0);
        let (mut short, mut long) = (0.0, 0.0);
        for day in 0..730 {
            short = rule.short.add(short, (day - 1) * DAY_MS, day * DAY_MS, 100.0).0;
            long = rule.long.add(long, (day - 1) * DAY_MS, day * DAY_MS, 100.0).0;
        }
        TrendSums { short, long, landmark_ms: 729 * DAY_MS, first_ms: 0, events: 730 }
    }

    #[test]
    fn silence_after_steady_buying_falls_as_the_decays_say() {
        let (rule, sums) = (TrendRule::volume(1.0), steady());
        let now = rule.value(&sums, sums.landmark_ms).unwrap();
        assert!(now.abs() < 0.02, "{now}");
        let due = rule.falls_to_due_ms(&sums, sums.landmark_ms, libm::log(0.6)).unwrap();
        // ln .6 = -(ln 2/30 - ln 2/180) days: 26.5 days; the bias correction takes a little.
        assert!((26.0..28.5).contains(&super::super::days(due - sums.landmark_ms)), "{due}");
        assert!(rule.value(&sums, due).unwrap() <= libm::log(0.6));
        assert!(rule.value(&sums, due - 1).unwrap() > libm::log(0.6));
        assert_eq!(rule.falls_to_due_ms(&sums, due, libm::log(0.6)), Some(due));
        assert_eq!(rule.falls_to_due_ms(&sums, due, -3.5), None);
    }

    #[test]
    fn below_the_floor_nothing_is_known() {
        let (rule, sums) = (TrendRule::volume(80.0), steady());
        let end = rule.unknown_from_ms(&sums, sums.landmark_ms).unwrap();
        assert!(rule.value(&sums, end - 1).is_some());
        assert_eq!(rule.value(&sums, end), None);
        assert_eq!(rule.falls_to_due_ms(&sums, sums.landmark_ms, -2.9), None);
        assert_eq!(rule.falls_to_due_ms(&sums, end, -0.1), None);
        assert_eq!(rule.unknown_from_ms(&sums, end + 3), Some(end + 3));
        assert_eq!(TrendRule::volume(0.0).unknown_from_ms(&sums, end), None);
    }

    #[test]
    fn few_orders_and_refunds_have_no_trend() {
        let rule = TrendRule::volume(0.0);
        let sums = TrendSums { short: 5.0, long: 6.0, landmark_ms: 0, first_ms: 0, events: 3 };
        assert_eq!(rule.value(&sums, 5), None);
        assert_eq!(rule.value(&TrendSums { events: 4, short: -1.0, ..sums }, 5), None);
        assert!(rule.value(&TrendSums { events: 4, ..sums }, 5).is_some());
    }

    #[test]
    fn order_values_are_compared_by_their_means() {
        let same = aov_trend([300.0, 3000.0], [3.0, 30.0], (33, 4), 3.0);
        assert_eq!(same, Some(0.0));
        let up = aov_trend([360.0, 3000.0], [3.0, 30.0], (33, 4), 3.0).unwrap();
        assert!((up - libm::log(1.2)).abs() < 1e-15);
        assert_eq!(aov_trend([1.0, 1.0], [1.0, 1.0], (3, 4), 3.0), None);
        assert_eq!(aov_trend([-1.0, 1.0], [1.0, 1.0], (9, 4), 3.0), None);
        assert_eq!(aov_trend([1.0, 1.0], [0.0, 1.0], (9, 4), 3.0), None);
    }
}
