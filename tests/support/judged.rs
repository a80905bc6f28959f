//! Risk, loyalty and values recomputed from recomputed inputs, with the formulas of docs/signals.md written out.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use retain::plan::{Plan, WeightSet, Weights};
use retain::signal::contract::Sbg;
use retain::signal::gamma;
use retain::signal::silence::History;
use retain::signal::value::ValueRule;

use super::catalogue::day_of;
use super::{Customer, Event};
use crate::plans::repurchase;

const DAY_MS: f64 = 86_400_000.0;

/// Name, weight for consumers, weight for companies.
const RISK: [(&str, f64, f64); 16] = [
    ("base", 1.0, 0.8),
    ("overdue_gap", 0.0, 0.8),
    ("spend_falling", 0.3, 0.6),
    ("engagement_falling", 0.25, 0.35),
    ("open_complaints", 0.6, 0.9),
    ("support_load", 0.4, 0.5),
    ("low_satisfaction", 0.5, 0.6),
    ("disappointment", 0.25, 0.4),
    ("late_payment", 0.0, 0.6),
    ("extensions", 0.0, 0.7),
    ("cancel_intent", 1.0, 1.2),
    ("opted_out", 0.4, 0.2),
    ("discount_dependent", 0.2, 0.0),
    ("returns", 0.3, 0.2),
    ("renewal_near", 0.0, 0.8),
    ("contact_left", 0.0, 0.7),
];

/// The same of loyalty.
const LOYALTY: [(&str, f64, f64); 13] = [
    ("repeat_depth", 1.6, 1.2),
    ("still_active", 1.2, 1.2),
    ("tenure", 0.6, 0.9),
    ("breadth", 0.6, 0.8),
    ("price_tolerance", 0.4, 0.2),
    ("returns", 0.4, 0.3),
    ("advocacy", 0.6, 0.5),
    ("engagement", 0.3, 0.3),
    ("regularity", 0.2, 0.5),
    ("new_products", 0.3, 0.3),
    ("suggests", 0.2, 0.3),
    ("pays_on_time", 0.0, 0.4),
    ("multi_contact", 0.0, 0.5),
];

/// What the judgements need beside the columns.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Whether there was any event of these families.
    pub terms: bool,
    /// A contact or an owner.
    pub contacts: bool,
    /// A bill, a payment, a request.
    pub credit: bool,
    web: bool,
    money: bool,
    /// Gaps between purchase days, days.
    gaps: Vec<f64>,
    /// Money of repeat purchases, minor units.
    repeat_minor: f64,
}

/// A score and what it is made of.
#[derive(Debug)]
pub struct Score {
    /// In (0, 1).
    pub score: f64,
    /// Log-odds of a customer of whom nothing is known.
    pub reference: f64,
    /// Log-odds by input, zeros left out.
    pub phi: BTreeMap<String, f64>,
    /// Inputs with a weight and without a value.
    pub missing: BTreeSet<String>,
}

/// Everything judged at a moment.
#[derive(Debug)]
pub struct Judged {
    /// Churn risk.
    pub risk: Score,
    /// Loyalty.
    pub loyalty: Score,
    /// Its word, empty for none.
    pub quadrant: &'static str,
    /// Whether the word stands on an edge, which rounding decides: a 4 of 5 is as much as the prior and the edge.
    pub on_edge: bool,
}

/// Fills in what purchases tell of rhythm and means.
pub fn fill(c: &mut Customer, plan: &Plan, events: &[&Event]) {
    let of = |kind: &'static str| events.iter().filter(move |e| e.kind == kind);
    c.known.web = of("web").next().is_some();
    c.known.money = ["purchase", "refund", "opening"].iter().any(|k| of(k).next().is_some());
    let opening = of("opening").max_by_key(|e| e.stamp());
    let opened = opening.map(|o| day_of(plan, crate::spelling::time_of(o.text("t_last"))));
    let day = |e: &&&Event| day_of(plan, e.ts_ms);
    let days: BTreeSet<i64> = of("purchase").map(|e| day(&e)).collect();
    let later = days.iter().copied().filter(|d| opened.is_none_or(|last| *d > last));
    let line: Vec<i64> = opened.into_iter().chain(later).collect();
    c.known.gaps = line.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
    let bought: i128 = of("purchase").map(|e| e.minor).sum();
    let first = match opening {
        Some(o) => o.minor / i128::from(o.json["n_days"].as_i64().unwrap()) - o.minor,
        None => of("purchase").filter(|e| Some(&day(e)) == days.first()).map(|e| e.minor).sum(),
    };
    c.known.repeat_minor = (bought - first) as f64;
}

