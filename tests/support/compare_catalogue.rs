//! Holds the catalogue's columns of a customer's row against the slow recomputation.

use std::collections::{BTreeMap, BTreeSet};

use retain::engine::sums::Sum as Name;
use retain::plan::Plan;

use crate::oracle::judged::Score;
use crate::oracle::{Customer, Sum};
use crate::rowbinary::Row;

const STEP_MS: i64 = 2_048 * 86_400_000;

/// Columns held against the recomputation here or in `compare.rs`.
const CHECKED: &str = "customer_id as_of account_id legal_entity_id region industry segment owner_id key name t_born streamed_from \
    profile_at profile_sources sums sums_at t_first t_last n_days x orders refunds revenue_minor spend_sum_30 \
    spend_sum_180 spend_sums_at spend_bucket_ids spend_bucket_minor activated_at breadth gap_mean gap_k mean_spend_hat \
    open_tickets open_complaints oldest_open_at tickets visits visit_sum_7 visit_sum_60 visit_sums_at last_seen opted_out \
    nps nps_at intent_names intent_views intent_at last_contact last_visit open_minor invoice_due invoice_open \
    contract_start contract_renewal contract_signed promised_open respond_by_open usage_share usage_high_since exp_purchases_90 \
    gap_surprise clv valued_at judged_at risk risk_band risk_since risk_contributions risk_missing loyalty \
    loyalty_contributions quadrant";
/// Those of the delivery, and those that are paths with tests of their own (lifecycle, tiers, model version).
const ELSEWHERE: &str = "shard version is_deleted lifecycle lifecycle_since model_version tier abc tier_since \
    tier_version key_customer";

/// Every column of the table is either checked here or known to be checked elsewhere.
pub fn check_columns() {
    let known: BTreeSet<&str> = CHECKED.split(' ').chain(ELSEWHERE.split(' ')).collect();
    let table = retain::model::table::Table::Customers;
    let columns: BTreeSet<&str> = table.columns().iter().map(|c| c.name).collect();
    assert_eq!(known.into_iter().filter(|n| !n.is_empty()).collect::<BTreeSet<_>>(), columns);
}

fn near(got: f64, want: f64, scale: f64, place: &str) {
    assert!((got - want).abs() <= 1e-9 * scale, "{place} is {got}, expected {want} ({scale})");
}

fn maybe_near(got: Option<f64>, want: Option<f64>, place: &str) {
    assert_eq!(got.is_some(), want.is_some(), "{place} is {got:?}, expected {want:?}");
    if let (Some(got), Some(want)) = (got, want) {
        near(got, want, want.abs().max(1.0), place);
    }
}

/// All of the catalogue. `in_order`: nothing came later than its time allows, so that what stands as of a moment was known
/// at that moment.
pub fn check(plan: &Plan, row: &Row, expected: &Customer, in_order: bool, place: &str) {
    let as_of = row.int("as_of") as i64;
    assert!(as_of >= expected.last_ms, "as_of of {place} is {as_of} after {}", expected.last_ms);
    sums(row, expected, place);
    lists(row, expected, as_of, place);
    values(plan, row, expected, in_order, place);
    scores(plan, row, expected, place);
}

fn sums(row: &Row, expected: &Customer, place: &str) {
    let at = row.int("sums_at") as i64;
    let last = expected.all.values().flat_map(|s| &s.parts).map(|p| p.0).max();
    let step = |ms: i64| ms.div_euclid(STEP_MS) * STEP_MS;
    assert_eq!(at % STEP_MS, 0, "sums_at of {place}");
    assert!(at >= step(last.unwrap_or(0)), "sums_at of {place} is {at}, last event {last:?}");
    assert!(at <= step(expected.last_ms), "sums_at of {place} is {at}");
    let none = Sum { half_life_d: 1.0, parts: Vec::new() };
    let own = ["spend_30", "spend_180", "visits_7", "visits_60"];
    for name in Name::all().map(Name::name).filter(|name| !own.contains(name)) {
        let (value, absolute) = expected.all.get(name).unwrap_or(&none).at(at);
        near(row.sum(name), value, absolute, &format!("{name} of {place}"));
    }
    let names: BTreeSet<&str> = Name::all().map(Name::name).collect();
    expected.all.keys().for_each(|name| assert!(names.contains(name), "{name}"));
    for number in row.map("sums").keys() {
        let sum = Name::from_number(number.parse().unwrap()).unwrap();
        assert!(!own.contains(&sum.name()), "{} has columns of its own, {place}", sum.name());
    }
}

