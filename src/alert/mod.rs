//! Alert rules about whatever has signals: what is remembered of a subject, how it is looked at, and what is told. The engine
//! brings customers and tickets, `account/` accounts; both through [`Facts`].
//!
//! A look that changes nothing leaves no trace: where it lay depends on when the next due was last looked for. What happens,
//! happens at moments that follow from the events alone.

pub mod command;
pub mod look;
pub mod owners;
mod part;
mod ruled;
mod sentence;
pub mod touched;
pub mod view;
pub mod words;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::model::time::{BEFORE_ALL_MS, NEVER_MS};
use crate::rule::condition::SignalRef;
use crate::rule::daily::Daily;
use crate::rule::definition::{Rule, Severity};
use crate::rule::evaluate::Value;
use crate::rule::lifecycle::{Phase, Transition, What};
use crate::rule::watch::Watch;
use crate::wire::mail::Acted;
pub use part::Part;
pub use ruled::Ruled;
pub use view::Facts;

/// What is remembered of a subject's alerts, and those of its parts (a customer's tickets).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    held: Vec<Held>,
    days: Days,
    /// The parts that rules may be raised about, by their ids' hashes.
    parts: Vec<Part>,
    /// By rule (the low half of the hash of its name) the last episode of what is held no more: of a rule that is gone, of parts that
    /// are forgotten. Whatever comes under that name counts on from there, so that no id of an alert is given twice.
    ended: Vec<(u32, u32)>,
    /// In a rebuild, what people have done in the generation before, in order of time, until it takes effect.
    acted: Vec<Acted>,
    /// When something last happened to one of them.
    seen_ms: i64,
    /// When the rules about the subject itself must be looked at again. Follows from the rest, so it is no part of the state.
    #[serde(skip, default = "never")]
    own_due_ms: i64,
    /// The same of those about its parts.
    #[serde(skip, default = "never")]
    parts_due_ms: i64,
}

fn never() -> i64 {
    NEVER_MS
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            days: Days::default(),
            parts: Vec::new(),
            ended: Vec::new(),
            acted: Vec::new(),
            seen_ms: BEFORE_ALL_MS,
            own_due_ms: NEVER_MS,
            parts_due_ms: NEVER_MS,
        }
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
        self.is_at_rest() && self.ended.is_empty() && self.due_ms() == NEVER_MS
    }

    /// Whether a look without any rule would find nothing to end.
    pub fn is_at_rest(&self) -> bool {
        let none = self.held.is_empty() && self.parts.is_empty() && self.acted.is_empty();
        none && self.days.0.is_empty()
    }

    /// Whether ids of alerts were given that must not be given again.
    pub fn counts_episodes(&self) -> bool {
        !self.held.is_empty() || !self.ended.is_empty()
    }

    /// When they must be looked at again; [`NEVER_MS`] where nothing is due.
    pub fn due_ms(&self) -> i64 {
        self.own_due_ms.min(self.parts_due_ms)
    }

    /// When the rules about the subject itself, and those about its parts, must be looked at again.
    pub fn dues_ms(&self) -> [i64; 2] {
        [self.own_due_ms, self.parts_due_ms]
    }

    /// Makes sure that everything is looked at by then.
    pub fn lower_due_ms(&mut self, due_ms: i64) {
        self.own_due_ms = self.own_due_ms.min(due_ms);
    }

    /// Sets them.
    pub fn set_dues_ms(&mut self, dues_ms: [i64; 2]) {
        [self.own_due_ms, self.parts_due_ms] = dues_ms;
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
        // nearly always nothing is
        if self.ended.is_empty() {
            return 0;
        }
        let name = name_hash(rule);
        self.ended.iter().find(|(held, _)| *held == name).map_or(0, |(_, episode)| *episode)
    }

    /// Whether a midnight has passed by then that is not remembered yet.
    pub fn lacks_days(&self, at_ms: i64) -> bool {
        self.days.0.iter().any(|(_, daily)| !daily.is_filled(at_ms))
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
        let parts = self.parts.iter().map(Part::bytes_guess).sum::<usize>();
        let ended = self.ended.len() * size_of::<(u32, u32)>();
        let rare = parts + ended + self.acted.len() * 200;
        self.held.iter().map(texts).sum::<usize>() + self.days.0.len() * 80 + rare
    }
}

impl Days {
    fn of(&self, name: u32) -> Option<&Daily> {
        self.0.iter().find(|(held, _)| *held == name).map(|(_, daily)| daily)
    }

    /// The memory of a signal with the midnights up to a moment.
    fn as_of(
        &self,
        facts: &dyn Facts,
        signal: SignalRef,
        days: u16,
        at_ms: i64,
    ) -> Option<Cow<'_, Daily>> {
        let held = self.of(name_of(signal))?;
        if held.is_filled(at_ms) {
            return Some(Cow::Borrowed(held));
        }
        let mut daily = held.clone();
        daily.fill(days, at_ms, |ms| number(facts, signal, ms));
        Some(Cow::Owned(daily))
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
