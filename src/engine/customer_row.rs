//! The row of a customer, column by column in the order of the table.

use super::context::Context;
use super::history::Scores;
use super::judge::{Judgement, judge, mean_spend_minor, open_tickets, rhythm};
use super::profile::{More, Profile};
use super::purchase::Purchases;
use super::said::Field;
use super::shard::words::Words;
use super::terms::Terms;
use super::tiers::TierColumns;
use super::web::Web;
use crate::signal::score::Explained;
use crate::wire::rows::Row;

/// Categories of interest that a row names.
const INTENTS: usize = 3;

/// Writes all columns from `as_of` on. Returns the scores it says.
pub(super) fn write(
    row: &mut Row<'_>,
    cx: &Context,
    words: &Words,
    p: &Profile,
    tier: TierColumns,
) -> Scores {
    let no_more = More::default();
    let more = p.more().unwrap_or(&no_more);
    row.i64(p.as_of_ms);
    master_columns(row, p, more);
    row.sums(more.sums.len(), more.sums.iter().map(|(sum, value)| (sum.number(), value)))
        .i64(more.sums.landmark_ms());
    purchase_columns(row, cx, p, more);
    service_columns(row, words, p, more);
    credit_columns(row, more);
    let scores = score_columns(row, cx, p);
    tier_columns(row, p, tier);
    scores
}

fn master_columns(row: &mut Row<'_>, p: &Profile, more: &More) {
    for field in [
        Field::AccountId,
        Field::LegalEntityId,
        Field::Region,
        Field::Industry,
        Field::Segment,
        Field::OwnerId,
    ] {
        row.text(p.said.get_bytes(field));
    }
    let key = p.said(Field::Key);
    let terms = more.rare().terms.as_deref();
    row.maybe_flag((!key.is_empty()).then_some(key == "true"))
        .text(p.said.get_bytes(Field::Name))
        .i64(p.t_born_ms())
        .i64(p.born.ms())
        .maybe_time(terms.and_then(Terms::profile_ms))
        .u8(terms.map_or(0, |terms| terms.origins() as u8));
}

fn purchase_columns(row: &mut Row<'_>, cx: &Context, profile: &Profile, more: &More) {
    let none = Purchases::default();
    let bought = profile.purchases.as_deref();
    let p = bought.unwrap_or(&none);
    let cycle_d = cx.plan.parameters.regularity.new_cycle_d;
    let activated = p.activated_day(cycle_d).map(|day| cx.day_start_ms(day));
    let rhythm = bought.filter(|p| p.x().is_some()).map(|p| rhythm(cx, p));
    let mean = bought.and_then(|p| mean_spend_minor(cx, p)).map(|minor| minor / cx.major());
    let breadth = more.intents.breadth();
    row.maybe_time(p.t_first_ms())
        .maybe_time(p.t_last_ms())
        .u32(p.n_days())
        .u32(p.x().unwrap_or(0))
        .u32(p.orders())
        .u32(p.refunds)
        .i64(p.revenue_minor())
        .f64(p.sums[0])
        .f64(p.sums[1])
        .i64(p.sums_at.ms())
        .u16s(p.buckets.iter().map(|b| b.index))
        .i64s(p.buckets.iter().map(|b| b.minor()))
        .maybe_time(activated)
        .u16(breadth.min(u32::from(u16::MAX)) as u16)
        .maybe_f64(rhythm.map(|r| r.g_bar_d))
        .maybe_f64(rhythm.map(|r| r.k_hat))
        .maybe_f64(mean)
        .text(profile.lifecycle().name().as_bytes())
        .i64(profile.lifecycle_since.ms());
}

fn service_columns(row: &mut Row<'_>, words: &Words, p: &Profile, more: &More) {
    let open = open_tickets(p);
    let no_visits = Web::default();
    let web = p.web.as_ref().unwrap_or(&no_visits);
    let rated = more.rare().terms.as_deref().and_then(Terms::rated);
    let contacts = more.rare().contacts.as_deref();
    row.u16(open.tickets.min(u32::from(u16::MAX)) as u16)
        .u16(open.complaints.min(u32::from(u16::MAX)) as u16)
        .maybe_time(open.oldest_ms)
        .u32(more.care.as_deref().map_or(0, |care| care.count()))
        .u32(web.visits())
        .f64(web.sums[0])
        .f64(web.sums[1])
        .i64(web.sums_at.ms())
        .maybe_time(p.last_seen.known_ms())
        .u8(u8::from(web.opted_out))
        .maybe_u8(rated.map(|(nps, _)| nps))
        .maybe_time(rated.map(|(_, at_ms)| at_ms));
    let mut watched = more.intents.watched(p.as_of_ms);
    watched.truncate(INTENTS);
    row.texts(watched.iter().map(|(key, _)| words.category(*key)))
        .f64s(watched.iter().map(|(_, views)| *views))
        .i64(p.as_of_ms)
        .maybe_time(contacts.and_then(|contacts| contacts.last_ms()))
        .maybe_time(contacts.and_then(|contacts| contacts.last_visit_ms()));
}

