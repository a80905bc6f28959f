//! Looking at the alerts of one subject: after each event, when the machine itself has changed a signal, and at dues.

use super::view::{Facts, View};
use super::{Alerts, Held, Ruled, count_on, number};
use crate::model::registry::Subject;
use crate::model::time::NEVER_MS;
use crate::rule::daily::Daily;
use crate::rule::definition::Rule;
use crate::rule::evaluate::World;
use crate::rule::lifecycle::{By, Transition};
use crate::rule::watch::Watch;
use crate::wire::alert::AlertWord;

/// A look at a subject, on its way.
#[derive(Debug)]
pub struct Looking<'a, F: Facts> {
    pub(super) ruled: &'a Ruled,
    /// The subject.
    pub facts: F,
    /// What is remembered of it.
    pub alerts: &'a mut Alerts,
    /// The moment, not before what was seen last.
    pub tau_ms: i64,
    /// When it must be looked at again.
    pub due_ms: i64,
    /// Whether anything happened.
    pub changed: bool,
    /// What happened, in order.
    pub told: Vec<AlertWord>,
}

impl<'a, F: Facts> Looking<'a, F> {
    /// A look at `tau_ms`, or when something last happened, if that is later. The facts are good from then on.
    pub fn new(ruled: &'a Ruled, facts: F, alerts: &'a mut Alerts, tau_ms: i64) -> Self {
        let tau_ms = tau_ms.max(alerts.seen_ms);
        let told = Vec::new();
        Self { ruled, facts, alerts, tau_ms, due_ms: NEVER_MS, changed: false, told }
    }

    /// The rules.
    pub fn ruled(&self) -> &'a Ruled {
        self.ruled
    }

    /// Begins to remember the midnights of signals that were known when something was last heard of the subject: at once after an
    /// event, of a rule that is newer than the last event at the first look. What no rule asks for any more is forgotten: later it
    /// would have a hole.
    pub fn begin_days(&mut self) {
        let rises = &self.ruled.rises;
        let days = &mut self.alerts.days;
        let before = days.0.len();
        days.0.retain(|(name, _)| rises.iter().any(|rising| rising.name == *name));
        self.changed |= days.0.len() != before;
        for rising in rises {
            let known = || number(&self.facts, rising.signal, self.facts.as_of_ms()).is_some();
            if days.of(rising.name).is_none() && known() {
                let mut daily = Daily::default();
                daily.fill(rising.days, self.tau_ms, |_| None);
                days.0.push((rising.name, daily));
                self.changed = true;
            }
        }
    }

    /// Looks at every rule about the subject itself, in their order; those about its parts come after it.
    pub fn all(&mut self, subject: Subject) {
        self.close_changed();
        let ruled = self.ruled;
        for (rule, law) in ruled.ready(subject) {
            self.one(rule, law, None, "");
        }
    }

    /// Ends the look: when something has happened, is remembered.
    pub fn close(&mut self) {
        if self.changed {
            self.alerts.seen_ms = self.tau_ms;
        }
    }

    /// Ends what was raised under a rule that is another one now, or is gone.
    fn close_changed(&mut self) {
        let ruled = self.ruled;
        let laws = |held: &Held| {
            ruled.rules.iter().any(|ready| {
                *ruled.set.rules[ready.index].name == *held.rule && ready.law == held.law
            })
        };
        for at in (0..self.alerts.held.len()).rev() {
            if laws(&self.alerts.held[at]) {
                continue;
            }
            self.end(at, "the rule has changed");
        }
    }

    /// Ends whatever is raised: the subject has ceased to be. What is remembered of episodes stays.
    pub fn end_all(&mut self, note: &str) {
        for at in (0..self.alerts.held.len()).rev() {
            if self.alerts.held[at].is_live() {
                self.end(at, note);
            }
        }
    }

    /// Ends what is held at a place, and begins anew under the rule of that name, if there still is one.
    fn end(&mut self, at: usize, note: &str) {
        let ruled = self.ruled;
        let mut held = self.alerts.held.remove(at);
        self.changed = true;
        if let Some((episode, what)) = held.ended() {
            let transition = Transition { at_ms: self.tau_ms, episode, what, by: By::Signals };
            let word = self.word(&mut held, &transition, note);
            self.told.push(word);
        }
        let law = ruled.rules.iter().find_map(|ready| {
            (ruled.set.rules[ready.index].name == *held.rule).then_some(ready.law)
        });
        match law {
            Some(law) if held.n > 0 => {
                // no episode is counted twice
                held.law = law;
                held.watch = held.watch.renewed(held.episode);
                self.alerts.held.push(held);
            }
            Some(_) => {}
            None => count_on(&mut self.alerts.ended, &held),
        }
    }

    /// Looks at one rule about the subject, or about the part of it that the facts now speak of: the hash of its id, and the id
    /// where it is at hand.
    pub fn one(&mut self, rule: &Rule, law: u64, part: Option<u64>, name: &str) {
        let id = part.unwrap_or(0);
        let is_it = |held: &Held| held.part == id && *held.rule == *rule.name;
        let at = self.alerts.held.iter().position(is_it);
        let before = at.map(|at| self.alerts.held[at].watch.clone());
        let ended = self.alerts.ended(&rule.name);
        let mut watch = before.clone().unwrap_or_else(|| Watch::after(ended));
        let mut out = Vec::new();
        let due_ms = self.with_world(rule, id, |world| watch.look(rule, world, &mut out));
        self.due_ms = self.due_ms.min(due_ms);
        let still = match &before {
            Some(before) => *before == watch,
            None => watch.is_blank_after(ended),
        };
        if still && out.is_empty() {
            return;
        }
        self.changed = true;
        let mut held = match at {
            Some(at) => self.alerts.held.remove(at),
            None => Held::new(rule, law, id, ended),
        };
        if part.is_some() && held.part_id.is_empty() {
            held.part_id = if name.is_empty() { format!("{id:016x}").into() } else { name.into() };
        }
        held.watch = watch;
        for transition in &out {
            let word = self.word(&mut held, transition, "");
            self.told.push(word);
        }
        if !held.is_blank() {
            let at = at.unwrap_or(self.alerts.held.len());
            self.alerts.held.insert(at, held);
        }
    }

    pub(super) fn with_world<T>(
        &self,
        rule: &Rule,
        part: u64,
        act: impl FnOnce(&mut World<'_>) -> T,
    ) -> T {
        let firing = |name: &str| {
            let is_it = |held: &&Held| held.part == part && *held.rule == *name;
            self.alerts.held.iter().find(is_it).is_some_and(|held| held.watch.alert.is_on())
        };
        let view = View {
            facts: &self.facts,
            tau_ms: self.tau_ms,
            calendar: self.ruled.calendar(rule),
            days: &self.alerts.days,
            firing: &firing,
        };
        act(&mut World {
            tau_ms: self.tau_ms,
            value: &mut |term| view.value(term, self.tau_ms),
            crossing: &mut |test| view.crossing_ms(test),
        })
    }
}
