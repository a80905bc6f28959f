//! What an answer of a receiver means: taken, to be tried again, a person's work, or refused for good.

use std::fmt;

use crate::model::time::{DAY_MS, SECOND_MS};

/// Longest wait that a receiver may ask for: a day.
const RETRY_AFTER_MAX_MS: i64 = DAY_MS;

/// Why a message was not taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// What happened, in our words: fit for everybody to see.
    pub what: String,
    /// What the receiver said: it may quote customers' and people's names, so only those may see it who see the messages.
    pub said: String,
}

impl From<String> for Why {
    fn from(what: String) -> Self {
        Self { what, said: String::new() }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.said.as_str() {
            "" => f.write_str(&self.what),
            said => write!(f, "{}: {said}", self.what),
        }
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is taken.
    Taken,
    /// The receiver is away or busy: again, not before so many milliseconds if it said so.
    Again {
        /// What happened.
        why: Why,
        /// How long it asked to be left alone, milliseconds.
        after_ms: Option<i64>,
    },
    /// It would be taken if a person changed something (a key, a permission, an address): tried again, seldom. That is no
    /// verdict on the message, so nothing is lost by it.
    Person {
        /// What happened.
        why: Why,
    },
    /// This message will never be taken.
    Refused {
        /// What happened.
        why: Why,
    },
}

/// Judges an HTTP answer. `retry_after` is that header's text.
#[must_use]
pub fn of_status(
    status: u16,
    retry_after: Option<&str>,
    now_ms: i64,
    why: impl Into<Why>,
) -> Answer {
    let why = why.into();
    match status {
        200..=299 => Answer::Taken,
        // key, payment, permission, address, method, proxy, or an endpoint that was closed
        401 | 402 | 403 | 404 | 405 | 407 | 410 => Answer::Person { why },
        // a redirection is a wrong address
        300..=399 => Answer::Person { why },
        408 | 425 | 429 => Answer::Again { why, after_ms: wait_ms(retry_after, now_ms) },
        400..=499 => Answer::Refused { why },
        _ => Answer::Again { why, after_ms: wait_ms(retry_after, now_ms) },
    }
}

/// Milliseconds of a `Retry-After`: seconds, or a date.
fn wait_ms(header: Option<&str>, now_ms: i64) -> Option<i64> {
    let header = header?.trim();
    let asked_ms = match header.parse::<u32>() {
        Ok(seconds) => i64::from(seconds) * SECOND_MS,
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(header).ok()?;
            date.timestamp().as_millisecond() - now_ms
        }
    };
    Some(asked_ms.clamp(0, RETRY_AFTER_MAX_MS))
}

/// Judges an SMTP answer: what the code of a refusal means. `None`: no answer came.
#[must_use]
pub fn of_smtp(code: Option<u16>, why: impl Into<Why>) -> Answer {
    let why = why.into();
    match code {
        // authentication: required, failed, too weak, to be encrypted; relaying denied comes as 550 or 554 to one recipient
        Some(454 | 530 | 534 | 535 | 538) => Answer::Person { why },
        Some(500..=599) => Answer::Refused { why },
        _ => Answer::Again { why, after_ms: None },
    }
}
