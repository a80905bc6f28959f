//! The history of customers: for each customer and each day on which something changed, how the customer stood after the
//! last change of that day.
//!
//! What changes a customer is an applied event, a due that found something, a proposal, and a move of the tier; the daily refresh
//! changes nothing. A change counts on the day (in the day zone) of the moment the customer stands at after it: its last
//! event or due, or the move of its tier if that came later. So an event that comes after later ones counts on the day
//! of those, past days are never written again, and the last row of a customer says how the customer stands.
//!
//! The day that is still to be written is kept with the profile until the cycle ends, and written before anything of a
//! later day changes the profile: a cycle in which many days are caught up on writes them all, each once. Everything in
//! a row follows from the profile and its `as_of`, not from when the row is written: where cycles end leaves no trace.

use super::apply::Engine;
use super::context::Context;
use super::customer_row::tier_columns;
use super::judge::{Judgement, clv_minor, judge, open_tickets};
use super::profile::{More, Profile};
use super::purchase::Purchases;
use super::said::Field;
use super::sums::Sum;
use super::tiers::TierColumns;
use super::web::Web;
use crate::signal::quadrant::Quadrant;
use crate::wire::rows::Row;

/// A guess of what a row costs, bytes.
const ROW_BYTES: usize = 300;

/// The scores of a customer at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Scores {
    at_ms: i64,
    risk: Option<f64>,
    loyalty: Option<f64>,
    quadrant: Option<Quadrant>,
}

impl Scores {
    /// What is kept of a judgement at `at_ms`.
    pub fn of(judgement: &Judgement, at_ms: i64) -> Self {
        Self {
            at_ms,
            risk: judgement.risk.as_ref().map(|risk| risk.score),
            loyalty: judgement.loyalty.as_ref().map(|loyalty| 100.0 * loyalty.score),
            quadrant: judgement.quadrant,
        }
    }

    /// The moment they are of, milliseconds.
    pub fn at_ms(&self) -> i64 {
        self.at_ms
    }

    /// The churn risk; `None` for who has none.
    pub fn risk(&self) -> Option<f64> {
        self.risk
    }
}

impl Engine {
    /// To be called before an event or a due at `at_ms` changes a customer.
    pub(super) fn will_change(&mut self, slot: u32, at_ms: i64) {
        if self.version == 0 {
            return;
        }
        let day = self.day_of_change(slot, at_ms);
        if self.store.get(slot).changed_on() != Some(day) {
            let tier = self.tiers.columns(slot);
            self.turn_to(slot, day, tier);
        }
    }

    /// To be called after a customer's tier has moved at `at_ms`; `before` is what it was.
    pub(super) fn tier_changed(&mut self, slot: u32, before: TierColumns, at_ms: i64) {
        let day = self.day_of_change(slot, at_ms);
        self.tiers.set_day(slot, day);
        self.turn_to(slot, day, before);
    }

    /// Days of a customer never fall.
    fn day_of_change(&self, slot: u32, at_ms: i64) -> u16 {
        let as_of_ms = self.store.get(slot).profile.as_of_ms;
        self.cx.day(at_ms.max(as_of_ms)).max(self.tiers.day(slot))
    }

    /// Writes the day that is open, if it is an earlier one, and opens `day`.
    fn turn_to(&mut self, slot: u32, day: u16, tier: TierColumns) {
        let entry = self.store.get_mut(slot);
        match entry.changed_on() {
            Some(open) if open < day => {
                self.rows.history(&self.cx, entry, tier, None, open, self.version);
            }
            Some(_) => return,
            None => self.dirty_bytes += ROW_BYTES,
        }
        entry.change_on(day);
    }
}

/// Writes all columns from `as_of` on. `known` are scores that were judged anyway.
pub(super) fn write(
    row: &mut Row<'_>,
    cx: &Context,
    p: &Profile,
    tier: TierColumns,
    known: Option<Scores>,
) {
    let as_of_ms = p.as_of_ms;
    row.i64(as_of_ms);
    let words = [Field::AccountId, Field::Region, Field::Industry, Field::Segment, Field::OwnerId];
    for field in words {
        row.text(p.said.get_bytes(field));
    }
    purchase_columns(row, cx, p);
    let none = More::default();
    let more = p.more().unwrap_or(&none);
    let open = open_tickets(p);
    let sum = |sum| more.sums.at(sum, as_of_ms);
    row.text(p.lifecycle().name().as_bytes())
        .i64(p.lifecycle_since.ms())
        .u16(open.tickets.min(u32::from(u16::MAX)) as u16)
        .u16(open.complaints.min(u32::from(u16::MAX)) as u16)
        .u32(more.care.as_deref().map_or(0, |care| care.count()))
        .u32(p.web.as_ref().map_or(0, Web::visits))
        .f64(sum(Sum::Csat180))
        .f64(sum(Sum::CsatN180));
    let scores = known.filter(|scores| scores.at_ms == as_of_ms);
    let scores = scores.unwrap_or_else(|| Scores::of(&judge(cx, p, as_of_ms), as_of_ms));
    row.maybe_f64(scores.risk)
        .u8(p.risk_band().map_or(0, |(band, _)| band))
        .maybe_f64(scores.loyalty)
        .text(scores.quadrant.map_or("", |quadrant| quadrant.name()).as_bytes());
    tier_columns(row, p, tier);
}

fn purchase_columns(row: &mut Row<'_>, cx: &Context, profile: &Profile) {
    let none = Purchases::default();
    let p = profile.purchases.as_deref().unwrap_or(&none);
    let activated = p.activated_day(cx.plan.parameters.regularity.new_cycle_d);
    row.maybe_time(p.t_first_ms())
        .maybe_time(p.t_last_ms())
        .u32(p.n_days())
        .u32(p.orders())
        .u32(p.refunds)
        .i64(p.revenue_minor())
        .i64(p.opening.as_ref().map_or(0, |opening| opening.revenue_minor))
        .maybe_time(activated.map(|day| cx.day_start_ms(day)))
        .maybe_f64(clv_minor(cx, profile, profile.as_of_ms).map(|minor| minor / cx.major()));
}
