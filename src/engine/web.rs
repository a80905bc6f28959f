//! Visits of one customer. A visit is a distinct session id, or without one a distinct half hour; it stands at its
//! first event.

use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::compact::{Moment, pair};
use super::context::Context;
use super::fetch::{fetch, fetch_one};
use crate::model::record::SourceIndex;
use crate::signal::decay::add_shared;
use crate::signal::regularity::Gaps;

/// Sessions kept per source whatever their age, so that a running one is never cut by another customer's records.
pub const SESSIONS_KEPT_MIN: usize = 2;

/// Days with a visit that are remembered, the latest: the rhythm is that of the last 15 gaps between them.
pub const DAYS_KEPT: usize = 16;

/// A session that may still receive events.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Session {
    /// xxh3-64 of the session id, or the number of the half hour.
    id: [u8; 8],
    /// By which source it came; another source's same id is another session.
    source: SourceIndex,
    /// Its first event.
    first: Moment,
    /// Its last event.
    last: Moment,
}

/// A session as it stands in the state: its beginning by how long it lasts, which is a small number.
#[derive(Serialize, Deserialize)]
struct Written {
    id: [u8; 8],
    source: SourceIndex,
    lasted_ms: i64,
    last: Moment,
}

impl From<Session> for Written {
    fn from(Session { id, source, first, last }: Session) -> Self {
        Self { id, source, lasted_ms: last.ms().wrapping_sub(first.ms()), last }
    }
}

impl From<Written> for Session {
    fn from(Written { id, source, lasted_ms, last }: Written) -> Self {
        Self { id, source, first: Moment::new(last.ms().wrapping_sub(lasted_ms)), last }
    }
}

/// Everything about the web.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Web {
    /// Visits decayed with half-lives of 7 and 60 days.
    #[serde(with = "pair")]
    pub sums: [f64; 2],
    /// Landmark of the decayed counts.
    pub sums_at: Moment,
    /// Whether the customer has asked not to be written to.
    pub opted_out: bool,
    /// Sessions remembered, in order of arrival.
    pub sessions: Sessions,
}

impl Default for Web {
    fn default() -> Self {
        let sessions = Sessions::default();
        Self { sums: [0.0; 2], sums_at: Moment::new(0), opted_out: false, sessions }
    }
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

/// By what is told whether an event of the web began a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visits {
    /// By the sessions that are remembered.
    Remembered {
        /// Sessions whose last event is before this are over: the same id later is a new visit.
        horizon_ms: i64,
    },
    /// It is known already: the `events` table says so.
    Told {
        /// Whether it began a visit.
        began: bool,
    },
}

impl Web {
    /// Applies an event of a session. Returns whether it began a visit.
    pub fn visit(
        &mut self,
        cx: &Context,
        id: u64,
        source: SourceIndex,
        ts_ms: i64,
        visits: Visits,
    ) -> bool {
        let horizon_ms = match visits {
            Visits::Remembered { horizon_ms } => horizon_ms,
            Visits::Told { began } => {
                if began {
                    self.sessions.begin();
                    self.add(cx, ts_ms, 1.0);
                }
                return began;
            }
        };
        self.note_day(cx, ts_ms);
        self.forget(source, horizon_ms);
        let ts = Moment::new(ts_ms);
        let id = id.to_le_bytes();
        if let Some(session) = self.sessions.find_mut(id, source) {
            session.last.raise_to(ts_ms);
            let first_ms = session.first.ms();
            if ts_ms < first_ms {
                session.first = ts;
                self.add(cx, first_ms, -1.0);
                self.add(cx, ts_ms, 1.0);
            }
            return false;
        }
        let max = cx.plan.limits.sessions_max.max(SESSIONS_KEPT_MIN);
        while self.sessions.len() >= max
            && let (count, Some((at, _))) = self.oldest(source)
            && count >= max
        {
            self.sessions.swap_remove(at);
        }
        self.sessions.push(Session { id, source, first: ts, last: ts });
        self.sessions.begin();
        self.add(cx, ts_ms, 1.0);
        true
    }

