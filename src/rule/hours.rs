//! Business hours: how much of them lies between two moments, and which moment is so much of them after another.
//!
//! Hours are written in local time; what passes is real time, so a night shift is an hour shorter when the clocks go forward.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::model::time::NEVER_MS;

/// Minutes of a day.
const DAY_MIN: u16 = 24 * 60;
/// How far ahead business time is looked for: ten years.
const SEARCH_DAYS: u32 = 3_660;
/// Days of the week as definitions write them.
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// From a minute of the day to another, local time.
pub type Span = (u16, u16);

/// When business is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// Its name in definitions.
    pub name: String,
    /// The zone of its times.
    pub zone: TimeZone,
    /// Business hours of Monday to Sunday: ascending, apart from each other.
    pub week: [Vec<Span>; 7],
    /// Days without any.
    pub holidays: BTreeSet<Date>,
    /// Hours in which nobody is called, perhaps over midnight.
    pub quiet: Option<Span>,
}

impl Calendar {
    /// Always open, never quiet, in UTC.
    #[must_use]
    pub fn always() -> Self {
        Self {
            name: "always".to_owned(),
            zone: TimeZone::UTC,
            week: std::array::from_fn(|_| vec![(0, DAY_MIN)]),
            holidays: BTreeSet::new(),
            quiet: None,
        }
    }

    /// Milliseconds of business hours in `[from_ms, to_ms)`; 0 where it ends before it begins.
    #[must_use]
    pub fn between_ms(&self, from_ms: i64, to_ms: i64) -> i64 {
        self.between_up_to_ms(from_ms, to_ms, i64::MAX)
    }

    /// The same, counted no further than to the end of the day on which it reaches `most_ms`: then it may be less than all, but
    /// not than that.
    #[must_use]
    pub fn between_up_to_ms(&self, from_ms: i64, to_ms: i64, most_ms: i64) -> i64 {
        let Some(mut date) = self.date_at(from_ms) else { return 0 };
        let mut sum_ms = 0;
        loop {
            let begins = self.instant_ms(date, 0).is_some_and(|at| at < to_ms);
            if !begins || sum_ms >= most_ms {
                return sum_ms;
            }
            for (open_ms, close_ms) in self.open_on(date) {
                sum_ms += (close_ms.min(to_ms) - open_ms.max(from_ms)).max(0);
            }
            let Ok(next) = date.tomorrow() else { return sum_ms };
            date = next;
        }
    }

    /// The first moment from `from_ms` on before which `open_ms` of business hours have passed; [`NEVER_MS`] where that is
    /// not within ten years.
    #[must_use]
    pub fn after_ms(&self, from_ms: i64, open_ms: i64) -> i64 {
        if open_ms <= 0 {
            return from_ms;
        }
        let Some(mut date) = self.date_at(from_ms) else { return NEVER_MS };
        let mut left_ms = open_ms;
        for _ in 0..SEARCH_DAYS {
            for (begin_ms, end_ms) in self.open_on(date) {
                let begin_ms = begin_ms.max(from_ms);
                let length_ms = (end_ms - begin_ms).max(0);
                if length_ms >= left_ms {
                    return begin_ms + left_ms;
                }
                left_ms -= length_ms;
            }
            let Ok(next) = date.tomorrow() else { return NEVER_MS };
            date = next;
        }
        NEVER_MS
    }

    /// The first moment from `at_ms` on that is not in the quiet hours.
    #[must_use]
    pub fn loud_from_ms(&self, at_ms: i64) -> i64 {
        let (Some((from, to)), Some(today)) = (self.quiet, self.date_at(at_ms)) else {
            return at_ms;
        };
        // over midnight, the quiet hours of yesterday may still last
        let days = [today.yesterday().ok(), Some(today)];
        for day in days.into_iter().flatten() {
            let begins_ms = self.instant_ms(day, from);
            let last = if from < to { Some(day) } else { day.tomorrow().ok() };
            let ends_ms = last.and_then(|last| self.instant_ms(last, to));
            if let (Some(begins_ms), Some(ends_ms)) = (begins_ms, ends_ms)
                && (begins_ms..ends_ms).contains(&at_ms)
            {
                return ends_ms;
            }
        }
        at_ms
    }

    fn date_at(&self, at_ms: i64) -> Option<Date> {
        let at = Timestamp::from_millisecond(at_ms).ok()?;
        Some(self.zone.to_datetime(at).date())
    }

    /// Business hours of a local day, as moments.
    fn open_on(&self, date: Date) -> impl Iterator<Item = (i64, i64)> {
        let weekday = usize::from(date.weekday().to_monday_zero_offset() as u8);
        let spans = if self.holidays.contains(&date) { &[] } else { self.week[weekday].as_slice() };
        spans.iter().filter_map(move |(from, to)| {
            Some((self.instant_ms(date, *from)?, self.instant_ms(date, *to)?))
        })
    }

    /// The moment of a minute of a local day. One that the clocks jump over is the moment of the jump; of two that they
    /// repeat, the first.
    fn instant_ms(&self, date: Date, minute: u16) -> Option<i64> {
        let (date, minute) =
            if minute == DAY_MIN { (date.tomorrow().ok()?, 0) } else { (date, minute) };
        let local: DateTime = date.at((minute / 60) as i8, (minute % 60) as i8, 0, 0);
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        let is_gap = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
        let at = ambiguous.compatible().ok()?;
        if is_gap {
            // a minute at which the gap begins is the jump itself, and what precedes is strictly before
            let jump = self.zone.preceding(at.checked_add(1.nanosecond()).ok()?).next()?;
            return Some(jump.timestamp().as_millisecond());
        }
        Some(at.as_millisecond())
    }
}

/// Business hours of a week from lines such as `mon-fri 09:00-17:00`; a day may have several.
///
/// # Errors
/// The line that is wrong, by its number, and how it is written.
pub fn week(lines: &[String]) -> Result<[Vec<Span>; 7], (usize, &'static str)> {
    const FORM: &str = "days and hours such as \"mon-fri 09:00-17:00\"";
    let mut week: [Vec<Span>; 7] = Default::default();
    for (index, line) in lines.iter().enumerate() {
        let (days, hours) = line.split_once(' ').ok_or((index, FORM))?;
        let span = span(hours.trim()).filter(|(from, to)| from < to).ok_or((index, FORM))?;
        let (first, last) = days.split_once('-').unwrap_or((days, days));
        let day = |name: &str| DAYS.iter().position(|(known, _)| *known == name);
        let (Some(first), Some(last)) = (day(first), day(last)) else {
            return Err((index, FORM));
        };
        if first > last {
            return Err((index, "days from the first of the week to the last, as in mon-fri"));
        }
        for day in &mut week[first..=last] {
            if day.iter().any(|(from, to)| span.0 < *to && *from < span.1) {
                return Err((index, "hours that do not overlap with those above"));
            }
            day.push(span);
            day.sort_unstable();
        }
    }
    Ok(week)
}

/// Two times of a day such as `22:00-07:00`; the end may be 24:00.
#[must_use]
pub fn span(text: &str) -> Option<Span> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute_of_day(from)?, minute_of_day(to)?);
    (from < DAY_MIN && from != to).then_some((from, to))
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str| {
        let is_number = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY_MIN).then_some(total)
}
