//! Accounts: the list, and one with its members, credit, alerts, timeline and history.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::customers::{alerted_sql, at_risk_minor, happened_sql, latest};
use super::sources::AlertSources;
use super::{DAYS_MAX, OPEN, alerts};
use crate::api::answer::{
    Account, AccountPoint, AccountRow, EntityCredit, Happening, List, Listed, Member, Pace, Part,
    Time,
};
use crate::api::filter::{AccountSort, AccountsQuery};
use crate::api::problem::Problem;
use crate::shell::api::reader::{Param, Params, Reader};
use crate::shell::api::wheres::{Listing, Sorted, Where, page, page_sql, sortable};
use crate::signal::risk;

/// Most members that are shown.
const MEMBERS_MAX: u32 = 200;
/// How many inputs of a member's risk are shown.
const PARTS_MAX: u32 = 3;

/// How many days a pace has at most.
const PACE_DAYS: u32 = 60;

/// The columns of an [`AccountRow`]; open alerts and the pace are asked for the rows of a page only.
const COLUMNS: &str = "\
    c.account_id AS account_id, c.name AS name, c.region AS region, c.industry AS industry, c.owner_id AS owner_id, \
    toBool(c.key) AS key, c.key_reason AS key_reason, c.members AS members, c.active_contacts AS active_contacts, \
    toBool(c.single_threaded) AS single_threaded, c.value_minor AS value_minor, \
    c.revenue_365_minor AS revenue_365_minor, c.at_risk_minor AS at_risk_minor, c.risk AS risk, \
    c.satisfaction AS satisfaction, c.open_complaints AS open_complaints, \
    c.oldest_complaint_at AS oldest_complaint, toInt64(arraySum(c.overdue_minor)) AS overdue_minor, \
    toDateTime64(c.next_renewal, 3, 'UTC') AS next_renewal, \
    toDateTime64(c.last_contact, 3, 'UTC') AS last_contact, toFloat64(c.visit_gap_d) AS visit_gap_d, \
    c.trend_30 AS trend_30, c.trend_90 AS trend_90, c.as_of AS as_of, toUInt32(0) AS open_alerts, \
    CAST([] AS Array(Tuple(at DateTime64(3, 'UTC'), revenue_365_minor Int64))) AS pace";

/// What a list is sorted by, as SQL, and whether that is a text.
fn sort_key(sort: AccountSort) -> (String, bool) {
    let key = match sort {
        AccountSort::AtRisk => "toInt64(c.at_risk_minor)".to_owned(),
        AccountSort::Risk => sortable("c.risk"),
        AccountSort::Value => "toInt64(c.value_minor)".to_owned(),
        AccountSort::Revenue => "toInt64(c.revenue_365_minor)".to_owned(),
        AccountSort::Satisfaction => sortable("c.satisfaction"),
        AccountSort::Complaints => "toInt64(c.open_complaints)".to_owned(),
        AccountSort::LastContact => {
            "ifNull(toUnixTimestamp64Milli(toDateTime64(c.last_contact, 3, 'UTC')), toInt64(-1))"
                .to_owned()
        }
        AccountSort::Name => "leftUTF8(lowerUTF8(c.name), 100)".to_owned(),
    };
    (key, sort == AccountSort::Name)
}

fn filters(query: &AccountsQuery) -> Where {
    let mut wheres = Where::default();
    wheres.text("c.owner_id", "owner", query.owner.as_ref());
    wheres.text("c.region", "region", query.region.as_ref());
    wheres.text("c.industry", "industry", query.industry.as_ref());
    wheres.with("c.risk >= {risk_from:Float64}", "risk_from", query.risk_from.map(Param::Float));
    wheres.with("c.risk < {risk_below:Float64}", "risk_below", query.risk_below.map(Param::Float));
    match query.key {
        Some(true) => wheres.test("c.key = 1"),
        Some(false) => wheres.test("c.key = 0"),
        None => {}
    }
    wheres.with(
        "(positionCaseInsensitiveUTF8(c.name, {text:String}) > 0 \
         OR positionCaseInsensitiveUTF8(c.account_id, {text:String}) > 0)",
        "text",
        query.text.as_deref().map(Param::from),
    );
    wheres
}

/// What all accounts of a list come to.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Sums {
    /// How many.
    pub n: u64,
    /// With something at risk.
    pub n_at_risk: u64,
    /// What is at risk.
    pub at_risk_minor: i64,
}

/// A page of accounts.
///
/// # Errors
/// What cannot be asked, and what ClickHouse refuses.
pub async fn list(reader: &Reader, query: &AccountsQuery) -> Result<Listed<AccountRow>, Problem> {
    let (standing, (list, _)) = tokio::try_join!(reader.standing(), rows(reader, query, false))?;
    Ok(Listed { standing, list })
}

