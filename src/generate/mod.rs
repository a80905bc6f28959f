//! A made-up business as a stream of records: seeded, and a function of its options only.
//!
//! `customers` says who acts, `events` what they do, `faults` what goes wrong on the way to Kafka. Events and faults
//! draw from generators of their own, so that the same seed gives the same events whatever the faults are.

mod customers;
mod events;
mod faults;
mod random;

use crate::model::partition::{crc32_partition, murmur2_partition};

pub use customers::Zipf;
pub use random::SplitMix64;

/// The hash that places keys, as the producers' clients would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHash {
    /// Java's and most clients' default.
    Murmur2,
    /// librdkafka's `consistent_random`.
    Crc32,
}

/// One of the three source topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Purchases, refunds and master data.
    Purchases,
    /// Tickets.
    Support,
    /// Visits.
    Web,
}

/// What was done to a record on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// A repeat: its `event_id` came before, in the same topic.
    Duplicate,
    /// Came out of order, within the disorder.
    Shuffled,
    /// Came later than the disorder allows.
    Late,
    /// Breaks the contract.
    Malformed,
}

/// What to generate. Shares are in [0, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The same seed and options give the same bytes.
    pub seed: u64,
    /// How many customers there are.
    pub customers: u64,
    /// How unevenly they act: the k-th acts in proportion to `k^-zipf_exponent`.
    pub zipf_exponent: f64,
    /// How many events; duplicates come on top.
    pub events: u64,
    /// Time of the first event, milliseconds.
    pub start_ms: i64,
    /// Events in a second of event time.
    pub rate: f64,
    /// Weights of web, purchase and support events.
    pub mix: [f64; 3],
    /// Share of events that are master data (region, industry, segment, owner), on the purchases topic.
    pub profiles: f64,
    /// Currency of all amounts, ISO 4217.
    pub currency: String,
    /// Share of events that come twice.
    pub duplicates: f64,
    /// How long after the event its repeat comes at most, milliseconds.
    pub duplicate_delay_ms: i64,
    /// Share of events displaced within `disorder_ms`.
    pub shuffle: f64,
    /// How far a shuffled event is displaced at most, milliseconds.
    pub disorder_ms: i64,
    /// Share of events delayed by `late_by_ms` to twice as much.
    pub late: f64,
    /// See `late`; milliseconds, beyond the disorder.
    pub late_by_ms: i64,
    /// Share of events whose record breaks the contract.
    pub malformed: f64,
    /// Partitions of each topic.
    pub partitions: u16,
    /// How keys are placed.
    pub key_hash: KeyHash,
    /// Names of the topics: purchases, support, web.
    pub topics: [String; 3],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            customers: 10_000,
            zipf_exponent: 1.0,
            events: 100_000,
            start_ms: 1_767_225_600_000, // 2026-01-01T00:00:00Z
            rate: 100.0,
            mix: [85.0, 10.0, 5.0],
            profiles: 0.005,
            currency: "EUR".to_owned(),
            duplicates: 0.0,
            duplicate_delay_ms: 600_000,
            shuffle: 0.0,
            disorder_ms: 60_000,
            late: 0.0,
            late_by_ms: 7_200_000,
            malformed: 0.0,
            partitions: 4,
            key_hash: KeyHash::Murmur2,
            topics: ["purchases".to_owned(), "support".to_owned(), "web".to_owned()],
        }
    }
}

