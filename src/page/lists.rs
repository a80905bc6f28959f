//! Accounts and customers, a page at a time: quick however many there are, since the next page begins at a cursor.

use maud::{Markup, html};

use super::frame::{Asked, Frame, page};
use super::links;
use super::parts::{self, account_name, name_or_id};
use super::pen::{Pen, unknown};
use super::words;
use crate::api::answer::{AccountRow, CustomerRow, Listed};

const KEY: [(&str, &str); 2] = [("", "All"), ("true", "Key only")];
const RISK: [(&str, &str); 4] =
    [("", "Any"), ("0.8", "80 % or more"), ("0.6", "60 % or more"), ("0.4", "40 % or more")];

/// Heading of a column by which a list can be sorted: a link, and whether it is.
fn sorted(asked: &Asked, sort: &str, usual: bool, name: &str, class: &str) -> Markup {
    let here = asked.get("sort") == sort || (usual && asked.get("sort").is_empty());
    let ascending =
        if asked.get("order").is_empty() { sort == "name" } else { asked.get("order") == "asc" };
    let turned = match (here, ascending) {
        (true, true) => "desc",
        (true, false) => "asc",
        (false, _) => "",
    };
    let fresh = Asked {
        path: asked.path.clone(),
        query: asked.query.iter().filter(|(n, _)| n != "cursor" && n != "order").cloned().collect(),
    };
    let by = Asked {
        path: fresh.path.clone(),
        query: fresh
            .query
            .iter()
            .filter(|(n, _)| n != "sort")
            .cloned()
            .chain([("sort".to_owned(), sort.to_owned())])
            .collect(),
    };
    let direction = if ascending { "ascending" } else { "descending" };
    html! {
        th scope="col" class=(class) aria-sort=[here.then_some(direction)] {
            a href=(by.with("order", turned)) {
                (name) @if here { span aria-hidden="true" { @if ascending { " ↑" } @else { " ↓" } } }
            }
        }
    }
}

fn heading(name: &str, class: &str) -> Markup {
    html! { th scope="col" class=(class) { (name) } }
}

/// Accounts, a page at a time.
pub fn accounts(answer: &Listed<AccountRow>, frame: &Frame) -> String {
    let pen = Pen { frame, standing: &answer.standing };
    let (asked, list) = (&frame.asked, &answer.list);
    let head = html! {
        tr {
            (sorted(asked, "name", false, "Account", ""))
            (sorted(asked, "at_risk", true, "At risk, 90 days", "num"))
            (sorted(asked, "risk", false, "Risk", ""))
            (heading("Trend, 90 days", "num"))
            (sorted(asked, "value", false, "Lifetime value", "num"))
            (sorted(asked, "satisfaction", false, "Satisfaction", "num"))
            (sorted(asked, "complaints", false, "Complaints", "num"))
            (sorted(asked, "last_contact", false, "Last contact", ""))
            (heading("Owner", ""))
        }
    };
    let rows = html! { @for row in &list.items { (account_row(&pen, row)) } };
    let body = html! {
        div .head {
            div {
                h1 { "Accounts" }
                p .lead {
                    (words::plural(list.total, "account", "accounts")) ", each rolled up from the customers that belong to it."
                }
            }
            (parts::filters(asked, &html! {
                (parts::text_filter(asked, "text", "Name or id", "any"))
                (parts::text_filter(asked, "owner", "Owner", "any"))
                (parts::choice_filter(asked, "risk_from", "Risk", &RISK))
                (parts::choice_filter(asked, "key", "Key accounts", &KEY))
            }))
        }
        div .card {
            @if list.items.is_empty() {
                (no_rows(asked, "account", "Accounts come from events that name an account_id, and from pipelines/accounts.toml running beside the customers."))
            }
            @else { (parts::table("Accounts", "", &head, &rows)) }
        }
        (parts::pager(asked, list.items.len(), list.total, list.next.as_ref(), ("account", "accounts")))
    };
    page(&pen, "Accounts", &body)
}

