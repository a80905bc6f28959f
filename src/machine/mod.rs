//! One shard: records and the clock in, effects out. No clock, no IO, no async; everything it knows is in the state topic.
//!
//! Order within a cycle: mail first; before a record, all dues up to the watermark in (due, key) order; then the dues of the record's
//! own customer up to its time; then the record. A cycle's effects are values; they are committed whole or not at all.

mod accounts;
mod alerts;
mod asked;
mod check;
mod consume;
mod cycle;
mod flows;
mod left;
mod mail;
mod markets;
mod owners;
mod restore;
mod speak;
mod state;
mod tiers;

use std::sync::Arc;

use crate::account::book::Book;
use crate::engine::alerts::market::Market;
use crate::engine::apply::Engine;
use crate::engine::fetch::fetch;
use crate::engine::history::Scores;
use crate::engine::shard::population::Population;
use crate::engine::shard::portfolios::Portfolios;
use crate::engine::store::WARM;
use crate::flow::intake::{Place, Taken, take};
use crate::flow::merge::{Merge, Next, Waiting};
use crate::flow::watermark::Watermark;
use crate::model::effects::{Effects, HeardCommand, SignalWord, StateChanges};
use crate::model::record::{Record, SourceIndex};
use crate::model::time::BEFORE_ALL_MS;
use crate::plan::Plan;
use crate::wire::mail::{Bought, CutOffs, OwnerCutOffs, Read};
use cycle::{GapAhead, OpenCycle};
pub use left::LEFT_KEPT_MS;
use left::Left;
use mail::Mailbox;
pub use restore::{RestoreError, Restored};
use state::ShardState;
pub use state::{Identity, Meta};

/// The clock as an input: one value per cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// Now, milliseconds (wall or simulated).
    pub now_ms: i64,
    /// When the broker last confirmed the ends of *all* source partitions of this shard, on the same clock;
    /// `None` while that has not happened.
    pub ends_confirmed_ms: Option<i64>,
}

/// How far an [`Machine::advance`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left to merge: this source's next records are needed first.
    Needs(SourceIndex),
    /// Everything offered is merged and every source is at its end.
    Idle,
    /// The budget of the call is used up; there is more.
    More,
    /// The cycle has reached a limit and must be ended.
    Full,
}

/// One shard of the pipeline.
#[derive(Debug)]
pub struct Machine {
    plan: Arc<Plan>,
    identity: Identity,
    state: ShardState,
    engine: Engine,
    merge: Merge,
    watermark: Watermark,
    cycle: OpenCycle,
    mailbox: Mailbox,
    left: Left,
    /// Accounts, in a pipeline of accounts.
    book: Option<Book>,
    population: Population,
    /// Segments, of shard 0.
    market: Market<Bought>,
    /// Employees, of shard 0.
    staff: Market<Read>,
    /// Owners' revenue at risk, of shard 0.
    portfolios: Portfolios,
    /// When the shard has last told its owners' revenue at risk, on the clock; `None` in a new tenure.
    swept_ms: Option<i64>,
    /// When the shard has last told its histogram, on the clock; `None` in a new tenure.
    told_ms: Option<i64>,
    stop: Option<String>,
    /// What people said in the cycle.
    commands: Vec<HeardCommand>,
    /// Memory of state changes that were written, see [`Machine::recycle`].
    spare: StateChanges,
    /// The same of words for the next stage.
    spare_words: Vec<SignalWord>,
    /// Memory for the scores of members of accounts, while a cycle ends.
    members: Vec<(u32, Scores)>,
    /// The first due that the last cycle had no budget for.
    dues_left_ms: Option<i64>,
    found_meta: bool,
    /// Gaps that the merge has not come to.
    gaps_ahead: Vec<GapAhead>,
}

/// A machine idle for this long still says so in the ledger, so that "complete to" moves.
const HEARTBEAT_MS: i64 = 1_000;

/// Memory that a waiting record takes beside its texts, bytes.
const WAITING_BYTES: usize = size_of::<Waiting>();

