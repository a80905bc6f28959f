//! Whom a rule is about, and the signals it may speak of: those of the customer, and those of tickets, accounts, segments
//! and employees, which are no columns of the customer views.

use super::{
    Change::{Due, Event, Live},
    Signal, signal, signals,
};

/// Whom a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A customer.
    Customer,
    /// One ticket of a customer; its rules may speak of the customer too.
    Ticket,
    /// An account.
    Account,
    /// A segment of the market: a product category, perhaps in a region.
    Segment,
    /// An employee who reads customers' data.
    Employee,
}

/// Of customers, beside the registry.
const OF_CUSTOMERS: &[Signal] = &[
    signal(
        "key_customer",
        "flag",
        Due,
        "Whether it is a key customer.",
        "at or above the cut-off `tiers.key`, or said so",
    ),
    signal("sessions", "count", Event, "How many visits there were.", "distinct visits")
        .range("0.."),
    signal(
        "session_gap_surprise",
        "0..1",
        Live,
        "How unusually long the customer has not visited, by their own rhythm.",
        "P(k, k * elapsed / mean gap), regularised lower gamma, over the latest 16 days with a visit",
    )
    .range("0..1"),
];

/// Of one ticket.
const OF_TICKETS: &[Signal] = &[
    signal(
        "ticket_opened_at",
        "time",
        Event,
        "When the ticket was opened.",
        "time of its first opening action",
    ),
    signal("ticket_open", "flag", Event, "Whether it is open.", "its latest action opens it"),
    signal("ticket_complaint", "flag", Event, "Whether it is a complaint.", "its kind"),
    signal(
        "ticket_answered",
        "flag",
        Event,
        "Whether somebody has answered.",
        "an agent has replied",
    ),
];

/// Of an account.
const OF_ACCOUNTS: &[Signal] = &[
    signal(
        "active_contacts",
        "count",
        Event,
        "How many people of the account have dealings with us.",
        "distinct members seen lately",
    )
    .range("0.."),
    signal(
        "champion_left",
        "flag",
        Event,
        "Whether the person who stood up for us has left.",
        "last word about the champion",
    ),
    signal(
        "account_key",
        "flag",
        Due,
        "Whether it is a key account.",
        "said so, or a member is a key customer",
    ),
];

/// Of a segment.
const OF_SEGMENTS: &[Signal] = &[
    signal(
        "demand_trend",
        "ln",
        Live,
        "Whether more (above 0) or less is bought than usual.",
        "ln(pieces a day, half-life 14 d / pieces a day, half-life 90 d)",
    )
    .range("-3..3"),
    signal(
        "demand_n",
        "count",
        Live,
        "On how many orders that rests, the older the less.",
        "D_90(orders)",
    )
    .range("0.."),
];

/// Of an employee.
const OF_EMPLOYEES: &[Signal] = &[
    signal(
        "access_p",
        "0..1",
        Event,
        "How likely it is to read so many customers' data in a day, by one's own habit.",
        "upper tail of the Poisson distribution at the own decayed mean",
    )
    .range("0..1"),
    signal(
        "records_read",
        "count",
        Event,
        "How many customers' data were read today.",
        "records read since the day began",
    )
    .range("0.."),
];

/// Signals that rules may name and that the pipeline does not compute yet.
const AWAITED: [&str; 5] =
    ["active_contacts", "champion_left", "account_key", "access_p", "records_read"];

impl Subject {
    /// Every subject.
    pub const ALL: [Self; 5] =
        [Self::Customer, Self::Ticket, Self::Account, Self::Segment, Self::Employee];

    /// How definitions call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Ticket => "ticket",
            Self::Account => "account",
            Self::Segment => "segment",
            Self::Employee => "employee",
        }
    }

    /// The signals a rule about it may speak of.
    pub fn signals(self) -> impl Iterator<Item = &'static Signal> {
        let customer = matches!(self, Self::Customer | Self::Ticket);
        let (also, own): (&[Signal], &[Signal]) = match self {
            Self::Customer => (OF_CUSTOMERS, &[]),
            Self::Ticket => (OF_CUSTOMERS, OF_TICKETS),
            Self::Account => (OF_ACCOUNTS, &[]),
            Self::Segment => (OF_SEGMENTS, &[]),
            Self::Employee => (OF_EMPLOYEES, &[]),
        };
        signals().filter(move |_| customer).chain(also).chain(own)
    }

    /// The signal of that name.
    #[must_use]
    pub fn find(self, name: &str) -> Option<&'static Signal> {
        self.signals().find(|signal| signal.name == name)
    }
}

impl Signal {
    /// Whether the pipeline computes it; a rule over one that it does not stays silent.
    #[must_use]
    pub fn is_computed(&self) -> bool {
        !AWAITED.contains(&self.name)
    }

    /// Whether time alone moves it; what only events, cut-offs or the machine's own dues move has no crossing of its own.
    #[must_use]
    pub fn moves_with_time(&self) -> bool {
        matches!(self.change, super::Change::Live | super::Change::Refresh)
    }
}
