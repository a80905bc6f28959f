//! Properties of the mathematics of `signal`: monotone curves, exact crossings, order-independent sums, windows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use retain::signal::decay::{Decay, add_shared};
use retain::signal::lifecycle::{Bands, Lifecycle, Step, next, next_edge};
use retain::signal::silence::{Curve, History, Model, Params};
use retain::signal::window::{BUCKET_MS, bucket_index, window_sum};
use retain::signal::{DAY_MS, days};

/// The same cases every time; more of them with PROPTEST_CASES.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(2000),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(19_970_101),
        ..default
    }
}

fn params() -> impl Strategy<Value = Params> {
    let model = prop_oneof![Just(Model::Mbg), Just(Model::Bg)];
    (model, 0.01..15.0_f64, -1.0..7.5_f64, 0.02..8.0_f64, 0.1..30.0_f64).prop_map(
        |(model, r, ln_alpha, a, b)| Params::from_days(model, r, ln_alpha.exp(), a, b).unwrap(),
    )
}

/// Histories with the last purchase on a whole millisecond, as they are in the engine.
fn history() -> impl Strategy<Value = (History, i64)> {
    (0..400_u32, 0..4000 * DAY_MS).prop_map(|(x, t_x_ms)| {
        let t_x_ms = if x == 0 { 0 } else { t_x_ms };
        (History { x, t_x_d: days(t_x_ms) }, t_x_ms)
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn probabilities_are_monotone_in_age(
        params in params(), (h, _) in history(), age in 0.0..3000.0_f64, later in 0.0..1000.0_f64, horizon in 1.0..400.0_f64
    ) {
        let age = h.t_x_d + age;
        let curve = params.curve(h, horizon);
        let (p, q) = (curve.p_silent(age), curve.p_silent(age + later));
        prop_assert!((0.0..=1.0).contains(&p));
        prop_assert!(q >= p - 4e-16, "{p} then {q}");
        prop_assert!(curve.p_alive(age + later) <= curve.p_alive(age));
        prop_assert!(curve.p_silent(1e12) > 0.98);
        let (e, f) = (params.expected_if_alive(h, age, horizon), params.expected_if_alive(h, age + later, horizon));
        prop_assert!(f <= e * (1.0 + 1e-9), "{e} then {f}");
    }

    #[test]
    fn p_alive_crossing_is_its_inverse(params in params(), (h, _) in history(), theta in 0.001..0.999_f64) {
        match params.p_alive_crossing_d(h, theta) {
            Some(age_d) => {
                prop_assert!(age_d > h.t_x_d);
                let p = params.p_alive(h, age_d);
                prop_assert!((p / theta - 1.0).abs() < 1e-10, "{p}");
            }
            None => {
                let never = params.model == Model::Bg && h.x == 0;
                prop_assert!(never || params.p_alive(h, h.t_x_d) <= theta * (1.0 + 1e-12));
            }
        }
    }

    #[test]
    fn p_silent_due_is_the_first_millisecond(
        params in params(), (h, t_x_ms) in history(), horizon in 1.0..400.0_f64, theta in 0.001..0.999_f64,
        t_first in -1_000_000_000_000..2_000_000_000_000_i64, wait in 0..100 * DAY_MS
    ) {
        let curve = params.curve(h, horizon);
        let from = t_first + t_x_ms + wait;
        let reached = |ms: i64| curve.p_silent(days(ms - t_first)) >= theta;
        match curve.p_silent_due_ms(t_first, from, theta) {
            Some(due) => {
                prop_assert!(due >= from && reached(due));
                prop_assert!(due == from || !reached(due - 1));
                let age_d = curve.p_silent_crossing_d(theta, days(from - t_first)).unwrap();
                let due_age_d = days(due - t_first);
                prop_assert!((age_d - due_age_d).abs() <= 1e-7 + 1e-11 * due_age_d, "{age_d} {due_age_d}");
            }
            None => prop_assert!(curve.p_silent(365_000.0) < theta),
        }
    }

    #[test]
    fn p_silent_due_agrees_with_bisection(
        params in params(), (h, t_x_ms) in history(), horizon in 1.0..400.0_f64, theta in 0.001..0.999_f64
    ) {
        let curve = params.curve(h, horizon);
        let slow = bisect(&curve, theta, t_x_ms);
        if let Some(due) = curve.p_silent_due_ms(0, t_x_ms, theta) {
            // Where the curve is flatter than a float a millisecond, several ages may claim to be the first.
            let slope = (curve.p_silent(days(slow) * 1.01) - curve.p_silent(days(slow) * 0.99)) / (0.02 * slow as f64);
            let slack = 1 + (4e-16 / slope.max(1e-30)) as i64;
            prop_assert!((due - slow).abs() <= slack, "{due} {slow} slack {slack}");
        }
    }

    #[test]
    fn decayed_sums_do_not_know_the_order(
        half_life in 1.0..400.0_f64,
        mut events in prop::collection::vec((0..3650 * DAY_MS, -50.0..500.0_f64), 1..60)
    ) {
        let decay = Decay::from_half_life_d(half_life);
        let sum = |events: &[(i64, f64)]| events.iter().fold((0.0, i64::MIN), |(v, ts), (t, y)| decay.add(v, ts, *t, *y));
        let arrived = sum(&events);
        events.sort_by(|one, other| one.partial_cmp(other).unwrap());
        let sorted = sum(&events);
        events.reverse();
        let reversed = sum(&events);
        let plain: f64 = events.iter().map(|(t, y)| y * 0.5_f64.powf(days(arrived.1 - t) / half_life)).sum();
        let scale: f64 = events.iter().map(|(t, y)| y.abs() * 0.5_f64.powf(days(arrived.1 - t) / half_life)).sum();
        for (v, ts) in [sorted, reversed] {
            prop_assert_eq!(ts, arrived.1);
            prop_assert!((v - arrived.0).abs() <= 1e-12 * scale);
        }
        prop_assert!((plain - arrived.0).abs() <= 1e-12 * scale, "{} {}", plain, arrived.0);
    }

    #[test]
    fn shared_landmarks_change_no_bit(
        events in prop::collection::vec((0..3650 * DAY_MS, -50.0..500.0_f64, 0.0..2.0_f64), 1..30)
    ) {
        let decays = [Decay::from_half_life_d(30.0), Decay::from_half_life_d(180.0)];
        let (mut sums, mut ts) = ([0.0; 2], i64::MIN);
        let mut apart = [(0.0, i64::MIN); 2];
        for (t, y, z) in events {
            ts = add_shared(&decays, &mut sums, ts, t, &[y, z]);
            apart = [decays[0].add(apart[0].0, apart[0].1, t, y), decays[1].add(apart[1].0, apart[1].1, t, z)];
        }
        prop_assert_eq!([(sums[0], ts), (sums[1], ts)], apart);
    }

    #[test]
    fn trend_falls_while_nothing_happens(
        events in prop::collection::vec((0..900 * DAY_MS, 1.0..500.0_f64), 1..30), steps in prop::collection::vec(1..60 * DAY_MS, 1..30)
    ) {
        let decays = [Decay::from_half_life_d(30.0), Decay::from_half_life_d(180.0)];
        let (mut sums, mut ts) = ([0.0; 2], i64::MIN);
        for (t, y) in &events {
            ts = add_shared(&decays, &mut sums, ts, *t, &[*y, *y]);
        }
        let first = events.iter().map(|(t, _)| *t).min().unwrap();
        let (mut tau, mut before) = (ts, f64::INFINITY);
        for step in steps {
            let [short, long] = [0, 1].map(|i| decays[i].rate_per_day(decays[i].value_at(sums[i], ts, tau), tau - first));
            let trend = retain::signal::decay::trend(short, long, 1e9).unwrap();
            prop_assert!(trend < before + 1e-13, "{trend} after {before}");
            before = trend;
            tau += step;
        }
    }

    #[test]
    fn window_is_the_plain_definition(
        purchases in prop::collection::vec((0..400 * DAY_MS, -100_000..1_000_000_i64), 0..80), tau in 0..420 * DAY_MS
    ) {
        let buckets = purchases.iter().map(|(t, cents)| (bucket_index(*t).unwrap(), *cents));
        // In exact 3-day units of 1/width: whole buckets, the oldest by what is left of it.
        let k = tau / BUCKET_MS;
        let elapsed = i128::from(tau - k * BUCKET_MS);
        let whole: i128 = purchases.iter().filter(|(t, _)| (k - 29..=k).contains(&(t / BUCKET_MS))).map(|p| i128::from(p.1)).sum();
        let oldest: i128 = purchases.iter().filter(|(t, _)| t / BUCKET_MS == k - 30).map(|p| i128::from(p.1)).sum();
        let width = i128::from(BUCKET_MS);
        let exact_times_width = whole * width + oldest * (width - elapsed);
        let got = i128::from(window_sum(buckets, tau));
        let twice_error = 2 * (got * width - exact_times_width).abs();
        prop_assert!(twice_error <= width, "not the nearest");
        prop_assert!(twice_error < width || got % 2 == 0, "tie not to even");
    }

    #[test]
    fn stepping_at_the_edges_is_dense_evaluation(
        params in prop_oneof![Just(Params::CDNOW_MBG), Just(Params::CDNOW_BG), params()],
        gaps in prop::collection::vec(DAY_MS..700 * DAY_MS, 0..8), tail in 0..2000 * DAY_MS, stride in DAY_MS / 3..30 * DAY_MS
    ) {
        let bands = Bands::default();
        let (mut by_dues, mut dense) = (Lifecycle::Prospect, Lifecycle::Prospect);
        let (mut last, mut x) = (0, None);
        for gap in std::iter::once(0).chain(gaps.iter().copied()) {
            if let Some(repeats) = x {
                let curve = curve_of(&params, repeats, last);
                (by_dues, dense) = pass(&curve, repeats, (by_dues, dense), (last, last + gap), stride, &bands)?;
            }
            last += gap;
            x = Some(x.map_or(0, |repeats| repeats + 1));
            let p = curve_of(&params, x.unwrap(), last).p_silent(days(last));
            by_dues = next(by_dues, p, x, Step::Bought, &bands);
            dense = next(dense, p, x, Step::Bought, &bands);
            prop_assert_eq!(by_dues, dense);
        }
        let curve = curve_of(&params, x.unwrap(), last);
        pass(&curve, x.unwrap(), (by_dues, dense), (last, last + tail), stride, &bands)?;
    }
}

/// First age in milliseconds from `from` on that reaches theta, by doubling and halving.
fn bisect(curve: &Curve, theta: f64, from: i64) -> i64 {
    let reached = |ms: i64| curve.p_silent(days(ms)) >= theta;
    if reached(from) {
        return from;
    }
    let (mut low, mut high) = (from, from + DAY_MS);
    while !reached(high) && high < 400_000 * DAY_MS {
        (low, high) = (high, high + (high - from));
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if reached(middle) { high = middle } else { low = middle }
    }
    high
}

fn curve_of(params: &Params, x: u32, t_x_ms: i64) -> Curve {
    params.curve(History { x, t_x_d: days(t_x_ms) }, 90.0)
}

/// Time passes from one moment to another: one customer is looked at when due, the other at every stride.
fn pass(
    curve: &Curve,
    x: u32,
    (mut by_dues, mut dense): (Lifecycle, Lifecycle),
    (from, to): (i64, i64),
    stride: i64,
    bands: &Bands,
) -> Result<(Lifecycle, Lifecycle), TestCaseError> {
    let due_after =
        |state, now| next_edge(state, bands).and_then(|edge| curve.p_silent_due_ms(0, now, edge));
    let mut due = due_after(by_dues, from);
    let mut looked = 0;
    for tau in (from..=to).step_by(stride as usize).chain(std::iter::once(to)) {
        while let Some(moment) = due.filter(|due| *due <= tau) {
            by_dues = next(by_dues, curve.p_silent(days(moment)), Some(x), Step::Time, bands);
            due = due_after(by_dues, moment);
            looked += 1;
            prop_assert!(looked <= 3, "more dues than edges");
        }
        dense = next(dense, curve.p_silent(days(tau)), Some(x), Step::Time, bands);
        prop_assert_eq!(by_dues, dense, "at {} of {}..{}", tau, from, to);
    }
    Ok((by_dues, dense))
}
