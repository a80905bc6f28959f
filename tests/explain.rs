//! Explanations of whole histories: the events give the row, for every customer; points add up; the order of rows, rows
//! read twice and rows that came later change nothing; what an event is worth is what a recomputation without it says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/explained.rs"]
mod explained;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/stream.rs"]
mod stream;

use std::sync::Arc;

use explained::{held, stored};
use retain::explain::report::{At, Explanation, Score, ToldFrom};
use retain::explain::text::render;
use retain::explain::{Asked, ExplainError, Held, Reading, Stored, explain};
use retain::model::money::{Currency, Rate};
use retain::plan::{Plan, WeightSet};
use sim::{Runner, Schedule};
use stream::{BEGIN_MS, DAY_MS, Shape, deliver, history};

const SHAPE: Shape = Shape { customers: 30, days: 120, events: 1_200, faults_permille: 5 };

fn plan(set: WeightSet) -> Arc<Plan> {
    let mut plan = plans::plan();
    let rate = |code: &str, digits, scale| (Currency::parse(code).unwrap(), Rate { digits, scale });
    plan.rates = vec![rate("EUR", 108, 2), rate("JPY", 67, 4), rate("USD", 1, 0)];
    plan.parameters.risk.weights.set = set;
    plan.parameters.loyalty.set = set;
    plan.limits.rejects_percent_max = 100;
    plan.limits.rejects_run_max = u32::MAX;
    Arc::new(plan)
}

/// Everything there is of each customer of a history.
fn town(plan: &Arc<Plan>, seed: u64, pass_days: i64) -> Vec<(String, Stored, Vec<Held>)> {
    let logs = deliver(seed, &history(seed, SHAPE), |_| 0);
    let mut runner = Runner::new(plan, 0, 1, logs, Schedule::straight(seed));
    runner.drain();
    runner.pass_to(BEGIN_MS + (SHAPE.days + pass_days) * DAY_MS);
    let customers = runner.tables.rows("customers");
    let customers = customers.map(|row| {
        let id = row.text("customer_id").to_owned();
        let held = held(&runner.tables, &id);
        (id, stored(row), held)
    });
    customers.collect()
}

fn asked(customer: &str) -> Asked {
    Asked { customer: customer.to_owned(), ..Asked::default() }
}

fn told(plan: &Arc<Plan>, asked: &Asked, stored: &Stored, held: &[Held]) -> Explanation {
    explain(plan, asked, stored, held, Reading::default()).unwrap()
}

fn sums(score: &Score) {
    let points: f64 = score.contributions.iter().map(|c| c.points).sum();
    assert!((points - score.points).abs() < 1e-9, "{points} {score:?}");
}

#[test]
fn the_events_give_the_row_of_every_customer() {
    let (mut with_score, mut with_events) = (0, 0);
    for (seed, set) in (0..6).zip([WeightSet::B2c, WeightSet::B2b].into_iter().cycle()) {
        let plan = plan(set);
        for (id, stored, held) in town(&plan, seed, [5, 400][seed as usize % 2]) {
            let e = told(&plan, &asked(&id), &stored, &held);
            assert_eq!(e.row.agrees, Some(true), "seed {seed}, {id}: {:?} {stored:?}", e.row);
            assert_eq!((e.told_from, e.at), (ToldFrom::Events, At(stored.judged_ms)));
            assert_eq!(e.events.unreadable, 0);
            assert!(e.notes.iter().all(|n| n.code != "no_longer_held"), "{:?}", e.notes);
            let Some(risk) = &e.risk else {
                assert_eq!(stored.risk, None);
                continue;
            };
            with_score += 1;
            assert!((risk.score - stored.risk.unwrap()).abs() <= 1e-9);
            assert_eq!(risk.band.as_ref().unwrap().level, usize::from(stored.risk_band), "{id}");
            let loyalty = e.loyalty.as_ref().unwrap();
            assert!((loyalty.score - stored.loyalty.unwrap()).abs() <= 1e-7);
            for (score, row) in
                [(risk, &stored.risk_contributions), (loyalty, &stored.loyalty_contributions)]
            {
                sums(score);
                for c in &score.contributions {
                    let said = row.get(c.input.input).copied().unwrap_or(0.0);
                    assert!((c.log_odds - said).abs() <= 1e-9 * (1.0 + said.abs()), "{id} {c:?}");
                    with_events += c.events.largest.len();
                }
            }
        }
    }
    assert!(with_score > 100 && with_events > 1_000, "{with_score} {with_events}");
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let plan = plan(WeightSet::B2b);
    let mut random = random::Random::new(7);
    for (id, stored, mut held) in town(&plan, 3, 30) {
        let asked = Asked { since_ms: Some(BEGIN_MS + 60 * DAY_MS), ..asked(&id) };
        let once = told(&plan, &asked, &stored, &held);
        for _ in 0..3 {
            for at in (1..held.len()).rev() {
                held.swap(at, random.index(at + 1));
            }
            let again = told(&plan, &asked, &stored, &held);
            assert_eq!(again, once);
            assert_eq!(render(&again), render(&once));
        }
        let twice: Vec<Held> = held.iter().chain(&held).cloned().collect();
        assert_eq!(told(&plan, &asked, &stored, &twice), once);
    }
}

