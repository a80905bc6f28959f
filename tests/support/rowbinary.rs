//! Reads blocks of `RowBinaryWithNamesAndTypes`, and holds tables of absolute rows as ClickHouse would after `FINAL`.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::rc::Rc;

use retain::engine::sums::Sum;
use retain::model::effects::RowBlock;

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any whole number, time or flag.
    Int(i128),
    /// A double.
    Float(f64),
    /// Bytes.
    Text(Vec<u8>),
    /// Nothing.
    Null,
    /// Numbers in order.
    Ints(Vec<i128>),
    /// Doubles in order.
    Floats(Vec<f64>),
    /// Texts in order.
    Texts(Vec<String>),
    /// Doubles by number or word.
    Map(BTreeMap<String, f64>),
}

/// A row: the names of its block, and the values in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    names: Rc<[String]>,
    values: Vec<Value>,
}

impl Row {
    /// The value of a column.
    pub fn get(&self, name: &str) -> &Value {
        let at = self.names.iter().position(|n| n == name);
        &self.values[at.unwrap_or_else(|| panic!("no column {name} in {:?}", self.names))]
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> i128 {
        match self.get(name) {
            Value::Int(value) => *value,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// A whole number or nothing.
    pub fn maybe_int(&self, name: &str) -> Option<i128> {
        match self.get(name) {
            Value::Null => None,
            _ => Some(self.int(name)),
        }
    }

    /// A double.
    pub fn float(&self, name: &str) -> f64 {
        match self.get(name) {
            Value::Float(value) => *value,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// A text's bytes.
    pub fn bytes(&self, name: &str) -> &[u8] {
        match self.get(name) {
            Value::Text(value) => value,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// A text.
    pub fn text(&self, name: &str) -> &str {
        std::str::from_utf8(self.bytes(name)).unwrap()
    }

    /// Numbers in order.
    pub fn ints(&self, name: &str) -> &[i128] {
        match self.get(name) {
            Value::Ints(value) => value,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// A double or nothing.
    pub fn maybe_float(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Value::Null => None,
            _ => Some(self.float(name)),
        }
    }

    /// Doubles in order.
    pub fn floats(&self, name: &str) -> &[f64] {
        match self.get(name) {
            Value::Floats(value) => value,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// Texts in order.
    pub fn texts(&self, name: &str) -> &[String] {
        match self.get(name) {
            Value::Texts(value) => value,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// Doubles by number or word.
    pub fn map(&self, name: &str) -> &BTreeMap<String, f64> {
        match self.get(name) {
            Value::Map(value) => value,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// A decayed sum of the column `sums`, as of `sums_at`; 0 when nothing was ever added.
    pub fn sum(&self, name: &str) -> f64 {
        let sum = Sum::all().find(|sum| sum.name() == name);
        let number = sum.unwrap_or_else(|| panic!("no sum {name}")).number();
        self.map("sums").get(&number.to_string()).copied().unwrap_or(0.0)
    }

    /// Names and values except some columns.
    pub fn without(&self, left_out: &[&str]) -> Vec<(String, Value)> {
        let named = self.names.iter().cloned().zip(self.values.iter().cloned());
        named.filter(|(n, _)| !left_out.contains(&n.as_str())).collect()
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(len).expect("the block ends early");
        self.rest = rest;
        taken
    }

    fn varint(&mut self) -> usize {
        let (mut value, mut shift) = (0_usize, 0);
        loop {
            let byte = self.take(1)[0];
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return value;
            }
            shift += 7;
        }
    }

    fn text(&mut self) -> &'a [u8] {
        let len = self.varint();
        self.take(len)
    }

    fn name(&mut self) -> String {
        String::from_utf8(self.text().to_vec()).unwrap()
    }

    fn value(&mut self, ty: &str) -> Value {
        if let Some(inner) = ty.strip_prefix("Nullable(") {
            let inner = inner.strip_suffix(')').unwrap();
            return match self.take(1)[0] {
                0 => self.value(inner),
                1 => Value::Null,
                other => panic!("null flag {other}"),
            };
        }
        if let Some(inner) = ty.strip_prefix("Array(") {
            let inner = inner.strip_suffix(')').unwrap();
            let len = self.varint();
            let values: Vec<Value> = (0..len).map(|_| self.value(inner)).collect();
            return match inner {
                "Float64" => Value::Floats(values.iter().map(number).collect()),
                "String" => Value::Texts(values.iter().map(word).collect()),
                _ => Value::Ints(values.iter().map(whole).collect()),
            };
        }
        if let Some(inner) = ty.strip_prefix("Map(") {
            let (key, value) = inner.strip_suffix(')').unwrap().split_once(", ").unwrap();
            let len = self.varint();
            let pair = |_| (word(&self.value(key)), number(&self.value(value)));
            return Value::Map((0..len).map(pair).collect());
        }
        match ty {
            "UInt8" => Value::Int(self.take(1)[0].into()),
            "UInt16" | "Date" => {
                Value::Int(u16::from_le_bytes(self.take(2).try_into().unwrap()).into())
            }
            "UInt32" => Value::Int(u32::from_le_bytes(self.take(4).try_into().unwrap()).into()),
            "UInt64" => Value::Int(u64::from_le_bytes(self.take(8).try_into().unwrap()).into()),
            "Int64" | "DateTime64(3, 'UTC')" => {
                Value::Int(i64::from_le_bytes(self.take(8).try_into().unwrap()).into())
            }
            "Float64" => Value::Float(f64::from_le_bytes(self.take(8).try_into().unwrap())),
            "String" | "LowCardinality(String)" => Value::Text(self.text().to_vec()),
            other => panic!("type {other:?}"),
        }
    }
}

fn whole(value: &Value) -> i128 {
    match value {
        Value::Int(n) => *n,
        other => panic!("{other:?} is not a whole number"),
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Float(n) => *n,
        other => panic!("{other:?} is not a double"),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::Text(text) => String::from_utf8(text.clone()).unwrap(),
        Value::Int(n) => n.to_string(),
        other => panic!("{other:?} is no word"),
    }
}

/// Reads a block; its count must be that of its rows.
pub fn read_rows(bytes: &[u8], count: u32) -> Vec<Row> {
    let rows = read_all(bytes);
    assert_eq!(rows.len(), count as usize, "rows in the block");
    rows
}

/// Reads whatever rows there are behind a header.
pub fn read_all(bytes: &[u8]) -> Vec<Row> {
    let mut reader = Reader { rest: bytes };
    let columns = reader.varint();
    let names: Rc<[String]> = (0..columns).map(|_| reader.name()).collect();
    let types: Vec<String> = (0..columns).map(|_| reader.name()).collect();
    let mut rows = Vec::new();
    while !reader.rest.is_empty() {
        let values = types.iter().map(|ty| reader.value(ty)).collect();
        rows.push(Row { names: names.clone(), values });
    }
    rows
}

/// The sorting key of a table: rows with equal keys replace each other.
fn key_columns(table: &str) -> &'static [&'static str] {
    match table {
        "customers" => &["customer_id"],
        "customer_history" => &["customer_id", "day"],
        "accounts" => &["account_id"],
        "account_history" => &["account_id", "day"],
        "alerts" => &["alert_id"],
        "alert_history" => &["subject_id", "rule", "episode", "n", "customer_id"],
        "activity" => &["shard", "source", "minute", "type", "channel", "late_offset"],
        "events" => &["customer_id", "ts", "source", "partition", "offset"],
        "ledger" => &["shard", "source", "version"],
        "ledger_daily" => &["shard", "source", "day"],
        "credit" => &["customer_id", "legal_entity_id"],
        "segments" => &["dimension", "value", "hour", "shard", "late_version"],
        "gaps" => &["shard", "source", "offset_from"],
        "opportunities" => &["customer_id", "goal", "proposed_at"],
        other => panic!("table {other}"),
    }
}

fn key_of(table: &str, row: &Row) -> Vec<Vec<u8>> {
    let spell = |name: &&str| match row.get(name) {
        Value::Text(text) => text.clone(),
        // shifted, so that the order of the bytes is that of the numbers
        Value::Int(n) => (n - i128::MIN / 2).to_be_bytes().to_vec(),
        other => panic!("{other:?} in a key"),
    };
    key_columns(table).iter().map(spell).collect()
}

/// All tables: by key the row with the highest version.
#[derive(Debug, Default)]
pub struct Tables {
    tables: BTreeMap<&'static str, BTreeMap<Vec<Vec<u8>>, Row>>,
}

impl Tables {
    /// Inserts a block and gives back its rows. Two different rows of one key and version are an error: nobody could
    /// tell which one ClickHouse keeps.
    pub fn insert(&mut self, block: &RowBlock) -> Vec<Row> {
        let rows = read_rows(&block.bytes, block.count);
        self.insert_rows(block.table.name(), &rows);
        rows
    }

    /// Inserts rows.
    pub fn insert_rows(&mut self, name: &'static str, rows: &[Row]) {
        let table = self.tables.entry(name).or_default();
        for row in rows {
            let key = key_of(name, row);
            if let Some(known) = table.get(&key) {
                let (old, new) = (known.int("version"), row.int("version"));
                assert!(
                    old != new || known == row,
                    "two rows of {name} with version {new}:\n{known:?}\n{row:?}"
                );
                if old > new {
                    continue;
                }
            }
            table.insert(key, row.clone());
        }
    }

    /// The rows of a table that are not deleted, in the order of their keys.
    pub fn rows(&self, name: &str) -> impl Iterator<Item = &Row> {
        let rows = self.tables.get(name).into_iter().flat_map(BTreeMap::values);
        rows.filter(|row| row.int("is_deleted") == 0)
    }

    /// Adds the tables of another shard.
    pub fn absorb(&mut self, other: &Self) {
        for (name, rows) in &other.tables {
            let mine = self.tables.entry(name).or_default();
            for (key, row) in rows {
                let before = mine.insert(key.clone(), row.clone());
                assert!(before.is_none(), "two shards own {row:?}");
            }
        }
    }
}
