//! Looking at a customer's alerts: after each event, when the machine itself has changed a signal, and at dues.

use xxhash_rust::xxh3::xxh3_64;

use super::owners::Owners;
use super::values::Facts;
use super::view::View;
use super::{Alerts, Days, Held, Ruled, number};
use crate::engine::apply::Engine;
use crate::engine::care::TicketView;
use crate::engine::compact::Moment;
use crate::engine::context::Context;
use crate::engine::judge::Look;
use crate::engine::profile::{More, Profile};
use crate::engine::tiers::TierColumns;
use crate::model::batch::EventBatch;
use crate::model::event::{Body, Event};
use crate::model::registry::Subject;
use crate::model::time::NEVER_MS;
use crate::rule::daily::Daily;
use crate::rule::definition::Rule;
use crate::rule::evaluate::World;
use crate::rule::lifecycle::{By, Transition};
use crate::rule::watch::Watch;
use crate::wire::alert::AlertWord;

/// A look at a customer, on its way.
pub(super) struct Looking<'a> {
    pub(super) ruled: &'a Ruled,
    pub(super) key: &'a [u8],
    pub(super) facts: Facts<'a>,
    pub(super) owners: &'a Owners,
    pub(super) alerts: &'a mut Alerts,
    pub(super) tau_ms: i64,
    pub(super) look: Look,
    pub(super) due_ms: i64,
    /// Whether anything happened.
    pub(super) changed: bool,
    pub(super) told: Vec<AlertWord>,
}

