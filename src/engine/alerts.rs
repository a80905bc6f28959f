//! Alert rules about customers and their tickets: what is remembered of them.
//!
//! A look that changes nothing leaves no trace: where it lay depends on when the next due was last looked for. What happens,
//! happens at moments that follow from the events alone.

mod asked;
mod command;
mod crossings;
mod look;
pub mod market;
pub mod owners;
mod segment;
mod values;
mod view;
mod words;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::compact::Moment;
use crate::model::registry::Subject;
use crate::plan::Plan;
use crate::rule::condition::{Condition, SignalRef, Term};
use crate::rule::daily::Daily;
use crate::rule::definition::{Rule, RuleSet, Severity};
use crate::rule::evaluate::Value;
use crate::rule::hours::Calendar;
use crate::rule::lifecycle::{Phase, Transition, What};
use crate::rule::watch::Watch;
pub use asked::Unsaid;
pub use command::{DONE, Refused};
pub use segment::BETWEEN;
use values::Facts;

/// The rules of customers and tickets, with what is derived from them once.
#[derive(Debug)]
pub struct Ruled {
    set: Arc<RuleSet>,
    always: Calendar,
    /// In the order of the set: those that this engine evaluates.
    rules: Vec<Ready>,
    rises: Vec<Rising>,
    tickets: bool,
    /// Numbers of largest revenues at risk that rules speak of, ascending.
    tops: Vec<u32>,
}

#[derive(Debug)]
struct Ready {
    /// In the set.
    index: usize,
    law: u64,
}

/// A signal whose values at midnights are remembered.
#[derive(Debug)]
struct Rising {
    signal: SignalRef,
    name: u32,
    days: u16,
}

/// What is remembered of a customer's alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    held: Vec<Held>,
    days: Days,
    /// When something last happened to one of them.
    seen: Moment,
    /// When they must be looked at again. Follows from the rest, so it is no part of the state.
    #[serde(skip, default = "never")]
    due: Moment,
}

fn never() -> Moment {
    Moment::NEVER
}

impl Default for Alerts {
    fn default() -> Self {
        let seen = Moment::BEFORE_ALL;
        Self { held: Vec::new(), days: Days::default(), seen, due: Moment::NEVER }
    }
}

/// Values of signals at past midnights, by the low half of the hash of the signal's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Days(Vec<(u32, Daily)>);

/// What is remembered of a rule about the customer, or one of its tickets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Held {
    rule: Box<str>,
    /// [`Rule::law`] of the rule it was made under.
    law: u64,
    /// The hash of the ticket's id; 0 for the customer.
    ticket: u64,
    /// The subject's id, where it is not the customer's.
    subject: Box<str>,
    watch: Watch,
    /// The transitions of this episode.
    episode: u32,
    n: u32,
    raised_ms: Option<i64>,
    /// How bad it was when the episode began.
    severity: Option<Severity>,
    /// Why it was raised, and what had changed: also told with what people then do about it.
    reasons: Vec<String>,
    changed: Vec<String>,
}

impl Held {
    fn new(rule: &Rule, law: u64, ticket: u64) -> Self {
        Self {
            rule: rule.name.as_str().into(),
            law,
            ticket,
            subject: Box::default(),
            watch: Watch::default(),
            episode: 0,
            n: 0,
            raised_ms: None,
            severity: None,
            reasons: Vec::new(),
            changed: Vec::new(),
        }
    }

    fn is_blank(&self) -> bool {
        self.n == 0 && self.watch.is_blank()
    }

    /// Counts a transition.
    fn count(&mut self, transition: &Transition) {
        if self.episode != transition.episode {
            (self.episode, self.n, self.raised_ms) = (transition.episode, 0, None);
            (self.reasons, self.changed) = (Vec::new(), Vec::new());
            self.severity = None;
        }
        self.n += 1;
        if transition.what == What::Raised {
            self.raised_ms = Some(transition.at_ms);
        }
    }

    /// How it ends when its rule does: in which episode, and with which transition; `None` where nothing is to be told.
    fn ended(&self) -> Option<(u32, What)> {
        let episode = self.watch.alert.episode();
        match self.watch.alert.phase() {
            Phase::Quiet | Phase::Dismissed => None,
            Phase::Pending => Some((episode + 1, What::Withdrawn)),
            _ => Some((episode, What::Resolved)),
        }
    }

    /// Until when it is put off by this transition.
    fn snoozed_until_ms(&self, transition: &Transition) -> Option<i64> {
        match self.watch.alert.phase() {
            Phase::Snoozed { until_ms } if transition.what == What::Snoozed => Some(until_ms),
            _ => None,
        }
    }

