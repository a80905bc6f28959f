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
    let action = parse_action(&reader.required_text(Field::Action, TEXT_BYTES_MAX)?);
    reader.check_text(Field::Url, URL_BYTES_MAX)?;
    reader.number(Field::DwellMs)?;
    let session_id = reader.id(Field::SessionId, ID_BYTES_MAX)?;
    let category = reader.text(Field::Category, TEXT_BYTES_MAX)?;
    Ok(Body::Web { action, session_id, category })
}

fn parse_action(word: &str) -> WebAction {
    match word {
        "page_view" => WebAction::PageView,
        "search" => WebAction::Search,
        "compare" => WebAction::Compare,
        "cart_add" => WebAction::CartAdd,
        "login" => WebAction::Login,
        "cancel_page" => WebAction::CancelPage,
        "opt_out" => WebAction::OptOut,
        "export_data" => WebAction::ExportData,
        _ => WebAction::Other,
    }
}