fn credit_columns(row: &mut Row<'_>, more: &More) {
    let open: Vec<(i64, i64)> = more
        .rare()
        .credit
        .as_deref()
        .map(|credit| credit.open_parts().collect())
        .unwrap_or_default();
    let terms = more.rare().terms.as_deref();
    let running = terms.and_then(Terms::running);
    let service = terms.and_then(Terms::service);
    let respond_by: Vec<i64> =
        more.care.as_deref().map(|care| care.respond_by_ms().collect()).unwrap_or_default();
    let promised: Vec<i64> = service.map(|s| s.promised_ms().collect()).unwrap_or_default();
    row.i64(open.iter().fold(0, |sum, (_, minor)| i64::saturating_add(sum, *minor)))
        .i64s(open.iter().map(|(due_ms, _)| *due_ms))
        .i64s(open.iter().map(|(_, minor)| *minor))
        .maybe_time(running.map(|r| r.start_ms))
        .maybe_time(running.and_then(|r| r.renewal_ms))
        .maybe_flag(running.map(|r| r.signed))
        .i64s(promised.iter().copied())
        .i64s(respond_by.iter().copied())
        .maybe_f64(service.and_then(|s| s.usage_share()))
        .maybe_time(service.and_then(|s| s.high_since_ms()));
}

fn score_columns(row: &mut Row<'_>, cx: &Context, p: &Profile) -> Scores {
    let valued = p.purchases.as_deref().map(|purchases| purchases.valued);
    let valued = valued.filter(|valued| valued.at.known_ms().is_some());
    let judged_ms = p.refreshed_ms().max(p.as_of_ms);
    let judgement = judge(cx, p, judged_ms);
    let Judgement { risk, loyalty, quadrant } = &judgement;
    let clv = valued.and_then(|valued| valued.clv_minor).map(|minor| minor / cx.major());
    row.maybe_f64(valued.map(|valued| valued.expected))
        .maybe_f64(valued.map(|valued| valued.gap_surprise))
        .maybe_f64(clv)
        .maybe_time(valued.map(|valued| valued.at.ms()))
        .i64(judged_ms)
        .maybe_f64(risk.as_ref().map(|risk| risk.score))
        .u8(p.risk_band().map_or(0, |(band, _)| band))
        .maybe_time(p.risk_band().map(|(_, since)| since.ms()));
    contributions(row, risk.as_ref(), |input| input.id());
    // an input without weight is not missed
    let weights = &cx.risk.weights;
    let missing = risk.iter().flat_map(|risk| &risk.missing);
    let missing: Vec<&str> =
        missing.filter(|input| weights.of(**input) != 0.0).map(|input| input.id()).collect();
    row.texts(missing.into_iter()).maybe_f64(loyalty.as_ref().map(|loyal| 100.0 * loyal.score));
    contributions(row, loyalty.as_ref(), |input| input.id());
    row.text(quadrant.map_or("", |quadrant| quadrant.name()).as_bytes()).u64(cx.model_version);
    Scores::of(&judgement, judged_ms)
}

/// Tier, class, since when, by which cut-offs, whether a key customer.
pub(super) fn tier_columns(row: &mut Row<'_>, profile: &Profile, tier: TierColumns) {
    // who is said to be a key customer is one, whatever the value
    let is_key = profile.said(Field::Key) == "true" || tier.place.is_some_and(|place| place.key);
    row.text(tier.place.map_or("", |place| place.tier.name()).as_bytes())
        .text(tier.place.map_or("", |place| place.abc.name()).as_bytes())
        .maybe_time(tier.since_ms)
        .u64(tier.version)
        .u8(u8::from(is_key));
}

/// What each known input adds, in log-odds; what adds nothing is left out.
fn contributions<K: Copy>(
    row: &mut Row<'_>,
    score: Option<&Explained<K>>,
    id: impl Fn(K) -> &'static str,
) {
    let all = score.map_or(&[][..], |score| &score.contributions);
    let told: Vec<(&str, f64)> =
        all.iter().filter(|c| c.phi != 0.0).map(|c| (id(c.key), c.phi)).collect();
    row.weights(told.into_iter());
}
