//! The profile: everything remembered of one customer. Sections exist from the first event that needs them.

use serde::{Deserialize, Serialize};

use super::ids::SourceIds;
use super::purchase::Purchases;
use super::support::Support;
use super::web::Web;
use crate::model::record::{SourceIndex, Stamp};
use crate::model::time::BEFORE_ALL_MS;
use crate::signal::lifecycle::Lifecycle;

/// A text field of the master data, last writer wins by [`Stamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Field {
    AccountId,
    LegalEntityId,
    Region,
    Industry,
    Segment,
    OwnerId,
    Key,
    Name,
}

/// The value of a field and when it was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Which field.
    pub field: Field,
    /// By which event.
    pub stamp: Stamp,
    /// What; for [`Field::Key`] `true` or `false`.
    pub value: Box<str>,
}

/// One customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// First event of any type, or the opening's first purchase.
    pub born_ms: i64,
    /// Last moment this profile was looked at: event or due. Nothing about it is said for earlier moments.
    pub as_of_ms: i64,
    /// Last act of the customer; [`BEFORE_ALL_MS`] when there was none.
    pub last_seen_ms: i64,
    /// [`Lifecycle::number`].
    pub lifecycle: u8,
    /// Since when.
    pub lifecycle_since_ms: i64,
    /// Remembered ids, by source.
    pub ids: Vec<SourceIds>,
    /// Purchases, refunds, opening.
    pub purchases: Option<Box<Purchases>>,
    /// Tickets and satisfaction.
    pub support: Option<Box<Support>>,
    /// Visits.
    pub web: Option<Box<Web>>,
    /// Master data, in the order of [`Field`].
    pub said: Vec<Said>,
}

impl Profile {
    /// A customer nobody has seen before.
    pub fn new(ts_ms: i64) -> Self {
        Self {
            born_ms: ts_ms,
            as_of_ms: ts_ms,
            last_seen_ms: BEFORE_ALL_MS,
            lifecycle: Lifecycle::Prospect.number(),
            lifecycle_since_ms: ts_ms,
            ids: Vec::new(),
            purchases: None,
            support: None,
            web: None,
            said: Vec::new(),
        }
    }

    /// About how many bytes its state record and its row have together, from above.
    pub fn bytes_guess(&self) -> usize {
        let ids: usize = self.ids.iter().map(SourceIds::len).sum();
        let purchases =
            self.purchases.as_ref().map_or(0, |p| p.days.len() * 3 + p.buckets.len() * 20);
        let tickets = self.support.as_ref().map_or(0, |s| s.tickets.len());
        let sessions = self.web.as_ref().map_or(0, |w| w.sessions.len());
        800 + ids * 15 + purchases + (tickets + sessions) * 40
    }

    /// Something of each section: reading it brings the section's memory into the cache.
    pub fn first_bytes(&self) -> u64 {
        let ids = self.ids.first().map_or(0, SourceIds::first_bytes);
        let web = self.web.as_ref().map_or(0, |w| {
            u64::from(w.visits) + w.sessions.first().map_or(0, |session| session.id)
        });
        ids.wrapping_add(web)
    }

    /// The lifecycle state.
    pub fn lifecycle(&self) -> Lifecycle {
        Lifecycle::from_number(self.lifecycle).unwrap_or(Lifecycle::Prospect)
    }

    /// The remembered ids of a source.
    pub fn ids_of(&mut self, source: SourceIndex) -> &mut SourceIds {
        let at = match self.ids.iter().position(|ids| ids.source == source) {
            Some(at) => at,
            None => {
                self.ids.reserve_exact(1);
                self.ids.push(SourceIds::new(source));
                self.ids.len() - 1
            }
        };
        &mut self.ids[at]
    }

    /// The value of a master-data field; empty when nobody said it.
    pub fn said(&self, field: Field) -> &str {
        match self.said.binary_search_by_key(&field, |s| s.field) {
            Ok(at) => &self.said[at].value,
            Err(_) => "",
        }
    }

    /// Takes a value in: the latest stamp wins, whatever came first. Returns whether the value changed.
    pub fn say(&mut self, field: Field, value: &str, stamp: Stamp) -> bool {
        match self.said.binary_search_by_key(&field, |s| s.field) {
            Ok(at) => {
                let said = &mut self.said[at];
                if stamp <= said.stamp {
                    return false;
                }
                said.stamp = stamp;
                let changed = &*said.value != value;
                if changed {
                    said.value = value.into();
                }
                changed
            }
            Err(at) => {
                self.said.reserve_exact(1);
                self.said.insert(at, Said { field, stamp, value: value.into() });
                true
            }
        }
    }
}