impl Machine {
    /// An empty machine, to be restored.
    pub fn new(plan: Arc<Plan>, identity: Identity) -> Self {
        let sources = plan.sources.len();
        Self {
            engine: Engine::new(plan.clone(), identity.shard),
            merge: Merge::new(sources),
            watermark: Watermark::default(),
            cycle: OpenCycle::new(sources),
            mailbox: Mailbox::default(),
            left: Left::default(),
            book: plan.accounts.map(|rules| Book::new(plan.clone(), rules, identity.shard)),
            population: Population::default(),
            market: Market::default(),
            staff: Market::default(),
            portfolios: Portfolios::default(),
            swept_ms: None,
            told_ms: None,
            state: ShardState::new(&plan, &identity),
            stop: None,
            commands: Vec::new(),
            spare: StateChanges::default(),
            spare_words: Vec::new(),
            members: Vec::new(),
            dues_left_ms: None,
            found_meta: false,
            gaps_ahead: Vec::new(),
            plan,
            identity,
        }
    }

    /// New shard only: the first offset of each source and of the mail partition.
    pub fn start_at(&mut self, offsets: &[i64], mail_offset: i64) {
        for (source, offset) in (0..).zip(offsets) {
            self.merge.start(source, *offset, BEFORE_ALL_MS);
        }
        self.state.meta.mail_to = mail_offset;
        self.mailbox.start(mail_offset);
        self.begin_cycle();
    }

    /// Wall time at which the simulated clock stood at its origin, milliseconds, as of the last commit; 0 with a wall
    /// clock, and in a new shard. Whoever reads the clock goes on from it after a restart.
    pub fn clock_wall_origin_ms(&self) -> i64 {
        self.state.clock_wall_origin_ms
    }

    /// Keeps the origin of a simulated clock with the state, from the next cycle on.
    pub fn keep_clock_wall_origin(&mut self, wall_ms: i64) {
        self.state.clock_wall_origin_ms = wall_ms;
    }

    /// Has the state remember which topics it was built from: their ids, by source. What was known before and cannot be said now
    /// stays.
    pub fn keep_topic_ids(&mut self, ids: impl IntoIterator<Item = Option<String>>) {
        for (kept, id) in self.state.meta.topic_ids.iter_mut().zip(ids) {
            if id.is_some() {
                *kept = id;
            }
        }
    }

    /// Retention removed everything of a source below `to`: a `gaps` row, then reading goes on there.
    pub fn skip_to(&mut self, source: SourceIndex, to: i64, now_ms: i64, reason: &str) {
        let from = self.merge.read_to(source);
        if to > from {
            // Told once what lies before it is merged: after a crash the next owner would begin there, find more
            // removed, and tell of the same offsets twice.
            let reason = reason.to_owned();
            self.gaps_ahead.push(GapAhead { source, from, to, now_ms, reason });
            self.merge.skip(source, to);
        }
    }

    /// Takes records of one source partition, in offset order (offsets below the read position are ignored).
    pub fn offer(&mut self, source: SourceIndex, records: &mut dyn Iterator<Item = Record<'_>>) {
        let plan = self.plan.clone();
        let Some(definition) = plan.sources.get(usize::from(source)) else {
            return;
        };
        let place = Place { shard: self.identity.shard, shards: self.identity.shards };
        let mut run = self.merge.empty_run();
        let mut frontier_ms = self.merge.frontier_ms(source);
        let mut read_to = self.merge.read_to(source);
        let mut next = records.next();
        while let Some(record) = next {
            next = records.next();
            // while this record is decoded, the bytes of the next one come into the cache
            if let Some(payload) = next.as_ref().and_then(|record| record.payload) {
                fetch(payload);
            }
            if record.offset < read_to {
                continue;
            }
            read_to = record.offset + 1;
            let before = run.batch.len_bytes();
            let taken = take(&plan, definition, place, &record, &mut run.batch);
            let bytes = match &taken {
                Taken::Event(event) => {
                    let shown = match record.kafka_ms {
                        ms if ms < 0 => event.ts_ms,
                        ms => event.ts_ms.min(ms),
                    };
                    frontier_ms = frontier_ms.max(shown);
                    run.batch.len_bytes() - before
                }
                Taken::Word(heard) => {
                    let shown = heard.as_of_ms().map(|ms| match record.kafka_ms {
                        kafka_ms if kafka_ms < 0 => ms,
                        kafka_ms => ms.min(kafka_ms),
                    });
                    frontier_ms = frontier_ms.max(shown.unwrap_or(frontier_ms));
                    record.payload.map_or(0, <[u8]>::len)
                }
                Taken::Reject(refused) => {
                    let held = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
                    held(&refused.payload) + held(&refused.key)
                }
            };
            let (offset, kafka_ms) = (record.offset, record.kafka_ms);
            run.push(Waiting { offset, kafka_ms, frontier_ms, taken }, bytes + WAITING_BYTES);
        }
        self.cycle.unknown_fields(source, run.batch.unknown_fields);
        self.merge.push(source, run, frontier_ms, read_to);
    }

