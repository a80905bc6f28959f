//! The generator against the decoder: well-formed records are events without unknown fields, malformed ones are rejects.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use retain::decode::{DecodeContext, decode};
use retain::generate::{Fault, Generator, Options};
use retain::model::batch::EventBatch;
use retain::model::money::{Currency, Rate};

#[test]
fn generated_records_keep_the_contract_and_malformed_ones_break_it() {
    let euro = Currency::parse("EUR").unwrap();
    let rates = [(euro, Rate::ONE)];
    let context = DecodeContext { default_type: None, reporting: euro, rates: &rates };
    let options = Options { events: 30_000, malformed: 0.1, profiles: 0.02, ..Options::default() };
    let mut types = BTreeSet::new();
    let mut batch = EventBatch::default();
    for record in Generator::new(options).unwrap() {
        batch.clear();
        match decode(record.value.as_bytes(), &context, &mut batch) {
            Ok(event) => {
                assert_ne!(record.fault, Fault::Malformed, "accepted: {}", record.value);
                assert_eq!(batch.customer(&event), record.key.as_bytes());
                types.insert(event.event_type().name());
            }
            Err(reject) => {
                assert_eq!(record.fault, Fault::Malformed, "{reject}: {}", record.value);
            }
        }
        assert!(
            record.fault == Fault::Malformed || batch.unknown_fields == 0,
            "{:?} is unknown in {}",
            batch.unknown_sample,
            record.value
        );
    }
    let expected = ["profile", "purchase", "refund", "support", "web"];
    assert_eq!(types.into_iter().collect::<Vec<_>>(), expected);
}
