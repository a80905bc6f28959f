//! What a debug build holds a cycle against: the checks of `invariants`, on this shard.

use super::Machine;
use crate::invariants::{
    Marks, due_lies_ahead, ids_are_sorted_above_the_floor, nothing_falls, offsets_chain,
    outcomes_add_up,
};
use crate::model::effects::Effects;

impl Machine {
    /// What never falls, as of the last ended cycle.
    pub(super) fn marks(&self) -> Marks {
        let state = &self.state;
        Marks {
            frontiers_ms: state.frontiers_ms.clone(),
            watermark_ms: state.watermark.at_ms,
            sealed_to: state.sealed_to,
            hours_sealed_to: state.hours_sealed_to,
            positions: match state.meta.cycle {
                // A new shard begins where it was told to, not where a cycle ended.
                0 => Vec::new(),
                _ => state.meta.positions.iter().map(|(_, offset)| *offset).collect(),
            },
        }
    }

    /// Checks the profiles that the open cycle has changed.
    pub(super) fn check_changed(&self) -> Result<(), String> {
        for slot in &self.engine.dirty {
            let slot = self.engine.store.get(*slot);
            due_lies_ahead(slot)?;
            let ids = &slot.profile.ids;
            for source in ids.sources() {
                ids_are_sorted_above_the_floor(ids.entries(source), ids.floor_ms(source)).map_err(
                    |why| format!("customer {}: {why}", slot.key.bytes().escape_ascii()),
                )?;
            }
        }
        Ok(())
    }

    /// Checks a cycle that has just ended against what stood before it.
    pub(super) fn check_cycle(
        &self,
        before: Option<Marks>,
        effects: &Effects,
    ) -> Result<(), String> {
        let Some(before) = before else { return Ok(()) };
        effects.sources.iter().try_for_each(outcomes_add_up)?;
        offsets_chain(&before.positions, &effects.sources)?;
        nothing_falls(&before, &self.marks())
    }
}
