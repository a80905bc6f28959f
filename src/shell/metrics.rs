//! What Prometheus sees: one owned set of metrics, each name with when to alert on it.
//!
//! Units are base units (seconds, bytes), counters end in `_total`, and no label ever holds a customer.

mod commands;
mod notify;
mod results;

use commands::CommandMetrics;
pub use notify::NotifyMetrics;
pub use results::{CommitResult, RestoreResult};

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::model::effects::{Effects, SourceProgress};
use crate::model::outcome::{Outcome, Reason};
use crate::model::table::Table;
use crate::plan::Source;

/// Records consumed, by topic and partition. Alert when it stands still while the producers' rate does not.
pub const EVENTS_CONSUMED: &str = "retain_events_consumed_total";
/// What became of records, by source and outcome; the outcomes add up to the consumed records. Alert on a rate of
/// `late` or `rejected` above what is usual.
pub const EVENTS: &str = "retain_events_total";
/// Records that break the contract or came too late, by source and reason. Alert on any reason that is new after a deploy.
pub const REJECTS: &str = "retain_rejects_total";
/// Records between the committed position and the end, by topic and partition. Alert when it grows for 10 minutes.
pub const CONSUMER_LAG: &str = "retain_consumer_lag_records";
/// How far the watermark is behind the clock, by shard. Alert above the idle timeout plus the disorder plus what readers tolerate.
pub const WATERMARK_LAG: &str = "retain_watermark_lag_seconds";
/// From the Kafka timestamp of the newest record of a cycle to the cycle's commit. Alert on the 99th percentile against your promise.
pub const END_TO_END_LATENCY: &str = "retain_end_to_end_latency_seconds";
/// Time of a Kafka transaction. Alert on the 99th percentile above a quarter of `kafka.transaction_timeout_ms`.
pub const COMMIT_DURATION: &str = "retain_commit_duration_seconds";
/// Transactions by result: `committed`, `aborted`, `fenced`, `unknown`. Alert on any `fenced` and on repeated `aborted`.
pub const COMMITS: &str = "retain_commits_total";
/// Profiles held, by shard. Alert when one shard has many times the others': keys are placed unevenly.
pub const STATE_KEYS: &str = "retain_state_keys";
/// Bytes of state records written, by shard: what the state topic grows by before it is compacted. Worth a look when
/// restores take long; no alert.
pub const STATE_WRITTEN: &str = "retain_state_written_bytes_total";
/// Bytes that were fetched and wait for the merge, by shard. Alert when it stays near `kafka.memory_budget_bytes`: one
/// topic is far behind the others.
pub const WAITING_BYTES: &str = "retain_waiting_bytes";
/// Shards of this copy by state: `waiting`, `restoring`, `running`, `stopped`. Alert on any `stopped`.
pub const SHARDS: &str = "retain_shards";
/// Dues that wait for their time, by shard. Alert when it only grows: time does not move (see the watermark).
pub const TIMERS_PENDING: &str = "retain_timers_pending";
/// Time of an insert into ClickHouse, by table. Alert on the 99th percentile above half of `clickhouse.insert_timeout_ms`.
pub const INSERT_DURATION: &str = "retain_insert_duration_seconds";
/// Rows written to ClickHouse, by table; a repeated insert counts again. Alert when 0 while events are consumed.
pub const INSERT_ROWS: &str = "retain_insert_rows_total";
/// Inserts that failed and are tried again, by table. Alert when it rises for 5 minutes.
pub const INSERT_ERRORS: &str = "retain_insert_errors_total";
/// Records of the outbox that ClickHouse does not have yet, by partition. Alert when it grows for 10 minutes.
pub const OUTBOX_LAG: &str = "retain_outbox_lag_records";
/// Bytes of a shard's rows that ClickHouse does not have yet, by shard, uncompressed. Alert at half of
/// `kafka.outbox_bytes_max`: at all of it the shard stops reading.
pub const OUTBOX_BYTES: &str = "retain_outbox_bytes";
/// Dead letters written, by source and reason. Alert as for the rejects.
pub const DLQ: &str = "retain_dlq_total";
/// Records that came below the watermark, by source: numbers stay right, past transitions are not rewritten. Alert when it
/// rises steadily: the definition's `disorder` is too small.
pub const ORDER_BREAKS: &str = "retain_order_breaks_total";
/// Fields the contract does not know, by source. Worth a look after a producer's deploy; no alert.
pub const UNKNOWN_FIELDS: &str = "retain_unknown_fields_total";
/// Letters from other shards that this binary does not know, by shard: skipped. Expected for the minutes in which copies of
/// two versions run side by side; alert when it rises for longer.
pub const MAIL_UNREAD: &str = "retain_mail_unread_total";
/// Ranges of records that retention had removed unread, by shard (the table `gaps` names them). Alert on any: data is lost.
pub const GAPS: &str = "retain_gaps_total";
/// Take-overs of shards by result: `restored`, `retried` (a broker did not answer), `refused`. Alert on any `refused`.
pub const RESTORES: &str = "retain_restores_total";
/// Time of restoring a shard. Alert when it comes near `kafka.restore_timeout_ms`.
pub const RESTORE_DURATION: &str = "retain_restore_duration_seconds";
/// How much of a shard's state has been read back, 0 to 1. Alert when it stands still below 1.
pub const RESTORE_PROGRESS: &str = "retain_restore_progress_ratio";
/// 1, with the version as a label. Alert when copies differ for longer than a roll-out takes.
pub const BUILD_INFO: &str = "retain_build_info";

