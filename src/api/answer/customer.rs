//! A customer: the row in lists, and the whole with every signal, its explanation and what has happened.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Alert, EntityCredit, Explanation, Happening, Standing, Time};

/// A customer as they stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerRow {
    /// The id.
    pub customer_id: String,
    /// Name; empty where nobody said.
    pub name: String,
    /// The account they belong to; empty where nobody said.
    pub account_id: String,
    /// Region.
    pub region: String,
    /// Industry.
    pub industry: String,
    /// Segment, as the producer says.
    pub segment: String,
    /// The account manager.
    pub owner_id: String,
    /// Whether they are treated as a key customer.
    pub key: bool,
    /// State of the lifecycle.
    pub lifecycle: String,
    /// Since when.
    pub lifecycle_since: Option<Time>,
    /// Tier; empty without one.
    pub tier: String,
    /// ABC class; empty without one.
    pub abc: String,
    /// Churn risk, 0 to 1; null for who has neither bought nor a contract.
    pub risk: Option<f64>,
    /// Band of the risk, 0 is the lowest.
    pub risk_band: u8,
    /// Since when the risk is in it.
    pub risk_since: Option<Time>,
    /// Loyalty, 0 to 100.
    pub loyalty: Option<f64>,
    /// Quadrant of loyalty and satisfaction; empty without one.
    pub quadrant: String,
    /// Satisfaction, 0 to 1.
    pub satisfaction: Option<f64>,
    /// How many ratings that is, the older the less.
    pub satisfaction_n: Option<f64>,
    /// Expected lifetime value.
    pub value_minor: Option<i64>,
    /// Net revenue ever.
    pub revenue_minor: i64,
    /// Revenue at risk: what 90 days would bring in, times the risk.
    pub at_risk_minor: i64,
    /// Probability that they buy nothing within 90 days.
    pub p_silent_90: Option<f64>,
    /// Purchases ever.
    pub orders: u32,
    /// Complaints that are open.
    pub open_complaints: u32,
    /// Last purchase.
    pub last_purchase: Option<Time>,
    /// Last contact in either direction.
    pub last_contact: Option<Time>,
    /// The moment shown.
    pub at: Option<Time>,
}

/// One signal of a customer, with its meaning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SignalValue {
    /// Name (docs/signals.md).
    pub name: String,
    /// What people call it: a noun in small letters.
    pub label: String,
    /// What it means, in a sentence.
    pub meaning: String,
    /// Unit, or the set of words.
    pub unit: String,
    /// A number, where it is one and known. Amounts in minor units, moments in milliseconds since 1970.
    pub value: Option<f64>,
    /// A word, a moment (RFC 3339) or a list, where it is one and known.
    pub text: Option<String>,
}

/// How a customer stood at the end of a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerPoint {
    /// The day, `2026-01-31`.
    #[schema(format = Date)]
    pub day: String,
    /// Churn risk, 0 to 1.
    pub risk: Option<f64>,
    /// Loyalty, 0 to 100.
    pub loyalty: Option<f64>,
    /// Satisfaction, 0 to 1.
    pub satisfaction: Option<f64>,
    /// State of the lifecycle.
    pub lifecycle: String,
    /// Tier; empty without one.
    pub tier: String,
    /// Net revenue up to then.
    pub revenue_minor: i64,
}

/// An opportunity that stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Proposal {
    /// `cross_sell`, `up_sell`, `retention`, `acquisition`, `win_back`, `after_sale`.
    pub goal: String,
    /// Place within the goal, by worth; those held out are counted apart.
    pub rank: u64,
    /// The customer.
    pub customer_id: String,
    /// Their name; empty where nobody said.
    pub name: String,
    /// The account manager.
    pub owner_id: String,
    /// Region.
    pub region: String,
    /// Tier at the time; empty without one.
    pub tier: String,
    /// Why, as a word.
    pub reason: String,
    /// What a cross-sale is about; else empty.
    pub category: String,
    /// What it is worth, to compare within one goal only.
    pub score: f64,
    /// To be left alone, so that an effect can be measured.
    pub held_out: bool,
    /// Since when.
    pub proposed: Option<Time>,
    /// Until when.
    pub expires: Option<Time>,
    /// Whether they have bought since.
    pub bought_since: bool,
}

/// The whole of a customer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Customer {
    /// Where the figures come from.
    pub standing: Standing,
    /// How they stand.
    pub customer: CustomerRow,
    /// Why the scores are what they are, told from the events that are still held; null when it could not be told.
    pub explanation: Option<Explanation>,
    /// Why there is no explanation; empty where there is one.
    pub unexplained: String,
    /// Every signal of docs/signals.md.
    pub signals: Vec<SignalValue>,
    /// What each legal entity owes.
    pub credit: Vec<EntityCredit>,
    /// Alerts: open ones first, the worst of them first, then the latest; at most 50.
    pub alerts: Vec<Alert>,
    /// Opportunities that stand.
    pub opportunities: Vec<Proposal>,
    /// What happened, latest first; at most 100.
    pub timeline: Vec<Happening>,
    /// How they stood by day, earliest first; at most the last 400 days on which something changed.
    pub history: Vec<CustomerPoint>,
}
