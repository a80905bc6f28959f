//! What the engine knows of a customer that makes contact worth it, and the next moment at which time alone may.
//!
//! Most events and most dues can begin nothing: what is dear is looked at last, and only for goals that do not rest.

use super::care::Care;
use super::context::Context;
use super::intent::{Intents, category_key};
use super::judge::{clv_minor, csat, mean_spend_minor, rhythm, risk_inputs};
use super::profile::{More, Profile};
use super::service::Service;
use super::shard::words::OTHER;
use super::sums::{Sum, Sums};
use super::terms::Terms;
use crate::model::time::{DAY_MS, NEVER_MS};
use crate::plan::{Opportunities, Plan};
use crate::signal::activation::FirstGaps;
use crate::signal::days;
use crate::signal::lifecycle::Lifecycle;
use crate::signal::moment::first_ms;
use crate::signal::opportunity::{GOALS, Goal, Rules};
use crate::signal::situation::{Category, Opportunity, Situation, next_due_ms, opportunities};
use crate::signal::tier_moves::Tier;
use crate::signal::trend::aov_trend;

/// Horizon of the silence that the second purchase is told by, days.
const SILENCE_HORIZON_D: f64 = 30.0;
/// Orders below which no trend of the mean order is told.
const ORDERS_MIN: u32 = 4;
/// Largest trend of the mean order, `ln`.
const TREND_MAX: f64 = 3.0;
/// Repeat purchase days below which a rhythm is the prior's, which no refill is told by.
const RHYTHM_X_MIN: u32 = 2;
/// After so many days nothing decayed (half-life 180 days or less) is left that could cross an edge.
const DECAYED_D: i64 = 180 * 1_100;

/// What the definition says of opportunities.
#[derive(Clone, Debug)]
pub struct OfferRule {
    /// Edges, shares and waits.
    pub rules: Rules,
    /// Other numbers, and the table of lifts.
    plan: Opportunities,
    first_gaps: FirstGaps,
    /// Keys of the categories of the table of lifts: bought, and bought likelier then.
    lifts: Vec<[u32; 2]>,
    /// Key of the categories beyond the limit.
    other: u32,
}

/// What is known of a customer's tiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Valued {
    /// The tier at present.
    pub tier: Option<Tier>,
    /// The best ever.
    pub best: Option<Tier>,
}

/// The category that a cross-sale is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// One that is looked at, by its key.
    Watched(u32),
    /// One of the table of lifts, by its row.
    Listed(usize),
}

/// What a look has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Goals worth a contact.
    pub opportunities: Vec<Opportunity>,
    /// What a cross-sale is about.
    pub category: Option<Named>,
    /// The lifetime value at that moment, reporting currency, where it had to be looked at.
    pub clv: Option<f64>,
}

impl OfferRule {
    /// Of a definition.
    pub fn new(plan: &Plan) -> Self {
        let p = &plan.parameters.opportunities;
        let ms = |days: f64| libm::round(days * DAY_MS as f64) as i64;
        let gaps = plan.parameters.regularity;
        let keys = p.lifts.iter().map(|l| [category_key(&l.given), category_key(&l.category)]);
        Self {
            rules: Rules {
                holdout_percent: p.holdout_percent,
                cooldown_ms: ms(p.cooldown_d),
                pressure_max: p.pressure_max,
                intent_min: p.intent,
                lift_min: p.lift_min,
                co_buyers_min: p.co_buyers_min as u32,
                order_trend_min: p.order_trend_min,
                usage_high_ms: ms(p.usage_d),
                csat_min: p.csat_min,
                risk_min: p.risk_min,
                silence_ms: ms(p.silence_d),
                rating_after_ms: ms(p.rating_d),
                complaint_after_ms: ms(p.complaint_d),
                refill_share: p.refill_share,
                refill_k_min: p.refill_k_min,
                follow_up_ms: ms(p.follow_up_d),
            },
            first_gaps: FirstGaps { p25_d: gaps.first_gap_p25_d, p75_d: gaps.first_gap_p75_d },
            lifts: keys.collect(),
            other: category_key(OTHER),
            plan: p.clone(),
        }
    }

