//! An alert on its whole way, on a real Kafka and a real ClickHouse: events become an alert, the alert a message, what a person does
//! about it comes back through the pipeline; and all of it under `kill -9`.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/alerting.rs"]
mod alerting;
#[path = "support/inbox.rs"]
mod inbox;
#[path = "support/live.rs"]
mod live;

use std::collections::{BTreeMap, BTreeSet};

use alerting::{Retain, Scene, VIEWER, monitor, said, webhook};
use inbox::{Alertmanager, Inbox, told};
use live::*;
use random::Random;
use retain::wire::alert::AlertWord;
use retain::wire::mail::{Act, Said};
use serde_json::{Value, json};

/// What was told about a customer's alert so far, the last transition of it.
fn last(hook: &Inbox, customer: &str) -> Option<AlertWord> {
    let words = told(hook).into_values().map(|(_, word)| word);
    words.filter(|word| word.customer_id == customer).max_by_key(|word| word.n)
}

/// Waits until the last that was told about a customer's alert is this, and returns it.
fn hears(hook: &Inbox, customer: &str, what: &str) -> AlertWord {
    let mut seen = None;
    until_within(LONG, &format!("{customer} to be {what}"), &mut || {
        seen = last(hook, customer).filter(|word| word.what == what);
        seen.is_some()
    });
    seen.unwrap()
}

