//! Carrying blocks of rows into ClickHouse: joined, inserted as they are, repeated until they are in, ledger last.
//!
//! What to do after an error is decided in [`crate::flow::carry`]; this file does it.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clickhouse::Client;
use clickhouse::error::Error;

use crate::flow::carry::{
    Backoff, Block, Decision, ErrorKind, SinkError, check_block, decide, exception_code, header_of,
    inserts,
};
use crate::model::table::Table;

use super::board::{Moment, SinkStatus, Status, StatusBoard};
use super::clickhouse_client::told;
use super::clock::wall_ms;
use super::metrics::Metrics;
use super::observe::Observer;

/// How blocks are inserted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkOptions {
    /// The database of the generation's tables.
    pub database: String,
    /// Longest wait for a send or for the answer, milliseconds.
    pub timeout_ms: u64,
    /// Blocks are joined up to this many bytes in one insert.
    pub insert_bytes_max: usize,
    /// `insert_quorum` (a number or `auto`) where tables are replicated.
    pub insert_quorum: Option<String>,
    /// Waits between attempts.
    pub backoff: Backoff,
}

impl SinkOptions {
    /// The defaults for a database: 60 s, 32 MB, no quorum.
    pub fn new(database: impl Into<String>) -> Self {
        Self {
            database: database.into(),
            timeout_ms: 60_000,
            insert_bytes_max: 32_000_000,
            insert_quorum: None,
            backoff: Backoff::default(),
        }
    }
}

/// Why a table takes no more rows: a person must look, then restart the carrier. Nothing was skipped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("table {} is stopped at partition {partition}, offset {offset} of the rows topic: {reason}", .table.name())]
pub struct Stopped {
    /// Which.
    pub table: Table,
    /// Partition of the rows topic with the refused block.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Why it was refused.
    pub reason: String,
}

/// Inserts blocks into the tables of one generation. Cheap to share by reference; carries keep no state between calls
/// but the counters.
pub struct Sink {
    client: Client,
    options: SinkOptions,
    board: Arc<StatusBoard>,
    metrics: Option<Arc<Metrics>>,
    jitter: RandomState,
}

impl Sink {
    /// A sink on `client` (address, user, password and compression are the caller's).
    pub fn new(client: Client, options: SinkOptions) -> Self {
        let mut client = client
            .with_database(&options.database)
            // The answer must mean "written": no queue in the server, no queue to other shards.
            .with_setting("async_insert", "0")
            .with_setting("distributed_foreground_insert", "1")
            // Rows are absolute; a remembered block checksum would only make a repair by repeating impossible.
            .with_setting("insert_deduplicate", "0")
            // A name the table does not know, or another type, is an error and never a guess.
            .with_setting("input_format_skip_unknown_fields", "0")
            .with_setting("input_format_with_names_use_header", "1")
            .with_setting("input_format_with_types_use_header", "1")
            // History of many years may come in one block; `events` has a partition a year, `customer_history` one a month.
            .with_setting("max_partitions_per_insert_block", "0");
        if let Some(quorum) = &options.insert_quorum {
            client = client.with_setting("insert_quorum", quorum);
        }
        Self {
            client,
            options,
            board: StatusBoard::new(Status::default()),
            metrics: None,
            jitter: RandomState::new(),
        }
    }

    /// Tells `observer` what it does; without it the sink keeps a board of its own.
    pub fn observed_by(self, observer: &Observer) -> Self {
        Self {
            board: Arc::clone(&observer.board),
            metrics: Some(Arc::clone(&observer.metrics)),
            ..self
        }
    }

    /// What it is doing.
    pub fn status(&self) -> SinkStatus {
        self.board.update(|status| status.sink.clone())
    }

    /// One attempt to insert blocks of one table with equal headers, as one statement.
    ///
    /// # Errors
    /// A block that is not whole, found before anything is sent; else what ClickHouse or the network said. After an
    /// error some rows may be in, or all: repeating is always right.
    pub async fn insert(&self, table: Table, blocks: &[&Block]) -> Result<(), SinkError> {
        for block in blocks {
            check_block(&block.bytes, block.count)
                .map_err(|why| SinkError::new(ErrorKind::BrokenBlock, table, why))?;
        }
        let Some(first) = blocks.first() else {
            return Ok(());
        };
        let header = header_of(&first.bytes).map_or(0, <[u8]>::len);
        let timeout = Some(Duration::from_millis(self.options.timeout_ms));
        let statement = format!("INSERT INTO `{}` FORMAT RowBinaryWithNamesAndTypes", table.name());
        let mut insert =
            self.client.insert_formatted_with(statement).with_timeouts(timeout, timeout);
        let sent = async {
            for (at, block) in blocks.iter().enumerate() {
                let from = if at == 0 { 0 } else { header };
                let rows = block.bytes.get(from..).unwrap_or_default();
                if !rows.is_empty() {
                    insert.send(rows.to_vec().into()).await?;
                }
            }
            insert.end().await
        };
        sent.await.map_err(|e| sink_error(table, &e))
    }