fn lists(row: &Row, expected: &Customer, as_of: i64, place: &str) {
    let mut open: Vec<(i64, i128)> = row
        .ints("invoice_due")
        .iter()
        .map(|due| *due as i64)
        .zip(row.ints("invoice_open").iter().copied())
        .collect();
    open.sort_unstable();
    assert_eq!(open, expected.invoices, "open bills of {place}");
    let mut promised = row.ints("promised_open").to_vec();
    promised.sort_unstable();
    assert_eq!(promised, expected.promised, "promised_open of {place}");
    let mut respond_by = row.ints("respond_by_open").to_vec();
    respond_by.sort_unstable();
    assert_eq!(respond_by, expected.respond_by, "respond_by_open of {place}");
    let share = row.maybe_float("usage_share");
    let want = expected.usage_share.map(|share| f64::from(share as f32));
    assert_eq!(share, want, "usage_share of {place}");
    assert_eq!(row.int("intent_at") as i64, as_of, "intent_at of {place}");
    let mut views: Vec<(f64, &str)> =
        expected.intents.iter().map(|(name, sum)| (sum.at(as_of).0, name.as_str())).collect();
    views.sort_by(|a, b| b.0.total_cmp(&a.0));
    views.truncate(3);
    let names: Vec<&str> = row.texts("intent_names").iter().map(String::as_str).collect();
    let want: Vec<&str> = views.iter().map(|(_, name)| *name).collect();
    assert_eq!(names, want, "intent_names of {place}");
    for (got, (want, name)) in row.floats("intent_views").iter().zip(&views) {
        near(*got, *want, *want, &format!("views of {name} of {place}"));
    }
    assert_eq!(row.floats("intent_views").len(), views.len(), "intent_views of {place}");
}

fn values(plan: &Plan, row: &Row, expected: &Customer, in_order: bool, place: &str) {
    let rhythm = expected.rhythm(plan);
    let of = |name: &str| format!("{name} of {place}");
    maybe_near(row.maybe_float("gap_mean"), rhythm.map(|r| r.0), &of("gap_mean"));
    maybe_near(row.maybe_float("gap_k"), rhythm.map(|r| r.1), &of("gap_k"));
    let mean = expected.mean_minor(plan).map(|minor| minor / 100.0);
    maybe_near(row.maybe_float("mean_spend_hat"), mean, &of("mean_spend_hat"));
    let at = row.maybe_int("valued_at").map(|ms| ms as i64);
    let values = at.and_then(|at| expected.values(plan, at));
    assert_eq!(at.is_some(), expected.ints["t_first"].is_some(), "valued_at of {place}");
    let named = values.map(|v| v.0);
    maybe_near(row.maybe_float("exp_purchases_90"), named, &of("exp_purchases_90"));
    maybe_near(row.maybe_float("gap_surprise"), values.map(|v| v.1), &of("gap_surprise"));
    // the cost to serve within it is as it was known at that moment
    if in_order && at.is_none_or(|at| at > expected.last_ms) {
        maybe_near(row.maybe_float("clv"), values.and_then(|v| v.2), &of("clv"));
    }
}

fn scores(plan: &Plan, row: &Row, expected: &Customer, place: &str) {
    let of = |name: &str| format!("{name} of {place}");
    let (valued, as_of) = (row.maybe_int("valued_at"), row.int("as_of"));
    let at = row.int("judged_at");
    // who has a contract is refreshed before there is anything to value
    let judged_from = valued.unwrap_or(as_of).max(as_of);
    assert!(at >= judged_from, "judged_at of {place} is {at}, not before {judged_from}");
    let refreshed = at > as_of;
    let at = at as i64;
    let Some(judged) = expected.judge(plan, at) else {
        assert_eq!(row.maybe_float("risk"), None, "risk of {place}");
        assert_eq!(row.maybe_float("loyalty"), None, "loyalty of {place}");
        assert_eq!((row.text("quadrant"), row.maybe_int("risk_since")), ("", None), "{place}");
        assert!(row.map("risk_contributions").is_empty() && row.texts("risk_missing").is_empty());
        assert!(row.map("loyalty_contributions").is_empty(), "{place}");
        return;
    };
    contributions(row.map("risk_contributions"), &judged.risk, &of("risk_contributions"));
    contributions(row.map("loyalty_contributions"), &judged.loyalty, &of("loyalty_contributions"));
    maybe_near(row.maybe_float("risk"), Some(judged.risk.score), &of("risk"));
    let loyal = 100.0 * judged.loyalty.score;
    maybe_near(row.maybe_float("loyalty"), Some(loyal), &of("loyalty"));
    let missing: BTreeSet<String> = row.texts("risk_missing").iter().cloned().collect();
    assert_eq!(missing, judged.risk.missing, "risk_missing of {place}");
    if !judged.on_edge {
        assert_eq!(row.text("quadrant"), judged.quadrant, "quadrant of {place}");
    }
    assert!(row.maybe_int("risk_since").is_some_and(|since| since <= at.into()), "{place}");
    // a refreshed row is ahead of the band, which follows once time is complete to that moment
    if !refreshed {
        check_band(plan, row.int("risk_band") as usize, judged.risk.score, &of("risk_band"));
    }
}

/// A risk lies where its band lets it be.
pub fn check_band(plan: &Plan, band: usize, risk: f64, place: &str) {
    let rule = &plan.parameters.risk;
    let top = rule.bands.get(band).copied().unwrap_or(2.0);
    let bottom = band.checked_sub(1).map_or(-1.0, |below| rule.bands[below] - rule.hysteresis);
    let inside = risk < top + 1e-9 && risk >= bottom - 1e-9;
    assert!(inside, "{place} is {band}, but the risk {risk} is not in [{bottom}, {top})");
}

fn contributions(got: &BTreeMap<String, f64>, want: &Score, place: &str) {
    for name in got.keys().chain(want.phi.keys()) {
        let of = |map: &BTreeMap<String, f64>| map.get(name).copied().unwrap_or(0.0);
        near(of(got), of(&want.phi), 1.0, &format!("{name} in {place}"));
    }
}