/// Every name, for the documentation and the dashboards' tests.
pub const NAMES: [&str; 34] = [
    EVENTS_CONSUMED,
    EVENTS,
    REJECTS,
    CONSUMER_LAG,
    WATERMARK_LAG,
    END_TO_END_LATENCY,
    COMMIT_DURATION,
    COMMITS,
    STATE_KEYS,
    STATE_WRITTEN,
    WAITING_BYTES,
    SHARDS,
    TIMERS_PENDING,
    INSERT_DURATION,
    INSERT_ROWS,
    INSERT_ERRORS,
    OUTBOX_LAG,
    OUTBOX_BYTES,
    DLQ,
    ORDER_BREAKS,
    UNKNOWN_FIELDS,
    MAIL_UNREAD,
    GAPS,
    RESTORES,
    RESTORE_DURATION,
    RESTORE_PROGRESS,
    notify::NAMES[0],
    notify::NAMES[1],
    notify::NAMES[2],
    notify::NAMES[3],
    notify::NAMES[4],
    notify::NAMES[5],
    commands::COMMANDS,
    BUILD_INFO,
];

/// What a shard holds at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardGauges {
    /// Profiles.
    pub keys: u64,
    /// Dues that wait.
    pub timers: u64,
    /// Bytes fetched and not merged.
    pub waiting_bytes: u64,
    /// Bytes of rows not in ClickHouse yet, if that is known.
    pub outbox_bytes: Option<u64>,
}

/// All metrics of a process. Cheap to share behind an `Arc`; there is no global registry.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// The notifier's.
    pub notify: NotifyMetrics,
    commands: CommandMetrics,
    consumed: IntCounterVec,
    events: IntCounterVec,
    rejects: IntCounterVec,
    consumer_lag: IntGaugeVec,
    watermark_lag: GaugeVec,
    latency: Histogram,
    commit_duration: Histogram,
    commits: IntCounterVec,
    state_keys: IntGaugeVec,
    state_written: IntCounterVec,
    waiting_bytes: IntGaugeVec,
    shards: IntGaugeVec,
    timers: IntGaugeVec,
    insert_duration: HistogramVec,
    insert_rows: IntCounterVec,
    insert_errors: IntCounterVec,
    outbox_lag: IntGaugeVec,
    outbox_bytes: IntGaugeVec,
    dlq: IntCounterVec,
    order_breaks: IntCounterVec,
    unknown_fields: IntCounterVec,
    mail_unread: IntCounterVec,
    gaps: IntCounterVec,
    restores: IntCounterVec,
    restore_duration: Histogram,
    restore_progress: GaugeVec,
    /// Of other pipelines of the process, shown with these.
    beside: Mutex<Vec<Arc<Metrics>>>,
}

