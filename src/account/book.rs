//! All accounts of a shard: what members said last, who has changed, and the rows of the open cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::past::{Past, Point};
use super::roll::{Aspect, Roll, Spoken, roll};
use super::rows::AccountRows;
use crate::alert::{Alerts, Ruled};
use crate::model::outcome::Outcome;
use crate::model::record::SourceIndex;
use crate::model::registry::Subject;
use crate::model::time::BEFORE_ALL_MS;
use crate::plan::{AccountRules, Plan};
use crate::wire::alert::AlertWord;
use crate::wire::signals::{AccountPart, Heard, Says, WordStamp};

/// A guess of what an account's row and state record cost, bytes.
const ROW_BYTES: usize = 900;
/// A guess of what a member's state record costs, bytes.
const MEMBER_BYTES: usize = 200;

/// A guess of what a transition of an alert costs, in its record and two rows, bytes.
const ALERT_BYTES: usize = 3_000;

/// Who a member is: a customer of the pipeline that a source speaks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberKey {
    /// The source.
    pub source: SourceIndex,
    /// The customer's id.
    pub customer: Box<str>,
}

/// What a member said last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// By which cycle of whose pipeline.
    pub stamp: WordStamp,
    /// As of when, milliseconds.
    pub as_of_ms: i64,
    /// What it brings; `None` after it has left, until its word is deleted.
    pub part: Option<Box<AccountPart>>,
    /// Of one that has left: whether it stood up for us here.
    pub champion: bool,
}

/// What an account is beside its members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The latest moment of which any member, also one that has left, has spoken, milliseconds.
    pub as_of_ms: i64,
    /// Whether members were left out because there were too many.
    pub left_out: bool,
    /// The days before.
    pub past: Past,
    /// What is remembered of its alerts.
    pub alerts: Option<Box<Alerts>>,
}

impl Default for Standing {
    fn default() -> Self {
        Self { as_of_ms: BEFORE_ALL_MS, left_out: false, past: Past::default(), alerts: None }
    }
}

/// One account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// All but the members.
    pub standing: Standing,
    members: BTreeMap<MemberKey, Member>,
    /// Members that have not left.
    present: usize,
    /// Changed in the open cycle.
    dirty: bool,
}

impl Account {
    /// Members as they were last heard, those who left among them, by key.
    pub fn members(&self) -> impl Iterator<Item = (&MemberKey, &Member)> {
        self.members.iter()
    }

    /// Members that have not left.
    pub fn present(&self) -> usize {
        self.present
    }

    /// The account as of its last word.
    pub fn roll(&self, id: &str, csat_prior: f64) -> Roll {
        self.roll_of(id, csat_prior, &Aspect::ALL)
    }

    /// Some of it.
    pub fn roll_of(&self, id: &str, csat_prior: f64, aspects: &[Aspect]) -> Roll {
        let spoken = self.members.iter().filter_map(|(key, member)| {
            let part = member.part.as_deref()?;
            let customer = &*key.customer;
            let is_account = customer == id;
            Some(Spoken { id: customer, is_account, as_of_ms: member.as_of_ms, part })
        });
        roll(spoken, self.standing.as_of_ms, csat_prior, aspects)
    }

    /// Puts a member's record in place of what is held of it, or removes it.
    fn put(&mut self, key: MemberKey, member: Option<Member>) {
        let comes = member.as_ref().is_some_and(|member| member.part.is_some());
        let before = match member {
            Some(member) => self.members.insert(key, member),
            None => self.members.remove(&key),
        };
        let was = before.is_some_and(|member| member.part.is_some());
        self.present = self.present + usize::from(comes) - usize::from(was);
    }
}

/// A state record to be written: whose, or deleted.
pub type Changed = BTreeSet<(Box<str>, MemberKey)>;

