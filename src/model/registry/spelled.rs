//! Values of signals as people write them, with their units: a length of time, an amount, a share in percent. One way for reasons of
//! alerts, notices and pages.

use super::{Kind, Signal};
use crate::model::money::{Currency, amount_text, grouped};
use crate::model::time::{DAY_MS, HOUR_MS};

impl Signal {
    /// A value in the signal's unit, as people write it: `16 days`, `EUR 1,234.50`, `71 %`, `38 % less`. `currency` is that of its
    /// amounts. Of a flag `yes` or `no`, of a word the word by its number; a moment has no such form.
    #[must_use]
    pub fn spelled(&self, value: f64, currency: &str) -> String {
        if !value.is_finite() {
            return "unknown".to_owned();
        }
        let unit_minor = || {
            let digits = Currency::parse(currency).map_or(0, Currency::minor_digits);
            10_f64.powi(i32::try_from(digits).unwrap_or(2))
        };
        let major = |value: f64| amount_text((value * unit_minor()).round() as i64, currency);
        match (self.kind(), self.unit) {
            (Kind::Flag, _) => if value == 0.0 { "no" } else { "yes" }.to_owned(),
            (Kind::Word, _) => match self.words_of().nth(value as usize) {
                Some(word) => word.replace('_', " "),
                None => "unknown".to_owned(),
            },
            (Kind::Duration { unit_ms }, _) => length_text(value * unit_ms as f64),
            (_, "0..10") => format!("{value:.0} of 10"),
            (_, "0..100") => format!("{value:.0} of 100"),
            (Kind::Count, _) => whole_text(value),
            (_, "0..1" | "0..") => percent_text(value),
            (_, "-1..1") => format!("{:+.0} points", 100.0 * value),
            (_, "ln") => change_text(value),
            (_, "minor units") => amount_text(value as i64, currency),
            (_, "currency") => major(value),
            (_, "currency/day") => format!("{} a day", major(value)),
            (_, "count" | "shape") => places(value),
            (_, unit) => match unit.split_once('/') {
                Some((what, time)) => format!("{} {what} a {time}", places(value)),
                None => format!("{} {unit}", places(value)),
            },
        }
    }
}

/// A whole number with commas between thousands.
#[must_use]
pub fn whole_text(value: f64) -> String {
    let sign = if value <= -0.5 { "-" } else { "" };
    format!("{sign}{}", grouped(&format!("{:.0}", value.abs())))
}

/// A share of 1 in percent, without claiming certainty that is not there.
#[must_use]
pub fn percent_text(share: f64) -> String {
    let percent = 100.0 * share;
    match percent {
        p if p > 99.0 && p < 100.0 => "over 99 %".to_owned(),
        p if p > 0.0 && p < 1.0 => "under 1 %".to_owned(),
        p => format!("{p:.0} %"),
    }
}

/// A logarithm of a ratio as the change that it is: `38 % less`, `20 % more`, `no change`.
#[must_use]
pub fn change_text(ln: f64) -> String {
    let change = 100.0 * libm::expm1(ln);
    match change {
        c if c >= 1e6 => "many times more".to_owned(),
        c if c >= 0.5 => format!("{c:.0} % more"),
        c if c <= -0.5 => format!("{:.0} % less", -c),
        _ => "no change".to_owned(),
    }
}

/// A length of time in milliseconds: hours below two days, else days.
#[must_use]
pub fn length_text(ms: f64) -> String {
    let (n, one, many) = if ms.abs() < 2.0 * DAY_MS as f64 {
        (ms / HOUR_MS as f64, "hour", "hours")
    } else {
        (ms / DAY_MS as f64, "day", "days")
    };
    let text = whole_text(n);
    let unit = if text == "1" { one } else { many };
    format!("{text} {unit}")
}

