//! The event contract, case by case: what is accepted and how it reads, what is refused and why.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod records;

use records::{context, full, record};
use retain::decode::decode;
use retain::model::batch::EventBatch;
use retain::model::event::{Body, Event, EventType, TicketAction, TicketKind, WebAction};
use retain::model::outcome::{Reason, Reject};

fn read(payload: &[u8]) -> (Result<Event, Reject>, EventBatch) {
    let mut batch = EventBatch::default();
    let decoded = decode(payload, &context(None), &mut batch);
    (decoded, batch)
}

fn accepted(event_type: &str, rest: &str) -> (Event, EventBatch) {
    let text = record(event_type, rest);
    let (decoded, batch) = read(text.as_bytes());
    (decoded.unwrap_or_else(|reject| panic!("{text}: {reject}")), batch)
}

/// The reason of a refused record, and a word that its detail must have.
fn refused(text: &str, reason: Reason, word: &str) {
    let (decoded, batch) = read(text.as_bytes());
    let reject = decoded.expect_err(text);
    assert_eq!(reject.reason, reason, "{text}: {reject}");
    assert!(reject.detail.contains(word), "{text}: `{}` does not say `{word}`", reject.detail);
    assert_eq!(batch.len_bytes(), 0, "{text}");
}

/// The sum of the amounts in data/cdnow/purchases_sample.ndjson, by Python's `decimal`.
const CDNOW_SAMPLE_CENTS: i64 = 24_409_194;
const PURCHASE: &str = r#""amount":"29.33","currency":"USD""#;

#[test]
fn every_type_is_accepted_with_all_its_fields() {
    for event_type in EventType::ALL {
        let text = record(event_type.name(), full(event_type));
        let (decoded, batch) = read(text.as_bytes());
        let event = decoded.unwrap_or_else(|reject| panic!("{text}: {reject}"));
        assert_eq!(event.event_type(), event_type);
        assert_eq!(batch.unknown_fields, 0, "{text}: {:?}", batch.unknown_sample);
        assert_eq!(batch.bytes(event.raw), text.as_bytes());
        assert_eq!(batch.str(event.customer_id), "00004");
        assert_eq!(event.ts_ms, 1_777_629_600_000);
        assert_eq!(event.id_hash, xxhash_rust::xxh3::xxh3_64(b"e-1"));
    }
}

