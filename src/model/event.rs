//! Events: decoded, checked records. Texts are spans into the arena of their batch.

use serde::{Deserialize, Serialize};

use super::money::Currency;

/// A text in the arena of an [`super::batch::EventBatch`]; an empty span means "absent".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Span {
    /// The absent text.
    pub const NONE: Self = Self { start: 0, len: 0 };

    /// Whether the text is absent.
    pub fn is_none(self) -> bool {
        self.len == 0
    }
}

/// The types of the contract (docs/events.md). The numbers are stored in ClickHouse and never change.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[repr(u8)]
#[allow(missing_docs)] // the names are the contract's own words
pub enum EventType {
    Purchase = 1,
    Refund = 2,
    Support = 3,
    Web = 4,
    Profile = 5,
    Opening = 6,
    Invoice = 7,
    Payment = 8,
    ExtensionRequest = 9,
    Contact = 10,
    Contract = 11,
    Referral = 12,
    Rating = 13,
    Delivery = 14,
    Usage = 15,
    Access = 16,
}

impl EventType {
    /// Every type.
    pub const ALL: [Self; 16] = [
        Self::Purchase,
        Self::Refund,
        Self::Support,
        Self::Web,
        Self::Profile,
        Self::Opening,
        Self::Invoice,
        Self::Payment,
        Self::ExtensionRequest,
        Self::Contact,
        Self::Contract,
        Self::Referral,
        Self::Rating,
        Self::Delivery,
        Self::Usage,
        Self::Access,
    ];

    /// The value of the `type` field.
    pub fn name(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Refund => "refund",
            Self::Support => "support",
            Self::Web => "web",
            Self::Profile => "profile",
            Self::Opening => "opening",
            Self::Invoice => "invoice",
            Self::Payment => "payment",
            Self::ExtensionRequest => "extension_request",
            Self::Contact => "contact",
            Self::Contract => "contract",
            Self::Referral => "referral",
            Self::Rating => "rating",
            Self::Delivery => "delivery",
            Self::Usage => "usage",
            Self::Access => "access",
        }
    }

    /// The type of a `type` field.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }
}

/// An amount: as it was written, and in the reporting currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// Minor units of the definition's reporting currency (half-even, once per event).
    pub minor: i64,
    /// Minor units of the original currency.
    pub original_minor: i64,
    /// The original currency.
    pub currency: Currency,
}

/// What happened on a support ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TicketAction {
    Opened,
    Replied,
    Resolved,
    Reopened,
    Rated,
}

/// What a visitor did. `Other` is any action the product has no use for yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum WebAction {
    PageView,
    Search,
    Compare,
    CartAdd,
    Login,
    CancelPage,
    OptOut,
    ExportData,
    Other,
}

impl WebAction {
    /// Intents are kept one by one in the `events` table; other web events only by session.
    pub fn is_intent(self) -> bool {
        matches!(self, Self::CartAdd | Self::CancelPage | Self::OptOut | Self::ExportData)
    }
}

/// Whether somebody stands up for us at the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Champion {
    /// Does not.
    #[default]
    No,
    /// Does.
    Yes,
    /// Did, and has left the company.
    Left,
}

impl Champion {
    /// How events and master data call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Left => "left",
        }
    }

    /// Of its name.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        [Self::No, Self::Yes, Self::Left].into_iter().find(|known| known.name().as_bytes() == name)
    }
}

/// Master data: an absent span means that the event says nothing about the field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ProfileFields {
    pub region: Span,
    pub industry: Span,
    pub segment: Span,
    pub owner_id: Span,
    pub key: Option<bool>,
    pub name: Span,
    pub champion: Option<Champion>,
}

/// A line of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Product category; absent when the producer has none.
    pub category: Span,
    /// Pieces, at least 1.
    pub qty: u32,
    /// Price per piece, minor units of the reporting currency; 0 when absent.
    pub price_minor: i64,
    /// When the product came to market, milliseconds.
    pub launched_ms: Option<i64>,
}

/// A run of items in the arena of an [`super::batch::EventBatch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ItemRange {
    /// First item.
    pub start: u32,
    /// How many.
    pub len: u32,
}

/// What a ticket is about, as far as a signal asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TicketKind {
    Complaint,
    Suggestion,
    Question,
    Other,
}

/// What kind of contact it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ContactKind {
    Visit,
    Call,
    Mail,
    Campaign,
}

