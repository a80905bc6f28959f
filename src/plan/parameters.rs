//! What the signals of the catalogue are judged by: constants of the population, prices, weights. Most are plain
//! numbers, listed here once with their bounds, defaults and meanings (docs/definitions.md is held against the list).
//! Defaults marked "prior" are a judgement with no evidence behind the number.

use super::keys::{Key, key};
use super::opportunities::Opportunities;

/// A key whose value is a number between bounds.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// The key; its default is written so that it reads back as the number.
    pub key: Key,
    /// Smallest allowed value.
    pub low: f64,
    /// Largest allowed value.
    pub high: f64,
}

pub(super) const fn number(key: Key, low: f64, high: f64) -> Number {
    Number { key, low, high }
}

pub(super) const RATE: &str = "number, 0 to 1000000";
pub(super) const SHARE: &str = "number, 0 to 1";
pub(super) const DAYS: &str = "number, 0.01 to 36500";

/// Every plain number of the catalogue but for the opportunities', in the order of the documentation.
pub const NUMBERS: &[Number] = &[
    number(
        key(
            "trend",
            "spend_floor",
            RATE,
            "0.01",
            "currency a day: below this long-term rate no trend of spending is said (1 % of your median; prior)",
        ),
        0.0,
        1e6,
    ),
    number(
        key(
            "trend",
            "visit_floor",
            RATE,
            "0.002",
            "visits a day: below this long-term rate no trend of visits is said (prior)",
        ),
        0.0,
        1e6,
    ),
    number(
        key(
            "regularity",
            "gap_days",
            DAYS,
            "70.86",
            "mean gap between purchase days in the population (CDNOW sample: 70.86)",
        ),
        0.01,
        36_500.0,
    ),
    number(
        key(
            "regularity",
            "first_gap_p25_days",
            DAYS,
            "16",
            "a quarter of those who come back do so within this time (CDNOW sample)",
        ),
        0.01,
        36_500.0,
    ),
    number(
        key(
            "regularity",
            "first_gap_p75_days",
            DAYS,
            "161",
            "three quarters of those who come back do so within this time (CDNOW sample)",
        ),
        0.01,
        36_500.0,
    ),
    number(
        key(
            "regularity",
            "new_cycle_days",
            DAYS,
            "1",
            "a customer is activated by the first purchase day at least this long after the first",
        ),
        0.01,
        36_500.0,
    ),
    number(
        key(
            "regularity",
            "visit_gap_days",
            DAYS,
            "7",
            "mean gap between days with a visit in the population (prior)",
        ),
        0.01,
        36_500.0,
    ),
    number(
        key(
            "value",
            "gamma_gamma_p",
            "number, 0.0001 to 10000",
            "6.25",
            "Gamma-Gamma shape within a customer (CDNOW's)",
        ),
        1e-4,
        1e4,
    ),
    number(
        key(
            "value",
            "gamma_gamma_q",
            "number, above 1 to 10000",
            "3.74",
            "Gamma-Gamma shape between customers (CDNOW's)",
        ),
        1.000_1,
        1e4,
    ),
    number(
        key(
            "value",
            "gamma_gamma_gamma",
            "number, 0.0001 to 1000000",
            "15.44",
            "Gamma-Gamma scale, in units of the reporting currency (CDNOW's)",
        ),
        1e-4,
        1e6,
    ),
    number(
        key(
            "value",
            "margin",
            SHARE,
            "1",
            "share of revenue that is left after the cost of goods; 1 counts revenue",
        ),
        0.0,
        1.0,
    ),
    number(
        key(
            "value",
            "discount_rate",
            SHARE,
            "0.01",
            "discount of future money, per month of 4.345 weeks",
        ),
        0.0,
        1.0,
    ),
    number(
        key(
            "value",
            "months",
            "number, 1 to 120",
            "12",
            "how many months the lifetime value looks ahead",
        ),
        1.0,
        120.0,
    ),
    number(
        key(
            "service",
            "minute_cost",
            RATE,
            "0",
            "what a minute of handling costs, in the reporting currency; 0 leaves it out",
        ),
        0.0,
        1e6,
    ),
    number(
        key(
            "service",
            "return_cost",
            RATE,
            "0",
            "what handling a refund costs, in the reporting currency; 0 leaves it out",
        ),
        0.0,
        1e6,
    ),
    number(
        key(
            "service",
            "response_hours",
            "number, 0.01 to 8760",
            "24",
            "the first response is promised within these hours (prior)",
        ),
        0.01,
        8_760.0,
    ),
    number(
        key(
            "service",
            "response_hours_key",
            "number, 0.01 to 8760",
            "4",
            "the same for key customers (prior)",
        ),
        0.01,
        8_760.0,
    ),
    number(
        key(
            "contract",
            "alpha",
            "number, 0.0001 to 10000",
            "0.668",
            "sBG: first parameter of churn at a renewal (Fader & Hardie 2007, high-end segment)",
        ),
        1e-4,
        1e4,
    ),
    number(
        key("contract", "beta", "number, 0.0001 to 10000", "3.806", "sBG: second parameter"),
        1e-4,
        1e4,
    ),
    number(
        key(
            "risk",
            "ref_base",
            "number, 0.0001 to 0.9999",
            "0.71",
            "mean p_silent of the population: where explanations of the risk begin (CDNOW sample, 39 weeks)",
        ),
        1e-4,
        0.999_9,
    ),
    number(
        key(
            "risk",
            "hysteresis",
            "number, 0 to 0.2",
            "0.05",
            "a better band of the risk is entered only this far below its edge (prior)",
        ),
        0.0,
        0.2,
    ),
];

