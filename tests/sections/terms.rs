//! Terms: contract, recommendation, data's age, usage and deliveries, and all their dues.

use std::collections::{BTreeMap, BTreeSet};

use retain::engine::service::{DELIVERED_MAX, HIGHS_MAX, METRICS_MAX, ORDERS_MAX};
use retain::engine::sums::{Sum, Sums};
use retain::engine::terms::{Running, Terms};
use retain::model::record::{Position, Stamp};
use retain::signal::{DAY_MS, days};

use crate::naive::{Naive, again, histories, shuffle, stretch};
use crate::random::Random;

#[derive(Clone, Copy, Debug)]
enum What {
    Contract { start_ms: i64, renewal_ms: Option<i64>, signed: Option<bool> },
    Rating(u8),
    Referral,
    Profile(&'static str),
    Usage { metric: u64, quantity: f64, limit: Option<f64> },
    Delivery { order: u64, promised_ms: i64, delivered_ms: Option<i64> },
}

type Event = (Stamp, What);

fn history(random: &mut Random) -> Vec<Event> {
    let (from_ms, to_ms) = stretch(random);
    let mut highs = 0;
    let mut orders = 0;
    (0..random.below(50))
        .map(|offset| {
            let ts_ms = random.between(from_ms, to_ms);
            let position = Position { source: 0, offset: offset as i64 };
            let near = |random: &mut Random| (ts_ms + random.between(-40, 40) * DAY_MS / 3).max(0);
            let what = match random.below(6) {
                0 => What::Contract {
                    start_ms: from_ms + random.between(0, 5) * DAY_MS,
                    renewal_ms: random
                        .percent(60)
                        .then_some(to_ms + 100 * DAY_MS * random.between(0, 2)),
                    signed: random.percent(40).then_some(random.percent(50)),
                },
                1 => What::Rating(random.below(11) as u8),
                2 => What::Referral,
                3 => What::Profile(["", "crm", "erp", "web"][random.index(4)]),
                4 if highs < HIGHS_MAX => {
                    highs += 1;
                    What::Usage {
                        metric: random.below(METRICS_MAX as u64),
                        quantity: random.below(120) as f64,
                        limit: *random.pick(&[None, Some(0.0), Some(100.0), Some(50.0)]),
                    }
                }
                _ if orders < DELIVERED_MAX => {
                    orders += 1;
                    What::Delivery {
                        order: random.below(DELIVERED_MAX as u64 / 2),
                        promised_ms: near(random),
                        delivered_ms: random.percent(60).then_some(near(random)),
                    }
                }
                _ => What::Referral,
            };
            (Stamp { ts_ms, position }, what)
        })
        .collect()
}

fn apply(events: &[Event]) -> (Terms, Sums) {
    let (mut terms, mut sums) = (Terms::default(), Sums::default());
    for (stamp, what) in events {
        let ts_ms = stamp.ts_ms;
        match *what {
            What::Contract { start_ms, renewal_ms, signed } => {
                terms.contract(*stamp, start_ms, renewal_ms, signed);
            }
            What::Rating(nps) => terms.rating(ts_ms, nps),
            What::Referral => terms.referral(&mut sums, ts_ms),
            What::Profile(origin) => terms.profile(ts_ms, origin),
            What::Usage { metric, quantity, limit } => {
                terms.service_mut().usage(&mut sums, metric, ts_ms, quantity, limit);
            }
            What::Delivery { order, promised_ms, delivered_ms } => {
                let service = terms.service_mut();
                service.delivery(&mut sums, order, ts_ms, promised_ms, delivered_ms);
            }
        }
    }
    (terms, sums)
}

/// Earliest promise and last arrival of each order.
fn orders(events: &[Event]) -> Vec<(i64, Option<i64>)> {
    let mut orders: BTreeMap<u64, (i64, Option<i64>)> = BTreeMap::new();
    for (stamp, what) in events {
        if let What::Delivery { order, promised_ms, delivered_ms } = *what {
            let held = orders.entry(order).or_insert((i64::MAX, None));
            let delivered_ms = delivered_ms.map(|ms| ms.min(stamp.ts_ms));
            *held = (held.0.min(promised_ms), held.1.max(delivered_ms));
        }
    }
    orders.into_values().collect()
}

/// Since when each metric is high: its first high after its last low.
fn highs(events: &[Event]) -> Vec<i64> {
    let mut said: BTreeMap<u64, Vec<(i64, f64)>> = BTreeMap::new();
    for (stamp, what) in events {
        if let What::Usage { metric, quantity, limit: Some(limit) } = *what
            && limit > 0.0
        {
            said.entry(metric).or_default().push((stamp.ts_ms, quantity / limit));
        }
    }
    let since = said.into_values().filter_map(|list| {
        let low = list.iter().filter(|s| s.1 < 0.8).map(|s| s.0).max().unwrap_or(-1);
        list.iter().map(|s| s.0).filter(|at| *at > low).min()
    });
    since.collect()
}

fn naive(events: &[Event], orders: &[(i64, Option<i64>)]) -> Naive {
    let mut naive = Naive::default();
    for (stamp, what) in events {
        match *what {
            What::Referral => naive.add(Sum::Referrals180, stamp.ts_ms, 1.0),
            What::Usage { quantity, .. } => {
                naive.add(Sum::Usage30, stamp.ts_ms, quantity);
                naive.add(Sum::Usage180, stamp.ts_ms, quantity);
            }
            _ => {}
        }
    }
    for (promised_ms, delivered_ms) in orders {
        if let Some(at_ms) = *delivered_ms {
            let late_h = 24.0 * days((at_ms - promised_ms).max(0));
            naive.add(Sum::DeliveryLateLn90, at_ms, (1.0 + late_h).ln());
            naive.add(Sum::Deliveries90, at_ms, 1.0);
        }
    }
    naive
}

fn running(events: &[Event]) -> Option<Running> {
    let mut sorted: Vec<&Event> = events.iter().collect();
    sorted.sort_by_key(|e| e.0);
    let said = sorted.into_iter().filter_map(|(stamp, what)| match *what {
        What::Contract { start_ms, renewal_ms, signed } => {
            Some((stamp, start_ms, renewal_ms, signed))
        }
        _ => None,
    });
    let said: Vec<_> = said.collect();
    let start_ms = said.last()?.1;
    let renewal_ms = said.iter().rev().find_map(|s| s.2);
    let signing = said.iter().rev().find(|s| s.3.is_some());
    let signed = signing.is_some_and(|(stamp, _, of_ms, signed)| {
        *signed == Some(true)
            && if of_ms.is_some() { *of_ms == renewal_ms } else { stamp.ts_ms >= start_ms }
    });
    Some(Running { start_ms, renewal_ms, signed })
}

fn times(events: &[Event], wanted: impl Fn(&What) -> bool) -> Option<i64> {
    events.iter().filter(|e| wanted(&e.1)).map(|e| e.0.ts_ms).max()
}

#[test]
fn any_order_gives_what_the_list_says() {
    histories("terms", |random| {
        let mut events = history(random);
        let (orders, highs, running) = (orders(&events), highs(&events), running(&events));
        let naive = naive(&events, &orders);
        let newest_ms = events.iter().map(|e| e.0.ts_ms).max().unwrap_or(0);
        let tau_ms = newest_ms + random.between(0, 400 * DAY_MS);
        let rating =
            |e: &Event| if let What::Rating(n) = e.1 { Some((e.0.ts_ms, n)) } else { None };
        let nps = events.iter().filter_map(rating).max();
        let profile = times(&events, |what| matches!(what, What::Profile(_)));
        let origin = |e: &Event| if let What::Profile(o) = e.1 { Some(o) } else { None };
        let origins: BTreeSet<_> =
            events.iter().filter_map(origin).filter(|o| !o.is_empty()).collect();
        let delivered = orders.iter().filter_map(|o| o.1).max();
        let late: Vec<i64> = orders.iter().filter(|o| o.1.is_none()).map(|o| o.0).collect();
        let renewal = running.and_then(|r| r.renewal_ms);
        let mut dues: Vec<i64> = late.clone();
        dues.extend(highs.iter().map(|ms| ms + 14 * DAY_MS));
        dues.extend(delivered.map(|ms| ms + 7 * DAY_MS));
        dues.extend(nps.map(|(ms, _)| ms + 365 * DAY_MS));
        dues.extend(profile.map(|ms| ms + 365 * DAY_MS));
        dues.extend(renewal.iter().flat_map(|ms| [*ms, ms - 60 * DAY_MS]));
        let due_ms = dues.into_iter().filter(|ms| *ms > tau_ms).min().unwrap_or(i64::MAX);
        let mut before = None;
        for _ in 0..3 {
            shuffle(random, &mut events);
            let (terms, sums) = apply(&events);
            naive.check(&sums, tau_ms);
            assert_eq!(terms.running(), running);
            assert_eq!(terms.renewal_in_days(tau_ms), renewal.map(|ms| days(ms - tau_ms)));
            let holds = nps.filter(|(ms, _)| tau_ms < ms + 365 * DAY_MS).map(|(_, nps)| nps);
            assert_eq!(terms.nps_last(tau_ms), holds);
            assert_eq!(terms.profile_age_days(tau_ms), profile.map(|ms| days(tau_ms - ms)));
            assert_eq!(terms.origins() as usize, origins.len());
            if let Some(service) = terms.service() {
                assert_eq!(service.high_since_ms(), highs.iter().min().copied());
                let small = highs.iter().any(|since_ms| tau_ms - since_ms >= 14 * DAY_MS);
                assert_eq!(service.plan_too_small(tau_ms), small);
                let come: Vec<i64> = late.iter().copied().filter(|ms| *ms <= tau_ms).collect();
                let expected = (late.len() as u32, come.len() as u32, come.iter().min().copied());
                assert_eq!(service.undelivered(tau_ms), expected);
                assert_eq!(service.last_delivered_ms(), delivered);
            }
            assert_eq!(terms.next_due_ms(tau_ms), due_ms);
            assert_eq!(again(&terms), terms);
            assert_eq!(before.get_or_insert_with(|| terms.clone()), &terms);
        }
    });
}

#[test]
fn a_usage_high_for_long_keeps_its_beginning_and_a_low_ends_it() {
    let (mut terms, mut sums) = (Terms::default(), Sums::default());
    let mut usage = |day: i64, quantity| {
        terms.service_mut().usage(&mut sums, 1, day * DAY_MS, quantity, Some(10.0));
        let service = terms.service().unwrap();
        (service.high_since_ms(), service.plan_too_small(day * DAY_MS))
    };
    assert_eq!(usage(0, 7.9), (None, false));
    for day in 1..100 {
        assert_eq!(usage(day, 8.0), (Some(DAY_MS), day >= 15));
    }
    assert_eq!(usage(100, 5.0), (None, false));
    assert_eq!(usage(101, 9.0), (Some(101 * DAY_MS), false));
}

#[test]
fn delivered_orders_are_forgotten_first_and_metrics_by_age() {
    let (mut terms, mut sums) = (Terms::default(), Sums::default());
    for n in 0..60_u64 {
        let ts_ms = n as i64 * DAY_MS;
        let delivered_ms = (n % 2 == 0).then_some(ts_ms);
        terms.service_mut().delivery(&mut sums, n, ts_ms, ts_ms, delivered_ms);
    }
    let service = terms.service().unwrap();
    assert_eq!(service.undelivered(0).0 as usize, ORDERS_MAX - 2);
    assert_eq!(service.held().0, ORDERS_MAX);
    assert!(sums.at(Sum::Deliveries90, 59 * DAY_MS) > 20.0);
    for n in 0..20_u64 {
        terms.service_mut().usage(&mut sums, n, n as i64 * DAY_MS, 9.0, Some(10.0));
    }
    let since_ms = (20 - METRICS_MAX as i64) * DAY_MS;
    assert_eq!(terms.service().unwrap().high_since_ms(), Some(since_ms));
}
