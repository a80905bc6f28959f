//! What single change would take a score across the next edge of its bands.

use super::report::{Crossing, Lever};
use super::which::Which;
use super::words::Words;
use crate::engine::context::Context;
use crate::signal::levels::Levels;
use crate::signal::quadrant::LOYAL_FROM;
use crate::signal::risk;
use crate::signal::score::{Explained, levers};

/// How far below an edge counts as below it, log-odds aside: a score that is shown.
const BELOW: f64 = 1e-9;

/// The name of a band of the risk: the default's, where there are as many, else its number.
pub(super) fn risk_band(cx: &Context, level: usize) -> String {
    let count = cx.plan.parameters.risk.bands.len() + 1;
    match risk::LEVEL_NAMES.get(level).filter(|_| count == risk::LEVEL_NAMES.len()) {
        Some(name) => (*name).to_owned(),
        None => format!("band {level} of 0 to {}", count - 1),
    }
}

/// The name of a band of loyalty.
pub(super) fn loyalty_band(level: usize) -> String {
    ["not loyal", "loyal"].get(level).map_or_else(String::new, |name| (*name).to_owned())
}

/// The edges on both sides of a score in `level`, and the changes of which each alone crosses one.
pub(super) fn crossings(
    cx: &Context,
    which: Which,
    told: &Explained<usize>,
    level: usize,
    words: &Words,
) -> Vec<Crossing> {
    let (limits, name): (_, &dyn Fn(usize) -> String) = match which {
        Which::Risk => (cx.risk.bands.limits(level), &|level| risk_band(cx, level)),
        Which::Loyalty => {
            let bands = Levels { edges: [LOYAL_FROM / 100.0], hysteresis: 0.0 };
            (bands.limits(level), &loyalty_band)
        }
    };
    let mut found = Vec::new();
    if let Some(edge) = limits.leaves_below {
        let to = match which {
            Which::Risk => cx.risk.bands.next(Some(level), edge - BELOW),
            Which::Loyalty => 0,
        };
        found.push(crossing(cx, which, told, (edge, false), name(to), words));
    }
    if let Some(edge) = limits.rises_from.filter(|edge| *edge < 1.0) {
        found.push(crossing(cx, which, told, (edge, true), name(level + 1), words));
    }
    found
}

fn crossing(
    cx: &Context,
    which: Which,
    told: &Explained<usize>,
    (edge, up): (f64, bool),
    to: String,
    words: &Words,
) -> Crossing {
    let terms = which.terms(cx, |at| told.of(at).map(|c| c.z));
    let target = if up { edge } else { edge - BELOW };
    let mut changes = Vec::new();
    for lever in levers(which.b0(cx), &terms, target, |at| which.range(at)) {
        let rises = lever.z_needed > lever.z;
        let z_needed = Words::whole(which, lever.key, lever.z_needed, rises);
        let (low, high) = which.range(lever.key);
        let fits = lever.possible && low <= z_needed && z_needed <= high;
        if !fits || !Words::can_go(which, lever.key, lever.z, z_needed) {
            continue;
        }
        let now = told.of(lever.key).map(|c| words.say(which, lever.key, c.z));
        let needed = words.say(which, lever.key, z_needed);
        changes.push(Lever { input: which.input(lever.key), needed, now, z_needed });
    }
    let direction = if up { "up" } else { "down" };
    Crossing { direction, edge: edge * which.scale(), to, changes }
}
