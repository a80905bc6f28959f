//! All cases of a folder of rules, by hand and from events, and the report about them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::{Plans, run, speaks_of_accounts};
use crate::plan::{Plan, RuleFile, Rules, Severity, parse, rules};
use crate::rule::case::{Case, Lived, Verdict};
use crate::rule::difference::Difference;
use crate::rule::junit::junit;
use crate::rule::trial;

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Every finding, every difference, and the count, as people read it.
    pub text: String,
    /// Whether the rules could be read and every case held.
    pub holds: bool,
    /// The verdicts as JUnit XML; `None` where the rules could not be read.
    pub junit: Option<String>,
}

/// Definitions by name: read when a case first names them.
struct Shelf<'t> {
    texts: &'t [(String, String)],
    rules: &'t Rules,
    read: BTreeMap<String, Result<Arc<Plan>, String>>,
}

/// Checks rules and runs their cases. `files`: the files of rules with their texts; `definitions`: those that cases may name, by
/// name without `.toml`.
#[must_use]
pub fn suite(files: &[(String, String)], definitions: &[(String, String)]) -> Report {
    let parts: Vec<_> = files.iter().map(|(name, text)| RuleFile { name, text }).collect();
    let (rules, findings) = rules(&parts);
    let mut text = String::new();
    for ((name, _), findings) in files.iter().zip(findings) {
        for finding in findings {
            let _ = writeln!(text, "{}", finding.render(name));
        }
    }
    let Some(rules) = rules else {
        text.push_str("the rules cannot be used; no case was run\n");
        return Report { text, holds: false, junit: None };
    };
    let mut shelf = Shelf { texts: definitions, rules: &rules, read: BTreeMap::new() };
    let mut suites: Vec<(String, Vec<Verdict>)> = Vec::new();
    let (mut cases, mut lived, mut failed) = (0, 0, 0);
    for ((name, _), of_file) in files.iter().zip(&rules.cases) {
        let verdicts: Vec<Verdict> = of_file.iter().map(|case| shelf.verdict(case)).collect();
        for verdict in verdicts.iter().filter(|verdict| !verdict.differences.is_empty()) {
            let _ = writeln!(text, "{name}:{}: {}", verdict.line, verdict.name);
            for difference in &verdict.differences {
                let _ = writeln!(text, "  {}", difference.render(name));
            }
            failed += 1;
        }
        cases += verdicts.len();
        lived += of_file.iter().filter(|case| case.lived.is_some()).count();
        suites.push((name.clone(), verdicts));
    }
    let count = rules.set.rules.len();
    let _ = writeln!(
        text,
        "{count} rules, {cases} cases, {lived} of them from events, {failed} failed"
    );
    Report { text, holds: failed == 0, junit: Some(junit(&suites)) }
}

impl Shelf<'_> {
    fn verdict(&mut self, case: &Case) -> Verdict {
        let Some(lived) = &case.lived else { return trial::run(case, &self.rules.set) };
        let plans = self.plans(case, lived);
        let ran = plans.and_then(|plans| run(case, &plans).ok_or_else(String::new));
        ran.unwrap_or_else(|got| Verdict {
            name: case.name.clone(),
            line: case.line,
            differences: vec![Difference {
                line: case.line,
                expected: "definitions that can be used".to_owned(),
                got,
            }],
        })
    }

    fn plans(&mut self, case: &Case, lived: &Lived) -> Result<Plans, String> {
        let customers = self.plan(&lived.definition)?;
        if customers.accounts.is_some() {
            let found = "is one of accounts; name that of the customers it hears of";
            return Err(format!("{}.toml, which {found}", lived.definition));
        }
        let speaks = speaks_of_accounts(case, lived, &self.rules.set);
        let accounts = if speaks { Some(self.plan(&lived.accounts)?) } else { None };
        Ok(Plans { customers, accounts })
    }

    fn plan(&mut self, name: &str) -> Result<Arc<Plan>, String> {
        if !self.read.contains_key(name) {
            let read = self.read(name);
            self.read.insert(name.to_owned(), read);
        }
        self.read.get(name).cloned().unwrap_or_else(|| Err(String::new()))
    }

    fn read(&self, name: &str) -> Result<Arc<Plan>, String> {
        let found = self.texts.iter().find(|(known, _)| known == name);
        let Some((_, text)) = found else {
            return Err(format!("no file {name}.toml beside the folder of rules"));
        };
        let (plan, findings) = parse(text);
        let error = findings.iter().find(|finding| finding.severity == Severity::Error);
        let broken = |finding: &crate::plan::Diagnostic| finding.render(&format!("{name}.toml"));
        let plan = plan.ok_or_else(|| error.map_or_else(String::new, broken))?;
        Ok(Arc::new(Plan { alerts: Arc::new(self.rules.set.clone()), ..plan }))
    }
}
