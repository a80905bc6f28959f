//! Additive scores: contributions add up, what is not known moves nothing, levers and differences are exact.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use retain::signal::score::{
    Term, difference, eta, explain, levers, logit, points_per_log_odds, sigmoid,
};

/// 20,000 cases, the same every time; more of them with PROPTEST_CASES.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(20_000),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(19_970_101),
        ..default
    }
}

fn term() -> impl Strategy<Value = Term<usize>> {
    let z = prop_oneof![
        8 => (-15.0..15.0_f64).prop_map(Some),
        1 => Just(Some(f64::NAN)),
        2 => Just(None),
    ];
    let weight = prop_oneof![1 => Just(0.0), 6 => -1.5..1.5_f64];
    let reference = prop_oneof![3 => Just(0.0), 1 => -2.0..2.0_f64];
    (weight, z, reference).prop_map(|(weight, z, reference)| Term { key: 0, weight, z, reference })
}

fn terms() -> impl Strategy<Value = Vec<Term<usize>>> {
    prop::collection::vec(term(), 0..17).prop_map(|mut terms| {
        for (key, term) in terms.iter_mut().enumerate() {
            term.key = key;
        }
        terms
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn contributions_add_up(b0 in -3.0..3.0_f64, terms in terms()) {
        let e = explain(b0, &terms);
        prop_assert!((0.0..=1.0).contains(&e.score));
        let phi: f64 = e.contributions.iter().map(|c| c.phi).sum();
        prop_assert!((e.eta0 + phi - e.eta).abs() <= 1e-12 * (1.0 + e.eta.abs()));
        prop_assert_eq!(e.eta, eta(b0, &terms));
        let points: f64 = e.contributions.iter().map(|c| c.points).sum();
        // Rounding of the points is that of their own size: they may be far larger than their sum.
        let size: f64 = e.contributions.iter().map(|c| c.points.abs()).sum();
        let off = (points - 100.0 * (e.score - e.score0)).abs();
        prop_assert!(off <= 4e-13 * (1.0 + size / 100.0), "{off} {size}");
        prop_assert!(off <= 1e-9);
        for c in &e.contributions {
            prop_assert_eq!(c.phi.signum() * c.points.signum(), c.phi.signum() * c.phi.signum());
        }
    }

    #[test]
    fn what_is_not_known_moves_nothing(b0 in -3.0..3.0_f64, terms in terms(), which in 0..17_usize) {
        let mut without = terms.clone();
        let before = explain(b0, &terms);
        if let Some(term) = terms.get(which) {
            let phi = term.phi();
            without[which].z = None;
            let after = explain(b0, &without);
            prop_assert_eq!(after.eta0, before.eta0);
            prop_assert!((after.eta + phi - before.eta).abs() < 1e-12 * (1.0 + before.eta.abs()));
            prop_assert_eq!(after.missing.contains(&which), term.weight != 0.0);
            prop_assert!(after.of(which).is_none());
        }
        // Nothing known at all is the reference customer, bit for bit.
        for term in &mut without {
            term.z = None;
        }
        let nothing = explain(b0, &without);
        prop_assert_eq!(nothing.eta, nothing.eta0);
        prop_assert_eq!(nothing.score, before.score0);
        prop_assert!(nothing.contributions.is_empty());
    }

    #[test]
    fn a_lever_reaches_its_target(b0 in -3.0..3.0_f64, terms in terms(), target in 0.01..0.99_f64) {
        for lever in levers(b0, &terms, target, |_| (-2.0, 2.0)) {
            prop_assert_eq!(lever.possible, (-2.0..=2.0).contains(&lever.z_needed));
            let mut changed = terms.clone();
            changed[lever.key].z = Some(lever.z_needed);
            if changed[lever.key].weight.abs() > 1e-3 {
                prop_assert!((explain(b0, &changed).score - target).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn differences_add_up(b0 in -3.0..3.0_f64, pairs in prop::collection::vec((term(), term()), 0..17)) {
        let build = |second: bool| -> Vec<Term<usize>> {
            let of = |(key, (a, b)): (usize, &(Term<usize>, Term<usize>))| {
                Term { key, z: if second { b.z } else { a.z }, ..*a }
            };
            pairs.iter().enumerate().map(of).collect()
        };
        let (before, after) = (explain(b0, &build(false)), explain(b0, &build(true)));
        let changes = difference(&before, &after);
        let phi: f64 = changes.iter().map(|c| c.phi).sum();
        prop_assert!((phi - (after.eta - before.eta)).abs() < 1e-11);
        let points: f64 = changes.iter().map(|c| c.points).sum();
        prop_assert!((points - 100.0 * (after.score - before.score)).abs() < 1e-9);
        prop_assert!(changes.windows(2).all(|w| w[0].phi.abs() >= w[1].phi.abs()));
        prop_assert!(difference(&after, &after).is_empty());
    }

    #[test]
    fn sigmoid_and_logit_are_inverse(x in -30.0..30.0_f64) {
        prop_assert!((logit(sigmoid(x)) - x).abs() < 1e-12 * libm::exp(x.abs().max(7.0)));
        prop_assert!((sigmoid(x) + sigmoid(-x) - 1.0).abs() < 1e-15);
    }
}

#[test]
fn the_share_of_a_point_is_continuous_at_its_branches() {
    let at = |d: f64| points_per_log_odds(-1.0 + d, -1.0);
    assert!((at(0.0) - at(1e-9)).abs() < 1e-7);
    assert!((at(0.0) - at(-1e-9)).abs() < 1e-7);
    assert!((at(50.0) / at(50.000_001) - 1.0).abs() < 1e-6);
    // Far out nothing overflows.
    for (eta, eta0) in [(800.0, -800.0), (-800.0, 800.0), (1e6, 0.0), (-1e6, 0.0)] {
        let s = points_per_log_odds(eta, eta0);
        assert!(s.is_finite() && s >= 0.0);
        let change = 100.0 * (sigmoid(eta) - sigmoid(eta0));
        assert!((s * (eta - eta0) - change).abs() < 1e-9, "{eta} {eta0}");
    }
}
