//! What customers do: visits in sessions, tickets with a life, purchases and refunds, master data.

use std::fmt::Write as _;

use super::customers::{Customer, Zipf};
use super::random::SplitMix64;
use super::{Options, Stream};

/// Most sessions, and most tickets, open at once.
const OPEN_MAX: usize = 4_096;
/// About how long visitors pause between two clicks.
const CLICK_PAUSE_S: f64 = 120.0;
/// Orders a refund can still refer to.
const ORDERS_KEPT: usize = 256;

const CATEGORIES: [&str; 8] =
    ["music", "books", "garden", "kitchen", "sports", "toys", "office", "tools"];

/// An event before anything happens to it on its way.
#[derive(Debug)]
pub struct Made {
    /// Where it goes.
    pub stream: Stream,
    /// Whose it is.
    pub customer: Customer,
    /// The JSON text.
    pub value: String,
}

#[derive(Debug)]
struct Session {
    number: u64,
    customer: Customer,
    category: &'static str,
    clicks: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Replied,
    Resolved,
}

#[derive(Debug)]
struct Ticket {
    number: u64,
    customer: Customer,
    kind: &'static str,
    channel: &'static str,
    stage: Stage,
}

#[derive(Debug)]
struct Order {
    number: u64,
    customer: Customer,
    amount_minor: u64,
}

/// The business: what is open between one event and the next.
#[derive(Debug)]
pub struct Events {
    random: SplitMix64,
    zipf: Zipf,
    prefix: u32,
    made: u64,
    sessions: Vec<Session>,
    sessions_aim: usize,
    sessions_begun: u64,
    tickets: Vec<Ticket>,
    tickets_begun: u64,
    orders: Vec<Order>,
    orders_begun: u64,
}

impl Events {
    /// A business on its first day. The options are valid.
    pub fn new(options: &Options) -> Self {
        let web_rate = options.rate * options.mix[0] / options.mix.iter().sum::<f64>();
        Self {
            random: SplitMix64::new(options.seed),
            zipf: Zipf::new(options.customers, options.zipf_exponent),
            // Ids of different seeds differ, so that two runs into one topic are no repeats of each other.
            prefix: super::random::mix(options.seed) as u32,
            made: 0,
            sessions: Vec::new(),
            sessions_aim: (web_rate * CLICK_PAUSE_S).clamp(1.0, OPEN_MAX as f64) as usize,
            sessions_begun: 0,
            tickets: Vec::new(),
            tickets_begun: 0,
            orders: Vec::new(),
            orders_begun: 0,
        }
    }

    /// The next event, at event time `ts_ms`.
    pub fn next(&mut self, options: &Options, ts_ms: i64) -> Made {
        self.made += 1;
        if self.random.chance(options.profiles) {
            return self.profile(ts_ms);
        }
        let [web, purchase, support] = options.mix;
        let at = self.random.unit() * (web + purchase + support);
        if at < web {
            self.web(ts_ms)
        } else if at < web + purchase {
            self.purchase(options, ts_ms)
        } else {
            self.support(ts_ms)
        }
    }

    fn draw_customer(&mut self) -> Customer {
        Customer { rank: self.zipf.sample(&mut self.random) }
    }

