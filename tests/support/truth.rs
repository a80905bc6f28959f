//! Holds all of `customers`, `activity`, `segments` and `ledger` in ClickHouse against the slow recomputation from the source topics.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use rdkafka::Timestamp;
use rdkafka::message::{Message, OwnedMessage};
use retain::model::outcome::Outcome;
use retain::model::table::Table;
use retain::plan::Plan;

use crate::broker::{Broker, until_within};
use crate::compare::check_tables;
use crate::oracle::{Expected, recompute};
use crate::rowbinary::{Row, Tables, read_all};
use crate::sim::{Entry, Log};
use crate::stage::{SOURCES, Stage};
use crate::{LONG, PARTITIONS};

/// What is known of the source partitions.
#[derive(Debug, Default)]
pub struct Truth {
    /// By partition and source: the records that were ever seen.
    logs: BTreeMap<(u16, usize), BTreeMap<i64, Entry>>,
    /// By partition and source: where it begins now, and where it ends.
    ranges: BTreeMap<(u16, usize), (i64, i64)>,
}

/// What all shards must come to.
#[derive(Debug, Default)]
pub struct Whole {
    /// Customers and activity.
    pub tables: Expected,
    /// Applied, duplicate, late, filtered, rejected, by shard and source.
    pub counts: BTreeMap<(u16, usize), [u64; 5]>,
    /// Sum of the hashes of applied ids, by shard and source.
    pub id_hashes: BTreeMap<(u16, usize), u64>,
}

impl Whole {
    /// How many records had an outcome.
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.counts.values().map(|counts| counts[outcome as usize]).sum()
    }

    /// How many records there are.
    pub fn records(&self) -> u64 {
        self.counts.values().flatten().sum()
    }

    /// A whole number of all customers.
    pub fn sum(&self, column: &str) -> i64 {
        let values = self.tables.customers.values().map(|c| c.ints[column].unwrap_or(0));
        i64::try_from(values.sum::<i128>()).unwrap()
    }
}

fn entry(message: &OwnedMessage) -> Entry {
    let Timestamp::CreateTime(kafka_ms) = message.timestamp() else {
        panic!("{:?} is not what producers say", message.timestamp());
    };
    Entry {
        offset: message.offset(),
        kafka_ms,
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
    }
}

impl Truth {
    /// Reads the source topics; what was read before is kept.
    pub fn read(&mut self, broker: &Broker, name: &str) {
        for (source, topic) in SOURCES.iter().enumerate() {
            let topic = format!("{name}.{topic}");
            for message in broker.read(&topic) {
                let place = (u16::try_from(message.partition()).unwrap(), source);
                self.logs.entry(place).or_default().insert(message.offset(), entry(&message));
            }
            for ((_, partition), range) in broker.ranges(&[&topic], PARTITIONS) {
                self.ranges.insert((u16::try_from(partition).unwrap(), source), range);
            }
        }
    }

    /// Offsets that no committed record has: control records and what was aborted.
    pub fn holes(&self) -> i64 {
        let records = self.logs.values().map(|log| log.len() as i64).sum::<i64>();
        self.ranges.values().map(|(_, end)| end).sum::<i64>() - records
    }

    /// The records of a partition that were never read are no part of it.
    fn without(&mut self, place: (u16, usize), from: i64, to: i64) {
        let begin = self.ranges[&place].0;
        assert!(from < to && to <= begin, "{place:?}: [{from}, {to}) is no gap, {begin} is there");
        self.logs.entry(place).or_default().retain(|offset, _| !(from..to).contains(offset));
    }

    fn log(&self, place: (u16, usize)) -> Log {
        let entries = self.logs.get(&place).map(|log| log.values().cloned().collect());
        Log { entries: entries.unwrap_or_default(), end: self.ranges[&place].1 }
    }

    /// Recomputes all shards.
    pub fn expected(&self, plan: &Plan) -> Whole {
        let mut whole = Whole::default();
        let shards = u16::try_from(PARTITIONS).unwrap();
        for shard in 0..shards {
            let logs: Vec<Log> = (0..SOURCES.len()).map(|s| self.log((shard, s))).collect();
            let expected = recompute(plan, (shard, shards), &logs);
            for source in 0..SOURCES.len() {
                whole.counts.insert((shard, source), expected.counts[source]);
                whole.id_hashes.insert((shard, source), expected.id_hashes[source]);
            }
            whole.tables.customers.extend(expected.customers);
            for (place, cell) in expected.flows {
                let sum = whole.tables.flows.entry(place).or_default();
                sum.iter_mut().zip(cell).for_each(|(sum, n)| *sum += n);
            }
            for (minute, tally) in expected.activity {
                let sum = whole.tables.activity.entry(minute).or_default();
                *sum = (sum.0 + tally.0, sum.1 + tally.1, sum.2 + tally.2);
            }
        }
        whole.tables.flows.retain(|_, cell| cell.iter().any(|n| *n != 0));
        whole
    }
}

/// Waits until the ledger in `database` has reached the ends of all sources, then compares everything.
pub fn verify(stage: &mut Stage, database: &str) {
    await_ledger(stage, database);
    let tables = read_tables(stage, database);
    for gap in tables.rows("gaps") {
        let (from, to) = (gap.int("offset_from") as i64, gap.int("offset_to") as i64);
        stage.truth.without(place(gap), from, to);
    }
    let whole = stage.truth.expected(&stage.plan);
    assert!(whole.records() > 0, "nothing was sent");
    check_tables(&stage.plan, &tables, &whole.tables, false, &stage.name);
    check_ledger(&stage.truth, &tables, &whole);
}