#[test]
fn the_documented_examples_decode() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut seen = 0;
    for line in text.lines().filter(|line| line.starts_with("{\"event_id\"")) {
        let (decoded, batch) = read(line.as_bytes());
        decoded.unwrap_or_else(|reject| panic!("{line}: {reject}"));
        assert_eq!(batch.unknown_fields, 0, "{line}");
        seen += 1;
    }
    // The further types stand in a table: | `type` | required | optional | `fields` |
    for row in text.lines().filter(|line| line.starts_with("| `") && line.ends_with("` |")) {
        let mut cells = row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`'));
        let name = cells.next().unwrap();
        let fields = cells.next_back().unwrap();
        if EventType::parse(name).is_some() {
            accepted(name, fields);
            seen += 1;
        }
    }
    assert_eq!(seen, EventType::ALL.len());
    for reason in ["bad_json", "missing_field", "too_long", "time_range"] {
        assert!(text.contains(&format!("| `{reason}` |")), "{reason}");
    }
}

#[test]
fn the_shipped_purchases_decode() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cdnow/purchases_sample.ndjson");
    let mut batch = EventBatch::default();
    let mut minor = 0;
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let event = decode(line.as_bytes(), &context(Some(EventType::Purchase)), &mut batch);
        let Body::Purchase { amount, .. } = event.unwrap().body else { panic!("{line}") };
        minor += amount.minor;
        batch.clear();
    }
    assert_eq!(minor, CDNOW_SAMPLE_CENTS);
    assert_eq!(batch.unknown_fields, 0);
}

#[test]
fn values_read_as_the_contract_says() {
    let (event, batch) = accepted("purchase", full(EventType::Purchase));
    let Body::Purchase { amount, discount_minor, quantity, order_id, channel, .. } = event.body
    else {
        panic!()
    };
    assert_eq!(
        (amount.minor, amount.original_minor, discount_minor, quantity),
        (2933, 2933, 150, 2)
    );
    assert_eq!((batch.str(order_id), batch.str(channel)), ("o-1", "shop"));

    let (event, _) = accepted("refund", full(EventType::Refund));
    let Body::Refund { amount, .. } = event.body else { panic!() };
    assert_eq!(
        (amount.minor, amount.original_minor, amount.currency.as_str()),
        (1320, 1200, "EUR")
    );

    let (event, batch) = accepted("support", full(EventType::Support));
    let Body::Support { ticket_id, action, kind, kind_text, channel, priority, .. } = event.body
    else {
        panic!()
    };
    assert_eq!((action, kind), (TicketAction::Rated, Some(TicketKind::Complaint)));
    let texts = [ticket_id, kind_text, channel, priority].map(|s| batch.str(s));
    assert_eq!(texts, ["t-1", "complaint", "mail", "high"]);
    let Body::Support { csat, expected, by_agent, wait_s, handling_min, .. } = event.body else {
        panic!()
    };
    assert_eq!((csat, expected, by_agent), (Some(2), Some(4), true));
    assert_eq!((wait_s, handling_min), (Some(12.5), Some(3.0)));

    let (event, batch) = accepted("profile", full(EventType::Profile));
    let Body::Profile(profile) = event.body else { panic!() };
    assert_eq!((batch.str(profile.name), profile.key), ("Müller \"& Söhne\"", Some(true)));

    let (event, _) = accepted("opening", full(EventType::Opening));
    let Body::Opening { t_first_ms, t_last_ms, n_days, orders, revenue } = event.body else {
        panic!()
    };
    assert_eq!((t_first_ms, t_last_ms), (1_577_836_800_000, 1_767_178_800_000));
    assert_eq!((n_days, orders, revenue.minor), (12, 15, 123_450));
}

#[test]
fn actions_of_the_web_are_told_apart() {
    for (action, expected) in [
        ("page_view", WebAction::PageView),
        ("cancel_page", WebAction::CancelPage),
        ("opt_out", WebAction::OptOut),
        ("export_data", WebAction::ExportData),
        ("cart_add", WebAction::CartAdd),
        ("waved_at_the_camera", WebAction::Other),
    ] {
        let (event, _) = accepted("web", &format!(r#""action":"{action}""#));
        let Body::Web { action: read, .. } = event.body else { panic!() };
        assert_eq!(read, expected, "{action}");
    }
}

#[test]
fn amounts_are_exact() {
    let minor = |amount: &str, currency: &str| {
        let rest = format!(r#""amount":{amount},"currency":"{currency}""#);
        let Body::Purchase { amount, .. } = accepted("purchase", &rest).0.body else { panic!() };
        (amount.original_minor, amount.minor)
    };
    assert_eq!(minor("0.1", "USD"), (10, 10));
    assert_eq!(minor("9007199254740.993", "USD"), (900_719_925_474_099, 900_719_925_474_099));
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
    let (event, batch) =
        accepted("purchase", &format!(r#"{PURCHASE},"channel":null,"order_id":"""#));
    let Body::Purchase { quantity, order_id, channel, .. } = event.body else { panic!() };
    assert_eq!((quantity, order_id.is_none(), channel.is_none()), (1, true, true));
    assert!(event.account_id.is_none() && event.origin.is_none());
    assert_eq!(batch.unknown_fields, 0);

    let mut batch = EventBatch::default();
    let text = record("web", r#""action":"login""#).replace(r#""type":"web","#, "");
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
        (EventType::Opening, &["t_first", "t_last", "n_days", "orders", "revenue", "currency"]),
        (EventType::Invoice, &["invoice_id", "amount", "currency", "due"]),
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
    refused(&record("profile", r#""region":"""#), Reason::MissingField, "region");
    refused(
        &record("support", r#""ticket_id":"t","action":"rated""#),
        Reason::MissingField,
        "csat",
    );
}

#[test]
fn wrong_values_are_refused_by_name() {
    let cases: &[(EventType, &str, &[&str])] = &[
        (EventType::Purchase, "event_id", &["1", "\"\"", "\"a\\u0000\"", "\"a\\n\"", "[]", "true"]),
        (EventType::Purchase, "customer_id", &["4", "\"\"", "{}", "\"\\u007f\"", "\"\\u0085\""]),
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
        (EventType::Purchase, "currency", &["\"usd\"", "\"US\"", "840", "\"\""]),
        (EventType::Purchase, "quantity", &["0", "-1", "1.5", "\"2\"", "1000001", "1e99"]),
        (EventType::Purchase, "discount", &["-1", "\"x\""]),
        (EventType::Purchase, "channel", &["1", "{}"]),
        (EventType::Purchase, "items", &["{}", "\"\"", "[1]", "[{\"qty\":0}]", "[{\"sku\":5}]"]),
        (EventType::Purchase, "items", &["[{\"price\":-1}]", "[{\"launched\":\"soon\"}]", "[[]]"]),
        (EventType::Purchase, "items", &["[{\"sku\":\"a\",\"sku\":\"b\"}]", "[null]"]),
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
        (EventType::Opening, "t_last", &["\"2019-12-31T00:00:00Z\"", "\"2025-12-31\""]),
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
        refused(&with(event_type, field, &value(max + 1)), Reason::TooLong, field);
    }
    let items = format!("[{}]", vec!["{}"; 1001].join(","));
    refused(&with(EventType::Purchase, "items", &items), Reason::TooLong, "items");
    let long = record("web", &format!(r#""action":"login","x":"{}""#, "y".repeat(1 << 20)));
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
    refused(&with(EventType::Purchase, "currency", "\"XAU\""), Reason::UnknownCurrency, "[rates]");
    refused(&record("party", ""), Reason::UnknownType, "party");
    refused(&record("", ""), Reason::UnknownType, "purchase");
    refused(&with(EventType::Rating, "type", "7"), Reason::UnknownType, "7");
}

#[test]
fn unknown_fields_are_counted_and_twins_refused() {
    let (_, batch) = accepted("rating", r#""nps":1,"colour":"red","amount":"not checked","x":{}"#);
    assert_eq!((batch.unknown_fields, batch.unknown_sample.as_deref()), (3, Some("colour")));
    let (_, batch) = accepted("rating", r#""nps":1,"amount":"not checked""#);
    assert_eq!((batch.unknown_fields, batch.unknown_sample.as_deref()), (1, Some("amount")));
    let (_, batch) = accepted("purchase", &format!(r#"{PURCHASE},"items":[{{"colour":1}}]"#));
    assert_eq!(batch.unknown_fields, 1);
    refused(&record("rating", r#""nps":1,"nps":1"#), Reason::BadField, "`nps`");
    refused(&record("rating", r#""nps":1,"np\u0073":null"#), Reason::BadField, "`nps`");
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
    let text = with(EventType::Purchase, "amount", &format!("\"{}\"", "\u{1b}é".repeat(500)));
    // JSON itself refuses raw control characters; escaped ones get through to the detail.
    let reject = read(text.replace('\u{1b}', "\\u001b").as_bytes()).0.unwrap_err();
    assert!(reject.detail.len() <= Reject::DETAIL_BYTES_MAX);
    assert!(!reject.detail.contains(char::is_control), "{}", reject.detail);
}
