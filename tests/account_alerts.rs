//! Alerts of accounts: looking at dues and words only finds what looking all the time would; other batches, repeated words, members
//! that move and machines that die make the same transitions with the same ids; people's commands take effect once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/accounts.rs"]
mod accounts;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/sim.rs"]
mod sim;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accounts::{Told, account_plan};
use random::Random;
use retain::account::book::Book;
use retain::model::event::Champion;
use retain::model::outcome::Outcome;
use retain::model::registry::Subject;
use retain::plan::{Plan, RuleFile, rules};
use retain::rule::definition::{Rule, RuleSet};
use retain::wire::alert::AlertWord;
use retain::wire::mail::{Act, Mail, OUTSIDE, Said};
use retain::wire::signals::{AccountPart, OpenInvoice, Word, joined, left, read, read_deleted};
use sim::{Log, PostOffice, Runner, Schedule};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const BEGIN_MS: i64 = 1_767_571_200_000;
/// Rules about accounts, as they are shipped.
const RULES: [&str; 6] = [
    "account_at_risk",
    "account_worse",
    "renewal_at_risk",
    "visit_overdue",
    "single_threaded",
    "champion_left",
];
/// Rules over the signals that no shipped rule asks for: each crossing of theirs is scanned, too.
const MORE_RULES: [&str; 8] = [
    "overdue",
    "shrinking",
    "out_of_sight",
    "complaining",
    "drifting",
    "lonelier",
    "owing",
    "shrunk",
];
const MORE: &str = r#"
[[alert]]
name = "overdue"
about = "x"
subject = "account"
raise = "overdue_minor >= 50000 and open_minor >= 60000"
next_step = "y"
events = ["invoice"]
[[alert]]
name = "shrinking"
about = "x"
subject = "account"
raise = "trend_30 <= -0.2 else no or risk_change_90 >= 0.2 else no"
cooldown = "2d"
next_step = "y"
events = ["purchase"]
[[alert]]
name = "out_of_sight"
about = "x"
subject = "account"
raise = "age(last_contact) >= 20d else no and held(single_threaded, 3d)"
dwell = "1d"
next_step = "y"
events = ["contact"]
[[alert]]
name = "complaining"
about = "x"
subject = "account"
raise = "age(oldest_complaint_at) >= 5d else no and satisfaction <= 0.7 else no"
next_step = "y"
events = ["support"]
[[alert]]
name = "drifting"
about = "x"
subject = "account"
raise = "active_contacts < 2 and (risk_change_30 >= 0.1 else no or trend_90 <= -0.2 else no)"
next_step = "y"
events = ["purchase"]
[[alert]]
name = "lonelier"
about = "x"
subject = "account"
raise = "fall(active_contacts, 14d) >= 1 else no"
dwell = "5h"
next_step = "y"
events = ["contact"]
[[alert]]
name = "owing"
about = "x"
subject = "account"
raise = "rise(overdue_minor, 7d) >= 20000 else no and not account_key"
next_step = "y"
events = ["invoice"]
[[alert]]
name = "shrunk"
about = "x"
subject = "account"
raise = "fall(trend_30, 20d) >= 0.2 else no or rise(risk_change_90, 9d) >= 0.1 else no"
cooldown = "1d"
next_step = "y"
events = ["purchase"]
"#;

fn ruled() -> Arc<RuleSet> {
    let shipped = include_str!("../pipelines/alerts/accounts.toml");
    let files = [("accounts.toml", shipped), ("more.toml", MORE)];
    let files = files.map(|(name, text)| RuleFile { name, text });
    let (found, problems) = rules(&files);
    Arc::new(found.unwrap_or_else(|| panic!("{problems:?}")).set)
}

fn plan() -> Arc<Plan> {
    Arc::new(Plan { alerts: ruled(), ..account_plan("USD") })
}

/// What a member said last, and how it goes on.
#[derive(Clone)]
struct Life {
    home: Option<String>,
    part: AccountPart,
}

impl Life {
    fn new() -> Self {
        let part = AccountPart { currency: "USD".to_owned(), ..AccountPart::default() };
        Self { home: None, part }
    }

