//! A worker's mail: what comes for a shard is offered to its machine, which takes it when its next cycle begins.

use rdkafka::error::RDKafkaErrorCode;

use super::Shard;
use crate::shell::batch::Segment;

/// Bytes of letters that may wait for a cycle to begin.
const MAIL_BYTES_MAX: usize = 4 << 20;

impl Shard {
    /// Offers what came by mail, up to a bound: the machine takes it when its next cycle begins.
    pub(super) fn drain_mail(&mut self) -> Result<bool, String> {
        if self.machine.mail_waiting_bytes() >= MAIL_BYTES_MAX {
            return Ok(false);
        }
        let batch = self.queues.mail.poll(0);
        let mut read = false;
        for segment in batch.segments() {
            match segment {
                Segment::Records(mut letters) => {
                    self.machine.offer_mail(&mut letters);
                    read = true;
                }
                Segment::Eof { .. } => {}
                Segment::Error {
                    code:
                        code @ (RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange),
                    text,
                } => {
                    let position = self.machine.mail_position();
                    return Err(format!(
                        "the mail topic has no offset {position} of shard {} ({code}: {text}): it was deleted and made \
                         again, or cut; rebuild with `retain run --rebuild FILE`",
                        self.id
                    ));
                }
                Segment::Error { code, text } => {
                    tracing::warn!(shard = self.id, %code, %text, "reading the mail");
                }
            }
        }
        Ok(read)
    }
}
