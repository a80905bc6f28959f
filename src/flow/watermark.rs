//! How far time has certainly passed for a shard. It never falls.

use crate::model::time::BEFORE_ALL_MS;

/// The watermark and the merge position it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Watermark {
    /// Frontier of the last merged record; [`BEFORE_ALL_MS`] before the first.
    pub merged_ms: i64,
    /// The watermark; [`BEFORE_ALL_MS`] before the first record.
    pub at_ms: i64,
}

impl Default for Watermark {
    fn default() -> Self {
        Self { merged_ms: BEFORE_ALL_MS, at_ms: BEFORE_ALL_MS }
    }
}

impl Watermark {
    /// A record with this frontier is next. Returns whether it broke the order: it came below the watermark, because a
    /// topic that had been silent spoke again about the past.
    pub fn record(&mut self, frontier_ms: i64, disorder_ms: i64) -> bool {
        if frontier_ms == BEFORE_ALL_MS {
            return false;
        }
        let broke = frontier_ms < self.at_ms;
        self.merged_ms = self.merged_ms.max(frontier_ms);
        self.at_ms = self.at_ms.max(self.merged_ms.saturating_sub(disorder_ms));
        broke
    }

    /// All topics are at their ends, as confirmed at `confirmed_ms` of the clock.
    pub fn idle(&mut self, confirmed_ms: i64, idle_timeout_ms: i64, disorder_ms: i64) {
        let to = confirmed_ms.saturating_sub(idle_timeout_ms).saturating_sub(disorder_ms);
        self.at_ms = self.at_ms.max(to);
    }
}
