//! How often shard 0 tells all shards something new.

use crate::model::time::MINUTE_MS;

/// At most once in this time of the clock (and once a minute of event time).
const CLOCK_MS: i64 = 10_000;

/// Whether it is too soon after what was made at `last_ms` of event time and `last_clock_ms` of the clock.
pub(super) fn is_soon(last_ms: i64, last_clock_ms: i64, watermark_ms: i64, clock_ms: i64) -> bool {
    let soon = watermark_ms < last_ms.saturating_add(MINUTE_MS);
    // a clock that stepped back must not silence it
    soon || (0..CLOCK_MS).contains(&(clock_ms - last_clock_ms))
}
