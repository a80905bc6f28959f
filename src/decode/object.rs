//! The fields of one record: where the value of each stands. Filled by `serde_json` here, which also words what is
//! wrong with a record, or by [`super::scan`].

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::{FIELDS, Field, NAMES, index_of};
use crate::model::outcome::{Reason, Reject};

/// Objects and arrays nested deeper than this, inside one field, are refused.
pub const DEPTH_MAX: usize = 64;

/// Longest sample of an unknown field's name, bytes.
const SAMPLE_BYTES_MAX: usize = 64;

/// The JSON text of a value.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// Its bytes, in UTF-8.
    pub bytes: &'a [u8],
    /// Where it begins in the record.
    pub at: usize,
    /// Whether it may have a backslash: without one, no text needs unescaping.
    pub escapes: bool,
}

impl<'a> Raw<'a> {
    /// The text of a JSON string. `None` when the value is no string, or no text.
    #[inline]
    pub fn unquoted(self) -> Option<Cow<'a, [u8]>> {
        let [b'"', inner @ .., b'"'] = self.bytes else {
            return None;
        };
        if self.escapes && inner.contains(&b'\\') {
            let text = serde_json::from_slice::<String>(self.bytes).ok()?;
            return Some(Cow::Owned(text.into_bytes()));
        }
        Some(Cow::Borrowed(inner))
    }
}

/// The values of one record by field, and what else was in it.
pub struct Fields<'a> {
    payload: &'a [u8],
    /// Begin and end of each value; valid for the fields in `seen`.
    places: [(u32, u32); FIELDS],
    /// Bits of the fields that were there.
    seen: u64,
    duplicate: Option<usize>,
    too_deep: bool,
    /// Whether the record may have a backslash somewhere.
    pub escapes: bool,
    /// Whether all its bytes are printable ASCII: then no text has a control character.
    pub plain: bool,
    /// Fields whose name the contract does not have.
    pub unknown: u64,
    /// The first such name, when asked for.
    sample: Option<String>,
}

impl<'a> Fields<'a> {
    /// No fields yet of a record below 4 GiB.
    pub fn new(payload: &'a [u8]) -> Self {
        Self {
            payload,
            places: [(0, 0); FIELDS],
            seen: 0,
            duplicate: None,
            too_deep: false,
            escapes: false,
            plain: false,
            unknown: 0,
            sample: None,
        }
    }

    /// The whole record.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Reads one JSON object and nothing after it, by `serde_json`. `want_sample` asks for the name of an unknown field.
    pub fn fill(&mut self, want_sample: bool) -> Result<(), Reject> {
        let text = std::str::from_utf8(self.payload)
            .map_err(|error| bad_json(&format!("not UTF-8 after byte {}", error.valid_up_to())))?;
        self.escapes = self.payload.contains(&b'\\');
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

    /// The JSON text of a field; `None` when it is missing or `null`.
    #[inline]
    pub fn raw(&self, field: Field) -> Option<Raw<'a>> {
        if self.seen & field.bit() == 0 {
            return None;
        }
        let (begin, end) = self.places[field as usize];
        let bytes = self.payload.get(begin as usize..end as usize)?;
        let raw = Raw { bytes, at: begin as usize, escapes: self.escapes };
        (bytes != b"null").then_some(raw)
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

    /// Notes the value of a known field. `false` when the field has one already.
    #[inline]
    pub fn put(&mut self, index: usize, begin: usize, end: usize) -> bool {
        let bit = 1 << index;
        let first = self.seen & bit == 0;
        self.seen |= bit;
        if let Some(place) = self.places.get_mut(index) {
            *place = (begin as u32, end as u32);
        }
        first
    }

    /// Counts a field that the contract does not know.
    pub fn put_unknown(&mut self, name: &str, want_sample: bool) {
        self.unknown += 1;
        if want_sample && self.sample.is_none() {
            self.sample = Some(shortened(name, SAMPLE_BYTES_MAX).to_owned());
        }
    }

    fn check_depth(&mut self, value: &str) {
        if value.starts_with(['{', '[']) && deeper_than(value, DEPTH_MAX) {
            self.too_deep = true;
        }
    }
}

/// Where `part`, a part of `whole`, begins in it.
pub fn offset_in(whole: &[u8], part: &str) -> usize {
    part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr())
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

/// A field name as it was met: the index of a known one.
struct NameSeed<'f, 'a> {
    fields: &'f mut Fields<'a>,
    want_sample: bool,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(self, names: D) -> Result<Self::Value, D::Error> {
        names.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let index = index_of(name.as_bytes(), name.len());
        if index.is_none() {
            self.fields.put_unknown(name, self.want_sample);
        }
        Ok(index)
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
        let Self { fields, want_sample } = self;
        while let Some(index) = map.next_key_seed(NameSeed { fields: &mut *fields, want_sample })? {
            let value: &'a str = map.next_value::<&'a RawValue>()?.get();
            fields.check_depth(value);
            let Some(index) = index else { continue };
            let begin = offset_in(fields.payload, value);
            if !fields.put(index, begin, begin + value.len()) {
                fields.duplicate = Some(index);
            }
        }
        Ok(())
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
