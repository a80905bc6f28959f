//! Fills the source topics of a pipeline with invented histories: shuffled within the disorder, repeated, broken here
//! and there, plainly or in transactions that commit or abort.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::broker::{Broker, flush, producer};
use crate::random::Random;
use crate::stream::{BEGIN_MS, DAY_MS, Made, Shape, WEB, disturbed, history_from};

const WAIT: Duration = Duration::from_secs(60);
/// A piece of history; the next one begins where it ends.
const PIECE: Shape = Shape { customers: 800, days: 10, events: 20_000, faults_permille: 15 };
/// That of the shipped definition.
const DISORDER_MS: i64 = 600_000;

/// What was sent in transactions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Transactions {
    /// How many were committed.
    pub committed: u64,
    /// How many were aborted.
    pub aborted: u64,
    /// Records in the aborted ones.
    pub records_aborted: u64,
}

/// A simulated clock as the definition has it, begun when the feed began.
#[derive(Clone, Copy, Debug)]
struct Pace {
    speed: f64,
    began: Instant,
}

/// Sends events; what they come to is read back from the topics.
pub struct Feed {
    name: String,
    producer: BaseProducer,
    is_transactional: bool,
    coming: VecDeque<Made>,
    pieces: i64,
    pace: Option<Pace>,
    random: Random,
    /// Sources that get nothing.
    pub silent: Vec<usize>,
    /// Records sent.
    pub sent: u64,
    /// What became of the transactions.
    pub transactions: Transactions,
}

impl Feed {
    /// A feed for a pipeline.
    pub fn new(broker: &Broker, name: &str) -> Self {
        Self::to(&broker.bootstrap, name)
    }

    /// A feed for a pipeline on any broker.
    pub fn to(bootstrap: &str, name: &str) -> Self {
        Self::through(producer(bootstrap), name)
    }

    fn through(producer: BaseProducer, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            producer,
            is_transactional: false,
            coming: VecDeque::new(),
            pieces: 0,
            pace: None,
            random: Random::new(7),
            silent: Vec::new(),
            sent: 0,
            transactions: Transactions::default(),
        }
    }

    /// A feed that sends everything in transactions; three in ten are aborted.
    pub fn transactional(broker: &Broker, name: &str) -> Self {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &broker.bootstrap)
            .set("partitioner", "murmur2_random")
            .set("transactional.id", format!("source of {name}"))
            .set("linger.ms", "5")
            .create()
            .unwrap();
        producer.init_transactions(WAIT).unwrap();
        Self { is_transactional: true, ..Self::through(producer, name) }
    }

    /// The same with event times that follow a simulated clock of that speed; it begins now.
    pub fn paced(self, speed: f64) -> Self {
        Self { pace: Some(Pace { speed, began: Instant::now() }), ..self }
    }

    /// A number below `n`; the same ones in every run.
    pub fn below(&mut self, n: u64) -> u64 {
        self.random.below(n)
    }

    fn next(&mut self) -> &Made {
        while self.coming.is_empty() {
            let seed = 1_000 + self.pieces as u64;
            let piece = history_from(seed, PIECE, BEGIN_MS + self.pieces * PIECE.days * DAY_MS);
            // inside the windows and beyond that of the web
            let repeated = disturbed(seed, &piece, DISORDER_MS, 10, |r, m| match m.source {
                WEB => r.between(0, 5_400_000),
                _ => r.between(0, PIECE.days * DAY_MS),
            });
            self.coming.extend(repeated.into_iter().filter(|m| !self.silent.contains(&m.source)));
            self.pieces += 1;
        }
        &self.coming[0]
    }

    /// Sends the next records of the history.
    pub fn send(&mut self, records: u64) {
        if self.is_transactional {
            return self.send_in_transactions(records);
        }
        for _ in 0..records {
            self.send_one();
        }
        flush(&self.producer);
    }

    /// Sends what the simulated clock has reached, at least something.
    fn send_what_is_due(&mut self) {
        let pace = self.pace.unwrap();
        let now_ms = BEGIN_MS + (pace.began.elapsed().as_secs_f64() * 1_000.0 * pace.speed) as i64;
        let mut due = 0;
        while self.next().ts_ms <= now_ms && due < 20_000 {
            self.send_one();
            due += 1;
        }
        flush(&self.producer);
    }

    fn send_in_transactions(&mut self, records: u64) {
        let end = self.sent + records;
        while self.sent < end {
            let size = 1 + self.random.below(100).min(end - self.sent - 1);
            self.producer.begin_transaction().unwrap();
            (0..size).for_each(|_| self.send_one());
            if self.random.percent(30) {
                // what is aborted is in the topic already, and stays there
                flush(&self.producer);
                self.producer.abort_transaction(WAIT).unwrap();
                self.transactions.aborted += 1;
                self.transactions.records_aborted += size;
            } else {
                self.producer.commit_transaction(WAIT).unwrap();
                self.transactions.committed += 1;
            }
        }
    }

    fn send_one(&mut self) {
        self.next();
        let made = self.coming.pop_front().unwrap();
        let topic = format!("{}.{}", self.name, ["purchases", "support", "web"][made.source]);
        let mut record: BaseRecord<'_, str, str> = BaseRecord::to(&topic);
        if let Some(key) = &made.key {
            record = record.key(key);
        }
        if let Some(payload) = &made.payload {
            record = record.payload(payload);
        }
        if self.pace.is_some() {
            record = record.timestamp(made.ts_ms);
        }
        while let Err((error, back)) = self.producer.send(record) {
            let full = Some(rdkafka::types::RDKafkaErrorCode::QueueFull);
            assert_eq!(error.rdkafka_error_code(), full, "{error}");
            self.producer.poll(Duration::from_millis(5));
            record = back;
        }
        self.producer.poll(Duration::ZERO);
        self.sent += 1;
    }
}

/// A feed that goes on by itself until it is asked back.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Feed>,
}

impl Load {
    /// Sends `records` at a time, `pause` apart; a paced feed what its clock has reached.
    pub fn start(mut feed: Feed, records: u64, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !asked.load(Ordering::SeqCst) {
                match feed.pace {
                    Some(_) => feed.send_what_is_due(),
                    None => feed.send(records),
                }
                std::thread::sleep(pause);
            }
            feed
        });
        Self { stop, thread }
    }

    /// Ends it and returns the feed.
    pub fn stop(self) -> Feed {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}
