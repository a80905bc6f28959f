//! Everything that a test on a real Kafka and a real ClickHouse is made of: `mod live; use live::*;` at its root.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used)]

#[path = "broker.rs"]
pub mod broker;
#[path = "compare.rs"]
pub mod compare;
#[path = "engine.rs"]
pub mod engine;
#[path = "feed.rs"]
pub mod feed;
#[path = "oracle.rs"]
pub mod oracle;
#[path = "pipeline.rs"]
pub mod pipeline;
#[path = "plans.rs"]
pub mod plans;
#[path = "proxy.rs"]
pub mod proxy;
#[path = "random.rs"]
pub mod random;
#[path = "rowbinary.rs"]
pub mod rowbinary;
#[path = "sim.rs"]
pub mod sim;
#[path = "spelling.rs"]
pub mod spelling;
#[path = "stage.rs"]
pub mod stage;
#[path = "stream.rs"]
pub mod stream;
#[path = "truth.rs"]
pub mod truth;

use std::time::Duration;

pub use broker::{Broker, flush, send, until, until_within};
pub use feed::{Feed, Load};
pub use pipeline::{Process, Running, options, plan};
pub use stage::Stage;

/// Partitions of each source.
pub const PARTITIONS: i32 = 4;
/// How long anything may take that is not a matter of a moment.
pub const LONG: Duration = Duration::from_secs(60);

/// `make soak`: the long versions.
pub fn is_soak() -> bool {
    std::env::var_os("RETAIN_SOAK").is_some()
}

/// One number for `make test`, another for `make soak`.
pub fn soak_or(short: u64, long: u64) -> u64 {
    if is_soak() { long } else { short }
}
