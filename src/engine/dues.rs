//! Dues in order of time: one entry per profile, re-armed lazily.
//!
//! The true deadline lives in the profile's slot; an entry that pops early is put back, one that was overtaken by an
//! earlier entry is dropped. Later entries lie unsorted in buckets of an hour, so that re-arming costs a push.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::model::time::HOUR_MS;

/// The queue of entries `(time, slot)`.
#[derive(Debug, Default)]
pub struct DueQueue {
    /// By the number of the hour: milliseconds from its beginning, and slot.
    later: BTreeMap<i64, Vec<(u32, u32)>>,
    current: BinaryHeap<Reverse<(i64, u32)>>,
    /// Buckets before this one have moved to `current`.
    next_bucket: i64,
    /// Nothing is queued before this moment: asked before each event, answered without a look at the queue.
    quiet_to_ms: i64,
    len: usize,
}

impl DueQueue {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an entry.
    pub fn push(&mut self, at_ms: i64, slot: u32) {
        self.len += 1;
        self.quiet_to_ms = self.quiet_to_ms.min(at_ms);
        let bucket = at_ms.div_euclid(HOUR_MS);
        if bucket < self.next_bucket {
            self.current.push(Reverse((at_ms, slot)));
        } else {
            let within_ms = at_ms.rem_euclid(HOUR_MS) as u32;
            self.later.entry(bucket).or_default().push((within_ms, slot));
        }
    }

    /// The earliest entry at or before `until_ms`, without taking it.
    pub fn peek(&mut self, until_ms: i64) -> Option<i64> {
        if until_ms < self.quiet_to_ms {
            return None;
        }
        loop {
            if let Some(Reverse((at_ms, _))) = self.current.peek() {
                self.quiet_to_ms = *at_ms;
                return (*at_ms <= until_ms).then_some(*at_ms);
            }
            let Some((bucket, _)) = self.later.first_key_value() else {
                self.quiet_to_ms = i64::MAX;
                return None;
            };
            let begins_ms = bucket.saturating_mul(HOUR_MS);
            if begins_ms > until_ms {
                self.quiet_to_ms = begins_ms;
                return None;
            }
            let (bucket, entries) = self.later.pop_first()?;
            self.next_bucket = bucket + 1;
            let entries = entries.into_iter();
            let whole = |(ms, slot)| Reverse((bucket * HOUR_MS + i64::from(ms), slot));
            self.current.extend(entries.map(whole));
        }
    }

    /// Takes all entries of exactly `at_ms` (the value [`Self::peek`] gave) into `slots`.
    pub fn take(&mut self, at_ms: i64, slots: &mut Vec<u32>) {
        while let Some(Reverse((at, slot))) = self.current.peek().copied() {
            if at != at_ms {
                return;
            }
            self.current.pop();
            self.len -= 1;
            slots.push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_by_time_whatever_the_order_of_pushing() {
        let mut queue = DueQueue::default();
        let times = [5 * HOUR_MS, 3, 2 * HOUR_MS + 1, 3, HOUR_MS - 1, 7 * HOUR_MS];
        times.iter().enumerate().for_each(|(slot, at)| queue.push(*at, slot as u32));
        let mut seen = Vec::new();
        while let Some(at) = queue.peek(6 * HOUR_MS) {
            let mut slots = Vec::new();
            queue.take(at, &mut slots);
            slots.sort_unstable();
            seen.push((at, slots));
            if seen.len() == 2 {
                queue.push(HOUR_MS, 9); // into a bucket that has been opened already
            }
        }
        let expected = [
            (3, vec![1, 3]),
            (HOUR_MS - 1, vec![4]),
            (HOUR_MS, vec![9]),
            (2 * HOUR_MS + 1, vec![2]),
            (5 * HOUR_MS, vec![0]),
        ];
        assert_eq!(seen, expected);
        assert_eq!(queue.len(), 1);
    }
}
