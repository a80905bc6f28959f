//! Records to events, behind one function: a scan of its own finds the fields of an ordinary record, `serde_json` those
//! of any other, and both are read by the same code. The contract is docs/events.md; one file per type reads its fields.

mod credit;
mod decimal;
mod fields;
mod items;
mod lines;
mod money;
mod object;
mod opening;
mod profile;
mod purchase;
mod reader;
mod relation;
mod scan;
mod service;
mod support;
mod timestamp;
mod web;

use xxhash_rust::xxh3::xxh3_64;

use crate::model::batch::EventBatch;
use crate::model::event::{Body, Event, EventType};
use crate::model::money::{Currency, Rate};
use crate::model::outcome::{Reason, Reject};
use fields::{COMMON, Field};
use object::Fields;
use reader::{ID_BYTES_MAX, Reader};

pub use timestamp::{parse_date, parse_timestamp};

/// Longest record, bytes: Kafka's own default for a message.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Longest `event_id`, bytes.
pub const EVENT_ID_BYTES_MAX: usize = 64;
/// Longest `source`, bytes.
pub const ORIGIN_BYTES_MAX: usize = 64;

/// What the decoder knows of the definition and of the source a record comes from.
#[derive(Clone, Copy, Debug)]
pub struct DecodeContext<'a> {
    /// The type of records without a `type` field.
    pub default_type: Option<EventType>,
    /// The reporting currency.
    pub reporting: Currency,
    /// Units of the reporting currency for one unit of each accepted one; sorted by currency.
    pub rates: &'a [(Currency, Rate)],
}

/// Decodes one record, and puts its texts into `batch`. A reject leaves the batch as it was.
pub fn decode(
    payload: &[u8],
    context: &DecodeContext<'_>,
    batch: &mut EventBatch,
) -> Result<Event, Reject> {
    undone_if_refused(batch, |batch| decode_object(payload, context, batch, scan::scan))
}

/// [`decode`] by `serde_json` alone: what the faster way is held against.
pub fn decode_by_serde(
    payload: &[u8],
    context: &DecodeContext<'_>,
    batch: &mut EventBatch,
) -> Result<Event, Reject> {
    undone_if_refused(batch, |batch| decode_object(payload, context, batch, |_, _| false))
}

fn undone_if_refused(
    batch: &mut EventBatch,
    decode: impl FnOnce(&mut EventBatch) -> Result<Event, Reject>,
) -> Result<Event, Reject> {
    let before = batch.mark();
    let decoded = decode(batch);
    if decoded.is_err() {
        batch.truncate(before);
    }
    decoded
}

fn decode_object(
    payload: &[u8],
    context: &DecodeContext<'_>,
    batch: &mut EventBatch,
    scan: impl FnOnce(&mut Fields<'_>, bool) -> bool,
) -> Result<Event, Reject> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        let detail = format!(
            "the record has {} bytes; at most {PAYLOAD_BYTES_MAX} are allowed",
            payload.len()
        );
        return Err(Reject::new(Reason::TooLong, detail));
    }
    let want_sample = batch.unknown_sample.is_none();
    let mut fields = Fields::new(payload);
    if !scan(&mut fields, want_sample) {
        fields = Fields::new(payload);
        fields.fill(want_sample)?;
    }
    // The texts of the event lie in its record: one copy holds them all.
    let raw = batch.push(payload);
    let mut reader = Reader { fields: &mut fields, batch, record_at: raw.start };
    let event_type = event_type(&reader, context)?;
    let event_id = reader.required_id(Field::EventId, EVENT_ID_BYTES_MAX)?;
    let id_hash = xxh3_64(reader.batch.bytes(event_id));
    let customer_id = reader.required_id(Field::CustomerId, ID_BYTES_MAX)?;
    let ts_ms = reader.required_time(Field::Ts)?;
    let account_id = reader.id(Field::AccountId, ID_BYTES_MAX)?;
    let legal_entity_id = reader.id(Field::LegalEntityId, ID_BYTES_MAX)?;
    let origin = reader.id(Field::Source, ORIGIN_BYTES_MAX)?;
    let body = body(event_type, &mut reader, context)?;
    count_strangers(reader, COMMON | known(event_type));
    Ok(Event {
        id_hash,
        event_id,
        customer_id,
        account_id,
        legal_entity_id,
        origin,
        ts_ms,
        body,
        raw,
    })
}

fn event_type(reader: &Reader<'_, '_>, context: &DecodeContext<'_>) -> Result<EventType, Reject> {
    let Some(raw) = reader.fields.raw(Field::Type) else {
        return context.default_type.ok_or_else(|| {
            let detail = "`type` is missing, and the definition gives this source no default type";
            Reject::new(Reason::UnknownType, detail)
        });
    };
    raw.unquoted().and_then(|name| type_of(&name)).ok_or_else(|| {
        let shown = reader::shown(&String::from_utf8_lossy(raw.bytes));
        let names = EventType::ALL.map(EventType::name).join(", ");
        let detail = format!("`type` is {shown}; expected one of {names}");
        Reject::new(Reason::UnknownType, detail)
    })
}

fn type_of(name: &[u8]) -> Option<EventType> {
    EventType::ALL.into_iter().find(|event_type| event_type.name().as_bytes() == name)
}

fn body(
    event_type: EventType,
    reader: &mut Reader<'_, '_>,
    context: &DecodeContext<'_>,
) -> Result<Body, Reject> {
    match event_type {
        EventType::Purchase => purchase::purchase(reader, context),
        EventType::Refund => purchase::refund(reader, context),
        EventType::Support => support::support(reader),
        EventType::Web => web::web(reader),
        EventType::Profile => profile::profile(reader),
        EventType::Opening => opening::opening(reader, context),
        EventType::Invoice => credit::invoice(reader, context),
        EventType::Payment => credit::payment(reader, context),
        EventType::ExtensionRequest => credit::extension_request(reader),
        EventType::Contact => relation::contact(reader),
        EventType::Contract => relation::contract(reader),
        EventType::Referral => relation::referral(reader),
        EventType::Rating => relation::rating(reader),
        EventType::Delivery => service::delivery(reader),
        EventType::Usage => service::usage(reader),
        EventType::Access => service::access(reader),
    }
}

/// The fields of a type beyond the common ones.
fn known(event_type: EventType) -> u64 {
    match event_type {
        EventType::Purchase => purchase::PURCHASE,
        EventType::Refund => purchase::REFUND,
        EventType::Support => support::SUPPORT,
        EventType::Web => web::WEB,
        EventType::Profile => profile::PROFILE,
        EventType::Opening => opening::OPENING,
        EventType::Invoice => credit::INVOICE,
        EventType::Payment => credit::PAYMENT,
        EventType::ExtensionRequest => credit::EXTENSION_REQUEST,
        EventType::Contact => relation::CONTACT,
        EventType::Contract => relation::CONTRACT,
        EventType::Referral => relation::REFERRAL,
        EventType::Rating => relation::RATING,
        EventType::Delivery => service::DELIVERY,
        EventType::Usage => service::USAGE,
        EventType::Access => service::ACCESS,
    }
}

/// Counts the fields that the contract, or the type, does not know.
fn count_strangers(reader: Reader<'_, '_>, known: u64) {
    let Reader { fields, batch, .. } = reader;
    let strangers = fields.strangers(known);
    if strangers > 0 {
        batch.unknown_fields += strangers;
        if batch.unknown_sample.is_none() {
            batch.unknown_sample = fields.stranger(known);
        }
    }
}