    /// Visits.
    pub fn visits(&self) -> u32 {
        self.sessions.begun
    }

    /// Notes the day of an event, before its session is. While everything was on one day, the sessions tell which.
    fn note_day(&mut self, cx: &Context, ts_ms: i64) {
        let day = cx.day(ts_ms);
        if self.sessions.days().is_empty() {
            let only = self.sessions.iter().next().map(|session| cx.day(session.last.ms()));
            let Some(only) = only.filter(|only| *only != day) else { return };
            self.sessions.note_day(only);
        }
        self.sessions.note_day(day);
    }

    /// The gaps between the latest days with a visit, at most 15.
    pub fn gaps(&self) -> Gaps {
        Gaps::between(self.sessions.days().iter().copied())
    }

    /// The last event of the web; `None` before the first.
    pub fn last_ms(&self) -> Option<i64> {
        self.sessions.iter().map(|session| session.last.ms()).max()
    }

    fn add(&mut self, cx: &Context, ts_ms: i64, y: f64) {
        let at_ms = add_shared(&cx.visits, &mut self.sums, self.sums_at.ms(), ts_ms, &[y, y]);
        self.sums_at = Moment::new(at_ms);
    }

    /// How many sessions of a source are kept, and where the oldest stands and when it ended: what one source keeps must
    /// not depend on another.
    fn oldest(&self, source: SourceIndex) -> (usize, Option<(usize, i64)>) {
        let (mut count, mut oldest) = (0, None);
        for (at, session) in self.sessions.iter().enumerate() {
            if session.source == source {
                count += 1;
                let age = (session.last.ms(), u64::from_le_bytes(session.id), at);
                oldest = Some(oldest.map_or(age, |oldest: (i64, u64, usize)| oldest.min(age)));
            }
        }
        (count, oldest.map(|(last_ms, _, at)| (at, last_ms)))
    }

    /// Forgets the sessions of a source that are over, but never the latest few.
    fn forget(&mut self, source: SourceIndex, horizon_ms: i64) {
        if !self.sessions.may_be_over(horizon_ms) {
            return;
        }
        let of_source = || self.sessions.iter().filter(|session| session.source == source);
        let goes_on = of_source().filter(|session| session.last.ms() >= horizon_ms).count();
        if goes_on >= SESSIONS_KEPT_MIN {
            self.sessions.forget_before(source, horizon_ms);
        } else {
            while let (count, Some((at, last_ms))) = self.oldest(source)
                && count > SESSIONS_KEPT_MIN
                && last_ms < horizon_ms
            {
                self.sessions.swap_remove(at);
            }
        }
        self.sessions.note_oldest();
    }
}

/// How many sessions lie in the section itself.
const NEAR: usize = SESSIONS_KEPT_MIN;

/// A list of sessions, the first ones in place: most customers never have more.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    near: [Option<Session>; NEAR],
    /// Sessions that ever began: here it fills a gap.
    begun: u32,
    far: Option<Box<Far>>,
}

const _: () = assert!(size_of::<Sessions>() <= 56 && size_of::<Web>() <= 80);

/// What has no place there: sessions, and the days of who came on more than one.
#[derive(Clone, Debug)]
struct Far {
    sessions: Vec<Session>,
    /// No session of the whole list has ended before this moment: a busy customer's need not be searched at each event
    /// for one that is over.
    none_over_to: Moment,
    days: Days,
}

const _: () = assert!(size_of::<Far>() <= 64);

/// The latest days with a visit, ascending, or none while there was one day only. The latest of a set do not depend on the
/// order in which it grew.
#[derive(Clone, Copy, Debug, Default)]
struct Days {
    len: u8,
    days: [u16; DAYS_KEPT],
}

impl Days {
    fn get(&self) -> &[u16] {
        &self.days[..usize::from(self.len)]
    }

