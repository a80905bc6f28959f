//! Time as the whole product counts it: milliseconds since 1970-01-01T00:00:00Z, as `i64`.

/// Milliseconds in a second.
pub const SECOND_MS: i64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day of 24 hours.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// Units of a written duration, largest first, in milliseconds.
pub const DURATION_UNITS: [(&str, i64); 5] =
    [("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS), ("ms", 1)];

/// A time that is never reached: "no due", "no end".
pub const NEVER_MS: i64 = i64::MAX;
/// A time before every event: "nothing seen yet".
pub const BEFORE_ALL_MS: i64 = i64::MIN;

/// The first event time that is accepted (the epoch); earlier ones are rejects.
pub const EVENT_TIME_MIN_MS: i64 = 0;
/// The first event time that is not accepted: 2149-06-06, where day numbers leave 16 bits.
pub const EVENT_TIME_END_MS: i64 = (u16::MAX as i64) * DAY_MS;

/// The whole minutes since the epoch at `ms`, rounded down.
pub fn minute_of(ms: i64) -> i64 {
    ms.div_euclid(MINUTE_MS)
}

/// The whole hours since the epoch at `ms`, rounded down.
pub fn hour_of(ms: i64) -> i64 {
    ms.div_euclid(HOUR_MS)
}

/// The whole days since the epoch (UTC) at `ms`, rounded down.
pub fn day_of(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS)
}

/// A duration in its largest whole unit: `90m`, `30d`, `0s`.
pub fn duration_text(ms: i64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let unit = DURATION_UNITS.iter().find(|(_, unit_ms)| ms % unit_ms == 0);
    unit.map_or_else(|| format!("{ms}ms"), |(name, unit_ms)| format!("{}{name}", ms / unit_ms))
}