/// All accounts of a shard.
#[derive(Debug)]
pub struct Book {
    pub(super) plan: Arc<Plan>,
    pub(super) rules: AccountRules,
    pub(super) accounts: BTreeMap<Box<str>, Account>,
    pub(super) ruled: Ruled,
    /// When which account's alerts must be looked at.
    pub(super) dues: BTreeSet<(i64, Box<str>)>,
    /// Accounts whose alerts have changed.
    pub(super) looked: BTreeSet<Box<str>>,
    /// What happened to alerts in this cycle, in order.
    pub alerted: Vec<AlertWord>,
    /// Members whose state record is to be written.
    changed: Changed,
    /// Accounts whose row is to be written.
    dirty: BTreeSet<Box<str>>,
    /// Rows of the open cycle.
    pub rows: AccountRows,
    /// Version of the open cycle's rows.
    pub version: u64,
}

impl Book {
    /// No accounts yet.
    pub fn new(plan: Arc<Plan>, rules: AccountRules, shard: u16) -> Self {
        Self {
            ruled: Ruled::new(&plan, &[Subject::Account]),
            plan,
            rules,
            accounts: BTreeMap::new(),
            dues: BTreeSet::new(),
            looked: BTreeSet::new(),
            alerted: Vec::new(),
            changed: Changed::new(),
            dirty: BTreeSet::new(),
            rows: AccountRows::new(shard),
            version: 0,
        }
    }