fn sigmoid(eta: f64) -> f64 {
    1.0 / (1.0 + (-eta).exp())
}

fn logit(p: f64) -> f64 {
    let p = p.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln()
}

/// A rate per day: sum times lambda over 1 - e^(-lambda age), the age at least a day.
pub fn rate(sum: f64, half_life_d: f64, age_ms: i64) -> f64 {
    let lambda = std::f64::consts::LN_2 / half_life_d;
    sum * lambda / (1.0 - (-lambda * (age_ms as f64 / DAY_MS).max(1.0)).exp())
}

fn saturating(x: f64, scale: f64) -> f64 {
    1.0 - (-x.max(0.0) / scale).exp()
}

fn score(
    inputs: &[(&str, f64, f64)],
    said: &Weights,
    b0: f64,
    ref_base: f64,
    z: &BTreeMap<&str, f64>,
) -> Score {
    let (mut eta, mut phi, mut missing) = (b0, BTreeMap::new(), BTreeSet::new());
    let mut of_nothing = b0;
    for (number, (name, b2c, b2b)) in inputs.iter().enumerate() {
        let own = said.own.iter().find(|(input, _)| usize::from(*input) == number);
        let of_set = if said.set == WeightSet::B2c { *b2c } else { *b2b };
        let weight = own.map_or(of_set, |(_, weight)| *weight);
        let reference = if *name == "base" { logit(ref_base) } else { 0.0 };
        of_nothing += weight * reference;
        eta += weight * z.get(name).copied().unwrap_or(reference);
        match z.get(name) {
            _ if weight == 0.0 => {}
            None => drop(missing.insert((*name).to_owned())),
            Some(z) if weight * (z - reference) != 0.0 => {
                phi.insert((*name).to_owned(), weight * (z - reference));
            }
            _ => {}
        }
    }
    Score { score: sigmoid(eta), reference: of_nothing, phi, missing }
}

impl Customer {
    fn int(&self, name: &str) -> Option<i128> {
        self.ints[name]
    }

    fn time(&self, name: &str) -> Option<i64> {
        self.ints[name].map(|ms| ms as i64)
    }

    /// A sum at a moment; nothing is 0.
    pub fn sum(&self, name: &str, tau_ms: i64) -> f64 {
        let old = self.sums.iter().find(|s| s.0 == name).map(|s| &s.2);
        self.all.get(name).or(old).map_or(0.0, |sum| sum.at(tau_ms).0)
    }

    fn history(&self) -> Option<(i64, History)> {
        let (first, last) = (self.time("t_first")?, self.time("t_last")?);
        let x = self.int("n_days")?.checked_sub(1)? as u32;
        let t_x_d = if x == 0 { 0.0 } else { (last - first) as f64 / DAY_MS };
        Some((first, History { x, t_x_d }))
    }

    /// Mean gap and regularity; `None` before the first purchase.
    pub fn rhythm(&self, plan: &Plan) -> Option<(f64, f64)> {
        (self.int("n_days")? > 0).then_some(())?;
        let gaps = &self.known.gaps;
        let n = gaps.len() as f64;
        let sum: f64 = gaps.iter().sum();
        let mean = (2.0 * plan.parameters.regularity.gap_d + sum) / (2.0 + n);
        if gaps.len() < 2 {
            return Some((mean, 1.0));
        }
        let q = (sum / n).ln() - gaps.iter().map(|gap| gap.ln()).sum::<f64>() / n;
        let k = (3.0 - q + ((q - 3.0).powi(2) + 24.0 * q).sqrt()) / (12.0 * q);
        let k = if q <= 0.0 { 100.0 } else { k.min(100.0) };
        Some((mean, (n * k + 5.0) / (n + 5.0)))
    }

    /// Mean of a purchase to come, minor units.
    pub fn mean_minor(&self, plan: &Plan) -> Option<f64> {
        let x = self.int("n_days")?.checked_sub(1).filter(|x| *x >= 0)? as f64;
        let v = &plan.parameters.value;
        let spent = if x == 0.0 { 0.0 } else { self.known.repeat_minor };
        let below = v.gamma_gamma_p * x + v.gamma_gamma_q - 1.0;
        Some(v.gamma_gamma_p * (v.gamma_gamma_gamma * 100.0 + spent) / below)
    }

