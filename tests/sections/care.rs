//! Care: what tickets weigh on the sums, what is open, and when promises are missed.

use std::collections::BTreeMap;

use retain::engine::care::{Care, CareEvent, OpenTickets};
use retain::engine::sums::{Sum, Sums};
use retain::model::event::TicketAction::{self, Opened, Rated, Reopened, Replied, Resolved};
use retain::signal::DAY_MS;

use crate::naive::{Naive, again, histories, shuffle, stretch};
use crate::random::Random;

const HOUR_MS: i64 = 3_600_000;

fn event(ticket: u64, ts_ms: i64, action: TicketAction) -> CareEvent {
    CareEvent {
        ticket,
        ts_ms,
        action,
        by_agent: false,
        complaint: false,
        suggestion: false,
        csat: None,
        expected: None,
        wait_s: None,
        handling_min: None,
    }
}

fn history(random: &mut Random) -> Vec<CareEvent> {
    let (from_ms, to_ms) = stretch(random);
    let tickets = 1 + random.below(8);
    (0..random.below(40))
        .map(|_| {
            let ts_ms = random.between(from_ms, to_ms);
            let action =
                *random.pick(&[Opened, Opened, Replied, Replied, Resolved, Reopened, Rated]);
            let mut e = event(random.below(tickets) << 40, ts_ms, action);
            e.by_agent = random.percent(40);
            e.complaint = random.percent(15);
            e.suggestion = random.percent(15);
            e.csat = random.percent(20).then(|| random.below(7) as u8);
            e.expected = random.percent(10).then(|| random.below(7) as u8);
            e.wait_s = random.percent(20).then(|| random.below(100_000) as f32);
            e.handling_min = random.percent(20).then(|| random.below(200) as f32);
            e
        })
        .collect()
}

/// One ticket from all its events.
struct Whole {
    first: i64,
    opened: Option<i64>,
    last_open: Option<i64>,
    replied: Option<i64>,
    responded: Option<i64>,
    solved: Option<i64>,
    complaint: bool,
    suggestion: bool,
}

impl Whole {
    fn is_open(&self) -> bool {
        self.last_open.is_some_and(|open| self.solved.is_none_or(|solved| solved < open))
    }

    fn since(&self) -> Option<i64> {
        self.opened.or(self.last_open).filter(|_| self.is_open())
    }

    fn response_due(&self, promise_s: u32) -> Option<i64> {
        let opened = self.opened.filter(|_| self.responded.is_none());
        opened.map(|at| at + i64::from(promise_s) * 1_000)
    }
}

fn whole(events: &[CareEvent]) -> Vec<Whole> {
    let mut of: BTreeMap<u64, Vec<&CareEvent>> = BTreeMap::new();
    events.iter().for_each(|e| of.entry(e.ticket).or_default().push(e));
    of.into_values()
        .map(|list| {
            let times = |wanted: &dyn Fn(&CareEvent) -> bool| {
                list.iter().filter(|e| wanted(e)).map(|e| e.ts_ms).collect::<Vec<_>>()
            };
            let agent = |e: &CareEvent| e.action == Replied && e.by_agent;
            Whole {
                first: times(&|_| true).into_iter().min().unwrap(),
                opened: times(&|e| e.action == Opened).into_iter().min(),
                last_open: times(&|e| matches!(e.action, Opened | Reopened)).into_iter().max(),
                replied: times(&agent).into_iter().min(),
                responded: times(&|e| agent(e) || e.action == Resolved).into_iter().min(),
                solved: times(&|e| e.action == Resolved).into_iter().max(),
                complaint: list.iter().any(|e| e.complaint),
                suggestion: list.iter().any(|e| e.suggestion),
            }
        })
        .collect()
}

fn ln_hours(from_ms: i64, to_ms: i64) -> f64 {
    (1.0 + (to_ms - from_ms).max(0) as f64 / HOUR_MS as f64).ln()
}

