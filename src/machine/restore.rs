//! Taking a shard over: state records in, a machine that goes on where the last owner committed.

use super::{Machine, Meta};
use crate::account::book::{Book, MemberKey};
use crate::engine::judge::Look;
use crate::engine::profile::Profile;
use crate::engine::shard::activity::Minute;
use crate::engine::shard::words::Values;
use crate::model::time::BEFORE_ALL_MS;
use crate::plan::{Change, Fingerprint, compare, judges};
use crate::snapshot::{FORMAT, StateKey, read};

/// What restoring found.
#[derive(Clone, Debug, PartialEq)]
pub enum Restored {
    /// The state topic is empty: a new shard; the shell resolves the start position and calls [`Machine::start_at`].
    New,
    /// The shard goes on from here.
    At {
        /// Where it is.
        meta: Meta,
        /// What in the definition has changed since, and is taken over by re-timing; empty when nothing has.
        retimed: Vec<String>,
    },
}

/// Why a shard cannot be taken over; the message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A record that this binary cannot read.
    #[error("{0}")]
    Unreadable(String),
    /// Another version of the binary has written the state.
    #[error(
        "the state is of format {found}, this binary reads {FORMAT}: use the binary that wrote it, or build anew from the sources: retain run --rebuild FILE"
    )]
    OtherFormat {
        /// The format of the state.
        found: u32,
    },
    /// The definition changed in a way that needs a rebuild.
    #[error("the definition changed in a way that the state cannot follow: {}; build a new generation beside the present one: retain run --rebuild FILE", .0.join("; "))]
    NeedsRebuild(Vec<String>),
}

