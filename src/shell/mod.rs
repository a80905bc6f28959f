//! Everything that touches the world: settings, logs, metrics, HTTP and the commands.

pub mod cmd_config;
pub mod origin;
pub mod settings;
