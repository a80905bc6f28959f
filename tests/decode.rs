//! The event contract, case by case: what is accepted and how it reads, what is refused and why; and that nothing
//! a producer can send makes the decoder panic or leave traces in its batch.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use retain::decode::{DecodeContext, decode};
use retain::model::batch::EventBatch;
use retain::model::event::{Body, Event, EventType, TicketAction, WebAction};
use retain::model::money::{Currency, Rate};
use retain::model::outcome::{Reason, Reject};

const RATES: &[(Currency, Rate)] = &[
    (
        Currency(*b"EUR"),
        Rate {
            digits: 11,
            scale: 1,
        },
    ),
    (
        Currency(*b"JPY"),
        Rate {
            digits: 67,
            scale: 4,
        },
    ),
    (Currency(*b"USD"), Rate::ONE),
];
const COMMON: &str = r#""event_id":"e-1","customer_id":"00004","ts":"2026-05-01T10:00:00Z""#;

fn context(default_type: Option<EventType>) -> DecodeContext<'static> {
    DecodeContext {
        default_type,
        reporting: Currency(*b"USD"),
        rates: RATES,
    }
}

fn read(payload: &[u8]) -> (Result<Event, Reject>, EventBatch) {
    let mut batch = EventBatch::default();
    let decoded = decode(payload, &context(None), &mut batch);
    (decoded, batch)
}

/// A record of a type: the common fields and `rest`.
fn record(event_type: &str, rest: &str) -> String {
    let comma = if rest.is_empty() { "" } else { "," };
    format!(r#"{{{COMMON},"type":"{event_type}"{comma}{rest}}}"#)
}

fn accepted(event_type: &str, rest: &str) -> (Event, EventBatch) {
    let text = record(event_type, rest);
    let (decoded, batch) = read(text.as_bytes());
    (
        decoded.unwrap_or_else(|reject| panic!("{text}: {reject}")),
        batch,
    )
}

/// The reason of a refused record, and a word that its detail must have.
fn refused(text: &str, reason: Reason, word: &str) {
    let (decoded, batch) = read(text.as_bytes());
    let reject = decoded.expect_err(text);
    assert_eq!(reject.reason, reason, "{text}: {reject}");
    assert!(
        reject.detail.contains(word),
        "{text}: `{}` does not say `{word}`",
        reject.detail
    );
    assert_eq!(batch.len_bytes(), 0, "{text}");
}

/// The sum of the amounts in data/cdnow/purchases_sample.ndjson, by Python's `decimal`.
const CDNOW_SAMPLE_CENTS: i64 = 24_409_194;
const PURCHASE: &str = r#""amount":"29.33","currency":"USD""#;

/// A good record of each type, with every field.
fn full(event_type: EventType) -> &'static str {
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

#[test]
fn every_type_is_accepted_with_all_its_fields() {
    for event_type in EventType::ALL {
        let text = record(event_type.name(), full(event_type));
        let (decoded, batch) = read(text.as_bytes());
        let event = decoded.unwrap_or_else(|reject| panic!("{text}: {reject}"));
        assert_eq!(event.event_type(), event_type);
        assert_eq!(
            batch.unknown_fields, 0,
            "{text}: {:?}",
            batch.unknown_sample
        );
        assert_eq!(batch.bytes(event.raw), text.as_bytes());
        assert_eq!(batch.str(event.customer_id), "00004");
        assert_eq!(event.ts_ms, 1_777_629_600_000);
        assert_eq!(event.id_hash, xxhash_rust::xxh3::xxh3_64(b"e-1"));
    }
}

#[test]
fn the_shipped_purchases_decode() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/data/cdnow/purchases_sample.ndjson"
    );
    let mut batch = EventBatch::default();
    let mut minor = 0;
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let event = decode(
            line.as_bytes(),
            &context(Some(EventType::Purchase)),
            &mut batch,
        );
        let Body::Purchase { amount, .. } = event.unwrap().body else {
            panic!("{line}")
        };
        minor += amount.minor;
        batch.clear();
    }
    assert_eq!(minor, CDNOW_SAMPLE_CENTS);
    assert_eq!(batch.unknown_fields, 0);
}

