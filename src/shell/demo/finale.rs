//! The end of the demo: the totals held against the file, and the queries to look further.

use clickhouse::Client;
use clickhouse::error::Error;

use super::screen::{dollars, grouped};
use super::story::Truth;
use super::summary::Summary;

/// What ClickHouse says about the purchases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Orders, over all customers.
    pub orders: u64,
    /// Customers who bought.
    pub customers: u64,
    /// Their revenue, cents.
    pub revenue_minor: i64,
    /// Purchases in the table of events.
    pub events: u64,
    /// Revenue of all minutes, cents.
    pub minutes_minor: i64,
}

/// Asks ClickHouse.
///
/// # Errors
/// ClickHouse's.
pub async fn totals(client: &Client) -> Result<Totals, Error> {
    let (orders, customers, revenue_minor) = client
        .query(
            "SELECT sum(orders), countIf(orders > 0), sum(revenue_minor) FROM retain.customers_now",
        )
        .fetch_one::<(u64, u64, i64)>()
        .await?;
    let events = client
        .query("SELECT count() FROM retain.events WHERE type = 'purchase'")
        .fetch_one::<u64>()
        .await?;
    let minutes_minor = client
        .query("SELECT sum(revenue_minor) FROM retain.activity_by_minute")
        .fetch_one::<i64>()
        .await?;
    Ok(Totals { orders, customers, revenue_minor, events, minutes_minor })
}

/// The totals beside the file's, a line each, and whether they are all equal.
pub fn compare(totals: &Totals, truth: &Truth, summary: &Summary) -> (Vec<String>, bool) {
    let purchases = summary.source("purchases");
    let (missing, twice) = summary.faults();
    let number = |value: u64| grouped(value);
    let rows = [
        ("purchases applied", number(purchases.outcomes[0]), number(truth.purchases)),
        ("purchases told to be repeats", number(purchases.outcomes[1]), number(truth.repeats)),
        ("orders of all customers", number(totals.orders), number(truth.purchases)),
        ("purchases in events", number(totals.events), number(truth.purchases)),
        ("customers who bought", number(totals.customers), number(truth.customers)),
        ("revenue by customer", dollars(totals.revenue_minor), dollars(truth.revenue_minor)),
        ("revenue by minute", dollars(totals.minutes_minor), dollars(truth.revenue_minor)),
        ("offsets missing", grouped(missing), "0".to_owned()),
        ("offsets read twice", grouped(twice), "0".to_owned()),
    ];
    let mut lines = vec![format!("  {:<30} {:>14} {:>14}", "", "ClickHouse", "the file")];
    let mut all_equal = true;
    for (what, found, expected) in rows {
        let equal = found == expected;
        all_equal &= equal;
        let word = if equal { "equal" } else { "DIFFERENT" };
        lines.push(format!("  {what:<30} {found:>14} {expected:>14}   {word}"));
    }
    (lines, all_equal)
}

/// Queries to look further, each with a word on what it shows.
pub const QUERIES: [(&str, &str); 5] = [
    (
        "who is about to be lost, and was worth most",
        "SELECT customer_id, lifecycle, round(p_silent_90, 2) AS silent, round(recency_d) AS days, n_days, \
         round(spend_rate_180 * 365) AS a_year FROM retain.customers_now \
         WHERE lifecycle IN ('active', 'slipping') AND p_silent_90 > 0.7 ORDER BY a_year DESC LIMIT 5",
    ),
    (
        "everything about one customer",
        "SELECT * FROM retain.customers_now WHERE customer_id = '05847' FORMAT Vertical",
    ),
    (
        "the same customers half a year later, if nobody buys anything until then",
        "SELECT count(), countIf(p_silent_90 > 0.95) FROM retain.customers_at(at = '1999-01-01 00:00:00')",
    ),
    (
        "purchases and revenue by month",
        "SELECT toStartOfMonth(minute) AS month, sum(events) AS purchases, sum(revenue_minor) / 100 AS revenue \
         FROM retain.activity_by_minute WHERE type = 'purchase' GROUP BY month ORDER BY month",
    ),
    (
        "was every record read, and once",
        "SELECT shard, source, complete_to, consumed, applied, duplicate, late, filtered, rejected, missing, twice \
         FROM retain.completeness ORDER BY shard, source",
    ),
];

/// The queries as commands for a shell.
pub fn commands(url: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (what, sql) in QUERIES {
        lines.push(format!("# {what}"));
        // Quotes of SQL are single ones; the shell's are double here.
        lines.push(format!("curl '{url}/?default_format=PrettyCompactMonoBlock' -d \"{sql}\""));
        lines.push(String::new());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::summary::SourceLine;
    use super::*;

    #[test]
    fn one_cent_of_difference_is_seen() {
        let truth = Truth { purchases: 2, customers: 1, revenue_minor: 300, repeats: 1 };
        let source = SourceLine {
            source: "purchases".into(),
            outcomes: [2, 1, 0, 0, 0],
            ..SourceLine::default()
        };
        let summary = Summary { sources: vec![source], ..Summary::default() };
        let right =
            Totals { orders: 2, customers: 1, revenue_minor: 300, events: 2, minutes_minor: 300 };
        assert!(compare(&right, &truth, &summary).1);
        let wrong = Totals { minutes_minor: 299, ..right };
        let (lines, equal) = compare(&wrong, &truth, &summary);
        assert!(!equal);
        assert!(lines.iter().any(|l| l.contains("$2.99") && l.ends_with("DIFFERENT")), "{lines:?}");
    }
}