    fn note(&mut self, day: u16) {
        let Err(mut at) = self.get().binary_search(&day) else { return };
        if usize::from(self.len) < DAYS_KEPT {
            self.len += 1;
        } else if at == 0 {
            return;
        } else {
            at -= 1;
            self.days[..=at].rotate_left(1);
            self.days[at] = day;
            return;
        }
        self.days[at..usize::from(self.len)].rotate_right(1);
        self.days[at] = day;
    }
}

impl Default for Far {
    fn default() -> Self {
        let none_over_to = Moment::BEFORE_ALL;
        Self { sessions: Vec::new(), none_over_to, days: Days::default() }
    }
}

impl PartialEq for Sessions {
    fn eq(&self, other: &Self) -> bool {
        let same = self.begun == other.begun && self.days() == other.days();
        same && self.iter().eq(other.iter())
    }
}

impl Sessions {
    fn begin(&mut self) {
        self.begun = self.begun.saturating_add(1);
    }

    /// Whether a session may have ended before `ms`, in a list of more than those that are kept anyway.
    fn may_be_over(&self, ms: i64) -> bool {
        let more = self.far.as_ref().filter(|far| !far.sessions.is_empty());
        more.is_some_and(|far| far.none_over_to.ms() < ms)
    }

    /// The latest days with a visit, ascending; none while there was one day only.
    pub fn days(&self) -> &[u16] {
        self.far.as_ref().map_or(&[], |far| far.days.get())
    }

    fn note_day(&mut self, day: u16) {
        self.far.get_or_insert_default().days.note(day);
    }

    /// Searches for the session that ended first, for [`Self::may_be_over`].
    fn note_oldest(&mut self) {
        let oldest_ms = self.iter().map(|session| session.last.ms()).min();
        if let (Some(far), Some(ms)) = (&mut self.far, oldest_ms) {
            far.none_over_to = Moment::new(ms);
        }
    }

    /// Takes the sessions of a source out that ended before `ms`.
    fn forget_before(&mut self, source: SourceIndex, ms: i64) {
        let mut at = 0;
        while let Some(session) = self.get(at) {
            if session.source == source && session.last.ms() < ms {
                self.swap_remove(at);
            } else {
                at += 1;
            }
        }
    }

    fn get(&self, at: usize) -> Option<&Session> {
        match self.near.get(at) {
            Some(near) => near.as_ref(),
            None => self.far.as_ref().and_then(|far| far.sessions.get(at - NEAR)),
        }
    }

    /// Number of sessions.
    pub fn len(&self) -> usize {
        let far = self.far.as_ref().map_or(0, |far| far.sessions.len());
        self.near.iter().flatten().count() + far
    }

    /// Asks for what says where the list's other part is.
    pub fn fetch(&self) {
        self.far.iter().for_each(|far| fetch_one(&**far));
    }

    /// Asks for that part: a new session is looked for among all.
    pub fn fetch_far(&self) {
        self.far.iter().for_each(|far| fetch(&far.sessions));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.near[0].is_none()
    }

    /// The sessions in order.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.near.iter().flatten().chain(self.far.iter().flat_map(|far| far.sessions.iter()))
    }

    fn find_mut(&mut self, id: [u8; 8], source: SourceIndex) -> Option<&mut Session> {
        // the latest first: it is the one that goes on
        let far = self.far.iter_mut().flat_map(|far| far.sessions.iter_mut().rev());
        far.chain(self.near.iter_mut().flatten()).find(|s| s.id == id && s.source == source)
    }

    fn push(&mut self, session: Session) {
        if let Some(free) = self.near.iter_mut().find(|near| near.is_none()) {
            *free = Some(session);
            return;
        }
        let far = self.far.get_or_insert_default();
        far.none_over_to.lower_to(session.last.ms());
        far.sessions.reserve_exact(1);
        far.sessions.push(session);
    }

    /// Takes one out; the last one takes its place.
    fn swap_remove(&mut self, at: usize) {
        let Some(last) = self.pop() else {
            return;
        };
        match self.near.get_mut(at) {
            Some(Some(removed)) => *removed = last,
            Some(None) => {}
            None => {
                if let Some(removed) =
                    self.far.as_mut().and_then(|far| far.sessions.get_mut(at - NEAR))
                {
                    *removed = last;
                }
            }
        }
    }

    fn pop(&mut self) -> Option<Session> {
        let last = self.far.as_mut().and_then(|far| far.sessions.pop());
        if self.far.as_ref().is_some_and(|far| far.sessions.is_empty() && far.days.len == 0) {
            self.far = None;
        }
        last.or_else(|| self.near.iter_mut().rev().find_map(Option::take))
    }
}

