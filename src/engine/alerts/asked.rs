//! What a signal of a customer is at a moment, for whoever asks from outside: the same as the rules are told.

use super::values::Facts;
use crate::engine::apply::Engine;
use crate::model::registry::Signal;
use crate::rule::evaluate::Value;

/// Why a signal cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// Nobody of that id is known.
    Nobody,
    /// Something happened after the moment, at this time, milliseconds.
    Later(i64),
}

impl Engine {
    /// What a signal of a customer is at `at_ms`, once everything up to then was applied and fired; `None` while it is unknown.
    /// Lengths of time and moments in milliseconds.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub fn signal(
        &self,
        customer: &[u8],
        signal: &Signal,
        at_ms: i64,
    ) -> Result<Option<Value>, Unsaid> {
        let slot = self.store.find(customer).ok_or(Unsaid::Nobody)?;
        let profile = &self.store.get(slot).profile;
        if profile.as_of_ms > at_ms {
            return Err(Unsaid::Later(profile.as_of_ms));
        }
        Ok(Facts::new(&self.cx, profile, self.tiers.columns(slot)).value(signal, at_ms))
    }
}
