//! Support and satisfaction in numbers: waiting, effort, shares of what went wrong, delivered beside expected.
//!
//! Inputs are decayed sums (see `decay`) seen at one moment; sums of one formula share half-life and landmark, so every
//! share and mean here stands still between events, except where a prior is mixed in: those move towards it.
//! Definitions of first response, resolution and reopening: Zendesk's. Shrinking weights are expert priors.

/// Events a shrunk share's prior counts for.
pub const SHARE_PRIOR_N: f64 = 5.0;
/// Share the prior stands for: `.5 / 5`, one in ten.
pub const SHARE_PRIOR: f64 = 0.1;
/// Suggestions and complaints each count half a voice more than there were: without any the share is one half.
pub const VOICE_PRIOR: f64 = 0.5;
/// A satisfaction gap beyond this is felt, on either side.
pub const BAND_EDGE: f64 = 0.1;

/// What an hours' mean adds up for one wait: `ln(1 + h)`. Waits below 0 (clocks that disagree) count as none.
#[must_use]
pub fn ln_hours(duration_ms: i64) -> f64 {
    libm::log1p(duration_ms.max(0) as f64 / 3_600_000.0)
}

/// Typical hours behind `frt_h`, `resolve_h` and `wait_h`: `e^m - 1`, `m` the decayed mean of `ln(1 + h)` (half-life 90
/// days). A logarithmic mean: one ticket forgotten for a month does not hide a hundred answered at once.
/// `None` without any.
#[must_use]
pub fn typical_hours(sum_ln: f64, sum_1: f64) -> Option<f64> {
    (sum_1 > 0.0).then(|| libm::expm1(sum_ln / sum_1))
}

/// `reopen_share` and `sla_breach_share`: `(events + .5) / (cases + 5)` of decayed counts (half-life 180 days), [0, 1].
/// Without any case it is one in ten, the prior; `cases` says how much of it is the customer's own.
#[must_use]
pub fn shrunk_share(events: f64, cases: f64) -> f64 {
    let share = (events.max(0.0) + SHARE_PRIOR * SHARE_PRIOR_N) / (cases.max(0.0) + SHARE_PRIOR_N);
    share.min(1.0)
}

/// `suggest_share`: suggestions among suggestions and complaints, `(s + .5) / (s + c + 1)` of decayed counts (half-life 365
/// days), in (0, 1).
#[must_use]
pub fn suggest_share(suggestions: f64, complaints: f64) -> f64 {
    let (s, c) = (suggestions.max(0.0), complaints.max(0.0));
    (s + VOICE_PRIOR) / (s + c + 2.0 * VOICE_PRIOR)
}

/// A share of two decayed sums with one half-life: `disc_share`, `return_rate` (half-life 365 days), `inbound_share` (90
/// days). Limited to [0, 1]; `None` where the whole is not positive.
#[must_use]
pub fn share(part: f64, whole: f64) -> Option<f64> {
    if whole > 0.0 { Some((part / whole).clamp(0.0, 1.0)) } else { None }
}

/// `search_per_buy`: searches and comparisons for each purchase, of decayed counts (half-life 90 days); `None` without a
/// purchase. Loyal customers need fewer.
#[must_use]
pub fn search_per_buy(searches: f64, purchases: f64) -> Option<f64> {
    (purchases > 0.0).then(|| searches.max(0.0) / purchases)
}

/// `contact_pressure`: messages sent to the customer, per week, from their rate per day (half-life 7 days).
#[must_use]
pub fn contact_pressure(outbound_per_day: f64) -> f64 {
    7.0 * outbound_per_day.max(0.0)
}

/// Ratings behind `sat_gap`. Sums of half-life 30 days share one landmark, those of 365 days another.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ratings {
    /// Sum of scores in [0, 1], 30 days.
    pub fast_sum: f64,
    /// Number of them, 30 days.
    pub fast_n: f64,
    /// Sum of the expectations that were given beside a score, in [0, 1], 30 days.
    pub expected_sum: f64,
    /// Number of scores with an expectation beside them, 30 days.
    pub expected_n: f64,
    /// Sum of scores, 365 days.
    pub slow_sum: f64,
    /// Number of them, 365 days.
    pub slow_n: f64,
}