/// A page without where it comes from, and what the whole list comes to; on demand only what has something at risk.
///
/// # Errors
/// What cannot be asked, and what ClickHouse refuses.
pub async fn rows(
    reader: &Reader,
    query: &AccountsQuery,
    at_risk_only: bool,
) -> Result<(List<AccountRow>, Sums), Problem> {
    let paging = query.paging()?;
    let mut wheres = filters(query);
    if at_risk_only {
        wheres.test("c.at_risk_minor > 0");
    }
    let from = format!("{}.accounts_now AS c WHERE {}", reader.views, wheres.sql());
    let sums = format!(
        "SELECT count() AS n, countIf(c.at_risk_minor > 0) AS n_at_risk, \
         toInt64(sum(c.at_risk_minor)) AS at_risk_minor FROM {from}"
    );
    let filtered = wheres.params.clone();
    let (key, is_text) = sort_key(query.sorted_by());
    let view = format!("{}.accounts_now AS c", reader.views);
    let listing = Listing { columns: COLUMNS, key: &key, is_text, id: "c.account_id", from: &view };
    let sql = page_sql(&listing, &paging, &mut wheres);
    let (sums, rows) = tokio::try_join!(
        reader.row::<Sums>(&sums, &filtered),
        reader.rows::<Sorted<AccountRow>>(&sql, &wheres.params),
    )?;
    let sums = sums.unwrap_or_default();
    let mut list = page(rows, sums.n, &paging);
    complete(reader, &mut list.items).await?;
    Ok((list, sums))
}

/// The ids of the accounts with something at risk, of an owner and a region, as SQL with the parameters `owner` and `region`.
pub fn at_risk_sql(reader: &Reader, owner: Option<&String>, region: Option<&String>) -> String {
    let mut wheres = Where::default();
    wheres.test("c.at_risk_minor > 0");
    wheres.text("c.owner_id", "owner", owner);
    wheres.text("c.region", "region", region);
    format!("SELECT c.account_id FROM {}.accounts_now AS c WHERE {}", reader.views, wheres.sql())
}

/// Fills in what is not in the accounts' own rows.
async fn complete(reader: &Reader, rows: &mut [AccountRow]) -> Result<(), Problem> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids = rows.iter().map(|row| row.account_id.clone()).collect();
    let params = vec![("ids", Param::Texts(ids))];
    let (counts, mut paces) =
        tokio::try_join!(open_alerts(reader, &params), paces(reader, &params))?;
    for row in rows {
        row.open_alerts = counts.get(&row.account_id).copied().unwrap_or(0);
        row.pace = paces.remove(&row.account_id).unwrap_or_default();
    }
    Ok(())
}

#[derive(Deserialize)]
struct PaceRow {
    id: String,
    #[serde(flatten)]
    pace: Pace,
}

/// How the revenue of accounts went.
async fn paces(reader: &Reader, ids: &Params) -> Result<BTreeMap<String, Vec<Pace>>, Problem> {
    let sql = format!(
        "SELECT h.account_id AS id, toDateTime64(h.day, 3, 'UTC') AS at, h.revenue_365_minor AS revenue_365_minor \
         FROM {}.account_history AS h WHERE h.account_id IN {{ids:Array(String)}} \
         ORDER BY id, at DESC LIMIT {PACE_DAYS} BY id",
        reader.views
    );
    let mut by_id: BTreeMap<String, Vec<Pace>> = BTreeMap::new();
    for PaceRow { id, pace } in reader.rows(&sql, ids).await? {
        by_id.entry(id).or_default().push(pace);
    }
    by_id.values_mut().for_each(|paces| paces.reverse());
    Ok(by_id)
}

#[derive(Deserialize)]
struct Counted {
    id: String,
    n: u32,
}

async fn open_alerts(reader: &Reader, ids: &Params) -> Result<BTreeMap<String, u32>, Problem> {
    let sql = format!(
        "SELECT a.account_id AS id, toUInt32(count()) AS n FROM {} AS a \
         WHERE a.account_id IN {{ids:Array(String)}} AND toString(a.phase) IN {OPEN} GROUP BY id",
        AlertSources::of(reader).await?.now
    );
    let counted: Vec<Counted> = reader.rows_if_there(&sql, ids).await?;
    Ok(counted.into_iter().map(|c| (c.id, c.n)).collect())
}

/// The whole of an account.
///
/// # Errors
/// When there is none, and what ClickHouse refuses.
pub async fn one(reader: &Reader, account_id: &str) -> Result<Account, Problem> {
    let params: Params = vec![("id", account_id.into())];
    let row = format!(
        "SELECT {COLUMNS} FROM {}.accounts_now AS c WHERE c.account_id = {{id:String}} LIMIT 1",
        reader.views
    );
    let Some(row) = reader.row::<AccountRow>(&row, &params).await? else {
        return Err(Problem::not_found("account", account_id));
    };
    let (standing, credit, members, alerts, history) = tokio::try_join!(
        reader.standing(),
        credit(reader, account_id),
        members(reader, account_id),
        alerts::of(reader, "account_id", account_id),
        history(reader, account_id),
    )?;
    let timeline = timeline(reader, account_id, &members).await?;
    let mut rows = [row];
    complete(reader, &mut rows).await?;
    let [account] = rows;
    Ok(Account { standing, account, credit, members, alerts, timeline, history })
}

