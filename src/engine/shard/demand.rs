//! What is bought of each segment in a shard: decayed sums, and at each full hour of event time what shard 0 must hear of them.
//!
//! The hour of a purchase is decided by the order of records alone: it is told at the first full hour that the watermark passes after
//! it, so that other batches and restarts tell the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::words::OTHER;
use crate::model::time::{HOUR_MS, NEVER_MS};
use crate::signal::decay::{Decay, add_shared};
use crate::signal::trend::TrendRule;
use crate::wire::mail::{self, Bought};

/// Segments that are told apart in a shard, at most; the rest is `other`.
const SEGMENTS_MAX: usize = 2_000;
/// Segments in a letter, at most: a few hundred bytes each.
const LETTER_SEGMENTS: usize = 2_000;

/// What the shard has counted of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// The sums.
    pub bought: Bought,
    /// They have changed since they were told.
    untold: bool,
}

/// What is bought of each segment.
#[derive(Debug)]
pub struct Demand {
    /// Whether a rule asks for it.
    on: bool,
    decays: [Decay; 3],
    segments: BTreeMap<Box<str>, Counted>,
    /// Everything before this full hour is told.
    told_to_ms: Option<i64>,
    told_changed: bool,
    changed: BTreeSet<Box<str>>,
    /// What is to be told with this cycle.
    hours: Vec<(i64, Vec<(String, Bought)>)>,
    telling: usize,
}

impl Demand {
    /// Nothing yet; with `on` unset nothing is ever counted.
    pub fn new(on: bool) -> Self {
        let TrendRule { short, long, .. } = TrendRule::demand();
        Self {
            on,
            decays: [short, long, long],
            segments: BTreeMap::new(),
            told_to_ms: None,
            told_changed: false,
            changed: BTreeSet::new(),
            hours: Vec::new(),
            telling: 0,
        }
    }

    /// Whether a rule asks for it.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Counts pieces of a segment; `order`: the first of their order.
    pub fn count(&mut self, segment: &str, ts_ms: i64, pieces: f64, order: bool) {
        let full = self.segments.len() >= SEGMENTS_MAX;
        let name = if full && !self.segments.contains_key(segment) { OTHER } else { segment };
        if !self.segments.contains_key(name) {
            let bought = Bought { at_ms: ts_ms, first_ms: ts_ms, ..Bought::default() };
            self.segments.insert(name.into(), Counted { bought, untold: false });
        }
        let Some(Counted { bought, untold }) = self.segments.get_mut(name) else { return };
        let mut sums = [bought.short, bought.long, bought.orders];
        let added = [pieces, pieces, f64::from(u8::from(order))];
        bought.at_ms = add_shared(&self.decays, &mut sums, bought.at_ms, ts_ms, &added);
        [bought.short, bought.long, bought.orders] = sums;
        bought.first_ms = bought.first_ms.min(ts_ms);
        *untold = true;
        if !self.changed.contains(name) {
            self.changed.insert(name.into());
        }
    }

    /// The watermark at which something is to be told.
    pub fn next_ms(&self) -> i64 {
        match (self.on, self.told_to_ms) {
            (false, _) => NEVER_MS,
            (true, told) => told.map_or(i64::MIN, |told_ms| told_ms.saturating_add(HOUR_MS)),
        }
    }

    /// The watermark has come to `watermark_ms`, and what was read until then is counted.
    pub fn pass(&mut self, watermark_ms: i64) {
        if watermark_ms < self.next_ms() {
            return;
        }
        let to_ms = watermark_ms.div_euclid(HOUR_MS) * HOUR_MS;
        let hour_ms = self.told_to_ms.map_or(to_ms, |told_ms| told_ms.saturating_add(HOUR_MS));
        let mut told = Vec::new();
        for (segment, counted) in self.segments.iter_mut().filter(|(_, counted)| counted.untold) {
            counted.untold = false;
            told.push((segment.to_string(), counted.bought));
            if !self.changed.contains(segment) {
                self.changed.insert(segment.clone());
            }
        }
        if !told.is_empty() {
            self.telling += told.len();
            self.hours.push((hour_ms, told));
        }
        self.told_to_ms = Some(to_ms);
        self.told_changed = true;
    }

