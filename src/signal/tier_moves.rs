//! Which tier and class a customer belongs to under given cut-offs, with a value band and a dwell time.
//!
//! # Definition
//! `s` is the logarithm of the customer's value (as in `tiers`), a cut-off `c` the value its bucket stands for.
//! - A better tier is wanted as soon as `value >= c`; it is given up only when `value < c (1 - band)`, the band being 5 %.
//!   A customer who has no tier yet is judged without the band.
//! - A value of zero or less is always lead, C, and not key.
//! - The wanted tier becomes the tier once it has been wanted for the dwell time (7 days), without interruption and
//!   without change. The first tier is taken at once.
//!
//! Between events `s` is constant, so only an event, a new version of the cut-offs, or the end of the dwell time can
//! change anything. Band and dwell time are expert priors.

use serde::{Deserialize, Serialize};

use super::DAY_MS;
use super::tiers::{BAND, Bucket, Cuts};

/// How long a tier must be wanted before the customer moves, by default.
pub const DWELL_MS: i64 = 7 * DAY_MS;

/// Tiers by value. Numbers are stored and are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Tier {
    /// The least valuable fifth.
    Lead = 1,
    /// In between.
    Iron = 2,
    /// The most valuable fifth.
    Gold = 3,
}

impl Tier {
    /// All tiers, the least valuable first.
    pub const ALL: [Self; 3] = [Self::Lead, Self::Iron, Self::Gold];

    /// The stored number; 0 is left for "none".
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The tier of a stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.number() == number)
    }

    /// The name in tables and definitions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Iron => "iron",
            Self::Gold => "gold",
        }
    }
}

/// Classes by share of sales. Numbers are stored and are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Abc {
    /// The rest.
    C = 1,
    /// The next share, to 95 % of sales by default.
    B = 2,
    /// The smallest set of customers with 85 % of sales by default.
    A = 3,
}

impl Abc {
    /// All classes, the least valuable first.
    pub const ALL: [Self; 3] = [Self::C, Self::B, Self::A];

    /// The stored number; 0 is left for "none".
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The class of a stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.number() == number)
    }

    /// The name in tables and definitions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::C => "C",
            Self::B => "B",
            Self::A => "A",
        }
    }
}

/// Where a customer stands by value, or where its value wants it to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The tier.
    pub tier: Tier,
    /// The class.
    pub abc: Abc,
    /// Whether it is a key customer by value. A flag of a contract is the caller's to add.
    pub key: bool,
}

/// The place a value of logarithm `s` wants under `cuts`, given the place before it.
#[must_use]
pub fn wanted(before: Option<Place>, s: f64, cuts: &Cuts) -> Place {
    let reaches = |cut: Bucket, held: bool| {
        let band = if held { libm::log1p(-BAND) } else { 0.0 };
        s > f64::NEG_INFINITY && s >= cut.ln_value() + band
    };
    // The highest of two rising cut-offs that is reached, the ones below it held with it.
    let step = |cuts: [Bucket; 2], held: usize| {
        let upper = reaches(cuts[1], held >= 2);
        if upper { 2 } else { usize::from(reaches(cuts[0], held >= 1)) }
    };
    let held_tier = before.map_or(0, |place| usize::from(place.tier.number() - 1));
    let held_abc = before.map_or(0, |place| usize::from(place.abc.number() - 1));
    Place {
        tier: Tier::ALL[step([cuts.iron, cuts.gold], held_tier)],
        abc: Abc::ALL[step([cuts.b, cuts.a], held_abc)],
        key: reaches(cuts.key, before.is_some_and(|place| place.key)),
    }
}

/// A move that is waiting for its dwell time to end: what is wanted and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The place wanted.
    pub to: Place,
    /// Since when it has been wanted, without change.
    pub since_ms: i64,
}

/// What to do about a customer's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The place stands; nothing waits.
    Keep,
    /// The place stands; the move waits, and is due at `due_ms` (look again then).
    Wait {
        /// What to remember.
        waiting: Waiting,
        /// When the move happens if nothing changes.
        due_ms: i64,
    },
    /// The customer moves now.
    Move {
        /// The new place.
        to: Place,
    },
}

/// Decides about a customer who stands at `now` and wants `wanted` at the moment `tau_ms`.
///
/// `waiting` is what the last decision left. A wanted place other than the waiting one begins its own dwell time;
/// wanting what one has ends the wait. Asking again at the same moment gives the same answer.
#[must_use]
pub fn decide(
    now: Option<Place>,
    waiting: Option<Waiting>,
    wanted: Place,
    tau_ms: i64,
    dwell_ms: i64,
) -> Decision {
    let Some(now) = now else {
        return Decision::Move { to: wanted };
    };
    if now == wanted {
        return Decision::Keep;
    }
    let since_ms = waiting.filter(|w| w.to == wanted).map_or(tau_ms, |w| w.since_ms);
    let due_ms = since_ms.saturating_add(dwell_ms.max(0));
    if tau_ms >= due_ms {
        Decision::Move { to: wanted }
    } else {
        Decision::Wait { waiting: Waiting { to: wanted, since_ms }, due_ms }
    }
}
