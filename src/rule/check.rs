//! Looks up every name of a condition, holds every comparison against the kind of its signal, and asks of everything that can
//! be unknown that the condition says what holds then.

use super::condition::{Asks, Condition, Op, SignalRef, Term, Test, all, any, not};
use super::constant::{Constant, Dimension};
use super::fault::Fault;
use super::lexer::Token;
use super::parser::{AsksTree, LengthTree, TestTree, Tree, parse};
use crate::model::nearest::nearest;
use crate::model::registry::{Kind, Signal, Subject};
use crate::model::time::DAY_MS;

/// Most days a rise or fall looks back: one value is kept for each.
const RISE_DAYS_MAX: i64 = 90;
/// Most tests in one condition.
const TESTS_MAX: usize = 32;

/// Reads and checks a condition about a subject.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn condition(text: &str, subject: Subject) -> Result<Condition, Vec<Fault>> {
    let mut faults = Vec::new();
    let tree = parse(text, &mut faults);
    let mut check = Check { subject, faults, tests: 0 };
    let condition = check.tree(&tree, &[]);
    let mut faults = check.faults;
    match condition {
        Some(condition) if faults.is_empty() => Ok(condition),
        _ => {
            faults.sort_by_key(|fault| fault.at);
            Err(faults)
        }
    }
}

struct Check {
    subject: Subject,
    faults: Vec<Fault>,
    tests: usize,
}

