//! Pure delivery: decisions about order, commits, take-over and co-partitioning, without IO.

pub mod commit;
pub mod guard;
pub mod names;
pub mod takeover;
