//! What each type of event does to a profile.

use xxhash_rust::xxh3::xxh3_64;

use super::apply::Engine;
use super::care::CareEvent;
use super::context::Context;
use super::intent::category_key;
use super::judge::promise_s;
use super::profile::Profile;
use super::propose::note_act;
use super::purchase::Opening;
use super::said::{Field, Said};
use super::shard::words::Dimension;
use super::situation::may_interest;
use super::sums::Sum;
use super::web::{Visits, session_of};
use crate::model::batch::EventBatch;
use crate::model::event::{
    Body, ContactKind, Event, Item, ProfileFields, Span, TicketAction, TicketKind, WebAction,
};
use crate::model::record::Stamp;
use crate::model::time::DAY_MS;

/// A product is new for so long after its launch.
const NEW_PRODUCT_MS: i64 = 90 * DAY_MS;

/// What an event has done, as far as the engine must act on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Took {
    /// It opened a purchase day after all others.
    pub bought: bool,
    /// It began a visit.
    pub visit: bool,
    /// It may have moved the risk.
    pub judged: bool,
    /// It may have made something worth a contact.
    pub begins: bool,
    /// It may have changed what serving costs a day.
    pub costs: bool,
}

impl Engine {
    /// Applies the type's own part.
    pub(super) fn take_body(
        &mut self,
        slot: u32,
        batch: &EventBatch,
        event: &Event,
        stamp: Stamp,
        visits: Visits,
    ) -> Took {
        let profile = &mut self.store.get_mut(slot).profile;
        let mut woke = false;
        if is_act_of_customer(&event.body) {
            if !matches!(event.body, Body::Purchase { .. }) {
                woke = note_act(profile, event.ts_ms, self.cx.offers.rules.silence_ms);
            }
            profile.last_seen.raise_to(event.ts_ms);
        }
        match event.body {
            Body::Profile(fields) => return self.take_profile(slot, batch, event, fields, stamp),
            Body::Web { .. } => {
                let took = self.take_web(slot, batch, event, stamp, visits);
                return Took { begins: took.begins || woke, ..took };
            }
            Body::Purchase { items, .. } => {
                for item in batch.items(items) {
                    self.take_item(slot, batch, event, item, stamp);
                }
            }
            Body::Access { .. } => return Took::default(),
            Body::Invoice { .. } | Body::Payment { .. } | Body::ExtensionRequest { .. } => {
                self.take_credit(slot, batch, event);
                return Took { judged: true, ..Took::default() };
            }
            _ => {}
        }
        let cx = &self.cx;
        let profile = &mut self.store.get_mut(slot).profile;
        let mut took = Took { judged: true, begins: true, ..Took::default() };
        match event.body {
            Body::Purchase { .. } | Body::Refund { .. } | Body::Opening { .. } => {
                took.bought = take_money(cx, profile, &event.body, stamp);
            }
            Body::Support { handling_min, .. } => {
                take_ticket(cx, profile, batch, event);
                took.costs = handling_min.is_some();
            }
            _ => take_relation(profile, batch, event, stamp),
        }
        took
    }

    fn take_item(
        &mut self,
        slot: u32,
        batch: &EventBatch,
        event: &Event,
        item: &Item,
        stamp: Stamp,
    ) {
        let category = self.category(batch, item.category, stamp);
        let more = self.store.get_mut(slot).profile.more_mut();
        if let Some(category) = category {
            more.intents.buy(category);
        }
        let age_ms = item.launched_ms.map(|launched_ms| event.ts_ms - launched_ms);
        if age_ms.is_some_and(|ms| (0..=NEW_PRODUCT_MS).contains(&ms)) {
            more.sums.add(Sum::NewProducts365, event.ts_ms, 1.0);
        }
    }

    /// The key of a category, whose text is learned if there is room; beyond the limit all are `other`.
    fn category(&mut self, batch: &EventBatch, span: Span, stamp: Stamp) -> Option<u32> {
        if span.is_none() {
            return None;
        }
        let source = stamp.position.source;
        if let Some(key) = self.words.known_category(source, batch.bytes(span)) {
            return Some(key);
        }
        let max = self.cx.plan.limits.dimension_values_max;
        Some(category_key(self.words.limited(source, Dimension::Category, batch.str(span), max)))
    }

