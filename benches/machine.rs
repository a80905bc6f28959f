//! The pure machine on generated events: nanoseconds an event and bytes a customer, beside decoding alone.
//!
//! `cargo bench --bench machine -- [EVENTS] [CUSTOMERS] [ROUNDS]`. Everything runs on one thread; only the machine's and
//! the decoders' own work is timed, the generator's is not. Ratios are between figures of the same round. Then, once:
//! the bytes of a customer who does everything, and how long a shard with many customers takes to be restored.
//!
//! `cargo bench --bench machine --no-default-features -- rules [EVENTS] [CUSTOMERS] [ROUNDS]` runs each round twice, without
//! and with the shipped alert rules, and nothing else.
//!
//! `cargo bench --bench machine --no-default-features -- sizes [EVENTS] [CUSTOMERS]` tells instead what is allocated at the
//! end of a round, by size: the sections of a profile can be told by theirs.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
#![allow(unsafe_code)] // the allocator that counts

use std::alloc::{GlobalAlloc, Layout};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use retain::decode::{DecodeContext, decode};
use retain::generate::{Generated, Generator, Options, Stream};
use retain::machine::{ClockReading, Identity, Machine, Progress};
use retain::model::batch::EventBatch;
use retain::model::effects::Effects;
use retain::model::record::Record;
use retain::plan::{Plan, RuleFile, parse, rules};

#[global_allocator]
static ALLOCATOR: Counting = Counting(mimalloc::MiMalloc);

/// The program's allocator, which counts what is live by size once it is told to.
struct Counting(mimalloc::MiMalloc);

/// Sizes told apart; what is larger counts as the last.
const SIZES: usize = 1_025;
static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static LIVE: [AtomicI64; SIZES] = [const { AtomicI64::new(0) }; SIZES];
/// Bytes of the larger ones, by the power of two that they have reached.
static LARGE_BYTES: [AtomicI64; 64] = [const { AtomicI64::new(0) }; 64];

fn count(size: usize, by: i64) {
    if IS_COUNTING.load(Ordering::Relaxed) {
        LIVE[size.min(SIZES - 1)].fetch_add(by, Ordering::Relaxed);
        if size >= SIZES - 1 {
            let at = size.ilog2() as usize;
            LARGE_BYTES[at].fetch_add(by * size as i64, Ordering::Relaxed);
        }
    }
}

// Every call goes to the allocator below with what it was called with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        unsafe { self.0.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(size, 1);
        unsafe { self.0.realloc(at, layout, size) }
    }
}

/// The allocator's size for a request: eighths of powers of two from 64 bytes on, and even numbers of words before.
fn size_class(size: usize) -> usize {
    match size {
        0..=8 => 8,
        9..=64 => size.next_multiple_of(16),
        _ => size.next_multiple_of((size - 1).next_power_of_two().max(128) / 8),
    }
}

const CHUNK: usize = 100_000;
const STEP: usize = 2_000;
const WARM_CHUNKS: usize = 3;

/// Freed memory is kept as long as the program keeps it (`shell/memory.rs`).
fn keep_freed() {
    unsafe { libmimalloc_sys::mi_option_set(15, 600_000) }
}

/// Resident bytes, without what is free and the system would get back in time.
fn rss_bytes() -> usize {
    unsafe { libmimalloc_sys::mi_collect(true) }
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    pages * 4096
}

fn source_of(stream: Stream) -> usize {
    match stream {
        Stream::Purchases => 0,
        Stream::Support => 1,
        Stream::Web => 2,
    }
}

#[derive(Default)]
struct Figures {
    events: u64,
    machine: Duration,
    effects: Duration,
    decode: Duration,
    value: Duration,
    effect_bytes: usize,
    state_records: usize,
    customers: usize,
    growth: f64,
    /// Of that, what the buffers of a cycle's effects have grown by: they are of the shard, however many customers it has.
    buffers: f64,
    grown_by: f64,
}

/// Time this thread has spent on a CPU: what other processes do meanwhile does not count.
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(stat.split_whitespace().next()?.parse().ok()?))
}

