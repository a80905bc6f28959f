//! The values of a plan by name, readable: what is kept with the state, so that a change can be told from what to what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::guarantees::test_words;
use super::scalar::{duration_text, rate_text, size_text};
use super::{
    AbcShare, Clock, DemandBy, KeyField, KeyFormat, NUMBERS, OPPORTUNITY_NUMBERS, Parameters,
    Partitioner, Plan, Tiers,
};
use crate::model::registry::{LOYALTY_INPUTS, RISK_INPUTS};

/// The values of a plan by name (`source.purchases.dedup_window` = `30d`), as they are kept with the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Name to value; floating-point numbers in the shortest form that reads back as the same number.
    pub values: BTreeMap<String, String>,
}

impl Fingerprint {
    /// The fingerprint of a plan.
    pub fn of(plan: &Plan) -> Self {
        let mut values = BTreeMap::new();
        let mut put = |name: &str, value: String| {
            values.insert(name.to_owned(), value);
        };
        put("name", plan.name.clone());
        put("key", key_text(plan.key).to_owned());
        put("key_format", key_format_text(plan.key_format).to_owned());
        put("partitioner", partitioner_text(plan.partitioner).to_owned());
        put("disorder", duration_text(plan.disorder_ms));
        put("idle_timeout", duration_text(plan.idle_timeout_ms));
        put("seal_after", duration_text(plan.seal_after_ms));
        put("skew_max", duration_text(plan.skew_max_ms));
        put("day_zone", plan.day_zone_name.clone());
        put("currency", plan.currency.to_string());
        put("clock.jump_max", duration_text(plan.clock_jump_max_ms));
        match plan.clock {
            Clock::Wall => put("clock.kind", "wall".to_owned()),
            Clock::Simulated { origin_ms, speed, fast_until_ms } => {
                put("clock.kind", "simulated".to_owned());
                put("clock.origin", instant_text(origin_ms));
                put("clock.speed", speed.to_string());
                if let Some(until_ms) = fast_until_ms {
                    put("clock.fast_until", instant_text(until_ms));
                }
            }
        }
        put_sources(plan, &mut put);
        for rule in &plan.drops {
            let source = rule.source.and_then(|index| plan.sources.get(usize::from(index)));
            let whose = source.map_or("every source", |source| source.name.as_str());
            put(&format!("drop.{}", rule.name), format!("{whose}: {}", test_words(rule)));
        }
        for (code, rate) in plan.rates.iter().filter(|(code, _)| *code != plan.currency) {
            put(&format!("rates.{code}"), rate_text(*rate));
        }
        put_signals(plan, &mut put);
        if let Some(rules) = &plan.accounts {
            put("accounts.active", duration_text(rules.active_ms));
            put("accounts.members_max", rules.members_max.to_string());
        }
        put_limits(plan, &mut put);
        Self { values }
    }
}

fn put_sources(plan: &Plan, put: &mut impl FnMut(&str, String)) {
    let listed: Vec<String> = plan
        .sources
        .iter()
        .map(|source| format!("{} from {}", source.name, source.topic))
        .collect();
    put("source", listed.join(", "));
    for source in &plan.sources {
        let name = |key: &str| format!("source.{}.{key}", source.name);
        let event_type = source.default_type.map_or("none", |event_type| event_type.name());
        put(&name("default_type"), event_type.to_owned());
        put(&name("dedup_window"), duration_text(source.dedup_window_ms));
        put(&name("dedup_ids_max"), source.dedup_ids_max.to_string());
    }
}

fn put_signals(plan: &Plan, put: &mut impl FnMut(&str, String)) {
    put("model.kind", plan.model.kind.name().to_owned());
    if plan.model.kind.stages() > 1 {
        put("model.k", plan.model.kind.stages().to_string());
    }
    put("model.r", plan.model.r.to_string());
    put("model.alpha", format!("{} days", plan.model.alpha_d));
    put("model.a", plan.model.a.to_string());
    put("model.b", plan.model.b.to_string());
    put("lifecycle.slipping", plan.bands.slipping.to_string());
    put("lifecycle.dormant", plan.bands.dormant.to_string());
    put("lifecycle.lost", plan.bands.lost.to_string());
    put("lifecycle.hysteresis", plan.bands.hysteresis.to_string());
    put("satisfaction.prior", plan.csat_prior.to_string());
    put_parameters(&plan.parameters, put);
    put_tiers(&plan.tiers, put);
}

