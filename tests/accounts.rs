//! Accounts through the machine, in memory: whatever order words come in, however often, with members that move and
//! machines that die, an account is what a slow recomputation makes of its members' last words.
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

use std::collections::BTreeMap;
use std::sync::Arc;

use accounts::{Told, account_plan, compare, expected, last_words};
use proptest::prelude::*;
use random::Random;
use retain::model::partition::murmur2;
use retain::plan::Plan;
use retain::wire::signals::{AccountPart, OpenInvoice, Word, joined, left};
use sim::{Log, Runner, Schedule};

const BEGIN_MS: i64 = 1_767_571_200_000;
const DAY_MS: i64 = 86_400_000;

fn part(r: &mut Random, now_ms: i64) -> AccountPart {
    let some = |r: &mut Random, percent| r.percent(percent);
    let ago = |r: &mut Random| now_ms - r.between(0, 200 * DAY_MS);
    let text = |r: &mut Random, name: &str| match r.below(4) {
        0 => String::new(),
        n => format!("{name} {n}"),
    };
    let invoices = (0..r.below(4))
        .map(|_| OpenInvoice {
            entity: text(r, "entity"),
            due_ms: now_ms + r.between(-40, 40) * DAY_MS,
            open_minor: r.between(1, 90_000),
        })
        .collect();
    AccountPart {
        currency: "USD".to_owned(),
        name: text(r, "name"),
        region: text(r, "region"),
        industry: text(r, "industry"),
        owner_id: text(r, "owner"),
        said_key: some(r, 10),
        key_by_value: some(r, 10),
        value_minor: some(r, 80).then(|| r.between(-500, 900_000)),
        revenue_365_minor: some(r, 80).then(|| r.between(-5_000, 400_000)),
        risk_ppm: some(r, 70).then(|| r.below(1_000_001) as u32),
        csat_sum_ppm: r.between(0, 3_000_000),
        csat_n_ppm: if some(r, 50) { 4_000_000 } else { 0 },
        open_tickets: r.below(5) as u32,
        open_complaints: r.below(3) as u32,
        oldest_complaint_ms: some(r, 30).then(|| ago(r)),
        invoices,
        renewal_ms: some(r, 40).then(|| now_ms + r.between(-100, 300) * DAY_MS),
        last_contact_ms: some(r, 50).then(|| ago(r)),
        last_visit_ms: some(r, 30).then(|| ago(r)),
        last_seen_ms: some(r, 90).then(|| ago(r)),
        ..AccountPart::default()
    }
}

/// What customers say over some days: they come, change, move between accounts, leave for none, and long after are
/// forgotten.
fn story(seed: u64, customers: u64, words: u64) -> Vec<Told> {
    let mut r = Random::new(seed);
    let mut home: BTreeMap<u64, String> = BTreeMap::new();
    let mut told = Vec::new();
    for cycle in 1..=words {
        let now_ms = BEGIN_MS + cycle as i64 * DAY_MS / 3;
        let who = r.below(customers);
        let customer = format!("c{who}");
        let stamp = (1, cycle);
        let before = home.get(&who).cloned();
        let account = match (&before, r.below(10)) {
            (Some(same), 0..7) => same.clone(),
            (_, 9) => String::new(),
            // an account that speaks for itself is no member
            _ if r.percent(10) => customer.clone(),
            _ => format!("account {}", r.below(4)),
        };
        if let Some(old) = before.filter(|old| *old != account) {
            told.push(Told::of(left((&old, false), customer.as_bytes(), now_ms, stamp)));
        }
        let said = part(&mut r, now_ms);
        told.push(Told::of(joined(
            &Word {
                customer: customer.as_bytes(),
                account: &account,
                lifecycle: "active",
                risk_band: None,
                as_of_ms: now_ms,
                revenue_minor: 0,
                part: (!account.is_empty()).then_some(&said),
                opportunities: &[],
            },
            stamp,
        )));
        home.insert(who, account);
    }
    told
}

