//! Dues are exact, on the real purchases of the CDNOW sample and on made-up ones: time passes by hours, every customer's lifecycle, band of the
//! risk and place among the tiers is told anew from its purchases alone at dense moments, and each change is searched to the
//! millisecond. What the machine's rows say changed then, to a second, and within the hour; and nothing else changed.
//!
//! `make test` looks every six hours, and by minutes around each change and purchase; `make soak` every quarter of an hour.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/cdnow.rs"]
mod cdnow;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/purchases_only.rs"]
mod purchases_only;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/sim.rs"]
mod sim;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cdnow::{Purchase, purchases};
use purchases_only::{Judge, Known, Signal};
use random::Random;
use retain::plan::{ModelKind, Plan, WeightSet};
use retain::signal::lifecycle::Lifecycle;
use retain::signal::tier_moves::{Abc, DWELL_MS, Decision, Place, Tier, Waiting, decide, wanted};
use retain::signal::tiers::{Bucket, Cuts, Histogram, POPULATION_MIN, Shares, ln_of};
use rowbinary::Row;
use sim::{Log, Runner, Schedule};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How far apart the moment found and the row's may lie where time alone brought the change.
const NEAR_MS: i64 = 1_000;
/// How long time goes on after the last purchase.
const AFTER_MS: i64 = 400 * DAY_MS;
/// 2026-01-05, where made-up purchases begin.
const BEGIN_MS: i64 = 1_767_571_200_000;
/// Any fixed moment to which all spending is carried.
const LANDMARK_MS: i64 = 946_684_800_000;
/// Around what happens, besides the grid.
const AROUND_MS: [i64; 10] = [
    1,
    1_000,
    MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    20 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    4 * HOUR_MS,
];

/// Between looks away from what happens.
fn grid_ms() -> i64 {
    if std::env::var_os("RETAIN_SOAK").is_some() { HOUR_MS / 4 } else { 6 * HOUR_MS }
}

/// A level, and since when.
type Moves = Vec<(usize, i64)>;

/// What rows said of a customer.
#[derive(Default)]
struct Seen {
    lifecycle: Moves,
    risk: Moves,
    place: Option<(Place, i64)>,
}

/// Where a customer stands among the tiers, told from its purchases and the cut-offs in force.
#[derive(Clone, Copy)]
struct Standing {
    value_ln: f64,
    place: Option<Place>,
    waiting: Option<Waiting>,
    since_ms: i64,
}

impl Standing {
    fn judge(&mut self, cuts: Option<&Cuts>, at_ms: i64) {
        let Some(cuts) = cuts else { return };
        let wants = wanted(self.place, self.value_ln, cuts);
        match decide(self.place, self.waiting, wants, at_ms, DWELL_MS) {
            Decision::Keep => self.waiting = None,
            Decision::Wait { waiting, .. } => self.waiting = Some(waiting),
            Decision::Move { to } => {
                (self.place, self.waiting, self.since_ms) = (Some(to), None, at_ms);
            }
        }
    }

    /// A dwell time that ends by `until_ms`.
    fn confirm(&mut self, cuts: Option<&Cuts>, until_ms: i64) -> bool {
        let due_ms = self.waiting.map(|waiting| waiting.since_ms + DWELL_MS);
        let Some(due_ms) = due_ms.filter(|due_ms| *due_ms <= until_ms) else { return false };
        self.judge(cuts, due_ms);
        true
    }
}

/// Logarithm of what was spent, forgotten with a half-life of 180 days, at the landmark.
fn value_ln(bought: &[(i64, i64)]) -> f64 {
    let lambda = std::f64::consts::LN_2 / 180.0;
    let last_ms = bought[bought.len() - 1].0;
    let days = |ms: i64| ms as f64 / DAY_MS as f64;
    let sum = bought.iter().map(|(ms, minor)| *minor as f64 * (-lambda * days(last_ms - ms)).exp());
    ln_of(sum.sum()) + lambda * days(last_ms - LANDMARK_MS)
}

