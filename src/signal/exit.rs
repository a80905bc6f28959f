//! When does a number that moves by itself leave a window? By bounding it on an interval and halving the interval.
//!
//! For numbers that are neither monotone nor invertible, but of which bounds are known on every interval, tight where the
//! interval is short. An interval whose bounds lie in the window holds no exit; any other is halved, the left half
//! first, down to a second. Within that second the ends decide, so an excursion that begins and ends between them is
//! not seen; everything longer is.
//!
//! Two questions: [`not_before`] is cheap and says until when nothing can happen: for use after every event.
//! [`first_exit`] is exact: for use when the moment named by the first has come.

/// Intervals of this length are not halved any further.
pub const RESOLUTION_MS: i64 = 1000;
/// Evaluations of one exact search at most. Searches of ordinary profiles take under a hundred; when the number stays
/// beside an edge for days it can take more, and then the search ends early with [`Exit::NotBefore`].
pub const EVALUATIONS_MAX: u32 = 2_000;
/// The future that is looked at: 1,000 years of 365.25 days. Nothing that decays is left then.
pub const FAR_MS: i64 = 365_250 * super::DAY_MS;
/// Where the doubling of horizons begins.
const FIRST_MS: i64 = 16 * super::DAY_MS;

/// The values within which nothing happens: from `low` on and below `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// The smallest value inside.
    pub low: f64,
    /// The smallest value above the window.
    pub high: f64,
}

impl Window {
    /// The window round `value` between the nearest of `edges`, each of which is crossed by `value >= edge`.
    #[must_use]
    pub fn around(value: f64, edges: &[f64]) -> Self {
        let mut window = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };
        for edge in edges {
            if value >= *edge {
                window.low = window.low.max(*edge);
            } else {
                window.high = window.high.min(*edge);
            }
        }
        window
    }

    /// The part that lies in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    /// Whether `value` is inside.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        self.low <= value && value < self.high
    }
}

impl From<super::levels::Limits> for Window {
    fn from(limits: super::levels::Limits) -> Self {
        Self {
            low: limits.leaves_below.unwrap_or(f64::NEG_INFINITY),
            high: limits.rises_from.unwrap_or(f64::INFINITY),
        }
    }
}

/// What a search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The window is left at this moment (the first millisecond outside); inside until then.
    At {
        /// The moment.
        at_ms: i64,
    },
    /// The window is not left before this moment; nothing is said about it and later. Look again then.
    NotBefore {
        /// The moment; later than the beginning of the search.
        at_ms: i64,
    },
    /// The window is not left within [`FAR_MS`].
    Never,
}

/// The answer and what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The answer.
    pub exit: Exit,
    /// How often the number was evaluated.
    pub evaluations: u32,
}

/// The number at one moment, with what bounds are computed from.
struct Sample<P> {
    at_ms: i64,
    value: f64,
    parts: P,
}

struct Search<P, F, B> {
    window: Window,
    value_at: F,
    bounds: B,
    evaluations: u32,
    parts: std::marker::PhantomData<P>,
}

impl<P, F: Fn(i64) -> (f64, P), B: Fn(&P, &P) -> (f64, f64)> Search<P, F, B> {
    fn sample(&mut self, at_ms: i64) -> Sample<P> {
        self.evaluations += 1;
        let (value, parts) = (self.value_at)(at_ms);
        Sample { at_ms, value, parts }
    }

    /// Whether the window certainly holds from one moment to another, both included.
    fn holds_between(&self, left: &Sample<P>, right: &Sample<P>) -> bool {
        let (low, high) = (self.bounds)(&left.parts, &right.parts);
        let ends = self.window.holds(left.value) && self.window.holds(right.value);
        ends && self.window.holds(low) && self.window.holds(high)
    }

    /// The first millisecond outside between a moment inside and one outside, at most a second apart.
    fn refine(&mut self, inside_ms: i64, outside_ms: i64) -> i64 {
        let (mut inside_ms, mut outside_ms) = (inside_ms, outside_ms);
        while outside_ms - inside_ms > 1 {
            let middle_ms = inside_ms + (outside_ms - inside_ms) / 2;
            let value = self.sample(middle_ms).value;
            if self.window.holds(value) { inside_ms = middle_ms } else { outside_ms = middle_ms }
        }
        outside_ms
    }

