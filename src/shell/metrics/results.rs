//! How transactions and take-overs end, as labels.

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitResult {
    /// It is committed.
    Committed,
    /// It was aborted and will be repeated.
    Aborted,
    /// Another copy has taken over the transactional id.
    Fenced,
    /// Nobody can say; its shards go through take-over.
    Unknown,
}

impl CommitResult {
    pub(super) const ALL: [Self; 4] = [Self::Committed, Self::Aborted, Self::Fenced, Self::Unknown];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Aborted => "aborted",
            Self::Fenced => "fenced",
            Self::Unknown => "unknown",
        }
    }
}

/// How a take-over ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreResult {
    /// The shard runs.
    Restored,
    /// A broker did not answer; it is tried again.
    Retried,
    /// It must not go on; a person decides.
    Refused,
}

impl RestoreResult {
    pub(super) const ALL: [Self; 3] = [Self::Restored, Self::Retried, Self::Refused];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::Retried => "retried",
            Self::Refused => "refused",
        }
    }
}
