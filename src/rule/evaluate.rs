//! Whether a condition holds at a moment, which of its tests decide that, and when time alone may change it.
//!
//! Two-valued: what is unknown has been answered for in the condition. The due is found from the tests that decide: of
//! an `and` that does not hold it is enough to watch one part that does not, and the one that stays so longest is taken;
//! most rules are decided by a flag or a word that no time moves, and cost nothing then.

use serde::{Deserialize, Serialize};

use super::condition::{Asks, Condition, Term, Test};
use crate::model::time::{BEFORE_ALL_MS, NEVER_MS};

/// What a term is at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A number in the signal's unit; lengths of time in milliseconds.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// The number of a word in the signal's set.
    Word(u8),
}

/// What a condition is told from, at one moment.
pub struct World<'w> {
    /// The moment.
    pub tau_ms: i64,
    /// What a term is; `None` where it is unknown.
    pub value: &'w mut dyn FnMut(&Term) -> Option<Value>,
    /// The first moment after `tau_ms` at which time alone may change the answer of a test; [`NEVER_MS`] where it never
    /// does. It may be too early, never too late. Asked only of signals that move with time (also inside an age or an `until`), of
    /// business hours, rises and falls; a test with [`Asks::IsTrue`] of anything but a flag asks when it becomes known or unknown.
    pub crossing: &'w mut dyn FnMut(&Test) -> i64,
}

/// What has been seen of a `within` or `held`: its answer when it was last looked at, and since when it is that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lasting {
    /// Whether the test held.
    pub holds: bool,
    /// Since when; [`BEFORE_ALL_MS`] where it has never held.
    pub since_ms: i64,
}

impl Default for Lasting {
    fn default() -> Self {
        NEVER_SEEN
    }
}

/// What is remembered of a test that was never looked at.
const NEVER_SEEN: Lasting = Lasting { holds: false, since_ms: BEFORE_ALL_MS };
/// The memory of conditions of which nothing is remembered yet; none needs more, as a rule.
static BLANK: [Lasting; 8] = [NEVER_SEEN; 8];

/// How a condition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Whether it holds.
    pub holds: bool,
    /// The first moment after which time alone may change that, or at which it must be looked at; later than the moment.
    pub due_ms: i64,
}

/// A part of a condition on the way to the whole.
struct Found<'c> {
    holds: bool,
    due_ms: i64,
    /// As long as none of these changes its answer, the part does not; empty where nobody asks why.
    deciding: Vec<&'c Test>,
}

/// How many [`Lasting`] a condition needs: one for each `within` and `held`, from left to right.
#[must_use]
pub fn lasting_in(condition: &Condition) -> usize {
    match condition {
        Condition::Test(_) | Condition::Known(_) => 0,
        Condition::Within(..) | Condition::Held(..) => 1,
        Condition::Not(inner) => lasting_in(inner),
        Condition::All(parts) | Condition::Any(parts) => parts.iter().map(lasting_in).sum(),
    }
}

/// Evaluates a condition. `memory` has [`lasting_in`] entries, which are brought up to the moment; the condition has to be
/// evaluated after each event of its subject, whenever the machine itself changes a signal (a tier, the lifecycle), and at
/// each due.
pub fn evaluate(
    condition: &Condition,
    memory: &mut [Lasting],
    world: &mut World<'_>,
) -> Evaluation {
    let mut watch_ms = NEVER_MS;
    remember(condition, &mut memory.iter_mut(), world, &mut watch_ms);
    level(condition, memory, world, watch_ms)
}

/// The same where the memory needs no change, as mostly; `None` where it does. One that is too short counts as blank.
pub fn evaluate_still(
    condition: &Condition,
    memory: &[Lasting],
    world: &mut World<'_>,
) -> Option<Evaluation> {
    let needs = lasting_in(condition);
    let memory = if memory.len() == needs { memory } else { BLANK.get(..needs)? };
    let mut watch_ms = NEVER_MS;
    let same = needs == 0 || is_as_remembered(condition, &mut memory.iter(), world, &mut watch_ms);
    same.then(|| level(condition, memory, world, watch_ms))
}

fn level(
    condition: &Condition,
    memory: &[Lasting],
    world: &mut World<'_>,
    watch_ms: i64,
) -> Evaluation {
    let Found { holds, due_ms, .. } = look::<false>(condition, &mut memory.iter(), world);
    Evaluation { holds, due_ms: due_ms.min(watch_ms).max(world.tau_ms.saturating_add(1)) }
}

