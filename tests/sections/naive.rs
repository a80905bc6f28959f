//! What the sections are held against: decayed sums added up one by one, and histories from printed seeds.

use retain::engine::sums::{Sum, Sums};
use retain::signal::DAY_MS;

use crate::random::Random;

/// 1970-01-01 to 2149-06-06: what event times may be.
pub const END_MS: i64 = 65_535 * DAY_MS;

/// Runs `test` on many histories; the seed of one that fails is printed.
pub fn histories(name: &str, test: impl Fn(&mut Random)) {
    let count = if std::env::var_os("RETAIN_SOAK").is_some() { 10_000 } else { 500 };
    for seed in 0..count {
        let run = std::panic::AssertUnwindSafe(|| test(&mut Random::new(seed)));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("{name}: failed with seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Fisher and Yates.
pub fn shuffle<T>(random: &mut Random, list: &mut [T]) {
    for at in (1..list.len()).rev() {
        list.swap(at, random.index(at + 1));
    }
}

/// A stretch of time to put a history in: of hours, of months or of decades.
pub fn stretch(random: &mut Random) -> (i64, i64) {
    let length_ms = *random.pick(&[DAY_MS / 4, 90 * DAY_MS, 3 * 365 * DAY_MS, 60 * 365 * DAY_MS]);
    let from_ms = random.between(0, END_MS - length_ms);
    (from_ms, from_ms + length_ms)
}

/// Contributions to decayed sums, kept one by one.
#[derive(Default)]
pub struct Naive(Vec<(Sum, i64, f64)>);

impl Naive {
    pub fn add(&mut self, sum: Sum, t_ms: i64, y: f64) {
        self.0.push((sum, t_ms, y));
    }

    /// The sum at a moment, and the sum of the absolute values.
    pub fn at(&self, sum: Sum, tau_ms: i64) -> (f64, f64) {
        let half_life_ms = sum.half_life_d() * DAY_MS as f64;
        let of = self.0.iter().filter(|held| held.0 == sum);
        of.fold((0.0, 0.0), |(value, size), (_, t_ms, y)| {
            let now = y * 0.5_f64.powf((tau_ms - t_ms) as f64 / half_life_ms);
            (value + now, size + now.abs())
        })
    }

    /// Every sum of a store is what the contributions say, to 1e-9 of the absolute values.
    pub fn check(&self, sums: &Sums, tau_ms: i64) {
        for sum in Sum::all() {
            let (expected, size) = self.at(sum, tau_ms);
            let found = sums.at(sum, tau_ms);
            let off = (found - expected).abs();
            assert!(off <= 1e-9 * size + 1e-200, "{}: {found} is not {expected}", sum.name());
        }
    }
}

/// Two floats that are the same number up to rounding.
pub fn near(found: Option<f64>, expected: Option<f64>) {
    match (found, expected) {
        (Some(f), Some(e)) => {
            assert!((f - e).abs() <= 1e-9 * e.abs().max(1e-6), "{f} is not {e}")
        }
        _ => assert_eq!(found, expected),
    }
}

/// The value after it was written as state and read again.
pub fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    postcard::from_bytes(&postcard::to_stdvec(value).unwrap()).unwrap()
}
