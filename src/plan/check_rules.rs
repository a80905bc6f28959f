//! Alert rules one by one: what each key of an `[[alert]]` must be.

use super::check_sources::WINDOW_MAX_MS;
use super::notes::Notes;
use super::raw::Section;
use super::scalar;
use crate::model::event::EventType;
use crate::model::registry::{Kind, Subject};
use crate::rule::band::default_clear;
use crate::rule::condition::{Condition, SignalRef};
use crate::rule::definition::{Cooldown, Rule, Severity};
use crate::rule::hours::Calendar;
use crate::rule::read_condition;

const TEXT_BYTES_MAX: usize = 400;
const NAME_BYTES_MAX: usize = 41;
const LIST_MAX: usize = 16;
const BAND: f64 = 0.1;

/// A rule and where it stands.
pub(super) struct Draft {
    pub(super) rule: Rule,
    /// How messages call its section.
    pub(super) path: String,
    /// Where its name and its conditions stand.
    pub(super) name_at: usize,
    pub(super) raise_at: usize,
    /// `None` where the clearing is derived.
    pub(super) clear_at: Option<usize>,
}

/// Reads one `[[alert]]`; `None` where something forbids it.
pub(super) fn rule(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    calendars: &[Calendar],
) -> Option<Draft> {
    let name = word(notes, section, "name", "the rule's name");
    let about = sentence(notes, section, "about");
    let subjects = Subject::ALL.map(|subject| (subject.name(), subject));
    let subject = section.word(notes, "subject", &subjects).unwrap_or(Subject::Customer);
    let conditions = conditions(notes, section, subject);
    let dwell_ms = section.duration_ms(notes, "dwell", 0..=WINDOW_MAX_MS, 0);
    let cooldown = cooldown(notes, section, subject);
    let severity = section.word(notes, "severity", &Severity::ALL).unwrap_or(Severity::Medium);
    let top = section.count(notes, "critical_in_top", 1..=1_000, 10);
    let calendar = calendar(notes, section, calendars);
    let receivers = receivers(notes, section);
    let next_step = sentence(notes, section, "next_step");
    let events = events(notes, section);
    let (raise, clear) = conditions?;
    Some(Draft {
        rule: Rule {
            name: name?.to_owned(),
            about: about?.to_owned(),
            subject,
            raise,
            clear,
            dwell_ms,
            cooldown,
            severity,
            critical_in_top: section.has("critical_in_top").then_some(top),
            calendar,
            receivers: receivers?,
            next_step: next_step?.to_owned(),
            events: events?,
        },
        path: section.path.clone(),
        name_at: section.at("name"),
        raise_at: section.at("raise"),
        clear_at: section.has("clear").then(|| section.at("clear")),
    })
}

/// A required name that conditions and ids can hold: a-z, 0-9 and _.
pub(super) fn word<'d>(
    notes: &mut Notes<'_>,
    section: &Section<'d>,
    key: &str,
    whose: &str,
) -> Option<&'d str> {
    let expected = format!("{whose}: a-z, then up to 40 of a-z, 0-9 and _");
    let name = section.required(notes, key, &expected)?;
    let letters = name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    let begins = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    if letters && begins && name.len() <= NAME_BYTES_MAX {
        return Some(name);
    }
    let plain = name.to_lowercase().replace(['-', ' '], "_");
    section.refuse(notes, key, expected).hint(format!("perhaps \"{plain}\""));
    None
}

/// A required text of one line.
pub(super) fn sentence<'d>(
    notes: &mut Notes<'_>,
    section: &Section<'d>,
    key: &str,
) -> Option<&'d str> {
    let expected = format!("one line of at most {TEXT_BYTES_MAX} bytes");
    let text = section.required(notes, key, &expected)?;
    let fits = (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.contains(['\n', '\r']);
    if !fits {
        section.refuse(notes, key, expected);
    }
    fits.then_some(text)
}

