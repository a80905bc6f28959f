//! The views people read: SQL text from the plan. Knows how every signal is computed at the moment of reading.
//!
//! The formulas are those of the signal registry; they stand here once, as functions of an expression for "at".
//! Sources: decayed rates: Cormode, Shkapenyuk, Srivastava, Xu, "Forward decay", ICDE 2009. BG/NBD: Fader, Hardie,
//! Lee, Marketing Science 24(2) 2005, and their note 021. MBG/NBD: Batislam, Denizel, Filiztekin, IJRM 24(3) 2007.

use std::f64::consts::LN_2;
use std::fmt::Write as _;

use crate::model::table::Table;
use crate::model::time::DAY_MS;
use crate::plan::{Clock, Model, ModelKind, Plan};

/// The databases of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Databases {
    /// Holds the views (`retain`).
    pub views: String,
    /// Holds the tables of the generation (`retain_gN`).
    pub tables: String,
}

impl Databases {
    /// The databases of a generation, named after `prefix` (1-48 of `a-z`, `0-9`, `_`, a letter first).
    ///
    /// # Errors
    /// A prefix with other characters: names go into SQL as they are.
    pub fn new(prefix: &str, generation: u32) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let starts = prefix.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts || prefix.len() > 48 || !prefix.chars().all(plain) {
            return Err(format!(
                "database name {prefix:?} must be 1-48 characters of a-z, 0-9 and _, a letter first"
            ));
        }
        Ok(Self { views: prefix.to_owned(), tables: format!("{prefix}_g{generation}") })
    }
}

/// Width of a bucket of the 90-day window, milliseconds.
const BUCKET_MS: i64 = 3 * DAY_MS;
/// Whole buckets of the window; one more counts in part.
const BUCKETS: i64 = 30;
/// Ratings the prior of `csat` counts for.
const CSAT_PRIOR_WEIGHT: f64 = 3.0;
/// Where `engage_trend` is clipped.
const TREND_CLIP: f64 = 2.0;

/// Columns of `customers` that the customer views show as they are, before the signals.
const MASTER: &str = "customer_id, shard, version, account_id, legal_entity_id, region, industry, segment, \
                      owner_id, key, name, t_born, tickets, visits";

/// All views of a generation: statements to run in order, each `CREATE OR REPLACE`. They hold the plan's model,
/// prior, currency and clock, so they are written at every start, not only by a migration.
pub fn views_sql(plan: &Plan, databases: &Databases) -> Vec<String> {
    let Databases { views, tables } = databases;
    let view =
        |name: &str, body: String| format!("CREATE OR REPLACE VIEW {views}.{name} AS\n{body}");
    let rows = format!("{tables}.customers AS c FINAL");
    let shards = format!(
        "{tables}.customers AS c FINAL\n    LEFT JOIN {views}.shards AS s ON s.shard = c.shard"
    );
    let now = "greatest(c.as_of, ifNull(s.now_at, c.as_of))";
    vec![
        view("shards", shards_select(plan, tables)),
        view("customers_at", customers_select(plan, &rows, "{at:DateTime64(3, 'UTC')}")),
        view("customers_now", customers_select(plan, &shards, now)),
        view("activity_by_minute", activity_select(tables)),
        view("events", plain_select(tables, Table::Events, "")),
        view("ledger", plain_select(tables, Table::Ledger, CONSUMED)),
        view("ledger_by_day", plain_select(tables, Table::LedgerDaily, CONSUMED)),
        view("gaps", plain_select(tables, Table::Gaps, "")),
        view("completeness", completeness_select(tables)),
    ]
}

const CONSUMED: &str = ",\n    applied + duplicate + late + filtered + rejected AS consumed";

/// The rows of a table as they stand after replacing, without the bookkeeping column.
fn plain_select(tables: &str, table: Table, more: &str) -> String {
    let names: Vec<String> = table
        .columns()
        .iter()
        .filter(|c| c.name != "is_deleted")
        .map(|c| format!("`{}`", c.name))
        .collect();
    format!("SELECT\n    {}{more}\nFROM {tables}.{} FINAL", names.join(", "), table.name())
}

/// What each shard is complete to, and the moment at which its customers are shown: the pipeline's clock (the
/// server's for a wall clock, the ledger's last for a simulated one) or what the shard is complete to, the earlier.
fn shards_select(plan: &Plan, tables: &str) -> String {
    let clock = match plan.clock {
        Clock::Wall => "now64(3, 'UTC')",
        Clock::Simulated { .. } => "clock",
    };
    format!(
        "SELECT shard, max(source_clock) AS clock, min(source_watermark) AS watermark,
    if(countIf(isNull(source_complete_to)) = 0, min(source_complete_to), NULL) AS complete_to,
    if(isNull(complete_to), NULL, least({clock}, assumeNotNull(complete_to))) AS now_at
FROM
(
    SELECT shard, source, clock AS source_clock, watermark AS source_watermark, complete_to AS source_complete_to
    FROM {tables}.ledger_latest FINAL
)
GROUP BY shard"
    )
}

