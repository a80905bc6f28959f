//! Alert rules in time: business hours and their inverse, and the life of an alert.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;
use retain::model::time::{DAY_MS, HOUR_MS, MINUTE_MS, NEVER_MS};
use retain::plan::{RuleFile, rules};
use retain::rule::definition::Rule;
use retain::rule::hours::{Calendar, span, week};
use retain::rule::lifecycle::{
    Action, Alert, By, COMMANDS_MAX, Command, Ignored, Pace, Phase, Transition, What, alert_id,
};

fn calendar(zone: &str, lines: &[&str], holidays: &[&str]) -> Calendar {
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    Calendar {
        name: "c".to_owned(),
        zone: TimeZoneDatabase::bundled().get(zone).unwrap(),
        week: week(&lines).unwrap(),
        holidays: holidays.iter().map(|day| day.parse().unwrap()).collect(),
        quiet: None,
    }
}

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

#[test]
fn nights_weekends_and_holidays_do_not_count() {
    let office = calendar("UTC", &["mon-fri 09:00-12:00", "mon-fri 13:00-17:00"], &["2026-01-06"]);
    let monday = at("2026-01-05T16:00:00Z");
    for (hours, expected) in [
        (0, "2026-01-05T16:00:00Z"),
        (1, "2026-01-05T17:00:00Z"),
        (2, "2026-01-07T10:00:00Z"),
        (5, "2026-01-07T14:00:00Z"),
        (23, "2026-01-12T10:00:00Z"),
    ] {
        assert_eq!(office.after_ms(monday, hours * HOUR_MS), at(expected), "{hours} h");
        assert_eq!(office.between_ms(monday, at(expected)), hours * HOUR_MS, "{hours} h");
    }
    assert_eq!(office.between_ms(monday, monday - 1), 0);
    assert_eq!(calendar("UTC", &[], &[]).after_ms(monday, 1), NEVER_MS);
}

#[test]
fn days_on_which_the_clocks_change_have_the_hours_they_have() {
    let always = calendar("Europe/Berlin", &["mon-sun 00:00-24:00"], &[]);
    let night = calendar("Europe/Berlin", &["sun 01:00-04:00"], &[]);
    let late = calendar("Europe/Berlin", &["sun 02:30-03:30"], &[]);
    for (day, all, part, gap_min) in [
        ("2026-03-29T00:00:00+01:00", 23, 2, 30),
        ("2026-10-25T00:00:00+02:00", 25, 4, 120),
        ("2026-11-01T00:00:00+01:00", 24, 3, 60),
    ] {
        let midnight = at(day);
        let hours = |of: &Calendar| of.between_ms(midnight, midnight + all * HOUR_MS);
        assert_eq!(hours(&always), all * HOUR_MS, "{day}");
        assert_eq!(hours(&night), part * HOUR_MS, "{day}");
        assert_eq!(hours(&late), gap_min * MINUTE_MS, "{day}");
    }
    // hours that begin or end at the very minute that the clocks jump over
    let sunday = at("2026-03-29T00:00:00+01:00");
    for (line, hours) in [("sun 02:00-06:00", 3), ("sun 00:00-02:00", 2)] {
        let calendar = calendar("Europe/Berlin", &[line], &[]);
        assert_eq!(calendar.between_ms(sunday, sunday + 23 * HOUR_MS), hours * HOUR_MS, "{line}");
    }
    let cairo = calendar("Africa/Cairo", &["mon-sun 00:00-24:00"], &[]);
    let before = at("2026-04-23T00:00:00+02:00");
    for (from_h, to_h) in [(0, 24), (24, 47), (0, 71)] {
        let between = cairo.between_ms(before + from_h * HOUR_MS, before + to_h * HOUR_MS);
        assert_eq!(between, (to_h - from_h) * HOUR_MS, "from {from_h} h to {to_h} h");
    }
}

