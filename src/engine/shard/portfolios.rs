//! What shard 0 knows of the owners' revenue at risk: the largest of each shard as it was last told, and the cut-offs it has made
//! of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::pace::is_soon;
use crate::wire::mail::{AtRisk, OwnerCutOffs};

/// Owners that have cut-offs, at most, the first by name: all of them fit into one letter.
const OWNERS_MAX: usize = 4_096;

/// The record of the last cut-offs that were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnersPublished {
    /// The cut-offs.
    pub cut_offs: OwnerCutOffs,
    /// When, on the pipeline's clock, milliseconds.
    pub clock_ms: i64,
}

/// The largest revenues at risk of all owners.
#[derive(Debug, Default)]
pub struct Portfolios {
    /// By owner and shard: amounts, descending; none is empty.
    owners: BTreeMap<String, BTreeMap<u16, Vec<i64>>>,
    /// Shards that have told, and whether all of it.
    shards: BTreeMap<u16, bool>,
    /// Records that are to be written; those of shards have no owner.
    changed: BTreeSet<(u16, String)>,
    published: Option<OwnersPublished>,
    published_changed: bool,
    /// Something was heard that no cut-offs were tried for.
    heard: bool,
}

impl Portfolios {
    /// What a shard tells.
    pub fn hear(&mut self, shard: u16, told: &AtRisk) {
        if told.whole {
            let known = self.owners.iter().filter(|(_, shards)| shards.contains_key(&shard));
            let known: Vec<String> = known.map(|(owner, _)| owner.clone()).collect();
            known.into_iter().for_each(|owner| self.set(shard, owner, &[]));
        }
        for (owner, amounts) in &told.owners {
            self.set(shard, owner.clone(), amounts);
        }
        self.heard |= !told.more;
        if self.shards.insert(shard, !told.more) != Some(!told.more) {
            self.changed.insert((shard, String::new()));
        }
    }

    fn set(&mut self, shard: u16, owner: String, amounts: &[i64]) {
        // a record without an owner is the shard's
        if owner.is_empty() {
            return;
        }
        let shards = self.owners.entry(owner.clone()).or_default();
        if amounts.is_empty() {
            shards.remove(&shard);
        } else {
            shards.insert(shard, amounts.to_vec());
        }
        if shards.is_empty() {
            self.owners.remove(&owner);
        }
        self.changed.insert((shard, owner));
    }

    /// New cut-offs of the `tops` largest, if every shard has told all of its own, time enough has passed since the last ones, and
    /// one of them moved.
    pub fn publish(
        &mut self,
        tops: &[u32],
        shards: u16,
        watermark_ms: i64,
        clock_ms: i64,
    ) -> Option<OwnerCutOffs> {
        let complete =
            self.shards.len() >= usize::from(shards) && self.shards.values().all(|all| *all);
        if !self.heard || !complete || tops.is_empty() {
            return None;
        }
        if let Some(last) = &self.published
            && is_soon(last.cut_offs.valid_from_ms, last.clock_ms, watermark_ms, clock_ms)
        {
            return None;
        }
        self.heard = false;
        let owners = self.owners.iter().take(OWNERS_MAX);
        let owners: Vec<_> =
            owners.map(|(owner, of)| (owner.clone(), cut_offs(of, tops))).collect();
        let before = self.published.as_ref().map(|published| &published.cut_offs);
        if before.map_or(owners.is_empty(), |before| before.owners == owners) {
            return None;
        }
        let version = before.map_or(0, |before| before.version) + 1;
        let cut_offs = OwnerCutOffs { version, valid_from_ms: watermark_ms, owners };
        self.published = Some(OwnersPublished { cut_offs: cut_offs.clone(), clock_ms });
        self.published_changed = true;
        Some(cut_offs)
    }

    /// Records that are to be written: amounts by shard and owner, `None` where there are none any more; without an owner whether
    /// the shard has told everything.
    pub fn take_changed(&mut self) -> impl Iterator<Item = (u16, String, Option<Vec<i64>>)> {
        std::mem::take(&mut self.changed).into_iter().map(|(shard, owner)| {
            let amounts = if owner.is_empty() {
                self.shards.get(&shard).map(|all| vec![i64::from(*all)])
            } else {
                self.owners.get(&owner).and_then(|shards| shards.get(&shard)).cloned()
            };
            (shard, owner, amounts)
        })
    }

    /// The record of the last cut-offs, if it is to be written.
    pub fn take_published(&mut self) -> Option<&OwnersPublished> {
        self.published.as_ref().filter(|_| std::mem::take(&mut self.published_changed))
    }