/// A log that delivers words in this order.
fn log(words: &[Told]) -> Log {
    let mut log = Log::default();
    for (n, told) in words.iter().enumerate() {
        let hole = i64::from(n % 5 == 4);
        log.push(hole, BEGIN_MS + 400 * DAY_MS, Some(told.key.clone()), told.value.clone());
    }
    log
}

fn run(plan: &Arc<Plan>, words: &[Told], schedule: Schedule) -> Runner {
    let mut runner = Runner::new(plan, 0, 1, vec![log(words)], schedule);
    runner.drain();
    runner
}

fn table<'r>(runner: &'r Runner, name: &str) -> Vec<&'r rowbinary::Row> {
    runner.tables.rows(name).collect()
}

fn rows(runner: &Runner) -> Vec<Vec<(String, rowbinary::Value)>> {
    let rows = table(runner, "accounts");
    // the days before are a path: they depend on when words came
    let path = ["version", "past_days", "past_risk_ppm", "past_revenue_minor"];
    rows.iter().map(|row| row.without(&path)).collect()
}

fn shuffle<T>(list: &mut [T], r: &mut Random) {
    (1..list.len()).for_each(|at| list.swap(at, r.index(at + 1)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_order_any_repeats_and_any_crash_make_the_same_accounts(seed in any::<u64>(), words in 1_u64..120) {
        let plan = Arc::new(account_plan("USD"));
        let straight = story(seed, 12, words);
        let first = run(&plan, &straight, Schedule::straight(seed));
        compare(&first.tables, &expected(&straight));

        let mut r = Random::new(seed ^ 7);
        let mut other = straight.clone();
        for _ in 0..r.below(40) {
            other.push(straight[r.index(straight.len())].clone());
        }
        shuffle(&mut other, &mut r);
        let crashing = Schedule::wild(seed).crashing(60);
        let second = run(&plan, &other, crashing);
        prop_assert_eq!(rows(&first), rows(&second));
        prop_assert_eq!(last_words(&straight), last_words(&other));
    }

    /// In the order of the log, with tombstones at the end: what was left is forgotten, and everything else stands.
    #[test]
    fn deleted_words_leave_no_trace(seed in any::<u64>(), words in 1_u64..120) {
        let plan = Arc::new(account_plan("USD"));
        let mut told = story(seed, 12, words);
        let gone: Vec<Told> = last_words(&told)
            .into_iter()
            .filter(|(_, word)| word.left)
            .map(|(key, _)| Told { key, value: None })
            .collect();
        told.extend(gone);
        let runner = run(&plan, &told, Schedule::wild(seed).crashing(30));
        compare(&runner.tables, &expected(&told));
        let marks = runner.machine.book().unwrap().accounts();
        for (id, account) in marks {
            prop_assert_eq!(account.members().count(), account.present(), "{}", id);
        }
    }
}

#[test]
fn each_word_has_one_outcome() {
    let plan = Arc::new(account_plan("USD"));
    let told = story(5, 12, 200);
    let mut twice = told.clone();
    twice.extend(told.clone());
    let runner = run(&plan, &twice, Schedule::straight(5));
    let without = told.iter().filter(|word| word.key[0] == 0).count() as u64;
    let counts = runner.counts[0].by_outcome;
    let all = told.len() as u64;
    assert_eq!(counts, [all - without, all - without, 0, 2 * without, 0]);
}

#[test]
fn words_that_lie_are_put_aside_and_say_why() {
    let plan = Arc::new(account_plan("USD"));
    let word = |account: &str, currency: &str| {
        let part = AccountPart { currency: currency.to_owned(), ..AccountPart::default() };
        Told::of(joined(
            &Word {
                customer: b"c1",
                account,
                lifecycle: "new",
                risk_band: None,
                as_of_ms: BEGIN_MS,
                revenue_minor: 0,
                part: Some(&part),
                opportunities: &[],
            },
            (1, 1),
        ))
    };
    let good = word("a1", "USD");
    let mut wrong_key = good.clone();
    wrong_key.key = b"a2\0c1".to_vec();
    let broken = Told { key: good.key.clone(), value: Some(b"{\"customer_id\":1".to_vec()) };
    let nothing = Told { key: b"no key of ours".to_vec(), value: None };
    let bad = [word("a1", "EUR"), wrong_key, broken, nothing];
    let runner = run(&plan, &[&bad[..], &[good]].concat(), Schedule::straight(1));
    assert_eq!(runner.counts[0].by_outcome, [1, 0, 0, 0, 4]);
    let reasons: Vec<&str> = runner.letters.iter().map(|letter| letter.reason.name()).collect();
    assert_eq!(reasons, ["unknown_currency", "wrong_key", "bad_json", "wrong_key"]);
    assert!(runner.letters[0].detail.contains("write currency = \"EUR\""));

    let logs = vec![log(&[word("a1", "USD")])];
    let mut elsewhere = Runner::new(&plan, 0, 64, logs, Schedule::straight(1));
    elsewhere.drain();
    let shard = (murmur2(b"a1") & 0x7fff_ffff) % 64;
    assert_ne!(shard, 0, "choose another id");
    assert_eq!(elsewhere.letters[0].reason.name(), "wrong_partition");
}

#[test]
fn members_beyond_the_limit_are_left_out_and_the_account_says_so() {
    let mut plan = account_plan("USD");
    plan.accounts.as_mut().unwrap().members_max = 2;
    let part = AccountPart { currency: "USD".to_owned(), ..AccountPart::default() };
    let comes = |customer: &str, cycle| {
        let word = Word {
            customer: customer.as_bytes(),
            account: "a",
            lifecycle: "new",
            risk_band: None,
            as_of_ms: BEGIN_MS,
            revenue_minor: 0,
            part: Some(&part),
            opportunities: &[],
        };
        Told::of(joined(&word, (1, cycle)))
    };
    let goes = Told::of(left(("a", false), b"c1", BEGIN_MS, (1, 7)));
    let words =
        [comes("c1", 1), comes("c2", 2), comes("c3", 3), comes("c2", 4), goes, comes("c3", 8)];
    let runner = run(&Arc::new(plan), &words, Schedule::by_record(3).crashing(100));
    assert_eq!(runner.counts[0].by_outcome, [5, 0, 0, 1, 0]);
    let rows = table(&runner, "accounts");
    assert_eq!((rows[0].int("members"), rows[0].int("members_left_out")), (2, 1));
    let days = table(&runner, "account_history");
    assert_eq!((days.len(), days[0].int("members")), (1, 2));
}

/// A day's row says how the account stood after the last word of the day, wherever cycles end.
#[test]
fn days_do_not_depend_on_where_cycles_end() {
    let plan = Arc::new(account_plan("USD"));
    for seed in 0..20 {
        let told = story(seed, 5, 90);
        let days = |schedule| {
            let runner = run(&plan, &told, schedule);
            let rows = table(&runner, "account_history");
            let path = table(&runner, "accounts");
            let days = rows.iter().map(|row| row.without(&["version"])).collect::<Vec<_>>();
            (days, path.iter().map(|row| row.without(&["version"])).collect::<Vec<_>>())
        };
        let straight = days(Schedule::straight(seed));
        assert!(straight.0.len() > 20, "{}", straight.0.len());
        let other = days(Schedule::by_record(seed).crashing(50));
        for (one, two) in [(&straight.0, &other.0), (&straight.1, &other.1)] {
            assert_eq!(one.len(), two.len(), "seed {seed}");
            one.iter().zip(two).for_each(|(one, two)| assert_eq!(one, two, "seed {seed}"));
        }
    }
}
