//! The views on the history of customers: months, cohorts, moves between tiers, who is lost, what account managers' customers
//! bring in.

use super::customers::CSAT_PRIOR_WEIGHT;
use crate::model::table::Table;
use crate::plan::Plan;

/// Half-life of the sums of ratings, days.
const CSAT_HALF_LIFE_D: f64 = 180.0;
/// What is left of less than this many ratings is rounding.
const RATINGS_MIN: f64 = 1e-6;
const DAY_MS: f64 = 86_400_000.0;

/// The rows as they stand, and the satisfaction they come to.
pub(super) fn customer_history(plan: &Plan, tables: &str) -> String {
    let csat = format!(
        ",\n    (csat_sum + {:?}) / (csat_n + {CSAT_PRIOR_WEIGHT:?}) AS csat",
        CSAT_PRIOR_WEIGHT * plan.csat_prior
    );
    super::plain_select(tables, Table::CustomerHistory, &csat)
}

/// The month of a moment in the definition's day zone.
fn month_of(plan: &Plan, time: &str) -> String {
    format!("toStartOfMonth(toDate({time}, '{}'))", plan.day_zone_name)
}

/// One row per customer and month with any change: how the month ended, and what it brought. What an opening told counts
/// in no month.
pub(super) fn customer_months(plan: &Plan, tables: &str) -> String {
    let cohort = month_of(plan, "t_first");
    let bought = month_of(plan, "h.t_last");
    let before = |what: &str, nothing: &str| format!("lagInFrame({what}, 1, {nothing}) OVER w");
    let (revenue, sum, n) = (
        before("end.6", "toInt64(0)"),
        before("end.9", "toFloat64(0)"),
        before("end.10", "toFloat64(0)"),
    );
    let (as_of, activated) = (before("end.8", "end.8"), before("isNotNull(end.7)", "0"));
    format!(
        "SELECT customer_id, month, cohort, end.1 AS owner_id, end.2 AS region, end.3 AS industry,
    end.4 AS segment, nullIf(end.5, '') AS tier, end.11 AS lifecycle,
    bought, minor AS revenue_minor, activated,
    if(n < {RATINGS_MIN:?}, 0, sum) AS csat_sum, if(n < {RATINGS_MIN:?}, 0, n) AS csat_n
FROM
(
    SELECT customer_id, month, bought, end,
        argMax(tuple(end.12), month) OVER (PARTITION BY customer_id) AS first,
        first.1 AS t_first, {cohort} AS cohort,
        end.6 - {revenue} AS minor,
        toUInt8(isNotNull(end.7) AND NOT {activated}) AS activated,
        exp2(-(end.8 - {as_of}) / {DAY_MS:?} / {CSAT_HALF_LIFE_D:?}) AS left,
        end.9 - left * {sum} AS sum, end.10 - left * {n} AS n
    FROM
    (
        SELECT h.customer_id AS customer_id, toStartOfMonth(h.day) AS month,
            toUInt8(max(ifNull({bought} = toStartOfMonth(h.day), 0))) AS bought,
            argMax(tuple(h.owner_id, toString(h.region), toString(h.industry), toString(h.segment),
                toString(h.tier), h.revenue_minor - h.opening_minor, h.activated_at,
                toUnixTimestamp64Milli(h.as_of), h.csat_sum, h.csat_n, toString(h.lifecycle), h.t_first), h.day) AS end
        FROM {tables}.customer_history AS h FINAL
        GROUP BY customer_id, month
    )
    WINDOW w AS (PARTITION BY customer_id ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)"
    )
}

/// One row per cohort (month of the first purchase) and month since.
pub(super) fn cohort_retention(views: &str) -> String {
    let months = format!("(SELECT * FROM {views}.customer_months WHERE cohort IS NOT NULL)");
    format!(
        "SELECT c.cohort AS cohort, c.month AS month, dateDiff('month', cohort, month) AS age_months,
    c.customers AS customers, m.bought AS bought, m.bought / c.customers AS retention, m.minor AS revenue_minor
FROM
(
    SELECT assumeNotNull(cohort) AS cohort, customers, addMonths(cohort, arrayJoin(range(
        toUInt32(greatest(dateDiff('month', cohort, until), 0)) + 1))) AS month
    FROM (SELECT cohort, uniqExact(customer_id) AS customers FROM {months} GROUP BY cohort) AS k
    CROSS JOIN (SELECT max(month) AS until FROM {views}.customer_months) AS u
) AS c
LEFT JOIN
(
    SELECT assumeNotNull(t.cohort) AS cohort, t.month AS month, sum(t.bought) AS bought, sum(t.revenue_minor) AS minor
    FROM {months} AS t
    GROUP BY cohort, month
) AS m ON m.cohort = c.cohort AND m.month = c.month"
    )
}

/// Customers by the tier they stood in at the ends of two days.
pub(super) fn tier_migration(tables: &str) -> String {
    let at = |day: &str| {
        format!(
            "argMaxIf(tuple(toString(h.tier), h.revenue_minor - h.opening_minor), h.day, h.day <= {{{day}:Date}})"
        )
    };
    format!(
        "SELECT nullIf(before.1, '') AS from_tier, nullIf(after.1, '') AS to_tier,
    multiIf(before.1 = after.1, 'same', before.1 = '', 'in', after.1 = '', 'out',
        indexOf(tiers, after.1) > indexOf(tiers, before.1), 'up', 'down') AS move,
    count() AS customers, sum(after.2 - before.2) AS revenue_minor
FROM
(
    SELECT h.customer_id AS customer_id, {} AS before, {} AS after, ['lead', 'iron', 'gold'] AS tiers
    FROM {tables}.customer_history AS h FINAL
    WHERE h.day <= greatest({{from:Date}}, {{to:Date}})
    GROUP BY customer_id
)
GROUP BY from_tier, to_tier, move",
        at("from"),
        at("to")
    )
}

/// Who was a customer at the end of one day and was lost until the end of another, by what they belonged to at the first.
pub(super) fn churn_rate(tables: &str) -> String {
    let columns = ["region", "industry", "segment", "owner_id", "tier"];
    let start: Vec<String> = columns.iter().map(|c| format!("toString(h.{c})")).collect();
    let values: Vec<String> = (2..).zip(columns).map(|(at, _)| format!("start.{at}")).collect();
    format!(
        "SELECT dimension, value, count() AS customers, countIf(lost) AS customers_lost,
    customers_lost / customers AS loss_rate,
    countIf(start.1 = 'active') AS active, countIf(start.1 = 'active' AND lost) AS active_lost,
    if(active > 0, active_lost / active, NULL) AS churn_rate
FROM
(
    SELECT h.customer_id AS customer_id,
        argMaxIf(tuple(toString(h.lifecycle), {}), h.day, h.day <= {{from:Date}}) AS start,
        max(h.day > {{from:Date}} AND h.lifecycle = 'lost') AS lost
    FROM {tables}.customer_history AS h FINAL
    WHERE h.day <= {{to:Date}}
    GROUP BY customer_id
)
ARRAY JOIN ['all', '{}'] AS dimension, ['', {}] AS value
WHERE start.1 NOT IN ('', 'prospect', 'lost')
GROUP BY dimension, value",
        start.join(", "),
        columns.join("', '"),
        values.join(", ")
    )
}

/// What the customers of an account manager brought in each month, by who looked after them at its end.
pub(super) fn owner_months(views: &str) -> String {
    let before = |what: &str, nothing: &str| format!("lagInFrame({what}, 1, {nothing}) OVER w");
    format!(
        "SELECT owner_id, month, customers, minor AS revenue_minor,
    minor - if({} = addMonths(month, -1), {}, 0) AS revenue_change_minor,
    activated, if(n > 0, sum / n, NULL) AS csat, n AS csat_n
FROM
(
    SELECT t.owner_id AS owner_id, t.month AS month, count() AS customers, sum(t.revenue_minor) AS minor,
        sum(t.activated) AS activated, sum(t.csat_sum) AS sum, sum(t.csat_n) AS n
    FROM {views}.customer_months AS t
    GROUP BY owner_id, month
)
WINDOW w AS (PARTITION BY owner_id ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
        before("month", "month"),
        before("minor", "toInt64(0)")
    )
}
