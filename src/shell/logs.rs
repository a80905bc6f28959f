//! Log lines: `tracing` to standard error, as text for people or one JSON object a line for machines.
//!
//! Standard output belongs to what a command prints.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use super::settings::{Log, LogFormat};

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `log.level` is not a level and no directive.
    #[error("log.level: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody has set a subscriber already.
    #[error("logging has begun already: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends the log lines of the process, librdkafka's among them, to standard error. Once per process.
///
/// # Errors
/// A wrong level, or a second call.
pub fn init(log: &Log) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&log.level)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match log.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).finish().try_init()?,
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}
