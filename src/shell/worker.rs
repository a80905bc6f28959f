//! A worker: owns the machines of its shards by value, feeds them from their partition queues and ends their cycles.

mod mail;
mod outbox;
mod removed;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};

use crate::flow::outbox::Outbox;
use crate::machine::{ClockReading, Machine, Progress};
use crate::model::effects::Effects;
use crate::model::record::SourceIndex;

use super::batch::Segment;
use super::board::Heartbeat;
use super::clock::PipelineClock;
use super::consumer::{Fetcher, ShardQueues};
use super::ends::Ends;
use super::observe::{Observer, View};
use super::outbox::Outboxes;
use super::runtime::Report;

/// What the runtime tells a worker.
pub enum Command {
    /// Run this shard.
    Take(Box<NewShard>),
    /// End the cycles of all shards that have something to commit.
    Cut,
    /// The shard's last cycle is committed: this one.
    Committed(u16, u64, Box<Effects>),
    /// The shard is taken away: read nothing more, and hand over what is computed.
    Finish(u16, u64),
    /// Forget the shard, and say so.
    Drop(u16, u64),
}

/// A shard after its take-over.
pub struct NewShard {
    /// Its number.
    pub shard: u16,
    /// The tenure for which it is run.
    pub tenure: u64,
    /// Its machine.
    pub machine: Machine,
    /// Its queues.
    pub queues: ShardQueues,
}

/// What the workers share.
#[derive(Clone)]
pub struct Shared {
    /// For partitions whose position retention has removed.
    pub fetcher: Fetcher,
    /// Where the sources end.
    pub ends: Arc<Ends>,
    /// The pipeline's clock.
    pub clock: PipelineClock,
    /// Bytes that may wait for the merge, for each source partition.
    pub share_bytes: Arc<AtomicUsize>,
    /// Topics of the sources.
    pub topics: Arc<[String]>,
    /// How much of the rows is carried.
    pub outboxes: Arc<Outboxes>,
    /// Where is written what the shards do.
    pub observer: Observer,
}

/// Records merged before the worker looks at its commands again.
const RECORDS_PER_STEP: usize = 2_000;
/// How long a worker with nothing to do waits for a command before it looks at the queues again; longer after a while.
const IDLE_WAIT: Duration = Duration::from_millis(2);
const IDLE_WAIT_MAX: Duration = Duration::from_millis(10);
/// A shard that only time has changed commits this often.
const TIME_COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// How often a shard's numbers are shown.
const VIEW_INTERVAL: Duration = Duration::from_millis(250);
/// The merge always waits a moment for what is being fetched; only what takes longer is worth telling.
const NEEDS_TOLD_AFTER: Duration = Duration::from_secs(1);

struct Shard {
    id: u16,
    tenure: u64,
    machine: Machine,
    queues: ShardQueues,
    ends_confirmed_ms: Option<i64>,
    /// A cycle was handed over and is not yet known to be committed.
    in_flight: bool,
    /// No cycle of this tenure has been handed over: the next one is, changed or not (it is the fence).
    first: bool,
    /// Records came since the last cut.
    dirty: bool,
    /// Taken away: reads nothing more.
    finishing: bool,
    /// The last cycle was cut: nothing follows it.
    last_cut: bool,
    finished: bool,
    cut_at: Instant,
    /// What the merge waits for, and since when nothing of it has come.
    needs: Option<(SourceIndex, Instant)>,
    viewed_at: Option<Instant>,
    /// Whether it may write rows.
    outbox: Outbox,
    /// Sources whose position is gone, and when is asked again where they begin.
    removed: Vec<(SourceIndex, Instant)>,
}

/// Runs a worker until its commands end.
pub fn run(
    index: usize,
    commands: &Receiver<Command>,
    reports: &Sender<Report>,
    shared: &Shared,
    heartbeat: Heartbeat,
) {
    work(index, commands, reports, shared, &heartbeat);
    heartbeat.end();
}

fn work(
    index: usize,
    commands: &Receiver<Command>,
    reports: &Sender<Report>,
    shared: &Shared,
    heartbeat: &Heartbeat,
) {
    let mut worker = Worker { index, reports, shared, shards: Vec::new() };
    let mut busy = false;
    let mut idle_wait = IDLE_WAIT;
    loop {
        heartbeat.beat();
        idle_wait = if busy { IDLE_WAIT } else { (idle_wait * 21 / 20).min(IDLE_WAIT_MAX) };
        let command = if busy {
            match commands.try_recv() {
                Ok(command) => Some(command),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return,
            }
        } else {
            match commands.recv_timeout(idle_wait) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        };
        if let Some(command) = command {
            worker.obey(command);
            busy = true;
            continue;
        }
        busy = worker.step();
    }
}

