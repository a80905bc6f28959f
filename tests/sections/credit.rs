//! Credit: exposure, days beyond terms, entities, limits and dues.

use std::collections::{BTreeMap, BTreeSet};

use retain::engine::credit::{Credit, Exposure, INVOICES_MAX, OVERDUE_STEPS_D, PAID_MAX};
use retain::engine::sums::{Sum, Sums};
use retain::signal::{DAY_MS, days};

use crate::naive::{Naive, again, histories, near, shuffle, stretch};
use crate::random::Random;

#[derive(Clone, Debug)]
enum What {
    Invoice { amount: i64, due_ms: i64, entity: String },
    Payment(i64),
    Extension,
}

#[derive(Clone, Debug)]
struct Event {
    id: u64,
    ts_ms: i64,
    what: What,
}

fn history(random: &mut Random, invoices: u64) -> Vec<Event> {
    let (from_ms, to_ms) = stretch(random);
    let time = |random: &mut Random| random.between(from_ms, to_ms);
    let mut events = Vec::new();
    for id in 0..invoices {
        let id = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let amount = random.between(0, 1_000_000);
        for _ in 0..[0, 1, 1, 1, 2][random.index(5)] {
            let ts_ms = time(random);
            let due_ms = ts_ms + random.between(-30, 60) * DAY_MS / 2;
            let entity = ["", "", "e-1", "e-2", "e-0"][random.index(5)].to_owned();
            let amount = amount + random.between(0, 2);
            events.push(Event { id, ts_ms, what: What::Invoice { amount, due_ms, entity } });
        }
        for _ in 0..random.index(4) {
            let minor = *random.pick(&[amount, amount / 2, amount / 3, 1, 0]);
            events.push(Event { id, ts_ms: time(random), what: What::Payment(minor) });
        }
        if random.percent(20) {
            events.push(Event { id, ts_ms: time(random), what: What::Extension });
        }
    }
    events
}

fn apply(events: &[Event]) -> (Credit, Sums) {
    let (mut credit, mut sums) = (Credit::default(), Sums::default());
    for Event { id, ts_ms, what } in events {
        match what {
            What::Invoice { amount, due_ms, entity } => {
                credit.invoice(&mut sums, *id, *ts_ms, *amount, *due_ms, entity);
            }
            What::Payment(minor) => credit.payment(&mut sums, *id, *ts_ms, *minor),
            What::Extension => credit.extension(&mut sums, *id, *ts_ms),
        }
    }
    (credit, sums)
}

/// Amount, due, entity, payments in order, as the events say at last.
struct Known {
    amount: i64,
    due_ms: i64,
    entity: String,
    paid: Vec<(i64, i64)>,
}

impl Known {
    fn open(&self) -> i64 {
        (self.amount - self.paid.iter().map(|p| p.1).sum::<i64>()).max(0)
    }
}

fn known(events: &[Event]) -> Vec<Known> {
    let ids: BTreeSet<u64> = events.iter().map(|e| e.id).collect();
    let of = |id: u64| events.iter().filter(move |e| e.id == id);
    ids.into_iter()
        .filter_map(|id| {
            let (_, amount, due_ms, entity) = of(id)
                .filter_map(|e| match &e.what {
                    What::Invoice { amount, due_ms, entity } => {
                        Some((e.ts_ms, *amount, *due_ms, entity.clone()))
                    }
                    _ => None,
                })
                .max()?;
            let payments = of(id).filter_map(|e| match e.what {
                What::Payment(minor) => Some((e.ts_ms, minor)),
                _ => None,
            });
            let mut paid: Vec<_> = payments.collect();
            paid.sort_unstable();
            Some(Known { amount, due_ms, entity, paid })
        })
        .collect()
}

fn naive(events: &[Event], known: &[Known]) -> Naive {
    let mut naive = Naive::default();
    for invoice in known {
        let mut so_far = 0;
        for (ts_ms, minor) in &invoice.paid {
            so_far += minor;
            naive.add(Sum::Paid180, *ts_ms, *minor as f64);
            let late_d = days((ts_ms - invoice.due_ms).max(0));
            naive.add(Sum::LateDays180, *ts_ms, *minor as f64 * late_d);
            if so_far < invoice.amount && *minor > 0 {
                naive.add(Sum::Partials180, *ts_ms, 1.0);
            }
        }
    }
    for event in events.iter().filter(|e| matches!(e.what, What::Extension)) {
        naive.add(Sum::Extensions180, event.ts_ms, 1.0);
    }
    naive
}

