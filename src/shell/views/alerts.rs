//! The views of alerts as they stand. An alert that is not over goes with its subject: it belongs to whoever looks after the customer or
//! account now, though nothing has happened to the alert since. What is over, and every transition, stays as it was said.

use crate::model::table::Table;

/// Phases that are over.
const OVER: &str = "('resolved', 'dismissed', 'quiet')";

/// Alerts about customers, their tickets, and what has no customer.
pub(super) fn of_customers(tables: &str) -> String {
    select(tables, Table::Customers, ("customer_id", &["account_id", "owner_id", "region"]))
}

/// Alerts about accounts.
pub(super) fn of_accounts(tables: &str) -> String {
    select(tables, Table::Accounts, ("account_id", &["owner_id", "region"]))
}

/// The last transitions, with these columns as the subject has them now. The subjects are looked up, not all of them joined.
fn select(tables: &str, subjects: Table, (id, moved): (&str, &[&str])) -> String {
    let columns = Table::Alerts.columns().iter().filter(|column| column.name != "is_deleted");
    let column = |name: &str| match moved.contains(&name) {
        true => format!(
            "if(s.id != '' AND a.`phase` NOT IN {OVER}, s.`{name}`, a.`{name}`) AS `{name}`"
        ),
        false => format!("a.`{name}` AS `{name}`"),
    };
    let columns: Vec<String> = columns.map(|found| column(found.name)).collect();
    let moved: Vec<String> = moved.iter().map(|name| format!("c.`{name}` AS `{name}`")).collect();
    format!(
        "SELECT
    {}
FROM {tables}.{alerts} AS a FINAL
LEFT JOIN
(
    SELECT c.{id} AS id, {}
    FROM {tables}.{} AS c FINAL
    WHERE c.{id} IN (SELECT o.{id} FROM {tables}.{alerts} AS o WHERE o.phase NOT IN {OVER} AND o.{id} != '')
) AS s ON s.id = a.{id}",
        columns.join(", "),
        moved.join(", "),
        subjects.name(),
        alerts = Table::Alerts.name()
    )
}
