//! Records of a shard's topics in the order of the frontier of their own partition.
//!
//! A partition's frontier is the largest min(event time, Kafka timestamp) of its records so far; it never falls, so the
//! merged order is a function of the logs, whatever was fetched first. A topic that has not been read to its end holds
//! the merge back; one at its end, an empty or a silent one does not.

use std::collections::VecDeque;

use super::intake::{Taken, subject};
use crate::model::batch::EventBatch;
use crate::model::record::SourceIndex;
use crate::model::time::BEFORE_ALL_MS;
use crate::plan::Plan;

/// A record that waits to be merged.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Kafka offset.
    pub offset: i64,
    /// Kafka timestamp, milliseconds.
    pub kafka_ms: i64,
    /// Frontier of its partition, itself included.
    pub frontier_ms: i64,
    /// What it is.
    pub taken: Taken,
}

/// Records that share an arena.
#[derive(Debug, Default)]
pub struct Run {
    /// Their texts.
    pub batch: EventBatch,
    records: Vec<Waiting>,
    at: usize,
    bytes: usize,
}

impl Run {
    /// Adds a record; `bytes` is what it costs in memory.
    pub fn push(&mut self, waiting: Waiting, bytes: usize) {
        self.records.push(waiting);
        self.bytes += bytes;
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// The queue of one source partition.
#[derive(Debug)]
struct Queue {
    runs: VecDeque<Run>,
    bytes: usize,
    /// Next offset to fetch.
    read_to: i64,
    /// Next offset to merge.
    merged_to: i64,
    frontier_ms: i64,
    merged_frontier_ms: i64,
    at_end: bool,
}

/// What the merge can do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This source's head is next.
    Take(SourceIndex),
    /// This source must be read first.
    Needs(SourceIndex),
    /// All are empty and at their ends.
    Idle,
}

/// The merge of a shard's sources.
#[derive(Debug)]
pub struct Merge {
    queues: Vec<Queue>,
    /// Merged runs, emptied: their memory is used again, since fresh pages cost more than decoding into them.
    spent: Vec<Run>,
}

/// How many emptied runs are kept.
const SPENT_MAX: usize = 8;

impl Merge {
    /// Nothing offered yet; all sources unknown.
    pub fn new(sources: usize) -> Self {
        let queue = || Queue {
            runs: VecDeque::new(),
            bytes: 0,
            read_to: 0,
            merged_to: 0,
            frontier_ms: BEFORE_ALL_MS,
            merged_frontier_ms: BEFORE_ALL_MS,
            at_end: false,
        };
        Self { queues: (0..sources).map(|_| queue()).collect(), spent: Vec::new() }
    }

    /// An empty run to decode into.
    pub fn empty_run(&mut self) -> Run {
        let mut run = self.spent.pop().unwrap_or_default();
        run.batch.clear();
        run.records.clear();
        (run.at, run.bytes) = (0, 0);
        run
    }

    /// Sets where a source begins.
    pub fn start(&mut self, source: SourceIndex, offset: i64, frontier_ms: i64) {
        if let Some(q) = self.queues.get_mut(usize::from(source)) {
            q.read_to = offset;
            q.merged_to = offset;
            q.frontier_ms = frontier_ms;
            q.merged_frontier_ms = frontier_ms;
        }
    }

    fn queue(&self, source: SourceIndex) -> Option<&Queue> {
        self.queues.get(usize::from(source))
    }

    /// Next offset to fetch.
    pub fn read_to(&self, source: SourceIndex) -> i64 {
        self.queue(source).map_or(0, |q| q.read_to)
    }

    /// Next offset to merge: everything below has its outcome.
    pub fn merged_to(&self, source: SourceIndex) -> i64 {
        self.queue(source).map_or(0, |q| q.merged_to)
    }

    /// Frontier of everything offered so far.
    pub fn frontier_ms(&self, source: SourceIndex) -> i64 {
        self.queue(source).map_or(BEFORE_ALL_MS, |q| q.frontier_ms)
    }

    /// Frontier of everything merged so far: what a shard goes on with after a restart.
    pub fn merged_frontier_ms(&self, source: SourceIndex) -> i64 {
        self.queue(source).map_or(BEFORE_ALL_MS, |q| q.merged_frontier_ms)
    }

    /// Frontier of the record at the head of a source.
    pub fn head_frontier_ms(&self, source: SourceIndex) -> Option<i64> {
        let run = self.queue(source)?.runs.front()?;
        run.records.get(run.at).map(|w| w.frontier_ms)
    }

