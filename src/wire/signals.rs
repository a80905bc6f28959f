//! What a customer's shard says to the next stage: one word per account and customer, JSON, compacted by key; and how
//! the next stage reads it.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::model::effects::SignalWord;
use crate::model::event::Champion;

/// How a customer stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Word<'a> {
    /// The customer's id.
    pub customer: &'a [u8],
    /// The account's id; empty when there is none.
    pub account: &'a str,
    /// The lifecycle state's name.
    pub lifecycle: &'a str,
    /// Band of the risk; `None` while there is no risk.
    pub risk_band: Option<u8>,
    /// Last moment the profile was looked at, milliseconds.
    pub as_of_ms: i64,
    /// Revenue, minor units.
    pub revenue_minor: i64,
    /// What the account needs to know; `None` without an account.
    pub part: Option<&'a AccountPart>,
    /// What stands of opportunities.
    pub opportunities: &'a [Offered],
}

/// What an account is made of: what one member brings to it, as of the word's moment. Amounts are minor units of
/// `currency`, times milliseconds, shares and counts millionths: whole numbers, so that sums of them have no order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AccountPart {
    /// The reporting currency of whoever speaks.
    pub currency: String,
    /// Name, empty when nobody said it; so are the next three.
    pub name: String,
    /// Region.
    pub region: String,
    /// Industry.
    pub industry: String,
    /// Who of ours looks after the member.
    pub owner_id: String,
    /// Whether the master data call the member a key customer.
    pub said_key: bool,
    /// Whether the member is one by value (its tier).
    pub key_by_value: bool,
    /// Lifetime value; `None` before the first purchase.
    pub value_minor: Option<i64>,
    /// Spending a year at the present pace (half-life 365 days), net of refunds; `None` before the first purchase.
    pub revenue_365_minor: Option<i64>,
    /// Churn risk, millionths; `None` while there is none.
    pub risk_ppm: Option<u32>,
    /// Sum of satisfaction ratings (0 to 1 each), half-life 180 days, millionths.
    pub csat_sum_ppm: i64,
    /// How many ratings that is, millionths.
    pub csat_n_ppm: i64,
    /// Open tickets.
    pub open_tickets: u32,
    /// Complaints among them.
    pub open_complaints: u32,
    /// First opening of the oldest open complaint.
    pub oldest_complaint_ms: Option<i64>,
    /// Open invoices.
    pub invoices: Vec<OpenInvoice>,
    /// When the contract must be renewed, unless the next term is signed.
    pub renewal_ms: Option<i64>,
    /// Last contact in any direction.
    pub last_contact_ms: Option<i64>,
    /// Last visit in person.
    pub last_visit_ms: Option<i64>,
    /// Last act of the member.
    pub last_seen_ms: Option<i64>,
    /// Whether the member stands up for us at the account.
    #[serde(default)]
    pub champion: Champion,
}

/// The unpaid part of an invoice.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpenInvoice {
    /// The legal entity that owes it, empty when it was not said.
    pub entity: String,
    /// When it falls due, milliseconds.
    pub due_ms: i64,
    /// What is unpaid, minor units.
    pub open_minor: i64,
}

/// A goal worth a contact that stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Offered {
    /// The goal's name.
    pub goal: &'static str,
    /// The reason's name.
    pub reason: &'static str,
    /// What it is worth, to rank customers within the goal.
    pub score: f64,
    /// Since when, milliseconds.
    pub since_ms: i64,
    /// Until when, milliseconds.
    pub until_ms: i64,
    /// Whether the customer is to be left alone, so that an effect can be measured.
    pub held_out: bool,
}

/// `(generation, last committed cycle)`: a word counts if and only if its stamp is above the last one heard.
pub type WordStamp = (u32, u64);

#[derive(Serialize)]
struct Json<'a> {
    customer_id: &'a str,
    account_id: &'a str,
    generation: u32,
    cycle: u64,
    as_of_ms: i64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    left: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    champion: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    risk_band: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revenue_minor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'a AccountPart>,
    #[serde(skip_serializing_if = "<[Offered]>::is_empty")]
    opportunities: &'a [Offered],
}

/// The key of a word's record.
pub fn key_of(account: &str, customer: &[u8]) -> Vec<u8> {
    [account.as_bytes(), b"\0", customer].concat()
}

