//! The lifecycle as a trajectory: stepped by purchases and by dues, and the moment of the next due.

use super::compact::Moment;
use super::context::{Context, LIFECYCLE_HORIZON_D};
use super::profile::Profile;
use crate::model::time::NEVER_MS;
use crate::signal::days;
use crate::signal::lifecycle::{Lifecycle, Step, next, next_edge};

/// `p_silent` over the lifecycle's horizon at `tau_ms`; `None` before the first purchase.
pub fn p_silent(cx: &Context, profile: &Profile, tau_ms: i64) -> Option<f64> {
    let (first_ms, history) = profile.purchases.as_ref()?.history()?;
    let age_d = days(tau_ms - first_ms).max(history.t_x_d);
    Some(cx.model.p_silent_rising(history, age_d, LIFECYCLE_HORIZON_D))
}

/// The state at `tau_ms`; `None` when it stays what it is.
pub fn moves_to(cx: &Context, profile: &Profile, tau_ms: i64, step: Step) -> Option<Lifecycle> {
    let x = profile.purchases.as_ref().and_then(|p| p.x());
    let before = profile.lifecycle();
    let p = p_silent(cx, profile, tau_ms).unwrap_or(1.0);
    let after = next(before, p, x, step, &cx.bands);
    (after != before).then_some(after)
}

/// Steps the state at `tau_ms`. Returns whether it changed.
pub fn step(cx: &Context, profile: &mut Profile, tau_ms: i64, step: Step) -> bool {
    let Some(after) = moves_to(cx, profile, tau_ms, step) else {
        return false;
    };
    enter(profile, after, tau_ms);
    true
}

/// Begins a state at `tau_ms`.
pub fn enter(profile: &mut Profile, state: Lifecycle, tau_ms: i64) {
    profile.lifecycle = state.number();
    profile.lifecycle_since = Moment::new(tau_ms);
}

/// When time alone next changes the state: the first millisecond at or after the next edge, but strictly after
/// `profile.as_of_ms`. [`NEVER_MS`] when it never does.
pub fn due_ms(cx: &Context, profile: &Profile) -> i64 {
    let Some(edge) = next_edge(profile.lifecycle(), &cx.bands) else {
        return NEVER_MS;
    };
    let Some((first_ms, history)) = profile.purchases.as_ref().and_then(|p| p.history()) else {
        return NEVER_MS;
    };
    let curve = cx.model.curve(history, LIFECYCLE_HORIZON_D);
    curve.p_silent_due_ms(first_ms, profile.as_of_ms + 1, edge).unwrap_or(NEVER_MS)
}
