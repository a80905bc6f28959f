//! What the shipped rules say when they are raised, in every case from events: written down to be read, and held against what
//! only engineers say.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use retain::model::registry::Subject;
use retain::plan::{Plan, RuleFile, parse, rules};
use retain::rule::spoken;
use retain::scenario::{Plans, told};

fn texts(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<(String, String)> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Reasons, and what had changed.
type Told = (Vec<String>, Vec<String>);

/// By rule, each different thing that was said at a raise: reasons, and what had changed.
fn said() -> BTreeMap<String, BTreeSet<Told>> {
    let files = texts("pipelines/alerts");
    let files: Vec<_> = files.iter().map(|(name, text)| RuleFile { name, text }).collect();
    let rules = rules(&files).0.unwrap();
    let alerts = Arc::new(rules.set);
    let definitions: BTreeMap<String, Arc<Plan>> = texts("pipelines")
        .into_iter()
        .filter_map(|(name, text)| {
            let plan = Plan { alerts: Arc::clone(&alerts), ..parse(&text).0? };
            Some((name, Arc::new(plan)))
        })
        .collect();
    let mut said: BTreeMap<String, BTreeSet<Told>> = BTreeMap::new();
    for case in rules.cases.iter().flatten() {
        let Some(lived) = &case.lived else { continue };
        let plans = Plans {
            customers: Arc::clone(&definitions[&lived.definition]),
            accounts: Some(Arc::clone(&definitions[&lived.accounts])),
        };
        for word in told(case, &plans) {
            if matches!(word.what.as_str(), "pending" | "raised" | "reopened") {
                said.entry(word.rule).or_default().insert((word.reasons, word.changed));
            }
        }
    }
    for rule in &alerts.rules {
        assert!(said.contains_key(&rule.name), "{} is raised in no case", rule.name);
    }
    said
}

#[test]
fn what_shipped_rules_say_reads_as_a_person_would_say_it() {
    let mut text = String::new();
    let names: BTreeSet<&str> = Subject::ALL
        .iter()
        .flat_map(|subject| subject.signals().map(|signal| signal.name))
        .filter(|name| name.contains('_'))
        .collect();
    for (rule, all) in said() {
        writeln!(text, "{rule}: {}", spoken::rule(&rule)).unwrap();
        for (reasons, changed) in all {
            assert!(!reasons.is_empty() && reasons.len() <= 3, "{rule}: {reasons:?}");
            writeln!(text, "  - {}", reasons.join("; ")).unwrap();
            if !changed.is_empty() {
                writeln!(text, "    changed: {}", changed.join("; ")).unwrap();
            }
            for reason in reasons.iter().chain(&changed) {
                assert!(!reason.contains("unknown"), "{rule}: {reason}");
                let raw = names.iter().find(|name| reason.contains(**name));
                assert!(raw.is_none(), "{rule}: {reason}");
            }
            let different: BTreeSet<&String> = reasons.iter().collect();
            assert_eq!(different.len(), reasons.len(), "{rule}: {reasons:?}");
        }
    }
    insta::with_settings!({
        snapshot_path => "reasons",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("shipped", text);
    });
}
