//! What marketing looks at: segments, lifecycle, tiers and moves, quadrant, cohorts, churn, revenue at risk, opportunities.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Proposal, Standing};

/// A group of customers, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Segment {
    /// `all`, `region`, `industry`, `tier`, `owner`, `channel`.
    pub dimension: String,
    /// Which group; empty: those of whom it is not known (of `all`: everybody).
    pub value: String,
    /// Customers that are neither prospects nor lost.
    pub kept: i64,
    /// The same at the beginning.
    pub kept_at_start: i64,
    /// Bought for the first time.
    pub new_customers: u64,
    /// Bought again, a buying cycle or more after the first time.
    pub activated: u64,
    /// Were customers and became lost.
    pub lost_customers: u64,
    /// Were dormant or lost and bought again.
    pub won_back_customers: u64,
    /// Lost by customers at the beginning, 0 to 1.
    pub lost_share: Option<f64>,
    /// Purchases.
    pub orders: u64,
    /// Tickets opened.
    pub tickets: u64,
    /// Purchases less refunds.
    pub revenue_minor: i64,
    /// The same in as long a time before.
    pub revenue_minor_before: i64,
    /// By what share revenue has changed.
    pub revenue_change: Option<f64>,
    /// Plain mean of the ratings, 0 to 1.
    pub satisfaction: Option<f64>,
    /// How many ratings.
    pub ratings: u64,
    /// Promoters less detractors per 100 answers.
    pub nps: Option<f64>,
    /// How many answers; below 200 `nps` says little.
    pub nps_answers: u64,
}

/// Groups of one dimension over the last 30 days, or between two moments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Segments {
    /// Where the figures come from.
    pub standing: Standing,
    /// The dimension.
    pub dimension: String,
    /// Its groups, those with most customers first; at most 500.
    pub rows: Vec<Segment>,
}

/// Customers in a state of the lifecycle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LifecycleCount {
    /// `prospect`, `new`, `active`, `slipping`, `dormant`, `lost`, `won_back`, in this order.
    pub lifecycle: String,
    /// How many are in it.
    pub customers: u64,
    /// How many came to it within the last 30 days, less those who left it.
    pub change_30: i64,
    /// Net revenue ever.
    pub revenue_minor: i64,
    /// Expected lifetime value.
    pub value_minor: i64,
}

/// The lifecycle of all customers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Lifecycles {
    /// Where the figures come from.
    pub standing: Standing,
    /// One row for each state.
    pub rows: Vec<LifecycleCount>,
}

/// Customers of a tier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TierCount {
    /// `gold`, `iron`, `lead`; empty: no tier.
    pub tier: String,
    /// How many.
    pub customers: u64,
    /// Net revenue ever.
    pub revenue_minor: i64,
    /// Expected lifetime value.
    pub value_minor: i64,
    /// Revenue at risk.
    pub at_risk_minor: i64,
}

/// Customers that moved between tiers, or stayed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TierMove {
    /// Before; empty: no tier.
    pub from_tier: String,
    /// After; empty: no tier.
    pub to_tier: String,
    /// `up`, `down`, `same`, `in`, `out`.
    pub movement: String,
    /// How many.
    pub customers: u64,
    /// What they brought in between.
    pub revenue_minor: i64,
}

/// Tiers, and moves between them from the end of one day to the end of another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tiers {
    /// Where the figures come from.
    pub standing: Standing,
    /// The earlier day, `2026-01-31`.
    #[schema(format = Date)]
    pub from: String,
    /// The later day.
    #[schema(format = Date)]
    pub to: String,
    /// How tiers stand now, the highest first, no tier last.
    pub tiers: Vec<TierCount>,
    /// The moves, most customers first.
    pub moves: Vec<TierMove>,
}

/// Customers by loyalty and satisfaction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QuadrantCell {
    /// `apostle` (loyal, satisfied), `hostage` (loyal, not), `mercenary` (satisfied, not loyal), `defector` (neither).
    pub quadrant: String,
    /// How many.
    pub customers: u64,
    /// Their mean loyalty, 0 to 100.
    pub loyalty: Option<f64>,
    /// Their mean satisfaction, 0 to 1.
    pub satisfaction: Option<f64>,
    /// Expected lifetime value.
    pub value_minor: i64,
    /// Revenue at risk.
    pub at_risk_minor: i64,
}

/// The quadrant of loyalty and satisfaction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Quadrant {
    /// Where the figures come from.
    pub standing: Standing,
    /// The four cells, in the order of the field `quadrant`'s words.
    pub cells: Vec<QuadrantCell>,
    /// Customers of whom one of the two is not known.
    pub unknown: u64,
}

/// One month of a cohort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CohortMonth {
    /// Months since the first purchase, 0 for the first month.
    pub age: u32,
    /// How many bought in it.
    pub bought: u64,
    /// Their share of the cohort, 0 to 1.
    pub retention: f64,
    /// Net revenue of the month.
    pub revenue_minor: i64,
}

/// Those who first bought in a month.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Cohort {
    /// The month, as its first day.
    #[schema(format = Date)]
    pub month: String,
    /// How many they are.
    pub customers: u64,
    /// The months since, in order, without a hole.
    pub months: Vec<CohortMonth>,
}

