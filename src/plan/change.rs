//! What a changed definition means for state that was built with the old one: nothing, new times from now on, or a
//! rebuild. Judged by readable values that are kept with the state, so that the message can say from what to what.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::guarantees::test_words;
use super::scalar::{duration_text, rate_text, size_text};
use super::{
    AbcShare, Clock, KeyField, KeyFormat, NUMBERS, OPPORTUNITY_NUMBERS, Parameters, Partitioner,
    Plan, Tiers,
};
use crate::model::registry::{LOYALTY_INPUTS, RISK_INPUTS};

/// The values of a plan by name (`source.purchases.dedup_window` = `30d`), as they are kept with the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Name to value; floating-point numbers in the shortest form that reads back as the same number.
    pub values: BTreeMap<String, String>,
}

/// What a changed definition means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing changed.
    Same,
    /// These changes are taken over at start: what is due is timed anew, rows are rewritten as they age.
    Retime(Vec<String>),
    /// These changes contradict what is already in the state, each with its reason.
    Rebuild(Vec<String>),
}

impl Change {
    /// The message that refuses the start, with the command that helps; `None` where the start may go on.
    pub fn refusal(&self, file_name: &str) -> Option<String> {
        let Self::Rebuild(changes) = self else {
            return None;
        };
        let list: Vec<String> = changes.iter().map(|change| format!("\n  {change}")).collect();
        Some(format!(
            "the definition {file_name} does not fit the state that was built with the one before:{}\n\
             take the changes back, or build fresh state and tables beside the present ones, which go on until they are replaced: retain run --rebuild {file_name}",
            list.concat()
        ))
    }
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
            Clock::Simulated { origin_ms, speed } => {
                put("clock.kind", "simulated".to_owned());
                put("clock.origin", instant_text(origin_ms));
                put("clock.speed", speed.to_string());
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

/// What it means that the definition changed from `old` to `new`. With one reason for a rebuild, the changes that
/// could be taken over are not mentioned: the rebuild brings them along.
pub fn compare(old: &Fingerprint, new: &Fingerprint) -> Change {
    let names: BTreeSet<&String> = old.values.keys().chain(new.values.keys()).collect();
    let (mut retime, mut rebuild) = (Vec::new(), Vec::new());
    for name in names {
        let (before, after) = (old.values.get(name), new.values.get(name));
        if before == after {
            continue;
        }
        let said = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
        let change = format!("{name}: {} -> {}", said(before), said(after));
        match meaning(name, before.is_some(), after.is_some()) {
            Meaning::Carried => {}
            Meaning::Retime(how) => retime.push(format!("{change} ({how})")),
            Meaning::Rebuild(why) => rebuild.push(format!("{change} ({why})")),
        }
    }
    match (rebuild.is_empty(), retime.is_empty()) {
        (false, _) => Change::Rebuild(rebuild),
        (true, false) => Change::Retime(retime),
        (true, true) => Change::Same,
    }
}

/// Sections of a definition that the scores depend on.
const SCORING: [&str; 9] = [
    "model",
    "satisfaction",
    "trend",
    "regularity",
    "value",
    "service",
    "contract",
    "risk",
    "loyalty",
];

/// Whether the scores depend on a value of the [`Fingerprint`], by its name.
pub fn scores(name: &str) -> bool {
    name.split_once('.').is_some_and(|(section, _)| SCORING.contains(&section))
}

/// Whether a change that [`compare`] found moves what customers are judged by: their scores, or their lifecycle.
pub fn judges(change: &str) -> bool {
    scores(change) || change.starts_with("lifecycle.")
}

/// What the change of one value means.
enum Meaning {
    /// Another value tells it already.
    Carried,
    /// It is taken over, in this way.
    Retime(&'static str),
    /// It contradicts the state, for this reason.
    Rebuild(&'static str),
}

fn meaning(name: &str, was_there: bool, is_there: bool) -> Meaning {
    use Meaning::{Carried, Rebuild, Retime};
    let both = was_there && is_there;
    match name {
        "name" => Rebuild("the name is part of every topic, group and table of the pipeline"),
        "key" => Rebuild("profiles were kept for the other subject"),
        "key_format" => {
            Rebuild("records whose key was spelled otherwise were put aside as misrouted")
        }
        "partitioner" => Retime("a check: new records are held against it"),
        "disorder" => Retime("what is due waits by it from now on"),
        "idle_timeout" => Retime("time follows the clock by it from now on"),
        "seal_after" => Retime("open minutes are sealed by it from now on"),
        "skew_max" => Retime("new records are checked by it"),
        "day_zone" => Rebuild("days were counted in the other zone"),
        "currency" => Rebuild("all sums are in the other currency"),
        "clock.jump_max" => Retime("the clock is checked by it from now on"),
        "clock.kind" => Rebuild("the state was brought to times of the other clock"),
        "clock.origin" | "clock.speed" if !both => Carried,
        "clock.origin" | "clock.speed" => {
            Rebuild("the state was brought to times of the other clock")
        }
        "source" => {
            Rebuild("positions, ties and remembered ids belong to the sources in their order")
        }
        _ => meaning_in_table(name, both, is_there),
    }
}

fn meaning_in_table(name: &str, both: bool, is_there: bool) -> Meaning {
    use Meaning::{Carried, Rebuild, Retime};
    let (table, rest) = name.split_once('.').unwrap_or((name, ""));
    let key = rest.rsplit('.').next().unwrap_or("");
    match (table, key) {
        // A source that comes or goes is told by the list of sources.
        ("source", _) if !both => Carried,
        ("source", "default_type") => Rebuild("records without a type were read otherwise"),
        ("source", "dedup_window" | "dedup_ids_max") => {
            Retime("ids are forgotten by it from now on; what was forgotten stays so")
        }
        ("drop", _) => {
            Retime("new events are filtered by it; what was applied or filtered stays so")
        }
        ("rates", _) if both => Rebuild("revenue was already converted at the other rate"),
        ("rates", _) if is_there => {
            Retime("new events in this currency are accepted; the ones put aside can be replayed")
        }
        ("rates", _) => Rebuild("events in this currency are part of the sums"),
        ("model" | "lifecycle", _) => Retime("every customer is judged anew and timed by it"),
        ("satisfaction" | "trend" | "regularity" | "value" | "contract", _) => {
            Retime("rows follow as they are rewritten")
        }
        ("service", _) => Retime("what is promised from now on; what was late stays so"),
        ("risk" | "loyalty", _) => Retime("every customer is judged anew and timed by it"),
        ("opportunities" | "lift", _) => Retime("it holds from now on"),
        ("tiers", _) => Retime("the next cut-offs are made by it, and moves wait by it"),
        ("limits", _) => Retime("it holds from now on"),
        _ => Rebuild("this version does not know the value"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::parse;

    const TEXT: &str = "name = \"customers\"\ncurrency = \"USD\"\nday_zone = \"UTC\"\ndisorder = \"10m\"\nkey_format = \"text\"\n\
        partitioner = \"murmur2\"\n[[source]]\nname = \"purchases\"\ntopic = \"purchases\"\ndedup_window = \"30d\"\n\
        [[source]]\nname = \"web\"\ntopic = \"web\"\n[rates]\nEUR = \"1.08\"\n[model]\nunit = \"weeks\"\nr = 0.525\n\
        alpha = 6.183\na = 0.891\nb = 1.614\n[lifecycle]\nlost = 0.95\n[clock]\nkind = \"wall\"\n";

    fn fingerprint(text: &str) -> Fingerprint {
        let (plan, diagnostics) = parse(text);
        Fingerprint::of(&plan.unwrap_or_else(|| panic!("{diagnostics:?}")))
    }

    fn change(from: &str, to: &str) -> Change {
        assert!(TEXT.contains(from), "{from}");
        compare(&fingerprint(TEXT), &fingerprint(&TEXT.replace(from, to)))
    }

    #[test]
    fn other_spellings_of_equal_values_are_no_change() {
        for (from, to) in [
            ("30d", "720h"),
            ("1.08", "1.0800"),
            ("EUR", "USD = 1\nEUR"),
            ("[model]", "# fitted\n[model]\nkind = \"mbg_nbd\""),
            ("unit = \"weeks\"\nr = 0.525\nalpha = 6.183\na = 0.891\nb = 1.614\n", ""),
        ] {
            assert_eq!(change(from, to), Change::Same, "{from} -> {to}");
        }
    }

    #[test]
    fn what_only_judges_or_times_is_taken_over() {
        for (from, to, name) in [
            ("30d", "7d", "source.purchases.dedup_window: 30d -> 7d"),
            ("10m", "1h", "disorder: 10m -> 1h"),
            ("0.95", "0.9", "lifecycle.lost: 0.95 -> 0.9"),
            ("r = 0.525", "r = 0.6", "model.r: 0.525 -> 0.6"),
            ("murmur2", "crc32", "partitioner: murmur2 -> crc32"),
            ("EUR =", "CHF = \"1.2\"\nEUR =", "rates.CHF: nothing -> 1.2"),
            (
                "[rates]",
                "[[drop]]\nname = \"staff\"\nfield = \"channel\"\nequals = [\"pos\"]\n[rates]",
                "drop.staff: nothing -> every source: channel is \"pos\"",
            ),
            ("[clock]", "[limits]\ntickets_max = 8\n[clock]", "limits.tickets_max: 256 -> 8"),
        ] {
            let Change::Retime(changes) = change(from, to) else { panic!("{from} -> {to}") };
            assert_eq!(changes.len(), 1, "{changes:?}");
            assert!(changes[0].starts_with(&format!("{name} (")), "{changes:?}");
            assert_eq!(Change::Retime(changes).refusal("x.toml"), None);
        }
    }

    #[test]
    fn another_rhythm_is_taken_over() {
        let regular =
            |k: &str| TEXT.replace("[model]", &format!("[model]\nkind = \"mbg_cnbd_k\"\nk = {k}"));
        let compared = compare(&fingerprint(&regular("3")), &fingerprint(&regular("4")));
        let Change::Retime(changes) = compared else { panic!("{compared:?}") };
        assert!(
            matches!(&changes[..], [only] if only.starts_with("model.k: 3 -> 4 (")),
            "{changes:?}"
        );
        let Change::Retime(changes) = compare(&fingerprint(TEXT), &fingerprint(&regular("3")))
        else {
            panic!()
        };
        let names: Vec<_> = changes.iter().filter_map(|change| change.split(" (").next()).collect();
        assert_eq!(names, ["model.k: nothing -> 3", "model.kind: mbg_nbd -> mbg_cnbd_k"]);
    }

    #[test]
    fn what_contradicts_the_state_needs_a_rebuild() {
        for (from, to, name) in [
            ("name = \"customers\"", "name = \"clients\"", "name: customers -> clients"),
            ("\"text\"", "\"json\"", "key_format: text -> json"),
            ("\"UTC\"", "\"Europe/Berlin\"", "day_zone: UTC -> Europe/Berlin"),
            ("1.08", "1.09", "rates.EUR: 1.08 -> 1.09"),
            ("EUR = \"1.08\"", "", "rates.EUR: 1.08 -> nothing"),
            (
                "topic = \"web\"",
                "topic = \"clicks\"",
                "source: purchases from purchases, web from web -> purchases from purchases, web from clicks",
            ),
            (
                "topic = \"web\"",
                "topic = \"web\"\ndefault_type = \"web\"",
                "source.web.default_type: none -> web",
            ),
            (
                "kind = \"wall\"",
                "kind = \"simulated\"\norigin = \"1997-01-01T00:00:00Z\"\nspeed = 2",
                "clock.kind: wall -> simulated",
            ),
        ] {
            let change = change(from, to);
            let Change::Rebuild(changes) = &change else { panic!("{from} -> {to}: {change:?}") };
            assert_eq!(changes.len(), 1, "{changes:?}");
            assert!(changes[0].starts_with(&format!("{name} (")), "{changes:?}");
            let refusal = change.refusal("pipelines/c.toml").unwrap();
            assert!(refusal.contains(name), "{refusal}");
            assert!(refusal.ends_with("retain run --rebuild pipelines/c.toml"), "{refusal}");
        }
    }

    #[test]
    fn every_reason_for_a_rebuild_is_named_and_no_other_change() {
        let new = fingerprint(
            &TEXT.replace("USD", "GBP").replace("UTC", "Asia/Tokyo").replace("10m", "1m"),
        );
        let Change::Rebuild(changes) = compare(&fingerprint(TEXT), &new) else { panic!() };
        let names: Vec<_> = changes.iter().filter_map(|change| change.split(':').next()).collect();
        assert_eq!(names, ["currency", "day_zone"]);
    }

    #[test]
    fn a_source_more_is_one_change_and_an_unknown_value_is_not_overlooked() {
        let more =
            fingerprint(&format!("{TEXT}[[source]]\nname = \"support\"\ntopic = \"support\"\n"));
        let Change::Rebuild(changes) = compare(&fingerprint(TEXT), &more) else { panic!() };
        assert_eq!(changes.len(), 1, "{changes:?}");
        let mut newer = fingerprint(TEXT);
        newer.values.insert("rhythm".to_owned(), "weekly".to_owned());
        assert!(matches!(compare(&newer, &fingerprint(TEXT)), Change::Rebuild(_)));
    }

    #[test]
    fn a_fingerprint_survives_its_encoding() {
        let fingerprint = fingerprint(TEXT);
        let bytes = postcard::to_stdvec(&fingerprint).unwrap();
        assert_eq!(postcard::from_bytes::<Fingerprint>(&bytes).unwrap(), fingerprint);
    }

    #[test]
    fn a_change_far_down_a_long_list_is_noticed() {
        let texts = |last: &str| {
            let list: String = (0..100).map(|n| format!("\"bot{n}\", ")).collect();
            let rule = "[[drop]]\nname = \"bots\"\nfield = \"customer_id\"\nequals";
            fingerprint(&format!("{TEXT}{rule} = [{list}\"{last}\"]\n"))
        };
        assert_eq!(compare(&texts("a"), &texts("a")), Change::Same);
        assert!(matches!(compare(&texts("a"), &texts("b")), Change::Retime(_)));
        assert!(texts("a").values.values().all(|value| value.len() < 300));
    }
}