    /// Something happens to the member.
    fn go_on(&mut self, r: &mut Random, now_ms: i64) {
        let part = &mut self.part;
        let soon = |r: &mut Random, days: i64| now_ms + r.between(0, days * DAY_MS);
        match r.below(10) {
            0 | 1 => {
                let risk =
                    i64::from(part.risk_ppm.unwrap_or(300_000)) + r.between(-250_000, 350_000);
                part.risk_ppm = Some(risk.clamp(0, 1_000_000) as u32);
            }
            2 => part.revenue_365_minor = Some(r.between(0, 400_000)),
            3 => part.last_visit_ms = Some(now_ms),
            4 => part.renewal_ms = r.percent(60).then(|| soon(r, 150)),
            5 => {
                part.champion =
                    [Champion::No, Champion::Yes, Champion::Yes, Champion::Left][r.index(4)]
            }
            6 => {
                let invoice = |r: &mut Random| OpenInvoice {
                    entity: format!("entity {}", r.below(2)),
                    due_ms: soon(r, 40),
                    open_minor: r.between(1, 90_000),
                };
                part.invoices = (0..r.below(4)).map(|_| invoice(r)).collect();
            }
            7 => {
                part.oldest_complaint_ms = r.percent(60).then_some(now_ms);
                part.open_complaints = u32::from(part.oldest_complaint_ms.is_some());
                (part.csat_n_ppm, part.csat_sum_ppm) = (3_000_000, r.between(0, 3_000_000));
            }
            8 => (part.said_key, part.key_by_value) = (r.percent(50), r.percent(30)),
            _ => part.last_contact_ms = Some(now_ms),
        }
        if r.percent(70) {
            part.last_seen_ms = Some(now_ms);
        }
    }
}

/// Words of some members of some accounts over half a year, with long silences: they come, move and leave, and are forgotten.
fn story(seed: u64, homes: u64, customers: usize, words: u64) -> Vec<(i64, Told)> {
    let mut r = Random::new(seed);
    let mut lives = vec![Life::new(); customers];
    let mut told = Vec::new();
    let mut now_ms = BEGIN_MS;
    for cycle in 1..=words {
        now_ms += match r.below(12) {
            0 => r.between(20, 70) * DAY_MS,
            1..4 => r.between(0, 2 * HOUR_MS),
            _ => r.between(0, 4 * DAY_MS),
        };
        let who = r.index(customers);
        let customer = format!("c{who}");
        let life = &mut lives[who];
        life.go_on(&mut r, now_ms);
        let stays = life.home.is_some() && r.percent(88);
        if !stays {
            let before = life.home.take();
            let moves = before.is_none() || r.percent(70);
            life.home = moves.then(|| format!("account {}", r.below(homes)));
            if let Some(old) = before.filter(|old| Some(old) != life.home.as_ref()) {
                let champion = life.part.champion == Champion::Yes;
                let word =
                    Told::of(left((&old, champion), customer.as_bytes(), now_ms, (1, cycle)));
                if r.percent(30) {
                    told.push((now_ms, word.clone()));
                    told.push((now_ms, Told { value: None, ..word }));
                } else {
                    told.push((now_ms, word));
                }
            }
        }
        let Some(home) = &life.home else { continue };
        let word = Word {
            customer: customer.as_bytes(),
            account: home,
            lifecycle: "active",
            risk_band: None,
            as_of_ms: now_ms,
            revenue_minor: 0,
            part: Some(&life.part),
            opportunities: &[],
        };
        told.push((now_ms, Told::of(joined(&word, (1, cycle)))));
    }
    told
}

fn hear(book: &mut Book, told: &Told, frontier_ms: i64) {
    let heard = match &told.value {
        Some(value) => read(value).unwrap(),
        None => read_deleted(&told.key).unwrap(),
    };
    let outcome = book.hear(0, &heard, frontier_ms);
    assert_ne!(outcome, Outcome::Duplicate, "{heard:?}");
}

/// Looks at every account, and looks whether anything has gone unnoticed. Returns whether something had happened.
fn pass(book: &mut Book, at_ms: i64, looks: &mut usize) -> bool {
    let before = book.alerted.len();
    book.fire_until(at_ms, usize::MAX);
    for (id, _) in book.accounts() {
        *looks += 1;
        assert_eq!(book.unnoticed(id, at_ms), None, "{id} at {at_ms}");
    }
    book.alerted.len() > before
}

