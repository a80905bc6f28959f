//! Cases for rules: signals given by hand at given times, and the transitions that must follow, no others.
//!
//! A case says what signals are, not what events would make them so: it tries the rule and not the signal. Between its
//! steps every signal stays as it was given; what is told from moments (ages, business hours) moves with time.

use std::collections::BTreeMap;

use super::condition::{Condition, Term, Test};
use super::daily::{Daily, next_midnight_ms};
use super::definition::{Rule, RuleSet};
use super::evaluate::{Value, World};
use super::hours::Calendar;
use super::lifecycle::{Action, Command, Transition, What};
use super::watch::Watch;
use crate::model::registry::{Kind, Signal};
use crate::model::time::{NEVER_MS, duration_text};

/// Most looks in one case: far beyond any honest one.
const LOOKS_MAX: usize = 200_000;

/// What a signal is said to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Given {
    /// A value; lengths of time in milliseconds.
    Value(Value),
    /// A moment.
    Moment(i64),
    /// Nobody knows.
    Unknown,
}

/// Signals as they are from a moment on.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// From when on.
    pub at_ms: i64,
    /// What changes.
    pub signals: Vec<(&'static str, Given)>,
}

/// What a person does about the present episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// When.
    pub at_ms: i64,
    /// About the alert of this rule.
    pub rule: String,
    /// What.
    pub action: Action,
}

/// A transition that must follow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    /// When.
    pub at_ms: i64,
    /// Of which rule.
    pub rule: String,
    /// What.
    pub what: What,
    /// Of which episode; `None` where the case does not say.
    pub episode: Option<u32>,
}

/// A case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Its line in the file.
    pub line: usize,
    /// Transitions of these rules are compared.
    pub rules: Vec<String>,
    /// Where its times are counted from.
    pub start_ms: i64,
    /// Until when it is followed, the end included.
    pub until_ms: i64,
    /// What is given, in order of time.
    pub steps: Vec<Step>,
    /// What people do, in order of time.
    pub deeds: Vec<Deed>,
    /// What must follow.
    pub expect: Vec<Expected>,
}

/// How a case went: empty differences if well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The case's name.
    pub name: String,
    /// Its line in the file.
    pub line: usize,
    /// What was not as expected, a line each.
    pub differences: Vec<String>,
}

/// The subject of a case on its way through time.
struct Run<'r> {
    set: &'r RuleSet,
    rules: Vec<&'r Rule>,
    watches: Vec<Watch>,
    dues: Vec<i64>,
    given: BTreeMap<&'static str, Given>,
    days: Vec<(Term, Daily)>,
    happened: Vec<(usize, Transition)>,
    wrong: Vec<String>,
}

/// Runs a case and compares.
#[must_use]
pub fn run(case: &Case, set: &RuleSet) -> Verdict {
    let rules: Vec<&Rule> = wanted(case, set);
    let mut run = Run {
        set,
        watches: vec![Watch::default(); rules.len()],
        dues: vec![NEVER_MS; rules.len()],
        given: BTreeMap::new(),
        days: rises(&rules),
        happened: Vec::new(),
        wrong: Vec::new(),
        rules,
    };
    run.follow(case);
    let mut differences = run.wrong;
    let happened = run.happened.into_iter().filter_map(|(rule, transition)| {
        let name = &run.rules.get(rule)?.name;
        case.rules.contains(name).then(|| (name.clone(), transition))
    });
    differences.extend(compare(case, happened.collect()));
    Verdict { name: case.name.clone(), line: case.line, differences }
}

/// The rules of a case and all that they refer to, in the order of the set.
fn wanted<'r>(case: &Case, set: &'r RuleSet) -> Vec<&'r Rule> {
    let mut names: Vec<String> = case.rules.clone();
    // those referred to stand before those that refer: one way back finds them all
    for rule in set.rules.iter().rev() {
        if names.contains(&rule.name) {
            names.extend(rule.raise.rules());
            names.extend(rule.clear.rules());
        }
    }
    set.rules.iter().filter(|rule| names.contains(&rule.name)).collect()
}

