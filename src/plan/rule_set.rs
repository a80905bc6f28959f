//! Files of alert rules, read together: names that differ, references that lead somewhere and not in a circle, and cases.

use toml::Spanned;
use toml::de::DeTable;

use super::check::TEXT_BYTES_MAX;
use super::check_cases::Known;
use super::check_rules::Draft;
use super::notes::Notes;
use super::raw::Section;
use super::{Diagnostic, check_calendars, check_cases, check_rules, rule_keys};
use crate::rule::case::Case;
use crate::rule::definition::{Rule, RuleSet};
use crate::rule::hours::Calendar;

/// Most rules of a pipeline: each is evaluated for each of its subjects.
const RULES_MAX: usize = 64;
/// Most calendars.
const CALENDARS_MAX: usize = 32;
/// Most cases of a file.
const CASES_MAX: usize = 1_000;

/// A file of rules.
#[derive(Clone, Copy, Debug)]
pub struct RuleFile<'t> {
    /// Its name, for messages.
    pub name: &'t str,
    /// What it says.
    pub text: &'t str,
}

/// Rules and their cases.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// The rules, checked against each other.
    pub set: RuleSet,
    /// The cases of each file, in the order of the files.
    pub cases: Vec<Vec<Case>>,
}

/// Reads files of rules together. Everything wrong is reported at once, for each file in the order of its lines; rules come
/// only without errors, perhaps with warnings.
pub fn rules(files: &[RuleFile<'_>]) -> (Option<Rules>, Vec<Vec<Diagnostic>>) {
    // a text that is too long is not read: its length is what is wrong with it
    let fits = |text: &&str| text.len() <= TEXT_BYTES_MAX;
    let texts = files.iter().map(|file| Some(file.text).filter(fits).unwrap_or(""));
    let texts: Vec<&str> = texts.collect();
    let documents: Vec<_> = texts.iter().map(|text| DeTable::parse_recoverable(text)).collect();
    let mut all: Vec<Notes<'_>> = texts.iter().map(|text| Notes::new(text)).collect();
    for (notes, file) in all.iter_mut().zip(files) {
        if file.text.len() > TEXT_BYTES_MAX {
            let found = format!("found {} bytes", file.text.len());
            notes.error(0, "", &found).expected("a file of rules of at most 1 MiB");
        }
    }
    let tops: Vec<Section<'_>> = all
        .iter_mut()
        .zip(&documents)
        .map(|(notes, (document, _))| open(notes, document))
        .collect();
    let calendars = calendars(&mut all, &tops);
    let drafts = drafts(&mut all, &tops, &calendars);
    let rules = in_order(&mut all, drafts);
    // the cases of a rule that is wrong are not wrong for it
    let known = Known { rules: &rules, all: all.iter().all(Notes::is_clean) };
    let mut cases = Vec::new();
    for (notes, top) in all.iter_mut().zip(&tops) {
        let sections = top.tables(notes, "test");
        limit(notes, &sections, CASES_MAX, "test");
        let read = sections.iter().take(CASES_MAX);
        cases.push(read.filter_map(|s| check_cases::case(notes, s, &known)).collect());
    }
    let is_clean =
        all.iter().all(Notes::is_clean) && documents.iter().all(|(_, syntax)| syntax.is_empty());
    let found = all.into_iter().zip(documents);
    let diagnostics = found.map(|(notes, (_, syntax))| notes.into_diagnostics(syntax)).collect();
    let set = RuleSet { calendars, rules };
    (is_clean.then_some(Rules { set, cases }), diagnostics)
}

fn open<'d>(notes: &mut Notes<'_>, document: &'d Spanned<DeTable<'d>>) -> Section<'d> {
    Section::open(notes, rule_keys::FILE, String::new(), 0, document.get_ref())
}

/// All calendars of all files, behind the one that is always open.
fn calendars(all: &mut [Notes<'_>], tops: &[Section<'_>]) -> Vec<Calendar> {
    let mut calendars = vec![Calendar::always()];
    for (notes, top) in all.iter_mut().zip(tops) {
        let sections = top.tables(notes, "calendar");
        limit(notes, &sections, CALENDARS_MAX, "calendar");
        for section in sections.iter().take(CALENDARS_MAX) {
            let Some(calendar) = check_calendars::calendar(notes, section) else { continue };
            if calendars.iter().any(|other| other.name == calendar.name) {
                section.refuse(notes, "name", "a name of its own").hint("another calendar has it");
            } else {
                calendars.push(calendar);
            }
        }
    }
    calendars
}

