//! From customers' events to accounts, in memory: two pipelines behind each other, each in steps of its own that die now
//! and then. Every member is in the account that its customer's row names, as that row says it stands.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/accounts.rs"]
mod accounts;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/stream.rs"]
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accounts::{Expected, Told, account_plan, compare, expected};
use retain::model::effects::SignalWord;
use retain::model::money::{Currency, Rate};
use retain::model::partition::murmur2;
use retain::plan::{KeyField, Plan};
use rowbinary::{Row, Tables};
use sim::{Log, Runner, Schedule};
use stream::{BEGIN_MS, DAY_MS, Shape, deliver, disturbed, history};

const DISORDER_MS: i64 = 600_000;
const SHAPE: Shape = Shape { customers: 60, days: 150, events: 4_000, faults_permille: 10 };
const SHARDS: u16 = 2;

fn customers_plan() -> Plan {
    let mut plan = plans::plan();
    let rate = |code: &str, digits, scale| (Currency::parse(code).unwrap(), Rate { digits, scale });
    plan.rates = vec![rate("EUR", 108, 2), rate("JPY", 67, 4), rate("USD", 1, 0)];
    plan.disorder_ms = DISORDER_MS;
    plan.limits.rejects_percent_max = 100;
    plan.limits.rejects_run_max = u32::MAX;
    plan
}

/// The customers of a history, up to 200 days after its end.
fn customers(plan: &Plan, seed: u64, schedule: Schedule) -> Runner {
    let made = history(seed, SHAPE);
    let made = disturbed(seed, &made, DISORDER_MS, 10, |r, _| r.between(0, DAY_MS));
    let logs = deliver(seed, &made, |_| 5_000);
    let mut runner = Runner::new(&Arc::new(plan.clone()), 0, 1, logs, schedule);
    runner.drain();
    runner.pass_to(BEGIN_MS + (SHAPE.days + 200) * DAY_MS);
    runner
}

/// The partitions of the signals topic.
fn topic(words: &[SignalWord]) -> Vec<Log> {
    let mut logs = vec![Log::default(); usize::from(SHARDS)];
    for (n, word) in words.iter().enumerate() {
        let at = (murmur2(&word.partition_key) & 0x7fff_ffff) % u32::from(SHARDS);
        let kafka_ms = BEGIN_MS + 400 * DAY_MS;
        let log = &mut logs[at as usize];
        log.push(i64::from(n % 9 == 0), kafka_ms, Some(word.key.clone()), word.value.clone());
    }
    logs
}

fn accounts(words: &[SignalWord], schedule: &Schedule) -> Tables {
    let plan = Arc::new(account_plan("USD"));
    let mut tables = Tables::default();
    for (shard, log) in (0..).zip(topic(words)) {
        let mut runner = Runner::new(&plan, shard, SHARDS, vec![log], schedule.clone());
        runner.drain();
        assert!(runner.letters.is_empty(), "{:?}", runner.letters.first());
        tables.absorb(&runner.tables);
    }
    tables
}

fn told(words: &[SignalWord]) -> Vec<Told> {
    words.iter().cloned().map(Told::of).collect()
}

/// Holds the members' last words against the customers' rows.
fn compare_members(rows: &Tables, accounts: &BTreeMap<String, Expected>) {
    let mut seen = BTreeSet::new();
    for row in rows.rows("customers").filter(|row| !row.text("account_id").is_empty()) {
        let (customer, account) = (row.text("customer_id"), row.text("account_id"));
        let word = accounts.get(account).and_then(|account| account.members.get(customer));
        let word = word.unwrap_or_else(|| panic!("{customer} is not in {account}"));
        compare_member(row, &word["part"]);
        seen.insert((account, customer));
    }
    let members: usize = accounts.values().map(|account| account.members.len()).sum();
    assert_eq!(members, seen.len(), "members that are nobody's customers");
    assert!(seen.len() > 20, "{}", seen.len());
}