struct Worker<'a> {
    index: usize,
    reports: &'a Sender<Report>,
    shared: &'a Shared,
    shards: Vec<Shard>,
}

impl Worker<'_> {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Take(new) => self.take(*new),
            Command::Cut => {
                for at in 0..self.shards.len() {
                    self.cut(at, false);
                }
                self.report(Report::CutDone(self.index));
            }
            Command::Committed(shard, tenure, effects) => {
                if let Some(at) = self.find(shard, tenure) {
                    self.shards[at].in_flight = false;
                    self.shards[at].machine.recycle(*effects);
                    self.finish(at);
                }
            }
            Command::Finish(shard, tenure) => {
                if let Some(at) = self.find(shard, tenure) {
                    self.shards[at].finishing = true;
                    self.finish(at);
                }
            }
            Command::Drop(shard, tenure) => {
                self.shards.retain(|s| (s.id, s.tenure) != (shard, tenure));
                self.report(Report::Dropped(shard));
            }
        }
    }

    fn take(&mut self, new: NewShard) {
        self.shards.push(Shard {
            id: new.shard,
            tenure: new.tenure,
            machine: new.machine,
            queues: new.queues,
            ends_confirmed_ms: None,
            in_flight: false,
            first: true,
            dirty: false,
            finishing: false,
            last_cut: false,
            finished: false,
            cut_at: Instant::now(),
            needs: None,
            viewed_at: None,
            outbox: Outbox::default(),
            removed: Vec::new(),
        });
        // The first commit changes nothing, but carries the offsets and the owner's name: from now on a stale owner
        // is fenced.
        self.cut(self.shards.len() - 1, true);
    }

    fn find(&self, shard: u16, tenure: u64) -> Option<usize> {
        self.shards.iter().position(|s| (s.id, s.tenure) == (shard, tenure))
    }

    fn report(&self, report: Report) {
        // The runtime has ended when nobody listens; the commands will end too.
        let _ = self.reports.send(report);
    }

    /// One step of each shard; whether anything was done.
    fn step(&mut self) -> bool {
        let mut busy = false;
        for at in 0..self.shards.len() {
            if self.shards[at].finishing {
                continue;
            }
            let is_full = self.shards[at].is_held_up(self.shared);
            self.shards[at].show(self.shared);
            if is_full {
                continue;
            }
            match self.advance(at) {
                Ok(worked) => busy |= worked,
                Err(reason) => self.stop(at, reason),
            }
        }
        self.shards.retain(|s| !s.finished || s.in_flight);
        busy
    }

    fn stop(&mut self, at: usize, reason: String) {
        let shard = &mut self.shards[at];
        // What was computed goes with the memory: nothing of it has been committed.
        shard.finishing = true;
        shard.finished = true;
        shard.in_flight = false;
        let (id, tenure) = (shard.id, shard.tenure);
        self.report(Report::Stopped(id, tenure, reason));
    }

    fn advance(&mut self, at: usize) -> Result<bool, String> {
        let shard = &mut self.shards[at];
        let progress = shard.machine.advance(RECORDS_PER_STEP);
        if let Some(reason) = shard.machine.stop_reason() {
            return Err(reason.to_owned());
        }
        if progress == Progress::Full {
            // Until the last cycle is committed, a full one waits, and its queues with it.
            let free = !shard.in_flight;
            if free {
                self.cut(at, true);
            }
            return Ok(free);
        }
        let wanted = match progress {
            Progress::Needs(source) => Some(source),
            _ => None,
        };
        let read = shard.drain(wanted, self.shared)?;
        shard.needs = match (wanted, shard.needs) {
            (Some(source), Some((same, since))) if source == same => Some((source, since)),
            (Some(source), _) => Some((source, Instant::now())),
            (None, _) => None,
        };
        Ok(read || progress == Progress::More)
    }

    /// Ends the shard's cycle and hands it over, if it has one. `force`: also when nothing waits for the interval.
    fn cut(&mut self, at: usize, force: bool) {
        let shard = &mut self.shards[at];
        // What is full takes the fence and the last cycle of a shard, and nothing else.
        let is_full = shard.outbox == Outbox::Full && !shard.first && !shard.finishing;
        if shard.in_flight || shard.finished || is_full {
            return;
        }
        let reading = shard.reading(self.shared);
        let timely = force || shard.dirty || shard.cut_at.elapsed() >= TIME_COMMIT_INTERVAL;
        if !(shard.first || timely && shard.machine.has_work(reading)) {
            return;
        }
        let effects = shard.machine.end_cycle(reading);
        shard.first = false;
        shard.dirty = false;
        shard.in_flight = true;
        shard.cut_at = Instant::now();
        let report =
            Report::Cycle { tenure: shard.tenure, effects: Box::new(effects), urgent: force };
        self.report(report);
    }

    /// The last cycle of a shard that is taken away, once the one before is committed.
    fn finish(&mut self, at: usize) {
        let shard = &self.shards[at];
        if !shard.finishing || shard.finished || shard.in_flight {
            return;
        }
        if !shard.last_cut {
            self.shards[at].last_cut = true;
            self.cut(at, true);
        }
        let shard = &mut self.shards[at];
        if !shard.in_flight {
            shard.finished = true;
            let report = Report::Finished(shard.id, shard.tenure);
            self.report(report);
        }
    }
}

