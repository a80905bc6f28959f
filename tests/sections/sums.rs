//! The store of decayed sums: any order, decades, taking back, dues, state.

use retain::engine::sums::{Sum, Sums};
use retain::signal::DAY_MS;
use retain::signal::decay::Decay;

use crate::naive::{END_MS, Naive, again, histories, shuffle, stretch};
use crate::random::Random;

fn sum_of(random: &mut Random, kinds: usize) -> Sum {
    let all: Vec<Sum> = Sum::all().collect();
    all[random.index(kinds.min(all.len())) * 7 % all.len()]
}

fn amount(random: &mut Random) -> f64 {
    let size = 10_f64.powi(random.between(-3, 15) as i32);
    size * (random.between(-1_000, 3_000) as f64 / 1_000.0)
}

#[test]
fn any_order_gives_the_same_sums() {
    histories("sums", |random| {
        let (from_ms, to_ms) = stretch(random);
        let kinds = 1 + random.index(60);
        let mut events: Vec<(Sum, i64, f64)> = (0..1 + random.index(80))
            .map(|_| (sum_of(random, kinds), random.between(from_ms, to_ms), amount(random)))
            .collect();
        let mut naive = Naive::default();
        events.iter().for_each(|(sum, t_ms, y)| naive.add(*sum, *t_ms, *y));
        let newest_ms = events.iter().map(|e| e.1).max().unwrap();
        let taus = [newest_ms, newest_ms + 7, random.between(newest_ms, END_MS + DAY_MS)];
        for _ in 0..3 {
            shuffle(random, &mut events);
            let mut sums = Sums::default();
            for (sum, t_ms, y) in &events {
                let other = sum_of(random, 60);
                sums.add_all(*t_ms, &[(*sum, *y), (other, 0.0)]);
            }
            taus.iter().for_each(|tau_ms| naive.check(&sums, *tau_ms));
            assert!(sums.landmark_ms() <= newest_ms);
            assert!(newest_ms - sums.landmark_ms() < 2_048 * DAY_MS);
            assert_eq!(again(&sums), sums);
            let numbers: Vec<u8> = sums.iter().map(|(sum, _)| sum.number()).collect();
            assert!(numbers.len() == sums.len() && numbers.windows(2).all(|w| w[0] < w[1]));
        }
    });
}

#[test]
fn what_was_taken_back_leaves_nothing_but_rounding() {
    histories("taking back", |random| {
        let (from_ms, to_ms) = stretch(random);
        let (mut sums, mut naive) = (Sums::default(), Naive::default());
        let mut newest_ms = from_ms;
        for _ in 0..random.index(40) {
            let (sum, t_ms) = (sum_of(random, 8), random.between(from_ms, to_ms));
            newest_ms = newest_ms.max(t_ms);
            let y = amount(random);
            sums.add(sum, t_ms, y);
            naive.add(sum, t_ms, y);
            if random.percent(40) {
                // the landmark may have moved between
                let later_ms = random.between(t_ms, to_ms);
                newest_ms = newest_ms.max(later_ms);
                sums.add(Sum::Usage30, later_ms, 1.0);
                naive.add(Sum::Usage30, later_ms, 1.0);
                sums.add(sum, t_ms, -y);
                naive.add(sum, t_ms, -y);
            }
        }
        naive.check(&sums, newest_ms);
    });
}

#[test]
fn rates_are_those_of_single_sums() {
    histories("rates", |random| {
        let from_ms = random.between(0, 60 * 365 * DAY_MS);
        let (mut sums, mut naive) = (Sums::default(), Naive::default());
        let mut t_ms = from_ms;
        for _ in 0..1 + random.index(30) {
            t_ms += random.between(0, 40 * DAY_MS);
            sums.add(Sum::Outbound7, t_ms, 1.0);
            naive.add(Sum::Outbound7, t_ms, 1.0);
        }
        let tau_ms = t_ms + random.between(0, 100 * DAY_MS);
        let value = naive.at(Sum::Outbound7, tau_ms).0;
        let expected = Decay::from_half_life_d(7.0).rate_per_day(value, tau_ms - from_ms);
        let found = sums.rate(Sum::Outbound7, tau_ms, from_ms);
        assert!((found - expected).abs() <= 1e-9 * expected, "{found} is not {expected}");
        assert_eq!(sums.rate(Sum::Outbound90, tau_ms, from_ms), 0.0);
    });
}

#[test]
fn dues_are_the_first_moment_below() {
    histories("sums' dues", |random| {
        let (from_ms, to_ms) = stretch(random);
        let sum = sum_of(random, 60);
        let (mut sums, mut newest_ms) = (Sums::default(), from_ms);
        for _ in 0..1 + random.index(10) {
            let t_ms = random.between(from_ms, to_ms);
            newest_ms = newest_ms.max(t_ms);
            sums.add(sum, t_ms, 1.0 + random.below(5) as f64);
        }
        let theta = sums.at(sum, newest_ms) * (random.below(1_200) as f64 / 1_000.0);
        let below = |ms| sums.at(sum, ms) < theta;
        first(sums.below_ms(sum, theta, newest_ms), newest_ms, below, theta);
        let since_ms = from_ms - random.between(0, 100 * DAY_MS);
        let theta = sums.rate(sum, newest_ms, since_ms) * (random.below(1_200) as f64 / 1_000.0);
        let below = |ms| sums.rate(sum, ms, since_ms) < theta;
        first(sums.rate_below_ms(sum, theta, newest_ms, since_ms), newest_ms, below, theta);
    });
}

fn first(found: Option<i64>, after_ms: i64, below: impl Fn(i64) -> bool, theta: f64) {
    match found {
        Some(ms) => assert!(ms > after_ms && below(ms) && !below(ms - 1), "{ms}"),
        None => assert!(theta <= 0.0 || below(after_ms), "{theta} is never reached"),
    }
}

#[test]
fn size_and_what_is_absent() {
    let mut sums = Sums::default();
    assert!(sums.is_empty());
    assert_eq!(sums.at(Sum::Spend30, 5), 0.0);
    assert_eq!(sums.below_ms(Sum::Spend30, 1.0, 5), None);
    assert_eq!(postcard::to_stdvec(&sums).unwrap(), [0, 0]);
    sums.add(Sum::Usage180, 0, 1.5);
    sums.add(Sum::Spend30, 0, 2.5);
    assert_eq!(sums.iter().collect::<Vec<_>>(), [(Sum::Spend30, 2.5), (Sum::Usage180, 1.5)]);
    assert_eq!(size_of::<Sums>(), 16);
}

#[test]
fn a_state_with_sums_out_of_order_or_unknown_is_refused() {
    let state = |pairs: &[(u8, f64)]| postcard::to_stdvec(&(3_u8, pairs)).unwrap();
    let read = |bytes: &[u8]| postcard::from_bytes::<Sums>(bytes);
    assert!(read(&state(&[(1, 2.0), (84, 3.0)])).is_ok());
    assert!(read(&state(&[(84, 2.0), (1, 3.0)])).is_err());
    assert!(read(&state(&[(1, 2.0), (1, 3.0)])).is_err());
    assert!(read(&state(&[(19, 2.0)])).is_err());
}
