//! Looking at the alerts of one subject: after each event, when the machine itself has changed a signal, and at dues.

use super::ruled::{Ready, Ruled};
use super::touched::Touched;
use super::view::{Facts, View};
use super::{Alerts, Held, count_on, number};
use crate::model::registry::Subject;
use crate::model::time::NEVER_MS;
use crate::rule::daily::Daily;
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
    /// When the rules about the subject itself must be looked at again.
    pub(super) own_due_ms: i64,
    /// The same of those about its parts.
    parts_due_ms: i64,
    /// Whether anything happened.
    pub changed: bool,
    /// What happened, in order.
    pub told: Vec<AlertWord>,
}

impl<'a, F: Facts> Looking<'a, F> {
    /// A look at `tau_ms`, or when something last happened, if that is later. The facts are good from then on.
    pub fn new(ruled: &'a Ruled, facts: F, alerts: &'a mut Alerts, tau_ms: i64) -> Self {
        let tau_ms = tau_ms.max(alerts.seen_ms);
        let (told, [own_due_ms, parts_due_ms]) = (Vec::new(), alerts.dues_ms());
        Self { ruled, facts, alerts, tau_ms, own_due_ms, parts_due_ms, changed: false, told }
    }

    /// When the subject must be looked at again, what of it was looked at being as it was found.
    pub fn due_ms(&self) -> i64 {
        self.own_due_ms.min(self.parts_due_ms)
    }

    /// The rules.
    pub fn ruled(&self) -> &'a Ruled {
        self.ruled
    }

    /// Begins to remember the midnights of signals that were known when something was last heard of the subject, and that may have
    /// become so by what was touched: at once after an event, of a rule that is newer than the last event at the first look. What no
    /// rule asks for any more is forgotten: later it would have a hole.
    pub fn begin_days(&mut self, touched: Touched) {
        let rises = &self.ruled.rises;
        let days = &mut self.alerts.days;
        let before = days.0.len();
        days.0.retain(|(name, _)| rises.iter().any(|rising| rising.name == *name));
        self.changed |= days.0.len() != before;
        for rising in rises.iter().filter(|rising| rising.told_from.meets(touched)) {
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
        self.told_from(subject, Touched::ALL);
    }

    /// The same of those only that are told from what was touched, unless one of them is due.
    pub fn told_from(&mut self, subject: Subject, touched: Touched) {
        self.close_changed();
        self.own_due_ms = self.rules(subject, self.also_due(touched), None);
    }

    /// What was touched; everything, where the rules about the subject itself are due.
    pub fn also_due(&self, touched: Touched) -> Touched {
        if self.own_due_ms <= self.tau_ms { Touched::ALL } else { touched }
    }

    /// Looks at the rules about the subject, or about the part of it that the facts now speak of, that are told from what was
    /// touched. Returns when one must be looked at again: where not all of them were, no later than was known before.
    fn rules(&mut self, subject: Subject, touched: Touched, part: Option<u64>) -> i64 {
        let ruled = self.ruled;
        let before_ms = match part {
            _ if touched == Touched::ALL => NEVER_MS,
            Some(part) => self.alerts.part_due_ms(part),
            None => self.own_due_ms,
        };
        let told = ruled.ready(subject, touched);
        told.fold(before_ms, |due_ms, ready| due_ms.min(self.one(ready, part)))
    }

    /// Looks at the rules about a part of the subject, of which the facts now speak: those that are told from what was touched,
    /// all where one is due.
    pub fn part(&mut self, subject: Subject, touched: Touched, part: u64) {
        let due = self.alerts.part_due_ms(part) <= self.tau_ms;
        let touched = if due { Touched::ALL } else { touched };
        let due_ms = self.rules(subject, touched, Some(part));
        self.alerts.set_part_due_ms(part, due_ms);
        self.parts_due_ms = self.parts_due_ms.min(due_ms);
    }

    /// Whether a part must be looked at.
    pub fn part_is_due(&self) -> bool {
        self.parts_due_ms <= self.tau_ms
    }

    /// Forgets the parts: no rule is about them.
    pub fn forget_parts(&mut self) {
        self.changed |= self.alerts.parts_len() > 0;
        self.alerts.retain_parts(|_| false);
        self.parts_due_ms = NEVER_MS;
    }

    /// To be called before every part is given to [`Self::part`]: what was known of when they are due is told anew.
    pub fn every_part(&mut self) {
        self.parts_due_ms = NEVER_MS;
    }

    /// Which rules about a subject raise something of whoever it is, or wait for something: by their place.
    pub(super) fn restless(&mut self, subject: Subject) -> Vec<bool> {
        let ruled = self.ruled;
        let mut one = |ready: &Ready| {
            let due_ms = self.one(ready, None);
            std::mem::take(&mut self.changed) || due_ms != NEVER_MS
        };
        let about = |ready: &Ready| ruled.rule(ready).subject == subject;
        ruled.rules.iter().map(|ready| about(ready) && one(ready)).collect()
    }

    /// Ends the look: when something has happened, and when to look again, is remembered. Returns the latter.
    pub fn close(&mut self) -> i64 {
        if self.changed {
            self.alerts.seen_ms = self.tau_ms;
        }
        self.alerts.set_dues_ms([self.own_due_ms, self.parts_due_ms]);
        self.due_ms()
    }

    /// Ends what was raised under a rule that is another one now, or is gone.
    fn close_changed(&mut self) {
        let ruled = self.ruled;
        let laws = |held: &Held| {
            ruled
                .rules
                .iter()
                .any(|ready| ready.law == held.law && *ruled.rule(ready).name == *held.rule)
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
        (self.own_due_ms, self.parts_due_ms) = (NEVER_MS, NEVER_MS);
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
        let law = ruled
            .rules
            .iter()
            .find_map(|ready| (ruled.rule(ready).name == *held.rule).then_some(ready.law));
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

    /// Looks at one rule about the subject, or about the part of it that the facts now speak of. Returns its next due.
    fn one(&mut self, ready: &Ready, part: Option<u64>) -> i64 {
        let (rule, id) = (self.ruled.rule(ready), part.unwrap_or(0));
        let is_it =
            |held: &Held| held.part == id && held.law == ready.law && *held.rule == *rule.name;
        let at = self.alerts.held.iter().position(is_it);
        let ended = self.alerts.ended(&rule.name);
        let blank = Watch::after(ended);
        let held = at.map_or(&blank, |at| &self.alerts.held[at].watch);
        // mostly nothing changes, and nothing is copied
        if let Some(due_ms) = self.with_world(ready, id, |world| held.still(rule, world)) {
            return due_ms;
        }
        let mut watch = held.clone();
        let mut out = Vec::new();
        let due_ms = self.with_world(ready, id, |world| watch.look(rule, world, &mut out));
        let still = match at {
            Some(at) => self.alerts.held[at].watch == watch,
            None => watch.is_blank_after(ended),
        };
        if still && out.is_empty() {
            return due_ms;
        }
        self.changed = true;
        let mut held = match at {
            Some(at) => self.alerts.held.remove(at),
            None => Held::new(rule, ready.law, id, ended),
        };
        if part.is_some() && held.part_id.is_empty() {
            held.part_id = match self.alerts.part_id(id) {
                Some(text) => text.into(),
                // it was open already when the rule came
                None => format!("{id:016x}").into(),
            };
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
        due_ms
    }

    pub(super) fn with_world<T>(
        &self,
        ready: &Ready,
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
            calendar: self.ruled.calendar(self.ruled.rule(ready)),
            business_max_ms: ready.business_max_ms,
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
