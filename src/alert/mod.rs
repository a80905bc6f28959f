//! Alert rules about whatever has signals: what is remembered of a subject, how it is looked at, and what is told. The engine
//! brings customers and tickets, `account/` accounts; both through [`Facts`].
//!
//! A look that changes nothing leaves no trace: where it lay depends on when the next due was last looked for. What happens,
//! happens at moments that follow from the events alone.

pub mod command;
pub mod look;
pub mod view;
pub mod words;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::model::registry::Subject;
use crate::model::time::{BEFORE_ALL_MS, NEVER_MS};
use crate::plan::Plan;
use crate::rule::condition::{SignalRef, Term};
use crate::rule::daily::Daily;
use crate::rule::definition::{Rule, RuleSet, Severity};
use crate::rule::evaluate::Value;
use crate::rule::hours::Calendar;
use crate::rule::lifecycle::{Phase, Transition, What};
use crate::rule::watch::Watch;
use crate::wire::mail::Acted;
pub use view::Facts;

/// The rules that a pipeline evaluates, with what is derived from them once.
#[derive(Debug)]
pub struct Ruled {
    set: Arc<RuleSet>,
    always: Calendar,
    /// In the order of the set: those that are evaluated.
    rules: Vec<Ready>,
    rises: Vec<Rising>,
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

/// What is remembered of a subject's alerts, and those of its parts (a customer's tickets).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    held: Vec<Held>,
    days: Days,
    /// By rule (the low half of the hash of its name) the last episode of what is held no more: of a rule that is gone, of parts that
    /// are forgotten. Whatever comes under that name counts on from there, so that no id of an alert is given twice.
    ended: Vec<(u32, u32)>,
    /// In a rebuild, what people have done in the generation before, in order of time, until it takes effect.
    acted: Vec<Acted>,
    /// When something last happened to one of them.
    seen_ms: i64,
    /// When they must be looked at again. Follows from the rest, so it is no part of the state.
    #[serde(skip, default = "never")]
    due_ms: i64,
}

fn never() -> i64 {
    NEVER_MS
}

impl Default for Alerts {
    fn default() -> Self {
        let (seen_ms, due_ms) = (BEFORE_ALL_MS, NEVER_MS);
        let (held, days, ended, acted) = (Vec::new(), Days::default(), Vec::new(), Vec::new());
        Self { held, days, ended, acted, seen_ms, due_ms }
    }
}

/// Values of signals at past midnights, by the low half of the hash of the signal's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Days(Vec<(u32, Daily)>);

/// What is remembered of a rule about a subject, or one of its parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    rule: Box<str>,
    /// [`Rule::law`] of the rule it was made under.
    law: u64,
    /// The hash of the part's id (a ticket's); 0 for the subject itself.
    part: u64,
    /// The part's id; empty for the subject itself.
    part_id: Box<str>,
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
    /// After so many episodes of that rule.
    fn new(rule: &Rule, law: u64, part: u64, episode: u32) -> Self {
        Self {
            rule: rule.name.as_str().into(),
            law,
            part,
            part_id: Box::default(),
            watch: Watch::after(episode),
            episode,
            n: 0,
            raised_ms: None,
            severity: None,
            reasons: Vec::new(),
            changed: Vec::new(),
        }
    }

    fn is_blank(&self) -> bool {
        self.n == 0 && self.watch.is_blank_after(self.episode)
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
            Phase::Quiet => None,
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

    /// The hash of the part's id; 0 for the subject itself.
    pub fn part(&self) -> u64 {
        self.part
    }

    /// Whether something is raised, or about to be.
    pub fn is_live(&self) -> bool {
        self.watch.alert.phase() != Phase::Quiet
    }
}

impl Alerts {
    /// Whether there is nothing to remember.
    pub fn is_blank(&self) -> bool {
        self.is_at_rest() && self.ended.is_empty() && self.due_ms == NEVER_MS
    }

    /// Whether a look without any rule would find nothing to end.
    pub fn is_at_rest(&self) -> bool {
        self.held.is_empty() && self.days.0.is_empty() && self.acted.is_empty()
    }

    /// Whether ids of alerts were given that must not be given again.
    pub fn counts_episodes(&self) -> bool {
        !self.held.is_empty() || !self.ended.is_empty()
    }

    /// When they must be looked at again; [`NEVER_MS`] where nothing is due.
    pub fn due_ms(&self) -> i64 {
        self.due_ms
    }

    /// Sets when they must be looked at again.
    pub fn set_due_ms(&mut self, due_ms: i64) {
        self.due_ms = due_ms;
    }

    /// When something last happened to one of them.
    pub fn seen_ms(&self) -> i64 {
        self.seen_ms
    }

