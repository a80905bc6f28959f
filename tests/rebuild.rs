//! A rebuild on a real Kafka and a real ClickHouse: a changed definition is refused, the next generation is built
//! beside the present one, replaces it when it has caught up, and the copies of the old one stop.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/engine.rs"]
mod engine;
#[path = "support/outbox.rs"]
mod outbox;
#[path = "support/pipeline.rs"]
mod pipeline;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker::{Broker, until, until_within};
use engine::Engine;
use pipeline::{Feed, Load, definition};

const PARTITIONS: i32 = 4;
const LONG: Duration = Duration::from_secs(60);
/// Exit code of a copy that cannot run its shards (docs/operations.md).
const UNFIT: i32 = 3;

/// A pipeline on its way through generations.
struct Stage {
    broker: &'static Broker,
    engine: Engine,
    tokio: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new(name: &str) -> Self {
        let broker = Broker::shared();
        let topics = ["purchases", "support", "web"].map(|t| format!("{name}.{t}"));
        broker.create(&topics.each_ref().map(String::as_str), PARTITIONS);
        let stage = Self {
            broker,
            engine: Engine::start(),
            tokio: tokio::runtime::Runtime::new().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        let text = definition(name);
        std::fs::write(stage.file("before.toml"), &text).unwrap();
        let changed = text.replacen("day_zone = \"UTC\"", "day_zone = \"Europe/Berlin\"", 1);
        assert_ne!(changed, text);
        std::fs::write(stage.file("after.toml"), changed).unwrap();
        stage
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A copy of the pipeline: the real program.
    fn copy(&self, instance: &str, definition: &str, flags: &[&str]) -> Copy {
        Copy::start(
            &self.file(definition),
            flags,
            &[
                format!("kafka.brokers={}", self.broker.bootstrap),
                format!("kafka.instance={instance}"),
                "kafka.commit_interval_ms=100".to_owned(),
                format!("clickhouse.url={}", self.engine.url),
                "http.listen=127.0.0.1:0".to_owned(),
            ],
        )
    }

    fn number(&self, sql: &str) -> i64 {
        self.tokio.block_on(self.engine.number(sql))
    }

    /// Of which generation's tables the views are made; 0 while there are none.
    fn shown(&self) -> i64 {
        self.number(
            "SELECT toUInt32OrZero(extract(any(create_table_query), 'retain_g([0-9]+)\\\\.customers')) \
             FROM system.tables WHERE database = 'retain' AND name = 'customers_now'",
        )
    }

    /// A hash of all views.
    fn views(&self) -> i64 {
        self.number(
            "SELECT toInt64(sum(cityHash64(name, create_table_query) % 1000000007)) FROM system.tables \
             WHERE database = 'retain'",
        )
    }

    fn orders(&self, from: &str) -> i64 {
        let there = format!(
            "SELECT count() FROM system.tables WHERE concat(database, '.', name) = '{from}'"
        );
        if self.number(&there) == 0 {
            return 0;
        }
        let last = if from.ends_with("_now") { "" } else { " FINAL" };
        self.number(&format!("SELECT sum(orders) FROM {from}{last}"))
    }
}

struct Copy {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Copy {
    fn start(definition: &Path, flags: &[&str], settings: &[String]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retain"));
        command.arg("run").arg(definition).args(flags);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (told, lines) =
            (Arc::clone(&said), BufReader::new(child.stderr.take().unwrap()).lines());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut told = told.lock().unwrap();
                told.push_str(&line);
                told.push('\n');
            }
        });
        Self { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    fn says(&self, words: &str) {
        let said = || self.said().contains(words);
        until_within(LONG, &format!("a copy to say {words:?}"), &mut || said());
    }

    /// Waits until it has ended by itself.
    fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until_within(LONG, "a copy to end", &mut || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Asks it to end.
    fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.ended().success(), "{}", self.said());
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.said();
            eprintln!("--- a copy said\n{}", &said[said.len().saturating_sub(4_000)..]);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn orders(feed: &Feed) -> i64 {
    i64::try_from(feed.truth.values().map(|t| t.0).sum::<i128>()).unwrap()
}

#[test]
fn a_rebuild_runs_beside_the_old_generation_and_replaces_it() {
    let name = "rebuild";
    let stage = Stage::new(name);
    let mut feed = Feed::new(stage.broker, name);
    feed.send(3_000);
    let mut old = stage.copy("a", "before.toml", &[]);
    until("generation 1 in the view", || stage.orders("retain.customers_now") == orders(&feed));
    assert_eq!(stage.shown(), 1);
    let views = stage.views();

    // The changed definition alone is refused, with the command that helps.
    let mut refused = stage.copy("b", "after.toml", &[]);
    refused.says("retain run --rebuild FILE");
    assert!(refused.said().contains("day_zone: UTC -> Europe/Berlin"), "{}", refused.said());
    assert_eq!(refused.ended().code(), Some(UNFIT));
    assert_eq!(stage.views(), views, "a definition that no shard has accepted shows nothing");

    let load = Load::start(feed, 20, Duration::from_millis(50));
    let mut new = stage.copy("c", "after.toml", &["--rebuild"]);
    assert!(!old.ended().success());
    assert!(old.said().contains("generation 2 has replaced generation 1"), "{}", old.said());
    new.says("the views show the new generation");
    assert_eq!(stage.shown(), 2);
    let feed = load.stop();
    until("all orders in the view", || stage.orders("retain.customers_now") == orders(&feed));
    assert_eq!(stage.orders("retain_g2.customers"), orders(&feed));
    assert_eq!(stage.number("SELECT count() FROM retain_g2.gaps"), 0);
    new.stop();

    // From now on generation 2 is what is run when none is named, and what is old is not.
    let mut again = stage.copy("c", "after.toml", &[]);
    again.says("generation=2");
    let mut feed = feed;
    feed.send(500);
    until("what came later in the view", || stage.orders("retain.customers_now") == orders(&feed));
    again.stop();
    let views = stage.views();
    let mut stale = stage.copy("a", "before.toml", &[]);
    stale.says("day_zone: Europe/Berlin -> UTC");
    assert_eq!(stale.ended().code(), Some(UNFIT));
    assert_eq!((stage.shown(), stage.views()), (2, views));
}

#[test]
fn records_that_are_gone_stop_a_rebuild_until_the_loss_is_accepted() {
    let name = "loss";
    let stage = Stage::new(name);
    let mut feed = Feed::new(stage.broker, name);
    feed.send(1_000);
    let mut old = stage.copy("a", "before.toml", &[]);
    until("generation 1 in the view", || stage.orders("retain.customers_now") == orders(&feed));
    let ends = stage.broker.delete_all(&format!("{name}.purchases"), PARTITIONS);
    let before = orders(&feed);
    feed.send(500);
    let later = orders(&feed) - before;
    until("all orders in the view", || stage.orders("retain.customers_now") == orders(&feed));

    let mut refused = stage.copy("b", "after.toml", &["--rebuild"]);
    assert!(!refused.ended().success());
    let said = refused.said();
    let lost = format!("{name}.purchases partition 0 lost offsets 0 to {}", ends[0]);
    assert!(said.contains(&lost) && said.contains("--accept-loss"), "{said}");

    let mut new = stage.copy("b", "after.toml", &["--rebuild", "--accept-loss"]);
    new.says("the views show the new generation");
    assert!(!old.ended().success());
    until("what is left in the view", || stage.orders("retain.customers_now") == later);
    for (partition, end) in ends.iter().enumerate() {
        let gap = format!(
            "SELECT count() FROM retain.gaps WHERE source = 'purchases' AND shard = {partition} AND offset_from = 0 \
             AND offset_to = {end}"
        );
        assert_eq!(stage.number(&gap), 1, "partition {partition}");
    }
    assert_eq!(stage.number("SELECT count() FROM retain.gaps"), i64::from(PARTITIONS));
    // The support topic had lost nothing.
    let tickets: i128 = feed.truth.values().map(|t| t.2).sum();
    assert_eq!(i128::from(stage.number("SELECT sum(tickets) FROM retain.customers_now")), tickets);
    new.stop();
}
