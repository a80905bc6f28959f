//! A shard of a rebuild begins with what people have done about the alerts of the generation before.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{TakeOver, TakeOverError, Watch};
use crate::flow::names::Names;
use crate::shell::acts::ActsReader;
use crate::wire::mail::Acted;

/// How long the reader waits for the next batch before it looks whether to give up.
const POLL: Duration = Duration::from_millis(50);

impl TakeOver {
    /// Reads up to the end that there is now. A generation without alerts, or with fewer shards, has nothing to say.
    pub(super) fn acts(
        &self,
        generation: u32,
        (shard, shards): (u16, u16),
        watch: &Watch,
    ) -> Result<Vec<Acted>, TakeOverError> {
        let kafka = |source| {
            let what = "reading what people have done about alerts";
            TakeOverError::Kafka { shard, what, source }
        };
        let names = Names::new(&self.plan.name, generation);
        let mut reader = ActsReader::new(&self.link, &names).map_err(kafka)?;
        let partitions = reader.partitions().map_err(kafka)?;
        // said once, not by every shard
        if partitions != 0 && partitions != shards && shard == 0 {
            tracing::warn!(
                generation,
                partitions,
                shards,
                "the number of shards has changed since that generation: what people did about alerts is not carried over whole"
            );
        }
        if partitions <= shard {
            return Ok(Vec::new());
        }
        let end = reader.from_the_beginning(shard).map_err(kafka)?;
        let deadline = Instant::now() + self.restore_timeout;
        let mut acts = Vec::new();
        loop {
            if watch.cancel.load(Ordering::SeqCst) {
                return Err(TakeOverError::Cancelled);
            }
            if Instant::now() >= deadline {
                let late = RDKafkaErrorCode::OperationTimedOut;
                return Err(kafka(KafkaError::MessageConsumption(late)));
            }
            let met = reader.poll(POLL, &mut |_, acted| acts.push(acted));
            if met.is_some_and(|offset| offset >= end) {
                tracing::info!(shard, generation, acts = acts.len(), "what people did is known");
                return Ok(acts);
            }
        }
    }
}