    /// What is remembered, rule by rule.
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    /// Forgets what is not `kept`, but for how many episodes it had.
    pub fn retain(&mut self, mut kept: impl FnMut(&Held) -> bool) {
        let Self { held, ended, .. } = self;
        held.retain(|held| {
            let kept = kept(held);
            if !kept {
                count_on(ended, held);
            }
            kept
        });
    }

    /// The last episode of what was held of a rule and is not any more.
    fn ended(&self, rule: &str) -> u32 {
        let name = name_hash(rule);
        self.ended.iter().find(|(held, _)| *held == name).map_or(0, |(_, episode)| *episode)
    }

    /// Takes the values of past midnights out.
    pub fn take_days(&mut self) -> Days {
        std::mem::take(&mut self.days)
    }

    /// Puts them back.
    pub fn put_days(&mut self, days: Days) {
        self.days = days;
    }

    /// The rules of which something is remembered, for messages.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.held.iter().map(|held| &*held.rule)
    }

    /// About how many bytes its state has.
    pub fn bytes_guess(&self) -> usize {
        let texts = |held: &Held| {
            let all = held.reasons.iter().chain(&held.changed);
            120 + all.map(String::len).sum::<usize>()
        };
        let ended = self.ended.len() * size_of::<(u32, u32)>();
        let acted = self.acted.len() * 200;
        self.held.iter().map(texts).sum::<usize>() + self.days.0.len() * 80 + ended + acted
    }
}

impl Days {
    fn of(&self, name: u32) -> Option<&Daily> {
        self.0.iter().find(|(held, _)| *held == name).map(|(_, daily)| daily)
    }

    /// The memory of a signal with the midnights up to a moment.
    fn as_of(&self, facts: &dyn Facts, signal: SignalRef, days: u16, at_ms: i64) -> Option<Daily> {
        let mut daily = self.of(name_of(signal))?.clone();
        daily.fill(days, at_ms, |ms| number(facts, signal, ms));
        Some(daily)
    }

    /// Before an event changes the subject: the midnights that have passed since the last one.
    pub fn fill(&mut self, ruled: &Ruled, facts: &dyn Facts, until_ms: i64) {
        for rising in &ruled.rises {
            if let Some((_, daily)) = self.0.iter_mut().find(|(name, _)| *name == rising.name) {
                daily.fill(rising.days, until_ms, |ms| number(facts, rising.signal, ms));
            }
        }
    }
}

/// Notes the last episode of what is to be forgotten.
fn count_on(ended: &mut Vec<(u32, u32)>, held: &Held) {
    let name = name_hash(&held.rule);
    match ended.iter_mut().find(|(rule, _)| *rule == name) {
        _ if held.n == 0 => {}
        Some((_, episode)) => *episode = held.episode.max(*episode),
        None => ended.push((name, held.episode)),
    }
}

fn name_of(signal: SignalRef) -> u32 {
    name_hash(signal.name)
}

fn name_hash(name: &str) -> u32 {
    xxh3_64(name.as_bytes()) as u32
}

fn number(facts: &dyn Facts, signal: SignalRef, at_ms: i64) -> Option<f64> {
    match facts.value(&signal, at_ms) {
        Some(Value::Number(number)) => Some(number),
        _ => None,
    }
}

impl Ruled {
    /// The rules of a plan about these subjects.
    pub fn new(plan: &Plan, subjects: &[Subject]) -> Self {
        let set = Arc::clone(&plan.alerts);
        let mut rules = Vec::new();
        let mut rises: Vec<Rising> = Vec::new();
        for (index, rule) in set.rules.iter().enumerate() {
            if !subjects.contains(&rule.subject) {
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
        let always = Calendar::always();
        Self { set, always, rules, rises, tops }
    }

    /// Whether there is none: then nothing is looked at but what rules before them had raised.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules about a subject, in the order of the set, each with its [`Rule::law`].
    pub fn ready(&self, subject: Subject) -> impl Iterator<Item = (&Rule, u64)> {
        let all = self.rules.iter().map(|ready| (&self.set.rules[ready.index], ready.law));
        all.filter(move |(rule, _)| rule.subject == subject)
    }

    /// Whether there is a rule about such subjects.
    pub fn is_about(&self, subject: Subject) -> bool {
        self.ready(subject).next().is_some()
    }

    /// Numbers of largest revenues at risk that rules speak of, ascending; each at least 1.
    pub fn tops(&self) -> &[u32] {
        &self.tops
    }

    /// Whether values of past midnights are remembered.
    pub fn remembers_days(&self) -> bool {
        !self.rises.is_empty()
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
