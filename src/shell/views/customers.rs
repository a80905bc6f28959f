//! The customer views: every signal of the registry at a moment, as SQL over a row of `customers`.
//!
//! The formulas are those of the signal registry; they stand here once, as functions of an expression for "at".
//! Sources: decayed rates: Cormode, Shkapenyuk, Srivastava, Xu, "Forward decay", ICDE 2009.

use std::f64::consts::LN_2;
use std::fmt::Write as _;

use super::credit::{overdue_minor, overdue_minor_days};
use super::silence::{p_alive, p_silent};
use crate::engine::sums::Sum;
use crate::model::time::DAY_MS;
use crate::plan::Plan;

/// Width of a bucket of the 90-day window, milliseconds.
const BUCKET_MS: i64 = 3 * DAY_MS;
/// Whole buckets of the window; one more counts in part.
const BUCKETS: i64 = 30;
/// Ratings the prior of `csat` counts for.
pub(super) const CSAT_PRIOR_WEIGHT: f64 = 3.0;
/// Where trends of visits, and of money and usage, are clipped.
const VISIT_CLIP: f64 = 2.0;
const MONEY_CLIP: f64 = 3.0;
/// Orders before which no trend of spending is said.
const TREND_ORDERS_MIN: u32 = 4;
/// How long an answer to "would you recommend us" stands, days.
const NPS_DAYS: i64 = 365;
/// Half-life of interest in a category, days.
const INTENT_HALF_LIFE_D: f64 = 14.0;

/// Columns of `customers` that the customer views show as they are, before the signals.
const MASTER: &str = "customer_id, shard, version, account_id, legal_entity_id, region, industry, segment, \
                      owner_id, key, name, t_born, streamed_from, profile_at, tickets, visits";

/// Signals that stand in the row, and what belongs to them.
const STANDING: &str = "n_days, x, t_first, t_last, orders, refunds, revenue_minor, activated_at, breadth, \
                        gap_mean, gap_k, mean_spend_hat, lifecycle, lifecycle_since, \
                        open_tickets, open_complaints, oldest_open_at, last_seen, opted_out, last_contact, \
                        open_minor, contract_start, contract_renewal, contract_signed, usage_share, usage_high_since, \
                        profile_sources, judged_at, exp_purchases_90, gap_surprise, clv, valued_at, \
                        risk, risk_band, risk_since, risk_contributions, risk_missing, loyalty, loyalty_contributions, \
                        nullIf(quadrant, '') AS quadrant, model_version, \
                        nullIf(tier, '') AS tier, nullIf(abc, '') AS abc, tier_since, tier_version, key_customer";

/// Every signal of the registry at the moment `at`, of the rows of `from`. Live signals are NULL before `as_of`.
pub(super) fn select(plan: &Plan, from: &str, at: &str) -> String {
    let mut sql = format!("SELECT {MASTER}, at, as_of,\n    {STANDING}");
    for (name, formula) in event_signals() {
        let _ = write!(sql, ",\n    {formula} AS {name}");
    }
    for (name, formula) in live_signals(plan) {
        let _ = write!(sql, ",\n    if(known, {formula}, NULL) AS {name}");
    }
    let _ = write!(
        sql,
        ",
    if(known, {}, map()) AS category_intent
FROM
(
    SELECT c.*, {at} AS at, at >= c.as_of AS known,
        toUnixTimestamp64Milli(at) AS at_ms,
        toUnixTimestamp64Milli(t_first) AS first_ms, toUnixTimestamp64Milli(t_last) AS last_ms,
        if(isNull(t_first), NULL, greatest(assumeNotNull(t_first), streamed_from)) AS spend_from,
        if(x = 0, 0, (last_ms - first_ms) / {DAY_MS}) AS t_x_d,
        (greatest(at_ms, assumeNotNull(last_ms)) - first_ms) / {DAY_MS} AS age_d,
        (at_ms - toUnixTimestamp64Milli(sums_at)) / {DAY_MS} AS sums_age_d,
        (at_ms - toUnixTimestamp64Milli(spend_sums_at)) / {DAY_MS} AS spend_age_d,
        (at_ms - toUnixTimestamp64Milli(visit_sums_at)) / {DAY_MS} AS visit_age_d,
        {}
    FROM {from}
)",
        intents(),
        window_terms()
    );
    sql
}

