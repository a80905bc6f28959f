//! The signal registry: what is computed, in which unit, how it changes, and its words. A test holds the columns of the
//! customer views against it; documentation and the condition language are to come from here.

/// How a signal moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only when an event comes.
    Event,
    /// At every moment, by a closed form: the views compute it when they are read.
    Live,
    /// By a due: the machine wakes when it crosses a threshold, nothing else changes it.
    Due,
    /// At every moment, but without a closed form in SQL: refreshed at least daily, carries its own `as_of`.
    Refresh,
}

/// One signal.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    /// Column of the `customers_now` view.
    pub name: &'static str,
    /// Unit, or the set of values.
    pub unit: &'static str,
    /// What moves it.
    pub change: Change,
    /// Whether it is a function of the set of applied events (trajectories are not).
    pub commutative: bool,
    /// What it means, in one sentence for marketing.
    pub words: &'static str,
    /// How it is computed.
    pub formula: &'static str,
}

const fn signal(
    name: &'static str,
    unit: &'static str,
    change: Change,
    words: &'static str,
    formula: &'static str,
) -> Signal {
    Signal { name, unit, change, commutative: !matches!(change, Change::Due), words, formula }
}

use Change::{Due, Event, Live, Refresh};

/// Every signal of a customer, in the order of the documentation.
pub const SIGNALS: &[Signal] = &[
    signal(
        "n_days",
        "days",
        Event,
        "On how many different days the customer bought.",
        "distinct days (definition's day zone) with a purchase; an opening's days plus those after its last day",
    ),
    signal("x", "days", Event, "How often the customer came back to buy.", "max(n_days - 1, 0)"),
    signal(
        "t_first",
        "time",
        Event,
        "When the customer first bought.",
        "min ts of purchases, or the opening's",
    ),
    signal(
        "t_last",
        "time",
        Event,
        "When the customer last bought.",
        "max ts of purchases, or the opening's",
    ),
    signal("recency_d", "days", Live, "Days since the last purchase.", "(tau - t_last) / 1 d"),
    signal("orders", "count", Event, "How many orders.", "purchases, plus the opening's orders"),
    signal("refunds", "count", Event, "How many refunds.", "refunds"),
    signal(
        "revenue_minor",
        "minor units",
        Event,
        "What the customer has brought in, net of refunds.",
        "sum of purchases - sum of refunds, plus the opening's revenue; reporting currency",
    ),
    signal(
        "spend_rate_30",
        "currency/day",
        Live,
        "What the customer spends a day, looking back about a month.",
        "D_30(amounts) * lambda / (1 - e^(-lambda * max(tau - t_first, 1 d)))",
    ),
    signal(
        "spend_rate_180",
        "currency/day",
        Live,
        "What the customer spends a day, looking back about half a year.",
        "D_180(amounts) * lambda / (1 - e^(-lambda * max(tau - t_first, 1 d)))",
    ),
    signal(
        "spend_90d_minor",
        "minor units",
        Live,
        "What the customer spent in the last 90 days.",
        "30 buckets of 3 days, and the oldest by the fraction of it still inside",
    ),
    signal(
        "p_alive",
        "0..1",
        Live,
        "How likely the customer still is one.",
        "MBG/NBD or BG/NBD at (x, t_last - t_first, tau - t_first)",
    ),
    signal(
        "p_silent_30",
        "0..1",
        Live,
        "How likely nothing is bought in the next 30 days.",
        "1 - p_alive * (1 - ((alpha + T)/(alpha + T + 30 d))^(r + x))",
    ),
    signal(
        "p_silent_90",
        "0..1",
        Live,
        "How likely nothing is bought in the next 90 days.",
        "1 - p_alive * (1 - ((alpha + T)/(alpha + T + 90 d))^(r + x))",
    ),
    signal(
        "p_silent_180",
        "0..1",
        Live,
        "How likely nothing is bought in the next 180 days.",
        "1 - p_alive * (1 - ((alpha + T)/(alpha + T + 180 d))^(r + x))",
    ),
    signal(
        "exp_purchases_90",
        "purchases",
        Refresh,
        "How many purchases to expect in the next 90 days.",
        "p_alive * G(90 d), the singularity-free Euler form",
    ),
    signal(
        "lifecycle",
        "prospect new active slipping dormant lost won_back",
        Due,
        "Where the customer stands between first purchase and loss.",
        "bands of p_silent_90 with hysteresis",
    ),
    signal(
        "open_tickets",
        "count",
        Event,
        "Support tickets that are open.",
        "tickets whose latest action opens them",
    ),
    signal(
        "open_complaints",
        "count",
        Event,
        "Complaints that are open.",
        "open tickets of kind complaint",
    ),
    signal(
        "oldest_open_at",
        "time",
        Event,
        "Since when the oldest open ticket waits.",
        "min opening time of open tickets",
    ),
    signal(
        "ticket_rate_90",
        "tickets/day",
        Live,
        "How many tickets a day, looking back about a quarter.",
        "D_90(opened) * lambda / (1 - e^(-lambda * max(tau - t_born, 1 d)))",
    ),
    signal(
        "csat",
        "0..1",
        Live,
        "How satisfied the customer says to be.",
        "(D_180(score) + 3 mu) / (D_180(1) + 3), score = (csat - 1) / 4",
    ),
    signal(
        "visit_rate_7",
        "visits/day",
        Live,
        "How many visits a day, looking back about a week.",
        "D_7(visits) * lambda / (1 - e^(-lambda * max(tau - t_born, 1 d)))",
    ),
    signal(
        "visit_rate_60",
        "visits/day",
        Live,
        "How many visits a day, looking back about two months.",
        "D_60(visits) * lambda / (1 - e^(-lambda * max(tau - t_born, 1 d)))",
    ),
    signal(
        "engage_trend",
        "ln",
        Live,
        "Whether the customer comes more (above 0) or less often than usual.",
        "ln(visit_rate_7 / visit_rate_60), clipped to [-2, 2]; null when a rate is 0",
    ),
    signal(
        "last_seen",
        "time",
        Event,
        "When the customer last did something.",
        "max ts of purchases, web events and support actions by the customer",
    ),
];

/// Inputs of the churn risk, in order: how definitions, rows and explanations name them.
pub const RISK_INPUTS: [&str; 16] = [
    "base",
    "overdue_gap",
    "spend_falling",
    "engagement_falling",
    "open_complaints",
    "support_load",
    "low_satisfaction",
    "disappointment",
    "late_payment",
    "extensions",
    "cancel_intent",
    "opted_out",
    "discount_dependent",
    "returns",
    "renewal_near",
    "champion_left",
];

/// Inputs of loyalty, in order.
pub const LOYALTY_INPUTS: [&str; 13] = [
    "repeat_depth",
    "still_active",
    "tenure",
    "breadth",
    "price_tolerance",
    "returns",
    "advocacy",
    "engagement",
    "regularity",
    "new_products",
    "suggests",
    "pays_on_time",
    "multi_contact",
];
