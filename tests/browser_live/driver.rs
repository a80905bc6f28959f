//! A desk on a socket, and the browser that is driven by `tests/browser/live.mjs`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::desk::Desk;

/// A desk that serves until it is dropped.
pub struct Live {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// What it serves.
    pub desk: Desk,
    served: JoinHandle<std::io::Result<()>>,
}

impl Live {
    /// Serves a desk on a free port.
    pub async fn of(desk: Desk) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = desk.router.clone();
        let served = tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, desk, served }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.served.abort();
    }
}

fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(name)
}

/// Has the browser do something; what it prints. Fails with what it finds wrong.
pub fn browse(what: &str, asked: &Value) -> String {
    let fetched = Command::new(tool("fetch.sh")).output().unwrap();
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    let modules = String::from_utf8(fetched.stdout).unwrap();
    let mut child = Command::new("node")
        .arg(tool("live.mjs"))
        .args([modules.trim(), what])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    said
}
