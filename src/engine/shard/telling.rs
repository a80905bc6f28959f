//! What a shard tells shard 0 of subjects that live on no shard of their own: at full hours of event time, and when.
//!
//! The hour of an event is decided by the order of records alone: it is told at the first full hour that the watermark passes after
//! it, so that other batches and restarts tell the same.

use crate::model::time::{HOUR_MS, NEVER_MS};
use crate::wire::mail::Hourly;

/// Subjects in a letter, at most: a few hundred bytes each.
const LETTER_SUBJECTS: usize = 2_000;

/// The hours that a shard has closed.
#[derive(Debug)]
pub struct Telling<T> {
    /// Whether a rule asks for it.
    on: bool,
    /// Everything before this full hour is told.
    told_to_ms: Option<i64>,
    told_changed: bool,
    /// What is to be told with this cycle.
    hours: Vec<(i64, Vec<(String, T)>)>,
    subjects: usize,
}

impl<T> Telling<T> {
    /// Nothing yet; with `on` unset nothing is ever told.
    pub fn new(on: bool) -> Self {
        Self { on, told_to_ms: None, told_changed: false, hours: Vec::new(), subjects: 0 }
    }

    /// Whether a rule asks for it.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// The watermark at which something is to be told.
    pub fn next_ms(&self) -> i64 {
        match (self.on, self.told_to_ms) {
            (false, _) => NEVER_MS,
            (true, told) => told.map_or(i64::MIN, |told_ms| told_ms.saturating_add(HOUR_MS)),
        }
    }

    /// The watermark has come to `watermark_ms`, and what was read until then is counted: the hour of what is untold, if one is
    /// over, and up to when all is told then.
    pub fn pass(&mut self, watermark_ms: i64) -> Option<(i64, i64)> {
        if watermark_ms < self.next_ms() {
            return None;
        }
        let to_ms = watermark_ms.div_euclid(HOUR_MS) * HOUR_MS;
        let hour_ms = self.told_to_ms.map_or(to_ms, |told_ms| told_ms.saturating_add(HOUR_MS));
        self.told_to_ms = Some(to_ms);
        self.told_changed = true;
        Some((hour_ms, to_ms))
    }

    /// What has changed in an hour that [`Self::pass`] has closed.
    pub fn told(&mut self, hour_ms: i64, changed: Vec<(String, T)>) {
        if !changed.is_empty() {
            self.subjects += changed.len();
            self.hours.push((hour_ms, changed));
        }
    }

    /// Subjects that are to be told with this cycle.
    pub fn telling(&self) -> usize {
        self.subjects
    }

    /// What shard 0 must hear: letters in order.
    pub fn tell(&mut self) -> Vec<Hourly<T>> {
        let Some(to_ms) = self.told_to_ms.filter(|_| self.told_changed) else { return Vec::new() };
        self.subjects = 0;
        let hours = std::mem::take(&mut self.hours);
        let mut letters = vec![Hourly { to_ms, hours: Vec::new() }];
        let mut size = 0;
        for (hour_ms, subjects) in hours {
            // an hour is told whole: a letter ends before it, or has room for it
            if size > 0 && size + subjects.len() > LETTER_SUBJECTS {
                if let Some(full) = letters.last_mut() {
                    full.to_ms = hour_ms - 1;
                }
                letters.push(Hourly { to_ms, hours: Vec::new() });
                size = 0;
            }
            size += subjects.len();
            if let Some(letter) = letters.last_mut() {
                letter.hours.push((hour_ms, subjects));
            }
        }
        letters
    }

    /// Up to when it was told, if its record is to be written.
    pub fn take_told(&mut self) -> Option<i64> {
        self.told_to_ms.filter(|_| std::mem::take(&mut self.told_changed))
    }

    /// The record of [`Self::take_told`]; `None` where it was deleted.
    pub fn restore_told(&mut self, told_to_ms: Option<i64>) {
        self.told_to_ms = told_to_ms;
    }

    /// Forgets up to when it was told, where nothing is told any more. Whether there was anything.
    pub fn forget(&mut self) -> bool {
        self.told_to_ms.take().is_some()
    }
}
