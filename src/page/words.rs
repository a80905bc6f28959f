//! Numbers, amounts, moments and names as people write them. Plain functions: what a zone or a currency is comes in.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::model::money::grouped;
pub use crate::rule::spoken::{human, rule, sentence};

/// A whole number with commas between thousands.
pub fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// A signed difference: `+3`, `−2`, `±0`.
pub fn change(n: i64) -> String {
    match n {
        0 => "±0".to_owned(),
        n if n < 0 => format!("−{}", count(n.unsigned_abs())),
        n => format!("+{}", count(n.unsigned_abs())),
    }
}

/// What stands before an amount of the currency `code`.
fn symbol(code: &str) -> String {
    match code {
        "USD" => "$".to_owned(),
        "EUR" => "€".to_owned(),
        "GBP" => "£".to_owned(),
        "JPY" => "¥".to_owned(),
        "" => String::new(),
        other => format!("{other}\u{a0}"),
    }
}

/// An amount in whole units, rounded: for what is compared at a glance. Below 100 units with its minor units.
pub fn money(minor: i64, code: &str, digits: u32) -> String {
    let unit = 10_u64.saturating_pow(digits.min(9));
    let size = minor.unsigned_abs();
    if size < unit.saturating_mul(100) && !size.is_multiple_of(unit) {
        return money_exact(minor, code, digits);
    }
    let whole = size.saturating_add(unit / 2) / unit;
    format!("{}{}{}", sign(minor), symbol(code), count(whole))
}

/// An amount to the minor unit.
pub fn money_exact(minor: i64, code: &str, digits: u32) -> String {
    let unit = 10_u64.saturating_pow(digits.min(9));
    let size = minor.unsigned_abs();
    let whole = count(size / unit);
    if digits == 0 {
        return format!("{}{}{whole}", sign(minor), symbol(code));
    }
    let width = digits.min(9) as usize;
    format!("{}{}{whole}.{:0width$}", sign(minor), symbol(code), size % unit)
}

fn sign(minor: i64) -> &'static str {
    if minor < 0 { "−" } else { "" }
}

/// A share of 0 to 1 in whole percent; of what is rare to one place.
pub fn percent(share: f64) -> String {
    if !share.is_finite() {
        return "–".to_owned();
    }
    let percent = 100.0 * share;
    if percent > 0.0 && percent < 0.05 {
        "< 0.1 %".to_owned()
    } else if percent != 0.0 && percent.abs() < 9.95 {
        format!("{percent:.1} %").replace('-', "−")
    } else {
        format!("{percent:.0} %").replace('-', "−")
    }
}

/// Points with a sign and one place.
pub fn points(points: f64) -> String {
    let text = format!("{points:+.1}").replace('-', "−");
    if text == "−0.0" { "+0.0".to_owned() } else { text }
}

/// A number to at most `places` places, without zeros at the end.
pub fn number(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    match text {
        "-0" => "0".to_owned(),
        text => text.replace('-', "−"),
    }
}

/// A logarithm of a ratio as a change in percent: `ln 0.5` is `−50 %`.
pub fn log_change(ln: f64) -> String {
    let change = ln.exp_m1();
    match percent(change) {
        text if change > 0.0 => format!("+{text}"),
        text => text,
    }
}

fn zoned(ms: i64, zone: &TimeZone) -> Option<Zoned> {
    Timestamp::from_millisecond(ms).ok().map(|t| t.to_zoned(zone.clone()))
}

/// For machines: RFC 3339.
pub fn rfc3339(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |t| t.to_string())
}

/// `12 Mar 1998`.
pub fn day(ms: i64, zone: &TimeZone) -> String {
    zoned(ms, zone).map_or_else(|| "–".to_owned(), |t| t.strftime("%-d %b %Y").to_string())
}

/// A day as data writes it, `1998-03-12`, as people do; what is no day stays as it is.
pub fn date(text: &str) -> String {
    let day = text.parse::<jiff::civil::Date>();
    day.map_or_else(|_| text.to_owned(), |day| day.strftime("%-d %b %Y").to_string())
}

/// `12 Mar 1998, 10:42`.
pub fn minute(ms: i64, zone: &TimeZone) -> String {
    zoned(ms, zone).map_or_else(|| "–".to_owned(), |t| t.strftime("%-d %b %Y, %H:%M").to_string())
}