/// What the types carry beyond the common fields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Body {
    /// A purchase.
    Purchase {
        /// What was paid, >= 0.
        amount: Amount,
        /// Discount granted, minor units of the reporting currency, >= 0.
        discount_minor: i64,
        /// Pieces; 1 when absent.
        quantity: u32,
        /// Order number.
        order_id: Span,
        /// Where it was bought.
        channel: Span,
        /// Its lines.
        items: ItemRange,
    },
    /// Money given back.
    Refund {
        /// What was given back, >= 0.
        amount: Amount,
        /// Order number.
        order_id: Span,
    },
    /// Something happened on a ticket.
    Support {
        /// The ticket.
        ticket_id: Span,
        /// What happened.
        action: TicketAction,
        /// What it is about; `None` when the event does not say.
        kind: Option<TicketKind>,
        /// complaint | question | suggestion | …, as written.
        kind_text: Span,
        /// By which channel.
        channel: Span,
        /// How urgent, as written.
        priority: Span,
        /// Satisfaction 1-5, on `rated` (or any action that carries it).
        csat: Option<u8>,
        /// What the customer had expected, 1-5.
        expected: Option<u8>,
        /// Whether the agent did it (`by` = agent).
        by_agent: bool,
        /// Seconds the customer waited.
        wait_s: Option<f32>,
        /// Minutes the work took.
        handling_min: Option<f32>,
    },
    /// Something happened on the web.
    Web {
        /// What.
        action: WebAction,
        /// The session, if the producer has one.
        session_id: Span,
        /// Product category looked at.
        category: Span,
    },
    /// Master data.
    Profile(ProfileFields),
    /// What was before the stream began.
    Opening {
        /// First purchase ever.
        t_first_ms: i64,
        /// Last purchase before the stream.
        t_last_ms: i64,
        /// Distinct purchase days.
        n_days: u32,
        /// Orders.
        orders: u32,
        /// Revenue.
        revenue: Amount,
    },
    /// A bill.
    Invoice {
        /// The bill's number.
        invoice_id: Span,
        /// What is owed, >= 0.
        amount: Amount,
        /// When it falls due; a date is its midnight UTC.
        due_ms: i64,
    },
    /// A bill, or a part of it, was paid.
    Payment {
        /// The bill's number.
        invoice_id: Span,
        /// What was paid, >= 0.
        amount: Amount,
    },
    /// The customer asks for more time to pay.
    ExtensionRequest {
        /// The bill's number.
        invoice_id: Span,
    },
    /// Somebody spoke to the customer, or the customer to somebody.
    Contact {
        /// Whether we did it (`direction` = out).
        outbound: bool,
        /// How.
        kind: ContactKind,
        /// Who of ours.
        employee: Span,
    },
    /// A contract was made, renewed or signed.
    Contract {
        /// Since when it runs.
        start_ms: i64,
        /// When it must be renewed.
        renewal_ms: Option<i64>,
        /// Whether the next term is signed; `None` when the event does not say.
        signed: Option<bool>,
    },
    /// The customer recommended us.
    Referral,
    /// How likely the customer is to recommend us.
    Rating {
        /// 0-10.
        nps: u8,
    },
    /// An order was promised for a time, or delivered.
    Delivery {
        /// The order.
        order_id: Span,
        /// When it was promised.
        promised_ms: i64,
        /// When it arrived; `None` as long as it has not.
        delivered_ms: Option<i64>,
    },
    /// How much of a service was used.
    Usage {
        /// What is measured.
        metric: Span,
        /// How much, >= 0.
        quantity: f64,
        /// How much the plan allows.
        plan_limit: Option<f64>,
    },
    /// An employee read the customer's data.
    Access {
        /// Who.
        employee: Span,
        /// How many records.
        records: u64,
    },
}

/// A decoded, checked event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// xxh3-64 of `event_id`, what duplicates are told by.
    pub id_hash: u64,
    /// 1-64 bytes, unique within its source.
    pub event_id: Span,
    /// 1-128 bytes.
    pub customer_id: Span,
    /// Optional, at most 128 bytes.
    pub account_id: Span,
    /// Optional, at most 128 bytes.
    pub legal_entity_id: Span,
    /// The field `source`: which system said so; optional, at most 64 bytes.
    pub origin: Span,
    /// Event time, milliseconds.
    pub ts_ms: i64,
    /// Master data that came along (region and so on are accepted on the `profile` type only).
    pub body: Body,
    /// The record as it came. The event's texts lie in it, unless they had escapes.
    pub raw: Span,
}

impl Event {
    /// The type of the event.
    pub fn event_type(&self) -> EventType {
        match self.body {
            Body::Purchase { .. } => EventType::Purchase,
            Body::Refund { .. } => EventType::Refund,
            Body::Support { .. } => EventType::Support,
            Body::Web { .. } => EventType::Web,
            Body::Profile(_) => EventType::Profile,
            Body::Opening { .. } => EventType::Opening,
            Body::Invoice { .. } => EventType::Invoice,
            Body::Payment { .. } => EventType::Payment,
            Body::ExtensionRequest { .. } => EventType::ExtensionRequest,
            Body::Contact { .. } => EventType::Contact,
            Body::Contract { .. } => EventType::Contract,
            Body::Referral => EventType::Referral,
            Body::Rating { .. } => EventType::Rating,
            Body::Delivery { .. } => EventType::Delivery,
            Body::Usage { .. } => EventType::Usage,
            Body::Access { .. } => EventType::Access,
        }
    }
}
