//! `retain`: rolling loyalty and churn signals for every customer, from Kafka to ClickHouse, exactly once.
//!
//! The layers and the direction of their imports are described in `ARCHITECTURE.md`. Everything but `shell`
//! is pure: values in, values out, no clock, no IO, no randomness.

#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod account;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod api;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod decode;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod engine;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod explain;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod flow;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod generate;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod invariants;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod machine;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod model;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod notify;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod page;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod plan;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod rule;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod scenario;
#[cfg(feature = "io")]
pub mod shell;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod signal;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod snapshot;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod wire;
