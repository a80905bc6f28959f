//! Visits of one customer. A visit is a distinct session id, or without one a distinct half hour; it stands at its
//! first event.

use serde::{Deserialize, Serialize};

use super::context::Context;
use crate::model::record::SourceIndex;
use crate::signal::decay::add_shared;

/// Sessions kept per source whatever their age, so that a running one is never cut by another customer's records.
pub const SESSIONS_KEPT_MIN: usize = 2;

/// A session that may still receive events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// xxh3-64 of the session id, or the number of the half hour.
    pub id: u64,
    /// By which source it came; another source's same id is another session.
    pub source: SourceIndex,
    /// Its first event.
    pub first_ms: i64,
    /// Its last event.
    pub last_ms: i64,
}

/// Everything about the web.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Web {
    /// Visits.
    pub visits: u32,
    /// Landmark of the decayed counts.
    pub sums_at_ms: i64,
    /// Visits decayed with half-lives of 7 and 60 days.
    pub sums: [f64; 2],
    /// Sessions remembered, in order of arrival.
    pub sessions: Vec<Session>,
}

/// Length of the stretch that counts as one visit when there is no session id: half an hour.
const HALF_HOUR_MS: i64 = 30 * 60 * 1_000;

/// The identity of the visit that an event belongs to.
pub fn session_of(session_id: &[u8], ts_ms: i64) -> u64 {
    if session_id.is_empty() {
        ts_ms.div_euclid(HALF_HOUR_MS) as u64
    } else {
        xxhash_rust::xxh3::xxh3_64(session_id)
    }
}

impl Web {
    /// Applies an event of a session. Sessions whose last event is before `horizon_ms` are over: the same id later is a
    /// new visit. Returns whether the event began a visit.
    pub fn visit(
        &mut self,
        cx: &Context,
        id: u64,
        source: SourceIndex,
        ts_ms: i64,
        horizon_ms: i64,
    ) -> bool {
        self.forget(source, horizon_ms);
        if let Some(session) = self.sessions.iter_mut().find(|s| s.id == id && s.source == source) {
            session.last_ms = session.last_ms.max(ts_ms);
            let first_ms = session.first_ms;
            if ts_ms < first_ms {
                session.first_ms = ts_ms;
                self.add(cx, first_ms, -1.0);
                self.add(cx, ts_ms, 1.0);
            }
            return false;
        }
        let max = cx.plan.limits.sessions_max.max(SESSIONS_KEPT_MIN);
        while self.of(source).count() >= max
            && let Some(at) = self.oldest(source)
        {
            self.sessions.swap_remove(at);
        }
        if self.sessions.is_empty() {
            self.sessions.reserve_exact(1);
        }
        self.sessions.push(Session { id, source, first_ms: ts_ms, last_ms: ts_ms });
        self.visits = self.visits.saturating_add(1);
        self.add(cx, ts_ms, 1.0);
        true
    }

    fn add(&mut self, cx: &Context, ts_ms: i64, y: f64) {
        self.sums_at_ms = add_shared(&cx.visits, &mut self.sums, self.sums_at_ms, ts_ms, &[y, y]);
    }

    /// Where the sessions of a source stand: what one source keeps must not depend on another.
    fn of(&self, source: SourceIndex) -> impl Iterator<Item = usize> + '_ {
        (0..self.sessions.len()).filter(move |&i| self.sessions[i].source == source)
    }

    fn oldest(&self, source: SourceIndex) -> Option<usize> {
        self.of(source).min_by_key(|&i| (self.sessions[i].last_ms, self.sessions[i].id))
    }

    fn forget(&mut self, source: SourceIndex, horizon_ms: i64) {
        while self.of(source).count() > SESSIONS_KEPT_MIN {
            match self.oldest(source) {
                Some(at) if self.sessions[at].last_ms < horizon_ms => {
                    self.sessions.swap_remove(at);
                }
                _ => return,
            }
        }
    }
}
