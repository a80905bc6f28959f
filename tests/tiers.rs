//! Tiers of a population: buckets against exact sorting, on the CDNOW sample and on random values; removal; moves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use retain::signal::DAY_MS;
use retain::signal::tier_moves::{Abc, DWELL_MS, Decision, Place, Tier, decide, wanted};
use retain::signal::tiers::{
    AbcBy, BAND, Bucket, Cuts, EPS, Histogram, LN_GAMMA, POPULATION_MIN, Shares, ln_of,
};

/// The same cases every time; more of them with PROPTEST_CASES.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(500),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(19_970_101),
        ..default
    }
}

fn histogram(values: &[f64]) -> Histogram {
    let mut histogram = Histogram::default();
    for value in values {
        histogram.add(Bucket::of_ln(ln_of(*value)));
    }
    histogram
}

/// Spend of each customer of the shipped sample, the smallest first.
fn cdnow() -> Vec<f64> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cdnow/purchases_sample.ndjson");
    let mut cents: BTreeMap<String, i64> = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let amount = (event["amount"].as_f64().unwrap() * 100.0).round() as i64;
        *cents.entry(event["customer_id"].as_str().unwrap().to_string()).or_default() += amount;
    }
    let mut values: Vec<f64> = cents.values().map(|cents| *cents as f64 / 100.0).collect();
    values.sort_by(f64::total_cmp);
    assert_eq!(values.len(), 2357);
    values
}

/// Size of the smallest set of best customers with `share` of the sales, by sorting.
fn exact_best(sorted: &[f64], share: f64) -> u64 {
    let total: f64 = sorted.iter().sum();
    let mut held = 0.0;
    let mut count = 0;
    for value in sorted.iter().rev() {
        held += value;
        count += 1;
        if held >= share * total {
            break;
        }
    }
    count
}

#[test]
fn bucket_width_is_that_of_one_percent() {
    assert_eq!(LN_GAMMA, libm::log1p(2.0 * EPS / (1.0 - EPS)));
}

#[test]
fn cdnow_cut_offs_are_within_one_percent_of_sorting() {
    let sorted = cdnow();
    let histogram = histogram(&sorted);
    assert_eq!(histogram.population(), 2357);
    for q in [0.2, 0.5, 0.8, 0.95, 0.99] {
        let exact = sorted[(q * (sorted.len() - 1) as f64).floor() as usize];
        let sketch = histogram.quantile(q).unwrap().ln_value().exp();
        println!("P{} exact {exact:.2} sketch {sketch:.2}", q * 100.0);
        assert!((sketch / exact - 1.0).abs() <= EPS * 1.000_001, "{q}: {exact} {sketch}");
    }
    println!("buckets {}", histogram.len());
}

#[test]
fn cdnow_classes_are_those_of_the_reference() {
    let sorted = cdnow();
    assert_eq!((exact_best(&sorted, 0.85), exact_best(&sorted, 0.95)), (960, 1578));
    let histogram = histogram(&sorted);
    let (a, ab) = (histogram.best_by_sales(0.85).unwrap(), histogram.best_by_sales(0.95).unwrap());
    println!("by buckets: A {} A+B {}", a.customers, ab.customers);
    // Within the customers of one bucket of the exact sort.
    let in_bucket = |wanted: Bucket| {
        histogram.iter().find(|(bucket, _)| *bucket == wanted).map_or(0, |(_, count)| count)
    };
    assert!(a.customers.abs_diff(960) <= in_bucket(a.from));
    assert!(ab.customers.abs_diff(1578) <= in_bucket(ab.from));
    let by_customers = histogram.best_by_customers(0.2).unwrap();
    assert_eq!(by_customers.customers, 472);
}

#[test]
fn the_shares_of_one_tier_come_out() {
    let values: Vec<f64> = cdnow();
    let cuts = Cuts::of(&histogram(&values), &Shares::default()).unwrap();
    let places: Vec<Place> = values.iter().map(|v| wanted(None, ln_of(*v), &cuts)).collect();
    let count = |test: fn(&Place) -> bool| places.iter().filter(|p| test(p)).count() as f64;
    let n = values.len() as f64;
    assert!((count(|p| p.tier == Tier::Gold) / n - 0.2).abs() < 0.01);
    assert!((count(|p| p.key) / n - 0.05).abs() < 0.005);
    // Many customers spent exactly the price at the cut: those below it are fewer than a fifth.
    let below = values.iter().filter(|v| **v < 15.36 * (1.0 - EPS)).count() as f64;
    let up_to = values.iter().filter(|v| **v < 15.36 * (1.0 + EPS)).count() as f64;
    assert!((below..=up_to).contains(&count(|p| p.tier == Tier::Lead)), "{below} {up_to}");
    assert!((count(|p| p.abc == Abc::A) - 960.0).abs() <= 14.0);
    assert!((count(|p| p.abc >= Abc::B) - 1578.0).abs() <= 16.0);
    // Rising with value, and key customers are gold.
    for (a, b) in places.iter().zip(&places[1..]) {
        assert!(a.tier <= b.tier && a.abc <= b.abc && a.key <= b.key);
        assert!(!a.key || a.tier == Tier::Gold);
    }
    let by = Shares { abc_by: AbcBy::Customers, a: 0.05, b: 0.15, ..Shares::default() };
    let cuts = Cuts::of(&histogram(&values), &by).unwrap();
    let a = values.iter().filter(|v| wanted(None, ln_of(**v), &cuts).abc == Abc::A).count();
    assert!((a as f64 / n - 0.05).abs() < 0.005);
}