    /// How near a prospect is to a first purchase: views of categories, and searches.
    fn prospect_intent(&self, more: &More, tau_ms: i64) -> f64 {
        let views = more.intents.total(tau_ms);
        views + self.plan.search_weight * more.sums.at(Sum::Searches90, tau_ms)
    }

    /// The most watched category if it is watched enough, else the one of the table that is bought likeliest.
    fn category(&self, intents: &Intents, tau_ms: i64) -> Option<(Category, Named)> {
        // rows of the table that hold for this customer
        let holding = || {
            let rows = self.plan.lifts.iter().zip(&self.lifts).enumerate();
            rows.filter(|(_, (lift, [given, to]))| {
                lift.lift >= self.rules.lift_min
                    && lift.co_buyers >= self.rules.co_buyers_min
                    && intents.has_bought(*given)
                    && !intents.has_bought(*to)
            })
        };
        // `other` is many categories: looking at each of them once is no interest in one
        let watched = intents.top(tau_ms).filter(|t| t.0 != self.other);
        if let Some((key, intent)) = watched.filter(|t| t.1 >= self.rules.intent_min) {
            let told = holding().filter(|(_, (_, [_, to]))| *to == key).map(|(_, (l, _))| l.p_buy);
            let p_buy = told.fold(None, |most: Option<f64>, p| Some(most.map_or(p, |m| m.max(p))));
            let p_buy = p_buy.unwrap_or(self.plan.p_buy);
            return Some((Category { intent, lift: None, p_buy }, Named::Watched(key)));
        }
        // of equals the first of the file
        let (row, (best, _)) = holding()
            .reduce(|best, other| if other.1.0.p_buy > best.1.0.p_buy { other } else { best })?;
        let lift = Some((best.lift, best.co_buyers));
        Some((Category { intent: 0.0, lift, p_buy: best.p_buy }, Named::Listed(row)))
    }
}

/// The text of a category of the table of lifts.
pub fn listed(plan: &Plan, row: usize) -> &str {
    plan.parameters.opportunities.lifts.get(row).map_or("", |lift| &lift.category)
}

/// What is worth a contact at `tau_ms`, not before the last event. `risk`: the churn risk at that moment, where it is known
/// already.
pub fn look(
    cx: &Context,
    profile: &Profile,
    valued: Valued,
    tau_ms: i64,
    risk: Option<f64>,
) -> Found {
    let offers = &cx.offers;
    let none = More::default();
    let more = profile.more().unwrap_or(&none);
    let proposed_ms = proposed_ms(more);
    let rests = |goal: Goal| {
        proposed_ms[goal as usize].is_some_and(|at| tau_ms - at < offers.rules.cooldown_ms)
    };
    let mut s = Situation {
        consent: offers.plan.consent,
        opted_out: profile.web.as_ref().is_some_and(|web| web.opted_out),
        contact_pressure: pressure(profile, more, tau_ms),
        open_complaints: more.care.as_deref().map_or(0, Care::open_complaints),
        proposed_ms,
        ..Situation::new(profile.lifecycle())
    };
    if Goal::ALL.into_iter().all(rests) || s.suppressed(&offers.rules).is_some() {
        return Found::default();
    }
    let mut category = None;
    if !rests(Goal::CrossSell) {
        category = know_category(cx, profile, more, &mut s, tau_ms);
    }
    if !rests(Goal::UpSell) {
        know_orders(cx, profile, more, &mut s, tau_ms);
    }
    if !rests(Goal::Retention) {
        know_risk(cx, profile, &mut s, tau_ms, risk);
    }
    if !rests(Goal::Acquisition) {
        know_stage(cx, profile, more, &mut s, tau_ms);
    }
    if !rests(Goal::WinBack) {
        know_sign_of_life(cx, profile, more, valued, &mut s, tau_ms);
    }
    if !rests(Goal::AfterSale) {
        know_service(cx, profile, more, valued, &mut s, tau_ms);
    }
    Found { opportunities: opportunities(&s, &offers.rules, tau_ms), category, clv: s.clv_365 }
}

fn proposed_ms(more: &More) -> [Option<i64>; GOALS] {
    more.offers.proposed_ms()
}

