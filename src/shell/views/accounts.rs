//! The views of accounts: as their members said last, what moves with time seen at the moment of reading.

use super::Databases;
use crate::model::table::Table;
use crate::model::time::DAY_MS;
use crate::plan::{AccountRules, Plan};

/// All views of a pipeline of accounts, in order.
pub(super) fn views_sql(plan: &Plan, rules: &AccountRules, databases: &Databases) -> Vec<String> {
    let Databases { views, tables } = databases;
    let view =
        |name: &str, body: String| format!("CREATE OR REPLACE VIEW {views}.{name} AS\n{body}");
    vec![
        view("account_shards", super::shards_select(plan, tables)),
        view("accounts_now", now(plan, rules, databases)),
        view("account_history", super::plain_select(tables, Table::AccountHistory, "")),
        view("account_alerts_now", super::alerts::of_accounts(tables)),
        view("account_alert_history", super::plain_select(tables, Table::AlertHistory, "")),
        view("account_ledger", super::plain_select(tables, Table::Ledger, super::CONSUMED)),
        view("account_gaps", super::plain_select(tables, Table::Gaps, "")),
        view("account_completeness", super::completeness_select(tables)),
    ]
}

/// Accounts at the moment to which their shard is complete.
fn now(plan: &Plan, rules: &AccountRules, databases: &Databases) -> String {
    let Databases { views, tables } = databases;
    let zone = &plan.day_zone_name;
    let active_ms = rules.active_ms;
    let [trend_30, trend_90] = [30, 90].map(trend);
    let [risk_30, risk_90] = [30, 90].map(risk_change);
    format!(
        "SELECT account_id, name, region, industry, owner_id, key, key_reason, currency, shard, version, at, as_of,
    members, members_left_out, active_contacts, toUInt8(active_contacts <= 1) AS single_threaded,
    value_minor, revenue_365_minor, at_risk_minor, risk,
    {trend_30} AS trend_30, {trend_90} AS trend_90,
    {risk_30} AS risk_change_30, {risk_90} AS risk_change_90,
    satisfaction, satisfaction_n, open_tickets, open_complaints, oldest_complaint_at,
    legal_entity_ids, open_minor,
    arrayMap(e -> arraySum(arrayMap((i, d, o) -> if(i = e AND d <= at_ms, o, 0), invoice_entity, invoice_due, invoice_open)),
        range(length(legal_entity_ids))) AS overdue_minor,
    if(empty(ahead), NULL, fromUnixTimestamp64Milli(arrayMin(ahead), 'UTC')) AS next_renewal,
    last_contact, last_visit, (at_ms - toUnixTimestamp64Milli(last_visit)) / {DAY_MS} AS visit_gap_d, last_seen
FROM
(
    SELECT a.*, greatest(a.as_of, ifNull(s.now_at, a.as_of)) AS at, toUnixTimestamp64Milli(at) AS at_ms,
        toInt32(toUInt16(toDate(at, '{zone}'))) AS today, toInt32(toUInt16(toDate(a.as_of, '{zone}'))) AS said_on,
        toUInt32(arrayCount(t -> t > at_ms - {active_ms}, contacts_seen)) AS active_contacts,
        arrayFilter(t -> t >= at_ms, renewals) AS ahead,
        arrayCount(d -> d <= today - 30, past_days) AS past_30, arrayCount(d -> d <= today - 90, past_days) AS past_90
    FROM {tables}.accounts AS a FINAL
    LEFT JOIN {views}.account_shards AS s ON s.shard = a.shard
)"
    )
}

/// ln of the pace of revenue by that of so many days ago; 0 where nobody has spoken since. NULL where the account is
/// younger, or one of them is not above 0.
fn trend(days: u16) -> String {
    let then = format!("past_revenue_minor[greatest(past_{days}, 1)]");
    format!(
        "multiIf(revenue_365_minor <= 0, NULL, said_on <= today - {days}, 0, \
         past_{days} > 0 AND {then} > 0, log(revenue_365_minor / {then}), NULL)"
    )
}

/// The risk less that of so many days ago; NULL where one of them is not known.
fn risk_change(days: u16) -> String {
    let then = format!("past_risk_ppm[greatest(past_{days}, 1)]");
    format!(
        "multiIf(isNull(risk), NULL, said_on <= today - {days}, 0, \
         past_{days} > 0 AND {then} >= 0, risk - {then} / 1e6, NULL)"
    )
}
