//! Which rules must be looked at after something has happened: those that are told from what it touched.
//!
//! Between its dues a rule only changes with its signals, and most events change few of them. Signals are of kinds; which
//! kind a signal is, and which kinds something touches, says whoever brings the subject.

use crate::model::registry::Signal;
use crate::rule::condition::{Condition, Term};
use crate::rule::definition::{Cooldown, Rule};

/// Kinds of signals, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched(u16);

impl Touched {
    /// None.
    pub const NOTHING: Self = Self(0);
    /// Every kind.
    pub const ALL: Self = Self(u16::MAX);

    /// The kind of that number, below 16.
    #[must_use]
    pub const fn kind(number: u32) -> Self {
        Self(1_u16.wrapping_shl(number))
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The first without the kinds of the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether they have a kind in common.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The kind of a signal.
pub type KindOf = fn(&Signal) -> Touched;

/// The kinds that each rule is told from, by itself and through the rules it refers to, which stand before it.
pub(super) fn of_rules(rules: &[Rule], kind_of: KindOf) -> Vec<Touched> {
    let mut kinds: Vec<Touched> = Vec::with_capacity(rules.len());
    for rule in rules {
        let mut all = match rule.cooldown {
            Cooldown::Fixed(_) => Touched::NOTHING,
            Cooldown::Signal(signal) => kind_of(&signal),
        };
        for condition in [&rule.raise, &rule.clear] {
            all = all.and(of_condition(condition, kind_of));
            condition.tests(&mut |test| {
                if let Term::Firing(name) = &test.term {
                    let other = rules.iter().position(|rule| rule.name == *name);
                    let told = other.and_then(|other| kinds.get(other)).copied();
                    all = all.and(told.unwrap_or(Touched::ALL));
                }
            });
        }
        kinds.push(all);
    }
    kinds
}

fn of_condition(condition: &Condition, kind_of: KindOf) -> Touched {
    let signals = condition.signals();
    signals.iter().fold(Touched::NOTHING, |all, signal| all.and(kind_of(signal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_told_from_what_the_rules_it_refers_to_are_told_from() {
        let rule = |name: &str, raise: &str| {
            format!(
                "[[alert]]\nname = {name:?}\nabout = \"a\"\nraise = {raise:?}\nnext_step = \"n\"\nevents = [\"web\"]\n"
            )
        };
        let text = [
            rule("late", "ext_requests >= 1"),
            rule("both", "firing(late) and orders >= 4"),
            rule("all", "within(firing(both), 3d) or sessions >= 2"),
        ]
        .concat();
        let (found, problems) =
            crate::plan::rules(&[crate::plan::RuleFile { name: "a.toml", text: &text }]);
        let set = found.unwrap_or_else(|| panic!("{problems:?}")).set;
        let kind = |number: u32| Touched::kind(number);
        let kinds = of_rules(&set.rules, |signal| match signal.name {
            "ext_requests" => Touched::kind(0),
            "orders" => Touched::kind(1),
            _ => Touched::kind(2),
        });
        let both = kind(0).and(kind(1));
        assert_eq!(kinds, [kind(0), both, both.and(kind(2))]);
        assert!(both.meets(kind(1)) && !both.without(kind(1)).meets(kind(1)));
    }
}
