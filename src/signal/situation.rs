//! What is known of a customer at a moment, and which of the six goals it makes worth a contact.

use super::DAY_MS;
use super::lifecycle::Lifecycle;
use super::opportunity::{GOALS, Goal, Reason, Rules, Suppression};
use super::tier_moves::Tier;

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
    /// A visit, click or reply after silence, and the one before it.
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
    pub fn suppressed(&self, rules: &Rules) -> Option<Suppression> {
        if !self.consent {
            Some(Suppression::NoConsent)
        } else if self.opted_out {
            Some(Suppression::OptedOut)
        } else if self.contact_pressure > rules.pressure_max {
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
    /// Until when it stands: the end of its moment, at the latest the end of the goal's rest.
    pub until_ms: i64,
}

/// Why, what it is worth, and when its moment has passed ([`i64::MAX`] when that is not told).
type Worth = (Reason, f64, i64);

/// The opportunities of `situation` at `tau_ms`, one per goal at most, in the order of [`Goal::ALL`]; none while something
/// suppresses them, and no goal that rests.
#[must_use]
pub fn opportunities(situation: &Situation, rules: &Rules, tau_ms: i64) -> Vec<Opportunity> {
    if situation.suppressed(rules).is_some() {
        return Vec::new();
    }
    let rest_end_ms = tau_ms.saturating_add(rules.cooldown_ms);
    let rested = |goal: &Goal| {
        let last = situation.proposed_ms[*goal as usize];
        last.is_none_or(|last| tau_ms.saturating_sub(last) >= rules.cooldown_ms)
    };
    let found = Goal::ALL.into_iter().filter(rested).filter_map(|goal| {
        let (reason, score, end_ms) = situation.worth(rules, goal, tau_ms)?;
        let until_ms = end_ms.min(rest_end_ms);
        // A worth that is no number ranks nothing.
        score.is_finite().then_some(Opportunity { goal, reason, score, until_ms })
    });
    found.collect()
}

/// The next moment after `tau_ms` at which an opportunity can begin by time alone; `None` if there is none. (Numbers of
/// [`Situation`] that move by themselves have dues of their own.)
#[must_use]
pub fn next_due_ms(situation: &Situation, rules: &Rules, tau_ms: i64) -> Option<i64> {
    let s = situation;
    let after = |moment: Option<i64>, wait_ms: i64| moment.map(|m| m.saturating_add(wait_ms));
    let moments = [
        after(s.usage_high_since_ms, rules.usage_high_ms),
        s.second_due_ms.filter(|_| s.x == Some(0)).map(|(from, _)| from),
        after(s.delivered_unrated_ms, rules.rating_after_ms),
        s.refill_due_ms(rules),
        after(s.complaint_closed_ms, rules.complaint_after_ms),
    ];
    let rested = s.proposed_ms.iter().map(|last| after(*last, rules.cooldown_ms));
    moments.into_iter().chain(rested).flatten().filter(|moment| *moment > tau_ms).min()
}

impl Situation {
    fn worth(&self, rules: &Rules, goal: Goal, tau_ms: i64) -> Option<Worth> {
        match goal {
            Goal::CrossSell => self.cross_sell(rules),
            Goal::UpSell => self.up_sell(rules, tau_ms),
            Goal::Retention => self.retention(rules),
            Goal::Acquisition => self.acquisition(tau_ms),
            Goal::WinBack => self.win_back(rules, tau_ms),
            Goal::AfterSale => self.after_sale(rules, tau_ms),
        }
    }

    fn cross_sell(&self, rules: &Rules) -> Option<Worth> {
        let category = self.category.filter(|_| self.lifecycle == Lifecycle::Active)?;
        let lifts =
            |(lift, buyers): (f64, u32)| lift >= rules.lift_min && buyers >= rules.co_buyers_min;
        let reason = if category.intent >= rules.intent_min {
            Reason::CategoryIntent
        } else if category.lift.is_some_and(lifts) {
            Reason::CategoryLift
        } else {
            return None;
        };
        Some((reason, category.p_buy * self.mean_spend_hat?, i64::MAX))
    }

    fn up_sell(&self, rules: &Rules, tau_ms: i64) -> Option<Worth> {
        if self.csat.is_some_and(|csat| csat < rules.csat_min) {
            return None;
        }
        let lasts = |since: i64| tau_ms.saturating_sub(since) >= rules.usage_high_ms;
        let reason = if self.aov_trend.is_some_and(|trend| trend >= rules.order_trend_min) {
            Reason::OrdersGrow
        } else if self.usage_high_since_ms.is_some_and(lasts) {
            Reason::UsageNearLimit
        } else {
            return None;
        };
        Some((reason, self.delta_spend?, i64::MAX))
    }

    fn retention(&self, rules: &Rules) -> Option<Worth> {
        let (risk, value) = (self.risk?, self.clv_365?);
        let worth_it = risk >= rules.risk_min && value >= self.clv_top_from?;
        worth_it.then_some((Reason::AtRisk, risk * value, i64::MAX))
    }

    fn acquisition(&self, tau_ms: i64) -> Option<Worth> {
        if self.lifecycle == Lifecycle::Prospect {
            let (intent, threshold) = self.prospect_intent?;
            // There is no purchase to tell a probability from: rising with the intent, .63 at the threshold.
            let worth = -libm::expm1(-intent / threshold);
            return (intent >= threshold).then_some((Reason::ProspectIntent, worth, i64::MAX));
        }
        let (from, to) = self.second_due_ms.filter(|_| self.x == Some(0))?;
        let due = (from..=to).contains(&tau_ms);
        let worth = 1.0 - self.p_silent_30?;
        due.then_some((Reason::SecondPurchaseDue, worth, to.saturating_add(1)))
    }

    fn win_back(&self, rules: &Rules, tau_ms: i64) -> Option<Worth> {
        let gone = matches!(self.lifecycle, Lifecycle::Dormant | Lifecycle::Lost);
        let (latest, before) = self.signs_of_life_ms?;
        let silent = before.or(self.last_purchase_ms);
        let silence_ms = latest.saturating_sub(silent?);
        let valued = self.best_tier >= Some(Tier::Iron);
        let end_ms = latest.saturating_add(rules.follow_up_ms);
        let is_one = gone && valued && silence_ms >= rules.silence_ms && tau_ms < end_ms;
        is_one.then_some((Reason::SignOfLife, self.clv_before_loss?, end_ms))
    }

    fn after_sale(&self, rules: &Rules, tau_ms: i64) -> Option<Worth> {
        let tier = self.tier.map_or(0.0, |tier| f64::from(tier.number()));
        let occasions = [
            (Reason::ComplaintClosed, self.complaint_closed_ms, rules.complaint_after_ms),
            (Reason::NotRated, self.delivered_unrated_ms, rules.rating_after_ms),
            (Reason::RefillDue, self.refill_due_ms(rules), 0),
        ];
        occasions.into_iter().find_map(|(reason, moment, wait_ms)| {
            let due_ms = moment?.saturating_add(wait_ms);
            let end_ms = due_ms.saturating_add(rules.follow_up_ms);
            (due_ms..end_ms).contains(&tau_ms).then_some((reason, tier, end_ms))
        })
    }

    /// When a refill is near: the last purchase plus nine tenths of the mean gap, of regular customers.
    fn refill_due_ms(&self, rules: &Rules) -> Option<i64> {
        let (mean_gap_d, _) = self.rhythm.filter(|(_, k_hat)| *k_hat >= rules.refill_k_min)?;
        let wait_ms = libm::ceil(rules.refill_share * mean_gap_d * DAY_MS as f64);
        (wait_ms >= 0.0).then_some(self.last_purchase_ms?.saturating_add(wait_ms as i64))
    }
}
