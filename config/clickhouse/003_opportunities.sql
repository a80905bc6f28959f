-- What was worth a contact, one row for each proposal; it is kept as long as `events` are. See 001_tables.sql for the rules.

CREATE TABLE IF NOT EXISTS {database}.opportunities
(
    `customer_id` String CODEC(ZSTD(1)),
    `goal` LowCardinality(String),
    `proposed_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `shard` UInt16,
    `reason` LowCardinality(String),
    `score` Float64 CODEC(ZSTD(1)),
    `held_out` UInt8,
    `expires_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `category` LowCardinality(String),
    `account_id` String CODEC(ZSTD(1)),
    `owner_id` String CODEC(ZSTD(1)),
    `region` LowCardinality(String),
    `tier` LowCardinality(String),
    `lifecycle` LowCardinality(String),
    `risk` Nullable(Float64) CODEC(ZSTD(1)),
    `clv` Nullable(Float64) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (`customer_id`, `goal`, `proposed_at`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'What was worth a contact, one row for each proposal, with the customer as they stood then. held_out customers are to be left alone: read the views opportunities_now and opportunity_effect.';