fn compare_member(row: &Row, part: &serde_json::Value) {
    let id = row.text("customer_id");
    for (column, field) in [("region", "region"), ("owner_id", "owner_id"), ("name", "name")] {
        assert_eq!(part[field], row.text(column), "{column} of {id}");
    }
    assert_eq!(part["said_key"], row.maybe_int("key") == Some(1), "key of {id}");
    for column in ["open_tickets", "open_complaints"] {
        assert_eq!(i128::from(part[column].as_i64().unwrap()), row.int(column), "{column} of {id}");
    }
    assert_eq!(part["last_visit_ms"].as_i64().map(i128::from), row.maybe_int("last_visit"), "{id}");
    let day = |ms: Option<i128>| ms.map(|ms| ms.div_euclid(i128::from(DAY_MS)));
    for (column, field) in [("last_seen", "last_seen_ms"), ("last_contact", "last_contact_ms")] {
        let said = part[field].as_i64().map(i128::from);
        assert_eq!(day(said), day(row.maybe_int(column)), "{column} of {id}");
    }
    let said = part["risk_ppm"].as_f64().map(|ppm| ppm / 1e6);
    match (said, row.maybe_float("risk")) {
        (None, None) => {}
        (Some(said), Some(is)) => {
            assert!((said - is).abs() < 0.010_001, "risk of {id}: {said}, {is}")
        }
        other => panic!("risk of {id}: {other:?}"),
    }
    let minor = row.maybe_float("clv").map(|clv| clv * 100.0);
    match (part["value_minor"].as_f64(), minor) {
        (None, None) => {}
        (Some(said), Some(is)) => {
            assert!((said - is).abs() <= is.abs() / 50.0 + 1.0, "{id}: {said}, {is}")
        }
        other => panic!("value of {id}: {other:?}"),
    }
    let open: i64 = part["invoices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["open_minor"].as_i64().unwrap())
        .sum();
    assert_eq!(i128::from(open), row.int("open_minor"), "open invoices of {id}");
}

#[test]
fn accounts_are_what_their_members_rows_say() {
    for seed in [3, 4] {
        let plan = customers_plan();
        for schedule in [Schedule::straight(seed), Schedule::wild(seed).crashing(20)] {
            let customers = customers(&plan, seed, schedule);
            let expected = expected(&told(&customers.words));
            compare_members(&customers.tables, &expected);
            let moved = customers.words.iter().filter_map(|word| word.value.as_ref());
            let moved =
                moved.filter(|value| value.windows(11).any(|w| w == b"\"left\":true")).count();
            assert!(moved > 10, "{moved}");
            for schedule in [Schedule::straight(seed), Schedule::wild(seed).crashing(30)] {
                compare(&accounts(&customers.words, &schedule), &expected);
            }
        }
    }
}

/// A customer without an account pays nothing for those who have one, and a member that nothing happens to is silent.
#[test]
fn members_speak_when_something_has_changed() {
    let plan = customers_plan();
    let customers = customers(&plan, 5, Schedule::by_record(5));
    let mut before: BTreeMap<Vec<u8>, serde_json::Value> = BTreeMap::new();
    let (mut said, mut same) = (0, 0);
    for word in customers.words.iter().filter(|word| word.key[0] != 0) {
        let Some(value) = &word.value else { continue };
        let mut json: serde_json::Value = serde_json::from_slice(value).unwrap();
        let json = json.as_object_mut().unwrap();
        json.retain(|field, _| field != "cycle" && field != "as_of_ms");
        let now = serde_json::Value::from(json.clone());
        same += usize::from(before.get(&word.key) == Some(&now));
        before.insert(word.key.clone(), now);
        said += 1;
    }
    assert!(said > 500 && same * 20 < said, "{same} of {said} words said nothing new");
    let without =
        customers.words.iter().filter_map(|word| word.value.as_ref().filter(|_| word.key[0] == 0));
    assert!(without.into_iter().all(|value| !value.windows(7).any(|w| w == b"\"part\":")));
}

/// Where orders belong to the account: a pipeline keyed by account speaks of the account itself.
#[test]
fn a_pipeline_keyed_by_account_speaks_for_the_account() {
    let plan = Plan { key: KeyField::Account, ..customers_plan() };
    let mut log = Log::default();
    for n in 0..6 {
        let ts = stream::spell_time(BEGIN_MS + n * 20 * DAY_MS, 0);
        let payload = format!(
            r#"{{"event_id":"e{n}","customer_id":"buyer {n}","account_id":"acme","ts":"{ts}","amount":"50.00","currency":"USD"}}"#
        );
        let kafka_ms = BEGIN_MS + n * 20 * DAY_MS;
        log.push(0, kafka_ms, Some(b"acme".to_vec()), Some(payload.into_bytes()));
    }
    let logs = vec![log, Log::default(), Log::default()];
    let mut runner = Runner::new(&Arc::new(plan), 0, 1, logs, Schedule::straight(1));
    runner.drain();
    assert_eq!(runner.counts[0].by_outcome[0], 6);
    let words = &runner.words;
    assert!(words.iter().any(|word| word.key == b"acme\0acme"), "{words:?}");
    let tables = accounts(words, &Schedule::straight(1));
    let rows: Vec<&Row> = tables.rows("accounts").collect();
    assert_eq!((rows.len(), rows[0].text("account_id"), rows[0].int("members")), (1, "acme", 0));
    let own: Vec<&Row> = runner.tables.rows("customers").collect();
    let near = rows[0].maybe_float("risk").unwrap() - own[0].maybe_float("risk").unwrap();
    assert!(near.abs() < 0.01 && rows[0].int("value_minor") > 0);
    compare(&tables, &expected(&told(words)));
}
