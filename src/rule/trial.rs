//! Cases for rules: signals given by hand at given times, and the transitions that must follow, no others.
//!
//! A case says what signals are, not what events would make them so: it tries the rule and not the signal. Between its
//! steps every signal stays as it was given; what is told from moments (ages, business hours) moves with time.

use std::collections::BTreeMap;

use super::case::{Case, Deed, Given, Verdict};
use super::condition::{Condition, Term, Test};
use super::daily::{Daily, next_midnight_ms};
use super::definition::{Rule, RuleSet};
use super::difference::{Difference, Happened, compare, moment};
use super::evaluate::{Value, World};
use super::hours::Calendar;
use super::lifecycle::{Command, Transition};
use super::watch::Watch;
use crate::model::registry::{Kind, Signal};
use crate::model::time::NEVER_MS;

/// Most looks in one case: far beyond any honest one.
const LOOKS_MAX: usize = 200_000;

/// The subject of a case on its way through time.
struct Run<'r> {
    set: &'r RuleSet,
    rules: Vec<&'r Rule>,
    watches: Vec<Watch>,
    dues: Vec<i64>,
    given: BTreeMap<&'static str, Given>,
    days: Vec<(Term, Daily)>,
    happened: Vec<(usize, Transition)>,
    wrong: Vec<Difference>,
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
        let Transition { at_ms, episode, what, .. } = transition;
        let (rule, subject, severity) = (name.clone(), String::new(), String::new());
        let happened = Happened { at_ms, rule, subject, what, episode, severity };
        case.rules.contains(name).then_some(happened)
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
                self.wrong.push(Difference {
                    line: case.line,
                    expected: "an end".to_owned(),
                    got: format!("more than {LOOKS_MAX} looks at the rules"),
                });
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
            self.fail(deed, case, "no such rule");
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
            self.fail(deed, case, why.words());
        }
        self.happened.extend(out.into_iter().map(|transition| (index, transition)));
    }

    fn fail(&mut self, deed: &Deed, case: &Case, why: &str) {
        let at = moment(case, deed.at_ms);
        let expected = format!("something to be done about {} {at}", deed.rule);
        self.wrong.push(Difference { line: deed.line, expected, got: why.to_owned() });
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
