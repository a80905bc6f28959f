//! What a customer is worth: mean spend (Gamma-Gamma) and the value of the purchases to come, net of the cost to serve.
//!
//! Amounts are `f64` minor units (or any one currency unit: everything is proportional to it).
//! Gamma-Gamma: amounts of one customer vary by Gamma(p, nu), `nu` ~ Gamma(q, gamma) over customers, independently of
//! how often they buy. Sources: Colombo and Jiang, Journal of Interactive Marketing 13(3) 1999; Fader, Hardie, Lee,
//! Journal of Marketing Research 42(4) 2005; Fader and Hardie, note 025, 2013. The value is a finite sum: the infinite
//! one has a closed form for Pareto/NBD only.

use super::silence::{BadParameter, History, Params};

/// Gamma-Gamma parameters: constants of the definition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GammaGamma {
    /// Shape of one customer's amounts.
    pub p: f64,
    /// Shape of the customers' scales. Above 1 a customer without repeat purchases has an expected amount.
    pub q: f64,
    /// Scale of the customers' scales, minor units.
    pub gamma_minor: f64,
}

impl GammaGamma {
    /// Published for the CDNOW sample: 6.25, 3.74, 15.44 dollars.
    pub const CDNOW: Self = Self { p: 6.25, q: 3.74, gamma_minor: 1544.0 };

    /// Checked parameters.
    ///
    /// # Errors
    /// The first that is not a finite positive number, named `p`, `q` or `gamma`.
    pub fn new(p: f64, q: f64, gamma_minor: f64) -> Result<Self, BadParameter> {
        for (name, value) in [("p", p), ("q", q), ("gamma", gamma_minor)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(BadParameter { name, value });
            }
        }
        Ok(Self { p, q, gamma_minor })
    }

    /// `E[M | x, m_x] = p (gamma + x m_x)/(p x + q - 1)`: expected amount of a purchase day, minor units.
    ///
    /// `repeat_minor` is `x m_x`, the net amount of the `x` repeat days together. `None` where it does not exist
    /// (`p x + q <= 1`), and where refunds made the numerator negative. Days of amount 0 are taken as they are; a fit
    /// must leave customers with `m_x <= 0` out.
    #[must_use]
    pub fn mean_spend(&self, x: u32, repeat_minor: f64) -> Option<f64> {
        let below = self.p * f64::from(x) + self.q - 1.0;
        let repeat_minor = if x == 0 { 0.0 } else { repeat_minor };
        let mean = self.p * (self.gamma_minor + repeat_minor) / below;
        (below > 0.0 && mean >= 0.0 && mean.is_finite()).then_some(mean)
    }

    /// `ln L` of a mean amount `m_x` over `x` repeat days, in the unit of `gamma_minor`. `None` for `x = 0` or
    /// `m_x <= 0`, which say nothing. Cents instead of dollars subtract `ln 100` a customer.
    #[must_use]
    pub fn ln_likelihood(&self, x: u32, mean_minor: f64) -> Option<f64> {
        if x == 0 || mean_minor.is_nan() || mean_minor <= 0.0 {
            return None;
        }
        let (p, q, x) = (self.p, self.q, f64::from(x));
        // The terms of size p x ln(m) are taken together, so that long histories do not cancel.
        let ratio = x * mean_minor / (self.gamma_minor + x * mean_minor);
        let constant = libm::lgamma(p * x + q) - libm::lgamma(p * x) - libm::lgamma(q);
        let scale = q * libm::log(self.gamma_minor / (self.gamma_minor + x * mean_minor));
        Some(constant + scale + p * x * libm::log(ratio) - libm::log(mean_minor))
    }
}

/// How far ahead value is counted: constants of the definition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueRule {
    /// Length of a step, days.
    pub step_d: f64,
    /// Number of steps.
    pub steps: u16,
    /// Discount of one step: .01 is 1 % a step.
    pub discount: f64,
    /// Share of an amount that is margin, in [0, 1].
    pub margin: f64,
}