    fn take_web(
        &mut self,
        slot: u32,
        batch: &EventBatch,
        event: &Event,
        stamp: Stamp,
        visits: Visits,
    ) -> Took {
        let Body::Web { action, session_id, category } = event.body else {
            return Took::default();
        };
        let category = self.category(batch, category, stamp);
        let cx = &self.cx;
        let profile = &mut self.store.get_mut(slot).profile;
        let id = session_of(batch.bytes(session_id), event.ts_ms);
        let web = profile.web.get_or_insert_default();
        let before = (web.sums, web.sums_at);
        let visit = web.visit(cx, id, stamp.position.source, event.ts_ms, visits);
        // an earlier event of a known visit moves it
        let counted = before != (web.sums, web.sums_at);
        web.opted_out |= action == WebAction::OptOut;
        let sum = match action {
            WebAction::Search | WebAction::Compare => Some(Sum::Searches90),
            WebAction::CancelPage => Some(Sum::Cancels14),
            _ => None,
        };
        if let Some(sum) = sum {
            profile.more_mut().sums.add(sum, event.ts_ms, 1.0);
        }
        if let Some(category) = category {
            profile.more_mut().intents.view(event.ts_ms, category);
        }
        let looked = category.is_some() || sum.is_some();
        let begins = looked && may_interest(cx, profile, category, profile.as_of_ms);
        // of what is looked at the risk knows the visits and the wish to leave
        let leaves = matches!(action, WebAction::CancelPage | WebAction::OptOut);
        Took { visit, judged: counted || leaves, begins, ..Took::default() }
    }

    fn take_profile(
        &mut self,
        slot: u32,
        batch: &EventBatch,
        event: &Event,
        fields: ProfileFields,
        stamp: Stamp,
    ) -> Took {
        let source = stamp.position.source;
        let max = self.cx.plan.limits.dimension_values_max;
        let limited = [
            (Field::Region, Dimension::Region, fields.region),
            (Field::Industry, Dimension::Industry, fields.industry),
            (Field::Segment, Dimension::Segment, fields.segment),
        ];
        let profile = &mut self.store.get_mut(slot).profile;
        for (field, dimension, span) in limited {
            if !span.is_none() {
                let text = self.words.limited(source, dimension, batch.str(span), max);
                profile.said.say(field, text, stamp);
            }
        }
        for (field, span) in [(Field::OwnerId, fields.owner_id), (Field::Name, fields.name)] {
            if !span.is_none() {
                profile.said.say(field, batch.str(span), stamp);
            }
        }
        if !fields.owner_id.is_none() {
            let owner = batch.str(fields.owner_id);
            let counted = self.words.limited(source, Dimension::Owner, owner, max);
            limit_owner(&mut profile.said, counted == owner, stamp);
        }
        if let Some(key) = fields.key {
            profile.said.say(Field::Key, if key { "true" } else { "false" }, stamp);
        }
        if let Some(champion) = fields.champion {
            profile.said.say(Field::Champion, champion.name(), stamp);
        }
        let promise_s = promise_s(&self.cx, profile);
        let more = profile.more_mut();
        if let Some(care) = &mut more.care {
            care.promise(&mut more.sums, promise_s);
        }
        let origin = batch.str(event.origin);
        let (rare, sums) = more.rare_and_sums();
        rare.terms.get_or_insert_default().profile(event.ts_ms, origin);
        let owner = batch.str(fields.owner_id);
        if !owner.is_empty() {
            rare.contacts.get_or_insert_default().owner(sums, event.ts_ms, owner);
        }
        Took { judged: !owner.is_empty(), ..Took::default() }
    }
}

/// Notes whether the owner said last can be counted by. What was counted under `other` must leave it again, so this is
/// decided when the owner is said, and kept where it is not as usual.
fn limit_owner(said: &mut Said, is_known: bool, stamp: Stamp) {
    let newest = said.stamped(Field::OwnerId) == Some(stamp);
    if newest && (!is_known || said.stamped(Field::OwnerBeyond).is_some()) {
        said.say(Field::OwnerBeyond, if is_known { "" } else { "other" }, stamp);
    }
}