#[test]
fn nothing_is_apart() {
    assert_eq!(Bucket::of_ln(ln_of(0.0)), Bucket::NOTHING);
    assert_eq!(Bucket::of_ln(ln_of(-5.0)), Bucket::NOTHING);
    assert_eq!(Bucket::of_ln(ln_of(f64::NAN)), Bucket::NOTHING);
    assert_eq!(Bucket::of_ln(f64::NAN), Bucket::NOTHING);
    assert!(Bucket::of_ln(-1e9) > Bucket::NOTHING);
    assert_eq!(Bucket::of_ln(f64::INFINITY).number(), i16::MAX);
    assert_eq!(Bucket::NOTHING.ln_value(), f64::NEG_INFINITY);
    let mut zeros = Histogram::default();
    zeros.add_many(Bucket::NOTHING, 1000);
    assert_eq!(zeros.best_by_sales(0.85), None);
    assert_eq!(Cuts::of(&zeros, &Shares::default()), None);
    // Four of five have nothing: the cut-offs lie at nothing, and nothing still is lead.
    zeros.add_many(Bucket::of_ln(2.0), 150);
    let cuts = Cuts::of(&zeros, &Shares::default()).unwrap();
    assert_eq!(cuts.gold, Bucket::NOTHING);
    let nothing = wanted(None, f64::NEG_INFINITY, &cuts);
    assert_eq!(nothing, Place { tier: Tier::Lead, abc: Abc::C, key: false });
    let something = wanted(None, 2.0, &cuts);
    assert_eq!(something.tier, Tier::Gold);
}

#[test]
fn small_populations_have_no_tiers() {
    let values = vec![5.0; POPULATION_MIN as usize - 1];
    let mut few = histogram(&values);
    assert_eq!(Cuts::of(&few, &Shares::default()), None);
    few.add(Bucket::of_ln(1.0));
    assert!(Cuts::of(&few, &Shares::default()).is_some());
    assert_eq!(Cuts::of(&Histogram::default(), &Shares::default()), None);
}

#[test]
fn a_band_holds_and_a_dwell_confirms() {
    let at = |v: f64| Bucket::of_ln(ln_of(v));
    let cuts = Cuts { iron: at(10.0), gold: at(100.0), key: at(500.0), a: at(200.0), b: at(20.0) };
    let gold = wanted(None, cuts.gold.ln_value(), &cuts);
    assert_eq!(gold.tier, Tier::Gold);
    let below = |share: f64| cuts.gold.ln_value() + share.ln();
    assert_eq!(wanted(None, below(0.999), &cuts).tier, Tier::Iron);
    assert_eq!(wanted(Some(gold), below(0.951), &cuts).tier, Tier::Gold);
    let iron = wanted(Some(gold), below(0.949), &cuts);
    assert_eq!(iron.tier, Tier::Iron);
    assert_eq!(wanted(Some(gold), f64::NEG_INFINITY, &cuts).tier, Tier::Lead);

    assert_eq!(decide(None, None, gold, 5, DWELL_MS), Decision::Move { to: gold });
    assert_eq!(decide(Some(gold), None, gold, 5, DWELL_MS), Decision::Keep);
    let Decision::Wait { waiting, due_ms } = decide(Some(gold), None, iron, 5, DWELL_MS) else {
        panic!("a move waits")
    };
    assert_eq!(due_ms, 5 + 7 * DAY_MS);
    let again = decide(Some(gold), Some(waiting), iron, due_ms - 1, DWELL_MS);
    assert_eq!(again, Decision::Wait { waiting, due_ms });
    let moved = decide(Some(gold), Some(waiting), iron, due_ms, DWELL_MS);
    assert_eq!(moved, Decision::Move { to: iron });
    // Back in between: the wait is over; another wish begins its own.
    assert_eq!(decide(Some(gold), Some(waiting), gold, 6, DWELL_MS), Decision::Keep);
    let lead = Place { tier: Tier::Lead, ..iron };
    let Decision::Wait { due_ms, .. } = decide(Some(gold), Some(waiting), lead, 9, DWELL_MS) else {
        panic!("a move waits")
    };
    assert_eq!(due_ms, 9 + 7 * DAY_MS);
    assert_eq!(decide(Some(gold), None, iron, 5, 0), Decision::Move { to: iron });
}

#[test]
fn names_and_numbers_are_stable() {
    let tiers: Vec<_> = Tier::ALL.iter().map(|t| (t.number(), t.name())).collect();
    assert_eq!(tiers, [(1, "lead"), (2, "iron"), (3, "gold")]);
    let classes: Vec<_> = Abc::ALL.iter().map(|t| (t.number(), t.name())).collect();
    assert_eq!(classes, [(1, "C"), (2, "B"), (3, "A")]);
    assert_eq!(Tier::from_number(3), Some(Tier::Gold));
    assert_eq!((Tier::from_number(0), Abc::from_number(4)), (None, None));
}

