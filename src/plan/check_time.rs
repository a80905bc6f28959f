//! Time: disorder and the other waiting times, the clock, and the zone of days.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use toml::de::DeValue;

use super::Clock;
use super::check_sources::WINDOW_MAX_MS;
use super::notes::Notes;
use super::raw::Section;
use crate::model::time::{EVENT_TIME_END_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// Largest speed of a simulated clock: 27,000 years pass in a day.
const SPEED_MAX: f64 = 1e7;

/// The waiting times of the top of the file.
pub(super) struct Times {
    /// `disorder`.
    pub(super) disorder_ms: i64,
    /// `idle_timeout`.
    pub(super) idle_timeout_ms: i64,
    /// `seal_after`.
    pub(super) seal_after_ms: i64,
    /// `skew_max`.
    pub(super) skew_max_ms: i64,
}

/// Reads them.
pub(super) fn times(notes: &mut Notes<'_>, top: &Section<'_>) -> Times {
    let mut time = |key, min, default| top.duration_ms(notes, key, min..=WINDOW_MAX_MS, default);
    Times {
        disorder_ms: time("disorder", 0, 10 * MINUTE_MS),
        idle_timeout_ms: time("idle_timeout", 1, 30 * SECOND_MS),
        seal_after_ms: time("seal_after", 0, 10 * MINUTE_MS),
        skew_max_ms: time("skew_max", 0, 5 * MINUTE_MS),
    }
}

/// The clock and `jump_max`.
pub(super) fn clock(notes: &mut Notes<'_>, top: &Section<'_>) -> (Clock, i64) {
    let section = top.table(notes, "clock", true);
    let jump_max_ms = section.duration_ms(notes, "jump_max", 1..=WINDOW_MAX_MS, HOUR_MS);
    let has_kind = section.has("kind");
    match section.word(notes, "kind", &[("wall", false), ("simulated", true)]) {
        Some(true) => {
            if section.has("jump_max") {
                let path = section.path_of("jump_max");
                notes
                    .warning(section.at("jump_max"), &path, "this has no effect")
                    .hint("a simulated clock does not jump: leave it out");
            }
            (simulated(notes, &section), jump_max_ms)
        }
        Some(false) | None => {
            // A misspelt kind says nothing about which clock was meant.
            if !has_kind || section.value("kind").and_then(|v| v.get_ref().as_str()) == Some("wall")
            {
                for key in
                    ["origin", "speed", "fast_until"].into_iter().filter(|key| section.has(key))
                {
                    section
                        .refuse(notes, key, format!("no {key} with a wall clock"))
                        .hint("write kind = \"simulated\", or leave it out");
                }
            }
            (Clock::Wall, jump_max_ms)
        }
    }
}

fn simulated(notes: &mut Notes<'_>, section: &Section<'_>) -> Clock {
    const ORIGIN: &str = "the time where the clock begins, such as \"1997-01-01T00:00:00Z\"";
    const SPEED: &str = "simulated seconds per second, above 0 and at most 10000000";
    let origin_ms = moment(section, "origin");
    if origin_ms.is_none() {
        let hint = if section.has("origin") {
            "RFC 3339 with an offset, from 1970 to 2149"
        } else {
            "a simulated clock needs an origin"
        };
        section.refuse(notes, "origin", ORIGIN).hint(hint);
    }
    let speed = section.number(notes, "speed", SPEED, |speed| speed > 0.0 && speed <= SPEED_MAX);
    if !section.has("speed") {
        section.refuse(notes, "speed", SPEED).hint("86400.0 lets a day pass in a second");
    }
    let fast_until_ms = moment(section, "fast_until");
    if section.has("fast_until") && fast_until_ms.is_none_or(|until| Some(until) <= origin_ms) {
        section
            .refuse(notes, "fast_until", "the time from which the clock is no faster than the wall")
            .hint("RFC 3339 with an offset, after the origin");
    }
    let speed = speed.unwrap_or(1.0);
    Clock::Simulated { origin_ms: origin_ms.unwrap_or(0), speed, fast_until_ms }
}

fn moment(section: &Section<'_>, key: &str) -> Option<i64> {
    match section.value(key).map(|value| value.get_ref()) {
        Some(DeValue::String(text)) => timestamp_ms(text),
        Some(DeValue::Datetime(time)) => timestamp_ms(&time.to_string()),
        _ => None,
    }
}

/// Milliseconds of an RFC 3339 time within what event times may be.
pub(super) fn timestamp_ms(text: &str) -> Option<i64> {
    let ms = text.parse::<Timestamp>().ok()?.as_millisecond();
    (0..EVENT_TIME_END_MS).contains(&ms).then_some(ms)
}

/// The zone and its name; from the bundled database, so that days do not depend on the machine.
pub(super) fn day_zone(notes: &mut Notes<'_>, top: &Section<'_>) -> Option<(TimeZone, String)> {
    if !top.has("day_zone") {
        return Some((TimeZone::UTC, "UTC".to_owned()));
    }
    zone(notes, top, "day_zone")
}

/// The zone that a key names, which must be there.
pub(super) fn zone(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    key: &str,
) -> Option<(TimeZone, String)> {
    const EXPECTED: &str = "an IANA time zone such as \"Europe/Berlin\"";
    let name = section.required(notes, key, EXPECTED)?;
    let database = TimeZoneDatabase::bundled();
    if let Ok(zone) = database.get(name) {
        let name = zone.iana_name().unwrap_or(name).to_owned();
        return Some((zone, name));
    }
    let zones: Vec<String> = database.available().map(|zone| zone.as_str().to_owned()).collect();
    // People know the city, not the continent.
    let city = |zone: &str| zone.rsplit('/').next().unwrap_or("").replace('_', " ");
    let wanted = city(name).to_lowercase();
    let by_city = zones.iter().find(|zone| city(zone).to_lowercase() == wanted);
    let note = section.refuse(notes, key, EXPECTED);
    match by_city {
        Some(zone) => note.hint(format!("did you mean `{zone}`?")),
        None => note.did_you_mean(name, zones.iter().map(String::as_str)),
    };
    if note.hint.is_none() {
        note.hint(
            "take a name of the tz database: a region and a city, not an abbreviation or an offset",
        );
    }
    None
}
