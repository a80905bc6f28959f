//! The ClickHouse tables, column by column: the one source for encoders, the check at start and the documentation.
//!
//! Every row is absolute (it says what is, not what to add) and carries `version = generation << 40 | cycle`;
//! every table is `ReplacingMergeTree(version, is_deleted)`, so that writing a row again changes nothing.

mod accounts;
mod alerts;

/// A column type. The names are those of `RowBinaryWithNamesAndTypes` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// 0-255, also flags.
    UInt8,
    /// 0-65,535.
    UInt16,
    /// 0-2^32-1.
    UInt32,
    /// 0-2^64-1.
    UInt64,
    /// Signed, also money in minor units.
    Int64,
    /// A double.
    Float64,
    /// Bytes, UTF-8.
    String,
    /// A text with few values.
    Word,
    /// Milliseconds, UTC.
    Time,
    /// A day: its number since 1970-01-01.
    Day,
    /// A time or nothing.
    MaybeTime,
    /// A flag or nothing.
    MaybeUInt8,
    /// A double or nothing.
    MaybeFloat64,
    /// A signed number or nothing.
    MaybeInt64,
    /// Small numbers in order.
    UInt16s,
    /// Money amounts or moments in order.
    Int64s,
    /// Doubles in order.
    Float64s,
    /// Texts in order.
    Strings,
    /// Decayed sums by number.
    Sums,
    /// Numbers by word.
    Weights,
}

impl ColumnType {
    /// The type as ClickHouse writes it.
    pub fn sql(self) -> &'static str {
        match self {
            Self::UInt8 => "UInt8",
            Self::UInt16 => "UInt16",
            Self::UInt32 => "UInt32",
            Self::UInt64 => "UInt64",
            Self::Int64 => "Int64",
            Self::Float64 => "Float64",
            Self::String => "String",
            Self::Word => "LowCardinality(String)",
            Self::Time => "DateTime64(3, 'UTC')",
            Self::Day => "Date",
            Self::MaybeTime => "Nullable(DateTime64(3, 'UTC'))",
            Self::MaybeUInt8 => "Nullable(UInt8)",
            Self::MaybeFloat64 => "Nullable(Float64)",
            Self::MaybeInt64 => "Nullable(Int64)",
            Self::UInt16s => "Array(UInt16)",
            Self::Int64s => "Array(Int64)",
            Self::Float64s => "Array(Float64)",
            Self::Strings => "Array(String)",
            Self::Sums => "Map(UInt8, Float64)",
            Self::Weights => "Map(LowCardinality(String), Float64)",
        }
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: ColumnType,
}

/// A table the machine writes rows for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Current signals of every customer, one row each.
    Customers,
    /// How a customer stood at the end of each day on which something changed, one row per customer and day.
    CustomerHistory,
    /// Events, revenue and tickets by shard, source, minute, type and channel.
    Activity,
    /// The events themselves.
    Events,
    /// What each cycle consumed and what became of it, one row per cycle and source.
    Ledger,
    /// The same by day of the clock, one row per shard, source and day.
    LedgerDaily,
    /// Offsets that retention removed before they were read.
    Gaps,
    /// What customers owe, one row for each legal entity their invoices name.
    Credit,
    /// What was worth a contact, one row for each proposal.
    Opportunities,
    /// Flows of customers and events by shard, hour and group.
    Segments,
    /// Current roll-up of every account, one row each.
    Accounts,
    /// How an account stood at the end of each day on which something changed, one row per account and day.
    AccountHistory,
    /// Alerts, each as its last transition left it.
    Alerts,
    /// Every transition of every alert.
    AlertHistory,
}

const fn col(name: &'static str, ty: ColumnType) -> Column {
    Column { name, ty }
}

use ColumnType as T;
use accounts::{ACCOUNT_HISTORY, ACCOUNTS};
use alerts::ALERTS;

