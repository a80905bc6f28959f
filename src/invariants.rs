//! The sentences of ARCHITECTURE.md that must stay true, as checks: debug builds make them at the end of each cycle,
//! property tests on their own. Each says what is broken, or nothing.

use crate::engine::ids::Id;
use crate::engine::store::Slot;
use crate::model::effects::SourceProgress;
use crate::model::outcome::Outcome;

/// What never falls, of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Frontier of what was merged, by source.
    pub frontiers_ms: Vec<i64>,
    /// The watermark.
    pub watermark_ms: i64,
    /// Minutes of activity below this one are sealed.
    pub sealed_to: i64,
    /// Hours of segments below this one are sealed.
    pub hours_sealed_to: i64,
    /// Next offset, by source, where the last cycle ended; empty before the first cycle.
    pub positions: Vec<i64>,
}

/// Each consumed record has one outcome, each outcome a record, and what was put aside its reason. Offsets without a
/// record (control records, gaps) make the range larger than the sum.
///
/// # Errors
/// What does not add up.
pub fn outcomes_add_up(progress: &SourceProgress) -> Result<(), String> {
    let consumed = progress.counts.consumed();
    let range = progress.offset_to.saturating_sub(progress.offset_from);
    if u64::try_from(range).map_or(true, |range| consumed > range) {
        return Err(format!(
            "{consumed} outcomes for the offsets from {} to {}",
            progress.offset_from, progress.offset_to
        ));
    }
    let aside = progress.counts.of(Outcome::Late) + progress.counts.of(Outcome::Rejected);
    let reasons: u64 = progress.reasons.iter().sum();
    if aside != reasons {
        return Err(format!("{aside} records put aside for {reasons} reasons"));
    }
    Ok(())
}

/// Frontiers, watermark and sealed minutes never fall.
///
/// # Errors
/// What fell, from where to where.
pub fn nothing_falls(before: &Marks, after: &Marks) -> Result<(), String> {
    for (source, (was, is)) in before.frontiers_ms.iter().zip(&after.frontiers_ms).enumerate() {
        if is < was {
            return Err(format!("the frontier of source {source} fell from {was} to {is}"));
        }
    }
    if after.watermark_ms < before.watermark_ms {
        let (was, is) = (before.watermark_ms, after.watermark_ms);
        return Err(format!("the watermark fell from {was} to {is}"));
    }
    if after.sealed_to < before.sealed_to {
        let (was, is) = (before.sealed_to, after.sealed_to);
        return Err(format!("the sealed minutes fell from {was} to {is}"));
    }
    if after.hours_sealed_to < before.hours_sealed_to {
        let (was, is) = (before.hours_sealed_to, after.hours_sealed_to);
        return Err(format!("the sealed hours fell from {was} to {is}"));
    }
    Ok(())
}

/// A cycle begins at the offsets at which the one before ended.
///
/// # Errors
/// Where it does not.
pub fn offsets_chain(ended: &[i64], cycle: &[SourceProgress]) -> Result<(), String> {
    for (source, (ended, progress)) in ended.iter().zip(cycle).enumerate() {
        if progress.offset_from != *ended {
            return Err(format!(
                "source {source}: the cycle begins at {}, the one before ended at {ended}",
                progress.offset_from
            ));
        }
    }
    Ok(())
}

/// A profile is looked at again strictly after the moment it was last looked at: dues always get on.
///
/// # Errors
/// The customer whose due does not.
pub fn due_lies_ahead(slot: &Slot) -> Result<(), String> {
    if slot.due_ms() > slot.profile.as_of_ms {
        return Ok(());
    }
    Err(format!(
        "customer {} is due at {}, and was looked at as of {}",
        slot.key.bytes().escape_ascii(),
        slot.due_ms(),
        slot.profile.as_of_ms
    ))
}

