//! A real Kafka for a test binary, and the hands to fill and read its topics.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, error::KafkaError};

const WAIT: Duration = Duration::from_secs(60);

/// By topic and partition: the first offset that is there, and the next one.
pub type Ranges = BTreeMap<(String, i32), (i64, i64)>;

/// A broker that ends with its owner: its script watches the standard input that we hold.
pub struct Broker {
    script: Mutex<(Child, Option<ChildStdin>)>,
    /// `HOST:PORT`.
    pub bootstrap: String,
    folder: tempfile::TempDir,
}

impl Broker {
    /// Starts one with further broker settings (`KEY=VALUE`).
    pub fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (script, stdin, bootstrap) = launch(folder.path(), settings);
        Self { script: Mutex::new((script, Some(stdin))), bootstrap, folder }
    }

    /// The broker of this test binary, started once.
    pub fn shared() -> &'static Self {
        static BROKER: OnceLock<Broker> = OnceLock::new();
        BROKER.get_or_init(|| Broker::start(&["group.consumer.session.timeout.ms=3000"]))
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    /// Creates topics with so many partitions.
    pub fn create(&self, topics: &[&str], partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let new: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|t| NewTopic::new(t, partitions, TopicReplication::Fixed(1)))
            .collect();
        let results = wait_for(admin.create_topics(&new, &AdminOptions::new())).unwrap();
        results.into_iter().for_each(|r| drop(r.unwrap()));
        for topic in topics {
            let led = || {
                let metadata = admin.inner().fetch_metadata(Some(topic), WAIT).unwrap();
                let led = metadata.topics()[0].partitions().iter().filter(|p| p.leader() >= 0);
                led.count() == partitions as usize
            };
            until("a leader for each partition", led);
        }
    }

    /// Deletes a topic and makes it again: the same name, another topic.
    pub fn make_again(&self, topic: &str, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let deleted = wait_for(admin.delete_topics(&[topic], &AdminOptions::new())).unwrap();
        deleted.into_iter().for_each(|r| drop(r.unwrap()));
        until("the topic to be gone", || {
            let metadata = admin.inner().fetch_metadata(None, WAIT).unwrap();
            metadata.topics().iter().all(|there| there.name() != topic)
        });
        self.create(&[topic], partitions);
    }

    /// Deletes the offsets of a group (which must have no members).
    pub fn delete_group(&self, group: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        until("the group to be empty", || {
            let results = wait_for(admin.delete_groups(&[group], &AdminOptions::new())).unwrap();
            results.into_iter().all(|r| r.is_ok())
        });
    }

    /// Creates a topic with settings.
    pub fn create_with(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            new = new.set(key, value);
        }
        let created = wait_for(admin.create_topics([&new], &AdminOptions::new())).unwrap();
        created.into_iter().for_each(|r| drop(r.unwrap()));
    }

    /// A setting of a topic.
    pub fn setting(&self, topic: &str, key: &str) -> String {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let topics = [ResourceSpecifier::Topic(topic)];
        let found = wait_for(admin.describe_configs(&topics, &AdminOptions::new())).unwrap();
        let entries = found.into_iter().flat_map(|resource| resource.unwrap().entries);
        entries.filter(|entry| entry.name == key).find_map(|entry| entry.value).unwrap()
    }

    /// Removes all records of a topic, as retention would; returns where each partition begins then.
    pub fn delete_all(&self, topic: &str, partitions: i32) -> Vec<i64> {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::End).unwrap();
        }
        let done = wait_for(admin.delete_records(&list, &AdminOptions::new())).unwrap();
        let mut begins = vec![0; partitions as usize];
        for element in done.elements() {
            element.error().unwrap();
            begins[element.partition() as usize] = element.offset().to_raw().unwrap();
        }
        begins
    }

    /// Sets an offset of a group that has no members.
    pub fn set_offset(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
        until("the offset to be set", || consumer.commit(&list, CommitMode::Sync).is_ok());
    }

    /// Stops the broker and starts it again on its data and ports.
    pub fn restart(&self) {
        let mut running = self.script.lock().unwrap();
        drop(running.1.take());
        running.0.wait().unwrap();
        let (script, stdin, bootstrap) = launch(self.folder.path(), &[]);
        assert_eq!(bootstrap, self.bootstrap);
        *running = (script, Some(stdin));
    }

    /// A setting of the broker.
    pub fn property(&self, key: &str) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("server.properties")).unwrap();
        let mut values =
            text.lines().rev().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        values.next().unwrap_or_else(|| panic!("no {key} in {text}")).to_owned()
    }

    /// Runs one of Kafka's own tools: its class and its arguments.
    pub fn tool(&self, arguments: &[&str]) {
        let done = Command::new(script()).arg("tool").args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// A producer that places keys as Java's does.
    pub fn producer(&self) -> BaseProducer {
        producer(&self.bootstrap)
    }

    /// Everything committed in a topic so far, by partition in offset order.
    pub fn read(&self, topic: &str) -> Vec<OwnedMessage> {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", "test-reader")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "50")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), WAIT).unwrap();
        let partitions = metadata.topics()[0].partitions().len();
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition as i32, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut messages = Vec::new();
        let mut ended = vec![false; partitions];
        let deadline = Instant::now() + WAIT;
        while ended.iter().any(|e| !e) {
            assert!(Instant::now() < deadline, "{topic} was not read to its end");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => messages.push(message.detach()),
                Some(Err(KafkaError::PartitionEOF(partition))) => ended[partition as usize] = true,
                Some(Err(error)) => panic!("{topic}: {error}"),
                None => {}
            }
        }
        messages.sort_by_key(|m| (m.partition(), m.offset()));
        messages
    }

    /// Where each partition of topics begins and ends.
    pub fn ranges(&self, topics: &[&str], partitions: i32) -> Ranges {
        let consumer: BaseConsumer = self.client().create().unwrap();
        let places = topics.iter().flat_map(|t| (0..partitions).map(move |p| (*t, p)));
        let range = |(topic, partition): (&str, i32)| {
            let range = consumer.fetch_watermarks(topic, partition, WAIT).unwrap();
            ((topic.to_owned(), partition), range)
        };
        places.map(range).collect()
    }

    /// What a group has committed: (topic, partition, offset); nothing while its coordinator moves.
    pub fn committed(
        &self,
        group: &str,
        topics: &[&str],
        partitions: i32,
    ) -> Vec<(String, i32, i64)> {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        for topic in topics {
            list.add_partition_range(topic, 0, partitions - 1);
        }
        let Ok(answer) = consumer.committed_offsets(list, WAIT) else {
            return Vec::new();
        };
        let place = |e: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            (e.topic().to_owned(), e.partition(), e.offset().to_raw().unwrap())
        };
        answer.elements().iter().map(place).collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let running = self.script.get_mut().unwrap();
        drop(running.1.take());
        let _ = running.0.wait();
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/kafka/kafka.sh")
}

