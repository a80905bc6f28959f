//! A slow and plain recomputation of everything from the raw records: own parsing of time and money, sums over all events.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

#[path = "catalogue.rs"]
pub mod catalogue;
#[path = "oracle_days.rs"]
pub mod days;
#[path = "judged.rs"]
pub mod judged;
#[path = "offered.rs"]
pub mod offered;
#[path = "owed.rs"]
pub mod owed;
#[path = "trajectory.rs"]
pub mod trajectory;

use std::collections::{BTreeMap, BTreeSet};

use retain::model::partition::murmur2;
use retain::plan::Plan;
use serde_json::Value as Json;
use xxhash_rust::xxh3::xxh3_64;

use crate::sim::{Entry, Log};
use crate::spelling::{money, time_of};

const DAY_MS: i64 = 86_400_000;
const HALF_HOUR_MS: i64 = 1_800_000;
const BUCKET_MS: i64 = 3 * DAY_MS;

/// A decayed sum: its contributions and its half-life.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Half-life, days.
    pub half_life_d: f64,
    /// When and how much.
    pub parts: Vec<(i64, f64)>,
}

impl Sum {
    /// The sum at `tau_ms`, and that of the absolute values.
    pub fn at(&self, tau_ms: i64) -> (f64, f64) {
        let weight = |t: i64| {
            (-std::f64::consts::LN_2 / self.half_life_d * (tau_ms - t) as f64 / DAY_MS as f64).exp()
        };
        let values = self.parts.iter().map(|(t, y)| weight(*t) * y);
        values.fold((0.0, 0.0), |(sum, abs), v| (sum + v, abs + v.abs()))
    }
}

/// What is known of a customer.
#[derive(Clone, Debug, Default)]
pub struct Customer {
    /// Columns that hold whole numbers or nothing.
    pub ints: BTreeMap<&'static str, Option<i128>>,
    /// Columns that hold texts.
    pub texts: BTreeMap<&'static str, String>,
    /// Bucket numbers and their money.
    pub buckets: BTreeMap<i128, i128>,
    /// Column of the sum, column of its time, the sum.
    pub sums: Vec<(&'static str, &'static str, Sum)>,
    /// Sums of the column `sums`, by name.
    pub all: BTreeMap<&'static str, Sum>,
    /// Views of categories never bought.
    pub intents: BTreeMap<String, Sum>,
    /// Due and open part of bills not paid, sorted.
    pub invoices: Vec<(i64, i128)>,
    /// What is owed by legal entity.
    pub owed: BTreeMap<String, owed::Owed>,
    /// Until when first answers are promised that have not come, sorted.
    pub respond_by: Vec<i128>,
    /// When orders on their way are promised for, sorted.
    pub promised: Vec<i128>,
    /// The largest used part of a plan.
    pub usage_share: Option<f64>,
    /// What the judgements need besides.
    pub known: judged::Known,
    /// The last event.
    pub last_ms: i64,
}

/// Events, revenue, tickets.
pub type Tally = (i128, i128, i128);
/// Source, minute, type, channel.
pub type Minute = (String, i64, String, String);

/// What is counted of a group in an hour, in the order of the table's columns.
pub type Cell = [i128; 19];
/// By dimension, value, and when the hour begins.
pub type Flows = BTreeMap<(String, String, i64), Cell>;

/// Everything a shard must come to.
#[derive(Debug, Default)]
pub struct Expected {
    /// By id.
    pub customers: BTreeMap<String, Customer>,
    /// Sums of the activity table.
    pub activity: BTreeMap<Minute, Tally>,
    /// What happened by hour, of all and by channel.
    pub flows: Flows,
    /// Applied, duplicate, late, filtered, rejected, by source.
    pub counts: Vec<[u64; 5]>,
    /// Sum of the hashes of applied ids, by source.
    pub id_hashes: Vec<u64>,
    /// Outcome by (source, offset), as an index of `counts`.
    pub outcomes: BTreeMap<(usize, i64), usize>,
    /// Records that the events table keeps whole: source and offset.
    pub kept: BTreeSet<(usize, i64)>,
    /// What was applied, by customer, in the order of the merge.
    pub events: BTreeMap<String, Vec<Event>>,
}

/// An accepted event.
#[derive(Debug)]
pub struct Event {
    /// How far its partition had come with it.
    frontier_ms: i64,
    source: usize,
    offset: i64,
    ts_ms: i64,
    kind: String,
    json: Json,
    minor: i128,
}

impl Event {
    fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or("")
    }

    /// What orders events.
    pub fn stamp(&self) -> (i64, usize, i64) {
        (self.ts_ms, self.source, self.offset)
    }
}

