//! What producers must not send, and what they send too much of: one outcome each, nothing lost, bounded state.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/compare.rs"]
mod compare;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/spelling.rs"]
mod spelling;
#[path = "support/stream.rs"]
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use random::Random;
use retain::model::outcome::Outcome;
use retain::model::record::SourceIndex;
use retain::plan::Plan;
use sim::{Log, Runner, Schedule};
use stream::{BEGIN_MS, DAY_MS, PURCHASES, Shape, WEB, history, spell_time};

fn plan() -> Plan {
    let mut plan = plans::plan();
    plan.limits.rejects_percent_max = 100;
    plan.limits.rejects_run_max = u32::MAX;
    plan.sources[WEB].dedup_window_ms = 3_600_000;
    plan
}

fn soak() -> bool {
    std::env::var_os("RETAIN_SOAK").is_some()
}

/// Texts that break readers: of numbers, times, nesting, escapes.
const NASTY: [&str; 24] = [
    "1e999999",
    "-0",
    "-1",
    "9223372036854775808",
    "1e-400",
    "\"1e5\"",
    "0.000000000000000000000000000000000001",
    "999999999999999999999999999999999999999999",
    "\"NaN\"",
    "null",
    "true",
    "[]",
    "{}",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"9999-12-31T23:59:60Z\"",
    "\"2026-02-30T00:00:00Z\"",
    "\"0000-00-00T00:00:00Z\"",
    "\"2149-06-05T23:59:59+23:59\"",
    "\"2026-01-05T24:00:00Z\"",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]",
    "\"\u{202e}\u{0}\"",
    "\"opening\"",
    "\"web\"",
];

/// Changes the bytes of a record in one of many ways.
fn mutate(r: &mut Random, bytes: &mut Vec<u8>) {
    let len = bytes.len().max(1);
    let at = r.index(len).min(bytes.len());
    let to = (at + r.index(12)).min(bytes.len());
    match r.below(10) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..to)),
        2 => {
            let slice = bytes[at..to].to_vec();
            let into = r.index(len).min(bytes.len());
            bytes.splice(into..into, slice);
        }
        3 | 4 => {
            let byte = r.next() as u8;
            if let Some(b) = bytes.get_mut(at) {
                *b = byte;
            }
        }
        5 => bytes.insert(at, r.next() as u8),
        _ => replace_value(r, bytes),
    }
}

/// Puts a nasty text where a value stands.
fn replace_value(r: &mut Random, bytes: &mut Vec<u8>) {
    let colons: Vec<usize> =
        bytes.iter().enumerate().filter(|(_, b)| **b == b':').map(|(i, _)| i).collect();
    if colons.is_empty() {
        return;
    }
    let from = *r.pick(&colons) + 1;
    let len = bytes[from..].iter().position(|b| matches!(b, b',' | b'}')).unwrap_or(0);
    let nasty = r.pick(&NASTY).bytes();
    bytes.splice(from..from + len, nasty);
}

/// Records like any, most of them spoilt.
fn hostile_logs(seed: u64, records: usize) -> Vec<Log> {
    let shape = Shape { customers: 300, days: 60, events: 20_000, faults_permille: 5 };
    let made = history(seed, shape);
    let mut r = Random::new(seed);
    let mut logs = vec![Log::default(); 3];
    for n in 0..records {
        let m = &made[n * made.len() / records];
        let mut key = m.key.clone().map(String::into_bytes);
        let mut payload = m.payload.clone().map(String::into_bytes);
        for _ in 0..r.below(4) {
            payload.as_mut().into_iter().for_each(|p| mutate(&mut r, p));
        }
        match r.below(60) {
            0 => key = None,
            1 => payload = None,
            2 => key = Some(Vec::new()),
            3 => payload = Some(Vec::new()),
            4 => key.as_mut().into_iter().for_each(|k| mutate(&mut r, k)),
            _ => {}
        }
        let kafka_ms = match r.below(50) {
            0 => -1,
            1 => 0,
            2 => i64::MAX,
            3 => m.ts_ms - r.between(0, 40 * DAY_MS),
            _ => m.ts_ms,
        };
        // into any topic, whatever its default type
        let source = if r.percent(5) { r.index(3) } else { m.source };
        logs[source].push(0, kafka_ms, key, payload);
    }
    logs
}

#[test]
fn mutated_records_have_one_outcome_each() {
    let plan = Arc::new(plan());
    let rounds = if soak() { 20 } else { 1 };
    for seed in 0..rounds {
        let logs = hostile_logs(seed, 200_000);
        let mut runner = Runner::new(&plan, 0, 1, logs, Schedule::straight(seed));
        runner.drain();
        let mut sums = [0; 5];
        for (counts, log) in runner.counts.iter().zip(&runner.logs) {
            assert_eq!(counts.consumed(), log.entries.len() as u64);
            sums.iter_mut().zip(counts.by_outcome).for_each(|(s, n)| *s += n);
        }
        assert_eq!(sums.iter().sum::<u64>(), 200_000);
        assert!(sums[0] > 10_000 && sums[1] > 10_000 && sums[4] > 50_000, "{sums:?}");
        check_aside(&runner, sums);
        // the state that they left can be taken over
        runner.crash();
        runner.drain();
    }
}

