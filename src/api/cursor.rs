//! Where the next page of a list begins: the sort key and the id of the last row shown, as an opaque text.
//!
//! A cursor is bound to the question it answers (list, sort, filters): with another question it is refused. It holds
//! nothing but what the last row showed, and it goes to ClickHouse as parameters: a made-up one is a position, no risk.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::problem::{Kind, Problem};

/// Longest text taken for a cursor, bytes.
const TEXT_MAX: usize = 2048;
/// First byte: raised when the content changes, so that an old cursor is refused and not misread.
const FORMAT: u8 = 1;

/// What a list is sorted by, of one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// Numbers and moments, as a whole number that is sorted alike.
    Number(i64),
    /// Texts.
    Text(String),
}

/// The last row of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// What the list is sorted by.
    pub key: Key,
    /// The row's id, which decides between equal keys.
    pub id: String,
}

/// The stored form; [`Key`] is untagged for JSON, which postcard cannot read.
#[derive(Serialize, Deserialize)]
struct Stored {
    number: Option<i64>,
    text: String,
    id: String,
}

/// What a question is told from others by: a hash of everything but cursor and limit, whose parts cannot run into each
/// other.
pub fn question(parts: &[&str]) -> u64 {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    xxh3_64(&bytes)
}

impl Position {
    /// The cursor's text: hexadecimal digits.
    pub fn encode(&self, question: u64) -> String {
        let (number, text) = match &self.key {
            Key::Number(number) => (Some(*number), String::new()),
            Key::Text(text) => (None, text.clone()),
        };
        let stored = Stored { number, text, id: self.id.clone() };
        // writing to memory does not fail; an empty content would be refused
        let content = postcard::to_allocvec(&(question, stored)).unwrap_or_default();
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&xxh3_64(&content).to_le_bytes());
        bytes.extend_from_slice(&content);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads a cursor that must have been made for this question.
    ///
    /// # Errors
    /// When it is no cursor, was altered, or belongs to another question.
    pub fn decode(text: &str, asked: u64) -> Result<Self, Problem> {
        let refused = |why: &str| {
            let detail = format!("{why}; take `next` of the page before, or leave cursor out");
            Problem::new(Kind::BadCursor, detail)
        };
        let no_cursor = || refused("cursor: this is none of ours");
        let bytes = unhex(text).ok_or_else(no_cursor)?;
        let (FORMAT, rest) = bytes.split_first().map_or((0, &[][..]), |(f, rest)| (*f, rest))
        else {
            return Err(no_cursor());
        };
        let (sum, content) = rest.split_at_checked(8).ok_or_else(no_cursor)?;
        if sum != xxh3_64(content).to_le_bytes() {
            return Err(no_cursor());
        }
        let (question, stored): (u64, Stored) =
            postcard::from_bytes(content).map_err(|_| no_cursor())?;
        if question != asked {
            return Err(refused("cursor: it was made for another list, sort or filter"));
        }
        let key = stored.number.map_or(Key::Text(stored.text), Key::Number);
        Ok(Self { key, id: stored.id })
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() > TEXT_MAX || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|d| d as u8);
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn positions() -> [Position; 3] {
        let text = |text: &str| text.to_owned();
        [
            Position { key: Key::Number(i64::MIN), id: text("") },
            Position { key: Key::Number(-7), id: text("A-1\n'; DROP TABLE accounts --") },
            Position { key: Key::Text(text("Müller & Söhne")), id: text("A2") },
        ]
    }

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        for position in positions() {
            assert_eq!(Position::decode(&position.encode(5), 5).unwrap(), position);
        }
    }

    #[test]
    fn another_question_and_any_changed_digit_are_refused() {
        for position in positions() {
            let text = position.encode(5);
            assert!(Position::decode(&text, 6).unwrap_err().detail.contains("another list"));
            for at in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
                let changed = String::from_utf8(bytes).unwrap();
                assert!(Position::decode(&changed, 5).is_err(), "{at}");
            }
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let long = "00".repeat(TEXT_MAX);
        for text in ["", "0", "zz", "01", "ü0", "0100000000000000", long.as_str()] {
            assert_eq!(Position::decode(text, 0).unwrap_err().status, 400, "{text}");
        }
    }

    #[test]
    fn the_parts_of_a_question_do_not_run_into_each_other() {
        assert_ne!(question(&["ab", "c"]), question(&["a", "bc"]));
        assert_ne!(question(&["a", ""]), question(&["a"]));
    }
}
