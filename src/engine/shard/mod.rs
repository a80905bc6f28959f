//! What a shard knows beyond its profiles: open minutes of activity, open hours of segments, the values of free-text dimensions, and what
//! shard 0 knows of all shards.

pub mod activity;
pub mod demand;
mod pace;
pub mod population;
pub mod portfolios;
pub mod reads;
pub mod segments;
pub mod telling;
pub mod words;
