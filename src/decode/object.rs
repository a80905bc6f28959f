//! One pass over a JSON object that keeps the text of each field the contract knows.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::{FIELDS, Field, NAMES, index_of};
use crate::model::outcome::{Reason, Reject};

/// Objects and arrays nested deeper than this, inside one field, are refused.
const DEPTH_MAX: usize = 64;

/// Longest sample of an unknown field's name, bytes.
const SAMPLE_BYTES_MAX: usize = 64;

/// The values of one object as JSON text, by field, and what else was in it.
pub struct Fields<'a> {
    values: [&'a str; FIELDS],
    /// Bits of the fields that were there.
    seen: u64,
    duplicate: Option<usize>,
    too_deep: bool,
    /// Whether the record has a backslash anywhere: without one, no text needs unescaping.
    escapes: bool,
    /// Fields whose name the contract does not have.
    pub unknown: u64,
    /// The first such name, when asked for.
    sample: Option<String>,
}

impl<'a> Fields<'a> {
    /// No fields yet.
    pub fn empty() -> Self {
        Self {
            values: [""; FIELDS],
            seen: 0,
            duplicate: None,
            too_deep: false,
            escapes: false,
            unknown: 0,
            sample: None,
        }
    }

    /// Reads one JSON object and nothing after it. `want_sample` asks for the name of an unknown field.
    pub fn fill(&mut self, payload: &'a [u8], want_sample: bool) -> Result<(), Reject> {
        let text = std::str::from_utf8(payload)
            .map_err(|error| bad_json(&format!("not UTF-8 after byte {}", error.valid_up_to())))?;
        self.escapes = payload.contains(&b'\\');
        let mut reader = serde_json::Deserializer::from_str(text);
        reader
            .deserialize_map(Filler { fields: self, want_sample })
            .and_then(|()| reader.end())
            .map_err(|error| bad_json(&error.to_string()))?;
        if self.too_deep {
            return Err(bad_json(&format!("nested deeper than {DEPTH_MAX} levels")));
        }
        match self.duplicate.and_then(|index| NAMES.get(index)) {
            Some(name) => Err(Reject::new(
                Reason::BadField,
                format!("`{name}` stands twice in the record: which one is meant?"),
            )),
            None => Ok(()),
        }
    }

    /// The text of a JSON string. `None` when the JSON value is no string, or no text.
    pub fn unquoted(&self, raw: &'a str) -> Option<Cow<'a, str>> {
        if self.escapes {
            return unquoted(raw);
        }
        raw.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed)
    }

    /// The JSON text of a field; `None` when it is missing or `null`.
    pub fn raw(&self, field: Field) -> Option<&'a str> {
        let raw = self.values[field as usize];
        (!raw.is_empty() && raw != "null").then_some(raw)
    }

    /// How many fields the record has that a type with `known` fields does not.
    pub fn strangers(&self, known: u64) -> u64 {
        self.unknown + u64::from((self.seen & !known).count_ones())
    }

    /// The name of one of those fields: an unknown one, else one of another type.
    pub fn stranger(&mut self, known: u64) -> Option<String> {
        let other = (self.seen & !known).trailing_zeros() as usize;
        self.sample.take().or_else(|| NAMES.get(other).map(|name| (*name).to_owned()))
    }

    fn put(&mut self, name: Name, value: &'a str) {
        if value.starts_with(['{', '[']) && deeper_than(value, DEPTH_MAX) {
            self.too_deep = true;
        }
        match name {
            Name::Known(index) => {
                if !self.values[index].is_empty() {
                    self.duplicate = Some(index);
                }
                self.values[index] = value;
                self.seen |= 1 << index;
            }
            Name::Unknown(sample) => {
                self.unknown += 1;
                if self.sample.is_none() {
                    self.sample = sample;
                }
            }
        }
    }
}

/// The text of a JSON string, wherever it comes from. `None` when the JSON value is no string, or no text.
pub fn unquoted(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') {
        return serde_json::from_str::<String>(raw).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

#[cold]
fn bad_json(what: &str) -> Reject {
    Reject::new(Reason::BadJson, format!("{what}; expected one JSON object per record, in UTF-8"))
}

/// Whether a JSON text nests deeper than `max`. The text has been checked to be JSON.
fn deeper_than(json: &str, max: usize) -> bool {
    // Nearly always there are not even enough brackets; counting them runs on whole vectors.
    if json.bytes().filter(|b| matches!(b, b'{' | b'[')).count() <= max {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' if depth == max => return true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// A field name as it was met.
enum Name {
    Known(usize),
    Unknown(Option<String>),
}

struct NameSeed {
    want_sample: bool,
}

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Name;

    fn deserialize<D: serde::Deserializer<'de>>(self, names: D) -> Result<Name, D::Error> {
        names.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(match index_of(name) {
            Some(index) => Name::Known(index),
            None => Name::Unknown(
                self.want_sample.then(|| shortened(name, SAMPLE_BYTES_MAX).to_owned()),
            ),
        })
    }
}

struct Filler<'f, 'a> {
    fields: &'f mut Fields<'a>,
    want_sample: bool,
}

impl<'a> Visitor<'a> for Filler<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        loop {
            let want_sample = self.want_sample && self.fields.sample.is_none();
            let Some(name) = map.next_key_seed(NameSeed { want_sample })? else {
                return Ok(());
            };
            let value: &'a RawValue = map.next_value()?;
            self.fields.put(name, value.get());
        }
    }
}

/// The first bytes of a text, at most `max`, cut at a character border.
pub fn shortened(text: &str, max: usize) -> &str {
    let mut cut = text.len().min(max);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    text.get(..cut).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_ignores_brackets_in_texts() {
        assert!(!deeper_than(r#"["[[[\"[[[", "{{{"]"#, 1));
        assert!(deeper_than(r#"["a\\",[]]"#, 1));
    }
}
