//! The clearing condition of a rule that names none: the raising condition, with wider limits, does not hold.

use super::condition::{Asks, Condition, Term, Test, not};
use super::constant::{Constant, Dimension};
use crate::model::registry::Kind;

/// What clears a rule that is raised by `raise`: not even with each limit moved by the share `band` of itself does it hold.
/// Counts, words and flags have no band.
#[must_use]
pub fn default_clear(raise: &Condition, band: f64) -> Condition {
    not(widened(raise, band, true))
}

/// Holds wherever `condition` does, and beyond; or, with `wider` false, nowhere else and less.
fn widened(condition: &Condition, band: f64, wider: bool) -> Condition {
    let each = |parts: &[Condition]| parts.iter().map(|part| widened(part, band, wider)).collect();
    match condition {
        Condition::Known(_) => condition.clone(),
        Condition::Test(test) => Condition::Test(moved(test, band, wider)),
        Condition::Within(test, ms) => Condition::Within(moved(test, band, wider), *ms),
        Condition::Held(test, ms) => Condition::Held(moved(test, band, wider), *ms),
        Condition::Not(inner) => not(widened(inner, band, !wider)),
        Condition::All(parts) => Condition::All(each(parts)),
        Condition::Any(parts) => Condition::Any(each(parts)),
    }
}

fn moved(test: &Test, band: f64, wider: bool) -> Test {
    let is_count = matches!(&test.term, Term::Signal(signal) if signal.kind() == Kind::Count);
    let mut test = test.clone();
    if let Asks::Compare { op, constant, value } = &mut test.asks
        && !is_count
    {
        let by = band * value.abs();
        let down = op.is_upward() == wider;
        let dimension = constant.value().map_or(Dimension::Plain, |(_, dimension)| dimension);
        (*constant, *value) = written(if down { *value - by } else { *value + by }, dimension);
    }
    test
}

/// A constant of that value, and the value it has: lengths of time are whole milliseconds.
fn written(value: f64, dimension: Dimension) -> (Constant, f64) {
    let (size, value) = match dimension {
        Dimension::Plain => (Constant::Number(value.abs()), value),
        Dimension::Time => {
            let ms = value.round();
            (Constant::Duration(ms.abs() as i64), ms)
        }
    };
    (if value < 0.0 { Constant::Minus(Box::new(size)) } else { size }, value)
}
