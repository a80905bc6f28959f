//! The real ClickHouse engine for tests: starts `clickhouse-embedded` on a temporary folder and a free port.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use clickhouse::Client;
use serde_json::Value;

/// A running engine. It ends when this is dropped, or when the test's process ends for whatever reason.
pub struct Engine {
    child: Child,
    /// Held open: the engine ends with its standard input.
    _stdin: ChildStdin,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    folder: tempfile::TempDir,
}

impl Engine {
    /// Starts an engine without data.
    pub fn start() -> Self {
        Self::start_on(tempfile::tempdir().unwrap(), "127.0.0.1:0")
    }

    fn start_on(folder: tempfile::TempDir, listen: &str) -> Self {
        let mut child = Command::new(binary())
            .arg("--path")
            .arg(folder.path().join("data"))
            .args(["--listen", listen, "--exit-with-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start clickhouse-embedded");
        let stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        let url = first.strip_prefix("listening on ").unwrap_or_else(|| {
            panic!("clickhouse-embedded did not start (it said {first:?}; its reason is above)")
        });
        Self { url: url.to_owned(), child, _stdin: stdin, folder }
    }

    /// `kill -9`.
    pub fn kill(mut self) -> Killed {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let address = self.url.trim_start_matches("http://").to_owned();
        let empty = tempfile::tempdir().unwrap();
        Killed { folder: std::mem::replace(&mut self.folder, empty), address }
    }

    /// A client without a database.
    pub fn client(&self) -> Client {
        Client::default().with_url(&self.url)
    }

    /// The answer to a query, a JSON object for each row.
    pub async fn rows(&self, sql: &str) -> Vec<Value> {
        let mut cursor = self.client().query_raw(sql).fetch_bytes("JSONEachRow").unwrap();
        let bytes = cursor.collect().await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The single number that a query answers.
    pub async fn number(&self, sql: &str) -> i64 {
        self.client()
            .query_raw(&format!("SELECT ifNull(toInt64(({sql})), -1)"))
            .fetch_one()
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// Runs a statement.
    pub async fn run(&self, sql: &str) {
        self.client().query_raw(sql).execute().await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An engine that was killed: its data and its address.
pub struct Killed {
    folder: tempfile::TempDir,
    address: String,
}

impl Killed {
    /// Starts it again on the same data and address.
    pub fn restart(self) -> Engine {
        Engine::start_on(self.folder, &self.address)
    }
}

/// The binary: the environment's, else the one built beside this test.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("CLICKHOUSE_EMBEDDED_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let binary = profile.join("clickhouse-embedded");
    assert!(
        binary.is_file(),
        "{} is not there: build it with `cargo build -p clickhouse-embedded`, or name it in CLICKHOUSE_EMBEDDED_BIN",
        binary.display()
    );
    binary
}