#[test]
fn what_the_row_has_not_seen_is_not_held_against_it() {
    let plan = plan(WeightSet::B2c);
    let mut changed = 0;
    for (id, stored, mut held) in town(&plan, 4, 30) {
        let Some(last) = held.iter().rfind(|row| row.source == "purchases").cloned() else {
            continue;
        };
        let version = stored.version + 1;
        held.push(Held { version, offset: last.offset + 1_000_000, ..last });
        let e = told(&plan, &asked(&id), &stored, &held);
        assert_eq!(e.row.agrees, Some(true), "{id}");
        let before = stored.risk.is_some_and(|risk| (risk - e.risk.unwrap().score).abs() > 1e-6);
        changed += usize::from(before);
    }
    assert!(changed > 0, "a later event counts at once");
}

/// The effect of an event by the plainest way: the same question without its row.
#[test]
fn an_event_is_worth_what_goes_without_it() {
    let plan = plan(WeightSet::B2b);
    let mut compared = 0;
    for (id, stored, held) in town(&plan, 5, 20).into_iter().take(12) {
        let ask = Asked { at_ms: Some(stored.judged_ms), ..asked(&id) };
        let with = told(&plan, &ask, &stored, &held);
        for row in &held {
            let rest: Vec<Held> = held.iter().filter(|other| *other != row).cloned().collect();
            let without = told(&plan, &ask, &stored, &rest);
            let pairs = [(&with.risk, &without.risk), (&with.loyalty, &without.loyalty)];
            for (with, without) in pairs {
                for c in with.iter().flat_map(|score| &score.contributions) {
                    let shown = c.events.largest.iter().find(|e| {
                        (e.topic.as_str(), e.partition, e.offset)
                            == (row.topic.as_str(), row.partition, row.offset)
                    });
                    let rest = without.iter().flat_map(|score| &score.contributions);
                    let rest = rest.clone().find(|other| other.input == c.input);
                    let effect = c.log_odds - rest.map_or(0.0, |other| other.log_odds);
                    match shown {
                        Some(shown) => {
                            compared += 1;
                            assert!(
                                (shown.log_odds - effect).abs() < 1e-9,
                                "{id} {shown:?} {effect}"
                            );
                        }
                        // what is not shown is not larger than what is
                        None => {
                            let least = c.events.largest.last().map_or(0.0, |e| e.log_odds.abs());
                            let full = c.events.largest.len() == 5;
                            let most = if full { least + 1e-9 } else { 1e-9 };
                            assert!(effect.abs() <= most, "{id} {c:?} {effect} {row:?}");
                        }
                    }
                }
            }
        }
    }
    assert!(compared > 300, "{compared}");
}

#[test]
fn a_lever_takes_the_score_across_its_edge() {
    let mut crossed = 0;
    for set in [WeightSet::B2c, WeightSet::B2b] {
        let plan = plan(set);
        for (id, stored, held) in town(&plan, 6, 60) {
            let e = told(&plan, &asked(&id), &stored, &held);
            for (score, scale, b0) in [(e.risk, 1.0, 0.0), (e.loyalty, 100.0, -1.2)] {
                let Some(score) = score else { continue };
                let logit = |p: f64| (p / (1.0 - p)).ln();
                let eta = logit(score.score / scale);
                let _ = b0;
                for crossing in &score.crossings {
                    for lever in &crossing.changes {
                        let now = score.contributions.iter().find(|c| c.input == lever.input);
                        let Some(now) = now else { continue };
                        let eta = eta + now.weight * (lever.z_needed - now.z);
                        let after = scale / (1.0 + (-eta).exp());
                        let off = (after - crossing.edge)
                            * if crossing.direction == "up" { 1.0 } else { -1.0 };
                        assert!(off > -1e-6 * scale, "{id} {crossing:?} {lever:?} {after}");
                        crossed += 1;
                    }
                }
            }
        }
    }
    assert!(crossed > 100, "{crossed}");
}

