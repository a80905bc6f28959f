//! Log-likelihood of one customer's history, for fitting and for checking a fit.
//!
//! The two ways a history can have come about (still alive, or dropped out right after the last purchase) are added
//! as logarithms, so that long histories neither overflow nor vanish. Source: the papers named in `silence`.

use super::silence::{History, Model, Params};

impl Params {
    /// `ln L` of the history `h`, observed until `age_d` days after the first purchase. Sums over customers;
    /// constants of the time unit are in it: days instead of weeks subtract `x ln 7`.
    #[must_use]
    pub fn ln_likelihood(&self, h: History, age_d: f64) -> f64 {
        let x = f64::from(h.x);
        let (a, b, n) = (self.a, self.b, self.r + x);
        let rate = libm::lgamma(n) - libm::lgamma(self.r) + self.r * libm::log(self.alpha_d)
            - ln_beta(a, b);
        let ln_age = n * libm::log(self.alpha_d + age_d);
        let ln_last = n * libm::log(self.alpha_d + h.t_x_d);
        let histories = match self.model {
            Model::Bg if h.x == 0 => ln_beta(a, b) - ln_age,
            Model::Bg => {
                ln_add_exp(ln_beta(a, b + x) - ln_age, ln_beta(a + 1.0, b + x - 1.0) - ln_last)
            }
            Model::Mbg => {
                ln_add_exp(ln_beta(a, b + x + 1.0) - ln_age, ln_beta(a + 1.0, b + x) - ln_last)
            }
        };
        rate + histories
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
