//! Delivery as pure decisions: intake, merge by frontier, watermark, limits on rejects, commits, take-over,
//! co-partitioning, what carriers do on errors.

pub mod carry;
pub mod commit;
pub mod guard;
pub mod intake;
pub mod merge;
pub mod names;
pub mod rejects;
pub mod takeover;
pub mod watermark;
