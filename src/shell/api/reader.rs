//! Asks ClickHouse for the API: parameters instead of text, and a limit on time, rows and bytes of each question.

use std::sync::Arc;
use std::time::Duration;

use clickhouse::Client;
use clickhouse::error::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::api::answer::{Standing, Time};
use crate::api::problem::{Kind, Problem};
use crate::plan::{Clock, Plan};
use crate::shell::clickhouse_client::{client, told};
use crate::shell::settings::ClickHouse;
use crate::shell::views::Databases;

/// Most rows and bytes of one answer of ClickHouse, and most rows it may look at.
const ROWS_MAX: &str = "20000";
const BYTES_MAX: usize = 32 << 20;
const READ_ROWS_MAX: &str = "1000000000";

/// A parameter of a question.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Param {
    /// A text.
    Text(String),
    /// Texts.
    Texts(Vec<String>),
    /// A whole number.
    Number(i64),
    /// A number.
    Float(f64),
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Named parameters of a question.
pub type Params = Vec<(&'static str, Param)>;

/// Reads from the views of a pipeline.
#[derive(Clone)]
pub struct Reader {
    /// How to reach ClickHouse.
    pub client: Client,
    /// Database of the views.
    pub views: String,
    /// The definition that the views show.
    pub plan: Arc<Plan>,
    /// How long events are kept, days.
    pub kept_days: u32,
    /// Longest time of a question.
    pub longest: Duration,
    /// Explanations that may be computed at once.
    pub explaining: Arc<Semaphore>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "reader of {}", self.views)
    }
}

/// What the shards stand at.
#[derive(serde::Deserialize)]
struct Stands {
    shards: u64,
    clock: Time,
    complete_to: Option<Time>,
}

/// Explanations that are computed at once: each keeps a core busy.
const EXPLAINING: usize = 2;

impl Reader {
    /// Reads what the settings name, each question for `longest` at most. Nothing is asked yet.
    ///
    /// # Errors
    /// When the certificates or the name of the database cannot be used; in words.
    pub fn new(
        clickhouse: &ClickHouse,
        plan: &Arc<Plan>,
        longest: Duration,
    ) -> Result<Self, String> {
        Ok(Self {
            client: client(clickhouse).map_err(|error| error.to_string())?,
            // the views show the current generation: its number is not needed
            views: Databases::new(&clickhouse.database, 1)?.views,
            plan: Arc::clone(plan),
            kept_days: clickhouse.events_ttl_days,
            longest,
            explaining: Arc::new(Semaphore::new(EXPLAINING)),
        })
    }

