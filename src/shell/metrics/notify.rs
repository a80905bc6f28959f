//! What Prometheus sees of the notifier, by receiver.

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Registry};

use super::{Registrar, signed};

/// Messages that a receiver took. Worth a look; no alert.
pub const SENT: &str = "retain_notify_sent_total";
/// Attempts that failed and are repeated. Alert when it rises for 15 minutes.
pub const FAILED: &str = "retain_notify_failed_total";
/// Messages that a receiver refused for good; they are in the topic `undelivered`. Alert on any.
pub const DEAD: &str = "retain_notify_dead_total";
/// Calls that the budget of an owner kept back for the digest. Worth a look when it is most of them: rules are too eager.
pub const SUPPRESSED: &str = "retain_notify_suppressed_total";
/// Transitions that were written and not yet handled. Alert when it grows for 15 minutes.
pub const LAG: &str = "retain_notify_lag_records";
/// How long ago the transition was written that is being sent; 0 while nothing waits. Alert above 15 minutes.
pub const AGE: &str = "retain_notify_age_seconds";

/// Every name.
pub(super) const NAMES: [&str; 6] = [SENT, FAILED, DEAD, SUPPRESSED, LAG, AGE];

/// The notifier's metrics.
#[derive(Debug)]
pub struct NotifyMetrics {
    sent: IntCounterVec,
    failed: IntCounterVec,
    dead: IntCounterVec,
    suppressed: IntCounterVec,
    lag: IntGaugeVec,
    age: GaugeVec,
}

impl NotifyMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let r = Registrar(registry);
        let of_receiver = &["receiver"][..];
        Ok(Self {
            sent: r.counters(SENT, "messages taken", of_receiver)?,
            failed: r.counters(FAILED, "attempts that failed", of_receiver)?,
            dead: r.counters(DEAD, "messages refused for good", of_receiver)?,
            suppressed: r.counters(SUPPRESSED, "calls beyond the budget", of_receiver)?,
            lag: r.gauges(LAG, "transitions not handled yet", of_receiver)?,
            age: r.ratios(AGE, "age of what is being sent", of_receiver)?,
        })
    }

    /// A receiver is told from now on: its counters begin, so that the first of them is a rise.
    pub fn begin(&self, receiver: &str) {
        for counter in [&self.sent, &self.failed, &self.dead, &self.suppressed] {
            counter.with_label_values(&[receiver]).inc_by(0);
        }
    }

    /// A message was taken.
    pub fn sent(&self, receiver: &str) {
        self.sent.with_label_values(&[receiver]).inc();
    }

    /// An attempt failed.
    pub fn failed(&self, receiver: &str) {
        self.failed.with_label_values(&[receiver]).inc();
    }

    /// A message was refused for good.
    pub fn dead(&self, receiver: &str) {
        self.dead.with_label_values(&[receiver]).inc();
    }

    /// So many calls were kept back.
    pub fn suppressed(&self, receiver: &str, calls: u64) {
        self.suppressed.with_label_values(&[receiver]).inc_by(calls);
    }

    /// How much waits, and for how long.
    pub fn waits(&self, receiver: &str, records: u64, age_s: f64) {
        self.lag.with_label_values(&[receiver]).set(signed(records));
        self.age.with_label_values(&[receiver]).set(age_s);
    }

    /// Another copy tells the receiver now: its gauges are that one's.
    pub fn forget(&self, receiver: &str) {
        let _ = self.lag.remove_label_values(&[receiver]);
        let _ = self.age.remove_label_values(&[receiver]);
    }
}
