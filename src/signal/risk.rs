//! Churn risk: the inputs, their scales, their weights and their references. Additive log-odds, see `score`.
//!
//! What is estimated: the probability of no purchase within the horizon (90 days; B2B 180), or under a contract of no
//! renewal at the next date (the base then is `1 - r_t` of the sBG model).
//!
//! **Only the weight of [`Input::Base`] was fitted to data** (CDNOW: slope .981, intercept -.179). All others are expert
//! priors: judgements about direction and rough size, with no evidence behind the number. They are defaults; a
//! definition may set its own. [`Input::basis`] says which is which, and every output carries it.

use super::levels::Levels;
use super::score::{self, Explained, Term, logit};

/// Number of inputs.
pub const INPUTS: usize = 16;

/// The base is limited to log-odds of this probability from both ends.
pub(super) const PROBABILITY_MIN: f64 = 1e-6;

/// `b0` of the default weight sets.
pub const B0: f64 = 0.0;

/// Mean p_silent over 90 days in the population, the reference of the base: 0.854, the mean of the 2,357 customers of the
/// CDNOW sample on 1997-09-30, half a year after the last of them first bought, under the default MBG/NBD parameters.
/// A constant of the definition; a population of regular buyers is far below it.
pub const P_SILENT_MEAN: f64 = 0.854;

/// Levels of risk by default: low, medium from .4, high from .6, critical from .8, left .05 below. An expert prior, to be
/// set round the base rate: under the default models a new customer of CDNOW already has .71.
pub const LEVELS: Levels<3> = Levels { edges: [0.4, 0.6, 0.8], hysteresis: 0.05 };

/// Names of the levels, the lowest first.
pub const LEVEL_NAMES: [&str; 4] = ["low", "medium", "high", "critical"];

/// Where the weight of an input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Estimated from data.
    Fitted,
    /// A judgement of experts: the number has no evidence behind it.
    ExpertPrior,
}

impl Basis {
    /// The word in outputs and documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fitted => "fitted",
            Self::ExpertPrior => "expert_prior",
        }
    }
}

/// The inputs of churn risk, in the order of the weight tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Input {
    /// How likely the purchase history alone makes silence.
    Base = 0,
    /// The present gap beside the customer's own gaps.
    OverdueGap = 1,
    /// Spend lately beside spend before.
    SpendFalling = 2,
    /// Visits lately beside visits before.
    EngagementFalling = 3,
    /// Complaints that are open.
    OpenComplaints = 4,
    /// Tickets lately.
    SupportLoad = 5,
    /// Ratings.
    LowSatisfaction = 6,
    /// Ratings beside what was expected.
    Disappointment = 7,
    /// Days paid beyond terms.
    LatePayment = 8,
    /// Requests for later payment, payments in part.
    Extensions = 9,
    /// Visits to the page where one leaves, exports of one's data.
    CancelIntent = 10,
    /// No messages wanted.
    OptedOut = 11,
    /// Share of spend at a discount.
    DiscountDependent = 12,
    /// Share of spend sent back.
    Returns = 13,
    /// A contract ends soon and nothing is signed.
    RenewalNear = 14,
    /// The contact at the customer, or our own, has left.
    ContactLeft = 15,
}

impl Input {
    /// All inputs, in the order of the weight tables.
    pub const ALL: [Self; INPUTS] = [
        Self::Base,
        Self::OverdueGap,
        Self::SpendFalling,
        Self::EngagementFalling,
        Self::OpenComplaints,
        Self::SupportLoad,
        Self::LowSatisfaction,
        Self::Disappointment,
        Self::LatePayment,
        Self::Extensions,
        Self::CancelIntent,
        Self::OptedOut,
        Self::DiscountDependent,
        Self::Returns,
        Self::RenewalNear,
        Self::ContactLeft,
    ];

