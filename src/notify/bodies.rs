//! What is posted to each kind of receiver, as JSON.

use serde_json::{Map, Value, json};

use super::words::{Said, clip};
use super::{Content, Letter, is_on};
use crate::wire::alert::AlertWord;

/// What a block of text takes at Slack, characters.
const SLACK_TEXT_MAX: usize = 3_000;
/// Sections in a message, of the 50 blocks that Slack takes.
const SLACK_SECTIONS_MAX: usize = 48;
/// What a summary takes at PagerDuty, characters.
const SUMMARY_MAX: usize = 1_024;

/// A moment in RFC 3339, UTC.
fn rfc3339(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

/// One alert for Alertmanager's `POST /api/v2/alerts`. Labels are its identity: they hold what does not change while it is on,
/// all else is annotations. What is on ends at `ends_ms` unless it is posted again; what is not ends now.
#[must_use]
pub fn alertmanager(
    word: &AlertWord,
    said: &Said,
    pipeline: &str,
    ends_ms: i64,
    link: &str,
) -> Value {
    let labels = [
        ("alertname", word.rule.as_str()),
        ("pipeline", pipeline),
        ("alert_id", &word.alert_id),
        ("subject_kind", &word.subject_kind),
        ("subject_id", &word.subject_id),
        ("customer_id", &word.customer_id),
        ("account_id", &word.account_id),
        ("owner_id", &word.owner_id),
        ("severity", &word.severity),
        ("region", &word.region),
        ("tier", &word.tier),
        ("catch_up", if word.catch_up { "true" } else { "" }),
    ];
    // an empty label is no label
    let labels: Map<String, Value> = labels
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let starts_ms = word.raised_ms.unwrap_or(word.at_ms);
    let ends_ms = if is_on(word) { ends_ms } else { word.at_ms.max(starts_ms) };
    let mut alert = json!({
        "labels": labels,
        "annotations": {
            "summary": said.title,
            "description": said.text,
            "next_step": word.next_step,
            "phase": word.phase,
        },
        "startsAt": rfc3339(starts_ms),
        "endsAt": rfc3339(ends_ms),
    });
    if !link.is_empty() {
        alert["generatorURL"] = link.into();
    }
    alert
}

/// A message for an incoming webhook of Slack. The text beside the blocks is what notifications show.
#[must_use]
pub fn slack(letter: &Letter, said: &Said) -> Value {
    let about = match &letter.content {
        Content::Alert(word) => format!("{} · {}", word.severity, letter.id),
        Content::Digest(_) => "digest".to_owned(),
    };
    // verbatim: what people wrote into ids and names becomes no link and calls nobody
    let section = |text: String| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } });
    let mut blocks: Vec<Value> = sections(&said.text).into_iter().map(section).collect();
    let about = clip(&about, SLACK_TEXT_MAX);
    blocks.push(json!({ "type": "context", "elements": [{ "type": "plain_text", "text": about, "emoji": false }] }));
    json!({ "text": super::words::slack_escaped(&said.title), "blocks": blocks })
}

/// Whole lines, as many as Slack takes in a section.
fn sections(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = clip(line, SLACK_TEXT_MAX).into_owned();
        match all.last_mut() {
            Some(last) if last.chars().count() + 1 + line.chars().count() <= SLACK_TEXT_MAX => {
                last.push('\n');
                last.push_str(&line);
            }
            _ => all.push(line),
        }
    }
    all.truncate(SLACK_SECTIONS_MAX);
    all
}

/// An event for PagerDuty's Events API v2. The alert's id is the key by which PagerDuty takes events for the same incident.
#[must_use]
pub fn pagerduty(letter: &Letter, said: &Said, routing_key: &str, link: &str) -> Value {
    let (dedup_key, action, severity, details, at_ms) = match &letter.content {
        Content::Alert(word) => {
            let action = match (word.phase.as_str(), is_on(word)) {
                ("firing", _) => "trigger",
                ("acknowledged" | "snoozed", _) => "acknowledge",
                _ => "resolve",
            };
            let details = serde_json::to_value(word).unwrap_or_default();
            (word.alert_id.as_str(), action, severity_of(&word.severity), details, Some(word.at_ms))
        }
        Content::Digest(digest) => {
            let details =
                json!({ "on": digest.on.len(), "over": digest.over.len(), "text": said.text });
            (letter.id.as_str(), "trigger", "info", details, None)
        }
    };
    let mut event =
        json!({ "routing_key": routing_key, "event_action": action, "dedup_key": dedup_key });
    if action == "trigger" {
        let source = match &letter.content {
            Content::Alert(word) => format!("{} {}", word.subject_kind, word.subject_id),
            Content::Digest(_) => "retain".to_owned(),
        };
        event["payload"] = json!({
            "summary": clip(&said.title, SUMMARY_MAX),
            "source": source,
            "severity": severity,
            "custom_details": details,
        });
        if let Some(at_ms) = at_ms {
            event["payload"]["timestamp"] = rfc3339(at_ms).into();
        }
        if !link.is_empty() {
            event["links"] = json!([{ "href": link, "text": "open" }]);
        }
    }
    event
}

/// PagerDuty knows four.
fn severity_of(severity: &str) -> &'static str {
    match severity {
        "critical" => "critical",
        "high" => "error",
        "medium" => "warning",
        _ => "info",
    }
}

/// The body of a signed webhook, in the form that Standard Webhooks recommends: type, time and data.
#[must_use]
pub fn webhook(letter: &Letter, at_ms: i64) -> Value {
    match &letter.content {
        Content::Alert(word) => json!({
            "type": format!("alert.{}", word.what),
            "timestamp": rfc3339(word.detected_ms),
            "data": word,
        }),
        Content::Digest(digest) => json!({
            "type": "alert.digest",
            "timestamp": rfc3339(at_ms),
            "data": {
                "owner_id": letter.to, "on": digest.on, "over": digest.over, "left_out": digest.left_out,
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_digest_is_in_a_section() {
        let lines: Vec<String> = (0..60).map(|n| format!("{n} {}", "é".repeat(240))).collect();
        let all = sections(&lines.join("\n"));
        assert!(
            all.iter().all(|section| section.chars().count() <= SLACK_TEXT_MAX) && all.len() < 8
        );
        assert_eq!(all.join("\n"), lines.join("\n"));
        assert_eq!(sections(&"x".repeat(4_000))[0].chars().count(), SLACK_TEXT_MAX);
        assert!(sections("").is_empty());
    }
}
