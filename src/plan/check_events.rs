//! Cases from events: every `[[test.event]]`, what signals must be then, and what the account manager must hear.

use std::ops::RangeInclusive;

use serde_json::{Map, Number, Value as Json};
use toml::de::DeValue;

use super::check_cases::{WITHIN_MAX_MS, given, of_case, subject, time};
use super::notes::Notes;
use super::raw::Section;
use super::{check_receivers, check_time, scalar};
use crate::model::event::EventType;
use crate::model::outcome::Outcome;
use crate::model::registry::{Kind, Signal, Subject};
use crate::model::time::{DAY_MS, EVENT_TIME_END_MS};
use crate::rule::case::{Bound, How, Lived, Notifier, Sent, Told, Wanted};
use crate::rule::condition::SignalRef;

/// Most events of a case, repetitions counted.
const EVENTS_MAX: usize = 20_000;
/// Most repetitions of an event, and most customers it is about.
const TIMES: RangeInclusive<u32> = 1..=1_000;
const EVERY_MAX_MS: i64 = 3_650 * DAY_MS;
/// Keys of an event that are the case's; all others are fields of the record.
const OWN: [&str; 8] = ["at", "arrives", "type", "topic", "times", "every", "customers", "outcome"];
/// Fields that are times: there a duration counts from the start of the case, `+14d` from the event.
const TIMES_OF_EVENTS: [&str; 9] =
    ["due", "start", "renewal", "signed", "promised", "delivered", "launched", "t_first", "t_last"];
/// Who it is about when the case does not say.
const SOMEBODY: &str = "C1";
/// The definitions that cases are of when they do not say.
const DEFINITION: &str = "customers";
const ACCOUNTS: &str = "accounts";

/// What a case says of events; `None` in a case by hand.
pub(super) fn lived(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    start_ms: i64,
    rules: &[String],
) -> Option<Lived> {
    let mut events = Vec::new();
    for (number, event) in section.tables_of(notes, "event", false).iter().enumerate() {
        let sent = sent(notes, event, start_ms, number);
        if events.len() + sent.len() > EVENTS_MAX {
            notes
                .error(event.at, &event.path, &format!("found more than {EVENTS_MAX} events"))
                .expected("fewer of them, repetitions counted");
            break;
        }
        events.extend(sent);
    }
    let mut wanted_all = Vec::new();
    for signals in section.tables_of(notes, "signals", false) {
        wanted_all.extend(wanted(notes, &signals, start_ms));
    }
    let mut told = Vec::new();
    for heard in section.tables(notes, "told") {
        told.extend(told_of(notes, &heard, start_ms, rules));
    }
    let notifier = section.has("notifier").then(|| {
        let how = section.table(notes, "notifier", true);
        notifier(notes, &how)
    });
    let definition = file_name(notes, section, "definition", DEFINITION);
    let accounts = file_name(notes, section, "accounts", ACCOUNTS);
    if !section.has("event") {
        for key in ["signals", "told", "notifier", "definition", "accounts"] {
            if section.has(key) {
                section
                    .refuse(notes, key, "a case from events")
                    .hint("add [[test.event]], or leave it out");
            }
        }
        return None;
    }
    if !told.is_empty() && notifier.is_none() {
        section
            .refuse(notes, "notifier", "a table [test.notifier] beside [[test.told]]")
            .hint("without it nobody is told of anything");
    }
    events.sort_by_key(|sent: &Sent| sent.arrives_ms);
    wanted_all.sort_by_key(|wanted: &Wanted| wanted.at_ms);
    let notifier = notifier.flatten();
    Some(Lived { definition, accounts, events, wanted: wanted_all, told, notifier })
}

/// Every time that a case from events names.
pub(super) fn times_ms(lived: &Lived) -> impl Iterator<Item = i64> {
    let events = lived.events.iter().map(|sent| sent.at_ms.max(sent.arrives_ms));
    let wanted = lived.wanted.iter().map(|wanted| wanted.at_ms);
    events.chain(wanted).chain(lived.told.iter().map(|told| told.at_ms))
}

/// The name of a definition's file, without `.toml`.
fn file_name(notes: &mut Notes<'_>, section: &Section<'_>, key: &str, default: &str) -> String {
    const EXPECTED: &str = "the name of a file beside the folder, without `.toml`";
    let Some(name) = section.text(notes, key, EXPECTED) else { return default.to_owned() };
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !letters || name.is_empty() || name.len() > 64 {
        section.refuse(notes, key, EXPECTED).hint(format!("as in {key} = \"{default}\""));
    }
    name.to_owned()
}

