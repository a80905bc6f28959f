//! Every shipped rule has cases from events of each kind that can apply to it. Which can is read from the rule itself, whether a case is
//! of a kind from what comes in it and what it expects: a rule without the last case of a kind is named with what it lacks.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use retain::model::outcome::Outcome;
use retain::model::registry::Subject;
use retain::plan::{Plan, RuleFile, Rules, parse, rules};
use retain::rule::case::{Case, Expected, How, Lived, Sent};
use retain::rule::condition::{Condition, Term};
use retain::rule::definition::{Cooldown, Rule};
use retain::rule::lifecycle::{Action, What};
use retain::scenario::{Plans, run};

/// What a case can show of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// It is raised.
    Raised,
    /// It ends by itself.
    Cleared,
    /// It is pending for its dwell, then raised.
    Dwell,
    /// Without its cooldown the case would fail.
    Cooldown,
    /// Events that feed the rule, and nothing is told.
    Silent,
    /// It is raised at a moment at which nothing comes and nobody does anything.
    ByTime,
    /// An event that feeds it comes later than the pipeline waits; without it the case would fail.
    Late,
    /// An event that feeds it comes twice, and the second is put aside.
    Twice,
    /// The day's calls are spent, and it stands in the digest.
    Budget,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Raised,
        Self::Cleared,
        Self::Dwell,
        Self::Cooldown,
        Self::Silent,
        Self::ByTime,
        Self::Late,
        Self::Twice,
        Self::Budget,
    ];

    /// Whether a rule can have cases of the kind at all.
    fn applies(self, rule: &Rule) -> bool {
        match self {
            Self::Dwell => rule.dwell_ms > 0,
            Self::Cooldown => has_cooldown(rule),
            // account managers hear nothing of employees
            Self::Budget => rule.subject != Subject::Employee,
            Self::ByTime => rule.dwell_ms > 0 || has_cooldown(rule) || moves(&rule.raise),
            _ => true,
        }
    }
}

/// Rules that need no case of a kind though it applies to them, each with the reason.
const EXCEPT: [(&str, Kind, &str); 1] = [(
    "access_anomaly",
    Kind::ByTime,
    "only reading raises its numbers, which begin anew at midnight, before its cooldown can end",
)];

fn has_cooldown(rule: &Rule) -> bool {
    rule.cooldown != Cooldown::Fixed(0)
}

/// Whether time alone can change the answer.
fn moves(condition: &Condition) -> bool {
    let mut moves = false;
    condition.tests(&mut |test| {
        moves |= match &test.term {
            Term::Signal(signal) => signal.moves_with_time(),
            Term::Firing(_) => false,
            Term::Age(_)
            | Term::BusinessAge(_)
            | Term::Until(_)
            | Term::Rise { .. }
            | Term::Fall { .. } => true,
        };
    });
    moves
}

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

/// What is shipped: rules, cases, and the definitions these run under.
struct Shipped {
    rules: Rules,
    definitions: BTreeMap<String, Plan>,
}

impl Shipped {
    fn read() -> Self {
        let files = texts("pipelines/alerts");
        let files: Vec<_> = files.iter().map(|(name, text)| RuleFile { name, text }).collect();
        let (found, problems) = rules(&files);
        let found = found.unwrap_or_else(|| panic!("{problems:?}"));
        let plan = |(name, text): (String, String)| Some((name, parse(&text).0?));
        let definitions = texts("pipelines").into_iter().filter_map(plan).collect();
        Self { rules: found, definitions }
    }

