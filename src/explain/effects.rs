//! What each event is worth: the contributions with it less those without it, and what it added when it came.

use super::replay::Replay;
use super::report::{At, Behind, Effect, Measure};
use super::which::{PHIS, phis};
use crate::engine::apply::Engine;
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

/// Effects of the events, in log-odds, by the event's number in the replay.
#[derive(Debug)]
pub(super) struct Effects {
    /// Of the newest events: what goes without the one.
    left_out: Vec<(usize, [f64; PHIS])>,
    /// Of all events: what each added to those before it, all seen from the moment explained.
    in_turn: Vec<(usize, [f64; PHIS])>,
    /// Whether there are events that were not left out.
    pub capped: bool,
}

impl Effects {
    /// Leaves out each of the newest events up to `at_ms`, adds all of them one after the other, and judges at `at_ms`.
    pub fn of(cx: &Context, replay: &Replay, at_ms: i64) -> Self {
        let end = replay.until(at_ms);
        let told = |engine: &Engine| match replay.profile(engine) {
            Some(profile) => phis(&judge(cx, profile, at_ms)),
            None => [0.0; PHIS],
        };
        let less = |a: [f64; PHIS], b: [f64; PHIS]| std::array::from_fn(|at| a[at] - b[at]);
        let (chosen, capped) = newest(replay, end);
        let mut chosen = chosen.into_iter().peekable();
        // all events before one
        let mut before = replay.engine();
        let (mut all_in_turn, mut so_far) = (Vec::with_capacity(end), told(&before));
        let mut rests = Vec::new();
        // one for all that are left out but the first: an engine costs more than what it does here
        let mut rest = replay.engine();
        for event in 0..end {
            if chosen.next_if_eq(&event).is_some() {
                let mut nobody = None;
                let without = match replay.profile(&before) {
                    Some(profile) => {
                        replay.put(&mut rest, profile.clone());
                        &mut rest
                    }
                    None => nobody.insert(replay.engine()),
                };
                replay.add(without, event + 1..end);
                rests.push((event, told(without)));
            }
            replay.add(&mut before, event..event + 1);
            let now = told(&before);
            all_in_turn.push((event, less(now, so_far)));
            so_far = now;
        }
        let left_out = rests.into_iter().map(|(event, rest)| (event, less(so_far, rest))).collect();
        Self { left_out, in_turn: all_in_turn, capped }
    }

    /// How many events were left out.
    pub fn len(&self) -> usize {
        self.left_out.len()
    }

    /// The events behind an input of a score of so many points for each log-odds: what goes without each; or, where
    /// nothing goes without any one, for others do as well, what each added when it came.
    pub fn behind(
        &self,
        replay: &Replay,
        input: usize,
        points_each: f64,
        what: impl Fn(usize) -> String,
    ) -> Behind {
        let of = |effects: &[(usize, [f64; PHIS])]| -> Vec<(usize, f64)> {
            effects.iter().map(|(event, effects)| (*event, effects[input])).collect()
        };
        let told = shown(replay, of(&self.left_out), Measure::LeftOut, points_each, &what);
        if !told.largest.is_empty() {
            return told;
        }
        shown(replay, of(&self.in_turn), Measure::InTurn, points_each, &what)
    }

    /// What the events after `since_ms` added to an input, one after the other. It is what time alone has not brought.
    pub fn since(
        &self,
        replay: &Replay,
        input: usize,
        points_each: f64,
        since_ms: i64,
        what: impl Fn(usize) -> String,
    ) -> Behind {
        let later = self.in_turn.iter().skip(replay.until(since_ms));
        let effects = later.map(|(event, effects)| (*event, effects[input])).collect();
        shown(replay, effects, Measure::InTurn, points_each, &what)
    }
}

fn shown(
    replay: &Replay,
    mut found: Vec<(usize, f64)>,
    measure: Measure,
    points_each: f64,
    what: &dyn Fn(usize) -> String,
) -> Behind {
    found.retain(|(_, effect)| effect.abs() > NOTHING);
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
        measure,
        largest: found.iter().map(effect).collect(),
        others: others.len(),
        others_points: others.iter().fold(0.0, |sum, (_, effect)| sum + effect * points_each),
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
