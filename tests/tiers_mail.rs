//! Tiers of a whole pipeline: shards that mail each other their histograms and cut-offs, on real purchases and invented
//! ones, whatever dies; held against sorting all customers.
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

use retain::engine::tiers::LANDMARK_MS;
use retain::model::partition::murmur2_partition;
use retain::plan::Plan;
use retain::signal::days;
use retain::signal::decay::Decay;
use retain::signal::tier_moves::{Abc, Place, Tier, wanted};
use retain::signal::tiers::{Bucket, Cuts, Histogram, Shares, ln_of};
use retain::wire::mail::{CutOffs, Mail};
use rowbinary::Row;
use sim::{Log, PostOffice, Runner, Schedule};
use stream::{DAY_MS, spell_time};

/// 1997-01-01, where CDNOW begins.
const BEGIN_MS: i64 = 852_076_800_000;

/// A movement of money.
#[derive(Clone, Debug)]
struct Money {
    ts_ms: i64,
    customer: String,
    /// Cents, negative for a refund.
    cents: i64,
}

impl Money {
    fn line(&self, n: usize) -> String {
        let (kind, cents) =
            if self.cents < 0 { ("refund", -self.cents) } else { ("purchase", self.cents) };
        format!(
            r#"{{"event_id":"e{n}","type":"{kind}","customer_id":"{}","ts":"{}","amount":"{}.{:02}","currency":"USD"}}"#,
            self.customer,
            spell_time(self.ts_ms, 0),
            cents / 100,
            cents % 100
        )
    }
}

/// The purchases of CDNOW, and a refund of every 20th two weeks later.
fn cdnow() -> Vec<Money> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cdnow/purchases_sample.ndjson");
    let mut all = Vec::new();
    for (n, line) in std::fs::read_to_string(path).unwrap().lines().enumerate() {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        let ts: jiff::Timestamp = json["ts"].as_str().unwrap().parse().unwrap();
        let cents = (json["amount"].as_f64().unwrap() * 100.0).round() as i64;
        let customer = json["customer_id"].as_str().unwrap().to_owned();
        let ts_ms = ts.as_millisecond();
        if n % 20 == 0 && cents > 0 {
            let ts_ms = ts_ms + 14 * DAY_MS;
            all.push(Money { ts_ms, customer: customer.clone(), cents: -cents });
        }
        all.push(Money { ts_ms, customer, cents });
    }
    all.sort_by_key(|m| m.ts_ms);
    all
}

fn plan(dwell_ms: i64) -> Plan {
    let mut plan = plans::plan();
    plan.disorder_ms = 0;
    plan.tiers.dwell_ms = dwell_ms;
    plan
}

/// Logarithm of each customer's value at the landmark.
fn values(all: &[Money]) -> BTreeMap<String, f64> {
    let decay = Decay::from_half_life_d(180.0);
    let mut sums: BTreeMap<String, (f64, i64)> = BTreeMap::new();
    for m in all {
        let (sum, at_ms) = sums.get(&m.customer).copied().unwrap_or((0.0, 0));
        sums.insert(m.customer.clone(), decay.add(sum, at_ms, m.ts_ms, m.cents as f64));
    }
    let ln =
        |(sum, at_ms): (f64, i64)| ln_of(sum) + decay.lambda_per_day() * days(at_ms - LANDMARK_MS);
    sums.into_iter().map(|(customer, sum)| (customer, ln(sum))).collect()
}

/// A pipeline of several shards.
struct Town {
    runners: Vec<Runner>,
    office: PostOffice,
}

impl Town {
    fn new(
        plan: &Arc<Plan>,
        shards: u16,
        all: &[Money],
        schedule: impl Fn(u16) -> Schedule,
    ) -> Self {
        let office = PostOffice::new(shards);
        let runner = |shard: u16| {
            let mut log = Log::default();
            for (n, m) in all.iter().enumerate() {
                if murmur2_partition(m.customer.as_bytes(), shards) == shard {
                    let key = Some(m.customer.clone().into_bytes());
                    log.push(0, m.ts_ms, key, Some(m.line(n).into_bytes()));
                }
            }
            let logs = vec![log, Log::default(), Log::default()];
            let mut runner =
                Runner::new(plan, shard, shards, logs, schedule(shard)).within(&office);
            runner.visible = vec![0; 3];
            runner
        };
        Self { runners: (0..shards).map(runner).collect(), office }
    }

