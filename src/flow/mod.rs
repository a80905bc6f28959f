//! Delivery as pure decisions: intake, merge by frontier, watermark, limits on rejects, commits, take-over,
//! generations, co-partitioning, jumps of the clock, how full the outbox is, what carriers do on errors.

pub mod carry;
pub mod commit;
pub mod generation;
pub mod guard;
pub mod intake;
pub mod jump;
pub mod merge;
pub mod names;
pub mod outbox;
pub mod rejects;
pub mod takeover;
pub mod watermark;
