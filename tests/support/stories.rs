//! Three constructed customers, event by event: one who leaves, a company that pays late, a loyal one.
#![allow(dead_code)]

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;
/// 2026-01-01T00:00:00Z, where stories begin.
pub const BEGIN_MS: i64 = 1_767_225_600_000;

/// A record.
#[derive(Clone, Debug)]
pub struct Line {
    /// Into which source.
    pub source: usize,
    /// Event time.
    pub ts_ms: i64,
    /// The value.
    pub json: String,
}

/// What happened to customer `c1`.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// In the order of time within each source.
    pub lines: Vec<Line>,
}

/// Midnight of a day of the story, or a time of it.
pub fn time(day: i64, hour: i64) -> String {
    let ms = BEGIN_MS + day * DAY_MS + hour * 3_600_000;
    jiff::Timestamp::from_millisecond(ms).map(|time| time.to_string()).unwrap_or_default()
}

impl Story {
    fn add(mut self, source: usize, day: i64, hour: i64, fields: &str) -> Self {
        let n = self.lines.len();
        let json = format!(
            r#"{{"event_id":"e{n}","customer_id":"c1","ts":"{}",{fields}}}"#,
            time(day, hour)
        );
        let ts_ms = BEGIN_MS + day * DAY_MS + hour * 3_600_000;
        self.lines.push(Line { source, ts_ms, json });
        self
    }

    /// A purchase.
    pub fn buy(self, day: i64, amount: &str, discount: &str, category: &str) -> Self {
        let fields = format!(
            r#""amount":"{amount}","currency":"USD","discount":"{discount}","order_id":"o{day}","items":[{{"sku":"a","category":"{category}"}}]"#
        );
        self.add(0, day, 10, &fields)
    }

    /// Something about a ticket.
    pub fn ticket(self, day: i64, fields: &str) -> Self {
        self.add(1, day, 11, fields)
    }

    /// Anything from the third source.
    pub fn other(self, day: i64, fields: &str) -> Self {
        self.add(2, day, 12, fields)
    }

    /// A visit of two pages.
    pub fn visit(self, day: i64) -> Self {
        let page = format!(r#""type":"web","action":"page_view","session_id":"s{day}""#);
        self.add(2, day, 13, &page).add(2, day, 13, &page)
    }
}

/// Bought every month for a year at ever greater discounts, complained, got no answer, looked at how to leave.
pub fn churner() -> Story {
    let mut story = Story::default();
    for month in 0..13 {
        let discount = ["0", "0", "5.00", "10.00"][month / 4];
        story = story.buy(month as i64 * 30, "40.00", discount, "shoes");
    }
    for day in (0..400).step_by(8) {
        story = story.visit(day);
    }
    story
        .ticket(300, r#""action":"opened","ticket_id":"t1","kind":"question","by":"customer""#)
        .ticket(301, r#""action":"resolved","ticket_id":"t1","by":"agent""#)
        .ticket(302, r#""action":"rated","ticket_id":"t1","csat":2,"expected":4"#)
        .ticket(430, r#""action":"opened","ticket_id":"t2","kind":"complaint","by":"customer""#)
        .ticket(433, r#""action":"replied","ticket_id":"t2","by":"customer""#)
        .other(452, r#""type":"web","action":"cancel_page","session_id":"last""#)
}

/// Orders every month, pays later and later, asks for time; the owner has changed and the contract ends.
pub fn late_payer() -> Story {
    let mut story = Story::default()
        .ticket(1, r#""type":"profile","region":"north","industry":"retail","owner_id":"anna""#);
    for month in 0..13_i64 {
        let (day, id) = (month * 30, format!("i{month}"));
        story = story.buy(day, "900.00", "0", ["steel", "tools"][month as usize % 2]);
        let invoice = format!(
            r#""type":"invoice","invoice_id":"{id}","amount":"900.00","currency":"USD","due":"{}""#,
            &time(day + 30, 0)[..10]
        );
        story = story.other(day + 1, &invoice);
        if month < 11 {
            let payment = format!(
                r#""type":"payment","invoice_id":"{id}","amount":"900.00","currency":"USD""#
            );
            story = story.other(day + 29 + 2 * month, &payment);
        }
    }
    story
        .other(380, r#""type":"extension_request","invoice_id":"i11""#)
        .ticket(395, r#""type":"profile","owner_id":"bert""#)
        .other(396, r#""type":"contract","start":"2026-01-01","renewal":"2027-03-15""#)
}

/// Buys across the range at full price, brings others, is never late for anything.
pub fn loyal() -> Story {
    let mut story = Story::default();
    for month in 0..17_i64 {
        let category = ["shoes", "hats", "coats", "bags", "belts"][month as usize % 5];
        story = story.buy(month * 30, "80.00", "0", category);
    }
    story
        .ticket(200, r#""action":"opened","ticket_id":"t1","kind":"suggestion","by":"customer""#)
        .ticket(201, r#""action":"rated","ticket_id":"t1","csat":5"#)
        .ticket(390, r#""action":"opened","ticket_id":"t2","kind":"suggestion","by":"customer""#)
        .other(420, r#""type":"referral","referred_id":"friend""#)
        .other(470, r#""type":"rating","nps":10"#)
}
