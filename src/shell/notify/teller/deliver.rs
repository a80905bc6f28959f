//! Getting letters to a receiver: again and again until they are taken, refused for good, or another copy's; and what is written down
//! in between.

use std::hash::BuildHasher;
use std::time::Duration;

use super::{BATCH_MAX, PERSON_FACTOR, STEP_LONGEST, Work, millis};
use crate::flow::carry::Backoff;
use crate::notify::answer::{Answer, Why};
use crate::notify::desk::Desk;
use crate::notify::{Content, Letter, route};
use crate::plan::Way;
use crate::shell::clock::wall_ms;
use crate::shell::notify::log::{Session, Undelivered};
use crate::shell::notify::sender::Sender;

impl Work {
    /// A message that comes twice would be read twice: it is written down at once.
    fn careful(&self) -> bool {
        matches!(self.teller.receiver().way, Way::Slack { .. } | Way::Email(_))
    }

    /// Whether all of them are delivered; if not, this copy does not tell the receiver any more.
    pub(super) fn deliver_all(
        &mut self,
        session: &mut Session,
        desk: &mut Desk,
        letters: Vec<Letter>,
    ) -> Result<bool, String> {
        if !self.careful() {
            return Ok(letters.iter().all(|letter| self.deliver(letter)));
        }
        let mut letters = self.apart(letters).into_iter();
        let Some(first) = letters.next() else { return Ok(true) };
        // with the first of them it is written down that the others are to be sent
        desk.park(letters);
        if !self.deliver(&first) {
            return Ok(false);
        }
        self.commit(session, desk)?;
        self.deliver_parked(session, desk)
    }

    /// Sends what waits; where a message that comes twice would be read twice, each is written down before the next goes out.
    pub(super) fn deliver_parked(
        &mut self,
        session: &mut Session,
        desk: &mut Desk,
    ) -> Result<bool, String> {
        let mut unwritten = 0;
        while let Some(letter) = desk.parked().cloned() {
            if !self.deliver(&letter) {
                return Ok(false);
            }
            desk.unpark();
            unwritten += 1;
            if self.careful() || unwritten >= BATCH_MAX || desk.parked().is_none() {
                self.commit(session, desk)?;
                unwritten = 0;
            }
        }
        Ok(true)
    }

    /// Mail goes to each address by itself.
    pub(super) fn apart(&self, letters: Vec<Letter>) -> Vec<Letter> {
        let receivers = &self.teller.receivers.0;
        let apart = |letter| route::apart(letter, receivers, self.teller.receiver());
        letters.into_iter().flat_map(apart).collect()
    }

    fn deliver(&mut self, letter: &Letter) -> bool {
        let mut attempt = 0;
        loop {
            let wait_ms = self.pace.wait_ms(wall_ms());
            if wait_ms > 0 && !self.pause(Duration::from_millis(wait_ms.unsigned_abs())) {
                return false;
            }
            self.heartbeat.beat_after(STEP_LONGEST);
            attempt += 1;
            let answer = self.sender.send(letter, wall_ms());
            self.pace.sent(wall_ms());
            match answer {
                Answer::Taken => {
                    self.teller.observer.metrics.notify.sent(&self.name());
                    self.show(|status| {
                        status.sent += 1;
                        status.trouble = None;
                    });
                    return true;
                }
                Answer::Refused { why } => {
                    let to = letter.address.as_ref().unwrap_or(&letter.to);
                    self.bury(letter.id.clone(), to, &told(letter), &why.to_string());
                    return true;
                }
                Answer::Again { why, after_ms } => {
                    let wait = self.wait(attempt, 1).max(millis(after_ms.unwrap_or(0)));
                    if !self.failed(&why, wait) {
                        return false;
                    }
                }
                Answer::Person { why } => {
                    // a key or an address may have been changed in its file
                    let (receivers, at) = &self.teller.receivers;
                    let (here, tokio) = (&self.teller.here, self.teller.tokio.clone());
                    let wait = self.wait(attempt, PERSON_FACTOR);
                    let mut why = why;
                    match Sender::open(receivers, *at, here, tokio) {
                        Ok(sender) => self.sender = sender,
                        Err(secret) => why.what = format!("{}; {secret}", why.what),
                    }
                    why.what = format!("{}, a person must look at it", why.what);
                    if !self.failed(&why, wait) {
                        return false;
                    }
                }
            }
        }
    }

    fn wait(&self, attempt: u32, factor: u64) -> Duration {
        let jitter =
            self.teller.seed.hash_one((attempt, self.name(), wall_ms())) as f64 / u64::MAX as f64;
        let backoff = Backoff {
            first_ms: self.teller.backoff.first_ms,
            max_ms: self.teller.backoff.max_ms.saturating_mul(factor),
        };
        Duration::from_millis(backoff.wait_ms(attempt, jitter))
    }

    /// An attempt failed; false when it is not to be repeated here.
    fn failed(&mut self, why: &Why, wait: Duration) -> bool {
        self.not_taken(why);
        self.pause(wait)
    }

    /// Everybody may see that it was not taken; what was said about it stands in the log.
    pub(super) fn not_taken(&self, why: &Why) {
        self.teller.observer.metrics.notify.failed(&self.name());
        self.log_trouble(&why.to_string());
        self.show(|status| status.trouble = Some(why.what.clone()));
    }

    /// Puts aside what nobody will take.
    pub(super) fn bury(&mut self, id: String, to: &str, letter: &serde_json::Value, why: &str) {
        tracing::warn!(
            receiver = self.name(),
            id,
            why,
            "a message is refused for good and put aside"
        );
        self.teller.observer.metrics.notify.dead(&self.name());
        self.show(|status| status.dead += 1);
        let value = serde_json::json!({
            "receiver": self.name(), "id": id, "to": to, "why": why, "at_ms": wall_ms(), "letter": letter,
        });
        let value = serde_json::to_vec(&value).unwrap_or_default();
        self.undelivered.push(Undelivered { id, value });
    }
}

fn told(letter: &Letter) -> serde_json::Value {
    match &letter.content {
        Content::Alert(word) => serde_json::to_value(word).unwrap_or_default(),
        Content::Digest(digest) => {
            serde_json::json!({ "on": digest.on, "over": digest.over, "left_out": digest.left_out })
        }
    }
}
