//! Events: decoded, checked records. Texts are spans into the arena of their batch.

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
}

/// What the types carry beyond the common fields. Those no signal uses yet are checked by the decoder and kept
/// as they came (in [`Event::raw`]) by the `events` table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Body {
    /// A purchase; `items` are in the raw record.
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
        /// Whether `kind` is `complaint`.
        complaint: bool,
        /// complaint | question | suggestion | …
        kind: Span,
        /// By which channel.
        channel: Span,
        /// Satisfaction 1-5, on `rated` (or any action that carries it).
        csat: Option<u8>,
        /// Whether the agent did it (`by` = agent).
        by_agent: bool,
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
    /// One of the types used by later signals; checked, kept, without an effect on today's signals.
    Kept {
        /// Which.
        event_type: EventType,
        /// Its amount, for `invoice` and `payment`.
        amount: Option<Amount>,
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
    /// The record as it came, where the `events` table keeps it; else absent.
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
            Body::Kept { event_type, .. } => event_type,
        }
    }
}
