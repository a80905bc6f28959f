//! What is said of an alert's transition: the subject as it stands, the strongest reasons, and what has changed.

use jiff::civil::Date;

use super::look::Looking;
use super::view::{Facts, Stands};
use super::{Held, number, sentence};
use crate::model::registry::{Kind, Signal};
use crate::model::time::{DAY_MS, HOUR_MS};
use crate::rule::condition::{Asks, Condition, SignalRef, Term, Test};
use crate::rule::definition::{Rule, Severity, severity};
use crate::rule::evaluate::{Value, reasons};
use crate::rule::lifecycle::{By, Transition, What, alert_id};
use crate::rule::spoken;
use crate::wire::alert::AlertWord;

/// Reasons that are told.
const REASONS: usize = 3;
/// What counts as a change of a signal, in its unit.
const CHANGE_MIN: f64 = 0.005;
/// Business time beyond this is told as this.
const BUSINESS_TOLD_MAX_MS: i64 = 1_000 * HOUR_MS;

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
        let found: Vec<(Test, Option<Value>)> = self.with_world(ready, held.part, |world| {
            let tests = reasons(&rule.raise, raise, world);
            tests.into_iter().map(|test| (test.clone(), (world.value)(&test.term))).collect()
        });
        let moves: Vec<SignalRef> = found.iter().filter_map(|(test, _)| moving(test)).collect();
        let aged =
            found.iter().any(|(test, _)| matches!(test.term, Term::Age(_) | Term::BusinessAge(_)));
        // measured things before what somebody merely is
        let (plain, measured): (Vec<_>, Vec<_>) =
            found.iter().partition(|(test, _)| is_plain(test));
        let (mut told, currency) = (Vec::new(), self.currency());
        for (test, value) in measured.into_iter().chain(plain) {
            let (own, behind) = match &test.term {
                // how it moved says how it stands, and for how long it is open that it is
                Term::Signal(signal) if moves.contains(signal) => continue,
                Term::Signal(signal) if aged && signal.name == "ticket_open" => continue,
                Term::Signal(signal) | Term::Rise { signal, .. } | Term::Fall { signal, .. } => (
                    self.reason(rule, test, *value, &currency),
                    self.facts.behind(signal, self.tau_ms),
                ),
                _ => (self.reason(rule, test, *value, &currency), Vec::new()),
            };
            let mut causes = 0;
            for text in std::iter::once(own).chain(behind) {
                if causes < REASONS && !told.contains(&text) {
                    told.push(text);
                    causes += 1;
                }
            }
        }
        told.truncate(REASONS);
        told
    }

    fn reason(&self, rule: &Rule, test: &Test, value: Option<Value>, currency: &str) -> String {
        let tau_ms = self.tau_ms;
        let ms = match value {
            Some(Value::Number(ms)) => Some(ms),
            _ => None,
        };
        let own = match &test.term {
            Term::Firing(other) => {
                let when = if value == Some(Value::Flag(true)) { "also" } else { "lately" };
                Some(format!("{when} raised: “{}”", spoken::rule(other)))
            }
            Term::Age(signal) => ms.map(|ms| sentence::of_age(signal, ms)),
            Term::BusinessAge(signal) => {
                let since_ms = number(&self.facts, *signal, tau_ms);
                since_ms.map(|since_ms| {
                    let calendar = self.ruled.calendar(rule);
                    let ms =
                        calendar.between_up_to_ms(since_ms as i64, tau_ms, BUSINESS_TOLD_MAX_MS);
                    sentence::of_business_age(signal, ms as f64)
                })
            }
            Term::Until(signal) => ms.map(|ms| sentence::of_until(signal, ms)),
            Term::Rise { signal, days } | Term::Fall { signal, days } => {
                let daily = self.alerts.days.as_of(&self.facts, *signal, *days, tau_ms);
                let rises = matches!(test.term, Term::Rise { .. });
                let was = daily.and_then(|daily| {
                    if rises { daily.least(*days, tau_ms) } else { daily.largest(*days, tau_ms) }
                });
                was.zip(number(&self.facts, *signal, tau_ms)).map(|(was, now)| {
                    let verb = if rises { "rose" } else { "fell" };
                    let [was, now] = [was, now].map(|n| sentence::number_text(signal, n, currency));
                    format!("{} {verb} from {was} to {now} within {days} days", signal.label)
                })
            }
            Term::Signal(signal) => match (&test.asks, value) {
                (Asks::IsWord(asked), Some(Value::Word(word)))
                    if !asked.contains(&word) && is_within(&rule.raise, test) =>
                {
                    asked.first().map(|asked| sentence::was(signal, *asked))
                }
                _ => None,
            },
        };
        let told = self.facts.reason(test, tau_ms).or(own);
        told.unwrap_or_else(|| match test.term.signal() {
            Some(signal) => {
                let value = self.facts.value(&signal, tau_ms);
                sentence::of_value(&signal, value, currency)
            }
            None => test.to_string(),
        })
    }

    /// How remembered signals of the rule stood at the oldest midnight that is remembered.
    fn changes(&self, rule: &Rule) -> Vec<String> {
        let mut signals = rule.raise.signals();
        signals.extend(rule.clear.signals());
        let currency = self.currency();
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
                let [was, now] =
                    [was, now].map(|n| sentence::number_text(&rising.signal, n, &currency));
                let label = rising.signal.label;
                told.push(format!("{label} from {was} to {now} since {}", date(day)));
            }
        }
        told
    }

    /// The currency in which amounts are told.
    fn currency(&self) -> String {
        self.facts.stands("", self.tau_ms).word.currency
    }
}

/// The signal whose way through the days a test asks for.
fn moving(test: &Test) -> Option<SignalRef> {
    match test.term {
        Term::Rise { signal, .. } | Term::Fall { signal, .. } => Some(signal),
        _ => None,
    }
}

/// Whether a test may have held lately and does not any more.
fn is_within(condition: &Condition, test: &Test) -> bool {
    match condition {
        Condition::Within(inner, _) => inner == test,
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().any(|part| is_within(part, test))
        }
        Condition::Not(inner) => is_within(inner, test),
        _ => false,
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

fn date(day: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(day * DAY_MS);
    let date: Option<Date> = at.ok().map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date());
    date.map_or_else(|| format!("day {day}"), |date| date.strftime("%-d %b %Y").to_string())
}
