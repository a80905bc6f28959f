//! When conditions are to be looked at: looking at events and dues only gives the same transitions as looking every minute.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use retain::model::registry::Subject;
use retain::model::time::{MINUTE_MS, NEVER_MS};
use retain::rule::band::default_clear;
use retain::rule::condition::{Asks, Condition, Term, Test};
use retain::rule::definition::{Cooldown, Rule, Severity};
use retain::rule::evaluate::{Value, World, holds};
use retain::rule::lifecycle::Transition;
use retain::rule::read_condition;
use retain::rule::watch::Watch;

/// A subject whose signals move every minute in ways that a scan can follow.
#[derive(Clone, Debug, Default)]
struct Moving {
    /// Signal to (value at the event, change per minute, minute of the event).
    lines: BTreeMap<&'static str, (f64, f64, i64)>,
    words: BTreeMap<&'static str, Option<u8>>,
    flags: BTreeMap<&'static str, bool>,
    moments: BTreeMap<&'static str, i64>,
}

impl Moving {
    fn value(&self, term: &Term, at_ms: i64) -> Option<Value> {
        let minute = at_ms.div_euclid(MINUTE_MS);
        match term {
            Term::Signal(signal) => {
                if let Some((value, slope, since)) = self.lines.get(signal.name) {
                    let now = value + slope * (minute - since) as f64;
                    // beyond its range nobody knows it
                    return (now < 1.2).then_some(Value::Number(now));
                }
                if let Some(word) = self.words.get(signal.name) {
                    return word.map(Value::Word);
                }
                self.flags.get(signal.name).map(|flag| Value::Flag(*flag))
            }
            Term::Age(signal) => {
                Some(Value::Number((at_ms - self.moments.get(signal.name)?) as f64))
            }
            Term::Until(signal) => {
                Some(Value::Number((self.moments.get(signal.name)? - at_ms) as f64))
            }
            _ => None,
        }
    }

    fn crossing_ms(&self, test: &Test, from_ms: i64, until_ms: i64) -> i64 {
        let answer = |ms: i64| {
            let value = self.value(&test.term, ms);
            let held = value.map(|value| holds(&test.asks, value));
            if test.asks == Asks::IsTrue { value.map(|_| true) } else { held }
        };
        let now = answer(from_ms);
        let minutes = from_ms / MINUTE_MS + 1..=until_ms / MINUTE_MS;
        minutes.map(|m| m * MINUTE_MS).find(|ms| answer(*ms) != now).unwrap_or(NEVER_MS)
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "risk >= 0.6 else no",
        "risk < 0.3 else yes",
        "csat <= 0.5 else no",
        "tier == gold else no",
        "opted_out",
        "known(risk)",
        "age(t_last) >= 5h else no",
        "until(contract_renewal) < 6h else no",
        "within(risk >= 0.7 else no, 3h)",
        "within(opted_out, 90m)",
        "held(risk >= 0.4 else no, 2h)",
        "held(tier == gold else yes, 4h)",
        "within(age(t_last) >= 4h else no, 1h)",
    ])
    .prop_map(|text: &str| text.replace("csat <= 0.5 else no", "csat <= 0.5"));
    leaf.prop_recursive(3, 12, 3, |inner| {
        let parts = || prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            parts().prop_map(|parts| format!("({})", parts.join(" and "))),
            parts().prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.clone().prop_map(|part| format!("not ({part})")),
        ]
    })
}

fn any_history() -> impl Strategy<Value = Vec<(i64, usize, u32)>> {
    prop::collection::vec((1_i64..400, 0_usize..6, 0_u32..1_000), 1..12).prop_map(|gaps| {
        let mut minute = 0;
        let mut at = |gap| {
            minute += gap;
            minute
        };
        gaps.into_iter().map(|(gap, what, number)| (at(gap), what, number)).collect()
    })
}

fn apply(subject: &mut Moving, minute: i64, what: usize, number: u32) {
    let share = f64::from(number % 100) / 100.0;
    let slope = (f64::from(number / 100) - 4.5) / 1_000.0;
    match what {
        0 => drop(subject.lines.insert("risk", (share, slope, minute))),
        1 => drop(subject.lines.insert("csat", (share, -slope.abs(), minute))),
        2 => drop(subject.words.insert("tier", (number % 4 < 3).then_some((number % 3) as u8))),
        3 => drop(subject.flags.insert("opted_out", number.is_multiple_of(2))),
        4 => drop(subject.moments.insert("t_last", minute * MINUTE_MS)),
        _ => drop(
            subject.moments.insert("contract_renewal", (minute + i64::from(number)) * MINUTE_MS),
        ),
    }
}

