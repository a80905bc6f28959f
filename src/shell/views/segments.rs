//! The views over the table of segments: flows by hour, and what became of each group between two moments.
//!
//! All of them add whole numbers up, so any of their sums over values of one dimension is that of `all`.

use crate::signal::lifecycle::Lifecycle;

/// Columns that count what happened, and add up.
const COUNTED: [&str; 12] = [
    "new_customers",
    "activated",
    "lost",
    "won_back",
    "orders",
    "revenue_minor",
    "tickets",
    "ratings",
    "rating_sum",
    "nps_answers",
    "promoters",
    "detractors",
];

/// How far back `segments_now` looks, days; what it compares with are as many days before.
const NOW_D: u32 = 30;

/// Flows by hour, over all shards, what came late included.
pub(super) fn hourly(tables: &str) -> String {
    let nets = Lifecycle::ALL.map(|state| format!("net_{}", state.name()));
    let columns: Vec<String> = nets
        .iter()
        .map(String::as_str)
        .chain(COUNTED)
        .map(|name| format!("sum(s.{name}) AS {name}"))
        .collect();
    format!(
        "SELECT dimension, value, hour,\n    {}\nFROM {tables}.segments AS s FINAL\nGROUP BY dimension, value, hour",
        columns.join(",\n    ")
    )
}

/// What became of each group in the hours that begin within `[{since}, {until})`.
pub(super) fn between(views: &str) -> String {
    let moment = |name: &str| format!("{{{name}:DateTime64(3, 'UTC')}}");
    summary(views, &moment("since"), &moment("until"))
}

/// The same for the last 30 days, up to the newest hour of any shard.
pub(super) fn now(views: &str) -> String {
    // the hour that is going on counts, and hours of events that are ahead of the clock
    let until = format!("addHours((SELECT max(hour) FROM {views}.segments_hourly), 1)");
    let since = format!("subtractDays({until}, {NOW_D})");
    summary(views, &since, &until)
}

fn summary(views: &str, since: &str, until: &str) -> String {
    let of = |condition: &str, column: &str| format!("sumIf(h.{column}, {condition})");
    let mut columns = Vec::new();
    let mut column = |name: &str, formula: String| columns.push(format!("{formula} AS {name}"));
    for (suffix, condition) in [("_at_start", "h.hour < since"), ("", "h.hour < until")] {
        for state in Lifecycle::ALL.map(Lifecycle::name) {
            column(&format!("{state}{suffix}"), of(condition, &format!("net_{state}")));
        }
        let kept: Vec<String> = [
            Lifecycle::New,
            Lifecycle::Active,
            Lifecycle::Slipping,
            Lifecycle::Dormant,
            Lifecycle::WonBack,
        ]
        .iter()
        .map(|state| format!("{}{suffix}", state.name()))
        .collect();
        column(&format!("kept{suffix}"), kept.join(" + "));
    }
    let within = "h.hour >= since AND h.hour < until";
    for name in ["new_customers", "activated", "orders", "tickets"] {
        column(name, of(within, name));
    }
    // beside the customers that stand in these lifecycles
    for name in ["lost", "won_back"] {
        column(&format!("{name}_customers"), of(within, name));
    }
    column("lost_share", "if(kept_at_start > 0, lost_customers / kept_at_start, NULL)".into());
    let before = "h.hour >= before AND h.hour < since";
    for (suffix, condition) in [("", within), ("_before", before)] {
        column(&format!("revenue_minor{suffix}"), of(condition, "revenue_minor"));
        let (n, sum) = (of(condition, "ratings"), of(condition, "rating_sum"));
        column(&format!("csat_n{suffix}"), n);
        let n = format!("csat_n{suffix}");
        column(&format!("csat{suffix}"), format!("if({n} > 0, ({sum} - {n}) / (4 * {n}), NULL)"));
    }
    let change = "revenue_minor / revenue_minor_before - 1";
    column("revenue_change", format!("if(revenue_minor_before > 0, {change}, NULL)"));
    column("nps_n", of(within, "nps_answers"));
    let (promoters, detractors) = (of(within, "promoters"), of(within, "detractors"));
    let net = format!("100 * (toInt64({promoters}) - toInt64({detractors})) / nps_n");
    column("nps", format!("if(nps_n > 0, {net}, NULL)"));
    format!(
        "WITH {since} AS since, {until} AS until,
    subtractMilliseconds(since, toUnixTimestamp64Milli(until) - toUnixTimestamp64Milli(since)) AS before
SELECT dimension, value, since, until,\n    {}
FROM {views}.segments_hourly AS h
GROUP BY dimension, value",
        columns.join(",\n    ")
    )
}
