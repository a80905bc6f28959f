//! `retain test`: reads the alert rules of a folder, says what is wrong with them, and runs their cases.

use std::io::{self, Write};
use std::path::Path;

use crate::plan::{RuleFile, rules};
use crate::rule::junit::junit;
use crate::rule::trial::{Verdict, run};

/// How it went.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the rules could be read and every case held.
    pub holds: bool,
    /// The verdicts as JUnit XML; `None` where the rules could not be read.
    pub junit: Option<String>,
}

/// The files of rules in a folder with their texts, in the order of their names.
///
/// # Errors
/// Those of reading; with the name of the file.
pub fn read(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let named = |path: &Path, error: io::Error| {
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| named(folder, error))? {
        let path = entry.map_err(|error| named(folder, error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let text = |path: &Path| std::fs::read_to_string(path).map_err(|error| named(path, error));
    paths.iter().map(|path| Ok((path.display().to_string(), text(path)?))).collect()
}

/// Checks the rules and runs their cases; `out` gets every finding, every difference, and the count.
///
/// # Errors
/// Those of `out`.
pub fn test(files: &[(String, String)], out: &mut dyn Write) -> io::Result<Outcome> {
    let parts: Vec<_> = files.iter().map(|(name, text)| RuleFile { name, text }).collect();
    let (rules, findings) = rules(&parts);
    for ((name, _), findings) in files.iter().zip(findings) {
        for finding in findings {
            writeln!(out, "{}", finding.render(name))?;
        }
    }
    let Some(rules) = rules else {
        writeln!(out, "the rules cannot be used; no case was run")?;
        return Ok(Outcome { holds: false, junit: None });
    };
    let mut suites: Vec<(String, Vec<Verdict>)> = Vec::new();
    let (mut cases, mut failed) = (0, 0);
    for ((name, _), of_file) in files.iter().zip(&rules.cases) {
        let verdicts: Vec<Verdict> = of_file.iter().map(|case| run(case, &rules.set)).collect();
        for verdict in verdicts.iter().filter(|verdict| !verdict.differences.is_empty()) {
            writeln!(out, "{name}:{}: {}", verdict.line, verdict.name)?;
            for difference in &verdict.differences {
                writeln!(out, "  {difference}")?;
            }
            failed += 1;
        }
        cases += verdicts.len();
        suites.push((name.clone(), verdicts));
    }
    writeln!(out, "{} rules, {cases} cases, {failed} failed", rules.set.rules.len())?;
    Ok(Outcome { holds: failed == 0, junit: Some(junit(&suites)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Vec<(String, String)> {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/alerts")).unwrap()
    }

    fn said(files: &[(String, String)]) -> (Outcome, String) {
        let mut out = Vec::new();
        let outcome = test(files, &mut out).unwrap();
        (outcome, String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_shipped_rules_hold_what_their_cases_say() {
        let (outcome, said) = said(&shipped());
        assert!(outcome.holds, "{said}");
        assert!(said.ends_with(" 0 failed\n"), "{said}");
        assert!(outcome.junit.unwrap().contains("failures=\"0\""));
    }

    #[test]
    fn a_failing_case_and_a_broken_rule_are_told_with_file_and_line() {
        let mut files = shipped();
        files[0].1 = files[0].1.replace("dwell = \"14d\"", "dwell = \"13d\"");
        let (outcome, text) = said(&files);
        assert!(!outcome.holds && text.contains(": two weeks must pass"), "{text}");
        files[0].1 = files[0].1.replace("dwell = \"13d\"", "dwell = \"13\"");
        let (outcome, text) = said(&files);
        assert_eq!(outcome, Outcome { holds: false, junit: None });
        assert!(text.contains("dwell") && text.contains("customers.toml:"), "{text}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = read(Path::new("no/such/folder")).unwrap_err();
        assert!(error.to_string().contains("no/such/folder"));
    }
}
