//! What signals are and what was heard, against what the case expects, in words.

use super::clerk::Heard;
use crate::engine::alerts::Unsaid;
use crate::model::registry::{Kind, Signal};
use crate::rule::case::{Bound, Case, Given, How, Told};
use crate::rule::difference::{Difference, length, moment};
use crate::rule::evaluate::Value;

/// What is wrong with a signal, if anything.
pub(super) fn bound(
    case: &Case,
    bound: &Bound,
    (id, at_ms): (&str, i64),
    got: Result<Option<Value>, Unsaid>,
) -> Option<Difference> {
    let holds = match (got, bound.is) {
        (Ok(None), Given::Unknown) => true,
        (Ok(Some(Value::Number(got))), Given::Value(Value::Number(is))) => {
            (got - is).abs() <= bound.within
        }
        (Ok(Some(Value::Number(got))), Given::Moment(is)) => {
            (got - is as f64).abs() <= bound.within
        }
        (Ok(Some(got)), Given::Value(is)) => got == is,
        _ => false,
    };
    let name = bound.signal.name;
    let got = match got {
        Ok(Some(value)) => format!("{name} = {}", value_words(case, &bound.signal, value)),
        Ok(None) => format!("{name} = unknown"),
        Err(Unsaid::Nobody) => format!("nobody called {id}"),
        Err(Unsaid::Later(ms)) => format!("an event of {id} {}", moment(case, ms)),
    };
    let is = match bound.is {
        Given::Unknown => "unknown".to_owned(),
        Given::Moment(ms) => moment(case, ms),
        Given::Value(value) => value_words(case, &bound.signal, value),
    };
    let give = match (bound.is, bound.signal.kind()) {
        (Given::Unknown, _) => String::new(),
        (Given::Value(Value::Number(_)), Kind::Number | Kind::Count) => {
            format!(" within {}", number_words(bound.within))
        }
        _ if bound.within > 0.5 => format!(" within {}", length(bound.within as i64)),
        _ => String::new(),
    };
    let expected = format!("{name} = {is}{give} of {id} {}", moment(case, at_ms));
    (!holds).then_some(Difference { line: bound.line, expected, got })
}

fn value_words(case: &Case, signal: &Signal, value: Value) -> String {
    match (value, signal.kind()) {
        (Value::Number(ms), Kind::Duration { .. }) => length(ms as i64),
        (Value::Number(ms), Kind::Moment) => moment(case, ms as i64),
        (Value::Number(number), _) => number_words(number),
        (Value::Flag(flag), _) => flag.to_string(),
        (Value::Word(at), _) => {
            signal.words_of().nth(usize::from(at)).unwrap_or("another word").to_owned()
        }
    }
}

/// Six digits are enough to see what is wrong, and to mend the case.
fn number_words(number: f64) -> String {
    if number == 0.0 || (1e-4..1e12).contains(&number.abs()) {
        let text = format!("{number:.6}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    format!("{number:.5e}")
}

/// What the account manager was to hear and did not, then what was heard and not expected.
pub(super) fn told(
    case: &Case,
    told: &[Told],
    heard: Vec<Heard>,
    delay_ms: i64,
) -> Vec<Difference> {
    let mut left = heard;
    let mut missing = Vec::new();
    for told in told {
        let fits = |heard: &Heard| {
            let early_ms = told.at_ms - told.within_ms;
            let late_ms = told.at_ms + told.within_ms + delay_ms;
            is_of(told, heard) && (early_ms..=late_ms).contains(&heard.at_ms)
        };
        match left.iter().position(fits) {
            Some(at) => drop(left.remove(at)),
            None => missing.push(told),
        }
    }
    let mut differences = Vec::new();
    for told in missing {
        let near = left.iter().position(|heard| is_of(told, heard)).map(|at| left.remove(at));
        let subject = told.subject.as_deref().unwrap_or("");
        let expected = words(case, told.how, &told.rule, subject, told.at_ms);
        let got = near.map_or("nothing".to_owned(), |heard| {
            words(case, heard.how, &heard.rule, &heard.subject, heard.at_ms)
        });
        differences.push(Difference { line: told.line, expected, got });
    }
    differences.extend(left.into_iter().map(|heard| Difference {
        line: case.line,
        expected: "nothing to be told".to_owned(),
        got: words(case, heard.how, &heard.rule, &heard.subject, heard.at_ms),
    }));
    differences
}

fn is_of(told: &Told, heard: &Heard) -> bool {
    told.how == heard.how
        && told.rule == heard.rule
        && told.subject.as_ref().is_none_or(|subject| *subject == heard.subject)
}

fn words(case: &Case, how: How, rule: &str, subject: &str, at_ms: i64) -> String {
    let of = if subject.is_empty() { String::new() } else { format!(" of {subject}") };
    format!("{} about {rule}{of} {}", how.name(), moment(case, at_ms))
}
