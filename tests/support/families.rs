//! Many small histories, each of a customer of its own and mostly about one thing.

use super::{BEGIN_MS, DAY_MS, Made, Maker, PURCHASES, SUPPORT, Shape, WEB, spell_time};
use crate::random::Random;

/// What a history is mostly about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Purchases,
    Support,
    Satisfaction,
    Engagement,
    Credit,
    Relations,
    /// Everything alike: what scores are made of.
    Scores,
    /// Orders and visits in step, then smaller orders, then none; and bills, some of them unpaid.
    Rhythm,
}

/// The histories of so many customers, sorted by time. Each begins anew with a seed of its own: the customer's name.
pub fn histories(family: Family, seed: u64, customers: u64, days: i64) -> Vec<Made> {
    let shape = Shape { customers, days, events: 0, faults_permille: 0 };
    let mut maker = Maker {
        random: Random::new(seed),
        shape,
        begin_ms: BEGIN_MS,
        made: Vec::new(),
        tickets: 0,
    };
    for number in 0..customers {
        maker.random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let r = &mut maker.random;
        // hours, weeks, or all of the time
        let stretch_ms = *r.pick(&[DAY_MS, 30 * DAY_MS, days * DAY_MS]);
        let begin_ms = BEGIN_MS + r.between(0, (days * DAY_MS - stretch_ms).max(1));
        if family == Family::Rhythm {
            maker.rhythm(&format!("c{number:04}"));
            continue;
        }
        for _ in 0..1 + maker.random.below(14) {
            let ts_ms = begin_ms + maker.random.between(0, stretch_ms);
            maker.about(family, ts_ms, format!("c{number:04}"), number);
        }
    }
    let mut made = maker.made;
    made.sort_by_key(|m| m.ts_ms);
    made
}

impl Maker {
    fn about(&mut self, family: Family, ts_ms: i64, customer: String, number: u64) {
        let other = self.random.percent(20);
        match family {
            Family::Purchases if !other => self.money(ts_ms, customer),
            Family::Support if !other => self.ticket(ts_ms, customer),
            Family::Satisfaction if !other => self.rating(ts_ms, &customer),
            Family::Engagement if !other => self.session(ts_ms, customer, number),
            Family::Credit if !other => self.bill_of_entity(ts_ms, &customer),
            Family::Relations if !other => self.relation(ts_ms, customer, number),
            _ => match self.random.below(5) {
                0 => self.money(ts_ms, customer),
                1 => self.ticket(ts_ms, customer),
                2 => self.session(ts_ms, customer, number),
                3 => self.relation(ts_ms, customer, number),
                _ => self.master_data(ts_ms, customer),
            },
        }
    }

    /// Two months of a regular customer, and how it ends.
    fn rhythm(&mut self, customer: &str) {
        let gap_ms = (3 + self.random.between(0, 3)) * DAY_MS;
        let regular = 12 + self.random.below(4);
        let all = regular + 3 + self.random.below(3);
        let mut ts_ms = BEGIN_MS + self.random.between(0, DAY_MS);
        for n in 0..all {
            let amount = if n < regular { 90 + self.random.below(20) } else { 10 };
            let order = format!(r#""amount":{amount},"currency":"USD""#);
            self.put(PURCHASES, ts_ms, customer, &order);
            let visit = format!(r#""action":"page_view","session_id":"s{n}""#);
            let visit_ms = ts_ms + self.random.between(0, DAY_MS);
            self.put(WEB, visit_ms, customer, &visit);
            if n == regular && self.random.percent(60) {
                let due = spell_time(ts_ms + self.random.between(5, 20) * DAY_MS, 0);
                let bill = format!(r#""type":"invoice","invoice_id":"i1",{order},"due":"{due}""#);
                self.put(PURCHASES, ts_ms, customer, &bill);
            }
            if n == regular + 2 && self.random.percent(30) {
                let request = r#""type":"extension_request","invoice_id":"i1""#;
                self.put(PURCHASES, ts_ms, customer, request);
            }
            ts_ms += gap_ms + self.random.between(0, DAY_MS / 4);
        }
    }

    fn rating(&mut self, ts_ms: i64, customer: &str) {
        self.tickets += 1;
        let r = &mut self.random;
        let ticket = r.below(4);
        let expected = match r.percent(40) {
            true => format!(r#","expected":{}"#, 1 + r.below(5)),
            false => String::new(),
        };
        let csat = 1 + r.below(5);
        let action = *r.pick(&["rated", "replied", "opened"]);
        let rating = format!(r#""action":"{action}","csat":{csat}{expected}"#);
        self.put(
            SUPPORT,
            ts_ms,
            customer,
            &format!(r#"{rating},"ticket_id":"{customer}-{ticket}""#),
        );
    }
}
