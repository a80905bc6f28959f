//! How an account stood on the days before: enough to say what has changed in 30 and in 90 days.

use serde::{Deserialize, Serialize};

/// How far back is looked, days.
pub const LOOK_BACK_D: u16 = 90;

/// An account at the end of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The day, since 1970-01-01 in the day zone.
    pub day: u16,
    /// Churn risk, millionths.
    pub risk_ppm: Option<u32>,
    /// Revenue a year at the pace of then, minor units.
    pub revenue_365_minor: i64,
}

/// Points by day: those of the last [`LOOK_BACK_D`] days on which something changed, and the last one before them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    points: Vec<Point>,
}

impl Past {
    /// A day has ended with this; `today` is the day that begins. Days come in order. What stands as on the day before is
    /// left out: whoever looks for a day takes the last point up to it.
    pub fn end_of_day(&mut self, point: Point, today: u16) {
        let same = |last: &Point| Point { day: point.day, ..*last } == point;
        if !self.points.last().is_some_and(same) {
            self.points.push(point);
        }
        let first = today.saturating_sub(LOOK_BACK_D);
        let old = self.points.partition_point(|point| point.day <= first);
        self.points.drain(..old.saturating_sub(1));
    }

    /// The points by day.
    pub fn points(&self) -> &[Point] {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(day: u16, revenue_365_minor: i64) -> Point {
        Point { day, risk_ppm: None, revenue_365_minor }
    }

    #[test]
    fn what_is_older_than_the_look_back_goes_but_for_the_last() {
        let mut past = Past::default();
        for day in [10, 20, 30, 40, 150] {
            past.end_of_day(point(day, day.into()), day + 1);
        }
        let days: Vec<u16> = past.points().iter().map(|point| point.day).collect();
        assert_eq!(days, [40, 150], "how it stood on day 61 is told by day 40");
        for day in 151..400 {
            past.end_of_day(point(day, day.into()), day + 1);
        }
        assert!(past.points().len() <= usize::from(LOOK_BACK_D) + 1, "{}", past.points().len());
    }

    #[test]
    fn days_on_which_nothing_changed_take_no_room() {
        let mut past = Past::default();
        (1..60).for_each(|day| past.end_of_day(point(day, 7), day + 1));
        assert_eq!(past.points(), [point(1, 7)]);
    }
}
