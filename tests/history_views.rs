//! The views on the history of customers on the real engine: against plain sums over invented days in a zone far from UTC,
//! and against the real CDNOW purchases themselves.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/cdnow.rs"]
mod cdnow;
#[path = "support/engine.rs"]
mod engine;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rows.rs"]
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use engine::Engine;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use random::Random;
use retain::flow::carry::Block;
use retain::model::table::{Table, version};
use retain::plan::{Clock, Plan};
use retain::shell::migrate::{Retention, migrate};
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use rows::{V, Values, block};
use serde_json::Value;

const DAY: i64 = 86_400_000;

async fn engine_with(plan: &Plan, blocks: &[Block]) -> Engine {
    let engine = Engine::start();
    let kept = Retention { events_days: 0, ledger_days: 0, history_days: 0 };
    migrate(&engine.client(), plan, &Databases::new("retain", 1).unwrap(), kept).await.unwrap();
    Sink::new(engine.client(), SinkOptions::new("retain_g1")).carry(blocks).await.unwrap();
    engine
}

fn float(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        number => number.as_f64().unwrap_or_else(|| panic!("{number} is not a number")),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

fn near(got: &Value, want: Option<f64>, what: &str) {
    assert_eq!(got.is_null(), want.is_none(), "{what}: {got}, not {want:?}");
    if let Some(want) = want {
        let got = float(got);
        assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "{what}: {got}, not {want}");
    }
}

/// How a customer stood at the end of a day.
#[derive(Clone, Debug)]
struct Stood {
    customer: String,
    day: Date,
    as_of: i64,
    owner: &'static str,
    region: &'static str,
    tier: &'static str,
    lifecycle: &'static str,
    first: Option<i64>,
    last: Option<i64>,
    minor: i64,
    opening: i64,
    activated: Option<i64>,
    /// Ratings: when and which.
    ratings: Vec<(i64, f64)>,
}

impl Stood {
    /// Sum and number of the ratings, faded by `at`.
    fn rated(&self, at: i64) -> (f64, f64) {
        let left = |ts: i64| 0.5_f64.powf((at - ts) as f64 / DAY as f64 / 180.0);
        let faded = self.ratings.iter().map(|(ts, y)| (left(*ts) * y, left(*ts)));
        faded.fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    }

    fn values(&self, version: u64) -> Values {
        let days = self.day.since(date(1970, 1, 1)).unwrap().get_days();
        let (sum, n) = self.rated(self.as_of);
        vec![
            ("customer_id", self.customer.as_str().into()),
            ("day", i64::from(days).into()),
            ("version", (version as i64).into()),
            ("as_of", self.as_of.into()),
            ("owner_id", self.owner.into()),
            ("region", self.region.into()),
            ("industry", "all the same".into()),
            ("tier", self.tier.into()),
            ("lifecycle", self.lifecycle.into()),
            ("t_first", self.first.into()),
            ("t_last", self.last.into()),
            ("revenue_minor", self.minor.into()),
            ("opening_minor", self.opening.into()),
            ("activated_at", self.activated.into()),
            ("csat_sum", sum.into()),
            ("csat_n", n.into()),
        ]
    }
}

/// Days of the zone of a plan.
fn day_of(plan: &Plan, ms: i64) -> Date {
    Timestamp::from_millisecond(ms).unwrap().to_zoned(plan.day_zone.clone()).date()
}

fn month_of(plan: &Plan, ms: i64) -> Date {
    day_of(plan, ms).first_of_month()
}

