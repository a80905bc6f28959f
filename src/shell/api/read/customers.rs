//! Customers: the list, and one with every signal, credit, opportunities, timeline and history.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::sources::AlertSources;
use super::{DAYS_MAX, HAPPENINGS_MAX, alerts, explain};
use crate::api::answer::{
    Customer, CustomerPoint, CustomerRow, EntityCredit, Happening, Listed, Proposal, SignalValue,
};
use crate::api::filter::{CustomerSort, CustomersQuery};
use crate::api::problem::Problem;
use crate::model::registry::signals;
use crate::shell::api::reader::{Param, Params, Reader};
use crate::shell::api::wheres::{Listing, Sorted, Where, page, page_sql, sortable};

/// How far ahead revenue is looked at, days: as in the view revenue_at_risk.
const HORIZON_D: u32 = 90;

/// The part of it that is at risk.
pub(super) fn at_risk_minor(scale: &str) -> String {
    let ahead = format!("greatest(ifNull(c.spend_rate_365, 0), 0) * {HORIZON_D}");
    format!("toInt64(round(ifNull(c.risk, 0) * {ahead} * {scale}))")
}

/// Lifetime value in minor units; 0 where it is not known, for sums.
pub(super) fn value_minor(scale: &str) -> String {
    format!("toInt64(round(ifNull(c.clv, 0) * {scale}))")
}

/// The columns of a [`CustomerRow`].
fn columns(scale: &str) -> String {
    let (value, at_risk) = (value_minor(scale), at_risk_minor(scale));
    format!(
        "c.customer_id AS customer_id, c.name AS name, c.account_id AS account_id, \
         toString(c.region) AS region, toString(c.industry) AS industry, toString(c.segment) AS segment, \
         c.owner_id AS owner_id, toBool(c.key_customer) AS key, toString(c.lifecycle) AS lifecycle, \
         c.lifecycle_since AS lifecycle_since, toString(ifNull(c.tier, '')) AS tier, toString(ifNull(c.abc, '')) AS abc, \
         c.risk AS risk, c.risk_band AS risk_band, c.risk_since AS risk_since, \
         c.loyalty AS loyalty, toString(ifNull(c.quadrant, '')) AS quadrant, \
         if(ifNull(c.csat_n, 0) > 0, c.csat, NULL) AS satisfaction, c.csat_n AS satisfaction_n, \
         if(isNull(c.clv), NULL, {value}) AS value_minor, c.revenue_minor AS revenue_minor, \
         {at_risk} AS at_risk_minor, c.p_silent_90 AS p_silent_90, c.orders AS orders, \
         toUInt32(c.open_complaints) AS open_complaints, c.t_last AS last_purchase, \
         c.last_contact AS last_contact, c.at AS at"
    )
}

fn sort_key(sort: CustomerSort, scale: &str) -> (String, bool) {
    let key = match sort {
        CustomerSort::AtRisk => at_risk_minor(scale),
        CustomerSort::Risk => sortable("c.risk"),
        CustomerSort::Value => {
            format!("if(isNull(c.clv), toInt64(-1), greatest({}, 0))", value_minor(scale))
        }
        CustomerSort::Revenue => "toInt64(c.revenue_minor)".to_owned(),
        CustomerSort::Loyalty => sortable("c.loyalty"),
        CustomerSort::LastPurchase => {
            "ifNull(toUnixTimestamp64Milli(c.t_last), toInt64(-1))".to_owned()
        }
        CustomerSort::Name => "leftUTF8(lowerUTF8(c.name), 100)".to_owned(),
    };
    (key, sort == CustomerSort::Name)
}

fn filters(query: &CustomersQuery) -> Where {
    let mut wheres = Where::default();
    wheres.text("c.owner_id", "owner", query.owner.as_ref());
    wheres.text("c.region", "region", query.region.as_ref());
    wheres.text("c.industry", "industry", query.industry.as_ref());
    wheres.text("c.account_id", "account", query.account.as_ref());
    wheres.text("ifNull(c.tier, '')", "tier", query.tier.as_ref());
    wheres.text("c.lifecycle", "lifecycle", query.lifecycle.as_ref());
    wheres.text("ifNull(c.quadrant, '')", "quadrant", query.quadrant.as_ref());
    wheres.with("c.risk >= {risk_from:Float64}", "risk_from", query.risk_from.map(Param::Float));
    wheres.with("c.risk < {risk_below:Float64}", "risk_below", query.risk_below.map(Param::Float));
    match query.key {
        Some(true) => wheres.test("c.key_customer = 1"),
        Some(false) => wheres.test("c.key_customer = 0"),
        None => {}
    }
    wheres.with(
        "(positionCaseInsensitiveUTF8(c.name, {text:String}) > 0 \
         OR positionCaseInsensitiveUTF8(c.customer_id, {text:String}) > 0)",
        "text",
        query.text.as_deref().map(Param::from),
    );
    wheres
}

