//! A simulated Kafka and runners that drive machines through it, one per shard: any schedule, crash at any moment.
//! Shards that share a post office hear of each other: a letter of a committed cycle comes to the other shard.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use retain::machine::{ClockReading, Identity, Machine, Progress, Restored};
use retain::model::effects::{AlertRecord, DeadLetter, Effects, RowBlock, SignalWord};
use retain::model::outcome::Counts;
use retain::model::record::{Record, SourceIndex};
use retain::model::table::Table;
use retain::plan::Plan;

#[path = "schedule.rs"]
mod schedule;

pub use schedule::Schedule;

use crate::random::Random;
use crate::rowbinary::{Row, Tables};

/// A record of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its offset.
    pub offset: i64,
    /// Its Kafka timestamp.
    pub kafka_ms: i64,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub payload: Option<Vec<u8>>,
}

/// One source partition.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The records; offsets rise, with holes where control records stood.
    pub entries: Vec<Entry>,
    /// The next offset.
    pub end: i64,
}

impl Log {
    /// Appends a record, after a hole of `hole` offsets.
    pub fn push(
        &mut self,
        hole: i64,
        kafka_ms: i64,
        key: Option<Vec<u8>>,
        payload: Option<Vec<u8>>,
    ) {
        self.end += hole;
        self.entries.push(Entry { offset: self.end, kafka_ms, key, payload });
        self.end += 1;
    }

    fn at(&self, offset: i64) -> usize {
        self.entries.partition_point(|e| e.offset < offset)
    }

    /// The records in `[from, to)`.
    pub fn range(&self, from: i64, to: i64) -> &[Entry] {
        &self.entries[self.at(from)..self.at(to)]
    }
}

/// The mail topic, a partition per shard.
#[derive(Clone, Debug)]
pub struct PostOffice(Rc<RefCell<Vec<Log>>>);

impl PostOffice {
    /// One for so many shards, with nothing in it.
    pub fn new(shards: u16) -> Self {
        Self(Rc::new(RefCell::new(vec![Log::default(); usize::from(shards)])))
    }

    /// Brings a letter to a shard. A transaction marker may stand before it.
    pub fn send(&self, to_shard: u16, bytes: Vec<u8>) {
        let log = &mut self.0.borrow_mut()[usize::from(to_shard)];
        let hole = i64::from(bytes.len().is_multiple_of(3));
        log.push(hole, 0, None, Some(bytes));
    }

    /// The letters of a shard.
    pub fn letters(&self, shard: u16) -> Vec<Entry> {
        self.0.borrow()[usize::from(shard)].entries.clone()
    }
}

/// A change of a lifecycle that a row showed: customer, state, since.
pub type Transition = (String, String, i128);

/// What one committed cycle did: by source the offsets, and the counts.
pub type Cycle = Vec<(i64, i64, Counts)>;

/// Drives a machine and keeps what it committed, as Kafka and ClickHouse would.
pub struct Runner {
    plan: Arc<Plan>,
    identity: Identity,
    schedule: Schedule,
    random: Random,
    /// The source partitions.
    pub logs: Vec<Log>,
    /// Up to which offset each can be read today.
    pub visible: Vec<i64>,
    /// The machine at work.
    pub machine: Machine,
    /// The state topic.
    pub state: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    in_flight: Option<Effects>,
    clock_ms: i64,
    /// What ClickHouse holds.
    pub tables: Tables,
    recent: VecDeque<RowBlock>,
    /// What was put aside.
    pub letters: Vec<DeadLetter>,
    /// Counts of all committed cycles.
    pub counts: Vec<Counts>,
    /// Sum of the hashes of applied ids.
    pub id_hashes: Vec<u64>,
    /// Records below the watermark.
    pub order_breaks: u64,
    /// Where the ledger stands.
    pub consumed_to: Vec<i64>,
    /// Lifecycles as committed rows showed them.
    pub transitions: Vec<Transition>,
    lifecycles: BTreeMap<String, (String, i128)>,
    /// All rows of customers as they were committed, if they are to be kept.
    pub shown: Option<Vec<Row>>,
    /// By customer the bands of the risk as committed rows showed them, and since when.
    pub risk_moves: BTreeMap<String, Vec<(usize, i64)>>,
    /// Committed cycles.
    pub cycles: Vec<Cycle>,
    /// Most bytes that waited, by source.
    pub waiting_max: Vec<usize>,
    /// Largest state record, bytes.
    pub state_record_max: usize,
    /// Largest cycle, bytes.
    pub effects_max: usize,
    /// How often the machine died.
    pub crashes: usize,
    /// How far time was when the last cycle was committed.
    watermark_ms: Option<i64>,
    /// What the next stage was told.
    pub words: Vec<SignalWord>,
    /// What happened to alerts.
    pub alerts: Vec<AlertRecord>,
    /// The mail topic.
    pub office: PostOffice,
    /// The next mail offset, as committed.
    pub mail_to: i64,
    /// Letters that were skipped.
    pub mail_unread: u64,
}

