//! Flows of customers and events by hour and group: who came to which lifecycle and left it, what was bought, rated and
//! asked. Everything is a whole number to add up.
//!
//! Hours are open until sealed: their cells are kept and written whole each time they change. What comes for a sealed
//! hour is written by the cycle that learns of it as rows of its own, so that nothing is written twice nor taken back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::engine::index::Index;
use crate::model::time::{HOUR_MS, hour_of};
use crate::signal::lifecycle::Lifecycle;
use crate::signal::tier_moves::Tier;

/// By what customers and events are grouped. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Grouping {
    /// Everything, under one empty value.
    All,
    Region,
    Industry,
    Tier,
    Owner,
    /// Of events only: a customer has no channel.
    Channel,
}

impl Grouping {
    /// Every grouping, in the order of the numbers.
    pub const ALL: [Self; 6] =
        [Self::All, Self::Region, Self::Industry, Self::Tier, Self::Owner, Self::Channel];

    /// The word of the column `dimension`.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Region => "region",
            Self::Industry => "industry",
            Self::Tier => "tier",
            Self::Owner => "owner",
            Self::Channel => "channel",
        }
    }

    /// The grouping of a stored number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// What happened in a group in an hour. All of it adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Customers that came to a lifecycle less those that left it, by [`Lifecycle::number`].
    pub customers: [i64; Lifecycle::ALL.len()],
    /// Customers who bought for the first time.
    pub new: u64,
    /// Customers who bought again a buying cycle or more after the first time.
    pub activated: u64,
    /// Customers who became lost.
    pub lost: u64,
    /// Customers who were dormant or lost and bought again.
    pub won_back: u64,
    /// Purchases.
    pub orders: u64,
    /// Purchases less refunds, minor units.
    pub revenue_minor: i64,
    /// Tickets opened.
    pub tickets: u64,
    /// Ratings of satisfaction.
    pub ratings: u64,
    /// Their sum, each from 1 to 5.
    pub rating_sum: u64,
    /// Answers to "would you recommend us".
    pub nps_answers: u64,
    /// Of them 9 and 10.
    pub promoters: u64,
    /// Of them 0 to 6.
    pub detractors: u64,
}

impl Flow {
    /// One customer less in `from`, one more in `to`.
    pub fn of_move(from: Option<Lifecycle>, to: Option<Lifecycle>) -> Self {
        let mut flow = Self::default();
        if let Some(from) = from {
            flow.customers[usize::from(from.number())] -= 1;
        }
        if let Some(to) = to {
            flow.customers[usize::from(to.number())] += 1;
        }
        flow
    }

    fn add(&mut self, other: &Self) {
        self.customers.iter_mut().zip(other.customers).for_each(|(sum, n)| *sum += n);
        self.new += other.new;
        self.activated += other.activated;
        self.lost += other.lost;
        self.won_back += other.won_back;
        self.orders += other.orders;
        self.revenue_minor = self.revenue_minor.saturating_add(other.revenue_minor);
        self.tickets += other.tickets;
        self.ratings += other.ratings;
        self.rating_sum += other.rating_sum;
        self.nps_answers += other.nps_answers;
        self.promoters += other.promoters;
        self.detractors += other.detractors;
    }
}

/// A value of a grouping: its number in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group(u32);

impl Group {
    /// The number that the shard's segments gave it.
    pub fn number(self) -> u32 {
        self.0
    }

    /// Back from [`Self::number`], of the same segments.
    pub fn of_number(number: u32) -> Self {
        Self(number)
    }
}

/// Which cell: hours since the epoch, group.
pub type CellKey = (i64, Group);

#[derive(Clone, Debug)]
struct Cell {
    group: Group,
    flow: Flow,
    changed: bool,
    /// A state record holds it.
    stored: bool,
}

/// An open hour: its cells in order of first appearance, and by group where they stand, counted from 1.
#[derive(Clone, Debug, Default)]
struct Hour {
    at: Vec<u32>,
    cells: Vec<Cell>,
}

impl Hour {
    fn find(&self, group: Group) -> Option<usize> {
        let at = self.at.get(group.0 as usize)?;
        (*at as usize).checked_sub(1)
    }

    /// Where the cell of a group stands, a new one if there was none.
    fn place(&mut self, group: Group) -> usize {
        if let Some(at) = self.find(group) {
            return at;
        }
        let number = group.0 as usize;
        if self.at.len() <= number {
            self.at.resize(number + 1, 0);
        }
        self.cells.push(Cell { group, flow: Flow::default(), changed: false, stored: false });
        self.at[number] = self.cells.len() as u32;
        self.cells.len() - 1
    }
}

/// Cells that may be open: beyond it the oldest hours are sealed before their time.
const OPEN_CELLS_MAX: usize = 100_000;

