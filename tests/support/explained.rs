//! From rows of the simulator to what explanations are told from.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use retain::explain::{Held, Stored};

use crate::rowbinary::{Row, Tables};

/// A row of `customers`, shown as of when it was judged.
pub fn stored(row: &Row) -> Stored {
    let text = |name: &str| row.text(name).to_owned();
    let map = |name: &str| row.map(name).clone();
    Stored {
        version: row.int("version") as u64,
        at_ms: row.int("judged_at") as i64,
        complete_to_ms: None,
        judged_ms: row.int("judged_at") as i64,
        model_version: row.int("model_version") as u64,
        risk: row.maybe_float("risk"),
        risk_band: row.int("risk_band") as u8,
        risk_contributions: map("risk_contributions"),
        risk_missing: row.texts("risk_missing").to_vec(),
        loyalty: row.maybe_float("loyalty"),
        loyalty_contributions: map("loyalty_contributions"),
        born_ms: row.int("t_born") as i64,
        orders: row.int("orders") as u32,
        refunds: row.int("refunds") as u32,
        tickets: row.int("tickets") as u32,
        visits: row.int("visits") as u32,
        lifecycle: text("lifecycle"),
        tier: text("tier"),
        abc: text("abc"),
        tier_since_ms: row.maybe_int("tier_since").map(|ms| ms as i64),
        key_customer: row.int("key_customer") == 1,
        master: [text("region"), text("industry"), text("segment"), text("owner_id")],
    }
}

/// The rows of `events` of a customer.
pub fn held(tables: &Tables, customer: &str) -> Vec<Held> {
    let of = |row: &&Row| row.text("customer_id") == customer;
    tables.rows("events").filter(of).map(of_row).collect()
}

/// The rows of `events` of every customer.
pub fn held_of_all(tables: &Tables) -> BTreeMap<String, Vec<Held>> {
    let mut all: BTreeMap<String, Vec<Held>> = BTreeMap::new();
    for row in tables.rows("events") {
        all.entry(row.text("customer_id").to_owned()).or_default().push(of_row(row));
    }
    all
}

fn of_row(row: &Row) -> Held {
    Held {
        ts_ms: row.int("ts") as i64,
        source: row.text("source").to_owned(),
        topic: row.text("topic").to_owned(),
        partition: row.int("partition") as u16,
        offset: row.int("offset") as i64,
        version: row.int("version") as u64,
        kind: row.text("type").to_owned(),
        visit: row.int("visit") == 1,
        payload: row.bytes("payload").to_vec(),
    }
}
