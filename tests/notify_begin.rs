//! How a receiver begins and goes on: with what a desk knew before, with more than it can remember, with letters that were not sent.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/desk.rs"]
mod support;

use retain::model::time::{DAY_MS, HOUR_MS};
use retain::notify::desk::{Desk, Full, Standing};
use retain::notify::words::Said;
use retain::notify::{Content, Letter, bodies, route};
use retain::plan::receivers;
use retain::wire::alert::AlertWord;
use serde_json::Value;
use support::{T0, desk, digest, ids, word};

/// More than a desk remembers.
const OPENS_MAX: usize = 100_000;

#[test]
fn after_a_rebuild_only_what_differs_is_told() {
    let mut chat = desk("chat");
    chat.hear(&word("a", 1, "raised", 5), T0);
    chat.hear(&word("b", 1, "raised", 5), T0);
    let letters = chat.begin(vec![word("a", 2, "raised", 5), word("c", 1, "raised", 5)], T0 + 1);
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!(letter.id, "b-2");
    assert!(matches!(&letter.content, Content::Alert(word) if word.what == "resolved"));
    assert_eq!(chat.standing("a", "o7"), Some(Standing::Told));
    assert!(matches!(chat.standing("c", "o7"), Some(Standing::Listing { .. })));
}

/// What Alertmanager knows each alert by that is on.
fn labels(desk: &Desk) -> Vec<Value> {
    let said = Said { title: "t".to_owned(), text: "x".to_owned() };
    let body = |word| bodies::alertmanager(word, &said, "customers", T0 + HOUR_MS, "");
    desk.on().map(|word| body(word)["labels"].clone()).collect()
}

fn full_word(id: &str, n: u32, what: &str) -> AlertWord {
    AlertWord {
        account_id: "A1".to_owned(),
        region: "EU".to_owned(),
        tier: "gold".to_owned(),
        ..word(id, n, what, 5)
    }
}

#[test]
fn after_a_rebuild_alertmanager_knows_its_alerts_by_the_same_labels() {
    let mut monitor = desk("monitor");
    monitor.hear(&full_word("a", 1, "raised"), T0);
    let before = labels(&monitor);
    assert_eq!((&before[0]["tier"], &before[0]["region"]), (&"gold".into(), &"EU".into()));
    // found late, after the customer moved
    let found = AlertWord {
        catch_up: true,
        severity: "low".to_owned(),
        owner_id: "o8".to_owned(),
        account_id: "A2".to_owned(),
        region: "US".to_owned(),
        tier: "silver".to_owned(),
        at_risk_minor: Some(77),
        ..full_word("a", 1, "raised")
    };
    assert!(monitor.begin(vec![found], T0 + 1).is_empty());
    assert!(monitor.tick(T0 + 1).is_empty());
    assert_eq!(labels(&monitor), before);
    assert_eq!(monitor.on().next().unwrap().at_risk_minor, Some(77), "the rest is as it is now");
    let letters = monitor.hear(&full_word("a", 2, "resolved"), T0 + 2);
    assert!(matches!(&letters[0].content, Content::Alert(word) if !word.catch_up));
}

#[test]
fn what_is_put_off_is_not_over() {
    let put_off = || vec![word("a", 2, "snoozed", 5), word("never", 2, "snoozed", 5)];
    for name in ["chat", "hook"] {
        let mut desk = desk(name);
        desk.hear(&word("a", 1, "raised", 5), T0);
        assert!(desk.begin(put_off(), T0 + 1).is_empty(), "{name}");
        assert!(desk.tick(T0 + 2 * DAY_MS).is_empty(), "{name}");
        assert_eq!(desk.opens(), 1, "{name}: what nobody was told of is nobody's");
        let letters = desk.hear(&word("a", 3, "resolved", 5), T0 + 2);
        assert_eq!(ids(&letters), ["a-3"], "{name}: its end is told");
    }
    // held for the end of quiet hours: nobody needs to be called for it
    let mut chat = desk("chat");
    let held = AlertWord { due_ms: Some(T0 + HOUR_MS), ..word("a", 1, "raised", 5) };
    assert!(chat.hear(&held, T0).is_empty());
    assert!(chat.begin(put_off(), T0 + 1).is_empty() && chat.tick(T0 + 2 * DAY_MS).is_empty());
    // and is on again when the desk begins once more
    assert!(chat.begin(vec![word("a", 3, "woken", 5)], T0 + 2).is_empty());
    assert_eq!(digest(&chat.tick(T0 + DAY_MS)[0]).on[0].alert_id, "a");
}

