//! Knows the rules about a file's text: header, lengths, banned words, what must not be published, links that lead nowhere.
//! Every rule takes texts and gives line and message, so that it can be tried on made-up ones.

use std::path::{Component, Path};

use crate::scan::{code_only, functions, line_of};

const FILE_LINES_MAX: usize = 500;
/// "Under 70".
const FUNCTION_LINES_MAX: usize = 69;

/// What is wrong: line (1-based) and message.
pub type Violations = Vec<(usize, String)>;

/// Rules for every Rust file.
pub fn rust(path: &str, text: &str) -> Violations {
    let mut wrong = Vec::new();
    if !text.starts_with("//!") {
        wrong.push((1, "begins without a `//!` line that says what the file knows".to_string()));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        let message =
            format!("has {lines} lines, allowed are {FILE_LINES_MAX}; split it by what it knows");
        wrong.push((FILE_LINES_MAX + 1, message));
    }
    let code = code_only(text);
    for banned in ["todo!", "unimplemented!", "#[ignore"] {
        for (at, _) in code.match_indices(banned) {
            wrong.push((
                line_of(&code, at),
                format!("`{banned}` is not for landed code; finish it or leave it out"),
            ));
        }
    }
    if path.starts_with("src/") {
        for function in functions(&code).into_iter().filter(|f| f.lines > FUNCTION_LINES_MAX) {
            let message = format!(
                "fn {} has {} lines, allowed are {FUNCTION_LINES_MAX}; give its parts names",
                function.name, function.lines
            );
            wrong.push((function.line, message));
        }
    }
    wrong
}

/// Words that would publish somebody's machine or the place its packages came from. In pieces: this file is searched too.
fn private_words() -> Vec<String> {
    let pieces = [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["/Use", "rs/"],
        ["crates", ".io/"],
        ["index.crates", ".io"],
        ["npmjs", ".org"],
        ["npmjs", ".com"],
        ["pypi", ".org"],
        ["pythonhosted", ".org"],
        ["maven.apache", ".org/maven2"],
        ["repo1.maven", ".org"],
        ["proxy.golang", ".org"],
        ["deb.debian", ".org"],
        ["://regi", "stry"],
        ["://mir", "ror"],
        ["artif", "actory"],
        ["/repository/npm", "-"],
    ];
    pieces.iter().map(|p| p.concat()).collect()
}

/// Machine paths and registry hosts, in any tracked file. A temporary folder is nobody's home and is allowed.
pub fn private(text: &str) -> Violations {
    let words = private_words();
    let mut wrong = Vec::new();
    for (line, content) in text.lines().enumerate() {
        for word in words.iter().filter(|w| content.contains(w.as_str())) {
            wrong.push((
                line + 1,
                format!("names `{word}`, a path of one machine or a registry's host; leave it out"),
            ));
        }
    }
    wrong
}

/// Relative links of a Markdown file that lead to no file (`exists`, asked with a path relative to the repository).
pub fn links(path: &str, text: &str, exists: impl Fn(&Path) -> bool) -> Violations {
    let mut wrong = Vec::new();
    let mut fenced = false;
    for (line, content) in text.lines().enumerate() {
        if content.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for target in targets(&without_inline_code(content)) {
            let file = target.split(['#', '?']).next().unwrap_or_default();
            if file.is_empty() || is_absolute_url(&target) {
                continue;
            }
            let found = resolve(path, file).is_some_and(|resolved| exists(&resolved));
            if !found {
                wrong.push((
                    line + 1,
                    format!("links to `{target}`, which is no file of the repository"),
                ));
            }
        }
    }
    wrong
}

fn without_inline_code(line: &str) -> String {
    // Odd pieces between backticks are code.
    line.split('`')
        .enumerate()
        .map(|(i, piece)| if i % 2 == 0 { piece } else { "" })
        .collect::<Vec<_>>()
        .join("`")
}

/// What `[text](target "title")`, `[name]: target` and `src="target"` or `href="target"` point to.
fn targets(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (open, close) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
        for (at, _) in line.match_indices(open) {
            let rest = &line[at + open.len()..];
            found.push(rest.split(close).next().unwrap_or(rest));
        }
    }
    if let Some((_, target)) =
        line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "))
    {
        found.push(target);
    }
    let first_word =
        |t: &&str| t.split_whitespace().next().map(|w| w.trim_matches(['<', '>']).to_string());
    found.iter().filter_map(first_word).collect()
}

fn is_absolute_url(target: &str) -> bool {
    ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme))
}

/// `target` seen from the file `from`, relative to the repository; none when it leaves it.
fn resolve(from: &str, target: &str) -> Option<std::path::PathBuf> {
    let folder = Path::new(from).parent().unwrap_or(Path::new(""));
    let mut path = std::path::PathBuf::new();
    for component in folder.join(target).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
fn lines(violations: &Violations) -> Vec<usize> {
    violations.iter().map(|(line, _)| *line).collect()
}

#[test]
fn rust_rules() {
    assert_eq!(lines(&rust("src/a.rs", "//! a\nfn f() {}\n")), []);
    assert_eq!(lines(&rust("src/a.rs", "fn f() {}\n")), [1]);
    let long = format!("//! a\n{}", "// x\n".repeat(FILE_LINES_MAX));
    assert_eq!(lines(&rust("tests/a.rs", &long)), [FILE_LINES_MAX + 1]);
    assert_eq!(lines(&rust("tests/a.rs", long.strip_suffix("// x\n").unwrap())), []);
    let words = "//! a\n// todo!()\nfn f() { todo!() }\n#[ignore = \"slow\"]\nfn g() { unimplemented!(\"todo!\") }\n";
    assert_eq!(lines(&rust("tests/a.rs", words)), [3, 5, 4]);
}

#[test]
fn functions_stay_short_in_src() {
    let function = |lines: usize| format!("//! a\nfn f() {{\n{}}}\n", "  x();\n".repeat(lines - 2));
    assert_eq!(lines(&rust("src/a.rs", &function(FUNCTION_LINES_MAX))), []);
    assert_eq!(lines(&rust("src/a.rs", &function(FUNCTION_LINES_MAX + 1))), [2]);
    assert_eq!(lines(&rust("tests/a.rs", &function(FUNCTION_LINES_MAX + 1))), []);
}

#[test]
fn private_words_are_seen_and_not_here() {
    for word in private_words() {
        assert_eq!(lines(&private(&format!("a\nsee {word}x"))), [2], "{word}");
    }
    assert_eq!(lines(&private("/tmp/x ~/.cache/retain /var/lib/kafka")), []);
    assert_eq!(lines(&private(include_str!("text.rs"))), []);
}

#[test]
fn links_lead_somewhere() {
    let exists =
        |path: &Path| ["docs/a.md", "README.md"].iter().any(|known| path == Path::new(known));
    let seen = |path: &str, text: &str| lines(&links(path, text, exists));
    assert_eq!(
        seen("docs/b.md", "[a](a.md) [r](../README.md#x \"t\") [w](https://x.y/z) [h](#h)"),
        []
    );
    assert_eq!(seen("docs/b.md", "x\n[a](c.md)\n[r](../../README.md)\n[s](/docs/a.md)"), [2, 3, 4]);
    assert_eq!(seen("README.md", "[x]: docs/c.md\n![p](<docs/a.md>)\n<img src=\"p.svg\">"), [1, 3]);
    assert_eq!(seen("README.md", "```\n[a](b.md)\n```\n`[a](b.md)` and [a](b.md)"), [4]);
}
