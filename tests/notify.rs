//! The notifier's decisions: who hears of what and when, under a budget, in quiet hours, after crashes and repeats.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/desk.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use retain::model::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use retain::notify::answer::{Answer, Why, of_smtp, of_status};
use retain::notify::budget::Spent;
use retain::notify::desk::{Desk, Full, Standing};
use retain::notify::pace::Pace;
use retain::notify::record::Entry;
use retain::notify::{Content, Letter, when};
use retain::wire::alert::AlertWord;
use support::{T0, all, desk, digest, ids, word};

#[test]
fn people_hear_of_a_call_and_of_what_follows_it() {
    let mut chat = desk("chat");
    assert!(chat.hear(&word("a", 1, "pending", 5), T0).is_empty());
    assert_eq!(ids(&chat.hear(&word("a", 2, "raised", 5), T0)), ["a-2"]);
    assert!(chat.hear(&word("a", 2, "raised", 5), T0).is_empty(), "never twice for one transition");
    assert_eq!(ids(&chat.hear(&word("a", 3, "acknowledged", 5), T0)), ["a-3"]);
    assert_eq!(ids(&chat.hear(&word("a", 4, "resolved", 5), T0)), ["a-4"]);
    assert!(chat.hear(&word("b", 2, "resolved", 5), T0).is_empty(), "nobody got the raise");
    assert_eq!(chat.opens(), 0);
    // a person who reopens knows it
    let reopened = AlertWord { call: false, ..word("c", 5, "reopened", 5) };
    assert!(chat.hear(&reopened, T0).is_empty());
}

#[test]
fn mail_goes_to_the_owner_and_to_those_whom_the_rule_names() {
    let mut post = desk("post");
    let mut both = word("a", 1, "raised", 5);
    both.receivers = vec!["owner".to_owned(), "post".to_owned()];
    let letters = post.hear(&both, T0);
    let to: Vec<&str> = letters.iter().map(|letter| letter.to.as_str()).collect();
    assert_eq!(to, ["o7", ""]);
    assert!(post.hear(&word("a", 2, "acknowledged", 5), T0).is_empty(), "no mail for a move");
    assert_eq!(post.hear(&word("a", 3, "resolved", 5), T0).len(), 2);
    let mild = AlertWord { severity: "low".to_owned(), ..word("b", 1, "raised", 5) };
    assert!(post.hear(&mild, T0).is_empty(), "below severity_min");
    let other = AlertWord { owner_id: "o9".to_owned(), ..word("c", 1, "raised", 5) };
    assert!(post.hear(&other, T0).is_empty(), "the entry of all others does not name it");
    assert_eq!(desk("chat").hear(&other, T0)[0].to, "o9");
}

#[test]
fn quiet_hours_hold_a_call_and_the_largest_goes_first() {
    let mut chat = desk("chat");
    let due_ms = T0 + 10 * HOUR_MS;
    for (id, at_risk) in [("a", 1), ("b", 9), ("c", 5), ("d", 7)] {
        let held = AlertWord { due_ms: Some(due_ms), ..word(id, 1, "raised", at_risk) };
        assert!(chat.hear(&held, T0).is_empty());
    }
    // taken before anybody was called: no call, and nothing to tell of its end
    assert!(chat.hear(&word("b", 2, "acknowledged", 9), T0 + 1).is_empty());
    assert_eq!(chat.next_due_ms(), Some(due_ms));
    assert!(chat.tick(due_ms - 1).is_empty());
    assert_eq!(ids(&chat.tick(due_ms)), ["d-1", "c-1", "a-1"]);
    assert!(chat.hear(&word("b", 3, "resolved", 9), due_ms).is_empty());
    assert_eq!(ids(&chat.hear(&word("a", 2, "resolved", 9), due_ms)), ["a-2"]);
}

#[test]
fn beyond_the_budget_only_what_is_dearer_is_called_and_the_rest_is_in_the_digest() {
    let mut chat = desk("chat");
    let hear = |chat: &mut Desk, id: &str, at_risk| {
        !chat.hear(&word(id, 1, "raised", at_risk), T0).is_empty()
    };
    assert!(hear(&mut chat, "a", 50) && hear(&mut chat, "b", 10) && hear(&mut chat, "c", 30));
    assert!(!hear(&mut chat, "d", 10), "not above the smallest");
    assert!(hear(&mut chat, "e", 20), "takes the place of 10");
    assert!(!hear(&mut chat, "f", 20));
    assert_eq!(chat.take_counts(), (2, Full::default()));
    // eight o'clock in Berlin is seven in UTC, the next day
    let due_ms = T0 + 22 * HOUR_MS;
    assert_eq!(chat.next_due_ms(), Some(due_ms));
    let letters = chat.tick(due_ms);
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    let on: Vec<&str> = digest(letter).on.iter().map(|word| word.alert_id.as_str()).collect();
    assert_eq!((letter.to.as_str(), on), ("o7", vec!["f", "d"]));
    assert!(letter.id.starts_with("digest-customers-chat-o7-2026-01-06-"), "{}", letter.id);
    // the end of what was in a digest is in the next one
    assert!(chat.hear(&word("f", 2, "resolved", 20), due_ms + 1).is_empty());
    let letters = chat.tick(due_ms + DAY_MS);
    assert!(digest(&letters[0]).on.is_empty() && digest(&letters[0]).over[0].alert_id == "f");
    // another day, another budget
    assert!(!chat.hear(&word("g", 1, "raised", 1), due_ms).is_empty());
}

