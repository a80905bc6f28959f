//! What shard 0 knows of the whole population: the histogram of each shard as it was last told, and the cut-offs it has
//! made of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::pace::is_soon;
use crate::signal::tiers::{Bucket, Cuts, Histogram, Shares};
use crate::wire::mail::{self, CutOffs};

/// The record of the last cut-offs that were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The cut-offs.
    pub cut_offs: CutOffs,
    /// When, on the pipeline's clock, milliseconds.
    pub clock_ms: i64,
}

/// Histograms of all shards.
#[derive(Debug, Default)]
pub struct Population {
    shards: BTreeMap<u16, Histogram>,
    /// Shards whose record is to be written.
    changed: BTreeSet<u16>,
    published: Option<Published>,
    published_changed: bool,
    /// Something was heard that no cut-offs were tried for.
    heard: bool,
}

impl Population {
    /// A shard's histogram came, or what of it has changed.
    pub fn hear(&mut self, shard: u16, told: &mail::Histogram) {
        self.heard = true;
        let before = self.shards.get(&shard);
        let histogram = read(before.filter(|_| !told.whole), told);
        if before != Some(&histogram) {
            self.shards.insert(shard, histogram);
            self.changed.insert(shard);
        }
    }

    /// A record of the state topic.
    pub fn restore(&mut self, shard: u16, told: &mail::Histogram) {
        self.shards.insert(shard, read(None, told));
        self.heard = true;
    }

    /// The record of the last cut-offs that were made.
    pub fn restore_published(&mut self, published: Published) {
        self.published = Some(published);
    }

    /// New cut-offs, if every shard has told its histogram, time enough has passed since the last ones, and one of them
    /// moved by a bucket. They hold from the watermark on.
    pub fn publish(
        &mut self,
        shares: &Shares,
        shards: u16,
        watermark_ms: i64,
        clock_ms: i64,
    ) -> Option<CutOffs> {
        if !self.heard || self.shards.len() < usize::from(shards) {
            return None;
        }
        if let Some(last) = &self.published
            && is_soon(last.cut_offs.valid_from_ms, last.clock_ms, watermark_ms, clock_ms)
        {
            return None;
        }
        self.heard = false;
        let mut all = Histogram::default();
        self.shards.values().for_each(|histogram| all.merge(histogram));
        let cuts = Cuts::of(&all, shares)?;
        let before = self.published.map(|p| p.cut_offs).unwrap_or_default();
        let [iron, gold, key, a, b] =
            [cuts.iron, cuts.gold, cuts.key, cuts.a, cuts.b].map(Bucket::number);
        let same = CutOffs { iron, gold, key, a, b, ..before };
        if self.published.is_some() && same == before {
            return None;
        }
        let cut_offs = CutOffs {
            version: before.version + 1,
            valid_from_ms: watermark_ms,
            population: all.population(),
            ..same
        };
        self.published = Some(Published { cut_offs, clock_ms });
        self.published_changed = true;
        Some(cut_offs)
    }

    /// Histograms whose record is to be written.
    pub fn take_changed(&mut self) -> impl Iterator<Item = (u16, mail::Histogram)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|shard| Some((shard, tell(self.shards.get(&shard)?, None))))
    }

    /// The record of the last cut-offs, if it is to be written.
    pub fn take_published(&mut self) -> Option<Published> {
        self.published.filter(|_| std::mem::take(&mut self.published_changed))
    }
}

/// A histogram as it is sent and kept: all of it, or what is not as it was `before`.
pub fn tell(histogram: &Histogram, before: Option<&Histogram>) -> mail::Histogram {
    let mut cells = cells_of(histogram);
    if let Some(before) = before {
        let mut gone = cells_of(before);
        gone.retain(|bucket, _| !cells.contains_key(bucket));
        let before = cells_of(before);
        cells.retain(|bucket, count| before.get(bucket) != Some(count));
        cells.extend(gone.into_keys().map(|bucket| (bucket, 0)));
    }
    mail::Histogram { whole: before.is_none(), cells: cells.into_iter().collect() }
}

