//! The pipeline on a real Kafka beside a bare consumer, in paired rounds: events a second, and CPU of this process an event.
//!
//! `cargo bench --bench pipeline -- [EVENTS] [CUSTOMERS] [ROUNDS]`. Both read the same lz4 topics with the same fetch
//! settings, the same batch poll and the same allocator. The pipeline does everything: transactions, state, and rows
//! carried to an HTTP receiver in another process that reads and acknowledges, and does nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clickhouse::Client;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use retain::flow::names::Names;
use retain::generate::{Generator, Options as Events, Stream};
use retain::plan::{Plan, parse};
use retain::shell::batch::{PartitionQueue, Segment};
use retain::shell::board::Status;
use retain::shell::carrier;
use retain::shell::client::Link;
use retain::shell::observe::Observer;
use retain::shell::runtime::{self, Options};
use retain::shell::settings::Start;
use retain::shell::sink::{Sink, SinkOptions};

#[path = "../tests/support/broker.rs"]
mod broker;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTITIONS: u16 = 4;
const TOPICS: [&str; 3] = ["purchases", "support", "web"];
const LIMIT: Duration = Duration::from_secs(300);

struct Round {
    rate: f64,
    cpu_ns: f64,
}

/// CPU that this process has used, all threads.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after = stat.rsplit(") ").next().unwrap();
    let ticks: u64 =
        after.split_whitespace().skip(11).take(2).map(|t| t.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn measure(events: u64, work: impl FnOnce()) -> Round {
    let (wall, before) = (Instant::now(), cpu());
    work();
    let (wall, used) = (wall.elapsed(), cpu() - before);
    Round {
        rate: events as f64 / wall.as_secs_f64(),
        cpu_ns: used.as_nanos() as f64 / events as f64,
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
fn bare(bootstrap: &str, counts: &[Vec<i64>]) {
    let names = Names::new("bare", 1);
    let config = link(bootstrap).fetcher(&names, TOPICS.len() * usize::from(PARTITIONS));
    let consumer: Arc<BaseConsumer> = Arc::new(config.create().unwrap());
    let mut queues = Vec::new();
    let mut list = TopicPartitionList::new();
    for (topic, counts) in TOPICS.iter().zip(counts) {
        for (partition, count) in (0..).zip(counts) {
            let queue = PartitionQueue::new(Arc::clone(&consumer), topic, partition).unwrap();
            queues.push((queue, *count));
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
    }
    consumer.assign(&list).unwrap();
    while queues.iter().any(|(_, left)| *left > 0) {
        consumer.poll(Duration::ZERO);
        for (queue, left) in &mut queues {
            let batch = queue.poll(0);
            for segment in batch.segments() {
                if let Segment::Records(records) = segment {
                    *left -= records.count() as i64;
                }
            }
        }
    }
}

fn pipeline(bootstrap: &str, plan: &Arc<Plan>, receiver: &str, total: u64) {
    let tokio =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let observer = Observer::new(Status { consumes: true, ..Status::default() }).unwrap();
    let (quit, carried) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let names = Names::new(&plan.name, 1);
    let sink = Sink::new(Client::default().with_url(receiver), SinkOptions::new("bench"));
    let options = Options {
        link: link(bootstrap),
        generation: 1,
        definition: "bench".to_owned(),
        start: Start::Earliest,
        commit_interval_ms: 250,
        restore_timeout_ms: 60_000,
        revoke_limit_ms: 10_000,
        workers: 2,
    };
    let running =
        tokio.spawn(runtime::run(Arc::clone(plan), options, observer.clone(), Arc::clone(&quit)));
    let consumed = || -> u64 {
        let status = observer.board.snapshot();
        let sources = status.shards.values().flat_map(|s| &s.sources);
        sources.map(|s| s.outcomes.consumed()).sum()
    };
    // the rows topic is there once the runtime has begun
    wait(|| observer.board.snapshot().begun.is_some());
    let carrier = carrier::start(
        &link(bootstrap),
        &names,
        Arc::new(sink.observed_by(&observer)),
        observer.clone(),
        Arc::clone(&carried),
        tokio.handle().clone(),
    )
    .unwrap();
    wait(|| consumed() >= total);
    quit.store(true, Ordering::SeqCst);
    tokio.block_on(running).unwrap().unwrap();
    carried.store(true, Ordering::SeqCst);
    carrier.join().unwrap();
    let sink = observer.board.snapshot().sink;
    assert!(sink.blocks > 0, "no rows were carried: {sink:?}");
}

fn wait(done: impl Fn() -> bool) {
    let until = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < until, "the pipeline does not get there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An HTTP server that reads request bodies and says 200. It runs in a process of its own.
fn receive() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        std::thread::spawn(move || answer(stream.unwrap()));
    }
}

fn answer(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut length, mut chunked) = (0_usize, false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
            if line.is_empty() {
                break;
            }
        }
        let mut body = Vec::new();
        if chunked {
            loop {
                let mut size = String::new();
                reader.read_line(&mut size).unwrap();
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                body.resize(size + 2, 0);
                reader.read_exact(&mut body).unwrap();
                if size == 0 {
                    break;
                }
            }
        } else {
            body.resize(length, 0);
            reader.read_exact(&mut body).unwrap();
        }
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

fn receiver() -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env("RETAIN_BENCH_RECEIVER", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    if std::env::var_os("RETAIN_BENCH_RECEIVER").is_some() {
        return receive();
    }
    let arguments: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let argument = |at: usize, default: u64| arguments.get(at).copied().unwrap_or(default);
    let (events, customers, rounds) =
        (argument(0, 3_000_000), argument(1, 1_000_000), argument(2, 3));
    let broker = broker::Broker::start(&[]);
    broker.create(&TOPICS, i32::from(PARTITIONS));
    let counts = fill(&broker.bootstrap, events, customers);
    let total: i64 = counts.iter().flatten().sum();
    let total = total as u64;
    let (mut child, url) = receiver();
    println!("{total} records, {customers} customers, {rounds} paired rounds");
    let (mut bares, mut pipelines, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for n in 1..=rounds {
        let b = measure(total, || bare(&broker.bootstrap, &counts));
        let text = include_str!("../pipelines/customers.toml").replacen(
            "name = \"customers\"",
            &format!("name = \"round{n}\""),
            1,
        );
        let plan = Arc::new(parse(&text).0.expect("the shipped definition is right"));
        let p = measure(total, || pipeline(&broker.bootstrap, &plan, &url, total));
        println!(
            "round {n}: bare {:.2} M/s, {:.0} ns CPU; pipeline {:.2} M/s, {:.0} ns CPU; rate ratio {:.2}",
            b.rate / 1e6,
            b.cpu_ns,
            p.rate / 1e6,
            p.cpu_ns,
            p.rate / b.rate
        );
        ratios.push(p.rate / b.rate);
        bares.push(b.cpu_ns);
        pipelines.push(p.cpu_ns);
    }
    println!(
        "median: bare {:.0} ns, pipeline {:.0} ns CPU an event, rate ratio {:.2}",
        median(bares),
        median(pipelines),
        median(ratios)
    );
    child.kill().unwrap();
    child.wait().unwrap();
}
