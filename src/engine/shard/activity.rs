//! Events, revenue and tickets by source, minute, type and channel. Minutes are open until sealed; an event for a
//! sealed minute gets a row of its own, so that a sum is never written twice nor taken back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::words::Word;
use crate::model::event::EventType;
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
    open: BTreeMap<MinuteKey, Minute>,
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
        let key = (minute_number, source);
        let minute = self.open.entry(key).or_default();
        if !minute.changed {
            minute.changed = true;
            self.changed_cells += minute.cells.len();
            self.changed.push(key);
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
            if let Some(minute) = self.open.get_mut(key) {
                minute.changed = false;
            }
        }
        changed.into_iter().filter_map(|key| self.open.get(&key).map(|m| (key, m))).collect()
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
        std::mem::replace(&mut self.open, still_open).into_keys().collect()
    }

    /// Removes a minute whose state record was deleted.
    pub fn forget(&mut self, key: MinuteKey) {
        self.open.remove(&key);
    }

    /// Puts a minute back that a state record held.
    pub fn restore(&mut self, key: MinuteKey, minute: Minute) {
        self.open.insert(key, minute);
    }
}
