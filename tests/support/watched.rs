//! An engine with alert rules that is given events one by one, and can be looked at all the time. Needs `plans` and `stream` beside it.
#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;

use retain::engine::apply::{Engine, Origin};
use retain::flow::intake::{Place, Taken, take};
use retain::model::batch::EventBatch;
use retain::model::record::{Position, Record};
use retain::plan::Plan;
use retain::rule::definition::RuleSet;
use retain::wire::mail::CutOffs;

use crate::stream::Made;

/// A plan with these rules, for all currencies of invented histories.
pub fn plan(rules: Arc<RuleSet>) -> Plan {
    let mut plan = crate::plans::plan();
    let rate = plan.rates[0].1;
    plan.rates = ["EUR", "JPY", "USD"]
        .map(|code| (retain::model::money::Currency::parse(code).unwrap(), rate))
        .into();
    plan.limits.rejects_percent_max = 100;
    plan.limits.rejects_run_max = u32::MAX;
    plan.alerts = rules;
    plan
}

/// Cut-offs of tiers; those of a later version are out of reach.
pub fn cut_offs(version: u64, valid_from_ms: i64) -> CutOffs {
    let raised = (version as i16 - 1) * 2_000;
    CutOffs {
        version,
        valid_from_ms,
        iron: 700 + raised,
        gold: 850 + raised,
        key: 950 + raised,
        a: 900 + raised,
        b: 800 + raised,
        ..CutOffs::default()
    }
}

/// An engine that is given one history, and looked at all the time.
pub struct Watched {
    /// The engine.
    pub engine: Engine,
    batch: EventBatch,
    offsets: [i64; 3],
    /// Looks at a customer.
    pub looks: usize,
}

impl Watched {
    /// With cut-offs of tiers from the beginning.
    pub fn new(plan: &Arc<Plan>) -> Self {
        let mut engine = Engine::new(Arc::clone(plan), 0);
        engine.version = 1;
        engine.take_cut_offs(&cut_offs(1, 0));
        Self { engine, batch: EventBatch::default(), offsets: [0; 3], looks: 0 }
    }

    /// Gives it an event.
    pub fn apply(&mut self, plan: &Plan, made: &Made) {
        let Self { engine, batch, offsets, .. } = self;
        let offset = offsets[made.source];
        offsets[made.source] += 1;
        let record = Record {
            offset,
            kafka_ms: made.ts_ms,
            key: made.key.as_deref().map(str::as_bytes),
            payload: made.payload.as_deref().map(str::as_bytes),
        };
        let place = Place { shard: 0, shards: 1 };
        let Taken::Event(event) = take(plan, &plan.sources[made.source], place, &record, batch)
        else {
            return;
        };
        let position = Position { source: made.source as u8, offset };
        let origin = Origin { position, frontier_ms: made.ts_ms };
        engine.apply(made.customer.as_bytes(), batch, &event, origin);
        batch.clear();
    }

    /// Fires what is due up to a moment, and looks whether anything has gone unnoticed.
    pub fn pass(&mut self, at_ms: i64) {
        self.engine.fire_all_until(at_ms, usize::MAX);
        for slot in self.engine.store.slots() {
            self.looks += 1;
            assert_eq!(self.engine.unnoticed(slot, at_ms), None, "at {at_ms}");
        }
    }
}
