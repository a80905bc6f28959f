//! Days and times of digests in the receivers' zone.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The day of a moment, as `2026-01-31`.
#[must_use]
pub fn day(zone: &TimeZone, at_ms: i64) -> String {
    date(zone, at_ms).map_or_else(String::new, |date| date.to_string())
}

/// A moment as people write it there: `2026-01-31 09:00`.
#[must_use]
pub fn minute(zone: &TimeZone, at_ms: i64) -> String {
    let Ok(at) = Timestamp::from_millisecond(at_ms) else { return String::new() };
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The first moment after `after_ms` at which the clock there shows this minute of the day. In an hour that the clocks leave
/// out it is the moment after the gap.
#[must_use]
pub fn next(zone: &TimeZone, minute_of_day: u16, after_ms: i64) -> i64 {
    let Some(mut day) = date(zone, after_ms) else { return after_ms };
    let (hour, minute) = (minute_of_day / 60, minute_of_day % 60);
    let part = |value: u16| i8::try_from(value).unwrap_or(0);
    // a day's time may have passed, or lie in a gap that moves it behind the next one's
    for _ in 0..3 {
        let local = day.at(part(hour), part(minute), 0, 0);
        if let Ok(at) = local.to_zoned(zone.clone()) {
            let at_ms = at.timestamp().as_millisecond();
            if at_ms > after_ms {
                return at_ms;
            }
        }
        let Ok(tomorrow) = day.tomorrow() else { return after_ms };
        day = tomorrow;
    }
    after_ms
}

fn date(zone: &TimeZone, at_ms: i64) -> Option<Date> {
    let at = Timestamp::from_millisecond(at_ms).ok()?;
    Some(at.to_zoned(zone.clone()).date())
}