    /// Everything before `to_ms` comes and is applied, time passes to it.
    fn pass_to(&mut self, to_ms: i64) {
        for runner in &mut self.runners {
            let log = &runner.logs[0];
            let known = log.entries.partition_point(|e| e.kafka_ms <= to_ms);
            runner.visible[0] = log.entries.get(known).map_or(log.end, |e| e.offset);
            runner.drain();
            runner.pass_to(to_ms);
        }
    }

    /// All of the history in steps of so many days, then what is on its way comes to rest.
    fn live_through(&mut self, all: &[Money], step_d: i64) -> i64 {
        let end_ms = all.iter().map(|m| m.ts_ms).max().unwrap();
        let mut to_ms = BEGIN_MS;
        while to_ms < end_ms {
            to_ms += step_d * DAY_MS;
            self.pass_to(to_ms);
        }
        // a letter to shard 0, one from it, the dwell time, one day more
        for _ in 0..11 {
            to_ms += DAY_MS;
            self.pass_to(to_ms);
        }
        to_ms
    }

    fn cut_offs(&self) -> CutOffs {
        let held: Vec<CutOffs> =
            self.runners.iter().map(|r| *r.machine.cut_offs().expect("cut-offs")).collect();
        assert!(held.windows(2).all(|pair| pair[0] == pair[1]), "{held:?}");
        held[0]
    }

    fn rows(&self) -> Vec<&Row> {
        self.runners.iter().flat_map(|r| r.tables.rows("customers")).collect()
    }

    /// The letters to a shard.
    fn letters(&self, shard: u16) -> Vec<Mail> {
        let decode = |bytes: Option<Vec<u8>>| Mail::decode(&bytes.unwrap()).unwrap().1;
        self.office.letters(shard).into_iter().map(|e| decode(e.payload)).collect()
    }
}

fn cuts(c: &CutOffs) -> Cuts {
    let [iron, gold, key, a, b] = [c.iron, c.gold, c.key, c.a, c.b].map(Bucket::from_number);
    Cuts { gold, iron, key, a, b }
}

fn place(row: &Row) -> Option<Place> {
    let tier = Tier::ALL.into_iter().find(|tier| tier.name() == row.text("tier"))?;
    let abc = Abc::ALL.into_iter().find(|abc| abc.name() == row.text("abc")).unwrap();
    Some(Place { tier, abc, key: row.int("key_customer") == 1 })
}

fn histogram(values: &BTreeMap<String, f64>) -> Histogram {
    let mut histogram = Histogram::default();
    values.values().for_each(|s| histogram.add(Bucket::of_ln(*s)));
    histogram
}

/// Everybody stands where the cut-offs want them: nobody was forgotten by a sweep, by a due or by a purchase.
fn check_places(town: &Town, values: &BTreeMap<String, f64>) {
    let (held, cuts) = (town.cut_offs(), cuts(&town.cut_offs()));
    let rows = town.rows();
    assert_eq!(rows.len(), values.len());
    for row in rows {
        let customer = row.text("customer_id");
        let place = place(row);
        assert!(place.is_some(), "{customer} has no tier");
        let wants = wanted(place, values[customer], &cuts);
        assert_eq!(place, Some(wants), "{customer}, {}", town.runners[0].seed());
        let version = row.int("tier_version");
        assert!((1..=i128::from(held.version)).contains(&version), "{customer}: {version}");
        assert!(row.maybe_int("tier_since") >= Some(BEGIN_MS.into()), "{customer}");
    }
}

