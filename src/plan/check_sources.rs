//! Names, sources and drop rules: what is read, from which topics, and what is filtered out.

use super::notes::Notes;
use super::raw::Section;
use super::{DropField, DropRule, DropTest, Source, scalar, words_topic};
use crate::model::event::EventType;
use crate::model::time::DAY_MS;

/// Longest window of any kind.
pub(super) const WINDOW_MAX_MS: i64 = 3_650 * DAY_MS;

const SOURCES_MAX: usize = 8;
const DROPS_MAX: usize = 64;
/// Texts of one drop rule.
const DROP_TEXTS_MAX: usize = 1_000;
/// Longest text of a drop rule, bytes: no field it looks at can be longer.
const DROP_TEXT_BYTES_MAX: usize = 128;
const NAME_BYTES_MAX: usize = 41;
/// Kafka allows 249; the dead-letter topic adds `.dlq`.
const TOPIC_BYTES_MAX: usize = 245;
const DEDUP_WINDOW_MS: i64 = 30 * DAY_MS;
const DEDUP_IDS: u32 = 8_192;

/// The required key `name` of a section: a word fit for topics, tables and metrics.
pub(super) fn name<'d>(
    notes: &mut Notes<'_>,
    section: &Section<'d>,
    whose: &str,
) -> Option<&'d str> {
    let expected = format!("{whose}: a-z, then up to 40 of a-z, 0-9, _ and -");
    let name = section.required(notes, "name", &expected)?;
    if is_name(name) {
        return Some(name);
    }
    let cure = suggested_name(name);
    let note = section.refuse(notes, "name", expected);
    match cure {
        Some(cure) => note.hint(format!("did you mean \"{cure}\"?")),
        None => note.hint("it names topics, tables and metrics: choose a short plain word"),
    };
    None
}

fn is_name(name: &str) -> bool {
    let letters = name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    let begins = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    letters && begins && name.len() <= NAME_BYTES_MAX
}

/// The nearest allowed name, where there is one.
fn suggested_name(name: &str) -> Option<String> {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '_' | '-') => c,
        _ => '_',
    };
    let replaced: String = name.chars().map(plain).collect();
    let trimmed = replaced.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    (trimmed.len() >= 2 && trimmed.len() <= NAME_BYTES_MAX && name.is_ascii())
        .then(|| trimmed.to_owned())
}

/// The sources; with stand-ins for wrong values, so that drop rules can still be checked against their names.
pub(super) fn sources<'d>(
    notes: &mut Notes<'_>,
    top: &Section<'d>,
    pipeline: &str,
    disorder_ms: i64,
) -> Vec<Source> {
    let sections = top.tables(notes, "source");
    let expected = format!("1 to {SOURCES_MAX} tables [[source]]");
    if sections.is_empty() {
        if !top.has("source") {
            top.refuse(notes, "source", expected)
                .hint("add a [[source]] with a name and a topic for each topic to read");
        }
    } else if let Some(extra) = sections.get(SOURCES_MAX) {
        notes
            .error(extra.at, "source", &format!("found {}", sections.len()))
            .expected(expected)
            .hint("merge topics, or make a second pipeline");
    }
    let mut sources: Vec<Source> = Vec::new();
    for section in sections.iter().take(SOURCES_MAX) {
        let source = source(notes, section, pipeline, disorder_ms);
        let twin = |same: fn(&Source) -> &str| {
            let value = same(&source);
            sources.iter().position(|s| !value.is_empty() && same(s) == value)
        };
        let twins = [("name", twin(|s| &s.name)), ("topic", twin(|s| &s.topic))];
        for (key, at) in twins.into_iter().filter_map(|(key, twin)| Some((key, twin?))) {
            section
                .refuse(notes, key, format!("a {key} of its own"))
                .hint(format!("source[{at}] has it already"));
        }
        sources.push(source);
    }
    sources
}

