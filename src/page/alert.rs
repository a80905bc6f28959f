//! An alert: as a piece of a list, with what may be done about it, and as a page of its own with its history.

use maud::{Markup, html};
use xxhash_rust::xxh3::xxh3_128;

use super::frame::{Frame, Notice, page};
use super::icon::{Icon, icon};
use super::links::{self, field};
use super::parts::{self, name_or_id};
use super::pen::{Pen, unknown};
use super::words;
use crate::api::answer::{Act, Alert, AlertDetail, Done, Listed};

/// Days for which an alert can be put off.
const SNOOZE_DAYS: [(u32, &str); 4] = [(1, "1 day"), (3, "3 days"), (7, "1 week"), (14, "2 weeks")];

/// How many open alerts stand on the page of their subject.
const OPEN_SHOWN: usize = 6;

/// What an action did, to be said on the next page.
pub fn notice(done: &Done) -> Notice {
    let said = match done.act {
        Act::Acknowledge => "You have it. The alert shows your name",
        Act::Snooze => "Put off. The alert shows until when",
        Act::Resolve => "Resolved. The alert leaves the list",
        Act::Reopen => "Reopened. The alert is back on the list",
    };
    Notice {
        good: true,
        text: format!("{said} as soon as the pipeline has read it, within seconds."),
    }
}

/// Where an alert stands, in a word with a sign.
pub(super) fn phase(pen: &Pen<'_>, alert: &Alert) -> Markup {
    let by = (!alert.by.is_empty()).then_some(&alert.by);
    match alert.phase.as_str() {
        "acknowledged" => {
            html! {
                span .tag.good { (icon(Icon::Person)) @match by { Some(by) => { (by) " has it" } None => "Taken" } }
            }
        }
        "snoozed" => html! {
            span .tag.low {
                (icon(Icon::Clock)) "Put off" @if let Some(until) = alert.snoozed_until { " until " (pen.day(until)) }
            }
        },
        "pending" => html! { span .tag.low { (icon(Icon::Clock)) "Pending" } },
        "resolved" | "quiet" => html! { span .tag.good { (icon(Icon::Good)) "Ended" } },
        "dismissed" => html! { span .tag.low { (icon(Icon::Good)) "Ended by hand" } },
        _ => html! {},
    }
}

/// Who the alert is about, as a link where there is a page.
pub(super) fn subject(alert: &Alert) -> Markup {
    let named = |id| name_or_id(&alert.name, id);
    if !alert.customer_id.is_empty() {
        return html! { a href=(links::customer(&alert.customer_id)) { (named(&alert.customer_id)) } };
    }
    if !alert.account_id.is_empty() {
        return html! { a href=(links::account(&alert.account_id)) { (named(&alert.account_id)) } };
    }
    html! { span { (words::human(&alert.subject_kind)) " " (named(&alert.subject_id)) } }
}

/// What the subject is, where that is not a customer: customers are what most alerts are about.
fn kind(alert: &Alert) -> Markup {
    let says = match alert.subject_kind.as_str() {
        "customer" | "segment" | "employee" => String::new(),
        "ticket" => format!("Ticket {}", alert.subject_id),
        kind => words::human(kind),
    };
    html! { @if !says.is_empty() { span .small.quiet { (says) } } }
}

/// The line above an alert: how bad, what, since when, who has it.
pub(super) fn headline(pen: &Pen<'_>, alert: &Alert) -> Markup {
    html! {
        div .item-over {
            (parts::severity(&alert.severity))
            a href=(links::alert(&alert.alert_id)) { (words::rule(&alert.rule)) }
            @if let Some(raised) = alert.raised { span { "raised " (pen.ago(raised)) } }
            // a simulated clock is always ahead of what is read
            @if alert.catch_up && !pen.standing.simulated { span .tag { "noticed while catching up" } }
            (phase(pen, alert))
        }
    }
}

/// Why, what has changed, and what to do.
pub(super) fn reasons(alert: &Alert) -> Markup {
    html! {
        @if alert.reasons.is_empty() { p .why { (alert.about) } }
        @else { ul .why { @for reason in &alert.reasons { li { (words::sentence(reason)) } } } }
        @if !alert.changed.is_empty() {
            p .changed { "Changed: " (alert.changed.join("; ")) }
        }
        @if !alert.next_step.is_empty() {
            p .next { (icon(Icon::Next)) span { span .unseen { "Next step: " } (alert.next_step) } }
        }
    }
}

/// What may be done about it, for those whose role allows it. `about` tells the buttons of a list apart.
pub(super) fn acts(frame: &Frame, alert: &Alert, acts: &[Act], about: &str) -> Markup {
    if !frame.may_act {
        return html! {};
    }
    html! {
        @for act in acts {
            @match act {
                Act::Acknowledge => (plain(frame, alert, *act, "I have it", "button primary", about)),
                Act::Snooze => (snooze(frame, alert, about)),
                Act::Resolve => (resolve(frame, alert, about)),
                Act::Reopen => (plain(frame, alert, *act, "Reopen", "button", about)),
            }
        }
    }
}

