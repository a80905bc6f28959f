//! `contact`, `contract`, `referral` and `rating`: how a customer and we stand to each other.

use super::fields::{self, Field};
use super::reader::{ID_BYTES_MAX, Reader, TEXT_BYTES_MAX};
use crate::model::event::{Body, ContactKind};
use crate::model::outcome::Reject;

/// What a contact may carry.
pub const CONTACT: u64 =
    fields::set(&[Field::Direction, Field::Channel, Field::Kind, Field::Employee]);
/// What a contract may carry.
pub const CONTRACT: u64 = fields::set(&[Field::Start, Field::Renewal, Field::Signed]);
/// What a referral may carry.
pub const REFERRAL: u64 = fields::set(&[Field::ReferredId]);
/// What a rating may carry.
pub const RATING: u64 = fields::set(&[Field::Nps]);

/// A contact: `direction` (in, out) and `kind` (visit, call, mail, campaign) are required.
pub fn contact(reader: &mut Reader<'_, '_>) -> Result<Body, Reject> {
    let outbound = reader.required_word(Field::Direction, parse_outbound, "in or out")?;
    let expected = "visit, call, mail or campaign";
    let kind = reader.required_word(Field::Kind, parse_kind, expected)?;
    reader.text(Field::Channel, TEXT_BYTES_MAX)?;
    Ok(Body::Contact { outbound, kind, employee: reader.id(Field::Employee, ID_BYTES_MAX)? })
}

/// A contract: `start` is required; `signed` is a flag, or when it was signed.
pub fn contract(reader: &Reader<'_, '_>) -> Result<Body, Reject> {
    let start_ms = reader.required_day_or_time(Field::Start)?;
    let renewal_ms = reader.day_or_time(Field::Renewal)?;
    let signed = match reader.fields.raw(Field::Signed).map(|raw| raw.bytes) {
        Some(b"true") => Some(true),
        Some(b"false") => Some(false),
        _ => reader.day_or_time(Field::Signed)?.map(|_| true),
    };
    Ok(Body::Contract { start_ms, renewal_ms, signed })
}

/// A referral: nothing is required.
pub fn referral(reader: &mut Reader<'_, '_>) -> Result<Body, Reject> {
    reader.id(Field::ReferredId, ID_BYTES_MAX)?;
    Ok(Body::Referral)
}

/// A rating: `nps`, 0 to 10, is required.
pub fn rating(reader: &Reader<'_, '_>) -> Result<Body, Reject> {
    Ok(Body::Rating { nps: reader.required_whole(Field::Nps, 0, 10)? as u8 })
}

/// Whether it went out from us.
fn parse_outbound(word: &[u8]) -> Option<bool> {
    match word {
        b"out" => Some(true),
        b"in" => Some(false),
        _ => None,
    }
}

/// How it was made.
fn parse_kind(word: &[u8]) -> Option<ContactKind> {
    Some(match word {
        b"visit" => ContactKind::Visit,
        b"call" => ContactKind::Call,
        b"mail" => ContactKind::Mail,
        b"campaign" => ContactKind::Campaign,
        _ => return None,
    })
}
