//! `purchase` and `refund`.

use super::DecodeContext;
use super::fields::{self, Field};
use super::items::read_items;
use super::money::Money;
use super::reader::{ID_BYTES_MAX, Reader, TEXT_BYTES_MAX};
use crate::model::event::{Body, ItemRange};
use crate::model::outcome::Reject;

/// Most pieces of one purchase.
pub const QUANTITY_MAX: i64 = 1_000_000;

/// What a purchase may carry.
pub const PURCHASE: u64 = fields::set(&[
    Field::Amount,
    Field::Currency,
    Field::OrderId,
    Field::Quantity,
    Field::Discount,
    Field::Channel,
    Field::Items,
]);

/// What a refund may carry.
pub const REFUND: u64 = fields::set(&[Field::Amount, Field::Currency, Field::OrderId]);

/// The body of a purchase.
pub fn purchase(reader: &mut Reader<'_, '_>, context: &DecodeContext<'_>) -> Result<Body, Reject> {
    let money = Money::read(reader, context)?;
    let amount = money.required(reader, Field::Amount)?;
    let discount_minor = money.minor_or_zero(reader, Field::Discount)?;
    let quantity = reader.whole(Field::Quantity, 1, QUANTITY_MAX)?.unwrap_or(1) as u32;
    let items = match reader.fields.raw(Field::Items) {
        Some(raw) => read_items(raw, money, reader)?,
        None => ItemRange::default(),
    };
    let order_id = reader.id(Field::OrderId, ID_BYTES_MAX)?;
    let channel = reader.text(Field::Channel, TEXT_BYTES_MAX)?;
    Ok(Body::Purchase { amount, discount_minor, quantity, order_id, channel, items })
}

/// The body of a refund.
pub fn refund(reader: &mut Reader<'_, '_>, context: &DecodeContext<'_>) -> Result<Body, Reject> {
    let amount = Money::read(reader, context)?.required(reader, Field::Amount)?;
    Ok(Body::Refund { amount, order_id: reader.id(Field::OrderId, ID_BYTES_MAX)? })
}
