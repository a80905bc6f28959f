//! Remembered ids as the state holds them, and customers that sleep: each by the seconds since the one before it, so that most
//! take nine bytes. See `ids`.

use super::Id;
use super::run::FLOOR_BIT;
use crate::model::record::SourceIndex;
use crate::wire::rows::put_varint;

/// Bytes of a hash.
const HASH: usize = 8;

/// What stands before the ids of a source.
pub struct Head {
    /// The source.
    pub source: SourceIndex,
    /// The latest second that an id was forgotten of.
    pub floor_s: Option<u32>,
    /// Number of ids.
    pub count: usize,
}

/// Appends the ids of a source: the source (upper bit: there is a floor), their number, the second of the floor, if there is one,
/// and for each id the seconds since the one before it, and its hash.
pub fn put(
    out: &mut Vec<u8>,
    source: SourceIndex,
    floor_s: Option<u32>,
    ids: impl ExactSizeIterator<Item = Id>,
) {
    let bit = if floor_s.is_some() { FLOOR_BIT } else { 0 };
    out.push(source | bit);
    put_varint(out, ids.len() as u64);
    if let Some(second) = floor_s {
        put_varint(out, second.into());
    }
    let mut before = 0;
    for (second, hash) in ids {
        put_varint(out, second.wrapping_sub(before).into());
        out.extend_from_slice(&hash.to_le_bytes());
        before = second;
    }
}

/// Takes the head of a source's ids off the front; `None` where none stands, or fewer bytes than so many ids have.
pub fn take_head(bytes: &mut &[u8]) -> Option<Head> {
    let (mark, rest) = bytes.split_first()?;
    *bytes = rest;
    let count = usize::try_from(take_varint(bytes)?).ok()?;
    if count > bytes.len() / HASH {
        return None;
    }
    let floor_s = match mark & FLOOR_BIT {
        0 => None,
        _ => Some(u32::try_from(take_varint(bytes)?).ok()?),
    };
    Some(Head { source: mark & !FLOOR_BIT, floor_s, count })
}

/// Takes ids off the front and hands them over one by one; `None` where they are not in ascending order.
pub fn take_ids(bytes: &mut &[u8], count: usize, mut then: impl FnMut(Id)) -> Option<()> {
    let mut before: Id = (0, 0);
    for n in 0..count {
        let later_s = u32::try_from(take_varint(bytes)?).ok()?;
        let (hash, rest) = bytes.split_first_chunk()?;
        let id = (before.0.checked_add(later_s)?, u64::from_le_bytes(*hash));
        if n > 0 && id <= before {
            return None;
        }
        then(id);
        (*bytes, before) = (rest, id);
    }
    Some(())
}

/// Takes an unsigned LEB128 number off the front.
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(place * 7)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
