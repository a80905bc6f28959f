//! Subjects that live on no shard of their own (segments, employees), in shard 0: what every shard was last told to have counted of
//! them, and the alerts about them.
//!
//! Shards tell by full hours. An hour is looked at when every shard has told it, so what happens follows from the letters'
//! content and not from when they come; between two hours the exact dues are met.

use std::collections::{BTreeMap, BTreeSet};

use super::told::{Hours, Standing, Told, ToldRecord, fold};
use crate::alert::command::Refused;
use crate::alert::look::Looking;
use crate::alert::{Alerts, Facts, Ruled};
use crate::engine::context::Context;
use crate::model::registry::Subject;
use crate::model::time::{BEFORE_ALL_MS, NEVER_MS};
use crate::wire::alert::AlertWord;
use crate::wire::mail::{Acted, Hourly, Said};

/// Hours of a subject that wait for other shards, at most; the oldest are then taken for later ones.
const HOURS_MAX: usize = 256;

/// All of them.
#[derive(Debug)]
pub struct Market<T> {
    subjects: BTreeMap<Box<str>, Standing<T>>,
    /// Up to when each shard has told everything.
    heard: BTreeMap<u16, i64>,
    /// Up to here everything was looked at.
    done_ms: i64,
    /// Hours that are still to be looked at, and whose sums are new in them.
    hours: BTreeMap<i64, BTreeSet<Box<str>>>,
    dues: BTreeSet<(i64, Box<str>)>,
    /// Subjects of shards of which many hours wait.
    long: BTreeSet<(u16, Box<str>)>,
    told_changed: BTreeSet<(u16, Box<str>)>,
    alerts_changed: BTreeSet<Box<str>>,
    done_changed: bool,
}

impl<T> Default for Market<T> {
    fn default() -> Self {
        Self {
            subjects: BTreeMap::new(),
            heard: BTreeMap::new(),
            done_ms: BEFORE_ALL_MS,
            hours: BTreeMap::new(),
            dues: BTreeSet::new(),
            long: BTreeSet::new(),
            told_changed: BTreeSet::new(),
            alerts_changed: BTreeSet::new(),
            done_changed: false,
        }
    }
}

impl<F: Facts> Looking<'_, F> {
    /// Looks at every rule about the subject, and takes up what people have done about it in the generation before. Returns when to look again.
    fn all_of(&mut self, subject: Subject, name: &str) -> i64 {
        self.all(subject);
        while self.act_again(name) {
            self.all(subject);
        }
        self.close()
    }
}

/// A look at a subject at `at_ms`, but not before what it is told from, nor before something last happened.
fn looking<'a, T: Told>(
    (cx, ruled): (&'a Context, &'a Ruled),
    name: &'a str,
    told: &[&T],
    alerts: &'a mut Alerts,
    at_ms: i64,
) -> Looking<'a, T::Facts<'a>> {
    let facts = T::facts(cx, name, told);
    let tau_ms = at_ms.max(facts.as_of_ms());
    Looking::new(ruled, facts, alerts, tau_ms)
}

impl<T: Told> Market<T> {
    /// What a shard tells. What was told before changes nothing.
    pub fn hear(&mut self, shard: u16, told: &Hourly<T>) {
        let heard_ms = self.heard.get(&shard).copied().unwrap_or(i64::MIN);
        for (hour_ms, subjects) in told.hours.iter().filter(|(hour_ms, _)| *hour_ms > heard_ms) {
            for (name, content) in subjects {
                let name: Box<str> = name.as_str().into();
                let subject = self.subjects.entry(name.clone()).or_default();
                let hours = subject.shards.entry(shard).or_default();
                hours.push((*hour_ms, content.clone()));
                if hours.len() > HOURS_MAX {
                    self.long.insert((shard, name.clone()));
                }
                self.told_changed.insert((shard, name.clone()));
                self.hours.entry(*hour_ms).or_default().insert(name);
            }
        }
        if told.to_ms > heard_ms {
            self.heard.insert(shard, told.to_ms);
            self.told_changed.insert((shard, Box::default()));
        }
    }

    /// Up to when every one of so many shards has told everything; `None` as long as one has told nothing.
    fn known_ms(&self, shards: u16) -> Option<i64> {
        let all = self.heard.len() >= usize::from(shards);
        all.then(|| self.heard.values().copied().min()).flatten()
    }

    /// Whether something is to be looked at.
    pub fn is_waiting(&self, shards: u16) -> bool {
        self.known_ms(shards).is_some_and(|known_ms| known_ms > self.done_ms)
    }

