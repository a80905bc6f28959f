//! What is said of an alert's transition: the subject as it stands, the strongest reasons, and what has changed.

use jiff::civil::Date;

use super::look::Looking;
use super::view::{Facts, Stands};
use super::{Held, number};
use crate::model::registry::{Kind, Signal};
use crate::model::time::DAY_MS;
use crate::rule::condition::{Asks, Term, Test};
use crate::rule::definition::{Rule, Severity, severity};
use crate::rule::evaluate::{Value, reasons};
use crate::rule::lifecycle::{By, Transition, What, alert_id};
use crate::wire::alert::AlertWord;

/// Reasons that are told.
const REASONS: usize = 3;
/// What counts as a change of a signal, in its unit.
const CHANGE_MIN: f64 = 0.005;

impl<F: Facts> Looking<'_, F> {
    /// A transition, as it is told; what only the cycle knows is left open.
    pub(super) fn word(&self, held: &mut Held, transition: &Transition, note: &str) -> AlertWord {
        let rule = self.ruled.set.find(&held.rule);
        self.count(held, transition, rule);
        let Stands { hashed, word } = self.facts.stands(&held.part_id, self.tau_ms);
        let severity = self.severity(held, transition, rule, word.at_risk_minor);
        let (by_kind, by) = whose(transition);
        let until_ms = held.snoozed_until_ms(transition);
        AlertWord {
            alert_id: format!(
                "{:032x}",
                alert_id(&held.rule, &word.subject_kind, &hashed, held.episode)
            ),
            n: held.n,
            rule: held.rule.to_string(),
            episode: held.episode,
            what: transition.what.name().to_owned(),
            phase: phase_after(transition).to_owned(),
            by,
            by_kind: by_kind.to_owned(),
            note: note.to_owned(),
            severity: severity.name().to_owned(),
            at_ms: transition.at_ms,
            call: transition.pages(),
            raised_ms: held.raised_ms,
            snoozed_until_ms: until_ms,
            reasons: held.reasons.clone(),
            changed: held.changed.clone(),
            about: rule.map(|rule| rule.about.clone()).unwrap_or_default(),
            next_step: rule.map(|rule| rule.next_step.clone()).unwrap_or_default(),
            receivers: rule.map(|rule| rule.receivers.clone()).unwrap_or_default(),
            ..word
        }
    }

    /// Counts a transition, and notes why where one begins or begins again.
    fn count(&self, held: &mut Held, transition: &Transition, rule: Option<&Rule>) {
        held.count(transition);
        if let Some(rule) = rule.filter(|_| is_told_why(transition)) {
            let said = self.reasons(rule, held);
            if !said.is_empty() {
                held.reasons = said;
                held.changed = self.changes(rule);
            }
        }
    }

    /// How bad it is: decided when the episode begins, by the cut-off of the owner that the shard knows then.
    fn severity(
        &self,
        held: &mut Held,
        transition: &Transition,
        rule: Option<&Rule>,
        at_risk_minor: Option<i64>,
    ) -> Severity {
        let begins = matches!(transition.what, What::Pending | What::Raised);
        if let Some(rule) = rule.filter(|_| begins) {
            let cut_off = rule.critical_in_top.and_then(|top| self.facts.cut_off_minor(top));
            held.severity = Some(severity(rule, at_risk_minor, cut_off));
        }
        let usual = || rule.map_or(Severity::Info, |rule| rule.severity);
        held.severity.unwrap_or_else(usual)
    }

    /// The strongest reasons, in words: what the rule found, and of a risk what makes most of it.
    fn reasons(&self, rule: &Rule, held: &Held) -> Vec<String> {
        let (raise, _) = held.watch.memory();
        let Some(ready) = self.ruled.named(&rule.name) else { return Vec::new() };
        let found: Vec<Test> = self.with_world(ready, held.part, |world| {
            reasons(&rule.raise, raise, world).into_iter().cloned().collect()
        });
        let mut told = Vec::new();
        // measured things before what somebody merely is
        let (plain, measured): (Vec<&Test>, Vec<&Test>) =
            found.iter().partition(|test| is_plain(test));
        for test in measured.into_iter().chain(plain) {
            let own = self.reason(test);
            let behind = match &test.term {
                Term::Signal(signal)
                    if !told.iter().any(|text: &String| text.starts_with(&spelled(signal))) =>
                {
                    self.facts.behind(signal, self.tau_ms)
                }
                _ => Vec::new(),
            };
            told.push(own);
            told.extend(behind.into_iter().take(REASONS - 1));
        }
        told.dedup();
        told.truncate(REASONS);
        told
    }

    fn reason(&self, test: &Test) -> String {
        let tau_ms = self.tau_ms;
        let own = match &test.term {
            Term::Firing(rule) => Some(format!("also {}", rule.replace('_', " "))),
            Term::Age(signal) | Term::BusinessAge(signal) => {
                let since_ms = number(&self.facts, *signal, tau_ms);
                since_ms.map(|ms| format!("open for {}", length(tau_ms as f64 - ms)))
            }
            Term::Until(signal) => {
                let at_ms = number(&self.facts, *signal, tau_ms);
                at_ms.map(|ms| format!("{} in {}", spelled(signal), length(ms - tau_ms as f64)))
            }
            Term::Rise { signal, days } | Term::Fall { signal, days } => {
                let daily = self.alerts.days.as_of(&self.facts, *signal, *days, tau_ms);
                let rises = matches!(test.term, Term::Rise { .. });
                let was = daily.and_then(|daily| {
                    if rises { daily.least(*days, tau_ms) } else { daily.largest(*days, tau_ms) }
                });
                let now = number(&self.facts, *signal, tau_ms);
                was.zip(now).map(|(was, now)| {
                    let [was, now] = [was, now].map(|number| shown(signal, number));
                    format!("{} {was} -> {now} within {days} days", spelled(signal))
                })
            }
            _ => None,
        };
        self.facts.reason(test, tau_ms).or(own).unwrap_or_else(|| match test.term.signal() {
            Some(signal) => match self.facts.value(&signal, tau_ms) {
                Some(Value::Number(number)) => {
                    format!("{} {}", spelled(&signal), shown(&signal, number))
                }
                Some(Value::Word(word)) => {
                    let word = signal.words_of().nth(usize::from(word)).unwrap_or("");
                    format!("{} {word}", spelled(&signal))
                }
                Some(Value::Flag(flag)) => {
                    format!("{}{}", if flag { "" } else { "not " }, spelled(&signal))
                }
                None => format!("{} unknown", spelled(&signal)),
            },
            None => test.to_string(),
        })
    }

    /// How remembered signals of the rule stood at the oldest midnight that is remembered.
    fn changes(&self, rule: &Rule) -> Vec<String> {
        let mut signals = rule.raise.signals();
        signals.extend(rule.clear.signals());
        let mut told = Vec::new();
        for rising in &self.ruled.rises {
            if !signals.contains(&rising.signal) {
                continue;
            }
            let daily =
                self.alerts.days.as_of(&self.facts, rising.signal, rising.days, self.tau_ms);
            let was = daily.and_then(|daily| daily.oldest(rising.days, self.tau_ms));
            let now = number(&self.facts, rising.signal, self.tau_ms);
            if let (Some((day, was)), Some(now)) = (was, now)
                && (now - was).abs() >= CHANGE_MIN
            {
                let [was, now] = [was, now].map(|number| shown(&rising.signal, number));
                told.push(format!(
                    "{} {was} -> {now} since {}",
                    spelled(&rising.signal),
                    date(day)
                ));
            }
        }
        told
    }
}

