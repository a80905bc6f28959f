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
        let Some(ahead) = self.tabulated(h, age_d) else {
            let Self { rule, params, horizon_d, .. } = self;
            let (mean, cost) = (mean_spend_minor, cost_per_day_minor);
            return rule.outlook(params, (h, age_d), *horizon_d, mean, cost);
        };
        let per_purchase = mean_spend_minor.map(|mean| self.rule.margin * mean);
        let cost = cost_per_day_minor * self.rule.step_d * self.annuity;
        Outlook::of(ahead, self.params.p_alive(h, age_d), per_purchase, cost)
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
            let ahead = self.rule.ahead(&self.params, (h, age_d), self.horizon_d);
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
        let exact = outlooks.rule.ahead(&outlooks.params, (h, age_d), outlooks.horizon_d);
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