/// Columns of `customers`. Decayed sums stand by number, each as it was at `sums_at`: the views decay them to the moment
/// of reading. What has no closed form in SQL stands as it was at `judged_at`.
const CUSTOMERS: &[Column] = &[
    col("customer_id", T::String),
    col("shard", T::UInt16),
    col("version", T::UInt64),
    col("is_deleted", T::UInt8),
    col("as_of", T::Time),
    col("account_id", T::String),
    col("legal_entity_id", T::String),
    col("region", T::Word),
    col("industry", T::Word),
    col("segment", T::Word),
    col("owner_id", T::String),
    col("key", T::MaybeUInt8),
    col("name", T::String),
    col("t_born", T::Time),
    col("streamed_from", T::Time),
    col("profile_at", T::MaybeTime),
    col("profile_sources", T::UInt8),
    col("sums", T::Sums),
    col("sums_at", T::Time),
    col("t_first", T::MaybeTime),
    col("t_last", T::MaybeTime),
    col("n_days", T::UInt32),
    col("x", T::UInt32),
    col("orders", T::UInt32),
    col("refunds", T::UInt32),
    col("revenue_minor", T::Int64),
    col("spend_sum_30", T::Float64),
    col("spend_sum_180", T::Float64),
    col("spend_sums_at", T::Time),
    col("spend_bucket_ids", T::UInt16s),
    col("spend_bucket_minor", T::Int64s),
    col("activated_at", T::MaybeTime),
    col("breadth", T::UInt16),
    col("gap_mean", T::MaybeFloat64),
    col("gap_k", T::MaybeFloat64),
    col("mean_spend_hat", T::MaybeFloat64),
    col("lifecycle", T::Word),
    col("lifecycle_since", T::Time),
    col("open_tickets", T::UInt16),
    col("open_complaints", T::UInt16),
    col("oldest_open_at", T::MaybeTime),
    col("tickets", T::UInt32),
    col("visits", T::UInt32),
    col("visit_sum_7", T::Float64),
    col("visit_sum_60", T::Float64),
    col("visit_sums_at", T::Time),
    col("last_seen", T::MaybeTime),
    col("opted_out", T::UInt8),
    col("nps", T::MaybeUInt8),
    col("nps_at", T::MaybeTime),
    col("intent_names", T::Strings),
    col("intent_views", T::Float64s),
    col("intent_at", T::Time),
    col("last_contact", T::MaybeTime),
    col("last_visit", T::MaybeTime),
    col("open_minor", T::Int64),
    col("invoice_due", T::Int64s),
    col("invoice_open", T::Int64s),
    col("contract_start", T::MaybeTime),
    col("contract_renewal", T::MaybeTime),
    col("contract_signed", T::MaybeUInt8),
    col("promised_open", T::Int64s),
    col("respond_by_open", T::Int64s),
    col("usage_share", T::MaybeFloat64),
    col("usage_high_since", T::MaybeTime),
    col("exp_purchases_90", T::MaybeFloat64),
    col("gap_surprise", T::MaybeFloat64),
    col("clv", T::MaybeFloat64),
    col("valued_at", T::MaybeTime),
    col("judged_at", T::Time),
    col("risk", T::MaybeFloat64),
    col("risk_band", T::UInt8),
    col("risk_since", T::MaybeTime),
    col("risk_contributions", T::Weights),
    col("risk_missing", T::Strings),
    col("loyalty", T::MaybeFloat64),
    col("loyalty_contributions", T::Weights),
    col("quadrant", T::Word),
    col("model_version", T::UInt64),
    col("tier", T::Word),
    col("abc", T::Word),
    col("tier_since", T::MaybeTime),
    col("tier_version", T::UInt64),
    col("key_customer", T::UInt8),
];

/// Columns of `customer_history`. `day` is of the definition's day zone; all scores stand as of `as_of`, the moment of the
/// last event or due by then. `csat_sum` and `csat_n` are sums of 180 days' half-life as they were at `as_of`.
const CUSTOMER_HISTORY: &[Column] = &[
    col("customer_id", T::String),
    col("day", T::Day),
    col("shard", T::UInt16),
    col("version", T::UInt64),
    col("is_deleted", T::UInt8),
    col("as_of", T::Time),
    col("account_id", T::String),
    col("region", T::Word),
    col("industry", T::Word),
    col("segment", T::Word),
    col("owner_id", T::String),
    col("t_first", T::MaybeTime),
    col("t_last", T::MaybeTime),
    col("n_days", T::UInt32),
    col("orders", T::UInt32),
    col("refunds", T::UInt32),
    col("revenue_minor", T::Int64),
    col("opening_minor", T::Int64),
    col("activated_at", T::MaybeTime),
    col("clv", T::MaybeFloat64),
    col("lifecycle", T::Word),
    col("lifecycle_since", T::Time),
    col("open_tickets", T::UInt16),
    col("open_complaints", T::UInt16),
    col("tickets", T::UInt32),
    col("visits", T::UInt32),
    col("csat_sum", T::Float64),
    col("csat_n", T::Float64),
    col("risk", T::MaybeFloat64),
    col("risk_band", T::UInt8),
    col("loyalty", T::MaybeFloat64),
    col("quadrant", T::Word),
    col("tier", T::Word),
    col("abc", T::Word),
    col("tier_since", T::MaybeTime),
    col("tier_version", T::UInt64),
    col("key_customer", T::UInt8),
];

