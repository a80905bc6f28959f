//! The published JSON Schemas and the decoder accept the same records. What a schema cannot express is listed
//! in [`beyond_schemas`], and each entry of that list must be met at least once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/dice.rs"]
mod dice;

use std::collections::BTreeMap;

use dice::Dice;
use jsonschema::Validator;
use retain::decode::{DecodeContext, decode};
use retain::model::batch::EventBatch;
use retain::model::event::EventType;
use retain::model::money::{Currency, Rate};
use retain::model::outcome::{Reason, Reject};
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

const RATES: &[(Currency, Rate)] =
    &[(Currency(*b"EUR"), Rate { digits: 11, scale: 1 }), (Currency(*b"USD"), Rate::ONE)];

struct Contract {
    event_type: EventType,
    schema: Value,
    validator: Validator,
}

fn contracts() -> Vec<Contract> {
    let load = |event_type: EventType| {
        let root = env!("CARGO_MANIFEST_DIR");
        let path = format!("{root}/config/schemas/{}.json", event_type.name());
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        jsonschema::meta::validate(&schema).unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        Contract { event_type, schema, validator }
    };
    EventType::ALL.map(load).into()
}

impl Contract {
    fn example(&self) -> Object {
        self.schema["examples"][0].as_object().unwrap().clone()
    }

    fn fields(&self) -> Vec<String> {
        self.schema["properties"].as_object().unwrap().keys().cloned().collect()
    }
}

/// Decodes a record of a source whose default type is `event_type`.
fn decoded(event_type: EventType, text: &str) -> Result<u64, Reject> {
    let mut batch = EventBatch::default();
    let reporting = Currency(*b"USD");
    let context = DecodeContext { default_type: Some(event_type), reporting, rates: RATES };
    decode(text.as_bytes(), &context, &mut batch).map(|_| batch.unknown_fields)
}

/// Why a record that fits its schema may still be refused.
fn beyond_schemas(reject: &Reject) -> Option<&'static str> {
    let says = |words: &str| reject.detail.contains(words);
    match reject.reason {
        Reason::UnknownCurrency => Some("the definition has no rate for the currency"),
        Reason::TimeRange => Some("the time lies before 1970 or after 2149"),
        Reason::TooLong => Some("lengths count bytes, and schemas characters"),
        Reason::BadField if says("1e15 minor units") => Some("the limit depends on the currency"),
        Reason::BadField if says("t_first at or before") => Some("t_last before t_first"),
        Reason::BadField if says("the opening's ts at or after") => Some("t_last after ts"),
        Reason::BadField if says("`n_days`") && says("t_first") => {
            Some("n_days does not fit its span")
        }
        Reason::BadField if says("less than `n_days`") => Some("fewer orders than purchase days"),
        _ => None,
    }
}

/// Holds one record against both. `met` counts the differences that no schema can express.
fn compare(
    contracts: &[Contract],
    contract: &Contract,
    object: Object,
    met: &mut BTreeMap<&'static str, u32>,
) -> bool {
    // A record that names another type is a matter of that type's schema.
    let named = object.get("type").and_then(Value::as_str).and_then(EventType::parse);
    let contract = contracts.iter().find(|c| Some(c.event_type) == named).unwrap_or(contract);
    let value = Value::Object(object);
    let text = serde_json::to_string(&value).unwrap();
    let valid = contract.validator.is_valid(&value);
    match decoded(contract.event_type, &text) {
        Ok(_) => {
            let errors: Vec<_> =
                contract.validator.iter_errors(&value).map(|e| e.to_string()).collect();
            assert!(valid, "the decoder accepts what the schema refuses: {text}\n{errors:?}");
            true
        }
        Err(reject) => {
            if valid {
                let Some(why) = beyond_schemas(&reject) else {
                    panic!("the schema accepts what the decoder refuses: {text}\n{reject}");
                };
                *met.entry(why).or_default() += 1;
            }
            false
        }
    }
}

