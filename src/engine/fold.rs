//! Applying events again that were applied before, one customer at a time: what explanations are told from.
//!
//! It is the engine's own code that changes the profile. Left out is what only a stream needs: ids and sessions
//! remembered against repeats (what is kept was applied once already), rows, minutes.

use super::apply::Engine;
use super::profile::Profile;
use super::web::Visits;
use crate::model::batch::EventBatch;
use crate::model::event::Event;
use crate::model::record::Position;

/// An event that is known to have been applied.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// Its texts.
    pub batch: &'a EventBatch,
    /// The event.
    pub event: &'a Event,
    /// Where it came from.
    pub position: Position,
    /// Whether it began a visit.
    pub visit: bool,
}

impl Kept<'_> {
    fn visits(&self) -> Visits {
        Visits::Told { began: self.visit }
    }
}

impl Engine {
    /// Applies an event to the profile of `key` as in the stream: first what was due before it, then the event, then
    /// what follows from it. Events are to come in the order of their time.
    pub fn fold(&mut self, key: &[u8], kept: &Kept<'_>) {
        let event = kept.event;
        let slot = self.store.find_or_insert(key, || Profile::new(event.ts_ms));
        self.fire_slot(slot, event.ts_ms);
        self.change(slot, kept.batch, event, kept.position, kept.visits(), None);
        self.moved.clear();
    }

    /// Fires everything that was due for `key` up to `at_ms`, and returns the profile as it is then; `None` for who has
    /// no event.
    pub fn settle(&mut self, key: &[u8], at_ms: i64) -> Option<&Profile> {
        let slot = self.store.find(key)?;
        self.fire_slot(slot, at_ms);
        self.moved.clear();
        Some(&self.store.get(slot).profile)
    }

    /// The profile of `key` becomes `profile`; a profile that nothing is due of.
    pub fn put(&mut self, key: &[u8], profile: Profile) {
        self.store.put(key, profile);
    }

    /// Applies an event to the profile of `key` and nothing else: bands and dues, which are trajectories, stay as they
    /// are. Enough for everything that is a function of the set of events, as the contributions of scores are.
    pub fn fold_sums(&mut self, key: &[u8], kept: &Kept<'_>) {
        let event = kept.event;
        let slot = self.store.find_or_insert(key, || Profile::new(event.ts_ms));
        self.add(slot, kept.batch, event, kept.position, kept.visits());
        self.moved.clear();
    }

    /// The profile of `key`.
    pub fn profile(&self, key: &[u8]) -> Option<&Profile> {
        self.store.find(key).map(|slot| &*self.store.get(slot).profile)
    }
}