#[test]
fn dues_find_what_looking_all_the_time_finds() {
    let histories = if std::env::var_os("RETAIN_SOAK").is_some() { 10_000 } else { 500 };
    let plan = plan();
    let mut raised: BTreeMap<String, usize> = BTreeMap::new();
    let (mut looks, mut deserted) = (0, 0);
    for seed in 0..histories {
        let mut r = Random::new(seed);
        let (homes, customers) = (1 + r.below(2), 1 + r.index(4));
        let told = story(seed, homes, customers, 12 + r.below(20));
        let mut book = Book::new(Arc::clone(&plan), plan.accounts.unwrap(), 0);
        let end_ms = told.last().unwrap().0 + 100 * DAY_MS;
        let mut next = told.iter().peekable();
        let mut at_ms = BEGIN_MS;
        let mut busy_until_ms = BEGIN_MS;
        while at_ms < end_ms {
            // what has come by now, each at its own moment
            while let Some((said_ms, told)) = next.next_if(|(said_ms, _)| *said_ms <= at_ms) {
                pass(&mut book, said_ms - 1, &mut looks);
                hear(&mut book, told, *said_ms);
                busy_until_ms = said_ms + HOUR_MS;
            }
            if pass(&mut book, at_ms, &mut looks) {
                busy_until_ms = at_ms + HOUR_MS;
            }
            let soon = next.peek().is_some_and(|(said_ms, _)| *said_ms - at_ms <= HOUR_MS);
            at_ms += if soon || at_ms < busy_until_ms { MINUTE_MS } else { HOUR_MS };
        }
        for word in &book.alerted {
            assert_eq!((word.subject_kind.as_str(), word.customer_id.as_str()), ("account", ""));
            *raised.entry(word.rule.clone()).or_default() += usize::from(word.what == "raised");
            deserted += usize::from(word.note.contains("no members"));
        }
    }
    println!("{histories} histories, {looks} looks, {raised:?}, {deserted} deserted");
    for rule in RULES.iter().chain(&MORE_RULES) {
        assert!(raised.get(*rule).is_some_and(|n| *n > 5), "{rule}: {raised:?}");
    }
    let spoken_of = |name: &str| {
        let named = |rule: &Rule| {
            let mut signals = rule.raise.signals();
            signals.extend(rule.clear.signals());
            signals.iter().any(|signal| signal.name == name)
        };
        plan.alerts.rules.iter().any(named)
    };
    for signal in Subject::Account.signals().filter(|signal| signal.moves_with_time()) {
        assert!(spoken_of(signal.name), "no rule scanned here speaks of {}", signal.name);
    }
    assert!(deserted > 0);
}

/// A log that delivers words in this order.
fn log<'t>(words: impl IntoIterator<Item = &'t (i64, Told)>) -> Log {
    let mut log = Log::default();
    for (n, (_, told)) in words.into_iter().enumerate() {
        let hole = i64::from(n % 5 == 4);
        log.push(hole, BEGIN_MS + 4_000 * DAY_MS, Some(told.key.clone()), told.value.clone());
    }
    log
}

fn run(plan: &Arc<Plan>, log: &Log, schedule: Schedule, end_ms: i64) -> Runner {
    let mut runner = Runner::new(plan, 0, 1, vec![log.clone()], schedule);
    runner.drain();
    runner.pass_to(end_ms);
    runner
}

/// Every transition, without when it was noticed and in which cycle.
fn transitions(runner: &Runner) -> Vec<Vec<(String, rowbinary::Value)>> {
    let rows = runner.tables.rows("alert_history");
    rows.map(|row| row.without(&["version", "detected_at", "catch_up", "due_at"])).collect()
}