fn time<R>(total: &mut Duration, work: impl FnOnce() -> R) -> R {
    let (start, cpu_start) = (Instant::now(), cpu_time());
    let result = work();
    *total += match (cpu_start, cpu_time()) {
        (Some(start), Some(end)) => end - start,
        _ => start.elapsed(),
    };
    result
}

fn options(events: u64, customers: u64, rate: f64) -> Options {
    let currency = "USD".to_owned();
    Options { events, customers, partitions: 1, rate, currency, ..Options::default() }
}

fn empty_machine(plan: &Arc<Plan>) -> Machine {
    let identity = Identity { shard: 0, shards: 1, generation: 1, owner: "bench".to_owned() };
    Machine::new(plan.clone(), identity)
}

fn round(plan: &Arc<Plan>, events: u64, customers: u64) -> Figures {
    let options = options(events, customers, 100.0);
    let mut machine = empty_machine(plan);
    machine.start_at(&[0, 0, 0], 0);
    let mut figures = Figures::default();
    let mut generator = Generator::new(options).expect("the options are right");
    let mut offsets = [0_i64; 3];
    let (mut chunks, mut widest, mut warm) = (0, 0, (0, 0, 0));
    loop {
        let chunk: Vec<Generated> = generator.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        baselines(plan, &chunk, &mut figures);
        for effects in feed(&mut machine, &chunk, &mut offsets, &mut figures) {
            widest = widest.max(effects.len_bytes());
            machine.recycle(effects);
        }
        figures.events += chunk.len() as u64;
        chunks += 1;
        if chunks == WARM_CHUNKS {
            warm = (rss_bytes(), machine.customers(), widest);
        }
    }
    figures.customers = machine.customers();
    // what grows afterwards is state, and the buffers of a cycle as far as its effects are wider than those of the first
    figures.growth = rss_bytes().saturating_sub(warm.0) as f64;
    figures.buffers = (widest - warm.2) as f64;
    figures.grown_by = (machine.customers() - warm.1) as f64;
    figures
}

/// Everything of a chunk, and the cycles it takes: one, or more where one reaches a limit of its size.
fn feed(
    m: &mut Machine,
    chunk: &[Generated],
    offsets: &mut [i64; 3],
    f: &mut Figures,
) -> Vec<Effects> {
    let (mut now_ms, mut cycles) = (0, Vec::new());
    // as much at a time as a worker takes from its queues
    for step in chunk.chunks(STEP) {
        let mut batches: [Vec<(i64, &Generated)>; 3] = Default::default();
        for record in step {
            let source = source_of(record.stream);
            batches[source].push((offsets[source], record));
            offsets[source] += 1;
            now_ms = record.kafka_ms;
        }
        time(&mut f.machine, || {
            for (source, records) in (0_u8..).zip(&batches) {
                let mut borrowed = records.iter().map(|(offset, g)| Record {
                    offset: *offset,
                    kafka_ms: g.kafka_ms,
                    key: Some(g.key.as_bytes()),
                    payload: Some(g.value.as_bytes()),
                });
                m.offer(source, &mut borrowed);
                m.end_of(source, offsets[usize::from(source)]);
            }
        });
        let clock = ClockReading { now_ms, ends_confirmed_ms: None };
        loop {
            match time(&mut f.machine, || m.advance(STEP)) {
                Progress::More => {}
                Progress::Full => cycles.push(time(&mut f.effects, || m.end_cycle(clock))),
                Progress::Needs(_) | Progress::Idle => break,
            }
        }
    }
    let clock = ClockReading { now_ms, ends_confirmed_ms: None };
    cycles.push(time(&mut f.effects, || m.end_cycle(clock)));
    let counts = cycles.iter().flat_map(|effects| &effects.sources).map(|s| s.counts.consumed());
    assert_eq!(counts.sum::<u64>(), chunk.len() as u64);
    f.effect_bytes += cycles.iter().map(Effects::len_bytes).sum::<usize>();
    f.state_records += cycles.iter().map(|effects| effects.state.len()).sum::<usize>();
    cycles
}

