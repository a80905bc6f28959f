//! What would be said twenty times a second, said once a minute: librdkafka repeats that no broker answers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;

/// The same words are said again only after so long.
const INTERVAL: Duration = Duration::from_secs(60);
/// So many different words are remembered; then all are forgotten, and said again.
const WORDS_MAX: usize = 64;

/// Remembers what was said.
#[derive(Debug, Default)]
pub struct Calm {
    said: Mutex<BTreeMap<String, (Instant, u64)>>,
}

impl Calm {
    /// Whether to say it now: how often it was left out since it was last said, or `None` to be silent.
    pub fn say(&self, words: &str) -> Option<u64> {
        self.say_at(words, Instant::now())
    }

    fn say_at(&self, words: &str, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, left_out)) = said.get_mut(words) {
            if now.saturating_duration_since(*at) < INTERVAL {
                *left_out += 1;
                return None;
            }
            let count = *left_out;
            (*at, *left_out) = (now, 0);
            return Some(count);
        }
        if said.len() >= WORDS_MAX {
            said.clear();
        }
        said.insert(words.to_owned(), (now, 0));
        Some(0)
    }
}

/// The context of our clients, whose errors come as callbacks.
#[derive(Debug, Default)]
pub struct Quiet(Calm);

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        // A client that is closed reports the ends that nobody has taken as errors.
        if matches!(error, KafkaError::Global(RDKafkaErrorCode::PartitionEOF)) {
            return;
        }
        if let Some(left_out) = self.0.say(&error.to_string()) {
            tracing::warn!(%error, reason, left_out, "Kafka client");
        }
    }
}

impl ConsumerContext for Quiet {}

impl ProducerContext for Quiet {
    type DeliveryOpaque = ();

    /// What was not delivered makes the commit fail, which says why.
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_are_said_once_a_minute_with_what_was_left_out() {
        let calm = Calm::default();
        let now = Instant::now();
        assert_eq!(calm.say_at("down", now), Some(0));
        assert_eq!(calm.say_at("down", now), None);
        assert_eq!(calm.say_at("other", now), Some(0));
        assert_eq!(calm.say_at("down", now + INTERVAL / 2), None);
        assert_eq!(calm.say_at("down", now + INTERVAL), Some(2));
        assert_eq!(calm.say_at("down", now + INTERVAL), None);
    }

    #[test]
    fn what_is_remembered_is_limited() {
        let calm = Calm::default();
        for n in 0..10 * WORDS_MAX {
            assert_eq!(calm.say(&n.to_string()), Some(0));
        }
        assert!(calm.said.lock().unwrap().len() <= WORDS_MAX);
    }
}
