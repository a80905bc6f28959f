//! Segments across shards: each shard tells shard 0 what was bought, by full hours of event time; shard 0 looks at an hour when
//! every shard has told it.

use super::Machine;
use super::tiers::MAKER;
use crate::model::effects::{Effects, Letter};
use crate::snapshot::{StateKey, write};
use crate::wire::mail::{self, Mail, Sender};

impl Machine {
    /// A letter about what was bought.
    pub(super) fn hear_demand(&mut self, sender: Sender, told: &mail::Demand) {
        if self.identity.shard == MAKER && sender.shard < self.identity.shards {
            self.market.hear(sender.shard, told);
        }
    }

    /// The watermark moves: full hours are closed before the next record is read.
    pub(super) fn close_hours(&mut self) {
        if let Some(watermark_ms) = self.watermark_ms().filter(|_| self.book.is_none()) {
            self.engine.demand.pass(watermark_ms);
        }
    }

    /// Looks at segments, within what the budget leaves.
    pub(super) fn judge_segments(&mut self) {
        if self.identity.shard == MAKER && self.engine.demand.is_on() {
            let budget = self.cycle.budget(&self.plan, &self.engine);
            let Self { engine, market, identity, .. } = self;
            let looked = market.judge(&engine.cx, identity.shards, budget, &mut engine.alerted);
            self.cycle.count_dues(looked);
        }
    }

    /// What is to be told, and the records of what changed.
    pub(super) fn tell_demand(&mut self, effects: &mut Effects) {
        let sender = Sender { shard: self.identity.shard, cycle: self.state.meta.cycle };
        let Self { engine, market, .. } = self;
        for told in engine.demand.tell() {
            let bytes = Mail::Demand(told).encode(sender);
            effects.mail.push(Letter { to_shard: MAKER, bytes });
        }
        let state = &mut effects.state;
        if let Some(told_ms) = engine.demand.take_told() {
            state.put(|out| StateKey::Demand("").write(out), |out| write(&told_ms, out));
        }
        for (segment, counted) in engine.demand.take_changed() {
            let key = StateKey::Demand(&segment);
            state.put(|out| key.write(out), |out| write(&counted, out));
        }
        for (shard, segment, hours) in market.take_told() {
            let key = StateKey::Told(shard, &segment);
            state.put(|out| key.write(out), |out| write(&hours, out));
        }
        if let Some(done_ms) = market.take_done() {
            state.put(|out| StateKey::Segment("").write(out), |out| write(&done_ms, out));
        }
        for (segment, alerts) in market.take_alerts() {
            let key = StateKey::Segment(&segment);
            state.put(|out| key.write(out), |out| write(alerts, out));
        }
    }
}
