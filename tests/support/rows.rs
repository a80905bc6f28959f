//! Rows of any table for tests: zero or empty wherever a test names nothing.
#![allow(dead_code, clippy::unwrap_used)]

use retain::flow::carry::Block;
use retain::model::table::{ColumnType as C, Table};
use retain::wire::rows::TableRows;

/// A value of a column.
#[derive(Clone, Debug)]
pub enum V {
    /// Any whole number or time.
    I(i64),
    /// A double.
    F(f64),
    /// A text.
    T(String),
    /// Nothing.
    None,
    /// Small numbers.
    U16s(Vec<u16>),
    /// Amounts.
    I64s(Vec<i64>),
    /// Doubles.
    F64s(Vec<f64>),
    /// Texts.
    Texts(Vec<&'static str>),
    /// Decayed sums by number.
    Sums(Vec<(u8, f64)>),
    /// Numbers by word.
    Weights(Vec<(&'static str, f64)>),
}

impl From<i64> for V {
    fn from(value: i64) -> Self {
        Self::I(value)
    }
}

impl From<f64> for V {
    fn from(value: f64) -> Self {
        Self::F(value)
    }
}

impl From<&str> for V {
    fn from(value: &str) -> Self {
        Self::T(value.to_owned())
    }
}

impl From<Option<i64>> for V {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Self::None, Self::I)
    }
}

/// Named values of a row.
pub type Values = Vec<(&'static str, V)>;

/// Encodes rows of one table with the product's encoder, as one block.
pub fn block(table: Table, rows: &[Values]) -> Block {
    let mut out = TableRows::new(table);
    for values in rows {
        let unknown = values.iter().find(|(n, _)| !table.columns().iter().any(|c| c.name == *n));
        assert!(unknown.is_none(), "{} has no column {unknown:?}", table.name());
        let mut row = out.row();
        for column in table.columns() {
            let value = values.iter().find(|(name, _)| *name == column.name).map(|(_, v)| v);
            match (column.ty, value) {
                (C::UInt8, v) => row.u8(whole(v) as u8),
                (C::UInt16 | C::Day, v) => row.u16(whole(v) as u16),
                (C::UInt32, v) => row.u32(whole(v) as u32),
                (C::UInt64, v) => row.u64(whole(v) as u64),
                (C::Int64 | C::Time, v) => row.i64(whole(v)),
                (C::Float64, Some(V::F(v))) => row.f64(*v),
                (C::Float64, _) => row.f64(0.0),
                (C::String | C::Word, Some(V::T(v))) => row.text(v.as_bytes()),
                (C::String | C::Word, _) => row.text(b""),
                (C::MaybeTime, Some(V::I(v))) => row.maybe_time(Some(*v)),
                (C::MaybeTime, _) => row.maybe_time(None),
                (C::MaybeUInt8, Some(V::I(v))) => row.maybe_u8(Some(*v as u8)),
                (C::MaybeUInt8, _) => row.maybe_u8(None),
                (C::MaybeInt64, Some(V::I(v))) => row.maybe_i64(Some(*v)),
                (C::MaybeInt64, _) => row.maybe_i64(None),
                (C::MaybeFloat64, Some(V::F(v))) => row.maybe_f64(Some(*v)),
                (C::MaybeFloat64, _) => row.maybe_f64(None),
                (C::UInt16s, Some(V::U16s(v))) => row.u16s(v.iter().copied()),
                (C::UInt16s, _) => row.u16s([].into_iter()),
                (C::Int64s, Some(V::I64s(v))) => row.i64s(v.iter().copied()),
                (C::Int64s, _) => row.i64s([].into_iter()),
                (C::Float64s, Some(V::F64s(v))) => row.f64s(v.iter().copied()),
                (C::Float64s, _) => row.f64s([].into_iter()),
                (C::Strings, Some(V::Texts(v))) => row.texts(v.iter().copied()),
                (C::Strings, _) => row.texts([].into_iter()),
                (C::Sums, Some(V::Sums(v))) => row.sums(v.len(), v.iter().copied()),
                (C::Sums, _) => row.sums(0, [].into_iter()),
                (C::Weights, Some(V::Weights(v))) => row.weights(v.iter().copied()),
                (C::Weights, _) => row.weights([].into_iter()),
            };
        }
    }
    let mut blocks = Vec::new();
    out.take_into(&mut blocks);
    assert_eq!(blocks.len(), 1, "one block of rows");
    let block = blocks.pop().unwrap();
    Block { table, count: block.count, bytes: block.bytes, partition: 0, offset: 0 }
}

fn whole(value: Option<&V>) -> i64 {
    match value {
        Some(V::I(value)) => *value,
        None => 0,
        other => panic!("{other:?} is not a whole number"),
    }
}
