//! When a probability crosses a threshold: the inverse of the curves of `silence`, the origin of most dues.
//!
//! P(alive) has a closed inverse. `p_silent` has none. With `y = ln(alpha + age)`, `w` the odds of having dropped out,
//! `m = 1 - s` the chance to buy if alive and `q = 1 - theta`, the crossing is the root of
//! `g(y) = ln(q (1 + w) / m) = ln q + softplus(ln w) - ln m`, where `ln w` is linear in `y` and `-ln m` bends from
//! constant to slope 1. So `g` is rising, convex and almost piecewise linear; its asymptotes bound it from below and
//! their root is a start to the right of the crossing. Halley's steps from there need two to four evaluations.
//! The answer is then checked with `p_silent` itself on whole milliseconds.
//!
//! Regular models (several stages) have no closed inverse at all; theirs come from a bracket. Crossings of p_silent
//! are those of `p_silent_rising`, hence never before the valley of such a model.

use super::silence::{Curve, History, Params};
use super::{DAY_MS, days, root, stages};

/// Crossings later than this age are reported as none: 1,000 years of 365.25 days. Beyond it the curve is flatter
/// than a float can tell from one millisecond to the next.
pub const AGE_MAX_D: f64 = 365_250.0;

/// Safety limit of root finding; random tests never needed a third of it.
const EVALUATIONS_MAX: u32 = 30;
/// Steps this small, times `n + 1`, are the last: convergence is cubic, so the error left is about 1e-11 of the age.
const STEP_MIN: f64 = 6e-4;

impl Params {
    /// Age in days at which P(alive) falls to `theta`: in closed form, or for regular models by a bracket on the
    /// logarithm of the survival.
    ///
    /// `None` if there is no such moment after the last purchase: for one-time buyers under BG/NBD, for `theta`
    /// outside (0, 1), and where P(alive) is `theta` or less from the purchase itself on
    /// (`theta >= (b+x)/(a+b+x)` for MBG, `b+x-1` for BG).
    /// Regular models also say none beyond 1e12 times `alpha + t_x`.
    #[must_use]
    pub fn p_alive_crossing_d(&self, h: History, theta: f64) -> Option<f64> {
        let curve = self.curve(h, 0.0);
        if !(theta > 0.0 && theta < 1.0) || curve.dropout_odds == 0.0 {
            return None;
        }
        if curve.stages > 1 {
            return curve.p_alive_crossing_by_bracket_d(theta);
        }
        let ln_ratio = libm::log((1.0 - theta) / theta / curve.dropout_odds) / curve.n;
        let age_d = curve.t_x_d + (curve.alpha_d + curve.t_x_d) * libm::expm1(ln_ratio);
        (ln_ratio > 0.0 && age_d.is_finite()).then_some(age_d)
    }

    /// Smallest age of at least `from_age_d` days at which p_silent over `horizon_d` is `theta` or more; see
    /// [`Curve::p_silent_crossing_d`].
    #[must_use]
    pub fn p_silent_crossing_d(
        &self,
        h: History,
        horizon_d: f64,
        theta: f64,
        from_age_d: f64,
    ) -> Option<f64> {
        self.curve(h, horizon_d).p_silent_crossing_d(theta, from_age_d)
    }
}

impl Curve {
    /// Smallest age of at least `from_age_d` days (and of at least the last purchase's) at which p_silent_rising is
    /// `theta` or more, to the accuracy of floats. `None` for `theta >= 1` and beyond [`AGE_MAX_D`].
    #[must_use]
    pub fn p_silent_crossing_d(&self, theta: f64, from_age_d: f64) -> Option<f64> {
        let from_age_d = from_age_d.max(self.t_x_d);
        let (age_d, _) = self.solve(theta)?;
        let age_d = if age_d > from_age_d { age_d } else { from_age_d };
        (age_d <= AGE_MAX_D).then_some(age_d)
    }

    /// The first whole millisecond, not before `from_ms` nor before the last purchase, at which p_silent_rising is
    /// `theta` or more, with `t_first_ms` the moment of the first purchase.
    ///
    /// Exact with respect to [`Curve::p_silent_rising`] at `days(ms - t_first_ms)`: at the answer it holds, one millisecond
    /// before it does not (unless the answer is the earliest moment allowed). `None` as in
    /// [`Curve::p_silent_crossing_d`].
    #[must_use]
    pub fn p_silent_due_ms(&self, t_first_ms: i64, from_ms: i64, theta: f64) -> Option<i64> {
        let (age_d, _) = self.solve(theta)?;
        let earliest_ms = from_ms.saturating_sub(t_first_ms).max(ceil_ms(self.t_x_d));
        let reached = |age_ms: i64| self.p_silent_rising(days(age_ms)) >= theta;
        let age_ms = root::first_ms(
            earliest_ms,
            ceil_ms(age_d.min(AGE_MAX_D)),
            ceil_ms(AGE_MAX_D),
            reached,
        )?;
        t_first_ms.checked_add(age_ms)
    }

