//! The roll-up: from what members have said last to what an account is. Sums are whole numbers; what is a quotient is
//! computed from whole sums, and decayed sums are added in the order of the members' keys.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::money::div_half_even;
use crate::signal::days;
use crate::signal::satisfaction::shrunk_mean;
use crate::wire::signals::AccountPart;

/// How far ahead revenue at risk looks, days: as the view `revenue_at_risk` of customers.
pub const HORIZON_D: i128 = 90;
/// Half-life of ratings, days: as the sums of members have it.
const CSAT_HALF_LIFE_D: f64 = 180.0;
/// Millionths of one.
const PPM: i128 = 1_000_000;
/// Last acts of members that a row holds, the latest first.
pub const SEEN_MAX: usize = 256;
/// Open invoices that a row holds one by one, those due first; the others count in what is open only.
pub const INVOICES_MAX: usize = 4_096;
/// Legal entities told apart, the first by id; what others owe stands under [`OTHER_ENTITIES`].
pub const ENTITIES_MAX: usize = 1_000;
/// Legal entities beyond [`ENTITIES_MAX`].
pub const OTHER_ENTITIES: &str = "other";
/// Renewals ahead that a row holds.
pub const RENEWALS_MAX: usize = 64;

/// One member as it was last heard.
#[derive(Clone, Copy, Debug)]
pub struct Spoken<'a> {
    /// The customer's id.
    pub id: &'a str,
    /// Whether it is the account itself, of a pipeline whose key is the account: no person.
    pub is_account: bool,
    /// As of when it spoke, milliseconds.
    pub as_of_ms: i64,
    /// What it said.
    pub part: &'a AccountPart,
}

/// What one legal entity owes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its id; empty where invoices named none.
    pub id: String,
    /// Open, minor units.
    pub open_minor: i64,
}

/// An open invoice, or several of one legal entity that fall due at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Place in the list of entities.
    pub entity: u16,
    /// When it falls due, milliseconds.
    pub due_ms: i64,
    /// Open, minor units.
    pub open_minor: i64,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roll {
    /// What it is called, see `Said`; so are the next three.
    pub name: String,
    /// Region.
    pub region: String,
    /// Industry.
    pub industry: String,
    /// Who of ours looks after it.
    pub owner_id: String,
    /// Whether it is a key account: a member is a key customer, by the master data or by value.
    pub key: bool,
    /// Why.
    pub key_reason: String,
    /// People.
    pub members: u32,
    /// Last acts of people, the latest first, at most [`SEEN_MAX`].
    pub seen_ms: Vec<i64>,
    /// Lifetime value of all.
    pub value_minor: i64,
    /// Revenue a year at the present pace.
    pub revenue_365_minor: i64,
    /// What of the next 90 days' revenue is likely lost.
    pub at_risk_minor: i64,
    /// Churn risk.
    pub risk: Option<f64>,
    /// Satisfaction; `None` without a rating.
    pub satisfaction: Option<f64>,
    /// How many ratings that rests on.
    pub satisfaction_n: f64,
    /// Open tickets.
    pub open_tickets: u32,
    /// Complaints among them.
    pub open_complaints: u32,
    /// First opening of the oldest.
    pub oldest_complaint_ms: Option<i64>,
    /// Legal entities that owe something, by id.
    pub entities: Vec<Entity>,
    /// Open invoices by due.
    pub invoices: Vec<Owed>,
    /// Renewals not signed, from `as_of` on.
    pub renewals_ms: Vec<i64>,
    /// Last contact.
    pub last_contact_ms: Option<i64>,
    /// Last visit.
    pub last_visit_ms: Option<i64>,
    /// Last act of anybody.
    pub last_seen_ms: Option<i64>,
}

/// What belongs together in a roll-up: each can be added up by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// Name, region, industry, owner, key.
    MasterData,
    /// Whole numbers and moments.
    Sums,
    /// Risk and revenue at risk.
    Risk,
    /// Satisfaction.
    Satisfaction,
    /// Open invoices.
    Credit,
    /// Last acts.
    Seen,
    /// Renewals.
    Renewals,
}

impl Aspect {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::MasterData,
        Self::Sums,
        Self::Risk,
        Self::Satisfaction,
        Self::Credit,
        Self::Seen,
        Self::Renewals,
    ];
}

