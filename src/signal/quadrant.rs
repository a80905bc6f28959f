//! Loyalty beside satisfaction: apostles, hostages, mercenaries, defectors.
//!
//! Source: Jones and Sasser, "Why satisfied customers defect", Harvard Business Review 1995. The edges are expert priors.

/// Loyalty from which on a customer counts as loyal, 0 to 100.
pub const LOYAL_FROM: f64 = 60.0;
/// Satisfaction from which on a customer counts as satisfied, [0, 1].
pub const SATISFIED_FROM: f64 = 0.75;
/// Effective number of ratings needed to say anything.
pub const RATINGS_MIN: f64 = 1.0;

/// Where a customer stands. Numbers are stored and are stable; 0 is left for "not known".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Quadrant {
    /// Loyal and satisfied.
    Apostle = 1,
    /// Loyal and not satisfied: stays for want of a choice.
    Hostage = 2,
    /// Satisfied and not loyal: buys where it is cheapest.
    Mercenary = 3,
    /// Neither.
    Defector = 4,
}

impl Quadrant {
    /// All quadrants, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Apostle, Self::Hostage, Self::Mercenary, Self::Defector];

    /// The stored number.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The quadrant of a stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|quadrant| quadrant.number() == number)
    }

    /// The name in tables and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Apostle => "apostle",
            Self::Hostage => "hostage",
            Self::Mercenary => "mercenary",
            Self::Defector => "defector",
        }
    }
}

/// A customer who rates 4 of 5 throughout has the edge itself: the last bit must not decide.
const ROUNDING: f64 = 1e-9;

/// Satisfaction from which on a number counts as [`SATISFIED_FROM`].
pub const SATISFIED_EDGE: f64 = SATISFIED_FROM - ROUNDING;

/// The quadrant of `loyalty` (0 to 100) and `csat` ([0, 1]). `None` if either is not known or is no number, and if fewer
/// than [`RATINGS_MIN`] effective ratings stand behind the satisfaction: then it is the population's, not the customer's.
#[must_use]
pub fn quadrant(loyalty: Option<f64>, csat: Option<f64>, csat_n: f64) -> Option<Quadrant> {
    let (loyalty, csat) = (loyalty?, csat?);
    if loyalty.is_nan() || csat.is_nan() || csat_n.is_nan() || csat_n < RATINGS_MIN {
        return None;
    }
    Some(match (loyalty >= LOYAL_FROM, csat >= SATISFIED_EDGE) {
        (true, true) => Quadrant::Apostle,
        (true, false) => Quadrant::Hostage,
        (false, true) => Quadrant::Mercenary,
        (false, false) => Quadrant::Defector,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_customers() {
        let at = |loyalty, csat| quadrant(Some(loyalty), Some(csat), 3.0);
        assert_eq!(at(60.0, 0.75), Some(Quadrant::Apostle));
        assert_eq!(at(90.0, 0.74), Some(Quadrant::Hostage));
        assert_eq!(at(59.9, 0.9), Some(Quadrant::Mercenary));
        assert_eq!(at(10.0, 0.1), Some(Quadrant::Defector));
    }

    #[test]
    fn unknown_is_no_quadrant() {
        assert_eq!(quadrant(None, Some(0.9), 3.0), None);
        assert_eq!(quadrant(Some(70.0), None, 3.0), None);
        assert_eq!(quadrant(Some(70.0), Some(0.9), 0.99), None);
        assert_eq!(quadrant(Some(f64::NAN), Some(0.9), 3.0), None);
        assert_eq!(quadrant(Some(70.0), Some(0.9), f64::NAN), None);
    }

    #[test]
    fn numbers_are_stable() {
        let all: Vec<_> = Quadrant::ALL.iter().map(|q| (q.number(), q.name())).collect();
        assert_eq!(all, [(1, "apostle"), (2, "hostage"), (3, "mercenary"), (4, "defector")]);
        assert_eq!(Quadrant::from_number(0), None);
        assert_eq!(Quadrant::from_number(4), Some(Quadrant::Defector));
    }
}