    /// Bytes that wait.
    pub fn bytes(&self, source: SourceIndex) -> usize {
        self.queue(source).map_or(0, |q| q.bytes)
    }

    /// Whether the source was read to its end and everything is merged.
    pub fn is_at_end(&self, source: SourceIndex) -> bool {
        self.queue(source).is_some_and(|q| q.at_end && q.runs.is_empty())
    }

    /// Adds a run of records that ends before `read_to`.
    pub fn push(&mut self, source: SourceIndex, run: Run, frontier_ms: i64, read_to: i64) {
        let Some(q) = self.queues.get_mut(usize::from(source)) else {
            return;
        };
        q.read_to = q.read_to.max(read_to);
        q.frontier_ms = q.frontier_ms.max(frontier_ms);
        if !run.is_empty() {
            q.at_end = false;
            q.bytes += run.bytes;
            q.runs.push_back(run);
        }
    }

    /// The partition ends at `offset` for now; what lies between (control records) holds no event.
    pub fn end(&mut self, source: SourceIndex, offset: i64) {
        let Some(q) = self.queues.get_mut(usize::from(source)) else {
            return;
        };
        if offset >= q.read_to {
            q.read_to = offset;
            q.at_end = true;
            if q.runs.is_empty() {
                q.merged_to = offset;
            }
        }
    }

    /// Retention removed everything below `offset`.
    pub fn skip(&mut self, source: SourceIndex, offset: i64) {
        let Some(q) = self.queues.get_mut(usize::from(source)) else {
            return;
        };
        q.read_to = q.read_to.max(offset);
        if q.runs.is_empty() {
            q.merged_to = q.merged_to.max(offset);
        }
    }

    /// Which record is next: the smallest (frontier, source, offset) once every source that could come before is known.
    pub fn next(&self) -> Next {
        let mut best: Option<(i64, usize)> = None;
        let mut blocked: Option<(i64, usize)> = None;
        for (index, q) in self.queues.iter().enumerate() {
            match q.runs.front().and_then(|run| run.records.get(run.at)) {
                Some(head) => best = lower(best, (head.frontier_ms, index)),
                None if !q.at_end => blocked = lower(blocked, (q.frontier_ms, index)),
                None => {}
            }
        }
        match (best, blocked) {
            // a source whose frontier has already passed the head cannot come before it any more
            (Some(b), Some(w)) if b <= w => Next::Take(b.1 as SourceIndex),
            (_, Some(w)) => Next::Needs(w.1 as SourceIndex),
            (Some(b), None) => Next::Take(b.1 as SourceIndex),
            (None, None) => Next::Idle,
        }
    }

    /// The subjects of the next records of a source and the hashes of their ids, `ahead` at a time: nothing until those
    /// are merged.
    pub fn upcoming<'m>(
        &'m self,
        source: SourceIndex,
        plan: &'m Plan,
        ahead: usize,
    ) -> impl Iterator<Item = (&'m [u8], u64)> {
        let run = self.queue(source).and_then(|q| q.runs.front());
        run.filter(|run| run.at.is_multiple_of(ahead)).into_iter().flat_map(move |run| {
            run.records[run.at..].iter().take(ahead).filter_map(|waiting| match &waiting.taken {
                Taken::Event(event) => Some((run.batch.bytes(subject(plan, event)), event.id_hash)),
                Taken::Word(_) | Taken::Reject(_) => None,
            })
        })
    }

    /// Takes the head of a source and hands it over with its arena.
    pub fn take<R>(
        &mut self,
        source: SourceIndex,
        then: impl FnOnce(&EventBatch, &mut Waiting) -> R,
    ) -> Option<R> {
        let q = self.queues.get_mut(usize::from(source))?;
        let run = q.runs.front_mut()?;
        let Run { batch, records, at, .. } = run;
        let waiting = records.get_mut(*at)?;
        *at += 1;
        q.merged_to = waiting.offset + 1;
        q.merged_frontier_ms = waiting.frontier_ms;
        let result = then(batch, waiting);
        if run.at >= run.records.len() {
            q.bytes -= run.bytes.min(q.bytes);
            if let Some(run) = q.runs.pop_front()
                && self.spent.len() < SPENT_MAX
            {
                self.spent.push(run);
            }
            if q.runs.is_empty() {
                q.merged_to = q.merged_to.max(q.read_to);
            }
        }
        Some(result)
    }
}

fn lower(a: Option<(i64, usize)>, b: (i64, usize)) -> Option<(i64, usize)> {
    Some(a.map_or(b, |a| a.min(b)))
}
