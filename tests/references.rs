//! The mathematics of `signal` against reference tables (60-digit arithmetic) and against slow, obvious versions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use retain::signal::silence::{History, Model, Params};
use retain::signal::value::{GammaGamma, ValueRule};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

const WEEK_D: f64 = 7.0;

type Row = HashMap<String, String>;

/// The rows of a table under the package's root, by column name.
fn table(path: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let mut lines = text.lines();
    let names: Vec<String> = lines.next().unwrap().split(',').map(str::to_owned).collect();
    let rows: Vec<Row> = lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            assert_eq!(cells.len(), names.len(), "{path}: {line}");
            names.iter().cloned().zip(cells.into_iter().map(str::to_owned)).collect()
        })
        .collect();
    assert!(rows.len() >= 50, "{path} has only {} rows", rows.len());
    rows
}

fn number(row: &Row, name: &str) -> f64 {
    row.get(name).unwrap_or_else(|| panic!("no column {name}")).parse().unwrap()
}

fn count(row: &Row, name: &str) -> u32 {
    row[name].parse().unwrap()
}

/// Largest relative error seen so far, for the report; fails at once above the tolerance.
struct Error {
    worst: f64,
    tolerance: f64,
}

impl Error {
    fn new(tolerance: f64) -> Self {
        Self { worst: 0.0, tolerance }
    }

    fn check(&mut self, got: f64, row: &Row, column: &str) {
        self.check_value(got, number(row, column), &|| format!("{column} of {row:?}"));
    }

    fn check_value(&mut self, got: f64, expected: f64, what: &dyn Fn() -> String) {
        let error = ((got - expected) / expected).abs();
        assert!(
            error <= self.tolerance,
            "{}: got {got}, expected {expected}, relative {error:e}",
            what()
        );
        self.worst = self.worst.max(error);
    }
}

/// Both tables of 50 customers: history and age in days, and the row.
fn check_customers(
    path: &str,
    x_t: impl Fn(&Row) -> (History, f64),
    cross: &str,
    full: bool,
) -> f64 {
    let mut error = Error::new(1e-11);
    let horizon_d = 39.0 * WEEK_D;
    for row in table(path) {
        let (h, age_d) = x_t(&row);
        let mut models =
            vec![(Params::CDNOW_BG, "", cross), (Params::CDNOW_MBG, "mbg_", "mbg_t_cross_0.5")];
        if !full {
            models[1].2 = "";
        }
        for (params, prefix, cross) in models {
            error.check(params.p_alive(h, age_d), &row, &format!("{prefix}p_alive"));
            error.check(params.expected(h, age_d, horizon_d), &row, &format!("{prefix}e_39"));
            if full || prefix.is_empty() {
                let silent = params.p_silent(h, age_d, horizon_d);
                error.check(silent, &row, &format!("{prefix}p_silent_39"));
            }
            if !cross.is_empty() {
                let crossing = params.p_alive_crossing_d(h, 0.5);
                assert_eq!(crossing.is_some(), !row[cross].is_empty(), "{cross} of {row:?}");
                if let Some(crossing_d) = crossing {
                    error.check(crossing_d / WEEK_D, &row, cross);
                }
            }
        }
        // Mean spend and value in dollars.
        let model = GammaGamma { gamma_minor: 15.44, ..GammaGamma::CDNOW };
        let repeat = if full {
            f64::from(h.x) * number(&row, "m_x")
        } else {
            number(&row, "m_x_num_cents") / 100.0
        };
        let mean = model.mean_spend(h.x, repeat).unwrap();
        error.check(mean, &row, "gg_mean_spend");
        if full {
            let rule = ValueRule { step_d: 4.345 * WEEK_D, steps: 12, discount: 0.01, margin: 1.0 };
            let value = rule.customer_value(&Params::CDNOW_BG, (h, age_d), mean, 0.0);
            error.check(value, &row, "clv_12m_1pct");
        }
    }
    error.worst
}

#[test]
fn cdnow_customers_in_published_weeks() {
    let weeks = |row: &Row| {
        let h = History { x: count(row, "x"), t_x_d: number(row, "t_x") * WEEK_D };
        (h, number(row, "T") * WEEK_D)
    };
    let worst = check_customers("tests/data/cdnow_reference.csv", weeks, "t_cross_0.5", true);
    println!("worst relative error {worst:e}");
}

#[test]
fn cdnow_customers_in_days() {
    let days = |row: &Row| {
        let h = History { x: count(row, "x"), t_x_d: number(row, "t_x_days") };
        (h, number(row, "T_days"))
    };
    let worst =
        check_customers("tests/data/cdnow_reference_days.csv", days, "t_cross_0.5_weeks", false);
    println!("worst relative error {worst:e}");
}

/// The formulas at the parameters and histories of a stress table. The unit of time does not matter to them, so the
/// table's weeks stand as days.
fn check_stress(path: &str, model: Model, rows: usize) {
    let mut error = Error::new(1e-9);
    let table = table(path);
    assert_eq!(table.len(), rows);
    for row in table {
        let h = History { x: count(&row, "x"), t_x_d: number(&row, "t_x") };
        let (age, horizon) = (number(&row, "T"), number(&row, "t"));
        let [r, alpha, a, b] = ["r", "alpha", "a", "b"].map(|name| number(&row, name));
        let params = Params::from_days(model, r, alpha, a, b).unwrap();
        let p_alive = params.p_alive(h, age);
        error.check(p_alive, &row, "p_alive");
        error.check(params.expected_if_alive(h, age, horizon), &row, "e_given_alive");
        error.check(params.expected(h, age, horizon), &row, "e");
        error.check(params.p_silent(h, age, horizon), &row, "p_silent_t");
        if row.get("logit_p_alive").is_some_and(|logit| !logit.is_empty()) {
            error.check((p_alive / (1.0 - p_alive)).ln(), &row, "logit_p_alive");
        }
    }
    println!("{path}: worst relative error {:e}", error.worst);
}

