//! BG/NBD, MBG/NBD and their regular kin: is the customer still alive, and will they buy within the horizon?
//!
//! Purchases come at a rate ~ Gamma(r, alpha); after each one the customer drops out for good with a probability
//! ~ Beta(a, b). MBG lets them drop out after the first purchase too, so that one-time buyers decay as well.
//! (M)BG/CNBD-k makes the gaps regular: Erlang with `k` stages (see `stages`); `k = 1` is the plain model.
//!
//! Sources: BG/NBD: Fader, Hardie, Lee, Marketing Science 24(2) 2005, and their note 021 (2008) for P(alive).
//! MBG/NBD: Batislam, Denizel, Filiztekin, IJRM 24(3) 2007; Hoppe and Wagner 2007. `p_silent` follows from the
//! posterior of the rate given alive; compare Zammit and Zerafa, arXiv 2502.12912 (2025).
//! All differences of logarithms are taken as `log1p` of a ratio: nothing cancels, however long the history.

use std::fmt;

use super::risk::PROBABILITY_MIN;
use super::stages::{self, STAGES_MAX};

/// Days of a week, for parameters published in weeks.
const WEEK_D: f64 = 7.0;

/// Which model of customers without a contract. All of them are used in the same way, through [`Params`] and [`Curve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// MBG/NBD: dropout possible after every purchase, the first included. The default.
    Mbg,
    /// BG/NBD: dropout possible after repeat purchases only; one-time buyers stay alive for ever.
    Bg,
    /// MBG/CNBD-k: as MBG, with regular gaps. For customers who order in a rhythm (Wheat-Morrison k of 1.5 or more).
    MbgCnbd {
        /// Stages of a gap, 1 to [`STAGES_MAX`]: the larger, the more regular.
        k: u8,
    },
    /// BG/CNBD-k: as BG, with regular gaps.
    BgCnbd {
        /// Stages of a gap, 1 to [`STAGES_MAX`].
        k: u8,
    },
}

impl Model {
    /// Stages of a gap; numbers outside the range are taken to its ends.
    #[must_use]
    pub fn stages(self) -> u8 {
        match self {
            Self::Mbg | Self::Bg => 1,
            Self::MbgCnbd { k } | Self::BgCnbd { k } => k.clamp(1, STAGES_MAX),
        }
    }

    /// Whether a customer may drop out after the first purchase already.
    #[must_use]
    pub fn drops_at_first(self) -> bool {
        matches!(self, Self::Mbg | Self::MbgCnbd { .. })
    }
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
    /// Its name: `r`, `alpha`, `a`, `b` or `k`.
    pub name: &'static str,
    /// The value given.
    pub value: f64,
}

