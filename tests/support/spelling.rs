//! Reads times and money of records in a slow and plain way, apart from the product's decoder.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use retain::plan::Plan;
use serde_json::Value as Json;

const DAY_MS: i64 = 86_400_000;

/// `YYYY-MM-DDTHH:MM:SS[.fff]` and `Z` or an offset. Days by counting years and months.
pub fn time_of(text: &str) -> i64 {
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let mut days = day - 1;
    for y in 1970..year {
        days += 365 + i64::from(leap(y));
    }
    for y in year..1970 {
        days -= 365 + i64::from(leap(y));
    }
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    days += lengths.iter().take(month as usize - 1).sum::<i64>();
    let seconds = number(11, 13) * 3_600 + number(14, 16) * 60 + number(17, 19);
    let rest = &text[19..];
    let zone_at = rest.find(['Z', '+', '-']).unwrap();
    let millis = match rest[..zone_at].strip_prefix('.') {
        None => 0,
        Some(digits) => format!("{digits:0<3}")[..3].parse::<i64>().unwrap(),
    };
    let zone = &rest[zone_at..];
    let offset_min = match zone.as_bytes()[0] {
        b'Z' => 0,
        sign => {
            let minutes =
                zone[1..3].parse::<i64>().unwrap() * 60 + zone[4..6].parse::<i64>().unwrap();
            if sign == b'-' { -minutes } else { minutes }
        }
    };
    days * DAY_MS + seconds * 1_000 + millis - offset_min * 60_000
}

fn half_even(numerator: i128, denominator: i128) -> i128 {
    let (floor, rest) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
    match (rest * 2).cmp(&denominator) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + floor.rem_euclid(2),
    }
}

/// A decimal, as digits and how many of them stand after the point.
fn decimal(json: &Json) -> (i128, u32) {
    let text = match json {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        other => panic!("{other} is no amount"),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    (format!("{whole}{fraction}").parse().unwrap(), fraction.len() as u32)
}

/// Minor units of the reporting currency (two digits): first those of the original currency, then converted.
pub fn money(plan: &Plan, amount: &Json, currency: &str) -> Option<i128> {
    let minor_digits = if currency == "JPY" { 0 } else { 2 };
    let (digits, scale) = decimal(amount);
    let original = half_even(digits * 10_i128.pow(minor_digits), 10_i128.pow(scale));
    if currency == "USD" {
        return Some(original);
    }
    let (_, rate) = plan.rates.iter().find(|(code, _)| code.as_str() == currency)?;
    let converted = original * i128::from(rate.digits) * 100;
    Some(half_even(converted, 10_i128.pow(minor_digits + rate.scale)))
}