impl Shard {
    fn reading(&mut self, shared: &Shared) -> ClockReading {
        if let Some(answer) = shared.ends.of(self.id) {
            let mut ends = answer.ends.iter().enumerate();
            let there =
                ends.all(|(source, end)| self.machine.read_position(source as SourceIndex) >= *end);
            if there {
                let later =
                    self.ends_confirmed_ms.map_or(answer.asked_ms, |ms| ms.max(answer.asked_ms));
                self.ends_confirmed_ms = Some(later);
            }
        }
        ClockReading { now_ms: shared.clock.now_ms(), ends_confirmed_ms: self.ends_confirmed_ms }
    }

    /// Shows the shard's numbers, a few times a second.
    fn show(&mut self, shared: &Shared) {
        if self.viewed_at.is_some_and(|at| at.elapsed() < VIEW_INTERVAL) {
            return;
        }
        self.viewed_at = Some(Instant::now());
        let sources = 0..self.queues.sources.len() as SourceIndex;
        let waiting_bytes: usize = sources.clone().map(|s| self.machine.waiting_bytes(s)).sum();
        let view = View {
            tenure: self.machine.meta().tenure,
            watermark_ms: self.machine.watermark_ms(),
            fetched_to: sources.map(|s| self.machine.read_position(s)).collect(),
            waiting_for: self.waiting_for(shared),
            customers: self.machine.customers() as u64,
            dues_pending: self.machine.dues_pending() as u64,
            waiting_bytes: waiting_bytes as u64,
            outbox_bytes: self.outbox_bytes(shared),
            held_up: self.held_up(shared),
        };
        shared.observer.view(self.id, view);
    }

    /// What the merge has been waiting for, and why.
    fn waiting_for(&self, shared: &Shared) -> Option<String> {
        let (source, since) = self.needs.filter(|(_, at)| at.elapsed() >= NEEDS_TOLD_AFTER)?;
        let topic = topic(shared, source);
        let seconds = since.elapsed().as_secs();
        Some(match shared.ends.trouble() {
            Some(error) => format!(
                "topic {topic}: its broker cannot be reached for {seconds} s ({error}), and its records may come first"
            ),
            None => format!(
                "topic {topic}: its next records come first, and are being fetched since {seconds} s (from offset {})",
                self.machine.read_position(source)
            ),
        })
    }

    /// Feeds the machine: the source the merge waits for always, the others up to their share of memory.
    fn drain(&mut self, wanted: Option<SourceIndex>, shared: &Shared) -> Result<bool, String> {
        let share_bytes = shared.share_bytes.load(Ordering::Relaxed);
        let mut read = false;
        let due = self.removed.iter().position(|(_, at)| *at <= Instant::now());
        if let Some(at) = due {
            let (source, _) = self.removed.swap_remove(at);
            self.skip_removed(source, shared)?;
        }
        let all = 0..self.queues.sources.len() as SourceIndex;
        for source in wanted.into_iter().chain(all.filter(|s| Some(*s) != wanted)) {
            let room = self.machine.waiting_bytes(source) < share_bytes;
            if room || Some(source) == wanted {
                read |= self.drain_source(source, shared)?;
            }
        }
        read |= self.drain_mail()?;
        self.dirty |= read;
        Ok(read)
    }

    fn drain_source(&mut self, source: SourceIndex, shared: &Shared) -> Result<bool, String> {
        let Some(queue) = self.queues.sources.get_mut(usize::from(source)) else {
            return Ok(false);
        };
        let batch = queue.poll(0);
        let mut trouble = None;
        for segment in batch.segments() {
            match segment {
                Segment::Records(mut records) => self.machine.offer(source, &mut records),
                Segment::Eof { offset } => self.machine.end_of(source, offset),
                Segment::Error { code, text } => trouble = Some((code, text)),
            }
        }
        let read = !batch.is_empty();
        drop(batch);
        if read && self.needs.is_some_and(|(needed, _)| needed == source) {
            self.needs = None;
        }
        if let Some((code, text)) = trouble {
            self.troubled(source, code, &text, shared)?;
        }
        Ok(read)
    }
}

fn topic(shared: &Shared, source: SourceIndex) -> &str {
    shared.topics.get(usize::from(source)).map_or("", String::as_str)
}