/// Rolls these aspects of members up as of `as_of_ms`; they come in the order of their keys. `csat_prior` is what satisfaction is without
/// any rating.
pub fn roll<'a>(
    members: impl Iterator<Item = Spoken<'a>> + Clone,
    as_of_ms: i64,
    csat_prior: f64,
    aspects: &[Aspect],
) -> Roll {
    let mut roll = Roll::default();
    for aspect in aspects {
        let (roll, members) = (&mut roll, members.clone());
        match aspect {
            Aspect::MasterData => master_data(roll, members),
            Aspect::Sums => sums(roll, members),
            Aspect::Risk => risk(roll, members),
            Aspect::Satisfaction => satisfaction(roll, members, as_of_ms, csat_prior),
            Aspect::Credit => credit(roll, members),
            Aspect::Seen => seen(roll, members),
            Aspect::Renewals => renewals(roll, members, as_of_ms),
        }
    }
    roll
}

fn sums<'a>(roll: &mut Roll, members: impl Iterator<Item = Spoken<'a>>) {
    let (mut value, mut revenue) = (0_i128, 0_i128);
    for Spoken { is_account, part, .. } in members {
        roll.members += u32::from(!is_account);
        value += i128::from(part.value_minor.unwrap_or(0));
        revenue += i128::from(part.revenue_365_minor.unwrap_or(0));
        roll.open_tickets = roll.open_tickets.saturating_add(part.open_tickets);
        roll.open_complaints = roll.open_complaints.saturating_add(part.open_complaints);
        roll.oldest_complaint_ms =
            roll.oldest_complaint_ms.into_iter().chain(part.oldest_complaint_ms).min();
        roll.last_contact_ms = roll.last_contact_ms.max(part.last_contact_ms);
        roll.last_visit_ms = roll.last_visit_ms.max(part.last_visit_ms);
        roll.last_seen_ms = roll.last_seen_ms.max(part.last_seen_ms);
    }
    (roll.value_minor, roll.revenue_365_minor) = (clamp(value), clamp(revenue));
}

fn seen<'a>(roll: &mut Roll, members: impl Iterator<Item = Spoken<'a>>) {
    let people = members.filter(|member| !member.is_account);
    roll.seen_ms = people.filter_map(|member| member.part.last_seen_ms).collect();
    roll.seen_ms.sort_unstable_by(|a, b| b.cmp(a));
    roll.seen_ms.truncate(SEEN_MAX);
}

fn renewals<'a>(roll: &mut Roll, members: impl Iterator<Item = Spoken<'a>>, as_of_ms: i64) {
    let renewals = members.filter_map(|member| member.part.renewal_ms);
    let ahead: BTreeSet<i64> = renewals.filter(|ms| *ms >= as_of_ms).collect();
    roll.renewals_ms = ahead.into_iter().take(RENEWALS_MAX).collect();
}

/// A text of the master data: what the account's own pipeline says, else what most members say (of equally many the
/// first in the order of texts).
#[derive(Default)]
struct Said<'a> {
    own: &'a str,
    votes: BTreeMap<&'a str, u32>,
}

impl<'a> Said<'a> {
    fn hear(&mut self, text: &'a str, is_account: bool) {
        if text.is_empty() {
            return;
        }
        if is_account {
            self.own = text;
        }
        *self.votes.entry(text).or_default() += 1;
    }

    fn most(&self) -> &'a str {
        if !self.own.is_empty() {
            return self.own;
        }
        let best = self.votes.iter().rev().max_by_key(|(_, votes)| **votes);
        best.map_or("", |(text, _)| text)
    }

    /// The name: a person's is not the account's, so more than half of those who have one must have the same.
    fn most_by_far(&self) -> &'a str {
        let most = self.most();
        let all: u32 = self.votes.values().sum();
        let votes = self.votes.get(most).copied().unwrap_or(0);
        if self.own.is_empty() && votes * 2 <= all { "" } else { most }
    }
}

fn master_data<'a>(roll: &mut Roll, members: impl Iterator<Item = Spoken<'a>>) {
    let [mut name, mut region, mut industry, mut owner] = [(); 4].map(|()| Said::default());
    let (mut said, mut by_value) = (None, None);
    for Spoken { id, is_account, part, .. } in members {
        name.hear(&part.name, is_account);
        region.hear(&part.region, is_account);
        industry.hear(&part.industry, is_account);
        owner.hear(&part.owner_id, is_account);
        said = said.or(Some(id).filter(|_| part.said_key));
        by_value = by_value.or(Some(id).filter(|_| part.key_by_value));
    }
    roll.name = name.most_by_far().to_owned();
    roll.region = region.most().to_owned();
    roll.industry = industry.most().to_owned();
    roll.owner_id = owner.most().to_owned();
    roll.key = said.or(by_value).is_some();
    roll.key_reason = match (said, by_value) {
        (Some(id), _) => format!("{id} is called a key customer"),
        (None, Some(id)) => format!("{id} is a key customer by value"),
        (None, None) => String::new(),
    };
}