fn pressure(profile: &Profile, more: &More, tau_ms: i64) -> f64 {
    more.rare()
        .contacts
        .as_deref()
        .map_or(0.0, |contacts| contacts.contact_pressure(tau_ms, &more.sums, profile.born.ms()))
}

fn know_category(
    cx: &Context,
    profile: &Profile,
    more: &More,
    s: &mut Situation,
    tau_ms: i64,
) -> Option<Named> {
    if s.lifecycle != Lifecycle::Active {
        return None;
    }
    let (category, named) = cx.offers.category(&more.intents, tau_ms)?;
    s.category = Some(category);
    s.mean_spend_hat = mean_spend(cx, profile);
    Some(named)
}

/// Expected amount of an order, reporting currency.
fn mean_spend(cx: &Context, profile: &Profile) -> Option<f64> {
    let purchases = profile.purchases.as_deref()?;
    mean_spend_minor(cx, purchases).map(|minor| minor / cx.major())
}

/// The mean orders of 60 and of 365 days, minor units, and their trend.
fn order_means(sums: &Sums, orders: u32) -> Option<([f64; 2], f64)> {
    let at_ms = sums.landmark_ms();
    let both = |short, long| [sums.at(short, at_ms), sums.at(long, at_ms)];
    let amounts = both(Sum::Gross60, Sum::Gross365);
    let counts = both(Sum::Orders60, Sum::Orders365);
    let trend = aov_trend(amounts, counts, (orders, ORDERS_MIN), TREND_MAX)?;
    Some(([amounts[0] / counts[0], amounts[1] / counts[1]], trend))
}

fn know_orders(cx: &Context, profile: &Profile, more: &More, s: &mut Situation, tau_ms: i64) {
    let rules = &cx.offers.rules;
    let orders = profile.purchases.as_deref().map_or(0, |p| p.orders());
    if let Some((means, trend)) = order_means(&more.sums, orders)
        && trend >= rules.order_trend_min
    {
        s.aov_trend = Some(trend);
        s.delta_spend = Some((means[0] - means[1]) / cx.major());
    } else if let Some(since_ms) = service_of(more).and_then(Service::high_since_ms)
        && tau_ms - since_ms >= rules.usage_high_ms
    {
        s.usage_high_since_ms = Some(since_ms);
        s.delta_spend = mean_spend(cx, profile).map(|mean| mean * cx.offers.plan.plan_step);
    } else {
        return;
    }
    s.csat = csat(cx, &more.sums).and_then(|mean| mean.at(tau_ms));
}

fn know_risk(cx: &Context, profile: &Profile, s: &mut Situation, tau_ms: i64, risk: Option<f64>) {
    let risk_min = cx.offers.rules.risk_min;
    // a band that ends below the edge needs no look
    let band = profile.risk_band().map(|(band, _)| usize::from(band));
    let below = |band| cx.risk.bands.limits(band).rises_from.is_some_and(|high| high <= risk_min);
    if band.is_none_or(below) {
        return;
    }
    s.risk = risk.or_else(|| {
        let inputs = risk_inputs(cx, profile)?;
        Some(cx.risk.weights.risk(&inputs.facts_at(tau_ms)))
    });
    if s.risk.is_some_and(|risk| risk >= risk_min) {
        s.clv_365 = clv_minor(cx, profile, tau_ms).map(|minor| minor / cx.major());
        s.clv_top_from = Some(cx.offers.plan.clv_top_from);
    }
}

fn know_stage(cx: &Context, profile: &Profile, more: &More, s: &mut Situation, tau_ms: i64) {
    if s.lifecycle == Lifecycle::Prospect {
        let intent = cx.offers.prospect_intent(more, tau_ms);
        s.prospect_intent = Some((intent, cx.offers.plan.prospect_intent));
        return;
    }
    let Some((first_ms, history)) = profile.purchases.as_deref().and_then(|p| p.history()) else {
        return;
    };
    s.x = Some(history.x);
    s.second_due_ms = cx.offers.first_gaps.window_ms(first_ms).filter(|_| history.x == 0);
    if s.second_due_ms.is_some_and(|(from, to)| (from..=to).contains(&tau_ms)) {
        let age_d = days(tau_ms - first_ms).max(history.t_x_d);
        s.p_silent_30 = Some(cx.model.p_silent_rising(history, age_d, SILENCE_HORIZON_D));
    }
}

