//! `profile`: master data of a customer; what it does not say stays as it was.

use super::fields::{self, Field};
use super::reader::{ID_BYTES_MAX, Reader, TEXT_BYTES_MAX};
use crate::model::event::{Body, Champion, ProfileFields};
use crate::model::outcome::{Reason, Reject};

/// What a profile event may carry.
pub const PROFILE: u64 = fields::set(&[
    Field::Region,
    Field::Industry,
    Field::Segment,
    Field::OwnerId,
    Field::Key,
    Field::Name,
    Field::Champion,
]);

/// The body of a profile event.
pub fn profile(reader: &mut Reader<'_, '_>) -> Result<Body, Reject> {
    let profile = ProfileFields {
        region: reader.text(Field::Region, TEXT_BYTES_MAX)?,
        industry: reader.text(Field::Industry, TEXT_BYTES_MAX)?,
        segment: reader.text(Field::Segment, TEXT_BYTES_MAX)?,
        owner_id: reader.id(Field::OwnerId, ID_BYTES_MAX)?,
        key: reader.flag(Field::Key)?,
        name: reader.text(Field::Name, TEXT_BYTES_MAX)?,
        champion: reader.word(Field::Champion, Champion::of, "yes, no or left")?,
    };
    if profile == ProfileFields::default() {
        let detail = "nothing to set; a profile event carries at least one of region, industry, \
                      segment, owner_id, key, name and champion";
        return Err(Reject::new(Reason::MissingField, detail));
    }
    Ok(Body::Profile(profile))
}
