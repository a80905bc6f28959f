//! What alert rules are told of an account: the values of its signals, when time moves these, and the words. Everything that is
//! the same for every subject is `alert/`.

use std::cell::OnceCell;

use super::book::{Account, Member, MemberKey};
use super::owners::Owners;
use super::past::Point;
use super::roll::{Aspect, Roll};
use crate::alert::view::{Facts, Stands, View};
use crate::model::event::Champion;
use crate::model::registry::{Signal, length_text, percent_text};
use crate::model::time::{DAY_MS, NEVER_MS};
use crate::plan::{AccountRules, Plan};
use crate::rule::condition::{Term, Test};
use crate::rule::evaluate::Value;
use crate::signal::exit::{FAR_MS, Window};
use crate::signal::moment::{earliest_after, first_ms};
use crate::wire::alert::AlertWord;
use crate::wire::signals::AccountPart;

/// No day is longer, whatever a zone does.
const DAY_MAX_MS: i64 = 2 * DAY_MS;
/// Millionths of one.
const PPM: f64 = 1e6;

/// An account as rules see it, until the next word. What a rule does not ask for is not added up.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    plan: &'a Plan,
    rules: AccountRules,
    id: &'a str,
    account: &'a Account,
    /// What is known of the owners: only where something is told.
    owners: Option<&'a Owners>,
    rolls: [OnceCell<Roll>; Aspect::ALL.len()],
}

impl<'a> Seen<'a> {
    pub fn new(plan: &'a Plan, rules: AccountRules, id: &'a str, account: &'a Account) -> Self {
        Self { plan, rules, id, account, owners: None, rolls: Default::default() }
    }

    /// The same of which something may be told.
    pub fn among(self, owners: &'a Owners) -> Self {
        Self { owners: Some(owners), ..self }
    }

    fn of(&self, aspect: Aspect) -> &Roll {
        let cell = &self.rolls[aspect as usize];
        cell.get_or_init(|| self.account.roll_of(self.id, self.plan.csat_prior, &[aspect]))
    }

    /// Members that have not left, with what they said last.
    fn present(&self) -> impl Iterator<Item = (&'a MemberKey, &'a AccountPart)> {
        let here =
            |(key, member): (&'a MemberKey, &'a Member)| Some((key, member.part.as_deref()?));
        self.account.members().filter_map(here)
    }

    fn active(&self, at_ms: i64) -> u32 {
        self.of(Aspect::Seen).active_contacts(at_ms, self.rules.active_ms)
    }

    /// Who stood up for us and has left, while nobody else does.
    fn champion_left(&self) -> Option<&'a MemberKey> {
        if self.present().any(|(_, part)| part.champion == Champion::Yes) {
            return None;
        }
        let left = |(key, member): (&'a MemberKey, &'a Member)| {
            let is = match &member.part {
                Some(part) => part.champion == Champion::Left,
                None => member.champion,
            };
            is.then_some(key)
        };
        self.account.members().find_map(left)
    }

    /// How the account stood so many days before the day of a moment: as the view `accounts_now` looks it up. `None` where the
    /// account is younger; the account as it is where nobody has spoken since.
    fn then(&self, days: u16, at_ms: i64) -> Option<Then> {
        let standing = &self.account.standing;
        let day = self.plan.day(at_ms).checked_sub(days)?;
        if self.plan.day(standing.as_of_ms) <= day {
            return Some(Then::AsNow);
        }
        let points = standing.past.points();
        let up_to = points.partition_point(|point| point.day <= day);
        Some(Then::Point(points[up_to.checked_sub(1)?]))
    }

    fn number(&self, name: &str, at_ms: i64) -> Option<f64> {
        let moment = |ms: Option<i64>| ms.map(|ms| ms as f64);
        Some(match name {
            "members" => f64::from(self.of(Aspect::Sums).members),
            "active_contacts" => f64::from(self.active(at_ms)),
            "risk" => self.of(Aspect::Risk).risk?,
            "at_risk_minor" => self.of(Aspect::Risk).at_risk_minor as f64,
            "value_minor" => self.of(Aspect::Sums).value_minor as f64,
            "revenue_365_minor" => self.of(Aspect::Sums).revenue_365_minor as f64,
            "trend_30" => self.trend(30, at_ms)?,
            "trend_90" => self.trend(90, at_ms)?,
            "risk_change_30" => self.risk_change(30, at_ms)?,
            "risk_change_90" => self.risk_change(90, at_ms)?,
            "satisfaction" => self.of(Aspect::Satisfaction).satisfaction?,
            "satisfaction_n" => self.of(Aspect::Satisfaction).satisfaction_n,
            "open_tickets" => f64::from(self.of(Aspect::Sums).open_tickets),
            "open_complaints" => f64::from(self.of(Aspect::Sums).open_complaints),
            "oldest_complaint_at" => moment(self.of(Aspect::Sums).oldest_complaint_ms)?,
            "open_minor" => self.of(Aspect::Credit).open_minor() as f64,
            "overdue_minor" => self.of(Aspect::Credit).overdue_minor(at_ms) as f64,
            "next_renewal" => {
                let ahead = self.of(Aspect::Renewals).renewals_ms.iter().copied();
                moment(ahead.filter(|ms| *ms >= at_ms).min())?
            }
            "last_contact" => moment(self.of(Aspect::Sums).last_contact_ms)?,
            "last_visit" => moment(self.of(Aspect::Sums).last_visit_ms)?,
            "visit_gap_d" => (at_ms - self.of(Aspect::Sums).last_visit_ms?) as f64,
            "last_seen" => moment(self.of(Aspect::Sums).last_seen_ms)?,
            _ => return None,
        })
    }

    fn trend(&self, days: u16, at_ms: i64) -> Option<f64> {
        let now = self.of(Aspect::Sums).revenue_365_minor;
        match self.then(days, at_ms)? {
            _ if now <= 0 => None,
            Then::AsNow => Some(0.0),
            Then::Point(then) if then.revenue_365_minor > 0 => {
                Some(libm::log(now as f64 / then.revenue_365_minor as f64))
            }
            Then::Point(_) => None,
        }
    }

    fn risk_change(&self, days: u16, at_ms: i64) -> Option<f64> {
        let now = self.of(Aspect::Risk).risk?;
        match self.then(days, at_ms)? {
            Then::AsNow => Some(0.0),
            Then::Point(then) => Some(now - f64::from(then.risk_ppm?) / PPM),
        }
    }
}