fn naive(events: &[CareEvent], tickets: &[Whole], promise_s: u32) -> Naive {
    let mut n = Naive::default();
    for t in tickets {
        if let (Some(opened), Some(at)) = (t.opened, t.replied) {
            n.add(Sum::ReplyLn90, at, ln_hours(opened, at));
            n.add(Sum::Replies90, at, 1.0);
        }
        if let (Some(opened), Some(at)) = (t.opened, t.solved) {
            n.add(Sum::ResolveLn90, at, ln_hours(opened, at));
            n.add(Sum::Resolves90, at, 1.0);
        }
        if let (Some(opened), Some(at)) = (t.opened, t.responded) {
            let by = opened + i64::from(promise_s) * 1_000;
            n.add(Sum::SlaDue180, at, 1.0);
            n.add(Sum::SlaMissed180, at, f64::from(u8::from(at > by)));
            let minutes = |ms: i64| ms as f64 / 60_000.0;
            let ratio = minutes(at - opened).max(1.0) / minutes(by - opened);
            n.add(Sum::EffortLn90, at, ratio.ln().clamp(-3.0, 3.0));
            n.add(Sum::Efforts90, at, 1.0);
        }
        n.add(Sum::Complaints365, t.first, f64::from(u8::from(t.complaint)));
        n.add(Sum::Suggestions365, t.first, f64::from(u8::from(t.suggestion)));
    }
    for e in events {
        let counted = match e.action {
            Opened => Some(Sum::Tickets90),
            Reopened => Some(Sum::Reopened180),
            Resolved => Some(Sum::Solved180),
            Replied | Rated => None,
        };
        counted.into_iter().for_each(|sum| n.add(sum, e.ts_ms, 1.0));
        if !e.by_agent && matches!(e.action, Opened | Reopened | Replied) {
            n.add(Sum::Turns90, e.ts_ms, 1.0);
        }
        if let Some(wait_s) = e.wait_s {
            n.add(Sum::WaitLn90, e.ts_ms, (1.0 + f64::from(wait_s) / 3_600.0).ln());
            n.add(Sum::Waits90, e.ts_ms, 1.0);
        }
        e.handling_min.iter().for_each(|m| n.add(Sum::HandlingMin180, e.ts_ms, f64::from(*m)));
        if let Some(score @ 1..=5) = e.csat {
            let sums = [Sum::Csat30, Sum::Csat180, Sum::Csat365];
            let counts = [Sum::CsatN30, Sum::CsatN180, Sum::CsatN365];
            sums.iter().for_each(|sum| n.add(*sum, e.ts_ms, (f64::from(score) - 1.0) / 4.0));
            counts.iter().for_each(|sum| n.add(*sum, e.ts_ms, 1.0));
        }
        if let Some(score @ 1..=5) = e.expected {
            n.add(Sum::Expected30, e.ts_ms, (f64::from(score) - 1.0) / 4.0);
            n.add(Sum::ExpectedN30, e.ts_ms, 1.0);
        }
    }
    n
}

fn open(tickets: &[Whole]) -> OpenTickets {
    let open = || tickets.iter().filter(|t| t.is_open());
    let complaints = || open().filter(|t| t.complaint);
    OpenTickets {
        tickets: open().count() as u32,
        complaints: complaints().count() as u32,
        oldest_ms: open().filter_map(Whole::since).min(),
        oldest_complaint_ms: complaints().filter_map(Whole::since).min(),
    }
}