#[test]
fn other_batches_repeats_and_deaths_make_the_same_transitions() {
    let plan = plan();
    let mut crashes = 0;
    for seed in 1..if std::env::var_os("RETAIN_SOAK").is_some() { 60 } else { 6 } {
        let told = story(seed, 5, 20, 300);
        let end_ms = told.last().unwrap().0 + 150 * DAY_MS;
        let once = log(&told);
        let straight = run(&plan, &once, Schedule::straight(seed), end_ms);
        let all = transitions(&straight);
        assert!(all.len() > 30, "{}", all.len());
        // each word again, right behind it and some words later
        let lasting: Vec<_> = told.iter().filter(|(_, told)| told.value.is_some()).collect();
        let mut r = Random::new(seed);
        let again = lasting.iter().enumerate().flat_map(|(at, told)| {
            let old = r.percent(30).then(|| lasting[at.saturating_sub(3)]);
            [Some(*told), Some(*told), old].into_iter().flatten()
        });
        let (kept, twice) = (log(lasting.iter().copied()), log(again));
        let kept = transitions(&run(&plan, &kept, Schedule::straight(seed), end_ms));
        let twice = transitions(&run(&plan, &twice, Schedule::wild(seed).crashing(20), end_ms));
        assert_eq!(kept, twice, "seed {seed}");
        for schedule in [
            Schedule::by_record(seed),
            Schedule::wild(seed),
            Schedule::wild(seed + 50).crashing(30),
        ] {
            let other = run(&plan, &once, schedule, end_ms);
            crashes += other.crashes;
            let seen = transitions(&other);
            for (one, two) in all.iter().zip(&seen) {
                assert_eq!(one, two, "{}", other.seed());
            }
            assert_eq!(all.len(), seen.len(), "{}", other.seed());
        }
        told_once(&straight);
    }
    assert!(crashes > 2, "{crashes}");
}

/// Ids are of one account and episode, transitions are numbered from 1, and `alerts` holds the last of each.
fn told_once(runner: &Runner) {
    let mut of: BTreeMap<String, Vec<&rowbinary::Row>> = BTreeMap::new();
    for row in runner.tables.rows("alert_history") {
        of.entry(row.text("alert_id").to_owned()).or_default().push(row);
    }
    assert_eq!(of.len(), runner.tables.rows("alerts").count());
    for (id, mut rows) in of {
        rows.sort_by_key(|row| row.int("n"));
        let numbers: Vec<i128> = rows.iter().map(|row| row.int("n")).collect();
        assert_eq!(numbers, (1..=rows.len() as i128).collect::<Vec<_>>(), "{id}");
        let accounts: BTreeSet<&str> = rows.iter().map(|row| row.text("account_id")).collect();
        assert_eq!(accounts.len(), 1, "{id}");
        assert!(rows.iter().filter(|row| row.text("what") == "raised").count() <= 1, "{id}");
    }
    let words: Vec<AlertWord> =
        runner.alerts.iter().map(|record| AlertWord::decode(&record.value).unwrap()).collect();
    for word in words.iter().filter(|word| word.what == "raised") {
        assert!(!word.reasons.is_empty() && word.reasons.len() <= 3, "{word:?}");
    }
}

#[test]
fn what_people_say_takes_effect_once() {
    let plan = plan();
    let office = PostOffice::new(1);
    let told = story(3, 5, 20, 200);
    let end_ms = told.last().unwrap().0 + DAY_MS;
    let mut runner =
        Runner::new(&plan, 0, 1, vec![log(&told)], Schedule::straight(3)).within(&office);
    runner.drain();
    runner.pass_to(end_ms);
    let open: Vec<rowbinary::Row> =
        runner.tables.rows("alerts").filter(|row| row.text("phase") == "firing").cloned().collect();
    assert!(open.len() > 2, "{}", open.len());
    let said = |id: u8, row: &rowbinary::Row, act: Act| Said {
        id: [id; 16],
        by: "ann".to_owned(),
        rule: row.text("rule").to_owned(),
        subject: row.text("subject_id").to_owned(),
        customer: String::new(),
        episode: row.int("episode") as u32,
        act,
        until_ms: None,
        note: "seen".to_owned(),
    };
    let say = |said: Said| office.send(0, Mail::Command(said).encode(OUTSIDE));
    say(said(1, &open[0], Act::Acknowledge));
    say(said(1, &open[0], Act::Resolve));
    say(said(2, &open[1], Act::Resolve));
    say(Said { episode: 99, ..said(3, &open[1], Act::Reopen) });
    say(Said { subject: "nobody".to_owned(), ..said(4, &open[0], Act::Resolve) });
    runner.pass_to(end_ms + HOUR_MS);
    runner.crash();
    runner.drain();
    runner.pass_to(end_ms + 2 * HOUR_MS);
    let by_person: BTreeSet<(String, String)> = runner
        .tables
        .rows("alert_history")
        .filter(|row| row.text("by_kind") == "person")
        .map(|row| (row.text("alert_id").to_owned(), row.text("what").to_owned()))
        .collect();
    let expected = [(&open[0], "acknowledged"), (&open[1], "resolved")];
    let expected = expected.map(|(row, what)| (row.text("alert_id").to_owned(), what.to_owned()));
    assert_eq!(by_person, BTreeSet::from(expected));
    told_once(&runner);
}