    /// Carries a batch: table by table in the order of [`Table::ALL`], the ledger last, each insert repeated until it
    /// succeeds or is refused for good. Only after `Ok` may the batch's offsets be committed.
    ///
    /// Waits as long as ClickHouse is away: to end it, drop the future; what is in then is simply written again.
    ///
    /// # Errors
    /// The first refused block of each stopped table. The other tables were written, but not the ledgers: they vouch
    /// for all of it.
    pub async fn carry(&self, batch: &[Block]) -> Result<(), Vec<Stopped>> {
        let mut stopped = Vec::new();
        for table in Table::ALL {
            let vouches = matches!(table, Table::Ledger | Table::LedgerDaily);
            if vouches && !stopped.is_empty() {
                break;
            }
            let blocks: Vec<&Block> = batch.iter().filter(|b| b.table == table).collect();
            for run in inserts(&blocks, self.options.insert_bytes_max) {
                if let Err(stop) = self.insert_until_done(table, run).await {
                    stopped.push(stop);
                    break;
                }
            }
        }
        if stopped.is_empty() { Ok(()) } else { Err(stopped) }
    }

    /// Inserts a run of blocks; after a refusal its halves, down to the refused block.
    async fn insert_until_done(&self, table: Table, run: Vec<&Block>) -> Result<(), Stopped> {
        let mut waiting = vec![run];
        while let Some(mut blocks) = waiting.pop() {
            match self.repeat(table, &blocks).await {
                Ok(()) => {}
                Err(Refusal::Split) => {
                    let second = blocks.split_off(blocks.len() / 2);
                    waiting.push(second);
                    waiting.push(blocks);
                }
                Err(Refusal::Stop(reason)) => {
                    let (partition, offset) =
                        blocks.first().map_or((-1, -1), |b| (b.partition, b.offset));
                    tracing::error!(
                        table = table.name(),
                        partition,
                        offset,
                        reason,
                        "table stopped"
                    );
                    return Err(Stopped { table, partition, offset, reason });
                }
            }
        }
        Ok(())
    }

    async fn repeat(&self, table: Table, blocks: &[&Block]) -> Result<(), Refusal> {
        let mut attempt = 0_u32;
        loop {
            let began = Instant::now();
            let Err(error) = self.insert(table, blocks).await else {
                self.succeeded(table, blocks, began.elapsed());
                return Ok(());
            };
            self.failed(&error);
            attempt = attempt.saturating_add(1);
            let jitter = self.jitter.hash_one((attempt, table.name())) as f64 / u64::MAX as f64;
            match decide(&error, blocks.len(), attempt, &self.options.backoff, jitter) {
                Decision::Split => return Err(Refusal::Split),
                Decision::StopTable(reason) => {
                    self.board.update(|status| {
                        let stopped = &mut status.sink.stopped_tables;
                        stopped.insert(table.name().to_owned(), reason.clone());
                    });
                    return Err(Refusal::Stop(reason));
                }
                Decision::RetryAfter { wait_ms, needs_person } => {
                    self.repeating(&error, attempt, needs_person);
                    if needs_person {
                        tracing::error!(%error, attempt, wait_ms, "insert needs a person; repeating");
                    } else {
                        tracing::warn!(%error, attempt, wait_ms, "insert failed; repeating");
                    }
                    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                }
            }
        }
    }

    fn succeeded(&self, table: Table, blocks: &[&Block], took: Duration) {
        let rows = blocks.iter().map(|b| u64::from(b.count)).sum::<u64>();
        if let Some(metrics) = &self.metrics {
            metrics.observe_insert(table.name(), rows, took.as_secs_f64());
        }
        self.board.update(|status| {
            let sink = &mut status.sink;
            sink.rows += rows;
            sink.inserts += 1;
            sink.reachable = true;
            sink.retrying = None;
            sink.needs_person = false;
        });
    }

    fn failed(&self, error: &SinkError) {
        if let Some(metrics) = &self.metrics {
            metrics.observe_insert_error(error.table.name());
        }
        self.board.update(|status| {
            let sink = &mut status.sink;
            sink.failures += 1;
            sink.retrying = None;
            sink.last_error = Some(error.to_string());
            sink.last_error_at = Some(Moment(wall_ms()));
        });
    }

    fn repeating(&self, error: &SinkError, attempt: u32, needs_person: bool) {
        self.board.update(|status| {
            let sink = &mut status.sink;
            sink.reachable = false;
            sink.retrying = Some(format!("attempt {attempt}: {error}"));
            sink.needs_person = needs_person;
        });
    }
}

enum Refusal {
    Split,
    Stop(String),
}

/// The client's error in our words. An answer without an exception code is not ClickHouse's own: a proxy's, or a cut.
fn sink_error(table: Table, error: &Error) -> SinkError {
    let text = match error {
        Error::BadResponse(text) => text.clone(),
        other => told(other),
    };
    let code = match error {
        Error::BadResponse(text) => exception_code(text),
        _ => None,
    };
    SinkError::new(code.map_or(ErrorKind::Unreachable, ErrorKind::Exception), table, text)
}