#[test]
fn any_order_gives_what_the_list_says() {
    histories("care", |random| {
        let mut events = history(random);
        let tickets = whole(&events);
        let mut promises = [4, 24, 60].map(|hours| hours * 3_600);
        shuffle(random, &mut promises);
        let promise_s = promises[0];
        let naive = naive(&events, &tickets, promise_s);
        let newest_ms = events.iter().map(|e| e.ts_ms).max().unwrap_or(0);
        let tau_ms = newest_ms + random.between(0, 10 * DAY_MS);
        let mut before = None;
        for _ in 0..3 {
            shuffle(random, &mut events);
            let (mut care, mut sums) = (Care::default(), Sums::default());
            // the promise changes now and then: the last one counts for all
            for e in &events {
                care.apply(&mut sums, e, *random.pick(&promises), 256);
            }
            care.promise(&mut sums, promise_s);
            naive.check(&sums, tau_ms);
            assert_eq!(care.open(), open(&tickets));
            let dues = || tickets.iter().filter_map(|t| t.response_due(promise_s));
            let unanswered = dues().filter(|by_ms| tau_ms > *by_ms).count();
            assert_eq!(care.unanswered(tau_ms) as usize, unanswered);
            let missed = naive.at(Sum::SlaMissed180, tau_ms).0 + unanswered as f64;
            assert!((care.sla(tau_ms, &sums).0 - missed).abs() < 1e-9 * missed.max(1.0));
            let age_ms = 72 * HOUR_MS;
            let complaints = tickets.iter().filter(|t| t.complaint).filter_map(Whole::since);
            let all = dues().chain(complaints.map(|since_ms| since_ms + age_ms)).map(|ms| ms + 1);
            let due_ms = all.filter(|ms| *ms > tau_ms).min().unwrap_or(i64::MAX);
            assert_eq!(care.next_due_ms(tau_ms, age_ms), due_ms);
            assert_eq!(again(&care), care);
            assert_eq!(before.get_or_insert_with(|| care.clone()), &care);
        }
    });
}

#[test]
fn nothing_changes_between_dues() {
    histories("care's dues", |random| {
        let (mut care, mut sums) = (Care::default(), Sums::default());
        let events = history(random);
        events.iter().for_each(|e| care.apply(&mut sums, e, 86_400, 256));
        let mut at_ms = events.iter().map(|e| e.ts_ms).max().unwrap_or(0) - 3 * DAY_MS;
        for _ in 0..5 {
            let due_ms = care.next_due_ms(at_ms, 72 * HOUR_MS);
            let until_ms = due_ms.min(at_ms + 30 * DAY_MS);
            for n in 0..50 {
                let ms = at_ms + (until_ms - 1 - at_ms) * n / 49;
                assert_eq!(care.unanswered(ms), care.unanswered(at_ms));
            }
            at_ms = until_ms;
        }
    });
}

/// Also with tickets that are forgotten: what they weighed was taken in by the promise of their time.
#[test]
fn another_promise_judges_what_is_held_anew() {
    let (mut care, mut sums) = (Care::default(), Sums::default());
    for n in 0..12 {
        let from_ms = n as i64 * DAY_MS;
        care.apply(&mut sums, &event(n, from_ms, Opened), 86_400, 8);
        care.apply(&mut sums, &event(n, from_ms + 5 * HOUR_MS, Resolved), 86_400, 8);
    }
    assert_eq!(care.held(), (8, 4));
    let missed = |sums: &Sums| sums.at(Sum::SlaMissed180, 0);
    let due = sums.at(Sum::SlaDue180, 0);
    assert!(missed(&sums).abs() < 1e-9);
    care.promise(&mut sums, 4 * 3_600);
    let held: f64 = (4..12).map(|n| (f64::from(n) + 5.0 / 24.0) / 180.0).map(f64::exp2).sum();
    assert!((missed(&sums) - held).abs() < 1e-9, "{} {held}", missed(&sums));
    assert!((sums.at(Sum::SlaDue180, 0) - due).abs() < 1e-9);
    care.promise(&mut sums, 86_400);
    assert!(missed(&sums).abs() < 1e-9);
}

#[test]
fn closed_tickets_are_forgotten_first_and_what_they_weighed_stays() {
    let (mut care, mut sums) = (Care::default(), Sums::default());
    for n in 0..20 {
        care.apply(&mut sums, &event(n, n as i64 * HOUR_MS, Opened), 86_400, 8);
        if n % 4 != 0 {
            care.apply(&mut sums, &event(n, n as i64 * HOUR_MS + 5, Resolved), 86_400, 8);
        }
    }
    assert_eq!(care.held(), (8, 12));
    assert_eq!((care.open().tickets, care.open().oldest_ms), (5, Some(0)));
    assert!((sums.at(Sum::Tickets90, 20 * HOUR_MS) - 20.0).abs() < 0.1);
    for n in 20..40 {
        care.apply(&mut sums, &event(n, n as i64 * HOUR_MS, Opened), 86_400, 8);
    }
    assert_eq!(care.open().oldest_ms, Some(32 * HOUR_MS));
}
