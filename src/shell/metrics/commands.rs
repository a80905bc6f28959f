//! What Prometheus sees of what people do about alerts.

use prometheus::{IntCounterVec, Registry};

use super::Registrar;
use crate::alert::command::{DONE, Refused};

/// Commands that the shards of this copy have heard, by outcome: `done`, `repeated` (it had had its effect), or why it had none
/// (`other_episode`, `other_phase`, `no_alert`, `no_rule`, `no_end`). Alert on any but `done` and `repeated`:
/// somebody believes to have acted on an alert, and has not.
pub const COMMANDS: &str = "retain_alert_commands_total";

/// The counter of commands.
#[derive(Debug)]
pub struct CommandMetrics(IntCounterVec);

impl CommandMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter =
            Registrar(registry).counters(COMMANDS, "people's commands by outcome", &["outcome"])?;
        // from the first scrape on, so that the first of them is a rise
        for outcome in Refused::ALL.map(Refused::name).into_iter().chain([DONE]) {
            counter.with_label_values(&[outcome]).inc_by(0);
        }
        Ok(Self(counter))
    }

    /// A shard has heard a command.
    pub fn heard(&self, outcome: &str) {
        self.0.with_label_values(&[outcome]).inc();
    }
}
