//! Load and precision of `key_at_risk` on the real purchases of the CDNOW sample: the machine's alerts are those of a slow
//! recomputation from the file, every hour of one and a half years, and docs/alerts.md says what came of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retain::machine::{ClockReading, Identity, Machine, Progress, Restored};
use retain::model::effects::Effects;
use retain::model::record::Record;
use retain::plan::{Plan, RuleFile, parse, rules};
use retain::signal::tier_moves::{Abc, Decision, Place, Waiting, decide, wanted};
use retain::signal::tiers::{Bucket, Cuts, Histogram, Shares, ln_of};
use retain::wire::alert::AlertWord;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 1997-01-01, 1997-10-01 and 1998-07-01, UTC.
const BEGIN_MS: i64 = 852_076_800_000;
const FROM_MS: i64 = 875_664_000_000;
const END_MS: i64 = 899_251_200_000;
/// What somebody does in so long after an alert is looked up in the file.
const SILENT_MS: i64 = 90 * DAY_MS;
const COOLDOWN_MS: i64 = 14 * DAY_MS;
/// Any fixed moment to which all spending is carried.
const LANDMARK_MS: i64 = 946_684_800_000;

const CUSTOMERS: &str = include_str!("../pipelines/customers.toml");
const SHIPPED: &str = include_str!("../pipelines/alerts/customers.toml");

/// The levels of signals.md, of key customers alone; the last is the shipped rule, of class A too.
const LEVELS: [(&str, f64, f64, bool); 5] = [
    ("key_50", 0.50, 0.35, false),
    ("key_60", 0.60, 0.45, false),
    ("key_70", 0.70, 0.55, false),
    ("key_80", 0.80, 0.65, false),
    ("key_at_risk", 0.60, 0.45, true),
];

/// Milliseconds and cents of each purchase, in order.
type Purchases = BTreeMap<String, Vec<(i64, i64)>>;
/// Rule, customer, and the first full hour at which it was raised.
type Raised = BTreeSet<(usize, String, i64)>;

fn lines() -> Vec<serde_json::Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cdnow/purchases_sample.ndjson");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ts_ms(event: &serde_json::Value) -> i64 {
    let at: jiff::Timestamp = event["ts"].as_str().unwrap().parse().unwrap();
    at.as_millisecond()
}

fn purchases(lines: &[serde_json::Value]) -> Purchases {
    let mut all = Purchases::new();
    for event in lines {
        let cents = (event["amount"].as_f64().unwrap() * 100.0).round() as i64;
        let customer = event["customer_id"].as_str().unwrap().to_owned();
        all.entry(customer).or_default().push((ts_ms(event), cents));
    }
    all.values_mut().for_each(|of| of.sort_by_key(|(at, _)| *at));
    all
}

/// The shipped definition with the rules of the levels beside the shipped one.
fn plan() -> Plan {
    let (plan, problems) = parse(CUSTOMERS);
    let plan = plan.unwrap_or_else(|| panic!("{problems:?}"));
    let shipped = SHIPPED.split("[[alert]]").nth(1).unwrap();
    assert!(shipped.contains("\"key_at_risk\""));
    assert!(shipped.contains("(key_customer or abc == A else no) and risk >= 0.60 else no"));
    assert!(shipped.contains("clear = \"risk <= 0.45 else yes\"\ncooldown = \"14d\""));
    let calendar = SHIPPED.split("[[alert]]").next().unwrap();
    let mut text = format!("{calendar}[[alert]]{shipped}");
    for (name, raise, clear, _) in &LEVELS[..4] {
        text.push_str(&format!(
            "[[alert]]\nname = \"{name}\"\nabout = \"x\"\nraise = \"key_customer and risk >= {raise} \
             else no\"\nclear = \"risk <= {clear} else yes\"\ncooldown = \"14d\"\nnext_step = \"y\"\n\
             events = [\"purchase\"]\n"
        ));
    }
    let (found, problems) = rules(&[RuleFile { name: "levels.toml", text: &text }]);
    let found = found.unwrap_or_else(|| panic!("{problems:?}"));
    Plan { alerts: Arc::new(found.set), ..plan }
}

/// A machine that is fed day by day; its mail comes back to it.
struct Shard {
    machine: Machine,
    delay_ms: i64,
    offsets: [i64; 3],
    mail: i64,
    raised: Raised,
}

impl Shard {
    fn new(plan: Plan) -> Self {
        let delay_ms = plan.disorder_ms + plan.idle_timeout_ms;
        let identity = Identity { shard: 0, shards: 1, generation: 1, owner: "test".to_owned() };
        let mut machine = Machine::new(Arc::new(plan), identity);
        assert_eq!(machine.restored().unwrap(), Restored::New);
        machine.start_at(&[0; 3], 0);
        Self { machine, delay_ms, offsets: [0; 3], mail: 0, raised: Raised::new() }
    }

