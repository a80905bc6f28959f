//! The outlook of customers without the series: what is to come of `x` repeat purchases depends on the age alone.
//!
//! Under the plain models the purchases expected if alive within a fixed horizon, and the discounted sum of those of a value's
//! steps, are functions `f(s)` of `s = alpha + T` for each `x`. Each octave `[m, 2m]` of `s` (`m = alpha 2^j`) has a
//! Chebyshev interpolation of degree `n = 23`, made when it is first needed: a pure function of the parameters.
//!
//! **Error.** Given the rate's posterior Gamma(N, s), `N = r + x`, a customer alive who drops out with probability `p` after each
//! purchase is expected to make `c(p) (1 - (1 + p t/s)^-N)` of them within `t`, with `c(p)` above 0; `f` is a mean of that
//! over `p` and over horizons `t` with weights that are not negative (discounts are not). For complex `s` with a real part above
//! 0 it is analytic, and `|1 - (1 + q)^-N| <= min(2, N |q|)` for `q = p t/s`, whose real part is above 0. On the ellipse `rho = 5`
//! round `[m, 2m]` the real part of `s` is `m/5` at least, so there `|f|` is at most `C` times the least `f` of the octave,
//! `C` the largest `min(2, 5 N y) / (1 - (1 + y/2)^-N)` for `y = p t/m` up to the ratio of the longest horizon to `alpha`. That is
//! 130 at most for a ratio up to `RATIO_MAX` (for `N` from .5 on it is 13). An interpolation is off by
//! `4 |f| rho^-n / (rho - 1)` at most (Trefethen, Approximation Theory and Approximation Practice, 2013, theorem 8.2): here by
//! 1.1e-14 of the value, rounding aside.

use std::sync::OnceLock;

use super::silence::{History, Params};
use super::value::{Outlook, ValueRule};

/// Values at the nodes of an octave: one more than the degree.
const NODES: usize = 24;

/// Repeat purchases from which on nothing is tabulated.
const X_END: usize = 64;

/// Octaves of the age: with an `alpha` of a day the last ends after 179 years.
const OCTAVES: usize = 16;

/// Longest horizon, in units of `alpha`, for which the bound above holds.
const RATIO_MAX: f64 = 100.0;

/// Share by which rounding may move a bound.
const SLACK: f64 = 1e-11;

/// The two functions of one `x` on one octave: coefficients of Chebyshev polynomials, the first halved.
type Piece = [[f64; 2]; NODES];

/// A value rule and a model, with what was computed once.
#[derive(Debug)]
pub struct Outlooks {
    rule: ValueRule,
    params: Params,
    horizon_d: f64,
    annuity: f64,
    /// By `x`, then by octave; empty where the series must be summed each time.
    pieces: Box<[OnceLock<Box<Piece>>]>,
}

impl Outlooks {
    /// For purchases expected within `horizon_d` and the value by `rule`.
    #[must_use]
    pub fn new(rule: ValueRule, params: Params, horizon_d: f64) -> Self {
        let longest_d = horizon_d.max(f64::from(rule.steps) * rule.step_d);
        let holds = params.model.stages() == 1
            && rule.discount >= 0.0
            && rule.step_d >= 0.0
            && longest_d <= RATIO_MAX * params.alpha_d;
        let count = if holds { X_END * OCTAVES } else { 0 };
        let pieces = (0..count).map(|_| OnceLock::new()).collect();
        Self { rule, params, horizon_d, annuity: rule.annuity(), pieces }
    }

    /// As [`ValueRule::outlook`], to 2e-14 of each of its parts.
    #[must_use]
    pub fn at(
        &self,
        (h, age_d): (History, f64),
        mean_spend_minor: Option<f64>,
        cost_per_day_minor: f64,
    ) -> Outlook {
        let ahead = self.ahead(h, (age_d, age_d), mean_spend_minor.is_some());
        self.of(ahead, (h, age_d), mean_spend_minor, cost_per_day_minor)
    }

