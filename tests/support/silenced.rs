//! A customer's events without what they say of one thing. Nobody is told less than that: who says nothing any more stands
//! there as a look at the customer's data, which no score is told from, so that the first and the last event stay.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use retain::explain::Held;
use serde_json::Value as Json;

/// What is not told, and which inputs go with it.
pub struct Silence {
    /// What it is about.
    pub name: &'static str,
    /// Inputs that are told from these events alone: of the risk, and of loyalty.
    pub of: [&'static [&'static str]; 2],
    /// Inputs that are told from something else without them.
    pub moves: [&'static [&'static str]; 2],
    edit: fn(&str, &mut Json) -> Edit,
}

enum Edit {
    /// It says nothing of it, or does not say it now.
    Kept,
    /// Without that it would say nothing.
    Nothing,
}

/// Everything that can be left unsaid.
pub const SILENCES: [Silence; 6] = [
    Silence {
        name: "visits",
        of: [&["engagement_falling", "cancel_intent", "opted_out"], &["engagement"]],
        moves: [&[], &[]],
        edit: |kind, _| nothing_if(["web", "session"].contains(&kind)),
    },
    Silence {
        name: "bills",
        of: [&["late_payment", "extensions"], &["pays_on_time"]],
        moves: [&[], &[]],
        edit: |kind, _| nothing_if(["invoice", "payment", "extension_request"].contains(&kind)),
    },
    Silence {
        name: "ratings",
        of: [&["low_satisfaction", "disappointment"], &[]],
        moves: [&[], &[]],
        edit: |_, event| {
            event.as_object_mut().unwrap().remove("csat");
            nothing_if(event["action"] == "rated")
        },
    },
    Silence {
        // the base of a contract is its renewal, of anybody else the silence
        name: "relations",
        of: [&["renewal_near", "contact_left"], &["advocacy"]],
        moves: [&["base"], &["still_active"]],
        edit: |kind, _| {
            let relations =
                ["profile", "contract", "referral", "rating", "delivery", "usage", "contact"];
            nothing_if(relations.contains(&kind))
        },
    },
    Silence {
        name: "categories",
        of: [&[], &["breadth"]],
        moves: [&[], &[]],
        edit: |_, event| {
            for item in event["items"].as_array_mut().into_iter().flatten() {
                item.as_object_mut().unwrap().remove("category");
            }
            Edit::Kept
        },
    },
    Silence {
        // without a kind no ticket is a complaint, which is known and no gap
        name: "kinds of tickets",
        of: [&[], &["suggests"]],
        moves: [&["open_complaints"], &[]],
        edit: |kind, event| {
            if kind == "support" {
                event.as_object_mut().unwrap().remove("kind");
            }
            Edit::Kept
        },
    },
];

fn nothing_if(silent: bool) -> Edit {
    if silent { Edit::Nothing } else { Edit::Kept }
}

impl Silence {
    /// The events without it.
    pub fn without(&self, held: &[Held]) -> Vec<Held> {
        held.iter().map(|row| self.row(row)).collect()
    }

    fn row(&self, row: &Held) -> Held {
        // of a visit only its beginning is held
        let mut event = serde_json::from_slice(&row.payload).unwrap_or_else(|_| Json::default());
        if event.is_null() {
            event = serde_json::json!({ "customer_id": "c" });
        }
        if let Edit::Kept = (self.edit)(&row.kind, &mut event) {
            let edited = if row.payload.is_empty() { Vec::new() } else { to_bytes(&event) };
            return Held { payload: edited, ..row.clone() };
        }
        let looked = serde_json::json!({
            "event_id": event["event_id"].as_str().unwrap_or("visit"),
            "customer_id": event["customer_id"],
            "ts": jiff::Timestamp::from_millisecond(row.ts_ms).unwrap().to_string(),
            "type": "access",
            "employee": "u1",
            "records": 1,
        });
        let (payload, kind) = (to_bytes(&looked), "access".to_owned());
        Held { payload, kind, visit: false, ..row.clone() }
    }
}

fn to_bytes(event: &Json) -> Vec<u8> {
    event.to_string().into_bytes()
}
