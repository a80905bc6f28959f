//! The values of a signal at the beginnings of the last days, for `rise` and `fall`: what it stands above or below.
//!
//! A day begins at midnight UTC. Between events a signal follows a known path, so the values of midnights that have passed
//! meanwhile are put in before the next event changes it; nobody has to wake for them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::model::time::{DAY_MS, day_of};

/// Values by day, ascending; days on which the signal was unknown are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Daily {
    values: VecDeque<(i64, f64)>,
    /// The last day that was put in, known or not.
    last_day: Option<i64>,
}

impl Daily {
    /// Brings it up to `tau_ms`: `value_at` gives the signal at each midnight that has passed since, the last `days` of them
    /// at most. Before an event is applied it is to be called with the event's time.
    pub fn fill(&mut self, days: u16, tau_ms: i64, mut value_at: impl FnMut(i64) -> Option<f64>) {
        let today = day_of(tau_ms);
        let oldest = today - i64::from(days) + 1;
        // the subject did not exist before it was first looked at
        let first = self.last_day.map_or(today + 1, |last| last + 1).max(oldest);
        for day in first..=today {
            if let Some(value) = value_at(day * DAY_MS) {
                self.values.push_back((day, value));
            }
        }
        self.last_day = Some(self.last_day.unwrap_or(today).max(today));
        while self.values.front().is_some_and(|(day, _)| *day < oldest) {
            self.values.pop_front();
        }
    }

    /// Whether every midnight up to `tau_ms` was put in.
    #[must_use]
    pub fn is_filled(&self, tau_ms: i64) -> bool {
        self.last_day.is_some_and(|last| last >= day_of(tau_ms))
    }

    /// The least value of the last `days` days as seen at `tau_ms`.
    #[must_use]
    pub fn least(&self, days: u16, tau_ms: i64) -> Option<f64> {
        self.within(days, tau_ms).reduce(f64::min)
    }

    /// The largest value of the last `days` days as seen at `tau_ms`.
    #[must_use]
    pub fn largest(&self, days: u16, tau_ms: i64) -> Option<f64> {
        self.within(days, tau_ms).reduce(f64::max)
    }

    /// The oldest value of the last `days` days as seen at `tau_ms`, with its day since 1970-01-01.
    #[must_use]
    pub fn oldest(&self, days: u16, tau_ms: i64) -> Option<(i64, f64)> {
        let oldest = day_of(tau_ms) - i64::from(days) + 1;
        self.values.iter().find(|(day, _)| *day >= oldest).copied()
    }

    fn within(&self, days: u16, tau_ms: i64) -> impl Iterator<Item = f64> {
        let oldest = day_of(tau_ms) - i64::from(days) + 1;
        self.values.iter().filter(move |(day, _)| *day >= oldest).map(|(_, value)| *value)
    }
}

/// When the days that count change next.
#[must_use]
pub fn next_midnight_ms(tau_ms: i64) -> i64 {
    (day_of(tau_ms) + 1) * DAY_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::HOUR_MS;

    #[test]
    fn filling_late_is_filling_at_every_midnight() {
        let path = |ms: i64| Some(((ms / HOUR_MS) % 100) as f64);
        let (mut often, mut late) = (Daily::default(), Daily::default());
        let start_ms = 5 * HOUR_MS;
        for daily in [&mut often, &mut late] {
            daily.fill(7, start_ms, path);
            assert_eq!(daily.least(7, start_ms), None, "no midnight has been seen");
        }
        for hour in 0..24 * 30 {
            often.fill(7, start_ms + hour * HOUR_MS, path);
        }
        late.fill(7, start_ms + (24 * 30 - 1) * HOUR_MS, path);
        assert_eq!(often, late);
        assert_eq!(often.values.len(), 7);
    }

    #[test]
    fn days_leave_as_time_passes() {
        let mut daily = Daily::default();
        daily.fill(3, 0, |_| None);
        daily.fill(3, DAY_MS, |_| Some(1.0));
        daily.fill(3, 3 * DAY_MS, |ms| (ms > 2 * DAY_MS).then_some(5.0));
        let at = |ms| (daily.least(3, ms), daily.largest(3, ms));
        assert_eq!(at(3 * DAY_MS), (Some(1.0), Some(5.0)));
        assert_eq!(at(next_midnight_ms(3 * DAY_MS)), (Some(5.0), Some(5.0)));
    }
}
