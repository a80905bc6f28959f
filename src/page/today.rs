//! The page of the morning: accounts by what is at risk, why, and what to do.

use maud::{Markup, html};

use super::alert;
use super::frame::{Frame, page};
use super::links;
use super::parts::{self, figure};
use super::pen::Pen;
use super::words;
use crate::api::answer::{AccountRow, Alert, Today, TodayRow, TodaySummary};

/// Accounts at risk by revenue at risk.
pub fn today(answer: &Today, frame: &Frame) -> String {
    let pen = Pen { frame, standing: &answer.standing };
    let list = &answer.accounts;
    let first = frame.asked.get("cursor").is_empty();
    let body = html! {
        div .head {
            div { h1 { "Today" } p .lead { (lead(&pen, &answer.summary)) } }
            (parts::filters(&frame.asked, &html! {
                (parts::text_filter(&frame.asked, "owner", "Owner", "everybody"))
                (parts::text_filter(&frame.asked, "region", "Region", "everywhere"))
            }))
        }
        (figures(&pen, &answer.summary))
        @if list.items.is_empty() && answer.others.is_empty() {
            div .card { (nothing(&pen)) }
        }
        @if !list.items.is_empty() {
            ol .queue data-queue aria-label="Accounts by revenue at risk" {
                @for row in &list.items { li { (item(&pen, row)) } }
            }
            (parts::pager(
                &frame.asked,
                list.items.len(),
                list.total,
                list.next.as_ref(),
                ("account at risk", "accounts at risk"),
            ))
        }
        @if first && !answer.others.is_empty() {
            section .stack aria-labelledby="others" {
                div {
                    h2 #others { "Other open alerts" }
                    p .small.quiet {
                        "About accounts with nothing at risk as far as is known and their customers, customers without an account, segments "
                        "and employees. The worst first; " a href=(links::ALERTS) { "Alerts" } " has all."
                    }
                }
                div .queue data-queue { @for alert in &answer.others { (alert::item(&pen, alert, true)) } }
            }
        }
    };
    page(&pen, "Today", &body)
}

fn lead(pen: &Pen<'_>, summary: &TodaySummary) -> String {
    if summary.accounts_at_risk == 0 {
        return "Nothing at risk that is known.".to_owned();
    }
    let verb = if summary.accounts_at_risk == 1 { "puts" } else { "put" };
    format!(
        "{} {verb} {} at risk over the next 90 days. Most at risk first.",
        words::plural(summary.accounts_at_risk, "account", "accounts"),
        pen.money(summary.at_risk_minor)
    )
}

fn figures(pen: &Pen<'_>, summary: &TodaySummary) -> Markup {
    let urgent = match summary.urgent {
        0 => html! { "none critical or high" },
        n => html! { span .high.strong { (words::count(n)) } " critical or high" },
    };
    let listed = |phase: &str, n: u64| html! { a href={ (links::ALERTS) "?phase=" (phase) } { (words::count(n)) } };
    html! {
        dl .figures aria-label="Today in numbers" {
            (figure("Nobody has them yet", &listed("firing", summary.firing), &urgent))
            (figure("Taken", &listed("acknowledged", summary.acknowledged), &html! { "somebody is on it" }))
            (figure("Put off", &listed("snoozed", summary.snoozed), &html! { "come back by themselves" }))
            (figure(
                "Accounts at risk",
                &html! { (words::count(summary.accounts_at_risk)) },
                &html! { "with something to lose" },
            ))
            (figure("Revenue at risk", &html! { (pen.money(summary.at_risk_minor)) }, &html! { "over 90 days" }))
        }
    }
}

fn item(pen: &Pen<'_>, row: &TodayRow) -> Markup {
    let account = &row.account;
    let first = row.alerts.first();
    let class = first.map_or("none", |alert| parts::severity_look(&alert.severity).0);
    let taken = first.is_some_and(|alert| alert.phase != "firing");
    let name = parts::account_name(account);
    html! {
        article class={ "item is-" (class) @if taken { " is-taken" } } data-key=(account.account_id) tabindex="-1" {
            div {
                @match first {
                    Some(alert) => (alert::headline(pen, alert)),
                    None => { div .item-over { "No open alert" } }
                }
                h2 {
                    a href=(links::account(&account.account_id)) data-open { (name) }
                    (parts::key(account.key)) (where_it_is(account))
                }
                @match first {
                    Some(alert) => { (about(alert)) (alert::reasons(alert)) }
                    None => { p .why { "At risk by its numbers; no rule has raised an alert." } }
                }
                (more(&row.alerts))
            }
            (side(pen, account))
            div .item-acts {
                @if let Some(alert) = first {
                    (alert::acts(pen.frame, alert, alert.acts(), &format!("{}, {name}", words::rule(&alert.rule))))
                }
            }
        }
    }
}

/// Whom the first alert is about: somebody of the account.
fn about(alert: &Alert) -> Markup {
    html! { @if !alert.customer_id.is_empty() { p .small.quiet { "About " (alert::subject(alert)) } } }
}

fn where_it_is(account: &AccountRow) -> Markup {
    let place = parts::place(&[&account.region, &account.industry]);
    html! { @if !place.is_empty() { span .small.quiet { (place) } } }
}

fn more(alerts: &[Alert]) -> Markup {
    let rest = alerts.get(1..).unwrap_or_default();
    html! {
        @if !rest.is_empty() {
            p .changed {
                "Also: "
                @for (i, alert) in rest.iter().enumerate() {
                    @if i > 0 { "; " }
                    a href=(links::alert(&alert.alert_id)) { (words::rule(&alert.rule)) }
                    @if !alert.name.is_empty() { ", " (alert.name) } " (" (alert.severity) ")"
                }
            }
        }
    }
}

fn side(pen: &Pen<'_>, account: &AccountRow) -> Markup {
    html! {
        div .item-side {
            span .worth { (pen.money(account.at_risk_minor)) }
            span .small.quiet { "at risk in 90 days" }
            (parts::pace(pen, account))
            dl {
                dt { "Risk" } dd { (parts::risk(account.risk)) }
                dt { "Owner" }
                dd { @if account.owner_id.is_empty() { span .high { "nobody" } } @else { (account.owner_id) } }
                dt { "Last contact" } dd { (pen.ago_or(account.last_contact)) }
                @if let Some(renewal) = account.next_renewal { dt { "Renewal" } dd { (pen.ago(renewal)) } }
                @if account.open_complaints > 0 {
                    dt { "Complaints" } dd { (account.open_complaints) " open"
                        @if let Some(since) = account.oldest_complaint { ", oldest " (pen.ago(since)) } }
                }
            }
        }
    }
}

fn nothing(pen: &Pen<'_>) -> Markup {
    if pen.frame.asked.is_filtered() {
        return parts::empty(
            2,
            "Nothing at risk with this filter",
            &html! {
                p {
                    "No account of this owner or region puts anything at risk. Names are matched as a whole: check the spelling, or clear the filter."
                }
            },
        );
    }
    if pen.standing.complete_to.is_none() {
        return parts::empty(
            2,
            "The first numbers are on their way",
            &html! {
                p { "The pipeline has not finished its first cycle. This page fills by itself." }
                a .button href=(links::PIPELINE) { "See the pipeline" }
            },
        );
    }
    parts::empty(
        2,
        "Nothing at risk",
        &html! {
            p {
                "No account puts revenue at risk. If that is a surprise: accounts come from events with an account_id, keyed by pipelines/accounts.toml."
            }
            a .button href=(links::CUSTOMERS) { "See customers" }
        },
    )
}
