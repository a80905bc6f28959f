//! The signal catalogue recomputed from the plain list of events: every decayed sum, and the columns that are no sums.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use retain::plan::Plan;
use serde_json::Value as Json;
use xxhash_rust::xxh3::xxh3_64;

use super::{Customer, Event, Sum};
use crate::spelling::{money, time_of};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: f64 = 3_600_000.0;

/// Contributions by the name of the sum, which ends in the half-life.
#[derive(Default)]
struct Parts(BTreeMap<&'static str, Vec<(i64, f64)>>);

impl Parts {
    fn add(&mut self, name: &'static str, ts_ms: i64, y: f64) {
        self.0.entry(name).or_default().push((ts_ms, y));
    }

    fn add_to(&mut self, names: &[&'static str], ts_ms: i64, y: f64) {
        names.iter().for_each(|name| self.add(name, ts_ms, y));
    }
}

/// A date or a moment.
pub fn moment(text: &str) -> i64 {
    if text.len() == 10 { time_of(&format!("{text}T00:00:00Z")) } else { time_of(text) }
}

pub(super) fn of<'a>(events: &'a [&Event], kind: &'static str) -> impl Iterator<Item = &'a Event> {
    events.iter().copied().filter(move |e| e.kind == kind)
}

pub(super) fn groups<'a>(
    events: &'a [&Event],
    kinds: &[&str],
    id: &str,
) -> BTreeMap<&'a str, Vec<&'a Event>> {
    let mut groups: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for e in events.iter().filter(|e| kinds.contains(&e.kind.as_str())) {
        groups.entry(e.text(id)).or_default().push(e);
    }
    groups
}

fn ln_hours(from_ms: i64, to_ms: i64) -> f64 {
    ((to_ms - from_ms).max(0) as f64 / HOUR_MS).ln_1p()
}

/// Fills in all sums and the columns of the catalogue.
pub fn fill(c: &mut Customer, plan: &Plan, events: &[&Event]) {
    let mut parts = Parts::default();
    orders(&mut parts, plan, events);
    care_events(&mut parts, events);
    tickets(c, &mut parts, plan, events);
    web(c, &mut parts, events);
    people(c, &mut parts, events);
    credit(c, &mut parts, events);
    contract(c, events);
    deliveries(c, &mut parts, events);
    usage(c, &mut parts, events);
    categories(c, events);
    activated(c, plan, events);
    for (name, parts) in parts.0 {
        let half_life_d = name.rsplit('_').next().unwrap().parse().unwrap();
        c.all.insert(name, Sum { half_life_d, parts });
    }
}

fn orders(parts: &mut Parts, plan: &Plan, events: &[&Event]) {
    for e in of(events, "purchase") {
        let discount = match &e.json["discount"] {
            Json::Null => 0,
            said => money(plan, said, e.text("currency")).unwrap(),
        };
        parts.add_to(&["orders_60", "orders_90", "orders_365"], e.ts_ms, 1.0);
        parts.add("spend_365", e.ts_ms, e.minor as f64);
        parts.add_to(&["gross_60", "gross_365"], e.ts_ms, (e.minor + discount) as f64);
        parts.add("discount_365", e.ts_ms, discount as f64);
        for item in e.json["items"].as_array().into_iter().flatten() {
            let launched = item["launched"].as_str().map(moment);
            if launched.is_some_and(|at| at <= e.ts_ms && e.ts_ms <= at + 90 * DAY_MS) {
                parts.add("new_products_365", e.ts_ms, 1.0);
            }
        }
    }
    for e in of(events, "refund") {
        parts.add("spend_365", e.ts_ms, -(e.minor as f64));
        parts.add("refund_365", e.ts_ms, e.minor as f64);
        parts.add("returns_365", e.ts_ms, 1.0);
    }
}

/// What support events say one by one.
fn care_events(parts: &mut Parts, events: &[&Event]) {
    for e in of(events, "support") {
        let action = e.text("action");
        match action {
            "opened" => parts.add("tickets_90", e.ts_ms, 1.0),
            "reopened" => parts.add("reopened_180", e.ts_ms, 1.0),
            "resolved" => parts.add("solved_180", e.ts_ms, 1.0),
            _ => {}
        }
        if ["opened", "reopened", "replied"].contains(&action) && e.text("by") != "agent" {
            parts.add("turns_90", e.ts_ms, 1.0);
        }
        if let Some(wait_s) = e.json["wait_s"].as_f64() {
            parts.add("wait_ln_90", e.ts_ms, (wait_s / 3_600.0).ln_1p());
            parts.add("waits_90", e.ts_ms, 1.0);
        }
        if let Some(minutes) = e.json["handling_min"].as_f64() {
            parts.add("handling_min_180", e.ts_ms, minutes);
        }
        if let Some(csat) = e.json["csat"].as_i64() {
            let share = (csat - 1) as f64 / 4.0;
            parts.add_to(&["csat_180", "csat_30", "csat_365"], e.ts_ms, share);
            parts.add_to(&["csat_n_180", "csat_n_30", "csat_n_365"], e.ts_ms, 1.0);
        }
        if let Some(expected) = e.json["expected"].as_i64() {
            parts.add("expected_30", e.ts_ms, (expected - 1) as f64 / 4.0);
            parts.add("expected_n_30", e.ts_ms, 1.0);
        }
    }
}

/// Whether the customer is known as a key customer: by the last statement.
fn is_key(events: &[&Event]) -> bool {
    let said = of(events, "profile").filter(|e| e.json["key"].is_boolean());
    said.max_by_key(|e| e.stamp()).is_some_and(|e| e.json["key"] == true)
}

/// What tickets say as wholes.
fn tickets(c: &mut Customer, parts: &mut Parts, plan: &Plan, events: &[&Event]) {
    let service = &plan.parameters.service;
    let hours = if is_key(events) { service.response_key_h } else { service.response_h };
    for ticket in groups(events, &["support"], "ticket_id").values() {
        let times = |wanted: &dyn Fn(&Event) -> bool| {
            ticket.iter().filter(|e| wanted(e)).map(|e| e.ts_ms).collect::<Vec<i64>>()
        };
        let is = |e: &Event, action: &str| e.text("action") == action;
        let replies = times(&|e| is(e, "replied") && e.text("by") == "agent");
        let solved = times(&|e| is(e, "resolved"));
        let first = times(&|_| true).into_iter().min().unwrap();
        if ticket.iter().any(|e| e.text("kind") == "complaint") {
            parts.add("complaints_365", first, 1.0);
        }
        if ticket.iter().any(|e| e.text("kind") == "suggestion") {
            parts.add("suggestions_365", first, 1.0);
        }
        let Some(opened) = times(&|e| is(e, "opened")).into_iter().min() else { continue };
        let respond_by = opened + (hours * HOUR_MS) as i64;
        if let Some(at) = replies.iter().min() {
            parts.add("reply_ln_90", *at, ln_hours(opened, *at));
            parts.add("replies_90", *at, 1.0);
        }
        if let Some(at) = solved.iter().max() {
            parts.add("resolve_ln_90", *at, ln_hours(opened, *at));
            parts.add("resolves_90", *at, 1.0);
        }
        let answered = replies.iter().chain(&solved).min();
        if answered.is_none() {
            c.respond_by.push(respond_by.into());
        }
        if let Some(at) = answered {
            let wait = (*at - opened).max(60_000) as f64 / (respond_by - opened) as f64;
            parts.add("effort_ln_90", *at, wait.ln().clamp(-3.0, 3.0));
            parts.add_to(&["efforts_90"], *at, 1.0);
            parts.add("sla_due_180", *at, 1.0);
            if *at > respond_by {
                parts.add("sla_missed_180", *at, 1.0);
            }
        }
    }
    c.respond_by.sort_unstable();
}

fn web(c: &mut Customer, parts: &mut Parts, events: &[&Event]) {
    let mut opted_out = 0;
    for e in of(events, "web") {
        match e.text("action") {
            "search" | "compare" => parts.add("searches_90", e.ts_ms, 1.0),
            "cancel_page" => parts.add("cancels_14", e.ts_ms, 1.0),
            "opt_out" => opted_out = 1,
            _ => {}
        }
    }
    c.ints.insert("opted_out", Some(opted_out));
}

/// Contacts, who looks after the customer, recommendations, answers, master data.
fn people(c: &mut Customer, parts: &mut Parts, events: &[&Event]) {
    for e in of(events, "contact") {
        match e.text("direction") {
            "out" => parts.add_to(&["outbound_7", "outbound_90"], e.ts_ms, 1.0),
            _ => parts.add("inbound_90", e.ts_ms, 1.0),
        }
    }
    let last = |visits: bool| {
        let wanted = of(events, "contact").filter(|e| !visits || e.text("kind") == "visit");
        wanted.map(|e| i128::from(e.ts_ms)).max()
    };
    c.ints.extend([("last_contact", last(false)), ("last_visit", last(true))]);
    let owners: BTreeSet<(i64, u32, &str)> = of(events, "profile")
        .map(|e| (e.ts_ms, e.text("owner_id")))
        .filter(|(_, owner)| !owner.is_empty())
        .map(|(ts_ms, owner)| (ts_ms, xxh3_64(owner.as_bytes()) as u32, owner))
        .collect();
    let owners: Vec<_> = owners.into_iter().collect();
    for pair in owners.windows(2).filter(|pair| pair[0].2 != pair[1].2) {
        parts.add("owner_changes_90", pair[1].0, 1.0);
    }
    for e in of(events, "referral") {
        parts.add("referrals_180", e.ts_ms, 1.0);
    }
    let rated = of(events, "rating").map(|e| (e.ts_ms, e.json["nps"].as_i64().unwrap())).max();
    let profiles = || of(events, "profile");
    let origins: BTreeSet<&str> =
        profiles().map(|e| e.text("source")).filter(|s| !s.is_empty()).collect();
    c.ints.extend([
        ("nps", rated.map(|(_, nps)| nps.into())),
        ("nps_at", rated.map(|(at, _)| at.into())),
        ("profile_at", profiles().map(|e| e.ts_ms.into()).max()),
        ("profile_sources", Some(origins.len() as i128)),
    ]);
    c.known.terms = ["profile", "contract", "referral", "rating", "delivery", "usage"]
        .iter()
        .any(|kind| events.iter().any(|e| e.kind == *kind));
    c.known.contacts = !owners.is_empty() || of(events, "contact").next().is_some();
}

fn credit(c: &mut Customer, parts: &mut Parts, events: &[&Event]) {
    let kinds = ["invoice", "payment", "extension_request"];
    let bills = groups(events, &kinds, "invoice_id");
    c.owed = super::owed::recompute(events);
    c.known.credit = !bills.is_empty();
    for e in of(events, "extension_request") {
        parts.add("extensions_180", e.ts_ms, 1.0);
    }
    for bill in bills.values() {
        let said = bill.iter().filter(|e| e.kind == "invoice");
        let entity = |e: &Event| e.text("legal_entity_id").to_owned();
        let said = said.map(|e| (e.ts_ms, e.minor, moment(e.text("due")), entity(e))).max();
        let Some((_, amount, due_ms, _)) = said else { continue };
        let paid = bill.iter().filter(|e| e.kind == "payment");
        let mut paid: Vec<(i64, i128)> = paid.map(|e| (e.ts_ms, e.minor)).collect();
        paid.sort_unstable();
        let mut sum = 0;
        for (at, minor) in paid {
            sum += minor;
            parts.add("paid_180", at, minor as f64);
            let late_d = (at - due_ms).max(0) as f64 / DAY_MS as f64;
            parts.add("late_days_180", at, minor as f64 * late_d);
            if minor > 0 && sum < amount {
                parts.add("partials_180", at, 1.0);
            }
        }
        if sum < amount {
            c.invoices.push((due_ms, amount - sum));
        }
    }
    c.invoices.sort_unstable();
    c.ints.insert("open_minor", Some(c.invoices.iter().map(|(_, minor)| minor).sum()));
}

fn contract(c: &mut Customer, events: &[&Event]) {
    let last = |name: &'static str| {
        of(events, "contract").filter(|e| !e.json[name].is_null()).max_by_key(|e| e.stamp())
    };
    let start = last("start").map(|e| moment(e.text("start")));
    let renewal = last("renewal").map(|e| moment(e.text("renewal")));
    let signed = start.map(|start| {
        last("signed").is_some_and(|e| {
            let yes = e.json["signed"].as_bool().unwrap_or(true);
            match e.json["renewal"].as_str().map(moment) {
                Some(of) => yes && renewal == Some(of),
                None => yes && e.ts_ms >= start,
            }
        })
    });
    c.ints.extend([
        ("contract_start", start.map(i128::from)),
        ("contract_renewal", renewal.map(i128::from)),
        ("contract_signed", signed.map(i128::from)),
    ]);
}