impl fmt::Display for BadParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            "k" => write!(f, "model parameter k is {}, give 1 to {STAGES_MAX}", self.value),
            name => {
                write!(f, "model parameter {name} is {}, give a finite number above 0", self.value)
            }
        }
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
    /// The first parameter that is not a finite positive number, or `k` out of its range.
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
        if let Model::MbgCnbd { k } | Model::BgCnbd { k } = model
            && !(1..=STAGES_MAX).contains(&k)
        {
            return Err(BadParameter { name: "k", value: f64::from(k) });
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
    /// For regular models this looks for the valley of p_silent, which costs microseconds: make it once a purchase.
    #[must_use]
    pub fn curve(&self, h: History, horizon_d: f64) -> Curve {
        let mut curve = self.curve_without_valley(h, horizon_d);
        if curve.stages > 1 {
            let scale_d = curve.alpha_d + curve.t_x_d;
            let eta = horizon_d / scale_d;
            curve.valley_d =
                scale_d * stages::valley(curve.stages, curve.n, curve.dropout_odds, eta);
        }
        curve
    }

    fn curve_without_valley(&self, h: History, horizon_d: f64) -> Curve {
        let x = f64::from(h.x);
        let dropout_odds = if self.model.drops_at_first() {
            self.a / (self.b + x)
        } else if h.x == 0 {
            0.0
        } else {
            self.a / (self.b + x - 1.0)
        };
        let stages = self.model.stages();
        Curve {
            n: self.r + f64::from(stages) * x,
            alpha_d: self.alpha_d,
            t_x_d: h.t_x_d,
            dropout_odds,
            horizon_d,
            stages,
            valley_d: 0.0,
        }
    }

    /// P(alive) at `age_d` days after the first purchase, in [0, 1]. 1 for a one-time buyer under BG models.
    #[must_use]
    pub fn p_alive(&self, h: History, age_d: f64) -> f64 {
        self.curve_without_valley(h, 0.0).p_alive(age_d)
    }

    /// P(no purchase within the next `horizon_d` days) at `age_d` days after the first purchase, in [0, 1].
    #[must_use]
    pub fn p_silent(&self, h: History, age_d: f64, horizon_d: f64) -> f64 {
        self.curve_without_valley(h, horizon_d).p_silent(age_d)
    }

    /// See [`Curve::p_silent_rising`].
    #[must_use]
    pub fn p_silent_rising(&self, h: History, age_d: f64, horizon_d: f64) -> f64 {
        self.curve(h, horizon_d).p_silent_rising(age_d)
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

/// The probabilities of one customer as a function of their age alone. Between purchases P(alive) falls strictly
/// (one-time buyers under BG models: it is constant). p_silent rises strictly under the plain models; under the
/// regular ones it falls to a valley first, see [`Curve::p_silent_rising`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// Shape of the rate's posterior, `r + k x`.
    pub(super) n: f64,
    pub(super) alpha_d: f64,
    pub(super) t_x_d: f64,
    /// Odds of having dropped out at the moment of the last purchase.
    pub(super) dropout_odds: f64,
    pub(super) horizon_d: f64,
    /// Stages of a gap.
    pub(super) stages: u8,
    /// Days from the last purchase to the lowest p_silent; 0 for one stage.
    pub(super) valley_d: f64,
}

impl Curve {
    /// Days since the last purchase. Ages before the last purchase count as the last purchase's: a moment before
    /// known purchases is not a question these models answer.
    fn silent_d(&self, age_d: f64) -> f64 {
        (age_d - self.t_x_d).max(0.0)
    }

    /// Odds of having dropped out at `age_d`.
    fn dropped_odds(&self, age_d: f64) -> f64 {
        if self.dropout_odds == 0.0 {
            return 0.0;
        }
        let y = self.silent_d(age_d) / (self.alpha_d + self.t_x_d);
        if self.stages > 1 {
            return self.dropout_odds / stages::survival(self.stages, self.n, y);
        }
        self.dropout_odds * libm::exp(self.n * libm::log1p(y))
    }

    /// P(alive) at `age_d` days after the first purchase.
    #[must_use]
    pub fn p_alive(&self, age_d: f64) -> f64 {
        1.0 / (1.0 + self.dropped_odds(age_d))
    }

    /// P(a purchase within the horizon, given alive) at `age_d` days after the first purchase.
    #[must_use]
    pub fn p_buys_if_alive(&self, age_d: f64) -> f64 {
        if self.stages > 1 {
            return 1.0 - self.lasts(age_d);
        }
        let age_d = age_d.max(self.t_x_d);
        -libm::expm1(-self.n * libm::log1p(self.horizon_d / (self.alpha_d + age_d)))
    }

    /// P(no purchase within the horizon, given alive), for models with several stages.
    fn lasts(&self, age_d: f64) -> f64 {
        let scale_d = self.alpha_d + self.t_x_d;
        let (y, eta) = (self.silent_d(age_d) / scale_d, self.horizon_d / scale_d);
        stages::lasts(self.stages, self.n, y, eta)
    }

    /// P(no purchase within the horizon) at `age_d` days after the first purchase, in [0, 1]: the probability to
    /// show and to calibrate.
    #[must_use]
    pub fn p_silent(&self, age_d: f64) -> f64 {
        if self.stages == 1 {
            return 1.0 - self.p_buys_if_alive(age_d) / (1.0 + self.dropped_odds(age_d));
        }
        if self.dropout_odds == 0.0 {
            return self.lasts(age_d);
        }
        let scale_d = self.alpha_d + self.t_x_d;
        let (y, eta) = (self.silent_d(age_d) / scale_d, self.horizon_d / scale_d);
        let survival = |y: f64| stages::survival(self.stages, self.n, y) + self.dropout_odds;
        (survival(y + eta) / survival(y)).min(1.0)
    }

    /// The most by which the log-odds of p_silent rise a day from `age_d` on, where they are those of `p`: `None` for regular models.
    ///
    /// With `q = 1 - p` the chance to buy, of being alive times that of buying if alive, and `A = alpha + age`:
    /// `-(ln q)' <= n/A + 1/A`, the first from the odds of having dropped out, which grow as `A^n`, the second since
    /// `(1 + u)^n - 1 >= n ln(1 + u) >= n u/(1 + u)`; and `logit'(p) = p'/(p q) = -(ln q)'/p`, which only falls. The log-odds are
    /// looked at from a millionth on.
    #[must_use]
    pub fn pace_max(&self, age_d: f64, p: f64) -> Option<f64> {
        let scale_d = self.alpha_d + age_d.max(self.t_x_d);
        (self.stages == 1).then(|| (self.n + 1.0) / (scale_d * p.max(PROBABILITY_MIN)))
    }

    /// The least p_silent that is still to come without another purchase: constant up to the valley, p_silent itself
    /// after it, hence rising under every model. Equal to p_silent, bit for bit, under the plain ones.
    ///
    /// This is what bands, dues and everything that relies on rising stand on. Somebody who orders every quarter is
    /// almost surely silent for the 30 days after an order; that says nothing about leaving. The valley is the moment
    /// at which the next order is most likely; only beyond it does silence speak.
    #[must_use]
    pub fn p_silent_rising(&self, age_d: f64) -> f64 {
        self.p_silent(age_d.max(self.valley_age_d()))
    }

    /// Age in days from which on p_silent rises: the last purchase's, or the valley of a regular model.
    #[must_use]
    pub fn valley_age_d(&self) -> f64 {
        self.t_x_d + self.valley_d
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
