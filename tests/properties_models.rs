//! Properties of the models of `signal`: regular buyers, contracts, spend and value, rhythm, trends. Nothing is NaN.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use retain::signal::contract::Sbg;
use retain::signal::decay::Decay;
use retain::signal::regularity::{Gaps, Regularity};
use retain::signal::silence::{History, Model, Params};
use retain::signal::trend::{TrendRule, TrendSums};
use retain::signal::value::{GammaGamma, ValueRule};
use retain::signal::{DAY_MS, days};

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

fn regular() -> impl Strategy<Value = Params> {
    let model = prop_oneof![
        (2..=20_u8).prop_map(|k| Model::MbgCnbd { k }),
        (2..=20_u8).prop_map(|k| Model::BgCnbd { k })
    ];
    (model, 0.01..15.0_f64, 0.0..7.5_f64, 0.02..8.0_f64, 0.1..30.0_f64).prop_map(
        |(model, r, ln_alpha, a, b)| Params::from_days(model, r, ln_alpha.exp(), a, b).unwrap(),
    )
}

fn history() -> impl Strategy<Value = (History, i64)> {
    (0..200_u32, 1..4000 * DAY_MS).prop_map(|(x, t_x_ms)| {
        let t_x_ms = if x == 0 { 0 } else { t_x_ms };
        (History { x, t_x_d: days(t_x_ms) }, t_x_ms)
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn regular_models_fall_to_a_valley_and_rise(
        params in regular(), (h, _) in history(), horizon in 1.0..400.0_f64, share in 0.0..1.0_f64, later in 0.0..1000.0_f64
    ) {
        let curve = params.curve(h, horizon);
        let valley = curve.valley_age_d();
        prop_assert!(valley >= h.t_x_d && valley.is_finite());
        let before = h.t_x_d + share * (valley - h.t_x_d);
        let (top, left, low, right) =
            (curve.p_silent(h.t_x_d), curve.p_silent(before), curve.p_silent(valley), curve.p_silent(valley + later));
        let slack = 1e-12;
        prop_assert!(top >= left - slack && left >= low - slack && low <= right + slack, "{top} {left} {low} {right}");
        prop_assert!(curve.p_silent_rising(before) == low);
        prop_assert!(curve.p_silent_rising(valley + later) == right);
        prop_assert!(curve.p_silent(valley + 2.0 * later) >= right - slack);
        for p in [top, left, low, right, curve.p_alive(before), curve.p_buys_if_alive(before)] {
            prop_assert!((0.0..=1.0).contains(&p), "{p}");
        }
        prop_assert!(curve.p_alive(valley + later) <= curve.p_alive(before) + slack);
    }

    #[test]
    fn dues_of_regular_models_are_the_first_millisecond(
        params in regular(), (h, t_x_ms) in history(), horizon in 1.0..400.0_f64, theta in 0.001..0.999_f64,
        wait in 0..100 * DAY_MS
    ) {
        let curve = params.curve(h, horizon);
        let from = t_x_ms + wait;
        let reached = |ms: i64| curve.p_silent_rising(days(ms)) >= theta;
        match curve.p_silent_due_ms(0, from, theta) {
            Some(due) => {
                prop_assert!(due >= from && reached(due));
                prop_assert!(due == from || !reached(due - 1));
            }
            None => prop_assert!(curve.p_silent_rising(365_000.0) < theta),
        }
        if let Some(age_d) = params.p_alive_crossing_d(h, theta) {
            prop_assert!((params.p_alive(h, age_d) / theta - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn expectations_of_regular_models_grow_with_the_horizon(
        params in regular(), (h, _) in history(), silent in 0.0..900.0_f64, horizon in 1.0..400.0_f64
    ) {
        let age = h.t_x_d + silent;
        let (near, far) = (params.expected(h, age, horizon), params.expected(h, age, 1.5 * horizon));
        prop_assert!(near.is_finite() && near >= 0.0);
        prop_assert!(far >= near * (1.0 - 1e-9), "{near} {far}");
        // No fewer purchases than the chance of at least one.
        prop_assert!(near >= (1.0 - params.p_silent(h, age, horizon)) - 1e-11);
        prop_assert!(params.ln_likelihood(h, age).is_finite());
    }

    #[test]
    fn contracts_renew_more_with_tenure(
        a in 0.01..50.0_f64, b in 0.01..50.0_f64, renewals in 0..10_000_u32, discount in 0.0001..3.0_f64
    ) {
        let model = Sbg::new(a, b).unwrap();
        let (now, next) = (model.renewal_rate(renewals), model.renewal_rate(renewals + 1));
        prop_assert!(0.0 < now && now < next && next < 1.0);
        let e = model.expected_renewals(renewals, 12);
        prop_assert!(e > 0.0 && e < 12.0 && e > model.discounted_renewals(renewals, 12, discount));
        let whole = model.residual_lifetime(renewals, discount).unwrap();
        prop_assert!(whole >= (1.0 + discount) * model.discounted_renewals(renewals, 12, discount) * (1.0 - 1e-12));
        prop_assert!(whole <= (1.0 + discount) / discount);
    }

    #[test]
    fn surprise_rises_to_its_due(
        list in prop::collection::vec(1..2000_u32, 0..40), g_pop_d in 0.5..400.0_f64, theta in 0.001..0.999_f64,
        elapsed in 0.0..3000.0_f64, more in 0.0..500.0_f64
    ) {
        let gaps = Gaps {
            n: list.len() as u32,
            sum_d: list.iter().map(|g| f64::from(*g)).sum(),
            sum_ln_d: list.iter().map(|g| libm::log(f64::from(*g))).sum(),
        };
        let rhythm = Regularity { g_pop_d, ..Regularity::default() }.rhythm(gaps);
        prop_assert!(rhythm.k_hat > 0.0 && rhythm.k_hat <= 100.0 && rhythm.g_bar_d > 0.0);
        let (now, then) = (rhythm.gap_surprise(elapsed), rhythm.gap_surprise(elapsed + more));
        prop_assert!((0.0..=1.0).contains(&now) && then >= now - 1e-13);
        prop_assert!((rhythm.gap_surprise(rhythm.due_d(theta).unwrap()) - theta).abs() < 1e-14);
        let due = rhythm.gap_surprise_due_ms(0, 0, theta).unwrap();
        prop_assert!(rhythm.gap_surprise(days(due)) >= theta && rhythm.gap_surprise(days(due - 1)) < theta);
    }

    #[test]
    fn trends_cross_at_their_due(
        events in prop::collection::vec((0..900 * DAY_MS, 1.0..500.0_f64), 4..30), threshold in -2.9..0.5_f64,
        floor in 0.0..2.0_f64, wait in 0..40 * DAY_MS
    ) {
        let rule = TrendRule::volume(floor);
        let add = |decay: Decay| events.iter().fold((0.0, i64::MIN), |(v, ts), (t, y)| decay.add(v, ts, *t, *y));
        let ((short, landmark_ms), (long, _)) = (add(rule.short), add(rule.long));
        let first_ms = events.iter().map(|(t, _)| *t).min().unwrap();
        let sums = TrendSums { short, long, landmark_ms, first_ms, events: events.len() as u32 };
        let from = landmark_ms + wait;
        let low = |ms: i64| rule.value(&sums, ms).map(|trend| trend <= threshold);
        match rule.falls_to_due_ms(&sums, from, threshold) {
            Some(due) => prop_assert!(low(due) == Some(true) && (due == from || low(due - 1) == Some(false))),
            None => for day in 0..1500 { prop_assert!(low(from + day * DAY_MS) != Some(true)); },
        }
    }

    #[test]
    fn worth_is_a_number_or_nothing(
        params in regular(), (h, _) in history(), p in 0.01..50.0_f64, q in 0.01..50.0_f64, repeat in -1e9..1e12_f64, cost in 0.0..1e6_f64
    ) {
        let model = GammaGamma::new(p, q, 1544.0).unwrap();
        if let Some(mean) = model.mean_spend(h.x, repeat) {
            prop_assert!(mean.is_finite() && mean >= 0.0);
            let rule = ValueRule::default();
            let value = |cost| rule.customer_value(&params, (h, h.t_x_d + 30.0), mean, cost);
            prop_assert!(value(cost).is_finite() && value(cost) <= value(0.0) && value(0.0) >= 0.0);
        }
    }
}

/// Draws of a fixed seed (SplitMix64).
struct Draws(u64);

impl Draws {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 + 1e-17
    }

    /// Gamma of a whole shape: the sum of exponentials.
    fn erlang(&mut self, shape: u32) -> f64 {
        (0..shape).map(|_| -libm::log(self.share())).sum()
    }
}

/// 100,000 made-up customers who live as MBG/CNBD-3 says: in every tenth by prediction, as many buy as predicted.
#[test]
fn simulated_customers_do_as_predicted() {
    let params = Params::from_days(Model::MbgCnbd { k: 3 }, 2.0, 40.0, 1.0, 3.0).unwrap();
    let (mut draws, age, horizon) = (Draws(7), 300.0, 60.0);
    let mut rows = Vec::new();
    for _ in 0..100_000 {
        let rate = draws.erlang(2) / 40.0;
        let (one, other) = (draws.erlang(1), draws.erlang(3));
        let dropout = one / (one + other);
        let (mut t, mut h, mut later, mut alive) = (0.0, History { x: 0, t_x_d: 0.0 }, 0.0, false);
        while draws.share() >= dropout {
            t += draws.erlang(3) / rate;
            alive |= t > age;
            if t > age + horizon {
                break;
            }
            if t > age {
                later += 1.0;
            } else {
                h = History { x: h.x + 1, t_x_d: t };
            }
        }
        let silent = f64::from(u8::from(later == 0.0));
        let predicted = [
            params.p_silent(h, age, horizon),
            params.p_alive(h, age),
            params.expected(h, age, horizon),
        ];
        rows.push((predicted, [silent, f64::from(u8::from(alive)), later]));
    }
    for what in 0..3 {
        rows.sort_by(|one, other| one.0[what].total_cmp(&other.0[what]));
        for bin in rows.chunks(10_000) {
            let n = bin.len() as f64;
            let difference = bin.iter().map(|(p, y)| y[what] - p[what]).sum::<f64>() / n;
            let square = bin.iter().map(|(p, y)| (y[what] - p[what]).powi(2)).sum::<f64>() / n;
            assert!(difference.abs() < 4.0 * (square / n).sqrt() + 1e-9, "{what}: {difference}");
        }
    }
}
