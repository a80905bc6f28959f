//! What a shard can be asked beside its effects: when it is due next, and what a signal is.

use super::Machine;
use crate::engine::alerts::Unsaid;
use crate::model::registry::Signal;
use crate::rule::evaluate::Value;

impl Machine {
    /// The first moment of event time up to `until_ms` at which something may be due; `None` when nothing is.
    pub fn first_due_ms(&mut self, until_ms: i64) -> Option<i64> {
        let mut first_ms = self.engine.next_due_ms(until_ms)?;
        // dues of customers and ends of dwell times are asked for one after the other
        while let Some(due_ms) = self.engine.next_due_ms(first_ms.saturating_sub(1)) {
            first_ms = due_ms;
        }
        Some(first_ms)
    }

    /// What a signal of a customer is at `at_ms`, the watermark or later; see [`crate::engine::apply::Engine::signal`].
    ///
    /// # Errors
    /// Why it cannot be said.
    pub fn signal(
        &self,
        customer: &[u8],
        signal: &Signal,
        at_ms: i64,
    ) -> Result<Option<Value>, Unsaid> {
        self.engine.signal(customer, signal, at_ms)
    }
}
