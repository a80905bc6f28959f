//! How tiers reach the customers: on new cut-offs, at events of money, and when a dwell time ends.

use super::{InForce, WAITS, cuts_of, value_ln};
use crate::engine::apply::Engine;
use crate::model::time::BEFORE_ALL_MS;
use crate::signal::tiers::apart;
use crate::wire::mail::CutOffs;

impl Engine {
    /// Takes new cut-offs in: the customers between the old ones and them are to be judged. Older ones change nothing.
    pub fn take_cut_offs(&mut self, cut_offs: &CutOffs) {
        let tiers = &mut self.tiers;
        if tiers.cut_offs().is_some_and(|held| held.version >= cut_offs.version) {
            return;
        }
        let cuts = cuts_of(cut_offs);
        let affected = cuts.affected(tiers.cuts.as_ref());
        let mut due: Vec<(i16, i16)> =
            affected.iter().map(|range| (range.start().number(), range.end().number())).collect();
        due.append(&mut tiers.in_force.due);
        tiers.in_force = InForce { cut_offs: Some(*cut_offs), due: apart(due) };
        tiers.in_force_changed = true;
        tiers.cuts = Some(cuts);
        tiers.cursor = 0;
    }

    /// Judges at most `budget` customers that new cut-offs have made due. Returns how many.
    pub fn sweep_tiers(&mut self, budget: usize) -> usize {
        if !self.tiers.is_sweeping() {
            return 0;
        }
        let mut judged = 0;
        let end = self.store.len() as u32;
        while self.tiers.cursor < end {
            let slot = self.tiers.cursor;
            if self.tiers.is_due(self.tiers.look(slot)) {
                if judged >= budget {
                    return judged;
                }
                judged += 1;
                self.judge_now(slot);
            }
            self.tiers.cursor += 1;
        }
        self.tiers.in_force.due.clear();
        self.tiers.in_force_changed = true;
        judged
    }

    /// Judges those who are to be written anyway and whom the sweep has not reached: a row is judged by the version that
    /// it names.
    pub fn judge_dirty(&mut self) {
        if !self.tiers.is_sweeping() {
            return;
        }
        for at in 0..self.dirty.len() {
            let slot = self.dirty[at];
            if self.tiers.is_due(self.tiers.look(slot)) {
                self.judge_now(slot);
            }
        }
    }

    /// Judges a customer by new cut-offs: from the moment they hold, but never before it was last looked at. They may hold
    /// from a moment that this shard has not come to: the history counts the move where the shard is.
    fn judge_now(&mut self, slot: u32) {
        self.store.used(slot);
        let valid_from_ms = self.tiers.cut_offs().map_or(BEFORE_ALL_MS, |c| c.valid_from_ms);
        let on_ms = valid_from_ms.min(self.passed_ms);
        // alerts are told of dues in order of time
        self.fire_slot(slot, on_ms);
        let tau_ms = self.store.get(slot).profile.as_of_ms.max(valid_from_ms);
        self.judge(slot, tau_ms, on_ms);
    }

    /// Judges a customer at `tau_ms`; a move counts on the day of `on_ms`, or of the customer's last change.
    fn judge(&mut self, slot: u32, tau_ms: i64, on_ms: i64) {
        let Some(s) = value_ln(&self.cx, &self.store.get(slot).profile) else {
            return;
        };
        let before = self.tiers.columns(slot);
        if self.tiers.judge(slot, s, tau_ms) {
            self.tier_changed(slot, before, on_ms);
            self.mark(slot);
            self.count_tier(slot, before.place.map(|place| place.tier));
            self.look_at_due(slot, on_ms);
        }
    }

    /// Money moved: the customer's value may be another one.
    pub(in crate::engine) fn value_changed(&mut self, slot: u32) {
        let profile = &self.store.get(slot).profile;
        let as_of_ms = profile.as_of_ms;
        if let Some(s) = value_ln(&self.cx, profile) {
            self.tiers.count(slot, s);
            // cut-offs may hold from a moment that this shard has not come to: as for whom the sweep reaches
            let valid_from_ms = self.tiers.cut_offs().map_or(BEFORE_ALL_MS, |c| c.valid_from_ms);
            self.judge(slot, as_of_ms.max(valid_from_ms), as_of_ms);
        }
    }

    /// Ends the dwell time of one customer, if that is due by `until_ms`.
    pub(in crate::engine) fn confirm_tier(&mut self, slot: u32, until_ms: i64) {
        if self.tiers.look(slot).place & WAITS == 0 {
            return;
        }
        let due_ms = self.tiers.waiting.get(&slot).map(|waiting| self.tiers.due_of(*waiting));
        if let Some(due_ms) = due_ms.filter(|due_ms| *due_ms <= until_ms) {
            // alerts are told of dues in order of time
            self.fire_slot(slot, due_ms);
            self.judge(slot, due_ms, due_ms);
        }
    }

    /// Fires what is due up to `until_ms` in order of time, ends of dwell times after everything else of their moment. At most
    /// `budget`. Returns how many, and when the first of those that are left is due.
    pub fn fire_all_until(&mut self, until_ms: i64, budget: usize) -> (usize, Option<i64>) {
        let mut fired = 0;
        loop {
            let tier = self.tiers.dues.first().copied().filter(|(due_ms, _)| *due_ms <= until_ms);
            let to_ms = tier.map_or(until_ms, |(due_ms, _)| due_ms);
            let (count, left) = self.fire_until(to_ms, budget - fired);
            fired += count;
            let Some((due_ms, slot)) = tier.filter(|_| !left && fired < budget) else {
                let first_left = left.then(|| self.dues.peek(until_ms)).flatten();
                let tier_left = self.tiers.peek(until_ms);
                return (fired, first_left.into_iter().chain(tier_left).min());
            };
            self.store.used(slot);
            self.judge(slot, due_ms, due_ms);
            debug_assert!(!self.tiers.dues.contains(&(due_ms, slot)), "a due must not stand still");
            fired += 1;
        }
    }

    /// When something is due up to `until_ms`; `None` when nothing is.
    pub fn next_due_ms(&mut self, until_ms: i64) -> Option<i64> {
        self.dues.peek(until_ms).or_else(|| self.tiers.peek(until_ms))
    }

    /// After all records of the state were read: counts a customer.
    pub fn restore_tier(&mut self, slot: u32) {
        if let Some(s) = value_ln(&self.cx, &self.store.get(slot).profile) {
            self.tiers.count(slot, s);
        }
    }
}