impl Check {
    /// `None` where something was noted. `guarded` are signals that are known wherever this part decides.
    fn tree(&mut self, tree: &Tree<'_>, guarded: &[&'static str]) -> Option<Condition> {
        match tree {
            Tree::Broken => None,
            Tree::Test(test) => self.test(test, guarded).map(Condition::Test),
            Tree::Lasting { held, test, length } => {
                // what was known then is not said by what is known now
                let test = self.test(test, &[]);
                let length_ms = self.length_ms(length);
                let (test, length_ms) = (test?, length_ms?);
                Some(if *held {
                    Condition::Held(test, length_ms)
                } else {
                    Condition::Within(test, length_ms)
                })
            }
            Tree::Known(name) => {
                self.signal(name).map(|signal| Condition::Known(SignalRef(signal)))
            }
            Tree::Not(inner) => self.tree(inner, guarded).map(not),
            Tree::All(parts) => {
                let guards = parts.iter().filter_map(|part| match part {
                    Tree::Known(name) => self.subject.find(name.text),
                    _ => None,
                });
                let guarded = widened(guarded, guards);
                self.parts(parts, &guarded).map(all)
            }
            Tree::Any(parts) => {
                let guards = parts.iter().filter_map(|part| match part {
                    Tree::Not(inner) => match &**inner {
                        Tree::Known(name) => self.subject.find(name.text),
                        _ => None,
                    },
                    _ => None,
                });
                let guarded = widened(guarded, guards);
                self.parts(parts, &guarded).map(any)
            }
        }
    }

    /// All are looked at, also behind something wrong.
    fn parts(&mut self, parts: &[Tree<'_>], guarded: &[&'static str]) -> Option<Vec<Condition>> {
        let checked: Vec<_> = parts.iter().map(|part| self.tree(part, guarded)).collect();
        checked.into_iter().collect()
    }

    fn note(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    fn signal(&mut self, name: &Token<'_>) -> Option<&'static Signal> {
        let found = self.subject.find(name.text);
        if found.is_none() {
            let whom = self.subject.name();
            let fault = Fault::new(name.at, format!("found `{}`", name.text))
                .expected(format!("a signal of a {whom}"));
            let names = self.subject.signals().map(|signal| signal.name);
            self.note(match nearest(name.text, names) {
                Some(near) => fault.hint(format!("did you mean `{near}`?")),
                None => fault.hint("docs/signals.md and docs/alerts.md list them"),
            });
        }
        found
    }

    fn length_ms(&mut self, length: &LengthTree) -> Option<i64> {
        const EXPECTED: &str = "a length of time above 0s, such as 60d";
        match length.constant.value() {
            Ok((ms, Dimension::Time)) if ms >= 1.0 && ms.fract() == 0.0 => Some(ms as i64),
            Ok(_) => {
                let found = format!("found {}", length.constant);
                self.note(Fault::new(length.at, found).expected(EXPECTED));
                None
            }
            Err(why) => {
                self.note(Fault::new(length.at, why).expected(EXPECTED));
                None
            }
        }
    }

    fn test(&mut self, tree: &TestTree<'_>, guarded: &[&'static str]) -> Option<Test> {
        self.tests += 1;
        if self.tests == TESTS_MAX + 1 {
            let fault = Fault::new(tree.name.at, format!("found more than {TESTS_MAX} tests"));
            self.note(fault.hint("make two rules of it and join them with firing(…)"));
        }
        let (term, kind) = self.term(tree)?;
        let asks = self.asks(tree, &term, kind);
        let always = term.is_always_known();
        let now = !matches!(term, Term::Rise { .. } | Term::Fall { .. });
        let guards = |signal: SignalRef| now && guarded.contains(&signal.name);
        let open = !always && !term.signal().is_some_and(guards);
        match (open, tree.unknown) {
            (true, None) => {
                let name = tree.name.text;
                let fault = Fault::new(tree.name.at, format!("`{name}` can be unknown"));
                self.note(fault.hint(format!(
                    "add `else no` or `else yes`, or put `known({name}) and` before it"
                )));
                None
            }
            (_, Some(_)) if always => {
                let name = tree.name.text;
                let fault = Fault::new(tree.name.at, format!("`{name}` is always known"));
                self.note(fault.hint("leave out `else …`"));
                None
            }
            (_, unknown) => Some(Test { term, asks: asks?, unknown }),
        }
    }

    /// What a test looks at, and the kind of what it sees.
    fn term(&mut self, tree: &TestTree<'_>) -> Option<(Term, Kind)> {
        let Some(look) = &tree.look else {
            let signal = self.signal(&tree.name)?;
            return Some((Term::Signal(SignalRef(signal)), signal.kind()));
        };
        if look.text == "firing" {
            return Some((Term::Firing(tree.name.text.to_owned()), Kind::Flag));
        }
        let signal = self.signal(&tree.name);
        let days = tree.window.as_ref().map(|window| self.days(window));
        let signal = SignalRef(signal?);
        let kind = signal.kind();
        if let Some(days) = days {
            let days = days?;
            if !matches!(kind, Kind::Number | Kind::Count) {
                return self.refuse_look(tree, kind, "a number");
            }
            let rises = look.text == "rise";
            let term =
                if rises { Term::Rise { signal, days } } else { Term::Fall { signal, days } };
            return Some((term, Kind::Number));
        }
        if kind != Kind::Moment {
            return self.refuse_look(tree, kind, "a moment");
        }
        let term = match look.text {
            "age" => Term::Age(signal),
            "business_age" => Term::BusinessAge(signal),
            _ => Term::Until(signal),
        };
        Some((term, Kind::Duration { unit_ms: 1 }))
    }

    fn refuse_look<T>(&mut self, tree: &TestTree<'_>, kind: Kind, expected: &str) -> Option<T> {
        let name = tree.name;
        let fault = Fault::new(name.at, format!("`{}` is {}", name.text, kind.words()));
        self.note(fault.expected(format!("{expected} in the brackets")));
        None
    }

    fn days(&mut self, window: &LengthTree) -> Option<u16> {
        let ms = self.length_ms(window)?;
        if ms % DAY_MS == 0 && ms / DAY_MS <= RISE_DAYS_MAX {
            return u16::try_from(ms / DAY_MS).ok();
        }
        let fault = Fault::new(window.at, format!("found {}", window.constant));
        self.note(fault.expected(format!("whole days, up to {RISE_DAYS_MAX}d")));
        None
    }

    fn asks(&mut self, tree: &TestTree<'_>, term: &Term, kind: Kind) -> Option<Asks> {
        match (&tree.asks, kind) {
            (_, Kind::Many) => {
                let found = format!("`{}` is {}", tree.name.text, kind.words());
                self.note(Fault::new(tree.name.at, found).hint("it cannot be compared"));
                None
            }
            (AsksTree::Nothing, Kind::Flag) => Some(Asks::IsTrue),
            (AsksTree::Nothing, _) => {
                let at = tree.name.at + tree.name.text.len();
                let found = format!("`{}` is {} and stands alone", tree.name.text, kind.words());
                self.note(Fault::new(at, found).expected(example(kind)));
                None
            }
            (AsksTree::Compare { sign, .. } | AsksTree::Words { sign, .. }, Kind::Flag) => {
                self.note(
                    Fault::new(sign.at, format!("found `{}`", sign.text))
                        .expected("the flag alone, or `not` before it"),
                );
                None
            }
            (AsksTree::Words { sign, words }, Kind::Word) => self.words(sign, words, term),
            (AsksTree::Compare { sign, op: Some(op), at, constant }, _)
                if matches!(kind, Kind::Number | Kind::Count | Kind::Duration { .. }) =>
            {
                debug_assert!(!sign.text.is_empty());
                self.compare(*op, *at, constant, kind)
            }
            (AsksTree::Compare { sign, .. } | AsksTree::Words { sign, .. }, _) => {
                let found = format!("found `{}` behind {}", sign.text, kind.words());
                self.note(Fault::new(sign.at, found).expected(example(kind)));
                None
            }
        }
    }

    fn words(&mut self, sign: &Token<'_>, words: &[Token<'_>], term: &Term) -> Option<Asks> {
        let signal = term.signal()?;
        if !matches!(sign.text, "==" | "!=" | "in") {
            let fault = Fault::new(sign.at, format!("found `{}`", sign.text));
            self.note(fault.expected("`==`, `!=` or `in`: words have no order"));
            return None;
        }
        let mut numbers = Vec::new();
        for word in words {
            match signal.words_of().position(|known| known == word.text) {
                Some(number) => numbers.push(number as u8),
                None => {
                    let known: Vec<&str> = signal.words_of().collect();
                    let fault = Fault::new(word.at, format!("found `{}`", word.text))
                        .expected(format!("one of {}", known.join(", ")));
                    self.note(match nearest(word.text, known.iter().copied()) {
                        Some(near) => fault.hint(format!("did you mean `{near}`?")),
                        None => fault,
                    });
                }
            }
        }
        if numbers.len() < words.len() {
            return None;
        }
        numbers.sort_unstable();
        numbers.dedup();
        match (sign.text, numbers.first()) {
            ("!=", Some(number)) => Some(Asks::IsNotWord(*number)),
            _ => Some(Asks::IsWord(numbers)),
        }
    }

    fn compare(&mut self, op: Op, at: usize, constant: &Constant, kind: Kind) -> Option<Asks> {
        let (value, dimension) = match constant.value() {
            Ok(found) => found,
            Err(why) => {
                self.note(Fault::new(at, why).hint("constants are computed when the rule is read"));
                return None;
            }
        };
        let fault = Fault::new(at, format!("found {constant}"));
        match (kind, dimension) {
            (Kind::Duration { .. }, Dimension::Plain) => {
                let hint = format!("add a unit: {constant}h or {constant}d");
                let fault = fault.expected("a length of time");
                self.note(match constant {
                    Constant::Number(_) => fault.hint(hint),
                    _ => fault,
                });
                None
            }
            (Kind::Number | Kind::Count, Dimension::Time) => {
                self.note(fault.expected("a plain number"));
                None
            }
            _ => Some(Asks::Compare { op, constant: constant.clone(), value }),
        }
    }
}

fn widened(
    guarded: &[&'static str],
    guards: impl Iterator<Item = &'static Signal>,
) -> Vec<&'static str> {
    guarded.iter().copied().chain(guards.map(|signal| signal.name)).collect()
}

/// How a signal of a kind is tested.
fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "a comparison such as `>= 0.6`",
        Kind::Count => "a comparison such as `>= 4`",
        Kind::Duration { .. } => "a comparison such as `> 72h`",
        Kind::Flag => "the flag alone, or `not` before it",
        Kind::Word => "one of its words, such as `== gold` or `in (gold, iron)`",
        Kind::Moment => "age(…), business_age(…) or until(…) around it",
        Kind::Many => "another signal",
    }
}
