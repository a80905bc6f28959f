//! Letters that are written down before they are sent. Where a message that comes twice would be read twice, only one of those
//! that were decided together may be on its way without being written down: the others wait here.

use super::{Desk, Letter};
use crate::notify::record::Entry;

impl Desk {
    /// Puts letters behind those that wait already; to be sent in this order.
    pub fn park(&mut self, letters: impl IntoIterator<Item = Letter>) {
        let last = self.parked.last_key_value().map_or(0, |(number, _)| *number);
        for (number, letter) in (last + 1..).zip(letters) {
            self.changed.insert(Entry::Parked(number));
            self.parked.insert(number, letter);
        }
    }

    /// The first letter that waits.
    #[must_use]
    pub fn parked(&self) -> Option<&Letter> {
        self.parked.first_key_value().map(|(_, letter)| letter)
    }

    /// The first letter that waits was sent: it waits no longer.
    pub fn unpark(&mut self) {
        if let Some((number, _)) = self.parked.pop_first() {
            self.changed.insert(Entry::Parked(number));
        }
    }
}
