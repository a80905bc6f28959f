//! The condition language: what is written, what is refused and where, and that a condition's text is its normal form.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use retain::model::registry::{Kind, Signal, Subject};
use retain::rule::band::default_clear;
use retain::rule::condition::{Asks, Condition, Op, SignalRef, Term, Test, all, any, not};
use retain::rule::constant::{Constant, Dimension, Sign};
use retain::rule::read_condition;

fn normal(text: &str) -> String {
    read_condition(text, Subject::Customer).unwrap_or_else(|f| panic!("{text}: {f:?}")).to_string()
}

/// Place and everything said of each fault.
fn faults(text: &str) -> Vec<(usize, String)> {
    let Err(faults) = read_condition(text, Subject::Customer) else {
        panic!("{text} was accepted")
    };
    let said = |part: Option<String>| part.unwrap_or_default();
    faults
        .into_iter()
        .map(|f| (f.at, format!("{} | {} | {}", f.found, said(f.expected), said(f.hint))))
        .collect()
}

#[test]
fn conditions_are_written_in_their_normal_form() {
    for (text, expected) in [
        ("risk>=0.60 else no", "risk >= 0.6 else no"),
        ("tier in (lead, gold) else no", "tier in (gold, lead) else no"),
        ("tier in (gold) else no", "tier == gold else no"),
        ("volume_trend <= ln(0.6) else no", "volume_trend <= ln(0.6) else no"),
        ("recency_d > 72h else no", "recency_d > 3d else no"),
        ("age(t_last) >= 2 * 36h else no", "age(t_last) >= 2 * 36h else no"),
        ("(x >= 4 and orders > 2) and opted_out", "x >= 4 and orders > 2 and opted_out"),
        ("x >= 1 and (x < 3 or orders > 2)", "x >= 1 and (x < 3 or orders > 2)"),
        ("x >= 1 or x < 3 and orders > 2", "x >= 1 or x < 3 and orders > 2"),
        ("not not opted_out", "opted_out"),
        ("not (opted_out or key_customer)", "not (opted_out or key_customer)"),
        ("rise(risk, 7d) >= .2 else no", "rise(risk, 7d) >= 0.2 else no"),
        ("within(firing(late_payment), 60d)", "within(firing(late_payment), 60d)"),
        ("held(usage_share >= 0.8 else no, 2 * 7d)", "held(usage_share >= 0.8 else no, 14d)"),
        ("known(risk) and risk >= 0.6", "known(risk) and risk >= 0.6"),
        ("csat <= -(1 - 2) / 2", "csat <= -(1 - 2) / 2"),
        ("x\n  >= 4", "x >= 4"),
    ] {
        assert_eq!(normal(text), expected);
        assert_eq!(normal(expected), expected, "the normal form is its own");
    }
}

#[test]
fn every_error_is_told_with_its_place_and_cure() {
    for (text, at, words) in [
        ("", 0, "a test of a signal"),
        ("riks >= 0.6 else no", 0, "did you mean `risk`"),
        ("xyzzy >= 0.6", 0, "docs/signals.md"),
        ("risk >= 0.6", 0, "else no"),
        ("orders >= 4 else no", 0, "always known"),
        ("risk 0.6 else no", 5, "a sign of comparison"),
        ("risk else no", 4, "stands alone"),
        ("risk >= else no", 8, "a number"),
        ("risk >= orders else no", 5, "a comparison"),
        ("risk >= 1 / (2 - 2) else no", 8, "divides by zero"),
        ("risk >= ln(0) else no", 8, "above 0"),
        ("risk >= 3d else no", 8, "a plain number"),
        ("recency_d > 3 else no", 12, "3h or 3d"),
        ("risk == 0.6 else no", 5, "a comparison"),
        ("tier == golf else no", 8, "did you mean `gold`"),
        ("tier >= gold else no", 5, "no order"),
        ("tier else no", 4, "one of its words"),
        ("opted_out == yes", 10, "the flag alone"),
        ("t_last >= 3d else no", 7, "age("),
        ("age(risk) >= 3d else no", 4, "a moment"),
        ("rise(risk, 36h) >= .2 else no", 11, "whole days"),
        ("rise(tier, 7d) >= .2 else no", 5, "a number"),
        ("max(risk) >= 1", 0, "what can be called"),
        ("risk_contributions >= 1 else no", 0, "cannot be compared"),
        ("within(opted_out, 3)", 18, "a length of time"),
        ("within(opted_out, 0d)", 18, "above 0s"),
        ("within(risk >= .6, 3d)", 7, "else no"),
        ("0.6 <= risk", 0, "the signal first"),
        ("risk >= 0.6 else maybe", 17, "`yes` or `no`"),
        ("x >= 4 x < 9", 7, "`and`, `or`, or the end"),
        ("(x >= 4", 7, "`)`"),
        ("x >= 4)", 6, "or the end"),
        ("x >= 4 and", 10, "a test of a signal"),
        ("ticket_open", 0, "a signal of a customer"),
        ("rise(risk, 7d) >= 0.2", 5, "else no"),
        ("known(risk) and rise(risk, 7d) >= 0.2", 21, "else no"),
    ] {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].0, at, "{text}: {found:?}");
        assert!(found[0].1.contains(words), "{text}: {found:?}");
    }
}