#[test]
fn cut_offs_of_real_purchases_are_within_one_percent_of_sorting() {
    let all = cdnow();
    let values = values(&all);
    let mut town = Town::new(&Arc::new(plan(7 * DAY_MS)), 1, &all, |_| Schedule::straight(1));
    town.live_through(&all, 14);
    let held = town.cut_offs();
    assert_eq!(held.population, 2_357);
    assert!(held.version > 20, "{held:?}: they were to move with the weeks");
    let mut sorted: Vec<f64> = values.values().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let rank = |q: f64| sorted[(q * (sorted.len() - 1) as f64) as usize];
    for (name, bucket, exact) in [
        ("iron", held.iron, rank(0.2)),
        ("gold", held.gold, rank(0.8)),
        ("key", held.key, rank(0.95)),
    ] {
        let error = (Bucket::from_number(bucket).ln_value() - exact).exp_m1().abs();
        assert!(error <= 0.01 + 1e-9, "{name}: {error}");
    }
    let total: f64 = sorted.iter().map(|s| s.exp()).sum();
    for (name, bucket, share) in [("A", held.a, 0.85), ("B", held.b, 0.95)] {
        let mut sold = 0.0;
        let exact = sorted.iter().rev().find(|s| {
            sold += s.exp();
            sold >= share * total
        });
        let off = Bucket::of_ln(*exact.unwrap()).number() - bucket;
        assert!(off.abs() <= 1, "{name}: {off} buckets");
    }
    check_places(&town, &values);
    let refunded = values.values().filter(|s| **s == f64::NEG_INFINITY).count();
    assert!(refunded > 10, "{refunded} customers whose last cent was refunded");
}

#[test]
fn several_shards_are_cut_as_one_whatever_dies() {
    let all = cdnow();
    let values = values(&all);
    let expected = Cuts::of(&histogram(&values), &Shares::default()).unwrap();
    let mut standing: Vec<BTreeMap<String, Place>> = Vec::new();
    for (shards, crashes) in [(1, 0), (3, 0), (2, 40)] {
        let plan = Arc::new(plan(0));
        let schedule = |shard: u16| Schedule::straight(u64::from(shard) + 7).crashing(crashes);
        let mut town = Town::new(&plan, shards, &all, schedule);
        town.live_through(&all, 21);
        assert_eq!(town.runners.iter().all(|r| r.crashes > 1), crashes > 0);
        assert_eq!(cuts(&town.cut_offs()), expected, "{shards} shards, {crashes} crashes");
        assert_eq!(town.cut_offs().population, values.len() as u64);
        check_places(&town, &values);
        check_versions(&town);
        let places = town.rows().into_iter();
        standing
            .push(places.map(|r| (r.text("customer_id").to_owned(), place(r).unwrap())).collect());
    }
    // who stands within the band below a cut-off stands where the history of cut-offs has left it; all others alike
    let near = |s: f64| {
        [expected.iron, expected.gold, expected.key, expected.a, expected.b]
            .iter()
            .any(|cut| (-0.052..0.0).contains(&(s - cut.ln_value())))
    };
    for other in &standing[1..] {
        for (customer, place) in other.iter().filter(|(customer, _)| !near(values[*customer])) {
            assert_eq!(place, &standing[0][customer], "{customer}");
        }
    }
}

/// Shard 0 tells every version once to every shard, each valid later than the one before by a minute at least.
fn check_versions(town: &Town) {
    let told = |shard: u16| -> Vec<CutOffs> {
        let letters = town.letters(shard).into_iter();
        letters.filter_map(|m| if let Mail::CutOffs(c) = m { Some(c) } else { None }).collect()
    };
    let first = told(0);
    assert!(first.iter().zip(1..).all(|(c, version)| c.version == version), "{first:?}");
    let apart = |pair: &[CutOffs]| pair[1].valid_from_ms - pair[0].valid_from_ms >= 60_000;
    assert!(first.windows(2).all(apart));
    let moved = |pair: &[CutOffs]| cuts(&pair[0]) != cuts(&pair[1]);
    assert!(first.windows(2).all(moved), "a version without a move");
    for shard in 1..town.runners.len() as u16 {
        assert_eq!(told(shard), first, "shard {shard}");
    }
}

#[test]
fn the_histogram_is_rebuilt_from_profiles() {
    let all = cdnow();
    let plan = Arc::new(plan(7 * DAY_MS));
    let mut town = Town::new(&plan, 2, &all, |shard| Schedule::straight(shard.into()));
    let mut to_ms = town.live_through(&all, 60);
    for (shard, runner) in town.runners.iter_mut().enumerate() {
        let before = town.office.letters(0).len();
        runner.crash();
        to_ms += DAY_MS;
        runner.drain();
        runner.pass_to(to_ms);
        let letters = town.office.letters(0);
        assert_eq!(letters.len(), before + 1, "a new owner tells its histogram once");
        let mine: Vec<Money> = all
            .iter()
            .filter(|m| usize::from(murmur2_partition(m.customer.as_bytes(), 2)) == shard)
            .cloned()
            .collect();
        let expected = histogram(&values(&mine));
        let expected: Vec<(i16, u64)> = expected.iter().map(|(b, n)| (b.number(), n)).collect();
        let told = Mail::decode(letters[before].payload.as_deref().unwrap()).unwrap();
        assert_eq!(usize::from(told.0.shard), shard);
        let Mail::Histogram(told) = told.1 else { panic!("{told:?}") };
        assert_eq!(told.cells, expected);
    }
}

