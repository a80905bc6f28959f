//! What an event can have changed of what rules about customers and tickets look at. What is not listed here is taken to change
//! with every event.

use crate::alert::Ruled;
use crate::alert::touched::Touched;
use crate::engine::context::Context;
use crate::engine::profile::Profile;
use crate::engine::take::Took;
use crate::engine::tiers::TierColumns;
use crate::model::event::{Body, WebAction};
use crate::model::registry::{Signal, Subject};

use super::values::Facts;

/// What every event may change.
const SEEN: Touched = Touched::kind(0);
/// When the last visit was.
const VISITED: Touched = Touched::kind(1);
/// What visits are counted by.
const VISITS: Touched = Touched::kind(2);
/// Searches, wishes to leave.
const INTERESTS: Touched = Touched::kind(3);
/// Risk and loyalty, which are told from others.
const SCORES: Touched = Touched::kind(4);
/// Purchases and refunds.
const MONEY: Touched = Touched::kind(5);
/// Tickets as a whole, satisfaction.
const CARE: Touched = Touched::kind(6);
/// The ticket that an event is about.
pub(super) const TICKET: Touched = Touched::kind(7);
/// Invoices, payments.
const CREDIT: Touched = Touched::kind(8);
/// The lifecycle.
const LIFE: Touched = Touched::kind(9);
/// Tier, key: of purchases only by way of the machine's own moves.
const TIER: Touched = Touched::kind(10);
/// What is there without anything: touched by the first event of a customer.
const BORN: Touched = Touched::kind(15);

/// The kind of a signal; the machine's own moves (of tiers, of the lifecycle, of the risk's band) are looked at when they happen.
fn kind_of(signal: &Signal) -> Touched {
    match signal.name {
        "last_seen" => SEEN,
        "session_gap_surprise" => VISITED,
        "visit_rate_7" | "visit_rate_60" | "engage_trend" | "sessions" => VISITS,
        "search_per_buy" | "cancel_intent" => INTERESTS,
        "risk" | "risk_band" | "loyalty" | "quadrant" => SCORES,
        "orders" | "n_days" | "x" | "refunds" | "revenue_minor" | "spend_90d_minor"
        | "spend_rate_30" | "spend_rate_180" | "spend_rate_365" | "order_rate_90"
        | "volume_trend" | "aov_trend" | "gap_mean" | "gap_k" | "gap_surprise" | "t_first"
        | "t_last" | "recency_d" | "p_alive" | "p_silent_30" | "p_silent_90" | "p_silent_180"
        | "mean_spend_hat" | "disc_share" | "return_rate" | "exp_purchases_90" => MONEY,
        "open_tickets" | "open_complaints" | "oldest_open_at" | "csat" | "csat_n" | "sat_gap"
        | "sat_band" => CARE,
        "ticket_opened_at" | "ticket_open" | "ticket_complaint" | "ticket_answered" => TICKET,
        "dbt_days" | "overdue_ratio" | "overdue_minor" | "open_minor" | "ext_requests"
        | "partial_payments" => CREDIT,
        "lifecycle" => LIFE,
        "tier" | "abc" | "key_customer" => TIER,
        _ => Touched::ALL,
    }
}

/// Whom a pipeline of customers has alert rules about.
const SUBJECTS: [Subject; 4] =
    [Subject::Customer, Subject::Ticket, Subject::Segment, Subject::Employee];

/// The rules that an engine of this plan evaluates.
pub(in crate::engine) fn ruled(cx: &Context) -> Ruled {
    let mut ruled = Ruled::new(&cx.plan, &SUBJECTS, kind_of);
    let blank = Profile::new(0);
    // a new ticket is looked at also where its rules speak of the customer alone
    ruled.tell_also(Subject::Ticket, TICKET);
    ruled.note_restless(Subject::Customer, Facts::new(cx, &blank, TierColumns::default()), BORN);
    ruled
}

