//! What an event was, in a few words.

use super::replay::Known;
use super::report::At;
use crate::model::batch::EventBatch;
use crate::model::event::{
    Amount, Body, ContactKind, ProfileFields, Span, TicketAction, TicketKind, WebAction,
};
use crate::plan::Plan;

/// Longest text of a producer that is shown, characters.
const TEXT_MAX: usize = 60;

/// The words.
pub(super) fn what(plan: &Plan, batch: &EventBatch, known: &Known) -> String {
    let event = &known.event;
    let id = |word: &str, span: Span| match shown(batch.str(span)) {
        text if text.is_empty() => String::new(),
        text => format!(", {word} {text}"),
    };
    match event.body {
        Body::Purchase { amount, discount_minor, order_id, .. } => {
            let off = match discount_minor {
                0 => String::new(),
                minor => format!(" at a discount of {}", money(minor, plan.currency)),
            };
            format!("purchase of {}{off}{}", original(amount), id("order", order_id))
        }
        Body::Refund { amount, order_id } => {
            format!("refund of {}{}", original(amount), id("order", order_id))
        }
        Body::Support { .. } => ticket(&event.body, &id),
        Body::Web { .. } if known.session => "visit".to_owned(),
        Body::Web { action, .. } => web(action).to_owned(),
        Body::Profile(fields) => master(batch, fields),
        Body::Opening { t_first_ms, t_last_ms, n_days, orders, .. } => format!(
            "opening: {orders} orders on {n_days} days from {} to {}",
            At(t_first_ms),
            At(t_last_ms)
        ),
        Body::Invoice { invoice_id, amount, due_ms } => {
            format!(
                "invoice of {}, due {}{}",
                original(amount),
                At(due_ms),
                id("number", invoice_id)
            )
        }
        Body::Payment { invoice_id, amount } => {
            format!("payment of {}{}", original(amount), id("invoice", invoice_id))
        }
        Body::ExtensionRequest { invoice_id } => {
            format!("asked to pay later{}", id("invoice", invoice_id))
        }
        Body::Contact { outbound, kind, .. } => contact(outbound, kind),
        Body::Contract { start_ms, renewal_ms, signed } => contract(start_ms, renewal_ms, signed),
        Body::Referral => "recommended us".to_owned(),
        Body::Rating { nps } => format!("would recommend us: {nps} of 10"),
        Body::Delivery { order_id, promised_ms, delivered_ms } => {
            let came = match delivered_ms {
                Some(ms) => format!("delivered {}", At(ms)),
                None => "not delivered yet".to_owned(),
            };
            format!("delivery promised for {}, {came}{}", At(promised_ms), id("order", order_id))
        }
        Body::Usage { metric, quantity, .. } => {
            format!("used {quantity} {}", shown(batch.str(metric)))
        }
        Body::Access { .. } => "an employee read the data".to_owned(),
    }
}

fn ticket(body: &Body, id: &dyn Fn(&str, Span) -> String) -> String {
    let Body::Support { ticket_id, action, kind, csat, expected, by_agent, .. } = *body else {
        return String::new();
    };
    let noun = match kind {
        Some(TicketKind::Complaint) => "complaint",
        Some(TicketKind::Suggestion) => "suggestion",
        Some(TicketKind::Question) => "question",
        Some(TicketKind::Other) | None => "ticket",
    };
    let verb = match action {
        TicketAction::Opened => "opened",
        TicketAction::Replied if by_agent => "answered",
        TicketAction::Replied => "written to by the customer",
        TicketAction::Resolved => "resolved",
        TicketAction::Reopened => "opened again",
        TicketAction::Rated => "rated",
    };
    let rated = csat.map_or_else(String::new, |csat| format!(", satisfaction {csat} of 5"));
    let hoped = expected.map_or_else(String::new, |expected| format!(", expected {expected}"));
    format!("{noun} {verb}{rated}{hoped}{}", id("ticket", ticket_id))
}

fn web(action: WebAction) -> &'static str {
    match action {
        WebAction::CartAdd => "put something into the cart",
        WebAction::CancelPage => "looked at how to leave",
        WebAction::OptOut => "refused messages",
        WebAction::ExportData => "exported their data",
        WebAction::PageView => "looked at a page",
        WebAction::Search => "searched",
        WebAction::Compare => "compared",
        WebAction::Login => "logged in",
        WebAction::Other => "did something on the web",
    }
}

fn master(batch: &EventBatch, fields: ProfileFields) -> String {
    let said = [
        ("region", !fields.region.is_none()),
        ("industry", !fields.industry.is_none()),
        ("segment", !fields.segment.is_none()),
        ("key customer", fields.key.is_some()),
        ("name", !fields.name.is_none()),
    ];
    let mut named: Vec<String> =
        said.iter().filter(|(_, said)| *said).map(|(name, _)| (*name).to_owned()).collect();
    let owner = shown(batch.str(fields.owner_id));
    if !owner.is_empty() {
        named.push(format!("owner {owner}"));
    }
    format!("master data: {}", named.join(", "))
}

fn contact(outbound: bool, kind: ContactKind) -> String {
    let noun = match kind {
        ContactKind::Visit => "visit in person",
        ContactKind::Call => "call",
        ContactKind::Mail => "mail",
        ContactKind::Campaign => "campaign",
    };
    let side = if outbound { "to" } else { "from" };
    format!("{noun} {side} the customer")
}

fn contract(start_ms: i64, renewal_ms: Option<i64>, signed: Option<bool>) -> String {
    let until = renewal_ms.map_or_else(String::new, |ms| format!(" until {}", At(ms)));
    let next = match signed {
        Some(true) => ", the next term is signed",
        Some(false) => ", the next term is not signed",
        None => "",
    };
    format!("contract from {}{until}{next}", At(start_ms))
}

fn original(amount: Amount) -> String {
    money(amount.original_minor, amount.currency)
}

fn money(minor: i64, currency: crate::model::money::Currency) -> String {
    let digits = currency.minor_digits();
    let scale = 10_u64.pow(digits);
    let (sign, value) = (if minor < 0 { "-" } else { "" }, minor.unsigned_abs());
    if digits == 0 {
        return format!("{sign}{value} {currency}");
    }
    let width = digits as usize;
    format!("{sign}{}.{:0width$} {currency}", value / scale, value % scale)
}

/// A producer's text, cut and without control characters: it goes to a terminal.
fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(TEXT_MAX).map(plain).collect();
    if text.chars().nth(TEXT_MAX).is_some() {
        shown.push('…');
    }
    shown
}
