//! Churn risk and loyalty: tables of inputs, and the path of risk between events against dense scanning.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use retain::signal::loyalty;
use retain::signal::quadrant::{Quadrant, quadrant};
use retain::signal::risk::{Basis, Facts, INPUTS, Input, LEVEL_NAMES, LEVELS, Weights};
use retain::signal::score::{levers, sigmoid};

#[test]
fn ids_are_stable_and_lead_back() {
    let ids: Vec<&str> = Input::ALL.iter().map(|input| input.id()).collect();
    assert_eq!(
        ids.join(" "),
        "base overdue_gap spend_falling engagement_falling open_complaints support_load \
         low_satisfaction disappointment late_payment extensions cancel_intent opted_out \
         discount_dependent returns renewal_near contact_left"
    );
    for (index, input) in Input::ALL.into_iter().enumerate() {
        assert_eq!(input as usize, index);
        assert_eq!(Input::from_id(input.id()), Some(input));
        assert!(!input.sentence().is_empty() && !input.sentence().ends_with('.'));
        assert!(input.range().0 < input.range().1);
        assert_eq!(input.basis() == Basis::Fitted, input == Input::Base);
    }
    assert_eq!(Input::from_id("nothing"), None);
    for (index, input) in loyalty::Input::ALL.into_iter().enumerate() {
        assert_eq!(input as usize, index);
        assert_eq!(loyalty::Input::from_id(input.id()), Some(input));
        assert!(!input.sentence().is_empty());
        assert_eq!(input.basis().name(), "expert_prior");
    }
    assert_eq!(LEVEL_NAMES.len(), LEVELS.edges.len() + 1);
    assert!(LEVELS.are_ordered(0.0, 1.0));
}

/// A customer with everything known, in the middle of every scale.
fn facts() -> Facts {
    Facts {
        p_silent: Some(0.7),
        gap_surprise: Some(0.9),
        volume_trend: Some(-0.5),
        engage_trend: Some(0.4),
        open_complaints: Some(1.0),
        tickets_90: Some(2.0),
        csat: Some(0.5),
        sat_gap: Some(-0.1),
        dbt_days: Some(12.0),
        extensions_180: Some(0.5),
        cancel_intent_14: Some(0.25),
        opted_out: Some(true),
        disc_share: Some(0.45),
        return_rate: Some(0.06),
        renewal_in_d: Some(45.0),
        contact_left_90: Some(0.5),
    }
}

#[test]
fn every_input_has_the_scale_of_its_definition() {
    let expected = [
        (0.7_f64 / 0.3).ln(),
        0.8,
        0.5,
        -0.4,
        0.5,
        0.5,
        1.0,
        0.4,
        0.4,
        0.25,
        0.25,
        1.0,
        0.5,
        0.2,
        0.25,
        0.5,
    ];
    for (input, z) in Input::ALL.into_iter().zip(expected) {
        let got = facts().z(input).unwrap();
        assert!((got - z).abs() < 1e-12, "{input:?}: {got} {z}");
        assert_eq!(Facts::default().z(input), None);
    }
    let beyond = Facts {
        p_silent: Some(1.0),
        gap_surprise: Some(0.2),
        volume_trend: Some(-3.0),
        engage_trend: Some(3.0),
        open_complaints: Some(9.0),
        tickets_90: Some(5.0),
        csat: Some(0.0),
        sat_gap: Some(1.0),
        dbt_days: Some(60.0),
        extensions_180: Some(4.0),
        cancel_intent_14: Some(7.0),
        opted_out: Some(false),
        disc_share: Some(0.0),
        return_rate: Some(0.9),
        renewal_in_d: Some(-3.0),
        contact_left_90: Some(2.0),
    };
    let limits = [0.0, 2.0, -2.0, 1.0, 1.0, 2.0, -1.0, 1.0, 1.0, 1.0, 0.0, -1.0, 1.0, 1.0, 1.0];
    for (input, z) in Input::ALL.into_iter().skip(1).zip(limits) {
        assert_eq!(beyond.z(input), Some(z), "{input:?}");
    }
    assert!((beyond.z(Input::Base).unwrap() - 999_999.0_f64.ln()).abs() < 1e-9);
    let nan = Facts { csat: Some(f64::NAN), ..facts() };
    assert_eq!(nan.z(Input::LowSatisfaction), None);
}

#[test]
fn every_input_stays_in_its_range_and_moves_one_way() {
    for step in 0..=200 {
        let v = f64::from(step) / 20.0 - 5.0;
        let all = Facts {
            p_silent: Some(v),
            gap_surprise: Some(v),
            volume_trend: Some(v),
            engage_trend: Some(v),
            open_complaints: Some(v),
            tickets_90: Some(v),
            csat: Some(v),
            sat_gap: Some(v),
            dbt_days: Some(v * 20.0),
            extensions_180: Some(v),
            cancel_intent_14: Some(v),
            opted_out: Some(v > 0.0),
            disc_share: Some(v),
            return_rate: Some(v),
            renewal_in_d: Some(v * 20.0),
            contact_left_90: Some(v),
        };
        for input in Input::ALL {
            let z = all.z(input).unwrap();
            let (low, high) = input.range();
            assert!(low <= z && z <= high, "{input:?} {z}");
        }
    }
}