/// The id of the command that a form of this page sends; empty, and the command gets one of its own, without a seed.
fn command_id(frame: &Frame, alert: &Alert, act: Act) -> String {
    if frame.form_seed.is_empty() {
        return String::new();
    }
    let form = format!("{}/{}/{}", frame.form_seed, alert.alert_id, act.name());
    format!("{:032x}", xxh3_128(form.as_bytes()))
}

fn hidden(frame: &Frame, alert: &Alert, act: Act) -> Markup {
    html! {
        input type="hidden" name=(field::CSRF) value=(frame.csrf);
        input type="hidden" name=(field::COMMAND_ID) value=(command_id(frame, alert, act));
        input type="hidden" name=(field::EPISODE) value=(alert.episode);
        input type="hidden" name=(field::BACK) value=(frame.asked.address());
    }
}

fn plain(frame: &Frame, alert: &Alert, act: Act, says: &str, class: &str, about: &str) -> Markup {
    html! {
        form method="post" action=(links::act(&alert.alert_id, act)) data-act {
            (hidden(frame, alert, act))
            button class=(class) type="submit" { (says) span .unseen { ": " (about) } }
        }
    }
}

fn snooze(frame: &Frame, alert: &Alert, about: &str) -> Markup {
    html! {
        details .pop data-pop {
            summary .button { "Put off" span .unseen { ": " (about) } }
            form .pop-in method="post" action=(links::act(&alert.alert_id, Act::Snooze)) data-act {
                (hidden(frame, alert, Act::Snooze))
                (note(alert, Act::Snooze))
                fieldset .choices {
                    legend .unseen { "For how long" }
                    @for (days, says) in SNOOZE_DAYS {
                        button .button type="submit" name=(field::DAYS) value=(days) { (says) }
                    }
                }
                p .small.quiet { "It comes back then, unless it has ended by itself." }
            }
        }
    }
}

fn resolve(frame: &Frame, alert: &Alert, about: &str) -> Markup {
    html! {
        details .pop data-pop {
            summary .button.plain { "Resolve" span .unseen { ": " (about) } }
            form .pop-in method="post" action=(links::act(&alert.alert_id, Act::Resolve)) data-act {
                (hidden(frame, alert, Act::Resolve))
                (note(alert, Act::Resolve))
                button .button.primary type="submit" { "Resolve" }
                p .small.quiet { "If what raised it goes on, it is reopened after the rule’s cooldown." }
            }
        }
    }
}

fn note(alert: &Alert, act: Act) -> Markup {
    let id = format!("note-{}-{}", act.name(), alert.alert_id);
    html! {
        div .field {
            label for=(id) { "Note, for the history (optional)" }
            input id=(id) type="text" name=(field::NOTE) maxlength="256" autocomplete="off";
        }
    }
}

/// An alert in a list of alerts.
pub(super) fn item(pen: &Pen<'_>, alert: &Alert, level_2: bool) -> Markup {
    let (class, _) = parts::severity_look(&alert.severity);
    let taken = if alert.phase == "firing" { "" } else { " is-taken" };
    let about =
        format!("{}, {}", words::rule(&alert.rule), name_or_id(&alert.name, &alert.subject_id));
    html! {
        article class={ "item is-" (class) (taken) } data-key=(alert.alert_id) tabindex="-1" {
            div {
                (headline(pen, alert))
                @if level_2 { h2 { (subject(alert)) (parts::key(alert.key)) (parts::tier(&alert.tier)) (kind(alert)) } }
                (reasons(alert))
            }
            div .item-side {
                @if let Some(at_risk) = alert.at_risk_minor {
                    span .worth { (pen.money(at_risk)) }
                    span .small.quiet { "at risk in 90 days" @if let Some(at) = alert.at { ", as of " (pen.day(at)) } }
                }
                dl {
                    @if alert.risk.is_some() { dt { "Risk then" } dd { (parts::risk(alert.risk)) } }
                    dt { "Owner" } dd { @if alert.owner_id.is_empty() { "nobody" } @else { (alert.owner_id) } }
                    @if !alert.customer_id.is_empty() {
                        dt { "Customer" } dd { a href=(links::customer(&alert.customer_id)) {
                            (name_or_id(&alert.name, &alert.customer_id))
                        } }
                    }
                }
            }
            div .item-acts { (acts(pen.frame, alert, alert.acts(), &about)) }
        }
    }
}

/// The open ones of a subject's alerts, each with what may be done; nothing without any. Beyond the first few there is the
/// list at `all`; `n` says how many there are.
pub(super) fn open(pen: &Pen<'_>, alerts: &[Alert], n: u64, all: &str) -> Markup {
    let open: Vec<&Alert> = alerts.iter().filter(|alert| alert.is_open()).collect();
    html! {
        @if !open.is_empty() {
            section .stack aria-labelledby="open" {
                h2 #open { (words::plural(n, "open alert", "open alerts")) }
                div .queue data-queue { @for alert in open.iter().take(OPEN_SHOWN) { (item(pen, alert, false)) } }
                @if n > OPEN_SHOWN as u64 {
                    p { a .button href=(all) { "All " (words::count(n)) " open alerts" } }
                }
            }
        }
    }
}

