//! Checked access to the fields of one record: each method takes a field, and gives its value or the reject.

use std::borrow::Cow;

use super::decimal::Decimal;
use super::fields::Field;
use super::object::{Fields, Raw, shortened};
use super::timestamp::{parse_date, parse_timestamp};
use crate::model::batch::EventBatch;
use crate::model::event::Span;
use crate::model::outcome::{Reason, Reject};
use crate::model::time::{EVENT_TIME_END_MS, EVENT_TIME_MIN_MS};

/// Longest identifier (customer, ticket, order, session, …), bytes.
pub const ID_BYTES_MAX: usize = 128;
/// Longest free text, bytes.
pub const TEXT_BYTES_MAX: usize = 256;
/// Largest number without a unit of its own (quantities, seconds, milliseconds, records).
pub const NUMBER_MAX: i64 = 1_000_000_000_000;
/// How much of an offending value is shown, bytes.
const SHOWN_BYTES_MAX: usize = 40;
/// Longest spelling of a number, bytes.
const NUMBER_BYTES_MAX: usize = 64;

/// A field has the wrong type or value.
#[cold]
pub fn bad_field(field: Field, found: &str, expected: &str) -> Reject {
    bad_value(field.name(), found, expected)
}

/// Like [`bad_field`], for a place that is no field of its own.
#[cold]
pub fn bad_value(place: &str, found: &str, expected: &str) -> Reject {
    Reject::new(Reason::BadField, format!("`{place}` is {}; expected {expected}", shown(found)))
}

/// The beginning of an offending value, for a message: without control characters.
pub fn shown(found: &str) -> String {
    let head = shortened(found, SHOWN_BYTES_MAX);
    let mut shown: String = head
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if head.len() < found.len() {
        shown.push('…');
    }
    shown
}

/// Like [`bad_value`], of a JSON value.
#[cold]
pub fn bad_raw(place: &str, raw: Raw<'_>, expected: &str) -> Reject {
    bad_value(place, &String::from_utf8_lossy(raw.bytes), expected)
}

#[cold]
fn too_long(place: &str, len: usize, max: usize) -> Reject {
    Reject::new(Reason::TooLong, format!("`{place}` has {len} bytes; at most {max} are allowed"))
}

#[cold]
fn missing(field: Field) -> Reject {
    Reject::new(
        Reason::MissingField,
        format!("`{}` is missing; this type requires it", field.name()),
    )
}

/// An exact number from a JSON number. `None` when it is none, or absurdly long.
pub fn number(raw: Raw<'_>) -> Option<Decimal> {
    if raw.bytes.len() > NUMBER_BYTES_MAX { None } else { Decimal::parse(raw.bytes) }
}

/// The double nearest to a JSON number in `0..=NUMBER_MAX`. `None` for anything else.
fn double(raw: Raw<'_>) -> Option<f64> {
    let decimal = number(raw)?;
    if let Some(whole) = decimal.small_whole() {
        return Some(f64::from(whole));
    }
    if decimal.negative || !decimal.at_most(NUMBER_MAX) {
        return None;
    }
    // Minus zero is zero.
    std::str::from_utf8(raw.bytes).ok()?.parse().ok().map(|n: f64| n + 0.0)
}

/// A whole number in `min..=max`, for a place that is no field of its own.
pub fn whole_number(place: &str, raw: Raw<'_>, min: i64, max: i64) -> Result<i64, Reject> {
    number(raw)
        .and_then(Decimal::whole)
        .filter(|n| (min..=max).contains(n))
        .ok_or_else(|| bad_raw(place, raw, &format!("a whole number from {min} to {max}")))
}

/// A text of at most `max` bytes, for a place that is no field of its own.
pub fn text_value<'a>(place: &str, raw: Raw<'a>, max: usize) -> Result<Cow<'a, [u8]>, Reject> {
    let text = raw.unquoted().ok_or_else(|| bad_raw(place, raw, "a JSON string"))?;
    if text.len() > max { Err(too_long(place, text.len(), max)) } else { Ok(text) }
}

/// A timestamp or a date, for a place that is no field of its own; milliseconds.
pub fn day_or_time_value(place: &str, raw: Raw<'_>) -> Result<i64, Reject> {
    let ms = raw.unquoted().and_then(|text| parse_date(&text).or_else(|| parse_timestamp(&text)));
    let expected = "an RFC 3339 timestamp or a date such as \"2026-05-01\"";
    within_time(place, raw, ms.ok_or_else(|| bad_raw(place, raw, expected))?)
}