/// A guess of what a cell costs in rows and state, bytes.
const CELL_BYTES: usize = 300;

/// The open hours.
#[derive(Debug)]
pub struct Segments {
    index: Index,
    groups: Vec<(Grouping, Box<str>)>,
    all: Group,
    /// The groups of tiers by their numbers, 0 of who has none, as far as they were asked for: at each purchase, thrice.
    tiers: [Option<Group>; Tier::ALL.len() + 1],
    hours: BTreeMap<i64, Hour>,
    open_cells: usize,
    changed: Vec<CellKey>,
    late: BTreeMap<CellKey, Flow>,
    /// Hours below this one are sealed.
    pub sealed_to: i64,
}

impl Default for Segments {
    fn default() -> Self {
        let mut segments = Self {
            index: Index::default(),
            groups: Vec::new(),
            all: Group(0),
            tiers: [None; Tier::ALL.len() + 1],
            hours: BTreeMap::new(),
            open_cells: 0,
            changed: Vec::new(),
            late: BTreeMap::new(),
            sealed_to: i64::MIN,
        };
        segments.all = segments.group(Grouping::All, "");
        segments
    }
}

impl Segments {
    /// The group of everything.
    pub fn all(&self) -> Group {
        self.all
    }

    /// The group of a value. Texts must be of few values: none is ever forgotten.
    pub fn group(&mut self, grouping: Grouping, text: &str) -> Group {
        let hash = xxh3_64_with_seed(text.as_bytes(), grouping as u64);
        let same = |at: &u32| {
            let (of, value) = &self.groups[*at as usize];
            *of == grouping && **value == *text
        };
        if let Some(at) = self.index.candidates(hash).find(same) {
            return Group(at);
        }
        let at = self.groups.len() as u32;
        self.groups.push((grouping, text.into()));
        self.index.insert(hash, at);
        Group(at)
    }

    /// The group of a tier; `None`: of who has none.
    pub fn tier(&mut self, tier: Option<Tier>) -> Group {
        let number = usize::from(tier.map_or(0, Tier::number));
        if let Some(known) = self.tiers[number] {
            return known;
        }
        let group = self.group(Grouping::Tier, tier.map_or("", Tier::name));
        self.tiers[number] = Some(group);
        group
    }

    /// What a group stands for.
    pub fn named(&self, group: Group) -> (Grouping, &str) {
        let (grouping, text) = &self.groups[group.0 as usize];
        (*grouping, text)
    }

    /// Number of open cells.
    pub fn len(&self) -> usize {
        self.open_cells
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open_cells == 0
    }

    /// Adds what happened at `ts_ms` to each of the groups.
    pub fn add(&mut self, ts_ms: i64, groups: &[Group], flow: &Flow) {
        let number = hour_of(ts_ms);
        if number < self.sealed_to {
            for group in groups {
                self.late.entry((number, *group)).or_default().add(flow);
            }
            return;
        }
        let hour = self.hours.entry(number).or_default();
        let before = hour.cells.len();
        for group in groups {
            let at = hour.place(*group);
            let cell = &mut hour.cells[at];
            cell.flow.add(flow);
            if !cell.changed {
                cell.changed = true;
                self.changed.push((number, *group));
            }
        }
        self.open_cells += hour.cells.len() - before;
    }

    /// About how many bytes the rows and states of what changed will have.
    pub fn changed_bytes(&self) -> usize {
        (self.changed.len() + self.late.len()) * CELL_BYTES
    }

    /// The cells that changed since the last call, in order.
    pub fn take_changed(&mut self) -> Vec<(CellKey, Flow)> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        let mut cells = Vec::with_capacity(changed.len());
        for (number, group) in changed {
            let Some(hour) = self.hours.get_mut(&number) else { continue };
            let Some(at) = hour.find(group) else { continue };
            hour.cells[at].changed = false;
            cells.push(((number, group), hour.cells[at].flow));
        }
        cells
    }

    /// What came for sealed hours since the last call, in order.
    pub fn take_late(&mut self) -> BTreeMap<CellKey, Flow> {
        std::mem::take(&mut self.late)
    }

    /// Seals every hour that ended `seal_after_ms` before `complete_to_ms`, and the oldest while too many cells are open.
    /// Returns the cells that a state record holds. Their last rows must have been taken ([`Self::take_changed`]) before.
    pub fn seal(&mut self, complete_to_ms: i64, seal_after_ms: i64) -> Vec<CellKey> {
        self.sealed_to = self.sealed_to.max(hour_of(complete_to_ms.saturating_sub(seal_after_ms)));
        let mut stored = Vec::new();
        while let Some(oldest) = self.hours.first_entry()
            && (*oldest.key() < self.sealed_to || self.open_cells > OPEN_CELLS_MAX)
        {
            let (number, hour) = oldest.remove_entry();
            self.sealed_to = self.sealed_to.max(number + 1);
            self.open_cells -= hour.cells.len();
            let held = hour.cells.iter().filter(|cell| cell.stored);
            stored.extend(held.map(|cell| (number, cell.group)));
        }
        stored
    }

    /// Whether an hour is open; its cell is then held by a state record from now on.
    pub fn store(&mut self, (number, group): CellKey) -> bool {
        let Some(hour) = self.hours.get_mut(&number) else { return false };
        if let Some(at) = hour.find(group) {
            hour.cells[at].stored = true;
        }
        true
    }

    /// Puts a cell back that a state record held.
    pub fn restore(&mut self, (number, group): CellKey, flow: Flow) {
        let hour = self.hours.entry(number).or_default();
        let before = hour.cells.len();
        let at = hour.place(group);
        hour.cells[at] = Cell { group, flow, changed: false, stored: true };
        self.open_cells += hour.cells.len() - before;
    }

    /// Removes a cell whose state record was deleted: its whole hour was sealed.
    pub fn forget(&mut self, number: i64) {
        if let Some(hour) = self.hours.remove(&number) {
            self.open_cells -= hour.cells.len();
        }
    }
}

