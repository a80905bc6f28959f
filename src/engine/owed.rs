//! Invoices, payments and requests for time as they come, and the rows they change: one of each legal entity that a
//! customer's invoices name, written when that customer's credit has changed.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_64;

use super::apply::Engine;
use super::credit::{Credit, Statement};
use super::sums::Sums;
use crate::model::batch::EventBatch;
use crate::model::event::{Body, Event};
use crate::wire::rows::Row;

/// A guess of what the row of a legal entity costs, bytes.
const ROW_BYTES: usize = 160;

/// A change of a customer's credit in the open cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    slot: u32,
    /// Legal entities that no invoice names any more.
    gone: Vec<Box<str>>,
}

/// Applies an event of credit.
fn take(credit: &mut Credit, sums: &mut Sums, batch: &EventBatch, event: &Event) {
    let hash = |span| xxh3_64(batch.bytes(span));
    let ts_ms = event.ts_ms;
    match event.body {
        Body::Invoice { invoice_id, amount, due_ms } => {
            let entity = batch.str(event.legal_entity_id);
            credit.invoice(sums, hash(invoice_id), ts_ms, amount.minor, due_ms, entity);
        }
        Body::Payment { invoice_id, amount } => {
            credit.payment(sums, hash(invoice_id), ts_ms, amount.minor);
        }
        Body::ExtensionRequest { invoice_id } => credit.extension(sums, hash(invoice_id), ts_ms),
        _ => {}
    }
}

impl Engine {
    /// Applies an event of credit and notes whose rows it changes.
    pub(super) fn take_credit(&mut self, slot: u32, batch: &EventBatch, event: &Event) {
        let (rare, sums) = self.store.get_mut(slot).profile.more_mut().rare_and_sums();
        let credit = rare.credit.get_or_insert_default();
        let before: Vec<Box<str>> = credit.entities().map(Box::from).collect();
        take(credit, sums, batch, event);
        let after: BTreeSet<&str> = credit.entities().collect();
        self.dirty_bytes += after.len() * ROW_BYTES;
        let gone = before.into_iter().filter(|entity| !after.contains(&**entity)).collect();
        self.owed.push(Owed { slot, gone });
    }

    /// Writes the rows of every customer whose credit has changed in the cycle; an entity that no invoice names any more
    /// is deleted. After that of the profiles: their moments are final.
    pub fn collect_credit(&mut self, version: u64) {
        let mut gone: BTreeMap<u32, BTreeSet<Box<str>>> = BTreeMap::new();
        let mut slots = Vec::new();
        for owed in std::mem::take(&mut self.owed) {
            let of_slot = gone.entry(owed.slot).or_insert_with(|| {
                slots.push(owed.slot);
                BTreeSet::new()
            });
            of_slot.extend(owed.gone);
        }
        for slot in slots {
            let entry = self.store.get(slot);
            let as_of_ms = entry.profile.as_of_ms;
            let mut deleted = gone.remove(&slot).unwrap_or_default();
            let credit = entry.profile.more().and_then(|more| more.rare().credit.as_deref());
            for statement in credit.iter().flat_map(|credit| credit.by_entity(as_of_ms)) {
                deleted.remove(statement.entity);
                self.rows.credit(entry.key.bytes(), version, as_of_ms, &statement, false);
            }
            for entity in &deleted {
                let nothing = Statement::of_nothing(entity);
                self.rows.credit(entry.key.bytes(), version, as_of_ms, &nothing, true);
            }
        }
    }
}

/// Writes the columns from `as_of` on.
pub(super) fn write(row: &mut Row<'_>, as_of_ms: i64, statement: &Statement<'_>) {
    let open = &statement.open;
    row.i64(as_of_ms)
        .i64(open.iter().fold(0, |sum, (_, minor)| i64::saturating_add(sum, *minor)))
        .i64s(open.iter().map(|(due_ms, _)| *due_ms))
        .i64s(open.iter().map(|(_, minor)| *minor))
        .f64(statement.paid)
        .f64(statement.late_days)
        .u32(statement.ext_requests_open)
        .maybe_time(statement.last_payment_ms);
}
