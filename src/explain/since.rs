//! How a score differs from that of an earlier moment: what moved, by time alone and by which events in between.

use super::effects::Effects;
use super::happened::what;
use super::replay::Replay;
use super::report::{At, Behind, Change, Movement, Since};
use super::which::Which;
use super::words::Words;
use crate::engine::context::Context;
use crate::engine::judge::{Judgement, judge};
use crate::signal::score::{difference, points_per_log_odds};

/// Both ends of a comparison.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The earlier moment.
    pub since_ms: i64,
    /// The later moment.
    pub at_ms: i64,
}

/// Compares.
pub(super) fn since(
    cx: &Context,
    replay: &Replay,
    effects: &Effects,
    span: Span,
    after: &Judgement,
    words: &Words,
) -> Since {
    let Span { since_ms, at_ms } = span;
    let mut engine = replay.engine();
    replay.add(&mut engine, 0..replay.until(since_ms));
    let profile = replay.profile(&engine);
    let nothing = Judgement { risk: None, loyalty: None, quadrant: None };
    let at = |ms| profile.map_or_else(|| nothing.clone(), |profile| judge(cx, profile, ms));
    let (before, idle) = (at(since_ms), at(at_ms));
    let moved = |which: Which| {
        let told = (which.of(&before), which.of(&idle), which.of(after));
        let (earlier, idle, later) = told;
        let scale = which.scale();
        let mut movement = Movement {
            before: earlier.as_ref().map(|e| e.score * scale),
            after: later.as_ref().map(|e| e.score * scale),
            points: None,
            changes: Vec::new(),
        };
        let (Some(earlier), Some(later)) = (earlier, later) else {
            return movement.before.or(movement.after).map(|_| movement);
        };
        movement.points = Some(100.0 * (later.score - earlier.score));
        let each = points_per_log_odds(later.eta, earlier.eta);
        for change in difference(&earlier, &later) {
            let key = change.key;
            let phi = |told: &Option<_>| {
                told.as_ref()
                    .and_then(|e: &crate::signal::score::Explained<usize>| e.of(key))
                    .map_or(0.0, |c| c.phi)
            };
            let alone = phi(&idle) - earlier.of(key).map_or(0.0, |c| c.phi);
            let behind: Behind =
                effects.behind(replay, which.offset() + key, each, since_ms, |event| {
                    what(&cx.plan, &replay.batch, &replay.events[event])
                });
            movement.changes.push(Change {
                input: which.input(key),
                before: change.z_before.map(|z| words.say(which, key, z)),
                after: change.z_after.map(|z| words.say(which, key, z)),
                log_odds: change.phi,
                points: change.points,
                time_alone_points: alone * each,
                events: behind,
            });
        }
        Some(movement)
    };
    Since { at: At(since_ms), risk: moved(Which::Risk), loyalty: moved(Which::Loyalty) }
}
