//! What customers owe by legal entity, recomputed from the list of events, and held against the rows of `credit`.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{groups, moment, of};
use super::{Customer, Event, Expected, Sum};
use crate::rowbinary::{Row, Tables};

const DAY_MS: f64 = 86_400_000.0;

/// One legal entity of a customer.
#[derive(Clone, Debug, Default)]
pub struct Owed {
    /// Due and open part of bills not paid, sorted.
    open: Vec<(i64, i128)>,
    /// Payments, and the same times the days they came late.
    paid: [Sum; 2],
    ext_requests_open: i128,
    last_payment: Option<i64>,
}

/// By legal entity: the last statement of a bill names it.
pub fn recompute(events: &[&Event]) -> BTreeMap<String, Owed> {
    let mut all: BTreeMap<String, Owed> = BTreeMap::new();
    let kinds = ["invoice", "payment", "extension_request"];
    for bill in groups(events, &kinds, "invoice_id").values() {
        let said = of(bill, "invoice").map(|e| {
            let entity = e.text("legal_entity_id").to_owned();
            (e.ts_ms, e.minor, moment(e.text("due")), entity)
        });
        let Some((_, amount, due_ms, entity)) = said.max() else { continue };
        let owed = all.entry(entity).or_default();
        owed.paid.iter_mut().for_each(|sum| sum.half_life_d = 180.0);
        let mut open = amount;
        for e in of(bill, "payment") {
            let late_d = (e.ts_ms - due_ms).max(0) as f64 / DAY_MS;
            owed.paid[0].parts.push((e.ts_ms, e.minor as f64));
            owed.paid[1].parts.push((e.ts_ms, e.minor as f64 * late_d));
            owed.last_payment = owed.last_payment.max(Some(e.ts_ms));
            open -= e.minor;
        }
        if open > 0 {
            owed.open.push((due_ms, open));
            owed.ext_requests_open += of(bill, "extension_request").count() as i128;
        }
    }
    all.values_mut().for_each(|owed| owed.open.sort_unstable());
    all
}

/// Every row of `credit`, and no other.
pub fn check(tables: &Tables, expected: &Expected, seed: &str) {
    let key =
        |row: &Row| (row.text("customer_id").to_owned(), row.text("legal_entity_id").to_owned());
    let have: BTreeSet<_> = tables.rows("credit").map(key).collect();
    let keys = |(id, c): (&String, &Customer)| -> Vec<_> {
        c.owed.keys().map(|entity| (id.clone(), entity.clone())).collect()
    };
    let want: BTreeSet<_> = expected.customers.iter().flat_map(keys).collect();
    assert_eq!(have, want, "rows of credit, {seed}");
    for row in tables.rows("credit") {
        let (id, entity) = key(row);
        let customer = &expected.customers[&id];
        check_row(row, &customer.owed[&entity], &format!("{entity} of customer {id}, {seed}"));
    }
}

fn check_row(row: &Row, owed: &Owed, place: &str) {
    let pairs = row.ints("invoice_due").iter().zip(row.ints("invoice_open"));
    let open: Vec<(i64, i128)> = pairs.map(|(due, minor)| (*due as i64, *minor)).collect();
    assert_eq!(open, owed.open, "open bills of {place}");
    let sum: i128 = open.iter().map(|(_, minor)| minor).sum();
    assert_eq!(row.int("open_minor"), sum, "open_minor of {place}");
    assert_eq!(row.int("ext_requests_open"), owed.ext_requests_open, "requests of {place}");
    let last = owed.last_payment.map(i128::from);
    assert_eq!(row.maybe_int("last_payment"), last, "last_payment of {place}");
    for (name, sum) in ["paid_sum_180", "late_days_sum_180"].into_iter().zip(&owed.paid) {
        let (value, absolute) = sum.at(row.int("as_of") as i64);
        let got = row.float(name);
        assert!((got - value).abs() <= 1e-9 * absolute, "{name} of {place} is {got}, not {value}");
    }
}
