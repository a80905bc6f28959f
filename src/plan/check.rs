//! From the text of a definition to a plan: the top of the file, the limits, and the other subjects called one by one.

use std::sync::Arc;

use toml::de::DeTable;

use super::notes::Notes;
use super::raw::Section;
use super::{
    Diagnostic, KeyField, KeyFormat, Limits, Partitioner, Plan, check_accounts, check_money,
    check_parameters, check_signals, check_sources, check_tiers, check_time, scalar,
};

/// Longest definition that is read, bytes: far beyond any honest one.
pub(super) const TEXT_BYTES_MAX: usize = 1 << 20;

/// Smallest and largest `cycle_bytes_max`: one large record must fit, and a cycle must fit into memory.
const CYCLE_BYTES: (u64, u64) = (1 << 20, 1 << 30);

/// Reads a definition. Everything wrong with it is reported at once, in the order of the lines; a plan comes only
/// without errors, perhaps with warnings.
pub fn parse(text: &str) -> (Option<Plan>, Vec<Diagnostic>) {
    if text.len() > TEXT_BYTES_MAX {
        let mut notes = Notes::new("");
        let found = format!("found {} bytes", text.len());
        notes
            .error(0, "", &found)
            .expected("a definition of at most 1 MiB")
            .hint("is it the right file?");
        return (None, notes.into_diagnostics(Vec::new()));
    }
    let (document, syntax) = DeTable::parse_recoverable(text);
    let mut notes = Notes::new(text);
    let top = Section::open(&mut notes, "", String::new(), 0, document.get_ref());
    let plan = check(&mut notes, &top);
    let is_clean = notes.is_clean() && syntax.is_empty();
    (plan.filter(|_| is_clean), notes.into_diagnostics(syntax))
}

/// The plan, with stand-ins where something was noted; `None` where there is no stand-in.
fn check(notes: &mut Notes<'_>, top: &Section<'_>) -> Option<Plan> {
    let name = check_sources::name(notes, top, "the pipeline's name");
    let key = [("customer_id", KeyField::Customer), ("account_id", KeyField::Account)];
    let key = top.word(notes, "key", &key).unwrap_or(KeyField::Customer);
    let format = [("text", KeyFormat::Text), ("json", KeyFormat::JsonString)];
    let key_format = top.word(notes, "key_format", &format).unwrap_or(KeyFormat::Text);
    let partitioner = [
        ("murmur2", Partitioner::Murmur2),
        ("crc32", Partitioner::Crc32),
        ("custom", Partitioner::Custom),
    ];
    let partitioner = top.word(notes, "partitioner", &partitioner).unwrap_or(Partitioner::Murmur2);
    let times = check_time::times(notes, top);
    let (clock, clock_jump_max_ms) = check_time::clock(notes, top);
    let zone = check_time::day_zone(notes, top);
    let sources = check_sources::sources(notes, top, name.unwrap_or(""), times.disorder_ms);
    let accounts = check_accounts::accounts(notes, top, &sources);
    let drops = check_sources::drops(notes, top, &sources);
    let money = check_money::money(notes, top);
    let model = check_signals::model(notes, top);
    let bands = check_signals::bands(notes, top);
    let csat_prior = check_signals::csat_prior(notes, top);
    let parameters = check_parameters::parameters(notes, top);
    let tiers = check_tiers::tiers(notes, top);
    let limits = limits(notes, top);
    let (day_zone, day_zone_name) = zone?;
    let (currency, rates) = money?;
    Some(Plan {
        name: name?.to_owned(),
        sources,
        partitioner,
        key,
        key_format,
        disorder_ms: times.disorder_ms,
        idle_timeout_ms: times.idle_timeout_ms,
        seal_after_ms: times.seal_after_ms,
        skew_max_ms: times.skew_max_ms,
        clock,
        clock_jump_max_ms,
        drops,
        currency,
        rates,
        day_zone,
        day_zone_name,
        model,
        bands,
        csat_prior,
        parameters,
        tiers,
        accounts,
        limits,
        alerts: Arc::default(),
    })
}

fn limits(notes: &mut Notes<'_>, top: &Section<'_>) -> Limits {
    let section = top.table(notes, "limits", true);
    let mut count = |key, max, default| section.count(notes, key, 1..=max, default);
    let dimension_values_max = count("dimension_values_max", 65_535, 256) as usize;
    let tickets_max = count("tickets_max", 65_535, 256) as usize;
    let sessions_max = count("sessions_max", 65_535, 64) as usize;
    let open_minutes_max = count("open_minutes_max", 10_000_000, 10_000) as usize;
    let cycle_records_max = count("cycle_records_max", 10_000_000, 200_000) as usize;
    let rejects_percent_max = count("rejects_percent_max", 100, 50);
    let rejects_window = count("rejects_window", 10_000_000, 1_000);
    let rejects_run_max = count("rejects_run_max", 10_000_000, 500);
    Limits {
        dimension_values_max,
        tickets_max,
        sessions_max,
        open_minutes_max,
        cycle_records_max,
        cycle_bytes_max: cycle_bytes_max(notes, &section),
        rejects_percent_max,
        rejects_window,
        rejects_run_max,
    }
}

fn cycle_bytes_max(notes: &mut Notes<'_>, section: &Section<'_>) -> usize {
    const DEFAULT: usize = 64 << 20;
    const KEY: &str = "cycle_bytes_max";
    const EXPECTED: &str = "a size from 1MiB to 1GiB, such as \"64MiB\"";
    if !section.has(KEY) {
        return DEFAULT;
    }
    let Some(text) = section.text(notes, KEY, EXPECTED) else {
        return DEFAULT;
    };
    let bytes = scalar::size_bytes(text).filter(|b| (CYCLE_BYTES.0..=CYCLE_BYTES.1).contains(b));
    let Some(bytes) = bytes.and_then(|b| usize::try_from(b).ok()) else {
        section.refuse(notes, KEY, EXPECTED).hint("the units are B, KiB, MiB and GiB");
        return DEFAULT;
    };
    bytes
}
