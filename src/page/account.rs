//! An account: how it stands, whose doing that is, what it owes, and what has happened.

use maud::{Markup, html};

use super::alert;
use super::chart::{self, Curve};
use super::frame::{Frame, page};
use super::icon::{Icon, icon};
use super::links;
use super::parts::{self, account_name, card, figure, name_or_id};
use super::pen::{Pen, unknown};
use super::timeline::{by_day, shares_over_time, timeline};
use super::words;
use crate::api::answer::{Account, AccountRow, EntityCredit, Member, Part};
use crate::model::registry::input_label;

/// So many members are named as what would change the account.
const LEVERS: usize = 3;

/// An account.
pub fn account(answer: &Account, frame: &Frame) -> String {
    let pen = Pen { frame, standing: &answer.standing };
    let row = &answer.account;
    let curves = [
        Curve {
            label: "Risk",
            of_100: false,
            points: by_day(answer.history.iter(), |p| &p.day, |p| p.risk),
        },
        Curve {
            label: "Satisfaction",
            of_100: false,
            points: by_day(answer.history.iter(), |p| &p.day, |p| p.satisfaction),
        },
    ];
    let all = format!("{}?account={}", links::ALERTS, links::escaped(&row.account_id));
    let body = html! {
        (head(row))
        (figures(&pen, row))
        (alert::open(&pen, &answer.alerts, u64::from(row.open_alerts), &all))
        div .wide-narrow {
            div .stack {
                (card(
                    "members",
                    "Customers and their part in the risk",
                    "The risk of an account is that of its customers, weighted by their revenue. Most at risk first.",
                    &members(&pen, &answer.members),
                ))
                (card("levers", "What would change it", "", &levers(&pen, &answer.members)))
                (card(
                    "history",
                    "How it went",
                    "As of the end of each day on which something changed.",
                    &shares_over_time(&curves, "Risk and satisfaction of the account by day"),
                ))
                (card(
                    "timeline",
                    "What happened",
                    "Events, signals and alerts of all its customers, latest first.",
                    &timeline(&pen, &answer.timeline, true),
                ))
            }
            div .stack {
                (card("facts", "The account", "", &facts(&pen, row)))
                (card(
                    "credit",
                    "Credit by legal entity",
                    "Nothing is netted: what one entity has paid too much pays for no other.",
                    &credit(&pen, &answer.credit),
                ))
                (alert::ended(&pen, &answer.alerts))
            }
        }
    };
    page(&pen, account_name(row), &body)
}

fn head(row: &AccountRow) -> Markup {
    let members = words::plural(u64::from(row.members), "customer", "customers");
    html! {
        div {
            p .crumbs { a href=(links::ACCOUNTS) { "Accounts" } }
            div .title {
                h1 { (account_name(row)) }
                (parts::key(row.key)) @if row.single_threaded {
                    span .tag.medium { (icon(Icon::Person)) "Only one contact" }
                }
            }
            p .lead {
                (parts::place(&[&members, &row.region, &row.industry]))
                " · looked after by " @if row.owner_id.is_empty() {
                    span .high.strong { "nobody" }
                } @else { (row.owner_id) }
                @if row.key && !row.key_reason.is_empty() { " · key because: " (row.key_reason) }
            }
        }
    }
}

fn figures(pen: &Pen<'_>, row: &AccountRow) -> Markup {
    html! {
        dl .figures aria-label="The account in numbers" {
            (figure("Revenue at risk", &html! { (pen.money(row.at_risk_minor)) }, &html! { "over 90 days" }))
            (figure("Churn risk", &parts::risk(row.risk), &html! { "weighted by revenue" }))
            (figure("Revenue, a year", &html! { (pen.money(row.revenue_365_minor)) }, &parts::pace(pen, row)))
            (figure("Lifetime value", &html! { (pen.money(row.value_minor)) }, &html! { "expected, all customers" }))
            (figure("Satisfaction", &parts::satisfaction(row.satisfaction), &html! {
                @if row.open_complaints == 0 { "no open complaint" }
                @else { span .high.strong {
                    (words::plural(u64::from(row.open_complaints), "open complaint", "open complaints"))
                }
                    @if let Some(since) = row.oldest_complaint { ", oldest " (pen.ago(since)) } }
            }))
        }
    }
}

fn facts(pen: &Pen<'_>, row: &AccountRow) -> Markup {
    html! {
        dl .facts.card-body {
            dt { "Id" } dd .mono { (row.account_id) }
            dt { "Last contact" } dd { (pen.ago_or(row.last_contact)) }
            dt { "Last visit" }
            dd {
                @match row.visit_gap_d {
                    Some(days) => { (words::plural(days.max(0.0) as u64, "day", "days")) " ago" }
                    None => (unknown())
                }
            }
            dt { "In touch with" } dd { (words::plural(u64::from(row.active_contacts), "person", "people")) }
            dt { "Next renewal" } dd { (pen.day_or(row.next_renewal)) }
            dt { "Trend, 30 days" }
            dd { @match row.trend_30 { Some(trend) => (words::log_change(trend)), None => (unknown()) } }
            dt { "Trend, 90 days" }
            dd { @match row.trend_90 { Some(trend) => (words::log_change(trend)), None => (unknown()) } }
            dt { "Overdue" } dd { (pen.money_exact(row.overdue_minor)) }
            dt { "As of" } dd { @match row.as_of { Some(as_of) => (pen.minute(as_of)), None => (unknown()) } }
        }
    }
}

