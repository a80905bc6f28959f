//! The pipeline on a real Kafka beside a bare consumer, in paired rounds: events a second, and CPU an event by threads and
//! by process.
//!
//! `cargo bench --bench pipeline -- [EVENTS] [CUSTOMERS] [ROUNDS]`. The topics are filled before anything is measured; all
//! read the same lz4 topics with the same fetch settings, the same batch poll and the same allocator. A round has three
//! parts: a bare consumer; the pipeline with rows carried to an HTTP receiver in another process that reads and
//! acknowledges, and does nothing else; the pipeline with rows carried to the real ClickHouse engine. The pipeline does
//! everything: transactions, state, rows. The first tenth of the events is for warming up: measured is from there (every
//! shard has committed by then) until everything is consumed, committed, and carried.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clickhouse::Client;
use cpu::Cpu;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use receiver::Receiver;
use retain::flow::names::Names;
use retain::generate::{Generator, Options as Events, Stream};
use retain::plan::{Plan, parse};
use retain::shell::batch::{PartitionQueue, Segment};
use retain::shell::board::Status;
use retain::shell::carrier;
use retain::shell::client::Link;
use retain::shell::migrate::{Retention, migrate};
use retain::shell::observe::Observer;
use retain::shell::runtime::{self, Options};
use retain::shell::settings::Start;
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use tokio::runtime::Runtime;

#[path = "../tests/support/broker.rs"]
mod broker;
#[path = "support/cpu.rs"]
mod cpu;
#[path = "../tests/support/engine.rs"]
mod engine;
#[path = "support/receiver.rs"]
mod receiver;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTITIONS: u16 = 4;
const TOPICS: [&str; 3] = ["purchases", "support", "web"];
const LIMIT: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(10);

/// What a run came to, without its first tenth.
struct Run {
    /// Thousands of events a second until everything was consumed and committed.
    consumed: f64,
    /// The same until everything was carried.
    rate: f64,
    /// Nanoseconds of CPU an event, by group of threads of this process.
    threads: BTreeMap<String, f64>,
    /// The same by process.
    processes: BTreeMap<String, f64>,
}

/// A moment of a run.
struct Mark {
    at: Instant,
    events: u64,
    threads: Cpu,
    processes: Cpu,
}

impl Mark {
    fn now(events: u64) -> Self {
        let (threads, processes) = (cpu::threads(), cpu::processes());
        Self { at: Instant::now(), events, threads, processes }
    }

    /// From here until everything, `total` events, was consumed at `consumed` and carried by now.
    fn until_now(self, total: u64, consumed: Instant) -> Run {
        let end = Self::now(total);
        let events = (total - self.events) as f64;
        let rate = |until: Instant| events / (until - self.at).as_secs_f64() / 1e3;
        let each = |cpu: Cpu| -> BTreeMap<String, f64> {
            cpu.0.into_iter().map(|(name, used)| (name, used.as_nanos() as f64 / events)).collect()
        };
        Run {
            consumed: rate(consumed),
            rate: rate(end.at),
            threads: each(end.threads - self.threads),
            processes: each(end.processes - self.processes),
        }
    }
}

/// Fills the topics; returns how many records each partition holds, by topic.
fn fill(bootstrap: &str, events: u64, customers: u64) -> Vec<Vec<i64>> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("compression.codec", "lz4")
        .set("linger.ms", "50")
        .set("batch.size", "262144")
        .set("queue.buffering.max.messages", "1000000")
        .create()
        .unwrap();
    let options = Events {
        events,
        customers,
        partitions: PARTITIONS,
        rate: 100.0,
        currency: "USD".to_owned(),
        ..Events::default()
    };
    let mut counts = vec![vec![0; usize::from(PARTITIONS)]; TOPICS.len()];
    for record in Generator::new(options).unwrap() {
        let topic = match record.stream {
            Stream::Purchases => 0,
            Stream::Support => 1,
            Stream::Web => 2,
        };
        counts[topic][usize::from(record.partition)] += 1;
        let mut out = BaseRecord::to(TOPICS[topic])
            .partition(i32::from(record.partition))
            .timestamp(record.kafka_ms)
            .key(&record.key)
            .payload(&record.value);
        while let Err((_, back)) = producer.send(out) {
            producer.poll(Duration::from_millis(5));
            out = back;
        }
    }
    producer.flush(LIMIT).unwrap();
    counts
}

