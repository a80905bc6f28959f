//! What employees read of customers' data in a shard: records by day, and at each full hour of event time what shard 0 must hear of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::telling::Telling;
use super::words::OTHER;
use crate::signal::access::WINDOW_D;
use crate::wire::mail::Read;

/// Employees that are told apart in a shard, at most; the rest is `other`.
pub const EMPLOYEES_MAX: usize = 4_096;

/// What the shard has counted of an employee.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// By day.
    read: Read,
    /// Days that have changed since they were told, ascending.
    untold: Vec<u16>,
}

/// What employees have read.
#[derive(Debug)]
pub struct Reads {
    /// When it is told.
    pub telling: Telling<Read>,
    employees: BTreeMap<Box<str>, Counted>,
    changed: BTreeSet<Box<str>>,
}

impl Reads {
    /// Nothing yet; with `on` unset nothing is ever counted.
    pub fn new(on: bool) -> Self {
        Self { telling: Telling::new(on), employees: BTreeMap::new(), changed: BTreeSet::new() }
    }

    /// Counts records that an employee has read on a day.
    pub fn count(&mut self, employee: &str, day: u16, records: u64) {
        if records == 0 || !self.telling.is_on() {
            return;
        }
        let full = self.employees.len() >= EMPLOYEES_MAX;
        let name = if full && !self.employees.contains_key(employee) { OTHER } else { employee };
        if !self.employees.contains_key(name) {
            self.employees.insert(name.into(), Counted::default());
        }
        let Some(Counted { read, untold }) = self.employees.get_mut(name) else { return };
        let before = crate::signal::access::read_on(&read.days, day);
        read.set(day, before.saturating_add(records));
        if let Err(at) = untold.binary_search(&day) {
            untold.insert(at, day);
        }
        if !self.changed.contains(name) {
            self.changed.insert(name.into());
        }
    }

    /// The watermark has come to `watermark_ms`, and what was read until then is counted. Days that make no habit any more are
    /// forgotten, and with the last of them the employee.
    pub fn pass(&mut self, watermark_ms: i64, day_of: impl Fn(i64) -> u16) {
        let Some((hour_ms, to_ms)) = self.telling.pass(watermark_ms) else { return };
        // an hour says nothing of days that were out of the window in it, whatever has been forgotten of them since
        let from = day_of(hour_ms).saturating_sub(WINDOW_D);
        let kept_from = day_of(to_ms).saturating_sub(WINDOW_D);
        let Self { telling, employees, changed } = self;
        let mut told = Vec::new();
        employees.retain(|employee, counted| {
            let untold = std::mem::take(&mut counted.untold);
            let held = counted.read.days.len();
            if !untold.is_empty() {
                let days = counted.read.days.iter();
                let days = days.filter(|(day, _)| *day >= from && untold.contains(day));
                let days: Vec<(u16, u64)> = days.copied().collect();
                if !days.is_empty() {
                    told.push((employee.to_string(), Read { days }));
                }
            }
            counted.read.forget_before(kept_from);
            if (!untold.is_empty() || counted.read.days.len() < held) && !changed.contains(employee)
            {
                changed.insert(employee.clone());
            }
            !counted.read.days.is_empty()
        });
        telling.told(hour_ms, told);
    }

    /// Employees whose record is to be written; `None` where they were forgotten.
    pub fn take_changed(&mut self) -> impl Iterator<Item = (Box<str>, Option<&Counted>)> {
        let changed = std::mem::take(&mut self.changed);
        let employees = &self.employees;
        changed.into_iter().map(move |employee| {
            let counted = employees.get(&employee);
            (employee, counted)
        })
    }

    /// A record of [`Self::take_changed`].
    pub fn restore(&mut self, employee: &str, counted: Option<Counted>) {
        match counted {
            Some(counted) => drop(self.employees.insert(employee.into(), counted)),
            None => drop(self.employees.remove(employee)),
        }
    }