fn members(pen: &Pen<'_>, members: &[Member]) -> Markup {
    if members.is_empty() {
        return parts::empty(
            3,
            "No customer belongs to it now",
            &html! {
                p { "All have left, or the last words of its customers are on their way." }
            },
        );
    }
    let most = members.iter().map(|m| m.at_risk_minor).max().unwrap_or(0);
    let head = html! {
        tr {
            th scope="col" { "Customer" } th scope="col" { "Risk" }
            th scope="col" .num { "At risk" } th scope="col" { "Share" }
            th scope="col" { "What moves it most" } th scope="col" { "Last contact" }
        }
    };
    let rows = html! {
        @for member in members {
            tr {
                th scope="row" { a href=(links::customer(&member.customer_id)) {
                    (name_or_id(&member.name, &member.customer_id))
                }
                    span .sub {
                        (words::human(&member.lifecycle)) @if !member.tier.is_empty() { ", " (member.tier) }
                    } }
                td { (parts::risk(member.risk)) }
                (parts::amount_bar(pen, member.at_risk_minor, most, "risk"))
                td .small { @for part in member.parts.iter().take(2) { (pushes(part)) } }
                td { (pen.ago_or(member.last_contact)) }
            }
        }
    };
    parts::table("Customers of the account", "", &head, &rows)
}

/// An input and where it pushes the risk, by sign and colour.
fn pushes(part: &Part) -> Markup {
    let up = part.log_odds > 0.0;
    html! {
        span class=(if up { "sev small high" } else { "sev small good" }) {
            (icon(if up { Icon::Up } else { Icon::Down }))
            span { span .unseen { (if up { "raises: " } else { "lowers: " }) } (words::sentence(input_label(&part.input))) }
        }
        " "
    }
}

/// Whose change would move the account most: by share, with what raises their risk.
fn levers(pen: &Pen<'_>, members: &[Member]) -> Markup {
    let raised = |member: &Member| member.parts.iter().find(|p| p.log_odds > 0.0).cloned();
    let worth: Vec<(&Member, Part)> = members
        .iter()
        .filter(|m| m.at_risk_minor > 0)
        .filter_map(|m| Some((m, raised(m)?)))
        .take(LEVERS)
        .collect();
    html! {
        div .card-body {
            @if worth.is_empty() {
                p .quiet { "No customer of the account is above the reference: there is nothing to bring down." }
            }
            @else {
                ul .levers {
                    @for (member, part) in worth {
                        li {
                            (icon(Icon::Next))
                            span {
                                a href={ (links::customer(&member.customer_id)) "#risk" } {
                                    (name_or_id(&member.name, &member.customer_id))
                                }
                                @if let Some(share) = member.share {
                                    " carries " span .strong { (words::percent(share)) }
                                    " of what is at risk. "
                                } @else { ". " }
                                "Raised most by this: " (part.meaning) " (" (pen.money(member.at_risk_minor)) " at stake)."
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What each legal entity owes.
pub(super) fn credit(pen: &Pen<'_>, credit: &[EntityCredit]) -> Markup {
    if credit.is_empty() {
        return html! {
            div .card-body { p .quiet { "No invoice names it. Invoices come by events of the type invoice." } }
        };
    }
    let most = credit.iter().map(|c| c.open_minor).max().unwrap_or(0);
    html! {
        div .card-body {
            dl .stack {
                @for entity in credit {
                    div {
                        dt .strong {
                            @if entity.legal_entity_id.is_empty() { "No legal entity named" } @else { (entity.legal_entity_id) }
                        }
                        dd {
                            (pen.money_exact(entity.open_minor)) " open" (chart::bar(share(entity.open_minor, most), ""))
                        }
                        dd class=(if entity.overdue_minor > 0 { "small high" } else { "small quiet" }) {
                            @if entity.overdue_minor > 0 {
                                (pen.money_exact(entity.overdue_minor)) " overdue"
                                @if let Some(days) = entity.overdue_days { ", " (words::number(days, 0)) " days" }
                            } @else { "nothing overdue" }
                            @if let Some(dbt) = entity.dbt_days {
                                ", pays " (words::number(dbt, 1)) " days beyond terms"
                            }
                        }
                    }
                }
            }
        }
    }
}

fn share(part: i64, whole: i64) -> f64 {
    if whole > 0 { part as f64 / whole as f64 } else { 0.0 }
}
