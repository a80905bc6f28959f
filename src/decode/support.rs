//! `support`: what happened on a ticket.

use super::fields::{self, Field};
use super::reader::{ID_BYTES_MAX, Reader, TEXT_BYTES_MAX};
use crate::model::event::{Body, TicketAction};
use crate::model::outcome::{Reason, Reject};

/// What a support event may carry.
pub const SUPPORT: u64 = fields::set(&[
    Field::TicketId,
    Field::Action,
    Field::Kind,
    Field::Priority,
    Field::Csat,
    Field::Expected,
    Field::Channel,
    Field::By,
    Field::WaitS,
    Field::HandlingMin,
]);

/// The body of a support event.
pub fn support(reader: &mut Reader<'_, '_>) -> Result<Body, Reject> {
    let expected = "opened, replied, resolved, reopened or rated";
    let action = reader.required_word(Field::Action, parse_action, expected)?;
    let ticket_id = reader.required_id(Field::TicketId, ID_BYTES_MAX)?;
    let ticket_id = reader.batch.push(ticket_id.as_bytes());
    let csat = reader.whole(Field::Csat, 1, 5)?.map(|score| score as u8);
    if action == TicketAction::Rated && csat.is_none() {
        let detail = "`csat` is missing; a support event with action `rated` requires it, 1 to 5";
        return Err(Reject::new(Reason::MissingField, detail));
    }
    reader.whole(Field::Expected, 1, 5)?;
    let by_agent = reader.word(Field::By, parse_by, "agent or customer")?.unwrap_or(false);
    reader.check_text(Field::Priority, TEXT_BYTES_MAX)?;
    reader.check_number(Field::WaitS)?;
    reader.check_number(Field::HandlingMin)?;
    let kind = reader.text(Field::Kind, TEXT_BYTES_MAX)?;
    let complaint = reader.batch.bytes(kind) == b"complaint";
    let channel = reader.text(Field::Channel, TEXT_BYTES_MAX)?;
    Ok(Body::Support { ticket_id, action, complaint, kind, channel, csat, by_agent })
}

fn parse_action(word: &str) -> Option<TicketAction> {
    Some(match word {
        "opened" => TicketAction::Opened,
        "replied" => TicketAction::Replied,
        "resolved" => TicketAction::Resolved,
        "reopened" => TicketAction::Reopened,
        "rated" => TicketAction::Rated,
        _ => return None,
    })
}

/// Whether it was the agent.
fn parse_by(word: &str) -> Option<bool> {
    match word {
        "agent" => Some(true),
        "customer" => Some(false),
        _ => None,
    }
}
