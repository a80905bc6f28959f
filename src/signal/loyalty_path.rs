//! Loyalty between events: where it may lie between two moments.
//!
//! As with the risk (`risk_path`) each input goes one way between events, so loyalty lies between the sum of the smaller and that of the larger
//! ends of all contributions. Beyond that: days beyond terms bring bounds of their own; a trend that ends has fallen first; an answer
//! that expires, and voices that become too few, leave the score in one step, from their value or on the way to it.

use super::loyalty::{Facts, INPUTS, Input, Weights};
use super::risk_inputs::DebtParts;
use super::score::{self, Span};

/// Loyalty at one moment, and what it is made of.
#[derive(Debug)]
pub struct Point {
    /// Loyalty, bit for bit that of [`Weights::loyalty`].
    pub loyalty: f64,
    phi: [f64; INPUTS],
    /// Whether the trend of visits is known.
    trend: bool,
    debt: Option<DebtParts>,
}

impl Weights {
    /// Loyalty of a customer of whom this is known at a moment; `debt`: what the days beyond terms are told from.
    #[must_use]
    pub fn point(&self, facts: &Facts, debt: Option<DebtParts>) -> Point {
        let terms = self.terms(facts);
        Point {
            loyalty: 100.0 * score::sigmoid(score::eta(self.b0, &terms)),
            phi: terms.map(|term| term.phi()),
            trend: facts.engage_trend.is_some(),
            debt,
        }
    }

    /// Bounds of loyalty from one moment to a later one, both included, while nothing happens. They close in on each other as the moments do.
    #[must_use]
    pub fn loyalty_between(&self, left: &Point, right: &Point) -> (f64, f64) {
        let mut span = Span::of(&left.phi, &right.phi);
        let mut reach = |input: Input, z: f64| span.reach(input as usize, self.of(input) * z);
        if left.trend && !right.trend {
            reach(Input::Engagement, Input::Engagement.range().0);
        }
        if let (Some(left), Some(right)) = (&left.debt, &right.debt) {
            let (least_d, most_d) = left.bounds_to(right);
            for dbt_days in [least_d, most_d] {
                let facts = Facts { dbt_days: Some(dbt_days), ..Facts::default() };
                reach(Input::PaysOnTime, facts.z(Input::PaysOnTime).unwrap_or(0.0));
            }
        }
        let (least, most) = span.scores(self.b0);
        (100.0 * least, 100.0 * most)
    }
}
