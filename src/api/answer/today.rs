//! What an account manager looks at in the morning: accounts by what is at risk, with the alerts that say why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AccountRow, Alert, List, Standing};

/// Figures above the list; they are of the same owner and region as the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TodaySummary {
    /// Alerts that nobody has taken.
    pub firing: u64,
    /// Alerts that somebody has.
    pub acknowledged: u64,
    /// Alerts that are put off.
    pub snoozed: u64,
    /// Of those that nobody has taken: of severity critical or high.
    pub urgent: u64,
    /// Accounts with something at risk.
    pub accounts_at_risk: u64,
    /// What is at risk of all of them.
    pub at_risk_minor: i64,
}

/// An account with something at risk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TodayRow {
    /// The account.
    pub account: AccountRow,
    /// Open alerts of it and its members, the most severe first; at most 5. The first says why and what to do.
    pub alerts: Vec<Alert>,
}

/// Today.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Today {
    /// Where the figures come from.
    pub standing: Standing,
    /// The figures above the list.
    pub summary: TodaySummary,
    /// Accounts by revenue at risk, or as asked.
    pub accounts: List<TodayRow>,
    /// Open alerts that stand beside none of the accounts at risk, the most severe first; at most 50: about subjects without an account
    /// that is known, and about accounts that have nothing at risk.
    pub others: Vec<Alert>,
}
