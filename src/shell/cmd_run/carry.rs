//! The part of `retain run` and `retain sink` that waits for ClickHouse: tables, the carrier, and then the views.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clickhouse::Client;
use tokio::runtime::Handle;

use crate::flow::names::Names;
use crate::plan::Plan;
use crate::shell::board::ShardState;
use crate::shell::carrier;
use crate::shell::clickhouse_client::client;
use crate::shell::client::Link;
use crate::shell::columns::check_columns;
use crate::shell::generation::Chosen;
use crate::shell::migrate::{MigrateError, Retention, migrate_tables, write_views};
use crate::shell::observe::Observer;
use crate::shell::settings::{ClickHouse, Settings};
use crate::shell::sink::{Sink, SinkOptions};
use crate::shell::views::Databases;

use super::{CommandError, Parts, until};

/// How long is waited before ClickHouse is asked again.
const PREPARE_AGAIN: Duration = Duration::from_secs(2);
/// How long ClickHouse may take to prepare the tables before it counts as away.
const PREPARE_LONGEST: Duration = Duration::from_secs(30);
/// How often is looked whether a shard runs.
const ACCEPTED_LOOK: Duration = Duration::from_millis(100);

/// What the tables of a generation need.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// How to reach ClickHouse.
    pub client: Client,
    /// Where tables and views are.
    pub databases: Databases,
    retention: Retention,
    options: SinkOptions,
}

impl Target {
    pub fn new(settings: &ClickHouse, plan: &Plan, generation: u32) -> Result<Self, CommandError> {
        let databases = Databases::of(plan, &settings.database, generation);
        let databases = databases.map_err(CommandError::Other)?;
        let mut options = SinkOptions::new(databases.tables.clone());
        options.timeout_ms = settings.insert_timeout_ms;
        options.insert_quorum.clone_from(&settings.insert_quorum);
        options.backoff.max_ms = settings.retry_max_interval_ms;
        let retention = Retention {
            events_days: settings.events_ttl_days,
            ledger_days: settings.ledger_ttl_days,
            history_days: settings.history_ttl_days,
        };
        Ok(Self { client: client(settings)?, databases, retention, options })
    }

    /// Brings the tables to what the plan needs; what was done, a line each.
    pub async fn prepare(&self, plan: &Plan) -> Result<Vec<String>, String> {
        let done = migrate_tables(&self.client, plan, &self.databases, self.retention).await;
        let done = done.map_err(|e: MigrateError| e.to_string())?;
        check_columns(&self.client, &self.databases.tables).await?;
        Ok(done)
    }

    /// Has the views show this generation under this plan.
    pub async fn show(&self, plan: &Plan) -> Result<(), String> {
        write_views(&self.client, plan, &self.databases).await.map_err(|e| e.to_string())
    }
}

/// Everything the carrier needs to start once ClickHouse answers.
pub(super) struct Carry {
    target: Target,
    /// When the views are to show this generation.
    views: Views,
    sink: Arc<Sink>,
    link: Link,
    names: Names,
    plan: Arc<Plan>,
    observer: Observer,
    quit: Arc<AtomicBool>,
}

/// When a carrier writes the views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Views {
    /// Never: another generation is the current one.
    Never,
    /// With the tables: no machine runs here that could say whether the definition fits.
    AtOnce,
    /// Once a shard runs: then its state has accepted the definition.
    OnceAccepted,
}

impl Carry {
    pub fn new(
        settings: &Settings,
        plan: &Arc<Plan>,
        (chosen, parts): (&Chosen, Parts),
        observer: &Observer,
        quit: &Arc<AtomicBool>,
    ) -> Result<Self, CommandError> {
        let target = Target::new(&settings.clickhouse, plan, chosen.generation)?;
        let sink = Sink::new(target.client.clone(), target.options.clone());
        let views = match (chosen.writes_views, parts) {
            (false, _) => Views::Never,
            (true, Parts::Carrier) => Views::AtOnce,
            (true, Parts::All | Parts::Machines | Parts::Notifier) => Views::OnceAccepted,
        };
        Ok(Self {
            sink: Arc::new(sink.observed_by(observer)),
            target,
            views,
            link: Link::from(&settings.kafka),
            names: Names::new(&plan.name, chosen.generation),
            plan: Arc::clone(plan),
            observer: observer.clone(),
            quit: Arc::clone(quit),
        })
    }

    /// Prepares the tables, however long ClickHouse is away, and carries; then the views. The machines do not wait for
    /// it.
    pub async fn run(self) -> Option<std::thread::JoinHandle<()>> {
        let done = self.insist("the tables cannot be prepared yet", || self.prepare()).await?;
        done.iter().for_each(|what| tracing::info!("{what}"));
        let thread = self.start();
        if self.views == Views::OnceAccepted && self.accepted().await {
            self.insist("the views cannot be written yet", || self.target.show(&self.plan)).await;
        }
        thread
    }

    async fn prepare(&self) -> Result<Vec<String>, String> {
        let done = self.target.prepare(&self.plan).await?;
        if self.views == Views::AtOnce {
            self.target.show(&self.plan).await?;
        }
        Ok(done)
    }

    /// Waits until a shard runs; false when asked to quit before.
    async fn accepted(&self) -> bool {
        let mut tick = tokio::time::interval(ACCEPTED_LOOK);
        while !self.quit.load(Ordering::SeqCst) {
            let shards = self.observer.board.snapshot().shards;
            if shards.values().any(|shard| shard.state == ShardState::Running) {
                return true;
            }
            tick.tick().await;
        }
        false
    }

    /// Does it until it succeeds, each time within a limit; `None` when asked to quit meanwhile.
    async fn insist<T, F: Future<Output = Result<T, String>>>(
        &self,
        trouble: &str,
        mut work: impl FnMut() -> F,
    ) -> Option<T> {
        while !self.quit.load(Ordering::SeqCst) {
            let answer = tokio::select! {
                answer = tokio::time::timeout(PREPARE_LONGEST, work()) => answer,
                () = until(Arc::clone(&self.quit)) => return None,
            };
            let seconds = PREPARE_LONGEST.as_secs();
            let late = |_| Err(format!("ClickHouse gave no answer in {seconds} s"));
            match answer.unwrap_or_else(late) {
                Ok(done) => {
                    self.observer.clickhouse(Ok(()));
                    return Some(done);
                }
                Err(reason) => {
                    tracing::warn!(%reason, "{trouble}");
                    self.observer.clickhouse(Err(reason));
                }
            }
            let asked = until(Arc::clone(&self.quit));
            let _ = tokio::time::timeout(PREPARE_AGAIN, asked).await;
        }
        None
    }

    fn start(&self) -> Option<std::thread::JoinHandle<()>> {
        let (sink, quit) = (Arc::clone(&self.sink), Arc::clone(&self.quit));
        let observer = self.observer.clone();
        match carrier::start(&self.link, &self.names, sink, observer, quit, Handle::current()) {
            Ok(thread) => Some(thread),
            Err(error) => {
                let reason = format!("the carrier cannot start: {error}");
                tracing::error!("{reason}");
                self.observer.board.update(|status| status.stop_reasons.push(reason));
                None
            }
        }
    }
}
