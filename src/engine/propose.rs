//! Proposing what is worth a contact: after events that can begin something, and at dues. A proposal becomes a row as it is
//! made, with the customer as they stand at that moment, and makes the customer speak to the next stage.

use super::apply::{Engine, Moved};
use super::judge::{clv_minor, risk_inputs};
use super::offer::Offer;
use super::opportunity_row::OpportunityRow;
use super::profile::Profile;
use super::situation::{Found, Named, due_after_ms, is_gone, listed, look};
use super::store::Slot;
use crate::signal::opportunity::Goal;

impl Engine {
    /// Looks at a customer after an event, and arms the next due if something was proposed. `risk`: as it was just judged.
    pub(super) fn propose_after(&mut self, slot: u32, risk: Option<f64>) {
        let tau_ms = self.store.get(slot).profile.as_of_ms;
        if self.propose(slot, tau_ms, risk) {
            let entry = self.store.get(slot);
            let at_ms = entry.due_ms().min(due_after_ms(&self.cx, &entry.profile, tau_ms));
            self.arm_at(slot, at_ms);
        }
    }

    /// Looks at a customer as of `tau_ms`, and proposes what is worth a contact. Returns whether anything was.
    pub(super) fn propose(&mut self, slot: u32, tau_ms: i64, risk: Option<f64>) -> bool {
        let valued = self.tiers.valued(slot);
        let found = look(&self.cx, &self.store.get(slot).profile, valued, tau_ms, risk);
        if found.opportunities.is_empty() {
            return false;
        }
        self.will_change(slot, tau_ms);
        let (risk, clv) = self.told_with(slot, tau_ms, risk, &found);
        for opportunity in &found.opportunities {
            let profile = &mut self.store.get_mut(slot).profile;
            profile.as_of_ms = profile.as_of_ms.max(tau_ms);
            let offers = &mut profile.more_mut().offers;
            offers.put(Offer::new(opportunity, tau_ms), self.cx.offers.rules.cooldown_ms);
            let category = match found.category.filter(|_| opportunity.goal == Goal::CrossSell) {
                Some(Named::Watched(key)) => self.words.category(key),
                Some(Named::Listed(row)) => listed(&self.cx.plan, row),
                None => "",
            };
            let Slot { key, profile, .. } = self.store.get(slot);
            let row = OpportunityRow {
                customer: key.bytes(),
                profile,
                opportunity,
                at_ms: tau_ms,
                held_out: self.cx.offers.rules.is_held_out(key.bytes()),
                category,
                tier: valued.tier,
                risk,
                clv,
            };
            self.rows.opportunity(&row, self.version);
        }
        self.mark(slot);
        self.moved.push(Moved { slot, left_account: None });
        true
    }

    /// The risk and the lifetime value that a proposal is told with, as far as they are not known yet.
    fn told_with(
        &self,
        slot: u32,
        tau_ms: i64,
        risk: Option<f64>,
        found: &Found,
    ) -> (Option<f64>, Option<f64>) {
        let (cx, profile) = (&self.cx, &self.store.get(slot).profile);
        let judged = || Some(cx.risk.weights.risk(&risk_inputs(cx, profile)?.facts_at(tau_ms)));
        let valued = || clv_minor(cx, profile, tau_ms).map(|minor| minor / cx.major());
        (risk.or_else(judged), found.clv.or_else(valued))
    }

    /// Arms what time alone may begin after `from_ms` for a customer of whom nothing else is due.
    pub fn arm_offers(&mut self, slot: u32, from_ms: i64) {
        let at_ms = due_after_ms(&self.cx, &self.store.get(slot).profile, from_ms);
        self.arm_at(slot, at_ms);
    }
}

/// Notes an act of a customer that is no purchase, if it is a sign of life of one who was gone. To be called before the
/// act is counted as the last. Returns whether it is.
pub(super) fn note_act(profile: &mut Profile, ts_ms: i64, silence_ms: i64) -> bool {
    if !is_gone(profile.lifecycle()) {
        return false;
    }
    let last_ms = profile.last_seen.known_ms();
    let long = |last_ms: i64| ts_ms.saturating_sub(last_ms) >= silence_ms;
    let held = profile.more().is_some_and(|more| !more.rare().life.is_none());
    if !held && !last_ms.is_none_or(long) {
        return false;
    }
    profile.more_mut().rare_mut().life.act(ts_ms, last_ms, silence_ms)
}