impl Default for ValueRule {
    /// `clv_365`: twelve steps of a twelfth of 365 days at 1 %, all of the amount counted.
    fn default() -> Self {
        Self { step_d: 365.0 / 12.0, steps: 12, discount: 0.01, margin: 1.0 }
    }
}

impl ValueRule {
    /// `sum over k of (margin m_hat (E(k s) - E((k-1) s)) - cost s)/(1 + d)^k`: value of the purchases to come less the
    /// cost to serve, minor units. Negative when serving costs more than is bought.
    ///
    /// `age_d` as in [`Params::expected`], `mean_spend_minor` from [`GammaGamma::mean_spend`], `cost_per_day_minor` the
    /// decayed rate of service cost as it is now; it is taken to go on. Each `E` is evaluated once.
    #[must_use]
    pub fn customer_value(
        &self,
        params: &Params,
        (h, age_d): (History, f64),
        mean_spend_minor: f64,
        cost_per_day_minor: f64,
    ) -> f64 {
        let mean = Some(mean_spend_minor);
        self.outlook(params, (h, age_d), 0.0, mean, cost_per_day_minor).value_minor.unwrap_or(0.0)
    }

    /// The purchases expected in the `horizon_d` days after `age_d`, and [`ValueRule::customer_value`] where the mean spend
    /// is known: together for little more than the value alone.
    #[must_use]
    pub fn outlook(
        &self,
        params: &Params,
        (h, age_d): (History, f64),
        horizon_d: f64,
        mean_spend_minor: Option<f64>,
        cost_per_day_minor: f64,
    ) -> Outlook {
        // where there is no value only the horizon is asked for
        let steps = mean_spend_minor.map_or(0, |_| self.steps);
        let ahead = Self { steps, ..*self }.ahead(params, (h, (age_d, age_d)), horizon_d);
        let per_purchase = mean_spend_minor.map(|mean| self.margin * mean);
        let cost = cost_per_day_minor * self.step_d * self.annuity();
        Outlook::of(ahead, params.p_alive(h, age_d), per_purchase, cost)
    }

    /// The purchases expected of a customer who is alive: within the `horizon_d` days after an age, and of all steps,
    /// each discounted. The age comes twice, as in [`Params::expected_of`].
    #[must_use]
    pub(super) fn ahead(
        &self,
        params: &Params,
        (h, ages_d): (History, (f64, f64)),
        horizon_d: f64,
    ) -> [f64; 2] {
        let (mut before, mut weight, mut discounted) = (0.0, 1.0, 0.0);
        let mut asked = 0.0;
        for from in (0..=self.steps).step_by(AT_ONCE) {
            // the horizon that is asked for stands in the place of the step of no length
            let mut all = [0.0; AT_ONCE];
            let mut count = 0;
            for (expected, k) in all.iter_mut().zip(from..=self.steps) {
                *expected = if k == 0 { horizon_d } else { f64::from(k) * self.step_d };
                count += 1;
            }
            params.expected_of(h, ages_d, &mut all[..count]);
            for (expected, k) in all.into_iter().zip(from..=self.steps) {
                if k == 0 {
                    asked = expected;
                    continue;
                }
                weight /= 1.0 + self.discount;
                discounted += (expected - before) * weight;
                before = expected;
            }
        }
        [asked, discounted]
    }

    /// What one unit in each step is worth now.
    #[must_use]
    pub(super) fn annuity(&self) -> f64 {
        let (mut weight, mut sum) = (1.0, 0.0);
        for _ in 0..self.steps {
            weight /= 1.0 + self.discount;
            sum += weight;
        }
        sum
    }
}

/// Horizons that are looked at together.
const AT_ONCE: usize = 14;

/// What is to come of a customer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlook {
    /// Purchases within the horizon asked for.
    pub expected: f64,
    /// [`ValueRule::customer_value`]; `None` where the mean spend is not known.
    pub value_minor: Option<f64>,
}

