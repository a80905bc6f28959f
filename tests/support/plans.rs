//! A plan for tests, without a definition file.
#![allow(dead_code, clippy::unwrap_used)]

use retain::model::event::EventType;
use retain::model::money::{Currency, Rate};
use retain::plan::{
    Bands, Clock, KeyField, KeyFormat, Limits, Model, ModelKind, Partitioner, Plan, Source,
};
use retain::signal::silence::{self, Params};

/// Three sources, CDNOW's model, US dollars, UTC, wall clock.
pub fn plan() -> Plan {
    let source = |name: &str, default_type| Source {
        name: name.to_owned(),
        topic: name.to_owned(),
        default_type: Some(default_type),
        dedup_window_ms: 30 * 86_400_000,
        dedup_ids_max: 10_000,
        speaker: None,
    };
    let currency = Currency::parse("USD").unwrap();
    Plan {
        name: "customers".to_owned(),
        sources: vec![
            source("purchases", EventType::Purchase),
            source("support", EventType::Support),
            source("web", EventType::Web),
        ],
        partitioner: Partitioner::Murmur2,
        key: KeyField::Customer,
        key_format: KeyFormat::Text,
        disorder_ms: 60_000,
        idle_timeout_ms: 30_000,
        seal_after_ms: 600_000,
        skew_max_ms: 300_000,
        clock: Clock::Wall,
        clock_jump_max_ms: 300_000,
        drops: Vec::new(),
        currency,
        rates: vec![(currency, Rate::ONE)],
        day_zone: jiff::tz::TimeZone::UTC,
        day_zone_name: "UTC".to_owned(),
        model: Model {
            kind: ModelKind::MbgNbd,
            r: 0.525,
            alpha_d: 6.183 * 7.0,
            a: 0.891,
            b: 1.614,
        },
        bands: Bands { slipping: 0.5, dormant: 0.8, lost: 0.95, hysteresis: 0.05 },
        csat_prior: 0.75,
        parameters: defaults(),
        tiers: retain::plan::Tiers::default(),
        accounts: None,
        alerts: std::sync::Arc::default(),
        limits: Limits {
            dimension_values_max: 1_000,
            tickets_max: 256,
            sessions_max: 64,
            open_minutes_max: 1_440,
            cycle_records_max: 100_000,
            cycle_bytes_max: 64_000_000,
            rejects_percent_max: 50,
            rejects_window: 10_000,
            rejects_run_max: 1_000,
        },
    }
}

/// A model of customers who buy about once a month, in a rhythm of three stages.
pub fn regular() -> Model {
    Model { kind: ModelKind::MbgCnbdK { k: 3 }, r: 2.0, alpha_d: 20.0, a: 0.9, b: 3.0 }
}

/// The plan's repurchase model, as the mathematics has it.
pub fn repurchase(plan: &Plan) -> Params {
    let m = plan.model;
    let model = match m.kind {
        ModelKind::MbgNbd => silence::Model::Mbg,
        ModelKind::BgNbd => silence::Model::Bg,
        ModelKind::MbgCnbdK { k } => silence::Model::MbgCnbd { k },
        ModelKind::BgCnbdK { k } => silence::Model::BgCnbd { k },
    };
    Params { model, r: m.r, alpha_d: m.alpha_d, a: m.a, b: m.b }
}

/// The catalogue's parameters as a definition has them that names none.
pub fn defaults() -> retain::plan::Parameters {
    let smallest = "name = \"x\"\ncurrency = \"USD\"\n[[source]]\nname = \"x\"\ntopic = \"x\"\n";
    retain::plan::parse(smallest).0.unwrap().parameters
}
