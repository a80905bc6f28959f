//! One record: its outcome, its effects, its place in the counts.

use super::Machine;
use crate::engine::apply::Origin;
use crate::flow::intake::{Taken, dropped, subject};
use crate::flow::merge::Waiting;
use crate::model::batch::EventBatch;
use crate::model::effects::DeadLetter;
use crate::model::outcome::{Outcome, Reason};
use crate::model::record::{Position, SourceIndex};
use crate::plan::KeyFormat;

impl Machine {
    /// Takes the head of a source and gives it its outcome.
    pub(super) fn consume(&mut self, source: SourceIndex, broke: bool) {
        let Self { merge, engine, book, cycle, plan, state, stop, .. } = self;
        merge.take(source, |batch, waiting| {
            let progress = &mut cycle.sources[usize::from(source)];
            // a reject has no time of its own; it stands at the frontier of the record before it
            let timed = !matches!(waiting.taken, Taken::Reject(_));
            progress.order_breaks += u64::from(broke && timed);
            if waiting.kafka_ms >= 0 {
                cycle.newest_kafka_ms = cycle.newest_kafka_ms.max(Some(waiting.kafka_ms));
            }
            let outcome = match &waiting.taken {
                Taken::Reject(_) => Outcome::Rejected,
                Taken::Word(heard) => match book {
                    Some(book) => {
                        let outcome = book.hear(source, heard, waiting.frontier_ms);
                        cycle.book_bytes = book.changed_bytes();
                        outcome
                    }
                    None => Outcome::Filtered,
                },
                Taken::Event(event) if dropped(plan, source, batch, event).is_some() => {
                    Outcome::Filtered
                }
                Taken::Event(event) => {
                    let position = Position { source, offset: waiting.offset };
                    let origin = Origin { position, frontier_ms: waiting.frontier_ms };
                    let key = batch.bytes(subject(plan, event));
                    engine.apply(key, batch, event, origin)
                }
            };
            progress.counts.count(outcome);
            let id_hash = match &waiting.taken {
                Taken::Event(event) if outcome == Outcome::Applied => event.id_hash,
                Taken::Word(heard) if outcome == Outcome::Applied => heard.id_hash(),
                _ => 0,
            };
            progress.id_hash = progress.id_hash.wrapping_add(id_hash);
            let l = plan.limits;
            let rejected = outcome == Outcome::Rejected;
            let reason = state.limits[usize::from(source)].count(
                rejected,
                l.rejects_percent_max,
                l.rejects_window,
                l.rejects_run_max,
            );
            if let Some(reason) = reason {
                let name = &plan.sources[usize::from(source)].topic;
                *stop = Some(format!("topic {name}, up to offset {}: {reason}", waiting.offset));
            }
            if matches!(outcome, Outcome::Late | Outcome::Rejected) {
                let letter = dead_letter(source, outcome, batch, waiting, plan.key_format, |e| {
                    batch.bytes(subject(plan, e)).to_vec()
                });
                progress.reasons[letter.reason as usize] += 1;
                cycle.put_aside(letter);
            }
        });
    }
}

fn dead_letter(
    source: SourceIndex,
    outcome: Outcome,
    batch: &EventBatch,
    waiting: &mut Waiting,
    format: KeyFormat,
    key_of: impl Fn(&crate::model::event::Event) -> Vec<u8>,
) -> DeadLetter {
    let (offset, kafka_ms) = (waiting.offset, waiting.kafka_ms);
    let (reason, detail, key, payload) = match &mut waiting.taken {
        Taken::Reject(refused) => {
            let detail = std::mem::take(&mut refused.reject.detail);
            (refused.reject.reason, detail, refused.key.take(), refused.payload.take())
        }
        // a word is heard or not, and never put aside
        Taken::Word(heard) => (Reason::BelowFloor, String::new(), Some(heard.key()), None),
        Taken::Event(event) => {
            let id = key_of(event);
            // the key was checked at intake to be exactly this spelling of the subject
            let key = match format {
                KeyFormat::Text => id,
                KeyFormat::JsonString => {
                    serde_json::to_vec(&String::from_utf8_lossy(&id)).unwrap_or(id)
                }
            };
            let detail = "event ids this old were forgotten, so it could not be told from a repeat";
            let payload = batch.bytes(event.raw).to_vec();
            (Reason::BelowFloor, detail.to_owned(), Some(key), Some(payload))
        }
    };
    DeadLetter { source, offset, kafka_ms, outcome, reason, detail, key, payload }
}
