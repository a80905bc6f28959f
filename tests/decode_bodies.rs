//! What each type carries: lines of purchases, tickets, and the types beyond the everyday ones.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod records;

use records::{context, full, record};
use retain::decode::decode;
use retain::model::batch::EventBatch;
use retain::model::event::{Body, ContactKind, Event, EventType, Item, TicketKind};
use retain::model::outcome::Reason;

fn accepted(event_type: &str, rest: &str) -> (Event, EventBatch) {
    let text = record(event_type, rest);
    let mut batch = EventBatch::default();
    let decoded = decode(text.as_bytes(), &context(None), &mut batch);
    (decoded.unwrap_or_else(|reject| panic!("{text}: {reject}")), batch)
}

#[test]
fn lines_of_a_purchase_read_as_the_contract_says() {
    let (event, batch) = accepted("purchase", full(EventType::Purchase));
    let Body::Purchase { items, .. } = event.body else { panic!() };
    let [first, second] = batch.items(items) else { panic!() };
    assert_eq!(batch.str(first.category), "tea");
    let launched_ms = Some(1_775_001_600_000);
    assert_eq!(*first, Item { category: first.category, qty: 1, price_minor: 999, launched_ms });
    assert_eq!((second.category.is_none(), second.qty), (true, 1));
    assert_eq!((second.price_minor, second.launched_ms), (0, None));
    // a price is in the purchase's currency, and has the limit of any money
    let dear =
        |price: &str| format!(r#""amount":1,"currency":"EUR","items":[{{"price":{price}}}]"#);
    let (event, batch) = accepted("purchase", &dear("1.5"));
    let Body::Purchase { items, .. } = event.body else { panic!() };
    assert_eq!(batch.items(items)[0].price_minor, 165);
    let mut batch = EventBatch::default();
    let text = record("purchase", &dear("1e14"));
    let reject = decode(text.as_bytes(), &context(None), &mut batch).unwrap_err();
    assert_eq!((reject.reason, batch.len_bytes()), (Reason::BadField, 0));
    assert!(reject.detail.contains("items[0].price"), "{reject}");
}

#[test]
fn the_later_types_read_as_the_contract_says() {
    let read = |event_type: EventType| accepted(event_type.name(), full(event_type));
    let (event, batch) = read(EventType::Invoice);
    let Body::Invoice { invoice_id, amount, due_ms } = event.body else { panic!() };
    assert_eq!((batch.str(invoice_id), amount.minor), ("i-1", 10_000));
    assert_eq!(due_ms, 1_780_272_000_000);

    let (event, batch) = read(EventType::Payment);
    let Body::Payment { invoice_id, amount } = event.body else { panic!() };
    assert_eq!((batch.str(invoice_id), amount.minor), ("i-1", 11_000));

    let (event, batch) = read(EventType::ExtensionRequest);
    let Body::ExtensionRequest { invoice_id } = event.body else { panic!() };
    assert_eq!(batch.str(invoice_id), "i-1");

    let (event, batch) = read(EventType::Contact);
    let Body::Contact { outbound, kind, employee } = event.body else { panic!() };
    assert_eq!((outbound, kind, batch.str(employee)), (false, ContactKind::Call, "u-1"));

    let (event, _) = read(EventType::Contract);
    let (start_ms, renewal_ms) = (1_767_225_600_000, Some(1_798_761_600_000));
    assert_eq!(event.body, Body::Contract { start_ms, renewal_ms, signed: Some(true) });
    for (text, expected) in [("null", None), ("false", Some(false)), ("\"2026-01-05\"", Some(true))]
    {
        let (event, _) = accepted("contract", &format!(r#""start":"2026-01-01","signed":{text}"#));
        let Body::Contract { renewal_ms: None, signed, .. } = event.body else { panic!() };
        assert_eq!(signed, expected, "{text}");
    }

    assert_eq!(read(EventType::Referral).0.body, Body::Referral);
    assert_eq!(read(EventType::Rating).0.body, Body::Rating { nps: 9 });

    let (event, batch) = read(EventType::Delivery);
    let Body::Delivery { order_id, promised_ms, delivered_ms } = event.body else { panic!() };
    assert_eq!(batch.str(order_id), "o-1");
    assert_eq!((promised_ms, delivered_ms), (1_777_766_400_000, Some(1_777_885_200_000)));

    let (event, batch) = read(EventType::Usage);
    let Body::Usage { metric, quantity, plan_limit } = event.body else { panic!() };
    assert_eq!((batch.str(metric), quantity, plan_limit), ("seats", 12.5, Some(20.0)));

    let (event, batch) = read(EventType::Access);
    let Body::Access { employee, records } = event.body else { panic!() };
    assert_eq!((batch.str(employee), records), ("u-1", 3));
}

#[test]
fn what_a_ticket_is_about() {
    for (kind, expected) in [
        ("\"complaint\"", Some(TicketKind::Complaint)),
        ("\"suggestion\"", Some(TicketKind::Suggestion)),
        ("\"question\"", Some(TicketKind::Question)),
        ("\"praise\"", Some(TicketKind::Other)),
        ("\"\"", None),
        ("null", None),
    ] {
        let rest = format!(r#""ticket_id":"t","action":"opened","kind":{kind}"#);
        let Body::Support { kind: read, .. } = accepted("support", &rest).0.body else { panic!() };
        assert_eq!(read, expected, "{kind}");
    }
}

#[test]
fn an_event_is_small() {
    assert!(size_of::<Event>() <= 136, "{} bytes", size_of::<Event>());
}
