//! How many calls an owner gets in a day: the first so many at once, later ones only for more than what was sent.

use serde::{Deserialize, Serialize};

/// What has been sent to an owner on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The day, in the receivers' zone.
    pub day: String,
    /// Revenue at risk of the calls that hold the places, minor units, ascending; never more than the budget.
    pub sent: Vec<i64>,
}

impl Spent {
    /// Whether a call may go out on `day`; if so, it takes a place. With all places taken it must exceed the smallest revenue
    /// at risk among them, and takes that one's place: so of a flood of alerts the largest get through, each dearer than
    /// the one before it in its place. Unknown revenue counts as nothing.
    pub fn ask(&mut self, day: &str, at_risk_minor: Option<i64>, budget: u32) -> bool {
        if self.day != day {
            day.clone_into(&mut self.day);
            self.sent.clear();
        }
        let at_risk = at_risk_minor.unwrap_or(0);
        if self.sent.len() >= budget as usize {
            if self.sent.first().is_none_or(|smallest| at_risk <= *smallest) {
                return false;
            }
            self.sent.remove(0);
        }
        let place = self.sent.partition_point(|sent| *sent <= at_risk);
        self.sent.insert(place, at_risk);
        true
    }
}