    /// The name in tables, definitions and outputs; stable.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::OverdueGap => "overdue_gap",
            Self::SpendFalling => "spend_falling",
            Self::EngagementFalling => "engagement_falling",
            Self::OpenComplaints => "open_complaints",
            Self::SupportLoad => "support_load",
            Self::LowSatisfaction => "low_satisfaction",
            Self::Disappointment => "disappointment",
            Self::LatePayment => "late_payment",
            Self::Extensions => "extensions",
            Self::CancelIntent => "cancel_intent",
            Self::OptedOut => "opted_out",
            Self::DiscountDependent => "discount_dependent",
            Self::Returns => "returns",
            Self::RenewalNear => "renewal_near",
            Self::ContactLeft => "contact_left",
        }
    }

    /// The input of a name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|input| input.id() == id)
    }

    /// What it says, as a sentence for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Base => "How long they have been silent, beside how often they bought",
            Self::OverdueGap => "This gap is longer than most gaps they have had",
            Self::SpendFalling => "They spend less than they used to",
            Self::EngagementFalling => "They visit less than they used to",
            Self::OpenComplaints => "They wait for an answer to a complaint",
            Self::SupportLoad => "They needed support often of late",
            Self::LowSatisfaction => "Their ratings are low",
            Self::Disappointment => "They got less than they expected",
            Self::LatePayment => "They pay later than agreed",
            Self::Extensions => "They asked to pay later, or paid in part",
            Self::CancelIntent => "They looked at how to leave",
            Self::OptedOut => "They want no messages from us",
            Self::DiscountDependent => "They buy at a discount mostly",
            Self::Returns => "They send back much of what they buy",
            Self::RenewalNear => "Their contract ends soon and is not renewed",
            Self::ContactLeft => "Their contact, or our own, has left",
        }
    }

    /// The most by which the input moves on the scale of the score when its fact moves by one: see [`Facts::z`]. That of the base has
    /// no bound, see `risk_pace`.
    #[must_use]
    pub fn per_unit(self) -> f64 {
        match self {
            Self::Base => f64::INFINITY,
            Self::OverdueGap => 2.0,
            Self::OpenComplaints | Self::Extensions => 0.5,
            Self::SupportLoad => 0.25,
            Self::LowSatisfaction | Self::Disappointment => 4.0,
            Self::LatePayment => 1.0 / 30.0,
            Self::DiscountDependent | Self::Returns => 1.0 / 0.3,
            Self::RenewalNear => 1.0 / 60.0,
            Self::SpendFalling
            | Self::EngagementFalling
            | Self::CancelIntent
            | Self::OptedOut
            | Self::ContactLeft => 1.0,
        }
    }

    /// Where the default weight comes from.
    #[must_use]
    pub fn basis(self) -> Basis {
        if self == Self::Base { Basis::Fitted } else { Basis::ExpertPrior }
    }

    /// The values the input can take on the scale of the score.
    #[must_use]
    pub fn range(self) -> (f64, f64) {
        match self {
            Self::Base => (logit(PROBABILITY_MIN), logit(1.0 - PROBABILITY_MIN)),
            Self::SpendFalling | Self::EngagementFalling => (-2.0, 2.0),
            Self::LowSatisfaction => (-1.0, 2.0),
            Self::Disappointment => (-1.0, 1.0),
            // (0 - .3) / .3 and the limit above.
            Self::DiscountDependent => (-1.0, 1.0),
            _ => (0.0, 1.0),
        }
    }
}

/// Weights, `b0` and the reference of the base: a version of the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// The constant, log-odds.
    pub b0: f64,
    /// Log-odds per unit of each input, in the order of [`Input::ALL`].
    pub b: [f64; INPUTS],
    /// Mean p_silent of the population, in (0, 1): the reference of the base. Other references are 0.
    pub p_silent_mean: f64,
    /// The reference of the base on the scale of the score, as [`Weights::prepared`] notes it; `None`: computed at each use.
    pub base_reference: Option<f64>,
}

impl Weights {
    /// Retail to consumers. All but the first weight are expert priors.
    pub const B2C: Self = Self {
        b0: B0,
        b: [
            1.0, 0.0, 0.30, 0.25, 0.60, 0.40, 0.50, 0.25, 0.0, 0.0, 1.00, 0.40, 0.20, 0.30, 0.0,
            0.0,
        ],
        p_silent_mean: P_SILENT_MEAN,
        base_reference: None,
    };
    /// Between businesses. All but the first weight are expert priors.
    pub const B2B: Self = Self {
        b0: B0,
        b: [
            0.80, 0.80, 0.60, 0.35, 0.90, 0.50, 0.60, 0.40, 0.60, 0.70, 1.20, 0.20, 0.0, 0.20,
            0.80, 0.70,
        ],
        p_silent_mean: P_SILENT_MEAN,
        base_reference: None,
    };

    /// The weight of one input.
    #[must_use]
    pub fn of(&self, input: Input) -> f64 {
        self.b[input as usize]
    }

    /// The same, with what would else be computed at each use.
    #[must_use]
    pub fn prepared(self) -> Self {
        Self { base_reference: Some(base_z(self.p_silent_mean)), ..self }
    }

    /// The reference of one input: the average customer's value.
    #[must_use]
    pub fn reference(&self, input: Input) -> f64 {
        if input != Input::Base {
            return 0.0;
        }
        self.base_reference.unwrap_or_else(|| base_z(self.p_silent_mean))
    }

    /// Whether every number is finite and the mean a probability strictly between 0 and 1.
    #[must_use]
    pub fn are_usable(&self) -> bool {
        let mean = self.p_silent_mean;
        self.b0.is_finite() && self.b.iter().all(|b| b.is_finite()) && 0.0 < mean && mean < 1.0
    }

