//! The remembered event ids of one source as bytes: how a run of them is read and changed. See `ids`.

use super::Id;
#[cfg(doc)]
use super::MANY_FROM;
use crate::model::record::SourceIndex;

/// Bytes of an id: the second, then the hash, both little endian.
pub const ID_BYTES: usize = 12;

/// Where the run of a source lies.
///
/// A head is the source (upper bit: there is a floor), the number of ids, and the second of the floor, if there is one. More ids
/// than [`MANY_FROM`] are no run but a [`Many`](super::many::Many). In the state ids stand otherwise, see `packed`.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The source.
    pub source: SourceIndex,
    /// Where the head begins.
    pub at: usize,
    /// Bytes of the head; 0 while there is none.
    head: usize,
    /// Number of ids.
    pub count: usize,
    /// The latest second that an id was forgotten of.
    pub floor_s: Option<u32>,
}

/// The bit of a source's number that says: there is a floor.
pub const FLOOR_BIT: u8 = 0x80;
/// Bytes of a head without a floor.
pub const SHORT_HEAD: usize = 2;
/// Bytes of a floor.
pub const FLOOR_BYTES: usize = 4;

impl Run {
    /// The run that begins at `at`, if one does.
    pub fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let (mark, count) = (*bytes.get(at)?, *bytes.get(at + 1)?);
        let (mut head, mut floor_s) = (SHORT_HEAD, None);
        if mark & FLOOR_BIT != 0 {
            floor_s = Some(u32::from_le_bytes(*bytes.get(at + head..)?.first_chunk()?));
            head += FLOOR_BYTES;
        }
        Some(Self { source: mark & !FLOOR_BIT, at, head, count: count.into(), floor_s })
    }

    /// One that there is not yet; it would begin at `at`.
    pub fn absent(source: SourceIndex, at: usize) -> Self {
        Self { source, at, head: 0, count: 0, floor_s: None }
    }

    /// Where its ids begin.
    pub fn first_id(&self) -> usize {
        self.at + self.head
    }

    /// Where it ends.
    pub fn end(&self) -> usize {
        self.first_id() + self.count * ID_BYTES
    }

    /// Its ids in ascending order.
    pub fn ids<'b>(
        &self,
        bytes: &'b [u8],
    ) -> impl DoubleEndedIterator<Item = Id> + ExactSizeIterator + use<'b> {
        ids_in(&bytes[self.first_id()..self.end()])
    }

    /// Takes the oldest `n` ids out; the floor rises to the last of them.
    pub fn forget(&mut self, bytes: &mut Vec<u8>, n: usize) {
        let Some(last) = n.checked_sub(1).and_then(|last| self.ids(bytes).nth(last)) else {
            return;
        };
        // the first floor takes its four bytes from those that become free
        let room = if self.floor_s.is_none() { FLOOR_BYTES } else { 0 };
        let from = self.first_id();
        bytes.drain(from..from + n * ID_BYTES - room);
        self.head += room;
        self.count -= n;
        self.floor_s = self.floor_s.max(Some(last.0));
        self.write_head(bytes);
    }

    /// Puts an id at its place.
    pub fn remember(&mut self, bytes: &mut Vec<u8>, id: Id) {
        if self.head == 0 {
            open_gap(bytes, self.at, SHORT_HEAD);
            self.head = SHORT_HEAD;
        }
        let later = self.ids(bytes).rev().take_while(|held| *held > id).count();
        let at = self.end() - later * ID_BYTES;
        open_gap(bytes, at, ID_BYTES);
        bytes[at..at + ID_BYTES].copy_from_slice(&bytes_of(id));
        self.count += 1;
        self.write_head(bytes);
    }

    fn write_head(&self, bytes: &mut [u8]) {
        let bit = if self.floor_s.is_some() { FLOOR_BIT } else { 0 };
        bytes[self.at] = self.source | bit;
        bytes[self.at + 1] = self.count as u8;
        if let Some(second) = self.floor_s {
            let floor = self.at + SHORT_HEAD;
            bytes[floor..floor + FLOOR_BYTES].copy_from_slice(&second.to_le_bytes());
        }
    }
}

/// Moves what stands from `at` on by `n` bytes.
fn open_gap(bytes: &mut Vec<u8>, at: usize, n: usize) {
    let end = bytes.len();
    bytes.resize(end + n, 0);
    bytes.copy_within(at..end, at + n);
}

/// The ids in a piece of a run.
pub fn ids_in(bytes: &[u8]) -> impl DoubleEndedIterator<Item = Id> + ExactSizeIterator + '_ {
    bytes.as_chunks().0.iter().map(|bytes| id_of(*bytes))
}

/// Back from [`bytes_of`].
pub fn id_of([a, b, c, d, hash @ ..]: [u8; ID_BYTES]) -> Id {
    (u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(hash))
}

/// An id as it is kept.
pub fn bytes_of((second, hash): Id) -> [u8; ID_BYTES] {
    let mut bytes = [0; ID_BYTES];
    bytes[..4].copy_from_slice(&second.to_le_bytes());
    bytes[4..].copy_from_slice(&hash.to_le_bytes());
    bytes
}

/// Appends a run; there are fewer than [`MANY_FROM`] ids.
pub fn put_run(
    out: &mut Vec<u8>,
    source: SourceIndex,
    floor_s: Option<u32>,
    ids: impl ExactSizeIterator<Item = Id>,
) {
    put_head(out, source, floor_s, ids.len());
    ids.for_each(|id| out.extend_from_slice(&bytes_of(id)));
}

/// Appends the head of a run of `count` ids.
pub fn put_head(out: &mut Vec<u8>, source: SourceIndex, floor_s: Option<u32>, count: usize) {
    let bit = if floor_s.is_some() { FLOOR_BIT } else { 0 };
    out.extend_from_slice(&[source | bit, count as u8]);
    if let Some(second) = floor_s {
        out.extend_from_slice(&second.to_le_bytes());
    }
}
