//! What to do when a transaction fails: repeat the same effects, commit each shard alone, or start over.

/// How often the same cycles are tried together before each shard is tried alone, and alone before it stops.
pub const ATTEMPTS_MAX: u32 = 3;

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

/// Decides how to go on after the `attempts`-th abort (from 1) of a transaction of `shards` shards.
///
/// `passing`: the group or the brokers refused (a rebalance, a broker away), not the records. Then no shard is to blame:
/// a transaction that may be too large to end in time is split into its shards, but a shard's own is repeated for as
/// long as the shard is held.
pub fn after_abort(attempts: u32, shards: usize, passing: bool) -> Repeat {
    if attempts < ATTEMPTS_MAX || (passing && shards == 1) {
        Repeat::Together
    } else if shards > 1 {
        Repeat::Alone
    } else {
        Repeat::Stop
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

    #[test]
    fn three_aborts_together_then_three_alone_then_the_culprit_stops() {
        assert_eq!(after_abort(1, 4, false), Repeat::Together);
        assert_eq!(after_abort(2, 4, false), Repeat::Together);
        assert_eq!(after_abort(3, 4, false), Repeat::Alone);
        assert_eq!(after_abort(2, 1, false), Repeat::Together);
        assert_eq!(after_abort(3, 1, false), Repeat::Stop);
    }

    #[test]
    fn what_passes_by_itself_has_no_culprit() {
        assert_eq!(after_abort(2, 4, true), Repeat::Together);
        assert_eq!(after_abort(3, 1, true), Repeat::Together);
        assert_eq!(after_abort(50, 1, true), Repeat::Together);
    }

    #[test]
    fn what_passes_may_split_a_transaction_but_never_stops_a_shard() {
        assert_eq!(after_abort(3, 4, true), Repeat::Alone);
        assert_eq!(after_abort(50, 2, true), Repeat::Alone);
        assert!((1..100).all(|attempts| after_abort(attempts, 1, true) != Repeat::Stop));
    }
}
