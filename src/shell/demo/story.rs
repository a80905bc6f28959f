//! What the demo replays: the real CDNOW purchases, and generated events around them. The same in every run.
//!
//! The purchases are the shipped file, line by line (`data/cdnow/README.md` names its source). Everything else is
//! made up here from each customer's purchases by a seeded generator: names, companies (`company.rs`), visits, tickets, and
//! faults.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

use super::company::{self, Company};
use crate::generate::SplitMix64;
use crate::model::time::{DAY_MS, HOUR_MS, MINUTE_MS};

/// The real purchases, one event a line.
const PURCHASES: &str = include_str!("../../../data/cdnow/purchases_sample.ndjson");

/// Sources in the definition's order.
pub const SOURCES: [&str; 3] = ["purchases", "support", "web"];
const PURCHASE: usize = 0;
const SUPPORT: usize = 1;
const WEB: usize = 2;

/// Where the history begins: 1997-01-01, milliseconds.
pub const BEGIN_MS: i64 = 852_076_800_000;
/// The day after its last event: 1998-07-01, milliseconds.
pub const END_MS: i64 = 899_251_200_000;

/// Every so many purchases the record is sent a second time.
const REPEATED_PURCHASE: usize = 20;

/// A record, and when the simulated clock sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it is sent, milliseconds of the simulated clock; also its Kafka timestamp.
    pub at_ms: i64,
    /// Index into [`SOURCES`].
    pub source: usize,
    /// Kafka key.
    pub key: String,
    /// The event, JSON.
    pub value: String,
}

/// What the file of purchases adds up to, counted apart from the pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Purchases.
    pub purchases: u64,
    /// Customers.
    pub customers: u64,
    /// Cents.
    pub revenue_minor: i64,
    /// Purchase records sent a second time.
    pub repeats: u64,
}

/// Everything the demo sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// In the order of sending.
    pub records: Vec<Record>,
    /// What must come out.
    pub truth: Truth,
}

#[derive(Deserialize)]
struct Purchase<'a> {
    customer_id: &'a str,
    ts: &'a str,
    #[serde(borrow)]
    amount: &'a RawValue,
}

/// The story.
///
/// # Errors
/// A line of the shipped file that is no purchase.
pub fn tell() -> Result<Story, String> {
    let mut records = Vec::new();
    let mut truth = Truth::default();
    let mut customers: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for (at, line) in PURCHASES.lines().enumerate() {
        let wrong = |why: String| format!("data/cdnow/purchases_sample.ndjson:{}: {why}", at + 1);
        let purchase: Purchase<'_> =
            serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
        let amount = purchase.amount.get();
        let cents = cents(amount).ok_or_else(|| wrong(format!("{amount} is no amount")))?;
        let ts: jiff::Timestamp =
            purchase.ts.parse().map_err(|e: jiff::Error| wrong(e.to_string()))?;
        let ts_ms = ts.as_millisecond();
        truth.purchases += 1;
        truth.revenue_minor += cents;
        customers.entry(purchase.customer_id).or_default().push(ts_ms);
        let record = Record {
            at_ms: ts_ms,
            source: PURCHASE,
            key: purchase.customer_id.to_owned(),
            value: line.to_owned(),
        };
        if at % REPEATED_PURCHASE == 7 && ts_ms + 2 * DAY_MS < END_MS {
            truth.repeats += 1;
            records.push(Record { at_ms: ts_ms + 2 * DAY_MS, ..record.clone() });
        }
        records.push(record);
    }
    truth.customers = customers.len() as u64;
    for (customer, bought) in &customers {
        Life::new(customer, &mut records).live(bought);
    }
    for (company, people) in staff(&customers) {
        Life::new(&company.id, &mut records).keep(&company, &people);
    }
    monitor(&mut records);
    // Stable: what was written first is sent first.
    records.sort_by_key(|record| record.at_ms);
    Ok(Story { records, truth })
}

/// Cents of a decimal number with at most two places; apart from the decoder, which it is a check on.
fn cents(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part: i64 = match part.len() {
        0 => 0,
        1 => part.parse::<i64>().ok()? * 10,
        2 => part.parse().ok()?,
        _ => return None,
    };
    Some(whole.parse::<i64>().ok()? * 100 + part)
}

/// A customer's id and first purchase.
type Person<'a> = (&'a str, i64);

/// Companies with the people who buy for them.
fn staff<'a>(customers: &BTreeMap<&'a str, Vec<i64>>) -> Vec<(Company, Vec<Person<'a>>)> {
    let mut people: BTreeMap<usize, Vec<Person<'_>>> = BTreeMap::new();
    for (customer, bought) in customers {
        let first = bought.first().copied().unwrap_or(BEGIN_MS);
        people.entry(company::number_of(customer)).or_default().push((customer, first));
    }
    people.into_iter().map(|(number, people)| (company::numbered(number), people)).collect()
}

