//! Events, revenue and tickets by source, minute, type and channel. Minutes are open until sealed; an event for a
//! sealed minute gets a row of its own, so that a sum is never written twice nor taken back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::words::Word;
use crate::model::event::{Body, EventType, TicketAction};
use crate::model::record::SourceIndex;
use crate::model::time::minute_of;

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Applied events.
    pub events: u64,
    /// Net revenue, minor units.
    pub revenue_minor: i64,
    /// Tickets opened.
    pub tickets: u64,
}

impl Tally {
    /// What an event adds.
    pub fn of(body: &Body) -> Self {
        let (revenue_minor, tickets) = match body {
            Body::Purchase { amount, .. } => (amount.minor, 0),
            Body::Refund { amount, .. } => (-amount.minor, 0),
            Body::Support { action: TicketAction::Opened, .. } => (0, 1),
            _ => (0, 0),
        };
        Self { events: 1, revenue_minor, tickets }
    }
}

/// A cell of a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Type of the events.
    pub event_type: EventType,
    /// Channel of the events.
    pub channel: Word,
    /// The counts.
    pub tally: Tally,
}

/// An open minute of one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Minute {
    /// In order of first appearance.
    pub cells: Vec<Cell>,
    #[serde(skip)]
    changed: bool,
}

/// A guess of what a cell costs in rows and state, bytes.
const CELL_BYTES: usize = 128;

/// Key of a minute: minutes since the epoch, source.
pub type MinuteKey = (i64, SourceIndex);

/// Whether an event was counted in its minute, or needs a row of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// In the open minute.
    InMinute,
    /// Its minute is sealed.
    Alone,
}

/// The open minutes.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    /// Where the open minutes stand in `minutes`.
    open: BTreeMap<MinuteKey, usize>,
    minutes: Vec<Minute>,
    /// Places in `minutes` that are free.
    free: Vec<usize>,
    /// By source: the minute counted in last, and where it stands. Events come nearly in order of time.
    latest: Vec<Option<(i64, usize)>>,
    changed: Vec<MinuteKey>,
    /// Cells of those minutes.
    changed_cells: usize,
    /// Minutes below this one are sealed.
    pub sealed_to: i64,
}

impl Activity {
    /// Nothing open, nothing sealed.
    pub fn new() -> Self {
        Self { sealed_to: i64::MIN, ..Self::default() }
    }

    /// Number of open minutes.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Counts an event.
    pub fn count(
        &mut self,
        ts_ms: i64,
        source: SourceIndex,
        event_type: EventType,
        channel: Word,
        tally: Tally,
    ) -> Counted {
        let minute_number = minute_of(ts_ms);
        if minute_number < self.sealed_to {
            return Counted::Alone;
        }
        let at = self.place((minute_number, source));
        let minute = &mut self.minutes[at];
        if !minute.changed {
            minute.changed = true;
            self.changed_cells += minute.cells.len();
            self.changed.push((minute_number, source));
        }
        let same = |c: &&mut Cell| c.event_type == event_type && c.channel == channel;
        match minute.cells.iter_mut().find(same) {
            Some(cell) => {
                cell.tally.events += tally.events;
                cell.tally.revenue_minor =
                    cell.tally.revenue_minor.saturating_add(tally.revenue_minor);
                cell.tally.tickets += tally.tickets;
            }
            None => {
                self.changed_cells += 1;
                minute.cells.push(Cell { event_type, channel, tally });
            }
        }
        Counted::InMinute
    }

    /// Where a minute stands, opened if it was not.
    fn place(&mut self, key: MinuteKey) -> usize {
        let source = usize::from(key.1);
        if let Some(Some((minute, at))) = self.latest.get(source)
            && *minute == key.0
        {
            return *at;
        }
        let Self { open, minutes, free, .. } = self;
        let at = *open.entry(key).or_insert_with(|| {
            free.pop().unwrap_or_else(|| {
                minutes.push(Minute::default());
                minutes.len() - 1
            })
        });
        if self.latest.len() <= source {
            self.latest.resize(source + 1, None);
        }
        self.latest[source] = Some((key.0, at));
        at
    }

