//! A rebuild on a real Kafka and a real ClickHouse: a changed definition is refused, the next generation is built
//! beside the present one, replaces it when it has caught up, and the copies of the old one stop.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/live.rs"]
mod live;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use live::*;

/// Exit code of a copy that cannot run its shards (docs/operations.md).
const UNFIT: i32 = 3;

/// A pipeline on its way through generations.
struct Generations {
    stage: Stage,
    folder: tempfile::TempDir,
}

impl Generations {
    fn new(name: &str) -> Self {
        let generations = Self { stage: Stage::new(name), folder: tempfile::tempdir().unwrap() };
        let text = &generations.stage.definition;
        std::fs::write(generations.file("before.toml"), text).unwrap();
        std::fs::write(generations.file("after.toml"), changed(text)).unwrap();
        generations
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
                format!("kafka.brokers={}", self.stage.broker.bootstrap),
                format!("kafka.instance={instance}"),
                "kafka.commit_interval_ms=100".to_owned(),
                format!("clickhouse.url={}", self.stage.url),
                format!("clickhouse.database={}", self.stage.database()),
                "http.listen=127.0.0.1:0".to_owned(),
            ],
        )
    }

    fn number(&self, sql: &str) -> i64 {
        self.stage.number(sql)
    }

    /// Of which generation's tables the views are made; 0 while there are none.
    fn shown(&self) -> i64 {
        let database = self.stage.database();
        self.number(&format!(
            "SELECT toUInt32OrZero(extract(any(create_table_query), '{database}_g([0-9]+)\\\\.customers')) \
             FROM system.tables WHERE database = '{database}' AND name = 'customers_now'"
        ))
    }

    /// A hash of all views.
    fn views(&self) -> i64 {
        let database = self.stage.database();
        self.number(&format!(
            "SELECT toInt64(sum(cityHash64(name, create_table_query) % 1000000007)) FROM system.tables \
             WHERE database = '{database}'"
        ))
    }

    /// All orders that the view has.
    fn orders(&self) -> i64 {
        let database = self.stage.database();
        let there = format!(
            "SELECT count() FROM system.tables WHERE database = '{database}' AND name = 'customers_now'"
        );
        if self.number(&there) == 0 {
            return 0;
        }
        self.number(&format!("SELECT sum(orders) FROM {database}.customers_now"))
    }

    /// Waits until the view has the orders that were sent, then holds the tables of a generation against them.
    fn verify(&mut self, generation: u32) {
        let expected = self.stage.expected().sum("orders");
        until("all orders in the view", || self.orders() == expected);
        assert_eq!(self.shown(), i64::from(generation));
        self.stage.verify_generation(generation);
    }
}

/// Days are others: no number of the old state can be kept.
fn changed(definition: &str) -> String {
    let after = definition.replacen("day_zone = \"UTC\"", "day_zone = \"Europe/Berlin\"", 1);
    assert_ne!(after, definition);
    after
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

#[test]
fn a_rebuild_runs_beside_the_old_generation_and_replaces_it() {
    let mut all = Generations::new("rebuild");
    let mut feed = all.stage.feed();
    feed.send(3_000);
    let mut old = all.copy("a", "before.toml", &[]);
    all.verify(1);
    assert_eq!(all.shown(), 1);
    let views = all.views();

    // The changed definition alone is refused, with the command that helps.
    let mut refused = all.copy("b", "after.toml", &[]);
    refused.says("retain run --rebuild FILE");
    assert!(refused.said().contains("day_zone: UTC -> Europe/Berlin"), "{}", refused.said());
    assert_eq!(refused.ended().code(), Some(UNFIT));
    assert_eq!(all.views(), views, "a definition that no shard has accepted shows nothing");

    let load = Load::start(feed, 20, Duration::from_millis(50));
    let mut new = all.copy("c", "after.toml", &["--rebuild"]);
    assert!(!old.ended().success());
    assert!(old.said().contains("generation 2 has replaced generation 1"), "{}", old.said());
    new.says("the views show the new generation");
    assert_eq!(all.shown(), 2);
    let mut feed = load.stop();
    all.stage.redefine(changed(&all.stage.definition));
    all.verify(2);
    assert!(all.stage.gaps(2).is_empty());
    new.stop();

    // From now on generation 2 is what is run when none is named, and what is old is not.
    let mut again = all.copy("c", "after.toml", &[]);
    again.says("generation=2");
    feed.send(500);
    all.verify(2);
    again.stop();
    let views = all.views();
    let mut stale = all.copy("a", "before.toml", &[]);
    stale.says("day_zone: Europe/Berlin -> UTC");
    assert_eq!(stale.ended().code(), Some(UNFIT));
    assert_eq!((all.shown(), all.views()), (2, views));
}

#[test]
fn records_that_are_gone_stop_a_rebuild_until_the_loss_is_accepted() {
    let mut all = Generations::new("loss");
    let mut feed = all.stage.feed();
    feed.send(1_000);
    let mut old = all.copy("a", "before.toml", &[]);
    all.verify(1);
    let ends = all.stage.broker.delete_all("loss.purchases", PARTITIONS);
    feed.send(500);
    all.verify(1);

    let mut refused = all.copy("b", "after.toml", &["--rebuild"]);
    assert!(!refused.ended().success());
    let said = refused.said();
    let lost = format!("loss.purchases partition 0 lost offsets 0 to {}", ends[0]);
    assert!(said.contains(&lost) && said.contains("--accept-loss"), "{said}");

    let mut new = all.copy("b", "after.toml", &["--rebuild", "--accept-loss"]);
    new.says("the views show the new generation");
    assert!(!old.ended().success());
    all.stage.redefine(changed(&all.stage.definition));
    all.stage.verify_generation(2);
    assert_eq!(all.shown(), 2);
    let gaps = all.stage.gaps(2);
    assert_eq!(gaps.len(), PARTITIONS as usize);
    for gap in gaps {
        assert_eq!((gap.source.as_str(), gap.from), ("purchases", 0));
        assert_eq!(gap.to, ends[usize::from(gap.shard)]);
    }
    new.stop();
}
