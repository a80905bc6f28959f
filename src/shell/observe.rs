//! Brings what runtime and carrier know to the status board and the gauges, twice a second.

use std::sync::Arc;
use std::time::Duration;

use super::board::{self, Moment, SourceStatus, StatusBoard};
use super::carrier::SharedCarrier;
use super::clock::PipelineClock;
use super::metrics::{Metrics, ShardGauges};
use super::sink::Sink;
use super::status::{ShardState, ShardStatus, SharedStatus};
use crate::plan::Plan;

/// How often.
const INTERVAL: Duration = Duration::from_millis(500);

/// What is observed, and where it is shown.
pub struct Observer {
    /// Names of the sources.
    pub plan: Arc<Plan>,
    /// The runtime's numbers.
    pub status: SharedStatus,
    /// The carrier's numbers.
    pub carrier: SharedCarrier,
    /// The sink's numbers, when this process carries.
    pub sink: Option<Arc<Sink>>,
    /// Where pages read.
    pub board: Arc<StatusBoard>,
    /// Where Prometheus reads.
    pub metrics: Arc<Metrics>,
}

impl Observer {
    /// Observes until `quit` is done.
    pub async fn run(self, quit: impl Future<Output = ()>) {
        let heartbeat = self.board.watch("status");
        let clock = PipelineClock::new(self.plan.clock);
        let mut tick = tokio::time::interval(INTERVAL);
        tokio::pin!(quit);
        loop {
            tokio::select! {
                () = &mut quit => break,
                _ = tick.tick() => self.observe(&clock),
            }
            heartbeat.beat();
        }
        heartbeat.end();
    }

    fn observe(&self, clock: &PipelineClock) {
        let status = self.status.get();
        for (shard, s) in &status.shards {
            let watermark_lag_s = s.watermark_ms.map(|ms| (clock.now_ms() - ms) as f64 / 1_000.0);
            self.metrics.set_shard(
                *shard,
                ShardGauges {
                    keys: s.gauges.customers as u64,
                    bytes: s.gauges.waiting_bytes as u64,
                    timers: s.gauges.dues_pending as u64,
                    watermark_lag_s,
                },
            );
        }
        let shards = status.shards.iter().map(|(n, s)| (*n, self.shard(s))).collect();
        let (carrier, sink) = (self.carrier.get(), self.sink.as_ref().map(|s| s.status()));
        self.board.update(|board| {
            let gone: Vec<u16> =
                board.shards.keys().filter(|n| !status.shards.contains_key(n)).copied().collect();
            for shard in gone {
                self.metrics.forget_shard(&self.plan.sources, shard);
            }
            board.shards = shards;
            board.assigned = status.joined;
            if let Some(sink) = sink {
                board.sink.enabled = true;
                board.sink.reachable = sink.retrying.is_none() && carrier.stopped.is_none();
                board.sink.detail = carrier.stopped.clone().or(sink.retrying);
            }
        });
    }

    fn shard(&self, s: &ShardStatus) -> board::ShardStatus {
        let (state, restore_progress, stop_reason) = match &s.state {
            ShardState::Restoring { at, end } => {
                let ratio = if *end == 0 { 0.0 } else { *at as f64 / *end as f64 };
                (board::ShardState::Restoring, Some(ratio), None)
            }
            ShardState::Running => (board::ShardState::Running, None, None),
            ShardState::Stopped { reason } => {
                (board::ShardState::Stopped, None, Some(reason.clone()))
            }
        };
        let source = |(n, source): (usize, &crate::plan::Source)| SourceStatus {
            source: source.name.clone(),
            topic: source.topic.clone(),
            position: s.offsets.get(n).copied().unwrap_or(0),
            ..SourceStatus::default()
        };
        board::ShardStatus {
            state,
            restore_progress,
            cycle: s.cycle,
            watermark: s.watermark_ms.map(Moment),
            complete_to: s.watermark_ms.map(Moment),
            sources: self.plan.sources.iter().enumerate().map(source).collect(),
            customers: s.gauges.customers as u64,
            dues_pending: s.gauges.dues_pending as u64,
            stop_reason,
            ..board::ShardStatus::default()
        }
    }
}
