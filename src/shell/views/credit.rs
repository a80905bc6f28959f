//! The credit views: what a customer owes through each legal entity, at a moment. Nothing is netted between entities.

use super::Databases;
use crate::engine::sums::Sum;
use crate::model::time::DAY_MS;

/// What is open of invoices that are due, minor units: over the columns `invoice_due` and `invoice_open`, at `at_ms`.
pub(super) fn overdue_minor() -> String {
    overdue("o")
}

/// The same, each times its days beyond the due: as Float64, for the product passes what an Int64 holds.
pub(super) fn overdue_minor_days() -> String {
    overdue(&format!("toFloat64(o) * (at_ms - d) / {DAY_MS}"))
}

/// A sum over invoices that are due: `o` is what is open of one, `d` its due in milliseconds.
fn overdue(what: &str) -> String {
    format!("arraySum(arrayMap((d, o) -> if(d <= at_ms, {what}, 0), invoice_due, invoice_open))")
}

/// Rows of `credit` with their customers' accounts, seen at `at`. What moves with time is NULL before `as_of`.
pub(super) fn select(databases: &Databases, at: &str) -> String {
    let Databases { views, tables } = databases;
    let half_life_d = Sum::Paid180.half_life_d();
    let (overdue_minor, overdue_days) = (overdue_minor(), overdue_minor_days());
    format!(
        "SELECT customer_id, legal_entity_id, account_id, shard, version, at, as_of,
    open_minor, open_invoices, ext_requests_open, last_payment,
    if(known, overdue, NULL) AS overdue_minor,
    if(known AND open_minor > 0, overdue / open_minor, NULL) AS overdue_ratio,
    if(known AND overdue > 0, (at_ms - arrayMin(invoice_due)) / {DAY_MS}, NULL) AS overdue_days,
    if(known AND paid + overdue > 0, (late + overdue_late) / (paid + overdue), NULL) AS dbt_days,
    toUInt64(sum(is_overdue) OVER (PARTITION BY related) - is_overdue) AS related_overdue,
    sum(is_overdue * overdue) OVER (PARTITION BY related) - is_overdue * overdue AS related_overdue_minor
FROM
(
    SELECT e.customer_id AS customer_id, e.legal_entity_id AS legal_entity_id, e.shard AS shard, e.version AS version,
        e.as_of AS as_of, e.open_minor AS open_minor, e.invoice_due AS invoice_due, e.invoice_open AS invoice_open,
        e.ext_requests_open AS ext_requests_open, e.last_payment AS last_payment, c.account_id AS account_id,
        {at} AS at, at >= e.as_of AS known, toUnixTimestamp64Milli(at) AS at_ms,
        exp2(-(at_ms - toUnixTimestamp64Milli(e.as_of)) / {DAY_MS} / {half_life_d:?}) AS left_of_sums,
        greatest(e.paid_sum_180 * left_of_sums, 0) AS paid, greatest(e.late_days_sum_180 * left_of_sums, 0) AS late,
        length(invoice_due) AS open_invoices, {overdue_minor} AS overdue, {overdue_days} AS overdue_late,
        toInt64(known AND overdue > 0) AS is_overdue,
        if(account_id = '', concat('customer ', customer_id), concat('account ', account_id)) AS related
    FROM {tables}.credit AS e FINAL
    LEFT JOIN (SELECT customer_id, account_id FROM {tables}.customers FINAL) AS c ON c.customer_id = e.customer_id
    LEFT JOIN {views}.shards AS s ON s.shard = e.shard
)"
    )
}