/// Dead letters are late and rejected records and no others, with their bytes.
fn check_aside(runner: &Runner, sums: [u64; 5]) {
    let mut seen = BTreeSet::new();
    let mut reasons = BTreeMap::new();
    for letter in &runner.letters {
        let entry =
            &runner.logs[usize::from(letter.source)].range(letter.offset, letter.offset + 1)[0];
        assert_eq!((&letter.key, &letter.payload), (&entry.key, &entry.payload), "{letter:?}");
        assert_eq!(letter.kafka_ms, entry.kafka_ms);
        assert!(!letter.detail.is_empty() && letter.detail.len() <= 300, "{letter:?}");
        assert!(seen.insert((letter.source, letter.offset)), "twice: {letter:?}");
        *reasons.entry(letter.reason).or_insert(0_u64) += 1;
    }
    assert_eq!(runner.letters.len() as u64, sums[2] + sums[4]);
    assert!(reasons.len() >= 9, "{reasons:?}");
    for row in runner.tables.rows("events").filter(|row| row.text("type") != "session") {
        let source =
            ["purchases", "support", "web"].iter().position(|s| *s == row.text("source")).unwrap();
        let offset = row.int("offset") as i64;
        assert!(!seen.contains(&(source as SourceIndex, offset)), "{row:?}");
        let entry = &runner.logs[source].range(offset, offset + 1)[0];
        assert_eq!(Some(row.bytes("payload")), entry.payload.as_deref());
    }
}

/// One customer with as many events as a whole town, both in purchases and on the web.
fn hot_logs(events: i64) -> Vec<Log> {
    let mut logs = vec![Log::default(); 3];
    let step_ms = 200 * DAY_MS / events;
    for n in 0..events {
        let ts_ms = BEGIN_MS + n * step_ms;
        let common =
            format!(r#""event_id":"e{n}","customer_id":"hot","ts":"{}""#, spell_time(ts_ms, 0));
        let (source, payload) = match n % 2 {
            0 => (PURCHASES, format!(r#"{{{common},"amount":"{}.25","currency":"USD"}}"#, n % 90)),
            _ => {
                let session = ts_ms.div_euclid(1_500_000);
                (WEB, format!(r#"{{{common},"action":"page_view","session_id":"s{session}"}}"#))
            }
        };
        logs[source].push(0, ts_ms, Some(b"hot".to_vec()), Some(payload.into_bytes()));
        // what has just been sent is sent again now and then
        if n % 10 < 2 && n > 20 {
            let entries = &logs[source].entries;
            let again = entries[entries.len() - 8].clone();
            logs[source].push(0, ts_ms, again.key, again.payload);
        }
    }
    logs
}

/// Times after 2106 do not fit the seconds that ids are kept with; what is forgotten of them still counts once.
#[test]
fn the_far_future_counts_once() {
    let mut plan = plan();
    plan.sources[PURCHASES].dedup_ids_max = 8;
    let far_ms = 4_733_510_400_000; // 2120
    let mut log = Log::default();
    for n in (0..20).chain(0..20) {
        let ts = spell_time(far_ms + n * 1_000, 0);
        let payload = format!(
            r#"{{"event_id":"f{n}","customer_id":"far","ts":"{ts}","amount":1,"currency":"USD"}}"#
        );
        log.push(0, far_ms + 60_000, Some(b"far".to_vec()), Some(payload.into_bytes()));
    }
    let logs = vec![log, Log::default(), Log::default()];
    let mut runner = Runner::new(&Arc::new(plan), 0, 1, logs, Schedule::straight(1));
    runner.drain();
    let row = runner.tables.rows("customers").next().unwrap();
    let applied = runner.counts[PURCHASES].of(Outcome::Applied);
    assert_eq!(row.int("orders"), i128::from(applied));
    assert!((8..=20).contains(&applied), "{:?}", runner.counts);
}

#[test]
fn a_hot_customer_stays_small() {
    let mut plan = plan();
    plan.limits.cycle_bytes_max = 4_000_000;
    plan.limits.cycle_records_max = 1_000_000;
    let plan = Arc::new(plan);
    let logs = hot_logs(if soak() { 4_000_000 } else { 400_000 });
    let schedule = Schedule { cut_percent: 0, ..Schedule::straight(1) };
    let mut runner = Runner::new(&plan, 0, 1, logs.clone(), schedule);
    runner.drain();
    assert!(runner.state_record_max < 1_000_000, "{}", runner.state_record_max);
    assert!(runner.cycles.len() > 10, "{} cycles", runner.cycles.len());
    assert!(runner.effects_max < plan.limits.cycle_bytes_max, "{}", runner.effects_max);
    let expected = oracle::recompute(&plan, (0, 1), &logs);
    compare::check_shard(&plan, &runner, &expected);
    let of = |s: usize, o: Outcome| runner.counts[s].of(o);
    assert!(of(PURCHASES, Outcome::Duplicate) > 10_000 && of(WEB, Outcome::Duplicate) > 10_000);
    assert_eq!(of(PURCHASES, Outcome::Late) + of(WEB, Outcome::Late), 0);
}