/// How time alone moves a signal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moves {
    /// When a member has not been seen for too long.
    Members,
    /// When an invoice falls due.
    Invoices,
    /// When a renewal has passed.
    Renewals,
    /// When a day of the definition begins, until the past that it looks at is all of now.
    Days(u16),
    /// At every moment, one way.
    Always,
}

/// How a signal moves; `None` where it stands until somebody speaks. Whoever adds a signal that moves says here how its dues are found.
fn moves(name: &str) -> Option<Moves> {
    Some(match name {
        "active_contacts" | "single_threaded" => Moves::Members,
        "overdue_minor" => Moves::Invoices,
        "next_renewal" => Moves::Renewals,
        "trend_30" | "risk_change_30" => Moves::Days(30),
        "trend_90" | "risk_change_90" => Moves::Days(90),
        "visit_gap_d" => Moves::Always,
        _ => return None,
    })
}

/// Whether it is known how to find the dues of a signal of an account that time moves.
pub fn is_followed(signal: &Signal) -> bool {
    moves(signal.name).is_some()
}

impl Seen<'_> {
    /// When a signal that moves in steps moves next after a moment.
    fn step_ms(&self, moves: Moves, after_ms: i64) -> i64 {
        match moves {
            Moves::Members => {
                let seen = self.of(Aspect::Seen).seen_ms.iter();
                earliest_after(after_ms, seen.map(|ms| ms.saturating_add(self.rules.active_ms)))
            }
            Moves::Invoices => {
                let owed = self.of(Aspect::Credit).invoices.iter();
                earliest_after(after_ms, owed.map(|owed| owed.due_ms))
            }
            // at its own moment it still is the next
            Moves::Renewals => {
                let ahead = self.of(Aspect::Renewals).renewals_ms.iter();
                earliest_after(after_ms, ahead.map(|ms| ms.saturating_add(1)))
            }
            Moves::Days(days) => {
                let today = self.plan.day(after_ms);
                if today > self.plan.day(self.account.standing.as_of_ms).saturating_add(days) {
                    return NEVER_MS;
                }
                let later = |ms| self.plan.day(ms) > today;
                let end_ms = after_ms.saturating_add(DAY_MAX_MS);
                first_ms(after_ms, end_ms, later).unwrap_or(NEVER_MS)
            }
            Moves::Always => after_ms.saturating_add(1),
        }
    }
}

/// An account some days ago.
enum Then {
    AsNow,
    Point(Point),
}