    fn of(
        &self,
        ahead: [f64; 2],
        (h, age_d): (History, f64),
        mean_spend_minor: Option<f64>,
        cost_per_day_minor: f64,
    ) -> Outlook {
        let per_purchase = mean_spend_minor.map(|mean| self.rule.margin * mean);
        let cost = cost_per_day_minor * self.rule.step_d * self.annuity;
        Outlook::of(ahead, self.params.p_alive(h, age_d), per_purchase, cost)
    }

    /// See [`ValueRule::ahead`]; of the steps only where there is a value.
    fn ahead(&self, h: History, ages_d: (f64, f64), valued: bool) -> [f64; 2] {
        let tabulated = if ages_d.0 == ages_d.1 { self.tabulated(h, ages_d.1) } else { None };
        tabulated.unwrap_or_else(|| {
            let steps = if valued { self.rule.steps } else { 0 };
            let rule = ValueRule { steps, ..self.rule };
            rule.ahead(&self.params, (h, ages_d), self.horizon_d)
        })
    }

    /// Bounds of [`Outlooks::at`] at all ages from one to another, both included: the least and the most of each of its parts, if
    /// serving costs between `costs_per_day_minor`. They close in on each other as the ages do. `None` where no bounds are known, as across the
    /// age from which on a regular model is summed.
    ///
    /// P(alive) falls. What is expected if alive falls under plain models (it is a mean of `c(p) (1 - (1 + p t/s)^-N)`, see above);
    /// under regular ones it is a rising part and a falling one, see `Params::expected_of`. The discounted sum has no negative weights:
    /// that of the purchases up to the end of step `k` is what step `k` is discounted less than step `k + 1`, and discounts are not negative.
    #[must_use]
    pub fn between(
        &self,
        h: History,
        (from_d, to_d): (f64, f64),
        mean_spend_minor: Option<f64>,
        costs_per_day_minor: (f64, f64),
    ) -> Option<[Outlook; 2]> {
        let regular = self.params.model.stages() > 1;
        let steps = if mean_spend_minor.is_some() { self.rule.steps } else { 0 };
        let mut ends = (1..=steps).map(|k| f64::from(k) * self.rule.step_d);
        let alike = |end_d: f64| self.params.is_told_alike(h, (from_d, to_d), end_d);
        if regular && !(alike(self.horizon_d) && ends.all(alike)) {
            return None;
        }
        let bound = |passed_d: f64, age_d: f64, cost: f64, slack: f64| {
            let passed_d = if regular { passed_d } else { age_d };
            let ahead = self.ahead(h, (passed_d, age_d), steps > 0).map(|n| n * (1.0 + slack));
            self.of(ahead, (h, age_d), mean_spend_minor, cost)
        };
        let (least, most) = costs_per_day_minor;
        Some([bound(from_d, to_d, most, -SLACK), bound(to_d, from_d, least, SLACK)])
    }

    fn tabulated(&self, h: History, age_d: f64) -> Option<[f64; 2]> {
        let ratio = (self.params.alpha_d + age_d.max(h.t_x_d)) / self.params.alpha_d;
        let (octave, place) = split(ratio)?;
        let x = usize::try_from(h.x).ok().filter(|x| *x < X_END)?;
        let piece = self.pieces.get(x * OCTAVES + octave)?;
        Some(sum(piece.get_or_init(|| Box::new(self.interpolate(h.x, octave))), place))
    }

    /// The piece of the octave from `alpha 2^octave` on.
    fn interpolate(&self, x: u32, octave: usize) -> Piece {
        let angle = |node: usize| std::f64::consts::PI * (node as f64 + 0.5) / NODES as f64;
        let mut piece = [[0.0; 2]; NODES];
        for node in 0..NODES {
            let ratio = libm::exp2(octave as f64) * (3.0 + libm::cos(angle(node))) / 2.0;
            let age_d = (ratio - 1.0) * self.params.alpha_d;
            let h = History { x, t_x_d: 0.0 };
            let ahead = self.rule.ahead(&self.params, (h, (age_d, age_d)), self.horizon_d);
            for (k, coefficients) in piece.iter_mut().enumerate() {
                let share = if k == 0 { 1.0 } else { 2.0 } / NODES as f64;
                let weight = share * libm::cos(k as f64 * angle(node));
                for (coefficient, value) in coefficients.iter_mut().zip(ahead) {
                    *coefficient += weight * value;
                }
            }
        }
        piece
    }
}

