//! The rules that a pipeline evaluates, with what is derived from them once: their laws, what they are told from, whose days they
//! ask for.

use std::sync::Arc;

use super::look::Looking;
use super::touched::{KindOf, Touched, of_rules};
use super::view::Facts;
use super::{Alerts, name_of};
use crate::model::registry::Subject;
use crate::plan::Plan;
use crate::rule::condition::{SignalRef, Term};
use crate::rule::definition::{Rule, RuleSet};
use crate::rule::hours::Calendar;

/// The rules that a pipeline evaluates, with what is derived from them once.
#[derive(Debug)]
pub struct Ruled {
    pub(super) set: Arc<RuleSet>,
    always: Calendar,
    /// In the order of the set: those that are evaluated.
    pub(super) rules: Vec<Ready>,
    pub(super) rises: Vec<Rising>,
    /// Numbers of largest revenues at risk that rules speak of, ascending.
    tops: Vec<u32>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Ready {
    /// In the set.
    index: usize,
    /// [`Rule::law`].
    pub law: u64,
    /// What must be touched for it to change but with time.
    pub told_from: Touched,
    /// The largest business age that it asks for: beyond, it does not matter how much more has passed.
    pub business_max_ms: i64,
    /// Whether it asks for past midnights, which are remembered from when it was first looked at.
    remembers: bool,
}

/// A signal whose values at midnights are remembered.
#[derive(Debug)]
pub(super) struct Rising {
    pub signal: SignalRef,
    /// [`name_of`] it.
    pub name: u32,
    pub days: u16,
    /// What must be touched for it to become known.
    pub told_from: Touched,
}

impl Ruled {
    /// The rules of a plan about these subjects, over signals of these kinds.
    pub fn new(plan: &Plan, subjects: &[Subject], kind_of: KindOf) -> Self {
        let set = Arc::clone(&plan.alerts);
        let kinds = of_rules(&set.rules, kind_of);
        let mut rules = Vec::new();
        let mut rises: Vec<Rising> = Vec::new();
        for (index, rule) in set.rules.iter().enumerate() {
            if !subjects.contains(&rule.subject) {
                continue;
            }
            let law = set.calendar(rule).map_or(0, |calendar| rule.law(calendar));
            let (mut business_max_ms, mut remembers) = (0, false);
            for condition in [&rule.raise, &rule.clear] {
                condition.tests(&mut |test| {
                    remembers |= note_rise(&mut rises, &test.term, kind_of);
                    if let (Term::BusinessAge(_), Some(edge)) = (&test.term, test.asks.edge()) {
                        business_max_ms = business_max_ms.max(edge.ceil() as i64);
                    }
                });
            }
            rules.push(Ready { index, law, told_from: kinds[index], business_max_ms, remembers });
        }
        let mut tops: Vec<u32> =
            rules.iter().filter_map(|ready| set.rules[ready.index].critical_in_top).collect();
        tops.sort_unstable();
        tops.dedup();
        let always = Calendar::always();
        Self { set, always, rules, rises, tops }
    }

    /// Whether there is none: then nothing is looked at but what rules before them had raised.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules about a subject that are told from something of what was touched, in the order of the set.
    pub(super) fn ready(&self, subject: Subject, touched: Touched) -> impl Iterator<Item = &Ready> {
        // a rule about nothing but the clock is told from nothing
        let told = move |ready: &&Ready| touched == Touched::ALL || ready.told_from.meets(touched);
        let all = self.rules.iter().filter(told);
        all.filter(move |ready| self.rule(ready).subject == subject)
    }

    /// The rule itself.
    pub(super) fn rule(&self, ready: &Ready) -> &Rule {
        &self.set.rules[ready.index]
    }

    /// The rule of that name, if it is evaluated.
    pub(super) fn named(&self, name: &str) -> Option<&Ready> {
        self.rules.iter().find(|ready| self.rule(ready).name == name)
    }

    /// Finds the rules that raise something, wait for something, or remember something of a subject to whom nothing has happened yet:
    /// who is seen for the first time touches that, too.
    pub fn note_restless(&mut self, subject: Subject, blank: impl Facts, first: Touched) {
        let mut alerts = Alerts::default();
        let restless = Looking::new(self, blank, &mut alerts, 0).restless(subject);
        for (ready, is_so) in self.rules.iter_mut().zip(restless) {
            if is_so || ready.remembers {
                ready.told_from = ready.told_from.and(first);
            }
        }
        // what is known of everybody is remembered from the first event on
        for rising in &mut self.rises {
            rising.told_from = rising.told_from.and(first);
        }
    }

    /// Rules about a subject are told from this, too, whatever they speak of.
    pub fn tell_also(&mut self, subject: Subject, touched: Touched) {
        let Self { set, rules, .. } = self;
        let about = |ready: &&mut Ready| set.rules[ready.index].subject == subject;
        for ready in rules.iter_mut().filter(about) {
            ready.told_from = ready.told_from.and(touched);
        }
    }

    /// Whether there is a rule about such subjects.
    pub fn is_about(&self, subject: Subject) -> bool {
        self.reads(subject, Touched::ALL)
    }

    /// Whether a rule about such subjects is told from something of what was touched.
    pub fn reads(&self, subject: Subject, touched: Touched) -> bool {
        self.ready(subject, touched).next().is_some()
    }

    /// Numbers of largest revenues at risk that rules speak of, ascending; each at least 1.
    pub fn tops(&self) -> &[u32] {
        &self.tops
    }

    /// Whether values of past midnights are remembered.
    pub fn remembers_days(&self) -> bool {
        !self.rises.is_empty()
    }

    /// The calendar of a rule.
    pub(super) fn calendar(&self, rule: &Rule) -> &Calendar {
        self.set.calendar(rule).unwrap_or(&self.always)
    }

    /// When people may be called for what a rule has found at `at_ms`; `None` at once.
    pub fn loud_from_ms(&self, rule: &str, at_ms: i64) -> Option<i64> {
        let rule = self.set.find(rule)?;
        Some(self.calendar(rule).loud_from_ms(at_ms)).filter(|loud_ms| *loud_ms > at_ms)
    }
}

/// Whether a term asks for past midnights; of which signal, and how many, is noted.
fn note_rise(rises: &mut Vec<Rising>, term: &Term, kind_of: KindOf) -> bool {
    let (Term::Rise { signal, days } | Term::Fall { signal, days }) = term else { return false };
    let name = name_of(*signal);
    match rises.iter_mut().find(|rising| rising.name == name) {
        Some(rising) => rising.days = rising.days.max(*days),
        None => {
            let told_from = kind_of(signal);
            rises.push(Rising { signal: *signal, name, days: *days, told_from });
        }
    }
    true
}
