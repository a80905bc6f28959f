//! How a number moves until the next event: the first moment at which it is outside a window, from bounds of it between any two moments.
//!
//! Most go one way, so that the values at both moments are the bounds. Of the others each has a rising part and a falling one, or
//! a single turn: the bounds then follow from these (see the signal's own formulas). What is computed is what rules are told, bit for bit.

use super::values::Facts;
use crate::engine::judge::{Look, costs_per_day_minor, mean_spend_minor};
use crate::model::registry::Signal;
use crate::model::time::NEVER_MS;
use crate::signal::exit::{self, Exit, Window};
use crate::signal::loyalty_path::Point;
use crate::signal::silence::Curve;
use crate::signal::window::window_leaves_ms;

/// Which bounds a number has.
enum Way {
    /// It goes one way, perhaps until it is unknown.
    Straight,
    /// Loyalty.
    Loyalty,
    /// Purchases to come, or their value.
    Outlook,
    /// The silence of a regular model: falls to a valley, then rises.
    Valley(Curve),
}

/// What bounds are told from at a moment.
enum Parts {
    OneWay(f64),
    Loyalty(Box<Point>),
    Outlook { age_d: f64, costs: [f64; 3] },
    Valley { age_d: f64, p: f64 },
}

/// A number on its way.
struct Drift<'f> {
    facts: &'f Facts<'f>,
    name: &'f str,
    way: Way,
}

impl Drift<'_> {
    /// The number at a moment, no number where it is unknown.
    fn sample(&self, tau_ms: i64) -> (f64, Parts) {
        let facts = self.facts;
        let value = || facts.number(self.name, tau_ms).unwrap_or(f64::NAN);
        let age_d = || facts.age_d(tau_ms).map_or(f64::NAN, |(_, age_d)| age_d);
        match &self.way {
            Way::Straight => {
                let value = value();
                (value, Parts::OneWay(value))
            }
            Way::Loyalty => match facts.loyal(tau_ms) {
                Some(point) => (point.loyalty, Parts::Loyalty(Box::new(point))),
                None => (f64::NAN, Parts::OneWay(f64::NAN)),
            },
            Way::Outlook => {
                let costs = costs_per_day_minor(facts.cx, facts.profile, tau_ms);
                (value(), Parts::Outlook { age_d: age_d(), costs })
            }
            Way::Valley(_) => {
                let p = value();
                (p, Parts::Valley { age_d: age_d(), p })
            }
        }
    }

    /// Bounds of the number between two moments.
    fn bounds(&self, left: &Parts, right: &Parts) -> (f64, f64) {
        match (left, right) {
            (Parts::OneWay(left), Parts::OneWay(right)) => (left.min(*right), left.max(*right)),
            (Parts::Loyalty(left), Parts::Loyalty(right)) => {
                self.facts.cx.loyalty.loyalty_between(left, right)
            }
            (
                Parts::Outlook { age_d: from_d, costs: before },
                Parts::Outlook { age_d: to_d, costs: after },
            ) => self.outlook((*from_d, *to_d), before, after).unwrap_or(UNBOUNDED),
            (
                Parts::Valley { age_d: from_d, p: before },
                Parts::Valley { age_d: to_d, p: after },
            ) => {
                let lowest = match &self.way {
                    Way::Valley(curve) => {
                        let valley_d = curve.valley_age_d();
                        let between = *from_d < valley_d && valley_d < *to_d;
                        between.then(|| curve.p_silent(valley_d))
                    }
                    _ => None,
                };
                let least = before.min(*after);
                (lowest.map_or(least, |lowest| least.min(lowest)), before.max(*after))
            }
            _ => UNBOUNDED,
        }
    }

    fn outlook(
        &self,
        ages_d: (f64, f64),
        before: &[f64; 3],
        after: &[f64; 3],
    ) -> Option<(f64, f64)> {
        let Facts { cx, .. } = self.facts;
        let bought = self.facts.bought()?;
        let (_, history) = bought.history()?;
        let both = || before.iter().zip(after);
        let costs = (both().map(|(a, b)| a.min(*b)).sum(), both().map(|(a, b)| a.max(*b)).sum());
        let valued = self.name == "clv";
        let mean = if valued { Some(mean_spend_minor(cx, bought)?) } else { None };
        let [least, most] = cx.outlooks.between(history, ages_d, mean, costs)?;
        if valued {
            return Some((least.value_minor? / cx.major(), most.value_minor? / cx.major()));
        }
        Some((least.expected, most.expected))
    }
}

/// Where nothing is known but at the two moments.
const UNBOUNDED: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

impl Facts<'_> {
    /// See [`crate::alert::Facts::leaves_ms`]; of numbers, which a rise can be told of.
    pub(super) fn signal_leaves_ms(
        &self,
        signal: &Signal,
        tau_ms: i64,
        window: &dyn Fn(f64) -> Window,
    ) -> i64 {
        match signal.name {
            _ if !signal.moves_with_time() => NEVER_MS,
            "risk" => self.risk_leaves_ms(tau_ms, window),
            name => self.number_leaves_ms(name, tau_ms, window),
        }
    }

    /// The same of a number that is not the risk.
    pub(super) fn number_leaves_ms(
        &self,
        name: &str,
        tau_ms: i64,
        window: &dyn Fn(f64) -> Window,
    ) -> i64 {
        let Some(now) = self.number(name, tau_ms) else { return NEVER_MS };
        let window = window(now);
        match name {
            "spend_90d_minor" => {
                let inside = |minor: i64| window.holds(minor as f64);
                window_leaves_ms(self.spent(), tau_ms, inside).unwrap_or(NEVER_MS)
            }
            // between two of them it goes one way
            "sla_breach_share" => self.drifts_ms(name, window, tau_ms).min(self.missed_ms(tau_ms)),
            _ => self.drifts_ms(name, window, tau_ms),
        }
    }

    fn drifts_ms(&self, name: &str, window: Window, tau_ms: i64) -> i64 {
        let drift = Drift { facts: self, name, way: self.way(name) };
        let sample = |ms: i64| drift.sample(ms);
        let bounds = |left: &Parts, right: &Parts| drift.bounds(left, right);
        let found = match self.look {
            Look::Roughly => exit::not_before(window, tau_ms, sample, bounds),
            Look::Exactly => exit::first_exit(window, tau_ms, NEVER_MS, sample, bounds),
        };
        match found.exit {
            Exit::At { at_ms } | Exit::NotBefore { at_ms } => at_ms,
            Exit::Never => NEVER_MS,
        }
    }

    fn way(&self, name: &str) -> Way {
        let model = &self.cx.model;
        match name {
            "loyalty" => Way::Loyalty,
            "clv" | "exp_purchases_90" => Way::Outlook,
            _ => match (name.strip_prefix("p_silent_"), self.bought()) {
                (Some(horizon), Some(bought)) if model.model.stages() > 1 => {
                    let curve = bought.history().zip(horizon.parse().ok());
                    curve.map_or(Way::Straight, |((_, history), horizon_d)| {
                        Way::Valley(model.curve(history, horizon_d))
                    })
                }
                _ => Way::Straight,
            },
        }
    }
}