    fn buy(&mut self, event: &serde_json::Value) {
        let value = event.to_string();
        let record = Record {
            offset: self.offsets[0],
            kafka_ms: ts_ms(event),
            key: Some(event["customer_id"].as_str().unwrap().as_bytes()),
            payload: Some(value.as_bytes()),
        };
        self.machine.offer(0, &mut std::iter::once(record));
        self.offsets[0] += 1;
    }

    /// Takes what was bought; time passes to `at_ms`.
    fn pass(&mut self, at_ms: i64) {
        let now_ms = at_ms + self.delay_ms;
        let clock = ClockReading { now_ms, ends_confirmed_ms: Some(now_ms) };
        loop {
            for (source, end) in (0..).zip(self.offsets) {
                self.machine.end_of(source, end);
            }
            while self.machine.advance(10_000) == Progress::More {}
            assert_eq!(self.machine.stop_reason(), None);
            let effects = self.machine.end_cycle(clock);
            self.note(&effects);
            for letter in &effects.mail {
                let (offset, payload) = (self.mail, Some(letter.bytes.as_slice()));
                let record = Record { offset, kafka_ms: now_ms, key: None, payload };
                self.machine.offer_mail(&mut std::iter::once(record));
                self.mail += 1;
            }
            if !self.machine.has_work(clock) {
                return;
            }
        }
    }

    fn note(&mut self, effects: &Effects) {
        for record in &effects.alerts {
            let word = AlertWord::decode(&record.value).unwrap();
            let level = LEVELS.iter().position(|(name, ..)| *name == word.rule);
            if let Some(level) = level.filter(|_| word.what == "raised") {
                let hour_ms = (word.at_ms + HOUR_MS - 1) / HOUR_MS * HOUR_MS;
                self.raised.insert((level, word.customer_id, hour_ms));
            }
        }
    }
}

fn by_machine(lines: &[serde_json::Value]) -> Raised {
    let mut shard = Shard::new(plan());
    let mut next = lines.iter().peekable();
    let mut day_ms = BEGIN_MS;
    while day_ms <= END_MS {
        while let Some(event) = next.next_if(|event| ts_ms(event) <= day_ms) {
            shard.buy(event);
        }
        shard.pass(day_ms);
        day_ms += DAY_MS;
    }
    assert!(next.next().is_none());
    shard.raised
}

/// How the recomputation knows a key customer: as the machine does, or by sorting alone.
#[derive(Clone, Copy, PartialEq)]
enum Keys {
    /// By cut-offs of buckets that hold from each midnight on, with the value band and the dwell time.
    CutOffs,
    /// At or above the 95th percentile at each midnight, found by sorting; class A by sorting too.
    Sorted,
}

/// A customer of the recomputation.
#[derive(Default)]
struct Person {
    bought: Vec<(i64, i64)>,
    /// Distinct days with a purchase.
    days: BTreeSet<i64>,
    place: Option<Place>,
    waiting: Option<Waiting>,
    /// By level: whether it is on, and until when nothing is raised.
    alerts: [(bool, i64); LEVELS.len()],
}

impl Person {
    /// What was spent, forgotten with a half-life of 180 days, as a logarithm at the landmark.
    fn value_ln(&self) -> f64 {
        let lambda = std::f64::consts::LN_2 / 180.0;
        let last_ms = self.bought.last().unwrap().0;
        let days = |ms: i64| ms as f64 / DAY_MS as f64;
        let sum: f64 = self
            .bought
            .iter()
            .map(|(at_ms, cents)| *cents as f64 * (-lambda * days(last_ms - at_ms)).exp())
            .sum();
        ln_of(sum) + lambda * days(last_ms - LANDMARK_MS)
    }

    /// Probability of no purchase in the next 90 days under MBG/NBD, and what falling spend adds; nothing else is known here.
    fn risk(&self, at_ms: i64) -> f64 {
        let (r, alpha, a, b) = (0.525, 6.183, 0.891, 1.614);
        let week = 7.0 * DAY_MS as f64;
        let first_ms = self.bought[0].0;
        let last_ms = self.bought[self.bought.len() - 1].0;
        let x = (self.days.len() - 1) as f64;
        let (t_x, age) = ((last_ms - first_ms) as f64 / week, (at_ms - first_ms) as f64 / week);
        let n = r + x;
        let u = f64::ln(a) - f64::ln(b + x) + n * ((alpha + age).ln() - (alpha + t_x).ln());
        let alive = 1.0 / (1.0 + u.exp());
        let buys = 1.0 - ((alpha + age) / (alpha + age + 90.0 / 7.0)).powf(n);
        let silent = (1.0 - alive * buys).clamp(1e-6, 1.0 - 1e-6);
        // nothing is bought at a discount: loyal to the price, a fifth less in log-odds
        let eta = (silent / (1.0 - silent)).ln() - 0.30 * self.trend(at_ms) - 0.20;
        1.0 / (1.0 + (-eta).exp())
    }