#[test]
fn values_read_as_the_contract_says() {
    let (event, batch) = accepted("purchase", full(EventType::Purchase));
    let Body::Purchase {
        amount,
        discount_minor,
        quantity,
        order_id,
        channel,
    } = event.body
    else {
        panic!()
    };
    assert_eq!(
        (
            amount.minor,
            amount.original_minor,
            discount_minor,
            quantity
        ),
        (2933, 2933, 150, 2)
    );
    assert_eq!((batch.str(order_id), batch.str(channel)), ("o-1", "shop"));

    let (event, _) = accepted("refund", full(EventType::Refund));
    let Body::Refund { amount, .. } = event.body else {
        panic!()
    };
    assert_eq!(
        (
            amount.minor,
            amount.original_minor,
            amount.currency.as_str()
        ),
        (1320, 1200, "EUR")
    );

    let (event, batch) = accepted("support", full(EventType::Support));
    let Body::Support {
        ticket_id,
        action,
        complaint,
        kind,
        channel,
        csat,
        by_agent,
    } = event.body
    else {
        panic!()
    };
    assert_eq!(
        (action, complaint, csat, by_agent),
        (TicketAction::Rated, true, Some(2), true)
    );
    assert_eq!(
        [ticket_id, kind, channel].map(|s| batch.str(s)),
        ["t-1", "complaint", "mail"]
    );

    let (event, batch) = accepted("profile", full(EventType::Profile));
    let Body::Profile(profile) = event.body else {
        panic!()
    };
    assert_eq!(
        (batch.str(profile.name), profile.key),
        ("Müller \"& Söhne\"", Some(true))
    );

    let (event, _) = accepted("opening", full(EventType::Opening));
    let Body::Opening {
        t_first_ms,
        t_last_ms,
        n_days,
        orders,
        revenue,
    } = event.body
    else {
        panic!()
    };
    assert_eq!(
        (t_first_ms, t_last_ms),
        (1_577_836_800_000, 1_767_178_800_000)
    );
    assert_eq!((n_days, orders, revenue.minor), (12, 15, 123_450));

    let (event, _) = accepted("payment", full(EventType::Payment));
    let Body::Kept { amount, .. } = event.body else {
        panic!()
    };
    assert_eq!(amount.unwrap().minor, 11_000);
}

