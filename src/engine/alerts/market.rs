//! Segments, in shard 0: what every shard was last told to have sold of them, and the alerts about them.
//!
//! Shards tell by full hours. An hour is looked at when every shard has told it, so what happens follows from the letters'
//! content and not from when they come; between two hours the exact dues are met.

use std::collections::{BTreeMap, BTreeSet};

use super::segment::looking;
use crate::alert::command::Refused;
use crate::alert::{Alerts, Ruled};
use crate::engine::context::Context;
use crate::model::registry::Subject;
use crate::model::time::{BEFORE_ALL_MS, NEVER_MS};
use crate::wire::alert::AlertWord;
use crate::wire::mail::{self, Acted, Bought, Said};

/// Hours of a segment that wait for other shards, at most; the oldest are then taken for later ones.
const HOURS_MAX: usize = 256;

/// How a segment stood in a shard from an hour on.
type Hours = Vec<(i64, Bought)>;

/// All segments.
#[derive(Debug)]
pub struct Market {
    segments: BTreeMap<Box<str>, Sold>,
    /// Up to when each shard has told everything.
    heard: BTreeMap<u16, i64>,
    /// Up to here everything was looked at.
    done_ms: i64,
    /// Hours that are still to be looked at, and whose sums are new in them.
    hours: BTreeMap<i64, BTreeSet<Box<str>>>,
    dues: BTreeSet<(i64, Box<str>)>,
    /// Segments of shards of which many hours wait.
    long: BTreeSet<(u16, Box<str>)>,
    told_changed: BTreeSet<(u16, Box<str>)>,
    alerts_changed: BTreeSet<Box<str>>,
    done_changed: bool,
}

/// One segment.
#[derive(Debug, Default)]
struct Sold {
    /// By shard; the first of each holds now, if it is not of an hour to come.
    shards: BTreeMap<u16, Hours>,
    alerts: Alerts,
}

