//! Twenty thousand profiles, made by the machine from random events under five definitions: what a row says of the risk and
//! of loyalty adds up to the score, an explanation of any later moment says the same, and what is not known moves nothing.
//! What is known and what it adds is recomputed from the events (`support/judged.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/explained.rs"]
mod explained;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/silenced.rs"]
mod silenced;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/spelling.rs"]
mod spelling;
#[path = "support/stream.rs"]
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use explained::{held_of_all, stored};
use oracle::judged::{Judged, Score as Recomputed};
use oracle::{Customer, recompute};
use random::Random;
use retain::engine::context::Context;
use retain::explain::report::{At, Score, ToldFrom};
use retain::explain::{Asked, Explanation, Held, Reading, Stored, explain};
use retain::model::money::{Currency, Rate};
use retain::plan::{ModelKind, Plan, WeightSet};
use retain::signal::{loyalty, risk};
use silenced::SILENCES;
use sim::{Runner, Schedule};
use stream::families::{Family, histories};
use stream::{BEGIN_MS, DAY_MS, WEB, deliver, disturbed};

/// Profiles with scores, of each definition.
const PROFILES: usize = 4_000;
/// Customers of a machine, and of one with long histories.
const CUSTOMERS: [u64; 2] = [500, 150];
const DAYS: i64 = 150;
const DISORDER_MS: i64 = 600_000;
/// In turn; of most of the last five families few have scores.
const FAMILIES: [Family; 10] = [
    Family::Purchases,
    Family::Scores,
    Family::Rhythm,
    Family::Purchases,
    Family::Scores,
    Family::Credit,
    Family::Relations,
    Family::Satisfaction,
    Family::Engagement,
    Family::Support,
];

fn plan() -> Plan {
    let mut plan = plans::plan();
    let rate = |code: &str, digits, scale| (Currency::parse(code).unwrap(), Rate { digits, scale });
    plan.rates = vec![rate("EUR", 108, 2), rate("JPY", 67, 4), rate("USD", 1, 0)];
    plan.disorder_ms = DISORDER_MS;
    plan
}

fn companies() -> Plan {
    let mut plan = plan();
    plan.parameters.risk.weights.set = WeightSet::B2b;
    plan.parameters.loyalty.set = WeightSet::B2b;
    plan.parameters.risk.horizon_d = 180.0;
    plan
}

/// Another model, another average customer, other people's satisfaction.
fn regular() -> Plan {
    let mut plan = Plan { model: plans::regular(), csat_prior: 0.6, ..plan() };
    plan.parameters.risk.ref_base = 0.35;
    plan
}

/// Weights of one's own: against the set's sign, as large as may be, and none at all.
fn own_weights() -> Plan {
    let mut plan = companies();
    plan.model.kind = ModelKind::BgNbd;
    plan.model.b = 2.426;
    let own = [
        (risk::Input::Base, 1.7),
        (risk::Input::SpendFalling, -0.4),
        (risk::Input::OpenComplaints, 0.0),
        (risk::Input::LatePayment, 20.0),
        (risk::Input::OptedOut, -1.0),
        (risk::Input::DiscountDependent, 0.7),
    ];
    plan.parameters.risk.weights.own = own.map(|(input, weight)| (input as u8, weight)).to_vec();
    let own = [
        (loyalty::Input::RepeatDepth, 0.0),
        (loyalty::Input::Returns, -0.9),
        (loyalty::Input::Suggests, 3.0),
        (loyalty::Input::PaysOnTime, 5.0),
        (loyalty::Input::MultiContact, 20.0),
    ];
    plan.parameters.loyalty.own = own.map(|(input, weight)| (input as u8, weight)).to_vec();
    plan
}

/// A risk in which what was bought has no part.
fn without_base() -> Plan {
    let mut plan = plan();
    plan.parameters.risk.weights.own = vec![(risk::Input::Base as u8, 0.0)];
    plan.parameters.loyalty.own = vec![(loyalty::Input::StillActive as u8, 0.0)];
    plan
}

/// The same definition, in which nothing is enough to tell a trend.
fn without_trends(plan: &Plan) -> Arc<Plan> {
    let mut plan = plan.clone();
    plan.parameters.trends.spend_floor = 1e12;
    plan.parameters.trends.visit_floor = 1e12;
    Arc::new(plan)
}

/// What `without_trends` does not tell.
const TRENDS: [&[&str]; 2] = [&["spend_falling", "engagement_falling"], &["engagement"]];

/// Everything about one customer.
struct Case<'a> {
    plan: &'a Arc<Plan>,
    id: &'a str,
    stored: Stored,
    held: &'a [Held],
    customer: &'a Customer,
}

