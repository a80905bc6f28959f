//! A transition of an alert as it stands in the topic `PIPELINE.gN.alerts`: one JSON object, one record per transition.

use serde::{Deserialize, Serialize};

use super::rows::Row;

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

impl AlertWord {
    /// The record's value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // texts and finite numbers in memory: this cannot fail, and an empty value would be skipped by its reader
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record's value; `None` where it is no transition.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }

    /// Writes the columns of `alerts` and `alert_history`, which are the same.
    pub fn put(&self, row: &mut Row<'_>, shard: u16, version: u64) {
        row.text(self.alert_id.as_bytes())
            .u32(self.n)
            .text(self.rule.as_bytes())
            .text(self.subject_kind.as_bytes())
            .text(self.subject_id.as_bytes())
            .u16(shard)
            .u64(version)
            .u8(0)
            .text(self.customer_id.as_bytes())
            .text(self.account_id.as_bytes())
            .u32(self.episode)
            .text(self.what.as_bytes())
            .text(self.phase.as_bytes())
            .text(self.by.as_bytes())
            .text(self.by_kind.as_bytes())
            .text(self.note.as_bytes())
            .text(self.severity.as_bytes())
            .i64(self.at_ms)
            .i64(self.detected_ms)
            .u8(u8::from(self.catch_up))
            .u8(u8::from(self.call))
            .maybe_time(self.raised_ms)
            .maybe_time(self.snoozed_until_ms)
            .maybe_time(self.due_ms)
            .maybe_i64(self.at_risk_minor)
            .text(self.currency.as_bytes())
            .maybe_f64(self.risk)
            .text(self.owner_id.as_bytes())
            .text(self.region.as_bytes())
            .text(self.industry.as_bytes())
            .text(self.tier.as_bytes())
            .u8(u8::from(self.key))
            .texts(self.reasons.iter().map(String::as_str))
            .texts(self.changed.iter().map(String::as_str))
            .text(self.about.as_bytes())
            .text(self.next_step.as_bytes())
            .texts(self.receivers.iter().map(String::as_str));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::table::Table;
    use crate::wire::rows::TableRows;

    #[test]
    fn a_word_comes_back_as_it_was() {
        let word = AlertWord {
            alert_id: "9f".to_owned(),
            raised_ms: Some(-1),
            risk: Some(0.25),
            reasons: vec!["\"quoted\"".to_owned()],
            ..AlertWord::default()
        };
        assert_eq!(AlertWord::decode(&word.encode()), Some(word));
        assert_eq!(AlertWord::decode(b"{}"), None);
    }

    #[test]
    fn both_tables_take_its_columns() {
        for table in [Table::Alerts, Table::AlertHistory] {
            let mut rows = TableRows::new(table);
            // debug builds hold every value against its column
            AlertWord::default().put(&mut rows.row(), 3, 7);
            let mut blocks = Vec::new();
            rows.take_into(&mut blocks);
            assert_eq!(blocks[0].count, 1);
        }
    }
}
