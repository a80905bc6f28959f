//! Cases for rules: every `[[test]]`, with what is given, done and expected in it; what is of events only is in `check_events`.

use toml::de::DeValue;

use super::check_events;
use super::check_rules::{sentence, time_ms, word};
use super::notes::Notes;
use super::raw::Section;
use super::scalar;
use crate::model::registry::{Kind, Signal, Subject};
use crate::model::time::{DAY_MS, EVENT_TIME_END_MS};
use crate::rule::case::{Case, Deed, Expected, Given, Step};
use crate::rule::definition::{Rule, Severity};
use crate::rule::evaluate::Value;
use crate::rule::lifecycle::{Action, What};

/// Monday, 5 January 2026, nine o'clock UTC.
const START_MS: i64 = 1_767_603_600_000;
const RULES_MAX: usize = 16;
/// Farthest from a time that something may be and still be it.
pub(super) const WITHIN_MAX_MS: i64 = 366 * DAY_MS;
const TIME: &str = "a duration from the start such as \"14d\", or an RFC 3339 time";

/// Longest way of a case through time.
const SPAN_MAX_MS: i64 = 3_660 * DAY_MS;

/// The rules that cases may name.
#[derive(Clone, Copy)]
pub(super) struct Known<'r> {
    /// Those that could be read.
    pub rules: &'r [Rule],
    /// Whether these are all: nothing was wrong with one.
    pub all: bool,
}

/// Reads one `[[test]]`.
pub(super) fn case(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    known: &Known<'_>,
) -> Option<Case> {
    let rules = known.rules;
    let name = sentence(notes, section, "name");
    let lives = section.has("event");
    let names = match lives && !section.has("rules") {
        true => Some(Vec::new()),
        false => names(notes, section, known, lives),
    };
    let subject = names.as_ref().and_then(|names| {
        rules.iter().find(|rule| names.contains(&rule.name)).map(|rule| rule.subject)
    });
    let start_ms = match section.has("start") {
        true => time(notes, section, "start", 0)?,
        false => START_MS,
    };
    let mut steps = Vec::new();
    for given in section.tables_of(notes, "given", false) {
        steps.extend(subject.and_then(|subject| step(notes, &given, subject, start_ms)));
    }
    let known = names.as_deref().unwrap_or_default();
    let mut deeds = Vec::new();
    for deed in section.tables(notes, "do") {
        deeds.extend(done(notes, &deed, start_ms, known));
    }
    let mut expect = Vec::new();
    for wanted in section.tables(notes, "expect") {
        if !lives && wanted.has("severity") {
            wanted.refuse(notes, "severity", "none: only a case from events tells how bad it is");
        }
        expect.extend(expected(notes, &wanted, start_ms, known));
    }
    let lived = check_events::lived(notes, section, start_ms, known);
    match (section.has("given"), lives) {
        (false, false) => {
            section.refuse(notes, "given", "at least one [[test.given]] or [[test.event]]").hint(
                "say what the signals are: at = \"0d\" and the signals by name; or what comes",
            );
        }
        (true, true) => {
            section
                .refuse(notes, "given", "either [[test.given]] or [[test.event]]")
                .hint("signals are given by hand, or made by events: write two cases");
        }
        _ => {}
    }
    let until_ms = match section.has("until") {
        true => time(notes, section, "until", start_ms)?,
        false => {
            let given = steps.iter().map(|step| step.at_ms);
            let done = deeds.iter().map(|deed| deed.at_ms);
            let wanted = expect.iter().map(|expected: &Expected| expected.at_ms);
            let lived = lived.iter().flat_map(check_events::times_ms);
            given.chain(done).chain(wanted).chain(lived).max().unwrap_or(start_ms)
        }
    };
    if until_ms - start_ms > SPAN_MAX_MS {
        section.refuse(notes, "until", "a case of at most ten years");
    }
    steps.sort_by_key(|step: &Step| step.at_ms);
    deeds.sort_by_key(|deed: &Deed| deed.at_ms);
    let (name, rules) = (name?.to_owned(), names?);
    let line = notes.line(section.at);
    Some(Case { name, line, rules, start_ms, until_ms, steps, lived, deeds, expect })
}

/// The rules of a case; in a case by hand all about one subject.
fn names(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    known: &Known<'_>,
    mixed: bool,
) -> Option<Vec<String>> {
    const EXPECTED: &str = "a list of names of rules";
    if !section.has("rules") {
        section.refuse(notes, "rules", EXPECTED).hint("name the rules that the case tries");
    }
    let names = section.texts(notes, "rules", 64, RULES_MAX)?;
    let mut subject = None;
    for name in &names {
        let Some(rule) = known.rules.iter().find(|rule| rule.name == *name) else {
            let names = known.rules.iter().map(|rule| rule.name.as_str());
            if known.all {
                section.refuse(notes, "rules", EXPECTED).did_you_mean(name, names);
            }
            return None;
        };
        if *subject.get_or_insert(rule.subject) != rule.subject && !mixed {
            section.refuse(notes, "rules", "rules about the same subject");
            return None;
        }
    }
    Some(names)
}

/// A required time.
pub(super) fn time(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    key: &str,
    start_ms: i64,
) -> Option<i64> {
    let text = match section.value(key).map(|value| value.get_ref()) {
        Some(DeValue::Datetime(time)) => time.to_string(),
        _ => section.required(notes, key, TIME)?.to_owned(),
    };
    let found = time_ms(&text, start_ms).filter(|ms| (0..EVENT_TIME_END_MS).contains(ms));
    if found.is_none() {
        section.refuse(notes, key, TIME);
    }
    found
}

