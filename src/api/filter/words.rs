//! The closed sets of words that requests choose from.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which way a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

/// What accounts are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountSort {
    /// Revenue at risk.
    #[default]
    AtRisk,
    /// Churn risk; unknown counts as the smallest.
    Risk,
    /// Value.
    Value,
    /// Revenue of a year.
    Revenue,
    /// Satisfaction; unknown counts as the smallest.
    Satisfaction,
    /// Open complaints.
    Complaints,
    /// Last contact; never counts as the smallest.
    LastContact,
    /// Name.
    Name,
}

/// What customers are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CustomerSort {
    /// Revenue at risk.
    #[default]
    AtRisk,
    /// Churn risk; unknown counts as the smallest.
    Risk,
    /// Expected lifetime value; unknown counts as the smallest.
    Value,
    /// Net revenue ever.
    Revenue,
    /// Loyalty; unknown counts as the smallest.
    Loyalty,
    /// Last purchase; never counts as the smallest.
    LastPurchase,
    /// Name.
    Name,
}

/// What alerts are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertSort {
    /// Severity, then revenue at risk.
    #[default]
    Severity,
    /// Revenue at risk; unknown counts as the smallest.
    AtRisk,
    /// When it was raised.
    Raised,
    /// When it last changed.
    Changed,
}

/// Which alerts, by how they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhaseFilter {
    /// Raised and not ended: firing, acknowledged or snoozed.
    #[default]
    Open,
    /// Nobody has taken it.
    Firing,
    /// Somebody has it.
    Acknowledged,
    /// Put off.
    Snoozed,
    /// Waits for its dwell.
    Pending,
    /// Ended by a person while it still held.
    Dismissed,
    /// Ended.
    Resolved,
    /// All of them.
    All,
}

impl PhaseFilter {
    /// The phases it stands for; none for all.
    pub fn phases(self) -> &'static [&'static str] {
        match self {
            Self::Open => &["firing", "acknowledged", "snoozed"],
            Self::Firing => &["firing"],
            Self::Acknowledged => &["acknowledged"],
            Self::Snoozed => &["snoozed"],
            Self::Pending => &["pending"],
            Self::Dismissed => &["dismissed"],
            Self::Resolved => &["resolved", "quiet"],
            Self::All => &[],
        }
    }
}

/// How bad an alert is, from harmless on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeverityFilter {
    /// To know.
    Info,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl SeverityFilter {
    /// The word in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Parts of customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SegmentDimension {
    /// Everybody.
    All,
    /// By region.
    Region,
    /// By industry.
    Industry,
    /// By tier.
    Tier,
    /// By account manager.
    Owner,
    /// By channel.
    Channel,
}

/// Parts by which revenue at risk is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RiskDimension {
    /// By region.
    Region,
    /// By industry.
    Industry,
    /// By tier.
    Tier,
    /// By account manager.
    Owner,
}

/// Parts by which churn is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChurnDimension {
    /// Everybody.
    All,
    /// By region.
    Region,
    /// By industry.
    Industry,
    /// By the producer's segment.
    Segment,
    /// By account manager.
    Owner,
    /// By tier.
    Tier,
}

/// The goals of opportunities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoalFilter {
    /// Something else.
    CrossSell,
    /// More of it.
    UpSell,
    /// Who is about to go.
    Retention,
    /// Who is about to come.
    Acquisition,
    /// Who has gone.
    WinBack,
    /// After a purchase.
    AfterSale,
}

/// The word that a value of one of these sets has in a request.
pub fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