#[test]
fn all_errors_are_told_at_once() {
    let text = "riks >= 0.6 and (tier == golf or ) or recency_d > 3 else no and foo(x) < 2";
    let places: Vec<usize> = faults(text).into_iter().map(|(at, _)| at).collect();
    assert_eq!(places, [0, 17, 25, 33, 50, 64]);
}

#[test]
fn what_grows_without_end_is_refused() {
    let deep = format!("{}opted_out{}", "(".repeat(5_00), ")".repeat(5_00));
    assert!(faults(&deep)[0].1.contains("fewer brackets"));
    let deep = format!("risk >= {}1 else no", "-".repeat(500));
    assert!(faults(&deep)[0].1.contains("fewer brackets"));
    let long = ["opted_out"; 33].join(" and ");
    assert!(faults(&long)[0].1.contains("more than 32 tests"));
    let huge = " ".repeat(5_000);
    assert!(faults(&huge)[0].1.contains("at most 4096 bytes"));
}

#[test]
fn a_guard_answers_for_the_unknown_only_where_it_decides() {
    for fine in [
        "known(risk) and (risk >= 0.6 or risk < 0.1)",
        "not known(risk) or risk >= 0.6",
        "known(tier) and not tier == gold",
        "known(t_last) and age(t_last) > 3d",
    ] {
        assert_eq!(normal(fine), fine);
    }
    for open in [
        "known(risk) or risk >= 0.6",
        "not known(risk) and risk >= 0.6",
        "known(x) and risk >= 0.6",
    ] {
        assert!(faults(open)[0].1.contains("else no"), "{open}");
    }
    // said twice is no error
    normal("known(risk) and risk >= 0.6 else no");
}

#[test]
fn the_default_clearing_is_beyond_the_band() {
    for (raise, clear) in [
        ("risk >= 0.6 else no", "not risk >= 0.6 * 0.75 else no"),
        (
            "volume_trend <= -0.8 else no and orders >= 4",
            "not (volume_trend <= -0.8 * 0.75 else no and orders >= 4)",
        ),
        ("not risk < 0.8 else yes", "risk < 0.8 * 0.75 else yes"),
        ("recency_d > 4d else no or opted_out", "not (recency_d > 4d * 0.75 else no or opted_out)"),
    ] {
        let raise = read_condition(raise, Subject::Customer).unwrap();
        assert_eq!(default_clear(&raise, 0.25).to_string(), clear);
    }
}

fn any_constant(dimension: Dimension) -> BoxedStrategy<Constant> {
    let leaf = match dimension {
        Dimension::Plain => {
            (1_u32..1_000_000).prop_map(|n| Constant::Number(f64::from(n) / 1_000.0)).boxed()
        }
        Dimension::Time => (1_i64..1_000_000_000).prop_map(Constant::Duration).boxed(),
    };
    leaf.prop_recursive(3, 8, 2, move |inner| {
        let both = (inner.clone(), inner.clone(), prop_oneof![Just(Sign::Plus), Just(Sign::Minus)]);
        let sums = both.prop_map(|(a, b, sign)| Constant::Both(Box::new(a), sign, Box::new(b)));
        let factor = (1_u32..1_000).prop_map(|n| Constant::Number(f64::from(n)));
        let signs = prop_oneof![Just(Sign::Times), Just(Sign::Over)];
        let products = (inner.clone(), factor, signs)
            .prop_map(|(a, b, sign)| Constant::Both(Box::new(a), sign, Box::new(b)));
        prop_oneof![sums, products, inner.prop_map(|a| Constant::Minus(Box::new(a)))]
    })
    .boxed()
}

