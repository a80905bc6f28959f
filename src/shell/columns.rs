//! The check at start: the encoders' columns against ClickHouse's, with a difference people can read and repair.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clickhouse::Client;

use crate::model::table::Table;

/// A column as `system.columns` has it: type, and kind of default (empty, `DEFAULT`, `MATERIALIZED`, …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealColumn {
    /// ClickHouse's spelling.
    pub ty: String,
    /// Empty when there is none.
    pub default_kind: String,
}

/// Real columns by table and name.
pub type RealColumns = BTreeMap<String, BTreeMap<String, RealColumn>>;

/// Compares what the encoders write with what the database has.
///
/// # Errors
/// One line for each difference and its cure; or why the database could not be asked.
pub async fn check_columns(client: &Client, database: &str) -> Result<(), String> {
    let rows = client
        .query("SELECT table, name, type, default_kind FROM system.columns WHERE database = ?")
        .bind(database)
        .fetch_all::<(String, String, String, String)>()
        .await
        .map_err(|e| format!("read the columns of {database}: {e}"))?;
    let engines = client
        .query("SELECT name, engine_full FROM system.tables WHERE database = ?")
        .bind(database)
        .fetch_all::<(String, String)>()
        .await
        .map_err(|e| format!("read the tables of {database}: {e}"))?;
    let mut real = RealColumns::new();
    for (table, name, ty, default_kind) in rows {
        real.entry(table).or_default().insert(name, RealColumn { ty, default_kind });
    }
    let mut differences = difference(database, &real);
    for (name, engine) in engines {
        let replaces =
            engine.contains("ReplacingMergeTree(") && engine.contains("version, is_deleted)");
        if Table::parse(&name).is_some() && !replaces {
            let _ = writeln!(
                differences,
                "{database}.{name} has the engine {engine:?}; it must be a ReplacingMergeTree(version, is_deleted), \
                 else repeated rows count twice: rebuild into a new generation"
            );
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.trim_end().to_owned()) }
}

/// The differences, one line each; empty when the encoders' blocks will be understood.
pub fn difference(database: &str, real: &RealColumns) -> String {
    let mut out = String::new();
    for table in Table::ALL {
        let name = format!("{database}.{}", table.name());
        let Some(columns) = real.get(table.name()) else {
            let _ = writeln!(out, "{name} does not exist: run `retain migrate`");
            continue;
        };
        for column in table.columns() {
            let want = column.ty.sql();
            match columns.get(column.name) {
                None => {
                    let _ = writeln!(
                        out,
                        "{name} has no column `{}` ({want}): run `retain migrate`",
                        column.name
                    );
                }
                Some(real) if real.ty != want => {
                    let _ = writeln!(
                        out,
                        "{name}.{} is {}, rows carry {want}: ALTER TABLE {name} MODIFY COLUMN `{}` {want}",
                        column.name, real.ty, column.name
                    );
                }
                Some(real) if !["", "DEFAULT"].contains(&real.default_kind.as_str()) => {
                    let _ = writeln!(
                        out,
                        "{name}.{} is {}, rows carry a value for it: make it an ordinary column",
                        column.name, real.default_kind
                    );
                }
                Some(_) => {}
            }
        }
        for (extra, real) in columns {
            let known = table.columns().iter().any(|c| c.name == extra);
            if !known && real.default_kind.is_empty() {
                let _ = writeln!(
                    out,
                    "{name}.{extra} ({}) is not written by this version and has no default: \
                     ALTER TABLE {name} MODIFY COLUMN `{extra}` DEFAULT …, or drop it, or run the version that knows it",
                    real.ty
                );
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_written() -> RealColumns {
        let columns = |table: Table| {
            table
                .columns()
                .iter()
                .map(|c| {
                    let real =
                        RealColumn { ty: c.ty.sql().to_owned(), default_kind: String::new() };
                    (c.name.to_owned(), real)
                })
                .collect()
        };
        Table::ALL.into_iter().map(|t| (t.name().to_owned(), columns(t))).collect()
    }

    #[test]
    fn every_kind_of_difference_is_one_line_with_its_cure() {
        let mut real = as_written();
        assert_eq!(difference("retain_g1", &real), "");
        real.remove("gaps");
        if let Some(columns) = real.get_mut("activity") {
            columns.remove("tickets");
            let column =
                |ty: &str, kind: &str| RealColumn { ty: ty.into(), default_kind: kind.into() };
            columns.insert("events".into(), column("UInt32", ""));
            columns.insert("channel".into(), column("LowCardinality(String)", "ALIAS"));
            columns.insert("extra".into(), column("UInt8", ""));
            columns.insert("harmless".into(), column("UInt8", "DEFAULT"));
        }
        insta::assert_snapshot!(difference("retain_g1", &real), @r"
        retain_g1.activity.channel is ALIAS, rows carry a value for it: make it an ordinary column
        retain_g1.activity.events is UInt32, rows carry UInt64: ALTER TABLE retain_g1.activity MODIFY COLUMN `events` UInt64
        retain_g1.activity has no column `tickets` (UInt64): run `retain migrate`
        retain_g1.activity.extra (UInt8) is not written by this version and has no default: ALTER TABLE retain_g1.activity MODIFY COLUMN `extra` DEFAULT …, or drop it, or run the version that knows it
        retain_g1.gaps does not exist: run `retain migrate`
        ");
    }
}