/// Signals that only events move: ratios of sums of one half-life, which time leaves as they are.
fn event_signals() -> Vec<(&'static str, String)> {
    use Sum::{
        Deliveries90, DeliveryLateLn90, Discount365, EffortLn90, Efforts90, Gross60, Gross365,
        Inbound90, Orders60, Orders90, Orders365, Outbound90, Refund365, Replies90, ReplyLn90,
        ResolveLn90, Resolves90, Searches90, Turns90, WaitLn90, Waits90,
    };
    let hours = |ln, n| format!("exp({}) - 1", share(ln, n));
    let both = format!("({} + {})", raw(Inbound90), raw(Outbound90));
    vec![
        ("aov_trend", aov_trend([Gross60, Orders60, Gross365, Orders365])),
        ("disc_share", share(Discount365, Gross365)),
        ("return_rate", share(Refund365, Gross365)),
        ("frt_h", hours(ReplyLn90, Replies90)),
        ("resolve_h", hours(ResolveLn90, Resolves90)),
        ("wait_h", hours(WaitLn90, Waits90)),
        ("effort_index", share(EffortLn90, Efforts90)),
        ("contacts_per_resolution", share(Turns90, Resolves90)),
        ("sat_gap", sat_gap()),
        (
            "sat_band",
            "multiIf(isNull(sat_gap), NULL, sat_gap < -0.1, 'dissatisfied', sat_gap > 0.1, 'delighted', 'satisfied')"
                .to_owned(),
        ),
        ("search_per_buy", share(Searches90, Orders90)),
        ("inbound_share", format!("if({both} > 0, {} / {both}, NULL)", raw(Inbound90))),
        ("order_late_h", hours(DeliveryLateLn90, Deliveries90)),
        ("profile_completeness", completeness()),
    ]
}

/// Name and formula of each signal that moves with time, in terms of the inner select of [`select`].
fn live_signals(plan: &Plan) -> Vec<(&'static str, String)> {
    let mut all = purchase_signals(plan);
    all.extend(service_signals(plan));
    let [month, half_year] = [Sum::Usage30, Sum::Usage180].map(|sum| rate(sum, "streamed_from"));
    all.extend([
        ("overdue_minor", overdue_minor()),
        ("overdue_ratio", "if(open_minor > 0, overdue_minor / open_minor, NULL)".to_owned()),
        ("dbt_days", dbt_days()),
        ("ext_requests", now(Sum::Extensions180)),
        ("partial_payments", now(Sum::Partials180)),
        ("orders_overdue", "toFloat64(arrayCount(t -> t <= at_ms, promised_open))".to_owned()),
        ("usage_trend", trend(&month, &half_year, 0.0, MONEY_CLIP)),
        ("cost_to_serve", cost_to_serve(plan)),
    ]);
    all
}

fn purchase_signals(plan: &Plan) -> Vec<(&'static str, String)> {
    let major = major(plan);
    let money = |sum| format!("{} / {major:?}", rate(sum, "spend_from"));
    let volume =
        trend("spend_rate_30", "spend_rate_180", plan.parameters.trends.spend_floor, MONEY_CLIP);
    vec![
        ("recency_d", format!("(at_ms - last_ms) / {DAY_MS}")),
        ("spend_rate_30", money(Sum::Spend30)),
        ("spend_rate_180", money(Sum::Spend180)),
        ("spend_rate_365", money(Sum::Spend365)),
        ("order_rate_90", rate(Sum::Orders90, "spend_from")),
        ("spend_90d_minor", window_sum()),
        ("volume_trend", format!("if(orders < {TREND_ORDERS_MIN}, NULL, {volume})")),
        ("p_alive", p_alive(&plan.model)),
        ("p_silent_30", p_silent(&plan.model, 30)),
        ("p_silent_90", p_silent(&plan.model, 90)),
        ("p_silent_180", p_silent(&plan.model, 180)),
        ("adopt_new", now(Sum::NewProducts365)),
        ("referrals", now(Sum::Referrals180)),
    ]
}