impl Machine {
    /// Takes one record of the state topic (`None` = tombstone), in offset order.
    ///
    /// # Errors
    /// When this binary cannot read the record.
    pub fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), RestoreError> {
        if let (Ok(StateKey::Meta), Some(value)) = (StateKey::decode(key), value)
            && let Ok((found, _)) = postcard::take_from_bytes::<u32>(value)
            && found != FORMAT
        {
            return Err(RestoreError::OtherFormat { found });
        }
        self.try_restore(key, value).map_err(RestoreError::Unreadable)
    }

    fn try_restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), String> {
        match (StateKey::decode(key)?, value) {
            (StateKey::Meta, Some(value)) => {
                self.state = read("meta", value)?;
                self.found_meta = true;
            }
            (StateKey::Profile(id), Some(value)) => {
                let profile: Profile = read("profile", value)?;
                self.engine.store.put_asleep(id, profile, value);
            }
            (StateKey::Minute(minute), Some(value)) => {
                let cells: Minute = read("minute", value)?;
                self.engine.activity.restore(minute, cells);
            }
            (StateKey::Minute(minute), None) => self.engine.activity.forget(minute),
            (StateKey::Flow(hour, grouping, value), Some(flow)) => {
                let segments = &mut self.engine.segments;
                let group = segments.group(grouping, value);
                segments.restore((hour, group), read("segments", flow)?);
            }
            (StateKey::Flow(hour, ..), None) => self.engine.segments.forget(hour),
            (StateKey::Words(source, dimension), Some(value)) => {
                let values: Values = read("words", value)?;
                self.engine.words.restore(source, dimension, values);
            }
            (StateKey::Left(key), Some(value)) => {
                self.left.restore(key, Some(read("left", value)?));
            }
            (StateKey::Tier(id), Some(value)) => {
                // its profile may come later: a compacted topic keeps the last record of each key, wherever that is
                let slot = self.engine.store.find_or_insert(id, || Profile::new(0));
                self.engine.tiers.restore(slot, &read("tier", value)?);
            }
            (StateKey::Left(key), None) => self.left.restore(key, None),
            (StateKey::Account(id), value) => {
                let standing = value.map(|value| read("account", value)).transpose()?;
                self.book_mut()?.restore(id, standing);
            }
            (StateKey::Member(id, source, customer), value) => {
                let member = value.map(|value| read("member", value)).transpose()?;
                let key = MemberKey { source, customer: customer.into() };
                self.book_mut()?.restore_member(id, key, member);
            }
            (StateKey::Acted(customer), value) => {
                let acts = value.map(|value| read("acts", value)).transpose()?;
                self.engine.acts.restore(customer, acts);
            }
            (other, value) => return self.restore_letters(&other, value),
        }
        Ok(())
    }

    /// What came by mail, and what is told by it.
    fn restore_letters(&mut self, key: &StateKey<'_>, value: Option<&[u8]>) -> Result<(), String> {
        match (key, value) {
            (StateKey::CutOffs, Some(value)) => {
                self.engine.tiers.restore_in_force(read("cut-offs", value)?);
            }
            (StateKey::Population(shard), Some(value)) => {
                self.population.restore(*shard, &read("population", value)?);
            }
            (StateKey::Published, Some(value)) => {
                self.population.restore_published(read("published cut-offs", value)?);
            }
            (StateKey::AtRisk(shard, owner), value) => {
                let amounts = value.map(|value| read("revenue at risk", value)).transpose()?;
                self.portfolios.restore(*shard, owner, amounts);
            }
            (StateKey::Demand(""), Some(value)) => {
                self.engine.demand.restore_told(read("demand", value)?);
            }
            (StateKey::Demand(segment), Some(value)) => {
                self.engine.demand.restore(segment, read("demand", value)?);
            }
            (StateKey::Told(shard, segment), Some(value)) => {
                self.market.restore_told(*shard, segment, read("segment", value)?);
            }
            (StateKey::Segment(""), Some(value)) => {
                self.market.restore_done(read("segment", value)?);
            }
            (StateKey::Segment(segment), Some(value)) => {
                self.market.restore_alerts(segment, read("segment", value)?);
            }
            (StateKey::OwnerCutOffs, Some(value)) => {
                self.engine.owners.restore(read("cut-offs of owners", value)?);
            }
            (StateKey::OwnersPublished, Some(value)) => {
                self.portfolios.restore_published(read("published cut-offs of owners", value)?);
            }
            (other, None) => {
                return Err(format!("the state topic deletes {other:?}, which no version does"));
            }
            (other, Some(_)) => return Err(format!("nothing is known of {other:?}")),
        }
        Ok(())
    }

    fn book_mut(&mut self) -> Result<&mut Book, String> {
        self.book.as_mut().ok_or_else(|| {
            "the state holds accounts, the definition makes none: restore its [[source]] kind = \"signals\"".to_owned()
        })
    }

    /// Ends restoring: rebuilds indexes and re-times dues under the definition at hand.
    ///
    /// # Errors
    /// When the definition changed in a way that needs a rebuild.
    pub fn restored(&mut self) -> Result<Restored, RestoreError> {
        if !self.found_meta {
            return Ok(Restored::New);
        }
        let fingerprint = Fingerprint::of(&self.plan);
        let mut retimed = match compare(&self.state.fingerprint, &fingerprint) {
            Change::Same => Vec::new(),
            Change::Retime(what) => what,
            Change::Rebuild(what) => return Err(RestoreError::NeedsRebuild(what)),
        };
        self.state.fingerprint = fingerprint;
        self.state.meta.tenure += 1;
        self.state.meta.owner.clone_from(&self.identity.owner);
        self.watermark = self.state.watermark;
        self.mailbox.start(self.state.meta.mail_to);
        self.engine.activity.sealed_to = self.state.sealed_to;
        self.engine.segments.sealed_to = self.state.hours_sealed_to;
        for (source, (_, offset)) in (0..).zip(&self.state.meta.positions) {
            let frontier_ms = self.state.frontiers_ms[usize::from(source)];
            self.merge.start(source, *offset, frontier_ms);
        }
        let anew =
            retimed.iter().any(|change| judges(change)) || self.state.retime_to_ms != BEFORE_ALL_MS;
        let law = self.plan.alerts.law();
        if law != self.state.rules {
            retimed.push("the alert rules".to_owned());
        }
        self.state.rules = law;
        self.market.restored(&self.engine.cx, &mut self.engine.alerted);
        for slot in self.engine.store.slots() {
            self.engine.store.rest();
            // finding dues changes nothing else: who slept as its record does so again
            let record = self.engine.store.get(slot).profile.record();
            self.engine.store.used(slot);
            self.arm_restored(slot, anew);
            if let Some(record) = record.filter(|_| !anew) {
                self.engine.store.get_mut(slot).profile.keep(&record);
            }
        }
        if let Some(book) = &mut self.book {
            book.arm(self.state.complete_to_ms);
        }
        self.begin_cycle();
        Ok(Restored::At { meta: self.state.meta.clone(), retimed })
    }

    /// Arms the dues of a restored customer; `anew`: those that a changed definition moves, too.
    fn arm_restored(&mut self, slot: u32, anew: bool) {
        self.engine.restore_tier(slot);
        let as_of_ms = self.engine.store.get(slot).profile.as_of_ms;
        let looked_ms = as_of_ms.max(self.state.complete_to_ms);
        self.engine.arm_alerts(slot, looked_ms);
        let profile = &self.engine.store.get(slot).profile;
        let as_of_ms = profile.as_of_ms;
        // what lies before was looked at, and nothing was crossed
        let from_ms = as_of_ms.max(self.state.complete_to_ms);
        if !profile.ages() {
            self.engine.arm_offers(slot, from_ms);
            return;
        }
        if anew {
            // better bands are entered by nothing else until the next event
            self.state.retime_to_ms = self.state.retime_to_ms.max(as_of_ms + 1);
            self.engine.arm_anew(slot);
        } else {
            self.engine.arm(slot, Look::Roughly, from_ms);
        }
        self.engine.list_for_refresh(slot);
    }
}

