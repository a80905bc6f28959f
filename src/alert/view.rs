//! A subject as a condition sees it at a moment, and when time alone may change the answer of a test: what each signal's own subject
//! knows, and what follows from it for business ages, rises and falls.

use super::{Days, name_of, number};
use crate::model::registry::{Kind, Signal};
use crate::model::time::NEVER_MS;
use crate::rule::condition::{Asks, Term, Test};
use crate::rule::daily::next_midnight_ms;
use crate::rule::evaluate::{Value, holds};
use crate::rule::hours::Calendar;
use crate::signal::exit::{FAR_MS, Window};
use crate::signal::moment::first_ms;
use crate::wire::alert::AlertWord;

/// Who an alert is about, as it is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stands {
    /// What stands in the id of the alert for the subject: unique among all of its kind.
    pub hashed: String,
    /// The fields of a transition that say how the subject stands; all others are left open.
    pub word: AlertWord,
}

/// A subject until its next event: what its signals are and how they move. What is told of it comes from here, too.
pub trait Facts {
    /// When something was last heard of it, milliseconds.
    fn as_of_ms(&self) -> i64;

    /// The signal at a moment not before the last event; `None` where it is unknown. Lengths of time and moments are
    /// milliseconds.
    fn value(&self, signal: &Signal, at_ms: i64) -> Option<Value>;

    /// The first moment after the view's at which time alone may change the signal's answer to the test; [`NEVER_MS`] where
    /// it never does. It may be too early, never too late. Asked also of moments that move by themselves.
    fn crossing_ms(&self, view: &View<'_>, signal: &Signal, test: &Test) -> i64;

    /// The first moment after `at_ms` at which the signal may be outside the window that is made round its value; [`NEVER_MS`]
    /// where it never is, or has no value to begin with. It may be too early, never too late.
    fn leaves_ms(&self, signal: &Signal, at_ms: i64, window: &dyn Fn(f64) -> Window) -> i64;

    /// How the subject, or its part of that id, stands.
    fn stands(&self, part_id: &str, at_ms: i64) -> Stands;

    /// A reason in words of its own; `None` where the signal's name and value say it.
    fn reason(&self, test: &Test, at_ms: i64) -> Option<String>;

    /// From how much revenue at risk on it is among the `top` largest of its owner; `None` where that is not known.
    fn cut_off_minor(&self, top: u32) -> Option<i64>;

    /// What makes most of a signal, in words, the strongest first.
    fn behind(&self, signal: &Signal, at_ms: i64) -> Vec<String>;
}

/// What a rule is told from.
pub struct View<'a> {
    /// The subject.
    pub facts: &'a dyn Facts,
    /// The moment.
    pub tau_ms: i64,
    /// Business hours.
    pub calendar: &'a Calendar,
    /// A business age beyond this says no more than this.
    pub business_max_ms: i64,
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
                let since_ms = self.moment_ms(signal, at_ms)?;
                number(self.calendar.between_up_to_ms(since_ms, at_ms, self.business_max_ms))
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

    /// A signal that is a moment.
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

    /// See [`crate::rule::evaluate::World::crossing`].
    pub fn crossing_ms(&self, test: &Test) -> i64 {
        let at_ms = match &test.term {
            Term::Signal(signal) | Term::Age(signal) | Term::Until(signal) => {
                self.facts.crossing_ms(self, signal, test)
            }
            Term::BusinessAge(signal) => self.of_business_age(signal, test),
            Term::Rise { .. } | Term::Fall { .. } => self.of_rise(test),
            Term::Firing(_) => NEVER_MS,
        };
        at_ms.max(self.tau_ms.saturating_add(1))
    }

    fn of_business_age(&self, signal: &Signal, test: &Test) -> i64 {
        let (Some(edge_ms), Some(since_ms)) =
            (test.asks.edge(), self.moment_ms(signal, self.tau_ms))
        else {
            return NEVER_MS;
        };
        let at_ms = self.calendar.after_ms(since_ms, edge_ms.ceil() as i64);
        if at_ms > self.tau_ms { at_ms } else { NEVER_MS }
    }

