//! The days on which a customer's events count, and what is known at the end of each: own running maximum over the events
//! in the order of the merge, then a recomputation of everything from those that came by then.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use retain::plan::Plan;

use super::catalogue::day_of;
use super::{Customer, Event, customer};

/// Days on which something changed, by the events alone, and up to which event each goes.
pub fn days(plan: &Plan, events: &[Event]) -> Vec<(i64, usize)> {
    let mut latest_ms = i64::MIN;
    let mut days: Vec<(i64, usize)> = Vec::new();
    for (at, event) in events.iter().enumerate() {
        latest_ms = latest_ms.max(event.ts_ms);
        let day = day_of(plan, latest_ms);
        match days.last_mut() {
            Some(last) if last.0 == day => last.1 = at + 1,
            _ => days.push((day, at + 1)),
        }
    }
    days
}

/// What is known after so many events, and what an opening among them told of revenue.
pub fn known(plan: &Plan, events: &[Event]) -> (Customer, i128) {
    let refs: Vec<&Event> = events.iter().collect();
    let opening = events.iter().filter(|e| e.kind == "opening").max_by_key(|e| e.stamp());
    (customer(plan, &refs), opening.map_or(0, |e| e.minor))
}