#[derive(Deserialize)]
struct Count {
    n: u64,
}

/// A page of customers.
///
/// # Errors
/// What cannot be asked, and what ClickHouse refuses.
pub async fn list(reader: &Reader, query: &CustomersQuery) -> Result<Listed<CustomerRow>, Problem> {
    let paging = query.paging()?;
    let scale = reader.scale();
    let mut wheres = filters(query);
    let from = format!("{}.customers_now AS c WHERE {}", reader.views, wheres.sql());
    let count = format!("SELECT count() AS n FROM {from}");
    let filtered = wheres.params.clone();
    let (key, is_text) = sort_key(query.sorted_by(), &scale);
    let columns = columns(&scale);
    let view = format!("{}.customers_now AS c", reader.views);
    let listing =
        Listing { columns: &columns, key: &key, is_text, id: "c.customer_id", from: &view };
    let sql = page_sql(&listing, &paging, &mut wheres);
    let (standing, total, rows) = tokio::try_join!(
        reader.standing(),
        reader.row::<Count>(&count, &filtered),
        reader.rows::<Sorted<CustomerRow>>(&sql, &wheres.params),
    )?;
    Ok(Listed { standing, list: page(rows, total.map_or(0, |count| count.n), &paging) })
}

/// The whole of a customer.
///
/// # Errors
/// When there is none, and what ClickHouse refuses. A missing explanation is no error: it is said why.
pub async fn one(reader: &Reader, customer_id: &str) -> Result<Customer, Problem> {
    let params: Params = vec![("id", customer_id.into())];
    let row = format!(
        "SELECT {} FROM {}.customers_now AS c WHERE c.customer_id = {{id:String}} LIMIT 1",
        columns(&reader.scale()),
        reader.views
    );
    let Some(customer) = reader.row::<CustomerRow>(&row, &params).await? else {
        return Err(Problem::not_found("customer", customer_id));
    };
    let asked = explain::Question { at_ms: None, since_ms: None };
    let (standing, signals, credit, alerts, opportunities, timeline, history) = tokio::try_join!(
        reader.standing(),
        all_signals(reader, &params),
        credit(reader, &params),
        alerts::of(reader, "customer_id", customer_id),
        opportunities(reader, &params),
        timeline(reader, &params),
        history(reader, &params),
    )?;
    let (explanation, unexplained) = match explain::of(reader, customer_id, asked).await {
        Ok(explanation) => (Some(explanation), String::new()),
        Err(problem) => (None, problem.detail),
    };
    Ok(Customer {
        standing,
        customer,
        explanation,
        unexplained,
        signals,
        credit,
        alerts,
        opportunities,
        timeline,
        history,
    })
}

async fn all_signals(reader: &Reader, params: &Params) -> Result<Vec<SignalValue>, Problem> {
    let sql = format!(
        "SELECT * FROM {}.customers_now AS c WHERE c.customer_id = {{id:String}} LIMIT 1",
        reader.views
    );
    let row: Map<String, Value> = reader.row(&sql, params).await?.unwrap_or_default();
    let value = |signal: &crate::model::registry::Signal| {
        let (value, text) = match row.get(signal.name) {
            None | Some(Value::Null) => (None, None),
            Some(Value::Number(number)) => (number.as_f64(), None),
            Some(Value::Bool(flag)) => (Some(f64::from(u8::from(*flag))), None),
            Some(Value::String(text)) => (None, Some(text.clone())),
            Some(other) => (None, Some(other.to_string())),
        };
        SignalValue {
            name: signal.name.to_owned(),
            label: signal.label.to_owned(),
            meaning: signal.words.to_owned(),
            unit: signal.unit.to_owned(),
            value,
            text,
        }
    };
    Ok(signals().map(value).collect())
}

async fn credit(reader: &Reader, params: &Params) -> Result<Vec<EntityCredit>, Problem> {
    let sql = format!(
        "SELECT e.legal_entity_id AS legal_entity_id, e.open_minor AS open_minor, e.overdue_minor AS overdue_minor, \
         toFloat64(e.overdue_days) AS overdue_days, toFloat64(e.dbt_days) AS dbt_days \
         FROM {}.credit_now AS e WHERE e.customer_id = {{id:String}} ORDER BY legal_entity_id LIMIT 1000",
        reader.views
    );
    reader.rows(&sql, params).await
}