impl Default for Market {
    fn default() -> Self {
        Self {
            segments: BTreeMap::new(),
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

impl Sold {
    /// Takes in what holds from `hour_ms` on; the shards where that is new.
    fn come_to(&mut self, hour_ms: i64) -> Vec<u16> {
        let mut moved = Vec::new();
        for (shard, hours) in &mut self.shards {
            let past = hours.partition_point(|(ms, _)| *ms <= hour_ms).saturating_sub(1);
            if past > 0 {
                hours.drain(..past);
                moved.push(*shard);
            }
        }
        moved
    }

    /// What was sold as of a moment that was come to.
    fn bought(&self, at_ms: i64) -> impl Iterator<Item = Bought> {
        let held = self.shards.values().filter_map(|hours| hours.first());
        held.filter(move |(ms, _)| *ms <= at_ms).map(|(_, bought)| *bought)
    }
}

impl Market {
    /// What a shard tells. What was told before changes nothing.
    pub fn hear(&mut self, shard: u16, told: &mail::Demand) {
        let heard_ms = self.heard.get(&shard).copied().unwrap_or(i64::MIN);
        for (hour_ms, segments) in told.hours.iter().filter(|(hour_ms, _)| *hour_ms > heard_ms) {
            for (name, bought) in segments {
                let name: Box<str> = name.as_str().into();
                let sold = self.segments.entry(name.clone()).or_default();
                let hours = sold.shards.entry(shard).or_default();
                hours.push((*hour_ms, *bought));
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

    /// Looks at what every shard has told, hours and dues in order of time, at most `budget` segments. Returns how many.
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
            let hours = self.segments.get_mut(&name).and_then(|sold| sold.shards.get_mut(&shard));
            if let Some(hours) = hours
                && hours.len() > HOURS_MAX
            {
                hours.drain(1..=hours.len() - HOURS_MAX);
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
        if let Some(sold) = self.segments.get_mut(name) {
            let moved = sold.come_to(hour_ms);
            self.told_changed.extend(moved.into_iter().map(|shard| (shard, name.into())));
        }
        self.look(cx, ruled, name, hour_ms, told);
    }

    /// Looks at a segment, and finds when it must be looked at again.
    fn look(
        &mut self,
        cx: &Context,
        ruled: &Ruled,
        name: &str,
        at_ms: i64,
        told: &mut Vec<AlertWord>,
    ) {
        let Some(sold) = self.segments.get_mut(name) else { return };
        let mut alerts = std::mem::take(&mut sold.alerts);
        let mut segment = looking((cx, ruled), name, sold.bought(at_ms), &mut alerts, at_ms);
        segment.all_of_segment();
        let (due_ms, changed) = (segment.due_ms, segment.changed);
        told.append(&mut segment.told);
        sold.alerts = alerts;
        if changed {
            self.alerts_changed.insert(name.into());
        }
        self.arm(name, due_ms);
    }

    /// Each segment has one due at most.
    fn arm(&mut self, name: &str, due_ms: i64) {
        let Some(sold) = self.segments.get_mut(name) else { return };
        let before_ms = sold.alerts.due_ms();
        sold.alerts.set_due_ms(due_ms);
        if before_ms != due_ms {
            self.dues.remove(&(before_ms, name.into()));
        }
        if due_ms != NEVER_MS {
            self.dues.insert((due_ms, name.into()));
        }
    }

    /// Does what a person says about a segment's alert, once.
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
        let sold = self.segments.get_mut(said.subject.as_str()).ok_or(Refused::NoAlert)?;
        let mut alerts = std::mem::take(&mut sold.alerts);
        let mut segment =
            looking((cx, ruled), &said.subject, sold.bought(at_ms), &mut alerts, at_ms);
        let done = segment.obey(&said.subject, said);
        told.append(&mut segment.told);
        sold.alerts = alerts;
        done?;
        self.alerts_changed.insert(said.subject.as_str().into());
        self.look(cx, ruled, &said.subject, at_ms, told);
        Ok(())
    }

    /// Notes what a person has done about a segment in the generation before.
    pub fn expect(&mut self, acted: Acted) {
        let name: Box<str> = acted.said.subject.as_str().into();
        let alerts = &mut self.segments.entry(name.clone()).or_default().alerts;
        alerts.expect(acted);
        let due_ms = alerts.due_ms().min(alerts.expected_ms().max(alerts.seen_ms()));
        self.arm(&name, due_ms);
        self.alerts_changed.insert(name);
    }

    /// Up to when everything was looked at, if its record is to be written.
    pub fn take_done(&mut self) -> Option<i64> {
        std::mem::take(&mut self.done_changed).then_some(self.done_ms)
    }

    /// What was told: records that are to be written; those without a segment say up to when.
    pub fn take_told(&mut self) -> impl Iterator<Item = (u16, Box<str>, Hours)> {
        std::mem::take(&mut self.told_changed).into_iter().filter_map(|(shard, name)| {
            let hours = if name.is_empty() {
                self.heard.get(&shard).map(|ms| vec![(*ms, Bought::default())])
            } else {
                self.segments.get(&name).and_then(|sold| sold.shards.get(&shard)).cloned()
            };
            hours.map(|hours| (shard, name, hours))
        })
    }

    /// Segments whose alerts are to be written.
    pub fn take_alerts(&mut self) -> impl Iterator<Item = (Box<str>, &Alerts)> {
        let changed = std::mem::take(&mut self.alerts_changed);
        let segments = &self.segments;
        changed.into_iter().filter_map(move |name| {
            let sold = segments.get(&name);
            sold.map(|sold| (name, &sold.alerts))
        })
    }

    /// A record of [`Self::take_told`].
    pub fn restore_told(&mut self, shard: u16, name: &str, hours: Hours) {
        if name.is_empty() {
            self.heard.extend(hours.first().map(|(ms, _)| (shard, *ms)));
        } else {
            self.segments.entry(name.into()).or_default().shards.insert(shard, hours);
        }
    }

    /// A record of [`Self::take_alerts`].
    pub fn restore_alerts(&mut self, name: &str, alerts: Alerts) {
        self.segments.entry(name.into()).or_default().alerts = alerts;
    }

    /// The record of [`Self::take_done`].
    pub fn restore_done(&mut self, done_ms: i64) {
        self.done_ms = done_ms;
    }

    /// After all records were read: finds what is to be looked at, and when: at once, where a look changes something. Where no rule is
    /// left nothing will be looked at: what they had raised ends here.
    pub fn restored(&mut self, cx: &Context, told: &mut Vec<AlertWord>) {
        let (ruled, done_ms) = (&cx.alerts, self.done_ms);
        let mut armed = Vec::new();
        for (name, sold) in &self.segments {
            let to_come = sold.shards.values().flatten().filter(|(ms, _)| *ms >= done_ms);
            for (hour_ms, _) in to_come {
                self.hours.entry(*hour_ms).or_default().insert(name.clone());
            }
            let mut copy = sold.alerts.clone();
            let mut segment = looking((cx, ruled), name, sold.bought(done_ms), &mut copy, done_ms);
            segment.all_of_segment();
            let changed = segment.changed;
            let due_ms = if changed { done_ms.saturating_add(1) } else { segment.due_ms };
            armed.push((name.clone(), due_ms, changed));
        }
        for (name, due_ms, changed) in armed {
            self.arm(&name, due_ms);
            if changed && !ruled.is_about(Subject::Segment) {
                self.look(cx, ruled, &name, done_ms, told);
            }
        }
    }
}
