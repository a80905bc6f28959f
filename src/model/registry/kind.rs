//! What kind of value a signal has, and whether it can be unknown: what a condition may compare it with.

use super::Signal;
use crate::model::time::{DAY_MS, HOUR_MS};

/// What a value of a signal can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A measured number, in the unit of the signal.
    Number,
    /// A whole number of things.
    Count,
    /// A length of time, kept in units of so many milliseconds.
    Duration {
        /// Milliseconds of one unit of the signal.
        unit_ms: i64,
    },
    /// Yes or no.
    Flag,
    /// One of the words that are the signal's unit.
    Word,
    /// A moment.
    Moment,
    /// A list or a map: nothing that could be compared.
    Many,
}

impl Kind {
    /// How messages call it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Count => "a count",
            Self::Duration { .. } => "a length of time",
            Self::Flag => "a flag",
            Self::Word => "a word",
            Self::Moment => "a moment",
            Self::Many => "a list",
        }
    }
}

/// Signals that count whole things whatever their unit says.
const COUNTS: [&str; 16] = [
    "n_days",
    "x",
    "orders",
    "refunds",
    "breadth",
    "open_tickets",
    "open_complaints",
    "orders_overdue",
    "profile_sources",
    "risk_band",
    "nps_last",
    "sessions",
    "active_contacts",
    "members",
    "demand_n",
    "records_read",
];

/// Signals that always have a value.
const ALWAYS_KNOWN: [&str; 49] = [
    "n_days",
    "x",
    "orders",
    "refunds",
    "revenue_minor",
    "spend_90d_minor",
    "breadth",
    "adopt_new",
    "referrals",
    "lifecycle",
    "open_tickets",
    "open_complaints",
    "ticket_rate_90",
    "reopen_share",
    "sla_breach_share",
    "suggest_share",
    "csat",
    "csat_n",
    "visit_rate_7",
    "visit_rate_60",
    "cancel_intent",
    "opted_out",
    "contact_pressure",
    "owner_changes",
    "profile_completeness",
    "profile_sources",
    "open_minor",
    "overdue_minor",
    "ext_requests",
    "partial_payments",
    "orders_overdue",
    "cost_to_serve",
    "key_customer",
    "sessions",
    "ticket_opened_at",
    "ticket_open",
    "ticket_complaint",
    "ticket_answered",
    "active_contacts",
    "champion_left",
    "demand_n",
    "records_read",
    "account_key",
    "single_threaded",
    "members",
    "at_risk_minor",
    "value_minor",
    "revenue_365_minor",
    "satisfaction_n",
];

impl Signal {
    /// What its values can be compared with.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if COUNTS.contains(&self.name) {
            return Kind::Count;
        }
        match self.unit {
            "days" => Kind::Duration { unit_ms: DAY_MS },
            "hours" => Kind::Duration { unit_ms: HOUR_MS },
            "time" => Kind::Moment,
            "flag" => Kind::Flag,
            "inputs" => Kind::Many,
            unit if unit.contains(": ") => Kind::Many,
            // a set of words: neither a range such as 0..1 nor a unit of one word
            unit if unit.contains(' ') && unit != "minor units" => Kind::Word,
            _ => Kind::Number,
        }
    }

    /// Whether it always has a value; a condition must say what holds while another is unknown.
    #[must_use]
    pub fn is_always_known(&self) -> bool {
        ALWAYS_KNOWN.contains(&self.name)
    }

    /// The words it can be, for [`Kind::Word`].
    pub fn words_of(&self) -> impl Iterator<Item = &'static str> {
        let words = (self.kind() == Kind::Word).then_some(self.unit);
        words.into_iter().flat_map(|unit| unit.split(' '))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::registry::subject::Subject;

    fn kind(name: &str) -> Option<Kind> {
        Subject::ALL.iter().find_map(|subject| subject.find(name)).map(Signal::kind)
    }

    #[test]
    fn kinds_follow_from_units() {
        for (name, expected) in [
            ("risk", Kind::Number),
            ("revenue_minor", Kind::Number),
            ("x", Kind::Count),
            ("gap_mean", Kind::Duration { unit_ms: DAY_MS }),
            ("frt_h", Kind::Duration { unit_ms: HOUR_MS }),
            ("contract_signed", Kind::Flag),
            ("tier", Kind::Word),
            ("t_last", Kind::Moment),
            ("risk_contributions", Kind::Many),
            ("category_intent", Kind::Many),
        ] {
            assert_eq!(kind(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn every_listed_name_is_a_signal() {
        for name in COUNTS.iter().chain(&ALWAYS_KNOWN) {
            assert!(kind(name).is_some(), "{name} is no signal");
        }
    }
}
