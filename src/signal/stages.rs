//! Regular buyers, (M)BG/CNBD-k: a gap between purchases is `k` stages long, each as long as one gap of the Poisson model.
//!
//! Gaps are Erlang-k with a rate ~ Gamma(r, alpha), dropout as in BG/NBD or MBG/NBD. Source: Platzer and Reutterer
//! 2016; Reutterer, Platzer, Schroeder, "Leveraging purchase regularity for predicting customer behavior the easy
//! way", IJRM 2020, doi 10.1016/j.ijresmar.2020.09.002. All below is in units of `A = alpha + t_x`: `y` is the time
//! since the last purchase, `m = r + k x` the shape of the rate's posterior, `u = y/(1+y)`.
//! ```text
//! S(y) = P(gap > y | rate's posterior) = (1-u)^m sum over j < k of (m)_j/j! u^j        (terms positive, Horner)
//! f(y) = -S'(y) = m (m+1)_(k-1)/(k-1)! u^(k-1) (1-u)^(m+1)
//! ```
//! With `w` the odds of having dropped out at the last purchase, `P(alive) = 1/(1 + w/S(y))` and, with `eta = H/A`,
//! `p_silent = (S(y+eta) + w)/(S(y) + w)`.
//!
//! # p_silent has a valley for k > 1
//! Right after a purchase the next one is not due yet, so the chance of a purchase within the horizon first grows:
//! `d ln p_silent/dy = h(y) - h(y+eta)` with `h = f/(S + w)`, and `h(0) = 0`. `h` has one top: `h' = h (h - phi)`,
//! `phi = -f'/f = (k+m)/(1+y) - (k-1)/y` rises once and falls once; `h` starts above `phi`, and having met it could
//! meet it again only where `phi` falls, after which it would rise for ever, but it ends at 0. So
//! `h(y) - h(y+eta)` changes sign once, from - to +: p_silent falls to its valley and rises strictly after it.

use super::root;

/// Stages of a gap at most. Beyond it the polynomial of a long history would leave the range of floats.
pub const STAGES_MAX: u8 = 20;

/// `sum over j < k of (m)_j/j! u^j`, from the inside out.
fn polynomial(k: u8, m: f64, u: f64) -> f64 {
    (1..k).rev().map(f64::from).fold(1.0, |sum, j| 1.0 + sum * (m + j - 1.0) / j * u)
}

/// `S(y)`, in [0, 1].
pub(super) fn survival(k: u8, m: f64, y: f64) -> f64 {
    let s = libm::exp(-m * libm::log1p(y)) * polynomial(k, m, y / (1.0 + y));
    s.min(1.0)
}

/// `ln S(y)`, also where `S` itself is too small for a float.
pub(super) fn ln_survival(k: u8, m: f64, y: f64) -> f64 {
    let ln_s = libm::log(polynomial(k, m, y / (1.0 + y))) - m * libm::log1p(y);
    ln_s.min(0.0)
}

/// `S(y + eta)/S(y)`: the chance that a gap of at least `y` lasts `eta` longer.
pub(super) fn lasts(k: u8, m: f64, y: f64, eta: f64) -> f64 {
    let later = y + eta;
    let polynomials = polynomial(k, m, later / (1.0 + later)) / polynomial(k, m, y / (1.0 + y));
    (libm::exp(-m * libm::log1p(eta / (1.0 + y))) * polynomials).min(1.0)
}

/// `h(y) = f(y)/(S(y) + w)`: the rate of purchases among all who have been silent for `y`, dropped out or not.
fn hazard(k: u8, m: f64, w: f64, y: f64) -> f64 {
    let u = y / (1.0 + y);
    let top = (1..k).map(f64::from).fold(m, |c, j| c * (m + j) / j * u);
    let dropped = if w > 0.0 { w * libm::exp(m * libm::log1p(y)) } else { 0.0 };
    (1.0 - u) * top / (polynomial(k, m, u) + dropped)
}

