//! Rows as ClickHouse reads them: `RowBinaryWithNamesAndTypes`, in blocks of one table.

use crate::model::effects::RowBlock;
use crate::model::table::{ColumnType, Table};

/// Appends an unsigned LEB128 number, ClickHouse's length prefix.
pub fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

#[inline]
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // nearly all texts are short: one look at the room for both
    if bytes.len() < 0x80 {
        out.reserve(1 + bytes.len());
        out.push(bytes.len() as u8);
    } else {
        put_varint(out, bytes.len() as u64);
    }
    out.extend_from_slice(bytes);
}

/// The header of a block: number of columns, names, types.
pub fn header(table: Table) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, table.columns().len() as u64);
    for column in table.columns() {
        put_bytes(&mut out, column.name.as_bytes());
    }
    for column in table.columns() {
        put_bytes(&mut out, column.ty.sql().as_bytes());
    }
    out
}

/// Blocks whose memory is kept for the next cycle: 58 MB at most, of each table.
const SPARE_MAX: usize = 64;

/// Collects the rows of one table into blocks.
#[derive(Debug)]
pub struct TableRows {
    table: Table,
    header: Vec<u8>,
    open: Vec<u8>,
    count: u32,
    full: Vec<RowBlock>,
    /// Bytes of the full blocks.
    full_bytes: usize,
    /// Memory of blocks that were written: fresh pages cost more than filling them.
    spare: Vec<Vec<u8>>,
    /// Size of the blocks at present: the next one begins with room for as much, so that it does not grow by copying.
    expected_bytes: usize,
    /// Where the last row of the open block begins.
    last_row: usize,
}

impl TableRows {
    /// No rows yet.
    pub fn new(table: Table) -> Self {
        Self {
            table,
            header: header(table),
            open: Vec::new(),
            count: 0,
            full: Vec::new(),
            full_bytes: 0,
            spare: Vec::new(),
            expected_bytes: 0,
            last_row: 0,
        }
    }

    /// Begins a row; every column must be put, in the table's order.
    pub fn row(&mut self) -> Row<'_> {
        self.split();
        if self.open.len() >= RowBlock::BYTES_MAX {
            self.cut();
        }
        if self.open.is_empty() {
            self.open = self.block();
        }
        self.count += 1;
        self.last_row = self.open.len();
        Row { out: &mut self.open, table: self.table, at: 0 }
    }

    /// A block without rows, with room for as many as are expected.
    fn block(&mut self) -> Vec<u8> {
        let mut block = self.spare.pop().unwrap_or_default();
        let room = self.expected_bytes + self.expected_bytes / 8;
        block.reserve_exact(room);
        block.extend_from_slice(&self.header);
        block
    }

    /// A last row that made the block too large begins a block of its own.
    fn split(&mut self) {
        if self.count < 2 || self.open.len() <= RowBlock::BYTES_MAX {
            return;
        }
        self.expected_bytes = RowBlock::BYTES_MAX;
        let mut next = self.block();
        let last_row = next.len();
        next.extend_from_slice(&self.open[self.last_row..]);
        self.open.truncate(self.last_row);
        self.count -= 1;
        self.cut();
        (self.open, self.last_row, self.count) = (next, last_row, 1);
    }

    fn cut(&mut self) {
        let bytes = std::mem::take(&mut self.open);
        let count = std::mem::take(&mut self.count);
        self.full_bytes += bytes.len();
        self.full.push(RowBlock { table: self.table, count, bytes });
    }

    /// Bytes collected so far.
    pub fn len_bytes(&self) -> usize {
        self.open.len() + self.full_bytes
    }

    /// Moves all blocks into `out`.
    pub fn take_into(&mut self, out: &mut Vec<RowBlock>) {
        self.split();
        if self.count > 0 {
            self.cut();
        }
        self.expected_bytes = self.full_bytes.min(RowBlock::BYTES_MAX);
        self.full_bytes = 0;
        out.append(&mut self.full);
    }

    /// Takes the memory of a block back for the next one; a few are kept.
    pub fn recycle(&mut self, mut bytes: Vec<u8>) {
        if self.spare.len() < SPARE_MAX {
            bytes.clear();
            self.spare.push(bytes);
        }
    }
}

/// A row being written. Debug builds check each value against the table's column.
#[derive(Debug)]
pub struct Row<'a> {
    out: &'a mut Vec<u8>,
    table: Table,
    at: usize,
}

impl Drop for Row<'_> {
    fn drop(&mut self) {
        debug_assert!(
            std::thread::panicking() || self.at == self.table.columns().len(),
            "row of {} ended after {} columns",
            self.table.name(),
            self.at
        );
    }
}

