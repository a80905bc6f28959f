//! Decimal numbers, exactly: from their text to whole units of a given scale.

use crate::model::money::div_half_even;

/// Most significant digits of a number.
pub const DIGITS_MAX: u32 = 36;

/// `digits * 10^exponent`, exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// Whether it stands below zero; never set for zero.
    pub negative: bool,
    digits: u128,
    exponent: i32,
}

impl Decimal {
    /// Reads `[-]digits[.digits][e[+-]digits]`. `None` for anything else, and for more than
    /// [`DIGITS_MAX`] significant digits.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Self::parse_short(bytes).or_else(|| Self::parse_any(std::str::from_utf8(bytes).ok()?))
    }

    fn parse_any(text: &str) -> Option<Self> {
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (rest.get(..at)?, parse_exponent(rest.get(at + 1..)?)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        if whole.is_empty() {
            return None;
        }
        let digits = accumulate(accumulate(0, whole)?, fraction)?;
        let exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        Some(Self { negative: sign && digits != 0, digits, exponent })
    }

    /// The common case in one pass: at most 18 bytes, digits and one point. `None` leaves it to the full reading.
    fn parse_short(text: &[u8]) -> Option<Self> {
        let (mut digits, mut point) = (0_u64, None);
        if text.len() > 18 {
            return None;
        }
        for (at, byte) in text.iter().enumerate() {
            match digit(*byte) {
                Some(digit) => digits = digits * 10 + u64::from(digit),
                None if *byte == b'.' && point.is_none() && at > 0 => point = Some(at + 1),
                None => return None,
            }
        }
        // A number ends with a digit, and needs one.
        text.last().filter(|byte| byte.is_ascii_digit())?;
        let fraction = text.len() - point.unwrap_or(text.len());
        Some(Self { negative: false, digits: u128::from(digits), exponent: -(fraction as i32) })
    }

    /// The number in units of `10^-scale`, rounded half-even. `None` when it does not fit.
    pub fn scaled(self, scale: u32) -> Option<i64> {
        let shift = self.exponent.checked_add(i32::try_from(scale).ok()?)?;
        let digits = i128::try_from(self.digits).ok()?;
        if shift == 0 && !self.negative {
            return i64::try_from(digits).ok();
        }
        let digits = if self.negative { -digits } else { digits };
        if digits == 0 {
            return Some(0);
        }
        let power = 10_i128.checked_pow(shift.unsigned_abs());
        match (shift >= 0, power) {
            (true, power) => i64::try_from(digits.checked_mul(power?)?).ok(),
            // More than 10^38 below: less than half a unit, because the digits are fewer.
            (false, None) => Some(0),
            (false, Some(power)) => div_half_even(digits, power),
        }
    }

    /// The number if it is a whole one. `None` otherwise and when it does not fit.
    pub fn whole(self) -> Option<i64> {
        let mut number = self;
        while number.exponent < 0 && number.digits.is_multiple_of(10) && number.digits != 0 {
            number.digits /= 10;
            number.exponent += 1;
        }
        if number.exponent < 0 && number.digits != 0 { None } else { number.scaled(0) }
    }

    /// The number if it is written as a whole one below 2^32.
    pub fn small_whole(self) -> Option<u32> {
        if self.exponent == 0 && !self.negative { u32::try_from(self.digits).ok() } else { None }
    }

    /// Whether the number is at most `max`.
    pub fn at_most(self, max: i64) -> bool {
        if self.negative {
            return true;
        }
        let max = u128::from(max.unsigned_abs());
        let power = 10_u128.checked_pow(self.exponent.unsigned_abs());
        match (self.exponent >= 0, power) {
            (true, power) => {
                self.digits == 0
                    || power.and_then(|p| self.digits.checked_mul(p)).is_some_and(|n| n <= max)
            }
            (false, None) => true,
            (false, Some(power)) => match max.checked_mul(power) {
                Some(bound) => self.digits <= bound,
                None => true,
            },
        }
    }
}

fn accumulate(start: u128, text: &str) -> Option<u128> {
    let limit = 10_u128.pow(DIGITS_MAX);
    let mut digits = start;
    for byte in text.bytes() {
        digits = digits * 10 + u128::from(digit(byte)?);
        if digits >= limit {
            return None;
        }
    }
    Some(digits)
}

fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

/// An exponent; beyond four digits none is of use.
fn parse_exponent(text: &str) -> Option<i32> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let exponent: i32 = digits.parse().ok()?;
    Some(if negative { -exponent } else { exponent })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cents(text: &str) -> Option<i64> {
        Decimal::parse(text.as_bytes()).and_then(|d| d.scaled(2))
    }

    #[test]
    fn amounts_are_exact_and_rounded_half_even() {
        assert_eq!(cents("29.33"), Some(2933));
        assert_eq!(cents("0.005"), Some(0));
        assert_eq!(cents("0.015"), Some(2));
        assert_eq!(cents("0.0050000000000000000000001"), Some(1));
        assert_eq!(cents("1e2"), Some(10_000));
        assert_eq!(cents("1.5E-3"), Some(0));
        assert_eq!(cents("1e-9999"), Some(0));
        assert_eq!(cents("-0.00"), Some(0));
        assert_eq!(cents("-1"), Some(-100));
        assert_eq!(cents("0e9999"), Some(0));
        assert_eq!(cents("1e9999"), None);
        assert_eq!(cents("123456789012345678901"), None);
    }

    #[test]
    fn short_and_full_reading_agree() {
        for text in ["0", "007", "19.99", "0.000", "123456789012345678", "1234567890123456.7"] {
            let long = format!("{}{text}", "0".repeat(18));
            let short = Decimal::parse_short(text.as_bytes());
            assert!(short.is_some() && short == Decimal::parse(long.as_bytes()), "{text}");
        }
        for text in ["", ".", "1.", ".1", "1..2", "1.2.3", "-1", "1e2"] {
            assert_eq!(Decimal::parse_short(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in
            ["", "-", ".", "1.", ".5", "+1", "NaN", "Infinity", "1e", "1e+", "1_0", "1,5", " 1"]
        {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Decimal::parse("9".repeat(37).as_bytes()), None);
        assert!(Decimal::parse("9".repeat(36).as_bytes()).is_some());
    }

    #[test]
    fn whole_numbers_and_bounds() {
        let whole = |text: &str| Decimal::parse(text.as_bytes()).and_then(Decimal::whole);
        assert_eq!(
            [whole("2.0"), whole("2.50"), whole("1e3"), whole("0.0")],
            [Some(2), None, Some(1000), Some(0)]
        );
        let at_most = |text: &str| Decimal::parse(text.as_bytes()).unwrap().at_most(5);
        assert_eq!(
            ["5", "5.0", "5.0001", "1e40", "-9", "1e-99", "0e99"].map(at_most),
            [true, true, false, false, true, true, true]
        );
    }
}
