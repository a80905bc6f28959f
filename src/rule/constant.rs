//! Constants of conditions: arithmetic that is done once, when the rule is read, and written again as it was.

use std::fmt;

use crate::model::time::duration_text;

/// What a constant measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// A plain number.
    Plain,
    /// A length of time, milliseconds.
    Time,
}

/// A sign of arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Over,
}

impl Sign {
    fn text(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
            Self::Over => "/",
        }
    }

    fn binds(self) -> u8 {
        match self {
            Self::Plus | Self::Minus => 1,
            Self::Times | Self::Over => 2,
        }
    }
}

/// A constant as it was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// A number, 0 or more.
    Number(f64),
    /// A length of time, milliseconds.
    Duration(i64),
    /// The natural logarithm.
    Ln(Box<Constant>),
    /// The opposite.
    Minus(Box<Constant>),
    /// Two constants and a sign between them.
    Both(Box<Constant>, Sign, Box<Constant>),
}

impl Constant {
    /// Its value: a number, or milliseconds.
    ///
    /// # Errors
    /// What forbids it: a division by zero, a logarithm of nothing, a sum of a number and a length of time.
    pub fn value(&self) -> Result<(f64, Dimension), &'static str> {
        use Dimension::{Plain, Time};
        let found = match self {
            Self::Number(number) => (*number, Plain),
            Self::Duration(ms) => (*ms as f64, Time),
            Self::Minus(inner) => {
                let (value, dimension) = inner.value()?;
                (-value, dimension)
            }
            Self::Ln(inner) => match inner.value()? {
                (_, Time) => return Err("a length of time has no logarithm"),
                (value, Plain) if value <= 0.0 => {
                    return Err("only numbers above 0 have a logarithm");
                }
                (value, Plain) => (libm::log(value), Plain),
            },
            Self::Both(left, sign, right) => combined(left.value()?, *sign, right.value()?)?,
        };
        if found.0.is_finite() { Ok(found) } else { Err("the result is too large") }
    }
}

fn combined(
    (left, of_left): (f64, Dimension),
    sign: Sign,
    (right, of_right): (f64, Dimension),
) -> Result<(f64, Dimension), &'static str> {
    use Dimension::{Plain, Time};
    const MIXED: &str = "a number and a length of time do not add up";
    match sign {
        Sign::Plus | Sign::Minus if of_left != of_right => Err(MIXED),
        Sign::Plus => Ok((left + right, of_left)),
        Sign::Minus => Ok((left - right, of_left)),
        Sign::Times if (of_left, of_right) == (Time, Time) => {
            Err("lengths of time are not multiplied with each other")
        }
        Sign::Times => Ok((left * right, if of_left == Plain { of_right } else { Time })),
        Sign::Over if right == 0.0 => Err("this divides by zero"),
        Sign::Over => match (of_left, of_right) {
            (Plain, Time) => Err("a number is not divided by a length of time"),
            (Time, Plain) => Ok((left / right, Time)),
            _ => Ok((left / right, Plain)),
        },
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = |f: &mut fmt::Formatter<'_>, part: &Self, least: u8| match part {
            Self::Both(_, sign, _) if sign.binds() < least => write!(f, "({part})"),
            _ => write!(f, "{part}"),
        };
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Duration(ms) => f.write_str(&duration_text(*ms)),
            Self::Ln(of) => write!(f, "ln({of})"),
            Self::Minus(of) => {
                f.write_str("-")?;
                inner(f, of, u8::MAX)
            }
            Self::Both(left, sign, right) => {
                inner(f, left, sign.binds())?;
                write!(f, " {} ", sign.text())?;
                inner(f, right, sign.binds() + 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn number(value: f64) -> Box<Constant> {
        Box::new(Constant::Number(value))
    }

    fn hours(hours: i64) -> Box<Constant> {
        Box::new(Constant::Duration(hours * 3_600_000))
    }

    #[test]
    fn arithmetic_keeps_what_is_measured() {
        let both = |left, sign, right| Constant::Both(left, sign, right).value();
        let time = |ms: i64| Ok((ms as f64, Dimension::Time));
        assert_eq!(both(hours(1), Sign::Plus, hours(2)), time(10_800_000));
        assert_eq!(both(number(2.0), Sign::Times, hours(1)), time(7_200_000));
        assert_eq!(both(hours(3), Sign::Over, number(2.0)), time(5_400_000));
        assert_eq!(both(hours(3), Sign::Over, hours(2)), Ok((1.5, Dimension::Plain)));
        assert_eq!(Constant::Ln(number(1.0)).value(), Ok((0.0, Dimension::Plain)));
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        let both = |left, sign, right| Constant::Both(left, sign, right).value().unwrap_err();
        assert!(both(number(1.0), Sign::Over, number(0.0)).contains("by zero"));
        let zero = Constant::Both(number(2.0), Sign::Minus, number(2.0));
        assert!(both(hours(1), Sign::Over, Box::new(zero)).contains("by zero"));
        assert!(both(number(1.0), Sign::Plus, hours(1)).contains("do not add up"));
        assert!(both(hours(1), Sign::Times, hours(1)).contains("multiplied"));
        assert!(both(number(1.0), Sign::Over, hours(1)).contains("not divided"));
        assert!(both(number(1e308), Sign::Times, number(10.0)).contains("too large"));
        assert!(Constant::Ln(hours(1)).value().unwrap_err().contains("no logarithm"));
        assert!(Constant::Ln(number(0.0)).value().unwrap_err().contains("above 0"));
    }

    #[test]
    fn brackets_stand_only_where_they_are_needed() {
        let sum = Constant::Both(number(1.0), Sign::Minus, number(2.0));
        let right = Constant::Both(number(3.0), Sign::Minus, Box::new(sum.clone()));
        assert_eq!(right.to_string(), "3 - (1 - 2)");
        let product = Constant::Both(Box::new(sum.clone()), Sign::Times, number(0.5));
        assert_eq!(product.to_string(), "(1 - 2) * 0.5");
        assert_eq!(Constant::Minus(Box::new(sum)).to_string(), "-(1 - 2)");
        assert_eq!(Constant::Ln(number(0.6)).to_string(), "ln(0.6)");
    }
}
