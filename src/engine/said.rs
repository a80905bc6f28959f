//! Master data of one customer: texts, each with the stamp of the event that said it; the latest stamp wins.
//!
//! Most customers have one or two of these texts: they lie as bytes in one allocation. Before them stands what the
//! customer's account was told last, for only who names an account is told of to one.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::compact::CompactStamp;
use super::fetch::fetch;
use crate::model::record::Stamp;

/// A text field of the master data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Field {
    AccountId,
    LegalEntityId,
    Region,
    Industry,
    Segment,
    OwnerId,
    /// `true` or `false`.
    Key,
    Name,
    /// `other` where `OwnerId` is one of too many to be counted by.
    OwnerBeyond,
    /// Whether they stand up for us at their account: the name of a [`crate::model::event::Champion`].
    Champion,
}

/// Bytes before a text: field, length (two bytes), stamp.
const HEAD: usize = 3 + CompactStamp::BYTES;

/// Bytes before the first head: what the account was told last.
const TOLD: usize = 4;

/// What was said, in the order of [`Field`]: head and text, one after the other.
#[derive(Debug, Default)]
pub struct Said {
    bytes: Box<[u8]>,
    /// The numbers of the groups that they are counted in, see [`Self::counted`].
    counted: Option<[u16; COUNTED]>,
}

/// Groups of the master data: region, industry, owner.
pub const COUNTED: usize = 3;

impl PartialEq for Said {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

/// Whoever takes a copy may count in other groups.
impl Clone for Said {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), counted: None }
    }
}

/// Where a field stands, or where it would.
enum At {
    /// Its head begins here.
    Here(usize),
    /// It is not there; it would stand here.
    Before(usize),
}

impl Said {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Asks for the bytes.
    pub fn fetch(&self) {
        fetch(&self.bytes);
    }

    /// The numbers of the groups that the customer is counted in (`flows.rs`); `None` where they were not looked up since
    /// something was said. They follow from the texts, and are no part of the state.
    pub fn counted(&self) -> Option<[u16; COUNTED]> {
        self.counted
    }

    /// Notes these numbers.
    pub fn set_counted(&mut self, groups: [u16; COUNTED]) {
        self.counted = Some(groups);
    }

    /// What the customer's account was told last, see `member.rs`; 0 before.
    pub fn told(&self) -> u32 {
        self.bytes.first_chunk().map_or(0, |told| u32::from_le_bytes(*told))
    }

    /// Notes what the account was told; nothing where nothing was said, for there is no account then.
    pub fn set_told(&mut self, now: u32) {
        if let Some(told) = self.bytes.first_chunk_mut() {
            *told = now.to_le_bytes();
        }
    }

    /// The value of a field; empty when nobody said it.
    pub fn get(&self, field: Field) -> &str {
        std::str::from_utf8(self.get_bytes(field)).unwrap_or("")
    }

    /// The bytes of a field's value; empty when nobody said it.
    pub fn get_bytes(&self, field: Field) -> &[u8] {
        match self.find(field) {
            At::Here(at) => self.text(at),
            At::Before(_) => &[],
        }
    }

    /// Takes a value in: the latest stamp wins, whatever came first. Returns whether the value changed.
    pub fn say(&mut self, field: Field, value: &str, stamp: Stamp) -> bool {
        let compact = CompactStamp::from(stamp).to_bytes();
        match self.find(field) {
            At::Here(at) => {
                if stamp <= self.stamp(at) {
                    return false;
                }
                self.bytes[at + 3..at + HEAD].copy_from_slice(&compact);
                if self.text(at) == value.as_bytes() {
                    return false;
                }
                self.replace(at, at + HEAD + self.text(at).len(), field, value, compact);
            }
            At::Before(at) => self.replace(at, at, field, value, compact),
        }
        true
    }

    /// The stamp of the event that said what a field holds.
    pub fn stamped(&self, field: Field) -> Option<Stamp> {
        match self.find(field) {
            At::Here(at) => Some(self.stamp(at)),
            At::Before(_) => None,
        }
    }

