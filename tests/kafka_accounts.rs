//! Customers and accounts in one process, on a real Kafka into a real ClickHouse: killed at random moments, and in the end
//! every account is what a slow recomputation makes of the words in the topic.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/accounts.rs"]
mod accounts;
#[path = "support/live.rs"]
mod live;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use accounts::{Told, compare, expected};
use live::*;
use random::Random;
use rdkafka::Message;
use retain::account::book::Book;
use retain::model::table::Table;
use retain::plan::{Plan, RuleFile, parse, rules};
use retain::wire::signals::{Heard, Says, read};
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

/// Rules that the feed moves to and fro, and no time.
const RULES: &str = r#"
[[alert]]
name = "crowded"
about = "x"
subject = "account"
raise = "members >= 2"
next_step = "y"
events = ["profile"]
[[alert]]
name = "waiting"
about = "x"
subject = "account"
raise = "open_tickets >= 1"
clear = "open_tickets < 1"
next_step = "y"
events = ["support"]
[[alert]]
name = "owing"
about = "x"
subject = "account"
raise = "open_minor >= 1000 or risk >= 0.3 else no"
next_step = "y"
events = ["invoice"]
"#;

/// The transitions that follow from the words as they lie in the topic: alert, number, what, when.
fn transitions(stage: &Stage) -> BTreeSet<String> {
    let (found, problems) = rules(&[RuleFile { name: "rules.toml", text: RULES }]);
    let found = found.unwrap_or_else(|| panic!("{problems:?}"));
    let (plan, problems) = parse(&definition(stage));
    let plan = plan.unwrap_or_else(|| panic!("{problems:?}"));
    let plan = Arc::new(Plan { alerts: Arc::new(found.set), ..plan });
    let mut book = Book::new(Arc::clone(&plan), plan.accounts.unwrap(), 0);
    // a word that is deleted was heard before: its `left` is what counts
    for value in words(stage).into_iter().filter_map(|told| told.value) {
        let heard = read(&value).unwrap();
        book.hear(0, &heard, heard.as_of_ms().unwrap());
    }
    let line = |word: &retain::wire::alert::AlertWord| {
        format!("{}\t{}\t{}\t{}", word.alert_id, word.n, word.what, word.at_ms)
    };
    book.alerted.iter().map(line).collect()
}

fn words(stage: &Stage) -> Vec<Told> {
    let told = |message: &rdkafka::message::OwnedMessage| Told {
        key: message.key().unwrap().to_vec(),
        value: message.payload().map(<[u8]>::to_vec),
    };
    stage.broker.read(&format!("{}.g1.signals", stage.name)).iter().map(told).collect()
}

/// How many times a member has gone from one account to another.
fn moves(told: &[Told]) -> usize {
    let values = told.iter().filter_map(|told| told.value.as_deref());
    let heard: Vec<Heard> = values.map(|value| read(value).unwrap()).collect();
    let of_accounts = || heard.iter().filter(|heard| !heard.account.is_empty());
    let joined: BTreeSet<(&str, &str)> = of_accounts()
        .filter(|heard| matches!(heard.says, Says::Joined { .. }))
        .map(|heard| (&*heard.customer, &*heard.account))
        .collect();
    let elsewhere = |gone: &&Heard| {
        joined.iter().any(|(who, account)| *who == gone.customer && *account != gone.account)
    };
    of_accounts().filter(|heard| matches!(heard.says, Says::Left { .. })).filter(elsewhere).count()
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
    let (mut compared, mut alerts, mut moved) = (0, 0, 0);
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
        let sql = format!(
            "SELECT alert_id, n, what, toUnixTimestamp64Milli(at) FROM {database}.alert_history FINAL"
        );
        let lines = String::from_utf8(stage.bytes(&sql, "TabSeparated")).unwrap();
        let happened: BTreeSet<String> = lines.lines().map(str::to_owned).collect();
        let follows = transitions(stage);
        if ends(stage, &database).0 != before {
            return false;
        }
        assert_eq!(happened, follows);
        alerts = follows.len();
        compared = expected.len();
        moved = moves(&told);
        true
    });
    assert!(compared >= 5 && alerts >= 5, "{compared} accounts, {alerts} transitions");
    // else it would be a test of members who stay where they are
    assert!(moved >= 5, "{moved} members moved");
    let views = stage.database();
    let lost = format!("SELECT sum(missing + twice) FROM {views}.account_completeness");
    assert_eq!(stage.number(&lost), 0);
    let called =
        format!("SELECT count() = uniqExact(alert_id, n) FROM {views}.account_alert_history");
    assert_eq!(stage.number(&called), 1);
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
        Process::start_ruled(&[&accounts, &stage.definition], Some(RULES), &settings)
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