fn conditions(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    subject: Subject,
) -> Option<(Condition, Condition)> {
    if !section.has("raise") {
        section
            .refuse(notes, "raise", "a condition such as \"risk >= 0.6 else no\"")
            .hint("docs/alerts.md explains the language");
    }
    let raise = condition(notes, section, "raise", subject);
    const SHARE: &str = "a share from 0 to 0.9";
    let band = section.number(notes, "band", SHARE, |band| (0.0..=0.9).contains(&band));
    if !section.has("clear") {
        let raise = raise?;
        let clear = default_clear(&raise, band.unwrap_or(BAND));
        return Some((raise, clear));
    }
    if section.has("band") {
        section
            .refuse(notes, "band", "no band beside `clear`")
            .hint("`clear` says itself how far the signals must come back");
    }
    let clear = condition(notes, section, "clear", subject);
    Some((raise?, clear?))
}

fn condition(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    key: &str,
    subject: Subject,
) -> Option<Condition> {
    let text = section.text(notes, key, "a condition in double quotes")?;
    let value = section.value(key)?;
    let inside = notes.inside(value.span(), text);
    let path = section.path_of(key);
    match read_condition(text, subject) {
        Ok(condition) => Some(condition),
        Err(faults) => {
            for fault in faults {
                let at = inside.map_or(value.span().start, |begins| begins + fault.at);
                let note = notes.error(at, &path, &fault.found);
                note.expected = fault.expected;
                note.hint = fault.hint;
            }
            None
        }
    }
}

fn cooldown(notes: &mut Notes<'_>, section: &Section<'_>, subject: Subject) -> Cooldown {
    let text = section.value("cooldown").and_then(|value| value.get_ref().as_str());
    if let Some(signal) = text.and_then(|name| subject.find(name)) {
        if matches!(signal.kind(), Kind::Duration { .. }) {
            return Cooldown::Signal(SignalRef(signal));
        }
        section
            .refuse(notes, "cooldown", "a duration, or a signal that is a length of time")
            .hint(format!("`{}` is {}", signal.name, signal.kind().words()));
        return Cooldown::Fixed(0);
    }
    Cooldown::Fixed(section.duration_ms(notes, "cooldown", 0..=WINDOW_MAX_MS, 0))
}

/// The number of the calendar, 0 (always open) where none is named.
fn calendar(notes: &mut Notes<'_>, section: &Section<'_>, calendars: &[Calendar]) -> usize {
    const EXPECTED: &str = "the name of a [[calendar]]";
    let Some(name) = section.text(notes, "calendar", EXPECTED) else { return 0 };
    let found = calendars.iter().position(|calendar| calendar.name == name);
    if found.is_none() {
        let names = calendars.iter().skip(1).map(|calendar| calendar.name.as_str());
        section.refuse(notes, "calendar", EXPECTED).did_you_mean(name, names);
    }
    found.unwrap_or(0)
}

fn receivers(notes: &mut Notes<'_>, section: &Section<'_>) -> Option<Vec<String>> {
    if !section.has("receivers") {
        return Some(vec!["owner".to_owned()]);
    }
    let names = section.texts(notes, "receivers", NAME_BYTES_MAX, LIST_MAX)?;
    let mut seen: Vec<&String> = Vec::new();
    for name in &names {
        if seen.contains(&name) {
            section
                .refuse(notes, "receivers", "each receiver once")
                .hint(format!("leave out the second \"{name}\""));
            return None;
        }
        seen.push(name);
    }
    Some(names)
}

fn events(notes: &mut Notes<'_>, section: &Section<'_>) -> Option<Vec<EventType>> {
    const EXPECTED: &str = "a list of types of events, such as [\"purchase\"]";
    if !section.has("events") {
        section.refuse(notes, "events", EXPECTED).hint("name the events that feed the rule");
        return None;
    }
    let mut events = Vec::new();
    for name in section.texts(notes, "events", NAME_BYTES_MAX, LIST_MAX)? {
        let Some(event) = EventType::parse(&name) else {
            let known = EventType::ALL.map(EventType::name);
            section.refuse(notes, "events", EXPECTED).did_you_mean(&name, known);
            return None;
        };
        events.push(event);
    }
    Some(events)
}

/// Milliseconds of a time: `14d` after `start_ms`, or RFC 3339.
pub(super) fn time_ms(text: &str, start_ms: i64) -> Option<i64> {
    match scalar::duration_ms(text) {
        Ok(after_ms) => Some(start_ms.saturating_add(after_ms)),
        Err(_) => super::check_time::timestamp_ms(text),
    }
}
