//! What people do about a customer's alerts, at the moment at which the shard hears of it.

use super::look::{put, take};
use super::values::Facts;
use crate::alert::command::Refused;
use crate::engine::apply::Engine;
use crate::engine::profile::More;
use crate::wire::mail::Said;

impl Engine {
    /// Does what a person says, once, at `now_ms` of event time, but not before the customer's last event and all that was due.
    ///
    /// # Errors
    /// Why it has no effect.
    pub fn command(&mut self, said: &Said, now_ms: i64) -> Result<(), Refused> {
        let slot = self.store.find(said.customer.as_bytes()).ok_or(Refused::NoAlert)?;
        self.store.used(slot);
        let seen_ms = {
            let profile = &self.store.get(slot).profile;
            let alerts = profile.more().and_then(More::alerts);
            profile.as_of_ms.max(alerts.ok_or(Refused::NoAlert)?.seen_ms())
        };
        let tau_ms = now_ms.max(seen_ms);
        self.fire_slot(slot, tau_ms);
        let done = self.obey(slot, said, tau_ms);
        if done.is_ok() {
            self.mark(slot);
            self.look_at_due(slot, tau_ms);
        }
        done
    }

    fn obey(&mut self, slot: u32, said: &Said, tau_ms: i64) -> Result<(), Refused> {
        let Self { cx, store, tiers, owners, alerted, .. } = self;
        let tier = tiers.columns(slot);
        let entry = store.get_mut(slot);
        let mut held = take(&mut entry.profile);
        let done = held.as_deref_mut().ok_or(Refused::NoAlert).and_then(|alerts| {
            let facts = Facts::new(cx, &entry.profile, tier).named(entry.key.bytes(), owners);
            let mut looking = facts.looking(&cx.alerts, alerts, tau_ms);
            looking.obey(&said.customer, said)?;
            alerted.extend(looking.told);
            Ok(())
        });
        put(&mut entry.profile, held);
        done
    }
}
