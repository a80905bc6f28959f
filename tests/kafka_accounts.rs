//! Customers and accounts in one process, on a real Kafka into a real ClickHouse: killed at random moments, and in the end
//! every account is what a slow recomputation makes of the words in the topic.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/accounts.rs"]
mod accounts;
#[path = "support/live.rs"]
mod live;

use std::collections::BTreeMap;
use std::time::Duration;

use accounts::{Told, compare, expected};
use live::*;
use random::Random;
use rdkafka::Message;
use retain::model::table::Table;
use rowbinary::{Tables, read_all};

/// The shipped definition of accounts, for a stage.
fn definition(stage: &Stage) -> String {
    let text = include_str!("../pipelines/accounts.toml");
    let text = text.replacen("name = \"accounts\"", &format!("name = \"{}-acc\"", stage.name), 1);
    let heard = format!("pipeline = \"{}\"", stage.name);
    let text = text.replacen("pipeline = \"customers\"", &heard, 1);
    assert!(text.contains(&heard));
    text
}

fn words(stage: &Stage) -> Vec<Told> {
    let told = |message: &rdkafka::message::OwnedMessage| Told {
        key: message.key().unwrap().to_vec(),
        value: message.payload().map(<[u8]>::to_vec),
    };
    stage.broker.read(&format!("{}.g1.signals", stage.name)).iter().map(told).collect()
}

/// Where the words end, and how far the ledger of accounts says they were read, by partition.
fn ends(stage: &Stage, database: &str) -> (BTreeMap<i32, i64>, BTreeMap<i32, i64>) {
    let topic = format!("{}.g1.signals", stage.name);
    let ranges = stage.broker.ranges(&[&topic], PARTITIONS);
    let ends = ranges.iter().map(|((_, partition), range)| (*partition, range.1)).collect();
    let exists = format!("SELECT count() FROM system.tables WHERE database = '{database}'");
    if stage.number(&exists) == 0 {
        return (ends, BTreeMap::new());
    }
    let sql = format!("SELECT shard, max(offset_to) FROM {database}.ledger GROUP BY shard");
    let text = String::from_utf8(stage.bytes(&sql, "TabSeparated")).unwrap();
    let number = |field: &str| field.parse::<i64>().unwrap();
    let reached = text.lines().map(|line| {
        let (shard, offset) = line.split_once('\t').unwrap();
        (number(shard) as i32, number(offset))
    });
    (ends, reached.collect())
}

/// Waits until everything said is in ClickHouse while nothing more is said, and compares.
fn verify_accounts(stage: &Stage) {
    let database = format!("{}_accounts_g1", stage.database());
    let mut compared = 0;
    until_within(2 * LONG, "the accounts to have heard everything", &mut || {
        let (before, reached) = ends(stage, &database);
        if before != reached {
            return false;
        }
        let told = words(stage);
        let names: Vec<String> =
            Table::Accounts.columns().iter().map(|c| format!("`{}`", c.name)).collect();
        let sql = format!("SELECT {} FROM {database}.accounts FINAL", names.join(", "));
        let rows = read_all(&stage.bytes(&sql, "RowBinaryWithNamesAndTypes"));
        if ends(stage, &database).0 != before {
            return false;
        }
        let mut tables = Tables::default();
        tables.insert_rows(Table::Accounts.name(), &rows);
        let expected = expected(&told);
        compare(&tables, &expected);
        compared = expected.len();
        true
    });
    assert!(compared >= 5, "{compared} accounts");
    let views = stage.database();
    let lost = format!("SELECT sum(missing + twice) FROM {views}.account_completeness");
    assert_eq!(stage.number(&lost), 0);
    let shown = format!("SELECT count() FROM {views}.accounts_now");
    assert_eq!(stage.number(&shown), compared as i64);
}

#[test]
fn customers_and_accounts_in_one_process_killed_at_random_moments() {
    let mut stage = Stage::new("accounts");
    let accounts = definition(&stage);
    let start = |stage: &Stage| {
        let settings = stage.settings("a", false);
        // in any order: who speaks is prepared first
        Process::start_all(&[&accounts, &stage.definition], &settings)
    };
    let load = Load::start(stage.feed(), 400, Duration::from_millis(20));
    let mut moments = Random::new(11);
    for kill in 0..soak_or(4, 20) {
        let mut process = start(&stage);
        let commits = 4 + moments.below(12);
        process.until(LONG, &format!("kill {kill}"), |news| news.commits > commits);
        process.signal("KILL");
    }
    load.stop();
    let mut process = start(&stage);
    stage.verify();
    verify_accounts(&stage);
    let shards = 2 * PARTITIONS as usize;
    process.until(LONG, "both pipelines to run", |news| news.shards >= shards);
    let said = process.stop();
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn accounts_say_who_must_speak_first() {
    let stage = Stage::new("unheard");
    let settings = stage.settings("a", false);
    let mut process = Process::start_all(&[&definition(&stage)], &settings);
    let said = process.says(LONG, &["unheard.g1.signals", "does not exist"]);
    assert!(said.contains("error"), "{said}");
}
