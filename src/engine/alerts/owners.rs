//! Revenue at risk by owner: once a day of event time the shard's customers are swept for the largest of each owner, and the
//! cut-offs that shard 0 makes of all shards' come back by mail. Nothing is kept of a single customer.

use std::collections::BTreeMap;

use super::values::Facts;
use crate::engine::apply::Engine;
use crate::engine::context::Context;
use crate::engine::profile::Profile;
use crate::engine::said::Field;
use crate::engine::tiers::TierColumns;
use crate::model::time::DAY_MS;
use crate::wire::mail::{AtRisk, OwnerCutOffs};

/// Amounts in a letter, at most: about 400 KB.
const LETTER_AMOUNTS: usize = 40_000;

/// The largest amounts of each owner, descending, minor units; all above 0.
type Largest = BTreeMap<Box<str>, Vec<i64>>;

/// What a shard knows of its customers' owners.
#[derive(Debug, Default)]
pub struct Owners {
    in_force: OwnerCutOffs,
    in_force_changed: bool,
    sweep: Option<Sweep>,
    /// The midnight that the last sweep was of.
    swept_ms: Option<i64>,
    /// What the last sweep has found, until it is told.
    found: Option<Largest>,
    /// What shard 0 was told; `None` in a new tenure.
    told: Option<Largest>,
}

/// A sweep on its way.
#[derive(Debug)]
struct Sweep {
    midnight_ms: i64,
    cursor: u32,
    largest: Largest,
}

impl Sweep {
    fn look(&mut self, cx: &Context, profile: &Profile, most: usize) {
        let owner = profile.said(Field::OwnerId);
        if owner.is_empty() || !profile.said(Field::OwnerBeyond).is_empty() {
            return;
        }
        let tau_ms = profile.as_of_ms.max(self.midnight_ms);
        let facts = Facts::new(cx, profile, TierColumns::default());
        let Some(minor) = facts.at_risk_minor(tau_ms).filter(|minor| *minor > 0) else { return };
        match self.largest.get_mut(owner) {
            Some(largest) => enter(largest, minor, most),
            None => {
                self.largest.insert(owner.into(), vec![minor]);
            }
        }
    }
}

impl Owners {
    /// From how much revenue at risk on a customer is among the `top` largest of its owner; `None` where that is not known.
    pub fn cut_off_minor(&self, owner: &str, top: u32) -> Option<i64> {
        let owners = &self.in_force.owners;
        let at = owners.binary_search_by(|(name, _)| name.as_str().cmp(owner)).ok()?;
        owners[at].1.iter().find(|(held, _)| *held == top).map(|(_, minor)| *minor)
    }

    /// New cut-offs; older ones change nothing.
    pub fn take_cut_offs(&mut self, cut_offs: OwnerCutOffs) {
        if cut_offs.version > self.in_force.version {
            self.in_force = cut_offs;
            self.in_force_changed = true;
        }
    }

    /// The record of the cut-offs in force, if it changed.
    pub fn take_in_force(&mut self) -> Option<&OwnerCutOffs> {
        std::mem::take(&mut self.in_force_changed).then_some(&self.in_force)
    }

    /// The record of the cut-offs in force.
    pub fn restore(&mut self, in_force: OwnerCutOffs) {
        self.in_force = in_force;
    }

    /// The cut-offs in force.
    pub fn in_force(&self) -> &OwnerCutOffs {
        &self.in_force
    }

    /// What shard 0 must hear after a sweep: everything at first, then what has changed; one letter or several, in order.
    pub fn tell(&mut self) -> Vec<AtRisk> {
        let Some(found) = self.found.take() else { return Vec::new() };
        let told = self.told.replace(found.clone());
        let (whole, told) = (told.is_none(), told.unwrap_or_default());
        let gone = told.keys().filter(|owner| !found.contains_key(*owner));
        let gone = gone.map(|owner| (owner.to_string(), Vec::new()));
        let changed = found.iter().filter(|(owner, amounts)| told.get(*owner) != Some(*amounts));
        let changed = changed.map(|(owner, amounts)| (owner.to_string(), amounts.clone()));
        in_letters(whole, gone.chain(changed))
    }
}