/// Where a text lies in the batch: in the record, which begins at `record_at`, or behind it when it had escapes.
pub fn kept(batch: &mut EventBatch, record_at: u32, raw: Raw<'_>, text: Cow<'_, [u8]>) -> Span {
    match text {
        Cow::Borrowed([]) => Span::NONE,
        // After the opening quote.
        Cow::Borrowed(text) => {
            Span { start: record_at + raw.at as u32 + 1, len: text.len() as u32 }
        }
        Cow::Owned(text) => batch.push(&text),
    }
}

fn within_time(place: &str, raw: Raw<'_>, ms: i64) -> Result<i64, Reject> {
    if (EVENT_TIME_MIN_MS..EVENT_TIME_END_MS).contains(&ms) {
        return Ok(ms);
    }
    let shown = shown(&String::from_utf8_lossy(raw.bytes));
    let detail = format!("`{place}` is {shown}; expected a time from 1970-01-01 to 2149-06-05");
    Err(Reject::new(Reason::TimeRange, detail))
}

/// Whether a text in UTF-8 has a control character.
fn has_control(text: &[u8]) -> bool {
    // No early exit, so that the loop runs on whole vectors.
    let odd = text.iter().fold(false, |odd, b| odd | !(b' '..0x7f).contains(b));
    odd && std::str::from_utf8(text).is_ok_and(|text| text.chars().any(char::is_control))
}

/// One record being decoded.
pub struct Reader<'p, 'r> {
    /// Its fields.
    pub fields: &'r mut Fields<'p>,
    /// Where its texts go.
    pub batch: &'r mut EventBatch,
    /// Where the record begins in the batch.
    pub record_at: u32,
}

