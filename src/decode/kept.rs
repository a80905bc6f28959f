//! The types that later signals use: fully checked, kept as they came, without an effect on today's signals.

use super::DecodeContext;
use super::fields::{self, Field};
use super::money::Money;
use super::reader::{ID_BYTES_MAX, NUMBER_MAX, Reader, TEXT_BYTES_MAX};
use crate::model::event::{Body, EventType};
use crate::model::outcome::Reject;

/// What an invoice may carry.
pub const INVOICE: u64 =
    fields::set(&[Field::InvoiceId, Field::Amount, Field::Currency, Field::Due]);
/// What a payment may carry.
pub const PAYMENT: u64 = fields::set(&[Field::InvoiceId, Field::Amount, Field::Currency]);
/// What a request for more time may carry.
pub const EXTENSION_REQUEST: u64 = fields::set(&[Field::InvoiceId]);
/// What a contact may carry.
pub const CONTACT: u64 =
    fields::set(&[Field::Direction, Field::Channel, Field::Kind, Field::Employee]);
/// What a contract may carry.
pub const CONTRACT: u64 = fields::set(&[Field::Start, Field::Renewal, Field::Signed]);
/// What a referral may carry.
pub const REFERRAL: u64 = fields::set(&[Field::ReferredId]);
/// What a rating may carry.
pub const RATING: u64 = fields::set(&[Field::Nps]);
/// What a delivery may carry.
pub const DELIVERY: u64 = fields::set(&[Field::OrderId, Field::Promised, Field::Delivered]);
/// What a usage report may carry.
pub const USAGE: u64 = fields::set(&[Field::Metric, Field::Quantity, Field::PlanLimit]);
/// What an access may carry.
pub const ACCESS: u64 = fields::set(&[Field::Employee, Field::Records]);

/// A bill: `invoice_id`, `amount`, `currency` and `due` are required.
pub fn invoice(reader: &Reader<'_, '_>, context: &DecodeContext<'_>) -> Result<Body, Reject> {
    reader.required_id(Field::InvoiceId, ID_BYTES_MAX)?;
    reader.required_day_or_time(Field::Due)?;
    let amount = Money::read(reader, context)?.required(reader, Field::Amount)?;
    Ok(Body::Kept { event_type: EventType::Invoice, amount: Some(amount) })
}

/// A payment: `invoice_id`, `amount` and `currency` are required.
pub fn payment(reader: &Reader<'_, '_>, context: &DecodeContext<'_>) -> Result<Body, Reject> {
    reader.required_id(Field::InvoiceId, ID_BYTES_MAX)?;
    let amount = Money::read(reader, context)?.required(reader, Field::Amount)?;
    Ok(Body::Kept { event_type: EventType::Payment, amount: Some(amount) })
}

/// A request for more time to pay: `invoice_id` is required.
pub fn extension_request(reader: &Reader<'_, '_>) -> Result<Body, Reject> {
    reader.required_id(Field::InvoiceId, ID_BYTES_MAX)?;
    kept(EventType::ExtensionRequest)
}

/// A contact: `direction` (in, out) and `kind` (visit, call, mail, campaign) are required.
pub fn contact(reader: &Reader<'_, '_>) -> Result<Body, Reject> {
    let one_of =
        |words: &'static [&'static str]| move |word: &str| words.contains(&word).then_some(());
    reader.required_word(Field::Direction, one_of(&["in", "out"]), "in or out")?;
    let kinds = one_of(&["visit", "call", "mail", "campaign"]);
    reader.required_word(Field::Kind, kinds, "visit, call, mail or campaign")?;
    reader.check_text(Field::Channel, TEXT_BYTES_MAX)?;
    reader.check_id(Field::Employee)?;
    kept(EventType::Contact)
}

/// A contract: `start` is required; `signed` is a flag, or when it was signed.
pub fn contract(reader: &Reader<'_, '_>) -> Result<Body, Reject> {
    reader.required_day_or_time(Field::Start)?;
    reader.day_or_time(Field::Renewal)?;
    if !matches!(reader.fields.raw(Field::Signed), Some("true" | "false")) {
        reader.day_or_time(Field::Signed)?;
    }
    kept(EventType::Contract)
}

/// A referral: nothing is required.
pub fn referral(reader: &Reader<'_, '_>) -> Result<Body, Reject> {
    reader.check_id(Field::ReferredId)?;
    kept(EventType::Referral)
}

/// A rating: `nps`, 0 to 10, is required.
pub fn rating(reader: &Reader<'_, '_>) -> Result<Body, Reject> {
    reader.required_whole(Field::Nps, 0, 10)?;
    kept(EventType::Rating)
}

/// A delivery: `order_id` and `promised` are required, `delivered` comes when it is known.
pub fn delivery(reader: &Reader<'_, '_>) -> Result<Body, Reject> {
    reader.required_id(Field::OrderId, ID_BYTES_MAX)?;
    reader.required_day_or_time(Field::Promised)?;
    reader.day_or_time(Field::Delivered)?;
    kept(EventType::Delivery)
}

/// A usage report: `metric` and `quantity` are required.
pub fn usage(reader: &Reader<'_, '_>) -> Result<Body, Reject> {
    reader.required_text(Field::Metric, TEXT_BYTES_MAX)?;
    reader.required(Field::Quantity)?;
    reader.check_number(Field::Quantity)?;
    reader.check_number(Field::PlanLimit)?;
    kept(EventType::Usage)
}

/// An access to a customer's data: `employee` and `records` are required.
pub fn access(reader: &Reader<'_, '_>) -> Result<Body, Reject> {
    reader.required_id(Field::Employee, ID_BYTES_MAX)?;
    reader.required_whole(Field::Records, 0, NUMBER_MAX)?;
    kept(EventType::Access)
}

fn kept(event_type: EventType) -> Result<Body, Reject> {
    Ok(Body::Kept { event_type, amount: None })
}