fn service_signals(plan: &Plan) -> Vec<(&'static str, String)> {
    let csat = format!(
        "({} + {:?}) / ({} + {CSAT_PRIOR_WEIGHT:?})",
        now(Sum::Csat180),
        CSAT_PRIOR_WEIGHT * plan.csat_prior,
        now(Sum::CsatN180)
    );
    let engage =
        trend("visit_rate_7", "visit_rate_60", plan.parameters.trends.visit_floor, VISIT_CLIP);
    // (some + 0.5) / (all + weight), 1 at most: few events say little
    let shrunk = |some: &str, all: &str, weight: f64| {
        format!("least(({some} + 0.5) / ({all} + {weight:?}), 1)")
    };
    let speaks = format!("{} + {}", now(Sum::Suggestions365), now(Sum::Complaints365));
    vec![
        ("ticket_rate_90", rate(Sum::Tickets90, "streamed_from")),
        ("reopen_share", shrunk(&now(Sum::Reopened180), &now(Sum::Solved180), 5.0)),
        (
            "sla_breach_share",
            shrunk(&responses(Sum::SlaMissed180), &responses(Sum::SlaDue180), 5.0),
        ),
        ("suggest_share", shrunk(&now(Sum::Suggestions365), &format!("({speaks})"), 1.0)),
        ("csat", csat),
        ("csat_n", now(Sum::CsatN180)),
        ("nps_last", nps_last()),
        ("visit_rate_7", rate(Sum::Visits7, "streamed_from")),
        ("visit_rate_60", rate(Sum::Visits60, "streamed_from")),
        ("engage_trend", engage),
        ("cancel_intent", now(Sum::Cancels14)),
        ("contact_pressure", format!("7 * {}", rate(Sum::Outbound7, "streamed_from"))),
        ("visit_gap_d", since("last_visit")),
        ("owner_changes", now(Sum::OwnerChanges90)),
        ("profile_age_d", since("profile_at")),
    ]
}

/// First responses, with those that are beyond their promise and have not come: these are in no sum.
fn responses(sum: Sum) -> String {
    format!("({} + arrayCount(t -> t < at_ms, respond_by_open))", now(sum))
}

/// The last answer, as long as it stands.
fn nps_last() -> String {
    let stands_ms = NPS_DAYS * DAY_MS;
    format!("if(at_ms < toUnixTimestamp64Milli(nps_at) + {stands_ms}, toFloat64(nps), NULL)")
}

fn major(plan: &Plan) -> f64 {
    10_f64.powi(plan.currency.minor_digits() as i32)
}

/// The value at its landmark, 0 where nothing was ever added, and the age of the landmark. The most frequent sums stand in
/// columns of their own, all others by number.
fn stored(sum: Sum) -> (String, &'static str) {
    match sum {
        Sum::Spend30 => ("spend_sum_30".to_owned(), "spend_age_d"),
        Sum::Spend180 => ("spend_sum_180".to_owned(), "spend_age_d"),
        Sum::Visits7 => ("visit_sum_7".to_owned(), "visit_age_d"),
        Sum::Visits60 => ("visit_sum_60".to_owned(), "visit_age_d"),
        other => (format!("sums[{}]", other.number()), "sums_age_d"),
    }
}

/// The value at the landmark: enough for quotients of sums of one half-life.
fn raw(sum: Sum) -> String {
    stored(sum).0
}

/// A decayed sum, seen at `at`.
fn now(sum: Sum) -> String {
    let (value, age_d) = stored(sum);
    format!("({value} * exp2(-{age_d} / {:?}))", sum.half_life_d())
}

/// The mean behind two sums of one half-life; time leaves it as it is.
fn share(sum: Sum, of: Sum) -> String {
    debug_assert!(sum.half_life_d() == of.half_life_d(), "{} / {}", sum.name(), of.name());
    format!("if({of} > 0, {sum} / {of}, NULL)", sum = raw(sum), of = raw(of))
}

/// The rate per day behind a decayed sum; the age since `born` removes the start-up bias and is one day at least.
fn rate(sum: Sum, born: &str) -> String {
    let (per_day, half_life_d) = (LN_2 / sum.half_life_d(), sum.half_life_d());
    let age_d = format!("greatest(at_ms - toUnixTimestamp64Milli({born}), {DAY_MS}) / {DAY_MS}");
    // NULL has no order: a rate without a beginning must stay NULL whatever `greatest` makes of it.
    let value = now(sum);
    format!(
        "if(isNull({born}), NULL, {value} * {per_day:?} / (1 - exp2(-({age_d}) / {half_life_d:?})))"
    )
}

/// The logarithm of a short rate by a long one; NULL where it says nothing.
fn trend(short: &str, long: &str, floor: f64, clip: f64) -> String {
    format!(
        "if({short} > 0 AND {long} > 0 AND {long} >= {floor:?}, \
         greatest(least(log({short} / {long}), {clip:?}), -{clip:?}), NULL)"
    )
}

