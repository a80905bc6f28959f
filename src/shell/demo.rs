//! `retain demo`: the real pipeline on an in-process broker and an embedded ClickHouse, fed with real purchases.
//!
//! Everything but the broker is what `retain run` runs. The broker is librdkafka's own mock: it has no transactions to
//! speak of (offsets in them are forgotten), so a demo runs once from start to end and is no test of delivery.

mod cluster;
mod engine;
mod finale;
mod replay;
mod screen;
mod story;
mod summary;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clickhouse::Client;
use rdkafka::error::KafkaError;
use tokio::sync::watch;

use crate::flow::names::Names;
use crate::plan::{self, Clock, Plan};

use super::board::Status;
use super::carrier;
use super::migrate::{MigrateError, Retention, migrate};
use super::observe::Observer;
use super::runtime::{self, RunError};
use super::sink::{Sink, SinkOptions};
use super::views::Databases;

use engine::{Engine, Folder};
use replay::Replay;
use screen::{Screen, grouped};
use story::{END_MS, SOURCES, Story};
use summary::{Summary, look};

/// The definition that the demo runs.
const DEFINITION: &str = include_str!("../../pipelines/demo.toml");
/// How often the summary is asked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long the last events may take into the tables once they are sent.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);
/// Seconds of a day.
const DAY_S: f64 = 86_400.0;

/// What the command line says.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Args {
    /// Simulated days per second (546 are replayed)
    #[arg(long, default_value_t = 5.5, value_name = "DAYS", value_parser = speed)]
    pub speed: f64,
    /// End when the totals are checked, instead of waiting for Ctrl-C
    #[arg(long)]
    pub exit: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    let days = text.parse().ok().filter(|days| (0.01..=100.0).contains(days));
    days.ok_or_else(|| "expected days per second from 0.01 to 100".to_owned())
}

/// Why a demo did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The engine is missing or did not start; with the remedy.
    #[error("{0}")]
    Engine(String),
    /// A file or folder.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The answer.
        source: std::io::Error,
    },
    /// The in-process broker, or a client of it.
    #[error("{what}: {source}")]
    Kafka {
        /// What was being done.
        what: &'static str,
        /// The answer.
        source: KafkaError,
    },
    /// The tables.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// A query.
    #[error("asking ClickHouse: {0}")]
    Query(#[from] clickhouse::error::Error),
    /// The pipeline.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The pipeline did not get to the end, or ended before it.
    #[error("{0}")]
    Stuck(String),
    /// ClickHouse and the file differ.
    #[error("the totals in ClickHouse are not the file's: see the lines above; this is a bug")]
    Totals,
}

/// Runs the demo. Ctrl-C and SIGTERM end it cleanly at any moment, which is no error.
///
/// # Errors
/// What could not be started, with the remedy; totals that are not the file's.
pub async fn demo(args: Args) -> Result<(), DemoError> {
    let io = |what| move |source| DemoError::Io { what, source };
    let mut stop = stop_signal().map_err(io("listening for signals"))?;
    let mut screen = Screen::new();
    let story = story::tell().map_err(DemoError::Stuck)?;
    introduce(&mut screen, &story, args.speed);

    let folder = Folder::new().map_err(io("making a temporary folder"))?;
    let path = folder.path().to_owned();
    let started = tokio::task::spawn_blocking(move || Engine::start(&path)).await;
    let mut engine = started.map_err(|e| DemoError::Engine(e.to_string()))??;
    let result = run(args, story, &mut engine, &mut screen, &mut stop).await;
    // The engine ends before its folder is removed, which takes seconds on a slow disk.
    screen.say("Ending ClickHouse and removing its data.");
    let _ = tokio::task::spawn_blocking(move || drop(engine)).await;
    drop(folder);
    result
}

fn introduce(screen: &mut Screen, story: &Story, speed: f64) {
    screen.say(&format!(
        "retain demo: {} real purchases of {} customers of the music shop CDNOW, 1997-98\n\
         (Fader and Hardie's research sample; data/cdnow/README.md). Support, web and\n\
         profile events are generated. One purchase in 20 is sent twice. {speed} days a second.",
        grouped(story.truth.purchases),
        grouped(story.truth.customers)
    ));
}

/// Turns true with Ctrl-C or SIGTERM.
fn stop_signal() -> std::io::Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        let _ = sender.send(true);
    });
    Ok(receiver)
}

/// The definition, at the speed that was asked for.
fn definition(days_per_second: f64) -> Result<Plan, DemoError> {
    let (plan, problems) = plan::parse(DEFINITION);
    let mut plan =
        plan.ok_or_else(|| DemoError::Stuck(format!("pipelines/demo.toml: {problems:?}")))?;
    if let Clock::Simulated { speed, .. } = &mut plan.clock {
        // The disorder stays the same part of a second.
        let ratio = days_per_second * DAY_S / *speed;
        plan.disorder_ms = (plan.disorder_ms as f64 * ratio) as i64;
        *speed = days_per_second * DAY_S;
    }
    Ok(plan)
}

