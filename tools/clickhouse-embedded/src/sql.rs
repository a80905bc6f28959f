//! Just enough lexing to route a statement: is it an INSERT with data, where do its data begin, which output
//! format does it ask for. It never judges a statement: what it does not know goes to the engine as it is.

/// How a statement is to be run.
#[derive(Debug, PartialEq)]
pub enum Kind<'a> {
    /// INSERT whose rows come as data.
    InsertData {
        /// The statement up to FORMAT or VALUES.
        head: &'a [u8],
        /// Name of the data's format.
        format: &'a [u8],
        /// Data standing behind the statement.
        data: &'a [u8],
    },
    /// SELECT or WITH: may be streamed.
    Select {
        /// Of a FORMAT clause.
        format: Option<&'a [u8]>,
    },
    /// Anything else.
    Other {
        /// Of a FORMAT clause.
        format: Option<&'a [u8]>,
        /// SET, USE, temporary tables: it changes its connection, which must not serve others after that.
        stateful: bool,
    },
}

/// A bare word, and how many brackets are open around it.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a [u8],
    start: usize,
    end: usize,
    depth: i32,
}

impl Word<'_> {
    fn is(&self, keyword: &str) -> bool {
        self.text.eq_ignore_ascii_case(keyword.as_bytes())
    }
}

/// The bare words of a statement; strings, quoted identifiers, comments and numbers are passed over.
struct Words<'a> {
    text: &'a [u8],
    at: usize,
    depth: i32,
}

fn words(text: &[u8]) -> Words<'_> {
    Words { text, at: 0, depth: 0 }
}

impl<'a> Words<'a> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_while(&mut self, test: impl Fn(u8) -> bool) {
        while self.text.get(self.at).is_some_and(|&byte| test(byte)) {
            self.at += 1;
        }
    }

    /// A string or quoted identifier: `\` escapes, and a doubled quote is a quote.
    fn skip_quoted(&mut self, quote: u8) {
        self.at += 1;
        while self.at < self.text.len() {
            match self.peek(0) {
                b'\\' => self.at += 2,
                byte if byte == quote && self.peek(1) == quote => self.at += 2,
                byte if byte == quote => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
    }

    fn skip_block_comment(&mut self) {
        self.at += 2;
        while self.at < self.text.len() && (self.peek(0), self.peek(1)) != (b'*', b'/') {
            self.at += 1;
        }
        self.at += 2;
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let in_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (quote @ (b'\'' | b'"' | b'`'), _) => self.skip_quoted(quote),
                (b'-', b'-') | (b'#', b' ' | b'!') => self.skip_while(|byte| byte != b'\n'),
                (b'/', b'*') => self.skip_block_comment(),
                (b'(' | b'[' | b'{', _) => {
                    self.depth += 1;
                    self.at += 1;
                }
                (b')' | b']' | b'}', _) => {
                    self.depth -= 1;
                    self.at += 1;
                }
                (b'0'..=b'9', _) => self.skip_while(|byte| in_word(byte) || byte == b'.'),
                (first, _) if in_word(first) => {
                    let start = self.at;
                    self.skip_while(in_word);
                    let text = &self.text[start..self.at];
                    return Some(Word { text, start, end: self.at, depth: self.depth });
                }
                _ => self.at += 1,
            }
        }
        None
    }
}

/// Tells how to run a statement.
pub fn classify(sql: &[u8]) -> Kind<'_> {
    let Some(first) = words(sql).next() else {
        return Kind::Other { format: None, stateful: false };
    };
    if first.is("INSERT") {
        return insert_data(sql).unwrap_or(Kind::Other { format: None, stateful: false });
    }
    let format = output_format(sql);
    if first.is("SELECT") || first.is("WITH") {
        return Kind::Select { format };
    }
    let temporary = words(sql).take(3).any(|word| word.is("TEMPORARY"));
    Kind::Other { format, stateful: first.is("SET") || first.is("USE") || temporary }
}

