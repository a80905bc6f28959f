//! What accounts must be, from the words as they lie in the topic: read anew, added up slowly, in another way than the
//! product does.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use retain::model::effects::SignalWord;
use retain::plan::{Plan, parse};
use serde_json::Value;

use crate::rowbinary::{Row, Tables};

/// The shipped definition of accounts, in a currency.
pub fn account_plan(currency: &str) -> Plan {
    let text = include_str!("../../pipelines/accounts.toml");
    let text = text.replacen("currency = \"USD\"", &format!("currency = \"{currency}\""), 1);
    let (plan, problems) = parse(&text);
    let mut plan = plan.unwrap_or_else(|| panic!("{problems:?}"));
    plan.limits.rejects_percent_max = 100;
    plan.limits.rejects_run_max = u32::MAX;
    plan
}

/// A record of the signals topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

impl Told {
    /// What a pipeline writes.
    pub fn of(word: SignalWord) -> Self {
        Self { key: word.key, value: word.value }
    }
}

/// A word that stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Stands {
    /// Whether it says that the customer has left.
    pub left: bool,
    stamp: (u64, u64),
    json: Value,
}

/// The last word under each key: the one with the highest stamp, nothing after a tombstone.
pub fn last_words(told: &[Told]) -> BTreeMap<Vec<u8>, Stands> {
    let mut last: BTreeMap<Vec<u8>, Stands> = BTreeMap::new();
    for Told { key, value } in told {
        let Some(value) = value else {
            last.remove(key);
            continue;
        };
        let json: Value = serde_json::from_slice(value).unwrap();
        let number = |name: &str| json[name].as_u64().unwrap();
        let stamp = (number("generation"), number("cycle"));
        if last.get(key).is_none_or(|held| held.stamp < stamp) {
            let left = json["left"].as_bool().unwrap_or(false);
            last.insert(key.clone(), Stands { left, stamp, json });
        }
    }
    last
}

/// What is expected of one account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// The members' ids, with what they said.
    pub members: BTreeMap<String, Value>,
    as_of_ms: i64,
}

/// All accounts that have members.
pub fn expected(told: &[Told]) -> BTreeMap<String, Expected> {
    let mut accounts: BTreeMap<String, Expected> = BTreeMap::new();
    let mut as_of: BTreeMap<String, i64> = BTreeMap::new();
    for word in told.iter().filter_map(|told| told.value.as_ref()) {
        let json: Value = serde_json::from_slice(word).unwrap();
        let account = json["account_id"].as_str().unwrap().to_owned();
        let at_ms = json["as_of_ms"].as_i64().unwrap();
        as_of.entry(account).and_modify(|ms| *ms = (*ms).max(at_ms)).or_insert(at_ms);
    }
    for word in last_words(told).into_values().filter(|word| !word.left) {
        let account = word.json["account_id"].as_str().unwrap().to_owned();
        if account.is_empty() {
            continue;
        }
        let customer = word.json["customer_id"].as_str().unwrap().to_owned();
        let entry = accounts.entry(account.clone()).or_default();
        entry.as_of_ms = as_of[&account];
        entry.members.insert(customer, word.json);
    }
    accounts
}

/// Holds a table of accounts against what is expected, every column that does not depend on the path.
pub fn compare(tables: &Tables, expected: &BTreeMap<String, Expected>) {
    let rows: Vec<&Row> = tables.rows("accounts").collect();
    let shown: Vec<&str> = rows.iter().map(|row| row.text("account_id")).collect();
    let wanted: Vec<&str> = expected.keys().map(String::as_str).collect();
    assert_eq!(shown, wanted, "accounts with members");
    for row in rows {
        compare_one(row, &expected[row.text("account_id")]);
    }
}