impl Row<'_> {
    fn column(&mut self, types: &[ColumnType]) {
        debug_assert!(
            self.table.columns().get(self.at).is_some_and(|c| types.contains(&c.ty)),
            "column {} of {} is not one of {types:?}",
            self.at,
            self.table.name()
        );
        self.at += 1;
    }

    /// A small number or a flag.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.column(&[ColumnType::UInt8]);
        self.out.push(value);
        self
    }

    /// A 16-bit number, or a day.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.column(&[ColumnType::UInt16, ColumnType::Day]);
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A 32-bit number.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.column(&[ColumnType::UInt32]);
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A 64-bit number.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.column(&[ColumnType::UInt64]);
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A signed number, or a time in milliseconds.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.column(&[ColumnType::Int64, ColumnType::Time]);
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A double.
    pub fn f64(&mut self, value: f64) -> &mut Self {
        self.column(&[ColumnType::Float64]);
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A text.
    pub fn text(&mut self, value: &[u8]) -> &mut Self {
        self.column(&[ColumnType::String, ColumnType::Word]);
        put_bytes(self.out, value);
        self
    }

    /// A time or nothing.
    pub fn maybe_time(&mut self, value: Option<i64>) -> &mut Self {
        self.column(&[ColumnType::MaybeTime]);
        self.maybe(value.map(i64::to_le_bytes))
    }

    /// A double or nothing.
    pub fn maybe_f64(&mut self, value: Option<f64>) -> &mut Self {
        self.column(&[ColumnType::MaybeFloat64]);
        self.maybe(value.map(f64::to_le_bytes))
    }

    /// A signed number or nothing.
    pub fn maybe_i64(&mut self, value: Option<i64>) -> &mut Self {
        self.column(&[ColumnType::MaybeInt64]);
        self.maybe(value.map(i64::to_le_bytes))
    }

    /// A small number or nothing.
    pub fn maybe_u8(&mut self, value: Option<u8>) -> &mut Self {
        self.column(&[ColumnType::MaybeUInt8]);
        self.maybe(value.map(|value| [value]))
    }

    /// A flag or nothing.
    pub fn maybe_flag(&mut self, value: Option<bool>) -> &mut Self {
        self.column(&[ColumnType::MaybeUInt8]);
        self.maybe(value.map(|v| [u8::from(v)]))
    }

    fn maybe<const N: usize>(&mut self, value: Option<[u8; N]>) -> &mut Self {
        self.out.push(u8::from(value.is_none()));
        if let Some(bytes) = value {
            self.out.extend_from_slice(&bytes);
        }
        self
    }

    /// Small numbers in order.
    pub fn u16s(&mut self, values: impl ExactSizeIterator<Item = u16>) -> &mut Self {
        self.column(&[ColumnType::UInt16s]);
        put_varint(self.out, values.len() as u64);
        values.for_each(|v| self.out.extend_from_slice(&v.to_le_bytes()));
        self
    }

    /// Amounts in order.
    pub fn i64s(&mut self, values: impl ExactSizeIterator<Item = i64>) -> &mut Self {
        self.column(&[ColumnType::Int64s]);
        put_varint(self.out, values.len() as u64);
        values.for_each(|v| self.out.extend_from_slice(&v.to_le_bytes()));
        self
    }

    /// Doubles in order.
    pub fn f64s(&mut self, values: impl ExactSizeIterator<Item = f64>) -> &mut Self {
        self.column(&[ColumnType::Float64s]);
        put_varint(self.out, values.len() as u64);
        values.for_each(|v| self.out.extend_from_slice(&v.to_le_bytes()));
        self
    }

    /// Texts in order.
    pub fn texts<'t>(&mut self, values: impl ExactSizeIterator<Item = &'t str>) -> &mut Self {
        self.column(&[ColumnType::Strings]);
        put_varint(self.out, values.len() as u64);
        values.for_each(|v| put_bytes(self.out, v.as_bytes()));
        self
    }

    /// Sums by number; `len` is how many there are.
    pub fn sums(&mut self, len: usize, values: impl Iterator<Item = (u8, f64)>) -> &mut Self {
        self.column(&[ColumnType::Sums]);
        put_varint(self.out, len as u64);
        for (number, value) in values {
            self.out.push(number);
            self.out.extend_from_slice(&value.to_le_bytes());
        }
        self
    }

    /// Numbers by word.
    pub fn weights<'t>(
        &mut self,
        values: impl ExactSizeIterator<Item = (&'t str, f64)>,
    ) -> &mut Self {
        self.column(&[ColumnType::Weights]);
        put_varint(self.out, values.len() as u64);
        for (word, value) in values {
            put_bytes(self.out, word.as_bytes());
            self.out.extend_from_slice(&value.to_le_bytes());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_stays_below_its_limit_unless_one_row_is_larger() {
        let mut rows = TableRows::new(Table::Gaps);
        let sizes = [10, 400_000, 400_000, 400_000, 2_000_000, 5];
        for size in sizes {
            let reason = vec![b'x'; size];
            rows.row().u16(1).text(b"web").i64(0).i64(1).u64(1).u8(0).i64(7).text(&reason);
        }
        let mut blocks = Vec::new();
        rows.take_into(&mut blocks);
        let counts: Vec<u32> = blocks.iter().map(|b| b.count).collect();
        assert_eq!(counts, [3, 1, 1, 1]);
        for block in &blocks {
            assert!(block.bytes.starts_with(&header(Table::Gaps)));
            assert!(block.bytes.len() <= RowBlock::BYTES_MAX || block.count == 1);
        }
    }
}
