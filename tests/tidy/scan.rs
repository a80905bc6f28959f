//! Knows just enough of Rust's lexical grammar to tell code from comments and literals, and where a function ends.
//! It is no parser: it serves rules about text (words, braces, lines), and its own tests show what it can tell apart.

/// One function with a body: its name, its first line (1-based) and how many lines it covers, signature and braces included.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// `text` with everything that is not code (comments, the inside of strings, character literals) as blanks.
/// Byte for byte as long as `text`, line breaks kept, so that positions and line numbers stay true.
pub fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = end_of_literal(bytes, at);
        if end > at {
            out.extend(bytes[at..end].iter().map(|&b| if b == b'\n' { b'\n' } else { b' ' }));
            at = end;
        } else {
            // A word is taken whole, so that the `r` of `for"x"` or the `b` of `grab'` never begins a literal.
            let end = end_of_word(bytes, at).max(at + 1);
            out.extend(bytes[at..end].iter().map(|&b| if b.is_ascii() { b } else { b'_' }));
            at = end;
        }
    }
    String::from_utf8(out).unwrap()
}

/// The line (1-based) of byte `at`.
pub fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count() + 1
}

/// Where `word` stands in `code` as a whole word.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at.checked_sub(1).map(|b| bytes[b]);
        let after = bytes.get(at + word.len()).copied();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Every function with a body in `code` (the result of [`code_only`]), nested ones too.
pub fn functions(code: &str) -> Vec<Function> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    for start in words(code, "fn") {
        let name = identifier(code, start + 2);
        // `fn(u8) -> u8` is a type, not a function.
        if name.is_empty() {
            continue;
        }
        let Some(open) = body_of(bytes, start) else {
            continue;
        };
        let close = matching_brace(bytes, open);
        let line = line_of(code, start);
        found.push(Function { name, line, lines: line_of(code, close) - line + 1 });
    }
    found
}

/// The brace that closes the one at `open`, or the end of the text.
pub fn matching_brace(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, &byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    bytes.len().saturating_sub(1)
}

/// The identifier that follows `from` after blanks; empty where there is none.
pub fn identifier(code: &str, from: usize) -> String {
    let rest = code[from..].trim_start();
    let rest = rest.strip_prefix("r#").unwrap_or(rest);
    rest.bytes().take_while(|&b| is_word(b)).map(char::from).collect()
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

fn end_of_word(bytes: &[u8], from: usize) -> usize {
    from + bytes[from..].iter().take_while(|&&b| is_word(b)).count()
}

/// The opening brace of the body of the function whose `fn` stands at `start`; none for a mere declaration.
fn body_of(bytes: &[u8], start: usize) -> Option<usize> {
    let mut nesting = 0_i32;
    for (at, &byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => nesting += 1,
            b')' | b']' => nesting -= 1,
            b';' if nesting == 0 => return None,
            b'{' if nesting == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// Where the comment or literal that begins at `at` ends; `at` itself when none begins there.
fn end_of_literal(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at + block_comment(rest);
    }
    // Prefixes of literals: b, c, r, br, cr.
    let prefix = rest.iter().take_while(|&&b| matches!(b, b'b' | b'c' | b'r')).take(2).count();
    for skip in (0..=prefix).rev() {
        let raw = skip > 0 && rest[skip - 1] == b'r';
        let body = &rest[skip..];
        if raw {
            let hashes = body.iter().take_while(|&&b| b == b'#').count();
            if body.get(hashes) == Some(&b'"') {
                return at + skip + raw_string(body, hashes);
            }
        } else if body.first() == Some(&b'"') {
            return at + skip + quoted(body, b'"');
        } else if body.first() == Some(&b'\'') && is_character(body) {
            return at + skip + quoted(body, b'\'');
        }
    }
    at
}

/// Block comments nest in Rust.
fn block_comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn raw_string(body: &[u8], hashes: usize) -> usize {
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let inside = hashes + 1;
    body[inside..]
        .windows(close.len())
        .position(|w| w == close)
        .map_or(body.len(), |found| inside + found + close.len())
}

fn quoted(body: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < body.len() {
        match body[at] {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    body.len()
}

/// `'a'` and `'\n'` are characters, `'a` is a lifetime.
fn is_character(body: &[u8]) -> bool {
    match body.get(1) {
        Some(b'\\') => true,
        Some(&first) => {
            let width = match first {
                0x00..=0x7f => 1,
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            };
            body.get(1 + width) == Some(&b'\'')
        }
        None => false,
    }
}

#[test]
fn blanks_what_is_not_code() {
    for (text, code) in [
        ("a // todo!\nb", "a b"),
        ("a /* x /* y */ \n z */ b", "a b"),
        (r#"f("a \" { //", 'x')"#, "f( , )"),
        ("r#\"a \" {\"# + br\"{\"", "+"),
        ("let c = '{'; let d = '\\''; let e = 'é';", "let c = ; let d = ; let e = ;"),
        ("fn a<'a>(x: &'a str) {}", "fn a<'a>(x: &'a str) {}"),
        ("for x in b {}", "for x in b {}"),
        ("let grab = br; r#type", "let grab = br; r#type"),
        ("b\"open", ""),
    ] {
        let found = code_only(text);
        assert_eq!(found.len(), text.len(), "of {text:?}");
        assert_eq!(found.split_whitespace().collect::<Vec<_>>().join(" "), code, "of {text:?}");
    }
}

#[test]
fn positions_stay_true() {
    let text = "//! é\nfn a() {\n  \"\n\n{\";\n}\n";
    assert_eq!(code_only(text).len(), text.len());
    assert_eq!(line_of(text, text.len() - 2), 6);
}

#[test]
fn finds_functions_and_their_lengths() {
    let text = "trait T { fn none(&self) -> [u8; 2]; }\n\
                type F = fn(u8) -> u8;\n\
                fn one() { \"}\"; }\n\
                pub(crate) const fn two(a: [u8; 2])\n-> u8\n{\n  // }\n  if a { b } else { '}' }\n  fn inner() {\n  }\n}\n";
    let found: Vec<_> =
        functions(&code_only(text)).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    let expected = [("one", 3, 1), ("two", 4, 8), ("inner", 9, 2)];
    assert_eq!(found, expected.map(|(name, line, lines)| (name.to_string(), line, lines)));
}

#[test]
fn whole_words_only() {
    assert_eq!(words("crate:: mycrate:: $crate crates", "crate").collect::<Vec<_>>(), [0, 19]);
}