#[test]
fn a_flood_is_cut_to_fifty_lines_and_a_count() {
    let mut chat = desk("chat");
    for number in 0..203 {
        // ever cheaper: only the first three are called
        chat.hear(&word(&format!("{number:03}"), 1, "raised", 1_000 - number), T0);
    }
    let letters = chat.tick(T0 + DAY_MS);
    assert_eq!((digest(&letters[0]).on.len(), digest(&letters[0]).left_out), (50, 150));
    assert_eq!(digest(&letters[0]).on[0].alert_id, "003");
}

#[test]
fn catch_up_alerts_wait_for_the_digest_and_a_new_receiver_begins_with_what_is_on() {
    let mut chat = desk("chat");
    let late = AlertWord { catch_up: true, ..word("a", 1, "raised", 5) };
    assert!(chat.hear(&late, T0).is_empty());
    assert!(matches!(chat.standing("a", "o7"), Some(Standing::Listing { .. })));

    let last = || {
        vec![
            word("a", 3, "acknowledged", 5),
            word("b", 2, "resolved", 5),
            word("c", 1, "raised", 7),
        ]
    };
    let mut new = desk("chat");
    assert!(new.begin(last(), T0).is_empty());
    let letters = new.tick(T0 + DAY_MS);
    assert_eq!(digest(&letters[0]).on.len(), 2);
    for machine in ["monitor", "hook"] {
        let mut new = desk(machine);
        assert!(new.begin(last(), T0).is_empty(), "it is written down before it is told");
        assert_eq!(ids(&new.tick(T0)), ["c-1", "a-3"]);
    }
}

#[test]
fn alertmanager_is_told_what_is_on_under_one_identity() {
    let mut monitor = desk("monitor");
    assert_eq!(ids(&monitor.hear(&word("a", 1, "raised", 5), T0)), ["a-1"]);
    let changed = AlertWord { severity: "low".to_owned(), ..word("a", 2, "acknowledged", 5) };
    let letters = monitor.hear(&changed, T0);
    assert!(matches!(&letters[0].content, Content::Alert(word) if word.severity == "high"));
    assert_eq!(monitor.on().count(), 1);
    assert_eq!(ids(&monitor.hear(&word("a", 3, "snoozed", 5), T0)), ["a-3"]);
    assert_eq!(monitor.on().count(), 0);
    assert!(monitor.hear(&word("a", 4, "resolved", 5), T0).is_empty(), "it is over there already");
    let held = AlertWord { due_ms: Some(T0 + 9), ..word("b", 1, "raised", 5) };
    assert!(monitor.hear(&held, T0).is_empty());
    assert!(monitor.hear(&word("b", 2, "acknowledged", 5), T0).is_empty(), "still quiet");
    assert_eq!(ids(&monitor.tick(T0 + 9)), ["b-2"]);
}

#[test]
fn digests_come_at_the_local_hour_also_when_clocks_change() {
    let zone = all().zone.clone();
    let ms = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    for (after, next) in [
        ("2026-01-05T06:59:59Z", "2026-01-05T07:00:00Z"),
        ("2026-01-05T07:00:00Z", "2026-01-06T07:00:00Z"),
        ("2026-03-28T08:00:00Z", "2026-03-29T06:00:00Z"),
        ("2026-10-24T08:00:00Z", "2026-10-25T07:00:00Z"),
    ] {
        assert_eq!(when::next(&zone, 480, ms(after)), ms(next), "{after}");
    }
    // half past two does not exist on the 29th of March
    assert_eq!(when::next(&zone, 150, ms("2026-03-28T12:00:00Z")), ms("2026-03-29T01:30:00Z"));
}

