//! Owners' revenue at risk across shards: each shard tells shard 0 the largest of its customers by owner once a day of event time,
//! shard 0 makes cut-offs of all of them and tells every shard, itself among them, by mail.

use super::tiers::MAKER;
use super::{ClockReading, Machine};
use crate::model::effects::{Effects, Letter};
use crate::snapshot::{StateKey, write};
use crate::wire::mail::{AtRisk, Mail, OwnerCutOffs, Sender};

/// A sweep begins at most once in this time of the clock: more are not told.
const SWEEP_MS: i64 = 10_000;
/// Customers that are swept in a cycle: some milliseconds.
const SWEEP_CUSTOMERS: usize = 2_048;

impl Machine {
    /// A letter about revenue at risk.
    pub(super) fn hear_at_risk(&mut self, sender: Sender, told: &AtRisk) {
        if self.identity.shard == MAKER && sender.shard < self.identity.shards {
            self.portfolios.hear(sender.shard, told);
        }
    }

    /// New cut-offs.
    pub(super) fn hear_owner_cut_offs(&mut self, cut_offs: OwnerCutOffs) {
        self.engine.owners.take_cut_offs(cut_offs);
    }

    /// Goes on with the day's sweep, or begins it.
    pub(super) fn sweep_owners(&mut self, clock: ClockReading) {
        let Some(watermark_ms) = self.watermark_ms() else { return };
        // either way: a clock that stepped back must not silence a shard
        let begin = self.swept_ms.is_none_or(|swept| (clock.now_ms - swept).abs() >= SWEEP_MS);
        self.engine.sweep_owners(watermark_ms, SWEEP_CUSTOMERS, begin);
    }

    /// What is to be told, and the records of what changed.
    pub(super) fn tell_owners(&mut self, effects: &mut Effects, clock: ClockReading) {
        let sender = Sender { shard: self.identity.shard, cycle: self.state.meta.cycle };
        for told in self.engine.owners.tell() {
            self.swept_ms = Some(clock.now_ms);
            let bytes = Mail::AtRisk(told).encode(sender);
            effects.mail.push(Letter { to_shard: MAKER, bytes });
        }
        if self.identity.shard == MAKER
            && let Some(watermark_ms) = self.watermark_ms()
        {
            let ruled = &self.engine.cx.alerts;
            let shards = self.identity.shards;
            let made = self.portfolios.publish(ruled.tops(), shards, watermark_ms, clock.now_ms);
            if let Some(cut_offs) = made {
                let bytes = Mail::OwnerCutOffs(cut_offs).encode(sender);
                let letter = |to_shard| Letter { to_shard, bytes: bytes.clone() };
                effects.mail.extend((0..shards).map(letter));
            }
        }
        self.save_owners(effects);
    }

    fn save_owners(&mut self, effects: &mut Effects) {
        let Self { engine, portfolios, .. } = self;
        if let Some(in_force) = engine.owners.take_in_force() {
            let key = StateKey::OwnerCutOffs;
            effects.state.put(|out| key.write(out), |out| write(in_force, out));
        }
        for (shard, owner, amounts) in portfolios.take_changed() {
            let key = StateKey::AtRisk(shard, &owner);
            match amounts {
                Some(amounts) => {
                    effects.state.put(|out| key.write(out), |out| write(&amounts, out));
                }
                None => effects.state.delete(|out| key.write(out)),
            }
        }
        if let Some(published) = portfolios.take_published() {
            let key = StateKey::OwnersPublished;
            effects.state.put(|out| key.write(out), |out| write(published, out));
        }
    }
}
