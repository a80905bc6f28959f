//! All IO: Kafka, ClickHouse, HTTP, settings, the clock. It talks to the machine in values only.

pub mod batch;
pub mod carrier;
pub mod client;
pub mod clock;
pub mod cmd_config;
pub mod columns;
pub mod commits;
pub mod consumer;
pub mod ends;
pub mod migrate;
pub mod origin;
pub mod producer;
pub mod runtime;
pub mod settings;
pub mod shards;
pub mod sink;
pub mod status;
pub mod takeover;
pub mod topics;
pub mod views;
pub mod worker;
