//! What an explanation is told from: the question, the customer's row, and the events that are held.

use std::collections::BTreeMap;

use super::report::At;

/// The question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The customer.
    pub customer: String,
    /// As of when, milliseconds; `None` = the present of the row.
    pub at_ms: Option<i64>,
    /// The earlier moment to compare with, milliseconds.
    pub since_ms: Option<i64>,
}

/// A row of the table `events`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Event time, milliseconds.
    pub ts_ms: i64,
    /// Name of the source.
    pub source: String,
    /// Kafka topic.
    pub topic: String,
    /// Kafka partition.
    pub partition: u16,
    /// Kafka offset.
    pub offset: i64,
    /// Version of the cycle that applied it.
    pub version: u64,
    /// Type of the event, `session` for a visit.
    pub kind: String,
    /// Whether it began a visit.
    pub visit: bool,
    /// The record; empty for a visit.
    pub payload: Vec<u8>,
}

/// A row of the view `customers_now`, as far as an explanation needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// Version of the cycle that wrote the row.
    pub version: u64,
    /// The present of the row: how far the pipeline is complete for this customer, milliseconds.
    pub at_ms: i64,
    /// Until when the customer's shard is complete, milliseconds; `None` before its first ledger row.
    pub complete_to_ms: Option<i64>,
    /// When the scores were judged, milliseconds.
    pub judged_ms: i64,
    /// By which version of the model.
    pub model_version: u64,
    /// The risk in (0, 1).
    pub risk: Option<f64>,
    /// Its band.
    pub risk_band: u8,
    /// Log-odds by input; what adds nothing is not there.
    pub risk_contributions: BTreeMap<String, f64>,
    /// Inputs that were not known.
    pub risk_missing: Vec<String>,
    /// Loyalty, 0 to 100.
    pub loyalty: Option<f64>,
    /// Log-odds by input, as above.
    pub loyalty_contributions: BTreeMap<String, f64>,
    /// First event of any type, milliseconds.
    pub born_ms: i64,
    /// Orders.
    pub orders: u32,
    /// Refunds.
    pub refunds: u32,
    /// Tickets.
    pub tickets: u32,
    /// Visits.
    pub visits: u32,
    /// State of the lifecycle.
    pub lifecycle: String,
    /// Tier; empty when there is none.
    pub tier: String,
    /// ABC class; empty when there is none.
    pub abc: String,
    /// Since when the tier is what it is, milliseconds.
    pub tier_since_ms: Option<i64>,
    /// Whether it is a key customer.
    pub key_customer: bool,
    /// Region, industry, segment and owner, as the row has them.
    pub master: [String; 4],
}

/// What is known of how the events were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Only events from here on were read, for there are too many, milliseconds; `None` = all that are held.
    pub cut_before_ms: Option<i64>,
    /// How long events are kept, days; 0 = for ever.
    pub kept_days: u32,
}

/// Why nothing can be explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// The moments are the wrong way round.
    #[error(
        "--since {since} is not before {at}, the moment that is explained; name an earlier one"
    )]
    SinceNotBefore {
        /// The earlier moment.
        since: At,
        /// The moment that is explained.
        at: At,
    },
}
