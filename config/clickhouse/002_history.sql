-- How customers stood at the end of each day on which something changed. Sorted by customer, so that one customer's past
-- is read without a scan; a partition is a month, so that what is too old goes as a whole.

CREATE TABLE IF NOT EXISTS {database}.customer_history
(
    `customer_id` String,
    `day` Date CODEC(Delta, ZSTD(1)),
    `shard` UInt16,
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `as_of` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `account_id` String CODEC(ZSTD(1)),
    `region` LowCardinality(String),
    `industry` LowCardinality(String),
    `segment` LowCardinality(String),
    `owner_id` String CODEC(ZSTD(1)),
    `t_first` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `t_last` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `n_days` UInt32 CODEC(Delta, ZSTD(1)),
    `orders` UInt32 CODEC(Delta, ZSTD(1)),
    `refunds` UInt32 CODEC(Delta, ZSTD(1)),
    `revenue_minor` Int64 CODEC(Delta, ZSTD(1)),
    `opening_minor` Int64 CODEC(Delta, ZSTD(1)),
    `activated_at` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `clv` Nullable(Float64) CODEC(ZSTD(1)),
    `lifecycle` LowCardinality(String),
    `lifecycle_since` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `open_tickets` UInt16,
    `open_complaints` UInt16,
    `tickets` UInt32 CODEC(Delta, ZSTD(1)),
    `visits` UInt32 CODEC(Delta, ZSTD(1)),
    `csat_sum` Float64 CODEC(ZSTD(1)),
    `csat_n` Float64 CODEC(ZSTD(1)),
    `risk` Nullable(Float64) CODEC(ZSTD(1)),
    `risk_band` UInt8,
    `loyalty` Nullable(Float64) CODEC(ZSTD(1)),
    `quadrant` LowCardinality(String),
    `tier` LowCardinality(String),
    `abc` LowCardinality(String),
    `tier_since` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `tier_version` UInt64 CODEC(Delta, ZSTD(1)),
    `key_customer` UInt8
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(day)
ORDER BY (`customer_id`, `day`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'How a customer stood at the end of each day on which something changed, one row per customer and day: read the view customer_history.';
