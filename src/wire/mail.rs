//! What one shard tells another: letters of the mail topic, both directions.
//!
//! A letter is a kind byte, then who wrote it and what, in postcard. A kind is never changed, a new content gets a new
//! one: a binary that does not know it skips the letter, and says so.
//!
//! A rebuild has a mail topic of its own (its generation is in the name), so that what an older generation has
//! decided, its cut-offs among it, is never heard by a newer one. What people have done it is told ([`Acted`]).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::alert::AlertWord;
use crate::model::registry::Subject;

/// Who wrote a letter, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The shard.
    pub shard: u16,
    /// Its cycle.
    pub cycle: u64,
}

/// How many customers of a shard have which value: counts as they are and not what was added, so that a repeated letter
/// changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Whether this is all of it; else the buckets that are not named are as they were told before.
    pub whole: bool,
    /// Bucket (of decayed net spending in log form) and how many are in it now, by bucket.
    pub cells: Vec<(i16, u64)>,
}

/// What separates the tiers and classes from a moment on, for all shards alike: buckets of decayed net spending in log
/// form. A customer whose bucket is at or above one is beyond it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOffs {
    /// Counted up from 1 within a generation.
    pub version: u64,
    /// Event time from which they hold, milliseconds.
    pub valid_from_ms: i64,
    /// How many customers they were taken from.
    pub population: u64,
    /// Iron from here.
    pub iron: i16,
    /// Gold from here.
    pub gold: i16,
    /// Key from here.
    pub key: i16,
    /// Class A from here.
    pub a: i16,
    /// Class B from here.
    pub b: i16,
}

/// The largest revenues at risk of owners' customers in a shard: amounts as they are, so that a repeated letter changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtRisk {
    /// Whether owners that neither this letter nor those after it name have no such customers; else they are as they were told
    /// before.
    pub whole: bool,
    /// Another letter belongs to this one and follows.
    pub more: bool,
    /// Owners and amounts, descending, minor units; none where the owner has no such customers any more.
    pub owners: Vec<(String, Vec<i64>)>,
}

/// From which revenue at risk on a customer is among the largest of its owner, for all shards alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerCutOffs {
    /// Counted up from 1 within a generation.
    pub version: u64,
    /// Event time at which they were made, milliseconds.
    pub valid_from_ms: i64,
    /// Owners by name; for each number of largest the amount, minor units.
    pub owners: Vec<(String, Vec<(u32, i64)>)>,
}

/// What was bought of a segment in a shard: absolute, so that a repeated letter changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bought {
    /// Pieces decayed with a half-life of 14 days, at `at_ms`.
    pub short: f64,
    /// Pieces decayed with a half-life of 90 days.
    pub long: f64,
    /// Orders decayed with a half-life of 90 days.
    pub orders: f64,
    /// The moment at which the sums hold: the latest purchase in them, milliseconds.
    pub at_ms: i64,
    /// The first purchase, milliseconds.
    pub first_ms: i64,
}

/// How much an employee has read of customers' data in a shard: the days that have changed since they were told last, each
/// whole, so that a repeated letter changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Days (since 1970-01-01, in the definition's day zone) and records read in them, ascending.
    pub days: Vec<(u16, u64)>,
}

impl Read {
    /// Sets a day.
    pub fn set(&mut self, day: u16, records: u64) {
        match self.days.binary_search_by_key(&day, |(held, _)| *held) {
            Ok(at) => self.days[at].1 = records,
            Err(at) => self.days.insert(at, (day, records)),
        }
    }

    /// Forgets the days before `day`.
    pub fn forget_before(&mut self, day: u16) {
        let past = self.days.partition_point(|(held, _)| *held < day);
        self.days.drain(..past);
    }
}

/// What a shard has counted of subjects that live on no shard of their own, by hours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hourly<T> {
    /// Everything before this moment is told.
    pub to_ms: i64,
    /// The hour from which on it is known, and how the subjects stood then that had changed; in order of time.
    pub hours: Vec<(i64, Vec<(String, T)>)>,
}

/// What a person wants done about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// "I have it."
    Acknowledge,
    /// "Tell me again then."
    Snooze,
    /// "This is done."
    Resolve,
    /// "This was not done."
    Reopen,
}