/// What an event may have changed, beside what it may change of who is `new`.
pub(in crate::engine) fn of_event(body: &Body, took: &Took, new: bool) -> Touched {
    let first = if new { BORN.and(SEEN) } else { SEEN };
    if took.earlier {
        return Touched::ALL;
    }
    let more = match body {
        Body::Web { action: WebAction::OptOut, .. } => Touched::ALL,
        Body::Web { .. } => {
            let moved = took.visit || took.judged;
            let counted = if moved { VISITS.and(SCORES) } else { Touched::NOTHING };
            let sought = if took.sought { INTERESTS } else { Touched::NOTHING };
            VISITED.and(counted).and(sought)
        }
        Body::Purchase { .. } | Body::Refund { .. } | Body::Opening { .. } => {
            MONEY.and(SCORES).and(LIFE).and(INTERESTS)
        }
        Body::Support { .. } => CARE.and(TICKET).and(SCORES),
        Body::Invoice { .. } | Body::Payment { .. } | Body::ExtensionRequest { .. } => {
            CREDIT.and(SCORES)
        }
        Body::Profile(_) => TIER.and(SCORES),
        Body::Access { .. } => Touched::NOTHING,
        _ => Touched::ALL,
    };
    first.and(more)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::alert::Facts as _;
    use crate::decode::{DecodeContext, decode};
    use crate::engine::apply::Engine;
    use crate::engine::web::Visits;
    use crate::model::batch::EventBatch;
    use crate::model::record::Position;
    use crate::rule::evaluate::Value;

    /// What happens to one customer.
    const STORY: &[&str] = &[
        r#""type":"web","session_id":"s0","action":"page_view""#,
        r#""type":"purchase","order_id":"o1","amount":"80.00","currency":"USD","items":[{"sku":"a","category":"shoes"}]"#,
        r#""type":"purchase","order_id":"o2","amount":"20.00","currency":"USD","discount":5"#,
        r#""type":"support","ticket_id":"t1","action":"opened","kind":"complaint""#,
        r#""type":"support","ticket_id":"t2","action":"rated","csat":2,"expected":4"#,
        r#""type":"purchase","order_id":"o3","amount":"7.00","currency":"USD""#,
        r#""type":"refund","order_id":"o3","amount":"3.00","currency":"USD""#,
        r#""type":"invoice","invoice_id":"i1","amount":"70.00","currency":"USD","due":"2020-01-01""#,
        r#""type":"invoice","invoice_id":"i2","amount":"30.00","currency":"USD","due":"2030-01-01""#,
        r#""type":"payment","invoice_id":"i1","amount":"20.00","currency":"USD""#,
        r#""type":"extension_request","invoice_id":"i1""#,
        r#""type":"profile","key":true,"owner_id":"olga","region":"north""#,
        r#""type":"support","ticket_id":"t3","action":"opened","kind":"question""#,
        r#""type":"support","ticket_id":"t1","action":"replied","by":"agent""#,
        r#""type":"support","ticket_id":"t3","action":"resolved","by":"agent""#,
        r#""type":"support","ticket_id":"t1","action":"resolved""#,
        r#""type":"purchase","order_id":"o4","amount":"31.00","currency":"USD""#,
        r#""type":"web","session_id":"s1","action":"page_view""#,
        r#""type":"web","session_id":"s1","action":"page_view""#,
        r#""type":"web","session_id":"s1","action":"page_view","category":"hats""#,
        r#""type":"web","session_id":"s2","action":"search""#,
        r#""type":"web","session_id":"s2","action":"compare","category":"shoes""#,
        r#""type":"web","session_id":"s2","action":"cart_add""#,
        r#""type":"web","session_id":"s3","action":"login""#,
        r#""type":"web","session_id":"s3","action":"cancel_page""#,
        r#""type":"web","session_id":"s4","action":"opt_out""#,
    ];

    /// By ticket, if any, and name.
    type Values = BTreeMap<(Option<u64>, &'static str), (&'static Signal, Option<Value>)>;

    struct Trial {
        engine: Engine,
        slot: u32,
        ts_ms: i64,
    }

    impl Trial {
        fn new() -> Self {
            let text = include_str!("../../../pipelines/customers.toml");
            let mut engine = Engine::new(Arc::new(crate::plan::parse(text).0.unwrap()), 0);
            let ts_ms = 1_780_000_000_000;
            let slot = engine.store.insert(b"c", Profile::new(ts_ms));
            Self { engine, slot, ts_ms }
        }

        /// The signals of the customer alone, and beside each of its tickets by the ticket's id.
        fn values(&self) -> Values {
            let profile = &self.engine.store.get(self.slot).profile;
            let tier = self.engine.tiers.columns(self.slot);
            let care = profile.more().and_then(|more| more.care.as_deref());
            let tickets = care.iter().flat_map(|care| care.tickets()).map(Some);
            let mut values = BTreeMap::new();
            for ticket in tickets.chain([None]) {
                let facts = Facts { ticket, ..Facts::new(&self.engine.cx, profile, tier) };
                let signals = Subject::Ticket.signals();
                let id = ticket.map(|ticket| ticket.id);
                values.extend(
                    signals.map(|signal| {
                        ((id, signal.name), (signal, facts.value(signal, self.ts_ms)))
                    }),
                );
            }
            values
        }

        /// What an event is said to touch, and the signals that it changes.
        fn apply(&mut self, fields: &str) -> (Touched, Vec<&'static Signal>) {
            self.ts_ms += 7_000_000;
            let before = self.values();
            let ts = jiff::Timestamp::from_millisecond(self.ts_ms).unwrap();
            let record =
                format!(r#"{{"event_id":"e{ts}","customer_id":"c","ts":"{ts}",{fields}}}"#);
            let mut batch = EventBatch::default();
            let plan = Arc::clone(&self.engine.cx.plan);
            let context =
                DecodeContext { default_type: None, reporting: plan.currency, rates: &plan.rates };
            let event = decode(record.as_bytes(), &context, &mut batch)
                .unwrap_or_else(|reject| panic!("{record}: {reject:?}"));
            let visits = Visits::Remembered { horizon_ms: 0 };
            let at = Position::default();
            let took = self.engine.change(self.slot, &batch, &event, at, visits, None);
            // of a new ticket nothing was known
            let known = |(id, name): (Option<u64>, &'static str)| {
                before.get(&(id, name)).or(before.get(&(None, name))).and_then(|known| known.1)
            };
            let after = self.values().into_iter();
            let moved = after.filter(|(key, (_, value))| known(*key) != *value);
            (of_event(&event.body, &took, false), moved.map(|(_, (signal, _))| signal).collect())
        }
    }

    #[test]
    fn an_event_changes_no_signal_beyond_what_it_is_said_to_touch() {
        let mut trial = Trial::new();
        let (mut narrow, mut changed) = (0, 0);
        for fields in STORY {
            let (touched, moved) = trial.apply(fields);
            for signal in &moved {
                let name = signal.name;
                assert!(kind_of(signal).meets(touched), "{fields} moves {name}: {touched:?}");
            }
            narrow += usize::from(!touched.meets(Touched::ALL.without(VISITED.and(SEEN))));
            changed += moved.len();
        }
        assert!(narrow >= 3 && changed >= 60, "{narrow}, {changed}");
    }
}