fn source<'d>(
    notes: &mut Notes<'_>,
    section: &Section<'d>,
    pipeline: &str,
    disorder_ms: i64,
) -> Source {
    let source_name = name(notes, section, "the source's name").unwrap_or("");
    if section.word(notes, "kind", &[("events", false), ("signals", true)]) == Some(true) {
        return words(notes, section, pipeline, source_name);
    }
    if section.has("pipeline") {
        section
            .refuse(notes, "pipeline", "no pipeline beside a topic of events")
            .hint("add `kind = \"signals\"` to hear what that pipeline says of its customers");
    }
    let topic = topic(notes, section, pipeline).unwrap_or("");
    let types = EventType::ALL.map(|event_type| (event_type.name(), event_type));
    let default_type = section.word(notes, "default_type", &types);
    let dedup_window_ms =
        section.duration_ms(notes, "dedup_window", 1..=WINDOW_MAX_MS, DEDUP_WINDOW_MS);
    if dedup_window_ms < disorder_ms {
        let disorder = scalar::duration_text(disorder_ms);
        let path = section.path_of("dedup_window");
        let found = format!("found {}", scalar::duration_text(dedup_window_ms));
        notes
            .warning(section.at("dedup_window"), &path, &found)
            .expected(format!("at least the disorder ({disorder})"))
            .hint(format!(
                "events out of order can be put aside as late: write \"{disorder}\" or more"
            ));
    }
    let ids = section.count(notes, "dedup_ids_max", 8..=1_000_000, DEDUP_IDS);
    Source {
        name: source_name.to_owned(),
        topic: topic.to_owned(),
        default_type,
        dedup_window_ms,
        dedup_ids_max: ids as usize,
        speaker: None,
    }
}

/// A source of words: its topic follows from the pipeline that speaks.
fn words(notes: &mut Notes<'_>, section: &Section<'_>, own: &str, source_name: &str) -> Source {
    let expected = "the name of the pipeline that speaks";
    let mut speaker = section.required(notes, "pipeline", expected).unwrap_or("");
    if !speaker.is_empty() && !is_name(speaker) {
        section.refuse(notes, "pipeline", expected).hint("it is the `name` of its definition");
        speaker = "";
    } else if !speaker.is_empty() && speaker == own {
        section
            .refuse(notes, "pipeline", "the name of another pipeline")
            .hint("no pipeline hears itself: make a second definition with a name of its own");
    }
    for key in ["topic", "default_type", "dedup_window", "dedup_ids_max"] {
        if section.has(key) {
            section
                .refuse(notes, key, "none of it beside kind = \"signals\"")
                .hint("leave it out: topic and order of the words follow from `pipeline`");
        }
    }
    Source {
        name: source_name.to_owned(),
        topic: if speaker.is_empty() { String::new() } else { words_topic(speaker, 1) },
        default_type: None,
        dedup_window_ms: DEDUP_WINDOW_MS,
        dedup_ids_max: DEDUP_IDS as usize,
        speaker: Some(speaker.to_owned()),
    }
}

fn topic<'d>(notes: &mut Notes<'_>, section: &Section<'d>, pipeline: &str) -> Option<&'d str> {
    let expected =
        format!("a Kafka topic: 1 to {TOPIC_BYTES_MAX} of a-z, A-Z, 0-9, '.', '_' and '-'");
    let topic = section.required(notes, "topic", &expected)?;
    let letters = topic.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let length = (1..=TOPIC_BYTES_MAX).contains(&topic.len());
    if !letters || !length || topic == "." || topic == ".." {
        section.refuse(notes, "topic", expected).hint("one topic by its full name, no pattern");
        return None;
    }
    if topic.ends_with(".dlq") {
        section
            .refuse(notes, "topic", "a source topic")
            .hint("names ending in .dlq are dead-letter topics: repair and replay them instead");
        return None;
    }
    if is_own_topic(topic, pipeline) {
        section.refuse(notes, "topic", "a source topic").hint(format!(
            "`{pipeline}.gN.` begins the names of this pipeline's own topics: rename one of them"
        ));
        return None;
    }
    Some(topic)
}

/// Whether the topic is `PIPELINE.gN.…`.
fn is_own_topic(topic: &str, pipeline: &str) -> bool {
    let rest = topic.strip_prefix(pipeline).and_then(|rest| rest.strip_prefix(".g"));
    let Some((generation, _)) = rest.and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    !generation.is_empty() && generation.bytes().all(|b| b.is_ascii_digit())
}