fn in_letters(whole: bool, owners: impl Iterator<Item = (String, Vec<i64>)>) -> Vec<AtRisk> {
    let mut letters = vec![AtRisk { whole, ..AtRisk::default() }];
    let mut amounts = 0;
    for (owner, largest) in owners {
        // a name counts for what it takes
        let size = largest.len() + 1 + owner.len() / 8;
        if amounts + size > LETTER_AMOUNTS && amounts > 0 {
            letters.push(AtRisk::default());
            amounts = 0;
        }
        amounts += size;
        if let Some(letter) = letters.last_mut() {
            letter.owners.push((owner, largest));
        }
    }
    let last = letters.len() - 1;
    letters[..last].iter_mut().for_each(|letter| letter.more = true);
    letters.retain(|letter| letter.whole || !letter.owners.is_empty());
    letters
}

/// Takes an amount in among the `most` largest.
fn enter(largest: &mut Vec<i64>, minor: i64, most: usize) {
    let at = largest.partition_point(|held| *held >= minor);
    if at < most {
        largest.truncate(most - 1);
        largest.insert(at, minor);
    }
}

impl Engine {
    /// Sweeps at most `budget` customers for the largest revenues at risk of their owners, as of the last midnight (UTC) before
    /// `until_ms`, or as of a customer's last event after it. One sweep for each midnight at which the shard has come by before
    /// the next; none where no rule asks for it. A new one begins only if `begin`.
    pub fn sweep_owners(&mut self, until_ms: i64, budget: usize, begin: bool) {
        let Self { cx, store, owners, .. } = self;
        let Some(most) = cx.alerts.tops().last() else { return };
        let most = *most as usize;
        let midnight_ms = until_ms.div_euclid(DAY_MS) * DAY_MS;
        if owners.sweep.is_none() && begin && owners.swept_ms < Some(midnight_ms) {
            owners.swept_ms = Some(midnight_ms);
            owners.sweep = Some(Sweep { midnight_ms, cursor: 0, largest: Largest::new() });
        }
        let Some(sweep) = &mut owners.sweep else { return };
        let end = store.len() as u32;
        let to = end.min(sweep.cursor.saturating_add(budget as u32));
        for slot in sweep.cursor..to {
            let held = &mut store.get_mut(slot).profile;
            let sleeps = held.asleep_bytes().is_some();
            sweep.look(cx, held, most);
            if sleeps {
                // it was only looked at
                held.sleep(&mut Vec::new());
            }
        }
        sweep.cursor = to;
        if to == end {
            owners.found = owners.sweep.take().map(|sweep| sweep.largest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_stay() {
        let mut largest = vec![5];
        for minor in [3, 9, 5, 1, 7] {
            enter(&mut largest, minor, 3);
        }
        assert_eq!(largest, [9, 7, 5]);
    }

    #[test]
    fn letters_are_of_a_size_and_the_last_says_so() {
        let owner = |n: usize| (format!("u{n:03}"), vec![1; 1_000]);
        let letters = in_letters(true, (0..100).map(owner));
        assert_eq!(letters.len(), 3);
        assert!(letters.iter().all(|letter| letter.owners.len() <= 40));
        let flags: Vec<(bool, bool)> = letters.iter().map(|l| (l.whole, l.more)).collect();
        assert_eq!(flags, [(true, true), (false, true), (false, false)]);
        let all: Vec<_> = letters.into_iter().flat_map(|letter| letter.owners).collect();
        assert_eq!(all, (0..100).map(owner).collect::<Vec<_>>());
        assert_eq!(in_letters(true, std::iter::empty()).len(), 1, "nobody has an owner");
        assert!(in_letters(false, std::iter::empty()).is_empty());
    }

    #[test]
    fn what_is_told_again_is_what_changed() {
        let owners_of = |list: &[(&str, i64)]| {
            Some(list.iter().map(|(name, minor)| ((*name).into(), vec![*minor])).collect())
        };
        let mut owners = Owners { found: owners_of(&[("a", 1), ("b", 2)]), ..Owners::default() };
        assert!(owners.tell()[0].whole);
        assert!(owners.tell().is_empty());
        owners.found = owners_of(&[("b", 2), ("c", 4)]);
        let told = owners.tell();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].owners, [("a".to_owned(), vec![]), ("c".to_owned(), vec![4])]);
        assert!(!told[0].whole);
    }
}
