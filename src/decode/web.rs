//! `web`: what a visitor did. Actions the product has no use for are accepted as `Other`.

use super::fields::{self, Field};
use super::reader::{ID_BYTES_MAX, Reader, TEXT_BYTES_MAX};
use crate::model::event::{Body, WebAction};
use crate::model::outcome::Reject;

/// Longest `url`, bytes.
pub const URL_BYTES_MAX: usize = 2_048;

/// What a web event may carry.
pub const WEB: u64 =
    fields::set(&[Field::Action, Field::SessionId, Field::Url, Field::Category, Field::DwellMs]);

/// The body of a web event.
pub fn web(reader: &mut Reader<'_, '_>) -> Result<Body, Reject> {
    let action = reader.required_text(Field::Action, TEXT_BYTES_MAX)?;
    let action = parse_action(reader.batch.bytes(action));
    reader.text(Field::Url, URL_BYTES_MAX)?;
    reader.number(Field::DwellMs)?;
    let session_id = reader.id(Field::SessionId, ID_BYTES_MAX)?;
    let category = reader.text(Field::Category, TEXT_BYTES_MAX)?;
    Ok(Body::Web { action, session_id, category })
}

fn parse_action(word: &[u8]) -> WebAction {
    match word {
        b"page_view" => WebAction::PageView,
        b"search" => WebAction::Search,
        b"compare" => WebAction::Compare,
        b"cart_add" => WebAction::CartAdd,
        b"login" => WebAction::Login,
        b"cancel_page" => WebAction::CancelPage,
        b"opt_out" => WebAction::OptOut,
        b"export_data" => WebAction::ExportData,
        _ => WebAction::Other,
    }
}
