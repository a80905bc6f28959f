//! What a case expected and what it got instead, in words, with the line that expected it.

use super::case::{Case, Expected};
use super::definition::Severity;
use super::lifecycle::What;
use crate::model::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, duration_text};

/// Something that was not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line of what was expected; that of the case for what nobody expected.
    pub line: usize,
    /// What was expected.
    pub expected: String,
    /// What happened.
    pub got: String,
}

/// A transition as it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at_ms: i64,
    /// Of which rule.
    pub rule: String,
    /// Of which subject; empty in a case by hand.
    pub subject: String,
    /// What.
    pub what: What,
    /// Of which episode.
    pub episode: u32,
    /// How bad; empty in a case by hand.
    pub severity: String,
}

impl Difference {
    /// As people read it, in three lines: `FILE:LINE:`, what was expected, what was got.
    #[must_use]
    pub fn render(&self, file: &str) -> String {
        format!("{file}:{}:\n    expected {}\n    got      {}", self.line, self.expected, self.got)
    }

    /// The same in one line.
    #[must_use]
    pub fn line_text(&self) -> String {
        format!("expected {}, got {}", self.expected, self.got)
    }
}

/// What was expected and did not happen, in the order of the lines, then what happened and was not expected.
#[must_use]
pub fn compare(case: &Case, happened: Vec<Happened>) -> Vec<Difference> {
    let mut left = happened;
    let mut missing: Vec<&Expected> = Vec::new();
    for expected in &case.expect {
        match left.iter().position(|happened| fits(expected, happened)) {
            Some(index) => drop(left.remove(index)),
            None => missing.push(expected),
        }
    }
    let mut differences = Vec::new();
    for expected in missing {
        let near = left.iter().position(|h| is_of(expected, h) && h.what == expected.what);
        let got = near.map(|index| left.remove(index));
        let wanted = Happened {
            at_ms: expected.at_ms,
            rule: expected.rule.clone(),
            subject: expected.subject.clone().unwrap_or_default(),
            what: expected.what,
            episode: expected.episode.unwrap_or(0),
            severity: expected.severity.map_or("", Severity::name).to_owned(),
        };
        let give = match expected.within_ms {
            0 => String::new(),
            within_ms => format!(", within {}", duration_text(within_ms)),
        };
        let expected_words = format!("{}{give}", words(case, &wanted));
        let got = got.map_or("nothing".to_owned(), |happened| words(case, &happened));
        differences.push(Difference { line: expected.line, expected: expected_words, got });
    }
    differences.extend(left.into_iter().map(|happened| Difference {
        line: case.line,
        expected: "nothing".to_owned(),
        got: words(case, &happened),
    }));
    differences
}

fn is_of(expected: &Expected, happened: &Happened) -> bool {
    expected.rule == happened.rule
        && expected.subject.as_ref().is_none_or(|subject| *subject == happened.subject)
}

fn fits(expected: &Expected, happened: &Happened) -> bool {
    is_of(expected, happened)
        && happened.what == expected.what
        && (happened.at_ms - expected.at_ms).abs() <= expected.within_ms
        && expected.episode.is_none_or(|episode| episode == happened.episode)
        && expected.severity.is_none_or(|severity| severity.name() == happened.severity)
}

/// `volume_shrink of C1 raised after 14d (2026-01-19T09:00:00Z), episode 1, medium`.
fn words(case: &Case, happened: &Happened) -> String {
    let of = match happened.subject.as_str() {
        "" => String::new(),
        subject => format!(" of {subject}"),
    };
    let episode = match happened.episode {
        0 => String::new(),
        episode => format!(", episode {episode}"),
    };
    let severity = match happened.severity.as_str() {
        "" => String::new(),
        severity => format!(", {severity}"),
    };
    let (rule, what) = (&happened.rule, happened.what.name());
    format!("{rule}{of} {what} {}{episode}{severity}", moment(case, happened.at_ms))
}

/// A moment as people read it: `after 14d (2026-01-19T09:00:00Z)`.
#[must_use]
pub fn moment(case: &Case, at_ms: i64) -> String {
    let after = match at_ms - case.start_ms {
        after_ms if after_ms < 0 => format!("{} before the start", length(-after_ms)),
        after_ms => format!("after {}", length(after_ms)),
    };
    match jiff::Timestamp::from_millisecond(at_ms) {
        Ok(time) => format!("{after} ({time})"),
        Err(_) => after,
    }
}

/// A length of time as people read it: `14d`, `86d13h47m49.925s`.
#[must_use]
pub fn length(ms: i64) -> String {
    if ms % MINUTE_MS == 0 && ms < DAY_MS || ms % DAY_MS == 0 {
        return duration_text(ms);
    }
    let (mut rest_ms, mut text) = (ms, String::new());
    for (unit, unit_ms) in [("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS)] {
        if rest_ms >= unit_ms {
            text.push_str(&format!("{}{unit}", rest_ms / unit_ms));
            rest_ms %= unit_ms;
        }
    }
    match (rest_ms / SECOND_MS, rest_ms % SECOND_MS) {
        (0, 0) => text,
        (seconds, 0) => format!("{text}{seconds}s"),
        (seconds, ms) => format!("{text}{seconds}.{ms:03}s"),
    }
}
