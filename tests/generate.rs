//! The generator: the same seed gives the same bytes, shares are as asked, records keep the contract's shape.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use retain::generate::{Fault, Generated, Generator, KeyHash, Options, SplitMix64, Stream, Zipf};
use retain::model::partition::{crc32, murmur2};
use serde_json::Value;

fn generate(options: &Options) -> Vec<Generated> {
    Generator::new(options.clone()).expect("the options are valid").collect()
}

fn small() -> Options {
    Options { events: 20_000, customers: 1_000, ..Options::default() }
}

fn faulty() -> Options {
    Options { duplicates: 0.1, shuffle: 0.2, late: 0.01, malformed: 0.02, ..small() }
}

fn share(records: &[Generated], of: impl Fn(&Generated) -> bool) -> f64 {
    records.iter().filter(|r| of(r)).count() as f64 / records.len() as f64
}

fn ts_ms(value: &Value) -> i64 {
    value["ts"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let one = generate(&faulty());
    assert_eq!(one, generate(&faulty()));
    assert_ne!(one, generate(&Options { seed: 2, ..faulty() }));
}

#[test]
fn faults_do_not_change_the_events() {
    let clean: BTreeSet<String> = generate(&small()).into_iter().map(|r| r.value).collect();
    assert_eq!(clean.len(), 20_000);
    let faulty = generate(&Options { duplicates: 0.1, shuffle: 0.2, late: 0.05, ..small() });
    let seen: BTreeSet<String> = faulty.into_iter().map(|r| r.value).collect();
    assert_eq!(clean, seen, "repeats and delays add and lose no event");
}

#[test]
fn faults_come_in_the_shares_asked_for() {
    let records = generate(&faulty());
    let count = |fault: Fault| records.iter().filter(|r| r.fault == fault).count();
    let malformed = count(Fault::Malformed);
    assert_eq!(records.len() - count(Fault::Duplicate), 20_000);
    assert!((300..500).contains(&malformed), "{malformed} malformed of 20000, expected about 400");
    let duplicates = count(Fault::Duplicate);
    assert!((1_800..2_100).contains(&duplicates), "{duplicates} repeats, expected about 1960");
    let shuffled = count(Fault::Shuffled);
    assert!((3_800..4_200).contains(&shuffled), "{shuffled} shuffled, expected about 4000");
    let late = count(Fault::Late);
    assert!((140..260).contains(&late), "{late} late, expected about 200");
    assert_eq!(share(&generate(&small()), |r| r.fault == Fault::None), 1.0);
}

#[test]
fn faults_are_what_they_say() {
    let options = faulty();
    let mut seen = BTreeSet::new();
    let mut frontier = BTreeMap::new();
    for record in generate(&options) {
        let place = (record.stream, record.partition);
        let before = frontier.get(&place).copied().unwrap_or(i64::MIN);
        if record.fault == Fault::Malformed {
            continue;
        }
        let value: Value = serde_json::from_str(&record.value).unwrap();
        let behind = record.kafka_ms - ts_ms(&value);
        match record.fault {
            Fault::None => assert_eq!(behind, 0),
            Fault::Shuffled => assert!((1..=options.disorder_ms).contains(&behind), "{behind} ms"),
            Fault::Late => assert!(behind >= options.late_by_ms, "{behind} ms"),
            Fault::Duplicate | Fault::Malformed => {}
        }
        let new = seen.insert((record.stream, value["event_id"].to_string()));
        assert_eq!(new, record.fault != Fault::Duplicate, "{record:?}");
        assert!(record.kafka_ms >= before, "kafka's time fell at {record:?}");
        frontier.insert(place, record.kafka_ms);
    }
}

#[test]
fn well_formed_records_have_what_the_contract_requires() {
    let mut types: BTreeMap<String, u64> = BTreeMap::new();
    for record in generate(&faulty()).iter().filter(|r| r.fault != Fault::Malformed) {
        let value: Value = serde_json::from_str(&record.value).expect("a JSON text");
        let text = |field: &str| {
            let text =
                value[field].as_str().unwrap_or_else(|| panic!("{field} in {}", record.value));
            assert!(!text.is_empty(), "{field} is empty in {}", record.value);
            text.to_owned()
        };
        assert_eq!(text("customer_id"), record.key);
        assert!(text("event_id").len() <= 64);
        assert!(ts_ms(&value) > 0);
        let kind = text("type");
        let stream = match kind.as_str() {
            "purchase" | "refund" => {
                assert!(text("amount").parse::<f64>().unwrap() > 0.0);
                assert_eq!(text("currency"), "EUR");
                text("order_id");
                Stream::Purchases
            }
            "profile" => {
                for field in ["region", "industry", "segment", "owner_id", "name"] {
                    text(field);
                }
                assert!(value["key"].is_boolean());
                Stream::Purchases
            }
            "support" => {
                for field in ["ticket_id", "kind", "channel"] {
                    text(field);
                }
                let action = text("action");
                if action == "rated" {
                    assert!((1..=5).contains(&value["csat"].as_u64().unwrap()));
                }
                *types.entry(action).or_default() += 1;
                Stream::Support
            }
            "web" => {
                for field in ["action", "session_id", "url"] {
                    text(field);
                }
                Stream::Web
            }
            other => panic!("no such type: {other}"),
        };
        assert_eq!(record.stream, stream);
        *types.entry(kind).or_default() += 1;
    }
    for name in [
        "purchase", "refund", "profile", "web", "support", "opened", "replied", "resolved",
        "reopened", "rated",
    ] {
        assert!(types.get(name).is_some_and(|n| *n > 0), "no {name} among {types:?}");
    }
}

#[test]
fn malformed_records_break_the_contract() {
    let options = Options { malformed: 1.0, events: 2_000, start_ms: 853_113_600_000, ..small() };
    for record in generate(&options) {
        let broken = match serde_json::from_str::<Value>(&record.value) {
            Err(_) => true,
            Ok(value) => {
                value["customer_id"].as_str().is_none()
                    || value["ts"].as_str().unwrap().parse::<jiff::Timestamp>().is_err()
                    || value["type"].as_str().unwrap().starts_with("un")
            }
        };
        assert!(broken, "this is not malformed: {}", record.value);
    }
}

#[test]
fn the_mix_is_as_asked() {
    let records = generate(&Options { events: 50_000, profiles: 0.0, ..Options::default() });
    for (stream, expected) in
        [(Stream::Web, 0.85), (Stream::Purchases, 0.10), (Stream::Support, 0.05)]
    {
        let found = share(&records, |r| r.stream == stream);
        assert!((found - expected).abs() < 0.01, "{stream:?}: {found}, expected {expected}");
    }
}

#[test]
fn tickets_live_in_order_and_orders_exist_before_their_refund() {
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    let mut orders = BTreeSet::new();
    for record in generate(&small()) {
        let value: Value = serde_json::from_str(&record.value).unwrap();
        match value["type"].as_str().unwrap() {
            "support" => {
                let action = value["action"].as_str().unwrap().to_owned();
                let before = last.insert(value["ticket_id"].to_string(), action.clone());
                let allowed = match before.as_deref() {
                    None => action == "opened",
                    Some("opened" | "replied" | "reopened") => {
                        action == "replied" || action == "resolved"
                    }
                    Some("resolved") => action == "reopened" || action == "rated",
                    Some(_) => false,
                };
                assert!(allowed, "{action} after {before:?}");
            }
            "purchase" => {
                assert!(orders.insert(value["order_id"].to_string()), "an order number twice")
            }
            "refund" => {
                assert!(orders.contains(&value["order_id"].to_string()), "refund without order")
            }
            _ => {}
        }
    }
}

#[test]
fn visits_are_sessions_of_one_customer() {
    let mut sessions: BTreeMap<String, (String, u32)> = BTreeMap::new();
    for record in generate(&Options { mix: [1.0, 0.0, 0.0], profiles: 0.0, rate: 1.0, ..small() }) {
        let value: Value = serde_json::from_str(&record.value).unwrap();
        let entry =
            sessions.entry(value["session_id"].to_string()).or_insert((record.key.clone(), 0));
        assert_eq!(entry.0, record.key);
        entry.1 += 1;
    }
    let clicks = 20_000.0 / sessions.len() as f64;
    // Six on average; at this rate about 120 sessions are still open at the end.
    assert!((5.5..6.5).contains(&clicks), "{clicks} clicks a session");
}

/// Shares of the most active customers against the exact law, for s = 1 and another exponent.
#[test]
fn customers_follow_zipf() {
    for (s, n) in [(1.0, 1_000_u64), (1.5, 1_000), (0.5, 100)] {
        let zipf = Zipf::new(n, s);
        let mut random = SplitMix64::new(42);
        let draws = 200_000;
        let mut counts = vec![0_u32; n as usize + 1];
        for _ in 0..draws {
            counts[zipf.sample(&mut random) as usize] += 1;
        }
        assert_eq!(counts[0], 0);
        let total: f64 = (1..=n).map(|k| (k as f64).powf(-s)).sum();
        for k in [1_u64, 2, 3, 10, 50] {
            let expected = (k as f64).powf(-s) / total * f64::from(draws);
            let found = f64::from(counts[k as usize]);
            // Five standard deviations.
            assert!(
                (found - expected).abs() < 5.0 * expected.sqrt(),
                "s={s} k={k}: {found}, not {expected}"
            );
        }
    }
    assert_eq!(Zipf::new(1, 1.0).sample(&mut SplitMix64::new(1)), 1);
}

#[test]
fn the_head_is_as_busy_as_zipf_says() {
    let options = Options { mix: [0.0, 1.0, 0.0], profiles: 0.0, ..small() };
    let found = share(&generate(&options), |r| r.key == "c-0000001");
    // 1 / H(1000) = 0.1336; refunds repeat recent customers and change little.
    assert!((found - 0.1336).abs() < 0.015, "the head has {found} of the purchases");
}

#[test]
fn keys_hash_to_their_partition() {
    for record in generate(&Options { partitions: 6, events: 2_000, ..small() }) {
        let hash = murmur2(record.key.as_bytes()) & 0x7fff_ffff;
        assert_eq!(u32::from(record.partition), hash % 6, "{}", record.key);
    }
    let options = Options { partitions: 6, events: 2_000, key_hash: KeyHash::Crc32, ..small() };
    let records = generate(&options);
    for record in &records {
        assert_eq!(u32::from(record.partition), crc32(record.key.as_bytes()) % 6, "{}", record.key);
    }
    assert_eq!(records.iter().map(|r| r.partition).collect::<BTreeSet<_>>().len(), 6);
}

#[test]
fn options_out_of_range_are_told_all_at_once() {
    let options = Options {
        customers: 0,
        rate: f64::NAN,
        mix: [0.0; 3],
        late: 0.6,
        shuffle: 0.6,
        malformed: 1.5,
        currency: "eur".to_owned(),
        topics: ["a".to_owned(), "a".to_owned(), String::new()],
        ..Options::default()
    };
    let told = Generator::new(options).expect_err("these options must be refused");
    for part in [
        "--customers",
        "--rate",
        "--mix",
        "--malformed",
        "together",
        "--start",
        "--currency",
        "--topics",
    ] {
        assert!(told.iter().any(|t| t.contains(part)), "nothing says {part}: {told:#?}");
    }
}