impl Machine {
    /// Opens the next cycle where the merge stands.
    pub(super) fn begin_cycle(&mut self) {
        let sources = self.plan.sources.len();
        self.cycle = super::OpenCycle::new(sources);
        self.mailbox.reopen();
        self.engine.version = self.version();
        if let Some(book) = &mut self.book {
            book.version = self.engine.version;
        }
        for source in 0..sources {
            self.cycle.sources[source].offset_from = self.merge.merged_to(source as u8);
        }
    }

    /// The version of the open cycle's rows.
    pub(super) fn version(&self) -> u64 {
        crate::model::table::version(self.identity.generation, self.state.meta.cycle + 1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::machine::{ClockReading, Identity};
    use crate::plan::parse;

    fn machine() -> Machine {
        let (plan, problems) = parse(include_str!("../../pipelines/customers.toml"));
        let plan = plan.unwrap_or_else(|| panic!("{problems:?}"));
        let identity = Identity { shard: 0, shards: 1, generation: 1, owner: "test".to_owned() };
        Machine::new(Arc::new(plan), identity)
    }

    /// A search that begins before what is complete would find again what has been looked at, a due a day.
    #[test]
    fn dues_are_looked_for_beyond_what_is_complete() {
        use crate::engine::context::Context;
        use crate::engine::judge::risk_step;
        use crate::model::time::DAY_MS;

        let mut machine = machine();
        let cx = Context::new(machine.plan.clone());
        let mut profile = Profile::new(0);
        profile.purchases.get_or_insert_default().buy(&cx, 5 * DAY_MS, 1_000);
        profile.as_of_ms = 900 * DAY_MS;
        let now = risk_step(&cx, &profile, 900 * DAY_MS, Look::Exactly);
        profile.set_risk_band(now.crosses);
        let slot = machine.engine.store.insert(b"c", profile);
        machine.found_meta = true;
        machine.state.complete_to_ms = 960 * DAY_MS;
        assert!(matches!(machine.restored().unwrap(), Restored::At { .. }));
        let due_ms = machine.engine.store.get(slot).due_ms();
        assert!(due_ms > 960 * DAY_MS, "{due_ms}");
    }

    #[test]
    fn the_origin_of_the_clock_comes_back_with_the_state() {
        let mut first = machine();
        assert_eq!(first.restored().unwrap(), Restored::New);
        first.start_at(&[0, 0, 0], 0);
        first.keep_clock_wall_origin(1_700_000_000_123);
        let effects = first.end_cycle(ClockReading { now_ms: 5, ends_confirmed_ms: None });
        let mut second = machine();
        assert_eq!(second.clock_wall_origin_ms(), 0);
        for (key, value) in effects.state.iter() {
            second.restore(key, value).unwrap();
        }
        assert!(matches!(second.restored().unwrap(), Restored::At { .. }));
        assert_eq!(second.clock_wall_origin_ms(), 1_700_000_000_123);
    }
}
