//! The account manager of a case: what the notifier's desk would have sent, and when.

use std::sync::Arc;

use crate::notify::desk::Desk;
use crate::notify::{Content, Letter};
use crate::plan::{Owner, Receiver, Receivers, Way};
use crate::rule::case::{How, Notifier};
use crate::rule::definition::Severity;
use crate::wire::alert::AlertWord;

const NAME: &str = "case";

/// Something the account manager heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub at_ms: i64,
    pub rule: String,
    pub subject: String,
    pub how: How,
}

pub(super) struct Clerk {
    desk: Desk,
    pub heard: Vec<Heard>,
}

impl Clerk {
    /// `None`: nobody is told.
    pub fn new(notifier: &Notifier) -> Option<Self> {
        let receiver = Receiver {
            name: NAME.to_owned(),
            // people at one place; nothing is sent
            way: Way::Slack { url_file: String::new() },
            all: true,
            severity_min: Severity::Info,
            budget: notifier.budget,
            digest_min: notifier.digest_min,
            per_minute: 0,
            templates: None,
        };
        let owner = Owner {
            id: crate::plan::OTHERS.to_owned(),
            name: String::new(),
            email: None,
            to: vec![NAME.to_owned()],
        };
        let receivers = Receivers {
            zone: notifier.zone.clone(),
            receivers: vec![receiver],
            owners: vec![owner],
        };
        let desk = Desk::new(Arc::new(receivers), 0)?;
        Some(Self { desk, heard: Vec::new() })
    }

    pub fn next_due_ms(&self) -> Option<i64> {
        self.desk.next_due_ms()
    }

    pub fn hear(&mut self, word: &AlertWord, now_ms: i64) {
        let letters = self.desk.hear(word, now_ms);
        self.note(letters, now_ms);
    }

    pub fn tick(&mut self, now_ms: i64) {
        let letters = self.desk.tick(now_ms);
        self.note(letters, now_ms);
    }

    fn note(&mut self, letters: Vec<Letter>, at_ms: i64) {
        for letter in letters {
            match letter.content {
                // what happened afterwards calls nobody
                Content::Alert(word) if word.call => self.put(&word, at_ms, How::Call),
                Content::Alert(_) => {}
                Content::Digest(digest) => {
                    digest.on.iter().for_each(|word| self.put(word, at_ms, How::Digest));
                    digest.over.iter().for_each(|word| self.put(word, at_ms, How::Over));
                }
            }
        }
    }

    fn put(&mut self, word: &AlertWord, at_ms: i64, how: How) {
        let (rule, subject) = (word.rule.clone(), word.subject_id.clone());
        self.heard.push(Heard { at_ms, rule, subject, how });
    }
}
