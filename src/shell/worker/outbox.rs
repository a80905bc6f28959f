//! A worker's look at the outbox: a shard whose rows are not carried any more stops reading, and says why.

use super::{Shard, Shared};
use crate::flow::outbox::{Outbox, reason};

impl Shard {
    /// Bytes of its rows that are committed, or about to be, and not in ClickHouse; `None` while that is not known.
    pub(super) fn outbox_bytes(&self, shared: &Shared) -> Option<u64> {
        let carried = shared.outboxes.carried(self.id)?;
        Some(self.machine.rows_bytes_total().saturating_sub(carried))
    }

    /// Whether it must not write rows for now. What is not known does not hold it up.
    pub(super) fn is_held_up(&mut self, shared: &Shared) -> bool {
        if let Some(bytes) = self.outbox_bytes(shared) {
            let before = self.outbox;
            self.outbox = before.after(bytes, shared.outboxes.bytes_max);
            match (before, self.outbox) {
                (Outbox::Open, Outbox::Full) => {
                    self.needs = None;
                    let reason = self.held_up(shared).unwrap_or_default();
                    tracing::error!(shard = self.id, %reason, "the shard reads nothing for now");
                }
                (Outbox::Full, Outbox::Open) => {
                    tracing::info!(
                        shard = self.id,
                        bytes,
                        "the outbox has room, the shard goes on"
                    );
                }
                _ => {}
            }
        }
        self.outbox == Outbox::Full
    }

    /// Why it reads nothing, when it does not.
    pub(super) fn held_up(&self, shared: &Shared) -> Option<String> {
        let full = (self.outbox == Outbox::Full).then_some(&shared.outboxes)?;
        Some(reason(&full.topic, self.id, self.outbox_bytes(shared).unwrap_or(0), full.bytes_max))
    }
}
