-- What customers owe, one row for each legal entity their invoices name; nothing is netted between entities. Rows are absolute
-- and replaced by version, as in 001. An entity that no invoice names any more is deleted.

CREATE TABLE IF NOT EXISTS {database}.credit
(
    `customer_id` String,
    `legal_entity_id` String,
    `shard` UInt16,
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `as_of` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `open_minor` Int64,
    `invoice_due` Array(Int64),
    `invoice_open` Array(Int64),
    `paid_sum_180` Float64,
    `late_days_sum_180` Float64,
    `ext_requests_open` UInt32,
    `last_payment` Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (`customer_id`, `legal_entity_id`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'What customers owe by legal entity; read the view credit_now.';
