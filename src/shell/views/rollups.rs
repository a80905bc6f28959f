//! The views over all customers as they stand now: revenue at risk, and what an account manager is measured by.

/// How far ahead revenue is looked at, days.
const HORIZON_D: u32 = 90;

/// What a customer would bring in over the horizon at the pace of the year, times how likely the customer is lost; 0 where
/// refunds outweigh. NULL without a risk or without a purchase, which sums leave out.
fn at_risk() -> String {
    format!("risk * {}", ahead())
}

fn ahead() -> String {
    format!("greatest(spend_rate_365, 0) * {HORIZON_D}")
}

/// Revenue at risk by region, industry, tier and owner, of customers with a risk: one row for each combination that
/// there is, so that any of them can be added up without counting a customer twice.
pub(super) fn revenue_at_risk(views: &str) -> String {
    format!(
        "SELECT region, industry, tier, owner_id,
    min(c.at) AS at, count() AS customers,
    sum(ifNull({}, 0)) AS revenue_90,
    sum(ifNull({}, 0)) AS revenue_at_risk
FROM {views}.customers_now AS c
WHERE risk IS NOT NULL
GROUP BY region, industry, tier, owner_id",
        ahead(),
        at_risk()
    )
}

/// Figures by account manager; those of customers without one stand under the empty `owner_id`.
pub(super) fn kpi_by_owner(views: &str) -> String {
    format!(
        "SELECT owner_id,
    min(c.at) AS at, count() AS customers,
    countIf(key_customer = 1) AS key_customers,
    countIf(key_customer = 1 AND owner_id = '') AS key_customers_without_owner,
    sum(c.csat_n) AS csat_n,
    if(csat_n > 0, sum(c.csat * c.csat_n) / csat_n, NULL) AS csat,
    sum(ifNull({}, 0)) AS revenue_at_risk,
    sum(c.open_complaints) AS open_complaints
FROM {views}.customers_now AS c
GROUP BY owner_id",
        at_risk()
    )
}
