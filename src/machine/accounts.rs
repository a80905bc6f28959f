//! The end of a cycle in a pipeline of accounts: rows and state records of what changed.

use super::Machine;
use crate::model::effects::Effects;
use crate::snapshot::{StateKey, write};

impl Machine {
    /// Writes the members that have spoken, then the accounts that changed with them.
    pub(super) fn collect_accounts(&mut self, effects: &mut Effects) {
        let Some(book) = &mut self.book else {
            return;
        };
        let state = &mut effects.state;
        for (account, member) in book.take_changed() {
            let key = StateKey::Member(&account, member.source, &member.customer);
            match book.member(&account, &member) {
                Some(held) => state.put(|out| key.write(out), |out| write(held, out)),
                None => state.delete(|out| key.write(out)),
            }
        }
        book.close(|account, standing| {
            let key = StateKey::Account(account);
            match standing {
                Some(standing) => state.put(|out| key.write(out), |out| write(standing, out)),
                None => state.delete(|out| key.write(out)),
            }
        });
        book.rows.take_into(&mut effects.rows);
    }
}
