//! The engine: applies events to profiles, fires dues, and collects what changed.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::alerts::acts::Acts;
use super::alerts::owners::Owners;
use super::compact::Moment;
use super::context::Context;
use super::dues::DueQueue;
use super::flows::Before;
use super::ids::{Admitted, Memory, Seen};
use super::judge::{Look, RiskStep, risk_due_ms, risk_step, value, value_again};
use super::lifecycle::{due_ms, enter, moves_to, step};
use super::member::Left;
use super::owed::Owed;
use super::profile::Profile;
use super::rows::{EventRow, Rows, keeps_row};
use super::said::Field;
use super::shard::activity::{Activity, Counted, Tally};
use super::shard::demand::Demand;
use super::shard::segments::Segments;
use super::shard::words::{Dimension, Word, Words};
use super::situation::{due_after_ms, may_begin};
use super::store::{Slot, Store};
use super::take::Took;
use super::tiers::Tiers;
use super::web::Visits;
use crate::model::batch::EventBatch;
use crate::model::event::{Body, Event};
use crate::model::outcome::Outcome;
use crate::model::record::{Position, Stamp};
use crate::model::registry::Subject;
use crate::model::time::BEFORE_ALL_MS;
use crate::plan::Plan;
use crate::signal::lifecycle::Step;
use crate::wire::alert::AlertWord;

/// Where an event comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Source and offset.
    pub position: Position,
    /// Frontier of its partition, itself included.
    pub frontier_ms: i64,
}

/// A change of the signals topic: the customer crossed a band, or belongs to another account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The customer's slot.
    pub slot: u32,
    /// The account before, when it changed.
    pub left_account: Option<Left>,
}

/// All customer logic of one shard.
#[derive(Debug)]
pub struct Engine {
    /// Plan and derived constants.
    pub cx: Context,
    /// The profiles.
    pub store: Store,
    /// Tiers of the customers.
    pub tiers: Tiers,
    /// Revenue at risk by owner.
    pub owners: Owners,
    /// What is bought of segments.
    pub demand: Demand,
    /// Pending dues.
    pub dues: DueQueue,
    /// Open minutes.
    pub activity: Activity,
    /// Open hours of segments.
    pub segments: Segments,
    /// Dimension values.
    pub words: Words,
    /// Rows that are written as events come (the others are written at the end of a cycle).
    pub rows: Rows,
    /// Slots that changed in this cycle, in order of first change.
    pub dirty: Vec<u32>,
    /// About how many bytes their states and rows will have.
    pub dirty_bytes: usize,
    /// What the next stage must hear of.
    pub moved: Vec<Moved>,
    /// What happened to alerts in this cycle, in order.
    pub alerted: Vec<AlertWord>,
    /// In a rebuild, what people have done about alerts of customers that are still to come.
    pub acts: Acts,
    /// Customers whose credit has changed in this cycle.
    pub owed: Vec<Owed>,
    /// Version of the open cycle's rows; 0 where no history is written.
    pub version: u64,
    /// How far time has certainly passed, milliseconds.
    pub passed_ms: i64,
    /// Slots of purchasers by the minute of the day at which their row is refreshed.
    pub refresh: Vec<Vec<u32>>,
    slots: Vec<u32>,
}

/// Minutes in a day: slots of the refresh list.
pub const REFRESH_SLOTS: usize = 1_440;

impl Engine {
    /// An empty engine for a shard.
    pub fn new(plan: Arc<Plan>, shard: u16) -> Self {
        let tiers = Tiers::new(&plan);
        let cx = Context::new(plan);
        let segments = cx.alerts.is_about(Subject::Segment);
        Self {
            tiers,
            demand: Demand::new(segments),
            cx,
            store: Store::default(),
            owners: Owners::default(),
            dues: DueQueue::default(),
            activity: Activity::new(),
            segments: Segments::default(),
            words: Words::default(),
            rows: Rows::new(shard),
            dirty: Vec::new(),
            dirty_bytes: 0,
            moved: Vec::new(),
            alerted: Vec::new(),
            acts: Acts::default(),
            owed: Vec::new(),
            version: 0,
            passed_ms: BEFORE_ALL_MS,
            refresh: vec![Vec::new(); REFRESH_SLOTS],
            slots: Vec::new(),
        }
    }

