//! BG/NBD and MBG/NBD: is the customer still alive, and will they buy within the horizon?
//!
//! Purchases come at a rate ~ Gamma(r, alpha); after each one the customer drops out for good with a probability
//! ~ Beta(a, b). MBG lets them drop out after the first purchase too, so that one-time buyers decay as well.
//!
//! Sources: BG/NBD: Fader, Hardie, Lee, Marketing Science 24(2) 2005, and their note 021 (2008) for P(alive).
//! MBG/NBD: Batislam, Denizel, Filiztekin, IJRM 24(3) 2007; Hoppe and Wagner 2007. `p_silent` follows from the
//! posterior of the rate given alive; compare Zammit and Zerafa, arXiv 2502.12912 (2025).
//! All differences of logarithms are taken as `log1p` of a ratio: nothing cancels, however long the history.

use std::fmt;

/// Days of a week, for parameters published in weeks.
const WEEK_D: f64 = 7.0;

/// Which of the two models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// MBG/NBD: dropout possible after every purchase, the first included. The default.
    Mbg,
    /// BG/NBD: dropout possible after repeat purchases only; one-time buyers stay alive for ever.
    Bg,
}

/// A model with its parameters, time in days. Changing the time unit scales `alpha` and nothing else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// Which model the numbers belong to.
    pub model: Model,
    /// Shape of the purchase rate.
    pub r: f64,
    /// Scale of the purchase rate, days.
    pub alpha_d: f64,
    /// First parameter of the dropout probability.
    pub a: f64,
    /// Second parameter of the dropout probability.
    pub b: f64,
}

/// A parameter that the models cannot work with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BadParameter {
    /// Its name: `r`, `alpha`, `a` or `b`.
    pub name: &'static str,
    /// The value given.
    pub value: f64,
}

impl fmt::Display for BadParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model parameter {} is {}, give a finite number above 0", self.name, self.value)
    }
}

impl std::error::Error for BadParameter {}

impl Params {
    /// MBG/NBD fitted to the CDNOW sample (first 39 weeks of 1997): the documented default.
    pub const CDNOW_MBG: Self =
        Self { model: Model::Mbg, r: 0.525, alpha_d: 6.183 * WEEK_D, a: 0.891, b: 1.614 };
    /// BG/NBD at the published parameters of the same sample.
    pub const CDNOW_BG: Self =
        Self { model: Model::Bg, r: 0.243, alpha_d: 4.414 * WEEK_D, a: 0.793, b: 2.426 };

    /// Parameters with `alpha` in days.
    ///
    /// # Errors
    /// The first parameter that is not a finite positive number.
    pub fn from_days(
        model: Model,
        r: f64,
        alpha_d: f64,
        a: f64,
        b: f64,
    ) -> Result<Self, BadParameter> {
        for (name, value) in [("r", r), ("alpha", alpha_d), ("a", a), ("b", b)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(BadParameter { name, value });
            }
        }
        Ok(Self { model, r, alpha_d, a, b })
    }

    /// Parameters with `alpha` in weeks, as most papers give them.
    ///
    /// # Errors
    /// The first parameter that is not a finite positive number.
    pub fn from_weeks(
        model: Model,
        r: f64,
        alpha_weeks: f64,
        a: f64,
        b: f64,
    ) -> Result<Self, BadParameter> {
        Self::from_days(model, r, alpha_weeks * WEEK_D, a, b)
    }

    /// The curve of one customer: everything that stays constant until the next purchase, with the horizon in days.
    #[must_use]
    pub fn curve(&self, h: History, horizon_d: f64) -> Curve {
        let x = f64::from(h.x);
        let dropout_odds = match self.model {
            Model::Mbg => self.a / (self.b + x),
            Model::Bg if h.x == 0 => 0.0,
            Model::Bg => self.a / (self.b + x - 1.0),
        };
        Curve { n: self.r + x, alpha_d: self.alpha_d, t_x_d: h.t_x_d, dropout_odds, horizon_d }
    }

    /// P(alive) at `age_d` days after the first purchase, in [0, 1]. 1 for a one-time buyer under BG/NBD.
    #[must_use]
    pub fn p_alive(&self, h: History, age_d: f64) -> f64 {
        self.curve(h, 0.0).p_alive(age_d)
    }

    /// P(no purchase within the next `horizon_d` days) at `age_d` days after the first purchase, in [0, 1].
    #[must_use]
    pub fn p_silent(&self, h: History, age_d: f64, horizon_d: f64) -> f64 {
        self.curve(h, horizon_d).p_silent(age_d)
    }
}

