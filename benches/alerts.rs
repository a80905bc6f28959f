//! From an event to the alert at its receiver, on a real Kafka and the real ClickHouse engine: how long it takes while the pipeline has
//! half of the load that it can bear, and how many alerts a second the notifier tells a receiver that only acknowledges.
//!
//! `cargo bench --bench alerts -- [EVENTS] [SECONDS] [ALERTS] [ROUNDS]`. Everything runs as people run it: `retain run` and `retain notify`
//! in processes of their own, all shipped rules, a webhook that is signed. What the pipeline can bear is measured first, on the same
//! machine and minute: EVENTS that wait in the topics, from a tenth of them on until all are consumed and carried. Then SECONDS of
//! events come at half that rate, their times the present, and among them 20 a second of customers nobody else speaks of, each of
//! which raises an alert: timed from before its event is sent until its message has come. ALERTS transitions are then told by a notifier
//! alone, ROUNDS times.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use broker::{Broker, flush, send, until_within};
use engine::Engine;
use inbox::{Inbox, SECRET, get};
use rdkafka::producer::{BaseProducer, BaseRecord};
use retain::flow::names::Names;
use retain::generate::{Generated, Generator, Options, Stream};
use retain::wire::alert::AlertWord;

#[path = "../tests/support/broker.rs"]
mod broker;
#[path = "../tests/support/engine.rs"]
mod engine;
#[path = "../tests/support/inbox.rs"]
mod inbox;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTITIONS: i32 = 4;
const TOPICS: [&str; 3] = ["purchases", "support", "web"];
const LIMIT: Duration = Duration::from_secs(900);
/// Time between two events that raise an alert.
const PROBE: Duration = Duration::from_millis(50);
/// So long the load goes on before the first of them.
const WARM: Duration = Duration::from_secs(10);
/// What the events are spread over that wait in the topics, milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// An alert for each customer that signs a contract: nobody in the load does.
const RULE: &str = r#"
[[alert]]
name = "probe"
about = "A contract is signed."
raise = "contract_signed else no"
clear = "not contract_signed else no"
receivers = ["hook"]
next_step = "None."
events = ["contract"]
"#;

/// A definition's folder, and how to reach everything.
struct Scene<'a> {
    broker: &'a Broker,
    engine: &'a Engine,
    name: &'static str,
    folder: tempfile::TempDir,
}

/// `retain` at work; it ends when this is dropped.
struct Retain {
    child: Child,
    url: String,
}

impl Drop for Retain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Retain {
    /// The sum of a metric over its labels; `None` while it is not there.
    fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = get(&self.url, "/metrics")?;
        let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        let values: Vec<f64> =
            lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    fn consumed(&self) -> f64 {
        self.metric("retain_events_consumed_total").unwrap_or(0.0)
    }
}

