//! A pipeline with topics, tables and a name of its own on the broker and the engine that all tests of a binary share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use clickhouse::Client;
use retain::flow::carry::Backoff;
use retain::flow::names::Names;
use retain::plan::Plan;
use retain::shell::board::Status;
use retain::shell::carrier;
use retain::shell::migrate::{Retention, migrate};
use retain::shell::observe::Observer;
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use tokio::runtime::Runtime;

use crate::broker::{Broker, until, until_within};
use crate::engine::Engine;
use crate::feed::Feed;
use crate::pipeline::{Process, Running, definition, options, plan, settings, simulated};
use crate::truth::Truth;
use crate::{LONG, PARTITIONS};

/// The names of the sources, in the order of the definition.
pub const SOURCES: [&str; 3] = ["purchases", "support", "web"];
/// Simulated seconds a second: events come by the thousand, and a day is a second and a half.
const SPEED: f64 = 57_600.0;

/// A row of `gaps`: offsets, half-open.
#[derive(Clone, Debug)]
pub struct Gap {
    /// Partition.
    pub shard: u16,
    /// Source.
    pub source: String,
    /// First offset.
    pub from: i64,
    /// The offset behind the last.
    pub to: i64,
}

/// A pipeline and where it runs.
pub struct Stage {
    /// The broker.
    pub broker: &'static Broker,
    /// Name of the pipeline; the sources' topics begin with it.
    pub name: String,
    /// The definition file's text.
    pub definition: String,
    /// The same, checked.
    pub plan: Arc<Plan>,
    /// Where ClickHouse is asked.
    pub url: String,
    /// What is known of the source topics, also of records that are gone.
    pub truth: Truth,
    /// For everything asynchronous.
    pub tokio: Arc<Runtime>,
    speed: Option<f64>,
}

impl Stage {
    /// A stage on the wall clock, with new topics.
    pub fn new(name: &str) -> Self {
        Self::on(Broker::shared(), name)
    }

    /// The same on a broker of its own.
    pub fn on(broker: &'static Broker, name: &str) -> Self {
        let text = definition(name);
        // histories lie in the past, for which nothing must be removed
        for source in SOURCES {
            broker.create_with(&format!("{name}.{source}"), PARTITIONS, &[("retention.ms", "-1")]);
        }
        Self {
            broker,
            name: name.to_owned(),
            plan: plan(&text),
            definition: text,
            url: shared_engine().url.clone(),
            truth: Truth::default(),
            tokio: Arc::new(Runtime::new().unwrap()),
            speed: None,
        }
    }

    /// A stage on a simulated clock, so that time passes: dues fire, minutes are sealed, rows age.
    pub fn simulated(name: &str) -> Self {
        let mut stage = Self::new(name);
        stage.redefine(simulated(&stage.definition, SPEED));
        stage.speed = Some(SPEED);
        stage
    }

    /// Another definition from now on.
    pub fn redefine(&mut self, definition: String) {
        self.plan = plan(&definition);
        self.definition = definition;
    }

    /// The database of the views; that of the tables has `_g1` behind it.
    pub fn database(&self) -> String {
        self.name.replace('-', "_")
    }

    /// A feed of its sources, which follows its clock.
    pub fn feed(&self) -> Feed {
        self.pace(Feed::new(self.broker, &self.name))
    }

    /// The same in transactions.
    pub fn transactional_feed(&self) -> Feed {
        self.pace(Feed::transactional(self.broker, &self.name))
    }

    fn pace(&self, feed: Feed) -> Feed {
        match self.speed {
            Some(speed) => feed.paced(speed),
            None => feed,
        }
    }

    /// A copy inside the test, without a carrier.
    pub fn start(&self, instance: &str, classic: bool) -> Running {
        let instance = (!instance.is_empty()).then_some(instance);
        Running::start(&self.plan, options(&self.broker.bootstrap, instance, classic))
    }

    /// A copy in a process of its own, which carries its rows as well.
    pub fn process(&self, instance: &str, classic: bool) -> Process {
        Process::start(&self.definition, &self.settings(instance, classic))
    }

    /// Settings of such a process.
    pub fn settings(&self, instance: &str, classic: bool) -> Vec<String> {
        let mut settings = settings(&self.broker.bootstrap, instance, classic);
        settings.extend([
            format!("clickhouse.url={}", self.url),
            format!("clickhouse.database={}", self.database()),
            "clickhouse.ledger_ttl_days=36500".to_owned(),
            "clickhouse.retry_max_interval_ms=500".to_owned(),
        ]);
        settings
    }

    /// A carrier for copies inside the test; the first of them must be running.
    pub fn carry(&self, running: &Running) -> Carrying {
        self.carry_to(running, &self.url, 30_000)
    }