/// `10:42:07` on the day of `now`, else with the day before it.
pub fn second(ms: i64, now: Option<i64>, zone: &TimeZone) -> String {
    let Some(time) = zoned(ms, zone) else { return "–".to_owned() };
    let today = now.and_then(|now| zoned(now, zone)).is_some_and(|now| now.date() == time.date());
    time.strftime(if today { "%H:%M:%S" } else { "%-d %b %Y, %H:%M:%S" }).to_string()
}

/// How long ago, or ahead, seen from `now`: `3 h ago`, `in 12 days`.
pub fn ago(ms: i64, now: i64) -> String {
    let seconds = now.saturating_sub(ms) / 1000;
    let long = length(seconds.unsigned_abs());
    match seconds {
        -59..=59 => "just now".to_owned(),
        60.. => format!("{long} ago"),
        _ => format!("in {long}"),
    }
}

/// A length of time in its largest fitting unit.
pub fn length(seconds: u64) -> String {
    let (n, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3_600 => (seconds / 60, "min"),
        3_600..172_800 => (seconds / 3_600, "h"),
        172_800..5_184_000 => (seconds / 86_400, "days"),
        5_184_000..63_072_000 => (seconds / 2_629_800, "months"),
        _ => (seconds / 31_557_600, "years"),
    };
    let unit = match (n, unit) {
        (1, "months") => "month",
        (1, "years") => "year",
        (_, unit) => unit,
    };
    format!("{n} {unit}")
}

/// What became of an alert, in the words of the buttons.
pub fn became(what: &str) -> String {
    let said = match what {
        "acknowledged" => "Taken",
        "snoozed" => "Put off",
        "woken" => "Came back",
        "pending" => "Noticed, not raised yet",
        "withdrawn" => "Passed before it was raised",
        other => return human(other),
    };
    said.to_owned()
}

/// `1 account`, `2 accounts`.
pub fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        assert_eq!(money(1_234_567, "USD", 2), "$12,346");
        assert_eq!(money(1_999, "USD", 2), "$19.99");
        assert_eq!(money(2_000, "USD", 2), "$20");
        assert_eq!(money(-5_000_000, "EUR", 2), "−€50,000");
        assert_eq!(money(1_500, "JPY", 0), "¥1,500");
        assert_eq!(money(0, "CHF", 2), "CHF\u{a0}0");
        assert_eq!(money_exact(-105, "USD", 2), "−$1.05");
        assert_eq!(money_exact(1_234, "KWD", 3), "KWD\u{a0}1.234");
        assert_eq!(money(i64::MIN, "USD", 2), "−$92,233,720,368,547,758");
    }

    #[test]
    fn shares_and_points() {
        assert_eq!(percent(0.714), "71 %");
        assert_eq!(percent(0.034), "3.4 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.000_1), "< 0.1 %");
        assert_eq!(percent(f64::NAN), "–");
        assert_eq!(points(-4.44), "−4.4");
        assert_eq!(points(-0.01), "+0.0");
        assert_eq!(log_change(0.5_f64.ln()), "−50 %");
        assert_eq!(log_change(2.0_f64.ln()), "+100 %");
        assert_eq!(number(1.50, 2), "1.5");
        assert_eq!(number(100.0, 0), "100");
        assert_eq!(number(-0.001, 2), "0");
        assert_eq!(change(-1_200), "−1,200");
    }

    #[test]
    fn moments() {
        let utc = TimeZone::UTC;
        let at = 1_767_609_727_000; // 2026-01-05T10:42:07Z
        assert_eq!(day(at, &utc), "5 Jan 2026");
        assert_eq!(minute(at, &utc), "5 Jan 2026, 10:42");
        assert_eq!(second(at, Some(at), &utc), "10:42:07");
        assert_eq!(second(at, Some(at + 86_400_000), &utc), "5 Jan 2026, 10:42:07");
        assert_eq!(day(i64::MAX, &utc), "–");
        assert_eq!((date("1998-03-12"), date("<b>")), ("12 Mar 1998".into(), "<b>".into()));
        assert_eq!(ago(at, at + 30_000), "just now");
        assert_eq!(ago(at, at + 3 * 3_600_000), "3 h ago");
        assert_eq!(ago(at, at - 12 * 86_400_000), "in 12 days");
        assert_eq!(ago(at, at + 94 * 86_400_000), "3 months ago");
        assert_eq!(ago(i64::MIN, i64::MAX), "292271023 years ago");
    }

    #[test]
    fn names() {
        assert_eq!(plural(1, "alert", "alerts"), "1 alert");
    }
}
