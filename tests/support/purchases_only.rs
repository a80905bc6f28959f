//! A customer of whom only purchases are known, told at any moment from the purchases so far: its lifecycle and the band of its
//! risk. Nothing is remembered from one moment to the next but what a band's memory asks for.
#![allow(dead_code)]

use retain::plan::{Plan, WeightSet};
use retain::signal::gamma;
use retain::signal::lifecycle::{Bands, Lifecycle, Step, next};
use retain::signal::silence::{History, Params};

const DAY_MS: f64 = 86_400_000.0;

/// A signal with bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// By its number.
    Lifecycle,
    /// The band of the risk.
    Risk,
}

/// Weights of the inputs that purchases tell: base, overdue gap, spend falling, discounts.
const WEIGHTS: [(WeightSet, [f64; 4]); 2] =
    [(WeightSet::B2c, [1.0, 0.0, 0.3, 0.2]), (WeightSet::B2b, [0.8, 0.8, 0.6, 0.0])];

/// What customers are judged by.
pub struct Judge {
    model: Params,
    bands: Bands,
    weights: [f64; 4],
    edges: Vec<f64>,
    hysteresis: f64,
    horizon_d: f64,
    gap_d: f64,
    floor_minor: f64,
}

impl Judge {
    /// As a definition has it; the model is its own.
    pub fn new(plan: &Plan, model: Params) -> Self {
        let (b, p) = (plan.bands, &plan.parameters);
        let of_set = WEIGHTS.iter().find(|(set, _)| *set == p.risk.weights.set);
        Self {
            model,
            bands: Bands {
                slipping: b.slipping,
                dormant: b.dormant,
                lost: b.lost,
                hysteresis: b.hysteresis,
            },
            weights: of_set.map_or([0.0; 4], |(_, weights)| *weights),
            edges: p.risk.bands.clone(),
            hysteresis: p.risk.hysteresis,
            horizon_d: p.risk.horizon_d,
            gap_d: p.regularity.gap_d,
            floor_minor: p.trends.spend_floor * 100.0,
        }
    }
}

/// What is known of a customer between two purchases.
pub struct Known<'a> {
    judge: &'a Judge,
    bought: &'a [(i64, i64)],
    first_ms: i64,
    last_ms: i64,
    history: History,
    /// Mean gap and regularity.
    rhythm: (f64, f64),
    gross: i64,
}

fn day(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS as i64)
}

impl<'a> Known<'a> {
    /// After some purchases (time, minor units), in order.
    pub fn new(judge: &'a Judge, bought: &'a [(i64, i64)]) -> Self {
        let (first_ms, last_ms) = (bought[0].0, bought[bought.len() - 1].0);
        let mut days: Vec<i64> = bought.iter().map(|(ms, _)| day(*ms)).collect();
        days.dedup();
        let x = days.len() as u32 - 1;
        let t_x_d = if x == 0 { 0.0 } else { (last_ms - first_ms) as f64 / DAY_MS };
        let gaps: Vec<f64> = days.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let gross = bought.iter().map(|(_, minor)| minor).sum();
        let rhythm = rhythm(&gaps, judge.gap_d);
        Self { judge, bought, first_ms, last_ms, history: History { x, t_x_d }, rhythm, gross }
    }

    /// Whether the last purchase is on a later day than those before.
    fn is_later_day(&self) -> bool {
        let before = self.bought.len().checked_sub(2).map(|at| self.bought[at].0);
        before.is_none_or(|before| day(before) < day(self.last_ms))
    }

    /// The level after `before`: at the last purchase, or by time alone.
    pub fn level(&self, signal: Signal, before: Option<usize>, at_ms: i64, bought: bool) -> usize {
        match signal {
            Signal::Lifecycle => {
                let state = before.map_or(Lifecycle::Prospect, |number| Lifecycle::ALL[number]);
                let step = if bought && self.is_later_day() { Step::Bought } else { Step::Time };
                let silent = self.silent(at_ms, 90.0);
                let after = next(state, silent, Some(self.history.x), step, &self.judge.bands);
                usize::from(after.number())
            }
            Signal::Risk => {
                let Judge { edges, hysteresis, .. } = self.judge;
                let risk = self.risk(at_ms);
                let plain = edges.iter().filter(|edge| risk >= **edge).count();
                let mut band = before.map_or(plain, |before| before.max(plain));
                while band > plain && risk < edges[band - 1] - hysteresis {
                    band -= 1;
                }
                band
            }
        }
    }

    fn silent(&self, at_ms: i64, horizon_d: f64) -> f64 {
        let age_d = (at_ms - self.first_ms) as f64 / DAY_MS;
        self.judge.model.p_silent_rising(self.history, age_d.max(self.history.t_x_d), horizon_d)
    }

    fn risk(&self, at_ms: i64) -> f64 {
        let [base, overdue, falling, discounts] = self.judge.weights;
        let p = self.silent(at_ms, self.judge.horizon_d).clamp(1e-6, 1.0 - 1e-6);
        let mut eta = base * (p / (1.0 - p)).ln();
        if overdue != 0.0 {
            let ((mean, k), waited_d) = (self.rhythm, (at_ms - self.last_ms) as f64 / DAY_MS);
            eta += overdue * (2.0 * gamma::lower(k, k * waited_d / mean) - 1.0).max(0.0);
        }
        if let Some(trend) = self.trend(at_ms) {
            eta -= falling * trend.clamp(-2.0, 2.0);
        }
        // nothing was bought at a discount: as far below the middle as can be
        if self.gross > 0 {
            eta -= discounts;
        }
        1.0 / (1.0 + (-eta).exp())
    }

    /// ln of what is spent over 30 by that over 180 days.
    fn trend(&self, at_ms: i64) -> Option<f64> {
        let age_d = ((at_ms - self.first_ms) as f64 / DAY_MS).max(1.0);
        let rate = |half_life_d: f64| {
            let lambda = std::f64::consts::LN_2 / half_life_d;
            let left = |ms: i64| (-lambda * (at_ms - ms) as f64 / DAY_MS).exp();
            let sum: f64 = self.bought.iter().map(|(ms, minor)| *minor as f64 * left(*ms)).sum();
            sum * lambda / (1.0 - (-lambda * age_d).exp())
        };
        (self.bought.len() >= 4).then_some(())?;
        let (short, long) = (rate(30.0), rate(180.0));
        (short > 0.0 && long >= self.judge.floor_minor).then(|| (short / long).ln())
    }
}

/// Mean gap, drawn to the population's, and the regularity of the gaps, drawn to that of chance.
fn rhythm(gaps: &[f64], population_d: f64) -> (f64, f64) {
    let (n, sum) = (gaps.len() as f64, gaps.iter().sum::<f64>());
    let mean = (2.0 * population_d + sum) / (2.0 + n);
    if gaps.len() < 2 {
        return (mean, 1.0);
    }
    let q = (sum / n).ln() - gaps.iter().map(|gap| gap.ln()).sum::<f64>() / n;
    let k = (3.0 - q + ((q - 3.0).powi(2) + 24.0 * q).sqrt()) / (12.0 * q);
    let k = if q <= 0.0 { 100.0 } else { k.min(100.0) };
    (mean, (n * k + 5.0) / (n + 5.0))
}