/// What was delivered less what was expected: said beside the ratings, and the own mean of a year for those ratings beside
/// which nothing was said.
fn sat_gap() -> String {
    use Sum::{Csat30, Csat365, CsatN30, CsatN365, Expected30, ExpectedN30};
    let part = format!("greatest(least({} / {}, 1), 0)", raw(ExpectedN30), raw(CsatN30));
    let said = format!("ifNull({}, 0)", share(Expected30, ExpectedN30));
    let (own, got) = (share(Csat365, CsatN365), share(Csat30, CsatN30));
    format!(
        "if({} > 0 AND {} > 0, \
         greatest(least({got} - {part} * {said} - (1 - {part}) * {own}, 1), -1), NULL)",
        raw(CsatN30),
        raw(CsatN365)
    )
}

/// ln of the mean order of the short half-life by that of the long one.
fn aov_trend([gross, orders, gross_long, orders_long]: [Sum; 4]) -> String {
    let (short, long) = (share(gross, orders), share(gross_long, orders_long));
    format!("if({short} > 0 AND {long} > 0, log({short} / {long}), NULL)")
}

/// Days since a moment of the row.
fn since(column: &str) -> String {
    format!("(at_ms - toUnixTimestamp64Milli({column})) / {DAY_MS}")
}

/// Days beyond terms: payments of the past, and what is overdue with its days so far.
fn dbt_days() -> String {
    let (late, paid) = (now(Sum::LateDays180), now(Sum::Paid180));
    let (open_late, open) = (overdue_minor_days(), overdue_minor());
    format!(
        "if(greatest({paid}, 0) + {open} > 0, \
         (greatest({late}, 0) + {open_late}) / (greatest({paid}, 0) + {open}), NULL)"
    )
}

/// Handling, discounts and returns a day; who never bought is known since birth only.
fn cost_to_serve(plan: &Plan) -> String {
    const FIRST: &str = "ifNull(spend_from, streamed_from)";
    let service = plan.parameters.service;
    let major = major(plan);
    format!(
        "{} * {:?} + {} / {major:?} + {} * {:?}",
        rate(Sum::HandlingMin180, "streamed_from"),
        service.minute_cost,
        rate(Sum::Discount365, FIRST),
        rate(Sum::Returns365, FIRST),
        service.return_cost
    )
}

/// Share of the master data that is known.
fn completeness() -> String {
    let texts =
        ["account_id", "legal_entity_id", "region", "industry", "segment", "owner_id", "name"];
    let known: Vec<String> = texts.iter().map(|t| format!("({t} != '')")).collect();
    format!("({} + isNotNull(key)) / {}", known.join(" + "), texts.len() + 1)
}

/// Interest by category, seen at `at`.
fn intents() -> String {
    format!(
        "mapFromArrays(intent_names, arrayMap(v -> v * exp2((toUnixTimestamp64Milli(intent_at) - at_ms) \
         / {DAY_MS} / {INTENT_HALF_LIFE_D:?}), intent_views))"
    )
}

/// Terms of the 90-day window: 30 whole buckets and the oldest by the fraction still inside, times the width of a
/// bucket, in exact integers; and the rest of dividing it by that width, brought into `[0, width)`.
fn window_terms() -> String {
    let sum = |test: &str| {
        format!(
            "arraySum(arrayMap((i, m) -> if({test}, m, 0), spend_bucket_ids, spend_bucket_minor))"
        )
    };
    let whole = sum(&format!("i > bucket - {BUCKETS} AND i <= bucket"));
    let oldest = sum(&format!("i = bucket - {BUCKETS}"));
    format!(
        "intDiv(at_ms, {BUCKET_MS}) AS bucket,
        toInt128({whole}) * {BUCKET_MS}
            + toInt128({oldest}) * ({BUCKET_MS} - at_ms % {BUCKET_MS}) AS spend_scaled,
        (spend_scaled % {BUCKET_MS} + {BUCKET_MS}) % {BUCKET_MS} AS spend_rest,
        intDiv(spend_scaled - spend_rest, {BUCKET_MS}) AS spend_floor"
    )
}

/// The window, rounded once, half to even.
fn window_sum() -> String {
    let tie = format!("2 * spend_rest = {BUCKET_MS} AND spend_floor % 2 != 0");
    format!("toInt64(spend_floor + (2 * spend_rest > {BUCKET_MS} OR ({tie})))")
}