    /// Looks at what every shard has told, hours and dues in order of time, at most `budget` subjects. Returns how many.
    pub fn judge(
        &mut self,
        cx: &Context,
        shards: u16,
        budget: usize,
        told: &mut Vec<AlertWord>,
    ) -> usize {
        let Some(until_ms) = self.known_ms(shards) else {
            self.shorten();
            return 0;
        };
        let ruled = &cx.alerts;
        let mut looked = 0;
        while looked < budget {
            let hour = self.hours.first_key_value().map(|(ms, _)| *ms).filter(|ms| *ms <= until_ms);
            let due = self.dues.first().map(|(ms, _)| *ms).filter(|ms| *ms <= until_ms);
            match (due, hour) {
                (None, None) => {
                    self.done_to(until_ms);
                    self.shorten();
                    break;
                }
                // of a moment that is both, the hour knows more
                (Some(due_ms), hour) if hour.is_none_or(|hour_ms| due_ms < hour_ms) => {
                    if let Some((_, name)) = self.dues.pop_first() {
                        self.look(cx, ruled, &name, due_ms, told);
                    }
                    self.done_to(due_ms);
                }
                (_, Some(hour_ms)) => {
                    let names = self.hours.get_mut(&hour_ms);
                    match names.and_then(BTreeSet::pop_first) {
                        Some(name) => self.come_to(cx, ruled, &name, hour_ms, told),
                        None => {
                            self.hours.remove(&hour_ms);
                            continue;
                        }
                    }
                    self.done_to(hour_ms);
                }
                (Some(_), None) => break,
            }
            looked += 1;
        }
        looked
    }

    /// What still waits in too many hours waits in the latest of them.
    fn shorten(&mut self) {
        for (shard, name) in std::mem::take(&mut self.long) {
            let subject = self.subjects.get_mut(&name);
            if let Some(hours) = subject.and_then(|subject| subject.shards.get_mut(&shard))
                && hours.len() > HOURS_MAX
            {
                let first = hours.remove(0);
                fold(hours, hours.len() + 2 - HOURS_MAX);
                hours.insert(0, first);
            }
        }
    }

    fn done_to(&mut self, at_ms: i64) {
        if at_ms > self.done_ms {
            self.done_ms = at_ms;
            self.done_changed = true;
        }
    }

    fn come_to(
        &mut self,
        cx: &Context,
        ruled: &Ruled,
        name: &str,
        hour_ms: i64,
        told: &mut Vec<AlertWord>,
    ) {
        if let Some(subject) = self.subjects.get_mut(name) {
            let moved = subject.come_to(hour_ms);
            self.told_changed.extend(moved.into_iter().map(|shard| (shard, name.into())));
        }
        self.look(cx, ruled, name, hour_ms, told);
    }

