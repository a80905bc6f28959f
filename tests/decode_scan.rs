//! The fast decoder against the one by `serde_json`: the same event with the same texts, or the same reject.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/dice.rs"]
mod dice;
mod records;

use dice::Dice;
use proptest::prelude::*;
use records::{context, full, record};
use retain::decode::{decode, decode_by_serde};
use retain::model::batch::EventBatch;
use retain::model::event::{Body, Event, EventType, Item, Span};
use retain::model::outcome::Reject;
use serde_json::{Map, Value, json};

/// What a decoder made of a record, with texts for spans.
#[derive(Debug, PartialEq)]
struct Made {
    event: Result<(Event, Vec<String>, Vec<Item>), Reject>,
    unknown: (u64, Option<String>),
    empty: bool,
}

/// Takes the text of a span, and leaves only whether there is one.
fn spell(batch: &EventBatch, texts: &mut Vec<String>, span: &mut Span) {
    texts.push(batch.str(*span).to_owned());
    assert_eq!(span.len as usize, batch.bytes(*span).len(), "a span outside its batch");
    *span = Span { start: 0, len: u32::from(!span.is_none()) };
}

fn spell_event(batch: &EventBatch, mut event: Event) -> (Event, Vec<String>, Vec<Item>) {
    let (mut texts, mut lines) = (Vec::new(), Vec::new());
    let e = &mut event;
    let mut spans = vec![
        &mut e.event_id,
        &mut e.customer_id,
        &mut e.account_id,
        &mut e.legal_entity_id,
        &mut e.origin,
        &mut e.raw,
    ];
    match &mut e.body {
        Body::Purchase { order_id, channel, items, .. } => {
            spans.extend([order_id, channel]);
            lines = batch.items(*items).to_vec();
            assert_eq!(lines.len(), items.len as usize);
            items.start = 0;
        }
        Body::Support { ticket_id, kind_text, channel, priority, .. } => {
            spans.extend([ticket_id, kind_text, channel, priority]);
        }
        Body::Web { session_id, category, .. } => spans.extend([session_id, category]),
        Body::Profile(p) => spans.extend([
            &mut p.region,
            &mut p.industry,
            &mut p.segment,
            &mut p.owner_id,
            &mut p.name,
        ]),
        Body::Refund { order_id: text, .. }
        | Body::Invoice { invoice_id: text, .. }
        | Body::Payment { invoice_id: text, .. }
        | Body::ExtensionRequest { invoice_id: text }
        | Body::Contact { employee: text, .. }
        | Body::Delivery { order_id: text, .. }
        | Body::Usage { metric: text, .. }
        | Body::Access { employee: text, .. } => spans.push(text),
        Body::Opening { .. } | Body::Contract { .. } | Body::Referral | Body::Rating { .. } => {}
    }
    spans.into_iter().for_each(|span| spell(batch, &mut texts, span));
    lines.iter_mut().for_each(|line| spell(batch, &mut texts, &mut line.category));
    (event, texts, lines)
}

