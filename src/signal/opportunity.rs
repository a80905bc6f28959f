//! Opportunities: the six goals of customer work, and when each is worth a contact.
//!
//! Goals: cross-sell, up-sell, retention, acquisition (with activation), win-back, after-sale care. The conditions are
//! correlational triggers and **not uplift**: that somebody is likely to buy does not say that a message makes them. Hence
//! the hold-out: one customer in ten, by hash, carries a flag, is to be left alone, and shows what happens anyway.
//! All edges are expert priors.
//!
//! Nothing is proposed to who has not consented, has opted out, hears from us more than twice a week, or waits for an
//! answer to a complaint; and no goal twice within 30 days. What is decided when stands in `situation`.

use xxhash_rust::xxh3::xxh3_64;

use super::DAY_MS;

/// Number of goals.
pub const GOALS: usize = 6;

/// What the goals are judged by: constants of the definition, defaults are expert priors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Customers held out, percent.
    pub holdout_percent: f64,
    /// A goal rests this long after it was proposed.
    pub cooldown_ms: i64,
    /// More messages a week than this, and nothing is proposed.
    pub pressure_max: f64,
    /// Views of a category never bought (decayed, 14 days) that show an intent.
    pub intent_min: f64,
    /// How much likelier owners of what they own buy the category than anybody.
    pub lift_min: f64,
    /// Customers who bought both, below whom a lift is chance.
    pub co_buyers_min: u32,
    /// Trend of the mean order, `ln`, from which on they buy bigger.
    pub order_trend_min: f64,
    /// Time of use near the plan's limit before a bigger plan is worth a word.
    pub usage_high_ms: i64,
    /// Satisfaction below which nobody is sold more, where it is known.
    pub csat_min: f64,
    /// Risk from which on keeping is worth a contact.
    pub risk_min: f64,
    /// Silence after which a sign of life is one.
    pub silence_ms: i64,
    /// After delivery without a rating.
    pub rating_after_ms: i64,
    /// After a complaint was closed.
    pub complaint_after_ms: i64,
    /// Share of the mean gap after which a refill is near.
    pub refill_share: f64,
    /// Regularity from which on a gap can be relied on.
    pub refill_k_min: f64,
    /// For this long something is followed up (a delivery, a closed complaint, a refill, a sign of life); then the moment
    /// has passed.
    pub follow_up_ms: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            holdout_percent: 10.0,
            cooldown_ms: 30 * DAY_MS,
            pressure_max: 2.0,
            intent_min: 3.0,
            lift_min: 1.5,
            co_buyers_min: 50,
            order_trend_min: 0.15,
            usage_high_ms: 14 * DAY_MS,
            csat_min: 0.7,
            risk_min: 0.4,
            silence_ms: 30 * DAY_MS,
            rating_after_ms: 7 * DAY_MS,
            complaint_after_ms: 3 * DAY_MS,
            refill_share: 0.9,
            refill_k_min: 1.5,
            follow_up_ms: 30 * DAY_MS,
        }
    }
}

impl Rules {
    /// Whether a customer belongs to the share that is left alone: by hash (xxh3-64, upper half) of the id, so that it never
    /// changes and can be told in SQL. It is not the half of the hash by which rows are spread over the day.
    #[must_use]
    pub fn is_held_out(&self, customer_id: &[u8]) -> bool {
        ((xxh3_64(customer_id) >> 32) % 10_000) as f64 * 0.01 < self.holdout_percent
    }
}

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

/// Why a goal is proposed. Numbers are stored and are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// They look at a category they never bought.
    CategoryIntent = 0,
    /// Customers like them buy the category.
    CategoryLift = 1,
    /// Their orders grow.
    OrdersGrow = 2,
    /// Their use nears the plan's limit.
    UsageNearLimit = 3,
    /// Valuable, and at risk.
    AtRisk = 4,
    /// A prospect shows intent.
    ProspectIntent = 5,
    /// The time at which second purchases come.
    SecondPurchaseDue = 6,
    /// A sign of life after silence.
    SignOfLife = 7,
    /// Delivered a week ago, not rated.
    NotRated = 8,
    /// A refill is near.
    RefillDue = 9,
    /// A complaint was closed three days ago.
    ComplaintClosed = 10,
}

impl Reason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::CategoryIntent,
        Self::CategoryLift,
        Self::OrdersGrow,
        Self::UsageNearLimit,
        Self::AtRisk,
        Self::ProspectIntent,
        Self::SecondPurchaseDue,
        Self::SignOfLife,
        Self::NotRated,
        Self::RefillDue,
        Self::ComplaintClosed,
    ];

    /// The reason of a stored number; `None` for numbers that never were one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// What it is a reason for.
    #[must_use]
    pub fn goal(self) -> Goal {
        match self {
            Self::CategoryIntent | Self::CategoryLift => Goal::CrossSell,
            Self::OrdersGrow | Self::UsageNearLimit => Goal::UpSell,
            Self::AtRisk => Goal::Retention,
            Self::ProspectIntent | Self::SecondPurchaseDue => Goal::Acquisition,
            Self::SignOfLife => Goal::WinBack,
            Self::NotRated | Self::RefillDue | Self::ComplaintClosed => Goal::AfterSale,
        }
    }

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
