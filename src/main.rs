//! The command line: reads arguments and settings, and hands over to one function of `shell` for each command.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use retain::shell::origin::{DEFAULT_FILE, Loaded, Sources, load};
use retain::shell::{cmd_config, cmd_generate, demo, logs};

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
    /// Show it all on real purchases: nothing to install or to start, under 3 minutes
    Demo(demo::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        // `retain config | head` is no failure.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
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
        Command::Demo(args) => {
            // A terminal shows the demo's own picture; log lines would break it.
            if !io::stdout().is_terminal() {
                logs::init(&settings(cli)?.settings.log)?;
            }
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(demo::demo(*args)).context("demo")?;
        }
    }
    Ok(())
}
