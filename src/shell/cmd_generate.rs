//! `retain generate`: generated records to a file or to Kafka.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::settings::Kafka;
use super::topic_producer::{ProduceError, TopicProducer};
use crate::generate::{Fault, Generated, Generator, KeyHash, Options};

/// Partitions of the topics when nothing else says how many.
const PARTITIONS_DEFAULT: u16 = 4;
/// How long before its time a record is not worth a pause.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Write records to this file (- is standard output), one JSON object a line: topic, partition, kafka_ms
    /// (milliseconds), key, value (the record's text as a JSON string, because a malformed one is no JSON)
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "brokers",
        conflicts_with = "brokers"
    )]
    pub out: Option<PathBuf>,
    /// Send records to Kafka; security and further properties come from the settings
    #[arg(long, value_name = "HOST:PORT,…")]
    pub brokers: Option<String>,
    /// Make topics that do not exist
    #[arg(long, requires = "brokers")]
    pub create_topics: bool,
    /// Seconds of event time in a second; 0 = as fast as possible
    #[arg(long, default_value_t = 0.0)]
    pub speed: f64,
    /// The same seed and options give the same records
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Number of customers
    #[arg(long, default_value_t = 10_000)]
    pub customers: u64,
    /// Exponent of the Zipf law that says how active customers are
    #[arg(long, default_value_t = 1.0)]
    pub zipf: f64,
    /// Number of events; repeats come on top
    #[arg(long, default_value_t = 100_000)]
    pub events: u64,
    /// Time of the first event (RFC 3339)
    #[arg(long, value_name = "TIME", default_value = "2026-01-01T00:00:00Z", value_parser = time)]
    pub start: i64,
    /// Events in a second of event time
    #[arg(long, default_value_t = 100.0)]
    pub rate: f64,
    /// Weights WEB/PURCHASE/SUPPORT
    #[arg(long, default_value = "85/10/5", value_parser = mix)]
    pub mix: Mix,
    /// Share of events that are master data
    #[arg(long, default_value_t = 0.005)]
    pub profiles: f64,
    /// Currency of all amounts
    #[arg(long, default_value = "EUR")]
    pub currency: String,
    /// Share of events that come twice
    #[arg(long, default_value_t = 0.0)]
    pub duplicates: f64,
    /// How long after the event its repeat comes at most
    #[arg(long, default_value_t = 600_000)]
    pub duplicate_delay_ms: i64,
    /// Share of events that come out of order, within the disorder
    #[arg(long, default_value_t = 0.0)]
    pub shuffle: f64,
    /// How far a shuffled event is displaced at most
    #[arg(long, default_value_t = 60_000)]
    pub disorder_ms: i64,
    /// Share of events that come late
    #[arg(long, default_value_t = 0.0)]
    pub late: f64,
    /// By how much at least (at most twice as much)
    #[arg(long, default_value_t = 7_200_000)]
    pub late_by_ms: i64,
    /// Share of events whose record breaks the contract
    #[arg(long, default_value_t = 0.0)]
    pub malformed: f64,
    /// Partitions of each topic; default: what Kafka says, else 4
    #[arg(long)]
    pub partitions: Option<u16>,
    /// How keys are placed: murmur2 (Java) or crc32 (librdkafka)
    #[arg(long, default_value = "murmur2", value_parser = key_hash)]
    pub partitioner: KeyHash,
    /// Names of the topics PURCHASES,SUPPORT,WEB
    #[arg(long, default_value = "purchases,support,web", value_parser = topics)]
    pub topics: Topics,
}

/// Weights of web, purchase and support events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mix(pub [f64; 3]);

/// Topics of purchases, support and web.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics(pub [String; 3]);

fn time(text: &str) -> Result<i64, String> {
    let time = text.parse::<jiff::Timestamp>();
    time.map(|t| t.as_millisecond())
        .map_err(|_| "expected a time such as 2026-01-31T00:00:00Z".to_owned())
}

fn mix(text: &str) -> Result<Mix, String> {
    let weights: Option<Vec<f64>> = text.split('/').map(|part| part.parse().ok()).collect();
    let weights = weights.and_then(|weights| weights.try_into().ok());
    weights.map(Mix).ok_or_else(|| "expected WEB/PURCHASE/SUPPORT such as 85/10/5".to_owned())
}

fn key_hash(text: &str) -> Result<KeyHash, String> {
    match text {
        "murmur2" => Ok(KeyHash::Murmur2),
        "crc32" => Ok(KeyHash::Crc32),
        _ => Err("expected murmur2 or crc32".to_owned()),
    }
}

fn topics(text: &str) -> Result<Topics, String> {
    let names: Vec<String> = text.split(',').map(str::to_owned).collect();
    names.try_into().map(Topics).map_err(|_| "expected PURCHASES,SUPPORT,WEB".to_owned())
}