#[test]
fn weight_sets_are_those_of_the_catalogue() {
    let risk = |facts: &Facts, w: &Weights| w.risk(facts);
    // Nothing known: the average customer, and all inputs that have a weight are listed.
    for (weights, used) in [(Weights::B2C, 11), (Weights::B2B, 15)] {
        assert!(weights.are_usable());
        let unknown = weights.explain(&Facts::default());
        assert_eq!(unknown.missing.len(), used);
        assert_eq!(unknown.score, unknown.score0);
        let base = 0.854_f64 / 0.146;
        assert!((unknown.eta - weights.of(Input::Base) * base.ln()).abs() < 1e-12);
        let full = weights.explain(&facts());
        assert!(full.missing.is_empty());
        assert_eq!(full.contributions.len(), used);
        assert_eq!(full.score, risk(&facts(), &weights));
    }
    // By hand.
    let eta = (0.7_f64 / 0.3).ln() + 0.15 - 0.1 + 0.3 + 0.2 + 0.5 + 0.1 + 0.25 + 0.4 + 0.1 + 0.06;
    assert!((Weights::B2C.risk(&facts()) - sigmoid(eta)).abs() < 1e-12);
    let eta = 0.8 * (0.7_f64 / 0.3).ln() + 0.64 + 0.3 - 0.14 + 0.45 + 0.25 + 0.6 + 0.16 + 0.24;
    let eta = eta + 0.175 + 0.3 + 0.2 + 0.04 + 0.2 + 0.35;
    assert!((Weights::B2B.risk(&facts()) - sigmoid(eta)).abs() < 1e-12);
    assert!(!Weights { p_silent_mean: 1.0, ..Weights::B2C }.are_usable());
    assert!(!Weights { b: [f64::NAN; INPUTS], ..Weights::B2C }.are_usable());
}

#[test]
fn only_possible_changes_are_called_possible() {
    let weights = Weights::B2C;
    let facts = Facts { p_silent: Some(0.55), csat: Some(0.5), ..Facts::default() };
    let e = weights.explain(&facts);
    assert!(e.score > 0.6, "{}", e.score);
    let levers = levers(weights.b0, &weights.terms(&facts), 0.55, Input::range);
    let of = |input| *levers.iter().find(|l| l.key == input).unwrap();
    let csat = of(Input::LowSatisfaction);
    assert!(csat.possible && csat.z_needed < csat.z);
    // Complaints are at none already: they cannot lower the risk.
    assert!(!of(Input::OpenComplaints).possible);
    assert_eq!(levers.len(), 11);
}

#[test]
fn loyalty_by_hand() {
    let nothing = loyalty::Facts::default();
    let unknown = loyalty::Weights::B2C.explain(&nothing);
    assert_eq!(unknown.missing.len(), 11);
    assert_eq!(loyalty::Weights::B2B.explain(&nothing).missing.len(), 13);
    assert!((loyalty::Weights::B2C.loyalty(&nothing) - 100.0 * sigmoid(-1.2)).abs() < 1e-12);
    let facts = loyalty::Facts {
        x: Some(6.0),
        p_silent: Some(0.2),
        tenure_d: Some(730.0),
        categories: Some(4.0),
        disc_share: Some(0.25),
        return_rate: Some(0.15),
        referrals_365: Some(1.0),
        nps_last: Some(2.0),
        engage_trend: Some(-1.0),
        k_hat: Some(3.0),
        adopt_new_365: Some(2.0),
        suggestions_365: Some(3.0),
        complaints_365: Some(1.0),
        suggest_share: Some(0.7),
        dbt_days: Some(6.0),
        contacts: Some(3.0),
    };
    let gone = |x: f64| 1.0 - (-x).exp();
    let z = [
        gone(2.0),
        0.6,
        gone(1.0),
        gone(1.0),
        0.5,
        -0.5,
        gone(1.0),
        -0.5,
        0.5,
        gone(2.0),
        0.4,
        0.8,
        gone(1.0),
    ];
    for (input, z) in loyalty::Input::ALL.into_iter().zip(z) {
        let got = facts.z(input).unwrap();
        assert!((got - z).abs() < 1e-12, "{input:?} {got} {z}");
        let (low, high) = input.range();
        assert!(low <= got && got <= high);
    }
    let w = loyalty::Weights::B2B;
    let eta: f64 = -1.2 + w.w.iter().zip(z).map(|(w, z)| w * z).sum::<f64>();
    assert!((w.loyalty(&facts) - 100.0 * sigmoid(eta)).abs() < 1e-10);
    assert_eq!(quadrant(Some(w.loyalty(&facts)), Some(0.8), 2.0), Some(Quadrant::Apostle));
}

#[test]
fn advocacy_is_referrals_before_answers() {
    let z = |referrals, nps| {
        let facts =
            loyalty::Facts { referrals_365: referrals, nps_last: nps, ..loyalty::Facts::default() };
        facts.z(loyalty::Input::Advocacy)
    };
    assert_eq!(z(None, None), None);
    assert_eq!(z(Some(0.0), None), Some(0.0));
    assert_eq!(z(Some(0.0), Some(10.0)), Some(0.5));
    assert_eq!(z(None, Some(0.0)), Some(-0.5));
    assert!((z(Some(2.0), Some(0.0)).unwrap() - (1.0 - (-2.0_f64).exp())).abs() < 1e-15);
    // One voice is no share.
    let one = loyalty::Facts {
        suggestions_365: Some(1.0),
        complaints_365: Some(0.5),
        suggest_share: Some(0.6),
        ..loyalty::Facts::default()
    };
    assert_eq!(one.z(loyalty::Input::Suggests), None);
}