/// Runs the generator's events through a machine and gives its state records as they stand at the end.
fn live_records(plan: &Arc<Plan>, options: Options) -> HashMap<Vec<u8>, Vec<u8>> {
    let mut machine = empty_machine(plan);
    machine.start_at(&[0, 0, 0], 0);
    let mut live = HashMap::new();
    let mut generator = Generator::new(options).expect("the options are right");
    let mut offsets = [0; 3];
    loop {
        let chunk: Vec<Generated> = generator.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            return live;
        }
        for effects in feed(&mut machine, &chunk, &mut offsets, &mut Figures::default()) {
            for (key, value) in effects.state.iter() {
                match value {
                    Some(value) => live.insert(key.to_vec(), value.to_vec()),
                    None => live.remove(key),
                };
            }
            machine.recycle(effects);
        }
    }
}

/// Customers each of whom does a thousand things in a year of event time: bytes of each. Few are generated and many
/// made of them, by other keys, for the growth of memory to show what they take.
fn active_customer(plan: &Arc<Plan>) {
    const CUSTOMERS: u64 = 1_000;
    const EVENTS_EACH: u64 = 1_000;
    const COPIES: u64 = 200;
    let rate = (CUSTOMERS * EVENTS_EACH) as f64 / (365.0 * 86_400.0);
    let options =
        Options { zipf_exponent: 1e-6, ..options(CUSTOMERS * EVENTS_EACH, CUSTOMERS, rate) };
    let mut live = live_records(plan, options);
    live.retain(|key, _| key.starts_with(b"p"));
    let mut machine = empty_machine(plan);
    // the first half takes up what memory was free already
    let mut before = (0, 0);
    for copy in 0..COPIES {
        if copy == COPIES / 2 {
            before = (rss_bytes(), machine.customers());
        }
        for (key, value) in &live {
            let key = [&key[..], format!("-{copy}").as_bytes()].concat();
            machine.restore(&key, Some(value)).expect("what was written can be read");
        }
    }
    let records: usize = live.values().map(Vec::len).sum();
    println!(
        "a customer with {EVENTS_EACH} events in a year: {} bytes (growth of RSS), {} in its state record",
        rss_bytes().saturating_sub(before.0) / (machine.customers() - before.1),
        records / live.len(),
    );
}

/// A state log of twice the live bytes: each record comes twice, as it may before compaction.
fn restore(plan: &Arc<Plan>, customers: u64) {
    // enough events and ids for about as many customers to have been seen
    let options = Options { zipf_exponent: 1e-6, ..options(customers * 6, customers * 2, 100.0) };
    let live = live_records(plan, options);
    let mut machine = empty_machine(plan);
    let mut taken = Duration::ZERO;
    time(&mut taken, || {
        for (key, value) in live.iter().chain(&live) {
            machine.restore(key, Some(value)).expect("what was written can be read");
        }
        machine.restored().expect("the definition is the same");
    });
    let bytes: usize = live.iter().map(|(key, value)| key.len() + value.len()).sum();
    println!(
        "restore of {} customers from {} MB of records, twice the live ones: {:.2} s",
        machine.customers(),
        bytes * 2 / 1_000_000,
        taken.as_secs_f64(),
    );
}

/// What a machine holds after a round, by size of allocation, a customer.
fn sizes(plan: &Arc<Plan>, events: u64, customers: u64) {
    IS_COUNTING.store(true, Ordering::Relaxed);
    let mut machine = empty_machine(plan);
    machine.start_at(&[0, 0, 0], 0);
    let mut generator = Generator::new(options(events, customers, 100.0)).expect("options");
    let mut offsets = [0; 3];
    loop {
        let chunk: Vec<Generated> = generator.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        drop(feed(&mut machine, &chunk, &mut offsets, &mut Figures::default()));
    }
    drop(generator);
    IS_COUNTING.store(false, Ordering::Relaxed);
    let seen = machine.customers() as f64;
    let (mut small, mut classes) = (0.0, 0.0);
    println!("{seen} customers seen; allocated for each, by size:");
    for (size, live) in LIVE.iter().enumerate().take(SIZES - 1) {
        let each = live.load(Ordering::Relaxed) as f64 / seen;
        let bytes = each * size as f64;
        small += bytes;
        classes += each * size_class(size) as f64;
        if bytes >= 1.0 {
            println!(
                "{size:5} bytes: {each:6.3} times, {bytes:6.1} bytes, {:6.1} in classes",
                each * size_class(size) as f64
            );
        }
    }
    println!("those of less than 1 KiB together {small:.1} bytes, {classes:.1} in classes");
    for (power, bytes) in LARGE_BYTES.iter().enumerate() {
        let each = bytes.load(Ordering::Relaxed) as f64 / seen;
        if each >= 0.1 {
            println!("from {:9} bytes on: {each:6.1} bytes", 1_u64 << power);
        }
    }
}