/// `risk = sum(w risk) / sum(w)` with `w` the revenue a year at the present pace, not below 0; without any revenue all
/// who have a risk weigh the same. Revenue at risk is `sum(w risk) * 90 / 365`.
fn risk<'a>(roll: &mut Roll, members: impl Iterator<Item = Spoken<'a>>) {
    let (mut n, mut plain, mut weight, mut weighted) = (0_i128, 0_i128, 0_i128, 0_i128);
    for Spoken { part, .. } in members {
        let Some(risk_ppm) = part.risk_ppm else {
            continue;
        };
        let w = i128::from(part.revenue_365_minor.unwrap_or(0).max(0));
        n += 1;
        plain += i128::from(risk_ppm);
        weight += w;
        weighted += w * i128::from(risk_ppm);
    }
    let (sum, of) = if weight > 0 { (weighted, weight) } else { (plain, n) };
    roll.risk = (of > 0).then(|| sum as f64 / of as f64 / PPM as f64);
    let at_risk = div_half_even(weighted.saturating_mul(HORIZON_D), 365 * PPM);
    roll.at_risk_minor = at_risk.unwrap_or(i64::MAX);
}

fn satisfaction<'a>(
    roll: &mut Roll,
    members: impl Iterator<Item = Spoken<'a>>,
    as_of_ms: i64,
    prior: f64,
) {
    let (mut sum, mut n) = (0.0, 0.0);
    for Spoken { part, as_of_ms: said_ms, .. } in members.filter(|m| m.part.csat_n_ppm > 0) {
        let left = libm::exp2(-days(as_of_ms.saturating_sub(said_ms)) / CSAT_HALF_LIFE_D);
        sum += part.csat_sum_ppm as f64 * left;
        n += part.csat_n_ppm as f64 * left;
    }
    roll.satisfaction_n = n / PPM as f64;
    roll.satisfaction =
        (n > 0.0).then(|| shrunk_mean(sum / PPM as f64, roll.satisfaction_n, prior));
}

fn credit<'a>(roll: &mut Roll, members: impl Iterator<Item = Spoken<'a>> + Clone) {
    let invoices = members.flat_map(|member| &member.part.invoices);
    let ids: BTreeSet<&str> = invoices.clone().map(|invoice| invoice.entity.as_str()).collect();
    let over = ids.len() > ENTITIES_MAX;
    let mut ids: Vec<&str> = ids.into_iter().take(ENTITIES_MAX).collect();
    if over {
        ids.push(OTHER_ENTITIES);
    }
    let named = ids.len() - usize::from(over);
    let place = |id: &str| ids[..named].binary_search(&id).unwrap_or(named);
    let mut open = vec![0_i128; ids.len()];
    let mut owed: BTreeMap<(i64, usize), i128> = BTreeMap::new();
    for invoice in invoices {
        let at = place(&invoice.entity);
        open[at] += i128::from(invoice.open_minor);
        *owed.entry((invoice.due_ms, at)).or_default() += i128::from(invoice.open_minor);
    }
    let entity =
        |(id, minor): (&&str, &i128)| Entity { id: (*id).to_owned(), open_minor: clamp(*minor) };
    roll.entities = ids.iter().zip(&open).map(entity).collect();
    let owed = owed.into_iter().take(INVOICES_MAX);
    roll.invoices = owed
        .map(|((due_ms, at), minor)| Owed { entity: at as u16, due_ms, open_minor: clamp(minor) })
        .collect();
}

fn clamp(sum: i128) -> i64 {
    sum.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

impl Roll {
    /// People who did something in the `active_ms` before `at_ms`.
    pub fn active_contacts(&self, at_ms: i64, active_ms: i64) -> u32 {
        let since_ms = at_ms.saturating_sub(active_ms);
        self.seen_ms.iter().filter(|ms| **ms > since_ms).count() as u32
    }

    /// What of the open invoices is due at `at_ms`, all entities together.
    pub fn overdue_minor(&self, at_ms: i64) -> i64 {
        let due = self.invoices.iter().filter(|owed| owed.due_ms <= at_ms);
        clamp(due.map(|owed| i128::from(owed.open_minor)).sum())
    }

    /// What is open, all entities together.
    pub fn open_minor(&self) -> i64 {
        clamp(self.entities.iter().map(|entity| i128::from(entity.open_minor)).sum())
    }

    /// The risk in millionths.
    pub fn risk_ppm(&self) -> Option<u32> {
        self.risk.map(|risk| (risk * PPM as f64).round() as u32)
    }
}

#[cfg(test)]
mod tests;