/// `sat_gap`: what was delivered less what was expected, in [-1, 1]; `None` without a rating.
///
/// Delivered is the fast mean of the scores. Expected is what the customer said beside the score, and for scores without
/// that the customer's own slow mean. Source: disconfirmation, Oliver 1980. All sums are additive, so the order of
/// events does not matter; both means stand still between events, and so does the gap.
#[must_use]
pub fn sat_gap(ratings: &Ratings) -> Option<f64> {
    let r = ratings;
    if !(r.fast_n > 0.0 && r.slow_n > 0.0) {
        return None;
    }
    // As a share of the scores, so that nothing is lost when all sums have become tiny.
    let said = (r.expected_n / r.fast_n).clamp(0.0, 1.0);
    let said_mean = if r.expected_n > 0.0 { r.expected_sum / r.expected_n } else { 0.0 };
    let expected = said * said_mean + (1.0 - said) * (r.slow_sum / r.slow_n);
    Some((r.fast_sum / r.fast_n - expected).clamp(-1.0, 1.0))
}

/// Bands of satisfaction. Numbers are stored and are stable; 0 is left for "not known".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SatBand {
    /// Less than expected: a gap below -.1.
    Dissatisfied = 1,
    /// As expected.
    Satisfied = 2,
    /// More than expected: a gap above .1.
    Delighted = 3,
}

impl SatBand {
    /// All bands, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Dissatisfied, Self::Satisfied, Self::Delighted];

    /// The stored number.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The band of a stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|band| band.number() == number)
    }

    /// The name in tables and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dissatisfied => "dissatisfied",
            Self::Satisfied => "satisfied",
            Self::Delighted => "delighted",
        }
    }
}

/// `sat_band` of a gap; `None` for NaN.
#[must_use]
pub fn sat_band(gap: f64) -> Option<SatBand> {
    if gap.is_nan() {
        return None;
    }
    Some(if gap < -BAND_EDGE {
        SatBand::Dissatisfied
    } else if gap > BAND_EDGE {
        SatBand::Delighted
    } else {
        SatBand::Satisfied
    })
}

/// What a customer has to put in, in three figures; each `None` while nothing is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Effort {
    /// Decayed mean of `ln(wait / promise)`: 0 is as promised, .69 twice as long.
    pub ln_wait: Option<f64>,
    /// Share of solved cases that were opened again, [0, 1].
    pub reopen_share: Option<f64>,
    /// Contacts for each solved case, 1 or more.
    pub contacts: Option<f64>,
}

/// `ln(wait / promise)` of one case, limited to +-3; `None` without a promise. A wait of under a minute counts as one.
#[must_use]
pub fn ln_wait_ratio(wait_ms: i64, promise_ms: i64) -> Option<f64> {
    if promise_ms <= 0 {
        return None;
    }
    let ratio = wait_ms.max(60_000) as f64 / promise_ms as f64;
    Some(libm::log(ratio).clamp(-3.0, 3.0))
}

