//! The bands of the risk by dense scanning: every hour between events, each change narrowed down to the millisecond.

use std::collections::{BTreeMap, BTreeSet};

use retain::plan::Plan;

use crate::oracle::{Customer, Event, Expected, applied, customer};
use crate::sim::Log;

const STEP_MS: i64 = 3_600_000;
/// How far apart the moment found and the moment recomputed may lie.
const NEAR_MS: i64 = 1_000;

/// The band after `before` at a risk: up at an edge, down below an edge less the hysteresis.
fn next(plan: &Plan, before: Option<usize>, risk: f64) -> usize {
    let rule = &plan.parameters.risk;
    let plain = rule.bands.iter().filter(|edge| risk >= **edge).count();
    let mut band = before.map_or(plain, |before| before.max(plain));
    while band > plain && risk < rule.bands[band - 1] - rule.hysteresis {
        band -= 1;
    }
    band
}

/// Bands and since when, and whether an event brought them.
struct Path<'a> {
    plan: &'a Plan,
    band: Option<usize>,
    moves: Vec<(usize, i64, bool)>,
}

impl Path<'_> {
    fn next(&self, state: &Customer, tau_ms: i64) -> Option<usize> {
        let risk = state.risk(self.plan, tau_ms)?.score;
        Some(next(self.plan, self.band, risk))
    }

    fn step(&mut self, state: &Customer, tau_ms: i64, by_event: bool) {
        let after = self.next(state, tau_ms);
        if let Some(band) = after.filter(|_| after != self.band) {
            self.moves.push((band, tau_ms, by_event));
            self.band = after;
        }
    }

    /// From an event, which happened, to the next one.
    fn walk(&mut self, state: &Customer, from_ms: i64, to_ms: i64) {
        let mut at_ms = from_ms;
        while at_ms < to_ms {
            let later_ms = (at_ms + STEP_MS).min(to_ms);
            if self.next(state, later_ms) == self.band {
                at_ms = later_ms;
                continue;
            }
            let (mut low, mut high) = (at_ms, later_ms);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                match self.next(state, middle) == self.band {
                    true => low = middle,
                    false => high = middle,
                }
            }
            if high == to_ms {
                return; // the event at that moment steps it
            }
            self.step(state, high, false);
            at_ms = high;
        }
    }
}

fn path(plan: &Plan, events: &[Event], until_ms: i64) -> Vec<(usize, i64, bool)> {
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by_key(|e| e.stamp());
    let mut path = Path { plan, band: None, moves: Vec::new() };
    for n in 1..=events.len() {
        let state = customer(plan, &events[..n]);
        let to_ms = events.get(n).map_or(until_ms, |e| e.stamp().0);
        path.step(&state, state.last_ms, true);
        path.walk(&state, state.last_ms, to_ms);
    }
    path.moves
}

/// Each move that rows showed is one of the path, at its second; of the path only such moves may be unseen that another one
/// followed before the cycle's end. Returns how many moves that no event brought were seen.
pub fn check(
    plan: &Plan,
    logs: &[Log],
    seen: &BTreeMap<String, Vec<(usize, i64)>>,
    until_ms: i64,
    seed: &str,
) -> usize {
    let mut expected = Expected {
        counts: vec![[0; 5]; logs.len()],
        id_hashes: vec![0; logs.len()],
        ..Expected::default()
    };
    let mut by_time = 0;
    let customers = applied(plan, (0, 1), logs, &mut expected);
    let moments: BTreeSet<i64> = customers.values().flatten().map(|e| e.stamp().0).collect();
    for (id, events) in &customers {
        let path = path(plan, events, until_ms);
        let nothing = Vec::new();
        let seen = seen.get(id).unwrap_or(&nothing);
        let place = format!("customer {id}, {seed}\nseen {seen:?}\npath {path:?}");
        let mut left = path.iter().peekable();
        for (band, since) in seen {
            let matches = |m: &&(usize, i64, bool)| {
                m.0 == *band && (m.1 - since).abs() <= if m.2 { 0 } else { NEAR_MS }
            };
            // in the same cycle as the one that rows show: time first, then the event
            let mut unseen = Vec::new();
            while let Some(skipped) = left.next_if(|m| !matches(m)) {
                assert!(skipped.1 <= *since, "{band} since {since} is not on the path of {place}");
                unseen.push(skipped.1);
            }
            // of more than one, all after the last record of anybody: no cycle has ended in between
            let record_ms = moments.range(..*since).next_back().map_or(i64::MIN, |ms| *ms);
            let hidden = unseen.iter().all(|at_ms| *at_ms >= record_ms - plan.disorder_ms);
            assert!(unseen.len() <= 1 || hidden, "{unseen:?} unseen before {since} of {place}");
            let found = left.next();
            assert!(found.is_some(), "{band} since {since} is not on the path of {place}");
            by_time += usize::from(!found.unwrap().2);
        }
        assert!(left.next().is_none(), "the end of the path is unseen: {place}");
    }
    by_time
}
