//! Delivery as pure decisions: intake, merge by frontier, watermark, limits on rejects.

pub mod intake;
pub mod merge;
pub mod rejects;
pub mod watermark;
