//! Desks of a file of receivers, one of each manner, and transitions for them.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use retain::notify::desk::Desk;
use retain::notify::{Content, Digest, Letter};
use retain::plan::{Receivers, receivers};
use retain::wire::alert::AlertWord;

/// 2026-01-05T09:00:00Z, a Monday.
pub const T0: i64 = 1_767_603_600_000;

pub const FILE: &str = r#"
zone = "Europe/Berlin"
[[receiver]]
name = "chat"
kind = "slack"
url_file = "f"
budget = 3
[[receiver]]
name = "monitor"
kind = "alertmanager"
urls = ["http://a:9093/"]
all = true
[[receiver]]
name = "hook"
kind = "webhook"
url = "https://h.example/in"
secret_file = "s"
all = true
[[receiver]]
name = "post"
kind = "email"
host = "mail.example"
from = "retain@example.com"
to = ["credit@example.com"]
severity_min = "medium"
[[owner]]
id = "o7"
name = "Anna"
email = "anna@example.com"
to = ["chat", "post"]
[[owner]]
id = "*"
to = ["chat"]
"#;

pub fn all() -> Arc<Receivers> {
    let (found, notes) = receivers(FILE);
    Arc::new(found.unwrap_or_else(|| panic!("{notes:?}")))
}

pub fn desk(name: &str) -> Desk {
    let all = all();
    let at = all.receivers.iter().position(|receiver| receiver.name == name).unwrap();
    Desk::new(all, at).unwrap().of_pipeline("customers")
}

pub fn word(id: &str, n: u32, what: &str, at_risk: i64) -> AlertWord {
    let (phase, call) = match what {
        "raised" | "woken" | "reopened" => ("firing", true),
        "pending" => ("pending", false),
        "withdrawn" => ("quiet", false),
        other => (other, false),
    };
    AlertWord {
        alert_id: id.to_owned(),
        n,
        rule: "key_at_risk".to_owned(),
        subject_kind: "customer".to_owned(),
        subject_id: id.to_owned(),
        what: what.to_owned(),
        phase: phase.to_owned(),
        call,
        severity: "high".to_owned(),
        at_risk_minor: Some(at_risk),
        owner_id: "o7".to_owned(),
        receivers: vec!["owner".to_owned()],
        raised_ms: Some(T0),
        at_ms: T0,
        ..AlertWord::default()
    }
}

pub fn ids(letters: &[Letter]) -> Vec<&str> {
    letters.iter().map(|letter| letter.id.as_str()).collect()
}

pub fn digest(letter: &Letter) -> &Digest {
    match &letter.content {
        Content::Digest(digest) => digest,
        Content::Alert(word) => panic!("no digest: {word:?}"),
    }
}