    /// Empties the place of a minute that is open no more.
    fn vacate(&mut self, at: usize) {
        self.minutes[at] = Minute::default();
        self.free.push(at);
        self.latest.clear();
    }

    /// An open minute.
    pub fn minute(&self, key: MinuteKey) -> Option<&Minute> {
        self.open.get(&key).and_then(|at| self.minutes.get(*at))
    }

    /// About how many bytes the rows and states of the changed minutes will have.
    pub fn changed_bytes(&self) -> usize {
        self.changed_cells * CELL_BYTES
    }

    /// The minutes that changed since the last call, in order.
    pub fn take_changed(&mut self) -> Vec<(MinuteKey, &Minute)> {
        self.changed_cells = 0;
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        for key in &changed {
            if let Some(at) = self.open.get(key) {
                self.minutes[*at].changed = false;
            }
        }
        changed.into_iter().filter_map(|key| self.minute(key).map(|m| (key, m))).collect()
    }

    /// Seals every minute that ended `seal_after_ms` before the watermark, and the oldest beyond `open_max`; returns
    /// their keys. Their last rows must have been written ([`Self::take_changed`]) before.
    pub fn seal(
        &mut self,
        watermark_ms: i64,
        seal_after_ms: i64,
        open_max: usize,
    ) -> Vec<MinuteKey> {
        self.sealed_to = self.sealed_to.max(minute_of(watermark_ms.saturating_sub(seal_after_ms)));
        if let Some(beyond) = self.open.len().checked_sub(open_max + 1)
            && let Some((minute, _)) = self.open.keys().nth(beyond)
        {
            self.sealed_to = self.sealed_to.max(minute + 1);
        }
        let still_open = self.open.split_off(&(self.sealed_to, 0));
        let sealed = std::mem::replace(&mut self.open, still_open);
        sealed.values().for_each(|at| self.vacate(*at));
        sealed.into_keys().collect()
    }

    /// Removes a minute whose state record was deleted.
    pub fn forget(&mut self, key: MinuteKey) {
        if let Some(at) = self.open.remove(&key) {
            self.vacate(at);
        }
    }

    /// Puts a minute back that a state record held.
    pub fn restore(&mut self, key: MinuteKey, minute: Minute) {
        let at = self.place(key);
        self.minutes[at] = minute;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again_and_never_twice() {
        let mut activity = Activity::new();
        let count = |activity: &mut Activity, minute: i64, source| {
            let tally = Tally { events: 1, ..Tally::default() };
            activity.count(minute * 60_000, source, EventType::Web, Word::default(), tally)
        };
        for minute in [1, 2, 1, 3] {
            assert_eq!(count(&mut activity, minute, 2), Counted::InMinute);
            assert_eq!(count(&mut activity, minute, 0), Counted::InMinute);
        }
        let changed = activity.take_changed();
        let events: Vec<_> =
            changed.iter().map(|(key, m)| (*key, m.cells[0].tally.events)).collect();
        let expected =
            [((1, 0), 2), ((1, 2), 2), ((2, 0), 1), ((2, 2), 1), ((3, 0), 1), ((3, 2), 1)];
        assert_eq!(events, expected);
        assert_eq!(activity.seal(3 * 60_000, 0, 100), [(1, 0), (1, 2), (2, 0), (2, 2)]);
        assert_eq!(count(&mut activity, 2, 2), Counted::Alone);
        assert_eq!(count(&mut activity, 4, 2), Counted::InMinute);
        activity.forget((3, 2));
        assert_eq!(count(&mut activity, 3, 2), Counted::InMinute);
        assert_eq!(count(&mut activity, 5, 0), Counted::InMinute);
        let changed = activity.take_changed();
        let keys: Vec<_> = changed.iter().map(|(key, m)| (*key, m.cells.len())).collect();
        assert_eq!(keys, [((3, 2), 1), ((4, 2), 1), ((5, 0), 1)]);
        assert_eq!(activity.len(), 4);
    }
}
