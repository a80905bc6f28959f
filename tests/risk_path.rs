//! The path of risk between events against dense scanning: no crossing is missed, each is found to the millisecond.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use retain::signal::decay::Decay;
use retain::signal::exit::{Exit, FAR_MS, Window};
use retain::signal::regularity::Rhythm;
use retain::signal::risk::{LEVELS, Weights};
use retain::signal::risk_inputs::{
    Base, Debt, DecayedSum, Gap, OpenInvoice, PulledMean, Rates, RiskInputs,
};
use retain::signal::risk_path::Path;
use retain::signal::silence::{History, Model, Params};
use retain::signal::trend::{TrendRule, TrendSums};
use retain::signal::{DAY_MS, days};

/// Where all histories end.
const NOW_MS: i64 = 900_000_000_000;
/// What is scanned densely: two years.
const SCAN_MS: i64 = 730 * DAY_MS;

/// The same cases every time; more of them with PROPTEST_CASES.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(300),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(19_970_101),
        ..default
    }
}

fn sum(half_life_d: f64, most: f64) -> impl Strategy<Value = DecayedSum> {
    (0.0..most, 0..60 * DAY_MS).prop_map(move |(value, before)| DecayedSum {
        value,
        at_ms: NOW_MS - before,
        decay: Decay::from_half_life_d(half_life_d),
    })
}

fn rates(rule: fn(f64) -> TrendRule) -> impl Strategy<Value = Rates> {
    (0.0..60.0_f64, 0.5..8.0_f64, 0..60 * DAY_MS, 0..900 * DAY_MS, -12.0..-1.0_f64, 0..9_u32)
        .prop_map(move |(short, factor, before, age, ln_floor, events)| {
            let landmark_ms = NOW_MS - before;
            let long = short * factor + 0.01;
            let first_ms = landmark_ms - age;
            let sums = TrendSums { short, long, landmark_ms, first_ms, events };
            Rates { rule: rule(ln_floor.exp()), sums }
        })
}

fn base() -> impl Strategy<Value = Base> {
    let model = prop_oneof![
        3 => Just(Model::Mbg),
        1 => Just(Model::Bg),
        2 => (2..6_u8).prop_map(|k| Model::MbgCnbd { k })
    ];
    let silence = (model, 0..30_u32, 0..800_i64, 0..200_i64).prop_map(|(model, x, t_x, gone)| {
        let t_x_ms = if x == 0 { 0 } else { (t_x + 1) * DAY_MS };
        let history = History { x, t_x_d: days(t_x_ms) };
        let params = Params { model, ..Params::CDNOW_MBG };
        Base::Silence {
            curve: params.curve(history, 90.0),
            first_ms: NOW_MS - t_x_ms - gone * DAY_MS,
        }
    });
    prop_oneof![
        8 => silence,
        1 => (0.05..0.95_f64).prop_map(|p| Base::Constant { p }),
        1 => Just(Base::Unknown)
    ]
}

fn mean(half_life_d: f64, low: f64, prior_weight: f64) -> impl Strategy<Value = PulledMean> {
    (sum(half_life_d, 1.0), 0.1..9.0_f64, low..1.0_f64).prop_map(move |(sum, weight, mean)| {
        PulledMean {
            sum: DecayedSum { value: weight * mean, ..sum },
            weight,
            prior: if low < 0.0 { 0.0 } else { 0.75 },
            prior_weight,
        }
    })
}

fn debt() -> impl Strategy<Value = Debt> {
    let invoice = (-60..400_i64, 1..86_400_i64, 10.0..5000.0_f64).prop_map(|(day, s, amount)| {
        OpenInvoice { due_ms: NOW_MS + day * DAY_MS + s * 1000, amount }
    });
    (sum(180.0, 1.0), 0.0..60.0_f64, 0.0..9000.0_f64, prop::collection::vec(invoice, 0..5))
        .prop_map(|(sum, late_d, paid, open)| {
            let paid = (paid - 1000.0).max(0.0);
            Debt { late: DecayedSum { value: paid * late_d, ..sum }, paid, open }
        })
}

