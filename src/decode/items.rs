//! The lines of a purchase: checked here, and kept in the raw record only.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::money::major;
use super::purchase::QUANTITY_MAX;
use super::reader::{
    ID_BYTES_MAX, TEXT_BYTES_MAX, bad_value, day_or_time_value, text_value, whole_number,
};
use crate::model::outcome::{Reason, Reject};

/// Most items of one purchase.
pub const ITEMS_MAX: usize = 1_000;

/// Checks the JSON text of `items`; gives the number of fields in it that the contract does not know.
pub fn check_items(raw: &str) -> Result<u64, Reject> {
    if !raw.starts_with('[') {
        return Err(bad_value("items", raw, "an array of objects"));
    }
    let mut check = Check { unknown: 0, reject: None };
    // The text is JSON already; an error here is one that the check itself raised.
    let outcome =
        serde_json::Deserializer::from_str(raw).deserialize_seq(Items { check: &mut check });
    match (check.reject, outcome) {
        (Some(reject), _) => Err(reject),
        (None, Err(error)) => Err(bad_value("items", &error.to_string(), "an array of objects")),
        (None, Ok(())) => Ok(check.unknown),
    }
}

struct Check {
    unknown: u64,
    reject: Option<Reject>,
}

impl Check {
    /// Checks one field of item number `at`.
    fn field(&mut self, at: usize, seen: &mut u8, name: ItemField, raw: &str) {
        let bit = 1 << name as u8;
        let again = *seen & bit != 0;
        *seen |= bit;
        self.unknown += u64::from(matches!(name, ItemField::Unknown));
        let refused = match name {
            ItemField::Unknown => return,
            _ if again => true,
            _ => name.check(name.label(), raw).is_err(),
        };
        if refused && self.reject.is_none() {
            // Only now is the place worth its spelling.
            let place = format!("items[{at}].{}", name.label());
            self.reject = if again {
                Some(bad_value(&place, "there twice", "each field once"))
            } else {
                name.check(&place, raw).err()
            };
        }
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

    fn check(self, place: &str, raw: &str) -> Result<(), Reject> {
        if raw == "null" {
            return Ok(());
        }
        match self {
            Self::Sku => text_value(place, raw, ID_BYTES_MAX).map(|_| ()),
            Self::Category => text_value(place, raw, TEXT_BYTES_MAX).map(|_| ()),
            Self::Qty => whole_number(place, raw, 1, QUANTITY_MAX).map(|_| ()),
            Self::Price => major(place, raw).map(|_| ()),
            Self::Launched => day_or_time_value(place, raw).map(|_| ()),
            Self::Unknown => Ok(()),
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

struct Items<'c> {
    check: &'c mut Check,
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<(), S::Error> {
        let mut at = 0;
        while self.check.reject.is_none() {
            let item = Item { check: self.check, at };
            if items.next_element_seed(item)?.is_none() {
                return Ok(());
            }
            at += 1;
            if at > ITEMS_MAX {
                let detail = format!("`items` has more than {ITEMS_MAX} entries; split the order");
                self.check.reject = Some(Reject::new(Reason::TooLong, detail));
            }
        }
        Ok(())
    }
}

struct Item<'c> {
    check: &'c mut Check,
    at: usize,
}

impl<'de> serde::de::DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, item: D) -> Result<(), D::Error> {
        item.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object at items[{}]", self.at)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let mut seen = 0;
        while let Some(name) = map.next_key::<ItemField>()? {
            let value: &'de RawValue = map.next_value()?;
            self.check.field(self.at, &mut seen, name, value.get());
        }
        Ok(())
    }
}