fn rule(raise: Condition, clear: Condition, dwell_min: i64, cooldown_min: i64) -> Rule {
    Rule {
        name: "r".to_owned(),
        about: String::new(),
        subject: Subject::Customer,
        raise,
        clear,
        dwell_ms: dwell_min * MINUTE_MS,
        cooldown: Cooldown::Fixed(cooldown_min * MINUTE_MS),
        severity: Severity::Low,
        critical_in_top: None,
        calendar: 0,
        receivers: Vec::new(),
        next_step: String::new(),
        events: Vec::new(),
    }
}

/// The transitions of a rule over a history, looking every minute or only at events and dues; and the number of looks.
fn follow(
    rule: &Rule,
    history: &[(i64, usize, u32)],
    every_minute: bool,
) -> (Vec<Transition>, usize) {
    let end = history.last().unwrap().0 + 1_500;
    let (mut subject, mut watch, mut out) = (Moving::default(), Watch::default(), Vec::new());
    let (mut events, mut due_ms, mut looks) = (history.iter().peekable(), 0, 0);
    let (end_ms, mut minute) = (end * MINUTE_MS, 0);
    loop {
        let event_ms = events.peek().map_or(NEVER_MS, |(at, ..)| at * MINUTE_MS);
        let step_ms = if every_minute { minute * MINUTE_MS } else { event_ms };
        let at_ms = step_ms.min(due_ms);
        if at_ms > end_ms {
            return (out, looks);
        }
        minute += i64::from(every_minute && at_ms == step_ms);
        while let Some((at, what, number)) = events.next_if(|(at, ..)| at * MINUTE_MS == at_ms) {
            apply(&mut subject, *at, *what, *number);
        }
        looks += 1;
        let mut world = World {
            tau_ms: at_ms,
            value: &mut |term| subject.value(term, at_ms),
            crossing: &mut |test| match every_minute {
                true => (at_ms / MINUTE_MS + 1) * MINUTE_MS,
                false => subject.crossing_ms(test, at_ms, end_ms),
            },
        };
        due_ms = watch.look(rule, &mut world, &mut out);
        assert!(due_ms > at_ms, "a due re-arms strictly later");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn looking_at_dues_only_sees_what_looking_every_minute_sees(
        raise in any_text(),
        clear in prop::option::of(any_text()),
        history in any_history(),
        dwell_min in prop_oneof![Just(0_i64), 1_i64..300],
        cooldown_min in 0_i64..400,
    ) {
        let raise = read_condition(&raise, Subject::Customer).unwrap();
        let clear = match clear {
            Some(clear) => read_condition(&clear, Subject::Customer).unwrap(),
            None => default_clear(&raise, 0.2),
        };
        let rule = rule(raise, clear, dwell_min, cooldown_min);
        let (dense, minutes) = follow(&rule, &history, true);
        let (sparse, looks) = follow(&rule, &history, false);
        prop_assert_eq!(dense, sparse, "raise {}, clear {}", rule.raise, rule.clear);
        prop_assert!(looks <= minutes);
    }
}

#[test]
fn what_no_time_moves_is_not_looked_at() {
    let raise = read_condition("key_customer and risk >= 0.6 else no", Subject::Customer).unwrap();
    let mut asked = 0;
    let mut world = World {
        tau_ms: 7,
        value: &mut |term| match term {
            Term::Signal(signal) if signal.name == "key_customer" => Some(Value::Flag(false)),
            _ => panic!("{term} was asked for"),
        },
        crossing: &mut |_| {
            asked += 1;
            NEVER_MS
        },
    };
    let found = retain::rule::evaluate::evaluate(&raise, &mut [], &mut world);
    assert_eq!((found.holds, found.due_ms), (false, NEVER_MS));
    assert_eq!(asked, 0);
}

#[test]
fn reasons_are_the_tests_that_hold() {
    let text = "opted_out and (risk >= 0.6 else no or csat <= 0.5) or x >= 4";
    let raise = read_condition(text, Subject::Customer).unwrap();
    let mut world = World {
        tau_ms: 7,
        value: &mut |term| match &term.to_string()[..] {
            "opted_out" => Some(Value::Flag(true)),
            "risk" => Some(Value::Number(0.7)),
            "csat" => Some(Value::Number(0.9)),
            _ => Some(Value::Number(1.0)),
        },
        crossing: &mut |_| NEVER_MS,
    };
    let reasons = retain::rule::evaluate::reasons(&raise, &[], &mut world);
    let said: Vec<String> = reasons.iter().map(|test| test.to_string()).collect();
    assert_eq!(said, ["opted_out", "risk >= 0.6 else no"]);
}