type Decoder =
    fn(&[u8], &retain::decode::DecodeContext<'_>, &mut EventBatch) -> Result<Event, Reject>;

fn made(decoder: Decoder, default_type: Option<EventType>, record: &[u8]) -> Made {
    let mut batch = EventBatch::default();
    let decoded = decoder(record, &context(default_type), &mut batch);
    Made {
        event: decoded.map(|event| spell_event(&batch, event)),
        unknown: (batch.unknown_fields, batch.unknown_sample.clone()),
        empty: batch.len_bytes() == 0,
    }
}

/// Holds one record against both; whether it was accepted.
fn agree(default_type: Option<EventType>, record: &[u8]) -> bool {
    let fast = made(decode, default_type, record);
    let slow = made(decode_by_serde, default_type, record);
    assert_eq!(fast, slow, "{}", String::from_utf8_lossy(record));
    assert_eq!(fast.empty, fast.event.is_err());
    fast.event.is_ok()
}

const PIECES: &[&str] = &[
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    " ",
    "  ",
    "\t",
    "\n",
    "\\",
    "\\u",
    "\\n",
    "\\ud83d",
    "null",
    "true",
    "fals",
    "-",
    "-0",
    "0",
    "01",
    "1.",
    ".5",
    "1e5",
    "1E+2",
    "1e999",
    "NaN",
    "é",
    "\u{7f}",
    "\u{85}",
    "\0",
    "\"amount\":",
    "\"x\":1,",
    "\"x\":{\"y\":[]},",
    "\"ts\":null,",
    "\"web\"",
    "{\"qty\":1}",
    ",{}",
    "\"items\":[]",
    "\"items\":[{\"sku\":\"a\"}],",
    "2026-02-30",
    "\"\"",
];

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.roll(bytes.len() + 1);
    let end = (at + dice.roll(30)).min(bytes.len());
    match dice.roll(8) {
        0 => bytes.truncate(at),
        1 if at < bytes.len() => bytes[at] = dice.roll(256) as u8,
        2 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let copy = bytes[at..end].to_vec();
            let to = dice.roll(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        // in place of a value, and where a field begins
        5 | 6 => {
            let borders: Vec<usize> =
                (0..bytes.len()).filter(|i| matches!(bytes[*i], b':' | b',' | b'{')).collect();
            if !borders.is_empty() {
                let from = borders[dice.roll(borders.len())] + 1;
                let len = bytes[from..].iter().position(|b| matches!(b, b',' | b'}' | b'"'));
                let to = if dice.roll(2) == 0 { from } else { from + len.unwrap_or(0) };
                bytes.splice(from..to, PIECES[dice.roll(PIECES.len())].bytes());
            }
        }
        _ => drop(bytes.splice(at..at, PIECES[dice.roll(PIECES.len())].bytes())),
    }
}

#[test]
fn both_agree_on_damaged_records() {
    let rounds = if std::env::var_os("RETAIN_SOAK").is_some() { 5_000_000 } else { 200_000 };
    let mut good: Vec<_> =
        EventType::ALL.iter().map(|t| record(t.name(), full(*t)).into_bytes()).collect();
    // purchases come in more shapes than any other
    for rest in [
        r#""amount":1,"currency":"USD","items":[ {"qty":3 , "x":[1,{"a":null}]} ,{"price":0.5},{}]"#,
        r#""items":[{"category":"été","launched":"2026-01-01T00:00:00Z"}],"currency":"EUR","amount":"7.5""#,
        r#""amount":12.25,"currency":"JPY","order_id":"","channel":null,"quantity":2.0,"items":[]"#,
    ] {
        good.push(record("purchase", rest).into_bytes());
    }
    let plain = r#""region":"north","owner_id":"u-1","key":false,"name":"Müller","segment":"""#;
    good.push(record("profile", plain).into_bytes());
    let mut dice = Dice(0x5EED_0003);
    let mut accepted = 0;
    for _ in 0..rounds {
        let mut bytes = good[dice.roll(good.len())].clone();
        for _ in 0..dice.roll(4) {
            mutate(&mut bytes, &mut dice);
        }
        let default_type = EventType::ALL.get(dice.roll(40)).copied();
        accepted += usize::from(agree(default_type, &bytes));
    }
    assert!((rounds / 10..rounds * 9 / 10).contains(&accepted), "{accepted} accepted");
}

#[test]
fn both_agree_at_every_length_and_place_of_a_block() {
    for event_type in EventType::ALL {
        let text = record(event_type.name(), full(event_type));
        for pad in 0..130 {
            // in front, between two fields, inside a text, and behind
            assert!(agree(None, format!("{}{text}", " ".repeat(pad)).as_bytes()));
            assert!(agree(None, format!("{text}{}", " ".repeat(pad)).as_bytes()));
            assert!(agree(
                None,
                text.replacen(',', &format!(",{}", " ".repeat(pad)), 1).as_bytes()
            ));
            let unknown = format!("{{\"x\":\"{}\",", "y".repeat(pad));
            assert!(agree(None, text.replacen('{', &unknown, 1).as_bytes()));
        }
        for end in 0..text.len() {
            assert!(!agree(None, &text.as_bytes()[..end]));
        }
    }
}

#[test]
fn both_agree_on_depth() {
    for depth in [1, 2, 63, 64, 65, 127, 128, 129, 5_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let inner = if open == "[" { "" } else { "1" };
            let nested = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            let text = record("rating", &format!(r#""nps":1,"x":{nested}"#));
            assert_eq!(agree(None, text.as_bytes()), depth <= 64, "{depth}");
        }
    }
    for count in [999, 1_000, 1_001] {
        let items = vec!["{}"; count].join(",");
        let rest = format!(r#""amount":1,"currency":"USD","items":[{items}]"#);
        assert_eq!(agree(None, record("purchase", &rest).as_bytes()), count <= 1_000);
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0_u32..200).prop_map(Value::from),
        "[a-z0-9 .:-]{0,12}".prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!("2026-05-01T10:00:00.5+02:00")),
        Just(json!("12.50")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("sku|category|qty|price|launched|x", inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Good records with some fields replaced or added, compact and spread over lines.
    #[test]
    fn both_agree_on_any_values(
        event_type in prop::sample::select(EventType::ALL.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), value()), 0..4),
        name in "[a-z_]{0,18}|é|items|amount|type|source|account_id",
        extra in value(),
    ) {
        let text = record(event_type.name(), full(event_type));
        let mut object: Map<String, Value> = serde_json::from_str(&text).unwrap();
        object.remove("name"); // the only escape
        for (at, value) in changes {
            let names: Vec<String> = object.keys().cloned().collect();
            object.insert(names[at.index(names.len())].clone(), value);
        }
        object.insert(name, extra);
        agree(None, serde_json::to_string(&object).unwrap().as_bytes());
        agree(Some(event_type), serde_json::to_string_pretty(&object).unwrap().as_bytes());
    }
}
