//! What shards tell each other and the next stage: letters are taken once and in order whatever dies, unknown ones are
//! skipped, words of accounts long left are deleted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/stream.rs"]
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;

use retain::machine::LEFT_KEPT_MS;
use sim::{Log, PostOffice, Runner, Schedule};
use stream::{BEGIN_MS, DAY_MS, Shape, deliver, history, spell_time};

const SHAPE: Shape = Shape { customers: 40, days: 200, events: 600, faults_permille: 0 };
const END_MS: i64 = BEGIN_MS + 400 * DAY_MS;

/// Letters of a kind that this binary does not know, and bytes that are no letter.
fn foreign_letters(office: &PostOffice) -> u64 {
    for n in 0..40_u8 {
        office.send(0, vec![200; usize::from(n)]);
    }
    40
}

#[test]
fn letters_of_a_newer_binary_are_skipped_once_each_whatever_dies() {
    for seed in 0..6 {
        let office = PostOffice::new(1);
        let foreign = foreign_letters(&office);
        let logs = deliver(seed, &history(seed, SHAPE), |_| 0);
        let plan = Arc::new(plans::plan());
        let schedule = Schedule::wild(seed).crashing(if seed == 0 { 0 } else { 40 });
        let mut runner = Runner::new(&plan, 0, 1, logs, schedule).within(&office);
        runner.drain();
        runner.pass_to(END_MS);
        assert_eq!(runner.mail_unread, foreign, "{}", runner.seed());
        let last = office.letters(0).last().unwrap().offset;
        assert_eq!(runner.mail_to, last + 1, "{}", runner.seed());
        let ledger = |source: &str| -> Vec<i128> {
            let rows = runner.tables.rows("ledger").filter(|row| row.text("source") == source);
            rows.map(|row| row.int("mail_to")).collect()
        };
        let mail_to = ledger("purchases");
        assert!(
            mail_to.is_sorted() && mail_to.last() == Some(&i128::from(last + 1)),
            "{mail_to:?}"
        );
        assert_eq!(ledger("web"), mail_to, "a cycle has one number for all its sources");
    }
}

#[test]
fn a_letter_that_comes_within_a_cycle_waits_for_the_next() {
    let office = PostOffice::new(1);
    let logs = deliver(1, &history(1, SHAPE), |_| 0);
    let plan = Arc::new(plans::plan());
    let schedule = Schedule { mail_percent: 0, cut_percent: 0, ..Schedule::straight(1) };
    let mut runner = Runner::new(&plan, 0, 1, logs, schedule).within(&office);
    let records = runner.logs[0].entries[..1].to_vec();
    for source in 0..3 {
        let record = records.iter().map(|e| retain::model::record::Record {
            offset: e.offset,
            kafka_ms: e.kafka_ms,
            key: e.key.as_deref(),
            payload: e.payload.as_deref(),
        });
        runner.machine.offer(source, &mut record.take(usize::from(source == 0)));
        runner.machine.end_of(source, i64::MAX);
    }
    runner.machine.advance(1);
    office.send(0, vec![200]);
    runner.offer_mail();
    let clock = |now_ms| retain::machine::ClockReading { now_ms, ends_confirmed_ms: None };
    let first = runner.machine.end_cycle(clock(1));
    assert_eq!((first.mail_to, first.mail_unread), (0, 0));
    assert!(runner.machine.has_work(clock(2)), "a letter is reason enough for a cycle");
    let second = runner.machine.end_cycle(clock(2));
    assert_eq!((second.mail_to, second.mail_unread), (1, 1));
    assert_eq!(runner.machine.mail_waiting_bytes(), 0);
}