    /// The same to another address, with a limit for each insert.
    pub fn carry_to(&self, running: &Running, url: &str, timeout_ms: u64) -> Carrying {
        let databases = Databases::new(&self.database(), 1).unwrap();
        let kept = Retention { events_days: 36_500, ledger_days: 0, history_days: 36_500 };
        self.tokio.block_on(migrate(&self.client(), &self.plan, &databases, kept)).unwrap();
        until("the topics to be there", || running.board.snapshot().assigned);

        let backoff = Backoff { first_ms: 20, max_ms: 200 };
        let options =
            SinkOptions { backoff, timeout_ms, ..SinkOptions::new(databases.tables.clone()) };
        let observer = Observer::new(Status::default()).unwrap();
        let sink = Sink::new(Client::default().with_url(url), options).observed_by(&observer);
        let sink = Arc::new(sink);
        let quit = Arc::new(AtomicBool::new(false));
        let thread = carrier::start(
            &pipeline_link(self.broker),
            &Names::new(&self.name, 1),
            Arc::clone(&sink),
            observer.clone(),
            Arc::clone(&quit),
            self.tokio.handle().clone(),
        );
        Carrying {
            sink,
            observer,
            quit,
            thread: Some(thread.unwrap()),
            _tokio: Arc::clone(&self.tokio),
        }
    }

    fn client(&self) -> Client {
        Client::default().with_url(&self.url)
    }

    /// The answer to a query in a format.
    pub fn bytes(&self, sql: &str, format: &str) -> Vec<u8> {
        let fetched = async { self.client().query_raw(sql).fetch_bytes(format)?.collect().await };
        self.tokio.block_on(fetched).unwrap_or_else(|e| panic!("{sql}: {e}")).to_vec()
    }

    /// Does a statement that answers nothing.
    pub fn execute(&self, sql: &str) {
        let done = self.tokio.block_on(self.client().query_raw(sql).execute());
        done.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// The single number that a query answers.
    pub fn number(&self, sql: &str) -> i64 {
        let text = self.bytes(&format!("SELECT ifNull(toInt64(({sql})), -1)"), "TabSeparated");
        std::str::from_utf8(&text).unwrap().trim().parse().unwrap()
    }

    /// Waits until everything in the sources is committed.
    pub fn await_consumed(&self) {
        until_within(LONG, "all events to be committed", &mut || self.is_consumed());
    }

    fn is_consumed(&self) -> bool {
        let topics = SOURCES.map(|source| format!("{}.{source}", self.name));
        let names = topics.each_ref().map(String::as_str);
        let committed = self.broker.committed(&format!("{}.g1", self.name), &names, PARTITIONS);
        let ranges = self.broker.ranges(&names, PARTITIONS);
        let at_end = |(topic, partition, offset): &(String, i32, i64)| {
            (*offset).max(0) >= ranges[&(topic.clone(), *partition)].1
        };
        committed.len() == SOURCES.len() * PARTITIONS as usize && committed.iter().all(at_end)
    }

    /// Waits until everything is in ClickHouse, then holds the whole of it against a slow recomputation from the raw
    /// records: customers, activity, and the ledger.
    pub fn verify(&mut self) {
        self.verify_generation(1);
    }

    /// The same for the tables of a generation.
    pub fn verify_generation(&mut self, generation: u32) {
        self.remember();
        crate::truth::verify(self, &format!("{}_g{generation}", self.database()));
    }

    /// Keeps what the sources hold now, for a test that will delete some of it.
    pub fn remember(&mut self) {
        self.truth.read(self.broker, &self.name);
    }

    /// Records that are known to be gone, as a generation's tables have it.
    pub fn gaps(&self, generation: u32) -> Vec<Gap> {
        let sql = format!(
            "SELECT shard, source, offset_from, offset_to FROM {}_g{generation}.gaps FINAL",
            self.database()
        );
        let text = String::from_utf8(self.bytes(&sql, "TabSeparated")).unwrap();
        let gap = |line: &str| {
            let fields: Vec<&str> = line.split('\t').collect();
            Gap {
                shard: fields[0].parse().unwrap(),
                source: fields[1].to_owned(),
                from: fields[2].parse().unwrap(),
                to: fields[3].parse().unwrap(),
            }
        };
        text.lines().map(gap).collect()
    }

    /// What the records in the sources come to.
    pub fn expected(&mut self) -> crate::truth::Whole {
        self.remember();
        self.truth.expected(&self.plan)
    }
}

/// The engine of this test binary, started once.
fn shared_engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(Engine::start)
}

fn pipeline_link(broker: &Broker) -> retain::shell::client::Link {
    options(&broker.bootstrap, None, false).link
}

/// A carrier at work; it ends when this is dropped.
pub struct Carrying {
    /// The sink that it fills.
    pub sink: Arc<Sink>,
    /// What it says of itself.
    pub observer: Observer,
    quit: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Kept until the thread has ended.
    _tokio: Arc<Runtime>,
}

impl Drop for Carrying {
    fn drop(&mut self) {
        self.quit.store(true, Ordering::SeqCst);
        let _ = self.thread.take().unwrap().join();
    }
}
