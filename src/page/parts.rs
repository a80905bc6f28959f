//! Pieces that several pages are made of: severities, tags, figures, cards, empty places, pagers, filters.

use maud::{Markup, html};

use super::chart;
use super::frame::Asked;
use super::icon::{Icon, icon};
use super::pen::Pen;
use super::words;
use crate::api::answer::{AccountRow, Time};

/// Class and sign of a severity. What is not known looks like the least.
pub(super) fn severity_look(severity: &str) -> (&'static str, Icon) {
    match severity {
        "critical" => ("critical", Icon::Critical),
        "high" => ("high", Icon::High),
        "medium" => ("medium", Icon::Medium),
        "info" => ("info", Icon::Low),
        _ => ("low", Icon::Low),
    }
}

/// A severity: shape, colour and word.
pub(super) fn severity(word: &str) -> Markup {
    let (class, sign) = severity_look(word);
    html! { span class={ "sev " (class) } { (icon(sign)) (words::human(word)) } }
}

/// A risk as a share: shape and colour by its size, from which bands of alerts are made too.
pub(super) fn risk(risk: Option<f64>) -> Markup {
    let Some(risk) = risk else { return super::pen::unknown() };
    let (class, sign) = match risk {
        r if r >= 0.8 => ("critical", Icon::Critical),
        r if r >= 0.6 => ("high", Icon::High),
        r if r >= 0.4 => ("medium", Icon::Medium),
        _ => ("low", Icon::Low),
    };
    html! { span class={ "sev " (class) } { (icon(sign)) (words::percent(risk)) } }
}

/// A word on a ground.
pub(super) fn tag(text: &str, class: &str) -> Markup {
    html! { span class={ "tag " (class) } { (text) } }
}

/// State of the lifecycle as a tag; empty without one.
pub(super) fn lifecycle(word: &str) -> Markup {
    let class = match word {
        "" => return html! {},
        "active" | "won_back" => "good",
        "slipping" => "medium",
        "dormant" => "high",
        "lost" => "critical",
        _ => "low",
    };
    tag(&words::human(word), class)
}

/// Tier as a tag; empty without one.
pub(super) fn tier(word: &str) -> Markup {
    html! { @if !word.is_empty() { (tag(&words::human(word), "outline")) } }
}

/// That it is a key customer or account.
pub(super) fn key(is: bool) -> Markup {
    html! { @if is { (tag("Key", "key")) } }
}

/// A number above a page: name, value, and a note (may be empty).
pub(super) fn figure(name: &str, value: &Markup, note: &Markup) -> Markup {
    html! {
        div .figure { dt { (name) } dd { div .value { (value) } div .note { (note) } } }
    }
}

/// A piece of a page with a heading and what to know about it (may be empty).
pub(super) fn card(id: &str, title: &str, about: &str, body: &Markup) -> Markup {
    html! {
        section .card id=(id) {
            div .card-head { h2 { (title) } @if !about.is_empty() { p { (about) } } }
            (body)
        }
    }
}

/// A table that may be wider than its place; with a name, so that keyboards can scroll it.
pub(super) fn table(name: &str, class: &str, head: &Markup, rows: &Markup) -> Markup {
    html! {
        div .table-scroll role="region" aria-label=(name) tabindex="0" {
            table class=(class) {
                caption .unseen { (name) }
                thead { (head) }
                tbody { (rows) }
            }
        }
    }
}

/// Nothing here: why, and what to do. `level` is that of the heading around it plus one.
pub(super) fn empty(level: u8, title: &str, what_to_do: &Markup) -> Markup {
    html! {
        div class=(if level > 2 { "empty small-empty" } else { "empty" }) {
            (icon(Icon::Empty))
            @if level > 2 { h3 { (title) } } @else { h2 { (title) } }
            (what_to_do)
        }
    }
}

