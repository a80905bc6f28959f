//! `support`: what happened on a ticket.

use super::fields::{self, Field};
use super::reader::{ID_BYTES_MAX, Reader, TEXT_BYTES_MAX};
use crate::model::event::{Body, TicketAction, TicketKind};
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
    let csat = reader.whole(Field::Csat, 1, 5)?.map(|score| score as u8);
    if action == TicketAction::Rated && csat.is_none() {
        let detail = "`csat` is missing; a support event with action `rated` requires it, 1 to 5";
        return Err(Reject::new(Reason::MissingField, detail));
    }
    let expected = reader.whole(Field::Expected, 1, 5)?.map(|score| score as u8);
    let by_agent = reader.word(Field::By, parse_by, "agent or customer")?.unwrap_or(false);
    let priority = reader.text(Field::Priority, TEXT_BYTES_MAX)?;
    let wait_s = reader.number(Field::WaitS)?.map(|seconds| seconds as f32);
    let handling_min = reader.number(Field::HandlingMin)?.map(|minutes| minutes as f32);
    let kind_text = reader.text(Field::Kind, TEXT_BYTES_MAX)?;
    let kind = kind_of(reader.batch.bytes(kind_text));
    let channel = reader.text(Field::Channel, TEXT_BYTES_MAX)?;
    Ok(Body::Support {
        ticket_id,
        action,
        kind,
        kind_text,
        channel,
        priority,
        csat,
        expected,
        by_agent,
        wait_s,
        handling_min,
    })
}

fn parse_action(word: &[u8]) -> Option<TicketAction> {
    Some(match word {
        b"opened" => TicketAction::Opened,
        b"replied" => TicketAction::Replied,
        b"resolved" => TicketAction::Resolved,
        b"reopened" => TicketAction::Reopened,
        b"rated" => TicketAction::Rated,
        _ => return None,
    })
}

/// What a ticket is about; `None` when the event does not say.
fn kind_of(text: &[u8]) -> Option<TicketKind> {
    Some(match text {
        b"" => return None,
        b"complaint" => TicketKind::Complaint,
        b"suggestion" => TicketKind::Suggestion,
        b"question" => TicketKind::Question,
        _ => TicketKind::Other,
    })
}

/// Whether it was the agent.
fn parse_by(word: &[u8]) -> Option<bool> {
    match word {
        b"agent" => Some(true),
        b"customer" => Some(false),
        _ => None,
    }
}
