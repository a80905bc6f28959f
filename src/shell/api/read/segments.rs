//! Customers in parts: what became of each, what is at risk, who was lost, and account managers.

use serde::Deserialize;

use super::marketing::days;
use crate::api::answer::{
    AtRisk, Churn, ChurnRow, Owner, Owners, RevenueAtRisk, Segment, Segments, Standing,
};
use crate::api::filter::{ChurnDimension, DaysQuery, RiskDimension, SegmentDimension, word};
use crate::api::problem::Problem;
use crate::shell::api::reader::{Param, Params, Reader};

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

/// A row of revenue at risk, with what it is grouped by.
#[derive(Deserialize)]
struct RiskRow {
    by: String,
    #[serde(flatten)]
    row: AtRisk,
}

/// The column of a dimension, as the view has it.
fn risk_column(by: RiskDimension) -> &'static str {
    match by {
        RiskDimension::Region => "toString(r.region)",
        RiskDimension::Industry => "toString(r.industry)",
        RiskDimension::Tier => "toString(ifNull(r.tier, ''))",
        RiskDimension::Owner => "toString(r.owner_id)",
    }
}

/// Revenue at risk by each of these dimensions, in one pass over the customers.
async fn at_risk_by(reader: &Reader, by: &[RiskDimension]) -> Result<Vec<RiskRow>, Problem> {
    let scale = reader.scale();
    let pair = |by: &RiskDimension| format!("tuple('{}', {})", word(by), risk_column(*by));
    let pairs: Vec<String> = by.iter().map(pair).collect();
    let sql = format!(
        "SELECT g.1 AS by, g.2 AS value, sum(r.customers) AS customers, \
         toInt64(round(sum(r.revenue_90) * {scale})) AS revenue_90_minor, \
         toInt64(round(sum(r.revenue_at_risk) * {scale})) AS at_risk_minor \
         FROM {}.revenue_at_risk AS r ARRAY JOIN [{}] AS g GROUP BY by, value \
         ORDER BY at_risk_minor DESC, value LIMIT {GROUPS_MAX} BY by",
        reader.views,
        pairs.join(", ")
    );
    reader.rows(&sql, &Params::new()).await
}

fn revenue_at_risk(standing: Standing, by: RiskDimension, rows: &[RiskRow]) -> RevenueAtRisk {
    let by = word(&by);
    let rows: Vec<AtRisk> =
        rows.iter().filter(|row| row.by == by).map(|row| row.row.clone()).collect();
    RevenueAtRisk {
        standing,
        by,
        at_risk_minor: rows.iter().map(|row| row.at_risk_minor).sum(),
        revenue_90_minor: rows.iter().map(|row| row.revenue_90_minor).sum(),
        rows,
    }
}

/// Revenue at risk by a dimension.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn at_risk(reader: &Reader, by: RiskDimension) -> Result<RevenueAtRisk, Problem> {
    let dimensions = [by];
    let (standing, rows) = tokio::try_join!(reader.standing(), at_risk_by(reader, &dimensions))?;
    Ok(revenue_at_risk(standing, by, &rows))
}

/// Revenue at risk by region and by industry.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn at_risk_by_place(
    reader: &Reader,
    standing: &Standing,
) -> Result<(RevenueAtRisk, RevenueAtRisk), Problem> {
    let (region, industry) = (RiskDimension::Region, RiskDimension::Industry);
    let rows = at_risk_by(reader, &[region, industry]).await?;
    let of = |by| revenue_at_risk(standing.clone(), by, &rows);
    Ok((of(region), of(industry)))
}

/// A row of churn, with its dimension.
#[derive(Deserialize)]
struct LostRow {
    dimension: String,
    #[serde(flatten)]
    row: ChurnRow,
}

/// Who was lost between two days, by each of these dimensions of the view, in one pass over the history.
async fn churn_by(
    reader: &Reader,
    dimensions: &[&str],
    [from, to]: &[String; 2],
) -> Result<Vec<LostRow>, Problem> {
    let sql = format!(
        "SELECT r.dimension AS dimension, toString(r.value) AS value, r.customers AS customers, \
         r.customers_lost AS customers_lost, r.loss_rate AS loss_rate, r.active AS active, \
         r.active_lost AS active_lost, r.churn_rate AS churn_rate \
         FROM {}.churn_rate(from = {{from:Date}}, to = {{to:Date}}) AS r \
         WHERE r.dimension IN {{dimensions:Array(String)}} \
         ORDER BY customers DESC, value LIMIT {GROUPS_MAX} BY dimension",
        reader.views
    );
    let dimensions = dimensions.iter().map(|name| (*name).to_owned()).collect();
    let params: Params = vec![
        ("from", from.as_str().into()),
        ("to", to.as_str().into()),
        ("dimensions", Param::Texts(dimensions)),
    ];
    reader.rows(&sql, &params).await
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
    let between = days(reader, &standing, between)?;
    let dimension = match by {
        ChurnDimension::Owner => "owner_id".to_owned(),
        _ => word(&by),
    };
    let rows = churn_by(reader, &[&dimension], &between).await?;
    let rows = rows.into_iter().map(|row| row.row).collect();
    let [from, to] = between;
    Ok(Churn { standing, by: word(&by), from, to, rows })
}

/// Who was lost between two days: of everybody, and by region.
///
/// # Errors
/// What cannot be asked, and what ClickHouse refuses.
pub async fn churn_of_all_and_regions(
    reader: &Reader,
    standing: &Standing,
    between: &DaysQuery,
) -> Result<(Churn, Churn), Problem> {
    let between = days(reader, standing, between)?;
    let (all, regions) = (word(&ChurnDimension::All), word(&ChurnDimension::Region));
    let rows = churn_by(reader, &[&all, &regions], &between).await?;
    let [from, to] = between;
    let of = |by: String| {
        let rows = rows.iter().filter(|row| row.dimension == by).map(|row| row.row.clone());
        let rows = rows.collect();
        Churn { standing: standing.clone(), by, from: from.clone(), to: to.clone(), rows }
    };
    Ok((of(all), of(regions)))
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