    /// The cases from events in which a rule's transitions are compared.
    fn of<'s>(&'s self, rule: &'s Rule) -> impl Iterator<Item = (&'s Case, &'s Lived)> {
        let cases = self.rules.cases.iter().flatten();
        let compared = cases.filter(|case| case.rules.contains(&rule.name));
        compared.filter_map(|case| Some((case, case.lived.as_ref()?)))
    }

    /// Whether a case from events holds with a changed rule in place of the shipped one.
    fn holds(&self, case: &Case, changed: &Rule) -> bool {
        let lived = case.lived.as_ref().unwrap();
        let mut set = self.rules.set.clone();
        let place = set.rules.iter_mut().find(|rule| rule.name == changed.name);
        place.unwrap().clone_from(changed);
        let alerts = Arc::new(set);
        let plan = |name: &String| {
            Arc::new(Plan { alerts: Arc::clone(&alerts), ..self.definitions[name].clone() })
        };
        let accounts = Some(plan(&lived.accounts));
        let plans = Plans { customers: plan(&lived.definition), accounts };
        run(case, &plans).unwrap().differences.is_empty()
    }

    fn shows(&self, kind: Kind, rule: &Rule, case: &Case, lived: &Lived) -> bool {
        let expects = |what: What| of(case, rule).any(|expected| expected.what == what);
        let feeds = |sent: &Sent| rule.events.contains(&sent.kind);
        let moves = || of(case, rule).next().is_some();
        match kind {
            Kind::Raised => expects(What::Raised),
            Kind::Cleared => of(case, rule).any(|e| e.what == What::Resolved && !by_hand(case, e)),
            Kind::Dwell => of(case, rule).any(|end| {
                let after = |begin: &Expected| {
                    let off_ms = (end.at_ms - begin.at_ms - rule.dwell_ms).abs();
                    begin.what == What::Pending && off_ms <= begin.within_ms + end.within_ms
                };
                end.what == What::Raised && of(case, rule).any(after)
            }),
            Kind::Cooldown => {
                let at_once = Rule { cooldown: Cooldown::Fixed(0), ..rule.clone() };
                expects(What::Resolved) && !self.holds(case, &at_once)
            }
            Kind::Silent => {
                let told = of(case, rule)
                    .any(|expected| !matches!(expected.what, What::Pending | What::Withdrawn));
                !told && lived.events.iter().any(feeds)
            }
            Kind::ByTime => of(case, rule).any(|expected| {
                let near = |at_ms: i64| (at_ms - expected.at_ms).abs() <= expected.within_ms;
                matches!(expected.what, What::Raised | What::Reopened)
                    && !lived.events.iter().any(|sent| near(sent.arrives_ms))
                    && !case.deeds.iter().any(|deed| near(deed.at_ms))
            }),
            Kind::Late => {
                let waits_ms = self.definitions[&lived.definition].disorder_ms;
                let late = |sent: &Sent| sent.arrives_ms - sent.at_ms > waits_ms && feeds(sent);
                let applied = |sent: &Sent| late(sent) && sent.outcome == Outcome::Applied;
                moves() && lived.events.iter().any(applied) && {
                    let mut without = case.clone();
                    without.lived.as_mut().unwrap().events.retain(|sent| !late(sent));
                    !self.holds(&without, rule)
                }
            }
            Kind::Twice => {
                let twice = |sent: &Sent| sent.outcome == Outcome::Duplicate && feeds(sent);
                moves() && lived.events.iter().any(twice)
            }
            Kind::Budget => {
                let told = |how: How| lived.told.iter().filter(move |told| told.how == how);
                lived.notifier.as_ref().is_some_and(|notifier| notifier.budget.is_some())
                    && told(How::Call).next().is_some()
                    && told(How::Digest).any(|told| told.rule == rule.name)
            }
        }
    }
}

fn of<'c>(case: &'c Case, rule: &'c Rule) -> impl Iterator<Item = &'c Expected> {
    case.expect.iter().filter(|expected| expected.rule == rule.name)
}

/// Whether a person ended it.
fn by_hand(case: &Case, expected: &Expected) -> bool {
    case.deeds.iter().any(|deed| {
        deed.action == Action::Resolve && deed.rule == expected.rule && deed.at_ms == expected.at_ms
    })
}

/// What a rule lacks.
fn lacking(shipped: &Shipped, rule: &Rule) -> Vec<Kind> {
    let shown =
        |kind: Kind| shipped.of(rule).any(|(case, lived)| shipped.shows(kind, rule, case, lived));
    Kind::ALL.into_iter().filter(|kind| kind.applies(rule) && !shown(*kind)).collect()
}

#[test]
fn every_shipped_rule_has_cases_from_events_of_every_kind() {
    let shipped = Shipped::read();
    let mut found = Vec::new();
    for rule in &shipped.rules.set.rules {
        let lacks = lacking(&shipped, rule);
        for (_, kind, why) in EXCEPT.iter().filter(|(name, _, _)| *name == rule.name) {
            assert!(lacks.contains(kind), "{}: {kind:?} is no exception: {why}", rule.name);
        }
        let is_excepted = |kind: &Kind| EXCEPT.iter().any(|e| e.0 == rule.name && e.1 == *kind);
        let open = lacks.into_iter().filter(|kind| !is_excepted(kind));
        found.extend(open.map(|kind| format!("{}: {kind:?}", rule.name)));
    }
    assert!(found.is_empty(), "no case from events of:\n{}", found.join("\n"));
}

/// Of a rule to which all kinds apply: without the cases of one kind, that kind is lacking.
#[test]
fn what_is_taken_away_is_lacking() {
    let shipped = Shipped::read();
    let rule = shipped.rules.set.find("single_threaded").unwrap().clone();
    for kind in Kind::ALL {
        assert!(kind.applies(&rule), "{kind:?}");
        let mut less = Shipped::read();
        let shows = |case: &Case| {
            let lived = case.lived.as_ref().filter(|_| case.rules.contains(&rule.name));
            lived.is_some_and(|lived| shipped.shows(kind, &rule, case, lived))
        };
        less.rules.cases.iter_mut().for_each(|cases| cases.retain(|case| !shows(case)));
        assert!(lacking(&less, &rule).contains(&kind), "{kind:?}");
    }
}
