//! What was worth a contact, recomputed plainly: each proposal is held against the rules at its moment and just before it, and
//! on a dense grid nothing may be worth a contact that was not proposed.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use retain::plan::Plan;
use retain::signal::lifecycle::{Bands, Lifecycle, Step, next};
use retain::signal::silence::History;
use xxhash_rust::xxh3::xxh3_64;

use super::judged::rate;
use super::{Customer, Event, Expected, applied, customer};
use crate::plans::repurchase;
use crate::rowbinary::Row;
use crate::sim::Log;

const DAY_MS: i64 = 86_400_000;
const GOALS: [&str; 6] =
    ["cross_sell", "up_sell", "retention", "acquisition", "win_back", "after_sale"];

/// Why, what it is worth, until when, which category.
type Worth = (&'static str, f64, i64, String);

/// A customer between two events.
struct Stretch<'a> {
    plan: &'a Plan,
    events: &'a [&'a Event],
    c: Customer,
    /// The lifecycle at the last event.
    lifecycle: Lifecycle,
    /// Whether the value was among the best at every event since money last moved.
    valuable: bool,
}

fn day(days: f64) -> i64 {
    (days * DAY_MS as f64).round() as i64
}

impl Stretch<'_> {
    fn int(&self, name: &str) -> Option<i64> {
        self.c.ints[name].map(|n| n as i64)
    }

    fn history(&self) -> Option<(i64, History)> {
        let first = self.int("t_first")?;
        let x = u32::try_from(self.int("n_days")? - 1).ok()?;
        let span = (self.int("t_last")? - first) as f64 / DAY_MS as f64;
        Some((first, History { x, t_x_d: if x == 0 { 0.0 } else { span } }))
    }

    fn p_silent(&self, horizon_d: f64, tau_ms: i64) -> Option<f64> {
        let (first, history) = self.history()?;
        let age_d = ((tau_ms - first) as f64 / DAY_MS as f64).max(history.t_x_d);
        Some(repurchase(self.plan).p_silent_rising(history, age_d, horizon_d))
    }

    fn step(&self, before: Lifecycle, tau_ms: i64, step: Step) -> Lifecycle {
        let b = self.plan.bands;
        let bands = Bands {
            slipping: b.slipping,
            dormant: b.dormant,
            lost: b.lost,
            hysteresis: b.hysteresis,
        };
        let x = self.history().map(|(_, h)| h.x);
        next(before, self.p_silent(90.0, tau_ms).unwrap_or(1.0), x, step, &bands)
    }

    fn lifecycle_at(&self, tau_ms: i64) -> Lifecycle {
        self.step(self.lifecycle, tau_ms, Step::Time)
    }

    fn suppressed(&self, tau_ms: i64) -> bool {
        let o = &self.plan.parameters.opportunities;
        let age_ms = tau_ms - self.int("streamed_from").unwrap();
        let pressure = 7.0 * rate(self.c.sum("outbound_7", tau_ms), 7.0, age_ms);
        !o.consent
            || self.int("opted_out") == Some(1)
            || self.int("open_complaints") > Some(0)
            || pressure > o.pressure_max
    }

    fn worth(&self, goal: &str, tau_ms: i64) -> Option<Worth> {
        match goal {
            "cross_sell" => self.cross_sell(tau_ms),
            "up_sell" => self.up_sell(tau_ms),
            "retention" => self.retention(tau_ms),
            "acquisition" => self.acquisition(tau_ms),
            "after_sale" => self.after_sale(tau_ms),
            // without tiers nobody was ever valued
            _ => None,
        }
    }

    fn cross_sell(&self, tau_ms: i64) -> Option<Worth> {
        (self.lifecycle_at(tau_ms) == Lifecycle::Active).then_some(())?;
        let o = &self.plan.parameters.opportunities;
        let items = self.events.iter().filter(|e| e.kind == "purchase");
        let items = items.flat_map(|e| e.json["items"].as_array()).flatten();
        let bought: BTreeSet<&str> = items.filter_map(|item| item["category"].as_str()).collect();
        let lifts: Vec<_> = o
            .lifts
            .iter()
            .filter(|l| l.lift >= o.lift_min && f64::from(l.co_buyers) >= o.co_buyers_min)
            .filter(|l| bought.contains(&*l.given) && !bought.contains(&*l.category))
            .collect();
        let mean = self.c.mean_minor(self.plan)? / 100.0;
        let views = self.c.intents.iter().map(|(name, sum)| (sum.at(tau_ms).0, name));
        let top = views.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(sum, _)| *sum >= o.intent);
        if let Some((_, name)) = top {
            let told = lifts.iter().filter(|l| l.category == *name).map(|l| l.p_buy);
            let p = told.reduce(f64::max).unwrap_or(o.p_buy);
            return Some(("category_intent", p * mean, i64::MAX, name.clone()));
        }
        let most = lifts.iter().map(|l| l.p_buy).reduce(f64::max)?;
        let best = lifts.iter().find(|l| l.p_buy == most)?;
        Some(("category_lift", most * mean, i64::MAX, best.category.clone()))
    }

    fn up_sell(&self, tau_ms: i64) -> Option<Worth> {
        let o = &self.plan.parameters.opportunities;
        let at = |name: &str| self.c.sum(name, self.c.last_ms);
        let mean = |days: &str| at(&format!("gross_{days}")) / at(&format!("orders_{days}"));
        let (short, long) = (mean("60"), mean("365"));
        let grows = self.int("orders") >= Some(4) && (short / long).ln() >= o.order_trend_min;
        let n = self.c.sum("csat_n_180", tau_ms);
        let csat = (self.c.sum("csat_180", tau_ms) + 3.0 * self.plan.csat_prior) / (n + 3.0);
        if self.c.all.contains_key("csat_n_180") && csat < o.csat_min {
            return None;
        }
        if grows {
            return Some(("orders_grow", (short - long) / 100.0, i64::MAX, String::new()));
        }
        let since = self.int("usage_high_since")?;
        let worth = o.plan_step * self.c.mean_minor(self.plan)? / 100.0;
        let lasts = tau_ms - since >= day(o.usage_d);
        lasts.then_some(("usage_near_limit", worth, i64::MAX, String::new()))
    }

    fn retention(&self, tau_ms: i64) -> Option<Worth> {
        let o = &self.plan.parameters.opportunities;
        let risk = self.c.risk(self.plan, tau_ms)?.score;
        let clv = self.c.values(self.plan, tau_ms)?.2?;
        let worth = risk >= o.risk_min && clv >= o.clv_top_from;
        worth.then_some(("at_risk", risk * clv, i64::MAX, String::new()))
    }

    fn acquisition(&self, tau_ms: i64) -> Option<Worth> {
        let o = &self.plan.parameters.opportunities;
        let Some((first, history)) = self.history() else {
            let views: f64 = self.c.intents.values().map(|sum| sum.at(tau_ms).0).sum();
            let intent = views + o.search_weight * self.c.sum("searches_90", tau_ms);
            let worth = 1.0 - (-intent / o.prospect_intent).exp();
            return (intent >= o.prospect_intent).then_some((
                "prospect_intent",
                worth,
                i64::MAX,
                String::new(),
            ));
        };
        let gaps = self.plan.parameters.regularity;
        let (from, to) = (first + day(gaps.first_gap_p25_d), first + day(gaps.first_gap_p75_d));
        let due = history.x == 0 && from <= tau_ms && tau_ms <= to;
        let worth = 1.0 - self.p_silent(30.0, tau_ms)?;
        due.then_some(("second_purchase_due", worth, to + 1, String::new()))
    }

    fn after_sale(&self, tau_ms: i64) -> Option<Worth> {
        let o = &self.plan.parameters.opportunities;
        let now = |from: i64| {
            let end = from + day(o.follow_up_d);
            (from <= tau_ms && tau_ms < end).then_some(end)
        };
        let none = String::new;
        if let Some(end) = self.closed().and_then(|at| now(at + day(o.complaint_d))) {
            return Some(("complaint_closed", 0.0, end, none()));
        }
        let due = |at: &i64| now(at + day(o.rating_d)).is_some();
        if let Some(at) = self.unrated().into_iter().filter(due).min() {
            return Some(("not_rated", 0.0, now(at + day(o.rating_d)).unwrap(), none()));
        }
        let (gap_d, k) = self.c.rhythm(self.plan).filter(|r| r.1 >= o.refill_k_min)?;
        let wait_ms = (o.refill_share * gap_d * DAY_MS as f64).ceil() as i64;
        let _ = k;
        now(self.int("t_last")? + wait_ms).map(|end| ("refill_due", 0.0, end, none()))
    }

    /// When the last complaint was closed that is not open.
    fn closed(&self) -> Option<i64> {
        let mut tickets: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
        for e in self.events.iter().filter(|e| e.kind == "support") {
            tickets.entry(e.text("ticket_id")).or_default().push(e);
        }
        let last = |t: &[&Event], actions: &[&str]| {
            t.iter().filter(|e| actions.contains(&e.text("action"))).map(|e| e.ts_ms).max()
        };
        let closed = tickets.values().filter(|t| t.iter().any(|e| e.text("kind") == "complaint"));
        closed
            .filter(|t| last(t, &["opened", "reopened"]) <= last(t, &["resolved"]))
            .filter_map(|t| last(t, &["resolved"]))
            .max()
    }

    /// When orders came that nobody rated afterwards.
    fn unrated(&self) -> Vec<i64> {
        let mut orders: BTreeMap<&str, i64> = BTreeMap::new();
        for e in self.events.iter().filter(|e| e.kind == "delivery") {
            if let Some(said) = e.json["delivered"].as_str() {
                let at = super::catalogue::moment(said).min(e.ts_ms);
                let held = orders.entry(e.text("order_id")).or_insert(at);
                *held = (*held).max(at);
            }
        }
        let rated = self.int("nps_at");
        orders.into_values().filter(|at| rated.is_none_or(|rated| rated < *at)).collect()
    }

    fn is_valuable(&self, tau_ms: i64) -> bool {
        let top = self.plan.parameters.opportunities.clv_top_from;
        self.c.values(self.plan, tau_ms).and_then(|values| values.2).is_some_and(|clv| clv >= top)
    }

    /// A value that rises among the best by itself, as costs to serve fade, has no due, and an event that moves neither
    /// money nor risk is no moment to look at it: it must have been there since money last moved.
    fn waited_for(&self, goal: &str, tau_ms: i64) -> bool {
        let mut since = (self.c.last_ms..=tau_ms).step_by(DAY_MS as usize / 4);
        goal != "retention" || self.valuable && since.all(|ms| self.is_valuable(ms))
    }

    /// Whether a goal is worth a contact, whatever was proposed before.
    fn open(&self, goal: &str, tau_ms: i64) -> Option<Worth> {
        self.worth(goal, tau_ms).filter(|_| !self.suppressed(tau_ms))
    }
}