#[test]
fn quiet_hours_end_in_the_morning() {
    let mut office = calendar("Europe/Berlin", &[], &[]);
    office.quiet = span("22:00-07:00");
    for (raised, told) in [
        ("2026-01-05T21:59:00+01:00", "2026-01-05T21:59:00+01:00"),
        ("2026-01-05T22:00:00+01:00", "2026-01-06T07:00:00+01:00"),
        ("2026-01-06T03:00:00+01:00", "2026-01-06T07:00:00+01:00"),
        ("2026-01-06T07:00:00+01:00", "2026-01-06T07:00:00+01:00"),
        ("2026-03-28T23:00:00+01:00", "2026-03-29T07:00:00+02:00"),
    ] {
        assert_eq!(office.loud_from_ms(at(raised)), at(told), "{raised}");
    }
    office.quiet = span("12:00-13:00");
    assert_eq!(
        office.loud_from_ms(at("2026-01-05T12:30:00+01:00")),
        at("2026-01-05T13:00:00+01:00")
    );
}

#[test]
fn lines_of_business_hours_are_checked() {
    let of = |line: &str| week(&["mon 09:00-10:00".to_owned(), line.to_owned()]);
    for line in [
        "fri-mon 09:00-10:00",
        "mon 09:30-11:00",
        "mon 11:00-10:00",
        "mond 11:00-12:00",
        "mon 11-12",
        "mon 9:00-10:00",
        "mon 11:60-12:00",
        "mon 23:00-24:01",
    ] {
        assert_eq!(of(line).map_err(|(index, _)| index), Err(1), "{line}");
    }
    assert_eq!(of("mon 10:00-24:00").unwrap()[0], [(540, 600), (600, 1_440)]);
}

fn any_calendar() -> impl Strategy<Value = Calendar> {
    let zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"];
    let span = (0_u16..6, 1_u16..6).prop_map(|(from, hours)| {
        // limits away from the hours in which clocks change
        let from = if from == 0 { 0 } else { from * 3 + 1 };
        (from * 60, ((from + hours).max(4) * 60).min(1_440))
    });
    let days = prop::collection::vec(prop::option::of(span), 7);
    let holidays = prop::collection::btree_set(0_i64..400, 0..20);
    (prop::sample::select(zones.to_vec()), days, holidays).prop_map(|(zone, days, holidays)| {
        let mut calendar = calendar(zone, &[], &[]);
        for (day, span) in calendar.week.iter_mut().zip(days) {
            day.extend(span);
        }
        let first: jiff::civil::Date = "2026-01-01".parse().unwrap();
        let day = |after: &i64| first.checked_add(jiff::Span::new().days(*after)).unwrap();
        calendar.holidays = holidays.iter().map(day).collect();
        calendar
    })
}

/// Minute by minute, by the local clock.
fn scanned_ms(calendar: &Calendar, from_ms: i64, to_ms: i64) -> i64 {
    let open = |ms: i64| {
        let local = calendar.zone.to_datetime(jiff::Timestamp::from_millisecond(ms).unwrap());
        let minute = local.hour() as u16 * 60 + local.minute() as u16;
        let day = local.date().weekday().to_monday_zero_offset() as usize;
        !calendar.holidays.contains(&local.date())
            && calendar.week[day].iter().any(|(from, to)| (*from..*to).contains(&minute))
    };
    let minutes = (from_ms..to_ms).step_by(MINUTE_MS as usize);
    minutes.filter(|ms| open(*ms)).count() as i64 * MINUTE_MS
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn business_hours_are_those_of_a_scan_and_have_an_inverse(
        calendar in any_calendar(),
        start_min in 0_i64..525_600,
        length_min in 0_i64..20_000,
        wanted_ms in 1_i64..200 * HOUR_MS,
    ) {
        let from = at("2026-01-01T00:00:00Z") + start_min * MINUTE_MS;
        let to = from + length_min * MINUTE_MS;
        let between = calendar.between_ms(from, to);
        prop_assert_eq!(between, scanned_ms(&calendar, from, to));
        let middle = from + (to - from) / 3;
        prop_assert_eq!(between, calendar.between_ms(from, middle) + calendar.between_ms(middle, to));
        let after = calendar.after_ms(from, wanted_ms);
        if after != NEVER_MS {
            prop_assert_eq!(calendar.between_ms(from, after), wanted_ms);
            prop_assert_eq!(calendar.between_ms(from, after - 1), wanted_ms - 1, "the first such moment");
        } else {
            prop_assert!(calendar.week.iter().all(Vec::is_empty));
        }
    }
}

