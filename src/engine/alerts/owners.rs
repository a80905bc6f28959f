//! Customers' revenue at risk by owner: swept once a day of event time.

use super::values::Facts;
use crate::engine::apply::Engine;
use crate::engine::context::Context;
use crate::engine::profile::Profile;
use crate::engine::said::Field;
use crate::engine::tiers::TierColumns;

/// What a shard knows of its customers' owners.
pub type Owners = crate::alert::owners::Owners<u32>;

/// A customer's owner and revenue at risk, as of a midnight or the last event after it.
fn at_risk<'a>(cx: &Context, profile: &'a Profile, midnight_ms: i64) -> Option<(&'a str, i64)> {
    let owner = profile.said(Field::OwnerId);
    if owner.is_empty() || !profile.said(Field::OwnerBeyond).is_empty() {
        return None;
    }
    let facts = Facts::new(cx, profile, TierColumns::default());
    Some((owner, facts.at_risk_minor(profile.as_of_ms.max(midnight_ms))?))
}

impl Engine {
    /// Sweeps at most `budget` customers for the largest revenues at risk of their owners, as of the last midnight (UTC) before
    /// `until_ms`, or as of a customer's last event after it; none where no rule asks for it. A new sweep begins only if `begin`.
    pub fn sweep_owners(&mut self, until_ms: i64, budget: usize, begin: bool) {
        let Self { cx, store, owners, .. } = self;
        let Some(most) = cx.alerts.tops().last() else { return };
        let Some(sweep) = owners.sweep(*most, until_ms, begin) else { return };
        let end = store.len() as u32;
        let to = end.min(sweep.cursor.saturating_add(budget as u32));
        for slot in sweep.cursor..to {
            let held = &mut store.get_mut(slot).profile;
            let sleeps = held.asleep_bytes().is_some();
            if let Some((owner, minor)) = at_risk(cx, held, sweep.midnight_ms) {
                sweep.enter(owner, minor);
            }
            if sleeps {
                // it was only looked at
                held.sleep(&mut Vec::new());
            }
        }
        sweep.cursor = to;
        if to == end {
            owners.end_sweep();
        }
    }
}
