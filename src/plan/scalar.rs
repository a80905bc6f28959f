//! How single values are spelled: durations, sizes in bytes, exact decimals; and back again.

use crate::model::money::Rate;
use crate::model::time::DURATION_UNITS;
pub(super) use crate::model::time::duration_text;

/// Units of a size, largest first, in bytes.
const SIZE_UNITS: [(&str, u64); 4] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Most digits after the point of a rate: what [`Rate`] holds.
const RATE_SCALE_MAX: usize = 12;

/// Splits `12ab` into its digits and the rest; `None` without a digit in front.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

/// Milliseconds of a whole number and a unit (`ms`, `s`, `m`, `h`, `d`).
///
/// # Errors
/// What is wrong with the text and how to write it, as a hint.
pub(super) fn duration_ms(text: &str) -> Result<i64, String> {
    let Some((number, unit)) = number_and_unit(text) else {
        return Err(if text.contains(['.', ',']) {
            "write a whole number of a smaller unit: \"90m\" for one and a half hours".to_owned()
        } else {
            "write a whole number and a unit: ms, s, m, h or d".to_owned()
        });
    };
    let Some((_, unit_ms)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(match unit.to_lowercase().as_str() {
            "" => {
                format!("add a unit: \"{number}s\", \"{number}m\", \"{number}h\" or \"{number}d\"")
            }
            u if u.starts_with(['.', ',']) => {
                "write a whole number of a smaller unit: \"90m\" for one and a half hours"
                    .to_owned()
            }
            "w" | "week" | "weeks" if number < 1_000_000 => {
                format!("write it in days: \"{}d\"", number * 7)
            }
            "mo" | "month" | "months" | "y" | "year" | "years" => {
                "months and years have no fixed length: write it in days".to_owned()
            }
            "msec" | "millis" | "milliseconds" => format!("did you mean \"{number}ms\"?"),
            u if u.starts_with('d') => format!("did you mean \"{number}d\"?"),
            u if u.starts_with('h') => format!("did you mean \"{number}h\"?"),
            u if u.starts_with('m') => format!("did you mean \"{number}m\"?"),
            u if u.starts_with('s') => format!("did you mean \"{number}s\"?"),
            _ => "the units are ms, s, m, h and d".to_owned(),
        });
    };
    let number = i64::try_from(number).ok();
    number.and_then(|n| n.checked_mul(*unit_ms)).ok_or_else(|| "write less than 3651d".to_owned())
}

/// A duration in words: `30 days`, `1 hour`, `10 minutes 30 seconds`.
pub(super) fn duration_words(ms: i64) -> String {
    let words = ["day", "hour", "minute", "second", "millisecond"];
    let mut rest_ms = ms;
    let mut said = Vec::new();
    for ((_, unit_ms), word) in DURATION_UNITS.iter().zip(words) {
        let count = rest_ms / unit_ms;
        rest_ms %= unit_ms;
        match count {
            0 => {}
            1 => said.push(format!("1 {word}")),
            _ => said.push(format!("{count} {word}s")),
        }
    }
    if said.is_empty() { "0 seconds".to_owned() } else { said.join(" ") }
}

/// Bytes of a whole number and a unit (`B`, `KiB`, `MiB`, `GiB`).
pub(super) fn size_bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

/// A size in its largest whole unit: `64MiB`.
pub(super) fn size_text(bytes: u64) -> String {
    let unit = SIZE_UNITS.iter().find(|(_, factor)| bytes.is_multiple_of(*factor));
    unit.map_or_else(|| format!("{bytes}B"), |(name, factor)| format!("{}{name}", bytes / factor))
}

/// An exact positive decimal: digits, then perhaps a point and at most 12 more. Trailing zeros do not count, so
/// that equal rates are equal values.
pub(super) fn rate(text: &str) -> Option<Rate> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > RATE_SCALE_MAX {
        return None;
    }
    let digits: i64 = format!("{whole}{fraction}").parse().ok()?;
    (digits > 0).then_some(Rate { digits, scale: u32::try_from(fraction.len()).ok()? })
}

/// A rate as a decimal number.
pub(super) fn rate_text(rate: Rate) -> String {
    let scale = rate.scale as usize;
    let digits = format!("{:0>width$}", rate.digits, width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::time::DAY_MS;

    #[test]
    fn durations_there_and_back() {
        for text in ["1ms", "90s", "10m", "36h", "30d", "0s", "1500ms"] {
            assert_eq!(duration_text(duration_ms(text).unwrap()), text);
        }
        assert_eq!(duration_ms("24h").map(duration_text), Ok("1d".to_owned()));
        assert_eq!(duration_ms("10 m"), Ok(600_000));
        assert_eq!(duration_words(630_000), "10 minutes 30 seconds");
        assert_eq!(duration_words(30 * DAY_MS), "30 days");
        assert_eq!(duration_words(3_600_000), "1 hour");
    }

    #[test]
    fn a_wrong_duration_is_told_its_cure() {
        for (text, cure) in [
            ("30", "\"30d\""),
            ("30 days", "\"30d\""),
            ("2w", "\"14d\""),
            ("1.5h", "smaller unit"),
            (".5h", "smaller unit"),
            ("1y", "in days"),
            ("-5m", "a whole number"),
            ("9999999999999999d", "less than"),
        ] {
            let hint = duration_ms(text).unwrap_err();
            assert!(hint.contains(cure), "{text}: {hint}");
        }
    }

    #[test]
    fn rates_are_exact() {
        assert_eq!(rate("1.08"), Some(Rate { digits: 108, scale: 2 }));
        assert_eq!(rate("1.080"), rate("1.08"));
        assert_eq!(rate("0.0067").map(rate_text), Some("0.0067".to_owned()));
        assert_eq!(rate("100").map(rate_text), Some("100".to_owned()));
        for text in ["0", "0.0", "-1", "1e3", "1.", ".5", "1,08", "", "0.0000000000001", "nan"] {
            assert_eq!(rate(text), None, "{text}");
        }
        assert_eq!(rate("99999999999999999999"), None);
    }

    #[test]
    fn sizes() {
        assert_eq!(size_bytes("64MiB"), Some(64 << 20));
        assert_eq!(size_bytes("64MB"), None);
        assert_eq!(size_text(64 << 20), "64MiB");
        assert_eq!(size_text(1_500), "1500B");
    }
}
