//! What a shard knows beyond its profiles: open minutes of activity, open hours of segments, and the values of free-text dimensions.

pub mod activity;
pub mod population;
pub mod segments;
pub mod words;
