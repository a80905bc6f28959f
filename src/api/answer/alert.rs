//! An alert as it stands, its transitions, and what people may do about it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Standing, Time};

/// What a person does about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// "I have it."
    Acknowledge,
    /// "Tell me again then."
    Snooze,
    /// "This is done."
    Resolve,
    /// "This was not done."
    Reopen,
}

impl Act {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 4] = [Self::Acknowledge, Self::Snooze, Self::Resolve, Self::Reopen];

    /// The word in addresses and letters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Snooze => "snooze",
            Self::Resolve => "resolve",
            Self::Reopen => "reopen",
        }
    }

    /// The act of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.name() == name)
    }
}

/// A transition of an alert. Of the list of alerts it is the last one: how the alert stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// The same in every table and at every receiver: a hash of rule, subject and episode.
    pub alert_id: String,
    /// Number of the transition within the episode, from 1.
    pub n: u32,
    /// Name of the rule.
    pub rule: String,
    /// `customer`, `ticket`, `account`, `segment`, `employee`.
    pub subject_kind: String,
    /// Whom it is about.
    pub subject_id: String,
    /// The customer behind the subject; empty where there is none.
    pub customer_id: String,
    /// The account behind the subject; empty where nobody said.
    pub account_id: String,
    /// Name of the account, else of the customer; empty where nobody said.
    pub name: String,
    /// Which life of the alert this is, from 1.
    pub episode: u32,
    /// `pending`, `withdrawn`, `raised`, `acknowledged`, `snoozed`, `woken`, `resolved`, `reopened`.
    pub what: String,
    /// After it: `quiet`, `pending`, `firing`, `acknowledged`, `snoozed`, `dismissed`, `resolved`.
    pub phase: String,
    /// The person whose doing it was; empty where it was none's.
    pub by: String,
    /// `signals`, `time` or `person`.
    pub by_kind: String,
    /// What the person noted.
    pub note: String,
    /// `info`, `low`, `medium`, `high`, `critical`.
    pub severity: String,
    /// Event time of the transition.
    pub at: Option<Time>,
    /// When the pipeline noticed.
    pub detected: Option<Time>,
    /// Whether it was noticed while the pipeline caught up with the past.
    pub catch_up: bool,
    /// When the alert was raised.
    pub raised: Option<Time>,
    /// Until when it is put off.
    pub snoozed_until: Option<Time>,
    /// Revenue at risk behind it.
    pub at_risk_minor: Option<i64>,
    /// Churn risk, 0 to 1.
    pub risk: Option<f64>,
    /// The account manager.
    pub owner_id: String,
    /// Region.
    pub region: String,
    /// Industry.
    pub industry: String,
    /// Tier.
    pub tier: String,
    /// Whether the subject is a key customer or account.
    pub key: bool,
    /// The strongest reasons, in words, strongest first.
    pub reasons: Vec<String>,
    /// What has changed since the last quiet state, in words.
    pub changed: Vec<String>,
    /// What the rule means, in a sentence.
    pub about: String,
    /// What to do about it.
    pub next_step: String,
    /// Who is told.
    pub receivers: Vec<String>,
}

impl Alert {
    /// What may be done about it as it stands, in the order in which it is offered.
    pub fn acts(&self) -> &'static [Act] {
        match self.phase.as_str() {
            "firing" => &[Act::Acknowledge, Act::Snooze, Act::Resolve],
            "acknowledged" => &[Act::Snooze, Act::Resolve],
            "snoozed" => &[Act::Acknowledge, Act::Snooze, Act::Resolve],
            "dismissed" => &[Act::Reopen],
            _ => &[],
        }
    }

    /// Whether somebody is needed, or has said to be: raised and not ended.
    pub fn is_open(&self) -> bool {
        ["firing", "acknowledged", "snoozed"].contains(&self.phase.as_str())
    }
}

/// An alert with its history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertDetail {
    /// Where the figures come from.
    pub standing: Standing,
    /// How it stands.
    pub alert: Alert,
    /// What may be done about it as it stands; nothing once the rule has been raised about the subject in a later episode.
    pub acts: Vec<Act>,
    /// The latest episode of the rule about the subject: the only one that actions have an effect on.
    pub latest_episode: u32,
    /// The transitions of this episode, the first one first; at most the latest 200.
    pub history: Vec<Alert>,
}

/// An action has been written to the pipeline. It takes effect when the shard of the subject reads it: the alert shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Done {
    /// The command's id; a command with the same id takes effect once.
    pub command_id: String,
    /// The alert.
    pub alert_id: String,
    /// What is asked.
    pub act: Act,
    /// By whom.
    pub by: String,
}
