//! What a plan promises, in plain words: derived from its values, printed by `retain check`.

use super::scalar::{duration_words, rate_text, size_text};
use super::{
    AccountRules, Clock, DropRule, DropTest, KeyField, KeyFormat, ModelKind, Partitioner, Plan,
};

/// Texts of a drop rule that are said one by one; the rest is said as a number and a hash.
const TEXTS_SHOWN_MAX: usize = 8;

/// The promises of a plan, one sentence each, in the order of a record's way: placed, filtered, counted once,
/// ordered, converted, judged, limited.
pub fn guarantees(plan: &Plan) -> Vec<String> {
    if let Some(rules) = &plan.accounts {
        return accounts(plan, rules);
    }
    let mut said = vec![keys(plan)];
    said.extend(plan.drops.iter().map(|rule| drop_rule(plan, rule)));
    said.extend(repeats(plan));
    said.extend(times(plan));
    said.push(clock(plan));
    said.push(money(plan));
    said.extend(judgements(plan));
    said.extend(limits(plan));
    said
}

/// The promises of a pipeline of accounts.
fn accounts(plan: &Plan, rules: &AccountRules) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for source in &plan.sources {
        let speaker = source.speaker.as_deref().unwrap_or_default();
        said.push(format!(
            "accounts are made of what pipeline {speaker} says of its customers; a word counts once, and only after the member's last one"
        ));
    }
    said.push(
        "an account is what its members said last, in whatever order words come: sums are exact, a member that moves counts in one account only once both words are heard"
            .to_owned(),
    );
    said.push(format!(
        "a member who did something within {} is an active contact; of an account {} members are held, more are left out and the account says so",
        duration_words(rules.active_ms),
        rules.members_max
    ));
    said.push(format!(
        "words in another currency than {} are rejected; days are counted in {}",
        plan.currency, plan.day_zone_name
    ));
    said.push(clock(plan));
    // the others are about customers and their events
    said.extend(limits(plan).drain(1..3));
    said
}

fn keys(plan: &Plan) -> String {
    let subject = match plan.key {
        KeyField::Customer => "customer_id",
        KeyField::Account => "account_id",
    };
    let spelled = match plan.key_format {
        KeyFormat::Text => "as text",
        KeyFormat::JsonString => "as a JSON string",
    };
    match plan.partitioner {
        Partitioner::Murmur2 | Partitioner::Crc32 => {
            let hash = if plan.partitioner == Partitioner::Crc32 { "crc32" } else { "murmur2" };
            format!(
                "every record's key is its {subject} {spelled} and its partition is {hash} of the key: each record is checked, a misrouted one is put aside"
            )
        }
        Partitioner::Custom => format!(
            "every record's key is its {subject} {spelled}, which is checked; that one {subject} is always in the same partition of every topic is NOT checked, as the partitioner is custom: if it does not hold, one subject is counted in two places"
        ),
    }
}

fn drop_rule(plan: &Plan, rule: &DropRule) -> String {
    let source = rule.source.and_then(|index| plan.sources.get(usize::from(index)));
    let whose = source.map_or_else(|| "of every source".to_owned(), |s| format!("of {}", s.name));
    format!("events {whose} are filtered out by rule {} when {}", rule.name, test_words(rule))
}

/// `customer_id begins with "test-" or "bot-"`; different lists never read alike, so that a change is noticed.
pub(super) fn test_words(rule: &DropRule) -> String {
    use super::DropField::{AccountId, Channel, CustomerId, EventId, Origin};
    let field = match rule.field {
        CustomerId => "customer_id",
        AccountId => "account_id",
        EventId => "event_id",
        Origin => "origin",
        Channel => "channel",
    };
    let (verb, texts) = match &rule.test {
        DropTest::Equals(texts) => ("is", texts),
        DropTest::StartsWith(texts) => ("begins with", texts),
        DropTest::EndsWith(texts) => ("ends with", texts),
    };
    let mut words: Vec<String> =
        texts.iter().take(TEXTS_SHOWN_MAX).map(|text| format!("{text:?}")).collect();
    if texts.len() > TEXTS_SHOWN_MAX {
        let hash = xxhash_rust::xxh3::xxh3_64(texts.join("\n").as_bytes());
        words.push(format!("{} more ({hash:016x})", texts.len() - TEXTS_SHOWN_MAX));
    }
    format!("{field} {verb} {}", words.join(" or "))
}