/// Columns of `activity`. `late_offset` is -1 for the aggregate of a minute, else the offset of the record
/// that came after the minute was sealed; the view adds them.
const ACTIVITY: &[Column] = &[
    col("shard", T::UInt16),
    col("source", T::Word),
    col("minute", T::Time),
    col("type", T::Word),
    col("channel", T::Word),
    col("late_offset", T::Int64),
    col("version", T::UInt64),
    col("is_deleted", T::UInt8),
    col("events", T::UInt64),
    col("revenue_minor", T::Int64),
    col("tickets", T::UInt64),
];

/// Columns of `events`. `payload` is the record as it came; for a web session (type `session`) it is empty. `visit` is 1
/// for what began a visit: a session, or an intent with which one began.
const EVENTS: &[Column] = &[
    col("customer_id", T::String),
    col("ts", T::Time),
    col("source", T::Word),
    col("topic", T::Word),
    col("partition", T::UInt16),
    col("offset", T::Int64),
    col("version", T::UInt64),
    col("is_deleted", T::UInt8),
    col("type", T::Word),
    col("action", T::Word),
    col("event_id", T::String),
    col("account_id", T::String),
    col("legal_entity_id", T::String),
    col("origin", T::Word),
    col("amount_minor", T::Int64),
    col("original_minor", T::Int64),
    col("currency", T::Word),
    col("reference", T::String),
    col("channel", T::Word),
    col("visit", T::UInt8),
    col("payload", T::String),
];

/// Columns of `opportunities`: the customer as they stood when it was proposed.
const OPPORTUNITIES: &[Column] = &[
    col("customer_id", T::String),
    col("goal", T::Word),
    col("proposed_at", T::Time),
    col("version", T::UInt64),
    col("is_deleted", T::UInt8),
    col("shard", T::UInt16),
    col("reason", T::Word),
    col("score", T::Float64),
    col("held_out", T::UInt8),
    col("expires_at", T::Time),
    col("category", T::Word),
    col("account_id", T::String),
    col("owner_id", T::String),
    col("region", T::Word),
    col("tier", T::Word),
    col("lifecycle", T::Word),
    col("risk", T::MaybeFloat64),
    col("clv", T::MaybeFloat64),
];

/// Columns of `ledger`: one row per cycle and source. Offsets are half-open: `[offset_from, offset_to)`.
const LEDGER: &[Column] = &[
    col("shard", T::UInt16),
    col("source", T::Word),
    col("version", T::UInt64),
    col("is_deleted", T::UInt8),
    col("owner", T::String),
    col("tenure", T::UInt64),
    col("clock", T::Time),
    col("watermark", T::MaybeTime),
    col("complete_to", T::MaybeTime),
    col("offset_from", T::Int64),
    col("offset_to", T::Int64),
    col("at_end", T::UInt8),
    col("applied", T::UInt64),
    col("duplicate", T::UInt64),
    col("late", T::UInt64),
    col("filtered", T::UInt64),
    col("rejected", T::UInt64),
    col("order_breaks", T::UInt64),
    col("mail_to", T::Int64),
    col("id_hash", T::UInt64),
];

const LEDGER_DAILY: &[Column] = &[
    col("shard", T::UInt16),
    col("source", T::Word),
    col("day", T::Time),
    col("version", T::UInt64),
    col("is_deleted", T::UInt8),
    col("applied", T::UInt64),
    col("duplicate", T::UInt64),
    col("late", T::UInt64),
    col("filtered", T::UInt64),
    col("rejected", T::UInt64),
    col("id_hash", T::UInt64),
];

