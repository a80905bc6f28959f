//! Churn risk between events: when does it leave its level, or cross the edge of an alert?
//!
//! Between events each input goes one way (days beyond terms aside, which bring bounds of their own), so on an interval
//! the log-odds lie between the sum of the smaller and the sum of the larger ends of all contributions: the rising part
//! at one end plus the falling part at the other. `exit` does the rest. The risk bounded here is, bit for bit,
//! that of [`Weights::risk`] on [`RiskInputs::facts_at`]: what fires a due is what the evaluation then finds.

use super::exit::{self, Found, Window};
use super::risk::{Facts, INPUTS, Input, Weights};
use super::risk_inputs::{DebtParts, RiskInputs};
use super::risk_pace::{self, Now, Reach};
use super::score::{SLACK, Span, sigmoid};

/// The risk at one moment, and what it is made of.
#[derive(Debug)]
pub struct Point {
    /// The risk, bit for bit that of [`Weights::risk`].
    pub risk: f64,
    p_silent: Option<f64>,
    parts: Parts,
}

/// The risk between two moments: at the first, and bounds of all until the last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// The risk at the first.
    pub from: f64,
    /// Never below this.
    pub low: f64,
    /// Nor above this.
    pub high: f64,
}

impl Stretch {
    /// Whether the risk certainly stays inside `window`. That it does not is not said by `false`.
    #[must_use]
    pub fn is_within(&self, window: Window) -> bool {
        [self.from, self.low, self.high].into_iter().all(|risk| window.holds(risk))
    }
}

/// The contributions at one moment.
#[derive(Debug)]
struct Parts {
    phi: [f64; INPUTS],
    /// Whether the trends of spend and visits are known.
    trends: [bool; 2],
    debt: Option<DebtParts>,
}

/// A customer's risk as a function of time, until the next event.
#[derive(Debug)]
pub struct Path<'a> {
    inputs: &'a RiskInputs,
    weights: &'a Weights,
    references: [f64; INPUTS],
    eta0: f64,
}

impl<'a> Path<'a> {
    /// The path of a customer under a set of weights.
    #[must_use]
    pub fn new(inputs: &'a RiskInputs, weights: &'a Weights) -> Self {
        let references = Input::ALL.map(|input| weights.reference(input));
        let weighted = weights.b.iter().zip(&references);
        let eta0 = weighted.fold(weights.b0, |sum, (weight, reference)| sum + weight * reference);
        Self { inputs, weights, references, eta0 }
    }

    /// The risk at a moment not before the last event.
    #[must_use]
    pub fn at(&self, tau_ms: i64) -> Point {
        let facts = self.inputs.facts_at(tau_ms);
        let phi = Input::ALL.map(|input| {
            let weight = self.weights.of(input);
            // as `Term::phi`, without a look at what has no weight
            match Some(input).filter(|_| weight != 0.0).and_then(|input| facts.z(input)) {
                Some(z) => weight * (z - self.references[input as usize]),
                None => 0.0,
            }
        });
        let p_silent = facts.p_silent;
        let trends = [facts.volume_trend.is_some(), facts.engage_trend.is_some()];
        let debt = self.inputs.debt.as_ref().map(|debt| debt.parts_at(tau_ms));
        let eta = phi.iter().fold(self.eta0, |sum, phi| sum + phi);
        Point { risk: sigmoid(eta), p_silent, parts: Parts { phi, trends, debt } }
    }

    /// The risk from a moment up to and including `until_ms`, in one more evaluation.
    #[must_use]
    pub fn stretch(&self, from: &Point, until_ms: i64) -> Stretch {
        let last = self.at(until_ms);
        let (low, high) = self.bounds(&from.parts, &last.parts);
        Stretch { from: from.risk, low, high }
    }

    /// The same from `at_ms`, the moment of `from`, without another evaluation: wider, and `None` where only an evaluation tells.
    #[must_use]
    pub fn reach(&self, from: &Point, at_ms: i64, until_ms: i64) -> Option<Stretch> {
        let now = Now { at_ms, p_silent: from.p_silent, trends: from.parts.trends };
        let Reach { falls, rises } = risk_pace::reach(self.inputs, self.weights, now, until_ms)?;
        // the slope of the sigmoid is a quarter at most
        let (low, high) = (from.risk - 0.25 * (falls + SLACK), from.risk + 0.25 * (rises + SLACK));
        Some(Stretch { from: from.risk, low, high })
    }

    fn sample(&self, tau_ms: i64) -> (f64, Parts) {
        let Point { risk, parts, .. } = self.at(tau_ms);
        (risk, parts)
    }

    /// Bounds of the risk between two moments.
    fn bounds(&self, left: &Parts, right: &Parts) -> (f64, f64) {
        let mut span = Span::of(&left.phi, &right.phi);
        let mut reach =
            |input: Input, z: f64| span.reach(input as usize, self.weights.of(input) * z);
        // A trend that ends in between has risen first, to nobody knows where.
        for (trend, input) in
            [Input::SpendFalling, Input::EngagementFalling].into_iter().enumerate()
        {
            if left.trends[trend] && !right.trends[trend] {
                reach(input, input.range().1);
            }
        }
        if let (Some(left), Some(right)) = (&left.debt, &right.debt) {
            let (least_d, most_d) = left.bounds_to(right);
            for dbt_days in [least_d, most_d] {
                let facts = Facts { dbt_days: Some(dbt_days), ..Facts::default() };
                reach(Input::LatePayment, facts.z(Input::LatePayment).unwrap_or(0.0));
            }
        }
        span.scores(self.eta0)
    }

    /// The first moment after `from_ms` at which the risk is outside `window`, looking no further than `until_ms`; exact to
    /// the millisecond, except that an excursion shorter than a second may be missed. For use when a due has fired.
    ///
    /// `from_ms` is not before the last event, and nothing has happened since.
    #[must_use]
    pub fn first_exit(&self, window: Window, from_ms: i64, until_ms: i64) -> Found {
        let bounds = |left: &Parts, right: &Parts| self.bounds(left, right);
        exit::first_exit(window, from_ms, until_ms, |tau_ms| self.sample(tau_ms), bounds)
    }

    /// A moment before which the risk certainly stays inside `window`, in few evaluations. For use after an event; look
    /// again, with [`Path::first_exit`], when it has come.
    #[must_use]
    pub fn not_before(&self, window: Window, from_ms: i64) -> Found {
        let bounds = |left: &Parts, right: &Parts| self.bounds(left, right);
        exit::not_before(window, from_ms, |tau_ms| self.sample(tau_ms), bounds)
    }
}
