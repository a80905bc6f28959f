//! The views on the real engine, held against plain formulas written apart from them.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/rows.rs"]
mod rows;

use engine::Engine;
use retain::flow::carry::Block;
use retain::model::money::Currency;
use retain::model::registry::{Change, SIGNALS};
use retain::model::table::{Table, version};
use retain::plan::{Clock, Model, ModelKind, Plan};
use retain::shell::migrate::{Retention, migrate, write_views};
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use rows::{V, Values, block};
use serde_json::Value;

const DAY: i64 = 86_400_000;
const BUCKET: i64 = 3 * DAY;
/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000;

/// A customer as the machine would write it.
#[derive(Clone, Debug, Default)]
struct Row {
    id: String,
    as_of: i64,
    t_born: i64,
    t_first: Option<i64>,
    t_last: Option<i64>,
    n_days: i64,
    spend: (f64, f64, i64),
    buckets: Vec<(u16, i64)>,
    tickets: (f64, i64),
    csat: (f64, f64, i64),
    visits: (f64, f64, i64),
}

impl Row {
    fn values(&self) -> Values {
        vec![
            ("customer_id", self.id.as_str().into()),
            ("shard", 1.into()),
            ("version", (version(1, 1) as i64).into()),
            ("as_of", self.as_of.into()),
            ("t_born", self.t_born.into()),
            ("t_first", self.t_first.into()),
            ("t_last", self.t_last.into()),
            ("n_days", self.n_days.into()),
            ("x", (self.n_days - 1).max(0).into()),
            ("spend_sum_30", self.spend.0.into()),
            ("spend_sum_180", self.spend.1.into()),
            ("spend_sums_at", self.spend.2.into()),
            ("spend_bucket_ids", V::U16s(self.buckets.iter().map(|b| b.0).collect())),
            ("spend_bucket_minor", V::I64s(self.buckets.iter().map(|b| b.1).collect())),
            ("lifecycle", "active".into()),
            ("exp_purchases_90", 1.25.into()),
            ("exp_purchases_90_as_of", self.as_of.into()),
            ("ticket_sum_90", self.tickets.0.into()),
            ("ticket_sums_at", self.tickets.1.into()),
            ("csat_sum", self.csat.0.into()),
            ("csat_weight", self.csat.1.into()),
            ("csat_sums_at", self.csat.2.into()),
            ("visit_sum_7", self.visits.0.into()),
            ("visit_sum_60", self.visits.1.into()),
            ("visit_sums_at", self.visits.2.into()),
        ]
    }
}

/// What the live signals must be, `None` = NULL, in the plainest form of the published formulas.
fn expected(plan: &Plan, row: &Row, at: i64) -> Vec<(&'static str, Option<f64>)> {
    let days = |ms: i64| ms as f64 / DAY as f64;
    let left =
        |sum: f64, since: i64, half_life: f64| sum * 0.5_f64.powf(days(at - since) / half_life);
    let rate = |sum: f64, since: i64, half_life: f64, born: i64| {
        let age = days(at - born).max(1.0);
        left(sum, since, half_life) * (2_f64.ln() / half_life)
            / (1.0 - 0.5_f64.powf(age / half_life))
    };
    let major = 10_f64.powi(plan.currency.minor_digits() as i32);
    let money =
        |sum, half_life| row.t_first.map(|born| rate(sum, row.spend.2, half_life, born) / major);
    let count = |(sum, since), half_life| Some(rate(sum, since, half_life, row.t_born));
    let (week, months) = (
        rate(row.visits.0, row.visits.2, 7.0, row.t_born),
        rate(row.visits.1, row.visits.2, 60.0, row.t_born),
    );
    let trend = (week > 0.0 && months > 0.0).then(|| (week / months).ln().clamp(-2.0, 2.0));
    let csat = (left(row.csat.0, row.csat.2, 180.0) + 3.0 * plan.csat_prior)
        / (left(row.csat.1, row.csat.2, 180.0) + 3.0);
    let alive = alive(&plan.model, row, at);
    let silent =
        |horizon| alive.map(|p| 1.0 - p * (1.0 - stays_silent(&plan.model, row, at, horizon)));
    let mut all = vec![
        ("recency_d", row.t_last.map(|t| days(at - t))),
        ("spend_rate_30", money(row.spend.0, 30.0)),
        ("spend_rate_180", money(row.spend.1, 180.0)),
        ("p_alive", alive),
        ("p_silent_30", silent(30.0)),
        ("p_silent_90", silent(90.0)),
        ("p_silent_180", silent(180.0)),
        ("ticket_rate_90", count(row.tickets, 90.0)),
        ("csat", Some(csat)),
        ("visit_rate_7", Some(week)),
        ("visit_rate_60", Some(months)),
        ("engage_trend", trend),
        ("spend_90d_minor", Some(window(&row.buckets, at) as f64)),
    ];
    if at < row.as_of {
        all.iter_mut().for_each(|(_, value)| *value = None);
    }
    all
}

