//! From a record to something that can be merged: decoded, checked against its key, its partition and its time.

use crate::decode::{DecodeContext, decode};
use crate::model::batch::EventBatch;
use crate::model::event::{Event, Span};
use crate::model::outcome::{Reason, Reject};
use crate::model::partition::{crc32, murmur2};
use crate::model::record::Record;
use crate::plan::{DropField, DropRule, DropTest, KeyField, KeyFormat, Partitioner, Plan, Source};
use crate::wire::signals::{Heard, Says, read, read_deleted};

/// What became of a record at intake.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// An event; `raw` is the whole record in the batch's arena.
    Event(Event),
    /// What another pipeline says of a customer.
    Word(Box<Heard>),
    /// Against the contract.
    Reject(Box<Refused>),
}

/// A refused record and what the dead-letter topic needs of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// Why.
    pub reject: Reject,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes.
    pub payload: Option<Vec<u8>>,
}

/// Where a record's partition stands among the pipeline's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The partition.
    pub shard: u16,
    /// How many there are.
    pub shards: u16,
}

/// Decodes and checks one record of `source`.
pub fn take(
    plan: &Plan,
    source: &Source,
    place: Place,
    record: &Record<'_>,
    batch: &mut EventBatch,
) -> Taken {
    let mark = batch.mark();
    let taken = match source.speaker {
        None => try_take(plan, source, place, record, batch).map(Taken::Event),
        Some(_) => take_word(plan, place, record).map(|heard| Taken::Word(Box::new(heard))),
    };
    match taken {
        Ok(taken) => taken,
        Err(reject) => {
            batch.truncate(mark);
            let key = record.key.map(<[u8]>::to_vec);
            let payload = record.payload.map(<[u8]>::to_vec);
            Taken::Reject(Box::new(Refused { reject, key, payload }))
        }
    }
}

fn try_take(
    plan: &Plan,
    source: &Source,
    place: Place,
    record: &Record<'_>,
    batch: &mut EventBatch,
) -> Result<Event, Reject> {
    let payload = record.payload.ok_or_else(|| {
        Reject::new(Reason::NullPayload, "the record has no value; events are never deleted")
    })?;
    let context = DecodeContext {
        default_type: source.default_type,
        reporting: plan.currency,
        rates: &plan.rates,
    };
    let event = decode(payload, &context, batch)?;
    let ahead_ms = event.ts_ms.saturating_sub(record.kafka_ms);
    if record.kafka_ms >= 0 && ahead_ms > plan.skew_max_ms {
        let detail = format!(
            "ts is {ahead_ms} ms after the record's Kafka timestamp, at most {} ms are allowed",
            plan.skew_max_ms
        );
        return Err(Reject::new(Reason::TooFarAhead, detail));
    }
    check_key(plan, place, record, batch.bytes(subject(plan, &event)))?;
    Ok(event)
}

/// Reads a word and checks it against its key and its partition; a deleted one has a key alone.
fn take_word(plan: &Plan, place: Place, record: &Record<'_>) -> Result<Heard, Reject> {
    let key = record.key.unwrap_or_default();
    let heard = match record.payload {
        Some(value) => read(value).map_err(|why| Reject::new(Reason::BadJson, why))?,
        None => read_deleted(key).map_err(|why| Reject::new(Reason::WrongKey, why))?,
    };
    if heard.key() != key {
        let detail = "the key is not the account and customer of the word";
        return Err(Reject::new(Reason::WrongKey, detail));
    }
    if let Says::Joined { part: Some(part), .. } = &heard.says
        && part.currency != plan.currency.as_str()
    {
        let (said, own) = (&part.currency, plan.currency);
        let detail =
            format!("the word is in {said}, this definition in {own}: write currency = \"{said}\"");
        return Err(Reject::new(Reason::UnknownCurrency, detail));
    }
    let hash = murmur2(heard.partition_key()) & 0x7fff_ffff;
    check_partition(place, hash, "the account, or the customer without one,")?;
    Ok(heard)
}

/// The subject of an event under the definition's key.
pub fn subject(plan: &Plan, event: &Event) -> Span {
    match plan.key {
        KeyField::Customer => event.customer_id,
        KeyField::Account => event.account_id,
    }
}

fn check_key(plan: &Plan, place: Place, record: &Record<'_>, id: &[u8]) -> Result<(), Reject> {
    let wrong = |detail: String| Err(Reject::new(Reason::WrongKey, detail));
    let field = match plan.key {
        KeyField::Customer => "customer_id",
        KeyField::Account => "account_id",
    };
    if id.is_empty() {
        return wrong(format!("{field} is missing, and the definition keys by it"));
    }
    let Some(key) = record.key.filter(|k| !k.is_empty()) else {
        return wrong(format!("the record has no key; the producer must send {field} as the key"));
    };
    let same = match plan.key_format {
        KeyFormat::Text => key == id,
        KeyFormat::JsonString => std::str::from_utf8(id)
            .ok()
            .and_then(|id| serde_json::to_string(id).ok())
            .is_some_and(|json| json.as_bytes() == key),
    };
    if !same {
        return wrong(format!("the key is not the {field} of the value"));
    }
    let hash = match plan.partitioner {
        Partitioner::Murmur2 => murmur2(key) & 0x7fff_ffff,
        Partitioner::Crc32 => crc32(key),
        Partitioner::Custom => return Ok(()),
    };
    check_partition(place, hash, "the key")
}

fn check_partition(place: Place, hash: u32, what: &str) -> Result<(), Reject> {
    let expected = hash % u32::from(place.shards.max(1));
    if expected == u32::from(place.shard) {
        return Ok(());
    }
    let detail = format!(
        "{what} hashes to partition {expected} of {}, the record is in {}: \
         set the producer's partitioner to the definition's",
        place.shards, place.shard
    );
    Err(Reject::new(Reason::WrongPartition, detail))
}

/// The first `[[drop]]` rule that an event meets.
pub fn dropped<'p>(
    plan: &'p Plan,
    source: u8,
    batch: &EventBatch,
    event: &Event,
) -> Option<&'p DropRule> {
    plan.drops
        .iter()
        .find(|rule| rule.source.is_none_or(|only| only == source) && meets(rule, batch, event))
}

fn meets(rule: &DropRule, batch: &EventBatch, event: &Event) -> bool {
    use crate::model::event::Body;
    let span = match rule.field {
        DropField::CustomerId => event.customer_id,
        DropField::AccountId => event.account_id,
        DropField::EventId => event.event_id,
        DropField::Origin => event.origin,
        DropField::Channel => match event.body {
            Body::Purchase { channel, .. } | Body::Support { channel, .. } => channel,
            _ => Span::NONE,
        },
    };
    if span.is_none() {
        return false;
    }
    let text = batch.bytes(span);
    match &rule.test {
        DropTest::Equals(values) => values.iter().any(|v| v.as_bytes() == text),
        DropTest::StartsWith(values) => values.iter().any(|v| text.starts_with(v.as_bytes())),
        DropTest::EndsWith(values) => values.iter().any(|v| text.ends_with(v.as_bytes())),
    }
}
