//! Levels of a number that goes up and down: edges with memory, so that a value at an edge does not flicker.
//!
//! A level is entered from below as soon as `value >= edge`; it is left downwards only when
//! `value < edge - hysteresis`, the edge being the one it was entered by. Without a level before, the value alone decides.

/// Rising edges, and how far below an edge the level above it still holds. `N` edges make `N + 1` levels, 0 the lowest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels<const N: usize> {
    /// The edges, rising.
    pub edges: [f64; N],
    /// Subtracted from an edge on the way down; 0 or more.
    pub hysteresis: f64,
}

/// The values at which a level ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Below this the level is given up; `None` for the lowest.
    pub leaves_below: Option<f64>,
    /// From this on a higher level begins; `None` for the highest.
    pub rises_from: Option<f64>,
}

impl<const N: usize> Levels<N> {
    /// Whether the edges are numbers that rise within `(low, high)`, and every one can still be left downwards.
    #[must_use]
    pub fn are_ordered(&self, low: f64, high: f64) -> bool {
        let inside = self.edges.iter().all(|edge| low < *edge && *edge < high);
        let rising = self.edges.windows(2).all(|pair| pair[0] < pair[1]);
        let leavable = self.edges.iter().all(|edge| edge - self.hysteresis > low);
        inside && rising && self.hysteresis >= 0.0 && leavable
    }

    /// The level of `value`, given the level before.
    #[must_use]
    pub fn next(&self, before: Option<usize>, value: f64) -> usize {
        let plain = self.edges.iter().filter(|edge| value >= **edge).count();
        let mut level = before.unwrap_or(plain).min(N).max(plain);
        while level > plain && value < self.edges[level - 1] - self.hysteresis {
            level -= 1;
        }
        level
    }

    /// Where `level` ends on both sides: between two such crossings the level cannot change.
    #[must_use]
    pub fn limits(&self, level: usize) -> Limits {
        let below = level.min(N).checked_sub(1);
        Limits {
            leaves_below: below.map(|edge| self.edges[edge] - self.hysteresis),
            rises_from: self.edges.get(level).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: Levels<3> = Levels { edges: [0.4, 0.6, 0.8], hysteresis: 0.05 };

    #[test]
    fn table_of_levels() {
        let cases = [
            (None, 0.39, 0),
            (None, 0.4, 1),
            (None, 0.9, 3),
            (Some(0), 0.6, 2),
            (Some(2), 0.56, 2),
            (Some(2), 0.54, 1),
            (Some(3), 0.54, 1),
            (Some(3), 0.76, 3),
            (Some(3), 0.1, 0),
            (Some(1), 0.36, 1),
            (Some(9), 0.9, 3),
        ];
        for (before, value, expected) in cases {
            assert_eq!(LEVELS.next(before, value), expected, "{before:?} {value}");
        }
    }

    #[test]
    fn a_level_holds_exactly_within_its_limits() {
        for level in 0..=3 {
            let limits = LEVELS.limits(level);
            for i in 0..=1000 {
                let value = f64::from(i) / 1000.0;
                let inside = limits.leaves_below.is_none_or(|low| value >= low)
                    && limits.rises_from.is_none_or(|high| value < high);
                assert_eq!(LEVELS.next(Some(level), value) == level, inside, "{level} {value}");
                let next = LEVELS.next(Some(level), value);
                assert_eq!(LEVELS.next(Some(next), value), next);
            }
        }
    }

    #[test]
    fn edges_are_checked() {
        assert!(LEVELS.are_ordered(0.0, 1.0));
        assert!(!Levels { edges: [0.4, 0.4], hysteresis: 0.0 }.are_ordered(0.0, 1.0));
        assert!(!Levels { edges: [0.4, 1.0], hysteresis: 0.0 }.are_ordered(0.0, 1.0));
        assert!(!Levels { edges: [0.05], hysteresis: 0.05 }.are_ordered(0.0, 1.0));
        assert!(!Levels { edges: [f64::NAN], hysteresis: 0.05 }.are_ordered(0.0, 1.0));
    }
}