/// How often something was the case.
#[derive(Default)]
struct Seen {
    with_scores: usize,
    without: usize,
    known: BTreeMap<String, usize>,
    unknown: BTreeMap<String, usize>,
    silenced: BTreeMap<&'static str, usize>,
}

fn sigmoid(eta: f64) -> f64 {
    1.0 / (1.0 + (-eta).exp())
}

fn near(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() <= 1e-9, "{what}: {got} is not {want}");
}

/// Where a score lies in the middle, its log-odds can be told from it to 1e-9.
fn log_odds(score: f64) -> Option<f64> {
    (1e-6..=1.0 - 1e-6).contains(&score).then(|| score.ln() - (-score).ln_1p())
}

/// A sum of log-odds is the score's.
fn sums_to(sum: f64, score: f64, what: &str) {
    near(sigmoid(sum), score, what);
    if let Some(eta) = log_odds(score) {
        near(sum, eta, what);
    }
}

/// What a row says of a score.
fn check_row(map: &BTreeMap<String, f64>, score: f64, want: &Recomputed, what: &str) {
    let sum = want.reference + map.values().sum::<f64>();
    sums_to(sum, score, what);
    for (name, phi) in map {
        let recomputed = want.phi.get(name).copied().unwrap_or(0.0);
        near(*phi, recomputed, &format!("{name} of {what}"));
        assert!(!want.missing.contains(name), "{name} is not known and counts in {what}");
    }
    let told = want.phi.iter().filter(|(_, phi)| phi.abs() > 1e-9);
    told.for_each(|(name, _)| assert!(map.contains_key(name), "{name} is not told in {what}"));
}

/// What an explanation says of a score.
fn check_told(told: &Score, scale: f64, want: &Recomputed, what: &str) {
    let score = told.score / scale;
    near(told.reference / scale, sigmoid(want.reference), what);
    let sum: f64 = told.contributions.iter().map(|c| c.log_odds).sum();
    sums_to(want.reference + sum, score, what);
    let points: f64 = told.contributions.iter().map(|c| c.points).sum();
    near(points, told.points, what);
    near(points, 100.0 * (score - sigmoid(want.reference)), what);
    for c in &told.contributions {
        let recomputed = want.phi.get(c.input.input).copied().unwrap_or(0.0);
        near(c.log_odds, recomputed, &format!("{} of {what}", c.input.input));
    }
    // told once, known or not: never both
    let known: BTreeSet<&str> = told.contributions.iter().map(|c| c.input.input).collect();
    let unknown: BTreeSet<String> = told.unknown.iter().map(|i| i.input.to_owned()).collect();
    assert_eq!(known.len(), told.contributions.len(), "{what}");
    assert_eq!((unknown.len(), &unknown), (told.unknown.len(), &want.missing), "{what}");
    assert!(known.iter().all(|name| !unknown.contains(*name)), "{known:?} {unknown:?} {what}");
    want.phi.keys().for_each(|name| assert!(known.contains(name.as_str()), "{name} {what}"));
}