/// Whether the reasons are told anew with it.
fn is_told_why(transition: &Transition) -> bool {
    matches!(transition.what, What::Pending | What::Raised | What::Woken | What::Reopened)
}

/// Whose doing a transition is, and the person's name.
fn whose(transition: &Transition) -> (&'static str, String) {
    match &transition.by {
        By::Signals => ("signals", String::new()),
        By::Time => ("time", String::new()),
        By::Person(name) => ("person", name.clone()),
    }
}

fn phase_after(transition: &Transition) -> &'static str {
    match transition.what {
        What::Pending => "pending",
        What::Withdrawn => "quiet",
        What::Raised | What::Woken | What::Reopened => "firing",
        What::Acknowledged => "acknowledged",
        What::Snoozed => "snoozed",
        What::Resolved if matches!(transition.by, By::Person(_)) => "dismissed",
        What::Resolved => "resolved",
    }
}

/// Counts, words and flags: what tells little by itself.
fn is_plain(test: &Test) -> bool {
    let counts = |signal: &Signal| matches!(signal.kind(), Kind::Count | Kind::Word | Kind::Flag);
    !matches!(test.asks, Asks::Compare { .. })
        || matches!(&test.term, Term::Signal(signal) if counts(signal))
}

fn spelled(signal: &Signal) -> String {
    let name = signal.name.trim_end_matches("_d").trim_end_matches("_h");
    name.trim_end_matches("_minor").replace('_', " ")
}

/// A number as people read it; lengths of time are milliseconds.
fn shown(signal: &Signal, number: f64) -> String {
    match signal.kind() {
        Kind::Duration { .. } => length(number),
        Kind::Count => format!("{number:.0}"),
        _ if signal.unit == "minor units" => format!("{number:.0}"),
        _ => format!("{number:.2}"),
    }
}

/// A length of time as people read it.
pub fn length(ms: f64) -> String {
    let d = ms / DAY_MS as f64;
    if d < 2.0 { format!("{:.0} hours", 24.0 * d) } else { format!("{d:.0} days") }
}

fn date(day: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(day * DAY_MS);
    let date: Option<Date> = at.ok().map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date());
    date.map_or_else(|| format!("day {day}"), |date| date.to_string())
}