/// What a person reads: who is about to leave, who is left, who has gone.
#[test]
fn reasons_name_people() {
    let plan = plan();
    let mut book = Book::new(Arc::clone(&plan), plan.accounts.unwrap(), 0);
    let mut cycle = 0;
    let mut say = |book: &mut Book, day: i64, customer: &str, change: &dyn Fn(&mut AccountPart)| {
        let now_ms = BEGIN_MS + day * DAY_MS;
        let mut part = AccountPart {
            currency: "USD".to_owned(),
            revenue_365_minor: Some(100_000),
            risk_ppm: Some(200_000),
            last_seen_ms: Some(now_ms),
            owner_id: "u-1".to_owned(),
            ..AccountPart::default()
        };
        change(&mut part);
        cycle += 1;
        let word = Word {
            customer: customer.as_bytes(),
            account: "a1",
            lifecycle: "active",
            risk_band: None,
            as_of_ms: now_ms,
            revenue_minor: 0,
            part: Some(&part),
            opportunities: &[],
        };
        hear(book, &Told::of(joined(&word, (1, cycle))), now_ms);
    };
    say(&mut book, 0, "ann", &|part| part.champion = Champion::Yes);
    say(&mut book, 1, "bob", &|part| part.said_key = true);
    say(&mut book, 80, "bob", &|part| {
        (part.said_key, part.risk_ppm) = (true, Some(990_000));
        part.name = "Bob Hale".to_owned();
    });
    say(&mut book, 81, "eve", &|part| part.risk_ppm = Some(900_000));
    say(&mut book, 82, "ann", &|part| {
        part.champion = Champion::Left;
        part.last_seen_ms = Some(BEGIN_MS);
    });
    book.fire_until(BEGIN_MS + 400 * DAY_MS, usize::MAX);
    let told = |rule: &str| {
        let raised = book.alerted.iter().find(|word| word.rule == rule && word.what == "raised");
        raised.unwrap_or_else(|| panic!("{rule}: {:?}", book.alerted)).clone()
    };
    let risk = told("account_at_risk");
    assert_eq!(
        risk.reasons,
        ["risk of losing the revenue: 70 %", "Bob Hale: churn risk 99 %", "eve: churn risk 90 %"]
    );
    assert_eq!(risk.at_ms, BEGIN_MS + 81 * DAY_MS);
    assert_eq!((risk.owner_id.as_str(), risk.account_id.as_str()), ("u-1", "a1"));
    // 100,000 a year each: (0.2 + 0.99 + 0.9) * 90 / 365
    assert_eq!(risk.at_risk_minor, Some(51_534));
    assert_eq!(told("champion_left").reasons, ["ann stood up for us and has left"]);
    assert_eq!(told("champion_left").at_ms, BEGIN_MS + 89 * DAY_MS);
    // bob was seen on day 80, eve on day 81: 90 days later she is the last, a week after that it is told
    let single = told("single_threaded");
    assert_eq!(single.at_ms, BEGIN_MS + (80 + 90 + 7) * DAY_MS);
    assert_eq!(single.n, 2, "pending first");
    let pending = book.alerted.iter().find(|word| word.rule == "single_threaded").unwrap();
    assert_eq!((pending.what.as_str(), pending.at_ms), ("pending", BEGIN_MS + 170 * DAY_MS));
    assert!(pending.reasons.contains(&"only eve still deals with us".to_owned()), "{pending:?}");
}