impl Facts for Seen<'_> {
    fn as_of_ms(&self) -> i64 {
        self.account.standing.as_of_ms
    }

    fn value(&self, signal: &Signal, at_ms: i64) -> Option<Value> {
        Some(match signal.name {
            "account_key" => Value::Flag(self.of(Aspect::MasterData).key),
            "champion_left" => Value::Flag(self.champion_left().is_some()),
            "single_threaded" => Value::Flag(self.active(at_ms) <= 1),
            name => Value::Number(self.number(name, at_ms)?),
        })
    }

    fn crossing_ms(&self, view: &View<'_>, signal: &Signal, test: &Test) -> i64 {
        match moves(signal.name) {
            Some(Moves::Always) => view.monotone_ms(test, NEVER_MS),
            Some(moves) => self.step_ms(moves, view.tau_ms),
            None => NEVER_MS,
        }
    }

    fn leaves_ms(&self, signal: &Signal, at_ms: i64, window: &dyn Fn(f64) -> Window) -> i64 {
        let number = |ms: i64| self.number(signal.name, ms);
        let Some((moves, window)) = moves(signal.name).zip(number(at_ms).map(window)) else {
            return NEVER_MS;
        };
        let is_out = |ms: i64| !number(ms).is_some_and(|now| window.holds(now));
        if moves == Moves::Always {
            return first_ms(at_ms, at_ms.saturating_add(FAR_MS), is_out).unwrap_or(NEVER_MS);
        }
        let mut at_ms = self.step_ms(moves, at_ms);
        while at_ms != NEVER_MS && !is_out(at_ms) {
            at_ms = self.step_ms(moves, at_ms);
        }
        at_ms
    }

    fn stands(&self, _part_id: &str, _at_ms: i64) -> Stands {
        let (master, risk) = (self.of(Aspect::MasterData), self.of(Aspect::Risk));
        let id = self.id.to_owned();
        let word = AlertWord {
            subject_kind: "account".to_owned(),
            subject_id: id.clone(),
            account_id: id.clone(),
            at_risk_minor: risk.risk.map(|_| risk.at_risk_minor),
            currency: self.plan.currency.to_string(),
            risk: risk.risk,
            owner_id: master.owner_id.clone(),
            region: master.region.clone(),
            industry: master.industry.clone(),
            key: master.key,
            ..AlertWord::default()
        };
        Stands { hashed: id, word }
    }

    fn reason(&self, test: &Test, at_ms: i64) -> Option<String> {
        let name = test.term.signal()?.name;
        let ago = |signal: &str| {
            let ms = self.number(signal, at_ms)?;
            Some(length_text(at_ms as f64 - ms))
        };
        match (&test.term, name) {
            (Term::Signal(_), "active_contacts" | "single_threaded") => {
                // of a `within` it may be past
                let holds = name == "single_threaded" || self.active(at_ms) <= 1;
                Some(if holds { self.who_is_left(at_ms) } else { contacts(self.active(at_ms)) })
            }
            (Term::Signal(_), "account_key") => {
                let why = &self.of(Aspect::MasterData).key_reason;
                Some(if why.is_empty() { "no key account any more" } else { why }.to_owned())
            }
            (Term::Signal(_), "champion_left") => Some(match self.champion_left() {
                Some(who) => format!("{} stood up for us and has left", who.customer),
                None => "somebody stands up for us".to_owned(),
            }),
            (Term::Signal(_), "visit_gap_d") => {
                self.number(name, at_ms).map(|ms| format!("no visit for {}", length_text(ms)))
            }
            (Term::Age(_), "last_visit") => ago(name).map(|ago| format!("no visit for {ago}")),
            (Term::Age(_), "last_contact") => {
                ago(name).map(|ago| format!("nobody has spoken with them for {ago}"))
            }
            (Term::Age(_), "oldest_complaint_at") => {
                ago(name).map(|ago| format!("a complaint open for {ago}"))
            }
            (Term::Age(_), "last_seen") => {
                ago(name).map(|ago| format!("nobody has done anything for {ago}"))
            }
            _ => None,
        }
    }

    fn cut_off_minor(&self, top: u32) -> Option<i64> {
        self.owners?.cut_off_minor(&self.of(Aspect::MasterData).owner_id, top)
    }

    fn behind(&self, signal: &Signal, _at_ms: i64) -> Vec<String> {
        if signal.name != "risk" {
            return Vec::new();
        }
        // by what each of them is likely to take away, then by risk
        let mut found: Vec<(i128, u32, &str)> = self
            .present()
            .filter_map(|(key, part)| {
                let risk_ppm = part.risk_ppm?;
                let revenue = i128::from(part.revenue_365_minor.unwrap_or(0).max(0));
                Some((revenue * i128::from(risk_ppm), risk_ppm, called(key, part)))
            })
            .filter(|(_, risk_ppm, _)| *risk_ppm > 0)
            .collect();
        found.sort_by(|a, b| (b.0, b.1, a.2).cmp(&(a.0, a.1, b.2)));
        let said = |(_, ppm, who): (i128, u32, &str)| {
            format!("{who}: churn risk {}", percent_text(f64::from(ppm) / PPM))
        };
        found.into_iter().take(2).map(said).collect()
    }
}

/// A member as people call it: by name where one is known.
fn called<'a>(key: &'a MemberKey, part: &'a AccountPart) -> &'a str {
    if part.name.is_empty() { &key.customer } else { &part.name }
}

impl Seen<'_> {
    fn who_is_left(&self, at_ms: i64) -> String {
        let since_ms = at_ms.saturating_sub(self.rules.active_ms);
        let active = |part: &AccountPart| part.last_seen_ms.is_some_and(|ms| ms > since_ms);
        let person = |key: &MemberKey| *key.customer != *self.id;
        match self.present().find(|(key, part)| person(key) && active(part)) {
            Some((key, part)) => format!("only {} still deals with us", called(key, part)),
            None => "nobody deals with us any more".to_owned(),
        }
    }
}

fn contacts(active: u32) -> String {
    format!("{active} people deal with us")
}
