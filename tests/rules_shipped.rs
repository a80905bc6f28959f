//! The shipped alert rules: they are read without an error, their cases pass, every rule has cases, and a rule that is
//! broken on purpose fails them. And what is wrong with a file of rules is told at its place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::Path;

use retain::plan::{Diagnostic, RuleFile, Rules, Severity, rule_keys, rules};
use retain::rule::case::Verdict;
use retain::rule::definition::severity;
use retain::rule::junit::junit;
use retain::rule::trial::run;

const FILES: [&str; 4] = ["customers", "service", "accounts", "others"];

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn shipped() -> Vec<(String, String)> {
    let path = |name: &str| format!("pipelines/alerts/{name}.toml");
    FILES.iter().map(|name| (path(name), file(&path(name)))).collect()
}

fn read(texts: &[(String, String)]) -> (Option<Rules>, Vec<Diagnostic>) {
    let files: Vec<_> = texts.iter().map(|(name, text)| RuleFile { name, text }).collect();
    let (rules, diagnostics) = rules(&files);
    (rules, diagnostics.into_iter().flatten().collect())
}

/// Of the cases by hand; `tests/scenarios.rs` runs those from events.
fn verdicts(rules: &Rules) -> Vec<Verdict> {
    let by_hand = rules.cases.iter().flatten().filter(|case| case.lived.is_none());
    by_hand.map(|case| run(case, &rules.set)).collect()
}

