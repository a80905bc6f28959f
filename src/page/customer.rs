//! A customer: how they stand, why, what has happened, and every signal.

use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::account::credit;
use super::alert;
use super::chart::Curve;
use super::explanation::explanation;
use super::frame::{Frame, page};
use super::links;
use super::opportunities;
use super::parts::{self, card, figure, name_or_id};
use super::pen::{Pen, unknown};
use super::timeline::{by_day, shares_over_time, timeline};
use super::words;
use crate::api::answer::{Customer, CustomerRow, SignalValue, Time};
use crate::model::registry::{Kind, Signal, Subject, input_label};

/// A customer.
pub fn customer(answer: &Customer, frame: &Frame) -> String {
    let pen = Pen { frame, standing: &answer.standing };
    let row = &answer.customer;
    let curves = [
        Curve {
            label: "Risk",
            of_100: false,
            points: by_day(answer.history.iter(), |p| &p.day, |p| p.risk),
        },
        Curve {
            label: "Loyalty",
            of_100: true,
            points: by_day(answer.history.iter(), |p| &p.day, |p| p.loyalty.map(|l| l / 100.0)),
        },
    ];
    let all = format!("{}?customer={}", links::ALERTS, links::escaped(&row.customer_id));
    let n = answer.alerts.iter().filter(|alert| alert.is_open()).count() as u64;
    let body = html! {
        (head(row))
        (figures(&pen, row))
        (alert::open(&pen, &answer.alerts, n, &all))
        div .wide-narrow {
            div .stack {
                (explanation(&pen, answer.explanation.as_ref(), &answer.unexplained))
                (card(
                    "history",
                    "How it went",
                    "As of the end of each day on which something changed.",
                    &shares_over_time(&curves, "Risk and loyalty of the customer by day"),
                ))
                (card(
                    "timeline",
                    "What happened",
                    "Events and alerts, latest first, each with its place in Kafka.",
                    &timeline(&pen, &answer.timeline, false),
                ))
                (card("signals", "Every signal", "", &signals(&pen, &answer.signals)))
            }
            div .stack {
                (card("facts", "The customer", "", &facts(&pen, row)))
                (alert::ended(&pen, &answer.alerts))
                (card("opportunities", "Opportunities", "", &opportunities::of_customer(&pen, &answer.opportunities)))
                (card("credit", "Credit by legal entity", "", &credit(&pen, &answer.credit)))
            }
        }
    };
    page(&pen, name_or_id(&row.name, &row.customer_id), &body)
}

fn head(row: &CustomerRow) -> Markup {
    let place = parts::place(&[&row.region, &row.industry, &row.segment]);
    html! {
        div {
            p .crumbs {
                a href=(links::CUSTOMERS) { "Customers" }
                @if !row.account_id.is_empty() {
                    " / account " a href=(links::account(&row.account_id)) { (row.account_id) }
                }
            }
            div .title {
                h1 { (name_or_id(&row.name, &row.customer_id)) }
                (parts::key(row.key)) (parts::tier(&row.tier)) (parts::lifecycle(&row.lifecycle))
            }
            p .lead {
                span .mono { (row.customer_id) }
                @if !place.is_empty() { " · " (place) }
                " · looked after by " @if row.owner_id.is_empty() { "nobody" } @else { (row.owner_id) }
            }
        }
    }
}

fn figures(pen: &Pen<'_>, row: &CustomerRow) -> Markup {
    let since = |since: Option<Time>| html! { @if let Some(at) = since { "since " (pen.day(at)) } };
    html! {
        dl .figures aria-label="The customer in numbers" {
            (figure("Churn risk", &parts::risk(row.risk), &since(row.risk_since)))
            (figure("Revenue at risk", &html! { (pen.money(row.at_risk_minor)) }, &html! { "over 90 days" }))
            (figure(
                "Silent for 90 days",
                &row.p_silent_90.map_or_else(unknown, |p| html! { (words::percent(p)) }),
                &html! { "probability" },
            ))
            (figure(
                "Loyalty",
                &row.loyalty.map_or_else(unknown, |l| html! { (words::number(l, 0)) }),
                &html! { "of 100" @if !row.quadrant.is_empty() { ", " (row.quadrant) } },
            ))
            (figure("Satisfaction", &parts::satisfaction(row.satisfaction), &html! {
                @match row.satisfaction_n {
                    Some(n) if n >= 0.05 => { "of " (words::number(n, 1)) " ratings" }
                    _ => "no rating of their own"
                }
            }))
            (figure(
                "Lifetime value",
                &row.value_minor.map_or_else(unknown, |v| html! { (pen.money(v)) }),
                &html! { (pen.money(row.revenue_minor)) " so far" },
            ))
        }
    }
}

