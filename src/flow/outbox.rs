//! How full the outbox of rows is: what was written and not yet carried, and whether a shard may write more.
//!
//! Both sides count the same bytes: the machine keeps in its state how many bytes of blocks its shard has ever written,
//! and every block says the sum up to itself; the carrier keeps the sum of the last block that is in ClickHouse beside
//! its offset. The difference is exact, whoever writes and whoever carries (docs/decisions/0012).

/// What stands before the number that the carrier keeps beside its offset.
const MARK: &str = "bytes_total=";

/// What the carrier keeps beside its offset: the bytes that the partition's blocks have had, up to the last one carried.
pub fn mark(bytes_total: u64) -> String {
    format!("{MARK}{bytes_total}")
}

/// How far the carrier of a partition is, in bytes ever written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Nothing was ever acknowledged, or the offsets have expired.
    Nothing,
    /// So many bytes.
    To(u64),
    /// An offset is there, but not by a carrier that counts: somebody has set it.
    Unknown,
}

/// Reads what stands beside the offset that the carrier has committed; `None` is no offset.
pub fn carried(committed: Option<&str>) -> Carried {
    let Some(words) = committed else { return Carried::Nothing };
    let bytes = words.strip_prefix(MARK).and_then(|bytes| bytes.parse().ok());
    bytes.map_or(Carried::Unknown, Carried::To)
}

impl Carried {
    /// What is known after an answer. An offset that somebody has set and one that has expired say nothing new: what
    /// was in ClickHouse before still is. At first no offset means that everything is still to be carried.
    pub fn after(self, before: Option<u64>) -> Option<u64> {
        match self {
            Self::To(bytes) => Some(bytes),
            Self::Nothing => before.or(Some(0)),
            Self::Unknown => before,
        }
    }
}

/// Whether a shard may write rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outbox {
    /// It may.
    #[default]
    Open,
    /// It may not: the limit was exceeded, and the carrier has not yet caught up far enough.
    Full,
}

/// A full outbox is opened again when no more than so many percent of the limit are in it, so that a shard does not
/// stop and go with each block that is carried.
const OPEN_AGAIN_PERCENT: u64 = 90;

impl Outbox {
    /// What holds when so many bytes wait in it.
    pub fn after(self, backlog_bytes: u64, bytes_max: u64) -> Self {
        let open_to = match self {
            Self::Open => bytes_max,
            // Rounded up: a small limit must be able to open again.
            Self::Full => bytes_max - bytes_max / 100 * (100 - OPEN_AGAIN_PERCENT),
        };
        if backlog_bytes > open_to { Self::Full } else { Self::Open }
    }
}

/// The sentence for people when a shard stops reading because of it.
pub fn reason(topic: &str, shard: u16, backlog_bytes: u64, bytes_max: u64) -> String {
    format!(
        "{backlog_bytes} bytes of rows in topic {topic} partition {shard} are not in ClickHouse yet, more than \
         kafka.outbox_bytes_max ({bytes_max}): nothing is read until the carrier has caught up; see why it does not (the \
         section sink of /status where it runs, the lag of its group), or raise the limit if the brokers have the space"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_carrier_keeps_is_read_back() {
        assert_eq!(carried(Some(&mark(0))), Carried::To(0));
        assert_eq!(carried(Some(&mark(u64::MAX))), Carried::To(u64::MAX));
        assert_eq!(carried(None), Carried::Nothing);
        for strange in ["", "17", "bytes_total=", "bytes_total=-1", "bytes_total=1 "] {
            assert_eq!(carried(Some(strange)), Carried::Unknown, "{strange:?}");
        }
    }

    #[test]
    fn an_answer_that_does_not_say_leaves_what_was_known() {
        assert_eq!(Carried::Nothing.after(None), Some(0));
        assert_eq!(Carried::Nothing.after(Some(70)), Some(70));
        assert_eq!(Carried::Unknown.after(None), None);
        assert_eq!(Carried::Unknown.after(Some(70)), Some(70));
        assert_eq!(Carried::To(90).after(Some(70)), Some(90));
        // Carried again from an earlier place: the rest is still to come.
        assert_eq!(Carried::To(10).after(Some(70)), Some(10));
    }

    #[test]
    fn it_closes_above_the_limit_and_opens_at_nine_tenths() {
        let (open, full) = (Outbox::Open, Outbox::Full);
        assert_eq!([999, 1_000, 1_001].map(|b| open.after(b, 1_000)), [open, open, full]);
        assert_eq!([1_000, 901, 900, 0].map(|b| full.after(b, 1_000)), [full, full, open, open]);
    }

    #[test]
    fn the_smallest_and_the_largest_limit_open_again() {
        for bytes_max in [0, 1, 99, u64::MAX] {
            assert_eq!(Outbox::Full.after(0, bytes_max), Outbox::Open);
        }
        assert_eq!(Outbox::Open.after(u64::MAX, u64::MAX), Outbox::Open);
        assert_eq!(Outbox::Open.after(1, 0), Outbox::Full);
    }

    #[test]
    fn the_reason_names_place_numbers_and_cure() {
        let why = reason("c.g1.rows", 3, 20, 10);
        for word in ["c.g1.rows partition 3", "20 bytes", "kafka.outbox_bytes_max (10)", "raise"] {
            assert!(why.contains(word), "{why}");
        }
    }
}
