//! The events that are held, decoded once and applied again as often as is needed.

use std::sync::Arc;

use super::input::Held;
use crate::decode::{DecodeContext, decode};
use crate::engine::apply::Engine;
use crate::engine::fold::Kept;
use crate::engine::profile::Profile;
use crate::model::batch::EventBatch;
use crate::model::event::{Body, Event, Span, WebAction};
use crate::model::record::{Position, SourceIndex};
use crate::plan::Plan;

/// An event that is held.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The event; its texts lie in the batch.
    pub event: Event,
    /// Its source and offset.
    pub position: Position,
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: u16,
    /// Version of the cycle that applied it.
    pub version: u64,
    /// Whether it began a visit.
    pub visit: bool,
    /// Whether it is a visit of which only the beginning is held.
    pub session: bool,
}

/// All events that are held of one customer, in the order of time.
#[derive(Debug)]
pub(super) struct Replay {
    plan: Arc<Plan>,
    key: Vec<u8>,
    /// Texts of the events.
    pub batch: EventBatch,
    /// The events by (time, source, partition, offset).
    pub events: Vec<Known>,
    /// Rows that the definition cannot read: of another source, or against its contract.
    pub unreadable: usize,
}

impl Replay {
    /// Decodes and sorts.
    pub fn new(plan: &Arc<Plan>, customer: &str, held: &[Held]) -> Self {
        let mut batch = EventBatch::default();
        let mut events: Vec<Known> =
            held.iter().filter_map(|row| known(plan, row, &mut batch)).collect();
        let unreadable = held.len() - events.len();
        events.sort_by_key(|e| {
            (e.event.ts_ms, e.position.source, e.partition, e.position.offset, e.version)
        });
        // a row that was read twice is one event
        events.dedup_by_key(|e| (e.position, e.partition));
        Self { plan: plan.clone(), key: customer.as_bytes().to_vec(), batch, events, unreadable }
    }

    /// How many events there are up to a moment, itself included.
    pub fn until(&self, at_ms: i64) -> usize {
        self.events.partition_point(|known| known.event.ts_ms <= at_ms)
    }

    /// An engine without anybody.
    pub fn engine(&self) -> Engine {
        Engine::new(self.plan.clone(), 0)
    }

    fn kept<'a>(&'a self, known: &'a Known) -> Kept<'a> {
        let Known { event, position, visit, .. } = known;
        Kept { batch: &self.batch, event, position: *position, visit: *visit }
    }

    /// The profile at a moment, with all that was due until then, from events of no later version than `version_max`.
    pub fn profile_at(&self, at_ms: i64, version_max: u64) -> Option<Profile> {
        let mut engine = self.engine();
        let events = self.events.iter().take(self.until(at_ms));
        for known in events.filter(|known| known.version <= version_max) {
            engine.fold(&self.key, &self.kept(known));
        }
        engine.settle(&self.key, at_ms).cloned()
    }

    /// Applies some events to what they add up to, without bands and dues.
    pub fn add(&self, engine: &mut Engine, events: std::ops::Range<usize>) {
        for known in self.events.get(events).unwrap_or(&[]) {
            engine.fold_sums(&self.key, &self.kept(known));
        }
    }

    /// The profile that an engine holds of the customer.
    pub fn profile<'e>(&self, engine: &'e Engine) -> Option<&'e Profile> {
        engine.profile(&self.key)
    }

    /// Makes an engine hold a profile of the customer.
    pub fn put(&self, engine: &mut Engine, profile: Profile) {
        engine.put(&self.key, profile);
    }
}

fn known(plan: &Plan, row: &Held, batch: &mut EventBatch) -> Option<Known> {
    let at = plan.sources.iter().position(|source| source.name == row.source)?;
    let session = row.payload.is_empty();
    let event = if session {
        visit(row)?
    } else {
        let context = DecodeContext {
            default_type: plan.sources[at].default_type,
            reporting: plan.currency,
            rates: &plan.rates,
        };
        decode(&row.payload, &context, batch).ok()?
    };
    Some(Known {
        event,
        position: Position { source: at as SourceIndex, offset: row.offset },
        topic: row.topic.clone(),
        partition: row.partition,
        version: row.version,
        visit: row.visit,
        session,
    })
}

/// A visit: whatever the page was that began it, it counts as a look at one.
fn visit(row: &Held) -> Option<Event> {
    if row.kind != "session" {
        return None;
    }
    let body =
        Body::Web { action: WebAction::PageView, session_id: Span::NONE, category: Span::NONE };
    Some(Event {
        id_hash: 0,
        event_id: Span::NONE,
        customer_id: Span::NONE,
        account_id: Span::NONE,
        legal_entity_id: Span::NONE,
        origin: Span::NONE,
        ts_ms: row.ts_ms,
        body,
        raw: Span::NONE,
    })
}