#[test]
fn a_difference_is_told_by_time_and_by_events() {
    let plan = plan(WeightSet::B2b);
    let (mut moved, mut by_events) = (0, 0);
    for (id, stored, held) in town(&plan, 8, 10) {
        let since_ms = BEGIN_MS + 80 * DAY_MS;
        let ask = Asked { since_ms: Some(since_ms), ..asked(&id) };
        if since_ms >= stored.judged_ms {
            let refused = explain(&plan, &ask, &stored, &held, Reading::default());
            assert!(matches!(refused, Err(ExplainError::SinceNotBefore { .. })), "{refused:?}");
            continue;
        }
        let e = told(&plan, &ask, &stored, &held);
        let then = Asked { at_ms: Some(since_ms), ..asked(&id) };
        let then = told(&plan, &then, &stored, &held);
        let since = e.since.unwrap();
        let pairs = [(since.risk, then.risk, e.risk), (since.loyalty, then.loyalty, e.loyalty)];
        for (movement, before, after) in pairs {
            let Some(movement) = movement else {
                assert!(before.is_none() && after.is_none());
                continue;
            };
            let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-7,
                (a, b) => a == b,
            };
            assert!(close(movement.before, before.map(|s| s.score)), "{id}");
            assert!(close(movement.after, after.map(|s| s.score)), "{id}");
            let Some(points) = movement.points else { continue };
            let sum: f64 = movement.changes.iter().map(|change| change.points).sum();
            assert!((sum - points).abs() < 1e-9, "{id} {sum} {points}");
            for change in &movement.changes {
                moved += 1;
                by_events += change.events.largest.len();
                let late = change.events.largest.iter().all(|effect| effect.ts > At(since_ms));
                assert!(late, "{change:?}");
                if change.events.largest.is_empty() {
                    let off = (change.points - change.time_alone_points).abs();
                    assert!(off < 1e-6, "no event moved it, so time did: {id} {change:?}");
                }
            }
        }
    }
    assert!(moved > 100 && by_events > 100, "{moved} {by_events}");
}

#[test]
fn events_that_are_gone_are_told() {
    let plan = plan(WeightSet::B2c);
    let mut from_row = 0;
    for (id, stored, held) in town(&plan, 9, 10) {
        let cut_ms = BEGIN_MS + 60 * DAY_MS;
        let kept: Vec<Held> = held.iter().filter(|row| row.ts_ms >= cut_ms).cloned().collect();
        let e = explain(
            &plan,
            &asked(&id),
            &stored,
            &kept,
            Reading { cut_before_ms: None, kept_days: 30 },
        )
        .unwrap();
        if kept.len() == held.len() {
            assert_eq!(e.row.agrees, Some(true));
            continue;
        }
        assert!(e.notes.iter().any(|n| n.code == "no_longer_held"), "{id} {:?}", e.notes);
        if e.row.agrees == Some(false) {
            // the row is what counts: its score, and points that add up to it
            from_row += 1;
            assert_eq!((e.told_from, e.at), (ToldFrom::Row, At(stored.judged_ms)));
            let risk = e.risk.map(|risk| {
                sums(&risk);
                risk.score
            });
            match (risk, stored.risk) {
                (Some(told), Some(said)) => assert!((told - said).abs() < 1e-9, "{told} {said}"),
                other => assert_eq!(other, (None, None)),
            }
            if let (Some(told), Some(said)) = (e.loyalty, stored.loyalty) {
                assert!((told.score - said).abs() < 1e-7);
                sums(&told);
            }
        }
    }
    assert!(from_row > 5, "{from_row}");
}

#[test]
fn another_definition_is_told() {
    let (b2c, b2b) = (plan(WeightSet::B2c), plan(WeightSet::B2b));
    let (id, stored, held) = town(&b2c, 10, 10).swap_remove(3);
    let e = told(&b2b, &asked(&id), &stored, &held);
    assert_eq!(e.row.agrees, None);
    assert_eq!(e.notes[0].code, "other_model");
    assert_eq!(e.told_from, ToldFrom::Events);
    // a source that the definition does not know
    let mut strange = held.clone();
    strange[0].source = "till".to_owned();
    let e = told(&b2c, &asked(&id), &stored, &strange);
    assert_eq!(e.events.unreadable, 1);
    assert!(e.notes.iter().any(|n| n.code == "unreadable"));
}
