//! What alerts say of a customer: how the customer stands, and reasons in words.

use super::values::Facts;
use crate::alert::view::{Stands, View};
use crate::engine::said::Field;
use crate::model::registry::{Signal, length_text};
use crate::model::time::DAY_MS;
use crate::rule::condition::{Term, Test};
use crate::rule::evaluate::Value;
use crate::signal::exit::Window;
use crate::signal::regularity::Rhythm;
use crate::signal::risk::Input;
use crate::wire::alert::AlertWord;

impl crate::alert::Facts for Facts<'_> {
    fn as_of_ms(&self) -> i64 {
        self.profile.as_of_ms
    }

    fn value(&self, signal: &Signal, at_ms: i64) -> Option<Value> {
        self.value_of(signal, at_ms)
    }

    fn crossing_ms(&self, view: &View<'_>, signal: &Signal, test: &Test) -> i64 {
        self.of_signal(view, signal, test)
    }

    fn leaves_ms(&self, signal: &Signal, at_ms: i64, window: &dyn Fn(f64) -> Window) -> i64 {
        self.signal_leaves_ms(signal, at_ms, window)
    }

    fn stands(&self, part_id: &str, at_ms: i64) -> Stands {
        let risk = self.risk(at_ms);
        let customer = String::from_utf8_lossy(self.key).into_owned();
        let (kind, id) =
            if part_id.is_empty() { ("customer", customer.as_str()) } else { ("ticket", part_id) };
        // two customers may call their tickets alike
        let hashed =
            if part_id.is_empty() { customer.clone() } else { format!("{customer}\0{part_id}") };
        let said = |field| self.profile.said(field).to_owned();
        let word = AlertWord {
            subject_kind: kind.to_owned(),
            subject_id: id.to_owned(),
            account_id: said(Field::AccountId),
            at_risk_minor: self.at_risk_minor(at_ms),
            currency: self.cx.plan.currency.to_string(),
            risk,
            owner_id: said(Field::OwnerId),
            region: said(Field::Region),
            industry: said(Field::Industry),
            tier: self.tier.place.map_or("", |place| place.tier.name()).to_owned(),
            key: self.is_key(),
            customer_id: customer,
            ..AlertWord::default()
        };
        Stands { hashed, word }
    }

    fn reason(&self, test: &Test, at_ms: i64) -> Option<String> {
        match &test.term {
            Term::Signal(signal) if signal.name == "gap_surprise" => self.stayed_away(at_ms),
            Term::Signal(signal) if signal.name == "session_gap_surprise" => {
                self.not_visited(at_ms)
            }
            Term::Signal(signal) if signal.name == "key_customer" => {
                let is = if self.is_key() { "a key customer" } else { "no key customer any more" };
                Some(is.to_owned())
            }
            _ => None,
        }
    }

    fn cut_off_minor(&self, top: u32) -> Option<i64> {
        self.owners?.cut_off_minor(self.profile.said(Field::OwnerId), top)
    }

    fn behind(&self, signal: &Signal, at_ms: i64) -> Vec<String> {
        if signal.name == "risk" { self.risk_causes(at_ms) } else { Vec::new() }
    }
}

impl Facts<'_> {
    fn stayed_away(&self, tau_ms: i64) -> Option<String> {
        Some(for_long("bought nothing", self.inputs_gap()?, tau_ms))
    }

    fn not_visited(&self, tau_ms: i64) -> Option<String> {
        Some(for_long("did not visit", self.visit_gap()?, tau_ms))
    }

    /// What adds most to the risk.
    fn risk_causes(&self, tau_ms: i64) -> Vec<String> {
        let Some(inputs) = self.inputs() else { return Vec::new() };
        let facts = inputs.facts_at(tau_ms);
        let mut found = self.cx.risk.weights.explain(&facts).contributions;
        found.retain(|contribution| contribution.phi > 0.0);
        found.sort_by(|a, b| b.phi.total_cmp(&a.phi));
        found.into_iter().map(|c| self.input(c.key, tau_ms)).collect()
    }

    fn input(&self, input: Input, tau_ms: i64) -> String {
        match input {
            Input::Base | Input::OverdueGap => {
                // a gap that is no longer than usual says nothing
                let overdue = self.inputs_gap().is_some_and(|gap| times_of(&gap, tau_ms) >= 1.0);
                let said = self.stayed_away(tau_ms).filter(|_| overdue);
                said.unwrap_or_else(|| "is likely to stay away".to_owned())
            }
            Input::SpendFalling => "spends less than usual".to_owned(),
            Input::EngagementFalling => "visits less often than usual".to_owned(),
            Input::OpenComplaints => "has open complaints".to_owned(),
            Input::SupportLoad => "needs much support".to_owned(),
            Input::LowSatisfaction => "is dissatisfied".to_owned(),
            Input::Disappointment => "got less than expected".to_owned(),
            Input::LatePayment => "pays late".to_owned(),
            Input::Extensions => "asked for time to pay".to_owned(),
            Input::CancelIntent => "looked at how to leave".to_owned(),
            Input::OptedOut => "refuses messages".to_owned(),
            Input::DiscountDependent => "buys at a discount only".to_owned(),
            Input::Returns => "sends much back".to_owned(),
            Input::RenewalNear => "the renewal is near and not signed".to_owned(),
            Input::ContactLeft => "the account manager has changed".to_owned(),
        }
    }
}

fn for_long(what: &str, gap: (Rhythm, i64), tau_ms: i64) -> String {
    let (times, for_ms) = (times_of(&gap, tau_ms), (tau_ms - gap.1) as f64);
    format!("{what} for {}, {times:.1} times the usual gap", length_text(for_ms))
}

/// How many of the usual gaps have passed since the last time.
fn times_of((rhythm, last_ms): &(Rhythm, i64), tau_ms: i64) -> f64 {
    (tau_ms - last_ms) as f64 / (rhythm.g_bar_d * DAY_MS as f64)
}
