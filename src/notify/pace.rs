//! How fast a receiver may be sent to: so many messages a minute, a few of them at once.

use crate::model::time::MINUTE_MS;

/// So many messages may follow each other at once after a pause.
const BURST: i64 = 5;

/// A limit on the rate of messages (GCRA: the moment at which the next one would come if all came evenly).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    interval_ms: i64,
    even_ms: i64,
}

impl Pace {
    /// At most so many a minute; 0: no limit.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        let interval_ms = if per_minute == 0 { 0 } else { MINUTE_MS / i64::from(per_minute) };
        Self { interval_ms, even_ms: i64::MIN }
    }

    /// How long the next message must wait, milliseconds.
    #[must_use]
    pub fn wait_ms(&self, now_ms: i64) -> i64 {
        let early_ms = self.even_ms.saturating_sub(self.interval_ms * (BURST - 1));
        early_ms.saturating_sub(now_ms).clamp(0, self.interval_ms * BURST)
    }

    /// A message has gone out.
    pub fn sent(&mut self, now_ms: i64) {
        self.even_ms = self.even_ms.max(now_ms).saturating_add(self.interval_ms);
    }
}