/// Everything that goes on, hour by hour.
struct Town<'a> {
    runner: Runner,
    bought: BTreeMap<&'a str, Vec<(i64, i64)>>,
    seen: BTreeMap<String, Seen>,
    standing: BTreeMap<String, Standing>,
    cuts: Option<Cuts>,
    version: u64,
    /// Moves of a place: at a purchase or by new cut-offs, and when a dwell time ended.
    moved: [usize; 2],
}

impl<'a> Town<'a> {
    fn new(plan: &Arc<Plan>, purchases: &'a [Purchase]) -> Self {
        let mut log = Log::default();
        let mut bought: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
        for p in purchases {
            bought.entry(&p.customer).or_default().push((p.ts, p.minor));
            let (key, value) = (p.customer.clone().into_bytes(), p.payload.clone().into_bytes());
            log.push(0, p.ts, Some(key), Some(value));
        }
        let logs = vec![log, Log::default(), Log::default()];
        // one cycle for what is bought in an hour; letters come when time passes
        let schedule = Schedule { cut_percent: 0, mail_percent: 0, ..Schedule::straight(1) };
        let mut runner = Runner::new(plan, 0, 1, logs, schedule);
        runner.visible = vec![0; 3];
        runner.shown = Some(Vec::new());
        Self {
            runner,
            bought,
            seen: BTreeMap::new(),
            standing: BTreeMap::new(),
            cuts: None,
            version: 0,
            moved: [0; 2],
        }
    }

    /// Everything up to `to_ms` comes, and time passes.
    fn pass_to(&mut self, to_ms: i64) {
        let from_ms = to_ms - HOUR_MS;
        let log = &self.runner.logs[0];
        let known = log.entries.partition_point(|entry| entry.kafka_ms <= to_ms);
        self.runner.visible[0] = log.entries.get(known).map_or(log.end, |entry| entry.offset);
        self.runner.drain();
        self.runner.pass_to(to_ms);
        assert_eq!(self.runner.machine.watermark_ms(), Some(to_ms));
        let shown = std::mem::take(self.runner.shown.as_mut().unwrap());
        shown.iter().for_each(|row| self.note(row, from_ms, to_ms));
        let changed = self.judge_tiers(from_ms, to_ms);
        for id in changed.into_iter().chain(shown.iter().map(|r| r.text("customer_id").to_owned()))
        {
            let (standing, seen) = (&self.standing[&id], &self.seen[&id]);
            let place = standing.place.map(|place| (place, standing.since_ms));
            assert_eq!(seen.place, place, "place of {id} in the hour up to {to_ms}");
        }
    }

    /// A row: what changed did so within the hour.
    fn note(&mut self, row: &Row, from_ms: i64, to_ms: i64) {
        let id = row.text("customer_id");
        let seen = self.seen.entry(id.to_owned()).or_default();
        let state = Lifecycle::ALL.iter().position(|state| state.name() == row.text("lifecycle"));
        let now = [
            (state.unwrap(), row.int("lifecycle_since") as i64),
            (row.int("risk_band") as usize, row.maybe_int("risk_since").unwrap() as i64),
        ];
        for (moves, now) in [&mut seen.lifecycle, &mut seen.risk].into_iter().zip(now) {
            if moves.last() != Some(&now) {
                let in_time = from_ms < now.1 && now.1 <= to_ms;
                assert!(in_time, "{id} is {now:?} in a row of the hour up to {to_ms}");
                moves.push(now);
            }
        }
        let since = row.maybe_int("tier_since").map(|ms| ms as i64);
        seen.place = place(row).zip(since);
        assert!(
            row.int("tier_version")
                <= i128::from(self.runner.machine.cut_offs().map_or(0, |c| c.version))
        );
    }