/// One customer who is said to belong to accounts at days.
fn moves(said: &[(i64, &str)]) -> Vec<Log> {
    let mut logs = vec![Log::default(); 3];
    for (n, (day, account)) in said.iter().enumerate() {
        let ts_ms = BEGIN_MS + day * DAY_MS;
        let payload = format!(
            r#"{{"event_id":"e{n}","customer_id":"c1","ts":"{}","account_id":"{account}","amount":1,"currency":"USD"}}"#,
            spell_time(ts_ms, 0)
        );
        logs[0].push(0, ts_ms, Some(b"c1".to_vec()), Some(payload.into_bytes()));
    }
    logs
}

/// The last word of each account: `None` where it was deleted.
fn last_words(runner: &Runner) -> BTreeMap<String, Option<bool>> {
    let word = |word: &retain::model::effects::SignalWord| {
        let key = String::from_utf8(word.key.clone()).unwrap();
        let left = word.value.as_deref().map(|value| {
            let json: serde_json::Value = serde_json::from_slice(value).unwrap();
            json["left"].as_bool().unwrap_or(false)
        });
        (key, left)
    };
    runner.words.iter().map(word).collect()
}

#[test]
fn a_left_account_is_deleted_to_the_millisecond_and_a_return_prevents_it() {
    let plan = Arc::new(plans::plan());
    // from a to b on day 10, back on day 20, to c on day 25
    let said = [(0, "a"), (10, "b"), (20, "a"), (25, "c")];
    let day = |n: i64| BEGIN_MS + n * DAY_MS;
    for crashes in [0, 300] {
        let mut runner =
            Runner::new(&plan, 0, 1, moves(&said), Schedule::by_record(3).crashing(crashes));
        runner.drain();
        let key = |account: &str| format!("{account}\0c1");
        let words = |runner: &Runner| {
            let words = last_words(runner);
            [words[&key("a")], words[&key("b")], words[&key("c")]]
        };
        assert_eq!(words(&runner), [Some(true), Some(true), Some(false)]);
        let pending = runner.machine.left_pending();
        assert_eq!(pending, 2, "a and b; nobody was told of an empty account");
        runner.pass_to(day(20) + LEFT_KEPT_MS - 1);
        assert_eq!(words(&runner), [Some(true), Some(true), Some(false)]);
        runner.crash();
        runner.drain();
        runner.pass_to(day(20) + LEFT_KEPT_MS);
        assert_eq!(words(&runner), [Some(true), None, Some(false)]);
        runner.crash();
        runner.drain();
        // a was left on day 10 first: that time would have been up on day 40
        runner.pass_to(day(25) + LEFT_KEPT_MS - 1);
        assert_eq!(words(&runner), [Some(true), None, Some(false)]);
        runner.pass_to(day(25) + LEFT_KEPT_MS);
        assert_eq!(words(&runner), [None, None, Some(false)]);
        assert_eq!(runner.machine.left_pending(), 0);
    }
}

#[test]
fn no_left_stands_for_ever_and_nobody_who_stayed_is_deleted() {
    let plan = Arc::new(plans::plan());
    let mut deleted = 0;
    for seed in 0..4 {
        let logs = deliver(seed, &history(seed, SHAPE), |_| 0);
        let mut runner = Runner::new(&plan, 0, 1, logs, Schedule::wild(seed).crashing(20));
        runner.drain();
        runner.pass_to(END_MS);
        let mut last: BTreeMap<&[u8], Option<bool>> = BTreeMap::new();
        for word in &runner.words {
            let left = word.value.as_deref().map(|value| {
                let json: serde_json::Value = serde_json::from_slice(value).unwrap();
                json["left"].as_bool().unwrap_or(false)
            });
            let before = last.insert(&word.key, left).flatten();
            if left.is_none() {
                deleted += 1;
                assert_eq!(before, Some(true), "only a left is deleted, {}", runner.seed());
            }
        }
        let standing = last.values().filter(|left| **left == Some(true)).count();
        assert_eq!((standing, runner.machine.left_pending()), (0, 0), "{}", runner.seed());
        assert!(last.values().any(|left| *left == Some(false)), "{}", runner.seed());
    }
    assert!(deleted > 20, "{deleted}");
}