fn deliveries(c: &mut Customer, parts: &mut Parts, events: &[&Event]) {
    for order in groups(events, &["delivery"], "order_id").values() {
        let promised = order.iter().map(|e| moment(e.text("promised"))).min().unwrap();
        // what is said to have come later than it is told came when it was told
        let came = |e: &&Event| e.json["delivered"].as_str().map(|at| moment(at).min(e.ts_ms));
        match order.iter().filter_map(came).max() {
            None => c.promised.push(promised.into()),
            Some(at) => {
                parts.add("delivery_late_ln_90", at, ln_hours(promised, at));
                parts.add("deliveries_90", at, 1.0);
            }
        }
    }
    c.promised.sort_unstable();
}

fn usage(c: &mut Customer, parts: &mut Parts, events: &[&Event]) {
    for e in of(events, "usage") {
        let quantity = e.json["quantity"].as_f64().unwrap();
        parts.add_to(&["usage_30", "usage_180"], e.ts_ms, quantity);
    }
    let mut high_since = None;
    for metric in groups(events, &["usage"], "metric").values() {
        let share = |e: &&Event| {
            let limit = e.json["plan_limit"].as_f64()?;
            Some((e.ts_ms, e.json["quantity"].as_f64().unwrap() / limit))
        };
        let mut shares: Vec<(i64, f64)> = metric.iter().filter_map(share).collect();
        shares.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let Some((_, last)) = shares.last().copied() else { continue };
        c.usage_share = Some(c.usage_share.map_or(last, |most: f64| most.max(last)));
        let low = shares.iter().filter(|(_, share)| *share < 0.8).map(|s| s.0).max();
        let high = shares.iter().map(|s| s.0).find(|at| low.is_none_or(|low| *at > low));
        high_since = [high_since, high].into_iter().flatten().min();
    }
    c.ints.insert("usage_high_since", high_since.map(i128::from));
}