impl Runner {
    /// A new shard before its first record; everything in the logs can be read.
    pub fn new(
        plan: &Arc<Plan>,
        shard: u16,
        shards: u16,
        logs: Vec<Log>,
        schedule: Schedule,
    ) -> Self {
        let identity = Identity { shard, shards, generation: 1, owner: "sim".to_owned() };
        let n = logs.len();
        let starts: Vec<i64> = logs.iter().map(first_offset).collect();
        let mut machine = Machine::new(plan.clone(), identity.clone());
        assert_eq!(machine.restored().unwrap(), Restored::New);
        machine.start_at(&starts, 0);
        Self {
            plan: plan.clone(),
            identity,
            random: Random::new(schedule.seed),
            schedule,
            visible: logs.iter().map(|log| log.end).collect(),
            consumed_to: starts,
            logs,
            machine,
            state: Vec::new(),
            in_flight: None,
            clock_ms: 0,
            tables: Tables::default(),
            recent: VecDeque::new(),
            letters: Vec::new(),
            counts: vec![Counts::default(); n],
            id_hashes: vec![0; n],
            order_breaks: 0,
            transitions: Vec::new(),
            lifecycles: BTreeMap::new(),
            shown: None,
            risk_moves: BTreeMap::new(),
            cycles: Vec::new(),
            waiting_max: vec![0; n],
            state_record_max: 0,
            effects_max: 0,
            crashes: 0,
            watermark_ms: None,
            words: Vec::new(),
            alerts: Vec::new(),
            office: PostOffice::new(shards),
            mail_to: 0,
            mail_unread: 0,
        }
    }

    /// The same in a post office that other shards share.
    pub fn within(self, office: &PostOffice) -> Self {
        Self { office: office.clone(), ..self }
    }

    /// Letters come, some or all that are there.
    pub fn offer_mail(&mut self) {
        let letters = self.office.letters(self.identity.shard);
        let from = self.machine.mail_position();
        let first = letters.partition_point(|letter| letter.offset < from);
        let most = 1 + self.random.below(self.schedule.offer_max) as usize;
        let last = letters.len().min(first + most);
        let mut records = letters[first.saturating_sub(1)..last].iter().map(|e| Record {
            offset: e.offset,
            kafka_ms: e.kafka_ms,
            key: e.key.as_deref(),
            payload: e.payload.as_deref(),
        });
        self.machine.offer_mail(&mut records);
    }

    /// Reads and applies everything that can be read today, ends the cycle and commits it. Time does not follow the
    /// clock.
    pub fn drain(&mut self) {
        // topics that were at their ends may have more today; all of them say so before the merge goes on
        for source in 0..self.logs.len() {
            if self.machine.read_position(source as SourceIndex) < self.visible[source] {
                self.offer(source);
            }
        }
        loop {
            if self.random.below(1_000) < self.schedule.crash_permille {
                self.crash();
            }
            if self.random.percent(self.schedule.ahead_percent) {
                let source = self.random.index(self.logs.len());
                if self.machine.waiting_bytes(source as u8) < self.schedule.budget_bytes {
                    self.offer(source);
                }
            }
            if self.random.percent(self.schedule.mail_percent) {
                self.offer_mail();
            }
            let most = 1 + self.random.below(self.schedule.advance_max) as usize;
            match self.machine.advance(most) {
                Progress::Needs(source) => self.offer(source.into()),
                Progress::Idle => break,
                Progress::Full => self.cut(None),
                Progress::More if self.random.percent(self.schedule.cut_percent) => self.cut(None),
                Progress::More => {}
            }
            assert_eq!(self.machine.stop_reason(), None, "{}", self.seed());
        }
        self.cut(None);
        self.commit();
    }

