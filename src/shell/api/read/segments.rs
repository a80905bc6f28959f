//! Customers in parts: what became of each, what is at risk, who was lost, and account managers.

use super::marketing::days;
use crate::api::answer::{
    AtRisk, Churn, ChurnRow, Owner, Owners, RevenueAtRisk, Segment, Segments,
};
use crate::api::filter::{ChurnDimension, DaysQuery, RiskDimension, SegmentDimension, word};
use crate::api::problem::Problem;
use crate::shell::api::reader::{Params, Reader};

/// Most groups of a dimension.
const GROUPS_MAX: u32 = 500;

/// What became of the groups of a dimension in 30 days.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn segments(reader: &Reader, by: SegmentDimension) -> Result<Segments, Problem> {
    let dimension = word(&by);
    let sql = format!(
        "SELECT toString(g.dimension) AS dimension, toString(g.value) AS value, toInt64(g.kept) AS kept, \
         toInt64(g.kept_at_start) AS kept_at_start, g.new_customers AS new_customers, g.activated AS activated, \
         g.lost_customers AS lost_customers, g.won_back_customers AS won_back_customers, g.lost_share AS lost_share, \
         g.orders AS orders, g.tickets AS tickets, toInt64(g.revenue_minor) AS revenue_minor, \
         toInt64(g.revenue_minor_before) AS revenue_minor_before, g.revenue_change AS revenue_change, \
         g.csat AS satisfaction, g.csat_n AS ratings, g.nps AS nps, g.nps_n AS nps_answers \
         FROM {}.segments_now AS g WHERE g.dimension = {{dimension:String}} \
         ORDER BY kept DESC, value LIMIT {GROUPS_MAX}",
        reader.views
    );
    let params: Params = vec![("dimension", dimension.as_str().into())];
    let (standing, rows) =
        tokio::try_join!(reader.standing(), reader.rows::<Segment>(&sql, &params))?;
    Ok(Segments { standing, dimension, rows })
}

/// Revenue at risk by a dimension.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn at_risk(reader: &Reader, by: RiskDimension) -> Result<RevenueAtRisk, Problem> {
    let column = match by {
        RiskDimension::Region => "r.region",
        RiskDimension::Industry => "r.industry",
        RiskDimension::Tier => "ifNull(r.tier, '')",
        RiskDimension::Owner => "r.owner_id",
    };
    let scale = reader.scale();
    let sql = format!(
        "SELECT toString({column}) AS value, sum(r.customers) AS customers, \
         toInt64(round(sum(r.revenue_90) * {scale})) AS revenue_90_minor, \
         toInt64(round(sum(r.revenue_at_risk) * {scale})) AS at_risk_minor \
         FROM {}.revenue_at_risk AS r GROUP BY value ORDER BY at_risk_minor DESC, value LIMIT {GROUPS_MAX}",
        reader.views
    );
    let none = Params::new();
    let (standing, rows) = tokio::try_join!(reader.standing(), reader.rows::<AtRisk>(&sql, &none))?;
    Ok(RevenueAtRisk {
        standing,
        by: word(&by),
        at_risk_minor: rows.iter().map(|row| row.at_risk_minor).sum(),
        revenue_90_minor: rows.iter().map(|row| row.revenue_90_minor).sum(),
        rows,
    })
}

/// Who was lost between two days, by what they belonged to.
///
/// # Errors
/// What cannot be asked, and what ClickHouse refuses.
pub async fn churn(
    reader: &Reader,
    by: ChurnDimension,
    between: &DaysQuery,
) -> Result<Churn, Problem> {
    let standing = reader.standing().await?;
    let [from, to] = days(reader, &standing, between)?;
    let dimension = match by {
        ChurnDimension::Owner => "owner_id".to_owned(),
        _ => word(&by),
    };
    let sql = format!(
        "SELECT toString(r.value) AS value, r.customers AS customers, r.customers_lost AS customers_lost, \
         r.loss_rate AS loss_rate, r.active AS active, r.active_lost AS active_lost, r.churn_rate AS churn_rate \
         FROM {}.churn_rate(from = {{from:Date}}, to = {{to:Date}}) AS r WHERE r.dimension = {{dimension:String}} \
         ORDER BY customers DESC, value LIMIT {GROUPS_MAX}",
        reader.views
    );
    let params: Params = vec![
        ("from", from.as_str().into()),
        ("to", to.as_str().into()),
        ("dimension", dimension.as_str().into()),
    ];
    let rows: Vec<ChurnRow> = reader.rows(&sql, &params).await?;
    Ok(Churn { standing, by: word(&by), from, to, rows })
}

/// Figures by account manager.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn owners(reader: &Reader) -> Result<Owners, Problem> {
    let scale = reader.scale();
    let sql = format!(
        "SELECT k.owner_id AS owner_id, k.customers AS customers, k.key_customers AS key_customers, \
         k.csat AS satisfaction, ifNull(k.csat_n, 0) AS ratings, \
         toInt64(round(k.revenue_at_risk * {scale})) AS at_risk_minor, toUInt64(k.open_complaints) AS open_complaints \
         FROM {}.kpi_by_owner AS k ORDER BY at_risk_minor DESC, owner_id LIMIT {GROUPS_MAX}",
        reader.views
    );
    let none = Params::new();
    let (standing, rows) = tokio::try_join!(reader.standing(), reader.rows::<Owner>(&sql, &none))?;
    Ok(Owners { standing, rows })
}