fn categories(c: &mut Customer, events: &[&Event]) {
    let items = || of(events, "purchase").flat_map(|e| e.json["items"].as_array()).flatten();
    let bought: BTreeSet<&str> = items().filter_map(|item| item["category"].as_str()).collect();
    c.ints.insert("breadth", Some(bought.len() as i128));
    for e in of(events, "web") {
        let category = e.text("category");
        if !category.is_empty() && !bought.contains(category) {
            let sum = c.intents.entry(category.to_owned()).or_default();
            sum.half_life_d = 14.0;
            sum.parts.push((e.ts_ms, 1.0));
        }
    }
}

/// The day of a moment in the day zone.
pub fn day_of(plan: &Plan, ts_ms: i64) -> i64 {
    let at = jiff::Timestamp::from_millisecond(ts_ms).unwrap();
    let local = at.to_zoned(plan.day_zone.clone()).date();
    local.since(jiff::civil::date(1970, 1, 1)).unwrap().get_days().into()
}

/// The first purchase day of another cycle than the first, if nothing was before the stream.
fn activated(c: &mut Customer, plan: &Plan, events: &[&Event]) {
    let cycle_d = plan.parameters.regularity.new_cycle_d;
    let days: BTreeSet<i64> = of(events, "purchase").map(|e| day_of(plan, e.ts_ms)).collect();
    let first = days.first().copied();
    let again = days.iter().find(|day| (*day - first.unwrap()) as f64 >= cycle_d);
    let start = again.filter(|_| of(events, "opening").next().is_none()).map(|day| {
        let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(*day)).unwrap();
        date.to_zoned(plan.day_zone.clone()).unwrap().timestamp().as_millisecond()
    });
    c.ints.insert("activated_at", start.map(i128::from));
}