    /// P(alive) = theta for several stages: `ln S = ln(w theta/(1 - theta))`, which falls from 0.
    fn p_alive_crossing_by_bracket_d(&self, theta: f64) -> Option<f64> {
        let target = libm::log(self.dropout_odds * theta / (1.0 - theta));
        if target.is_nan() || target >= 0.0 {
            return None;
        }
        let below = |y: f64| target - stages::ln_survival(self.stages, self.n, y);
        let (mut low, mut high) = (0.0, 1.0 / (self.n + 1.0));
        while below(high) < 0.0 {
            (low, high) = (high, 2.0 * high);
            if high > 1e12 {
                return None;
            }
        }
        let y = root::between(low, high, 0.0, below);
        Some(self.t_x_d + (self.alpha_d + self.t_x_d) * y)
    }

    /// p_silent = theta for several stages, after the valley, in the logarithm of the age, where
    /// `ln(1 - theta) - ln(1 - p_silent)` is almost made of straight pieces.
    fn solve_by_bracket(&self, theta: f64) -> Option<f64> {
        let valley_age_d = self.valley_age_d();
        let above = |v: f64| {
            let p = self.p_silent(libm::exp(v) - self.alpha_d);
            libm::log((1.0 - theta) / (1.0 - p))
        };
        let mut low = libm::log(self.alpha_d + valley_age_d);
        if self.p_silent(valley_age_d) >= theta {
            return Some(self.t_x_d);
        }
        let mut high = low + 0.25;
        while above(high) < 0.0 {
            (low, high) = (high, high + 2.0 * (high - low));
            if libm::exp(low) > self.alpha_d + AGE_MAX_D {
                return None;
            }
        }
        Some(libm::exp(root::between(low, high, 1e-13, above)) - self.alpha_d)
    }

    /// Age in days at which p_silent equals `theta`, and the evaluations it took. The age may lie before the last
    /// purchase (the curve continued to the left): the caller limits it. `None` if there is no root.
    fn solve(&self, theta: f64) -> Option<(f64, u32)> {
        if theta <= 0.0 {
            return Some((self.t_x_d, 0));
        }
        // Also leaves NaN behind, of a parameter or of theta.
        if !(theta < 1.0 && self.n > 0.0 && self.alpha_d > 0.0 && self.horizon_d > 0.0) {
            return None;
        }
        if self.stages > 1 {
            return self.solve_by_bracket(theta).map(|age_d| (age_d, 0));
        }
        if self.dropout_odds == 0.0 {
            // Never drops out: s = (1 + H/A)^-n = theta.
            let age_d = self.horizon_d / libm::expm1(-libm::log(theta) / self.n) - self.alpha_d;
            return Some((age_d, 0));
        }
        let root = Root::new(self, 1.0 - theta);
        let (y, evaluations) = root.find()?;
        Some((libm::exp(y) - self.alpha_d, evaluations))
    }
}

/// The function `g(y)` of one customer and one threshold.
struct Root {
    n: f64,
    horizon_d: f64,
    q: f64,
    ln_q: f64,
    /// Where the odds of having dropped out are 1.
    y_odds: f64,
}

impl Root {
    fn new(curve: &Curve, q: f64) -> Self {
        let y_odds =
            libm::log(curve.alpha_d + curve.t_x_d) - libm::log(curve.dropout_odds) / curve.n;
        Self { n: curve.n, horizon_d: curve.horizon_d, q, ln_q: libm::log(q), y_odds }
    }

