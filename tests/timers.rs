//! Timers instead of scans: on real purchases, the lifecycle that dues bring about equals that of evaluating every customer
//! at every midnight and at every purchase.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/stream.rs"]
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retain::plan::Plan;
use retain::signal::lifecycle::{Bands, Lifecycle, Step, next};
use retain::signal::silence::{History, Params};
use sim::{Log, Runner, Schedule, Transition};
use stream::DAY_MS;

/// Horizon of the silence that the lifecycle is about, days.
const HORIZON_D: f64 = 90.0;

/// A purchase of the file: its day (all are at midnight UTC), customer, and the line.
struct Purchase {
    day: i64,
    customer: String,
    line: String,
}

fn purchases() -> Vec<Purchase> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cdnow/purchases_sample.ndjson");
    let text = std::fs::read_to_string(path).unwrap();
    let parse = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        let date: jiff::civil::Date = json["ts"].as_str().unwrap()[..10].parse().unwrap();
        assert!(json["ts"].as_str().unwrap().ends_with("T00:00:00Z"));
        let since = date.since(jiff::civil::date(1970, 1, 1)).unwrap();
        Purchase {
            day: since.get_days().into(),
            customer: json["customer_id"].as_str().unwrap().to_owned(),
            line: line.to_owned(),
        }
    };
    text.lines().map(parse).collect()
}

/// A customer as a scan sees one: the days of purchase, and where the last look left the lifecycle.
struct Scanned {
    days: Vec<i64>,
    state: Lifecycle,
    since_day: i64,
}

impl Scanned {
    fn look(&mut self, model: &Params, day: i64, step: Step) {
        let (first, last) = (self.days[0], self.days[self.days.len() - 1]);
        let x = (self.days.len() - 1) as u32;
        let history = History { x, t_x_d: (last - first) as f64 };
        let p = model.p_silent_rising(history, (day - first) as f64, HORIZON_D);
        let after = next(self.state, p, Some(x), step, &Bands::default());
        if after != self.state {
            self.state = after;
            self.since_day = day;
        }
    }
}

/// What a midnight brings by scanning: first everyone is looked at, then those who buy at it.
fn scan(model: &Params, customers: &mut BTreeMap<String, Scanned>, today: &[&Purchase], day: i64) {
    customers.values_mut().for_each(|c| c.look(model, day, Step::Time));
    for purchase in today {
        let customer = customers.entry(purchase.customer.clone()).or_insert(Scanned {
            days: Vec::new(),
            state: Lifecycle::Prospect,
            since_day: day,
        });
        let step = if customer.days.last() == Some(&day) {
            Step::Time
        } else {
            customer.days.push(day);
            Step::Bought
        };
        customer.look(model, day, step);
    }
}

/// No disorder, so that time is exactly at midnight.
fn plan() -> Plan {
    let mut plan = plans::plan();
    plan.disorder_ms = 0;
    plan
}

fn log(purchases: &[Purchase]) -> (Log, Vec<i64>) {
    let mut log = Log::default();
    let mut ends = Vec::new();
    for p in purchases {
        let (key, value) = (p.customer.clone().into_bytes(), p.line.clone().into_bytes());
        log.push(0, p.day * DAY_MS, Some(key), Some(value));
        ends.push(log.end);
    }
    (log, ends)
}

/// What purchases, not dues, brought about: they come at midnight.
fn at_midnight(runner: &Runner) -> BTreeSet<Transition> {
    let midnight = |t: &&Transition| t.2 % i128::from(DAY_MS) == 0;
    runner.transitions.iter().filter(midnight).cloned().collect()
}

/// A purchase finds the state that the customer's own dues have brought about by then, however far behind time is held.
#[test]
fn a_purchase_comes_after_its_customers_dues() {
    let (log, _) = log(&purchases());
    let logs = vec![log, Log::default(), Log::default()];
    let run = |disorder_ms: i64| {
        let mut plan = plan();
        plan.disorder_ms = disorder_ms;
        let mut runner = Runner::new(&Arc::new(plan), 0, 1, logs.clone(), Schedule::by_record(3));
        runner.drain();
        at_midnight(&runner)
    };
    let prompt = run(0);
    assert!(prompt.iter().filter(|t| t.1 == "won_back").count() > 100);
    assert_eq!(run(60 * DAY_MS), prompt);
}

