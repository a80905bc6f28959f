//! The lines of a purchase.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::lines::scan_lines;
use super::money::Money;
use super::object::{Raw, offset_in};
use super::purchase::QUANTITY_MAX;
use super::reader::{
    ID_BYTES_MAX, Reader, TEXT_BYTES_MAX, bad_raw, bad_value, day_or_time_value, kept, text_value,
    whole_number,
};
use crate::model::batch::EventBatch;
use crate::model::event::{Item, ItemRange, Span};
use crate::model::outcome::{Reason, Reject};

/// Most items of one purchase.
pub const ITEMS_MAX: usize = 1_000;

/// Reads the JSON text of `items` into the batch.
pub fn read_items(
    raw: Raw<'_>,
    money: Money,
    reader: &mut Reader<'_, '_>,
) -> Result<ItemRange, Reject> {
    if !raw.bytes.starts_with(b"[") {
        return Err(bad_raw("items", raw, "an array of objects"));
    }
    let before = reader.batch.mark();
    let (record_at, quick) = (reader.record_at, !reader.fields.escapes);
    let mut lines = Lines { money, batch: reader.batch, record_at, unknown: 0 };
    if !quick || scan_lines(raw, &mut lines).is_none() {
        lines.batch.truncate(before);
        lines.unknown = 0;
        read_slowly(raw, &mut lines)?;
    }
    reader.fields.unknown += lines.unknown;
    Ok(reader.batch.items_since(before))
}

fn read_slowly(raw: Raw<'_>, lines: &mut Lines<'_>) -> Result<(), Reject> {
    let mut reading = Reading { array: raw, lines, reject: None };
    // The text is JSON already; an error here is one that the reading itself raised.
    let outcome = serde_json::Deserializer::from_slice(raw.bytes).deserialize_seq(&mut reading);
    match (reading.reject, outcome) {
        (Some(reject), _) => Err(reject),
        (None, Err(error)) => Err(bad_value("items", &error.to_string(), "an array of objects")),
        (None, Ok(())) => Ok(()),
    }
}

/// An item that says nothing.
pub const EMPTY: Item = Item { category: Span::NONE, qty: 1, price_minor: 0, launched_ms: None };

/// The lines read so far.
pub struct Lines<'b> {
    money: Money,
    /// Where they go.
    pub batch: &'b mut EventBatch,
    record_at: u32,
    /// Fields that the contract does not know.
    pub unknown: u64,
}

impl Lines<'_> {
    /// Reads one field of an item.
    pub fn read(
        &mut self,
        place: &str,
        name: ItemField,
        raw: Raw<'_>,
        item: &mut Item,
    ) -> Result<(), Reject> {
        if raw.bytes == b"null" {
            return Ok(());
        }
        match name {
            ItemField::Sku => {
                text_value(place, raw, ID_BYTES_MAX)?;
            }
            ItemField::Category => {
                let category = text_value(place, raw, TEXT_BYTES_MAX)?;
                item.category = kept(self.batch, self.record_at, raw, category);
            }
            ItemField::Qty => item.qty = whole_number(place, raw, 1, QUANTITY_MAX)? as u32,
            ItemField::Price => item.price_minor = self.money.amount(place, raw)?.minor,
            ItemField::Launched => item.launched_ms = Some(day_or_time_value(place, raw)?),
        }
        Ok(())
    }
}

/// The reading by `serde_json`, which words what is wrong.
struct Reading<'r, 'b> {
    array: Raw<'r>,
    lines: &'r mut Lines<'b>,
    reject: Option<Reject>,
}

impl Reading<'_, '_> {
    /// Reads one field of item number `at`.
    fn field(&mut self, at: usize, seen: &mut u8, item: &mut Item, name: ItemField, value: &str) {
        let raw = Raw {
            bytes: value.as_bytes(),
            at: self.array.at + offset_in(self.array.bytes, value),
            escapes: self.array.escapes,
        };
        let again = *seen & name.bit() != 0;
        *seen |= name.bit();
        let refused = again || self.lines.read(name.label(), name, raw, item).is_err();
        if refused && self.reject.is_none() {
            // Only now is the place worth its spelling.
            let place = format!("items[{at}].{}", name.label());
            self.reject = if again {
                Some(bad_value(&place, "there twice", "each field once"))
            } else {
                self.lines.read(&place, name, raw, item).err()
            };
        }
    }
}

/// A field of an item.
#[derive(Clone, Copy)]
#[allow(missing_docs)] // the names are the contract's own words
pub enum ItemField {
    Sku,
    Category,
    Qty,
    Price,
    Launched,
}

impl ItemField {
    /// The field of a name.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"sku" => Self::Sku,
            b"category" => Self::Category,
            b"qty" => Self::Qty,
            b"price" => Self::Price,
            b"launched" => Self::Launched,
            _ => return None,
        })
    }

    /// The field's bit in a set of fields.
    pub fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Its name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sku => "sku",
            Self::Category => "category",
            Self::Qty => "qty",
            Self::Price => "price",
            Self::Launched => "launched",
        }
    }
}

/// A name in an item; `None` for one that the contract does not know.
struct Known(Option<ItemField>);

impl<'de> serde::Deserialize<'de> for Known {
    fn deserialize<D: serde::Deserializer<'de>>(names: D) -> Result<Self, D::Error> {
        names.deserialize_str(ItemFieldName)
    }
}

struct ItemFieldName;

impl Visitor<'_> for ItemFieldName {
    type Value = Known;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Known, E> {
        Ok(Known(ItemField::parse(name.as_bytes())))
    }
}

impl<'de> Visitor<'de> for &mut Reading<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<(), S::Error> {
        let mut at = 0;
        while self.reject.is_none() {
            if items.next_element_seed(Line { reading: self, at })?.is_none() {
                return Ok(());
            }
            at += 1;
            if at > ITEMS_MAX {
                let detail = format!("`items` has more than {ITEMS_MAX} entries; split the order");
                self.reject = Some(Reject::new(Reason::TooLong, detail));
            }
        }
        Ok(())
    }
}

struct Line<'l, 'r, 'b> {
    reading: &'l mut Reading<'r, 'b>,
    at: usize,
}

impl<'de> serde::de::DeserializeSeed<'de> for Line<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, item: D) -> Result<(), D::Error> {
        item.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Line<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object at items[{}]", self.at)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let (mut seen, mut item) = (0, EMPTY);
        while let Some(Known(name)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            match name {
                Some(name) => {
                    self.reading.field(self.at, &mut seen, &mut item, name, value.get());
                }
                None => self.reading.lines.unknown += 1,
            }
        }
        self.reading.lines.batch.push_item(item);
        Ok(())
    }
}
