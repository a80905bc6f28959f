//! One shard on its way through a case: records and the clock in, effects out, its own mail back to itself.

use std::sync::Arc;

use crate::machine::{ClockReading, Identity, Machine, Progress};
use crate::model::effects::Effects;
use crate::model::outcome::Outcome;
use crate::model::record::{Record, SourceIndex};
use crate::plan::{Clock, Plan};
use crate::wire::mail::{Mail, OUTSIDE, Said};

/// Cycles at one moment: letters and dues lead to others, but not for ever.
const CYCLES_MAX: usize = 1_000;

/// A machine with the ends of its topics.
pub(super) struct Stage {
    pub machine: Machine,
    pub plan: Arc<Plan>,
    ends: Vec<i64>,
    mail_end: i64,
}

/// What became of a record.
pub(super) struct Taken {
    pub outcome: Option<Outcome>,
    /// Why, where it was put aside.
    pub why: String,
}

impl Stage {
    pub fn new(plan: &Arc<Plan>) -> Self {
        let plan = Arc::new(Plan { clock: Clock::Wall, ..(**plan).clone() });
        let identity = Identity { shard: 0, shards: 1, generation: 1, owner: "case".to_owned() };
        let ends = vec![0; plan.sources.len()];
        let mut machine = Machine::new(Arc::clone(&plan), identity);
        machine.start_at(&ends, 0);
        Self { machine, plan, ends, mail_end: 0 }
    }

    /// How long after a moment the clock must stand until time has certainly passed to it, where nothing comes.
    pub fn delay_ms(&self) -> i64 {
        self.plan.disorder_ms + self.plan.idle_timeout_ms
    }

    /// Offers a record; it is taken with the next cycle.
    pub fn offer(
        &mut self,
        source: usize,
        kafka_ms: i64,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
    ) {
        let offset = self.ends[source];
        let record = Record { offset, kafka_ms, key, payload };
        self.machine.offer(source as SourceIndex, &mut std::iter::once(record));
        self.ends[source] = offset + 1;
    }

    /// What a person says comes by mail.
    pub fn say(&mut self, said: Said) {
        self.post(&Mail::Command(said).encode(OUTSIDE));
    }

    fn post(&mut self, letter: &[u8]) {
        let record =
            Record { offset: self.mail_end, kafka_ms: -1, key: None, payload: Some(letter) };
        self.machine.offer_mail(&mut std::iter::once(record));
        self.mail_end += 1;
    }

    /// Takes what was offered and ends a cycle.
    pub fn cycle(&mut self, now_ms: i64) -> Effects {
        for (source, end) in (0..).zip(&self.ends) {
            self.machine.end_of(source, *end);
        }
        // one record at a time was offered: a cycle is never full before it is taken
        while self.machine.advance(1_000) == Progress::More {}
        let effects = self.machine.end_cycle(reading(now_ms));
        for letter in &effects.mail {
            self.post(&letter.bytes);
        }
        effects
    }

    /// Cycles until nothing is left to do at this moment; each one's effects go to `each`. Whether that came to an end.
    pub fn settle(&mut self, now_ms: i64, each: &mut dyn FnMut(Effects)) -> bool {
        for _ in 0..CYCLES_MAX {
            each(self.cycle(now_ms));
            if !self.machine.has_work(reading(now_ms)) {
                return true;
            }
        }
        false
    }
}

/// What became of the one record of a cycle.
pub(super) fn taken(effects: &Effects) -> Taken {
    let counts = effects.sources.iter().map(|source| source.counts);
    let found =
        counts.flat_map(|counts| Outcome::ALL.into_iter().filter(move |o| counts.of(*o) > 0));
    let why = effects.dead_letters.first().map_or_else(String::new, |letter| {
        format!(" ({}: {})", letter.reason.name(), letter.detail)
    });
    Taken { outcome: found.into_iter().next(), why }
}

fn reading(now_ms: i64) -> ClockReading {
    ClockReading { now_ms, ends_confirmed_ms: Some(now_ms) }
}