fn put_tiers(t: &Tiers, put: &mut impl FnMut(&str, String)) {
    let by = match t.abc_by {
        AbcShare::Sales => "sales",
        AbcShare::Customers => "customers",
    };
    for (key, percent) in
        [("lead", t.lead), ("gold", t.gold), ("key", t.key), ("a", t.a), ("b", t.b)]
    {
        put(&format!("tiers.{key}"), percent.to_string());
    }
    put("tiers.abc_by", by.to_owned());
    put("tiers.dwell", duration_text(t.dwell_ms));
}

fn put_parameters(p: &Parameters, put: &mut impl FnMut(&str, String)) {
    let offers = OPPORTUNITY_NUMBERS.iter().zip(p.opportunities.numbers());
    for (number, value) in NUMBERS.iter().zip(p.numbers()).chain(offers) {
        put(&format!("{}.{}", number.key.section, number.key.name), value.to_string());
    }
    let consent = if p.opportunities.consent { "assumed" } else { "withheld" };
    put("opportunities.consent", consent.to_owned());
    for lift in &p.opportunities.lifts {
        let said = format!("{} of {}, {}", lift.lift, lift.co_buyers, lift.p_buy);
        put(&format!("lift.{} of {}", lift.category, lift.given), said);
    }
    let by = DemandBy::NAMES.iter().find(|(_, by)| *by == p.demand_by);
    put("demand.by", by.map_or("", |(name, _)| *name).to_owned());
    let edges: Vec<String> = p.risk.bands.iter().map(f64::to_string).collect();
    put("risk.bands", edges.join(" "));
    let scores = [
        ("risk", &p.risk.weights, RISK_INPUTS.as_slice()),
        ("loyalty", &p.loyalty, LOYALTY_INPUTS.as_slice()),
    ];
    for (score, weights, inputs) in scores {
        put(&format!("{score}.weights"), weights.set.name().to_owned());
        for (input, weight) in &weights.own {
            let name = inputs.get(usize::from(*input)).copied().unwrap_or_default();
            put(&format!("{score}.own.{name}"), weight.to_string());
        }
    }
}

fn put_limits(plan: &Plan, put: &mut impl FnMut(&str, String)) {
    let limits = &plan.limits;
    let mut limit = |key: &str, value: String| put(&format!("limits.{key}"), value);
    limit("dimension_values_max", limits.dimension_values_max.to_string());
    limit("tickets_max", limits.tickets_max.to_string());
    limit("sessions_max", limits.sessions_max.to_string());
    limit("open_minutes_max", limits.open_minutes_max.to_string());
    limit("cycle_records_max", limits.cycle_records_max.to_string());
    limit("cycle_bytes_max", size_text(limits.cycle_bytes_max as u64));
    limit("rejects_percent_max", limits.rejects_percent_max.to_string());
    limit("rejects_window", limits.rejects_window.to_string());
    limit("rejects_run_max", limits.rejects_run_max.to_string());
}

fn key_text(key: KeyField) -> &'static str {
    match key {
        KeyField::Customer => "customer_id",
        KeyField::Account => "account_id",
    }
}

fn key_format_text(format: KeyFormat) -> &'static str {
    match format {
        KeyFormat::Text => "text",
        KeyFormat::JsonString => "json",
    }
}

fn partitioner_text(partitioner: Partitioner) -> &'static str {
    match partitioner {
        Partitioner::Murmur2 => "murmur2",
        Partitioner::Crc32 => "crc32",
        Partitioner::Custom => "custom",
    }
}

fn instant_text(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| format!("{ms} ms"), |time| time.to_string())
}