    /// Decides an event's outcome and applies it.
    pub fn apply(
        &mut self,
        key: &[u8],
        batch: &EventBatch,
        event: &Event,
        origin: Origin,
    ) -> Outcome {
        let known = self.store.len();
        let slot = self.store.find_or_insert(key, || Profile::new(event.ts_ms));
        let is_new = self.store.len() > known;
        if is_new && !self.acts.is_empty() {
            self.expect_of_new(slot, key);
        }
        self.confirm_tier(slot, event.ts_ms);
        if self.store.get(slot).due_ms() <= event.ts_ms {
            self.fire_slot(slot, event.ts_ms);
        }
        let source = usize::from(origin.position.source);
        let memory = match self.cx.plan.sources.get(source) {
            Some(source) => Memory {
                horizon_ms: origin.frontier_ms.saturating_sub(source.dedup_window_ms),
                ids_max: source.dedup_ids_max,
            },
            None => return Outcome::Rejected,
        };
        let ids = &mut self.store.get_mut(slot).profile.ids;
        let Admitted { seen, forgot } =
            ids.admit(origin.position.source, event.id_hash, event.ts_ms, memory);
        match seen {
            Seen::New => {
                self.mark(slot);
                let before = self.counted_before(slot, &event.body, is_new);
                self.take(slot, batch, event, origin, memory.horizon_ms, &before);
                Outcome::Applied
            }
            // what was forgotten on this occasion is state too: the floor must not depend on a crash
            Seen::Before | Seen::Unknowable => {
                if forgot {
                    self.mark(slot);
                }
                if seen == Seen::Before { Outcome::Duplicate } else { Outcome::Late }
            }
        }
    }

    /// Notes that a profile changes in this cycle.
    pub fn mark(&mut self, slot: u32) {
        let entry = self.store.get_mut(slot);
        if !entry.dirty {
            entry.dirty = true;
            self.dirty_bytes += entry.profile.bytes_guess();
            self.dirty.push(slot);
        }
    }

    fn take(
        &mut self,
        slot: u32,
        batch: &EventBatch,
        event: &Event,
        origin: Origin,
        horizon_ms: i64,
        before: &Before,
    ) {
        self.will_change(slot, event.ts_ms);
        self.fill_days(slot, event.ts_ms);
        let source = origin.position.source;
        let channel = self.channel(batch, event, source);
        let told = Visits::Remembered { horizon_ms };
        let counted = Some((before, channel));
        let visit = self.change(slot, batch, event, origin.position, told, counted);
        self.look_after_event(slot, batch, event);
        self.count_demand(slot, batch, event, source);
        let tally = Tally::of(&event.body);
        let counted = self.activity.count(event.ts_ms, source, event.event_type(), channel, tally);
        let version = self.version;
        let row = EventRow { batch, event, origin: origin.position, visit, version };
        if counted == Counted::Alone {
            let text = self.words.text(source, Dimension::Channel, channel);
            self.rows.late_activity(&self.cx.plan, &row, text, tally);
        }
        if visit || keeps_row(&event.body) {
            let max = self.cx.plan.limits.dimension_values_max;
            let origin_text = batch.str(event.origin);
            let named = self.words.limited(source, Dimension::Origin, origin_text, max);
            let text = self.words.text(source, Dimension::Channel, channel);
            self.rows.event(&self.cx.plan, &row, text, named);
        }
    }

    /// What an event changes in a profile, and what follows from it; `counted` is how the segments knew the customer, for who
    /// counts them, and the event's channel. Returns whether it began a visit.
    pub(super) fn change(
        &mut self,
        slot: u32,
        batch: &EventBatch,
        event: &Event,
        position: Position,
        visits: Visits,
        counted: Option<(&Before, Word)>,
    ) -> bool {
        let born = self.store.get(slot).profile.born;
        let took = self.add(slot, batch, event, position, visits);
        let money = matches!(
            event.body,
            Body::Purchase { .. } | Body::Refund { .. } | Body::Opening { .. }
        );
        // rates look back to the first event
        let born_earlier = self.store.get(slot).profile.born != born;
        if money {
            self.after_purchase(slot, took.bought);
        } else if took.costs || born_earlier {
            value_again(&self.cx, &mut self.store.get_mut(slot).profile);
        }
        if let Some((before, channel)) = counted {
            self.count_event(slot, event, before, (position.source, channel));
        }
        let mut risk = None;
        if took.judged || born_earlier {
            risk = self.judge_risk(slot);
        }
        if money {
            self.value_changed(slot);
        }
        if took.begins || risk.is_some_and(|risk| risk >= self.cx.offers.rules.risk_min) {
            self.propose_after(slot, risk);
        }
        took.visit
    }

    /// What an event changes in a profile by itself.
    pub(super) fn add(
        &mut self,
        slot: u32,
        batch: &EventBatch,
        event: &Event,
        position: Position,
        visits: Visits,
    ) -> Took {
        let stamp = Stamp { ts_ms: event.ts_ms, position };
        let profile = &mut self.store.get_mut(slot).profile;
        profile.born.lower_to(event.ts_ms);
        profile.as_of_ms = profile.as_of_ms.max(event.ts_ms);
        self.take_links(slot, batch, event, stamp);
        self.take_body(slot, batch, event, stamp, visits)
    }

