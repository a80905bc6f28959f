//! What a signal says of its subject, as a reason: a sentence of its own where the usual rules ask for it, else its label and its value.

use crate::model::registry::{Kind, Signal, length_text, percent_text, whole_text};
use crate::model::time::HOUR_MS;
use crate::rule::evaluate::Value;

/// From this shape on somebody buys regularly.
const STEADY_FROM: f64 = 1.5;

/// What is known of a signal; lengths of time are milliseconds, as in conditions.
pub(super) fn of_value(signal: &Signal, value: Option<Value>, currency: &str) -> String {
    match value {
        Some(Value::Number(number)) => of_number(signal, number, currency),
        Some(Value::Word(word)) => {
            let word = signal.words_of().nth(usize::from(word)).unwrap_or("");
            of_word(signal, word)
        }
        Some(Value::Flag(is)) => of_flag(signal, is),
        None => format!("{}: unknown", signal.label),
    }
}

/// A number of a signal with its unit; lengths of time are milliseconds.
pub(super) fn number_text(signal: &Signal, number: f64, currency: &str) -> String {
    match signal.kind() {
        Kind::Duration { unit_ms } => signal.spelled(number / unit_ms as f64, currency),
        _ => signal.spelled(number, currency),
    }
}

fn of_number(signal: &Signal, number: f64, currency: &str) -> String {
    let text = || number_text(signal, number, currency);
    let counted = |one: &str, many: &str| {
        let n = whole_text(number);
        format!("{n} {}", if n == "1" { one } else { many })
    };
    let changed = |what: &str, than: &str| match text().as_str() {
        "no change" => format!("{what} as {than}"),
        text => format!("{what} {text} than {than}"),
    };
    match signal.name {
        "n_days" => format!("bought on {}", counted("day", "days")),
        "x" => format!("came back to buy {}", counted("time", "times")),
        "orders" => format!("{} so far", counted("order", "orders")),
        "sessions" => format!("{} so far", counted("visit", "visits")),
        "open_complaints" => counted("open complaint", "open complaints"),
        "open_tickets" => counted("open ticket", "open tickets"),
        "gap_k" if number >= STEADY_FROM => "buys at steady intervals".to_owned(),
        "gap_k" => "buys at irregular intervals".to_owned(),
        "recency_d" => format!("bought nothing for {}", text()),
        "visit_gap_d" => format!("no visit for {}", text()),
        "volume_trend" => changed("spends", "usual"),
        "usage_trend" => changed("uses the service", "usual"),
        "engage_trend" => changed("visits", "usual"),
        "aov_trend" => changed("orders are worth", "before"),
        "trend_30" => changed("revenue is", "30 days ago"),
        "trend_90" => changed("revenue is", "90 days ago"),
        "dbt_days" => format!("usually pays {} late", text()),
        "overdue_ratio" => format!("{} of what is owed is overdue", text()),
        "overdue_minor" => format!("{} overdue", text()),
        "open_minor" => format!("owes {}", text()),
        "csat" | "satisfaction" => format!("satisfaction of {}", text()),
        "csat_n" | "satisfaction_n" => {
            format!("as about {}", counted("rating says", "ratings say"))
        }
        "sat_gap" if number < 0.0 => {
            format!("gets less than expected, by {} of the scale", percent_text(-number))
        }
        "sat_gap" => format!("gets more than expected, by {} of the scale", percent_text(number)),
        "ext_requests" => "asked for more time to pay".to_owned(),
        "partial_payments" => "paid bills in part only".to_owned(),
        "cancel_intent" => "looked at how to leave".to_owned(),
        _ => format!("{}: {}", signal.label, text()),
    }
}

