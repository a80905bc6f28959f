//! The alerts of a shard's accounts: looked at after each word and at dues of their own, as the engine does with customers.

use super::alerts::Seen;
use super::book::{Account, Book};
use crate::alert::Facts;
use crate::alert::command::Refused;
use crate::alert::look::Looking;
use crate::alert::{Alerts, Ruled};
use crate::model::registry::{Signal, Subject};
use crate::model::time::NEVER_MS;
use crate::rule::evaluate::Value;
use crate::wire::mail::Said;

/// What is said of alerts whose account nobody belongs to any more.
const DESERTED: &str = "the account has no members any more";

impl Account {
    /// When its alerts must be looked at again.
    pub fn due_ms(&self) -> i64 {
        self.standing.alerts.as_deref().map_or(NEVER_MS, Alerts::due_ms)
    }
}

impl Book {
    /// The rules about accounts.
    pub fn ruled(&self) -> &Ruled {
        &self.ruled
    }

    /// Dues pending.
    pub fn dues_pending(&self) -> usize {
        self.dues.len()
    }

    /// When something is due up to `until_ms`; `None` when nothing is.
    pub fn next_due_ms(&self, until_ms: i64) -> Option<i64> {
        self.dues.first().map(|(due_ms, _)| *due_ms).filter(|due_ms| *due_ms <= until_ms)
    }

    /// Fires at most `budget` dues up to `until_ms`, in order of (due, account). Returns how many, and when the first of those
    /// that are left is due.
    pub fn fire_until(&mut self, until_ms: i64, budget: usize) -> (usize, Option<i64>) {
        let mut fired = 0;
        while let Some(due_ms) = self.next_due_ms(until_ms) {
            if fired >= budget {
                return (fired, Some(due_ms));
            }
            let Some((_, id)) = self.dues.first().cloned() else { break };
            self.look(&id, due_ms);
            fired += 1;
        }
        (fired, None)
    }

    /// Before a word changes an account: what was due of it, and the midnights that have passed.
    pub(super) fn before_word(&mut self, id: &str, at_ms: i64) {
        while let Some(due_ms) = self.accounts.get(id).map(Account::due_ms) {
            if due_ms > at_ms {
                break;
            }
            self.look(id, due_ms);
        }
        let Self { plan, rules, accounts, ruled, .. } = self;
        if !ruled.remembers_days() {
            return;
        }
        let Some(account) = accounts.get_mut(id) else { return };
        let Some(mut days) = account.standing.alerts.as_mut().map(|alerts| alerts.take_days())
        else {
            return;
        };
        days.fill(ruled, &Seen::new(plan, *rules, id, account), at_ms);
        if let Some(alerts) = &mut account.standing.alerts {
            alerts.put_days(days);
        }
    }

    /// Looks at an account's alerts.
    pub(super) fn look(&mut self, id: &str, at_ms: i64) {
        let Self { plan, rules, accounts, ruled, dues, alerted, looked, .. } = self;
        let Some(account) = accounts.get_mut(id).filter(|a| !has_nothing(ruled, a)) else { return };
        let due_ms = account.due_ms();
        let mut alerts = account.standing.alerts.take().unwrap_or_default();
        let tau_ms = at_ms.max(account.standing.as_of_ms);
        let facts = Seen::new(plan, *rules, id, account);
        let mut looking = Looking::new(ruled, facts, &mut alerts, tau_ms);
        looking.all_of_account(account.present());
        let Looking { due_ms: next_ms, changed, told, .. } = looking;
        debug_assert!(next_ms > at_ms, "a due must re-arm later");
        alerted.extend(told);
        alerts.set_due_ms(next_ms);
        account.standing.alerts = Some(alerts).filter(|alerts| !alerts.is_blank());
        if changed {
            looked.insert(id.into());
        }
        if next_ms != due_ms {
            dues.remove(&(due_ms, id.into()));
            if next_ms != NEVER_MS {
                dues.insert((next_ms, id.into()));
            }
        }
    }

