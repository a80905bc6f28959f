//! `retain generate` to its two destinations: a file, and Kafka (librdkafka's in-process broker).
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "io")]

use std::time::{Duration, Instant};

use clap::Parser;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::{Offset, TopicPartitionList};
use retain::generate::{Generated, Generator, Options};
use retain::shell::cmd_generate::{Args, run};
use retain::shell::origin::{Sources, load};
use retain::shell::settings::Kafka;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

fn args(list: &[&str]) -> Args {
    Command::try_parse_from([&["generate"], list].concat()).unwrap().args
}

fn kafka() -> Kafka {
    load(&Sources::default()).unwrap().settings.kafka
}

fn expected(options: Options) -> Vec<Generated> {
    Generator::new(options).unwrap().collect()
}

#[test]
fn a_file_has_one_record_a_line_and_the_same_bytes_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let path = folder.path().join(name);
        let out = path.to_str().unwrap();
        let faults =
            ["--duplicates", "0.1", "--malformed", "0.1", "--late", "0.01", "--shuffle", "0.1"];
        let asked =
            args(&[&["--out", out, "--events", "3000", "--seed", "7"], &faults[..]].concat());
        let summary = run(&asked, &kafka()).unwrap();
        (summary, std::fs::read_to_string(path).unwrap())
    };
    let (summary, text) = make("one");
    assert_eq!((summary, text.clone()), make("two"));
    let records = expected(Options {
        seed: 7,
        events: 3_000,
        duplicates: 0.1,
        malformed: 0.1,
        late: 0.01,
        shuffle: 0.1,
        ..Options::default()
    });
    assert_eq!(summary.records, records.len() as u64);
    assert_eq!(summary.records - summary.duplicates, 3_000);
    assert!(summary.malformed > 0 && summary.late > 0 && summary.shuffled > 0);
    assert_eq!(text.lines().count(), records.len());
    for (line, record) in text.lines().zip(&records) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["key"], record.key.as_str());
        assert_eq!(line["value"], record.value.as_str());
        assert_eq!(line["partition"], record.partition);
        assert_eq!(line["kafka_ms"], record.kafka_ms);
    }
}

#[test]
fn wrong_options_and_files_are_told() {
    let told = run(&args(&["--out", "-", "--rate", "0", "--customers", "0"]), &kafka());
    let told = told.expect_err("these options must be refused").to_string();
    assert!(told.contains("--rate") && told.contains("--customers"), "{told}");
    let folder = tempfile::tempdir().unwrap();
    let told = run(&args(&["--out", folder.path().to_str().unwrap()]), &kafka());
    let told = told.expect_err("a folder is no file").to_string();
    assert!(told.contains("cannot be written"), "{told}");
    assert!(Command::try_parse_from(["generate"]).is_err(), "one of --out and --brokers is needed");
    assert!(Command::try_parse_from(["generate", "--out", "-", "--mix", "1/2"]).is_err());
}

/// Reads `count` records of the three topics, or what came within 30 seconds.
fn read(brokers: &str, partitions: i32, count: usize) -> Vec<(String, i32, i64, String, String)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "test")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for topic in ["purchases", "support", "web"] {
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
    }
    consumer.assign(&list).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut found = Vec::new();
    while found.len() < count && Instant::now() < deadline {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        let message = message.unwrap();
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or(&[]).to_vec()).unwrap();
        found.push((
            message.topic().to_owned(),
            message.partition(),
            message.timestamp().to_millis().unwrap(),
            text(message.key()),
            text(message.payload()),
        ));
    }
    found
}

#[test]
fn kafka_gets_every_record_in_the_partition_of_its_key() {
    let cluster = MockCluster::new(1).unwrap();
    for topic in ["purchases", "support", "web"] {
        cluster.create_topic(topic, 3, 1).unwrap();
    }
    let brokers = cluster.bootstrap_servers();
    let asked = args(&["--brokers", &brokers, "--events", "2000", "--partitioner", "crc32"]);
    let summary = run(&asked, &kafka()).unwrap();
    assert_eq!(summary.records, 2_000);
    let options = Options {
        events: 2_000,
        partitions: 3,
        key_hash: retain::generate::KeyHash::Crc32,
        ..Options::default()
    };
    let generator = Generator::new(options.clone()).unwrap();
    let mut sent: Vec<_> = expected(options)
        .into_iter()
        .map(|r| {
            let topic = generator.topic(r.stream).to_owned();
            (topic, i32::from(r.partition), r.kafka_ms, r.key, r.value)
        })
        .collect();
    let mut found = read(&brokers, 3, sent.len());
    sent.sort();
    found.sort();
    assert_eq!(found, sent);
}

#[test]
fn topics_that_do_not_fit_are_told_before_anything_is_sent() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("purchases", 3, 1).unwrap();
    cluster.create_topic("web", 2, 1).unwrap();
    let asked = args(&["--brokers", &cluster.bootstrap_servers(), "--partitions", "3"]);
    let told = run(&asked, &kafka()).expect_err("the topics must be refused").to_string();
    assert!(told.contains("web has 2 partitions, --partitions says 3"), "{told}");
    assert!(told.contains("support does not exist"), "{told}");
    assert!(told.contains("different numbers of partitions"), "{told}");
}