/// Remembered ids stand in order, each once, and none is older than the floor: what was forgotten is older than what
/// was kept.
///
/// # Errors
/// The pair that stands wrong, or the id below the floor.
pub fn ids_are_sorted_above_the_floor(
    ids: impl Iterator<Item = Id>,
    floor_ms: i64,
) -> Result<(), String> {
    let mut before = None;
    for (second, hash) in ids {
        if before.is_some_and(|before| before >= (second, hash)) {
            return Err(format!("id {hash:016x} of second {second} stands out of order"));
        }
        // The floor is the end of the second of an id that was forgotten; others of that second may be kept.
        // The last second stands for all later times.
        if second != u32::MAX && i64::from(second) * 1_000 + 999 < floor_ms {
            return Err(format!(
                "id {hash:016x} of second {second} is kept below the floor {floor_ms}"
            ));
        }
        before = Some((second, hash));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::compact::Moment;
    use crate::engine::held::Held;
    use crate::engine::ids::{Ids, Memory};
    use crate::engine::profile::Profile;

    fn progress(from: i64, to: i64, outcomes: &[Outcome]) -> SourceProgress {
        let mut progress =
            SourceProgress { offset_from: from, offset_to: to, ..Default::default() };
        outcomes.iter().for_each(|o| progress.counts.count(*o));
        progress
    }

    #[test]
    fn outcomes_are_held_against_offsets_and_reasons() {
        let mut good = progress(5, 8, &[Outcome::Applied, Outcome::Rejected]);
        good.reasons[0] = 1;
        outcomes_add_up(&good).unwrap();
        assert!(outcomes_add_up(&progress(5, 6, &[Outcome::Applied; 2])).is_err());
        assert!(outcomes_add_up(&progress(6, 5, &[])).is_err());
        assert!(outcomes_add_up(&progress(5, 6, &[Outcome::Late])).is_err());
    }

    #[test]
    fn what_falls_is_found() {
        let before =
            Marks { frontiers_ms: vec![5, 6], watermark_ms: 3, sealed_to: 1, ..Marks::default() };
        nothing_falls(&before, &before).unwrap();
        let falls = [
            Marks { frontiers_ms: vec![5, 5], ..before.clone() },
            Marks { watermark_ms: 2, ..before.clone() },
            Marks { sealed_to: 0, ..before.clone() },
            Marks { hours_sealed_to: -1, ..before.clone() },
        ];
        assert!(falls.iter().all(|after| nothing_falls(&before, after).is_err()));
    }

    #[test]
    fn cycles_leave_no_hole_between_them() {
        let cycle = [progress(5, 8, &[]), progress(0, 1, &[])];
        offsets_chain(&[5, 0], &cycle).unwrap();
        assert!(offsets_chain(&[5, 1], &cycle).unwrap_err().contains("source 1"));
    }

    #[test]
    fn a_due_that_stands_still_is_found() {
        let slot = |ms| {
            let mut slot = Slot::new(b"c1", Held::new(Profile::new(7)));
            slot.due = Moment::new(ms);
            slot
        };
        due_lies_ahead(&slot(8)).unwrap();
        assert!(due_lies_ahead(&slot(7)).unwrap_err().contains("customer c1"));
    }

    proptest::proptest! {
        #[test]
        fn ids_keep_their_order_and_floor_whatever_comes(
            events in proptest::collection::vec((0_u64..40, 0_i64..200_000, 0_i64..30_000), 0..300),
            ids_max in 0_usize..20,
        ) {
            let mut ids = Ids::new();
            let mut frontier_ms = 0;
            for (hash, ts_ms, window_ms) in events {
                frontier_ms = frontier_ms.max(ts_ms);
                let memory = Memory { horizon_ms: frontier_ms - window_ms, ids_max };
                ids.admit(0, hash, ts_ms, memory);
                let sound = ids_are_sorted_above_the_floor(ids.entries(0), ids.floor_ms(0));
                proptest::prop_assert_eq!(sound, Ok(()));
            }
        }
    }

    #[test]
    fn ids_out_of_order_are_found() {
        let check =
            |ids: &[Id], floor_ms| ids_are_sorted_above_the_floor(ids.iter().copied(), floor_ms);
        check(&[(5, 1), (5, 2), (6, 1)], 5_999).unwrap();
        check(&[(u32::MAX, 1)], i64::MAX).unwrap();
        assert!(check(&[(5, 1), (5, 1)], 0).is_err());
        assert!(check(&[(6, 1), (5, 2)], 0).is_err());
        assert!(check(&[(5, 1)], 7_000).unwrap_err().contains("below the floor"));
    }
}
