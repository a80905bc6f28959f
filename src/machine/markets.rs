//! Segments and employees across shards: each shard tells shard 0 what was bought of segments and what employees have read, by full
//! hours of event time; shard 0 looks at an hour when every shard has told it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Machine;
use super::tiers::MAKER;
use crate::engine::alerts::market::Market;
use crate::engine::alerts::told::Told;
use crate::engine::shard::telling::Telling;
use crate::model::effects::{Effects, Letter, StateChanges};
use crate::model::time::NEVER_MS;
use crate::snapshot::{StateKey, read, write};
use crate::wire::mail::{Bought, Hourly, Mail, Read, Sender};

/// The key of a record about what a shard has told, and of one about alerts.
type ToldKey = for<'k> fn(u16, &'k str) -> StateKey<'k>;
type AlertsKey = for<'k> fn(&'k str) -> StateKey<'k>;

impl Machine {
    /// A letter about what was bought.
    pub(super) fn hear_demand(&mut self, sender: Sender, told: &Hourly<Bought>) {
        if self.identity.shard == MAKER && sender.shard < self.identity.shards {
            self.market.hear(sender.shard, told);
        }
    }

    /// A letter about what employees have read; without a rule about them nothing is kept.
    pub(super) fn hear_reads(&mut self, sender: Sender, told: &Hourly<Read>) {
        let asked = self.engine.reads.telling.is_on();
        if self.identity.shard == MAKER && sender.shard < self.identity.shards && asked {
            self.staff.hear(sender.shard, told);
        }
    }

    /// The watermark at which an hour is to be closed.
    pub(super) fn next_hour_ms(&self) -> i64 {
        match self.book {
            Some(_) => NEVER_MS,
            None => self.engine.demand.telling.next_ms().min(self.engine.reads.telling.next_ms()),
        }
    }

    /// The watermark moves: full hours are closed before the next record is read.
    pub(super) fn close_hours(&mut self) {
        if let Some(watermark_ms) = self.watermark_ms().filter(|_| self.book.is_none()) {
            let crate::engine::apply::Engine { demand, reads, cx, .. } = &mut self.engine;
            demand.pass(watermark_ms);
            reads.pass(watermark_ms, |ms| cx.day(ms));
        }
    }

    /// Whether a segment or an employee is to be looked at.
    pub(super) fn is_market_waiting(&self) -> bool {
        let (shards, engine) = (self.identity.shards, &self.engine);
        (engine.demand.telling.is_on() && self.market.is_waiting(shards))
            || (engine.reads.telling.is_on() && self.staff.is_waiting(shards))
    }

    /// Looks at segments and employees, within what the budget leaves.
    pub(super) fn judge_markets(&mut self) {
        if self.identity.shard != MAKER {
            return;
        }
        let shards = self.identity.shards;
        if self.engine.demand.telling.is_on() {
            let budget = self.cycle.budget(&self.plan, &self.engine);
            let Self { engine, market, .. } = self;
            let looked = market.judge(&engine.cx, shards, budget, &mut engine.alerted);
            self.cycle.count_dues(looked);
        }
        if self.engine.reads.telling.is_on() {
            let budget = self.cycle.budget(&self.plan, &self.engine);
            let Self { engine, staff, .. } = self;
            let looked = staff.judge(&engine.cx, shards, budget, &mut engine.alerted);
            self.cycle.count_dues(looked);
        }
    }

    /// What is to be told, and the records of what changed.
    pub(super) fn tell_markets(&mut self, effects: &mut Effects) {
        let sender = Sender { shard: self.identity.shard, cycle: self.state.meta.cycle };
        let Self { engine, market, staff, .. } = self;
        tell(&mut engine.demand.telling, effects, |told| Mail::Demand(told).encode(sender));
        tell(&mut engine.reads.telling, effects, |told| Mail::Reads(told).encode(sender));
        let state = &mut effects.state;
        // what is forgotten, up to when it was told among it, before what is new
        for (employee, counted) in engine.reads.take_changed() {
            put(state, &StateKey::Reads(&employee), counted);
        }
        if let Some(told_ms) = engine.demand.telling.take_told() {
            put(state, &StateKey::Demand(""), Some(&told_ms));
        }
        if let Some(told_ms) = engine.reads.telling.take_told() {
            put(state, &StateKey::Reads(""), Some(&told_ms));
        }
        for (segment, counted) in engine.demand.take_changed() {
            put(state, &StateKey::Demand(&segment), Some(&counted));
        }
        let (told_key, alerts_key): (ToldKey, AlertsKey) =
            (|shard, name| StateKey::Told(shard, name), |name| StateKey::Segment(name));
        save(market, state, told_key, alerts_key);
        let (told_key, alerts_key): (ToldKey, AlertsKey) =
            (|shard, name| StateKey::ReadsTold(shard, name), |name| StateKey::Employee(name));
        save(staff, state, told_key, alerts_key);
    }

    /// After all records were read. Without a rule about employees nothing that they have read is kept.
    pub(super) fn markets_restored(&mut self) {
        let Self { engine, market, staff, .. } = self;
        market.restored(&engine.cx, &mut engine.alerted);
        staff.restored(&engine.cx, &mut engine.alerted);
        if !engine.reads.telling.is_on() {
            engine.reads.forget();
            staff.forget_told();
        }
    }
}

fn tell<T>(telling: &mut Telling<T>, effects: &mut Effects, encode: impl Fn(Hourly<T>) -> Vec<u8>) {
    for told in telling.tell() {
        effects.mail.push(Letter { to_shard: MAKER, bytes: encode(told) });
    }
}

fn put(state: &mut StateChanges, key: &StateKey<'_>, value: Option<&impl Serialize>) {
    match value {
        Some(value) => state.put(|out| key.write(out), |out| write(value, out)),
        None => state.delete(|out| key.write(out)),
    }
}

/// Writes what changed of a market.
fn save<T: Told + Serialize>(
    market: &mut Market<T>,
    state: &mut StateChanges,
    told_key: ToldKey,
    alerts_key: AlertsKey,
) {
    for (shard, name, record) in market.take_told() {
        put(state, &told_key(shard, &name), record.as_ref());
    }
    if let Some(done_ms) = market.take_done() {
        put(state, &alerts_key(""), Some(&done_ms));
    }
    for (name, alerts) in market.take_alerts() {
        put(state, &alerts_key(&name), alerts);
    }
}

/// A record about what a shard has told.
pub(super) fn restore_told<T: Told + DeserializeOwned>(
    market: &mut Market<T>,
    shard: u16,
    name: &str,
    value: Option<&[u8]>,
) -> Result<(), String> {
    let what = "what shards have told";
    match name {
        "" => market.restore_heard(shard, value.map(|value| read(what, value)).transpose()?),
        _ => {
            let hours = value.map(|value| read(what, value)).transpose()?;
            market.restore_told(shard, name, hours);
        }
    }
    Ok(())
}

/// A record about alerts.
pub(super) fn restore_alerts<T: Told>(
    market: &mut Market<T>,
    name: &str,
    value: Option<&[u8]>,
) -> Result<(), String> {
    let what = "alerts of segments or employees";
    match (name, value) {
        ("", Some(value)) => market.restore_done(read(what, value)?),
        ("", None) => {}
        _ => {
            let alerts = value.map(|value| read(what, value)).transpose()?;
            market.restore_alerts(name, alerts);
        }
    }
    Ok(())
}