fn inputs() -> impl Strategy<Value = RiskInputs> {
    use prop::option::of;
    let gap = (0.5..9.0_f64, 2.0..200.0_f64, 0..200 * DAY_MS).prop_map(|(k_hat, mean_d, gone)| {
        Gap { rhythm: Rhythm { k_hat, g_bar_d: mean_d }, last_ms: NOW_MS - gone }
    });
    let first = (
        base(),
        of(gap),
        of(rates(TrendRule::volume)),
        of(rates(TrendRule::engagement)),
        of(0.0..3.0_f64),
    );
    let second = (
        of(sum(90.0, 6.0)),
        of(mean(180.0, 0.0, 3.0)),
        of(mean(30.0, -1.0, 0.0)),
        of(debt()),
        of(sum(180.0, 4.0)),
    );
    let third = (
        of(sum(14.0, 3.0)),
        of(any::<bool>()),
        of(0.0..1.0_f64),
        of(0.0..0.5_f64),
        of(NOW_MS - 10 * DAY_MS..NOW_MS + 400 * DAY_MS),
        of(sum(90.0, 1.5)),
    );
    (first, second, third).prop_map(|(a, b, c)| RiskInputs {
        base: a.0,
        gap: a.1,
        spend: a.2,
        visits: a.3,
        open_complaints: a.4.map(f64::floor),
        tickets: b.0,
        csat: b.1,
        sat_gap: b.2,
        debt: b.3,
        extensions: b.4,
        cancel_intent: c.0,
        opted_out: c.1,
        disc_share: c.2,
        return_rate: c.3,
        renewal_ms: c.4,
        contact_left: c.5,
    })
}

/// The first moment of a dense scan at which the risk is outside: every 6 hours, and every invoice's due moment.
fn scan(inputs: &RiskInputs, weights: &Weights, window: Window, until_ms: i64) -> Option<i64> {
    let mut moments: Vec<i64> =
        (1..).map(|i| NOW_MS + i * DAY_MS / 4).take_while(|t| *t <= until_ms).collect();
    for invoice in inputs.debt.iter().flat_map(|debt| &debt.open) {
        moments.extend([invoice.due_ms - 1, invoice.due_ms]);
    }
    moments.retain(|t| (NOW_MS..=until_ms).contains(t));
    moments.sort_unstable();
    moments.into_iter().find(|t| !window.holds(weights.risk(&inputs.facts_at(*t))))
}

thread_local! {
    static SEEN: Cell<[u64; 6]> = const { Cell::new([0; 6]) };
    /// How often the reach of a moment was known.
    static SEEN_REACH: Cell<u64> = const { Cell::new(0) };
}

