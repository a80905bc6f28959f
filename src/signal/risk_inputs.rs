//! The inputs of churn risk between two events: the numbers from which each can be told at any later moment.
//!
//! How they move while nothing happens: the base and the gap surprise rise, trends fall (their inputs to the score rise),
//! decayed sums fall, pulled means go one way towards their prior, an approaching renewal rises. Shares of decayed sums
//! with one half-life stand still. Days beyond terms are the exception: open invoices age and carry growing weight
//! beside a fading history, so they can go either way, see [`Debt`].

use super::days;
use super::decay::Decay;
use super::regularity::Rhythm;
use super::risk::Facts;
use super::silence::Curve;
use super::trend::{TrendRule, TrendSums};

/// A decayed sum: its value as of its landmark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecayedSum {
    /// The sum as of `at_ms`.
    pub value: f64,
    /// Its landmark, the time of the latest event in it.
    pub at_ms: i64,
    /// How it is forgotten.
    pub decay: Decay,
}

impl DecayedSum {
    /// The sum at a moment not before its landmark.
    #[must_use]
    pub fn at(&self, tau_ms: i64) -> f64 {
        self.decay.value_at(self.value, self.at_ms, tau_ms)
    }
}

/// What the purchase history says by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Base {
    /// Nothing: no purchase yet.
    Unknown,
    /// A probability that does not move until the next event: one less the renewal rate of a contract.
    Constant {
        /// The probability.
        p: f64,
    },
    /// p_silent as a function of age, in its form that only rises ([`Curve::p_silent_rising`]): a regular customer's low
    /// chance to buy right after an order is no risk.
    Silence {
        /// The customer's curve, with its horizon.
        curve: Curve,
        /// The moment of the first purchase.
        first_ms: i64,
    },
}

/// The customer's own gaps, for the surprise at the present one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// The rhythm, constant until the next purchase.
    pub rhythm: Rhythm,
    /// The moment of the last purchase.
    pub last_ms: i64,
}

impl Gap {
    /// Share of the customer's gaps that are shorter than the one since the last purchase, in [0, 1]. Rises.
    #[must_use]
    pub fn surprise_at(&self, tau_ms: i64) -> f64 {
        self.rhythm.gap_surprise(days(tau_ms.saturating_sub(self.last_ms)).max(0.0))
    }
}

/// Two rates of the same thing with different half-lives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// What the trend is.
    pub rule: TrendRule,
    /// The customer's sums.
    pub sums: TrendSums,
}

impl Rates {
    /// The trend at a moment: falls, until it is known no more because too little happens to tell.
    #[must_use]
    pub fn trend_at(&self, tau_ms: i64) -> Option<f64> {
        self.rule.value(&self.sums, tau_ms)
    }
}

/// A decayed mean that is pulled towards a prior as what it stands on fades: `(sum + n prior) / (weight + n)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PulledMean {
    /// Decayed sum of weighted values.
    pub sum: DecayedSum,
    /// Decayed sum of the weights, with the same landmark and half-life; above 0.
    pub weight: f64,
    /// The value without any evidence.
    pub prior: f64,
    /// What the prior counts for; with 0 the mean does not move.
    pub prior_weight: f64,
}

impl PulledMean {
    /// The mean at a moment; `None` if nothing was ever counted.
    #[must_use]
    pub fn at(&self, tau_ms: i64) -> Option<f64> {
        if self.weight.is_nan() || self.weight <= 0.0 {
            return None;
        }
        if self.prior_weight <= 0.0 {
            return Some(self.sum.value / self.weight);
        }
        let left = self.sum.decay.factor(tau_ms.saturating_sub(self.sum.at_ms));
        let counted = self.weight * left + self.prior_weight;
        Some((self.sum.value * left + self.prior_weight * self.prior) / counted)
    }
}

/// An invoice that is not paid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenInvoice {
    /// When it is to be paid.
    pub due_ms: i64,
    /// Amount still open, above 0.
    pub amount: f64,
}

