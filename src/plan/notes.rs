//! What is noted about a definition while it is read, with the places in the text.

use std::ops::Range;

use super::diagnostic::{Diagnostic, Severity};

/// Longest piece of the file that is quoted in a message, characters.
pub(super) const QUOTE_CHARS_MAX: usize = 48;

/// What has been noted about a definition so far, and where its lines begin.
pub(super) struct Notes<'d> {
    text: &'d str,
    line_starts: Vec<usize>,
    entries: Vec<(usize, Diagnostic)>,
    /// Keys that were misspelt or misplaced: that they are missing where they belong is no news.
    mistaken: Vec<String>,
}

impl<'d> Notes<'d> {
    /// No notes yet about this text.
    pub(super) fn new(text: &'d str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(ends).collect();
        Self { text, line_starts, entries: Vec::new(), mistaken: Vec::new() }
    }

    /// Notes an error at a byte of the text.
    pub(super) fn error(&mut self, at: usize, path: &str, message: &str) -> &mut Diagnostic {
        self.note(Severity::Error, at, path, message)
    }

    /// Notes a warning at a byte of the text.
    pub(super) fn warning(&mut self, at: usize, path: &str, message: &str) -> &mut Diagnostic {
        self.note(Severity::Warning, at, path, message)
    }

    fn note(
        &mut self,
        severity: Severity,
        at: usize,
        path: &str,
        message: &str,
    ) -> &mut Diagnostic {
        let (line, column) = self.place(at);
        let diagnostic = Diagnostic {
            severity,
            line,
            column,
            path: path.to_owned(),
            message: message.to_owned(),
            expected: None,
            hint: None,
        };
        let index = self.entries.len();
        self.entries.push((at, diagnostic));
        &mut self.entries[index].1
    }

    /// Line and column, from 1, of a byte.
    fn place(&self, at: usize) -> (usize, usize) {
        // An end that came too early is shown where the text ends, not on the empty line after it.
        let at = at.min(self.text.trim_end().len());
        let line = self.line_starts.partition_point(|start| *start <= at).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..at).unwrap_or("");
        (line, before.chars().count() + 1)
    }

    /// The byte of the file where the text of a quoted value begins; `None` where it is written with escapes.
    pub(super) fn inside(&self, span: Range<usize>, value: &str) -> Option<usize> {
        let start = span.start;
        self.text.get(span)?.find(value).map(|within| start + within)
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.place(at).0
    }

    /// The text of a value as it was written, on one line and not too long.
    pub(super) fn quote(&self, span: Range<usize>) -> String {
        let written = self.text.get(span).unwrap_or("").trim();
        let first_line = written.lines().next().unwrap_or("");
        let mut quoted: String = first_line.chars().take(QUOTE_CHARS_MAX).collect();
        if quoted.len() < written.len() {
            quoted.push('…');
        }
        if quoted.is_empty() { "nothing".to_owned() } else { quoted }
    }

    /// All notes in the order of the file. Notes that only follow from broken TOML (something missing, something
    /// odd on the same line) are left out.
    pub(super) fn into_diagnostics(mut self, syntax: Vec<toml::de::Error>) -> Vec<Diagnostic> {
        if !syntax.is_empty() {
            let broken: Vec<usize> =
                syntax.iter().map(|e| self.place(e.span().map_or(0, |s| s.start)).0).collect();
            self.entries.retain(|(_, d)| d.message != MISSING && !broken.contains(&d.line));
        }
        let mistaken = std::mem::take(&mut self.mistaken);
        self.entries.retain(|(_, d)| d.message != MISSING || !mistaken.contains(&d.path));
        for error in &syntax {
            let at = error.span().map_or(self.text.len(), |span| span.start);
            let message = format!("this is not TOML: {}", error.message().replace('\n', ", "));
            self.error(at, "", &message).hint(cure_for_syntax(error.message()));
        }
        self.entries.sort_by_key(|(at, _)| *at);
        let mut diagnostics: Vec<Diagnostic> = self.entries.into_iter().map(|(_, d)| d).collect();
        diagnostics.dedup();
        diagnostics
    }

    /// Remembers that a key was meant, though it was misspelt or misplaced.
    pub(super) fn was_meant(&mut self, path: String) {
        self.mistaken.push(path);
    }

    /// Whether nothing forbids a plan.
    pub(super) fn is_clean(&self) -> bool {
        self.entries.iter().all(|(_, d)| d.severity != Severity::Error)
    }
}

/// The message where a key is not there.
pub(super) const MISSING: &str = "found nothing";

/// What to do about a message of the TOML parser.
fn cure_for_syntax(message: &str) -> &'static str {
    if message.contains("duplicate key") {
        "keep one of the two; sources and drops are lists: `[[source]]`, `[[drop]]`"
    } else if message.contains("unclosed") {
        "close it: brackets and quotes stand in pairs, a text ends on its line"
    } else if message.contains("string") || message.contains("quote") || message.contains("literal")
    {
        "texts and durations stand in double quotes, as in disorder = \"10m\""
    } else {
        "a line is a comment, a header such as [clock] or [[source]], or `key = value`"
    }
}