    /// Purchases and ends of dwell times in order, then the cut-offs that hold from the end of the hour on. Returns who moved.
    fn judge_tiers(&mut self, from_ms: i64, to_ms: i64) -> Vec<String> {
        let mut before = BTreeMap::new();
        let mut histogram_changed = false;
        for (id, bought) in &self.bought {
            let (first, last) = (
                bought.partition_point(|(ms, _)| *ms <= from_ms),
                bought.partition_point(|(ms, _)| *ms <= to_ms),
            );
            if first == last && self.standing.get(*id).is_none_or(|s| s.waiting.is_none()) {
                continue;
            }
            let new = Standing { value_ln: 0.0, place: None, waiting: None, since_ms: 0 };
            let standing = self.standing.entry((*id).to_owned()).or_insert(new);
            before.insert((*id).to_owned(), standing.place);
            for count in first + 1..=last {
                let at_ms = bought[count - 1].0;
                self.moved[1] += usize::from(standing.confirm(self.cuts.as_ref(), at_ms));
                standing.value_ln = value_ln(&bought[..count]);
                standing.judge(self.cuts.as_ref(), at_ms);
                histogram_changed = true;
            }
            self.moved[1] += usize::from(standing.confirm(self.cuts.as_ref(), to_ms));
        }
        if histogram_changed {
            self.check_cuts(to_ms);
        }
        let held = self.runner.machine.cut_offs();
        if let Some(held) = held.filter(|held| held.version != self.version) {
            assert_eq!((held.version, held.valid_from_ms), (self.version + 1, to_ms));
            self.version = held.version;
            let [iron, gold, key, a, b] =
                [held.iron, held.gold, held.key, held.a, held.b].map(Bucket::from_number);
            self.cuts = Some(Cuts { gold, iron, key, a, b });
            for (id, standing) in &mut self.standing {
                before.entry(id.clone()).or_insert(standing.place);
                standing.judge(self.cuts.as_ref(), to_ms);
            }
        }
        before.retain(|id, place| self.standing[id].place != *place);
        self.moved[0] += before.len();
        before.into_keys().collect()
    }

    /// The cut-offs in force are those of everybody's value.
    fn check_cuts(&self, to_ms: i64) {
        let mut histogram = Histogram::default();
        self.standing.values().for_each(|s| histogram.add(Bucket::of_ln(s.value_ln)));
        let held = self.runner.machine.cut_offs();
        assert_eq!(held.is_some(), histogram.population() >= POPULATION_MIN, "at {to_ms}");
        if let Some(held) = held {
            let [iron, gold, key, a, b] =
                [held.iron, held.gold, held.key, held.a, held.b].map(Bucket::from_number);
            let expected = Cuts::of(&histogram, &Shares::default());
            assert_eq!(Some(Cuts { gold, iron, key, a, b }), expected, "at {to_ms}");
        }
    }
}

fn place(row: &Row) -> Option<Place> {
    let tier = Tier::ALL.into_iter().find(|tier| tier.name() == row.text("tier"))?;
    let abc = Abc::ALL.into_iter().find(|abc| abc.name() == row.text("abc")).unwrap();
    Some(Place { tier, abc, key: row.int("key_customer") == 1 })
}

/// Levels, since when, and whether a purchase brought them, by looking at dense moments.
fn path(
    judge: &Judge,
    signal: Signal,
    bought: &[(i64, i64)],
    seen: &[(usize, i64)],
    until_ms: i64,
) -> Vec<(usize, i64, bool)> {
    let mut path = Vec::new();
    let mut level = None;
    for count in 1..=bought.len() {
        let known = Known::new(judge, &bought[..count]);
        let from_ms = bought[count - 1].0;
        let to_ms = bought.get(count).map_or(until_ms, |(ms, _)| *ms);
        let now = known.level(signal, level, from_ms, true);
        if level != Some(now) {
            path.push((now, from_ms, true));
        }
        let mut now = now;
        let mut low_ms = from_ms;
        for at_ms in looks(from_ms, to_ms, seen) {
            // the next purchase finds what time has brought by then
            while known.level(signal, Some(now), at_ms, false) != now {
                let (mut low, mut high) = (low_ms, at_ms);
                while high - low > 1 {
                    let middle = low + (high - low) / 2;
                    match known.level(signal, Some(now), middle, false) == now {
                        true => low = middle,
                        false => high = middle,
                    }
                }
                now = known.level(signal, Some(now), high, false);
                path.push((now, high, false));
                low_ms = high;
            }
            low_ms = at_ms;
        }
        level = Some(now);
    }
    path
}