impl Options {
    /// What is out of range: one sentence each, named like the command's options.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut refuse = |wrong: bool, text: &str| {
            if wrong {
                problems.push(text.to_owned());
            }
        };
        refuse(self.customers == 0, "--customers: expected at least 1");
        refuse(self.customers > 1 << 40, "--customers: expected at most 2^40");
        refuse(
            !(self.zipf_exponent > 0.0 && self.zipf_exponent <= 10.0),
            "--zipf: expected a number above 0, at most 10",
        );
        refuse(
            !(self.rate > 0.0 && self.rate <= 1e9),
            "--rate: expected a number above 0, at most 1000000000",
        );
        let weights = self.mix.iter().all(|w| w.is_finite() && *w >= 0.0);
        refuse(
            !weights || self.mix.iter().sum::<f64>() <= 0.0,
            "--mix: expected three weights WEB/PURCHASE/SUPPORT, not all 0",
        );
        for (name, share) in [
            ("--profiles", self.profiles),
            ("--duplicates", self.duplicates),
            ("--shuffle", self.shuffle),
            ("--late", self.late),
            ("--malformed", self.malformed),
        ] {
            refuse(!(0.0..=1.0).contains(&share), &format!("{name}: expected a share from 0 to 1"));
        }
        refuse(
            self.shuffle + self.late + self.malformed > 1.0,
            "--shuffle, --late and --malformed: together at most 1, an event suffers one of them",
        );
        for (name, ms) in [
            ("--duplicate-delay-ms", self.duplicate_delay_ms),
            ("--disorder-ms", self.disorder_ms),
            ("--late-by-ms", self.late_by_ms),
        ] {
            refuse(!(1..=1 << 40).contains(&ms), &format!("{name}: expected at least 1"));
        }
        refuse(
            self.late_by_ms <= self.disorder_ms,
            "--late-by-ms: expected more than --disorder-ms",
        );
        refuse(self.partitions == 0, "--partitions: expected at least 1");
        // 5.0e12 ms is the year 2128: the contract ends in 2149.
        let end_ms = self.start_ms as f64 + self.events as f64 * 1_000.0 / self.rate;
        refuse(
            self.start_ms < 0 || end_ms.is_nan() || end_ms > 5.0e12,
            "--start, --events and --rate: event times must lie between 1970 and 2128",
        );
        let code =
            self.currency.len() == 3 && self.currency.bytes().all(|b| b.is_ascii_uppercase());
        refuse(!code, "--currency: expected an ISO 4217 code such as EUR");
        let mut topics = self.topics.clone();
        topics.sort();
        refuse(
            topics.iter().any(String::is_empty) || topics.windows(2).any(|two| two[0] == two[1]),
            "--topics: expected three different names PURCHASES,SUPPORT,WEB",
        );
        problems
    }

    /// The partition of a key.
    pub fn partition(&self, key: &[u8]) -> u16 {
        match self.key_hash {
            KeyHash::Murmur2 => murmur2_partition(key, self.partitions),
            KeyHash::Crc32 => crc32_partition(key, self.partitions),
        }
    }
}

/// A record as a producer would send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// To which topic.
    pub stream: Stream,
    /// To which of its partitions: the hash of the key.
    pub partition: u16,
    /// When it reaches Kafka, milliseconds: its Kafka timestamp. Never falls from record to record.
    pub kafka_ms: i64,
    /// The customer's id.
    pub key: String,
    /// The JSON text, or what is left of it.
    pub value: String,
    /// What was done to it.
    pub fault: Fault,
}

/// The records, one by one.
#[derive(Debug)]
pub struct Generator {
    options: Options,
    events: events::Events,
    transit: faults::Transit,
    made: u64,
}

impl Generator {
    /// A generator at its first record.
    ///
    /// # Errors
    /// What [`Options::validate`] finds.
    pub fn new(options: Options) -> Result<Self, Vec<String>> {
        let problems = options.validate();
        if !problems.is_empty() {
            return Err(problems);
        }
        let events = events::Events::new(&options);
        let transit = faults::Transit::new(options.seed);
        Ok(Self { options, events, transit, made: 0 })
    }

    /// The name of a stream's topic.
    pub fn topic(&self, stream: Stream) -> &str {
        match stream {
            Stream::Purchases => &self.options.topics[0],
            Stream::Support => &self.options.topics[1],
            Stream::Web => &self.options.topics[2],
        }
    }
}

impl Iterator for Generator {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        loop {
            let over = self.made == self.options.events;
            let passed = self.made as f64 * 1_000.0 / self.options.rate;
            let now_ms = self.options.start_ms + passed as i64;
            if let Some(record) = self.transit.arrived(now_ms, over) {
                return Some(record);
            }
            if over {
                return None;
            }
            self.made += 1;
            let event = self.events.next(&self.options, now_ms);
            self.transit.send(&self.options, event, now_ms);
        }
    }
}
