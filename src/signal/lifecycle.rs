//! Where a customer stands, from the probability of silence: bands with hysteresis, new customers, won-back ones.
//!
//! # Definition
//! `p` is p_silent over 90 days, `x` the repeat purchases, and the **band** of `p` is active below `slipping`,
//! slipping below `dormant`, dormant below `lost`, lost from there on.
//! - No purchase: **prospect**.
//! - `x = 0` and `p < dormant`: **new**. `x = 0` beyond that: dormant or lost, as the band says.
//! - Else the band, with memory: a worse band is entered as soon as `p >= edge`; a band is left for a better one only
//!   when `p < edge - hysteresis`, the edge being the one it was entered by. Prospect, new and won back carry no band,
//!   so from them the band of `p` is taken as it is.
//! - A purchase while dormant or lost, on a day after all purchases before it: **won back**, if `p < dormant` after it;
//!   otherwise the purchase has not changed the expectation and the band stands (with memory).
//!   Won back lasts until `p >= dormant`, or until a purchase on a later day, then the band.
//!
//! Between purchases `p` only rises, so the state can only change at the one threshold [`next_edge`] names.
//! Asking again at the same moment changes nothing.

/// The states. Numbers are stored and are stable; 0 is the state before everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Lifecycle {
    /// Known, but has not bought.
    Prospect = 0,
    /// Bought on one day only, and not silent for too long.
    New = 1,
    /// Likely to buy within the horizon.
    Active = 2,
    /// More likely silent than not.
    Slipping = 3,
    /// Probably silent.
    Dormant = 4,
    /// Almost surely silent.
    Lost = 5,
    /// Was dormant or lost and bought again.
    WonBack = 6,
}

impl Lifecycle {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Prospect,
        Self::New,
        Self::Active,
        Self::Slipping,
        Self::Dormant,
        Self::Lost,
        Self::WonBack,
    ];

    /// The stored number.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The state of a stored number; `None` for numbers that never were one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The name in tables and definitions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prospect => "prospect",
            Self::New => "new",
            Self::Active => "active",
            Self::Slipping => "slipping",
            Self::Dormant => "dormant",
            Self::Lost => "lost",
            Self::WonBack => "won_back",
        }
    }

    /// Which band this state is, counted from the best; `None` for the states without one.
    fn band(self) -> Option<usize> {
        match self {
            Self::Active => Some(0),
            Self::Slipping => Some(1),
            Self::Dormant => Some(2),
            Self::Lost => Some(3),
            Self::Prospect | Self::New | Self::WonBack => None,
        }
    }
}

/// The edges of the bands in p_silent, rising, and how far `p` must fall below an edge to leave the band above it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bands {
    /// From here on slipping.
    pub slipping: f64,
    /// From here on dormant.
    pub dormant: f64,
    /// From here on lost.
    pub lost: f64,
    /// Subtracted from an edge on the way back.
    pub hysteresis: f64,
}

impl Default for Bands {
    fn default() -> Self {
        Self { slipping: 0.5, dormant: 0.8, lost: 0.95, hysteresis: 0.05 }
    }
}

impl Bands {
    const STATES: [Lifecycle; 4] =
        [Lifecycle::Active, Lifecycle::Slipping, Lifecycle::Dormant, Lifecycle::Lost];

    /// Whether the edges are probabilities that rise, and the hysteresis is not negative and leaves the first edge
    /// reachable from above.
    #[must_use]
    pub fn are_ordered(&self) -> bool {
        let rising = 0.0 < self.slipping
            && self.slipping < self.dormant
            && self.dormant < self.lost
            && self.lost < 1.0;
        rising && self.hysteresis >= 0.0 && self.hysteresis < self.slipping
    }

    fn edges(&self) -> [f64; 3] {
        [self.slipping, self.dormant, self.lost]
    }

    /// The band of `p`, given the band before it if there was one.
    fn band_of(&self, before: Option<usize>, p: f64) -> Lifecycle {
        let edges = self.edges();
        let plain = edges.iter().filter(|edge| p >= **edge).count();
        let mut band = before.unwrap_or(plain).max(plain);
        while band > plain && p < edges[band - 1] - self.hysteresis {
            band -= 1;
        }
        Self::STATES[band]
    }
}

/// What happened since the state was last determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Time passed, or something that is no new purchase day: a further purchase on a known day, a late one on a day
    /// before the last, a refund, a correction.
    Time,
    /// The first purchase, or one on a day after all days before it.
    Bought,
}

/// The state after `step`, as the definition at the top of this file says.
///
/// `p_silent` is that after the step, `x` the repeat purchases after it, `None` before the first purchase.
#[must_use]
pub fn next(
    prev: Lifecycle,
    p_silent: f64,
    x: Option<u32>,
    step: Step,
    bands: &Bands,
) -> Lifecycle {
    let Some(x) = x else {
        return Lifecycle::Prospect;
    };
    let back = p_silent < bands.dormant;
    match (prev, step) {
        (Lifecycle::Dormant | Lifecycle::Lost, Step::Bought) if back => return Lifecycle::WonBack,
        (Lifecycle::WonBack, Step::Time) if back => return Lifecycle::WonBack,
        _ => {}
    }
    let band = bands.band_of(prev.band(), p_silent);
    if x == 0 && matches!(band, Lifecycle::Active | Lifecycle::Slipping) {
        Lifecycle::New
    } else {
        band
    }
}