    /// A record of [`Self::take_changed`].
    pub fn restore(&mut self, shard: u16, owner: &str, amounts: Option<Vec<i64>>) {
        let amounts = amounts.unwrap_or_default();
        if owner.is_empty() {
            self.shards.insert(shard, amounts == [1]);
        } else {
            self.set(shard, owner.to_owned(), &amounts);
        }
        self.changed.clear();
        self.heard = true;
    }

    /// The record of the last cut-offs.
    pub fn restore_published(&mut self, published: OwnersPublished) {
        self.published = Some(published);
    }
}

/// From which amount on one is among the so many largest, for each number; of fewer than so many everything is.
fn cut_offs(shards: &BTreeMap<u16, Vec<i64>>, tops: &[u32]) -> Vec<(u32, i64)> {
    let mut all: Vec<i64> = shards.values().flatten().copied().collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    let cut_off = |top: &u32| all.get((*top as usize).saturating_sub(1)).copied().unwrap_or(1);
    tops.iter().map(|top| (*top, cut_off(top))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::time::MINUTE_MS;

    fn told(owners: &[(&str, &[i64])]) -> AtRisk {
        let owners = owners.iter().map(|(owner, list)| ((*owner).to_owned(), list.to_vec()));
        AtRisk { whole: true, more: false, owners: owners.collect() }
    }

    #[test]
    fn cut_offs_are_those_of_all_shards_together() {
        let mut book = Portfolios::default();
        book.hear(0, &told(&[("ann", &[90, 50, 10]), ("bob", &[7])]));
        assert_eq!(book.publish(&[2, 3], 2, 5, 0), None, "a shard is missing");
        book.hear(1, &AtRisk { more: true, ..told(&[("ann", &[60])]) });
        assert_eq!(book.publish(&[2, 3], 2, 5, 0), None, "it has not told everything");
        book.hear(1, &AtRisk { whole: false, ..told(&[("cid", &[4, 3])]) });
        let first = book.publish(&[2, 3], 2, 5, 0).unwrap();
        let named = |owner: &str| first.owners.iter().find(|(name, _)| name == owner).unwrap();
        assert_eq!((first.version, first.valid_from_ms, first.owners.len()), (1, 5, 3));
        assert_eq!(named("ann").1, [(2, 60), (3, 50)]);
        assert_eq!(named("bob").1, [(2, 1), (3, 1)], "of one all are among the two largest");
        assert_eq!(named("cid").1, [(2, 3), (3, 1)]);
        let late = 5 + MINUTE_MS;
        assert_eq!(book.publish(&[2, 3], 2, late, 99_000), None, "nothing heard");
        book.hear(1, &told(&[("ann", &[60]), ("cid", &[4, 3])]));
        assert_eq!(book.publish(&[2, 3], 2, late, 99_000), None, "nothing moved");
        book.hear(1, &told(&[("ann", &[70])]));
        assert_eq!(book.publish(&[2, 3], 2, late - 1, 99_000), None, "event time");
        assert_eq!(book.publish(&[2, 3], 2, late, 9_999), None, "the clock");
        let second = book.publish(&[2, 3], 2, late, 10_000).unwrap();
        assert_eq!((second.version, second.owners.len()), (2, 2));
        assert_eq!(second.owners[0].1, [(2, 70), (3, 50)]);
    }

    #[test]
    fn what_is_kept_goes_on_where_it_was() {
        let mut book = Portfolios::default();
        book.hear(0, &told(&[("ann", &[90, 50]), ("bob", &[7])]));
        let mut records: BTreeMap<(u16, String), Option<Vec<i64>>> = BTreeMap::new();
        let mut keep = |book: &mut Portfolios| {
            book.take_changed().for_each(|(shard, owner, list)| {
                records.insert((shard, owner), list);
            });
        };
        keep(&mut book);
        book.hear(0, &told(&[("ann", &[90, 60])]));
        keep(&mut book);
        book.publish(&[1], 1, 5, 3).unwrap();
        let mut next = Portfolios::default();
        next.restore_published(book.take_published().unwrap().clone());
        records.into_iter().for_each(|((shard, owner), list)| next.restore(shard, &owner, list));
        assert_eq!(next.owners, book.owners);
        assert_eq!(next.shards, book.shards);
        assert_eq!(next.publish(&[1], 1, 5 + MINUTE_MS, 10_003), None, "nothing moved");
        next.hear(0, &told(&[("ann", &[91])]));
        assert_eq!(next.publish(&[1], 1, 5 + MINUTE_MS, 10_003).unwrap().version, 2);
    }
}
