//! The command line, and where the engine and the password are found.

use crate::http::Credentials;
use clap::Parser;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Version of the engine that `fetch.sh` brings.
const ENGINE_VERSION: &str = "26.7.3";
const LIB_VARIABLE: &str = "CLICKHOUSE_EMBEDDED_LIB";
/// What to do when there is no engine.
const FETCH: &str = "sh tools/clickhouse-embedded/fetch.sh";

/// The ClickHouse engine in one process, behind the ClickHouse HTTP interface. For tests and demonstrations.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Options {
    /// Folder of the data; made when it is not there
    #[arg(long, value_name = "DIR")]
    pub path: PathBuf,

    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8123")]
    pub listen: SocketAddr,

    /// The engine, libchdb.so of 26.7 or newer [default: $CLICKHOUSE_EMBEDDED_LIB, then the cache folder]
    #[arg(long, value_name = "FILE")]
    pub lib: Option<PathBuf>,

    /// The one user that may ask; without it everyone may
    #[arg(long, requires = "password_file")]
    pub user: Option<String>,

    /// File with the user's password, on its first line
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,

    /// Memory the engine may take, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 2 << 30)]
    pub max_memory: u64,

    /// Seconds that running statements get when the server is told to stop
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub stop_timeout: u64,

    /// Further setting of the engine, as background_pool_size=8; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub engine_option: Vec<String>,

    /// Stop when standard input ends, so when the process that started this one is gone
    #[arg(long)]
    pub exit_with_stdin: bool,
}

impl Options {
    /// The engine's file: the option, the variable, the cache folder.
    ///
    /// # Errors
    /// When none of them is there; says how to get it.
    pub fn engine(&self) -> Result<PathBuf, String> {
        let named = match &self.lib {
            Some(path) => Some((path.clone(), "--lib")),
            None => std::env::var_os(LIB_VARIABLE).map(|path| (path.into(), LIB_VARIABLE)),
        };
        if let Some((path, by)) = named {
            let missing =
                |e| format!("{by} names {}: {e}; fetch the engine with: {FETCH}", path.display());
            return path.canonicalize().map_err(missing);
        }
        let Some(cache) = cache_folder() else {
            return Err(format!(
                "neither --lib, {LIB_VARIABLE}, RETAIN_CACHE nor HOME is set: no engine to find"
            ));
        };
        let path = cache.join(format!("chdb-{ENGINE_VERSION}")).join("libchdb.so");
        path.canonicalize().map_err(|e| {
            format!("no engine at {}: {e}; fetch it (178 MB) with: {FETCH}", path.display())
        })
    }

    /// User and password, None where everyone may ask.
    ///
    /// # Errors
    /// When the password cannot be read, or when everyone could ask from other machines.
    pub fn credentials(&self) -> Result<Option<Credentials>, String> {
        match (&self.user, &self.password_file) {
            (Some(user), Some(file)) => {
                Ok(Some(Credentials { user: user.clone(), password: read_password(file)? }))
            }
            _ if self.listen.ip().is_loopback() => Ok(None),
            _ => Err(format!(
                "--listen {} can be reached from other machines, and a statement may read any file of this one: \
                 listen on 127.0.0.1, or give --user and --password-file",
                self.listen
            )),
        }
    }

    /// Arguments of every connection to the engine. `data` is the folder, absolute.
    ///
    /// # Errors
    /// When an `--engine-option` is not NAME=VALUE.
    pub fn connection_args(&self, data: &Path) -> Result<Vec<String>, String> {
        let mut args = vec![
            format!("--path={}", data.display()),
            // chDB's own: "1 + 1" is a statement. A server refuses it.
            "--implicit_select=0".to_string(),
            format!("--max_server_memory_usage={}", self.max_memory),
        ];
        for option in &self.engine_option {
            if !option.contains('=') || option.starts_with('-') {
                return Err(format!("--engine-option {option}: write it as NAME=VALUE"));
            }
            args.push(format!("--{option}"));
        }
        Ok(args)
    }
}

fn cache_folder() -> Option<PathBuf> {
    let set =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("RETAIN_CACHE").or_else(|| Some(set("HOME")?.join(".cache/retain")))
}

fn read_password(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| format!("--password-file {}: {e}", file.display()))?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(password.to_string()),
        _ => Err(format!("--password-file {}: its first line holds no password", file.display())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn options(args: &[&str]) -> Options {
        Options::try_parse_from([&["clickhouse-embedded", "--path", "d"], args].concat()).unwrap()
    }

    #[test]
    fn other_machines_need_a_password() {
        assert!(options(&[]).credentials().unwrap().is_none());
        let error = options(&["--listen", "0.0.0.0:0"]).credentials().err().unwrap();
        assert!(error.contains("--password-file"), "{error}");
    }

    #[test]
    fn a_missing_engine_names_the_remedy() {
        let error = options(&["--lib", "no/such/file.so"]).engine().unwrap_err();
        assert!(
            error.contains("--lib names no/such/file.so") && error.contains("fetch.sh"),
            "{error}"
        );
    }

    #[test]
    fn engine_options_become_arguments() {
        let args = options(&["--engine-option", "background_pool_size=8", "--max-memory", "7"]);
        let args = args.connection_args(Path::new("/d")).unwrap();
        assert_eq!(args[0], "--path=/d");
        assert_eq!(args[2..], ["--max_server_memory_usage=7", "--background_pool_size=8"]);
        assert!(options(&["--engine-option", "x"]).connection_args(Path::new("/d")).is_err());
    }
}