    /// Purchases expected in 90 days, surprise of the gap, lifetime value in major units.
    pub fn values(&self, plan: &Plan, tau_ms: i64) -> Option<(f64, f64, Option<f64>)> {
        let (first, history) = self.history()?;
        let (mean_gap, k) = self.rhythm(plan)?;
        let age_d = ((tau_ms - first) as f64 / DAY_MS).max(history.t_x_d);
        let waited_d = ((tau_ms - self.time("t_last")?) as f64 / DAY_MS).max(0.0);
        let model = repurchase(plan);
        let p = &plan.parameters;
        let (born, from) = (self.time("streamed_from")?, self.spend_from()?);
        let cost = 100.0
            * p.service.minute_cost
            * rate(self.sum("handling_min_180", tau_ms), 180.0, tau_ms - born)
            + rate(self.sum("discount_365", tau_ms), 365.0, tau_ms - from)
            + 100.0
                * p.service.return_cost
                * rate(self.sum("returns_365", tau_ms), 365.0, tau_ms - from);
        let rule = ValueRule {
            steps: p.value.months as u16,
            discount: p.value.discount_rate,
            margin: p.value.margin,
            ..ValueRule::default()
        };
        let clv = self
            .mean_minor(plan)
            .map(|mean| rule.customer_value(&model, (history, age_d), mean, cost) / 100.0);
        let surprise = gamma::lower(k, k * waited_d / mean_gap);
        Some((model.expected(history, age_d, 90.0), surprise, clv))
    }

    fn p_silent(&self, plan: &Plan, tau_ms: i64) -> Option<f64> {
        if let (Some(start), Some(renewal)) =
            (self.time("contract_start"), self.time("contract_renewal"))
        {
            let terms = ((renewal - start) as f64 / DAY_MS / 365.0).round().clamp(1.0, 1_000.0);
            let [a, b] = plan.parameters.contract;
            return Some(1.0 - Sbg::new(a, b).unwrap().renewal_rate(terms as u32 - 1));
        }
        let (first, history) = self.history()?;
        let age_d = (tau_ms - first) as f64 / DAY_MS;
        Some(repurchase(plan).p_silent_rising(history, age_d, plan.parameters.risk.horizon_d))
    }

    /// `ln(rate short / rate long)`.
    fn trend(
        &self,
        names: [&str; 2],
        half_lives: [f64; 2],
        tau_ms: i64,
        age_ms: i64,
        floor: f64,
    ) -> Option<f64> {
        let short = rate(self.sum(names[0], tau_ms), half_lives[0], age_ms);
        let long = rate(self.sum(names[1], tau_ms), half_lives[1], age_ms);
        (short > 0.0 && long > 0.0 && long >= floor).then(|| (short / long).ln())
    }

    /// Since when the stream has the customer's money.
    fn spend_from(&self) -> Option<i64> {
        Some(self.time("t_first")?.max(self.time("streamed_from")?))
    }

    fn volume_trend(&self, plan: &Plan, tau_ms: i64) -> Option<f64> {
        let age_ms = tau_ms - self.spend_from()?;
        (self.int("orders")? >= 4).then_some(())?;
        let names = ["spend_sum_30", "spend_sum_180"];
        let floor = plan.parameters.trends.spend_floor * 100.0;
        Some(self.trend(names, [30.0, 180.0], tau_ms, age_ms, floor)?.clamp(-3.0, 3.0))
    }

    fn engage_trend(&self, plan: &Plan, tau_ms: i64) -> Option<f64> {
        let age_ms = tau_ms - self.time("streamed_from")?;
        (self.int("visits")? >= 1).then_some(())?;
        let names = ["visit_sum_7", "visit_sum_60"];
        let floor = plan.parameters.trends.visit_floor;
        Some(self.trend(names, [7.0, 60.0], tau_ms, age_ms, floor)?.clamp(-2.0, 2.0))
    }

    fn share(&self, part: &str, tau_ms: i64) -> Option<f64> {
        let gross = self.sum("gross_365", tau_ms);
        (gross > 0.0).then(|| (self.sum(part, tau_ms) / gross).clamp(0.0, 1.0))
    }

