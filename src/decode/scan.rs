//! The fast way over a record: quotes are found 64 bytes at a time, values are walked over once. Whatever is out of
//! the ordinary (an escape, a line break, a field that stands twice, anything that is no JSON) is left to `serde_json`,
//! which also words the reject; `tests/decode_scan.rs` holds the two against each other.

use super::fields::index_of;
use super::object::{DEPTH_MAX, Fields};

/// Bytes looked at together: one bit of a mask each.
const BLOCK: usize = 64;

/// Fills `fields` from its record. `false` leaves the record to [`Fields::fill`]; `fields` is spoilt then.
pub fn scan(fields: &mut Fields<'_>, want_sample: bool) -> bool {
    let mut walk = Walk::new(fields.payload());
    object(&mut walk, fields, want_sample).is_some()
        && match walk.alphabet() {
            Alphabet::Plain => {
                fields.plain = true;
                true
            }
            Alphabet::Text => std::str::from_utf8(fields.payload()).is_ok(),
            Alphabet::Other => false,
        }
}

/// Walks over one object and the blanks around it.
fn object(walk: &mut Walk<'_>, fields: &mut Fields<'_>, want_sample: bool) -> Option<()> {
    let begin = walk.blanks(0);
    let mut at = walk.blanks(walk.mark(begin, b'{')?);
    loop {
        let close = walk.text_end(at)?;
        let name_at = at + 1;
        let value_at = walk.value_after(close)?;
        let value_end = match walk.byte(value_at) {
            b'"' => walk.text_end(value_at)?,
            _ => walk.value_end(value_at, 0)?,
        };
        let name_len = close - 1 - name_at;
        match index_of(walk.bytes.get(name_at..)?, name_len) {
            Some(index) if fields.put(index, value_at, value_end) => {}
            Some(_) => return None,
            None => {
                let name = walk.bytes.get(name_at..close - 1)?;
                fields.put_unknown(std::str::from_utf8(name).ok()?, want_sample);
            }
        }
        at = walk.blanks(value_end);
        match walk.byte(at) {
            b',' => at = walk.blanks(at + 1),
            b'}' => break,
            _ => return None,
        }
    }
    (walk.blanks(at + 1) == walk.bytes.len()).then_some(())
}

/// What a record is made of.
enum Alphabet {
    /// Printable ASCII without a backslash.
    Plain,
    /// No control character below 0x20 and no backslash.
    Text,
    /// Anything.
    Other,
}

/// A walk over JSON text that has no escapes, so that a quote always begins or ends a text.
pub struct Walk<'a> {
    bytes: &'a [u8],
    /// The quotes of the block before `next` that have not been passed yet.
    quotes: u64,
    /// Where the next block begins.
    next: usize,
    /// The largest byte so far, counted from 0x20 on: control characters come out largest.
    top: u8,
    /// Whether there was a backslash.
    slash: bool,
}

