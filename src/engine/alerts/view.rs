//! A customer, or one of its tickets, as a condition sees it at a moment.

use super::Days;
use super::values::Facts;
use crate::engine::judge::Look;
use crate::model::registry::{Kind, Signal};
use crate::rule::condition::{Asks, Term, Test};
use crate::rule::evaluate::{Value, holds};
use crate::rule::hours::Calendar;

/// What a rule is told from.
pub(super) struct View<'a> {
    pub facts: &'a Facts<'a>,
    pub tau_ms: i64,
    /// How thoroughly crossings of the risk are looked for.
    pub look: Look,
    pub calendar: &'a Calendar,
    /// Values of past midnights.
    pub days: &'a Days,
    /// Whether another rule is on for the same subject.
    pub firing: &'a dyn Fn(&str) -> bool,
}

impl View<'_> {
    /// What a term is at a moment not before the last event.
    pub fn value(&self, term: &Term, at_ms: i64) -> Option<Value> {
        let number = |ms: i64| Some(Value::Number(ms as f64));
        match term {
            Term::Signal(signal) => self.facts.value(signal, at_ms),
            Term::Age(signal) => number(at_ms - self.moment_ms(signal, at_ms)?),
            Term::Until(signal) => number(self.moment_ms(signal, at_ms)? - at_ms),
            Term::BusinessAge(signal) => {
                number(self.calendar.between_ms(self.moment_ms(signal, at_ms)?, at_ms))
            }
            Term::Rise { signal, .. } | Term::Fall { signal, .. } => {
                let held = self.extreme(term, at_ms)?;
                let Some(Value::Number(now)) = self.facts.value(signal, at_ms) else {
                    return None;
                };
                let rises = matches!(term, Term::Rise { .. });
                Some(Value::Number(if rises { now - held } else { held - now }))
            }
            Term::Firing(rule) => Some(Value::Flag((self.firing)(rule))),
        }
    }

    pub fn moment_ms(&self, signal: &Signal, at_ms: i64) -> Option<i64> {
        match self.facts.value(signal, at_ms) {
            Some(Value::Number(ms)) => Some(ms as i64),
            _ => None,
        }
    }

    /// The least (of a fall the largest) value of the days that count at a moment.
    pub fn extreme(&self, term: &Term, at_ms: i64) -> Option<f64> {
        let (Term::Rise { signal, days } | Term::Fall { signal, days }) = term else { return None };
        let daily = self.days.as_of(self.facts, *signal, *days, at_ms)?;
        match term {
            Term::Rise { .. } => daily.least(*days, at_ms),
            _ => daily.largest(*days, at_ms),
        }
    }

    /// The answer of a test at a moment: as the evaluation has it; of a test whether something is known, that.
    pub fn holds(&self, test: &Test, at_ms: i64) -> bool {
        let value = self.value(&test.term, at_ms);
        let flag = test.term.signal().is_none_or(|signal| signal.kind() == Kind::Flag);
        match value {
            Some(_) if test.asks == Asks::IsTrue && !flag => true,
            Some(value) => holds(&test.asks, value),
            None => test.unknown.unwrap_or(false),
        }
    }
}