impl Case<'_> {
    fn explain(&self, plan: &Arc<Plan>, held: &[Held], at_ms: Option<i64>) -> Explanation {
        let asked = Asked { customer: self.id.to_owned(), at_ms, since_ms: None };
        explain(plan, &asked, &self.stored, held, Reading::default()).unwrap()
    }

    fn check(&self, random: &mut Random, seen: &mut Seen, place: &str) {
        let (row, id) = (&self.stored, self.id);
        let Some(judged) = self.customer.judge(self.plan, row.judged_ms) else {
            seen.without += 1;
            assert_eq!((row.risk, row.loyalty), (None, None), "{id}, {place}");
            let nothing = row.risk_contributions.len() + row.loyalty_contributions.len();
            assert_eq!((nothing, row.risk_missing.len()), (0, 0), "{id}, {place}");
            return;
        };
        seen.with_scores += 1;
        let what = |of: &str, at_ms: i64| format!("the {of} of {id} at {at_ms}, {place}");
        let at_ms = row.judged_ms;
        let (risk, loyalty) = (row.risk.unwrap(), row.loyalty.unwrap() / 100.0);
        check_row(&row.risk_contributions, risk, &judged.risk, &what("risk", at_ms));
        check_row(&row.loyalty_contributions, loyalty, &judged.loyalty, &what("loyalty", at_ms));
        let missing: BTreeSet<String> = row.risk_missing.iter().cloned().collect();
        assert_eq!(missing.len(), row.risk_missing.len(), "{}", what("risk", at_ms));
        assert_eq!(missing, judged.risk.missing, "{}", what("risk", at_ms));

        // any moment after the last event, and now and then that of the row
        let later_ms = row.judged_ms.max(self.customer.last_ms) + random.between(0, 400 * DAY_MS);
        let asked_ms = (!random.percent(10)).then_some(later_ms);
        let at_ms = asked_ms.unwrap_or(row.judged_ms);
        let told = self.explain(self.plan, self.held, asked_ms);
        assert_eq!(told.row.agrees, Some(true), "{} {:?}", what("row", at_ms), told.row);
        assert_eq!((told.at, told.told_from), (At(at_ms), ToldFrom::Events));
        assert_eq!(told.model_version, row.model_version, "{}", what("model", at_ms));
        let judged = self.customer.judge(self.plan, at_ms).unwrap();
        let (risk, loyalty) = (told.risk.as_ref().unwrap(), told.loyalty.as_ref().unwrap());
        check_told(risk, 1.0, &judged.risk, &what("risk told", at_ms));
        check_told(loyalty, 100.0, &judged.loyalty, &what("loyalty told", at_ms));
        for (of, score) in [("risk", risk), ("loyalty", loyalty)] {
            let known = score.contributions.iter().map(|c| c.input.input);
            known.for_each(|name| *seen.known.entry(format!("{of} {name}")).or_default() += 1);
            let unknown = score.unknown.iter().map(|input| input.input);
            unknown.for_each(|name| *seen.unknown.entry(format!("{of} {name}")).or_default() += 1);
        }
        self.check_silence(&told, &judged, at_ms, random, seen, place);
    }

    /// The same without what tells some of the inputs.
    fn check_silence(
        &self,
        told: &Explanation,
        judged: &Judged,
        at_ms: i64,
        random: &mut Random,
        seen: &mut Seen,
        place: &str,
    ) {
        let scores = |e: &Explanation| [e.risk.clone(), e.loyalty.clone()].map(Option::unwrap);
        let before = scores(told);
        let says = |of: &[&[&str]; 2]| {
            (0..2).any(|n| {
                let known = before[n].contributions.iter().map(|c| c.input.input);
                known.clone().any(|name| of[n].contains(&name))
            })
        };
        // of what can be left unsaid, what was least often: some of it is rare
        let often = |name: &str| seen.silenced.get(name).copied().unwrap_or(0);
        let silences = SILENCES.iter().filter(|silence| says(&silence.of)).map(Some);
        let trends = says(&TRENDS).then_some(None);
        let all = silences.chain(trends).map(|s| (s, s.map_or("trends", |s| s.name)));
        let Some((silence, name)) = all.min_by_key(|(_, name)| often(name)) else { return };
        // half of them will do
        if often(name) > 50 && random.percent(50) {
            return;
        }
        let none: [&[&str]; 2] = [&[], &[]];
        let (of, moves, after) = match silence {
            Some(silence) => {
                let held = silence.without(self.held);
                (&silence.of, &silence.moves, self.explain(self.plan, &held, Some(at_ms)))
            }
            None => {
                let after = self.explain(&without_trends(self.plan), self.held, Some(at_ms));
                assert_ne!(after.model_version, told.model_version);
                (&TRENDS, &none, after)
            }
        };
        let what = format!("{} at {at_ms} without {name}, {place}", self.id);
        assert_eq!(after.events.unreadable, 0, "{what}");
        if after.risk.is_none() {
            // who has bought nothing has scores by a contract alone
            assert!(name == "relations" && self.customer.ints["t_first"].is_none(), "{what}");
            return;
        }
        *seen.silenced.entry(name).or_default() += 1;
        let references = [judged.risk.reference, judged.loyalty.reference];
        for (n, after) in scores(&after).iter().enumerate() {
            let rest = check_rest(&before[n], after, [of[n], moves[n]], &what);
            let scale = [1.0, 100.0][n];
            sums_to(references[n] + rest, after.score / scale, &what);
        }
    }
}

/// Inputs of `of` are not known any more and add nothing; others but those of `moves` add what they did. Returns the sum of
/// what is left.
fn check_rest(before: &Score, after: &Score, [of, moves]: [&[&str]; 2], what: &str) -> f64 {
    let phis = |score: &Score| -> BTreeMap<&'static str, f64> {
        score.contributions.iter().map(|c| (c.input.input, c.log_odds)).collect()
    };
    let (mut known, mut now) = (phis(before), phis(after));
    let unknown: BTreeSet<&str> = after.unknown.iter().map(|input| input.input).collect();
    let all: f64 = now.values().sum();
    for name in of {
        let gone = known.remove(name).is_some();
        assert!(!now.contains_key(name), "{name} is known of {what}");
        assert!(!gone || unknown.contains(name), "{name} is not missing of {what}");
    }
    for name in moves {
        known.remove(name);
        now.remove(name);
    }
    assert!(known.keys().eq(now.keys()), "{known:?} {now:?} {what}");
    known.iter().for_each(|(name, phi)| near(now[name], *phi, &format!("{name} of {what}")));
    all
}