/// The stretches between the events of a customer, and when each ends.
fn stretches<'a>(
    plan: &'a Plan,
    events: &'a [&'a Event],
    until_ms: i64,
) -> Vec<(i64, i64, Stretch<'a>)> {
    let mut all: Vec<(i64, i64, Stretch<'a>)> = Vec::new();
    let mut last_day = i64::MIN;
    for n in 1..=events.len() {
        let (e, c) = (events[n - 1], customer(plan, &events[..n]));
        let events_then = &events[..n];
        let lifecycle = Lifecycle::Prospect;
        let mut stretch = Stretch { plan, events: events_then, c, lifecycle, valuable: false };
        let before = all.last().map_or(Lifecycle::Prospect, |(_, _, s)| s.lifecycle_at(e.ts_ms));
        let day = super::catalogue::day_of(plan, e.ts_ms);
        let bought = e.kind == "purchase" && day > last_day;
        let money = ["purchase", "refund", "opening"].contains(&e.kind.as_str());
        stretch.lifecycle = match (money, bought) {
            (true, true) => stretch.step(before, e.ts_ms, Step::Bought),
            (true, false) => stretch.step(before, e.ts_ms, Step::Time),
            _ => before,
        };
        // before the event and with it
        let stayed = || all.last().is_some_and(|(_, _, s)| s.waited_for("retention", e.ts_ms));
        stretch.valuable = (money || stayed()) && stretch.is_valuable(e.ts_ms);
        if e.kind == "purchase" {
            last_day = last_day.max(day);
        } else if e.kind == "opening" {
            let said = crate::spelling::time_of(e.text("t_last"));
            last_day = last_day.max(super::catalogue::day_of(plan, said));
        }
        let to_ms = events.get(n).map_or(until_ms, |e| e.ts_ms);
        all.push((e.ts_ms, to_ms, stretch));
    }
    all
}

/// Holds the rows of a shard against the rules, on a grid of `grid_ms`. Events must come in their order, and no two of a
/// customer in one millisecond: the first of them would be judged with the last. Returns how many customers there are, and
/// how many rows of each reason, and how many of them no event brought.
pub fn check(
    plan: &Plan,
    logs: &[Log],
    rows: &[&Row],
    (grid_ms, until_ms): (i64, i64),
    seed: &str,
) -> (usize, BTreeMap<String, [usize; 2]>) {
    let mut expected = Expected {
        counts: vec![[0; 5]; logs.len()],
        id_hashes: vec![0; logs.len()],
        ..Expected::default()
    };
    let mut by: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by.entry((row.text("customer_id"), row.text("goal"))).or_default().push(row);
    }
    by.values_mut().for_each(|rows| rows.sort_by_key(|row| row.int("proposed_at")));
    let mut seen = BTreeMap::new();
    let cooldown_ms = day(plan.parameters.opportunities.cooldown_d);
    let customers = applied(plan, (0, 1), logs, &mut expected);
    for (id, events) in &customers {
        let mut events: Vec<&Event> = events.iter().collect();
        events.sort_by_key(|e| e.stamp());
        let stretches = stretches(plan, &events, until_ms);
        for goal in GOALS {
            let rows = by.remove(&(id, goal)).unwrap_or_default();
            let at: Vec<i64> = rows.iter().map(|row| row.int("proposed_at") as i64).collect();
            let place = format!("{goal} of {id}, {seed}, proposed at {at:?}");
            assert!(at.windows(2).all(|w| w[1] - w[0] >= cooldown_ms), "{place}");
            for (row, tau_ms) in rows.iter().zip(&at) {
                let by_event = check_row(plan, &stretches, goal, row, &at, &place);
                let count: &mut [usize; 2] = seen.entry(row.text("reason").to_owned()).or_default();
                count[0] += 1;
                count[1] += usize::from(!by_event);
                assert!(*tau_ms <= until_ms, "{place}");
            }
            for (from, to, stretch) in &stretches {
                check_grid(stretch, goal, (*from, *to, grid_ms), &at, &place);
            }
        }
    }
    assert!(by.is_empty(), "{:?}", by.keys());
    (customers.len(), seen)
}

