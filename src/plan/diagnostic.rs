//! What is said about a definition: where, what was found, what was expected, and the cure.

use std::fmt::Write as _;

pub(super) use crate::model::nearest::nearest;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// There is no plan.
    Error,
    /// There is a plan, but somebody should look.
    Warning,
}

/// One thing to say about a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key, as `sources` are numbered in the file from 0 (`source[1].topic`); empty where the text is not TOML.
    pub path: String,
    /// What is wrong, mostly `found …`.
    pub message: String,
    /// What would be right.
    pub expected: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// One line of text: `FILE:LINE: KEY: expected …, found …; HINT`.
    pub fn render(&self, file_name: &str) -> String {
        let mut text = format!("{file_name}:{}: ", self.line);
        if self.severity == Severity::Warning {
            text.push_str("warning: ");
        }
        if !self.path.is_empty() {
            let _ = write!(text, "{}: ", self.path);
        }
        if let Some(expected) = &self.expected {
            let _ = write!(text, "expected {expected}, ");
        }
        text.push_str(&self.message);
        if let Some(hint) = &self.hint {
            let _ = write!(text, "; {hint}");
        }
        text
    }

    /// Says what would be right.
    pub(super) fn expected(&mut self, what: impl Into<String>) -> &mut Self {
        self.expected = Some(what.into());
        self
    }

    /// Says what to do.
    pub(super) fn hint(&mut self, what: impl Into<String>) -> &mut Self {
        self.hint = Some(what.into());
        self
    }

    /// Offers the candidate that resembles `word`, where there is one.
    pub(super) fn did_you_mean<'c>(
        &mut self,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> &mut Self {
        if let Some(nearest) = nearest(word, candidates) {
            self.hint = Some(format!("did you mean `{nearest}`?"));
        }
        self
    }
}
