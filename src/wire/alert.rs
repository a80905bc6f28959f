//! A transition of an alert as it stands in the topic `PIPELINE.gN.alerts`: one JSON object, one record per transition.

use serde::{Deserialize, Serialize};

/// One transition. The key of its record is `alert_id`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertWord {
    /// 32 hexadecimal digits of rule, subject and episode.
    pub alert_id: String,
    /// Number of the transition within the episode, from 1.
    pub n: u32,
    /// The rule's name.
    pub rule: String,
    /// Kind of the subject: customer, ticket, account, segment, employee.
    pub subject_kind: String,
    /// The subject's id.
    pub subject_id: String,
    /// The customer's id; empty where the subject has none.
    pub customer_id: String,
    /// The account's id; empty where there is none.
    pub account_id: String,
    /// Number of the alert's life, from 1.
    pub episode: u32,
    /// pending, withdrawn, raised, acknowledged, snoozed, woken, resolved or reopened.
    pub what: String,
    /// The phase after it: quiet, pending, firing, acknowledged, snoozed, dismissed or resolved.
    pub phase: String,
    /// The person's name, where a person did it.
    pub by: String,
    /// signals, time or person.
    pub by_kind: String,
    /// What the person wrote.
    pub note: String,
    /// info, low, medium, high or critical.
    pub severity: String,
    /// Event time of the transition, milliseconds.
    pub at_ms: i64,
    /// When the machine saw it, by the pipeline's clock, milliseconds.
    pub detected_ms: i64,
    /// It was seen long after its time, because the machine was away.
    pub catch_up: bool,
    /// People are to be called for it.
    pub call: bool,
    /// When the episode was raised, milliseconds.
    pub raised_ms: Option<i64>,
    /// Until when it is snoozed, milliseconds.
    pub snoozed_until_ms: Option<i64>,
    /// Before when nobody is to be called, milliseconds; `None`: at once.
    pub due_ms: Option<i64>,
    /// Revenue at risk, minor units.
    pub at_risk_minor: Option<i64>,
    /// Currency of the revenue at risk.
    pub currency: String,
    /// The risk, where there is one.
    pub risk: Option<f64>,
    /// The account manager.
    pub owner_id: String,
    /// The subject's region.
    pub region: String,
    /// The subject's industry.
    pub industry: String,
    /// The subject's tier.
    pub tier: String,
    /// Whether it is a key customer.
    pub key: bool,
    /// The strongest reasons in words.
    pub reasons: Vec<String>,
    /// What changed since the last quiet state, in words.
    pub changed: Vec<String>,
    /// What the rule means.
    pub about: String,
    /// What to do.
    pub next_step: String,
    /// Who is told, as the rule says.
    pub receivers: Vec<String>,
    /// Generation of the pipeline.
    pub generation: u32,
    /// Cycle of the shard.
    pub cycle: u64,
}