fn rises(rules: &[&Rule]) -> Vec<(Term, Daily)> {
    let mut terms: Vec<(Term, Daily)> = Vec::new();
    let mut each = |condition: &Condition| {
        condition.tests(&mut |test| {
            let looks_back = matches!(test.term, Term::Rise { .. } | Term::Fall { .. });
            if looks_back && terms.iter().all(|(term, _)| *term != test.term) {
                terms.push((test.term.clone(), Daily::default()));
            }
        });
    };
    for rule in rules {
        each(&rule.raise);
        each(&rule.clear);
    }
    terms
}

impl Run<'_> {
    fn follow(&mut self, case: &Case) {
        let (mut steps, mut deeds) = (case.steps.iter().peekable(), case.deeds.iter().peekable());
        for number in 0_u64.. {
            let step_ms = steps.peek().map_or(NEVER_MS, |step| step.at_ms);
            let deed_ms = deeds.peek().map_or(NEVER_MS, |deed| deed.at_ms);
            let due_ms = self.dues.iter().copied().min().unwrap_or(NEVER_MS);
            let tau_ms = step_ms.min(deed_ms).min(due_ms);
            if tau_ms > case.until_ms || tau_ms == NEVER_MS {
                return;
            }
            if number >= LOOKS_MAX as u64 {
                self.wrong.push(format!("gave up after {LOOKS_MAX} looks at the rules"));
                return;
            }
            self.fill(tau_ms);
            if due_ms == tau_ms && step_ms == tau_ms {
                // an event finds what was due before it
                self.look(tau_ms);
            }
            if let Some(step) = steps.next_if(|step| step.at_ms == tau_ms) {
                self.given.extend(step.signals.iter().copied());
            }
            self.look(tau_ms);
            while let Some(deed) = deeds.next_if(|deed| deed.at_ms == tau_ms) {
                self.act(deed, number, case);
                self.look(tau_ms);
            }
        }
    }

    fn fill(&mut self, tau_ms: i64) {
        for (term, daily) in &mut self.days {
            if let Term::Rise { signal, days } | Term::Fall { signal, days } = term {
                let now = number(*self.given.get(signal.name).unwrap_or(&Given::Unknown));
                daily.fill(*days, tau_ms, |_| now);
            }
        }
    }

    fn look(&mut self, tau_ms: i64) {
        for index in 0..self.rules.len() {
            let mut out = Vec::new();
            self.dues[index] = self
                .with_world(index, tau_ms, |rule, watch, world| watch.look(rule, world, &mut out));
            self.happened.extend(out.into_iter().map(|transition| (index, transition)));
        }
    }

    fn act(&mut self, deed: &Deed, number: u64, case: &Case) {
        let Some(index) = self.rules.iter().position(|rule| rule.name == deed.rule) else {
            self.wrong.push(format!("there is no rule {}", deed.rule));
            return;
        };
        let episode = self.watches[index].alert.episode();
        let person = "somebody".to_owned();
        let command = Command { id: number, episode, person, action: deed.action };
        let mut out = Vec::new();
        let done = self.with_world(index, deed.at_ms, |rule, watch, world| {
            watch.command(rule, world, &command, &mut out)
        });
        if let Err(why) = done {
            let at = moment(case, deed.at_ms);
            self.wrong.push(format!("{} {at}: nothing could be done ({why:?})", deed.rule));
        }
        self.happened.extend(out.into_iter().map(|transition| (index, transition)));
    }

    fn with_world<T>(
        &mut self,
        index: usize,
        tau_ms: i64,
        act: impl FnOnce(&Rule, &mut Watch, &mut World<'_>) -> T,
    ) -> T {
        let rule = self.rules[index];
        let mut watch = std::mem::take(&mut self.watches[index]);
        let always = Calendar::always();
        let calendar = self.set.calendar(rule).unwrap_or(&always);
        let told = Told { run: self, calendar, tau_ms };
        let mut world = World {
            tau_ms,
            value: &mut |term| told.value(term),
            crossing: &mut |test| told.crossing_ms(test),
        };
        let done = act(rule, &mut watch, &mut world);
        self.watches[index] = watch;
        done
    }
}

/// What a rule is told from at a moment.
struct Told<'r, 's> {
    run: &'s Run<'r>,
    calendar: &'s Calendar,
    tau_ms: i64,
}

impl Told<'_, '_> {
    fn moment_ms(&self, signal: &Signal) -> Option<i64> {
        match self.run.given.get(signal.name) {
            Some(Given::Moment(ms)) => Some(*ms),
            _ => None,
        }
    }

