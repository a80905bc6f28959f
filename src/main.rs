//! The command line: reads arguments and settings, and hands over to one function of `shell` for each command.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use retain::plan::{guarantees, parse};
use retain::shell::cmd_run::{self, CommandError, Definition, Parts};
use retain::shell::generation::Choice;
use retain::shell::origin::{DEFAULT_FILE, Loaded, Sources, load};
use retain::shell::runtime::RunError;
use retain::shell::settings::Settings;
use retain::shell::{
    cmd_alert, cmd_check, cmd_config, cmd_explain, cmd_generate, cmd_test, demo, logs, memory,
};

/// librdkafka allocates for each message; this halves what it costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rolling loyalty and churn signals for every customer, from Kafka to ClickHouse, exactly once
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Settings file (or RETAIN_CONFIG)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, over file and environment; can be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the effective settings and where each comes from; secrets are masked
    Config {
        /// Show all keys with defaults and meanings instead (docs/settings.md)
        #[arg(long)]
        reference: bool,
    },
    /// Generate events, to a file or to Kafka
    Generate(Box<cmd_generate::Args>),
    /// Check a definition: every error at once, or what it guarantees
    Check {
        /// The definition
        #[arg(default_value = "pipelines/customers.toml")]
        file: PathBuf,
    },
    /// Check the alert rules of a folder, and run their cases
    Test {
        /// The folder
        #[arg(default_value = "pipelines/alerts")]
        dir: PathBuf,
        /// Also write the verdicts as JUnit XML
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
    },
    /// Bring ClickHouse's tables and views to what a definition needs
    Migrate(Pipeline),
    /// Run pipelines: consume, compute, commit, and carry the rows to ClickHouse
    Run {
        #[command(flatten)]
        pipelines: Pipelines,
        /// Leave carrying the rows to `retain sink`
        #[arg(long)]
        no_sink: bool,
        /// Leave telling people of alerts to `retain notify`
        #[arg(long)]
        no_notify: bool,
        /// Build the next generation beside the current one, and switch to it when it has caught up (docs/rebuild.md)
        #[arg(long, conflicts_with = "generation")]
        rebuild: bool,
        /// Rebuild though the sources no longer hold everything; what is missing is written to the table of gaps
        #[arg(long, requires = "rebuild")]
        accept_loss: bool,
    },
    /// Only carry committed rows to ClickHouse
    Sink(Pipelines),
    /// Only tell people and their tools of alerts (docs/notifications.md)
    Notify(Pipelines),
    /// Say why a customer's scores are what they are: contributions, the events behind each, what would change them
    Explain(cmd_explain::Args),
    /// See alerts and act on them as on the page: list, show, acknowledge, snooze, resolve, reopen (docs/alerts.md)
    Alert(Box<cmd_alert::Args>),
    /// Show it all on real purchases: nothing to install or to start, under 3 minutes
    Demo(demo::Args),
}

/// Which pipeline.
#[derive(Debug, clap::Args)]
struct Pipeline {
    /// The definition
    #[arg(default_value = "pipelines/customers.toml")]
    file: PathBuf,
    /// Generation of the pipeline's topics and tables, instead of the current one
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=0x00ff_ffff))]
    generation: Option<u32>,
}

/// Which pipelines, in one process.
#[derive(Debug, clap::Args)]
struct Pipelines {
    /// The definitions; several run side by side, as customers.toml and accounts.toml
    #[arg(default_value = "pipelines/customers.toml")]
    files: Vec<PathBuf>,
    /// Generation of the pipeline's topics and tables, instead of the current one
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=0x00ff_ffff))]
    generation: Option<u32>,
}

fn main() -> ExitCode {
    memory::keep_freed();
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        // `retain config | head` is no failure.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            if is_unfit(&error) { ExitCode::from(UNFIT) } else { ExitCode::FAILURE }
        }
    }
}

/// Exit code of a copy that cannot run its shards though others may: starting it again does not help
/// (docs/operations.md).
const UNFIT: u8 = 3;

fn is_unfit(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<CommandError>());
    causes.any(|cause| matches!(cause, CommandError::Run(RunError::Unfit(_))))
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    kinds.map(io::Error::kind).any(|kind| kind == io::ErrorKind::BrokenPipe)
}