async fn credit(reader: &Reader, account_id: &str) -> Result<Vec<EntityCredit>, Problem> {
    let sql = format!(
        "SELECT e.1 AS legal_entity_id, e.2 AS open_minor, e.3 AS overdue_minor, \
         CAST(NULL AS Nullable(Float64)) AS overdue_days, CAST(NULL AS Nullable(Float64)) AS dbt_days FROM \
         (SELECT arrayJoin(arrayZip(c.legal_entity_ids, c.open_minor, c.overdue_minor)) AS e \
          FROM {}.accounts_now AS c WHERE c.account_id = {{id:String}}) ORDER BY legal_entity_id LIMIT 1000",
        reader.views
    );
    reader.rows(&sql, &vec![("id", account_id.into())]).await
}

async fn members(reader: &Reader, account_id: &str) -> Result<Vec<Member>, Problem> {
    let at_risk = at_risk_minor(&reader.scale());
    let sql = format!(
        "SELECT *, sum(at_risk_minor) OVER () AS all_minor FROM \
         (SELECT c.customer_id AS customer_id, c.name AS name, toString(c.lifecycle) AS lifecycle, \
         toString(ifNull(c.tier, '')) AS tier, c.risk AS risk, {at_risk} AS at_risk_minor, \
         CAST(NULL AS Nullable(Float64)) AS share, if(ifNull(c.csat_n, 0) > 0, c.csat, NULL) AS satisfaction, \
         c.t_last AS last_purchase, c.last_contact AS last_contact, \
         CAST(arraySlice(arraySort(p -> -abs(p.2), CAST(c.risk_contributions AS Array(Tuple(String, Float64)))), \
             1, {PARTS_MAX}) AS Array(Tuple(input String, log_odds Float64))) AS parts \
         FROM {}.customers_now AS c WHERE c.account_id = {{id:String}}) \
         ORDER BY at_risk_minor DESC, customer_id LIMIT {MEMBERS_MAX}",
        reader.views
    );
    let rows: Vec<MemberRow> = reader.rows(&sql, &vec![("id", account_id.into())]).await?;
    Ok(rows.into_iter().map(MemberRow::member).collect())
}

/// A member as ClickHouse has it: parts without their meaning.
#[derive(Deserialize)]
struct MemberRow {
    customer_id: String,
    name: String,
    lifecycle: String,
    tier: String,
    risk: Option<f64>,
    at_risk_minor: i64,
    /// Of all members, those that are not shown too.
    all_minor: i64,
    satisfaction: Option<f64>,
    last_purchase: Option<Time>,
    last_contact: Option<Time>,
    parts: Vec<PartRow>,
}

#[derive(Deserialize)]
struct PartRow {
    input: String,
    log_odds: f64,
}

impl MemberRow {
    fn member(self) -> Member {
        let meaning = |input: &str| {
            let known = risk::Input::ALL.iter().find(|known| known.id() == input);
            known.map_or_else(String::new, |known| known.sentence().to_owned())
        };
        let parts = self.parts.into_iter().map(|part| Part {
            meaning: meaning(&part.input),
            input: part.input,
            log_odds: part.log_odds,
        });
        Member {
            customer_id: self.customer_id,
            name: self.name,
            lifecycle: self.lifecycle,
            tier: self.tier,
            risk: self.risk,
            at_risk_minor: self.at_risk_minor,
            share: (self.all_minor > 0).then(|| self.at_risk_minor as f64 / self.all_minor as f64),
            satisfaction: self.satisfaction,
            last_purchase: self.last_purchase,
            last_contact: self.last_contact,
            parts: parts.collect(),
        }
    }
}

async fn history(reader: &Reader, account_id: &str) -> Result<Vec<AccountPoint>, Problem> {
    let sql = format!(
        "SELECT * FROM (SELECT toString(h.day) AS day, h.risk AS risk, h.at_risk_minor AS at_risk_minor, \
         h.value_minor AS value_minor, h.satisfaction AS satisfaction FROM {}.account_history AS h \
         WHERE h.account_id = {{id:String}} ORDER BY h.day DESC LIMIT {DAYS_MAX}) ORDER BY day",
        reader.views
    );
    reader.rows(&sql, &vec![("id", account_id.into())]).await
}

async fn timeline(
    reader: &Reader,
    account_id: &str,
    members: &[Member],
) -> Result<Vec<Happening>, Problem> {
    let ids = members.iter().map(|member| member.customer_id.clone()).collect();
    let of_members: Params = vec![("ids", Param::Texts(ids))];
    let of_account: Params = vec![("id", account_id.into())];
    let happened = happened_sql(&reader.views, "e.customer_id IN {ids:Array(String)}");
    let alerted = alerted_sql(&AlertSources::of(reader).await?, "a.account_id = {id:String}");
    let (happened, alerted) = tokio::try_join!(
        reader.rows(&happened, &of_members),
        reader.rows_if_there(&alerted, &of_account),
    )?;
    Ok(latest(happened.into_iter().chain(alerted)))
}
