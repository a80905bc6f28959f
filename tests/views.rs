//! The views on the real engine, held against plain formulas written apart from them.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/signals.rs"]
mod customer;
#[path = "support/engine.rs"]
mod engine;
#[path = "support/formulas.rs"]
mod formulas;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/rows.rs"]
mod rows;

use std::collections::BTreeSet;

use customer::{BUCKET, DAY, Row, START, corners, customers, expected, window};
use engine::Engine;
use retain::flow::carry::Block;
use retain::model::money::Currency;
use retain::model::registry::{Change, Signal, signals};
use retain::model::table::{Table, version};
use retain::plan::{Clock, Model, ModelKind, Plan};
use retain::shell::migrate::{Retention, migrate, write_views};
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use retain::signal::days;
use retain::signal::decay::{Decay, trend};
use retain::signal::satisfaction::shrunk_mean;
use retain::signal::silence::History;
use retain::signal::window::window_sum;
use rows::{Values, block};
use serde_json::Value;

async fn engine_with(plan: &Plan, blocks: &[Block]) -> Engine {
    let engine = Engine::start();
    let kept = Retention { events_days: 0, ledger_days: 0, history_days: 0 };
    let databases = Databases::new("retain", 1).unwrap();
    migrate(&engine.client(), plan, &databases, kept).await.unwrap();
    Sink::new(engine.client(), SinkOptions::new("retain_g1")).carry(blocks).await.unwrap();
    engine
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.parse().unwrap()),
        number => Some(number.as_f64().unwrap()),
    }
}

/// Every model, and a currency without minor units.
fn plans_compared() -> [Plan; 4] {
    let bg = Model { kind: ModelKind::BgNbd, r: 0.243, alpha_d: 4.414 * 7.0, a: 0.793, b: 2.426 };
    let yen = Currency::parse("JPY").unwrap();
    let mut other = Plan { model: bg, currency: yen, csat_prior: 0.5, ..plans::plan() };
    other.parameters.trends.spend_floor = 0.5;
    other.parameters.trends.visit_floor = 0.05;
    other.parameters.service.minute_cost = 3.5;
    other.parameters.service.return_cost = 90.0;
    let regular = Plan { model: plans::regular(), ..plans::plan() };
    let kind = ModelKind::BgCnbdK { k: 20 };
    let clockwork = Model { kind, r: 40.0, alpha_d: 25.0, a: 0.2, b: 7.0 };
    [plans::plan(), other, regular, Plan { model: clockwork, ..plans::plan() }]
}

/// Before, at and after `as_of`; around the edges of buckets; years ahead.
fn times() -> [i64; 10] {
    let edge = (START / BUCKET) * BUCKET;
    [
        START - 1,
        START,
        START + 1,
        edge + BUCKET / 2,
        edge + BUCKET - 1,
        edge + BUCKET,
        START + 30 * DAY + 12_345,
        START + 60 * DAY,
        START + 200 * DAY + 1,
        START + 4_000 * DAY,
    ]
}

#[tokio::test]
async fn customers_at_is_right_at_every_moment() {
    let (plans, times) = (plans_compared(), times());
    let rows = customers();
    let values: Vec<Values> = rows.iter().map(Row::values).collect();
    let engine = engine_with(&plans[0], &[block(Table::Customers, &values)]).await;
    let mut compared = BTreeSet::from(["sat_band", "category_intent"]);
    for plan in &plans {
        write_views(&engine.client(), plan, &Databases::new("retain", 1).unwrap()).await.unwrap();
        for at in times {
            let shown = engine
                .rows(&format!(
                    "SELECT * FROM retain.customers_at(at = fromUnixTimestamp64Milli({at}, 'UTC')) ORDER BY customer_id"
                ))
                .await;
            assert_eq!(shown.len(), rows.len());
            assert_all_finite(&engine, at).await;
            for row in &rows {
                let seen = shown.iter().find(|r| r["customer_id"] == row.id.as_str()).unwrap();
                let mut all = expected(plan, row, at);
                all.extend(formulas::by_events(row));
                all.extend(formulas::live(plan, row, at));
                for (name, want) in all {
                    compare(row, at, name, want, seen);
                    compared.insert(name);
                }
                assert_eq!(seen["sat_band"].as_str(), formulas::sat_band(row), "{row:?}");
                compare_intents(row, at, seen);
                assert_eq!(float(&seen["exp_purchases_90"]), Some(1.25));
            }
        }
    }
    // What does not stand in the table is computed by the view.
    let stands = |name: &str| Table::Customers.columns().iter().any(|c| c.name == name);
    let computed = signals().map(|s| s.name).filter(|name| !stands(name));
    let left: Vec<_> = computed.filter(|name| !compared.contains(name)).collect();
    assert!(left.is_empty(), "signals that nothing compares: {left:?}");
}

