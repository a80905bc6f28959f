//! What to do when a transaction fails: repeat the same effects, commit each shard alone, or start over.

/// How often the same cycles are tried together before each shard is tried alone, and alone before it stops.
pub const ATTEMPTS_MAX: u32 = 3;
/// How often a transaction of several shards is repeated as it is when it was aborted for what passes by itself.
pub const PASSING_MAX: u32 = 10;

/// What a Kafka client says about a failed step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The client instance can no longer be used.
    pub fatal: bool,
    /// The transaction must be aborted.
    pub abortable: bool,
    /// The same call may be made again.
    pub retriable: bool,
    /// Another producer holds the transactional id now (or the broker ended our transaction by its time-out).
    pub fenced: bool,
    /// How long ago the transaction began, milliseconds.
    pub age_ms: u64,
    /// When the broker ends a transaction by itself, milliseconds.
    pub timeout_ms: u64,
}

/// What a failed step means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Call again.
    Again,
    /// Abort; nothing of the transaction happened.
    Abort,
    /// Nobody knows what happened, or the client is broken: new producer, take-over, meta decides.
    StartOver,
    /// Another copy uses our transactional id: exit and name it.
    Fenced,
}

/// Classifies a failure.
///
/// A fence after the transaction's own time-out is the broker's doing, not a twin's: a process that was stopped for
/// a while starts over instead of leaving.
pub fn classify(failure: Failure) -> Verdict {
    let expired = failure.age_ms >= failure.timeout_ms;
    match failure {
        Failure { fenced: true, .. } if !expired => Verdict::Fenced,
        Failure { fenced: true, .. } | Failure { fatal: true, .. } => Verdict::StartOver,
        Failure { abortable: true, .. } => Verdict::Abort,
        Failure { retriable: true, .. } if !expired => Verdict::Again,
        _ => Verdict::StartOver,
    }
}

/// What to do with cycles whose transaction was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The same cycles again, as one transaction.
    Together,
    /// Each shard's cycle as a transaction of its own.
    Alone,
    /// This shard's cycle cannot be committed: the shard stops with the reason.
    Stop,
}

/// How often a transaction of the same cycles was aborted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aborts {
    /// The records or the cluster's settings were refused.
    pub refused: u32,
    /// The group or the brokers were at fault (a rebalance, a broker away): it passes by itself.
    pub passing: u32,
}

impl Aborts {
    /// All aborts.
    pub fn count(self) -> u32 {
        self.refused.saturating_add(self.passing)
    }

    /// One more.
    pub fn and(self, passing: bool) -> Self {
        match passing {
            true => Self { passing: self.passing.saturating_add(1), ..self },
            false => Self { refused: self.refused.saturating_add(1), ..self },
        }
    }
}

/// Decides how to go on after an abort of a transaction of `shards` shards; `aborts` counts it too.
///
/// Only refusals count against the shards: for an abort that passes by itself no shard is to blame, and none is stopped.
/// A transaction that was aborted so often by brokers that are slow or away may be too large to end in time; then its
/// shards are committed one by one, each again with no abort to its name.
pub fn after_abort(aborts: Aborts, shards: usize) -> Repeat {
    let refused = aborts.refused >= ATTEMPTS_MAX;
    let too_large = aborts.passing >= PASSING_MAX;
    match shards {
        0 | 1 if refused => Repeat::Stop,
        0 | 1 => Repeat::Together,
        _ if refused || too_large => Repeat::Alone,
        _ => Repeat::Together,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Failure = Failure {
        fatal: false,
        abortable: false,
        retriable: false,
        fenced: false,
        age_ms: 10,
        timeout_ms: 1_000,
    };

    #[test]
    fn failures_are_classified_by_the_strongest_word() {
        assert_eq!(classify(Failure { abortable: true, ..NONE }), Verdict::Abort);
        assert_eq!(classify(Failure { retriable: true, ..NONE }), Verdict::Again);
        assert_eq!(classify(Failure { fatal: true, abortable: true, ..NONE }), Verdict::StartOver);
        assert_eq!(classify(Failure { fatal: true, fenced: true, ..NONE }), Verdict::Fenced);
        assert_eq!(classify(NONE), Verdict::StartOver);
    }

    #[test]
    fn after_its_time_out_nothing_is_called_again_and_no_twin_is_blamed() {
        let late = Failure { age_ms: 1_000, ..NONE };
        assert_eq!(classify(Failure { fenced: true, fatal: true, ..late }), Verdict::StartOver);
        assert_eq!(classify(Failure { retriable: true, ..late }), Verdict::StartOver);
        assert_eq!(classify(Failure { abortable: true, ..late }), Verdict::Abort);
    }

    fn aborts(refused: u32, passing: u32) -> Aborts {
        Aborts { refused, passing }
    }

    #[test]
    fn three_refusals_together_then_three_alone_then_the_culprit_stops() {
        assert_eq!(after_abort(aborts(1, 0), 4), Repeat::Together);
        assert_eq!(after_abort(aborts(2, 0), 4), Repeat::Together);
        assert_eq!(after_abort(aborts(3, 0), 4), Repeat::Alone);
        assert_eq!(after_abort(aborts(2, 0), 1), Repeat::Together);
        assert_eq!(after_abort(aborts(3, 0), 1), Repeat::Stop);
    }

    #[test]
    fn what_passes_by_itself_does_not_count_towards_the_three_attempts() {
        // A rebalance and a broker away, then two refusals: still the first two.
        let mixed = [true, true, true, false, true, false];
        let counted = mixed.into_iter().fold(Aborts::default(), Aborts::and);
        assert_eq!(counted, aborts(2, 4));
        assert_eq!(
            (after_abort(counted, 4), after_abort(counted, 1)),
            (Repeat::Together, Repeat::Together)
        );
        let third = counted.and(false);
        assert_eq!((after_abort(third, 4), after_abort(third, 1)), (Repeat::Alone, Repeat::Stop));
    }

    #[test]
    fn what_passes_may_split_a_transaction_after_long_but_never_stops_a_shard() {
        assert_eq!(after_abort(aborts(0, PASSING_MAX - 1), 4), Repeat::Together);
        assert_eq!(after_abort(aborts(0, PASSING_MAX), 4), Repeat::Alone);
        assert!((1..100).all(|passing| after_abort(aborts(2, passing), 1) == Repeat::Together));
    }
}