/// What happens to an alert at a minute.
#[derive(Clone, Debug)]
enum Happens {
    Levels(bool, bool),
    Said(u64, u32, Action),
}

fn any_life() -> impl Strategy<Value = (Pace, Vec<(i64, Happens)>)> {
    let action = prop_oneof![
        Just(Action::Acknowledge),
        (0_i64..4_000).prop_map(|m| Action::Snooze { until_ms: m * MINUTE_MS }),
        Just(Action::Resolve),
        Just(Action::Reopen),
    ];
    let happens = prop_oneof![
        3 => (prop::bool::ANY, prop::bool::ANY).prop_map(|(raise, clear)| Happens::Levels(raise, clear)),
        1 => (0_u64..6, 1_u32..4, action).prop_map(|(id, episode, action)| Happens::Said(id, episode, action)),
    ];
    let pace = (0_i64..300, 0_i64..600)
        .prop_map(|(d, c)| Pace { dwell_ms: d * MINUTE_MS, cooldown_ms: c * MINUTE_MS });
    (pace, prop::collection::vec((1_i64..200, happens), 1..40)).prop_map(|(pace, life)| {
        let mut minute = 0;
        let mut timed = Vec::new();
        for (gap, happens) in life {
            minute += gap;
            timed.push((minute * MINUTE_MS, happens));
        }
        timed.push(((minute + 2_000) * MINUTE_MS, Happens::Levels(false, true)));
        (pace, timed)
    })
}

/// Lives through it; with `every_minute`, the levels are told anew each minute.
fn live(pace: Pace, life: &[(i64, Happens)], every_minute: bool) -> (Vec<Transition>, Vec<bool>) {
    let (mut alert, mut out, mut heeded) = (Alert::default(), Vec::new(), Vec::new());
    let (mut levels, mut minute) = ((false, true), 0);
    for (at_ms, happens) in life.iter().cloned() {
        while every_minute && minute * MINUTE_MS < at_ms {
            alert.tell(pace, minute * MINUTE_MS, levels.0, levels.1, &mut out);
            assert_eq!(alert.broken_invariant(pace, minute * MINUTE_MS), None);
            minute += 1;
        }
        match happens {
            Happens::Levels(raise, clear) => {
                levels = (raise, clear);
                alert.tell(pace, at_ms, raise, clear, &mut out);
            }
            Happens::Said(id, episode, action) => {
                let person = "p".to_owned();
                let before = out.len();
                let said =
                    alert.command(pace, at_ms, &Command { id, episode, person, action }, &mut out);
                let by_person = out[before..].iter().any(|t| matches!(t.by, By::Person(_)));
                assert_eq!(said.is_ok(), by_person, "a command has an effect or a reason");
                heeded.push(said.is_ok());
            }
        }
        assert_eq!(alert.broken_invariant(pace, at_ms), None);
    }
    (out, heeded)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn an_alert_told_every_minute_is_one_told_at_changes((pace, life) in any_life()) {
        prop_assert_eq!(live(pace, &life, true), live(pace, &life, false));
    }

    #[test]
    fn nobody_is_called_twice_and_nothing_flaps((pace, life) in any_life()) {
        let (transitions, _) = live(pace, &life, false);
        let levels_at = |at_ms: i64, before: bool| {
            life.iter().rev().find_map(|(ms, happens)| match happens {
                Happens::Levels(raise, clear) if *ms < at_ms || (!before && *ms == at_ms) => Some((*raise, *clear)),
                _ => None,
            }).unwrap_or((false, true))
        };
        let (mut episode, mut last, mut ended_ms) = (0, None::<&Transition>, i64::MIN);
        for t in &transitions {
            match t.what {
                What::Raised => {
                    episode += 1;
                    prop_assert_eq!(t.episode, episode, "episodes follow each other");
                    prop_assert!(t.at_ms - ended_ms.max(-DAY_MS * 99) >= pace.cooldown_ms, "within the cooldown");
                }
                What::Woken => prop_assert_eq!(last.map(|l| l.what), Some(What::Snoozed)),
                What::Reopened => {
                    let last = last.unwrap();
                    prop_assert!(last.what == What::Resolved && matches!(last.by, By::Person(_)));
                }
                // what a person has ended cools down from then on
                What::Resolved if last.is_some_and(|l| l.what == What::Resolved) => {
                    prop_assert!(t.by == By::Signals && matches!(last.unwrap().by, By::Person(_)));
                }
                What::Resolved => ended_ms = t.at_ms,
                _ => {}
            }
            if t.by == By::Signals {
                let (raise, clear) = levels_at(t.at_ms, false);
                prop_assert!(raise || clear || t.what == What::Withdrawn, "nothing moves inside the band: {:?}", t);
            }
            last = Some(t);
        }
        // a person's command is heeded once
        let of_people = transitions.iter().filter(|t| matches!(t.by, By::Person(_))).count();
        let ids: BTreeSet<(u32, u64)> = life.iter().filter_map(|(_, h)| match h {
            Happens::Said(id, episode, _) => Some((*episode, *id)),
            _ => None,
        }).collect();
        prop_assert!(of_people <= ids.len());
    }
}