/// One row, and that it could not have been sooner. Whether an event brought it.
fn check_row(
    plan: &Plan,
    stretches: &[(i64, i64, Stretch<'_>)],
    goal: &str,
    row: &Row,
    all: &[i64],
    place: &str,
) -> bool {
    let tau_ms = row.int("proposed_at") as i64;
    let o = &plan.parameters.opportunities;
    let cooldown_ms = day(o.cooldown_d);
    let last = stretches.partition_point(|(from, ..)| *from <= tau_ms).checked_sub(1);
    let (from, _, stretch) = &stretches[last.unwrap()];
    let Some((reason, score, end, category)) = stretch.open(goal, tau_ms) else {
        panic!("nothing is worth a contact at {tau_ms}: {place}");
    };
    assert_eq!((row.text("reason"), row.text("category")), (reason, &*category), "{place}");
    let got = row.float("score");
    assert!((got - score).abs() <= 1e-9 * score.abs().max(1.0), "{got}, not {score}: {place}");
    let until = end.min(tau_ms + cooldown_ms);
    assert_eq!(row.int("expires_at") as i64, until, "{place}");
    let id = row.text("customer_id");
    let held = ((xxh3_64(id.as_bytes()) >> 32) % 10_000) as f64 / 100.0 < o.holdout_percent;
    assert_eq!(row.int("held_out"), i128::from(held), "{place}");
    for name in ["account_id", "owner_id", "region"] {
        assert_eq!(row.text(name), stretch.c.texts[name], "{name}: {place}");
    }
    assert_eq!((row.text("tier"), row.int("is_deleted"), row.int("shard")), ("", 0, 0), "{place}");
    assert_eq!(row.text("lifecycle"), stretch.lifecycle_at(tau_ms).name(), "{place}");
    let near = |name: &str, want: Option<f64>| {
        let got = row.maybe_float(name);
        assert_eq!(got.is_some(), want.is_some(), "{name}: {place}");
        let (got, want) = (got.unwrap_or(0.0), want.unwrap_or(0.0));
        assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "{name} {got} {want}: {place}");
    };
    near("risk", stretch.c.risk(plan, tau_ms).map(|risk| risk.score));
    near("clv", stretch.c.values(plan, tau_ms).and_then(|values| values.2));
    if *from == tau_ms {
        return true;
    }
    // the risk is exact to a second
    let before_ms = tau_ms - if goal == "retention" { 1_000 } else { 1 };
    let rested = all.iter().all(|at| *at >= tau_ms || before_ms - at >= cooldown_ms);
    let sooner = before_ms >= *from
        && rested
        && stretch.open(goal, before_ms).is_some()
        && stretch.waited_for(goal, before_ms);
    assert!(!sooner, "it was worth it before {tau_ms}: {place}");
    false
}

/// Whatever is worth a contact was proposed, and rests since then.
fn check_grid(
    stretch: &Stretch<'_>,
    goal: &str,
    (from, to, grid_ms): (i64, i64, i64),
    all: &[i64],
    place: &str,
) {
    let cooldown_ms = day(stretch.plan.parameters.opportunities.cooldown_d);
    let mut tau_ms = from;
    while tau_ms < to {
        let rests = all.iter().any(|at| *at <= tau_ms && tau_ms - at < cooldown_ms);
        if !rests
            && (goal != "retention" || stretch.valuable)
            && let Some(worth) = stretch.open(goal, tau_ms)
            && stretch.waited_for(goal, tau_ms)
        {
            panic!("{worth:?} was not proposed by {tau_ms} (stretch {from} to {to}): {place}");
        }
        tau_ms += grid_ms;
    }
}
