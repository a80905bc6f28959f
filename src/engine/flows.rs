//! What events and dues add to the table of segments: where a customer is counted, and when it moves.
//!
//! A customer moves at its own time: that of the last event or due that was looked at. So of one customer no move lies
//! before the one before it, and what was added up to any hour says how things stood then. What a customer does counts
//! at its own event time, in the groups that the customer belonged to when the event was read.

use super::alerts::BETWEEN;
use super::apply::Engine;
use super::profile::Profile;
use super::said::Field;
use super::shard::segments::{Flow, Group, Grouping};
use super::shard::words::{Dimension, Word};
use crate::model::batch::EventBatch;
use crate::model::event::{Body, Event, TicketAction};
use crate::model::record::SourceIndex;
use crate::plan::DemandBy;
use crate::signal::lifecycle::Lifecycle;
use crate::signal::tier_moves::Tier;

/// Groupings of customers, that of everything first.
const OF_CUSTOMERS: usize = 5;

/// The groups of one customer, in the order of [`Grouping`].
type Groups = [Group; OF_CUSTOMERS];

/// How a customer is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    groups: Groups,
    lifecycle: Lifecycle,
    activated: bool,
}

/// How a customer was counted before an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nobody knew of it.
    Unknown,
    /// So.
    Counted(Counted),
    /// As it will be after the event, which changes nothing of it.
    Same,
}

impl Engine {
    /// The word of an event's channel.
    pub(super) fn channel(
        &mut self,
        batch: &EventBatch,
        event: &Event,
        source: SourceIndex,
    ) -> Word {
        let span = match event.body {
            Body::Purchase { channel, .. } | Body::Support { channel, .. } => channel,
            _ => return Word::default(),
        };
        let max = self.cx.plan.limits.dimension_values_max;
        self.words.learn(source, Dimension::Channel, batch.str(span), max)
    }

    /// What an applied purchase adds to what is bought of segments, for rules about them.
    pub(super) fn count_demand(
        &mut self,
        slot: u32,
        batch: &EventBatch,
        event: &Event,
        source: SourceIndex,
    ) {
        let Self { cx, store, words, demand, .. } = self;
        let Body::Purchase { items, .. } = event.body else { return };
        if !demand.telling.is_on() {
            return;
        }
        let max = cx.plan.limits.dimension_values_max;
        let region = match cx.plan.parameters.demand_by {
            DemandBy::Category => None,
            DemandBy::CategoryRegion => Some(store.get(slot).profile.said(Field::Region)),
        };
        let mut counted: Vec<&str> = Vec::new();
        for item in batch.items(items).iter().filter(|item| !item.category.is_none()) {
            let text = batch.str(item.category);
            let category = words.limited(source, Dimension::Category, text, max);
            let order = !counted.contains(&category);
            if order {
                counted.push(category);
            }
            let (ts_ms, pieces) = (event.ts_ms, f64::from(item.qty));
            match region {
                None => demand.count(category, ts_ms, pieces, order),
                Some(region) => {
                    demand.count(&format!("{category}{BETWEEN}{region}"), ts_ms, pieces, order);
                }
            }
        }
    }

    /// How a customer is counted before an event is applied.
    pub(super) fn counted_before(&mut self, slot: u32, body: &Body, is_new: bool) -> Before {
        match body {
            _ if is_new => Before::Unknown,
            Body::Purchase { .. }
            | Body::Refund { .. }
            | Body::Opening { .. }
            | Body::Profile(_) => {
                let groups = self.groups(slot);
                Before::Counted(self.counted(slot, groups))
            }
            _ => Before::Same,
        }
    }

    /// After an event was applied: what the customer's move and the event itself add. Before the value of the customer
    /// is judged: what was bought counts for the tier in which it was bought.
    pub(super) fn count_event(
        &mut self,
        slot: u32,
        event: &Event,
        before: &Before,
        (source, channel): (SourceIndex, Word),
    ) {
        let flow = flow_of(&event.body);
        if flow.is_none() && *before == Before::Same {
            return;
        }
        let groups = match before {
            // only master data moves a customer to other groups, and tiers are counted by themselves
            Before::Counted(from) if !matches!(event.body, Body::Profile(_)) => from.groups,
            _ => self.groups(slot),
        };
        let after = self.counted(slot, groups);
        let from = match before {
            Before::Unknown => None,
            Before::Counted(from) => Some(*from),
            Before::Same => Some(after),
        };
        self.count_move(slot, from, after, matches!(event.body, Body::Purchase { .. }));
        if let Some(flow) = flow {
            let text = self.words.text(source, Dimension::Channel, channel);
            let of_channel = self.segments.group(Grouping::Channel, text);
            let [all, region, industry, tier, owner] = after.groups;
            self.segments.add(
                event.ts_ms,
                &[all, region, industry, tier, owner, of_channel],
                &flow,
            );
        }
    }

