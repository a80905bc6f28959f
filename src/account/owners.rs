//! Accounts' revenue at risk by owner: swept once a day of event time, as of the accounts' last words.

use std::ops::Bound;

use super::book::Book;
use super::roll::Aspect;

/// What a shard knows of its accounts' owners; a sweep goes by the accounts' ids.
pub type Owners = crate::alert::owners::Owners<Box<str>>;

impl Book {
    /// Sweeps at most `budget` accounts for the largest revenues at risk of their owners; none where no rule asks for it. A new sweep
    /// begins only if `begin`.
    pub fn sweep_owners(&mut self, until_ms: i64, budget: usize, begin: bool) {
        let Self { plan, accounts, ruled, owners, .. } = self;
        let Some(most) = ruled.tops().last() else { return };
        let Some(sweep) = owners.sweep(*most, until_ms, begin) else { return };
        let from = (Bound::Excluded(sweep.cursor.clone()), Bound::Unbounded);
        let mut left = budget;
        for (id, account) in accounts.range(from) {
            if left == 0 {
                return;
            }
            left -= 1;
            let roll = account.roll_of(id, plan.csat_prior, &[Aspect::MasterData, Aspect::Risk]);
            if roll.risk.is_some() {
                sweep.enter(&roll.owner_id, roll.at_risk_minor);
            }
            sweep.cursor.clone_from(id);
        }
        owners.end_sweep();
    }
}