/// What is not counted in whole numbers: more exactly, the smaller it is.
fn places(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 9.95 => return whole_text(value),
        size if size >= 0.095 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::model::registry::Subject;

    fn every() -> impl Iterator<Item = (Subject, &'static Signal)> {
        Subject::ALL.into_iter().flat_map(|subject| subject.signals().map(move |s| (subject, s)))
    }

    /// Names that are words themselves, spelled as they are.
    const WORDS: [&str; 11] = [
        "orders",
        "refunds",
        "lifecycle",
        "tier",
        "loyalty",
        "open_tickets",
        "open_complaints",
        "last_seen",
        "last_contact",
        "next_renewal",
        "key_customer",
    ];

    #[test]
    fn every_signal_has_a_label_for_people() {
        for (subject, signal) in every() {
            let (name, label) = (signal.name, signal.label);
            let about = || format!("{} {name}: {label}", subject.name());
            assert!(label.len() >= 4 && label.chars().count() <= 50, "{}", about());
            let first = label.chars().next().unwrap();
            assert!(first.is_lowercase(), "{}", about());
            assert!(!label.contains('_') && !label.ends_with('.'), "{}", about());
            let plain = name.replace('_', " ");
            let is_name = label == plain || plain.starts_with(&format!("{label} "));
            let is_word = WORDS.contains(&name);
            assert!(!is_name || is_word, "{} is but the name", about());
            for part in label.split(|c: char| !c.is_alphanumeric()).filter(|part| part.len() == 1) {
                assert_eq!(part, "a", "{}: no letters of formulas", about());
            }
        }
        let names: BTreeSet<&str> = every().map(|(_, signal)| signal.name).collect();
        assert!(WORDS.iter().all(|word| names.contains(word)), "a word that is no signal");
    }

    #[test]
    fn labels_tell_signals_apart() {
        let mut named: BTreeMap<&str, &str> = BTreeMap::new();
        for (_, signal) in every() {
            // the same of customers and of accounts may be called alike
            let name = named.entry(signal.label).or_insert(signal.name);
            assert_eq!(*name, signal.name, "both are called {}", signal.label);
        }
    }

    #[test]
    fn every_value_has_its_unit() {
        for (_, signal) in every() {
            if matches!(signal.kind(), Kind::Moment | Kind::Many) {
                continue;
            }
            for value in [-1.0, 0.0, 0.004, 0.5, 1.0, 2.0, 1_234.5, f64::NAN, f64::INFINITY] {
                let text = signal.spelled(value, "EUR");
                assert!(
                    !text.is_empty() && !text.contains("NaN") && !text.contains("inf"),
                    "{text}"
                );
                assert!(!text.contains("..") && !text.contains("minor"), "{}: {text}", signal.name);
            }
        }
    }

    #[test]
    fn values_as_people_write_them() {
        let spelled = |name: &str, value: f64| {
            let signal = Subject::ALL.iter().find_map(|s| s.find(name)).expect(name);
            signal.spelled(value, "EUR")
        };
        for (name, value, text) in [
            ("risk", 0.714, "71 %"),
            ("risk", 0.999, "over 99 %"),
            ("access_p", 1e-7, "under 1 %"),
            ("dbt_days", 16.2, "16 days"),
            ("dbt_days", 1.0, "24 hours"),
            ("frt_h", 1.0, "1 hour"),
            ("overdue_minor", 123_450.0, "EUR 1,234.50"),
            ("clv", 1_234.5, "EUR 1,234.50"),
            ("spend_rate_30", 3.2, "EUR 3.20 a day"),
            ("order_rate_90", 0.123, "0.1 orders a day"),
            ("contact_pressure", 2.0, "2 messages a week"),
            ("volume_trend", -0.478, "38 % less"),
            ("volume_trend", 0.0, "no change"),
            ("sat_gap", -0.35, "-35 points"),
            ("orders", 1_234.0, "1,234"),
            ("ext_requests", 0.84, "0.8"),
            ("exp_purchases_90", 1.44, "1.4 purchases"),
            ("nps_last", 8.0, "8 of 10"),
            ("loyalty", 61.7, "62 of 100"),
            ("lifecycle", 6.0, "won back"),
            ("opted_out", 1.0, "yes"),
        ] {
            assert_eq!(spelled(name, value), text, "{name}");
        }
    }
}
