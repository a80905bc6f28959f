//! The clock as an input: the wall's, or a simulated one that goes on where it was before a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::flow::jump::{self, JumpGuard};
use crate::plan;

/// Now on the wall, milliseconds since the epoch.
pub fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Reads the pipeline's clock. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct PipelineClock {
    kind: plan::Clock,
    /// When this process began to read it.
    began: Instant,
    /// The same moment on the wall, milliseconds.
    began_wall_ms: i64,
    /// Wall time at which a simulated clock stood at its origin; it only falls.
    wall_origin_ms: Arc<AtomicI64>,
}

impl PipelineClock {
    /// The clock of a definition; a simulated one begins now, until [`Self::goes_on_from`] says otherwise.
    pub fn new(kind: plan::Clock) -> Self {
        let began_wall_ms = wall_ms();
        Self {
            kind,
            began: Instant::now(),
            began_wall_ms,
            wall_origin_ms: Arc::new(AtomicI64::new(began_wall_ms)),
        }
    }

    /// A shard's state knows when the simulated clock began; of all shards the earliest is right. 0: it knows nothing.
    pub fn goes_on_from(&self, wall_origin_ms: i64) {
        if wall_origin_ms > 0 {
            self.wall_origin_ms.fetch_min(wall_origin_ms, Ordering::Relaxed);
        }
    }

    /// What is to be kept with the state: when a simulated clock stood at its origin, wall time, milliseconds; 0 for
    /// the wall clock.
    pub fn wall_origin_ms(&self) -> i64 {
        match self.kind {
            plan::Clock::Wall => 0,
            plan::Clock::Simulated { .. } => self.wall_origin_ms.load(Ordering::Relaxed),
        }
    }

    /// Now, milliseconds.
    pub fn now_ms(&self) -> i64 {
        match self.kind {
            plan::Clock::Wall => wall_ms(),
            plan::Clock::Simulated { origin_ms, speed, fast_until_ms } => {
                // The wall is asked once: a correction of it must not move the simulated time.
                let before_ms = (self.began_wall_ms - self.wall_origin_ms()).max(0) as f64;
                let wall_ms = before_ms + self.began.elapsed().as_secs_f64() * 1_000.0;
                let fast_ms =
                    fast_until_ms.map_or(f64::INFINITY, |until| (until - origin_ms) as f64);
                let slow_ms = (wall_ms - fast_ms / speed).max(0.0);
                origin_ms.saturating_add(((wall_ms * speed).min(fast_ms) + slow_ms) as i64)
            }
        }
    }

    /// Why a shard that was last committed at `last_commit_ms` (the broker's time) cannot be taken over with this
    /// clock, if so.
    pub fn refuses(&self, last_commit_ms: Option<i64>, jump_max_ms: i64) -> Option<String> {
        match self.kind {
            plan::Clock::Wall => jump::at_take_over(wall_ms(), last_commit_ms?, jump_max_ms),
            plan::Clock::Simulated { .. } => None,
        }
    }

    /// Why the pipeline must stop, if the wall clock has jumped since the guard last looked.
    pub fn jumped(&self, guard: &mut JumpGuard, jump_max_ms: i64) -> Option<String> {
        let passed_ms = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        match self.kind {
            plan::Clock::Wall => guard.look(wall_ms(), passed_ms, jump_max_ms),
            plan::Clock::Simulated { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_clock_goes_on_where_it_was() {
        const HOUR_MS: i64 = 3_600_000;
        let kind = plan::Clock::Simulated { origin_ms: 0, speed: 24.0, fast_until_ms: None };
        let clock = PipelineClock::new(kind);
        let shared = clock.clone();
        let began = clock.wall_origin_ms();
        assert!(clock.now_ms() < HOUR_MS);
        clock.goes_on_from(0);
        assert_eq!(shared.wall_origin_ms(), began);
        clock.goes_on_from(began - 2 * HOUR_MS);
        clock.goes_on_from(began - HOUR_MS);
        assert_eq!(shared.wall_origin_ms(), began - 2 * HOUR_MS);
        let now_ms = shared.now_ms();
        assert!((48 * HOUR_MS..49 * HOUR_MS).contains(&now_ms), "{now_ms}");
        assert_eq!(PipelineClock::new(plan::Clock::Wall).wall_origin_ms(), 0);
    }

    #[test]
    fn a_simulated_clock_may_slow_down_to_the_walls_pace() {
        const HOUR_MS: i64 = 3_600_000;
        let fast_until_ms = Some(1_000 + 24 * HOUR_MS);
        let kind = plan::Clock::Simulated { origin_ms: 1_000, speed: 24.0, fast_until_ms };
        assert_eq!((kind.speed_at(24 * HOUR_MS), kind.speed_at(1_000 + 24 * HOUR_MS)), (24.0, 1.0));
        let clock = PipelineClock::new(kind);
        // one hour of the wall at full speed, two at its own
        clock.goes_on_from(clock.wall_origin_ms() - 3 * HOUR_MS);
        let ran_ms = clock.now_ms() - 1_000;
        assert!((26 * HOUR_MS..27 * HOUR_MS).contains(&ran_ms), "{ran_ms}");
    }
}