#[test]
fn of_the_web_only_intents_are_kept_as_they_came() {
    for (action, expected, kept) in [
        ("page_view", WebAction::PageView, false),
        ("cancel_page", WebAction::CancelPage, true),
        ("opt_out", WebAction::OptOut, true),
        ("export_data", WebAction::ExportData, true),
        ("cart_add", WebAction::CartAdd, true),
        ("waved_at_the_camera", WebAction::Other, false),
    ] {
        let (event, _) = accepted("web", &format!(r#""action":"{action}""#));
        let Body::Web { action: read, .. } = event.body else {
            panic!()
        };
        assert_eq!((read, event.raw.is_none()), (expected, !kept), "{action}");
    }
}

#[test]
fn amounts_are_exact() {
    let minor = |amount: &str, currency: &str| {
        let rest = format!(r#""amount":{amount},"currency":"{currency}""#);
        let Body::Purchase { amount, .. } = accepted("purchase", &rest).0.body else {
            panic!()
        };
        (amount.original_minor, amount.minor)
    };
    assert_eq!(minor("0.1", "USD"), (10, 10));
    assert_eq!(
        minor("9007199254740.993", "USD"),
        (900_719_925_474_099, 900_719_925_474_099)
    );
    assert_eq!(minor("\"1.005\"", "USD"), (100, 100));
    assert_eq!(minor("1.015", "USD"), (102, 102));
    assert_eq!(minor("1e2", "USD"), (10_000, 10_000));
    assert_eq!(minor("0.05", "EUR"), (5, 6)); // 5.5 cents, half to even
    assert_eq!(minor("0.15", "EUR"), (15, 16)); // 16.5 cents, half to even
    assert_eq!(minor("1000", "JPY"), (1000, 670));
    assert_eq!(minor("-0.0", "USD"), (0, 0));
}

#[test]
fn missing_and_empty_and_null() {
    let (event, batch) = accepted(
        "purchase",
        &format!(r#"{PURCHASE},"channel":null,"order_id":"""#),
    );
    let Body::Purchase {
        quantity,
        order_id,
        channel,
        ..
    } = event.body
    else {
        panic!()
    };
    assert_eq!(
        (quantity, order_id.is_none(), channel.is_none()),
        (1, true, true)
    );
    assert!(event.account_id.is_none() && event.origin.is_none());
    assert_eq!(batch.unknown_fields, 0);

    let mut batch = EventBatch::default();
    let text = format!(r#"{{{COMMON},"action":"login"}}"#);
    let event = decode(text.as_bytes(), &context(Some(EventType::Web)), &mut batch).unwrap();
    assert_eq!(event.event_type(), EventType::Web);
    refused(&text, Reason::UnknownType, "default type");
    // What the record says goes before the default.
    let text = record("rating", r#""nps":10"#);
    let event = decode(text.as_bytes(), &context(Some(EventType::Web)), &mut batch).unwrap();
    assert_eq!(event.event_type(), EventType::Rating);
}

#[test]
fn required_fields_are_missed_by_name() {
    for (event_type, fields) in [
        (EventType::Purchase, &["amount", "currency"][..]),
        (EventType::Refund, &["amount", "currency"]),
        (EventType::Support, &["ticket_id", "action"]),
        (EventType::Web, &["action"]),
        (
            EventType::Opening,
            &[
                "t_first", "t_last", "n_days", "orders", "revenue", "currency",
            ],
        ),
        (
            EventType::Invoice,
            &["invoice_id", "amount", "currency", "due"],
        ),
        (EventType::Payment, &["invoice_id", "amount", "currency"]),
        (EventType::ExtensionRequest, &["invoice_id"]),
        (EventType::Contact, &["direction", "kind"]),
        (EventType::Contract, &["start"]),
        (EventType::Rating, &["nps"]),
        (EventType::Delivery, &["order_id", "promised"]),
        (EventType::Usage, &["metric", "quantity"]),
        (EventType::Access, &["employee", "records"]),
    ] {
        for field in fields.iter().chain(&["event_id", "customer_id", "ts"]) {
            let text = record(event_type.name(), full(event_type));
            let name = format!("\"{field}\":");
            refused(
                &text.replacen(&name, "\"x\":", 1),
                Reason::MissingField,
                &format!("`{field}`"),
            );
        }
    }
    refused(&record("profile", ""), Reason::MissingField, "region");
    refused(
        &record("profile", r#""region":"""#),
        Reason::MissingField,
        "region",
    );
    refused(
        &record("support", r#""ticket_id":"t","action":"rated""#),
        Reason::MissingField,
        "csat",
    );
}

#[test]
fn wrong_values_are_refused_by_name() {
    let cases: &[(EventType, &str, &[&str])] = &[
        (
            EventType::Purchase,
            "event_id",
            &["1", "\"\"", "\"a\\u0000\"", "\"a\\n\"", "[]", "true"],
        ),
        (
            EventType::Purchase,
            "customer_id",
            &["4", "\"\"", "{}", "\"\\u007f\"", "\"\\u0085\""],
        ),
        (EventType::Purchase, "account_id", &["4", "\"\\t\""]),
        (EventType::Purchase, "source", &["4", "\"\\u001b[0m\""]),
        (
            EventType::Purchase,
            "ts",
            &[
                "1777629600",
                "\"2026-05-01\"",
                "\"2026-05-01T10:00:00\"",
                "\"2026-02-30T10:00:00Z\"",
                "\"yesterday\"",
            ],
        ),
        (
            EventType::Purchase,
            "amount",
            &[
                "-1",
                "\"-1\"",
                "\"NaN\"",
                "\"Infinity\"",
                "\"\"",
                "\"1e2\"",
                "\"1,50\"",
                "1e16",
                "1e999",
                "true",
                "[1]",
                "\" 1\"",
                "-0.01",
            ],
        ),
        (
            EventType::Purchase,
            "currency",
            &["\"usd\"", "\"US\"", "840", "\"\""],
        ),
        (
            EventType::Purchase,
            "quantity",
            &["0", "-1", "1.5", "\"2\"", "1000001", "1e99"],
        ),
        (EventType::Purchase, "discount", &["-1", "\"x\""]),
        (EventType::Purchase, "channel", &["1", "{}"]),
        (
            EventType::Purchase,
            "items",
            &["{}", "\"\"", "[1]", "[{\"qty\":0}]", "[{\"sku\":5}]"],
        ),
        (
            EventType::Purchase,
            "items",
            &["[{\"price\":-1}]", "[{\"launched\":\"soon\"}]", "[[]]"],
        ),
        (
            EventType::Purchase,
            "items",
            &["[{\"sku\":\"a\",\"sku\":\"b\"}]", "[null]"],
        ),
        (EventType::Refund, "amount", &["-5"]),
        (EventType::Support, "action", &["\"closed\"", "1"]),
        (EventType::Support, "ticket_id", &["1", "\"\""]),
        (EventType::Support, "csat", &["0", "6", "4.5", "\"5\""]),
        (EventType::Support, "expected", &["0", "6"]),
        (EventType::Support, "by", &["\"robot\"", "true"]),
        (EventType::Support, "wait_s", &["-1", "\"1\"", "1e13"]),
        (EventType::Support, "handling_min", &["-0.5"]),
        (EventType::Web, "action", &["\"\"", "7"]),
        (EventType::Web, "dwell_ms", &["-1", "\"12\""]),
        (EventType::Web, "url", &["7"]),
        (EventType::Profile, "key", &["\"yes\"", "1"]),
        (EventType::Profile, "name", &["1"]),
        (EventType::Opening, "n_days", &["0", "1.5", "1", "100000"]),
        (EventType::Opening, "orders", &["0", "11"]),
        (EventType::Opening, "revenue", &["-1"]),
        (
            EventType::Opening,
            "t_last",
            &["\"2019-12-31T00:00:00Z\"", "\"2025-12-31\""],
        ),
        (EventType::Invoice, "due", &["\"soon\"", "20260601"]),
        (EventType::Contact, "direction", &["\"sideways\""]),
        (EventType::Contact, "kind", &["\"telepathy\""]),
        (EventType::Contract, "signed", &["\"yes\"", "1"]),
        (EventType::Contract, "start", &["\"2026-13-01\""]),
        (EventType::Rating, "nps", &["-1", "11", "9.5"]),
        (EventType::Usage, "quantity", &["-1", "\"5\""]),
        (EventType::Usage, "metric", &["\"\""]),
        (EventType::Access, "records", &["-1", "0.5"]),
    ];
    for (event_type, field, values) in cases {
        for value in *values {
            refused(&with(*event_type, field, value), Reason::BadField, field);
        }
    }
}

/// The full record of a type with one field set to a JSON text.
fn with(event_type: EventType, field: &str, value: &str) -> String {
    let text = record(event_type.name(), full(event_type));
    let mut object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).unwrap();
    object.remove(field);
    let rest = serde_json::to_string(&object).unwrap();
    rest.replacen('{', &format!("{{\"{field}\":{value},"), 1)
}

#[test]
fn lengths_are_bytes() {
    for (event_type, field, max) in [
        (EventType::Purchase, "event_id", 64),
        (EventType::Purchase, "customer_id", 128),
        (EventType::Purchase, "account_id", 128),
        (EventType::Purchase, "legal_entity_id", 128),
        (EventType::Purchase, "source", 64),
        (EventType::Purchase, "order_id", 128),
        (EventType::Purchase, "channel", 256),
        (EventType::Support, "ticket_id", 128),
        (EventType::Support, "kind", 256),
        (EventType::Web, "url", 2048),
        (EventType::Web, "session_id", 128),
        (EventType::Profile, "name", 256),
        (EventType::Usage, "metric", 256),
    ] {
        let value = |len: usize| format!("\"{}\"", "é".repeat(len / 2) + &"x".repeat(len % 2));
        let (decoded, _) = read(with(event_type, field, &value(max)).as_bytes());
        assert!(decoded.is_ok(), "{field}: {decoded:?}");
        refused(
            &with(event_type, field, &value(max + 1)),
            Reason::TooLong,
            field,
        );
    }
    let items = format!("[{}]", vec!["{}"; 1001].join(","));
    refused(
        &with(EventType::Purchase, "items", &items),
        Reason::TooLong,
        "items",
    );
    let long = record(
        "web",
        &format!(r#""action":"login","x":"{}""#, "y".repeat(1 << 20)),
    );
    refused(&long, Reason::TooLong, "bytes");
}

#[test]
fn times_outside_the_product_and_currencies_without_rate() {
    for (ts, fits) in [
        ("1969-12-31T23:59:59.999Z", false),
        ("1970-01-01T00:00:00Z", true),
        ("2149-06-05T23:59:59.999Z", true),
        ("2149-06-06T00:00:00Z", false),
        ("9999-12-31T23:59:59Z", false),
        ("0000-01-01T00:00:00Z", false),
    ] {
        let text = with(EventType::Rating, "ts", &format!("\"{ts}\""));
        if fits {
            assert!(read(text.as_bytes()).0.is_ok(), "{ts}");
        } else {
            refused(&text, Reason::TimeRange, "`ts`");
        }
    }
    refused(
        &with(EventType::Purchase, "currency", "\"XAU\""),
        Reason::UnknownCurrency,
        "[rates]",
    );
    refused(&record("party", ""), Reason::UnknownType, "party");
    refused(&record("", ""), Reason::UnknownType, "purchase");
    refused(
        &with(EventType::Rating, "type", "7"),
        Reason::UnknownType,
        "7",
    );
}

#[test]
fn unknown_fields_are_counted_and_twins_refused() {
    let (_, batch) = accepted(
        "rating",
        r#""nps":1,"colour":"red","amount":"not checked","x":{}"#,
    );
    assert_eq!(
        (batch.unknown_fields, batch.unknown_sample.as_deref()),
        (3, Some("colour"))
    );
    let (_, batch) = accepted("rating", r#""nps":1,"amount":"not checked""#);
    assert_eq!(
        (batch.unknown_fields, batch.unknown_sample.as_deref()),
        (1, Some("amount"))
    );
    let (_, batch) = accepted(
        "purchase",
        &format!(r#"{PURCHASE},"items":[{{"colour":1}}]"#),
    );
    assert_eq!(batch.unknown_fields, 1);
    refused(
        &record("rating", r#""nps":1,"nps":1"#),
        Reason::BadField,
        "`nps`",
    );
    refused(
        &record("rating", r#""nps":1,"np\u0073":null"#),
        Reason::BadField,
        "`nps`",
    );
    // A refused record counts nothing.
    let mut batch = EventBatch::default();
    let text = record("rating", r#""nps":11,"colour":"red""#);
    assert!(decode(text.as_bytes(), &context(None), &mut batch).is_err());
    assert_eq!((batch.unknown_fields, batch.unknown_sample), (0, None));
}

#[test]
fn what_is_not_one_json_object() {
    let good = record("rating", r#""nps":1"#);
    assert!(read(format!(" \n{good}\t ").as_bytes()).0.is_ok());
    let bomb = "[".repeat(100_000);
    let nested = format!("{}{}", "[".repeat(65), "]".repeat(65));
    for text in [
        "",
        " ",
        "null",
        "[]",
        "7",
        "\"x\"",
        "{",
        "{]",
        "{\"event_id\"}",
        &format!("\u{feff}{good}"),
        &format!("{good}{good}"),
        &format!("{good},"),
        &good.replace("}", ",}"),
        &good.replace("1}", "01}"),
        &good.replace("1}", "NaN}"),
        &good.replace("e-1", "e-\n1"),
        &bomb,
        &record("rating", &format!(r#""nps":1,"x":{nested}"#)),
        &record("rating", &format!(r#""nps":1,"x":{bomb}"#)),
    ] {
        refused(text, Reason::BadJson, "JSON");
    }
    let mut bytes = good.into_bytes();
    let at = bytes.iter().position(|b| *b == b'e').unwrap();
    bytes[at] = 0xff;
    assert_eq!(read(&bytes).0.unwrap_err().reason, Reason::BadJson);
    let lone = with(EventType::Rating, "customer_id", r#""\ud800""#);
    refused(&lone, Reason::BadField, "customer_id");
}

#[test]
fn details_show_little_and_no_control_characters() {
    let text = with(
        EventType::Purchase,
        "amount",
        &format!("\"{}\"", "\u{1b}é".repeat(500)),
    );
    // JSON itself refuses raw control characters; escaped ones get through to the detail.
    let reject = read(text.replace('\u{1b}', "\\u001b").as_bytes())
        .0
        .unwrap_err();
    assert!(reject.detail.len() <= Reject::DETAIL_BYTES_MAX);
    assert!(
        !reject.detail.contains(char::is_control),
        "{}",
        reject.detail
    );
}

/// A small generator (xorshift64*, Vigna 2016), so that a failure repeats.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        high as usize % below
    }
}

const PIECES: &[&[u8]] = &[
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\",
    b"\\u",
    b"\\ud83d",
    b"null",
    b"true",
    b"-",
    b"1e999",
    b"0",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\0",
    b"\n",
    b"NaN",
    b"1e-400",
    b"99999999999999999999",
    b"\"amount\":",
    b"\"ts\":",
    b"2026-02-30T25:61:61Z",
    b"\xe2\x82\xac",
    b".",
    b"+",
    b"\"type\":\"web\"",
];

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len() + 1);
        match dice.roll(6) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = dice.roll(256) as u8,
            2 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            3 => {
                let end = (at + dice.roll(12)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + dice.roll(40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = dice.roll(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            _ => {
                let piece = PIECES[dice.roll(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}

/// 200,000 damaged records, and as many runs of arbitrary pieces: one verdict each, no panic, no trace of a refused
/// record in the batch, and every span of an accepted one inside it.
#[test]
fn nothing_panics_and_rejects_leave_no_trace() {
    let rounds = if std::env::var_os("RETAIN_SOAK").is_some() {
        5_000_000
    } else {
        200_000
    };
    let good: Vec<_> = EventType::ALL
        .iter()
        .map(|t| record(t.name(), full(*t)).into_bytes())
        .collect();
    let mut dice = Dice(0x5EED_0001);
    let mut batch = EventBatch::default();
    let (mut accepted, mut by_reason) = (0_u32, std::collections::BTreeMap::new());
    for round in 0..rounds {
        let bytes = if round % 8 == 7 {
            (0..dice.roll(12))
                .flat_map(|_| PIECES[dice.roll(PIECES.len())].to_vec())
                .collect()
        } else {
            let mut bytes = good[dice.roll(good.len())].clone();
            mutate(&mut bytes, &mut dice);
            bytes
        };
        let before = (batch.len_bytes(), batch.unknown_fields);
        match decode(&bytes, &context(None), &mut batch) {
            Ok(event) => {
                accepted += 1;
                assert!((1..=64).contains(&batch.bytes(event.event_id).len()));
                assert!((1..=128).contains(&batch.bytes(event.customer_id).len()));
                let raw = batch.bytes(event.raw);
                assert!(raw == bytes || (raw.is_empty() && event.event_type() == EventType::Web));
            }
            Err(reject) => {
                assert_eq!((batch.len_bytes(), batch.unknown_fields), before);
                assert!(
                    reject.detail.len() <= Reject::DETAIL_BYTES_MAX && !reject.detail.is_empty()
                );
                *by_reason.entry(reject.reason.name()).or_insert(0_u32) += 1;
            }
        }
        if batch.len_bytes() > 1 << 20 {
            batch.clear();
        }
    }
    // The mutations reach every corner: neither all refused nor all for one reason.
    assert!(accepted as usize > rounds / 50, "{accepted} accepted");
    for reason in [
        "bad_json",
        "missing_field",
        "bad_field",
        "unknown_type",
        "time_range",
    ] {
        assert!(
            by_reason.contains_key(reason),
            "{reason} never seen: {by_reason:?}"
        );
    }
}
