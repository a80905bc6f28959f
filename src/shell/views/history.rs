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

/// One row per cohort (month of the first purchase) and month since, up to the last month of which anything is known. Everything comes
/// from one pass over the history, whose rows are as narrow as can be: it is the largest table that a page asks for.
pub(super) fn cohort_retention(plan: &Plan, tables: &str) -> String {
    // a day in no month stands for nothing bought
    let cohort = format!("ifNull({}, toDate(0))", month_of(plan, "h.t_first"));
    let bought = month_of(plan, "h.t_last");
    format!(
        "SELECT cohort, addMonths(cohort, age) AS month, toInt64(age) AS age_months,
    customers, buyers[month] AS bought, bought / customers AS retention, minors[month] AS revenue_minor
FROM
(
    SELECT cohort, sum(begun) AS customers, max(max(month)) OVER () AS until,
        mapFromArrays(groupArray(month), groupArray(bought)) AS buyers,
        mapFromArrays(groupArray(month), groupArray(minor)) AS minors
    FROM
    (
        SELECT cohort, toStartOfMonth(day) AS month, countIf(day_before = toDate(0)) AS begun,
            countIf(buys AND NOT (bought_before AND toStartOfMonth(day_before) = month)) AS bought,
            sum(total - total_before) AS minor
        FROM
        (
            SELECT day, buys, total,
                last_value(first) OVER (PARTITION BY customer_id ORDER BY day
                    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS cohort,
                lagInFrame(day, 1, toDate(0)) OVER w AS day_before,
                lagInFrame(buys, 1, 0) OVER w AS bought_before,
                lagInFrame(total, 1, toInt64(0)) OVER w AS total_before
            FROM
            (
                SELECT h.customer_id AS customer_id, h.day AS day, {cohort} AS first,
                    ifNull({bought} = toStartOfMonth(h.day), 0) AS buys, h.revenue_minor - h.opening_minor AS total
                FROM {tables}.customer_history AS h FINAL
            )
            WINDOW w AS (PARTITION BY customer_id ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
        )
        GROUP BY cohort, month
    )
    GROUP BY cohort
)
ARRAY JOIN range(toUInt32(greatest(dateDiff('month', cohort, until), 0)) + 1) AS age
WHERE cohort != toDate(0)"
    )
}

/// Customers by the tier they stood in at the ends of two days. Tiers are numbers until they are shown: ClickHouse keeps the last of a
/// number in a fraction of the time it needs for texts.
pub(super) fn tier_migration(tables: &str) -> String {
    const TIERS: &str = "['lead', 'iron', 'gold']";
    let at = |what: &str, day: &str| format!("argMaxIf({what}, h.day, h.day <= {{{day}:Date}})");
    let tier = format!("toUInt8(indexOf({TIERS}, toString(h.tier)))");
    let revenue = "h.revenue_minor - h.opening_minor";
    format!(
        "SELECT nullIf({TIERS}[before], '') AS from_tier, nullIf({TIERS}[after], '') AS to_tier,
    multiIf(before = after, 'same', before = 0, 'in', after = 0, 'out', after > before, 'up', 'down') AS move,
    count() AS customers, sum(minor_after - minor_before) AS revenue_minor
FROM
(
    SELECT h.customer_id AS customer_id, {} AS before, {} AS after, {} AS minor_before, {} AS minor_after
    FROM {tables}.customer_history AS h FINAL
    WHERE h.day <= greatest({{from:Date}}, {{to:Date}})
    GROUP BY customer_id
)
GROUP BY from_tier, to_tier, move",
        at(&tier, "from"),
        at(&tier, "to"),
        at(revenue, "from"),
        at(revenue, "to"),
    )
}

/// Who was a customer at the end of one day and was lost until the end of another, by what they belonged to at the first. Customers are
/// counted by all of it together before they are by each.
pub(super) fn churn_rate(tables: &str) -> String {
    let columns = ["region", "industry", "segment", "owner_id", "tier"];
    let start = |name: &str| {
        format!("argMaxIf(toString(h.{name}), h.day, h.day <= {{from:Date}}) AS was_{name}")
    };
    let starts = columns.map(start).join(", ");
    let values = columns.map(|name| format!("was_{name}")).join(", ");
    format!(
        "SELECT dimension, value, sum(n) AS customers, sum(n_lost) AS customers_lost,
    customers_lost / customers AS loss_rate,
    sumIf(n, was_lifecycle = 'active') AS active, sumIf(n_lost, was_lifecycle = 'active') AS active_lost,
    if(active > 0, active_lost / active, NULL) AS churn_rate
FROM
(
    SELECT was_lifecycle, {values}, count() AS n, countIf(lost) AS n_lost
    FROM
    (
        SELECT h.customer_id AS customer_id, {}, {starts},
            max(h.day > {{from:Date}} AND h.lifecycle = 'lost') AS lost
        FROM {tables}.customer_history AS h FINAL
        WHERE h.day <= {{to:Date}}
        GROUP BY customer_id
    )
    WHERE was_lifecycle NOT IN ('', 'prospect', 'lost')
    GROUP BY was_lifecycle, {values}
)
ARRAY JOIN ['all', '{}'] AS dimension, ['', {values}] AS value
GROUP BY dimension, value",
        start("lifecycle"),
        columns.join("', '"),
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
