//! The views people read: SQL text from the plan.

mod accounts;
mod alerts;
mod credit;
mod customers;
mod history;
mod opportunities;
mod rollups;
mod segments;
mod silence;

use crate::model::table::Table;
use crate::plan::{Clock, Plan};

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

    /// The databases of a plan's generation. Accounts have tables of their own, for their generations are others than
    /// those of their customers, and the same views.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn of(plan: &Plan, prefix: &str, generation: u32) -> Result<Self, String> {
        let mut databases = Self::new(prefix, generation)?;
        if plan.accounts.is_some() {
            databases.tables = format!("{prefix}_accounts_g{generation}");
        }
        Ok(databases)
    }
}

/// All views of a generation: statements to run in order, each `CREATE OR REPLACE`. They hold the plan's model,
/// prior, currency and clock, so they are written at every start, not only by a migration.
pub fn views_sql(plan: &Plan, databases: &Databases) -> Vec<String> {
    if let Some(rules) = &plan.accounts {
        return accounts::views_sql(plan, rules, databases);
    }
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
        view("customers_at", customers::select(plan, &rows, "{at:DateTime64(3, 'UTC')}")),
        view("customers_now", customers::select(plan, &shards, now)),
        view("credit_at", credit::select(databases, "{at:DateTime64(3, 'UTC')}")),
        view(
            "credit_now",
            credit::select(databases, "greatest(e.as_of, ifNull(s.now_at, e.as_of))"),
        ),
        view("revenue_at_risk", rollups::revenue_at_risk(views)),
        view("kpi_by_owner", rollups::kpi_by_owner(views)),
        view("customer_history", history::customer_history(plan, tables)),
        view("customer_months", history::customer_months(plan, tables)),
        view("cohort_retention", history::cohort_retention(plan, tables)),
        view("owner_months", history::owner_months(views)),
        view("tier_migration", history::tier_migration(tables)),
        view("churn_rate", history::churn_rate(tables)),
        view("opportunities_now", opportunities::now(views, tables)),
        view("opportunity_effect", opportunities::effect(plan, databases)),
        view("segments_hourly", segments::hourly(tables)),
        view("segments_between", segments::between(views)),
        view("segments_now", segments::now(views)),
        view("alerts_now", alerts::of_customers(tables)),
        view("alert_history", plain_select(tables, Table::AlertHistory, "")),
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