#[test]
fn commands_are_heeded_once_and_only_by_their_episode() {
    let pace = Pace { dwell_ms: 0, cooldown_ms: 0 };
    let (mut alert, mut out) = (Alert::default(), Vec::new());
    let say = |id, episode, action| Command { id, episode, person: "p".to_owned(), action };
    assert_eq!(alert.command(pace, 0, &say(1, 0, Action::Resolve), &mut out), Err(Ignored::Stale));
    alert.tell(pace, 1, true, false, &mut out);
    assert_eq!(alert.command(pace, 2, &say(1, 1, Action::Acknowledge), &mut out), Ok(()));
    assert_eq!(
        alert.command(pace, 3, &say(1, 1, Action::Resolve), &mut out),
        Err(Ignored::Repeated)
    );
    assert_eq!(
        alert.command(pace, 3, &say(2, 1, Action::Acknowledge), &mut out),
        Err(Ignored::Unfit)
    );
    assert_eq!(alert.command(pace, 3, &say(2, 2, Action::Resolve), &mut out), Err(Ignored::Stale));
    let past = Action::Snooze { until_ms: 3 };
    assert_eq!(alert.command(pace, 3, &say(3, 1, past), &mut out), Err(Ignored::Unfit));
    assert_eq!(alert.phase(), Phase::Acknowledged);
    assert!(out.iter().filter(|t| t.pages()).count() == 1, "only the raising calls");
}

/// Somebody who puts an alert off every day must be able to go on.
#[test]
fn of_many_commands_the_oldest_id_is_forgotten() {
    let pace = Pace { dwell_ms: 0, cooldown_ms: 0 };
    let (mut alert, mut out) = (Alert::default(), Vec::new());
    let say = |id, action| Command { id, episode: 1, person: "p".to_owned(), action };
    alert.tell(pace, 1, true, false, &mut out);
    let n = COMMANDS_MAX as u64 + 10;
    for id in 0..n {
        let until_ms = 1_000_000 + id as i64;
        let command = say(id, Action::Snooze { until_ms });
        assert_eq!(alert.command(pace, 2, &command, &mut out), Ok(()), "{id}");
        assert_eq!(alert.broken_invariant(pace, 2), None);
    }
    for id in [n - 1, n - COMMANDS_MAX as u64] {
        let again = alert.command(pace, 3, &say(id, Action::Resolve), &mut out);
        assert_eq!(again, Err(Ignored::Repeated), "{id}");
    }
    assert_eq!(alert.command(pace, 3, &say(n, Action::Resolve), &mut out), Ok(()));
}