/// The event of a record, if the invented faults spared it.
fn accept(plan: &Plan, shard: (u16, u16), source: usize, entry: &Entry) -> Option<Event> {
    let json: Json = serde_json::from_slice(entry.payload.as_ref()?).ok()?;
    let customer = json.get("customer_id")?.as_str()?;
    let key = entry.key.as_ref()?;
    let partition = (murmur2(key) & 0x7fff_ffff) % u32::from(shard.1);
    if key != customer.as_bytes() || partition != u32::from(shard.0) {
        return None;
    }
    let ts_ms = time_of(json["ts"].as_str()?);
    if !(0..i64::from(u16::MAX) * DAY_MS).contains(&ts_ms)
        || ts_ms > entry.kafka_ms + plan.skew_max_ms
    {
        return None;
    }
    let default = plan.sources[source].default_type.unwrap().name();
    let kind = json.get("type").map_or(default, |t| t.as_str().unwrap()).to_owned();
    let amount = json.get("amount").or(json.get("revenue"));
    let minor = match amount {
        Some(amount) => money(plan, amount, json["currency"].as_str()?)?,
        None => 0,
    };
    Some(Event { frontier_ms: i64::MIN, source, offset: entry.offset, ts_ms, kind, json, minor })
}

/// The ids remembered of one customer in one source: (second, hash).
#[derive(Default)]
struct Memory {
    held: BTreeSet<(i64, u64)>,
    floor_ms: Option<i64>,
}

impl Memory {
    fn forget_first(&mut self) {
        let (second, _) = self.held.pop_first().unwrap();
        let floor = second * 1_000 + 999;
        self.floor_ms = Some(self.floor_ms.map_or(floor, |f| f.max(floor)));
    }

    /// 0 applied, 1 duplicate, 2 late.
    fn judge(&mut self, hash: u64, ts_ms: i64, horizon_ms: i64, ids_max: usize) -> usize {
        let horizon = horizon_ms.div_euclid(1_000);
        while self.held.len() > 8 && self.held.first().unwrap().0 < horizon {
            self.forget_first();
        }
        if self.held.iter().any(|(_, h)| *h == hash) {
            return 1;
        }
        if self.floor_ms.is_some_and(|floor| ts_ms <= floor) {
            return 2;
        }
        self.held.insert((ts_ms.div_euclid(1_000), hash));
        while self.held.len() > ids_max.max(8) {
            self.forget_first();
        }
        0
    }
}

/// Recomputes a shard from its logs.
pub fn recompute(plan: &Plan, shard: (u16, u16), logs: &[Log]) -> Expected {
    let mut expected = Expected {
        counts: vec![[0; 5]; logs.len()],
        id_hashes: vec![0; logs.len()],
        ..Expected::default()
    };
    let mut applied = applied(plan, shard, logs, &mut expected);
    for (id, events) in &mut applied {
        events.sort_by_key(|e| (e.frontier_ms, e.source, e.offset));
        let events: Vec<&Event> = events.iter().collect();
        expected.customers.insert(id.clone(), customer(plan, &events));
        events.iter().for_each(|event| expected.count(plan, event));
    }
    expected.events = applied;
    expected.flows.retain(|_, cell| *cell != Cell::default());
    expected
}

/// The events that count, by customer.
pub fn applied(
    plan: &Plan,
    shard: (u16, u16),
    logs: &[Log],
    expected: &mut Expected,
) -> BTreeMap<String, Vec<Event>> {
    let mut applied: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for (source, log) in logs.iter().enumerate() {
        let mut memories: BTreeMap<String, Memory> = BTreeMap::new();
        let mut frontier_ms = i64::MIN;
        let limits = (plan.sources[source].dedup_window_ms, plan.sources[source].dedup_ids_max);
        for entry in &log.entries {
            let Some(mut event) = accept(plan, shard, source, entry) else {
                expected.decide(source, entry.offset, 4);
                continue;
            };
            frontier_ms = frontier_ms.max(event.ts_ms.min(entry.kafka_ms));
            event.frontier_ms = frontier_ms;
            let customer = event.text("customer_id").to_owned();
            if customer.starts_with("test-") {
                expected.decide(source, entry.offset, 3);
                continue;
            }
            let hash = xxh3_64(event.text("event_id").as_bytes());
            let memory = memories.entry(customer.clone()).or_default();
            let outcome =
                memory.judge(hash, event.ts_ms, frontier_ms.saturating_sub(limits.0), limits.1);
            expected.decide(source, entry.offset, outcome);
            if outcome == 0 {
                expected.id_hashes[source] = expected.id_hashes[source].wrapping_add(hash);
                applied.entry(customer).or_default().push(event);
            }
        }
    }
    applied
}