/// Where p_silent over `eta` is lowest: 0 for one stage, else the root of `h(y) - h(y + eta)`.
pub(super) fn valley(k: u8, m: f64, w: f64, eta: f64) -> f64 {
    // Also nothing to look for in NaN.
    if k <= 1 || !(eta > 0.0 && m > 0.0 && w >= 0.0) {
        return 0.0;
    }
    let slope = |y: f64| hazard(k, m, w, y) - hazard(k, m, w, y + eta);
    let mut high = f64::from(k - 1) / (m + 1.0);
    let mut low = 0.0;
    while slope(high) < 0.0 {
        low = high;
        high *= 2.0;
        if high > 1e12 {
            return high;
        }
    }
    root::between(low, high, 1e-10 * high, slope)
}

/// Terms of the sum for expected purchases at most; more are needed only for horizons thousands of times `A`, or
/// for more purchases within the horizon than a customer can make.
const TERMS_MAX: f64 = 200_000.0;

/// Whether [`expected_if_alive`] can add up its terms: their number is the mean, ten deviations and the length of the
/// geometric tail.
pub(super) fn can_sum(k: u8, m: f64, y: f64, eta: f64) -> bool {
    let ratio = eta / (1.0 + y);
    let mean = (m + f64::from(k)) * ratio;
    mean + 10.0 * libm::sqrt(mean * (1.0 + ratio)) + 45.0 * (1.0 + ratio) < TERMS_MAX
}

/// Expected purchases within `eta` after `y`, given alive, with the dropout probability ~ Beta(a, b) at that moment.
///
/// Own derivation (the published one is an approximation). Given alive, the number `c` of stages already passed in
/// the running gap has probability `pi_c ~ (m)_c/c! u^c`, `c < k`; the stages within the horizon are then negative
/// binomial with shape `m + c` and `z = eta/(1+y+eta)`; `n` of them complete `N = floor((c+n)/k)` gaps, and of `N`
/// opportunities `C(N) = sum over i < N of (b)_i/(a+b)_i` are purchases, because after each the customer may drop out:
/// ```text
/// E = sum over c < k of pi_c  sum over n of NB(n; m+c, z) C(floor((c+n)/k))
/// ```
/// All terms are positive, so nothing cancels. Each inner sum starts far below its mode with weight 1, goes up by the
/// ratio of neighbours and is divided by the sum of its weights: no gamma function, no underflow. It ends when the
/// rest, bounded as a geometric tail under a linear `C`, is below 1e-17 of the sum. For `k = 1` it equals the
/// closed form of `expected` (tested to 1e-12). Only for `can_sum`.
///
/// With silence the stages passed and the slowness of the rate are seen to grow, the one for, the other against a purchase. So
/// `y` comes twice, `(passed, y)`: in `u`, and in `z`. `E` rises with the first: `pi` moves to larger `c` (in the order of likelihood ratios), and each
/// inner sum grows with `c`. It falls with the second, for `z` does. Both are the same but for bounds.
pub(super) fn expected_if_alive(
    k: u8,
    m: f64,
    (passed, y): (f64, f64),
    eta: f64,
    (a, b): (f64, f64),
) -> f64 {
    let count = usize::from(k.clamp(1, STAGES_MAX));
    let z = eta / (1.0 + y + eta);
    let from = lowest_term(m, z);
    let mut opportunities = Opportunities::new(a, b);
    let mut done = from % count as u64;
    for _ in 0..from / count as u64 {
        opportunities.advance();
    }
    let mut weights = [1.0; STAGES_MAX as usize];
    let mut sums = [0.0; STAGES_MAX as usize];
    let mut norms = [0.0; STAGES_MAX as usize];
    let last = count - 1;
    let mut n = from as f64;
    loop {
        for c in 0..count {
            let bought =
                if (done as usize) + c < count { opportunities.now } else { opportunities.next };
            sums[c] += weights[c] * bought;
            norms[c] += weights[c];
            weights[c] *= (m + c as f64 + n) / (n + 1.0) * z;
        }
        n += 1.0;
        done += 1;
        if done == count as u64 {
            done = 0;
            opportunities.advance();
        }
        // The shape m + last has the longest tail.
        let left = 1.0 - (m + last as f64 + n) / (n + 1.0) * z;
        let rest = weights[last] * opportunities.next;
        if left > 0.0 && rest <= 1e-17 * left * left * sums[last] || n > 2.0 * TERMS_MAX {
            break;
        }
    }
    let u = passed / (1.0 + passed);
    let (mut pi, mut all, mut mean) = (1.0, 0.0, 0.0);
    for c in 0..count {
        all += pi;
        mean += pi * sums[c] / norms[c];
        pi *= (m + c as f64) / (c as f64 + 1.0) * u;
    }
    mean / all
}

