//! What people do about alerts, through the machine: once, however often it is said and whoever owns the shard by then; what was put
//! off comes back; what a person has ended says when it is over.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/hamlet.rs"]
mod hamlet;
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

use std::sync::Arc;

use hamlet::{buys, day, in_phase, of, plan, said, take_over, ticket, told_once, transitions};
use retain::wire::alert::AlertWord;
use retain::wire::mail::{Act, Acted, Mail, OUTSIDE, Said};
use rowbinary::Row;
use sim::{Log, PostOffice, Runner, Schedule};

const HOUR_MS: i64 = 3_600_000;
const RULES: [(&str, &str, &str); 2] =
    [("bought", "customer", "orders >= 1"), ("waiting", "ticket", "ticket_open")];

/// Two customers, the second with a ticket that is resolved on day 4; a third comes on day 5.
fn village() -> (Runner, PostOffice) {
    let mut logs = vec![Log::default(); 3];
    buys(&mut logs, day(0), "c1");
    buys(&mut logs, day(0), "c2");
    buys(&mut logs, day(5), "c3");
    ticket(&mut logs, day(0) + HOUR_MS, "c2", "T1", "opened");
    ticket(&mut logs, day(4), "c2", "T1", "resolved");
    let office = PostOffice::new(1);
    let schedule = Schedule::straight(1);
    let mut runner = Runner::new(&Arc::new(plan(&RULES)), 0, 1, logs, schedule).within(&office);
    (runner.visible[0], runner.visible[1]) = (2, 1);
    runner.drain();
    runner.pass_to(day(1));
    assert_eq!(in_phase(&runner, "firing").len(), 3);
    (runner, office)
}

fn alert(runner: &Runner, subject: &str) -> Row {
    runner.tables.rows("alerts").find(|row| row.text("subject_id") == subject).unwrap().clone()
}

fn say(office: &PostOffice, said: &Said) {
    office.send(0, Mail::Command(said.clone()).encode(OUTSIDE));
}

/// The machine dies after all that was committed, and time goes on.
fn die_and_pass(runner: &mut Runner, to_ms: i64) {
    runner.crash();
    runner.drain();
    runner.pass_to(to_ms);
}

fn people(runner: &Runner) -> usize {
    runner.tables.rows("alert_history").filter(|row| row.text("by_kind") == "person").count()
}

#[test]
fn what_is_said_again_after_a_restart_has_no_effect() {
    let (mut runner, office) = village();
    let c1 = alert(&runner, "c1");
    let takes = said(1, &c1, Act::Acknowledge);
    say(&office, &takes);
    runner.pass_to(day(1) + HOUR_MS);
    assert_eq!(people(&runner), 1);
    die_and_pass(&mut runner, day(1) + 2 * HOUR_MS);
    // the same letter, another one of that id, one about an episode that never was, and one about nobody
    say(&office, &takes);
    say(&office, &said(1, &c1, Act::Resolve));
    say(&office, &Said { episode: 2, ..said(2, &c1, Act::Resolve) });
    say(&office, &Said { customer: "nobody".to_owned(), ..said(5, &c1, Act::Resolve) });
    runner.pass_to(day(1) + 3 * HOUR_MS);
    assert_eq!(people(&runner), 1);
    let ends = said(3, &c1, Act::Resolve);
    say(&office, &ends);
    runner.pass_to(day(1) + 4 * HOUR_MS);
    let reopens = said(4, &c1, Act::Reopen);
    say(&office, &reopens);
    die_and_pass(&mut runner, day(1) + 5 * HOUR_MS);
    [&ends, &takes, &reopens].into_iter().for_each(|again| say(&office, again));
    die_and_pass(&mut runner, day(1) + 6 * HOUR_MS);
    runner.pass_to(day(1) + 7 * HOUR_MS);
    let told: Vec<String> =
        of(&runner, "bought", "c1").into_iter().map(|(what, ..)| what).collect();
    assert_eq!(told, ["raised", "acknowledged", "resolved", "reopened"]);
    assert_eq!(people(&runner), 3);
    told_once(&runner);
    for row in runner.tables.rows("alert_history").filter(|row| row.text("by_kind") == "person") {
        assert_eq!((row.text("by"), row.text("note"), row.int("call")), ("ann", "seen", 0));
    }
}

