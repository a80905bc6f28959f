//! How far churn risk can have moved a while after a moment, told from what it is made of then: bounds without another evaluation,
//! for use after every event. Where a contribution has no simple bound nothing is said, and the evaluation tells.
//!
//! With `L` the decay of a sum, of a mean or of a trend's sums, per day, and `D` days:
//! - what the history makes of silence rises in log-odds by at most `(n + 1) / ((alpha + T) p) D` ([`Curve::pace_max`]);
//! - a trend falls by at most `(S - L) D`, with `S` the decay of its short view (`trend`);
//! - a sum falls by at most `value L D`, since `1 - exp(-x) <= x`;
//! - a mean that is pulled towards its prior moves there, by at most its distance times `L D`: with `f` the weight that is left of
//!   what was counted, `d mean / dt = -L (mean - prior) n / (f weight + n)`.
//!
//! Own derivation; `tests/risk_path.rs` holds it against evaluations.

use super::days;
use super::risk::{Input, Weights};
use super::risk_inputs::{Base, DecayedSum, PulledMean, RiskInputs};
#[cfg(doc)]
use super::silence::Curve;

/// How far log-odds can move, both at least 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reach {
    /// Down.
    pub falls: f64,
    /// Up.
    pub rises: f64,
}

/// What is known at the moment from which the way is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub at_ms: i64,
    /// What the history makes of silence, as [`super::risk::Facts::p_silent`].
    pub p_silent: Option<f64>,
    /// Whether the trends of spend and visits are known.
    pub trends: [bool; 2],
}

impl Reach {
    /// Takes in how far an input can move on the scale of the score.
    fn take(&mut self, weights: &Weights, input: Input, down: f64, up: f64) {
        let weight = weights.of(input);
        if weight > 0.0 {
            self.falls += weight * down;
            self.rises += weight * up;
        } else if weight < 0.0 {
            self.falls -= weight * up;
            self.rises -= weight * down;
        }
    }
}

/// How far the log-odds can move until `until_ms` while nothing happens; `None` where only an evaluation tells.
pub(super) fn reach(
    inputs: &RiskInputs,
    weights: &Weights,
    now: Now,
    until_ms: i64,
) -> Option<Reach> {
    let ahead_d = days(until_ms.saturating_sub(now.at_ms)).max(0.0);
    let mut reach = Reach::default();
    if let (Base::Silence { curve, first_ms }, Some(p)) = (&inputs.base, now.p_silent) {
        let pace = curve.pace_max(days(now.at_ms.saturating_sub(*first_ms)), p)?;
        reach.take(weights, Input::Base, 0.0, pace * ahead_d);
    }
    let trends = [(Input::SpendFalling, inputs.spend), (Input::EngagementFalling, inputs.visits)];
    for ((input, rates), known) in trends.into_iter().zip(now.trends) {
        let Some(rates) = rates.filter(|_| known && weights.of(input) != 0.0) else { continue };
        if !rates.rule.stays_known(&rates.sums, until_ms) {
            return None;
        }
        let pace = rates.rule.short.lambda_per_day() - rates.rule.long.lambda_per_day();
        reach.take(weights, input, 0.0, pace * ahead_d * input.per_unit());
    }
    let sums = [
        (Input::SupportLoad, inputs.tickets),
        (Input::Extensions, inputs.extensions),
        (Input::CancelIntent, inputs.cancel_intent),
        (Input::ContactLeft, inputs.contact_left),
    ];
    for (input, DecayedSum { value, decay, .. }) in
        sums.into_iter().filter_map(|(input, sum)| Some((input, sum?)))
    {
        let moves = value.abs() * decay.lambda_per_day() * ahead_d * input.per_unit();
        reach.take(weights, input, moves, moves);
    }
    let means = [(Input::LowSatisfaction, inputs.csat), (Input::Disappointment, inputs.sat_gap)];
    for (input, mean) in means.into_iter().filter_map(|(input, mean)| Some((input, mean?))) {
        let pace = distance(&mean) * mean.sum.decay.lambda_per_day();
        let moves = pace * ahead_d * input.per_unit();
        reach.take(weights, input, moves, moves);
    }
    if inputs.renewal_ms.is_some() {
        reach.take(weights, Input::RenewalNear, 0.0, ahead_d * Input::RenewalNear.per_unit());
    }
    stands(inputs, weights, until_ms).then_some(reach)
}

/// Whether the inputs that have no simple bound stand until a moment.
fn stands(inputs: &RiskInputs, weights: &Weights, until_ms: i64) -> bool {
    let moves = |input: Input| weights.of(input) != 0.0;
    let invoices = inputs.debt.as_ref().is_some_and(|debt| !debt.open.is_empty());
    // a gap says nothing before it is longer than half of the customer's gaps
    let gap = inputs.gap.is_some_and(|gap| {
        let lasts_d = days(until_ms.saturating_sub(gap.last_ms));
        lasts_d > gap.rhythm.half_not_before_d()
    });
    !(invoices && moves(Input::LatePayment) || gap && moves(Input::OverdueGap))
}

/// How far a mean is from where it is pulled, at its landmark: never farther afterwards.
fn distance(mean: &PulledMean) -> f64 {
    if mean.weight > 0.0 && mean.prior_weight > 0.0 {
        let off = mean.sum.value - mean.weight * mean.prior;
        (off / (mean.weight + mean.prior_weight)).abs()
    } else {
        0.0
    }
}
