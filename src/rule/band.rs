//! The clearing condition of a rule that names none: the raising condition, with wider limits, does not hold.

use super::condition::{Asks, Condition, Term, Test, not};
use super::constant::{Constant, Sign};
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
        && *value != 0.0
    {
        // away from zero or towards it, whichever is wider
        let down = op.is_upward() == wider;
        let factor = if down == (*value > 0.0) { 1.0 - band } else { 1.0 + band };
        let factor = Box::new(Constant::Number(factor));
        let moved = Constant::Both(Box::new(constant.clone()), Sign::Times, factor);
        if let Ok((to, _)) = moved.value() {
            (*constant, *value) = (moved, to);
        }
    }
    test
}
