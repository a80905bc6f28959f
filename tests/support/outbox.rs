//! Reads the outbox back: blocks of `RowBinaryWithNamesAndTypes` into rows of named values.
#![allow(dead_code)]

use std::collections::BTreeMap;

use rdkafka::message::{Headers, Message, OwnedMessage};
use retain::model::table::{ColumnType, Table};

/// A value, as far as tests look at it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any whole number or time.
    Int(i128),
    /// A double.
    Float(f64),
    /// A text.
    Text(String),
    /// Nothing.
    Null,
    /// A list of whole numbers.
    List(Vec<i128>),
}

impl Value {
    /// The whole number.
    pub fn int(&self) -> i128 {
        match self {
            Self::Int(n) => *n,
            other => panic!("{other:?} is no whole number"),
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("{other:?} is no text"),
        }
    }
}

/// A row by column name.
pub type Row = BTreeMap<&'static str, Value>;

/// The table of a record of the rows topic, from its headers.
pub fn table_of(message: &OwnedMessage) -> Table {
    let headers = message.headers().unwrap();
    let table = headers.iter().find(|h| h.key == "table").unwrap();
    Table::parse(std::str::from_utf8(table.value.unwrap()).unwrap()).unwrap()
}

/// All rows of a table, in the order of the topic.
pub fn rows(messages: &[OwnedMessage], table: Table) -> Vec<Row> {
    let blocks = messages.iter().filter(|m| table_of(m) == table);
    blocks.flat_map(|m| block(m.payload().unwrap(), table)).collect()
}

/// What `ReplacingMergeTree` leaves: for each key the row of the highest version; equal versions must be equal rows.
pub fn last(rows: Vec<Row>, key: &[&str]) -> BTreeMap<String, Row> {
    let mut kept: BTreeMap<String, Row> = BTreeMap::new();
    for row in rows {
        let id = key.iter().map(|k| format!("{:?}", row[k])).collect::<Vec<_>>().join("|");
        let version = row["version"].int();
        match kept.get(&id) {
            Some(old) if old["version"].int() > version => {}
            Some(old) if old["version"].int() == version => {
                assert_eq!(*old, row, "one version, two rows")
            }
            _ => {
                kept.insert(id, row);
            }
        }
    }
    kept
}

fn block(bytes: &[u8], table: Table) -> Vec<Row> {
    let mut at = Cursor { bytes };
    let columns = table.columns();
    assert_eq!(at.varint() as usize, columns.len());
    columns.iter().for_each(|c| assert_eq!(at.text(), c.name));
    columns.iter().for_each(|c| assert_eq!(at.text(), c.ty.sql()));
    let mut rows = Vec::new();
    while !at.bytes.is_empty() {
        rows.push(columns.iter().map(|c| (c.name, at.value(c.ty))).collect());
    }
    rows
}

struct Cursor<'a> {
    bytes: &'a [u8],
}

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.bytes.split_at(N);
        self.bytes = rest;
        head.try_into().unwrap()
    }

    fn varint(&mut self) -> u64 {
        let (mut n, mut shift) = (0, 0);
        loop {
            let [byte] = self.take::<1>();
            n |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return n;
            }
        }
    }

    fn text(&mut self) -> String {
        let len = self.varint() as usize;
        let (head, rest) = self.bytes.split_at(len);
        self.bytes = rest;
        String::from_utf8(head.to_vec()).unwrap()
    }

    fn maybe(&mut self, ty: ColumnType) -> Value {
        if self.take::<1>() == [1] { Value::Null } else { self.value(ty) }
    }

    fn value(&mut self, ty: ColumnType) -> Value {
        use ColumnType as T;
        match ty {
            T::UInt8 => Value::Int(u8::from_le_bytes(self.take()).into()),
            T::UInt16 => Value::Int(u16::from_le_bytes(self.take()).into()),
            T::UInt32 => Value::Int(u32::from_le_bytes(self.take()).into()),
            T::UInt64 => Value::Int(u64::from_le_bytes(self.take()).into()),
            T::Int64 | T::Time => Value::Int(i64::from_le_bytes(self.take()).into()),
            T::Float64 => Value::Float(f64::from_le_bytes(self.take())),
            T::String | T::Word => Value::Text(self.text()),
            T::MaybeTime => self.maybe(T::Time),
            T::MaybeUInt8 => self.maybe(T::UInt8),
            T::MaybeFloat64 => self.maybe(T::Float64),
            T::UInt16s | T::Int64s => {
                let one = if ty == T::UInt16s { T::UInt16 } else { T::Int64 };
                let count = self.varint();
                Value::List((0..count).map(|_| self.value(one).int()).collect())
            }
        }
    }
}
