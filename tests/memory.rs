//! What a customer of the generator's mix costs: the length of the state records, which are how profiles sleep, and the size of what
//! every customer has. (What the allocator and the system make of it only the bench can tell.)
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use retain::engine::profile::Profile;
use retain::engine::store::Slot;
use retain::generate::{Generator, Options, Stream};
use retain::machine::{ClockReading, Identity, Machine, Progress};
use retain::model::record::Record;

const EVENTS: u64 = 100_000;
const CYCLE: usize = 10_000;

/// Bytes of a state record on average. A byte more is a byte more of every customer, in memory and in the state topic.
const SLEEPING_MAX: f64 = 290.0;

/// The state records of customers after the generator's events.
fn records(options: Options) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let (plan, problems) = retain::plan::parse(include_str!("../pipelines/customers.toml"));
    let plan = Arc::new(plan.unwrap_or_else(|| panic!("{problems:?}")));
    let identity = Identity { shard: 0, shards: 1, generation: 1, owner: "test".to_owned() };
    let mut machine = Machine::new(plan, identity);
    machine.start_at(&[0, 0, 0], 0);
    let made: Vec<_> = Generator::new(options).unwrap().collect();
    let mut offsets = [0; 3];
    let mut records = BTreeMap::new();
    for cycle in made.chunks(CYCLE) {
        for (source, stream) in [Stream::Purchases, Stream::Support, Stream::Web].iter().enumerate()
        {
            let mut batch = cycle.iter().filter(|made| made.stream == *stream).map(|made| {
                offsets[source] += 1;
                Record {
                    offset: offsets[source] - 1,
                    kafka_ms: made.kafka_ms,
                    key: Some(made.key.as_bytes()),
                    payload: Some(made.value.as_bytes()),
                }
            });
            machine.offer(source as u8, &mut batch);
            machine.end_of(source as u8, offsets[source]);
        }
        while machine.advance(CYCLE) == Progress::More {}
        let now_ms = cycle.last().unwrap().kafka_ms;
        let effects = machine.end_cycle(ClockReading { now_ms, ends_confirmed_ms: None });
        for (key, value) in effects.state.iter().filter(|(key, _)| key[0] == b'p') {
            records.insert(key.to_vec(), value.unwrap().to_vec());
        }
    }
    assert_eq!(records.len(), machine.customers());
    records
}

/// Twenty events a customer seen, as in the bench of the machine: most have few, some have thousands.
#[test]
fn a_customer_of_the_usual_mix_sleeps_in_few_bytes() {
    let options = Options {
        events: EVENTS,
        customers: EVENTS / 5,
        partitions: 1,
        rate: 2.0,
        currency: "USD".to_owned(),
        ..Options::default()
    };
    let records = records(options);
    let bytes: usize = records.values().map(Vec::len).sum();
    let mean = bytes as f64 / records.len() as f64;
    assert!(mean <= SLEEPING_MAX, "{mean} bytes each of {} customers", records.len());
    let sound = |value: &[u8]| postcard::from_bytes::<Profile>(value).is_ok();
    assert!(records.values().all(|value| sound(value)), "the records are not what they seem to be");
    assert_eq!(size_of::<Slot>(), 64, "everybody has a slot, asleep or awake");
}