/// The profiles of one definition.
fn run(number: u64, plan: Plan) {
    let plan = Arc::new(plan);
    let model_version = Context::new(plan.clone()).model_version;
    let mut seen = Seen::default();
    let mut random = Random::new(number);
    for round in 0.. {
        if seen.with_scores >= PROFILES {
            break;
        }
        let family = FAMILIES[round % FAMILIES.len()];
        let seed = 10_000 * (number + 1) + round as u64;
        let customers = CUSTOMERS[usize::from(family == Family::Rhythm)];
        let made = histories(family, seed, customers, DAYS);
        // of a visit only the page that came first is held: those of the web come in order
        let (mut came, others): (Vec<_>, Vec<_>) =
            made.into_iter().partition(|event| event.source == WEB);
        let again_ms = |r: &mut Random, _: &_| r.between(0, 25 * DAY_MS);
        came.extend(disturbed(seed, &others, DISORDER_MS, 3, again_ms));
        let logs = deliver(seed, &came, |_| 0);
        let mut runner = Runner::new(&plan, 0, 1, logs.clone(), Schedule::straight(seed));
        runner.drain();
        runner.pass_to(BEGIN_MS + (DAYS + random.between(26, 300)) * DAY_MS);
        let expected = recompute(&plan, (0, 1), &logs);
        let held = held_of_all(&runner.tables);
        for row in runner.tables.rows("customers") {
            let (id, stored) = (row.text("customer_id"), stored(row));
            assert_eq!(stored.model_version, model_version);
            let held = held.get(id).map_or(&[][..], Vec::as_slice);
            let customer = &expected.customers[id];
            let case = Case { plan: &plan, id, stored, held, customer };
            case.check(&mut random, &mut seen, &format!("{family:?}, {}", runner.seed()));
        }
    }
    check_seen(&plan, &seen);
}

/// Every input was known of some and not known of others, as far as it can be either.
fn check_seen(plan: &Arc<Plan>, seen: &Seen) {
    eprintln!("{} with scores, {} without", seen.with_scores, seen.without);
    eprintln!("known {:?}\nunknown {:?}\nsilenced {:?}", seen.known, seen.unknown, seen.silenced);
    assert!(seen.with_scores >= PROFILES && seen.without > 100, "{}", seen.without);
    let cx = Context::new(plan.clone());
    let always = ["risk base", "risk open_complaints", "risk support_load", "loyalty still_active"];
    let risk = risk::Input::ALL.map(|i| (format!("risk {}", i.id()), cx.risk.weights.of(i)));
    let loyal = loyalty::Input::ALL.map(|i| (format!("loyalty {}", i.id()), cx.loyalty.of(i)));
    for (name, weight) in risk.into_iter().chain(loyal) {
        let of = |map: &BTreeMap<String, usize>| map.get(&name).copied().unwrap_or(0);
        let (known, unknown) = (of(&seen.known), of(&seen.unknown));
        if weight == 0.0 {
            assert_eq!((known, unknown), (0, 0), "{name} has no weight");
            continue;
        }
        assert_eq!(known + unknown, seen.with_scores, "{name}");
        // who talks to us is known of accounts only
        assert!(known > 20 || name == "loyalty multi_contact", "{name} is known of {known}");
        assert!(unknown > 20 || always.contains(&name.as_str()), "{name} is unknown of {unknown}");
    }
    for silence in &SILENCES {
        let weighs = |(of, name): (&str, &&str)| seen.known.contains_key(&format!("{of} {name}"));
        let inputs = ["risk", "loyalty"].into_iter().zip(silence.of);
        let any = inputs.flat_map(|(of, names)| names.iter().map(move |name| (of, name)));
        let count = seen.silenced.get(silence.name).copied().unwrap_or(0);
        assert_eq!(count > 20, any.into_iter().any(weighs), "{} {count}", silence.name);
    }
    assert!(seen.silenced["trends"] > 20, "{:?}", seen.silenced);
}

#[test]
fn of_consumers() {
    run(0, plan());
}

#[test]
fn of_companies() {
    run(1, companies());
}

#[test]
fn of_regular_customers() {
    run(2, regular());
}

#[test]
fn by_weights_of_ones_own() {
    run(3, own_weights());
}

#[test]
fn without_a_weight_for_the_base() {
    run(4, without_base());
}

#[test]
fn every_definition_is_a_version_of_its_own() {
    let all = [plan(), companies(), regular(), own_weights(), without_base()];
    let versions: BTreeSet<u64> =
        all.into_iter().map(|plan| Context::new(Arc::new(plan)).model_version).collect();
    assert_eq!(versions.len(), 5);
}
