//! The pipelines of the demo while they run: customers, and the accounts that hear of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clickhouse::Client;
use tokio::sync::watch;

use super::engine::Engine;
use super::replay::Replay;
use super::screen::{self, Screen};
use super::story::{END_MS, SOURCES, Story};
use super::summary::{Summary, look};
use super::{DemoError, cluster};
use crate::flow::names::Names;
use crate::plan::Plan;
use crate::shell::board::Status;
use crate::shell::carrier;
use crate::shell::client::Link;
use crate::shell::observe::Observer;
use crate::shell::runtime::{self, RunError};
use crate::shell::sink::{Sink, SinkOptions};
use crate::shell::views::Databases;

/// How often the summary is asked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long nothing more may come into the tables once everything is sent.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// Everything that runs between the engine's start and its end.
pub struct Pipeline {
    replay: Replay,
    customers: Part,
    accounts: Part,
    link: Link,
    /// Last: the broker outlives its clients.
    _broker: cluster::Cluster,
}

/// A pipeline and what carries its rows.
struct Part {
    runtime: tokio::task::JoinHandle<Result<(), RunError>>,
    observer: Observer,
    sink: Arc<Sink>,
    carrier: Option<std::thread::JoinHandle<()>>,
    quit: Arc<AtomicBool>,
    carrier_quit: Arc<AtomicBool>,
}

impl Part {
    fn start(plan: &Arc<Plan>, link: &Link, client: &Client) -> Result<Self, DemoError> {
        let names = Names::new(&plan.name, 1);
        let databases = Databases::of(plan, "retain", 1).map_err(DemoError::Stuck)?;
        let status = Status {
            pipeline: plan.name.clone(),
            generation: 1,
            consumes: true,
            ..Status::default()
        };
        let observer = Observer::new(status)
            .map_err(|error| DemoError::Stuck(format!("the metrics: {error}")))?;
        let sink = Sink::new(client.clone(), SinkOptions::new(&databases.tables));
        let sink = Arc::new(sink.observed_by(&observer));
        let carrier_quit = Arc::new(AtomicBool::new(false));
        let carrier = carrier::start(
            link,
            &names,
            Arc::clone(&sink),
            observer.clone(),
            Arc::clone(&carrier_quit),
            tokio::runtime::Handle::current(),
        )
        .map_err(|source| DemoError::Kafka { what: "starting the carrier", source })?;
        let quit = Arc::new(AtomicBool::new(false));
        let options = cluster::options(link.clone());
        let running = runtime::run(Arc::clone(plan), options, observer.clone(), Arc::clone(&quit));
        let runtime = tokio::spawn(running);
        Ok(Self { runtime, observer, sink, carrier: Some(carrier), quit, carrier_quit })
    }

    /// Why it cannot go on, if so.
    fn stuck(&self) -> Option<String> {
        let stopped = self.observer.board.snapshot().sink.stopped;
        let ended = self.runtime.is_finished().then(|| "a pipeline has ended by itself".to_owned());
        stopped.or(ended)
    }

    /// Ends it in order: the last commit, the last rows.
    async fn stop(&mut self) -> Result<(), DemoError> {
        self.quit.store(true, Ordering::SeqCst);
        let ended = (&mut self.runtime).await;
        self.carrier_quit.store(true, Ordering::SeqCst);
        if let Some(carrier) = self.carrier.take() {
            let _ = tokio::task::spawn_blocking(move || carrier.join()).await;
        }
        match ended {
            Ok(result) => Ok(result?),
            Err(error) => Err(DemoError::Stuck(format!("the pipeline's task: {error}"))),
        }
    }
}

impl Pipeline {
    /// Starts everything: who hears first, so that nothing is said to nobody.
    ///
    /// # Errors
    /// When a client or a thread cannot be made.
    pub fn start(plans: &[Arc<Plan>; 2], client: &Client, story: Story) -> Result<Self, DemoError> {
        let kafka = |what| move |source| DemoError::Kafka { what, source };
        let broker = cluster::start(plans).map_err(kafka("starting the in-process broker"))?;
        let link = cluster::link(broker.bootstrap_servers());
        let [plan, accounts_plan] = plans;
        let accounts = Part::start(accounts_plan, &link, client)?;
        let customers = Part::start(plan, &link, client)?;
        customers.observer.show_beside(&accounts.observer);
        let sources = plan.sources.iter().map(|s| s.topic.clone()).collect();
        let replay = Replay::start(
            &link.brokers,
            sources,
            cluster::PARTITIONS,
            story.records,
            plan.clock,
            Arc::clone(&customers.observer.board),
        )
        .map_err(kafka("starting the replay"))?;
        Ok(Self { replay, customers, accounts, link, _broker: broker })
    }

    /// How people's commands get to it.
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// What it says of itself.
    pub fn observer(&self) -> &Observer {
        &self.customers.observer
    }

    /// Rows carried so far.
    pub fn rows(&self) -> u64 {
        self.customers.sink.status().rows + self.accounts.sink.status().rows
    }

    /// Shows how it goes until everything is in the tables; `None` when it was stopped before.
    ///
    /// # Errors
    /// When it cannot get there, with what is known of why.
    pub async fn watch(
        &mut self,
        client: &Client,
        screen: &mut Screen,
        engine: &mut Engine,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Option<Summary>, DemoError> {
        let (mut stands_since, mut was) = (Instant::now(), 0);
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return Ok(None),
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
            if engine.has_ended() {
                return Err(DemoError::Engine(
                    "the ClickHouse engine has ended by itself".to_owned(),
                ));
            }
            if let Some(reason) = self.customers.stuck().or_else(|| self.accounts.stuck()) {
                return Err(DemoError::Stuck(reason));
            }
            let summary = look(client, &SOURCES).await?;
            let trouble = |part: &Part| part.observer.board.snapshot().trouble;
            let trouble = trouble(&self.customers).or_else(|| trouble(&self.accounts));
            screen.show(&summary, self.rows(), trouble.as_deref());
            if self.replay.has_ended() {
                self.replay
                    .stop()
                    .map_err(|source| DemoError::Kafka { what: "replaying", source })?;
                let consumed: i64 = summary.sources.iter().map(|s| s.consumed).sum();
                let sent = i64::try_from(self.replay.sent()).unwrap_or(i64::MAX);
                if consumed >= sent && summary.complete_to_ms.is_some_and(|ms| ms >= END_MS) {
                    return Ok(Some(summary));
                }
                // a slow machine may take its time, as long as it gets on
                if consumed > was {
                    (stands_since, was) = (Instant::now(), consumed);
                }
                if stands_since.elapsed() > DRAIN_LIMIT {
                    return Err(DemoError::Stuck(format!(
                        "all {sent} records are sent, but for {} s no more than {consumed} are in the tables, which are \
                         complete to {}; last trouble: {}",
                        DRAIN_LIMIT.as_secs(),
                        screen::day(summary.complete_to_ms),
                        trouble.as_deref().unwrap_or("none")
                    )));
                }
            }
        }
    }

    /// Ends everything in order: no more records, then who speaks, then who hears.
    ///
    /// # Errors
    /// What a part of it ended with.
    pub async fn stop(&mut self) -> Result<(), DemoError> {
        let replayed = self.replay.stop();
        let customers = self.customers.stop().await;
        let accounts = self.accounts.stop().await;
        replayed.map_err(|source| DemoError::Kafka { what: "replaying", source })?;
        customers.and(accounts)
    }
}