    fn is_live(&self) -> bool {
        self.watch.alert.phase() != Phase::Quiet
    }
}

impl Alerts {
    fn is_blank(&self) -> bool {
        self.held.is_empty() && self.days.0.is_empty() && self.due.is_none()
    }

    /// When they must be looked at again.
    pub fn due_ms(&self) -> i64 {
        self.due.ms()
    }

    /// Notes when they must be looked at again.
    pub fn set_due_ms(&mut self, at_ms: i64) {
        self.due = Moment::new(at_ms);
    }

    /// About how many bytes its state has.
    pub fn bytes_guess(&self) -> usize {
        let texts = |held: &Held| {
            let all = held.reasons.iter().chain(&held.changed);
            120 + all.map(String::len).sum::<usize>()
        };
        self.held.iter().map(texts).sum::<usize>() + self.days.0.len() * 80
    }
}

impl Days {
    fn of(&self, name: u32) -> Option<&Daily> {
        self.0.iter().find(|(held, _)| *held == name).map(|(_, daily)| daily)
    }

    /// The memory of a signal with the midnights up to a moment.
    fn as_of(&self, facts: &Facts<'_>, signal: SignalRef, days: u16, at_ms: i64) -> Option<Daily> {
        let mut daily = self.of(name_of(signal))?.clone();
        daily.fill(days, at_ms, |ms| number(facts, signal, ms));
        Some(daily)
    }
}

fn name_of(signal: SignalRef) -> u32 {
    xxh3_64(signal.name.as_bytes()) as u32
}

fn number(facts: &Facts<'_>, signal: SignalRef, at_ms: i64) -> Option<f64> {
    match facts.value(&signal, at_ms) {
        Some(Value::Number(number)) => Some(number),
        _ => None,
    }
}

impl Ruled {
    /// The rules of a plan; `None` where none is about customers or tickets.
    pub fn new(plan: &Plan) -> Option<Self> {
        let set = Arc::clone(&plan.alerts);
        let mut rules = Vec::new();
        let mut rises: Vec<Rising> = Vec::new();
        for (index, rule) in set.rules.iter().enumerate() {
            // a rule over what is not computed yet stays silent
            let computed = |condition: &Condition| {
                condition.signals().iter().all(|signal| signal.is_computed())
            };
            let known =
                matches!(rule.subject, Subject::Customer | Subject::Ticket | Subject::Segment);
            if !known || !computed(&rule.raise) {
                continue;
            }
            let law = set.calendar(rule).map_or(0, |calendar| rule.law(calendar));
            rules.push(Ready { index, law });
            for condition in [&rule.raise, &rule.clear] {
                condition.tests(&mut |test| note_rise(&mut rises, &test.term));
            }
        }
        let mut tops: Vec<u32> =
            rules.iter().filter_map(|ready| set.rules[ready.index].critical_in_top).collect();
        tops.sort_unstable();
        tops.dedup();
        let tickets = rules.iter().any(|r| set.rules[r.index].subject == Subject::Ticket);
        let always = Calendar::always();
        (!rules.is_empty()).then_some(Self { set, always, rules, rises, tickets, tops })
    }

    fn ready(&self, subject: Subject) -> impl Iterator<Item = (&Rule, u64)> {
        let all = self.rules.iter().map(|ready| (&self.set.rules[ready.index], ready.law));
        all.filter(move |(rule, _)| rule.subject == subject)
    }

    /// Whether there is a rule about segments.
    pub fn is_about_segments(&self) -> bool {
        self.ready(Subject::Segment).next().is_some()
    }

    /// Numbers of largest revenues at risk that rules speak of, ascending; each at least 1.
    pub fn tops(&self) -> &[u32] {
        &self.tops
    }

    fn calendar(&self, rule: &Rule) -> &Calendar {
        self.set.calendar(rule).unwrap_or(&self.always)
    }

    /// When people may be called for what a rule has found at `at_ms`; `None` at once.
    pub fn loud_from_ms(&self, rule: &str, at_ms: i64) -> Option<i64> {
        let rule = self.set.find(rule)?;
        Some(self.calendar(rule).loud_from_ms(at_ms)).filter(|loud_ms| *loud_ms > at_ms)
    }
}

fn note_rise(rises: &mut Vec<Rising>, term: &Term) {
    let (Term::Rise { signal, days } | Term::Fall { signal, days }) = term else { return };
    let name = name_of(*signal);
    match rises.iter_mut().find(|rising| rising.name == name) {
        Some(rising) => rising.days = rising.days.max(*days),
        None => rises.push(Rising { signal: *signal, name, days: *days }),
    }
}