/// Invented lives: events at any moment, many in the last and first hours of months.
fn lives(plan: &Plan) -> Vec<Stood> {
    let begin = date(2024, 11, 3).to_zoned(TimeZone::UTC).unwrap().timestamp().as_millisecond();
    let mut all = Vec::new();
    for n in 0..90 {
        let mut r = Random::new(n);
        let mut now = begin + r.between(0, 200 * DAY);
        let mut stood = Stood {
            customer: format!("c{n:03}"),
            day: day_of(plan, now),
            as_of: now,
            owner: "",
            region: "",
            tier: "",
            lifecycle: "prospect",
            first: None,
            last: None,
            minor: 0,
            opening: 0,
            activated: None,
            ratings: Vec::new(),
        };
        if r.percent(20) {
            let first = now - r.between(40, 400) * DAY;
            (stood.first, stood.last) = (Some(first), Some(first + 20 * DAY));
            (stood.opening, stood.minor) = (70_000, 70_000);
        }
        let mut days: BTreeMap<Date, Stood> = BTreeMap::new();
        for _ in 0..r.below(40) {
            stood.as_of = now;
            stood.day = day_of(plan, now);
            match r.below(9) {
                0..3 => {
                    stood.minor += r.between(1, 9_000);
                    if stood
                        .first
                        .is_some_and(|first| stood.activated.is_none() && now > first + 60 * DAY)
                    {
                        stood.activated = Some(now - 3_600_000);
                    }
                    stood.first = stood.first.or(Some(now));
                    stood.last = Some(now);
                    stood.lifecycle = "active";
                }
                3 => stood.minor -= r.between(1, 2_000),
                4 => stood.owner = *r.pick(&["ann", "bob", ""]),
                5 => stood.region = *r.pick(&["north", "south"]),
                6 => stood.ratings.push((now, r.below(5) as f64 / 4.0)),
                _ if stood.first.is_some() => {
                    stood.lifecycle =
                        *r.pick(&["slipping", "dormant", "lost", "lost", "active", "won_back"]);
                }
                _ => {}
            }
            if stood.first.is_some() && r.percent(25) {
                stood.tier = *r.pick(&["gold", "iron", "lead"]);
            }
            days.insert(stood.day, stood.clone());
            now += *r.pick(&[1_000, DAY / 24, 3 * DAY, 20 * DAY, 45 * DAY]);
        }
        all.extend(days.into_values());
    }
    all
}

/// A zone in which months begin five hours after those of UTC.
fn plan() -> Plan {
    let zone = "America/New_York";
    let day_zone = TimeZone::get(zone).unwrap();
    Plan { day_zone, day_zone_name: zone.to_owned(), ..plans::plan() }
}

/// An engine with all days, some of them also as they stood at noon, in an older version.
async fn engine_of(plan: &Plan, lives: &[Stood]) -> Engine {
    let mut values: Vec<Values> = lives.iter().map(|s| s.values(version(1, 9))).collect();
    for stood in lives.iter().step_by(3) {
        let noon = Stood { minor: 1 << 40, lifecycle: "lost", ..stood.clone() };
        values.push(noon.values(version(1, 8)));
    }
    let mut gone = lives[0].values(version(1, 9));
    gone.retain(|(name, _)| *name != "customer_id");
    gone.extend([("customer_id", "gone".into()), ("is_deleted", V::I(1))]);
    values.push(gone);
    engine_with(plan, &[block(Table::CustomerHistory, &values)]).await
}

fn by_customer(lives: &[Stood]) -> BTreeMap<&str, Vec<&Stood>> {
    let mut map: BTreeMap<&str, Vec<&Stood>> = BTreeMap::new();
    lives.iter().for_each(|s| map.entry(&s.customer).or_default().push(s));
    map
}

/// How a customer stood at the end of a day.
fn at<'a>(days: &[&'a Stood], day: Date) -> Option<&'a Stood> {
    days.iter().rev().find(|s| s.day <= day).copied()
}

fn own(stood: Option<&Stood>) -> i64 {
    stood.map_or(0, |s| s.minor - s.opening)
}

