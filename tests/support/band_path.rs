//! The bands of the risk by dense scanning: every hour between events, each change narrowed down to the millisecond; and the
//! lifecycle beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use retain::plan::Plan;

use crate::oracle::trajectory::states;
use crate::oracle::{Customer, Event, Expected, applied, customer};
use crate::sim::{Log, Runner};

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

/// Each move that rows showed, of the risk's band and of the lifecycle, is one of the path, at its second; of the path only such
/// moves may be unseen that another one followed before the cycle's end. Returns how many moves that no event brought were
/// seen, of each.
pub fn check(plan: &Plan, runner: &Runner, logs: &[Log], until_ms: i64) -> [usize; 2] {
    let mut expected = Expected {
        counts: vec![[0; 5]; logs.len()],
        id_hashes: vec![0; logs.len()],
        ..Expected::default()
    };
    let mut by_time = [0; 2];
    let customers = applied(plan, (0, 1), logs, &mut expected);
    let moments: BTreeSet<i64> = customers.values().flatten().map(|e| e.stamp().0).collect();
    let mut lifecycles: BTreeMap<&str, Vec<(&str, i64)>> = BTreeMap::new();
    for (id, state, since) in runner.transitions.iter().filter(|t| t.1 != "prospect") {
        lifecycles.entry(id).or_default().push((state, *since as i64));
    }
    for (id, events) in &customers {
        let risk = runner.risk_moves.get(id).map_or(&[][..], Vec::as_slice);
        let lifecycle = lifecycles.get(id.as_str()).map_or(&[][..], Vec::as_slice);
        let place = |of| format!("{of} of {id}, {}", runner.seed());
        let risk_path = path(plan, events, until_ms);
        by_time[0] += follow(plan, &moments, risk, &risk_path, &place("risk"));
        let states = states(plan, events, until_ms);
        by_time[1] += follow(plan, &moments, lifecycle, &states, &place("lifecycle"));
    }
    by_time
}

fn follow<L: Copy + Debug + PartialEq>(
    plan: &Plan,
    moments: &BTreeSet<i64>,
    seen: &[(L, i64)],
    path: &[(L, i64, bool)],
    place: &str,
) -> usize {
    let place = format!("{place}\nseen {seen:?}\npath {path:?}");
    let mut by_time = 0;
    let mut left = path.iter().peekable();
    for (level, since) in seen {
        let matches = |m: &&(L, i64, bool)| {
            m.0 == *level && (m.1 - since).abs() <= if m.2 { 0 } else { NEAR_MS }
        };
        // in the same cycle as the one that rows show: time first, then the event
        let mut unseen = Vec::new();
        while let Some(skipped) = left.next_if(|m| !matches(m)) {
            assert!(skipped.1 <= *since, "{level:?} since {since} is not on the path: {place}");
            unseen.push(skipped.1);
        }
        // of more than one, all after the last record of anybody: no cycle has ended in between
        let record_ms = moments.range(..*since).next_back().map_or(i64::MIN, |ms| *ms);
        let hidden = unseen.iter().all(|at_ms| *at_ms >= record_ms - plan.disorder_ms);
        assert!(unseen.len() <= 1 || hidden, "{unseen:?} unseen before {since}: {place}");
        let found = left.next();
        assert!(found.is_some(), "{level:?} since {since} is not on the path: {place}");
        by_time += usize::from(!found.unwrap().2);
    }
    assert!(left.next().is_none(), "the end of the path is unseen: {place}");
    by_time
}
