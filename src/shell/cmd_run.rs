//! `retain run`, `migrate` and `sink`: a definition and settings become a running pipeline.

mod carry;
mod several;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::api::Api;
use super::board::Status;
use super::clickhouse_client::CaFileError;
use super::client::Link;
use super::commands::commands;
use super::follow::Follow;
use super::generation::{self, Choice, Chosen, GenerationError};
use super::http::{Pages, Server};
use super::notify::Notifier;
use super::observe::Observer;
use super::runtime::{self, Options, RunError};
use super::settings::Settings;
use crate::plan::{Plan, RuleFile, Severity, parse, rules};
use carry::{Carry, Target};
pub use several::{run_choice, run_several};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The definition file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The definition has errors; the text is one line each, with file and line.
    #[error("the definition has errors:\n{0}")]
    Definition(String),
    /// The pipeline ended.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Which generation to run is not known, or a rebuild is refused.
    #[error(transparent)]
    Generation(#[from] GenerationError),
    /// Another generation has replaced the one that ran.
    #[error("{0}")]
    Replaced(String),
    /// The certificates for ClickHouse.
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    /// A listener or signal handler.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Anything else, in words that say what to do.
    #[error("{0}")]
    Other(String),
}

/// The folder of alert rules beside a definition.
const RULES: &str = "alerts";

/// A definition that has been read and checked.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Hash of the file's text, for the headers of dead letters.
    pub version: String,
    /// Warnings, one line each.
    pub warnings: Vec<String>,
}

impl Definition {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, or has errors; all of them at once.
    pub fn read(path: &Path) -> Result<Self, CommandError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CommandError::Read { path: path.to_owned(), source })?;
        let definition = Self::of(&text, &path.display().to_string())?;
        let folder = path.parent().unwrap_or(Path::new("")).join(RULES);
        if !folder.is_dir() {
            return Ok(definition);
        }
        definition.with_rules(&folder)
    }

    /// The same with the alert rules of a folder.
    fn with_rules(self, folder: &Path) -> Result<Self, CommandError> {
        let files = super::cmd_test::read(folder)
            .map_err(|source| CommandError::Read { path: folder.to_owned(), source })?;
        let parts: Vec<_> = files.iter().map(|(name, text)| RuleFile { name, text }).collect();
        let (rules, findings) = rules(&parts);
        let found = files.iter().zip(&findings);
        let lines = |severity| -> Vec<String> {
            let all = found.clone().flat_map(|((name, _), of)| of.iter().map(move |d| (name, d)));
            all.filter(|(_, d)| d.severity == severity).map(|(name, d)| d.render(name)).collect()
        };
        let Some(rules) = rules else {
            return Err(CommandError::Definition(lines(Severity::Error).join("\n")));
        };
        let plan = Plan { alerts: Arc::new(rules.set), ..(*self.plan).clone() };
        Ok(Self { plan: Arc::new(plan), ..self })
    }

    /// Checks a text.
    ///
    /// # Errors
    /// When it has errors.
    pub fn of(text: &str, name: &str) -> Result<Self, CommandError> {
        let (plan, findings) = parse(text);
        let lines = |severity| {
            findings.iter().filter(move |d| d.severity == severity).map(|d| d.render(name))
        };
        let Some(plan) = plan else {
            let errors: Vec<String> = lines(Severity::Error).collect();
            return Err(CommandError::Definition(errors.join("\n")));
        };
        Ok(Self {
            plan: Arc::new(plan),
            version: format!("{:016x}", xxh3_64(text.as_bytes())),
            warnings: lines(Severity::Warning).collect(),
        })
    }
}