#[tokio::test]
async fn the_last_version_of_each_day_is_shown() {
    let plan = plan();
    let lives = lives(&plan);
    let engine = engine_of(&plan, &lives).await;
    let shown =
        engine.rows("SELECT * FROM retain.customer_history ORDER BY customer_id, day").await;
    assert_eq!(shown.len(), lives.len());
    for (row, stood) in shown.iter().zip(&lives) {
        assert_eq!(text(&row["customer_id"]), stood.customer);
        assert_eq!(text(&row["day"]), stood.day.to_string());
        assert_eq!(text(&row["lifecycle"]), stood.lifecycle);
        let (sum, n) = stood.rated(stood.as_of);
        let csat = (sum + 3.0 * plan.csat_prior) / (n + 3.0);
        near(&row["csat"], Some(csat), &format!("csat of {stood:?}"));
        near(&row["revenue_minor"], Some(stood.minor as f64), &format!("{stood:?}"));
    }
}

#[tokio::test]
async fn cohorts_are_those_of_the_first_purchase() {
    let plan = plan();
    let lives = lives(&plan);
    let engine = engine_of(&plan, &lives).await;
    let until = lives.iter().map(|s| s.day.first_of_month()).max().unwrap();
    // customers, who bought, revenue
    let mut want: BTreeMap<(Date, Date), (i64, i64, i64)> = BTreeMap::new();
    for days in by_customer(&lives).values() {
        let Some(first) = days.last().unwrap().first else { continue };
        let cohort = month_of(&plan, first);
        let mut month = cohort;
        while month <= until {
            let cell = want.entry((cohort, month)).or_default();
            let of_month = |s: &&&Stood| s.day.first_of_month() == month;
            let bought = |s: &Stood| s.last.is_some_and(|last| month_of(&plan, last) == month);
            cell.0 += 1;
            cell.1 += i64::from(days.iter().filter(of_month).any(|s| bought(s)));
            cell.2 +=
                own(at(days, month.last_of_month())) - own(at(days, month.yesterday().unwrap()));
            month = month.checked_add(1.month()).unwrap();
        }
    }
    let shown = engine.rows("SELECT * FROM retain.cohort_retention").await;
    assert_eq!(shown.len(), want.len());
    assert!(want.len() > 100 && want.values().filter(|cell| cell.1 > 0).count() > 50);
    for row in &shown {
        let [cohort, month] =
            ["cohort", "month"].map(|name| text(&row[name]).parse::<Date>().unwrap());
        let (customers, bought, minor) = want[&(cohort, month)];
        let place = format!("{cohort} in {month}");
        near(&row["customers"], Some(customers as f64), &place);
        near(&row["bought"], Some(bought as f64), &place);
        near(&row["retention"], Some(bought as f64 / customers as f64), &place);
        near(&row["revenue_minor"], Some(minor as f64), &place);
        let age = (month.year() - cohort.year()) * 12 + i16::from(month.month() - cohort.month());
        near(&row["age_months"], Some(age.into()), &place);
    }
}

#[tokio::test]
async fn customers_move_between_tiers() {
    let plan = plan();
    let lives = lives(&plan);
    let engine = engine_of(&plan, &lives).await;
    let tiers = ["lead", "iron", "gold"];
    for (from, to) in [
        (date(2024, 1, 1), date(2025, 6, 30)),
        (date(2025, 3, 1), date(2025, 3, 31)),
        (date(2025, 1, 1), date(2030, 1, 1)),
        (date(2025, 5, 5), date(2025, 5, 5)),
    ] {
        let mut want: BTreeMap<[&str; 3], (i64, i64)> = BTreeMap::new();
        for days in by_customer(&lives).values() {
            let Some(after) = at(days, to) else { continue };
            let before = at(days, from);
            let (a, b) = (before.map_or("", |s| s.tier), after.tier);
            let rank = |tier: &str| tiers.iter().position(|t| *t == tier);
            let word = match (rank(a), rank(b)) {
                (a, b) if a == b => "same",
                (None, _) => "in",
                (_, None) => "out",
                (a, b) => {
                    if b > a {
                        "up"
                    } else {
                        "down"
                    }
                }
            };
            let cell = want.entry([a, b, word]).or_default();
            *cell = (cell.0 + 1, cell.1 + own(Some(after)) - own(before));
        }
        let sql = format!("SELECT * FROM retain.tier_migration(from = '{from}', to = '{to}')");
        let shown = engine.rows(&sql).await;
        assert_eq!(shown.len(), want.len(), "{shown:?} {want:?}");
        for row in &shown {
            let place = ["from_tier", "to_tier", "move"].map(|name| text(&row[name]));
            let (customers, minor) = want[&place.each_ref().map(String::as_str)];
            near(&row["customers"], Some(customers as f64), &format!("{place:?} {from} {to}"));
            near(&row["revenue_minor"], Some(minor as f64), &format!("{place:?} {from} {to}"));
            assert_eq!(row["from_tier"].is_null(), place[0].is_empty());
        }
    }
}