    /// When all is read: time passes to `watermark_ms` by the clock. Rows are not refreshed: the clock reads hours later.
    pub fn pass_to(&mut self, watermark_ms: i64) {
        let confirmed = watermark_ms + self.plan.idle_timeout_ms + self.plan.disorder_ms;
        self.clock_ms = confirmed + 7_200_000;
        loop {
            if self.random.below(1_000) < self.schedule.crash_permille {
                self.crash();
                self.drain();
            }
            self.offer_mail();
            self.cut(Some(confirmed));
            let rows = self.in_flight.as_ref().map_or(0, changed_customers);
            self.commit();
            // a due may find nothing to say, and letters may take several offers
            let letters = self.office.letters(self.identity.shard);
            let all_read = letters.last().is_none_or(|last| last.offset < self.mail_to);
            if rows == 0 && all_read && self.machine.dues_left_ms().is_none() {
                break;
            }
        }
        assert!(self.machine.watermark_ms() >= Some(watermark_ms), "{}", self.seed());
    }

    /// One cycle, while time passes to `watermark_ms` by the clock: what it has no room for is left.
    pub fn cycle(&mut self, watermark_ms: i64) {
        let confirmed = watermark_ms + self.plan.idle_timeout_ms + self.plan.disorder_ms;
        self.clock_ms = confirmed + 7_200_000;
        self.cut(Some(confirmed));
        self.commit();
    }

    /// The seed, for messages.
    pub fn seed(&self) -> String {
        format!("seed {} of {:?}", self.schedule.seed, self.schedule)
    }

    fn offer(&mut self, source: usize) {
        let from = self.machine.read_position(source as SourceIndex);
        let log = &self.logs[source];
        let visible = self.visible[source];
        let waiting = log.range(from, visible);
        let take = waiting.len().min(1 + self.random.below(self.schedule.offer_max) as usize);
        // sometimes a fetch begins before the position, as after a seek into a compressed batch
        let back = if self.random.percent(10) { 2 } else { 0 };
        let first = log.at(from).saturating_sub(back);
        let last = log.at(from) + take;
        let mut records = log.entries[first..last].iter().map(|e| Record {
            offset: e.offset,
            kafka_ms: e.kafka_ms,
            key: e.key.as_deref(),
            payload: e.payload.as_deref(),
        });
        self.machine.offer(source as SourceIndex, &mut records);
        if take == waiting.len() && (take == 0 || self.random.percent(50)) {
            self.machine.end_of(source as SourceIndex, visible);
        }
        let bytes = self.machine.waiting_bytes(source as SourceIndex);
        self.waiting_max[source] = self.waiting_max[source].max(bytes);
    }

    /// Ends the cycle. The one before it is committed by then.
    fn cut(&mut self, ends_confirmed_ms: Option<i64>) {
        self.commit();
        self.clock_ms += self.random.between(0, 500);
        let now_ms = self.clock_ms;
        let effects = self.machine.end_cycle(ClockReading { now_ms, ends_confirmed_ms });
        self.effects_max = self.effects_max.max(effects.len_bytes());
        self.in_flight = Some(effects);
    }

    /// The transaction of the cycle in flight succeeds.
    pub fn commit(&mut self) {
        let Some(effects) = self.in_flight.take() else {
            return;
        };
        assert_eq!(effects.cycle, self.cycles.len() as u64 + 1, "{}", self.seed());
        self.account(&effects);
        self.deliver(&effects);
        self.watermark_ms = effects.watermark_ms;
        for (key, value) in effects.state.iter() {
            let bytes = key.len() + value.map_or(0, <[u8]>::len);
            self.state_record_max = self.state_record_max.max(bytes);
            self.state.push((key.to_vec(), value.map(<[u8]>::to_vec)));
        }
        for block in &effects.rows {
            let rows = self.tables.insert(block);
            self.watch(block.table, &rows);
        }
        self.repeat_rows(effects.rows);
        self.letters.extend(effects.dead_letters);
        self.words.extend(effects.signals);
        self.alerts.extend(effects.alerts);
    }

    /// The ledger: no hole, and each consumed record has exactly one outcome.
    fn account(&mut self, effects: &Effects) {
        let mut cycle = Cycle::new();
        for (s, progress) in effects.sources.iter().enumerate() {
            let (from, to) = (progress.offset_from, progress.offset_to);
            let seed = self.seed();
            assert_eq!(from, self.consumed_to[s], "source {s}: the ledger has a hole, {seed}");
            let records = self.logs[s].range(from, to).len() as u64;
            let counted = progress.counts.consumed();
            assert_eq!(counted, records, "source {s}, offsets {from} to {to}, {seed}");
            self.consumed_to[s] = to;
            self.counts[s].add(&progress.counts);
            self.id_hashes[s] = self.id_hashes[s].wrapping_add(progress.id_hash);
            self.order_breaks += progress.order_breaks;
            cycle.push((from, to, progress.counts));
        }
        self.cycles.push(cycle);
    }

