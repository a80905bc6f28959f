//! The inputs of the scores: how definitions, rows and explanations name them, and what people call them.

/// Inputs of the churn risk, in order: how definitions, rows and explanations name them.
pub const RISK_INPUTS: [&str; 16] = [
    "base",
    "overdue_gap",
    "spend_falling",
    "engagement_falling",
    "open_complaints",
    "support_load",
    "low_satisfaction",
    "disappointment",
    "late_payment",
    "extensions",
    "cancel_intent",
    "opted_out",
    "discount_dependent",
    "returns",
    "renewal_near",
    "contact_left",
];

/// Inputs of loyalty, in order.
pub const LOYALTY_INPUTS: [&str; 13] = [
    "repeat_depth",
    "still_active",
    "tenure",
    "breadth",
    "price_tolerance",
    "returns",
    "advocacy",
    "engagement",
    "regularity",
    "new_products",
    "suggests",
    "pays_on_time",
    "multi_contact",
];

/// What people call an input, as a noun that says nothing of which way it pushes; the name itself, where no score has such an input.
#[must_use]
pub fn input_label(name: &str) -> &str {
    match name {
        "base" => "time since the last purchase",
        "overdue_gap" => "length of the present gap",
        "spend_falling" => "change in spending",
        "engagement_falling" | "engagement" => "change in visits",
        "open_complaints" => "open complaints",
        "support_load" => "need of support",
        "low_satisfaction" => "satisfaction",
        "disappointment" => "satisfaction against expectation",
        "late_payment" => "delay of payment",
        "extensions" => "requests for more time to pay",
        "cancel_intent" => "looks at how to leave",
        "opted_out" => "refusal of messages",
        "discount_dependent" => "share bought at a discount",
        "returns" => "goods sent back",
        "renewal_near" => "time to the renewal",
        "contact_left" => "changes of contact",
        "repeat_depth" => "repeat purchases",
        "still_active" => "chance of buying on",
        "tenure" => "time as a customer",
        "breadth" => "product categories bought",
        "price_tolerance" => "purchases at full price",
        "advocacy" => "recommendations",
        "regularity" => "regularity of purchases",
        "new_products" => "new products bought",
        "suggests" => "suggestions rather than complaints",
        "pays_on_time" => "payment in time",
        "multi_contact" => "people who talk to us",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_input_has_a_label_of_its_own_within_its_score() {
        for inputs in [RISK_INPUTS.as_slice(), LOYALTY_INPUTS.as_slice()] {
            let labels: BTreeSet<&str> = inputs.iter().map(|name| input_label(name)).collect();
            assert_eq!(labels.len(), inputs.len());
            for name in inputs {
                let label = input_label(name);
                assert!(!label.contains('_') && label.len() > 8, "{name}: {label}");
                assert!(label != *name, "{name}");
            }
        }
    }
}
