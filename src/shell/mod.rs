//! Everything that touches the world: settings, logs, metrics, HTTP and the commands.

pub mod board;
pub mod cmd_check;
pub mod cmd_config;
pub mod cmd_generate;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod origin;
pub mod settings;
pub mod topic_producer;
