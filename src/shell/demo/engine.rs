//! The embedded ClickHouse engine of the demo: a child process that ends with us, and its temporary folder.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::DemoError;

/// The program, beside our own.
const PROGRAM: &str = "clickhouse-embedded";
/// What to do when it, or its library, is missing.
const REMEDY: &str = "`make demo` fetches and builds what is missing (by hand: tools/clickhouse-embedded/fetch.sh, then \
                      cargo build -p clickhouse-embedded with the same profile as retain)";
/// How long it may take to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A folder that is removed with everything in it.
pub struct Folder(PathBuf);

impl Folder {
    /// A new folder below the system's for temporary files.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> std::io::Result<Self> {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = since.unwrap_or_default().subsec_nanos();
        let name = format!("retain-demo-{}-{nanos}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "removing the temporary folder");
        }
    }
}

/// The running engine.
pub struct Engine {
    child: Child,
    /// The engine ends when this is closed, however we end.
    stdin: Option<ChildStdin>,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Engine {
    /// Starts it on an empty folder and waits until it serves. Blocks.
    ///
    /// # Errors
    /// When the program or its library is missing, or it does not start; with what it said and the remedy.
    pub fn start(folder: &Path) -> Result<Self, DemoError> {
        let failed = |what: String| DemoError::Engine(format!("{what}; {REMEDY}"));
        let program = program().map_err(failed)?;
        let said = folder.join("engine.log");
        let log = File::create(&said).map_err(|e| failed(format!("{}: {e}", said.display())))?;
        let mut child = Command::new(&program)
            .arg("--path")
            .arg(folder.join("clickhouse"))
            .args(["--listen", "127.0.0.1:0", "--exit-with-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C is for us: the pipeline ends first, the engine after it.
            .process_group(0)
            .spawn()
            .map_err(|e| failed(format!("{} cannot be started: {e}", program.display())))?;
        let stdin = child.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            // An error leaves the line empty, which is one.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let mut engine = Self { child, stdin, url: String::new() };
        match line.trim().strip_prefix("listening on ") {
            Some(url) => engine.url = url.to_owned(),
            None => {
                engine.stop();
                let said = std::fs::read_to_string(&said).unwrap_or_default();
                return Err(failed(format!(
                    "the ClickHouse engine did not start: {}",
                    said.trim()
                )));
            }
        }
        Ok(engine)
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it and waits until it is gone.
    fn stop(&mut self) {
        drop(self.stdin.take());
        let deadline = Instant::now() + STOP_LIMIT;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() >= deadline {
                tracing::warn!("the ClickHouse engine does not end by itself: killed");
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

fn program() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("CLICKHOUSE_EMBEDDED_BIN") {
        return Ok(path.into());
    }
    let own =
        std::env::current_exe().map_err(|e| format!("where this program is, is not known: {e}"))?;
    let program = own.with_file_name(PROGRAM);
    if program.is_file() { Ok(program) } else { Err(format!("{} is not there", program.display())) }
}