/// Runs all purchases and four hundred days more with dues, beside a scan at every midnight; returns how many changes
/// came at other moments, and the states seen.
fn dues_against_scan(plan: Plan, purchases: &[Purchase]) -> (usize, BTreeSet<String>) {
    let model = plans::repurchase(&plan);
    let (log, ends) = log(purchases);
    let logs = vec![log, Log::default(), Log::default()];
    let schedule = Schedule { crash_permille: 1, ..Schedule::straight(7) };
    let mut runner = Runner::new(&Arc::new(plan), 0, 1, logs, schedule);
    let mut scanned: BTreeMap<String, Scanned> = BTreeMap::new();
    let (first, last) = (purchases[0].day, purchases[purchases.len() - 1].day);
    let (mut next_purchase, mut evaluations, mut timed) = (0, 0, 0);
    for day in first..=last + 400 {
        let before = runner.transitions.len();
        let from = next_purchase;
        while purchases.get(next_purchase).is_some_and(|p| p.day == day) {
            next_purchase += 1;
        }
        let today: Vec<&Purchase> = purchases[from..next_purchase].iter().collect();
        scan(&model, &mut scanned, &today, day);
        evaluations += scanned.len();
        runner.visible[0] = ends.get(next_purchase.wrapping_sub(1)).copied().unwrap_or(0);
        runner.drain();
        runner.pass_to(day * DAY_MS);
        assert_eq!(runner.machine.watermark_ms(), Some(day * DAY_MS));
        compare(&runner, &scanned, day);
        for (customer, state, since) in &runner.transitions[before..] {
            let since_ms = *since as i64;
            let within = since_ms > (day - 1) * DAY_MS && since_ms <= day * DAY_MS;
            assert!(within, "{customer} {state} since {since_ms}, seen on day {day}");
            timed += usize::from(since_ms % DAY_MS != 0);
        }
    }
    assert_eq!(next_purchase, purchases.len());
    // the scan looked at everyone on every day
    assert!(evaluations > scanned.len() * 800, "{evaluations}");
    (timed, runner.transitions.iter().map(|t| t.1.clone()).collect())
}

#[test]
fn dues_find_what_a_scan_finds() {
    let purchases = purchases();
    let customers: BTreeSet<&str> = purchases.iter().map(|p| p.customer.as_str()).collect();
    assert_eq!((purchases.len(), customers.len()), (6_919, 2_357));
    let (timed, states) = dues_against_scan(plan(), &purchases);
    // the dues did most of the work
    assert!(timed > 3_000, "{timed}");
    assert_eq!(states.len(), 6, "{states:?}");
}

/// With gaps of three stages p_silent falls to a valley first: the dues stand on its rising form.
#[test]
fn dues_find_what_a_scan_finds_of_regular_customers() {
    let mut purchases = purchases();
    // a fifth of the customers will do, those who come back among them
    purchases.retain(|p| p.customer.as_bytes().last().is_some_and(|digit| digit % 5 == 0));
    let plan = Plan { model: plans::regular(), ..plan() };
    let (timed, states) = dues_against_scan(plan, &purchases);
    assert!(timed > 600, "{timed}");
    assert_eq!(states.len(), 6, "{states:?}");
}

fn compare(runner: &Runner, scanned: &BTreeMap<String, Scanned>, day: i64) {
    let mut rows = 0;
    for row in runner.tables.rows("customers") {
        rows += 1;
        let id = row.text("customer_id");
        let other = &scanned[id];
        assert_eq!(row.text("lifecycle"), other.state.name(), "{id} at midnight of day {day}");
        let since_day = (row.int("lifecycle_since") as i64 + DAY_MS - 1).div_euclid(DAY_MS);
        assert_eq!(since_day, other.since_day, "{id} is {} since, day {day}", other.state.name());
    }
    assert_eq!(rows, scanned.len(), "customers on day {day}");
}