/// The moments between two purchases at which a customer is looked at: the grid, and what happens with what is around it.
fn looks(from_ms: i64, to_ms: i64, seen: &[(usize, i64)]) -> Vec<i64> {
    let grid_ms = grid_ms();
    let first_ms = (from_ms / grid_ms + 1) * grid_ms;
    let mut looks: Vec<i64> = (first_ms..to_ms).step_by(grid_ms as usize).collect();
    let within = seen.iter().map(|(_, ms)| *ms).filter(|ms| (from_ms..=to_ms).contains(ms));
    for ms in within.chain([from_ms, to_ms]) {
        looks.push(ms);
        looks.extend(AROUND_MS.iter().flat_map(|around| [ms - around, ms + around]));
    }
    looks.retain(|ms| from_ms < *ms && *ms <= to_ms);
    looks.sort_unstable();
    looks.dedup();
    looks
}

/// What rows said is the path; only what something else followed in the same hour may be unseen. Returns how many moves time
/// alone brought, and how far apart the moments were at most.
fn compare(seen: &Moves, path: &[(usize, i64, bool)], place: &str) -> (usize, i64) {
    let (mut by_time, mut apart_ms) = (0, 0);
    let mut left = path.iter().peekable();
    for (level, since) in seen {
        let hour = |ms: i64| (ms - 1).div_euclid(HOUR_MS);
        let is_it = |(to, at_ms, bought): &&(usize, i64, bool)| {
            to == level && (at_ms - since).abs() <= if *bought { 0 } else { NEAR_MS }
        };
        while let Some((to, at_ms, _)) = left.next_if(|m| !is_it(m)) {
            let hidden = at_ms <= since && hour(*at_ms) == hour(*since);
            assert!(hidden, "{place}: {to} from {at_ms} on was not said, but {level} from {since}");
        }
        let found = left.next();
        assert!(found.is_some(), "{place}: {level} from {since} on is not so");
        let (_, at_ms, bought) = *found.unwrap();
        by_time += usize::from(!bought);
        apart_ms = apart_ms.max((at_ms - since).abs());
    }
    assert_eq!(left.next(), None, "{place}: was not said");
    (by_time, apart_ms)
}

/// Lives through everything; returns how many moves time alone brought, of the lifecycle and of the risk, and of places.
fn run(plan: Plan, purchases: &[Purchase]) -> ([usize; 2], [usize; 2]) {
    let judge = Judge::new(&plan, plans::repurchase(&plan));
    let mut town = Town::new(&Arc::new(plan), purchases);
    let (first_ms, last_ms) = (purchases[0].ts, purchases[purchases.len() - 1].ts);
    let until_ms = (last_ms + AFTER_MS) / HOUR_MS * HOUR_MS;
    let mut at_ms = (first_ms - 1).div_euclid(HOUR_MS) * HOUR_MS;
    while at_ms < until_ms {
        at_ms += HOUR_MS;
        town.pass_to(at_ms);
    }
    let mut by_time = [0; 2];
    let mut apart_ms = 0;
    for (id, bought) in &town.bought {
        let seen = &town.seen[*id];
        for (n, (signal, seen)) in
            [(Signal::Lifecycle, &seen.lifecycle), (Signal::Risk, &seen.risk)].iter().enumerate()
        {
            let path = path(&judge, *signal, bought, seen, until_ms);
            let (count, apart) = compare(seen, &path, &format!("{signal:?} of {id}"));
            by_time[n] += count;
            apart_ms = apart_ms.max(apart);
        }
    }
    eprintln!(
        "by time {by_time:?}, {apart_ms} ms apart; places {:?}, cut-offs {}",
        town.moved, town.version
    );
    (by_time, town.moved)
}