/// How often Alertmanager shows each alert.
fn shown(manager: &Alertmanager) -> BTreeMap<String, usize> {
    let mut shown = BTreeMap::new();
    for alert in manager.active() {
        *shown.entry(alert["labels"]["alert_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    shown
}

fn once(ids: &[&AlertWord]) -> BTreeMap<String, usize> {
    ids.iter().map(|word| (word.alert_id.clone(), 1)).collect()
}

fn id(word: &AlertWord) -> String {
    format!("{}-{}", word.alert_id, word.n)
}

/// The ids of all transitions in ClickHouse.
fn history(scene: &Scene) -> BTreeSet<String> {
    let sql = format!(
        "SELECT concat(alert_id, '-', toString(n)) FROM {}.alert_history",
        scene.stage.database()
    );
    let text = String::from_utf8(scene.stage.bytes(&sql, "TabSeparated")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// How an alert stands in ClickHouse: phase and person.
fn stands(scene: &Scene, word: &AlertWord) -> String {
    let sql = format!(
        "SELECT phase, by, by_kind FROM {}.alerts_now WHERE alert_id = '{}'",
        scene.stage.database(),
        word.alert_id
    );
    String::from_utf8(scene.stage.bytes(&sql, "TabSeparated")).unwrap().trim().replace('\t', " ")
}

/// A pipeline whose receivers have heard of a first alert, that of C1: from then on they hear every transition.
fn begun(name: &str, hook: &Inbox, manager: &Alertmanager) -> (Scene, Retain, AlertWord) {
    let scene = Scene::new(name, &(webhook("hook", hook) + &monitor(manager)));
    let mut pipeline = scene.start(&["run"]);
    pipeline.ready();
    scene.complains("C1");
    let first = hears(hook, "C1", "raised");
    until_within(LONG, "Alertmanager to show it", &mut || shown(manager) == once(&[&first]));
    (scene, pipeline, first)
}

#[test]
fn an_event_becomes_an_alert_and_an_acknowledgement_comes_back_once() {
    let (hook, manager) = (Inbox::start(), Alertmanager::start());
    let (scene, mut pipeline, first) = begun("through", &hook, &manager);
    assert_eq!((first.rule.as_str(), first.subject_id.as_str(), first.n), ("complaint", "T-C1", 1));
    assert!(first.call && first.phase == "firing" && !first.reasons.is_empty(), "{first:?}");
    let shows = pipeline.shows(&first.alert_id, "firing");
    assert_eq!(shows["history"].as_array().unwrap().len(), 1);
    assert_eq!(stands(&scene, &first), "firing  signals");

    // who may only look may not act, and nothing is written
    let path = format!("/api/v1/alerts/{}/acknowledge", first.alert_id);
    let (status, problem) = pipeline.ask("POST", &path, VIEWER, Some(&json!({})));
    assert_eq!((status, &problem["type"]), (403, &json!("urn:retain:problem:forbidden")));

    let command =
        json!({ "command_id": format!("{:032x}", 7), "note": "calling now", "episode": 1 });
    let (status, done) = pipeline.acts(&first.alert_id, "acknowledge", &command);
    assert_eq!((status, &done["by"]), (202, &json!("olga")), "{done}");
    let told_of_it = hears(&hook, "C1", "acknowledged");
    assert_eq!((told_of_it.by.as_str(), told_of_it.note.as_str()), ("olga", "calling now"));
    let shows = pipeline.shows(&first.alert_id, "acknowledged");
    assert_eq!(
        (&shows["alert"]["by"], &shows["alert"]["by_kind"]),
        (&json!("olga"), &json!("person"))
    );
    assert_eq!(stands(&scene, &first), "acknowledged olga person");
    assert_eq!(pipeline.commands("done"), 1);

    // the same command again, and one about an episode that is not the present one
    scene.says(&said(7, Act::Acknowledge, &first));
    scene.says(&said(8, Act::Resolve, &AlertWord { episode: 9, ..first.clone() }));
    scene.says(&said(9, Act::Reopen, &first));
    scene.says(&said(
        10,
        Act::Resolve,
        &AlertWord { subject_id: "T-0".to_owned(), ..first.clone() },
    ));
    until_within(LONG, "the commands to be heard", &mut || {
        ["repeated", "other_episode", "other_phase", "no_alert"]
            .iter()
            .all(|outcome| pipeline.commands(outcome) == 1)
    });
    assert_eq!(pipeline.commands("done"), 1);
    let log = pipeline.log();
    let line = |id: u32| log.lines().find(|line| line.contains(&format!("{id:032x}"))).unwrap();
    assert!(line(8).contains("WARN") && line(8).contains("another episode"), "{}", line(8));
    // through the interface it is refused before it is written
    let (status, problem) = pipeline.acts(&first.alert_id, "resolve", &json!({ "episode": 9 }));
    assert_eq!(status, 409, "{problem}");

    pipeline.kill();
    pipeline = scene.start(&["run"]);
    pipeline.ready();
    scene.complains("C2");
    let second = hears(&hook, "C2", "raised");
    until_within(LONG, "Alertmanager to show both", &mut || {
        shown(&manager) == once(&[&first, &second])
    });
    pipeline.shows(&second.alert_id, "firing");
    assert_eq!(stands(&scene, &first), "acknowledged olga person");
    let all = [id(&first), id(&told_of_it), id(&second)].into_iter().collect::<BTreeSet<_>>();
    assert_eq!(told(&hook).into_keys().collect::<BTreeSet<_>>(), all, "nothing is raised anew");
    assert_eq!(history(&scene), all);
}

#[test]
fn a_snooze_ends_by_time_alone_and_the_command_line_does_the_same_as_the_page() {
    let (hook, manager) = (Inbox::start(), Alertmanager::start());
    let (scene, mut pipeline, first) = begun("snoozed", &hook, &manager);
    let alert_id = first.alert_id.as_str();
    let shows = pipeline.shows(alert_id, "firing");
    let clock: jiff::Timestamp = shows["standing"]["clock"].as_str().unwrap().parse().unwrap();
    let until = clock + jiff::Span::new().seconds(15);

    let (status, problem) =
        pipeline.acts(alert_id, "snooze", &json!({ "until": clock.to_string() }));
    assert_eq!(status, 400, "{problem}");
    let (status, done) = pipeline.acts(alert_id, "snooze", &json!({ "until": until.to_string() }));
    assert_eq!(status, 202, "{done}");
    let put_off = hears(&hook, "C1", "snoozed");
    assert_eq!(put_off.snoozed_until_ms, Some(until.as_millisecond()));
    until_within(LONG, "Alertmanager to forget it", &mut || shown(&manager).is_empty());
    pipeline.kill();
    pipeline = scene.start(&["run"]);
    pipeline.ready();
    let woken = hears(&hook, "C1", "woken");
    assert_eq!((woken.at_ms, woken.by_kind.as_str()), (until.as_millisecond(), "time"));
    assert!(woken.call && woken.alert_id == alert_id, "{woken:?}");
    until_within(LONG, "Alertmanager to show it", &mut || shown(&manager) == once(&[&first]));
    pipeline.shows(alert_id, "firing");

    // the command line: the same checks, the same answers
    let listed = scene.alert(&["list", "--json", "--customer", "C1"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&listed["total"], &listed["items"][0]["alert_id"]), (&json!(1), &json!(alert_id)));
    let refused = scene.alert(&["reopen", alert_id, "--by", "paul"]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && why.contains("an alert that is firing cannot be reopened"),
        "{why}"
    );
    let sent = scene.alert(&["resolve", alert_id, "--by", "paul", "--note", "settled", "--json"]);
    let done: Value = serde_json::from_slice(&sent.stdout).unwrap();
    assert_eq!((&done["by"], &done["act"]), (&json!("paul"), &json!("resolve")));
    let resolved = hears(&hook, "C1", "resolved");
    assert_eq!((resolved.by.as_str(), resolved.note.as_str()), ("paul", "settled"));
    assert_eq!(resolved.phase, "dismissed");
    until_within(LONG, "Alertmanager to forget it", &mut || shown(&manager).is_empty());
    pipeline.shows(alert_id, "dismissed");
    let text = scene.alert(&["show", alert_id]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains("resolved by paul: settled") && text.contains("you can: reopen"),
        "{text}"
    );
    let sent = scene.alert(&["reopen", alert_id, "--by", "paul"]);
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let reopened = hears(&hook, "C1", "reopened");
    // nobody is called for what a person has just said
    assert!(!reopened.call && reopened.n == 5, "{reopened:?}");
    until_within(LONG, "Alertmanager to show it", &mut || shown(&manager) == once(&[&first]));
    scene.is_settled("C1");
    let over = hears(&hook, "C1", "resolved");
    assert_eq!((over.by_kind.as_str(), over.n), ("signals", 6));
    until_within(LONG, "Alertmanager to forget it", &mut || shown(&manager).is_empty());
}

/// What one round of the test below adds: customers complain, one in three is acknowledged, one in three settled.
fn round(scene: &Scene, hook: &Inbox, number: u32) {
    let customers: Vec<String> = (0..9).map(|n| format!("R{number}-{n}")).collect();
    customers.iter().for_each(|customer| scene.complains(customer));
    // of the round before, which has been told by now or not
    let before =
        told(hook).into_values().map(|(_, word)| word).filter(|word| word.what == "raised");
    for word in before {
        let Some(n) = word.customer_id.strip_prefix(&format!("R{}-", number.wrapping_sub(1)))
        else {
            continue;
        };
        match n.parse::<u32>().unwrap() % 3 {
            0 => {
                let command = said(
                    u128::from(xxhash_rust::xxh3::xxh3_64(word.customer_id.as_bytes())),
                    Act::Acknowledge,
                    &word,
                );
                scene.says(&command);
                scene.says(&command);
            }
            1 => scene.is_settled(&word.customer_id),
            _ => {}
        }
    }
}

#[test]
fn killed_at_any_moment_each_transition_is_told_under_its_id_and_happens_once() {
    let (hook, manager) = (Inbox::start(), Alertmanager::start());
    let (scene, together, _) = begun("killed", &hook, &manager);
    together.kill();
    let mut pipeline = scene.start(&["run", "--no-notify"]);
    let mut notifier = scene.start(&["notify"]);
    let mut moments = Random::new(3);
    let rounds = soak_or(5, 25) as u32;
    for number in 1..=rounds {
        let (before, more) = (told(&hook).len(), moments.below(9) as usize);
        round(&scene, &hook, number);
        until_within(LONG, "more to be told", &mut || told(&hook).len() >= before + more);
        if number % 2 == 0 {
            notifier.kill();
            notifier = scene.start(&["notify"]);
        } else {
            pipeline.kill();
            pipeline = scene.start(&["run", "--no-notify"]);
        }
    }
    // each of the last round is told before somebody acts on it
    until_within(2 * LONG, "all to be raised", &mut || {
        let raised = told(&hook).into_values().filter(|(_, word)| word.what == "raised").count();
        raised == 1 + 9 * rounds as usize
    });
    round(&scene, &hook, rounds + 1);
    let last = format!("R{}-", rounds + 1);
    until_within(2 * LONG, "everything to be told", &mut || {
        let words: Vec<AlertWord> = told(&hook).into_values().map(|(_, word)| word).collect();
        let of_last = words.iter().filter(|word| word.customer_id.starts_with(&last)).count();
        let of_before = format!("R{rounds}-");
        let moved =
            words.iter().filter(|word| word.customer_id.starts_with(&of_before) && word.n == 2);
        of_last == 9 && moved.count() == 6
    });
    pipeline.ready();

    let words = scene.transitions();
    let topic: BTreeMap<String, &AlertWord> = words.iter().map(|word| (id(word), word)).collect();
    assert_eq!(topic.len(), words.len(), "each transition is written once");
    for word in &words {
        let expected = if word.n == 1 { "raised" } else { word.what.as_str() };
        assert!(word.n <= 2 && word.what == expected && word.episode == 1, "raised anew: {word:?}");
    }
    let heard = told(&hook);
    for (id, word) in &topic {
        let (_, heard) = heard.get(id).unwrap_or_else(|| panic!("{id} was not told: {word:?}"));
        assert_eq!(&heard, word);
    }
    assert_eq!(heard.len(), topic.len());
    let ids: BTreeSet<String> = topic.into_keys().collect();
    until_within(LONG, "all transitions to be in ClickHouse", &mut || history(&scene) == ids);
    let taken = words.iter().filter(|word| word.what == "acknowledged").count();
    assert!(taken >= 3, "{taken} acknowledged");

    let over: BTreeSet<&str> =
        words.iter().filter(|w| w.what == "resolved").map(|w| w.alert_id.as_str()).collect();
    let on: Vec<&AlertWord> =
        words.iter().filter(|word| word.n == 1 && !over.contains(word.alert_id.as_str())).collect();
    until_within(LONG, "Alertmanager to show what is on, once", &mut || {
        shown(&manager) == once(&on)
    });
}

/// Who did what to which alert, and when, in a generation.
fn acts(scene: &Scene, generation: u32) -> BTreeSet<(String, String, String, i64, Option<i64>)> {
    let words = scene.transitions_of(generation).into_iter();
    let act = |w: AlertWord| {
        let who = format!("{}: {}", w.by, w.note);
        (id(&w), w.what, who, w.at_ms, w.snoozed_until_ms)
    };
    words.filter(|word| word.by_kind == "person").map(act).collect()
}

#[test]
fn a_rebuild_has_what_people_did_before_it_and_on_its_way() {
    let hook = Inbox::start();
    let scene = Scene::new("again", &webhook("hook", &hook));
    let mut old = scene.start(&["run"]);
    old.ready();
    ["C1", "C2", "C3"].iter().for_each(|customer| scene.complains(customer));
    let [one, two, three] = ["C1", "C2", "C3"].map(|customer| hears(&hook, customer, "raised"));
    let note = "calling now".to_owned();
    scene.says(&Said { note, ..said(1, Act::Acknowledge, &one) });
    let until_ms = Some(one.at_ms + 3_600_000);
    scene.says(&Said { until_ms, ..said(2, Act::Snooze, &two) });
    hears(&hook, "C1", "acknowledged");
    hears(&hook, "C2", "snoozed");
    let before = acts(&scene, 1);
    assert_eq!(before.len(), 2);
    // without a carrier it does not catch up
    let mut new = scene.start(&["run", "--no-sink", "--rebuild"]);
    new.ready();
    let same = |what: &str, count: usize| {
        until_within(LONG, what, &mut || {
            let expected = acts(&scene, 1);
            expected.len() == count && acts(&scene, 2) == expected
        });
    };
    same("the rebuild to have what was done before it", 2);
    let note = "settled by phone".to_owned();
    scene.says(&Said { note, ..said(3, Act::Resolve, &three) });
    same("the rebuild to have what was done on its way", 3);
    let _carrier = scene.start(&["sink", "--generation", "2"]);
    until_within(LONG, "the old generation to end", &mut || !old.runs());
    let stand = || [&one, &two, &three].map(|word| stands(&scene, word));
    let expected = ["acknowledged olga person", "snoozed olga person", "dismissed olga person"];
    until_within(LONG, "the views to show the new generation", &mut || {
        history(&scene).len() == 6 && stand() == expected
    });
    assert!(new.runs());
}
