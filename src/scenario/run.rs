//! The way of a case through time: what comes, what is done and what is looked at, in order, and the clock in between.

use xxhash_rust::xxh3::xxh3_128;

use super::Plans;
use super::clerk::Clerk;
use super::compare;
use super::stage::{Stage, taken};
use crate::engine::alerts::Unsaid;
use crate::model::effects::Effects;
use crate::model::registry::Subject;
use crate::model::time::{DAY_MS, HOUR_MS};
use crate::plan::{KeyField, KeyFormat, Plan};
use crate::rule::case::{Case, Deed, Lived, Sent, Wanted};
use crate::rule::difference::{Difference, Happened, compare as compare_transitions, moment};
use crate::rule::lifecycle::{Action, What};
use crate::wire::alert::AlertWord;
use crate::wire::mail::{Act, Said};

/// Most stops of the clock in a case.
const STOPS_MAX: usize = 500_000;
/// Differences that are told of one case.
const DIFFERENCES_MAX: usize = 50;

/// A case on its way.
struct Run<'c> {
    case: &'c Case,
    lived: &'c Lived,
    customers: Stage,
    accounts: Option<Stage>,
    clerk: Option<Clerk>,
    /// The clock stops at least so often.
    tick_ms: i64,
    now_ms: i64,
    stops: usize,
    words: Vec<AlertWord>,
    wrong: Vec<Difference>,
}