fn plan() -> Plan {
    Plan { disorder_ms: 0, ..plans::plan() }
}

/// A fifth of the customers.
fn fifth(digit: u8) -> Vec<Purchase> {
    let mut purchases = purchases();
    purchases.retain(|p| p.customer.as_bytes().last().is_some_and(|last| last % 5 == digit));
    purchases
}

/// Purchases of 500 customers, each within hours, weeks or all of the time.
fn made_up(seed: u64) -> Vec<Purchase> {
    let mut random = Random::new(seed);
    let mut purchases = Vec::new();
    for number in 0..500 {
        let stretch_ms = *random.pick(&[DAY_MS, 30 * DAY_MS, 150 * DAY_MS]);
        let from_ms = BEGIN_MS + random.between(0, 150 * DAY_MS - stretch_ms + 1);
        for n in 0..1 + random.below(14) {
            let (customer, ts) = (format!("c{number:03}"), from_ms + random.between(0, stretch_ms));
            // a few spend much, and some nothing
            let most = *random.pick(&[1, 2_000, 20_000, 200_000]);
            let minor = random.between(0, most);
            let payload = serde_json::json!({
                "event_id": format!("{customer}-{n}"),
                "customer_id": customer,
                "ts": jiff::Timestamp::from_millisecond(ts).unwrap().to_string(),
                "amount": format!("{}.{:02}", minor / 100, minor % 100),
                "currency": "USD",
            });
            purchases.push(Purchase { customer, ts, minor, payload: payload.to_string() });
        }
    }
    purchases.sort_by_key(|p| p.ts);
    purchases
}

#[test]
fn of_made_up_customers() {
    let seeds = if std::env::var_os("RETAIN_SOAK").is_some() { 1..21 } else { 1..2 };
    for seed in seeds {
        eprintln!("seed {seed}");
        let mut plan = plan();
        match seed % 3 {
            0 => plan.model = plans::regular(),
            1 => plan.parameters.risk.bands = vec![0.2, 0.35, 0.5, 0.65, 0.8, 0.9],
            _ => plan.parameters.risk.weights.set = WeightSet::B2b,
        }
        let (by_time, [moved, dwelled]) = run(plan, &made_up(seed));
        assert!(by_time[0] > 500 && by_time[1] > 500, "{by_time:?}");
        assert!(moved > 500 && dwelled > 100, "{moved} {dwelled}");
    }
}

#[test]
fn every_crossing_of_every_customer_has_its_due() {
    let purchases = purchases();
    let customers: BTreeSet<&str> = purchases.iter().map(|p| p.customer.as_str()).collect();
    assert_eq!((purchases.len(), customers.len()), (6_919, 2_357));
    let (by_time, [moved, dwelled]) = run(plan(), &purchases);
    assert!(by_time[0] > 3_000 && by_time[1] > 3_000, "{by_time:?}");
    assert!(moved > 2_357 && dwelled > 500, "{moved} {dwelled}");
}

/// Weights in which a gap longer than usual counts, more bands, and a horizon of its own.
#[test]
fn of_companies() {
    let mut plan = plan();
    plan.parameters.risk.weights.set = WeightSet::B2b;
    plan.parameters.risk.horizon_d = 180.0;
    plan.parameters.risk.bands = vec![0.2, 0.35, 0.5, 0.65, 0.8, 0.9];
    plan.parameters.risk.hysteresis = 0.02;
    plan.model.kind = ModelKind::BgNbd;
    plan.model.b = 2.426;
    let (by_time, _) = run(plan, &fifth(1));
    assert!(by_time[0] > 100 && by_time[1] > 500, "{by_time:?}");
}

/// Silence falls to a valley first, and rises from there.
#[test]
fn of_regular_customers() {
    let plan = Plan { model: plans::regular(), ..plan() };
    let (by_time, _) = run(plan, &fifth(0));
    assert!(by_time[0] > 500 && by_time[1] > 500, "{by_time:?}");
}