    /// The first exit after `left` up to `right`; `Err` with the sample at `right` if there is none.
    fn within(&mut self, left: Sample<P>, right: Sample<P>) -> Result<Exit, Sample<P>> {
        let mut left = left;
        let mut rights = vec![right];
        while let Some(right) = rights.pop() {
            if self.holds_between(&left, &right) {
                left = right;
            } else if right.at_ms - left.at_ms <= RESOLUTION_MS {
                if !self.window.holds(right.value) {
                    return Ok(Exit::At { at_ms: self.refine(left.at_ms, right.at_ms) });
                }
                left = right;
            } else if self.evaluations >= EVALUATIONS_MAX {
                return Ok(Exit::NotBefore { at_ms: left.at_ms.saturating_add(1) });
            } else {
                let middle = self.sample(left.at_ms + (right.at_ms - left.at_ms) / 2);
                rights.push(right);
                rights.push(middle);
            }
        }
        Err(left)
    }
}

fn search<P, F: Fn(i64) -> (f64, P), B: Fn(&P, &P) -> (f64, f64)>(
    window: Window,
    value_at: F,
    bounds: B,
) -> Search<P, F, B> {
    Search { window, value_at, bounds, evaluations: 0, parts: std::marker::PhantomData }
}

/// The first moment after `from_ms` at which the number is outside `window`, looking no further than `until_ms`.
///
/// `value_at` gives the number at a moment, with what `bounds` needs: `bounds` of the parts at two moments contain all
/// values between them, both included, and close in on them as the moments close in on each other.
/// If the number is outside at `from_ms` already, that is the answer.
pub fn first_exit<P>(
    window: Window,
    from_ms: i64,
    until_ms: i64,
    value_at: impl Fn(i64) -> (f64, P),
    bounds: impl Fn(&P, &P) -> (f64, f64),
) -> Found {
    let mut search = search(window, value_at, bounds);
    let mut left = search.sample(from_ms);
    if !window.holds(left.value) {
        return Found { exit: Exit::At { at_ms: from_ms }, evaluations: 1 };
    }
    let far_ms = from_ms.saturating_add(FAR_MS);
    let end_ms = until_ms.min(far_ms);
    let mut step_ms = FIRST_MS;
    while left.at_ms < end_ms {
        let right = search.sample(from_ms.saturating_add(step_ms).min(end_ms));
        left = match search.within(left, right) {
            Ok(exit) => return Found { exit, evaluations: search.evaluations },
            Err(right) => right,
        };
        step_ms = step_ms.saturating_mul(2);
    }
    let exit = if until_ms >= far_ms {
        Exit::Never
    } else {
        Exit::NotBefore { at_ms: until_ms.max(from_ms.saturating_add(1)) }
    };
    Found { exit, evaluations: search.evaluations }
}

/// A moment before which the number certainly stays in `window`, in few evaluations: the longest of the horizons 16
/// days times a power of two whose bounds hold. The answer is [`Exit::NotBefore`] or [`Exit::Never`], and
/// [`Exit::At`] only if the number is outside at `from_ms` already. Arguments as for [`first_exit`].
pub fn not_before<P>(
    window: Window,
    from_ms: i64,
    value_at: impl Fn(i64) -> (f64, P),
    bounds: impl Fn(&P, &P) -> (f64, f64),
) -> Found {
    let mut search = search(window, value_at, bounds);
    let start = search.sample(from_ms);
    if !window.holds(start.value) {
        return Found { exit: Exit::At { at_ms: from_ms }, evaluations: 1 };
    }
    let mut step_ms = FIRST_MS;
    let mut held_ms = 0;
    loop {
        let right = search.sample(from_ms.saturating_add(step_ms));
        let holds = search.holds_between(&start, &right);
        if holds && step_ms >= FAR_MS {
            return Found { exit: Exit::Never, evaluations: search.evaluations };
        }
        if holds {
            held_ms = step_ms;
            if step_ms < FIRST_MS {
                break;
            }
            step_ms = step_ms.saturating_mul(2).min(FAR_MS);
        } else if held_ms > 0 || step_ms <= RESOLUTION_MS {
            break;
        } else {
            step_ms /= 2;
        }
    }
    let at_ms = from_ms.saturating_add(held_ms).saturating_add(1);
    Found { exit: Exit::NotBefore { at_ms }, evaluations: search.evaluations }
}