    /// ln of spending over 30 by that over 180 days, limited to 2 either way; 0 where it is not known.
    fn trend(&self, at_ms: i64) -> f64 {
        let days = |ms: i64| ms as f64 / DAY_MS as f64;
        let age_d = days(at_ms - self.bought[0].0);
        let rate = |half_life_d: f64| {
            let lambda = std::f64::consts::LN_2 / half_life_d;
            let sum: f64 = self
                .bought
                .iter()
                .map(|(at, cents)| *cents as f64 * (-lambda * days(at_ms - at)).exp())
                .sum();
            sum * lambda / (1.0 - (-lambda * age_d).exp())
        };
        // at least a cent a day
        if self.bought.len() < 4 || age_d <= 0.0 || rate(180.0) < 1.0 {
            return 0.0;
        }
        (rate(30.0) / rate(180.0)).ln().clamp(-2.0, 2.0)
    }

    fn judge(&mut self, cuts: Option<&Cuts>, at_ms: i64) {
        let Some(cuts) = cuts else { return };
        let wants = wanted(self.place, self.value_ln(), cuts);
        match decide(self.place, self.waiting, wants, at_ms, 7 * DAY_MS) {
            Decision::Keep => self.waiting = None,
            Decision::Wait { waiting, .. } => self.waiting = Some(waiting),
            Decision::Move { to } => (self.place, self.waiting) = (Some(to), None),
        }
    }

    fn is_key(&self) -> bool {
        self.place.is_some_and(|place| place.key)
    }

    /// Looks at all levels; those raised now.
    fn look(&mut self, at_ms: i64) -> Vec<usize> {
        let top = self.is_key() || self.place.is_some_and(|place| place.abc == Abc::A);
        if self.bought.is_empty() || !(top || self.alerts.iter().any(|(on, _)| *on)) {
            return Vec::new();
        }
        let risk = self.risk(at_ms);
        let key = self.is_key();
        let mut raised = Vec::new();
        for (number, (_, raise, clear, class)) in LEVELS.iter().enumerate() {
            let (on, quiet_to_ms) = &mut self.alerts[number];
            let holds = (key || *class && top) && risk >= *raise;
            if *on && !holds && risk <= *clear {
                (*on, *quiet_to_ms) = (false, at_ms + COOLDOWN_MS);
            } else if !*on && holds && at_ms >= *quiet_to_ms {
                *on = true;
                raised.push(number);
            }
        }
        raised
    }
}

/// The recomputation: what it raises, and how many key customers there were and bought nothing, day by day.
fn by_oracle(all: &Purchases, keys: Keys) -> (Raised, (u64, u64)) {
    let mut people: BTreeMap<&str, Person> =
        all.keys().map(|id| (id.as_str(), Person::default())).collect();
    let mut raised = Raised::new();
    let mut base = (0, 0);
    let mut cuts: Option<Cuts> = None;
    let mut at_ms = BEGIN_MS;
    while at_ms <= END_MS {
        let mut look = |id: &str, person: &mut Person| {
            raised
                .extend(person.look(at_ms).into_iter().map(|level| (level, id.to_owned(), at_ms)));
        };
        let midnight = at_ms % DAY_MS == 0;
        for (id, person) in &mut people {
            // a dwell time ends after everything else of its moment
            look(id, person);
            if midnight && person.waiting.is_some() && keys == Keys::CutOffs {
                person.judge(cuts.as_ref(), at_ms);
                look(id, person);
            }
        }
        if midnight {
            for (id, bought) in all {
                let person = people.get_mut(id.as_str()).unwrap();
                let today: Vec<_> = bought.iter().filter(|(at, _)| *at == at_ms).copied().collect();
                for purchase in today {
                    person.bought.push(purchase);
                    person.days.insert(at_ms / DAY_MS);
                    if keys == Keys::CutOffs {
                        person.judge(cuts.as_ref(), at_ms);
                    }
                    look(id, person);
                }
            }
            match keys {
                Keys::CutOffs => {
                    cuts = cut_offs(&people).or(cuts);
                    people
                        .values_mut()
                        .filter(|person| !person.bought.is_empty())
                        .for_each(|person| person.judge(cuts.as_ref(), at_ms));
                }
                Keys::Sorted => sort(&mut people),
            }
            people.iter_mut().for_each(|(id, person)| look(id, person));
            if (FROM_MS..=END_MS - SILENT_MS).contains(&at_ms) {
                for (id, _) in people.iter().filter(|(_, person)| person.is_key()) {
                    base.0 += 1;
                    base.1 += u64::from(is_silent(&all[*id], at_ms));
                }
            }
        }
        at_ms += HOUR_MS;
    }
    (raised, base)
}

