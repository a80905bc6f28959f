//! What the rest of the catalogue must show, in the customer views: plain formulas, written apart from the product.
#![allow(dead_code, clippy::unwrap_used)]

use retain::plan::Plan;

use crate::customer::{DAY, Row, half_life_d};

fn days(ms: i64) -> f64 {
    ms as f64 / DAY as f64
}

/// A sum by number as seen at a moment.
fn sum(row: &Row, number: u8, at: i64) -> f64 {
    let half_lives = days(at - row.as_of) / half_life_d(number);
    row.more.iter().find(|s| s.0 == number).map_or(0.0, |s| s.1 * 0.5_f64.powf(half_lives))
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn per_day(value: f64, half_life: f64, age_ms: i64) -> f64 {
    let age = days(age_ms).max(1.0);
    value * (2_f64.ln() / half_life) / (1.0 - 0.5_f64.powf(age / half_life))
}

fn rate(row: &Row, number: u8, at: i64, born: i64) -> f64 {
    per_day(sum(row, number, at), half_life_d(number), at - born)
}

fn trend(short: f64, long: f64, floor: f64, clip: f64) -> Option<f64> {
    let known = short > 0.0 && long > 0.0 && long >= floor;
    known.then(|| (short / long).ln().clamp(-clip, clip))
}

/// What only events move: shown at every moment, also before the row.
pub fn by_events(row: &Row) -> Vec<(&'static str, Option<f64>)> {
    let sum = |number| sum(row, number, row.as_of);
    let share = |part, whole| ratio(sum(part), sum(whole));
    let hours = |ln, n| share(ln, n).map(|mean| mean.exp() - 1.0);
    let aov = share(4, 6).zip(share(5, 8)).filter(|(short, long)| *short > 0.0 && *long > 0.0);
    let speaks = sum(61) + sum(62);
    let known = row.master.iter().filter(|text| !text.is_empty()).count();
    vec![
        ("aov_trend", aov.map(|(short, long)| (short / long).ln())),
        ("disc_share", share(9, 5)),
        ("return_rate", share(10, 5)),
        ("frt_h", hours(21, 22)),
        ("resolve_h", hours(23, 24)),
        ("wait_h", hours(25, 26)),
        ("effort_index", share(41, 42)),
        ("contacts_per_resolution", share(44, 24)),
        ("sat_gap", sat_gap(row)),
        ("search_per_buy", share(52, 7)),
        ("inbound_share", ratio(sum(61), speaks)),
        ("order_late_h", hours(81, 82)),
        ("profile_completeness", Some((known + usize::from(row.key.is_some())) as f64 / 8.0)),
    ]
}

/// Delivered less expected: of `n` ratings, those with an expectation beside them expect what was said, the others the
/// customer's own mean of a year.
fn sat_gap(row: &Row) -> Option<f64> {
    let sum = |number| sum(row, number, row.as_of);
    let (n, own) = (sum(34), ratio(sum(35), sum(36))?);
    let with = (ratio(sum(38), n)?).clamp(0.0, 1.0);
    let said = ratio(sum(37), sum(38)).unwrap_or(0.0);
    Some((sum(33) / n - (with * said + (1.0 - with) * own)).clamp(-1.0, 1.0))
}

/// The gap in words.
pub fn sat_band(row: &Row) -> Option<&'static str> {
    sat_gap(row).map(|gap| match gap {
        gap if gap < -0.1 => "dissatisfied",
        gap if gap > 0.1 => "delighted",
        _ => "satisfied",
    })
}

/// What moves with time, `None` = NULL.
pub fn live(plan: &Plan, row: &Row, at: i64) -> Vec<(&'static str, Option<f64>)> {
    let mut all = service(row, at);
    all.extend(credit(row, at));
    all.extend(money(plan, row, at));
    if at < row.as_of {
        all.iter_mut().for_each(|(_, value)| *value = None);
    }
    all
}

