//! Pure mathematics on numbers: what a signal is, apart from where its inputs come from and where it goes.
//!
//! Nothing here reads a clock or keeps state. Moments are `i64` milliseconds since the epoch, durations are
//! milliseconds (`_ms`) or days as `f64` (`_d`). Logarithms and exponentials come from `libm` and not from the
//! platform, so that a state replayed on another machine has the same bits.

pub mod access;
pub mod activation;
pub mod contract;
pub mod crossing;
pub mod decay;
pub mod exit;
pub mod expected;
pub mod gamma;
pub mod levels;
pub mod lifecycle;
pub mod likelihood;
pub mod loyalty;
pub mod loyalty_path;
pub mod moment;
pub mod opportunity;
pub mod outlook;
pub mod quadrant;
pub mod regularity;
pub mod risk;
pub mod risk_inputs;
mod risk_pace;
pub mod risk_path;
mod root;
pub mod satisfaction;
pub mod score;
pub mod service;
pub mod silence;
pub mod situation;
pub mod stages;
pub mod tier_moves;
pub mod tiers;
pub mod trend;
pub mod value;
pub mod window;

pub use crate::model::time::DAY_MS;

/// A duration in milliseconds as days. One rounding: equal inputs give equal bits everywhere.
#[must_use]
pub fn days(duration_ms: i64) -> f64 {
    duration_ms as f64 / DAY_MS as f64
}
