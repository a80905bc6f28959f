//! All IO: Kafka, ClickHouse, HTTP, settings, the clock. It talks to the machine in values only.

pub mod batch;
pub mod client;
pub mod clock;
pub mod commits;
pub mod consumer;
pub mod ends;
pub mod producer;
pub mod runtime;
pub mod shards;
pub mod status;
pub mod takeover;
pub mod topics;
pub mod worker;
