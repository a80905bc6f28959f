//! `retain explain`: reads a customer's row and events from ClickHouse, and shows why the scores are what they are.
//!
//! Customer ids and records are personal data: they go to the output that was asked for, never to a log line.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clickhouse::Client;
use clickhouse::error::Error;
use jiff::Timestamp;

use super::clickhouse_client::{CaFileError, client, told};
use super::cmd_run::Definition;
use super::settings::ClickHouse;
use super::views::Databases;
use crate::explain::text::render;
use crate::explain::{Asked, ExplainError, Explanation, Held, Reading, Stored, explain};
use crate::plan::{KeyField, Plan};

/// Most events that are read, the newest.
const EVENTS_MAX: usize = 20_000;
/// Most bytes of records that are read.
const BYTES_MAX: usize = 256 << 20;

/// What is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The customer's id, as in the column customer_id
    pub customer: String,
    /// Explain the scores as of this moment (2026-01-31T00:00:00Z), instead of the present
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// Say also what has changed since this earlier moment
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Write JSON (docs/explain.md) instead of text
    #[arg(long)]
    pub json: bool,
    /// The definition that the pipeline runs
    #[arg(long, value_name = "FILE", default_value = "pipelines/customers.toml")]
    pub definition: PathBuf,
}

/// Why nothing could be explained.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no such row.
    #[error(
        "{database}.customers_now has no customer {customer:?}: check the id, and that rows have arrived (retain run, \
         retain sink)"
    )]
    Unknown {
        /// The id that was asked for.
        customer: String,
        /// Where it was looked for.
        database: String,
    },
    /// ClickHouse refused or is away.
    #[error(
        "reading from ClickHouse at {url}: {why}; check clickhouse.url and that `retain migrate` has run"
    )]
    ClickHouse {
        /// Its address.
        url: String,
        /// What it said.
        why: String,
    },
    /// The certificates for ClickHouse.
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    /// The question.
    #[error(transparent)]
    Question(#[from] ExplainError),
    /// A name in the settings.
    #[error("clickhouse.database: {0}")]
    Database(String),
}

/// Reads what is held of the customer, and explains it.
///
/// # Errors
/// When ClickHouse does not answer, knows no such customer, or the moments are the wrong way round.
pub async fn ask(
    settings: &ClickHouse,
    definition: &Definition,
    args: &Args,
) -> Result<Explanation, Failure> {
    // the views show the current generation: its number is not needed, and neither is Kafka
    let views = Databases::new(&settings.database, 1).map_err(Failure::Database)?.views;
    let client = client(settings)?;
    let failed =
        |error: Error| Failure::ClickHouse { url: settings.url.clone(), why: told(&error) };
    let most = Most { events: EVENTS_MAX, bytes: BYTES_MAX };
    let read = read(&client, &views, definition.plan.key, &args.customer, most).await;
    let Some(read) = read.map_err(failed)? else {
        let customer = args.customer.clone();
        return Err(Failure::Unknown { customer, database: views });
    };
    let asked = Asked {
        customer: args.customer.clone(),
        at_ms: args.at.map(Timestamp::as_millisecond),
        since_ms: args.since.map(Timestamp::as_millisecond),
    };
    Ok(read.explain(&definition.plan, &asked, settings.events_ttl_days)?)
}

/// How much is read at most.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// Events, the newest.
    pub events: usize,
    /// Bytes of records.
    pub bytes: usize,
}

/// What the tables hold of a customer.
#[derive(Debug)]
pub struct Read {
    row: Stored,
    events: Vec<Held>,
    cut_before_ms: Option<i64>,
}

impl Read {
    /// Explains it. This computes, for long customers as long as a second.
    ///
    /// # Errors
    /// When the moments are the wrong way round.
    pub fn explain(
        &self,
        plan: &Arc<Plan>,
        asked: &Asked,
        kept_days: u32,
    ) -> Result<Explanation, ExplainError> {
        let reading = Reading { cut_before_ms: self.cut_before_ms, kept_days };
        explain(plan, asked, &self.row, &self.events, reading)
    }
}

/// Reads what the views hold of a customer; `None` where there is no such row.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn read(
    client: &Client,
    views: &str,
    key: KeyField,
    customer: &str,
    most: Most,
) -> Result<Option<Read>, Error> {
    let Some(row) = stored(client, views, customer).await? else {
        return Ok(None);
    };
    let subject = match key {
        KeyField::Customer => "customer_id",
        KeyField::Account => "account_id",
    };
    let (events, cut_before_ms) = held(client, views, subject, customer, most).await?;
    Ok(Some(Read { row, events, cut_before_ms }))
}

/// Writes the answer.
///
/// # Errors
/// Those of `out`.
pub fn print(explanation: &Explanation, json: bool, out: &mut dyn Write) -> io::Result<()> {
    if json {
        serde_json::to_writer_pretty(&mut *out, explanation)?;
        return writeln!(out);
    }
    out.write_all(render(explanation).as_bytes())
}