impl<'a> Scene<'a> {
    fn new(broker: &'a Broker, engine: &'a Engine, name: &'static str, hook: &Inbox) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
        let shipped = include_str!("../pipelines/customers.toml");
        let definition = shipped.replacen("name = \"customers\"", &format!("name = \"{name}\""), 1);
        write("definition.toml", &definition);
        std::fs::create_dir(folder.path().join("alerts")).unwrap();
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/alerts");
        for file in std::fs::read_dir(rules).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), folder.path().join("alerts").join(file.file_name()))
                .unwrap();
        }
        write("alerts/probe.toml", RULE);
        write("secret", SECRET);
        let secret = folder.path().join("secret").display().to_string();
        let receiver = format!(
            "[[receiver]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret_file = \"{secret}\"\n",
            hook.url
        );
        write("receivers.toml", &receiver);
        Self { broker, engine, name, folder }
    }

    fn start(&self, command: &str) -> Retain {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let settings = [
            format!("kafka.brokers={}", self.broker.bootstrap),
            format!("clickhouse.url={}", self.engine.url),
            format!("clickhouse.database={}", self.name),
            format!("http.listen={address}"),
            format!("notify.receivers_file={}", file("receivers.toml")),
            "log.level=error".to_owned(),
        ];
        let child = Command::new(env!("CARGO_BIN_EXE_retain"))
            .args([command, &file("definition.toml")])
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Retain { child, url: format!("http://{address}") }
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn events(seed: u64, start_ms: i64, events: u64, rate: f64) -> Generator {
    let partitions = PARTITIONS as u16;
    let options = Options {
        seed,
        customers: 100_000,
        start_ms,
        events,
        rate,
        partitions,
        ..Options::default()
    };
    Generator::new(Options { currency: "USD".to_owned(), ..options }).unwrap()
}

fn put(producer: &BaseProducer, record: &Generated) {
    let topic = match record.stream {
        Stream::Purchases => TOPICS[0],
        Stream::Support => TOPICS[1],
        Stream::Web => TOPICS[2],
    };
    let mut out = BaseRecord::to(topic)
        .partition(i32::from(record.partition))
        .timestamp(record.kafka_ms)
        .key(&record.key)
        .payload(&record.value);
    while let Err((_, back)) = producer.send(out) {
        producer.poll(Duration::from_millis(5));
        out = back;
    }
    producer.poll(Duration::ZERO);
}

/// Events in the ledger, whose rows the carrier writes after everything that they vouch for.
fn carried(scene: &Scene<'_>) -> f64 {
    let sql = "/?query=SELECT%20sum(applied%2Bduplicate%2Blate%2Bfiltered%2Brejected)%20FROM%20";
    let answer = get(&scene.engine.url, &format!("{sql}{}_g1.ledger", scene.name));
    answer.and_then(|(_, text)| text.trim().parse().ok()).unwrap_or(0.0)
}

/// Events a second that the pipeline consumes and carries while nothing holds it up.
fn capacity(scene: &Scene<'_>, total: f64) -> f64 {
    let first = total / 10.0;
    let waits = |what: &str, done: &mut dyn FnMut() -> bool| until_within(LIMIT, what, done);
    waits("a tenth to be carried", &mut || carried(scene) >= first);
    let (began, first) = (Instant::now(), carried(scene));
    waits("everything to be carried", &mut || carried(scene) >= total);
    (total - first) / began.elapsed().as_secs_f64()
}

/// A load of `rate` events a second for so long, and probes among it: when each was sent.
fn load(producer: &BaseProducer, rate: f64, longest: Duration) -> BTreeMap<String, Instant> {
    let began = Instant::now();
    let count = (rate * longest.as_secs_f64()) as u64;
    let (mut sent, mut probes) = (events(2, now_ms(), count, rate).peekable(), BTreeMap::new());
    while began.elapsed() < longest {
        let now_ms = now_ms();
        while let Some(record) = sent.next_if(|record| record.kafka_ms <= now_ms) {
            put(producer, &record);
        }
        let due = WARM + PROBE * probes.len() as u32;
        if began.elapsed() >= due && began.elapsed() + WARM < longest {
            let id = format!("probe-{}", probes.len());
            let ts = jiff::Timestamp::from_millisecond(now_ms).unwrap();
            let event = format!(
                r#"{{"event_id":"{id}","customer_id":"{id}","ts":"{ts}","type":"contract","start":"2026-01-01","signed":true}}"#
            );
            probes.insert(id.clone(), Instant::now());
            send(producer, TOPICS[0], &id, &event);
        }
        producer.poll(Duration::from_millis(1));
    }
    flush(producer);
    probes
}

/// The value below which `share` of them lie.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

fn through(broker: &Broker, engine: &Engine, waiting: u64, seconds: u64) {
    let hook = Inbox::start();
    let scene = Scene::new(broker, engine, "through", &hook);
    broker.create(&TOPICS, PARTITIONS);
    let producer = broker.producer();
    let rate = waiting as f64 / (HOUR_MS as f64 / 1e3);
    events(1, now_ms() - HOUR_MS, waiting, rate).for_each(|record| put(&producer, &record));
    flush(&producer);
    let retain = scene.start("run");
    let capacity = capacity(&scene, waiting as f64);
    let half = capacity / 2.0;
    println!("{waiting} events that waited: {capacity:.0} a second consumed and carried");
    let before = retain.consumed();
    let probes = load(&producer, half, WARM * 2 + Duration::from_secs(seconds));
    let behind = retain.metric("retain_consumer_lag_records").unwrap_or(f64::NAN);
    until_within(LIMIT, "every alert to be told", &mut || hook.len() >= probes.len());
    let took = hook.posted().into_iter().map(|posted| {
        posted.verify();
        let word: AlertWord = serde_json::from_value(posted.json()["data"].clone()).unwrap();
        (posted.at - probes[&word.customer_id]).as_secs_f64() * 1e3
    });
    let mut took: Vec<f64> = took.collect();
    took.sort_by(f64::total_cmp);
    println!(
        "half of it, {half:.0} a second for {seconds} s ({:.0} consumed, {behind:.0} behind at its end): {} events, each an alert; to the \
         receiver p50 {:.0} ms, p90 {:.0}, p99 {:.0}, longest {:.0}",
        retain.consumed() - before,
        took.len(),
        quantile(&took, 0.5),
        quantile(&took, 0.9),
        quantile(&took, 0.99),
        quantile(&took, 1.0)
    );
}

fn word(subject: usize) -> AlertWord {
    AlertWord {
        alert_id: format!("{subject:032x}"),
        n: 1,
        rule: "probe".to_owned(),
        subject_kind: "customer".to_owned(),
        subject_id: format!("C{subject}"),
        customer_id: format!("C{subject}"),
        what: "raised".to_owned(),
        phase: "firing".to_owned(),
        call: true,
        severity: "high".to_owned(),
        at_risk_minor: Some(123_400),
        currency: "USD".to_owned(),
        reasons: vec!["bought nothing for 94 days, 3.1 times the usual gap".to_owned(); 3],
        about: "A contract is signed.".to_owned(),
        next_step: "None.".to_owned(),
        receivers: vec!["hook".to_owned()],
        at_ms: now_ms(),
        detected_ms: now_ms(),
        raised_ms: Some(now_ms()),
        ..AlertWord::default()
    }
}

/// Alerts a second, once for each round.
fn told(broker: &Broker, engine: &Engine, alerts: usize, rounds: usize) {
    let hook = Inbox::start();
    let scene = Scene::new(broker, engine, "told", &hook);
    let names = Names::new(scene.name, 1);
    broker.create(&[&names.alerts(), &names.notified(), &names.undelivered()], PARTITIONS);
    let producer = broker.producer();
    let write = |subjects: std::ops::Range<usize>| {
        for subject in subjects {
            let word = word(subject);
            let value = serde_json::to_string(&word).unwrap();
            send(&producer, &names.alerts(), &word.alert_id, &value);
        }
        flush(&producer);
    };
    let _notifier = scene.start("notify");
    // it must be there before the others: a new receiver begins with what is on
    write(0..1);
    until_within(LIMIT, "the first to be told", &mut || hook.len() == 1);
    let mut rates = Vec::new();
    for round in 0..rounds {
        let from = 1 + round * alerts;
        write(from..from + alerts);
        until_within(LIMIT, "all to be told", &mut || hook.len() >= from + alerts);
        let posted = hook.posted();
        let told = &posted[from..];
        let took = told[alerts - 1].at - told[0].at;
        rates.push((alerts - 1) as f64 / took.as_secs_f64());
        println!("the notifier alone, {alerts} alerts: {:.0} a second", rates[round]);
    }
    rates.sort_by(f64::total_cmp);
    println!("the notifier alone, median of {rounds}: {:.0} a second", quantile(&rates, 0.5));
}

fn main() {
    let arguments: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let argument = |at: usize, default: u64| arguments.get(at).copied().unwrap_or(default);
    let broker = Broker::start(&[]);
    let engine = Engine::start();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of the machine before: {}", load.trim());
    through(&broker, &engine, argument(0, 1_500_000), argument(1, 60));
    told(&broker, &engine, argument(2, 20_000) as usize, argument(3, 3) as usize);
}