/// Retention by cohort.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Cohorts {
    /// Where the figures come from.
    pub standing: Standing,
    /// The cohorts, the earliest first; at most the last 36.
    pub cohorts: Vec<Cohort>,
}

/// Revenue at risk of a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AtRisk {
    /// Which group; empty: not known.
    pub value: String,
    /// Customers with a risk.
    pub customers: u64,
    /// What 90 days would bring in at the pace of the year.
    pub revenue_90_minor: i64,
    /// The part of it that is at risk.
    pub at_risk_minor: i64,
}

/// Revenue at risk by one dimension.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RevenueAtRisk {
    /// Where the figures come from.
    pub standing: Standing,
    /// `region`, `industry`, `tier`, `owner`.
    pub by: String,
    /// The groups, most at risk first; at most 500.
    pub rows: Vec<AtRisk>,
    /// Sum of all groups.
    pub at_risk_minor: i64,
    /// Sum of all groups.
    pub revenue_90_minor: i64,
}

/// Who was lost of a group between the ends of two days.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChurnRow {
    /// Which group; empty: not known (of `all`: everybody).
    pub value: String,
    /// Customers at the earlier day: had bought and were not lost.
    pub customers: u64,
    /// Of them lost by the later day.
    pub customers_lost: u64,
    /// Their share, 0 to 1.
    pub loss_rate: f64,
    /// Those who were active at the earlier day.
    pub active: u64,
    /// Of them lost by the later day.
    pub active_lost: u64,
    /// Their share, 0 to 1: the churn KPI.
    pub churn_rate: Option<f64>,
}

/// The churn KPI by one dimension.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Churn {
    /// Where the figures come from.
    pub standing: Standing,
    /// `all`, `region`, `industry`, `segment`, `owner`, `tier`.
    pub by: String,
    /// The earlier day, `2026-01-31`.
    #[schema(format = Date)]
    pub from: String,
    /// The later day.
    #[schema(format = Date)]
    pub to: String,
    /// The groups, those with most customers first; at most 500.
    pub rows: Vec<ChurnRow>,
}

/// What an account manager is measured by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Owner {
    /// The account manager; empty: customers without one.
    pub owner_id: String,
    /// Customers, prospects included.
    pub customers: u64,
    /// Key customers.
    pub key_customers: u64,
    /// Satisfaction, 0 to 1.
    pub satisfaction: Option<f64>,
    /// Of how many ratings, the older the less.
    pub ratings: f64,
    /// Revenue at risk.
    pub at_risk_minor: i64,
    /// Complaints that are open.
    pub open_complaints: u64,
}

/// Figures by account manager.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Owners {
    /// Where the figures come from.
    pub standing: Standing,
    /// One row for each, most at risk first; at most 500.
    pub rows: Vec<Owner>,
}

/// What contacts have changed, told by those left alone. See docs/tables.md: a difference below twice its standard error
/// shows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GoalEffect {
    /// Proposals to customers not held out, whose 30 days have passed.
    pub contacted: u64,
    /// Of them followed by a purchase within 30 days, 0 to 1.
    pub contacted_share: Option<f64>,
    /// Proposals to customers left alone.
    pub held_out: u64,
    /// Of them followed by a purchase, 0 to 1.
    pub held_out_share: Option<f64>,
    /// The first share less the second.
    pub difference: Option<f64>,
    /// How far chance alone moves it.
    pub standard_error: Option<f64>,
}

/// The opportunities of one goal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GoalOpportunities {
    /// `cross_sell`, `up_sell`, `retention`, `acquisition`, `win_back`, `after_sale`, in this order.
    pub goal: String,
    /// How many stand, to be contacted.
    pub standing: u64,
    /// How many stand and are left alone.
    pub held_out: u64,
    /// The best of those to be contacted, best first.
    pub best: Vec<Proposal>,
    /// What contacts have changed; null before there is anything to compare.
    pub effect: Option<GoalEffect>,
}

/// Opportunities of the six goals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Opportunities {
    /// Where the figures come from.
    pub standing: Standing,
    /// One for each goal.
    pub goals: Vec<GoalOpportunities>,
}

/// Everything the page of marketing shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Marketing {
    /// Where the figures come from.
    pub standing: Standing,
    /// The lifecycle.
    pub lifecycle: Lifecycles,
    /// Tiers, and moves over 90 days.
    pub tiers: Tiers,
    /// The quadrant of loyalty and satisfaction.
    pub quadrant: Quadrant,
    /// Retention by cohort.
    pub cohorts: Cohorts,
    /// Revenue at risk by region.
    pub at_risk_by_region: RevenueAtRisk,
    /// Revenue at risk by industry.
    pub at_risk_by_industry: RevenueAtRisk,
    /// The churn KPI of everybody, over 90 days.
    pub churn: Churn,
    /// The churn KPI by region, over 90 days.
    pub churn_by_region: Churn,
    /// Opportunities, the five best of each goal.
    pub opportunities: Opportunities,
}
