//! What the engine derives once from the plan: decays, the model, the day zone.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use xxhash_rust::xxh3::xxh3_64;

use super::situation::OfferRule;
use crate::alert::Ruled;
use crate::model::registry::Subject;
use crate::model::time::DAY_MS;
use crate::plan::{Fingerprint, ModelKind, Plan, WeightSet, scores};
use crate::signal::contract::Sbg;
use crate::signal::decay::Decay;
use crate::signal::levels::Levels;
use crate::signal::lifecycle::Bands;
use crate::signal::outlook::Outlooks;
use crate::signal::regularity::Regularity;
use crate::signal::silence::{Model, Params};
use crate::signal::trend::TrendRule;
use crate::signal::value::{GammaGamma, ValueRule};
use crate::signal::{loyalty, risk};

/// Horizon of the silence probability that the lifecycle looks at, days.
pub const LIFECYCLE_HORIZON_D: f64 = 90.0;

/// Horizon of the expected purchases, days.
const EXPECTED_HORIZON_D: f64 = 90.0;

/// The plan, and what follows from it.
#[derive(Debug)]
pub struct Context {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Half-lives of spending, 30 and 180 days.
    pub spend: [Decay; 2],
    /// Half-lives of visits, 7 and 60 days.
    pub visits: [Decay; 2],
    /// The repurchase model.
    pub model: Params,
    /// The lifecycle bands.
    pub bands: Bands,
    /// The risk: weights, bands, and the horizon of its base.
    pub risk: RiskRule,
    /// Weights of loyalty.
    pub loyalty: loyalty::Weights,
    /// Trends of spending (minor units) and of visits.
    pub trends: [TrendRule; 2],
    /// Gaps between purchase days of the population.
    pub regularity: Regularity,
    /// Gaps between days with a visit of the population.
    pub visit_regularity: Regularity,
    /// Mean spending.
    pub gamma_gamma: Option<GammaGamma>,
    /// Lifetime value, and expected purchases.
    pub outlooks: Outlooks,
    /// Renewals of contracts.
    pub contract: Option<Sbg>,
    /// What is worth a contact.
    pub offers: OfferRule,
    /// Alert rules about customers and tickets; `None` without any.
    pub alerts: Ruled,
    /// What tells this version of the scores from others: a hash of everything they are judged by.
    pub model_version: u64,
}

/// Edges of the risk's bands, at most.
pub const RISK_EDGES: usize = 8;

/// How the risk is judged.
#[derive(Debug)]
pub struct RiskRule {
    /// Weights of the inputs.
    pub weights: risk::Weights,
    /// Bands; edges beyond those of the definition are never reached.
    pub bands: Levels<RISK_EDGES>,
    /// Horizon of the silence, days.
    pub horizon_d: f64,
}

impl Context {
    /// Derives everything.
    pub fn new(plan: Arc<Plan>) -> Self {
        let decay = Decay::from_half_life_d;
        let kind = match plan.model.kind {
            ModelKind::MbgNbd => Model::Mbg,
            ModelKind::BgNbd => Model::Bg,
            ModelKind::MbgCnbdK { k } => Model::MbgCnbd { k },
            ModelKind::BgCnbdK { k } => Model::BgCnbd { k },
        };
        let m = plan.model;
        let model = Params { model: kind, r: m.r, alpha_d: m.alpha_d, a: m.a, b: m.b };
        let b = plan.bands;
        let p = &plan.parameters;
        let major = major(&plan);
        Self {
            spend: [decay(30.0), decay(180.0)],
            visits: [decay(7.0), decay(60.0)],
            model,
            bands: Bands {
                slipping: b.slipping,
                dormant: b.dormant,
                lost: b.lost,
                hysteresis: b.hysteresis,
            },
            risk: risk_rule(&plan),
            loyalty: loyalty_weights(&plan),
            trends: [
                TrendRule::volume(p.trends.spend_floor * major),
                TrendRule::engagement(p.trends.visit_floor),
            ],
            regularity: Regularity { g_pop_d: p.regularity.gap_d, ..Regularity::default() },
            visit_regularity: Regularity {
                g_pop_d: p.regularity.visit_gap_d,
                ..Regularity::default()
            },
            gamma_gamma: GammaGamma::new(
                p.value.gamma_gamma_p,
                p.value.gamma_gamma_q,
                p.value.gamma_gamma_gamma * major,
            )
            .ok(),
            outlooks: Outlooks::new(value_rule(&plan), model, EXPECTED_HORIZON_D),
            contract: Sbg::new(p.contract[0], p.contract[1]).ok(),
            offers: OfferRule::new(&plan),
            alerts: Ruled::new(&plan, &[Subject::Customer, Subject::Ticket, Subject::Segment]),
            model_version: model_version(&plan),
            plan,
        }
    }

    /// Minor units of one unit of the reporting currency.
    pub fn major(&self) -> f64 {
        major(&self.plan)
    }

    /// When a day of the day zone begins.
    pub fn day_start_ms(&self, day: u16) -> i64 {
        let utc_ms = i64::from(day) * DAY_MS;
        if self.plan.day_zone == TimeZone::UTC {
            return utc_ms;
        }
        let date = Timestamp::from_millisecond(utc_ms).map(|t| t.to_zoned(TimeZone::UTC).date());
        let start = date.and_then(|date| date.to_zoned(self.plan.day_zone.clone()));
        start.map_or(utc_ms, |start| start.timestamp().as_millisecond())
    }

    /// The number of the day (since 1970-01-01) in the definition's day zone.
    pub fn day(&self, ms: i64) -> u16 {
        self.plan.day(ms)
    }
}

fn major(plan: &Plan) -> f64 {
    10_f64.powi(plan.currency.minor_digits() as i32)
}

fn value_rule(plan: &Plan) -> ValueRule {
    let value = plan.parameters.value;
    ValueRule {
        steps: value.months as u16,
        discount: value.discount_rate,
        margin: value.margin,
        ..ValueRule::default()
    }
}

fn risk_rule(plan: &Plan) -> RiskRule {
    let risk = &plan.parameters.risk;
    let mut weights = match risk.weights.set {
        WeightSet::B2c => risk::Weights::B2C,
        WeightSet::B2b => risk::Weights::B2B,
    };
    weights.p_silent_mean = risk.ref_base;
    for (input, weight) in &risk.weights.own {
        weights.b[usize::from(*input)] = *weight;
    }
    let mut edges = [f64::INFINITY; RISK_EDGES];
    edges.iter_mut().zip(&risk.bands).for_each(|(edge, said)| *edge = *said);
    let bands = Levels { edges, hysteresis: risk.hysteresis };
    RiskRule { weights: weights.prepared(), bands, horizon_d: risk.horizon_d }
}

fn loyalty_weights(plan: &Plan) -> loyalty::Weights {
    let said = &plan.parameters.loyalty;
    let mut weights = match said.set {
        WeightSet::B2c => loyalty::Weights::B2C,
        WeightSet::B2b => loyalty::Weights::B2B,
    };
    for (input, weight) in &said.own {
        weights.w[usize::from(*input)] = *weight;
    }
    weights
}

/// A hash of the definition's values that scores depend on: model, satisfaction, and the sections of the catalogue.
fn model_version(plan: &Plan) -> u64 {
    let mut text = String::new();
    for (name, value) in Fingerprint::of(plan).values.into_iter().filter(|(name, _)| scores(name)) {
        text.push_str(&name);
        text.push('=');
        text.push_str(&value);
        text.push('\n');
    }
    xxh3_64(text.as_bytes())
}