/// When an hour begins, milliseconds.
pub fn hour_begins_ms(number: i64) -> i64 {
    number.saturating_mul(HOUR_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(n: u64) -> Flow {
        Flow { orders: n, ..Flow::default() }
    }

    /// Hour, group, orders.
    fn changed(segments: &mut Segments) -> Vec<(i64, Group, u64)> {
        let changed = segments.take_changed();
        changed.into_iter().map(|((hour, group), flow)| (hour, group, flow.orders)).collect()
    }

    #[test]
    fn a_text_is_another_group_in_another_grouping() {
        let mut segments = Segments::default();
        let [north, other, none] =
            [(Grouping::Region, "north"), (Grouping::Owner, "north"), (Grouping::Region, "")]
                .map(|(grouping, text)| segments.group(grouping, text));
        assert!(north != other && north != none && none != segments.all());
        assert_eq!(segments.group(Grouping::Region, "north"), north);
        assert_eq!(segments.named(other), (Grouping::Owner, "north"));
    }

    #[test]
    fn an_open_hour_is_told_whole_and_a_sealed_one_by_what_came() {
        let mut segments = Segments::default();
        let (all, north) = (segments.all(), segments.group(Grouping::Region, "north"));
        segments.add(5 * HOUR_MS, &[all, north], &orders(1));
        segments.add(6 * HOUR_MS, &[all], &orders(2));
        assert_eq!(changed(&mut segments), [(5, all, 1), (5, north, 1), (6, all, 2)]);
        assert!([(5, all), (5, north), (6, all)].iter().all(|cell| segments.store(*cell)));
        segments.add(6 * HOUR_MS - 1, &[north], &orders(3));
        assert_eq!(changed(&mut segments), [(5, north, 4)]);
        // the hour is over, but not for as long as is to be waited
        assert!(segments.seal(6 * HOUR_MS + 6, 7).is_empty());
        assert_eq!(segments.seal(6 * HOUR_MS + 7, 7), [(5, all), (5, north)]);
        assert!(!segments.store((5, north)));
        assert_eq!((segments.len(), segments.sealed_to), (1, 6));
        segments.add(5 * HOUR_MS, &[all], &orders(8));
        segments.add(5 * HOUR_MS, &[all], &orders(9));
        assert_eq!(segments.take_late().into_iter().collect::<Vec<_>>(), [((5, all), orders(17))]);
        assert!(segments.take_late().is_empty() && segments.take_changed().is_empty());
        // time that steps back opens nothing
        assert!(segments.seal(0, 7).is_empty());
        assert_eq!(segments.sealed_to, 6);
    }

    #[test]
    fn what_a_state_record_held_goes_on() {
        let mut segments = Segments::default();
        let all = segments.all();
        segments.restore((7, all), orders(4));
        segments.restore((8, all), orders(5));
        segments.forget(8);
        assert!(segments.take_changed().is_empty());
        segments.add(7 * HOUR_MS, &[all], &orders(1));
        assert_eq!(changed(&mut segments), [(7, all, 5)]);
        assert_eq!((segments.len(), segments.seal(9 * HOUR_MS, 0)), (1, vec![(7, all)]));
    }

    #[test]
    fn too_many_open_cells_seal_the_oldest_hours() {
        let mut segments = Segments::default();
        let all = segments.all();
        let hours = OPEN_CELLS_MAX as i64 + 3;
        (0..hours).for_each(|hour| segments.add(hour * HOUR_MS, &[all], &orders(1)));
        assert!(segments.seal(0, 0).is_empty(), "no record held them");
        assert_eq!((segments.len(), segments.sealed_to), (OPEN_CELLS_MAX, 3));
    }
}