/// An event with all its repetitions; nothing where something is wrong with it.
fn sent(notes: &mut Notes<'_>, section: &Section<'_>, start_ms: i64, number: usize) -> Vec<Sent> {
    let at_ms = time(notes, section, "at", start_ms);
    let arrives_ms = match section.has("arrives") {
        true => time(notes, section, "arrives", start_ms),
        false => at_ms,
    };
    let types = EventType::ALL.map(|kind| (kind.name(), kind));
    if !section.has("type") {
        section.refuse(notes, "type", "a type of events, as in type = \"purchase\"");
    }
    let kind = section.word(notes, "type", &types);
    let source = section.text(notes, "topic", "the name of a source").map(str::to_owned);
    let outcomes = Outcome::ALL.map(|outcome| (outcome.name(), outcome));
    let outcome = section.word(notes, "outcome", &outcomes).unwrap_or(Outcome::Applied);
    let times = section.count(notes, "times", TIMES, 1);
    let customers = section.count(notes, "customers", TIMES, 1);
    let every_ms = section.duration_ms(notes, "every", 1..=EVERY_MAX_MS, 0);
    if times > 1 && every_ms == 0 && !section.has("every") {
        section.refuse(notes, "every", "a duration beside `times`, such as \"30d\"");
    }
    if section.has("ts") {
        section.refuse(notes, "ts", "no `ts`").hint("`at` says when it happened");
    }
    let line = notes.line(section.at);
    let mut all = Vec::new();
    let (Some(at_ms), Some(arrives_ms), Some(kind)) = (at_ms, arrives_ms, kind) else {
        return all;
    };
    let last_ms = i64::from(times - 1) * every_ms + at_ms.max(arrives_ms);
    if last_ms >= EVENT_TIME_END_MS {
        section.refuse(notes, "every", "repetitions that end before 2149");
        return all;
    }
    for repetition in 0..times {
        let later_ms = i64::from(repetition) * every_ms;
        for customer in 0..customers {
            let place = Place {
                start_ms,
                at_ms: at_ms + later_ms,
                repetition: repetition + 1,
                customer: (customers > 1).then_some(customer + 1),
            };
            let Some(fields) = fields(notes, section, &place) else { return Vec::new() };
            let text = |key: &str| fields.get(key).and_then(Json::as_str).map(str::to_owned);
            let customer = text("customer_id").unwrap_or_else(|| SOMEBODY.to_owned());
            let account = text("account_id");
            let id = format!("e{number}-{repetition}-{customer}");
            let payload = payload(fields, &place, kind, &customer, &id);
            let source = source.clone();
            let (at_ms, arrives_ms) = (place.at_ms, arrives_ms + later_ms);
            all.push(Sent {
                line,
                at_ms,
                arrives_ms,
                source,
                kind,
                customer,
                account,
                payload,
                outcome,
            });
        }
    }
    all
}

/// Which repetition of an event it is.
struct Place {
    start_ms: i64,
    at_ms: i64,
    repetition: u32,
    /// Number of the customer, where there are several.
    customer: Option<u32>,
}

fn payload(
    mut fields: Map<String, Json>,
    place: &Place,
    kind: EventType,
    customer: &str,
    id: &str,
) -> String {
    fields.entry("event_id").or_insert_with(|| id.into());
    fields.insert("customer_id".to_owned(), customer.into());
    fields.insert("ts".to_owned(), stamp(place.at_ms).into());
    fields.insert("type".to_owned(), kind.name().into());
    Json::Object(fields).to_string()
}

fn stamp(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |time| time.to_string())
}

/// The fields of the record.
fn fields(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    place: &Place,
) -> Option<Map<String, Json>> {
    let mut fields = Map::new();
    for (name, at, value) in section.entries().filter(|(name, ..)| !OWN.contains(name)) {
        let Some(mut json) = json(value.get_ref(), name, place) else {
            let found = format!("found {}", notes.quote(value.span()));
            notes.error(at, &section.path_of(name), &found).expected("a value that JSON has too");
            return None;
        };
        if let (true, Some(number), Json::String(id)) =
            (name == "customer_id", place.customer, &mut json)
        {
            id.push_str(&format!("-{number}"));
        }
        fields.insert(name.to_owned(), json);
    }
    if let Some(number) = place.customer {
        fields.entry("customer_id").or_insert_with(|| format!("{SOMEBODY}-{number}").into());
    }
    Some(fields)
}

/// A value as the record has it; texts may count with `{n}`, and times from the start or from the event.
fn json(value: &DeValue<'_>, name: &str, place: &Place) -> Option<Json> {
    match value {
        DeValue::String(text) => Some(moment(text, name, place).into()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(Json::from)
        }
        DeValue::Float(number) => {
            number.as_str().parse().ok().and_then(Number::from_f64).map(Json::Number)
        }
        DeValue::Boolean(flag) => Some((*flag).into()),
        DeValue::Datetime(time) => Some(time.to_string().into()),
        DeValue::Array(items) => {
            let all = items.iter().map(|item| json(item.get_ref(), name, place));
            all.collect::<Option<Vec<_>>>().map(Json::Array)
        }
        DeValue::Table(table) => {
            let mut all = Map::new();
            for (key, value) in table.iter() {
                let key = key.get_ref().as_ref();
                all.insert(key.to_owned(), json(value.get_ref(), key, place)?);
            }
            Some(Json::Object(all))
        }
    }
}