fn know_sign_of_life(
    cx: &Context,
    profile: &Profile,
    more: &More,
    valued: Valued,
    s: &mut Situation,
    tau_ms: i64,
) {
    if !is_gone(s.lifecycle) {
        return;
    }
    s.signs_of_life_ms = more.rare().life.told_ms();
    let recent = |woke_ms: i64| tau_ms - woke_ms < cx.offers.rules.follow_up_ms;
    if !s.signs_of_life_ms.is_some_and(|(woke_ms, _)| recent(woke_ms)) {
        return;
    }
    s.best_tier = valued.best;
    let last_ms = profile.purchases.as_deref().and_then(|p| p.t_last_ms());
    s.last_purchase_ms = last_ms;
    // the value when they were last active is that of their last purchase
    let value = last_ms.and_then(|last_ms| clv_minor(cx, profile, last_ms));
    s.clv_before_loss = value.map(|minor| minor / cx.major());
}

/// Whether a sign of life of a customer counts.
pub fn is_gone(lifecycle: Lifecycle) -> bool {
    matches!(lifecycle, Lifecycle::Dormant | Lifecycle::Lost)
}

fn know_service(
    cx: &Context,
    profile: &Profile,
    more: &More,
    valued: Valued,
    s: &mut Situation,
    tau_ms: i64,
) {
    s.tier = valued.tier;
    s.complaint_closed_ms = more.care.as_deref().and_then(|care| care.complaint_closed_ms());
    s.delivered_unrated_ms = delivered_unrated_ms(cx, more, tau_ms);
    let near = |mean_gap_d: f64, last_ms: i64| {
        tau_ms >= last_ms + (cx.offers.rules.refill_share * mean_gap_d * DAY_MS as f64) as i64
    };
    if let Some((mean_gap_d, last_ms)) = mean_gap(cx, profile)
        && near(mean_gap_d, last_ms)
        && let Some(purchases) = profile.purchases.as_deref()
    {
        let own = rhythm(cx, purchases);
        s.last_purchase_ms = Some(last_ms);
        s.rhythm = Some((own.g_bar_d, own.k_hat));
    }
}

fn service_of(more: &More) -> Option<&Service> {
    more.rare().terms.as_deref().and_then(Terms::service)
}

/// The first delivery that is not rated and whose moment has not passed.
fn delivered_unrated_ms(cx: &Context, more: &More, tau_ms: i64) -> Option<i64> {
    let rules = &cx.offers.rules;
    let rated_ms = more.rare().terms.as_deref().and_then(Terms::rated).map(|(_, at_ms)| at_ms);
    let past_ms = tau_ms - rules.rating_after_ms - rules.follow_up_ms;
    let delivered = service_of(more)?.delivered_ms();
    delivered.filter(|ms| *ms > past_ms && rated_ms.is_none_or(|rated| rated < *ms)).min()
}

/// The mean gap, days, of customers who may have a rhythm, and their last purchase.
fn mean_gap(cx: &Context, profile: &Profile) -> Option<(f64, i64)> {
    let purchases = profile.purchases.as_deref()?;
    purchases.x().filter(|x| *x >= RHYTHM_X_MIN)?;
    // without the logarithms, which are dear
    Some((cx.regularity.rhythm(purchases.gap_span()).g_bar_d, purchases.t_last_ms()?))
}