/// A monitoring robot that visits every day; the definition drops it.
fn monitor(records: &mut Vec<Record>) {
    let mut robot = Life::new("test-monitor", records);
    let mut at_ms = BEGIN_MS;
    while at_ms < END_MS {
        robot.visit(at_ms, "page_view", "home");
        at_ms += DAY_MS;
    }
}

/// One customer's generated events.
struct Life<'a> {
    customer: &'a str,
    random: SplitMix64,
    events: u64,
    records: &'a mut Vec<Record>,
}

impl<'a> Life<'a> {
    fn new(customer: &'a str, records: &'a mut Vec<Record>) -> Self {
        let random = SplitMix64::new(xxh3_64(customer.as_bytes()));
        Self { customer, random, events: 0, records }
    }

    fn live(&mut self, bought: &[i64]) {
        let (Some(first), Some(last)) = (bought.first(), bought.last()) else {
            return;
        };
        self.introduce(*first);
        for purchase_ms in bought {
            for _ in 0..=self.random.below(2) {
                let before_ms = self.random.below(3 * DAY_MS as u64) as i64;
                self.look_around(purchase_ms - before_ms);
            }
            if self.random.chance(0.1) {
                let asked_ms = purchase_ms + self.within(DAY_MS, 6 * DAY_MS);
                self.ask(asked_ms, 0.85);
            }
        }
        // Interest wanes; some leave in anger.
        for _ in 0..self.random.below(4) {
            let back_ms = last + self.within(5 * DAY_MS, 90 * DAY_MS);
            self.look_around(back_ms);
        }
        if self.random.chance(0.05) {
            let angry_ms = last + self.within(5 * DAY_MS, 40 * DAY_MS);
            self.ask(angry_ms, 0.0);
            self.visit(angry_ms + HOUR_MS, "cancel_page", "account");
        }
    }

    fn within(&mut self, from: i64, to: i64) -> i64 {
        from + self.random.below((to - from).max(0) as u64) as i64
    }

    /// Master data: somebody who buys for a company.
    fn introduce(&mut self, at_ms: i64) {
        let name = company::person(&mut self.random);
        let company = company::numbered(company::number_of(self.customer));
        self.profile(at_ms + MINUTE_MS, &name, &company, "");
    }

    fn profile(&mut self, at_ms: i64, name: &str, company: &Company, more: &str) {
        let Company { id, region, industry, owner, .. } = company;
        self.event(SUPPORT, at_ms, "profile", &format!(
            r#""type":"profile","name":"{name}","account_id":"{id}","region":"{region}","industry":"{industry}","owner_id":"{owner}"{more}"#
        ));
    }