/// The columns of a [`Proposal`].
pub(super) const PROPOSAL: &str = "\
    toString(o.goal) AS goal, o.rank AS rank, o.customer_id AS customer_id, o.name AS name, o.owner_id AS owner_id, \
    toString(o.region) AS region, toString(o.tier) AS tier, toString(o.reason) AS reason, \
    toString(o.category) AS category, o.score AS score, toBool(o.held_out) AS held_out, \
    o.proposed_at AS proposed, o.expires_at AS expires, toBool(o.bought_since) AS bought_since";

async fn opportunities(reader: &Reader, params: &Params) -> Result<Vec<Proposal>, Problem> {
    let sql = format!(
        "SELECT {PROPOSAL} FROM {}.opportunities_now AS o WHERE o.customer_id = {{id:String}} \
         ORDER BY goal, proposed DESC LIMIT 50",
        reader.views
    );
    reader.rows(&sql, params).await
}

/// Events as [`Happening`]s, the latest. `condition` is ours.
pub(super) fn happened_sql(views: &str, condition: &str) -> String {
    format!(
        "SELECT e.ts AS at, 'event' AS kind, \
         concat(toString(e.type), if(e.action = '', '', ' '), toString(e.action)) AS what, e.customer_id AS customer_id, \
         if(e.amount_minor = 0, NULL, e.amount_minor) AS amount_minor, \
         if(e.reference = '', e.event_id, e.reference) AS reference, \
         concat(toString(e.topic), '/', toString(e.partition), '@', toString(e.offset)) AS position \
         FROM {views}.events AS e WHERE {condition} ORDER BY e.ts DESC, e.source, e.offset DESC LIMIT {HAPPENINGS_MAX}"
    )
}

/// Transitions of alerts as [`Happening`]s, the latest. `condition` is ours.
pub(super) fn alerted_sql(sources: &AlertSources, condition: &str) -> String {
    format!(
        "SELECT a.at AS at, 'alert' AS kind, concat(toString(a.rule), ' ', toString(a.what)) AS what, \
         a.customer_id AS customer_id, a.at_risk_minor AS amount_minor, a.alert_id AS reference, '' AS position \
         FROM {} AS a WHERE {condition} ORDER BY a.at DESC, a.n DESC LIMIT {HAPPENINGS_MAX}",
        sources.history
    )
}

/// The latest of what happened, latest first; what came at the same moment stays as it was.
pub(super) fn latest(all: impl Iterator<Item = Happening>) -> Vec<Happening> {
    let mut all: Vec<Happening> = all.collect();
    all.sort_by_key(|happening| std::cmp::Reverse(happening.at));
    all.truncate(HAPPENINGS_MAX as usize);
    all
}

async fn timeline(reader: &Reader, params: &Params) -> Result<Vec<Happening>, Problem> {
    let views = &reader.views;
    let moved = |column: &str, since: &str| {
        format!(
            "SELECT assumeNotNull(h.{since}) AS at, 'signal' AS kind, concat('{column} ', toString(h.{column})) AS what, \
             any(h.customer_id) AS customer_id, CAST(NULL AS Nullable(Int64)) AS amount_minor, '' AS reference, \
             '' AS position FROM {views}.customer_history AS h WHERE h.customer_id = {{id:String}} \
             AND isNotNull(h.{since}) AND h.{column} != '' GROUP BY at, what ORDER BY at DESC LIMIT {HAPPENINGS_MAX}"
        )
    };
    let happened = happened_sql(views, "e.customer_id = {id:String}");
    let alerted = alerted_sql(&AlertSources::of(reader).await?, "a.customer_id = {id:String}");
    let (lifecycle, tier) = (moved("lifecycle", "lifecycle_since"), moved("tier", "tier_since"));
    let (happened, alerted, lifecycle, tier) = tokio::try_join!(
        reader.rows(&happened, params),
        reader.rows_if_there(&alerted, params),
        reader.rows(&lifecycle, params),
        reader.rows(&tier, params),
    )?;
    Ok(latest(happened.into_iter().chain(alerted).chain(lifecycle).chain(tier)))
}

async fn history(reader: &Reader, params: &Params) -> Result<Vec<CustomerPoint>, Problem> {
    let sql = format!(
        "SELECT * FROM (SELECT toString(h.day) AS day, h.risk AS risk, h.loyalty AS loyalty, \
         if(h.csat_n > 0, h.csat, NULL) AS satisfaction, toString(h.lifecycle) AS lifecycle, toString(h.tier) AS tier, \
         h.revenue_minor AS revenue_minor FROM {}.customer_history AS h \
         WHERE h.customer_id = {{id:String}} ORDER BY h.day DESC LIMIT {DAYS_MAX}) ORDER BY day",
        reader.views
    );
    reader.rows(&sql, params).await
}
