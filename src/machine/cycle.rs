//! The end of a cycle: everything that changed becomes state records, rows and words for the next stage.

use super::{ClockReading, Identity, Machine, ShardState};
use crate::engine::apply::{Engine, Moved};
use crate::engine::compact::Moment;
use crate::engine::judge::value;
use crate::engine::member::tell;
use crate::engine::rows::{ActivityRow, source_name};
use crate::engine::said::Field;
use crate::engine::shard::activity::MinuteKey;
use crate::engine::shard::words::Dimension;
use crate::engine::store::WARM;
use crate::model::effects::{DeadLetter, Effects, SourceProgress};
use crate::model::outcome::Outcome;
use crate::model::record::SourceIndex;
use crate::model::table::{Table, version};
use crate::model::time::{BEFORE_ALL_MS, HOUR_MS, MINUTE_MS, day_of, minute_of};
use crate::plan::Plan;
use crate::snapshot::{StateKey, write};
use crate::wire::rows::TableRows;

/// Offsets that retention removed before they were read, ahead of the merge.
#[derive(Debug)]
pub(super) struct GapAhead {
    pub source: SourceIndex,
    /// First offset that is gone.
    pub from: i64,
    /// First offset that is there.
    pub to: i64,
    /// When it was noticed, milliseconds.
    pub now_ms: i64,
    pub reason: String,
}

/// What has happened since the last cut.
#[derive(Debug)]
pub(super) struct OpenCycle {
    /// By source.
    pub sources: Vec<SourceProgress>,
    /// The newest Kafka timestamp of a record, milliseconds.
    pub newest_kafka_ms: Option<i64>,
    dead_letters: Vec<DeadLetter>,
    letter_bytes: usize,
    gaps: TableRows,
    gap_count: usize,
    dues: usize,
    records: usize,
    /// About how many bytes the accounts that changed will have.
    pub book_bytes: usize,
}

/// A guess of what a due costs, in the state and the row of a profile of usual size, bytes.
const DUE_BYTES: usize = 1_100;

/// A guess of what a word for the next stage costs, bytes.
const WORD_BYTES: usize = 200;

/// A guess of what a transition of an alert costs, in its record and two rows, bytes.
const ALERT_BYTES: usize = 3_000;

/// A guess of what a segment costs that is told and kept, bytes.
const SEGMENT_BYTES: usize = 300;

/// A guess of what an employee costs that is told and kept, bytes.
const EMPLOYEE_BYTES: usize = 500;

/// A guess of a profile's state record alone, bytes.
const STATE_BYTES: usize = 256;

impl OpenCycle {
    pub fn new(sources: usize) -> Self {
        Self {
            sources: vec![SourceProgress::default(); sources],
            newest_kafka_ms: None,
            dead_letters: Vec::new(),
            letter_bytes: 0,
            gaps: TableRows::new(Table::Gaps),
            gap_count: 0,
            dues: 0,
            records: 0,
            book_bytes: 0,
        }
    }

    fn records(&self) -> usize {
        self.records
    }

    /// Whether a limit of the definition is reached.
    pub fn is_full(&mut self, plan: &Plan, engine: &Engine) -> bool {
        self.records += 1;
        let full = self.records() + self.dues > plan.limits.cycle_records_max
            || self.bytes(engine) >= plan.limits.cycle_bytes_max;
        if full {
            self.records -= 1;
        }
        full
    }

    /// About how many bytes the effects would have if the cycle ended now.
    fn bytes(&self, engine: &Engine) -> usize {
        engine.rows.len_bytes()
            + self.letter_bytes
            + self.book_bytes
            + engine.dirty_bytes
            + engine.activity.changed_bytes()
            + engine.segments.changed_bytes()
            + engine.moved.len() * WORD_BYTES
            + engine.alerted.len() * ALERT_BYTES
            + engine.demand.telling.telling() * SEGMENT_BYTES
            + engine.reads.telling.telling() * EMPLOYEE_BYTES
    }