#[tokio::test]
async fn who_was_active_is_lost_at_a_rate() {
    let plan = plan();
    let lives = lives(&plan);
    let engine = engine_of(&plan, &lives).await;
    for (from, to) in [(date(2025, 3, 1), date(2026, 3, 1)), (date(2025, 6, 1), date(2025, 12, 1))]
    {
        // customers, lost of them, active, lost of those
        let mut want: BTreeMap<(&str, &str), [f64; 4]> = BTreeMap::new();
        for days in by_customer(&lives).values() {
            let Some(start) = at(days, from) else { continue };
            if ["prospect", "lost"].contains(&start.lifecycle) {
                continue;
            }
            let lost = days.iter().any(|s| s.day > from && s.day <= to && s.lifecycle == "lost");
            let active = start.lifecycle == "active";
            let counted = [true, lost, active, active && lost];
            for place in [
                ("all", ""),
                ("region", start.region),
                ("industry", "all the same"),
                ("segment", ""),
                ("owner_id", start.owner),
                ("tier", start.tier),
            ] {
                let cell = want.entry(place).or_default();
                cell.iter_mut().zip(counted).for_each(|(n, yes)| *n += f64::from(u8::from(yes)));
            }
        }
        let sql = format!("SELECT * FROM retain.churn_rate(from = '{from}', to = '{to}')");
        let shown = engine.rows(&sql).await;
        assert_eq!(shown.len(), want.len(), "{shown:?}");
        assert!(want[&("all", "")].iter().all(|n| *n > 0.0), "{want:?}");
        for row in &shown {
            let (dimension, value) = (text(&row["dimension"]), text(&row["value"]));
            let [customers, lost, active, both] = want[&(dimension.as_str(), value.as_str())];
            let place = format!("{dimension} {value:?} {from} {to}");
            near(&row["customers"], Some(customers), &place);
            near(&row["customers_lost"], Some(lost), &place);
            near(&row["loss_rate"], Some(lost / customers), &place);
            near(&row["active"], Some(active), &place);
            near(&row["active_lost"], Some(both), &place);
            near(&row["churn_rate"], (active > 0.0).then(|| both / active), &place);
        }
    }
}

/// The figures of an owner and month, in the order of the view's columns.
type OwnerMonth = (i64, i64, i64, f64, f64);