/// The parts of an INSERT with data; None for INSERT ... SELECT and the like.
fn insert_data(sql: &[u8]) -> Option<Kind<'_>> {
    // Clauses come after INSERT INTO. A table with the name of a clause must be quoted.
    let mut clauses = words(sql).skip(2).filter(|word| word.depth == 0);
    let keywords = ["FORMAT", "VALUES", "SELECT", "WITH", "WATCH", "INFILE"];
    let clause = clauses.find(|word| keywords.iter().any(|keyword| word.is(keyword)))?;
    let format = if clause.is("FORMAT") {
        clauses.next()?
    } else if clause.is("VALUES") {
        clause
    } else {
        return None;
    };
    Some(Kind::InsertData {
        head: sql[..clause.start].trim_ascii_end(),
        format: format.text,
        data: &sql[data_start(sql, format.end)..],
    })
}

/// Data begin behind blanks and one line end: everything after it may be data, also an empty line.
fn data_start(sql: &[u8], mut at: usize) -> usize {
    while matches!(sql.get(at), Some(b' ' | b'\t' | 0x0c)) {
        at += 1;
    }
    for byte in [b'\r', b'\n'] {
        if sql.get(at) == Some(&byte) {
            at += 1;
        }
    }
    at
}

/// The name behind the last FORMAT outside of brackets.
fn output_format(sql: &[u8]) -> Option<&[u8]> {
    let (mut found, mut after_format) = (None, false);
    for word in words(sql).filter(|word| word.depth == 0) {
        if after_format {
            found = Some(word.text);
        }
        after_format = word.is("FORMAT");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert<'a>(head: &'a str, format: &'a str, data: &'a [u8]) -> Kind<'a> {
        Kind::InsertData { head: head.as_bytes(), format: format.as_bytes(), data }
    }

    #[test]
    fn data_begin_after_one_line_end() {
        assert_eq!(
            classify(b"INSERT INTO r.t(`a`,`format`) FORMAT RowBinary\n\n\x01"),
            insert("INSERT INTO r.t(`a`,`format`)", "RowBinary", b"\n\x01")
        );
        assert_eq!(classify(b"INSERT INTO t FORMAT TSV"), insert("INSERT INTO t", "TSV", b""));
    }

    #[test]
    fn values_and_formats_in_strings_and_comments() {
        assert_eq!(
            classify(b"insert into t settings a='FORMAT x' values (1)"),
            insert("insert into t settings a='FORMAT x'", "values", b"(1)")
        );
        assert_eq!(
            classify(b"/* values */ INSERT INTO `values` (a) -- format y\n FORMAT CSV\n1"),
            insert("/* values */ INSERT INTO `values` (a) -- format y", "CSV", b"1")
        );
    }

    #[test]
    fn inserts_without_data_go_to_the_engine_whole() {
        for sql in [
            "insert into t select 1 format Null",
            "insert into t with 1 as x select x",
            "insert into t",
        ] {
            assert_eq!(
                classify(sql.as_bytes()),
                Kind::Other { format: None, stateful: false },
                "{sql}"
            );
        }
    }

    #[test]
    fn selects_tell_their_format() {
        assert_eq!(
            classify(b"-- c\n(select 1) format JSON"),
            Kind::Select { format: Some(b"JSON") }
        );
        assert_eq!(
            classify(b"SELECT 'FORMAT x', (format, y) FROM t"),
            Kind::Select { format: None }
        );
    }

    #[test]
    fn statements_that_change_their_connection() {
        assert!(matches!(
            classify(b"create temporary table x (a Int8)"),
            Kind::Other { stateful: true, .. }
        ));
        assert!(matches!(classify(b"SET max_threads = 1"), Kind::Other { stateful: true, .. }));
        assert!(matches!(
            classify(b"create table x (a Int8)"),
            Kind::Other { stateful: false, .. }
        ));
    }

    #[test]
    fn unclosed_text_does_not_hang() {
        for sql in
            ["select 'a", "select /* a", "select \\", "select '\\", "insert into t format", ""]
        {
            classify(sql.as_bytes());
        }
    }
}