/// Why nothing, or not everything, was generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// Options out of range, one a line.
    #[error("the options cannot be used:\n  {}", .0.join("\n  "))]
    Options(Vec<String>),
    /// The file cannot be written.
    #[error("{file}: cannot be written: {error}")]
    File {
        /// Which.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// Kafka did not take the records.
    #[error(transparent)]
    Kafka(#[from] ProduceError),
}

/// What was generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// All records.
    pub records: u64,
    /// Repeats among them.
    pub duplicates: u64,
    /// Shuffled ones.
    pub shuffled: u64,
    /// Late ones.
    pub late: u64,
    /// Malformed ones.
    pub malformed: u64,
}

impl Summary {
    fn count(&mut self, fault: Fault) {
        self.records += 1;
        match fault {
            Fault::None => {}
            Fault::Duplicate => self.duplicates += 1,
            Fault::Shuffled => self.shuffled += 1,
            Fault::Late => self.late += 1,
            Fault::Malformed => self.malformed += 1,
        }
    }
}

/// A line of the file. `value` is the record's text as a JSON string, because a malformed one is no JSON.
#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    partition: u16,
    kafka_ms: i64,
    key: &'a str,
    value: &'a str,
}

impl Args {
    fn options(&self, partitions: u16) -> Options {
        Options {
            seed: self.seed,
            customers: self.customers,
            zipf_exponent: self.zipf,
            events: self.events,
            start_ms: self.start,
            rate: self.rate,
            mix: self.mix.0,
            profiles: self.profiles,
            currency: self.currency.clone(),
            duplicates: self.duplicates,
            duplicate_delay_ms: self.duplicate_delay_ms,
            shuffle: self.shuffle,
            disorder_ms: self.disorder_ms,
            late: self.late,
            late_by_ms: self.late_by_ms,
            malformed: self.malformed,
            partitions,
            key_hash: self.partitioner,
            topics: self.topics.0.clone(),
        }
    }
}

/// Generates what the arguments say. `kafka` is used with `--brokers` only.
///
/// # Errors
/// Options out of range, a file that cannot be written, or Kafka's refusal.
pub fn run(args: &Args, kafka: &Kafka) -> Result<Summary, GenerateError> {
    if !(args.speed >= 0.0 && args.speed.is_finite()) {
        let text = "--speed: expected 0 or more".to_owned();
        return Err(GenerateError::Options(vec![text]));
    }
    match (&args.brokers, &args.out) {
        (Some(brokers), _) => {
            // Refused options are told before a connection is tried.
            let asked = args.options(args.partitions.unwrap_or(PARTITIONS_DEFAULT));
            Generator::new(asked).map_err(GenerateError::Options)?;
            let kafka = Kafka { brokers: brokers.clone(), ..kafka.clone() };
            let producer = TopicProducer::connect(&kafka)?;
            let create =
                args.create_topics.then_some(args.partitions.unwrap_or(PARTITIONS_DEFAULT));
            let partitions = producer.prepare_topics(&args.topics.0, args.partitions, create)?;
            let summary = pump(args, partitions, |topic, record| {
                producer.send(topic, record).map_err(GenerateError::from)
            })?;
            producer.finish()?;
            Ok(summary)
        }
        (None, Some(path)) if path == Path::new("-") => write_to(args, path, io::stdout().lock()),
        (None, Some(path)) => {
            let file = File::create(path).map_err(|error| file_error(path, error))?;
            write_to(args, path, file)
        }
        (None, None) => Err(GenerateError::Options(vec!["one of --out and --brokers".to_owned()])),
    }
}

fn file_error(path: &Path, error: io::Error) -> GenerateError {
    GenerateError::File { file: path.display().to_string(), error }
}

fn write_to(args: &Args, path: &Path, file: impl Write) -> Result<Summary, GenerateError> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let partitions = args.partitions.unwrap_or(PARTITIONS_DEFAULT);
    let summary = pump(args, partitions, |topic, record| {
        let Generated { partition, kafka_ms, key, value, .. } = record;
        let line = Line { topic, partition: *partition, kafka_ms: *kafka_ms, key, value };
        serde_json::to_writer(&mut out, &line).map_err(|e| file_error(path, e.into()))?;
        out.write_all(b"\n").map_err(|e| file_error(path, e))
    })?;
    out.flush().map_err(|e| file_error(path, e))?;
    Ok(summary)
}

fn pump(
    args: &Args,
    partitions: u16,
    mut take: impl FnMut(&str, &Generated) -> Result<(), GenerateError>,
) -> Result<Summary, GenerateError> {
    let mut generator = Generator::new(args.options(partitions)).map_err(GenerateError::Options)?;
    let mut summary = Summary::default();
    let begun = Instant::now();
    while let Some(record) = generator.next() {
        if args.speed > 0.0 {
            let event_s = (record.kafka_ms - args.start) as f64 / 1_000.0;
            let due = Duration::try_from_secs_f64(event_s / args.speed).unwrap_or(Duration::MAX);
            let early = due.saturating_sub(begun.elapsed());
            if early > PAUSE_MIN {
                std::thread::sleep(early);
            }
        }
        take(generator.topic(record.stream), &record)?;
        summary.count(record.fault);
    }
    Ok(summary)
}