    /// Looks at a subject, finds when it must be looked at again, and forgets what says nothing any more.
    fn look(
        &mut self,
        cx: &Context,
        ruled: &Ruled,
        name: &str,
        at_ms: i64,
        told: &mut Vec<AlertWord>,
    ) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let mut alerts = std::mem::take(&mut subject.alerts);
        let before_ms = alerts.due_ms();
        let mut look = looking((cx, ruled), name, &subject.told(at_ms), &mut alerts, at_ms);
        let due_ms = look.all_of(T::SUBJECT, name);
        let changed = look.changed;
        told.append(&mut look.told);
        drop(look);
        subject.alerts = alerts;
        if changed {
            self.alerts_changed.insert(name.into());
        }
        let gone = subject.forget(cx, at_ms);
        let due_ms = due_ms.min(subject.over_ms(cx, at_ms).max(at_ms.saturating_add(1)));
        self.told_changed.extend(gone.into_iter().map(|shard| (shard, name.into())));
        self.arm(name, before_ms, due_ms);
        let left = |subject: &Standing<T>| !subject.shards.is_empty() || !subject.alerts.is_blank();
        if !self.subjects.get(name).is_some_and(left) {
            self.subjects.remove(name);
            self.alerts_changed.insert(name.into());
        }
    }

    /// Each subject has one due at most.
    fn arm(&mut self, name: &str, before_ms: i64, due_ms: i64) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        subject.alerts.set_dues_ms([due_ms, NEVER_MS]);
        if before_ms != due_ms {
            self.dues.remove(&(before_ms, name.into()));
        }
        if due_ms != NEVER_MS {
            self.dues.insert((due_ms, name.into()));
        }
    }

    /// Does what a person says about a subject's alert, once.
    ///
    /// # Errors
    /// Why it has no effect.
    pub fn command(
        &mut self,
        cx: &Context,
        said: &Said,
        told: &mut Vec<AlertWord>,
    ) -> Result<(), Refused> {
        let ruled = &cx.alerts;
        let at_ms = self.done_ms;
        let name = said.subject.as_str();
        let subject = self.subjects.get_mut(name).ok_or(Refused::NoAlert)?;
        let mut alerts = std::mem::take(&mut subject.alerts);
        let mut look = looking((cx, ruled), name, &subject.told(at_ms), &mut alerts, at_ms);
        let done = look.obey(name, said);
        told.append(&mut look.told);
        drop(look);
        subject.alerts = alerts;
        done?;
        self.alerts_changed.insert(said.subject.as_str().into());
        self.look(cx, ruled, &said.subject, at_ms, told);
        Ok(())
    }

    /// Notes what a person has done about a subject in the generation before.
    pub fn expect(&mut self, acted: Acted) {
        let name: Box<str> = acted.said.subject.as_str().into();
        let alerts = &mut self.subjects.entry(name.clone()).or_default().alerts;
        alerts.expect(acted);
        let before_ms = alerts.due_ms();
        let due_ms = before_ms.min(alerts.expected_ms().max(alerts.seen_ms()));
        self.arm(&name, before_ms, due_ms);
        self.alerts_changed.insert(name);
    }

    /// Up to when everything was looked at, if its record is to be written.
    pub fn take_done(&mut self) -> Option<i64> {
        std::mem::take(&mut self.done_changed).then_some(self.done_ms)
    }

    /// What was told: records that are to be written; those without a name say up to when, and `None` where it was forgotten.
    pub fn take_told(
        &mut self,
    ) -> impl Iterator<Item = (u16, Box<str>, Option<ToldRecord<'_, T>>)> {
        let changed = std::mem::take(&mut self.told_changed);
        changed.into_iter().map(|(shard, name)| {
            let record = if name.is_empty() {
                self.heard.get(&shard).map(|ms| ToldRecord::To(*ms))
            } else {
                let subject = self.subjects.get(&name);
                subject.and_then(|subject| subject.shards.get(&shard)).map(ToldRecord::Hours)
            };
            (shard, name, record)
        })
    }

    /// Subjects whose alerts are to be written; `None` where they were forgotten.
    pub fn take_alerts(&mut self) -> impl Iterator<Item = (Box<str>, Option<&Alerts>)> {
        let changed = std::mem::take(&mut self.alerts_changed);
        let subjects = &self.subjects;
        changed.into_iter().map(move |name| {
            let alerts = subjects.get(&name).map(|subject| &subject.alerts);
            (name, alerts)
        })
    }

    /// A record of [`Self::take_told`]: up to when a shard has told everything.
    pub fn restore_heard(&mut self, shard: u16, to_ms: Option<i64>) {
        match to_ms {
            Some(to_ms) => drop(self.heard.insert(shard, to_ms)),
            None => drop(self.heard.remove(&shard)),
        }
    }

    /// A record of [`Self::take_told`]: what a shard has told of a subject.
    pub fn restore_told(&mut self, shard: u16, name: &str, hours: Option<Hours<T>>) {
        let subject = self.subjects.entry(name.into()).or_default();
        match hours {
            Some(hours) => drop(subject.shards.insert(shard, hours)),
            None => drop(subject.shards.remove(&shard)),
        }
    }

    /// A record of [`Self::take_alerts`].
    pub fn restore_alerts(&mut self, name: &str, alerts: Option<Alerts>) {
        self.subjects.entry(name.into()).or_default().alerts = alerts.unwrap_or_default();
    }

    /// The record of [`Self::take_done`].
    pub fn restore_done(&mut self, done_ms: i64) {
        self.done_ms = done_ms;
    }

    /// After all records were read: finds what is to be looked at, and when: at once, where a look changes something. Where no rule is
    /// left nothing will be looked at: what they had raised ends here.
    pub fn restored(&mut self, cx: &Context, told: &mut Vec<AlertWord>) {
        let (ruled, done_ms) = (&cx.alerts, self.done_ms);
        // records of what was forgotten
        self.subjects.retain(|_, held| !held.shards.is_empty() || !held.alerts.is_blank());
        let mut armed = Vec::new();
        for (name, subject) in &self.subjects {
            let to_come = subject.shards.values().flatten().filter(|(ms, _)| *ms >= done_ms);
            for (hour_ms, _) in to_come {
                self.hours.entry(*hour_ms).or_default().insert(name.clone());
            }
            let mut copy = subject.alerts.clone();
            let mut look = looking((cx, ruled), name, &subject.told(done_ms), &mut copy, done_ms);
            let found_ms = look.all_of(T::SUBJECT, name);
            let over_ms = subject.over_ms(cx, done_ms).max(done_ms.saturating_add(1));
            let next_ms = if look.changed { done_ms.saturating_add(1) } else { found_ms };
            armed.push((name.clone(), next_ms.min(over_ms), look.changed));
        }
        for (name, due_ms, changed) in armed {
            self.arm(&name, NEVER_MS, due_ms);
            if changed && !ruled.is_about(T::SUBJECT) {
                self.look(cx, ruled, &name, done_ms, told);
            }
        }
    }

    /// Forgets what shards have told, where no rule asks for it any more; what is remembered of alerts stays, for their numbers go on.
    pub fn forget_told(&mut self) {
        self.hours.clear();
        self.told_changed.extend(self.heard.keys().map(|shard| (*shard, Box::default())));
        self.heard.clear();
        for (name, subject) in &mut self.subjects {
            let shards = std::mem::take(&mut subject.shards);
            self.told_changed.extend(shards.into_keys().map(|shard| (shard, name.clone())));
        }
    }
}