#[test]
fn what_is_put_off_comes_back_at_its_moment_unless_it_is_over_by_then() {
    let (mut runner, office) = village();
    let until_ms = day(6) + 1_234;
    for (id, subject) in (1..).zip(["c1", "T1"]) {
        let row = alert(&runner, subject);
        say(&office, &Said { until_ms: Some(until_ms), ..said(id, &row, Act::Snooze) });
    }
    // without an end, and to a moment that is past
    let c2 = alert(&runner, "c2");
    say(&office, &said(3, &c2, Act::Snooze));
    say(&office, &Said { until_ms: Some(day(0)), ..said(4, &c2, Act::Snooze) });
    runner.pass_to(day(1) + HOUR_MS);
    let snoozed = in_phase(&runner, "snoozed");
    assert_eq!(snoozed.len(), 2);
    assert!(snoozed.iter().all(|row| row.maybe_int("snoozed_until") == Some(until_ms.into())));
    assert_eq!(alert(&runner, "c2").text("phase"), "firing");
    die_and_pass(&mut runner, day(2));
    runner.visible[1] = 2;
    runner.drain();
    die_and_pass(&mut runner, day(5));
    assert_eq!(alert(&runner, "T1").text("phase"), "resolved");
    runner.pass_to(until_ms - 1);
    assert_eq!(alert(&runner, "c1").text("phase"), "snoozed");
    die_and_pass(&mut runner, day(8));
    let c1 = alert(&runner, "c1");
    assert_eq!((c1.text("what"), c1.text("phase"), c1.int("call")), ("woken", "firing", 1));
    assert_eq!((c1.int("at"), c1.maybe_int("snoozed_until")), (until_ms.into(), None));
    let told: Vec<String> =
        of(&runner, "waiting", "T1").into_iter().map(|(what, ..)| what).collect();
    assert_eq!(told, ["raised", "snoozed", "resolved"]);
    told_once(&runner);
}

/// Else it could be reopened for ever, and nobody would know that it is over.
#[test]
fn what_a_person_has_ended_says_when_it_is_over() {
    let (mut runner, office) = village();
    say(&office, &said(1, &alert(&runner, "T1"), Act::Resolve));
    runner.pass_to(day(2));
    assert_eq!(alert(&runner, "T1").text("phase"), "dismissed");
    runner.visible[1] = 2;
    runner.drain();
    runner.pass_to(day(5));
    let ended = alert(&runner, "T1");
    assert_eq!((ended.text("phase"), ended.text("by_kind")), ("resolved", "signals"));
    assert_eq!((ended.int("at"), ended.int("call")), (day(4).into(), 0));
    // the rule of one that a person has ended goes
    say(&office, &said(2, &alert(&runner, "c1"), Act::Resolve));
    runner.pass_to(day(6));
    assert_eq!(alert(&runner, "c1").text("phase"), "dismissed");
    take_over(&mut runner, &plan(&RULES[1..]));
    runner.pass_to(day(7));
    let ended = alert(&runner, "c1");
    assert_eq!((ended.text("phase"), ended.text("note")), ("resolved", "the rule has changed"));
    told_once(&runner);
}

/// A new generation that begins at the beginning, and is told what people did in the one before.
fn rebuilt(old: &Runner, schedule: Schedule, office: &PostOffice) -> Runner {
    let plan = Arc::new(plan(&RULES));
    let mut new = Runner::new(&plan, 0, 1, old.logs.clone(), schedule).within(office);
    for acted in acts(old) {
        // twice: a copy that is restarted reads them again
        new.machine.expect(acted.clone());
        new.machine.expect(acted);
    }
    new
}

fn acts(old: &Runner) -> Vec<Acted> {
    let words = old.alerts.iter().filter_map(|record| AlertWord::decode(&record.value));
    words.filter_map(|word| Acted::of(&word)).collect()
}

