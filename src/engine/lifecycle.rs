//! The lifecycle as a trajectory: stepped by purchases and by dues, and the moment of the next due.

use super::compact::Moment;
use super::context::{Context, LIFECYCLE_HORIZON_D};
use super::profile::Profile;
use crate::model::time::NEVER_MS;
use crate::signal::days;
use crate::signal::lifecycle::{Step, next, next_edge};

/// `p_silent` over the lifecycle's horizon at `tau_ms`; `None` before the first purchase.
pub fn p_silent(cx: &Context, profile: &Profile, tau_ms: i64) -> Option<f64> {
    let (first_ms, history) = profile.purchases.as_ref()?.history()?;
    let age_d = days(tau_ms - first_ms).max(history.t_x_d);
    Some(cx.model.p_silent_rising(history, age_d, LIFECYCLE_HORIZON_D))
}

/// Steps the state at `tau_ms`. Returns whether it changed.
pub fn step(cx: &Context, profile: &mut Profile, tau_ms: i64, step: Step) -> bool {
    let x = profile.purchases.as_ref().and_then(|p| p.x());
    let before = profile.lifecycle();
    let p = p_silent(cx, profile, tau_ms).unwrap_or(1.0);
    let after = next(before, p, x, step, &cx.bands);
    if after == before {
        return false;
    }
    profile.lifecycle = after.number();
    profile.lifecycle_since = Moment::new(tau_ms);
    true
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