/// `effort_index` in [0, 1], 0 being no effort: the mean of those known of `wait / (wait + promise)`, the share of cases opened
/// again, and `1 - 1 / contacts`. Equal parts: an expert prior. `None` if none is known.
#[must_use]
pub fn effort_index(effort: &Effort) -> Option<f64> {
    let parts = [
        effort.ln_wait.map(super::score::sigmoid),
        effort.reopen_share.map(|share| share.clamp(0.0, 1.0)),
        effort.contacts.map(|contacts| 1.0 - 1.0 / contacts.max(1.0)),
    ];
    let known = parts.iter().flatten().filter(|part| !part.is_nan());
    let (sum, n) = known.fold((0.0, 0.0), |(sum, n), part| (sum + part, n + 1.0));
    (n > 0.0).then(|| sum / n)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_a_logarithmic_mean() {
        let hour = 3_600_000;
        assert_eq!(typical_hours(0.0, 0.0), None);
        let one = typical_hours(ln_hours(5 * hour), 1.0).unwrap();
        assert!((one - 5.0).abs() < 1e-12);
        // (1 + 1)(1 + 7) = 16 = 4 * 4
        let two = typical_hours(ln_hours(hour) + ln_hours(7 * hour), 2.0).unwrap();
        assert!((two - 3.0).abs() < 1e-12);
        assert_eq!(ln_hours(-5), 0.0);
    }

    #[test]
    fn shares_by_hand() {
        assert!((shrunk_share(0.0, 0.0) - 0.1).abs() < 1e-15);
        assert!((shrunk_share(2.0, 5.0) - 0.25).abs() < 1e-15);
        assert_eq!(shrunk_share(1e9, 1.0), 1.0);
        assert_eq!(suggest_share(0.0, 0.0), 0.5);
        assert_eq!(suggest_share(2.5, 0.5), 0.75);
        assert_eq!(share(1.0, 0.0), None);
        assert_eq!(share(1.0, f64::NAN), None);
        assert_eq!(share(3.0, 2.0), Some(1.0));
        assert_eq!(share(-1.0, 2.0), Some(0.0));
        assert_eq!(share(0.5, 2.0), Some(0.25));
        assert_eq!(search_per_buy(6.0, 2.0), Some(3.0));
        assert_eq!(search_per_buy(6.0, 0.0), None);
        assert_eq!(contact_pressure(0.5), 3.5);
    }

    #[test]
    fn the_gap_is_delivered_less_expected() {
        let gap = |r: Ratings| sat_gap(&r);
        assert_eq!(gap(Ratings::default()), None);
        let base = Ratings { slow_sum: 3.0, slow_n: 4.0, ..Ratings::default() };
        assert_eq!(gap(base), None);
        // .25 delivered, .75 usual.
        let low = Ratings { fast_sum: 0.25, fast_n: 1.0, ..base };
        assert_eq!(gap(low), Some(-0.5));
        // They said they expected nothing: .25 more.
        let said = Ratings { expected_sum: 0.0, expected_n: 1.0, ..low };
        assert_eq!(gap(said), Some(0.25));
        // One of two said 1: expected are 1 and .75, delivered .25 and .75.
        let half =
            Ratings { fast_sum: 1.0, fast_n: 2.0, expected_sum: 1.0, expected_n: 1.0, ..base };
        assert_eq!(gap(half), Some(0.5 - 0.875));
        // Fading changes nothing, down to the smallest numbers.
        let faded = Ratings {
            fast_sum: 1e-300,
            fast_n: 2e-300,
            expected_sum: 0.0,
            expected_n: 0.0,
            ..base
        };
        assert_eq!(gap(faded), Some(-0.25));
    }

    #[test]
    fn bands_of_satisfaction() {
        let at = |gap| sat_band(gap).map(SatBand::name);
        assert_eq!(at(-0.11), Some("dissatisfied"));
        assert_eq!(at(-0.1), Some("satisfied"));
        assert_eq!(at(0.1), Some("satisfied"));
        assert_eq!(at(0.11), Some("delighted"));
        assert_eq!(at(f64::NAN), None);
        let all: Vec<_> = SatBand::ALL.iter().map(|b| SatBand::from_number(b.number())).collect();
        assert_eq!(all, SatBand::ALL.map(Some));
        assert_eq!(SatBand::from_number(0), None);
    }

    #[test]
    fn effort_by_hand() {
        assert_eq!(effort_index(&Effort::default()), None);
        let wait = ln_wait_ratio(4 * 3_600_000, 2 * 3_600_000);
        assert!((wait.unwrap() - 2.0_f64.ln()).abs() < 1e-15);
        assert_eq!(ln_wait_ratio(5, 0), None);
        assert_eq!(ln_wait_ratio(i64::MAX, 1), Some(3.0));
        let waits = Effort { ln_wait: wait, ..Effort::default() };
        assert!((effort_index(&waits).unwrap() - 2.0 / 3.0).abs() < 1e-15);
        let all = Effort { reopen_share: Some(1.0 / 3.0), contacts: Some(2.0), ..waits };
        assert!((effort_index(&all).unwrap() - 0.5).abs() < 1e-15);
        let nan = Effort { ln_wait: Some(f64::NAN), contacts: Some(0.0), ..Effort::default() };
        assert_eq!(effort_index(&nan), Some(0.0));
    }
}
