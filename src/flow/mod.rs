//! Delivery as pure decisions: intake, merge by frontier, watermark, limits on rejects, what carriers do on errors.

pub mod carry;
pub mod intake;
pub mod merge;
pub mod rejects;
pub mod watermark;