/// `retain migrate`: brings tables and views to what this binary and the definition need. `None`: those of the current
/// generation. The views are written for the current generation only.
///
/// # Errors
/// ClickHouse's, in words; Kafka's, where the current generation cannot be asked for.
pub async fn migrate(
    settings: &Settings,
    definition: &Definition,
    generation: Option<u32>,
) -> Result<Vec<String>, CommandError> {
    let current = generation::current(&Link::from(&settings.kafka), &definition.plan)?;
    let generation = generation.unwrap_or(current);
    let target = Target::new(&settings.clickhouse, &definition.plan, generation)?;
    let done = target.prepare(&definition.plan).await.map_err(CommandError::Other)?;
    // The views show the current generation, and no other.
    if generation == current {
        target.show(&definition.plan).await.map_err(CommandError::Other)?;
    }
    Ok(done)
}

/// Which parts of the pipeline this process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Machines and carrier.
    All,
    /// Machines only; the carrier runs elsewhere (`retain sink`).
    Machines,
    /// The carrier only.
    Carrier,
    /// The notifier only.
    Notifier,
}

impl Parts {
    /// Whether machines run.
    fn consumes(self) -> bool {
        matches!(self, Self::All | Self::Machines)
    }
}

/// Runs pipelines until SIGTERM or Ctrl-C: then what is computed is committed, and the groups left.
///
/// # Errors
/// When one cannot start, or was put out: then all of them end.
pub async fn run(
    settings: &Settings,
    definitions: &[Definition],
    choice: Choice,
    parts: Parts,
) -> Result<(), CommandError> {
    let quit = Arc::new(AtomicBool::new(false));
    stop_on_signal(Arc::clone(&quit))?;
    run_several(settings, definitions, choice, parts, quit).await
}

