//! Churn risk between events: when does it leave its level, or cross the edge of an alert?
//!
//! Between events each input goes one way (days beyond terms aside, which bring bounds of their own), so on an interval
//! the log-odds lie between the sum of the smaller and the sum of the larger ends of all contributions: the rising part
//! at one end plus the falling part at the other. `exit` does the rest. The risk bounded here is, bit for bit,
//! that of [`Weights::risk`] on [`RiskInputs::facts_at`]: what fires a due is what the evaluation then finds.

use super::exit::{self, Found, Window};
use super::risk::{Facts, INPUTS, Input, Weights};
use super::risk_inputs::{DebtParts, RiskInputs};
use super::score::{eta_reference, sigmoid};

/// Added to both bounds of the log-odds: what rounding can make of monotone inputs. Near probabilities of 1 - 1e-6 the
/// last bit of p_silent is 1e-10 of log-odds.
const SLACK: f64 = 1e-9;

/// The contributions at one moment.
struct Parts {
    phi: [f64; INPUTS],
    /// Whether the trends of spend and visits are known.
    trends: [bool; 2],
    debt: Option<DebtParts>,
}

/// A customer's risk as a function of time, until the next event.
struct Path<'a> {
    inputs: &'a RiskInputs,
    weights: &'a Weights,
    eta0: f64,
}

impl<'a> Path<'a> {
    fn new(inputs: &'a RiskInputs, weights: &'a Weights) -> Self {
        let eta0 = eta_reference(weights.b0, &weights.terms(&Facts::default()));
        Self { inputs, weights, eta0 }
    }

    fn at(&self, tau_ms: i64) -> (f64, Parts) {
        let facts = self.inputs.facts_at(tau_ms);
        let phi = self.weights.terms(&facts).map(|term| term.phi());
        let trends = [facts.volume_trend.is_some(), facts.engage_trend.is_some()];
        let debt = self.inputs.debt.as_ref().map(|debt| debt.parts_at(tau_ms));
        let eta = phi.iter().fold(self.eta0, |sum, phi| sum + phi);
        (sigmoid(eta), Parts { phi, trends, debt })
    }

    /// Bounds of the risk between two moments.
    fn bounds(&self, left: &Parts, right: &Parts) -> (f64, f64) {
        let (mut low, mut high) = (self.eta0, self.eta0);
        for input in Input::ALL {
            let (a, b) = (left.phi[input as usize], right.phi[input as usize]);
            let (mut least, mut most) = (a.min(b), a.max(b));
            let mut reach = |phi: f64| {
                least = least.min(phi);
                most = most.max(phi);
            };
            let weight = self.weights.of(input);
            match input {
                // A trend that ends in between has risen first, to nobody knows where.
                Input::SpendFalling if left.trends[0] && !right.trends[0] => {
                    reach(weight * input.range().1);
                }
                Input::EngagementFalling if left.trends[1] && !right.trends[1] => {
                    reach(weight * input.range().1);
                }
                Input::LatePayment => {
                    if let (Some(left), Some(right)) = (&left.debt, &right.debt) {
                        let (least_d, most_d) = left.bounds_to(right);
                        let z = |dbt_days: f64| {
                            let facts = Facts { dbt_days: Some(dbt_days), ..Facts::default() };
                            facts.z(input).unwrap_or(0.0)
                        };
                        reach(weight * z(least_d));
                        reach(weight * z(most_d));
                    }
                }
                _ => {}
            }
            low += least;
            high += most;
        }
        (sigmoid(low - SLACK), sigmoid(high + SLACK))
    }
}

/// The first moment after `from_ms` at which the risk is outside `window`, looking no further than `until_ms`; exact to the
/// millisecond, except that an excursion shorter than a second may be missed. For use when a due has fired.
///
/// `from_ms` is not before the last event, and nothing has happened since.
#[must_use]
pub fn first_exit(
    inputs: &RiskInputs,
    weights: &Weights,
    window: Window,
    from_ms: i64,
    until_ms: i64,
) -> Found {
    let path = Path::new(inputs, weights);
    let bounds = |left: &Parts, right: &Parts| path.bounds(left, right);
    exit::first_exit(window, from_ms, until_ms, |tau_ms| path.at(tau_ms), bounds)
}

/// Whether the risk certainly stays inside `window` from `from_ms` up to and including `until_ms`, in two evaluations. That
/// it does not is not said by `false`.
#[must_use]
pub fn stays(
    inputs: &RiskInputs,
    weights: &Weights,
    window: Window,
    from_ms: i64,
    until_ms: i64,
) -> bool {
    let path = Path::new(inputs, weights);
    let ((first, left), (last, right)) = (path.at(from_ms), path.at(until_ms));
    let (low, high) = path.bounds(&left, &right);
    [first, last, low, high].into_iter().all(|risk| window.holds(risk))
}

/// A moment before which the risk certainly stays inside `window`, in few evaluations. For use after an event; look again,
/// with [`first_exit`], when it has come.
#[must_use]
pub fn not_before(inputs: &RiskInputs, weights: &Weights, window: Window, from_ms: i64) -> Found {
    let path = Path::new(inputs, weights);
    let bounds = |left: &Parts, right: &Parts| path.bounds(left, right);
    exit::not_before(window, from_ms, |tau_ms| path.at(tau_ms), bounds)
}
