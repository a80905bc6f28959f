//! One segment as its rules see it, and a look at its alerts.

use super::command::{command_of, note_of};
use super::crossings::trend_crossing_ms;
use super::words::{begins, is_told_why, phase_after, whose};
use super::{Alerts, Held, Refused, Ruled};
use crate::engine::compact::Moment;
use crate::engine::context::Context;
use crate::engine::moment::first_ms;
use crate::model::registry::Subject;
use crate::model::time::NEVER_MS;
use crate::plan::DemandBy;
use crate::rule::condition::{Term, Test};
use crate::rule::definition::Rule;
use crate::rule::evaluate::{Value, World, holds, reasons};
use crate::rule::lifecycle::{By, Transition, alert_id};
use crate::rule::watch::Watch;
use crate::signal::exit::FAR_MS;
use crate::signal::trend::{TrendRule, TrendSums};
use crate::wire::alert::AlertWord;
use crate::wire::mail::{Bought, Said};

/// What separates a category from a region in a segment's name.
pub const BETWEEN: &str = " / ";

/// What was bought of a segment in all shards.
struct Facts {
    rule: TrendRule,
    sums: TrendSums,
    /// At the landmark of the sums.
    orders: f64,
}

impl Facts {
    /// The sums of all shards, carried to the latest purchase among them.
    fn of(all: impl Iterator<Item = Bought>) -> Self {
        let rule = TrendRule::demand();
        let all: Vec<Bought> = all.collect();
        let landmark_ms = all.iter().map(|bought| bought.at_ms).max().unwrap_or(0);
        let first_ms = all.iter().map(|bought| bought.first_ms).min().unwrap_or(0);
        let events = u32::from(!all.is_empty());
        let mut sums = TrendSums { short: 0.0, long: 0.0, landmark_ms, first_ms, events };
        let mut orders = 0.0;
        for bought in all {
            sums.short += rule.short.value_at(bought.short, bought.at_ms, landmark_ms);
            sums.long += rule.long.value_at(bought.long, bought.at_ms, landmark_ms);
            orders += rule.long.value_at(bought.orders, bought.at_ms, landmark_ms);
        }
        Self { rule, sums, orders }
    }

    fn number(&self, name: &str, at_ms: i64) -> Option<f64> {
        match name {
            "demand_trend" => self.rule.value(&self.sums, at_ms),
            "demand_n" => Some(self.rule.long.value_at(self.orders, self.sums.landmark_ms, at_ms)),
            _ => None,
        }
    }

    /// Both numbers fall until the next letter.
    fn crossing_ms(&self, test: &Test, tau_ms: i64) -> i64 {
        let Term::Signal(signal) = &test.term else { return NEVER_MS };
        if signal.name == "demand_trend" {
            return trend_crossing_ms(&self.rule, &self.sums, test, tau_ms);
        }
        let holds_at = |ms: i64| {
            let number = self.number(signal.name, ms).map(Value::Number);
            number.is_some_and(|number| holds(&test.asks, number))
        };
        let now = holds_at(tau_ms);
        let far_ms = tau_ms.saturating_add(FAR_MS);
        first_ms(tau_ms, far_ms, |ms| holds_at(ms) != now).unwrap_or(NEVER_MS)
    }
}

/// A look at a segment, on its way.
pub(super) struct Segment<'a> {
    cx: &'a Context,
    ruled: &'a Ruled,
    name: &'a str,
    facts: Facts,
    alerts: &'a mut Alerts,
    tau_ms: i64,
    pub(super) due_ms: i64,
    /// Whether anything happened.
    pub(super) changed: bool,
    pub(super) told: Vec<AlertWord>,
}

impl<'a> Segment<'a> {
    /// At `at_ms`, but not before the latest purchase, nor before something last happened.
    pub(super) fn new(
        cx: &'a Context,
        ruled: &'a Ruled,
        name: &'a str,
        bought: impl Iterator<Item = Bought>,
        alerts: &'a mut Alerts,
        at_ms: i64,
    ) -> Self {
        let facts = Facts::of(bought);
        let tau_ms = at_ms.max(facts.sums.landmark_ms).max(alerts.seen.ms());
        let (due_ms, changed, told) = (NEVER_MS, false, Vec::new());
        Self { cx, ruled, name, facts, alerts, tau_ms, due_ms, changed, told }
    }

    /// Looks at every rule, in their order.
    pub(super) fn look(&mut self) {
        self.close_changed();
        let ruled = self.ruled;
        for (rule, law) in ruled.ready(Subject::Segment) {
            self.one(rule, law);
        }
        if self.changed {
            self.alerts.seen = Moment::new(self.tau_ms);
        }
    }

    /// Ends what was raised under a rule that is another one now, or is gone.
    fn close_changed(&mut self) {
        let ruled = self.ruled;
        let same = |held: &Held| {
            let mut ready = ruled.ready(Subject::Segment);
            ready.any(|(rule, law)| *rule.name == *held.rule && law == held.law)
        };
        for at in (0..self.alerts.held.len()).rev() {
            if same(&self.alerts.held[at]) {
                continue;
            }
            let mut held = self.alerts.held.remove(at);
            self.changed = true;
            if let Some((episode, what)) = held.ended() {
                let transition = Transition { at_ms: self.tau_ms, episode, what, by: By::Signals };
                self.tell(&mut held, &transition, "the rule has changed");
            }
            let law = ruled.ready(Subject::Segment).find(|(rule, _)| *rule.name == *held.rule);
            if let (Some((_, law)), true) = (law, held.n > 0) {
                // no episode is counted twice
                held.law = law;
                held.watch = Watch::after(held.episode);
                self.alerts.held.push(held);
            }
        }
    }

