//! The notifier's decisions as values: who hears of which transition, when, in what words. What is sent and how it went is the
//! shell's; so a restart, or another copy, decides the same from the same records.

pub mod answer;
pub mod bodies;
pub mod budget;
pub mod desk;
pub mod pace;
pub mod record;
pub mod route;
pub mod when;
pub mod words;

use serde::{Deserialize, Serialize};

use crate::wire::alert::AlertWord;

/// Something to be sent to one receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// Stable: whoever sends it again, after whatever crash, sends it under this id.
    pub id: String,
    /// Whom it is for: an owner's id, [`crate::plan::OTHERS`] for alerts without one, or empty for the receiver itself.
    pub to: String,
    /// The one address of mail it is for; `None`: all of the addressee's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What it says.
    pub content: Content,
}

/// What a letter says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A transition of an alert.
    Alert(Box<AlertWord>),
    /// What nobody was called for, once a day.
    Digest(Digest),
}

/// A day's digest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// What is on, the largest revenue at risk first.
    pub on: Vec<AlertWord>,
    /// What was in an earlier digest and is over.
    pub over: Vec<AlertWord>,
    /// How many more there are.
    pub left_out: usize,
}

impl Letter {
    /// The letter about a transition.
    #[must_use]
    pub fn about(word: &AlertWord, to: &str) -> Self {
        Self {
            id: format!("{}-{}", word.alert_id, word.n),
            to: to.to_owned(),
            address: None,
            content: Content::Alert(Box::new(word.clone())),
        }
    }
}

/// Whether the alert stands after this transition, and is nobody's rest.
#[must_use]
pub fn is_on(word: &AlertWord) -> bool {
    matches!(word.phase.as_str(), "firing" | "acknowledged")
}

/// Whether the episode has ended with this transition.
#[must_use]
pub fn is_over(word: &AlertWord) -> bool {
    matches!(word.phase.as_str(), "resolved" | "dismissed" | "quiet")
}
