//! Contacts: last ones, owners in any order, pressure and its due.

use retain::engine::contact::{Contacts, OWNERS_MAX};
use retain::engine::sums::{Sum, Sums};
use retain::signal::{DAY_MS, days};

use crate::naive::{Naive, again, histories, shuffle, stretch};
use crate::random::Random;

const OWNERS: [&str; 4] = ["ann", "ann", "bob", "eve"];

#[derive(Clone, Copy, Debug)]
enum What {
    Contact { outbound: bool, visit: bool },
    Owner(&'static str),
}

fn history(random: &mut Random) -> Vec<(i64, What)> {
    let (from_ms, to_ms) = stretch(random);
    let mut events = Vec::new();
    for _ in 0..random.index(20) {
        let (outbound, visit) = (random.percent(60), random.percent(30));
        events.push((random.between(from_ms, to_ms), What::Contact { outbound, visit }));
    }
    for _ in 0..random.index(OWNERS_MAX + 1) {
        let owner = OWNERS[random.index(OWNERS.len())];
        events.push((random.between(from_ms, to_ms), What::Owner(owner)));
    }
    events
}

fn apply(events: &[(i64, What)]) -> (Contacts, Sums) {
    let (mut contacts, mut sums) = (Contacts::default(), Sums::default());
    for (ts_ms, what) in events {
        match what {
            What::Contact { outbound, visit } => {
                contacts.contact(&mut sums, *ts_ms, *outbound, *visit);
            }
            What::Owner(owner) => contacts.owner(&mut sums, *ts_ms, owner),
        }
    }
    (contacts, sums)
}

fn naive(events: &[(i64, What)]) -> Naive {
    let mut naive = Naive::default();
    let mut owners = Vec::new();
    for (ts_ms, what) in events {
        match what {
            What::Contact { outbound: false, .. } => naive.add(Sum::Inbound90, *ts_ms, 1.0),
            What::Contact { .. } => {
                naive.add(Sum::Outbound7, *ts_ms, 1.0);
                naive.add(Sum::Outbound90, *ts_ms, 1.0);
            }
            What::Owner(owner) => owners.push((*ts_ms, *owner)),
        }
    }
    owners.sort_unstable();
    for pair in owners.windows(2).filter(|pair| pair[0].1 != pair[1].1) {
        naive.add(Sum::OwnerChanges90, pair[1].0, 1.0);
    }
    naive
}

#[test]
fn any_order_gives_what_the_list_says() {
    histories("contacts", |random| {
        let mut events = history(random);
        let naive = naive(&events);
        let newest_ms = events.iter().map(|e| e.0).max().unwrap_or(0);
        let tau_ms = newest_ms + random.between(0, 30 * DAY_MS);
        let contacts = |e: &&(i64, What)| matches!(e.1, What::Contact { .. });
        let last = events.iter().filter(contacts).map(|e| e.0).max();
        let visits = events.iter().filter(|e| matches!(e.1, What::Contact { visit: true, .. }));
        let last_visit = visits.map(|e| e.0).max();
        let mut before = None;
        for _ in 0..3 {
            shuffle(random, &mut events);
            let (contacts, sums) = apply(&events);
            naive.check(&sums, tau_ms);
            assert_eq!((contacts.last_ms(), contacts.last_visit_ms()), (last, last_visit));
            assert_eq!(contacts.visit_gap_days(tau_ms), last_visit.map(|ms| days(tau_ms - ms)));
            let cadence_ms = 20 * DAY_MS;
            let due_ms = last_visit.map(|ms| ms + cadence_ms).filter(|ms| *ms > tau_ms);
            assert_eq!(contacts.next_due_ms(tau_ms, cadence_ms), due_ms.unwrap_or(i64::MAX));
            assert_eq!(again(&contacts), contacts);
            assert_eq!(before.get_or_insert_with(|| contacts.clone()), &contacts);
        }
    });
}

#[test]
fn more_owners_than_held_count_right_when_they_come_about_in_order() {
    histories("many owners", |random| {
        let mut events: Vec<_> = (0..40)
            .map(|n| (n * DAY_MS, What::Owner(OWNERS[random.index(OWNERS.len())])))
            .collect();
        let naive = naive(&events);
        for at in (0..events.len()).step_by(4) {
            shuffle(random, &mut events[at..at + 4]);
        }
        let (contacts, sums) = apply(&events);
        naive.check(&sums, 40 * DAY_MS);
        let mut late = sums.clone();
        contacts.clone().owner(&mut late, 5 * DAY_MS, "zoe");
        assert_eq!(late, sums, "what is older than all that is held must not count");
    });
}

#[test]
fn pressure_falls_below_at_its_due() {
    histories("pressure", |random| {
        let from_ms = random.between(0, 1_000 * DAY_MS);
        let (mut contacts, mut sums) = (Contacts::default(), Sums::default());
        let mut t_ms = from_ms;
        for _ in 0..1 + random.index(20) {
            t_ms += random.between(0, 5 * DAY_MS);
            contacts.contact(&mut sums, t_ms, true, false);
        }
        let pressure = |ms| contacts.contact_pressure(ms, &sums, from_ms);
        match contacts.pressure_below_ms(t_ms, 2.0, &sums, from_ms) {
            None => assert!(pressure(t_ms) < 2.0),
            Some(ms) => {
                assert!(pressure(ms) < 2.0 && pressure(ms - 1) >= 2.0 - 1e-12);
                assert!((0..100).all(|n| pressure(t_ms + (ms - 1 - t_ms) * n / 99) >= 2.0 - 1e-12));
            }
        }
    });
}
