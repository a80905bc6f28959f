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
        "key customer",
        "flag",
        Due,
        "Whether it is a key customer.",
        "at or above the cut-off `tiers.key`, or said so",
    ),
    signal("sessions", "visits so far", "count", Event, "How many visits there were.", "distinct visits")
        .range("0.."),
    signal(
        "session_gap_surprise",
        "visit gaps shorter than the present one",
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
        "opening of the ticket",
        "time",
        Event,
        "When the ticket was opened.",
        "time of its first opening action",
    ),
    signal(
        "ticket_open",
        "ticket is open",
        "flag",
        Event,
        "Whether it is open.",
        "its latest action opens it",
    ),
    signal(
        "ticket_complaint",
        "ticket is a complaint",
        "flag",
        Event,
        "Whether it is a complaint.",
        "its kind",
    ),
    signal(
        "ticket_answered",
        "ticket is answered",
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
        "people who have dealings with us",
        "count",
        Live,
        "How many people of the account have dealings with us.",
        "members whose last act is not older than `accounts.active`",
    )
    .range("0.."),
    signal(
        "single_threaded",
        "one person at most has dealings with us",
        "flag",
        Live,
        "Whether one person at most of the account has dealings with us.",
        "active_contacts <= 1",
    ),
    signal(
        "champion_left",
        "who stood up for us has left",
        "flag",
        Event,
        "Whether the person who stood up for us has left.",
        "a member called champion has left the account or the company, and no other member is called so",
    ),
    signal(
        "account_key",
        "key account",
        "flag",
        Due,
        "Whether it is a key account.",
        "said so, or a member is a key customer",
    ),
    signal(
        "members",
        "customers of the account",
        "count",
        Event,
        "How many people belong to it.",
        "members that have not left",
    )
    .range("0.."),
    signal(
        "risk",
        "risk of losing the revenue",
        "0..1",
        Event,
        "How likely its revenue is lost.",
        "sum(w risk) / sum(w) of members, w revenue a year",
    )
    .range("0..1"),
    signal(
        "at_risk_minor",
        "revenue at risk in 90 days",
        "minor units",
        Event,
        "What of the next 90 days' revenue is likely lost.",
        "sum(w risk) * 90 / 365",
    )
    .range("0.."),
    signal(
        "value_minor",
        "lifetime value of all its customers",
        "minor units",
        Event,
        "Lifetime value of all members.",
        "sum of members",
    ),
    signal(
        "revenue_365_minor",
        "revenue a year",
        "minor units",
        Event,
        "Revenue a year at the present pace.",
        "sum of members",
    ),
    signal(
        "trend_30",
        "change in revenue over 30 days",
        "ln",
        Live,
        "How revenue has changed in 30 days.",
        "ln(pace now / pace then)",
    ),
    signal(
        "trend_90",
        "change in revenue over 90 days",
        "ln",
        Live,
        "How revenue has changed in 90 days.",
        "ln(pace now / pace then)",
    ),
    signal(
        "risk_change_30",
        "change of the risk over 30 days",
        "-1..1",
        Live,
        "How the risk has changed in 30 days.",
        "risk now - risk then",
    )
    .range("-1..1"),
    signal(
        "risk_change_90",
        "change of the risk over 90 days",
        "-1..1",
        Live,
        "How the risk has changed in 90 days.",
        "risk now - risk then",
    )
    .range("-1..1"),
    signal(
        "satisfaction",
        "satisfaction of all its customers",
        "0..1",
        Event,
        "Satisfaction of its members.",
        "mean of all ratings, with the prior",
    )
    .range("0..1"),
    signal(
        "satisfaction_n",
        "ratings of all its customers",
        "ratings",
        Event,
        "On how many ratings that rests.",
        "decayed count of members' ratings",
    )
    .range("0.."),
    signal(
        "open_tickets",
        "open tickets",
        "count",
        Event,
        "Open tickets of all members.",
        "sum of members",
    )
    .range("0.."),
    signal(
        "open_complaints",
        "open complaints",
        "count",
        Event,
        "Open complaints of all members.",
        "sum of members",
    )
    .range("0.."),
    signal(
        "oldest_complaint_at",
        "oldest open complaint",
        "time",
        Event,
        "Since when the oldest complaint is open.",
        "min of members",
    ),
    signal(
        "open_minor",
        "amount owed",
        "minor units",
        Event,
        "What is owed.",
        "sum of open invoices",
    )
    .range("0.."),
    signal(
        "overdue_minor",
        "amount overdue",
        "minor units",
        Live,
        "What is owed beyond terms.",
        "sum of open invoices that are due",
    )
    .range("0.."),
    signal(
        "next_renewal",
        "next renewal",
        "time",
        Live,
        "When the next contract that is not signed again must be renewed.",
        "min of members' renewals ahead",
    ),
    signal(
        "last_contact",
        "last contact",
        "time",
        Event,
        "When somebody last spoke with one of them.",
        "max of members",
    ),
    signal(
        "last_visit",
        "last visit to them",
        "time",
        Event,
        "When one of them was last visited.",
        "max of members",
    ),
    signal(
        "visit_gap_d",
        "time since the last visit to them",
        "days",
        Live,
        "How long ago that was.",
        "now - last visit",
    )
    .range("0.."),
    signal(
        "last_seen",
        "last seen",
        "time",
        Event,
        "When one of them last did something.",
        "max of members",
    ),
];

/// Of a segment.
const OF_SEGMENTS: &[Signal] = &[
    signal(
        "demand_trend",
        "change in demand",
        "ln",
        Live,
        "Whether more (above 0) or less is bought than usual.",
        "ln(pieces a day, half-life 14 d / pieces a day, half-life 90 d)",
    )
    .range("-3..3"),
    signal(
        "demand_n",
        "orders behind the change",
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
        "chance of reading so much by habit",
        "0..1",
        Live,
        "How likely it is to read so many customers' data in a day, by one's own habit.",
        "upper tail of the Poisson distribution at the decayed mean (half-life 30 d) of the days with access in the 90 days before",
    )
    .range("0..1"),
    signal(
        "records_read",
        "customer records read today",
        "count",
        Live,
        "How many customers' data were read today.",
        "records read since the day began, in the definition's `day_zone`",
    )
    .range("0.."),
];

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
    /// Whether time alone moves it; what only events, cut-offs or the machine's own dues move has no crossing of its own.
    #[must_use]
    pub fn moves_with_time(&self) -> bool {
        matches!(self.change, super::Change::Live | super::Change::Refresh)
    }
}
