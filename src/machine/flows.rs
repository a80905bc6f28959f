//! The end of a cycle for the table of segments: rows and state records of the hours that changed.

use super::Machine;
use crate::engine::apply::Engine;
use crate::engine::rows::SegmentRow;
use crate::engine::shard::segments::{CellKey, Segments};
use crate::model::effects::Effects;
use crate::model::time::BEFORE_ALL_MS;
use crate::snapshot::{StateKey, write};

impl Machine {
    /// Writes what changed whole, what came for sealed hours by itself, and seals what is complete.
    pub(super) fn collect_segments(&mut self, effects: &mut Effects, version: u64) {
        // what dues are left for must not come late
        let complete_to_ms = self.complete_to_ms().unwrap_or(BEFORE_ALL_MS);
        let Self { engine, plan, state, .. } = self;
        let Engine { segments, rows, .. } = engine;
        let changed = segments.take_changed();
        let late = segments.take_late();
        let whole = changed.iter().map(|(key, flow)| (*key, 0, *flow));
        let alone = late.into_iter().map(|(key, flow)| (key, version, flow));
        for ((hour, group), late_version, flow) in whole.chain(alone) {
            let (grouping, value) = segments.named(group);
            rows.segment(&SegmentRow { grouping, value, hour, late_version, version, flow });
        }
        let sealed = segments.seal(complete_to_ms, plan.seal_after_ms);
        state.hours_sealed_to = segments.sealed_to;
        for (cell, flow) in changed {
            if segments.store(cell) {
                effects.state.put(|out| key_of(segments, cell).write(out), |out| write(&flow, out));
            }
        }
        for cell in sealed {
            effects.state.delete(|out| key_of(segments, cell).write(out));
        }
    }
}

fn key_of(segments: &Segments, (hour, group): CellKey) -> StateKey<'_> {
    let (grouping, value) = segments.named(group);
    StateKey::Flow(hour, grouping, value)
}