/// The tests that hold, on every path by which the condition holds: its reasons. `memory` is as [`evaluate`] left it.
pub fn reasons<'c>(
    condition: &'c Condition,
    memory: &[Lasting],
    world: &mut World<'_>,
) -> Vec<&'c Test> {
    let mut reasons = Vec::new();
    collect_reasons(condition, &mut memory.iter(), world, &mut reasons);
    reasons
}

fn collect_reasons<'c>(
    condition: &'c Condition,
    memory: &mut std::slice::Iter<'_, Lasting>,
    world: &mut World<'_>,
    reasons: &mut Vec<&'c Test>,
) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            for part in parts {
                let own = memory.as_slice().get(..lasting_in(part)).unwrap_or_default();
                if look::<false>(part, &mut own.iter(), world).holds {
                    collect_reasons(part, &mut own.iter(), world, reasons);
                }
                *memory = memory.as_slice().get(lasting_in(part)..).unwrap_or_default().iter();
            }
        }
        other => reasons.extend(look::<true>(other, memory, world).deciding),
    }
}

/// Brings the memory of each `within` and `held` up to the moment, and finds when one of their tests may change.
fn remember(
    condition: &Condition,
    memory: &mut std::slice::IterMut<'_, Lasting>,
    world: &mut World<'_>,
    watch_ms: &mut i64,
) {
    match condition {
        Condition::Test(_) | Condition::Known(_) => {}
        Condition::Not(inner) => remember(inner, memory, world, watch_ms),
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().for_each(|part| remember(part, memory, world, watch_ms));
        }
        Condition::Within(test, _) | Condition::Held(test, _) => {
            let (holds, crossing_ms) = answer(test, world);
            *watch_ms = (*watch_ms).min(crossing_ms);
            if let Some(lasting) = memory.next()
                && lasting.holds != holds
            {
                *lasting = Lasting { holds, since_ms: world.tau_ms };
            }
        }
    }
}

/// Whether every test of a `within` or `held` answers as is remembered, and when one of them may change.
fn is_as_remembered(
    condition: &Condition,
    memory: &mut std::slice::Iter<'_, Lasting>,
    world: &mut World<'_>,
    watch_ms: &mut i64,
) -> bool {
    match condition {
        Condition::Test(_) | Condition::Known(_) => true,
        Condition::Not(inner) => is_as_remembered(inner, memory, world, watch_ms),
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().all(|part| is_as_remembered(part, memory, world, watch_ms))
        }
        Condition::Within(test, _) | Condition::Held(test, _) => {
            let (holds, crossing_ms) = answer(test, world);
            *watch_ms = (*watch_ms).min(crossing_ms);
            memory.next().is_some_and(|lasting| lasting.holds == holds)
        }
    }
}

/// How a part stands; `WHY`: and by what.
fn look<'c, const WHY: bool>(
    condition: &'c Condition,
    memory: &mut std::slice::Iter<'_, Lasting>,
    world: &mut World<'_>,
) -> Found<'c> {
    let by = |test: &'c Test| if WHY { vec![test] } else { Vec::new() };
    match condition {
        Condition::Test(test) => {
            let (holds, due_ms) = answer(test, world);
            Found { holds, due_ms, deciding: by(test) }
        }
        Condition::Known(signal) => {
            let term = Term::Signal(*signal);
            let holds = (world.value)(&term).is_some();
            let due_ms = if signal.moves_with_time() && !signal.is_always_known() {
                (world.crossing)(&Test { term, asks: Asks::IsTrue, unknown: Some(false) })
            } else {
                NEVER_MS
            };
            Found { holds, due_ms, deciding: Vec::new() }
        }
        Condition::Not(inner) => {
            let inner = look::<WHY>(inner, memory, world);
            Found { holds: !inner.holds, ..inner }
        }
        Condition::All(parts) => join::<WHY>(parts, true, memory, world),
        Condition::Any(parts) => join::<WHY>(parts, false, memory, world),
        Condition::Within(test, length_ms) | Condition::Held(test, length_ms) => {
            let lasting = memory.next().copied().unwrap_or_default();
            let end_ms = lasting.since_ms.saturating_add(*length_ms);
            let over = world.tau_ms >= end_ms;
            let within = matches!(condition, Condition::Within(..));
            let holds = if within { lasting.holds || !over } else { lasting.holds && over };
            // while the test itself holds on, a `within` has no end; a `held` counts only then
            let counts = lasting.holds != within;
            let due_ms = if counts && !over { end_ms } else { NEVER_MS };
            Found { holds, due_ms, deciding: by(test) }
        }
    }
}

