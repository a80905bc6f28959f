//! What is said of an alert's transition: the customer as they stand, the strongest reasons, and what has changed.

use jiff::civil::Date;

use super::look::Looking;
use super::{Held, number};
use crate::engine::said::Field;
use crate::model::registry::{Kind, Signal};
use crate::model::time::DAY_MS;
use crate::rule::condition::{Asks, Term, Test};
use crate::rule::definition::{Rule, Severity, severity};
use crate::rule::evaluate::{Value, reasons};
use crate::rule::lifecycle::{By, Transition, What, alert_id};
use crate::signal::regularity::Rhythm;
use crate::signal::risk::Input;
use crate::wire::alert::AlertWord;

/// Reasons that are told.
const REASONS: usize = 3;
/// What counts as a change of a signal, in its unit.
const CHANGE_MIN: f64 = 0.005;

impl Looking<'_> {
    /// A transition, as it is told; what only the cycle knows is left open.
    pub(super) fn word(&self, held: &mut Held, transition: &Transition, note: &str) -> AlertWord {
        let rule = self.ruled.set.find(&held.rule);
        self.count(held, transition, rule);
        let risk = self.facts.risk(self.tau_ms);
        let at_risk_minor = self.facts.at_risk_minor(self.tau_ms);
        let severity = self.severity(held, transition, rule, at_risk_minor);
        let kind = if held.ticket == 0 { "customer" } else { "ticket" };
        let customer = String::from_utf8_lossy(self.key).into_owned();
        // two customers may call their tickets alike
        let subject = match held.ticket {
            0 => customer.clone(),
            _ => format!("{customer}\0{}", held.subject),
        };
        let said = |field| self.facts.profile.said(field).to_owned();
        let (by_kind, by) = whose(transition);
        let until_ms = held.snoozed_until_ms(transition);
        AlertWord {
            alert_id: format!("{:032x}", alert_id(&held.rule, kind, &subject, held.episode)),
            n: held.n,
            rule: held.rule.to_string(),
            subject_kind: kind.to_owned(),
            subject_id: if held.ticket == 0 { customer.clone() } else { held.subject.to_string() },
            customer_id: customer,
            account_id: said(Field::AccountId),
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
            at_risk_minor,
            currency: self.facts.cx.plan.currency.to_string(),
            risk,
            owner_id: said(Field::OwnerId),
            region: said(Field::Region),
            industry: said(Field::Industry),
            tier: self.facts.tier.place.map_or("", |place| place.tier.name()).to_owned(),
            key: self.facts.is_key(),
            reasons: held.reasons.clone(),
            changed: held.changed.clone(),
            about: rule.map(|rule| rule.about.clone()).unwrap_or_default(),
            next_step: rule.map(|rule| rule.next_step.clone()).unwrap_or_default(),
            receivers: rule.map(|rule| rule.receivers.clone()).unwrap_or_default(),
            ..AlertWord::default()
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
        if let Some(rule) = rule.filter(|_| begins(transition)) {
            let owner = self.facts.profile.said(Field::OwnerId);
            let top = rule.critical_in_top;
            let cut_off = top.and_then(|top| self.owners.cut_off_minor(owner, top));
            held.severity = Some(severity(rule, at_risk_minor, cut_off));
        }
        let usual = || rule.map_or(Severity::Info, |rule| rule.severity);
        held.severity.unwrap_or_else(usual)
    }

    /// The strongest reasons, in words: what the rule found, and of a risk what makes most of it.
    fn reasons(&self, rule: &Rule, held: &Held) -> Vec<String> {
        let (raise, _) = held.watch.memory();
        let found: Vec<Test> = self.with_world(rule, held.ticket, |world| {
            reasons(&rule.raise, raise, world).into_iter().cloned().collect()
        });
        let mut told = Vec::new();
        // measured things before what somebody merely is
        let (plain, measured): (Vec<&Test>, Vec<&Test>) =
            found.iter().partition(|test| is_plain(test));
        for test in measured.into_iter().chain(plain) {
            if is_signal(&test.term, "risk")
                && !told.iter().any(|text: &String| text.starts_with("risk"))
            {
                told.push(self.reason(test));
                told.extend(self.of_risk());
            } else {
                told.push(self.reason(test));
            }
        }
        told.dedup();
        told.truncate(REASONS);
        told
    }

    fn reason(&self, test: &Test) -> String {
        let tau_ms = self.tau_ms;
        let own = match &test.term {
            Term::Signal(signal) if signal.name == "gap_surprise" => self.stayed_away(),
            Term::Signal(signal) if signal.name == "session_gap_surprise" => self.not_visited(),
            Term::Signal(signal) if signal.name == "key_customer" => {
                let is =
                    if self.facts.is_key() { "a key customer" } else { "no key customer any more" };
                Some(is.to_owned())
            }
            Term::Firing(rule) => Some(format!("also {}", rule.replace('_', " "))),
            Term::Age(signal) | Term::BusinessAge(signal) => {
                let since_ms = number(&self.facts, *signal, tau_ms);
                since_ms.map(|ms| format!("open for {}", length(tau_ms as f64 - ms)))
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
        own.unwrap_or_else(|| match test.term.signal() {
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

    fn stayed_away(&self) -> Option<String> {
        Some(self.for_long("bought nothing", self.facts.inputs_gap()?))
    }

    fn not_visited(&self) -> Option<String> {
        Some(self.for_long("did not visit", self.facts.visit_gap()?))
    }

    fn for_long(&self, what: &str, (rhythm, last_ms): (Rhythm, i64)) -> String {
        let for_ms = (self.tau_ms - last_ms) as f64;
        let times = for_ms / (rhythm.g_bar_d * DAY_MS as f64);
        format!("{what} for {}, {times:.1} times the usual gap", length(for_ms))
    }

    /// What adds most to the risk.
    fn of_risk(&self) -> Vec<String> {
        let Some(inputs) = self.facts.inputs() else { return Vec::new() };
        let facts = inputs.facts_at(self.tau_ms);
        let mut found = self.facts.cx.risk.weights.explain(&facts).contributions;
        found.retain(|contribution| contribution.phi > 0.0);
        found.sort_by(|a, b| b.phi.total_cmp(&a.phi));
        found.into_iter().take(REASONS - 1).map(|c| self.input(c.key)).collect()
    }

    fn input(&self, input: Input) -> String {
        match input {
            Input::Base | Input::OverdueGap => {
                self.stayed_away().unwrap_or_else(|| "likely to stay away".to_owned())
            }
            Input::SpendFalling => "spends less than usual".to_owned(),
            Input::EngagementFalling => "visits less often than usual".to_owned(),
            Input::OpenComplaints => "has open complaints".to_owned(),
            Input::SupportLoad => "needs much support".to_owned(),
            Input::LowSatisfaction => "dissatisfied".to_owned(),
            Input::Disappointment => "got less than expected".to_owned(),
            Input::LatePayment => "pays late".to_owned(),
            Input::Extensions => "asked for time to pay".to_owned(),
            Input::CancelIntent => "looked at how to leave".to_owned(),
            Input::OptedOut => "refuses messages".to_owned(),
            Input::DiscountDependent => "buys at a discount only".to_owned(),
            Input::Returns => "sends much back".to_owned(),
            Input::RenewalNear => "the renewal is near and not signed".to_owned(),
            Input::ContactLeft => "the account manager has changed".to_owned(),
        }
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

/// Whether it is decided with it how bad the alert is.
pub(super) fn begins(transition: &Transition) -> bool {
    matches!(transition.what, What::Pending | What::Raised)
}

/// Whether the reasons are told anew with it.
pub(super) fn is_told_why(transition: &Transition) -> bool {
    matches!(transition.what, What::Pending | What::Raised | What::Woken | What::Reopened)
}

/// Whose doing a transition is, and the person's name.
pub(super) fn whose(transition: &Transition) -> (&'static str, String) {
    match &transition.by {
        By::Signals => ("signals", String::new()),
        By::Time => ("time", String::new()),
        By::Person(name) => ("person", name.clone()),
    }
}

pub(super) fn phase_after(transition: &Transition) -> &'static str {
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

fn is_signal(term: &Term, name: &str) -> bool {
    matches!(term, Term::Signal(signal) if signal.name == name)
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

fn length(ms: f64) -> String {
    let d = ms / DAY_MS as f64;
    if d < 2.0 { format!("{:.0} hours", 24.0 * d) } else { format!("{d:.0} days") }
}

fn date(day: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(day * DAY_MS);
    let date: Option<Date> = at.ok().map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date());
    date.map_or_else(|| format!("day {day}"), |date| date.to_string())
}