fn account_row(pen: &Pen<'_>, row: &AccountRow) -> Markup {
    let members = words::plural(u64::from(row.members), "customer", "customers");
    html! {
        tr data-key=(row.account_id) {
            th scope="row" {
                a href=(links::account(&row.account_id)) { (account_name(row)) } " " (parts::key(row.key))
                span .sub { (parts::place(&[&members, &row.region, &row.industry])) }
            }
            td .num { (pen.money(row.at_risk_minor)) }
            td { (parts::risk(row.risk)) }
            td .num { @match row.trend_90 { Some(trend) => (words::log_change(trend)), None => (unknown()) } }
            td .num { (pen.money(row.value_minor)) }
            td .num { (parts::satisfaction(row.satisfaction)) }
            td .num { (row.open_complaints) }
            td { (pen.ago_or(row.last_contact)) }
            td { @if row.owner_id.is_empty() { (unknown()) } @else { (row.owner_id) } }
        }
    }
}

/// Customers, a page at a time.
pub fn customers(answer: &Listed<CustomerRow>, frame: &Frame) -> String {
    let pen = Pen { frame, standing: &answer.standing };
    let (asked, list) = (&frame.asked, &answer.list);
    let head = html! {
        tr {
            (sorted(asked, "name", false, "Customer", ""))
            (heading("Lifecycle", ""))
            (sorted(asked, "at_risk", true, "At risk, 90 days", "num"))
            (sorted(asked, "risk", false, "Risk", ""))
            (sorted(asked, "loyalty", false, "Loyalty", "num"))
            (sorted(asked, "value", false, "Lifetime value", "num"))
            (sorted(asked, "revenue", false, "Revenue", "num"))
            (sorted(asked, "last_purchase", false, "Last purchase", ""))
            (heading("Owner", ""))
        }
    };
    let rows = html! { @for row in &list.items { (customer_row(&pen, row)) } };
    let lifecycles = [
        ("", "Any"),
        ("prospect", "Prospect"),
        ("new", "New"),
        ("active", "Active"),
        ("slipping", "Slipping"),
        ("dormant", "Dormant"),
        ("lost", "Lost"),
        ("won_back", "Won back"),
    ];
    let body = html! {
        div .head {
            div {
                h1 { "Customers" }
                p .lead {
                    (words::plural(list.total, "customer", "customers")) ", with what is known of each to the moment."
                }
            }
            (parts::filters(asked, &html! {
                (parts::text_filter(asked, "text", "Name or id", "any"))
                (parts::choice_filter(asked, "lifecycle", "Lifecycle", &lifecycles))
                (parts::choice_filter(asked, "risk_from", "Risk", &RISK))
                (parts::choice_filter(asked, "key", "Key customers", &KEY))
            }))
        }
        div .card {
            @if list.items.is_empty() {
                (no_rows(asked, "customer", "Customers come from the first event that names them: see docs/events.md for what a producer sends."))
            }
            @else { (parts::table("Customers", "", &head, &rows)) }
        }
        (parts::pager(asked, list.items.len(), list.total, list.next.as_ref(), ("customer", "customers")))
    };
    page(&pen, "Customers", &body)
}

fn customer_row(pen: &Pen<'_>, row: &CustomerRow) -> Markup {
    html! {
        tr data-key=(row.customer_id) {
            th scope="row" {
                a href=(links::customer(&row.customer_id)) { (name_or_id(&row.name, &row.customer_id)) }
                " " (parts::key(row.key)) " " (parts::tier(&row.tier))
                @if !row.name.is_empty() { span .sub { (row.customer_id) } }
            }
            td { (parts::lifecycle(&row.lifecycle)) }
            td .num { (pen.money(row.at_risk_minor)) }
            td { (parts::risk(row.risk)) }
            td .num { @match row.loyalty { Some(loyalty) => (words::number(loyalty, 0)), None => (unknown()) } }
            td .num { @match row.value_minor { Some(value) => (pen.money(value)), None => (unknown()) } }
            td .num { (pen.money(row.revenue_minor)) }
            td { (pen.ago_or(row.last_purchase)) }
            td { @if row.owner_id.is_empty() { (unknown()) } @else { (row.owner_id) } }
        }
    }
}

fn no_rows(asked: &Asked, what: &str, where_from: &str) -> Markup {
    if asked.is_filtered() {
        return parts::empty(
            2,
            &format!("No {what} matches"),
            &html! {
                p {
                    "Owner, region and lifecycle are matched as a whole; name and id by any part. Clear the filter to see all."
                }
                a .button href=(asked.path) { "Clear the filter" }
            },
        );
    }
    parts::empty(
        2,
        &format!("No {what} yet"),
        &html! { p { (where_from) } a .button href=(links::PIPELINE) { "See the pipeline" } },
    )
}