fn check(inputs: &RiskInputs, weights: &Weights, edges: &[f64]) -> Result<(), TestCaseError> {
    let risk = |t: i64| weights.risk(&inputs.facts_at(t));
    let window = Window::around(risk(NOW_MS), edges);
    let until_ms = NOW_MS + SCAN_MS;
    let found = Path::new(inputs, weights).first_exit(window, NOW_MS, until_ms);
    let scanned = scan(inputs, weights, window, until_ms);
    match found.exit {
        Exit::At { at_ms } => {
            prop_assert!(at_ms > NOW_MS && at_ms <= until_ms);
            prop_assert!(!window.holds(risk(at_ms)));
            // Exact: inside a millisecond before, and during all of the minute before, by seconds.
            prop_assert!(window.holds(risk(at_ms - 1)), "{at_ms}");
            for s in 1..60 {
                let t = at_ms - s * 1000;
                prop_assert!(t < NOW_MS || window.holds(risk(t)));
            }
            prop_assert!(scanned.is_none_or(|s| s >= at_ms), "found {at_ms}, scanned {scanned:?}");
        }
        Exit::NotBefore { at_ms } => {
            prop_assert!(at_ms > NOW_MS);
            prop_assert!(scanned.is_none_or(|s| s >= at_ms), "not before {at_ms}, {scanned:?}");
        }
        Exit::Never => prop_assert!(false, "the search ends before"),
    }
    let now = Path::new(inputs, weights).at(NOW_MS);
    prop_assert_eq!(now.risk, risk(NOW_MS));
    for ahead_ms in [DAY_MS, 30 * DAY_MS, SCAN_MS] {
        let stays = Path::new(inputs, weights).stretch(&now, NOW_MS + ahead_ms).is_within(window);
        prop_assert!(!stays || scanned.is_none_or(|exit_ms| exit_ms > NOW_MS + ahead_ms));
    }
    for ahead_ms in [DAY_MS, 30 * DAY_MS] {
        let Some(reach) = Path::new(inputs, weights).reach(&now, NOW_MS, NOW_MS + ahead_ms) else {
            continue;
        };
        for step in 0..=100 {
            let risk = risk(NOW_MS + ahead_ms / 100 * step);
            prop_assert!(reach.low <= risk && risk <= reach.high, "{risk} beside {reach:?}");
        }
        SEEN_REACH.set(SEEN_REACH.get() + 1);
    }
    // The cheap bound promises no more than is true, and says something.
    let cheap = Path::new(inputs, weights).not_before(window, NOW_MS);
    let promised = match cheap.exit {
        Exit::NotBefore { at_ms } => at_ms,
        Exit::Never => i64::MAX,
        Exit::At { .. } => return Err(TestCaseError::fail("inside at the beginning")),
    };
    prop_assert!(promised > NOW_MS);
    if let Exit::At { at_ms } = found.exit {
        prop_assert!(promised <= at_ms, "promised {promised}, found {at_ms}");
    }
    prop_assert!(scanned.is_none_or(|s| s >= promised));
    SEEN.with(|seen| {
        let mut s = seen.get();
        s[0] += 1;
        s[1] += u64::from(matches!(found.exit, Exit::At { .. }));
        s[2] += u64::from(found.evaluations);
        s[3] = s[3].max(u64::from(found.evaluations));
        s[4] += u64::from(cheap.evaluations);
        s[5] = s[5].max(u64::from(cheap.evaluations));
        seen.set(s);
    });
    Ok(())
}

#[test]
fn no_crossing_is_missed() {
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let strategy = (inputs(), any::<bool>(), prop::collection::vec(0.02..0.98_f64, 1..4));
    runner
        .run(&strategy, |(inputs, b2b, edges)| {
            let weights = if b2b { Weights::B2B } else { Weights::B2C };
            check(&inputs, &weights, &edges)?;
            // a definition may turn any weight round
            let turned = Weights { b: weights.b.map(|b| -b), ..weights };
            check(&inputs, &turned, &edges)?;
            check(&inputs, &weights, &LEVELS.edges)
        })
        .unwrap();
    let [n, found, sum, worst, cheap, cheap_worst] = SEEN.with(Cell::get);
    assert!(SEEN_REACH.get() * 4 > n, "reach is seldom known: {} of {n}", SEEN_REACH.get());
    println!(
        "{n} searches, {found} crossings; evaluations exact mean {:.1}, worst {worst}; cheap mean {:.1}, worst {cheap_worst}",
        sum as f64 / n as f64,
        cheap as f64 / n as f64
    );
    assert!(found > n / 5, "too few crossings to prove anything");
    assert!(cheap_worst <= 45);
}

/// Edges close to the risk itself, where rising and falling parts hold each other: the hardest searches.
#[test]
fn edges_beside_the_risk_are_found_too() {
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let strategy = (inputs(), any::<bool>(), 1..400_i64, -1e-3..1e-3_f64);
    runner
        .run(&strategy, |(inputs, b2b, day, off)| {
            let weights = if b2b { Weights::B2B } else { Weights::B2C };
            let later = weights.risk(&inputs.facts_at(NOW_MS + day * DAY_MS));
            check(&inputs, &weights, &[later + off])
        })
        .unwrap();
    let [n, found, sum, worst, ..] = SEEN.with(Cell::get);
    println!(
        "{n} searches, {found} crossings; evaluations mean {:.1}, worst {worst}",
        sum as f64 / n as f64
    );
}