#[test]
fn bgnbd_stress_cases() {
    check_stress("tests/data/bgnbd_stress.csv", Model::Bg, 110);
}

#[test]
fn mbgnbd_stress_cases() {
    check_stress("tests/data/mbgnbd_stress.csv", Model::Mbg, 220);
}

/// Days from 1970-01-01 to a date (Howard Hinnant's days_from_civil).
fn epoch_day(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The distinct purchase days of every customer of the shipped CDNOW sample, with what was spent, in cents.
fn cdnow_days() -> BTreeMap<String, BTreeMap<i64, i64>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cdnow/purchases_sample.ndjson");
    let mut customers: BTreeMap<String, BTreeMap<i64, i64>> = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let date: Vec<i64> =
            event["ts"].as_str().unwrap()[..10].split('-').map(|n| n.parse().unwrap()).collect();
        let id = event["customer_id"].as_str().unwrap().to_owned();
        let cents = (event["amount"].as_f64().unwrap() * 100.0).round() as i64;
        let day = epoch_day(date[0], date[1], date[2]);
        *customers.entry(id).or_default().entry(day).or_default() += cents;
    }
    customers
}

/// The published fit of BG/NBD and ours of MBG/NBD, calibrated on the sample's first 39 weeks (through 1997-09-30).
/// The days here are exact where the published weeks are rounded to two decimals: the sum is -9582.427 with those.
#[test]
fn log_likelihood_of_the_cdnow_sample() {
    let end = epoch_day(1997, 9, 30);
    let customers = cdnow_days();
    assert_eq!(customers.len(), 2357);
    let mut sums = [0.0; 2];
    let published = [
        Params { model: Model::Bg, r: 0.243, alpha_d: 4.414, a: 0.793, b: 2.426 },
        Params { model: Model::Mbg, r: 0.525, alpha_d: 6.183, a: 0.891, b: 1.614 },
    ];
    for days in customers.values() {
        let seen: Vec<i64> = days.range(..=end).map(|(day, _)| *day).collect();
        let (first, last) = (seen[0], seen[seen.len() - 1]);
        let weeks = |days: i64| days as f64 / WEEK_D;
        let h = History { x: seen.len() as u32 - 1, t_x_d: weeks(last - first) };
        for (sum, params) in sums.iter_mut().zip(published) {
            *sum += params.ln_likelihood(h, weeks(end - first));
        }
    }
    println!("log-likelihood BG {:.4}, MBG {:.4}", sums[0], sums[1]);
    assert!((sums[0] - -9582.430).abs() < 0.001, "{}", sums[0]);
    assert!((sums[1] - -9582.13).abs() < 0.01, "{}", sums[1]);
}

/// The published fit of Gamma-Gamma, over the 946 customers with a repeat purchase day in the first 39 weeks.
#[test]
fn gamma_gamma_log_likelihood_of_the_cdnow_sample() {
    let end = epoch_day(1997, 9, 30);
    let model = GammaGamma { p: 6.25, q: 3.74, gamma_minor: 15.44 };
    let (mut sum, mut in_cents, mut count) = (0.0, 0.0, 0);
    for days in cdnow_days().values() {
        let repeats: Vec<i64> = days.range(..=end).skip(1).map(|(_, cents)| *cents).collect();
        let x = repeats.len() as u32;
        let mean_cents = repeats.iter().sum::<i64>() as f64 / f64::from(x.max(1));
        if let Some(ln_l) = model.ln_likelihood(x, mean_cents / 100.0) {
            sum += ln_l;
            in_cents += GammaGamma::CDNOW.ln_likelihood(x, mean_cents).unwrap();
            count += 1;
        }
    }
    println!("log-likelihood of Gamma-Gamma {sum:.4} over {count}");
    assert_eq!(count, 946);
    assert!((sum - -4055.919).abs() < 0.001, "{sum}");
    assert!((in_cents + 946.0 * 100.0_f64.ln() - sum).abs() < 1e-6);
}

/// Regular models against integrals over the rate (`cnbd.py` beside the table).
#[test]
fn regular_models_are_their_integrals() {
    let mut error = Error::new(1e-11);
    for row in table("tests/data/cnbd.csv") {
        let k = row["k"].parse().unwrap();
        let model = if row["model"] == "mbg" { Model::MbgCnbd { k } } else { Model::BgCnbd { k } };
        let [r, alpha, a, b] = ["r", "alpha", "a", "b"].map(|name| number(&row, name));
        let params = Params::from_days(model, r, alpha, a, b).unwrap();
        let h = History { x: count(&row, "x"), t_x_d: number(&row, "t_x") };
        let (age, horizon) = (number(&row, "T"), number(&row, "H"));
        error.check(params.p_alive(h, age), &row, "p_alive");
        error.check(params.p_silent(h, age, horizon), &row, "p_silent");
        error.check(params.expected(h, age, horizon), &row, "e");
        // The logarithm may be next to 0.
        let (got, expected) = (params.ln_likelihood(h, age), number(&row, "ln_l"));
        let difference = (got - expected).abs() / expected.abs().max(1.0);
        assert!(difference < 1e-11, "ln_l {got} of {row:?}");
    }
    println!("worst relative error {:e}", error.worst);
}