fn baselines(plan: &Plan, chunk: &[Generated], f: &mut Figures) {
    let mut batch = EventBatch::default();
    time(&mut f.decode, || {
        for record in chunk {
            let source = &plan.sources[source_of(record.stream)];
            let context = DecodeContext {
                default_type: source.default_type,
                reporting: plan.currency,
                rates: &plan.rates,
            };
            batch.clear();
            std::hint::black_box(decode(record.value.as_bytes(), &context, &mut batch)).ok();
        }
    });
    time(&mut f.value, || {
        for record in chunk {
            let value: serde_json::Value = serde_json::from_str(&record.value).unwrap();
            std::hint::black_box(value);
        }
    });
}

/// The definition with the shipped rules about customers and tickets.
fn with_rules(definition: &str) -> Arc<Plan> {
    let file = |name, text| RuleFile { name, text };
    let (found, problems) = rules(&[
        file("customers.toml", include_str!("../pipelines/alerts/customers.toml")),
        file("others.toml", include_str!("../pipelines/alerts/others.toml")),
        file("service.toml", include_str!("../pipelines/alerts/service.toml")),
    ]);
    let found = found.unwrap_or_else(|| panic!("{problems:?}"));
    let plan = parse(definition).0.expect("the shipped definition is right");
    Arc::new(Plan { alerts: Arc::new(found.set), ..plan })
}

/// Prints the figures of a round. Returns the cost of an event, ns.
fn report(n: u64, what: &str, f: &Figures) -> f64 {
    let ns = |d: Duration| d.as_nanos() as f64 / f.events as f64;
    let all = ns(f.machine) + ns(f.effects);
    println!(
        "round {n}, {what}: {all:.0} ns/event = {:.2} M/s (merge and apply {:.0}, effects {:.0}); decode alone {:.0}; \
         serde_json::Value alone {:.0}; all/Value {:.2}",
        1e3 / all,
        ns(f.machine),
        ns(f.effects),
        ns(f.decode),
        ns(f.value),
        all / ns(f.value),
    );
    println!(
        "         {} customers seen, {:.0} bytes each (growth of RSS; {:.0} of them a cycle's wider effects); {:.0} bytes of effects an event, {:.2} state records an event",
        f.customers,
        f.growth / f.grown_by,
        f.buffers / f.grown_by,
        f.effect_bytes as f64 / f.events as f64,
        f.state_records as f64 / f.events as f64,
    );
    all
}

fn main() {
    keep_freed();
    let arguments: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let argument = |at: usize, default: u64| arguments.get(at).copied().unwrap_or(default);
    let (events, customers, rounds) =
        (argument(0, 5_000_000), argument(1, 1_000_000), argument(2, 3));
    let text = include_str!("../pipelines/customers.toml");
    let plan = Arc::new(parse(text).0.expect("the shipped definition is right"));
    println!("events {events}, customers {customers}, rounds {rounds}");
    if std::env::args().any(|argument| argument == "sizes") {
        sizes(&plan, events, customers);
        return;
    }
    if std::env::args().any(|argument| argument == "rules") {
        let ruled = with_rules(text);
        for n in 1..=rounds {
            let without = report(n, "without rules", &round(&plan, events, customers));
            let with = report(n, "with rules", &round(&ruled, events, customers));
            println!("round {n}: rules add {:.0} ns/event", with - without);
        }
        return;
    }
    for n in 1..=rounds {
        report(n, "all", &round(&plan, events, customers));
    }
    active_customer(&plan);
    restore(&plan, customers);
}