/// Purchases, refunds, openings; whether a new last purchase day was opened.
fn take_money(cx: &Context, profile: &mut Profile, body: &Body, stamp: Stamp) -> bool {
    let ts_ms = stamp.ts_ms;
    match *body {
        Body::Purchase { amount, discount_minor, .. } => {
            let (net, gross) = (amount.minor as f64, (amount.minor + discount_minor) as f64);
            let sums = &mut profile.more_mut().sums;
            sums.add_all(
                ts_ms,
                &[
                    (Sum::Gross60, gross),
                    (Sum::Orders60, 1.0),
                    (Sum::Orders90, 1.0),
                    (Sum::Spend365, net),
                    (Sum::Gross365, gross),
                    (Sum::Orders365, 1.0),
                ],
            );
            if discount_minor > 0 {
                sums.add(Sum::Discount365, ts_ms, discount_minor as f64);
            }
            profile.purchases.get_or_insert_default().buy(cx, ts_ms, amount.minor)
        }
        Body::Refund { amount, .. } => {
            let back = amount.minor as f64;
            let what = [(Sum::Spend365, -back), (Sum::Refund365, back), (Sum::Returns365, 1.0)];
            profile.more_mut().sums.add_all(ts_ms, &what);
            profile.purchases.get_or_insert_default().refund(cx, ts_ms, amount.minor);
            false
        }
        Body::Opening { t_first_ms, t_last_ms, n_days, orders, revenue } => {
            let last_day = cx.day(t_last_ms);
            let revenue_minor = revenue.minor;
            let opening =
                Opening { stamp, t_first_ms, t_last_ms, last_day, n_days, orders, revenue_minor };
            profile.as_of_ms = profile.as_of_ms.max(t_last_ms);
            profile.purchases.get_or_insert_default().open(opening);
            false
        }
        _ => false,
    }
}

fn take_ticket(cx: &Context, profile: &mut Profile, batch: &EventBatch, event: &Event) {
    let Body::Support {
        ticket_id,
        action,
        kind,
        csat,
        expected,
        by_agent,
        wait_s,
        handling_min,
        ..
    } = event.body
    else {
        return;
    };
    let promise_s = promise_s(cx, profile);
    let happened = CareEvent {
        ticket: xxh3_64(batch.bytes(ticket_id)),
        ts_ms: event.ts_ms,
        action,
        by_agent,
        complaint: kind == Some(TicketKind::Complaint),
        suggestion: kind == Some(TicketKind::Suggestion),
        csat,
        expected,
        wait_s,
        handling_min,
    };
    let more = profile.more_mut();
    let care = more.care.get_or_insert_default();
    care.apply(&mut more.sums, &happened, promise_s, cx.plan.limits.tickets_max);
}

/// Contacts, contract, answers, deliveries, usage.
fn take_relation(profile: &mut Profile, batch: &EventBatch, event: &Event, stamp: Stamp) {
    let hash = |span| xxh3_64(batch.bytes(span));
    let ts_ms = event.ts_ms;
    let (rare, sums) = profile.more_mut().rare_and_sums();
    match event.body {
        Body::Contact { outbound, kind, .. } => {
            let visit = kind == ContactKind::Visit;
            rare.contacts.get_or_insert_default().contact(sums, ts_ms, outbound, visit);
        }
        Body::Contract { start_ms, renewal_ms, signed } => {
            let terms = rare.terms.get_or_insert_default();
            terms.contract(stamp, start_ms, renewal_ms, signed);
        }
        Body::Referral => rare.terms.get_or_insert_default().referral(sums, ts_ms),
        Body::Rating { nps } => rare.terms.get_or_insert_default().rating(ts_ms, nps),
        Body::Delivery { order_id, promised_ms, delivered_ms } => {
            let service = rare.terms.get_or_insert_default().service_mut();
            service.delivery(sums, hash(order_id), ts_ms, promised_ms, delivered_ms);
        }
        Body::Usage { metric, quantity, plan_limit } => {
            let service = rare.terms.get_or_insert_default().service_mut();
            service.usage(sums, hash(metric), ts_ms, quantity, plan_limit);
        }
        _ => {}
    }
}

/// Whether the customer did it, so that it counts as being seen.
fn is_act_of_customer(body: &Body) -> bool {
    match body {
        Body::Purchase { .. } | Body::Web { .. } => true,
        Body::Support { action, by_agent, .. } => !by_agent && *action != TicketAction::Resolved,
        _ => false,
    }
}
