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

/// The name of a band of the risk: the default's, where there are as many, else its edges in percent.
pub(super) fn risk_band(cx: &Context, level: usize) -> String {
    let edges = &cx.plan.parameters.risk.bands;
    let (count, percent) = (edges.len() + 1, |edge: &f64| libm::round(1_000.0 * edge) / 10.0);
    match risk::LEVEL_NAMES.get(level).filter(|_| count == risk::LEVEL_NAMES.len()) {
        Some(name) => (*name).to_owned(),
        None => match (level.checked_sub(1).and_then(|below| edges.get(below)), edges.get(level)) {
            (None, Some(to)) => format!("below {} %", percent(to)),
            (Some(from), None) => format!("{} % or more", percent(from)),
            (Some(from), Some(to)) => format!("{} to {} %", percent(from), percent(to)),
            (None, None) => String::new(),
        },
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
        // of what is not known nobody can say what would have to change
        let Some(now) = told.of(lever.key) else { continue };
        let rises = lever.z_needed > lever.z;
        let z_needed = Words::whole(which, lever.key, lever.z_needed, rises);
        let (low, high) = which.range(lever.key);
        let fits = lever.possible && low <= z_needed && z_needed <= high;
        if fits && Words::can_go(which, lever.key, lever.z, z_needed) {
            changes.push(Lever {
                input: which.input(lever.key),
                needed: words.say(which, lever.key, z_needed),
                now: words.say(which, lever.key, now.z),
                z_needed,
            });
        }
    }
    let direction = if up { "up" } else { "down" };
    Crossing { direction, edge: edge * which.scale(), to, changes }
}