/// `spare`: a word whose memory may be used again.
fn word(account: &str, customer: &[u8], json: &Json<'_>, spare: Option<SignalWord>) -> SignalWord {
    let spare = spare.unwrap_or_else(|| SignalWord {
        key: Vec::new(),
        partition_key: Vec::new(),
        value: None,
    });
    let SignalWord { mut key, mut partition_key, value } = spare;
    key.clear();
    key.extend_from_slice(account.as_bytes());
    key.push(0);
    key.extend_from_slice(customer);
    partition_key.clear();
    let of_account = !account.is_empty();
    partition_key.extend_from_slice(if of_account { account.as_bytes() } else { customer });
    let mut value = value.unwrap_or_default();
    value.clear();
    // as long as most are: growing to it costs more than writing it
    let room = if json.part.is_some() { 768 } else { 320 };
    value.reserve(room + 160 * json.opportunities.len());
    if serde_json::to_writer(&mut value, json).is_err() {
        value.clear();
    }
    SignalWord { key, partition_key, value: Some(value) }
}

/// The customer stands like this, and belongs to this account.
pub fn joined(w: &Word<'_>, stamp: WordStamp) -> SignalWord {
    joined_in(w, stamp, None)
}

/// As [`joined`], in the memory of a word that is not needed any more.
pub fn joined_in(
    w: &Word<'_>,
    (generation, cycle): WordStamp,
    spare: Option<SignalWord>,
) -> SignalWord {
    let json = Json {
        customer_id: &String::from_utf8_lossy(w.customer),
        account_id: w.account,
        generation,
        cycle,
        as_of_ms: w.as_of_ms,
        left: false,
        champion: false,
        lifecycle: Some(w.lifecycle),
        risk_band: w.risk_band,
        revenue_minor: Some(w.revenue_minor),
        part: w.part,
        opportunities: w.opportunities,
    };
    word(w.account, w.customer, &json, spare)
}

/// The customer does not belong to this account any more, as of `as_of_ms`; with the account, whether the customer stood up for us
/// there.
pub fn left(
    (account, champion): (&str, bool),
    customer: &[u8],
    as_of_ms: i64,
    (generation, cycle): WordStamp,
) -> SignalWord {
    let json = Json {
        customer_id: &String::from_utf8_lossy(customer),
        account_id: account,
        generation,
        cycle,
        as_of_ms,
        left: true,
        champion,
        lifecycle: None,
        risk_band: None,
        revenue_minor: None,
        part: None,
        opportunities: &[],
    };
    word(account, customer, &json, None)
}

/// A word as it was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The account's id; empty for a customer without one.
    pub account: String,
    /// The customer's id.
    pub customer: String,
    /// What is said.
    pub says: Says,
}

/// What a word says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// The customer belongs to the account, and stands like this. Without an account there is no part.
    Joined {
        /// By which cycle.
        stamp: WordStamp,
        /// As of when, milliseconds.
        as_of_ms: i64,
        /// What it brings to the account.
        part: Option<Box<AccountPart>>,
    },
    /// The customer does not belong to the account any more.
    Left {
        /// By which cycle.
        stamp: WordStamp,
        /// As of when, milliseconds.
        as_of_ms: i64,
        /// Whether the customer stood up for us there.
        champion: bool,
    },
    /// The word was deleted, long after the customer had left: nothing need be remembered of it.
    Deleted,
}

#[derive(Deserialize)]
struct Read {
    customer_id: String,
    account_id: String,
    generation: u32,
    cycle: u64,
    as_of_ms: i64,
    #[serde(default)]
    left: bool,
    #[serde(default)]
    champion: bool,
    part: Option<Box<AccountPart>>,
}

/// Reads a word.
///
/// # Errors
/// A sentence when it is none.
pub fn read(value: &[u8]) -> Result<Heard, String> {
    let read: Read = serde_json::from_slice(value)
        .map_err(|error| format!("expected a word of a pipeline's signals topic: {error}"))?;
    let Read { customer_id, account_id, generation, cycle, as_of_ms, left, champion, part } = read;
    let stamp = (generation, cycle);
    let says = match (left, part) {
        (true, _) => Says::Left { stamp, as_of_ms, champion },
        (false, None) if !account_id.is_empty() => {
            return Err(
                "the word of an account's member has no `part`: it was written by a binary \
                        that did not know accounts; rebuild the pipeline that speaks"
                    .to_owned(),
            );
        }
        (false, part) => Says::Joined { stamp, as_of_ms, part },
    };
    Ok(Heard { account: account_id, customer: customer_id, says })
}