/// The threshold of p_silent whose crossing, by time alone, is the next change of state. `None` if there is none.
#[must_use]
pub fn next_edge(state: Lifecycle, bands: &Bands) -> Option<f64> {
    match state {
        Lifecycle::Active => Some(bands.slipping),
        Lifecycle::New | Lifecycle::Slipping | Lifecycle::WonBack => Some(bands.dormant),
        Lifecycle::Dormant => Some(bands.lost),
        Lifecycle::Prospect | Lifecycle::Lost => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Lifecycle::{Active, Dormant, Lost, New, Prospect, Slipping, WonBack};
    use super::*;

    #[test]
    fn table_of_transitions() {
        use Step::{Bought, Time};
        let cases = [
            (Prospect, 0.0, None, Time, Prospect),
            (Prospect, 0.7, Some(0), Bought, New),
            (Prospect, 0.85, Some(0), Bought, Dormant),
            (Prospect, 0.6, Some(4), Time, Slipping),
            (New, 0.799, Some(0), Time, New),
            (New, 0.8, Some(0), Time, Dormant),
            (New, 0.95, Some(0), Time, Lost),
            (New, 0.48, Some(1), Bought, Active),
            (New, 0.6, Some(1), Bought, Slipping),
            (Active, 0.5, Some(3), Time, Slipping),
            (Active, 0.96, Some(3), Time, Lost),
            (Slipping, 0.45, Some(3), Bought, Slipping),
            (Slipping, 0.449, Some(3), Bought, Active),
            (Dormant, 0.76, Some(3), Time, Dormant),
            (Dormant, 0.74, Some(3), Time, Slipping),
            (Dormant, 0.74, Some(0), Time, New),
            (Lost, 0.91, Some(3), Time, Lost),
            (Lost, 0.89, Some(3), Time, Dormant),
            (Lost, 0.2, Some(3), Time, Active),
            (Dormant, 0.79, Some(3), Bought, WonBack),
            (Lost, 0.3, Some(3), Bought, WonBack),
            (Lost, 0.85, Some(1), Bought, Dormant),
            (Lost, 0.92, Some(1), Bought, Lost),
            (WonBack, 0.79, Some(3), Time, WonBack),
            (WonBack, 0.8, Some(3), Time, Dormant),
            (WonBack, 0.47, Some(4), Bought, Active),
            (WonBack, 0.7, Some(4), Bought, Slipping),
        ];
        for (prev, p, x, step, expected) in cases {
            let got = next(prev, p, x, step, &Bands::default());
            assert_eq!(got, expected, "{prev:?} {p} {x:?} {step:?}");
        }
    }

    #[test]
    fn numbers_and_names_are_stable() {
        let all: Vec<_> = Lifecycle::ALL.iter().map(|s| (s.number(), s.name())).collect();
        let expected = [
            (0, "prospect"),
            (1, "new"),
            (2, "active"),
            (3, "slipping"),
            (4, "dormant"),
            (5, "lost"),
            (6, "won_back"),
        ];
        assert_eq!(all, expected);
        assert_eq!(Lifecycle::from_number(6), Some(WonBack));
        assert_eq!(Lifecycle::from_number(7), None);
    }

    #[test]
    fn asking_again_changes_nothing() {
        let bands = Bands::default();
        for prev in Lifecycle::ALL {
            for x in [None, Some(0), Some(1)] {
                for step in [Step::Time, Step::Bought] {
                    for p in (0..=1000).map(|i| f64::from(i) / 1000.0) {
                        let once = next(prev, p, x, step, &bands);
                        assert_eq!(
                            next(once, p, x, Step::Time, &bands),
                            once,
                            "{prev:?} {p} {x:?} {step:?}"
                        );
                        let edge = next_edge(once, &bands).unwrap_or(1.1);
                        assert!(p < edge, "{once:?} at {p} waits for {edge}");
                    }
                }
            }
            if prev == Prospect {
                continue;
            }
            assert_eq!(next(prev, 0.99, Some(2), Step::Time, &bands), Lost);
        }
    }

    #[test]
    fn bands_are_checked() {
        assert!(Bands::default().are_ordered());
        assert!(!Bands { lost: 1.0, ..Bands::default() }.are_ordered());
        assert!(!Bands { dormant: 0.4, ..Bands::default() }.are_ordered());
        assert!(!Bands { hysteresis: f64::NAN, ..Bands::default() }.are_ordered());
    }

    #[test]
    fn every_time_change_is_to_a_worse_state() {
        assert_eq!(
            [New, Active, Slipping, WonBack].map(|s| next(
                s,
                0.97,
                Some(1),
                Step::Time,
                &Bands::default()
            )),
            [Lost; 4]
        );
        assert_eq!(next(Dormant, 0.97, Some(1), Step::Time, &Bands::default()), Lost);
        assert_eq!(next(Slipping, 0.8, Some(1), Step::Time, &Bands::default()), Dormant);
        assert_eq!(next(Active, 0.6, Some(1), Step::Time, &Bands::default()), Slipping);
    }
}