    /// The letters of a committed cycle; what it read of its own: up to an offset, each letter once.
    fn deliver(&mut self, effects: &Effects) {
        assert!(effects.mail_to >= self.mail_to, "{}", self.seed());
        self.mail_to = effects.mail_to;
        self.mail_unread += effects.mail_unread;
        for letter in &effects.mail {
            self.office.send(letter.to_shard, letter.bytes.clone());
        }
    }

    fn watch(&mut self, table: Table, rows: &[Row]) {
        if table != Table::Customers {
            return;
        }
        if let Some(shown) = &mut self.shown {
            shown.extend_from_slice(rows);
        }
        for row in rows {
            let customer = row.text("customer_id").to_owned();
            let now = (row.text("lifecycle").to_owned(), row.int("lifecycle_since"));
            if let Some(since) = row.maybe_int("risk_since") {
                let band = (row.int("risk_band") as usize, since as i64);
                let moves = self.risk_moves.entry(customer.clone()).or_default();
                if moves.last() != Some(&band) {
                    moves.push(band);
                }
            }
            if self.lifecycles.get(&customer) != Some(&now) {
                let (state, since) = now.clone();
                self.transitions.push((customer.clone(), state, since));
                self.lifecycles.insert(customer, now);
            }
        }
    }

    /// A carrier may write again what it wrote before; nothing may change by that.
    fn repeat_rows(&mut self, rows: Vec<RowBlock>) {
        if self.schedule.crash_permille == 0 {
            return;
        }
        self.recent.extend(rows);
        while self.recent.len() > 20 {
            self.recent.pop_front();
        }
        if self.random.percent(20) {
            let again = self.random.index(self.recent.len());
            self.tables.insert(&self.recent[again]);
        }
    }

    /// The machine dies: the open cycle is lost, the transaction in flight succeeded or did not, a new machine takes over.
    pub fn crash(&mut self) {
        self.crashes += 1;
        if self.random.percent(50) {
            self.commit();
        }
        self.in_flight = None;
        if self.random.percent(30) {
            self.compact();
        }
        let mut machine = Machine::new(self.plan.clone(), self.identity.clone());
        for (key, value) in &self.state {
            machine.restore(key, value.as_deref()).unwrap();
        }
        match machine.restored().unwrap() {
            Restored::New => {
                assert!(self.state.is_empty(), "{}", self.seed());
                let starts: Vec<i64> = self.logs.iter().map(first_offset).collect();
                machine.start_at(&starts, 0);
            }
            Restored::At { meta, retimed } => {
                let positions: Vec<i64> = meta.positions.iter().map(|p| p.1).collect();
                assert_eq!(positions, self.consumed_to, "{}", self.seed());
                assert_eq!(meta.mail_to, self.mail_to, "{}", self.seed());
                assert_eq!(machine.mail_position(), self.mail_to, "{}", self.seed());
                assert_eq!(retimed, Vec::<String>::new());
            }
        }
        let watermark_ms = machine.watermark_ms();
        assert_eq!(watermark_ms, self.watermark_ms, "{}", self.seed());
        self.machine = machine;
    }

    /// Another owner takes over with another definition; what it re-times.
    pub fn take_over(&mut self, plan: &Arc<Plan>) -> Vec<String> {
        self.commit();
        self.plan = plan.clone();
        self.machine = Machine::new(plan.clone(), self.identity.clone());
        for (key, value) in &self.state {
            self.machine.restore(key, value.as_deref()).unwrap();
        }
        match self.machine.restored().unwrap() {
            Restored::At { retimed, .. } => retimed,
            Restored::New => panic!("nothing was committed, {}", self.seed()),
        }
    }

    /// What a log cleaner does: the last record of each key stays; tombstones stay for a while.
    fn compact(&mut self) {
        let last: BTreeMap<Vec<u8>, usize> =
            self.state.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect();
        let keep_tombstones = self.random.percent(50);
        let old = std::mem::take(&mut self.state);
        for (at, (key, value)) in old.into_iter().enumerate() {
            if last[&key] == at && (value.is_some() || keep_tombstones) {
                self.state.push((key, value));
            }
        }
    }
}

fn first_offset(log: &Log) -> i64 {
    log.entries.first().map_or(log.end, |e| e.offset)
}

fn changed_customers(effects: &Effects) -> u32 {
    let customers = effects.rows.iter().filter(|b| b.table == Table::Customers);
    customers.map(|b| b.count).sum()
}