fn service(row: &Row, at: i64) -> Vec<(&'static str, Option<f64>)> {
    let sum = |number| sum(row, number, at);
    let shrunk = |some: f64, all: f64, weight: f64| Some(((some + 0.5) / (all + weight)).min(1.0));
    let unanswered = row.respond_by.iter().filter(|by| **by < at).count() as f64;
    let (csat_n, since) = (row.csat.1, row.csat.2);
    let nps = row.nps.filter(|(_, said_at)| at - said_at < 365 * DAY);
    vec![
        ("reopen_share", shrunk(sum(27), sum(28), 5.0)),
        ("sla_breach_share", shrunk(sum(29) + unanswered, sum(30) + unanswered, 5.0)),
        ("suggest_share", shrunk(sum(39), sum(39) + sum(40), 1.0)),
        ("csat_n", Some(csat_n * 0.5_f64.powf(days(at - since) / 180.0))),
        ("nps_last", nps.map(|(answer, _)| answer as f64)),
        ("cancel_intent", Some(sum(53))),
        ("contact_pressure", Some(7.0 * rate(row, 60, at, row.streamed_from))),
        ("visit_gap_d", row.last_visit.map(|t| days(at - t))),
        ("owner_changes", Some(sum(63))),
        ("profile_age_d", row.profile_at.map(|t| days(at - t))),
    ]
}

fn credit(row: &Row, at: i64) -> Vec<(&'static str, Option<f64>)> {
    let sum = |number| sum(row, number, at);
    let open: i64 = row.invoices.iter().map(|i| i.1).sum();
    let late: Vec<_> = row.invoices.iter().filter(|i| i.0 <= at).collect();
    let overdue: i64 = late.iter().map(|i| i.1).sum();
    let late_d: f64 = late.iter().map(|i| i.1 as f64 * days(at - i.0)).sum();
    let overdue_orders = row.promised.iter().filter(|t| **t <= at).count();
    vec![
        ("overdue_minor", Some(overdue as f64)),
        ("overdue_ratio", ratio(overdue as f64, open as f64)),
        ("dbt_days", ratio(sum(70).max(0.0) + late_d, sum(71).max(0.0) + overdue as f64)),
        ("ext_requests", Some(sum(72))),
        ("partial_payments", Some(sum(73))),
        ("orders_overdue", Some(overdue_orders as f64)),
        (
            "usage_trend",
            trend(rate(row, 83, at, row.streamed_from), rate(row, 84, at, row.streamed_from), 0.0, 3.0),
        ),
    ]
}

fn money(plan: &Plan, row: &Row, at: i64) -> Vec<(&'static str, Option<f64>)> {
    let major = 10_f64.powi(plan.currency.minor_digits() as i32);
    let spent = |sum: f64, half_life: f64| {
        let value = sum * 0.5_f64.powf(days(at - row.spend.2) / half_life);
        row.spend_from().map(|born| per_day(value, half_life, at - born) / major)
    };
    let volume = spent(row.spend.0, 30.0)
        .zip(spent(row.spend.1, 180.0))
        .filter(|_| row.orders >= 4)
        .and_then(|(s, l)| trend(s, l, plan.parameters.trends.spend_floor, 3.0));
    let since_first = |number| row.spend_from().map(|born| rate(row, number, at, born));
    let known_since = row.spend_from().unwrap_or(row.streamed_from);
    let service = plan.parameters.service;
    let cost = rate(row, 43, at, row.streamed_from) * service.minute_cost
        + rate(row, 9, at, known_since) / major
        + rate(row, 12, at, known_since) * service.return_cost;
    vec![
        ("spend_rate_365", since_first(3).map(|r| r / major)),
        ("order_rate_90", since_first(7)),
        ("volume_trend", volume),
        ("adopt_new", Some(sum(row, 11, at))),
        ("referrals", Some(sum(row, 80, at))),
        ("cost_to_serve", Some(cost)),
    ]
}

/// Interest by category; nothing before the row.
pub fn category_intent(row: &Row, at: i64) -> Vec<(&'static str, f64)> {
    let seen = row.intents.iter().filter(|_| at >= row.as_of);
    seen.map(|(name, views)| (*name, views * 0.5_f64.powf(days(at - row.as_of) / 14.0))).collect()
}
