//! Alerts as they stand, their transitions, and the names of whom they are about.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::sources::AlertSources;
use super::{ALERTS_MAX, OPEN, SEVERITIES};
use crate::api::answer::{Alert, AlertDetail, List, Listed};
use crate::api::filter::{AlertSort, AlertsQuery, PhaseFilter, SeverityFilter};
use crate::api::problem::{Kind, Problem};
use crate::shell::api::reader::{Param, Params, Reader};
use crate::shell::api::wheres::{Listing, Sorted, Where, page, page_sql};

/// The columns of an [`Alert`].
const COLUMNS: &str = "\
    a.alert_id AS alert_id, a.n AS n, a.rule AS rule, a.subject_kind AS subject_kind, a.subject_id AS subject_id, \
    a.customer_id AS customer_id, a.account_id AS account_id, '' AS name, a.episode AS episode, a.what AS what, \
    a.phase AS phase, a.by AS by, a.by_kind AS by_kind, a.note AS note, a.severity AS severity, a.at AS at, \
    a.detected_at AS detected, toBool(a.catch_up) AS catch_up, a.raised_at AS raised, \
    a.snoozed_until AS snoozed_until, a.at_risk_minor AS at_risk_minor, a.risk AS risk, a.owner_id AS owner_id, \
    a.region AS region, a.industry AS industry, a.tier AS tier, toBool(a.key) AS key, a.reasons AS reasons, \
    a.changed AS changed, a.about AS about, a.next_step AS next_step, a.receivers AS receivers";

/// Most transitions of an alert that are told.
const TRANSITIONS_MAX: u32 = 200;

/// Worst first, then most at risk, then the newest.
fn worst_first() -> String {
    format!(
        "indexOf({SEVERITIES}, toString(a.severity)) DESC, ifNull(a.at_risk_minor, 0) DESC, a.at DESC, a.alert_id"
    )
}

fn sort_key(sort: AlertSort) -> String {
    let moment = |column: &str| format!("ifNull(toUnixTimestamp64Milli(a.{column}), toInt64(-1))");
    match sort {
        // a rank before an amount, which is held within 15 digits
        AlertSort::Severity => format!(
            "toInt64(indexOf({SEVERITIES}, toString(a.severity))) * 1000000000000000 \
             + least(greatest(ifNull(a.at_risk_minor, 0), 0), 999999999999999)"
        ),
        AlertSort::AtRisk => "ifNull(toInt64(a.at_risk_minor), toInt64(-1))".to_owned(),
        AlertSort::Raised => moment("raised_at"),
        AlertSort::Changed => moment("at"),
    }
}

#[derive(Deserialize)]
struct Count {
    n: u64,
}

/// A page of alerts.
///
/// # Errors
/// What cannot be asked, and what ClickHouse refuses.
pub async fn list(reader: &Reader, query: &AlertsQuery) -> Result<Listed<Alert>, Problem> {
    let paging = query.paging()?;
    let mut wheres = filters(query);
    let view = format!("{} AS a", AlertSources::of(reader).await?.now);
    let from = format!("{view} WHERE {}", wheres.sql());
    let count = format!("SELECT count() AS n FROM {from}");
    let filtered = wheres.params.clone();
    let key = sort_key(query.sorted_by());
    let listing =
        Listing { columns: COLUMNS, key: &key, is_text: false, id: "a.alert_id", from: &view };
    let sql = page_sql(&listing, &paging, &mut wheres);
    let (standing, total, rows) = tokio::try_join!(
        reader.standing(),
        reader.rows_if_there::<Count>(&count, &filtered),
        reader.rows_if_there::<Sorted<Alert>>(&sql, &wheres.params),
    )?;
    let total = total.first().map_or(0, |count| count.n);
    let mut list: List<Alert> = page(rows, total, &paging);
    name(reader, &mut list.items).await?;
    Ok(Listed { standing, list })
}

fn filters(query: &AlertsQuery) -> Where {
    let mut wheres = Where::default();
    wheres.text("a.owner_id", "owner", query.owner.as_ref());
    wheres.text("a.region", "region", query.region.as_ref());
    wheres.text("a.rule", "rule", query.rule.as_ref());
    wheres.text("a.account_id", "account", query.account.as_ref());
    wheres.text("a.customer_id", "customer", query.customer.as_ref());
    let phase: PhaseFilter = query.phase.unwrap_or_default();
    let phases = phase.phases().iter().map(|phase| (*phase).to_owned()).collect::<Vec<_>>();
    let phases = (!phases.is_empty()).then_some(Param::Texts(phases));
    wheres.with("toString(a.phase) IN {phases:Array(String)}", "phases", phases);
    let severity = query.severity_from.map(|severity: SeverityFilter| severity.name().into());
    let at_least = format!(
        "indexOf({SEVERITIES}, toString(a.severity)) >= indexOf({SEVERITIES}, {{severity:String}})"
    );
    wheres.with(at_least, "severity", severity);
    wheres
}

