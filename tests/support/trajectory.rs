//! Flows of segments, recomputed customer by customer from events in order of their time: after each event everything
//! about the customer is made anew from all events so far, and between them each change by time alone is searched.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use retain::plan::Plan;
use retain::signal::lifecycle::{Bands, Lifecycle, Step, next, next_edge};
use retain::signal::silence::History;

use super::catalogue::day_of;
use super::{Cell, Event, Flows, add, happened};
use crate::plans::repurchase;
use crate::spelling::time_of;

const DAY_MS: f64 = 86_400_000.0;
const NEW: usize = 7;
const ACTIVATED: usize = 8;
const LOST: usize = 9;
const WON_BACK: usize = 10;

/// How a customer is counted.
#[derive(Clone, Debug, Default, PartialEq)]
struct Stand {
    groups: Vec<(&'static str, String)>,
    state: Option<Lifecycle>,
    activated: bool,
}

/// Purchases so far.
#[derive(Default)]
struct Bought {
    first_ms: i64,
    last_ms: i64,
    x: u32,
    activated: bool,
}

/// States of a lifecycle, since when, and whether an event brought them.
pub type States = Vec<(&'static str, i64, bool)>;

/// The flows of all customers up to `end_ms`; of tiers only that nobody has one.
pub fn flows(plan: &Plan, customers: &BTreeMap<String, Vec<Event>>, end_ms: i64) -> Flows {
    let mut flows = Flows::new();
    for events in customers.values() {
        walk(plan, events, end_ms, &mut flows);
    }
    flows.retain(|_, cell| *cell != Cell::default());
    flows
}

/// The lifecycle of one customer up to `end_ms`.
pub fn states(plan: &Plan, events: &[Event], end_ms: i64) -> States {
    walk(plan, events, end_ms, &mut Flows::new())
}

fn walk(plan: &Plan, events: &[Event], end_ms: i64, flows: &mut Flows) -> States {
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by_key(|e| e.stamp());
    let events = events.as_slice();
    let mut states = States::new();
    let mut stand = Stand::default();
    let mut as_of_ms = i64::MIN;
    for (at, event) in events.iter().enumerate() {
        let known = &events[..at];
        states.extend(time_passes(plan, known, &mut stand, &mut as_of_ms, event.ts_ms, flows));
        let before = bought(plan, known);
        let after = bought(plan, &events[..=at]);
        as_of_ms = as_of_ms.max(event.ts_ms);
        if event.kind == "opening" {
            as_of_ms = as_of_ms.max(time_of(event.text("t_last")));
        }
        let mut now = stand.clone();
        now.groups = groups(&events[..=at]);
        now.activated = after.as_ref().is_some_and(|b| b.activated);
        let state = stand.state.unwrap_or(Lifecycle::Prospect);
        now.state = Some(state);
        if ["purchase", "refund", "opening"].contains(&event.kind.as_str()) {
            let later = before.is_none_or(|b| day_of(plan, b.last_ms) < day_of(plan, event.ts_ms));
            let step = match event.kind == "purchase" && later {
                true => Step::Bought,
                false => Step::Time,
            };
            now.state = Some(stepped(plan, after.as_ref(), state, as_of_ms, step));
        }
        moves(&stand, &now, event.kind == "purchase", as_of_ms, flows);
        if now.state != Some(state) {
            states.extend(now.state.map(|state| (state.name(), as_of_ms, true)));
        }
        stand = now;
        let cell = happened(event);
        let channel = match event.kind.as_str() {
            "purchase" | "support" => event.text("channel").to_owned(),
            _ => String::new(),
        };
        for (dimension, value) in stand.groups.iter().cloned().chain([("channel", channel)]) {
            add(flows, dimension, &value, event.ts_ms, &cell);
        }
    }
    states.extend(time_passes(plan, events, &mut stand, &mut as_of_ms, end_ms, flows));
    states
}

/// Changes that come by themselves up to `to_ms`, each at the first millisecond at which it is one.
fn time_passes(
    plan: &Plan,
    known: &[&Event],
    stand: &mut Stand,
    as_of_ms: &mut i64,
    to_ms: i64,
    flows: &mut Flows,
) -> States {
    let mut states = States::new();
    let Some(bought) = bought(plan, known) else { return states };
    while let Some(state) = stand.state
        && let Some(edge) = next_edge(state, &bands(plan))
        && *as_of_ms < to_ms
        && silent(plan, &bought, to_ms) >= edge
    {
        // it rises: the first moment lies after `low` and not after `high`
        let (mut low, mut high) = (*as_of_ms, to_ms);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match silent(plan, &bought, middle) >= edge {
                true => high = middle,
                false => low = middle,
            }
        }
        *as_of_ms = high;
        let mut now = stand.clone();
        let after = stepped(plan, Some(&bought), state, high, Step::Time);
        now.state = Some(after);
        moves(stand, &now, false, high, flows);
        states.push((after.name(), high, false));
        *stand = now;
    }
    states
}

fn moves(from: &Stand, to: &Stand, by_purchase: bool, at_ms: i64, flows: &mut Flows) {
    let mut named = Cell::default();
    let (was, is) = (from.state.unwrap_or(Lifecycle::Prospect), to.state.unwrap());
    if was != is {
        named[NEW] = i128::from(was == Lifecycle::Prospect && by_purchase);
        named[LOST] = i128::from(was != Lifecycle::Prospect && is == Lifecycle::Lost);
        named[WON_BACK] = i128::from(is == Lifecycle::WonBack);
    }
    named[ACTIVATED] = i128::from(to.activated && !from.activated);
    for (dimension, value) in &from.groups {
        let mut left = Cell::default();
        left[usize::from(from.state.unwrap().number())] = -1;
        add(flows, dimension, value, at_ms, &left);
    }
    for (dimension, value) in &to.groups {
        let mut came = named;
        came[usize::from(is.number())] += 1;
        add(flows, dimension, value, at_ms, &came);
    }
}

fn groups(events: &[&Event]) -> Vec<(&'static str, String)> {
    let last = |name: &str| {
        let says = |e: &&&Event| e.kind == "profile" && e.json[name].is_string();
        events.iter().rfind(says).map_or("", |e| e.text(name)).to_owned()
    };
    vec![
        ("all", String::new()),
        ("region", last("region")),
        ("industry", last("industry")),
        ("owner", last("owner_id")),
        ("tier", String::new()),
    ]
}

fn bought(plan: &Plan, events: &[&Event]) -> Option<Bought> {
    let times: Vec<i64> = events.iter().filter(|e| e.kind == "purchase").map(|e| e.ts_ms).collect();
    let opening = events.iter().rfind(|e| e.kind == "opening");
    let opened = opening.map(|o| (time_of(o.text("t_first")), time_of(o.text("t_last"))));
    let all: BTreeSet<i64> = times.iter().map(|ms| day_of(plan, *ms)).collect();
    let later = all.iter().filter(|day| opened.is_none_or(|o| **day > day_of(plan, o.1))).count();
    let days = later as i64 + opening.map_or(0, |o| o.json["n_days"].as_i64().unwrap());
    let moments = || times.iter().copied().chain(opened.into_iter().flat_map(|o| [o.0, o.1]));
    let cycle_d = plan.parameters.regularity.new_cycle_d;
    let apart_d = all.last().zip(all.first()).map_or(-1.0, |(last, first)| (last - first) as f64);
    Some(Bought {
        first_ms: moments().min()?,
        last_ms: moments().max()?,
        x: u32::try_from(days - 1).unwrap(),
        activated: opening.is_none() && apart_d >= cycle_d,
    })
}

fn silent(plan: &Plan, bought: &Bought, at_ms: i64) -> f64 {
    let since_first = |ms: i64| (ms - bought.first_ms) as f64 / DAY_MS;
    let t_x_d = if bought.x == 0 { 0.0 } else { since_first(bought.last_ms) };
    let history = History { x: bought.x, t_x_d };
    repurchase(plan).p_silent_rising(history, since_first(at_ms).max(t_x_d), 90.0)
}

fn stepped(
    plan: &Plan,
    bought: Option<&Bought>,
    before: Lifecycle,
    at_ms: i64,
    step: Step,
) -> Lifecycle {
    let p = bought.map_or(1.0, |bought| silent(plan, bought, at_ms));
    next(before, p, bought.map(|bought| bought.x), step, &bands(plan))
}

fn bands(plan: &Plan) -> Bands {
    let b = plan.bands;
    Bands { slipping: b.slipping, dormant: b.dormant, lost: b.lost, hysteresis: b.hysteresis }
}