    /// How many dues the cycle may still fire; at least one, so that it always gets on.
    pub fn budget(&self, plan: &Plan, engine: &Engine) -> usize {
        let records = plan.limits.cycle_records_max.saturating_sub(self.records() + self.dues);
        let bytes = plan.limits.cycle_bytes_max.saturating_sub(self.bytes(engine));
        records.min(bytes / DUE_BYTES).max(1)
    }

    /// The budget of a cycle in which nothing has happened.
    fn budget_max(plan: &Plan) -> usize {
        plan.limits.cycle_records_max.min(plan.limits.cycle_bytes_max / DUE_BYTES).max(1)
    }

    pub fn count_dues(&mut self, fired: usize) {
        self.dues += fired;
    }

    pub fn has_effects(&self) -> bool {
        self.gap_count > 0 || self.sources.iter().any(|s| s.counts.consumed() > 0)
    }

    pub fn unknown_fields(&mut self, source: SourceIndex, count: u64) {
        self.sources[usize::from(source)].unknown_fields += count;
    }

    pub fn put_aside(&mut self, letter: DeadLetter) {
        self.letter_bytes += letter.len_bytes();
        self.dead_letters.push(letter);
    }

    pub fn gap(&mut self, plan: &Plan, identity: &Identity, state: &ShardState, gap: &GapAhead) {
        self.gap_count += 1;
        self.gaps
            .row()
            .u16(identity.shard)
            .text(source_name(plan, gap.source).as_bytes())
            .i64(gap.from)
            .i64(gap.to)
            .u64(version(identity.generation, state.meta.cycle + 1))
            .u8(0)
            .i64(gap.now_ms)
            .text(gap.reason.as_bytes());
    }
}

impl Machine {
    /// Marks rows whose expected purchases have aged a day: only near the clock, and only what the budget leaves.
    pub(super) fn refresh(&mut self, clock: ClockReading) {
        let now = minute_of(clock.now_ms);
        // an idle watermark is behind the clock by the disorder and the idle timeout
        let behind_ms = HOUR_MS
            .saturating_add(self.plan.disorder_ms)
            .saturating_add(self.idle_ms(clock.now_ms));
        let near = clock.now_ms.saturating_sub(self.watermark.at_ms) <= behind_ms;
        let first = self.state.refreshed_to == BEFORE_ALL_MS;
        if !near || first {
            if first {
                self.state.refreshed_to = now;
            }
            return;
        }
        let mut budget = self.cycle.budget(&self.plan, &self.engine);
        let slots = self.engine.refresh.len() as i64;
        let mut minute = self.state.refreshed_to.max(now - slots);
        while minute < now {
            minute += 1;
            let mut due = self.engine.refresh[minute.rem_euclid(slots) as usize].clone();
            // a minute that no cycle has room for is taken by the first one that has done little else
            let most = OpenCycle::budget_max(&self.plan);
            if due.len() > budget && budget < most / 2 {
                minute -= 1;
                break;
            }
            budget = budget.saturating_sub(due.len());
            // in the order of keys: slots are numbered by arrival, which a restart changes
            let key = |slot: u32| self.engine.store.get(slot).key.bytes();
            due.sort_unstable_by(|a, b| key(*a).cmp(key(*b)));
            for slot in due {
                self.refresh_slot(slot, minute * MINUTE_MS);
            }
        }
        self.state.refreshed_to = minute;
    }

    /// What is complete although dues are left: everything before the first of them.
    pub(super) fn complete_to_ms(&self) -> Option<i64> {
        let watermark_ms = self.watermark_ms()?;
        Some(self.dues_left_ms.map_or(watermark_ms, |due_ms| watermark_ms.min(due_ms - 1)))
    }

    fn refresh_slot(&mut self, slot: u32, tau_ms: i64) {
        let Engine { cx, store, .. } = &mut self.engine;
        let profile = &mut store.used(slot).profile;
        // what is no purchase moves a row on without valuing anything
        let buys = profile.purchases.as_ref().is_some_and(|p| p.history().is_some());
        let seen_ms = if buys { BEFORE_ALL_MS } else { profile.as_of_ms };
        if !profile.ages() || profile.refreshed_ms().max(seen_ms) >= tau_ms {
            return;
        }
        let tau_ms = tau_ms.max(profile.as_of_ms);
        if !value(cx, profile, tau_ms) {
            profile.more_mut().rare_mut().refreshed = Moment::new(tau_ms);
        }
        self.engine.mark(slot);
    }