fn activity_select(tables: &str) -> String {
    format!(
        "SELECT minute, source, type, channel,
    sum(a.events) AS events, sum(a.revenue_minor) AS revenue_minor, sum(a.tickets) AS tickets
FROM {tables}.activity AS a FINAL
GROUP BY minute, source, type, channel"
    )
}

/// Per shard and source: outcomes, and whether every offset is in exactly one cycle or in `gaps`. A gap may lie within
/// a cycle's range or between two: both count as explained.
fn completeness_select(tables: &str) -> String {
    let overlap = |from: &str, to: &str| {
        format!(
            "arraySum(arrayMap((a, b) -> greatest(least({to}, b) - greatest({from}, a), 0), gap_from, gap_to))"
        )
    };
    let gaps = overlap("offset_from", "offset_to");
    let in_holes = overlap("f", "t");
    format!(
        "SELECT l.shard AS shard, l.source AS source, complete_to, offset_from, offset_to, consumed,
    applied, duplicate, late, filtered, rejected, order_breaks,
    {gaps} AS gap_offsets,
    arraySum(arrayMap((f, t) -> {in_holes}, hole_from, hole_to)) AS gap_offsets_between,
    read_offsets - consumed - (gap_offsets - gap_offsets_between) AS offsets_without_record,
    arraySum(arrayMap((f, t) -> t - f, hole_from, hole_to)) - gap_offsets_between AS missing,
    twice
FROM
(
    SELECT r.shard AS shard, r.source AS source, argMax(tuple(r.complete_to), r.version).1 AS complete_to,
        min(r.offset_from) AS offset_from, max(r.offset_to) AS offset_to,
        toInt64(sum(r.applied + r.duplicate + r.late + r.filtered + r.rejected)) AS consumed,
        sum(r.applied) AS applied, sum(r.duplicate) AS duplicate, sum(r.late) AS late,
        sum(r.filtered) AS filtered, sum(r.rejected) AS rejected, sum(r.order_breaks) AS order_breaks,
        sum(r.offset_to - r.offset_from) AS read_offsets,
        groupArrayIf(r.previous_to, r.offset_from > r.previous_to) AS hole_from,
        groupArrayIf(r.offset_from, r.offset_from > r.previous_to) AS hole_to,
        sum(greatest(r.previous_to - r.offset_from, 0)) AS twice
    FROM
    (
        SELECT *, lagInFrame(offset_to, 1, offset_from) OVER (PARTITION BY shard, source ORDER BY version
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS previous_to
        FROM {tables}.ledger FINAL
    ) AS r
    GROUP BY r.shard, r.source
) AS l
LEFT JOIN
(
    SELECT shard, source, groupArray(offset_from) AS gap_from, groupArray(offset_to) AS gap_to
    FROM {tables}.gaps FINAL
    GROUP BY shard, source
) AS g ON g.shard = l.shard AND g.source = l.source"
    )
}

/// Every signal of the registry at the moment `at`, of the rows of `from`. Live signals are NULL before `as_of`.
fn customers_select(plan: &Plan, from: &str, at: &str) -> String {
    let mut sql = format!(
        "SELECT {MASTER}, at, as_of,
    n_days, x, t_first, t_last, orders, refunds, revenue_minor,
    lifecycle, lifecycle_since, exp_purchases_90, exp_purchases_90_as_of,
    open_tickets, open_complaints, oldest_open_at, last_seen"
    );
    for (name, formula) in live_signals(plan) {
        let _ = write!(sql, ",\n    if(known, {formula}, NULL) AS {name}");
    }
    let _ = write!(
        sql,
        "
FROM
(
    SELECT c.*, {at} AS at, at >= c.as_of AS known,
        toUnixTimestamp64Milli(at) AS at_ms,
        toUnixTimestamp64Milli(t_first) AS first_ms, toUnixTimestamp64Milli(t_last) AS last_ms,
        if(x = 0, 0, (last_ms - first_ms) / {DAY_MS}) AS t_x_d,
        (greatest(at_ms, assumeNotNull(last_ms)) - first_ms) / {DAY_MS} AS age_d,
        {}
    FROM {from}
)",
        window_terms()
    );
    sql
}

/// Name and formula of each signal that moves with time, in terms of the inner select of [`customers_select`].
fn live_signals(plan: &Plan) -> Vec<(&'static str, String)> {
    let major = 10_f64.powi(plan.currency.minor_digits() as i32);
    let money = |sum, half_life| {
        format!("{} / {major:?}", rate(sum, "spend_sums_at", half_life, "t_first"))
    };
    let count = |sum, at, half_life| rate(sum, at, half_life, "t_born");
    let csat = |sum| decayed(sum, "csat_sums_at", 180.0);
    vec![
        ("recency_d", format!("(at_ms - last_ms) / {DAY_MS}")),
        ("spend_rate_30", money("spend_sum_30", 30.0)),
        ("spend_rate_180", money("spend_sum_180", 180.0)),
        ("spend_90d_minor", window_sum()),
        ("p_alive", p_alive(&plan.model)),
        ("p_silent_30", p_silent(&plan.model, 30)),
        ("p_silent_90", p_silent(&plan.model, 90)),
        ("p_silent_180", p_silent(&plan.model, 180)),
        ("ticket_rate_90", count("ticket_sum_90", "ticket_sums_at", 90.0)),
        (
            "csat",
            format!(
                "({} + {:?}) / ({} + {CSAT_PRIOR_WEIGHT:?})",
                csat("csat_sum"),
                CSAT_PRIOR_WEIGHT * plan.csat_prior,
                csat("csat_weight")
            ),
        ),
        ("visit_rate_7", count("visit_sum_7", "visit_sums_at", 7.0)),
        ("visit_rate_60", count("visit_sum_60", "visit_sums_at", 60.0)),
        (
            "engage_trend",
            format!(
                "if(visit_rate_7 > 0 AND visit_rate_60 > 0, \
                 greatest(least(log(visit_rate_7 / visit_rate_60), {TREND_CLIP:?}), -{TREND_CLIP:?}), NULL)"
            ),
        ),
    ]
}

/// A decayed sum, seen at `at`. Before its own time a sum is taken as it is.
fn decayed(sum: &str, sums_at: &str, half_life_d: f64) -> String {
    let per_ms = LN_2 / half_life_d / DAY_MS as f64;
    format!("{sum} * exp(-{per_ms:?} * greatest(at_ms - toUnixTimestamp64Milli({sums_at}), 0))")
}

/// The rate per day behind a decayed sum; the age since `born` removes the start-up bias and is one day at least.
fn rate(sum: &str, sums_at: &str, half_life_d: f64, born: &str) -> String {
    let per_ms = LN_2 / half_life_d / DAY_MS as f64;
    let per_day = LN_2 / half_life_d;
    let age = format!("greatest(at_ms - toUnixTimestamp64Milli({born}), {DAY_MS})");
    // NULL has no order: a rate without a beginning must stay NULL whatever `greatest` makes of it.
    let value = decayed(sum, sums_at, half_life_d);
    format!("if(isNull({born}), NULL, {value} * {per_day:?} / (1 - exp(-{per_ms:?} * {age})))")
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

/// P(alive): `1 / (1 + odds * ((alpha + T)/(alpha + t_x))^(r + x))`, in logarithms; NULL for who never bought.
fn p_alive(model: &Model) -> String {
    let Model { kind, r, alpha_d, a, b } = *model;
    let odds = match kind {
        ModelKind::MbgNbd => format!("{a:?} / ({b:?} + x)"),
        ModelKind::BgNbd => format!("if(x = 0, 0, {a:?} / ({b:?} + x - 1))"),
    };
    // exp is kept finite; beyond 1e304 the probability is 0 either way.
    let growth = format!("({r:?} + x) * log1p((age_d - t_x_d) / ({alpha_d:?} + t_x_d))");
    bought(&format!("1 / (1 + {odds} * exp(least({growth}, 700)))"))
}

/// P(no purchase within the horizon), from P(alive).
fn p_silent(model: &Model, horizon_d: u32) -> String {
    let Model { r, alpha_d, .. } = *model;
    let none = format!("exp(-({r:?} + x) * log1p({horizon_d} / ({alpha_d:?} + age_d)))");
    bought(&format!("1 - p_alive * (1 - {none})"))
}

fn bought(formula: &str) -> String {
    format!("if(n_days = 0 OR isNull(t_first) OR isNull(t_last), NULL, {formula})")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_become_databases() {
        let names = Databases::new("retain", 3).unwrap();
        assert_eq!((names.views.as_str(), names.tables.as_str()), ("retain", "retain_g3"));
        for bad in ["", "Retain", "1a", "a b", "a;b", "a`", &"a".repeat(49)] {
            assert!(Databases::new(bad, 1).is_err(), "{bad}");
        }
    }
}
