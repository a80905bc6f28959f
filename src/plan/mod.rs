//! Definitions: from a file in `pipelines/` to a checked [`Plan`]. A tree of values with their places (`raw`) is
//! checked subject by subject, all errors at once (`check*`), and becomes the plan.

mod case_keys;
mod change;
mod check;
mod check_accounts;
mod check_calendars;
mod check_cases;
mod check_events;
mod check_money;
mod check_parameters;
mod check_receivers;
mod check_rules;
mod check_signals;
mod check_sources;
mod check_tiers;
mod check_time;
mod currencies;
mod diagnostic;
mod fingerprint;
mod guarantees;
mod keys;
mod notes;
mod opportunities;
mod parameters;
#[allow(clippy::module_inception)] // the layer is named after what it makes
mod plan;
mod raw;
mod receiver_keys;
mod receivers;
mod rule_keys;
mod rule_set;
mod scalar;
mod sections;

pub use change::{Change, compare, judges, scores};
pub use check::parse;
pub use check_receivers::receivers;
pub use check_tiers::{AbcShare, Tiers};
pub use diagnostic::{Diagnostic, Severity};
pub use fingerprint::Fingerprint;
pub use guarantees::guarantees;
pub use keys::{Key, keys};
pub use opportunities::{Lift, OPPORTUNITY_NUMBERS, Opportunities};
pub use parameters::*;
pub use plan::*;
pub use receiver_keys::receiver_keys;
pub use receivers::*;
pub use rule_keys::rule_keys;
pub use rule_set::{RuleFile, Rules, rules};
