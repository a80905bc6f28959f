//! Opportunities: the six goals of customer work, and when each is worth a contact.
//!
//! Goals: cross-sell, up-sell, retention, acquisition (with activation), win-back, after-sale care. The conditions are
//! correlational triggers and **not uplift**: that somebody is likely to buy does not say that a message makes them. Hence
//! the hold-out: one customer in ten, by hash, carries a flag, is to be left alone, and shows what happens anyway.
//! All edges are expert priors.
//!
//! Nothing is proposed to who has not consented, has opted out, hears from us more than twice a week, or waits for an
//! answer to a complaint; and no goal twice within 30 days.

use xxhash_rust::xxh3::xxh3_64;

use super::DAY_MS;
use super::lifecycle::Lifecycle;
use super::tier_moves::Tier;

/// Number of goals.
pub const GOALS: usize = 6;
/// A goal rests this long after it was proposed.
pub const COOLDOWN_MS: i64 = 30 * DAY_MS;
/// More messages a week than this, and nothing is proposed.
pub const PRESSURE_MAX_PER_WEEK: f64 = 2.0;
/// Views of a category never bought (decayed, 14 days) that show an intent.
pub const INTENT_MIN: f64 = 3.0;
/// How much likelier owners of what they own buy the category than anybody.
pub const LIFT_MIN: f64 = 1.5;
/// Customers who bought both, below whom a lift is chance.
pub const CO_BUYERS_MIN: u32 = 50;
/// Trend of the mean order, `ln`, from which on they buy bigger.
pub const AOV_TREND_MIN: f64 = 0.15;
/// Days of use near the plan's limit before a bigger plan is worth a word.
pub const USAGE_HIGH_MIN_MS: i64 = 14 * DAY_MS;
/// Satisfaction below which nobody is sold more, where it is known.
pub const UP_SELL_CSAT_MIN: f64 = 0.7;
/// Risk from which on keeping is worth a contact.
pub const RETENTION_RISK_MIN: f64 = 0.4;
/// Silence after which a sign of life is one.
pub const WIN_BACK_SILENCE_MS: i64 = 30 * DAY_MS;
/// After delivery without a rating.
pub const RATING_AFTER_MS: i64 = 7 * DAY_MS;
/// After a complaint was closed.
pub const COMPLAINT_AFTER_MS: i64 = 3 * DAY_MS;
/// Share of the mean gap after which a refill is near.
pub const REPLENISH_SHARE: f64 = 0.9;
/// Regularity from which on a gap can be relied on.
pub const REPLENISH_K_MIN: f64 = 1.5;
/// Follow-ups are proposed for this long, then the moment has passed.
pub const FOLLOW_UP_MS: i64 = 30 * DAY_MS;

/// The goals. Numbers are stored and are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Goal {
    /// Something of a category they never bought.
    CrossSell = 0,
    /// More of, or better than, what they buy.
    UpSell = 1,
    /// Keeping a valuable customer who may leave.
    Retention = 2,
    /// A first purchase, or the second.
    Acquisition = 3,
    /// A lost customer who shows up.
    WinBack = 4,
    /// Care after delivery, before a refill, after a complaint.
    AfterSale = 5,
}

impl Goal {
    /// All goals, in the order of their numbers.
    pub const ALL: [Self; GOALS] = [
        Self::CrossSell,
        Self::UpSell,
        Self::Retention,
        Self::Acquisition,
        Self::WinBack,
        Self::AfterSale,
    ];

    /// The name in tables, definitions and outputs; stable.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CrossSell => "cross_sell",
            Self::UpSell => "up_sell",
            Self::Retention => "retention",
            Self::Acquisition => "acquisition",
            Self::WinBack => "win_back",
            Self::AfterSale => "after_sale",
        }
    }
}

/// Why a goal is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// They look at a category they never bought.
    CategoryIntent,
    /// Customers like them buy the category.
    CategoryLift,
    /// Their orders grow.
    OrdersGrow,
    /// Their use nears the plan's limit.
    UsageNearLimit,
    /// Valuable, and at risk.
    AtRisk,
    /// A prospect shows intent.
    ProspectIntent,
    /// The time at which second purchases come.
    SecondPurchaseDue,
    /// A sign of life after silence.
    SignOfLife,
    /// Delivered a week ago, not rated.
    NotRated,
    /// A refill is near.
    RefillDue,
    /// A complaint was closed three days ago.
    ComplaintClosed,
}

