//! Whether the wall clock can be believed: held against the broker's timestamps, and against time that has passed.

/// Why a shard must not be taken over with this clock, if so: it stands more than `jump_max_ms` before the broker's
/// timestamp of the shard's last commit, so what it calls now has already been. A clock that stands after it is not
/// refused: nobody says how long the pipeline stood still.
pub fn at_take_over(now_ms: i64, last_commit_ms: i64, jump_max_ms: i64) -> Option<String> {
    let before_ms = last_commit_ms.saturating_sub(now_ms);
    (before_ms > jump_max_ms).then(|| {
        format!(
            "this machine's clock is {} behind the broker's timestamp of the shard's last commit, allowed are {}: set \
             the clock of this machine or of the broker right, then start again (clock.jump_max)",
            seconds(before_ms),
            seconds(jump_max_ms)
        )
    })
}

/// The wall clock as it was last seen, to notice when it jumps.
#[derive(Clone, Copy, Debug, Default)]
pub struct JumpGuard {
    /// The last reading: the wall clock, and a clock that only counts passing time, milliseconds.
    last: Option<(i64, i64)>,
}

impl JumpGuard {
    /// Takes a reading of both clocks; why the pipeline must stop, if the wall clock has moved by `jump_max_ms` more
    /// or less than time has passed since the reading before.
    pub fn look(&mut self, wall_ms: i64, passed_ms: i64, jump_max_ms: i64) -> Option<String> {
        let (wall_before, passed_before) = self.last.replace((wall_ms, passed_ms))?;
        let moved = wall_ms.saturating_sub(wall_before);
        let passed = passed_ms.saturating_sub(passed_before);
        let jump = moved.saturating_sub(passed);
        (jump.unsigned_abs() > jump_max_ms.unsigned_abs()).then(|| {
            format!(
                "this machine's clock jumped by {} while {} passed, allowed are {}: nothing was committed with it; set \
                 the clock right, then start again (clock.jump_max)",
                seconds(jump),
                seconds(passed),
                seconds(jump_max_ms)
            )
        })
    }
}

fn seconds(ms: i64) -> String {
    format!("{} s", ms as f64 / 1_000.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_clock_behind_the_last_commit_is_refused_and_a_pause_is_not() {
        assert_eq!(at_take_over(10 * HOUR, 11 * HOUR, HOUR), None);
        let why = at_take_over(10 * HOUR, 11 * HOUR + 1, HOUR).unwrap();
        assert!(why.contains("3600.001 s behind") && why.contains("3600 s"), "{why}");
        assert_eq!(at_take_over(1_000 * HOUR, HOUR, HOUR), None);
    }

    #[test]
    fn a_jump_is_what_the_wall_moved_beyond_the_time_that_passed() {
        let mut guard = JumpGuard::default();
        assert_eq!(guard.look(5 * HOUR, 0, HOUR), None);
        // A machine that slept: both clocks moved.
        assert_eq!(guard.look(15 * HOUR, 10 * HOUR, HOUR), None);
        assert_eq!(guard.look(16 * HOUR, 10 * HOUR, HOUR), None);
        let why = guard.look(18 * HOUR, 10 * HOUR + 100, HOUR).unwrap();
        assert!(why.contains("jumped by 7199.9 s while 0.1 s passed"), "{why}");
        assert!(guard.look(HOUR, 10 * HOUR + 200, HOUR).unwrap().contains("jumped by -61200"));
        // What is small each time is no jump: clocks are corrected in steps.
        assert_eq!(guard.look(2 * HOUR, 10 * HOUR + 300, HOUR), None);
    }
}
