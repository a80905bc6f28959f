//! A rule as it is defined and checked, and the set of rules of a pipeline.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::condition::{Condition, SignalRef, Term};
use super::hours::Calendar;
use crate::model::event::EventType;
use crate::model::registry::Subject;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// Every severity with its name, mildest first.
    pub const ALL: [(&'static str, Self); 5] = [
        ("info", Self::Info),
        ("low", Self::Low),
        ("medium", Self::Medium),
        ("high", Self::High),
        ("critical", Self::Critical),
    ];

    /// How definitions and tables call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, severity)| *severity == self).map_or("", |(name, _)| name)
    }
}

/// For how long nothing is raised after an end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cooldown {
    /// Always as long, milliseconds.
    Fixed(i64),
    /// As long as this signal says at the end; not at all where it is unknown then.
    Signal(SignalRef),
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, part of every alert's id.
    pub name: String,
    /// What it means, in one sentence.
    pub about: String,
    /// Whom it is about.
    pub subject: Subject,
    /// What raises it.
    pub raise: Condition,
    /// What clears it, while what raises it does not hold.
    pub clear: Condition,
    /// How long the raising condition must have held, milliseconds.
    pub dwell_ms: i64,
    /// For how long nothing is raised after an end.
    pub cooldown: Cooldown,
    /// How bad it is.
    pub severity: Severity,
    /// Critical where the revenue at risk is among so many largest of the owner, by the owner's last published cut-off.
    pub critical_in_top: Option<u32>,
    /// Its business hours and quiet hours: the number of a calendar in [`RuleSet::calendars`].
    pub calendar: usize,
    /// Who is told: names of receivers; `owner` is the account manager.
    pub receivers: Vec<String>,
    /// What to do about it.
    pub next_step: String,
    /// The events that feed it.
    pub events: Vec<EventType>,
}

/// The rules of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSet {
    /// The calendars; the first is always open.
    pub calendars: Vec<Calendar>,
    /// The rules, each behind those it refers to.
    pub rules: Vec<Rule>,
}

impl Default for RuleSet {
    /// No rules.
    fn default() -> Self {
        Self { calendars: vec![Calendar::always()], rules: Vec::new() }
    }
}

impl Rule {
    /// A hash (xxh3-64) of what the levels and the pace of its alerts follow from: a rule with another one is another rule.
    /// What it is called to people, how bad it is, and who is told is not in it; nor are the hours of the calendar, unless a condition
    /// counts business hours: else a new holiday would end everything that is raised.
    #[must_use]
    pub fn law(&self, calendar: &Calendar) -> u64 {
        let cooldown = match self.cooldown {
            Cooldown::Fixed(ms) => ms.to_string(),
            Cooldown::Signal(signal) => signal.name.to_owned(),
        };
        let subject = self.subject.name();
        let mut text =
            format!("{subject}|{}|{}|{}|{cooldown}", self.raise, self.clear, self.dwell_ms);
        if self.counts_business_hours() {
            let zone = calendar.zone.iana_name().unwrap_or("");
            text.push_str(&format!("|{zone}|{:?}|{:?}", calendar.week, calendar.holidays));
        }
        xxh3_64(text.as_bytes())
    }

    fn counts_business_hours(&self) -> bool {
        let mut counts = false;
        for condition in [&self.raise, &self.clear] {
            condition.tests(&mut |test| counts |= matches!(test.term, Term::BusinessAge(_)));
        }
        counts
    }
}

impl RuleSet {
    /// A hash (xxh3-64) of the names and laws of all rules; 0 without any.
    #[must_use]
    pub fn law(&self) -> u64 {
        if self.rules.is_empty() {
            return 0;
        }
        let mut text = String::new();
        for rule in &self.rules {
            let law = self.calendar(rule).map_or(0, |calendar| rule.law(calendar));
            text.push_str(&format!("{}={law:016x};", rule.name));
        }
        xxh3_64(text.as_bytes())
    }

    /// The rule of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// The calendar of a rule.
    #[must_use]
    pub fn calendar(&self, rule: &Rule) -> Option<&Calendar> {
        self.calendars.get(rule.calendar)
    }
}

/// How bad an alert is: the rule's severity, or critical where the revenue at risk reaches the owner's last cut-off.
#[must_use]
pub fn severity(
    rule: &Rule,
    at_risk_minor: Option<i64>,
    owner_cut_off_minor: Option<i64>,
) -> Severity {
    match (rule.critical_in_top, at_risk_minor, owner_cut_off_minor) {
        (Some(_), Some(at_risk), Some(cut_off)) if at_risk >= cut_off && at_risk > 0 => {
            Severity::Critical
        }
        _ => rule.severity,
    }
}