    /// Forgets everything, where no rule asks for it any more.
    pub fn forget(&mut self) {
        self.changed.extend(std::mem::take(&mut self.employees).into_keys());
        if self.telling.forget() {
            // the record of up to when it was told
            self.changed.insert(Box::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::{DAY_MS, HOUR_MS};

    const DAY: i64 = 20_000;

    fn day_of(ms: i64) -> u16 {
        (ms / DAY_MS) as u16
    }

    /// From when on, who, records by day.
    type Told = (i64, String, Vec<(u16, u64)>);

    fn told(reads: &mut Reads) -> Vec<Told> {
        let letters = reads.telling.tell();
        let hours = letters.into_iter().flat_map(|letter| letter.hours);
        hours
            .flat_map(|(ms, all)| all.into_iter().map(move |(name, read)| (ms, name, read.days)))
            .collect()
    }

    #[test]
    fn days_are_told_whole_and_only_where_they_have_changed() {
        let (begin_ms, day) = (DAY * DAY_MS, DAY as u16);
        let mut reads = Reads::new(true);
        reads.pass(begin_ms, day_of);
        reads.count("ann", day, 3);
        reads.count("ann", day, 0);
        reads.count("ann", day - 1, 2);
        reads.pass(begin_ms + HOUR_MS, day_of);
        reads.count("ann", day, 4);
        reads.count("bob", day, 1);
        reads.pass(begin_ms + 5 * HOUR_MS, day_of);
        let hour = |n: i64| begin_ms + n * HOUR_MS;
        let days = |days: &[(u16, u64)]| days.to_vec();
        assert_eq!(
            told(&mut reads),
            [
                (hour(1), "ann".to_owned(), days(&[(day - 1, 2), (day, 3)])),
                (hour(2), "ann".to_owned(), days(&[(day, 7)])),
                (hour(2), "bob".to_owned(), days(&[(day, 1)])),
            ]
        );
        // nothing is kept of who has read nothing for as long as the window
        assert_eq!(reads.take_changed().filter(|(_, counted)| counted.is_some()).count(), 2);
        reads.pass(begin_ms + i64::from(WINDOW_D) * DAY_MS, day_of);
        assert_eq!(reads.employees.len(), 2);
        reads.pass(begin_ms + i64::from(WINDOW_D + 1) * DAY_MS, day_of);
        assert!(reads.employees.is_empty());
        assert_eq!(reads.take_changed().filter(|(_, counted)| counted.is_none()).count(), 2);
        assert!(told(&mut reads).is_empty());
    }

    #[test]
    fn what_time_jumps_over_is_told_before_it_is_forgotten() {
        let (begin_ms, day) = (DAY * DAY_MS, DAY as u16);
        let mut reads = Reads::new(true);
        reads.pass(begin_ms, day_of);
        reads.count("ann", day, 40);
        // far too late for any habit
        reads.count("ann", day - WINDOW_D - 1, 40);
        reads.pass(begin_ms + 400 * DAY_MS, day_of);
        assert_eq!(told(&mut reads), [(begin_ms + HOUR_MS, "ann".to_owned(), vec![(day, 40)])]);
        assert!(reads.employees.is_empty());
    }

    #[test]
    fn employees_beyond_the_limit_are_told_together() {
        let mut reads = Reads::new(true);
        reads.pass(DAY * DAY_MS, day_of);
        for n in 0..EMPLOYEES_MAX + 5 {
            reads.count(&format!("u{n}"), DAY as u16, 1);
        }
        reads.pass((DAY + 1) * DAY_MS, day_of);
        let told = told(&mut reads);
        assert_eq!(told.len(), EMPLOYEES_MAX + 1);
        assert_eq!((told[0].1.as_str(), told[0].2.as_slice()), (OTHER, &[(DAY as u16, 5)][..]));
    }

    #[test]
    fn without_a_rule_nothing_is_counted_and_what_was_is_forgotten() {
        let mut off = Reads::new(false);
        off.count("ann", 5, 9);
        assert_eq!(off.take_changed().count(), 0);
        off.restore("ann", Some(Counted::default()));
        off.telling.restore_told(Some(5));
        off.forget();
        let gone: Vec<_> = off.take_changed().map(|(name, held)| (name, held.is_none())).collect();
        assert_eq!(gone, [(Box::default(), true), ("ann".into(), true)]);
        off.forget();
        assert_eq!(off.take_changed().count(), 0);
    }
}