    fn csat(&self, plan: &Plan, tau_ms: i64) -> Option<f64> {
        let n = self.sum("csat_n_180", tau_ms);
        let mean = (self.sum("csat_180", tau_ms) + 3.0 * plan.csat_prior) / (n + 3.0);
        self.all.contains_key("csat_n_180").then_some(mean)
    }

    /// What is delivered beside what is expected: as stated, for those who stated nothing the long mean.
    fn sat_gap(&self, tau_ms: i64) -> Option<f64> {
        self.all.contains_key("csat_n_180").then_some(())?;
        // at the last rating: the quotients stand still, but far later all sums are 0
        let last = self.all["csat_n_30"].parts.iter().map(|p| p.0).max()?;
        let sum = |name: &str| self.sum(name, tau_ms.min(last));
        let said = (sum("expected_n_30") / sum("csat_n_30")).clamp(0.0, 1.0);
        let stated = if said > 0.0 { sum("expected_30") / sum("expected_n_30") } else { 0.0 };
        let usual = sum("csat_365") / sum("csat_n_365");
        let expected = said * stated + (1.0 - said) * usual;
        Some((sum("csat_30") / sum("csat_n_30") - expected).clamp(-1.0, 1.0))
    }

    fn dbt_days(&self, tau_ms: i64) -> Option<f64> {
        let overdue = || self.invoices.iter().filter(|(due_ms, _)| *due_ms <= tau_ms);
        let late: f64 =
            overdue().map(|(due, minor)| *minor as f64 * (tau_ms - due) as f64 / DAY_MS).sum();
        let open: f64 = overdue().map(|(_, minor)| *minor as f64).sum();
        let all = self.sum("paid_180", tau_ms) + open;
        (all > 0.0).then(|| (self.sum("late_days_180", tau_ms) + late) / all)
    }

