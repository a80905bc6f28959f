//! The clock as an input: the wall's, or a simulated one.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::plan;

/// Now on the wall, milliseconds since the epoch.
pub fn wall_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Reads the pipeline's clock.
#[derive(Clone, Copy, Debug)]
pub struct PipelineClock {
    kind: plan::Clock,
    began: Instant,
}

impl PipelineClock {
    /// The clock of a definition, begun now.
    pub fn new(kind: plan::Clock) -> Self {
        Self {
            kind,
            began: Instant::now(),
        }
    }

    /// Now, milliseconds.
    pub fn now_ms(&self) -> i64 {
        match self.kind {
            plan::Clock::Wall => wall_ms(),
            plan::Clock::Simulated { origin_ms, speed } => {
                let run_ms = self.began.elapsed().as_secs_f64() * 1_000.0 * speed;
                origin_ms.saturating_add(run_ms as i64)
            }
        }
    }
}