/// The next moment after `tau_ms` at which time alone may make something worth a contact, or end what suppresses it;
/// [`NEVER_MS`] when there is none. (The crossing of the risk has a due of its own.)
pub fn due_after_ms(cx: &Context, profile: &Profile, tau_ms: i64) -> i64 {
    let none = More::default();
    let more = profile.more().unwrap_or(&none);
    let offers = &cx.offers;
    if !offers.plan.consent || profile.web.as_ref().is_some_and(|web| web.opted_out) {
        return NEVER_MS;
    }
    let stage = profile.purchases.as_deref().and_then(|p| p.history());
    let gap = mean_gap(cx, profile);
    let s = Situation {
        usage_high_since_ms: service_of(more).and_then(Service::high_since_ms),
        x: stage.map(|(_, history)| history.x),
        second_due_ms: stage
            .filter(|(_, history)| history.x == 0)
            .and_then(|(first_ms, _)| offers.first_gaps.window_ms(first_ms)),
        delivered_unrated_ms: delivered_unrated_ms(cx, more, tau_ms),
        last_purchase_ms: gap.map(|(_, last_ms)| last_ms),
        // whether they are regular is looked at when the moment has come
        rhythm: gap.map(|(mean_gap_d, _)| (mean_gap_d, f64::INFINITY)),
        complaint_closed_ms: more.care.as_deref().and_then(|care| care.complaint_closed_ms()),
        proposed_ms: proposed_ms(more),
        ..Situation::new(profile.lifecycle())
    };
    let by_time = next_due_ms(&s, &offers.rules, tau_ms);
    let relief = relief_ms(cx, profile, more, tau_ms);
    let pleased = pleased_ms(cx, profile, more, tau_ms);
    [by_time, relief, pleased].into_iter().flatten().min().unwrap_or(NEVER_MS)
}

/// Whether something may begin at `tau_ms`, at which nothing happened: where it must be looked at only to look further, it must
/// not, for where that is depends on when it was last looked at. `risk`: at that moment, where it was just judged.
pub fn may_begin(cx: &Context, profile: &Profile, tau_ms: i64, risk: Option<f64>) -> bool {
    let before_ms = tau_ms - 1;
    let edge = cx.offers.rules.risk_min;
    let risk_before =
        || risk_inputs(cx, profile).map(|inputs| cx.risk.weights.risk(&inputs.facts_at(before_ms)));
    due_after_ms(cx, profile, before_ms) == tau_ms
        || risk.is_some_and(|risk| risk >= edge) && risk_before().is_some_and(|risk| risk < edge)
}

/// When the contact pressure has fallen to where it suppresses nothing: it falls strictly while nobody writes.
fn relief_ms(cx: &Context, profile: &Profile, more: &More, tau_ms: i64) -> Option<i64> {
    let most = cx.offers.rules.pressure_max;
    let end_ms = tau_ms.saturating_add(DECAYED_D * DAY_MS);
    let eased = |ms: i64| pressure(profile, more, ms) <= most;
    if eased(tau_ms) { None } else { first_ms(tau_ms, end_ms, eased) }
}

/// When the satisfaction of one whose orders grow, or whose plan is too small, has gone back towards the population's so
/// far that it stands in nothing's way.
fn pleased_ms(cx: &Context, profile: &Profile, more: &More, tau_ms: i64) -> Option<i64> {
    let rules = &cx.offers.rules;
    let mean = csat(cx, &more.sums)?;
    let pleased = |ms: i64| mean.at(ms).is_some_and(|csat| csat >= rules.csat_min);
    let orders = profile.purchases.as_deref().map_or(0, |p| p.orders());
    let grows = || order_means(&more.sums, orders).is_some_and(|m| m.1 >= rules.order_trend_min);
    let full = || service_of(more).and_then(Service::high_since_ms).is_some();
    if pleased(tau_ms) || !(grows() || full()) {
        return None;
    }
    first_ms(tau_ms, tau_ms.saturating_add(DECAYED_D * DAY_MS), pleased)
}

/// Whether a view or a search of a customer can begin something: cheaper than [`look`], for the most frequent events.
pub fn may_interest(cx: &Context, profile: &Profile, viewed: Option<u32>, tau_ms: i64) -> bool {
    let Some(more) = profile.more() else {
        return false;
    };
    match profile.lifecycle() {
        Lifecycle::Prospect => {
            cx.offers.prospect_intent(more, tau_ms) >= cx.offers.plan.prospect_intent
        }
        Lifecycle::Active => {
            viewed.is_some_and(|key| more.intents.views(key, tau_ms) >= cx.offers.rules.intent_min)
        }
        _ => false,
    }
}
