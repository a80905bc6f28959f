//! The field names of the contract, and one pass over a JSON object that keeps the text of each known field.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::model::outcome::{Reason, Reject};

/// Objects and arrays nested deeper than this, inside one field, are refused.
pub const DEPTH_MAX: usize = 64;

/// Longest sample of an unknown field's name, bytes.
const SAMPLE_BYTES_MAX: usize = 64;

/// A field name of the contract. The order is that of [`NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // the names are the contract's own words
pub enum Field {
    EventId,
    CustomerId,
    Ts,
    Type,
    AccountId,
    LegalEntityId,
    Source,
    Amount,
    Currency,
    OrderId,
    Quantity,
    Discount,
    Channel,
    Items,
    TicketId,
    Action,
    Kind,
    Priority,
    Csat,
    Expected,
    By,
    WaitS,
    HandlingMin,
    SessionId,
    Url,
    Category,
    DwellMs,
    Region,
    Industry,
    Segment,
    OwnerId,
    Key,
    Name,
    TFirst,
    TLast,
    NDays,
    Orders,
    Revenue,
    InvoiceId,
    Due,
    Direction,
    Employee,
    Start,
    Renewal,
    Signed,
    ReferredId,
    Nps,
    Promised,
    Delivered,
    Metric,
    PlanLimit,
    Records,
}

/// How many fields the contract knows.
pub const FIELDS: usize = Field::Records as usize + 1;

/// The names, indexed by [`Field`].
const NAMES: [&str; FIELDS] = [
    "event_id",
    "customer_id",
    "ts",
    "type",
    "account_id",
    "legal_entity_id",
    "source",
    "amount",
    "currency",
    "order_id",
    "quantity",
    "discount",
    "channel",
    "items",
    "ticket_id",
    "action",
    "kind",
    "priority",
    "csat",
    "expected",
    "by",
    "wait_s",
    "handling_min",
    "session_id",
    "url",
    "category",
    "dwell_ms",
    "region",
    "industry",
    "segment",
    "owner_id",
    "key",
    "name",
    "t_first",
    "t_last",
    "n_days",
    "orders",
    "revenue",
    "invoice_id",
    "due",
    "direction",
    "employee",
    "start",
    "renewal",
    "signed",
    "referred_id",
    "nps",
    "promised",
    "delivered",
    "metric",
    "plan_limit",
    "records",
];

impl Field {
    /// The name in the record.
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// The field's bit in a set of fields.
    pub const fn bit(self) -> u64 {
        1 << self as u32
    }
}

/// A set of fields, one bit each.
pub const fn set(fields: &[Field]) -> u64 {
    let mut bits = 0;
    let mut at = 0;
    while at < fields.len() {
        bits |= fields[at].bit();
        at += 1;
    }
    bits
}

/// The fields that every type has.
pub const COMMON: u64 = set(&[
    Field::EventId,
    Field::CustomerId,
    Field::Ts,
    Field::Type,
    Field::AccountId,
    Field::LegalEntityId,
    Field::Source,
]);

/// Slots of the name table: a power of two, about a fifth full.
const SLOTS: usize = 256;
/// An empty slot.
const VACANT: u8 = u8::MAX;
/// Open addressing over [`slot_of`], filled when the program is compiled.
static SLOT_TABLE: [u8; SLOTS] = slot_table();

/// Where the search for a name begins. Length, ends and middle tell nearly all names apart.
const fn slot_of(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    let mixed =
        len * 7 + name[0] as usize * 31 + name[len - 1] as usize * 17 + name[len / 2] as usize * 5;
    mixed % SLOTS
}

const fn slot_table() -> [u8; SLOTS] {
    let mut table = [VACANT; SLOTS];
    let mut at = 0;
    while at < FIELDS {
        let mut slot = slot_of(NAMES[at].as_bytes());
        while table[slot] != VACANT {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = at as u8;
        at += 1;
    }
    table
}

/// The index of a field name.
fn index_of(name: &str) -> Option<usize> {
    let mut slot = slot_of(name.as_bytes());
    loop {
        let index = usize::from(SLOT_TABLE[slot]);
        if *NAMES.get(index)? == name {
            return Some(index);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// The values of one object as JSON text, by field, and what else was in it.
pub struct Fields<'a> {
    values: [&'a str; FIELDS],
    /// Bits of the fields that were there.
    seen: u64,
    duplicate: Option<usize>,
    too_deep: bool,
    /// Fields whose name the contract does not have.
    pub unknown: u64,
    /// The first such name, when asked for.
    pub sample: Option<String>,
}

impl<'a> Fields<'a> {
    /// Reads one JSON object and nothing after it. `want_sample` asks for the name of an unknown field.
    pub fn read(payload: &'a [u8], want_sample: bool) -> Result<Self, Reject> {
        let text = std::str::from_utf8(payload)
            .map_err(|error| bad_json(&format!("not UTF-8 after byte {}", error.valid_up_to())))?;
        let mut fields = Self {
            values: [""; FIELDS],
            seen: 0,
            duplicate: None,
            too_deep: false,
            unknown: 0,
            sample: None,
        };
        let mut reader = serde_json::Deserializer::from_str(text);
        reader
            .deserialize_map(Filler {
                fields: &mut fields,
                want_sample,
            })
            .and_then(|()| reader.end())
            .map_err(|error| bad_json(&error.to_string()))?;
        if fields.too_deep {
            return Err(bad_json(&format!("nested deeper than {DEPTH_MAX} levels")));
        }
        match fields.duplicate.and_then(|index| NAMES.get(index)) {
            Some(name) => Err(Reject::new(
                Reason::BadField,
                format!("`{name}` stands twice in the record: which one is meant?"),
            )),
            None => Ok(fields),
        }
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
    pub fn stranger(self, known: u64) -> Option<String> {
        let other = (self.seen & !known).trailing_zeros() as usize;
        self.sample
            .or_else(|| NAMES.get(other).map(|name| (*name).to_owned()))
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

fn bad_json(what: &str) -> Reject {
    Reject::new(
        Reason::BadJson,
        format!("{what}; expected one JSON object per record, in UTF-8"),
    )
}

/// Whether a JSON text nests deeper than `max`. The text has been checked to be JSON.
fn deeper_than(json: &str, max: usize) -> bool {
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
                self.want_sample
                    .then(|| shortened(name, SAMPLE_BYTES_MAX).to_owned()),
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        for (index, name) in NAMES.iter().enumerate() {
            assert_eq!(index_of(name), Some(index), "{name}");
            assert_eq!(index_of(&format!("{name}x")), None);
        }
        assert_eq!(index_of(""), None);
        assert!(FIELDS <= 64, "a set of fields is a u64");
    }

    #[test]
    fn depth_ignores_brackets_in_texts() {
        assert!(!deeper_than(r#"["[[[\"[[[", "{{{"]"#, 1));
        assert!(deeper_than(r#"["a\\",[]]"#, 1));
    }
}