impl<'a> Walk<'a> {
    /// A walk from the beginning of a text.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, quotes: 0, next: 0, top: 0, slash: false }
    }

    /// The byte at a place; 0 beyond the end, which no rule allows.
    pub fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The place after `byte`, which must stand at `at`.
    pub fn mark(&self, at: usize, byte: u8) -> Option<usize> {
        (self.byte(at) == byte).then_some(at + 1)
    }

    /// The first place from `at` on that is no blank. Line breaks and tabs are out of the ordinary.
    pub fn blanks(&self, mut at: usize) -> usize {
        while self.byte(at) == b' ' {
            at += 1;
        }
        at
    }

    /// The place of the value that belongs to the name before `at`.
    pub fn value_after(&self, at: usize) -> Option<usize> {
        let colon = self.blanks(at);
        Some(self.blanks(self.mark(colon, b':')?))
    }

    /// The end of the text that begins at `at`.
    #[inline]
    pub fn text_end(&mut self, at: usize) -> Option<usize> {
        if self.quote()? != at {
            return None;
        }
        Some(self.quote()? + 1)
    }

    /// The end of the value that begins at `at`, inside `depth` arrays and objects.
    pub fn value_end(&mut self, at: usize, depth: usize) -> Option<usize> {
        match self.byte(at) {
            b'"' => self.text_end(at),
            b'{' | b'[' => self.nest_end(at, depth + 1),
            b't' => self.word_end(at, b"true"),
            b'f' => self.word_end(at, b"false"),
            b'n' => self.word_end(at, b"null"),
            _ => self.number_end(at),
        }
    }

    fn word_end(&self, at: usize, word: &[u8]) -> Option<usize> {
        self.bytes.get(at..)?.starts_with(word).then_some(at + word.len())
    }

    /// The end of an array or an object.
    fn nest_end(&mut self, at: usize, depth: usize) -> Option<usize> {
        let named = self.byte(at) == b'{';
        let end = if named { b'}' } else { b']' };
        let mut at = self.blanks(at + 1);
        if depth > DEPTH_MAX {
            return None;
        }
        if self.byte(at) == end {
            return Some(at + 1);
        }
        loop {
            if named {
                let close = self.text_end(at)?;
                at = self.value_after(close)?;
            }
            let value_end = self.value_end(at, depth)?;
            at = self.blanks(value_end);
            match self.byte(at) {
                b',' => at = self.blanks(at + 1),
                byte if byte == end => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// The end of a number: `[-](0|1-9 digits)[.digits][e[+-]digits]`.
    fn number_end(&self, at: usize) -> Option<usize> {
        let first = at + usize::from(self.byte(at) == b'-');
        let mut at = match self.byte(first) {
            b'0' => first + 1,
            _ => self.digits_end(first)?,
        };
        if self.byte(at) == b'.' {
            at = self.digits_end(at + 1)?;
        }
        if matches!(self.byte(at), b'e' | b'E') {
            let signed = matches!(self.byte(at + 1), b'+' | b'-');
            at = self.digits_end(at + 1 + usize::from(signed))?;
        }
        Some(at)
    }

    /// The end of a run of at least one digit.
    fn digits_end(&self, begin: usize) -> Option<usize> {
        let mut at = begin;
        while self.byte(at).is_ascii_digit() {
            at += 1;
        }
        (at > begin).then_some(at)
    }

    /// The next quote.
    #[inline]
    fn quote(&mut self) -> Option<usize> {
        while self.quotes == 0 {
            if self.next >= self.bytes.len() {
                return None;
            }
            self.look();
        }
        let bit = self.quotes.trailing_zeros() as usize;
        self.quotes &= self.quotes - 1;
        Some(self.next - BLOCK + bit)
    }

    /// What the whole text is made of.
    fn alphabet(mut self) -> Alphabet {
        while self.next < self.bytes.len() {
            self.look();
        }
        let beyond_ascii_or_control = self.top > b'~' - b' ';
        if self.slash {
            Alphabet::Other
        } else if !beyond_ascii_or_control {
            Alphabet::Plain
        } else if self.bytes.iter().all(|byte| *byte >= b' ') {
            Alphabet::Text
        } else {
            Alphabet::Other
        }
    }

    /// Looks at the next block.
    #[inline(never)]
    fn look(&mut self) {
        let rest = self.bytes.get(self.next..).unwrap_or(&[]);
        match rest.first_chunk::<BLOCK>() {
            Some(block) => self.take(block),
            None => {
                let mut block = [b' '; BLOCK];
                block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                self.take(&block);
            }
        }
        self.next += BLOCK;
    }

    /// No branches, so that the loops run on whole vectors.
    fn take(&mut self, block: &[u8; BLOCK]) {
        let (mut top, mut slash) = (self.top, false);
        let mut found = [0_u8; BLOCK];
        for (at, (byte, found)) in block.iter().zip(&mut found).enumerate() {
            top = top.max(byte.wrapping_sub(b' '));
            slash |= *byte == b'\\';
            *found = if *byte == b'"' { 1 << (at % 8) } else { 0 };
        }
        self.top = top;
        self.slash |= slash;
        self.quotes = 0;
        for (at, eight) in found.as_chunks::<8>().0.iter().enumerate() {
            // Each byte has a bit of its own: their sum, in the highest byte of the product, is all of them.
            let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0101_0101_0101_0101) >> 56;
            self.quotes |= bits << (8 * at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::fields::Field;

    /// Whether the scan takes a record, and whether it finds it plain.
    fn taken(text: &str) -> (bool, bool) {
        let mut fields = Fields::new(text.as_bytes());
        let taken = scan(&mut fields, true);
        (taken, fields.plain)
    }

    #[test]
    fn ordinary_records_are_taken() {
        for text in [
            r#"{"ts":"x"}"#,
            r#" { "ts" : -1.5e+9 , "by" : null }  "#,
            r#"{"items":[{"a":[[]],"b":{}},{},7,true],"x":false}"#,
        ] {
            assert_eq!(taken(text), (true, true), "{text}");
        }
        assert_eq!(taken(r#"{"name":"Müller"}"#), (true, false));
        assert_eq!(taken("{\"name\":\"\u{7f}\"}"), (true, false));
        let mut fields = Fields::new(br#"{"x":1,"ts":[1, "a,b"] ,"y":2,"by":0}"#);
        assert!(scan(&mut fields, true));
        assert_eq!(
            fields.raw(Field::Ts).map(|raw| (raw.at, raw.bytes)),
            Some((12, &br#"[1, "a,b"]"#[..]))
        );
        assert_eq!(fields.raw(Field::By).map(|raw| raw.bytes), Some(&b"0"[..]));
        assert_eq!((fields.unknown, fields.stranger(0).as_deref()), (2, Some("x")));
    }

    #[test]
    fn anything_else_is_left() {
        for text in [
            "",
            "{}",
            "[]",
            "{\"ts\":1",
            "{\"ts\":1}x",
            "{\"ts\":1,}",
            "{\"ts\" 1}",
            "{\"ts\":01}",
            "{\"ts\":1.}",
            "{\"ts\":-}",
            "{\"ts\":nul}",
            "{\"ts\":tru\"e\"}",
            "{\"ts\":[1 2]}",
            "{\"ts\":{1:2}}",
            "{\"ts\":\"a\\n\"}",
            "{\"ts\":1,\"ts\":2}",
            "{\"ts\":\n1}",
            "{\"ts\":\"\t\"}",
            "{ts:1}",
            "{\"ts\":[}",
        ] {
            assert!(!taken(text).0, "{text}");
        }
    }
}
