//! Looking at a customer's alerts, and those of its tickets: after each event, when the machine itself has changed a signal, and at
//! dues.

use xxhash_rust::xxh3::xxh3_64;

use super::values::Facts;
use crate::alert::look::Looking;
use crate::alert::{Alerts, Days, Ruled};
use crate::engine::apply::Engine;
use crate::engine::care::TicketView;
use crate::engine::judge::Look;
use crate::engine::profile::{More, Profile};
use crate::model::batch::EventBatch;
use crate::model::event::{Body, Event};
use crate::model::registry::Subject;
use crate::model::time::NEVER_MS;

impl Engine {
    /// Before an event changes the customer: the midnights that have passed since the last one.
    pub(in crate::engine) fn fill_days(&mut self, slot: u32, until_ms: i64) {
        let Self { cx, store, tiers, owners, .. } = self;
        let ruled = &cx.alerts;
        if !ruled.remembers_days() {
            return;
        }
        let tier = tiers.columns(slot);
        let entry = store.get_mut(slot);
        let Some(mut days) = take_days(&mut entry.profile) else { return };
        let facts = Facts::new(cx, &entry.profile, tier).named(entry.key.bytes(), owners);
        days.fill(ruled, &facts, until_ms);
        if let Some(alerts) = entry.profile.more_mut().alerts_mut() {
            alerts.put_days(days);
        }
    }

    /// After an event.
    pub(in crate::engine) fn look_after_event(
        &mut self,
        slot: u32,
        batch: &EventBatch,
        event: &Event,
    ) {
        let tau_ms = self.store.get(slot).profile.as_of_ms;
        let ticket = match event.body {
            Body::Support { ticket_id, .. } => Some(batch.str(ticket_id)),
            _ => None,
        };
        let ticket = ticket.map(|id| (xxh3_64(id.as_bytes()), id));
        self.look_at(slot, tau_ms, Look::Roughly, ticket);
    }

    /// After a due of whatever kind; `moved`: it has changed something.
    pub(in crate::engine) fn look_at_fired(&mut self, slot: u32, tau_ms: i64, moved: bool) {
        if moved || self.store.get(slot).profile.alerts_due_ms() <= tau_ms {
            self.look_at_due(slot, tau_ms);
        }
    }

    /// At a due, or after the machine itself has changed a signal.
    pub(in crate::engine) fn look_at_due(&mut self, slot: u32, tau_ms: i64) {
        self.look_at(slot, tau_ms, Look::Exactly, None);
    }

    fn look_at(
        &mut self,
        slot: u32,
        tau_ms: i64,
        look: Look,
        ticket: Option<(u64, &str)>,
    ) {
        let Self { cx, store, tiers, owners, alerted, version, .. } = self;
        let ruled = &cx.alerts;
        let tier = tiers.columns(slot);
        let entry = store.get_mut(slot);
        // a customer told over, not lived: nobody is called
        if *version == 0 || has_nothing(ruled, &entry.profile) {
            return;
        }
        let mut held = take(&mut entry.profile);
        let alerts = held.as_deref_mut();
        let mut fresh = Alerts::default();
        let alerts = alerts.unwrap_or(&mut fresh);
        let facts =
            Facts { look, ..Facts::new(cx, &entry.profile, tier).named(entry.key.bytes(), owners) };
        let mut looking = facts.looking(ruled, alerts, tau_ms);
        looking.all_of_customer(ticket);
        let Looking { due_ms: at_ms, changed, told, .. } = looking;
        alerted.extend(told);
        alerts.set_due_ms(at_ms);
        if held.is_none() && !fresh.is_blank() {
            held = Some(Box::new(fresh));
        }
        put(&mut entry.profile, held);
        if changed {
            self.mark(slot);
        }
        if at_ms < self.store.get(slot).due_ms() {
            self.arm_at(slot, at_ms);
        }
    }

    /// What a look at a customer's alerts at `tau_ms` would find that no due has found: nothing, once everything that was due by
    /// then has been fired. Changes nothing.
    pub fn unnoticed(&self, slot: u32, tau_ms: i64) -> Option<String> {
        let entry = self.store.get(slot);
        let held = entry.profile.more().and_then(More::alerts);
        let mut copy = held.cloned().unwrap_or_default();
        let tier = self.tiers.columns(slot);
        let facts =
            Facts::new(&self.cx, &entry.profile, tier).named(entry.key.bytes(), &self.owners);
        let facts = Facts { look: Look::Roughly, ..facts };
        let mut looking = facts.looking(&self.cx.alerts, &mut copy, tau_ms);
        looking.all_of_customer(None);
        let found = looking.changed;
        let told: Vec<&str> = looking.told.iter().map(|word| word.rule.as_str()).collect();
        let why = format!("told of {told:?} at {tau_ms}");
        drop(looking);
        found.then(|| format!("{why}, held of {:?}", copy.rules().collect::<Vec<_>>()))
    }