/// No signal is ever infinite or not a number: JSON would show that as nothing.
async fn assert_all_finite(engine: &Engine, at: i64) {
    let view = format!("retain.customers_at(at = fromUnixTimestamp64Milli({at}, 'UTC'))");
    let columns = engine.rows(&format!("DESCRIBE (SELECT * FROM {view})")).await;
    let floats = columns.iter().filter(|c| c["type"].as_str().unwrap().contains("Float64"));
    let floats = floats.filter(|c| !c["type"].as_str().unwrap().contains("Map"));
    let odd: Vec<String> = floats
        .map(|c| c["name"].as_str().unwrap())
        .map(|name| format!("countIf({name} IS NOT NULL AND NOT isFinite(assumeNotNull({name})))"))
        .collect();
    assert!(odd.len() > 40, "{odd:?}");
    assert_eq!(engine.number(&format!("SELECT {} FROM {view}", odd.join(" + "))).await, 0, "{at}");
}

fn compare_intents(row: &Row, at: i64, seen: &Value) {
    let shown = seen["category_intent"].as_object().unwrap();
    let want = formulas::category_intent(row, at);
    assert_eq!(shown.len(), want.len(), "{row:?} at {at}: {shown:?}");
    for (name, views) in want {
        let got = float(&shown[name]).unwrap();
        assert!((got - views).abs() <= 1e-9 * views, "{name} of {row:?} at {at}: {got}");
    }
}

fn compare(row: &Row, at: i64, name: &str, want: Option<f64>, seen: &Value) {
    let got = float(&seen[name]);
    let exact = name == "spend_90d_minor";
    let near = match (want, got) {
        (None, None) => true,
        (Some(_), Some(_)) if exact => {
            // As text: a double does not hold every amount.
            let shown = seen[name].to_string().trim_matches('"').to_owned();
            at < row.as_of || shown == window(&row.buckets, at).to_string()
        }
        (Some(want), Some(got)) => (want - got).abs() <= 1e-9 * want.abs().max(1e-3),
        _ => false,
    };
    assert!(near, "{name} of {row:?} at {at}: view {got:?}, expected {want:?}");
}

/// The machine's own mathematics, for the same rows: what the views show is what the machine would say.
fn machine(plan: &Plan, row: &Row, at: i64) -> Vec<(&'static str, Option<f64>)> {
    let rate = |half_life, sum, since, born| {
        let decay = Decay::from_half_life_d(half_life);
        decay.rate_per_day(decay.value_at(sum, since, at), at - born)
    };
    let major = 10_f64.powi(plan.currency.minor_digits() as i32);
    let money = |half_life, sum| {
        row.spend_from().map(|born| rate(half_life, sum, row.spend.2, born) / major)
    };
    let year = Decay::from_half_life_d(180.0);
    let said = |sum| year.value_at(sum, row.csat.2, at);
    let params = plans::repurchase(plan);
    let history = row.t_first.zip(row.t_last).map(|(first, last)| {
        let x = (row.n_days - 1) as u32;
        let t_x_d = if x == 0 { 0.0 } else { days(last - first) };
        (History { x, t_x_d }, days(at - first))
    });
    let silent = |horizon| history.map(|(h, age)| params.p_silent(h, age, horizon));
    let floor = plan.parameters.trends.visit_floor;
    let (week, months) = (
        rate(7.0, row.visits.0, row.visits.2, row.streamed_from),
        rate(60.0, row.visits.1, row.visits.2, row.streamed_from),
    );
    vec![
        ("recency_d", row.t_last.map(|t| days(at - t))),
        ("spend_rate_30", money(30.0, row.spend.0)),
        ("spend_rate_180", money(180.0, row.spend.1)),
        ("p_alive", history.map(|(h, age)| params.p_alive(h, age))),
        ("p_silent_30", silent(30.0)),
        ("p_silent_90", silent(90.0)),
        ("p_silent_180", silent(180.0)),
        ("ticket_rate_90", Some(rate(90.0, row.tickets.0, row.tickets.1, row.streamed_from))),
        ("csat", Some(shrunk_mean(said(row.csat.0), said(row.csat.1), plan.csat_prior))),
        ("visit_rate_7", Some(week)),
        ("visit_rate_60", Some(months)),
        ("engage_trend", trend(week, months, 2.0).filter(|_| months >= floor)),
        ("spend_90d_minor", Some(window_sum(row.buckets.iter().copied(), at) as f64)),
    ]
}

