//! All IO: Kafka, ClickHouse, HTTP, settings, the clock. It talks to the machine in values only.

pub mod cmd_config;
pub mod columns;
pub mod migrate;
pub mod origin;
pub mod settings;
pub mod sink;
pub mod views;