    /// Accounts held.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// An account.
    pub fn get(&self, id: &str) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// Everything, by id.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &Account)> {
        self.accounts.iter().map(|(id, account)| (&**id, account))
    }

    /// About how many bytes the effects of what has changed will have.
    pub fn changed_bytes(&self) -> usize {
        self.rows.len_bytes()
            + self.dirty.len() * ROW_BYTES
            + self.looked.len() * MEMBER_BYTES
            + self.changed.len() * MEMBER_BYTES
            + self.alerted.len() * ALERT_BYTES
    }

    /// Takes a word in. It counts if its stamp is above that of the member's last one. What has no moment of its own is of
    /// `frontier_ms`.
    pub fn hear(&mut self, source: SourceIndex, heard: &Heard, frontier_ms: i64) -> Outcome {
        if heard.account.is_empty() {
            return Outcome::Filtered;
        }
        let key = MemberKey { source, customer: heard.customer.as_str().into() };
        match &heard.says {
            Says::Deleted => self.delete(&heard.account, key, frontier_ms),
            Says::Joined { part: None, .. } => Outcome::Filtered,
            Says::Joined { stamp, as_of_ms, part } => {
                let (stamp, as_of_ms) = (*stamp, *as_of_ms);
                let member = Member { stamp, as_of_ms, part: part.clone(), champion: false };
                self.take(&heard.account, key, member)
            }
            Says::Left { stamp, as_of_ms, champion } => {
                let (stamp, as_of_ms, champion) = (*stamp, *as_of_ms, *champion);
                let member = Member { stamp, as_of_ms, part: None, champion };
                self.take(&heard.account, key, member)
            }
        }
    }

    fn take(&mut self, id: &str, key: MemberKey, member: Member) -> Outcome {
        let held = self.accounts.get(id).and_then(|account| account.members.get(&key));
        if held.is_some_and(|held| held.stamp >= member.stamp) {
            return Outcome::Duplicate;
        }
        let is_new = held.is_none_or(|held| held.part.is_none());
        let present = self.accounts.get(id).map_or(0, |account| account.present);
        if member.part.is_some() && is_new && present >= self.rules.members_max {
            let account = self.accounts.entry(id.into()).or_default();
            account.standing.left_out = true;
            self.mark(id);
            return Outcome::Filtered;
        }
        self.before_word(id, member.as_of_ms);
        self.turn_to(id, member.as_of_ms);
        let account = self.accounts.entry(id.into()).or_default();
        account.standing.as_of_ms = account.standing.as_of_ms.max(member.as_of_ms);
        let as_of_ms = account.standing.as_of_ms;
        account.put(key.clone(), Some(member));
        self.changed.insert((id.into(), key));
        self.mark(id);
        self.look(id, as_of_ms);
        Outcome::Applied
    }

    /// The word is gone, and what is held of the member with it. Whoever reads long after may find nothing else: a log
    /// cleaner removes the word that said the member left.
    fn delete(&mut self, id: &str, key: MemberKey, at_ms: i64) -> Outcome {
        let held = self.accounts.get(id).is_some_and(|account| account.members.contains_key(&key));
        if !held {
            return Outcome::Filtered;
        }
        self.before_word(id, at_ms);
        if let Some(account) = self.accounts.get_mut(id) {
            account.put(key.clone(), None);
        }
        self.changed.insert((id.into(), key));
        self.mark(id);
        self.look(id, at_ms);
        Outcome::Applied
    }

    fn mark(&mut self, id: &str) {
        if let Some(account) = self.accounts.get_mut(id)
            && !account.dirty
        {
            account.dirty = true;
            self.dirty.insert(id.into());
        }
    }

    /// Ends the day that an account stands at, if a word of a later day is about to be taken in: its row of the history
    /// is written as it stood after the last word of that day.
    fn turn_to(&mut self, id: &str, as_of_ms: i64) {
        let Some(account) = self.accounts.get_mut(id) else {
            return;
        };
        let before_ms = account.standing.as_of_ms;
        if before_ms == BEFORE_ALL_MS || as_of_ms <= before_ms {
            return;
        }
        let (day, today) = (self.plan.day(before_ms), self.plan.day(as_of_ms));
        if day >= today {
            return;
        }
        let roll = account.roll(id, self.plan.csat_prior);
        let (risk_ppm, revenue_365_minor) = (roll.risk_ppm(), roll.revenue_365_minor);
        account.standing.past.end_of_day(Point { day, risk_ppm, revenue_365_minor }, today);
        if account.dirty {
            self.rows.day(id, day, account, &roll, &self.rules, self.version);
        }
    }

    /// The members whose state records are to be written, or deleted where they are not there any more.
    pub fn take_changed(&mut self) -> Changed {
        std::mem::take(&mut self.changed)
    }

    /// What is held of a member.
    pub fn member(&self, id: &str, key: &MemberKey) -> Option<&Member> {
        self.accounts.get(id)?.members.get(key)
    }

    /// Writes the rows of all accounts that have changed; tells `record` what is to be kept of each, nothing where it is
    /// gone.
    pub fn close(&mut self, mut record: impl FnMut(&str, Option<&Standing>)) {
        for id in std::mem::take(&mut self.dirty) {
            let Some(account) = self.accounts.get_mut(&id) else {
                continue;
            };
            account.dirty = false;
            let roll = account.roll(&id, self.plan.csat_prior);
            let currency = self.plan.currency;
            self.rows.account(&id, account, &roll, currency.as_str(), self.version);
            // an account that has lost its last member ends with a day without any
            let day = self.plan.day(account.standing.as_of_ms);
            self.rows.day(&id, day, account, &roll, &self.rules, self.version);
            self.looked.remove(&id);
            // no episode of an alert is counted twice, should somebody come back
            let alerts = account.standing.alerts.as_deref();
            if account.members.is_empty() && !alerts.is_some_and(Alerts::counts_episodes) {
                record(&id, None);
                self.dues.remove(&(account.due_ms(), id.clone()));
                self.accounts.remove(&id);
            } else {
                record(&id, Some(&account.standing));
            }
        }
        for id in std::mem::take(&mut self.looked) {
            if let Some(account) = self.accounts.get(&id) {
                record(&id, Some(&account.standing));
            }
        }
    }

    /// A member's record of the state topic; `None` where it was deleted.
    pub fn restore_member(&mut self, id: &str, key: MemberKey, member: Option<Member>) {
        if member.is_some() || self.accounts.contains_key(id) {
            self.accounts.entry(id.into()).or_default().put(key, member);
        }
    }

    /// An account's record of the state topic; `None` where it was deleted.
    pub fn restore(&mut self, id: &str, standing: Option<Standing>) {
        match standing {
            Some(standing) => self.accounts.entry(id.into()).or_default().standing = standing,
            None => {
                self.accounts.remove(id);
            }
        }
    }
}
