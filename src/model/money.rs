//! Money: integer minor units of a currency, how they are written, and the fixed conversion into the reporting currency.

use std::fmt;

/// An ISO 4217 alphabetic code: three upper-case ASCII letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(pub [u8; 3]);

impl Currency {
    /// Reads three upper-case ASCII letters; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let code: [u8; 3] = text.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_uppercase).then_some(Self(code))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// Digits after the decimal point of the currency's minor unit (ISO 4217 "E" column): 2 for most.
    pub fn minor_digits(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG"
            | b"RWF" | b"UGX" | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `USD 1,234.50`; an amount in an unknown currency is told in its minor units.
#[must_use]
pub fn amount_text(minor: i64, currency: &str) -> String {
    let digits = Currency::parse(currency).map_or(0, Currency::minor_digits) as usize;
    let padded = format!("{:0>width$}", minor.unsigned_abs(), width = digits + 1);
    let (whole, fraction) = padded.split_at(padded.len() - digits);
    let sign = if minor < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{currency} {sign}{}{point}{fraction}", grouped(whole))
}

/// Digits with commas between thousands.
#[must_use]
pub fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A positive decimal number `digits / 10^scale`, exact: a conversion rate as the definition writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The digits without the point; positive.
    pub digits: i64,
    /// How many of them stand after the point; at most 12.
    pub scale: u32,
}

impl Rate {
    /// The rate of a currency with itself.
    pub const ONE: Self = Self { digits: 1, scale: 0 };
}

/// `numerator / denominator` rounded to the nearest integer, ties to the even one.
/// `denominator` must be positive. `None` when the result does not fit `i64`.
pub fn div_half_even(numerator: i128, denominator: i128) -> Option<i64> {
    let quotient = numerator.div_euclid(denominator);
    let twice_rest = numerator.rem_euclid(denominator).checked_mul(2)?;
    let up = twice_rest > denominator || (twice_rest == denominator && quotient % 2 != 0);
    i64::try_from(quotient + i128::from(up)).ok()
}

/// Minor units of `from` as minor units of `to` at `rate` (units of `to` for one unit of `from`),
/// rounded half-even, once per event. `None` on overflow.
pub fn convert(minor: i64, from: Currency, to: Currency, rate: Rate) -> Option<i64> {
    let up = 10_i128.checked_pow(to.minor_digits())?;
    let down = 10_i128.checked_pow(from.minor_digits() + rate.scale)?;
    let product = i128::from(minor).checked_mul(i128::from(rate.digits))?.checked_mul(up)?;
    div_half_even(product, down)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn half_even_and_signs() {
        let halves: Vec<_> = [-5, -3, -1, 1, 3, 5].map(|n| div_half_even(n, 2).unwrap()).into();
        assert_eq!(halves, [-2, -2, 0, 0, 2, 2]);
        assert_eq!(div_half_even(-7, 4), Some(-2));
        assert_eq!(div_half_even(i128::MAX / 4, 1), None);
    }

    #[test]
    fn amounts_as_people_write_them() {
        assert_eq!(amount_text(5, "USD"), "USD 0.05");
        assert_eq!(amount_text(-1_234_567, "EUR"), "EUR -12,345.67");
        assert_eq!(amount_text(1_234_567, "JPY"), "JPY 1,234,567");
    }

    #[test]
    fn yen_and_dinars_have_other_minor_units() {
        let [usd, jpy, kwd] = ["USD", "JPY", "KWD"].map(|c| Currency::parse(c).unwrap());
        let rate = Rate { digits: 67, scale: 4 };
        assert_eq!(convert(1_000, jpy, usd, rate), Some(670));
        assert_eq!(convert(1_000, kwd, usd, Rate { digits: 325, scale: 2 }), Some(325));
        assert_eq!(convert(i64::MAX, usd, kwd, Rate { digits: 99, scale: 0 }), None);
    }
}
