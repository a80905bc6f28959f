//! A checked condition: comparisons of one signal with a constant, joined by and, or, not. Its text is its normal form.

use std::fmt;
use std::ops::Deref;

use super::constant::Constant;
use crate::model::registry::Signal;
use crate::model::time::duration_text;

/// A signal of the registry; equal by name.
#[derive(Clone, Copy)]
pub struct SignalRef(pub &'static Signal);

impl Deref for SignalRef {
    type Target = Signal;

    fn deref(&self) -> &Signal {
        self.0
    }
}

impl PartialEq for SignalRef {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for SignalRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a test looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// The signal itself. Lengths of time are milliseconds whatever the signal's unit.
    Signal(SignalRef),
    /// How long ago the moment is, milliseconds.
    Age(SignalRef),
    /// How much business time has passed since the moment, by the rule's calendar, milliseconds.
    BusinessAge(SignalRef),
    /// How far ahead the moment is, milliseconds.
    Until(SignalRef),
    /// How far the signal stands above its least daily value of so many days.
    Rise {
        /// The signal.
        signal: SignalRef,
        /// How many days.
        days: u16,
    },
    /// How far the signal stands below its largest daily value of so many days.
    Fall {
        /// The signal.
        signal: SignalRef,
        /// How many days.
        days: u16,
    },
    /// Whether another rule is firing for the same subject.
    Firing(String),
}

/// A sign of comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `>=`
    AtLeast,
    /// `>`
    Above,
    /// `<=`
    AtMost,
    /// `<`
    Below,
}

impl Op {
    /// How it is written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::Above => ">",
            Self::AtMost => "<=",
            Self::Below => "<",
        }
    }

    /// Whether it asks for large values.
    #[must_use]
    pub fn is_upward(self) -> bool {
        matches!(self, Self::AtLeast | Self::Above)
    }
}

/// What a test asks of its term.
#[derive(Clone, Debug, PartialEq)]
pub enum Asks {
    /// To be above or below a constant.
    Compare {
        /// The sign.
        op: Op,
        /// The constant as it was written.
        constant: Constant,
        /// Its value: in the signal's unit, or milliseconds.
        value: f64,
    },
    /// To be one of these words, by their number in the signal's set; ascending.
    IsWord(Vec<u8>),
    /// To be any word but this one.
    IsNotWord(u8),
    /// To be true.
    IsTrue,
}

impl Asks {
    /// The edge of a comparison: the least number on its upper side. The test holds from there on, or below it.
    #[must_use]
    pub fn edge(&self) -> Option<f64> {
        match self {
            Self::Compare { op: Op::AtLeast | Op::Below, value, .. } => Some(*value),
            Self::Compare { op: Op::Above | Op::AtMost, value, .. } => Some(value.next_up()),
            _ => None,
        }
    }
}

/// A test of one term.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// What it looks at.
    pub term: Term,
    /// What it asks.
    pub asks: Asks,
    /// What holds while the term is unknown; `None` where it is always known, or guarded.
    pub unknown: Option<bool>,
}

/// A condition. [`all`], [`any`] and [`not`] keep it in its normal form.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A test at the moment.
    Test(Test),
    /// The test holds, or held at some moment less than so many milliseconds ago.
    Within(Test, i64),
    /// The test has held without a break for so many milliseconds.
    Held(Test, i64),
    /// The signal is known.
    Known(SignalRef),
    /// The opposite.
    Not(Box<Condition>),
    /// Each of them; two at least.
    All(Vec<Condition>),
    /// One of them; two at least.
    Any(Vec<Condition>),
}

/// Each of `parts`, which are not empty.
#[must_use]
pub fn all(parts: Vec<Condition>) -> Condition {
    joined(parts, Condition::All, |part| match part {
        Condition::All(inner) => Ok(inner),
        other => Err(other),
    })
}

/// One of `parts`, which are not empty.
#[must_use]
pub fn any(parts: Vec<Condition>) -> Condition {
    joined(parts, Condition::Any, |part| match part {
        Condition::Any(inner) => Ok(inner),
        other => Err(other),
    })
}

/// The opposite of a condition.
#[must_use]
pub fn not(condition: Condition) -> Condition {
    match condition {
        Condition::Not(inner) => *inner,
        other => Condition::Not(Box::new(other)),
    }
}

fn joined(
    parts: Vec<Condition>,
    join: impl Fn(Vec<Condition>) -> Condition,
    unfold: impl Fn(Condition) -> Result<Vec<Condition>, Condition>,
) -> Condition {
    let mut flat = Vec::new();
    for part in parts {
        match unfold(part) {
            Ok(inner) => flat.extend(inner),
            Err(part) => flat.push(part),
        }
    }
    match flat.len() {
        1 => flat.swap_remove(0),
        _ => join(flat),
    }
}

