-- What this database has been through. Run at every migration, so every statement here may be repeated.
CREATE DATABASE IF NOT EXISTS {database};

CREATE DATABASE IF NOT EXISTS {views};

CREATE TABLE IF NOT EXISTS {database}.migrations
(
    number UInt32,
    name String,
    checksum String,
    applied_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY number;
