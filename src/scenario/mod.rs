//! Cases from events: they go through the real machine (decoding, merge, engine, with the definition's plan), in a pipeline of
//! accounts behind it what it says, and what it raises through the notifier's desk; then everything is compared.
//!
//! Time passes as it does live: the clock stops at every arrival and at every due, the pipeline waits `disorder` and
//! `idle_timeout` before it believes that nothing more comes.

mod clerk;
mod compare;
mod run;
mod stage;
pub mod suite;

use std::sync::Arc;

use crate::model::registry::Subject;
use crate::plan::Plan;
use crate::rule::case::{Case, Lived, Verdict};
use crate::rule::definition::RuleSet;
use crate::rule::difference::Difference;
use crate::wire::alert::AlertWord;

/// The definitions a case runs under.
#[derive(Clone, Debug)]
pub struct Plans {
    /// That of customers, with its alert rules.
    pub customers: Arc<Plan>,
    /// That of accounts, with the same rules.
    pub accounts: Option<Arc<Plan>>,
}

/// Whether a case needs the pipeline of accounts.
#[must_use]
pub fn speaks_of_accounts(case: &Case, lived: &Lived, rules: &RuleSet) -> bool {
    let of_rules = case.rules.iter().filter_map(|name| rules.find(name));
    of_rules.map(|rule| rule.subject).any(|subject| subject == Subject::Account)
        || lived.wanted.iter().any(|wanted| wanted.subject == Subject::Account)
}

/// Every transition that a case from events brings about, in order, as it is told; empty where it is one by hand.
#[must_use]
pub fn told(case: &Case, plans: &Plans) -> Vec<AlertWord> {
    let Some(lived) = &case.lived else { return Vec::new() };
    let accounts =
        plans.accounts.is_some() && speaks_of_accounts(case, lived, &plans.customers.alerts);
    run::told(case, lived, plans, accounts)
}

/// Runs a case from events and compares; `None` where it is one by hand.
#[must_use]
pub fn run(case: &Case, plans: &Plans) -> Option<Verdict> {
    let lived = case.lived.as_ref()?;
    let verdict = |differences| Verdict { name: case.name.clone(), line: case.line, differences };
    let accounts = speaks_of_accounts(case, lived, &plans.customers.alerts);
    if accounts && plans.accounts.is_none() {
        return Some(verdict(vec![Difference {
            line: case.line,
            expected: "a definition of accounts".to_owned(),
            got: "none".to_owned(),
        }]));
    }
    Some(verdict(run::follow(case, lived, plans, accounts)))
}