/// Which set of expert weights the scores begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightSet {
    /// Consumers.
    #[default]
    B2c,
    /// Companies.
    B2b,
}

impl WeightSet {
    /// The name in the definition.
    pub fn name(self) -> &'static str {
        match self {
            Self::B2c => "b2c",
            Self::B2b => "b2b",
        }
    }
}

/// Weights of a score: a set, and what the definition puts in its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// The set.
    pub set: WeightSet,
    /// Input (its place in the list of inputs) and weight, in the order of the file.
    pub own: Vec<(u8, f64)>,
}

/// Population of trends: below these long-term rates none is said.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // the meanings stand in NUMBERS
pub struct Trends {
    pub spend_floor: f64,
    pub visit_floor: f64,
}

/// Gaps between purchases, and between visits, in the population, days.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Regularity {
    pub gap_d: f64,
    pub first_gap_p25_d: f64,
    pub first_gap_p75_d: f64,
    pub new_cycle_d: f64,
    pub visit_gap_d: f64,
}

/// Mean spending and lifetime value.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Value {
    pub gamma_gamma_p: f64,
    pub gamma_gamma_q: f64,
    pub gamma_gamma_gamma: f64,
    pub margin: f64,
    pub discount_rate: f64,
    pub months: u32,
}

/// What serving costs and promises.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Service {
    pub minute_cost: f64,
    pub return_cost: f64,
    pub response_h: f64,
    pub response_key_h: f64,
}

/// Churn risk: weights, bands, and the horizon of its base.
#[derive(Clone, Debug, PartialEq)]
pub struct Risk {
    /// Weights of the inputs ([`crate::model::registry::RISK_INPUTS`]).
    pub weights: Weights,
    /// Edges of the bands, ascending; at most eight.
    pub bands: Vec<f64>,
    /// A better band is entered only this far below its edge.
    pub hysteresis: f64,
    /// Horizon of the silence that is feared, days: 90, or 180 with B2B weights.
    pub horizon_d: f64,
    /// Mean p_silent of the population.
    pub ref_base: f64,
}

/// What a segment is, of which rules about segments speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemandBy {
    /// A product category.
    Category,
    /// A product category in a customers' region.
    CategoryRegion,
}

impl DemandBy {
    /// How definitions call it.
    pub const NAMES: [(&'static str, Self); 2] =
        [("category", Self::Category), ("category_region", Self::CategoryRegion)];
}

/// Everything the catalogue is judged by.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Parameters {
    pub trends: Trends,
    pub regularity: Regularity,
    pub value: Value,
    pub service: Service,
    /// sBG: parameters of churn at renewals.
    pub contract: [f64; 2],
    pub risk: Risk,
    /// Weights of loyalty ([`crate::model::registry::LOYALTY_INPUTS`]).
    pub loyalty: Weights,
    pub demand_by: DemandBy,
    pub opportunities: Opportunities,
}

impl Parameters {
    /// The values of [`NUMBERS`], in its order; those of opportunities stand with them.
    pub fn numbers(&self) -> [f64; NUMBERS.len()] {
        let Self { trends, regularity, value, service, contract, risk, .. } = self;
        [
            trends.spend_floor,
            trends.visit_floor,
            regularity.gap_d,
            regularity.first_gap_p25_d,
            regularity.first_gap_p75_d,
            regularity.new_cycle_d,
            regularity.visit_gap_d,
            value.gamma_gamma_p,
            value.gamma_gamma_q,
            value.gamma_gamma_gamma,
            value.margin,
            value.discount_rate,
            f64::from(value.months),
            service.minute_cost,
            service.return_cost,
            service.response_h,
            service.response_key_h,
            contract[0],
            contract[1],
            risk.ref_base,
            risk.hysteresis,
        ]
    }
}