#[test]
fn answers_say_whether_to_wait_to_ask_a_person_or_to_give_up() {
    let of = |status, header| of_status(status, header, T0, String::new());
    let again = |after_ms| Answer::Again { why: Why::default(), after_ms };
    assert_eq!(of(202, None), Answer::Taken);
    assert_eq!(of(429, Some("30")), again(Some(30_000)));
    assert_eq!(of(503, Some("Mon, 05 Jan 2026 09:01:00 GMT")), again(Some(MINUTE_MS)));
    assert_eq!(of(500, Some("soon")), again(None));
    assert_eq!(of(429, Some("4000000000")), again(Some(DAY_MS)));
    for status in [301, 401, 403, 404, 410] {
        assert!(matches!(of(status, None), Answer::Person { .. }), "{status}");
    }
    for status in [400, 413, 422] {
        assert!(matches!(of(status, None), Answer::Refused { .. }), "{status}");
    }
    assert!(matches!(of_smtp(Some(550), String::new()), Answer::Refused { .. }));
    assert!(matches!(of_smtp(Some(535), String::new()), Answer::Person { .. }));
    assert_eq!(of_smtp(Some(451), String::new()), again(None));
    assert_eq!(of_smtp(None, String::new()), again(None));
}

#[test]
fn records_carry_owners_of_any_name() {
    for entry in [
        Entry::Open(("ab".to_owned(), "o\t7 ü".to_owned())),
        Entry::Spent(String::new()),
        Entry::Parked(12),
    ] {
        let key = entry.key("chat");
        assert_eq!(Entry::parse(key.as_bytes(), "chat"), Some(entry.clone()));
        assert_eq!(Entry::parse(key.as_bytes(), "chats"), None);
        assert!(entry.partition(7) < 7);
    }
    let [open, spent] =
        [Entry::Open(("a".to_owned(), "o".to_owned())), Entry::Spent("o".to_owned())];
    assert_eq!(open.partition(12), spent.partition(12), "all of an owner lie together");
}

/// What can come to a desk.
#[derive(Clone, Debug)]
enum Step {
    /// The next transition of an alert.
    Move { alert: u8, what: u8, at_risk: i64, held: bool, late: bool },
    /// Something that came before comes again.
    Again(usize),
    /// Time passes, minutes.
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let moves =
        (0..12_u8, 0..6_u8, 0..40_i64, prop::bool::weighted(0.2), prop::bool::weighted(0.1));
    let moves = moves.prop_map(|(alert, what, at_risk, held, late)| Step::Move {
        alert,
        what,
        at_risk,
        held,
        late,
    });
    let step = prop_oneof![
        8 => moves,
        1 => (0..50_usize).prop_map(Step::Again),
        3 => (1..900_i64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..80)
}

/// The transitions and times of some steps.
fn script(steps: &[Step]) -> Vec<(i64, Option<AlertWord>)> {
    let mut now_ms = T0;
    let mut last: BTreeMap<u8, u32> = BTreeMap::new();
    let mut said: Vec<AlertWord> = Vec::new();
    let mut out = Vec::new();
    for step in steps {
        match step {
            Step::Wait(minutes) => {
                now_ms += minutes * MINUTE_MS;
                out.push((now_ms, None));
            }
            // what is read again after a crash is what was read last
            Step::Again(at) if !said.is_empty() => {
                let again = &said[at % said.len()];
                let newest = said.iter().rev().find(|word| word.alert_id == again.alert_id);
                out.push((now_ms, newest.cloned()));
            }
            Step::Again(_) => {}
            Step::Move { alert, what, at_risk, held, late } => {
                let n = last.entry(*alert).or_default();
                *n += 1;
                let what = ["raised", "acknowledged", "snoozed", "woken", "resolved", "reopened"]
                    [usize::from(*what)];
                let mut word = word(&format!("{alert:02}"), *n, what, *at_risk);
                word.at_ms = now_ms;
                word.catch_up = *late && word.call;
                word.due_ms = (*held && word.call).then_some(now_ms + 5 * HOUR_MS);
                said.push(word.clone());
                out.push((now_ms, Some(word)));
            }
        }
    }
    out
}

/// The records of a desk as a compacted topic holds them.
#[derive(Default)]
struct Topic(BTreeMap<Entry, Option<Vec<u8>>>);

impl Topic {
    fn write(&mut self, desk: &mut Desk) {
        self.0.extend(desk.take_changes());
    }