const GAPS: &[Column] = &[
    col("shard", T::UInt16),
    col("source", T::Word),
    col("offset_from", T::Int64),
    col("offset_to", T::Int64),
    col("version", T::UInt64),
    col("is_deleted", T::UInt8),
    col("noticed_at", T::Time),
    col("reason", T::String),
];

/// Columns of `credit`. Payments stand decayed as of `as_of`, with a half-life of 180 days; the view moves them, and what
/// is overdue, to the moment of reading.
const CREDIT: &[Column] = &[
    col("customer_id", T::String),
    col("legal_entity_id", T::String),
    col("shard", T::UInt16),
    col("version", T::UInt64),
    col("is_deleted", T::UInt8),
    col("as_of", T::Time),
    col("open_minor", T::Int64),
    col("invoice_due", T::Int64s),
    col("invoice_open", T::Int64s),
    col("paid_sum_180", T::Float64),
    col("late_days_sum_180", T::Float64),
    col("ext_requests_open", T::UInt32),
    col("last_payment", T::MaybeTime),
];

/// Columns of `segments`. `late_version` is 0 for the hour's own row, else the version of the cycle that brought what came
/// after the hour was sealed; the views add them. `net_…` are customers that came to a lifecycle less those that left it.
const SEGMENTS: &[Column] = &[
    col("shard", T::UInt16),
    col("dimension", T::Word),
    col("value", T::Word),
    col("hour", T::Time),
    col("late_version", T::UInt64),
    col("version", T::UInt64),
    col("is_deleted", T::UInt8),
    col("net_prospect", T::Int64),
    col("net_new", T::Int64),
    col("net_active", T::Int64),
    col("net_slipping", T::Int64),
    col("net_dormant", T::Int64),
    col("net_lost", T::Int64),
    col("net_won_back", T::Int64),
    col("new_customers", T::UInt64),
    col("activated", T::UInt64),
    col("lost", T::UInt64),
    col("won_back", T::UInt64),
    col("orders", T::UInt64),
    col("revenue_minor", T::Int64),
    col("tickets", T::UInt64),
    col("ratings", T::UInt64),
    col("rating_sum", T::UInt64),
    col("nps_answers", T::UInt64),
    col("promoters", T::UInt64),
    col("detractors", T::UInt64),
];

impl Table {
    /// Every table. The ledger stands last: carriers write it after everything it vouches for.
    pub const ALL: [Self; 14] = [
        Self::Customers,
        Self::CustomerHistory,
        Self::Activity,
        Self::Segments,
        Self::Events,
        Self::Opportunities,
        Self::Gaps,
        Self::Credit,
        Self::Accounts,
        Self::AccountHistory,
        Self::Alerts,
        Self::AlertHistory,
        Self::LedgerDaily,
        Self::Ledger,
    ];

    /// The table's name in ClickHouse.
    pub fn name(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::CustomerHistory => "customer_history",
            Self::Activity => "activity",
            Self::Events => "events",
            Self::Ledger => "ledger",
            Self::LedgerDaily => "ledger_daily",
            Self::Gaps => "gaps",
            Self::Credit => "credit",
            Self::Opportunities => "opportunities",
            Self::Segments => "segments",
            Self::Accounts => "accounts",
            Self::AccountHistory => "account_history",
            Self::Alerts => "alerts",
            Self::AlertHistory => "alert_history",
        }
    }

    /// The table of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// The columns in the order of the encoders.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Customers => CUSTOMERS,
            Self::CustomerHistory => CUSTOMER_HISTORY,
            Self::Activity => ACTIVITY,
            Self::Events => EVENTS,
            Self::Ledger => LEDGER,
            Self::LedgerDaily => LEDGER_DAILY,
            Self::Gaps => GAPS,
            Self::Credit => CREDIT,
            Self::Opportunities => OPPORTUNITIES,
            Self::Segments => SEGMENTS,
            Self::Accounts => ACCOUNTS,
            Self::AccountHistory => ACCOUNT_HISTORY,
            Self::Alerts | Self::AlertHistory => ALERTS,
        }
    }
}

/// The version of every row of a cycle: `generation << 40 | cycle`.
pub fn version(generation: u32, cycle: u64) -> u64 {
    (u64::from(generation) << 40) | cycle
}
