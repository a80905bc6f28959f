//! Whether the events give what the customer's row says; and the scores of the row where they do not.

use std::collections::BTreeMap;

use super::input::Stored;
use super::report::{At, RowCheck};
use super::which::Which;
use crate::engine::context::Context;
use crate::engine::judge::Judgement;
use crate::signal::score::{Explained, explain};

/// Up to here two ways to the same number agree: log-odds, and shares of a score.
const AGREES: f64 = 1e-9;

/// Holds the row against what the events gave at the moment at which the row was judged.
pub(super) fn check(cx: &Context, stored: &Stored, judged: &Judgement) -> RowCheck {
    let mut largest = 0.0_f64;
    let mut agrees = true;
    for which in [Which::Risk, Which::Loyalty] {
        let told = which.of(judged);
        let (score, contributions) = row(which, stored);
        agrees &= match (score, &told) {
            (Some(score), Some(told)) => (score / which.scale() - told.score).abs() <= AGREES,
            (None, None) => true,
            _ => false,
        };
        for at in 0..which.inputs() {
            let phi = told.as_ref().and_then(|e| e.of(at)).map_or(0.0, |c| c.phi);
            let said = contributions.get(which.input(at).input).copied().unwrap_or(0.0);
            let off = (phi - said).abs();
            largest = largest.max(off);
            agrees &= off <= AGREES * (1.0 + said.abs());
        }
    }
    RowCheck {
        judged_at: At(stored.judged_ms),
        model_version: stored.model_version,
        risk: stored.risk,
        loyalty: stored.loyalty,
        agrees: (stored.model_version == cx.model_version).then_some(agrees),
        largest_difference: largest,
    }
}

fn row(which: Which, stored: &Stored) -> (Option<f64>, &BTreeMap<String, f64>) {
    match which {
        Which::Risk => (stored.risk, &stored.risk_contributions),
        Which::Loyalty => (stored.loyalty, &stored.loyalty_contributions),
    }
}

/// The score of the row with its explanation, under the model by which it was judged. The row does not say which inputs
/// of loyalty were not known: that is taken from what the events gave.
pub(super) fn of_row(
    cx: &Context,
    which: Which,
    stored: &Stored,
    judged: &Judgement,
) -> Option<Explained<usize>> {
    let (score, contributions) = row(which, stored);
    score?;
    let known_by_events = which.of(judged);
    let neutral = which.terms(cx, |_| None);
    let terms = which.terms(cx, |at| {
        let (id, term) = (which.input(at).input, &neutral[at]);
        if let Some(phi) = contributions.get(id) {
            return Some(term.reference + phi / term.weight);
        }
        let missing = match which {
            Which::Risk => stored.risk_missing.iter().any(|name| name == id),
            Which::Loyalty => known_by_events.as_ref().is_none_or(|e| e.of(at).is_none()),
        };
        (!missing).then_some(term.reference)
    });
    Some(explain(which.b0(cx), &terms))
}
