//! What is bought of each segment in a shard: decayed sums, and at each full hour of event time what shard 0 must hear of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::telling::Telling;
use super::words::OTHER;
use crate::signal::decay::{Decay, add_shared};
use crate::signal::trend::TrendRule;
use crate::wire::mail::Bought;

/// Segments that are told apart in a shard, at most; the rest is `other`.
const SEGMENTS_MAX: usize = 2_000;

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
    /// When it is told.
    pub telling: Telling<Bought>,
    decays: [Decay; 3],
    segments: BTreeMap<Box<str>, Counted>,
    changed: BTreeSet<Box<str>>,
}

impl Demand {
    /// Nothing yet; with `on` unset nothing is ever counted.
    pub fn new(on: bool) -> Self {
        let TrendRule { short, long, .. } = TrendRule::demand();
        Self {
            telling: Telling::new(on),
            decays: [short, long, long],
            segments: BTreeMap::new(),
            changed: BTreeSet::new(),
        }
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

    /// The watermark has come to `watermark_ms`, and what was read until then is counted.
    pub fn pass(&mut self, watermark_ms: i64) {
        let Some((hour_ms, _)) = self.telling.pass(watermark_ms) else { return };
        let mut told = Vec::new();
        for (segment, counted) in self.segments.iter_mut().filter(|(_, counted)| counted.untold) {
            counted.untold = false;
            told.push((segment.to_string(), counted.bought));
            if !self.changed.contains(segment) {
                self.changed.insert(segment.clone());
            }
        }
        self.telling.told(hour_ms, told);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::HOUR_MS;

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
            let letters = demand.telling.tell();
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
            assert_eq!(demand.telling.take_told(), Some(hour(9)));
            assert!(demand.telling.tell().is_empty());
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
        let letters = demand.telling.tell();
        assert_eq!(letters.len(), 3);
        assert_eq!(letters[0].to_ms, BEGIN_MS + 2 * HOUR_MS - 1);
        assert_eq!(letters[2].to_ms, BEGIN_MS + 3 * HOUR_MS);
        assert!(letters.iter().all(|letter| letter.hours[0].1.len() == SEGMENTS_MAX + 1));
    }
}
