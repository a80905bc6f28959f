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
        for (source, stream) in [Stream::Purchases, Stream::Support, Stream::Web].iter().enumerate() {
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
    let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
    for value in records.values() {
        let p: Profile = postcard::from_bytes(value).unwrap();
        let len = |v: Vec<u8>| v.len();
        *parts.entry("all").or_default() += value.len();
        *parts.entry("ids").or_default() += len(postcard::to_stdvec(&p.ids).unwrap());
        *parts.entry("ids n").or_default() += p.ids.len();
        *parts.entry("said").or_default() += len(postcard::to_stdvec(&p.said).unwrap());
        *parts.entry("web").or_default() += len(postcard::to_stdvec(&p.web).unwrap());
        *parts.entry("web n").or_default() += usize::from(p.web.is_some());
        *parts.entry("sessions").or_default() += p.web.as_ref().map_or(0, |w| w.sessions.len());
        *parts.entry("purchases").or_default() += len(postcard::to_stdvec(&p.purchases).unwrap());
        *parts.entry("purchases n").or_default() += usize::from(p.purchases.is_some());
        *parts.entry("more").or_default() += len(postcard::to_stdvec(&p.more).unwrap());
        if let Some(more) = &p.more {
            *parts.entry("more n").or_default() += 1;
            *parts.entry("more sums").or_default() += len(postcard::to_stdvec(&more.sums).unwrap());
            *parts.entry("more sums n").or_default() += more.sums.len();
            *parts.entry("more intents").or_default() += len(postcard::to_stdvec(&more.intents).unwrap());
            *parts.entry("more care").or_default() += len(postcard::to_stdvec(&more.care).unwrap());
            *parts.entry("more offers").or_default() += len(postcard::to_stdvec(&more.offers).unwrap());
            *parts.entry("more rare").or_default() += len(postcard::to_stdvec(more.rare()).unwrap());
        }
    }
    for (name, sum) in &parts {
        println!("{name:20} {:.1}", *sum as f64 / records.len() as f64);
    }
    let bytes: usize = records.values().map(Vec::len).sum();
    assert_eq!(size_of::<Slot>(), 64);
    assert!(bytes / records.len() < 200, "{} bytes of {} customers", bytes, records.len());
}