    /// The first moment up to `end_ms` at which the answer is another one, for what changes it once at most until then;
    /// `end_ms` where it does not.
    pub fn monotone_ms(&self, test: &Test, end_ms: i64) -> i64 {
        let now = self.holds(test, self.tau_ms);
        let far_ms = end_ms.min(self.tau_ms.saturating_add(FAR_MS));
        first_ms(self.tau_ms, far_ms, |ms| self.holds(test, ms) != now).unwrap_or(end_ms)
    }

    /// A moment found by an inverse, moved to where the answer itself is another one; rounding keeps them a few milliseconds
    /// apart at most.
    pub fn confirmed_ms(&self, test: &Test, at_ms: i64) -> i64 {
        if at_ms == NEVER_MS {
            return NEVER_MS;
        }
        let now = self.holds(test, self.tau_ms);
        let from_ms = (at_ms - 4).max(self.tau_ms.saturating_add(1));
        (from_ms..at_ms + 4).find(|ms| self.holds(test, *ms) != now).unwrap_or(at_ms)
    }

    /// A rise or a fall moves with its signal, and at midnight with the days that count.
    fn of_rise(&self, test: &Test) -> i64 {
        let (Term::Rise { signal, .. } | Term::Fall { signal, .. }) = &test.term else {
            return NEVER_MS;
        };
        let Some(now) = number(self.facts, *signal, self.tau_ms) else {
            // until it is known no midnight makes it rise
            let term = Term::Signal(*signal);
            let known = Test { term, asks: Asks::IsTrue, unknown: Some(false) };
            return self.facts.crossing_ms(self, signal, &known);
        };
        let midnight_ms = next_midnight_ms(self.tau_ms);
        let (Some(edge), Some(held)) = (test.asks.edge(), self.extreme(&test.term, self.tau_ms))
        else {
            // no midnight has been seen yet, and where none is remembered none will be
            let remembered = self.days.of(name_of(*signal)).is_some();
            return if remembered { midnight_ms } else { NEVER_MS };
        };
        let leaves =
            |window: &dyn Fn(f64) -> Window| self.facts.leaves_ms(signal, self.tau_ms, window);
        let rises = matches!(test.term, Term::Rise { .. });
        let by = if rises { now - held } else { held - now };
        if by >= edge || edge <= 0.0 {
            // until midnight the days stand still; then it may end with them
            let level = if rises { risen(held, edge) } else { fallen(held, edge).next_up() };
            return leaves(&|now| Window::around(now, &[level])).min(midnight_ms);
        }
        // as long as the signal stays in here, no day that is to come makes it rise so far
        let long = |now: f64| {
            if rises {
                let low = held.min(now - edge / 4.0);
                Window { low, high: risen(low, edge).max(now.next_up()) }
            } else {
                let high = held.max(now + edge / 4.0);
                Window { low: fallen(high, edge).next_up().min(now), high: high.next_up() }
            }
        };
        let at_ms = leaves(&long);
        if at_ms >= midnight_ms {
            return at_ms;
        }
        // until midnight only the way to the edge matters: so nobody wakes more than once a day for the other
        let today = |now: f64| {
            if rises {
                Window { low: f64::NEG_INFINITY, high: risen(held, edge).max(now.next_up()) }
            } else {
                Window { low: fallen(held, edge).next_up().min(now), high: f64::INFINITY }
            }
        };
        leaves(&today).min(midnight_ms)
    }
}

/// The least number that stands at least `edge` above `held`, as the difference is computed.
fn risen(held: f64, edge: f64) -> f64 {
    let mut level = held + edge;
    // rounding keeps them a bit or two apart
    for _ in 0..4 {
        if level - held < edge {
            level = level.next_up();
        } else if level.next_down() - held >= edge {
            level = level.next_down();
        }
    }
    level
}

/// The largest number that stands at least `edge` below `held`.
fn fallen(held: f64, edge: f64) -> f64 {
    -risen(-held, edge)
}
