//! Cuts the text of a condition into tokens with their places.

use super::fault::Fault;
use crate::model::time::DURATION_UNITS;

/// Longest condition that is read, bytes.
pub(super) const TEXT_BYTES_MAX: usize = 4_096;
/// Longest length of time that can be written: ten years.
const DURATION_MS_MAX: f64 = 3_650.0 * 86_400_000.0;

/// A piece of the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Token<'t> {
    pub(super) at: usize,
    pub(super) text: &'t str,
    pub(super) kind: Kind,
}

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name or a word of the language.
    Word,
    Number(f64),
    /// A length of time, milliseconds.
    Duration(i64),
    /// One of `>= <= == != > < + - * / ( ) ,`.
    Sign,
    /// The end of the text.
    End,
}

const SIGNS: [&str; 13] = [">=", "<=", "==", "!=", ">", "<", "+", "-", "*", "/", "(", ")", ","];

/// The tokens of a text, with an end after the last; what is none is noted and left out.
pub(super) fn tokens<'t>(text: &'t str, faults: &mut Vec<Fault>) -> Vec<Token<'t>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or(' ');
        let (length, kind) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first.is_ascii_alphabetic() || first == '_' {
            (run(rest, |c| c.is_ascii_alphanumeric() || c == '_'), Kind::Word)
        } else if first.is_ascii_digit() || first == '.' {
            let length = number_length(rest);
            (length, quantity(&rest[..length], at, faults))
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (sign.len(), Kind::Sign)
        } else {
            faults.push(unknown_sign(rest, first, at));
            at += first.len_utf8();
            continue;
        };
        tokens.push(Token { at, text: &rest[..length], kind });
        at += length;
    }
    tokens.push(Token { at: text.trim_end().len(), text: "", kind: Kind::End });
    tokens
}

fn unknown_sign(rest: &str, first: char, at: usize) -> Fault {
    let fault = Fault::new(at, format!("found `{first}`"));
    match first {
        '=' => fault.expected("`==`, `>=` or `<=`"),
        '&' => fault.expected("`and`"),
        '|' => fault.expected("`or`"),
        '!' => fault.expected("`not`"),
        '%' => fault.hint("write a share as a number from 0 to 1: 0.6 for 60 %"),
        '"' | '\'' | '`' => fault.hint("words stand without quotes: tier == gold"),
        '≥' | '≤' => fault.expected(if first == '≥' { "`>=`" } else { "`<=`" }),
        _ if rest.is_ascii() => fault.hint("leave it out"),
        _ => fault.hint("names and words are of a-z, 0-9 and _"),
    }
}

fn run(text: &str, holds: impl Fn(char) -> bool) -> usize {
    text.find(|c| !holds(c)).unwrap_or(text.len())
}

/// A number with all that sticks to it: `0.6`, `1e-6`, `72h`, `1h30m`.
fn number_length(text: &str) -> usize {
    let length = run(text, |c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
    let (head, rest) = text.split_at(length);
    // the sign of an exponent
    let exponent = head.ends_with(['e', 'E'])
        && head[..length - 1].parse::<f64>().is_ok()
        && rest.starts_with(['-', '+']);
    if exponent { length + 1 + run(&rest[1..], |c| c.is_ascii_digit()) } else { length }
}

fn quantity(text: &str, at: usize, faults: &mut Vec<Fault>) -> Kind {
    const EXAMPLE: &str = "a number such as 0.6, or a length of time such as 72h";
    if let Some(number) = text.parse::<f64>().ok().filter(|number| number.is_finite()) {
        return Kind::Number(number);
    }
    let fault = Fault::new(at, format!("found `{text}`")).expected(EXAMPLE);
    match duration_ms(text) {
        Ok(ms) => return Kind::Duration(ms),
        Err(hint) => faults.push(fault.hint(hint)),
    }
    // a stand-in: the fault is noted
    Kind::Number(1.0)
}

/// Milliseconds of `72h`, `1.5d` or `1h30m`.
fn duration_ms(text: &str) -> Result<i64, &'static str> {
    let (mut rest, mut sum_ms) = (text, 0.0);
    while !rest.is_empty() {
        let digits = run(rest, |c| c.is_ascii_digit() || c == '.');
        let (number, tail) = rest.split_at(digits);
        let letters = run(tail, |c| c.is_ascii_alphabetic());
        let (unit, tail) = tail.split_at(letters);
        let number: f64 = number.parse().map_err(|_| "write a number and a unit: 72h")?;
        let known = DURATION_UNITS.iter().find(|(name, _)| *name == unit);
        let (_, unit_ms) = known.ok_or("the units are ms, s, m, h and d")?;
        sum_ms += number * *unit_ms as f64;
        rest = tail;
    }
    if sum_ms > DURATION_MS_MAX {
        return Err("write at most 3650d");
    }
    let ms = sum_ms as i64;
    if ms as f64 == sum_ms { Ok(ms) } else { Err("write a whole number of milliseconds") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        let mut faults = Vec::new();
        let kinds = tokens(text, &mut faults).into_iter().map(|token| token.kind).collect();
        assert_eq!(faults, [], "{text}");
        kinds
    }

    fn fault(text: &str) -> Fault {
        let mut faults = Vec::new();
        tokens(text, &mut faults);
        assert_eq!(faults.len(), 1, "{text}: {faults:?}");
        faults.remove(0)
    }

    #[test]
    fn numbers_and_lengths_of_time() {
        for (text, number) in [("0.6", 0.6), ("3", 3.0), ("1e-6", 1e-6), ("2.5E3", 2_500.0)] {
            assert_eq!(kinds(text), [Kind::Number(number), Kind::End], "{text}");
        }
        for (text, ms) in [("72h", 259_200_000), ("1.5d", 129_600_000), ("1h30m", 5_400_000)] {
            assert_eq!(kinds(text), [Kind::Duration(ms), Kind::End], "{text}");
        }
    }

    #[test]
    fn places_are_bytes_of_the_text() {
        let mut faults = Vec::new();
        let found: Vec<_> =
            tokens("risk >=\n 0.6", &mut faults).iter().map(|t| (t.at, t.text)).collect();
        assert_eq!(found, [(0, "risk"), (5, ">="), (9, "0.6"), (12, "")]);
    }

    #[test]
    fn what_is_no_token_is_told_its_cure() {
        for (text, at, cure) in [
            ("risk = 1", 5, "`==`"),
            ("a & b", 2, "`and`"),
            ("risk >= 60%", 10, "from 0 to 1"),
            ("tier == \"", 8, "without quotes"),
            ("age >= 3w", 7, "the units are"),
            ("age >= 9999d", 7, "at most 3650d"),
            ("age >= 1.2.3", 7, "a number and a unit"),
            ("age >= 0.3ms", 7, "whole number"),
            ("risk >= ü", 8, "a-z"),
        ] {
            let fault = fault(text);
            assert_eq!(fault.at, at, "{text}");
            let said = format!("{:?} {:?}", fault.expected, fault.hint);
            assert!(said.contains(cure), "{text}: {said}");
        }
    }
}