fn exposure<'a>(known: impl Iterator<Item = &'a Known>, tau_ms: i64) -> Exposure {
    let mut all = Exposure::default();
    for invoice in known {
        all.open_minor += invoice.open();
        if invoice.due_ms <= tau_ms {
            all.overdue_minor += invoice.open();
            all.overdue_minor_ms +=
                i128::from(invoice.open()) * i128::from(tau_ms - invoice.due_ms);
        }
    }
    all
}

#[test]
fn any_order_gives_what_the_list_says() {
    histories("credit", |random| {
        let invoices = random.below(PAID_MAX as u64 + 1);
        let mut events = history(random, invoices);
        let known = known(&events);
        let naive = naive(&events, &known);
        let newest_ms = events.iter().map(|e| e.ts_ms).max().unwrap_or(0);
        let tau_ms = newest_ms + random.between(0, 100 * DAY_MS);
        let mut before = None;
        for _ in 0..3 {
            shuffle(random, &mut events);
            let (credit, sums) = apply(&events);
            naive.check(&sums, tau_ms);
            assert_eq!(credit.exposure(tau_ms), exposure(known.iter(), tau_ms));
            check_entities(&credit, &known, tau_ms);
            near(credit.dbt_days(tau_ms, &sums), dbt_days(&known, &naive, tau_ms));
            assert_eq!(credit.next_due_ms(tau_ms), next_due_ms(&known, tau_ms));
            assert_eq!(again(&credit), credit);
            assert_eq!(credit.held().1, 0);
            assert_eq!(before.get_or_insert_with(|| credit.clone()), &credit);
        }
    });
}

/// What every legal entity owes and has paid, by the list of events.
fn check_entities(credit: &Credit, known: &[Known], tau_ms: i64) {
    let mut of: BTreeMap<&str, Vec<&Known>> = BTreeMap::new();
    known.iter().for_each(|k| of.entry(&k.entity).or_default().push(k));
    let found: Vec<_> = credit.by_entity(tau_ms).collect();
    let names: Vec<&str> = found.iter().map(|statement| statement.entity).collect();
    assert_eq!(names, of.keys().copied().collect::<Vec<_>>());
    assert_eq!(names, credit.entities().collect::<Vec<_>>());
    for statement in &found {
        let list = &of[statement.entity];
        let mut open: Vec<_> = list.iter().map(|k| (k.due_ms, k.open())).collect();
        open.retain(|(_, minor)| *minor > 0);
        open.sort_unstable();
        assert_eq!(statement.open, open);
        let payments = || list.iter().flat_map(|k| k.paid.iter().map(|p| (k.due_ms, p.0, p.1)));
        assert_eq!(statement.last_payment_ms, payments().map(|p| p.1).max());
        let (mut paid, mut late, mut absolute) = (0.0, 0.0, 0.0);
        for (due_ms, at_ms, minor) in payments() {
            let left = minor as f64 * 0.5_f64.powf(days(tau_ms - at_ms) / 180.0);
            paid += left;
            late += left * days((at_ms - due_ms).max(0));
            absolute += left.abs() * (1.0 + days((at_ms - due_ms).max(0)));
        }
        assert!((statement.paid - paid).abs() <= 1e-9 * absolute, "{statement:?} {paid}");
        assert!((statement.late_days - late).abs() <= 1e-9 * absolute, "{statement:?} {late}");
    }
}

fn dbt_days(known: &[Known], naive: &Naive, tau_ms: i64) -> Option<f64> {
    let open = exposure(known.iter(), tau_ms);
    let late = naive.at(Sum::LateDays180, tau_ms).0 + open.overdue_minor_ms as f64 / DAY_MS as f64;
    let all = naive.at(Sum::Paid180, tau_ms).0 + open.overdue_minor as f64;
    (all > 0.0).then(|| late / all)
}

fn next_due_ms(known: &[Known], tau_ms: i64) -> i64 {
    let open = known.iter().filter(|k| k.open() > 0);
    let steps = open.flat_map(|k| OVERDUE_STEPS_D.map(|d| k.due_ms + d * DAY_MS));
    steps.filter(|ms| *ms > tau_ms).min().unwrap_or(i64::MAX)
}