    /// Turns everything that changed into effects.
    pub(super) fn collect(&mut self, clock: ClockReading) -> Effects {
        self.close_gaps();
        let version = self.version();
        self.state.meta.cycle += 1;
        let mut effects = Effects {
            shard: self.identity.shard,
            cycle: self.state.meta.cycle,
            mail_to: self.state.meta.mail_to,
            mail_unread: self.mailbox.unread(),
            watermark_ms: self.watermark_ms(),
            newest_kafka_ms: self.cycle.newest_kafka_ms,
            state: std::mem::take(&mut self.spare),
            ..Effects::default()
        };
        self.engine.judge_dirty();
        self.collect_alerts(&mut effects, clock, version);
        self.collect_customers(&mut effects, version);
        self.engine.collect_credit(version);
        match self.book {
            Some(_) => {
                self.collect_accounts(&mut effects);
                self.tell_owners(&mut effects, clock);
            }
            None => {
                self.tell_tiers(&mut effects, clock);
                self.tell_owners(&mut effects, clock);
                self.tell_markets(&mut effects);
                self.save_acts(&mut effects);
            }
        }
        self.collect_activity(&mut effects, version);
        self.collect_segments(&mut effects, version);
        for ((source, dimension), values) in self.engine.words.take_changed() {
            let key = StateKey::Words(source, dimension);
            effects.state.put(|out| key.write(out), |out| write(values, out));
        }
        effects.dead_letters = std::mem::take(&mut self.cycle.dead_letters);
        self.close_sources(&mut effects, clock);
        self.engine.rows.take_into(&mut effects.rows);
        self.cycle.gaps.take_into(&mut effects.rows);
        self.ledger(&mut effects, clock, version);
        self.state.rows_bytes_total += effects.rows_bytes() as u64;
        effects.rows_bytes_total = self.state.rows_bytes_total;
        effects.state.put(|out| StateKey::Meta.write(out), |out| write(&self.state, out));
        effects
    }

    /// Tells of the gaps that the merge has passed: the offsets of this cycle lie behind them.
    fn close_gaps(&mut self) {
        let Self { gaps_ahead, merge, cycle, plan, identity, state, .. } = self;
        gaps_ahead.retain(|gap| {
            let passed = merge.merged_to(gap.source) >= gap.to;
            if passed {
                cycle.gap(plan, identity, state, gap);
            }
            !passed
        });
    }

    fn collect_customers(&mut self, effects: &mut Effects, version: u64) {
        let engine = &mut self.engine;
        effects.state.reserve(engine.dirty.len() + 8, engine.dirty.len() * STATE_BYTES);
        engine.dirty_bytes = 0;
        let mut dirty = std::mem::take(&mut engine.dirty);
        engine.store.choose();
        // judging is dear: who speaks to an account says what the row has just said
        let mut members = std::mem::take(&mut self.members);
        for slots in dirty.chunks(WARM) {
            slots.iter().for_each(|slot| engine.tiers.fetch(*slot));
            engine.store.warm_all(slots);
            for slot in slots {
                let Engine { cx, store, tiers, words, rows, moved, .. } = &mut *engine;
                let entry = store.get_mut(*slot);
                entry.dirty = false;
                let tier = tiers.columns(*slot);
                let scores = rows.customer(cx, words, entry, tier, version);
                if tell(cx, &mut entry.profile, tier, &scores) {
                    moved.push(Moved { slot: *slot, left_account: None });
                }
                if !entry.profile.said(Field::AccountId).is_empty() {
                    members.push((*slot, scores));
                }
                let key = StateKey::Profile(entry.key.bytes());
                let (profile, rests) = (&mut entry.profile, entry.rests);
                let record = |out: &mut Vec<u8>| {
                    let from = out.len();
                    write(&**profile, out);
                    if rests {
                        profile.keep(&out[from..]);
                    }
                };
                effects.state.put(|out| key.write(out), record);
                if let Some(day) = entry.take_changed_on() {
                    rows.history(cx, entry, tier, Some(scores), day, version);
                }
            }
        }
        dirty.clear();
        engine.dirty = dirty;
        self.collect_words(effects, &mut members);
        members.clear();
        self.members = members;
    }

