//! The notifier's records in the topic `PIPELINE.gN.notified`: which receiver and owner they are about, and where they lie.
//!
//! A key is `KIND RECEIVER ALERT OWNER`, separated by a tab; the owner, which is free text, comes last. A letter that waits has its number
//! in place of the alert.

use xxhash_rust::xxh3::xxh3_64;

use super::desk::Key;

/// One entry of a receiver's desk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// An alert and whom it is for.
    Open(Key),
    /// What was sent to an owner.
    Spent(String),
    /// A letter that is to be sent, by its number.
    Parked(u64),
}

impl Entry {
    /// The key of its record.
    #[must_use]
    pub fn key(&self, receiver: &str) -> String {
        match self {
            Self::Open((alert_id, to)) => format!("open\t{receiver}\t{alert_id}\t{to}"),
            Self::Spent(to) => format!("spent\t{receiver}\t\t{to}"),
            Self::Parked(number) => format!("parked\t{receiver}\t{number}\t"),
        }
    }

    /// The entry with this key, if it is the receiver's.
    #[must_use]
    pub fn parse(key: &[u8], receiver: &str) -> Option<Self> {
        let mut parts = std::str::from_utf8(key).ok()?.splitn(4, '\t');
        let (kind, whose, alert, to) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        match kind {
            _ if whose != receiver => None,
            "open" => Some(Self::Open((alert.to_owned(), to.to_owned()))),
            "spent" => Some(Self::Spent(to.to_owned())),
            "parked" => alert.parse().ok().map(Self::Parked),
            _ => None,
        }
    }

    /// The partition of its record: by the owner; letters that wait lie together.
    #[must_use]
    pub fn partition(&self, partitions: u16) -> u16 {
        let to = match self {
            Self::Open((_, to)) | Self::Spent(to) => to.as_str(),
            Self::Parked(_) => "",
        };
        let partition = xxh3_64(to.as_bytes()) % u64::from(partitions.max(1));
        u16::try_from(partition).unwrap_or(0)
    }
}
