//! What a customer's shard says to the next stage: one word per account and customer, JSON, compacted by key.

use crate::model::effects::SignalWord;

/// How a customer stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Word<'a> {
    /// The customer's id.
    pub customer: &'a [u8],
    /// The account's id; empty when there is none.
    pub account: &'a str,
    /// The lifecycle state's name.
    pub lifecycle: &'a str,
    /// Band of the risk; `None` while there is no risk.
    pub risk_band: Option<u8>,
    /// Last moment the profile was looked at, milliseconds.
    pub as_of_ms: i64,
    /// Revenue, minor units.
    pub revenue_minor: i64,
    /// What stands of opportunities.
    pub opportunities: &'a [Offered],
}

/// A goal worth a contact that stands.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Offered {
    /// The goal's name.
    pub goal: &'static str,
    /// The reason's name.
    pub reason: &'static str,
    /// What it is worth, to rank customers within the goal.
    pub score: f64,
    /// Since when, milliseconds.
    pub since_ms: i64,
    /// Until when, milliseconds.
    pub until_ms: i64,
    /// Whether the customer is to be left alone, so that an effect can be measured.
    pub held_out: bool,
}

/// `(generation, last committed cycle)`: a word counts if and only if its stamp is above the last one heard.
pub type WordStamp = (u32, u64);

#[derive(serde::Serialize)]
struct Json<'a> {
    customer_id: &'a str,
    account_id: &'a str,
    generation: u32,
    cycle: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    left: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    risk_band: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revenue_minor: Option<i64>,
    #[serde(skip_serializing_if = "<[Offered]>::is_empty")]
    opportunities: &'a [Offered],
}

fn word(account: &str, customer: &[u8], json: &Json<'_>) -> SignalWord {
    let key = [account.as_bytes(), b"\0", customer].concat();
    let partition_key = if account.is_empty() { customer } else { account.as_bytes() };
    let value = serde_json::to_vec(json).unwrap_or_default();
    SignalWord { key, partition_key: partition_key.to_vec(), value: Some(value) }
}

/// The customer stands like this, and belongs to this account.
pub fn joined(w: &Word<'_>, (generation, cycle): WordStamp) -> SignalWord {
    let json = Json {
        customer_id: &String::from_utf8_lossy(w.customer),
        account_id: w.account,
        generation,
        cycle,
        left: false,
        lifecycle: Some(w.lifecycle),
        risk_band: w.risk_band,
        as_of_ms: Some(w.as_of_ms),
        revenue_minor: Some(w.revenue_minor),
        opportunities: w.opportunities,
    };
    word(w.account, w.customer, &json)
}

/// The customer does not belong to this account any more.
pub fn left(account: &str, customer: &[u8], (generation, cycle): WordStamp) -> SignalWord {
    let json = Json {
        customer_id: &String::from_utf8_lossy(customer),
        account_id: account,
        generation,
        cycle,
        left: true,
        lifecycle: None,
        risk_band: None,
        as_of_ms: None,
        revenue_minor: None,
        opportunities: &[],
    };
    word(account, customer, &json)
}