impl Expected {
    fn decide(&mut self, source: usize, offset: i64, outcome: usize) {
        self.counts[source][outcome] += 1;
        self.outcomes.insert((source, offset), outcome);
    }

    fn count(&mut self, plan: &Plan, event: &Event) {
        let channel = match event.kind.as_str() {
            "purchase" | "support" => event.text("channel"),
            _ => "",
        };
        let cell = happened(event);
        if cell != Cell::default() {
            add(&mut self.flows, "all", "", event.ts_ms, &cell);
            add(&mut self.flows, "channel", channel, event.ts_ms, &cell);
        }
        let name = plan.sources[event.source].name.clone();
        let minute = event.ts_ms.div_euclid(60_000) * 60_000;
        let key = (name, minute, event.kind.clone(), channel.to_owned());
        let tally = self.activity.entry(key).or_default();
        tally.0 += 1;
        match event.kind.as_str() {
            "purchase" => tally.1 += event.minor,
            "refund" => tally.1 -= event.minor,
            "support" => tally.2 += i128::from(event.text("action") == "opened"),
            _ => {}
        }
        let intents = ["cart_add", "cancel_page", "opt_out", "export_data"];
        if event.kind != "web" || intents.contains(&event.text("action")) {
            self.kept.insert((event.source, event.offset));
        }
    }
}

/// What an event is worth in the table of segments; customers aside.
fn happened(event: &Event) -> Cell {
    let mut cell = Cell::default();
    match event.kind.as_str() {
        "purchase" => (cell[11], cell[12]) = (1, event.minor),
        "refund" => cell[12] = -event.minor,
        "support" => {
            let csat = event.json["csat"].as_i64();
            cell[13] = i128::from(event.text("action") == "opened");
            cell[14] = i128::from(csat.is_some());
            cell[15] = i128::from(csat.unwrap_or(0));
        }
        "rating" => {
            let nps = event.json["nps"].as_i64().unwrap();
            (cell[16], cell[17], cell[18]) = (1, i128::from(nps > 8), i128::from(nps < 7));
        }
        _ => {}
    }
    cell
}

fn add(flows: &mut Flows, dimension: &str, value: &str, ts_ms: i64, cell: &Cell) {
    let hour_ms = ts_ms.div_euclid(3_600_000) * 3_600_000;
    let sum = flows.entry((dimension.to_owned(), value.to_owned(), hour_ms)).or_default();
    sum.iter_mut().zip(cell).for_each(|(sum, n)| *sum += n);
}

/// What is to be known of a customer from these events.
pub fn customer(plan: &Plan, events: &[&Event]) -> Customer {
    let last_ms = events.iter().map(|e| e.ts_ms).max().unwrap_or(0);
    let mut c = Customer { last_ms, ..Customer::default() };
    master_data(&mut c, events);
    purchases(&mut c, plan, events);
    support(&mut c, events);
    web(&mut c, events);
    catalogue::fill(&mut c, plan, events);
    judged::fill(&mut c, plan, events);
    let acts = |e: &&&Event| match e.kind.as_str() {
        "purchase" | "web" => true,
        "support" => e.text("by") != "agent" && e.text("action") != "resolved",
        _ => false,
    };
    c.ints.insert("last_seen", events.iter().filter(acts).map(|e| i128::from(e.ts_ms)).max());
    c
}

fn master_data(c: &mut Customer, events: &[&Event]) {
    let last = |name: &str, profile_only: bool| {
        let says = |e: &&&Event| !e.json[name].is_null() && (!profile_only || e.kind == "profile");
        events.iter().filter(says).max_by_key(|e| e.stamp()).map(|e| e.json[name].clone())
    };
    let columns = [
        ("account_id", false),
        ("legal_entity_id", false),
        ("region", true),
        ("industry", true),
        ("segment", true),
        ("owner_id", true),
        ("name", true),
    ];
    for (name, profile_only) in columns {
        let value =
            last(name, profile_only).map_or(String::new(), |v| v.as_str().unwrap().to_owned());
        c.texts.insert(name, value);
    }
    c.ints.insert("key", last("key", true).map(|v| i128::from(v.as_bool().unwrap())));
}