    fn collect_activity(&mut self, effects: &mut Effects, version: u64) {
        let Self { engine, plan, watermark, state, .. } = self;
        let changed = engine.activity.take_changed();
        for ((minute, source), cells) in &changed {
            for cell in &cells.cells {
                engine.rows.activity(&ActivityRow {
                    source: source_name(plan, *source),
                    minute: *minute,
                    event_type: cell.event_type.name(),
                    channel: engine.words.text(*source, Dimension::Channel, cell.channel),
                    late_offset: -1,
                    version,
                    tally: cell.tally,
                });
            }
        }
        let changed: Vec<MinuteKey> = changed.into_iter().map(|(key, _)| key).collect();
        let open_max = plan.limits.open_minutes_max;
        let sealed = engine.activity.seal(watermark.at_ms, plan.seal_after_ms, open_max);
        state.sealed_to = engine.activity.sealed_to;
        for key in changed {
            if let Some(minute) = engine.activity.minute(key) {
                let key = StateKey::Minute(key);
                effects.state.put(|out| key.write(out), |out| write(minute, out));
            }
        }
        for key in sealed {
            effects.state.delete(|out| StateKey::Minute(key).write(out));
        }
    }

    fn close_sources(&mut self, effects: &mut Effects, clock: ClockReading) {
        // a clock that steps back over midnight must not begin a day again: its totals would be lost
        let day = day_of(clock.now_ms).max(self.state.daily.day);
        if self.state.daily.day != day {
            self.state.daily.day = day;
            self.state.daily.sources.fill(Default::default());
        }
        for (source, progress) in (0..).zip(&mut self.cycle.sources) {
            progress.offset_to = self.merge.merged_to(source);
            progress.at_end = self.merge.is_at_end(source);
            let index = usize::from(source);
            self.state.meta.positions[index].1 = progress.offset_to;
            self.state.frontiers_ms[index] = self.merge.merged_frontier_ms(source);
            let (counts, hash) = &mut self.state.daily.sources[index];
            counts.add(&progress.counts);
            *hash = hash.wrapping_add(progress.id_hash);
        }
        self.state.watermark = self.watermark;
        self.state.complete_to_ms = self.complete_to_ms().unwrap_or(BEFORE_ALL_MS);
        self.state.last_clock_ms = clock.now_ms;
        effects.sources = std::mem::take(&mut self.cycle.sources);
    }

    fn ledger(&mut self, effects: &mut Effects, clock: ClockReading, version: u64) {
        let mut days = TableRows::new(Table::LedgerDaily);
        let mut ledger = TableRows::new(Table::Ledger);
        let shard = self.identity.shard;
        let complete_to_ms = self.complete_to_ms();
        for (source, progress) in (0..).zip(&effects.sources) {
            let name = source_name(&self.plan, source).as_bytes();
            let (counts, hash) = &self.state.daily.sources[usize::from(source)];
            let mut row = days.row();
            row.u16(shard).text(name).i64(self.state.daily.day * 24 * HOUR_MS).u64(version).u8(0);
            Outcome::ALL.iter().for_each(|o| {
                row.u64(counts.of(*o));
            });
            row.u64(*hash);
            drop(row);
            let mut row = ledger.row();
            row.u16(shard).text(name).u64(version).u8(0);
            row.text(self.identity.owner.as_bytes()).u64(self.state.meta.tenure);
            row.i64(clock.now_ms).maybe_time(effects.watermark_ms).maybe_time(complete_to_ms);
            row.i64(progress.offset_from).i64(progress.offset_to).u8(u8::from(progress.at_end));
            Outcome::ALL.iter().for_each(|o| {
                row.u64(progress.counts.of(*o));
            });
            row.u64(progress.order_breaks).i64(effects.mail_to).u64(progress.id_hash);
        }
        days.take_into(&mut effects.rows);
        ledger.take_into(&mut effects.rows);
    }
}
