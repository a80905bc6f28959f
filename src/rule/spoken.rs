//! What people call things that files name: the shipped rules, and names with underscores.

/// What people call a rule; files name it. One that is not shipped is called by its name.
#[must_use]
pub fn rule(name: &str) -> String {
    let said = match name {
        "key_at_risk" => "Key customer at risk",
        "risk_jump" => "Risk jumped",
        "overdue_reorder" => "Order overdue",
        "volume_shrink" => "Buys less",
        "late_payment" => "Pays late",
        "credit_combo" => "Pays late and buys less",
        "unanswered" => "Ticket unanswered",
        "complaint_aging" => "Complaint growing old",
        "satisfaction_drop" => "Satisfaction dropped",
        "silence" => "Gone silent",
        "tier_down" => "Fell a tier",
        "account_worse" => "Account getting worse",
        "single_threaded" => "Only one contact left",
        "champion_left" => "Champion left",
        "demand_shift" => "Demand shifted",
        "access_anomaly" => "Unusual access to customer data",
        other => return human(other),
    };
    said.to_owned()
}

/// A name with underscores as words: `key_at_risk` is `Key at risk`.
#[must_use]
pub fn human(name: &str) -> String {
    sentence(&name.replace('_', " "))
}

/// The first letter large.
#[must_use]
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(human("win_back"), "Win back");
        assert_eq!(human(""), "");
        assert_eq!(rule("late_payment"), "Pays late");
        assert_eq!(rule("my_own"), "My own");
    }
}
