//! `opening`: what a customer had bought before the stream began.

use super::DecodeContext;
use super::fields::{self, Field};
use super::money::Money;
use super::reader::{Reader, bad_field};
use crate::model::event::Body;
use crate::model::outcome::Reject;
use crate::model::time::{DAY_MS, HOUR_MS};

/// Most days and orders of an opening.
pub const COUNT_MAX: i64 = 1_000_000;

/// What an opening carries.
pub const OPENING: u64 = fields::set(&[
    Field::TFirst,
    Field::TLast,
    Field::NDays,
    Field::Orders,
    Field::Revenue,
    Field::Currency,
]);

/// The body of an opening.
pub fn opening(reader: &mut Reader<'_, '_>, context: &DecodeContext<'_>) -> Result<Body, Reject> {
    let t_first_ms = reader.required_time(Field::TFirst)?;
    let t_last_ms = reader.required_time(Field::TLast)?;
    if t_first_ms > t_last_ms {
        return Err(bad_field(Field::TLast, "before `t_first`", "t_first at or before t_last"));
    }
    // an opening speaks of the past: a last purchase in the future would hold all dues back until then
    if t_last_ms > reader.required_time(Field::Ts)? {
        return Err(bad_field(Field::TLast, "after `ts`", "the opening's ts at or after t_last"));
    }
    let n_days = reader.required_whole(Field::NDays, 1, COUNT_MAX)?;
    check_days(n_days, t_last_ms - t_first_ms)?;
    let orders = reader.required_whole(Field::Orders, 1, COUNT_MAX)?;
    if orders < n_days {
        let found = format!("{orders}, less than `n_days`");
        return Err(bad_field(Field::Orders, &found, "an order for each purchase day"));
    }
    let revenue = Money::read(reader, context)?.required(reader, Field::Revenue)?;
    Ok(Body::Opening {
        t_first_ms,
        t_last_ms,
        n_days: n_days as u32,
        orders: orders as u32,
        revenue,
    })
}

/// Days that do not fit the span they lie in would break the model. The zone of a day is not known here, so
/// that the bounds are those of any zone: a day has at most 25 hours, and a span touches at most two more days
/// than it is long.
fn check_days(n_days: i64, span_ms: i64) -> Result<(), Reject> {
    let most = span_ms / DAY_MS + 2;
    if n_days > most {
        let expected = format!("at most {most} days from t_first to t_last");
        return Err(bad_field(Field::NDays, &n_days.to_string(), &expected));
    }
    if n_days == 1 && span_ms > 25 * HOUR_MS {
        let expected = "at least 2, because t_first and t_last lie on different days";
        return Err(bad_field(Field::NDays, "1", expected));
    }
    Ok(())
}
