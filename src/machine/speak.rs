//! What a cycle says to the next stage: one word per customer and account.

use super::Machine;
use super::left::DELETED_MAX;
use crate::engine::apply::Engine;
use crate::engine::history::Scores;
use crate::engine::judge::judge;
use crate::engine::member::part;
use crate::engine::offer::Offer;
use crate::engine::said::Field;
use crate::engine::store::Slot;
use crate::model::effects::{Effects, SignalWord};
use crate::wire::signals::{AccountPart, Offered, Word, joined_in, left};

impl Machine {
    /// `left` for accounts that were left, then how things stand. `members`: the scores of the customers of accounts whose
    /// rows were written in this cycle, as the rows say them.
    pub(super) fn collect_words(&mut self, effects: &mut Effects, mut members: Vec<(u32, Scores)>) {
        let mut words: Vec<SignalWord> = Vec::new();
        let mut spare = std::mem::take(&mut self.spare_words);
        let mut moved = std::mem::take(&mut self.engine.moved);
        let stamp = (self.identity.generation, self.state.meta.cycle);
        for (slot, of) in
            moved.iter().filter_map(|m| m.left_account.as_ref().map(|of| (m.slot, of)))
        {
            let slot = self.engine.store.get(slot);
            let as_of_ms = slot.profile.as_of_ms;
            let word = left((&of.account, of.champion), slot.key.bytes(), as_of_ms, stamp);
            self.left.keep(&word, as_of_ms.max(self.watermark.at_ms));
            words.push(word);
        }
        moved.sort_unstable_by_key(|m| m.slot);
        moved.dedup_by_key(|m| m.slot);
        members.sort_unstable_by_key(|(slot, _)| *slot);
        for slot in moved.iter().map(|m| m.slot) {
            let scores = members.binary_search_by_key(&slot, |(slot, _)| *slot);
            let scores = scores.ok().map(|at| members[at].1);
            let offered = offered(&self.engine, slot);
            let part = part_of(&self.engine, slot, scores);
            let word = word_of(self.engine.store.get(slot), part.as_ref(), &offered);
            let word = joined_in(&word, stamp, spare.pop());
            self.left.cancel(&word);
            words.push(word);
        }
        let deleted = (0..DELETED_MAX).map_while(|_| self.left.delete_next(self.watermark.at_ms));
        words.extend(deleted);
        words.sort_by(|a, b| a.key.cmp(&b.key));
        // of one key the word said last
        words.dedup_by(|later, word| {
            let same = later.key == word.key;
            if same {
                std::mem::swap(later, word);
            }
            same
        });
        effects.signals.append(&mut words);
        self.left.save(&mut effects.state);
    }
}

fn offered(engine: &Engine, slot: u32) -> Vec<Offered> {
    let Slot { key, profile, .. } = engine.store.get(slot);
    let Some(offers) = profile.more().map(|more| &more.offers) else {
        return Vec::new();
    };
    let held_out = engine.cx.offers.rules.is_held_out(key.bytes());
    let told = |offer: &Offer| {
        let reason = offer.reason()?;
        let (goal, reason) = (reason.goal().name(), reason.name());
        let (score, since_ms, until_ms) = (offer.score(), offer.at_ms(), offer.until_ms());
        Some(Offered { goal, reason, score, since_ms, until_ms, held_out })
    };
    offers.open(profile.as_of_ms).filter_map(told).collect()
}

/// What the customer brings to its account, if it has one: as its row says it. `scores`: where a row was just written.
fn part_of(engine: &Engine, slot: u32, scores: Option<Scores>) -> Option<AccountPart> {
    let profile = &engine.store.get(slot).profile;
    if profile.said(Field::AccountId).is_empty() {
        return None;
    }
    let at_ms = profile.refreshed_ms().max(profile.as_of_ms);
    let judged = || Scores::of(&judge(&engine.cx, profile, at_ms), at_ms);
    let scores = scores.unwrap_or_else(judged);
    debug_assert_eq!(scores.at_ms(), at_ms, "a word and its row are of one moment");
    Some(part(&engine.cx, profile, engine.tiers.columns(slot), &scores))
}

fn word_of<'a>(
    slot: &'a Slot,
    part: Option<&'a AccountPart>,
    opportunities: &'a [Offered],
) -> Word<'a> {
    let profile = &slot.profile;
    let refreshed_ms = if part.is_some() { profile.refreshed_ms() } else { profile.as_of_ms };
    Word {
        customer: slot.key.bytes(),
        account: profile.said(Field::AccountId),
        lifecycle: profile.lifecycle().name(),
        risk_band: profile.risk_band().map(|(band, _)| band),
        as_of_ms: profile.as_of_ms.max(refreshed_ms),
        revenue_minor: profile.purchases.as_ref().map_or(0, |p| p.revenue_minor()),
        part,
        opportunities,
    }
}