#[test]
fn the_machine_and_the_plain_formulas_agree() {
    for plan in plans_compared() {
        for row in customers() {
            for at in times().into_iter().filter(|at| *at >= row.as_of) {
                for ((name, want), (same, got)) in
                    expected(&plan, &row, at).into_iter().zip(machine(&plan, &row, at))
                {
                    assert_eq!(name, same);
                    let near = match (want, got) {
                        (Some(want), Some(got)) => {
                            (want - got).abs() <= 1e-9 * want.abs().max(1e-3)
                        }
                        (want, got) => want == got,
                    };
                    assert!(near, "{name} of {row:?} at {at}: machine {got:?}, plain {want:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn every_signal_of_the_registry_is_a_column() {
    let rows = block(Table::Customers, &[corners()[0].values()]);
    let engine = engine_with(&plans::plan(), &[rows]).await;
    for view in ["customers_now", "customers_at(at = now64(3))"] {
        let columns = engine.rows(&format!("DESCRIBE (SELECT * FROM retain.{view})")).await;
        for signal in signals() {
            let column = columns.iter().find(|c| c["name"] == signal.name);
            let column = column.unwrap_or_else(|| panic!("{} is not in {view}", signal.name));
            let ty = column["type"].as_str().unwrap();
            assert_eq!(ty, column_type(signal, ty), "{} of {view}", signal.name);
        }
        // What is no signal stands in the table of columns.
        for name in columns.iter().map(|c| c["name"].as_str().unwrap()) {
            let described = include_str!("../docs/tables.md").contains(&format!("`{name}`"));
            assert!(described || signals().any(|s| s.name == name), "{name} is in no list");
        }
        // One customer is found by the key, through the view.
        let plan = engine
            .rows(&format!(
                "EXPLAIN indexes = 1 SELECT * FROM retain.{view} WHERE customer_id = 'c'"
            ))
            .await;
        let text: String = plan.iter().map(|r| r["explain"].as_str().unwrap()).collect();
        assert!(text.contains("Condition: (customer_id in ['c', 'c'])"), "{text}");
    }
}

/// Which type a signal's column must have. Only words and what stands in the row may have one of several.
fn column_type<'a>(signal: &Signal, seen: &'a str) -> &'a str {
    let among = |types: &[&'static str]| -> &'a str {
        types.iter().find(|ty| **ty == seen).copied().unwrap_or(types[0])
    };
    let standing = ["Nullable(Float64)", "Float64", "UInt8", "UInt16", "UInt32"];
    match (signal.unit, signal.change) {
        ("category: views", _) => "Map(String, Float64)",
        ("input: log-odds", _) => "Map(LowCardinality(String), Float64)",
        ("inputs", _) => "Array(String)",
        ("minor units", Change::Live) => "Nullable(Int64)",
        ("minor units", _) => "Int64",
        ("time", _) => among(&["Nullable(DateTime64(3, 'UTC'))", "DateTime64(3, 'UTC')"]),
        ("flag", _) => among(&["UInt8", "Nullable(UInt8)"]),
        (_, Change::Live) => "Nullable(Float64)",
        (unit, _) if unit.contains(' ') => among(&[
            "LowCardinality(Nullable(String))",
            "LowCardinality(String)",
            "Nullable(String)",
        ]),
        _ => among(&standing),
    }
}

fn ledger(
    shard: i64,
    source: &str,
    cycle: u64,
    offsets: (i64, i64),
    complete_to: Option<i64>,
) -> Values {
    vec![
        ("shard", shard.into()),
        ("source", source.into()),
        ("version", (version(1, cycle) as i64).into()),
        ("clock", (START + 1_000 * cycle as i64).into()),
        ("complete_to", complete_to.into()),
        ("offset_from", offsets.0.into()),
        ("offset_to", offsets.1.into()),
        ("applied", (offsets.1 - offsets.0 - 1).into()),
    ]
}

#[tokio::test]
async fn now_is_what_the_shard_is_complete_to() {
    let simulated = Plan {
        clock: Clock::Simulated { origin_ms: START, speed: 60.0, fast_until_ms: None },
        ..plans::plan()
    };
    let customer = |shard: i64, as_of: i64| -> Values {
        let row = Row { id: format!("s{shard}"), as_of, streamed_from: as_of, ..Row::default() };
        row.values()
            .into_iter()
            .map(|(n, v)| if n == "shard" { (n, shard.into()) } else { (n, v) })
            .collect()
    };
    let old = START - 50 * DAY;
    let customers = [customer(1, old), customer(2, old), customer(3, old), customer(4, START + 77)];
    let ledger = [
        // Shard 1: the source that is behind decides, by its latest cycle (written before an older one).
        ledger(1, "purchases", 9, (10, 12), Some(START + 500)),
        ledger(1, "purchases", 3, (0, 10), Some(START - 9)),
        ledger(1, "web", 9, (0, 4), Some(START + 400)),
        // Shard 2: complete beyond the last clock of the ledger: the clock decides.
        ledger(2, "web", 2, (0, 4), Some(START + DAY)),
        // Shard 3: one source not known to be complete at all: the row's own time.
        ledger(3, "purchases", 5, (0, 4), Some(START)),
        ledger(3, "web", 5, (0, 4), None),
        // Shard 4: the row is newer than what the shard is complete to: the row's own time.
        ledger(4, "web", 5, (0, 4), Some(START)),
    ];
    let blocks = [block(Table::Customers, &customers), block(Table::Ledger, &ledger)];
    let engine = engine_with(&simulated, &blocks).await;
    let at = async || {
        let sql = "SELECT toUnixTimestamp64Milli(at) - toInt64(1767225600000) AS at, isNull(csat) AS hidden \
                   FROM retain.customers_now ORDER BY customer_id";
        let rows = engine.rows(sql).await;
        assert!(rows.iter().all(|r| float(&r["hidden"]) == Some(0.0)), "{rows:?}");
        rows.iter().map(|r| float(&r["at"]).unwrap() as i64).collect::<Vec<_>>()
    };
    assert_eq!(at().await, [400, 2_000, -50 * DAY, 77]);

    // With a wall clock the server's time is the limit, and all of this lies in the past.
    write_views(&engine.client(), &plans::plan(), &Databases::new("retain", 1).unwrap())
        .await
        .unwrap();
    let sql = "SELECT toInt64(max(at <= now64(3))) FROM retain.customers_now";
    assert_eq!(engine.number(sql).await, 1);
}

#[tokio::test]
async fn completeness_tells_control_records_gaps_and_holes_apart() {
    let ledger = [
        ledger(1, "web", 1, (100, 110), Some(START)),
        ledger(1, "web", 2, (110, 120), Some(START)),
        // A gap that retention made, known; then 5 offsets nobody read; then 3 read twice.
        ledger(1, "web", 3, (150, 160), Some(START)),
        ledger(1, "web", 4, (165, 170), Some(START)),
        ledger(1, "web", 5, (167, 180), Some(START + 5)),
        // Here a cycle reads on over its gap: 10 offsets, 3 of them gone, 1 a marker, 6 records.
        ledger(2, "web", 1, (0, 10), None)
            .into_iter()
            .map(|(name, v)| (name, if name == "applied" { 6.into() } else { v }))
            .collect(),
    ];
    let gap = |shard: i64, from: i64, to: i64| -> Values {
        vec![
            ("shard", shard.into()),
            ("source", "web".into()),
            ("offset_from", from.into()),
            ("offset_to", to.into()),
        ]
    };
    // The first one lies before everything the ledger still has.
    let gaps = [gap(1, 0, 50), gap(1, 120, 150), gap(2, 4, 7)];
    let blocks = [block(Table::Gaps, &gaps), block(Table::Ledger, &ledger)];
    let engine = engine_with(&plans::plan(), &blocks).await;
    let rows = engine.rows("SELECT * FROM retain.completeness ORDER BY shard").await;
    let of = |row: usize, name: &str| float(&rows[row][name]).unwrap() as i64;
    let names = [
        "offset_from",
        "offset_to",
        "consumed",
        "offsets_without_record",
        "gap_offsets",
        "missing",
        "twice",
    ];
    assert_eq!(names.map(|n| of(0, n)), [100, 180, 43, 5, 30, 5, 3]);
    assert_eq!(names.map(|n| of(1, n)), [0, 10, 6, 1, 3, 0, 0]);
    assert_eq!(rows[0]["complete_to"], "2026-01-01 00:00:00.005");
    assert!(rows[1]["complete_to"].is_null());
    assert_eq!(engine.number("SELECT sum(consumed) FROM retain.ledger").await, 49);
}

#[tokio::test]
async fn activity_adds_late_events_to_their_minute() {
    let minute = |shard: i64, late_offset: i64, cycle: u64, events: i64, revenue: i64| -> Values {
        vec![
            ("shard", shard.into()),
            ("source", "purchases".into()),
            ("minute", START.into()),
            ("type", "purchase".into()),
            ("channel", "shop".into()),
            ("late_offset", late_offset.into()),
            ("version", (version(1, cycle) as i64).into()),
            ("events", events.into()),
            ("revenue_minor", revenue.into()),
        ]
    };
    let first = block(Table::Activity, &[minute(1, -1, 1, 5, 900), minute(2, -1, 1, 2, 50)]);
    // The minute written again by a later cycle, and two late events, one of them carried twice.
    let later = block(
        Table::Activity,
        &[minute(1, -1, 2, 6, 1_000), minute(1, 77, 3, 1, -20), minute(1, 78, 3, 1, 5)],
    );
    let again = block(Table::Activity, &[minute(1, 77, 3, 1, -20)]);
    let engine = engine_with(&plans::plan(), &[first, later, again]).await;
    let rows = engine.rows("SELECT * FROM retain.activity_by_minute").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(float(&rows[0]["events"]), Some(10.0));
    assert_eq!(float(&rows[0]["revenue_minor"]), Some(1_035.0));
}
