//! RFC 3339 timestamps and calendar dates to milliseconds.

use crate::model::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// The time of an RFC 3339 timestamp (with its offset), milliseconds. Digits beyond the millisecond are cut
/// off; a leap second (23:59:60 UTC) is the second after it. `None` when the text is none.
pub fn parse_timestamp(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    let (clock, rest) = rest.split_first_chunk::<9>()?;
    let [b'T' | b't', h1, h2, b':', m1, m2, b':', s1, s2] = *clock else {
        return None;
    };
    let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
    let (millis, zone) = fraction(rest)?;
    let offset_ms = offset(zone)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let minute_ms = i64::from(hour) * HOUR_MS + i64::from(minute) * MINUTE_MS - offset_ms;
    // RFC 3339 section 5.7: leap seconds end a UTC day.
    if second == 60 && minute_ms.rem_euclid(DAY_MS) != DAY_MS - MINUTE_MS {
        return None;
    }
    Some(days(date)? * DAY_MS + minute_ms + i64::from(second) * SECOND_MS + i64::from(millis))
}

/// The first moment (UTC) of a date `YYYY-MM-DD`, milliseconds. `None` when the text is none.
pub fn parse_date(text: &[u8]) -> Option<i64> {
    let date: &[u8; 10] = text.try_into().ok()?;
    Some(days(date)? * DAY_MS)
}

fn two(tens: u8, ones: u8) -> Option<u32> {
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
}

/// Milliseconds of `.digits`, if there, and what follows.
fn fraction(rest: &[u8]) -> Option<(u32, &[u8])> {
    let Some((b'.', rest)) = rest.split_first() else {
        return Some((0, rest));
    };
    let len = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, zone) = rest.split_at_checked(len)?;
    let mut millis = 0;
    for at in 0..3 {
        millis = millis * 10 + digits.get(at).map_or(0, |b| u32::from(b - b'0'));
    }
    (len > 0).then_some((millis, zone))
}

fn offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
            let size = i64::from(hours) * HOUR_MS + i64::from(minutes) * MINUTE_MS;
            let inside = hours <= 23 && minutes <= 59;
            inside.then_some(if sign == b'-' { -size } else { size })
        }
        _ => None,
    }
}

/// Days since 1970-01-01 of `YYYY-MM-DD` in the proleptic Gregorian calendar (Hinnant, "chrono-compatible
/// low-level date algorithms", `days_from_civil`).
fn days(date: &[u8; 10]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else {
        return None;
    };
    let (year, month, day) = (two(y1, y2)? * 100 + two(y3, y4)?, two(m1, m2)?, two(d1, d2)?);
    if !(1..=12).contains(&month) || day == 0 || day > month_days(year, month) {
        return None;
    }
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * i64::from((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn month_days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_day_agrees_with_jiff() {
        let mut date = jiff::civil::date(0, 1, 1);
        let epoch = jiff::civil::date(1970, 1, 1);
        let mut expected = i64::from((date - epoch).get_days());
        while date < jiff::civil::date(9999, 12, 31) {
            assert_eq!(parse_date(date.to_string().as_bytes()), Some(expected * DAY_MS), "{date}");
            date = date.tomorrow().unwrap();
            expected += 1;
        }
    }

    #[test]
    fn offsets_fractions_and_leap_seconds() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00z", 0),
            ("1970-01-01T02:00:00.5+02:00", 500),
            ("1969-12-31T23:59:59.999999-00:00", -1),
            ("1970-01-01T00:00:00.1239Z", 123),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("2017-01-01T05:29:60.25+05:30", 1_483_228_800_250),
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), Some(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01 00:00:00Z",
            "1970-01-01T00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:60:00Z",
            "1970-01-01T00:00:60Z",
            "1970-01-01T00:00:61Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00+0100",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00+01:60",
            "1970-01-01T00:00:00Zx",
            "1970-13-01T00:00:00Z",
            "1970-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "197a-01-01T00:00:00Z",
            "٠١٢٣-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), None, "{text}");
        }
    }
}
