//! A case as it was read: signals given by hand, or events with their times; what people do; and what must follow.

use jiff::tz::TimeZone;

use super::condition::SignalRef;
use super::definition::Severity;
use super::difference::Difference;
use super::evaluate::Value;
use super::lifecycle::{Action, What};
use crate::model::event::EventType;
use crate::model::outcome::Outcome;
use crate::model::registry::Subject;

/// What a signal is said to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Given {
    /// A value; lengths of time in milliseconds.
    Value(Value),
    /// A moment.
    Moment(i64),
    /// Nobody knows.
    Unknown,
}

/// Signals as they are from a moment on.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// From when on.
    pub at_ms: i64,
    /// What changes.
    pub signals: Vec<(&'static str, Given)>,
}

/// What a person does about the present episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// Its line in the file.
    pub line: usize,
    /// When.
    pub at_ms: i64,
    /// About the alert of this rule.
    pub rule: String,
    /// About this subject; `None` where there is only one.
    pub subject: Option<String>,
    /// What.
    pub action: Action,
}

/// A transition that must follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its line in the file.
    pub line: usize,
    /// When.
    pub at_ms: i64,
    /// How far from it, either way.
    pub within_ms: i64,
    /// Of which rule.
    pub rule: String,
    /// Of which subject; `None` where the case does not say.
    pub subject: Option<String>,
    /// What.
    pub what: What,
    /// Of which episode; `None` where the case does not say.
    pub episode: Option<u32>,
    /// How bad; `None` where the case does not say, and by hand.
    pub severity: Option<Severity>,
}

/// An event that comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its line in the file.
    pub line: usize,
    /// When it happened.
    pub at_ms: i64,
    /// When it comes.
    pub arrives_ms: i64,
    /// Name of the source; `None` for the source of its type.
    pub source: Option<String>,
    /// Its type.
    pub kind: EventType,
    /// Its customer, and account where it has one.
    pub customer: String,
    /// Its account.
    pub account: Option<String>,
    /// The record's value: JSON.
    pub payload: String,
    /// What must become of it.
    pub outcome: Outcome,
}

/// What a signal must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// Its line in the file.
    pub line: usize,
    /// The signal.
    pub signal: SignalRef,
    /// What it must be.
    pub is: Given,
    /// How far from it a number may be, in the signal's unit; lengths of time and moments in milliseconds.
    pub within: f64,
}

/// What signals of a subject must be at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// When: after all that came up to then.
    pub at_ms: i64,
    /// Whose: a customer or an account.
    pub subject: Subject,
    /// Its id.
    pub id: String,
    /// What they must be.
    pub bounds: Vec<Bound>,
}

/// How people hear of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// They are called.
    Call,
    /// It stands in a digest.
    Digest,
    /// It stands in a digest as over.
    Over,
}

impl How {
    /// Each with its name in files.
    pub const ALL: [(&'static str, Self); 3] =
        [("call", Self::Call), ("digest", Self::Digest), ("over", Self::Over)];

    /// How files call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, how)| *how == self).map_or("", |(name, _)| name)
    }
}

/// What the account manager must hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its line in the file.
    pub line: usize,
    /// When.
    pub at_ms: i64,
    /// How far from it, either way, beyond what the pipeline itself waits.
    pub within_ms: i64,
    /// Of which rule's alert.
    pub rule: String,
    /// About which subject; `None` where the case does not say.
    pub subject: Option<String>,
    /// How.
    pub how: How,
}

/// How the account manager of a case is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Notifier {
    /// The zone of days and digests.
    pub zone: TimeZone,
    /// Calls a day; `None`: all.
    pub budget: Option<u32>,
    /// Minute of the day at which the digest goes out.
    pub digest_min: u16,
}

/// A case from events.
#[derive(Clone, Debug, PartialEq)]
pub struct Lived {
    /// Name of the definition's file, without `.toml`, that says what the signals are.
    pub definition: String,
    /// The same of the pipeline of accounts.
    pub accounts: String,
    /// What comes, in order of arrival.
    pub events: Vec<Sent>,
    /// What signals must be, in order of time.
    pub wanted: Vec<Wanted>,
    /// What the account manager must hear.
    pub told: Vec<Told>,
    /// How the account manager is told; `None`: nobody is.
    pub notifier: Option<Notifier>,
}

/// A case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Its line in the file.
    pub line: usize,
    /// Transitions of these rules are compared.
    pub rules: Vec<String>,
    /// Where its times are counted from.
    pub start_ms: i64,
    /// Until when it is followed, the end included.
    pub until_ms: i64,
    /// What is given by hand, in order of time.
    pub steps: Vec<Step>,
    /// What comes instead; `None` in a case by hand.
    pub lived: Option<Lived>,
    /// What people do, in order of time.
    pub deeds: Vec<Deed>,
    /// What must follow.
    pub expect: Vec<Expected>,
}

/// How a case went: empty differences if well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The case's name.
    pub name: String,
    /// Its line in the file.
    pub line: usize,
    /// What was not as expected.
    pub differences: Vec<Difference>,
}
