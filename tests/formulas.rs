//! The engine's own functions against the plain formulas that the views are held against: all three say the same.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/signals.rs"]
mod customer;
#[path = "support/formulas.rs"]
mod formulas;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/rows.rs"]
mod rows;

use std::collections::BTreeMap;

use customer::{DAY, Row, START, customers};
use retain::engine::credit::Credit;
use retain::engine::service::Service;
use retain::engine::sums::{Sum, Sums};
use retain::engine::terms::Terms;
use retain::plan::Plan;
use retain::signal::decay::trend;
use retain::signal::service::{self, Ratings};

/// The row's sums as the engine holds them.
fn sums_of(row: &Row) -> Sums {
    let mut sums = Sums::default();
    for (number, value) in &row.more {
        sums.add(Sum::from_number(*number).unwrap(), row.as_of, *value);
    }
    sums
}

fn credit_of(row: &Row) -> Credit {
    let (mut credit, mut nowhere) = (Credit::default(), Sums::default());
    for (id, (due_ms, minor)) in (1..).zip(&row.invoices) {
        credit.invoice(&mut nowhere, id, row.as_of, *minor, *due_ms, "");
    }
    credit
}

fn service_of(row: &Row) -> Service {
    let (mut service, mut nowhere) = (Service::default(), Sums::default());
    for (order, promised_ms) in (1..).zip(&row.promised) {
        service.delivery(&mut nowhere, order, row.as_of, *promised_ms, None);
    }
    service
}

fn terms_of(row: &Row) -> Terms {
    let mut terms = Terms::default();
    if let Some((nps, at_ms)) = row.nps {
        terms.rating(at_ms, nps as u8);
    }
    if let Some(at_ms) = row.profile_at {
        terms.profile(at_ms, "crm");
    }
    terms
}

/// What the engine says of a row at a moment from `as_of` on.
fn engine(plan: &Plan, row: &Row, at: i64) -> BTreeMap<&'static str, Option<f64>> {
    let sums = sums_of(row);
    let now = |sum| sums.at(sum, at);
    let hours = |ln, n| service::typical_hours(now(ln), now(n));
    let usage = [Sum::Usage30, Sum::Usage180].map(|sum| sums.rate(sum, at, row.streamed_from));
    let ratings = Ratings {
        fast_sum: now(Sum::Csat30),
        fast_n: now(Sum::CsatN30),
        expected_sum: now(Sum::Expected30),
        expected_n: now(Sum::ExpectedN30),
        slow_sum: now(Sum::Csat365),
        slow_n: now(Sum::CsatN365),
    };
    let (credit, terms) = (credit_of(row), terms_of(row));
    let exposure = credit.exposure(at);
    let pressure = service::contact_pressure(sums.rate(Sum::Outbound7, at, row.streamed_from));
    let parameters = plan.parameters.service;
    let major = 10_f64.powi(plan.currency.minor_digits() as i32);
    let since = row.spend_from().unwrap_or(row.streamed_from);
    let cost = sums.rate(Sum::HandlingMin180, at, row.streamed_from) * parameters.minute_cost
        + sums.rate(Sum::Discount365, at, since) / major
        + sums.rate(Sum::Returns365, at, since) * parameters.return_cost;
    BTreeMap::from([
        ("frt_h", hours(Sum::ReplyLn90, Sum::Replies90)),
        ("resolve_h", hours(Sum::ResolveLn90, Sum::Resolves90)),
        ("wait_h", hours(Sum::WaitLn90, Sum::Waits90)),
        ("order_late_h", hours(Sum::DeliveryLateLn90, Sum::Deliveries90)),
        ("sat_gap", service::sat_gap(&ratings)),
        ("reopen_share", Some(service::shrunk_share(now(Sum::Reopened180), now(Sum::Solved180)))),
        (
            "suggest_share",
            Some(service::suggest_share(now(Sum::Suggestions365), now(Sum::Complaints365))),
        ),
        ("search_per_buy", service::search_per_buy(now(Sum::Searches90), now(Sum::Orders90))),
        ("contact_pressure", Some(pressure)),
        ("nps_last", terms.nps_last(at).map(f64::from)),
        ("profile_age_d", terms.profile_age_days(at)),
        ("overdue_minor", Some(exposure.overdue_minor as f64)),
        ("overdue_ratio", exposure.overdue_ratio()),
        ("dbt_days", credit.dbt_days(at, &sums)),
        ("ext_requests", Some(credit.ext_requests(at, &sums))),
        ("partial_payments", Some(credit.partial_payments(at, &sums))),
        ("orders_overdue", Some(f64::from(service_of(row).undelivered(at).1))),
        ("usage_trend", trend(usage[0], usage[1], 3.0)),
        ("cost_to_serve", Some(cost)),
    ])
}

#[test]
fn the_engine_and_the_plain_formulas_agree_on_the_catalogue() {
    let plan = plans::plan();
    let mut compared = 0;
    for row in customers() {
        // Also the very moments at which invoices and promises are due and answers expire.
        let mut times = vec![row.as_of, row.as_of + 1, START + 400 * DAY, START + 2_000 * DAY];
        times.extend(row.invoices.iter().map(|i| i.0));
        times.extend(&row.promised);
        times.extend(row.nps.iter().flat_map(|n| [n.1 + 365 * DAY - 1, n.1 + 365 * DAY]));
        for at in times.into_iter().filter(|at| *at >= row.as_of) {
            let said = engine(&plan, &row, at);
            let mut plain = formulas::by_events(&row);
            plain.extend(formulas::live(&plan, &row, at));
            for (name, want) in plain {
                let Some(got) = said.get(name) else { continue };
                compared += 1;
                let near = match (want, *got) {
                    (Some(want), Some(got)) => (want - got).abs() <= 1e-9 * want.abs().max(1e-3),
                    (want, got) => want == got,
                };
                assert!(near, "{name} of {row:?} at {at}: engine {got:?}, plain {want:?}");
            }
        }
    }
    assert!(compared > 40_000, "{compared}");
}