fn moment(text: &str, name: &str, place: &Place) -> String {
    let text = text.replace("{n}", &place.repetition.to_string());
    if !TIMES_OF_EVENTS.contains(&name) {
        return text;
    }
    let (from_ms, after) = match text.strip_prefix('+') {
        Some(after) => (place.at_ms, after),
        None => (place.start_ms, text.as_str()),
    };
    match scalar::duration_ms(after) {
        Ok(after_ms) => stamp(from_ms.saturating_add(after_ms)),
        Err(_) => text,
    }
}

/// What signals must be at a moment.
fn wanted(notes: &mut Notes<'_>, section: &Section<'_>, start_ms: i64) -> Option<Wanted> {
    const ID: &str = "an id in double quotes";
    let at_ms = time(notes, section, "at", start_ms);
    let customer = section.text(notes, "customer_id", ID);
    let account = section.text(notes, "account_id", ID);
    if customer.is_some() && account.is_some() {
        section.refuse(notes, "account_id", "either `customer_id` or `account_id`");
    }
    let (subject, id) = match account {
        Some(id) => (Subject::Account, id),
        None => (Subject::Customer, customer.unwrap_or(SOMEBODY)),
    };
    let mut bounds = Vec::new();
    let own = ["at", "customer_id", "account_id"];
    for (name, at, _) in section.entries().filter(|(name, ..)| !own.contains(name)) {
        let Some(signal) = subject.find(name) else {
            notes
                .error(at, &section.path_of(name), "unknown signal")
                .expected(format!("a signal of a {}", subject.name()))
                .did_you_mean(name, subject.signals().map(|signal| signal.name));
            continue;
        };
        bounds.extend(bound(notes, section, signal, start_ms));
    }
    if bounds.is_empty() && notes.is_clean() {
        notes
            .error(section.at, &section.path, "found no signal")
            .expected("at least one, as in risk = 0.61");
    }
    Some(Wanted { at_ms: at_ms?, subject, id: id.to_owned(), bounds })
}

/// `0.61`, or `{ is = 0.61, within = 0.02 }`: without `within` to the digits that are written.
fn bound(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    signal: &'static Signal,
    start_ms: i64,
) -> Option<Bound> {
    let value = section.value(signal.name)?;
    let line = notes.line(value.span().start);
    let DeValue::Table(_) = value.get_ref() else {
        let is = given(notes, section, signal.name, signal, start_ms)?;
        let (signal, within) = (SignalRef(signal), half_digit(value.get_ref()));
        return Some(Bound { line, signal, is, within });
    };
    let inner = section.table(notes, signal.name, false);
    if !inner.has("is") {
        inner.refuse(notes, "is", "what it must be").hint("as in { is = 0.61, within = 0.02 }");
        return None;
    }
    let is = given(notes, &inner, "is", signal, start_ms)?;
    let within = match signal.kind() {
        Kind::Duration { .. } | Kind::Moment => {
            inner.duration_ms(notes, "within", 0..=WITHIN_MAX_MS, 0) as f64
        }
        _ => {
            const SHARE: &str = "a number from 0 on";
            let within = inner.number(notes, "within", SHARE, |within| within >= 0.0);
            within.unwrap_or(inner.value("is").map_or(0.0, |is| half_digit(is.get_ref())))
        }
    };
    Some(Bound { line, signal: SignalRef(signal), is, within })
}

/// Half of the last digit of a number as it is written.
fn half_digit(value: &DeValue<'_>) -> f64 {
    let DeValue::Float(number) = value else { return 0.5 };
    let text = number.as_str().to_lowercase();
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let places = digits.split_once('.').map_or(0, |(_, after)| after.len());
    let exponent: i32 = exponent.parse().unwrap_or(0);
    0.5 * libm::pow(10.0, f64::from(exponent - places as i32)) * (1.0 + 1e-9)
}

fn told_of(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    start_ms: i64,
    rules: &[String],
) -> Option<Told> {
    let at_ms = time(notes, section, "at", start_ms);
    let rule = of_case(notes, section, rules);
    if !section.has("how") {
        section.refuse(notes, "how", "call, digest or over");
    }
    let how = section.word(notes, "how", &How::ALL);
    let subject = subject(notes, section);
    let within_ms = section.duration_ms(notes, "within", 0..=WITHIN_MAX_MS, 0);
    let line = notes.line(section.at);
    Some(Told { line, at_ms: at_ms?, within_ms, rule: rule?, subject, how: how? })
}

/// How the account manager of the case is told.
fn notifier(notes: &mut Notes<'_>, section: &Section<'_>) -> Option<Notifier> {
    let zone = match section.has("zone") {
        true => check_time::zone(notes, section, "zone")?.0,
        false => jiff::tz::TimeZone::UTC,
    };
    let budget = section.count(notes, "budget", 1..=1_000, 20);
    let digest_min = check_receivers::digest(notes, section);
    Some(Notifier { zone, budget: section.has("budget").then_some(budget), digest_min })
}