    /// What a change between two ways of being counted adds, at the customer's own time.
    fn count_move(&mut self, slot: u32, from: Option<Counted>, to: Counted, bought: bool) {
        if from == Some(to) {
            return;
        }
        let at_ms = self.store.get(slot).profile.as_of_ms;
        let was = from.map(|from| from.lifecycle);
        let mut steps = steps(was, to.lifecycle);
        steps.new = u64::from(bought && became_customer(was, to.lifecycle));
        steps.activated = u64::from(to.activated && !from.is_some_and(|from| from.activated));
        match from {
            Some(from) if from.groups != to.groups => {
                for (left, entered) in from.groups.into_iter().zip(to.groups) {
                    if left == entered {
                        self.segments.add(at_ms, &[left], &with_move(steps, was, to.lifecycle));
                    } else {
                        self.segments.add(at_ms, &[left], &Flow::of_move(was, None));
                        let came = with_move(steps, None, to.lifecycle);
                        self.segments.add(at_ms, &[entered], &came);
                    }
                }
            }
            _ => self.segments.add(at_ms, &to.groups, &with_move(steps, was, to.lifecycle)),
        }
    }

    /// A due has stepped a customer's lifecycle.
    pub(super) fn count_step(&mut self, slot: u32, was: Lifecycle, tau_ms: i64) {
        let is = self.store.get(slot).profile.lifecycle();
        let groups = self.groups(slot);
        self.segments.add(tau_ms, &groups, &with_move(steps(Some(was), is), Some(was), is));
    }

    /// Judging has moved a customer from a tier: from the moment it counts, but not before the customer's own time.
    pub(super) fn count_tier(&mut self, slot: u32, before: Option<Tier>) {
        let left = self.segments.tier(before);
        let entered = self.tier_group(slot);
        if left == entered {
            return;
        }
        let profile = &self.store.get(slot).profile;
        let since_ms = self.tiers.columns(slot).since_ms.unwrap_or(profile.as_of_ms);
        let at_ms = since_ms.max(profile.as_of_ms);
        let lifecycle = Some(profile.lifecycle());
        self.segments.add(at_ms, &[left], &Flow::of_move(lifecycle, None));
        self.segments.add(at_ms, &[entered], &Flow::of_move(None, lifecycle));
    }

    /// The group of a customer's tier.
    fn tier_group(&mut self, slot: u32) -> Group {
        self.segments.tier(self.tiers.columns(slot).place.map(|place| place.tier))
    }

    fn counted(&self, slot: u32, groups: Groups) -> Counted {
        let profile = &self.store.get(slot).profile;
        let cycle_d = self.cx.plan.parameters.regularity.new_cycle_d;
        let bought = profile.purchases.as_deref();
        let activated = bought.is_some_and(|bought| bought.is_activated(cycle_d));
        Counted { groups, lifecycle: profile.lifecycle(), activated }
    }

    fn groups(&mut self, slot: u32) -> Groups {
        let tier = self.tier_group(slot);
        let Self { store, segments, .. } = self;
        let all = segments.all();
        let profile = &mut store.get_mut(slot).profile;
        if let Some(known) = profile.said.counted() {
            let [region, industry, owner] = known.map(|number| Group::of_number(number.into()));
            return [all, region, industry, tier, owner];
        }
        let found = [
            segments.group(Grouping::Region, profile.said(Field::Region)),
            segments.group(Grouping::Industry, profile.said(Field::Industry)),
            segments.group(Grouping::Owner, owner(profile)),
        ];
        if let [Ok(region), Ok(industry), Ok(owner)] = found.map(|group| group.number().try_into())
        {
            profile.said.set_counted([region, industry, owner]);
        }
        let [region, industry, owner] = found;
        [all, region, industry, tier, owner]
    }
}

/// The owner that a customer is counted by.
fn owner(profile: &Profile) -> &str {
    match profile.said(Field::OwnerBeyond) {
        "" => profile.said(Field::OwnerId),
        other => other,
    }
}

/// Left the prospects. Who is known from an opening was a customer before.
fn became_customer(was: Option<Lifecycle>, is: Lifecycle) -> bool {
    was.unwrap_or(Lifecycle::Prospect) == Lifecycle::Prospect && is != Lifecycle::Prospect
}

/// The moves that have names. Who was never counted as a customer cannot be lost: an opening may say so of the past.
fn steps(was: Option<Lifecycle>, is: Lifecycle) -> Flow {
    let was_customer = !matches!(was, None | Some(Lifecycle::Prospect));
    let entered = |state| is == state && was != Some(state) && was_customer;
    Flow {
        lost: u64::from(entered(Lifecycle::Lost)),
        won_back: u64::from(entered(Lifecycle::WonBack)),
        ..Flow::default()
    }
}

fn with_move(steps: Flow, from: Option<Lifecycle>, to: Lifecycle) -> Flow {
    Flow { customers: Flow::of_move(from, Some(to)).customers, ..steps }
}

/// What an event adds by itself; `None` for most.
fn flow_of(body: &Body) -> Option<Flow> {
    let none = Flow::default();
    match *body {
        Body::Purchase { amount, .. } => {
            Some(Flow { orders: 1, revenue_minor: amount.minor, ..none })
        }
        Body::Refund { amount, .. } => Some(Flow { revenue_minor: -amount.minor, ..none }),
        Body::Support { action, csat, .. } => {
            let csat = csat.filter(|csat| (1..=5).contains(csat));
            let flow = Flow {
                tickets: u64::from(action == TicketAction::Opened),
                ratings: u64::from(csat.is_some()),
                rating_sum: u64::from(csat.unwrap_or(0)),
                ..none
            };
            (flow != none).then_some(flow)
        }
        Body::Rating { nps } => Some(Flow {
            nps_answers: 1,
            promoters: u64::from(nps >= 9),
            detractors: u64::from(nps <= 6),
            ..none
        }),
        _ => None,
    }
}