/// Values over eighteen decades, some of them not positive.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![9 => (-20.0..21.0_f64).prop_map(f64::exp), 1 => -5.0..=0.0_f64]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn quantiles_are_within_one_percent(mut values in prop::collection::vec(value(), 1..400), q in 0.0..=1.0_f64) {
        let sketch = histogram(&values).quantile(q).unwrap();
        values.sort_by(f64::total_cmp);
        let exact = values[(q * (values.len() - 1) as f64).floor() as usize];
        if exact > 0.0 {
            prop_assert!((sketch.ln_value().exp() / exact - 1.0).abs() <= EPS * 1.000_001);
        } else {
            prop_assert_eq!(sketch, Bucket::NOTHING);
        }
    }

    #[test]
    fn order_of_values_is_order_of_buckets(a in value(), b in value()) {
        let (x, y) = (Bucket::of_ln(ln_of(a)), Bucket::of_ln(ln_of(b)));
        let in_order = if a <= b { x <= y || a <= 0.0 } else { y <= x || b <= 0.0 };
        prop_assert!(in_order, "{x:?} {y:?}");
        prop_assert_eq!(Bucket::from_number(x.number()), x);
    }

    #[test]
    fn removal_leaves_no_trace(kept in prop::collection::vec(value(), 0..60), gone in prop::collection::vec(value(), 0..60)) {
        let before = histogram(&kept);
        let mut all = before.clone();
        all.merge(&histogram(&gone));
        prop_assert_eq!(all.population(), (kept.len() + gone.len()) as u64);
        for value in gone.iter().rev() {
            prop_assert!(all.remove(Bucket::of_ln(ln_of(*value))));
        }
        prop_assert_eq!(&all, &before);
        let bytes = postcard::to_stdvec(&all).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<Histogram>(&bytes).unwrap(), &before);
        let absent = Bucket::from_number(32_000);
        prop_assert!(!all.remove(absent));
        prop_assert!(!all.replace(Some(absent), None));
        prop_assert_eq!(&all, &before);
    }

    #[test]
    fn changed_values_count_once(moves in prop::collection::vec((0..20_usize, value()), 0..200)) {
        let mut now: [Option<f64>; 20] = [None; 20];
        let mut counted = Histogram::default();
        let bucket = |v: f64| Bucket::of_ln(ln_of(v));
        for (customer, value) in moves {
            prop_assert!(counted.replace(now[customer].map(bucket), Some(bucket(value))));
            now[customer] = Some(value);
        }
        let values: Vec<f64> = now.into_iter().flatten().collect();
        prop_assert_eq!(counted, histogram(&values));
    }

    #[test]
    fn best_sets_hold_their_share(values in prop::collection::vec(value(), 1..300), share in 0.01..0.999_f64) {
        let counted = histogram(&values);
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| *v > 0.0).collect();
        sorted.sort_by(f64::total_cmp);
        let Some(best) = counted.best_by_sales(share) else {
            prop_assert!(sorted.is_empty());
            return Ok(());
        };
        // With every value off by 1 % at most, the share of a set is off by a factor of 1.01/0.99 at most.
        let total: f64 = sorted.iter().sum();
        let held = |n: u64| sorted.iter().rev().take(n as usize).sum::<f64>() / total;
        let off = 1.01 / 0.99 + 1e-9;
        prop_assert!(held(best.customers) * off >= share);
        prop_assert!(held(best.customers - 1) / off <= share);
    }

    #[test]
    fn everybody_whose_place_moves_is_in_the_sweep(
        values in prop::collection::vec(value(), 100..300), scale in 0.5..2.0_f64, shift in 0..40_usize, probe in value()
    ) {
        let shares = Shares::default();
        let before = Cuts::of(&histogram(&values), &shares);
        let later: Vec<f64> = values.iter().skip(shift).map(|v| v * scale).chain(vec![1.0; shift]).collect();
        let (Some(before), Some(after)) = (before, Cuts::of(&histogram(&later), &shares)) else { return Ok(()) };
        let s = ln_of(probe);
        let ranges = after.affected(Some(&before));
        let swept = ranges.iter().any(|range| range.contains(&Bucket::of_ln(s)));
        // A customer settled under the old cut-offs, from above and from below the band.
        for start in [None, Some(Place { tier: Tier::Gold, abc: Abc::A, key: true })] {
            let old = wanted(start, s, &before);
            prop_assert!(wanted(Some(old), s, &after) == old || swept, "{old:?} {ranges:?}");
        }
        prop_assert_eq!(after == before, ranges.is_empty());
        prop_assert!(ranges.iter().zip(ranges.iter().skip(1)).all(|(a, b)| a.end() < b.start()));
        prop_assert_eq!(after.affected(None).len(), 1);
        prop_assert!(BAND > 0.0);
    }
}
