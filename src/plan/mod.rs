//! Definitions: from a file in `pipelines/` to a checked [`Plan`]. Raw (serde) -> check (all errors at once) -> plan.

mod plan;

pub use plan::*;
