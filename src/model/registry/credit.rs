//! Signals of credit, contract, deliveries and usage.

use super::{
    Change::{Event, Live},
    Signal, signal,
};

/// The signals, in the order of the documentation.
pub(super) const SIGNALS: &[Signal] = &[
    signal(
        "open_minor",
        "amount owed",
        "minor units",
        Event,
        "What the customer owes.",
        "sum over invoices of amount - paid",
    )
    .range("0..")
    .window("all")
    .verified("recomputed from the event list at random moments, after permutation; exact")
    .limits("invoices remembered per customer: 256"),
    signal(
        "overdue_minor",
        "amount overdue",
        "minor units",
        Live,
        "What of it is overdue.",
        "the same over invoices with due <= tau",
    )
    .range("0..")
    .window("all")
    .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal(
        "overdue_ratio",
        "overdue share of what is owed",
        "0..1",
        Live,
        "Which share of what is owed is overdue.",
        "overdue / open; null when nothing is open",
    )
    .range("0..1")
    .window("all")
    .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal(
        "dbt_days",
        "usual delay of payment",
        "days",
        Live,
        "How many days beyond terms the customer pays.",
        "(D_180(paid * days late) + open overdue * days overdue) / (D_180(paid) + open overdue)",
    )
    .range("0..")
    .window("half-life 180 d")
    .source("credit practice (days beyond terms)")
    .verified("recomputed from the event list at random moments, after permutation"),
    signal(
        "ext_requests",
        "requests for more time to pay",
        "count",
        Live,
        "How often the customer has asked for more time.",
        "D_180(extension requests)",
    )
    .range("0..")
    .window("half-life 180 d")
    .verified("recomputed from the event list at random moments, after permutation"),
    signal(
        "partial_payments",
        "bills paid in part only",
        "count",
        Live,
        "How often a bill was paid in part only.",
        "D_180(partial payments)",
    )
    .range("0..")
    .window("half-life 180 d")
    .verified("recomputed from the event list at random moments, after permutation"),
    signal(
        "contract_start",
        "start of the contract",
        "time",
        Event,
        "Since when the contract runs.",
        "last contract event",
    )
    .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal(
        "contract_renewal",
        "renewal of the contract",
        "time",
        Event,
        "When the contract must be renewed.",
        "last contract event",
    )
    .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal(
        "contract_signed",
        "next term of the contract signed",
        "flag",
        Event,
        "Whether the next term is signed.",
        "last contract event",
    )
    .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal(
        "order_late_h",
        "usual delay of deliveries",
        "hours",
        Event,
        "How late deliveries usually are.",
        "e^(D_90(ln(1 + max(0, delivered - promised))) / D_90(1)) - 1",
    )
    .range("0..")
    .window("half-life 90 d")
    .verified("recomputed from the event list at random moments, after permutation"),
    signal(
        "orders_overdue",
        "orders not delivered in time",
        "count",
        Live,
        "Orders that are late right now.",
        "promised <= tau and not delivered",
    )
    .range("0..")
    .verified("recomputed from the event list at random moments, after permutation; exact")
    .limits("32 open orders"),
    signal(
        "usage_trend",
        "change in use",
        "ln",
        Live,
        "Whether the service is used more (above 0) or less than usual.",
        "ln(rate_30(usage) / rate_180(usage)), clipped to [-3, 3]",
    )
    .range("-3..3")
    .window("half-lives 30 and 180 d")
    .verified("recomputed from the event list at random moments, after permutation"),
    signal(
        "usage_share",
        "share of the plan in use",
        "0..",
        Event,
        "How much of the plan is used.",
        "largest of the last quantity / plan_limit of each metric",
    )
    .range("0..")
    .verified("recomputed from the event list at random moments, after permutation; exact")
    .limits("8 metrics"),
    signal(
        "usage_high_since",
        "near the limit of the plan since",
        "time",
        Event,
        "Since when at least 80 % of the plan are used.",
        "first report of the present run of reports at 80 % or more",
    )
    .verified("recomputed from the event list at random moments, after permutation; exact"),
];