    /// Finds, after the state was read, when a customer's alerts must be looked at again: at once, where a look changes something.
    /// That is so under other rules, and until the look has been committed, however often the shard is taken over before.
    pub fn arm_alerts(&mut self, slot: u32, from_ms: i64) {
        let Self { cx, store, tiers, owners, .. } = self;
        let ruled = &cx.alerts;
        let tier = tiers.columns(slot);
        let entry = store.get_mut(slot);
        if has_nothing(ruled, &entry.profile) {
            return;
        }
        let mut held = take(&mut entry.profile);
        let seen_ms = held.as_ref().map_or(from_ms, |alerts| alerts.seen_ms());
        let from_ms = from_ms.max(seen_ms);
        let mut copy = held.as_deref().cloned().unwrap_or_default();
        let facts = Facts::new(cx, &entry.profile, tier).named(entry.key.bytes(), owners);
        let facts = Facts { look: Look::Roughly, ..facts };
        let mut looking = facts.looking(ruled, &mut copy, from_ms);
        looking.all_of_customer(None);
        let due_ms = if looking.changed { from_ms.saturating_add(1) } else { looking.due_ms };
        if due_ms != NEVER_MS {
            held.get_or_insert_default().set_due_ms(due_ms);
        }
        put(&mut entry.profile, held);
    }
}

/// Whether there is no rule, and nothing that one has left behind.
fn has_nothing(ruled: &Ruled, profile: &Profile) -> bool {
    let held = || profile.more().and_then(More::alerts);
    ruled.is_empty() && held().is_none_or(Alerts::is_at_rest)
}

pub(super) fn take(profile: &mut Profile) -> Option<Box<Alerts>> {
    profile.more.as_mut()?.take_alerts()
}

fn take_days(profile: &mut Profile) -> Option<Days> {
    let alerts = profile.more.as_mut()?.alerts_mut()?;
    Some(alerts.take_days())
}

pub(super) fn put(profile: &mut Profile, held: Option<Box<Alerts>>) {
    let held = held.filter(|alerts| !alerts.is_blank());
    if held.is_some() || profile.more.is_some() {
        profile.more_mut().put_alerts(held);
    }
}

impl<'a> Facts<'a> {
    /// A look at the customer, not before its last event.
    pub(super) fn looking(
        self,
        ruled: &'a Ruled,
        alerts: &'a mut Alerts,
        tau_ms: i64,
    ) -> Looking<'a, Self> {
        let tau_ms = tau_ms.max(self.profile.as_of_ms);
        Looking::new(ruled, self, alerts, tau_ms)
    }
}

impl Looking<'_, Facts<'_>> {
    /// Looks at every rule about the customer, then at those about its tickets.
    fn all_of_customer(&mut self, named: Option<(u64, &str)>) {
        self.begin_days();
        self.all(Subject::Customer);
        self.tickets(named);
        let key = self.facts.key;
        while self.alerts.expected_ms() != NEVER_MS && self.act_again(&String::from_utf8_lossy(key))
        {
            self.all(Subject::Customer);
            self.tickets(None);
        }
        self.close();
    }

    fn tickets(&mut self, named: Option<(u64, &str)>) {
        let ruled = self.ruled();
        if !ruled.is_about(Subject::Ticket) {
            return;
        }
        let care = self.facts.more().and_then(|more| more.care.as_deref());
        let known: Vec<TicketView> = care.into_iter().flat_map(|care| care.tickets()).collect();
        let mut ids: Vec<u64> = known.iter().filter(|t| t.open).map(|t| t.id).collect();
        ids.extend(self.alerts.held().iter().map(|held| held.part()).filter(|part| *part != 0));
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            self.facts.ticket = known.iter().find(|ticket| ticket.id == id).copied();
            let name = named.filter(|(hash, _)| *hash == id).map_or("", |(_, name)| name);
            for (rule, law) in ruled.ready(Subject::Ticket) {
                self.one(rule, law, Some(id), name);
            }
        }
        self.facts.ticket = None;
        // a ticket that is remembered no more counts as a new one, should it be heard of again
        let gone = |part: u64| !known.iter().any(|ticket| ticket.id == part);
        self.alerts.retain(|held| held.part() == 0 || held.is_live() || !gone(held.part()));
    }
}