async fn run(
    args: Args,
    story: Story,
    engine: &mut Engine,
    screen: &mut Screen,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), DemoError> {
    let plan = Arc::new(definition(args.speed)?);
    let client = Client::default().with_url(&engine.url);
    let databases = Databases::new("retain", 1).map_err(DemoError::Stuck)?;
    migrate(
        &client,
        &plan,
        &databases,
        Retention { events_days: 0, ledger_days: 0, history_days: 0 },
    )
    .await?;

    let truth = story.truth.clone();
    let mut pipeline = Pipeline::start(&plan, &databases, &client, story)?;
    let watched = pipeline.watch(&client, screen, engine, stop).await;
    let ended = pipeline.stop().await;
    // What the pipeline ended with says more than that it ended.
    ended?;
    let Some(summary) = watched? else {
        screen.say("\nstopped before the end; nothing is left behind");
        return Ok(());
    };
    screen.show_last(&summary, pipeline.sink.status().rows);
    let totals = finale::totals(&client).await?;
    let (lines, equal) = finale::compare(&totals, &truth, &summary);
    screen.say(&format!("\n{}", lines.join("\n")));
    if !equal {
        return Err(DemoError::Totals);
    }
    screen.say(&format!("\nLook further:\n\n{}", finale::commands(&engine.url).join("\n")));
    if !args.exit && std::io::stdin().is_terminal() {
        screen.say("ClickHouse stays until Ctrl-C.");
        // The sender lives as long as the runtime; should it not, there is nothing to wait for.
        let _ = stop.wait_for(|stop| *stop).await;
    }
    Ok(())
}

/// Everything that runs between the engine's start and its end.
struct Pipeline {
    replay: Replay,
    runtime: tokio::task::JoinHandle<Result<(), RunError>>,
    observer: Observer,
    sink: Arc<Sink>,
    carrier: Option<std::thread::JoinHandle<()>>,
    quit: Arc<AtomicBool>,
    carrier_quit: Arc<AtomicBool>,
    /// Last: the broker outlives its clients.
    _broker: cluster::Cluster,
}

impl Pipeline {
    fn start(
        plan: &Arc<Plan>,
        databases: &Databases,
        client: &Client,
        story: Story,
    ) -> Result<Self, DemoError> {
        let kafka = |what| move |source| DemoError::Kafka { what, source };
        let names = Names::new(&plan.name, 1);
        let broker =
            cluster::start(plan, &names).map_err(kafka("starting the in-process broker"))?;
        let link = cluster::link(broker.bootstrap_servers());
        let observer = Observer::new(Status { consumes: true, ..Status::default() })
            .map_err(|error| DemoError::Stuck(format!("the metrics: {error}")))?;
        let sink = Sink::new(client.clone(), SinkOptions::new(&databases.tables));
        let sink = Arc::new(sink.observed_by(&observer));
        let carrier_quit = Arc::new(AtomicBool::new(false));
        let carrier = carrier::start(
            &link,
            &names,
            Arc::clone(&sink),
            observer.clone(),
            Arc::clone(&carrier_quit),
            tokio::runtime::Handle::current(),
        )
        .map_err(kafka("starting the carrier"))?;

        let quit = Arc::new(AtomicBool::new(false));
        let sources = plan.sources.iter().map(|s| s.topic.clone()).collect();
        let replay = Replay::start(
            &link.brokers,
            sources,
            cluster::PARTITIONS,
            story.records,
            plan.clock,
            Arc::clone(&observer.board),
        )
        .map_err(kafka("starting the replay"))?;
        let options = cluster::options(link);
        let running = runtime::run(Arc::clone(plan), options, observer.clone(), Arc::clone(&quit));
        Ok(Self {
            replay,
            runtime: tokio::spawn(running),
            observer,
            sink,
            carrier: Some(carrier),
            quit,
            carrier_quit,
            _broker: broker,
        })
    }

    /// Shows how it goes until everything is in the tables; `None` when it was stopped before.
    async fn watch(
        &mut self,
        client: &Client,
        screen: &mut Screen,
        engine: &mut Engine,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Option<Summary>, DemoError> {
        let mut all_sent: Option<Instant> = None;
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
            let status = self.observer.board.snapshot();
            if self.runtime.is_finished() || status.sink.stopped.is_some() {
                let reason = status.sink.stopped;
                return Err(DemoError::Stuck(
                    reason.unwrap_or_else(|| "the pipeline has ended by itself".to_owned()),
                ));
            }
            let summary = look(client, &SOURCES).await?;
            let trouble = status.trouble;
            screen.show(&summary, self.sink.status().rows, trouble.as_deref());
            if self.replay.has_ended() {
                self.replay
                    .stop()
                    .map_err(|source| DemoError::Kafka { what: "replaying", source })?;
                let consumed: i64 = summary.sources.iter().map(|s| s.consumed).sum();
                let sent = i64::try_from(self.replay.sent()).unwrap_or(i64::MAX);
                if consumed >= sent && summary.complete_to_ms.is_some_and(|ms| ms >= END_MS) {
                    return Ok(Some(summary));
                }
                if all_sent.get_or_insert_with(Instant::now).elapsed() > DRAIN_LIMIT {
                    return Err(DemoError::Stuck(format!(
                        "all {sent} records were sent {} s ago, {consumed} are in the tables, which are complete to {}; \
                         last trouble: {}",
                        DRAIN_LIMIT.as_secs(),
                        screen::day(summary.complete_to_ms),
                        trouble.as_deref().unwrap_or("none")
                    )));
                }
            }
        }
    }

    /// Ends everything in order: no more records, the last commit, the last rows.
    async fn stop(&mut self) -> Result<(), DemoError> {
        let replayed = self.replay.stop();
        self.quit.store(true, Ordering::SeqCst);
        let ended = (&mut self.runtime).await;
        self.carrier_quit.store(true, Ordering::SeqCst);
        if let Some(carrier) = self.carrier.take() {
            let _ = tokio::task::spawn_blocking(move || carrier.join()).await;
        }
        replayed.map_err(|source| DemoError::Kafka { what: "replaying", source })?;
        match ended {
            Ok(result) => Ok(result?),
            Err(error) => Err(DemoError::Stuck(format!("the pipeline's task: {error}"))),
        }
    }
}
