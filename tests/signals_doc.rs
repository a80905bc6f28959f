//! docs/signals.md is written from the registry: this test fails when the two differ. `RETAIN_WRITE_DOCS=1` writes it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use retain::model::registry::{
    Change, GROUPS, LOYALTY_INPUTS, RISK_INPUTS, Signal, Subject, signals,
};
use retain::signal::{loyalty, risk};

const BEGIN: &str = "<!-- generated from src/model/registry: do not edit below -->\n";

fn moves(signal: &Signal) -> String {
    let plain = match signal.change {
        Change::Event => "only with an event",
        Change::Live => "at every moment; live: computed when it is read",
        Change::Due => "at an exact moment that the pipeline wakes for; stands in the row",
        Change::Refresh => "at every moment; stands in the row as of `judged_at`, at least daily",
    };
    match signal.wakes {
        "" => plain.to_owned(),
        wakes => format!("{plain}; wakes {wakes}"),
    }
}

fn section(signal: &Signal) -> String {
    let mut text = format!("#### `{}`: {}\n{}\n\n", signal.name, signal.label, signal.words);
    let order = if signal.commutative {
        "does not matter: the same set of events gives the same value"
    } else {
        "matters: it is a path"
    };
    let lines = [
        ("formula", signal.formula.to_owned()),
        ("unit", signal.unit.to_owned()),
        ("range", signal.range.to_owned()),
        ("looks", signal.window.to_owned()),
        ("moves", moves(signal)),
        ("order of events", order.to_owned()),
        ("source", signal.source.to_owned()),
        ("verified", signal.verified.to_owned()),
        ("limits", signal.limits.to_owned()),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(text, "- {name}: {value}").unwrap();
    }
    text.push('\n');
    text
}

fn generated() -> String {
    let mut text = String::new();
    for (heading, signals) in GROUPS {
        writeln!(text, "### {heading}\n").unwrap();
        signals.iter().for_each(|signal| text.push_str(&section(signal)));
    }
    text.push_str("### Beside these: what rules may speak of\n\n| about | signal | what people call it | unit | what it means |\n|---|---|---|---|---|\n");
    for subject in Subject::ALL {
        // a ticket's rules may speak of its customer, too
        let named = |signal: &Signal| signals().any(|known| known.name == signal.name);
        let of_customer = |signal: &Signal| Subject::Customer.find(signal.name).is_some();
        let own = subject.signals().filter(|signal| match subject {
            Subject::Customer => !named(signal),
            Subject::Ticket => !of_customer(signal),
            _ => true,
        });
        for Signal { name, label, unit, words, .. } in own {
            writeln!(text, "| {} | `{name}` | {label} | {unit} | {words} |", subject.name())
                .unwrap();
        }
    }
    text.push_str("\n### Inputs of the risk\n\n| input | what it means | b2c | b2b | weight from |\n|---|---|---|---|---|\n");
    for input in risk::Input::ALL {
        let (id, words, basis) = (input.id(), input.sentence(), input.basis().name());
        let [b2c, b2b] = [risk::Weights::B2C, risk::Weights::B2B].map(|set| set.of(input));
        writeln!(text, "| `{id}` | {words} | {b2c} | {b2b} | {basis} |").unwrap();
    }
    text.push_str("\n### Inputs of loyalty\n\n| input | what it means | b2c | b2b | weight from |\n|---|---|---|---|---|\n");
    for input in loyalty::Input::ALL {
        let (id, words, basis) = (input.id(), input.sentence(), input.basis().name());
        let [b2c, b2b] = [loyalty::Weights::B2C, loyalty::Weights::B2B].map(|set| set.of(input));
        writeln!(text, "| `{id}` | {words} | {b2c} | {b2b} | {basis} |").unwrap();
    }
    text
}

#[test]
fn the_documentation_is_what_the_registry_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/signals.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (by_hand, written) =
        text.split_once(BEGIN).expect("the mark that begins the generated part");
    if std::env::var_os("RETAIN_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{by_hand}{BEGIN}{}", generated())).unwrap();
        return;
    }
    assert!(
        written == generated(),
        "docs/signals.md is not what the registry says: run RETAIN_WRITE_DOCS=1 cargo test --test signals_doc"
    );
}

#[test]
fn signals_have_names_of_their_own_and_every_word_they_need() {
    let names: BTreeSet<&str> = signals().map(|signal| signal.name).collect();
    assert_eq!(names.len(), signals().count());
    for signal in signals() {
        for said in [signal.unit, signal.words, signal.formula] {
            assert!(!said.is_empty(), "{}", signal.name);
        }
        assert!(signal.words.ends_with('.') && signal.words.len() < 120, "{}", signal.name);
    }
}

#[test]
fn definitions_and_scores_name_the_same_inputs() {
    assert_eq!(RISK_INPUTS.to_vec(), risk::Input::ALL.map(risk::Input::id).to_vec());
    assert_eq!(LOYALTY_INPUTS.to_vec(), loyalty::Input::ALL.map(loyalty::Input::id).to_vec());
}