    fn take_links(&mut self, slot: u32, batch: &EventBatch, event: &Event, stamp: Stamp) {
        let profile = &mut self.store.get_mut(slot).profile;
        if !event.legal_entity_id.is_none() {
            profile.said.say(Field::LegalEntityId, batch.str(event.legal_entity_id), stamp);
        }
        if event.account_id.is_none() {
            return;
        }
        // most events repeat the account: only another one costs a copy of the old
        let account = batch.str(event.account_id);
        let before = profile.said(Field::AccountId);
        let other = (before != account && (!before.is_empty() || profile.was_told()))
            .then(|| Left::of(before, profile));
        if profile.said.say(Field::AccountId, account, stamp) {
            self.moved.push(Moved { slot, left_account: other });
        }
    }

    fn after_purchase(&mut self, slot: u32, bought: bool) {
        let entry = self.store.get_mut(slot);
        let tau_ms = entry.profile.as_of_ms;
        let how = if bought { Step::Bought } else { Step::Time };
        if step(&self.cx, &mut entry.profile, tau_ms, how) {
            self.moved.push(Moved { slot, left_account: None });
        }
        value(&self.cx, &mut entry.profile, tau_ms);
        let lifecycle_ms = due_ms(&self.cx, &entry.profile);
        entry.profile.set_lifecycle_due_ms(lifecycle_ms);
    }

    /// Steps the band of the risk after something has changed, and arms the next due. Returns the risk.
    fn judge_risk(&mut self, slot: u32) -> Option<f64> {
        let entry = self.store.get_mut(slot);
        let tau_ms = entry.profile.as_of_ms;
        let RiskStep { crosses, risk, due_ms: risk_ms } =
            risk_step(&self.cx, &entry.profile, tau_ms, Look::Roughly);
        if crosses.is_some() {
            entry.profile.set_risk_band(crosses);
        }
        entry.profile.set_risk_due_ms(risk_ms);
        let at_ms = entry.profile.lifecycle_due_ms().min(risk_ms);
        let at_ms = at_ms.min(due_after_ms(&self.cx, &entry.profile, tau_ms));
        let ages = entry.profile.ages();
        if crosses.is_some() {
            self.moved.push(Moved { slot, left_account: None });
        }
        if ages {
            self.list_for_refresh(slot);
        }
        self.arm_at(slot, at_ms);
        risk
    }

    /// Lists a customer whose row ages for the daily refresh of what has no closed form, at a minute that its key decides.
    pub fn list_for_refresh(&mut self, slot: u32) {
        let entry = self.store.get_mut(slot);
        if !entry.refreshed {
            entry.refreshed = true;
            let minute = (xxh3_64(entry.key.bytes()) % REFRESH_SLOTS as u64) as usize;
            self.refresh[minute].push(slot);
        }
    }

    /// Computes a profile's next due after `from_ms` and makes sure that the queue wakes by then.
    pub fn arm(&mut self, slot: u32, look: Look, from_ms: i64) {
        let entry = self.store.get_mut(slot);
        let lifecycle_ms = due_ms(&self.cx, &entry.profile);
        entry.profile.set_lifecycle_due_ms(lifecycle_ms);
        let risk_ms = risk_due_ms(&self.cx, &mut entry.profile, look, from_ms);
        let offers_ms = due_after_ms(&self.cx, &entry.profile, from_ms);
        let at_ms = lifecycle_ms.min(risk_ms).min(offers_ms);
        self.arm_at(slot, at_ms);
    }

    /// Makes a profile due just after it was last looked at: the definition judges differently from now on.
    pub fn arm_anew(&mut self, slot: u32) {
        let entry = self.store.get_mut(slot);
        let at_ms = entry.profile.as_of_ms + 1;
        entry.profile.set_lifecycle_due_ms(at_ms);
        entry.profile.set_risk_due_ms(at_ms);
        self.arm_at(slot, at_ms);
    }

    /// Makes a profile due at `at_ms`, and sure that the queue wakes by then.
    pub fn arm_at(&mut self, slot: u32, at_ms: i64) {
        let entry = self.store.get_mut(slot);
        let at_ms = at_ms.min(entry.profile.alerts_due_ms());
        // what the queue's entry cannot say is never due
        entry.due = Moment::new(at_ms);
        if entry.due < entry.queued {
            entry.queued = entry.due;
            self.dues.push(entry.due.ms(), slot);
        }
    }

    /// Fires the dues of one profile up to `until_ms`.
    pub(super) fn fire_slot(&mut self, slot: u32, until_ms: i64) {
        while self.store.get(slot).due_ms() <= until_ms {
            self.fire(slot);
        }
    }