/// People said "done": another threshold is no reason to call them at once.
#[test]
fn a_cooldown_goes_on_under_a_changed_rule() {
    let pace = Pace { dwell_ms: 0, cooldown_ms: 100 };
    let raised_ms = |alert: Alert| {
        let (mut alert, mut out) = (alert, Vec::new());
        alert.tell(pace, 20, true, false, &mut out);
        alert.pass(pace, 1_000, &mut out);
        let raised = out.iter().find(|t| t.what == What::Raised).unwrap();
        assert_eq!(raised.episode, 2);
        raised.at_ms
    };
    let (mut alert, mut out) = (Alert::default(), Vec::new());
    alert.tell(pace, 1, true, false, &mut out);
    assert_eq!(raised_ms(alert.renewed(1)), 20, "what the change itself has ended");
    let command = Command { id: 1, episode: 1, person: "p".to_owned(), action: Action::Resolve };
    alert.command(pace, 10, &command, &mut out).unwrap();
    assert_eq!(raised_ms(alert.renewed(1)), 110);
    alert.tell(pace, 15, false, true, &mut out);
    assert_eq!(raised_ms(alert.renewed(1)), 110);
}

/// Holidays are entered every year: what does not count business hours has the same law, and nothing that is raised ends.
#[test]
fn hours_belong_to_the_law_of_a_rule_that_counts_them() {
    let laws = |change: &dyn Fn(&str) -> String| -> Vec<(String, u64)> {
        let customers = include_str!("../pipelines/alerts/customers.toml");
        let service = include_str!("../pipelines/alerts/service.toml");
        let texts = [customers, service].map(|text| change(text.split("# Cases").next().unwrap()));
        let files = [("customers.toml", &texts[0]), ("service.toml", &texts[1])];
        let (found, problems) = rules(&files.map(|(name, text)| RuleFile { name, text }));
        let set = found.unwrap_or_else(|| panic!("{problems:?}")).set;
        let law = |rule: &Rule| (rule.name.clone(), rule.law(set.calendar(rule).unwrap()));
        set.rules.iter().map(law).collect()
    };
    let before = laws(&str::to_owned);
    for change in [
        &|text: &str| text.replace("holidays = [", "holidays = [\"2027-12-25\", "),
        &|text: &str| text.replace("mon-fri 0", "mon-sat 0"),
        &|text: &str| text.replace("zone = \"", "zone = \"Asia/Tokyo\" #"),
    ] as [&dyn Fn(&str) -> String; 3]
    {
        let after = laws(change);
        let differ = before.iter().zip(&after).filter(|(one, other)| one != other);
        let differ: Vec<&str> = differ.map(|(one, _)| one.0.as_str()).collect();
        assert_eq!(differ, ["unanswered"]);
    }
    assert!(before.len() > 8);
}

#[test]
fn an_alert_that_never_was_need_not_be_kept() {
    let pace = Pace { dwell_ms: 10, cooldown_ms: 0 };
    let (mut alert, mut out) = (Alert::default(), Vec::new());
    alert.tell(pace, 1, false, true, &mut out);
    assert!(alert.is_blank());
    alert.tell(pace, 2, true, false, &mut out);
    assert!(!alert.is_blank(), "its dwell has begun");
    alert.tell(pace, 3, false, true, &mut out);
    assert!(alert.is_blank(), "{alert:?}");
    alert.tell(pace, 4, true, false, &mut out);
    alert.tell(pace, 20, false, true, &mut out);
    assert!(!alert.is_blank(), "its episodes are counted");
    let bytes = postcard::to_stdvec(&alert).unwrap();
    assert_eq!(postcard::from_bytes::<Alert>(&bytes).unwrap(), alert);
}

#[test]
fn an_alerts_id_is_its_rule_subject_and_episode() {
    // fixed for ever: it stands in tables and at receivers
    assert_eq!(
        alert_id("key_at_risk", "customer", "c1", 1),
        alert_id("key_at_risk", "customer", "c1", 1)
    );
    let ids = [
        alert_id("key_at_risk", "customer", "c1", 1),
        alert_id("key_at_risk", "customer", "c1", 2),
        alert_id("key_at_risk", "account", "c1", 1),
        alert_id("key_at_riskc", "ustomer", "c1", 1),
        alert_id("key_at_risk", "customer", "c2", 1),
    ];
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert_eq!(format!("{:032x}", ids[0]), "6777b7a90cd2e148ad8ef71a4b159326");
}