    fn one(&mut self, rule: &Rule, law: u64) {
        let at = self.alerts.held.iter().position(|held| *held.rule == *rule.name);
        let before = at.map(|at| self.alerts.held[at].watch.clone());
        let mut watch = before.clone().unwrap_or_default();
        let mut out = Vec::new();
        let due_ms = self.with_world(|world| watch.look(rule, world, &mut out));
        self.due_ms = self.due_ms.min(due_ms);
        if out.is_empty() && before.as_ref().map_or(watch.is_blank(), |before| *before == watch) {
            return;
        }
        self.changed = true;
        let mut held = match at {
            Some(at) => self.alerts.held.remove(at),
            None => Held::new(rule, law, 0),
        };
        held.watch = watch;
        out.iter().for_each(|transition| self.tell(&mut held, transition, ""));
        if !held.is_blank() {
            let at = at.unwrap_or(self.alerts.held.len());
            self.alerts.held.insert(at, held);
        }
    }

    /// Does what a person says. To be followed by a look.
    pub(super) fn obey(&mut self, said: &Said) -> Result<(), Refused> {
        let ruled = self.ruled;
        let (rule, _) = ruled
            .ready(Subject::Segment)
            .find(|(rule, _)| rule.name == said.rule)
            .ok_or(Refused::NoRule)?;
        let mut all = self.alerts.held.iter();
        let at = all.position(|held| *held.rule == *said.rule).ok_or(Refused::NoAlert)?;
        let command = command_of(said)?;
        let mut held = self.alerts.held[at].clone();
        let mut watch = held.watch.clone();
        let mut out = Vec::new();
        self.with_world(|world| watch.command(rule, world, &command, &mut out))
            .map_err(Refused::Ignored)?;
        held.watch = watch;
        for transition in &out {
            self.tell(&mut held, transition, &note_of(said, transition));
        }
        self.alerts.held[at] = held;
        self.alerts.seen = Moment::new(self.tau_ms);
        Ok(())
    }

    fn with_world<T>(&self, act: impl FnOnce(&mut World<'_>) -> T) -> T {
        let firing = |name: &str| {
            let held = self.alerts.held.iter().find(|held| *held.rule == *name);
            held.is_some_and(|held| held.watch.alert.is_on())
        };
        act(&mut World {
            tau_ms: self.tau_ms,
            value: &mut |term| match term {
                Term::Signal(signal) => {
                    self.facts.number(signal.name, self.tau_ms).map(Value::Number)
                }
                Term::Firing(rule) => Some(Value::Flag(firing(rule))),
                _ => None,
            },
            crossing: &mut |test| self.facts.crossing_ms(test, self.tau_ms),
        })
    }

    fn tell(&mut self, held: &mut Held, transition: &Transition, note: &str) {
        let rule = self.ruled.set.find(&held.rule);
        held.count(transition);
        if let Some(rule) = rule.filter(|_| begins(transition)) {
            held.severity = Some(rule.severity);
        }
        if let Some(rule) = rule.filter(|_| is_told_why(transition)) {
            let said = self.reasons(rule, held);
            if !said.is_empty() {
                held.reasons = said;
            }
        }
        let region = match self.cx.plan.parameters.demand_by {
            DemandBy::Category => "",
            DemandBy::CategoryRegion => self.name.rsplit_once(BETWEEN).map_or("", |(_, r)| r),
        };
        let (by_kind, by) = whose(transition);
        let usual = rule.map_or("info", |rule| rule.severity.name());
        self.told.push(AlertWord {
            alert_id: format!(
                "{:032x}",
                alert_id(&held.rule, Subject::Segment.name(), self.name, held.episode)
            ),
            n: held.n,
            rule: held.rule.to_string(),
            subject_kind: Subject::Segment.name().to_owned(),
            subject_id: self.name.to_owned(),
            episode: held.episode,
            what: transition.what.name().to_owned(),
            phase: phase_after(transition).to_owned(),
            by,
            by_kind: by_kind.to_owned(),
            note: note.to_owned(),
            severity: held.severity.map_or(usual, |severity| severity.name()).to_owned(),
            at_ms: transition.at_ms,
            call: transition.pages(),
            raised_ms: held.raised_ms,
            snoozed_until_ms: held.snoozed_until_ms(transition),
            currency: self.cx.plan.currency.to_string(),
            region: region.to_owned(),
            reasons: held.reasons.clone(),
            about: rule.map(|rule| rule.about.clone()).unwrap_or_default(),
            next_step: rule.map(|rule| rule.next_step.clone()).unwrap_or_default(),
            receivers: rule.map(|rule| rule.receivers.clone()).unwrap_or_default(),
            ..AlertWord::default()
        });
    }

    fn reasons(&self, rule: &Rule, held: &Held) -> Vec<String> {
        let (raise, _) = held.watch.memory();
        let found: Vec<Test> = self
            .with_world(|world| reasons(&rule.raise, raise, world).into_iter().cloned().collect());
        let mut told: Vec<String> = found.iter().map(|test| self.reason(test)).collect();
        told.dedup();
        told
    }

    fn reason(&self, test: &Test) -> String {
        let signal = test.term.signal().map_or("", |signal| signal.name);
        match (signal, self.facts.number(signal, self.tau_ms)) {
            ("demand_trend", Some(trend)) => {
                let percent = 100.0 * libm::expm1(trend);
                let how = if trend < 0.0 { "less" } else { "more" };
                format!("{:.0} % {how} bought than in the last quarter", percent.abs())
            }
            ("demand_n", Some(orders)) => format!("on about {orders:.0} orders"),
            _ => test.to_string(),
        }
    }
}