fn step(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    subject: Subject,
    start_ms: i64,
) -> Option<Step> {
    let at_ms = time(notes, section, "at", start_ms);
    let mut signals = Vec::new();
    for (name, at, _) in section.entries().filter(|(name, ..)| *name != "at") {
        let Some(signal) = subject.find(name) else {
            let whom = subject.name();
            notes
                .error(at, &section.path_of(name), "unknown signal")
                .expected(format!("a signal of a {whom}"))
                .did_you_mean(name, subject.signals().map(|signal| signal.name));
            continue;
        };
        if let Some(given) = given(notes, section, signal.name, signal, start_ms) {
            signals.push((signal.name, given));
        }
    }
    Some(Step { at_ms: at_ms?, signals })
}

/// A signal as a case says it, under the key `key`.
pub(super) fn given(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    key: &str,
    signal: &'static Signal,
    start_ms: i64,
) -> Option<Given> {
    let value = section.value(key)?.get_ref();
    if value.as_str() == Some("unknown") {
        if !signal.is_always_known() {
            return Some(Given::Unknown);
        }
        section.refuse(notes, key, "a value: it is always known");
        return None;
    }
    let text = value.as_str();
    let found = match signal.kind() {
        Kind::Number | Kind::Count => {
            let any = "a number, or \"unknown\"";
            let number = section.number(notes, key, any, |_| true)?;
            return Some(Given::Value(Value::Number(number)));
        }
        Kind::Flag => value.as_bool().map(|flag| Given::Value(Value::Flag(flag))),
        Kind::Duration { .. } => text
            .and_then(|text| scalar::duration_ms(text).ok())
            .map(|ms| Given::Value(Value::Number(ms as f64))),
        Kind::Word => signal
            .words_of()
            .position(|word| Some(word) == text)
            .map(|number| Given::Value(Value::Word(number as u8))),
        Kind::Moment => text
            .map(str::to_owned)
            .or_else(|| value.as_datetime().map(ToString::to_string))
            .and_then(|text| time_ms(&text, start_ms))
            .map(Given::Moment),
        Kind::Many => None,
    };
    if found.is_none() {
        let expected = match signal.kind() {
            Kind::Flag => "true, false or \"unknown\"".to_owned(),
            Kind::Duration { .. } => "a duration such as \"3d\", or \"unknown\"".to_owned(),
            Kind::Word => {
                let words: Vec<&str> = signal.words_of().collect();
                format!("one of {}, or unknown, in double quotes", words.join(", "))
            }
            Kind::Moment => format!("{TIME}, or \"unknown\""),
            _ => "another signal: no rule can look at this one".to_owned(),
        };
        section.refuse(notes, key, expected);
    }
    found
}

/// The rule of a deed or an expectation: one of the case's.
pub(super) fn of_case(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    names: &[String],
) -> Option<String> {
    let rule = word(notes, section, "rule", "the rule's name")?;
    if names.iter().any(|name| name == rule) {
        return Some(rule.to_owned());
    }
    if !names.is_empty() {
        let known = names.iter().map(String::as_str);
        section.refuse(notes, "rule", "one of the case's rules").did_you_mean(rule, known);
    }
    None
}

fn done(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    start_ms: i64,
    names: &[String],
) -> Option<Deed> {
    let at_ms = time(notes, section, "at", start_ms);
    let rule = of_case(notes, section, names);
    if !section.has("action") {
        section.refuse(notes, "action", "acknowledge, snooze, resolve or reopen");
    }
    let words = [("acknowledge", 'a'), ("snooze", 's'), ("resolve", 'r'), ("reopen", 'o')];
    let action = match section.word(notes, "action", &words)? {
        'a' => Action::Acknowledge,
        's' => Action::Snooze { until_ms: time(notes, section, "until", start_ms)? },
        'r' => Action::Resolve,
        _ => Action::Reopen,
    };
    if section.has("until") && !matches!(action, Action::Snooze { .. }) {
        section.refuse(notes, "until", "no end: only a snooze has one");
    }
    let subject = subject(notes, section);
    let line = notes.line(section.at);
    Some(Deed { line, at_ms: at_ms?, rule: rule?, subject, action })
}

fn expected(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    start_ms: i64,
    names: &[String],
) -> Option<Expected> {
    let at_ms = time(notes, section, "at", start_ms);
    let rule = of_case(notes, section, names);
    let words = What::ALL.map(|what| (what.name(), what));
    if !section.has("what") {
        section.refuse(notes, "what", "a transition such as \"raised\"");
    }
    let what = section.word(notes, "what", &words);
    let episode = section.count(notes, "episode", 1..=1_000_000, 1);
    let episode = section.has("episode").then_some(episode);
    let subject = subject(notes, section);
    let within_ms = section.duration_ms(notes, "within", 0..=WITHIN_MAX_MS, 0);
    let line = notes.line(section.at);
    let (at_ms, rule, what) = (at_ms?, rule?, what?);
    let severity = section.word(notes, "severity", &Severity::ALL);
    Some(Expected { line, at_ms, within_ms, rule, subject, what, episode, severity })
}

/// Whom something is about, where the case says it.
pub(super) fn subject(notes: &mut Notes<'_>, section: &Section<'_>) -> Option<String> {
    section.text(notes, "subject", "an id in double quotes").map(str::to_owned)
}