fn launch(folder: &Path, settings: &[&str]) -> (Child, ChildStdin, String) {
    let mut script = Command::new(script())
        .arg("run")
        .arg(folder)
        .args(settings)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = script.stdin.take().unwrap();
    let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
    let line = lines.next().expect("the broker did not start; see above").unwrap();
    let bootstrap = line.strip_prefix("bootstrap ").unwrap().to_owned();
    (script, stdin, bootstrap)
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// A producer that places keys as Java's does, and writes each record once, also when a broker restarts.
pub fn producer(bootstrap: &str) -> BaseProducer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "5")
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .create()
        .unwrap()
}

/// Sends a record and serves the producer while its queue is full.
pub fn send(producer: &BaseProducer, topic: &str, key: &str, value: &str) {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    loop {
        match producer.send(record) {
            Ok(()) => break,
            Err((_, back)) => {
                producer.poll(Duration::from_millis(5));
                record = back;
            }
        }
    }
    producer.poll(Duration::ZERO);
}

/// Waits until everything sent is in the topics.
pub fn flush(producer: &BaseProducer) {
    producer.flush(WAIT).unwrap();
}

/// Polls for a condition; the only way a test waits.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    until_within(WAIT, what, &mut condition);
}

/// Polls for a condition within a deadline.
pub fn until_within(limit: Duration, what: &str, condition: &mut dyn FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