/// 150 customers of rising value on the first day.
fn crowd() -> Vec<Money> {
    let one =
        |n: i64| Money { ts_ms: BEGIN_MS, customer: format!("c{n:03}"), cents: 1_000 + n * 40 };
    (0..150).map(one).collect()
}

fn row<'a>(town: &'a Town, customer: &str) -> &'a Row {
    town.rows().into_iter().find(|row| row.text("customer_id") == customer).unwrap()
}

#[test]
fn a_move_waits_for_its_dwell_time_to_the_millisecond() {
    let mut all = crowd();
    let buys = |day: i64, n: i64, cents: i64| Money {
        ts_ms: BEGIN_MS + day * DAY_MS,
        customer: format!("c{n:03}"),
        cents,
    };
    // 3 and 4 become valuable, 4 not for long; 5 has a third purchase meanwhile, which must not begin its wait anew
    all.extend([buys(30, 3, 50_000), buys(30, 4, 50_000), buys(30, 5, 50_000)]);
    all.extend([buys(33, 4, -50_000), buys(34, 5, 100)]);
    let plan = Arc::new(plan(7 * DAY_MS));
    for crashes in [0, 100] {
        let schedule = Schedule::by_record(5).crashing(crashes);
        let mut town = Town::new(&plan, 1, &all, |_| schedule.clone());
        let tiers =
            |town: &Town| ["c003", "c004", "c005"].map(|c| row(town, c).text("tier").to_owned());
        for day in [1, 2, 3, 29, 31, 35] {
            town.pass_to(BEGIN_MS + day * DAY_MS);
        }
        let due_ms = BEGIN_MS + 37 * DAY_MS;
        town.pass_to(due_ms - 1);
        assert_eq!(tiers(&town), ["lead", "lead", "lead"]);
        let since = row(&town, "c003").maybe_int("tier_since").unwrap();
        assert!((BEGIN_MS.into()..(BEGIN_MS + 3 * DAY_MS).into()).contains(&since), "{since}");
        town.pass_to(due_ms);
        assert_eq!(tiers(&town), ["gold", "lead", "gold"]);
        for customer in ["c003", "c005"] {
            assert_eq!(row(&town, customer).int("tier_since"), due_ms.into());
        }
        town.pass_to(due_ms + 30 * DAY_MS);
        assert_eq!(tiers(&town), ["gold", "lead", "gold"]);
        assert_eq!(row(&town, "c004").maybe_int("tier_since"), Some(since));
    }
}

#[test]
fn a_sweep_takes_no_more_customers_a_cycle_than_the_budget() {
    let all = crowd();
    let mut plan = plan(0);
    plan.limits.cycle_records_max = 10;
    let mut town = Town::new(&Arc::new(plan), 1, &all, |_| Schedule::straight(9));
    for day in 1..4 {
        town.pass_to(BEGIN_MS + day * DAY_MS);
    }
    // all were judged by the first version, and their rows are the last of each
    let mut by_cycle: BTreeMap<i128, BTreeSet<String>> = BTreeMap::new();
    for row in town.rows() {
        assert_eq!(row.int("tier_version"), 1);
        by_cycle.entry(row.int("version")).or_default().insert(row.text("customer_id").to_owned());
    }
    let sizes: Vec<usize> = by_cycle.values().map(BTreeSet::len).collect();
    // dues take their part of the budget; a cycle always gets on by one
    assert!(sizes.iter().all(|size| *size <= 10) && sizes.len() >= 15, "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 150);
}

#[test]
fn few_customers_have_no_tiers() {
    let all = crowd()[..99].to_vec();
    let mut town = Town::new(&Arc::new(plan(0)), 2, &all, |shard| Schedule::straight(shard.into()));
    for day in 1..5 {
        town.pass_to(BEGIN_MS + day * DAY_MS);
    }
    assert!(town.runners.iter().all(|r| r.machine.cut_offs().is_none()));
    assert!(town.rows().iter().all(|r| r.text("tier").is_empty() && r.int("tier_version") == 0));
}