impl Reason {
    /// The word in outputs; stable.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CategoryIntent => "category_intent",
            Self::CategoryLift => "category_lift",
            Self::OrdersGrow => "orders_grow",
            Self::UsageNearLimit => "usage_near_limit",
            Self::AtRisk => "at_risk",
            Self::ProspectIntent => "prospect_intent",
            Self::SecondPurchaseDue => "second_purchase_due",
            Self::SignOfLife => "sign_of_life",
            Self::NotRated => "not_rated",
            Self::RefillDue => "refill_due",
            Self::ComplaintClosed => "complaint_closed",
        }
    }
}

/// Why nothing is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suppression {
    /// They have not agreed to messages.
    NoConsent,
    /// They refuse messages.
    OptedOut,
    /// They hear from us too often already.
    ContactPressure,
    /// They wait for an answer to a complaint.
    OpenComplaint,
}

impl Suppression {
    /// The word in outputs; stable.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoConsent => "no_consent",
            Self::OptedOut => "opted_out",
            Self::ContactPressure => "contact_pressure",
            Self::OpenComplaint => "open_complaint",
        }
    }
}

/// The best category never bought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Category {
    /// Views of it, decayed sum of half-life 14 days.
    pub intent: f64,
    /// How much likelier owners of what they own buy it, and how many bought both; `None` if it was never counted.
    pub lift: Option<(f64, u32)>,
    /// P(they buy it), from counts, in [0, 1].
    pub p_buy: f64,
}

/// What is known of a customer at one moment. `None` is "not known" and proposes nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Situation {
    /// Whether messages are allowed. Who keeps no consents passes true and answers for it.
    pub consent: bool,
    /// Whether messages are refused.
    pub opted_out: bool,
    /// Messages per week.
    pub contact_pressure: f64,
    /// Open complaints.
    pub open_complaints: u32,
    /// Where they stand.
    pub lifecycle: Lifecycle,
    /// The best category never bought.
    pub category: Option<Category>,
    /// Expected amount of an order, reporting currency.
    pub mean_spend_hat: Option<f64>,
    /// `ln(mean order 60 days / 365 days)`.
    pub aov_trend: Option<f64>,
    /// Since when use has been at 80 % of the plan or more, without a break.
    pub usage_high_since_ms: Option<i64>,
    /// Shrunk satisfaction, [0, 1].
    pub csat: Option<f64>,
    /// What a bigger order or plan would add, reporting currency.
    pub delta_spend: Option<f64>,
    /// Churn risk, [0, 1].
    pub risk: Option<f64>,
    /// Value expected of the next year, reporting currency.
    pub clv_365: Option<f64>,
    /// From this value on a customer is among the best 40 % of the population.
    pub clv_top_from: Option<f64>,
    /// A prospect's weighted sum of intents, and the threshold from which on it counts (above 0).
    pub prospect_intent: Option<(f64, f64)>,
    /// Repeat purchases; `None` before the first purchase.
    pub x: Option<u32>,
    /// The moments between which a second purchase usually comes: P25 and P75 of first-repeat gaps after the first one.
    pub second_due_ms: Option<(i64, i64)>,
    /// P(no purchase within 30 days), [0, 1].
    pub p_silent_30: Option<f64>,
    /// The best tier they have had.
    pub best_tier: Option<Tier>,
    /// The tier they have.
    pub tier: Option<Tier>,
    /// Their latest visit, click or reply, and the one before it.
    pub signs_of_life_ms: Option<(i64, Option<i64>)>,
    /// Their value when they were last active, reporting currency.
    pub clv_before_loss: Option<f64>,
    /// Delivery of an order that is not rated.
    pub delivered_unrated_ms: Option<i64>,
    /// Last purchase.
    pub last_purchase_ms: Option<i64>,
    /// Mean gap in days and regularity, both shrunk.
    pub rhythm: Option<(f64, f64)>,
    /// When the last complaint was closed.
    pub complaint_closed_ms: Option<i64>,
    /// When each goal was last proposed, in the order of [`Goal::ALL`].
    // The number itself: with the constant the compiler (1.95) fails on closures that copy a part of a `Situation`.
    pub proposed_ms: [Option<i64>; 6],
}

