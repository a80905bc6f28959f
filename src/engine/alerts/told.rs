//! What shards tell of one subject that lives on no shard of its own, and how it stands by that.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;

use crate::alert::{Alerts, Facts};
use crate::engine::context::Context;
use crate::model::registry::Subject;
use crate::model::time::NEVER_MS;

/// What a shard tells of such a subject.
pub trait Told: Clone + Debug {
    /// What they are.
    const SUBJECT: Subject;
    /// One of them as its rules see it.
    type Facts<'a>: Facts;

    /// What was told later takes its place, or adds to it.
    fn follow(&mut self, later: Self);

    /// The subject of that name, from what all shards have told.
    fn facts<'a>(cx: &'a Context, name: &'a str, all: &[&Self]) -> Self::Facts<'a>;

    /// From when on it says nothing any more and is forgotten, milliseconds.
    fn over_ms(&self, cx: &Context) -> i64;
}

/// How a subject stood in a shard from an hour on.
pub type Hours<T> = Vec<(i64, T)>;

/// A subject in shard 0.
#[derive(Debug)]
pub struct Standing<T> {
    /// By shard; the first of each holds now, if it is not of an hour to come.
    pub shards: BTreeMap<u16, Hours<T>>,
    /// What is remembered of its alerts.
    pub alerts: Alerts,
}

impl<T> Default for Standing<T> {
    fn default() -> Self {
        Self { shards: BTreeMap::new(), alerts: Alerts::default() }
    }
}

impl<T: Told> Standing<T> {
    /// Takes in what holds from `hour_ms` on; the shards where that is new.
    pub fn come_to(&mut self, hour_ms: i64) -> Vec<u16> {
        let mut moved = Vec::new();
        for (shard, hours) in &mut self.shards {
            let past = hours.partition_point(|(ms, _)| *ms <= hour_ms);
            if past > 1 {
                fold(hours, past);
                moved.push(*shard);
            }
        }
        moved
    }

    /// What was told as of a moment that was come to.
    pub fn told(&self, at_ms: i64) -> Vec<&T> {
        let held = self.shards.values().filter_map(|hours| hours.first());
        held.filter(|(ms, _)| *ms <= at_ms).map(|(_, told)| told).collect()
    }

    /// When something of it is to be forgotten; what more is to come of is looked at then anyway.
    pub fn over_ms(&self, cx: &Context, at_ms: i64) -> i64 {
        let over = |hours: &Hours<T>| match hours.as_slice() {
            [(ms, told)] if *ms <= at_ms => told.over_ms(cx),
            _ => NEVER_MS,
        };
        self.shards.values().map(over).min().unwrap_or(NEVER_MS)
    }

    /// Forgets what says nothing any more at `at_ms`, unless more is to come; the shards where that was.
    pub fn forget(&mut self, cx: &Context, at_ms: i64) -> Vec<u16> {
        let over = |hours: &Hours<T>| match hours.as_slice() {
            [(ms, told)] => *ms <= at_ms && told.over_ms(cx) <= at_ms,
            _ => false,
        };
        let gone: Vec<u16> =
            self.shards.iter().filter(|(_, hours)| over(hours)).map(|(shard, _)| *shard).collect();
        gone.iter().for_each(|shard| drop(self.shards.remove(shard)));
        gone
    }
}

/// Makes one of the first `count` hours: the last of them.
pub fn fold<T: Told>(hours: &mut Hours<T>, count: usize) {
    let mut past = hours.drain(..count);
    let Some((mut at_ms, mut told)) = past.next() else { return };
    for (ms, later) in past.by_ref() {
        at_ms = ms;
        told.follow(later);
    }
    drop(past);
    hours.insert(0, (at_ms, told));
}

/// The content of a record about what was told.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ToldRecord<'a, T> {
    /// Up to when a shard has told everything, milliseconds.
    To(i64),
    /// What a shard has told of a subject.
    Hours(&'a Hours<T>),
}