/// Upper bounds of latencies, seconds: 1 ms to 2 minutes.
const LATENCY_BUCKETS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// Upper bounds of restore times, seconds: 0.1 s to an hour.
const RESTORE_BUCKETS: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

struct Registrar<'a>(&'a Registry);

impl Registrar<'_> {
    fn add<C: prometheus::core::Collector + Clone + 'static>(
        &self,
        collector: C,
    ) -> prometheus::Result<C> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn ratios(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        self.add(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add(Histogram::with_opts(options)?)
    }
}

impl Metrics {
    /// A new set with a registry of its own.
    ///
    /// # Errors
    /// Names or labels that Prometheus refuses; a test shows that these are none.
    pub fn new() -> prometheus::Result<Self> {
        Self::in_registry(Registry::new())
    }

    /// The same for a pipeline of that name: each metric has it as the label `pipeline`.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn of(pipeline: &str) -> prometheus::Result<Self> {
        let label = [("pipeline".to_owned(), pipeline.to_owned())];
        Self::in_registry(Registry::new_custom(None, Some(label.into()))?)
    }

    fn in_registry(registry: Registry) -> prometheus::Result<Self> {
        let r = Registrar(&registry);
        let of_source = &["source"][..];
        let of_shard = &["shard"][..];
        let of_table = &["table"][..];
        let inserts = HistogramOpts::new(INSERT_DURATION, "time of an insert")
            .buckets(LATENCY_BUCKETS.to_vec());
        let build =
            Opts::new(BUILD_INFO, "always 1").const_label("version", env!("CARGO_PKG_VERSION"));
        r.add(Gauge::with_opts(build)?)?.set(1.0);
        let metrics = Self {
            notify: NotifyMetrics::new(&registry)?,
            commands: CommandMetrics::new(&registry)?,
            consumed: r.counters(EVENTS_CONSUMED, "records consumed", &["topic", "partition"])?,
            events: r.counters(EVENTS, "records by outcome", &["source", "outcome"])?,
            rejects: r.counters(REJECTS, "rejected or late records", &["source", "reason"])?,
            consumer_lag: r.gauges(
                CONSUMER_LAG,
                "records not read yet",
                &["topic", "partition"],
            )?,
            watermark_lag: r.ratios(WATERMARK_LAG, "clock less watermark", of_shard)?,
            latency: r.histogram(END_TO_END_LATENCY, "Kafka time to commit", &LATENCY_BUCKETS)?,
            commit_duration: r.histogram(
                COMMIT_DURATION,
                "time of a transaction",
                &LATENCY_BUCKETS,
            )?,
            commits: r.counters(COMMITS, "transactions by result", &["result"])?,
            state_keys: r.gauges(STATE_KEYS, "profiles held", of_shard)?,
            state_written: r.counters(STATE_WRITTEN, "bytes of state written", of_shard)?,
            waiting_bytes: r.gauges(WAITING_BYTES, "bytes that wait for the merge", of_shard)?,
            shards: r.gauges(SHARDS, "shards by state", &["state"])?,
            timers: r.gauges(TIMERS_PENDING, "dues that wait", of_shard)?,
            insert_duration: r.add(HistogramVec::new(inserts, of_table)?)?,
            insert_rows: r.counters(INSERT_ROWS, "rows written", of_table)?,
            insert_errors: r.counters(INSERT_ERRORS, "failed inserts", of_table)?,
            outbox_lag: r.gauges(OUTBOX_LAG, "outbox records not carried yet", &["partition"])?,
            outbox_bytes: r.gauges(OUTBOX_BYTES, "bytes of rows not carried yet", of_shard)?,
            dlq: r.counters(DLQ, "dead letters written", &["source", "reason"])?,
            order_breaks: r.counters(ORDER_BREAKS, "records below the watermark", of_source)?,
            unknown_fields: r.counters(UNKNOWN_FIELDS, "fields not in the contract", of_source)?,
            mail_unread: r.counters(MAIL_UNREAD, "letters that were skipped", of_shard)?,
            gaps: r.counters(GAPS, "ranges removed by retention", of_shard)?,
            restores: r.counters(RESTORES, "restored shards by result", &["result"])?,
            restore_duration: r.histogram(
                RESTORE_DURATION,
                "time of a restore",
                &RESTORE_BUCKETS,
            )?,
            restore_progress: r.ratios(
                RESTORE_PROGRESS,
                "share of the state read back",
                of_shard,
            )?,
            beside: Mutex::default(),
            registry,
        };
        // From the first scrape on, so that the first of them is a rise.
        for result in CommitResult::ALL {
            metrics.commits.with_label_values(&[result.name()]).inc_by(0);
        }
        for result in RestoreResult::ALL {
            metrics.restores.with_label_values(&[result.name()]).inc_by(0);
        }
        for table in Table::ALL {
            metrics.insert_errors.with_label_values(&[table.name()]).inc_by(0);
        }
        Ok(metrics)
    }

    /// The text Prometheus scrapes.
    ///
    /// # Errors
    /// Those of the encoder; none for well-formed families.
    pub fn text(&self) -> prometheus::Result<String> {
        let mut families = self.registry.gather();
        let beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        for mut other in beside.iter().flat_map(|metrics| metrics.registry.gather()) {
            match families.iter_mut().find(|family| family.name() == other.name()) {
                Some(family) => family.mut_metric().extend(other.take_metric()),
                None => families.push(other),
            }
        }
        TextEncoder::new().encode_to_string(&families)
    }

    /// Shows the metrics of another pipeline of the process together with these.
    pub fn show_beside(&self, other: Arc<Self>) {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner).push(other);
    }

    /// Counts a cycle that was committed at `now_ms` (wall clock). `sources` are those of the plan, in its order. Call it
    /// after the commit, once.
    pub fn observe_cycle(&self, sources: &[Source], effects: &Effects, now_ms: i64) {
        let shard = effects.shard.to_string();
        let label = &[shard.as_str()];
        let gaps = effects.rows.iter().filter(|block| block.table == Table::Gaps);
        let gaps = gaps.map(|block| u64::from(block.count)).sum();
        self.gaps.with_label_values(label).inc_by(gaps);
        self.mail_unread.with_label_values(label).inc_by(effects.mail_unread);
        effects.commands.iter().for_each(|heard| self.commands.heard(heard.outcome));
        self.state_written.with_label_values(label).inc_by(effects.state.len_bytes() as u64);
        if let Some(newest_ms) = effects.newest_kafka_ms {
            // The brokers' clocks may be ahead of ours.
            self.latency.observe((now_ms - newest_ms).max(0) as f64 / 1_000.0);
        }
        for (source, progress) in sources.iter().zip(&effects.sources) {
            self.observe_source(source, effects.shard, progress);
        }
        for letter in &effects.dead_letters {
            if let Some(source) = sources.get(usize::from(letter.source)) {
                self.dlq.with_label_values(&[source.name.as_str(), letter.reason.name()]).inc();
            }
        }
    }

    fn observe_source(&self, source: &Source, shard: u16, progress: &SourceProgress) {
        let name = source.name.as_str();
        let shard = shard.to_string();
        let consumed = progress.counts.consumed();
        self.consumed.with_label_values(&[source.topic.as_str(), shard.as_str()]).inc_by(consumed);
        for outcome in Outcome::ALL {
            let counter = self.events.with_label_values(&[name, outcome.name()]);
            counter.inc_by(progress.counts.of(outcome));
        }
        for (reason, &count) in Reason::ALL.iter().zip(&progress.reasons) {
            if count > 0 {
                self.rejects.with_label_values(&[name, reason.name()]).inc_by(count);
            }
        }
        self.order_breaks.with_label_values(&[name]).inc_by(progress.order_breaks);
        self.unknown_fields.with_label_values(&[name]).inc_by(progress.unknown_fields);
    }

    /// Sets what a shard holds.
    pub fn set_shard(&self, shard: u16, gauges: ShardGauges) {
        let shard = shard.to_string();
        let label = &[shard.as_str()];
        self.state_keys.with_label_values(label).set(signed(gauges.keys));
        self.timers.with_label_values(label).set(signed(gauges.timers));
        self.waiting_bytes.with_label_values(label).set(signed(gauges.waiting_bytes));
        if let Some(bytes) = gauges.outbox_bytes {
            self.outbox_bytes.with_label_values(label).set(signed(bytes));
        }
    }

    /// Sets how far a shard's watermark is behind the clock, seconds.
    pub fn set_watermark_lag(&self, shard: u16, lag_s: f64) {
        self.watermark_lag.with_label_values(&[shard.to_string().as_str()]).set(lag_s);
    }

    /// Sets how many shards are in a state.
    pub fn set_shards(&self, state: &str, count: u64) {
        self.shards.with_label_values(&[state]).set(signed(count));
    }

    /// Sets the records between the committed position and the end of a source partition.
    pub fn set_consumer_lag(&self, topic: &str, shard: u16, records: u64) {
        let shard = shard.to_string();
        self.consumer_lag.with_label_values(&[topic, shard.as_str()]).set(signed(records));
    }

    /// Takes the gauges of a shard away: this copy does not hold it any more. Counters stay.
    pub fn forget_shard(&self, sources: &[Source], shard: u16) {
        let shard = shard.to_string();
        let label = &[shard.as_str()];
        // "No such label" is not an error: the shard may have gone before it was first measured.
        for gauges in [&self.state_keys, &self.waiting_bytes, &self.timers, &self.outbox_bytes] {
            let _ = gauges.remove_label_values(label);
        }
        for ratios in [&self.watermark_lag, &self.restore_progress] {
            let _ = ratios.remove_label_values(label);
        }
        for source in sources {
            let _ = self.consumer_lag.remove_label_values(&[source.topic.as_str(), shard.as_str()]);
        }
    }

    /// Counts a transaction and its time.
    pub fn observe_commit(&self, result: CommitResult, duration_s: f64) {
        self.commits.with_label_values(&[result.name()]).inc();
        self.commit_duration.observe(duration_s);
    }

    /// Counts an insert that ClickHouse acknowledged.
    pub fn observe_insert(&self, table: &str, rows: u64, duration_s: f64) {
        self.insert_duration.with_label_values(&[table]).observe(duration_s);
        self.insert_rows.with_label_values(&[table]).inc_by(rows);
    }

    /// Counts an insert that failed.
    pub fn observe_insert_error(&self, table: &str) {
        self.insert_errors.with_label_values(&[table]).inc();
    }

    /// Sets the records of an outbox partition that ClickHouse does not have yet.
    pub fn set_outbox_lag(&self, partition: u16, records: u64) {
        let partition = partition.to_string();
        self.outbox_lag.with_label_values(&[partition.as_str()]).set(signed(records));
    }

    /// Takes the gauge of an outbox partition away.
    pub fn forget_outbox(&self, partition: u16) {
        let _ = self.outbox_lag.remove_label_values(&[partition.to_string().as_str()]);
    }

    /// Sets how much of a shard's state has been read back, 0 to 1.
    pub fn set_restore_progress(&self, shard: u16, ratio: f64) {
        let shard = shard.to_string();
        self.restore_progress.with_label_values(&[shard.as_str()]).set(ratio);
    }

    /// Counts the end of a take-over; the time of those that succeeded.
    pub fn observe_restore(&self, result: RestoreResult, duration_s: f64) {
        self.restores.with_label_values(&[result.name()]).inc();
        if result == RestoreResult::Restored {
            self.restore_duration.observe(duration_s);
        }
    }
}

/// Prometheus' integer gauges are signed; a count beyond them is shown as their largest.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
