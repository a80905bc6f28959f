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
}

/// How many fields the contract knows.
pub const FIELDS: usize = Field::Records as usize + 1;

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
pub fn index_of(name: &str) -> Option<usize> {
    let mut slot = slot_of(name.as_bytes());
    loop {
        let index = usize::from(SLOT_TABLE[slot]);
        if *NAMES.get(index)? == name {
            return Some(index);
        }
        slot = (slot + 1) % SLOTS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        for (index, name) in NAMES.iter().enumerate() {
            assert_eq!(index_of(name), Some(index), "{name}");
            assert_eq!(index_of(&format!("{name}x")), None);
        }
        assert_eq!(index_of(""), None);
        const { assert!(FIELDS <= 64, "a set of fields is a u64") };
    }
}