/// People have taken, put off, ended and reopened alerts, one of them at the very moment of the customer's last event.
fn lived() -> Runner {
    let (mut runner, office) = village();
    let [c1, c2, t1] = ["c1", "c2", "T1"].map(|subject| alert(&runner, subject));
    say(&office, &said(1, &c1, Act::Acknowledge));
    say(&office, &Said { until_ms: Some(day(3)), ..said(2, &t1, Act::Snooze) });
    runner.pass_to(day(1) + HOUR_MS);
    say(&office, &Said { until_ms: Some(day(9)), ..said(3, &c1, Act::Snooze) });
    say(&office, &said(4, &c2, Act::Resolve));
    runner.pass_to(day(2));
    runner.visible[1] = 2;
    runner.drain();
    runner.pass_to(day(5) - HOUR_MS);
    say(&office, &said(5, &c2, Act::Reopen));
    runner.pass_to(day(5) - 1);
    runner.visible[0] = 3;
    runner.drain();
    // the shard's time has not passed the event
    say(&office, &said(7, &alert(&runner, "c3"), Act::Acknowledge));
    runner.offer_mail();
    runner.drain();
    assert_eq!(alert(&runner, "c3").int("at"), day(5).into());
    runner.pass_to(day(6));
    say(&office, &Said { note: "paid".to_owned(), ..said(6, &c2, Act::Resolve) });
    runner.pass_to(day(7));
    assert_eq!(people(&runner), 7);
    assert_eq!(acts(&runner).len(), 7);
    runner
}

#[test]
fn a_rebuild_has_what_people_did_at_its_moment() {
    let old = lived();
    let (mut crashes, expected) = (0, transitions(&old));
    for seed in 0..20 {
        let schedule = Schedule::wild(seed).crashing([0, 60][seed as usize % 2]);
        let mut new = rebuilt(&old, schedule, &PostOffice::new(1));
        // the first cycle keeps them: without it a new shard has nothing
        new.cycle(day(-1));
        new.drain();
        new.pass_to(day(7));
        assert_eq!(transitions(&new), expected, "{}", new.seed());
        for acted in acts(&old) {
            new.machine.expect(acted);
        }
        new.pass_to(day(8));
        assert_eq!(transitions(&new), expected, "told again: {}", new.seed());
        told_once(&new);
        crashes += new.crashes;
    }
    assert!(crashes > 2, "{crashes}");
}

/// An earlier alert of the generation before had the same number.
#[test]
fn what_was_done_before_an_alert_was_raised_is_not_done_to_it() {
    let old = lived();
    let mut new = rebuilt(&old, Schedule::straight(3), &PostOffice::new(1));
    new.cycle(day(-1));
    new.drain();
    new.pass_to(day(7));
    let stands = transitions(&new);
    let said = said(9, &alert(&new, "c1"), Act::Resolve);
    new.machine.expect(Acted { said, at_ms: day(-1) });
    new.pass_to(day(8));
    assert_eq!(transitions(&new), stands);
}

/// What people did while the rebuild was on its way comes by mail, perhaps when its moment is past.
#[test]
fn what_a_rebuild_hears_late_stands_all_the_same() {
    let old = lived();
    let phases = |runner: &Runner| -> Vec<(String, String, String)> {
        let text = |row: &Row, name: &str| row.text(name).to_owned();
        let rows = runner.tables.rows("alerts");
        rows.map(|row| (text(row, "alert_id"), text(row, "phase"), text(row, "note"))).collect()
    };
    let office = PostOffice::new(1);
    let mut new = rebuilt(&lived_without_people(), Schedule::straight(3), &office);
    new.drain();
    new.pass_to(day(6) + HOUR_MS);
    assert_ne!(phases(&new), phases(&old));
    for acted in acts(&old) {
        office.send(0, Mail::Acted(acted.clone()).encode(OUTSIDE));
        office.send(0, Mail::Acted(acted).encode(OUTSIDE));
    }
    new.pass_to(day(7));
    let late = |row: &&(String, String, String)| row.1 != "resolved";
    let stand = |runner: &Runner| phases(runner).iter().filter(late).cloned().collect::<Vec<_>>();
    assert_eq!(stand(&new), stand(&old));
    assert_eq!(stand(&new).len(), 3);
    told_once(&new);
}

fn lived_without_people() -> Runner {
    village().0
}