impl Situation {
    /// Of a customer in `lifecycle` of whom nothing else is known, who may be written to.
    #[must_use]
    pub fn new(lifecycle: Lifecycle) -> Self {
        Self {
            consent: true,
            opted_out: false,
            contact_pressure: 0.0,
            open_complaints: 0,
            lifecycle,
            category: None,
            mean_spend_hat: None,
            aov_trend: None,
            usage_high_since_ms: None,
            csat: None,
            delta_spend: None,
            risk: None,
            clv_365: None,
            clv_top_from: None,
            prospect_intent: None,
            x: None,
            second_due_ms: None,
            p_silent_30: None,
            best_tier: None,
            tier: None,
            signs_of_life_ms: None,
            clv_before_loss: None,
            delivered_unrated_ms: None,
            last_purchase_ms: None,
            rhythm: None,
            complaint_closed_ms: None,
            proposed_ms: [None; GOALS],
        }
    }

    /// Why nothing may be proposed; the first reason that holds.
    #[must_use]
    pub fn suppressed(&self) -> Option<Suppression> {
        if !self.consent {
            Some(Suppression::NoConsent)
        } else if self.opted_out {
            Some(Suppression::OptedOut)
        } else if self.contact_pressure > PRESSURE_MAX_PER_WEEK {
            Some(Suppression::ContactPressure)
        } else if self.open_complaints > 0 {
            Some(Suppression::OpenComplaint)
        } else {
            None
        }
    }
}

/// A goal worth a contact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opportunity {
    /// What for.
    pub goal: Goal,
    /// Why now.
    pub reason: Reason,
    /// How much it is worth, to rank customers **within** one goal: money for cross-sell, up-sell, retention and win-back, a
    /// probability for acquisition, the tier's number for after-sale care.
    pub score: f64,
}

/// Whether a customer belongs to the tenth that is left alone: by hash (xxh3-64, upper half) of the id, so that it never
/// changes and can be told in SQL. It is not the half of the hash by which rows are spread over the day.
#[must_use]
pub fn is_held_out(customer_id: &[u8]) -> bool {
    (xxh3_64(customer_id) >> 32).is_multiple_of(10)
}

/// The opportunities of `situation` at `tau_ms`, one per goal at most, in the order of [`Goal::ALL`]; none while something
/// suppresses them, and no goal that was proposed within [`COOLDOWN_MS`].
#[must_use]
pub fn opportunities(situation: &Situation, tau_ms: i64) -> Vec<Opportunity> {
    if situation.suppressed().is_some() {
        return Vec::new();
    }
    let rested = |goal: &Goal| {
        let last = situation.proposed_ms[*goal as usize];
        last.is_none_or(|last| tau_ms.saturating_sub(last) >= COOLDOWN_MS)
    };
    let found = Goal::ALL.into_iter().filter(rested).filter_map(|goal| {
        let (reason, score) = situation.worth(goal, tau_ms)?;
        // A worth that is no number ranks nothing.
        score.is_finite().then_some(Opportunity { goal, reason, score })
    });
    found.collect()
}

/// The next moment after `tau_ms` at which an opportunity can begin by time alone; `None` if there is none. (Numbers of
/// [`Situation`] that move by themselves have dues of their own.)
#[must_use]
pub fn next_due_ms(situation: &Situation, tau_ms: i64) -> Option<i64> {
    let s = situation;
    let after = |moment: Option<i64>, wait_ms: i64| moment.map(|m| m.saturating_add(wait_ms));
    let moments = [
        after(s.usage_high_since_ms, USAGE_HIGH_MIN_MS),
        s.second_due_ms.filter(|_| s.x == Some(0)).map(|(from, _)| from),
        after(s.delivered_unrated_ms, RATING_AFTER_MS),
        s.refill_due_ms(),
        after(s.complaint_closed_ms, COMPLAINT_AFTER_MS),
    ];
    let rested = s.proposed_ms.iter().map(|last| after(*last, COOLDOWN_MS));
    moments.into_iter().chain(rested).flatten().filter(|moment| *moment > tau_ms).min()
}

impl Situation {
    fn worth(&self, goal: Goal, tau_ms: i64) -> Option<(Reason, f64)> {
        match goal {
            Goal::CrossSell => self.cross_sell(),
            Goal::UpSell => self.up_sell(tau_ms),
            Goal::Retention => self.retention(),
            Goal::Acquisition => self.acquisition(tau_ms),
            Goal::WinBack => self.win_back(),
            Goal::AfterSale => self.after_sale(tau_ms),
        }
    }