    fn risk_z(&self, plan: &Plan, tau_ms: i64) -> Option<BTreeMap<&'static str, f64>> {
        let mut z = BTreeMap::new();
        z.insert("base", logit(self.p_silent(plan, tau_ms)?));
        let mut know = |name: &'static str, value: Option<f64>| {
            value.map(|value| z.insert(name, value));
        };
        let sum = |name: &str| self.sum(name, tau_ms);
        let surprise = self.history().and_then(|_| {
            let (mean, k) = self.rhythm(plan)?;
            let waited_d = ((tau_ms - self.time("t_last")?) as f64 / DAY_MS).max(0.0);
            Some(gamma::lower(k, k * waited_d / mean))
        });
        let yes = |known: bool, value: f64| known.then_some(value);
        know("overdue_gap", surprise.map(|s| (2.0 * s - 1.0).max(0.0)));
        know("spend_falling", self.volume_trend(plan, tau_ms).map(|t| -t.clamp(-2.0, 2.0)));
        know("engagement_falling", self.engage_trend(plan, tau_ms).map(|t| -t));
        know("open_complaints", self.int("open_complaints").map(|n| (n as f64 / 2.0).min(1.0)));
        know("support_load", Some((sum("tickets_90") / 4.0).min(1.0)));
        let csat = self.csat(plan, tau_ms);
        know("low_satisfaction", csat.map(|csat| ((0.75 - csat) / 0.25).clamp(-1.0, 2.0)));
        know("disappointment", self.sat_gap(tau_ms).map(|gap| (-gap / 0.25).clamp(-1.0, 1.0)));
        let late = self.dbt_days(tau_ms).filter(|_| self.known.credit);
        know("late_payment", late.map(|days| (days / 30.0).clamp(0.0, 1.0)));
        let asked = (sum("extensions_180") + sum("partials_180")) / 2.0;
        know("extensions", yes(self.known.credit, asked.min(1.0)));
        know("cancel_intent", yes(self.known.web, sum("cancels_14").min(1.0)));
        know("opted_out", yes(self.known.web, self.int("opted_out")? as f64));
        let disc = self.share("discount_365", tau_ms);
        know("discount_dependent", disc.map(|d| ((d - 0.3) / 0.3).clamp(-1.0, 1.0)));
        know("returns", self.share("refund_365", tau_ms).map(|r| (r / 0.3).min(1.0)));
        let unsigned = self.int("contract_signed") == Some(0);
        let near = self
            .time("contract_renewal")
            .filter(|_| unsigned)
            .map(|renewal| (1.0 - (renewal - tau_ms) as f64 / DAY_MS / 60.0).clamp(0.0, 1.0));
        know("renewal_near", near);
        know("contact_left", yes(self.known.contacts, sum("owner_changes_90").min(1.0)));
        Some(z)
    }

    fn loyalty_z(&self, plan: &Plan, tau_ms: i64) -> BTreeMap<&'static str, f64> {
        let mut z = BTreeMap::new();
        let mut know = |name: &'static str, value: Option<f64>| {
            value.map(|value| z.insert(name, value));
        };
        let sum = |name: &str| self.sum(name, tau_ms);
        let x = self.int("n_days").and_then(|n| n.checked_sub(1)).filter(|x| *x >= 0);
        know("repeat_depth", x.map(|x| saturating(x as f64, 3.0)));
        know("still_active", self.p_silent(plan, tau_ms).map(|p| 2.0 * (1.0 - p) - 1.0));
        let first = self.time("t_first");
        know("tenure", first.map(|t| saturating((tau_ms - t) as f64 / DAY_MS, 730.0)));
        let breadth = self.int("breadth").filter(|n| *n > 0);
        know("breadth", breadth.map(|n| saturating(n as f64 - 1.0, 3.0)));
        know("price_tolerance", self.share("discount_365", tau_ms).map(|d| 1.0 - 2.0 * d));
        know("returns", self.share("refund_365", tau_ms).map(|r| -(r / 0.3).min(1.0)));
        let referrals = sum("referrals_180");
        let rated = self.time("nps_at").filter(|at| tau_ms < at + 365 * 86_400_000);
        let nps = rated.and_then(|_| self.int("nps"));
        know(
            "advocacy",
            match nps {
                _ if referrals > 0.0 => Some(saturating(referrals, 1.0)),
                Some(nps) => Some(0.5 * ((nps as f64 - 7.5) / 2.5).clamp(-1.0, 1.0)),
                None => self.known.terms.then_some(0.0),
            },
        );
        know("engagement", self.engage_trend(plan, tau_ms).map(|t| (t / 2.0).clamp(-1.0, 1.0)));
        let k = self.rhythm(plan).filter(|_| x > Some(0)).map(|(_, k)| k);
        know("regularity", k.map(|k| (k - 1.0) / (k + 1.0)));
        let new = self.known.money.then(|| sum("new_products_365"));
        know("new_products", new.map(|n| saturating(n, 1.0)));
        let (s, c) = (sum("suggestions_365"), sum("complaints_365"));
        know("suggests", (s + c >= 2.0).then(|| 2.0 * (s + 0.5) / (s + c + 1.0) - 1.0));
        let late = self.dbt_days(tau_ms).filter(|_| self.known.credit);
        know("pays_on_time", late.map(|days| 1.0 - (days / 30.0).clamp(0.0, 1.0)));
        z
    }

    /// The risk alone.
    pub fn risk(&self, plan: &Plan, tau_ms: i64) -> Option<Score> {
        let rule = &plan.parameters.risk;
        let z = self.risk_z(plan, tau_ms)?;
        Some(score(&RISK, &rule.weights, 0.0, rule.ref_base, &z))
    }

    /// Everything; `None` for who has neither bought nor a contract.
    pub fn judge(&self, plan: &Plan, tau_ms: i64) -> Option<Judged> {
        let risk = self.risk(plan, tau_ms)?;
        let said = &plan.parameters.loyalty;
        let loyalty = score(&LOYALTY, said, -1.2, 0.5, &self.loyalty_z(plan, tau_ms));
        let rated = self.sum("csat_n_180", tau_ms) >= 1.0;
        let quadrant = match self.csat(plan, tau_ms).filter(|_| rated) {
            None => "",
            Some(csat) => match (loyalty.score >= 0.6, csat >= 0.75) {
                (true, true) => "apostle",
                (true, false) => "hostage",
                (false, true) => "mercenary",
                (false, false) => "defector",
            },
        };
        let near = |value: f64, edge: f64| (value - edge).abs() < 1e-9;
        let on_edge = near(loyalty.score, 0.6)
            || near(self.sum("csat_n_180", tau_ms), 1.0)
            || self.csat(plan, tau_ms).is_some_and(|csat| near(csat, 0.75));
        Some(Judged { risk, loyalty, quadrant, on_edge })
    }
}