    /// Where to begin: the root of the asymptotes `ln q + max(0, u) + max(0, v)` of `g`, with `u = n (y - y_odds)` and
    /// `v = y - ln(n H)`, moved left by what the rounded corners add. The correction is rough (errors near 0.1 in
    /// `g`) and only saves an evaluation; the root does not depend on it.
    fn start(&self) -> f64 {
        let n = self.n;
        let y_horizon = libm::log(n * self.horizon_d);
        let both = (n * self.y_odds + y_horizon - self.ln_q) / (n + 1.0);
        let y = if both >= self.y_odds && both >= y_horizon {
            both
        } else if self.y_odds < y_horizon {
            self.y_odds - self.ln_q / n
        } else {
            y_horizon - self.ln_q
        };
        let (u, v) = (n * (y - self.y_odds), y - y_horizon);
        // What a corner adds at its middle: ln 2 for the odds; for the horizon .46 (n large) to .69 (n = 1) and more.
        let rounding = |at_middle: f64, t: f64| at_middle / (1.0 + 0.72 * t.abs() + 0.5 * t * t);
        let excess = rounding(std::f64::consts::LN_2, u) + rounding(0.459 + 0.35 / (n + 0.5), v);
        let share = |t: f64| 0.5 + 0.5 * t / (1.0 + t.abs());
        y - excess / (n * share(u) + share(v))
    }

    /// Halley's step from `y` to the root, with Newton's where the parabola has none near.
    fn step(&self, y: f64) -> f64 {
        let age = libm::exp(y);
        let w = libm::exp(self.n * (y - self.y_odds));
        let m = -libm::expm1(-self.n * libm::log1p(self.horizon_d / age));
        let s = 1.0 - m;
        let h = self.horizon_d / (age + self.horizon_d);
        if w > 1e200 {
            // Far right of the corner: only the straight part is left, and it is exact there.
            return -(self.ln_q + self.n * (y - self.y_odds) - libm::log(m))
                / (self.n + h * self.n * s / m);
        }
        let g = libm::log(self.q * (1.0 + w) / m);
        let dropped = w / (1.0 + w);
        let slope = self.n * dropped + self.n * s * h / m;
        let bend = self.n * self.n * dropped / (1.0 + w)
            + self.n * s * h * (self.n * h / m - (1.0 - h)) / m;
        let newton = -g / slope;
        let curved = 1.0 + 0.5 * newton * bend / slope;
        // Left of the root the parabola may have no root: `curved` then is small or negative.
        if curved > 0.5 { newton / curved } else { newton }
    }

    /// The root and the number of evaluations.
    fn find(&self) -> Option<(f64, u32)> {
        let mut y = self.start();
        for evaluations in 1..=EVALUATIONS_MAX {
            let step = self.step(y);
            y += step;
            if !y.is_finite() {
                return None;
            }
            if step.abs() * (1.0 + self.n) < STEP_MIN {
                return Some((y, evaluations));
            }
        }
        // Convex and rising: not reached. Were it, the walk on milliseconds still makes the answer right.
        Some((y, EVALUATIONS_MAX))
    }
}

/// Days as whole milliseconds, rounded up; limited to what `i64` holds.
fn ceil_ms(duration_d: f64) -> i64 {
    libm::ceil(duration_d * DAY_MS as f64) as i64
}

#[cfg(test)]
mod tests {
    use super::super::silence::Model;
    use super::*;

    /// Every combination of customer, horizon and threshold of a wide grid: how many evaluations the root takes.
    #[test]
    fn roots_take_few_evaluations() {
        let (mut count, mut sum, mut worst) = (0_u32, 0_u32, 0_u32);
        let sets = [
            Params::CDNOW_MBG,
            Params::CDNOW_BG,
            Params { model: Model::Mbg, r: 0.01, alpha_d: 0.7, a: 0.02, b: 60.0 },
            Params { model: Model::Mbg, r: 12.0, alpha_d: 2100.0, a: 1.7, b: 25.0 },
            Params { model: Model::Bg, r: 2.0, alpha_d: 70.0, a: 3.5, b: 0.7 },
        ];
        for params in sets {
            for x in [0, 1, 2, 5, 20, 100, 1000, 10_000] {
                for t_x_d in [1.0, 10.0, 100.0, 1000.0] {
                    let h = History { x, t_x_d: if x == 0 { 0.0 } else { t_x_d } };
                    for horizon_d in [1.0, 30.0, 90.0, 180.0] {
                        for theta in [0.05, 0.5, 0.8, 0.95, 0.999] {
                            let Some((_, evaluations)) = params.curve(h, horizon_d).solve(theta)
                            else {
                                panic!("no root for {params:?} {h:?} {horizon_d} {theta}")
                            };
                            (count, sum, worst) =
                                (count + 1, sum + evaluations, worst.max(evaluations));
                        }
                    }
                }
            }
        }
        println!(
            "roots {count}, evaluations mean {:.2}, worst {worst}",
            f64::from(sum) / f64::from(count)
        );
        assert!(worst <= 10, "worst {worst}");
        assert!(f64::from(sum) / f64::from(count) < 4.0);
    }
}