#[tokio::test]
async fn months_of_owners_are_those_of_their_customers() {
    let plan = plan();
    let lives = lives(&plan);
    let engine = engine_of(&plan, &lives).await;
    // customers, revenue, activated, sum of ratings, number
    let mut want: BTreeMap<(&str, Date), OwnerMonth> = BTreeMap::new();
    for days in by_customer(&lives).values() {
        let months: BTreeSet<Date> = days.iter().map(|s| s.day.first_of_month()).collect();
        for month in months {
            let (end, before) =
                (at(days, month.last_of_month()).unwrap(), at(days, month.yesterday().unwrap()));
            let cell = want.entry((end.owner, month)).or_default();
            cell.0 += 1;
            cell.1 += own(Some(end)) - own(before);
            let was = before.is_some_and(|s| s.activated.is_some());
            cell.2 += i64::from(end.activated.is_some() && !was);
            for rating in end.ratings.iter().filter(|r| day_of(&plan, r.0) >= month) {
                let left = 0.5_f64.powf((end.as_of - rating.0) as f64 / DAY as f64 / 180.0);
                (cell.3, cell.4) = (cell.3 + left * rating.1, cell.4 + left);
            }
        }
    }
    let shown = engine.rows("SELECT * FROM retain.owner_months").await;
    assert_eq!(shown.len(), want.len());
    let total = |of: &dyn Fn(&OwnerMonth) -> f64| want.values().map(of).sum::<f64>();
    assert!(total(&|c| c.2 as f64) > 5.0 && total(&|c| c.4) > 50.0);
    for row in &shown {
        let (owner, month) = (text(&row["owner_id"]), text(&row["month"]).parse::<Date>().unwrap());
        let place = format!("{owner:?} in {month}");
        let of = |month: Date| {
            let key = ["", "ann", "bob"].into_iter().find(|o| *o == owner).unwrap();
            want.get(&(key, month))
        };
        let (customers, minor, activated, sum, n) = *of(month).unwrap();
        let before = of(month.checked_sub(1.month()).unwrap()).map_or(0, |cell| cell.1);
        near(&row["customers"], Some(customers as f64), &place);
        near(&row["revenue_minor"], Some(minor as f64), &place);
        near(&row["revenue_change_minor"], Some((minor - before) as f64), &place);
        near(&row["activated"], Some(activated as f64), &place);
        near(&row["csat_n"], Some(n), &place);
        near(&row["csat"], (n > 0.0).then(|| sum / n), &place);
    }
}

#[tokio::test]
async fn cohorts_of_cdnow_are_those_of_its_purchases() {
    let purchases = cdnow::purchases();
    let end_ms = purchases.iter().map(|p| p.ts).max().unwrap() + 3 * DAY;
    let clock = Clock::Simulated { origin_ms: purchases[0].ts, speed: 1.0, fast_until_ms: None };
    let plan = Plan { clock, disorder_ms: DAY, skew_max_ms: DAY, ..plans::plan() };
    let blocks = cdnow::through_the_machine(&plan, &purchases, end_ms);
    let engine = engine_with(&plan, &blocks).await;

    let mut first: BTreeMap<&str, Date> = BTreeMap::new();
    for p in &purchases {
        let month = month_of(&plan, p.ts);
        first.entry(&p.customer).and_modify(|first| *first = month.min(*first)).or_insert(month);
    }
    let mut bought: BTreeMap<(Date, Date), (BTreeSet<&str>, i64)> = BTreeMap::new();
    for p in &purchases {
        let cell = bought.entry((first[p.customer.as_str()], month_of(&plan, p.ts))).or_default();
        cell.0.insert(&p.customer);
        cell.1 += p.minor;
    }
    let shown = engine.rows("SELECT * FROM retain.cohort_retention WHERE bought > 0").await;
    assert_eq!(shown.len(), bought.len());
    for row in &shown {
        let [cohort, month] =
            ["cohort", "month"].map(|name| text(&row[name]).parse::<Date>().unwrap());
        let (who, minor) = &bought[&(cohort, month)];
        let place = format!("{cohort} in {month}");
        let customers = first.values().filter(|first| **first == cohort).count();
        near(&row["customers"], Some(customers as f64), &place);
        near(&row["bought"], Some(who.len() as f64), &place);
        near(&row["revenue_minor"], Some(*minor as f64), &place);
    }
    // three cohorts, 19 months: January 1997 to July 1998, in which nobody bought but time has passed to
    let cohorts: BTreeSet<Date> = first.values().copied().collect();
    assert_eq!(cohorts.len(), 3);
    assert_eq!(engine.number("SELECT count() FROM retain.cohort_retention").await, 19 + 18 + 17);
    let total: i64 = purchases.iter().map(|p| p.minor).sum();
    let sums = ["cohort_retention", "customer_months", "owner_months"];
    for view in sums {
        let sql = format!("SELECT sum(revenue_minor) FROM retain.{view}");
        assert_eq!(engine.number(&sql).await, total, "{view}");
    }
}