/// Payment history and open invoices of one legal entity, for the amount-weighted days beyond terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Debt {
    /// Decayed sum (180 days) of amount times days late, of what was paid.
    pub late: DecayedSum,
    /// Decayed sum of the amounts paid, with the same landmark and half-life.
    pub paid: f64,
    /// What is open, due or not. The caller limits how many.
    pub open: Vec<OpenInvoice>,
}

/// The parts of days beyond terms at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DebtParts {
    /// Mean days late of what was paid; it does not move.
    pub paid_late_d: f64,
    /// Amount paid, decayed: falls.
    pub paid: f64,
    /// Sum of amount times days overdue of what is open: rises.
    pub overdue_days: f64,
    /// Amount open and overdue: rises, in steps.
    pub overdue: f64,
    /// Days the oldest of them is overdue: rises.
    pub oldest_d: f64,
}

impl Debt {
    /// The parts at a moment. An invoice is overdue from its due moment on.
    #[must_use]
    pub fn parts_at(&self, tau_ms: i64) -> DebtParts {
        let left = self.late.decay.factor(tau_ms.saturating_sub(self.late.at_ms));
        let paid_late_d = if self.paid > 0.0 { self.late.value / self.paid } else { 0.0 };
        let mut parts = DebtParts { paid_late_d, paid: self.paid * left, ..DebtParts::default() };
        for invoice in self.open.iter().filter(|invoice| invoice.due_ms <= tau_ms) {
            let late_d = days(tau_ms.saturating_sub(invoice.due_ms));
            parts.overdue_days += invoice.amount * late_d;
            parts.overdue += invoice.amount;
            parts.oldest_d = parts.oldest_d.max(late_d);
        }
        parts
    }
}

impl DebtParts {
    /// Days beyond terms, weighted by amount; `None` if nothing was paid yet and nothing is overdue.
    #[must_use]
    pub fn days(&self) -> Option<f64> {
        let amount = self.paid + self.overdue;
        (amount > 0.0).then(|| (self.paid * self.paid_late_d + self.overdue_days) / amount)
    }

    /// Bounds of [`DebtParts::days`] from the moment of `self` to that of `later`, both included; not known counts as 0.
    ///
    /// The days are `(P h + O) / (P + A)` with `P` falling, `O` and `A` rising and `h` constant: rising in `O`, falling in
    /// `A`, and monotone in `P` one way or the other. They are a mean of `h` and of days overdue, so never above both.
    #[must_use]
    pub fn bounds_to(&self, later: &Self) -> (f64, f64) {
        let h = self.paid_late_d;
        let most = later.oldest_d.max(if self.paid > 0.0 { h } else { 0.0 });
        let mean = |paid: f64, overdue_days: f64, overdue: f64, otherwise: f64| {
            let amount = paid + overdue;
            if amount > 0.0 { (paid * h + overdue_days) / amount } else { otherwise }
        };
        let low = |paid| mean(paid, self.overdue_days, later.overdue, 0.0);
        // Where nothing had been paid or due, the first to fall due is all there is.
        let high = |paid| mean(paid, later.overdue_days, self.overdue, most);
        let (least, top) =
            (low(self.paid).min(low(later.paid)), high(self.paid).max(high(later.paid)));
        (least, top.min(most))
    }
}

