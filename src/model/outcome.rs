//! What became of a record: exactly one outcome each, and why a record was put aside.

/// What became of one consumed record. The five counters always add up to what was consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Its effect is in the state.
    Applied,
    /// Its `(source, event_id)` was remembered: it had been applied before.
    Duplicate,
    /// It could not be told from a repeat (below the floor): put aside, not applied.
    Late,
    /// A `[[drop]]` rule of the definition, or an erased customer.
    Filtered,
    /// It breaks the contract: put aside with its reason.
    Rejected,
}

impl Outcome {
    /// All outcomes, in the order of their counters.
    pub const ALL: [Self; 5] =
        [Self::Applied, Self::Duplicate, Self::Late, Self::Filtered, Self::Rejected];

    /// The name used in metrics, tables and headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::Filtered => "filtered",
            Self::Rejected => "rejected",
        }
    }
}

/// Counts by outcome, of one source partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Indexed like [`Outcome::ALL`].
    pub by_outcome: [u64; 5],
}

impl Counts {
    /// Counts one record.
    pub fn count(&mut self, outcome: Outcome) {
        self.by_outcome[outcome as usize] += 1;
    }

    /// The counter of one outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.by_outcome[outcome as usize]
    }

    /// Everything consumed: the sum of the five.
    pub fn consumed(&self) -> u64 {
        self.by_outcome.iter().sum()
    }

    /// Adds another set of counts.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.by_outcome.iter_mut().zip(other.by_outcome) {
            *mine += theirs;
        }
    }
}

/// Why a record was put aside: a closed set, used as a metric label and a dead-letter header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No value at all (a tombstone).
    NullPayload,
    /// Not one JSON object, or not UTF-8.
    BadJson,
    /// A field the contract requires is missing.
    MissingField,
    /// A field has a wrong type or a value outside its range.
    BadField,
    /// A text is longer than the contract allows.
    TooLong,
    /// The `type` is unknown, or missing where the source has no default.
    UnknownType,
    /// A currency without a rate in the definition.
    UnknownCurrency,
    /// Event time beyond the Kafka timestamp plus `skew_max_ms`.
    TooFarAhead,
    /// Event time before 1970 or after 2149.
    TimeRange,
    /// The key is not the customer's, is null or empty.
    WrongKey,
    /// The partition is not the one that the key hashes to.
    WrongPartition,
    /// Below the floor of its customer and source (outcome late).
    BelowFloor,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::NullPayload,
        Self::BadJson,
        Self::MissingField,
        Self::BadField,
        Self::TooLong,
        Self::UnknownType,
        Self::UnknownCurrency,
        Self::TooFarAhead,
        Self::TimeRange,
        Self::WrongKey,
        Self::WrongPartition,
        Self::BelowFloor,
    ];

    /// The name used in metrics and headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::NullPayload => "null_payload",
            Self::BadJson => "bad_json",
            Self::MissingField => "missing_field",
            Self::BadField => "bad_field",
            Self::TooLong => "too_long",
            Self::UnknownType => "unknown_type",
            Self::UnknownCurrency => "unknown_currency",
            Self::TooFarAhead => "too_far_ahead",
            Self::TimeRange => "time_range",
            Self::WrongKey => "wrong_key",
            Self::WrongPartition => "wrong_partition",
            Self::BelowFloor => "below_floor",
        }
    }
}

/// A record that breaks the contract: the reason, and a sentence for the person who repairs the producer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", .reason.name())]
pub struct Reject {
    /// The closed reason.
    pub reason: Reason,
    /// What is wrong, which field, what was expected; at most 300 bytes, never the whole payload.
    pub detail: String,
}

impl Reject {
    /// Longest detail kept, in bytes.
    pub const DETAIL_BYTES_MAX: usize = 300;

    /// A reject whose detail is cut to [`Self::DETAIL_BYTES_MAX`] at a character border.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        let mut cut = detail.len().min(Self::DETAIL_BYTES_MAX);
        while !detail.is_char_boundary(cut) {
            cut -= 1;
        }
        detail.truncate(cut);
        Self { reason, detail }
    }
}