/// An alert with the transitions of its episode.
///
/// # Errors
/// When there is none, and what ClickHouse refuses.
pub async fn one(reader: &Reader, alert_id: &str) -> Result<AlertDetail, Problem> {
    let params: Params = vec![("id", alert_id.into())];
    let sources = AlertSources::of(reader).await?;
    let now = format!(
        "SELECT {COLUMNS} FROM {} AS a WHERE a.alert_id = {{id:String}} LIMIT 1",
        sources.now
    );
    let standing = reader.standing();
    let (standing, mut found) =
        tokio::try_join!(standing, reader.rows_if_there::<Alert>(&now, &params))?;
    let Some(alert) = found.pop() else {
        return Err(Problem::not_found("alert", alert_id));
    };
    let params: Params = vec![
        ("id", alert_id.into()),
        ("kind", alert.subject_kind.as_str().into()),
        ("subject", alert.subject_id.as_str().into()),
        ("customer", alert.customer_id.as_str().into()),
        ("rule", alert.rule.as_str().into()),
    ];
    // an episode that came and went before it was raised can have very many: the latest are those that matter
    let history = format!(
        "SELECT {COLUMNS} FROM {} AS a WHERE a.subject_id = {{subject:String}} AND a.rule = {{rule:String}} \
         AND a.alert_id = {{id:String}} ORDER BY a.n DESC LIMIT {TRANSITIONS_MAX}",
        sources.history
    );
    let latest = format!(
        "SELECT toUInt64(max(a.episode)) AS n FROM {} AS a WHERE a.subject_id = {{subject:String}} \
         AND a.rule = {{rule:String}} AND a.subject_kind = {{kind:String}} AND a.customer_id = {{customer:String}}",
        sources.history
    );
    let (mut all, latest) = tokio::try_join!(
        reader.rows::<Alert>(&history, &params),
        reader.row::<Count>(&latest, &params),
    )?;
    all.reverse();
    all.push(alert);
    name(reader, &mut all).await?;
    let alert = all.pop().unwrap_or_default();
    let latest = latest.and_then(|latest| u32::try_from(latest.n).ok()).unwrap_or(0);
    let latest_episode = latest.max(alert.episode);
    // the pipeline hears of the present episode only
    let acts = if latest_episode > alert.episode { Vec::new() } else { alert.acts().to_vec() };
    Ok(AlertDetail { standing, acts, latest_episode, alert, history: all })
}

/// Alerts of a subject: open ones first, the worst of them first, then the latest. `column` is ours.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn of(reader: &Reader, column: &str, id: &str) -> Result<Vec<Alert>, Problem> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {} AS a WHERE a.{column} = {{id:String}} \
         ORDER BY if(toString(a.phase) IN {OPEN}, indexOf({SEVERITIES}, toString(a.severity)) + 1, 0) DESC, a.at DESC, \
         a.alert_id LIMIT {ALERTS_MAX}",
        AlertSources::of(reader).await?.now
    );
    let mut alerts = reader.rows_if_there(&sql, &vec![("id", id.into())]).await?;
    name(reader, &mut alerts).await?;
    Ok(alerts)
}

/// Open alerts of these accounts and their members, the worst `most` of each.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn of_accounts(
    reader: &Reader,
    accounts: Vec<String>,
    most: u32,
) -> Result<BTreeMap<String, Vec<Alert>>, Problem> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {} AS a \
         WHERE a.account_id IN {{ids:Array(String)}} AND toString(a.phase) IN {OPEN} \
         ORDER BY {} LIMIT {most} BY a.account_id",
        AlertSources::of(reader).await?.now,
        worst_first()
    );
    let params = vec![("ids", Param::Texts(accounts))];
    let mut alerts: Vec<Alert> = reader.rows_if_there(&sql, &params).await?;
    name(reader, &mut alerts).await?;
    let mut by_account: BTreeMap<String, Vec<Alert>> = BTreeMap::new();
    for alert in alerts {
        by_account.entry(alert.account_id.clone()).or_default().push(alert);
    }
    Ok(by_account)
}

