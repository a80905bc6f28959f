//! Tiers across shards: each shard tells shard 0 its histogram, shard 0 makes cut-offs of all of them and tells every
//! shard, itself among them, by mail.
//!
//! A rebuild begins without cut-offs: mail and state belong to a generation.

use super::{ClockReading, Machine};
use crate::model::effects::{Effects, Letter};
use crate::snapshot::{StateKey, write};
use crate::wire::mail::{CutOffs, Histogram, Mail, Sender};

/// A shard tells its histogram at most once in this time of the clock.
const TELL_MS: i64 = 10_000;
/// The shard that makes the cut-offs.
pub(super) const MAKER: u16 = 0;

impl Machine {
    /// A letter about tiers.
    pub(super) fn hear_histogram(&mut self, sender: Sender, histogram: &Histogram) {
        if self.identity.shard == MAKER && sender.shard < self.identity.shards {
            self.population.hear(sender.shard, histogram);
        }
    }

    /// New cut-offs.
    pub(super) fn hear_cut_offs(&mut self, cut_offs: &CutOffs) {
        self.engine.take_cut_offs(cut_offs);
    }

    /// Judges customers that new cut-offs have made due, within what the budget leaves.
    pub(super) fn sweep(&mut self) {
        let budget = self.cycle.budget(&self.plan, &self.engine);
        let judged = self.engine.sweep_tiers(budget);
        self.cycle.count_dues(judged);
    }

    /// What is to be told, and the records of what changed.
    pub(super) fn tell_tiers(&mut self, effects: &mut Effects, clock: ClockReading) {
        let sender = Sender { shard: self.identity.shard, cycle: self.state.meta.cycle };
        // either way: a clock that stepped back must not silence a shard
        let due = self.told_ms.is_none_or(|told| (clock.now_ms - told).abs() >= TELL_MS);
        if due && let Some(histogram) = self.engine.tiers.tell() {
            self.told_ms = Some(clock.now_ms);
            let bytes = Mail::Histogram(histogram).encode(sender);
            effects.mail.push(Letter { to_shard: MAKER, bytes });
        }
        if self.identity.shard == MAKER
            && let Some(watermark_ms) = self.watermark_ms()
        {
            let shares = self.engine.tiers.shares();
            let shards = self.identity.shards;
            let made = self.population.publish(shares, shards, watermark_ms, clock.now_ms);
            if let Some(cut_offs) = made {
                let bytes = Mail::CutOffs(cut_offs).encode(sender);
                let letter = |to_shard| Letter { to_shard, bytes: bytes.clone() };
                effects.mail.extend((0..shards).map(letter));
            }
        }
        self.save_tiers(effects);
    }

    fn save_tiers(&mut self, effects: &mut Effects) {
        let Self { engine, population, .. } = self;
        for slot in engine.tiers.take_changed() {
            let key = StateKey::Tier(engine.store.get(slot).key.bytes());
            let stands = engine.tiers.stands(slot);
            effects.state.put(|out| key.write(out), |out| write(&stands, out));
        }
        if let Some(in_force) = engine.tiers.take_in_force() {
            effects.state.put(|out| StateKey::CutOffs.write(out), |out| write(in_force, out));
        }
        for (shard, histogram) in population.take_changed() {
            let key = StateKey::Population(shard);
            effects.state.put(|out| key.write(out), |out| write(&histogram, out));
        }
        if let Some(published) = population.take_published() {
            effects.state.put(|out| StateKey::Published.write(out), |out| write(&published, out));
        }
    }
}