/// Everything churn risk is told from, valid until the next event of the customer. `None` is "not known".
#[derive(Debug, Clone, PartialEq)]
pub struct RiskInputs {
    /// The purchase history.
    pub base: Base,
    /// The customer's own gaps.
    pub gap: Option<Gap>,
    /// Spend, half-lives 30 and 180 days.
    pub spend: Option<Rates>,
    /// Visits, half-lives 7 and 60 days.
    pub visits: Option<Rates>,
    /// Open complaints, count.
    pub open_complaints: Option<f64>,
    /// Tickets, half-life 90 days.
    pub tickets: Option<DecayedSum>,
    /// Ratings, half-life 180 days, pulled towards the population's mean.
    pub csat: Option<PulledMean>,
    /// Delivered less expected, half-life 30 days.
    pub sat_gap: Option<PulledMean>,
    /// Payment.
    pub debt: Option<Debt>,
    /// Extension requests and part payments, half-life 180 days.
    pub extensions: Option<DecayedSum>,
    /// Intents to leave, half-life 14 days.
    pub cancel_intent: Option<DecayedSum>,
    /// Whether messages are refused.
    pub opted_out: Option<bool>,
    /// Discounted share of spend (one half-life above and below: it stands still).
    pub disc_share: Option<f64>,
    /// Returned share of spend (it stands still likewise).
    pub return_rate: Option<f64>,
    /// End of a contract that is not renewed.
    pub renewal_ms: Option<i64>,
    /// A contact's leaving, half-life 90 days.
    pub contact_left: Option<DecayedSum>,
}

impl RiskInputs {
    /// Of a customer of whom nothing is known.
    pub const NOTHING: Self = Self {
        base: Base::Unknown,
        gap: None,
        spend: None,
        visits: None,
        open_complaints: None,
        tickets: None,
        csat: None,
        sat_gap: None,
        debt: None,
        extensions: None,
        cancel_intent: None,
        opted_out: None,
        disc_share: None,
        return_rate: None,
        renewal_ms: None,
        contact_left: None,
    };

    /// What is known at a moment not before the last event.
    #[must_use]
    pub fn facts_at(&self, tau_ms: i64) -> Facts {
        let sum = |sum: Option<DecayedSum>| sum.map(|sum| sum.at(tau_ms));
        Facts {
            p_silent: match self.base {
                Base::Unknown => None,
                Base::Constant { p } => Some(p),
                Base::Silence { curve, first_ms } => {
                    Some(curve.p_silent_rising(days(tau_ms.saturating_sub(first_ms))))
                }
            },
            gap_surprise: self.gap.map(|gap| gap.surprise_at(tau_ms)),
            volume_trend: self.spend.and_then(|rates| rates.trend_at(tau_ms)),
            engage_trend: self.visits.and_then(|rates| rates.trend_at(tau_ms)),
            open_complaints: self.open_complaints,
            tickets_90: sum(self.tickets),
            csat: self.csat.and_then(|mean| mean.at(tau_ms)),
            sat_gap: self.sat_gap.and_then(|mean| mean.at(tau_ms)),
            dbt_days: self.debt.as_ref().and_then(|debt| debt.parts_at(tau_ms).days()),
            extensions_180: sum(self.extensions),
            cancel_intent_14: sum(self.cancel_intent),
            opted_out: self.opted_out,
            disc_share: self.disc_share,
            return_rate: self.return_rate,
            renewal_in_d: self.renewal_ms.map(|end_ms| days(end_ms.saturating_sub(tau_ms))),
            contact_left_90: sum(self.contact_left),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::DAY_MS;
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
        let at = |debt: &Debt, day: i64| debt.parts_at(day * DAY_MS).days();
        let nothing = debt(0.0, 0.0, &[(10, 500.0)]);
        assert_eq!(at(&nothing, 9), None);
        assert_eq!(at(&nothing, 10), Some(0.0));
        assert_eq!(at(&nothing, 17), Some(7.0));
        // Paid 300, of which 100 were 30 days late: 10 days. It fades, the mean stands.
        let paid = debt(100.0 * 30.0, 300.0, &[]);
        assert_eq!(at(&paid, 0), Some(10.0));
        assert!((at(&paid, 400).unwrap() - 10.0).abs() < 1e-12);
        // After a half-life 150 of weight remain; 150 open are 20 days overdue.
        let both = debt(3000.0, 300.0, &[(160, 150.0), (900, 1e6)]);
        assert!((at(&both, 180).unwrap() - 15.0).abs() < 1e-12);
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
}
