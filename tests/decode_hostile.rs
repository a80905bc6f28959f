//! Nothing a producer can send makes the decoder panic, or leave traces of a refused record in its batch.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/dice.rs"]
mod dice;
mod records;

use dice::Dice;
use records::{context, full, record};
use retain::decode::decode;
use retain::model::batch::EventBatch;
use retain::model::event::EventType;
use retain::model::outcome::Reject;

const PIECES: &[&[u8]] = &[
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\",
    b"\\u",
    b"\\ud83d",
    b"null",
    b"true",
    b"-",
    b"1e999",
    b"0",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\0",
    b"\n",
    b"NaN",
    b"1e-400",
    b"99999999999999999999",
    b"\"amount\":",
    b"\"ts\":",
    b"2026-02-30T25:61:61Z",
    b"\xe2\x82\xac",
    b".",
    b"+",
    b"\"type\":\"web\"",
];

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len() + 1);
        match dice.roll(6) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = dice.roll(256) as u8,
            2 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            3 => {
                let end = (at + dice.roll(12)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + dice.roll(40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = dice.roll(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            _ => {
                let piece = PIECES[dice.roll(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}

/// 200,000 damaged records, every eighth a run of arbitrary pieces instead: one verdict each, no panic, no trace of a refused
/// record in the batch, and every span of an accepted one inside it.
#[test]
fn nothing_panics_and_rejects_leave_no_trace() {
    let rounds = if std::env::var_os("RETAIN_SOAK").is_some() { 5_000_000 } else { 200_000 };
    let good: Vec<_> =
        EventType::ALL.iter().map(|t| record(t.name(), full(*t)).into_bytes()).collect();
    let mut dice = Dice(0x5EED_0001);
    let mut batch = EventBatch::default();
    let (mut accepted, mut by_reason) = (0_u32, std::collections::BTreeMap::new());
    for round in 0..rounds {
        let bytes = if round % 8 == 7 {
            (0..dice.roll(12)).flat_map(|_| PIECES[dice.roll(PIECES.len())].to_vec()).collect()
        } else {
            let mut bytes = good[dice.roll(good.len())].clone();
            mutate(&mut bytes, &mut dice);
            bytes
        };
        let before = (batch.len_bytes(), batch.unknown_fields);
        match decode(&bytes, &context(None), &mut batch) {
            Ok(event) => {
                accepted += 1;
                assert!((1..=64).contains(&batch.bytes(event.event_id).len()));
                assert!((1..=128).contains(&batch.bytes(event.customer_id).len()));
                assert_eq!(batch.bytes(event.raw), bytes);
            }
            Err(reject) => {
                assert_eq!((batch.len_bytes(), batch.unknown_fields), before);
                assert!(
                    reject.detail.len() <= Reject::DETAIL_BYTES_MAX && !reject.detail.is_empty()
                );
                *by_reason.entry(reject.reason.name()).or_insert(0_u32) += 1;
            }
        }
        if batch.len_bytes() > 1 << 20 {
            batch.clear();
        }
    }
    // The mutations reach every corner: neither all refused nor all for one reason.
    assert!(accepted as usize > rounds / 50, "{accepted} accepted");
    for reason in ["bad_json", "missing_field", "bad_field", "unknown_type", "time_range"] {
        assert!(by_reason.contains_key(reason), "{reason} never seen: {by_reason:?}");
    }
}
