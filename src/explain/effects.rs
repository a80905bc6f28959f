//! What each event is worth: the contributions with it, less those without it.

use super::replay::Replay;
use super::report::{At, Behind, Effect};
use super::which::{PHIS, phis};
use crate::engine::context::Context;
use crate::engine::judge::judge;

/// How many events are left out at most, visits aside: the newest.
pub(super) const EVENTS_MAX: usize = 400;
/// How many visits are left out at most: the newest.
pub(super) const VISITS_MAX: usize = 100;
/// How many events are shown behind one contribution.
const SHOWN: usize = 5;
/// Effects below this are rounding, log-odds.
const NOTHING: f64 = 1e-12;

/// Effects of the events that were left out.
#[derive(Debug)]
pub(super) struct Effects {
    /// Event (by its number in the replay), and its effects in log-odds.
    all: Vec<(usize, [f64; PHIS])>,
    /// Whether there are events that were not left out.
    pub capped: bool,
}

impl Effects {
    /// Leaves out each of the newest events up to `at_ms`, and judges at `at_ms`.
    pub fn of(cx: &Context, replay: &Replay, at_ms: i64) -> Self {
        let end = replay.until(at_ms);
        let (chosen, capped) = newest(replay, end);
        let mut engine = replay.engine();
        replay.add(&mut engine, 0..end);
        let told = replay.profile(&engine).map(|profile| phis(&judge(cx, profile, at_ms)));
        let mut all = Vec::with_capacity(chosen.len());
        // all events before the one that is left out, kept from one to the next
        let mut before = replay.engine();
        let mut done = 0;
        for left_out in chosen {
            replay.add(&mut before, done..left_out);
            done = left_out;
            let mut without = replay.engine();
            if let Some(profile) = replay.profile(&before) {
                replay.put(&mut without, profile.clone());
            }
            replay.add(&mut without, left_out + 1..end);
            let rest = replay.profile(&without).map(|profile| phis(&judge(cx, profile, at_ms)));
            let (told, rest) = (told.unwrap_or([0.0; PHIS]), rest.unwrap_or([0.0; PHIS]));
            all.push((left_out, std::array::from_fn(|at| told[at] - rest[at])));
        }
        Self { all, capped }
    }

    /// How many events were left out.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The events behind one input after `since_ms`, for a score of so many points for each log-odds.
    pub fn behind(
        &self,
        replay: &Replay,
        input: usize,
        points_each: f64,
        since_ms: i64,
        what: impl Fn(usize) -> String,
    ) -> Behind {
        let mut found: Vec<(usize, f64)> = self
            .all
            .iter()
            .map(|(event, effects)| (*event, effects[input]))
            .filter(|(event, effect)| {
                effect.abs() > NOTHING && replay.events[*event].event.ts_ms > since_ms
            })
            .collect();
        // of equal effects the newest first
        found.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(b.0.cmp(&a.0)));
        let others = found.split_off(found.len().min(SHOWN));
        let effect = |(event, log_odds): &(usize, f64)| {
            let known = &replay.events[*event];
            Effect {
                topic: known.topic.clone(),
                partition: known.partition,
                offset: known.position.offset,
                ts: At(known.event.ts_ms),
                what: what(*event),
                log_odds: *log_odds,
                points: log_odds * points_each,
            }
        };
        Behind {
            largest: found.iter().map(effect).collect(),
            others: others.len(),
            others_points: others.iter().fold(0.0, |sum, (_, effect)| sum + effect * points_each),
        }
    }
}

/// The newest events that can be worth something, in the order of time, and whether there are more.
fn newest(replay: &Replay, end: usize) -> (Vec<usize>, bool) {
    let (mut events, mut visits, mut capped) = (0, 0, false);
    let mut chosen = Vec::new();
    for (at, known) in replay.events[..end].iter().enumerate().rev() {
        let (count, max) =
            if known.session { (&mut visits, VISITS_MAX) } else { (&mut events, EVENTS_MAX) };
        if *count < max {
            *count += 1;
            chosen.push(at);
        } else {
            capped = true;
        }
    }
    chosen.reverse();
    (chosen, capped)
}