impl Engine {
    /// Before an event changes the customer: the midnights that have passed since the last one.
    pub(in crate::engine) fn fill_days(&mut self, slot: u32, until_ms: i64) {
        let Self { cx, store, tiers, .. } = self;
        let Some(ruled) = cx.alerts.as_ref().filter(|ruled| !ruled.rises.is_empty()) else {
            return;
        };
        let tier = tiers.columns(slot);
        let profile = &mut store.get_mut(slot).profile;
        let Some(mut days) = take_days(profile) else { return };
        let facts = Facts::new(cx, profile, tier);
        for rising in &ruled.rises {
            if let Some((_, daily)) = days.0.iter_mut().find(|(name, _)| *name == rising.name) {
                daily.fill(rising.days, until_ms, |ms| number(&facts, rising.signal, ms));
            }
        }
        if let Some(alerts) = profile.more_mut().alerts_mut() {
            alerts.days = days;
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
        self.look_at(slot, tau_ms, Look::Roughly, ticket, true);
    }

    /// After a due of whatever kind; `moved`: it has changed something.
    pub(in crate::engine) fn look_at_fired(&mut self, slot: u32, tau_ms: i64, moved: bool) {
        if moved || self.store.get(slot).profile.alerts_due_ms() <= tau_ms {
            self.look_at_due(slot, tau_ms);
        }
    }

    /// At a due, or after the machine itself has changed a signal.
    pub(in crate::engine) fn look_at_due(&mut self, slot: u32, tau_ms: i64) {
        self.look_at(slot, tau_ms, Look::Exactly, None, false);
    }

    fn look_at(
        &mut self,
        slot: u32,
        tau_ms: i64,
        look: Look,
        ticket: Option<(u64, &str)>,
        begin: bool,
    ) {
        let Self { cx, store, tiers, owners, alerted, version, .. } = self;
        // a customer told over, not lived: nobody is called
        let Some(ruled) = cx.alerts.as_ref().filter(|_| *version != 0) else { return };
        let tier = tiers.columns(slot);
        let entry = store.get_mut(slot);
        let mut held = take(&mut entry.profile);
        let alerts = held.as_deref_mut();
        let mut fresh = Alerts::default();
        let alerts = alerts.unwrap_or(&mut fresh);
        let mut looking = Looking::new(
            ruled,
            entry.key.bytes(),
            (cx, &*entry.profile, tier, owners),
            alerts,
            tau_ms,
        );
        looking.look = look;
        if begin {
            looking.begin_days();
        }
        looking.all(ticket);
        let Looking { due_ms, changed, told, .. } = looking;
        alerted.extend(told);
        alerts.due = Moment::new(due_ms);
        let at_ms = due_ms;
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
        let ruled = self.cx.alerts.as_ref()?;
        let entry = self.store.get(slot);
        let held = entry.profile.more().and_then(More::alerts);
        let mut copy = held.cloned().unwrap_or_default();
        let subject = (&self.cx, &*entry.profile, self.tiers.columns(slot), &self.owners);
        let mut looking = Looking::new(ruled, entry.key.bytes(), subject, &mut copy, tau_ms);
        looking.look = Look::Roughly;
        looking.all(None);
        let rules = |alerts: &Alerts| -> Vec<String> {
            alerts.held.iter().map(|held| held.rule.to_string()).collect()
        };
        let found = looking.changed;
        let told: Vec<&str> = looking.told.iter().map(|word| word.rule.as_str()).collect();
        let why = format!("told of {told:?} at {tau_ms}");
        drop(looking);
        found.then(|| format!("{why}, held of {:?}", rules(&copy)))
    }

    /// Finds, after the state was read, when a customer's alerts must be looked at again; with `anew` at once.
    pub fn arm_alerts(&mut self, slot: u32, from_ms: i64, anew: bool) {
        let Self { cx, store, tiers, owners, .. } = self;
        let Some(ruled) = cx.alerts.as_ref() else { return };
        let tier = tiers.columns(slot);
        let entry = store.get_mut(slot);
        let mut held = take(&mut entry.profile);
        let seen_ms = held.as_ref().map_or(from_ms, |alerts| alerts.seen.ms());
        let from_ms = from_ms.max(seen_ms);
        let due_ms = if anew {
            from_ms.saturating_add(1)
        } else {
            // what lies before was looked at: nothing happens here
            let mut copy = held.as_deref().cloned().unwrap_or_default();
            let subject = (&*cx, &*entry.profile, tier, &*owners);
            let mut looking = Looking::new(ruled, entry.key.bytes(), subject, &mut copy, from_ms);
            looking.look = Look::Roughly;
            looking.all(None);
            looking.due_ms
        };
        if due_ms != NEVER_MS {
            held.get_or_insert_default().due = Moment::new(due_ms);
        }
        put(&mut entry.profile, held);
    }
}

pub(super) fn take(profile: &mut Profile) -> Option<Box<Alerts>> {
    profile.more.as_mut()?.take_alerts()
}

fn take_days(profile: &mut Profile) -> Option<Days> {
    let alerts = profile.more.as_mut()?.alerts_mut()?;
    Some(std::mem::take(&mut alerts.days))
}

pub(super) fn put(profile: &mut Profile, held: Option<Box<Alerts>>) {
    let held = held.filter(|alerts| !alerts.is_blank());
    if held.is_some() || profile.more.is_some() {
        profile.more_mut().put_alerts(held);
    }
}

impl<'a> Looking<'a> {
    pub(super) fn new(
        ruled: &'a Ruled,
        key: &'a [u8],
        (cx, profile, tier, owners): (&'a Context, &'a Profile, TierColumns, &'a Owners),
        alerts: &'a mut Alerts,
        tau_ms: i64,
    ) -> Self {
        let facts = Facts::new(cx, profile, tier);
        let tau_ms = tau_ms.max(profile.as_of_ms).max(alerts.seen.ms());
        Self {
            ruled,
            key,
            facts,
            owners,
            alerts,
            tau_ms,
            look: Look::Exactly,
            due_ms: NEVER_MS,
            changed: false,
            told: Vec::new(),
        }
    }

    /// Begins to remember the midnights of signals that have become known.
    fn begin_days(&mut self) {
        for rising in &self.ruled.rises {
            let known = || number(&self.facts, rising.signal, self.tau_ms).is_some();
            if self.alerts.days.of(rising.name).is_none() && known() {
                let mut daily = Daily::default();
                daily.fill(rising.days, self.tau_ms, |_| None);
                self.alerts.days.0.push((rising.name, daily));
            }
        }
    }

    /// Looks at every rule, in their order.
    fn all(&mut self, named: Option<(u64, &str)>) {
        self.close_changed();
        let ruled = self.ruled;
        for (rule, law) in ruled.ready(Subject::Customer) {
            self.one(rule, law, None, "");
        }
        if ruled.tickets {
            self.tickets(named);
        }
        if self.changed {
            self.alerts.seen = Moment::new(self.tau_ms);
        }
    }

    fn tickets(&mut self, named: Option<(u64, &str)>) {
        let care = self.facts.more().and_then(|more| more.care.as_deref());
        let known: Vec<TicketView> = care.into_iter().flat_map(|care| care.tickets()).collect();
        let mut ids: Vec<u64> = known.iter().filter(|t| t.open).map(|t| t.id).collect();
        ids.extend(self.alerts.held.iter().filter(|h| h.ticket != 0).map(|h| h.ticket));
        ids.sort_unstable();
        ids.dedup();
        let ruled = self.ruled;
        for id in ids {
            self.facts.ticket = known.iter().find(|ticket| ticket.id == id).copied();
            let name = named.filter(|(hash, _)| *hash == id).map_or("", |(_, name)| name);
            for (rule, law) in ruled.ready(Subject::Ticket) {
                self.one(rule, law, Some(id), name);
            }
        }
        self.facts.ticket = None;
        // a ticket that is remembered no more cannot come back under its number
        let gone = |held: &Held| !known.iter().any(|ticket| ticket.id == held.ticket);
        self.alerts.held.retain(|held| held.ticket == 0 || held.is_live() || !gone(held));
    }

    /// Ends what was raised under a rule that is another one now, or is gone.
    fn close_changed(&mut self) {
        let ruled = self.ruled;
        let laws = |held: &Held| {
            ruled.rules.iter().any(|ready| {
                *ruled.set.rules[ready.index].name == *held.rule && ready.law == held.law
            })
        };
        for at in (0..self.alerts.held.len()).rev() {
            if laws(&self.alerts.held[at]) {
                continue;
            }
            let mut held = self.alerts.held.remove(at);
            self.changed = true;
            if let Some((episode, what)) = held.ended() {
                let transition = Transition { at_ms: self.tau_ms, episode, what, by: By::Signals };
                let word = self.word(&mut held, &transition, "the rule has changed");
                self.told.push(word);
            }
            let rule = ruled.set.rules.iter().find(|rule| rule.name == *held.rule);
            let law = ruled.rules.iter().find_map(|ready| {
                (ruled.set.rules[ready.index].name == *held.rule).then_some(ready.law)
            });
            if let (Some(_), Some(law), true) = (rule, law, held.n > 0) {
                // no episode is counted twice
                held.law = law;
                held.watch = Watch::after(held.episode);
                self.alerts.held.push(held);
            }
        }
    }

    /// Looks at one rule about the customer, or about the ticket of the facts.
    fn one(&mut self, rule: &Rule, law: u64, ticket: Option<u64>, name: &str) {
        let id = ticket.unwrap_or(0);
        let is_it = |held: &Held| held.ticket == id && *held.rule == *rule.name;
        let at = self.alerts.held.iter().position(is_it);
        let before = at.map(|at| self.alerts.held[at].watch.clone());
        let mut watch = before.clone().unwrap_or_default();
        let mut out = Vec::new();
        let due_ms = self.with_world(rule, id, |world| watch.look(rule, world, &mut out));
        self.due_ms = self.due_ms.min(due_ms);
        if out.is_empty() && before.as_ref().map_or(watch.is_blank(), |before| *before == watch) {
            return;
        }
        self.changed = true;
        let mut held = match at {
            Some(at) => self.alerts.held.remove(at),
            None => Held::new(rule, law, id),
        };
        if ticket.is_some() && held.subject.is_empty() {
            held.subject = if name.is_empty() { format!("{id:016x}").into() } else { name.into() };
        }
        held.watch = watch;
        for transition in &out {
            let word = self.word(&mut held, transition, "");
            self.told.push(word);
        }
        if !held.is_blank() {
            let at = at.unwrap_or(self.alerts.held.len());
            self.alerts.held.insert(at, held);
        }
    }

    pub(super) fn with_world<T>(
        &self,
        rule: &Rule,
        ticket: u64,
        act: impl FnOnce(&mut World<'_>) -> T,
    ) -> T {
        let firing = |name: &str| {
            let is_it = |held: &&Held| held.ticket == ticket && *held.rule == *name;
            self.alerts.held.iter().find(is_it).is_some_and(|held| held.watch.alert.is_on())
        };
        let view = View {
            facts: &self.facts,
            tau_ms: self.tau_ms,
            look: self.look,
            calendar: self.ruled.calendar(rule),
            days: &self.alerts.days,
            firing: &firing,
        };
        act(&mut World {
            tau_ms: self.tau_ms,
            value: &mut |term| view.value(term, self.tau_ms),
            crossing: &mut |test| view.crossing_ms(test),
        })
    }
}