#[test]
fn silence_alone_is_its_own_inverse() {
    let weights = Weights::B2C;
    let curve = Params::CDNOW_MBG.curve(History { x: 5, t_x_d: 200.0 }, 90.0);
    let first_ms = NOW_MS - 200 * DAY_MS;
    let inputs = RiskInputs { base: Base::Silence { curve, first_ms }, ..RiskInputs::NOTHING };
    for theta in [0.5, 0.6, 0.8, 0.95] {
        let window = Window { low: 0.0, high: theta };
        let found = Path::new(&inputs, &weights).first_exit(window, NOW_MS, i64::MAX);
        let due = curve.p_silent_due_ms(first_ms, NOW_MS, theta).unwrap();
        let Exit::At { at_ms } = found.exit else { panic!("{found:?}") };
        assert!(at_ms.abs_diff(due) <= 1, "{at_ms} {due}");
    }
}

#[test]
fn what_stands_still_never_crosses() {
    let weights = Weights::B2B;
    let inputs = RiskInputs { opted_out: Some(true), ..RiskInputs::NOTHING };
    let window = Window { low: 0.5, high: 0.99 };
    let found = Path::new(&inputs, &weights).first_exit(window, NOW_MS, i64::MAX);
    assert_eq!(found.exit, Exit::Never);
    assert_eq!(Path::new(&inputs, &weights).not_before(window, NOW_MS).exit, Exit::Never);
    let until = NOW_MS + FAR_MS / 2;
    let found = Path::new(&inputs, &weights).first_exit(window, NOW_MS, until);
    assert_eq!(found.exit, Exit::NotBefore { at_ms: until });
    // Outside already.
    let outside = Window { low: 0.0, high: 0.1 };
    let found = Path::new(&inputs, &weights).first_exit(outside, NOW_MS, i64::MAX);
    assert_eq!(found.exit, Exit::At { at_ms: NOW_MS });
}

/// A trend that ends at its floor, an invoice that falls due: steps are found to the millisecond.
#[test]
fn steps_are_found() {
    let weights = Weights::B2B;
    let decay = Decay::from_half_life_d(180.0);
    let late = DecayedSum { value: 50.0 * 1000.0, at_ms: NOW_MS, decay };
    let due_ms = NOW_MS + 77 * DAY_MS + 12_345;
    let open = vec![OpenInvoice { due_ms, amount: 1e6 }];
    let inputs =
        RiskInputs { debt: Some(Debt { late, paid: 1000.0, open }), ..RiskInputs::NOTHING };
    let before = weights.risk(&inputs.facts_at(due_ms - 1));
    let after = weights.risk(&inputs.facts_at(due_ms));
    assert!(after < before - 0.01);
    let window = Window { low: (before + after) / 2.0, high: 1.0 };
    let found = Path::new(&inputs, &weights).first_exit(window, NOW_MS, i64::MAX);
    assert_eq!(found.exit, Exit::At { at_ms: due_ms });

    let first_ms = NOW_MS - 300 * DAY_MS;
    let sums = TrendSums { short: 0.5, long: 5.0, landmark_ms: NOW_MS, first_ms, events: 9 };
    let rates = Rates { rule: TrendRule::volume(0.01), sums };
    let inputs = RiskInputs { spend: Some(rates), ..RiskInputs::NOTHING };
    let window = Window { low: 0.85, high: 1.0 };
    let found = Path::new(&inputs, &weights).first_exit(window, NOW_MS, i64::MAX);
    let Exit::At { at_ms } = found.exit else { panic!("{found:?}") };
    assert!(rates.trend_at(at_ms - 1).is_some() && rates.trend_at(at_ms).is_none());
}