#[test]
fn days_beyond_terms_change_sides_at_their_due_and_nowhere_else() {
    histories("dbt's due", |random| {
        let mut events = history(random, 6);
        shuffle(random, &mut events);
        let (credit, sums) = apply(&events);
        let newest_ms = events.iter().map(|e| e.ts_ms).max().unwrap_or(0);
        let after_ms = newest_ms + random.between(0, 50 * DAY_MS);
        let now = credit.dbt_days(after_ms, &sums).unwrap_or(1.0);
        let theta = *random.pick(&[7.0, 15.0, now * 0.8, now * 0.99, now * 1.01, now * 1.5]);
        let late = |ms| credit.dbt_days(ms, &sums).is_some_and(|dbt| dbt >= theta);
        let end_ms = (credit.next_due_ms(after_ms) - 1).min(after_ms + 3_000 * DAY_MS);
        let flip = credit.dbt_flip_ms(after_ms, theta, &sums);
        let until_ms = flip.unwrap_or(i64::MAX).min(end_ms + 1);
        for n in 0..=200 {
            let ms = after_ms + (until_ms - 1 - after_ms) / 200 * n;
            assert_eq!(late(ms), late(after_ms), "changed unseen at {ms}, due {flip:?}");
        }
        if let Some(ms) = flip {
            assert!(ms > after_ms && late(ms) != late(after_ms) && late(ms - 1) == late(after_ms));
        }
    });
}

#[test]
fn the_oldest_paid_are_forgotten_first_and_open_ones_stay() {
    let (mut credit, mut sums) = (Credit::default(), Sums::default());
    for n in 0..40_u64 {
        let ts_ms = n as i64 * DAY_MS;
        credit.invoice(&mut sums, n, ts_ms, 100, ts_ms + 30 * DAY_MS, "");
        if n % 2 == 0 {
            credit.payment(&mut sums, n, ts_ms + 1, 100);
        }
    }
    assert_eq!(credit.held(), (20 + PAID_MAX, 4));
    assert_eq!(credit.exposure(0).open_minor, 2_000);
    for n in 100..300_u64 {
        credit.invoice(&mut sums, n, n as i64 * DAY_MS, 100, n as i64 * DAY_MS, "e");
    }
    assert_eq!(credit.held().0, INVOICES_MAX);
    assert_eq!(credit.exposure(0).open_minor, 6_400);
    assert_eq!(credit.by_entity(0).count(), 1);
    assert!(
        (sums.at(Sum::Paid180, 300 * DAY_MS) - {
            let paid = (0..40).step_by(2).map(|n| 300 * DAY_MS - (n * DAY_MS + 1));
            paid.map(|age| 100.0 * 0.5_f64.powf(days(age) / 180.0)).sum::<f64>()
        })
        .abs()
            < 1e-9
    );
}

#[test]
fn many_payments_of_one_invoice_count_whole() {
    let (mut credit, mut sums) = (Credit::default(), Sums::default());
    credit.invoice(&mut sums, 1, 0, 1_000, 10 * DAY_MS, "");
    for n in 0..30 {
        credit.payment(&mut sums, 1, n * DAY_MS, 10);
    }
    assert_eq!(credit.exposure(0).open_minor, 700);
    let paid = |n: i64| 0.5_f64.powf(days(29 * DAY_MS - n * DAY_MS) / 180.0) * 10.0;
    let late: f64 = (11..30).map(|n| paid(n) * (n - 10) as f64).sum();
    assert!((sums.at(Sum::LateDays180, 29 * DAY_MS) - late).abs() < 1e-9 * late);
}

#[test]
fn an_invoice_paid_too_much_pays_for_no_other() {
    let (mut credit, mut sums) = (Credit::default(), Sums::default());
    credit.payment(&mut sums, 1, 5, 9_000);
    assert_eq!(credit.dbt_days(5, &sums), None);
    credit.invoice(&mut sums, 1, 0, 1_000, 10, "a");
    credit.invoice(&mut sums, 2, 0, 300, 10, "b");
    let found: Vec<_> = credit.by_entity(10).map(|s| (s.entity, s.open)).collect();
    assert_eq!(found, [("a", vec![]), ("b", vec![(10, 300)])]);
    assert_eq!(credit.exposure(9).overdue_ratio(), Some(0.0));
    assert_eq!(credit.exposure(10).overdue_ratio(), Some(1.0));
}