fn facts(pen: &Pen<'_>, row: &CustomerRow) -> Markup {
    html! {
        dl .facts.card-body {
            dt { "Lifecycle" }
            dd {
                (words::human(&row.lifecycle)) @if let Some(since) = row.lifecycle_since { " since " (pen.day(since)) }
            }
            dt { "Last purchase" } dd { (pen.ago_or(row.last_purchase)) }
            dt { "Purchases" } dd { (words::count(u64::from(row.orders))) }
            dt { "Last contact" } dd { (pen.ago_or(row.last_contact)) }
            dt { "Complaints" } dd { (row.open_complaints) " open" }
            dt { "ABC class" } dd { @if row.abc.is_empty() { (unknown()) } @else { (row.abc) } }
            dt { "As of" } dd { @match row.at { Some(at) => (pen.minute(at)), None => (unknown()) } }
        }
    }
}

fn signals(pen: &Pen<'_>, signals: &[SignalValue]) -> Markup {
    let known = signals.iter().filter(|s| s.value.is_some() || s.text.is_some());
    let head = html! {
        tr { th scope="col" { "Signal" } th scope="col" .num { "Value" } th scope="col" { "Meaning" } }
    };
    let rows = html! {
        @for signal in known.clone() {
            tr {
                th scope="row" { (words::sentence(&signal.label)) }
                td .num { (signal_value(pen, signal)) }
                td .small.quiet { (signal.meaning) " " span .mono { (signal.name) } }
            }
        }
    };
    let unknown = signals.len() - known.count();
    html! {
        details .more data-keep="signals" {
            summary { "Show all " (signals.len()) }
            (parts::table("Signals of the customer", "", &head, &rows))
            @if unknown > 0 {
                p .card-foot {
                    (words::plural(unknown as u64, "signal is", "signals are")) " not known of this customer."
                }
            }
        }
    }
}

/// A value with its unit: as reasons write it, but amounts and moments as on the rest of the page.
fn signal_value(pen: &Pen<'_>, signal: &SignalValue) -> Markup {
    let known = Subject::Customer.find(&signal.name);
    if let Some(text) = &signal.text {
        return match known.map(Signal::kind) {
            Some(Kind::Moment) => match text.parse::<Timestamp>() {
                Ok(at) => pen.minute(Time(at.as_millisecond())),
                Err(_) => html! { (text) },
            },
            Some(Kind::Many) => listed(text),
            _ => html! { (text.replace('_', " ")) },
        };
    }
    let (Some(value), Some(known)) = (signal.value, known) else { return unknown() };
    if known.unit == "minor units" {
        return html! { (pen.money_exact(value as i64)) };
    }
    html! { (known.spelled(value, &pen.standing.currency)) }
}

/// A list or a map, as JSON writes it, an entry a line.
fn listed(json: &str) -> Markup {
    let entries: Vec<(String, Option<f64>)> = match serde_json::from_str(json) {
        Ok(Value::Array(names)) => {
            names.iter().filter_map(|name| Some((name.as_str()?.to_owned(), None))).collect()
        }
        Ok(Value::Object(map)) => map.into_iter().map(|(name, v)| (name, v.as_f64())).collect(),
        _ => return html! { (json) },
    };
    html! {
        @if entries.is_empty() { "none" }
        @for (name, value) in entries {
            span .sub { (input_label(&name)) @if let Some(value) = value { " " (words::points(value)) } }
        }
    }
}
