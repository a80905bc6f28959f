//! An account: its row in lists, and the whole of it with members, credit, alerts and what has happened.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Alert, Standing, Time};

/// An account as it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AccountRow {
    /// Its id.
    pub account_id: String,
    /// Its name; empty where nobody said.
    pub name: String,
    /// Region.
    pub region: String,
    /// Industry.
    pub industry: String,
    /// The account manager.
    pub owner_id: String,
    /// Whether it is a key account.
    pub key: bool,
    /// Why it is one; empty where it is none.
    pub key_reason: String,
    /// Customers that belong to it.
    pub members: u32,
    /// People of it who were in touch lately.
    pub active_contacts: u32,
    /// Whether all contact hangs on one person.
    pub single_threaded: bool,
    /// Sum of the members' lifetime values.
    pub value_minor: i64,
    /// Net revenue of a year.
    pub revenue_365_minor: i64,
    /// Revenue at risk: what 90 days would bring in, times the risk.
    pub at_risk_minor: i64,
    /// Churn risk, 0 to 1: the members' risks weighted by their revenue.
    pub risk: Option<f64>,
    /// Satisfaction, 0 to 1.
    pub satisfaction: Option<f64>,
    /// Complaints that are open.
    pub open_complaints: u32,
    /// Since when the oldest of them is.
    pub oldest_complaint: Option<Time>,
    /// What is overdue, summed over legal entities as a measure of size only: nothing is netted.
    pub overdue_minor: i64,
    /// When the next contract is to be renewed.
    pub next_renewal: Option<Time>,
    /// Last contact in either direction.
    pub last_contact: Option<Time>,
    /// Days since the last visit.
    pub visit_gap_d: Option<f64>,
    /// How the pace of revenue has changed over 30 days, logarithm of the ratio.
    pub trend_30: Option<f64>,
    /// The same over 90 days.
    pub trend_90: Option<f64>,
    /// Since when the row is known.
    pub as_of: Option<Time>,
    /// Alerts of the account and its members that are open.
    pub open_alerts: u32,
    /// How the revenue of a year stood on the latest days on which something changed, the earliest first; at most 60.
    pub pace: Vec<Pace>,
}

/// The revenue of a year as it stood on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pace {
    /// The day's beginning.
    pub at: Time,
    /// Net revenue of a year at the pace of that day.
    pub revenue_365_minor: i64,
}

/// What one legal entity owes; nothing is netted between them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EntityCredit {
    /// The legal entity; empty for invoices without one.
    pub legal_entity_id: String,
    /// Unpaid invoices, due or not.
    pub open_minor: i64,
    /// Those whose due has come.
    pub overdue_minor: i64,
    /// Days since the due of the oldest; null when nothing is overdue, or not known of an account.
    pub overdue_days: Option<f64>,
    /// Days beyond terms, weighted by amount; null likewise.
    pub dbt_days: Option<f64>,
}

/// One input's part in a risk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Part {
    /// Name of the input (docs/signals.md).
    pub input: String,
    /// What it is about, in a sentence.
    pub meaning: String,
    /// Log-odds beyond the reference customer's; above 0 it raises the risk.
    pub log_odds: f64,
}

/// A customer of an account, and their part in its risk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// The customer.
    pub customer_id: String,
    /// Name; empty where nobody said.
    pub name: String,
    /// State of the lifecycle.
    pub lifecycle: String,
    /// Tier; empty without one.
    pub tier: String,
    /// Churn risk, 0 to 1.
    pub risk: Option<f64>,
    /// Revenue at risk.
    pub at_risk_minor: i64,
    /// Their part of the account's revenue at risk, 0 to 1; null where nothing is at risk.
    pub share: Option<f64>,
    /// Satisfaction, 0 to 1.
    pub satisfaction: Option<f64>,
    /// Last purchase.
    pub last_purchase: Option<Time>,
    /// Last contact in either direction.
    pub last_contact: Option<Time>,
    /// What moves their risk most, largest first.
    pub parts: Vec<Part>,
}

/// How an account stood at the end of a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AccountPoint {
    /// The day, `2026-01-31`.
    #[schema(format = Date)]
    pub day: String,
    /// Churn risk, 0 to 1.
    pub risk: Option<f64>,
    /// Revenue at risk.
    pub at_risk_minor: i64,
    /// Sum of lifetime values.
    pub value_minor: i64,
    /// Satisfaction, 0 to 1.
    pub satisfaction: Option<f64>,
}

/// Something that happened: an event, or a transition of an alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Happening {
    /// When.
    pub at: Option<Time>,
    /// `event`, `alert` or `signal`.
    pub kind: String,
    /// Type and action of the event (`purchase`, `support complaint`), the alert's rule and what became of it, or the
    /// signal's name and its new word.
    pub what: String,
    /// The customer it is about; empty where it is the account itself.
    pub customer_id: String,
    /// The amount, if it had one.
    pub amount_minor: Option<i64>,
    /// What identifies it: the event's id or order, the alert's id.
    pub reference: String,
    /// Kafka topic, partition and offset of an event, as `topic/partition@offset`.
    pub position: String,
}

/// The whole of an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Where the figures come from.
    pub standing: Standing,
    /// How it stands.
    pub account: AccountRow,
    /// What each legal entity owes.
    pub credit: Vec<EntityCredit>,
    /// Its customers, by revenue at risk; at most 200.
    pub members: Vec<Member>,
    /// Alerts of the account and its members: open ones first, the worst of them first, then the latest; at most 50.
    pub alerts: Vec<Alert>,
    /// What happened, latest first; at most 100.
    pub timeline: Vec<Happening>,
    /// How it stood by day, earliest first; at most the last 400 days on which something changed.
    pub history: Vec<AccountPoint>,
}