fn limit(notes: &mut Notes<'_>, sections: &[Section<'_>], most: usize, name: &str) {
    if let Some(extra) = sections.get(most) {
        notes
            .error(extra.at, &extra.path, &format!("found {}", sections.len()))
            .expected(format!("at most {most} tables [[{name}]]"));
    }
}

/// The rules of all files, each with the number of its file.
fn drafts(
    all: &mut [Notes<'_>],
    tops: &[Section<'_>],
    calendars: &[Calendar],
) -> Vec<(usize, Draft)> {
    let mut drafts: Vec<(usize, Draft)> = Vec::new();
    for (file, (notes, top)) in all.iter_mut().zip(tops).enumerate() {
        for section in &top.tables(notes, "alert") {
            let Some(draft) = check_rules::rule(notes, section, calendars) else { continue };
            let path = section.path_of("name");
            if drafts.iter().any(|(_, other)| other.rule.name == draft.rule.name) {
                notes
                    .error(draft.name_at, &path, &format!("found {} again", draft.rule.name))
                    .hint("a rule's name is part of its alerts' ids: give each its own");
            } else if drafts.len() == RULES_MAX {
                notes
                    .error(section.at, &section.path, &format!("found more than {RULES_MAX} rules"))
                    .hint("each rule is evaluated for each of its subjects: leave some out");
            }
            drafts.push((file, draft));
        }
    }
    drafts
}

/// The rules, each behind those it refers to; references that lead nowhere or in a circle are noted.
fn in_order(all: &mut [Notes<'_>], drafts: Vec<(usize, Draft)>) -> Vec<Rule> {
    for (file, draft) in &drafts {
        let mut conditions = vec![("raise", &draft.rule.raise, draft.raise_at)];
        // a clearing that is derived refers to nothing else
        conditions.extend(draft.clear_at.map(|at| ("clear", &draft.rule.clear, at)));
        for (key, condition, at) in conditions {
            for name in condition.rules() {
                let path = format!("{}.{key}", draft.path);
                refer(&mut all[*file], &drafts, draft, &name, (at, &path));
            }
        }
    }
    let mut left = drafts;
    let mut rules: Vec<Rule> = Vec::new();
    loop {
        let names: Vec<String> = left.iter().map(|(_, draft)| draft.rule.name.clone()).collect();
        let waits = |draft: &Draft| {
            let mut needed = draft.rule.raise.rules();
            needed.extend(draft.rule.clear.rules());
            needed.iter().any(|name| names.contains(name))
        };
        let (ready, blocked): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|(_, draft)| !waits(draft));
        if ready.is_empty() {
            for (file, draft) in &blocked {
                all[*file]
                    .error(
                        draft.raise_at,
                        &format!("{}.raise", draft.path),
                        "found a reference to itself, or to rules that refer to themselves",
                    )
                    .hint(format!("the rules concerned are {}", names.join(", ")));
            }
            rules.extend(blocked.into_iter().map(|(_, draft)| draft.rule));
            return rules;
        }
        rules.extend(ready.into_iter().map(|(_, draft)| draft.rule));
        left = blocked;
    }
}

fn refer(
    notes: &mut Notes<'_>,
    drafts: &[(usize, Draft)],
    draft: &Draft,
    name: &str,
    (at, path): (usize, &str),
) {
    let other = drafts.iter().find(|(_, other)| other.rule.name == name);
    match other {
        Some((_, other)) if other.rule.subject == draft.rule.subject => {}
        Some((_, other)) => {
            let found = format!("`{name}` is about a {}", other.rule.subject.name());
            notes
                .error(at, path, &found)
                .expected(format!("a rule about a {}", draft.rule.subject.name()));
        }
        None => {
            let known = drafts.iter().map(|(_, other)| other.rule.name.as_str());
            notes
                .error(at, path, &format!("found firing({name})"))
                .expected("the name of a rule")
                .did_you_mean(name, known);
        }
    }
}