fn of_word(signal: &Signal, word: &str) -> String {
    let said = match (signal.name, word) {
        ("lifecycle", "prospect") => "has not bought yet",
        ("lifecycle", "new") => "is a new customer",
        ("lifecycle", "active") => "is active",
        ("lifecycle", "slipping") => "is slipping away",
        ("lifecycle", "dormant") => "is dormant",
        ("lifecycle", "lost") => "is lost",
        ("lifecycle", "won_back") => "was won back",
        ("abc", "A") => "one of those who make most of the sales",
        ("abc", word) => return format!("of class {word} by sales"),
        ("tier", word) => return format!("now in tier {word}"),
        ("sat_band", "dissatisfied") => "gets less than expected",
        ("sat_band", "satisfied") => "gets what was expected",
        ("sat_band", "delighted") => "gets more than expected",
        ("quadrant", "apostle") => "loyal and satisfied",
        ("quadrant", "hostage") => "loyal, though not satisfied",
        ("quadrant", "mercenary") => "satisfied, though not loyal",
        ("quadrant", "defector") => "neither loyal nor satisfied",
        (_, word) => return format!("{}: {}", signal.label, word.replace('_', " ")),
    };
    said.to_owned()
}

fn of_flag(signal: &Signal, is: bool) -> String {
    let said = match (signal.name, is) {
        ("key_customer", true) => "a key customer",
        ("key_customer", false) => "no key customer any more",
        ("account_key", true) => "a key account",
        ("account_key", false) => "no key account any more",
        ("contract_signed", true) => "the next term is signed",
        ("contract_signed", false) => "the next term is not signed",
        ("opted_out", true) => "refuses messages",
        ("opted_out", false) => "accepts messages",
        ("ticket_open", true) => "the ticket is open",
        ("ticket_open", false) => "the ticket is closed",
        ("ticket_complaint", true) => "it is a complaint",
        ("ticket_complaint", false) => "it is no complaint",
        ("ticket_answered", true) => "somebody has answered",
        ("ticket_answered", false) => "nobody has answered yet",
        (_, is) => return format!("{}: {}", signal.label, if is { "yes" } else { "no" }),
    };
    said.to_owned()
}

/// That a signal was a word until lately, and is another one now.
pub(super) fn was(signal: &Signal, word: u8) -> String {
    let word = signal.words_of().nth(usize::from(word)).unwrap_or("").replace('_', " ");
    match signal.name {
        "tier" => format!("was in tier {word} until lately"),
        "abc" => format!("was of class {word} by sales until lately"),
        _ => format!("{}: {word} until lately", signal.label),
    }
}

/// How long ago a moment was.
pub(super) fn of_age(signal: &Signal, ms: f64) -> String {
    let long = length_text(ms);
    match signal.name {
        "t_last" => format!("bought nothing for {long}"),
        "t_first" => format!("a customer for {long}"),
        "last_seen" => format!("not seen for {long}"),
        "last_contact" => format!("nobody has spoken with them for {long}"),
        "last_visit" => format!("no visit for {long}"),
        "contract_start" => format!("under contract for {long}"),
        "ticket_opened_at" => format!("open for {long}"),
        "oldest_open_at" => format!("a ticket open for {long}"),
        "oldest_complaint_at" => format!("a complaint open for {long}"),
        "usage_high_since" => format!("near the limit of the plan for {long}"),
        _ => format!("{}: {long} ago", signal.label),
    }
}

/// How much business time has passed since a moment.
pub(super) fn of_business_age(signal: &Signal, ms: f64) -> String {
    let hours = whole_text(ms / HOUR_MS as f64);
    let long = format!("{hours} business {}", if hours == "1" { "hour" } else { "hours" });
    match signal.name {
        "ticket_opened_at" => format!("open for {long}"),
        _ => format!("{}: {long} ago", signal.label),
    }
}

/// How far ahead a moment is.
pub(super) fn of_until(signal: &Signal, ms: f64) -> String {
    let long = length_text(ms);
    match signal.name {
        "contract_renewal" => format!("the contract must be renewed in {long}"),
        "next_renewal" => format!("the next contract must be renewed in {long}"),
        _ => format!("{} in {long}", signal.label),
    }
}
