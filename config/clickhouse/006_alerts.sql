-- Alerts: each as its last transition left it, and every transition. Rows are absolute and replaced by version, as in 001.

CREATE TABLE IF NOT EXISTS {database}.alerts
(
    `alert_id` String,
    `n` UInt32,
    `rule` LowCardinality(String),
    `subject_kind` LowCardinality(String),
    `subject_id` String,
    `shard` UInt16,
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `customer_id` String,
    `account_id` String,
    `episode` UInt32,
    `what` LowCardinality(String),
    `phase` LowCardinality(String),
    `by` String,
    `by_kind` LowCardinality(String),
    `note` String,
    `severity` LowCardinality(String),
    `at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `detected_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `catch_up` UInt8,
    `call` UInt8,
    `raised_at` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `snoozed_until` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `due_at` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `at_risk_minor` Nullable(Int64),
    `currency` LowCardinality(String),
    `risk` Nullable(Float64),
    `owner_id` String,
    `region` LowCardinality(String),
    `industry` LowCardinality(String),
    `tier` LowCardinality(String),
    `key` UInt8,
    `reasons` Array(String),
    `changed` Array(String),
    `about` String,
    `next_step` String,
    `receivers` Array(String)
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (`alert_id`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'Alerts as their last transitions left them; read the view alerts_now.';

CREATE TABLE IF NOT EXISTS {database}.alert_history
(
    `alert_id` String,
    `n` UInt32,
    `rule` LowCardinality(String),
    `subject_kind` LowCardinality(String),
    `subject_id` String,
    `shard` UInt16,
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `customer_id` String,
    `account_id` String,
    `episode` UInt32,
    `what` LowCardinality(String),
    `phase` LowCardinality(String),
    `by` String,
    `by_kind` LowCardinality(String),
    `note` String,
    `severity` LowCardinality(String),
    `at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `detected_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `catch_up` UInt8,
    `call` UInt8,
    `raised_at` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `snoozed_until` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `due_at` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `at_risk_minor` Nullable(Int64),
    `currency` LowCardinality(String),
    `risk` Nullable(Float64),
    `owner_id` String,
    `region` LowCardinality(String),
    `industry` LowCardinality(String),
    `tier` LowCardinality(String),
    `key` UInt8,
    `reasons` Array(String),
    `changed` Array(String),
    `about` String,
    `next_step` String,
    `receivers` Array(String)
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (`subject_id`, `rule`, `episode`, `n`, `customer_id`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'Every transition of every alert; read the view alert_history.';