fn link(bootstrap: &str) -> Link {
    Link {
        brokers: bootstrap.to_owned(),
        properties: vec![("bootstrap.servers".to_owned(), bootstrap.to_owned())],
        classic: false,
        instance: Some("bench".to_owned()),
        group_instance: None,
        replication_factor: 1,
        transaction_timeout_ms: 20_000,
        memory_budget_bytes: 512 << 20,
    }
}

/// A consumer that takes every record and looks at nothing.
fn bare(bootstrap: &str, counts: &[Vec<i64>]) -> Run {
    let names = Names::new("bare", 1);
    let config = link(bootstrap).fetcher(&names, TOPICS.len() * usize::from(PARTITIONS));
    let consumer: Arc<BaseConsumer> = Arc::new(config.create().unwrap());
    let mut queues = Vec::new();
    let mut list = TopicPartitionList::new();
    for (topic, counts) in TOPICS.iter().zip(counts) {
        for partition in 0..counts.len() as i32 {
            queues.push(PartitionQueue::new(Arc::clone(&consumer), topic, partition).unwrap());
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
    }
    consumer.assign(&list).unwrap();
    let total = counts.iter().flatten().sum::<i64>() as u64;
    let (mut seen, mut begin) = (0, None);
    while seen < total {
        consumer.poll(Duration::ZERO);
        let before = seen;
        for queue in &mut queues {
            for segment in queue.poll(0).segments() {
                if let Segment::Records(records) = segment {
                    seen += records.count() as u64;
                }
            }
        }
        if seen == before {
            // as a worker does: asking in circles would count as work
            std::thread::sleep(Duration::from_millis(2));
        }
        if begin.is_none() && seen >= total / 10 {
            begin = Some(Mark::now(seen));
        }
    }
    begin.unwrap().until_now(total, Instant::now())
}

/// A pipeline at work.
struct Pipeline {
    tokio: Runtime,
    link: Link,
    names: Names,
    observer: Observer,
    quit: Arc<AtomicBool>,
    running: tokio::task::JoinHandle<Result<(), runtime::RunError>>,
    carrier: JoinHandle<()>,
}

impl Pipeline {
    fn start(bootstrap: &str, plan: &Arc<Plan>, client: Client, database: &str) -> Self {
        let mut tokio = tokio::runtime::Builder::new_multi_thread();
        let tokio = tokio.worker_threads(1).enable_all().build().unwrap();
        let observer = Observer::new(Status { consumes: true, ..Status::default() }).unwrap();
        let quit = Arc::new(AtomicBool::new(false));
        let (link, names) = (link(bootstrap), Names::new(&plan.name, 1));
        let options = Options {
            link: link.clone(),
            generation: 1,
            definition: "bench".to_owned(),
            start: Start::Earliest,
            commit_interval_ms: 250,
            replaces: None,
            restore_timeout_ms: 60_000,
            revoke_limit_ms: 10_000,
            outbox_bytes_max: 1 << 40,
            workers: 2,
        };
        let running = runtime::run(Arc::clone(plan), options, observer.clone(), Arc::clone(&quit));
        let running = tokio.spawn(running);
        // the rows topic is there once the runtime has begun
        wait("the pipeline to begin", || observer.board.snapshot().begun.is_some());
        let sink = Sink::new(client, SinkOptions::new(database)).observed_by(&observer);
        let (told, quitting) = (observer.clone(), Arc::clone(&quit));
        let handle = tokio.handle().clone();
        let carrier = carrier::start(&link, &names, Arc::new(sink), told, quitting, handle);
        Self { carrier: carrier.unwrap(), tokio, link, names, observer, quit, running }
    }

    /// Committed records, by shard.
    fn consumed(&self) -> Vec<u64> {
        let consumed = |sources: &[retain::shell::board::SourceStatus]| {
            sources.iter().map(|s| s.outcomes.consumed()).sum()
        };
        self.observer.board.snapshot().shards.values().map(|s| consumed(&s.sources)).collect()
    }

    /// Where the outbox ends now, by partition.
    fn outbox_ends(&self) -> BTreeMap<u16, i64> {
        let asker: BaseConsumer = self.link.query(&self.names, true).create().unwrap();
        let end = |partition: u16| {
            let topic = self.names.rows();
            asker.fetch_watermarks(&topic, i32::from(partition), LIMIT).unwrap().1
        };
        (0..PARTITIONS).map(|partition| (partition, end(partition))).collect()
    }

    fn measure(&self, total: u64) -> Run {
        let warm = |consumed: &[u64]| {
            consumed.len() == usize::from(PARTITIONS)
                && consumed.iter().all(|events| *events > 0)
                && consumed.iter().sum::<u64>() >= total / 10
        };
        wait("a tenth to be consumed", || warm(&self.consumed()));
        let begin = Mark::now(self.consumed().iter().sum());
        wait("everything to be consumed", || self.consumed().iter().sum::<u64>() >= total);
        let (consumed, ends) = (Instant::now(), self.outbox_ends());
        wait("everything to be carried", || {
            let carried = self.observer.board.snapshot().sink.acknowledged;
            // behind the last block stands the marker of its transaction
            ends.iter().all(|(p, end)| carried.get(p).is_some_and(|carried| carried + 1 >= *end))
        });
        begin.until_now(total, consumed)
    }

    fn stop(self) {
        self.quit.store(true, Ordering::SeqCst);
        self.tokio.block_on(self.running).unwrap().unwrap();
        self.carrier.join().unwrap();
        let sink = self.observer.board.snapshot().sink;
        assert!(sink.stopped.is_none() && sink.failures == 0, "{sink:?}");
    }
}

fn wait(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(LOOK);
    }
}