    /// The rows of an answer. Columns are named as the fields of `T`; moments come as RFC 3339, NaN as null.
    ///
    /// # Errors
    /// When ClickHouse is away, refuses, or takes too long.
    pub async fn rows<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: &Params,
    ) -> Result<Vec<T>, Problem> {
        let bytes = self.bytes(sql, params).await?;
        let rows = serde_json::Deserializer::from_slice(&bytes).into_iter::<T>();
        rows.collect::<Result<_, _>>().map_err(|error| {
            // the message may quote a value: it is not logged
            tracing::error!(line = error.line(), sql, "api: a row is not as expected");
            Problem::new(Kind::Internal, "a row of ClickHouse is not as this version expects it")
        })
    }

    /// The rows; none where the pipeline that writes them has never run.
    ///
    /// # Errors
    /// See [`Reader::rows`].
    pub async fn rows_if_there<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: &Params,
    ) -> Result<Vec<T>, Problem> {
        match self.rows(sql, params).await {
            Err(problem) if problem.is(Kind::NotReady) => Ok(Vec::new()),
            answer => answer,
        }
    }

    /// The first row.
    ///
    /// # Errors
    /// See [`Reader::rows`].
    pub async fn row<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: &Params,
    ) -> Result<Option<T>, Problem> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    async fn bytes(&self, sql: &str, params: &Params) -> Result<Vec<u8>, Problem> {
        let mut query = self.client.query_raw(sql);
        for (name, value) in params {
            query = query.param(name, value);
        }
        let seconds = self.longest.as_secs().max(1).to_string();
        for (name, value) in [
            ("max_execution_time", seconds.as_str()),
            ("max_result_rows", ROWS_MAX),
            ("max_rows_to_read", READ_ROWS_MAX),
            ("result_overflow_mode", "throw"),
            ("readonly", "2"),
            ("cancel_http_readonly_queries_on_client_close", "1"),
            ("output_format_json_quote_64bit_integers", "0"),
            ("output_format_json_quote_denormals", "0"),
            ("output_format_json_named_tuples_as_objects", "1"),
            ("date_time_output_format", "iso"),
        ] {
            query = query.with_setting(name, value);
        }
        let mut cursor = query.fetch_bytes("JSONEachRow").map_err(|e| refused(&e))?;
        let mut bytes = Vec::new();
        while let Some(part) = cursor.next().await.map_err(|e| refused(&e))? {
            bytes.extend_from_slice(&part);
            if bytes.len() > BYTES_MAX {
                let detail = format!("the answer has more than {BYTES_MAX} bytes: ask for less");
                return Err(Problem::new(Kind::Unavailable, detail));
            }
        }
        Ok(bytes)
    }

    /// How far the figures go.
    ///
    /// # Errors
    /// See [`Reader::rows`].
    pub async fn standing(&self) -> Result<Standing, Problem> {
        let sql = format!(
            "SELECT count() AS shards, max(s.clock) AS clock, \
             if(countIf(isNull(s.complete_to)) = 0 AND count() > 0, min(s.complete_to), NULL) AS complete_to \
             FROM {}.shards AS s",
            self.views
        );
        let stands: Option<Stands> = self.row(&sql, &Params::new()).await?;
        let (clock, complete_to) = match stands {
            Some(stands) if stands.shards > 0 => (Some(stands.clock), stands.complete_to),
            _ => (None, None),
        };
        Ok(Standing {
            pipeline: self.plan.name.clone(),
            complete_to,
            clock,
            simulated: matches!(self.plan.clock, Clock::Simulated { .. }),
            currency: self.plan.currency.as_str().to_owned(),
            minor_digits: self.plan.currency.minor_digits(),
        })
    }

    /// Units of the smallest denomination in one unit of the currency, as SQL.
    pub fn scale(&self) -> String {
        10_i64.pow(self.plan.currency.minor_digits()).to_string()
    }
}

/// What ClickHouse's refusal means to the one who asked. The text goes to the log: it may name tables and columns.
pub fn refused(error: &Error) -> Problem {
    let text = told(error);
    let code = text.split("Code: ").nth(1).and_then(|rest| rest.split(['.', ' ', ',']).next());
    let (kind, detail) = match (error, code) {
        // TIMEOUT_EXCEEDED, TOO_SLOW
        (_, Some("159" | "160")) | (Error::TimedOut, _) => (
            Kind::Timeout,
            "ClickHouse took too long: narrow the question, or raise http.request_timeout_ms",
        ),
        // UNKNOWN_TABLE, UNKNOWN_DATABASE
        (_, Some("60" | "81")) => (
            Kind::NotReady,
            "no pipeline has written this yet: accounts come from pipelines/accounts.toml, tables and views from `retain run`",
        ),
        // TOO_MANY_ROWS, MEMORY_LIMIT_EXCEEDED, TOO_MANY_SIMULTANEOUS_QUERIES, TOO_MANY_ROWS_OR_BYTES, credentials
        (_, Some("158" | "241" | "202" | "396" | "516" | "497")) | (Error::Network(_), _) => {
            (Kind::Unavailable, "ClickHouse is away or overloaded; the log says more")
        }
        (_, Some(_)) => {
            (Kind::Internal, "ClickHouse refused a question of ours; the log says more")
        }
        (_, None) => (Kind::Unavailable, "ClickHouse is away or overloaded; the log says more"),
    };
    tracing::warn!(error = text, "api: reading from ClickHouse");
    Problem::new(kind, detail)
}
