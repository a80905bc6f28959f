//! Churn risk and loyalty seen alike: inputs by number, with their names, weights and sentences.

use super::report::Input;
use crate::engine::context::Context;
use crate::engine::judge::Judgement;
use crate::signal::score::{Contribution, Explained, Term};
use crate::signal::{loyalty, risk};

/// One of the two scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Churn risk.
    Risk,
    /// Loyalty.
    Loyalty,
}

/// Log-odds of all inputs of both scores: first those of the risk, then those of loyalty.
pub(super) const PHIS: usize = risk::INPUTS + loyalty::INPUTS;

impl Which {
    /// Number of inputs.
    pub fn inputs(self) -> usize {
        match self {
            Self::Risk => risk::INPUTS,
            Self::Loyalty => loyalty::INPUTS,
        }
    }

    /// Where its inputs begin among those of both.
    pub fn offset(self) -> usize {
        match self {
            Self::Risk => 0,
            Self::Loyalty => risk::INPUTS,
        }
    }

    /// What the score is multiplied by to be shown: loyalty is told from 0 to 100.
    pub fn scale(self) -> f64 {
        match self {
            Self::Risk => 1.0,
            Self::Loyalty => 100.0,
        }
    }

    /// An input, for people and machines.
    pub fn input(self, at: usize) -> Input {
        match self {
            Self::Risk => {
                let input = risk::Input::ALL[at];
                Input { input: input.id(), meaning: input.sentence() }
            }
            Self::Loyalty => {
                let input = loyalty::Input::ALL[at];
                Input { input: input.id(), meaning: input.sentence() }
            }
        }
    }

    /// Where the weight of an input comes from.
    pub fn basis(self, cx: &Context, at: usize) -> &'static str {
        match self {
            // a weight that the definition sets is no fit of ours
            Self::Risk
                if cx
                    .plan
                    .parameters
                    .risk
                    .weights
                    .own
                    .iter()
                    .any(|(i, _)| usize::from(*i) == at) =>
            {
                "definition"
            }
            Self::Loyalty
                if cx.plan.parameters.loyalty.own.iter().any(|(i, _)| usize::from(*i) == at) =>
            {
                "definition"
            }
            Self::Risk => risk::Input::ALL[at].basis().name(),
            Self::Loyalty => loyalty::Input::ALL[at].basis().name(),
        }
    }

    /// The values an input can take.
    pub fn range(self, at: usize) -> (f64, f64) {
        match self {
            Self::Risk => risk::Input::ALL[at].range(),
            Self::Loyalty => loyalty::Input::ALL[at].range(),
        }
    }

    /// The constant of the score.
    pub fn b0(self, cx: &Context) -> f64 {
        match self {
            Self::Risk => cx.risk.weights.b0,
            Self::Loyalty => cx.loyalty.b0,
        }
    }

    /// The terms of the score, for values by number.
    pub fn terms(self, cx: &Context, z: impl Fn(usize) -> Option<f64>) -> Vec<Term<usize>> {
        let term = |key: usize| {
            let (weight, reference) = match self {
                Self::Risk => {
                    let input = risk::Input::ALL[key];
                    (cx.risk.weights.of(input), cx.risk.weights.reference(input))
                }
                Self::Loyalty => (cx.loyalty.of(loyalty::Input::ALL[key]), 0.0),
            };
            Term { key, weight, z: z(key), reference }
        };
        (0..self.inputs()).map(term).collect()
    }

    /// Its part of a judgement.
    pub fn of(self, judged: &Judgement) -> Option<Explained<usize>> {
        match self {
            Self::Risk => judged.risk.as_ref().map(|e| numbered(e, |input| input as usize)),
            Self::Loyalty => judged.loyalty.as_ref().map(|e| numbered(e, |input| input as usize)),
        }
    }
}

fn numbered<K: Copy>(e: &Explained<K>, number: impl Fn(K) -> usize) -> Explained<usize> {
    let Explained { eta, eta0, score, score0, .. } = *e;
    let contribution = |c: &Contribution<K>| Contribution {
        key: number(c.key),
        z: c.z,
        weight: c.weight,
        phi: c.phi,
        points: c.points,
    };
    let contributions = e.contributions.iter().map(contribution).collect();
    let missing = e.missing.iter().map(|key| number(*key)).collect();
    Explained { eta, eta0, score, score0, contributions, missing }
}

/// Log-odds of every input of both scores; 0 where there is no score, and for what is not known.
pub(super) fn phis(judged: &Judgement) -> [f64; PHIS] {
    let mut phis = [0.0; PHIS];
    for which in [Which::Risk, Which::Loyalty] {
        for c in which.of(judged).iter().flat_map(|e| &e.contributions) {
            phis[which.offset() + c.key] = c.phi;
        }
    }
    phis
}