    /// Evaluates a profile at its due. A due re-arms strictly later; one that finds nothing leaves no trace, for where it
    /// lay depends on when it was last looked for.
    fn fire(&mut self, slot: u32) {
        let Slot { due, profile, .. } = self.store.used(slot);
        let tau_ms = due.ms();
        let was = profile.lifecycle();
        let retimed = profile.lifecycle_due_ms() <= tau_ms;
        let enters = if retimed { moves_to(&self.cx, profile, tau_ms, Step::Time) } else { None };
        // what neither the risk nor the lifecycle is due for is due for what is worth a contact
        let judged = (profile.risk_due_ms() <= tau_ms)
            .then(|| risk_step(&self.cx, profile, tau_ms, Look::Exactly));
        let crosses = judged.and_then(|judged| judged.crosses);
        if retimed || crosses.is_some() {
            self.will_change(slot, tau_ms);
            let profile = &mut self.store.get_mut(slot).profile;
            if let Some(state) = enters {
                enter(profile, state, tau_ms);
            }
            if crosses.is_some() {
                profile.set_risk_band(crosses);
            }
            profile.as_of_ms = profile.as_of_ms.max(tau_ms);
            value(&self.cx, profile, tau_ms);
            let lifecycle_ms = due_ms(&self.cx, profile);
            profile.set_lifecycle_due_ms(lifecycle_ms);
            self.mark(slot);
        }
        if enters.is_some() {
            self.count_step(slot, was, tau_ms);
        }
        if enters.is_some() || crosses.is_some() {
            self.moved.push(Moved { slot, left_account: None });
        }
        if let Some(judged) = judged {
            self.store.get_mut(slot).profile.set_risk_due_ms(judged.due_ms);
        }
        let risk = judged.and_then(|judged| judged.risk);
        if retimed || may_begin(&self.cx, &self.store.get(slot).profile, tau_ms, risk) {
            self.propose(slot, tau_ms, risk);
        }
        self.look_at_fired(slot, tau_ms, retimed || crosses.is_some());
        let profile = &self.store.get(slot).profile;
        let at_ms = profile.lifecycle_due_ms().min(profile.risk_due_ms());
        self.arm_at(slot, at_ms.min(due_after_ms(&self.cx, profile, tau_ms)));
        debug_assert!(self.store.get(slot).due_ms() > tau_ms, "a due must re-arm later");
    }

    /// Fires at most `budget` dues up to `until_ms`, in order of (due, key). Returns how many, and whether any is left.
    pub fn fire_until(&mut self, until_ms: i64, budget: usize) -> (usize, bool) {
        let mut fired = 0;
        while let Some(at_ms) = self.dues.peek(until_ms) {
            if fired >= budget {
                return (fired, true);
            }
            let mut slots = std::mem::take(&mut self.slots);
            self.dues.take(at_ms, &mut slots);
            if slots.len() > 1 {
                let key = |slot: u32| self.store.get(slot).key.bytes();
                slots.sort_unstable_by(|a, b| key(*a).cmp(key(*b)));
                slots.dedup();
            }
            for slot in slots.drain(..) {
                if fired >= budget {
                    // many may be due in one millisecond
                    self.dues.push(at_ms, slot);
                    continue;
                }
                let entry = self.store.get_mut(slot);
                if entry.queued.ms() != at_ms {
                    continue; // overtaken by an earlier entry
                }
                entry.queued = Moment::NEVER;
                if entry.due_ms() > at_ms {
                    entry.queued = entry.due;
                    if entry.due != Moment::NEVER {
                        self.dues.push(entry.due.ms(), slot);
                    }
                } else {
                    self.fire(slot);
                    fired += 1;
                }
            }
            self.slots = slots;
        }
        (fired, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::NEVER_MS;

    #[test]
    fn a_budget_holds_for_many_dues_of_one_millisecond() {
        let (plan, problems) = crate::plan::parse(include_str!("../../pipelines/customers.toml"));
        let plan = plan.unwrap_or_else(|| panic!("{problems:?}"));
        let mut engine = Engine::new(Arc::new(plan), 0);
        for key in [b"c", b"a", b"b"] {
            let slot = engine.store.insert(key, Profile::new(0));
            engine.arm_at(slot, 7);
        }
        assert_eq!(engine.fire_until(6, 10), (0, false));
        assert_eq!(engine.fire_until(7, 2), (2, true));
        // in the order of keys: the last one is left
        let due = |key: &[u8]| engine.store.get(engine.store.find(key).unwrap_or(0)).due_ms();
        assert_eq!([due(b"a"), due(b"b"), due(b"c")], [NEVER_MS, NEVER_MS, 7]);
        assert_eq!(engine.fire_until(7, 2), (1, false));
    }
}
