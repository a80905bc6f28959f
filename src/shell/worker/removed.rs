//! What a worker does about a source that cannot be read where the shard stands.

use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

use crate::model::record::SourceIndex;

use super::{Shard, Shared, topic};

/// How long a worker waits before it asks again where a source begins.
const ASK_AGAIN: Duration = Duration::from_secs(5);
impl Shard {
    pub(super) fn troubled(
        &mut self,
        source: SourceIndex,
        code: RDKafkaErrorCode,
        text: &str,
        shared: &Shared,
    ) -> Result<(), String> {
        let position = self.machine.read_position(source);
        let topic = topic(shared, source);
        match code {
            RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => {
                self.removed.retain(|(removed, _)| *removed != source);
                self.skip_removed(source, shared)
            }
            RDKafkaErrorCode::NotImplemented | RDKafkaErrorCode::BadCompression => Err(format!(
                "topic {topic} cannot be read at offset {position}: {text}; its compression is not supported"
            )),
            _ => {
                // librdkafka goes on by itself; the merge waits, and says for what.
                tracing::warn!(shard = self.id, topic, %code, %text, "reading a source");
                Ok(())
            }
        }
    }

    /// The records at the read position are gone: goes on where the source begins. A broker that does not say where
    /// is asked again later.
    pub(super) fn skip_removed(
        &mut self,
        source: SourceIndex,
        shared: &Shared,
    ) -> Result<(), String> {
        let position = self.machine.read_position(source);
        let topic = topic(shared, source);
        let low = match shared.fetcher.first_offset(self.id, source) {
            Ok(low) => low,
            Err(error) => {
                tracing::warn!(shard = self.id, topic, position, %error, "the offset is gone, where the topic begins is not known yet");
                self.removed.push((source, Instant::now() + ASK_AGAIN));
                return Ok(());
            }
        };
        if low < position {
            return Err(format!(
                "topic {topic} has no offset {position}, though it begins at {low}: it was deleted and made \
                 again, or cut; rebuild with `retain run --rebuild FILE`"
            ));
        }
        // at the position itself it has been skipped to before, and the fetcher was not moved
        if low > position {
            let reason = "retention removed records before they were read";
            let (shard, from, to) = (self.id, position, low);
            tracing::error!(shard, topic, from, to, "retention removed unread records");
            self.machine.skip_to(source, low, shared.clock.now_ms(), reason);
        }
        if let Err(error) = shared.fetcher.move_to(self.id, source, low) {
            tracing::warn!(shard = self.id, topic, low, %error, "the fetcher could not be moved, it is tried again");
            self.removed.push((source, Instant::now() + ASK_AGAIN));
        }
        Ok(())
    }
}