    fn read(&self, name: &str) -> Desk {
        let mut desk = desk(name);
        for (entry, value) in &self.0 {
            desk.restore(entry.clone(), value.as_deref()).unwrap();
        }
        desk
    }
}

proptest! {
    #[test]
    fn a_restart_decides_the_same(steps in steps(), restarts in prop::collection::vec(any::<bool>(), 80), which in 0..4_usize) {
        let name = ["chat", "monitor", "hook", "post"][which];
        let (mut straight, mut crashing) = (desk(name), desk(name));
        let mut topic = Topic::default();
        for (at, (now_ms, word)) in script(&steps).into_iter().enumerate() {
            let act = |desk: &mut Desk| match &word {
                Some(word) => desk.hear(word, now_ms),
                None => desk.tick(now_ms),
            };
            let wanted = act(&mut straight);
            if restarts[at % restarts.len()] {
                // it had sent, and died before its records were written
                let lost = act(&mut topic.read(name));
                prop_assert_eq!(&lost, &wanted);
                crashing = topic.read(name);
            }
            prop_assert_eq!(act(&mut crashing), wanted);
            topic.write(&mut crashing);
        }
    }

    #[test]
    fn nothing_is_told_twice_or_out_of_order_and_ends_go_to_those_who_were_told(steps in steps(), which in 0..4_usize) {
        let name = ["chat", "monitor", "hook", "post"][which];
        let mut desk = desk(name);
        let mut told: BTreeMap<(String, String), u32> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for (now_ms, word) in script(&steps) {
            let letters = match &word {
                Some(word) => desk.hear(word, now_ms),
                None => desk.tick(now_ms),
            };
            for letter in letters {
                prop_assert!(ids.insert((letter.id.clone(), letter.to.clone())), "twice: {}", letter.id);
                let Content::Alert(word) = letter.content else { continue };
                let key = (word.alert_id.clone(), letter.to);
                let before = told.get(&key).copied();
                prop_assert!(before.is_none_or(|n| n < word.n), "order of {}", letter.id);
                if !word.call && name != "monitor" && name != "hook" {
                    prop_assert!(before.is_some(), "{} follows nothing", letter.id);
                }
                told.insert(key, word.n);
            }
        }
    }

    #[test]
    fn every_call_goes_out_at_once_later_or_in_a_digest(steps in steps()) {
        let mut desk = desk("chat");
        let mut wanted = BTreeMap::new();
        let (mut called, mut listed) = (BTreeSet::new(), BTreeSet::new());
        let mut end_ms = T0;
        let mut note = |letters: Vec<Letter>| for letter in letters {
            match letter.content {
                Content::Alert(word) => drop(called.insert((word.alert_id, word.n))),
                Content::Digest(digest) => listed.extend(digest.on.into_iter().map(|word| word.alert_id)),
            }
        };
        for (now_ms, word) in script(&steps) {
            end_ms = now_ms;
            // what came again is no news
            if let Some(word) = word {
                let newest: &mut (u32, bool) = wanted.entry(word.alert_id.clone()).or_default();
                if word.n > newest.0 {
                    *newest = (word.n, word.call);
                }
                note(desk.hear(&word, now_ms));
            }
            note(desk.tick(now_ms));
        }
        // what was held may go over the budget then, and into the digest after
        note(desk.tick(end_ms + 2 * DAY_MS));
        note(desk.tick(end_ms + 4 * DAY_MS));
        for (alert, (n, call)) in wanted {
            if call {
                prop_assert!(called.contains(&(alert.clone(), n)) || listed.contains(&alert), "{alert} {n} is lost");
            }
        }
    }

    #[test]
    fn a_budget_keeps_the_largest(at_risk in prop::collection::vec(0..1_000_i64, 0..60), budget in 1..8_u32) {
        let mut spent = Spent::default();
        let mut sent = Vec::new();
        for (index, amount) in at_risk.iter().enumerate() {
            let mut held = sent.clone();
            held.sort_unstable_by(|a: &i64, b| b.cmp(a));
            held.truncate(budget as usize);
            let may = spent.ask("2026-01-05", Some(*amount), budget);
            let first = index < budget as usize;
            prop_assert_eq!(may, first || held.last().is_some_and(|least| amount > least));
            if may { sent.push(*amount); }
        }
        prop_assert!(spent.sent.len() <= budget as usize);
        let mut largest = at_risk;
        largest.sort_unstable_by(|a, b| b.cmp(a));
        largest.truncate(budget as usize);
        largest.reverse();
        prop_assert_eq!(spent.sent, largest);
    }

    #[test]
    fn the_pace_holds_in_every_minute(waits in prop::collection::vec(0..20_000_i64, 1..200), per_minute in 1..120_u32) {
        let mut pace = Pace::new(per_minute);
        let (mut now_ms, mut times) = (T0, Vec::new());
        for wait in waits {
            now_ms += wait;
            now_ms += pace.wait_ms(now_ms);
            prop_assert_eq!(pace.wait_ms(now_ms), 0);
            pace.sent(now_ms);
            times.push(now_ms);
        }
        for (index, begin) in times.iter().enumerate() {
            let count = times[index..].iter().take_while(|at| *at - begin < MINUTE_MS).count();
            prop_assert!(count <= per_minute as usize + 5, "{count} in a minute");
        }
    }
}