fn history(row: &Row, at: i64) -> Option<(f64, f64, f64)> {
    let (first, last) = (row.t_first?, row.t_last?);
    let days = |ms: i64| ms as f64 / DAY as f64;
    (row.n_days > 0)
        .then(|| ((row.n_days - 1) as f64, days(last - first), days(at.max(last) - first)))
}

fn alive(model: &Model, row: &Row, at: i64) -> Option<f64> {
    let (x, t_x, age) = history(row, at)?;
    let Model { kind, r, alpha_d, a, b } = *model;
    let odds = match kind {
        ModelKind::MbgNbd => a / (b + x),
        ModelKind::BgNbd if x == 0.0 => 0.0,
        ModelKind::BgNbd => a / (b + x - 1.0),
    };
    // A power of the ratio overflows to infinity where the probability is 0.
    Some(1.0 / (1.0 + odds * ((alpha_d + age) / (alpha_d + t_x)).powf(r + x)))
}

fn stays_silent(model: &Model, row: &Row, at: i64, horizon: f64) -> f64 {
    let (x, _, age) = history(row, at).unwrap();
    ((model.alpha_d + age) / (model.alpha_d + age + horizon)).powf(model.r + x)
}

/// The 90-day window, in exact integers: 30 buckets whole, the oldest by what is left of it, half to even.
fn window(buckets: &[(u16, i64)], at: i64) -> i64 {
    let newest = at.div_euclid(BUCKET);
    let scaled: i128 = buckets
        .iter()
        .map(|&(id, minor)| {
            let weight = match newest - i64::from(id) {
                0..30 => BUCKET,
                30 => BUCKET - at.rem_euclid(BUCKET),
                _ => 0,
            };
            i128::from(minor) * i128::from(weight)
        })
        .sum();
    let (floor, rest) =
        (scaled.div_euclid(i128::from(BUCKET)), scaled.rem_euclid(i128::from(BUCKET)));
    let up = match (2 * rest).cmp(&i128::from(BUCKET)) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => floor.rem_euclid(2),
        std::cmp::Ordering::Greater => 1,
    };
    (floor + up) as i64
}

/// Numbers that look random and are the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as i64
    }

    fn share(&mut self) -> f64 {
        self.below(1 << 40) as f64 / (1_i64 << 40) as f64
    }
}

/// Customers of every kind: prospects, one-time buyers, regulars, refunds above purchases, silent for years.
fn customers() -> Vec<Row> {
    let mut dice = Dice(7);
    let mut rows: Vec<Row> = (0..400)
        .map(|n| {
            let as_of = START + dice.below(60 * DAY);
            let t_born = as_of - dice.below(900 * DAY);
            let since = |dice: &mut Dice| t_born + dice.below(as_of - t_born + 1);
            let (one, two) = (since(&mut dice), since(&mut dice));
            let n_days = [0, 1, 2, 7, 120, 5_000][n % 6];
            let bought = n_days > 0;
            let t_last = if n_days > 1 { one.max(two) } else { one.min(two) };
            let kt = as_of / BUCKET;
            let mut buckets: Vec<(u16, i64)> = (0..dice.below(34))
                .map(|back| ((kt - back) as u16, dice.below(200_001) - 50_000))
                .collect();
            buckets.reverse();
            Row {
                id: format!("c{n:03}"),
                as_of,
                t_born,
                t_first: bought.then_some(one.min(two)),
                t_last: bought.then_some(t_last),
                n_days,
                spend: (dice.share() * 9e5 - 1e5, dice.share() * 4e6 - 5e5, since(&mut dice)),
                buckets,
                tickets: (dice.share() * 9.0, since(&mut dice)),
                csat: (dice.share() * 2.0, 2.0 + dice.share() * 2.0, since(&mut dice)),
                visits: (dice.share() * 30.0, 1.0 + dice.share() * 90.0, since(&mut dice)),
            }
        })
        .collect();
    rows.extend(corners());
    rows
}