fn plan(name: &str) -> Arc<Plan> {
    let text = include_str!("../pipelines/customers.toml");
    let text = text.replacen("name = \"customers\"", &format!("name = \"{name}\""), 1);
    Arc::new(parse(&text).0.expect("the shipped definition is right"))
}

fn acknowledged(bootstrap: &str, name: &str, receiver: &Receiver, total: u64) -> Run {
    let client = Client::default().with_url(&receiver.url);
    let pipeline = Pipeline::start(bootstrap, &plan(name), client, "bench");
    let run = pipeline.measure(total);
    pipeline.stop();
    run
}

fn with_engine(bootstrap: &str, name: &str, total: u64) -> Run {
    let engine = engine::Engine::start();
    let plan = plan(name);
    let databases = Databases::new(name, 1).unwrap();
    let kept = Retention { events_days: 36_500, ledger_days: 36_500, history_days: 36_500 };
    let tokio = Runtime::new().unwrap();
    tokio.block_on(migrate(&engine.client(), &plan, &databases, kept)).unwrap();
    drop(tokio);
    let pipeline = Pipeline::start(bootstrap, &plan, engine.client(), &databases.tables);
    let run = pipeline.measure(total);
    pipeline.stop();
    run
}

fn tell(what: &str, run: &Run) {
    let list = |figures: &BTreeMap<String, f64>| {
        let figures = figures.iter().filter(|(_, ns)| **ns >= 0.5);
        figures.map(|(name, ns)| format!("{name} {ns:.0}")).collect::<Vec<_>>().join(", ")
    };
    println!(
        "  {what}: {:.0} k/s carried ({:.0} consumed); ns CPU an event: {}; of ours: {}",
        run.rate,
        run.consumed,
        list(&run.processes),
        list(&run.threads)
    );
}

fn median(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    receiver::serve_if_asked();
    retain::shell::memory::keep_freed();
    let arguments: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let argument = |at: usize, default: u64| arguments.get(at).copied().unwrap_or(default);
    let (events, customers, rounds) =
        (argument(0, 3_000_000), argument(1, 1_000_000), argument(2, 3));
    let broker = broker::Broker::start(&[]);
    broker.create(&TOPICS, i32::from(PARTITIONS));
    let counts = fill(&broker.bootstrap, events, customers);
    let total = counts.iter().flatten().sum::<i64>() as u64;
    let receiver = Receiver::start();
    println!("{total} records, {customers} customers, {rounds} paired rounds");
    let mut runs: [Vec<Run>; 3] = Default::default();
    for n in 1..=rounds {
        println!("round {n}");
        let round = [
            bare(&broker.bootstrap, &counts),
            acknowledged(&broker.bootstrap, &format!("receiver{n}"), &receiver, total),
            with_engine(&broker.bootstrap, &format!("engine{n}"), total),
        ];
        for ((run, kept), what) in round.into_iter().zip(&mut runs).zip(NAMES) {
            tell(what, &run);
            kept.push(run);
        }
    }
    println!("medians");
    let rate = |run: &Run| run.rate;
    for (runs_of, what) in runs.iter().zip(NAMES) {
        let ours = median(runs_of, |run| run.threads.values().sum());
        let ratios = runs_of.iter().zip(&runs[0]).map(|(run, bare)| run.rate / bare.rate);
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        println!(
            "  {what}: {:.0} k/s, {ours:.0} ns of our CPU an event, rate {:.2} of the bare consumer's",
            median(runs_of, rate),
            ratios[ratios.len() / 2]
        );
    }
}

const NAMES: [&str; 3] = ["bare consumer", "pipeline, acknowledged", "pipeline, real engine"];
