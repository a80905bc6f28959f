-- Flows of customers and events by hour and group: region, industry, tier, owner, channel, and all together.
-- Absolute rows as in 001. There is no TTL: customers at a moment are the sum of all changes up to it.

CREATE TABLE IF NOT EXISTS {database}.segments
(
    `shard` UInt16,
    `dimension` LowCardinality(String),
    `value` LowCardinality(String),
    `hour` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `late_version` UInt64 CODEC(Delta, ZSTD(1)),
    `version` UInt64 CODEC(Delta, ZSTD(1)),
    `is_deleted` UInt8,
    `net_prospect` Int64 CODEC(Delta, ZSTD(1)),
    `net_new` Int64 CODEC(Delta, ZSTD(1)),
    `net_active` Int64 CODEC(Delta, ZSTD(1)),
    `net_slipping` Int64 CODEC(Delta, ZSTD(1)),
    `net_dormant` Int64 CODEC(Delta, ZSTD(1)),
    `net_lost` Int64 CODEC(Delta, ZSTD(1)),
    `net_won_back` Int64 CODEC(Delta, ZSTD(1)),
    `new_customers` UInt64 CODEC(Delta, ZSTD(1)),
    `activated` UInt64 CODEC(Delta, ZSTD(1)),
    `lost` UInt64 CODEC(Delta, ZSTD(1)),
    `won_back` UInt64 CODEC(Delta, ZSTD(1)),
    `orders` UInt64 CODEC(Delta, ZSTD(1)),
    `revenue_minor` Int64 CODEC(Delta, ZSTD(1)),
    `tickets` UInt64 CODEC(Delta, ZSTD(1)),
    `ratings` UInt64 CODEC(Delta, ZSTD(1)),
    `rating_sum` UInt64 CODEC(Delta, ZSTD(1)),
    `nps_answers` UInt64 CODEC(Delta, ZSTD(1)),
    `promoters` UInt64 CODEC(Delta, ZSTD(1)),
    `detractors` UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (`dimension`, `value`, `hour`, `shard`, `late_version`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'Flows of customers and events by hour and group; late_version 0 is the hour itself, others came after it was sealed: read the views segments_hourly, segments_now and segments_between, which add them.';
