//! `delivery`, `usage` and `access`: what was delivered, what was used, and who read the customer's data.

use super::fields::{self, Field};
use super::reader::{ID_BYTES_MAX, NUMBER_MAX, Reader, TEXT_BYTES_MAX};
use crate::model::event::Body;
use crate::model::outcome::Reject;

/// What a delivery may carry.
pub const DELIVERY: u64 = fields::set(&[Field::OrderId, Field::Promised, Field::Delivered]);
/// What a usage report may carry.
pub const USAGE: u64 = fields::set(&[Field::Metric, Field::Quantity, Field::PlanLimit]);
/// What an access may carry.
pub const ACCESS: u64 = fields::set(&[Field::Employee, Field::Records]);

/// A delivery: `order_id` and `promised` are required, `delivered` comes when it is known.
pub fn delivery(reader: &mut Reader<'_, '_>) -> Result<Body, Reject> {
    let order_id = reader.required_id(Field::OrderId, ID_BYTES_MAX)?;
    let promised_ms = reader.required_day_or_time(Field::Promised)?;
    let delivered_ms = reader.day_or_time(Field::Delivered)?;
    Ok(Body::Delivery { order_id, promised_ms, delivered_ms })
}

/// A usage report: `metric` and `quantity` are required.
pub fn usage(reader: &mut Reader<'_, '_>) -> Result<Body, Reject> {
    let metric = reader.required_text(Field::Metric, TEXT_BYTES_MAX)?;
    let quantity = reader.required_number(Field::Quantity)?;
    let plan_limit = reader.number(Field::PlanLimit)?;
    Ok(Body::Usage { metric, quantity, plan_limit })
}

/// An access to a customer's data: `employee` and `records` are required.
pub fn access(reader: &mut Reader<'_, '_>) -> Result<Body, Reject> {
    let employee = reader.required_id(Field::Employee, ID_BYTES_MAX)?;
    let records = reader.required_whole(Field::Records, 0, NUMBER_MAX)? as u64;
    Ok(Body::Access { employee, records })
}