fn read(before: Option<&Histogram>, told: &mail::Histogram) -> Histogram {
    let mut cells = before.map(cells_of).unwrap_or_default();
    cells.extend(told.cells.iter().copied());
    let mut histogram = Histogram::default();
    for (bucket, count) in cells {
        histogram.add_many(Bucket::from_number(bucket), count);
    }
    histogram
}

fn cells_of(histogram: &Histogram) -> BTreeMap<i16, u64> {
    histogram.iter().map(|(bucket, count)| (bucket.number(), count)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::time::MINUTE_MS;

    /// A pause of the clock that is long enough.
    const CLOCK_MS: i64 = 10_000;

    fn told(from: i16, customers: u64) -> mail::Histogram {
        let cells = (0..customers).map(|n| (from + n as i16, 1)).collect();
        mail::Histogram { whole: true, cells }
    }

    #[test]
    fn cut_offs_wait_for_every_shard_for_time_and_for_a_move() {
        let shares = Shares::default();
        let mut population = Population::default();
        population.hear(0, &told(0, 99));
        assert_eq!(population.publish(&shares, 2, 5, 0), None, "a shard is missing");
        population.hear(1, &told(0, 0));
        assert_eq!(population.publish(&shares, 2, 5, 0), None, "99 are too few");
        population.hear(1, &told(99, 1));
        let first = population.publish(&shares, 2, 5, 0).unwrap();
        assert_eq!((first.version, first.valid_from_ms, first.population), (1, 5, 100));
        assert_eq!((first.iron, first.gold, first.key), (19, 79, 94));
        population.hear(1, &told(99, 1));
        let late = 5 + MINUTE_MS;
        assert_eq!(population.publish(&shares, 2, late, CLOCK_MS), None, "nothing moved");
        population.hear(1, &told(99, 30));
        assert_eq!(population.publish(&shares, 2, late - 1, CLOCK_MS), None, "event time");
        assert_eq!(population.publish(&shares, 2, late, CLOCK_MS - 1), None, "the clock");
        let second = population.publish(&shares, 2, late, CLOCK_MS).unwrap();
        assert_eq!((second.version, second.population, second.gold), (2, 129, 102));
        assert_eq!(population.publish(&shares, 2, late * 2, CLOCK_MS * 9), None, "nothing heard");
    }

    #[test]
    fn what_changed_is_enough_to_tell() {
        let histogram = |cells: &[(i16, u64)]| {
            read(None, &mail::Histogram { whole: true, cells: cells.to_vec() })
        };
        let before = histogram(&[(-4, 2), (0, 7), (9, 1)]);
        let after = histogram(&[(-4, 2), (0, 6), (3, 2)]);
        let told = tell(&after, Some(&before));
        assert_eq!(told.cells, [(0, 6), (3, 2), (9, 0)]);
        // a letter that comes twice changes nothing
        let once = read(Some(&before), &told);
        assert_eq!((&once, &read(Some(&once), &told)), (&after, &after));
        let mut population = Population::default();
        population.hear(1, &tell(&before, None));
        population.hear(1, &told);
        assert_eq!(population.shards[&1], after);
        population.hear(1, &tell(&before, None));
        assert_eq!(population.shards[&1], before);
    }

    #[test]
    fn what_is_kept_goes_on_where_it_was() {
        let shares = Shares::default();
        let mut population = Population::default();
        population.hear(0, &told(7, 150));
        let first = population.publish(&shares, 1, 5, 3).unwrap();
        let mut next = Population::default();
        population.take_changed().for_each(|(shard, cells)| next.restore(shard, &cells));
        next.restore_published(population.take_published().unwrap());
        assert_eq!(next.publish(&shares, 1, 5 + MINUTE_MS, 3 + CLOCK_MS), None, "nothing moved");
        next.hear(0, &told(8, 150));
        let second = next.publish(&shares, 1, 5 + MINUTE_MS, 3 + CLOCK_MS).unwrap();
        assert_eq!((second.version, second.gold), (2, first.gold + 1));
    }
}
