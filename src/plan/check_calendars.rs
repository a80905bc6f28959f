//! Calendars of rules: zone, business hours, holidays, quiet hours.

use toml::de::DeValue;

use super::notes::Notes;
use super::raw::Section;
use super::{check_rules, check_time};
use crate::rule::hours::{Calendar, span, week};

const HOURS_MAX: usize = 32;
const HOLIDAYS_MAX: usize = 512;

/// Reads one `[[calendar]]`.
pub(super) fn calendar(notes: &mut Notes<'_>, section: &Section<'_>) -> Option<Calendar> {
    let name = check_rules::word(notes, section, "name", "the calendar's name");
    let zone = check_time::zone(notes, section, "zone");
    let hours = hours(notes, section);
    let holidays = holidays(notes, section);
    let quiet = quiet(notes, section);
    let (zone, _) = zone?;
    Some(Calendar {
        name: name?.to_owned(),
        zone,
        week: hours?,
        holidays: holidays?,
        quiet: quiet?,
    })
}

fn hours(notes: &mut Notes<'_>, section: &Section<'_>) -> Option<[Vec<(u16, u16)>; 7]> {
    if !section.has("hours") {
        section
            .refuse(notes, "hours", "business hours")
            .hint("add `hours = [\"mon-fri 09:00-17:00\"]`");
        return None;
    }
    let lines = section.texts(notes, "hours", 64, HOURS_MAX)?;
    match week(&lines) {
        Ok(week) => Some(week),
        Err((index, expected)) => {
            let found = format!("found {}", lines.get(index).map_or("", String::as_str));
            let (at, path) = (item_at(section, "hours", index), section.path_of("hours"));
            notes
                .error(at, &format!("{path}[{index}]"), &found)
                .expected(expected)
                .hint("days are mon tue wed thu fri sat sun, times 00:00 to 24:00");
            None
        }
    }
}

fn holidays(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
) -> Option<std::collections::BTreeSet<jiff::civil::Date>> {
    let Some(value) = section.value("holidays") else { return Some(Default::default()) };
    if value.get_ref().as_array().is_some_and(|items| items.is_empty()) {
        return Some(Default::default());
    }
    let mut days = std::collections::BTreeSet::new();
    let mut wrong = false;
    for (index, text) in section.texts(notes, "holidays", 16, HOLIDAYS_MAX)?.into_iter().enumerate()
    {
        match text.parse() {
            Ok(day) => wrong |= !days.insert(day),
            Err(_) => {
                wrong = true;
                let path = format!("{}[{index}]", section.path_of("holidays"));
                notes
                    .error(item_at(section, "holidays", index), &path, &format!("found {text}"))
                    .expected("a date such as \"2026-12-25\"");
                continue;
            }
        }
        if wrong {
            let path = format!("{}[{index}]", section.path_of("holidays"));
            notes
                .error(item_at(section, "holidays", index), &path, &format!("found {text} again"))
                .hint("leave one of them out");
            return None;
        }
    }
    (!wrong).then_some(days)
}

/// Outside `None`: something was noted; inside: no quiet hours.
#[allow(clippy::option_option)]
fn quiet(notes: &mut Notes<'_>, section: &Section<'_>) -> Option<Option<(u16, u16)>> {
    const EXPECTED: &str = "two times such as \"22:00-07:00\"";
    if !section.has("quiet") {
        return Some(None);
    }
    let found = section.text(notes, "quiet", EXPECTED)?;
    let span = span(found);
    if span.is_none() {
        section.refuse(notes, "quiet", EXPECTED).hint("the end may be on the next day");
    }
    span.map(Some)
}

/// Where an item of a list stands.
fn item_at(section: &Section<'_>, key: &str, index: usize) -> usize {
    let items = section.value(key).map(|value| value.get_ref());
    match items {
        Some(DeValue::Array(items)) => items.get(index).map(|item| item.span().start),
        _ => None,
    }
    .unwrap_or_else(|| section.at(key))
}
