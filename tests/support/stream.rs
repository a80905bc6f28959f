//! Invented histories of customers, spelled as producers spell them, and the ways in which topics deliver them.
#![allow(dead_code, clippy::unwrap_used)]

#[path = "families.rs"]
pub mod families;
#[path = "relations.rs"]
mod relations;

use crate::random::Random;
use crate::sim::Log;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;
/// 2026-01-05T00:00:00Z, where histories begin.
pub const BEGIN_MS: i64 = 1_767_571_200_000;
/// The sources, in the order of the plan.
pub const PURCHASES: usize = 0;
/// The second.
pub const SUPPORT: usize = 1;
/// The third.
pub const WEB: usize = 2;

/// An event before it is put into a log.
#[derive(Clone, Debug)]
pub struct Made {
    /// Into which source.
    pub source: usize,
    /// Event time.
    pub ts_ms: i64,
    /// The customer.
    pub customer: String,
    /// The record's key.
    pub key: Option<String>,
    /// The record's value.
    pub payload: Option<String>,
}

/// How much history.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Customers.
    pub customers: u64,
    /// Days.
    pub days: i64,
    /// Events (web sessions count as one).
    pub events: usize,
    /// Records against the contract, per mille.
    pub faults_permille: u64,
}

/// `YYYY-MM-DDTHH:MM:SS.mmm` in a zone, by the calendar of 400 years.
pub fn spell_time(ms: i64, offset_min: i64) -> String {
    let local = ms + offset_min * 60_000;
    let (days, in_day) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS));
    let (mut year, mut rest) = (1970, days);
    let length = |y: i64| 365 + i64::from(y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
    while rest >= length(year) {
        rest -= length(year);
        year += 1;
    }
    let feb = length(year) - 337;
    let mut month = 1;
    for len in [31, feb, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < len {
            break;
        }
        rest -= len;
        month += 1;
    }
    let (h, m, s) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1_000 % 60);
    let zone = match offset_min {
        0 => "Z".to_owned(),
        o => format!("{}{:02}:{:02}", if o < 0 { '-' } else { '+' }, o.abs() / 60, o.abs() % 60),
    };
    format!("{year:04}-{month:02}-{:02}T{h:02}:{m:02}:{s:02}.{:03}{zone}", rest + 1, in_day % 1_000)
}

/// Makes events; remembers running numbers.
pub struct Maker {
    random: Random,
    shape: Shape,
    begin_ms: i64,
    made: Vec<Made>,
    tickets: u64,
}

/// The history of a shape, sorted by time.
pub fn history(seed: u64, shape: Shape) -> Vec<Made> {
    history_from(seed, shape, BEGIN_MS)
}

/// The same, beginning at another time.
pub fn history_from(seed: u64, shape: Shape, begin_ms: i64) -> Vec<Made> {
    let random = Random::new(seed);
    let mut maker = Maker { random, shape, begin_ms, made: Vec::new(), tickets: 0 };
    for _ in 0..shape.events {
        maker.one();
    }
    let mut made = maker.made;
    made.sort_by_key(|m| m.ts_ms);
    made
}

impl Maker {
    fn one(&mut self) {
        let r = &mut self.random;
        let ts_ms = self.begin_ms + r.between(0, self.shape.days * DAY_MS);
        // a few customers have most of the events
        let bound =
            if r.percent(50) { self.shape.customers.div_ceil(10) } else { self.shape.customers };
        let number = r.below(bound);
        let customer = match number % 17 {
            5 => format!("kündin {number}"),
            9 => format!("test-{number}"),
            _ => format!("c{number:04}"),
        };
        match r.below(100) {
            0..30 => self.money(ts_ms, customer),
            30..42 => self.master_data(ts_ms, customer),
            42..58 => self.ticket(ts_ms, customer),
            58..76 => self.session(ts_ms, customer, number),
            _ => self.relation(ts_ms, customer, number),
        }
    }