impl FromIterator<Session> for Sessions {
    fn from_iter<I: IntoIterator<Item = Session>>(sessions: I) -> Self {
        let mut all = Self::default();
        sessions.into_iter().for_each(|session| all.push(session));
        all
    }
}

impl Serialize for Sessions {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.begun, List(self), Steps(self.days())).serialize(to)
    }
}

struct List<'a>(&'a Sessions);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.0.len()))?;
        self.0.iter().try_for_each(|session| list.serialize_element(session))?;
        list.end()
    }
}

/// Ascending days, each by how far it is from the one before, which is a small number.
struct Steps<'a>(&'a [u16]);

impl Serialize for Steps<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.0.len()))?;
        let before = std::iter::once(&0).chain(self.0);
        self.0
            .iter()
            .zip(before)
            .try_for_each(|(day, before)| list.serialize_element(&day.wrapping_sub(*before)))?;
        list.end()
    }
}

impl<'de> Deserialize<'de> for Sessions {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (begun, list, steps) = <(u32, Vec<Session>, Vec<u16>)>::deserialize(from)?;
        let mut all = Self { begun, ..list.into_iter().collect() };
        let mut day = 0_u16;
        for step in steps {
            day = day.wrapping_add(step);
            all.note_day(day);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(n: u8, source: SourceIndex, last_ms: i64) -> Session {
        let last = Moment::new(last_ms);
        Session { id: [n; 8], source, first: last, last }
    }

    #[test]
    fn what_is_over_is_forgotten_and_the_latest_two_are_kept() {
        let ends = [50, 10, 90, 20, 30, 70, 40];
        let sessions = || (0..).zip(ends).map(|(n, ms)| session(n, n % 2, ms)).collect();
        let kept_at = |horizon_ms| {
            let mut web = Web { sessions: sessions(), ..Web::default() };
            web.forget(0, horizon_ms);
            // again: nothing more goes, searched or not
            web.forget(0, horizon_ms);
            let mut kept: Vec<i64> = web.sessions.iter().map(|s| s.last.ms()).collect();
            kept.sort_unstable();
            kept
        };
        // sessions of source 0 end at 30, 40, 50 and 90; the others are not its business
        assert_eq!(kept_at(30), [10, 20, 30, 40, 50, 70, 90]);
        assert_eq!(kept_at(45), [10, 20, 50, 70, 90]);
        assert_eq!(kept_at(99), [10, 20, 50, 70, 90]);
    }

    #[test]
    fn sessions_near_and_far_are_one_list() {
        let session = |n: u8| session(n, 2, n.into());
        for removed in 0..7 {
            let mut plain: Vec<Session> = (0..7).map(session).collect();
            let mut sessions: Sessions = plain.iter().copied().collect();
            while removed < plain.len() {
                plain.swap_remove(removed);
                sessions.swap_remove(removed);
                assert_eq!(sessions.iter().copied().collect::<Vec<Session>>(), plain);
                assert_eq!((sessions.len(), sessions.is_empty()), (plain.len(), plain.is_empty()));
            }
            assert_eq!(sessions.find_mut([removed as u8; 8], 2), None);
        }
    }
}