/// Something that happens at its time: at one moment first what comes, then what is done, then what is looked at.
enum Stop<'c> {
    Arrival(&'c Sent),
    Deed(usize, &'c Deed),
    Look(&'c Wanted),
}

/// Follows a case to its end; what was not as expected.
pub(super) fn follow(case: &Case, lived: &Lived, plans: &Plans, accounts: bool) -> Vec<Difference> {
    ended(case, lived, plans, accounts).verdict()
}

/// Follows a case to its end; what was told of alerts.
pub(super) fn told(case: &Case, lived: &Lived, plans: &Plans, accounts: bool) -> Vec<AlertWord> {
    ended(case, lived, plans, accounts).words
}

/// A case at its end.
fn ended<'c>(case: &'c Case, lived: &'c Lived, plans: &Plans, accounts: bool) -> Run<'c> {
    let behind = plans.accounts.as_ref().filter(|_| accounts);
    let mut run = Run {
        case,
        lived,
        customers: Stage::new(&plans.customers),
        accounts: behind.map(Stage::new),
        clerk: lived.notifier.as_ref().and_then(Clerk::new),
        tick_ms: tick_ms(case, plans, accounts),
        now_ms: lived.events.first().map_or(case.start_ms, |first| first.arrives_ms),
        stops: 0,
        words: Vec::new(),
        wrong: Vec::new(),
    };
    let mut stops: Vec<(i64, Stop<'_>)> = Vec::new();
    stops.extend(lived.events.iter().map(|sent| (sent.arrives_ms, Stop::Arrival(sent))));
    let deeds = case.deeds.iter().enumerate();
    stops.extend(deeds.map(|(number, deed)| (deed.at_ms, Stop::Deed(number, deed))));
    stops.extend(lived.wanted.iter().map(|wanted| (wanted.at_ms, Stop::Look(wanted))));
    stops.sort_by_key(|(at_ms, _)| *at_ms);
    for (at_ms, stop) in stops.into_iter().filter(|(at_ms, _)| *at_ms <= case.until_ms) {
        match stop {
            Stop::Arrival(sent) => run.arrive(sent),
            Stop::Deed(number, deed) => run.act(number, deed),
            Stop::Look(wanted) => run.look(wanted, at_ms),
        }
        if run.wrong.len() >= DIFFERENCES_MAX {
            break;
        }
    }
    run.pass_to(case.until_ms);
    run
}

impl Run<'_> {
    fn wrong(&mut self, line: usize, expected: &str, got: String) {
        self.wrong.push(Difference { line, expected: expected.to_owned(), got });
    }

    fn delay_ms(&self) -> i64 {
        let behind = self.accounts.as_ref().map_or(0, Stage::delay_ms);
        self.customers.delay_ms().max(behind)
    }

    fn arrive(&mut self, sent: &Sent) {
        self.clock_to(sent.arrives_ms);
        let Some(source) = source_of(&self.customers.plan, sent) else {
            let known: Vec<&str> =
                self.customers.plan.sources.iter().map(|source| source.name.as_str()).collect();
            let got = sent.source.clone().unwrap_or_default();
            self.wrong(sent.line, &format!("one of the topics {}", known.join(", ")), got);
            return;
        };
        let key = key_of(&self.customers.plan, sent);
        self.customers.offer(
            source,
            sent.arrives_ms,
            key.as_deref(),
            Some(sent.payload.as_bytes()),
        );
        let effects = self.customers.cycle(self.now_ms);
        let taken = taken(&effects);
        self.absorb(effects);
        self.settle();
        if taken.outcome != Some(sent.outcome) {
            let outcome = taken.outcome.map_or("not read", crate::model::outcome::Outcome::name);
            let expected = format!("the event to be {}", sent.outcome.name());
            self.wrong(sent.line, &expected, format!("{outcome}{}", taken.why));
        }
    }

    /// A person does something, at a moment up to which everything has happened.
    fn act(&mut self, number: usize, deed: &Deed) {
        self.pass_to(deed.at_ms);
        let of = |word: &&AlertWord| {
            word.rule == deed.rule
                && deed.subject.as_ref().is_none_or(|subject| *subject == word.subject_id)
        };
        let Some(word) = self.words.iter().rev().find(of).cloned() else {
            let expected = format!("an alert of {} {}", deed.rule, moment(self.case, deed.at_ms));
            self.wrong(deed.line, &expected, "none".to_owned());
            return;
        };
        let (act, until_ms) = match deed.action {
            Action::Acknowledge => (Act::Acknowledge, None),
            Action::Snooze { until_ms } => (Act::Snooze, Some(until_ms)),
            Action::Resolve => (Act::Resolve, None),
            Action::Reopen => (Act::Reopen, None),
        };
        let of_account = word.subject_kind == Subject::Account.name();
        // the pipeline's own way to whom an alert is about: nothing where it is no customer
        let key = if of_account { &word.subject_id } else { &word.customer_id };
        let said = Said {
            id: xxh3_128(&number.to_le_bytes()).to_le_bytes(),
            by: "somebody".to_owned(),
            rule: word.rule.clone(),
            subject: word.subject_id.clone(),
            customer: key.clone(),
            episode: word.episode,
            act,
            until_ms,
            note: String::new(),
        };
        let stage = match &mut self.accounts {
            Some(accounts) if of_account => accounts,
            _ => &mut self.customers,
        };
        stage.say(said);
        let before = self.wrong.len();
        self.settle();
        // what had no effect was told without the deed's line
        for wrong in &mut self.wrong[before..] {
            wrong.line = deed.line;
        }
    }

    fn look(&mut self, wanted: &Wanted, at_ms: i64) {
        self.pass_to(at_ms);
        for bound in &wanted.bounds {
            let got = match (wanted.subject, &self.accounts) {
                (Subject::Account, Some(accounts)) => {
                    accounts.machine.signal(wanted.id.as_bytes(), &bound.signal, at_ms)
                }
                (Subject::Account, None) => Err(Unsaid::Nobody),
                _ => self.customers.machine.signal(wanted.id.as_bytes(), &bound.signal, at_ms),
            };
            let difference = compare::bound(self.case, bound, (&wanted.id, at_ms), got);
            self.wrong.extend(difference);
        }
    }

    /// Event time passes to a moment: nothing more comes up to then.
    fn pass_to(&mut self, at_ms: i64) {
        self.clock_to(at_ms.saturating_add(self.delay_ms()));
    }

    /// The clock goes on, from due to due.
    fn clock_to(&mut self, to_ms: i64) {
        while self.now_ms < to_ms {
            self.now_ms = self.next_stop_ms(to_ms);
            self.settle();
            if let Some(clerk) = &mut self.clerk {
                clerk.tick(self.now_ms);
            }
            self.stops += 1;
            if self.stops == STOPS_MAX {
                let got = format!("more than {STOPS_MAX} stops of the clock");
                self.wrong(self.case.line, "an end", got);
            }
            if self.stops >= STOPS_MAX {
                return;
            }
        }
    }

    fn next_stop_ms(&mut self, to_ms: i64) -> i64 {
        // when the pipeline believes that a full hour, or a day, is over: later than that it would be catching up
        let (tick_ms, delay_ms) = (self.tick_ms, self.customers.delay_ms());
        let full_ms = (self.now_ms.saturating_sub(delay_ms).div_euclid(tick_ms) + 1) * tick_ms;
        let mut next_ms = to_ms.min(full_ms.saturating_add(delay_ms));
        for stage in std::iter::once(&mut self.customers).chain(&mut self.accounts) {
            let delay_ms = stage.delay_ms();
            let due_ms = stage.machine.first_due_ms(next_ms.saturating_sub(delay_ms));
            next_ms = next_ms.min(due_ms.map_or(next_ms, |due_ms| due_ms.saturating_add(delay_ms)));
        }
        let told_ms = self.clerk.as_ref().and_then(Clerk::next_due_ms);
        next_ms.min(told_ms.unwrap_or(next_ms)).max(self.now_ms + 1)
    }

    /// Everything that follows at this moment.
    fn settle(&mut self) {
        let mut all = Vec::new();
        let mut ended = self.customers.settle(self.now_ms, &mut |effects| all.push(effects));
        all.into_iter().for_each(|effects| self.absorb(effects));
        let mut all = Vec::new();
        if let Some(accounts) = &mut self.accounts {
            ended &= accounts.settle(self.now_ms, &mut |effects| all.push(effects));
        }
        all.into_iter().for_each(|effects| self.absorb(effects));
        if !ended {
            let got = format!("cycles without end {}", moment(self.case, self.now_ms));
            self.wrong(self.case.line, "the machine to come to rest", got);
        }
    }

    fn absorb(&mut self, effects: Effects) {
        for why in effects.commands.iter().filter_map(|heard| heard.why) {
            self.wrong(self.case.line, "something to be done", why.to_owned());
        }
        for record in &effects.alerts {
            let Some(word) = AlertWord::decode(&record.value) else { continue };
            if self.case.rules.contains(&word.rule) {
                if let Some(clerk) = &mut self.clerk {
                    clerk.hear(&word, self.now_ms);
                }
                self.words.push(word);
            }
        }
        if let Some(accounts) = &mut self.accounts {
            for word in &effects.signals {
                accounts.offer(0, self.now_ms, Some(&word.key), word.value.as_deref());
            }
        }
    }

    fn verdict(self) -> Vec<Difference> {
        let delay_ms = self.delay_ms();
        let mut differences = self.wrong;
        let happened = self.words.into_iter().filter_map(|word| {
            Some(Happened {
                at_ms: word.at_ms,
                rule: word.rule,
                subject: word.subject_id,
                what: What::ALL.into_iter().find(|what| what.name() == word.what)?,
                episode: word.episode,
                severity: word.severity,
            })
        });
        differences.extend(compare_transitions(self.case, happened.collect()));
        let heard = self.clerk.map(|clerk| clerk.heard).unwrap_or_default();
        differences.extend(compare::told(self.case, &self.lived.told, heard, delay_ms));
        differences.sort_by_key(|difference| difference.line);
        differences.truncate(DIFFERENCES_MAX);
        differences
    }
}

/// What is made of many customers moves by words and full hours, not only by dues of its own.
fn tick_ms(case: &Case, plans: &Plans, accounts: bool) -> i64 {
    let of_rules = case.rules.iter().filter_map(|name| plans.customers.alerts.find(name));
    let alone = of_rules
        .map(|rule| rule.subject)
        .all(|subject| matches!(subject, Subject::Customer | Subject::Ticket));
    if alone && !accounts { DAY_MS } else { HOUR_MS }
}

/// The source that an event comes by.
fn source_of(plan: &Plan, sent: &Sent) -> Option<usize> {
    match &sent.source {
        Some(name) => plan.sources.iter().position(|source| source.name == *name),
        None => {
            let own = plan.sources.iter().position(|s| s.default_type == Some(sent.kind));
            own.or_else(|| (!plan.sources.is_empty()).then_some(0))
        }
    }
}

/// The record's key, as the definition wants it.
fn key_of(plan: &Plan, sent: &Sent) -> Option<Vec<u8>> {
    let id = match plan.key {
        KeyField::Customer => Some(&sent.customer),
        KeyField::Account => sent.account.as_ref(),
    };
    id.map(|id| match plan.key_format {
        KeyFormat::Text => id.clone().into_bytes(),
        KeyFormat::JsonString => serde_json::to_vec(id).unwrap_or_default(),
    })
}
