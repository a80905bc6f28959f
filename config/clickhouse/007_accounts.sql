-- Accounts: what their members said last, rolled up, one row each, and how each stood at the end of the days on which something
-- changed. Rows are absolute and replaced by version, as in 001. An account without members is deleted.

CREATE TABLE IF NOT EXISTS {database}.accounts
(
    `account_id` String,
    `shard` UInt16,
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `as_of` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `currency` LowCardinality(String),
    `name` String,
    `region` LowCardinality(String),
    `industry` LowCardinality(String),
    `owner_id` String,
    `key` UInt8,
    `key_reason` String,
    `members` UInt32,
    `members_left_out` UInt8,
    `contacts_seen` Array(Int64),
    `value_minor` Int64,
    `revenue_365_minor` Int64,
    `at_risk_minor` Int64,
    `risk` Nullable(Float64),
    `satisfaction` Nullable(Float64),
    `satisfaction_n` Float64,
    `open_tickets` UInt32,
    `open_complaints` UInt32,
    `oldest_complaint_at` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `legal_entity_ids` Array(String),
    `open_minor` Array(Int64),
    `invoice_entity` Array(UInt16),
    `invoice_due` Array(Int64),
    `invoice_open` Array(Int64),
    `renewals` Array(Int64),
    `last_contact` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `last_visit` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `last_seen` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `past_days` Array(UInt16),
    `past_risk_ppm` Array(Int64),
    `past_revenue_minor` Array(Int64)
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (`account_id`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'Accounts as their members said last; read the view accounts_now.';

CREATE TABLE IF NOT EXISTS {database}.account_history
(
    `account_id` String,
    `day` Date CODEC(Delta, ZSTD(1)),
    `shard` UInt16,
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `as_of` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `region` LowCardinality(String),
    `industry` LowCardinality(String),
    `owner_id` String CODEC(ZSTD(1)),
    `key` UInt8,
    `members` UInt32 CODEC(Delta, ZSTD(1)),
    `active_contacts` UInt32 CODEC(Delta, ZSTD(1)),
    `value_minor` Int64 CODEC(Delta, ZSTD(1)),
    `revenue_365_minor` Int64 CODEC(Delta, ZSTD(1)),
    `at_risk_minor` Int64 CODEC(Delta, ZSTD(1)),
    `risk` Nullable(Float64) CODEC(ZSTD(1)),
    `satisfaction` Nullable(Float64) CODEC(ZSTD(1)),
    `open_complaints` UInt32 CODEC(Delta, ZSTD(1)),
    `open_minor` Int64 CODEC(Delta, ZSTD(1)),
    `overdue_minor` Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(day)
ORDER BY (`account_id`, `day`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'How an account stood at the end of each day on which something changed, one row per account and day: read the view account_history.';