    /// Segments that are to be told with this cycle.
    pub fn telling(&self) -> usize {
        self.telling
    }

    /// What shard 0 must hear: letters in order.
    pub fn tell(&mut self) -> Vec<mail::Demand> {
        let Some(to_ms) = self.told_to_ms.filter(|_| self.told_changed) else { return Vec::new() };
        self.telling = 0;
        let hours = std::mem::take(&mut self.hours);
        let mut letters = vec![mail::Demand { to_ms, hours: Vec::new() }];
        let mut size = 0;
        for (hour_ms, segments) in hours {
            // an hour is told whole: a letter ends before it, or has room for it
            if size > 0 && size + segments.len() > LETTER_SEGMENTS {
                if let Some(full) = letters.last_mut() {
                    full.to_ms = hour_ms - 1;
                }
                letters.push(mail::Demand { to_ms, hours: Vec::new() });
                size = 0;
            }
            size += segments.len();
            if let Some(letter) = letters.last_mut() {
                letter.hours.push((hour_ms, segments));
            }
        }
        letters
    }

    /// Up to when it was told, if its record is to be written.
    pub fn take_told(&mut self) -> Option<i64> {
        self.told_to_ms.filter(|_| std::mem::take(&mut self.told_changed))
    }

    /// Segments whose record is to be written.
    pub fn take_changed(&mut self) -> impl Iterator<Item = (Box<str>, Counted)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|segment| {
            let counted = self.segments.get(&segment).copied();
            counted.map(|counted| (segment, counted))
        })
    }

    /// A record of [`Self::take_changed`].
    pub fn restore(&mut self, segment: &str, counted: Counted) {
        self.segments.insert(segment.into(), counted);
    }

    /// The record of [`Self::take_told`].
    pub fn restore_told(&mut self, told_to_ms: i64) {
        self.told_to_ms = Some(told_to_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN_MS: i64 = 500_000 * HOUR_MS;

    #[test]
    fn what_was_bought_is_told_at_the_first_hour_after_it_however_far_time_jumps() {
        for steps in [vec![90], vec![61, 62, 90], vec![60, 89, 90]] {
            let mut demand = Demand::new(true);
            demand.pass(BEGIN_MS);
            demand.count("shoes", BEGIN_MS + 5, 2.0, true);
            steps.iter().for_each(|minute| demand.pass(BEGIN_MS + minute * 60_000));
            demand.count("hats", BEGIN_MS + HOUR_MS + 7, 1.0, true);
            demand.count("hats", BEGIN_MS + HOUR_MS + 7, 1.0, false);
            demand.pass(BEGIN_MS + 9 * HOUR_MS + 1);
            let letters = demand.tell();
            assert_eq!(letters.len(), 1);
            assert_eq!(letters[0].to_ms, BEGIN_MS + 9 * HOUR_MS);
            let told: Vec<(i64, &str, f64, f64)> = letters[0]
                .hours
                .iter()
                .flat_map(|(ms, all)| {
                    all.iter().map(|(name, b)| (*ms, name.as_str(), b.long, b.orders))
                })
                .collect();
            let hour = |n: i64| BEGIN_MS + n * HOUR_MS;
            assert_eq!(told, [(hour(1), "shoes", 2.0, 1.0), (hour(2), "hats", 2.0, 1.0)]);
            assert_eq!(demand.take_told(), Some(hour(9)));
            assert!(demand.tell().is_empty());
        }
    }

    #[test]
    fn hours_are_told_whole_and_segments_beyond_the_limit_together() {
        let mut demand = Demand::new(true);
        demand.pass(BEGIN_MS);
        for hour in 0..3 {
            for n in 0..SEGMENTS_MAX + 5 {
                demand.count(&format!("s{n}"), BEGIN_MS + hour * HOUR_MS + 1, 1.0, true);
            }
            demand.pass(BEGIN_MS + (hour + 1) * HOUR_MS);
        }
        let letters = demand.tell();
        assert_eq!(letters.len(), 3);
        assert_eq!(letters[0].to_ms, BEGIN_MS + 2 * HOUR_MS - 1);
        assert_eq!(letters[2].to_ms, BEGIN_MS + 3 * HOUR_MS);
        assert!(letters.iter().all(|letter| letter.hours[0].1.len() == SEGMENTS_MAX + 1));
    }
}