fn purchases(c: &mut Customer, plan: &Plan, events: &[&Event]) {
    let of = |kind: &'static str| events.iter().filter(move |e| e.kind == kind);
    let day = |ts_ms: i64| {
        let at = jiff::Timestamp::from_millisecond(ts_ms).unwrap();
        let local = at.to_zoned(plan.day_zone.clone()).date();
        local.since(jiff::civil::date(1970, 1, 1)).unwrap().get_days()
    };
    let time = |e: &Event, name: &str| time_of(e.text(name));
    let opening = of("opening").max_by_key(|e| e.stamp());
    let opened = |name: &str| opening.map(|o| time(o, name));
    let number = |name: &str| opening.map_or(0, |o| i128::from(o.json[name].as_i64().unwrap()));
    let times = || of("purchase").map(|e| e.ts_ms);
    let first = times().chain(opened("t_first")).min();
    let last = times().chain(opened("t_last")).max();
    let after = opened("t_last").map(day);
    let days: BTreeSet<i32> = times().map(day).filter(|d| after.is_none_or(|o| *d > o)).collect();
    let n_days = number("n_days") + days.len() as i128;
    let streamed = events.iter().map(|e| e.ts_ms).min();
    let born = streamed.into_iter().chain(opened("t_first")).min();
    let spent: Vec<(i64, i128)> = events
        .iter()
        .filter_map(|e| match e.kind.as_str() {
            "purchase" => Some((e.ts_ms, e.minor)),
            "refund" => Some((e.ts_ms, -e.minor)),
            _ => None,
        })
        .collect();
    let revenue = spent.iter().map(|s| s.1).sum::<i128>() + opening.map_or(0, |o| o.minor);
    c.ints.extend([
        ("t_first", first.map(i128::from)),
        ("t_last", last.map(i128::from)),
        ("t_born", born.map(i128::from)),
        ("streamed_from", streamed.map(i128::from)),
        ("n_days", Some(n_days)),
        ("x", Some((n_days - 1).max(0))),
        ("orders", Some(of("purchase").count() as i128 + number("orders"))),
        ("refunds", Some(of("refund").count() as i128)),
        ("revenue_minor", Some(revenue)),
    ]);
    for (ts_ms, minor) in &spent {
        *c.buckets.entry(i128::from(ts_ms.div_euclid(BUCKET_MS))).or_default() += minor;
    }
    let newest = c.buckets.keys().max().copied().unwrap_or(0);
    c.buckets.retain(|bucket, _| *bucket >= newest - 30);
    let parts: Vec<(i64, f64)> = spent.iter().map(|(t, y)| (*t, *y as f64)).collect();
    for (name, half_life_d) in [("spend_sum_30", 30.0), ("spend_sum_180", 180.0)] {
        let parts = parts.clone();
        c.sums.push((name, "spend_sums_at", Sum { half_life_d, parts }));
    }
}

fn support(c: &mut Customer, events: &[&Event]) {
    let mut tickets: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for e in events.iter().filter(|e| e.kind == "support") {
        tickets.entry(e.text("ticket_id")).or_default().push(e);
    }
    let last = |t: &[&Event], actions: &[&str]| {
        t.iter().filter(|e| actions.contains(&e.text("action"))).map(|e| e.ts_ms).max()
    };
    // opened and solved in the same millisecond is solved
    let open: Vec<&Vec<&Event>> = tickets
        .values()
        .filter(|t| last(t, &["opened", "reopened"]) > last(t, &["resolved"]))
        .collect();
    let complaints =
        open.iter().filter(|t| t.iter().any(|e| e.text("kind") == "complaint")).count();
    let first = |t: &[&Event], action: &str| {
        t.iter().filter(|e| e.text("action") == action).map(|e| e.ts_ms).min()
    };
    // a ticket waits since its first opening, or since the last reopening if nothing else is known
    let since = |t: &&Vec<&Event>| first(t, "opened").or(last(t, &["reopened"]));
    let oldest = open.iter().filter_map(since).min();
    c.ints.extend([
        ("open_tickets", Some(open.len() as i128)),
        ("open_complaints", Some(complaints as i128)),
        ("oldest_open_at", oldest.map(i128::from)),
        ("tickets", Some(tickets.len() as i128)),
    ]);
}

fn web(c: &mut Customer, events: &[&Event]) {
    let mut visits: BTreeMap<(usize, String), i64> = BTreeMap::new();
    for e in events.iter().filter(|e| e.kind == "web") {
        let id = match e.text("session_id") {
            "" => format!("half hour {}", e.ts_ms.div_euclid(HALF_HOUR_MS)),
            id => format!("session {id}"),
        };
        let first = visits.entry((e.source, id)).or_insert(e.ts_ms);
        *first = (*first).min(e.ts_ms);
    }
    c.ints.insert("visits", Some(visits.len() as i128));
    let parts: Vec<(i64, f64)> = visits.values().map(|t| (*t, 1.0)).collect();
    for (name, half_life_d) in [("visit_sum_7", 7.0), ("visit_sum_60", 60.0)] {
        let parts = parts.clone();
        c.sums.push((name, "visit_sums_at", Sum { half_life_d, parts }));
    }
}
