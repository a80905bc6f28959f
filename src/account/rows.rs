//! Rows of accounts, column by column in the order of the tables.

use super::book::Account;
use super::roll::Roll;
use crate::model::effects::RowBlock;
use crate::model::table::Table;
use crate::plan::AccountRules;
use crate::wire::rows::TableRows;

/// Rows of the open cycle.
#[derive(Debug)]
pub struct AccountRows {
    shard: u16,
    accounts: TableRows,
    history: TableRows,
}

impl AccountRows {
    /// No rows yet.
    pub fn new(shard: u16) -> Self {
        Self {
            shard,
            accounts: TableRows::new(Table::Accounts),
            history: TableRows::new(Table::AccountHistory),
        }
    }

    /// Bytes collected.
    pub fn len_bytes(&self) -> usize {
        self.accounts.len_bytes() + self.history.len_bytes()
    }

    /// Moves everything into `out`.
    pub fn take_into(&mut self, out: &mut Vec<RowBlock>) {
        self.accounts.take_into(out);
        self.history.take_into(out);
    }

    /// The row of an account; one without members is deleted.
    pub fn account(
        &mut self,
        id: &str,
        account: &Account,
        roll: &Roll,
        currency: &str,
        version: u64,
    ) {
        let standing = &account.standing;
        let mut row = self.accounts.row();
        row.text(id.as_bytes()).u16(self.shard).u64(version).u8(u8::from(account.present() == 0));
        row.i64(standing.as_of_ms.max(0)).text(currency.as_bytes());
        for text in [&roll.name, &roll.region, &roll.industry, &roll.owner_id] {
            row.text(text.as_bytes());
        }
        row.u8(u8::from(roll.key))
            .text(roll.key_reason.as_bytes())
            .u32(roll.members)
            .u8(u8::from(standing.left_out))
            .i64s(roll.seen_ms.iter().copied())
            .i64(roll.value_minor)
            .i64(roll.revenue_365_minor)
            .i64(roll.at_risk_minor)
            .maybe_f64(roll.risk)
            .maybe_f64(roll.satisfaction)
            .f64(roll.satisfaction_n)
            .u32(roll.open_tickets)
            .u32(roll.open_complaints)
            .maybe_time(roll.oldest_complaint_ms)
            .texts(roll.entities.iter().map(|entity| entity.id.as_str()))
            .i64s(roll.entities.iter().map(|entity| entity.open_minor))
            .u16s(roll.invoices.iter().map(|owed| owed.entity))
            .i64s(roll.invoices.iter().map(|owed| owed.due_ms))
            .i64s(roll.invoices.iter().map(|owed| owed.open_minor))
            .i64s(roll.renewals_ms.iter().copied())
            .maybe_time(roll.last_contact_ms)
            .maybe_time(roll.last_visit_ms)
            .maybe_time(roll.last_seen_ms);
        let past = standing.past.points();
        row.u16s(past.iter().map(|point| point.day))
            .i64s(past.iter().map(|point| point.risk_ppm.map_or(-1, i64::from)))
            .i64s(past.iter().map(|point| point.revenue_365_minor));
    }

    /// The row of an account's day.
    pub fn day(
        &mut self,
        id: &str,
        day: u16,
        account: &Account,
        roll: &Roll,
        rules: &AccountRules,
        version: u64,
    ) {
        let as_of_ms = account.standing.as_of_ms;
        let mut row = self.history.row();
        row.text(id.as_bytes()).u16(day).u16(self.shard).u64(version).u8(0).i64(as_of_ms);
        for text in [&roll.region, &roll.industry, &roll.owner_id] {
            row.text(text.as_bytes());
        }
        row.u8(u8::from(roll.key))
            .u32(roll.members)
            .u32(roll.active_contacts(as_of_ms, rules.active_ms))
            .i64(roll.value_minor)
            .i64(roll.revenue_365_minor)
            .i64(roll.at_risk_minor)
            .maybe_f64(roll.risk)
            .maybe_f64(roll.satisfaction)
            .u32(roll.open_complaints)
            .i64(roll.open_minor())
            .i64(roll.overdue_minor(as_of_ms));
    }
}