/// The others, in a line each.
pub(super) fn ended(pen: &Pen<'_>, alerts: &[Alert]) -> Markup {
    let ended: Vec<&Alert> = alerts.iter().filter(|alert| !alert.is_open()).collect();
    let lines = html! {
        ul .levers.card-body {
            @for alert in &ended {
                li {
                    (icon(Icon::Bell))
                    span {
                        a href=(links::alert(&alert.alert_id)) { (words::rule(&alert.rule)) }
                        " " span .quiet { (words::became(&alert.what)) " " (pen.ago_or(alert.at)) }
                    }
                }
            }
        }
    };
    html! { @if !ended.is_empty() { (parts::card("ended", "Alerts that ended", "", &lines)) } }
}

/// Alerts, a page at a time.
pub fn alerts(answer: &Listed<Alert>, frame: &Frame) -> String {
    let pen = Pen { frame, standing: &answer.standing };
    let list = &answer.list;
    let phases = [
        ("", "Open"),
        ("firing", "Nobody has it"),
        ("acknowledged", "Taken"),
        ("snoozed", "Put off"),
        ("resolved", "Ended"),
        ("all", "All"),
    ];
    let severities = [
        ("", "Any"),
        ("critical", "Critical"),
        ("high", "High or worse"),
        ("medium", "Medium or worse"),
    ];
    let body = html! {
        div .head {
            div {
                h1 { "Alerts" }
                p .lead {
                    "Every alert with where it stands. What needs you most is on " a href=(links::TODAY) { "Today" }
                    "."
                }
            }
            (parts::filters(&frame.asked, &html! {
                (parts::choice_filter(&frame.asked, "phase", "State", &phases))
                (parts::choice_filter(&frame.asked, "severity_from", "Severity", &severities))
                (parts::text_filter(&frame.asked, "owner", "Owner", "any"))
            }))
        }
        @if list.items.is_empty() {
            div .card { (parts::empty(2, "No alert here", &html! {
                p { "No alert is in this state. Choose another state, or clear the filter." }
            })) }
        } @else {
            div .queue data-queue { @for alert in &list.items { (item(&pen, alert, true)) } }
            (parts::pager(&frame.asked, list.items.len(), list.total, list.next.as_ref(), ("alert", "alerts")))
        }
    };
    page(&pen, "Alerts", &body)
}

/// An alert with its history.
pub fn alert(answer: &AlertDetail, frame: &Frame) -> String {
    let pen = Pen { frame, standing: &answer.standing };
    let alert = &answer.alert;
    let title = words::rule(&alert.rule);
    let body = html! {
        div {
            p .crumbs { a href=(links::ALERTS) { "Alerts" } }
            div .title { h1 { (title) } (parts::severity(&alert.severity)) (phase(&pen, alert)) }
            p .lead { (subject(alert)) ". " (alert.about) }
        }
        (item(&pen, alert, false))
        (parts::card(
            "history",
            "What became of it",
            "Every transition of this episode: what the pipeline decided and what people did.",
            &history(&pen, &answer.history),
        ))
        (parts::card("identity", "Where to find it", "", &html! {
            dl .facts.card-body {
                dt { "Alert" } dd .mono { (alert.alert_id) }
                dt { "Rule" } dd .mono { (alert.rule) }
                dt { "Subject" }
                dd { (alert.subject_kind) " " span .mono { (alert.subject_id) } ", episode " (alert.episode) }
                dt { "Told" }
                dd { @if alert.receivers.is_empty() { "nobody" } @else { (alert.receivers.join(", ")) } }
                dt { "Noticed" } dd { @match alert.detected { Some(at) => (pen.minute(at)), None => (unknown()) } }
            }
        }))
    };
    page(&pen, &title, &body)
}

fn history(pen: &Pen<'_>, history: &[Alert]) -> Markup {
    if history.is_empty() {
        return parts::empty(
            3,
            "No transition yet",
            &html! { p { "The first one stands here once it is in ClickHouse." } },
        );
    }
    html! {
        ol .line-list.card-body {
            @for step in history {
                li {
                    span .when { @if let Some(at) = step.at { (pen.minute(at)) } }
                    span .dot.alert { (icon(if step.by_kind == "person" { Icon::Person } else { Icon::Bell })) }
                    span .what {
                        span .strong { (words::became(&step.what)) }
                        @match step.by_kind.as_str() {
                            "person" => { " by " (step.by) }
                            "time" => " as time passed",
                            _ => "",
                        }
                        @if let (Some(until), "snoozed") = (step.snoozed_until, step.what.as_str()) {
                            ", until " (pen.minute(until))
                        }
                        @if !step.note.is_empty() { span .where { "“" (step.note) "”" } }
                    }
                    span .num { @if let Some(at_risk) = step.at_risk_minor { (pen.money(at_risk)) } }
                }
            }
        }
    }
}