    /// The terms of the score, in the order of [`Input::ALL`].
    #[must_use]
    pub fn terms(&self, facts: &Facts) -> [Term<Input>; INPUTS] {
        Input::ALL.map(|input| Term {
            key: input,
            weight: self.of(input),
            z: facts.z(input),
            reference: self.reference(input),
        })
    }

    /// The risk in (0, 1), without its explanation; the same number as [`Weights::explain`] gives.
    #[must_use]
    pub fn risk(&self, facts: &Facts) -> f64 {
        score::sigmoid(score::eta(self.b0, &self.terms(facts)))
    }

    /// The risk with its explanation.
    #[must_use]
    pub fn explain(&self, facts: &Facts) -> Explained<Input> {
        score::explain(self.b0, &self.terms(facts))
    }
}

/// What is known of one customer at one moment. `None` is "not known": it moves nothing and is listed as missing. A known
/// zero (no open complaint) is not the same and is no gap in the data.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Facts {
    /// P(no purchase within the horizon) in its rising form, or P(no renewal); [0, 1].
    pub p_silent: Option<f64>,
    /// Share of the customer's own gaps that are shorter than the present one, [0, 1].
    pub gap_surprise: Option<f64>,
    /// `ln(rate_30 / rate_180)` of spend.
    pub volume_trend: Option<f64>,
    /// `ln(rate_7 / rate_60)` of visits.
    pub engage_trend: Option<f64>,
    /// Open complaints, count.
    pub open_complaints: Option<f64>,
    /// Tickets, decayed sum of half-life 90 days.
    pub tickets_90: Option<f64>,
    /// Shrunk mean satisfaction, [0, 1].
    pub csat: Option<f64>,
    /// Delivered less expected, [-1, 1].
    pub sat_gap: Option<f64>,
    /// Amount-weighted days beyond terms, days.
    pub dbt_days: Option<f64>,
    /// Extension requests and part payments, decayed sum of half-life 180 days.
    pub extensions_180: Option<f64>,
    /// Intents to leave, decayed sum of half-life 14 days.
    pub cancel_intent_14: Option<f64>,
    /// Whether messages are refused.
    pub opted_out: Option<bool>,
    /// Discounted share of spend, [0, 1].
    pub disc_share: Option<f64>,
    /// Returned share of spend, [0, 1].
    pub return_rate: Option<f64>,
    /// Days to the end of an unsigned contract; below 0 after it. `None` without a contract, or once it is signed.
    pub renewal_in_d: Option<f64>,
    /// A contact's leaving, decayed flag of half-life 90 days, [0, 1].
    pub contact_left_90: Option<f64>,
}

/// Log-odds of a probability limited to `[1e-6, 1 - 1e-6]`.
fn base_z(p: f64) -> f64 {
    logit(limit(p, PROBABILITY_MIN, 1.0 - PROBABILITY_MIN))
}

/// Limits by comparison; NaN stays NaN, so that it counts as not known.
pub(super) fn limit(value: f64, low: f64, high: f64) -> f64 {
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}

impl Facts {
    /// An input on the scale of the score; `None` if it is not known.
    #[must_use]
    pub fn z(&self, input: Input) -> Option<f64> {
        let z = match input {
            Input::Base => base_z(self.p_silent?),
            Input::OverdueGap => limit(2.0 * self.gap_surprise? - 1.0, 0.0, 1.0),
            Input::SpendFalling => -limit(self.volume_trend?, -2.0, 2.0),
            Input::EngagementFalling => -limit(self.engage_trend?, -2.0, 2.0),
            Input::OpenComplaints => limit(self.open_complaints? / 2.0, 0.0, 1.0),
            Input::SupportLoad => limit(self.tickets_90? / 4.0, 0.0, 1.0),
            Input::LowSatisfaction => limit((0.75 - self.csat?) / 0.25, -1.0, 2.0),
            Input::Disappointment => limit(-self.sat_gap? / 0.25, -1.0, 1.0),
            Input::LatePayment => limit(self.dbt_days? / 30.0, 0.0, 1.0),
            Input::Extensions => limit(self.extensions_180? / 2.0, 0.0, 1.0),
            Input::CancelIntent => limit(self.cancel_intent_14?, 0.0, 1.0),
            Input::OptedOut => f64::from(u8::from(self.opted_out?)),
            Input::DiscountDependent => limit((self.disc_share? - 0.3) / 0.3, -1.0, 1.0),
            Input::Returns => limit(self.return_rate? / 0.3, 0.0, 1.0),
            Input::RenewalNear => limit(1.0 - self.renewal_in_d? / 60.0, 0.0, 1.0),
            Input::ContactLeft => limit(self.contact_left_90?, 0.0, 1.0),
        };
        z.is_finite().then_some(z)
    }
}
