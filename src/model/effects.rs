//! What a cycle wants done: values, executed by the shell in one Kafka transaction.

use super::outcome::{Counts, Outcome, Reason};
use super::record::SourceIndex;
use super::table::Table;

/// Changed state: keys and values of the shard's partition of the state topic, in one arena.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChanges {
    bytes: Vec<u8>,
    /// End of the key, end of the value (equal to the end of the key for a tombstone).
    items: Vec<(usize, usize, bool)>,
}

impl StateChanges {
    /// Room for about this many records and bytes.
    pub fn reserve(&mut self, records: usize, bytes: usize) {
        self.items.reserve(records);
        self.bytes.reserve(bytes);
    }

    /// Adds a record; `key` appends the key, `value` the value.
    pub fn put(&mut self, key: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        key(&mut self.bytes);
        let key_end = self.bytes.len();
        value(&mut self.bytes);
        self.items.push((key_end, self.bytes.len(), true));
    }

    /// Adds a tombstone; `key` appends the key.
    pub fn delete(&mut self, key: impl FnOnce(&mut Vec<u8>)) {
        key(&mut self.bytes);
        let end = self.bytes.len();
        self.items.push((end, end, false));
    }

    /// The records: key, and value or tombstone.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut from = 0;
        self.items.iter().map(move |&(key_end, end, present)| {
            let item = (&self.bytes[from..key_end], present.then(|| &self.bytes[key_end..end]));
            from = end;
            item
        })
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Forgets all records, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }

    /// Bytes of keys and values.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// A block of rows of one table, `RowBinaryWithNamesAndTypes`, at most [`RowBlock::BYTES_MAX`] unless one row is larger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowBlock {
    /// Where it belongs.
    pub table: Table,
    /// How many rows.
    pub count: u32,
    /// Header and rows.
    pub bytes: Vec<u8>,
}

impl RowBlock {
    /// Where a block is cut, so that a record of the rows topic stays below Kafka's usual megabyte.
    pub const BYTES_MAX: usize = 900_000;
}

/// A changed signal, for the next stage; the topic is compacted by `key`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignalWord {
    /// `account \0 customer`.
    pub key: Vec<u8>,
    /// What the partition is the murmur2 hash of: the account, else the customer.
    pub partition_key: Vec<u8>,
    /// JSON; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// A transition of an alert: a record of the alerts topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRecord {
    /// The alert's id.
    pub key: Vec<u8>,
    /// JSON, as `wire::alert` writes it.
    pub value: Vec<u8>,
}

/// What a person said about an alert, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardCommand {
    /// The command's id, hexadecimal.
    pub id: String,
    /// Who said it.
    pub by: String,
    /// About which rule's alert.
    pub rule: String,
    /// About which episode.
    pub episode: u32,
    /// What came of it, in a word: a label of metrics.
    pub outcome: &'static str,
    /// Why it had no effect, in words; `None`: it had.
    pub why: Option<&'static str>,
}

/// What this shard tells another: a record of the mail topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The shard that reads it: the partition of the mail topic.
    pub to_shard: u16,
    /// The content, as `wire::mail` writes it.
    pub bytes: Vec<u8>,
}

/// A record put aside, its bytes untouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// From which source topic (the partition is the shard).
    pub source: SourceIndex,
    /// From which offset.
    pub offset: i64,
    /// Its Kafka timestamp, milliseconds.
    pub kafka_ms: i64,
    /// Late or rejected.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// The sentence for the person who repairs the producer.
    pub detail: String,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes.
    pub payload: Option<Vec<u8>>,
}

impl DeadLetter {
    /// Bytes of key, value and headers, about.
    pub fn len_bytes(&self) -> usize {
        let held = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        held(&self.key) + held(&self.payload) + self.detail.len() + 200
    }
}

/// What one cycle did with one source partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceProgress {
    /// First offset of the cycle.
    pub offset_from: i64,
    /// Next offset to read: what the transaction sends for the group.
    pub offset_to: i64,
    /// Whether the partition was read to its end.
    pub at_end: bool,
    /// Outcomes of the cycle.
    pub counts: Counts,
    /// Rejects and lates of the cycle by reason, [`Reason::ALL`] order.
    pub reasons: [u64; 12],
    /// Records that came below the watermark.
    pub order_breaks: u64,
    /// Order-independent sum (wrapping) of the hashes of the applied event ids.
    pub id_hash: u64,
    /// Fields the contract does not know.
    pub unknown_fields: u64,
}

/// Everything a cycle wants done. It is committed as a whole, or nothing of it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The shard (partition of every topic).
    pub shard: u16,
    /// The number of the cycle, counted through all owners.
    pub cycle: u64,
    /// State records, `meta` among them.
    pub state: StateChanges,
    /// Rows for the outbox, ledger last.
    pub rows: Vec<RowBlock>,
    /// Bytes of all blocks of rows that the shard has ever written, those of this cycle included.
    pub rows_bytes_total: u64,
    /// Changed signals.
    pub signals: Vec<SignalWord>,
    /// What happened to alerts, in order.
    pub alerts: Vec<AlertRecord>,
    /// What people said, in order.
    pub commands: Vec<HeardCommand>,
    /// Records put aside.
    pub dead_letters: Vec<DeadLetter>,
    /// By source, in the definition's order.
    pub sources: Vec<SourceProgress>,
    /// What other shards (and this one, the next time) are told.
    pub mail: Vec<Letter>,
    /// Next mail offset to read.
    pub mail_to: i64,
    /// Letters that this binary could not read, and skipped.
    pub mail_unread: u64,
    /// How far time has certainly passed; `None` before the first record.
    pub watermark_ms: Option<i64>,
    /// The newest Kafka timestamp among the cycle's records, milliseconds; `None` when no record has one.
    pub newest_kafka_ms: Option<i64>,
}

impl Effects {
    /// Bytes of the cycle's blocks of rows.
    pub fn rows_bytes(&self) -> usize {
        self.rows.iter().map(|block| block.bytes.len()).sum()
    }

    /// Bytes that the transaction will carry for this cycle.
    pub fn len_bytes(&self) -> usize {
        let rows = self.rows_bytes();
        let letters: usize = self.dead_letters.iter().map(DeadLetter::len_bytes).sum();
        let signals: usize =
            self.signals.iter().map(|s| s.key.len() + s.value.as_ref().map_or(0, Vec::len)).sum();
        let mail: usize = self.mail.iter().map(|letter| letter.bytes.len()).sum();
        let alerts: usize = self.alerts.iter().map(|a| a.key.len() + a.value.len()).sum();
        self.state.len_bytes() + alerts + rows + letters + signals + mail
    }
}