    /// What the account manager of a company does: names it, writes its contract, and speaks with its people now and then.
    fn keep(&mut self, company: &Company, people: &[Person<'_>]) {
        let Some(begin_ms) = people.iter().map(|(_, first)| *first).min() else {
            return;
        };
        let key = if company.is_key { r#","key":true"# } else { "" };
        self.profile(begin_ms, &company.name, company, key);
        if self.random.chance(0.6) {
            let renewal_ms = begin_ms + self.within(420 * DAY_MS, 640 * DAY_MS);
            let renewal = jiff::Timestamp::from_millisecond(renewal_ms).unwrap_or_default();
            let start = jiff::Timestamp::from_millisecond(begin_ms).unwrap_or_default();
            self.event(SUPPORT, begin_ms, "contract", &format!(
                r#""type":"contract","account_id":"{}","start":"{start}","renewal":"{renewal}","signed":true"#,
                company.id
            ));
        }
        // some are spoken with every month, some twice a year
        let pause = self.within(30 * DAY_MS, 180 * DAY_MS);
        let mut at_ms = begin_ms + pause / 2;
        while at_ms < END_MS {
            let met: Vec<&Person<'_>> = people.iter().filter(|(_, first)| *first < at_ms).collect();
            if let Some((person, _)) = met.get(self.random.below(met.len() as u64) as usize) {
                let kind = self.random.pick(&[("visit", 2), ("call", 5), ("mail", 3)]);
                let account = company.id.clone();
                Life::new(person, self.records).event(SUPPORT, at_ms, &format!("contact-{at_ms}"), &format!(
                    r#""type":"contact","account_id":"{account}","direction":"out","kind":"{kind}","employee":"{}""#,
                    company.owner
                ));
            }
            at_ms += self.within(pause / 2, pause * 3 / 2);
        }
    }

    /// A visit of a few pages, now and then with something in the cart.
    fn look_around(&mut self, at_ms: i64) {
        let category = self.random.pick(&[("rock", 5), ("jazz", 2), ("classical", 2), ("pop", 4)]);
        let at_ms = at_ms + self.within(8 * HOUR_MS, 22 * HOUR_MS) - 22 * HOUR_MS;
        self.visit(at_ms, "page_view", category);
        if self.random.chance(0.25) {
            self.visit(at_ms + 3 * MINUTE_MS, "cart_add", category);
        }
    }

    fn visit(&mut self, at_ms: i64, action: &str, category: &str) {
        let session = at_ms / HOUR_MS;
        let words = format!(
            r#""action":"{action}","session_id":"{}-{session}","category":"{category}""#,
            self.customer
        );
        self.event(WEB, at_ms, "web", &words);
    }

    /// A ticket, its answer, and what the customer thought of it.
    fn ask(&mut self, at_ms: i64, answered: f64) {
        let kind = self.random.pick(&[("complaint", 8), ("question", 9), ("suggestion", 3)]);
        let kind = if answered == 0.0 { "complaint" } else { kind };
        let channel = self.random.pick(&[("mail", 3), ("phone", 2)]);
        let ticket = format!("{}-{}", self.customer, self.events);
        let words = |action: &str, more: &str| {
            format!(
                r#""ticket_id":"{ticket}","action":"{action}","kind":"{kind}","channel":"{channel}"{more}"#
            )
        };
        self.event(SUPPORT, at_ms, "ticket", &words("opened", ""));
        // what lies around for weeks is closed in the end
        let promptly = self.random.chance(answered);
        let took_ms = if promptly { (4 * HOUR_MS, 5 * DAY_MS) } else { (8 * DAY_MS, 50 * DAY_MS) };
        let done_ms = at_ms + self.within(took_ms.0, took_ms.1);
        self.event(SUPPORT, done_ms, "ticket", &words("resolved", r#","by":"agent""#));
        if self.random.chance(0.6) {
            let happy: &[(&str, u32)] = match kind {
                "complaint" => &[("1", 3), ("2", 4), ("3", 3), ("4", 2)],
                _ => &[("2", 1), ("3", 2), ("4", 4), ("5", 5)],
            };
            let csat = format!(r#","csat":{}"#, self.random.pick(happy));
            self.event(SUPPORT, done_ms + DAY_MS, "ticket", &words("rated", &csat));
        }
    }

    /// Writes an event; now and then also what goes wrong in real life.
    fn event(&mut self, source: usize, at_ms: i64, what: &str, words: &str) {
        self.events += 1;
        let ts = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
        let (customer, number) = (self.customer, self.events);
        let value = format!(
            r#"{{"event_id":"{what}-{customer}-{number}","customer_id":"{customer}","ts":"{ts}",{words}}}"#
        );
        let fault = self.random.unit();
        // Sent twice within minutes; sent again long after its id was forgotten; cut off on the way.
        if fault < 0.02 {
            self.send(source, at_ms + 5 * MINUTE_MS, value.clone());
        } else if source == WEB && fault < 0.025 {
            self.send(source, at_ms + 100 * DAY_MS, value.clone());
        } else if fault > 0.998 {
            let half = value.chars().take(value.len() / 2).collect();
            self.send(source, at_ms + MINUTE_MS, half);
        }
        self.send(source, at_ms, value);
    }

    fn send(&mut self, source: usize, at_ms: i64, value: String) {
        if (BEGIN_MS..END_MS).contains(&at_ms) {
            let key = self.customer.to_owned();
            self.records.push(Record { at_ms, source, key, value });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_whole_and_the_story_is_the_same_every_time() {
        let story = tell().unwrap();
        assert_eq!((story.truth.purchases, story.truth.customers), (6_919, 2_357));
        assert_eq!(story, tell().unwrap());
        assert!(story.records.is_sorted_by_key(|r| r.at_ms));
        let purchases = story.records.iter().filter(|r| r.source == PURCHASE).count() as u64;
        assert_eq!(purchases, story.truth.purchases + story.truth.repeats);
    }

    /// The in-process broker keeps 5 MB of a partition and forgets the rest in silence.
    #[test]
    fn no_partition_comes_near_what_the_broker_keeps() {
        let mut bytes = BTreeMap::new();
        for record in tell().unwrap().records {
            let partition = crate::model::partition::murmur2_partition(record.key.as_bytes(), 4);
            *bytes.entry((record.source, partition)).or_insert(0) += record.value.len() + 80;
        }
        assert!(bytes.values().all(|b| *b < 3_000_000), "{bytes:?}");
    }

    #[test]
    fn cents_are_exact() {
        let cases = [("29.33", 2933), ("0", 0), ("6.7", 670), ("1506.10", 150_610)];
        assert!(cases.iter().all(|(text, minor)| cents(text) == Some(*minor)));
        assert_eq!(cents("1.234"), None);
    }
}
