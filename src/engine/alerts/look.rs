//! Looking at a customer's alerts, and those of its tickets: after each event, when the machine itself has changed a signal, and at
//! dues.

use xxhash_rust::xxh3::xxh3_64;

use super::touched::{TICKET, of_event};
use super::values::Facts;
use crate::alert::look::Looking;
use crate::alert::touched::Touched;
use crate::alert::{Alerts, Days, Ruled};
use crate::engine::apply::Engine;
use crate::engine::judge::{Ahead, Look};
use crate::engine::profile::{More, Profile};
use crate::engine::take::Took;
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
        let alerts = entry.profile.more().and_then(More::alerts);
        if !alerts.is_some_and(|alerts| alerts.lacks_days(until_ms)) {
            return;
        }
        let Some(mut days) = take_days(&mut entry.profile) else { return };
        let facts = Facts::new(cx, &entry.profile, tier).named(entry.key.bytes(), owners);
        days.fill(ruled, &facts, until_ms);
        if let Some(alerts) = entry.profile.more_mut().alerts_mut() {
            alerts.put_days(days);
        }
    }

    /// After an event, of which is told what it did.
    pub(in crate::engine) fn look_after_event(
        &mut self,
        slot: u32,
        batch: &EventBatch,
        event: &Event,
        took: &Took,
        new: bool,
    ) {
        let touched = of_event(&event.body, took, new);
        let about = [Subject::Customer, Subject::Ticket];
        let reads = |ruled: &Ruled| about.iter().any(|about| ruled.reads(*about, touched));
        if !reads(&self.cx.alerts) {
            return;
        }
        let tau_ms = self.store.get(slot).profile.as_of_ms;
        let ticket = match event.body {
            Body::Support { ticket_id, .. } => Some(batch.str(ticket_id)),
            _ => None,
        };
        let ticket = ticket.map(|id| (xxh3_64(id.as_bytes()), id));
        let seen = Seen { touched, ticket, ahead: took.ahead };
        self.look_at(slot, tau_ms, Look::Roughly, seen);
    }

    /// After a due of whatever kind; `moved`: it has changed something.
    pub(in crate::engine) fn look_at_fired(&mut self, slot: u32, tau_ms: i64, moved: bool) {
        if moved {
            self.look_at_due(slot, tau_ms);
        } else if self.store.get(slot).profile.alerts_due_ms() <= tau_ms {
            self.look_at(slot, tau_ms, Look::Exactly, Seen::of(Touched::NOTHING));
        }
    }

    /// At a due of another kind, or after the machine itself has changed a signal.
    pub(in crate::engine) fn look_at_due(&mut self, slot: u32, tau_ms: i64) {
        self.look_at(slot, tau_ms, Look::Exactly, Seen::of(Touched::ALL));
    }

    fn look_at(&mut self, slot: u32, tau_ms: i64, look: Look, seen: Seen<'_>) {
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
        let facts = Facts::new(cx, &entry.profile, tier).named(entry.key.bytes(), owners);
        let facts = Facts { look, ..facts.judged(seen.ahead) };
        let mut looking = facts.looking(ruled, alerts, tau_ms);
        let due_ms = looking.all_of_customer(seen);
        let Looking { changed, told, .. } = looking;
        alerted.extend(told);
        if held.is_none() && !fresh.is_blank() {
            held = Some(Box::new(fresh));
        }
        put(&mut entry.profile, held);
        if changed {
            self.mark(slot);
        }
        if due_ms < self.store.get(slot).due_ms() {
            self.arm_at(slot, due_ms);
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
        looking.all_of_customer(Seen::of(Touched::ALL));
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
        let found_ms = looking.all_of_customer(Seen::of(Touched::ALL));
        let due_ms = if looking.changed { from_ms.saturating_add(1) } else { found_ms };
        if due_ms != NEVER_MS {
            // which of both is due is found when it is
            held.get_or_insert_default().set_dues_ms([due_ms, due_ms]);
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

/// Why a customer is looked at.
#[derive(Clone, Copy)]
struct Seen<'a> {
    touched: Touched,
    /// The ticket that an event was about: the hash of its id, and the id.
    ticket: Option<(u64, &'a str)>,
    /// Where the risk goes next, if that has just been found.
    ahead: Option<Ahead>,
}

impl Seen<'_> {
    fn of(touched: Touched) -> Self {
        Self { touched, ticket: None, ahead: None }
    }
}

impl Looking<'_, Facts<'_>> {
    /// Looks at the rules about the customer, then at those about its tickets: those that are due, and those that are told from
    /// what was touched. Returns when to look again.
    fn all_of_customer(&mut self, seen: Seen<'_>) -> i64 {
        let touched = self.also_due(seen.touched);
        self.begin_days(touched);
        self.told_from(Subject::Customer, touched);
        self.tickets(seen);
        let key = self.facts.key;
        while self.alerts.expected_ms() != NEVER_MS && self.act_again(&String::from_utf8_lossy(key))
        {
            self.told_from(Subject::Customer, Touched::ALL);
            self.tickets(Seen::of(Touched::ALL));
        }
        self.close()
    }

    fn tickets(&mut self, seen: Seen<'_>) {
        let (ruled, due) = (self.ruled(), self.part_is_due());
        if !ruled.is_about(Subject::Ticket) {
            self.forget_parts();
            return;
        }
        if !due && !ruled.reads(Subject::Ticket, seen.touched) {
            return;
        }
        if let Some((id, name)) = seen.ticket {
            self.remember(id, name);
        }
        // of other tickets an event changes nothing that is theirs
        let others =
            if seen.ticket.is_some() { seen.touched.without(TICKET) } else { seen.touched };
        let every = due || ruled.reads(Subject::Ticket, others);
        let care = self.facts.more().and_then(|more| more.care.as_deref());
        let parts = self.alerts.held().iter().map(|held| held.part()).filter(|part| *part != 0);
        let mut ids: Vec<u64> = parts.collect();
        if every {
            self.every_part();
            let tickets = care.into_iter().flat_map(|care| care.tickets());
            ids.extend(tickets.filter(|ticket| ticket.open).map(|ticket| ticket.id));
        } else {
            // one that had to make room is looked at, too
            let (named, gone) =
                (seen.ticket, |id| care.is_none_or(|care| care.ticket(id).is_none()));
            ids.retain(|id| named.is_some_and(|(named, _)| named == *id) || gone(*id));
            let open = |id: u64| care.and_then(|care| care.ticket(id)).is_some_and(|t| t.open);
            ids.extend(named.map(|(id, _)| id).filter(|id| open(*id)));
        }
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let is_it = seen.ticket.is_some_and(|(named, _)| named == id);
            self.facts.ticket = care.and_then(|care| care.ticket(id));
            let touched = match self.facts.ticket {
                Some(_) if !is_it => others,
                Some(_) => seen.touched,
                None => Touched::ALL,
            };
            self.part(Subject::Ticket, touched, id);
        }
        self.facts.ticket = None;
        // a ticket that is remembered no more counts as a new one, should it be heard of again
        let known = |part: u64| care.is_some_and(|care| care.ticket(part).is_some());
        self.alerts.retain(|held| held.part() == 0 || held.is_live() || known(held.part()));
    }

    /// Remembers the id of a ticket while it is open: time alone may raise something about it.
    fn remember(&mut self, id: u64, name: &str) {
        let care = self.facts.more().and_then(|more| more.care.as_deref());
        let is_open = |id: u64| care.and_then(|care| care.ticket(id)).is_some_and(|t| t.open);
        if is_open(id) {
            self.alerts.remember_part(id, name);
        }
        // the held alerts of one that is closed know its id; another one may have had to make room
        if self.alerts.parts_len() > care.map_or(0, |care| care.open_len()) {
            self.alerts.retain_parts(is_open);
        } else if !is_open(id) {
            self.alerts.forget_part(id);
        }
    }
}