/// What a person says about an alert, to the shard of its customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Made by the sender; of two with one id the second is a repeat.
    pub id: [u8; 16],
    /// Who.
    pub by: String,
    /// The rule.
    pub rule: String,
    /// The subject's id.
    pub subject: String,
    /// The customer behind it: what decides the shard. Empty for a segment or an employee, which are shard 0's.
    pub customer: String,
    /// The episode it is about; it has no effect on another.
    pub episode: u32,
    /// What.
    pub act: Act,
    /// Until when, of a snooze, milliseconds of event time.
    pub until_ms: Option<i64>,
    /// A note.
    pub note: String,
}

/// What a person has done about an alert in the generation before: for a rebuild, in which it takes effect at its moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    /// What was said. Its id is made of the alert's id and the number of the transition; its episode is that of the old generation.
    pub said: Said,
    /// When it took effect, event time, milliseconds.
    pub at_ms: i64,
}

impl Acted {
    /// What a transition says of a person's act; `None` where no person did it. Acts about accounts are left out: what members said
    /// last is all that a new generation hears, so its alerts begin at other moments.
    #[must_use]
    pub fn of(word: &AlertWord) -> Option<Self> {
        let act = match word.what.as_str() {
            "acknowledged" => Act::Acknowledge,
            "snoozed" => Act::Snooze,
            "resolved" => Act::Resolve,
            "reopened" => Act::Reopen,
            _ => return None,
        };
        if word.by_kind != "person" || word.subject_kind == Subject::Account.name() {
            return None;
        }
        let said = Said {
            id: xxh3_128(format!("{}/{}", word.alert_id, word.n).as_bytes()).to_be_bytes(),
            by: word.by.clone(),
            rule: word.rule.clone(),
            subject: word.subject_id.clone(),
            customer: word.customer_id.clone(),
            episode: word.episode,
            act,
            until_ms: word.snoozed_until_ms,
            note: word.note.clone(),
        };
        Some(Self { said, at_ms: word.at_ms })
    }
}

/// The content of a letter.
#[derive(Clone, Debug, PartialEq)]
pub enum Mail {
    /// A shard's histogram, to shard 0.
    Histogram(Histogram),
    /// New cut-offs, from shard 0 to every shard.
    CutOffs(CutOffs),
    /// What a person does about an alert, from outside.
    Command(Said),
    /// A shard's largest revenues at risk by owner, to shard 0.
    AtRisk(AtRisk),
    /// New cut-offs of owners, from shard 0 to every shard.
    OwnerCutOffs(OwnerCutOffs),
    /// What was bought of segments in a shard, to shard 0.
    Demand(Hourly<Bought>),
    /// What a person has done in the generation before, to a rebuild, from outside.
    Acted(Acted),
    /// What employees have read of customers' data in a shard, to shard 0.
    Reads(Hourly<Read>),
}

/// Kinds, the first byte of a letter. Numbers are never used again for something else.
const HISTOGRAM: u8 = 1;
const CUT_OFFS: u8 = 2;
const COMMAND: u8 = 3;
const AT_RISK: u8 = 5;
const OWNER_CUT_OFFS: u8 = 6;
const DEMAND: u8 = 7;
const ACTED: u8 = 8;
const READS: u8 = 9;

/// The sender of letters that no shard has written.
pub const OUTSIDE: Sender = Sender { shard: u16::MAX, cycle: 0 };

impl Mail {
    /// The bytes of a letter.
    pub fn encode(&self, sender: Sender) -> Vec<u8> {
        match self {
            Self::Histogram(histogram) => encode(HISTOGRAM, sender, histogram),
            Self::CutOffs(cut_offs) => encode(CUT_OFFS, sender, cut_offs),
            Self::Command(said) => encode(COMMAND, sender, said),
            Self::AtRisk(told) => encode(AT_RISK, sender, told),
            Self::OwnerCutOffs(cut_offs) => encode(OWNER_CUT_OFFS, sender, cut_offs),
            Self::Demand(demand) => encode(DEMAND, sender, demand),
            Self::Reads(reads) => encode(READS, sender, reads),
            Self::Acted(acted) => encode(ACTED, sender, acted),
        }
    }