/// Open alerts that stand beside no account with something at risk: of whoever has no account, of accounts that have nothing at
/// risk as far as is known, and all of them where no pipeline of accounts has run.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn beside_no_account(
    reader: &Reader,
    owner: Option<&String>,
    region: Option<&String>,
) -> Result<Vec<Alert>, Problem> {
    let accounts = super::accounts::at_risk_sql(reader, owner, region);
    match open_but(reader, (owner, region), Some(&accounts)).await {
        Err(problem) if problem.is(Kind::NotReady) => {
            match open_but(reader, (owner, region), None).await {
                Err(problem) if problem.is(Kind::NotReady) => Ok(Vec::new()),
                answer => answer,
            }
        }
        answer => answer,
    }
}

/// Open alerts, but those of the accounts that a question of ours names.
async fn open_but(
    reader: &Reader,
    (owner, region): (Option<&String>, Option<&String>),
    accounts: Option<&str>,
) -> Result<Vec<Alert>, Problem> {
    let mut wheres = Where::default();
    if let Some(accounts) = accounts {
        wheres.test(format!("(a.account_id = '' OR a.account_id NOT IN ({accounts}))"));
    }
    wheres.test(format!("toString(a.phase) IN {OPEN}"));
    wheres.text("a.owner_id", "owner", owner);
    wheres.text("a.region", "region", region);
    let sql = format!(
        "SELECT {COLUMNS} FROM {} AS a WHERE {} ORDER BY {} LIMIT {ALERTS_MAX}",
        AlertSources::of(reader).await?.now,
        wheres.sql(),
        worst_first()
    );
    let mut alerts: Vec<Alert> = reader.rows(&sql, &wheres.params).await?;
    name(reader, &mut alerts).await?;
    Ok(alerts)
}

#[derive(Deserialize)]
struct Named {
    id: String,
    name: String,
}

/// Fills in the names: the customer's where the alert is about one, else the account's.
async fn name(reader: &Reader, alerts: &mut [Alert]) -> Result<(), Problem> {
    let ids = |of: fn(&Alert) -> &String| -> Vec<String> {
        let all: BTreeSet<&String> = alerts.iter().map(of).filter(|id| !id.is_empty()).collect();
        all.into_iter().cloned().collect()
    };
    let (customers, accounts) = (ids(|a| &a.customer_id), ids(|a| &a.account_id));
    let (customers, accounts) = tokio::try_join!(
        names(reader, "customers_now", "customer_id", customers),
        names(reader, "accounts_now", "account_id", accounts),
    )?;
    for alert in alerts {
        let customer = customers.get(&alert.customer_id);
        let account = accounts.get(&alert.account_id);
        let name = if alert.subject_kind == "account" { account } else { customer.or(account) };
        alert.name = name.cloned().unwrap_or_default();
    }
    Ok(())
}

async fn names(
    reader: &Reader,
    view: &str,
    column: &str,
    ids: Vec<String>,
) -> Result<BTreeMap<String, String>, Problem> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = format!(
        "SELECT t.{column} AS id, t.name AS name FROM {}.{view} AS t \
         WHERE t.{column} IN {{ids:Array(String)}} AND t.name != ''",
        reader.views
    );
    let params = vec![("ids", Param::Texts(ids))];
    let rows: Vec<Named> = reader.rows_if_there(&sql, &params).await?;
    Ok(rows.into_iter().map(|named| (named.id, named.name)).collect())
}

/// What a summary counts.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Load {
    /// Nobody has taken it.
    pub firing: u64,
    /// Somebody has it.
    pub acknowledged: u64,
    /// Put off.
    pub snoozed: u64,
    /// Firing, and critical or high.
    pub urgent: u64,
}

/// How many alerts are open.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn load(
    reader: &Reader,
    owner: Option<&String>,
    region: Option<&String>,
) -> Result<Load, Problem> {
    let mut wheres = Where::default();
    wheres.text("a.owner_id", "owner", owner);
    wheres.text("a.region", "region", region);
    let sql = format!(
        "SELECT countIf(a.phase = 'firing') AS firing, countIf(a.phase = 'acknowledged') AS acknowledged, \
         countIf(a.phase = 'snoozed') AS snoozed, \
         countIf(a.phase = 'firing' AND toString(a.severity) IN ('high', 'critical')) AS urgent \
         FROM {} AS a WHERE {}",
        AlertSources::of(reader).await?.now,
        wheres.sql()
    );
    let loads = reader.rows_if_there(&sql, &wheres.params).await?;
    Ok(loads.into_iter().next().unwrap_or_default())
}
