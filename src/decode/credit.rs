//! `invoice`, `payment` and `extension_request`: what is owed, what was paid, and who asks for more time.

use super::DecodeContext;
use super::fields::{self, Field};
use super::money::Money;
use super::reader::{ID_BYTES_MAX, Reader};
use crate::model::event::Body;
use crate::model::outcome::Reject;

/// What an invoice may carry.
pub const INVOICE: u64 =
    fields::set(&[Field::InvoiceId, Field::Amount, Field::Currency, Field::Due]);
/// What a payment may carry.
pub const PAYMENT: u64 = fields::set(&[Field::InvoiceId, Field::Amount, Field::Currency]);
/// What a request for more time may carry.
pub const EXTENSION_REQUEST: u64 = fields::set(&[Field::InvoiceId]);

/// A bill: `invoice_id`, `amount`, `currency` and `due` are required.
pub fn invoice(reader: &mut Reader<'_, '_>, context: &DecodeContext<'_>) -> Result<Body, Reject> {
    let invoice_id = reader.required_id(Field::InvoiceId, ID_BYTES_MAX)?;
    let due_ms = reader.required_day_or_time(Field::Due)?;
    let amount = Money::read(reader, context)?.required(reader, Field::Amount)?;
    Ok(Body::Invoice { invoice_id, amount, due_ms })
}

/// A payment: `invoice_id`, `amount` and `currency` are required.
pub fn payment(reader: &mut Reader<'_, '_>, context: &DecodeContext<'_>) -> Result<Body, Reject> {
    let invoice_id = reader.required_id(Field::InvoiceId, ID_BYTES_MAX)?;
    let amount = Money::read(reader, context)?.required(reader, Field::Amount)?;
    Ok(Body::Payment { invoice_id, amount })
}

/// A request for more time to pay: `invoice_id` is required.
pub fn extension_request(reader: &mut Reader<'_, '_>) -> Result<Body, Reject> {
    Ok(Body::ExtensionRequest { invoice_id: reader.required_id(Field::InvoiceId, ID_BYTES_MAX)? })
}