/// Reads the key of a word that was deleted.
///
/// # Errors
/// A sentence when it is no key of a word.
pub fn read_deleted(key: &[u8]) -> Result<Heard, String> {
    let text = str::from_utf8(key).map_err(|error| format!("the key is no text: {error}"))?;
    let (account, customer) =
        text.split_once('\0').ok_or("expected account, zero byte and customer as the key")?;
    let (account, customer) = (account.to_owned(), customer.to_owned());
    Ok(Heard { account, customer, says: Says::Deleted })
}

impl Heard {
    /// The key that its record must have.
    pub fn key(&self) -> Vec<u8> {
        key_of(&self.account, self.customer.as_bytes())
    }

    /// What its partition is the hash of.
    pub fn partition_key(&self) -> &[u8] {
        if self.account.is_empty() { self.customer.as_bytes() } else { self.account.as_bytes() }
    }

    /// What tells it from other words, for the ledger: a hash of its key and of the cycle that said it.
    pub fn id_hash(&self) -> u64 {
        let (generation, cycle) = match self.says {
            Says::Joined { stamp, .. } | Says::Left { stamp, .. } => stamp,
            Says::Deleted => (0, 0),
        };
        let mut bytes = self.key();
        bytes.extend_from_slice(&generation.to_le_bytes());
        bytes.extend_from_slice(&cycle.to_le_bytes());
        xxh3_64(&bytes)
    }

    /// The moment of which it speaks, milliseconds.
    pub fn as_of_ms(&self) -> Option<i64> {
        match self.says {
            Says::Joined { as_of_ms, .. } | Says::Left { as_of_ms, .. } => Some(as_of_ms),
            Says::Deleted => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn part() -> AccountPart {
        AccountPart {
            currency: "USD".to_owned(),
            name: "Müller \"& Co\"".to_owned(),
            value_minor: Some(-5),
            risk_ppm: Some(730_000),
            invoices: vec![OpenInvoice {
                entity: "le-1".to_owned(),
                due_ms: 7,
                open_minor: i64::MAX,
            }],
            ..AccountPart::default()
        }
    }

    #[test]
    fn what_is_said_is_heard() {
        let part = part();
        let said = Word {
            customer: b"c1",
            account: "a1",
            lifecycle: "active",
            risk_band: Some(2),
            as_of_ms: 9,
            revenue_minor: 12,
            part: Some(&part),
            opportunities: &[],
        };
        let word = joined(&said, (3, 7));
        let heard = read(word.value.as_ref().unwrap()).unwrap();
        let says = Says::Joined { stamp: (3, 7), as_of_ms: 9, part: Some(Box::new(part.clone())) };
        assert_eq!(heard.says, says);
        assert_eq!((heard.key(), heard.partition_key()), (word.key.clone(), &b"a1"[..]));
        assert_eq!(word.partition_key, b"a1");
        assert_eq!(read_deleted(&word.key).unwrap(), Heard { says: Says::Deleted, ..heard });

        let gone = left(("a1", true), b"c1", 11, (3, 8));
        let heard = read(&gone.value.unwrap()).unwrap();
        assert_eq!(heard.says, Says::Left { stamp: (3, 8), as_of_ms: 11, champion: true });

        let other = Word { account: "", part: None, ..said };
        let alone = joined(&other, (3, 9));
        assert_eq!(joined_in(&other, (3, 9), Some(word)), alone);
        assert_eq!(alone.partition_key, b"c1");
        assert_eq!(read(&alone.value.unwrap()).unwrap().partition_key(), b"c1");
    }

    #[test]
    fn what_is_no_word_is_refused() {
        for bad in ["", "{}", "[1]", r#"{"customer_id":"c","account_id":"","generation":1}"#] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        let old = r#"{"customer_id":"c","account_id":"a","generation":1,"cycle":2,"as_of_ms":3}"#;
        assert!(read(old.as_bytes()).unwrap_err().contains("rebuild"));
        assert!(read_deleted(b"no zero byte").is_err());
        assert!(read_deleted(b"\xff\0c").is_err());
    }
}