    /// The common fields. All texts here are plain ASCII without quotes, so nothing needs escaping.
    fn begin(&self, kind: &str, customer: Customer, ts_ms: i64) -> String {
        let mut text = String::with_capacity(256);
        let _ = write!(
            text,
            r#"{{"event_id":"{:08x}-{:x}","customer_id":"{}","ts":"{}","type":"{kind}""#,
            self.prefix,
            self.made,
            customer.id(),
            rfc3339(ts_ms),
        );
        if let Some(account) = customer.account() {
            let _ = write!(text, r#","account_id":"{account}""#);
        }
        text
    }

    fn profile(&mut self, ts_ms: i64) -> Made {
        let customer = self.draw_customer();
        let mut value = self.begin("profile", customer, ts_ms);
        let _ = write!(
            value,
            r#","region":"{}","industry":"{}","segment":"{}","owner_id":"{}","key":{},"name":"Customer {}""#,
            customer.region(),
            customer.industry(),
            customer.segment(),
            customer.owner(),
            customer.is_key(),
            customer.rank,
        );
        if let Some(champion) = customer.champion().filter(|_| customer.account().is_some()) {
            let _ = write!(value, r#","champion":"{champion}""#);
        }
        value.push('}');
        Made { stream: Stream::Purchases, customer, value }
    }

    fn web(&mut self, ts_ms: i64) -> Made {
        let at = if self.sessions.len() < self.sessions_aim {
            let customer = self.draw_customer();
            self.sessions_begun += 1;
            let category = CATEGORIES[self.random.below(8) as usize];
            self.sessions.push(Session {
                number: self.sessions_begun,
                customer,
                category,
                clicks: 0,
            });
            self.sessions.len() - 1
        } else {
            self.random.below(self.sessions.len() as u64) as usize
        };
        let action = if self.sessions[at].clicks == 0 {
            self.random.pick(&[("page_view", 65), ("login", 30), ("search", 5)])
        } else {
            self.random.pick(&[
                ("page_view", 600),
                ("search", 150),
                ("cart_add", 110),
                ("compare", 90),
                ("login", 35),
                ("cancel_page", 10),
                ("opt_out", 5),
            ])
        };
        if self.random.chance(0.2) {
            self.sessions[at].category = CATEGORIES[self.random.below(8) as usize];
        }
        let dwell_ms = 500 + self.random.below(90_000);
        // A visit has six clicks on average.
        let ends = self.random.chance(1.0 / 6.0);
        self.sessions[at].clicks += 1;
        let Session { number, customer, category, .. } = self.sessions[at];
        if ends {
            self.sessions.swap_remove(at);
        }
        let mut value = self.begin("web", customer, ts_ms);
        let _ = write!(
            value,
            r#","action":"{action}","session_id":"s-{:08x}-{number:x}","url":"/{category}/{}","category":"{category}","dwell_ms":{dwell_ms}}}"#,
            self.prefix,
            number % 97,
        );
        Made { stream: Stream::Web, customer, value }
    }

    fn purchase(&mut self, options: &Options, ts_ms: i64) -> Made {
        if !self.orders.is_empty() && self.random.chance(0.03) {
            return self.refund(options, ts_ms);
        }
        let customer = self.draw_customer();
        let quantity = 1 + self.random.below(3);
        let price_minor = customer.usual_amount_minor() * (50 + self.random.below(101)) / 100;
        let amount_minor = price_minor * quantity;
        let channel = self.random.pick(&[("web", 70), ("store", 20), ("phone", 10)]);
        let category = CATEGORIES[self.random.below(8) as usize];
        let discount_minor = if self.random.chance(0.2) { amount_minor / 10 } else { 0 };
        self.orders_begun += 1;
        let number = self.orders_begun;
        let mut value = self.begin("purchase", customer, ts_ms);
        let _ = write!(
            value,
            r#","amount":"{}","currency":"{}","order_id":"o-{:08x}-{number:x}","quantity":{quantity},"channel":"{channel}""#,
            decimal(amount_minor),
            options.currency,
            self.prefix,
        );
        if discount_minor > 0 {
            let _ = write!(value, r#","discount":"{}""#, decimal(discount_minor));
        }
        let _ = write!(
            value,
            r#","items":[{{"sku":"{category}-{:03}","category":"{category}","qty":{quantity},"price":"{}"}}]}}"#,
            price_minor % 1_000,
            decimal(price_minor),
        );
        let order = Order { number, customer, amount_minor };
        if self.orders.len() < ORDERS_KEPT {
            self.orders.push(order);
        } else {
            self.orders[(number % ORDERS_KEPT as u64) as usize] = order;
        }
        Made { stream: Stream::Purchases, customer, value }
    }

    fn refund(&mut self, options: &Options, ts_ms: i64) -> Made {
        let at = self.random.below(self.orders.len() as u64) as usize;
        let Order { number, customer, amount_minor } = self.orders.swap_remove(at);
        let mut value = self.begin("refund", customer, ts_ms);
        let _ = write!(
            value,
            r#","amount":"{}","currency":"{}","order_id":"o-{:08x}-{number:x}"}}"#,
            decimal(amount_minor),
            options.currency,
            self.prefix,
        );
        Made { stream: Stream::Purchases, customer, value }
    }

    fn support(&mut self, ts_ms: i64) -> Made {
        let begins = self.random.chance(0.25) && self.tickets.len() < OPEN_MAX;
        let at = if begins || self.tickets.is_empty() {
            return self.open_ticket(ts_ms);
        } else {
            self.random.below(self.tickets.len() as u64) as usize
        };
        let Ticket { number, customer, kind, channel, stage } = self.tickets[at];
        let mut extra = String::new();
        let (action, next) = match stage {
            Stage::Open | Stage::Replied if self.random.chance(0.5) => {
                let by = self.random.pick(&[("agent", 70), ("customer", 30)]);
                let _ =
                    write!(extra, r#","by":"{by}","wait_s":{}"#, 30 + self.random.below(86_400));
                ("replied", Some(Stage::Replied))
            }
            Stage::Open | Stage::Replied => {
                let minutes = 2 + self.random.below(120);
                let _ = write!(extra, r#","by":"agent","handling_min":{minutes}"#);
                ("resolved", Some(Stage::Resolved))
            }
            Stage::Resolved if self.random.chance(0.15) => {
                extra.push_str(r#","by":"customer""#);
                ("reopened", Some(Stage::Open))
            }
            Stage::Resolved => {
                let csat = self.random.pick(&[("1", 8), ("2", 7), ("3", 15), ("4", 35), ("5", 35)]);
                let _ = write!(extra, r#","by":"customer","csat":{csat}"#);
                ("rated", None)
            }
        };
        match next {
            Some(stage) => self.tickets[at].stage = stage,
            None => drop(self.tickets.swap_remove(at)),
        }
        self.ticket_event(ts_ms, (number, customer), action, (kind, channel), &extra)
    }

    fn open_ticket(&mut self, ts_ms: i64) -> Made {
        let customer = self.draw_customer();
        self.tickets_begun += 1;
        let number = self.tickets_begun;
        let kind = self.random.pick(&[
            ("question", 50),
            ("complaint", 30),
            ("suggestion", 10),
            ("request", 10),
        ]);
        let channel = self.random.pick(&[("mail", 50), ("phone", 30), ("chat", 20)]);
        let priority = self.random.pick(&[("low", 30), ("normal", 55), ("high", 15)]);
        self.tickets.push(Ticket { number, customer, kind, channel, stage: Stage::Open });
        let extra = format!(r#","by":"customer","priority":"{priority}""#);
        self.ticket_event(ts_ms, (number, customer), "opened", (kind, channel), &extra)
    }

    fn ticket_event(
        &self,
        ts_ms: i64,
        (number, customer): (u64, Customer),
        action: &str,
        (kind, channel): (&str, &str),
        extra: &str,
    ) -> Made {
        let mut value = self.begin("support", customer, ts_ms);
        let _ = write!(
            value,
            r#","ticket_id":"t-{:08x}-{number:x}","action":"{action}","kind":"{kind}","channel":"{channel}"{extra}}}"#,
            self.prefix,
        );
        Made { stream: Stream::Support, customer, value }
    }
}

/// Minor units with two digits as a decimal text.
fn decimal(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// A time with milliseconds, UTC.
fn rfc3339(ms: i64) -> String {
    // Valid options keep the time between 1970 and 2128; the epoch is never reached.
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}