/// Which octave a ratio from 1 on lies in, and where in it, from -1 to 1.
fn split(ratio: f64) -> Option<(usize, f64)> {
    let bits = ratio.to_bits();
    let octave = usize::try_from((bits >> 52).checked_sub(1_023)?).ok()?;
    let share = f64::from_bits((bits & ((1 << 52) - 1)) | (1_023 << 52));
    (octave < OCTAVES).then_some((octave, 2.0 * share - 3.0))
}

/// The sum of a piece at a place (Clenshaw).
fn sum(piece: &Piece, place: f64) -> [f64; 2] {
    let (mut next, mut after) = ([0.0; 2], [0.0; 2]);
    for coefficients in piece[1..].iter().rev() {
        for ((coefficient, next), after) in coefficients.iter().zip(&mut next).zip(&mut after) {
            let now = coefficient + (2.0 * place * *next - *after);
            (*after, *next) = (*next, now);
        }
    }
    [0, 1].map(|at| piece[0][at] + (place * next[at] - after[at]))
}

#[cfg(test)]
mod tests {
    use super::super::silence::Model;
    use super::*;

    /// Relative difference of what is tabulated from the series.
    fn worst(outlooks: &Outlooks, h: History, age_d: f64) -> f64 {
        let ahead = outlooks.tabulated(h, age_d);
        let ages_d = (age_d, age_d);
        let exact = outlooks.rule.ahead(&outlooks.params, (h, ages_d), outlooks.horizon_d);
        let ahead = ahead.unwrap_or_else(|| panic!("nothing of {h:?} at {age_d}"));
        let off = ahead.iter().zip(exact).map(|(ahead, exact)| (ahead / exact - 1.0).abs());
        off.fold(0.0, |most: f64, off| if off > most || off.is_nan() { off } else { most })
    }

    #[test]
    fn tables_say_what_the_series_says() {
        let sets = [
            Params::CDNOW_MBG,
            Params::CDNOW_BG,
            Params { model: Model::Mbg, r: 12.0, alpha_d: 2_100.0, a: 1.7, b: 25.0 },
            Params { model: Model::Bg, r: 2.0, alpha_d: 7.0, a: 3.5, b: 0.7 },
            Params { model: Model::Mbg, r: 0.05, alpha_d: 4.0, a: 1.0, b: 2.0 },
        ];
        for params in sets {
            let outlooks = Outlooks::new(ValueRule::default(), params, 90.0);
            for x in [0, 1, 2, 7, 20, 63] {
                for step in 0..120 {
                    let age_d = params.alpha_d * libm::expm1(f64::from(step) * 0.05);
                    let h = History { x, t_x_d: if x == 0 { 0.0 } else { 0.4 * age_d } };
                    let off = worst(&outlooks, h, age_d);
                    assert!(off < 1e-12, "{params:?} {h:?} {age_d}: {off:e}");
                }
            }
        }
    }

    #[test]
    fn octaves_begin_at_powers_of_two() {
        assert_eq!(split(1.0), Some((0, -1.0)));
        assert_eq!(split(2.0), Some((1, -1.0)));
        assert_eq!(split(3.0), Some((1, 0.0)));
        assert_eq!(split(32_768.0), Some((15, -1.0)));
        for ratio in [0.5, 65_536.0, f64::INFINITY, f64::NAN] {
            assert_eq!(split(ratio), None, "{ratio}");
        }
    }

    #[test]
    fn what_has_no_table_is_summed() {
        let seen = (History { x: 64, t_x_d: 200.0 }, 230.0);
        let regular = Params { model: Model::MbgCnbd { k: 3 }, ..Params::CDNOW_MBG };
        let short = Params { alpha_d: 3.0, ..Params::CDNOW_MBG };
        for params in [Params::CDNOW_MBG, regular, short] {
            let rule = ValueRule::default();
            let outlooks = Outlooks::new(rule, params, 90.0);
            assert_eq!(outlooks.tabulated(seen.0, seen.1), None);
            let outlook = outlooks.at(seen, Some(700.0), 3.0);
            assert_eq!(outlook, rule.outlook(&params, seen, 90.0, Some(700.0), 3.0));
        }
    }
}