/// The largest `n` below the mode of the negative binomial whose weight is under 1e-20 of the mode's, or 0.
fn lowest_term(shape: f64, z: f64) -> u64 {
    let mode = ((shape - 1.0) * z / (1.0 - z)).max(0.0);
    let mut n = libm::floor(mode);
    let mut weight = 1.0;
    while n >= 1.0 && weight > 1e-20 {
        weight *= n / ((shape + n - 1.0) * z);
        n -= 1.0;
    }
    n as u64
}

/// `C(N)` and `C(N+1)`, for rising `N`.
struct Opportunities {
    now: f64,
    next: f64,
    survives: f64,
    b: f64,
    c: f64,
}

impl Opportunities {
    fn new(a: f64, b: f64) -> Self {
        Self { now: 0.0, next: 1.0, survives: 1.0, b, c: a + b }
    }

    fn advance(&mut self) {
        self.survives *= self.b / self.c;
        self.b += 1.0;
        self.c += 1.0;
        self.now = self.next;
        self.next += self.survives;
    }
}

#[cfg(test)]
mod tests {
    use super::super::silence::{History, Model, Params};
    use super::*;

    /// The forms for k stages at k = 1 are the closed forms of the Poisson models, written otherwise.
    #[test]
    fn one_stage_is_the_poisson_model() {
        let mut worst: f64 = 0.0;
        for model in [Model::Bg, Model::Mbg] {
            for (r, alpha_d, a, b) in [
                (0.525, 43.0, 0.891, 1.614),
                (3.0, 90.0, 1.0, 2.0),
                (0.05, 4.0, 2.5, 0.4),
                (12.0, 300.0, 0.3, 9.0),
            ] {
                let params = Params { model, r, alpha_d, a, b };
                for x in [0, 1, 2, 7, 40, 300] {
                    for silent_d in [0.0, 1.0, 30.0, 400.0] {
                        for horizon_d in [1.0, 90.0, 365.0] {
                            let h = History { x, t_x_d: 15.0 * f64::from(x) };
                            let age_d = h.t_x_d + silent_d;
                            let scale = alpha_d + h.t_x_d;
                            let (m, y, eta) =
                                (r + f64::from(x), silent_d / scale, horizon_d / scale);
                            let b_now =
                                b + f64::from(x) + if model == Model::Mbg { 1.0 } else { 0.0 };
                            let e = expected_if_alive(1, m, (y, y), eta, (a, b_now));
                            worst = worst.max(
                                (e / params.expected_if_alive(h, age_d, horizon_d) - 1.0).abs(),
                            );
                            let curve = params.curve(h, horizon_d);
                            let w = curve.dropout_odds;
                            let s = survival(1, m, y);
                            worst = worst.max((1.0 / (1.0 + w / s) - curve.p_alive(age_d)).abs());
                            let silent = (survival(1, m, y + eta) + w) / (s + w);
                            worst = worst.max((silent - curve.p_silent(age_d)).abs());
                            worst = worst.max(
                                (1.0 - lasts(1, m, y, eta) - curve.p_buys_if_alive(age_d)).abs(),
                            );
                        }
                    }
                }
            }
        }
        println!("worst {worst:e}");
        assert!(worst < 1e-12, "{worst:e}");
    }

    #[test]
    fn survival_is_its_own_logarithm_and_density() {
        for k in [2, 3, 8, STAGES_MAX] {
            for m in [0.3, 4.0, 90.0] {
                for y in [0.01, 0.2, 1.0, 5.0] {
                    let s = survival(k, m, y);
                    assert!((libm::log(s) - ln_survival(k, m, y)).abs() < 1e-12);
                    let step = 1e-5 * y;
                    let slope =
                        (survival(k, m, y - step) - survival(k, m, y + step)) / (2.0 * step);
                    assert!(
                        (hazard(k, m, 0.0, y) * s - slope).abs() < 1e-6 * (1.0 + slope),
                        "{k} {m} {y}"
                    );
                }
            }
        }
    }
}