/// One pipeline, whose generation is chosen.
async fn run_chosen(
    settings: &Settings,
    definition: &Definition,
    chosen: Chosen,
    parts: Parts,
    observer: Observer,
    quit: Arc<AtomicBool>,
) -> Result<(), CommandError> {
    let generation = chosen.generation;
    let plan = &definition.plan;
    tracing::info!(pipeline = plan.name, generation, rebuilds = chosen.rebuilds, "generation");
    for warning in &definition.warnings {
        tracing::warn!("{warning}");
    }
    let sink = match parts {
        Parts::Machines | Parts::Notifier => None,
        Parts::All | Parts::Carrier => {
            let carrier = Carry::new(settings, plan, (&chosen, parts), &observer, &quit)?;
            Some(tokio::spawn(carrier.run()))
        }
    };
    let notify = notifier(settings, plan, (&chosen, parts), &observer, &quit)?;
    let follow = follow(settings, plan, &chosen, &quit)?;
    let ended = if !parts.consumes() {
        until(Arc::clone(&quit)).await;
        Ok(())
    } else {
        let options = Options {
            replaces: chosen.replaces,
            ..options(settings, generation, definition.version.clone())
        };
        let quit = Arc::clone(&quit);
        runtime::run_from(Arc::clone(plan), options, chosen.beginning, observer, quit).await
    };
    quit.store(true, Ordering::SeqCst);
    if let Some(carrier) = sink
        && let Ok(Some(thread)) = carrier.await
    {
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
    if let Some(thread) = notify {
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
    if let Some(thread) = follow
        && let Ok(Ok(Some(why))) = tokio::task::spawn_blocking(move || thread.join()).await
    {
        return Err(CommandError::Replaced(why));
    }
    Ok(ended?)
}

/// Where a pipeline's parts write what they do.
fn observer(
    settings: &Settings,
    plan: &Plan,
    generation: u32,
    parts: Parts,
) -> Result<Observer, CommandError> {
    let observer = Observer::new(Status {
        pipeline: plan.name.clone(),
        generation,
        owner: settings.kafka.instance.clone().unwrap_or_default(),
        consumes: parts.consumes(),
        ..Status::default()
    });
    observer.map_err(|e| CommandError::Other(e.to_string()))
}

/// The pages that show what an observer, and those beside it, are told, and the interface to what `plan` has found; what people do
/// goes to whichever of `plans` it is about.
async fn pages(
    settings: &Settings,
    plan: &Arc<Plan>,
    plans: Vec<Arc<Plan>>,
    observer: &Observer,
) -> Result<Server, CommandError> {
    let pages = Pages {
        board: Arc::clone(&observer.board),
        metrics: Arc::clone(&observer.metrics),
        live_timeout: Duration::from_millis(settings.http.live_timeout_ms),
    };
    let sections = (&settings.http, &settings.clickhouse);
    let commands = commands(Link::from(&settings.kafka), plans);
    let api = Api::new(sections, plan, &observer.board, commands);
    let api = api.map_err(CommandError::Other)?;
    api.warm();
    let server = Server::bind(&settings.http.listen, pages).await?.with(api.router());
    tracing::info!(address = %server.local_addr()?, "http");
    Ok(server)
}

fn options(settings: &Settings, generation: u32, definition: String) -> Options {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Options {
        link: Link::from(&settings.kafka),
        generation,
        replaces: None,
        definition,
        start: settings.kafka.start,
        commit_interval_ms: settings.kafka.commit_interval_ms,
        restore_timeout_ms: settings.kafka.restore_timeout_ms,
        revoke_limit_ms: settings.run.shutdown_timeout_ms,
        outbox_bytes_max: settings.kafka.outbox_bytes_max,
        workers: if settings.run.workers == 0 { cores } else { settings.run.workers },
    }
}

/// Starts the notifier, if anybody is to be told.
fn notifier(
    settings: &Settings,
    plan: &Plan,
    (chosen, parts): (&Chosen, Parts),
    observer: &Observer,
    quit: &Arc<AtomicBool>,
) -> Result<Option<std::thread::JoinHandle<()>>, CommandError> {
    let file = settings.notify.receivers_file.as_deref().map(Path::new);
    let file = match (parts, file) {
        (Parts::Carrier, _) => return Ok(None),
        (Parts::Notifier, None) => {
            let why =
                "notify.receivers_file is not set: nobody could be told (docs/notifications.md)";
            return Err(CommandError::Other(why.to_owned()));
        }
        (Parts::All | Parts::Machines, None) => return Ok(None),
        // The machines do not depend on it.
        (Parts::All | Parts::Machines, Some(file)) if !file.exists() => {
            let file = file.display().to_string();
            tracing::warn!(file, "notify.receivers_file does not exist: nobody is told of alerts");
            return Ok(None);
        }
        (_, Some(file)) => file,
    };
    let notifier = Notifier::new(settings, plan, chosen, observer, quit, file);
    Ok(notifier.map_err(CommandError::Other)?.start()?)
}

/// Follows the control topic, if there is one.
fn follow(
    settings: &Settings,
    plan: &Arc<Plan>,
    chosen: &Chosen,
    quit: &Arc<AtomicBool>,
) -> Result<Option<std::thread::JoinHandle<Option<String>>>, CommandError> {
    let Some(control) = chosen.control.clone() else {
        return Ok(None);
    };
    let target = Target::new(&settings.clickhouse, plan, chosen.generation)?;
    let follow = Follow {
        link: Link::from(&settings.kafka),
        plan: Arc::clone(plan),
        generation: chosen.generation,
        control,
        rebuilds: chosen.rebuilds,
        replaces: chosen.replaces,
        views: (target.client, target.databases),
        quit: Arc::clone(quit),
    };
    Ok(Some(follow.start()?))
}

/// How long the pages may take to end.
const SERVED_LONGEST: Duration = Duration::from_secs(2);

/// Waits until `quit` is set.
async fn until(quit: Arc<AtomicBool>) {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    while !quit.load(Ordering::SeqCst) {
        tick.tick().await;
    }
}

/// Sets `quit` at SIGTERM or Ctrl-C.
fn stop_on_signal(quit: Arc<AtomicBool>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: committing what is computed, leaving the group");
        quit.store(true, Ordering::SeqCst);
    });
    Ok(())
}