    fn cross_sell(&self) -> Option<(Reason, f64)> {
        let category = self.category.filter(|_| self.lifecycle == Lifecycle::Active)?;
        let lifts = |(lift, buyers): (f64, u32)| lift >= LIFT_MIN && buyers >= CO_BUYERS_MIN;
        let reason = if category.intent >= INTENT_MIN {
            Reason::CategoryIntent
        } else if category.lift.is_some_and(lifts) {
            Reason::CategoryLift
        } else {
            return None;
        };
        Some((reason, category.p_buy * self.mean_spend_hat?))
    }

    fn up_sell(&self, tau_ms: i64) -> Option<(Reason, f64)> {
        if self.csat.is_some_and(|csat| csat < UP_SELL_CSAT_MIN) {
            return None;
        }
        let lasts = |since: i64| tau_ms.saturating_sub(since) >= USAGE_HIGH_MIN_MS;
        let reason = if self.aov_trend.is_some_and(|trend| trend >= AOV_TREND_MIN) {
            Reason::OrdersGrow
        } else if self.usage_high_since_ms.is_some_and(lasts) {
            Reason::UsageNearLimit
        } else {
            return None;
        };
        Some((reason, self.delta_spend?))
    }

    fn retention(&self) -> Option<(Reason, f64)> {
        let (risk, value) = (self.risk?, self.clv_365?);
        let worth_it = risk >= RETENTION_RISK_MIN && value >= self.clv_top_from?;
        worth_it.then_some((Reason::AtRisk, risk * value))
    }

    fn acquisition(&self, tau_ms: i64) -> Option<(Reason, f64)> {
        if self.lifecycle == Lifecycle::Prospect {
            let (intent, threshold) = self.prospect_intent?;
            // There is no purchase to tell a probability from: rising with the intent, .63 at the threshold.
            let worth = -libm::expm1(-intent / threshold);
            return (intent >= threshold).then_some((Reason::ProspectIntent, worth));
        }
        let (from, to) = self.second_due_ms.filter(|_| self.x == Some(0))?;
        let due = (from..=to).contains(&tau_ms);
        due.then_some((Reason::SecondPurchaseDue, 1.0 - self.p_silent_30?))
    }

    fn win_back(&self) -> Option<(Reason, f64)> {
        let gone = matches!(self.lifecycle, Lifecycle::Dormant | Lifecycle::Lost);
        let (latest, before) = self.signs_of_life_ms?;
        let silent = before.or(self.last_purchase_ms);
        let silence_ms = latest.saturating_sub(silent?);
        let valued = self.best_tier >= Some(Tier::Iron);
        let is_one = gone && valued && silence_ms >= WIN_BACK_SILENCE_MS;
        is_one.then_some((Reason::SignOfLife, self.clv_before_loss?))
    }

    fn after_sale(&self, tau_ms: i64) -> Option<(Reason, f64)> {
        let is_time = |moment: Option<i64>, wait_ms: i64| {
            moment.is_some_and(|moment| {
                let due_ms = moment.saturating_add(wait_ms);
                (due_ms..due_ms.saturating_add(FOLLOW_UP_MS)).contains(&tau_ms)
            })
        };
        let reason = if is_time(self.complaint_closed_ms, COMPLAINT_AFTER_MS) {
            Reason::ComplaintClosed
        } else if is_time(self.delivered_unrated_ms, RATING_AFTER_MS) {
            Reason::NotRated
        } else if is_time(self.refill_due_ms(), 0) {
            Reason::RefillDue
        } else {
            return None;
        };
        Some((reason, self.tier.map_or(0.0, |tier| f64::from(tier.number()))))
    }

    /// When a refill is near: the last purchase plus nine tenths of the mean gap, of regular customers.
    fn refill_due_ms(&self) -> Option<i64> {
        let (mean_gap_d, _) = self.rhythm.filter(|(_, k_hat)| *k_hat >= REPLENISH_K_MIN)?;
        let wait_ms = libm::ceil(REPLENISH_SHARE * mean_gap_d * DAY_MS as f64);
        (wait_ms >= 0.0).then_some(self.last_purchase_ms?.saturating_add(wait_ms as i64))
    }
}