    fn replace(
        &mut self,
        from: usize,
        to: usize,
        field: Field,
        value: &str,
        stamp: [u8; CompactStamp::BYTES],
    ) {
        // no field of the contract is longer than a few hundred bytes
        let len = value.len().min(usize::from(u16::MAX));
        self.counted = None;
        let held = self.bytes.len().max(TOLD);
        let mut bytes = Vec::with_capacity(held - (to - from) + HEAD + len);
        if self.bytes.is_empty() {
            self.bytes = Box::new([0; TOLD]);
        }
        bytes.extend_from_slice(&self.bytes[..from]);
        bytes.push(field as u8);
        bytes.extend_from_slice(&(len as u16).to_le_bytes());
        bytes.extend_from_slice(&stamp);
        bytes.extend_from_slice(&value.as_bytes()[..len]);
        bytes.extend_from_slice(&self.bytes[to..]);
        self.bytes = bytes.into_boxed_slice();
    }

    fn find(&self, field: Field) -> At {
        let mut at = TOLD;
        while let Some(held) = self.bytes.get(at) {
            if *held == field as u8 {
                return At::Here(at);
            }
            if *held > field as u8 {
                break;
            }
            at += HEAD + self.text_len(at);
        }
        At::Before(at)
    }

    fn text_len(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes([self.bytes[at + 1], self.bytes[at + 2]]))
    }

    fn text(&self, at: usize) -> &[u8] {
        &self.bytes[at + HEAD..at + HEAD + self.text_len(at)]
    }

    fn stamp(&self, at: usize) -> Stamp {
        let mut bytes = [0; CompactStamp::BYTES];
        bytes.copy_from_slice(&self.bytes[at + 3..at + HEAD]);
        CompactStamp::from_bytes(bytes).stamp()
    }

    /// Whether the bytes are such a list.
    fn is_sound(&self) -> bool {
        let (mut at, mut least) = (TOLD, 0);
        if self.bytes.len() <= TOLD {
            return self.is_empty();
        }
        while at < self.bytes.len() {
            let field = self.bytes[at];
            if field < least || self.bytes.len() < at + HEAD {
                return false;
            }
            let end = at + HEAD + self.text_len(at);
            let text = self.bytes.get(at + HEAD..end).map(std::str::from_utf8);
            if !matches!(text, Some(Ok(_))) {
                return false;
            }
            (at, least) = (end, field + 1);
        }
        true
    }
}

impl Serialize for Said {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.bytes)
    }
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Said;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("what was said, as bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Said, E> {
                let said = Said { bytes: bytes.into(), counted: None };
                if said.is_sound() { Ok(said) } else { Err(E::custom("broken master data")) }
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::record::Position;

    fn stamp(ts_ms: i64) -> Stamp {
        Stamp { ts_ms, position: Position { source: 2, offset: ts_ms * 3 } }
    }

    #[test]
    fn the_latest_stamp_wins_whatever_came_first() {
        let mut said = Said::default();
        assert!(said.say(Field::Region, "north", stamp(5)));
        assert!(said.say(Field::AccountId, "a1", stamp(1)));
        assert!(said.say(Field::Name, "Zoe", stamp(2)));
        assert!(!said.say(Field::Region, "south", stamp(4)));
        assert!(!said.say(Field::Region, "north", stamp(6)));
        assert!(!said.say(Field::Region, "south", stamp(6)));
        assert!(said.say(Field::AccountId, "a longer one", stamp(7)));
        let fields = [Field::AccountId, Field::LegalEntityId, Field::Region, Field::Name];
        assert_eq!(fields.map(|f| said.get(f)), ["a longer one", "", "north", "Zoe"]);
        said.set_told(7);
        said.say(Field::Name, "Zoe B.", stamp(9));
        assert_eq!((said.told(), said.get(Field::Name)), (7, "Zoe B."));
        let mut nothing = Said::default();
        nothing.set_told(7);
        assert_eq!((nothing.told(), nothing.get(Field::Name)), (0, ""));
    }

    #[test]
    fn broken_bytes_are_refused() {
        let mut said = Said::default();
        said.say(Field::Region, "north", stamp(5));
        said.say(Field::Name, "Zoe", stamp(5));
        let bytes = postcard::to_stdvec(&said).unwrap();
        assert_eq!(postcard::from_bytes::<Said>(&bytes).unwrap(), said);
        for cut in 1..bytes.len() - 1 {
            let short = postcard::to_stdvec(&bytes[1..=cut].to_vec()).unwrap();
            let read = postcard::from_bytes::<Said>(&short);
            // a cut between the two texts is a list of one
            assert_eq!(read.is_ok(), cut == TOLD + HEAD + "north".len(), "{cut}");
        }
    }
}