    fn value(&self, term: &Term) -> Option<Value> {
        let ms = |ms: i64| Some(Value::Number(ms as f64));
        match term {
            Term::Signal(signal) => match self.run.given.get(signal.name) {
                Some(Given::Value(value)) => Some(*value),
                Some(Given::Moment(at_ms)) => ms(*at_ms),
                Some(Given::Unknown) => None,
                None => signal.is_always_known().then(|| nothing(signal)),
            },
            Term::Age(signal) => ms(self.tau_ms - self.moment_ms(signal)?),
            Term::Until(signal) => ms(self.moment_ms(signal)? - self.tau_ms),
            Term::BusinessAge(signal) => {
                ms(self.calendar.between_ms(self.moment_ms(signal)?, self.tau_ms))
            }
            Term::Rise { signal, days } | Term::Fall { signal, days } => {
                let now = number(*self.run.given.get(signal.name)?)?;
                let (_, daily) = self.run.days.iter().find(|(held, _)| held == term)?;
                let by = match term {
                    Term::Rise { .. } => now - daily.least(*days, self.tau_ms)?,
                    _ => daily.largest(*days, self.tau_ms)? - now,
                };
                Some(Value::Number(by))
            }
            Term::Firing(name) => {
                let index = self.run.rules.iter().position(|rule| rule.name == *name)?;
                Some(Value::Flag(self.run.watches[index].alert.is_on()))
            }
        }
    }

    fn crossing_ms(&self, test: &Test) -> i64 {
        match (&test.term, test.asks.edge()) {
            (Term::BusinessAge(signal), Some(edge_ms)) => {
                let since_ms = self.moment_ms(signal);
                let at_ms = since_ms.map(|at| self.calendar.after_ms(at, edge_ms.ceil() as i64));
                at_ms.filter(|at_ms| *at_ms > self.tau_ms).unwrap_or(NEVER_MS)
            }
            (Term::Rise { .. } | Term::Fall { .. }, _) => next_midnight_ms(self.tau_ms),
            _ => NEVER_MS,
        }
    }
}

/// What a signal that always has a value is before anything happened.
fn nothing(signal: &Signal) -> Value {
    match signal.kind() {
        Kind::Flag => Value::Flag(false),
        Kind::Word => Value::Word(0),
        _ => Value::Number(0.0),
    }
}

fn number(given: Given) -> Option<f64> {
    match given {
        Given::Value(Value::Number(number)) => Some(number),
        _ => None,
    }
}

/// What was expected and did not happen, and the other way round.
fn compare(case: &Case, happened: Vec<(String, Transition)>) -> Vec<String> {
    let mut left = happened;
    let mut missing = Vec::new();
    for expected in &case.expect {
        let fits = |(rule, t): &(String, Transition)| {
            *rule == expected.rule
                && (t.at_ms, t.what) == (expected.at_ms, expected.what)
                && expected.episode.is_none_or(|episode| episode == t.episode)
        };
        match left.iter().position(fits) {
            Some(index) => drop(left.remove(index)),
            None => missing.push(expected),
        }
    }
    let mut differences = Vec::new();
    for expected in missing {
        let what = format!("{} {}", expected.rule, expected.what.name());
        let near = left
            .iter()
            .position(|(rule, t)| *rule == expected.rule && t.what == expected.what)
            .map(|index| left.remove(index).1);
        let at = moment(case, expected.at_ms);
        let of = expected.episode.map_or(String::new(), |episode| format!(", episode {episode}"));
        differences.push(match near {
            Some(t) => format!(
                "expected {what} {at}{of}; it happened {}, episode {}",
                moment(case, t.at_ms),
                t.episode
            ),
            None => format!("expected {what} {at}{of}; it did not happen"),
        });
    }
    differences.extend(left.into_iter().map(|(rule, t)| {
        let at = moment(case, t.at_ms);
        format!("{rule} {} {at}, episode {}, was not expected", t.what.name(), t.episode)
    }));
    differences
}

/// A moment as people read it: `after 14d (2026-01-19T09:00:00Z)`.
fn moment(case: &Case, at_ms: i64) -> String {
    let after = duration_text(at_ms - case.start_ms);
    match jiff::Timestamp::from_millisecond(at_ms) {
        Ok(time) => format!("after {after} ({time})"),
        Err(_) => format!("after {after}"),
    }
}
