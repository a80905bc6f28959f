//! Log-likelihood of one customer's history, for fitting and for checking a fit.
//!
//! The two ways a history can have come about (still alive, or dropped out right after the last purchase) are added
//! as logarithms, so that long histories neither overflow nor vanish. Source: the papers named in `silence`.

use super::silence::{History, Params};
use super::stages;

impl Params {
    /// `ln L` of the history `h`, observed until `age_d` days after the first purchase. Sums over customers;
    /// constants of the time unit are in it: days instead of weeks subtract `x ln 7`. For regular models the term of
    /// the single gaps is missing, see [`Params::ln_likelihood_of_gaps`].
    #[must_use]
    pub fn ln_likelihood(&self, h: History, age_d: f64) -> f64 {
        let x = f64::from(h.x);
        let k = self.model.stages();
        let (a, b, n) = (self.a, self.b, self.r + f64::from(k) * x);
        let rate = libm::lgamma(n) - libm::lgamma(self.r) + self.r * libm::log(self.alpha_d)
            - ln_beta(a, b);
        let ln_last = n * libm::log(self.alpha_d + h.t_x_d);
        // The weight of "alive, and silent since": (alpha + t_x)^-n S(T), which for one stage is (alpha + T)^-n.
        let ln_age = if k == 1 {
            n * libm::log(self.alpha_d + age_d)
        } else {
            let y = (age_d - h.t_x_d).max(0.0) / (self.alpha_d + h.t_x_d);
            ln_last - stages::ln_survival(k, n, y)
        };
        let histories = if self.model.drops_at_first() {
            ln_add_exp(ln_beta(a, b + x + 1.0) - ln_age, ln_beta(a + 1.0, b + x) - ln_last)
        } else if h.x == 0 {
            ln_beta(a, b) - ln_age
        } else {
            ln_add_exp(ln_beta(a, b + x) - ln_age, ln_beta(a + 1.0, b + x - 1.0) - ln_last)
        };
        rate + histories
    }

    /// What the single gaps add to `ln L` under a regular model, `(k - 1) sum(ln g) - x ln Gamma(k)`, with `sum_ln_gap`
    /// over the `x` gaps in days: needed to compare different `k`, constant for one. 0 for the plain models.
    #[must_use]
    pub fn ln_likelihood_of_gaps(&self, x: u32, sum_ln_gap: f64) -> f64 {
        let k = f64::from(self.model.stages());
        (k - 1.0) * sum_ln_gap - f64::from(x) * libm::lgamma(k)
    }
}

/// Logarithm of the beta function of two positive numbers.
fn ln_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

/// `ln(exp(u) + exp(v))` without overflow.
fn ln_add_exp(u: f64, v: f64) -> f64 {
    let (high, low) = if u > v { (u, v) } else { (v, u) };
    high + libm::log1p(libm::exp(low - high))
}