    /// Reads a letter. `None` when it is of a kind that this binary does not know, or not a letter at all: whoever
    /// reads skips it and counts it.
    pub fn decode(bytes: &[u8]) -> Option<(Sender, Self)> {
        let (kind, rest) = bytes.split_first()?;
        match *kind {
            HISTOGRAM => decode(rest).map(|(sender, content)| (sender, Self::Histogram(content))),
            CUT_OFFS => decode(rest).map(|(sender, content)| (sender, Self::CutOffs(content))),
            COMMAND => decode(rest).map(|(sender, content)| (sender, Self::Command(content))),
            AT_RISK => decode(rest).map(|(sender, content)| (sender, Self::AtRisk(content))),
            OWNER_CUT_OFFS => {
                decode(rest).map(|(sender, content)| (sender, Self::OwnerCutOffs(content)))
            }
            DEMAND => decode(rest).map(|(sender, content)| (sender, Self::Demand(content))),
            READS => decode(rest).map(|(sender, content)| (sender, Self::Reads(content))),
            ACTED => decode(rest).map(|(sender, content)| (sender, Self::Acted(content))),
            _ => None,
        }
    }
}

fn encode(kind: u8, sender: Sender, content: &impl Serialize) -> Vec<u8> {
    // writing numbers to memory does not fail; an empty letter would be skipped and counted by its reader
    postcard::to_extend(&(sender, content), vec![kind]).unwrap_or_default()
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<(Sender, T)> {
    let (content, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(content)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SENDER: Sender = Sender { shard: 3, cycle: 1 << 40 };

    fn letters() -> [Mail; 8] {
        let cells = vec![(i16::MIN, 1), (-3, u64::MAX), (i16::MAX, 7)];
        let cut_offs = CutOffs {
            version: 9,
            valid_from_ms: -5,
            population: 12,
            gold: 7,
            ..CutOffs::default()
        };
        let said = Said {
            id: [7; 16],
            by: "ann".to_owned(),
            rule: "key_at_risk".to_owned(),
            subject: "C1".to_owned(),
            customer: "C1".to_owned(),
            episode: 2,
            act: Act::Snooze,
            until_ms: Some(-1),
            note: "after the fair".to_owned(),
        };
        let histogram = Mail::Histogram(Histogram { whole: true, cells });
        let at_risk =
            AtRisk { whole: true, more: true, owners: vec![("ann".to_owned(), vec![9, 1])] };
        let owners = vec![("ann".to_owned(), vec![(10, i64::MAX), (20, 1)])];
        let of_owners = OwnerCutOffs { version: 2, valid_from_ms: -1, owners };
        [
            histogram,
            Mail::CutOffs(cut_offs),
            Mail::Command(said.clone()),
            Mail::Acted(Acted { said, at_ms: -3 }),
            Mail::AtRisk(at_risk),
            Mail::OwnerCutOffs(of_owners),
            Mail::Reads(Hourly {
                to_ms: 7,
                hours: vec![(
                    3,
                    vec![("u-1".to_owned(), Read { days: vec![(9, 1), (10, u64::MAX)] })],
                )],
            }),
            Mail::Demand(Hourly {
                to_ms: -5,
                hours: vec![(
                    -9,
                    vec![("shoes".to_owned(), Bought { short: 0.5, ..Bought::default() })],
                )],
            }),
        ]
    }

    #[test]
    fn letters_come_back_as_they_were() {
        for mail in letters() {
            assert_eq!(Mail::decode(&mail.encode(SENDER)), Some((SENDER, mail)));
        }
    }

    #[test]
    fn what_is_no_letter_is_none() {
        for mail in letters() {
            let bytes = mail.encode(SENDER);
            for cut in 0..bytes.len() {
                assert_eq!(Mail::decode(&bytes[..cut]), None, "{cut} bytes of {mail:?}");
            }
            let longer = [bytes.as_slice(), &[0]].concat();
            assert_eq!(Mail::decode(&longer), None);
            let mut unknown = bytes;
            unknown[0] = 200;
            assert_eq!(Mail::decode(&unknown), None);
        }
    }
}
