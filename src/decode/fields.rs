//! The field names of the contract, and how a name is found.

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
    Champion,
}

/// How many fields the contract knows.
pub const FIELDS: usize = Field::Champion as usize + 1;

/// The names, indexed by [`Field`].
pub const NAMES: [&str; FIELDS] = [
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
    "champion",
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

/// Longest name, bytes: a name is compared as one integer.
const NAME_BYTES_MAX: usize = 16;
/// Slots of the name table: a power of two, about a fifth full.
const SLOTS: usize = 256;
/// An empty slot.
const VACANT: u8 = u8::MAX;
/// Sends every name of the contract to a slot of its own: found by trial, held by [`slot_table`].
const SPREAD: u64 = 0xd377_4b93_5a7a_d18b;
/// The names as integers, in the order of [`NAMES`].
static PACKED: [u128; FIELDS] = packed_names();
/// The index of the name in each slot.
static SLOT_TABLE: [u8; SLOTS] = slot_table();

const fn slot_of(packed: u128) -> usize {
    let folded = packed as u64 ^ ((packed >> 64) as u64).rotate_left(32);
    (folded.wrapping_mul(SPREAD) >> 56) as usize
}

const fn packed_names() -> [u128; FIELDS] {
    let mut packed = [0; FIELDS];
    let mut index = 0;
    while index < FIELDS {
        let name = NAMES[index].as_bytes();
        let mut at = name.len();
        while at > 0 {
            at -= 1;
            packed[index] = packed[index] << 8 | name[at] as u128;
        }
        index += 1;
    }
    packed
}

const fn slot_table() -> [u8; SLOTS] {
    let packed = packed_names();
    let mut table = [VACANT; SLOTS];
    let mut index = 0;
    while index < FIELDS {
        assert!(NAMES[index].len() <= NAME_BYTES_MAX, "a name is compared as one integer");
        let slot = slot_of(packed[index]);
        assert!(table[slot] == VACANT, "two names share a slot: another SPREAD is needed");
        table[slot] = index as u8;
        index += 1;
    }
    table
}

/// The index of the field whose name is the first `len` bytes of `text`; what follows the name is not looked at,
/// but lets it be taken in one load.
pub fn index_of(text: &[u8], len: usize) -> Option<usize> {
    if len == 0 || len > NAME_BYTES_MAX {
        return None;
    }
    let word = match text.first_chunk::<NAME_BYTES_MAX>() {
        Some(bytes) => u128::from_le_bytes(*bytes),
        None => {
            let mut bytes = [0; NAME_BYTES_MAX];
            bytes.get_mut(..len)?.copy_from_slice(text.get(..len)?);
            u128::from_le_bytes(bytes)
        }
    };
    let packed = word & u128::MAX >> (128 - 8 * len);
    let index = usize::from(SLOT_TABLE[slot_of(packed)]);
    // A name that ends in NUL packs like the one without.
    (*PACKED.get(index)? == packed && NAMES[index].len() == len).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        for (index, name) in NAMES.iter().enumerate() {
            let len = name.len();
            assert_eq!(index_of(name.as_bytes(), len), Some(index), "{name}");
            let followed = format!("{name}\":\"followed by something\"");
            assert_eq!(index_of(followed.as_bytes(), len), Some(index), "{name}");
            assert_eq!(index_of(followed.as_bytes(), len + 1), None, "{name}");
            assert_eq!(index_of(format!("{name}\0").as_bytes(), len + 1), None, "{name}");
        }
        assert_eq!(index_of(b"", 0), None);
        assert_eq!(index_of(&[b'x'; 40], 40), None);
        const { assert!(FIELDS <= 64, "a set of fields is a u64") };
    }
}
