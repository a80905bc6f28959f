//! The columns of the tables of accounts.

use super::{Column, ColumnType as T, col};

/// Columns of `accounts`: what members have said, as of the last of them; the view moves what ages to the moment of
/// reading. `contacts_seen` are last acts of members, the latest first; `invoice_entity` is the place (from 0) in
/// `legal_entity_ids`; `past_…` are how the account stood at the end of days, a risk of -1 for none.
pub(super) const ACCOUNTS: &[Column] = &[
    col("account_id", T::String),
    col("shard", T::UInt16),
    col("version", T::UInt64),
    col("is_deleted", T::UInt8),
    col("as_of", T::Time),
    col("currency", T::Word),
    col("name", T::String),
    col("region", T::Word),
    col("industry", T::Word),
    col("owner_id", T::String),
    col("key", T::UInt8),
    col("key_reason", T::String),
    col("members", T::UInt32),
    col("members_left_out", T::UInt8),
    col("contacts_seen", T::Int64s),
    col("value_minor", T::Int64),
    col("revenue_365_minor", T::Int64),
    col("at_risk_minor", T::Int64),
    col("risk", T::MaybeFloat64),
    col("satisfaction", T::MaybeFloat64),
    col("satisfaction_n", T::Float64),
    col("open_tickets", T::UInt32),
    col("open_complaints", T::UInt32),
    col("oldest_complaint_at", T::MaybeTime),
    col("legal_entity_ids", T::Strings),
    col("open_minor", T::Int64s),
    col("invoice_entity", T::UInt16s),
    col("invoice_due", T::Int64s),
    col("invoice_open", T::Int64s),
    col("renewals", T::Int64s),
    col("last_contact", T::MaybeTime),
    col("last_visit", T::MaybeTime),
    col("last_seen", T::MaybeTime),
    col("past_days", T::UInt16s),
    col("past_risk_ppm", T::Int64s),
    col("past_revenue_minor", T::Int64s),
];

/// Columns of `account_history`. `day` is of the definition's day zone; everything stands as of `as_of`.
pub(super) const ACCOUNT_HISTORY: &[Column] = &[
    col("account_id", T::String),
    col("day", T::Day),
    col("shard", T::UInt16),
    col("version", T::UInt64),
    col("is_deleted", T::UInt8),
    col("as_of", T::Time),
    col("region", T::Word),
    col("industry", T::Word),
    col("owner_id", T::String),
    col("key", T::UInt8),
    col("members", T::UInt32),
    col("active_contacts", T::UInt32),
    col("value_minor", T::Int64),
    col("revenue_365_minor", T::Int64),
    col("at_risk_minor", T::Int64),
    col("risk", T::MaybeFloat64),
    col("satisfaction", T::MaybeFloat64),
    col("open_complaints", T::UInt32),
    col("open_minor", T::Int64),
    col("overdue_minor", T::Int64),
];
