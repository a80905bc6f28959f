//! What is wrong with a condition, and where.

/// One thing that is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The byte of the text.
    pub at: usize,
    /// What stands there.
    pub found: String,
    /// What would be right.
    pub expected: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Fault {
    /// Something wrong at a byte.
    pub(super) fn new(at: usize, found: impl Into<String>) -> Self {
        Self { at, found: found.into(), expected: None, hint: None }
    }

    /// Says what would be right.
    pub(super) fn expected(mut self, what: impl Into<String>) -> Self {
        self.expected = Some(what.into());
        self
    }

    /// Says what to do.
    pub(super) fn hint(mut self, what: impl Into<String>) -> Self {
        self.hint = Some(what.into());
        self
    }
}