fn signals_of(kinds: fn(Kind) -> bool) -> BoxedStrategy<&'static Signal> {
    let signals: Vec<_> = Subject::Customer.signals().filter(|s| kinds(s.kind())).collect();
    prop::sample::select(signals).boxed()
}

fn any_term() -> BoxedStrategy<Term> {
    let moment = |make: fn(SignalRef) -> Term| {
        signals_of(|k| k == Kind::Moment).prop_map(move |s| make(SignalRef(s)))
    };
    let number = || signals_of(|k| matches!(k, Kind::Number | Kind::Count));
    prop_oneof![
        4 => signals_of(|k| !matches!(k, Kind::Moment | Kind::Many)).prop_map(|s| Term::Signal(SignalRef(s))),
        1 => moment(Term::Age),
        1 => moment(Term::BusinessAge),
        1 => moment(Term::Until),
        1 => (number(), 1_u16..=90).prop_map(|(s, days)| Term::Rise { signal: SignalRef(s), days }),
        1 => (number(), 1_u16..=90).prop_map(|(s, days)| Term::Fall { signal: SignalRef(s), days }),
        1 => "[a-d]_rule".prop_map(Term::Firing),
    ]
    .boxed()
}

fn any_asks(term: &Term) -> BoxedStrategy<Asks> {
    let kind = match term {
        Term::Signal(signal) => signal.kind(),
        Term::Firing(_) => Kind::Flag,
        Term::Rise { .. } | Term::Fall { .. } => Kind::Number,
        _ => Kind::Duration { unit_ms: 1 },
    };
    let dimension = match kind {
        Kind::Flag => return Just(Asks::IsTrue).boxed(),
        Kind::Word => {
            let words = term.signal().unwrap().words_of().count() as u8;
            let some = prop::collection::btree_set(0..words, 1..=usize::from(words));
            let of = some.prop_map(|set| Asks::IsWord(set.into_iter().collect()));
            return prop_oneof![of, (0..words).prop_map(Asks::IsNotWord)].boxed();
        }
        Kind::Duration { .. } => Dimension::Time,
        _ => Dimension::Plain,
    };
    let ops = prop::sample::select(vec![Op::AtLeast, Op::Above, Op::AtMost, Op::Below]);
    (ops, any_constant(dimension))
        .prop_map(|(op, constant)| {
            let value = constant.value().unwrap().0;
            Asks::Compare { op, constant, value }
        })
        .boxed()
}

fn any_test() -> BoxedStrategy<Test> {
    (any_term(), prop::bool::ANY)
        .prop_flat_map(|(term, answer)| {
            let unknown = (!term.is_always_known()).then_some(answer);
            any_asks(&term).prop_map(move |asks| Test { term: term.clone(), asks, unknown })
        })
        .boxed()
}

fn any_condition() -> BoxedStrategy<Condition> {
    let leaf = prop_oneof![
        4 => any_test().prop_map(Condition::Test),
        1 => (any_test(), 1_i64..1_000_000_000).prop_map(|(t, ms)| Condition::Within(t, ms)),
        1 => (any_test(), 1_i64..1_000_000_000).prop_map(|(t, ms)| Condition::Held(t, ms)),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        let parts = || prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![parts().prop_map(all), parts().prop_map(any), inner.clone().prop_map(not)]
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_written_is_read_again(condition in any_condition()) {
        let text = condition.to_string();
        let mut tests = 0;
        condition.tests(&mut |_| tests += 1);
        prop_assume!(text.len() <= 4_096 && tests <= 32);
        let read = read_condition(&text, Subject::Customer);
        prop_assert_eq!(read.as_ref(), Ok(&condition), "{}", text);
        prop_assert_eq!(read.unwrap().to_string(), text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "risk", "tier", "gold", ">=", "<", "==", "in", "(", ")", ",", "and", "or", "not", "else", "no", "yes", "0.6",
            "7d", "ln", "-", "/", "0", "within", "held", "known", "rise", "age", "firing", "t_last", "ü", "=", "\n", "1e999", "x",
        ]), 0..30),
        glue in prop::sample::select(vec![" ", ""]),
    ) {
        let text = pieces.join(glue);
        if let Err(faults) = read_condition(&text, Subject::Customer) {
            prop_assert!(!faults.is_empty());
            for fault in faults {
                prop_assert!(fault.at <= text.len(), "{text}: {fault:?}");
                prop_assert!(fault.expected.is_some() || fault.hint.is_some(), "{text}: {fault:?}");
            }
        }
    }
}
