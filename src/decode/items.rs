//! The lines of a purchase.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::money::Money;
use super::purchase::QUANTITY_MAX;
use super::reader::{
    ID_BYTES_MAX, TEXT_BYTES_MAX, bad_value, day_or_time_value, text_value, whole_number,
};
use crate::model::batch::EventBatch;
use crate::model::event::{Item, ItemRange, Span};
use crate::model::outcome::{Reason, Reject};

/// Most items of one purchase.
pub const ITEMS_MAX: usize = 1_000;

/// Reads the JSON text of `items` into the batch; gives them, and the number of fields in them that the contract
/// does not know.
pub fn read_items(
    raw: &str,
    money: Money,
    batch: &mut EventBatch,
) -> Result<(ItemRange, u64), Reject> {
    if !raw.starts_with('[') {
        return Err(bad_value("items", raw, "an array of objects"));
    }
    let before = batch.mark();
    let mut lines = Lines { money, batch, unknown: 0, reject: None };
    // The text is JSON already; an error here is one that the reading itself raised.
    let outcome =
        serde_json::Deserializer::from_str(raw).deserialize_seq(ArrayOf { lines: &mut lines });
    match (lines.reject, outcome) {
        (Some(reject), _) => Err(reject),
        (None, Err(error)) => Err(bad_value("items", &error.to_string(), "an array of objects")),
        (None, Ok(())) => Ok((lines.batch.items_since(before), lines.unknown)),
    }
}

/// An item that says nothing.
pub const EMPTY: Item = Item { category: Span::NONE, qty: 1, price_minor: 0, launched_ms: None };

/// The lines read so far.
struct Lines<'b> {
    money: Money,
    batch: &'b mut EventBatch,
    unknown: u64,
    reject: Option<Reject>,
}

impl Lines<'_> {
    /// Reads one field of item number `at`.
    fn field(&mut self, at: usize, seen: &mut u8, item: &mut Item, name: ItemField, raw: &str) {
        if matches!(name, ItemField::Unknown) {
            self.unknown += 1;
            return;
        }
        let bit = 1 << name as u8;
        let again = *seen & bit != 0;
        *seen |= bit;
        let refused = again || self.read(name.label(), name, raw, item).is_err();
        if refused && self.reject.is_none() {
            // Only now is the place worth its spelling.
            let place = format!("items[{at}].{}", name.label());
            self.reject = if again {
                Some(bad_value(&place, "there twice", "each field once"))
            } else {
                self.read(&place, name, raw, item).err()
            };
        }
    }

    fn read(
        &mut self,
        place: &str,
        name: ItemField,
        raw: &str,
        item: &mut Item,
    ) -> Result<(), Reject> {
        if raw == "null" {
            return Ok(());
        }
        match name {
            ItemField::Sku => {
                text_value(place, raw, ID_BYTES_MAX)?;
            }
            ItemField::Category => {
                let category = text_value(place, raw, TEXT_BYTES_MAX)?;
                item.category = self.batch.push(category.as_bytes());
            }
            ItemField::Qty => item.qty = whole_number(place, raw, 1, QUANTITY_MAX)? as u32,
            ItemField::Price => item.price_minor = self.money.amount(place, raw)?.minor,
            ItemField::Launched => item.launched_ms = Some(day_or_time_value(place, raw)?),
            ItemField::Unknown => {}
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum ItemField {
    Sku,
    Category,
    Qty,
    Price,
    Launched,
    Unknown,
}

impl ItemField {
    fn label(self) -> &'static str {
        match self {
            Self::Sku => "sku",
            Self::Category => "category",
            Self::Qty => "qty",
            Self::Price => "price",
            Self::Launched => "launched",
            Self::Unknown => "",
        }
    }
}

impl<'de> serde::Deserialize<'de> for ItemField {
    fn deserialize<D: serde::Deserializer<'de>>(names: D) -> Result<Self, D::Error> {
        names.deserialize_str(ItemFieldName)
    }
}

struct ItemFieldName;

impl Visitor<'_> for ItemFieldName {
    type Value = ItemField;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<ItemField, E> {
        Ok(match name {
            "sku" => ItemField::Sku,
            "category" => ItemField::Category,
            "qty" => ItemField::Qty,
            "price" => ItemField::Price,
            "launched" => ItemField::Launched,
            _ => ItemField::Unknown,
        })
    }
}

struct ArrayOf<'l, 'b> {
    lines: &'l mut Lines<'b>,
}

impl<'de> Visitor<'de> for ArrayOf<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<(), S::Error> {
        let mut at = 0;
        while self.lines.reject.is_none() {
            let line = Line { lines: self.lines, at };
            if items.next_element_seed(line)?.is_none() {
                return Ok(());
            }
            at += 1;
            if at > ITEMS_MAX {
                let detail = format!("`items` has more than {ITEMS_MAX} entries; split the order");
                self.lines.reject = Some(Reject::new(Reason::TooLong, detail));
            }
        }
        Ok(())
    }
}

struct Line<'l, 'b> {
    lines: &'l mut Lines<'b>,
    at: usize,
}

impl<'de> serde::de::DeserializeSeed<'de> for Line<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, item: D) -> Result<(), D::Error> {
        item.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Line<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object at items[{}]", self.at)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let (mut seen, mut item) = (0, EMPTY);
        while let Some(name) = map.next_key::<ItemField>()? {
            let value: &'de RawValue = map.next_value()?;
            self.lines.field(self.at, &mut seen, &mut item, name, value.get());
        }
        self.lines.batch.push_item(item);
        Ok(())
    }
}
