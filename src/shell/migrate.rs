//! Migrations of the ClickHouse tables: which there are, in which order, how they are recorded and refused,
//! and how long rows are kept.
//!
//! Within a generation a migration only adds tables, or columns with defaults: binaries before and after it work on
//! the same tables. Statements may be repeated (`IF NOT EXISTS`), so a crash between one and its record is harmless.

use clickhouse::Client;
use xxhash_rust::xxh3::xxh3_64;

use super::clickhouse_client::told;
use crate::plan::{Clock, Plan};
use crate::shell::views::{Databases, views_sql};

/// A migration file; the number orders them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its number, from 1.
    pub number: u32,
    /// Its name, without the number.
    pub name: &'static str,
    /// Statements that end with `;` at the end of a line; `{database}` and `{views}` are filled in.
    pub text: &'static str,
}

/// Creates the databases and the table of migrations; run each time.
const BOOKKEEPING: &str = include_str!("../../config/clickhouse/000_bookkeeping.sql");

/// Every migration in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "tables",
        text: include_str!("../../config/clickhouse/001_tables.sql"),
    },
    Migration {
        number: 2,
        name: "history",
        text: include_str!("../../config/clickhouse/002_history.sql"),
    },
    Migration {
        number: 3,
        name: "opportunities",
        text: include_str!("../../config/clickhouse/003_opportunities.sql"),
    },
    Migration {
        number: 4,
        name: "segments",
        text: include_str!("../../config/clickhouse/004_segments.sql"),
    },
    Migration {
        number: 5,
        name: "credit",
        text: include_str!("../../config/clickhouse/005_credit.sql"),
    },
    Migration {
        number: 6,
        name: "alerts",
        text: include_str!("../../config/clickhouse/006_alerts.sql"),
    },
    Migration {
        number: 7,
        name: "accounts",
        text: include_str!("../../config/clickhouse/007_accounts.sql"),
    },
];

/// For how many days rows are kept; 0 = for ever. With a simulated clock everything is kept: its days are not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// `events` and `opportunities`, by event time.
    pub events_days: u32,
    /// `ledger`, by the clock of its cycle; the daily roll-up is kept for ever.
    pub ledger_days: u32,
    /// `customer_history`, `account_history` and `alert_history`, by day.
    pub history_days: u32,
}

/// Why a migration did not happen.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// ClickHouse refused, or could not be reached.
    #[error("{what}: {}", told(.answer))]
    ClickHouse {
        /// During which step.
        what: String,
        /// What it said.
        answer: clickhouse::error::Error,
    },
    /// An applied migration has another text than this binary's.
    #[error(
        "migration {number:03}_{name} was applied to {database} with checksum {applied} and is {here} in this binary: \
         an applied migration is never edited; undo the edit and add a new migration, or rebuild into a new generation"
    )]
    Changed {
        /// Its number.
        number: u32,
        /// Its name.
        name: String,
        /// Where.
        database: String,
        /// Checksum in the table.
        applied: String,
        /// Checksum of the text here.
        here: String,
    },
}

fn failed(what: impl Into<String>) -> impl FnOnce(clickhouse::error::Error) -> MigrateError {
    let what = what.into();
    move |answer| MigrateError::ClickHouse { what, answer }
}

/// Brings the tables of a generation to what this binary needs and writes the views. Repeating it changes nothing.
/// Returns what was done, one sentence each; nothing when nothing was.
///
/// # Errors
/// ClickHouse's, with the step; an applied migration whose text differs.
pub async fn migrate(
    client: &Client,
    plan: &Plan,
    databases: &Databases,
    retention: Retention,
) -> Result<Vec<String>, MigrateError> {
    let done = migrate_tables(client, plan, databases, retention).await?;
    write_views(client, plan, databases).await?;
    Ok(done)
}

/// The tables alone: a rebuild fills generation N + 1 while the views still show N; [`write_views`] then is the switch.
///
/// # Errors
/// See [`migrate`].
pub async fn migrate_tables(
    client: &Client,
    plan: &Plan,
    databases: &Databases,
    retention: Retention,
) -> Result<Vec<String>, MigrateError> {
    let mut done = apply(client, databases, MIGRATIONS).await?;
    let kept = match plan.clock {
        Clock::Wall => retention,
        Clock::Simulated { .. } => Retention { events_days: 0, ledger_days: 0, history_days: 0 },
    };
    let tables = [
        ("events", "toDate(ts)", kept.events_days),
        ("opportunities", "toDate(proposed_at)", kept.events_days),
        ("ledger", "clock", kept.ledger_days),
        ("customer_history", "day", kept.history_days),
        ("account_history", "day", kept.history_days),
        ("alert_history", "toDate(at)", kept.history_days),
    ];
    for (table, time, days) in tables {
        done.extend(keep(client, databases, table, time, days).await?);
    }
    Ok(done)
}

/// Writes the views of the plan (model parameters, prior, currency, clock): at each migration and each start.
///
/// # Errors
/// ClickHouse's, with the view.
pub async fn write_views(
    client: &Client,
    plan: &Plan,
    databases: &Databases,
) -> Result<(), MigrateError> {
    for statement in views_sql(plan, databases) {
        let title = statement.lines().next().unwrap_or_default().to_owned();
        execute(client, &statement).await.map_err(failed(title))?;
    }
    Ok(())
}