fn cut_offs(people: &BTreeMap<&str, Person>) -> Option<Cuts> {
    let mut histogram = Histogram::default();
    for person in people.values().filter(|person| !person.bought.is_empty()) {
        histogram.add(Bucket::of_ln(person.value_ln()));
    }
    Cuts::of(&histogram, &Shares::default())
}

/// Places by sorting: nobody waits, nobody is held.
fn sort(people: &mut BTreeMap<&str, Person>) {
    use retain::signal::tier_moves::Tier;
    let mut all: Vec<&mut Person> =
        people.values_mut().filter(|person| !person.bought.is_empty()).collect();
    if all.len() < 100 {
        return;
    }
    all.sort_by(|one, two| one.value_ln().total_cmp(&two.value_ln()));
    let values: Vec<f64> = all.iter().map(|person| person.value_ln()).collect();
    let top = values[values.len() - 1];
    let total: f64 = values.iter().map(|value| (value - top).exp()).sum();
    let p95 = values[(0.95 * (values.len() - 1) as f64).floor() as usize];
    let mut above = 0.0;
    for (person, value) in all.into_iter().zip(values).rev() {
        let abc = if above < 0.85 * total { Abc::A } else { Abc::C };
        above += (value - top).exp();
        person.place = Some(Place { tier: Tier::Gold, abc, key: value >= p95 });
    }
}

fn is_silent(bought: &[(i64, i64)], at_ms: i64) -> bool {
    !bought.iter().any(|(at, _)| *at > at_ms && *at <= at_ms + SILENT_MS)
}

/// Alerts a day from October 1997 to June 1998, and which share of those that can be followed for 90 days then bought nothing.
fn figures(raised: &Raised, all: &Purchases, level: usize) -> (usize, f64, f64) {
    let of_level = raised.iter().filter(|(number, _, at)| *number == level && *at >= FROM_MS);
    let alerts: Vec<_> = of_level.filter(|(_, _, at)| *at <= END_MS).collect();
    let followed: Vec<_> = alerts.iter().filter(|(_, _, at)| *at <= END_MS - SILENT_MS).collect();
    let silent = followed.iter().filter(|(_, id, at)| is_silent(&all[id], *at)).count();
    let days = (END_MS - FROM_MS) as f64 / DAY_MS as f64;
    (alerts.len(), alerts.len() as f64 / days, silent as f64 / followed.len() as f64)
}

#[test]
fn the_machine_raises_what_a_slow_recomputation_raises_and_the_documentation_says_so() {
    let lines = lines();
    let all = purchases(&lines);
    assert_eq!((lines.len(), all.len()), (6_919, 2_357));
    let machine = by_machine(&lines);
    let (oracle, base) = by_oracle(&all, Keys::CutOffs);
    let only = |one: &Raised, two: &Raised| one.difference(two).cloned().collect::<Vec<_>>();
    assert_eq!(only(&machine, &oracle), [], "only the machine raised these of {}", machine.len());
    assert_eq!(only(&oracle, &machine), [], "the machine did not raise these of {}", oracle.len());
    let (sorted, sorted_base) = by_oracle(&all, Keys::Sorted);
    let documentation =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alerts.md")).unwrap();
    let mut rows = Vec::new();
    for (level, (name, raise, ..)) in LEVELS.iter().enumerate() {
        let (n, load, precision) = figures(&machine, &all, level);
        let (_, sorted_load, sorted_precision) = figures(&sorted, &all, level);
        rows.push(format!(
            "| {name} | {raise:.2} | {n} | {load:.2} | {precision:.2} | {sorted_load:.2} | \
             {sorted_precision:.2} |"
        ));
    }
    let share = |(all, silent): (u64, u64)| silent as f64 / all as f64;
    rows.push(format!("Base: {:.2}, by sorting {:.2}", share(base), share(sorted_base)));
    for row in &rows {
        assert!(documentation.contains(row), "docs/alerts.md lacks:\n{}", rows.join("\n"));
    }
}