/// `all` parts, or any of them. The parts that decide are those whose answer is the whole's: one suffices where the
/// answer is that of a single part (an `and` that does not hold, an `or` that does), and all are needed otherwise.
fn join<'c, const WHY: bool>(
    parts: &'c [Condition],
    all: bool,
    memory: &mut std::slice::Iter<'_, Lasting>,
    world: &mut World<'_>,
) -> Found<'c> {
    let held = memory.as_slice();
    // mostly nothing is remembered
    let needs_of = |part: &Condition| if held.is_empty() { 0 } else { lasting_in(part) };
    let needs = parts.iter().map(needs_of).sum::<usize>().min(held.len());
    *memory = held[needs..].iter();
    let (mut first_ms, mut together) = (NEVER_MS, Vec::new());
    let mut alone: Option<Found<'c>> = None;
    // what no time moves comes first: where it decides, nothing else is asked
    for still in [true, false] {
        let mut rest = held;
        for part in parts {
            let (own, behind) = rest.split_at(needs_of(part).min(rest.len()));
            rest = behind;
            if is_still(part) != still {
                continue;
            }
            let found = look::<WHY>(part, &mut own.iter(), world);
            if found.holds == all {
                first_ms = first_ms.min(found.due_ms);
                together.extend(found.deciding);
            } else if found.due_ms == NEVER_MS {
                return found;
            } else if alone.as_ref().is_none_or(|held| found.due_ms > held.due_ms) {
                alone = Some(found);
            }
        }
    }
    alone.unwrap_or(Found { holds: all, due_ms: first_ms, deciding: together })
}

fn is_still(condition: &Condition) -> bool {
    match condition {
        Condition::Test(test) => !test.term.moves_with_time(),
        Condition::Known(signal) => !signal.moves_with_time(),
        Condition::Within(..) | Condition::Held(..) => false,
        Condition::Not(inner) => is_still(inner),
        Condition::All(parts) | Condition::Any(parts) => parts.iter().all(is_still),
    }
}

/// The answer of a test, and when time alone may change it.
fn answer(test: &Test, world: &mut World<'_>) -> (bool, i64) {
    let value = (world.value)(&test.term);
    let holds = match value {
        Some(value) => holds(&test.asks, value),
        None => test.unknown.unwrap_or(false),
    };
    if !test.term.moves_with_time() {
        return (holds, NEVER_MS);
    }
    let (Term::Age(signal) | Term::Until(signal)) = &test.term else {
        return (holds, (world.crossing)(test));
    };
    // most moments stand still; one that moves by itself (the next of several) changes the answer when it does
    let moves_ms = if signal.moves_with_time() { (world.crossing)(test) } else { NEVER_MS };
    let passes_ms = match (&test.term, value, test.asks.edge()) {
        (Term::Age(_), Some(Value::Number(age_ms)), Some(edge_ms)) => {
            later(world.tau_ms, edge_ms - age_ms, age_ms < edge_ms)
        }
        // below the edge from the first whole millisecond on at which it is less
        (Term::Until(_), Some(Value::Number(left_ms)), Some(edge_ms)) => {
            later(world.tau_ms, (left_ms - edge_ms).floor() + 1.0, left_ms >= edge_ms)
        }
        _ => NEVER_MS,
    };
    (holds, passes_ms.min(moves_ms))
}

fn later(tau_ms: i64, by_ms: f64, comes: bool) -> i64 {
    if comes { tau_ms.saturating_add(by_ms.ceil() as i64) } else { NEVER_MS }
}

/// Whether a known value is what is asked.
#[must_use]
pub fn holds(asks: &Asks, value: Value) -> bool {
    match (asks, value) {
        (Asks::Compare { op, .. }, Value::Number(number)) => {
            let edge = asks.edge().unwrap_or(f64::NAN);
            if op.is_upward() { number >= edge } else { number < edge }
        }
        (Asks::IsWord(words), Value::Word(word)) => words.contains(&word),
        (Asks::IsNotWord(not), Value::Word(word)) => word != *not,
        (Asks::IsTrue, Value::Flag(flag)) => flag,
        _ => false,
    }
}