fn settings(cli: &Cli) -> anyhow::Result<Loaded> {
    Ok(load(&Sources::of_process(cli.config.clone(), cli.set.clone()))?)
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    match &cli.command {
        Command::Config { reference: true } => {
            io::stdout().write_all(cmd_config::reference(DEFAULT_FILE).as_bytes())?;
        }
        Command::Config { reference: false } => {
            let loaded = settings(cli)?;
            cmd_config::print(loaded.effective(), &mut io::stdout().lock())?;
        }
        Command::Generate(args) => {
            let loaded = settings(cli)?;
            logs::init(&loaded.settings.log)?;
            let summary = cmd_generate::run(args, &loaded.settings.kafka).context("generate")?;
            let _ = writeln!(io::stderr(), "{}", serde_json::to_string(&summary)?);
        }
        Command::Check { file } => check(file)?,
        Command::Test { dir, junit } => test(dir, junit.as_deref())?,
        Command::Migrate(pipeline) => {
            let (settings, definition) = ready(cli, &pipeline.file)?;
            let migrating = cmd_run::migrate(&settings, &definition, pipeline.generation);
            for line in tokio()?.block_on(migrating)? {
                writeln!(io::stdout(), "{line}")?;
            }
        }
        Command::Run { pipelines, no_sink, no_notify, rebuild, accept_loss } => {
            let parts = if *no_sink { Parts::Machines } else { Parts::All };
            let rebuild = rebuild.then_some(Choice::Rebuild { accept_loss: *accept_loss });
            start(cli, pipelines, rebuild, (parts, !no_notify))?;
        }
        Command::Sink(pipelines) => start(cli, pipelines, None, (Parts::Carrier, false))?,
        Command::Notify(pipelines) => start(cli, pipelines, None, (Parts::Notifier, true))?,
        Command::Explain(args) => {
            let (settings, definition) = ready(cli, &args.definition)?;
            let asking = cmd_explain::ask(&settings.clickhouse, &definition, args);
            let explanation = tokio()?.block_on(asking).context("explain")?;
            cmd_explain::print(&explanation, args.json, &mut io::stdout().lock())?;
        }
        Command::Alert(args) => {
            let (settings, definition) = ready(cli, &args.definition)?;
            let answer = tokio()?.block_on(cmd_alert::run(&settings, &definition, args))?;
            cmd_alert::print(&answer, args, &mut io::stdout().lock())?;
        }
        Command::Demo(args) => {
            // A terminal shows the demo's own picture; log lines would break it.
            if !io::stdout().is_terminal() {
                logs::init(&settings(cli)?.settings.log)?;
            }
            tokio()?.block_on(demo::demo(*args)).context("demo")?;
        }
    }
    Ok(())
}

fn tokio() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("starting the threads for IO")
}

/// Settings, logs, and a definition without errors.
fn ready(cli: &Cli, file: &Path) -> anyhow::Result<(Settings, Definition)> {
    let loaded = settings(cli)?;
    logs::init(&loaded.settings.log)?;
    Ok((loaded.settings, Definition::read(file)?))
}

fn start(
    cli: &Cli,
    pipelines: &Pipelines,
    rebuild: Option<Choice>,
    (parts, notifies): (Parts, bool),
) -> anyhow::Result<()> {
    let mut loaded = settings(cli)?;
    logs::init(&loaded.settings.log)?;
    if !notifies {
        loaded.settings.notify.receivers_file = None;
    }
    let definitions: Result<Vec<_>, _> =
        pipelines.files.iter().map(|file| Definition::read(file)).collect();
    let definitions = definitions?;
    let choice = rebuild.unwrap_or(pipelines.generation.map_or(Choice::Current, Choice::Given));
    let running = cmd_run::run(&loaded.settings, &definitions, choice, parts);
    Ok(tokio()?.block_on(running)?)
}

fn check(file: &Path) -> anyhow::Result<()> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| name.clone())?;
    let (plan, findings) = parse(&text);
    let findings: Vec<String> = findings.iter().map(|d| d.render(&name)).collect();
    let sentences = plan.as_ref().map(|plan| {
        let mut sentences = guarantees(plan);
        if plan.accounts.is_none() {
            sentences.push(cmd_check::one_time_buyer(plan));
        }
        sentences
    });
    cmd_check::print(&name, &findings, sentences.as_deref(), &mut io::stdout().lock())?;
    anyhow::ensure!(plan.is_some(), "{name} cannot be used");
    // the alert rules beside it
    Definition::read(file)?;
    Ok(())
}

fn test(dir: &Path, junit: Option<&Path>) -> anyhow::Result<()> {
    let files = cmd_test::read(dir)?;
    anyhow::ensure!(!files.is_empty(), "{} holds no file of rules (*.toml)", dir.display());
    let definitions = cmd_test::definitions(dir)?;
    let outcome = cmd_test::test(&files, &definitions, &mut io::stdout().lock())?;
    if let (Some(file), Some(report)) = (junit, &outcome.junit) {
        std::fs::write(file, report).with_context(|| file.display().to_string())?;
    }
    anyhow::ensure!(outcome.holds, "the rules of {} do not hold", dir.display());
    Ok(())
}