    /// The partition was read to its end: every record below `offset` was offered (end-of-partition event).
    pub fn end_of(&mut self, source: SourceIndex, offset: i64) {
        self.merge.end(source, offset);
    }

    /// Next offset to fetch of a source.
    pub fn read_position(&self, source: SourceIndex) -> i64 {
        self.merge.read_to(source)
    }

    /// Bytes of offered, not yet merged records of a source.
    pub fn waiting_bytes(&self, source: SourceIndex) -> usize {
        self.merge.bytes(source)
    }

    /// Merges and applies at most `records` records.
    pub fn advance(&mut self, records: usize) -> Progress {
        for _ in 0..records {
            let source = match self.merge.next() {
                Next::Take(source) => source,
                Next::Needs(source) => return Progress::Needs(source),
                Next::Idle => return Progress::Idle,
            };
            self.begin();
            if self.stop.is_some() || self.cycle.is_full(&self.plan, &self.engine) {
                return Progress::Full;
            }
            let frontier_ms = self.merge.head_frontier_ms(source).unwrap_or(BEFORE_ALL_MS);
            let mut passed = self.watermark;
            let broke = passed.record(frontier_ms, self.plan.disorder_ms);
            if self.fire_until(passed.at_ms).is_some() {
                return Progress::Full;
            }
            self.watermark = passed;
            if passed.at_ms >= self.next_hour_ms() {
                self.close_hours();
            }
            let Engine { store, tiers, .. } = &mut self.engine;
            let upcoming = self.merge.upcoming(source, &self.plan, WARM);
            store.warm(source, upcoming, |slot| tiers.fetch(slot));
            self.consume(source, broke);
        }
        Progress::More
    }

    /// Whether a cycle ended now would say anything: records, mail, a due that has been reached, or a while has passed.
    pub fn has_work(&self, clock: ClockReading) -> bool {
        self.cycle.has_effects()
            || self.gaps_ahead.iter().any(|gap| self.merge.merged_to(gap.source) >= gap.to)
            || !self.engine.dirty.is_empty()
            || self.dues_left_ms.is_some()
            || self.mailbox.is_waiting()
            || self.engine.tiers.is_sweeping()
            || self.is_market_waiting()
            // either way: a clock that stepped back must not silence an idle shard
            || (clock.now_ms - self.state.last_clock_ms).abs() >= self.heartbeat_ms(clock.now_ms)
    }

    fn heartbeat_ms(&self, now_ms: i64) -> i64 {
        (HEARTBEAT_MS as f64 * self.plan.clock.speed_at(now_ms)).max(1.0) as i64
    }

    /// Ends the cycle: takes the clock in, fires what is due, and returns everything that changed.
    pub fn end_cycle(&mut self, clock: ClockReading) -> Effects {
        self.begin();
        self.follow_clock(clock);
        self.sweep();
        self.sweep_owners(clock);
        self.judge_markets();
        self.refresh(clock);
        let before = cfg!(debug_assertions).then(|| self.marks());
        debug_assert_eq!(self.check_changed(), Ok(()));
        let effects = self.collect(clock);
        self.engine.store.rest();
        debug_assert_eq!(self.check_cycle(before, &effects), Ok(()));
        self.begin_cycle();
        effects
    }

