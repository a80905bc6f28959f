//! A pipeline on a real broker: events in, and what must come out, kept by hand.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::producer::BaseProducer;
use retain::model::table::Table;
use retain::plan::Plan;
use retain::shell::board::{Status, StatusBoard};
use retain::shell::client::Link;
use retain::shell::observe::Observer;
use retain::shell::runtime::{self, Options, RunError};
use retain::shell::settings::Start;

use super::broker::{Broker, flush, producer, send, until_within};
use super::outbox::{Row, last, rows};

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
        restore_timeout_ms: 60_000,
        revoke_limit_ms: 5_000,
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
    /// Starts it.
    pub fn start(bootstrap: &str, name: &str, instance: &str, classic: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("definition.toml");
        std::fs::write(&file, definition(name)).unwrap();
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
        let mut child = Command::new(env!("CARGO_BIN_EXE_retain"))
            .arg("run")
            .arg(&file)
            .arg("--no-sink")
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
    }
}

/// A feed that goes on by itself until it is asked back.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Feed>,
}

impl Load {
    /// Sends `events` at a time, `pause` apart.
    pub fn start(mut feed: Feed, events: u64, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !asked.load(Ordering::SeqCst) {
                feed.send(events);
                std::thread::sleep(pause);
            }
            feed
        });
        Self { stop, thread }
    }

    /// Ends it and returns what was sent.
    pub fn stop(self) -> Feed {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// Sends events and remembers what they add up to.
pub struct Feed {
    name: String,
    producer: BaseProducer,
    sent: u64,
    random: u64,
    /// No support event is sent.
    pub without_support: bool,
    /// Customer to (orders, revenue in cents, tickets, visits).
    pub truth: BTreeMap<String, (i128, i128, i128, i128)>,
    /// Records sent, repeats included, by source.
    pub records: [u64; 3],
    /// Repeats among them, by source.
    pub repeats: [u64; 3],
}

impl Feed {
    /// A feed for a pipeline.
    pub fn new(broker: &Broker, name: &str) -> Self {
        Self::to(&broker.bootstrap, name)
    }

    /// A feed for a pipeline on any broker.
    pub fn to(bootstrap: &str, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            producer: producer(bootstrap),
            sent: 0,
            random: 0x9e37_79b9_7f4a_7c15,
            without_support: false,
            truth: BTreeMap::new(),
            records: [0; 3],
            repeats: [0; 3],
        }
    }

    /// A number below `n`; the same ones in every run.
    pub fn below(&mut self, n: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % n
    }

    /// Sends events of many customers; one in ten is sent twice.
    pub fn send(&mut self, events: u64) {
        for _ in 0..events {
            self.sent += 1;
            let n = self.sent;
            let customer = format!("c{:04}", self.below(500));
            let ts = jiff::Timestamp::now();
            let common =
                format!("\"event_id\":\"e{n}\",\"customer_id\":\"{customer}\",\"ts\":\"{ts}\"");
            let cents = 100 + self.below(10_000);
            let entry = self.truth.entry(customer.clone()).or_default();
            let (source, text) = match n % 10 {
                0..=4 => {
                    entry.0 += 1;
                    entry.1 += i128::from(cents);
                    let amount = format!("{}.{:02}", cents / 100, cents % 100);
                    (
                        0,
                        format!(
                            "{{{common},\"type\":\"purchase\",\"amount\":\"{amount}\",\"currency\":\"USD\"}}"
                        ),
                    )
                }
                5 if !self.without_support => {
                    entry.2 += 1;
                    (
                        1,
                        format!(
                            "{{{common},\"type\":\"support\",\"ticket_id\":\"t{n}\",\"action\":\"opened\"}}"
                        ),
                    )
                }
                _ => {
                    entry.3 += 1;
                    (
                        2,
                        format!(
                            "{{{common},\"type\":\"web\",\"action\":\"page_view\",\"session_id\":\"s{n}\"}}"
                        ),
                    )
                }
            };
            let topic = format!("{}.{}", self.name, ["purchases", "support", "web"][source]);
            let times = if n % 10 == 3 || n % 50 == 7 { 2 } else { 1 };
            for _ in 0..times {
                send(&self.producer, &topic, &customer, &text);
                self.records[source] += 1;
            }
            self.repeats[source] += times - 1;
        }
        flush(&self.producer);
    }

    fn topics(&self) -> Vec<String> {
        ["purchases", "support", "web"].iter().map(|t| format!("{}.{t}", self.name)).collect()
    }

    /// Whether the group's committed offsets have reached the ends of all sources.
    pub fn is_consumed(&self, broker: &Broker, partitions: i32) -> bool {
        let topics = self.topics();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let committed = broker.committed(&format!("{}.g1", self.name), &names, partitions);
        let total: i64 = committed.iter().map(|(_, _, offset)| (*offset).max(0)).sum();
        total as u64 == self.records.iter().sum::<u64>()
    }

    /// Waits until everything sent is committed.
    pub fn await_consumed(&self, broker: &Broker, partitions: i32, limit: Duration) {
        until_within(limit, "all events to be committed", &mut || {
            self.is_consumed(broker, partitions)
        });
    }

    /// Holds the outbox against what was sent: nothing lost, nothing twice.
    pub fn verify(&self, broker: &Broker) {
        let began = Instant::now();
        let outbox = broker.read(&format!("{}.g1.rows", self.name));
        let customers = last(rows(&outbox, Table::Customers), &["customer_id"]);
        let found: BTreeMap<String, (i128, i128, i128, i128)> = customers
            .values()
            .map(|row| {
                let int = |name: &str| row[name].int();
                let numbers = (int("orders"), int("revenue_minor"), int("tickets"), int("visits"));
                (row["customer_id"].text().to_owned(), numbers)
            })
            .collect();
        assert_eq!(found, self.truth, "customers (read in {:?})", began.elapsed());
        self.verify_ledger(rows(&outbox, Table::Ledger));
    }

    /// Each offset in exactly one cycle, and one outcome each.
    fn verify_ledger(&self, ledger: Vec<Row>) {
        let ledger = last(ledger, &["shard", "source", "version"]);
        let mut by_place: BTreeMap<(String, i128), Vec<&Row>> = BTreeMap::new();
        for row in ledger.values() {
            by_place
                .entry((row["source"].text().to_owned(), row["shard"].int()))
                .or_default()
                .push(row);
        }
        let mut applied = [0; 3];
        let mut duplicate = [0; 3];
        for ((source, shard), mut cycles) in by_place {
            cycles.sort_by_key(|row| row["version"].int());
            let mut next = 0;
            for row in cycles {
                let (from, to) = (row["offset_from"].int(), row["offset_to"].int());
                assert_eq!(from, next, "{source} {shard} at version {}", row["version"].int());
                let outcomes = ["applied", "duplicate", "late", "filtered", "rejected"];
                let consumed: i128 = outcomes.iter().map(|o| row[o].int()).sum();
                assert_eq!(consumed, to - from, "{source} {shard} [{from}, {to})");
                let at = ["purchases", "support", "web"].iter().position(|s| *s == source).unwrap();
                applied[at] += row["applied"].int() as u64;
                duplicate[at] += row["duplicate"].int() as u64;
                next = to;
            }
        }
        assert_eq!(duplicate, self.repeats);
        let once: Vec<u64> = (0..3).map(|i| self.records[i] - self.repeats[i]).collect();
        assert_eq!(applied.to_vec(), once);
    }
}
