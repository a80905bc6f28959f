//! Invented relations of customers beside buying, asking and visiting: bills, contacts, contracts, deliveries, usage.

use super::{DAY_MS, Maker, PURCHASES, SUPPORT, WEB, spell_time};
use crate::random::Random;

/// A date, or a moment of it.
fn day_or_time(r: &mut Random, ms: i64) -> String {
    let text = spell_time(ms.max(0), 0);
    if r.percent(50) { text[..10].to_owned() } else { text }
}

/// The items of an order: categories, and when the products came to market.
pub fn items(r: &mut Random, begin_ms: i64, ts_ms: i64) -> String {
    let mut items = Vec::new();
    for n in 0..r.below(4) {
        let mut item = format!(r#"{{"sku":"s{n}""#);
        if r.percent(80) {
            item += &format!(r#","category":"cat {}""#, r.below(6));
        }
        if r.percent(50) {
            let launched_ms = r.between(begin_ms - 100 * DAY_MS, ts_ms + 20 * DAY_MS);
            item += &format!(r#","launched":"{}""#, day_or_time(r, launched_ms));
        }
        items.push(item + r#","qty":2,"price":"9.99"}"#);
    }
    items.join(",")
}

/// What a support event may say besides.
pub fn care(r: &mut Random) -> String {
    let mut more = String::new();
    if r.percent(15) {
        more += &format!(r#","expected":{}"#, 1 + r.below(5));
    }
    if r.percent(25) {
        more += &format!(r#","wait_s":{}.5"#, r.below(90_000));
    }
    if r.percent(25) {
        more += &format!(r#","handling_min":{}.25"#, r.below(90));
    }
    more
}

/// The action of a web event and its category.
pub fn look(r: &mut Random, action: &'static str) -> (&'static str, String) {
    let action = match r.below(60) {
        0..4 => "compare",
        4 | 5 => "cancel_page",
        6 => "opt_out",
        7 => "export_data",
        _ => action,
    };
    let category = match r.percent(40) {
        true => format!(r#","category":"cat {}""#, r.below(12)),
        false => String::new(),
    };
    (action, category)
}

impl Maker {
    /// One event about a bill, a contact, a contract, a delivery, usage, or what is thought of us.
    pub(super) fn relation(&mut self, ts_ms: i64, customer: String, number: u64) {
        let sources = [PURCHASES, SUPPORT, WEB];
        let mut source = sources[self.random.index(3)];
        let fields = match self.random.below(12) {
            0..4 => self.bill(ts_ms),
            4 | 5 => {
                let r = &mut self.random;
                let (direction, kind) =
                    (r.pick(&["in", "out"]), r.pick(&["visit", "call", "mail", "campaign"]));
                format!(r#""type":"contact","direction":"{direction}","kind":"{kind}""#)
            }
            6 if number % 3 == 1 => self.contract(),
            6 => r#""type":"access","employee":"u1","records":7"#.to_owned(),
            7 => r#""type":"referral","referred_id":"somebody""#.to_owned(),
            8 => format!(r#""type":"rating","nps":{}"#, self.random.below(11)),
            9 | 10 => self.delivery(ts_ms),
            _ => {
                // one source: of too many statements the early ones are forgotten
                source = SUPPORT;
                let r = &mut self.random;
                let limit = if r.percent(80) { r#","plan_limit":10"# } else { "" };
                let (metric, quantity) = (r.below(3), r.below(100));
                format!(r#""type":"usage","metric":"m{metric}","quantity":{quantity}.25e-1{limit}"#)
            }
        };
        self.put(source, ts_ms, &customer, &fields);
    }

    /// Bills of six numbers a customer: paid before they are known, in parts, too much, late, twice said.
    fn bill(&mut self, ts_ms: i64) -> String {
        let amount = self.amount();
        let r = &mut self.random;
        let id = r.below(6);
        match r.below(8) {
            0..3 => {
                let due = day_or_time(r, ts_ms + r.clone().between(-10, 60) * DAY_MS);
                format!(r#""type":"invoice","invoice_id":"i{id}",{amount},"due":"{due}""#)
            }
            3..7 => format!(r#""type":"payment","invoice_id":"i{id}",{amount}"#),
            _ => format!(r#""type":"extension_request","invoice_id":"i{id}""#),
        }
    }

    /// Bills of a few legal entities, of a dozen numbers.
    pub(super) fn bill_of_entity(&mut self, ts_ms: i64, customer: &str) {
        let fields = self.bill(ts_ms);
        let r = &mut self.random;
        let entity = match r.below(4) {
            0 => String::new(),
            n => format!(r#","legal_entity_id":"le-{n}""#),
        };
        let source = *r.pick(&[PURCHASES, SUPPORT, WEB]);
        self.put(source, ts_ms, customer, &(fields + &entity));
    }

    fn contract(&mut self) -> String {
        let r = &mut self.random;
        let start_ms = self.begin_ms + r.between(-900, 100) * DAY_MS;
        let mut fields = format!(r#""type":"contract","start":"{}""#, day_or_time(r, start_ms));
        if r.percent(60) {
            // few moments, so that a later event may speak of the same renewal
            let renewal_ms = self.begin_ms + (1 + r.between(0, 4)) * 100 * DAY_MS;
            fields += &format!(r#","renewal":"{}""#, &spell_time(renewal_ms, 0)[..10]);
        }
        match r.below(6) {
            0 | 1 => fields += r#","signed":true"#,
            2 => fields += r#","signed":false"#,
            3 => fields += r#","signed":"2026-02-01""#,
            _ => {}
        }
        fields
    }

    fn delivery(&mut self, ts_ms: i64) -> String {
        let r = &mut self.random;
        let promised_ms = ts_ms + r.between(-10, 40) * DAY_MS;
        let (order, promised) = (r.below(7), day_or_time(r, promised_ms));
        let mut fields =
            format!(r#""type":"delivery","order_id":"d{order}","promised":"{promised}""#);
        if r.percent(50) {
            // now and then it is told before it is so
            let delivered_ms = ts_ms + r.between(-8 * DAY_MS, DAY_MS);
            fields += &format!(r#","delivered":"{}""#, day_or_time(r, delivered_ms));
        }
        fields
    }
}
