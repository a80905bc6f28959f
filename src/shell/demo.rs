//! `retain demo`: the real pipeline on an in-process broker and an embedded ClickHouse, fed with real purchases.
//!
//! Everything but the broker is what `retain run` runs. The broker is librdkafka's own mock: it has no transactions to
//! speak of (offsets in them are forgotten), so a demo runs once from start to end and is no test of delivery.

mod cluster;
mod company;
mod desk;
mod engine;
mod finale;
mod pipeline;
mod replay;
mod screen;
mod story;
mod summary;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use clickhouse::Client;
use rdkafka::error::KafkaError;
use tokio::sync::watch;

use crate::model::time::DAY_MS;
use crate::plan::{self, Clock, Plan, RuleFile};
use crate::rule::spoken;

use super::migrate::{MigrateError, Retention, migrate};
use super::runtime::RunError;
use super::views::Databases;

use desk::Desk;
use engine::{Engine, Folder};
use pipeline::Pipeline;
use screen::{Screen, dollars, grouped};
use story::{END_MS, Story};

/// The definitions that the demo runs: customers, and their accounts.
const DEFINITIONS: [&str; 2] =
    [include_str!("../../pipelines/demo.toml"), include_str!("../../pipelines/demo_accounts.toml")];
/// The rules of alerts.
const RULES: RuleFile<'static> =
    RuleFile { name: "shop.toml", text: include_str!("../../pipelines/demo_alerts/shop.toml") };
/// The rules of alerts about accounts: the shipped ones.
const ACCOUNT_RULES: RuleFile<'static> =
    RuleFile { name: "accounts.toml", text: include_str!("../../pipelines/alerts/accounts.toml") };
/// How far beyond the end and the disorder the clock is fast.
const RUN_ON_MS: i64 = 2 * DAY_MS;
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
    /// Wait for Ctrl-C though nobody sits at a terminal
    #[arg(long, conflicts_with = "exit")]
    pub stay: bool,
    /// Where the page is served; a free port where this one is taken
    #[arg(long, default_value = "127.0.0.1:9464", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
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
    let place = (folder.path(), &mut engine);
    let result = run(args, story, place, &mut screen, &mut stop).await;
    // The engine ends before its folder is removed, which takes seconds on a slow disk.
    screen.say("Ending ClickHouse and removing its data.");
    let _ = tokio::task::spawn_blocking(move || drop(engine)).await;
    drop(folder);
    result
}

fn introduce(screen: &mut Screen, story: &Story, speed: f64) {
    screen.say(&format!(
        "retain demo: {} real purchases of {} customers of the music shop CDNOW, 1997-98\n\
         (Fader and Hardie's research sample; data/cdnow/README.md). Names, companies, support\n\
         and web events are made up. One purchase in 20 is sent twice. {speed} days a second.",
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

/// The definitions, at the speed that was asked for, with the rules of alerts: the customers', and the accounts' fed by it.
fn definitions(days_per_second: f64) -> Result<[Arc<Plan>; 2], DemoError> {
    let [customers, accounts] = DEFINITIONS.map(|text| definition(text, days_per_second));
    let ruled = |file: RuleFile<'static>| {
        let (rules, problems) = plan::rules(&[file]);
        let rules = rules.ok_or_else(|| DemoError::Stuck(format!("{}: {problems:?}", file.name)));
        rules.map(|rules| Arc::new(rules.set))
    };
    let mut customers = Plan { alerts: ruled(RULES)?, ..customers? };
    let accounts = accounts?.fed_by(|_| Ok::<_, DemoError>(1))?;
    let mut accounts = Plan { alerts: ruled(ACCOUNT_RULES)?, ..accounts };
    // Time runs on until the watermark, which is behind by the disorder, has passed the last event.
    let complete_ms = END_MS + customers.disorder_ms + RUN_ON_MS;
    for plan in [&mut customers, &mut accounts] {
        if let Clock::Simulated { fast_until_ms, .. } = &mut plan.clock {
            *fast_until_ms = Some(complete_ms);
        }
    }
    Ok([Arc::new(customers), Arc::new(accounts)])
}

fn definition(text: &str, days_per_second: f64) -> Result<Plan, DemoError> {
    let (plan, problems) = plan::parse(text);
    let mut plan =
        plan.ok_or_else(|| DemoError::Stuck(format!("pipelines/demo*.toml: {problems:?}")))?;
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
    (folder, engine): (&Path, &mut Engine),
    screen: &mut Screen,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), DemoError> {
    let plans = definitions(args.speed)?;
    let client = Client::default().with_url(&engine.url);
    for plan in &plans {
        let databases = Databases::of(plan, "retain", 1).map_err(DemoError::Stuck)?;
        let retention = Retention { events_days: 0, ledger_days: 0, history_days: 0 };
        migrate(&client, plan, &databases, retention).await?;
    }
    let truth = story.truth.clone();
    let mut pipeline = Pipeline::start(&plans, &client, story)?;
    let place = (args.listen, folder, engine.url.as_str());
    let desk = Desk::open(place, &plans, pipeline.link(), pipeline.observer()).await?;
    screen.say(&format!("\n{}", desk.invitation()));
    let shown = async {
        let Some(summary) = pipeline.watch(&client, screen, engine, stop).await? else {
            screen.say("\nstopped before the end; nothing is left behind");
            return Ok(());
        };
        screen.show_last(&summary, pipeline.rows());
        let totals = finale::totals(&client).await?;
        let (lines, equal) = finale::compare(&totals, &truth, &summary);
        screen.say(&format!("\n{}", lines.join("\n")));
        if !equal {
            return Err(DemoError::Totals);
        }
        show_desk(&desk, screen, &engine.url).await?;
        if args.stay || (!args.exit && std::io::stdin().is_terminal()) {
            screen.say("The page and ClickHouse stay until Ctrl-C.");
            // The sender lives as long as the runtime; should it not, there is nothing to wait for.
            let _ = stop.wait_for(|stop| *stop).await;
        }
        Ok(())
    };
    let shown = shown.await;
    desk.close().await;
    // What the pipeline ended with says more than that it ended.
    pipeline.stop().await?;
    shown
}

/// One alert is taken by hand, and the reader is asked to take another.
async fn show_desk(desk: &Desk, screen: &mut Screen, clickhouse: &str) -> Result<(), DemoError> {
    if let Some(alert) = desk.take_one().await? {
        screen.say(&format!(
            "\nada, an account manager, has just taken the alert “{}” about {} ({} at risk), as a\n\
             person does: through the page's interface, and the pipeline has written it down.",
            spoken::rule(&alert.rule),
            alert.name,
            dollars(alert.at_risk_minor.unwrap_or(0))
        ));
    }
    screen
        .say(&format!("\nQueries to look further:\n\n{}", finale::commands(clickhouse).join("\n")));
    screen.say(&format!(
        "{}\nTake an alert yourself: \"I have it\" on the first page.",
        desk.invitation()
    ));
    Ok(())
}
