//! What the engine derives once from the plan: decays, the model, the day zone.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::time::DAY_MS;
use crate::plan::{ModelKind, Plan};
use crate::signal::decay::Decay;
use crate::signal::lifecycle::Bands;
use crate::signal::silence::{Model, Params};

/// Horizon of the silence probability that the lifecycle looks at, days.
pub const LIFECYCLE_HORIZON_D: f64 = 90.0;

/// The plan, and what follows from it.
#[derive(Debug)]
pub struct Context {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Half-lives of spending, 30 and 180 days.
    pub spend: [Decay; 2],
    /// Half-life of ticket counts, 90 days.
    pub tickets: [Decay; 1],
    /// Half-life of satisfaction, 180 days, for the weighted sum and the weight.
    pub csat: [Decay; 2],
    /// Half-lives of visits, 7 and 60 days.
    pub visits: [Decay; 2],
    /// The repurchase model.
    pub model: Params,
    /// The lifecycle bands.
    pub bands: Bands,
}

impl Context {
    /// Derives everything.
    pub fn new(plan: Arc<Plan>) -> Self {
        let decay = Decay::from_half_life_d;
        let kind = match plan.model.kind {
            ModelKind::MbgNbd => Model::Mbg,
            ModelKind::BgNbd => Model::Bg,
        };
        let m = plan.model;
        let b = plan.bands;
        Self {
            spend: [decay(30.0), decay(180.0)],
            tickets: [decay(90.0)],
            csat: [decay(180.0); 2],
            visits: [decay(7.0), decay(60.0)],
            model: Params { model: kind, r: m.r, alpha_d: m.alpha_d, a: m.a, b: m.b },
            bands: Bands {
                slipping: b.slipping,
                dormant: b.dormant,
                lost: b.lost,
                hysteresis: b.hysteresis,
            },
            plan,
        }
    }

    /// The number of the day (since 1970-01-01) in the definition's day zone.
    pub fn day(&self, ms: i64) -> u16 {
        let local_ms = if self.plan.day_zone == TimeZone::UTC {
            ms
        } else {
            let offset = Timestamp::from_millisecond(ms)
                .map_or(0, |t| self.plan.day_zone.to_offset(t).seconds());
            ms + i64::from(offset) * 1_000
        };
        let day = local_ms.div_euclid(DAY_MS).clamp(0, i64::from(u16::MAX));
        day as u16
    }
}