/// Rows of the ledger are inserted last: once it has reached an offset, the other tables have what came before.
fn await_ledger(stage: &Stage, database: &str) {
    let carried = |stage: &Stage| {
        let sql = format!(
            "SELECT count() FROM system.tables WHERE database = '{database}' AND name = 'ledger'"
        );
        if stage.number(&sql) == 0 {
            return BTreeMap::new();
        }
        let sql = format!(
            "SELECT shard, source, max(offset_to) FROM {database}.ledger GROUP BY shard, source"
        );
        let text = String::from_utf8(stage.bytes(&sql, "TabSeparated")).unwrap();
        let reached = text.lines().map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let source = SOURCES.iter().position(|s| *s == fields[1]).unwrap();
            ((fields[0].parse().unwrap(), source), fields[2].parse::<i64>().unwrap())
        });
        reached.collect::<BTreeMap<(u16, usize), i64>>()
    };
    let ends: BTreeMap<_, _> =
        stage.truth.ranges.iter().map(|(place, range)| (*place, range.1)).collect();
    until_within(LONG, &format!("{database} to have everything"), &mut || carried(stage) == ends);
}

/// All tables as they stand after the same cycles. Mail goes on moving tiers when everything is consumed: what was
/// carried while they were copied (which takes no time: copies have the same parts) makes them no picture of one moment, and they are copied again.
fn read_tables(stage: &Stage, database: &str) -> Tables {
    let compared = [Table::Customers, Table::CustomerHistory, Table::Activity, Table::Segments];
    let compared: Vec<Table> =
        compared.into_iter().chain([Table::Credit, Table::Opportunities]).collect();
    let of = |table: &Table| {
        format!("SELECT shard, max(version) AS v FROM {database}.{} GROUP BY shard", table.name())
    };
    let latest = |tables: &[Table]| {
        let each: Vec<String> = tables.iter().map(of).collect();
        let sql =
            format!("SELECT shard, max(v) FROM ({}) GROUP BY shard", each.join(" UNION ALL "));
        let text = String::from_utf8(stage.bytes(&sql, "TabSeparated")).unwrap();
        let numbers = text.split_whitespace().map(|number| number.parse::<u64>().unwrap());
        let numbers: Vec<u64> = numbers.collect();
        numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect::<BTreeMap<u64, u64>>()
    };
    let read = || compared.iter().chain(&[Table::Ledger, Table::Gaps]);
    let copy = format!("{database}_read");
    until_within(LONG, &format!("{database} to stand still while it is copied"), &mut || {
        let (before, named) = (latest(&compared), latest(&[Table::Ledger]));
        // the ledger is written last: a cycle that it does not name yet may be carried in part
        if !before.iter().all(|(shard, v)| named.get(shard) >= Some(v)) {
            return false;
        }
        stage.execute(&format!("DROP DATABASE IF EXISTS {copy} SYNC"));
        stage.execute(&format!("CREATE DATABASE {copy}"));
        for table in read() {
            let name = table.name();
            stage.execute(&format!("CREATE TABLE {copy}.{name} CLONE AS {database}.{name}"));
        }
        before == latest(&compared)
    });
    let mut tables = Tables::default();
    for table in read() {
        insert_all(stage, &copy, *table, &mut tables);
    }
    stage.execute(&format!("DROP DATABASE {copy}"));
    tables
}

/// All rows of a table as they stand.
fn insert_all(stage: &Stage, database: &str, table: Table, tables: &mut Tables) {
    let names: Vec<String> = table.columns().iter().map(|c| format!("`{}`", c.name)).collect();
    let sql = format!("SELECT {} FROM {database}.{} FINAL", names.join(", "), table.name());
    let rows = read_all(&stage.bytes(&sql, "RowBinaryWithNamesAndTypes"));
    tables.insert_rows(table.name(), &rows);
}

fn place(row: &Row) -> (u16, usize) {
    let source = SOURCES.iter().position(|s| *s == row.text("source")).unwrap();
    (u16::try_from(row.int("shard")).unwrap(), source)
}

/// The cycles chain from the first offset to the last without a hole but the gaps; each has one outcome for each
/// committed record in its offsets, and together they have the outcomes and the events of the recomputation.
fn check_ledger(truth: &Truth, tables: &Tables, whole: &Whole) {
    let mut cycles: BTreeMap<(u16, usize), Vec<&Row>> = BTreeMap::new();
    for row in tables.rows("ledger") {
        cycles.entry(place(row)).or_default().push(row);
    }
    assert!(cycles.keys().eq(truth.ranges.keys()), "{:?}", cycles.keys());
    for (place, mut rows) in cycles {
        rows.sort_by_key(|row| row.int("version"));
        let log = truth.log(place);
        let (mut next, mut counts, mut hash) = (0, [0; 5], 0_u64);
        for row in rows {
            let (from, to) = (row.int("offset_from") as i64, row.int("offset_to") as i64);
            let version = row.int("version");
            assert_eq!(from, next, "{place:?} at version {version}");
            let outcomes = Outcome::ALL.map(|o| row.int(o.name()) as u64);
            let records = log.range(from, to).len() as u64;
            assert_eq!(outcomes.iter().sum::<u64>(), records, "{place:?} [{from}, {to})");
            counts.iter_mut().zip(outcomes).for_each(|(sum, n)| *sum += n);
            hash = hash.wrapping_add(row.int("id_hash") as u64);
            next = to;
        }
        assert_eq!(next, log.end, "{place:?} is read to its end");
        assert_eq!(counts, whole.counts[&place], "outcomes of {place:?}");
        assert_eq!(hash, whole.id_hashes[&place], "applied ids of {place:?}");
    }
}