impl<'p> Reader<'p, '_> {
    /// A text of at most `max` bytes in a record that has nothing but plain texts, which need no other check.
    #[inline]
    fn plain(&self, raw: Raw<'p>, max: usize) -> Option<Span> {
        match raw.bytes {
            [b'"', inner @ .., b'"'] if self.fields.plain && inner.len() <= max => {
                let start = self.record_at + raw.at as u32 + 1;
                let span = Span { start, len: inner.len() as u32 };
                Some(if inner.is_empty() { Span::NONE } else { span })
            }
            _ => None,
        }
    }

    /// A text of at most `max` bytes from its JSON text.
    #[inline(never)]
    fn text_of(&self, field: Field, raw: Raw<'p>, max: usize) -> Result<Cow<'p, [u8]>, Reject> {
        match raw.unquoted() {
            Some(text) if text.len() <= max => Ok(text),
            Some(text) => Err(too_long(field.name(), text.len(), max)),
            None => Err(bad_raw(field.name(), raw, "a JSON string")),
        }
    }

    /// An identifier of at most `max` bytes from its JSON text.
    #[inline(never)]
    fn id_of(&self, field: Field, raw: Raw<'p>, max: usize) -> Result<Cow<'p, [u8]>, Reject> {
        let Some(id) = raw.unquoted() else {
            let expected =
                "a JSON string (an identifier written as a number would lose its leading zeros)";
            return Err(bad_raw(field.name(), raw, expected));
        };
        if id.len() > max {
            return Err(too_long(field.name(), id.len(), max));
        }
        if !self.fields.plain && has_control(&id) {
            let expected = "an identifier without control characters";
            return Err(bad_raw(field.name(), raw, expected));
        }
        Ok(id)
    }

    /// The JSON text of a field that must be there.
    pub fn required(&self, field: Field) -> Result<Raw<'p>, Reject> {
        self.fields.raw(field).ok_or_else(|| missing(field))
    }

    /// A text of at most `max` bytes that must be there and not be empty.
    pub fn required_text(&mut self, field: Field, max: usize) -> Result<Span, Reject> {
        let raw = self.required(field)?;
        match self.some_text(field, raw, max)? {
            Span::NONE => Err(bad_field(field, "empty", "a text that is not empty")),
            text => Ok(text),
        }
    }

    /// A text of at most `max` bytes; absent when missing, `null` or empty.
    #[inline]
    pub fn text(&mut self, field: Field, max: usize) -> Result<Span, Reject> {
        match self.fields.raw(field) {
            Some(raw) => self.some_text(field, raw, max),
            None => Ok(Span::NONE),
        }
    }

    #[inline]
    fn some_text(&mut self, field: Field, raw: Raw<'p>, max: usize) -> Result<Span, Reject> {
        if let Some(text) = self.plain(raw, max) {
            return Ok(text);
        }
        let text = self.text_of(field, raw, max)?;
        Ok(kept(self.batch, self.record_at, raw, text))
    }

    /// An identifier that must be there: 1 to `max` bytes, no control characters.
    #[inline]
    pub fn required_id(&mut self, field: Field, max: usize) -> Result<Span, Reject> {
        let raw = self.required(field)?;
        match self.some_id(field, raw, max)? {
            Span::NONE => Err(bad_field(field, "empty", "an identifier")),
            id => Ok(id),
        }
    }

    /// An identifier; absent when missing, `null` or empty.
    #[inline]
    pub fn id(&mut self, field: Field, max: usize) -> Result<Span, Reject> {
        match self.fields.raw(field) {
            Some(raw) => self.some_id(field, raw, max),
            None => Ok(Span::NONE),
        }
    }

    #[inline]
    fn some_id(&mut self, field: Field, raw: Raw<'p>, max: usize) -> Result<Span, Reject> {
        if let Some(id) = self.plain(raw, max) {
            return Ok(id);
        }
        let id = self.id_of(field, raw, max)?;
        Ok(kept(self.batch, self.record_at, raw, id))
    }

    /// A text that must be one of a few words; `None` when missing or `null`.
    pub fn word<T>(
        &self,
        field: Field,
        parse: impl Fn(&[u8]) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>, Reject> {
        let Some(raw) = self.fields.raw(field) else {
            return Ok(None);
        };
        let word = raw.unquoted().and_then(|text| parse(&text));
        word.map(Some).ok_or_else(|| bad_raw(field.name(), raw, expected))
    }

    /// [`Self::word`] that must be there.
    pub fn required_word<T>(
        &self,
        field: Field,
        parse: impl Fn(&[u8]) -> Option<T>,
        expected: &str,
    ) -> Result<T, Reject> {
        self.word(field, parse, expected)?.ok_or_else(|| missing(field))
    }

    /// `true` or `false`; `None` when missing or `null`.
    pub fn flag(&self, field: Field) -> Result<Option<bool>, Reject> {
        match self.fields.raw(field) {
            None => Ok(None),
            Some(Raw { bytes: b"true", .. }) => Ok(Some(true)),
            Some(Raw { bytes: b"false", .. }) => Ok(Some(false)),
            Some(raw) => Err(bad_raw(field.name(), raw, "true or false")),
        }
    }

    /// A whole JSON number in `min..=max`; `None` when missing or `null`.
    pub fn whole(&self, field: Field, min: i64, max: i64) -> Result<Option<i64>, Reject> {
        let Some(raw) = self.fields.raw(field) else {
            return Ok(None);
        };
        whole_number(field.name(), raw, min, max).map(Some)
    }

    /// [`Self::whole`] that must be there.
    pub fn required_whole(&self, field: Field, min: i64, max: i64) -> Result<i64, Reject> {
        self.whole(field, min, max)?.ok_or_else(|| missing(field))
    }

    /// A JSON number in `0..=NUMBER_MAX`, the nearest double; `None` when missing or `null`.
    pub fn number(&self, field: Field) -> Result<Option<f64>, Reject> {
        let Some(raw) = self.fields.raw(field) else {
            return Ok(None);
        };
        double(raw)
            .map(Some)
            .ok_or_else(|| bad_raw(field.name(), raw, "a JSON number from 0 to 1e12"))
    }

    /// [`Self::number`] that must be there.
    pub fn required_number(&self, field: Field) -> Result<f64, Reject> {
        self.number(field)?.ok_or_else(|| missing(field))
    }

    /// An RFC 3339 timestamp that must be there, milliseconds.
    pub fn required_time(&self, field: Field) -> Result<i64, Reject> {
        let raw = self.required(field)?;
        let ms = raw.unquoted().and_then(|text| parse_timestamp(&text)).ok_or_else(|| {
            let expected =
                "an RFC 3339 timestamp with its offset, such as \"2026-05-01T10:00:00+02:00\"";
            bad_raw(field.name(), raw, expected)
        })?;
        within_time(field.name(), raw, ms)
    }

    /// A timestamp or a date, milliseconds; `None` when missing or `null`.
    pub fn day_or_time(&self, field: Field) -> Result<Option<i64>, Reject> {
        let Some(raw) = self.fields.raw(field) else {
            return Ok(None);
        };
        day_or_time_value(field.name(), raw).map(Some)
    }

    /// [`Self::day_or_time`] that must be there.
    pub fn required_day_or_time(&self, field: Field) -> Result<i64, Reject> {
        self.day_or_time(field)?.ok_or_else(|| missing(field))
    }
}
