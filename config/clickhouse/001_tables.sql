-- The tables of src/model/table.rs, column by column (a test holds them against each other).
-- Every row is absolute and may be written again: equal sorting key, the largest version stays.
-- Partition keys are functions of the sorting key, else two versions of a row could live in two partitions.
-- How long rows are kept is a setting, not a migration: `retain migrate` sets the TTLs.

CREATE TABLE IF NOT EXISTS {database}.customers
(
    `customer_id` String,
    `shard` UInt16,
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `as_of` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `account_id` String CODEC(ZSTD(1)),
    `legal_entity_id` String CODEC(ZSTD(1)),
    `region` LowCardinality(String),
    `industry` LowCardinality(String),
    `segment` LowCardinality(String),
    `owner_id` String CODEC(ZSTD(1)),
    `key` Nullable(UInt8),
    `name` String CODEC(ZSTD(1)),
    `t_born` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `streamed_from` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `profile_at` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `profile_sources` UInt8,
    `sums` Map(UInt8, Float64),
    `sums_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `t_first` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `t_last` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `n_days` UInt32,
    `x` UInt32,
    `orders` UInt32,
    `refunds` UInt32,
    `revenue_minor` Int64 CODEC(Delta, ZSTD(1)),
    `spend_sum_30` Float64 CODEC(ZSTD(1)),
    `spend_sum_180` Float64 CODEC(ZSTD(1)),
    `spend_sums_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `spend_bucket_ids` Array(UInt16),
    `spend_bucket_minor` Array(Int64),
    `activated_at` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `breadth` UInt16,
    `gap_mean` Nullable(Float64),
    `gap_k` Nullable(Float64),
    `mean_spend_hat` Nullable(Float64),
    `lifecycle` LowCardinality(String),
    `lifecycle_since` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `open_tickets` UInt16,
    `open_complaints` UInt16,
    `oldest_open_at` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `tickets` UInt32,
    `visits` UInt32,
    `visit_sum_7` Float64 CODEC(ZSTD(1)),
    `visit_sum_60` Float64 CODEC(ZSTD(1)),
    `visit_sums_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `last_seen` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `opted_out` UInt8,
    `nps` Nullable(UInt8),
    `nps_at` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `intent_names` Array(String),
    `intent_views` Array(Float64),
    `intent_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `last_contact` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `last_visit` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `open_minor` Int64 CODEC(Delta, ZSTD(1)),
    `invoice_due` Array(Int64),
    `invoice_open` Array(Int64),
    `contract_start` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `contract_renewal` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `contract_signed` Nullable(UInt8),
    `promised_open` Array(Int64),
    `respond_by_open` Array(Int64),
    `usage_share` Nullable(Float64),
    `usage_high_since` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `exp_purchases_90` Nullable(Float64),
    `gap_surprise` Nullable(Float64),
    `clv` Nullable(Float64),
    `valued_at` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `judged_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `risk` Nullable(Float64),
    `risk_band` UInt8,
    `risk_since` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `risk_contributions` Map(LowCardinality(String), Float64),
    `risk_missing` Array(String),
    `loyalty` Nullable(Float64),
    `loyalty_contributions` Map(LowCardinality(String), Float64),
    `quadrant` LowCardinality(String),
    `model_version` UInt64 CODEC(Delta, ZSTD(1)),
    `tier` LowCardinality(String),
    `abc` LowCardinality(String),
    `tier_since` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `tier_version` UInt64 CODEC(Delta, ZSTD(1)),
    `key_customer` UInt8
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (`customer_id`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'Current signals of every customer, one row each. Decayed sums stand by number as of sums_at: read the view customers_now.';

CREATE TABLE IF NOT EXISTS {database}.activity
(
    `shard` UInt16,
    `source` LowCardinality(String),
    `minute` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `type` LowCardinality(String),
    `channel` LowCardinality(String),
    `late_offset` Int64 CODEC(Delta, ZSTD(1)),
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `events` UInt64 CODEC(Delta, ZSTD(1)),
    `revenue_minor` Int64 CODEC(Delta, ZSTD(1)),
    `tickets` UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (`shard`, `source`, `minute`, `type`, `channel`, `late_offset`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'Events, revenue and tickets by minute; late_offset -1 is the sealed minute, others came later: read the view activity_by_minute, which adds them.';

CREATE TABLE IF NOT EXISTS {database}.events
(
    `customer_id` String CODEC(ZSTD(1)),
    `ts` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `source` LowCardinality(String),
    `topic` LowCardinality(String),
    `partition` UInt16,
    `offset` Int64 CODEC(Delta, ZSTD(1)),
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `type` LowCardinality(String),
    `action` LowCardinality(String),
    `event_id` String CODEC(ZSTD(1)),
    `account_id` String CODEC(ZSTD(1)),
    `legal_entity_id` String CODEC(ZSTD(1)),
    `origin` LowCardinality(String),
    `amount_minor` Int64 CODEC(Delta, ZSTD(1)),
    `original_minor` Int64 CODEC(Delta, ZSTD(1)),
    `currency` LowCardinality(String),
    `reference` String CODEC(ZSTD(1)),
    `channel` LowCardinality(String),
    `visit` UInt8,
    `payload` String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYear(ts)
ORDER BY (`customer_id`, `ts`, `source`, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'The events themselves. A year to a partition: history of many years may come in one block.';

CREATE TABLE IF NOT EXISTS {database}.gaps
(
    `shard` UInt16,
    `source` LowCardinality(String),
    `offset_from` Int64 CODEC(Delta, ZSTD(1)),
    `offset_to` Int64 CODEC(Delta, ZSTD(1)),
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `noticed_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `reason` String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (`shard`, `source`, `offset_from`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'Offsets that retention removed before they were read, half-open.';

CREATE TABLE IF NOT EXISTS {database}.ledger_daily
(
    `shard` UInt16,
    `source` LowCardinality(String),
    `day` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `applied` UInt64 CODEC(Delta, ZSTD(1)),
    `duplicate` UInt64 CODEC(Delta, ZSTD(1)),
    `late` UInt64 CODEC(Delta, ZSTD(1)),
    `filtered` UInt64 CODEC(Delta, ZSTD(1)),
    `rejected` UInt64 CODEC(Delta, ZSTD(1)),
    `id_hash` UInt64 CODEC(NONE)
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (`shard`, `source`, `day`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'The ledger by day of the clock; outlives it.';

CREATE TABLE IF NOT EXISTS {database}.ledger
(
    `shard` UInt16,
    `source` LowCardinality(String),
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `owner` String CODEC(ZSTD(1)),
    `tenure` UInt64 CODEC(Delta, ZSTD(1)),
    `clock` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `watermark` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `complete_to` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    `offset_from` Int64 CODEC(Delta, ZSTD(1)),
    `offset_to` Int64 CODEC(Delta, ZSTD(1)),
    `at_end` UInt8,
    `applied` UInt64 CODEC(Delta, ZSTD(1)),
    `duplicate` UInt64 CODEC(Delta, ZSTD(1)),
    `late` UInt64 CODEC(Delta, ZSTD(1)),
    `filtered` UInt64 CODEC(Delta, ZSTD(1)),
    `rejected` UInt64 CODEC(Delta, ZSTD(1)),
    `order_breaks` UInt64 CODEC(Delta, ZSTD(1)),
    `mail_to` Int64 CODEC(Delta, ZSTD(1)),
    `id_hash` UInt64 CODEC(NONE)
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (`shard`, `source`, `version`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'What each cycle consumed and what became of it, one row per cycle and source; offsets half-open.';

-- The newest ledger row of each shard and source, so that "now" need not search the ledger, and outlives its TTL.
-- Its writer replaces by version and adds nothing up: a repeated insert changes nothing here either.
CREATE TABLE IF NOT EXISTS {database}.ledger_latest
(
    `shard` UInt16,
    `source` LowCardinality(String),
    `version` UInt64,
    `clock` DateTime64(3, 'UTC'),
    `watermark` Nullable(DateTime64(3, 'UTC')),
    `complete_to` Nullable(DateTime64(3, 'UTC')),
    `offset_to` Int64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (`shard`, `source`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'The newest ledger row of each shard and source, written with the ledger itself.';

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.ledger_latest_writer TO {database}.ledger_latest AS
SELECT shard, source, version, clock, watermark, complete_to, offset_to FROM {database}.ledger;
