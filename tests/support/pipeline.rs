//! A pipeline on a real broker, inside the test or as a process of its own.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use retain::plan::Plan;
use retain::shell::board::{Status, StatusBoard};
use retain::shell::client::Link;
use retain::shell::observe::Observer;
use retain::shell::runtime::{self, Options, RunError};
use retain::shell::settings::Start;

use crate::stream::{BEGIN_MS, spell_time};

/// The definition of the tests: the shipped one under another name, with topics of its own.
pub fn definition(name: &str) -> String {
    let shipped = include_str!("../../pipelines/customers.toml");
    let mut text = shipped.replacen("name = \"customers\"", &format!("name = \"{name}\""), 1);
    for topic in ["purchases", "support", "web"] {
        text = text.replacen(
            &format!("topic = \"{topic}\""),
            &format!("topic = \"{name}.{topic}\""),
            1,
        );
    }
    text
}

/// The plan of a definition.
pub fn plan(text: &str) -> Arc<Plan> {
    let (plan, problems) = retain::plan::parse(text);
    Arc::new(plan.unwrap_or_else(|| panic!("{problems:?}")))
}

/// A clock that begins with the histories of the tests and runs `speed` times as fast as the wall's.
pub fn simulated(definition: &str, speed: f64) -> String {
    let origin = spell_time(BEGIN_MS, 0);
    let clock = format!("kind = \"simulated\"\norigin = \"{origin}\"\nspeed = {speed:?}");
    let text = definition.replacen("kind = \"wall\"", &clock, 1);
    assert_ne!(text, definition);
    text.replacen("jump_max = \"1h\"\n", "", 1)
}

/// Settings of a process with a broker of the tests.
pub fn settings(bootstrap: &str, instance: &str, classic: bool) -> Vec<String> {
    let mut settings = vec![
        format!("kafka.brokers={bootstrap}"),
        format!("kafka.instance={instance}"),
        "kafka.transaction_timeout_ms=10000".to_owned(),
        "kafka.commit_interval_ms=100".to_owned(),
        "http.listen=127.0.0.1:0".to_owned(),
        "log.level=info,retain::shell::runtime=debug".to_owned(),
    ];
    if classic {
        settings.push("kafka.protocol=classic".to_owned());
        settings.push("kafka.properties.session.timeout.ms=1500".to_owned());
        settings.push("kafka.properties.heartbeat.interval.ms=300".to_owned());
    }
    settings
}

/// Options for a broker of the tests.
pub fn options(bootstrap: &str, instance: Option<&str>, classic: bool) -> Options {
    let mut properties = vec![("bootstrap.servers".to_owned(), bootstrap.to_owned())];
    if classic {
        // With the new protocol the broker says this (group.consumer.session.timeout.ms).
        properties.push(("session.timeout.ms".to_owned(), "1500".to_owned()));
        properties.push(("heartbeat.interval.ms".to_owned(), "300".to_owned()));
    }
    let link = Link {
        brokers: bootstrap.to_owned(),
        properties,
        classic,
        instance: instance.map(str::to_owned),
        group_instance: None,
        replication_factor: -1,
        transaction_timeout_ms: 10_000,
        memory_budget_bytes: 64 << 20,
    };
    Options {
        link,
        generation: 1,
        definition: "test".to_owned(),
        start: Start::Earliest,
        commit_interval_ms: 100,
        replaces: None,
        restore_timeout_ms: 60_000,
        revoke_limit_ms: 5_000,
        outbox_bytes_max: 1 << 40,
        workers: 2,
    }
}

/// A pipeline running inside the test.
pub struct Running {
    /// What it says about itself.
    pub board: Arc<StatusBoard>,
    /// The same and more, with the metrics.
    pub observer: Observer,
    quit: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

impl Running {
    /// Starts it.
    pub fn start(plan: &Arc<Plan>, options: Options) -> Self {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .try_init();
        let status = Status { consumes: true, ..Status::default() };
        let observer = Observer::new(status).unwrap();
        let quit = Arc::new(AtomicBool::new(false));
        let (plan, told, quitting) = (Arc::clone(plan), observer.clone(), Arc::clone(&quit));
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(runtime::run(plan, options, told, quitting))
        });
        Self { board: Arc::clone(&observer.board), observer, quit, thread: Some(thread) }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Asks it to end, and waits.
    pub fn stop(mut self) -> Result<(), RunError> {
        self.quit.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }
}

/// `retain run` in a process of its own, which tells by its log what it does.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    /// What it has told so far.
    pub last: News,
    _folder: tempfile::TempDir,
}

/// What a process has told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Committed transactions.
    pub commits: u64,
    /// Shards that run.
    pub shards: usize,
}

impl Process {
    /// Starts it with a definition and settings (`KEY=VALUE`).
    pub fn start(definition: &str, settings: &[String]) -> Self {
        Self::start_all(&[definition], settings)
    }

    /// The same with several definitions.
    pub fn start_all(definitions: &[&str], settings: &[String]) -> Self {
        Self::start_ruled(definitions, None, settings)
    }

    /// The same with alert rules beside the definitions.
    pub fn start_ruled(definitions: &[&str], rules: Option<&str>, settings: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some(rules) = rules {
            std::fs::create_dir(folder.path().join("alerts")).unwrap();
            std::fs::write(folder.path().join("alerts/rules.toml"), rules).unwrap();
        }
        let file = |(n, definition): (usize, &&str)| {
            let file = folder.path().join(format!("definition-{n}.toml"));
            std::fs::write(&file, definition).unwrap();
            file
        };
        let files: Vec<_> = definitions.iter().enumerate().map(file).collect();
        let mut child = Command::new(env!("CARGO_BIN_EXE_retain"))
            .arg("run")
            .args(&files)
            .args(settings.iter().flat_map(|s| ["--set", s]))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in log.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, last: News::default(), _folder: folder }
    }

    /// Waits until it has told something that fits.
    pub fn until(&mut self, limit: Duration, what: &str, fits: impl Fn(News) -> bool) {
        let deadline = Instant::now() + limit;
        let mut log = Vec::new();
        while !fits(self.last) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("waited for {what}; {:?}; its log:\n{}", self.last, log.join("\n"));
            };
            if line.contains(" committed ") {
                self.last.commits += 1;
            } else if line.contains("the shard runs") {
                self.last.shards += 1;
            } else if line.contains("the shard is let go") {
                self.last.shards -= 1;
            } else {
                log.push(line);
            }
        }
    }

    /// Waits until it has said all the words; returns what it said meanwhile.
    pub fn says(&mut self, limit: Duration, words: &[&str]) -> String {
        let deadline = Instant::now() + limit;
        let mut said = String::new();
        while !words.iter().all(|word| said.contains(word)) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("waited for {words:?}; it said:\n{said}");
            };
            said = said + &line + "\n";
        }
        said
    }

    /// Asks it to end, waits, and returns what it said since it was last listened to.
    pub fn stop(&mut self) -> String {
        self.signal("TERM");
        let said: Vec<String> = self.lines.iter().collect();
        assert!(self.child.wait().unwrap().success(), "{}", said.join("\n"));
        said.join("\n")
    }

    /// Sends a signal (`KILL`, `STOP`, `CONT`).
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(pid).status();
        assert!(sent.unwrap().success());
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said: Vec<String> = self.lines.iter().collect();
            let last = said.len().saturating_sub(60);
            eprintln!("--- what a process said last\n{}", said[last..].join("\n"));
        }
    }
}
