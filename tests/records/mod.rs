//! Good records of every type, for the tests of the decoder.

use retain::decode::DecodeContext;
use retain::model::event::EventType;
use retain::model::money::{Currency, Rate};

const RATES: &[(Currency, Rate)] = &[
    (Currency(*b"EUR"), Rate { digits: 11, scale: 1 }),
    (Currency(*b"JPY"), Rate { digits: 67, scale: 4 }),
    (Currency(*b"USD"), Rate::ONE),
];
/// The common fields but the type.
const COMMON: &str = r#""event_id":"e-1","customer_id":"00004","ts":"2026-05-01T10:00:00Z""#;

/// A context of three currencies that reports in US dollars.
pub fn context(default_type: Option<EventType>) -> DecodeContext<'static> {
    DecodeContext { default_type, reporting: Currency(*b"USD"), rates: RATES }
}

/// A record of a type: the common fields and `rest`.
pub fn record(event_type: &str, rest: &str) -> String {
    let comma = if rest.is_empty() { "" } else { "," };
    format!(r#"{{{COMMON},"type":"{event_type}"{comma}{rest}}}"#)
}

/// A good record of each type, with every field.
pub fn full(event_type: EventType) -> &'static str {
    match event_type {
        EventType::Purchase => {
            r#""amount":"29.33","currency":"USD","order_id":"o-1","quantity":2,"discount":1.5,"channel":"shop","items":[{"sku":"A","category":"tea","qty":1,"price":"9.99","launched":"2026-04-01"},{"sku":"B"}]"#
        }
        EventType::Refund => r#""amount":12,"currency":"EUR","order_id":"o-1""#,
        EventType::Support => {
            r#""ticket_id":"t-1","action":"rated","kind":"complaint","priority":"high","csat":2,"expected":4,"channel":"mail","by":"agent","wait_s":12.5,"handling_min":3"#
        }
        EventType::Web => {
            r#""action":"cart_add","session_id":"s-1","url":"https://shop.example/tea?x=1","category":"tea","dwell_ms":1200"#
        }
        EventType::Profile => {
            r#""region":"north","industry":"retail","segment":"smb","owner_id":"u-1","key":true,"name":"Müller \"& Söhne\"""#
        }
        EventType::Opening => {
            r#""t_first":"2020-01-01T00:00:00Z","t_last":"2025-12-31T12:00:00+01:00","n_days":12,"orders":15,"revenue":"1234.50","currency":"USD""#
        }
        EventType::Invoice => {
            r#""invoice_id":"i-1","amount":"100","currency":"USD","due":"2026-06-01""#
        }
        EventType::Payment => r#""invoice_id":"i-1","amount":"100.00","currency":"EUR""#,
        EventType::ExtensionRequest => r#""invoice_id":"i-1""#,
        EventType::Contact => {
            r#""direction":"in","channel":"phone","kind":"call","employee":"u-1""#
        }
        EventType::Contract => {
            r#""start":"2026-01-01","renewal":"2027-01-01T00:00:00Z","signed":true"#
        }
        EventType::Referral => r#""referred_id":"00005""#,
        EventType::Rating => r#""nps":9"#,
        EventType::Delivery => {
            r#""order_id":"o-1","promised":"2026-05-03","delivered":"2026-05-04T09:00:00Z""#
        }
        EventType::Usage => r#""metric":"seats","quantity":12.5,"plan_limit":20"#,
        EventType::Access => r#""employee":"u-1","records":3"#,
    }
}