/// The columns of [`StoredRow`], as SQL.
const STORED: &str = "\
    version, toUnixTimestamp64Milli(at) AS at_ms, \
    toUnixTimestamp64Milli(s.complete_to) AS complete_to_ms, toUnixTimestamp64Milli(judged_at) AS judged_ms, \
    model_version, risk, risk_band, CAST(risk_contributions AS Map(String, Float64)) AS risk_parts, risk_missing, \
    loyalty, CAST(loyalty_contributions AS Map(String, Float64)) AS loyalty_parts, \
    toUnixTimestamp64Milli(t_born) AS born_ms, orders, refunds, tickets, visits, toString(lifecycle) AS state, \
    toString(ifNull(tier, '')) AS tier_name, toString(ifNull(abc, '')) AS abc_name, \
    toUnixTimestamp64Milli(tier_since) AS tier_since_ms, key_customer, \
    [toString(region), toString(industry), toString(segment), owner_id] AS master";

#[derive(Debug, clickhouse::Row, serde::Deserialize)]
struct StoredRow {
    version: u64,
    at_ms: i64,
    complete_to_ms: Option<i64>,
    judged_ms: i64,
    model_version: u64,
    risk: Option<f64>,
    risk_band: u8,
    risk_parts: Vec<(String, f64)>,
    risk_missing: Vec<String>,
    loyalty: Option<f64>,
    loyalty_parts: Vec<(String, f64)>,
    born_ms: i64,
    orders: u32,
    refunds: u32,
    tickets: u32,
    visits: u32,
    state: String,
    tier_name: String,
    abc_name: String,
    tier_since_ms: Option<i64>,
    key_customer: u8,
    master: Vec<String>,
}

async fn stored(client: &Client, views: &str, customer: &str) -> Result<Option<Stored>, Error> {
    let sql = format!(
        "SELECT {STORED} FROM {views}.customers_now AS c LEFT JOIN {views}.shards AS s ON s.shard = c.shard \
         WHERE customer_id = {{customer:String}} LIMIT 1"
    );
    let row = client.query(&sql).param("customer", customer).fetch_optional::<StoredRow>().await?;
    Ok(row.map(|row| {
        let mut master = row.master.into_iter();
        Stored {
            version: row.version,
            at_ms: row.at_ms,
            complete_to_ms: row.complete_to_ms,
            judged_ms: row.judged_ms,
            model_version: row.model_version,
            risk: row.risk,
            risk_band: row.risk_band,
            risk_contributions: row.risk_parts.into_iter().collect(),
            risk_missing: row.risk_missing,
            loyalty: row.loyalty,
            loyalty_contributions: row.loyalty_parts.into_iter().collect(),
            born_ms: row.born_ms,
            orders: row.orders,
            refunds: row.refunds,
            tickets: row.tickets,
            visits: row.visits,
            lifecycle: row.state,
            tier: row.tier_name,
            abc: row.abc_name,
            tier_since_ms: row.tier_since_ms,
            key_customer: row.key_customer == 1,
            master: std::array::from_fn(|_| master.next().unwrap_or_default()),
        }
    }))
}

#[derive(Debug, clickhouse::Row, serde::Deserialize)]
struct HeldRow {
    ts_ms: i64,
    source_name: String,
    topic_name: String,
    partition: u16,
    offset: i64,
    version: u64,
    kind: String,
    visit: u8,
    payload: String,
}

/// The newest events, and from when on they are all there are, if that is not the beginning.
async fn held(
    client: &Client,
    views: &str,
    subject: &str,
    customer: &str,
    most: Most,
) -> Result<(Vec<Held>, Option<i64>), Error> {
    let sql = format!(
        "SELECT toUnixTimestamp64Milli(ts) AS ts_ms, toString(source) AS source_name, toString(topic) AS topic_name, \
         partition, offset, version, toString(type) AS kind, visit, payload FROM {views}.events \
         WHERE {subject} = {{customer:String}} ORDER BY ts DESC, source, partition, offset LIMIT {}",
        most.events + 1
    );
    let mut cursor = client.query(&sql).param("customer", customer).fetch::<HeldRow>()?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = cursor.next().await? {
        bytes += row.payload.len();
        if rows.len() == most.events || bytes > most.bytes {
            let cut_before_ms = rows.last().map(|row: &Held| row.ts_ms);
            return Ok((rows, cut_before_ms));
        }
        rows.push(Held {
            ts_ms: row.ts_ms,
            source: row.source_name,
            topic: row.topic_name,
            partition: row.partition,
            offset: row.offset,
            version: row.version,
            kind: row.kind,
            visit: row.visit == 1,
            payload: row.payload.into_bytes(),
        });
    }
    Ok((rows, None))
}
