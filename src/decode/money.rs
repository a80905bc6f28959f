//! Money fields: an exact decimal in major units of a currency that the definition has a rate for.

use super::DecodeContext;
use super::decimal::{DIGITS_MAX, Decimal};
use super::fields::Field;
use super::object::Raw;
use super::reader::{Reader, bad_raw, number};
use crate::model::event::Amount;
use crate::model::money::{Currency, Rate, convert};
use crate::model::outcome::{Reason, Reject};

/// Largest amount of one event, minor units.
pub const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000_000;

/// Longest amount written as a string, bytes: what always fits the digits of a [`Decimal`].
const AMOUNT_BYTES_MAX: usize = DIGITS_MAX as usize;

/// The currency of an event and its way into the reporting currency.
#[derive(Clone, Copy, Debug)]
pub struct Money {
    currency: Currency,
    rate: Rate,
    reporting: Currency,
}

impl Money {
    /// Reads `currency`, which must have a rate.
    pub fn read(reader: &Reader<'_, '_>, context: &DecodeContext<'_>) -> Result<Self, Reject> {
        let expected = "an ISO 4217 code such as \"EUR\"";
        let currency = reader.required_word(Field::Currency, parse_currency, expected)?;
        let at = context.rates.binary_search_by_key(&currency, |(code, _)| *code).ok();
        let Some((_, rate)) = at.and_then(|at| context.rates.get(at)) else {
            let detail = format!(
                "`currency` is {currency}; the definition has no rate for it: add it to [rates]"
            );
            return Err(Reject::new(Reason::UnknownCurrency, detail));
        };
        Ok(Self { currency, rate: *rate, reporting: context.reporting })
    }

    /// A money field that must be there.
    pub fn required(self, reader: &Reader<'_, '_>, field: Field) -> Result<Amount, Reject> {
        self.amount(field.name(), reader.required(field)?)
    }

    /// A money field in minor units of the reporting currency; 0 when missing or `null`.
    pub fn minor_or_zero(self, reader: &Reader<'_, '_>, field: Field) -> Result<i64, Reject> {
        match reader.fields.raw(field) {
            Some(raw) => self.amount(field.name(), raw).map(|amount| amount.minor),
            None => Ok(0),
        }
    }

    /// `raw` in the currency's minor units (half-even), and from those in the reporting currency's (half-even).
    pub fn amount(self, place: &str, raw: Raw<'_>) -> Result<Amount, Reject> {
        let original_minor = major(place, raw)?
            .scaled(self.currency.minor_digits())
            .filter(|minor| *minor <= AMOUNT_MINOR_MAX)
            .ok_or_else(|| bad_raw(place, raw, "at most 1e15 minor units"))?;
        let minor = if self.currency == self.reporting {
            Some(original_minor)
        } else {
            convert(original_minor, self.currency, self.reporting, self.rate)
        };
        let minor = minor.filter(|minor| *minor <= AMOUNT_MINOR_MAX).ok_or_else(|| {
            bad_raw(place, raw, "at most 1e15 minor units of the reporting currency")
        })?;
        Ok(Amount { minor, original_minor, currency: self.currency })
    }
}

/// A decimal of major units, at least zero: a JSON number, or a string of digits with at most one point.
fn major(place: &str, raw: Raw<'_>) -> Result<Decimal, Reject> {
    let decimal = match raw.unquoted() {
        // No sign and no exponent in a string, which is what people write.
        Some(text) if text.len() <= AMOUNT_BYTES_MAX && text.iter().copied().all(plain) => {
            Decimal::parse(&text)
        }
        Some(_) => None,
        None => number(raw),
    };
    decimal
        .filter(|decimal| !decimal.negative)
        .ok_or_else(|| bad_raw(place, raw, "a decimal such as \"19.99\" or 19.99, at least 0"))
}

fn parse_currency(code: &[u8]) -> Option<Currency> {
    Currency::parse(std::str::from_utf8(code).ok()?)
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}