    /// Does what a person says, once, at `now_ms` of event time, but not before the account's last word and all that was due.
    ///
    /// # Errors
    /// Why it has no effect.
    pub fn command(&mut self, said: &Said, now_ms: i64) -> Result<(), Refused> {
        let id = said.subject.as_str();
        let account = self.accounts.get(id).ok_or(Refused::NoAlert)?;
        let alerts = account.standing.alerts.as_deref().ok_or(Refused::NoAlert)?;
        let tau_ms = now_ms.max(account.standing.as_of_ms).max(alerts.seen_ms());
        self.before_word(id, tau_ms);
        let Self { plan, rules, accounts, ruled, alerted, looked, .. } = self;
        let account = accounts.get_mut(id).ok_or(Refused::NoAlert)?;
        let mut alerts = account.standing.alerts.take().unwrap_or_default();
        let facts = Seen::new(plan, *rules, id, account);
        let mut looking = Looking::new(ruled, facts, &mut alerts, tau_ms);
        let done = looking.obey(id, said);
        alerted.extend(looking.told);
        account.standing.alerts = Some(alerts);
        if done.is_ok() {
            looked.insert(id.into());
        }
        self.look(id, tau_ms);
        done
    }

    /// After the state was read: finds when each account must be looked at again: at once, where a look changes something.
    pub fn arm(&mut self, complete_to_ms: i64) {
        let Self { plan, rules, accounts, ruled, dues, .. } = self;
        for (id, account) in accounts.iter_mut().filter(|(_, a)| !has_nothing(ruled, a)) {
            let mut alerts = account.standing.alerts.take().unwrap_or_default();
            let seen_ms = alerts.seen_ms().max(account.standing.as_of_ms);
            let from_ms = complete_to_ms.max(seen_ms);
            let mut copy = alerts.clone();
            let facts = Seen::new(plan, *rules, id, account);
            let mut looking = Looking::new(ruled, facts, &mut copy, from_ms);
            looking.all_of_account(account.present());
            let due_ms = if looking.changed { from_ms.saturating_add(1) } else { looking.due_ms };
            alerts.set_due_ms(due_ms);
            account.standing.alerts = Some(alerts).filter(|alerts| !alerts.is_blank());
            if due_ms != NEVER_MS {
                dues.insert((due_ms, id.clone()));
            }
        }
    }

    /// What a signal of an account is at a moment not before its last word; `None` while it is unknown. Lengths of time and moments
    /// in milliseconds.
    pub fn signal(&self, id: &str, signal: &Signal, at_ms: i64) -> Option<Value> {
        let account = self.accounts.get(id)?;
        Seen::new(&self.plan, self.rules, id, account).value(signal, at_ms)
    }

    /// What a look at an account's alerts at `at_ms` would find that no due has found: nothing, once everything that was due by
    /// then has been fired. Changes nothing.
    pub fn unnoticed(&self, id: &str, at_ms: i64) -> Option<String> {
        let account = self.accounts.get(id)?;
        let mut copy = account.standing.alerts.as_deref().cloned().unwrap_or_default();
        let facts = Seen::new(&self.plan, self.rules, id, account);
        let tau_ms = at_ms.max(account.standing.as_of_ms);
        let mut looking = Looking::new(&self.ruled, facts, &mut copy, tau_ms);
        looking.all_of_account(account.present());
        let told: Vec<&str> = looking.told.iter().map(|word| word.rule.as_str()).collect();
        looking.changed.then(|| format!("told of {told:?} at {tau_ms}"))
    }
}

/// Whether there is no rule, and nothing that one has left behind.
fn has_nothing(ruled: &Ruled, account: &Account) -> bool {
    let held = account.standing.alerts.as_deref();
    ruled.is_empty() && held.is_none_or(Alerts::is_at_rest)
}

impl Looking<'_, Seen<'_>> {
    /// Looks at every rule about accounts; with so many `members`.
    fn all_of_account(&mut self, members: usize) {
        if members == 0 {
            self.end_all(DESERTED);
        } else {
            self.begin_days();
            self.all(Subject::Account);
        }
        self.close();
    }
}