fn compare_one(row: &Row, account: &Expected) {
    let id = row.text("account_id");
    let parts: Vec<&Value> = account.members.values().map(|word| &word["part"]).collect();
    let ints = |name: &str| parts.iter().filter_map(|p| p[name].as_i64()).collect::<Vec<i64>>();
    let sum = |name: &str| ints(name).iter().map(|n| i128::from(*n)).sum::<i128>();
    let people = account.members.keys().filter(|customer| *customer != id).count() as i128;
    for (column, wanted) in [
        ("as_of", i128::from(account.as_of_ms)),
        ("members", people),
        ("value_minor", sum("value_minor")),
        ("revenue_365_minor", sum("revenue_365_minor")),
        ("open_tickets", sum("open_tickets")),
        ("open_complaints", sum("open_complaints")),
        (
            "key",
            i128::from(parts.iter().any(|p| p["said_key"] == true || p["key_by_value"] == true)),
        ),
    ] {
        assert_eq!(row.int(column), wanted, "{column} of {id}");
    }
    let latest = |name: &str| ints(name).into_iter().max().map(i128::from);
    for (column, wanted) in [
        ("oldest_complaint_at", ints("oldest_complaint_ms").into_iter().min().map(i128::from)),
        ("last_contact", latest("last_contact_ms")),
        ("last_visit", latest("last_visit_ms")),
        ("last_seen", latest("last_seen_ms")),
    ] {
        assert_eq!(row.maybe_int(column), wanted, "{column} of {id}");
    }
    risk(row, &parts);
    credit(row, &parts);
    most_said(row, &parts, id, account);
    let mut seen: Vec<i128> = account
        .members
        .iter()
        .filter(|(customer, _)| *customer != id)
        .filter_map(|(_, word)| word["part"]["last_seen_ms"].as_i64())
        .map(i128::from)
        .collect();
    seen.sort_unstable();
    seen.reverse();
    assert_eq!(row.ints("contacts_seen"), seen, "contacts_seen of {id}");
    let ahead: BTreeSet<i128> = ints("renewal_ms")
        .into_iter()
        .filter(|ms| *ms >= account.as_of_ms)
        .map(i128::from)
        .collect();
    assert_eq!(row.ints("renewals"), ahead.into_iter().collect::<Vec<_>>(), "renewals of {id}");
}

fn risk(row: &Row, parts: &[&Value]) {
    let id = row.text("account_id");
    let told: Vec<(f64, f64)> = parts
        .iter()
        .filter_map(|p| {
            let revenue = p["revenue_365_minor"].as_i64().unwrap_or(0).max(0);
            Some((p["risk_ppm"].as_u64()? as f64 / 1e6, revenue as f64))
        })
        .collect();
    let lost: f64 = told.iter().map(|(risk, revenue)| risk * revenue).sum();
    let all: f64 = told.iter().map(|told| told.1).sum();
    let plain: f64 = told.iter().map(|told| told.0).sum();
    let wanted = match told.len() {
        0 => None,
        n => Some(if all > 0.0 { lost / all } else { plain / n as f64 }),
    };
    match (row.maybe_float("risk"), wanted) {
        (None, None) => {}
        (Some(is), Some(wanted)) => assert!((is - wanted).abs() < 1e-9, "{id}: {is}, not {wanted}"),
        other => panic!("{id}: {other:?}"),
    }
    let at_risk = lost * 90.0 / 365.0;
    assert!((row.int("at_risk_minor") as f64 - at_risk).abs() <= 0.5 + 1e-6, "{id}: {at_risk}");
}

fn credit(row: &Row, parts: &[&Value]) {
    let mut open: BTreeMap<String, i128> = BTreeMap::new();
    let mut due: BTreeMap<(i128, String), i128> = BTreeMap::new();
    for invoice in parts.iter().flat_map(|p| p["invoices"].as_array().unwrap()) {
        let entity = invoice["entity"].as_str().unwrap().to_owned();
        let minor = i128::from(invoice["open_minor"].as_i64().unwrap());
        *open.entry(entity.clone()).or_default() += minor;
        let due_ms = i128::from(invoice["due_ms"].as_i64().unwrap());
        *due.entry((due_ms, entity)).or_default() += minor;
    }
    let entities = row.texts("legal_entity_ids");
    assert_eq!(entities, open.keys().cloned().collect::<Vec<_>>());
    assert_eq!(row.ints("open_minor"), open.into_values().collect::<Vec<_>>());
    let places = row.ints("invoice_entity").iter().map(|at| entities[*at as usize].clone());
    let shown: BTreeMap<(i128, String), i128> = row
        .ints("invoice_due")
        .iter()
        .copied()
        .zip(places)
        .zip(row.ints("invoice_open").iter().copied())
        .collect();
    assert_eq!(shown, due);
}

fn most_said(row: &Row, parts: &[&Value], id: &str, account: &Expected) {
    for column in ["region", "industry", "owner_id"] {
        let texts = parts.iter().filter_map(|p| p[column].as_str()).filter(|t| !t.is_empty());
        let mut votes: BTreeMap<&str, i64> = BTreeMap::new();
        texts.for_each(|text| *votes.entry(text).or_default() += 1);
        let most = votes.iter().min_by_key(|(text, votes)| (-**votes, **text));
        let own = account.members.get(id).and_then(|word| word["part"][column].as_str());
        let own = own.filter(|text| !text.is_empty());
        let wanted = own.or(most.map(|(text, _)| *text)).unwrap_or("");
        assert_eq!(row.text(column), wanted, "{column} of {id}");
    }
}