fn repeats(plan: &Plan) -> Vec<String> {
    let each = plan.sources.iter().map(|source| {
        format!(
"an event of {} repeated within {} on topic {} is counted once; what is older than the ids forgotten since cannot be told from a repeat and is put aside as late, never counted twice; at most {} ids are remembered per customer, the last 8 always",
            source.name,
            duration_words(source.dedup_window_ms),
            source.topic,
            source.dedup_ids_max,
        )
    });
    let untyped = plan.sources.iter().map(|source| match source.default_type {
        Some(event_type) => {
            format!(
                "records without a type on topic {} are read as {}",
                source.topic,
                event_type.name()
            )
        }
        None => format!("records without a type on topic {} are rejected", source.topic),
    });
    each.chain(untyped).collect()
}

fn times(plan: &Plan) -> Vec<String> {
    let disorder = duration_words(plan.disorder_ms);
    let quiet_ms = plan.idle_timeout_ms.saturating_add(plan.disorder_ms);
    vec![
        format!(
            "a customer's events may arrive up to {disorder} out of order without anything that is due happening early; sums are right for any order"
        ),
        format!(
            "when all topics have been read to their ends, time goes on without events and stays at most {} and one poll behind the clock",
            match plan.clock {
                Clock::Wall => duration_words(quiet_ms),
                Clock::Simulated { .. } => format!(
                    "{disorder} (simulated) and {} (wall)",
                    duration_words(plan.idle_timeout_ms)
                ),
            }
        ),
        format!(
            "an event dated more than {} after its Kafka timestamp is rejected",
            duration_words(plan.skew_max_ms)
        ),
        format!(
            "a minute of activity is final {} after its end; an event for it that comes later gets a row of its own, and the view adds it",
            duration_words(plan.seal_after_ms.saturating_add(plan.disorder_ms))
        ),
        format!("days are counted in {}", plan.day_zone_name),
    ]
}

fn clock(plan: &Plan) -> String {
    match plan.clock {
        Clock::Wall => format!(
            "the clock is the machine's; a jump of more than {} against the broker's stops the pipeline",
            duration_words(plan.clock_jump_max_ms)
        ),
        Clock::Simulated { speed, .. } => {
            format!(
                "the clock is SIMULATED, {speed} times as fast as the wall: for histories and demonstrations"
            )
        }
    }
}

fn money(plan: &Plan) -> String {
    let others = plan.rates.iter().filter(|(code, _)| *code != plan.currency);
    let others: Vec<_> =
        others.map(|(code, rate)| format!("{code} at {}", rate_text(*rate))).collect();
    let accepted = if others.is_empty() {
        "no other currency is accepted".to_owned()
    } else {
        format!(
            "{} are converted once per event, half to even; any other currency is rejected",
            others.join(", ")
        )
    };
    format!("money is kept in whole minor units of {}; {accepted}", plan.currency)
}

fn judgements(plan: &Plan) -> Vec<String> {
    let (model, bands) = (&plan.model, &plan.bands);
    let kind = match model.kind {
        ModelKind::MbgNbd => "MBG/NBD".to_owned(),
        ModelKind::BgNbd => "BG/NBD".to_owned(),
        ModelKind::MbgCnbdK { k } => format!("MBG/CNBD-{k}, gaps of {k} stages,"),
        ModelKind::BgCnbdK { k } => format!("BG/CNBD-{k}, gaps of {k} stages,"),
    };
    let percent = |share: f64| (share * 1e4).round() / 1e2;
    let back = |edge: f64| percent(edge - bands.hysteresis);
    vec![
        format!(
            "silence is judged by {kind} with r {}, alpha {} days, a {}, b {}",
            model.r,
            (model.alpha_d * 1e9).round() / 1e9,
            model.a,
            model.b
        ),
        format!(
            "a customer is slipping from {} %, dormant from {} %, lost from {} % probability of 90 silent days, and back again below {} %, {} %, {} %; the change comes when the probability is reached, with or without an event",
            percent(bands.slipping),
            percent(bands.dormant),
            percent(bands.lost),
            back(bands.slipping),
            back(bands.dormant),
            back(bands.lost),
        ),
    ]
}

fn limits(plan: &Plan) -> Vec<String> {
    let limits = &plan.limits;
    let ids = plan.sources.iter().fold(0_usize, |sum, s| sum.saturating_add(s.dedup_ids_max));
    vec![
        format!(
            "one customer takes at most {ids} event ids, {} tickets and {} sessions of memory; a shard keeps at most {} open minutes, the oldest is sealed first",
            limits.tickets_max, limits.sessions_max, limits.open_minutes_max
        ),
        format!(
            "a cycle takes at most {} records and about {} of effects",
            limits.cycle_records_max,
            size_text(limits.cycle_bytes_max as u64)
        ),
        format!(
            "the pipeline stops before it puts everything aside: at more than {} % rejects among {} records, or {} in a row",
            limits.rejects_percent_max, limits.rejects_window, limits.rejects_run_max
        ),
        format!(
            "reports keep at most {} values of a free text per source; the rest is called other",
            limits.dimension_values_max
        ),
    ]
}