/// What the models know of one customer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct History {
    /// Repeat purchases: distinct purchase days less one.
    pub x: u32,
    /// Days from the first to the last purchase; 0 if `x` is 0.
    pub t_x_d: f64,
}

/// The probabilities of one customer as a function of their age alone. Between purchases P(alive) falls and
/// p_silent rises with age, both strictly (one-time buyers under BG/NBD: P(alive) is constant).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// Shape of the rate's posterior, `r + x`.
    pub(super) n: f64,
    pub(super) alpha_d: f64,
    pub(super) t_x_d: f64,
    /// Odds of having dropped out at the moment of the last purchase.
    pub(super) dropout_odds: f64,
    pub(super) horizon_d: f64,
}

impl Curve {
    /// Odds of having dropped out at `age_d`. Ages before the last purchase count as the last purchase's: a moment
    /// before known purchases is not a question these models answer.
    fn dropped_odds(&self, age_d: f64) -> f64 {
        if self.dropout_odds == 0.0 {
            return 0.0;
        }
        let silent_d = (age_d - self.t_x_d).max(0.0);
        self.dropout_odds * libm::exp(self.n * libm::log1p(silent_d / (self.alpha_d + self.t_x_d)))
    }

    /// P(alive) at `age_d` days after the first purchase.
    #[must_use]
    pub fn p_alive(&self, age_d: f64) -> f64 {
        1.0 / (1.0 + self.dropped_odds(age_d))
    }

    /// P(a purchase within the horizon, given alive) at `age_d` days after the first purchase.
    #[must_use]
    pub fn p_buys_if_alive(&self, age_d: f64) -> f64 {
        let age_d = age_d.max(self.t_x_d);
        -libm::expm1(-self.n * libm::log1p(self.horizon_d / (self.alpha_d + age_d)))
    }

    /// P(no purchase within the horizon) at `age_d` days after the first purchase.
    #[must_use]
    pub fn p_silent(&self, age_d: f64) -> f64 {
        1.0 - self.p_buys_if_alive(age_d) / (1.0 + self.dropped_odds(age_d))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_time_buyers_decay_under_mbg_only() {
        let once = History { x: 0, t_x_d: 0.0 };
        assert_eq!(Params::CDNOW_BG.p_alive(once, 500.0), 1.0);
        assert!(Params::CDNOW_MBG.p_alive(once, 500.0) < 0.4);
    }

    #[test]
    fn ages_before_the_last_purchase_are_its_age() {
        let h = History { x: 3, t_x_d: 40.0 };
        assert_eq!(
            Params::CDNOW_MBG.p_silent(h, 10.0, 90.0),
            Params::CDNOW_MBG.p_silent(h, 40.0, 90.0)
        );
    }

    #[test]
    fn extremes_stay_probabilities() {
        let h = History { x: u32::MAX, t_x_d: 1.0 };
        assert_eq!(Params::CDNOW_MBG.p_silent(h, 1e6, 90.0), 1.0);
        assert_eq!(Params::CDNOW_MBG.p_alive(h, 1e6), 0.0);
        assert!(Params::CDNOW_MBG.p_silent(h, 1.0, 90.0) < 1e-6);
    }

    #[test]
    fn bad_parameters_are_named() {
        let bad = Params::from_weeks(Model::Mbg, 0.5, 6.0, f64::NAN, 1.0).unwrap_err();
        assert_eq!(bad.name, "a");
        assert!(Params::from_days(Model::Bg, 0.5, 6.0, 1.0, 0.0).is_err());
        assert_eq!(
            Params::from_weeks(Model::Mbg, 0.525, 6.183, 0.891, 1.614),
            Ok(Params::CDNOW_MBG)
        );
    }
}