/// The corners named one by one.
fn corners() -> Vec<Row> {
    let base = Row {
        as_of: START,
        t_born: START - 100 * DAY,
        t_first: Some(START - 90 * DAY),
        t_last: Some(START - DAY),
        n_days: 4,
        spend: (5_000.0, 9_000.0, START - DAY),
        tickets: (0.0, START),
        csat: (0.0, 0.0, START),
        visits: (1.0, 2.0, START),
        ..Row::default()
    };
    let named = |id: &str, row: Row| Row { id: id.to_owned(), ..row };
    let k = (START / BUCKET) as u16;
    vec![
        named(
            "never",
            Row { t_first: None, t_last: None, n_days: 0, spend: (0.0, 0.0, 0), ..base.clone() },
        ),
        named(
            "refunded",
            Row {
                t_first: None,
                t_last: None,
                n_days: 0,
                spend: (-700.0, -700.0, START),
                ..base.clone()
            },
        ),
        named(
            "just_born",
            Row {
                t_born: START,
                t_first: Some(START),
                t_last: Some(START),
                n_days: 1,
                spend: (100.0, 100.0, START),
                ..base.clone()
            },
        ),
        named("no_visits", Row { visits: (0.0, 0.0, 0), ..base.clone() }),
        named("came_back", Row { visits: (500.0, 1.0, START), ..base.clone() }),
        named("stays_away", Row { visits: (1e-9, 50.0, START), ..base.clone() }),
        named(
            "huge",
            Row { buckets: vec![(k - 30, i64::MAX / 4), (k, i64::MAX / 4)], ..base.clone() },
        ),
        named(
            "edges",
            Row {
                buckets: vec![
                    (k - 31, 64),
                    (k - 30, 32),
                    (k - 29, 16),
                    (k - 1, 8),
                    (k, 4),
                    (k + 1, 2),
                ],
                ..base.clone()
            },
        ),
        named("half_up", Row { buckets: vec![(k - 30, 3), (k, 0)], ..base.clone() }),
        named("half_down", Row { buckets: vec![(k - 30, -5), (k, 0)], ..base.clone() }),
        named("negative", Row { buckets: vec![(k - 30, -1_001), (k, -7)], ..base }),
    ]
}

async fn engine_with(plan: &Plan, blocks: &[Block]) -> Engine {
    let engine = Engine::start();
    let kept = Retention { events_days: 0, ledger_days: 0 };
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

#[tokio::test]
async fn customers_at_is_right_at_every_moment() {
    let bg = Model { kind: ModelKind::BgNbd, r: 0.243, alpha_d: 4.414 * 7.0, a: 0.793, b: 2.426 };
    let yen = Currency::parse("JPY").unwrap();
    let plans =
        [plans::plan(), Plan { model: bg, currency: yen, csat_prior: 0.5, ..plans::plan() }];
    let rows = customers();
    let values: Vec<Values> = rows.iter().map(Row::values).collect();
    let engine = engine_with(&plans[0], &[block(Table::Customers, &values)]).await;
    let edge = (START / BUCKET) * BUCKET;
    let times = [
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
    ];
    let mut compared = 0;
    for plan in &plans {
        write_views(&engine.client(), plan, &Databases::new("retain", 1).unwrap()).await.unwrap();
        for at in times {
            let shown = engine
                .rows(&format!(
                    "SELECT * FROM retain.customers_at(at = fromUnixTimestamp64Milli({at}, 'UTC')) ORDER BY customer_id"
                ))
                .await;
            assert_eq!(shown.len(), rows.len());
            for row in &rows {
                let seen = shown.iter().find(|r| r["customer_id"] == row.id.as_str()).unwrap();
                for (name, want) in expected(plan, row, at) {
                    compare(row, at, name, want, seen);
                    compared += 1;
                }
                assert_eq!(float(&seen["exp_purchases_90"]), Some(1.25));
            }
        }
    }
    assert_eq!(compared, 2 * times.len() * rows.len() * 13);
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

#[tokio::test]
async fn every_signal_of_the_registry_is_a_column() {
    let rows = block(Table::Customers, &[corners()[0].values()]);
    let engine = engine_with(&plans::plan(), &[rows]).await;
    for view in ["customers_now", "customers_at(at = now64(3))"] {
        let columns = engine.rows(&format!("DESCRIBE (SELECT * FROM retain.{view})")).await;
        for signal in SIGNALS {
            let column = columns.iter().find(|c| c["name"] == signal.name);
            let column = column.unwrap_or_else(|| panic!("{} is not in {view}", signal.name));
            if signal.change == Change::Live {
                let ty = column["type"].as_str().unwrap();
                let want = if signal.unit == "minor units" {
                    "Nullable(Int64)"
                } else {
                    "Nullable(Float64)"
                };
                assert_eq!(ty, want, "{} of {view}", signal.name);
            }
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
    let simulated =
        Plan { clock: Clock::Simulated { origin_ms: START, speed: 60.0 }, ..plans::plan() };
    let customer = |shard: i64, as_of: i64| -> Values {
        let row = Row { id: format!("s{shard}"), as_of, t_born: as_of, ..Row::default() };
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
        ledger(2, "web", 1, (0, 10), None),
    ];
    let gap = vec![
        ("shard", 1.into()),
        ("source", "web".into()),
        ("offset_from", 120.into()),
        ("offset_to", 150.into()),
    ];
    let blocks = [block(Table::Gaps, &[gap]), block(Table::Ledger, &ledger)];
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
    assert_eq!(names.map(|n| of(1, n)), [0, 10, 9, 1, 0, 0, 0]);
    assert_eq!(rows[0]["complete_to"], "2026-01-01 00:00:00.005");
    assert!(rows[1]["complete_to"].is_null());
    assert_eq!(engine.number("SELECT sum(consumed) FROM retain.ledger").await, 52);
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