#[test]
fn the_shipped_rules_are_read_and_their_cases_pass() {
    let (rules, diagnostics) = read(&shipped());
    let rules = rules.unwrap_or_else(|| panic!("{diagnostics:#?}"));
    assert!(diagnostics.iter().all(|d| d.severity == Severity::Warning));
    let failed: Vec<String> = verdicts(&rules)
        .into_iter()
        .filter(|verdict| !verdict.differences.is_empty())
        .map(|verdict| format!("{}: {:#?}", verdict.name, verdict.differences))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_shipped_rule_has_a_case_that_raises_and_one_that_clears() {
    let (rules, _) = read(&shipped());
    let rules = rules.unwrap();
    assert_eq!(rules.set.rules.len(), 19);
    for rule in &rules.set.rules {
        let expected: BTreeSet<&str> = rules
            .cases
            .iter()
            .flatten()
            .flat_map(|case| &case.expect)
            .filter(|expected| expected.rule == rule.name)
            .map(|expected| expected.what.name())
            .collect();
        for what in ["raised", "resolved"] {
            assert!(expected.contains(what), "no case of {} is {what}", rule.name);
        }
    }
}

/// Each of these changes to the shipped text must make a case fail: the cases hold what they say.
#[test]
fn a_changed_rule_fails_its_cases() {
    for (from, to, name) in [
        ("risk >= 0.60 else no", "risk >= 0.65 else no", "a key customer at risk is raised once"),
        ("risk <= 0.45 else yes", "risk <= 0.55 else yes", "a key customer at risk is raised once"),
        (
            "cooldown = \"14d\"\nseverity = \"high\"",
            "severity = \"high\"",
            "a key customer at risk",
        ),
        ("abc == A else no", "abc in (A, B) else no", "of class A is enough"),
        ("rise(risk, 7d) >= 0.20", "rise(risk, 7d) >= 0.30", "a rise counts"),
        ("cooldown = \"gap_mean\"", "cooldown = \"5d\"", "a late order"),
        ("dwell = \"14d\"", "dwell = \"13d\"", "two weeks must pass"),
        (
            "clear = \"dbt_days < 7d else yes and",
            "clear = \"dbt_days < 7d else yes or",
            "late for three",
        ),
        ("firing(volume_shrink), 60d", "firing(volume_shrink), 30d", "late payment and less"),
        ("and csat_n >= 1.5", "and csat_n >= 1", "two bad ratings"),
        ("and sessions >= 8", "and sessions >= 7", "a regular visitor"),
        ("not key_customer\n", "not opted_out\n", "a key customer falls"),
        (
            "business_age(ticket_opened_at) >= 4h",
            "age(ticket_opened_at) >= 4h",
            "nights and the weekend",
        ),
        ("\"2026-12-25\", \"2026-12-26\"", "\"2026-12-26\"", "holidays do not count"),
        ("within(active_contacts >= 2, 90d) and", "", "who never had more"),
        ("account_key and risk >= 0.60", "risk >= 0.60", "an account that is no key"),
        ("rise(risk, 30d) >= 0.15", "rise(risk, 30d) >= 0.10", "an account grows worse"),
        ("next_renewal) <= 60d", "next_renewal) <= 70d", "a renewal comes near"),
        (
            "and risk >= 0.40 else no\"\n# signed",
            "and risk >= 0.30 else no\"\n# signed",
            "a near renewal",
        ),
        ("visit_gap_d >= 90d", "visit_gap_d >= 80d", "a quarter without"),
        ("and records_read >= 30", "", "few are nothing"),
    ] {
        let mut texts = shipped();
        let hits = texts.iter().filter(|(_, text)| text.contains(from)).count();
        assert!(hits > 0, "{from} is not in the shipped rules");
        for (_, text) in &mut texts {
            *text = text.replace(from, to);
        }
        let (rules, diagnostics) = read(&texts);
        let rules = rules.unwrap_or_else(|| panic!("{to}: {diagnostics:#?}"));
        let failed = verdicts(&rules)
            .into_iter()
            .any(|v| v.name.starts_with(name) && !v.differences.is_empty());
        assert!(failed, "{from} -> {to}: no case \"{name}…\" failed");
    }
}

#[test]
fn differences_are_told_in_words() {
    let mut texts = shipped();
    texts[0].1 = texts[0].1.replace("dwell = \"14d\"", "dwell = \"13d\"");
    let (rules, _) = read(&texts);
    let verdicts = verdicts(&rules.unwrap());
    let two_weeks = verdicts.iter().find(|v| v.name.starts_with("two weeks")).unwrap();
    let found: Vec<String> = two_weeks.differences.iter().map(|d| d.render("f.toml")).collect();
    let line = texts[0].1[..texts[0].1.find("at = \"14d\"").unwrap()].lines().count();
    assert_eq!(
        found,
        [format!(
            "f.toml:{line}:\n    expected volume_shrink raised after 14d (2026-01-19T09:00:00Z)\n    \
             got      volume_shrink raised after 13d (2026-01-18T09:00:00Z), episode 1"
        )]
    );
    let report = junit(&[(texts[0].0.clone(), verdicts)]);
    assert!(report.contains("<failure message=\"expected volume_shrink raised after 14d"));
}

const ALERT: &str = "[[alert]]\nname = \"one\"\nabout = \"x\"\nraise = \"opted_out\"\nnext_step = \"y\"\nevents = [\"web\"]\n";

/// Every error of a text as `line:column path: …`.
fn said(text: &str) -> Vec<String> {
    let (_, diagnostics) = read(&[("rules.toml".to_owned(), text.to_owned())]);
    diagnostics.iter().map(|d| format!("{}:{} {}", d.line, d.column, d.render("f"))).collect()
}

#[test]
fn errors_of_a_file_are_told_at_their_places_all_at_once() {
    let text = "[[calendar]]\nname = \"desk\"\nzone = \"Berlin\"\nhours = [\"mon-fri 9-17\"]\n\
        [[alert]]\nname = \"Bad-Name\"\nraise = \"\"\"\n  riks >= 0.6\n  and tier == golf\"\"\"\nseverity = \"hihg\"\n\
        cooldown = \"risk\"\ncalendar = \"dsek\"\nevents = [\"purchas\"]\nfoo = 1\n";
    let said = said(text);
    for (place, words) in [
        ("3:8 ", "did you mean `Europe/Berlin`"),
        ("4:10 ", "mon-fri 09:00-17:00"),
        ("5:1 ", "about"),
        ("6:8 ", "bad_name"),
        ("8:3 ", "did you mean `risk`"),
        ("9:7 ", "can be unknown"),
        ("9:15 ", "did you mean `gold`"),
        ("10:12 ", "did you mean `high`"),
        ("11:12 ", "`risk` is a number"),
        ("13:10 ", "did you mean `purchase`"),
        ("14:1 ", "unknown key"),
    ] {
        let hit = said.iter().any(|line| line.starts_with(place) && line.contains(words));
        assert!(hit, "{place}{words}:\n{}", said.join("\n"));
    }
}

#[test]
fn references_lead_to_rules_about_the_same_subject_and_not_in_a_circle() {
    let two = |first: &str, second: &str, subject: &str| {
        format!(
            "{}{}",
            ALERT.replace("opted_out", first),
            ALERT
                .replace("\"one\"", "\"two\"")
                .replace("raise", &format!("subject = \"{subject}\"\nraise"))
                .replace("opted_out", second)
        )
    };
    assert_eq!(said(&two("firing(two)", "opted_out", "customer")), [""; 0]);
    for (text, words) in [
        (two("firing(tow)", "opted_out", "customer"), "did you mean `two`"),
        (two("firing(two)", "firing(one)", "customer"), "refer to themselves"),
        (two("firing(one)", "opted_out", "customer"), "refer to themselves"),
        (two("firing(two)", "opted_out", "ticket"), "about a ticket"),
        (format!("{ALERT}{ALERT}"), "found one again"),
    ] {
        let said = said(&text);
        assert!(!said.is_empty() && said.iter().all(|line| line.contains(words)), "{said:?}");
    }
}

#[test]
fn a_large_revenue_at_risk_is_critical_by_the_owners_cut_off() {
    let (rules, _) = read(&shipped());
    let set = rules.unwrap().set;
    let key = set.find("key_at_risk").unwrap();
    for (at_risk, cut_off, expected) in [
        (Some(500), Some(500), "critical"),
        (Some(499), Some(500), "high"),
        (Some(0), Some(0), "high"),
        (Some(500), None, "high"),
        (None, Some(500), "high"),
    ] {
        assert_eq!(severity(key, at_risk, cut_off).name(), expected, "{at_risk:?} {cut_off:?}");
    }
    let silence = set.find("silence").unwrap();
    assert_eq!(severity(silence, Some(9), Some(1)).name(), "low", "the rule names no number");
}

#[test]
fn rules_stand_behind_those_they_refer_to() {
    let (rules, _) = read(&shipped());
    let names: Vec<String> = rules.unwrap().set.rules.into_iter().map(|rule| rule.name).collect();
    let place = |name: &str| names.iter().position(|other| other == name).unwrap();
    assert!(place("credit_combo") > place("late_payment").max(place("volume_shrink")));
}

#[test]
fn the_documentation_has_every_key_and_every_shipped_rule() {
    let documentation = file("docs/alerts.md") + &file("docs/testing.md");
    for key in rule_keys() {
        let default =
            if key.default.is_empty() { "-".to_owned() } else { format!("`{}`", key.default) };
        let row = format!("| `{}` | {} | {default} | {} |", key.name, key.form, key.meaning);
        assert!(documentation.contains(&row), "docs/alerts.md and docs/testing.md lack:\n{row}");
    }
    let rows = documentation.lines().filter(|line| line.starts_with("| `")).count();
    let (rules, _) = read(&shipped());
    let rules = rules.unwrap();
    for rule in &rules.set.rules {
        assert!(documentation.contains(&format!("#### `{}`", rule.name)), "{}", rule.name);
        assert!(documentation.contains(&rule.about), "{}: {}", rule.name, rule.about);
    }
    assert_eq!(rows, rule_keys().count(), "rows for keys that do not exist");
}

#[test]
fn no_broken_file_makes_the_reader_panic() {
    for (_, text) in shipped() {
        let lines: Vec<&str> = text.lines().collect();
        for drop in 0..lines.len() {
            let mut left = lines.clone();
            left.remove(drop);
            let _ = said(&left.join("\n"));
            let _ = said(&lines[..drop].join("\n"));
        }
    }
}

#[test]
fn a_broken_rule_is_told_once_not_with_each_of_its_cases() {
    let broken: Vec<(String, String)> = shipped()
        .into_iter()
        .map(|(name, text)| (name, text.replace("gap_k >= 1.5", "gap_kk >= 1.5")))
        .collect();
    let (rules, diagnostics) = read(&broken);
    let errors: Vec<_> = diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
    assert!(rules.is_none());
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].render("f").contains("did you mean `gap_k`?"), "{errors:?}");
}