/// Below a list: how many there are, and the way on. Lists go forward by cursor, and begin anew with one step.
pub(super) fn pager(
    asked: &Asked,
    shown: usize,
    total: u64,
    next: Option<&String>,
    of: (&str, &str),
) -> Markup {
    let first = asked.get("cursor").is_empty();
    html! {
        nav .pager aria-label="Pages" {
            span {
                @if first && next.is_none() { (words::plural(total, of.0, of.1)) }
                @else { (words::count(shown as u64)) " of " (words::plural(total, of.0, of.1)) }
            }
            span {
                @if !first { a .button href=(asked.with("cursor", "")) { "First page" } " " }
                @if let Some(next) = next { a .button href=(asked.with("cursor", next)) rel="next" { "Next page" } }
            }
        }
    }
}

/// A text field of a filter, with what was asked.
pub(super) fn text_filter(asked: &Asked, name: &str, label: &str, hint: &str) -> Markup {
    html! {
        div .field {
            label for={ "f-" (name) } { (label) }
            input id={ "f-" (name) } type="text" name=(name) value=(asked.get(name)) placeholder=(hint) maxlength="200" autocomplete="off";
        }
    }
}

/// A choice of a filter: pairs of value and name, the empty value is "any".
pub(super) fn choice_filter(
    asked: &Asked,
    name: &str,
    label: &str,
    choices: &[(&str, &str)],
) -> Markup {
    html! {
        div .field {
            label for={ "f-" (name) } { (label) }
            select id={ "f-" (name) } name=(name) {
                @for (value, text) in choices {
                    option value=(value) selected[asked.get(name) == *value] { (text) }
                }
            }
        }
    }
}

/// A form of filters: what it holds, and the way back to no filter.
pub(super) fn filters(asked: &Asked, fields: &Markup) -> Markup {
    html! {
        form .filters method="get" action=(asked.path) role="search" aria-label="Filter the list" {
            (fields)
            button .button type="submit" { "Apply" }
            @if asked.is_filtered() { a .button.plain href=(asked.path) { "Clear" } }
        }
    }
}

/// How the pace of an account's revenue went in 90 days: the days on which it changed, between then and now.
pub(super) fn pace(pen: &Pen<'_>, account: &AccountRow) -> Markup {
    let Some(trend_90) = account.trend_90.filter(|t| t.is_finite()) else {
        return html! {};
    };
    let said = words::log_change(trend_90);
    let label = format!("Pace of revenue over 90 days: {said}");
    let now = account.revenue_365_minor as f64;
    let mut points = vec![(-90.0, now / trend_90.exp())];
    let days_ago = |at: Time| pen.present().map(|now_ms| (at.0 - now_ms) as f64 / 86_400_000.0);
    let told = account
        .pace
        .iter()
        .filter_map(|pace| Some((days_ago(pace.at)?, pace.revenue_365_minor as f64)));
    points.extend(told.filter(|(day, _)| (-90.0..0.0).contains(day)));
    if let (1, Some(trend_30)) = (points.len(), account.trend_30.filter(|t| t.is_finite())) {
        points.push((-30.0, now / trend_30.exp()));
    }
    points.push((0.0, now));
    html! {
        div .trend {
            (chart::spark(&points, &label)) span .small {
                span .strong { (said) }
                br;
                span .quiet { "pace, 90 days" }
            }
        }
    }
}

/// Name of an account, else its id.
pub(super) fn account_name(account: &AccountRow) -> &str {
    if account.name.is_empty() { &account.account_id } else { &account.name }
}

/// A name, with the id beside it where there is both.
pub(super) fn name_or_id<'a>(name: &'a str, id: &'a str) -> &'a str {
    if name.is_empty() { id } else { name }
}

/// What is known of where somebody belongs, in one line; empty where nothing is.
pub(super) fn place(words: &[&str]) -> String {
    let known: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
    known.join(" · ")
}

/// Satisfaction of 0 to 1 as percent.
pub(super) fn satisfaction(value: Option<f64>) -> Markup {
    value.map_or_else(super::pen::unknown, |v| html! { (words::percent(v)) })
}

/// An amount and its bar within the largest.
pub(super) fn amount_bar(pen: &Pen<'_>, minor: i64, most: i64, class: &str) -> Markup {
    let share = if most > 0 { minor as f64 / most as f64 } else { 0.0 };
    html! {
        td .num { (pen.money(minor)) }
        td .cell-bar { (chart::bar(share, class)) }
    }
}
