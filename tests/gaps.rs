//! Gaps: offsets that retention removed are told of once, also when the shard crashes before the merge has come to them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/plans.rs"]
mod plans;
#[path = "support/rowbinary.rs"]
mod rowbinary;

use std::sync::Arc;

use retain::machine::{ClockReading, Identity, Machine, Progress};
use retain::model::effects::Effects;
use retain::model::record::Record;
use retain::model::table::Table;
use rowbinary::read_rows;

const NOW_MS: i64 = 1_700_000_000_000;
const CLOCK: ClockReading = ClockReading { now_ms: NOW_MS, ends_confirmed_ms: None };
const PURCHASES: u8 = 0;

fn machine() -> Machine {
    let identity = Identity { shard: 0, shards: 1, generation: 1, owner: "test".to_owned() };
    Machine::new(Arc::new(plans::plan()), identity)
}

fn offer_purchases(machine: &mut Machine, offsets: std::ops::Range<i64>) {
    let ts = jiff::Timestamp::from_millisecond(NOW_MS).unwrap();
    let events: Vec<String> = offsets
        .clone()
        .map(|n| {
            format!(
                "{{\"event_id\":\"e{n}\",\"customer_id\":\"c1\",\"ts\":\"{ts}\",\"type\":\"purchase\",\
                 \"amount\":\"1.00\",\"currency\":\"USD\"}}"
            )
        })
        .collect();
    let mut records = offsets.zip(&events).map(|(offset, event)| Record {
        offset,
        kafka_ms: NOW_MS,
        key: Some(b"c1"),
        payload: Some(event.as_bytes()),
    });
    machine.offer(PURCHASES, &mut records);
}

/// The gaps that effects tell of: first offset that is gone, first one that is there.
fn gaps(effects: &Effects) -> Vec<(i128, i128)> {
    let blocks = effects.rows.iter().filter(|block| block.table == Table::Gaps);
    let rows = blocks.flat_map(|block| read_rows(&block.bytes, block.count));
    rows.map(|row| (row.int("offset_from"), row.int("offset_to"))).collect()
}

/// Five purchases are read, then everything before offset 20 is gone; the other sources hold the merge back.
fn with_a_gap_ahead() -> Machine {
    let mut machine = machine();
    machine.restored().unwrap();
    machine.start_at(&[0, 0, 0], 0);
    offer_purchases(&mut machine, 0..5);
    machine.skip_to(PURCHASES, 20, NOW_MS, "removed");
    assert_eq!(machine.read_position(PURCHASES), 20);
    assert!(matches!(machine.advance(100), Progress::Needs(_)));
    machine
}

#[test]
fn a_gap_behind_waiting_records_is_told_when_the_merge_passes_it() {
    let mut machine = with_a_gap_ahead();
    let before = machine.end_cycle(CLOCK);
    assert_eq!((gaps(&before), before.sources[0].offset_to), (vec![], 0));

    machine.end_of(1, 0);
    machine.end_of(2, 0);
    assert!(matches!(machine.advance(100), Progress::Needs(PURCHASES)));
    assert!(machine.has_work(CLOCK));
    let passing = machine.end_cycle(CLOCK);
    assert_eq!((gaps(&passing), passing.sources[0].offset_to), (vec![(5, 20)], 20));
    assert_eq!(passing.sources[0].counts.consumed(), 5);
    assert_eq!(gaps(&machine.end_cycle(CLOCK)), vec![]);
}

#[test]
fn a_crash_before_the_gap_leaves_one_gap_and_no_overlap() {
    let mut machine = with_a_gap_ahead();
    let committed = machine.end_cycle(CLOCK);
    drop(machine);

    // The next owner goes on where the last commit stood, and finds more removed.
    let mut next = self::machine();
    for (key, value) in committed.state.iter() {
        next.restore(key, value).unwrap();
    }
    next.restored().unwrap();
    assert_eq!(next.read_position(PURCHASES), 0);
    next.skip_to(PURCHASES, 20, NOW_MS, "removed");
    assert!(next.has_work(CLOCK), "a gap at the position itself is told at once");
    let told = next.end_cycle(CLOCK);
    assert_eq!((gaps(&committed), gaps(&told)), (vec![], vec![(0, 20)]));
}