impl Condition {
    /// Every test in it, those inside of `within` and `held` too, from left to right.
    pub fn tests(&self, each: &mut impl FnMut(&Test)) {
        match self {
            Self::Test(test) | Self::Within(test, _) | Self::Held(test, _) => each(test),
            Self::Known(_) => {}
            Self::Not(inner) => inner.tests(each),
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().for_each(|part| part.tests(each));
            }
        }
    }

    /// The signals it speaks of, from left to right, some of them more than once.
    #[must_use]
    pub fn signals(&self) -> Vec<SignalRef> {
        match self {
            Self::Known(signal) => vec![*signal],
            Self::Not(inner) => inner.signals(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::signals).collect(),
            Self::Test(test) | Self::Within(test, _) | Self::Held(test, _) => {
                test.term.signal().into_iter().collect()
            }
        }
    }

    /// The rules it refers to, from left to right.
    #[must_use]
    pub fn rules(&self) -> Vec<String> {
        let mut rules = Vec::new();
        self.tests(&mut |test| {
            if let Term::Firing(rule) = &test.term {
                rules.push(rule.clone());
            }
        });
        rules
    }
}

impl Term {
    /// The signal it is about.
    #[must_use]
    pub fn signal(&self) -> Option<SignalRef> {
        match self {
            Self::Signal(signal)
            | Self::Age(signal)
            | Self::BusinessAge(signal)
            | Self::Until(signal)
            | Self::Rise { signal, .. }
            | Self::Fall { signal, .. } => Some(*signal),
            Self::Firing(_) => None,
        }
    }

    /// Whether it is never unknown.
    #[must_use]
    pub fn is_always_known(&self) -> bool {
        match self {
            // before the first day begins there is nothing to rise above
            Self::Rise { .. } | Self::Fall { .. } => false,
            _ => self.signal().is_none_or(|signal| signal.is_always_known()),
        }
    }

    /// Whether time alone moves it. A rule that fires does so at its own moments, of which its rule knows.
    #[must_use]
    pub fn moves_with_time(&self) -> bool {
        match self {
            Self::Signal(signal) => signal.moves_with_time(),
            Self::Firing(_) => false,
            _ => true,
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => f.write_str(signal.name),
            Self::Age(signal) => write!(f, "age({})", signal.name),
            Self::BusinessAge(signal) => write!(f, "business_age({})", signal.name),
            Self::Until(signal) => write!(f, "until({})", signal.name),
            Self::Rise { signal, days } => write!(f, "rise({}, {days}d)", signal.name),
            Self::Fall { signal, days } => write!(f, "fall({}, {days}d)", signal.name),
            Self::Firing(rule) => write!(f, "firing({rule})"),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.term)?;
        let word = |number: u8| {
            let signal = self.term.signal();
            signal.and_then(|s| s.words_of().nth(usize::from(number))).unwrap_or("?")
        };
        match &self.asks {
            Asks::IsTrue => {}
            Asks::Compare { op, constant, .. } => write!(f, " {} {constant}", op.text())?,
            Asks::IsNotWord(number) => write!(f, " != {}", word(*number))?,
            Asks::IsWord(numbers) => match numbers.as_slice() {
                [number] => write!(f, " == {}", word(*number))?,
                _ => {
                    let words: Vec<&str> = numbers.iter().map(|number| word(*number)).collect();
                    write!(f, " in ({})", words.join(", "))?;
                }
            },
        }
        match self.unknown {
            Some(true) => f.write_str(" else yes"),
            Some(false) => f.write_str(" else no"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Self], joint: &str| {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    f.write_str(joint)?;
                }
                // `and` binds closer than `or`
                match part {
                    Self::Any(_) => write!(f, "({part})")?,
                    _ => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::Test(test) => write!(f, "{test}"),
            Self::Within(test, ms) => write!(f, "within({test}, {})", duration_text(*ms)),
            Self::Held(test, ms) => write!(f, "held({test}, {})", duration_text(*ms)),
            Self::Known(signal) => write!(f, "known({})", signal.name),
            Self::Not(inner) => match **inner {
                Self::All(_) | Self::Any(_) => write!(f, "not ({inner})"),
                _ => write!(f, "not {inner}"),
            },
            Self::All(parts) => list(f, parts, " and "),
            Self::Any(parts) => list(f, parts, " or "),
        }
    }
}