impl Outlook {
    /// Of what [`ValueRule::ahead`] says for a customer who is alive with probability `p_alive`: `per_purchase_minor` is what
    /// a purchase brings, `cost_minor` what serving costs over all steps.
    pub(super) fn of(
        [asked, discounted]: [f64; 2],
        p_alive: f64,
        per_purchase_minor: Option<f64>,
        cost_minor: f64,
    ) -> Self {
        let value = |minor: f64| p_alive * minor * discounted - cost_minor;
        Self { expected: p_alive * asked, value_minor: per_purchase_minor.map(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_spend_lies_between_the_population_and_the_customer() {
        let model = GammaGamma::CDNOW;
        let population = model.mean_spend(0, 99.0);
        assert_eq!(population, Some(6.25 * 1544.0 / 2.74));
        let many = model.mean_spend(10_000, 10_000.0 * 500.0);
        assert!(many.is_some_and(|m| (m / 500.0 - 1.0).abs() < 1e-3));
    }

    #[test]
    fn what_does_not_exist_is_none() {
        let heavy = GammaGamma { q: 0.9, ..GammaGamma::CDNOW };
        assert_eq!(heavy.mean_spend(0, 0.0), None);
        assert!(heavy.mean_spend(1, 100.0).is_some());
        assert_eq!(GammaGamma::CDNOW.mean_spend(2, -1e9), None);
        assert_eq!(GammaGamma::CDNOW.mean_spend(2, f64::NAN), None);
        assert_eq!(GammaGamma::CDNOW.ln_likelihood(0, 5.0), None);
        assert_eq!(GammaGamma::CDNOW.ln_likelihood(3, 0.0), None);
        assert!(GammaGamma::new(1.0, f64::INFINITY, 2.0).is_err());
    }

    /// Cases by hand: with one step the sum is one term; cost alone is an annuity.
    #[test]
    fn value_by_hand() {
        let params = Params::CDNOW_MBG;
        let h = History { x: 2, t_x_d: 30.0 };
        let rule = ValueRule { step_d: 90.0, steps: 1, discount: 0.25, margin: 0.4 };
        let e = params.expected(h, 60.0, 90.0);
        let value = rule.customer_value(&params, (h, 60.0), 1000.0, 2.0);
        assert!((value - (0.4 * 1000.0 * e - 180.0) / 1.25).abs() < 1e-10);
        let rule = ValueRule { step_d: 10.0, steps: 3, discount: 1.0, margin: 0.4 };
        assert!((rule.customer_value(&params, (h, 60.0), 0.0, 1.0) - -8.75).abs() < 1e-12);
        let none = ValueRule { steps: 0, ..rule };
        assert_eq!(none.customer_value(&params, (h, 60.0), 1000.0, 1.0), 0.0);
        assert_eq!(none.outlook(&params, (h, 60.0), 90.0, None, 1.0).value_minor, None);
    }

    /// However many steps there are, they are those of the formula.
    #[test]
    fn steps_taken_together_are_those_taken_one_by_one() {
        let params = Params::CDNOW_MBG;
        let seen = (History { x: 2, t_x_d: 30.0 }, 60.0);
        for steps in [1, 12, 13, 14, 15, 40] {
            let rule = ValueRule { steps, ..ValueRule::default() };
            let (mut before, mut value) = (0.0, 0.0);
            for k in 1..=steps {
                let expected = params.expected(seen.0, seen.1, f64::from(k) * rule.step_d);
                value +=
                    (1000.0 * (expected - before) - 2.0 * rule.step_d) / 1.01_f64.powi(k.into());
                before = expected;
            }
            let outlook = rule.outlook(&params, seen, 90.0, Some(1000.0), 2.0);
            assert!(outlook.value_minor.is_some_and(|v| (v / value - 1.0).abs() < 1e-12));
            assert_eq!(outlook.expected, params.expected(seen.0, seen.1, 90.0));
        }
    }
}