/// Values that lie at or beyond some border of some field.
fn pool() -> Vec<Value> {
    let numbers = [0_i64, 1, 2, 5, 6, 10, 11, 12, 15, 1_000_000, 1_000_001, 1_000_000_000_000, -1];
    let doubles = [0.5, 1.5, 2.0, -0.0, -0.5, 1e3, 1e13, 1e16, 1e300, 1e-300];
    let words = [
        "",
        "x",
        "1",
        "1.50",
        "-1",
        "-0",
        "1e2",
        ".5",
        "1.",
        "01",
        " 1",
        "NaN",
        "Infinity",
        "EUR",
        "USD",
        "XAU",
        "usd",
        "Euro",
        "opened",
        "rated",
        "replied",
        "complaint",
        "agent",
        "customer",
        "in",
        "out",
        "visit",
        "mail",
        "page_view",
        "purchase",
        "web",
        "true",
        "null",
        "2026-05-01",
        "2026-02-29",
        "2024-02-29",
        "2026-5-1",
        "1969-12-31",
        "2149-06-06",
        "2026-05-01T10:00:00Z",
        "a\u{0}",
        "a\nb",
        "\u{7f}",
        "\u{85}",
        "quote \" and \\",
        "2019-05-01T10:00:00.123456789+14:00",
        "2026-05-01t10:00:00z",
        "2026-05-01 10:00:00Z",
        "2026-05-01T10:00:00",
        "2026-05-01T24:00:00Z",
        "2026-05-01T10:00:00+24:00",
        "2016-12-31T23:59:60Z",
        "2016-12-31T22:59:60Z",
        "2016-12-31T22:59:60-01:00",
        "2026-05-01T10:00Z",
        "2026-05-01T10:00:00.Z",
        "0000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2149-06-06T00:00:00Z",
        "2026-05-01T10:00:00-00:00",
        "2026-05-01T10:00:00+0100",
    ];
    let lengths = [64, 65, 128, 129, 256, 257, 2_048, 2_049];
    let item = |field: &str, value: Value| json!([{ field: value }]);
    let items = [
        json!([]),
        json!([{}]),
        json!([null]),
        json!([1]),
        json!({}),
        json!([[]]),
        json!([{}, {"colour": 1}]),
        item("sku", json!(1)),
        item("sku", json!("s".repeat(129))),
        item("category", json!("")),
        item("qty", json!(0)),
        item("qty", json!(2.0)),
        item("price", json!("1.5")),
        item("price", json!(-1)),
        item("price", json!(null)),
        item("launched", json!("2026-01-01")),
        item("launched", json!("soon")),
        json!(vec![json!({}); 1_000]),
        json!(vec![json!({}); 1_001]),
    ];
    let mut pool = vec![json!(null), json!(true), json!(false)];
    pool.extend(numbers.map(Value::from));
    pool.extend(doubles.map(Value::from));
    pool.extend(words.map(Value::from));
    pool.extend(lengths.map(|len| Value::from("y".repeat(len))));
    pool.extend(lengths.map(|len| Value::from("é".repeat(len / 2 + 1))));
    pool.extend(["9".repeat(14), "9".repeat(36), "9".repeat(37)].map(Value::from));
    pool.extend(items);
    pool
}

#[test]
fn schemas_name_their_type_and_their_examples_decode() {
    for contract in contracts() {
        let name = contract.event_type.name();
        assert_eq!(contract.schema["$id"], format!("urn:retain:event:{name}"));
        let example = contract.example();
        assert_eq!(example["type"], name);
        // Every field of the schema is one the decoder knows for this type, and the other way round (below).
        for field in contract.fields() {
            assert!(example.contains_key(&field), "{name}: the example lacks `{field}`");
        }
        let text = serde_json::to_string(&example).unwrap();
        assert_eq!(decoded(contract.event_type, &text), Ok(0), "{text}");
        assert!(contract.validator.is_valid(&Value::Object(example)));
    }
}

/// A field that a type's schema does not describe is a stranger to the decoder as well.
#[test]
fn no_type_reads_fields_its_schema_does_not_describe() {
    let contracts = contracts();
    let mut all: Vec<String> = contracts.iter().flat_map(Contract::fields).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 53);
    for contract in &contracts {
        let known = contract.fields();
        for field in all.iter().filter(|field| !known.contains(field)) {
            let mut object = contract.example();
            object.insert(field.clone(), json!({"any": "thing"}));
            let text = serde_json::to_string(&object).unwrap();
            assert_eq!(decoded(contract.event_type, &text), Ok(1), "{text}");
        }
    }
}

#[test]
fn schemas_and_decoder_agree() {
    let (pool, contracts) = (pool(), contracts());
    let mut met = BTreeMap::new();
    let (mut accepted, mut refused) = (0_u32, 0_u32);
    let mut dice = Dice(0x5EED_0002);
    for contract in &contracts {
        let fields = contract.fields();
        // One field at a time: every value of the pool, and none.
        for field in &fields {
            for value in pool.iter().map(Some).chain([None]) {
                let mut object = contract.example();
                match value {
                    Some(value) => object.insert(field.clone(), value.clone()),
                    None => object.remove(field),
                };
                let fits = compare(&contracts, contract, object, &mut met);
                *(if fits { &mut accepted } else { &mut refused }) += 1;
            }
        }
        // Several at a time: conditions between fields.
        for _ in 0..1_000 {
            let mut object = contract.example();
            for _ in 0..=dice.roll(3) {
                let field = &fields[dice.roll(fields.len())];
                if dice.roll(3) == 0 {
                    object.remove(field);
                } else {
                    object.insert(field.clone(), pool[dice.roll(pool.len())].clone());
                }
            }
            let fits = compare(&contracts, contract, object, &mut met);
            *(if fits { &mut accepted } else { &mut refused }) += 1;
        }
    }
    assert!(accepted > 3_000 && refused > 3_000, "{accepted} accepted, {refused} refused");
    assert_eq!(met.len(), 8, "a difference that no record shows is none: {met:?}");
}