/// The drop rules.
pub(super) fn drops<'d>(
    notes: &mut Notes<'_>,
    top: &Section<'d>,
    sources: &[Source],
) -> Vec<DropRule> {
    let sections = top.tables(notes, "drop");
    if let Some(extra) = sections.get(DROPS_MAX) {
        notes
            .error(extra.at, "drop", &format!("found {}", sections.len()))
            .expected(format!("at most {DROPS_MAX} tables [[drop]]"))
            .hint("one rule may list many texts");
    }
    let sections = sections.get(..DROPS_MAX).unwrap_or(&sections);
    let names: Vec<_> =
        sections.iter().map(|s| s.value("name").and_then(|v| v.get_ref().as_str())).collect();
    for (index, (section, name)) in sections.iter().zip(&names).enumerate() {
        let twin = names.iter().take(index).position(|other| name.is_some() && other == name);
        if let Some(twin) = twin {
            section
                .refuse(notes, "name", "a name of its own")
                .hint(format!("drop[{twin}] has it already"));
        }
    }
    sections.iter().filter_map(|section| drop_rule(notes, section, sources)).collect()
}

fn drop_rule<'d>(
    notes: &mut Notes<'_>,
    section: &Section<'d>,
    sources: &[Source],
) -> Option<DropRule> {
    let name = name(notes, section, "the rule's name");
    let source = drop_source(notes, section, sources);
    let field = drop_field(notes, section);
    let test = drop_test(notes, section);
    Some(DropRule { name: name?.to_owned(), source, field: field?, test: test? })
}

fn drop_source<'d>(notes: &mut Notes<'_>, section: &Section<'d>, sources: &[Source]) -> Option<u8> {
    let names = || sources.iter().map(|s| s.name.as_str()).filter(|name| !name.is_empty());
    let expected = format!("one of the sources {}", names().collect::<Vec<_>>().join(", "));
    let text = section.text(notes, "source", &expected)?;
    let Some(index) = sources.iter().position(|source| source.name == text) else {
        let by_topic = sources.iter().find(|source| source.topic == text);
        let note = section.refuse(notes, "source", expected).did_you_mean(text, names());
        if let Some(source) = by_topic {
            note.hint(format!("sources are called by name: did you mean `{}`?", source.name));
        }
        return None;
    };
    u8::try_from(index).ok()
}

fn drop_field<'d>(notes: &mut Notes<'_>, section: &Section<'d>) -> Option<DropField> {
    const FIELDS: [(&str, DropField); 5] = [
        ("customer_id", DropField::CustomerId),
        ("account_id", DropField::AccountId),
        ("event_id", DropField::EventId),
        ("origin", DropField::Origin),
        ("channel", DropField::Channel),
    ];
    let names = FIELDS.map(|(name, _)| name).join(", ");
    section.required(notes, "field", &format!("one of {names}"))?;
    if section.value("field").and_then(|v| v.get_ref().as_str()) == Some("source") {
        section
            .refuse(notes, "field", format!("one of {names}"))
            .hint("the event's field `source` is called `origin` here");
        return None;
    }
    section.word(notes, "field", &FIELDS)
}

/// How the texts of a rule become its test.
type Build = fn(Vec<String>) -> DropTest;

fn drop_test<'d>(notes: &mut Notes<'_>, section: &Section<'d>) -> Option<DropTest> {
    let kinds: [(&str, Build); 3] = [
        ("equals", DropTest::Equals),
        ("starts_with", DropTest::StartsWith),
        ("ends_with", DropTest::EndsWith),
    ];
    let mut test = None;
    let mut present = 0;
    for (key, build) in kinds {
        if !section.has(key) {
            continue;
        }
        present += 1;
        let texts = section.texts(notes, key, DROP_TEXT_BYTES_MAX, DROP_TEXTS_MAX);
        test = test.or(texts.map(build));
        if present > 1 {
            section
                .refuse(notes, key, "exactly one of equals, starts_with, ends_with")
                .hint("make a second [[drop]] of it");
        }
    }
    if present == 0 {
        notes
            .error(section.at, &section.path, "found none of them")
            .expected("exactly one of equals, starts_with, ends_with")
            .hint("add for example `starts_with = [\"test-\"]`");
    }
    test
}