/// Applies what is not applied yet, in order, and records it.
///
/// # Errors
/// See [`migrate`].
pub async fn apply(
    client: &Client,
    databases: &Databases,
    migrations: &[Migration],
) -> Result<Vec<String>, MigrateError> {
    for statement in statements(BOOKKEEPING, databases) {
        execute(client, &statement).await.map_err(failed("create the databases"))?;
    }
    let table = format!("{}.migrations", databases.tables);
    let applied = client
        .query(&format!("SELECT number, checksum FROM {table} FINAL ORDER BY number"))
        .fetch_all::<(u32, String)>()
        .await
        .map_err(failed(format!("read {table}")))?;
    let mut done = Vec::new();
    for migration in migrations {
        let here = checksum(migration.text);
        let before = applied.iter().find(|(number, _)| *number == migration.number);
        if let Some((_, checksum)) = before {
            if *checksum == here {
                continue;
            }
            return Err(MigrateError::Changed {
                number: migration.number,
                name: migration.name.to_owned(),
                database: databases.tables.clone(),
                applied: checksum.clone(),
                here,
            });
        }
        run(client, databases, migration, &here).await?;
        done.push(format!("applied {:03}_{}", migration.number, migration.name));
    }
    Ok(done)
}

async fn run(
    client: &Client,
    databases: &Databases,
    migration: &Migration,
    checksum: &str,
) -> Result<(), MigrateError> {
    let Migration { number, name, text } = migration;
    for (at, statement) in statements(text, databases).iter().enumerate() {
        execute(client, statement)
            .await
            .map_err(failed(format!("migration {number:03}_{name}, statement {}", at + 1)))?;
    }
    let record = format!(
        "INSERT INTO {}.migrations SELECT {number}, '{name}', '{checksum}', now64(3)",
        databases.tables
    );
    execute(client, &record).await.map_err(failed(format!("record migration {number:03}_{name}")))
}

/// Sets the TTL of a table where it differs.
async fn keep(
    client: &Client,
    databases: &Databases,
    table: &str,
    time: &str,
    days: u32,
) -> Result<Option<String>, MigrateError> {
    let name = format!("{}.{table}", databases.tables);
    let what = || format!("set how long {name} is kept");
    let engine = client
        .query("SELECT engine_full FROM system.tables WHERE database = ? AND name = ?")
        .bind(&databases.tables)
        .bind(table)
        .fetch_one::<String>()
        .await
        .map_err(failed(what()))?;
    let has_ttl = engine.contains(" TTL ");
    let (statement, words) = if days == 0 {
        (format!("ALTER TABLE {name} REMOVE TTL"), format!("{name} is kept for ever"))
    } else {
        (
            format!("ALTER TABLE {name} MODIFY TTL {time} + INTERVAL {days} DAY"),
            format!("{name} is kept for {days} days"),
        )
    };
    let as_wanted = if days == 0 {
        !has_ttl
    } else {
        engine.contains(&format!("TTL {time} + toIntervalDay({days})"))
    };
    if as_wanted {
        return Ok(None);
    }
    execute(client, &statement).await.map_err(failed(what()))?;
    Ok(Some(words))
}

/// Runs a statement as it is: `?` and `{at:…}` in it are ClickHouse's, not the client's.
async fn execute(client: &Client, statement: &str) -> Result<(), clickhouse::error::Error> {
    client.query_raw(statement).execute().await
}

/// A migration's statements, comments removed, names filled in.
fn statements(text: &str, databases: &Databases) -> Vec<String> {
    let sql: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .flat_map(|line| [line, "\n"])
        .collect();
    sql.split(";\n")
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
        .map(|s| s.replace("{database}", &databases.tables).replace("{views}", &databases.views))
        .collect()
}

/// The checksum of a migration's text, before names are filled in: the same for every generation.
fn checksum(text: &str) -> String {
    format!("{:016x}", xxh3_64(text.as_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::table::Table;

    #[test]
    fn numbers_rise_and_statements_are_whole() {
        assert!(MIGRATIONS.windows(2).all(|w| w[0].number < w[1].number));
        let databases = Databases::new("retain", 1).unwrap();
        for text in MIGRATIONS.iter().map(|m| m.text).chain([BOOKKEEPING]) {
            let found = statements(text, &databases);
            assert!(!found.is_empty());
            assert!(found.iter().all(|s| s.starts_with("CREATE ") || s.starts_with("ALTER ")));
            assert!(found.iter().all(|s| s.contains("IF NOT EXISTS") && !s.contains('{')));
        }
    }

    #[test]
    fn every_column_of_the_encoders_is_in_the_tables() {
        let text: String = MIGRATIONS.iter().map(|m| m.text).collect();
        for table in Table::ALL {
            let from = text.find(&format!("{{database}}.{}\n(", table.name())).unwrap();
            let body = &text[from..from + text[from..].find("\n)").unwrap()];
            let mut rest = body;
            for column in table.columns() {
                let line = format!("`{}` {}", column.name, column.ty.sql());
                let at = rest.find(&line).unwrap_or_else(|| panic!("{line} of {}", table.name()));
                rest = &rest[at..];
            }
            assert_eq!(body.matches("\n    `").count(), table.columns().len(), "{}", table.name());
        }
    }
}