    /// Takes the memory of effects that were written back for the next cycle, which then need not ask the system for
    /// fresh pages. Only good for speed: nothing of what they said is looked at.
    pub fn recycle(&mut self, effects: Effects) {
        let Effects { mut state, rows, signals, .. } = effects;
        state.clear();
        self.spare = state;
        self.spare_words = signals;
        rows.into_iter().for_each(|block| self.engine.rows.recycle(block));
    }

    /// When every topic is at its end, time passes by the clock.
    fn follow_clock(&mut self, clock: ClockReading) {
        let sources = 0..self.plan.sources.len() as SourceIndex;
        let idle = sources.clone().all(|s| self.merge.is_at_end(s));
        if let Some(confirmed_ms) = clock.ends_confirmed_ms.filter(|_| idle) {
            let confirmed_ms = confirmed_ms.min(clock.now_ms);
            self.watermark.idle(confirmed_ms, self.idle_ms(clock.now_ms), self.plan.disorder_ms);
        }
        self.close_hours();
        let until_ms = self.watermark.at_ms;
        self.engine.passed_ms = until_ms;
        self.dues_left_ms = self.fire_until(until_ms);
        if self.dues_left_ms.is_none() && self.state.retime_to_ms <= until_ms {
            self.state.retime_to_ms = BEFORE_ALL_MS;
        }
    }

    /// Fires what is due up to a moment, as far as the cycle has room for it. Returns when the first of what is left is due.
    fn fire_until(&mut self, until_ms: i64) -> Option<i64> {
        let Self { engine, book, cycle, plan, .. } = self;
        let due_ms = match book {
            Some(book) => book.next_due_ms(until_ms),
            None => engine.next_due_ms(until_ms),
        };
        due_ms?;
        let budget = cycle.budget(plan, engine);
        let (fired, left_ms) = match book {
            Some(book) => {
                let fired = book.fire_until(until_ms, budget);
                cycle.book_bytes = book.changed_bytes();
                fired
            }
            None => engine.fire_all_until(until_ms, budget),
        };
        cycle.count_dues(fired);
        left_ms
    }

    /// The idle timeout on the pipeline's clock: it is wall time, which a simulated clock passes `speed` times as fast.
    fn idle_ms(&self, now_ms: i64) -> i64 {
        (self.plan.idle_timeout_ms as f64 * self.plan.clock.speed_at(now_ms)) as i64
    }

    /// Bytes of all blocks of rows that the shard has ever written, as of the last ended cycle.
    pub fn rows_bytes_total(&self) -> u64 {
        self.state.rows_bytes_total
    }

    /// Customers held.
    pub fn customers(&self) -> usize {
        self.engine.store.len()
    }

    /// Dues pending.
    pub fn dues_pending(&self) -> usize {
        self.engine.dues.len() + self.book.as_ref().map_or(0, Book::dues_pending)
    }

    /// The accounts, in a pipeline of accounts.
    pub fn book(&self) -> Option<&Book> {
        self.book.as_ref()
    }

    /// The cut-offs of tiers in force.
    pub fn cut_offs(&self) -> Option<&CutOffs> {
        self.engine.tiers.cut_offs()
    }

    /// The cut-offs of owners' revenue at risk in force.
    pub fn owner_cut_offs(&self) -> &OwnerCutOffs {
        match &self.book {
            Some(book) => book.owners.in_force(),
            None => self.engine.owners.in_force(),
        }
    }

    /// Words of left accounts that wait to be deleted from the signals topic.
    pub fn left_pending(&self) -> usize {
        self.left.len()
    }

    /// The first due that the last cycle had no budget for.
    pub fn dues_left_ms(&self) -> Option<i64> {
        self.dues_left_ms
    }

    /// How far time has certainly passed, milliseconds.
    pub fn watermark_ms(&self) -> Option<i64> {
        Some(self.watermark.at_ms).filter(|ms| *ms != BEFORE_ALL_MS)
    }

    /// Set when a limit on rejects is exceeded: the reason to stop with.
    pub fn stop_reason(&self) -> Option<&str> {
        self.stop.as_deref()
    }

    /// The shard's own record of where it is, as of the last ended cycle.
    pub fn meta(&self) -> &Meta {
        &self.state.meta
    }
}