#[test]
fn alertmanager_mirrors_what_was_put_off_or_woken_meanwhile() {
    let mut monitor = desk("monitor");
    monitor.hear(&full_word("a", 1, "raised"), T0);
    let snoozed = full_word("a", 2, "snoozed");
    assert_eq!(ids(&monitor.begin(vec![snoozed.clone()], T0 + 1)), ["a-2"]);
    assert_eq!(monitor.on().count(), 0);
    assert!(monitor.begin(vec![snoozed], T0 + 2).is_empty(), "it was told that");
    assert!(monitor.begin(vec![full_word("a", 3, "woken")], T0 + 3).is_empty());
    assert_eq!(ids(&monitor.tick(T0 + 3)), ["a-3"]);
    assert_eq!(monitor.on().count(), 1);
}

#[test]
fn what_was_told_makes_room_for_what_is_yet_to_be_told() {
    let mut chat = desk("chat");
    let on = (0..OPENS_MAX as i64).map(|number| AlertWord {
        raised_ms: Some(T0 + number),
        ..word(&format!("{number:06}"), 1, "raised", 5)
    });
    assert!(chat.begin(on.collect(), T0).is_empty());
    assert_eq!(chat.tick(T0 + DAY_MS).len(), 1);
    for (id, at_risk) in [("a", 9), ("b", 9), ("c", 9)] {
        assert_eq!(chat.hear(&word(id, 1, "raised", at_risk), T0 + DAY_MS).len(), 1);
    }
    let later = AlertWord { due_ms: Some(T0 + 2 * DAY_MS), ..word("held", 1, "raised", 5) };
    assert!(chat.hear(&later, T0 + DAY_MS).is_empty());
    assert!(chat.hear(&word("cheap", 1, "raised", 5), T0 + DAY_MS).is_empty());
    assert!(matches!(chat.standing("held", "o7"), Some(Standing::Held { .. })));
    assert!(matches!(chat.standing("cheap", "o7"), Some(Standing::Listing { .. })));
    assert_eq!(chat.standing("a", "o7"), Some(Standing::Told));
    assert_eq!(chat.standing("000000", "o7"), None, "the oldest went");
    assert_eq!(chat.standing("050000", "o7"), Some(Standing::Listed));
    let full = Full { forgotten: OPENS_MAX as u64 / 100, hurried: 0 };
    assert_eq!(chat.take_counts(), (1, full));
}

#[test]
fn where_everything_waits_the_next_is_told_at_once() {
    let mut monitor = desk("monitor");
    let held = |id: &str| AlertWord { due_ms: Some(T0 + HOUR_MS), ..word(id, 1, "raised", 5) };
    for number in 0..OPENS_MAX {
        assert!(monitor.hear(&held(&format!("{number:06}")), T0).is_empty());
    }
    assert_eq!(ids(&monitor.hear(&held("more"), T0)), ["more-1"]);
    assert_eq!(monitor.take_counts(), (0, Full { forgotten: 0, hurried: 1 }));
    assert_eq!(monitor.tick(T0 + HOUR_MS).len(), OPENS_MAX);
}

#[test]
fn letters_that_wait_outlive_a_restart_in_their_order() {
    let mut post = desk("post");
    let letter = |n| Letter::about(&word("a", n, "raised", 5), "o7");
    post.park((1..=12).map(letter));
    post.unpark();
    let mut again = desk("post");
    // as a compacted topic holds them: the last of each key, in no order
    for (entry, value) in post.take_changes().into_iter().rev() {
        again.restore(entry, value.as_deref()).unwrap();
    }
    again.park([letter(13)]);
    let mut sent = Vec::new();
    while let Some(letter) = again.parked().cloned() {
        sent.push(letter);
        again.unpark();
    }
    assert_eq!(sent, (2..=13).map(letter).collect::<Vec<_>>());
    let left = again.take_changes();
    assert_eq!(left.len(), 12);
    assert!(left.iter().all(|(_, value)| value.is_none()), "nothing of them stays");
}

#[test]
fn mail_to_several_addresses_is_a_letter_for_each() {
    let file = |to: &str| {
        let text = format!(
            "[[receiver]]\nname = \"post\"\nkind = \"email\"\nhost = \"h\"\nfrom = \"r@x.example\"\nto = [{to}]\n"
        );
        receivers(&text).0.unwrap()
    };
    let letter = Letter::about(&word("a", 1, "raised", 5), "");
    let apart = |to: &str| {
        let found = file(to);
        route::apart(letter.clone(), &found, &found.receivers[0])
    };
    assert_eq!(apart("\"a@x.example\""), std::slice::from_ref(&letter));
    let two = apart("\"a@x.example\", \"b@x.example\"");
    assert!(two.iter().all(|one| one.id == letter.id && one.content == letter.content));
    let to: Vec<_> = two.iter().map(|one| one.address.as_deref().unwrap()).collect();
    assert_eq!(to, ["a@x.example", "b@x.example"]);
}