    fn put(&mut self, source: usize, ts_ms: i64, customer: &str, fields: &str) {
        let r = &mut self.random;
        let id = format!("e{:x}", r.next() >> 8);
        let zone = *r.pick(&[0, 0, 120, -330]);
        let ts = spell_time(ts_ms, zone);
        let customer_json = serde_json::to_string(customer).unwrap();
        let links = match r.below(12) {
            0 => format!(r#","account_id":"acc-{}""#, r.below(5)),
            1 => format!(r#","legal_entity_id":"le-{}","source":"crm""#, r.below(3)),
            3 | 4 => format!(r#","source":"system {}""#, r.below(3)),
            2 => r#","colour":{"not":["in","the contract"]}"#.to_owned(),
            _ => String::new(),
        };
        // what speaks of a legal entity itself says it once
        let links = if fields.contains("legal_entity_id") { String::new() } else { links };
        let mut payload = Some(format!(
            r#"{{"event_id":"{id}","customer_id":{customer_json},"ts":"{ts}"{links},{fields}}}"#
        ));
        let mut key = Some(customer.to_owned());
        if r.below(1_000) < self.shape.faults_permille {
            match r.below(6) {
                0 => payload = None,
                1 => payload = payload.map(|p| p[..p.len() - 3].to_owned()),
                2 => key = None,
                3 => key = Some("somebody else".to_owned()),
                4 => {
                    payload = payload.map(|p| {
                        p.replacen("\"ts\":\"2", "\"ts\":\"1", 1).replacen(
                            "\"ts\":\"1026",
                            "\"ts\":\"1926",
                            1,
                        )
                    })
                }
                _ => payload = payload.map(|p| p.replacen("customer_id", "customer", 1)),
            }
        }
        self.made.push(Made { source, ts_ms, customer: customer.to_owned(), key, payload });
    }

    fn amount(&mut self) -> String {
        let r = &mut self.random;
        let cents = r.below(50_000);
        let currency = *r.pick(&["USD", "USD", "USD", "EUR", "JPY"]);
        let amount = match r.below(4) {
            0 => format!("{}", cents / 100),
            1 => format!("\"{}.{:02}\"", cents / 100, cents % 100),
            2 => format!("\"{}.{:03}\"", cents / 100, r.below(200) * 5),
            _ => format!("{}.{:02}", cents / 100, cents % 100),
        };
        format!(r#""amount":{amount},"currency":"{currency}""#)
    }

    fn money(&mut self, ts_ms: i64, customer: String) {
        let amount = self.amount();
        let r = &mut self.random;
        let fields = match r.below(10) {
            0 | 1 => format!(r#""type":"refund",{amount}"#),
            2 => format!(
                r#"{amount},"channel":"shop {}","order_id":"o{}""#,
                r.below(4),
                r.below(900)
            ),
            3 => format!(
                r#""type":"purchase",{amount},"quantity":3,"discount":0.5,"items":[{{"sku":"a"}}]"#
            ),
            4..7 => {
                let items = relations::items(r, self.begin_ms, ts_ms);
                let discount = r.below(40) * 25;
                let discount = format!("{}.{:02}", discount / 100, discount % 100);
                format!(r#"{amount},"discount":{discount},"items":[{items}]"#)
            }
            _ => amount,
        };
        self.put(PURCHASES, ts_ms, &customer, &fields);
    }

    fn master_data(&mut self, ts_ms: i64, customer: String) {
        let r = &mut self.random;
        let (source, fields) = match r.below(10) {
            0 => {
                let first = self.begin_ms - r.between(200, 900) * DAY_MS;
                let last = self.begin_ms - r.between(-3, 150) * DAY_MS - 1;
                let (first, last) = (spell_time(first, 0), spell_time(last.min(ts_ms), 60));
                let days = 2 + r.below(40);
                let rest = format!(
                    r#""orders":{},"revenue":"{}.5","currency":"EUR""#,
                    days + r.below(9),
                    r.below(9_000)
                );
                (
                    PURCHASES,
                    format!(
                        r#""type":"opening","t_first":"{first}","t_last":"{last}","n_days":{days},{rest}"#
                    ),
                )
            }
            1 => (PURCHASES, r#""type":"rating","nps":9"#.to_owned()),
            2..6 => {
                let (region, owner) = (r.below(4), r.below(3));
                (SUPPORT, format!(r#""type":"profile","region":"r{region}","owner_id":"u{owner}""#))
            }
            6 => (PURCHASES, format!(r#""type":"profile","segment":"s{}""#, r.below(3))),
            7 => {
                let source = *r.pick(&[PURCHASES, SUPPORT, WEB]);
                (source, format!(r#""type":"profile","key":{}"#, r.percent(50)))
            }
            _ => (
                SUPPORT,
                format!(
                    r#""type":"profile","industry":"i{}","name":"N{}","region":null"#,
                    r.below(3),
                    r.below(99)
                ),
            ),
        };
        self.put(source, ts_ms, &customer, &fields);
    }

    fn ticket(&mut self, mut ts_ms: i64, customer: String) {
        self.tickets += 1;
        let id = self.tickets;
        let end_ms = self.begin_ms + self.shape.days * DAY_MS;
        for step in 0..self.random.below(5) {
            let r = &mut self.random;
            let fields = match (step, r.below(5)) {
                (0, 0..4) => {
                    let kind = *r.pick(&["complaint", "question", "suggestion"]);
                    let channel = *r.pick(&["mail", "phone"]);
                    let by = r#""by":"customer","priority":"high""#;
                    format!(r#""action":"opened","kind":"{kind}","channel":"{channel}",{by}"#)
                }
                (_, 0) => r#""action":"replied","by":"agent""#.to_owned(),
                (_, 1) => r#""action":"resolved","by":"agent""#.to_owned(),
                (_, 2) => r#""action":"reopened","kind":"complaint""#.to_owned(),
                (_, 3) => format!(r#""action":"rated","csat":{}"#, 1 + r.below(5)),
                _ => format!(r#""action":"replied","csat":{}"#, 1 + r.below(5)),
            };
            let more = relations::care(r);
            self.put(SUPPORT, ts_ms, &customer, &format!(r#"{fields}{more},"ticket_id":"t{id}""#));
            // half of them soon after, some at the same moment
            let soon = if self.random.percent(50) { 3 } else { 400_000 };
            let pause = [soon, 2 * DAY_MS][self.random.index(2)];
            ts_ms += self.random.between(0, pause);
            if ts_ms >= end_ms {
                return;
            }
        }
    }

    /// A customer either always has session ids or never; pauses within a session are below ten minutes.
    fn session(&mut self, ts_ms: i64, customer: String, number: u64) {
        let session = format!("s{:x}", self.random.next() >> 20);
        // starts on a grid of two hours, so that sessions of one customer do not overlap
        let mut ts_ms = ts_ms.div_euclid(7_200_000) * 7_200_000 + self.random.between(0, 60_000);
        for _ in 0..1 + self.random.below(8) {
            let action = *self.random.pick(&["page_view", "search", "login", "cart_add", "dance"]);
            let (action, category) = relations::look(&mut self.random, action);
            let id = match number % 3 {
                0 => String::new(),
                _ => format!(r#","session_id":"{session}""#),
            };
            self.put(WEB, ts_ms, &customer, &format!(r#""action":"{action}"{category}{id}"#));
            ts_ms += self.random.between(0, 590_000);
        }
    }
}

/// Puts events into logs in the order given; the Kafka timestamp is the event's plus `lag_ms` of it. Now and then an
/// offset is missing.
pub fn deliver(seed: u64, made: &[Made], lag_ms: impl Fn(&Made) -> i64) -> Vec<Log> {
    let mut r = Random::new(seed);
    let mut logs = vec![Log::default(); 3];
    for m in made {
        let hole = if r.percent(3) { r.between(1, 4) } else { 0 };
        let kafka_ms = m.ts_ms + lag_ms(m);
        let bytes = |text: &Option<String>| text.as_ref().map(|t| t.clone().into_bytes());
        logs[m.source].push(hole, kafka_ms, bytes(&m.key), bytes(&m.payload));
    }
    for log in &mut logs {
        log.end += r.between(0, 3);
    }
    logs
}

/// The events in an order in which none stands more than `disorder_ms` behind a later one.
pub fn shuffled(seed: u64, made: &[Made], disorder_ms: i64) -> Vec<Made> {
    let mut r = Random::new(seed);
    let mut keyed: Vec<(i64, Made)> =
        made.iter().map(|m| (m.ts_ms + r.between(0, disorder_ms), m.clone())).collect();
    keyed.sort_by_key(|(arrival, _)| *arrival);
    keyed.into_iter().map(|(_, m)| m).collect()
}

/// Repeats `percent` of the events, each `distance_ms` of itself after its own time.
pub fn repeated(
    seed: u64,
    made: &[Made],
    percent: u64,
    distance_ms: impl Fn(&mut Random, &Made) -> i64,
) -> Vec<Made> {
    let mut r = Random::new(seed);
    let mut keyed = Vec::new();
    for (at, m) in made.iter().enumerate() {
        keyed.push((m.ts_ms, at, m.clone()));
        if r.percent(percent) {
            keyed.push((m.ts_ms + distance_ms(&mut r, m), at, m.clone()));
        }
    }
    keyed.sort_by_key(|(arrival, at, _)| (*arrival, *at));
    keyed.into_iter().map(|(_, _, m)| m).collect()
}

/// Both at once: shuffled within the disorder, and `percent` of the events again `distance_ms` later.
pub fn disturbed(
    seed: u64,
    made: &[Made],
    disorder_ms: i64,
    percent: u64,
    distance_ms: impl Fn(&mut Random, &Made) -> i64,
) -> Vec<Made> {
    let mut r = Random::new(seed);
    let mut keyed = Vec::new();
    for m in made {
        let arrival_ms = m.ts_ms + r.between(0, disorder_ms);
        keyed.push((arrival_ms, m.clone()));
        if r.percent(percent) {
            keyed.push((arrival_ms + distance_ms(&mut r, m), m.clone()));
        }
    }
    keyed.sort_by_key(|(arrival_ms, _)| *arrival_ms);
    keyed.into_iter().map(|(_, m)| m).collect()
}
