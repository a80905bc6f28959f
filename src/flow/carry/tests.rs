//! Decisions of the carrier, table by table of errors, and hostile blocks.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::wire::rows::TableRows;

fn gaps(rows: u32) -> Block {
    let mut table = TableRows::new(Table::Gaps);
    for n in 0..rows {
        let offset = i64::from(n);
        table
            .row()
            .u16(1)
            .text(b"web")
            .i64(offset)
            .i64(offset + 1)
            .u64(7)
            .u8(0)
            .i64(5)
            .text(b"retention");
    }
    let mut blocks = Vec::new();
    table.take_into(&mut blocks);
    let block = blocks.pop().unwrap();
    Block { table: block.table, count: block.count, bytes: block.bytes, partition: 0, offset: 0 }
}

fn after(kind: ErrorKind, blocks: usize, attempt: u32) -> Decision {
    decide(&SinkError::new(kind, Table::Gaps, "why"), blocks, attempt, &Backoff::default(), 0.0)
}

#[test]
fn passing_errors_are_repeated_for_ever() {
    for kind in [ErrorKind::Unreachable, ErrorKind::Exception(241), ErrorKind::Exception(252)] {
        assert_eq!(after(kind, 5, 1), Decision::RetryAfter { wait_ms: 100, needs_person: false });
        assert_eq!(
            after(kind, 1, 1_000),
            Decision::RetryAfter { wait_ms: 15_000, needs_person: false }
        );
    }
    assert_eq!(
        after(ErrorKind::Exception(516), 1, 1),
        Decision::RetryAfter { wait_ms: 100, needs_person: true }
    );
}

#[test]
fn refusals_are_split_until_one_block_is_left() {
    for kind in [ErrorKind::BrokenBlock, ErrorKind::Exception(60), ErrorKind::Exception(53)] {
        assert_eq!(after(kind, 2, 1), Decision::Split);
        assert_eq!(after(kind, 1, 1), Decision::StopTable("insert into gaps: why".to_owned()));
    }
}

#[test]
fn an_unknown_exception_is_a_refusal_in_the_end() {
    assert!(matches!(after(ErrorKind::Exception(12_345), 1, 7), Decision::RetryAfter { .. }));
    assert_eq!(after(ErrorKind::Exception(12_345), 3, 8), Decision::Split);
}

#[test]
fn waits_double_up_to_a_limit_and_spread() {
    let backoff = Backoff { first_ms: 100, max_ms: 1_000 };
    let waits: Vec<_> = (1..7).map(|n| backoff.wait_ms(n, 1.0)).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
    assert_eq!(backoff.wait_ms(u32::MAX, 0.0), 500);
}

#[test]
fn codes_are_read_from_answers() {
    assert_eq!(exception_code("Code: 60. DB::Exception: Table x does not exist"), Some(60));
    assert_eq!(exception_code("<html>502 Bad Gateway</html>"), None);
    assert_eq!(exception_code("Code: x"), None);
}

#[test]
fn blocks_with_equal_headers_are_joined_within_the_limit() {
    let [one, two] = [gaps(3), gaps(4)];
    let mut other = gaps(1);
    let at = other.bytes.windows(5).position(|w| w == b"shard").unwrap();
    other.bytes[at] = b'S';
    let broken = Block { bytes: vec![9], ..gaps(1) };
    let runs = inserts(&[&one, &two, &other, &two, &broken, &broken], 1 << 20);
    assert_eq!(runs.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1, 1, 1]);
    let runs = inserts(&[&one, &one, &one], 2 * one.bytes.len());
    assert_eq!(runs.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_whole_block_passes_and_every_cut_is_found() {
    let block = gaps(3);
    assert_eq!(check_block(&block.bytes, 3), Ok(()));
    for cut in 0..block.bytes.len() {
        assert!(check_block(&block.bytes[..cut], 3).is_err(), "cut at {cut}");
    }
    assert!(check_block(&block.bytes, 2).unwrap_err().contains("bytes after its 2 rows"));
    assert!(check_block(&block.bytes, 4).unwrap_err().contains("within row 3 of 4"));
}

#[test]
fn hostile_lengths_do_not_overflow() {
    assert!(check_block(&[0], 1).is_err());
    assert!(header_of(&[0xff; 12]).is_none());
    let mut bytes = gaps(1).bytes;
    let from = header_of(&bytes).unwrap().len();
    bytes.truncate(from + 2);
    bytes.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    assert!(check_block(&bytes, 1).is_err());
}

#[test]
fn every_table_of_the_encoders_is_readable() {
    for table in Table::ALL {
        let header = crate::wire::rows::header(table);
        assert_eq!(header_of(&header), Some(header.as_slice()));
        assert_eq!(check_block(&header, 0), Ok(()), "{}", table.name());
    }
}
